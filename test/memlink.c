#include "memlink_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void *memlink_must(void *ptr) {
  if (ptr == NULL) {
    abort();
  }
  return ptr;
}

struct memnet *memnet_new(const struct memnet_config *config) {
  struct memnet *net = memlink_must(calloc(1, sizeof(*net)));

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

void memlink_stream_free(struct stream *s) {
  for (size_t i = 0; i < s->pieces_n; i++) {
    free(s->pieces[i].copy);
  }
  free(s->pieces);
  free(s);
}

static void conn_free(struct conn *c) {
  for (size_t i = 0; i < c->streams_n; i++) {
    memlink_stream_free(c->streams[i]);
  }
  for (size_t i = 0; i < c->datagrams_n; i++) {
    free(c->datagrams[i].bytes);
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
  while (net->partings != NULL) {
    struct parting *p = net->partings;

    net->partings = p->next;
    free(p);
  }
  free(net);
}

/* Frees what died; called when no upcall runs. */
void memlink_reap(struct memnet *net) {
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
void memlink_conn_kill(struct conn *c) {
  if (c->state == UP) {
    c->link->env->stats.connections_closed++;
  }
  c->state = DEAD;
  if (c->peer != NULL) {
    c->peer->peer = NULL;
    c->peer = NULL;
  }
}

struct conn *memlink_conn_new(struct link *link, void *user, enum state state) {
  struct conn *c = memlink_must(calloc(1, sizeof(*c)));
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

void memlink_conn_join(struct conn *a, struct conn *b) {
  a->peer = b;
  b->peer = a;
  a->state = b->state = UP;
  a->link->env->stats.connections_opened++;
  b->link->env->stats.connections_opened++;
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
  struct conn *ca = memlink_conn_new((struct link *)a, user_a, DIALLING);
  struct conn *cb = memlink_conn_new((struct link *)b, user_b, DIALLING);

  memlink_conn_join(ca, cb);
  *out_a = &ca->base;
  *out_b = &cb->base;
}

/* ---- operations -----------------------------------------------------------
 */

static int op_dial(struct hs2ni_link *base, const struct hs2n_addr *remote,
                   const struct hs2n_key *key, void *user,
                   struct hs2ni_conn **out_conn) {
  struct link *link = (struct link *)base;
  struct conn *c = memlink_conn_new(link, user, DIALLING);

  link->env->stats.dials++;
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
    if (c->link == link && c->state == UP && c->parted && c->idle_end < at) {
      at = c->idle_end;
    }
  }
  return at;
}

void memlink_closed(struct conn *c, const struct hs2ni_close *why) {
  void *user = c->user;

  memlink_conn_kill(c);
  c->link->up->on_closed(user, why);
}

static void op_tick(struct hs2ni_link *base) {
  struct link *link = (struct link *)base;

  for (struct conn *c = link->net->conns; c != NULL; c = c->next) {
    if (c->link == link && c->state == DIALLING &&
        c->dial_end <= link->env->now) {
      memlink_closed(
          c, &(struct hs2ni_close){.reason = HS2N_REASON_HANDSHAKE_TIMEOUT});
    }
    if (c->link == link && c->state == UP && c->parted &&
        c->idle_end <= link->env->now) {
      memlink_closed(c,
                     &(struct hs2ni_close){.reason = HS2N_REASON_IDLE_TIMEOUT,
                                           .established = true});
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

      memlink_conn_kill(c);
      if (peer != NULL) {
        peer->closing = true;
        peer->close = (struct hs2ni_close){.reason = HS2N_REASON_IDLE_TIMEOUT,
                                           .established = true};
      }
    }
  }
  memlink_reap(link->net);
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
  memlink_conn_kill(c);
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

struct stream *memlink_find_stream(struct conn *c, uint64_t id) {
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
  s = memlink_must(calloc(1, sizeof(*s)));
  s->id = c->next_id;
  c->next_id += 4;
  s->credit =
      c->peer == NULL ? 0 : c->peer->link->env->limits.rx_stream_window_bytes;
  c->streams = memlink_must(
      realloc(c->streams, (c->streams_n + 1) * sizeof(struct stream *)));
  c->streams[c->streams_n++] = s;
  *out_stream = s->id;
  return HS2N_OK;
}

static void op_reset(struct hs2ni_conn *base, uint64_t id, uint64_t code) {
  struct stream *s = memlink_find_stream((struct conn *)base, id);

  assert(s != NULL && !s->reset);
  s->reset = true;
  s->code = code;
}

static void op_stop(struct hs2ni_conn *base, uint64_t id, uint64_t code) {
  struct stream *s = memlink_find_stream(((struct conn *)base)->peer, id);

  if (s != NULL) {
    s->stopped = true;
    s->unwanted = true;
    s->stop_code = code;
  }
}

static void op_credit(struct hs2ni_conn *base, uint64_t id, size_t len) {
  struct conn *peer = ((struct conn *)base)->peer;
  struct stream *s = memlink_find_stream(peer, id);

  if (peer != NULL) {
    peer->granted += len;
    if (s != NULL) {
      s->credit += len;
    }
  }
}

static size_t op_datagram_max(const struct hs2ni_conn *base) {
  return ((const struct conn *)base)->link->net->config.datagram_max;
}

static void op_probe(struct hs2ni_conn *base, hs2n_time silence) {
  (void)base;
  (void)silence; /* what is cut here is told at once */
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
    .datagram_max = op_datagram_max,
    .want_tx = op_want,
    .probe = op_probe,
    .conn_stats = op_stats,
};

struct hs2ni_link *memlink_new(struct memnet *net, struct hs2ni_env *env,
                               const struct hs2n_addr *addr,
                               const struct hs2n_key *key,
                               const struct hs2ni_link_user *user, void *ctx) {
  struct link *link = memlink_must(calloc(1, sizeof(*link)));

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

void memnet_datagram_max(struct memnet *net, size_t max) {
  net->config.datagram_max = max;
}

uint64_t memnet_bytes(const struct memnet *net) {
  return net->bytes;
}

uint64_t memnet_corruptions(const struct memnet *net) {
  return net->corruptions;
}
