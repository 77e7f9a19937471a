#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Without a medium the newest committed blocks can be given to others: at a
 * block a millisecond, to who has been away for some seconds. */
#define MEMORY_BLOCKS 16384
#define MEMORY_BYTES ((size_t)64 << 20)

struct rep_store {
  struct rep_store_config config;
  struct rep_crc32c crc;
  struct rep_store_counters counters;
  struct rep_replay replay; /* until rep_store_restore */
  struct rep_medium medium;
  bool keeps;    /* medium is there */
  int failed;    /* errno of the first error */
  uint64_t end;  /* of the medium, without what waits in buffer */
  uint64_t seq;  /* last state appended */
  uint64_t told; /* last one that a flush has returned */
  uint8_t *buffer;
  size_t buffer_len;
  size_t buffer_capacity;
  uint64_t *positions; /* of the committed block of each height from 1 */
  uint64_t height;
  uint64_t positions_capacity;
  uint64_t kept_first; /* height of the oldest kept without a medium */
  size_t kept_bytes;
  struct rep_block *kept[MEMORY_BLOCKS]; /* by height */
};

/* ---- opening ------------------------------------------------------------ */

static bool take_block(struct rep_store *store, struct hs2n_span content,
                       uint64_t pos) {
  struct rep_bytes *const bytes = rep_bytes_copy(content);
  struct rep_block *block;
  bool ok = false;

  if (bytes == NULL) {
    return false;
  }
  block = rep_block_decode(rep_bytes_span(bytes), bytes, &store->config.crypto);
  if (block != NULL) {
    ok = rep_replay_block(&store->replay, block, pos);
  }
  rep_block_unref(block);
  rep_bytes_unref(bytes);
  return ok;
}

static bool take_record(struct rep_store *store,
                        const struct rep_log_record *record, uint64_t pos) {
  uint8_t chain[REP_LOG_CHAIN_MAX];
  struct rep_state state;
  size_t len;

  switch (record->kind) {
  case REP_LOG_CHAIN:
    len = rep_log_chain_write(&store->config.committee, chain);
    return pos == 0 && record->content.len == len &&
           memcmp(record->content.data, chain, len) == 0;
  case REP_LOG_BLOCK:
    return pos > 0 && take_block(store, record->content, pos);
  case REP_LOG_STATE:
    if (pos == 0 || !rep_log_state_read(record->content, &state)) {
      return false;
    }
    rep_replay_state(&store->replay, &state);
    return true;
  }
  return false;
}

/* Whether a whole record follows the one that does not check: then this is
 * no torn end. */
static bool more_follows(const struct rep_store *store,
                         struct hs2n_span bytes) {
  struct rep_reader r = rep_reader_of(bytes);
  const uint64_t len = rep_read_be(&r, 4);
  struct rep_log_record record;

  (void)rep_read_span(&r, REP_LOG_HEAD_LEN - 4);
  (void)rep_read_span(&r, (size_t)len);
  return !r.failed && r.rest.len > 0 &&
         rep_log_next(&store->crc, r.rest, &record) == REP_LOG_OK;
}

static const char *read_records(struct rep_store *store,
                                struct hs2n_span file) {
  struct rep_log_record record;
  size_t at = 0;

  while (at < file.len) {
    const struct hs2n_span rest = {file.data + at, file.len - at};
    const enum rep_log_result result = rep_log_next(&store->crc, rest, &record);

    if (result == REP_LOG_BAD && more_follows(store, rest)) {
      return "has a damaged record in its middle";
    }
    if (result != REP_LOG_OK) {
      break;
    }
    if (!take_record(store, &record, at)) {
      return at == 0 ? "belongs to another chain or replica"
                     : "has a record that makes no sense";
    }
    at += REP_LOG_HEAD_LEN + record.content.len;
  }
  store->counters.torn_bytes = file.len - at;
  store->end = at;
  return NULL;
}

static const char *read_all(struct rep_store *store) {
  struct hs2n_span bytes;
  const char *wrong;
  const int err = store->medium.map(store->medium.self, &bytes);

  if (err != 0) {
    return strerror(err);
  }
  wrong = read_records(store, bytes);
  store->medium.unmap(store->medium.self, bytes);
  return wrong;
}

/* Drops what a crash left of a record. */
static const char *cut_torn_end(struct rep_store *store) {
  const int err = store->counters.torn_bytes == 0
                      ? 0
                      : store->medium.truncate(store->medium.self, store->end);

  return err == 0 ? NULL : strerror(err);
}

static bool append(struct rep_store *store, enum rep_log_kind kind,
                   struct hs2n_span content);

static const char *prepare(struct rep_store *store) {
  struct rep_hash genesis;
  const char *wrong = read_all(store);
  uint8_t chain[REP_LOG_CHAIN_MAX];
  uint64_t seq;

  if (wrong != NULL) {
    return wrong;
  }
  rep_genesis_hash(&store->config.committee, &store->config.crypto, &genesis);
  if (!rep_replay_resolve(&store->replay, &genesis)) {
    return "lacks a committed block";
  }
  wrong = cut_torn_end(store);
  if (wrong == NULL && store->end == 0) {
    const struct hs2n_span content = {
        chain, rep_log_chain_write(&store->config.committee, chain)};

    (void)append(store, REP_LOG_CHAIN, content);
    store->failed = rep_store_flush(store, &seq);
    wrong = store->failed == 0 ? NULL : strerror(store->failed);
  }
  return wrong;
}

const char *rep_store_open(struct rep_store **out_store,
                           const struct rep_store_config *config) {
  struct rep_store *const store = calloc(1, sizeof(*store));
  const char *wrong = NULL;

  if (store == NULL) {
    return "out of memory";
  }
  store->config = *config;
  store->keeps = config->medium != NULL;
  rep_crc32c_init(&store->crc);
  if (store->keeps) {
    store->medium = *config->medium;
    wrong = prepare(store);
  }
  store->config.medium = NULL; /* was borrowed */
  if (wrong != NULL) {
    rep_store_close(store);
    return wrong;
  }
  *out_store = store;
  return NULL;
}

void rep_store_close(struct rep_store *store) {
  if (store == NULL) {
    return;
  }
  for (size_t i = 0; i < MEMORY_BLOCKS; i++) {
    rep_block_unref(store->kept[i]);
  }
  rep_replay_fini(&store->replay);
  free(store->buffer);
  free(store->positions);
  free(store);
}

/* ---- reading ------------------------------------------------------------ */

static struct rep_bytes *read_at(struct rep_store *store, uint64_t pos) {
  const struct rep_medium *const m = &store->medium;
  uint8_t head[REP_LOG_HEAD_LEN];
  struct rep_bytes *bytes;
  struct rep_reader r;
  uint64_t len;

  if (pos >= store->end || m->read(m->self, pos, head, sizeof(head)) != 0) {
    return NULL;
  }
  r = rep_reader_of((struct hs2n_span){head, sizeof(head)});
  len = rep_read_be(&r, 4);
  bytes = len <= REP_LOG_CONTENT_MAX ? rep_bytes_new((size_t)len) : NULL;
  if (bytes != NULL &&
      m->read(m->self, pos + REP_LOG_HEAD_LEN, bytes->data, bytes->len) != 0) {
    rep_bytes_unref(bytes);
    return NULL;
  }
  return bytes;
}

static struct rep_block *read_block(void *self, uint64_t pos) {
  struct rep_store *const store = self;
  struct rep_bytes *const bytes = read_at(store, pos);
  struct rep_block *block;

  if (bytes == NULL) {
    return NULL;
  }
  block = rep_block_decode(rep_bytes_span(bytes), bytes, &store->config.crypto);
  rep_bytes_unref(bytes);
  return block;
}

static bool set_position(struct rep_store *store, uint64_t height,
                         uint64_t pos) {
  assert(height == store->height + 1);
  if (height > store->positions_capacity) {
    const uint64_t capacity =
        store->positions_capacity == 0 ? 1024 : 2 * store->positions_capacity;
    uint64_t *const grown =
        realloc(store->positions, (size_t)capacity * sizeof(*grown));

    if (grown == NULL) {
      return false;
    }
    store->positions = grown;
    store->positions_capacity = capacity;
  }
  store->positions[height - 1] = pos;
  store->height = height;
  return true;
}

bool rep_store_restore(struct rep_store *store, struct rep_core *core,
                       uint32_t window_txs) {
  bool ok =
      rep_replay_into(&store->replay, core, window_txs, read_block, store);

  for (uint64_t h = 1; ok && h <= rep_replay_height(&store->replay); h++) {
    ok = set_position(store, h, rep_replay_pos(&store->replay, h));
  }
  rep_replay_fini(&store->replay);
  return ok;
}

uint64_t rep_store_height(const struct rep_store *store) {
  return store->replay.has_state ? rep_replay_height(&store->replay)
                                 : store->height;
}

struct rep_bytes *rep_store_load(struct rep_store *store, uint64_t height) {
  const struct rep_block *kept;

  if (!store->keeps) {
    kept = store->kept[height % MEMORY_BLOCKS];
    return kept != NULL && kept->height == height
               ? rep_bytes_copy(kept->encoding)
               : NULL;
  }
  if (height == 0 || height > store->height) {
    return NULL;
  }
  return read_at(store, store->positions[height - 1]);
}

/* ---- writing ------------------------------------------------------------ */

static bool reserve(struct rep_store *store, size_t len) {
  size_t capacity = store->buffer_capacity;
  uint8_t *grown;

  while (capacity - store->buffer_len < len) {
    capacity = capacity == 0 ? 65536 : 2 * capacity;
  }
  if (capacity == store->buffer_capacity) {
    return true;
  }
  grown = realloc(store->buffer, capacity);
  if (grown == NULL) {
    return false;
  }
  store->buffer = grown;
  store->buffer_capacity = capacity;
  return true;
}

static bool append(struct rep_store *store, enum rep_log_kind kind,
                   struct hs2n_span content) {
  if (!reserve(store, REP_LOG_HEAD_LEN + content.len)) {
    store->failed = ENOMEM;
    return false;
  }
  rep_log_head(&store->crc, kind, content, store->buffer + store->buffer_len);
  memcpy(store->buffer + store->buffer_len + REP_LOG_HEAD_LEN, content.data,
         content.len);
  store->buffer_len += REP_LOG_HEAD_LEN + content.len;
  return true;
}

uint64_t rep_store_append_block(struct rep_store *store,
                                const struct rep_block *block) {
  const uint64_t pos = store->end + store->buffer_len;

  if (!store->keeps) {
    return REP_LOG_NOWHERE;
  }
  return append(store, REP_LOG_BLOCK, block->encoding) ? pos : REP_LOG_NOWHERE;
}

void rep_store_append_state(struct rep_store *store, uint64_t seq,
                            const struct rep_state *state) {
  const size_t len = rep_log_state_len(state);
  struct rep_bytes *bytes;
  struct rep_writer w;

  store->seq = seq;
  if (!store->keeps) {
    return;
  }
  bytes = rep_bytes_new(len);
  if (bytes == NULL) {
    store->failed = ENOMEM;
    return;
  }
  w = rep_writer_of(bytes->data, bytes->len);
  rep_log_state_write(&w, state);
  (void)append(store, REP_LOG_STATE, rep_bytes_span(bytes));
  rep_bytes_unref(bytes);
}

static void forget_oldest(struct rep_store *store) {
  struct rep_block **const slot =
      &store->kept[store->kept_first % MEMORY_BLOCKS];

  if (*slot != NULL) {
    store->kept_bytes -= (*slot)->encoding.len;
    rep_block_unref(*slot);
    *slot = NULL;
  }
  store->kept_first++;
}

/* Heights come in order, each once. */
static void keep(struct rep_store *store, struct rep_block *block) {
  while (block->height - store->kept_first >= MEMORY_BLOCKS ||
         (store->kept_bytes + block->encoding.len > MEMORY_BYTES &&
          store->kept_first < block->height)) {
    forget_oldest(store);
  }
  store->kept[block->height % MEMORY_BLOCKS] = rep_block_ref(block);
  store->kept_bytes += block->encoding.len;
}

void rep_store_commit(struct rep_store *store, struct rep_block *block,
                      uint64_t pos) {
  if (!store->keeps) {
    keep(store, block);
    return;
  }
  if (!set_position(store, block->height, pos)) {
    store->failed = ENOMEM;
  }
}

bool rep_store_dirty(const struct rep_store *store) {
  return store->buffer_len > 0 || store->seq != store->told;
}

int rep_store_flush(struct rep_store *store, uint64_t *out_seq) {
  const struct hs2n_span bytes = {store->buffer, store->buffer_len};

  if (store->failed == 0 && bytes.len > 0) {
    store->failed = store->medium.append(store->medium.self, store->end, bytes);
  }
  if (store->failed != 0) {
    return store->failed;
  }
  if (bytes.len > 0) {
    store->counters.flushes++;
    store->counters.bytes += bytes.len;
  }
  store->end += bytes.len;
  store->buffer_len = 0;
  store->told = store->seq;
  *out_seq = store->seq;
  return 0;
}

void rep_store_counters(const struct rep_store *store,
                        struct rep_store_counters *out) {
  *out = store->counters;
}
