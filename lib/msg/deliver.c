/* Received messages on their way to the application, and its verdicts. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

/* What has no order comes first: nothing holds it up. */
static struct hs2ni_rx_msg *first_ready(const struct hs2ni_rx_lane *lane) {
  struct hs2ni_list_node *n = lane->loose.ready.head != NULL
                                  ? lane->loose.ready.head
                                  : lane->ready.head;

  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node);
}

static bool can_fetch(const struct hs2ni_rx_lane *lane) {
  const struct hs2ni_rx *rx = &lane->chan->rx;
  const struct hs2ni_rx_msg *m = first_ready(lane);

  return m != NULL && m->pair == NULL && hs2ni_rx_may_inflate(m) &&
         (m->loose || m->acked || hs2ni_dedup_room(&lane->dedup, m->seq)) &&
         lane->later.count < hs2ni_chan_env(lane->chan)->limits.rx_later_max &&
         rx->nacks_pending.count + rx->nacks_sent.count < HS2NI_NACKS_MAX &&
         !hs2ni_rx_waste_over(lane->chan) &&
         !hs2ni_rx_holds_too_many(lane->chan);
}

void hs2ni_rx_lane_update(struct hs2ni_rx_lane *lane) {
  struct hs2ni_list *fetch = &lane->chan->msgs->fetch[lane->lane];
  const bool can = can_fetch(lane);

  if (can && !lane->fetchable) {
    hs2ni_list_push_back(fetch, &lane->fetch_node);
  } else if (!can && lane->fetchable) {
    hs2ni_list_remove(fetch, &lane->fetch_node);
  }
  lane->fetchable = can;
}

void hs2ni_rx_nack(struct hs2ni_rx_msg *m, enum hs2n_reason code) {
  struct hs2ni_chan *chan = m->lane->chan;

  hs2ni_buf_unref(m->body);
  m->body = NULL;
  m->code = code;
  hs2ni_list_push_back(&chan->rx.nacks_pending, &m->node);
  hs2ni_chan_want(chan);
}

static void judged(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;

  if (m->acked) {
    return;
  }
  m->acked = true;
  if (m->loose) {
    hs2ni_loose_window_judge(&lane->loose.window, m->seq);
    lane->loose.ack_due = true;
  } else {
    hs2ni_dedup_judge(&lane->dedup, m->seq);
    lane->ack_due = true;
  }
  hs2ni_chan_want(lane->chan);
}

/* Takes the first message out of the lane, and the lane out of those that can
 * be fetched from: what becomes of the message puts it back, behind the others,
 * so that a peer that floods does not keep them waiting. */
static struct hs2ni_rx_msg *take(struct hs2ni_rx_lane *lane) {
  struct hs2ni_list *fetch = &lane->chan->msgs->fetch[lane->lane];
  struct hs2ni_rx_msg *m = first_ready(lane);

  hs2ni_list_remove(m->loose ? &lane->loose.ready : &lane->ready, &m->node);
  if (m->acked) {
    hs2ni_future_leave(m);
  } else if (!m->loose) {
    hs2ni_dedup_take(&lane->dedup, m->seq);
  }
  hs2ni_list_remove(fetch, &lane->fetch_node);
  lane->fetchable = false;
  return m;
}

/* Refuses a message for good.  It is judged, so that it does not come again on
 * the next connection. */
static void refuse(struct hs2ni_rx_msg *m, enum hs2n_reason code) {
  struct hs2ni_rx_lane *lane = m->lane;

  hs2ni_chan_env(lane->chan)->stats.messages_refused++;
  if (m->role == HS2N_ROLE_RESPONSE) {
    hs2ni_request_spoilt(lane->chan, m->number, code);
  }
  judged(m);
  hs2ni_rx_nack(m, code);
  hs2ni_rx_lane_update(lane);
}

static void drop(struct hs2ni_rx_msg *m) {
  judged(m);
  hs2ni_rx_msg_free(m);
}

/* Whether a request is of no use to its asker any more, or can't be taken up
 * now, so that its asker has to turn to another peer. */
static bool is_unserved(struct hs2ni_rx_msg *m) {
  if (hs2ni_rx_request_late(m)) {
    hs2ni_chan_env(m->lane->chan)->stats.requests_overdue++;
  } else if (hs2ni_rx_request_room(m->lane->chan)) {
    return false;
  }
  refuse(m, HS2N_REASON_NOT_SERVED);
  return true;
}

/* Whether nobody waits for m any more, so that it is dealt with unseen. */
static bool is_useless(struct hs2ni_rx_msg *m) {
  struct hs2n_stats *stats = &hs2ni_chan_env(m->lane->chan)->stats;

  if (hs2ni_rx_stale(m)) {
    stats->messages_stale++;
    if (m->role == HS2N_ROLE_REQUEST) {
      refuse(m, HS2N_REASON_VIEW_ENDED); /* its asker goes on */
    } else {
      drop(m); /* taken, but of no use */
    }
    return true;
  }
  if (m->role == HS2N_ROLE_RESPONSE && !hs2ni_request_waits(m)) {
    stats->responses_dropped++;
    drop(m);
    return true;
  }
  return m->role == HS2N_ROLE_REQUEST && is_unserved(m);
}

static struct hs2ni_rx_msg *next_message(struct hs2ni_msgs *msgs) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    while (msgs->fetch[i].head != NULL) {
      struct hs2ni_rx_lane *lane = HS2NI_CONTAINER(
          msgs->fetch[i].head, struct hs2ni_rx_lane, fetch_node);
      struct hs2ni_rx_msg *m = take(lane);

      if (!is_useless(m)) {
        return m;
      }
      hs2ni_rx_lane_update(lane);
    }
  }
  return NULL;
}

void hs2ni_deliver_return(struct hs2ni_msgs *msgs) {
  struct hs2n_buf *lent = msgs->lent;

  msgs->lent = NULL;
  hs2ni_buf_unref(lent);
}

/* Refuses m and what follows it in the lane, until it comes again; m alone when
 * it has no order. */
static void busy(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;
  const uint64_t seq = m->seq;

  if (m->loose) {
    hs2ni_loose_window_untake(&lane->loose.window, seq);
    hs2ni_rx_nack(m, HS2N_REASON_APP_BUSY);
    return;
  }
  hs2ni_dedup_untake(&lane->dedup, seq);
  hs2ni_rx_lane_refuse(lane, seq);
  if (lane->last_seq >= seq) {
    lane->refusing = true;
    lane->refuse_from = seq;
    hs2ni_rx_nack(m, HS2N_REASON_APP_BUSY);
  } else {
    /* It is from an earlier connection, and still to come on this one. */
    hs2ni_rx_msg_free(m);
  }
}

/* Memory ran out before m could be given to the application. */
static void put_back(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;

  busy(m); /* m may be gone */
  hs2ni_rx_lane_update(lane);
}

/* Whether m, if it is a request, could be noted.  When not, it is refused. */
static bool noted(struct hs2ni_rx_msg *m) {
  if (m->role != HS2N_ROLE_REQUEST || hs2ni_rx_request_note(m)) {
    return true;
  }
  refuse(m, HS2N_REASON_NOT_SERVED);
  return false;
}

static enum hs2ni_event_kind kind_of(const struct hs2ni_rx_msg *m) {
  switch ((enum hs2n_type_role)m->role) {
  case HS2N_ROLE_MESSAGE:
    break;
  case HS2N_ROLE_REQUEST:
    return HS2NI_EVENT_REQUEST;
  case HS2N_ROLE_RESPONSE:
    return HS2NI_EVENT_RESPONSE;
  }
  return HS2NI_EVENT_MESSAGE;
}

/* What the application gets of m. */
static struct hs2n_msg given(const struct hs2ni_rx_msg *m) {
  return (struct hs2n_msg){
      .type = m->type,
      .flags = m->view_bound ? HS2N_MSG_VIEW_BOUND : 0,
      .view = m->view,
      .deadline = m->until,
      .body = m->body,
      .signature = {m->signature,
                    m->signature == NULL ? 0 : HS2N_SIGNATURE_LEN},
  };
}

static void deliver(struct hs2ni_msgs *msgs, struct hs2ni_rx_msg *m,
                    struct hs2ni_event *out) {
  msgs->fetched = m;
  msgs->lent = m->body == NULL ? NULL : hs2ni_buf_ref(m->body);
  msgs->env->stats.messages_received++;
  msgs->env->stats.message_bytes_received += m->body_len;
  *out = (struct hs2ni_event){
      .kind = kind_of(m),
      .peer = m->lane->chan->peer,
      .status = m->status,
      .id = {.incarnation = m->lane->chan->incarnation,
             .seq = m->seq,
             .lane = m->lane->lane,
             .unordered = m->loose},
      .msg = given(m),
  };
  if (m->signature != NULL) {
    memcpy(msgs->lent_signature, m->signature, HS2N_SIGNATURE_LEN);
    out->msg.signature.data = msgs->lent_signature;
  }
  if (m->role == HS2N_ROLE_RESPONSE) {
    out->tag = hs2ni_request_answer(m);
  }
}

/* Whether m, which is whole, is signed by its sender, where it must be.  When
 * it is not to be delivered it is dealt with. */
static bool verified(struct hs2ni_rx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;
  const struct hs2n_msg msg = given(m);

  if (m->signature == NULL || m->acked) {
    return true; /* or was verified when it was given first */
  }
  switch (
      hs2ni_signature_check(chan->msgs->signer.chain_id, &chan->signee, &msg)) {
  case HS2N_OK:
    return true;
  case HS2N_ERR_BAD_SIGNATURE:
    chan->msgs->env->stats.refused_signature++;
    hs2ni_rx_waste_refused(m);
    refuse(m, HS2N_REASON_BAD_SIGNATURE);
    return false;
  default: /* not now, see signature.h */
    put_back(m);
    return false;
  }
}

/* Whether the application has taken the same already, from whomever.  Then m is
 * dealt with unseen. */
static bool is_known(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;
  struct hs2ni_msgs *msgs = lane->chan->msgs;
  const struct hs2n_msg msg = given(m);

  if (!msgs->types[m->type].by_content) {
    return false;
  }
  m->content = hs2ni_contents_id(msgs->contents, &msg);
  if (!hs2ni_contents_have(msgs->contents, &m->content)) {
    return false;
  }
  msgs->env->stats.messages_known++;
  /* So that it stays known though the peer that was first sends many more. */
  hs2ni_content_ring_add(lane->chan->content, &m->content);
  drop(m);
  hs2ni_rx_lane_update(lane);
  return true;
}

/* The application has taken m. */
static void remember(const struct hs2ni_rx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;

  if (chan->msgs->types[m->type].by_content) {
    hs2ni_content_ring_add(chan->content, &m->content);
  }
}

bool hs2ni_deliver_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out) {
  struct hs2ni_rx_msg *m;

  assert(msgs->fetched == NULL);
  hs2ni_deliver_return(msgs);
  while ((m = next_message(msgs)) != NULL) {
    switch (hs2ni_rx_inflate(m)) {
    case HS2NI_OPENED:
      if (verified(m) && !is_known(m) && noted(m)) {
        deliver(msgs, m, out);
        return true;
      }
      break;
    case HS2NI_OPENED_BAD:
      msgs->env->stats.bodies_malformed++;
      *out = (struct hs2ni_event){.kind = HS2NI_EVENT_BREACH,
                                  .peer = m->lane->chan->peer,
                                  .reason = HS2N_REASON_PROTOCOL};
      hs2ni_rx_waste_refused(m);
      refuse(m, HS2N_REASON_BAD_BODY);
      return true;
    case HS2NI_OPENED_NO_MEMORY:
      put_back(m);
      break;
    }
  }
  return false;
}

void hs2ni_deliver_forget(struct hs2ni_chan *chan) {
  struct hs2ni_rx_msg *m = chan->msgs->fetched;

  if (m != NULL && m->lane->chan == chan) {
    chan->msgs->fetched = NULL;
    hs2ni_rx_msg_free(m);
  }
}

static void wait_for_judge(struct hs2ni_rx_msg *m) {
  hs2ni_buf_unref(m->body);
  m->body = NULL;
  hs2ni_list_push_back(&m->lane->later, &m->node);
}

/* What the verdict of a request means for its message. */
static enum hs2n_verdict of_request(const struct hs2ni_rx_msg *m,
                                    enum hs2n_verdict verdict) {
  if (verdict == HS2N_LATER || !hs2ni_rx_request_open(m)) {
    return verdict == HS2N_LATER ? verdict : HS2N_ACCEPT;
  }
  if (verdict != HS2N_ACCEPT) {
    hs2ni_rx_request_close(m);
  }
  return verdict;
}

static void apply_to_request(struct hs2ni_rx_msg *m,
                             enum hs2n_verdict verdict) {
  switch (of_request(m, verdict)) {
  case HS2N_ACCEPT:
    drop(m);
    break;
  case HS2N_IGNORE:
  case HS2N_BUSY:
  case HS2N_HOLD:
    refuse(m, HS2N_REASON_NOT_SERVED);
    break;
  case HS2N_REJECT:
    refuse(m, HS2N_REASON_REJECTED);
    break;
  case HS2N_LATER:
    wait_for_judge(m);
    break;
  }
}

/* Applies a verdict to a message or response. */
static void apply_to_message(struct hs2ni_rx_msg *m,
                             enum hs2n_verdict verdict) {
  switch (verdict) {
  case HS2N_ACCEPT:
  case HS2N_IGNORE:
    remember(m);
    drop(m);
    break;
  case HS2N_REJECT:
    if (m->acked) {
      hs2ni_chan_env(m->lane->chan)->stats.messages_refused++;
      hs2ni_rx_msg_free(m);
    } else {
      refuse(m, HS2N_REASON_REJECTED);
    }
    break;
  case HS2N_LATER:
    wait_for_judge(m);
    break;
  case HS2N_BUSY:
    if (m->acked) {
      hs2ni_rx_msg_free(m);
    } else {
      busy(m);
    }
    break;
  case HS2N_HOLD:
    if (m->role == HS2N_ROLE_RESPONSE) {
      drop(m); /* its request does not wait for a view */
    } else {
      judged(m);
      hs2ni_future_hold(m);
    }
    break;
  }
}

/* Applies a verdict to m, which is in no list. */
static void apply(struct hs2ni_rx_msg *m, enum hs2n_verdict verdict) {
  struct hs2ni_rx_lane *lane = m->lane;
  const bool is_response = m->role == HS2N_ROLE_RESPONSE;
  const uint64_t number = m->number;

  lane->chan->judged_n += verdict <= HS2N_REJECT;
  if (verdict == HS2N_REJECT) {
    lane->chan->rejected_n++;
    hs2ni_rx_waste_rejected(m);
  }
  if (m->role == HS2N_ROLE_REQUEST) {
    apply_to_request(m, verdict);
  } else {
    apply_to_message(m, verdict);
  }
  hs2ni_rx_lane_update(lane);
  if (is_response) {
    hs2ni_request_verdict(lane->chan, number, verdict);
  }
}

/* Verdicts that need the body, which is gone once a message waits. */
static bool is_at_once(enum hs2n_verdict verdict) {
  return verdict == HS2N_LATER || verdict == HS2N_BUSY || verdict == HS2N_HOLD;
}

static struct hs2ni_rx_msg *take_later(struct hs2ni_chan *chan,
                                       struct hs2n_msg_id id) {
  struct hs2ni_rx_lane *lane = &chan->rx.lanes[id.lane];

  for (struct hs2ni_list_node *n = lane->later.head; n != NULL; n = n->next) {
    struct hs2ni_rx_msg *m = HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node);

    if (m->seq == id.seq && m->loose == id.unordered) {
      hs2ni_list_remove(&lane->later, n);
      return m;
    }
  }
  return NULL;
}

static bool is_fetched(const struct hs2ni_msgs *msgs,
                       const struct hs2ni_chan *chan, struct hs2n_msg_id id) {
  const struct hs2ni_rx_msg *m = msgs->fetched;

  return m != NULL && m->lane->chan == chan && m->lane->lane == id.lane &&
         m->seq == id.seq && m->loose == id.unordered;
}

int hs2ni_msgs_verdict(struct hs2ni_msgs *msgs, struct hs2ni_chan *chan,
                       struct hs2n_msg_id id, enum hs2n_verdict verdict) {
  struct hs2ni_rx_msg *m;

  if (id.lane >= HS2N_LANES || verdict < HS2N_ACCEPT || verdict > HS2N_HOLD) {
    return HS2N_ERR_INVALID;
  }
  if (id.incarnation != chan->incarnation) {
    return HS2N_ERR_STATE;
  }
  if (is_fetched(msgs, chan, id)) {
    m = msgs->fetched;
    msgs->fetched = NULL;
    apply(m, verdict);
    hs2ni_deliver_return(msgs);
    return HS2N_OK;
  }
  if (is_at_once(verdict)) {
    return HS2N_ERR_INVALID;
  }
  m = take_later(chan, id);
  if (m == NULL) {
    return HS2N_ERR_STATE;
  }
  apply(m, verdict);
  return HS2N_OK;
}
