/* What happens on a memnet, one thing at a time. */
#include "memlink_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- events ---------------------------------------------------------------
 */

static bool same_addr(const struct hs2n_addr *a, const struct hs2n_addr *b) {
  return a->family == b->family && a->port == b->port &&
         memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool is_between(const struct conn *c, const struct hs2n_addr *a,
                       const struct hs2n_addr *b) {
  return (same_addr(&c->link->addr, a) && same_addr(&c->remote, b)) ||
         (same_addr(&c->link->addr, b) && same_addr(&c->remote, a));
}

static struct parting **find_parting(struct memnet *net, const struct conn *c) {
  struct parting **at = &net->partings;

  while (*at != NULL && !is_between(c, &(*at)->a, &(*at)->b)) {
    at = &(*at)->next;
  }
  return at;
}

void memnet_part(struct memnet *net, const struct hs2n_addr *a,
                 const struct hs2n_addr *b, bool apart) {
  struct link between = {.addr = *a};
  const struct conn probe = {.link = &between, .remote = *b};
  struct parting **at = find_parting(net, &probe);
  struct parting *old = *at;

  if (old != NULL && !apart) {
    *at = old->next;
    free(old);
  } else if (old == NULL && apart) {
    *at = memlink_must(calloc(1, sizeof(**at)));
    **at = (struct parting){.a = *a, .b = *b};
  }
  for (struct conn *c = net->conns; c != NULL; c = c->next) {
    if (c->state == UP && is_between(c, a, b) && c->parted != apart) {
      c->parted = apart;
      c->idle_end = c->link->env->now + HS2N_MS(c->link->env->limits.idle_ms);
    }
  }
}

static bool do_handshake(struct conn *c) {
  struct link *to = c->link->net->links;
  struct conn *server;
  enum hs2n_reason reason;

  while (to != NULL && !same_addr(&to->addr, &c->remote)) {
    to = to->next;
  }
  if (to == NULL || to->deaf || *find_parting(to->net, c) != NULL) {
    return false;
  }
  if (memcmp(&to->key, &c->want_key, sizeof(to->key)) != 0) {
    memlink_closed(c, &(struct hs2ni_close){.reason = HS2N_REASON_WRONG_KEY});
    return true;
  }
  server = memlink_conn_new(to, NULL, DIALLING);
  memlink_conn_join(c, server);
  reason = to->up->on_accept(to->ctx, &server->base, &c->link->key,
                             &c->link->addr, &server->user);
  if (reason != HS2N_REASON_NONE) {
    memlink_conn_kill(server);
    memlink_closed(c, &(struct hs2ni_close){.reason = reason,
                                            .by_peer = true,
                                            .raw_code = (uint64_t)reason});
    return true;
  }
  c->accepted = true;
  return true;
}

/* Later than the other end, as over a network. */
static bool do_up(struct conn *c) {
  c->accepted = false;
  c->link->up->on_up(c->user);
  return true;
}

static bool do_close(struct conn *c) {
  const struct hs2ni_close why = c->close;

  memlink_closed(c, &why);
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
    s->pieces = memlink_must(
        realloc(s->pieces, (s->pieces_n + 1) * sizeof(struct piece)));
    p = &s->pieces[s->pieces_n++];
    *p = (struct piece){chunk->parts[i].data, memlink_must(malloc(len)), len};
    memcpy(p->copy, p->at, len);
    s->sent += len;
    c->sent += len;
    c->in_flight += len;
    c->link->net->bytes += len;
    n -= len;
  }
}

static void launch(struct conn *c, const struct hs2ni_chunk *chunk,
                   size_t len) {
  struct memnet *net = c->link->net;
  struct datagram *d = &c->datagrams[c->datagrams_n];
  size_t at = 0;

  if (c->datagrams_n == DATAGRAMS_MAX ||
      below(net, 1000) < net->config.datagram_loss_permille) {
    return;
  }
  *d = (struct datagram){memlink_must(malloc(len)), len};
  for (size_t i = 0; i < chunk->parts_n; i++) {
    memcpy(d->bytes + at, chunk->parts[i].data, chunk->parts[i].len);
    at += chunk->parts[i].len;
  }
  c->datagrams_n++;
}

static bool pull_datagram(struct conn *c, const struct hs2ni_chunk *chunk) {
  struct memnet *net = c->link->net;
  size_t len = 0;

  assert(!chunk->fin);
  for (size_t i = 0; i < chunk->parts_n; i++) {
    len += chunk->parts[i].len;
  }
  assert(len > 0);
  if (len > net->config.datagram_max) {
    c->link->up->blocked(c->user, HS2NI_DATAGRAM);
    return true;
  }
  if (!net->config.whole && below(net, 8) == 0) {
    len = 0; /* the packet was full */
  } else {
    launch(c, chunk, len);
    net->bytes += len;
  }
  c->link->up->sent(c->user, HS2NI_DATAGRAM, len, false);
  return true;
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
  if (chunk.stream == HS2NI_DATAGRAM) {
    return pull_datagram(c, &chunk);
  }
  s = memlink_find_stream(c, chunk.stream);
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
  uint8_t *bytes = memlink_must(malloc(n > 0 ? n : 1));

  read_pieces(s, s->delivered, bytes, n);
  s->delivered += n;
  s->fin_delivered = s->fin_sent && s->delivered == s->sent;
  if (s->unwanted) {
    c->granted += n;
    free(bytes);
    return true;
  }
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

static bool do_datagram(struct conn *c) {
  struct memnet *net = c->link->net;
  const struct conn *peer = c->peer;
  size_t i;
  bool twice;

  if (c->datagrams_n == 0 || peer == NULL) {
    return false;
  }
  i = (size_t)below(net, c->datagrams_n);
  twice = below(net, 1000) < net->config.datagram_twice_permille;
  peer->link->up->on_datagram(
      peer->user,
      (struct hs2n_span){c->datagrams[i].bytes, c->datagrams[i].len});
  if (!twice) {
    free(c->datagrams[i].bytes);
    c->datagrams[i] = c->datagrams[--c->datagrams_n];
  }
  return true;
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
  memlink_stream_free(s);
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
                                                do_credit, do_datagram};
  const size_t n = c->datagrams_n > 0 ? 5 : 4;
  const size_t start = (size_t)below(c->link->net, n);

  if (c->state == DEAD) {
    return false;
  }
  if (c->parted || (c->peer != NULL && c->peer->accepted)) {
    return false;
  }
  if (c->accepted) {
    return do_up(c);
  }
  if (c->closing) {
    return do_close(c);
  }
  if (c->state == DIALLING) {
    return do_handshake(c);
  }
  for (size_t i = 0; i < n; i++) {
    if (acts[(start + i) % n](c)) {
      return true;
    }
  }
  return false;
}

bool memnet_step(struct memnet *net) {
  size_t n = 0, start;
  struct conn *c;
  bool acted = false;

  memlink_reap(net);
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
  memlink_reap(net);
  return acted;
}

void memnet_settle(struct memnet *net) {
  while (memnet_step(net)) {
  }
}
