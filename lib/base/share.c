#include "base/share.h"

#include <assert.h>

#define PART 4u /* of what is left, that one may have */

uint64_t hs2ni_share_take(struct hs2ni_share *s, uint64_t total, uint64_t has,
                          uint64_t want) {
  const uint64_t left = s->lent < total ? total - s->lent : 0;
  uint64_t most;

  assert(has <= s->lent);
  if (has >= left / PART) {
    return 0;
  }
  /* has + most <= (left - most) / PART */
  most = (left - PART * has) / (PART + 1);
  if (most > want) {
    most = want;
  }
  s->lent += most;
  return most;
}

void hs2ni_share_keep(struct hs2ni_share *s, uint64_t bytes) {
  s->lent += bytes;
}

void hs2ni_share_give(struct hs2ni_share *s, uint64_t bytes) {
  assert(bytes <= s->lent);
  s->lent -= bytes;
}
