/* A channel: its life, and the way of link upcalls to its parts. */
#include "msg/chan.h"

#include <assert.h>

void hs2ni_chan_want_at(struct hs2ni_chan *chan, uint64_t rank) {
  if (chan->conn != NULL) {
    chan->conn->ops->want_tx(chan->conn, rank);
  }
}

/* That of what hs2ni_chan_next would give, or lower. */
static uint64_t next_rank(const struct hs2ni_chan *chan) {
  if (!chan->ack_tx.blocked && hs2ni_ack_tx_due(chan)) {
    return HS2NI_RANK_FIRST;
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    const uint64_t loose = hs2ni_tx_loose_rank(&chan->tx[i]);
    const uint64_t lane = hs2ni_tx_lane_rank(&chan->tx[i]);
    const uint64_t rank = loose < lane ? loose : lane;

    if (rank != HS2NI_RANK_NONE) {
      return rank;
    }
  }
  return HS2NI_RANK_NONE;
}

void hs2ni_chan_want(struct hs2ni_chan *chan) {
  const uint64_t rank = next_rank(chan);

  if (rank != HS2NI_RANK_NONE) {
    hs2ni_chan_want_at(chan, rank);
  }
}

int hs2ni_chan_new(struct hs2ni_chan **out, struct hs2ni_msgs *msgs,
                   struct hs2n_peer peer) {
  struct hs2ni_chan *chan;

  if (msgs->chans.count >= msgs->env->limits.peers_max) {
    return HS2N_ERR_FULL;
  }
  chan = hs2ni_alloc(msgs->env, sizeof(*chan));
  if (chan == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  chan->msgs = msgs;
  chan->peer = peer;
  if ((msgs->contents != NULL &&
       hs2ni_content_ring_new(&chan->content, msgs->contents, msgs->env) !=
           HS2N_OK) ||
      hs2ni_ledger_new(&chan->rx.ledger, chan) != HS2N_OK) {
    hs2ni_content_ring_free(chan->content, msgs->env);
    hs2ni_free(msgs->env, chan, sizeof(*chan));
    return HS2N_ERR_NO_MEMORY;
  }
  hs2ni_rx_clock_init(chan);
  hs2ni_rx_waste_init(chan);
  hs2ni_beat_init(chan);
  for (uint8_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_tx_lane_init(&chan->tx[i], chan, i);
    hs2ni_rx_lane_init(&chan->rx.lanes[i], chan, i);
  }
  hs2ni_list_push_back(&msgs->chans, &chan->node);
  *out = chan;
  return HS2N_OK;
}

void hs2ni_chan_key(struct hs2ni_chan *chan, const struct hs2n_key *key) {
  chan->signee = (struct hs2ni_signee){*key, hs2n_key_peer_id(key)};
}

static void end_list(const struct hs2ni_list *msgs, enum hs2n_outcome outcome) {
  while (msgs->head != NULL) {
    hs2ni_tx_failed(HS2NI_CONTAINER(msgs->head, struct hs2ni_tx_msg, node),
                    outcome, HS2N_REASON_NONE);
  }
}

void hs2ni_chan_give_up(struct hs2ni_chan *chan, enum hs2n_reason reason) {
  if (chan->conn != NULL && !chan->given_up) {
    chan->given_up = true;
    chan->give_up_reason = reason;
    hs2ni_list_push_back(&chan->msgs->given_up, &chan->give_up_node);
  }
}

static void end_all(struct hs2ni_chan *chan, enum hs2n_outcome outcome) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    end_list(&chan->tx[i].msgs, outcome);
    end_list(&chan->tx[i].loose.fresh, outcome);
    end_list(&chan->tx[i].loose.out, outcome);
  }
}

static size_t queued_msgs(const struct hs2ni_tx_lane *lane) {
  return lane->msgs.count + lane->loose.fresh.count + lane->loose.out.count;
}

/* Forgets all that came from the peer's process. */
static void void_received(struct hs2ni_chan *chan) {
  struct hs2ni_list_node *n;

  hs2ni_deliver_forget(chan);
  hs2ni_future_void(chan);
  hs2ni_rx_requests_void(chan);
  hs2ni_beat_void(chan);
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_rx_lane_void(&chan->rx.lanes[i]);
  }
  while ((n = hs2ni_list_pop_front(&chan->rx.nacks_pending)) != NULL) {
    hs2ni_rx_msg_free(HS2NI_CONTAINER(n, struct hs2ni_rx_msg, node));
  }
}

static void note_used(struct hs2ni_msgs *msgs, uint64_t next_seq) {
  if (next_seq - 1 > msgs->seqs_used) {
    msgs->seqs_used = next_seq - 1;
  }
}

void hs2ni_chan_free(struct hs2ni_chan *chan, enum hs2n_outcome outcome) {
  struct hs2ni_msgs *msgs;

  if (chan == NULL) {
    return;
  }
  msgs = chan->msgs;
  hs2ni_chan_detach(chan);
  hs2ni_requests_leave(chan, outcome);
  end_all(chan, outcome);
  void_received(chan);
  for (size_t i = 0; i < HS2N_LANES; i++) {
    note_used(msgs, chan->tx[i].next_seq);
    note_used(msgs, chan->tx[i].loose.next_seq);
  }
  hs2ni_rx_waste_stop(chan);
  if (chan->writable_due) {
    hs2ni_list_remove(&msgs->writable, &chan->writable_node);
  }
  hs2ni_rx_carry_void(chan);
  hs2ni_list_remove(&msgs->chans, &chan->node);
  hs2ni_ledger_close(chan->rx.ledger);
  hs2ni_content_ring_free(chan->content, msgs->env);
  hs2ni_free(msgs->env, chan, sizeof(*chan));
}

void hs2ni_chan_attach(struct hs2ni_chan *chan, struct hs2ni_conn *conn,
                       const struct hs2ni_hello *hello) {
  assert(chan->conn == NULL);
  if (chan->incarnation != hello->incarnation) {
    void_received(chan);
    hs2ni_requests_restarted(chan);
    chan->incarnation = hello->incarnation;
  }
  chan->peer_caps = hello->capabilities;
  chan->peer_bodies_bytes = hello->bodies_bytes > HS2NI_HELLO_BODIES_BYTES
                                ? hello->bodies_bytes
                                : HS2NI_HELLO_BODIES_BYTES;
  chan->peer_types_known = 0;
  for (size_t i = 0; i < hello->types_n; i++) {
    const struct hs2ni_hello_type *type = &hello->types[i];

    if (type->id < HS2N_TYPES_MAX) {
      chan->peer_types[type->id] = *type;
      chan->peer_types_known |= (uint64_t)1 << type->id;
    }
  }
  chan->conn = conn;
  hs2ni_rx_carry_begin(chan);
  chan->loss = (struct hs2ni_loss){0};
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_tx_loose_attach(&chan->tx[i]);
  }
  hs2ni_ack_tx_attach(chan);
  hs2ni_beat_attach(chan);
  hs2ni_chan_want(chan);
}

void hs2ni_chan_detach(struct hs2ni_chan *chan) {
  struct hs2ni_rx *rx = &chan->rx;
  struct hs2ni_list_node *n;

  if (chan->conn == NULL) {
    return;
  }
  chan->conn = NULL; /* from here on nobody asks it for anything */
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_tx_lane_detach(&chan->tx[i]);
    hs2ni_rx_lane_detach(&rx->lanes[i]);
  }
  while ((n = hs2ni_list_pop_front(&rx->heads)) != NULL) {
    hs2ni_pool_give(hs2ni_chan_pool(chan),
                    HS2NI_CONTAINER(n, struct hs2ni_rx_head, node),
                    sizeof(struct hs2ni_rx_head));
  }
  rx->has_acks_stream = false;
  rx->acks_stash.len = 0;
  rx->held_ended.bytes = 0;
  rx->withholding = false;
  hs2ni_ack_tx_detach(chan);
  hs2ni_rx_clock_stop(chan);
  hs2ni_beat_detach(chan);
  hs2ni_rx_carry_end(chan);
  if (chan->given_up) {
    chan->given_up = false;
    hs2ni_list_remove(&chan->msgs->given_up, &chan->give_up_node);
  }
  assert(rx->assembling_bytes == 0);
}

struct hs2ni_asked hs2ni_chan_asked(const struct hs2ni_chan *chan) {
  return (struct hs2ni_asked){.open_n = chan->asking.open_n,
                              .trusted = hs2ni_asking_trusted(chan)};
}

enum hs2n_reason hs2ni_chan_data(struct hs2ni_chan *chan, uint64_t stream,
                                 struct hs2n_span bytes, bool fin) {
  enum hs2n_reason reason;

  assert(chan->conn != NULL);
  reason = hs2ni_rx_data(chan, stream, bytes, fin);
  hs2ni_rx_clock_bytes(chan, bytes.len);
  return reason;
}

enum hs2n_reason hs2ni_chan_datagram(struct hs2ni_chan *chan,
                                     struct hs2n_span bytes) {
  assert(chan->conn != NULL);
  return hs2ni_rx_datagram(chan, bytes);
}

enum hs2n_reason hs2ni_chan_reset(struct hs2ni_chan *chan, uint64_t stream,
                                  uint64_t code) {
  (void)code; /* why it was withdrawn makes no difference here */
  assert(chan->conn != NULL);
  return hs2ni_rx_reset(chan, stream);
}

static struct hs2ni_tx_lane *find_lane(struct hs2ni_chan *chan,
                                       uint64_t stream) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (chan->tx[i].has_stream && chan->tx[i].stream == stream) {
      return &chan->tx[i];
    }
  }
  return NULL;
}

static bool is_acks(const struct hs2ni_chan *chan, uint64_t stream) {
  return chan->ack_tx.has_stream && chan->ack_tx.stream == stream;
}

static bool is_spare(const struct hs2ni_chan *chan, uint64_t stream) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (chan->tx[i].has_spare && chan->tx[i].spare == stream) {
      return true;
    }
  }
  return false;
}

enum hs2n_reason hs2ni_chan_stopped(struct hs2ni_chan *chan, uint64_t stream,
                                    uint64_t code) {
  struct hs2ni_tx_body *body = hs2ni_tx_body_find(chan, stream);

  (void)code; /* what becomes of the message, its ack or nack will say */
  assert(chan->conn != NULL);
  if (find_lane(chan, stream) != NULL || is_acks(chan, stream) ||
      is_spare(chan, stream) ||
      (body != NULL && !hs2ni_tx_body_stopped(body))) {
    return HS2N_REASON_PROTOCOL;
  }
  hs2ni_chan_want(chan);
  return HS2N_REASON_NONE;
}

void hs2ni_chan_acked(struct hs2ni_chan *chan, uint64_t stream,
                      uint64_t offset) {
  struct hs2ni_tx_lane *lane = find_lane(chan, stream);
  struct hs2ni_tx_body *body;

  if (is_acks(chan, stream)) {
    hs2ni_ack_tx_acked(chan, offset);
  } else if (lane != NULL) {
    hs2ni_tx_lane_acked(lane, offset);
  } else if ((body = hs2ni_tx_body_find(chan, stream)) != NULL) {
    hs2ni_tx_body_acked(body, offset);
  }
  hs2ni_chan_want(chan);
}

void hs2ni_chan_done(struct hs2ni_chan *chan, uint64_t stream) {
  struct hs2ni_tx_body *body = hs2ni_tx_body_find(chan, stream);

  if (body != NULL) {
    hs2ni_tx_body_done(body);
    hs2ni_chan_want(chan);
  }
}

void hs2ni_chan_credit(struct hs2ni_chan *chan) {
  chan->ack_tx.blocked = false;
  for (size_t i = 0; i < HS2N_LANES; i++) {
    chan->tx[i].blocked = false;
    for (struct hs2ni_list_node *n = chan->tx[i].bodies.head; n != NULL;
         n = n->next) {
      HS2NI_CONTAINER(n, struct hs2ni_tx_body, node)->blocked = false;
    }
  }
  hs2ni_chan_want(chan);
}

void hs2ni_chan_blocked(struct hs2ni_chan *chan, uint64_t stream) {
  struct hs2ni_tx_lane *lane = find_lane(chan, stream);
  struct hs2ni_tx_body *body;

  if (stream == HS2NI_DATAGRAM) {
    hs2ni_tx_loose_blocked(chan->datagram_of);
  } else if (is_acks(chan, stream)) {
    chan->ack_tx.blocked = true;
  } else if (lane != NULL) {
    lane->blocked = true;
  } else if ((body = hs2ni_tx_body_find(chan, stream)) != NULL) {
    body->blocked = true;
  }
}

bool hs2ni_chan_next(struct hs2ni_chan *chan, struct hs2ni_chunk *out) {
  if (chan->conn == NULL) {
    return false;
  }
  if (hs2ni_ack_tx_next(chan, out)) {
    return true;
  }
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (hs2ni_tx_loose_next(&chan->tx[i], out)) {
      chan->datagram_of = &chan->tx[i];
      return true;
    }
    if (hs2ni_tx_lane_next(&chan->tx[i], out)) {
      return true;
    }
  }
  return false;
}

void hs2ni_chan_sent(struct hs2ni_chan *chan, uint64_t stream, size_t len,
                     bool fin) {
  struct hs2ni_tx_lane *lane = find_lane(chan, stream);
  struct hs2ni_tx_body *body;

  if (stream == HS2NI_DATAGRAM) {
    hs2ni_tx_loose_sent(chan->datagram_of, len > 0);
  } else if (is_acks(chan, stream)) {
    hs2ni_ack_tx_sent(chan, len);
  } else if (lane != NULL) {
    hs2ni_tx_lane_sent(lane, len);
  } else if ((body = hs2ni_tx_body_find(chan, stream)) != NULL) {
    hs2ni_tx_body_sent(body, len, fin);
  }
}

bool hs2ni_chan_idle(const struct hs2ni_chan *chan) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (queued_msgs(&chan->tx[i]) > 0) {
      return false;
    }
  }
  return !hs2ni_ack_tx_due(chan);
}

void hs2ni_chan_stats(const struct hs2ni_chan *chan,
                      struct hs2ni_chan_stats *out) {
  *out = (struct hs2ni_chan_stats){
      .incarnation = chan->incarnation,
      .queued_bytes = chan->charged_bytes,
      .rx_held_bytes = hs2ni_rx_held_bytes(chan),
      .judged_n = chan->judged_n,
      .rejected_n = chan->rejected_n,
      .judge_cost_ns = chan->judge_cost_ns,
      .delay_n = chan->delay.n,
      .requests_asked = chan->asking.open_n,
      .requests_unanswered = hs2ni_rx_requests_open(chan),
  };
  for (size_t i = 0; i < HS2N_LANES; i++) {
    out->queued_msgs[i] = (uint32_t)queued_msgs(&chan->tx[i]);
  }
}

hs2n_time hs2ni_chan_delay(const struct hs2ni_chan *chan, uint32_t permille) {
  return hs2ni_delay_quantile(&chan->delay, permille);
}

void hs2ni_chan_cost(struct hs2ni_chan *chan, enum hs2n_verdict verdict,
                     uint64_t ns) {
  chan->judge_cost_ns += ns;
  if (verdict == HS2N_REJECT) {
    hs2ni_rx_waste_add(chan, ns);
  }
}
