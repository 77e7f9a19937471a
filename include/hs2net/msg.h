/* msg.h: what is sent: bodies, types, lanes, and how a send ends. */
#ifndef HS2N_MSG_H
#define HS2N_MSG_H

#include <hs2net/api.h>
#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <hs2net/mem.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lanes in strict order: nothing of a lower lane leaves while a higher one
 * has something to send.  FIFO inside a lane and peer, but for
 * messages with HS2N_MSG_DATAGRAM_OK; no order between lanes. */
enum hs2n_lane {
  HS2N_LANE_CONTROL = 0, /* new-view, timeouts, recovery */
  HS2N_LANE_VOTE,
  HS2N_LANE_CERT,
  HS2N_LANE_PROPOSAL,
  HS2N_LANE_SYNC, /* block catch-up */
  HS2N_LANE_BULK, /* transactions, snapshots */
};
#define HS2N_LANES 6

#define HS2N_TYPES_MAX 64
#define HS2N_BODY_MAX (64u << 20) /* hard ceiling of any body, bytes */

/* By what the bodies of a type are made smaller on the wire.  Those below
 * 1 KiB are left as they are, unless several that follow each other in a lane
 * have so much together: these are compressed as one.  What does not save a
 * tenth is left as it is, and so are short ones that are signed.  The length of
 * what is compressed shows to whoever watches the connection and tells
 * something of the content: never where an outsider's text and a secret share a
 * body, or short ones share a lane. */
enum hs2n_compression {
  HS2N_COMPRESSION_NONE = 0,
  HS2N_COMPRESSION_LZ4,  /* some GB/s */
  HS2N_COMPRESSION_ZSTD, /* smaller, several times the CPU; if built in */
};

enum hs2n_type_flag {
  /* Never compressed: not with compression declared, and refused when a peer
   * does it. */
  HS2N_TYPE_SECRET = 1u << 0,
  /* Each message is signed by its sender's identity, once for all receivers,
   * verified before it is delivered, and refused without a good signature; see
   * struct hs2n_evidence.  Costs Ed25519 and SHA-256 over the body at either
   * end.  Not for requests and responses: which question is asked or answered
   * is not signed. */
  HS2N_TYPE_SIGNED = 1u << 1,
  /* For what comes by several paths, such as transactions: a message with the
   * same type, view, VIEW_BOUND and body as one that the application has taken
   * (ACCEPT or IGNORE), whoever sent it, is acknowledged and not given to it
   * again.  Of each peer the last limits.content_ids_per_peer are remembered,
   * also across its restarts.  Until the verdict is there, the same may come
   * from another peer.  Not together with HS2N_TYPE_SIGNED, and not for
   * requests and responses: they are more than their content. */
  HS2N_TYPE_BY_CONTENT = 1u << 2,
};

/* What a message of a type is for. */
enum hs2n_type_role {
  HS2N_ROLE_MESSAGE = 0, /* sent by hs2n_send */
  HS2N_ROLE_REQUEST,     /* sent by hs2n_request */
  HS2N_ROLE_RESPONSE,    /* sent by hs2n_respond */
};

/* A kind of message, declared when a node is made.  Both ends of a
 * connection declare the same types. */
struct hs2n_type {
  uint8_t id; /* 0..HS2N_TYPES_MAX-1, unique */
  enum hs2n_lane lane;
  uint32_t size_max; /* bytes of body, 0..HS2N_BODY_MAX, inclusive */
  const char *name;  /* for logs and metrics; borrowed, static */
  enum hs2n_compression compression;
  uint32_t flags; /* of enum hs2n_type_flag */
  enum hs2n_type_role role;
  uint8_t response; /* HS2N_ROLE_REQUEST: the type that answers it */
};

/* A refcounted, immutable body.  Not atomic: the owner thread of the node
 * (or whoever made it, before it is sent) counts.  A broadcast to n peers
 * holds n references and one copy. */
struct hs2n_buf;

/* Called once when the last reference of a wrapped body goes. */
typedef void (*hs2n_release_fn)(void *user_data, const uint8_t *data,
                                size_t len);

/**
 * A body with a copy of bytes.
 *
 * Thread: owner of the node it will be sent with.  Callback-safe: yes.
 *
 * \param out_buf  set on success, with one reference for the caller.
 * \param mem      borrowed until the last reference goes.
 * \param bytes    copied; at most HS2N_BODY_MAX.
 * \return HS2N_OK, HS2N_ERR_TOO_BIG or HS2N_ERR_NO_MEMORY.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_buf_new(struct hs2n_buf **out_buf,
                                          const struct hs2n_mem *mem,
                                          struct hs2n_span bytes);

/**
 * A body of len bytes for the caller to fill, before its first use.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param out_buf   set on success, with one reference for the caller.
 * \param mem       borrowed until the last reference goes.
 * \param len       0..HS2N_BODY_MAX.
 * \param out_data  where to write; the content is unspecified at first.
 * \return HS2N_OK, HS2N_ERR_TOO_BIG or HS2N_ERR_NO_MEMORY.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_buf_alloc(struct hs2n_buf **out_buf,
                                            const struct hs2n_mem *mem,
                                            size_t len, uint8_t **out_data);

/**
 * A body over the caller's own memory: no copy is ever made of it.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param out_buf    set on success, with one reference for the caller.
 * \param mem        for the small header; borrowed as above.
 * \param bytes      must stay unchanged until release is called.
 * \param release    may be NULL when the memory is static.
 * \param user_data  passed to release.
 * \return HS2N_OK, HS2N_ERR_TOO_BIG or HS2N_ERR_NO_MEMORY (release is not
 *         called then).
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_buf_wrap(struct hs2n_buf **out_buf, const struct hs2n_mem *mem,
              struct hs2n_span bytes, hs2n_release_fn release, void *user_data);

/**
 * Takes one more reference.  Of a received body this is what keeps it beyond
 * the callback, and keeps the sender's credit back meanwhile.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param buf  not NULL.
 * \return buf.
 */
HS2N_API struct hs2n_buf *hs2n_buf_ref(struct hs2n_buf *buf);

/**
 * Drops one reference; the last one frees.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param buf  may be NULL.
 */
HS2N_API void hs2n_buf_unref(struct hs2n_buf *buf);

/**
 * The bytes of a body, borrowed while the caller holds a reference.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param buf  not NULL.
 */
HS2N_API struct hs2n_span hs2n_buf_span(const struct hs2n_buf *buf);

enum hs2n_msg_flag {
  /* Asks for a completion when every receiver's application took it. */
  HS2N_MSG_ACK = 1u << 0,
  /* Completes at the first instant at which the acknowledged weight reaches
   * quorum_weight. */
  HS2N_MSG_QUORUM = 1u << 1,
  /* Dies when hs2n_enter_view passes its view. */
  HS2N_MSG_VIEW_BOUND = 1u << 2,
  /* Takes the place of older messages of this type and key: each of them that
   * was sent with this flag to the same peer and is not acknowledged ends for
   * that peer, as CANCELLED, wherever it waits.  It counts as queued now, so
   * it is behind what was sent meanwhile. */
  HS2N_MSG_SUPERSEDE = 1u << 3,
  /* May go in a datagram, for short messages that are worth little late, such
   * as votes: a lost packet holds none of the others up.  When no ack comes in
   * time (limits.datagram_copy_permille) a copy follows on the lane's stream,
   * of which at most one is delivered.  No order is promised: neither among
   * these messages, nor between them and the others of their lane.  A message
   * that is too long for a datagram, or for a peer that is not connected when
   * it is sent, goes on the stream like any other. */
  HS2N_MSG_DATAGRAM_OK = 1u << 4,
  /* This one is not compressed, though its type may be; neither by itself nor
   * with others. */
  HS2N_MSG_SECRET = 1u << 5,
  /* With HS2N_MSG_QUORUM: once it is reached, the message ends for the other
   * receivers too, and what they have not got is saved.  Without it the rest
   * goes on. */
  HS2N_MSG_QUORUM_ONLY = 1u << 6,
};

/* A message, sent or received.  On send every field is the caller's; on
 * receipt quorum_weight and key are 0, flags are the sender's VIEW_BOUND alone,
 * and deadline is 0 but for a request: by this node's clock the time at which
 * its asker gives up, or 0 when it does not say.  A response has view and
 * VIEW_BOUND of its request. signature is only there on receipt, of types with
 * HS2N_TYPE_SIGNED: HS2N_SIGNATURE_LEN bytes that were found good, borrowed
 * like msg itself. What it holds on send makes no difference. */
struct hs2n_msg {
  uint8_t type;   /* a declared hs2n_type.id */
  uint32_t flags; /* of enum hs2n_msg_flag */
  uint64_t view;
  hs2n_time deadline;     /* absolute; 0: none */
  uint64_t quorum_weight; /* with HS2N_MSG_QUORUM */
  struct hs2n_buf *body;  /* may be NULL: empty */
  uint64_t key;           /* with HS2N_MSG_SUPERSEDE */
  struct hs2n_span signature;
};

/* A signed message as it can be shown to others: two of one signer, type and
 * view with different bodies prove that it has said two things.  The signature
 * is over chain_id, the signer's peer id, type, view, VIEW_BOUND and the
 * SHA-256 of the body (docs/wire-format.md), and not over the receiver. */
struct hs2n_evidence {
  size_t struct_size;
  const char *chain_id; /* as in struct hs2n_config */
  struct hs2n_key signer;
  uint8_t type;
  uint32_t flags; /* HS2N_MSG_VIEW_BOUND or 0, as received */
  uint64_t view;
  struct hs2n_span body;
  struct hs2n_span signature; /* HS2N_SIGNATURE_LEN bytes */
};

/**
 * Whether the signer has signed what evidence says.
 *
 * Thread: any.  Callback-safe: yes.  About 50 us and SHA-256 over the body.
 *
 * \param evidence  not NULL; borrowed for the call.
 * \return HS2N_OK, HS2N_ERR_BAD_SIGNATURE, HS2N_ERR_INVALID (what no node
 *         would have signed), HS2N_ERR_VERSION, HS2N_ERR_NO_MEMORY or
 *         HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_evidence_verify(const struct hs2n_evidence *evidence);

/* Where a message goes. */
enum hs2n_dst_kind {
  HS2N_DST_PEER,  /* one peer */
  HS2N_DST_SOME,  /* the listed peers, each once */
  HS2N_DST_EPOCH, /* every member of an epoch but this node */
};
struct hs2n_dst {
  enum hs2n_dst_kind kind;
  struct hs2n_peer peer;         /* HS2N_DST_PEER */
  const struct hs2n_peer *peers; /* HS2N_DST_SOME; borrowed for the call */
  size_t count;                  /* HS2N_DST_SOME, >= 1 */
  uint64_t epoch;                /* HS2N_DST_EPOCH */
};

/* How a tagged send or a request ended.  Append only. */
enum hs2n_outcome {
  HS2N_DONE_ACKED = 1, /* every receiver's application took it; of a request:
                          a response was accepted here */
  HS2N_DONE_QUORUM,    /* receivers of at least quorum_weight took it */
  HS2N_DONE_EXPIRED,   /* deadline passed first */
  HS2N_DONE_CANCELLED, /* by hs2n_cancel, by a newer view, by a newer message
                          of its key, or by node shutdown */
  HS2N_DONE_REFUSED,   /* a receiver refused it, see reason; of a request:
                          no peer is left to ask, and one of them refused it
                          or gave an answer that was not accepted */
  HS2N_DONE_PEER_GONE, /* a receiver left the last live committee; of a
                          request: all of them did */
};

struct hs2n_done {
  size_t struct_size;
  enum hs2n_outcome outcome; /* of several causes, the first that made ACKED
                                or QUORUM unreachable */
  enum hs2n_reason reason;   /* of HS2N_DONE_REFUSED */
  uint64_t acked_weight;
  const struct hs2n_peer *acked; /* who acknowledged, or whose response was
                                    accepted; borrowed */
  size_t acked_count;
};

/* What the application made of a received message.
 *
 *            a message        a request           a response
 *   ACCEPT   acknowledged     will be answered    ends the request
 *   IGNORE   acknowledged     refused             the next peer is asked
 *   REJECT   refused, blamed  refused, blamed     likewise, and blamed
 *   BUSY     comes again      refused             comes again
 *   HOLD     kept             refused             the next peer is asked
 *
 * The asker of a refused request turns to the next peer at once. */
enum hs2n_verdict {
  HS2N_ACCEPT = 1, /* taken: acknowledge */
  HS2N_IGNORE,     /* stale or known: acknowledge */
  HS2N_REJECT,     /* wrong: refuse it, and blame the sender */
  HS2N_LATER,      /* hs2n_judge will follow */
  /* No room now: this message comes again after a pause, and with it those
   * behind it in its lane, of which the sender keeps the order.  The pause is
   * the sender's limits.busy_pause_ms; it doubles up to busy_pause_max_ms for
   * as long as BUSY is all that it hears of the lane, and after it no more
   * comes than was taken lately.  For what may wait long, such as a later view,
   * take HS2N_HOLD. */
  HS2N_BUSY,
  /* Good, but ahead of this node's view: acknowledge, keep it, and give it
   * again, with the same id and ahead of its lane, when hs2n_enter_view gets
   * to its view.  What is kept of one peer takes limits.rx_future_bytes;
   * beyond, and beyond limits.rx_future_views ahead, its farthest views are
   * dropped.  So is what its sender's process sent, when that has restarted. Of
   * a message given again BUSY and HOLD drop it, and REJECT refuses nothing. */
  HS2N_HOLD,
};

/* Identifies a received message for hs2n_judge. */
struct hs2n_msg_id {
  uint64_t incarnation; /* of the sender */
  uint64_t seq;         /* per lane and `unordered`, from 1 */
  uint8_t lane;
  bool unordered; /* it may have come in a datagram, see HS2N_MSG_DATAGRAM_OK */
};

/* A received request, for hs2n_respond; id is also what hs2n_judge takes. */
struct hs2n_req {
  struct hs2n_peer from;
  struct hs2n_msg_id id;
};

/**
 * Names for logs.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param outcome  of enum hs2n_outcome.
 * \return a static string such as "ACKED", never NULL.
 */
HS2N_API const char *hs2n_outcome_name(enum hs2n_outcome outcome);

/**
 * Names for logs.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param lane  0..HS2N_LANES-1.
 * \return a static string such as "PROPOSAL", never NULL.
 */
HS2N_API const char *hs2n_lane_name(enum hs2n_lane lane);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_MSG_H */
