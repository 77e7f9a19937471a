#include "link_world.h"

#include <assert.h>
#include <stdlib.h>

#define STEPS_MAX 2000000u
#define TX_CAPACITY 65536u

/* ---- nodes -------------------------------------------------------------- */

static struct hs2n_addr addr_of(size_t i) {
  return (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                            .ip = {10, 0, 0, (uint8_t)(i + 1)},
                            .port = 7000};
}

void world_init(struct world *w, size_t n, uint64_t seed) {
  world_init_over(w, n, seed, &world_udp);
}

void world_init_over(struct world *w, size_t n, uint64_t seed,
                     const struct world_carrier *carrier) {
  assert(n <= WORLD_NODES_MAX);
  memset(w, 0, sizeof(*w));
  hs2ni_rng_seed(&w->rng, seed);
  w->now = HS2N_S(1);
  w->delay = HS2N_MS(1);
  w->carrier = carrier;
  w->nodes_n = n;
  w->tx_memory = malloc(WORLD_TX_MAX * TX_CAPACITY);
  for (size_t i = 0; i < n; i++) {
    struct world_node *node = &w->nodes[i];

    test_env_init(&node->te, 0, seed * 1000 + i);
    node->world = w;
    node->te.env.limits.peers_max = 16;
    node->addr = addr_of(i);
    node->external = node->addr;
    memset(node->reset_key, (int)(17 + i), sizeof(node->reset_key));
  }
}

int world_start(struct world *w, size_t i) {
  struct world_node *node = &w->nodes[i];
  int rv = HS2N_OK;

  node->te.env.now = w->now;
  if (node->identity == NULL) {
    rv = hs2n_identity_generate(&node->identity, node->te.env.mem,
                                test_env_rand, &node->te);
  }
  if (rv == HS2N_OK) {
    const struct hs2ni_tls_config config = {
        .env = &node->te.env,
        .identity = node->identity,
        .chain_id = node->chain == NULL ? "test" : node->chain,
        .unix_time_s = 1790000000};

    node->key = hs2n_identity_key(node->identity);
    rv = hs2ni_tls_new(&node->tls, &config);
  }
  if (rv == HS2N_OK) {
    rv = w->carrier->start(w, node);
  }
  if (rv != HS2N_OK) {
    world_stop(w, i);
  }
  return rv;
}

bool world_start_all(struct world *w) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    if (world_start(w, i) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

void world_stop(struct world *w, size_t i) {
  struct world_node *node = &w->nodes[i];

  if (node->link != NULL) {
    w->carrier->stop(w, node);
    node->link->ops->free(node->link);
    node->link = NULL;
  }
  hs2ni_tls_free(node->tls);
  node->tls = NULL;
  for (size_t k = 0; k < node->conns_n; k++) {
    node->conns[k]->conn = NULL;
  }
}

void world_fini(struct world *w) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    struct world_node *node = &w->nodes[i];

    world_stop(w, i);
    hs2n_identity_free(node->identity);
    for (size_t k = 0; k < node->conns_n; k++) {
      free(node->conns[k]);
    }
  }
  w->carrier->fini(w);
  free(w->tx_memory);
}

/* ---- running ------------------------------------------------------------ */

static void drain(struct world *w, struct world_node *node) {
  struct hs2n_tx tx[WORLD_TX_MAX];
  const size_t max = node->tx_max == 0 ? WORLD_TX_MAX : node->tx_max;
  bool first = true;
  size_t n;

  node->te.env.now = w->now;
  do {
    if (node->before_poll != NULL) {
      node->before_poll(node, first);
    }
    first = false;
    for (size_t i = 0; i < WORLD_TX_MAX; i++) {
      tx[i] = (struct hs2n_tx){.data = w->tx_memory + i * TX_CAPACITY,
                               .capacity = TX_CAPACITY};
    }
    n = node->link->ops->poll_tx(node->link, tx, max);
    for (size_t i = 0; i < n; i++) {
      w->carrier->take(w, node, &tx[i]);
    }
  } while (n > 0);
}

static hs2n_time next_time(struct world *w) {
  hs2n_time at = w->carrier->next(w);

  for (size_t i = 0; i < w->nodes_n; i++) {
    const struct hs2ni_link *link = w->nodes[i].link;

    if (link != NULL && link->ops->deadline(link) < at) {
      at = link->ops->deadline(link);
    }
  }
  return at;
}

static void step(struct world *w) {
  w->carrier->deliver(w);
  for (size_t k = 0; k < w->nodes_n; k++) {
    struct world_node *node = &w->nodes[k];

    if (node->link == NULL) {
      continue;
    }
    node->te.env.now = w->now;
    if (node->link->ops->deadline(node->link) <= w->now) {
      node->link->ops->tick(node->link);
    }
    drain(w, node);
  }
}

static bool run(struct world *w, bool (*done)(struct world *w), hs2n_time d) {
  const hs2n_time until = w->now + d;
  uint64_t steps = 0;

  for (;;) {
    hs2n_time at;

    step(w);
    if (done != NULL && done(w)) {
      return true;
    }
    at = next_time(w);
    if (at >= until) {
      w->now = until;
      return false;
    }
    if (at > w->now) {
      w->now = at;
    }
    w->steps++;
    if (++steps > STEPS_MAX) {
      w->stuck = true;
      return false;
    }
  }
}

void world_part(struct world *w, size_t a, size_t b, bool apart) {
  w->cut[a][b] = w->cut[b][a] = apart;
  w->carrier->part(w, a, b, apart);
}

void world_run(struct world *w, hs2n_time d) {
  (void)run(w, NULL, d);
}

bool world_until(struct world *w, bool (*done)(struct world *w), hs2n_time d) {
  return run(w, done, d);
}

/* ---- connecting --------------------------------------------------------- */

struct world_conn *world_dial_key(struct world *w, size_t from, size_t to,
                                  const struct hs2n_key *key) {
  struct world_node *node = &w->nodes[from];
  struct world_conn *c = world_conn_new(node);

  node->te.env.now = w->now;
  if (node->link->ops->dial(node->link, &w->nodes[to].external, key, c,
                            &c->conn) != HS2N_OK) {
    c->closed = true;
    c->conn = NULL;
    return NULL;
  }
  return c;
}

struct world_conn *world_dial(struct world *w, size_t from, size_t to) {
  return world_dial_key(w, from, to, &w->nodes[to].key);
}

bool world_connect(struct world *w, size_t from, size_t to,
                   struct world_conn **out_client,
                   struct world_conn **out_server) {
  const size_t before = w->nodes[to].conns_n;
  struct world_conn *c = world_dial(w, from, to);

  if (c == NULL) {
    return false;
  }
  for (unsigned i = 0; i < 200 && !c->closed; i++) {
    world_run(w, HS2N_MS(5));
    if (c->up && w->nodes[to].conns_n > before) {
      *out_client = c;
      *out_server = w->nodes[to].conns[w->nodes[to].conns_n - 1];
      world_run(w, HS2N_MS(20));
      return true;
    }
  }
  return false;
}

bool world_meet(struct world *w, struct world_conn **a, struct world_conn **b) {
  return world_start_all(w) && world_connect(w, 0, 1, a, b);
}

static bool pair_arrived(struct world *w) {
  return world_arrived(w->watched[0], w->watched[1]) &&
         world_arrived(w->watched[1], w->watched[0]);
}

bool world_exchange(struct world *w, struct world_conn *a, struct world_conn *b,
                    hs2n_time within) {
  w->watched[0] = a;
  w->watched[1] = b;
  return world_until(w, pair_arrived, within);
}
