/* outside: what a core asks of the outside, on a node of hs2net and a log: the
 * same for a process of its own and for a replica in the simulator. */
#ifndef REP_OUTSIDE_H
#define REP_OUTSIDE_H

#include "net.h"
#include "store.h"

struct rep_outside {
  struct rep_net net;
  struct rep_store *store;

  /* Whoever looks on; each may be NULL. */
  void *self;
  /* Before a message leaves. */
  void (*says)(void *self, enum rep_kind kind, uint64_t view,
               struct hs2n_span body);
  /* Before a block is written to the log. */
  void (*takes_up)(void *self, const struct rep_block *block);
  /* After a block is committed; fresh as rep_env.commit has it. */
  void (*commits)(void *self, const struct rep_block *block, const bool *fresh);
};

/* The environment of a core; outside must outlive that. */
struct rep_env rep_outside_env(struct rep_outside *outside);

#endif /* REP_OUTSIDE_H */
