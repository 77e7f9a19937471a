/* Requests of peers, until they are answered. */
#include "msg/chan.h"

#include <assert.h>

static struct hs2ni_rx_request *request_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_rx_request, node);
}

static void forget(struct hs2ni_chan *chan, struct hs2ni_rx_request *r) {
  hs2ni_list_remove(&chan->rx.requests, &r->node);
  hs2ni_pool_give(hs2ni_chan_pool(chan), r, sizeof(*r));
}

static struct hs2ni_rx_request *find(const struct hs2ni_chan *chan,
                                     uint8_t lane, uint64_t seq) {
  struct hs2ni_list_node *n = chan->rx.requests.head;

  while (n != NULL &&
         (request_of(n)->seq != seq || request_of(n)->lane != lane)) {
    n = n->next;
  }
  return n == NULL ? NULL : request_of(n);
}

static bool is_over(const struct hs2ni_chan *chan, hs2n_time until) {
  return until != 0 && until <= hs2ni_chan_env(chan)->now;
}

/* Nobody is told: its asker has ended the request itself. */
static void sweep(struct hs2ni_chan *chan) {
  struct hs2ni_list_node *n = chan->rx.requests.head;

  while (n != NULL) {
    struct hs2ni_rx_request *r = request_of(n);

    n = n->next;
    if (is_over(chan, r->until)) {
      hs2ni_chan_env(chan)->stats.requests_overdue++;
      forget(chan, r);
    }
  }
}

bool hs2ni_rx_request_room(struct hs2ni_chan *chan) {
  struct hs2ni_env *env = hs2ni_chan_env(chan);

  if (chan->rx.requests.count >= env->limits.rx_requests_max) {
    sweep(chan);
  }
  if (chan->rx.requests.count >= env->limits.rx_requests_max) {
    env->stats.requests_unserved++;
    return false;
  }
  return true;
}

uint32_t hs2ni_rx_requests_open(const struct hs2ni_chan *chan) {
  uint32_t open_n = 0;

  for (struct hs2ni_list_node *n = chan->rx.requests.head; n != NULL;
       n = n->next) {
    open_n += !is_over(chan, request_of(n)->until);
  }
  return open_n;
}

bool hs2ni_rx_request_late(const struct hs2ni_rx_msg *m) {
  return is_over(m->lane->chan, m->until);
}

bool hs2ni_rx_request_note(const struct hs2ni_rx_msg *m) {
  struct hs2ni_chan *chan = m->lane->chan;
  struct hs2ni_rx_request *r;

  assert(chan->rx.requests.count <
         hs2ni_chan_env(chan)->limits.rx_requests_max);
  r = hs2ni_pool_take(hs2ni_chan_pool(chan), sizeof(*r));
  if (r == NULL) {
    return false;
  }
  *r = (struct hs2ni_rx_request){
      .seq = m->seq,
      .number = m->number,
      .view = m->view,
      .until = m->until,
      .view_bound = m->view_bound,
      .lane = m->lane->lane,
      .response = chan->msgs->types[m->type].response,
  };
  hs2ni_list_push_back(&chan->rx.requests, &r->node);
  return true;
}

bool hs2ni_rx_request_open(const struct hs2ni_rx_msg *m) {
  return find(m->lane->chan, m->lane->lane, m->seq) != NULL;
}

void hs2ni_rx_request_close(const struct hs2ni_rx_msg *m) {
  struct hs2ni_chan *chan = m->lane->chan;
  struct hs2ni_rx_request *r = find(chan, m->lane->lane, m->seq);

  if (r != NULL) {
    forget(chan, r);
  }
}

static void drop_responses(struct hs2ni_tx_lane *lane) {
  struct hs2ni_list_node *n = lane->msgs.head;

  while (n != NULL) {
    struct hs2ni_tx_msg *m = HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);

    n = n->next;
    if (m->role == HS2N_ROLE_RESPONSE) {
      hs2ni_tx_drop(m, HS2N_REASON_WITHDRAWN);
    }
  }
}

void hs2ni_rx_requests_void(struct hs2ni_chan *chan) {
  while (chan->rx.requests.head != NULL) {
    forget(chan, request_of(chan->rx.requests.head));
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    drop_responses(&chan->tx[i]);
  }
}

/* ---- answering -------------------------------------------------------------
 */

static int queue(struct hs2ni_chan *chan, const struct hs2ni_rx_request *r,
                 uint32_t status, struct hs2n_buf *body) {
  struct hs2ni_msgs *msgs = chan->msgs;
  const struct hs2n_msg msg = {
      .type = r->response,
      .flags = r->view_bound ? HS2N_MSG_VIEW_BOUND : 0,
      .view = r->view,
      .deadline = r->until,
      .body = body,
  };
  const uint8_t lane = msgs->types[msg.type].lane;
  const struct hs2ni_target to = {.chan = chan};
  struct hs2ni_form *form;
  struct hs2ni_tx_msg *m;
  int err = hs2ni_msgs_check(msgs, &msg, HS2N_ROLE_RESPONSE);

  if (err != HS2N_OK) {
    return err;
  }
  if (!hs2ni_tx_room(chan, lane, &msg)) {
    msgs->env->stats.tx_full++;
    return HS2N_ERR_FULL;
  }
  err = hs2ni_form_new(&form, msgs, &to, 1, &msg);
  if (err != HS2N_OK) {
    return err;
  }
  m = hs2ni_tx_new(chan, &msg, lane, form);
  hs2ni_form_unref(form);
  if (m == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  m->role = HS2N_ROLE_RESPONSE;
  m->number = r->number;
  m->status = status;
  hs2ni_tx_queue(m, 0);
  return HS2N_OK;
}

int hs2ni_msgs_respond(struct hs2ni_chan *chan, struct hs2n_msg_id id,
                       uint32_t status, struct hs2n_buf *body) {
  struct hs2ni_rx_request *r = find(chan, id.lane, id.seq);
  int err;

  if (id.incarnation != chan->incarnation || id.unordered || r == NULL) {
    return HS2N_ERR_STATE;
  }
  err = queue(chan, r, status, body);
  if (err == HS2N_OK || err == HS2N_ERR_STALE) {
    chan->msgs->env->stats.requests_overdue += is_over(chan, r->until);
    forget(chan, r);
  }
  return err;
}
