#include "replay.h"

#include <assert.h>
#include <stdlib.h>

void rep_replay_fini(struct rep_replay *r) {
  if (r->has_state) {
    rep_cert_unref(r->state.lock);
  }
  free(r->entries);
  free(r->committed);
  *r = (struct rep_replay){0};
}

bool rep_replay_block(struct rep_replay *r, const struct rep_block *block,
                      uint64_t pos) {
  if (r->count == r->capacity) {
    const size_t capacity = r->capacity == 0 ? 256 : 2 * r->capacity;
    struct rep_replay_entry *const grown =
        realloc(r->entries, capacity * sizeof(*grown));

    if (grown == NULL) {
      return false;
    }
    r->entries = grown;
    r->capacity = capacity;
  }
  r->entries[r->count] =
      (struct rep_replay_entry){.hash = block->hash,
                                .parent = block->parent,
                                .height = block->height,
                                .pos = pos,
                                .txs_count = block->txs_count};
  r->count++;
  return true;
}

void rep_replay_state(struct rep_replay *r, const struct rep_state *state) {
  if (r->has_state) {
    rep_cert_unref(r->state.lock);
  }
  r->state = *state;
  r->has_state = true;
}

uint64_t rep_replay_height(const struct rep_replay *r) {
  return r->has_state ? r->state.committed.height : 0;
}

uint64_t rep_replay_pos(const struct rep_replay *r, uint64_t height) {
  assert(height >= 1 && height <= rep_replay_height(r));
  return r->entries[r->committed[height - 1]].pos;
}

/* A block is stored before the state that commits it, and after its parent,
 * so one pass from the end finds the chain. */
bool rep_replay_resolve(struct rep_replay *r, const struct rep_hash *genesis) {
  uint64_t height = rep_replay_height(r);
  struct rep_hash want;

  if (height == 0) {
    return true;
  }
  if (height > r->count) {
    return false;
  }
  r->committed = calloc((size_t)height, sizeof(*r->committed));
  if (r->committed == NULL) {
    return false;
  }
  want = r->state.committed.hash;
  for (size_t i = r->count; i-- > 0 && height > 0;) {
    const struct rep_replay_entry *const e = &r->entries[i];

    if (e->height == height && rep_hash_eq(&e->hash, &want)) {
      r->committed[height - 1] = i;
      want = e->parent;
      height--;
    }
  }
  return height == 0 && rep_hash_eq(&want, genesis);
}

/* The first height whose transactions still fit into the window, or that the
 * turns of leaders need. */
static uint64_t first_remembered(const struct rep_replay *r,
                                 uint32_t window_txs) {
  uint64_t height = rep_replay_height(r) + 1;
  uint64_t txs = 0;

  while (height > 1) {
    txs += r->entries[r->committed[height - 2]].txs_count;
    height--;
    if (txs >= window_txs &&
        rep_replay_height(r) + 1 - height >= REP_CORE_RESTORE_MIN) {
      break;
    }
  }
  return height;
}

bool rep_replay_into(const struct rep_replay *r, struct rep_core *core,
                     uint32_t window_txs, rep_replay_read_fn read, void *self) {
  if (!r->has_state) {
    return true;
  }
  rep_core_restore(core, &r->state);
  for (uint64_t h = first_remembered(r, window_txs); h <= rep_replay_height(r);
       h++) {
    struct rep_block *const block = read(self, rep_replay_pos(r, h));

    if (block == NULL) {
      return false;
    }
    rep_core_restore_committed(core, block);
    rep_block_unref(block);
  }
  for (size_t i = 0; i < r->count; i++) {
    struct rep_block *block;

    if (r->entries[i].height <= rep_replay_height(r)) {
      continue;
    }
    block = read(self, r->entries[i].pos);
    if (block == NULL) {
      return false;
    }
    (void)rep_core_restore_block(core, block, r->entries[i].pos);
    rep_block_unref(block);
  }
  return true;
}
