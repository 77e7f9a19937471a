/* What consensus code calls.  None of these makes an upcall: what they cause
 * is told in the next entry, which hs2n_node_deadline asks for at once. */
#include "node/inside.h"

static int set_members(struct hs2n_node *node, uint64_t epoch,
                       const struct hs2n_member *members, size_t n,
                       uint64_t drop_below) {
  if (node->phase != HS2NI_PHASE_RUNNING) {
    return HS2N_ERR_CLOSED;
  }
  if (members == NULL) {
    return HS2N_ERR_INVALID;
  }
  node->due = true;
  return hs2ni_peers_set(node->peers, epoch, members, n, drop_below);
}

int hs2n_set_members(struct hs2n_node *node, uint64_t epoch,
                     const struct hs2n_member *members, size_t n,
                     uint64_t drop_below) {
  hs2ni_record_members(node, epoch, members, members == NULL ? 0 : n,
                       drop_below);
  return hs2ni_record_return(
      node, set_members(node, epoch, members, n, drop_below), 0);
}

int hs2n_send(struct hs2n_node *node, const struct hs2n_dst *dst,
              const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  int err = HS2N_ERR_CLOSED;

  hs2ni_record_send(node, dst, msg, out_tag != NULL);
  if (node->phase == HS2NI_PHASE_RUNNING) {
    err = hs2ni_cast_send(node->cast, dst, msg, out_tag);
  }
  return hs2ni_record_return(
      node, err, err == HS2N_OK && out_tag != NULL ? out_tag->v : 0);
}

int hs2n_request(struct hs2n_node *node, const struct hs2n_dst *any_of,
                 const struct hs2n_msg *msg, struct hs2n_tag *out_tag) {
  int err = HS2N_ERR_CLOSED;

  hs2ni_record_request(node, any_of, msg, out_tag != NULL);
  if (node->phase == HS2NI_PHASE_RUNNING) {
    err = hs2ni_cast_request(node->cast, any_of, msg, out_tag);
  }
  return hs2ni_record_return(
      node, err, err == HS2N_OK && out_tag != NULL ? out_tag->v : 0);
}

static int respond(struct hs2n_node *node, struct hs2n_req req, uint32_t status,
                   struct hs2n_buf *body) {
  const struct hs2ni_peer *from = hs2ni_peers_get(node->peers, req.from);

  if (node->phase != HS2NI_PHASE_RUNNING) {
    return HS2N_ERR_CLOSED;
  }
  if (from == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  return from->channel == NULL
             ? HS2N_ERR_STATE
             : hs2ni_msgs_respond(from->channel, req.id, status, body);
}

int hs2n_respond(struct hs2n_node *node, struct hs2n_req req, uint32_t status,
                 struct hs2n_buf *body) {
  hs2ni_record_respond(node, req, status, body);
  return hs2ni_record_return(node, respond(node, req, status, body), 0);
}

int hs2n_cancel(struct hs2n_node *node, struct hs2n_tag tag) {
  hs2ni_record_cancel(node, tag);
  node->due = true;
  return hs2ni_record_return(node, hs2ni_msgs_cancel(node->msgs, tag), 0);
}

static int enter_view(struct hs2n_node *node, uint64_t view,
                      const struct hs2n_peer *next_leaders, size_t n) {
  int err;

  if (view < node->view) {
    return HS2N_ERR_STALE;
  }
  if (next_leaders == NULL && n > 0) {
    return HS2N_ERR_NO_PEER;
  }
  err = hs2ni_cast_enter_view(node->cast, view, next_leaders, n);
  if (err != HS2N_OK) {
    return err;
  }
  node->due = true;
  node->view = view;
  return hs2ni_msgs_enter_view(node->msgs, view);
}

int hs2n_enter_view(struct hs2n_node *node, uint64_t view,
                    const struct hs2n_peer *next_leaders, size_t n) {
  hs2ni_record_enter_view(node, view, next_leaders, n);
  return hs2ni_record_return(node, enter_view(node, view, next_leaders, n), 0);
}

static int judge(struct hs2n_node *node, struct hs2n_peer from,
                 struct hs2n_msg_id id, enum hs2n_verdict verdict,
                 uint64_t cost_ns) {
  struct hs2ni_peer *p = hs2ni_peers_get(node->peers, from);
  int err;

  if (verdict == HS2N_LATER || verdict == HS2N_BUSY || verdict == HS2N_HOLD) {
    return HS2N_ERR_INVALID;
  }
  if (p == NULL) {
    return HS2N_ERR_NO_PEER;
  }
  if (p->channel == NULL) {
    return HS2N_ERR_STATE;
  }
  node->due = true;
  err = hs2ni_msgs_verdict(node->msgs, p->channel, id, verdict);
  if (err == HS2N_OK) {
    hs2ni_chan_cost(p->channel, verdict, cost_ns);
  }
  return err;
}

int hs2n_judge(struct hs2n_node *node, struct hs2n_peer from,
               struct hs2n_msg_id id, enum hs2n_verdict verdict,
               uint64_t cost_ns) {
  hs2ni_record_judge(node, from, id, verdict, cost_ns);
  return hs2ni_record_return(node, judge(node, from, id, verdict, cost_ns), 0);
}

int hs2n_post(struct hs2n_node *node,
              void (*fn)(struct hs2n_node *node, void *arg), void *arg) {
  return fn == NULL ? HS2N_ERR_INVALID : hs2ni_posts_put(&node->posts, fn, arg);
}

void hs2n_node_on_post(struct hs2n_node *node, void (*wake)(void *arg),
                       void *arg) {
  node->posts.wake = wake;
  node->posts.wake_arg = arg;
}
