/* replay: hs2net-sim --replay, which does again what a recording says. */
#ifndef SIM_REPLAY_H
#define SIM_REPLAY_H

#include <stdbool.h>

/* Prints how far it came, where the node did something else than the recorded
 * one, and what it counted; with log also what the node logs.  Returns the
 * exit code. */
int replay_file(const char *recording, const char *identity, bool log);

#endif /* SIM_REPLAY_H */
