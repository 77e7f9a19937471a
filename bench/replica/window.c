#include "window.h"

#include <assert.h>
#include <stdlib.h>

/* 0 marks an empty slot. */
static uint64_t slot_key(uint64_t key) {
  return key == 0 ? 1 : key;
}

bool rep_window_init(struct rep_window *w, uint32_t keys_max) {
  uint32_t slots = 2;

  assert(keys_max >= 1 && keys_max <= 1u << 30);
  while (slots < 2 * keys_max) {
    slots *= 2;
  }
  *w = (struct rep_window){.mask = slots - 1, .keys_max = keys_max};
  w->slots = calloc(slots, sizeof(*w->slots));
  w->ring = calloc(keys_max, sizeof(*w->ring));
  return w->slots != NULL && w->ring != NULL;
}

void rep_window_fini(struct rep_window *w) {
  free(w->slots);
  free(w->ring);
  *w = (struct rep_window){0};
}

/* The slot of a key, or the empty one where it would go.  At most half of
 * the slots are used, so there always is one. */
static uint32_t find(const struct rep_window *w, uint64_t key) {
  uint32_t at = (uint32_t)key & w->mask;

  while (w->slots[at] != 0 && w->slots[at] != key) {
    at = (at + 1) & w->mask;
  }
  return at;
}

/* Closes the gap, so that no probe ends too early. */
static void erase(struct rep_window *w, uint64_t key) {
  uint32_t hole = find(w, key);
  uint32_t at = hole;

  assert(w->slots[hole] == key);
  for (;;) {
    at = (at + 1) & w->mask;
    if (w->slots[at] == 0) {
      break;
    }
    if (((at - (uint32_t)w->slots[at]) & w->mask) >= ((at - hole) & w->mask)) {
      w->slots[hole] = w->slots[at];
      hole = at;
    }
  }
  w->slots[hole] = 0;
}

bool rep_window_has(const struct rep_window *w, uint64_t key) {
  return w->slots[find(w, slot_key(key))] != 0;
}

bool rep_window_add(struct rep_window *w, uint64_t key) {
  key = slot_key(key);
  if (w->slots[find(w, key)] != 0) {
    return false;
  }
  if (w->count == w->keys_max) {
    erase(w, w->ring[w->next]);
  } else {
    w->count++;
  }
  w->slots[find(w, key)] = key;
  w->ring[w->next] = key;
  w->next = (w->next + 1) % w->keys_max;
  return true;
}
