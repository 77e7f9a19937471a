#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the application of each node ------------------------------------------
 */

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out_consensus) {
  struct cluster *const c = self;

  replica_configure(&c->replicas[node], config, out_consensus);
  if (c->recorder != NULL) {
    recorder_configure(c->recorder, node, config);
  }
}

static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  struct cluster *const c = self;

  for (uint32_t i = 0; i < c->config.replicas; i++) {
    c->members[i] = hs2n_sim_member(c->sim, i);
  }
  replica_start(&c->replicas[node], handle, disk, c->members);
}

static void on_stop(void *self, uint32_t node) {
  struct cluster *const c = self;

  replica_stop(&c->replicas[node]);
}

static hs2n_time deadline(void *self, uint32_t node) {
  const struct cluster *const c = self;

  return replica_deadline(&c->replicas[node]);
}

static void tick(void *self, uint32_t node, hs2n_time now) {
  struct cluster *const c = self;

  replica_tick(&c->replicas[node], now);
}

/* ---- life ------------------------------------------------------------------
 */

static void init_replica(struct cluster *c, uint32_t node) {
  struct replica *const r = &c->replicas[node];
  struct rep_committee committee = {.n = c->config.replicas,
                                    .me = node % c->config.replicas};

  (void)snprintf(committee.chain_id, sizeof(committee.chain_id), "sim");
  *r = (struct replica){.sim = c->sim, .judge = &c->judge, .node = node};
  rep_config_default(&r->config);
  r->config.committee = committee;
  /* Enough for what the clients of a run send; the defaults are for days. */
  r->config.mempool.txs_max = 1u << 14;
  r->config.mempool.window_txs = 1u << 16;
  for (size_t i = 0; i < sizeof(r->config.mempool_secret); i++) {
    r->config.mempool_secret[i] = (uint8_t)hs2n_sim_random(c->sim, 256);
  }
  r->keys.n = c->config.replicas;
  for (uint32_t i = 0; i < c->config.replicas; i++) {
    r->keys.keys[i] = hs2n_sim_member(c->sim, i).key;
  }
}

static void fill_app(struct cluster *c) {
  c->app = (struct hs2n_sim_app){.struct_size = sizeof(c->app),
                                 .self = c,
                                 .configure = configure,
                                 .on_start = on_start,
                                 .on_stop = on_stop,
                                 .deadline = deadline,
                                 .tick = tick};
}

static bool make_world(struct cluster *c, struct hs2n_sim_config *sim_config) {
  uint32_t key_of[REP_N_MAX + 1];

  for (uint32_t i = 0; i < c->nodes; i++) {
    key_of[i] = i % c->config.replicas;
  }
  fill_app(c);
  sim_config->nodes = c->nodes;
  sim_config->app = &c->app;
  sim_config->manual_members = true;
  sim_config->key_of = key_of;
  return hs2n_sim_new(&c->sim, sim_config) == HS2N_OK;
}

struct cluster *cluster_new(const struct cluster_config *config,
                            struct hs2n_sim_config *sim_config) {
  struct cluster *const c = calloc(1, sizeof(*c));

  if (c == NULL) {
    return NULL;
  }
  c->config = *config;
  c->nodes = config->replicas + (config->twin ? 1 : 0);
  c->replicas = calloc(c->nodes, sizeof(*c->replicas));
  if (c->replicas == NULL || !make_world(c, sim_config) ||
      !judge_init(&c->judge, c->sim, c->nodes, config->replicas)) {
    cluster_free(c);
    return NULL;
  }
  for (uint32_t i = 0; i < c->nodes; i++) {
    init_replica(c, i);
  }
  if (config->twin) {
    judge_lost_disk(&c->judge, 0);
    judge_lost_disk(&c->judge, c->nodes - 1);
  }
  return c;
}

void cluster_free(struct cluster *c) {
  if (c != NULL) {
    hs2n_sim_free(c->sim);
    judge_fini(&c->judge);
    free(c->replicas);
    free(c);
  }
}

/* ---- clients ---------------------------------------------------------------
 */

static void give(struct cluster *c, uint64_t number) {
  const size_t len = c->config.tx_bytes;

  for (size_t i = 0; i < len; i++) {
    c->tx[i] = (uint8_t)(i < 8 ? number >> (56 - 8 * i) : i * number);
  }
  for (uint32_t i = 0; i < c->nodes; i++) {
    if (hs2n_sim_running(c->sim, i)) {
      replica_submit(&c->replicas[i], (struct hs2n_span){c->tx, len});
      hs2n_sim_flush(c->sim, i);
    }
  }
}

static uint64_t submit(struct cluster *c) {
  const uint64_t number = judge_submit(&c->judge);

  if (number != UINT64_MAX) {
    give(c, number);
  }
  return number;
}

/* Clients that have no answer yet ask again; some that have, too. */
static void submit_again(struct cluster *c) {
  const uint64_t recent = c->judge.txs < 64 ? c->judge.txs : 64;

  if (recent > 0 && hs2n_sim_random(c->sim, 4) == 0) {
    give(c, c->judge.txs - 1 - hs2n_sim_random(c->sim, recent));
  }
}

static void clients(struct hs2n_sim *sim, void *arg) {
  struct cluster *const c = arg;

  if (c->submitting) {
    (void)submit(c);
    submit_again(c);
    (void)hs2n_sim_at(sim, hs2n_sim_now(sim) + HS2N_S(1) / c->config.tx_per_s,
                      clients, c);
  }
}

bool cluster_start(struct cluster *c) {
  if (!hs2n_sim_start_all(c->sim)) {
    return false;
  }
  c->submitting = c->config.tx_per_s > 0;
  clients(c->sim, c);
  return true;
}

/* ---- who is faulty
 * ------------------------------------------------------------ */

/* Twins are one replica. */
static uint32_t faulty(const struct cluster *c) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < c->config.replicas; i++) {
    n += c->judge.replicas[i].honest ? 0 : 1;
  }
  return n;
}

bool cluster_may_fail(void *cluster, uint32_t node) {
  struct cluster *const c = cluster;

  if (c->judge.replicas[node].honest) {
    if (faulty(c) >= (c->config.replicas - 1) / 3) {
      return false;
    }
    judge_lost_disk(&c->judge, node);
  }
  return true;
}

/* ---- liveness ---------------------------------------------------------------
 */

struct goal {
  struct cluster *cluster;
  uint64_t height;
};

static bool reached(struct hs2n_sim *sim, void *arg) {
  const struct goal *const goal = arg;
  const struct judge *const j = &goal->cluster->judge;

  (void)sim;
  return judge_lowest(j) >= goal->height &&
         judge_executed_by_all(j, goal->cluster->probe);
}

hs2n_time cluster_must_go_on(struct cluster *c, uint64_t blocks,
                             hs2n_time bound) {
  const hs2n_time begin = hs2n_sim_now(c->sim);
  struct goal goal = {.cluster = c, .height = c->judge.height + blocks};
  char text[128];

  if (!hs2n_sim_start_all(c->sim)) {
    return HS2N_TIME_NEVER;
  }
  c->probe = submit(c);
  if (hs2n_sim_until(c->sim, reached, &goal, bound)) {
    return hs2n_sim_now(c->sim) - begin;
  }
  if (hs2n_sim_failure(c->sim) == NULL) {
    (void)snprintf(
        text, sizeof(text), "no progress in %.1f s: height %llu of %llu%s",
        (double)bound / 1e9, (unsigned long long)judge_lowest(&c->judge),
        (unsigned long long)goal.height,
        judge_executed_by_all(&c->judge, c->probe) ? ""
                                                   : ", transaction missing");
    hs2n_sim_fail(c->sim, HS2N_SIM_ALL, text);
  }
  return HS2N_TIME_NEVER;
}
