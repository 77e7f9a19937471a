#include "raw.h"

#include "world.h"

#include <assert.h>

static int op_open(struct hs2ni_conn *conn, uint64_t *out) {
  struct raw *r = (struct raw *)conn;

  if (r->open_err != HS2N_OK) {
    return r->open_err;
  }
  *out = 2 + 4 * r->opened++;
  return HS2N_OK;
}

static void op_reset(struct hs2ni_conn *conn, uint64_t stream, uint64_t code) {
  (void)stream;
  ((struct raw *)conn)->resets++;
  ((struct raw *)conn)->reset_code = code;
}

static void op_stop(struct hs2ni_conn *conn, uint64_t stream, uint64_t code) {
  (void)code;
  ((struct raw *)conn)->stops++;
  ((struct raw *)conn)->stopped = stream;
}

static void op_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len) {
  (void)stream;
  ((struct raw *)conn)->credited += len;
  ((struct raw *)conn)->credits++;
}

static size_t op_datagram_max(const struct hs2ni_conn *conn) {
  return ((const struct raw *)conn)->datagram_max;
}

static void op_stats(const struct hs2ni_conn *conn,
                     struct hs2ni_conn_stats *out) {
  const struct raw *r = (const struct raw *)conn;

  *out = (struct hs2ni_conn_stats){.rtt_smoothed = r->rtt,
                                   .packets_sent = r->packets_sent,
                                   .packets_lost = r->packets_lost};
}

static void op_want(struct hs2ni_conn *conn, uint64_t rank) {
  (void)rank;
  ((struct raw *)conn)->wants++;
}

static const struct hs2ni_link_ops raw_ops = {
    .scheme = "raw",
    .stream_open = op_open,
    .stream_reset = op_reset,
    .stream_stop = op_stop,
    .credit = op_credit,
    .datagram_max = op_datagram_max,
    .want_tx = op_want,
    .conn_stats = op_stats,
};

void raw_init(struct raw *r, const struct hs2n_limits *limits) {
  raw_init_types(r, limits, world_types);
}

void raw_init_types(struct raw *r, const struct hs2n_limits *limits,
                    const struct hs2n_type *types) {
  struct hs2n_key key;

  *r = (struct raw){.conn.ops = &raw_ops, .types = types};
  test_mem_init(&r->mem, 0);
  r->env = (struct hs2ni_env){.mem = &r->mem.mem, .now = HS2N_S(1)};
  hs2ni_rng_seed(&r->env.rng, 1);
  hs2n_limits_default(&r->env.limits);
  if (limits != NULL) {
    r->env.limits = *limits;
  }
  if (hs2ni_msgs_new(&r->msgs, &r->env, types, WORLD_TYPES) != HS2N_OK ||
      hs2ni_chan_new(&r->chan, r->msgs, (struct hs2n_peer){1}) != HS2N_OK) {
    abort();
  }
  r->identity = world_identity(1);
  key = hs2n_identity_key(r->identity);
  hs2ni_chan_key(r->chan, &key);
  hs2ni_msgs_sign(r->msgs, r->identity, WORLD_CHAIN);
}

void raw_attach(struct raw *r, uint64_t incarnation) {
  struct hs2ni_hello hello = {.incarnation = incarnation,
                              .capabilities = hs2ni_msgs_capabilities(r->msgs) &
                                              ~r->caps_off,
                              .bodies_bytes = r->peer_bodies_bytes,
                              .types_n = WORLD_TYPES};

  for (size_t i = 0; i < WORLD_TYPES; i++) {
    hello.types[i] =
        (struct hs2ni_hello_type){.id = r->types[i].id,
                                  .lane = (uint8_t)r->types[i].lane,
                                  .size_max = r->types[i].size_max};
  }
  r->opened = 0;
  hs2ni_chan_attach(r->chan, &r->conn, &hello);
}

void raw_fini(struct raw *r) {
  hs2ni_chan_free(r->chan, HS2N_DONE_CANCELLED);
  hs2ni_msgs_free(r->msgs);
  hs2n_identity_free(r->identity);
  CHECK_EQ(r->mem.live_bytes, 0);
}

void bytes_head(struct bytes *b, enum hs2ni_stream_kind kind, uint8_t lane,
                uint64_t seq, uint32_t len) {
  const struct hs2ni_head head = {
      .kind = kind, .lane = lane, .seq = seq, .len = len};

  assert(b->len + HS2NI_HEAD_MAX <= sizeof(b->data));
  b->len += hs2ni_head_encode(&head, b->data + b->len);
}

void bytes_record(struct bytes *b, const struct hs2ni_record *record) {
  assert(b->len + HS2NI_RECORD_MAX <= sizeof(b->data));
  b->len += hs2ni_record_encode(record, b->data + b->len);
}

void bytes_fill(struct bytes *b, size_t len) {
  assert(b->len + len <= sizeof(b->data));
  memset(b->data + b->len, 'x', len);
  b->len += len;
}

void bytes_msg(struct bytes *b, uint64_t seq, uint8_t type, uint32_t len) {
  bytes_record(b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                         .seq = seq,
                                         .type = type,
                                         .body_len = len});
  bytes_fill(b, len);
}

enum hs2n_reason raw_data(struct raw *r, uint64_t stream, const struct bytes *b,
                          bool fin) {
  return hs2ni_chan_data(r->chan, stream, (struct hs2n_span){b->data, b->len},
                         fin);
}

size_t raw_drain(struct raw *r) {
  struct hs2ni_chunk chunk;
  size_t total = 0;

  while (hs2ni_chan_next(r->chan, &chunk)) {
    size_t len = 0;

    for (size_t i = 0; i < chunk.parts_n; i++) {
      len += chunk.parts[i].len;
    }
    hs2ni_chan_sent(r->chan, chunk.stream, len, chunk.fin);
    total += len;
  }
  return total;
}

uint64_t raw_fetch(struct raw *r, enum hs2n_verdict verdict) {
  struct hs2ni_event event;

  while (hs2ni_msgs_next(r->msgs, &event)) {
    if (event.kind == HS2NI_EVENT_MESSAGE) {
      CHECK_EQ(hs2ni_msgs_verdict(r->msgs, r->chan, event.id, verdict),
               HS2N_OK);
      return event.id.seq;
    }
  }
  return 0;
}

void bytes_vote(struct bytes *b, uint64_t seq, uint32_t len) {
  bytes_record(b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                         .seq = seq,
                                         .type = HS2N_LANE_VOTE,
                                         .flags = HS2NI_FLAG_UNORDERED,
                                         .body_len = len});
  bytes_fill(b, len);
}

struct bytes bytes_datagram(uint64_t base, uint64_t seq, uint32_t len) {
  struct bytes b = {0};

  bytes_head(&b, HS2NI_STREAM_DATAGRAM, HS2N_LANE_VOTE, base, 0);
  bytes_vote(&b, seq, len);
  return b;
}

enum hs2n_reason raw_datagram(struct raw *r, const struct bytes *b) {
  return hs2ni_chan_datagram(r->chan, (struct hs2n_span){b->data, b->len});
}

size_t raw_gather(const struct hs2ni_chunk *chunk, uint8_t *out) {
  size_t len = 0;

  for (size_t i = 0; i < chunk->parts_n; i++) {
    memcpy(out + len, chunk->parts[i].data, chunk->parts[i].len);
    len += chunk->parts[i].len;
  }
  return len;
}
