#include "memlink.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that the user offered: where they are, and what they were. */
struct piece {
  const uint8_t *at;
  uint8_t *copy;
  size_t len;
};

/* One stream, kept by the end that opened it. */
struct stream {
  uint64_t id;
  struct piece *pieces; /* those not acked */
  size_t pieces_n;
  uint64_t base; /* offset of the first piece */
  uint64_t sent, delivered, acked;
  uint64_t credit; /* highest offset that the peer allows */
  bool fin_sent, fin_delivered;
  bool reset, reset_delivered;
  bool stopped; /* the peer asked, not heard yet */
  bool blocked; /* the user was told, and not yet that it may go on */
  uint64_t code, stop_code;
};

enum state { DIALLING, UP, DEAD };

struct conn {
  struct hs2ni_conn base;
  struct link *link;
  struct conn *peer; /* NULL while dialling, or when the peer is gone */
  void *user;
  enum state state;
  struct hs2n_addr remote;
  struct hs2n_key want_key;
  hs2n_time dial_end;
  struct stream **streams;
  size_t streams_n;
  uint64_t next_id;
  bool wants;
  bool was_full; /* stream_open said so */
  uint64_t sent, in_flight, credit;
  uint64_t granted; /* on the connection, not heard yet by us */
  bool credit_due;  /* on_credit is to be called */
  bool closing;     /* on_closed is to be called */
  struct hs2ni_close close;
  struct conn *next;
};

struct link {
  struct hs2ni_link base;
  struct memnet *net;
  struct hs2ni_env *env;
  struct hs2n_addr addr;
  struct hs2n_key key;
  const struct hs2ni_link_user *up;
  void *ctx;
  bool deaf;
  struct link *next;
};

struct memnet {
  struct memnet_config config;
  struct hs2ni_rng rng;
  struct link *links;
  struct conn *conns;
  uint64_t bytes, corruptions;
};

static void *must(void *ptr) {
  if (ptr == NULL) {
    abort();
  }
  return ptr;
}

static uint64_t below(struct memnet *net, uint64_t bound) {
  return hs2ni_rng_below(&net->rng, bound);
}

/* How much of n to move: all, or a piece of any size. */
static uint64_t some_of(struct memnet *net, uint64_t n) {
  if (net->config.whole || n == 0 || below(net, 2) == 0) {
    return n;
  }
  return 1 + below(net, below(net, 2) == 0 && n > 40 ? 40 : n);
}

struct memnet *memnet_new(const struct memnet_config *config) {
  struct memnet *net = must(calloc(1, sizeof(*net)));

  net->config = *config;
  if (net->config.cwnd_bytes == 0) {
    net->config.cwnd_bytes = 65536;
  }
  if (net->config.streams_max == 0) {
    net->config.streams_max = 60;
  }
  hs2ni_rng_seed(&net->rng, config->seed);
  return net;
}

static void stream_free(struct stream *s) {
  for (size_t i = 0; i < s->pieces_n; i++) {
    free(s->pieces[i].copy);
  }
  free(s->pieces);
  free(s);
}

static void conn_free(struct conn *c) {
  for (size_t i = 0; i < c->streams_n; i++) {
    stream_free(c->streams[i]);
  }
  free(c->streams);
  free(c);
}

void memnet_free(struct memnet *net) {
  assert(net->links == NULL);
  while (net->conns != NULL) {
    struct conn *c = net->conns;

    net->conns = c->next;
    conn_free(c);
  }
  free(net);
}

/* Frees what died; called when no upcall runs. */
static void reap(struct memnet *net) {
  struct conn **at = &net->conns;

  while (*at != NULL) {
    struct conn *c = *at;

    if (c->state == DEAD) {
      *at = c->next;
      conn_free(c);
    } else {
      at = &c->next;
    }
  }
}

/* c is dead for its user. */
static void kill_conn(struct conn *c) {
  c->state = DEAD;
  if (c->peer != NULL) {
    c->peer->peer = NULL;
    c->peer = NULL;
  }
}

static struct conn *conn_new(struct link *link, void *user, enum state state) {
  struct conn *c = must(calloc(1, sizeof(*c)));
  struct conn **at = &link->net->conns;

  c->base.ops = link->base.ops;
  c->link = link;
  c->user = user;
  c->state = state;
  while (*at != NULL) {
    at = &(*at)->next;
  }
  *at = c;
  return c;
}

static void join(struct conn *a, struct conn *b) {
  a->peer = b;
  b->peer = a;
  a->state = b->state = UP;
  a->credit = b->link->env->limits.rx_window_bytes;
  b->credit = a->link->env->limits.rx_window_bytes;
  a->next_id = 2; /* like QUIC's unidirectional streams */
  b->next_id = 3;
  a->remote = b->link->addr;
  b->remote = a->link->addr;
}

void memlink_join(struct hs2ni_link *a, void *user_a, struct hs2ni_conn **out_a,
                  struct hs2ni_link *b, void *user_b,
                  struct hs2ni_conn **out_b) {
  struct conn *ca = conn_new((struct link *)a, user_a, UP);
  struct conn *cb = conn_new((struct link *)b, user_b, UP);

  join(ca, cb);
  *out_a = &ca->base;
  *out_b = &cb->base;
}

/* ---- operations -----------------------------------------------------------
 */

static int op_dial(struct hs2ni_link *base, const struct hs2n_addr *remote,
                   const struct hs2n_key *key, void *user,
                   struct hs2ni_conn **out_conn) {
  struct link *link = (struct link *)base;
  struct conn *c = conn_new(link, user, DIALLING);

  c->remote = *remote;
  c->want_key = *key;
  c->dial_end = link->env->now + HS2N_MS(link->env->limits.handshake_ms);
  *out_conn = &c->base;
  return HS2N_OK;
}

static void op_recv(struct hs2ni_link *link, const struct hs2n_rx *rx,
                    size_t n) {
  (void)link;
  (void)rx;
  (void)n;
}

static hs2n_time op_deadline(const struct hs2ni_link *base) {
  const struct link *link = (const struct link *)base;
  hs2n_time at = HS2N_TIME_NEVER;

  for (const struct conn *c = link->net->conns; c != NULL; c = c->next) {
    if (c->link == link && c->state == DIALLING && c->dial_end < at) {
      at = c->dial_end;
    }
  }
  return at;
}

static void closed(struct conn *c, const struct hs2ni_close *why) {
  void *user = c->user;

  kill_conn(c);
  c->link->up->on_closed(user, why);
}

static void op_tick(struct hs2ni_link *base) {
  struct link *link = (struct link *)base;

  for (struct conn *c = link->net->conns; c != NULL; c = c->next) {
    if (c->link == link && c->state == DIALLING &&
        c->dial_end <= link->env->now) {
      closed(c, &(struct hs2ni_close){.reason = HS2N_REASON_HANDSHAKE_TIMEOUT});
    }
  }
}

static size_t op_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx,
                         size_t n) {
  (void)link;
  (void)tx;
  (void)n;
  return 0;
}

static void op_free(struct hs2ni_link *base) {
  struct link *link = (struct link *)base;
  struct link **at = &link->net->links;

  for (struct conn *c = link->net->conns; c != NULL; c = c->next) {
    if (c->link == link && c->state != DEAD) {
      struct conn *peer = c->peer;

      kill_conn(c);
      if (peer != NULL) {
        peer->closing = true;
        peer->close = (struct hs2ni_close){.reason = HS2N_REASON_IDLE_TIMEOUT,
                                           .established = true};
      }
    }
  }
  reap(link->net);
  while (*at != link) {
    at = &(*at)->next;
  }
  *at = link->next;
  free(link);
}

static void op_close(struct hs2ni_conn *base, enum hs2n_reason reason) {
  struct conn *c = (struct conn *)base;
  struct conn *peer = c->peer;

  assert(c->state != DEAD);
  kill_conn(c);
  if (peer != NULL) {
    peer->closing = true;
    peer->close = (struct hs2ni_close){
        .reason = (unsigned)reason < 0x100u ? reason : HS2N_REASON_NONE,
        .by_peer = true,
        .established = true,
        .raw_code = (uint64_t)reason,
    };
  }
}

static struct stream *find_stream(struct conn *c, uint64_t id) {
  for (size_t i = 0; c != NULL && i < c->streams_n; i++) {
    if (c->streams[i]->id == id) {
      return c->streams[i];
    }
  }
  return NULL;
}

static int op_open(struct hs2ni_conn *base, uint64_t *out_stream) {
  struct conn *c = (struct conn *)base;
  struct stream *s;

  assert(c->state == UP);
  if (c->streams_n >= c->link->net->config.streams_max) {
    c->was_full = true;
    return HS2N_ERR_FULL;
  }
  s = must(calloc(1, sizeof(*s)));
  s->id = c->next_id;
  c->next_id += 4;
  s->credit =
      c->peer == NULL ? 0 : c->peer->link->env->limits.rx_stream_window_bytes;
  c->streams =
      must(realloc(c->streams, (c->streams_n + 1) * sizeof(struct stream *)));
  c->streams[c->streams_n++] = s;
  *out_stream = s->id;
  return HS2N_OK;
}

static void op_reset(struct hs2ni_conn *base, uint64_t id, uint64_t code) {
  struct stream *s = find_stream((struct conn *)base, id);

  assert(s != NULL && !s->reset);
  s->reset = true;
  s->code = code;
}

static void op_stop(struct hs2ni_conn *base, uint64_t id, uint64_t code) {
  struct stream *s = find_stream(((struct conn *)base)->peer, id);

  if (s != NULL) {
    s->stopped = true;
    s->stop_code = code;
  }
}

static void op_credit(struct hs2ni_conn *base, uint64_t id, size_t len) {
  struct conn *peer = ((struct conn *)base)->peer;
  struct stream *s = find_stream(peer, id);

  if (peer != NULL) {
    peer->granted += len;
    if (s != NULL) {
      s->credit += len;
    }
  }
}

static void op_want(struct hs2ni_conn *base, uint64_t rank) {
  (void)rank; /* the seed says who is next */
  ((struct conn *)base)->wants = true;
}

static void op_stats(const struct hs2ni_conn *base,
                     struct hs2ni_conn_stats *out) {
  const struct conn *c = (const struct conn *)base;

  *out = (struct hs2ni_conn_stats){
      .remote = c->remote,
      .last_heard = c->link->env->now,
      .rtt_smoothed = HS2N_MS(1),
      .rtt_min = HS2N_MS(1),
      .cwnd_bytes = c->link->net->config.cwnd_bytes,
      .in_flight_bytes = c->in_flight,
  };
}

static const struct hs2ni_link_ops memlink_ops = {
    .scheme = "mem",
    .dial = op_dial,
    .recv = op_recv,
    .tick = op_tick,
    .deadline = op_deadline,
    .poll_tx = op_poll_tx,
    .free = op_free,
    .conn_close = op_close,
    .stream_open = op_open,
    .stream_reset = op_reset,
    .stream_stop = op_stop,
    .credit = op_credit,
    .want_tx = op_want,
    .conn_stats = op_stats,
};

struct hs2ni_link *memlink_new(struct memnet *net, struct hs2ni_env *env,
                               const struct hs2n_addr *addr,
                               const struct hs2n_key *key,
                               const struct hs2ni_link_user *user, void *ctx) {
  struct link *link = must(calloc(1, sizeof(*link)));

  *link = (struct link){.base.ops = &memlink_ops,
                        .net = net,
                        .env = env,
                        .addr = *addr,
                        .key = *key,
                        .up = user,
                        .ctx = ctx,
                        .next = net->links};
  net->links = link;
  return &link->base;
}

void memlink_deafen(struct hs2ni_link *link, bool deaf) {
  ((struct link *)link)->deaf = deaf;
}

void memlink_cut(struct hs2ni_conn *base, enum hs2n_reason reason) {
  struct conn *c = (struct conn *)base;
  struct conn *peer = c->peer;

  c->closing = true;
  c->close = (struct hs2ni_close){.reason = reason, .established = true};
  if (peer != NULL) {
    peer->closing = true;
    peer->close = c->close;
  }
}

void memnet_cut_all(struct memnet *net, enum hs2n_reason reason) {
  for (struct conn *c = net->conns; c != NULL; c = c->next) {
    if (c->state == UP && !c->closing) {
      memlink_cut(&c->base, reason);
    }
  }
}

uint64_t memnet_bytes(const struct memnet *net) {
  return net->bytes;
}

uint64_t memnet_corruptions(const struct memnet *net) {
  return net->corruptions;
}

/* ---- events ---------------------------------------------------------------
 */

static bool same_addr(const struct hs2n_addr *a, const struct hs2n_addr *b) {
  return a->family == b->family && a->port == b->port &&
         memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool do_handshake(struct conn *c) {
  struct link *to = c->link->net->links;
  struct conn *server;
  enum hs2n_reason reason;

  while (to != NULL && !same_addr(&to->addr, &c->remote)) {
    to = to->next;
  }
  if (to == NULL || to->deaf) {
    return false;
  }
  if (memcmp(&to->key, &c->want_key, sizeof(to->key)) != 0) {
    closed(c, &(struct hs2ni_close){.reason = HS2N_REASON_WRONG_KEY});
    return true;
  }
  server = conn_new(to, NULL, UP);
  join(c, server);
  reason = to->up->on_accept(to->ctx, &server->base, &c->link->key,
                             &c->link->addr, &server->user);
  if (reason != HS2N_REASON_NONE) {
    kill_conn(server);
    closed(c, &(struct hs2ni_close){.reason = reason,
                                    .by_peer = true,
                                    .raw_code = (uint64_t)reason});
    return true;
  }
  c->link->up->on_up(c->user);
  return true;
}

static bool do_close(struct conn *c) {
  const struct hs2ni_close why = c->close;

  closed(c, &why);
  return true;
}

static void take(struct conn *c, struct stream *s,
                 const struct hs2ni_chunk *chunk, uint64_t n) {
  for (size_t i = 0; i < chunk->parts_n && n > 0; i++) {
    const size_t len =
        chunk->parts[i].len < n ? chunk->parts[i].len : (size_t)n;
    struct piece *p;

    if (len == 0) {
      continue;
    }
    s->pieces =
        must(realloc(s->pieces, (s->pieces_n + 1) * sizeof(struct piece)));
    p = &s->pieces[s->pieces_n++];
    *p = (struct piece){chunk->parts[i].data, must(malloc(len)), len};
    memcpy(p->copy, p->at, len);
    s->sent += len;
    c->sent += len;
    c->in_flight += len;
    c->link->net->bytes += len;
    n -= len;
  }
}

static bool do_pull(struct conn *c) {
  struct memnet *net = c->link->net;
  struct hs2ni_chunk chunk;
  uint64_t total = 0, n;
  struct stream *s;

  if (!c->wants || c->in_flight >= net->config.cwnd_bytes) {
    return false;
  }
  if (!c->link->up->next(c->user, &chunk)) {
    c->wants = false;
    return true;
  }
  if (c->state == DEAD) {
    return true;
  }
  s = find_stream(c, chunk.stream);
  assert(s != NULL && !s->fin_sent && !s->reset && !s->blocked);
  for (size_t i = 0; i < chunk.parts_n; i++) {
    total += chunk.parts[i].len;
  }
  assert(total > 0 || chunk.fin);
  n = some_of(net, total);
  n = !net->config.whole && below(net, 16) == 0 ? 0 : n;
  if (total > 0 && (s->sent >= s->credit || c->sent >= c->credit)) {
    s->blocked = true;
    c->link->up->blocked(c->user, s->id);
    return true;
  }
  n = n < s->credit - s->sent ? n : s->credit - s->sent;
  n = n < c->credit - c->sent ? n : c->credit - c->sent;
  n = n < net->config.cwnd_bytes - c->in_flight
          ? n
          : net->config.cwnd_bytes - c->in_flight;
  take(c, s, &chunk, n);
  s->fin_sent = chunk.fin && n == total;
  c->link->up->sent(c->user, s->id, (size_t)n, s->fin_sent);
  return true;
}

/* Copies [from, from + len) out of the sender's own memory. */
static void read_pieces(const struct stream *s, uint64_t from, uint8_t *out,
                        size_t len) {
  uint64_t at = s->base;

  for (size_t i = 0; i < s->pieces_n && len > 0; i++) {
    const struct piece *p = &s->pieces[i];

    if (from < at + p->len) {
      const size_t skip = (size_t)(from - at);
      const size_t n = p->len - skip < len ? p->len - skip : len;

      memcpy(out, p->at + skip, n);
      out += n;
      from += n;
      len -= n;
    }
    at += p->len;
  }
}

static bool deliver_reset(struct conn *c, struct stream *s) {
  struct conn *peer = c->peer;

  s->reset_delivered = true;
  /* Credit of what was never delivered is the link's to return. */
  c->granted += s->sent - s->delivered;
  peer->link->up->on_reset(peer->user, s->id, s->code);
  return true;
}

static bool deliver_stop(struct conn *c, struct stream *s) {
  s->stopped = false;
  if (!s->reset && !s->fin_delivered) {
    s->reset = true;
    s->code = s->stop_code;
    c->link->up->on_stopped(c->user, s->id, s->stop_code);
  }
  return true;
}

static bool deliver(struct conn *c, struct stream *s) {
  struct memnet *net = c->link->net;
  struct conn *peer = c->peer;
  const size_t n = (size_t)some_of(net, s->sent - s->delivered);
  uint8_t *bytes = must(malloc(n > 0 ? n : 1));

  read_pieces(s, s->delivered, bytes, n);
  s->delivered += n;
  s->fin_delivered = s->fin_sent && s->delivered == s->sent;
  peer->link->up->on_data(peer->user, s->id, (struct hs2n_span){bytes, n},
                          s->fin_delivered);
  free(bytes);
  return true;
}

static bool do_deliver(struct conn *c) {
  const size_t start =
      c->streams_n == 0 ? 0 : (size_t)below(c->link->net, c->streams_n);

  for (size_t i = 0; c->peer != NULL && i < c->streams_n; i++) {
    struct stream *s = c->streams[(start + i) % c->streams_n];

    if (s->stopped) {
      return deliver_stop(c, s);
    }
    if (s->reset && !s->reset_delivered &&
        (s->delivered == s->sent || below(c->link->net, 2) == 0)) {
      return deliver_reset(c, s);
    }
    if (!s->reset_delivered &&
        (s->delivered < s->sent || (s->fin_sent && !s->fin_delivered))) {
      return deliver(c, s);
    }
  }
  return false;
}

/* The pieces below offset go, after a look at whether they still are what
 * was offered. */
static void drop_pieces(struct conn *c, struct stream *s, uint64_t offset) {
  while (s->pieces_n > 0 && s->base + s->pieces[0].len <= offset) {
    struct piece *p = &s->pieces[0];

    if (memcmp(p->at, p->copy, p->len) != 0) {
      c->link->net->corruptions++;
    }
    s->base += p->len;
    free(p->copy);
    s->pieces_n--;
    memmove(p, p + 1, s->pieces_n * sizeof(*p));
  }
}

static void end_stream(struct conn *c, size_t index) {
  struct stream *s = c->streams[index];
  const uint64_t id = s->id;

  c->in_flight -= s->sent - s->acked;
  c->streams[index] = c->streams[--c->streams_n];
  stream_free(s);
  if (c->was_full) {
    c->was_full = false;
    c->credit_due = true;
  }
  c->link->up->on_done(c->user, id);
}

static bool do_ack(struct conn *c) {
  const size_t start =
      c->streams_n == 0 ? 0 : (size_t)below(c->link->net, c->streams_n);

  for (size_t i = 0; i < c->streams_n; i++) {
    const size_t index = (start + i) % c->streams_n;
    struct stream *s = c->streams[index];

    if (s->reset_delivered) {
      end_stream(c, index);
      return true;
    }
    if (s->acked < s->delivered) {
      const uint64_t n = some_of(c->link->net, s->delivered - s->acked);

      s->acked += n;
      c->in_flight -= n;
      drop_pieces(c, s, s->acked);
      c->link->up->on_acked(c->user, s->id, s->acked);
      return true;
    }
    if (s->fin_delivered && s->acked == s->sent) {
      end_stream(c, index);
      return true;
    }
  }
  return false;
}

static bool do_credit(struct conn *c) {
  if (c->granted > 0) {
    c->credit += c->granted;
    c->granted = 0;
    c->credit_due = true;
  }
  if (!c->credit_due) {
    return false;
  }
  c->credit_due = false;
  for (size_t i = 0; i < c->streams_n; i++) {
    c->streams[i]->blocked = false;
  }
  c->link->up->on_credit(c->user);
  return true;
}

static bool act(struct conn *c) {
  static bool (*const acts[])(struct conn *) = {do_pull, do_deliver, do_ack,
                                                do_credit};
  const size_t start = (size_t)below(c->link->net, 4);

  if (c->state == DEAD) {
    return false;
  }
  if (c->closing) {
    return do_close(c);
  }
  if (c->state == DIALLING) {
    return do_handshake(c);
  }
  for (size_t i = 0; i < 4; i++) {
    if (acts[(start + i) % 4](c)) {
      return true;
    }
  }
  return false;
}

bool memnet_step(struct memnet *net) {
  size_t n = 0, start;
  struct conn *c;
  bool acted = false;

  reap(net);
  for (c = net->conns; c != NULL; c = c->next) {
    n++;
  }
  if (n == 0) {
    return false;
  }
  start = (size_t)below(net, n);
  for (c = net->conns; start > 0; start--) {
    c = c->next;
  }
  for (size_t i = 0; i < n && !acted; i++) {
    acted = act(c);
    c = c->next != NULL ? c->next : net->conns;
  }
  reap(net);
  return acted;
}

void memnet_settle(struct memnet *net) {
  while (memnet_step(net)) {
  }
}
