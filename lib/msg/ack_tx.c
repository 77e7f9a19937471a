/* Acknowledgements and refusals that we write. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

static void put(struct hs2ni_ack_tx *tx, const uint8_t *bytes, size_t len) {
  const size_t at = (size_t)(tx->made % HS2NI_ACK_RING);
  const size_t first = len < HS2NI_ACK_RING - at ? len : HS2NI_ACK_RING - at;

  assert(tx->made - tx->acked + len <= HS2NI_ACK_RING);
  memcpy(tx->ring + at, bytes, first);
  memcpy(tx->ring, bytes + first, len - first);
  tx->made += len;
}

static bool has_room(const struct hs2ni_ack_tx *tx) {
  return HS2NI_ACK_RING - (tx->made - tx->acked) >= HS2NI_RECORD_MAX;
}

static void put_record(struct hs2ni_ack_tx *tx,
                       const struct hs2ni_record *record) {
  uint8_t bytes[HS2NI_RECORD_MAX];

  put(tx, bytes, hs2ni_record_encode(record, bytes));
}

static void make_nacks(struct hs2ni_chan *chan) {
  struct hs2ni_list *pending = &chan->rx.nacks_pending;

  while (pending->head != NULL && has_room(&chan->ack_tx)) {
    struct hs2ni_rx_msg *m = HS2NI_CONTAINER(hs2ni_list_pop_front(pending),
                                             struct hs2ni_rx_msg, node);

    put_record(&chan->ack_tx, &(struct hs2ni_record){
                                  .kind = HS2NI_RECORD_NACK,
                                  .lane = m->lane->lane,
                                  .unordered = m->loose,
                                  .seq = m->seq,
                                  .code = m->code,
                              });
    m->end = chan->ack_tx.made;
    hs2ni_list_push_back(&chan->rx.nacks_sent, &m->node);
  }
}

/* What is short of 2^64 by less than a byte of the bitmap is not said: an ack
 * names numbers only. */
static void put_ack(struct hs2ni_rx_lane *lane, bool unordered, uint64_t floor,
                    struct hs2n_span bitmap) {
  const uint64_t room = (UINT64_MAX - floor) / 8;

  if (bitmap.len > room) {
    bitmap.len = (size_t)room;
  }
  while (bitmap.len > 0 && bitmap.data[bitmap.len - 1] == 0) {
    bitmap.len--;
  }
  put_record(&lane->chan->ack_tx, &(struct hs2ni_record){
                                      .kind = HS2NI_RECORD_ACK,
                                      .lane = lane->lane,
                                      .unordered = unordered,
                                      .seq = floor,
                                      .bitmap = bitmap,
                                  });
}

static void make_ack(struct hs2ni_rx_lane *lane) {
  uint8_t bitmap[HS2NI_DEDUP_WINDOW / 8];
  const size_t len = hs2ni_dedup_bitmap(&lane->dedup, bitmap);

  static_assert(HS2NI_DEDUP_WINDOW / 8 <= HS2NI_ACK_BITMAP_MAX,
                "one record carries the whole window");
  put_ack(lane, false, lane->dedup.floor, (struct hs2n_span){bitmap, len});
  lane->ack_due = false;
}

static void make_loose_ack(struct hs2ni_rx_lane *lane) {
  uint8_t bitmap[HS2NI_LOOSE_WINDOW / 8];
  const size_t len = hs2ni_loose_window_bitmap(&lane->loose.window, bitmap);

  static_assert(HS2NI_LOOSE_WINDOW / 8 <= HS2NI_ACK_BITMAP_MAX,
                "one record carries the whole window");
  put_ack(lane, true, lane->loose.window.floor,
          (struct hs2n_span){bitmap, len});
  lane->loose.ack_due = false;
}

/* Of its own sense, so it may go ahead of all else. */
static void make_beat(struct hs2ni_chan *chan) {
  if (chan->beat.due && has_room(&chan->ack_tx)) {
    const struct hs2ni_record record = hs2ni_beat_take(chan);

    put_record(&chan->ack_tx, &record);
  }
}

static void make(struct hs2ni_chan *chan) {
  make_beat(chan);
  make_nacks(chan);
  if (chan->rx.nacks_pending.head != NULL) {
    return; /* no ack may overtake a refusal */
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (chan->rx.lanes[i].ack_due && has_room(&chan->ack_tx)) {
      make_ack(&chan->rx.lanes[i]);
    }
    if (chan->rx.lanes[i].loose.ack_due && has_room(&chan->ack_tx)) {
      make_loose_ack(&chan->rx.lanes[i]);
    }
  }
}

static bool has_news(const struct hs2ni_chan *chan) {
  bool due = chan->rx.nacks_pending.head != NULL || chan->beat.due;

  for (size_t i = 0; i < HS2N_LANES; i++) {
    due = due || chan->rx.lanes[i].ack_due || chan->rx.lanes[i].loose.ack_due;
  }
  return due;
}

bool hs2ni_ack_tx_due(const struct hs2ni_chan *chan) {
  return has_news(chan) || chan->ack_tx.sent < chan->ack_tx.made;
}

/* Idle channels have no ring. */
static bool get_ring(struct hs2ni_chan *chan) {
  if (chan->ack_tx.ring == NULL) {
    chan->ack_tx.ring = hs2ni_pool_take(hs2ni_chan_pool(chan), HS2NI_ACK_RING);
  }
  if (chan->ack_tx.ring == NULL) {
    hs2ni_tx_lane_retry(&chan->tx[0]); /* its pause wakes us too */
  }
  return chan->ack_tx.ring != NULL;
}

static void give_ring(struct hs2ni_chan *chan) {
  if (chan->ack_tx.ring != NULL) {
    hs2ni_pool_give(hs2ni_chan_pool(chan), chan->ack_tx.ring, HS2NI_ACK_RING);
    chan->ack_tx.ring = NULL;
  }
}

static bool open_stream(struct hs2ni_chan *chan) {
  struct hs2ni_ack_tx *tx = &chan->ack_tx;
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_ACKS};
  uint8_t bytes[HS2NI_HEAD_MAX];

  if (!tx->has_stream) {
    /* Should memory be short, the pause of the first lane wakes us too. */
    if (!hs2ni_tx_lane_open(&chan->tx[0], &tx->stream)) {
      return false;
    }
    tx->has_stream = true;
    put(tx, bytes, hs2ni_head_encode(&head, bytes));
  }
  return true;
}

bool hs2ni_ack_tx_next(struct hs2ni_chan *chan, struct hs2ni_chunk *out) {
  struct hs2ni_ack_tx *tx = &chan->ack_tx;
  const bool news = has_news(chan);
  size_t at, len, first;

  if (tx->blocked || (!news && tx->sent == tx->made)) {
    return false;
  }
  if (!get_ring(chan) || !open_stream(chan)) {
    return false;
  }
  if (news) {
    make(chan);
  }
  len = (size_t)(tx->made - tx->sent);
  if (len == 0) {
    return false; /* the ring is full of what is not acked */
  }
  at = (size_t)(tx->sent % HS2NI_ACK_RING);
  first = len < HS2NI_ACK_RING - at ? len : HS2NI_ACK_RING - at;
  *out = (struct hs2ni_chunk){.stream = tx->stream, .parts_n = 1};
  out->parts[0] = (struct hs2n_span){tx->ring + at, first};
  if (len > first) {
    out->parts[out->parts_n++] = (struct hs2n_span){tx->ring, len - first};
  }
  return true;
}

void hs2ni_ack_tx_sent(struct hs2ni_chan *chan, size_t len) {
  chan->ack_tx.sent += len;
  assert(chan->ack_tx.sent <= chan->ack_tx.made);
}

void hs2ni_ack_tx_acked(struct hs2ni_chan *chan, uint64_t offset) {
  struct hs2ni_list *sent = &chan->rx.nacks_sent;

  if (offset > chan->ack_tx.acked) {
    chan->ack_tx.acked = offset;
  }
  if (chan->ack_tx.acked == chan->ack_tx.made) {
    give_ring(chan);
  }
  while (sent->head != NULL) {
    struct hs2ni_rx_msg *m =
        HS2NI_CONTAINER(sent->head, struct hs2ni_rx_msg, node);

    if (m->end > offset) {
      break;
    }
    hs2ni_list_remove(sent, &m->node);
    hs2ni_rx_msg_free(m);
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_rx_lane_update(&chan->rx.lanes[i]);
  }
}

void hs2ni_ack_tx_detach(struct hs2ni_chan *chan) {
  struct hs2ni_rx *rx = &chan->rx;
  struct hs2ni_list_node *n;

  while (rx->nacks_sent.tail != NULL) {
    struct hs2ni_list_node *last = rx->nacks_sent.tail;

    hs2ni_list_remove(&rx->nacks_sent, last);
    hs2ni_list_push_front(&rx->nacks_pending, last);
  }
  n = rx->nacks_pending.head;
  while (n != NULL) {
    struct hs2ni_rx_msg *m = HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node);

    n = n->next;
    if (m->code == HS2N_REASON_APP_BUSY) {
      /* The peer writes it again on the next connection anyway. */
      hs2ni_list_remove(&rx->nacks_pending, &m->node);
      hs2ni_rx_msg_free(m);
    }
  }
  give_ring(chan);
  chan->ack_tx = (struct hs2ni_ack_tx){0};
}

void hs2ni_ack_tx_attach(struct hs2ni_chan *chan) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    struct hs2ni_rx_lane *lane = &chan->rx.lanes[i];

    lane->ack_due = lane->dedup.newest > 0;
    lane->loose.ack_due = lane->loose.window.newest > 0;
  }
}
