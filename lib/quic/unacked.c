/* Whether the peer answers what we send.
 *
 * ngtcp2 ends a connection on which nothing is heard for the idle time.  It
 * goes on as long as packets of the peer come in, though these may say that he
 * hears nothing of us: where only our way to him is cut, they are his probes,
 * until he gives up, and only then our own idle time begins.  And when a
 * client's address changes while the window is full and all of it gets lost,
 * ngtcp2 waits for room before it validates the new path, and for the path
 * before it sends again.
 *
 * So a connection on which something is in flight, and of which nothing was
 * acked for the idle time, is dead here.  An idle one sends a PING in time. */
#include "quic/endpoint.h"

/* As ngtcp2 has it of the other silence (RFC 9000, 10.1). */
#define PTOS_MIN 3u

void hs2ni_quic_unacked_init(struct hs2ni_quic_unacked *e) {
  e->waits_since = HS2N_TIME_NEVER;
}

void hs2ni_quic_unacked_sent(struct hs2ni_quic_conn *c, uint64_t in_flight) {
  struct hs2ni_quic_unacked *e = &c->unacked;

  if (in_flight > 0 && e->waits_since == HS2N_TIME_NEVER) {
    e->waits_since = c->ep->env->now;
  }
  e->in_flight = in_flight;
}

bool hs2ni_quic_unacked_look(struct hs2ni_quic_conn *c, uint64_t in_flight) {
  struct hs2ni_quic_unacked *e = &c->unacked;
  const bool acked = in_flight < e->in_flight;

  if (in_flight == 0) {
    e->waits_since = HS2N_TIME_NEVER;
  } else if (acked || e->waits_since == HS2N_TIME_NEVER) {
    e->waits_since = c->ep->env->now;
  }
  e->in_flight = in_flight;
  return acked;
}

hs2n_time hs2ni_quic_unacked_deadline(const struct hs2ni_quic_conn *c) {
  const hs2n_time idle = HS2N_MS(c->ep->env->limits.idle_ms);
  hs2n_time least;

  if (!c->up || c->unacked.waits_since == HS2N_TIME_NEVER) {
    return HS2N_TIME_NEVER;
  }
  least = PTOS_MIN * ngtcp2_conn_get_pto2(c->ng);
  return c->unacked.waits_since + (idle > least ? idle : least);
}

void hs2ni_quic_unacked_tick(struct hs2ni_quic_conn *c) {
  if (hs2ni_quic_unacked_deadline(c) <= c->ep->env->now) {
    hs2ni_quic_fail(c, HS2N_REASON_IDLE_TIMEOUT, NGTCP2_NO_VIABLE_PATH);
  }
}
