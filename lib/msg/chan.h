/* chan: the inside of the message layer and of a channel. */
#ifndef HS2NI_MSG_CHAN_H
#define HS2NI_MSG_CHAN_H

#include "base/list.h"
#include "base/pool.h"
#include "base/timer.h"
#include "link/link.h"
#include "msg/acks.h"
#include "msg/beat.h"
#include "msg/content.h"
#include "msg/delay.h"
#include "msg/msgs.h"
#include "msg/requests.h"
#include "msg/rx.h"
#include "msg/sends.h"
#include "msg/signature.h"
#include "msg/tx.h"
#include "pack/pack.h"

/* The pool of a layer.  Received bodies live in it, so it stays until the
 * application has let go of the last one. */
struct hs2ni_store {
  struct hs2ni_pool pool;
  uint32_t refs; /* the layer, and ledgers */
};

void hs2ni_store_unref(struct hs2ni_store *store);

/* Timers of a channel: three for each lane, the clock and the waste of rx, and
 * the peer's silence; and of the layer besides them: its heartbeats. */
#define HS2NI_CHAN_TIMERS (3u * HS2N_LANES + 3u)
#define HS2NI_LAYER_TIMERS 1u

struct hs2ni_chan {
  struct hs2ni_msgs *msgs;
  struct hs2ni_list_node node; /* msgs.chans */
  struct hs2n_peer peer;
  struct hs2ni_signee signee; /* the peer's messages are signed by it */
  struct hs2ni_conn *conn;    /* NULL: detached */
  uint64_t incarnation;       /* of the peer; 0: never met */

  struct hs2ni_tx_lane tx[HS2N_LANES];
  uint64_t charged_bytes; /* bodies that count against the budget */
  uint64_t batch_bytes; /* batches in memory, at most HS2NI_TX_BATCHES_BYTES */
  struct hs2ni_hello_type peer_types[HS2N_TYPES_MAX]; /* by id */
  uint64_t peer_types_known;                          /* bit per id */
  uint64_t peer_caps;         /* what the peer can read, HS2NI_CAP_* */
  uint64_t peer_bodies_bytes; /* of a lane that it takes at once */
  struct hs2ni_ack_tx ack_tx;
  struct hs2ni_beat beat;
  struct hs2ni_delay delay;           /* from send to acknowledgement */
  struct hs2ni_content_ring *content; /* NULL: no type is known by it */

  /* What the application made of its messages, since it was met first. */
  uint64_t judged_n;
  uint64_t rejected_n;
  uint64_t judge_cost_ns;
  struct hs2ni_tx_lane *datagram_of; /* whose datagram the link was given */
  struct hs2ni_loss loss;            /* of this connection */
  struct hs2ni_asking asking;

  /* After FULL: what must get room before WRITABLE is said. */
  uint32_t full_lanes; /* bit per lane */
  bool full_bytes;
  bool full_tags; /* or requests of the node */
  bool full_asking;
  bool writable_due; /* in msgs.writable */
  bool given_up;     /* in msgs.given_up */
  enum hs2n_reason give_up_reason;
  struct hs2ni_list_node give_up_node;
  struct hs2ni_list_node writable_node;

  struct hs2ni_rx rx;
};

struct hs2ni_msg_type {
  bool declared;
  uint8_t lane;
  enum hs2n_compression compression;
  bool secret;
  bool is_signed;
  bool by_content;
  uint8_t role;     /* enum hs2n_type_role */
  uint8_t response; /* of ROLE_REQUEST */
  uint32_t size_max;
};

/* Where batches are put together and taken apart; nothing stays in it. */
struct hs2ni_batch_room {
  uint8_t raw[HS2NI_BATCH_RAW_MAX];
  uint8_t packed[HS2NI_BATCH_RAW_MAX];
};

struct hs2ni_msgs {
  struct hs2ni_env *env;
  struct hs2ni_store *store;
  struct hs2ni_msg_type types[HS2N_TYPES_MAX];
  uint32_t body_max[HS2N_LANES]; /* largest size_max of a lane's types */
  uint32_t rx_flags;             /* hs2ni_rx_flags */
  uint32_t codecs;         /* HS2NI_PACK_BIT of those that types declare */
  struct hs2ni_pack *pack; /* NULL: none does */
  struct hs2ni_batch_room *batch;  /* the same */
  struct hs2ni_contents *contents; /* NULL: no type is known by content */
  uint64_t view;
  /* The highest number of a channel that was freed.  Its peer may remember them
   * when it is a member again, so none is given twice. */
  uint64_t seqs_used;
  uint64_t order; /* of the last message queued, see hs2ni_rank */
  struct hs2ni_list chans;
  struct hs2ni_timers timers;
  struct hs2ni_sends sends;
  struct hs2ni_requests requests;
  struct hs2ni_list fetch[HS2N_LANES]; /* rx_lanes that have a message */
  struct hs2ni_list writable;          /* chans */
  struct hs2ni_list given_up;          /* chans */
  bool tags_waited;                    /* a chan has full_tags */
  struct hs2ni_rx_msg *fetched;        /* waits for its verdict */
  struct hs2n_buf *lent;               /* its body, the application's to read
                                          though its channel may go */
  uint8_t lent_signature[HS2N_SIGNATURE_LEN]; /* the same */
  struct hs2ni_signer signer;
  struct hs2ni_beats beats;
};

static inline struct hs2ni_env *hs2ni_chan_env(const struct hs2ni_chan *chan) {
  return chan->msgs->env;
}

static inline struct hs2ni_pool *
hs2ni_chan_pool(const struct hs2ni_chan *chan) {
  return &chan->msgs->store->pool;
}

/* Whether the peer has cost so much in vain that what it sends waits. */
static inline bool hs2ni_rx_waste_over(const struct hs2ni_chan *chan) {
  return chan->rx.waste.timer.slot != 0;
}

/* The codecs that some type declares. */
uint32_t hs2ni_msgs_codecs(const struct hs2n_type *types, size_t types_n);
/* Blocks that a layer keeps for reuse: room for the steady traffic of every
 * peer. */
size_t hs2ni_msgs_keep_bytes(const struct hs2n_limits *limits);
/* What can be said of a message without its receivers: type, size, view and
 * deadline.  Returns HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_TOO_BIG or
 * HS2N_ERR_STALE. */
HS2N_MUST_CHECK int hs2ni_msgs_check(const struct hs2ni_msgs *msgs,
                                     const struct hs2n_msg *msg,
                                     enum hs2n_type_role role);
/* There may be something to send. */
void hs2ni_chan_want(struct hs2ni_chan *chan);
/* There is, of this rank. */
void hs2ni_chan_want_at(struct hs2ni_chan *chan, uint64_t rank);
/* Has the connection closed with reason, when the node is ready to. */
void hs2ni_chan_give_up(struct hs2ni_chan *chan, enum hs2n_reason reason);
/* Room may have come back: says WRITABLE when it was asked for. */
void hs2ni_chan_room(struct hs2ni_chan *chan);

#endif /* HS2NI_MSG_CHAN_H */
