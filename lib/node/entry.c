/* The entries: time comes in, work is done, the application is told last. */
#include "node/inside.h"

static void set_now(struct hs2ni_env *env, hs2n_time now) {
  if (now < env->now) {
    env->stats.clock_backwards++;
    return;
  }
  env->now = now;
}

/* An entry from inside an upcall finds the node in the middle of its work:
 * it is refused, which loses no more than a datagram or a moment. */
static bool enter(struct hs2n_node *node, hs2n_time now) {
  if (node->entered) {
    hs2ni_log(&node->env, HS2N_LOG_ERROR, "node.reentered",
              "text=\"recv, tick and poll_tx are not callback-safe\"");
    return false;
  }
  node->entered = true;
  node->env.entered = true;
  set_now(&node->env, now);
  return true;
}

/* Those that waited at the beginning; later ones wait for the next entry. */
static void run_posts(struct hs2n_node *node, uint64_t n) {
  hs2ni_post_fn fn;
  void *arg;

  for (; n > 0 && hs2ni_posts_take(&node->posts, &fn, &arg); n--) {
    hs2ni_record_post(node);
    fn(node, arg);
    (void)hs2ni_record_return(node, 0, 0);
  }
}

static void leave(struct hs2n_node *node, uint64_t posts) {
  run_posts(node, posts);
  hs2ni_upcalls(node);
  hs2ni_stop_step(node);
  node->due = false;
  hs2ni_record_left(node);
  node->env.entered = false;
  node->entered = false;
}

void hs2n_node_recv(struct hs2n_node *node, const struct hs2n_rx *rx, size_t n,
                    hs2n_time now) {
  uint64_t posts;

  if (!enter(node, now)) {
    return;
  }
  posts = hs2ni_posts_ready(&node->posts);
  hs2ni_record_recv(node, rx, n, now, posts);
  if (node->phase != HS2NI_PHASE_STOPPED) {
    node->link->ops->recv(node->link, rx, n);
  }
  leave(node, posts);
}

void hs2n_node_tick(struct hs2n_node *node, hs2n_time now) {
  uint64_t posts;

  if (!enter(node, now)) {
    return;
  }
  posts = hs2ni_posts_ready(&node->posts);
  hs2ni_record_tick(node, now, posts);
  node->link->ops->tick(node->link);
  hs2ni_peers_tick(node->peers);
  hs2ni_msgs_tick(node->msgs);
  leave(node, posts);
}

static hs2n_time earlier(hs2n_time a, hs2n_time b) {
  return a < b ? a : b;
}

hs2n_time hs2n_node_deadline(const struct hs2n_node *node) {
  hs2n_time t;

  if (node->phase == HS2NI_PHASE_STOPPED) {
    return HS2N_TIME_NEVER;
  }
  if (node->due || hs2ni_peers_have_news(node->peers) ||
      hs2ni_msgs_pending(node->msgs) || hs2ni_posts_waiting(&node->posts)) {
    return node->env.now;
  }
  t = earlier(node->link->ops->deadline(node->link),
              hs2ni_peers_deadline(node->peers));
  t = earlier(t, hs2ni_msgs_deadline(node->msgs));
  return earlier(t, hs2ni_stop_deadline(node));
}

size_t hs2n_node_poll_tx(struct hs2n_node *node, struct hs2n_tx *tx, size_t n,
                         hs2n_time now) {
  size_t written;

  if (!enter(node, now)) {
    return 0;
  }
  hs2ni_record_poll(node, tx, n, now);
  written = node->link->ops->poll_tx(node->link, tx, n);
  if (written == 0 && !node->env.uplink.held &&
      node->phase == HS2NI_PHASE_CLOSING) {
    node->phase = HS2NI_PHASE_STOPPED;
    hs2ni_posts_close(&node->posts);
    hs2ni_log(&node->env, HS2N_LOG_INFO, "node.stopped", "text=\"%s\"",
              "all datagrams taken");
  }
  hs2ni_record_written(node, tx, written);
  node->env.entered = false;
  node->entered = false;
  return written;
}
