/* Messages in datagrams, and their copies on the lane's stream. */
#include "msg/chan.h"

#include <assert.h>

static struct hs2ni_tx_msg *msg_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);
}

static struct hs2ni_tx_msg *copy_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_tx_msg, loose.node);
}

static struct hs2ni_timers *timers_of(const struct hs2ni_tx_lane *lane) {
  return &lane->chan->msgs->timers;
}

static void on_late(struct hs2ni_timer *timer);

void hs2ni_tx_loose_init(struct hs2ni_tx_lane *lane) {
  lane->loose = (struct hs2ni_tx_loose){
      .next_seq = lane->chan->msgs->seqs_used + 1,
      .timer = {.fire = on_late},
  };
}

static bool peer_reads(const struct hs2ni_chan *chan) {
  return (chan->peer_caps & HS2NI_CAP_DATAGRAM) != 0;
}

bool hs2ni_tx_loose_fits(const struct hs2ni_tx_msg *m) {
  const struct hs2ni_chan *chan = m->lane->chan;

  return chan->conn != NULL && peer_reads(chan) &&
         (uint64_t)m->body_len + HS2NI_HEAD_MAX + HS2NI_RECORD_MAX <=
             chan->conn->ops->datagram_max(chan->conn);
}

void hs2ni_tx_loose_queue(struct hs2ni_tx_msg *m) {
  m->loose.is = true;
  hs2ni_list_push_back(&m->lane->loose.fresh, &m->node);
}

/* ---- copies that wait ---------------------------------------------------- */

static void set_timer(struct hs2ni_tx_lane *lane) {
  const struct hs2ni_tx_loose *loose = &lane->loose;
  const struct hs2ni_tx_msg *m = copy_of(loose->waiting.head);
  hs2n_time at = m == NULL ? HS2N_TIME_NEVER : m->loose.copy_at;

  if (loose->refused.head != NULL && loose->refused_until < at) {
    at = loose->refused_until;
  }
  hs2ni_timer_set(timers_of(lane), &lane->loose.timer, at);
}

static void leave_copies(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_loose *loose = &m->lane->loose;

  if (m->loose.copy == HS2NI_COPY_WAITING) {
    const bool first = loose->waiting.head == &m->loose.node;

    hs2ni_list_remove(&loose->waiting, &m->loose.node);
    if (first) {
      set_timer(m->lane);
    }
  } else if (m->loose.copy == HS2NI_COPY_REFUSED) {
    hs2ni_list_remove(&loose->refused, &m->loose.node);
    set_timer(m->lane);
  } else if (m->loose.copy == HS2NI_COPY_DUE) {
    hs2ni_list_remove(&loose->due, &m->loose.node);
  }
  m->loose.copy = HS2NI_COPY_NONE;
}

static void make_due(struct hs2ni_tx_msg *m) {
  leave_copies(m);
  m->loose.copy = HS2NI_COPY_DUE;
  hs2ni_list_push_back(&m->lane->loose.due, &m->loose.node);
}

/* Behind those that wait, so that the list stays in order of time. */
static void make_waiting(struct hs2ni_tx_msg *m, hs2n_time at) {
  struct hs2ni_tx_loose *loose = &m->lane->loose;
  const struct hs2ni_tx_msg *last;

  leave_copies(m);
  last = copy_of(loose->waiting.tail);
  m->loose.copy = HS2NI_COPY_WAITING;
  m->loose.copy_at =
      last != NULL && last->loose.copy_at > at ? last->loose.copy_at : at;
  hs2ni_list_push_back(&loose->waiting, &m->loose.node);
  if (last == NULL) {
    set_timer(m->lane);
  }
}

/* Messages refused as BUSY that are tried again at once: the peer is likely to
 * be as busy still. */
#define AGAIN_MAX 8u

static void try_again(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_loose *loose = &lane->loose;
  struct hs2ni_env *env = hs2ni_chan_env(lane->chan);

  for (uint32_t i = 0; i < AGAIN_MAX && loose->refused.head != NULL; i++) {
    make_due(copy_of(loose->refused.head));
  }
  loose->tried = true;
  if (loose->refused.head != NULL) {
    loose->refused_until =
        env->now + hs2ni_tx_busy_pause(env, loose->refused_row);
  }
}

static void on_late(struct hs2ni_timer *timer) {
  struct hs2ni_tx_lane *lane =
      HS2NI_CONTAINER(timer, struct hs2ni_tx_lane, loose.timer);
  const hs2n_time now = hs2ni_chan_env(lane->chan)->now;
  struct hs2ni_tx_msg *m;

  while ((m = copy_of(lane->loose.waiting.head)) != NULL &&
         m->loose.copy_at <= now) {
    make_due(m);
  }
  if (lane->loose.refused.head != NULL && lane->loose.refused_until <= now) {
    try_again(lane);
  }
  set_timer(lane);
  hs2ni_chan_want(lane->chan);
}

void hs2ni_tx_loose_remove(struct hs2ni_tx_msg *m) {
  leave_copies(m);
  hs2ni_list_remove(m->loose.out ? &m->lane->loose.out : &m->lane->loose.fresh,
                    &m->node);
}

/* From so many packets the share of lost ones is measured, and from so many of
 * a thousand on they count. */
#define LOSS_SAMPLE 128u
#define LOSSY_PERMILLE 5u

static void measure(struct hs2ni_loss *loss,
                    const struct hs2ni_conn_stats *stats) {
  const uint64_t sent = stats->packets_sent - loss->sent;
  const uint64_t lost = stats->packets_lost - loss->lost;

  if (sent >= LOSS_SAMPLE) {
    loss->permille =
        (uint32_t)((3 * (uint64_t)loss->permille + lost * 1000 / sent) / 4);
    loss->sent = stats->packets_sent;
    loss->lost = stats->packets_lost;
  }
}

/* How long an acknowledgement of what leaves now is waited for. */
static hs2n_time patience(struct hs2ni_chan *chan) {
  const struct hs2n_limits *limits = &hs2ni_chan_env(chan)->limits;
  const hs2n_time least = HS2N_MS(limits->datagram_copy_min_ms);
  struct hs2ni_conn_stats stats;
  hs2n_time part;

  chan->conn->ops->conn_stats(chan->conn, &stats);
  measure(&chan->loss, &stats);
  part = stats.rtt_smoothed / 1000 *
         (chan->loss.permille >= LOSSY_PERMILLE
              ? limits->datagram_copy_lossy_permille
              : limits->datagram_copy_permille);
  return part > least ? part : least;
}

uint64_t hs2ni_tx_loose_due_rank(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_tx_msg *m = copy_of(lane->loose.due.head);

  return m == NULL ? HS2NI_RANK_NONE : hs2ni_rank(lane->lane, m->order);
}

uint64_t hs2ni_tx_loose_rank(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_tx_msg *m = msg_of(lane->loose.fresh.head);

  return m == NULL || (hs2ni_tx_holds(lane) && hs2ni_tx_held(lane))
             ? HS2NI_RANK_NONE
             : hs2ni_rank(lane->lane, m->order);
}

/* ---- datagrams ----------------------------------------------------------- */

/* From fresh to out. */
static void go_out(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_loose *loose = &m->lane->loose;

  assert(m->seq != 0);
  hs2ni_list_remove(&loose->fresh, &m->node);
  hs2ni_list_push_back(&loose->out, &m->node);
  m->loose.out = true;
  m->begun = true;
  hs2ni_tx_time(m);
}

/* Number of the oldest message that is not over; m is the first fresh one. */
static uint64_t base_of(const struct hs2ni_tx_loose *loose,
                        const struct hs2ni_tx_msg *m) {
  if (loose->out.head != NULL) {
    return msg_of(loose->out.head)->seq;
  }
  return m->seq != 0 ? m->seq : loose->next_seq;
}

/* Whether m has a frame, perhaps by now.  Its number must not be further from
 * the base than receivers can tell. */
static bool has_frame(struct hs2ni_tx_msg *m, uint64_t base) {
  if (m->frame == NULL &&
      (m->seq != 0 || m->lane->loose.next_seq - base < HS2NI_LOOSE_WINDOW)) {
    (void)hs2ni_frame_new(m);
  }
  return m->frame != NULL;
}

static struct hs2ni_tx_msg *first_fresh(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m;

  while ((m = msg_of(lane->loose.fresh.head)) != NULL &&
         hs2ni_tx_lane_ended(m)) {
  }
  return m;
}

static size_t put_head(struct hs2ni_tx_lane *lane, uint64_t base,
                       struct hs2ni_chunk *out) {
  const struct hs2ni_head head = {
      .kind = HS2NI_STREAM_DATAGRAM, .lane = lane->lane, .seq = base};
  const size_t len = hs2ni_head_encode(&head, lane->loose.head);

  *out = (struct hs2ni_chunk){.stream = HS2NI_DATAGRAM,
                              .parts_n = 1,
                              .rank = hs2ni_tx_loose_rank(lane)};
  out->parts[0] = (struct hs2n_span){lane->loose.head, len};
  return len;
}

static void put_frame(struct hs2ni_chunk *out, const struct hs2ni_frame *f) {
  out->parts[out->parts_n++] = (struct hs2n_span){f->header, f->header_len};
  if (f->body_len > 0) {
    out->parts[out->parts_n++] =
        (struct hs2n_span){hs2n_buf_span(f->body).data, f->body_len};
  }
}

/* Fills the chunk with m and what follows it, as far as there is room. */
static void offer(struct hs2ni_tx_msg *m, size_t max, struct hs2ni_chunk *out) {
  struct hs2ni_tx_lane *lane = m->lane;
  const uint64_t base = base_of(&lane->loose, m);
  size_t len = put_head(lane, base, out);

  while (m != NULL && out->parts_n + 2 <= HS2NI_CHUNK_PARTS &&
         has_frame(m, base) && len + hs2ni_frame_len(m->frame) <= max) {
    put_frame(out, m->frame);
    len += hs2ni_frame_len(m->frame);
    m->loose.offered = true;
    m = msg_of(m->node.next);
  }
}

bool hs2ni_tx_loose_next(struct hs2ni_tx_lane *lane, struct hs2ni_chunk *out) {
  const struct hs2ni_conn *conn = lane->chan->conn;
  struct hs2ni_tx_msg *m;

  while (lane->loose.fresh.head != NULL && !hs2ni_tx_hold_asked(lane) &&
         (m = first_fresh(lane)) != NULL) {
    offer(m, conn->ops->datagram_max(conn), out);
    if (m->loose.offered || m->frame == NULL) {
      return m->loose.offered;
    }
    /* Datagrams have become shorter since it was queued. */
    go_out(m);
    make_due(m);
  }
  return false;
}

/* Takes back the offer of all that it was made of. */
static void forget_offer(struct hs2ni_tx_lane *lane) {
  for (struct hs2ni_list_node *n = lane->loose.fresh.head;
       n != NULL && msg_of(n)->loose.offered; n = n->next) {
    msg_of(n)->loose.offered = false;
  }
}

void hs2ni_tx_loose_sent(struct hs2ni_tx_lane *lane, bool taken) {
  struct hs2ni_env *env = hs2ni_chan_env(lane->chan);
  struct hs2ni_tx_msg *m;
  hs2n_time at;

  if (!taken) {
    forget_offer(lane);
    return;
  }
  at = env->now + patience(lane->chan);
  while ((m = msg_of(lane->loose.fresh.head)) != NULL && m->loose.offered) {
    m->loose.offered = false;
    go_out(m);
    make_waiting(m, at);
    env->stats.messages_datagram++;
  }
}

void hs2ni_tx_loose_blocked(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m;

  while ((m = msg_of(lane->loose.fresh.head)) != NULL && m->loose.offered) {
    m->loose.offered = false;
    go_out(m);
    make_due(m);
  }
}

/* ---- copies -------------------------------------------------------------- */

struct hs2ni_frame *hs2ni_tx_loose_frame(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m;
  struct hs2ni_frame *f;

  while ((m = copy_of(lane->loose.due.head)) != NULL) {
    if (hs2ni_tx_lane_ended(m)) {
      continue;
    }
    if (!hs2ni_frame_room(lane)) {
      return NULL;
    }
    f = m->frame != NULL ? m->frame : hs2ni_frame_new(m);
    if (f != NULL) {
      leave_copies(m);
      hs2ni_frame_append(f);
      hs2ni_chan_env(lane->chan)->stats.messages_copied++;
    }
    return f;
  }
  return NULL;
}

/* ---- the peer's answers -------------------------------------------------- */

static bool in_bitmap(struct hs2n_span bitmap, uint64_t index) {
  return index / 8 < bitmap.len &&
         (bitmap.data[index / 8] >> (index % 8) & 1) != 0;
}

bool hs2ni_tx_loose_ack(struct hs2ni_tx_lane *lane,
                        const struct hs2ni_record *r) {
  struct hs2ni_tx_msg *m = msg_of(lane->loose.out.head);

  if (r->seq >= lane->loose.next_seq) {
    return false; /* never given */
  }
  while (m != NULL &&
         (m->seq <= r->seq || m->seq - r->seq <= (uint64_t)r->bitmap.len * 8)) {
    struct hs2ni_tx_msg *next = msg_of(m->node.next);

    if (m->seq <= r->seq || in_bitmap(r->bitmap, m->seq - r->seq - 1)) {
      hs2ni_tx_acked(m);
    }
    m = next;
  }
  if (lane->loose.fresh.head != NULL) {
    hs2ni_chan_want(lane->chan); /* the base may have risen */
  }
  return true;
}

/* It comes again on the stream, after a pause that grows by each round of such
 * refusals, see tx_busy.h. */
static void busy(struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_loose *loose = &m->lane->loose;
  struct hs2ni_env *env = hs2ni_chan_env(m->lane->chan);

  if (m->loose.copy == HS2NI_COPY_DUE || m->loose.copy == HS2NI_COPY_REFUSED) {
    return;
  }
  if (m->frame != NULL && m->frame->in_lane) {
    hs2ni_frame_leave(m->frame, HS2N_REASON_WITHDRAWN, false);
  }
  leave_copies(m);
  if (loose->tried || loose->refused_until <= env->now) {
    loose->tried = false;
    loose->refused_row++;
    loose->refused_until =
        env->now + hs2ni_tx_busy_pause(env, loose->refused_row);
  }
  m->loose.copy = HS2NI_COPY_REFUSED;
  hs2ni_list_push_back(&loose->refused, &m->loose.node);
  set_timer(m->lane);
}

void hs2ni_tx_loose_taken(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_loose *loose = &lane->loose;
  const struct hs2ni_env *env = hs2ni_chan_env(lane->chan);
  const hs2n_time at = env->now + HS2N_MS(env->limits.busy_pause_ms);

  if (loose->refused_row > 1 && loose->refused_until > at) {
    loose->refused_until = at;
    set_timer(lane);
  }
  loose->refused_row = 0;
}

bool hs2ni_tx_loose_nack(struct hs2ni_tx_lane *lane,
                         const struct hs2ni_record *r) {
  struct hs2ni_tx_msg *m = msg_of(lane->loose.out.head);

  if (r->seq >= lane->loose.next_seq) {
    return false;
  }
  while (m != NULL && m->seq < r->seq) {
    m = msg_of(m->node.next);
  }
  if (m == NULL || m->seq != r->seq) {
    return true; /* it has ended */
  }
  if (r->code == HS2N_REASON_APP_BUSY) {
    busy(m);
  } else {
    hs2ni_tx_failed(m, HS2N_DONE_REFUSED, (enum hs2n_reason)r->code);
  }
  return true;
}

/* ---- connections --------------------------------------------------------- */

/* What the next peer can read may differ, so nothing encoded is kept. */
static void forget_frames(struct hs2ni_list *msgs) {
  for (struct hs2ni_list_node *n = msgs->head; n != NULL; n = n->next) {
    struct hs2ni_tx_msg *m = msg_of(n);

    m->loose.offered = false;
    m->resend = m->resend || m->begun;
    m->begun = false;
    m->timed = false;
    if (m->frame != NULL) {
      hs2ni_frame_free(m->frame);
    }
  }
}

void hs2ni_tx_loose_detach(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_loose *loose = &lane->loose;

  forget_frames(&loose->fresh);
  forget_frames(&loose->out);
  for (struct hs2ni_list_node *n = loose->out.head; n != NULL; n = n->next) {
    make_due(msg_of(n));
  }
  loose->refused_row = 0;
  loose->refused_until = 0;
  loose->tried = false;
}

void hs2ni_tx_loose_attach(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_msg *m;

  while (!peer_reads(lane->chan) &&
         ((m = msg_of(lane->loose.out.head)) != NULL ||
          (m = msg_of(lane->loose.fresh.head)) != NULL)) {
    hs2ni_tx_loose_remove(m);
    m->loose = (struct hs2ni_tx_loose_msg){0};
    m->seq = 0;
    hs2ni_tx_append(m);
  }
}
