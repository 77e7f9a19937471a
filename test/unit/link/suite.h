/* suite: what every link must do, whatever carries it.
 *
 * Each suite_*.c is a program of its own, made once for each carrier, which is
 * SUITE_CARRIER.  What only one of them can do is tested in its own folder. */
#ifndef SUITE_H
#define SUITE_H

#include "link_world.h"
#include "tap.h"

/* As world_init, over the carrier of this program. */
static inline void suite_begin(struct world *w, size_t n, uint64_t seed) {
  world_init_over(w, n, seed, &SUITE_CARRIER);
}

/* Whether this is the carrier: a case that it can't run says why. */
static inline bool suite_over(const struct world_carrier *carrier) {
  return carrier == &SUITE_CARRIER;
}

#endif /* SUITE_H */
