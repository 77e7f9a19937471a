/* Who is written next, out of all connections.
 *
 * A connection waits in up to two places:
 *
 *   ready   ngtcp2 may have something to say: an ack, a handshake, a probe.
 *           These few bytes go first.
 *   turns   its user has something to send.  The lowest rank goes first, so
 *           a vote to the last peer leaves before the proposals to all
 *           others, and a message reaches its receivers one by one.
 *
 * A turn is taken by the rank that the user named, which may be lower than
 * what it then offers.  Each chunk says its true rank; one that must wait for
 * others is put back, and the turn is moved to that rank. */
#include "quic/endpoint.h"

/* A stranger's handshake waits for what the committee decides by, but not for
 * the bulk, or a large block would keep a member from coming back. */
#define STRANGER_RANK hs2ni_rank(HS2N_LANE_PROPOSAL, 0)

void hs2ni_quic_conn_ready(struct hs2ni_quic_conn *c) {
  c->more = true;
  if (c->half_open && !c->failed) {
    hs2ni_quic_conn_turn(c, STRANGER_RANK);
  } else if (!c->in_ready) {
    c->in_ready = true;
    hs2ni_list_push_back(&c->ep->ready, &c->ready_node);
  }
  if (c->wants_tx) {
    hs2ni_quic_conn_turn(c, c->rank); /* others must know what waits here */
  }
}

void hs2ni_quic_conn_turn(struct hs2ni_quic_conn *c, uint64_t rank) {
  if (c->turn.slot == 0 || rank < c->turn.at) {
    c->rank = rank;
    hs2ni_timer_set(&c->ep->turns, &c->turn, rank);
  }
}

void hs2ni_quic_conn_unready(struct hs2ni_quic_conn *c) {
  hs2ni_timer_cancel(&c->ep->turns, &c->turn);
  if (c->in_ready) {
    c->in_ready = false;
    hs2ni_list_remove(&c->ep->ready, &c->ready_node);
  }
}

bool hs2ni_quic_any_ready(const struct hs2ni_quic *ep) {
  return !hs2ni_list_empty(&ep->ready) || ep->turns.count > 0;
}

struct hs2ni_quic_conn *hs2ni_quic_take_ready(struct hs2ni_quic *ep,
                                              bool *out_turn) {
  struct hs2ni_timer *first = hs2ni_timers_first(&ep->turns);
  struct hs2ni_quic_conn *c;

  *out_turn = hs2ni_list_empty(&ep->ready);
  if (!*out_turn) {
    c = HS2NI_CONTAINER(ep->ready.head, struct hs2ni_quic_conn, ready_node);
  } else if (first != NULL) {
    c = HS2NI_CONTAINER(first, struct hs2ni_quic_conn, turn);
  } else {
    return NULL;
  }
  hs2ni_quic_conn_unready(c);
  ep->others = hs2ni_timers_deadline(&ep->turns); /* their first rank */
  return c;
}

bool hs2ni_quic_yields(const struct hs2ni_quic_conn *c) {
  return c->resending &&
         hs2ni_rank_lane(c->ep->others) <= hs2ni_rank_lane(c->rank);
}

bool hs2ni_quic_may_offer(const struct hs2ni_quic_conn *c, uint64_t rank,
                          bool joins) {
  const uint64_t others = c->ep->others;

  return rank <= others ||
         (joins && hs2ni_rank_lane(rank) <= hs2ni_rank_lane(others));
}
