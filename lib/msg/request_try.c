/* Asking one peer after the other. */
#include "msg/chan.h"

#include <assert.h>

/* What a peer's answers may take longer than they did on average, at least. */
#define TRY_SLACK HS2N_MS(10)
/* A peer that let a question down goes last for so long, doubled each time. */
#define FAULT_PAUSE HS2N_MS(250)
#define FAULT_DOUBLINGS 7u

bool hs2ni_asking_room(const struct hs2ni_chan *chan) {
  return chan->asking.open_n < hs2ni_chan_env(chan)->limits.rx_requests_max;
}

bool hs2ni_asking_trusted(const struct hs2ni_chan *chan) {
  return chan->asking.fault_until <= hs2ni_chan_env(chan)->now;
}

/* ---- how a peer answers ----------------------------------------------------
 */

static void blame(struct hs2ni_chan *chan) {
  struct hs2ni_asking *a = &chan->asking;

  a->fault_until = hs2ni_chan_env(chan)->now + (FAULT_PAUSE << a->faults);
  if (a->faults < FAULT_DOUBLINGS) {
    a->faults++;
  }
}

/* Mean and mean deviation, as RFC 6298 has them for round trips. */
static void note_took(struct hs2ni_asking *a, hs2n_time took) {
  const hs2n_time off = took > a->took ? took - a->took : a->took - took;

  if (a->took == 0) {
    a->took = took;
    a->took_var = took / 2;
    return;
  }
  a->took_var = a->took_var - a->took_var / 4 + off / 4;
  a->took = a->took - a->took / 8 + took / 8;
}

static void praise(struct hs2ni_asking *a) {
  a->faults = 0;
  a->fault_until = 0;
}

/* How long one try may take.  Each fault in a row doubles it, so that a peer
 * that has become slow is not given up on for good. */
static hs2n_time patience(const struct hs2ni_chan *chan) {
  const struct hs2ni_asking *a = &chan->asking;
  const hs2n_time most = HS2N_MS(hs2ni_chan_env(chan)->limits.request_try_ms);
  const hs2n_time slack =
      4 * a->took_var > TRY_SLACK ? 4 * a->took_var : TRY_SLACK;

  if (a->took == 0 || a->took + slack > most >> a->faults) {
    return most;
  }
  return (a->took + slack) << a->faults;
}

/* ---- candidates ------------------------------------------------------------
 */

static bool can_ask(const struct hs2ni_request *r,
                    const struct hs2ni_candidate *c) {
  const struct hs2ni_msgs *msgs = r->msgs;

  return c->state == HS2NI_CANDIDATE_NEW && hs2ni_asking_room(c->chan) &&
         hs2ni_tx_has_room(c->chan, msgs->types[r->msg.type].lane, &r->msg);
}

/* In the order that was given, but those that are connected and have not
 * failed lately before the others. */
static struct hs2ni_candidate *choose(struct hs2ni_request *r) {
  struct hs2ni_candidate *connected = NULL, *any = NULL;

  for (uint32_t i = 0; i < r->candidates_n; i++) {
    struct hs2ni_candidate *c = &r->candidates[i];

    if (!can_ask(r, c)) {
      continue;
    }
    if (c->chan->conn != NULL && hs2ni_asking_trusted(c->chan)) {
      return c;
    }
    if (connected == NULL && c->chan->conn != NULL) {
      connected = c;
    }
    any = any == NULL ? c : any;
  }
  return connected != NULL ? connected : any;
}

static uint32_t count(const struct hs2ni_request *r,
                      enum hs2ni_candidate_state state) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < r->candidates_n; i++) {
    n += r->candidates[i].state == state;
  }
  return n;
}

static void set_timer(struct hs2ni_request *r, hs2n_time pause) {
  hs2ni_timer_set(&r->msgs->timers, &r->timer, r->msgs->env->now + pause);
}

static int make_question(struct hs2ni_tx_msg **out, struct hs2ni_request *r,
                         struct hs2ni_candidate *c) {
  const struct hs2ni_target to = {.chan = c->chan};
  const uint8_t lane = r->msgs->types[r->msg.type].lane;
  struct hs2ni_form *form;
  const int err = hs2ni_form_new(&form, r->msgs, &to, 1, &r->msg);

  if (err != HS2N_OK) {
    return err;
  }
  *out = hs2ni_tx_new(c->chan, &r->msg, lane, form);
  hs2ni_form_unref(form);
  return *out != NULL ? HS2N_OK : HS2N_ERR_NO_MEMORY;
}

int hs2ni_request_ask(struct hs2ni_request *r) {
  struct hs2ni_candidate *c = choose(r);
  struct hs2ni_tx_msg *m;
  int err;

  if (c == NULL) {
    return HS2N_ERR_FULL;
  }
  err = make_question(&m, r, c);
  if (err != HS2N_OK) {
    return err;
  }
  m->role = HS2N_ROLE_REQUEST;
  m->number = r->send->tag.v;
  m->request = r;
  m->target = (uint32_t)(c - r->candidates);
  m->deadline = 0; /* the request's own ends it */
  c->state = HS2NI_CANDIDATE_ASKED;
  c->msg = m;
  c->asked_at = r->msgs->env->now;
  c->chan->asking.open_n++;
  r->current = c;
  set_timer(r, patience(c->chan));
  r->msgs->env->stats.requests_asked++;
  hs2ni_tx_queue(m, 0);
  return HS2N_OK;
}

void hs2ni_request_go_on(struct hs2ni_request *r) {
  const uint32_t waiting =
      count(r, HS2NI_CANDIDATE_ASKED) + count(r, HS2NI_CANDIDATE_JUDGED);

  hs2ni_timer_cancel(&r->msgs->timers, &r->timer);
  r->current = NULL;
  if (count(r, HS2NI_CANDIDATE_NEW) == 0) {
    if (waiting == 0) {
      hs2ni_request_end(r, r->reason != HS2N_REASON_NONE ? HS2N_DONE_REFUSED
                                                         : HS2N_DONE_PEER_GONE);
    }
  } else if (hs2ni_request_ask(r) != HS2N_OK) {
    set_timer(r, HS2N_MS(r->msgs->env->limits.busy_pause_ms));
  }
}

void hs2ni_request_on_try_end(struct hs2ni_timer *timer) {
  struct hs2ni_request *r = HS2NI_CONTAINER(timer, struct hs2ni_request, timer);

  if (r->current != NULL) {
    r->msgs->env->stats.requests_late++;
    blame(r->current->chan);
  }
  hs2ni_request_go_on(r);
}

/* The question is not open with the peer any more. */
static void leave(struct hs2ni_candidate *c, enum hs2ni_candidate_state state) {
  struct hs2ni_tx_msg *m = c->msg;

  if (c->state == HS2NI_CANDIDATE_ASKED || c->state == HS2NI_CANDIDATE_JUDGED) {
    assert(c->chan->asking.open_n > 0);
    c->chan->asking.open_n--;
  }
  c->state = state;
  c->msg = NULL;
  if (m != NULL) {
    m->request = NULL;
    hs2ni_tx_drop(m, HS2N_REASON_WITHDRAWN);
  }
  hs2ni_chan_room(c->chan);
}

void hs2ni_request_leave_all(struct hs2ni_request *r) {
  for (uint32_t i = 0; i < r->candidates_n; i++) {
    if (r->candidates[i].chan != NULL) {
      leave(&r->candidates[i], HS2NI_CANDIDATE_OVER);
    }
  }
}

/* Turns to the next peer unless another one is being asked anyway. */
static void next(struct hs2ni_request *r, const struct hs2ni_candidate *c) {
  if (r->current == c || r->current == NULL) {
    hs2ni_request_go_on(r);
  }
}

static void over(struct hs2ni_request *r, struct hs2ni_candidate *c,
                 enum hs2n_reason reason) {
  if (reason != HS2N_REASON_NONE) {
    r->reason = reason;
  }
  leave(c, HS2NI_CANDIDATE_OVER);
  next(r, c);
}

void hs2ni_request_refused(struct hs2ni_request *r, uint32_t candidate,
                           enum hs2n_reason reason) {
  struct hs2ni_candidate *c = &r->candidates[candidate];

  c->msg = NULL;
  blame(c->chan);
  over(r, c, reason != HS2N_REASON_NONE ? reason : HS2N_REASON_REJECTED);
}

void hs2ni_request_taken(struct hs2ni_request *r, uint32_t candidate) {
  r->candidates[candidate].msg = NULL;
}

/* ---- answers ----------------------------------------------------------------
 */

static struct hs2ni_candidate *find(struct hs2ni_request *r,
                                    const struct hs2ni_chan *chan,
                                    enum hs2ni_candidate_state state) {
  for (uint32_t i = 0; r != NULL && i < r->candidates_n; i++) {
    if (r->candidates[i].chan == chan) {
      return r->candidates[i].state == state ? &r->candidates[i] : NULL;
    }
  }
  return NULL;
}

static struct hs2ni_request *request_of(const struct hs2ni_msgs *msgs,
                                        uint64_t number) {
  const struct hs2ni_send *send = hs2ni_send_find(msgs, number);

  return send == NULL ? NULL : send->request;
}

bool hs2ni_request_waits(const struct hs2ni_rx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;

  return find(request_of(chan->msgs, m->number), chan, HS2NI_CANDIDATE_ASKED) !=
         NULL;
}

struct hs2n_tag hs2ni_request_answer(const struct hs2ni_rx_msg *m) {
  struct hs2ni_chan *chan = m->lane->chan;
  struct hs2ni_request *r = request_of(chan->msgs, m->number);
  struct hs2ni_candidate *c = find(r, chan, HS2NI_CANDIDATE_ASKED);

  if (c == NULL) {
    return (struct hs2n_tag){0}; /* not after hs2ni_request_waits */
  }
  c->state = HS2NI_CANDIDATE_JUDGED;
  note_took(&chan->asking, hs2ni_chan_env(chan)->now - c->asked_at);
  if (r->current == c) {
    /* The application's time is not the peer's. */
    hs2ni_timer_cancel(&r->msgs->timers, &r->timer);
  }
  return r->send->tag;
}

bool hs2ni_request_is_answer(const struct hs2ni_chan *chan, uint64_t number,
                             uint8_t type) {
  const struct hs2ni_request *r = request_of(chan->msgs, number);

  return r == NULL || chan->msgs->types[r->msg.type].response == type;
}

void hs2ni_request_verdict(struct hs2ni_chan *chan, uint64_t number,
                           enum hs2n_verdict verdict) {
  struct hs2ni_request *r = request_of(chan->msgs, number);
  struct hs2ni_candidate *c = find(r, chan, HS2NI_CANDIDATE_JUDGED);

  if (c == NULL) {
    return; /* it has ended meanwhile */
  }
  switch (verdict) {
  case HS2N_ACCEPT:
    praise(&chan->asking);
    hs2ni_request_accepted(r, c);
    break;
  case HS2N_IGNORE:
  case HS2N_HOLD:
    over(r, c, HS2N_REASON_NO_USE);
    break;
  case HS2N_REJECT:
    blame(chan);
    over(r, c, HS2N_REASON_REJECTED);
    break;
  case HS2N_LATER:
    break;
  case HS2N_BUSY:
    c->state = HS2NI_CANDIDATE_ASKED;
    if (r->current == c) {
      set_timer(r, patience(chan));
    }
    break;
  }
}

void hs2ni_request_spoilt(struct hs2ni_chan *chan, uint64_t number,
                          enum hs2n_reason reason) {
  struct hs2ni_request *r = request_of(chan->msgs, number);
  struct hs2ni_candidate *c = find(r, chan, HS2NI_CANDIDATE_ASKED);

  if (c != NULL) {
    blame(chan);
    over(r, c, reason);
  }
}

/* ---- channels that come and go ----------------------------------------------
 */

static struct hs2ni_candidate *candidate_of(struct hs2ni_request *r,
                                            const struct hs2ni_chan *chan) {
  for (uint32_t i = 0; i < r->candidates_n; i++) {
    if (r->candidates[i].chan == chan) {
      return &r->candidates[i];
    }
  }
  return NULL;
}

void hs2ni_request_lose(struct hs2ni_request *r,
                        const struct hs2ni_chan *chan) {
  struct hs2ni_candidate *c = candidate_of(r, chan);

  if (c != NULL) {
    leave(c, HS2NI_CANDIDATE_OVER);
    c->chan = NULL;
    next(r, c);
  }
}

void hs2ni_request_forgotten(struct hs2ni_request *r,
                             const struct hs2ni_chan *chan) {
  struct hs2ni_candidate *c = candidate_of(r, chan);

  if (c != NULL && c->msg == NULL &&
      (c->state == HS2NI_CANDIDATE_ASKED ||
       c->state == HS2NI_CANDIDATE_JUDGED)) {
    leave(c, HS2NI_CANDIDATE_NEW);
    next(r, c);
  }
}
