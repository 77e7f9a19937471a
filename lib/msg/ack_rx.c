/* Acknowledgements and refusals of the peer. */
#include "msg/chan.h"

static struct hs2ni_tx_msg *msg_of(struct hs2ni_list_node *n) {
  return HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);
}

static bool in_bitmap(struct hs2n_span bitmap, uint64_t index) {
  return index / 8 < bitmap.len &&
         (bitmap.data[index / 8] >> (index % 8) & 1) != 0;
}

static bool ack(struct hs2ni_tx_lane *lane, const struct hs2ni_record *r) {
  struct hs2ni_list_node *n = lane->msgs.head;

  if (r->unordered) {
    return hs2ni_tx_loose_ack(lane, r);
  }
  if (r->seq >= lane->next_seq) {
    return false; /* never given */
  }
  while (n != NULL) {
    struct hs2ni_tx_msg *m = msg_of(n);

    if (m->seq == 0 ||
        (m->seq > r->seq && m->seq - r->seq > (uint64_t)r->bitmap.len * 8)) {
      break;
    }
    n = n->next;
    if (m->seq <= r->seq || in_bitmap(r->bitmap, m->seq - r->seq - 1)) {
      hs2ni_tx_acked(m);
    }
  }
  return true;
}

static bool nack(struct hs2ni_tx_lane *lane, const struct hs2ni_record *r) {
  struct hs2ni_list_node *n = lane->msgs.head;

  if (r->unordered) {
    return hs2ni_tx_loose_nack(lane, r);
  }
  if (r->code == HS2N_REASON_APP_BUSY) {
    return hs2ni_tx_lane_busy(lane, r->seq);
  }
  if (r->seq >= lane->next_seq) {
    return false;
  }
  while (n != NULL && msg_of(n)->seq != 0 && msg_of(n)->seq < r->seq) {
    n = n->next;
  }
  if (n != NULL && msg_of(n)->seq == r->seq) {
    hs2ni_tx_failed(msg_of(n), HS2N_DONE_REFUSED, (enum hs2n_reason)r->code);
  }
  return true;
}

bool hs2ni_ack_rx(struct hs2ni_chan *chan, const struct hs2ni_record *record) {
  switch (record->kind) {
  case HS2NI_RECORD_ACK:
    return ack(&chan->tx[record->lane], record);
  case HS2NI_RECORD_NACK:
    return nack(&chan->tx[record->lane], record);
  case HS2NI_RECORD_HEARTBEAT:
    return hs2ni_beat_rx(chan, record);
  case HS2NI_RECORD_MSG:
  case HS2NI_RECORD_LARGE:
  case HS2NI_RECORD_BATCH:
    return false;
  }
  return false;
}
