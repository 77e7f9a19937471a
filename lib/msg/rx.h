/* rx: the receiving half of a channel, inside the message layer.
 *
 * A lane's stream is decoded record by record; bodies are written straight
 * into the buffers that the application gets.  Messages wait in order in
 * rx_lane.ready until they are fetched; one whose large body is still on its
 * way holds up those behind it.
 *
 * A large body and its record come on two streams, in either order.  A pair
 * joins them: each record has exactly one body stream, even when the message
 * is refused or withdrawn, so nothing is left over.
 *
 * Large bodies of a lane get their buffers in the order of their records, as
 * far as limits.rx_bodies_bytes goes.  What comes of others is kept as it
 * came, without credit (rx_seat.c): the window bounds it. */
#ifndef HS2NI_MSG_RX_H
#define HS2NI_MSG_RX_H

#include "base/buf.h"
#include "base/list.h"
#include "msg/content.h"
#include "msg/dedup.h"
#include "msg/loose_window.h"
#include "msg/tx.h"
#include "wire/record.h"

#include <hs2net/msg.h>

struct hs2ni_chan;
struct hs2ni_msgs;

/* Streams whose head has not come whole. */
#define HS2NI_HEADS_MAX 64u
/* Refusals that the peer's transport does not hold yet. */
#define HS2NI_NACKS_MAX 1024u

/* What a message kept for its view counts beside its body. */
#define HS2NI_FUTURE_COST 512u

/* A body inside a record is no longer than a sender may be told to send it so
 * (limits.large_body_bytes). */
#define HS2NI_INLINE_BODY_MAX 65536u

/* A datagram: what UDP carries at most. */
#define HS2NI_DATAGRAM_BYTES_MAX 65535u

/* What becomes of a message whose record has come. */
enum hs2ni_fate {
  HS2NI_TAKE,
  HS2NI_SKIP,   /* not wanted; its body's bytes are passed over */
  HS2NI_BREACH, /* the peer broke the rules */
  HS2NI_FAIL,   /* out of memory */
  HS2NI_CROWD,  /* too many refusals wait */
};

/* Bytes of a stream that were taken and whose credit was not returned. */
struct hs2ni_held {
  uint64_t bytes;
};

/* A message that waits to be fetched or judged, then perhaps its refusal. */
struct hs2ni_rx_msg {
  struct hs2ni_list_node node; /* ready, later, nacks_pending, nacks_sent */
  struct hs2ni_rx_lane *lane;
  struct hs2ni_rx_pair *pair; /* its body is still on its way */
  struct hs2n_buf *body;      /* NULL: empty */
  uint8_t *signature;         /* NULL: its type is not signed */
  uint64_t seq;
  uint64_t view;
  uint64_t number; /* of the request that this is, or answers */
  hs2n_time until; /* when the asker of this request gives up; 0: unknown */
  uint64_t end;    /* a refusal's place in our acks stream */
  uint32_t code;   /* a refusal's reason */
  uint32_t body_len;
  uint32_t raw_len; /* of a compressed body, inflated */
  uint32_t status;  /* of a response */
  uint8_t type;
  uint8_t role;  /* enum hs2n_type_role */
  uint8_t codec; /* enum hs2n_compression; NONE once it is inflated */
  bool view_bound;
  bool loose; /* it has no order, and a number of its own kind */
  bool acked; /* acknowledged already: it is given again */
  bool held;  /* counts in rx.future_bytes */
  struct hs2ni_content_id content; /* of a type that is known by it, once it
                                      was to be given to the application */
};

/* A large record and its body stream; at least one of them has come. */
struct hs2ni_rx_pair {
  struct hs2ni_list_node node; /* rx_lane.pairs */
  struct hs2ni_rx_lane *lane;
  uint64_t seq;
  uint32_t len;
  bool has_record;
  bool has_stream;
  bool skip;                /* nobody wants the body */
  bool seated;              /* it counts in rx_lane.seated_bytes */
  bool ended;               /* the body stream has ended, whole or not */
  bool withdrawn;           /* it was reset */
  struct hs2ni_rx_msg *msg; /* NULL: the record was refused or is to come */
  uint64_t stream;
  uint32_t filled;
  struct hs2n_buf *body;    /* of one that is seated */
  struct hs2ni_list parked; /* what has come, of one that is not */
  struct hs2ni_held held;
};

/* A stream that has not said yet what it carries. */
struct hs2ni_rx_head {
  struct hs2ni_list_node node; /* chan.rx.heads */
  uint64_t stream;
  size_t len;
  uint8_t bytes[HS2NI_HEAD_MAX];
};

/* The front of a record whose rest has not come. */
struct hs2ni_stash {
  size_t len;
  uint8_t bytes[HS2NI_RECORD_MAX];
};

/* Messages of a lane that have no order: each is ready when it has come. */
struct hs2ni_rx_loose {
  struct hs2ni_loose_window window; /* ready or given to the application */
  struct hs2ni_list ready;
  bool ack_due;
};

/* A batch on its way. */
struct hs2ni_rx_batch {
  uint8_t *packed; /* NULL: none */
  uint32_t len;
  uint32_t filled;
  uint32_t raw_len;
  uint8_t codec; /* enum hs2n_compression */
  bool is_open;  /* what is in it is being taken */
};

struct hs2ni_rx_lane {
  struct hs2ni_chan *chan;
  uint8_t lane;
  struct hs2ni_list ready; /* in order */
  struct hs2ni_list later; /* given to the application, not judged */
  struct hs2ni_dedup dedup;
  struct hs2ni_rx_loose loose;
  uint64_t high; /* highest seq in ready, or ever taken */
  bool ack_due;
  bool fetchable; /* in msgs.fetch[lane] */
  struct hs2ni_list_node fetch_node;

  /* of this connection */
  uint64_t stream;
  bool has_stream;
  bool refusing; /* until refuse_from comes again */
  uint64_t refuse_from;
  uint64_t last_seq; /* of the stream */
  struct hs2ni_stash stash;
  struct hs2ni_rx_msg *partial; /* its body is being filled */
  uint32_t partial_filled;
  uint32_t skip; /* bytes of an unwanted body to come */
  size_t owed;   /* credit to be returned for what is being taken */
  struct hs2ni_rx_batch batch;
  bool starved; /* what came in a batch had to be refused for want of room */
  struct hs2ni_list
      pairs;             /* with a record behind those without, in its order */
  uint64_t seated_bytes; /* of the pool's blocks for bodies of pairs */
  struct hs2ni_held held;
};

/* Knows the received bodies of a channel, and outlives it while the
 * application holds some. */
struct hs2ni_ledger {
  struct hs2ni_store *store;
  struct hs2ni_account *account;
  struct hs2ni_account *inflated; /* those that came compressed, as the
                                     application gets them */
  struct hs2ni_chan *chan;        /* NULL: it was freed */
};

/* Sees that what has come in part goes on, see rx_time.c. */
struct hs2ni_rx_clock {
  struct hs2ni_timer timer; /* the end of this period */
  struct hs2ni_chan *chan;
  uint64_t bytes; /* that came in this period */
  bool excused;   /* nothing was in part for a moment, or we held it back */
};

/* What a peer costs in vain, see rx_waste.c. */
struct hs2ni_rx_waste {
  struct hs2ni_timer timer; /* until then nothing of it is fetched */
  struct hs2ni_chan *chan;
  hs2n_time paid_at; /* when its time has made up for it */
};

struct hs2ni_rx {
  struct hs2ni_rx_lane lanes[HS2N_LANES];
  struct hs2ni_ledger *ledger;
  uint64_t assembling_bytes; /* of bodies that are not whole */
  bool withholding;
  bool carries;             /* it held too much when this connection began */
  uint64_t overhang;        /* held of earlier ones, with what they were lent */
  struct hs2ni_list future; /* kept for their view, nearest first */
  uint64_t future_bytes;    /* of these, and of those given again */
  struct hs2ni_list nacks_pending; /* to be written */
  struct hs2ni_list nacks_sent;    /* not yet held by the peer's transport */
  struct hs2ni_list requests;      /* that wait for their response */
  struct hs2ni_rx_waste waste;

  /* of this connection */
  struct hs2ni_list heads;
  struct hs2ni_stash acks_stash;
  uint64_t acks_stream;
  bool has_acks_stream;
  struct hs2ni_rx_clock clock;
  struct hs2ni_held held_ended; /* of streams that have ended */
  uint64_t ended_stream;        /* one of them */
};

/* ---- rx_stream.c: which stream carries what ------------------------------ */

enum hs2n_reason hs2ni_rx_data(struct hs2ni_chan *chan, uint64_t stream,
                               struct hs2n_span bytes, bool fin);
enum hs2n_reason hs2ni_rx_reset(struct hs2ni_chan *chan, uint64_t stream);
/* Takes one record from the front of in, or keeps its front.  Returns 1 with
 * *out (borrowed until the next call), 0 when more is needed, or an error. */
int hs2ni_stash_record(struct hs2ni_stash *stash, struct hs2n_span *in,
                       struct hs2ni_record *out);

/* ---- rx_lane.c ----------------------------------------------------------- */

void hs2ni_rx_lane_init(struct hs2ni_rx_lane *lane, struct hs2ni_chan *chan,
                        uint8_t index);
enum hs2n_reason hs2ni_rx_lane_data(struct hs2ni_rx_lane *lane,
                                    struct hs2n_span bytes);
/* A msg record with its whole body, of which no credit is due. */
enum hs2n_reason hs2ni_rx_lane_whole(struct hs2ni_rx_lane *lane,
                                     const struct hs2ni_record *r,
                                     const uint8_t *body);
/* Forgets what belongs to the connection: what is not whole, and all behind
 * it, which the peer sends again. */
void hs2ni_rx_lane_detach(struct hs2ni_rx_lane *lane);
/* Forgets the peer's process. */
void hs2ni_rx_lane_void(struct hs2ni_rx_lane *lane);
/* Whether the view of m has ended here: it is acknowledged in its turn, but
 * nobody wants its body. */
bool hs2ni_rx_stale(const struct hs2ni_rx_msg *m);
/* Gives up the bodies of stale messages. */
void hs2ni_rx_lane_view(struct hs2ni_rx_lane *lane);
/* Drops the ready messages from seq on, and what is being assembled. */
void hs2ni_rx_lane_refuse(struct hs2ni_rx_lane *lane, uint64_t seq);
/* NULL: out of memory. */
struct hs2ni_rx_msg *hs2ni_rx_msg_new(struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r);
/* The same for one to take: with its signature, where that matters. */
struct hs2ni_rx_msg *hs2ni_rx_msg_taken(struct hs2ni_rx_lane *lane,
                                        const struct hs2ni_record *r);
void hs2ni_rx_msg_free(struct hs2ni_rx_msg *m);
/* m has come whole, or up to a body with a stream of its own. */
void hs2ni_rx_ready(struct hs2ni_rx_msg *m);
/* Whether more messages are ready than a peer with our limits would ever have
 * open. */
bool hs2ni_rx_crowded(const struct hs2ni_rx_lane *lane);
/* Queues a refusal: SKIP, FAIL or CROWD. */
enum hs2ni_fate hs2ni_rx_refuse(struct hs2ni_rx_lane *lane,
                                const struct hs2ni_record *r,
                                enum hs2n_reason code);

/* ---- rx_check.c: what a record says ---------------------------------------
 */

static inline enum hs2n_type_role hs2ni_rx_role(const struct hs2ni_record *r) {
  if ((r->flags & (HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE)) == 0) {
    return HS2N_ROLE_MESSAGE;
  }
  return (r->flags & HS2NI_FLAG_REQUEST) != 0 ? HS2N_ROLE_REQUEST
                                              : HS2N_ROLE_RESPONSE;
}

/* Flags of records that this side says it can read. */
uint32_t hs2ni_rx_flags(const struct hs2ni_msgs *msgs);
/* Whether a msg or large record has only flags that this side said it can
 * read, and a body that may stand in it. */
bool hs2ni_rx_readable(const struct hs2ni_msgs *msgs,
                       const struct hs2ni_record *r);
/* Why nobody here takes such a message, or HS2N_REASON_NONE. */
enum hs2n_reason hs2ni_rx_type_reason(const struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r);

/* ---- rx_batch.c: short messages that come together ------------------------
 */

enum hs2n_reason hs2ni_rx_batch_begin(struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r);
/* Takes bytes of the batch that was begun, and all that is in it when it is
 * whole. */
enum hs2n_reason hs2ni_rx_batch_data(struct hs2ni_rx_lane *lane,
                                     struct hs2n_span in, size_t *used);
/* Whether there is room for the message of a record in the batch that is open;
 * when not, the lane is starved. */
bool hs2ni_rx_batch_room(struct hs2ni_rx_lane *lane,
                         const struct hs2ni_record *r);
/* Gives up a batch that is not whole. */
void hs2ni_rx_batch_drop(struct hs2ni_rx_lane *lane);

/* ---- rx_loose.c: messages without order ---------------------------------- */

enum hs2n_reason hs2ni_rx_datagram(struct hs2ni_chan *chan,
                                   struct hs2n_span bytes);
enum hs2ni_fate hs2ni_rx_loose_fate(struct hs2ni_rx_lane *lane,
                                    const struct hs2ni_record *r);
/* Takes m, which is whole. */
void hs2ni_rx_loose_ready(struct hs2ni_rx_msg *m);
/* Forgets the peer's process. */
void hs2ni_rx_loose_void(struct hs2ni_rx_lane *lane);

/* ---- rx_body.c ----------------------------------------------------------- */

/* The record of a large body; m is NULL when it is refused.  After m has been
 * put in its place, settle must be called: the body may have come before. */
enum hs2n_reason hs2ni_rx_large(struct hs2ni_rx_lane *lane,
                                const struct hs2ni_record *record,
                                struct hs2ni_rx_msg *m);
void hs2ni_rx_pair_settle(struct hs2ni_rx_lane *lane, uint64_t seq);
enum hs2n_reason hs2ni_rx_body_open(struct hs2ni_chan *chan,
                                    const struct hs2ni_head *head,
                                    uint64_t stream);
enum hs2n_reason hs2ni_rx_body_data(struct hs2ni_rx_pair *pair,
                                    struct hs2n_span bytes, bool fin);
void hs2ni_rx_body_reset(struct hs2ni_rx_pair *pair);
/* The body is not wanted: no more of it is asked for.  May free pair.  Then
 * there may be room for others: hs2ni_rx_bodies_seat. */
void hs2ni_rx_pair_skip(struct hs2ni_rx_pair *pair);
void hs2ni_rx_bodies_seat(struct hs2ni_rx_lane *lane);
void hs2ni_rx_pair_free(struct hs2ni_rx_pair *pair);
struct hs2ni_rx_pair *hs2ni_rx_pair_find(struct hs2ni_chan *chan,
                                         uint64_t stream);

/* ---- rx_seat.c: room for large bodies -------------------------------------
 */

/* Bytes of a block of what has come without room. */
#define HS2NI_RX_PARKED_BLOCK 4096u

/* Keeps bytes for which there is no room; false: out of memory. */
bool hs2ni_rx_park(struct hs2ni_rx_pair *pair, struct hs2n_span bytes);
/* Forgets them, and returns their credit. */
void hs2ni_rx_park_drop(struct hs2ni_rx_pair *pair);
/* pair needs its room no more. */
void hs2ni_rx_seat_leave(struct hs2ni_rx_pair *pair);
/* Gives the next body its room, if there is some.  NULL: to none; when memory
 * runs out the connection ends. */
struct hs2ni_rx_pair *hs2ni_rx_seat_next(struct hs2ni_rx_lane *lane);
/* Bytes that large bodies of a lane take at most, none longer than len. */
uint64_t hs2ni_rx_seated_max(const struct hs2n_limits *limits, uint64_t len);

/* ---- rx_inflate.c -------------------------------------------------------- */

enum hs2ni_opened {
  HS2NI_OPENED,
  HS2NI_OPENED_NO_MEMORY, /* m is as it was */
  HS2NI_OPENED_BAD,       /* the body is not what the record says */
};

/* Whether the record's compression is one that this side offered, of lengths
 * that make sense. */
bool hs2ni_rx_packed_well(const struct hs2ni_msgs *msgs,
                          const struct hs2ni_record *r);
/* Whether m may be inflated now.  A peer's inflated bodies that the
 * application holds take rx_held_bytes at most, or are a single one. */
bool hs2ni_rx_may_inflate(const struct hs2ni_rx_msg *m);
/* Inflates m's body, if it is compressed. */
enum hs2ni_opened hs2ni_rx_inflate(struct hs2ni_rx_msg *m);
/* Bytes that inflated bodies of a channel take at most. */
uint64_t hs2ni_rx_inflated_max(const struct hs2n_limits *limits,
                               const struct hs2n_type *types, size_t types_n);
/* ---- future.c ------------------------------------------------------------ */

/* Bytes of a peer's messages that are kept at most, with HS2NI_FUTURE_COST for
 * each. */
uint64_t hs2ni_future_max(const struct hs2n_limits *limits);
/* Keeps m, which is acknowledged and in no list, until its view comes; or
 * frees it. */
void hs2ni_future_hold(struct hs2ni_rx_msg *m);
/* m is kept no longer. */
void hs2ni_future_leave(struct hs2ni_rx_msg *m);
/* This node's view has moved on: what it waited for is ready. */
void hs2ni_future_view(struct hs2ni_chan *chan);
void hs2ni_future_void(struct hs2ni_chan *chan);

/* ---- rx_time.c ----------------------------------------------------------- */

void hs2ni_rx_clock_init(struct hs2ni_chan *chan);
/* len bytes of the peer's streams have been taken. */
void hs2ni_rx_clock_bytes(struct hs2ni_chan *chan, size_t len);
void hs2ni_rx_clock_stop(struct hs2ni_chan *chan);

/* ---- rx_waste.c ----------------------------------------------------------
 */

void hs2ni_rx_waste_init(struct hs2ni_chan *chan);
void hs2ni_rx_waste_stop(struct hs2ni_chan *chan);
/* The peer has cost so much CPU in vain. */
void hs2ni_rx_waste_add(struct hs2ni_chan *chan, uint64_t cost_ns);
/* By m, which is refused for what was looked at: its signature, or its body. */
void hs2ni_rx_waste_refused(const struct hs2ni_rx_msg *m);
/* By m, which the application rejects. */
void hs2ni_rx_waste_rejected(const struct hs2ni_rx_msg *m);

/* ---- rx_credit.c ----------------------------------------------------------
 */

HS2N_MUST_CHECK int hs2ni_ledger_new(struct hs2ni_ledger **out,
                                     struct hs2ni_chan *chan);
/* The channel leaves; bodies that the application holds stay valid. */
void hs2ni_ledger_close(struct hs2ni_ledger *ledger);
/* A buffer for a body whose bytes come in; NULL: out of memory. */
struct hs2n_buf *hs2ni_rx_buf_new(struct hs2ni_chan *chan, uint32_t len);
/* The buffer is whole. */
void hs2ni_rx_buf_whole(struct hs2ni_chan *chan, uint32_t len);
/* Gives up a buffer that is not whole; buf may be NULL. */
void hs2ni_rx_buf_drop(struct hs2ni_chan *chan, struct hs2n_buf *buf,
                       uint32_t len);
/* Returns the credit of bytes that are not kept. */
void hs2ni_rx_credit(struct hs2ni_chan *chan, uint64_t stream, size_t len);
/* Returns the credit of a body's bytes, or holds it back while the
 * application holds too much. */
void hs2ni_rx_credit_body(struct hs2ni_chan *chan, uint64_t stream,
                          struct hs2ni_held *held, size_t len);
/* Holds the credit back until the application lets go of something. */
void hs2ni_rx_withhold(struct hs2ni_chan *chan, struct hs2ni_held *held,
                       size_t len);
/* The stream of held has ended. */
void hs2ni_rx_held_end(struct hs2ni_chan *chan, uint64_t stream,
                       struct hs2ni_held *held);
/* Returns what was held back when there is room again. */
void hs2ni_rx_credit_flush(struct hs2ni_chan *chan);
/* Whole bodies, ready or held by the application. */
uint64_t hs2ni_rx_held_bytes(const struct hs2ni_chan *chan);
/* Whether they are more than rx_held_bytes. */
bool hs2ni_rx_holds_too_much(const struct hs2ni_chan *chan);
/* A connection begins, with a whole window.  While the application still holds
 * too much of earlier ones, nothing with a body is taken. */
void hs2ni_rx_carry_begin(struct hs2ni_chan *chan);
bool hs2ni_rx_carries(struct hs2ni_chan *chan);
/* A connection ends, and gives back what its window was lent: what is held
 * thanks to that counts on. */
void hs2ni_rx_carry_end(struct hs2ni_chan *chan);
/* It counts no more. */
void hs2ni_rx_carry_void(struct hs2ni_chan *chan);
/* Whether the application holds so many bodies, however small, that it gets
 * no more of this peer before it lets go of some. */
bool hs2ni_rx_holds_too_many(const struct hs2ni_chan *chan);
/* The most received bodies that a channel may have in memory. */
uint64_t hs2ni_rx_bodies_max(const struct hs2n_limits *limits);

/* ---- deliver.c: to the application and back --------------------------------
 */

/* Puts the lane among those to fetch from, or takes it out. */
void hs2ni_rx_lane_update(struct hs2ni_rx_lane *lane);
/* Queues the refusal of a message, which it takes. */
void hs2ni_rx_nack(struct hs2ni_rx_msg *m, enum hs2n_reason code);
bool hs2ni_deliver_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out);
/* The application has read the body of what it fetched. */
void hs2ni_deliver_return(struct hs2ni_msgs *msgs);
/* The message that was fetched and has no verdict, if it is chan's, goes. */
void hs2ni_deliver_forget(struct hs2ni_chan *chan);

#endif /* HS2NI_MSG_RX_H */
