/* share: what peers get beyond what each of them has, out of one allowance of
 * the node.
 *
 * Nobody gets more than a quarter of what is left then (Choudhury and Hahne,
 * "Dynamic queue length thresholds for shared-memory packet switches", 1998).
 * So one gets a fifth of all, who comes next a fifth of the rest, and there is
 * always something for the next one, though nobody gives back. */
#ifndef HS2NI_BASE_SHARE_H
#define HS2NI_BASE_SHARE_H

#include <stdint.h>

/* All zero: nothing is lent. */
struct hs2ni_share {
  uint64_t lent; /* bytes, to all */
};

/* Lends to one who has has bytes of it up to want more.  total is what there
 * is for all.  Returns how many bytes, which may be 0. */
uint64_t hs2ni_share_take(struct hs2ni_share *s, uint64_t total, uint64_t has,
                          uint64_t want);
/* bytes that come back are in use all the same: they count on. */
void hs2ni_share_keep(struct hs2ni_share *s, uint64_t bytes);
/* bytes that were lent come back. */
void hs2ni_share_give(struct hs2ni_share *s, uint64_t bytes);

#endif /* HS2NI_BASE_SHARE_H */
