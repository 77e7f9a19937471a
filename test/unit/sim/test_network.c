/* Each fault of the network bites, and none gets through to the
 * application. */
#include "world.h"

static const struct hs2n_sim_load chatter = {.msg = {.from = HS2N_SIM_EACH,
                                                     .to = HS2N_SIM_EACH,
                                                     .lane = HS2N_LANE_VOTE,
                                                     .len = 200,
                                                     .flags = HS2N_MSG_ACK},
                                             .len_max = 3000,
                                             .every = HS2N_MS(2)};

/* A second of chatter under a fault, then peace: all must have come. */
static struct hs2n_sim_stats endure(struct hs2n_sim *sim, hs2n_time length) {
  struct hs2n_sim_stats stats;

  CHECK_EQ(hs2n_sim_load_add(sim, &chatter), HS2N_OK);
  hs2n_sim_run(sim, length);
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  CHECK(hs2n_sim_settle(sim, HS2N_S(40)));
  CHECK(world_well(sim));
  stats = world_stats(sim);
  CHECK_EQ(stats.owed, 0);
  CHECK_EQ(stats.messages, stats.sends);
  CHECK(stats.messages > 100);
  hs2n_sim_free(sim);
  return stats;
}

static struct hs2n_sim_stats endure_noise(struct hs2n_sim_noise noise) {
  struct hs2n_sim *sim = world_of(4, 11);

  CHECK_EQ(hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise),
           HS2N_OK);
  return endure(sim, HS2N_S(1));
}

static void loss_is_made_good(void) {
  const struct hs2n_sim_stats s =
      endure_noise((struct hs2n_sim_noise){.loss_ppm = 100000});

  CHECK(s.lost_noise > s.datagrams / 20);
  CHECK(s.lost_noise < s.datagrams / 5);
}

static void bursts_of_loss_are_made_good(void) {
  /* A tenth of all, in bursts of ten. */
  const struct hs2n_sim_stats s = endure_noise(
      (struct hs2n_sim_noise){.burst_ppm = 10000, .burst_end_ppm = 100000});

  CHECK(s.lost_noise > s.datagrams / 40);
  CHECK(s.lost_noise < s.datagrams / 4);
}

static void a_datagram_that_comes_twice_is_taken_once(void) {
  CHECK(endure_noise((struct hs2n_sim_noise){.duplicate_ppm = 200000})
            .duplicated > 100);
}

static void what_is_overtaken_is_put_in_order(void) {
  CHECK(endure_noise((struct hs2n_sim_noise){.reorder_ppm = 200000,
                                             .reorder_delay = HS2N_MS(5)})
            .reordered > 100);
}

static void flipped_bits_never_reach_the_application(void) {
  const struct hs2n_sim_stats s =
      endure_noise((struct hs2n_sim_noise){.corrupt_ppm = 300000});

  CHECK(s.corrupted > 500);
}

static void jitter_that_overtakes_is_put_in_order(void) {
  const struct hs2n_sim_link link = {
      .delay = HS2N_MS(5), .jitter = HS2N_MS(20), .overtake = true};
  struct hs2n_sim *sim = world_of(4, 12);

  CHECK_EQ(hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link), HS2N_OK);
  endure(sim, HS2N_S(1));
}

static void a_small_mtu_is_found(void) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(1), .mtu = 1300};
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;

  world_config(&config, 4, 13);
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  CHECK_EQ(hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link), HS2N_OK);
  CHECK(hs2n_sim_start_all(sim));
  CHECK(endure(sim, HS2N_S(1)).lost_mtu > 0);
}

/* ---- cuts
 * --------------------------------------------------------------------
 */

static void one_deaf_direction_takes_the_connection_down(void) {
  struct hs2n_sim *sim = world_of(4, 14);
  struct hs2n_sim_stats s;

  hs2n_sim_cut(sim, 0, 1, true);
  hs2n_sim_run(sim, HS2N_S(15));
  CHECK(!hs2n_sim_meshed(sim));
  s = world_stats(sim);
  CHECK(s.lost_cut > 10);
  hs2n_sim_heal(sim);
  CHECK(hs2n_sim_settle(sim, HS2N_S(31)));
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* covers: H74 */
static void a_partition_keeps_its_halves_meshed_and_heals(void) {
  static const uint8_t group[] = {0, 0, 0, 1, 1, 1, 1};
  const struct hs2n_sim_load load = {.msg = {.from = HS2N_SIM_EACH,
                                             .to = HS2N_SIM_ALL,
                                             .lane = HS2N_LANE_CERT,
                                             .len = 300},
                                     .every = HS2N_MS(50)};
  struct hs2n_sim *sim = world_of(7, 15);
  uint64_t owed;

  CHECK_EQ(hs2n_sim_load_add(sim, &load), HS2N_OK);
  hs2n_sim_partition(sim, group);
  hs2n_sim_run(sim, HS2N_S(15));
  hs2n_sim_load_end(sim);
  CHECK(!hs2n_sim_meshed(sim));
  owed = world_stats(sim).owed;
  CHECK(owed > 500); /* to the other side; all has come on this one */
  CHECK_EQ(owed + world_stats(sim).messages, world_stats(sim).sends);
  hs2n_sim_partition(sim, NULL);
  CHECK(hs2n_sim_settle(sim, HS2N_S(31)));
  CHECK_EQ(world_stats(sim).owed, 0);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* ---- addresses
 * ------------------------------------------------------------------
 */

/* Nobody can dial node 1, which is what a NAT is about: a QUIC server must not
 * change its address (RFC 9000, 9), a client may. */
static void behind_a_nat(void *self, uint32_t node, struct hs2n_node *handle,
                         struct hs2n_sim_disk *disk) {
  struct hs2n_sim *sim = *(struct hs2n_sim **)self;
  struct hs2n_member members[4];

  (void)disk;
  for (uint32_t i = 0; i < 4; i++) {
    members[i] = hs2n_sim_member(sim, i);
  }
  members[1].addrs_n = node == 1 ? 1 : 0;
  CHECK_EQ(hs2n_set_members(handle, HS2N_SIM_EPOCH, members, 4, 0), HS2N_OK);
}

static void connections_survive_a_nat_that_forgets(void) {
  struct hs2n_sim *sim;
  const struct hs2n_sim_app app = {
      .struct_size = sizeof(app), .self = &sim, .on_start = behind_a_nat};
  struct hs2n_sim_config config;

  world_config(&config, 4, 16);
  config.app = &app;
  config.manual_members = true;
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  CHECK(hs2n_sim_start_all(sim));
  CHECK(hs2n_sim_settle(sim, HS2N_S(5)));
  for (int i = 0; i < 5; i++) {
    hs2n_sim_rebind(sim, 1);
    hs2n_sim_run(sim, HS2N_S(6));
  }
  CHECK_EQ(world_node(sim, 1).connections_closed, 0);
  endure(sim, HS2N_S(1));
}

static void who_has_moved_is_connected_again(void) {
  struct hs2n_sim *sim = world_of(4, 17);

  hs2n_sim_move(sim, 1);
  hs2n_sim_run(sim, HS2N_S(30));
  CHECK(world_stats(sim).lost_nobody > 0);
  endure(sim, HS2N_S(1));
}

/* ---- rates
 * ----------------------------------------------------------------------
 */

static struct hs2n_sim *rated(uint64_t seed, const struct hs2n_sim_port *up,
                              const struct hs2n_sim_port *down) {
  struct hs2n_sim *sim = world_of(5, seed);

  hs2n_sim_set_ports(sim, HS2N_SIM_ALL, up, down);
  return sim;
}

static bool all_taken(struct hs2n_sim *sim, void *arg) {
  (void)arg;
  return world_stats(sim).owed == 0;
}

static hs2n_time time_of(struct hs2n_sim *sim, uint32_t from, uint32_t to,
                         uint32_t len) {
  const hs2n_time begin = hs2n_sim_now(sim);
  struct hs2n_sim_msg msg = {.to = to, .lane = HS2N_LANE_PROPOSAL, .len = len};

  for (uint32_t i = 0; i < 5; i++) {
    if (from == i || (from == HS2N_SIM_ALL && i != to)) {
      msg.from = i;
      CHECK_EQ(hs2n_sim_send(sim, &msg, NULL), HS2N_OK);
    }
  }
  CHECK(hs2n_sim_until(sim, all_taken, NULL, HS2N_S(60)));
  CHECK(world_well(sim));
  return hs2n_sim_now(sim) - begin;
}

static void a_broadcast_shares_the_uplink(void) {
  const struct hs2n_sim_port port = {.bytes_per_s = 1000000,
                                     .queue_bytes = 100000};
  struct hs2n_sim *sim = rated(18, &port, NULL);
  const hs2n_time one = time_of(sim, 0, 1, 100000);
  const hs2n_time four = time_of(sim, 0, HS2N_SIM_ALL, 100000);

  printf("# 100 kB at 1 MB/s: to one %llu ms, to four %llu ms\n",
         (unsigned long long)(one / HS2N_MS(1)),
         (unsigned long long)(four / HS2N_MS(1)));
  CHECK(one >= HS2N_MS(100));
  CHECK(one < HS2N_MS(300));
  CHECK(four >= HS2N_MS(400));
  CHECK(four < HS2N_MS(1200));
  hs2n_sim_free(sim);
}

static void an_incast_queues_at_the_receiver(void) {
  const struct hs2n_sim_port port = {.bytes_per_s = 1000000,
                                     .queue_bytes = 30000};
  struct hs2n_sim *sim = rated(19, NULL, &port);
  const hs2n_time four = time_of(sim, HS2N_SIM_ALL, 0, 100000);

  printf("# four times 100 kB into 1 MB/s: %llu ms, %llu datagrams lost\n",
         (unsigned long long)(four / HS2N_MS(1)),
         (unsigned long long)world_stats(sim).lost_queue);
  CHECK(four >= HS2N_MS(400));
  CHECK(world_stats(sim).lost_queue > 0);
  hs2n_sim_free(sim);
}

static void a_link_has_a_rate_of_its_own(void) {
  const struct hs2n_sim_link slow = {
      .delay = HS2N_MS(1), .bytes_per_s = 100000, .queue_bytes = 20000};
  struct hs2n_sim *sim = world_of(5, 20);

  CHECK_EQ(hs2n_sim_set_link(sim, 0, 1, &slow), HS2N_OK);
  CHECK(time_of(sim, 0, 2, 100000) < HS2N_MS(500));
  CHECK(time_of(sim, 0, 1, 100000) >= HS2N_MS(1000));
  hs2n_sim_free(sim);
}

static void a_port_marks_before_it_loses(void) {
  const struct hs2n_sim_port port = {
      .bytes_per_s = 1000000, .queue_bytes = 200000, .mark_bytes = 5000};
  struct hs2n_sim *sim = rated(21, &port, NULL);

  (void)time_of(sim, 0, HS2N_SIM_ALL, 200000);
  printf("# %llu marked\n", (unsigned long long)world_stats(sim).marked);
  CHECK(world_stats(sim).marked > 0);
  hs2n_sim_free(sim);
}

static void regions_have_their_distances(void) {
  static const hs2n_time rtt[] = {HS2N_MS(2), HS2N_MS(100), HS2N_MS(100),
                                  HS2N_MS(4)};
  struct hs2n_sim *sim = world_of(5, 22);
  struct hs2n_peer peer;
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  CHECK_EQ(hs2n_sim_set_regions(sim, rtt, 2, 0), HS2N_OK);
  CHECK(time_of(sim, 0, 2, 100) < HS2N_MS(2));
  CHECK(time_of(sim, 1, 3, 100) < HS2N_MS(4));
  CHECK(time_of(sim, 0, 1, 100) >= HS2N_MS(50));
  CHECK(time_of(sim, 0, 1, 100) < HS2N_MS(60));
  CHECK_EQ(hs2n_sim_peer(sim, 0, 1, &peer), HS2N_OK);
  CHECK_EQ(hs2n_peer_info(hs2n_sim_node(sim, 0), peer, &info), HS2N_OK);
  hs2n_sim_free(sim);
}

int main(void) {
  RUN_OVER(loss_is_made_good);
  RUN_OVER(bursts_of_loss_are_made_good);
  RUN_OVER(a_datagram_that_comes_twice_is_taken_once);
  RUN_OVER(what_is_overtaken_is_put_in_order);
  RUN_OVER(flipped_bits_never_reach_the_application);
  RUN_OVER(jitter_that_overtakes_is_put_in_order);
  RUN_OVER(a_small_mtu_is_found);
  RUN_OVER(one_deaf_direction_takes_the_connection_down);
  RUN_OVER(a_partition_keeps_its_halves_meshed_and_heals);
  RUN_OVER(connections_survive_a_nat_that_forgets);
  RUN_OVER(who_has_moved_is_connected_again);
  RUN_OVER(a_broadcast_shares_the_uplink);
  RUN_OVER(an_incast_queues_at_the_receiver);
  RUN_OVER(a_link_has_a_rate_of_its_own);
  RUN_OVER(a_port_marks_before_it_loses);
  RUN_OVER(regions_have_their_distances);
  return tap_done();
}
