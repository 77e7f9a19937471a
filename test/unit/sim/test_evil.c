/* Misbehaving nodes: what they do bites, and does not bite the honest. */
#include "world.h"

static const struct hs2n_sim_load chatter = {.msg = {.from = HS2N_SIM_EACH,
                                                     .to = HS2N_SIM_EACH,
                                                     .lane = HS2N_LANE_VOTE,
                                                     .len = 200,
                                                     .flags = HS2N_MSG_ACK},
                                             .len_max = 2000,
                                             .every = HS2N_MS(5)};

static struct hs2n_sim_stats endure(struct hs2n_sim *sim, hs2n_time length) {
  struct hs2n_sim_stats stats;

  CHECK_EQ(hs2n_sim_load_add(sim, &chatter), HS2N_OK);
  hs2n_sim_run(sim, length);
  hs2n_sim_load_end(sim);
  CHECK(hs2n_sim_settle(sim, HS2N_S(20))); /* among the honest */
  hs2n_sim_misbehave(sim, 3, NULL);
  CHECK(hs2n_sim_settle(sim, HS2N_S(31)));
  CHECK(world_well(sim));
  stats = world_stats(sim);
  CHECK_EQ(stats.messages, stats.sends);
  return stats;
}

static void a_silent_node_stops_nobody_else(void) {
  const struct hs2n_sim_evil evil = {.silent = true};
  struct hs2n_sim *sim = world_of(4, 1);

  hs2n_sim_misbehave(sim, 3, &evil);
  hs2n_sim_run(sim, HS2N_S(15));
  for (uint32_t i = 0; i < 3; i++) {
    CHECK_EQ(world_node(sim, i).connections_closed, 1); /* the one to it */
  }
  CHECK(endure(sim, HS2N_S(2)).lost_evil > 100);
  hs2n_sim_free(sim);
}

static void a_delaying_node_is_late_and_loses_nothing(void) {
  const struct hs2n_sim_evil evil = {.hold = HS2N_MS(200)};
  const struct hs2n_sim_msg msg = {
      .from = 3, .to = 0, .lane = HS2N_LANE_VOTE, .len = 100};
  struct hs2n_sim *sim = world_of(4, 2);

  hs2n_sim_misbehave(sim, 3, &evil);
  CHECK_EQ(hs2n_sim_send(sim, &msg, NULL), HS2N_OK);
  hs2n_sim_run(sim, HS2N_MS(200));
  CHECK_EQ(world_stats(sim).messages, 0);
  hs2n_sim_run(sim, HS2N_MS(2));
  CHECK_EQ(world_stats(sim).messages, 1);
  (void)endure(sim, HS2N_S(3));
  CHECK_EQ(world_node(sim, 3).connections_closed, 0);
  hs2n_sim_free(sim);
}

static void a_replayed_datagram_is_taken_once(void) {
  const struct hs2n_sim_evil evil = {.replay_ppm = 500000};
  struct hs2n_sim *sim = world_of(4, 3);

  hs2n_sim_misbehave(sim, 3, &evil);
  CHECK(endure(sim, HS2N_S(3)).replayed > 300);
  hs2n_sim_free(sim);
}

static void flood(bool spoofed, uint64_t seed) {
  const struct hs2n_sim_evil evil = {.flood_per_s = 5000,
                                     .flood_victim = HS2N_SIM_ALL,
                                     .flood_spoofed = spoofed};
  struct hs2n_sim *sim = world_of(4, seed);
  struct hs2n_sim_stats s;

  hs2n_sim_misbehave(sim, 3, &evil);
  s = endure(sim, HS2N_S(3));
  CHECK(s.flooded > 10000);
  for (uint32_t i = 0; i < 3; i++) {
    const struct hs2n_stats node = world_node(sim, i);

    CHECK_EQ(node.connections_closed, 0);
    CHECK(node.packets_dropped_unknown + node.packets_dropped_malformed +
              node.stateless_limited + node.inbound_limited >
          1000);
  }
  hs2n_sim_run(sim, HS2N_S(1));
  CHECK_EQ(world_stats(sim).flooded, s.flooded);
  hs2n_sim_free(sim);
}

static void a_flood_from_one_address_stops_nobody(void) {
  flood(false, 4);
}

static void a_flood_from_everywhere_stops_nobody(void) {
  flood(true, 5);
}

/* Both have the key of node 3, and each half of the others meets another one
 * (Bano et al. 2022). */
static void twins_fool_nobody_about_order_or_origin(void) {
  static const uint32_t key_of[] = {0, 1, 2, 3, 3};
  static const uint8_t halves[] = {0, 0, 1, 0, 1};
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;

  world_config(&config, 5, 6);
  config.key_of = key_of;
  sim = world_meshed(&config);
  CHECK_EQ(hs2n_sim_load_add(sim, &chatter), HS2N_OK);
  for (int i = 0; i < 6; i++) {
    hs2n_sim_partition(sim, i % 2 == 0 ? halves : NULL);
    hs2n_sim_run(sim, HS2N_S(4));
  }
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  CHECK(hs2n_sim_settle(sim, HS2N_S(31)));
  CHECK(world_well(sim));
  CHECK(world_node(sim, 3).connections_opened > 0);
  CHECK(world_node(sim, 4).connections_opened > 0);
  hs2n_sim_free(sim);
}

int main(void) {
  RUN_OVER(a_silent_node_stops_nobody_else);
  RUN_OVER(a_delaying_node_is_late_and_loses_nothing);
  RUN_OVER(a_replayed_datagram_is_taken_once);
  RUN_OVER(a_flood_from_one_address_stops_nobody);
  RUN_OVER(a_flood_from_everywhere_stops_nobody);
  RUN_OVER(twins_fool_nobody_about_order_or_origin);
  return tap_done();
}
