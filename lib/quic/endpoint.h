/* endpoint: what the files of this module share.
 *
 * Life of a connection:
 *
 *     dial --> conn (client) --.                       .--> freed silently
 *                               handshake --> up -->  end
 *     Initial -> admit -> conn (server) --'            '--> tomb, 3 PTO long
 *
 * The end is one function.  It leaves at most a tomb behind, a few hundred
 * bytes that repeat the closing packet or swallow late ones, so that neither
 * a refused stranger nor a lost peer holds TLS or transport state.
 *
 * ngtcp2 forbids most calls while it is on the stack.  What the user asks for
 * from inside an upcall is therefore noted, and done when ngtcp2 has
 * returned: a close by `closing`, everything else by the deferred list of
 * stream.c. */
#ifndef HS2NI_QUIC_ENDPOINT_H
#define HS2NI_QUIC_ENDPOINT_H

#include "base/list.h"
#include "base/map.h"
#include "base/sources.h"
#include "base/timer.h"
#include "quic/quic.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

/* Length of the ids that this endpoint gives out.  Each byte is in every
 * packet that comes in; 64 random bits are enough to be unguessable. */
#define HS2NI_QUIC_CID_LEN 8u
#define HS2NI_QUIC_CIDS_MAX 16u
#define HS2NI_QUIC_RESETS_MAX 3u
#define HS2NI_QUIC_TOMB_CIDS 6u
#define HS2NI_QUIC_STREAMS_MAX 64u /* that a peer may have open */
#define HS2NI_QUIC_TOMBS_MAX 256u
#define HS2NI_QUIC_ANSWERS_MAX 64u
#define HS2NI_QUIC_DEFERRED_MAX 256u
#define HS2NI_QUIC_PAYLOAD_DEFAULT 1452u
/* What Linux takes in one sendmsg with UDP_SEGMENT. */
#define HS2NI_QUIC_BATCH_BYTES_MAX 65507u
#define HS2NI_QUIC_BATCH_PACKETS_MAX 64u
#define HS2NI_QUIC_CREDIT_MAX 1500u /* a full packet, see ready.c */

/* ---- answers without a connection (stateless.c, token.c) ---------------- */

enum hs2ni_quic_answer_kind {
  HS2NI_QUIC_ANSWER_VERSION,
  HS2NI_QUIC_ANSWER_RETRY,
  HS2NI_QUIC_ANSWER_RESET,
  HS2NI_QUIC_ANSWER_CLOSE,
  HS2NI_QUIC_ANSWER_KINDS
};

#define HS2NI_QUIC_ANSWER_BYTES_MAX 256u
struct hs2ni_quic_answer {
  struct hs2n_addr local;
  struct hs2n_addr remote;
  uint16_t len;
  uint8_t bytes[HS2NI_QUIC_ANSWER_BYTES_MAX];
};

/* Address-validation tokens (RFC 9000, 8.1.2): not secret, only unforgeable.
 * Keys live in memory only and are changed each minute, so a token ends with
 * the process that gave it. */
struct hs2ni_quic_token_keys {
  uint8_t current[32];
  uint8_t previous[32];
  hs2n_time changed;
  bool set;
};

/* ---- tombs (tomb.c) ----------------------------------------------------- */

/* What a datagram's connection id leads to. */
enum hs2ni_quic_route_kind { HS2NI_QUIC_TO_CONN, HS2NI_QUIC_TO_TOMB };
struct hs2ni_quic_route {
  enum hs2ni_quic_route_kind kind;
};

struct hs2ni_quic_cid {
  uint8_t len;
  uint8_t bytes[NGTCP2_MAX_CIDLEN];
};

struct hs2ni_quic_tomb {
  struct hs2ni_quic_route route;
  struct hs2ni_quic *ep;
  struct hs2ni_list_node node;    /* in ep->tombs, oldest first */
  struct hs2ni_list_node tx_node; /* in ep->tombs_tx when tx_queued */
  bool tx_queued;
  struct hs2ni_timer timer;
  struct hs2n_addr local;
  struct hs2n_addr remote;
  uint32_t heard; /* packets since the end; answered at powers of two */
  uint8_t cids_n;
  struct hs2ni_quic_cid cids[HS2NI_QUIC_TOMB_CIDS];
  size_t len; /* 0: only swallows */
  uint8_t packet[];
};

/* ---- connections -------------------------------------------------------- */

/* What mtu.c watches. */
struct hs2ni_quic_mtu {
  hs2n_time began;       /* of the period in which is counted */
  hs2n_time progress;    /* last ack of anything, or first packet */
  uint64_t acked;        /* bytes in this period */
  uint64_t lost_packets; /* in all, at its beginning */
  uint64_t lost_bytes;
  hs2n_time small_until; /* packets have at most 1,200 bytes */
  hs2n_time small_for;
  bool probing; /* small packets only to see whether they get through */
  bool quiet;   /* not even one large packet was in flight at the last look */
};

/* What unacked.c watches. */
struct hs2ni_quic_unacked {
  hs2n_time waits_since; /* for an ack of anything; NEVER: nothing in flight */
  uint64_t in_flight;    /* after the last look or burst */
};

/* What pace.c watches. */
struct hs2ni_quic_pace {
  bool begins;       /* a batch, of which nothing is written yet */
  hs2n_time sent_at; /* last packet, if more may follow; 0: not so */
  uint64_t packets;  /* sent and lost at the beginning of the period */
  uint64_t lost;
  bool calm;       /* hardly one was lost in the period before */
  bool queued;     /* round trips of this period took long */
  bool was_queued; /* of that before */
  unsigned noisy;  /* periods for which a loss by chance counts */
};

/* What window.c knows of the peer's pace. */
struct hs2ni_quic_window {
  hs2n_time began; /* of this period */
  hs2n_time rtt;   /* when it began */
  uint64_t taken;  /* credited in it */
  uint64_t lent;   /* beyond limits.rx_window_bytes */
  uint32_t quiet;  /* periods in a row in which it took little */
};

struct hs2ni_quic_conn {
  struct hs2ni_conn base;
  struct hs2ni_quic_route route;
  struct hs2ni_quic *ep;
  ngtcp2_conn *ng;
  struct hs2ni_tls_session *tls; /* NULL after the handshake is confirmed */
  ngtcp2_crypto_conn_ref ref;
  struct hs2ni_list_node node;       /* in ep->conns */
  struct hs2ni_list_node ready_node; /* in ep->ready when in_ready */
  struct hs2ni_timer turn;           /* in ep->turns when its slot is set */
  uint64_t rank; /* of what it offered last, or of its turn */
  struct hs2ni_timer timer;
  void *user;
  struct hs2n_key key; /* what a dialled peer must prove */
  struct hs2n_addr local;
  struct hs2n_addr remote; /* at the start; ngtcp2 has the current one */
  hs2n_time last_heard;
  hs2n_time last_expiry;
  hs2n_time probe_silence;
  uint64_t packets_heard;
  uint64_t next_stream; /* id that the next stream_open gets */
  struct hs2ni_quic_mtu mtu;
  struct hs2ni_quic_unacked unacked;
  struct hs2ni_quic_pace pace;
  struct hs2ni_quic_window window;
  uint32_t streams_freed;        /* the peer's, not yet given back as places */
  enum hs2n_reason close_reason; /* with closing */
  struct hs2ni_close failure;    /* with failed */
  uint64_t failure_code;         /* transport error to send, with failed */
  uint8_t cids_n;
  uint8_t cids[HS2NI_QUIC_CIDS_MAX][HS2NI_QUIC_CID_LEN];
  struct hs2ni_quic_cid first_dcid; /* server: what the client chose */
  uint8_t resets_n;
  uint8_t resets[HS2NI_QUIC_RESETS_MAX][16]; /* by which the peer may end it */

  bool client;
  bool half_open; /* counted in ep->half_open */
  bool proved;    /* its address was shown by a token */
  bool up;        /* handshake complete, identity right, user set */
  bool has_user;  /* upcalls may be made */
  bool confirmed; /* TLS is not needed any more */
  bool in_ready;
  bool in_ng;          /* ngtcp2 is on the stack */
  bool closing;        /* conn_close was called inside */
  bool failed;         /* must end with `failure` */
  bool reset_heard;    /* the peer's stateless reset */
  bool wants_tx;       /* next may have something */
  bool probe;          /* see probe of link.h */
  bool more;           /* touched while it was being written */
  bool owes_ack;       /* data has come since its last packet */
  bool put_back;       /* what it offered must wait for others */
  bool resending;      /* its last packet had no room for what is new */
  bool opens_full;     /* stream_open said FULL */
  bool stream_blocked; /* the user was told so */
  bool conn_blocked;   /* the peer's connection window is used up */
};

/* A call that must wait until the packet under construction is complete. */
enum hs2ni_quic_deferred_kind {
  HS2NI_QUIC_DEFER_OPEN,
  HS2NI_QUIC_DEFER_RESET,
  HS2NI_QUIC_DEFER_STOP,
  HS2NI_QUIC_DEFER_CREDIT,
};
struct hs2ni_quic_deferred {
  enum hs2ni_quic_deferred_kind kind;
  uint64_t stream;
  uint64_t value; /* code or bytes */
};

struct hs2ni_quic {
  struct hs2ni_link link;
  struct hs2ni_env *env;
  struct hs2ni_tls *tls;
  const struct hs2ni_link_user *user;
  void *user_ctx;
  struct hs2n_addr local;
  uint8_t reset_key[HS2N_RESET_KEY_LEN];
  enum hs2n_congestion congestion;
  uint32_t payload_max;
  uint32_t rx_payload_max;
  bool payload_fixed; /* set by the user: no path MTU discovery */
  ngtcp2_mem mem;
  ngtcp2_callbacks callbacks;
  struct hs2ni_map *routes;
  struct hs2ni_timers timers;
  struct hs2ni_list conns;
  struct hs2ni_list ready;   /* see ready.c */
  struct hs2ni_timers turns; /* by rank */
  uint64_t others;           /* lowest rank that waits besides who is written */
  size_t ready_credit;       /* bytes that may go before turns, see ready.c */
  size_t answer_credit;
  struct hs2ni_list tombs;
  struct hs2ni_list tombs_tx;
  uint32_t conns_max;
  uint32_t half_open;
  uint32_t half_open_unproved;
  bool rand_failed; /* noted where ngtcp2 gives no way to say it */
  struct hs2ni_sources sources;
  struct hs2ni_rate answer_rates[HS2NI_QUIC_ANSWER_KINDS];
  struct hs2ni_quic_token_keys token_keys;
  struct hs2ni_quic_answer *answers; /* ring of HS2NI_QUIC_ANSWERS_MAX */
  uint32_t answers_first;
  uint32_t answers_n;
  struct hs2ni_quic_conn *packet_of; /* whose packet is half written */
  struct hs2ni_quic_deferred *deferred;
  uint32_t deferred_n;
  uint32_t deferred_opens;
};

/* A datagram and where it came from. */
struct hs2ni_quic_dgram {
  const struct hs2n_addr *local;
  const struct hs2n_addr *remote;
  uint8_t ecn;
  const uint8_t *data;
  size_t len;
};

/* sockaddr.c */
struct hs2ni_quic_path {
  ngtcp2_path path;
  ngtcp2_sockaddr_union local;
  ngtcp2_sockaddr_union remote;
};
/* The local end is always the configured address: a node has one socket, and
 * a wildcard must not look like a second path. */
void hs2ni_quic_path_set(struct hs2ni_quic_path *out,
                         const struct hs2ni_quic *ep,
                         const struct hs2n_addr *remote);
/* Zeroed out for what is neither IPv4 nor IPv6. */
void hs2ni_quic_addr_get(struct hs2n_addr *out, const ngtcp2_addr *in);

/* memory.c */
void hs2ni_quic_mem_init(ngtcp2_mem *mem, struct hs2ni_env *env);

/* route.c */
HS2N_MUST_CHECK int hs2ni_quic_random(struct hs2ni_quic *ep, uint8_t *out,
                                      size_t len);
/* Draws an id that nobody has, and routes it to conn.
 * Returns HS2N_OK, HS2N_ERR_RANDOM or HS2N_ERR_FULL. */
HS2N_MUST_CHECK int hs2ni_quic_cid_new(struct hs2ni_quic_conn *c,
                                       ngtcp2_cid *out);
void hs2ni_quic_cid_retire(struct hs2ni_quic_conn *c, const ngtcp2_cid *cid);
/* Routes the id that the client chose for its first flight. */
HS2N_MUST_CHECK int hs2ni_quic_route_first(struct hs2ni_quic_conn *c,
                                           const ngtcp2_cid *dcid);
/* A stateless reset carries no id that we know, only the token that the peer
 * has announced with its own id (RFC 9000, 10.3.1).  A client can't announce
 * one for its first id: who accepted a connection learns of the dialler's
 * restart by the next dial. */
void hs2ni_quic_reset_expect(struct hs2ni_quic_conn *c,
                             const uint8_t token[16]);
void hs2ni_quic_reset_forget(struct hs2ni_quic_conn *c,
                             const uint8_t token[16]);
struct hs2ni_quic_conn *hs2ni_quic_reset_conn(const struct hs2ni_quic *ep,
                                              const uint8_t token[16]);
void hs2ni_quic_unroute(struct hs2ni_quic_conn *c);
struct hs2ni_quic_route *hs2ni_quic_route_get(const struct hs2ni_quic *ep,
                                              const uint8_t *cid, size_t len);
/* RFC 9000, 10.3.2: from a static key, so that the next process with this
 * identity can reset what this one leaves behind. */
void hs2ni_quic_reset_token(const struct hs2ni_quic *ep, const uint8_t *cid,
                            size_t len, uint8_t out[16]);
/* HMAC-SHA-256 (RFC 2104) over n parts, n <= 6. */
void hs2ni_quic_hmac(const uint8_t key[32], const struct hs2n_span *parts,
                     size_t n, uint8_t out[32]);

/* token.c */
#define HS2NI_QUIC_TOKEN_LEN 62u
enum hs2ni_quic_token_verdict {
  HS2NI_QUIC_TOKEN_FOREIGN, /* not one of ours: as if absent */
  HS2NI_QUIC_TOKEN_BAD,     /* forged, too old or of another address */
  HS2NI_QUIC_TOKEN_GOOD,
};
HS2N_MUST_CHECK int hs2ni_quic_token_make(struct hs2ni_quic *ep,
                                          const struct hs2n_addr *remote,
                                          const ngtcp2_cid *odcid,
                                          const ngtcp2_cid *retry_scid,
                                          uint8_t out[HS2NI_QUIC_TOKEN_LEN]);
enum hs2ni_quic_token_verdict
hs2ni_quic_token_check(struct hs2ni_quic *ep, const struct hs2n_addr *remote,
                       const ngtcp2_pkt_hd *hd, ngtcp2_cid *out_odcid);

/* stateless.c */
void hs2ni_quic_answer_version(struct hs2ni_quic *ep,
                               const struct hs2ni_quic_dgram *d,
                               const ngtcp2_version_cid *vc);
void hs2ni_quic_answer_retry(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const ngtcp2_pkt_hd *hd,
                             struct hs2ni_source *source);
void hs2ni_quic_answer_close(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const ngtcp2_pkt_hd *hd, uint64_t code);
void hs2ni_quic_answer_reset(struct hs2ni_quic *ep,
                             const struct hs2ni_quic_dgram *d,
                             const uint8_t *cid);
/* The oldest answer that waits, or NULL; it stays until popped. */
const struct hs2ni_quic_answer *
hs2ni_quic_answer_first(const struct hs2ni_quic *ep);
void hs2ni_quic_answer_pop(struct hs2ni_quic *ep);

/* admit.c */
/* A first packet for a connection that does not exist. */
void hs2ni_quic_admit(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d);

/* conn.c */
HS2N_MUST_CHECK int hs2ni_quic_conn_dial(struct hs2ni_quic_conn **out,
                                         struct hs2ni_quic *ep,
                                         const struct hs2n_addr *remote,
                                         const struct hs2n_key *key,
                                         void *user);
/* odcid is NULL without a token, see RFC 9000, 7.3. */
HS2N_MUST_CHECK int hs2ni_quic_conn_accept(struct hs2ni_quic_conn **out,
                                           struct hs2ni_quic *ep,
                                           const struct hs2ni_quic_dgram *d,
                                           const ngtcp2_pkt_hd *hd,
                                           const ngtcp2_cid *odcid);
/* Everything but upcalls; NULL and half-built are fine. */
void hs2ni_quic_conn_free(struct hs2ni_quic_conn *c);
/* Reads the next expiry from ngtcp2, after all writing is done. */
void hs2ni_quic_conn_rearm(struct hs2ni_quic_conn *c);

/* end.c */
/* What an ngtcp2 call returned, once it is off the stack: 0 goes on, all
 * else ends the connection.  Returns whether c still lives. */
bool hs2ni_quic_settle(struct hs2ni_quic_conn *c, int rv);
/* Ends on request of the user, when ngtcp2 is not on the stack. */
void hs2ni_quic_end_by_user(struct hs2ni_quic_conn *c, enum hs2n_reason why);
/* Makes c end with `reason` and a transport error as soon as possible. */
void hs2ni_quic_fail(struct hs2ni_quic_conn *c, enum hs2n_reason reason,
                     uint64_t transport_code);

/* tomb.c */
struct hs2ni_quic_tomb *hs2ni_quic_tomb_new(struct hs2ni_quic_conn *c,
                                            const uint8_t *packet, size_t len);
void hs2ni_quic_tomb_free(struct hs2ni_quic_tomb *t);
void hs2ni_quic_tomb_heard(struct hs2ni_quic_tomb *t, size_t len);

/* callbacks.c */
void hs2ni_quic_callbacks_init(ngtcp2_callbacks *callbacks);

/* stream.c: the stream functions of hs2ni_link_ops */
int hs2ni_quic_stream_open(struct hs2ni_conn *conn, uint64_t *out_stream);
void hs2ni_quic_stream_reset(struct hs2ni_conn *conn, uint64_t stream,
                             uint64_t code);
void hs2ni_quic_stream_stop(struct hs2ni_conn *conn, uint64_t stream,
                            uint64_t code);
void hs2ni_quic_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len);
size_t hs2ni_quic_datagram_max(const struct hs2ni_conn *conn);
/* Does what had to wait for the packet, or forgets it where the connection is
 * lost. */
void hs2ni_quic_deferred_run(struct hs2ni_quic_conn *c, bool alive);
/* Whether stream is still to be opened. */
bool hs2ni_quic_deferred_has(const struct hs2ni_quic *ep, uint64_t stream);

/* ready.c */
/* ngtcp2 may have something to write. */
void hs2ni_quic_conn_ready(struct hs2ni_quic_conn *c);
/* The user has something of this rank, or of one that will turn out. */
void hs2ni_quic_conn_turn(struct hs2ni_quic_conn *c, uint64_t rank);
void hs2ni_quic_conn_unready(struct hs2ni_quic_conn *c);
/* Whether there may be something to send. */
bool hs2ni_quic_any_waits(const struct hs2ni_quic *ep);
/* What is to be sent next. */
enum hs2ni_quic_next {
  HS2NI_QUIC_NEXT_NONE,
  HS2NI_QUIC_NEXT_ANSWER, /* of stateless.c or a tomb */
  HS2NI_QUIC_NEXT_READY,  /* a connection's ack and the like */
  HS2NI_QUIC_NEXT_TURN,   /* what its user has, as its rank says */
};
enum hs2ni_quic_next hs2ni_quic_next(const struct hs2ni_quic *ep);
/* Takes out who is to be written, and notes in ep->others what that one must
 * not be put before.  next is READY or TURN, as hs2ni_quic_next says. */
struct hs2ni_quic_conn *hs2ni_quic_take(struct hs2ni_quic *ep,
                                        enum hs2ni_quic_next next);
/* So many bytes have been sent as this. */
void hs2ni_quic_note_gone(struct hs2ni_quic *ep, enum hs2ni_quic_next as,
                          size_t bytes);
/* Whether c sends again what was lost, while others have something new in the
 * same lane.  ngtcp2 puts lost bytes first, whatever their lane was. */
bool hs2ni_quic_yields(const struct hs2ni_quic_conn *c);
/* Whether bytes of this rank may leave now.  joins: into a packet that leaves
 * anyway, where those of one lane may share what a packet costs. */
bool hs2ni_quic_may_offer(const struct hs2ni_quic_conn *c, uint64_t rank,
                          bool joins);

/* pace.c */
/* How many packets may be in a batch, HS2NI_QUIC_BATCH_PACKETS_MAX at most. */
size_t hs2ni_quic_pace_packets(const struct hs2ni_quic_conn *c);
/* A batch is about to be written. */
void hs2ni_quic_pace_begins(struct hs2ni_quic_conn *c);
/* A batch was written, or nothing could be. */
void hs2ni_quic_pace_sent(struct hs2ni_quic_conn *c, bool wrote);
/* Before each packet: whether the path has not set the pace at which c sends,
 * so that ngtcp2 is to be told. */
bool hs2ni_quic_pace_is_ours(struct hs2ni_quic_conn *c);

/* send.c */
size_t hs2ni_quic_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx,
                          size_t n);
/* packet.c: an ngtcp2_write_pkt. */
ngtcp2_ssize hs2ni_quic_packet_write(ngtcp2_conn *ng, ngtcp2_path *path,
                                     ngtcp2_pkt_info *pi, uint8_t *dest,
                                     size_t destlen, ngtcp2_tstamp ts,
                                     void *user_data);

/* stats.c */
void hs2ni_quic_conn_stats(const struct hs2ni_conn *conn,
                           struct hs2ni_conn_stats *out);
/* Looks at what ngtcp2 counts: whether the path still takes our packets, and
 * whether authentic ones have come in, which it returns. */
bool hs2ni_quic_look(struct hs2ni_quic_conn *c);
/* A batch was written. */
void hs2ni_quic_look_sent(struct hs2ni_quic_conn *c);

/* unacked.c */
void hs2ni_quic_unacked_init(struct hs2ni_quic_unacked *e);
void hs2ni_quic_unacked_sent(struct hs2ni_quic_conn *c, uint64_t in_flight);
/* Returns whether less is in flight than was. */
bool hs2ni_quic_unacked_look(struct hs2ni_quic_conn *c, uint64_t in_flight);
/* When c is dead unless something is acked before, and its end then.  Not
 * asked when packets come in, of which the next may have the ack. */
hs2n_time hs2ni_quic_unacked_deadline(const struct hs2ni_quic_conn *c);
void hs2ni_quic_unacked_tick(struct hs2ni_quic_conn *c);

/* window.c */
void hs2ni_quic_window_init(struct hs2ni_quic_conn *c);
/* The peer has earned len bytes of credit.  Returns how many its connection
 * gets: more when its window grows, less when it gives back. */
uint64_t hs2ni_quic_window_credit(struct hs2ni_quic_conn *c, uint64_t len);
/* The peer uses this stream.  stream_user_data is ours alone. */
void hs2ni_quic_window_stream(struct hs2ni_quic_conn *c, int64_t stream,
                              void *stream_user_data);
void hs2ni_quic_window_fini(struct hs2ni_quic_conn *c);

/* mtu.c */
void hs2ni_quic_mtu_look(struct hs2ni_quic_conn *c,
                         const ngtcp2_conn_info *info, bool acked);
void hs2ni_quic_mtu_sent(struct hs2ni_quic_conn *c);
void hs2ni_quic_mtu_acked(struct hs2ni_quic_conn *c, uint64_t len);
/* len, or less where the path swallows large packets. */
size_t hs2ni_quic_mtu_cap(const struct hs2ni_quic_conn *c, size_t len);

static inline struct hs2ni_quic *hs2ni_quic_of(const struct hs2ni_link *link) {
  return (struct hs2ni_quic *)(uintptr_t)link;
}
static inline struct hs2ni_quic_conn *
hs2ni_quic_conn_of(const struct hs2ni_conn *conn) {
  return (struct hs2ni_quic_conn *)(uintptr_t)conn;
}

#endif /* HS2NI_QUIC_ENDPOINT_H */
