/* options: the command line of hs2net-sim. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "run.h"

struct options {
  struct run_config run;
  uint64_t first, last; /* seeds */
  uint32_t minutes;     /* 0: stop at the last seed, else go on this long */
  uint32_t jobs;        /* processes */
  bool twice;           /* each seed again, and compare */
  bool quiet;           /* no line for each seed */
  const char *replay;   /* file, or NULL: nothing is simulated */
  const char *json;     /* file, or NULL */
};

/* Returns -1 to go on, or the exit code. */
int options_read(struct options *out, int argc, char **argv);

#endif /* SIM_OPTIONS_H */
