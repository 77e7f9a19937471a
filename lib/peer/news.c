#include "peer/inside.h"

/* ---- what the application is told ------------------------------------------
 */

static void queue_news(struct hs2ni_peer *p) {
  if (!p->in_news) {
    p->in_news = true;
    hs2ni_list_push_back(&p->peers->news, &p->news_node);
  }
}

static void unqueue_news(struct hs2ni_peer *p) {
  if (p->in_news) {
    p->in_news = false;
    hs2ni_list_remove(&p->peers->news, &p->news_node);
  }
}

/* At most one DOWN and one UP wait for each peer, so the list is bounded:
 * what came and went before anybody looked is told as one DOWN. */
bool hs2ni_peers_next(struct hs2ni_peers *peers, struct hs2ni_peer_news *out) {
  struct hs2ni_peer *p;

  while (!hs2ni_list_empty(&peers->news)) {
    p = HS2NI_CONTAINER(peers->news.head, struct hs2ni_peer, news_node);
    if (p->down_news) {
      p->down_news = false;
      p->told_up = false;
      *out =
          (struct hs2ni_peer_news){p->handle, HS2N_PEER_DOWN, p->down_reason};
      return true;
    }
    unqueue_news(p);
    if (hs2ni_peer_up(p) && !p->told_up) {
      p->told_up = true;
      *out =
          (struct hs2ni_peer_news){p->handle, HS2N_PEER_UP, HS2N_REASON_NONE};
      return true;
    }
  }
  return false;
}

struct hs2ni_peer *hs2ni_peers_next_gone(struct hs2ni_peers *peers) {
  struct hs2ni_list_node *n = hs2ni_list_pop_front(&peers->gone);

  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_peer, gone_node);
}

bool hs2ni_peers_have_news(const struct hs2ni_peers *peers) {
  return !hs2ni_list_empty(&peers->news) || !hs2ni_list_empty(&peers->gone);
}

void hs2ni_peer_tell_gone(struct hs2ni_peer *peer) {
  unqueue_news(peer);
  hs2ni_list_push_back(&peer->peers->gone, &peer->gone_node);
}

/* ---- what the log is told --------------------------------------------------
 */

const char *hs2ni_peer_name(const struct hs2n_peer_id *id,
                            char out[HS2NI_PEER_NAME_MAX]) {
  static const char digits[] = "0123456789abcdef";

  for (size_t i = 0; i < (HS2NI_PEER_NAME_MAX - 1) / 2; i++) {
    out[2 * i] = digits[id->bytes[i] >> 4];
    out[2 * i + 1] = digits[id->bytes[i] & 0x0f];
  }
  out[HS2NI_PEER_NAME_MAX - 1] = '\0';
  return out;
}

void hs2ni_peer_tell_up(struct hs2ni_peer *peer, int slot) {
  const struct hs2ni_slot *s = &peer->pair.slots[slot];
  char name[HS2NI_PEER_NAME_MAX];
  char addr[HS2N_ADDR_TEXT_MAX];

  hs2ni_log(peer->peers->env, HS2N_LOG_INFO, "peer.up",
            "peer=%s remote=%s dialled_by=%s incarnation=%llu",
            hs2ni_peer_name(&peer->id, name),
            hs2n_addr_text(&peer->slots[slot].remote, addr),
            s->dialled ? "us" : "peer", (unsigned long long)s->incarnation);
  peer->logged_reason = HS2N_REASON_NONE;
  queue_news(peer);
}

/* The same failure again and again is one line, not one for each dial. */
void hs2ni_peer_tell_down(struct hs2ni_peer *peer, enum hs2n_reason reason) {
  char name[HS2NI_PEER_NAME_MAX];
  char addr[HS2N_ADDR_TEXT_MAX];
  const bool again = peer->logged_reason == reason;

  hs2ni_log(peer->peers->env, again ? HS2N_LOG_DEBUG : HS2N_LOG_INFO,
            "peer.down", "peer=%s remote=%s reason=0x%x text=\"%s\"",
            hs2ni_peer_name(&peer->id, name),
            hs2n_addr_text(&peer->remote, addr), (unsigned)reason,
            hs2n_reason_text(reason));
  peer->logged_reason = reason;
  peer->down_reason = reason;
  peer->down_news = true;
  queue_news(peer);
}

void hs2ni_peer_log_wrong_key(struct hs2ni_peer *peer,
                              const struct hs2n_addr *remote,
                              const struct hs2n_key *key) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(key);
  const bool again = peer->logged_reason == HS2N_REASON_WRONG_KEY;
  char want[HS2NI_PEER_NAME_MAX];
  char got[HS2NI_PEER_NAME_MAX];
  char addr[HS2N_ADDR_TEXT_MAX];

  hs2ni_log(peer->peers->env, again ? HS2N_LOG_DEBUG : HS2N_LOG_WARN,
            "peer.wrong_key", "peer=%s remote=%s found=%s",
            hs2ni_peer_name(&peer->id, want), hs2n_addr_text(remote, addr),
            hs2ni_peer_name(&id, got));
}

void hs2ni_peers_log_refused(struct hs2ni_peers *peers,
                             const struct hs2n_addr *remote,
                             const struct hs2n_key *key,
                             enum hs2n_reason reason) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(key);
  char name[HS2NI_PEER_NAME_MAX];
  char addr[HS2N_ADDR_TEXT_MAX];

  if (peers->refused_logged != 0 &&
      peers->env->now - peers->refused_logged < HS2N_S(1)) {
    peers->refused_quiet++;
    return;
  }
  hs2ni_log(peers->env, HS2N_LOG_WARN, "peer.refused",
            "key=%s remote=%s reason=0x%x text=\"%s\" unlogged=%llu",
            hs2ni_peer_name(&id, name), hs2n_addr_text(remote, addr),
            (unsigned)reason, hs2n_reason_text(reason),
            (unsigned long long)peers->refused_quiet);
  peers->refused_logged = peers->env->now;
  peers->refused_quiet = 0;
}
