#include "run.h"

#include <stdio.h>
#include <time.h>

#define TRACE_RING 4000
#define TRACE_SHOWN 60
#define BLOCKS_MORE 5
#define DOWN_FOR HS2N_S(8) /* a replica, at most */

static uint64_t real_now(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the trace
 * --------------------------------------------------------------- */

static void print_event(void *user_data, const struct hs2n_sim_event *event) {
  char text[HS2N_SIM_EVENT_TEXT_MAX];

  (void)user_data;
  (void)printf("  %s\n", hs2n_sim_event_text(event, text));
}

struct tail {
  uint64_t skip;
};

static void count_event(void *user_data, const struct hs2n_sim_event *event) {
  struct tail *const tail = user_data;

  (void)event;
  tail->skip++;
}

static void print_late(void *user_data, const struct hs2n_sim_event *event) {
  struct tail *const tail = user_data;

  if (tail->skip > 0) {
    tail->skip--;
  } else {
    print_event(NULL, event);
  }
}

static void print_end(const struct hs2n_sim *sim, uint64_t seed) {
  struct tail tail = {0};

  (void)printf("seed %llu failed: %s\n", (unsigned long long)seed,
               hs2n_sim_failure(sim));
  hs2n_sim_trace(sim, count_event, &tail);
  tail.skip = tail.skip > TRACE_SHOWN ? tail.skip - TRACE_SHOWN : 0;
  hs2n_sim_trace(sim, print_late, &tail);
  (void)fflush(stdout);
}

/* ---- looking
 * ------------------------------------------------------------------ */

static void look(const struct hs2n_sim *sim, uint32_t nodes,
                 struct run_result *out) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(sim, &stats);
  out->nodes = nodes;
  out->messages = stats.messages;
  out->datagrams = stats.datagrams;
  out->bytes = stats.bytes;
  out->steps = stats.steps;
  out->hash = hs2n_sim_hash(sim);
  for (uint32_t i = 0; i < nodes; i++) {
    struct hs2n_sim_memory memory = {.struct_size = sizeof(memory)};

    hs2n_sim_memory(sim, i, &memory);
    if (memory.peak_bytes > out->memory_peak) {
      out->memory_peak = memory.peak_bytes;
    }
  }
  if (hs2n_sim_failure(sim) != NULL) {
    out->failed = true;
    (void)snprintf(out->failure, sizeof(out->failure), "%s",
                   hs2n_sim_failure(sim));
    print_end(sim, out->seed);
  }
}

static bool meshed(struct hs2n_sim *sim, void *arg) {
  (void)arg;
  return hs2n_sim_meshed(sim);
}

/* Runs until all connections stand, at most until end. */
static hs2n_time time_to_mesh(struct hs2n_sim *sim, hs2n_time begin,
                              hs2n_time length) {
  return hs2n_sim_until(sim, meshed, NULL, length) ? hs2n_sim_now(sim) - begin
                                                   : HS2N_TIME_NEVER;
}

static void run_until(struct hs2n_sim *sim, hs2n_time end) {
  if (hs2n_sim_now(sim) < end) {
    (void)hs2n_sim_run(sim, end - hs2n_sim_now(sim));
  }
}

static void configure(struct hs2n_sim_config *out,
                      const struct run_config *config, uint64_t seed) {
  hs2n_sim_config_default(out, config->cluster.replicas, seed);
  out->transport = config->transport;
  out->trace = config->trace > 0 ? print_event : NULL;
  out->trace_level = config->trace > 0 ? config->trace : 2;
  out->trace_ring = TRACE_RING;
}

/* ---- a recording
 * --------------------------------------------------------------- */

static struct recorder recorder_of(const struct run_config *config) {
  return (struct recorder){.path = config->record,
                           .identity = config->identity,
                           .node = config->record_node};
}

/* Behind the end of the world. */
static void close_recording(struct recorder *r, struct run_result *out) {
  if (!recorder_close(r) && !out->failed) {
    out->failed = true;
    (void)snprintf(out->failure, sizeof(out->failure), "can't be recorded");
  }
}

/* ---- a cluster
 * ----------------------------------------------------------------- */

/* From its end on the network is the profile's again. */
static void trouble(struct cluster *c, const struct run_config *config,
                    struct run_result *out) {
  const struct hs2n_sim_chaos chaos = {.kinds = config->faults,
                                       .length = config->length,
                                       .every = config->faults_every,
                                       .down_max = c->nodes,
                                       .down_for = DOWN_FOR,
                                       .may_fail = cluster_may_fail,
                                       .self = c,
                                       .counts = out->faults};

  if (hs2n_sim_chaos(c->sim, &chaos)) {
    (void)profile_apply(config->profile, c->sim);
  }
}

static void run_cluster_in(struct cluster *c, const struct run_config *config,
                           struct run_result *out) {
  const hs2n_time begin = hs2n_sim_now(c->sim);

  if (!profile_apply(config->profile, c->sim) || !cluster_start(c)) {
    hs2n_sim_fail(c->sim, HS2N_SIM_ALL, "can't be set up");
    return;
  }
  if (config->faults_every > 0) {
    trouble(c, config, out);
  } else {
    out->meshed_ns = time_to_mesh(c->sim, begin, config->length);
    run_until(c->sim, begin + config->length);
  }
  if (hs2n_sim_failure(c->sim) == NULL) {
    out->settled_ns = cluster_must_go_on(c, BLOCKS_MORE, config->settle);
  }
  c->submitting = false;
  out->virtual_ns = hs2n_sim_now(c->sim) - begin;
  out->height = c->judge.height;
  out->txs = c->judge.txs;
  out->latency_p50 = histogram_percentile(&c->judge.latency, 0.5);
  out->latency_p99 = histogram_percentile(&c->judge.latency, 0.99);
}

static void run_cluster(const struct run_config *config, uint64_t seed,
                        struct run_result *out) {
  struct hs2n_sim_config sim_config;
  struct recorder recorder = recorder_of(config);
  struct cluster *c;

  configure(&sim_config, config, seed);
  c = cluster_new(&config->cluster, &sim_config);
  if (c == NULL) {
    out->failed = true;
    (void)snprintf(out->failure, sizeof(out->failure), "can't be made");
    return;
  }
  recorder.sim = c->sim;
  c->recorder = &recorder;
  run_cluster_in(c, config, out);
  look(c->sim, c->nodes, out);
  cluster_free(c);
  close_recording(&recorder, out);
}

/* ---- plain messages
 * ------------------------------------------------------------- */

/* Votes to everybody, and now and then something large. */
static int add_load(struct hs2n_sim *sim, const struct cluster_config *c) {
  const hs2n_time every = HS2N_S(1) / (c->tx_per_s == 0 ? 1 : c->tx_per_s);
  const struct hs2n_sim_load votes = {.msg = {.from = HS2N_SIM_EACH,
                                              .to = HS2N_SIM_ALL,
                                              .lane = HS2N_LANE_VOTE,
                                              .len = c->tx_bytes,
                                              .flags = HS2N_MSG_ACK},
                                      .every = every};
  const struct hs2n_sim_load proposals = {.msg = {.from = HS2N_SIM_EACH,
                                                  .to = HS2N_SIM_ALL,
                                                  .lane = HS2N_LANE_PROPOSAL,
                                                  .len = 64u << 10,
                                                  .flags = HS2N_MSG_ACK},
                                          .len_max = 128u << 10,
                                          .every = 10 * every};
  const int err = hs2n_sim_load_add(sim, &votes);

  return err == HS2N_OK ? hs2n_sim_load_add(sim, &proposals) : err;
}

static void run_load_in(struct hs2n_sim *sim, const struct run_config *config,
                        struct run_result *out) {
  const hs2n_time begin = hs2n_sim_now(sim);

  if (!profile_apply(config->profile, sim) || !hs2n_sim_start_all(sim)) {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, "can't be set up");
    return;
  }
  out->meshed_ns = time_to_mesh(sim, begin, config->settle);
  if (add_load(sim, &config->cluster) != HS2N_OK) {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, "can't be loaded");
    return;
  }
  run_until(sim, hs2n_sim_now(sim) + config->length);
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  if (hs2n_sim_settle(sim, config->settle)) {
    out->settled_ns = hs2n_sim_now(sim) - begin - config->length;
  }
  out->virtual_ns = hs2n_sim_now(sim) - begin;
}

static void configure_load(void *self, uint32_t node,
                           struct hs2n_config *config,
                           struct hs2n_consensus *out_consensus) {
  (void)out_consensus;
  recorder_configure(self, node, config);
}

static void run_load(const struct run_config *config, uint64_t seed,
                     struct run_result *out) {
  struct recorder recorder = recorder_of(config);
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = &recorder,
                                   .configure = configure_load};
  struct hs2n_sim_config sim_config;
  struct hs2n_sim *sim;

  configure(&sim_config, config, seed);
  sim_config.app = &app;
  if (hs2n_sim_new(&sim, &sim_config) != HS2N_OK) {
    out->failed = true;
    (void)snprintf(out->failure, sizeof(out->failure), "can't be made");
    return;
  }
  recorder.sim = sim;
  run_load_in(sim, config, out);
  look(sim, config->cluster.replicas, out);
  hs2n_sim_free(sim);
  close_recording(&recorder, out);
}

/* What a process asked since then. */
static struct known_counts known_since(const struct known_counts *then) {
  const struct known_counts now = known_counts();

  return (struct known_counts){
      .signatures = now.signatures - then->signatures,
      .signatures_known = now.signatures_known - then->signatures_known,
      .keys = now.keys - then->keys,
      .keys_known = now.keys_known - then->keys_known,
      .secrets = now.secrets - then->secrets,
      .secrets_known = now.secrets_known - then->secrets_known};
}

void run_seed(const struct run_config *config, uint64_t seed,
              struct run_result *out) {
  const struct known_counts then = known_counts();
  const uint64_t before = real_now();

  if (config->cached) {
    known_begin();
  }

  *out = (struct run_result){.seed = seed,
                             .meshed_ns = HS2N_TIME_NEVER,
                             .settled_ns = HS2N_TIME_NEVER};
  if (config->kind == RUN_CLUSTER) {
    run_cluster(config, seed, out);
  } else {
    run_load(config, seed, out);
  }
  out->known = known_since(&then);
  out->real_ns = real_now() - before;
}
