/* post: calls that other threads leave for the owner of a node.
 *
 * A bounded queue of many producers and one consumer (after D. Vyukov's
 * bounded queue): each slot carries a turn number that says whose it is, so
 * nobody waits for anybody.  The one cross-thread door of the library. */
#ifndef HS2NI_NODE_POST_H
#define HS2NI_NODE_POST_H

#include "base/env.h"

#include <stdatomic.h>

typedef void (*hs2ni_post_fn)(struct hs2n_node *node, void *arg);

struct hs2ni_post_slot {
  _Atomic uint64_t turn;
  hs2ni_post_fn fn;
  void *arg;
};

struct hs2ni_posts {
  struct hs2ni_post_slot *slots;
  uint64_t mask;         /* slots - 1, a power of two */
  _Atomic uint64_t tail; /* producers */
  uint64_t head;         /* the owner */
  _Atomic bool closed;
  void (*wake)(void *arg); /* set before the first post */
  void *wake_arg;
};

/* Returns HS2N_OK or HS2N_ERR_NO_MEMORY. */
HS2N_MUST_CHECK int hs2ni_posts_init(struct hs2ni_posts *posts,
                                     struct hs2ni_env *env);
/* Drops what waits.  No other thread may post any more. */
void hs2ni_posts_fini(struct hs2ni_posts *posts, struct hs2ni_env *env);
uint64_t hs2ni_posts_footprint(const struct hs2n_limits *limits);

/* Any thread.  Returns HS2N_OK, HS2N_ERR_FULL or HS2N_ERR_CLOSED. */
HS2N_MUST_CHECK int hs2ni_posts_put(struct hs2ni_posts *posts, hs2ni_post_fn fn,
                                    void *arg);
/* Owner.  How many wait that can be taken now. */
uint64_t hs2ni_posts_ready(const struct hs2ni_posts *posts);
/* Owner.  Takes the oldest; false when there is none. */
bool hs2ni_posts_take(struct hs2ni_posts *posts, hs2ni_post_fn *out_fn,
                      void **out_arg);
/* Owner.  Whether something waits. */
bool hs2ni_posts_waiting(const struct hs2ni_posts *posts);
/* Owner.  No post is accepted any more. */
void hs2ni_posts_close(struct hs2ni_posts *posts);

#endif /* HS2NI_NODE_POST_H */
