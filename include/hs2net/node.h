/* node.h: one replica's network, without any I/O.
 *
 * A node never opens a socket, reads a clock or starts a thread.  Datagrams
 * (or bytes of TCP connections) and time come in as arguments, datagrams and a
 * deadline come out; io.h is the ready-made driver, and a simulator can be
 * another.
 *
 * One thread at a time owns a node; hs2n_post is the one call for others. */
#ifndef HS2N_NODE_H
#define HS2N_NODE_H

#include <hs2net/api.h>
#include <hs2net/consensus.h>
#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <hs2net/limits.h>
#include <hs2net/mem.h>
#include <hs2net/msg.h>
#include <hs2net/record.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hs2n_node;

/* ---- configuration ---------------------------------------------------- */

enum hs2n_log_level {
  HS2N_LOG_ERROR = 1, /* something is lost or can't go on */
  HS2N_LOG_WARN,      /* an operator should look */
  HS2N_LOG_INFO,      /* peers come and go */
  HS2N_LOG_DEBUG,
};

/* One line a call: event is a stable id such as "peer.up", text is
 * key=value pairs for people.  Both are borrowed. */
typedef void (*hs2n_log_fn)(void *user_data, enum hs2n_log_level level,
                            const char *event, const char *text);

enum hs2n_congestion {
  HS2N_CONGESTION_BBR = 0, /* the default: loss does not starve votes */
  HS2N_CONGESTION_CUBIC,
};

/* What carries the connections.  All members of a committee use the same: a
 * node dials by its own alone, and hears nobody who uses the other. */
enum hs2n_transport {
  HS2N_TRANSPORT_QUIC = 0, /* over UDP: the default */
  HS2N_TRANSPORT_TCP,      /* TCP and TLS 1.3, where UDP does not pass.  A lost
                              packet holds up all lanes of its connection, and
                              an address that changes ends it. */
};

#define HS2N_CHAIN_ID_MAX 64
#define HS2N_RESET_KEY_LEN 32

/* Pointers are borrowed for the call of hs2n_node_new unless marked "kept",
 * which must outlive the node.  Start from hs2n_config_default. */
struct hs2n_config {
  size_t struct_size;
  const struct hs2n_mem *mem;           /* kept */
  const struct hs2n_identity *identity; /* kept */
  const char *chain_id; /* 1..HS2N_CHAIN_ID_MAX of a-z 0-9 - . */
  /* Larger at each start of this identity, such as the wall clock in
   * nanoseconds: tells peers that acknowledgements and sequence numbers of
   * an earlier process are void. */
  uint64_t incarnation;
  const struct hs2n_type *types; /* copied */
  size_t types_n;
  const struct hs2n_limits *limits;       /* NULL: the defaults; copied */
  const struct hs2n_consensus *consensus; /* NULL: deaf; copied */
  hs2n_rand_fn rand;                      /* secrets; kept */
  void *rand_data;
  uint64_t seed; /* jitter; a simulation is a function of its seeds */
  /* Derives stateless-reset tokens (RFC 9000, 10.3) and Retry tokens: the
   * same bytes at each start of this identity let peers see at once that an
   * old connection is dead.  All zero: drawn from rand. */
  uint8_t reset_key[HS2N_RESET_KEY_LEN];
  struct hs2n_addr local; /* of the socket, for the path of datagrams; over
                             TCP it is only recorded */
  /* Wall clock at `now` of hs2n_node_new, seconds since 1970; only compared
   * with the dates of certificates. */
  int64_t unix_time_s;
  enum hs2n_congestion congestion; /* of QUIC; of TCP it is the system's */
  uint32_t udp_payload_max; /* bytes of a datagram sent, 1200..65507; 0: 1452.
                               Larger than the path's MTU never arrives.  Not
                               used over TCP. */
  hs2n_log_fn log;          /* may be NULL; kept */
  void *log_data;
  hs2n_record_fn record; /* the flight recorder, see record.h; NULL: none;
                            kept */
  void *record_data;
  /* What the path out of this machine takes, bits a second of IP packets, all
   * nodes behind it together; 0: not known.  The node then gives out no more
   * than that: a millisecond's worth at a time or, where a full datagram takes
   * longer, one datagram, so that a vote never waits behind more.  Set it some
   * per cent below the true rate, or queues form where no node sees them.
   * Over TCP it must be 0: the system decides when bytes leave. */
  uint64_t uplink_bits_per_s;
  enum hs2n_transport transport;
};

/**
 * Fills in what has a default: memory of the C library, BBR, default limits.
 *
 * Thread: any.
 *
 * \param out  written whole, struct_size included.
 */
HS2N_API void hs2n_config_default(struct hs2n_config *out);

/* A validator, as the consensus code knows it. */
struct hs2n_member {
  struct hs2n_key key;
  uint64_t weight;               /* voting power, >= 1 */
  const struct hs2n_addr *addrs; /* tried in turn; may be NULL with n 0: the
                                    member dials us */
  size_t addrs_n;
};

/* ---- life ------------------------------------------------------------- */

/**
 * Makes a node.  It has no members yet and talks to nobody.
 *
 * Thread: any; the caller becomes the owner.
 *
 * \param out_node   set on success; free with hs2n_node_free.
 * \param config     see struct hs2n_config.
 * \param now        the owner's monotonic clock.
 * \param out_field  receives the name of the bad field with
 *                   HS2N_ERR_INVALID, a static string; may be NULL.
 * \return HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_VERSION, HS2N_ERR_NO_MEMORY,
 *         HS2N_ERR_TOO_BIG (worst case above limits.memory_max_bytes),
 *         HS2N_ERR_RANDOM or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_node_new(struct hs2n_node **out_node,
                                           const struct hs2n_config *config,
                                           hs2n_time now,
                                           const char **out_field);

/**
 * Frees a node at once.  Open tags get no completion any more, peers notice
 * by their idle time; call hs2n_node_stop first to end in order.  Received
 * bodies that the application holds must have been given back before.
 *
 * Thread: owner.  Callback-safe: no.
 *
 * \param node  may be NULL.
 */
HS2N_API void hs2n_node_free(struct hs2n_node *node);

/**
 * Begins to end: no send is accepted any more, what is queued goes out for
 * at most limits.drain_ms, then connections close with SHUTDOWN and open
 * tags complete as CANCELLED.  Drive the node until hs2n_node_stopped.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 * \param now   the owner's clock.
 */
HS2N_API void hs2n_node_stop(struct hs2n_node *node, hs2n_time now);

/**
 * Whether hs2n_node_stop has run its course and all that was to be sent was
 * taken.  Over TCP the driver then still sends what it has of each pipe.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 */
HS2N_API bool hs2n_node_stopped(const struct hs2n_node *node);

/* ---- driving ---------------------------------------------------------- */

enum hs2n_ecn { /* RFC 3168 code points, as in the IP header */
                HS2N_ECN_NOT_ECT = 0,
                HS2N_ECN_ECT_1 = 1,
                HS2N_ECN_ECT_0 = 2,
                HS2N_ECN_CE = 3,
};

/* What an entry of hs2n_node_recv or hs2n_node_poll_tx is.
 *
 * Over TCP all but DATAGRAM are about a pipe: one TCP connection, named by a
 * number that is never used twice in the life of a node.  The node gives even
 * ones to those that it asks to be opened; the driver gives odd ones to those
 * that it has accepted.  Entries about one pipe keep their order.
 *
 * The driver opens, writes, reads and closes, and understands nothing of the
 * bytes.  It never has more than limits.tcp_unsent_bytes of a pipe that the
 * socket did not take yet; so the node, not a queue behind it, decides what
 * leaves next. */
enum hs2n_io_kind {
  HS2N_IO_DATAGRAM = 0, /* over QUIC: all of them */
  /* tx: connect a new pipe to remote.
   * rx: the pipe stands, one that was asked for or one that was accepted from
   * remote. */
  HS2N_IO_OPEN,
  /* tx: len bytes at data go out next on the pipe, at the earliest behind OPEN;
   * they need not wait for its answer, and are kept until it stands.
   * rx: len bytes at data have come in next. */
  HS2N_IO_BYTES,
  /* rx only: the socket has taken len more bytes of what tx has given; data is
   * NULL.  Late or joined together is fine, lost is not: the pipe would stop.
   */
  HS2N_IO_SENT,
  /* tx: send what was given, then close.  The node gives nothing more for the
   * pipe and wants to hear nothing more of it.
   * rx: the pipe has ended, at this end or the other, or could not be opened.
   * Nothing more comes of it, and the node gives nothing more for it. */
  HS2N_IO_CLOSE,
};

/* What came in.  Datagrams: with UDP_GRO several of one sender arrive in one
 * piece, and segment_len is then the length of each but the last. */
struct hs2n_rx {
  struct hs2n_addr local;
  struct hs2n_addr remote; /* of a datagram and of OPEN */
  uint8_t ecn;             /* enum hs2n_ecn, of a datagram */
  uint8_t kind;            /* enum hs2n_io_kind */
  const uint8_t *data;     /* of a datagram and of BYTES */
  size_t len;              /* of a datagram, of BYTES and of SENT */
  size_t segment_len;      /* 0: one datagram */
  uint64_t pipe;           /* 0 for a datagram */
};

/* What is to be sent or done.  Datagrams: one, or several of segment_len bytes
 * (the last may be shorter) to one address, fit for UDP_SEGMENT. */
struct hs2n_tx {
  struct hs2n_addr local;  /* of a datagram */
  struct hs2n_addr remote; /* of a datagram and of OPEN */
  uint8_t ecn;             /* of a datagram */
  uint8_t kind;            /* written: enum hs2n_io_kind */
  uint8_t *data;           /* the caller's memory, capacity bytes */
  size_t capacity;    /* >= 65507 to allow full batches, never below 1500 */
  size_t len;         /* written by hs2n_node_poll_tx; 0 but for a datagram and
                         BYTES */
  size_t segment_len; /* written; equals len for a single datagram */
  uint64_t pipe;      /* written; 0 for a datagram */
};

/**
 * Takes what came in and makes the upcalls that it causes.  Of the other
 * transport, of a pipe that the node does not know or no longer, and of one
 * that it has closed, entries are ignored.
 *
 * Thread: owner.  Callback-safe: no.
 *
 * \param node  not NULL.
 * \param rx    n entries, in the order in which they happened; data is borrowed
 *              for the call.
 * \param n     how many.
 * \param now   the owner's clock, read once for the batch.
 */
HS2N_API void hs2n_node_recv(struct hs2n_node *node, const struct hs2n_rx *rx,
                             size_t n, hs2n_time now);

/**
 * Runs the timers that are due and makes the upcalls they cause.
 *
 * Thread: owner.  Callback-safe: no.
 *
 * \param node  not NULL.
 * \param now   the owner's clock.
 */
HS2N_API void hs2n_node_tick(struct hs2n_node *node, hs2n_time now);

/**
 * When hs2n_node_tick must be called next; may lie in the past, and is
 * HS2N_TIME_NEVER when nothing waits.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 */
HS2N_API hs2n_time hs2n_node_deadline(const struct hs2n_node *node);

/**
 * Writes what is to be sent, highest lane first: over QUIC datagrams, over TCP
 * pipes to open, bytes for them and pipes to close, which the driver does in
 * this order.  Call it after each recv, tick or call from above until it
 * returns 0.  With uplink_bits_per_s it also returns 0 while the uplink is
 * busy, and hs2n_node_deadline says how long; over TCP, while the driver has
 * limits.tcp_unsent_bytes of every pipe, until it tells of HS2N_IO_SENT.
 *
 * Thread: owner.  Callback-safe: no.
 *
 * \param node  not NULL.
 * \param tx    n entries with data and capacity set by the caller.
 * \param n     how many, >= 1.
 * \param now   the owner's clock.
 * \return how many entries were written, 0..n.
 */
HS2N_API size_t hs2n_node_poll_tx(struct hs2n_node *node, struct hs2n_tx *tx,
                                  size_t n, hs2n_time now);

/**
 * Has a function called by the owner thread, in its next recv or tick.
 * The one call for other threads.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param node  not NULL, alive.
 * \param fn    runs on the owner thread and may call any function of the
 *              node except hs2n_node_free.
 * \param arg   passed to fn.
 * \return HS2N_OK, HS2N_ERR_FULL (limits.posts_max wait) or HS2N_ERR_CLOSED.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_post(struct hs2n_node *node, void (*fn)(struct hs2n_node *node, void *arg),
          void *arg);

/**
 * Has a function called after each hs2n_post, on the posting thread, so that
 * a driver can wake its loop.
 *
 * Thread: owner, before any post.
 *
 * \param node  not NULL.
 * \param wake  may be NULL.
 * \param arg   passed to wake.
 */
HS2N_API void hs2n_node_on_post(struct hs2n_node *node, void (*wake)(void *arg),
                                void *arg);

/* ---- down: what consensus code calls; none blocks, none calls up ------- */

/**
 * Names the members of an epoch.  This node itself may be among them.
 * Several epochs may be live; a connection is shared by all of them.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node        not NULL.
 * \param epoch       new, or one already live with the very same keys.
 * \param members     copied.
 * \param n           1..limits.peers_max.
 * \param drop_below  epochs below this number end; peers that no live epoch
 *                    names any more become GONE.
 * \return HS2N_OK, HS2N_ERR_INVALID (two members with one key, weight 0 or
 *         a sum above 2^63, drop_below > epoch), HS2N_ERR_FULL (peers_max or
 *         epochs_max), HS2N_ERR_NO_MEMORY or HS2N_ERR_CLOSED.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_set_members(struct hs2n_node *node,
                                              uint64_t epoch,
                                              const struct hs2n_member *members,
                                              size_t n, uint64_t drop_below);

/**
 * The handle of a member of any live epoch.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node      not NULL.
 * \param id        see hs2n_key_peer_id.
 * \param out_peer  set on success.
 * \return HS2N_OK or HS2N_ERR_NO_PEER (also for this node's own id).
 */
HS2N_API HS2N_MUST_CHECK int hs2n_peer_find(const struct hs2n_node *node,
                                            const struct hs2n_peer_id *id,
                                            struct hs2n_peer *out_peer);

/**
 * Sends a message to one, some or all, and takes one reference of the body
 * on success.  What is accepted is delivered at least once to the transport
 * and at most once to each receiver's application, across reconnects, until
 * it is acknowledged, expires, is cancelled or its view ends.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node     not NULL.
 * \param dst      see struct hs2n_dst.
 * \param msg      copied but for the body.
 * \param out_tag  not NULL: asks for one on_done, and receives its tag.
 *                 HS2N_MSG_ACK or HS2N_MSG_QUORUM must be set with it.
 * \return HS2N_OK or
 *         HS2N_ERR_INVALID   undeclared type, unknown flag, empty dst
 *         HS2N_ERR_TOO_BIG   body above the type's size_max
 *         HS2N_ERR_NO_PEER   a handle or epoch is not live
 *         HS2N_ERR_STALE     VIEW_BOUND and view below the current one, or
 *                            deadline not in the future
 *         HS2N_ERR_FULL      one of the receivers' budgets is used up;
 *                            nothing was queued for any of them, and
 *                            on_peer(WRITABLE) follows for that one
 *         HS2N_ERR_NO_MEMORY, HS2N_ERR_CLOSED
 */
HS2N_API HS2N_MUST_CHECK int hs2n_send(struct hs2n_node *node,
                                       const struct hs2n_dst *dst,
                                       const struct hs2n_msg *msg,
                                       struct hs2n_tag *out_tag);

/**
 * Asks peers until one of them gives a response that on_response ACCEPTs.
 *
 * One is asked first, the next when it refuses, leaves, gives another answer
 * or lets its time pass: limits.request_try_ms, or about four times what it
 * took before.  Nobody is asked twice but for a peer that lost the question in
 * a restart, and a late answer is as good as one in time.  Of the peers that
 * are connected the one goes first from which the answer is expected soonest,
 * by round-trip time and by how much it has to answer already; peers that let
 * questions down lately go last, equal ones by the order in any_of.
 *
 * The request survives reconnects, like any message.  It holds a reference of
 * its body until it ends.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node     not NULL.
 * \param any_of   whom to ask.
 * \param msg      of a type with HS2N_ROLE_REQUEST; of the flags only
 *                 HS2N_MSG_VIEW_BOUND and HS2N_MSG_SECRET; deadline bounds all
 *                 tries together and must be set.
 * \param out_tag  not NULL: receives the tag for hs2n_cancel, on_response and
 *                 on_done, whose outcome is ACKED, EXPIRED, CANCELLED, REFUSED
 *                 or PEER_GONE.
 * \return HS2N_OK, or what hs2n_send returns; HS2N_ERR_FULL when none of the
 *         peers can be asked now, or limits.requests_max or
 *         limits.requests_bytes_max is used up.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_request(struct hs2n_node *node,
                                          const struct hs2n_dst *any_of,
                                          const struct hs2n_msg *msg,
                                          struct hs2n_tag *out_tag);

/**
 * Answers a request, once.  The response is a message of the type that the
 * request's type names: it takes the peer's budget and survives reconnects,
 * but not a restart of the asker, who has forgotten the question.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node    not NULL.
 * \param req     as given to on_request.
 * \param status  the application's; 0 for success by convention.
 * \param body    takes a reference; NULL: empty.
 * \return HS2N_OK or
 *         HS2N_ERR_STATE    not open: answered, refused, or forgotten because
 *                           the asker restarted or has given up
 *         HS2N_ERR_STALE    the request was VIEW_BOUND and its view has
 *                           passed, or its asker has given up; it is not open
 *                           any more
 *         HS2N_ERR_TOO_BIG  body above size_max of the response's type
 *         HS2N_ERR_FULL     no room now; on_peer(WRITABLE) follows, and the
 *                           request stays open
 *         HS2N_ERR_NO_PEER, HS2N_ERR_NO_MEMORY, HS2N_ERR_CRYPTO or
 *         HS2N_ERR_CLOSED
 */
HS2N_API HS2N_MUST_CHECK int hs2n_respond(struct hs2n_node *node,
                                          struct hs2n_req req, uint32_t status,
                                          struct hs2n_buf *body);

/**
 * Ends a tagged send or a request early: what is still queued is dropped, and
 * its on_done says CANCELLED.  An answer that comes later is dropped.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 * \param tag   of an open send or request.
 * \return HS2N_OK, or HS2N_ERR_STATE when it has already ended.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_cancel(struct hs2n_node *node,
                                         struct hs2n_tag tag);

/**
 * Enters a view: VIEW_BOUND messages of older views end, wherever they wait.
 *
 * It also makes ready for the next leaders, of whom the first eight are
 * remembered until the next call.  They are served first, and probed when
 * nothing was heard of them for 200 ms, so that a dead path is found out
 * before their view.  And what a large committee sends to one of them is
 * spread: a message to HS2N_DST_PEER, a leader, in lane CONTROL or VOTE is held
 * back for a part of the time that the leader's downlink would need for those
 * of all members anyway.
 *
 *   - That time is what limits.spread_bytes_per_s makes of members times size,
 *     less spread_burst_bytes; at most spread_us_max, and at most an eighth of
 *     the round-trip time for VOTE, a half for CONTROL.
 *   - Each member has a part of its own, by the order of peer ids and turned
 *     by the view, so that nobody is always last.
 *   - Committees below spread_members_min, messages with a deadline that leaves
 *     less than two round trips, and what goes to HS2N_DST_SOME or
 *     HS2N_DST_EPOCH are not held back.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node          not NULL.
 * \param view          not below the current one.
 * \param next_leaders  peers that lead this and the next views, in order;
 *                      may be NULL with n 0.
 * \param n             how many.
 * \return HS2N_OK, HS2N_ERR_STALE or HS2N_ERR_NO_PEER.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_enter_view(struct hs2n_node *node, uint64_t view,
                const struct hs2n_peer *next_leaders, size_t n);

/**
 * Gives the verdict of a message, request or response for which its method
 * said HS2N_LATER.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node     not NULL.
 * \param from     as given to the method.
 * \param id       as given to the method.
 * \param verdict  any but HS2N_LATER, HS2N_BUSY and HS2N_HOLD.
 * \param cost_ns  CPU time that the judgement took, nanoseconds; 0: unknown.
 * \return HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_NO_PEER, or HS2N_ERR_STATE
 *         when no such message waits.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_judge(struct hs2n_node *node, struct hs2n_peer from, struct hs2n_msg_id id,
           enum hs2n_verdict verdict, uint64_t cost_ns);

/* ---- looking ---------------------------------------------------------- */

/* What a node counts.  X(field, text); append only.  All are totals since
 * hs2n_node_new; names follow the metric names of docs/reference.md. */
#define HS2N_STATS_LIST(X)                                                     \
  X(udp_datagrams_received, "datagrams taken in")                              \
  X(udp_datagrams_sent, "datagrams given out")                                 \
  X(udp_bytes_received, "bytes of datagrams taken in")                         \
  X(udp_bytes_sent, "bytes of datagrams given out")                            \
  X(packets_dropped_unknown, "no connection, and nothing to answer")           \
  X(packets_dropped_malformed, "not even a QUIC header")                       \
  X(stateless_limited, "answers not given, above stateless_per_s")             \
  X(version_negotiations_sent, "Version Negotiation packets")                  \
  X(retries_sent, "Retry packets")                                             \
  X(resets_sent, "stateless resets sent")                                      \
  X(inbound_limited, "new connections refused by a rate or count limit")       \
  X(dials, "connection attempts begun")                                        \
  X(connections_opened, "handshakes completed, both directions")               \
  X(connections_closed, "connections ended after their handshake")             \
  X(handshakes_failed, "handshakes that ended in failure")                     \
  X(refused_wrong_key, "peer showed a key other than expected")                \
  X(refused_not_member, "key in no live committee")                            \
  X(refused_certificate, "no, expired, chained or otherwise bad certificate")  \
  X(refused_alpn, "no common ALPN")                                            \
  X(refused_chain, "other chain")                                              \
  X(duplicate_connections, "connections closed by the tie-break")              \
  X(messages_sent, "sends accepted, once per receiver")                        \
  X(messages_received, "messages handed to on_message")                        \
  X(message_bytes_sent, "bytes of bodies accepted, once per receiver")         \
  X(message_bytes_received, "bytes of bodies handed to on_message")            \
  X(messages_resent, "messages written again on a new connection")             \
  X(messages_duplicate, "duplicates dropped before on_message")                \
  X(messages_refused, "messages of peers refused here")                        \
  X(acks_received, "messages acknowledged by a receiver's application")        \
  X(completions, "on_done upcalls")                                            \
  X(tx_full, "sends refused with HS2N_ERR_FULL")                               \
  X(rx_withheld, "times credit was held back from a peer")                     \
  X(protocol_errors, "connections closed for a breach of the protocol")        \
  X(clock_backwards, "calls with a `now` before an earlier one, clamped")      \
  X(allocation_failures, "times memory ran out")                               \
  X(messages_superseded, "messages ended by a newer one of their key")         \
  X(messages_stale, "messages of ended views dropped before on_message")       \
  X(messages_evicted, "messages of later views dropped for want of room")      \
  X(bodies_compressed, "bodies compressed, once per send")                     \
  X(bodies_incompressible, "bodies of such types that did not save a tenth")   \
  X(bodies_malformed, "bodies of peers that did not inflate as declared")      \
  X(messages_datagram, "messages sent in datagrams")                           \
  X(messages_copied, "of these, written on a stream too: no ack in time")      \
  X(messages_signed, "messages signed, once per send")                         \
  X(refused_signature, "messages of peers without a good signature")           \
  X(requests, "requests accepted")                                             \
  X(requests_asked, "peers asked, over all requests")                          \
  X(requests_late, "times a peer did not answer a request in its time")        \
  X(requests_unserved, "requests of peers refused above rx_requests_max")      \
  X(responses_dropped, "responses that nobody waited for any more")            \
  X(messages_known, "messages dropped that were known by their content")       \
  X(heartbeats_sent, "heartbeats sent, once per receiver")                     \
  X(heartbeats_received, "heartbeats of peers that were verified and kept")    \
  X(heartbeats_refused, "heartbeats of peers badly signed or going back")      \
  X(peers_silent, "connections closed for want of a heartbeat in time")        \
  X(messages_spread, "messages for a leader held back for a moment")           \
  X(batches_compressed, "batches of short messages compressed")                \
  X(batches_incompressible, "runs of such messages that did not save a tenth") \
  X(send_held, "calls of hs2n_node_poll_tx in vain, for the uplink was busy")  \
  X(rx_windows_widened, "times a peer's receive window was made wider")        \
  X(requests_overdue, "requests of peers whose asker gave up before they "     \
                      "were answered")                                         \
  X(rx_waste_waits, "times what a peer sends had to wait, see "                \
                    "limits.rx_waste_us_per_s")                                \
  X(tcp_bytes_received, "bytes of TCP connections taken in")                   \
  X(tcp_bytes_sent, "bytes of TCP connections given out")

struct hs2n_stats {
  size_t struct_size;
#define X(field, text) uint64_t field;
  HS2N_STATS_LIST(X)
#undef X
};

/**
 * Copies the counters.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 * \param out   struct_size set by the caller; that many bytes are written.
 */
HS2N_API void hs2n_node_stats(const struct hs2n_node *node,
                              struct hs2n_stats *out);

struct hs2n_peer_info {
  size_t struct_size;
  struct hs2n_peer_id id;
  struct hs2n_key key;
  uint64_t weight;              /* in the newest epoch that names it */
  enum hs2n_peer_state state;   /* UP or DOWN */
  enum hs2n_reason down_reason; /* of the last end or failed dial */
  struct hs2n_addr remote;      /* of the connection, or last tried */
  uint64_t incarnation;         /* of the peer's process; 0: never met */
  hs2n_time last_heard;         /* 0: never */
  hs2n_time rtt_smoothed;       /* ns, RFC 9002; 0: unknown */
  hs2n_time rtt_min;
  uint64_t cwnd_bytes;
  uint64_t in_flight_bytes;
  uint64_t packets_sent;
  uint64_t packets_lost;
  uint64_t queued_bytes; /* bodies queued or not yet acknowledged */
  uint32_t queued_msgs[HS2N_LANES];
  uint32_t dial_attempts; /* since the last time UP */
  uint64_t rx_held_bytes;
  uint64_t judged_msgs;   /* that got a final verdict */
  uint64_t rejected_msgs; /* of these, HS2N_REJECT */
  uint64_t judge_cost_ns; /* sum of cost_ns of hs2n_judge */
  /* Time from hs2n_send (outside of upcalls, and of what was held back for a
   * leader: from the first byte that left) to the acknowledgement of the peer's
   * application, of the last delay_samples messages of lanes CONTROL to
   * PROPOSAL: of half of them, of 90 and of 99 in a hundred.  Time without a
   * connection does not count. */
  uint32_t delay_samples; /* 0..64; 0: the times below are 0 */
  hs2n_time delay_p50;
  hs2n_time delay_p90;
  hs2n_time delay_p99;
  uint32_t requests_asked;      /* and not answered by the peer yet */
  uint32_t requests_unanswered; /* of the peer, by this node's application */
};

/**
 * Copies what is known of a peer.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 * \param peer  a live handle.
 * \param out   struct_size set by the caller.
 * \return HS2N_OK or HS2N_ERR_NO_PEER.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_peer_info(const struct hs2n_node *node,
                                            struct hs2n_peer peer,
                                            struct hs2n_peer_info *out);

/**
 * How long a message to all members of an epoch takes to be acknowledged by
 * weight of them, as the network and the members are now: for the time-outs of
 * a pacemaker.  From hs2n_send to the last acknowledgement needed, by this
 * node's clock alone.
 *
 * It is made of what each connected member needed for its last messages (see
 * delay_samples), and where it got none yet of its round-trip time.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node      not NULL.
 * \param epoch     live.
 * \param weight    1 to the sum of the other members' weights; this node's own
 *                  does not count.
 * \param permille  of a thousand messages, how many shall be in time: 500 for
 *                  the usual case, 990 for a time-out; 1..1000.
 * \param out_ns    set on success, >= 1.
 * \return HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_NO_PEER (the epoch is not live)
 *         or HS2N_ERR_STATE (members with so much weight are not connected, or
 *         nothing is known of them).
 */
HS2N_API HS2N_MUST_CHECK int hs2n_quorum_delay(const struct hs2n_node *node,
                                               uint64_t epoch, uint64_t weight,
                                               uint32_t permille,
                                               hs2n_time *out_ns);

/* A peer's word that at this time it ran and was in this view, signed by it:
 * good for any third party, see hs2n_heartbeat_verify. */
struct hs2n_heartbeat {
  size_t struct_size;
  struct hs2n_key signer;
  uint64_t incarnation; /* of the signer's process */
  uint64_t view;        /* of its last hs2n_enter_view; 0: none yet */
  uint64_t unix_ms;     /* its wall clock, milliseconds since 1970 */
  uint8_t signature[HS2N_SIGNATURE_LEN]; /* Ed25519 */
  hs2n_time heard; /* when it came, by the receiver's clock; not signed */
};

/**
 * The newest heartbeat of a peer that was verified, of its process that is or
 * was connected last.  A peer sends them if its limits.heartbeat_ms is not 0.
 *
 * One that has sent a heartbeat must send on: without another for two and a
 * half of its intervals the connection is closed and on_peer says DOWN with
 * HS2N_REASON_SILENT.  A heartbeat that is badly signed, or whose view or time
 * goes back, closes it too (HS2N_REASON_PROTOCOL).  Those that come faster
 * than every half interval are signs of life, but neither verified nor kept.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param node  not NULL.
 * \param peer  a live handle.
 * \param out   struct_size set by the caller.
 * \return HS2N_OK, HS2N_ERR_NO_PEER or HS2N_ERR_STATE (none came yet).
 */
HS2N_API HS2N_MUST_CHECK int hs2n_peer_heartbeat(const struct hs2n_node *node,
                                                 struct hs2n_peer peer,
                                                 struct hs2n_heartbeat *out);

/**
 * Whether the signer has signed what the heartbeat says.  That its clock was
 * right is not proven.
 *
 * Thread: any.
 *
 * \param heartbeat  not NULL; borrowed for the call; heard is not looked at.
 * \param chain_id   1..HS2N_CHAIN_ID_MAX characters.
 * \return HS2N_OK, HS2N_ERR_BAD_SIGNATURE (also for a bad key),
 *         HS2N_ERR_INVALID (what no node would sign), HS2N_ERR_VERSION,
 *         HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_heartbeat_verify(const struct hs2n_heartbeat *heartbeat,
                      const char *chain_id);

/**
 * Version of the library, "0.1.0".
 *
 * Thread: any.  Callback-safe: yes.
 */
HS2N_API const char *hs2n_version(void);

/**
 * Versions and licences of what is linked, one a line, for --version.
 *
 * Thread: any.  Callback-safe: yes.
 */
HS2N_API const char *hs2n_version_long(void);

/* ---- addresses as text ------------------------------------------------ */

/**
 * Reads "192.0.2.1:7000" or "[2001:db8::1%2]:7000".  Names are not resolved.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param text      zero-terminated.
 * \param out_addr  set on success.
 * \return HS2N_OK or HS2N_ERR_MALFORMED.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_addr_parse(const char *text,
                                             struct hs2n_addr *out_addr);

/**
 * Writes an address the way hs2n_addr_parse reads it.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param addr  not NULL.
 * \param out   HS2N_ADDR_TEXT_MAX bytes.
 * \return out.
 */
HS2N_API const char *hs2n_addr_text(const struct hs2n_addr *addr,
                                    char out[HS2N_ADDR_TEXT_MAX]);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_NODE_H */
