/* quic: the link over QUIC v1 (RFC 9000, 9001, 9002, 9221) by ngtcp2.
 *
 * One endpoint is client and server on one UDP socket.  Nothing here sends:
 * datagrams come in by recv and go out by poll_tx of link.h, which is called
 * after every other call until it says 0.
 *
 * What holds against strangers, by env->limits:
 * - beyond half_open_free_max handshakes, and beyond new_per_source_* of one
 *   address, a first packet gets a Retry and leaves no state;
 * - beyond half_open_max, who has proved his address is refused;
 * - every kind of answer without a connection keeps to stateless_per_s and is
 *   shorter than what it answers.  Addresses that were dialled from here or
 *   have shown a key get their Retry besides.
 *
 * When a process is gone, its successor with the same reset_key resets what
 * others had dialled.  Connections that the lost process itself had dialled
 * can't be reset (a client has no token for its first id): they end by
 * idle_ms, or when the successor dials again. */
#ifndef HS2NI_QUIC_QUIC_H
#define HS2NI_QUIC_QUIC_H

#include "link/link.h"
#include "tls/tls.h"

struct hs2ni_quic_config {
  struct hs2ni_env *env;              /* kept */
  struct hs2ni_tls *tls;              /* kept */
  const struct hs2ni_link_user *user; /* kept */
  void *user_ctx;                     /* ctx of on_accept */
  struct hs2n_addr local;
  uint8_t reset_key[HS2N_RESET_KEY_LEN]; /* not all zero */
  enum hs2n_congestion congestion;
  uint32_t udp_payload_max; /* 0: default, see struct hs2n_config */
};

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM.  The link is freed
 * by its ops->free, which drops all connections silently. */
HS2N_MUST_CHECK int hs2ni_quic_new(struct hs2ni_link **out_link,
                                   const struct hs2ni_quic_config *config);

/* Worst-case bytes of the endpoint without its connections, of one established
 * connection and of one half-open one, for hs2n_limits_memory. */
size_t hs2ni_quic_footprint(const struct hs2n_limits *limits);
size_t hs2ni_quic_conn_footprint(const struct hs2n_limits *limits);
/* Of one that carries no messages: the second of a pair, until a tie is
 * settled. */
size_t hs2ni_quic_spare_footprint(const struct hs2n_limits *limits);
size_t hs2ni_quic_half_open_footprint(void);
/* Of all that peers are lent beyond their own windows. */
uint64_t hs2ni_quic_shared_footprint(const struct hs2n_limits *limits);

#endif /* HS2NI_QUIC_QUIC_H */
