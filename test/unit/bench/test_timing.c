/* How long replicas wait in a network that changes: the pacemaker of
 * bench/replica over real nodes in the simulator. */
#include "cluster.h"

#include <tap.h>

enum { REPLICAS = 4 };

static void set_delay(struct cluster *c, hs2n_time one_way) {
  const struct hs2n_sim_link link = {.delay = one_way, .jitter = one_way / 20};

  CHECK_EQ(hs2n_sim_set_link(c->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link),
           HS2N_OK);
}

static struct cluster *start(hs2n_time one_way) {
  const struct cluster_config config = {
      .replicas = REPLICAS, .tx_per_s = 100, .tx_bytes = 64};
  struct hs2n_sim_config world;
  struct cluster *c;

  hs2n_sim_config_default(&world, REPLICAS, 11);
  c = cluster_new(&config, &world);
  if (c != NULL) {
    set_delay(c, one_way);
    CHECK(cluster_start(c));
  }
  return c;
}

static hs2n_time timeout_of(const struct cluster *c, uint32_t i) {
  struct rep_core_info info;

  rep_core_info(c->replicas[i].core, &info);
  return info.view_timeout;
}

/* Every replica knows how long a quorum takes to answer, to an eighth, and
 * waits 4 times as long, or some more for what views need. */
static void check_waits(const struct cluster *c, hs2n_time one_way) {
  for (uint32_t i = 0; i < REPLICAS; i++) {
    const hs2n_time delay = c->replicas[i].out.net.quorum_delay;
    const hs2n_time timeout = timeout_of(c, i);

    CHECK(delay >= 2 * one_way);
    CHECK(delay <= 2 * one_way + one_way / 4);
    CHECK(timeout >= 4 * delay);
    CHECK(timeout <= 8 * delay);
    if (delay > 2 * one_way + one_way / 4 || timeout > 8 * delay) {
      printf("# one way %.1f ms: delay %.1f ms, time-out %.1f ms\n",
             (double)one_way / 1e6, (double)delay / 1e6, (double)timeout / 1e6);
    }
  }
}

/* covers: H70 */
static void time_outs_follow_the_network_up_and_down(void) {
  static const hs2n_time networks[] = {HS2N_MS(20), HS2N_MS(120), HS2N_MS(10),
                                       HS2N_MS(60)};
  struct cluster *const c = start(networks[0]);

  CHECK(c != NULL);
  for (size_t i = 0; c != NULL && i < 4; i++) {
    set_delay(c, networks[i]);
    /* Until a replica has heard from all often enough. */
    CHECK(hs2n_sim_run(c->sim, HS2N_S(60)));
    check_waits(c, networks[i]);
  }
  cluster_free(c);
}

/* One of four is far away: the others do not wait for it, and it does. */
static void a_minority_far_away_does_not_slow_the_others(void) {
  const struct hs2n_sim_link far = {.delay = HS2N_MS(200)};
  struct cluster *const c = start(HS2N_MS(20));

  CHECK(c != NULL);
  if (c != NULL) {
    CHECK_EQ(hs2n_sim_set_link(c->sim, 3, HS2N_SIM_ALL, &far), HS2N_OK);
    CHECK_EQ(hs2n_sim_set_link(c->sim, HS2N_SIM_ALL, 3, &far), HS2N_OK);
    CHECK(hs2n_sim_run(c->sim, HS2N_S(60)));
    for (uint32_t i = 0; i < 3; i++) {
      CHECK(c->replicas[i].out.net.quorum_delay <= HS2N_MS(45));
    }
    CHECK(c->replicas[3].out.net.quorum_delay >= HS2N_MS(400));
  }
  cluster_free(c);
}

/* Too few are connected to say: what was known stays. */
static void what_was_known_outlives_the_quorum(void) {
  struct cluster *const c = start(HS2N_MS(20));
  hs2n_time before;

  CHECK(c != NULL);
  if (c != NULL) {
    CHECK_EQ(c->replicas[0].out.net.quorum_delay, 0);
    CHECK(hs2n_sim_run(c->sim, HS2N_S(10)));
    before = c->replicas[0].out.net.quorum_delay;
    CHECK(before > 0);
    hs2n_sim_crash(c->sim, 1, false);
    hs2n_sim_crash(c->sim, 2, false);
    CHECK(hs2n_sim_run(c->sim, HS2N_S(30)));
    CHECK(c->replicas[0].out.net.quorum_delay >= HS2N_MS(40));
  }
  cluster_free(c);
}

int main(void) {
  RUN(time_outs_follow_the_network_up_and_down);
  RUN(a_minority_far_away_does_not_slow_the_others);
  RUN(what_was_known_outlives_the_quorum);
  return tap_done();
}
