/* What can be seen of a node from outside. */
#include "base/sized.h"
#include "node/inside.h"

void hs2n_node_stats(const struct hs2n_node *node, struct hs2n_stats *out) {
  hs2ni_sized_give(out, &node->env.stats, sizeof(node->env.stats));
}

int hs2n_peer_find(const struct hs2n_node *node, const struct hs2n_peer_id *id,
                   struct hs2n_peer *out_peer) {
  const struct hs2ni_peer *p = hs2ni_peers_find(node->peers, id);

  if (p == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  *out_peer = p->handle;
  return HS2N_OK;
}

static void add_link(struct hs2n_peer_info *info, const struct hs2ni_peer *p) {
  const struct hs2ni_conn *conn = hs2ni_peer_conn(p);
  struct hs2ni_conn_stats s;

  if (conn == NULL) {
    return;
  }
  conn->ops->conn_stats(conn, &s);
  info->remote = s.remote;
  info->last_heard = s.last_heard;
  info->rtt_smoothed = s.rtt_smoothed;
  info->rtt_min = s.rtt_min;
  info->cwnd_bytes = s.cwnd_bytes;
  info->in_flight_bytes = s.in_flight_bytes;
  info->packets_sent = s.packets_sent;
  info->packets_lost = s.packets_lost;
}

static void add_channel(struct hs2n_peer_info *info,
                        const struct hs2ni_peer *p) {
  struct hs2ni_chan_stats s;

  if (p->channel == NULL) {
    return;
  }
  hs2ni_chan_stats(p->channel, &s);
  info->queued_bytes = s.queued_bytes;
  info->rx_held_bytes = s.rx_held_bytes;
  info->judged_msgs = s.judged_n;
  info->rejected_msgs = s.rejected_n;
  info->judge_cost_ns = s.judge_cost_ns;
  info->delay_samples = s.delay_n;
  info->delay_p50 = hs2ni_chan_delay(p->channel, 500);
  info->delay_p90 = hs2ni_chan_delay(p->channel, 900);
  info->delay_p99 = hs2ni_chan_delay(p->channel, 990);
  info->requests_asked = s.requests_asked;
  info->requests_unanswered = s.requests_unanswered;
  for (int i = 0; i < HS2N_LANES; i++) {
    info->queued_msgs[i] = s.queued_msgs[i];
  }
}

int hs2n_peer_info(const struct hs2n_node *node, struct hs2n_peer peer,
                   struct hs2n_peer_info *out) {
  const struct hs2ni_peer *p = hs2ni_peers_get(node->peers, peer);
  struct hs2n_peer_info info;

  if (p == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  info = (struct hs2n_peer_info){
      .struct_size = sizeof(info),
      .id = p->id,
      .key = p->key,
      .weight = p->weight,
      .state = hs2ni_peer_up(p) ? HS2N_PEER_UP : HS2N_PEER_DOWN,
      .down_reason = p->down_reason,
      .remote = p->remote,
      .incarnation = p->pair.incarnation,
      .last_heard = p->last_heard,
      .dial_attempts = p->dial_attempts,
  };
  add_link(&info, p);
  add_channel(&info, p);
  hs2ni_sized_give(out, &info, sizeof(info));
  return HS2N_OK;
}

int hs2n_peer_heartbeat(const struct hs2n_node *node, struct hs2n_peer peer,
                        struct hs2n_heartbeat *out) {
  const struct hs2ni_peer *p = hs2ni_peers_get(node->peers, peer);
  struct hs2n_heartbeat heartbeat;

  if (p == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  if (p->channel == NULL || !hs2ni_chan_heartbeat(p->channel, &heartbeat)) {
    return HS2N_ERR_STATE;
  }
  hs2ni_sized_give(out, &heartbeat, sizeof(heartbeat));
  return HS2N_OK;
}

int hs2n_quorum_delay(const struct hs2n_node *node, uint64_t epoch,
                      uint64_t weight, uint32_t permille, hs2n_time *out_ns) {
  if (permille < 1 || permille > 1000) {
    return HS2N_ERR_INVALID;
  }
  return hs2ni_cast_delay(node->cast, epoch, weight, permille, out_ns);
}
