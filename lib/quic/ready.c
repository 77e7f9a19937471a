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
 * others is put back, and the turn is moved to that rank.
 *
 * Answers without a connection and closing packets go before both.  Where the
 * uplink is bounded (base/uplink.h) each datagram waits until the one before
 * has left, so what always goes first could keep the rest waiting for ever:
 * acks, when more comes in than can be acked packet by packet, and answers,
 * when strangers ask for them.  They go first only by credit, which others earn
 * them by what they send: acks as many bytes, answers an eighth.  Before a
 * control message or a vote they go only with full credit, so that one waits
 * for a single small packet at most. */
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

static bool any_answer(const struct hs2ni_quic *ep) {
  return ep->answers_n > 0 || !hs2ni_list_empty(&ep->tombs_tx);
}

bool hs2ni_quic_any_waits(const struct hs2ni_quic *ep) {
  return any_answer(ep) || !hs2ni_list_empty(&ep->ready) || ep->turns.count > 0;
}

/* Whether what has this credit may go before the turns. */
static bool has_credit(const struct hs2ni_quic *ep, size_t credit) {
  const unsigned lane = hs2ni_rank_lane(hs2ni_timers_deadline(&ep->turns));

  if (ep->env->uplink.bits_per_s == 0) {
    return true;
  }
  return lane <= HS2N_LANE_VOTE ? credit >= HS2NI_QUIC_CREDIT_MAX : credit > 0;
}

enum hs2ni_quic_next hs2ni_quic_next(const struct hs2ni_quic *ep) {
  const bool turn = ep->turns.count > 0;
  const bool ready = !hs2ni_list_empty(&ep->ready);

  if (any_answer(ep) &&
      ((!ready && !turn) || has_credit(ep, ep->answer_credit))) {
    return HS2NI_QUIC_NEXT_ANSWER;
  }
  if (ready && (!turn || has_credit(ep, ep->ready_credit))) {
    return HS2NI_QUIC_NEXT_READY;
  }
  return turn ? HS2NI_QUIC_NEXT_TURN : HS2NI_QUIC_NEXT_NONE;
}

static void earn(size_t *credit, size_t bytes) {
  const size_t room = HS2NI_QUIC_CREDIT_MAX - *credit;

  *credit += bytes < room ? bytes : room;
}

static void spend(size_t *credit, size_t bytes) {
  *credit -= bytes < *credit ? bytes : *credit;
}

void hs2ni_quic_note_gone(struct hs2ni_quic *ep, enum hs2ni_quic_next as,
                          size_t bytes) {
  if (as == HS2NI_QUIC_NEXT_ANSWER) {
    spend(&ep->answer_credit, bytes);
    return;
  }
  earn(&ep->answer_credit, bytes / 8);
  if (as == HS2NI_QUIC_NEXT_READY) {
    spend(&ep->ready_credit, bytes);
  } else {
    earn(&ep->ready_credit, bytes);
  }
}

struct hs2ni_quic_conn *hs2ni_quic_take(struct hs2ni_quic *ep,
                                        enum hs2ni_quic_next next) {
  struct hs2ni_quic_conn *c =
      next == HS2NI_QUIC_NEXT_READY
          ? HS2NI_CONTAINER(ep->ready.head, struct hs2ni_quic_conn, ready_node)
          : HS2NI_CONTAINER(hs2ni_timers_first(&ep->turns),
                            struct hs2ni_quic_conn, turn);

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
