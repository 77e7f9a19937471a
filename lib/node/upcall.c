/* The upcalls: made last in an entry, one at a time, each from a node that
 * is consistent, because the application may call it again from inside. */
#include "base/buf.h"
#include "node/inside.h"

static void tell_peer(struct hs2n_node *node, struct hs2n_peer peer,
                      enum hs2n_peer_state state, enum hs2n_reason reason) {
  hs2ni_record_on_peer(node, peer, state, reason);
  if (node->consensus.on_peer != NULL) {
    node->consensus.on_peer(node->consensus.self, peer, state, reason);
  }
  (void)hs2ni_record_return(node, 0, 0);
}

static enum hs2n_verdict ask(struct hs2n_node *node,
                             const struct hs2ni_event *e) {
  const struct hs2n_consensus *c = &node->consensus;
  enum hs2n_verdict verdict = HS2N_IGNORE;

  if (e->kind == HS2NI_EVENT_REQUEST && c->on_request != NULL) {
    const struct hs2n_req req = {.from = e->peer, .id = e->id};

    verdict = c->on_request(c->self, e->peer, req, &e->msg);
  } else if (e->kind == HS2NI_EVENT_RESPONSE && c->on_response != NULL) {
    verdict =
        c->on_response(c->self, e->peer, e->id, e->tag, e->status, &e->msg);
  } else if (e->kind == HS2NI_EVENT_MESSAGE && c->on_message != NULL) {
    verdict = c->on_message(c->self, e->peer, e->id, &e->msg);
  }
  if (verdict < HS2N_ACCEPT || verdict > HS2N_HOLD) {
    hs2ni_log(&node->env, HS2N_LOG_ERROR, "node.verdict",
              "verdict=%d text=\"not a verdict, taken as IGNORE\"",
              (int)verdict);
    return HS2N_IGNORE;
  }
  return verdict;
}

/* The application may drop the sender's epoch from inside the upcall: then
 * the channel is gone afterwards, and the body is held here until then.  It
 * may also judge the message itself before it returns. */
static void tell_message(struct hs2n_node *node, const struct hs2ni_event *e) {
  struct hs2n_buf *body = e->msg.body;
  enum hs2n_verdict verdict;
  struct hs2ni_peer *from;

  if (body != NULL) {
    (void)hs2ni_buf_ref(body);
  }
  hs2ni_record_on_message(node, e->peer, e->id, &e->msg);
  verdict = ask(node, e);
  hs2ni_record_verdict(node, verdict, body);
  hs2ni_buf_unref(body);
  from = hs2ni_peers_get(node->peers, e->peer);
  if (from != NULL && from->channel != NULL &&
      hs2ni_msgs_verdict(node->msgs, from->channel, e->id, verdict) !=
          HS2N_OK) {
    hs2ni_log(&node->env, HS2N_LOG_DEBUG, "node.verdict",
              "text=\"judged before\"");
  }
}

static void end_connection(struct hs2n_node *node, struct hs2n_peer peer,
                           enum hs2n_reason reason) {
  struct hs2ni_peer *p = hs2ni_peers_get(node->peers, peer);

  if (p != NULL) {
    hs2ni_session_breach(p, reason);
  }
}

static void tell(struct hs2n_node *node, const struct hs2ni_event *e) {
  switch (e->kind) {
  case HS2NI_EVENT_MESSAGE:
  case HS2NI_EVENT_REQUEST:
  case HS2NI_EVENT_RESPONSE:
    tell_message(node, e);
    return;
  case HS2NI_EVENT_DONE:
    hs2ni_record_on_done(node, e->tag, e->done.outcome);
    if (node->consensus.on_done != NULL) {
      node->consensus.on_done(node->consensus.self, e->tag, &e->done);
    }
    (void)hs2ni_record_return(node, 0, 0);
    return;
  case HS2NI_EVENT_WRITABLE:
    tell_peer(node, e->peer, HS2N_PEER_WRITABLE, HS2N_REASON_NONE);
    return;
  case HS2NI_EVENT_BREACH:
    end_connection(node, e->peer, e->reason);
    return;
  }
}

/* Who comes and goes is told before what they said; that a handle dies is
 * told when nothing is left that could name it. */
void hs2ni_upcalls(struct hs2n_node *node) {
  struct hs2ni_peer_news news;
  struct hs2ni_peer *gone;
  struct hs2ni_event event;

  for (;;) {
    if (hs2ni_peers_next(node->peers, &news)) {
      tell_peer(node, news.peer, news.state, news.reason);
    } else if (hs2ni_msgs_next(node->msgs, &event)) {
      tell(node, &event);
    } else if ((gone = hs2ni_peers_next_gone(node->peers)) != NULL) {
      tell_peer(node, gone->handle, HS2N_PEER_GONE, HS2N_REASON_REMOVED);
      hs2ni_peer_forget(gone);
    } else {
      return;
    }
  }
}
