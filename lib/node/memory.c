/* memory: the worst case of a node, from its limits, before it starts. */
#include "base/sized.h"
#include "node/inside.h"

uint64_t hs2ni_node_footprint(const struct hs2n_limits *limits) {
  (void)limits;
  return sizeof(struct hs2n_node) + hs2ni_tls_footprint();
}

/* The limits do not say over what a node speaks: what holds for the greater
 * holds for both. */
static uint64_t larger(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static uint64_t conns_footprint(const struct hs2n_limits *limits) {
  const uint64_t quic =
      hs2ni_quic_conn_footprint(limits) +
      (HS2NI_PAIR_SLOTS - 1) * hs2ni_quic_spare_footprint(limits);

  return larger(quic, HS2NI_PAIR_SLOTS * hs2ni_tcp_conn_footprint(limits));
}

void hs2n_limits_memory(const struct hs2n_limits *limits,
                        const struct hs2n_type *types, size_t types_n,
                        struct hs2n_memory *out) {
  struct hs2n_memory m = {.struct_size = sizeof(m)};

  m.node_bytes =
      hs2ni_node_footprint(limits) + hs2ni_peers_footprint(limits) +
      hs2ni_msgs_footprint(limits, types, types_n) +
      hs2ni_cast_footprint(limits) + hs2ni_posts_footprint(limits) +
      larger(hs2ni_quic_footprint(limits) + hs2ni_quic_shared_footprint(limits),
             hs2ni_tcp_footprint(limits));
  m.per_peer_bytes = hs2ni_chan_footprint(limits, types, types_n) +
                     conns_footprint(limits) +
                     HS2NI_PAIR_SLOTS * hs2ni_session_footprint();
  m.strangers_bytes =
      limits->half_open_max *
      larger(hs2ni_quic_half_open_footprint(), hs2ni_tcp_half_open_footprint());
  m.total_bytes =
      m.node_bytes + limits->peers_max * m.per_peer_bytes + m.strangers_bytes;
  hs2ni_sized_give(out, &m, sizeof(m));
}
