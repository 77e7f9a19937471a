/* limits.h: every capacity of a node, in one struct.
 *
 * Whatever a node holds is allocated when it is made or counted against one
 * of these numbers, so hs2n_limits_memory can say before the start what it
 * can ever need, and no peer can take what belongs to another. */
#ifndef HS2N_LIMITS_H
#define HS2N_LIMITS_H

#include <hs2net/api.h>
#include <hs2net/msg.h>
#include <hs2net/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(type, field, default, min, max, unit and meaning).  Append only. */
#define HS2N_LIMITS_LIST(X)                                                    \
  /* peers and connections */                                                  \
  X(uint32_t, peers_max, 128, 1, 4096, "members of all live epochs")           \
  X(uint32_t, epochs_max, 4, 2, 16, "epochs live at once")                     \
  X(uint32_t, addrs_per_peer_max, 4, 1, 16, "addresses of a member")           \
  X(uint32_t, half_open_max, 512, 1, 65536,                                    \
    "incoming handshakes at once, address validated")                          \
  X(uint32_t, half_open_free_max, 64, 0, 65536,                                \
    "incoming handshakes at once before Retry is asked for")                   \
  X(uint32_t, new_per_source_per_s, 10, 1, 100000,                             \
    "new connections a second from one IPv4 address or IPv6 /64")              \
  X(uint32_t, new_per_source_burst, 20, 1, 100000, "the same, burst")          \
  X(uint32_t, stateless_per_s, 100, 0, 100000,                                 \
    "Version Negotiation, Retry, close and reset answers a second, each kind") \
  /* time */                                                                   \
  X(uint32_t, handshake_ms, 5000, 100, 60000, "ms, dial or accept until UP")   \
  X(uint32_t, idle_ms, 10000, 200, 600000,                                     \
    "ms until a peer that answers nothing is DOWN, from the first packet "     \
    "unanswered; one keep_alive_ms more when nothing was being sent")          \
  X(uint32_t, keep_alive_ms, 2500, 50, 300000, "ms of silence until a PING")   \
  X(uint32_t, backoff_min_ms, 250, 1, 60000, "ms, first pause between dials")  \
  X(uint32_t, backoff_max_ms, 30000, 1, 600000, "ms, longest pause")           \
  X(uint32_t, busy_pause_ms, 10, 1, 10000, "ms, first pause after BUSY")       \
  X(uint32_t, drain_ms, 1000, 0, 60000,                                        \
    "ms that hs2n_node_stop waits for queued messages")                        \
  /* receiving, per peer */                                                    \
  X(uint32_t, rx_window_bytes, 2u << 20, 65536, 64u << 20,                     \
    "bytes, QUIC connection flow-control window")                              \
  X(uint32_t, rx_stream_window_bytes, 1u << 20, 16384, 64u << 20,              \
    "bytes, QUIC stream flow-control window")                                  \
  X(uint32_t, rx_held_bytes, 2u << 20, 65536, 256u << 20,                      \
    "bytes delivered or ready, and not yet released by the application")       \
  X(uint32_t, rx_later_max, 1024, 16, 1024, "LATER verdicts open per lane")    \
  X(uint32_t, rx_future_bytes, 1u << 20, 0, 256u << 20,                        \
    "bytes of messages kept for a later view (HS2N_HOLD), 512 for each and "   \
    "its body; no more than half of rx_held_bytes")                            \
  X(uint32_t, rx_future_views, 1000, 1, 1u << 30,                              \
    "views ahead of this node's for which messages are kept")                  \
  X(uint32_t, rx_partial_ms, 10000, 100, 600000,                               \
    "ms in which a peer of which messages have come in part must send "        \
    "rx_partial_bytes, or its connection is closed")                           \
  X(uint32_t, rx_partial_bytes, 8192, 1, 1u << 20, "bytes, see rx_partial_ms") \
  /* sending, per peer */                                                      \
  X(uint32_t, tx_queue_msgs_max, 1024, 16, 65536,                              \
    "messages queued or not yet acknowledged, per peer and lane")              \
  X(uint32_t, tx_queue_bytes_max, 8u << 20, 65536, 1u << 30,                   \
    "bytes of bodies queued or not yet acknowledged, per peer")                \
  X(uint32_t, tags_max, 4096, 16, 1u << 20,                                    \
    "tagged sends and requests open, per node")                                \
  X(uint32_t, large_body_bytes, 65536, 4096, 65536,                            \
    "bytes above which a body gets a stream of its own")                       \
  /* asking */                                                                 \
  X(uint32_t, requests_max, 256, 1, 65536, "requests open, per node")          \
  X(uint64_t, requests_bytes_max, 256u << 20, 65536, 1ull << 40,               \
    "bytes of open requests and of the largest responses to them, per node")   \
  X(uint32_t, request_try_ms, 2000, 10, 600000,                                \
    "ms until the next peer is asked too; less once a peer's pace is known")   \
  X(uint32_t, rx_requests_max, 64, 1, 65536,                                   \
    "requests of a peer that wait for their response; also those that one "    \
    "peer is asked")                                                           \
  /* the node */                                                               \
  X(uint32_t, posts_max, 1024, 1, 1u << 20, "calls queued by hs2n_post")       \
  X(uint64_t, memory_max_bytes, 0, 0, UINT64_MAX,                              \
    "bytes, refuse to start above; 0: no such check")                          \
  X(uint32_t, datagram_copy_permille, 1125, 100, 10000,                        \
    "thousandths of the smoothed RTT that a message sent in a datagram waits " \
    "for its acknowledgement before a copy goes on a stream")                  \
  X(uint32_t, datagram_copy_lossy_permille, 500, 100, 10000,                   \
    "the same, while more than 5 of 1,000 packets get lost")                   \
  X(uint32_t, datagram_copy_min_ms, 2, 0, 10000, "ms, the least such wait")    \
  X(uint32_t, content_ids_per_peer, 1024, 1, 65536,                            \
    "messages of a peer that are known by their content "                      \
    "(HS2N_TYPE_BY_CONTENT)")                                                  \
  X(uint32_t, heartbeat_ms, 0, 0, 60000,                                       \
    "ms between signed heartbeats to every connected peer, 50 or more and "    \
    "well above the round-trip times; 0: none")                                \
  /* what a large committee sends to one leader, see hs2n_enter_view */        \
  X(uint32_t, spread_us_max, 20000, 0, 1000000,                                \
    "us, the longest that a message for a leader is held back so that not "    \
    "all reach it at once; 0: none is")                                        \
  X(uint32_t, spread_members_min, 64, 2, 4096,                                 \
    "members from which a committee is large in this sense")                   \
  X(uint32_t, spread_bytes_per_s, 12500000, 10000, 1u << 31,                   \
    "bytes a second that a leader is taken to receive")                        \
  X(uint32_t, spread_burst_bytes, 32768, 0, 1u << 30,                          \
    "bytes that a leader is taken to receive at once")                         \
  X(uint32_t, rx_bodies_bytes, 2u << 20, 65536, 256u << 20,                    \
    "bytes for putting together a lane's bodies with streams of their own, "   \
    "unless it is one; what comes of others waits in the receive window")      \
  X(uint32_t, busy_pause_max_ms, 1000, 1, 60000,                               \
    "ms, the longest pause, less up to a quarter, when BUSY is all that a "    \
    "peer says; busy_pause_ms if that is more")                                \
  X(uint32_t, rx_shared_bytes, 64u << 20, 0, 1u << 31,                         \
    "bytes of receive windows beyond rx_window_bytes and "                     \
    "rx_stream_window_bytes, all peers together, for those that need them; "   \
    "two bytes of memory each")                                                \
  X(uint32_t, rx_waste_us_per_s, 5000, 100, 1000000,                           \
    "us of CPU a second that a peer may cost in vain, by bad signatures and "  \
    "what is REJECTed; when it has cost more, what it sends waits")            \
  X(uint32_t, tcp_unsent_bytes, 65536, 16384, 16u << 20,                       \
    "bytes of a TCP connection that have left the node and that its socket "   \
    "has not taken yet")

struct hs2n_limits {
  size_t struct_size;
#define X(type, field, def, min, max, text) type field;
  HS2N_LIMITS_LIST(X)
#undef X
};

/**
 * Fills in the defaults.
 *
 * Thread: any.
 *
 * \param out  written whole, struct_size included.
 */
HS2N_API void hs2n_limits_default(struct hs2n_limits *out);

/**
 * Checks every field against its range, and the rules between fields.
 *
 * Thread: any.
 *
 * \param limits     not NULL.
 * \param out_field  receives the name of the first bad field (a static
 *                   string); may be NULL.
 * \return HS2N_OK, HS2N_ERR_INVALID or HS2N_ERR_VERSION.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_limits_check(const struct hs2n_limits *limits,
                                               const char **out_field);

/* Where the worst case goes, in bytes. */
struct hs2n_memory {
  size_t struct_size;
  uint64_t node_bytes;      /* tables and lists of the node itself, and
                               rx_shared_bytes */
  uint64_t per_peer_bytes;  /* one connected member: connection, TLS, windows,
                               queues, reassembly */
  uint64_t strangers_bytes; /* handshakes of everybody else */
  uint64_t total_bytes;     /* node + peers_max * per_peer + strangers */
};

/**
 * Computes the worst-case memory of a node from its limits and types.
 * A node never asks its hs2n_mem for more than total_bytes at once; bodies
 * that the application sends are counted by tx_queue_bytes_max once per peer
 * although a broadcast shares them.
 *
 * Thread: any.
 *
 * \param limits   passed hs2n_limits_check.
 * \param types    the declared message types.
 * \param types_n  how many.
 * \param out      struct_size set by the caller.
 */
HS2N_API void hs2n_limits_memory(const struct hs2n_limits *limits,
                                 const struct hs2n_type *types, size_t types_n,
                                 struct hs2n_memory *out);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_LIMITS_H */
