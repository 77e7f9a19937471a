/* world_int: what the two halves of a world need of each other. */
#ifndef WORLD_INT_H
#define WORLD_INT_H

#include "world.h"

/* Room for one more of count items.  Out of memory ends a test at once. */
void *world_grow(void *old, size_t *capacity, size_t count, size_t size);

/* An invariant does not hold; the first one is remembered. */
void world_breaks(struct world *w, const char *what);

void world_push(struct world *w, struct world_event event);
struct world_event world_pop(struct world *w); /* there is one */

/* Gives a message to the network, which may lose or repeat it. */
void world_transmit(struct world *w, uint32_t from, uint32_t to,
                    enum rep_kind kind, uint64_t view, struct rep_bytes *body);

/* Likewise; when and order are set here, and a reference of the body taken. */
void world_put(struct world *w, const struct world_event *message);

/* ---- world_ask.c ---------------------------------------------------------
 */

/* What a core's environment does for a question. */
bool world_ask(struct world_replica *r, const uint32_t *whom, uint32_t count,
               struct rep_bytes *body, hs2n_time deadline);
/* Nobody's answer is waited for any more. */
void world_forget_question(struct world_replica *r);
/* What has come to a replica that is up. */
void world_end_of_try(struct world_replica *r, const struct world_event *event);
enum rep_verdict world_serve(struct world_replica *r,
                             const struct world_event *event);
enum rep_verdict world_answer(struct world_replica *r,
                              const struct world_event *event);

/* What the liar does in place of a broadcast of its proposal. */
void world_lie(struct world *w, uint32_t liar, struct rep_bytes *body);

#endif /* WORLD_INT_H */
