/* Large bodies on streams of their own, the peer's side. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

static struct hs2ni_rx_pair *pair_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_rx_pair, node);
}

struct hs2ni_rx_pair *hs2ni_rx_pair_find(struct hs2ni_chan *chan,
                                         uint64_t stream) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    for (struct hs2ni_list_node *n = chan->rx.lanes[i].pairs.head; n != NULL;
         n = n->next) {
      if (pair_of(n)->has_stream && pair_of(n)->stream == stream &&
          !pair_of(n)->ended) {
        return pair_of(n);
      }
    }
  }
  return NULL;
}

void hs2ni_rx_pair_free(struct hs2ni_rx_pair *p) {
  struct hs2ni_rx_lane *lane = p->lane;
  struct hs2ni_chan *chan = lane->chan;

  if (p->body != NULL) {
    if (p->ended) {
      hs2ni_buf_unref(p->body);
    } else {
      hs2ni_rx_buf_drop(chan, p->body, p->len);
    }
  }
  if (p->msg != NULL) {
    p->msg->pair = NULL;
  }
  hs2ni_rx_park_drop(p);
  hs2ni_rx_seat_leave(p);
  hs2ni_rx_held_end(chan, p->stream, &p->held);
  hs2ni_list_remove(&lane->pairs, &p->node);
  hs2ni_pool_give(hs2ni_chan_pool(chan), p, sizeof(*p));
}

/* The peer keeps what it has open within these bounds (tx_body.c). */
static bool is_full(const struct hs2ni_rx_lane *lane) {
  size_t n = 0;

  for (size_t i = 0; i < HS2N_LANES; i++) {
    n += lane->chan->rx.lanes[i].pairs.count;
  }
  return n >= HS2NI_BODIES_MAX || lane->pairs.count >= HS2NI_LANE_BODIES_MAX;
}

/* The pair of seq, a new one when there is none yet. */
static enum hs2n_reason join(struct hs2ni_rx_lane *lane, uint64_t seq,
                             uint32_t len, struct hs2ni_rx_pair **out) {
  struct hs2ni_rx_pair *p;

  if (len == 0) {
    return HS2N_REASON_PROTOCOL;
  }
  for (struct hs2ni_list_node *n = lane->pairs.head; n != NULL; n = n->next) {
    p = pair_of(n);
    if (p->seq == seq) {
      *out = p;
      return p->len == len ? HS2N_REASON_NONE : HS2N_REASON_PROTOCOL;
    }
  }
  if (is_full(lane)) {
    return HS2N_REASON_LIMIT;
  }
  p = hs2ni_pool_take(hs2ni_chan_pool(lane->chan), sizeof(*p));
  if (p == NULL) {
    return HS2N_REASON_INTERNAL;
  }
  *p = (struct hs2ni_rx_pair){.lane = lane, .seq = seq, .len = len};
  hs2ni_list_push_front(&lane->pairs, &p->node);
  *out = p;
  return HS2N_REASON_NONE;
}

/* Settles a pair of which both halves have come and the stream has ended,
 * unless its body still waits for room. */
static void settle(struct hs2ni_rx_pair *p) {
  struct hs2ni_rx_lane *lane = p->lane;
  struct hs2ni_rx_msg *m = p->msg;

  if (!p->has_record || !p->ended ||
      (m != NULL && !p->seated && !p->withdrawn)) {
    return;
  }
  if (m != NULL && p->withdrawn) {
    hs2ni_list_remove(&lane->ready, &m->node);
    hs2ni_rx_msg_free(m);
    p->msg = NULL;
  } else if (m != NULL) {
    m->body = p->body;
    p->body = NULL;
  }
  hs2ni_rx_pair_free(p);
  hs2ni_rx_lane_update(lane);
}

/* With both halves known nothing is left to wait for: the peer is asked to
 * stop, and the link passes over what is still on its way. */
static void stop(struct hs2ni_rx_pair *p) {
  struct hs2ni_chan *chan = p->lane->chan;

  if (chan->conn != NULL && p->has_record && p->has_stream && !p->ended) {
    chan->conn->ops->stream_stop(chan->conn, p->stream, HS2N_REASON_WITHDRAWN);
    hs2ni_rx_pair_free(p);
  }
}

void hs2ni_rx_pair_skip(struct hs2ni_rx_pair *p) {
  if (p->msg != NULL) {
    p->msg->pair = NULL;
    p->msg = NULL;
  }
  p->skip = true;
  if (p->body != NULL && !p->ended) {
    hs2ni_rx_buf_drop(p->lane->chan, p->body, p->len);
    p->body = NULL;
  }
  hs2ni_rx_park_drop(p);
  hs2ni_rx_seat_leave(p);
  if (p->has_record && p->ended) {
    hs2ni_rx_pair_free(p); /* whole, and still without room */
  } else {
    stop(p);
  }
}

void hs2ni_rx_bodies_seat(struct hs2ni_rx_lane *lane) {
  struct hs2ni_rx_pair *p;

  while ((p = hs2ni_rx_seat_next(lane)) != NULL) {
    settle(p);
  }
}

enum hs2n_reason hs2ni_rx_large(struct hs2ni_rx_lane *lane,
                                const struct hs2ni_record *record,
                                struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_pair *p;
  const enum hs2n_reason reason = join(lane, record->seq, record->body_len, &p);

  if (reason != HS2N_REASON_NONE) {
    return reason;
  }
  if (p->has_record) {
    return HS2N_REASON_PROTOCOL;
  }
  p->has_record = true;
  hs2ni_list_remove(&lane->pairs, &p->node);
  hs2ni_list_push_back(&lane->pairs, &p->node);
  if (m == NULL || hs2ni_rx_stale(m)) {
    hs2ni_rx_pair_skip(p);
  } else {
    p->msg = m;
    m->pair = p;
  }
  return HS2N_REASON_NONE;
}

void hs2ni_rx_pair_settle(struct hs2ni_rx_lane *lane, uint64_t seq) {
  for (struct hs2ni_list_node *n = lane->pairs.head; n != NULL; n = n->next) {
    if (pair_of(n)->seq == seq) {
      settle(pair_of(n));
      break;
    }
  }
  hs2ni_rx_bodies_seat(lane);
}

enum hs2n_reason hs2ni_rx_body_open(struct hs2ni_chan *chan,
                                    const struct hs2ni_head *head,
                                    uint64_t stream) {
  struct hs2ni_rx_lane *lane = &chan->rx.lanes[head->lane];
  struct hs2ni_rx_pair *p;
  const enum hs2n_reason reason = join(lane, head->seq, head->len, &p);

  if (reason != HS2N_REASON_NONE) {
    return reason;
  }
  if (p->has_stream) {
    return HS2N_REASON_PROTOCOL;
  }
  p->has_stream = true;
  p->stream = stream;
  if (head->len > chan->msgs->body_max[head->lane]) {
    p->skip = true; /* no type of the lane may be so large */
  }
  if (p->skip) {
    stop(p);
  }
  return HS2N_REASON_NONE;
}

static enum hs2n_reason end(struct hs2ni_rx_pair *p) {
  struct hs2ni_rx_lane *lane = p->lane;

  if (p->filled < p->len) {
    return HS2N_REASON_PROTOCOL;
  }
  if (p->body != NULL) {
    hs2ni_rx_buf_whole(lane->chan, p->len);
  }
  p->ended = true;
  settle(p);
  hs2ni_rx_bodies_seat(lane);
  return HS2N_REASON_NONE;
}

/* Into its buffer; false: out of memory. */
static bool put(struct hs2ni_rx_pair *p, struct hs2n_span bytes) {
  struct hs2ni_chan *chan = p->lane->chan;

  if (p->body == NULL) {
    p->body = hs2ni_rx_buf_new(chan, p->len);
    if (p->body == NULL) {
      return false;
    }
  }
  memcpy(hs2ni_buf_data(p->body) + p->filled, bytes.data, bytes.len);
  hs2ni_rx_credit_body(chan, p->stream, &p->held, bytes.len);
  return true;
}

enum hs2n_reason hs2ni_rx_body_data(struct hs2ni_rx_pair *p,
                                    struct hs2n_span bytes, bool fin) {
  if (bytes.len > p->len - p->filled) {
    return HS2N_REASON_PROTOCOL;
  }
  if (p->skip) {
    hs2ni_rx_credit(p->lane->chan, p->stream, bytes.len);
  } else if (bytes.len > 0 &&
             !(p->seated ? put(p, bytes) : hs2ni_rx_park(p, bytes))) {
    return HS2N_REASON_INTERNAL;
  }
  p->filled += (uint32_t)bytes.len;
  return fin ? end(p) : HS2N_REASON_NONE;
}

void hs2ni_rx_body_reset(struct hs2ni_rx_pair *p) {
  struct hs2ni_rx_lane *lane = p->lane;

  hs2ni_rx_buf_drop(lane->chan, p->body, p->len);
  p->body = NULL;
  hs2ni_rx_park_drop(p);
  hs2ni_rx_seat_leave(p);
  p->ended = true;
  p->withdrawn = true;
  settle(p);
  hs2ni_rx_bodies_seat(lane);
}
