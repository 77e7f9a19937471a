#include "quic/endpoint.h"

bool hs2ni_quic_look(struct hs2ni_quic_conn *c) {
  ngtcp2_conn_info info;
  bool heard;
  bool acked;

  ngtcp2_conn_get_conn_info2(c->ng, &info);
  heard = info.pkt_recv != c->packets_heard;
  if (heard) {
    c->packets_heard = info.pkt_recv;
    c->last_heard = c->ep->env->now;
  }
  acked = hs2ni_quic_unacked_look(c, info.bytes_in_flight);
  hs2ni_quic_mtu_look(c, &info, acked);
  return heard;
}

void hs2ni_quic_look_sent(struct hs2ni_quic_conn *c) {
  ngtcp2_conn_info info;

  ngtcp2_conn_get_conn_info2(c->ng, &info);
  hs2ni_quic_unacked_sent(c, info.bytes_in_flight);
  hs2ni_quic_mtu_sent(c);
}

void hs2ni_quic_conn_stats(const struct hs2ni_conn *conn,
                           struct hs2ni_conn_stats *out) {
  const struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);
  ngtcp2_conn_info info;

  ngtcp2_conn_get_conn_info2(c->ng, &info);
  *out = (struct hs2ni_conn_stats){
      .last_heard = c->last_heard,
      .rtt_smoothed = info.min_rtt == UINT64_MAX ? 0 : info.smoothed_rtt,
      .rtt_min = info.min_rtt == UINT64_MAX ? 0 : info.min_rtt,
      .cwnd_bytes = info.cwnd,
      .in_flight_bytes = info.bytes_in_flight,
      .packets_sent = info.pkt_sent,
      .packets_lost = info.pkt_lost,
  };
  hs2ni_quic_addr_get(&out->remote, &ngtcp2_conn_get_path2(c->ng)->remote);
}

/* ---- worst cases, measured by test/unit/quic and rounded up -------------- */

/* ngtcp2's object, its pools and streams, keys, and TLS during the
 * handshake. */
#define FOOTPRINT_BASE (96u << 10)
/* Reassembly keeps what came out of order in blocks of its own. */
#define FOOTPRINT_PER_WINDOW_BYTE 2u
/* What ngtcp2 remembers of a packet, and of a message in it, until it is
 * acked. */
#define FOOTPRINT_PER_PACKET 512u
#define FOOTPRINT_PER_MESSAGE 256u

size_t hs2ni_quic_conn_footprint(const struct hs2n_limits *limits) {
  const size_t packets =
      limits->tx_queue_bytes_max / NGTCP2_MAX_UDP_PAYLOAD_SIZE;
  const size_t messages = (size_t)limits->tx_queue_msgs_max * HS2N_LANES;

  return FOOTPRINT_BASE +
         (size_t)FOOTPRINT_PER_WINDOW_BYTE * limits->rx_window_bytes +
         packets * FOOTPRINT_PER_PACKET + messages * FOOTPRINT_PER_MESSAGE;
}

size_t hs2ni_quic_spare_footprint(const struct hs2n_limits *limits) {
  return FOOTPRINT_BASE +
         (size_t)FOOTPRINT_PER_WINDOW_BYTE * limits->rx_window_bytes;
}

size_t hs2ni_quic_half_open_footprint(void) {
  return FOOTPRINT_BASE;
}

/* A byte of a window is in reassembly, or whole and not let go of by the
 * application, where blocks take up to twice what is in them. */
uint64_t hs2ni_quic_shared_footprint(const struct hs2n_limits *limits) {
  return (uint64_t)FOOTPRINT_PER_WINDOW_BYTE * limits->rx_shared_bytes;
}
