/* tcp: the link over TCP and TLS 1.3 (RFC 8446), where UDP does not pass.
 *
 * One endpoint is client and server at once.  It does no I/O: it speaks of
 * pipes, TCP connections that the driver opens, accepts, writes, reads and
 * closes, by the entries of enum hs2n_io_kind.  Bytes of a pipe are TLS
 * records; what is in them are QUIC's frames (RFC 9000, 19), whole ones in each
 * record, see docs/wire-format.md.
 *
 * A pipe keeps its order, so nothing is put together here: bytes of a stream
 * go up as their record is opened, and no more is kept than the part of a
 * record that has come.  What is sent is chosen when a record is made, lowest
 * rank first over all connections.  A vote waits behind one record of 4 KiB
 * and behind what the driver has of its pipe, tcp_unsent_bytes at most.
 *
 * What holds against strangers, by env->limits: half_open_max handshakes at
 * once, new_per_source_* of one address, handshake_ms for each.  A pipe beyond
 * these is closed before a byte of it is read.  TLS gets handshake messages of
 * bounded length only. */
#ifndef HS2NI_TCP_TCP_H
#define HS2NI_TCP_TCP_H

#include "link/link.h"
#include "tls/tls.h"

struct hs2ni_tcp_config {
  struct hs2ni_env *env;              /* kept */
  struct hs2ni_tls *tls;              /* kept */
  const struct hs2ni_link_user *user; /* kept */
  void *user_ctx;                     /* ctx of on_accept */
};

/* A driver hands over no more accepted pipes than this between two times that
 * poll_tx says 0: each of them may have to be closed. */
#define HS2NI_TCP_ACCEPTS_MAX 1024u

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM.  The link is freed
 * by its ops->free, which drops all connections silently: the driver closes
 * its sockets. */
HS2N_MUST_CHECK int hs2ni_tcp_new(struct hs2ni_link **out_link,
                                  const struct hs2ni_tcp_config *config);

/* Worst-case bytes of the endpoint without its connections, of one established
 * connection and of one half-open one, for hs2n_limits_memory.  A second
 * connection of a pair takes as much as the first: messages are not remembered
 * here until they are acknowledged. */
size_t hs2ni_tcp_footprint(const struct hs2n_limits *limits);
size_t hs2ni_tcp_conn_footprint(const struct hs2n_limits *limits);
size_t hs2ni_tcp_half_open_footprint(void);

#endif /* HS2NI_TCP_TCP_H */
