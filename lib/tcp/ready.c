/* Who is written next, out of all connections.
 *
 * A connection waits in up to two places:
 *
 *   ready   it has a few bytes to say: an ack, credit, a flight of TLS, its
 *           last words.  These go first.
 *   turns   its user has something to send.  The lowest rank goes first, so a
 *           vote to the last peer leaves before the proposals to all others.
 *
 * Where the driver has as much of a pipe as it may have, its connection waits
 * in neither, until the driver says that the socket has taken some. */
#include "tcp/endpoint.h"

size_t hs2ni_tcp_room(const struct hs2ni_tcp_conn *c) {
  const uint64_t all = c->ep->env->limits.tcp_unsent_bytes - HS2NI_TCP_RESERVE;

  return c->unsent < all ? (size_t)(all - c->unsent) : 0;
}

static bool stalled(const struct hs2ni_tcp_conn *c) {
  return c->state != HS2NI_TCP_ENDED && !c->open_due &&
         hs2ni_tcp_room(c) < HS2NI_TCP_ROOM_MIN;
}

static bool has_words(const struct hs2ni_tcp_conn *c) {
  return c->open_due || c->state == HS2NI_TCP_ENDED ||
         hs2ni_tls_stream_waits(c->tls) ||
         (c->state == HS2NI_TCP_UP && hs2ni_tcp_control_due(c));
}

void hs2ni_tcp_ready(struct hs2ni_tcp_conn *c) {
  if (stalled(c)) {
    return;
  }
  if (!c->in_ready && has_words(c)) {
    c->in_ready = true;
    hs2ni_list_push_back(&c->ep->ready, &c->ready_node);
  }
  if (c->wants_tx && c->state == HS2NI_TCP_UP) {
    hs2ni_tcp_turn(c, c->rank);
  }
}

void hs2ni_tcp_turn(struct hs2ni_tcp_conn *c, uint64_t rank) {
  if (c->turn.slot == 0 || rank < c->turn.at) {
    c->rank = rank;
    if (!stalled(c)) {
      hs2ni_timer_set(&c->ep->turns, &c->turn, rank);
    }
  }
}

void hs2ni_tcp_unready(struct hs2ni_tcp_conn *c) {
  hs2ni_timer_cancel(&c->ep->turns, &c->turn);
  if (c->in_ready) {
    c->in_ready = false;
    hs2ni_list_remove(&c->ep->ready, &c->ready_node);
  }
}

struct hs2ni_tcp_conn *hs2ni_tcp_next(struct hs2ni_tcp *ep) {
  struct hs2ni_tcp_conn *c;

  if (!hs2ni_list_empty(&ep->ready)) {
    c = HS2NI_CONTAINER(ep->ready.head, struct hs2ni_tcp_conn, ready_node);
  } else if (ep->turns.count > 0) {
    c = HS2NI_CONTAINER(hs2ni_timers_first(&ep->turns), struct hs2ni_tcp_conn,
                        turn);
  } else {
    return NULL;
  }
  hs2ni_tcp_unready(c);
  ep->others = hs2ni_timers_deadline(&ep->turns); /* their first rank */
  return c;
}

bool hs2ni_tcp_may_offer(const struct hs2ni_tcp_conn *c, uint64_t rank,
                         bool joins) {
  const uint64_t others = c->ep->others;

  return rank <= others ||
         (joins && hs2ni_rank_lane(rank) <= hs2ni_rank_lane(others));
}
