/* sends: tagged sends, each of which is completed exactly once. */
#ifndef HS2NI_MSG_SENDS_H
#define HS2NI_MSG_SENDS_H

#include "base/list.h"
#include "base/timer.h"
#include "link/link.h"
#include "msg/msgs.h"

struct hs2ni_request;
struct hs2ni_tx_msg;

struct hs2ni_send_target {
  struct hs2ni_tx_msg *msg; /* NULL: it has ended for this target */
  struct hs2n_peer peer;
  uint64_t weight;
  bool acked;
};

struct hs2ni_send {
  struct hs2ni_list_node node; /* sends.done, once completed */
  struct hs2ni_timer timer;
  struct hs2ni_msgs *msgs;
  struct hs2n_tag tag;
  uint32_t targets_n;
  uint32_t open_n;
  uint64_t open_weight;
  uint64_t acked_weight;
  uint64_t quorum_weight;    /* 0: every target must acknowledge */
  bool quorum_only;          /* ends for all with its quorum */
  enum hs2n_outcome outcome; /* 0: open */
  enum hs2n_reason reason;
  struct hs2ni_request *request; /* open, of which this is the completion; its
                                    one target is who answers */
  uint32_t acked_n;              /* once completed */
  struct hs2n_peer *acked;       /* targets_n, behind the targets */
  struct hs2ni_send_target targets[];
};

/* Slots for tags_max sends.  A tag is generation * tags_max + slot + 1, so an
 * old tag never meets the send that follows it in its slot. */
struct hs2ni_sends {
  struct hs2ni_send **slots;
  uint32_t *free_slots;
  uint32_t free_n;
  uint64_t generation;
  struct hs2ni_list done;
  struct hs2ni_send *told; /* its acked list is the caller's until the next
                              fetch */
};

HS2N_MUST_CHECK int hs2ni_sends_init(struct hs2ni_msgs *msgs);
void hs2ni_sends_fini(struct hs2ni_msgs *msgs);
/* Bytes of a send with so many targets. */
size_t hs2ni_send_size(size_t targets_n);
/* A send in no slot yet.  NULL: out of memory. */
struct hs2ni_send *hs2ni_send_new(struct hs2ni_msgs *msgs,
                                  const struct hs2ni_target *targets, size_t n,
                                  const struct hs2n_msg *msg);
void hs2ni_send_discard(struct hs2ni_send *send);
/* Gives it a tag; a slot must be free. */
void hs2ni_send_open(struct hs2ni_send *send, hs2n_time deadline);
/* Undoes that: the tag is forgotten, the send freed. */
void hs2ni_send_close(struct hs2ni_send *send);
/* The send of a tag that has not been told of yet, or NULL. */
struct hs2ni_send *hs2ni_send_find(const struct hs2ni_msgs *msgs, uint64_t tag);
/* Puts it among those to be told of. */
void hs2ni_send_complete(struct hs2ni_send *send, enum hs2n_outcome outcome,
                         enum hs2n_reason reason);
void hs2ni_send_acked(struct hs2ni_send *send, uint32_t target);
void hs2ni_send_failed(struct hs2ni_send *send, uint32_t target,
                       enum hs2n_outcome outcome, enum hs2n_reason reason);
/* Ends an open send; what is queued of it is dropped. */
void hs2ni_send_end(struct hs2ni_send *send, enum hs2n_outcome outcome,
                    enum hs2n_reason code);
bool hs2ni_sends_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out);

#endif /* HS2NI_MSG_SENDS_H */
