/* A lane's stream, our side: what is written next, and what was. */
#include "msg/chan.h"

#include <assert.h>

static void on_pause_end(struct hs2ni_timer *timer) {
  hs2ni_chan_want(HS2NI_CONTAINER(timer, struct hs2ni_tx_lane, pause)->chan);
}

static struct hs2ni_tx_msg *msg_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);
}

static struct hs2ni_frame *frame_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_frame, node);
}

void hs2ni_tx_lane_init(struct hs2ni_tx_lane *lane, struct hs2ni_chan *chan,
                        uint8_t index) {
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_LANE, .lane = index};

  *lane = (struct hs2ni_tx_lane){
      .chan = chan,
      .lane = index,
      .next_seq = chan->msgs->seqs_used + 1,
      .pause = {.fire = on_pause_end},
  };
  lane->head_len = (uint8_t)hs2ni_head_encode(&head, lane->head);
  hs2ni_tx_loose_init(lane);
  hs2ni_tx_hold_init(lane);
}

static bool is_paused(const struct hs2ni_tx_lane *lane) {
  return lane->pause.slot != 0;
}

static void pause_for(struct hs2ni_tx_lane *lane, hs2n_time ns) {
  struct hs2ni_msgs *msgs = lane->chan->msgs;

  hs2ni_timer_set(&msgs->timers, &lane->pause, msgs->env->now + ns);
}

void hs2ni_tx_lane_retry(struct hs2ni_tx_lane *lane) {
  pause_for(lane, HS2N_MS(hs2ni_chan_env(lane->chan)->limits.busy_pause_ms));
}

bool hs2ni_tx_lane_open(struct hs2ni_tx_lane *lane, uint64_t *out_stream) {
  struct hs2ni_conn *conn = lane->chan->conn;
  const int err = conn->ops->stream_open(conn, out_stream);

  if (err != HS2N_OK && err != HS2N_ERR_FULL) {
    hs2ni_tx_lane_retry(lane);
  }
  return err == HS2N_OK;
}

static bool open_stream(struct hs2ni_tx_lane *lane) {
  if (!lane->has_stream) {
    lane->has_stream = hs2ni_tx_lane_open(lane, &lane->stream);
  }
  return lane->has_stream;
}

/* Why the peer would refuse m; HS2N_REASON_NONE when it would not. */
static enum hs2n_reason peer_refuses(const struct hs2ni_tx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;
  const struct hs2ni_hello_type *type = &chan->peer_types[m->type];

  if ((chan->peer_types_known >> m->type & 1) == 0 ||
      type->lane != m->lane->lane ||
      (m->role != HS2N_ROLE_MESSAGE &&
       (chan->peer_caps & HS2NI_CAP_REQUEST) == 0)) {
    return HS2N_REASON_UNKNOWN_TYPE;
  }
  if (m->form != NULL && m->form->is_signed &&
      (chan->peer_caps & HS2NI_CAP_SIGNED) == 0) {
    return HS2N_REASON_UNSUPPORTED;
  }
  return m->body_len > type->size_max ? HS2N_REASON_MSG_TOO_BIG
                                      : HS2N_REASON_NONE;
}

bool hs2ni_tx_lane_ends(const struct hs2ni_tx_msg *m) {
  return hs2ni_tx_expired(m) || peer_refuses(m) != HS2N_REASON_NONE;
}

bool hs2ni_tx_lane_ended(struct hs2ni_tx_msg *m) {
  const enum hs2n_reason reason = peer_refuses(m);

  if (hs2ni_tx_expired(m)) {
    if (m->send != NULL) {
      hs2ni_send_end(m->send, HS2N_DONE_EXPIRED, HS2N_REASON_WITHDRAWN);
    } else {
      hs2ni_tx_drop(m, HS2N_REASON_WITHDRAWN);
    }
    return true;
  }
  if (reason != HS2N_REASON_NONE) {
    hs2ni_tx_failed(m, HS2N_DONE_REFUSED, reason);
    return true;
  }
  return false;
}

/* Whether the frame that answers a BUSY is there, but none of it sent.  Until
 * then its message may end, and the next one must take its number, so nothing
 * is put behind it. */
static bool is_resuming(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_frame *last = frame_of(lane->frames.tail);

  return lane->resume_seq != 0 && last != NULL && last->sent == 0 &&
         last->msg != NULL && last->msg->seq == lane->resume_seq;
}

/* A frame for the next message that is worth writing, or NULL.  Copies of
 * messages that have no order have waited longest. */
static struct hs2ni_frame *add_frame(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m;
  struct hs2ni_frame *f;

  if (is_resuming(lane)) {
    return NULL;
  }
  f = hs2ni_tx_loose_frame(lane);
  if (f != NULL) {
    return f;
  }
  while ((m = lane->next) != NULL &&
         !(hs2ni_tx_holds(lane) && hs2ni_tx_hold_asked(lane))) {
    if (m->frame != NULL) {
      return NULL; /* its body's first stream has not ended yet */
    }
    if (hs2ni_tx_lane_ended(m)) {
      continue;
    }
    if (hs2ni_tx_is_busy(lane)) {
      return NULL;
    }
    f = m->packable ? hs2ni_tx_batch_frame(lane) : NULL;
    if (f != NULL) {
      return f;
    }
    f = hs2ni_frame_new(m);
    if (f != NULL) {
      lane->next = msg_of(m->node.next);
    }
    return f;
  }
  return NULL;
}

static void add_part(struct hs2ni_chunk *out, const uint8_t *data, size_t len) {
  assert(out->parts_n < HS2NI_CHUNK_PARTS);
  if (len > 0) {
    out->parts[out->parts_n++] = (struct hs2n_span){data, len};
  }
}

static const uint8_t *body_of(const struct hs2ni_frame *f) {
  return f->batch != NULL ? f->batch->bytes : hs2n_buf_span(f->body).data;
}

static void add_parts(struct hs2ni_chunk *out, const struct hs2ni_frame *f) {
  const size_t in_body =
      f->sent > f->header_len ? (size_t)f->sent - f->header_len : 0;

  if (f->sent < f->header_len) {
    add_part(out, f->header + f->sent, f->header_len - (size_t)f->sent);
  }
  if (f->body_len > 0) {
    add_part(out, body_of(f) + in_body, f->body_len - in_body);
  }
}

/* Fills the chunk with the frames that are not wholly sent, then with new
 * ones.  Nothing follows a large record before its body: the peer could not
 * deliver it, and bodies take flow-control credit in the order in which
 * messages are delivered, so one that is ready never starves one that holds
 * it up. */
static bool lane_next(struct hs2ni_tx_lane *lane, struct hs2ni_chunk *out) {
  struct hs2ni_frame *f = lane->unsent;

  if (f == NULL) {
    f = add_frame(lane);
  }
  if (f == NULL || !open_stream(lane)) {
    return false;
  }
  *out = (struct hs2ni_chunk){
      .stream = lane->stream,
      .rank = hs2ni_rank(lane->lane, f->order),
  };
  if (lane->offset < lane->head_len) {
    add_part(out, lane->head + lane->offset,
             lane->head_len - (size_t)lane->offset);
  }
  while (f != NULL) {
    add_parts(out, f);
    if (f->large != NULL || out->parts_n + 2 > HS2NI_CHUNK_PARTS) {
      break;
    }
    f = f->node.next != NULL ? frame_of(f->node.next) : add_frame(lane);
  }
  return true;
}

uint64_t hs2ni_tx_lane_rank(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_tx_body *b = lane->writing;

  if (is_paused(lane) || (b == NULL && lane->blocked) ||
      (b != NULL && b->blocked)) {
    return HS2NI_RANK_NONE;
  }
  if (b != NULL) {
    return hs2ni_rank(lane->lane, b->frame->order);
  }
  if (lane->unsent != NULL) {
    return hs2ni_rank(lane->lane, lane->unsent->order);
  }
  if (lane->loose.due.head != NULL) {
    return hs2ni_tx_loose_due_rank(lane);
  }
  return lane->next == NULL || (hs2ni_tx_holds(lane) && hs2ni_tx_held(lane)) ||
                 hs2ni_tx_is_busy(lane)
             ? HS2NI_RANK_NONE
             : hs2ni_rank(lane->lane, lane->next->order);
}

/* The rest of a body whose deadline has passed stays here. */
static void give_up_late(const struct hs2ni_tx_body *b) {
  if (b != NULL && b->frame->msg != NULL && hs2ni_tx_expired(b->frame->msg)) {
    (void)hs2ni_tx_lane_ended(b->frame->msg);
  }
}

bool hs2ni_tx_lane_next(struct hs2ni_tx_lane *lane, struct hs2ni_chunk *out) {
  if (is_paused(lane) ||
      (lane->msgs.head == NULL && lane->loose.due.head == NULL &&
       lane->unsent == NULL && lane->writing == NULL)) {
    return false;
  }
  give_up_late(lane->writing);
  if (lane->writing != NULL) {
    return hs2ni_tx_body_next(lane->writing, out);
  }
  return !lane->blocked && lane_next(lane, out);
}

static void begin(struct hs2ni_tx_lane *lane, struct hs2ni_tx_msg *m) {
  m->begun = true;
  hs2ni_tx_time(m);
  if (!m->loose.is && m->seq == lane->resume_seq) {
    lane->resume_seq = 0;
  }
  if (!m->loose.is && m->seq > lane->sent_high) {
    lane->sent_high = m->seq;
  }
  if (m->resend) {
    m->resend = false;
    hs2ni_chan_env(lane->chan)->stats.messages_resent++;
  }
}

/* All that are in it; a number is on its way though its message has ended. */
static void begin_batch(struct hs2ni_tx_lane *lane,
                        const struct hs2ni_tx_batch *batch) {
  for (struct hs2ni_list_node *n = batch->members.head; n != NULL;
       n = n->next) {
    begin(lane, HS2NI_CONTAINER(n, struct hs2ni_tx_msg, batch_node));
  }
  if (batch->last_seq > lane->sent_high) {
    lane->sent_high = batch->last_seq;
  }
}

void hs2ni_tx_lane_sent(struct hs2ni_tx_lane *lane, size_t len) {
  if (lane->offset < lane->head_len) {
    const size_t head = lane->head_len - (size_t)lane->offset;
    const size_t n = len < head ? len : head;

    lane->offset += n;
    len -= n;
  }
  while (len > 0) {
    struct hs2ni_frame *f = lane->unsent;
    const size_t rest = hs2ni_frame_len(f) - (size_t)f->sent;
    const size_t n = len < rest ? len : rest;

    if (f->sent == 0 && f->batch != NULL) {
      begin_batch(lane, f->batch);
    } else if (f->sent == 0) {
      begin(lane, f->msg);
    }
    f->sent += n;
    lane->offset += n;
    len -= n;
    if (n == rest) {
      f->end = lane->offset;
      lane->unsent = frame_of(f->node.next);
      lane->writing = f->large;
    }
  }
}

void hs2ni_tx_lane_acked(struct hs2ni_tx_lane *lane, uint64_t offset) {
  struct hs2ni_frame *f;

  while ((f = frame_of(lane->frames.head)) != lane->unsent &&
         f->end <= offset) {
    hs2ni_frame_acked(f);
  }
}

bool hs2ni_tx_lane_busy(struct hs2ni_tx_lane *lane, uint64_t seq) {
  struct hs2ni_list_node *n = lane->msgs.head;

  if (seq > lane->sent_high ||
      (lane->next != NULL && lane->next->seq != 0 && lane->next->seq < seq)) {
    return false; /* it has not come, or not come again since the last BUSY */
  }
  while (n != NULL && msg_of(n)->seq != 0 && msg_of(n)->seq < seq) {
    n = n->next;
  }
  lane->next = msg_of(n);
  for (; n != NULL; n = n->next) {
    struct hs2ni_tx_msg *m = msg_of(n);

    if (m->frame == NULL) {
      continue;
    }
    if (m->frame->batch != NULL) {
      hs2ni_tx_batch_leave(m);
    } else if (m->frame->large != NULL && m->frame->sent > 0) {
      /* The message waits until this body is out of the way (frame.c). */
      hs2ni_tx_body_end(m->frame->large, HS2N_REASON_WITHDRAWN);
    } else {
      hs2ni_frame_leave(m->frame, HS2N_REASON_WITHDRAWN, false);
    }
  }
  lane->resume_seq = seq;
  hs2ni_tx_hold_end(lane); /* what is fresh waits behind what was refused */
  lane->unpackable = 0;
  pause_for(lane, hs2ni_tx_busy_said(lane));
  return true;
}

void hs2ni_tx_lane_detach(struct hs2ni_tx_lane *lane) {
  hs2ni_timer_cancel(&lane->chan->msgs->timers, &lane->pause);
  hs2ni_tx_hold_end(lane);
  while (lane->bodies.head != NULL) {
    hs2ni_frame_free(
        HS2NI_CONTAINER(lane->bodies.head, struct hs2ni_tx_body, node)->frame);
  }
  while (lane->frames.head != NULL) {
    hs2ni_frame_free(frame_of(lane->frames.head));
  }
  for (struct hs2ni_list_node *n = lane->msgs.head; n != NULL; n = n->next) {
    msg_of(n)->resend = msg_of(n)->resend || msg_of(n)->begun;
    msg_of(n)->begun = false;
    msg_of(n)->timed = false;
  }
  hs2ni_tx_busy_forget(lane);
  hs2ni_tx_loose_detach(lane);
  lane->next = msg_of(lane->msgs.head);
  lane->writing = NULL;
  lane->has_stream = false;
  lane->has_spare = false;
  lane->blocked = false;
  lane->offset = 0;
  lane->sent_high = 0;
  lane->resume_seq = 0;
  lane->unpackable = 0;
}
