#include "ledger.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define COMMITTED (UINT64_C(1) << 63)

__attribute__((format(printf, 2, 3))) static void
fail(struct ledger *l, const char *format, ...) {
  va_list args;

  if (l->wrong[0] != '\0') {
    return;
  }
  va_start(args, format);
  (void)vsnprintf(l->wrong, sizeof(l->wrong), format, args);
  va_end(args);
}

bool ledger_init(struct ledger *l, uint32_t replicas) {
  memset(l, 0, sizeof(*l));
  l->replicas = replicas;
  l->enough = (replicas - 1) / 3 + 1;
  for (uint32_t i = 0; i < replicas; i++) {
    l->at[i] = calloc(1, sizeof(*l->at[i]));
    if (l->at[i] == NULL) {
      return false;
    }
  }
  return true;
}

void ledger_fini(struct ledger *l) {
  for (uint32_t i = 0; i < l->replicas; i++) {
    free(l->at[i]);
  }
  free(l->blocks);
  free(l->submitted);
}

static bool reserve(void **array, uint64_t *capacity, uint64_t index,
                    size_t size) {
  uint64_t wanted = *capacity == 0 ? 1024 : *capacity;
  void *grown;

  while (wanted <= index) {
    wanted *= 2;
  }
  if (wanted == *capacity) {
    return true;
  }
  grown = realloc(*array, (size_t)wanted * size);
  if (grown == NULL) {
    return false;
  }
  memset((uint8_t *)grown + (size_t)*capacity * size, 0,
         (size_t)(wanted - *capacity) * size);
  *array = grown;
  *capacity = wanted;
  return true;
}

uint64_t ledger_submit(struct ledger *l, hs2n_time intended) {
  void *array = l->submitted;

  if (!reserve(&array, &l->submitted_capacity, l->txs_submitted,
               sizeof(*l->submitted))) {
    return UINT64_MAX;
  }
  l->submitted = array;
  l->submitted[l->txs_submitted] = intended;
  return l->txs_submitted++;
}

/* Compares with what others said of this height.  NULL after a failure. */
static struct ledger_block *see(struct ledger *l, uint32_t replica,
                                uint64_t height, const struct rep_hash *hash) {
  struct ledger_block *block;
  void *array = l->blocks;

  if (height > UINT64_C(1) << 40 ||
      !reserve(&array, &l->blocks_capacity, height, sizeof(*l->blocks))) {
    fail(l,
         "replica %" PRIu32 " reports height %" PRIu64
         ", for which there is no memory",
         replica, height);
    return NULL;
  }
  l->blocks = array;
  block = &l->blocks[height];
  if (!block->known) {
    block->hash = *hash;
    block->known = true;
  } else if (!rep_hash_eq(&block->hash, hash)) {
    fail(l,
         "SAFETY: replica %" PRIu32
         " committed another block at height %" PRIu64 " than the others",
         replica, height);
    return NULL;
  }
  return block;
}

void ledger_ready(struct ledger *l, uint32_t replica, uint64_t height,
                  const struct rep_hash *hash) {
  (void)see(l, replica, height, hash);
  l->next[replica] = height + 1;
}

/* A transaction of a block that has enough reporters now. */
static void commit_tx(struct ledger *l, uint64_t id, uint64_t height,
                      hs2n_time now) {
  hs2n_time intended;

  if (id >= l->txs_submitted) {
    fail(l,
         "SAFETY: height %" PRIu64
         " has a transaction that nobody has submitted",
         height);
    return;
  }
  intended = l->submitted[id];
  if ((intended & COMMITTED) != 0) {
    fail(l,
         "SAFETY: transaction %" PRIu64 " was committed twice, again at "
         "height %" PRIu64,
         id, height);
    return;
  }
  l->submitted[id] |= COMMITTED;
  l->txs_committed++;
  histogram_record(&l->latency, now > intended ? now - intended : 0);
  histogram_record(&l->interval, now > intended ? now - intended : 0);
}

static void note_latency(struct ledger *l, uint32_t replica, uint64_t id,
                         hs2n_time now) {
  hs2n_time intended;

  if (id < l->txs_submitted) {
    intended = l->submitted[id] & ~COMMITTED;
    histogram_record(l->at[replica], now > intended ? now - intended : 0);
  }
}

void ledger_commit(struct ledger *l, uint32_t replica, struct hs2n_span content,
                   hs2n_time now) {
  struct rep_reader r = rep_reader_of(content);
  const uint64_t height = rep_read_be(&r, 8);
  const uint64_t view = rep_read_be(&r, 8);
  struct ledger_block *block;
  struct rep_hash hash;
  uint64_t count;
  bool is_enough;

  rep_read_copy(&r, hash.bytes, sizeof(hash.bytes));
  count = rep_read_be(&r, 4);
  if (r.failed || r.rest.len != count * REP_CLIENT_ID_LEN) {
    fail(l, "replica %" PRIu32 " sent a report that can't be read", replica);
    return;
  }
  if (height != l->next[replica]) {
    fail(l,
         "SAFETY: replica %" PRIu32 " committed height %" PRIu64
         " after %" PRIu64,
         replica, height, l->next[replica] - 1);
    return;
  }
  l->next[replica] = height + 1;
  l->view[replica] = view;
  block = see(l, replica, height, &hash);
  if (block == NULL) {
    return;
  }
  block->reporters |= UINT64_C(1) << replica;
  is_enough = !block->done &&
              (uint32_t)__builtin_popcountll(block->reporters) >= l->enough;
  if (is_enough) {
    block->done = true;
    l->height = height > l->height ? height : l->height;
    l->last_commit = now;
    l->blocks_with_txs += count > 0 ? 1 : 0;
  }
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t id = rep_read_be(&r, 8);

    note_latency(l, replica, id, now);
    if (is_enough) {
      commit_tx(l, id, height, now);
    }
  }
}

void ledger_new_interval(struct ledger *l) {
  histogram_reset(&l->interval);
  for (uint32_t i = 0; i < l->replicas; i++) {
    histogram_reset(l->at[i]);
  }
}
