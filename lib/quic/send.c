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

/* Bytes by which a packet may be short because a frame did not fit. */
#define SLACK 64u

/* The rank of c's next turn, after a batch of n bytes.  Without a full packet,
 * and nothing of the user's, there will be nothing more.  The call that finds
 * so is not wasted: by it ngtcp2 learns that the application, not the path, set
 * the pace.  But it can wait. */
static uint64_t next_turn(const struct hs2ni_quic_conn *c, ngtcp2_ssize n) {
  const bool full =
      n > 0 &&
      (size_t)n + SLACK >= ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->ng);

  if (!c->wants_tx && !full) {
    return HS2NI_RANK_NONE - 1;
  }
  return hs2ni_quic_yields(c) && c->rank < c->ep->others ? c->ep->others
                                                         : c->rank;
}

/* After a batch of n bytes: whether, and when, c is to be asked again. */
static void queue_again(struct hs2ni_quic_conn *c, ngtcp2_ssize n) {
  if (c->more) {
    hs2ni_quic_conn_ready(c);
  }
  hs2ni_quic_pace_sent(c, n > 0);
  if (n > 0 || c->put_back) {
    hs2ni_quic_conn_turn(c, next_turn(c, n));
  }
  /* On a bounded uplink its turn may be long in coming. */
  if (!c->in_ready &&
      (c->turn.slot == 0 || c->ep->env->uplink.bits_per_s != 0)) {
    hs2ni_quic_conn_rearm(c);
  }
}

/* How many packets the uplink takes now. */
static size_t uplink_room(const struct hs2ni_quic_conn *c) {
  const struct hs2ni_env *env = c->ep->env;

  return hs2ni_uplink_room(
      &env->uplink, env->now,
      ngtcp2_conn_get_path_max_tx_udp_payload_size2(c->ng) +
          hs2ni_uplink_header(c->remote.family));
}

/* Before its turn it may say what can't wait, and that is one packet. */
static size_t packets_of(const struct hs2ni_quic_conn *c, bool turn) {
  const size_t room = uplink_room(c);
  const size_t paced = hs2ni_quic_pace_packets(c);

  if (!turn && c->rank > c->ep->others) {
    return 1;
  }
  return room < paced ? room : paced;
}

/* Writes what c has to say.  Returns whether tx holds something; c may be
 * gone afterwards. */
static bool send_conn(struct hs2ni_quic_conn *c, bool turn,
                      struct hs2n_tx *tx) {
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
  hs2ni_quic_pace_begins(c);
  c->in_ng = true;
  n = must_probe(c)
          ? write_probe(c, tx, &ps.path, &pi, &segment)
          : write_batch(c, tx, &ps.path, &pi, packets_of(c, turn), &segment);
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

/* Bytes of what was sent, with their headers. */
static size_t on_wire(const struct hs2n_tx *tx) {
  const size_t datagrams = (tx->len + tx->segment_len - 1) / tx->segment_len;

  return tx->len + datagrams * hs2ni_uplink_header(tx->remote.family);
}

static void note(struct hs2ni_quic *ep, enum hs2ni_quic_next as,
                 const struct hs2n_tx *tx) {
  struct hs2ni_env *env = ep->env;

  env->stats.udp_bytes_sent += tx->len;
  env->stats.udp_datagrams_sent +=
      (tx->len + tx->segment_len - 1) / tx->segment_len;
  hs2ni_quic_note_gone(ep, as, on_wire(tx));
  hs2ni_uplink_sent(&env->uplink, env->now, on_wire(tx));
}

/* As what counts what c is about to send: who is ready and whose turn it would
 * be too sends what its user has. */
static enum hs2ni_quic_next kind_of(const struct hs2ni_quic_conn *c,
                                    enum hs2ni_quic_next next) {
  return c->wants_tx && c->rank <= c->ep->others ? HS2NI_QUIC_NEXT_TURN : next;
}

/* Fills one entry.  Returns false when nothing is left to send. */
static bool send_one(struct hs2ni_quic *ep, struct hs2n_tx *tx) {
  enum hs2ni_quic_next next;
  bool sent = false;

  while (!sent && (next = hs2ni_quic_next(ep)) != HS2NI_QUIC_NEXT_NONE) {
    enum hs2ni_quic_next as = next;

    if (next == HS2NI_QUIC_NEXT_ANSWER) {
      sent = send_answer(ep, tx) || send_tomb(ep, tx);
    } else {
      struct hs2ni_quic_conn *c = hs2ni_quic_take(ep, next);

      as = kind_of(c, next);
      sent = send_conn(c, next == HS2NI_QUIC_NEXT_TURN, tx);
    }
    if (sent) {
      tx->kind = HS2N_IO_DATAGRAM;
      tx->pipe = 0;
      note(ep, as, tx);
    }
  }
  return sent;
}

/* Nothing leaves regardless of the uplink: what did would lie in front of a
 * vote all the same. */
static bool open_now(const struct hs2ni_quic *ep) {
  const struct hs2ni_env *env = ep->env;

  return hs2ni_uplink_opens(&env->uplink, env->now) == env->now;
}

size_t hs2ni_quic_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx,
                          size_t n) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);
  struct hs2ni_env *env = ep->env;
  size_t filled = 0;

  while (filled < n && open_now(ep) && send_one(ep, &tx[filled])) {
    filled++;
  }
  env->uplink.held = !open_now(ep) && hs2ni_quic_any_waits(ep);
  env->stats.send_held += filled == 0 && env->uplink.held;
  return filled;
}
