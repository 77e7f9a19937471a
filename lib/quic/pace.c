/* How many packets a connection hands out at once, and whose pace it keeps.
 *
 * One packet at a time.  What has left can't be overtaken, so where a full
 * packet takes a millisecond or longer each is a batch of its own, though
 * congestion control would give two (BBR) or ten (CUBIC): a vote waits for the
 * rest of a packet, and not of a batch.  Faster paths get batches, which is
 * what segmentation offload joins.
 *
 * Whose pace.  BBR holds for the rate of the path the largest at which packets
 * arrived lately, unless the application set the pace.  Two other paces must
 * not be taken for the path's:
 *
 *   - That of a bounded uplink.  Many connections share it, and each sends at a
 *     part of its rate.  By such a part BBR would keep a vote behind a packet
 *     of a proposal for several times as long as that packet needs.
 *   - BBR's own, where a path loses packets by chance.  BBR sends at 99 % of
 *     what it has measured, less arrives, and so it measures less and less.
 *     Therefore the largest rate is to be kept from one probe for more to the
 *     next, some seconds; but ngtcp2 1.24 keeps it for two round trips, after a
 *     draft in which ack_phase stays at ACKS_PROBE_STOPPING
 *     (draft-cardwell-iccrg-bbr-congestion-control-02, 4.3.3.6).  Then 2 % of
 *     loss take it down to a quarter of the path, and only what is measured too
 *     high by chance holds it up, which pairs of packets do more often.
 *
 * BBR's word for a pace that the path did not set is "application-limited".
 * ngtcp2 concludes it from a call by which it is asked for a packet and given
 * nothing for it, and holds it for all that is sent in the next round trip.  So
 * such a call is made before a packet that waited for one of these paces.
 *
 * But the path may have become narrower.  Then packets queue up or get lost
 * there, and BBR must believe what it measures.  So nothing is said while the
 * round-trip time is well above its minimum, or while more packets get lost
 * than BBR puts up with; and of BBR's own pace only after losses that no queue
 * explains. */
#include "quic/endpoint.h"

#define PERIOD 64u  /* packets */
#define LOST_MAX 1u /* of these: less than what BBR puts up with, 2 % */
#define NOISY 4u    /* periods */
#define FULL_DATAGRAM 1500u
#define LONG HS2N_MS(1) /* for a packet */

/* How long the path takes for a full packet, about: the window holds what
 * leaves in a round trip or, as BBR has it, twice that. */
static hs2n_time packet_time(const struct hs2ni_quic_conn *c,
                             const ngtcp2_conn_info *info) {
  const size_t packet = ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->ng);

  return 2 * packet * info->smoothed_rtt / info->cwnd;
}

/* A window that is hardly used says nothing of the path: it is small because
 * little was sent. */
static bool is_used(const ngtcp2_conn_info *info) {
  return info->bytes_in_flight >= info->cwnd / 8;
}

size_t hs2ni_quic_pace_packets(const struct hs2ni_quic_conn *c) {
  ngtcp2_conn_info info;

  ngtcp2_conn_get_conn_info2(c->ng, &info);
  if (info.min_rtt == UINT64_MAX) { /* no sample yet */
    return HS2NI_QUIC_BATCH_PACKETS_MAX;
  }
  return is_used(&info) && packet_time(c, &info) >= LONG
             ? 1
             : HS2NI_QUIC_BATCH_PACKETS_MAX;
}

void hs2ni_quic_pace_begins(struct hs2ni_quic_conn *c) {
  c->pace.begins = true;
}

void hs2ni_quic_pace_sent(struct hs2ni_quic_conn *c, bool wrote) {
  c->pace.sent_at = wrote ? c->ep->env->now : 0;
}

static bool is_bounded(const struct hs2ni_quic_conn *c) {
  return c->ep->env->uplink.bits_per_s != 0;
}

/* Whether a pace that is not the path's may have kept c from sending. */
static bool waited(struct hs2ni_quic_conn *c) {
  const bool begins = c->pace.begins;
  const hs2n_time sent_at = c->pace.sent_at;

  c->pace.begins = false;
  if (c->owes_ack) {
    return false; /* it would leave by itself */
  }
  if (!is_bounded(c)) {
    return begins && c->wants_tx && c->ep->congestion == HS2N_CONGESTION_BBR;
  }
  if (sent_at == 0 || sent_at >= c->ep->env->now) {
    return false;
  }
  c->pace.sent_at = 0;
  return true;
}

/* Packets of this connection and of another on a bounded uplink, and an ack
 * that waited for one, are no queue of the path; nor is a packet of its own. */
static bool is_queued(const struct hs2ni_quic_conn *c,
                      const ngtcp2_conn_info *info) {
  const hs2n_time least = info->min_rtt;
  const hs2n_time more =
      is_bounded(c) ? least / 4 + hs2ni_uplink_time(&c->ep->env->uplink,
                                                    2 * (size_t)FULL_DATAGRAM)
                    : least / 8 + packet_time(c, info);

  return info->latest_rtt > least + more;
}

/* A queue drops what does not fit, and is shorter when that is noticed. */
static void count_lost(struct hs2ni_quic_pace *p,
                       const ngtcp2_conn_info *info) {
  const uint64_t lost = info->pkt_lost - p->lost;

  if (info->pkt_sent - p->packets < PERIOD) {
    return;
  }
  p->calm = lost <= LOST_MAX;
  if (lost > 0) {
    p->noisy = p->queued || p->was_queued ? 0 : NOISY;
  } else if (p->noisy > 0) {
    p->noisy--;
  }
  p->was_queued = p->queued;
  p->queued = false;
  p->packets = info->pkt_sent;
  p->lost = info->pkt_lost;
}

bool hs2ni_quic_pace_is_ours(struct hs2ni_quic_conn *c) {
  struct hs2ni_quic_pace *p = &c->pace;
  ngtcp2_conn_info info;
  bool queued;

  if (!waited(c)) {
    return false;
  }
  ngtcp2_conn_get_conn_info2(c->ng, &info);
  queued = is_queued(c, &info);
  p->queued = p->queued || queued;
  count_lost(p, &info);
  return !queued && p->calm && (is_bounded(c) || p->noisy > 0);
}
