/* Records of a replica's log, from a file that anything may have happened to.
 * What is read as a state writes the same bytes again. */
#include "../test/unit/replica/fake_crypto.h"
#include "log.h"
#include "replay.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_state(const struct rep_state *state,
                        struct hs2n_span content) {
  struct rep_bytes *const bytes = rep_bytes_new(rep_log_state_len(state));
  struct rep_writer w;

  if (bytes == NULL) {
    abort();
  }
  w = rep_writer_of(bytes->data, bytes->len);
  rep_log_state_write(&w, state);
  if (w.failed || bytes->len != content.len ||
      memcmp(bytes->data, content.data, content.len) != 0) {
    abort();
  }
  rep_bytes_unref(bytes);
}

static void take(struct rep_replay *replay, const struct rep_log_record *record,
                 uint64_t pos) {
  static uint32_t me;
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_bytes *bytes;
  struct rep_state state;
  struct rep_block *block;

  if (record->kind == REP_LOG_STATE &&
      rep_log_state_read(record->content, &state)) {
    check_state(&state, record->content);
    rep_replay_state(replay, &state);
  }
  if (record->kind == REP_LOG_BLOCK) {
    bytes = rep_bytes_copy(record->content);
    if (bytes == NULL) {
      abort();
    }
    block = rep_block_decode(rep_bytes_span(bytes), bytes, &crypto);
    if (block != NULL && !rep_replay_block(replay, block, pos)) {
      abort();
    }
    rep_block_unref(block);
    rep_bytes_unref(bytes);
  }
}

/* A fuzzer does not find a CRC by chance: the sum is put right first. */
static enum rep_log_result next(const struct rep_crc32c *crc,
                                struct rep_reader *r,
                                struct rep_log_record *out) {
  struct rep_reader ahead = *r;
  const uint64_t len = rep_read_be(&ahead, 2);
  const uint64_t kind = rep_read_be(&ahead, 1);
  const struct hs2n_span content = rep_read_span(&ahead, (size_t)len);
  enum rep_log_result result;
  struct rep_bytes *record;

  if (ahead.failed || kind > UINT8_MAX) {
    return rep_log_next(crc, r->rest, out);
  }
  record = rep_bytes_new(REP_LOG_HEAD_LEN + content.len);
  if (record == NULL) {
    abort();
  }
  rep_log_head(crc, (enum rep_log_kind)kind, content, record->data);
  if (content.len > 0) {
    memcpy(record->data + REP_LOG_HEAD_LEN, content.data, content.len);
  }
  result = rep_log_next(crc, rep_bytes_span(record), out);
  if (result == REP_LOG_OK) {
    out->content = content; /* record goes, the input stays */
    *r = ahead;
  }
  rep_bytes_unref(record);
  return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static struct rep_crc32c crc;
  struct rep_reader r = rep_reader_of((struct hs2n_span){data, len});
  struct rep_hash genesis = {{0}};
  struct rep_replay replay = {0};
  struct rep_log_record record;
  uint64_t pos = 0;

  rep_crc32c_init(&crc);
  while (r.rest.len > 0 && next(&crc, &r, &record) == REP_LOG_OK) {
    take(&replay, &record, pos);
    pos++;
  }
  if (rep_replay_resolve(&replay, &genesis)) {
    for (uint64_t h = 1; h <= rep_replay_height(&replay); h++) {
      if (rep_replay_pos(&replay, h) >= pos) {
        abort();
      }
    }
  }
  rep_replay_fini(&replay);
  return 0;
}
