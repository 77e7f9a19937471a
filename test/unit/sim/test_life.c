/* Nodes come, are connected, talk and go. */
#include "world.h"

static uint64_t busy_run(uint64_t seed) {
  const struct hs2n_sim_load load = {.msg = {.from = HS2N_SIM_EACH,
                                             .to = HS2N_SIM_ALL,
                                             .lane = HS2N_LANE_VOTE,
                                             .len = 100,
                                             .flags = HS2N_MSG_ACK},
                                     .len_max = 5000,
                                     .every = HS2N_MS(3)};
  const struct hs2n_sim_noise noise = {.loss_ppm = 20000};
  struct hs2n_sim *sim = world_of(4, seed);
  uint64_t hash;

  CHECK_EQ(hs2n_sim_load_add(sim, &load), HS2N_OK);
  CHECK_EQ(hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise),
           HS2N_OK);
  hs2n_sim_run(sim, HS2N_S(2));
  hs2n_sim_crash(sim, 1, false);
  hs2n_sim_run(sim, HS2N_S(1));
  CHECK(hs2n_sim_start_all(sim));
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  CHECK(hs2n_sim_settle(sim, HS2N_S(20)));
  CHECK(world_well(sim));
  CHECK(world_stats(sim).messages > 1000);
  CHECK_EQ(world_stats(sim).owed, 0);
  hash = hs2n_sim_hash(sim);
  printf("# seed %llu hash %016llx\n", (unsigned long long)seed,
         (unsigned long long)hash);
  hs2n_sim_free(sim);
  return hash;
}

static void one_seed_is_one_run(void) {
  uint64_t before = 0;

  for (uint64_t seed = 1; seed <= 3; seed++) {
    const uint64_t hash = busy_run(seed);

    CHECK(busy_run(seed) == hash);
    CHECK(hash != before);
    before = hash;
  }
}

int main(void) {
  RUN_OVER(one_seed_is_one_run);
  return tap_done();
}
