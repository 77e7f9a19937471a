/* memory: the worst case of a node, from its limits, before it starts. */
#include "cast/cast.h"
#include "msg/msgs.h"
#include "node/post.h"
#include "peer/peer.h"
#include "quic/quic.h"

#include <hs2net/limits.h>
#include <string.h>

/* Two while a tie between connections is settled. */
#define CONNS_PER_PEER 2u

void hs2n_limits_memory(const struct hs2n_limits *limits,
                        const struct hs2n_type *types, size_t types_n,
                        struct hs2n_memory *out) {
  const size_t size =
      out->struct_size < sizeof(*out) ? out->struct_size : sizeof(*out);
  struct hs2n_memory m = {.struct_size = out->struct_size};

  m.node_bytes = hs2ni_node_footprint(limits) + hs2ni_peers_footprint(limits) +
                 hs2ni_msgs_footprint(limits) + hs2ni_cast_footprint(limits) +
                 hs2ni_posts_footprint(limits);
  m.per_peer_bytes = hs2ni_chan_footprint(limits, types, types_n) +
                     CONNS_PER_PEER * hs2ni_quic_conn_footprint(limits);
  m.strangers_bytes =
      (uint64_t)limits->half_open_max * hs2ni_quic_half_open_footprint();
  m.total_bytes =
      m.node_bytes + limits->peers_max * m.per_peer_bytes + m.strangers_bytes;
  memcpy(out, &m, size);
}
