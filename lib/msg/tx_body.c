/* Streams of large bodies, our side. */
#include "msg/chan.h"

#include <assert.h>

/* Bodies under way, with those that other lanes may begin at any time. */
static size_t taken_by_all(const struct hs2ni_tx_lane *lane) {
  size_t n = 0;

  for (size_t i = 0; i < HS2N_LANES; i++) {
    const struct hs2ni_tx_lane *other = &lane->chan->tx[i];

    n += other != lane && other->bodies.count < HS2NI_LANE_BODIES_OWN
             ? HS2NI_LANE_BODIES_OWN
             : other->bodies.count;
  }
  return n;
}

/* The receiver holds its peer to the same numbers (rx_body.c). */
bool hs2ni_tx_body_room(const struct hs2ni_tx_lane *lane, uint32_t len) {
  if ((lane->chan->peer_caps & HS2NI_CAP_BODIES) != 0) {
    return lane->bodies.count < HS2NI_LANE_BODIES_OWN ||
           taken_by_all(lane) < HS2NI_BODIES_MAX;
  }
  return lane->bodies.count == 0 ||
         (lane->bodies.count < HS2NI_LANE_BODIES_FEW &&
          lane->bodies_bytes + len <= lane->chan->peer_bodies_bytes);
}

static bool open_stream(struct hs2ni_tx_lane *lane, uint64_t *out) {
  if (lane->has_spare) {
    lane->has_spare = false;
    *out = lane->spare;
    return true;
  }
  return hs2ni_tx_lane_open(lane, out);
}

struct hs2ni_tx_body *hs2ni_tx_body_new(struct hs2ni_frame *f) {
  struct hs2ni_pool *pool = hs2ni_chan_pool(f->lane->chan);
  struct hs2ni_tx_body *b = hs2ni_pool_take(pool, sizeof(*b));

  if (b == NULL) {
    hs2ni_tx_lane_retry(f->lane);
    return NULL;
  }
  *b = (struct hs2ni_tx_body){.frame = f};
  if (!open_stream(f->lane, &b->stream)) {
    hs2ni_pool_give(pool, b, sizeof(*b));
    return NULL;
  }
  return b;
}

void hs2ni_tx_body_begin(struct hs2ni_tx_body *b, uint64_t seq, uint32_t len) {
  struct hs2ni_tx_lane *lane = b->frame->lane;
  const struct hs2ni_head head = {
      .kind = HS2NI_STREAM_BODY, .lane = lane->lane, .seq = seq, .len = len};

  b->seq = seq;
  b->len = len;
  b->head_len = (uint8_t)hs2ni_head_encode(&head, b->head);
  hs2ni_list_push_back(&lane->bodies, &b->node);
  lane->bodies_bytes += len;
}

void hs2ni_tx_body_free(struct hs2ni_tx_body *b) {
  struct hs2ni_tx_lane *lane = b->frame->lane;

  if (lane->writing == b) {
    lane->writing = NULL;
  }
  if (b->sent == 0 && !b->done && !lane->has_spare) {
    /* Nothing went out, so the stream serves the next body. */
    lane->has_spare = true;
    lane->spare = b->stream;
  }
  hs2ni_list_remove(&lane->bodies, &b->node);
  lane->bodies_bytes -= b->len;
  hs2ni_pool_give(hs2ni_chan_pool(lane->chan), b, sizeof(*b));
}

static uint64_t end_of(const struct hs2ni_tx_body *b) {
  /* An ended body is written up to its head: by that the peer knows which
   * message the reset is about. */
  return b->ended != 0 ? b->head_len : (uint64_t)b->head_len + b->len;
}

bool hs2ni_tx_body_next(struct hs2ni_tx_body *b, struct hs2ni_chunk *out) {
  const uint64_t body_sent = b->sent > b->head_len ? b->sent - b->head_len : 0;

  if (b->blocked || b->sent >= end_of(b)) {
    return false;
  }
  *out = (struct hs2ni_chunk){
      .stream = b->stream,
      .fin = b->ended == 0,
      .rank = hs2ni_rank(b->frame->lane->lane, b->frame->order),
  };
  if (b->sent < b->head_len) {
    out->parts[out->parts_n++] =
        (struct hs2n_span){b->head + b->sent, b->head_len - (size_t)b->sent};
  }
  if (b->ended == 0) {
    out->parts[out->parts_n++] =
        (struct hs2n_span){hs2n_buf_span(b->frame->body).data + body_sent,
                           b->len - (size_t)body_sent};
  }
  return true;
}

static void try_reset(struct hs2ni_tx_body *b) {
  struct hs2ni_conn *conn = b->frame->lane->chan->conn;

  if (b->ended != 0 && b->head_acked && !b->fin_sent && !b->reset) {
    b->reset = true;
    conn->ops->stream_reset(conn, b->stream, b->ended);
  }
}

static void leave_writing(struct hs2ni_tx_body *b) {
  struct hs2ni_tx_lane *lane = b->frame->lane;

  if (lane->writing == b && (b->fin_sent || b->sent >= end_of(b))) {
    lane->writing = NULL;
  }
}

void hs2ni_tx_body_sent(struct hs2ni_tx_body *b, size_t len, bool fin) {
  b->sent += len;
  b->fin_sent = b->fin_sent || fin;
  assert(b->sent <= (uint64_t)b->head_len + b->len);
  leave_writing(b);
}

void hs2ni_tx_body_acked(struct hs2ni_tx_body *b, uint64_t offset) {
  b->head_acked = b->head_acked || offset >= b->head_len;
  try_reset(b);
}

void hs2ni_tx_body_done(struct hs2ni_tx_body *b) {
  b->done = true;
  if (!b->frame->in_lane) {
    hs2ni_frame_free(b->frame);
  }
}

void hs2ni_tx_body_end(struct hs2ni_tx_body *b, enum hs2n_reason code) {
  if (b->ended == 0 && !b->fin_sent) {
    b->ended = code;
    leave_writing(b);
    try_reset(b);
  }
}

bool hs2ni_tx_body_stopped(struct hs2ni_tx_body *b) {
  if (b->sent < b->head_len) {
    return false;
  }
  b->reset = true;
  if (b->ended == 0) {
    b->ended = HS2N_REASON_WITHDRAWN;
  }
  leave_writing(b);
  return true;
}

struct hs2ni_tx_body *hs2ni_tx_body_find(struct hs2ni_chan *chan,
                                         uint64_t stream) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    for (struct hs2ni_list_node *n = chan->tx[i].bodies.head; n != NULL;
         n = n->next) {
      struct hs2ni_tx_body *b = HS2NI_CONTAINER(n, struct hs2ni_tx_body, node);

      if (b->stream == stream) {
        return b;
      }
    }
  }
  return NULL;
}
