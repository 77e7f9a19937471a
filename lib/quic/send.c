#include "quic/endpoint.h"

#include <string.h>

static void address(struct hs2n_tx *tx, const struct hs2n_addr *local,
                    const struct hs2n_addr *remote) {
  tx->local = *local;
  tx->remote = *remote;
  tx->ecn = HS2N_ECN_NOT_ECT;
}

static bool copy_out(struct hs2n_tx *tx, const uint8_t *bytes, size_t len) {
  if (len > tx->capacity) {
    return false;
  }
  memcpy(tx->data, bytes, len);
  tx->len = len;
  tx->segment_len = len;
  return true;
}

static bool send_answer(struct hs2ni_quic *ep, struct hs2n_tx *tx) {
  const struct hs2ni_quic_answer *a = hs2ni_quic_answer_first(ep);
  bool sent;

  if (a == NULL) {
    return false;
  }
  address(tx, &a->local, &a->remote);
  sent = copy_out(tx, a->bytes, a->len);
  hs2ni_quic_answer_pop(ep);
  return sent;
}

static bool send_tomb(struct hs2ni_quic *ep, struct hs2n_tx *tx) {
  struct hs2ni_list_node *node = hs2ni_list_pop_front(&ep->tombs_tx);
  struct hs2ni_quic_tomb *t;

  if (node == NULL) {
    return false;
  }
  t = HS2NI_CONTAINER(node, struct hs2ni_quic_tomb, tx_node);
  t->tx_queued = false;
  address(tx, &t->local, &t->remote);
  return copy_out(tx, t->packet, t->len);
}

/* One batch of packets of equal length, the last perhaps shorter.
 * Returns its bytes, 0, or ngtcp2's error. */
static ngtcp2_ssize write_batch(struct hs2ni_quic_conn *c, struct hs2n_tx *tx,
                                ngtcp2_path *path, ngtcp2_pkt_info *pi,
                                size_t packets_max, size_t *out_segment) {
  const hs2n_time now = c->ep->env->now;
  const size_t packet = ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->ng);
  size_t room = tx->capacity < HS2NI_QUIC_BATCH_BYTES_MAX
                    ? tx->capacity
                    : HS2NI_QUIC_BATCH_BYTES_MAX;
  size_t quantum = ngtcp2_conn_get_send_quantum2(c->ng);
  ngtcp2_ssize n;

  if (room < packet) {
    n = hs2ni_quic_packet_write(c->ng, path, pi, tx->data, room, now, c);
    *out_segment = n > 0 ? (size_t)n : 0;
    return n;
  }
  if (quantum < packet) {
    quantum = packet;
  }
  return ngtcp2_conn_write_aggregate_pkt2(
      c->ng, path, pi, tx->data, room < quantum ? room : quantum, out_segment,
      hs2ni_quic_packet_write, packets_max, now);
}

static bool must_probe(struct hs2ni_quic_conn *c) {
  const bool asked = c->probe;
  ngtcp2_conn_info info;

  c->probe = false;
  if (!asked || c->ep->env->now - c->last_heard <= c->probe_silence) {
    return false;
  }
  ngtcp2_conn_get_conn_info2(c->ng, &info);
  return info.bytes_in_flight == 0;
}

/* One packet that the peer must ack.  ngtcp2 has no call for a PING, but sends
 * one when a connection has been silent for long. */
static ngtcp2_ssize write_probe(struct hs2ni_quic_conn *c, struct hs2n_tx *tx,
                                ngtcp2_path *path, ngtcp2_pkt_info *pi,
                                size_t *out_segment) {
  ngtcp2_ssize n;

  ngtcp2_conn_set_keep_alive_timeout(c->ng, 1);
  n = write_batch(c, tx, path, pi, 1, out_segment);
  ngtcp2_conn_set_keep_alive_timeout(c->ng,
                                     HS2N_MS(c->ep->env->limits.keep_alive_ms));
  return n;
}

static void fill(struct hs2n_tx *tx, const struct hs2ni_quic_conn *c,
                 const ngtcp2_path *path, uint8_t ecn) {
  tx->local = c->local;
  hs2ni_quic_addr_get(&tx->remote, &path->remote);
  tx->ecn = ecn;
}

/* After a batch of n bytes: whether, and when, c is to be asked again. */
static void queue_again(struct hs2ni_quic_conn *c, ngtcp2_ssize n) {
  if (c->more) {
    hs2ni_quic_conn_ready(c);
  }
  /* The call that finds nothing left is not wasted: by it ngtcp2 learns that
   * the application, not the path, set the pace. */
  if (n > 0 || c->put_back) {
    hs2ni_quic_conn_turn(c, hs2ni_quic_yields(c) && c->rank < c->ep->others
                                ? c->ep->others
                                : c->rank);
  }
  if (!c->in_ready && c->turn.slot == 0) {
    hs2ni_quic_conn_rearm(c);
  }
}

/* Writes what c has to say.  Returns whether tx holds something; c may be
 * gone afterwards. */
static bool send_conn(struct hs2ni_quic_conn *c, bool turn,
                      struct hs2n_tx *tx) {
  /* Before its turn it may say what can't wait, and that is one packet. */
  const size_t packets_max =
      turn || c->rank <= c->ep->others ? HS2NI_QUIC_BATCH_PACKETS_MAX : 1;
  ngtcp2_path_storage ps;
  ngtcp2_pkt_info pi = {0};
  size_t segment = 0;
  ngtcp2_ssize n;

  c->more = false;
  c->put_back = false;
  c->resending = false;
  if (c->closing || c->failed) {
    (void)hs2ni_quic_settle(c, 0);
    return false;
  }
  ngtcp2_path_storage_zero(&ps);
  c->in_ng = true;
  n = must_probe(c) ? write_probe(c, tx, &ps.path, &pi, &segment)
                    : write_batch(c, tx, &ps.path, &pi, packets_max, &segment);
  c->in_ng = false;
  if (n > 0) {
    fill(tx, c, &ps.path, pi.ecn);
    tx->len = (size_t)n;
    tx->segment_len = segment;
    ngtcp2_conn_update_pkt_tx_time(c->ng, c->ep->env->now);
    hs2ni_quic_look_sent(c);
  }
  if (n < 0 || c->closing || c->failed) {
    (void)hs2ni_quic_settle(c, n < 0 ? (int)n : 0);
    return n > 0;
  }
  queue_again(c, n);
  return n > 0;
}

/* Fills one entry.  Returns false when nothing is left to send. */
static bool send_one(struct hs2ni_quic *ep, struct hs2n_tx *tx) {
  struct hs2ni_quic_conn *c;
  bool turn;

  if (send_answer(ep, tx) || send_tomb(ep, tx)) {
    return true;
  }
  while ((c = hs2ni_quic_take_ready(ep, &turn)) != NULL) {
    if (send_conn(c, turn, tx)) {
      return true;
    }
    /* It may have ended and left its last packet. */
    if (send_tomb(ep, tx)) {
      return true;
    }
  }
  return false;
}

size_t hs2ni_quic_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx,
                          size_t n) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);
  size_t filled = 0;

  while (filled < n && send_one(ep, &tx[filled])) {
    const struct hs2n_tx *t = &tx[filled];

    ep->env->stats.udp_bytes_sent += t->len;
    ep->env->stats.udp_datagrams_sent +=
        (t->len + t->segment_len - 1) / t->segment_len;
    filled++;
  }
  return filled;
}
