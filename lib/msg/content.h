/* content: what the application has taken already, whoever sent it.
 *
 * A message of a type with HS2N_TYPE_BY_CONTENT is known by a keyed hash of
 * its type, view, VIEW_BOUND and body, so that the same that comes from
 * another peer is not given to the application once more.  128 bits with a
 * key that nobody else has: no two messages are ever taken for the same.
 *
 * Each peer has a ring of the last limits.content_ids_per_peer, all different,
 * that came from it and were taken, or were known already.  What is in any ring
 * is known: a peer that floods pushes out its own ids and nobody else's.
 *
 * All memory is fixed at birth; nothing else is allocated. */
#ifndef HS2NI_MSG_CONTENT_H
#define HS2NI_MSG_CONTENT_H

#include "base/env.h"

#include <hs2net/msg.h>
#include <stdbool.h>

struct hs2ni_content_id {
  uint8_t v[16]; /* as good as random, so its bytes serve as a hash */
};

/* The ids of all peers, each once, with the number of rings it is in. */
struct hs2ni_contents;
struct hs2ni_content_ring; /* of one peer */

/* For limits.peers_max rings of limits.content_ids_per_peer.  The key is drawn
 * from env->rand.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM. */
HS2N_MUST_CHECK int hs2ni_contents_new(struct hs2ni_contents **out,
                                       struct hs2ni_env *env);
/* Rings must have been freed.  c may be NULL. */
void hs2ni_contents_free(struct hs2ni_contents *c, struct hs2ni_env *env);
/* Of a received message whose body is whole. */
struct hs2ni_content_id hs2ni_contents_id(const struct hs2ni_contents *c,
                                          const struct hs2n_msg *msg);
bool hs2ni_contents_have(const struct hs2ni_contents *c,
                         const struct hs2ni_content_id *id);
/* Different ids in all rings. */
uint32_t hs2ni_contents_count(const struct hs2ni_contents *c);

/* At most limits.peers_max rings at once (asserted).  c is kept.
 * Returns HS2N_OK or HS2N_ERR_NO_MEMORY. */
HS2N_MUST_CHECK int hs2ni_content_ring_new(struct hs2ni_content_ring **out,
                                           struct hs2ni_contents *c,
                                           struct hs2ni_env *env);
/* Its ids go with it.  ring may be NULL. */
void hs2ni_content_ring_free(struct hs2ni_content_ring *ring,
                             struct hs2ni_env *env);
/* Puts id into the ring unless it is there, in the place of its oldest when it
 * is full. */
void hs2ni_content_ring_add(struct hs2ni_content_ring *ring,
                            const struct hs2ni_content_id *id);

/* Bytes, for hs2n_limits_memory. */
uint64_t hs2ni_contents_footprint(const struct hs2n_limits *limits);
uint64_t hs2ni_content_ring_footprint(const struct hs2n_limits *limits);

#endif /* HS2NI_MSG_CONTENT_H */
