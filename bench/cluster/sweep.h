/* sweep: raises the load step by step, to find how much a cluster takes. */
#ifndef CLUSTER_SWEEP_H
#define CLUSTER_SWEEP_H

#include "cluster.h"

#define SWEEP_STEPS_MAX 24

struct sweep_step {
  uint64_t offered; /* transactions a second */
  double committed; /* transactions a second */
  double blocks;    /* a second */
  uint64_t p50;     /* ns, from intended submission */
  uint64_t p99;
  double cpu; /* cores that all replicas used */
};

struct sweep {
  struct sweep_step steps[SWEEP_STEPS_MAX];
  uint32_t count;
  int light;     /* the step that latency is compared with, or -1 */
  int knee;      /* the last at most twice as slow, or -1 */
  int sustained; /* the last that committed what was offered, or -1 */
};

/* Runs steps of options.duration / 4 each, but at least 2 s, until the
 * cluster does not keep up, and prints each.  False when a check failed. */
bool sweep_run(struct cluster *c, struct sweep *out);

#endif /* CLUSTER_SWEEP_H */
