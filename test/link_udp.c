/* A link_world over QUIC: datagrams that get lost, doubled and reordered. */
#include "link_world.h"

#include <stdlib.h>

static void hash_in(struct world *w, const void *bytes, size_t len) {
  const uint8_t *at = bytes;

  for (size_t i = 0; i < len; i++) {
    w->hash = (w->hash ^ at[i]) * 0x100000001b3u;
  }
}

bool world_same_addr(const struct hs2n_addr *a, const struct hs2n_addr *b) {
  return a->family == b->family && a->port == b->port &&
         memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static bool lost(struct world *w, unsigned ppm) {
  return ppm > 0 && hs2ni_rng_below(&w->rng, 1000000) < ppm;
}

static void put(struct world *w, struct world_packet p) {
  uint8_t *copy = malloc(p.len == 0 ? 1 : p.len);

  memcpy(copy, p.bytes, p.len);
  p.bytes = copy;
  p.at = w->now + w->delay;
  if (w->jitter > 0) {
    p.at += hs2ni_rng_below(&w->rng, w->jitter);
  }
  p.order = w->order++;
  if (w->packets_n == w->packets_cap) {
    w->packets_cap = w->packets_cap == 0 ? 64 : 2 * w->packets_cap;
    w->packets = realloc(w->packets, w->packets_cap * sizeof(w->packets[0]));
  }
  w->packets[w->packets_n++] = p;
}

static size_t index_of(const struct world *w, const struct hs2n_addr *addr) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    if (world_same_addr(&w->nodes[i].external, addr)) {
      return i;
    }
  }
  return WORLD_NODES_MAX;
}

static bool is_cut(const struct world *w, const struct world_packet *p) {
  const size_t from = index_of(w, &p->from);
  const size_t to = index_of(w, &p->to);

  return from < WORLD_NODES_MAX && to < WORLD_NODES_MAX && w->cut[from][to];
}

static void onto_wire(struct world *w, struct world_packet p) {
  hash_in(w, &w->now, sizeof(w->now));
  hash_in(w, &p.len, sizeof(p.len));
  hash_in(w, p.bytes, p.len);
  if (is_cut(w, &p) || (w->filter != NULL && !w->filter(w, &p)) ||
      lost(w, w->loss_ppm)) {
    return;
  }
  put(w, p);
  if (lost(w, w->dup_ppm)) {
    put(w, p);
  }
}

void world_inject(struct world *w, const struct hs2n_addr *from,
                  const struct hs2n_addr *to, const uint8_t *bytes,
                  size_t len) {
  put(w, (struct world_packet){.from = *from,
                               .to = *to,
                               .len = len,
                               .bytes = (uint8_t *)(uintptr_t)bytes});
}

static void take(struct world *w, struct world_node *node,
                 const struct hs2n_tx *tx) {
  size_t step = tx->segment_len;

  node->batches_out++;
  node->bytes_out += tx->len;
  if (step == 0 || tx->len == 0 || step > tx->len || tx->len > 65507 ||
      (tx->len + step - 1) / step > 64) {
    node->batches_uneven++;
    return;
  }
  for (size_t at = 0; at < tx->len; at += step) {
    node->packets_out++;
    onto_wire(w, (struct world_packet){.from = node->external,
                                       .to = tx->remote,
                                       .ecn = tx->ecn,
                                       .len = tx->len - at < step ? tx->len - at
                                                                  : step,
                                       .bytes = tx->data + at});
  }
}

static size_t earliest(const struct world *w) {
  size_t best = 0;

  for (size_t i = 1; i < w->packets_n; i++) {
    const struct world_packet *a = &w->packets[i];
    const struct world_packet *b = &w->packets[best];

    if (a->at < b->at || (a->at == b->at && a->order < b->order)) {
      best = i;
    }
  }
  return best;
}

static void deliver_one(struct world *w, size_t i) {
  const struct world_packet p = w->packets[i];

  w->packets[i] = w->packets[--w->packets_n];
  for (size_t k = 0; k < w->nodes_n; k++) {
    struct world_node *node = &w->nodes[k];

    if (node->link != NULL && world_same_addr(&node->external, &p.to)) {
      const struct hs2n_rx rx = {.local = node->addr,
                                 .remote = p.from,
                                 .ecn = p.ecn,
                                 .data = p.bytes,
                                 .len = p.len};

      node->te.env.now = w->now;
      node->bytes_in += p.len;
      node->link->ops->recv(node->link, &rx, 1);
      break;
    }
  }
  free(p.bytes);
}

static void deliver(struct world *w) {
  size_t i;

  while (w->packets_n > 0 && w->packets[i = earliest(w)].at <= w->now) {
    deliver_one(w, i);
  }
}

static hs2n_time next(struct world *w) {
  return w->packets_n > 0 ? w->packets[earliest(w)].at : HS2N_TIME_NEVER;
}

static int start(struct world *w, struct world_node *node) {
  struct hs2ni_quic_config config = {.env = &node->te.env,
                                     .tls = node->tls,
                                     .user = &world_user,
                                     .user_ctx = node,
                                     .local = node->addr,
                                     .congestion = node->congestion,
                                     .udp_payload_max = node->udp_payload_max};

  (void)w;
  memcpy(config.reset_key, node->reset_key, sizeof(config.reset_key));
  return hs2ni_quic_new(&node->link, &config);
}

static void stop(struct world *w, struct world_node *node) {
  (void)w;
  (void)node;
}

/* Whoever looks at w->cut knows. */
static void part(struct world *w, size_t a, size_t b, bool apart) {
  (void)w;
  (void)a;
  (void)b;
  (void)apart;
}

static void fini(struct world *w) {
  for (size_t i = 0; i < w->packets_n; i++) {
    free(w->packets[i].bytes);
  }
  free(w->packets);
}

const struct world_carrier world_udp = {
    .name = "quic",
    .start = start,
    .stop = stop,
    .take = take,
    .deliver = deliver,
    .next = next,
    .part = part,
    .fini = fini,
};
