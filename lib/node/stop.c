/* The end of a node: draining, then closing, then the last datagrams. */
#include "node/inside.h"

void hs2n_node_stop(struct hs2n_node *node, hs2n_time now) {
  const struct hs2n_limits *limits = &node->env.limits;

  hs2ni_record_stop(node, now);
  if (node->phase != HS2NI_PHASE_RUNNING) {
    return;
  }
  if (now < node->env.now) {
    now = node->env.now;
  }
  node->phase = HS2NI_PHASE_DRAINING;
  node->drain_until = now + HS2N_MS(limits->drain_ms);
  node->due = true;
  hs2ni_log(&node->env, HS2N_LOG_INFO, "node.stop", "drain_ms=%u",
            (unsigned)limits->drain_ms);
}

bool hs2n_node_stopped(const struct hs2n_node *node) {
  return node->phase == HS2NI_PHASE_STOPPED;
}

static bool drained(const struct hs2n_node *node) {
  struct hs2ni_peer *p;
  uint32_t at = 0;

  while ((p = hs2ni_peers_each(node->peers, &at)) != NULL) {
    if (p->channel != NULL && !hs2ni_chan_idle(p->channel)) {
      return false;
    }
  }
  return true;
}

void hs2ni_free_channels(struct hs2n_node *node) {
  struct hs2ni_peer *p;
  uint32_t at = 0;

  while ((p = hs2ni_peers_each(node->peers, &at)) != NULL) {
    hs2ni_chan_free(p->channel, HS2N_DONE_CANCELLED);
    p->channel = NULL;
  }
}

void hs2ni_stop_step(struct hs2n_node *node) {
  if (node->phase != HS2NI_PHASE_DRAINING ||
      (node->env.now < node->drain_until && !drained(node))) {
    return;
  }
  node->phase = HS2NI_PHASE_CLOSING;
  hs2ni_peers_stop(node->peers);
  hs2ni_free_channels(node);
  hs2ni_upcalls(node);
}

hs2n_time hs2ni_stop_deadline(const struct hs2n_node *node) {
  return node->phase == HS2NI_PHASE_DRAINING ? node->drain_until
                                             : HS2N_TIME_NEVER;
}
