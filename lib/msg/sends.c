/* Tagged sends: slots, targets, completion. */
#include "msg/chan.h"

#include <assert.h>

size_t hs2ni_send_size(size_t targets_n) {
  return sizeof(struct hs2ni_send) +
         targets_n *
             (sizeof(struct hs2ni_send_target) + sizeof(struct hs2n_peer));
}

int hs2ni_sends_init(struct hs2ni_msgs *msgs) {
  struct hs2ni_sends *s = &msgs->sends;
  const uint32_t n = msgs->env->limits.tags_max;

  s->slots = hs2ni_alloc(msgs->env, n * sizeof(struct hs2ni_send *));
  s->free_slots = hs2ni_alloc(msgs->env, n * sizeof(uint32_t));
  if (s->slots == NULL || s->free_slots == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  for (uint32_t i = 0; i < n; i++) {
    s->free_slots[i] = n - 1 - i;
  }
  s->free_n = n;
  return HS2N_OK;
}

static void send_free(struct hs2ni_send *send) {
  hs2ni_timer_cancel(&send->msgs->timers, &send->timer);
  hs2ni_pool_give(&send->msgs->store->pool, send,
                  hs2ni_send_size(send->targets_n));
}

void hs2ni_send_discard(struct hs2ni_send *send) {
  if (send != NULL) {
    send_free(send);
  }
}

void hs2ni_sends_fini(struct hs2ni_msgs *msgs) {
  struct hs2ni_sends *s = &msgs->sends;
  const uint32_t n = msgs->env->limits.tags_max;

  for (uint32_t i = 0; s->slots != NULL && i < n; i++) {
    if (s->slots[i] != NULL) {
      send_free(s->slots[i]);
    }
  }
  if (s->slots != NULL) {
    hs2ni_free(msgs->env, s->slots, n * sizeof(struct hs2ni_send *));
  }
  if (s->free_slots != NULL) {
    hs2ni_free(msgs->env, s->free_slots, n * sizeof(uint32_t));
  }
  *s = (struct hs2ni_sends){0};
}

struct hs2ni_send *hs2ni_send_new(struct hs2ni_msgs *msgs,
                                  const struct hs2ni_target *targets, size_t n,
                                  const struct hs2n_msg *msg) {
  struct hs2ni_send *send =
      hs2ni_pool_take(&msgs->store->pool, hs2ni_send_size(n));

  if (send == NULL) {
    return NULL;
  }
  *send = (struct hs2ni_send){
      .msgs = msgs,
      .targets_n = (uint32_t)n,
      .open_n = (uint32_t)n,
      .quorum_weight =
          (msg->flags & HS2N_MSG_QUORUM) != 0 ? msg->quorum_weight : 0,
      .quorum_only = (msg->flags & HS2N_MSG_QUORUM_ONLY) != 0,
      .acked = (struct hs2n_peer *)(void *)&send->targets[n],
  };
  for (size_t i = 0; i < n; i++) {
    send->targets[i] = (struct hs2ni_send_target){
        .peer = targets[i].peer,
        .weight = targets[i].weight,
    };
    send->open_weight += targets[i].weight;
  }
  return send;
}

static void on_deadline(struct hs2ni_timer *timer) {
  hs2ni_send_end(HS2NI_CONTAINER(timer, struct hs2ni_send, timer),
                 HS2N_DONE_EXPIRED, HS2N_REASON_WITHDRAWN);
}

void hs2ni_send_open(struct hs2ni_send *send, hs2n_time deadline) {
  struct hs2ni_sends *s = &send->msgs->sends;
  uint32_t slot;

  assert(s->free_n > 0);
  slot = s->free_slots[--s->free_n];
  assert(s->slots[slot] == NULL);
  s->slots[slot] = send;
  send->tag.v = s->generation++ * send->msgs->env->limits.tags_max + slot + 1;
  send->timer.fire = on_deadline;
  if (deadline != 0) {
    hs2ni_timer_set(&send->msgs->timers, &send->timer, deadline);
  }
}

void hs2ni_send_complete(struct hs2ni_send *send, enum hs2n_outcome outcome,
                         enum hs2n_reason reason) {
  assert(send->outcome == 0);
  send->outcome = outcome;
  send->reason = reason;
  hs2ni_timer_cancel(&send->msgs->timers, &send->timer);
  for (uint32_t i = 0; i < send->targets_n; i++) {
    struct hs2ni_send_target *t = &send->targets[i];

    if (t->acked) {
      send->acked[send->acked_n++] = t->peer;
    }
    if (t->msg != NULL) {
      t->msg->send = NULL; /* goes on, but nobody waits for it */
      t->msg = NULL;
    }
  }
  hs2ni_list_push_back(&send->msgs->sends.done, &send->node);
}

static struct hs2ni_send_target *close_target(struct hs2ni_send *send,
                                              uint32_t index) {
  struct hs2ni_send_target *t = &send->targets[index];

  assert(send->outcome == 0);
  assert(t->msg != NULL);
  t->msg = NULL;
  send->open_n--;
  send->open_weight -= t->weight;
  return t;
}

/* Drops what is still open for its targets. */
static void drop_rest(struct hs2ni_send *send, enum hs2n_reason code) {
  for (uint32_t i = 0; i < send->targets_n; i++) {
    struct hs2ni_tx_msg *m = send->targets[i].msg;

    if (m != NULL) {
      send->targets[i].msg = NULL;
      hs2ni_tx_drop(m, code);
    }
  }
}

void hs2ni_send_acked(struct hs2ni_send *send, uint32_t target) {
  struct hs2ni_send_target *t = close_target(send, target);

  t->acked = true;
  send->acked_weight += t->weight;
  if (send->quorum_weight > 0) {
    if (send->acked_weight >= send->quorum_weight) {
      if (send->quorum_only) {
        drop_rest(send, HS2N_REASON_WITHDRAWN);
      }
      hs2ni_send_complete(send, HS2N_DONE_QUORUM, HS2N_REASON_NONE);
    }
  } else if (send->open_n == 0) {
    hs2ni_send_complete(send, HS2N_DONE_ACKED, HS2N_REASON_NONE);
  }
}

void hs2ni_send_failed(struct hs2ni_send *send, uint32_t target,
                       enum hs2n_outcome outcome, enum hs2n_reason reason) {
  (void)close_target(send, target);
  if (send->quorum_weight > 0 &&
      send->quorum_weight - send->acked_weight <= send->open_weight) {
    return; /* the others can still make it */
  }
  hs2ni_send_complete(send, outcome,
                      outcome == HS2N_DONE_REFUSED ? reason : HS2N_REASON_NONE);
}

void hs2ni_send_end(struct hs2ni_send *send, enum hs2n_outcome outcome,
                    enum hs2n_reason code) {
  if (send->request != NULL) {
    hs2ni_request_end(send->request, outcome);
    return;
  }
  drop_rest(send, code);
  hs2ni_send_complete(send, outcome, HS2N_REASON_NONE);
}

struct hs2ni_send *hs2ni_send_find(const struct hs2ni_msgs *msgs,
                                   uint64_t tag) {
  struct hs2ni_send *send;

  if (tag == 0) {
    return NULL;
  }
  send = msgs->sends.slots[(tag - 1) % msgs->env->limits.tags_max];
  return send != NULL && send->tag.v == tag ? send : NULL;
}

int hs2ni_msgs_cancel(struct hs2ni_msgs *msgs, struct hs2n_tag tag) {
  struct hs2ni_send *send = hs2ni_send_find(msgs, tag.v);

  if (send == NULL || send->outcome != 0) {
    return HS2N_ERR_STATE;
  }
  hs2ni_send_end(send, HS2N_DONE_CANCELLED, HS2N_REASON_WITHDRAWN);
  return HS2N_OK;
}

void hs2ni_send_close(struct hs2ni_send *send) {
  struct hs2ni_sends *s = &send->msgs->sends;
  const uint32_t slot =
      (uint32_t)((send->tag.v - 1) % send->msgs->env->limits.tags_max);

  s->slots[slot] = NULL;
  s->free_slots[s->free_n++] = slot;
  send_free(send);
}

/* Frees the send that the last fetch told of, and its slot. */
static void forget_told(struct hs2ni_msgs *msgs) {
  struct hs2ni_sends *s = &msgs->sends;
  struct hs2ni_send *send = s->told;

  if (send == NULL) {
    return;
  }
  s->told = NULL;
  hs2ni_send_close(send);
  if (msgs->tags_waited) {
    msgs->tags_waited = false;
    for (struct hs2ni_list_node *n = msgs->chans.head; n != NULL; n = n->next) {
      hs2ni_chan_room(HS2NI_CONTAINER(n, struct hs2ni_chan, node));
    }
  }
}

bool hs2ni_sends_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out) {
  struct hs2ni_list_node *n;
  struct hs2ni_send *send;

  forget_told(msgs);
  n = hs2ni_list_pop_front(&msgs->sends.done);
  if (n == NULL) {
    return false;
  }
  send = HS2NI_CONTAINER(n, struct hs2ni_send, node);
  msgs->sends.told = send;
  msgs->env->stats.completions++;
  *out = (struct hs2ni_event){
      .kind = HS2NI_EVENT_DONE,
      .tag = send->tag,
      .done = {.struct_size = sizeof(struct hs2n_done),
               .outcome = send->outcome,
               .reason = send->reason,
               .acked_weight = send->acked_weight,
               .acked = send->acked,
               .acked_count = send->acked_n},
  };
  return true;
}
