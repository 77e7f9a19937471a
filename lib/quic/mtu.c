#include "quic/endpoint.h"

/* ngtcp2 looks for the path's MTU once.  When the path changes to one that
 * takes less, large packets vanish while small ones pass, and nothing of it
 * looks like an end.  So when large packets are lost without progress, a
 * connection goes on with 1,200 bytes, which every path must take (RFC 9000,
 * 14.1), for a while that doubles when it happens again. */
#define SMALL_FIRST HS2N_S(2)
#define SMALL_LAST HS2N_S(600)
#define LOST_PACKETS_MIN 4u
#define LOST_PER_ACKED 4u /* bytes */

static void begin_period(struct hs2ni_quic_mtu *m, hs2n_time now,
                         const ngtcp2_conn_info *info) {
  m->began = now;
  m->acked = 0;
  m->lost_packets = info->pkt_lost;
  m->lost_bytes = info->bytes_lost;
}

/* Large packets get lost, nearly all of them. */
static bool swallows_large(const struct hs2ni_quic_mtu *m,
                           const ngtcp2_conn_info *info) {
  const uint64_t packets = info->pkt_lost - m->lost_packets;
  const uint64_t bytes = info->bytes_lost - m->lost_bytes;

  return packets >= LOST_PACKETS_MIN &&
         bytes >= packets * NGTCP2_MAX_UDP_PAYLOAD_SIZE &&
         bytes > LOST_PER_ACKED * m->acked;
}

static void go_small(struct hs2ni_quic_conn *c, hs2n_time now) {
  struct hs2ni_quic_mtu *m = &c->mtu;

  m->small_for = m->small_for == 0 || now - m->small_until > m->small_for
                     ? SMALL_FIRST
                     : 2 * m->small_for;
  if (m->small_for > SMALL_LAST) {
    m->small_for = SMALL_LAST;
  }
  m->small_until = now + m->small_for;
  hs2ni_log(c->ep->env, HS2N_LOG_DEBUG, "quic.mtu", "bytes=%d for_ms=%llu",
            NGTCP2_MAX_UDP_PAYLOAD_SIZE,
            (unsigned long long)(m->small_for / HS2N_MS(1)));
}

void hs2ni_quic_mtu_look(struct hs2ni_quic_conn *c,
                         const ngtcp2_conn_info *info, bool acked) {
  struct hs2ni_quic_mtu *m = &c->mtu;
  const hs2n_time now = c->ep->env->now;
  const hs2n_time period = 3 * ngtcp2_conn_get_pto2(c->ng);

  if (acked) {
    m->progress = now;
  }
  m->quiet = info->bytes_in_flight < NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  if (!c->up || (now < m->small_until && !m->probing)) {
    return;
  }
  if (now - m->began > period / 2 && swallows_large(m, info)) {
    m->probing = false;
    go_small(c, now);
  } else if (!m->quiet && now - m->progress > period) {
    /* No ack at all: it may as well be the peer that pauses.  A small packet
     * tells which: its ack shows the large ones before it as lost. */
    m->probing = true;
    m->small_until = now + period;
  } else if (m->probing) {
    m->probing = false; /* it has only paused */
    m->small_until = now;
  }
  if (m->quiet || now - m->began > period) {
    begin_period(m, now, info);
  }
}

void hs2ni_quic_mtu_sent(struct hs2ni_quic_conn *c) {
  if (c->mtu.quiet) {
    c->mtu.quiet = false;
    c->mtu.progress = c->ep->env->now;
    c->mtu.began = c->ep->env->now;
  }
}

void hs2ni_quic_mtu_acked(struct hs2ni_quic_conn *c, uint64_t len) {
  c->mtu.acked += len;
  c->mtu.progress = c->ep->env->now;
}

size_t hs2ni_quic_mtu_cap(const struct hs2ni_quic_conn *c, size_t len) {
  return c->ep->env->now < c->mtu.small_until &&
                 len > NGTCP2_MAX_UDP_PAYLOAD_SIZE
             ? NGTCP2_MAX_UDP_PAYLOAD_SIZE
             : len;
}
