#include "quic/endpoint.h"

#include <string.h>

/* Longest time for which late packets are worth an answer of their own;
 * later ones get a stateless reset. */
#define LIFE_MAX HS2N_S(3)

static void fire(struct hs2ni_timer *timer) {
  hs2ni_quic_tomb_free(HS2NI_CONTAINER(timer, struct hs2ni_quic_tomb, timer));
}

static void take_cid(struct hs2ni_quic_tomb *t, const uint8_t *cid,
                     uint8_t len) {
  if (len == 0 || t->cids_n == HS2NI_QUIC_TOMB_CIDS) {
    return;
  }
  if (hs2ni_map_put(t->ep->routes, (struct hs2n_span){cid, len}, &t->route) !=
      HS2N_OK) {
    return;
  }
  t->cids[t->cids_n].len = len;
  memcpy(t->cids[t->cids_n].bytes, cid, len);
  t->cids_n++;
}

static void queue_tx(struct hs2ni_quic_tomb *t) {
  if (!t->tx_queued && t->len > 0) {
    t->tx_queued = true;
    hs2ni_list_push_back(&t->ep->tombs_tx, &t->tx_node);
  }
}

static void make_room(struct hs2ni_quic *ep) {
  if (ep->tombs.count == HS2NI_QUIC_TOMBS_MAX) {
    hs2ni_quic_tomb_free(
        HS2NI_CONTAINER(ep->tombs.head, struct hs2ni_quic_tomb, node));
  }
}

struct hs2ni_quic_tomb *hs2ni_quic_tomb_new(struct hs2ni_quic_conn *c,
                                            const uint8_t *packet, size_t len) {
  struct hs2ni_quic *ep = c->ep;
  const hs2n_time pto3 = 3 * ngtcp2_conn_get_pto2(c->ng);
  struct hs2ni_quic_tomb *t;

  make_room(ep);
  t = hs2ni_alloc(ep->env, sizeof(*t) + len);
  if (t == NULL) {
    return NULL; /* late packets get a stateless reset then */
  }
  t->route.kind = HS2NI_QUIC_TO_TOMB;
  t->ep = ep;
  t->timer.fire = fire;
  t->local = c->local;
  hs2ni_quic_addr_get(&t->remote, &ngtcp2_conn_get_path2(c->ng)->remote);
  t->len = len;
  if (len > 0) {
    memcpy(t->packet, packet, len);
  }
  for (uint8_t i = 0; i < c->cids_n && i < HS2NI_QUIC_TOMB_CIDS - 1; i++) {
    take_cid(t, c->cids[i], HS2NI_QUIC_CID_LEN);
  }
  take_cid(t, c->first_dcid.bytes, c->first_dcid.len);
  hs2ni_list_push_back(&ep->tombs, &t->node);
  hs2ni_timer_set(&ep->timers, &t->timer,
                  ep->env->now + (pto3 < LIFE_MAX ? pto3 : LIFE_MAX));
  queue_tx(t);
  return t;
}

void hs2ni_quic_tomb_free(struct hs2ni_quic_tomb *t) {
  struct hs2ni_quic *ep = t->ep;

  for (uint8_t i = 0; i < t->cids_n; i++) {
    (void)hs2ni_map_remove(
        ep->routes, (struct hs2n_span){t->cids[i].bytes, t->cids[i].len});
  }
  if (t->tx_queued) {
    hs2ni_list_remove(&ep->tombs_tx, &t->tx_node);
  }
  hs2ni_timer_cancel(&ep->timers, &t->timer);
  hs2ni_list_remove(&ep->tombs, &t->node);
  hs2ni_free(ep->env, t, sizeof(*t) + t->len);
}

/* RFC 9000, 10.2.1: fewer and fewer repetitions, and never more bytes than
 * three times what came in. */
void hs2ni_quic_tomb_heard(struct hs2ni_quic_tomb *t, size_t len) {
  t->heard++;
  if ((t->heard & (t->heard - 1)) == 0 && t->len <= 3 * len) {
    queue_tx(t);
  }
}
