/* msgs: the message layer of a node.
 *
 * It gives every message a life: queued in a lane, written to a stream,
 * judged by the receiver's application, acknowledged, completed.  It keeps
 * one channel per peer, which outlives connections: what is not acknowledged
 * when a connection ends is written again on the next one, and what the
 * receiver has already seen is dropped there by (incarnation, lane, seq).
 *
 * Numbers: seq counts per (incarnation of the sender, receiver, lane) from 1
 * and is given when a message is first written, so a message that ends while
 * it is queued leaves no hole.  Holes are allowed (a message may end between
 * two connections); numbers of a lane rise.
 *
 * Messages that may go in datagrams (HS2N_MSG_DATAGRAM_OK, to a peer that reads
 * them, and short enough) have numbers of their own in the lane, and no order:
 * see tx_loose.h.
 *
 * Order: a BUSY message, and everything behind it in its lane, is refused by
 * the receiver until it comes again, so FIFO survives (go back n).
 *
 * The layer makes no upcalls.  What happened is fetched by hs2ni_msgs_next,
 * highest lane first, when the node is ready to call the application. */
#ifndef HS2NI_MSG_MSGS_H
#define HS2NI_MSG_MSGS_H

#include "base/env.h"
#include "link/link.h"
#include "wire/hello.h"

#include <hs2net/msg.h>

/* What this layer can always read (HS2NI_CAP_*). */
#define HS2NI_MSGS_CAPABILITIES                                \
  (HS2NI_CAP_DATAGRAM | HS2NI_CAP_REQUEST | HS2NI_CAP_SIGNED | \
   HS2NI_CAP_HEARTBEAT | HS2NI_CAP_BODIES)

struct hs2ni_msgs;
struct hs2ni_chan;

/* types are copied; env is kept.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM. */
HS2N_MUST_CHECK int hs2ni_msgs_new(struct hs2ni_msgs **out,
                                   struct hs2ni_env *env,
                                   const struct hs2n_type *types,
                                   size_t types_n);
/* Whose messages these are, for types that are signed: must be called before
 * one is sent.  Both are kept. */
void hs2ni_msgs_sign(struct hs2ni_msgs *msgs,
                     const struct hs2n_identity *identity,
                     const char *chain_id);
/* Where heartbeats come from, if limits.heartbeat_ms asks for them: after
 * hs2ni_msgs_sign.  unix_ms is the wall clock now. */
void hs2ni_msgs_beat(struct hs2ni_msgs *msgs, uint64_t incarnation,
                     uint64_t unix_ms);
/* What this layer can read, for the hello: beside HS2NI_MSGS_CAPABILITIES the
 * codecs that its types are compressed by. */
uint64_t hs2ni_msgs_capabilities(const struct hs2ni_msgs *msgs);
/* Channels must have been freed.  Bufs that the application still holds stay
 * valid only as long as env and mem do. */
void hs2ni_msgs_free(struct hs2ni_msgs *msgs);

/* ---- channels ---------------------------------------------------------- */

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY, or HS2N_ERR_FULL when there are
 * limits.peers_max channels already. */
HS2N_MUST_CHECK int hs2ni_chan_new(struct hs2ni_chan **out,
                                   struct hs2ni_msgs *msgs,
                                   struct hs2n_peer peer);
/* Whose signatures the peer's messages must bear, where they are signed: must
 * be called before the channel is attached. */
void hs2ni_chan_key(struct hs2ni_chan *chan, const struct hs2n_key *key);
/* Ends what is queued or unacknowledged as PEER_GONE (or CANCELLED when the
 * node stops) and drops what was received. */
void hs2ni_chan_free(struct hs2ni_chan *chan, enum hs2n_outcome outcome);

/* A connection is ready: both hellos are accepted.  Opens streams, queues
 * again what is not acknowledged; a hello with another incarnation than
 * before voids the receiving state (sequence numbers start again), one with
 * the same keeps it.  The peer's message types (hello.types) bound what is
 * sent: a message the peer can't take completes as REFUSED(UNKNOWN_TYPE or
 * MSG_TOO_BIG). */
void hs2ni_chan_attach(struct hs2ni_chan *chan, struct hs2ni_conn *conn,
                       const struct hs2ni_hello *hello);
/* The connection is gone or about to be closed: none of its functions is
 * called any more. */
void hs2ni_chan_detach(struct hs2ni_chan *chan);

/* Upcalls of link.h for all streams but the hello's, while attached.  Those
 * that return a reason other than HS2N_REASON_NONE ask for the connection to
 * be closed with it (and the channel to be detached). */
enum hs2n_reason hs2ni_chan_data(struct hs2ni_chan *chan, uint64_t stream,
                                 struct hs2n_span bytes, bool fin);
enum hs2n_reason hs2ni_chan_datagram(struct hs2ni_chan *chan,
                                     struct hs2n_span bytes);
enum hs2n_reason hs2ni_chan_reset(struct hs2ni_chan *chan, uint64_t stream,
                                  uint64_t code);
enum hs2n_reason hs2ni_chan_stopped(struct hs2ni_chan *chan, uint64_t stream,
                                    uint64_t code);
void hs2ni_chan_acked(struct hs2ni_chan *chan, uint64_t stream,
                      uint64_t offset);
void hs2ni_chan_done(struct hs2ni_chan *chan, uint64_t stream);
void hs2ni_chan_credit(struct hs2ni_chan *chan);
bool hs2ni_chan_next(struct hs2ni_chan *chan, struct hs2ni_chunk *out);
void hs2ni_chan_sent(struct hs2ni_chan *chan, uint64_t stream, size_t len,
                     bool fin);
void hs2ni_chan_blocked(struct hs2ni_chan *chan, uint64_t stream);

/* Whether nothing is queued, unacknowledged or waits for an ack to leave. */
bool hs2ni_chan_idle(const struct hs2ni_chan *chan);

struct hs2ni_chan_stats {
  uint64_t incarnation; /* of the peer; 0: never met */
  uint64_t queued_bytes;
  uint32_t queued_msgs[HS2N_LANES];
  uint64_t rx_held_bytes;
  uint64_t judged_n; /* messages that got a final verdict */
  uint64_t rejected_n;
  uint64_t judge_cost_ns;
  uint32_t delay_n;             /* samples behind hs2ni_chan_delay */
  uint32_t requests_asked;      /* and not answered by the peer yet */
  uint32_t requests_unanswered; /* of the peer */
};
void hs2ni_chan_stats(const struct hs2ni_chan *chan,
                      struct hs2ni_chan_stats *out);

/* The peer's last heartbeat; false: there is none of this process. */
bool hs2ni_chan_heartbeat(const struct hs2ni_chan *chan,
                          struct hs2n_heartbeat *out);
/* How long permille of a thousand messages took lately, at most, from their
 * queueing, or the end of their hold, to the acknowledgement of the peer's
 * application; 0: none did. */
hs2n_time hs2ni_chan_delay(const struct hs2ni_chan *chan, uint32_t permille);
/* Adds to what judging its messages has cost, this one with that verdict. */
void hs2ni_chan_cost(struct hs2ni_chan *chan, enum hs2n_verdict verdict,
                     uint64_t ns);

/* ---- sending ----------------------------------------------------------- */

struct hs2ni_target {
  struct hs2ni_chan *chan;
  struct hs2n_peer peer;
  uint64_t weight;
  hs2n_time hold_ns; /* the message may be held back so long before it leaves */
};

/* Queues msg for each target, in that order, or for none of them.  Checks
 * type, flags, size, view, deadline and budgets.  Takes references of the
 * body on success.  Returns what hs2n_send does. */
HS2N_MUST_CHECK int hs2ni_msgs_send(struct hs2ni_msgs *msgs,
                                    const struct hs2ni_target *targets,
                                    size_t n, const struct hs2n_msg *msg,
                                    struct hs2n_tag *out_tag);
/* Asks the targets one after the other, in that order unless something speaks
 * against it.  Returns what hs2n_request does. */
HS2N_MUST_CHECK int hs2ni_msgs_request(struct hs2ni_msgs *msgs,
                                       const struct hs2ni_target *targets,
                                       size_t n, const struct hs2n_msg *msg,
                                       struct hs2n_tag *out_tag);
/* Answers a request that came as EVENT_REQUEST.  Returns what hs2n_respond
 * does. */
HS2N_MUST_CHECK int hs2ni_msgs_respond(struct hs2ni_chan *chan,
                                       struct hs2n_msg_id id, uint32_t status,
                                       struct hs2n_buf *body);
/* What speaks against asking the peer, besides how far away it is: questions
 * that it has not answered, and whether it has let one down lately. */
struct hs2ni_asked {
  uint32_t open_n;
  bool trusted;
};
struct hs2ni_asked hs2ni_chan_asked(const struct hs2ni_chan *chan);
HS2N_MUST_CHECK int hs2ni_msgs_cancel(struct hs2ni_msgs *msgs,
                                      struct hs2n_tag tag);
HS2N_MUST_CHECK int hs2ni_msgs_enter_view(struct hs2ni_msgs *msgs,
                                          uint64_t view);
/* Bytes of its body. */
size_t hs2ni_msg_len(const struct hs2n_msg *msg);
/* The lane of a declared type; HS2N_LANES: it is not declared. */
unsigned hs2ni_msgs_lane(const struct hs2ni_msgs *msgs, uint8_t type);

/* ---- receiving --------------------------------------------------------- */

enum hs2ni_event_kind {
  HS2NI_EVENT_MESSAGE,
  HS2NI_EVENT_DONE,
  HS2NI_EVENT_WRITABLE,
  HS2NI_EVENT_BREACH,   /* the peer's connection, if it has one, is to be closed
                           with reason */
  HS2NI_EVENT_REQUEST,  /* like MESSAGE */
  HS2NI_EVENT_RESPONSE, /* likewise */
};

struct hs2ni_event {
  enum hs2ni_event_kind kind;
  struct hs2n_peer peer;   /* all but DONE */
  struct hs2n_msg_id id;   /* MESSAGE */
  struct hs2n_msg msg;     /* MESSAGE; body is valid until the verdict, or, when
                              the channel is freed before, the next fetch */
  struct hs2n_tag tag;     /* DONE, RESPONSE */
  uint32_t status;         /* RESPONSE */
  struct hs2n_done done;   /* DONE; acked is valid until the next call */
  enum hs2n_reason reason; /* BREACH */
};

/* Fetches the next thing to tell the application; false when there is none.
 * After a MESSAGE hs2ni_msgs_verdict must be called before the next fetch,
 * with any verdict, unless its channel has been freed. */
bool hs2ni_msgs_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out);
/* Whether hs2ni_msgs_next would give something. */
bool hs2ni_msgs_pending(const struct hs2ni_msgs *msgs);
/* The verdict of a fetched message, or later (hs2n_judge) of one that was
 * LATER.  Returns HS2N_OK, HS2N_ERR_INVALID or HS2N_ERR_STATE. */
HS2N_MUST_CHECK int hs2ni_msgs_verdict(struct hs2ni_msgs *msgs,
                                       struct hs2ni_chan *chan,
                                       struct hs2n_msg_id id,
                                       enum hs2n_verdict verdict);

/* ---- time -------------------------------------------------------------- */

hs2n_time hs2ni_msgs_deadline(const struct hs2ni_msgs *msgs);
void hs2ni_msgs_tick(struct hs2ni_msgs *msgs);

/* Worst-case bytes of one channel (queues, reassembly, held bodies) and of
 * the layer itself, for hs2n_limits_memory. */
uint64_t hs2ni_chan_footprint(const struct hs2n_limits *limits,
                              const struct hs2n_type *types, size_t types_n);
uint64_t hs2ni_msgs_footprint(const struct hs2n_limits *limits,
                              const struct hs2n_type *types, size_t types_n);

#endif /* HS2NI_MSG_MSGS_H */
