/* The other end of the flight recorder. */
#include "sim/replay.h"

#include <string.h>

/* ---- entries --------------------------------------------------------------
 */

static bool post_all(struct hs2n_replay *r, uint64_t posts) {
  for (; posts > 0; posts--) {
    if (hs2n_post(r->node, hs2ni_replay_post, r) != HS2N_OK) {
      hs2ni_replay_fail(r, HS2N_ERR_MALFORMED,
                        "more posts than the node has room for");
      return false;
    }
  }
  return true;
}

/* What an entry that is not POLL ends with. */
static void check_end(struct hs2n_replay *r) {
  if (hs2ni_replay_expect(r, HS2N_RECORD_END, "an entry ends")) {
    hs2ni_replay_same(r, 0, "an entry ends with a number");
    hs2ni_replay_same(r, 0, "an entry ends with a number");
  }
}

static struct hs2n_rx take_rx(struct hs2ni_replay_cursor *c) {
  struct hs2n_rx rx = {.kind = (uint8_t)hs2ni_replay_uint(c)};
  struct hs2n_span data = {NULL, 0};

  if (rx.kind != HS2N_IO_DATAGRAM) {
    rx.pipe = hs2ni_replay_uint(c);
  }
  if (rx.kind == HS2N_IO_DATAGRAM || rx.kind == HS2N_IO_OPEN) {
    rx.local = hs2ni_replay_addr(c);
    rx.remote = hs2ni_replay_addr(c);
  }
  if (rx.kind == HS2N_IO_DATAGRAM) {
    rx.ecn = (uint8_t)hs2ni_replay_uint(c);
    rx.segment_len = (size_t)hs2ni_replay_uint(c);
  }
  if (rx.kind == HS2N_IO_DATAGRAM || rx.kind == HS2N_IO_BYTES) {
    data = hs2ni_replay_bytes(c);
  }
  rx.data = data.data;
  rx.len = rx.kind == HS2N_IO_SENT ? (size_t)hs2ni_replay_uint(c) : data.len;
  return rx;
}

static void do_recv(struct hs2n_replay *r) {
  const hs2n_time now = hs2ni_replay_uint(&r->in);
  const uint64_t posts = hs2ni_replay_uint(&r->in);
  const uint64_t n = hs2ni_replay_uint(&r->in);
  struct hs2n_rx *const rx = r->rx;

  if (n > HS2NI_REPLAY_RX_MAX) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED, "a batch of datagrams");
    return;
  }
  for (uint64_t i = 0; i < n; i++) {
    rx[i] = take_rx(&r->in);
  }
  if (!r->in.cut && post_all(r, posts)) {
    r->where.now = now;
    hs2n_node_recv(r->node, rx, (size_t)n, now);
    check_end(r);
  }
}

static void do_tick(struct hs2n_replay *r) {
  const hs2n_time now = hs2ni_replay_uint(&r->in);
  const uint64_t posts = hs2ni_replay_uint(&r->in);

  if (!r->in.cut && post_all(r, posts)) {
    r->where.now = now;
    hs2n_node_tick(r->node, now);
    check_end(r);
  }
}

static void compare_tx(struct hs2n_replay *r, struct hs2n_tx *tx, size_t n,
                       hs2n_time now) {
  const size_t written = hs2n_node_poll_tx(r->node, tx, n, now);

  if (hs2ni_replay_expect(r, HS2N_RECORD_END, "datagrams have been written")) {
    hs2ni_replay_same(r, written,
                      "the node writes another number of datagrams");
    hs2ni_replay_same(r, hs2n_record_hash(tx, written),
                      "the node writes other datagrams");
  }
}

/* Kept from one batch to the next: a batch may have room for megabytes. */
static uint8_t *room_of(struct hs2n_replay *r, size_t len) {
  if (len > r->room_len) {
    r->mem->release(r->mem->user_data, r->room, r->room_len);
    r->room = r->mem->alloc(r->mem->user_data, len);
    r->room_len = r->room != NULL ? len : 0;
  }
  return r->room;
}

static void do_poll(struct hs2n_replay *r) {
  const hs2n_time now = hs2ni_replay_uint(&r->in);
  const uint64_t n = hs2ni_replay_uint(&r->in);
  struct hs2n_tx *const tx = r->tx;
  size_t room = 0;
  uint8_t *data;

  if (n > HS2NI_REPLAY_TX_MAX) {
    hs2ni_replay_fail(r, HS2N_ERR_MALFORMED, "a batch of datagrams to write");
    return;
  }
  for (uint64_t i = 0; i < n; i++) {
    const uint64_t capacity = hs2ni_replay_uint(&r->in);

    tx[i] = (struct hs2n_tx){
        .capacity = capacity < UINT16_MAX ? (size_t)capacity : UINT16_MAX};
    room += tx[i].capacity;
  }
  if (r->in.cut) {
    return;
  }
  data = room_of(r, room + 1);
  if (data == NULL) {
    hs2ni_replay_fail(r, HS2N_ERR_NO_MEMORY, "no memory for datagrams");
    return;
  }
  for (uint64_t i = 0, at = 0; i < n; i++) {
    tx[i].data = data + at;
    at += tx[i].capacity;
  }
  r->where.now = now;
  compare_tx(r, tx, (size_t)n, now);
}

int hs2n_replay_step(struct hs2n_replay *r) {
  if (r->err != HS2N_OK) {
    return r->err;
  }
  if (r->in.cut || r->in.at == r->in.end) {
    return 0;
  }
  if (!hs2ni_replay_call(r)) {
    switch (hs2ni_replay_peek(&r->in)) {
    case HS2N_RECORD_RECV:
      r->in.at++;
      do_recv(r);
      break;
    case HS2N_RECORD_TICK:
      r->in.at++;
      do_tick(r);
      break;
    case HS2N_RECORD_POLL:
      r->in.at++;
      do_poll(r);
      break;
    default:
      hs2ni_replay_fail(r, HS2N_ERR_STATE, "the node has nothing more to do");
      break;
    }
  }
  if (r->err != HS2N_OK) {
    return r->err;
  }
  r->where.entries++;
  r->where.offset = (uint64_t)(r->in.at - r->in.start);
  return r->in.cut || r->in.at == r->in.end ? 0 : 1;
}

/* ---- life -----------------------------------------------------------------
 */

static bool take_text(struct hs2ni_replay_cursor *c, char *out, size_t max) {
  const struct hs2n_span bytes = hs2ni_replay_bytes(c);

  if (bytes.len >= max || c->cut) {
    return false;
  }
  if (bytes.len > 0) {
    memcpy(out, bytes.data, bytes.len);
  }
  out[bytes.len] = '\0';
  return true;
}

static bool take_limits(struct hs2ni_replay_cursor *c,
                        struct hs2n_limits *out) {
  uint64_t n = hs2ni_replay_uint(c);

  hs2n_limits_default(out);
#define X(type, field, def, min, max, text)  \
  if (n > 0) {                               \
    out->field = (type)hs2ni_replay_uint(c); \
    n--;                                     \
  }
  HS2N_LIMITS_LIST(X)
#undef X
  return n == 0;
}

static size_t take_types(struct hs2ni_replay_cursor *c,
                         struct hs2n_type out[HS2N_TYPES_MAX]) {
  const uint64_t n = hs2ni_replay_uint(c);

  for (uint64_t i = 0; i < n && i < HS2N_TYPES_MAX; i++) {
    struct hs2n_type *t = &out[i];

    t->name = "replayed";
    t->id = (uint8_t)hs2ni_replay_uint(c);
    t->lane = (enum hs2n_lane)hs2ni_replay_uint(c);
    t->size_max = (uint32_t)hs2ni_replay_uint(c);
    t->compression = (enum hs2n_compression)hs2ni_replay_uint(c);
    t->flags = (uint32_t)hs2ni_replay_uint(c);
    t->role = (enum hs2n_type_role)hs2ni_replay_uint(c);
    t->response = (uint8_t)hs2ni_replay_uint(c);
  }
  return n <= HS2N_TYPES_MAX ? (size_t)n : 0;
}

struct recorded {
  struct hs2n_config config;
  struct hs2n_limits limits;
  struct hs2n_type types[HS2N_TYPES_MAX];
  char chain_id[HS2N_CHAIN_ID_MAX + 1];
  hs2n_time now;
};

static int take_format(struct hs2ni_replay_cursor *c) {
  char version[64];

  if (hs2ni_replay_peek(c) != HS2N_RECORD_NODE) {
    return HS2N_ERR_MALFORMED;
  }
  c->at++;
  if (hs2ni_replay_uint(c) != HS2N_RECORD_FORMAT ||
      !take_text(c, version, sizeof(version)) ||
      strcmp(version, hs2n_version()) != 0) {
    return c->cut ? HS2N_ERR_MALFORMED : HS2N_ERR_VERSION;
  }
  return HS2N_OK;
}

static bool take_key(struct hs2ni_replay_cursor *c, struct hs2n_key *out) {
  const struct hs2n_span key = hs2ni_replay_bytes(c);

  if (key.len != sizeof(out->bytes)) {
    return false;
  }
  memcpy(out->bytes, key.data, key.len);
  return true;
}

/* The fields behind the key. */
static int take_config(struct hs2ni_replay_cursor *c, struct recorded *out) {
  struct hs2n_config *config = &out->config;
  struct hs2n_span reset_key;

  if (!take_text(c, out->chain_id, sizeof(out->chain_id))) {
    return HS2N_ERR_MALFORMED;
  }
  config->incarnation = hs2ni_replay_uint(c);
  config->seed = hs2ni_replay_uint(c);
  reset_key = hs2ni_replay_bytes(c);
  if (reset_key.len != sizeof(config->reset_key)) {
    return HS2N_ERR_MALFORMED;
  }
  memcpy(config->reset_key, reset_key.data, reset_key.len);
  config->local = hs2ni_replay_addr(c);
  config->unix_time_s = (int64_t)hs2ni_replay_uint(c);
  config->congestion = (enum hs2n_congestion)hs2ni_replay_uint(c);
  config->udp_payload_max = (uint32_t)hs2ni_replay_uint(c);
  config->uplink_bits_per_s = hs2ni_replay_uint(c);
  config->transport = (enum hs2n_transport)hs2ni_replay_uint(c);
  if (!take_limits(c, &out->limits)) {
    return HS2N_ERR_VERSION;
  }
  config->types_n = take_types(c, out->types);
  config->chain_id = out->chain_id;
  config->limits = &out->limits;
  config->types = out->types;
  return c->cut ? HS2N_ERR_MALFORMED : HS2N_OK;
}

static int take_node(struct hs2n_replay *r, struct recorded *out) {
  int err = take_format(&r->in);
  struct hs2n_key mine;
  struct hs2n_key key;

  if (err != HS2N_OK) {
    return err;
  }
  out->now = hs2ni_replay_uint(&r->in);
  if (!take_key(&r->in, &key)) {
    return HS2N_ERR_MALFORMED;
  }
  mine = hs2n_identity_key(out->config.identity);
  if (memcmp(key.bytes, mine.bytes, sizeof(key.bytes)) != 0) {
    return HS2N_ERR_CRYPTO;
  }
  return take_config(&r->in, out);
}

static int make_node(struct hs2n_replay *r, struct recorded *recorded) {
  const struct hs2n_consensus methods = hs2ni_replay_methods(r);
  struct hs2n_config *config = &recorded->config;
  int err;

  config->mem = &r->counted;
  config->rand = hs2ni_replay_rand;
  config->rand_data = r;
  config->consensus = &methods;
  err = hs2n_node_new(&r->node, config, recorded->now, NULL);
  return err == HS2N_OK && r->err != HS2N_OK ? r->err : err;
}

int hs2n_replay_new(struct hs2n_replay **out_replay, struct hs2n_span recording,
                    const struct hs2n_mem *mem,
                    const struct hs2n_identity *identity, hs2n_log_fn log,
                    void *log_data) {
  struct hs2n_replay *r = mem->alloc(mem->user_data, sizeof(*r));
  struct recorded recorded;
  int err;

  if (r == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *r = (struct hs2n_replay){
      .in = {.start = recording.data,
             .at = recording.data,
             .end = recording.len == 0 ? recording.data
                                       : recording.data + recording.len},
      .mem = mem,
      .counted = {.user_data = r,
                  .alloc = hs2ni_replay_alloc,
                  .release = hs2ni_replay_release},
      .where = {.struct_size = sizeof(r->where)},
  };
  memset(&recorded, 0, sizeof(recorded));
  hs2n_config_default(&recorded.config);
  recorded.config.identity = identity;
  recorded.config.log = log;
  recorded.config.log_data = log_data;
  err = take_node(r, &recorded);
  if (err == HS2N_OK) {
    err = make_node(r, &recorded);
  }
  if (err != HS2N_OK) {
    hs2n_replay_free(r);
    return err;
  }
  *out_replay = r;
  return HS2N_OK;
}

void hs2n_replay_where(const struct hs2n_replay *replay,
                       struct hs2n_replay_at *out) {
  const size_t size =
      out->struct_size < sizeof(*out) ? out->struct_size : sizeof(*out);

  memcpy(out, &replay->where, size);
  out->struct_size = size;
}

struct hs2n_node *hs2n_replay_node(const struct hs2n_replay *replay) {
  return replay->node;
}

void hs2n_replay_free(struct hs2n_replay *replay) {
  if (replay == NULL) {
    return;
  }
  if (replay->err == HS2N_OK) {
    replay->err = HS2N_ERR_CLOSED; /* what the node still asks is its own */
  }
  for (size_t i = 0; i < replay->kept_n; i++) {
    hs2n_buf_unref(replay->kept[i].buf);
  }
  hs2n_node_free(replay->node);
  replay->mem->release(replay->mem->user_data, replay->kept,
                       replay->kept_capacity * sizeof(replay->kept[0]));
  replay->mem->release(replay->mem->user_data, replay->room, replay->room_len);
  replay->mem->release(replay->mem->user_data, replay, sizeof(*replay));
}
