/* A lane's stream, the peer's side. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

void hs2ni_rx_lane_init(struct hs2ni_rx_lane *lane, struct hs2ni_chan *chan,
                        uint8_t index) {
  *lane = (struct hs2ni_rx_lane){.chan = chan, .lane = index};
}

void hs2ni_rx_msg_free(struct hs2ni_rx_msg *m) {
  hs2ni_future_leave(m);
  hs2ni_buf_unref(m->body);
  if (m->signature != NULL) {
    hs2ni_pool_give(hs2ni_chan_pool(m->lane->chan), m->signature,
                    HS2N_SIGNATURE_LEN);
  }
  hs2ni_pool_give(hs2ni_chan_pool(m->lane->chan), m, sizeof(*m));
}

static struct hs2ni_rx_msg *msg_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node);
}

static enum hs2n_type_role role_of(const struct hs2ni_record *r) {
  if ((r->flags & HS2NI_FLAG_REQUEST) != 0) {
    return HS2N_ROLE_REQUEST;
  }
  return (r->flags & HS2NI_FLAG_RESPONSE) != 0 ? HS2N_ROLE_RESPONSE
                                               : HS2N_ROLE_MESSAGE;
}

struct hs2ni_rx_msg *hs2ni_rx_msg_new(struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r) {
  struct hs2ni_rx_msg *m =
      hs2ni_pool_take(hs2ni_chan_pool(lane->chan), sizeof(*m));

  if (m != NULL) {
    *m = (struct hs2ni_rx_msg){
        .lane = lane,
        .seq = r->seq,
        .view = r->view,
        .number = r->request,
        .body_len = r->body_len,
        .raw_len = r->raw_len,
        .codec = (uint8_t)r->codec,
        .status = r->status,
        .type = r->type,
        .role = (uint8_t)role_of(r),
        .view_bound = (r->flags & HS2NI_FLAG_VIEW_BOUND) != 0,
        .loose = (r->flags & HS2NI_FLAG_UNORDERED) != 0,
    };
  }
  return m;
}

struct hs2ni_rx_msg *hs2ni_rx_msg_taken(struct hs2ni_rx_lane *lane,
                                        const struct hs2ni_record *r) {
  struct hs2ni_rx_msg *m = hs2ni_rx_msg_new(lane, r);

  if (m == NULL || !lane->chan->msgs->types[r->type].is_signed) {
    return m;
  }
  assert(r->signature.len == HS2N_SIGNATURE_LEN);
  m->signature = hs2ni_pool_take(hs2ni_chan_pool(lane->chan), r->signature.len);
  if (m->signature == NULL) {
    hs2ni_rx_msg_free(m);
    return NULL;
  }
  memcpy(m->signature, r->signature.data, r->signature.len);
  return m;
}

enum hs2ni_fate hs2ni_rx_refuse(struct hs2ni_rx_lane *lane,
                                const struct hs2ni_record *r,
                                enum hs2n_reason code) {
  const struct hs2ni_rx *rx = &lane->chan->rx;
  struct hs2ni_rx_msg *m;

  /* Refusals of fetched messages stop at half of that (deliver.c), so a peer
   * that knows our types never gets here. */
  if (rx->nacks_pending.count + rx->nacks_sent.count >=
      2 * (size_t)HS2NI_NACKS_MAX) {
    return HS2NI_CROWD;
  }
  m = hs2ni_rx_msg_new(lane, r);
  if (m == NULL) {
    return HS2NI_FAIL;
  }
  hs2ni_chan_env(lane->chan)->stats.refused_signature +=
      code == HS2N_REASON_BAD_SIGNATURE;
  hs2ni_rx_nack(m, code);
  if (role_of(r) == HS2N_ROLE_RESPONSE && code != HS2N_REASON_APP_BUSY) {
    hs2ni_request_spoilt(lane->chan, r->request, code);
  }
  return HS2NI_SKIP;
}

enum hs2n_reason hs2ni_rx_type_reason(const struct hs2ni_rx_lane *lane,
                                      const struct hs2ni_record *r) {
  const struct hs2ni_msg_type *type = &lane->chan->msgs->types[r->type];

  if (!type->declared || type->lane != lane->lane || type->role != role_of(r) ||
      (type->role == HS2N_ROLE_RESPONSE &&
       !hs2ni_request_is_answer(lane->chan, r->request, r->type))) {
    return HS2N_REASON_UNKNOWN_TYPE;
  }
  if (type->is_signed && (r->flags & HS2NI_FLAG_SIGNED) == 0) {
    return HS2N_REASON_BAD_SIGNATURE;
  }
  if (r->codec != 0 && type->secret) {
    return HS2N_REASON_BAD_BODY;
  }
  return (r->codec != 0 ? r->raw_len : r->body_len) > type->size_max
             ? HS2N_REASON_MSG_TOO_BIG
             : HS2N_REASON_NONE;
}

bool hs2ni_rx_crowded(const struct hs2ni_rx_lane *lane) {
  return lane->ready.count + lane->loose.ready.count >=
         hs2ni_chan_env(lane->chan)->limits.tx_queue_msgs_max;
}

/* Checks the order of numbers: they rise, but for a step back after a BUSY,
 * to the very number from which on everything was refused.  A step to a
 * higher one answers an earlier BUSY, said when too many were ready. */
static enum hs2ni_fate order(struct hs2ni_rx_lane *lane, uint64_t seq) {
  if (seq > lane->last_seq) {
    lane->last_seq = seq;
    return lane->refusing ? HS2NI_SKIP : HS2NI_TAKE;
  }
  if (!lane->refusing || seq < lane->refuse_from) {
    return HS2NI_BREACH;
  }
  lane->last_seq = seq;
  lane->refusing = seq != lane->refuse_from;
  return lane->refusing ? HS2NI_SKIP : HS2NI_TAKE;
}

static enum hs2ni_fate fate_of(struct hs2ni_rx_lane *lane,
                               const struct hs2ni_record *r) {
  struct hs2ni_env *env = hs2ni_chan_env(lane->chan);
  const enum hs2ni_fate fate = order(lane, r->seq);
  enum hs2n_reason reason;

  if (fate != HS2NI_TAKE) {
    return fate;
  }
  if (r->seq <= lane->high) {
    env->stats.messages_duplicate++;
    if (hs2ni_dedup_check(&lane->dedup, r->seq) == HS2NI_DEDUP_JUDGED) {
      lane->ack_due = true;
      hs2ni_chan_want(lane->chan);
    }
    return HS2NI_SKIP;
  }
  reason = hs2ni_rx_type_reason(lane, r);
  if (reason != HS2N_REASON_NONE) {
    env->stats.messages_refused++;
    return hs2ni_rx_refuse(lane, r, reason);
  }
  if (hs2ni_rx_crowded(lane)) {
    /* More than a peer with our limits would ever have open. */
    lane->refusing = true;
    lane->refuse_from = r->seq;
    return hs2ni_rx_refuse(lane, r, HS2N_REASON_APP_BUSY);
  }
  return HS2NI_TAKE;
}

static enum hs2n_reason fate_reason(enum hs2ni_fate fate) {
  switch (fate) {
  case HS2NI_TAKE:
  case HS2NI_SKIP:
    return HS2N_REASON_NONE;
  case HS2NI_BREACH:
    return HS2N_REASON_PROTOCOL;
  case HS2NI_CROWD:
    return HS2N_REASON_LIMIT;
  case HS2NI_FAIL:
    break;
  }
  return HS2N_REASON_INTERNAL;
}

void hs2ni_rx_ready(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;

  if (m->loose) {
    hs2ni_rx_loose_ready(m);
    return;
  }
  lane->high = m->seq;
  hs2ni_list_push_back(&lane->ready, &m->node);
  hs2ni_rx_lane_update(lane);
}

static enum hs2n_reason take_large(struct hs2ni_rx_lane *lane,
                                   const struct hs2ni_record *r,
                                   enum hs2ni_fate fate) {
  struct hs2ni_rx_msg *m = NULL;
  enum hs2n_reason reason;

  if (fate == HS2NI_TAKE && (m = hs2ni_rx_msg_taken(lane, r)) == NULL) {
    return HS2N_REASON_INTERNAL;
  }
  reason = hs2ni_rx_large(lane, r, m);
  if (reason != HS2N_REASON_NONE) {
    if (m != NULL) {
      hs2ni_rx_msg_free(m);
    }
    return reason;
  }
  if (m != NULL) {
    hs2ni_rx_ready(m);
  }
  hs2ni_rx_pair_settle(lane, r->seq);
  return HS2N_REASON_NONE;
}

static enum hs2n_reason take_small(struct hs2ni_rx_lane *lane,
                                   const struct hs2ni_record *r,
                                   enum hs2ni_fate fate) {
  struct hs2ni_rx_msg *m;

  if (fate == HS2NI_SKIP) {
    lane->skip = r->body_len;
    return HS2N_REASON_NONE;
  }
  m = hs2ni_rx_msg_taken(lane, r);
  if (m == NULL) {
    return HS2N_REASON_INTERNAL;
  }
  if (r->body_len == 0) {
    hs2ni_rx_ready(m);
    return HS2N_REASON_NONE;
  }
  if (!hs2ni_rx_stale(m)) {
    m->body = hs2ni_rx_buf_new(lane->chan, r->body_len);
    if (m->body == NULL) {
      hs2ni_rx_msg_free(m);
      return HS2N_REASON_INTERNAL;
    }
  }
  lane->partial = m;
  lane->partial_filled = 0;
  return HS2N_REASON_NONE;
}

/* Flags of records that this side said it can read. */
static uint32_t flags_known(const struct hs2ni_msgs *msgs) {
  const uint64_t caps = hs2ni_msgs_capabilities(msgs);
  uint32_t flags = HS2NI_FLAG_VIEW_BOUND;

  if ((caps & (HS2NI_CAP_LZ4 | HS2NI_CAP_ZSTD)) != 0) {
    flags |= HS2NI_FLAG_COMPRESSED;
  }
  if ((caps & HS2NI_CAP_REQUEST) != 0) {
    flags |= HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE;
  }
  if ((caps & HS2NI_CAP_SIGNED) != 0) {
    flags |= HS2NI_FLAG_SIGNED;
  }
  if ((caps & HS2NI_CAP_DATAGRAM) != 0) {
    flags |= HS2NI_FLAG_UNORDERED;
  }
  return flags;
}

/* Requests and responses keep the order of their lane, and a response answers
 * something that was asked. */
static bool role_is_good(const struct hs2ni_msgs *msgs,
                         const struct hs2ni_record *r) {
  switch (role_of(r)) {
  case HS2N_ROLE_MESSAGE:
    return true;
  case HS2N_ROLE_REQUEST:
    break;
  case HS2N_ROLE_RESPONSE:
    if (!hs2ni_request_known(msgs, r->request)) {
      return false;
    }
    break;
  }
  return (r->flags & HS2NI_FLAG_UNORDERED) == 0;
}

bool hs2ni_rx_readable(const struct hs2ni_msgs *msgs,
                       const struct hs2ni_record *r) {
  return (r->kind == HS2NI_RECORD_MSG || r->kind == HS2NI_RECORD_LARGE) &&
         (r->flags & ~flags_known(msgs)) == 0 &&
         hs2ni_rx_packed_well(msgs, r) && role_is_good(msgs, r) &&
         (r->kind == HS2NI_RECORD_LARGE ||
          r->body_len <= HS2NI_INLINE_BODY_MAX);
}

static enum hs2n_reason take_record(struct hs2ni_rx_lane *lane,
                                    const struct hs2ni_record *r) {
  enum hs2ni_fate fate;

  if (!hs2ni_rx_readable(lane->chan->msgs, r)) {
    return HS2N_REASON_PROTOCOL;
  }
  fate = (r->flags & HS2NI_FLAG_UNORDERED) != 0 ? hs2ni_rx_loose_fate(lane, r)
                                                : fate_of(lane, r);
  if (fate != HS2NI_TAKE && fate != HS2NI_SKIP) {
    return fate_reason(fate);
  }
  return r->kind == HS2NI_RECORD_LARGE ? take_large(lane, r, fate)
                                       : take_small(lane, r, fate);
}

static size_t fill(struct hs2ni_rx_lane *lane, struct hs2n_span in) {
  struct hs2ni_rx_msg *m = lane->partial;
  const size_t rest = m->body_len - lane->partial_filled;
  const size_t n = in.len < rest ? in.len : rest;
  const bool wanted = m->body != NULL;

  if (wanted) {
    memcpy(hs2ni_buf_data(m->body) + lane->partial_filled, in.data, n);
  }
  lane->partial_filled += (uint32_t)n;
  if (n == rest) {
    lane->partial = NULL;
    if (wanted) {
      hs2ni_rx_buf_whole(lane->chan, m->body_len);
    }
    hs2ni_rx_ready(m);
  }
  if (wanted) {
    hs2ni_rx_credit_body(lane->chan, lane->stream, &lane->held, n);
  } else {
    hs2ni_rx_credit(lane->chan, lane->stream, n);
  }
  return n;
}

static size_t pass_over(struct hs2ni_rx_lane *lane, struct hs2n_span in) {
  const size_t n = in.len < lane->skip ? in.len : lane->skip;

  lane->skip -= (uint32_t)n;
  hs2ni_rx_credit(lane->chan, lane->stream, n);
  return n;
}

enum hs2n_reason hs2ni_rx_lane_data(struct hs2ni_rx_lane *lane,
                                    struct hs2n_span in) {
  while (in.len > 0) {
    struct hs2ni_record record;
    size_t used;

    if (lane->partial != NULL) {
      used = fill(lane, in);
    } else if (lane->skip > 0) {
      used = pass_over(lane, in);
    } else {
      struct hs2n_span rest = in;
      const int got = hs2ni_stash_record(&lane->stash, &rest, &record);
      enum hs2n_reason reason = HS2N_REASON_NONE;

      if (got < 0) {
        return HS2N_REASON_PROTOCOL;
      }
      used = in.len - rest.len;
      hs2ni_rx_credit(lane->chan, lane->stream, used);
      if (got > 0) {
        reason = take_record(lane, &record);
      }
      if (reason != HS2N_REASON_NONE) {
        return reason;
      }
    }
    in.data += used;
    in.len -= used;
  }
  return HS2N_REASON_NONE;
}

static void drop_partial(struct hs2ni_rx_lane *lane) {
  struct hs2ni_rx_msg *m = lane->partial;

  if (m != NULL) {
    lane->partial = NULL;
    hs2ni_rx_buf_drop(lane->chan, m->body, m->body_len);
    m->body = NULL;
    hs2ni_rx_msg_free(m);
  }
}

/* Drops n and all behind it. */
static void drop_ready(struct hs2ni_rx_lane *lane, struct hs2ni_list_node *n) {
  while (n != NULL) {
    struct hs2ni_rx_msg *m = msg_of(n);

    n = n->next;
    hs2ni_list_remove(&lane->ready, &m->node);
    if (m->pair != NULL) {
      hs2ni_rx_pair_skip(m->pair);
    }
    hs2ni_rx_msg_free(m);
  }
  hs2ni_rx_lane_update(lane);
}

bool hs2ni_rx_stale(const struct hs2ni_rx_msg *m) {
  return m->view_bound && m->view < m->lane->chan->msgs->view;
}

/* Their bodies are of no use any more. */
static void forget_stale(const struct hs2ni_list *msgs) {
  for (struct hs2ni_list_node *n = msgs->head; n != NULL; n = n->next) {
    struct hs2ni_rx_msg *m = msg_of(n);

    if (hs2ni_rx_stale(m)) {
      if (m->pair != NULL) {
        hs2ni_rx_pair_skip(m->pair);
      }
      hs2ni_buf_unref(m->body);
      m->body = NULL;
    }
  }
}

void hs2ni_rx_lane_view(struct hs2ni_rx_lane *lane) {
  struct hs2ni_rx_msg *partial = lane->partial;

  forget_stale(&lane->ready);
  forget_stale(&lane->loose.ready);
  if (partial != NULL && hs2ni_rx_stale(partial)) {
    hs2ni_rx_buf_drop(lane->chan, partial->body, partial->body_len);
    partial->body = NULL;
  }
  hs2ni_rx_lane_update(lane);
}

void hs2ni_rx_lane_refuse(struct hs2ni_rx_lane *lane, uint64_t seq) {
  struct hs2ni_list_node *n = lane->ready.head;

  while (n != NULL && msg_of(n)->seq < seq) {
    n = n->next;
  }
  drop_ready(lane, n);
  if (lane->partial != NULL && !lane->partial->loose) {
    lane->skip = lane->partial->body_len - lane->partial_filled;
    drop_partial(lane);
  }
  lane->high = seq - 1;
}

void hs2ni_rx_lane_detach(struct hs2ni_rx_lane *lane) {
  struct hs2ni_list_node *n = lane->ready.head;

  drop_partial(lane);
  while (n != NULL && msg_of(n)->pair == NULL) {
    n = n->next;
  }
  drop_ready(lane, n);
  while (lane->pairs.head != NULL) {
    hs2ni_rx_pair_free(
        HS2NI_CONTAINER(lane->pairs.head, struct hs2ni_rx_pair, node));
  }
  lane->high = lane->dedup.newest;
  if (lane->ready.tail != NULL && msg_of(lane->ready.tail)->seq > lane->high) {
    lane->high = msg_of(lane->ready.tail)->seq;
  }
  lane->has_stream = false;
  lane->refusing = false;
  lane->last_seq = 0;
  lane->stash.len = 0;
  lane->skip = 0;
  lane->held.bytes = 0;
}

void hs2ni_rx_lane_void(struct hs2ni_rx_lane *lane) {
  struct hs2ni_list_node *n;

  drop_ready(lane, lane->ready.head);
  while ((n = hs2ni_list_pop_front(&lane->later)) != NULL) {
    hs2ni_rx_msg_free(msg_of(n));
  }
  hs2ni_rx_loose_void(lane);
  lane->dedup = (struct hs2ni_dedup){0};
  lane->high = 0;
  lane->ack_due = false;
}
