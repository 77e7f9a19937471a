/* process: a replica as a program: a loop around node, core, log and client.
 *
 * One turn takes in datagrams and what they cause, then stores and syncs the
 * log once, then lets the votes go that waited for it, and at last does what
 * can wait.  So a proposal leaves in the turn in which its quorum completed,
 * and one sync serves all that a turn has stored. */
#ifndef REP_PROCESS_H
#define REP_PROCESS_H

#include "setup.h"

/* Runs until the client's end of the socket closes or SIGTERM comes.
 *
 * client is a connected local stream socket, see client.h, or -1: then the
 * replica orders what nobody sends.  Prints what went wrong to stderr.
 * Returns the exit code. */
int rep_process_run(const struct rep_setup *setup, int client);

#endif /* REP_PROCESS_H */
