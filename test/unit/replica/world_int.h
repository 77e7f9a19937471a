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

/* What the liar does in place of a broadcast of its proposal. */
void world_lie(struct world *w, uint32_t liar, struct rep_bytes *body);

#endif /* WORLD_INT_H */
