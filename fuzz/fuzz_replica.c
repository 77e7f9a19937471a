/* Messages of peers, byte for byte: the first names the kind, the rest is the
 * body.  A replica in the middle of a view takes them all without a crash, and
 * nothing it takes makes it commit or vote twice. */
#include "../test/unit/replica/fake_crypto.h"
#include "core.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t voted;

static void send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                 struct rep_bytes *body) {
  struct rep_vote vote;

  (void)self;
  (void)to;
  (void)view;
  if (kind == REP_VOTE && rep_vote_decode(rep_bytes_span(body), &vote)) {
    if (vote.view <= voted) {
      abort();
    }
    voted = vote.view;
  }
}

static void broadcast(void *self, enum rep_kind kind, uint64_t view,
                      struct rep_bytes *body) {
  send(self, 0, kind, view, body);
}

static bool ask(void *self, const uint32_t *whom, uint32_t count,
                struct rep_bytes *body, hs2n_time deadline) {
  (void)self;
  (void)whom;
  (void)body;
  (void)deadline;
  if (count == 0) {
    abort();
  }
  return true;
}

static void enter_view(void *self, uint64_t view,
                       const uint32_t leaders[REP_LEADERS]) {
  (void)self;
  (void)view;
  (void)leaders;
}

static uint64_t append_block(void *self, const struct rep_block *block) {
  (void)self;
  (void)block;
  return 0;
}

static void append_state(void *self, uint64_t seq,
                         const struct rep_state *state) {
  (void)state;
  *(uint64_t *)self = seq;
}

static void commit(void *self, struct rep_block *block, uint64_t log_pos,
                   const bool *fresh) {
  (void)self;
  (void)block;
  (void)log_pos;
  (void)fresh;
}

static struct rep_bytes *load(void *self, uint64_t height) {
  (void)self;
  (void)height;
  return NULL;
}

/* Signatures of one byte: a fuzzer finds them, so that what lies behind the
 * verification is reached too. */
static bool weak_verify(void *self, uint32_t signer, struct hs2n_span bytes,
                        const uint8_t signature[HS2N_SIGNATURE_LEN]) {
  (void)self;
  (void)bytes;
  return signature[0] == (uint8_t)signer;
}

static bool weak_sign(void *self, struct hs2n_span bytes,
                      uint8_t out[HS2N_SIGNATURE_LEN]) {
  (void)bytes;
  memset(out, 0, HS2N_SIGNATURE_LEN);
  out[0] = (uint8_t) * (const uint32_t *)self;
  return true;
}

static void serve(struct rep_core *core, struct rep_bytes *bytes) {
  struct rep_bytes *answer;

  if ((rep_core_serve(core, bytes, &answer) == REP_TAKEN) != (answer != NULL)) {
    abort();
  }
  rep_bytes_unref(answer);
}

/* What comes in is of a kind, or 6: no answer came; 7: time has passed. */
static void take(struct rep_core *core, uint32_t from, uint64_t what,
                 struct rep_bytes *bytes, hs2n_time now) {
  switch (what) {
  case REP_SYNC_REQUEST:
    serve(core, bytes);
    break;
  case REP_SYNC_RESPONSE:
    (void)rep_core_answered(core, bytes, now);
    break;
  case REP_KINDS:
    rep_core_unanswered(core, now);
    break;
  case REP_KINDS + 1:
    break;
  default:
    (void)rep_core_receive(core, from, (enum rep_kind)what, bytes, now);
  }
}

/* Input: kind and sender (1 byte), length (2), body; again and again. */
static void feed(struct rep_core *core, struct hs2n_span input, uint64_t *seq) {
  struct rep_reader r = rep_reader_of(input);
  hs2n_time now = HS2N_MS(1);

  while (r.rest.len > 0 && !r.failed) {
    const uint64_t head = rep_read_be(&r, 1);
    const uint64_t len = rep_read_be(&r, 2);
    const struct hs2n_span body =
        rep_read_span(&r, (size_t)(len < r.rest.len ? len : r.rest.len));
    struct rep_bytes *const bytes = rep_bytes_copy(body);

    if (bytes == NULL) {
      abort();
    }
    now += (head & 7) < REP_KINDS ? HS2N_US(100) : HS2N_MS(200);
    take(core, (uint32_t)(1 + (head >> 3) % 3), head & 7, bytes, now);
    rep_core_stored(core, *seq, now);
    if (rep_core_deadline(core) <= now) {
      rep_core_tick(core, now);
    }
    rep_bytes_unref(bytes);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static uint32_t me;
  uint64_t seq = 0;
  const struct rep_env env = {.self = &seq,
                              .send = send,
                              .broadcast = broadcast,
                              .ask = ask,
                              .enter_view = enter_view,
                              .append_block = append_block,
                              .append_state = append_state,
                              .commit = commit,
                              .load = load};
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_config config;
  struct rep_core *core;

  rep_config_default(&config);
  config.committee = (struct rep_committee){.n = 4, .chain_id = "fuzz"};
  config.mempool = (struct rep_mempool_limits){
      .txs_max = 16, .bytes_max = 4096, .window_txs = 16};
  config.block_txs_max = 16;
  crypto.verify = weak_verify;
  crypto.sign = weak_sign;
  voted = 0;
  core = rep_core_new(&config, &env, &crypto);
  if (core == NULL) {
    abort();
  }
  rep_core_start(core, HS2N_MS(1));
  feed(core, (struct hs2n_span){data, len}, &seq);
  rep_core_free(core);
  return 0;
}
