/* Messages without order, the peer's side: datagrams, and the copies in a
 * lane's stream. */
#include "msg/chan.h"

#include <string.h>

enum hs2ni_fate hs2ni_rx_loose_fate(struct hs2ni_rx_lane *lane,
                                    const struct hs2ni_record *r) {
  struct hs2ni_env *env = hs2ni_chan_env(lane->chan);
  const enum hs2ni_dedup_sight sight =
      hs2ni_loose_window_check(&lane->loose.window, r->seq);
  enum hs2n_reason reason;
  enum hs2ni_fate fate;

  if (sight != HS2NI_DEDUP_NEW) {
    env->stats.messages_duplicate++;
    if (sight == HS2NI_DEDUP_JUDGED) {
      lane->loose.ack_due = true;
      hs2ni_chan_want(lane->chan);
    }
    return HS2NI_SKIP;
  }
  reason = hs2ni_rx_type_reason(lane, r);
  if (reason != HS2N_REASON_NONE) {
    fate = hs2ni_rx_refuse(lane, r, reason);
    if (fate == HS2NI_SKIP) {
      env->stats.messages_refused++;
      hs2ni_loose_window_take(&lane->loose.window, r->seq);
      hs2ni_loose_window_judge(&lane->loose.window, r->seq);
      lane->loose.ack_due = true;
    }
    return fate;
  }
  if (hs2ni_rx_crowded(lane) || (lane->chan->rx.carries && r->body_len > 0 &&
                                 hs2ni_rx_carries(lane->chan))) {
    return hs2ni_rx_refuse(lane, r, HS2N_REASON_APP_BUSY);
  }
  return HS2NI_TAKE;
}

void hs2ni_rx_loose_ready(struct hs2ni_rx_msg *m) {
  struct hs2ni_rx_lane *lane = m->lane;

  if (hs2ni_loose_window_check(&lane->loose.window, m->seq) !=
      HS2NI_DEDUP_NEW) {
    /* The datagram came while the copy's body was being filled. */
    hs2ni_chan_env(lane->chan)->stats.messages_duplicate++;
    hs2ni_rx_msg_free(m);
    return;
  }
  hs2ni_loose_window_take(&lane->loose.window, m->seq);
  hs2ni_list_push_back(&lane->loose.ready, &m->node);
  hs2ni_rx_lane_update(lane);
}

void hs2ni_rx_loose_void(struct hs2ni_rx_lane *lane) {
  struct hs2ni_list_node *n;

  while ((n = hs2ni_list_pop_front(&lane->loose.ready)) != NULL) {
    hs2ni_rx_msg_free(HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node));
  }
  lane->loose = (struct hs2ni_rx_loose){0};
  hs2ni_rx_lane_update(lane);
}

/* ---- datagrams ----------------------------------------------------------- */

/* Makes a message of a record and its body, which is whole.  When there is no
 * room or memory for it now it is as good as lost: a copy will come. */
static void take(struct hs2ni_rx_lane *lane, const struct hs2ni_record *r,
                 const uint8_t *body) {
  struct hs2ni_rx_msg *m;

  if (hs2ni_rx_crowded(lane) || hs2ni_rx_holds_too_much(lane->chan) ||
      hs2ni_rx_loose_fate(lane, r) != HS2NI_TAKE) {
    return;
  }
  m = hs2ni_rx_msg_taken(lane, r);
  if (m == NULL) {
    return;
  }
  if (r->body_len > 0 && !hs2ni_rx_stale(m)) {
    m->body = hs2ni_rx_buf_new(lane->chan, r->body_len);
    if (m->body == NULL) {
      hs2ni_rx_msg_free(m);
      return;
    }
    memcpy(hs2ni_buf_data(m->body), body, r->body_len);
    hs2ni_rx_buf_whole(lane->chan, r->body_len);
  }
  hs2ni_rx_ready(m);
}

/* The first record of in, and its body. */
static bool read_record(const struct hs2ni_msgs *msgs, struct hs2n_span *in,
                        uint64_t base, struct hs2ni_record *out,
                        const uint8_t **body) {
  const int32_t used = hs2ni_record_decode(*in, out);

  if (used < 0 || out->kind != HS2NI_RECORD_MSG ||
      (out->flags & HS2NI_FLAG_UNORDERED) == 0 ||
      !hs2ni_rx_readable(msgs, out) || out->seq < base ||
      out->seq - base >= HS2NI_LOOSE_WINDOW ||
      out->body_len > in->len - (size_t)used) {
    return false;
  }
  *body = in->data + used;
  in->data += (size_t)used + out->body_len;
  in->len -= (size_t)used + out->body_len;
  return true;
}

enum hs2n_reason hs2ni_rx_datagram(struct hs2ni_chan *chan,
                                   struct hs2n_span in) {
  struct hs2ni_rx_lane *lane;
  struct hs2ni_head head;
  const int32_t used = in.len > HS2NI_DATAGRAM_BYTES_MAX
                           ? HS2N_ERR_TOO_BIG
                           : hs2ni_head_decode(in, &head);

  if (used < 0 || head.kind != HS2NI_STREAM_DATAGRAM ||
      (size_t)used == in.len) {
    return HS2N_REASON_PROTOCOL;
  }
  lane = &chan->rx.lanes[head.lane];
  hs2ni_loose_window_raise(&lane->loose.window, head.seq);
  in.data += used;
  in.len -= (size_t)used;
  while (in.len > 0) {
    struct hs2ni_record record;
    const uint8_t *body;

    if (!read_record(chan->msgs, &in, head.seq, &record, &body)) {
      return HS2N_REASON_PROTOCOL;
    }
    take(lane, &record, body);
  }
  return HS2N_REASON_NONE;
}
