/* link: what the layers above ask of a transport, and what it tells them.
 *
 * A link is one local endpoint, client and server at once.  It carries
 * authenticated connections with many unidirectional streams.  QUIC is one
 * link, an in-memory pair for tests another.
 *
 * Sending is by pull: the link asks the user for the next bytes when it
 * builds a packet, so the choice of what leaves next is made at the last
 * moment and in one place.  Bytes stay the user's, unchanged, until the
 * stream reports them acked or done: nothing is copied before encryption.
 *
 * Rules:
 * - Functions of a connection may be called from inside upcalls.
 * - After conn_close, and after on_closed, the handle is dead: no upcall
 *   follows and no function may be called with it.
 * - Streams are unidirectional; the opener sends.  An id is unique within
 *   its connection and never reused. */
#ifndef HS2NI_LINK_LINK_H
#define HS2NI_LINK_LINK_H

#include "base/env.h"

#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <hs2net/node.h>
#include <hs2net/types.h>
#include <stdbool.h>

struct hs2ni_link_ops;

/* Transports embed these as their first member. */
struct hs2ni_link {
  const struct hs2ni_link_ops *ops;
};
struct hs2ni_conn {
  const struct hs2ni_link_ops *ops;
};

/* Why a connection ended. */
struct hs2ni_close {
  enum hs2n_reason reason;
  bool by_peer;        /* the peer closed it */
  bool established;    /* the handshake had completed */
  uint64_t raw_code;   /* as on the wire, for the log */
  struct hs2n_key key; /* WRONG_KEY found here: what the peer showed instead */
};

/* How urgent bytes are: low goes first, over all connections of a link.  The
 * lane decides, within it the order in which messages were queued, so that a
 * message for many peers reaches one after the other whole. */
#define HS2NI_RANK_FIRST 0u
#define HS2NI_RANK_NONE UINT64_MAX /* behind everything */
#define HS2NI_RANK_ORDER_BITS 56u
static inline uint64_t hs2ni_rank(unsigned lane, uint64_t order) {
  return (uint64_t)lane << HS2NI_RANK_ORDER_BITS | order;
}
static inline unsigned hs2ni_rank_lane(uint64_t rank) {
  return (unsigned)(rank >> HS2NI_RANK_ORDER_BITS);
}

/* Bytes to put into the next packet.  What waits together belongs into one
 * chunk: each chunk is remembered by itself until it is acked, and a stream of
 * which 8,000 get lost at once ends its connection.  With stream HS2NI_DATAGRAM
 * the parts are one unreliable datagram (RFC 9221): all of it goes into one
 * packet, it may get lost, and its bytes are free once sent has been called. */
#define HS2NI_CHUNK_PARTS 16
#define HS2NI_DATAGRAM UINT64_MAX
struct hs2ni_chunk {
  uint64_t stream;
  struct hs2n_span parts[HS2NI_CHUNK_PARTS];
  size_t parts_n; /* may be 0 with fin */
  bool fin;       /* the stream ends behind these parts */
  uint64_t rank;  /* of its first byte */
};

/* Upcalls.  user is what was given to dial or returned by on_accept. */
struct hs2ni_link_user {
  /* An incoming connection has completed its handshake and proved key.
   * Returns HS2N_REASON_NONE and sets *out_user to take it; any other reason
   * closes it with that code, and no upcall follows. */
  enum hs2n_reason (*on_accept)(void *ctx, struct hs2ni_conn *conn,
                                const struct hs2n_key *key,
                                const struct hs2n_addr *remote,
                                void **out_user);
  /* A dialled connection has completed its handshake with the key asked. */
  void (*on_up)(void *user);
  /* The connection has ended for a cause that is not conn_close. */
  void (*on_closed)(void *user, const struct hs2ni_close *why);
  /* In-order bytes of a stream that the peer opened; bytes are borrowed.
   * The user returns their credit with credit() when it wants more. */
  void (*on_data)(void *user, uint64_t stream, struct hs2n_span bytes,
                  bool fin);
  /* A datagram of the peer; bytes are borrowed. */
  void (*on_datagram)(void *user, struct hs2n_span bytes);
  /* The peer abandoned its stream.  Credit of what was delivered is still
   * the user's to return; what was not is the link's. */
  void (*on_reset)(void *user, uint64_t stream, uint64_t code);
  /* The peer does not want the rest of our stream: the link has reset it. */
  void (*on_stopped)(void *user, uint64_t stream, uint64_t code);
  /* The peer's transport holds our stream's bytes below offset. */
  void (*on_acked)(void *user, uint64_t stream, uint64_t offset);
  /* Our stream has ended: all bytes acked, or reset.  Its bytes are free. */
  void (*on_done)(void *user, uint64_t stream);
  /* A stream that was blocked, or stream_open that said FULL, can go on. */
  void (*on_credit)(void *user);
  /* Fills in the chunk of lowest rank and returns true, or returns false when
   * nothing is to be sent.  Called again after each sent or blocked. */
  bool (*next)(void *user, struct hs2ni_chunk *out);
  /* The first len bytes of the chunk last given are in packets; with fin the
   * stream's end too.  len may be less than was offered, 0 included. */
  void (*sent)(void *user, uint64_t stream, size_t len, bool fin);
  /* Flow control holds this stream: do not offer it before on_credit.  For
   * HS2NI_DATAGRAM: what was offered is above datagram_max and never fits. */
  void (*blocked)(void *user, uint64_t stream);
};

struct hs2ni_conn_stats {
  struct hs2n_addr remote;
  hs2n_time last_heard;
  hs2n_time rtt_smoothed; /* ns; 0: unknown */
  hs2n_time rtt_min;
  uint64_t cwnd_bytes;
  uint64_t in_flight_bytes;
  uint64_t packets_sent;
  uint64_t packets_lost;
};

struct hs2ni_link_ops {
  const char *scheme; /* "quic" */

  /* Begins a connection to remote; the peer must prove key.  Ends with
   * on_up, or on_closed within limits.handshake_ms.
   * Returns HS2N_OK, HS2N_ERR_FULL, HS2N_ERR_NO_MEMORY, HS2N_ERR_RANDOM,
   * HS2N_ERR_INVALID (address family) or HS2N_ERR_CRYPTO. */
  int (*dial)(struct hs2ni_link *link, const struct hs2n_addr *remote,
              const struct hs2n_key *key, void *user,
              struct hs2ni_conn **out_conn);
  void (*recv)(struct hs2ni_link *link, const struct hs2n_rx *rx, size_t n);
  void (*tick)(struct hs2ni_link *link);
  hs2n_time (*deadline)(const struct hs2ni_link *link);
  /* See hs2n_node_poll_tx. */
  size_t (*poll_tx)(struct hs2ni_link *link, struct hs2n_tx *tx, size_t n);
  void (*free)(struct hs2ni_link *link);

  /* Ends a connection; reason goes to the peer as application error code
   * when it is below 0x100 (else HS2N_REASON_NONE goes). */
  void (*conn_close)(struct hs2ni_conn *conn, enum hs2n_reason reason);
  /* Opens a stream to send on.
   * Returns HS2N_OK, HS2N_ERR_FULL (on_credit follows) or
   * HS2N_ERR_NO_MEMORY. */
  int (*stream_open)(struct hs2ni_conn *conn, uint64_t *out_stream);
  /* Abandons our stream: what was not delivered never will be; on_done
   * follows.  Not called on ended streams. */
  void (*stream_reset)(struct hs2ni_conn *conn, uint64_t stream, uint64_t code);
  /* Tells the peer not to send the rest of its stream.  No more of its bytes
   * come up, and their credit is the link's; on_reset may still come. */
  void (*stream_stop)(struct hs2ni_conn *conn, uint64_t stream, uint64_t code);
  /* Lets the peer send len more bytes, on the connection, and on the stream
   * too when stream is still open. */
  void (*credit)(struct hs2ni_conn *conn, uint64_t stream, size_t len);
  /* Bytes of the largest datagram that fits into a packet now, 0 when the
   * peer takes none. */
  size_t (*datagram_max)(const struct hs2ni_conn *conn);
  /* The user has something to send: next will be called, when nothing of a
   * lower rank waits on any connection.  rank is that of what has come, or
   * lower where the user does not know. */
  void (*want_tx)(struct hs2ni_conn *conn, uint64_t rank);
  /* Has the next poll_tx send something small that the peer's transport must
   * answer, if by then nothing has been heard for silence and nothing else is
   * under way: by that the round-trip time is fresh, and a path or process
   * that is gone is noticed before something urgent is lost on it. */
  void (*probe)(struct hs2ni_conn *conn, hs2n_time silence);
  void (*conn_stats)(const struct hs2ni_conn *conn,
                     struct hs2ni_conn_stats *out);
};

#endif /* HS2NI_LINK_LINK_H */
