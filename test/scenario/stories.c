/* Stories: what a committee lives through, told in virtual time.
 *
 *   scenarios [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace]
 *             [part of a name]
 *
 * Each run holds the invariants of the simulator against every step; what a
 * story adds is at its end. */
#include "stories.h"

static void load(struct hs2n_sim *sim, uint32_t to, enum hs2n_lane lane,
                 uint32_t len_max, uint32_t flags, hs2n_time every) {
  const struct hs2n_sim_load l = {.msg = {.from = HS2N_SIM_EACH,
                                          .to = to,
                                          .lane = lane,
                                          .len = HS2N_SIM_BODY_MIN,
                                          .flags = flags},
                                  .len_max = len_max,
                                  .every = every};

  story_must(sim, hs2n_sim_load_add(sim, &l) == HS2N_OK, "no load");
}

static void noise(struct hs2n_sim *sim, uint32_t loss_ppm,
                  uint32_t corrupt_ppm) {
  const struct hs2n_sim_noise n = {.loss_ppm = loss_ppm,
                                   .corrupt_ppm = corrupt_ppm};

  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &n);
}

static void all_came(struct hs2n_sim *sim) {
  const struct hs2n_sim_stats s = story_stats(sim);

  story_must(sim, s.owed == 0, "a message did not come");
  story_must(sim, s.messages > 0, "no message came at all");
}

/* ---- connections
 * -----------------------------------------------------------------
 */

#define DIAL_ROUNDS 10

/* Ten nodes dial each other at once, 45 pairs, under loss, each round anew. */
/* covers: N07 */
static void simultaneous_dials(void *arg, struct hs2n_sim *sim) {
  const struct hs2n_sim_link link = {
      .delay = HS2N_MS(10), .jitter = HS2N_MS(10), .overtake = true};

  (void)arg;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  for (int round = 0; round < DIAL_ROUNDS; round++) {
    noise(sim, 100000, 0);
    for (uint32_t i = 0; i < 10; i++) {
      story_start(sim, i);
      hs2n_sim_run(sim, hs2n_sim_random(sim, HS2N_MS(5)));
    }
    load(sim, HS2N_SIM_ALL, HS2N_LANE_VOTE, 300, HS2N_MSG_ACK, HS2N_MS(20));
    hs2n_sim_run(sim, HS2N_MS(500));
    hs2n_sim_load_end(sim);
    hs2n_sim_heal(sim);
    if (!hs2n_sim_settle(sim, HS2N_S(10))) {
      return;
    }
    all_came(sim);
    for (uint32_t i = 0; i < 10; i++) {
      hs2n_sim_crash(sim, i, false);
    }
  }
}

/* covers: N09, H12 */
static void a_cut_of_thirty_seconds(void *arg, struct hs2n_sim *sim) {
  const struct hs2n_sim_msg lasting = {.from = 0,
                                       .to = 1,
                                       .lane = HS2N_LANE_CERT,
                                       .len = 500,
                                       .flags = HS2N_MSG_ACK};
  struct hs2n_sim_msg brief = lasting;
  uint64_t dials;

  (void)arg;
  story_meshed(sim);
  hs2n_sim_cut(sim, 0, 1, true);
  hs2n_sim_cut(sim, 1, 0, true);
  brief.expires_in = HS2N_S(5);
  story_must(sim, hs2n_sim_send(sim, &lasting, NULL) == HS2N_OK, "not sent");
  story_must(sim, hs2n_sim_send(sim, &brief, NULL) == HS2N_OK, "not sent");
  hs2n_sim_run(sim, HS2N_S(15));
  story_must(sim, story_stats(sim).completions == 1, "nothing has expired");
  dials = story_node(sim, 0).dials + story_node(sim, 1).dials;
  hs2n_sim_run(sim, HS2N_S(15));
  story_must(sim, story_node(sim, 0).dials + story_node(sim, 1).dials > dials,
             "they have given up dialling");
  hs2n_sim_heal(sim);
  /* One step of back-off, of backoff_max_ms at most. */
  hs2n_sim_settle(sim, HS2N_S(30));
  all_came(sim);
  story_must(sim, story_stats(sim).messages == 1, "the expired one came too");
}

/* The pause between two dials grows to backoff_max_ms and not beyond. */
static void away_for_an_hour(void *arg, struct hs2n_sim *sim) {
  (void)arg;
  story_meshed(sim);
  hs2n_sim_cut(sim, 0, HS2N_SIM_ALL, true);
  hs2n_sim_cut(sim, HS2N_SIM_ALL, 0, true);
  hs2n_sim_run(sim, HS2N_S(3600));
  hs2n_sim_heal(sim);
  /* The longest pause, and a dial that was lost when it ended. */
  hs2n_sim_settle(sim, HS2N_S(40));
}

/* ---- messages
 * -----------------------------------------------------------------------
 */

static void ends(void *self, struct hs2n_tag tag,
                 const struct hs2n_done *done) {
  struct outcomes *o = self;

  (void)tag;
  o->n[done->outcome]++;
}

static void count_outcomes(void *self, uint32_t node,
                           struct hs2n_config *config,
                           struct hs2n_consensus *out_consensus) {
  (void)node;
  (void)config;
  out_consensus->self = self;
  out_consensus->on_done = ends;
}

/* Every tagged send ends as ACKED or EXPIRED, the latter only where it may. */
/* covers: H35 */
static void a_third_is_lost(void *arg, struct hs2n_sim *sim) {
  struct outcomes *o = arg;
  const struct hs2n_sim_load hasty = {.msg = {.from = HS2N_SIM_EACH,
                                              .to = HS2N_SIM_EACH,
                                              .lane = HS2N_LANE_CONTROL,
                                              .len = 100,
                                              .flags = HS2N_MSG_ACK,
                                              .expires_in = HS2N_MS(300)},
                                      .every = HS2N_MS(10)};

  memset(o->n, 0, sizeof(o->n));
  story_meshed(sim);
  noise(sim, 300000, 0);
  story_must(sim, hs2n_sim_load_add(sim, &hasty) == HS2N_OK, "no load");
  load(sim, HS2N_SIM_EACH, HS2N_LANE_VOTE, 2000, HS2N_MSG_ACK, HS2N_MS(10));
  for (int i = 0; i < 10; i++) {
    const uint32_t from = (uint32_t)hs2n_sim_random(sim, 4);

    hs2n_sim_cut(sim, from, HS2N_SIM_ALL, true);
    hs2n_sim_run(sim, HS2N_MS(500));
    hs2n_sim_cut(sim, from, HS2N_SIM_ALL, false);
    hs2n_sim_run(sim, HS2N_MS(500));
  }
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  hs2n_sim_settle(sim, HS2N_S(40));
  all_came(sim);
  story_must(sim, o->n[HS2N_DONE_ACKED] > 1000, "few were acknowledged");
  story_must(sim, o->n[HS2N_DONE_EXPIRED] > 10, "few expired");
  story_must(sim,
             o->n[HS2N_DONE_ACKED] + o->n[HS2N_DONE_EXPIRED] ==
                 story_stats(sim).completions,
             "one ended in another way");
}

/* covers: H51 */
static void bits_flip(void *arg, struct hs2n_sim *sim) {
  (void)arg;
  story_meshed(sim);
  noise(sim, 0, 200000);
  load(sim, HS2N_SIM_ALL, HS2N_LANE_PROPOSAL, 3000, 0, HS2N_MS(1));
  hs2n_sim_run(sim, HS2N_S(3));
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  hs2n_sim_settle(sim, HS2N_S(40));
  all_came(sim);
  story_must(sim, story_stats(sim).corrupted > 3000, "few were corrupted");
}

/* kill -9 and restart in the middle of acknowledgements, of both ends. */
/* covers: X22 */
static void crashes_under_acknowledgements(void *arg, struct hs2n_sim *sim) {
  (void)arg;
  story_meshed(sim);
  load(sim, HS2N_SIM_EACH, HS2N_LANE_VOTE, 1000, HS2N_MSG_ACK, HS2N_US(500));
  for (int i = 0; i < 15; i++) {
    const uint32_t node = (uint32_t)hs2n_sim_random(sim, 3);

    hs2n_sim_run(sim, HS2N_MS(200) + hs2n_sim_random(sim, HS2N_MS(100)));
    hs2n_sim_crash(sim, node, false);
    hs2n_sim_run(sim, hs2n_sim_random(sim, HS2N_MS(50)));
    story_start(sim, node);
  }
  hs2n_sim_load_end(sim);
  hs2n_sim_settle(sim, HS2N_S(40));
  all_came(sim);
}

/* ---- the world
 * ------------------------------------------------------------------------
 */

static void note_down(void *self, struct hs2n_peer peer,
                      enum hs2n_peer_state state, enum hs2n_reason reason) {
  (void)peer;
  (void)reason;
  *(bool *)self |= state == HS2N_PEER_DOWN || state == HS2N_PEER_BANNED;
}

static void watch_downs(void *self, uint32_t node, struct hs2n_config *config,
                        struct hs2n_consensus *out_consensus) {
  (void)node;
  (void)config;
  out_consensus->self = &((struct satellite *)self)->down;
  out_consensus->on_peer = note_down;
}

/* Lost is what was lost, and not what took long: acknowledgements are not
 * waited for a shorter time than the path takes. */
/* covers: H83 */
static void by_satellite(void *arg, struct hs2n_sim *sim) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(300),
                                     .jitter = HS2N_MS(5)};
  struct satellite *s = arg;
  struct hs2n_peer_info info;

  s->down = false;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  story_meshed(sim);
  noise(sim, 10000, 0);
  load(sim, HS2N_SIM_ALL, HS2N_LANE_VOTE, 500, HS2N_MSG_ACK, HS2N_MS(10));
  hs2n_sim_run(sim, HS2N_S(60));
  story_must(sim, !s->down, "a connection was given up");
  for (uint32_t i = 1; i < 4; i++) {
    info = story_peer(sim, 0, i);
    story_must(sim, info.rtt_min >= HS2N_MS(600), "faster than light");
    story_must(sim, info.packets_lost * 100 < info.packets_sent * 3,
               "thrice as much is called lost as was");
    story_must(sim, story_node(sim, i).messages_resent == 0, "sent again");
  }
  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  hs2n_sim_settle(sim, HS2N_S(20));
  all_came(sim);
}

/* covers: H74 */
static void everything_at_once(void *arg, struct hs2n_sim *sim) {
  const struct hs2n_sim_chaos chaos = {
      .length = HS2N_S(20), .down_max = 2, .settle_bound = HS2N_S(60)};

  (void)arg;
  load(sim, HS2N_SIM_ALL, HS2N_LANE_VOTE, 500, HS2N_MSG_ACK, HS2N_MS(10));
  load(sim, HS2N_SIM_EACH, HS2N_LANE_PROPOSAL, 100000, HS2N_MSG_ACK,
       HS2N_MS(50));
  if (hs2n_sim_start_all(sim)) {
    struct hs2n_sim_chaos trouble = chaos;

    trouble.settle_bound = 0;
    hs2n_sim_chaos(sim, &trouble);
    hs2n_sim_load_end(sim);
    hs2n_sim_settle(sim, chaos.settle_bound);
    all_came(sim);
  }
}

static const uint32_t twin_keys[] = {0, 1, 2, 3, 4, 5, 6, 6};

static void one_key_twice(void *arg, struct hs2n_sim_config *config) {
  (void)arg;
  config->key_of = twin_keys;
}

static void hasty_outcomes(void *arg, struct hs2n_sim_config *config) {
  config->app = &((struct outcomes *)arg)->app;
}

static void satellite_app(void *arg, struct hs2n_sim_config *config) {
  struct satellite *s = arg;

  s->app = (struct hs2n_sim_app){
      .struct_size = sizeof(s->app), .self = s, .configure = watch_downs};
  config->app = &s->app;
}

int main(int argc, char **argv) {
  struct outcomes outcomes = {.app = {.struct_size = sizeof(outcomes.app),
                                      .self = &outcomes,
                                      .configure = count_outcomes}};
  struct satellite satellite = {0};
  const struct hs2n_sim_story stories[] = {
      {.name = "ten_nodes_that_dial_at_once_end_with_one_connection_a_pair",
       .nodes = 10,
       .tell = simultaneous_dials},
      {.name = "a_link_cut_for_thirty_seconds_delivers_within_one_back_off",
       .nodes = 3,
       .tell = a_cut_of_thirty_seconds},
      {.name = "a_node_away_for_an_hour_is_back_within_one_back_off",
       .nodes = 3,
       .tell = away_for_an_hour},
      {.name = "at_a_third_of_loss_each_message_arrives_or_expires",
       .nodes = 4,
       .configure = hasty_outcomes,
       .tell = a_third_is_lost,
       .arg = &outcomes},
      {.name = "flipped_bits_never_reach_the_application",
       .nodes = 4,
       .tell = bits_flip},
      {.name = "a_crash_in_the_middle_of_acks_loses_and_doubles_nothing",
       .nodes = 3,
       .tell = crashes_under_acknowledgements},
      {.name = "a_satellite_link_is_slow_and_nothing_worse",
       .nodes = 4,
       .configure = satellite_app,
       .tell = by_satellite,
       .arg = &satellite},
      {.name = "seven_nodes_survive_everything_at_once",
       .nodes = 7,
       .tell = everything_at_once},
      {.name = "twins_in_the_midst_of_everything_fool_nobody",
       .nodes = 8,
       .configure = one_key_twice,
       .tell = everything_at_once},
  };

  return story_main(stories, sizeof(stories) / sizeof(stories[0]), argc, argv);
}
