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

/* On its way it took some time, so that its asker is not given up too early. */
static hs2n_time until(const struct hs2ni_rx_lane *lane,
                       const struct hs2ni_record *r) {
  return r->left_ms == 0
             ? 0
             : hs2ni_chan_env(lane->chan)->now + HS2N_MS(r->left_ms);
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
        .until = until(lane, r),
        .body_len = r->body_len,
        .raw_len = r->raw_len,
        .codec = (uint8_t)r->codec,
        .status = r->status,
        .type = r->type,
        .role = (uint8_t)hs2ni_rx_role(r),
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
  if (hs2ni_rx_role(r) == HS2N_ROLE_RESPONSE && code != HS2N_REASON_APP_BUSY) {
    hs2ni_request_spoilt(lane->chan, r->request, code);
  }
  return HS2NI_SKIP;
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
  if (hs2ni_rx_crowded(lane) ||
      (lane->batch.is_open && !hs2ni_rx_batch_room(lane, r)) ||
      (lane->chan->rx.carries && r->body_len > 0 &&
       hs2ni_rx_carries(lane->chan))) {
    /* More than a peer with our limits would ever have open, or more than
     * fits for now of what comes compressed, or over several connections. */
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

static enum hs2n_reason take_record(struct hs2ni_rx_lane *lane,
                                    const struct hs2ni_record *r) {
  enum hs2ni_fate fate;

  if (r->kind == HS2NI_RECORD_BATCH) {
    return hs2ni_rx_batch_begin(lane, r);
  }
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

/* The next n bytes of the partial message's body; false: nobody wants them. */
static bool put(struct hs2ni_rx_lane *lane, const uint8_t *data, size_t n) {
  struct hs2ni_rx_msg *m = lane->partial;
  const bool wanted = m->body != NULL;

  if (wanted) {
    memcpy(hs2ni_buf_data(m->body) + lane->partial_filled, data, n);
  }
  lane->partial_filled += (uint32_t)n;
  if (lane->partial_filled == m->body_len) {
    lane->partial = NULL;
    if (wanted) {
      hs2ni_rx_buf_whole(lane->chan, m->body_len);
    }
    hs2ni_rx_ready(m);
  }
  return wanted;
}

static size_t fill(struct hs2ni_rx_lane *lane, struct hs2n_span in) {
  const size_t rest = lane->partial->body_len - lane->partial_filled;
  const size_t n = in.len < rest ? in.len : rest;

  if (put(lane, in.data, n) && hs2ni_rx_holds_too_much(lane->chan)) {
    hs2ni_rx_withhold(lane->chan, &lane->held, n);
  } else {
    lane->owed += n;
  }
  return n;
}

enum hs2n_reason hs2ni_rx_lane_whole(struct hs2ni_rx_lane *lane,
                                     const struct hs2ni_record *r,
                                     const uint8_t *body) {
  const enum hs2n_reason reason = take_record(lane, r);

  lane->skip = 0;
  if (reason == HS2N_REASON_NONE && lane->partial != NULL) {
    (void)put(lane, body, r->body_len);
  }
  return reason;
}

static size_t pass_over(struct hs2ni_rx_lane *lane, struct hs2n_span in) {
  const size_t n = in.len < lane->skip ? in.len : lane->skip;

  lane->skip -= (uint32_t)n;
  lane->owed += n;
  return n;
}

/* Takes a record from the front of in, or keeps its front. */
static enum hs2n_reason next_record(struct hs2ni_rx_lane *lane,
                                    struct hs2n_span in, size_t *used) {
  struct hs2n_span rest = in;
  struct hs2ni_record record;
  const int got = hs2ni_stash_record(&lane->stash, &rest, &record);

  if (got < 0) {
    return HS2N_REASON_PROTOCOL;
  }
  *used = in.len - rest.len;
  lane->owed += *used;
  return got > 0 ? take_record(lane, &record) : HS2N_REASON_NONE;
}

static enum hs2n_reason take_bytes(struct hs2ni_rx_lane *lane,
                                   struct hs2n_span in) {
  while (in.len > 0) {
    enum hs2n_reason reason = HS2N_REASON_NONE;
    size_t used = 0;

    if (lane->partial != NULL) {
      used = fill(lane, in);
    } else if (lane->batch.packed != NULL) {
      reason = hs2ni_rx_batch_data(lane, in, &used);
    } else if (lane->skip > 0) {
      used = pass_over(lane, in);
    } else {
      reason = next_record(lane, in, &used);
    }
    if (reason != HS2N_REASON_NONE) {
      return reason;
    }
    in.data += used;
    in.len -= used;
  }
  return HS2N_REASON_NONE;
}

/* The credit of all the records in a packet goes back at once. */
enum hs2n_reason hs2ni_rx_lane_data(struct hs2ni_rx_lane *lane,
                                    struct hs2n_span in) {
  const enum hs2n_reason reason = take_bytes(lane, in);
  const size_t owed = lane->owed;

  lane->owed = 0;
  hs2ni_rx_credit(lane->chan, lane->stream, owed);
  return reason;
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
  hs2ni_rx_bodies_seat(lane);
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
  hs2ni_rx_bodies_seat(lane);
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
  hs2ni_rx_batch_drop(lane);
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
  lane->starved = false;
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
