/* Random timelines of faults, and their end. */
#include "world.h"

#define NODES 5

static const struct hs2n_sim_chaos usual = {
    .length = HS2N_S(20), .down_max = 2, .settle_bound = HS2N_S(60)};

static void each_kind_alone_happens_is_counted_and_ends(void) {
  for (uint32_t k = 0; k < HS2N_SIM_CHAOS_KINDS; k++) {
    struct hs2n_sim *sim = world_of(NODES, 50 + k);
    uint64_t counts[HS2N_SIM_CHAOS_KINDS] = {0};
    struct hs2n_sim_chaos chaos = usual;

    chaos.kinds = 1u << k;
    chaos.counts = counts;
    CHECK(hs2n_sim_chaos(sim, &chaos));
    for (uint32_t i = 0; i < HS2N_SIM_CHAOS_KINDS; i++) {
      CHECK_EQ(counts[i] > 0, i == k);
    }
    CHECK(world_well(sim) && hs2n_sim_meshed(sim));
    hs2n_sim_free(sim);
  }
}

static void all_kinds_come_together_and_end(void) {
  struct hs2n_sim *sim = world_of(NODES, 70);
  uint64_t counts[HS2N_SIM_CHAOS_KINDS] = {0};
  struct hs2n_sim_chaos chaos = usual;
  uint64_t all = 0;

  chaos.length = HS2N_S(60);
  chaos.counts = counts;
  CHECK(hs2n_sim_chaos(sim, &chaos));
  for (uint32_t i = 0; i < HS2N_SIM_CHAOS_KINDS; i++) {
    CHECK(counts[i] > 0);
    all += counts[i];
  }
  /* One in 100 ms on average, less what found its node down. */
  CHECK(all > 300 && all < 800);
  CHECK(world_well(sim) && hs2n_sim_meshed(sim));
  hs2n_sim_free(sim);
}

struct allowed {
  uint32_t node;
  uint64_t asked;
};

static bool only(void *self, uint32_t node) {
  struct allowed *const allowed = self;

  allowed->asked++;
  return node == allowed->node;
}

struct seen {
  uint32_t node;
  unsigned others, wiped, misbehaved;
};

static void look(void *user_data, const struct hs2n_sim_event *event) {
  struct seen *const seen = user_data;
  const bool wiped = event->kind == HS2N_SIM_CRASH && event->a == 1;
  const bool misbehaves = event->kind == HS2N_SIM_MISBEHAVE;

  seen->others += (wiped || misbehaves) && event->node != seen->node;
  seen->wiped += wiped;
  seen->misbehaved += misbehaves;
}

static void only_who_may_fail_loses_its_storage_or_misbehaves(void) {
  struct hs2n_sim_config config;
  struct allowed allowed = {.node = 3};
  struct seen seen = {.node = 3};
  struct hs2n_sim_chaos chaos = usual;
  struct hs2n_sim *sim;

  world_config(&config, NODES, 71);
  config.trace = look;
  config.trace_data = &seen;
  config.trace_level = 1;
  sim = world_meshed(&config);
  chaos.kinds = 1u << HS2N_SIM_CHAOS_WIPE | 1u << HS2N_SIM_CHAOS_EVIL;
  chaos.may_fail = only;
  chaos.self = &allowed;
  CHECK(hs2n_sim_chaos(sim, &chaos));
  CHECK(allowed.asked > seen.wiped + seen.misbehaved);
  CHECK(seen.wiped > 0 && seen.misbehaved > 0 && seen.others == 0);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* ---- who is down -----------------------------------------------------------
 */

struct downs {
  struct hs2n_sim *sim;
  hs2n_time since[NODES]; /* 0: it runs */
  hs2n_time longest;
  unsigned now, most, ends;
};

static void went_down(void *self, uint32_t node) {
  struct downs *const d = self;

  d->since[node] = hs2n_sim_now(d->sim);
  d->now++;
  d->ends++;
  d->most = d->now > d->most ? d->now : d->most;
}

static void came_back(void *self, uint32_t node, struct hs2n_node *handle,
                      struct hs2n_sim_disk *disk) {
  struct downs *const d = self;

  (void)handle;
  (void)disk;
  if (d->since[node] > 0) {
    const hs2n_time length = hs2n_sim_now(d->sim) - d->since[node];

    d->longest = length > d->longest ? length : d->longest;
    d->since[node] = 0;
    d->now--;
  }
}

static struct downs downs_under(const struct hs2n_sim_chaos *chaos,
                                uint32_t memory_fails_ppm) {
  struct hs2n_sim_config config;
  struct downs downs = {.longest = 0};
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = &downs,
                                   .on_start = came_back,
                                   .on_stop = went_down};
  struct downs result;

  world_config(&config, NODES, 72);
  config.app = &app;
  downs.sim = world_meshed(&config);
  for (uint32_t i = 0; i < NODES; i++) {
    hs2n_sim_fail_alloc(downs.sim, i, memory_fails_ppm, 0);
  }
  CHECK(hs2n_sim_chaos(downs.sim, chaos));
  CHECK(world_well(downs.sim));
  result = downs;
  hs2n_sim_free(downs.sim);
  return result;
}

static void who_goes_down_is_back_in_time_and_never_too_many(void) {
  struct hs2n_sim_chaos chaos = usual;
  struct downs downs;

  chaos.kinds = 1u << HS2N_SIM_CHAOS_CRASH | 1u << HS2N_SIM_CHAOS_MOVE;
  chaos.down_for = HS2N_S(2);
  downs = downs_under(&chaos, 0);
  CHECK(downs.ends > 10 && downs.most == 2 && downs.now == 0);
  CHECK(downs.longest > HS2N_S(1) && downs.longest <= HS2N_S(2) + 1);

  chaos.down_max = NODES;
  downs = downs_under(&chaos, 0);
  CHECK(downs.most == NODES && downs.now == 0);

  chaos.down_max = 0;
  downs = downs_under(&chaos, 0);
  CHECK_EQ(downs.ends, 0);
}

/* Without down_for it is the next fault of the node that starts it. */
static void who_is_down_without_an_end_waits_for_chance(void) {
  struct hs2n_sim_chaos chaos = usual;
  struct downs downs;

  chaos.kinds = 1u << HS2N_SIM_CHAOS_CRASH;
  chaos.down_max = NODES;
  downs = downs_under(&chaos, 0);
  CHECK(downs.ends > 10 && downs.now == 0);
}

/* Memory that fails keeps a node from starting: it is tried until it can. */
static void a_start_that_fails_is_tried_again(void) {
  struct hs2n_sim_chaos chaos = usual;
  struct downs downs;

  chaos.kinds = 1u << HS2N_SIM_CHAOS_CRASH;
  chaos.down_for = HS2N_MS(100);
  downs = downs_under(&chaos, 20000);
  CHECK(downs.ends > 10 && downs.now == 0);
  CHECK(downs.longest > 2 * chaos.down_for);
}

static uint64_t hash_of(uint64_t seed) {
  struct hs2n_sim *sim = world_of(NODES, seed);
  struct hs2n_sim_chaos chaos = usual;
  uint64_t hash;

  chaos.down_for = HS2N_S(1);
  CHECK(hs2n_sim_chaos(sim, &chaos));
  CHECK(world_well(sim));
  hash = hs2n_sim_hash(sim);
  hs2n_sim_free(sim);
  return hash;
}

static void a_timeline_is_a_function_of_its_seed(void) {
  const uint64_t first = hash_of(73);

  CHECK(first == hash_of(73));
  CHECK(first != hash_of(74));
}

int main(void) {
  RUN_OVER(each_kind_alone_happens_is_counted_and_ends);
  RUN_OVER(all_kinds_come_together_and_end);
  RUN_OVER(only_who_may_fail_loses_its_storage_or_misbehaves);
  RUN_OVER(who_goes_down_is_back_in_time_and_never_too_many);
  RUN_OVER(who_is_down_without_an_end_waits_for_chance);
  RUN_OVER(a_start_that_fails_is_tried_again);
  RUN_OVER(a_timeline_is_a_function_of_its_seed);
  return tap_done();
}
