/* The user of a connection in link_world: sends and checks one pattern. */
#include "link_world.h"

#include <assert.h>
#include <stdlib.h>

#define PATTERN_BYTES (5u << 20)

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

struct world_conn *world_conn_new(struct world_node *node) {
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
  c = world_conn_new(node);
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
    out->fin = false;
    out->rank = HS2NI_RANK_FIRST;
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

const struct hs2ni_link_user world_user = {
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
