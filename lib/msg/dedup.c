#include "msg/dedup.h"

#include <assert.h>
#include <string.h>

static_assert((HS2NI_DEDUP_WINDOW & (HS2NI_DEDUP_WINDOW - 1)) == 0,
              "the slot of a number is a mask away");

static bool get(const uint64_t *bits, uint64_t seq) {
  const uint64_t index = seq & (HS2NI_DEDUP_WINDOW - 1);

  return (bits[index / 64] >> (index % 64) & 1) != 0;
}

static void set(uint64_t *bits, uint64_t seq) {
  const uint64_t index = seq & (HS2NI_DEDUP_WINDOW - 1);

  bits[index / 64] |= (uint64_t)1 << (index % 64);
}

static void clear(uint64_t *bits, uint64_t seq) {
  const uint64_t index = seq & (HS2NI_DEDUP_WINDOW - 1);

  bits[index / 64] &= ~((uint64_t)1 << (index % 64));
}

static void check_invariants(const struct hs2ni_dedup *d) {
  assert(d->floor <= d->newest);
  assert(d->newest - d->floor <= HS2NI_DEDUP_WINDOW);
  assert(d->open_n <= d->newest - d->floor);
  assert(d->open_n > 0 || d->floor == d->newest);
  (void)d; /* without asserts nothing above reads it */
}

enum hs2ni_dedup_sight hs2ni_dedup_check(const struct hs2ni_dedup *d,
                                         uint64_t seq) {
  assert(seq != 0);
  if (seq > d->newest) {
    return HS2NI_DEDUP_NEW;
  }
  if (seq > d->floor && get(d->open, seq)) {
    return HS2NI_DEDUP_OPEN;
  }
  return HS2NI_DEDUP_JUDGED;
}

bool hs2ni_dedup_room(const struct hs2ni_dedup *d, uint64_t seq) {
  assert(seq > d->newest);
  return d->open_n == 0 || seq - d->floor <= HS2NI_DEDUP_WINDOW;
}

void hs2ni_dedup_take(struct hs2ni_dedup *d, uint64_t seq) {
  assert(hs2ni_dedup_room(d, seq));
  if (d->open_n == 0) {
    /* Nothing below waits, so the window may start right here. */
    memset(d->open, 0, sizeof(d->open));
    memset(d->judged, 0, sizeof(d->judged));
    d->floor = seq - 1;
  } else {
    for (uint64_t s = d->newest + 1; s < seq; s++) {
      clear(d->open, s);
      clear(d->judged, s);
    }
    clear(d->judged, seq);
  }
  set(d->open, seq);
  d->open_n++;
  d->newest = seq;
  check_invariants(d);
}

static void raise_floor(struct hs2ni_dedup *d) {
  if (d->open_n == 0) {
    d->floor = d->newest;
    return;
  }
  /* Ends at the first open number, which is at most newest. */
  while (!get(d->open, d->floor + 1)) {
    d->floor++;
  }
}

void hs2ni_dedup_judge(struct hs2ni_dedup *d, uint64_t seq) {
  assert(hs2ni_dedup_check(d, seq) == HS2NI_DEDUP_OPEN);
  clear(d->open, seq);
  set(d->judged, seq);
  d->open_n--;
  raise_floor(d);
  check_invariants(d);
}

void hs2ni_dedup_untake(struct hs2ni_dedup *d, uint64_t seq) {
  assert(seq == d->newest);
  assert(hs2ni_dedup_check(d, seq) == HS2NI_DEDUP_OPEN);
  clear(d->open, seq);
  d->open_n--;
  d->newest = seq - 1;
  raise_floor(d);
  check_invariants(d);
}

size_t hs2ni_dedup_bitmap(const struct hs2ni_dedup *d,
                          uint8_t out[HS2NI_DEDUP_WINDOW / 8]) {
  size_t len = 0;

  memset(out, 0, HS2NI_DEDUP_WINDOW / 8);
  for (uint64_t i = 0; i < d->newest - d->floor; i++) {
    if (get(d->judged, d->floor + 1 + i)) {
      out[i / 8] = (uint8_t)(out[i / 8] | 1u << (i % 8));
      len = (size_t)(i / 8) + 1;
    }
  }
  return len;
}
