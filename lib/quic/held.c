/* Who is held by the uplink has not found the limit of its path.
 *
 * When many connections share a bounded uplink each sends at a part of its
 * rate.  BBR would take that part for all that the path takes, and pace by it:
 * a vote that follows a packet of a proposal would wait for several times as
 * long as that packet needs.  BBR's word for a pace that the path did not set
 * is "application-limited", and ngtcp2 concludes it from a call by which it is
 * asked for a packet and given nothing for it.  So such a call is made before
 * a connection writes that was held since its last packet.
 *
 * The rate of the uplink may have been given too high, and behind it the path
 * to one peer may be narrower.  Then packets queue up or get lost there, and
 * BBR must believe what it measures: nothing is said while the round-trip time
 * is well above its minimum, or while packets get lost. */
#include "quic/endpoint.h"

#define PERIOD 64u  /* packets */
#define LOST_MAX 1u /* of these: less than what BBR puts up with, 2 % */
#define FULL_DATAGRAM 1500u

void hs2ni_quic_held_sent(struct hs2ni_quic_conn *c, bool wrote) {
  c->held.sent_at = wrote ? c->ep->env->now : 0;
}

static bool is_calm(struct hs2ni_quic_held *h, const ngtcp2_conn_info *info) {
  if (info->pkt_sent - h->packets >= PERIOD) {
    h->calm = info->pkt_lost - h->lost <= LOST_MAX;
    h->packets = info->pkt_sent;
    h->lost = info->pkt_lost;
  }
  return h->calm;
}

/* Full datagrams on the uplink, of this connection and of another, and an ack
 * that waited for one, are no queue of the path. */
static bool is_short(const struct hs2ni_env *env,
                     const ngtcp2_conn_info *info) {
  const hs2n_time packets =
      hs2ni_uplink_time(&env->uplink, 2 * (size_t)FULL_DATAGRAM);

  return info->latest_rtt <= info->min_rtt + info->min_rtt / 4 + packets;
}

bool hs2ni_quic_was_held(struct hs2ni_quic_conn *c) {
  const struct hs2ni_env *env = c->ep->env;
  const bool held = env->uplink.bits_per_s != 0 && c->held.sent_at != 0 &&
                    c->held.sent_at < env->now && !c->owes_ack;
  ngtcp2_conn_info info;

  if (!held) {
    return false;
  }
  c->held.sent_at = 0;
  ngtcp2_conn_get_conn_info2(c->ng, &info);
  return is_calm(&c->held, &info) && is_short(env, &info);
}
