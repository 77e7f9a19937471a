/* Messages for one peer: their budgets and their end. */
#include "msg/chan.h"

#include <assert.h>

bool hs2ni_tx_expired(const struct hs2ni_tx_msg *m) {
  return m->deadline != 0 && m->deadline <= hs2ni_chan_env(m->lane->chan)->now;
}

/* The message of the lane that one of this type and key supersedes, or NULL.
 * There is at most one, and few keys are open at once, the last used ones in
 * front. */
static struct hs2ni_tx_msg *same_key(const struct hs2ni_tx_lane *lane,
                                     uint8_t type, uint64_t key) {
  for (struct hs2ni_list_node *n = lane->keyed.head; n != NULL; n = n->next) {
    struct hs2ni_tx_msg *m = HS2NI_CONTAINER(n, struct hs2ni_tx_msg, key_node);

    if (m->type == type && m->key == key) {
      return m;
    }
  }
  return NULL;
}

bool hs2ni_tx_has_room(const struct hs2ni_chan *chan, uint8_t lane,
                       const struct hs2n_msg *msg) {
  const struct hs2n_limits *limits = &hs2ni_chan_env(chan)->limits;
  const size_t len = msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len;
  const struct hs2ni_tx_msg *old = NULL;
  uint64_t bytes = chan->charged_bytes;
  uint32_t msgs = chan->tx[lane].charged_msgs;

  if ((msg->flags & HS2N_MSG_SUPERSEDE) != 0) {
    old = same_key(&chan->tx[lane], msg->type, msg->key);
  }
  if (old != NULL && old->frame == NULL) {
    msgs--; /* its room comes back at once */
    bytes -= old->body_len;
  }
  return msgs < limits->tx_queue_msgs_max &&
         bytes <= limits->tx_queue_bytes_max &&
         len <= limits->tx_queue_bytes_max - bytes;
}

/* Messages without a tag have no timer, so the expired ones among them are
 * looked for when their room is needed. */
static void sweep(const struct hs2ni_list *msgs) {
  struct hs2ni_list_node *n = msgs->head;

  while (n != NULL) {
    struct hs2ni_tx_msg *m = HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);

    n = n->next;
    if (m->send == NULL && hs2ni_tx_expired(m)) {
      hs2ni_tx_drop(m, HS2N_REASON_WITHDRAWN);
    }
  }
}

bool hs2ni_tx_room(struct hs2ni_chan *chan, uint8_t lane,
                   const struct hs2n_msg *msg) {
  const struct hs2n_limits *limits = &hs2ni_chan_env(chan)->limits;

  if (hs2ni_tx_has_room(chan, lane, msg)) {
    return true;
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (chan->tx[i].dated_n > 0) {
      sweep(&chan->tx[i].msgs);
      sweep(&chan->tx[i].loose.fresh);
      sweep(&chan->tx[i].loose.out);
    }
  }
  if (hs2ni_tx_has_room(chan, lane, msg)) {
    return true;
  }
  if (chan->tx[lane].charged_msgs >= limits->tx_queue_msgs_max) {
    chan->full_lanes |= 1u << lane;
  } else {
    chan->full_bytes = true;
  }
  return false;
}

struct hs2ni_tx_msg *hs2ni_tx_new(struct hs2ni_chan *chan,
                                  const struct hs2n_msg *msg, uint8_t lane,
                                  struct hs2ni_form *form) {
  struct hs2ni_tx_msg *m =
      hs2ni_pool_take(hs2ni_chan_pool(chan), sizeof(struct hs2ni_tx_msg));

  if (m == NULL) {
    return NULL;
  }
  *m = (struct hs2ni_tx_msg){
      .lane = &chan->tx[lane],
      .form = hs2ni_form_ref(form),
      .view = msg->view,
      .deadline = msg->deadline,
      .type = msg->type,
      .view_bound = (msg->flags & HS2N_MSG_VIEW_BOUND) != 0,
      .supersede = (msg->flags & HS2N_MSG_SUPERSEDE) != 0,
      .datagram_ok = (msg->flags & HS2N_MSG_DATAGRAM_OK) != 0,
      .packable =
          chan->msgs->types[msg->type].compression != HS2N_COMPRESSION_NONE &&
          !chan->msgs->types[msg->type].is_signed &&
          (msg->flags & HS2N_MSG_SECRET) == 0,
      .key = msg->key,
  };
  if (msg->body != NULL && hs2n_buf_span(msg->body).len > 0) {
    m->body = hs2ni_buf_ref(msg->body);
    m->body_len = (uint32_t)hs2n_buf_span(msg->body).len;
  }
  return m;
}

void hs2ni_tx_discard(struct hs2ni_tx_msg *m) {
  hs2ni_buf_unref(m->body);
  hs2ni_form_unref(m->form);
  hs2ni_pool_give(hs2ni_chan_pool(m->lane->chan), m, sizeof(*m));
}

static uint32_t wrapped_us(const struct hs2ni_chan *chan) {
  return (uint32_t)(hs2ni_chan_env(chan)->now / HS2N_US(1));
}

void hs2ni_tx_time(struct hs2ni_tx_msg *m) {
  /* That of catch-up and bulk says how much of it there is. */
  if (!m->timed && m->lane->chan->conn != NULL &&
      m->lane->lane <= HS2N_LANE_PROPOSAL) {
    m->timed = true;
    m->timed_us = wrapped_us(m->lane->chan);
  }
}

/* Ends the message whose place m takes. */
static void supersede(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_msg *old = same_key(m->lane, m->type, m->key);

  hs2ni_list_push_front(&m->lane->keyed, &m->key_node);
  if (old != NULL) {
    hs2ni_chan_env(m->lane->chan)->stats.messages_superseded++;
    hs2ni_tx_failed(old, HS2N_DONE_CANCELLED, HS2N_REASON_NONE);
  }
}

void hs2ni_tx_append(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_lane *lane = m->lane;

  hs2ni_list_push_back(&lane->msgs, &m->node);
  if (lane->next == NULL) {
    lane->next = m;
  }
}

void hs2ni_tx_queue(struct hs2ni_tx_msg *m, hs2n_time hold_ns) {
  struct hs2ni_tx_lane *lane = m->lane;
  struct hs2ni_env *env = hs2ni_chan_env(lane->chan);
  const bool held =
      (hold_ns != 0 || hs2ni_tx_holds(lane)) && hs2ni_tx_hold_join(m, hold_ns);

  m->order = ++lane->chan->msgs->order;
  if (env->entered && !held) {
    hs2ni_tx_time(m); /* else now is of the entry before: when it leaves */
  }
  if (m->datagram_ok && hs2ni_tx_loose_fits(m)) {
    hs2ni_tx_loose_queue(m);
  } else {
    hs2ni_tx_append(m);
  }
  lane->charged_msgs++;
  lane->chan->charged_bytes += m->body_len;
  lane->view_bound_n += m->view_bound;
  lane->dated_n += m->deadline != 0;
  env->stats.messages_sent++;
  env->stats.message_bytes_sent += m->body_len;
  env->stats.messages_spread += held;
  if (m->supersede) {
    supersede(m); /* last, so that a lane that is held stays so */
  }
  if (!hs2ni_tx_holds(lane) || !hs2ni_tx_held(lane)) {
    hs2ni_chan_want_at(lane->chan, hs2ni_rank(lane->lane, m->order));
  }
}

void hs2ni_tx_uncharge(struct hs2ni_tx_lane *lane, uint32_t bytes) {
  assert(lane->charged_msgs > 0);
  assert(lane->chan->charged_bytes >= bytes);
  lane->charged_msgs--;
  lane->chan->charged_bytes -= bytes;
  hs2ni_chan_room(lane->chan);
}

void hs2ni_tx_drop(struct hs2ni_tx_msg *m, enum hs2n_reason code) {
  struct hs2ni_tx_lane *lane = m->lane;
  const uint32_t bytes = m->body_len;

  if (lane->next == m) {
    lane->next = m->node.next == NULL
                     ? NULL
                     : HS2NI_CONTAINER(m->node.next, struct hs2ni_tx_msg, node);
  }
  if (m->loose.is) {
    hs2ni_tx_loose_remove(m);
  } else {
    hs2ni_list_remove(&lane->msgs, &m->node);
  }
  if (m->supersede) {
    hs2ni_list_remove(&lane->keyed, &m->key_node);
  }
  lane->view_bound_n -= m->view_bound;
  lane->dated_n -= m->deadline != 0;
  if (hs2ni_tx_holds(lane)) {
    hs2ni_tx_hold_left(lane);
  }
  if (m->frame != NULL && m->frame->batch == NULL) {
    /* The body stays in memory as long as the transport needs it, so the
     * room it takes is not given to others before. */
    hs2ni_frame_leave(m->frame, code, true);
  } else {
    if (m->frame != NULL) {
      hs2ni_tx_batch_leave(m); /* which has bytes and a budget of its own */
    }
    hs2ni_tx_uncharge(lane, bytes);
  }
  if (m->out) {
    hs2ni_tx_busy_left(m);
  }
  hs2ni_tx_discard(m);
}

void hs2ni_tx_acked(struct hs2ni_tx_msg *m) {
  struct hs2ni_send *send = m->send;
  struct hs2ni_request *request = m->request;
  const uint32_t target = m->target;

  hs2ni_chan_env(m->lane->chan)->stats.acks_received++;
  if (m->timed) {
    hs2ni_delay_add(&m->lane->chan->delay,
                    wrapped_us(m->lane->chan) - m->timed_us);
  }
  if (m->loose.is) {
    hs2ni_tx_loose_taken(m->lane);
  } else {
    hs2ni_tx_busy_taken(m->lane);
  }
  hs2ni_tx_drop(m, HS2N_REASON_WITHDRAWN);
  if (send != NULL) {
    hs2ni_send_acked(send, target);
  } else if (request != NULL) {
    hs2ni_request_taken(request, target);
  }
}

void hs2ni_tx_failed(struct hs2ni_tx_msg *m, enum hs2n_outcome outcome,
                     enum hs2n_reason reason) {
  struct hs2ni_send *send = m->send;
  struct hs2ni_request *request = m->request;
  const uint32_t target = m->target;

  hs2ni_tx_drop(m, reason != HS2N_REASON_NONE ? reason : HS2N_REASON_WITHDRAWN);
  if (send != NULL) {
    hs2ni_send_failed(send, target, outcome, reason);
  } else if (request != NULL) {
    assert(outcome == HS2N_DONE_REFUSED); /* see hs2ni_requests_leave */
    hs2ni_request_refused(request, target, reason);
  }
}
