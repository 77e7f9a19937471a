#include "log.h"

#include <assert.h>

#define LOG_VERSION 1

static uint32_t sum_of(const struct rep_crc32c *crc, uint8_t kind,
                       struct hs2n_span content) {
  const uint32_t sum = rep_crc32c(crc, 0, (struct hs2n_span){&kind, 1});

  return rep_crc32c(crc, sum, content);
}

void rep_log_head(const struct rep_crc32c *crc, enum rep_log_kind kind,
                  struct hs2n_span content, uint8_t out[REP_LOG_HEAD_LEN]) {
  assert(content.len <= REP_LOG_CONTENT_MAX);
  rep_put_be(out, content.len, 4);
  rep_put_be(out + 4, sum_of(crc, (uint8_t)kind, content), 4);
  out[8] = (uint8_t)kind;
}

enum rep_log_result rep_log_next(const struct rep_crc32c *crc,
                                 struct hs2n_span bytes,
                                 struct rep_log_record *out) {
  struct rep_reader r = rep_reader_of(bytes);
  const uint64_t len = rep_read_be(&r, 4);
  const uint64_t sum = rep_read_be(&r, 4);
  const uint64_t kind = rep_read_be(&r, 1);
  struct hs2n_span content;

  if (r.failed) {
    return REP_LOG_SHORT;
  }
  if (len > REP_LOG_CONTENT_MAX || kind < REP_LOG_CHAIN ||
      kind > REP_LOG_STATE) {
    return REP_LOG_BAD;
  }
  content = rep_read_span(&r, (size_t)len);
  if (r.failed) {
    return REP_LOG_SHORT;
  }
  if (sum_of(crc, (uint8_t)kind, content) != sum) {
    return REP_LOG_BAD;
  }
  *out = (struct rep_log_record){(enum rep_log_kind)kind, content};
  return REP_LOG_OK;
}

size_t rep_log_chain_write(const struct rep_committee *c,
                           uint8_t out[REP_LOG_CHAIN_MAX]) {
  struct rep_writer w = rep_writer_of(out, REP_LOG_CHAIN_MAX);

  rep_write_be(&w, LOG_VERSION, 1);
  rep_write_be(&w, c->me, 4);
  rep_write_copy(&w, (const uint8_t *)c->chain_id, strlen(c->chain_id));
  assert(!w.failed);
  return w.len;
}

size_t rep_log_state_len(const struct rep_state *state) {
  return 8u + HS2N_HASH_LEN + 8u + 8u + rep_cert_len(state->lock);
}

void rep_log_state_write(struct rep_writer *w, const struct rep_state *state) {
  rep_write_be(w, state->last_voted, 8);
  rep_write_copy(w, state->committed.hash.bytes, HS2N_HASH_LEN);
  rep_write_be(w, state->committed.height, 8);
  rep_write_be(w, state->committed.view, 8);
  rep_cert_write(w, state->lock);
}

bool rep_log_state_read(struct hs2n_span content, struct rep_state *out) {
  struct rep_reader r = rep_reader_of(content);
  struct rep_state state;

  state.last_voted = rep_read_be(&r, 8);
  rep_read_copy(&r, state.committed.hash.bytes, HS2N_HASH_LEN);
  state.committed.height = rep_read_be(&r, 8);
  state.committed.view = rep_read_be(&r, 8);
  state.lock = rep_cert_read(&r);
  if (!rep_reader_done(&r)) {
    rep_cert_unref(state.lock);
    return false;
  }
  *out = state;
  return true;
}
