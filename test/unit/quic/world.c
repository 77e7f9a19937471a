#include "world.h"

#include <assert.h>
#include <stdlib.h>

#define PATTERN_BYTES (5u << 20)
#define STEPS_MAX 2000000u
#define TX_CAPACITY 65536u

static const uint8_t *pattern(void) {
  static uint8_t bytes[PATTERN_BYTES];
  static bool made;

  if (!made) {
    struct hs2ni_rng rng;

    hs2ni_rng_seed(&rng, 99);
    for (size_t i = 0; i < sizeof(bytes); i++) {
      bytes[i] = (uint8_t)hs2ni_rng_next(&rng);
    }
    made = true;
  }
  return bytes;
}

static const uint8_t *content(uint64_t id, uint64_t offset) {
  return pattern() + (id * 13) % 4096 + offset;
}

/* ---- the user of a connection ------------------------------------------- */

static struct world_conn *conn_new(struct world_node *node) {
  struct world_conn *c;

  assert(node->conns_n < WORLD_CONNS_MAX);
  c = calloc(1, sizeof(*c));
  c->node = node;
  node->conns[node->conns_n++] = c;
  return c;
}

static struct world_stream *find(struct world_stream *s, size_t n,
                                 uint64_t id) {
  for (size_t i = n; i > 0; i--) {
    if (s[i - 1].id == id) {
      return &s[i - 1];
    }
  }
  return NULL;
}

static struct world_stream *out_of(struct world_conn *c, uint64_t id) {
  struct world_stream *s = find(c->out, c->out_n, id);

  assert(s != NULL && !s->done);
  return s;
}

struct world_stream *world_in(struct world_conn *c, uint64_t id) {
  struct world_stream *s = find(c->in, c->in_n, id);

  if (s == NULL) {
    assert(c->in_n < WORLD_STREAMS_MAX);
    s = &c->in[c->in_n++];
    *s = (struct world_stream){.id = id};
  }
  return s;
}

static enum hs2n_reason on_accept(void *ctx, struct hs2ni_conn *conn,
                                  const struct hs2n_key *key,
                                  const struct hs2n_addr *remote,
                                  void **out_user) {
  struct world_node *node = ctx;
  struct world_conn *c;

  if (node->accept != HS2N_REASON_NONE) {
    return node->accept;
  }
  c = conn_new(node);
  c->conn = conn;
  c->key = *key;
  c->remote = *remote;
  c->up = true;
  *out_user = c;
  return HS2N_REASON_NONE;
}

static void on_up(void *user) {
  struct world_conn *c = user;

  assert(!c->up && !c->closed);
  c->up = true;
}

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct world_conn *c = user;

  assert(!c->closed);
  c->closed = true;
  c->why = *why;
  c->conn = NULL;
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct world_conn *c = user;
  struct world_stream *s = world_in(c, stream);

  assert(c->up && c->conn != NULL); /* who speaks is known first */
  if (s->fin || s->reset || s->offset + bytes.len > PATTERN_BYTES - 8192 ||
      (bytes.len > 0 &&
       memcmp(content(stream, s->offset), bytes.data, bytes.len) != 0)) {
    s->broken = true;
  }
  s->offset += bytes.len;
  s->fin = fin;
  c->received += bytes.len;
  if (c->node->no_credit || c->node->explicit_credit) {
    c->uncredited += bytes.len;
  } else {
    c->conn->ops->credit(c->conn, stream, bytes.len);
  }
  if (fin && c->reply > 0) {
    (void)world_send(c, c->reply);
  }
  if (c->close_in_data) {
    struct hs2ni_conn *conn = c->conn;

    c->conn = NULL;
    conn->ops->conn_close(conn, HS2N_REASON_PROTOCOL);
  }
}

static void on_datagram(void *user, struct hs2n_span bytes) {
  struct world_conn *c = user;

  assert(c->up);
  c->datagrams_received++;
  c->datagram_bytes += bytes.len;
}

static void on_reset(void *user, uint64_t stream, uint64_t code) {
  struct world_stream *s = world_in(user, stream);

  assert(((struct world_conn *)user)->up);
  s->reset = true;
  s->code = code;
}

static void on_stopped(void *user, uint64_t stream, uint64_t code) {
  struct world_stream *s = out_of(user, stream);

  s->stopped = true;
  s->code = code;
}

static void on_acked(void *user, uint64_t stream, uint64_t offset) {
  struct world_stream *s = out_of(user, stream);

  if (offset <= s->acked || offset > s->offset) {
    s->broken = true;
  }
  s->acked = offset;
}

static void on_done(void *user, uint64_t stream) {
  out_of(user, stream)->done = true;
}

static void on_credit(void *user) {
  struct world_conn *c = user;

  c->credits++;
  for (size_t i = 0; i < c->out_n; i++) {
    c->out[i].blocked = false;
  }
  c->conn->ops->want_tx(c->conn, HS2NI_RANK_FIRST);
}

static bool wants(const struct world_stream *s) {
  return !s->blocked && !s->stopped && !s->done && !s->reset && !s->fin;
}

static struct world_stream *choose(struct world_conn *c) {
  struct world_stream *best = NULL;

  for (size_t i = 0; i < c->out_n; i++) {
    struct world_stream *s = &c->out[i];

    if (wants(s) && (!c->keep_open || s->offset < s->total) &&
        (best == NULL || s->rank < best->rank)) {
      best = s;
    }
  }
  return best;
}

static void offer(const struct world_conn *c, const struct world_stream *s,
                  struct hs2ni_chunk *out) {
  const unsigned parts = c->parts == 0 ? 1 : c->parts;
  uint64_t left = s->total - s->offset;
  uint64_t at = s->offset;

  out->stream = s->id;
  out->rank = s->rank;
  out->fin = !c->keep_open;
  if (c->chunk_max != 0 && left > c->chunk_max) {
    left = c->chunk_max;
    out->fin = false;
  }
  for (unsigned i = 0; i < parts; i++) {
    const uint64_t len = i + 1 == parts ? left : left / (parts - i);

    out->parts[i] = (struct hs2n_span){content(s->id, at), (size_t)len};
    at += len;
    left -= len;
  }
  out->parts_n = parts;
}

static bool next(void *user, struct hs2ni_chunk *out) {
  struct world_conn *c = user;
  struct world_stream *s;

  assert(c->conn != NULL);
  if (c->meddle != NULL) {
    c->meddle(c);
  }
  while (c->open_in_next > 0 && world_send(c, c->open_bytes) != NULL) {
    c->open_in_next--;
  }
  if (c->close_in_next) {
    struct hs2ni_conn *conn = c->conn;

    c->conn = NULL;
    conn->ops->conn_close(conn, HS2N_REASON_SHUTDOWN);
    return false;
  }
  if (c->datagrams_to_send > 0) {
    out->stream = HS2NI_DATAGRAM;
    out->parts[0] = (struct hs2n_span){pattern(), c->datagram_len};
    out->parts_n = 1;
    return true;
  }
  s = choose(c);
  if (s != NULL) {
    offer(c, s, out);
  }
  return s != NULL;
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  struct world_conn *c = user;
  struct world_stream *s;

  assert(c->conn != NULL);
  if (stream == HS2NI_DATAGRAM) {
    c->datagrams_to_send -= len > 0;
    c->datagrams_sent += len > 0;
    return;
  }
  s = out_of(c, stream);
  s->offset += len;
  s->fin = fin;
  assert(s->offset <= s->total && (!fin || s->offset == s->total));
  if (len > 0 && c->node->on_sent != NULL) {
    c->node->on_sent(c, s, len);
  }
}

static void blocked(void *user, uint64_t stream) {
  struct world_conn *c = user;

  if (stream == HS2NI_DATAGRAM) {
    c->datagrams_to_send--;
    c->datagrams_refused++;
    return;
  }
  out_of(c, stream)->blocked = true;
}

static const struct hs2ni_link_user user_ops = {
    .on_accept = on_accept,
    .on_up = on_up,
    .on_closed = on_closed,
    .on_data = on_data,
    .on_datagram = on_datagram,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_acked = on_acked,
    .on_done = on_done,
    .on_credit = on_credit,
    .next = next,
    .sent = sent,
    .blocked = blocked,
};

struct world_stream *world_send(struct world_conn *c, uint64_t len) {
  return world_send_ranked(c, len, HS2NI_RANK_FIRST);
}

struct world_stream *world_send_ranked(struct world_conn *c, uint64_t len,
                                       uint64_t rank) {
  struct world_stream *s;
  uint64_t id;

  assert(c->out_n < WORLD_STREAMS_MAX);
  if (c->conn->ops->stream_open(c->conn, &id) != HS2N_OK) {
    return NULL;
  }
  s = &c->out[c->out_n++];
  *s = (struct world_stream){.id = id, .total = len, .rank = rank};
  c->conn->ops->want_tx(c->conn, rank);
  return s;
}

bool world_arrived(const struct world_conn *a, const struct world_conn *b) {
  if (a->out_n != b->in_n) {
    return false;
  }
  for (size_t i = 0; i < b->in_n; i++) {
    const struct world_stream *in = &b->in[i];
    const struct world_stream *out =
        find((struct world_stream *)(uintptr_t)a->out, a->out_n, in->id);

    if (out == NULL || !in->fin || in->broken || out->broken ||
        in->offset != out->total) {
      return false;
    }
  }
  return true;
}

/* ---- nodes -------------------------------------------------------------- */

static struct hs2n_addr addr_of(size_t i) {
  return (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                            .ip = {10, 0, 0, (uint8_t)(i + 1)},
                            .port = 7000};
}

void world_init(struct world *w, size_t n, uint64_t seed) {
  assert(n <= WORLD_NODES_MAX);
  memset(w, 0, sizeof(*w));
  hs2ni_rng_seed(&w->rng, seed);
  w->now = HS2N_S(1);
  w->delay = HS2N_MS(1);
  w->nodes_n = n;
  w->tx_memory = malloc(WORLD_TX_MAX * TX_CAPACITY);
  for (size_t i = 0; i < n; i++) {
    struct world_node *node = &w->nodes[i];

    test_env_init(&node->te, 0, seed * 1000 + i);
    node->world = w;
    node->te.env.limits.peers_max = 16;
    node->addr = addr_of(i);
    node->external = node->addr;
    memset(node->reset_key, (int)(17 + i), sizeof(node->reset_key));
  }
}

int world_start(struct world *w, size_t i) {
  struct world_node *node = &w->nodes[i];
  int rv = HS2N_OK;

  node->te.env.now = w->now;
  if (node->identity == NULL) {
    rv = hs2n_identity_generate(&node->identity, node->te.env.mem,
                                test_env_rand, &node->te);
  }
  if (rv == HS2N_OK) {
    const struct hs2ni_tls_config config = {
        .env = &node->te.env,
        .identity = node->identity,
        .chain_id = node->chain == NULL ? "test" : node->chain,
        .unix_time_s = 1790000000};

    node->key = hs2n_identity_key(node->identity);
    rv = hs2ni_tls_new(&node->tls, &config);
  }
  if (rv == HS2N_OK) {
    struct hs2ni_quic_config config = {.env = &node->te.env,
                                       .tls = node->tls,
                                       .user = &user_ops,
                                       .user_ctx = node,
                                       .local = node->addr,
                                       .congestion = node->congestion,
                                       .udp_payload_max =
                                           node->udp_payload_max};

    memcpy(config.reset_key, node->reset_key, sizeof(config.reset_key));
    rv = hs2ni_quic_new(&node->link, &config);
  }
  if (rv != HS2N_OK) {
    world_stop(w, i);
  }
  return rv;
}

bool world_start_all(struct world *w) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    if (world_start(w, i) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

void world_stop(struct world *w, size_t i) {
  struct world_node *node = &w->nodes[i];

  if (node->link != NULL) {
    node->link->ops->free(node->link);
    node->link = NULL;
  }
  hs2ni_tls_free(node->tls);
  node->tls = NULL;
  for (size_t k = 0; k < node->conns_n; k++) {
    node->conns[k]->conn = NULL;
  }
}

void world_fini(struct world *w) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    struct world_node *node = &w->nodes[i];

    world_stop(w, i);
    hs2n_identity_free(node->identity);
    for (size_t k = 0; k < node->conns_n; k++) {
      free(node->conns[k]);
    }
  }
  for (size_t i = 0; i < w->packets_n; i++) {
    free(w->packets[i].bytes);
  }
  free(w->packets);
  free(w->tx_memory);
}

/* ---- the pipe ----------------------------------------------------------- */

static void hash_in(struct world *w, const void *bytes, size_t len) {
  const uint8_t *at = bytes;

  for (size_t i = 0; i < len; i++) {
    w->hash = (w->hash ^ at[i]) * 0x100000001b3u;
  }
}

static bool same_addr(const struct hs2n_addr *a, const struct hs2n_addr *b) {
  return a->family == b->family && a->port == b->port &&
         memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool lost(struct world *w, unsigned ppm) {
  return ppm > 0 && hs2ni_rng_below(&w->rng, 1000000) < ppm;
}

static void put(struct world *w, struct world_packet p) {
  uint8_t *copy = malloc(p.len == 0 ? 1 : p.len);

  memcpy(copy, p.bytes, p.len);
  p.bytes = copy;
  p.at = w->now + w->delay;
  if (w->jitter > 0) {
    p.at += hs2ni_rng_below(&w->rng, w->jitter);
  }
  p.order = w->order++;
  if (w->packets_n == w->packets_cap) {
    w->packets_cap = w->packets_cap == 0 ? 64 : 2 * w->packets_cap;
    w->packets = realloc(w->packets, w->packets_cap * sizeof(w->packets[0]));
  }
  w->packets[w->packets_n++] = p;
}

static void onto_wire(struct world *w, struct world_packet p) {
  hash_in(w, &w->now, sizeof(w->now));
  hash_in(w, &p.len, sizeof(p.len));
  hash_in(w, p.bytes, p.len);
  if ((w->filter != NULL && !w->filter(w, &p)) || lost(w, w->loss_ppm)) {
    return;
  }
  put(w, p);
  if (lost(w, w->dup_ppm)) {
    put(w, p);
  }
}

void world_inject(struct world *w, const struct hs2n_addr *from,
                  const struct hs2n_addr *to, const uint8_t *bytes,
                  size_t len) {
  put(w, (struct world_packet){.from = *from,
                               .to = *to,
                               .len = len,
                               .bytes = (uint8_t *)(uintptr_t)bytes});
}

static void take_batch(struct world *w, struct world_node *node,
                       const struct hs2n_tx *tx) {
  size_t step = tx->segment_len;

  node->batches_out++;
  node->bytes_out += tx->len;
  if (step == 0 || tx->len == 0 || step > tx->len || tx->len > 65507 ||
      (tx->len + step - 1) / step > 64) {
    node->batches_uneven++;
    return;
  }
  for (size_t at = 0; at < tx->len; at += step) {
    node->packets_out++;
    onto_wire(w, (struct world_packet){.from = node->external,
                                       .to = tx->remote,
                                       .ecn = tx->ecn,
                                       .len = tx->len - at < step ? tx->len - at
                                                                  : step,
                                       .bytes = tx->data + at});
  }
}

static void drain(struct world *w, struct world_node *node) {
  struct hs2n_tx tx[WORLD_TX_MAX];
  const size_t max = node->tx_max == 0 ? WORLD_TX_MAX : node->tx_max;
  bool first = true;
  size_t n;

  node->te.env.now = w->now;
  do {
    if (node->before_poll != NULL) {
      node->before_poll(node, first);
    }
    first = false;
    for (size_t i = 0; i < WORLD_TX_MAX; i++) {
      tx[i] = (struct hs2n_tx){.data = w->tx_memory + i * TX_CAPACITY,
                               .capacity = TX_CAPACITY};
    }
    n = node->link->ops->poll_tx(node->link, tx, max);
    for (size_t i = 0; i < n; i++) {
      take_batch(w, node, &tx[i]);
    }
  } while (n > 0);
}

static size_t earliest(const struct world *w) {
  size_t best = 0;

  for (size_t i = 1; i < w->packets_n; i++) {
    const struct world_packet *a = &w->packets[i];
    const struct world_packet *b = &w->packets[best];

    if (a->at < b->at || (a->at == b->at && a->order < b->order)) {
      best = i;
    }
  }
  return best;
}

static void deliver(struct world *w, size_t i) {
  const struct world_packet p = w->packets[i];

  w->packets[i] = w->packets[--w->packets_n];
  for (size_t k = 0; k < w->nodes_n; k++) {
    struct world_node *node = &w->nodes[k];

    if (node->link != NULL && same_addr(&node->external, &p.to)) {
      const struct hs2n_rx rx = {.local = node->addr,
                                 .remote = p.from,
                                 .ecn = p.ecn,
                                 .data = p.bytes,
                                 .len = p.len};

      node->te.env.now = w->now;
      node->bytes_in += p.len;
      node->link->ops->recv(node->link, &rx, 1);
      break;
    }
  }
  free(p.bytes);
}

static hs2n_time next_time(struct world *w) {
  hs2n_time at = HS2N_TIME_NEVER;

  if (w->packets_n > 0) {
    at = w->packets[earliest(w)].at;
  }
  for (size_t i = 0; i < w->nodes_n; i++) {
    const struct hs2ni_link *link = w->nodes[i].link;

    if (link != NULL && link->ops->deadline(link) < at) {
      at = link->ops->deadline(link);
    }
  }
  return at;
}

static void step(struct world *w) {
  size_t i;

  while (w->packets_n > 0 && w->packets[i = earliest(w)].at <= w->now) {
    deliver(w, i);
  }
  for (size_t k = 0; k < w->nodes_n; k++) {
    struct world_node *node = &w->nodes[k];

    if (node->link == NULL) {
      continue;
    }
    node->te.env.now = w->now;
    if (node->link->ops->deadline(node->link) <= w->now) {
      node->link->ops->tick(node->link);
    }
    drain(w, node);
  }
}

static bool run(struct world *w, bool (*done)(struct world *w), hs2n_time d) {
  const hs2n_time until = w->now + d;
  uint64_t steps = 0;

  for (;;) {
    hs2n_time at;

    step(w);
    if (done != NULL && done(w)) {
      return true;
    }
    at = next_time(w);
    if (at >= until) {
      w->now = until;
      return false;
    }
    if (at > w->now) {
      w->now = at;
    }
    w->steps++;
    if (++steps > STEPS_MAX) {
      w->stuck = true;
      return false;
    }
  }
}

void world_run(struct world *w, hs2n_time d) {
  (void)run(w, NULL, d);
}

bool world_until(struct world *w, bool (*done)(struct world *w), hs2n_time d) {
  return run(w, done, d);
}

/* ---- connecting --------------------------------------------------------- */

struct world_conn *world_dial_key(struct world *w, size_t from, size_t to,
                                  const struct hs2n_key *key) {
  struct world_node *node = &w->nodes[from];
  struct world_conn *c = conn_new(node);

  node->te.env.now = w->now;
  if (node->link->ops->dial(node->link, &w->nodes[to].external, key, c,
                            &c->conn) != HS2N_OK) {
    c->closed = true;
    c->conn = NULL;
    return NULL;
  }
  return c;
}

struct world_conn *world_dial(struct world *w, size_t from, size_t to) {
  return world_dial_key(w, from, to, &w->nodes[to].key);
}

bool world_connect(struct world *w, size_t from, size_t to,
                   struct world_conn **out_client,
                   struct world_conn **out_server) {
  const size_t before = w->nodes[to].conns_n;
  struct world_conn *c = world_dial(w, from, to);

  if (c == NULL) {
    return false;
  }
  for (unsigned i = 0; i < 200 && !c->closed; i++) {
    world_run(w, HS2N_MS(5));
    if (c->up && w->nodes[to].conns_n > before) {
      *out_client = c;
      *out_server = w->nodes[to].conns[w->nodes[to].conns_n - 1];
      world_run(w, HS2N_MS(20));
      return true;
    }
  }
  return false;
}

bool world_meet(struct world *w, struct world_conn **a, struct world_conn **b) {
  return world_start_all(w) && world_connect(w, 0, 1, a, b);
}

static bool pair_arrived(struct world *w) {
  return world_arrived(w->watched[0], w->watched[1]) &&
         world_arrived(w->watched[1], w->watched[0]);
}

bool world_exchange(struct world *w, struct world_conn *a, struct world_conn *b,
                    hs2n_time within) {
  w->watched[0] = a;
  w->watched[1] = b;
  return world_until(w, pair_arrived, within);
}
