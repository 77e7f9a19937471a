/* tx: the sending half of a channel, inside the message layer.
 *
 * Four objects, because their lives differ:
 *
 *   tx_msg    a message for one peer, until it is acknowledged or ends
 *   frame     its bytes on the lane's stream, until the transport holds them
 *   tx_body   its body's own stream, when the body is large
 *   tx_batch  what a frame of several short messages carries
 *
 * What a lane has not begun to send may be held back for a moment: see
 * tx_hold.h.
 *
 * A message may end while its frame is still with the transport (the bytes
 * must stay), and may need a second frame (after a BUSY verdict, or on the
 * next connection). */
#ifndef HS2NI_MSG_TX_H
#define HS2NI_MSG_TX_H

#include "base/list.h"
#include "base/timer.h"
#include "link/link.h"
#include "msg/tx_busy.h"
#include "msg/tx_hold.h"
#include "msg/tx_loose.h"
#include "wire/record.h"

#include <hs2net/identity.h>
#include <hs2net/msg.h>

struct hs2ni_chan;
struct hs2ni_msgs;
struct hs2ni_request;
struct hs2ni_send;

/* Unfinished body streams of a connection, in each direction, and of one lane,
 * which leaves two to each of the others.  With the other streams of a side
 * they stay below the 64 that a connection may have.  They are part of the
 * protocol, because nodes with other limits must agree on them. */
#define HS2NI_BODIES_MAX 48u
#define HS2NI_LANE_BODIES_OWN 2u
#define HS2NI_LANE_BODIES_MAX \
  (HS2NI_BODIES_MAX - (HS2N_LANES - 1u) * HS2NI_LANE_BODIES_OWN)
/* Of a lane to a peer without HS2NI_CAP_BODIES, which also bounds the sum of
 * their lengths by its hello. */
#define HS2NI_LANE_BODIES_FEW 8u

/* Batches of a channel that the link has not acked, bytes: beyond, short
 * messages go as they are. */
#define HS2NI_TX_BATCHES_BYTES (1u << 20)

/* Of a record without its signature, and what that takes. */
#define HS2NI_FRAME_HEADER_MAX 52u
#define HS2NI_FRAME_SIGNATURE (2u + HS2N_SIGNATURE_LEN)

/* What is not plain in a send, made once for all of its receivers. */
struct hs2ni_form {
  struct hs2ni_pool *pool;
  uint32_t refs;
  enum hs2n_compression codec;
  struct hs2n_buf *packed; /* the body, by codec; NULL: it is not worth it */
  bool is_signed;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

struct hs2ni_tx_msg {
  struct hs2ni_list_node node;     /* in tx_lane.msgs, or a list of its loose */
  struct hs2ni_list_node key_node; /* in tx_lane.keyed, if supersede */
  struct hs2ni_list_node batch_node; /* in members, if frame has a batch */
  struct hs2ni_tx_lane *lane;
  struct hs2ni_send *send;       /* NULL: nobody waits for its end */
  struct hs2ni_request *request; /* whose question it is, or NULL */
  uint32_t target;               /* its index in send or request */
  uint32_t body_len;
  struct hs2n_buf *body;   /* NULL: empty */
  struct hs2ni_form *form; /* NULL: plain */
  uint64_t seq;            /* 0: not given yet */
  uint64_t order;          /* among all messages of the node */
  uint64_t view;
  uint64_t key;
  hs2n_time deadline; /* 0: none */
  uint64_t number;    /* of the request that this is, or answers */
  uint32_t status;    /* of a response */
  struct hs2ni_frame *frame;
  uint32_t timed_us; /* when it was queued or began to leave, wrapped */
  uint8_t type;
  uint8_t role; /* enum hs2n_type_role */
  bool timed;   /* the acknowledgement tells the peer's delay */
  bool view_bound;
  bool supersede;
  bool datagram_ok;
  bool packable; /* may be in a batch */
  bool begun;    /* bytes of it are on this connection */
  bool resend;   /* bytes of it were on an earlier one */
  bool out;      /* counts in tx_lane.busy */
  struct hs2ni_tx_loose_msg loose;
};

struct hs2ni_frame {
  struct hs2ni_list_node node; /* in tx_lane.frames, by place */
  struct hs2ni_tx_lane *lane;
  struct hs2ni_tx_msg *msg;     /* NULL: it has ended, or has another frame, or
                                   there are several */
  struct hs2ni_tx_batch *batch; /* NULL: it is of one message */
  struct hs2n_buf *body;        /* own reference; NULL: empty */
  struct hs2ni_tx_body *large;
  uint32_t body_len; /* bytes behind the header; 0 when large */
  uint32_t charge;   /* budget to give back when this goes, see charged */
  uint64_t order;    /* of its message, the first of several */
  uint64_t sent;     /* bytes that the link took */
  uint64_t end;      /* offset in the stream behind it, once all are sent */
  bool charged;
  bool in_lane; /* still in tx_lane.frames */
  uint8_t header_len;
  uint8_t header_room; /* bytes that header has */
  uint8_t header[];
};

struct hs2ni_tx_batch {
  struct hs2ni_list members; /* that have not ended, and have no other frame */
  uint64_t last_seq;
  uint32_t len;
  uint8_t bytes[];
};

struct hs2ni_tx_body {
  struct hs2ni_list_node node; /* in tx_lane.bodies */
  struct hs2ni_frame *frame;
  uint64_t seq;
  uint64_t stream;
  uint32_t len;
  uint8_t head_len;
  uint8_t head[HS2NI_HEAD_MAX];
  uint64_t sent; /* head and body bytes that the link took */
  bool head_acked;
  bool blocked;
  bool fin_sent;
  bool reset;     /* was reset, by us */
  bool done;      /* the transport needs it no more */
  uint32_t ended; /* reason to reset it with once the head is acked, or 0 */
};

struct hs2ni_tx_lane {
  struct hs2ni_chan *chan;
  uint8_t lane;
  struct hs2ni_list msgs;    /* all that have an order, in order */
  struct hs2ni_list keyed;   /* those with a key, newest first */
  struct hs2ni_tx_msg *next; /* first to be written (again); NULL: none */
  uint64_t next_seq;         /* of a message that has none yet */
  uint32_t charged_msgs;     /* messages and frames that count */
  uint32_t view_bound_n;
  uint32_t dated_n; /* messages with a deadline */
  struct hs2ni_tx_loose loose;

  /* of this connection */
  struct hs2ni_tx_hold hold;
  struct hs2ni_tx_busy busy;
  struct hs2ni_list frames;
  struct hs2ni_frame *unsent; /* first that is not wholly sent */
  struct hs2ni_list bodies;
  struct hs2ni_tx_body *writing; /* its bytes come before later frames */
  uint64_t bodies_bytes;
  uint64_t stream;
  uint64_t spare; /* an opened body stream that was not used */
  bool has_stream;
  bool has_spare;
  bool blocked;
  uint8_t head_len;
  uint8_t head[HS2NI_HEAD_MAX];
  uint64_t offset;     /* bytes of the stream that the link took */
  uint64_t sent_high;  /* highest seq begun */
  uint64_t resume_seq; /* after BUSY the peer waits for this number */
  uint64_t unpackable; /* order of the last that a batch was tried of in vain */
  struct hs2ni_timer pause;
};

struct hs2ni_target;

/* Whether fresh messages of the lane are held back, or were until now: the
 * first question of every message, and mostly the last (see tx_hold.h). */
static inline bool hs2ni_tx_holds(const struct hs2ni_tx_lane *lane) {
  return lane->hold.wait_ns != 0;
}

/* Whether the lane has nothing more to offer for now, because its peer said
 * BUSY (see tx_busy.h). */
static inline bool hs2ni_tx_is_busy(const struct hs2ni_tx_lane *lane) {
  return lane->busy.wary && hs2ni_tx_busy_room(lane) == 0;
}

/* ---- form.c ---------------------------------------------------------------
 */

/* The form of a message, with one reference for the caller; NULL: plain.  A
 * body that can't be compressed for want of memory goes as it is.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_form_new(struct hs2ni_form **out,
                                   struct hs2ni_msgs *msgs,
                                   const struct hs2ni_target *targets, size_t n,
                                   const struct hs2n_msg *msg);
/* What a peer must be able to read, HS2NI_CAP_*. */
uint64_t hs2ni_form_capability(enum hs2n_compression codec);
/* form may be NULL in both. */
struct hs2ni_form *hs2ni_form_ref(struct hs2ni_form *form);
void hs2ni_form_unref(struct hs2ni_form *form);
/* What a channel's peer gets of a message: the body as it goes over the wire
 * (NULL: empty), and whether it is compressed.  The same for as long as a
 * connection lasts. */
struct hs2n_buf *hs2ni_form_body(const struct hs2ni_tx_msg *m,
                                 bool *out_packed);

/* ---- tx_msg.c: messages and their budgets ------------------------------- */

/* Whether msg fits for the channel and lane, given that it takes the place of
 * what it supersedes; drops what has expired before it says no. */
bool hs2ni_tx_room(struct hs2ni_chan *chan, uint8_t lane,
                   const struct hs2n_msg *msg);
/* The same as things are, and without a promise of WRITABLE. */
bool hs2ni_tx_has_room(const struct hs2ni_chan *chan, uint8_t lane,
                       const struct hs2n_msg *msg);
/* A message that is in no lane yet.  NULL: out of memory. */
struct hs2ni_tx_msg *hs2ni_tx_new(struct hs2ni_chan *chan,
                                  const struct hs2n_msg *msg, uint8_t lane,
                                  struct hs2ni_form *form);
void hs2ni_tx_discard(struct hs2ni_tx_msg *m);
/* Puts m at the end of its lane and ends what m supersedes.  hold_ns: how long
 * it may be held back, see tx_hold.h. */
void hs2ni_tx_queue(struct hs2ni_tx_msg *m, hs2n_time hold_ns);
/* Puts a message without number behind those that have an order. */
void hs2ni_tx_append(struct hs2ni_tx_msg *m);
/* Takes m out of its lane, out of what is not yet sent, and frees it.  Its
 * send is not told.  code tells the peer why a body stream is abandoned. */
void hs2ni_tx_drop(struct hs2ni_tx_msg *m, enum hs2n_reason code);
/* Ends m for its one target, and tells its send. */
void hs2ni_tx_acked(struct hs2ni_tx_msg *m);
void hs2ni_tx_failed(struct hs2ni_tx_msg *m, enum hs2n_outcome outcome,
                     enum hs2n_reason reason);
/* A frame that carried a charge has gone. */
void hs2ni_tx_uncharge(struct hs2ni_tx_lane *lane, uint32_t bytes);
/* Begins to measure how long the peer takes, if that has not begun on this
 * connection. */
void hs2ni_tx_time(struct hs2ni_tx_msg *m);
bool hs2ni_tx_expired(const struct hs2ni_tx_msg *m);

/* ---- tx_lane.c: the lane's stream --------------------------------------- */

void hs2ni_tx_lane_init(struct hs2ni_tx_lane *lane, struct hs2ni_chan *chan,
                        uint8_t index);
/* That of what hs2ni_tx_lane_next would give, or lower; HS2NI_RANK_NONE when
 * that would say false. */
uint64_t hs2ni_tx_lane_rank(const struct hs2ni_tx_lane *lane);
bool hs2ni_tx_lane_next(struct hs2ni_tx_lane *lane, struct hs2ni_chunk *out);
void hs2ni_tx_lane_sent(struct hs2ni_tx_lane *lane, size_t len);
void hs2ni_tx_lane_acked(struct hs2ni_tx_lane *lane, uint64_t offset);
/* The peer refuses seq and all behind it until that number comes again.  false:
 * it never got such a number. */
bool hs2ni_tx_lane_busy(struct hs2ni_tx_lane *lane, uint64_t seq);
/* Goes on after a pause: memory ran out and nothing else is going to wake the
 * lane. */
void hs2ni_tx_lane_retry(struct hs2ni_tx_lane *lane);
/* Whether m has no use any more. */
bool hs2ni_tx_lane_ends(const struct hs2ni_tx_msg *m);
/* Whether it had none, and was ended. */
bool hs2ni_tx_lane_ended(struct hs2ni_tx_msg *m);
/* Opens a stream for the lane: false when there is none now, and the lane goes
 * on when it can. */
bool hs2ni_tx_lane_open(struct hs2ni_tx_lane *lane, uint64_t *out_stream);
/* The connection is gone: all frames go, all messages are to be written. */
void hs2ni_tx_lane_detach(struct hs2ni_tx_lane *lane);

/* ---- frame.c ------------------------------------------------------------ */

/* A frame for m at the end of its lane's frames, or in none yet when m has no
 * order.  NULL: no memory, no stream or no room for one more now. */
struct hs2ni_frame *hs2ni_frame_new(struct hs2ni_tx_msg *m);
/* The same for a batch at the front of the lane's next messages, which it
 * takes. */
struct hs2ni_frame *hs2ni_frame_of_batch(struct hs2ni_tx_lane *lane,
                                         struct hs2ni_tx_batch *batch,
                                         enum hs2n_compression codec,
                                         uint32_t raw_len);
/* What m is on the wire under a number. */
struct hs2ni_record hs2ni_frame_record(const struct hs2ni_tx_msg *m,
                                       enum hs2ni_record_kind kind,
                                       uint64_t seq);
/* Whether the lane may have one more frame. */
bool hs2ni_frame_room(const struct hs2ni_tx_lane *lane);
/* Puts a frame at the end of its lane's frames. */
void hs2ni_frame_append(struct hs2ni_frame *f);
/* Bytes of a frame's block. */
size_t hs2ni_frame_size(bool is_signed);
size_t hs2ni_frame_len(const struct hs2ni_frame *f);
/* Separates f from its message: f goes at once when nothing of it was sent,
 * else when the transport lets it.  with_charge: f takes the budget along. */
void hs2ni_frame_leave(struct hs2ni_frame *f, enum hs2n_reason code,
                       bool with_charge);
/* The transport holds its bytes in the lane's stream. */
void hs2ni_frame_acked(struct hs2ni_frame *f);
void hs2ni_frame_free(struct hs2ni_frame *f);

/* ---- tx_batch.c: short messages together --------------------------------- */

/* A frame of the lane's next messages, of which the first is packable; it moves
 * the lane on behind them.  NULL: the next one goes by itself. */
struct hs2ni_frame *hs2ni_tx_batch_frame(struct hs2ni_tx_lane *lane);
/* m, whose frame has a batch, has ended or is to have another frame. */
void hs2ni_tx_batch_leave(struct hs2ni_tx_msg *m);
void hs2ni_tx_batch_free(struct hs2ni_chan *chan, struct hs2ni_tx_batch *batch);

/* ---- tx_body.c: streams of large bodies ---------------------------------- */

/* Whether one more body of len bytes may be on its way. */
bool hs2ni_tx_body_room(const struct hs2ni_tx_lane *lane, uint32_t len);
/* With a stream, but no content yet.  NULL: no memory or no stream now. */
struct hs2ni_tx_body *hs2ni_tx_body_new(struct hs2ni_frame *f);
/* Fixes what it carries. */
void hs2ni_tx_body_begin(struct hs2ni_tx_body *b, uint64_t seq, uint32_t len);
void hs2ni_tx_body_free(struct hs2ni_tx_body *b);
bool hs2ni_tx_body_next(struct hs2ni_tx_body *b, struct hs2ni_chunk *out);
void hs2ni_tx_body_sent(struct hs2ni_tx_body *b, size_t len, bool fin);
void hs2ni_tx_body_acked(struct hs2ni_tx_body *b, uint64_t offset);
/* The stream has ended, whole or reset. */
void hs2ni_tx_body_done(struct hs2ni_tx_body *b);
/* The peer does not want the rest, so the link has reset the stream.  false:
 * it can't know yet whose body it is. */
bool hs2ni_tx_body_stopped(struct hs2ni_tx_body *b);
/* The message has ended: no more of the body than the head is written. */
void hs2ni_tx_body_end(struct hs2ni_tx_body *b, enum hs2n_reason code);
struct hs2ni_tx_body *hs2ni_tx_body_find(struct hs2ni_chan *chan,
                                         uint64_t stream);

#endif /* HS2NI_MSG_TX_H */
