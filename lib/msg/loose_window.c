#include "msg/loose_window.h"

#include <assert.h>
#include <string.h>

static_assert((HS2NI_LOOSE_WINDOW & (HS2NI_LOOSE_WINDOW - 1)) == 0,
              "the slot of a number is a mask away");

static bool get(const uint64_t *bits, uint64_t seq) {
  const uint64_t index = seq & (HS2NI_LOOSE_WINDOW - 1);

  return (bits[index / 64] >> (index % 64) & 1) != 0;
}

static void put(uint64_t *bits, uint64_t seq, bool value) {
  const uint64_t index = seq & (HS2NI_LOOSE_WINDOW - 1);
  const uint64_t bit = (uint64_t)1 << (index % 64);

  bits[index / 64] = value ? bits[index / 64] | bit : bits[index / 64] & ~bit;
}

static void check_invariants(const struct hs2ni_loose_window *w) {
  assert(w->floor <= w->newest);
  assert(w->newest - w->floor <= HS2NI_LOOSE_WINDOW);
  (void)w; /* without asserts nothing above reads it */
}

enum hs2ni_dedup_sight
hs2ni_loose_window_check(const struct hs2ni_loose_window *w, uint64_t seq) {
  assert(seq != 0);
  if (seq <= w->floor) {
    return HS2NI_DEDUP_JUDGED;
  }
  if (seq > w->newest || !get(w->taken, seq)) {
    return HS2NI_DEDUP_NEW;
  }
  return get(w->judged, seq) ? HS2NI_DEDUP_JUDGED : HS2NI_DEDUP_OPEN;
}

static void advance(struct hs2ni_loose_window *w) {
  while (w->floor < w->newest && get(w->judged, w->floor + 1)) {
    w->floor++;
  }
  check_invariants(w);
}

/* Makes seq the newest number; those it passes are new. */
static void extend(struct hs2ni_loose_window *w, uint64_t seq) {
  const uint64_t n = seq - w->newest;

  if (n >= HS2NI_LOOSE_WINDOW) {
    memset(w->taken, 0, sizeof(w->taken));
    memset(w->judged, 0, sizeof(w->judged));
  }
  for (uint64_t i = 0; i < n && n < HS2NI_LOOSE_WINDOW; i++) {
    put(w->taken, seq - i, false);
    put(w->judged, seq - i, false);
  }
  w->newest = seq;
  if (w->newest - w->floor > HS2NI_LOOSE_WINDOW) {
    w->floor = w->newest - HS2NI_LOOSE_WINDOW;
  }
}

void hs2ni_loose_window_take(struct hs2ni_loose_window *w, uint64_t seq) {
  assert(hs2ni_loose_window_check(w, seq) == HS2NI_DEDUP_NEW);
  if (seq > w->newest) {
    extend(w, seq);
  }
  put(w->taken, seq, true);
  advance(w);
}

void hs2ni_loose_window_untake(struct hs2ni_loose_window *w, uint64_t seq) {
  if (seq > w->floor) {
    assert(hs2ni_loose_window_check(w, seq) == HS2NI_DEDUP_OPEN);
    put(w->taken, seq, false);
  }
}

void hs2ni_loose_window_judge(struct hs2ni_loose_window *w, uint64_t seq) {
  if (seq > w->floor) {
    assert(hs2ni_loose_window_check(w, seq) == HS2NI_DEDUP_OPEN);
    put(w->judged, seq, true);
    advance(w);
  }
}

void hs2ni_loose_window_raise(struct hs2ni_loose_window *w, uint64_t base) {
  if (base - 1 > w->newest) {
    w->newest = base - 1;
    w->floor = base - 1;
  } else if (base - 1 > w->floor) {
    w->floor = base - 1;
    advance(w);
  }
  check_invariants(w);
}

size_t hs2ni_loose_window_bitmap(const struct hs2ni_loose_window *w,
                                 uint8_t out[HS2NI_LOOSE_WINDOW / 8]) {
  size_t len = 0;

  memset(out, 0, HS2NI_LOOSE_WINDOW / 8);
  for (uint64_t i = 0; i < w->newest - w->floor; i++) {
    if (get(w->judged, w->floor + 1 + i)) {
      out[i / 8] = (uint8_t)(out[i / 8] | 1u << (i % 8));
      len = (size_t)(i / 8) + 1;
    }
  }
  return len;
}
