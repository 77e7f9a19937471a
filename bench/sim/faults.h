/* faults: what happens to a cluster, at random, until the network is well
 * again for good (its synchrony time). */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "cluster.h"
#include "profile.h"

/* X(name, text).  A kind is chosen with equal chance. */
#define FAULT_LIST(X)                                               \
  X(CRASH, "crashes and restarts")                                  \
  X(LOSE_DISK, "crashes that lose the disk; of f replicas at most") \
  X(PAUSE, "pauses")                                                \
  X(CUT, "links cut one way")                                       \
  X(PARTITION, "partitions")                                        \
  X(NOISE, "loss, duplication, reordering and corruption")          \
  X(DRIFT, "clocks that drift")                                     \
  X(JUMP, "clocks that jump")                                       \
  X(REBIND, "NAT rebindings")                                       \
  X(MOVE, "changes of address, with a restart")                     \
  X(SLOW_DISK, "slow disks")                                        \
  X(FULL_DISK, "full disks")                                        \
  X(ALLOC, "allocations that fail")                                 \
  X(EVIL, "silence, delay, replay and floods; of f replicas at most")

enum fault {
#define X(name, text) FAULT_##name,
  FAULT_LIST(X)
#undef X
      FAULTS_N
};

struct faults {
  struct cluster *cluster;
  const struct profile *profile;
  hs2n_time until;
  hs2n_time every; /* ns between two, on average */
  uint64_t counts[FAULTS_N];
  uint64_t restarts_refused; /* for want of memory; tried again later */
  uint32_t faulty_n;         /* replicas that are faulty for good */
  bool faulty[REP_N_MAX + 1];
  bool rebound[REP_N_MAX + 1]; /* behind a NAT that has forgotten */
};

const char *fault_text(enum fault fault);

/* Begins; the first comes after a random while.  f must stay. */
void faults_begin(struct faults *f);
/* Ends all that has an end. */
void faults_heal(struct faults *f);

#endif /* SIM_FAULTS_H */
