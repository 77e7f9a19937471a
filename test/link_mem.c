/* A link_world in memory. */
#include "link_world.h"
#include "memlink.h"

static int start(struct world *w, struct world_node *node) {
  if (w->memnet == NULL) {
    w->memnet = memnet_new(&(struct memnet_config){
        .seed = hs2ni_rng_next(&w->rng), .datagram_max = 1200});
  }
  node->link = memlink_new(w->memnet, &node->te.env, &node->addr, &node->key,
                           &world_user, node);
  return HS2N_OK;
}

static void stop(struct world *w, struct world_node *node) {
  (void)w;
  (void)node;
}

static void take(struct world *w, struct world_node *node,
                 const struct hs2n_tx *tx) {
  (void)w;
  (void)node;
  (void)tx;
}

static void deliver(struct world *w) {
  for (size_t i = 0; i < w->nodes_n; i++) {
    w->nodes[i].te.env.now = w->now;
  }
  memnet_settle(w->memnet);
}

static hs2n_time next(struct world *w) {
  (void)w;
  return HS2N_TIME_NEVER;
}

static void part(struct world *w, size_t a, size_t b, bool apart) {
  memnet_part(w->memnet, &w->nodes[a].addr, &w->nodes[b].addr, apart);
}

static void fini(struct world *w) {
  if (w->memnet != NULL) {
    memnet_free(w->memnet);
  }
}

const struct world_carrier world_mem = {
    .name = "mem",
    .start = start,
    .stop = stop,
    .take = take,
    .deliver = deliver,
    .next = next,
    .part = part,
    .fini = fini,
};
