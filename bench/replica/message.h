/* message: what replicas say to each other, besides votes and timeouts
 * (cert.h).  Decoders accept any bytes and check the form alone. */
#ifndef REP_MESSAGE_H
#define REP_MESSAGE_H

#include "block.h"

/* How long a message stays useful: its sender and its receiver let it go when
 * they enter a view so many above the one that it is about.
 *
 * A replica that was slow in a proposal's view still needs the block to follow
 * the next ones, and would have to ask for it.  A vote goes to who leads the
 * view after it.  A time-out has to reach others after its sender has moved
 * on, who often moves at once, since its own was the last one missing; and a
 * straggler's has to reach those who can help it. */
#define REP_PROPOSAL_VIEWS 8
#define REP_VOTE_VIEWS 1
#define REP_NEW_VIEW_VIEWS 0
#define REP_TIMEOUT_VIEWS 64
#define REP_ALL_VIEWS UINT64_MAX

/* X(KIND, name, lane, views, what it is): all that replicas say, in the order
 * of the numbers on the wire.  docs/replica-messages.md is printed from it. */
#define REP_KIND_LIST(X)                                                     \
  X(PROPOSAL, "proposal", HS2N_LANE_PROPOSAL, REP_PROPOSAL_VIEWS,            \
    "a block with the certificate of its parent, by the leader of its view") \
  X(VOTE, "vote", HS2N_LANE_VOTE, REP_VOTE_VIEWS,                            \
    "a signature of a block, to the leader of the next view alone")          \
  X(NEW_VIEW, "new-view", HS2N_LANE_CONTROL, REP_NEW_VIEW_VIEWS,             \
    "the highest certificate and what opened the view, to its leader")       \
  X(TIMEOUT, "timeout", HS2N_LANE_CONTROL, REP_TIMEOUT_VIEWS,                \
    "a signature that a view has failed, to all")                            \
  X(SYNC_REQUEST, "sync-request", HS2N_LANE_SYNC, REP_ALL_VIEWS,             \
    "asks for blocks that are missing")                                      \
  X(SYNC_RESPONSE, "sync-response", HS2N_LANE_SYNC, REP_ALL_VIEWS,           \
    "blocks of one chain, and a certificate of the last")

enum rep_kind {
#define X(kind, name, lane, views, text) REP_##kind,
  REP_KIND_LIST(X)
#undef X
};
#define REP_KINDS 6

/* ---- proposal ---------------------------------------------------------- */

/* Layout: signature, length of block, block, TC (absent when the leader
 * entered by a certificate).  The signature is in front and of fixed size, so
 * it can be filled in after the block behind it was hashed. */
#define REP_PROPOSAL_HEAD (HS2N_SIGNATURE_LEN + 4u)

struct rep_proposal {
  struct rep_block *block; /* a reference */
  struct rep_tc *tc;       /* a reference, or NULL */
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

/* On true the caller owns the references in out; the block lies in bytes and
 * holds a reference of it. */
bool rep_proposal_decode(struct rep_bytes *bytes,
                         const struct rep_crypto *crypto,
                         struct rep_proposal *out);
void rep_proposal_fini(struct rep_proposal *proposal);

/* ---- new-view ---------------------------------------------------------- */

struct rep_new_view {
  uint64_t view;         /* the view entered */
  struct rep_cert *high; /* a reference */
  struct rep_tc *tc;     /* of view - 1; a reference, or NULL */
};

struct rep_bytes *rep_new_view_encode(const struct rep_new_view *new_view);
bool rep_new_view_decode(struct hs2n_span bytes, struct rep_new_view *out);
void rep_new_view_fini(struct rep_new_view *new_view);

/* ---- catching up ------------------------------------------------------- */

struct rep_sync_request {
  uint64_t from_height; /* first block wanted, >= 1 */
  struct rep_hash want; /* the block that was found missing */
};
#define REP_SYNC_REQUEST_LEN (8u + HS2N_HASH_LEN)

void rep_sync_request_write(struct rep_writer *w,
                            const struct rep_sync_request *request);
bool rep_sync_request_decode(struct hs2n_span bytes,
                             struct rep_sync_request *out);

/* Blocks of one chain, each the parent of the next, and a certificate of the
 * last one unless that is the wanted one, of which the asker holds it. */
#define REP_SYNC_BLOCKS_MAX 4096
struct rep_sync_response {
  struct rep_cert *cert;     /* a reference, or NULL */
  struct rep_reader encoded; /* what is left, for rep_sync_response_next */
  uint32_t blocks_left;
  struct rep_bytes *owner; /* borrowed */
};

/* Builds a response of count encodings; NULL when memory is out. */
struct rep_bytes *rep_sync_response_encode(const struct rep_cert *cert,
                                           const struct hs2n_span *encodings,
                                           uint32_t count);

/* On true the caller owns out->cert; bytes must outlive out. */
bool rep_sync_response_decode(struct rep_bytes *bytes,
                              struct rep_sync_response *out);

/* The next block as a new reference; NULL at the end, or when the input is
 * malformed, which sets encoded.failed. */
struct rep_block *rep_sync_response_next(struct rep_sync_response *response,
                                         const struct rep_crypto *crypto);

#endif /* REP_MESSAGE_H */
