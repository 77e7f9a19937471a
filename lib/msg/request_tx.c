/* Requests: their life. */
#include "msg/chan.h"

#include <assert.h>

size_t hs2ni_request_size(size_t candidates_n) {
  return sizeof(struct hs2ni_request) +
         candidates_n * sizeof(struct hs2ni_candidate);
}

static void request_free(struct hs2ni_request *r) {
  hs2ni_timer_cancel(&r->msgs->timers, &r->timer);
  hs2ni_buf_unref(r->msg.body);
  hs2ni_pool_give(&r->msgs->store->pool, r,
                  hs2ni_request_size(r->candidates_n));
}

static struct hs2ni_request *request_new(struct hs2ni_msgs *msgs,
                                         const struct hs2ni_target *targets,
                                         size_t n, const struct hs2n_msg *msg) {
  struct hs2ni_request *r =
      hs2ni_pool_take(&msgs->store->pool, hs2ni_request_size(n));

  if (r == NULL) {
    return NULL;
  }
  *r = (struct hs2ni_request){
      .msgs = msgs,
      .msg = *msg,
      .candidates_n = (uint32_t)n,
      .timer = {.fire = hs2ni_request_on_try_end},
  };
  if (msg->body != NULL) {
    (void)hs2ni_buf_ref(msg->body);
  }
  for (size_t i = 0; i < n; i++) {
    r->candidates[i] = (struct hs2ni_candidate){
        .chan = targets[i].chan,
        .peer = targets[i].peer,
        .weight = targets[i].weight,
    };
  }
  return r;
}

/* ---- beginning
 * ---------------------------------------------------------------
 */

static uint64_t bytes_of(const struct hs2ni_msgs *msgs,
                         const struct hs2n_msg *msg) {
  const struct hs2ni_msg_type *type = &msgs->types[msg->type];

  return hs2ni_msg_len(msg) + (uint64_t)msgs->types[type->response].size_max;
}

bool hs2ni_requests_room(const struct hs2ni_msgs *msgs, uint64_t bytes) {
  const struct hs2n_limits *limits = &msgs->env->limits;

  return msgs->requests.open.count < limits->requests_max &&
         bytes <= limits->requests_bytes_max - msgs->requests.bytes;
}

static int check_request(const struct hs2ni_msgs *msgs, size_t n,
                         const struct hs2n_msg *msg,
                         const struct hs2n_tag *out_tag) {
  const uint32_t known = HS2N_MSG_VIEW_BOUND | HS2N_MSG_SECRET;

  if (n == 0 || out_tag == NULL || msg->deadline == 0 ||
      (msg->flags & ~known) != 0) {
    return HS2N_ERR_INVALID;
  }
  return hs2ni_msgs_check(msgs, msg, HS2N_ROLE_REQUEST);
}

/* What has to get room is asked to say WRITABLE then. */
static int full(struct hs2ni_msgs *msgs, const struct hs2ni_target *targets,
                size_t n, const struct hs2n_msg *msg) {
  const uint8_t lane = msgs->types[msg->type].lane;

  msgs->env->stats.tx_full++;
  if (msgs->sends.free_n == 0 ||
      !hs2ni_requests_room(msgs, bytes_of(msgs, msg))) {
    targets[0].chan->full_tags = true;
    msgs->tags_waited = true;
    return HS2N_ERR_FULL;
  }
  for (size_t i = 0; i < n; i++) {
    if (!hs2ni_asking_room(targets[i].chan)) {
      targets[i].chan->full_asking = true;
    } else {
      (void)hs2ni_tx_room(targets[i].chan, lane, msg);
    }
  }
  return HS2N_ERR_FULL;
}

/* Gives r a send and has it ask the first peer. */
static int begin(struct hs2ni_request *r, const struct hs2ni_target *targets,
                 hs2n_time deadline) {
  struct hs2ni_msgs *msgs = r->msgs;
  int err;

  r->send = hs2ni_send_new(msgs, targets, 1, &r->msg);
  if (r->send == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  r->send->request = r;
  hs2ni_send_open(r->send, deadline);
  err = hs2ni_request_ask(r);
  if (err != HS2N_OK) {
    hs2ni_send_close(r->send);
  }
  return err;
}

int hs2ni_msgs_request(struct hs2ni_msgs *msgs,
                       const struct hs2ni_target *targets, size_t n,
                       const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  struct hs2ni_request *r;
  int err = check_request(msgs, n, msg, out_tag);

  if (err != HS2N_OK) {
    return err;
  }
  if (msgs->sends.free_n == 0 ||
      !hs2ni_requests_room(msgs, bytes_of(msgs, msg))) {
    return full(msgs, targets, n, msg);
  }
  r = request_new(msgs, targets, n, msg);
  if (r == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  err = begin(r, targets, msg->deadline);
  if (err != HS2N_OK) {
    request_free(r);
    return err == HS2N_ERR_FULL ? full(msgs, targets, n, msg) : err;
  }
  r->bytes = bytes_of(msgs, msg);
  msgs->requests.bytes += r->bytes;
  hs2ni_list_push_back(&msgs->requests.open, &r->node);
  msgs->env->stats.requests++;
  *out_tag = r->send->tag;
  return HS2N_OK;
}

/* ---- the end
 * -----------------------------------------------------------------
 */

static void finish(struct hs2ni_request *r, enum hs2n_outcome outcome) {
  struct hs2ni_msgs *msgs = r->msgs;

  hs2ni_list_remove(&msgs->requests.open, &r->node);
  msgs->requests.bytes -= r->bytes;
  r->send->request = NULL;
  hs2ni_send_complete(r->send, outcome,
                      outcome == HS2N_DONE_REFUSED ? r->reason
                                                   : HS2N_REASON_NONE);
  hs2ni_request_leave_all(r);
  request_free(r);
}

void hs2ni_request_end(struct hs2ni_request *r, enum hs2n_outcome outcome) {
  finish(r, outcome);
}

void hs2ni_request_accepted(struct hs2ni_request *r,
                            const struct hs2ni_candidate *c) {
  struct hs2ni_send *send = r->send;

  send->targets[0].peer = c->peer;
  send->targets[0].weight = c->weight;
  send->targets[0].acked = true;
  send->acked_weight = c->weight;
  finish(r, HS2N_DONE_ACKED);
}

/* ---- what concerns all
 * -------------------------------------------------------
 */

static struct hs2ni_request *request_at(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_request, node);
}

void hs2ni_requests_enter_view(struct hs2ni_msgs *msgs, uint64_t view) {
  struct hs2ni_list_node *n = msgs->requests.open.head;

  while (n != NULL) {
    struct hs2ni_request *r = request_at(n);

    n = n->next;
    if ((r->msg.flags & HS2N_MSG_VIEW_BOUND) != 0 && r->msg.view < view) {
      hs2ni_request_end(r, HS2N_DONE_CANCELLED);
    }
  }
}

void hs2ni_requests_leave(struct hs2ni_chan *chan, enum hs2n_outcome outcome) {
  struct hs2ni_list_node *n = chan->msgs->requests.open.head;

  while (n != NULL) {
    struct hs2ni_request *r = request_at(n);

    n = n->next;
    if (outcome == HS2N_DONE_CANCELLED) {
      hs2ni_request_end(r, outcome); /* the node stops */
    } else {
      hs2ni_request_lose(r, chan);
    }
  }
}

void hs2ni_requests_restarted(struct hs2ni_chan *chan) {
  struct hs2ni_list_node *n = chan->msgs->requests.open.head;

  while (n != NULL) {
    struct hs2ni_request *r = request_at(n);

    n = n->next;
    hs2ni_request_forgotten(r, chan);
  }
}

bool hs2ni_request_known(const struct hs2ni_msgs *msgs, uint64_t number) {
  return number <= msgs->sends.generation * msgs->env->limits.tags_max;
}
