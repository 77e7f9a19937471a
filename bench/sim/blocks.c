#include "blocks.h"

#include <stdlib.h>

#define VIEWS_MAX (UINT64_C(1) << 32) /* far beyond what a run gets to */

void blocks_fini(struct blocks *b) {
  free(b->entries);
  free(b->by_view);
}

static bool room_for_view(struct blocks *b, uint64_t view) {
  const uint64_t views = 2 * (view + 512);
  uint32_t *grown;

  if (view < b->views) {
    return true;
  }
  if (view >= VIEWS_MAX) {
    return false;
  }
  grown = realloc(b->by_view, (size_t)views * sizeof(*grown));
  if (grown == NULL) {
    return false;
  }
  memset(grown + b->views, 0, (size_t)(views - b->views) * sizeof(*grown));
  b->by_view = grown;
  b->views = views;
  return true;
}

static bool room_for_entry(struct blocks *b) {
  const uint32_t capacity = 2 * (b->capacity + 512);
  struct blocks_entry *grown;

  if (b->n < b->capacity) {
    return true;
  }
  grown = realloc(b->entries, capacity * sizeof(*grown));
  if (grown == NULL) {
    return false;
  }
  b->entries = grown;
  b->capacity = capacity;
  return true;
}

static struct blocks_entry *find(const struct blocks *b, uint64_t view,
                                 const struct rep_hash *hash) {
  for (uint32_t i = b->by_view[view]; i != 0; i = b->entries[i - 1].next) {
    if (rep_hash_eq(&b->entries[i - 1].hash, hash)) {
      return &b->entries[i - 1];
    }
  }
  return NULL;
}

bool blocks_take(struct blocks *b, uint32_t replica,
                 const struct rep_block *block) {
  struct blocks_entry *e;

  if (!room_for_view(b, block->view)) {
    return false;
  }
  e = find(b, block->view, &block->hash);
  if (e == NULL) {
    if (!room_for_entry(b)) {
      return false;
    }
    e = &b->entries[b->n++];
    *e = (struct blocks_entry){.hash = block->hash,
                               .parent = block->parent,
                               .next = b->by_view[block->view]};
    b->by_view[block->view] = b->n;
  }
  rep_signers_add(&e->takers, replica);
  return true;
}

uint32_t blocks_child_takers(const struct blocks *b,
                             const struct rep_hash *parent, uint64_t view) {
  uint32_t most = 0;

  if (view >= b->views) {
    return 0;
  }
  for (uint32_t i = b->by_view[view]; i != 0; i = b->entries[i - 1].next) {
    const struct blocks_entry *const e = &b->entries[i - 1];
    const uint32_t takers = rep_signers_count(&e->takers);

    if (rep_hash_eq(&e->parent, parent) && takers > most) {
      most = takers;
    }
  }
  return most;
}
