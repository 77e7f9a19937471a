/* weather: what networks do to a committee, and how soon it is over.
 *
 *   weather [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace]
 *           [part of a name]
 *
 * Peers are given up after IDLE of silence and dialled again after BACKOFF at
 * most, so that each bound below is a number. */
#include "stories.h"

#define IDLE HS2N_S(3)
#define BACKOFF HS2N_S(1)
/* Silence noticed at both ends (a keep-alive goes out in time to be missed),
 * one back-off, half as much again of jitter, and a handshake. */
#define BACK HS2N_S(5)
#define PTO HS2N_MS(200) /* of a link of 20 ms, generously */

#define NODES_MAX 10
#define HANDLES_MAX 64

/* What one node hears. */
struct ear {
  struct weather *w;
  bool up[HANDLES_MAX]; /* by handle */
};

struct weather {
  struct hs2n_sim_app app;
  struct hs2n_limits limits;
  struct hs2n_sim *sim; /* of the story told now */
  struct ear ears[NODES_MAX];
  unsigned downs; /* of those that were up; a failed dial is none */
  hs2n_time last_down;
  hs2n_time last_message;
  hs2n_time longest_silence; /* between messages of anybody */
};

static enum hs2n_verdict hear(void *self, struct hs2n_peer from,
                              struct hs2n_msg_id id,
                              const struct hs2n_msg *msg) {
  struct weather *w = ((struct ear *)self)->w;
  const hs2n_time now = w->sim == NULL ? 0 : hs2n_sim_now(w->sim);

  (void)from;
  (void)id;
  (void)msg;
  if (w->last_message != 0 && now - w->last_message > w->longest_silence) {
    w->longest_silence = now - w->last_message;
  }
  w->last_message = now;
  return HS2N_ACCEPT;
}

static void see(void *self, struct hs2n_peer peer, enum hs2n_peer_state state,
                enum hs2n_reason reason) {
  struct ear *e = self;
  bool *up = &e->up[peer.v % HANDLES_MAX];

  (void)reason;
  if (state == HS2N_PEER_DOWN && *up && e->w->sim != NULL) {
    e->w->downs++;
    e->w->last_down = hs2n_sim_now(e->w->sim);
  }
  if (state == HS2N_PEER_UP || state == HS2N_PEER_DOWN) {
    *up = state == HS2N_PEER_UP;
  }
}

static void configure_node(void *self, uint32_t node,
                           struct hs2n_config *config,
                           struct hs2n_consensus *out) {
  struct weather *w = self;

  (void)config;
  w->ears[node] = (struct ear){.w = w};
  out->self = &w->ears[node];
  out->on_message = hear;
  out->on_peer = see;
}

static void configure(void *arg, struct hs2n_sim_config *config) {
  struct weather *w = arg;

  memset(w, 0, sizeof(*w));
  w->app = (struct hs2n_sim_app){
      .struct_size = sizeof(w->app), .self = w, .configure = configure_node};
  hs2n_limits_default(&w->limits);
  w->limits.idle_ms = (uint32_t)(IDLE / HS2N_MS(1));
  w->limits.keep_alive_ms = w->limits.idle_ms / 4;
  w->limits.backoff_max_ms = (uint32_t)(BACKOFF / HS2N_MS(1));
  config->app = &w->app;
  config->limits = &w->limits;
}

/* ---- parts of stories ------------------------------------------------------
 */

static void load(struct hs2n_sim *sim, enum hs2n_lane lane, uint32_t len,
                 hs2n_time every) {
  const struct hs2n_sim_load l = {.msg = {.from = HS2N_SIM_EACH,
                                          .to = HS2N_SIM_ALL,
                                          .lane = lane,
                                          .len = len,
                                          .flags = HS2N_MSG_ACK},
                                  .every = every};

  story_must(sim, hs2n_sim_load_add(sim, &l) == HS2N_OK, "no load");
}

/* All nodes up, 20 ms apart; what happens from now on counts. */
static void begin(struct weather *w, struct hs2n_sim *sim) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20)};

  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  story_meshed(sim);
  w->sim = sim;
}

/* The weather is over: all is well again within bound, and nothing is lost. */
static void end(struct hs2n_sim *sim, hs2n_time bound) {
  struct hs2n_sim_stats s;

  hs2n_sim_load_end(sim);
  hs2n_sim_heal(sim);
  hs2n_sim_settle(sim, bound);
  s = story_stats(sim);
  story_must(sim, s.owed == 0, "a message did not come");
  story_must(sim, s.messages > 0, "no message came at all");
}

static bool meshed(struct hs2n_sim *sim, void *arg) {
  (void)arg;
  return hs2n_sim_meshed(sim);
}

static void must_mesh(struct hs2n_sim *sim, hs2n_time bound) {
  story_must(sim, hs2n_sim_until(sim, meshed, NULL, bound),
             "not meshed in time");
}

/* ---- noise -----------------------------------------------------------------
 */

/* 45 handshakes while of three datagrams one is lost or bent. */
static void handshakes(void *arg, struct hs2n_sim *sim,
                       const struct hs2n_sim_noise *noise) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20)};

  (void)arg;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, noise);
  if (hs2n_sim_start_all(sim)) {
    must_mesh(sim, HS2N_S(60));
  }
}

static void handshakes_under_loss(void *arg, struct hs2n_sim *sim) {
  handshakes(arg, sim, &(struct hs2n_sim_noise){.loss_ppm = 300000});
}

static void handshakes_under_corruption(void *arg, struct hs2n_sim *sim) {
  handshakes(arg, sim, &(struct hs2n_sim_noise){.corrupt_ppm = 300000});
}

static void handshakes_under_bursts(void *arg, struct hs2n_sim *sim) {
  handshakes(
      arg, sim,
      &(struct hs2n_sim_noise){.burst_ppm = 100000, .burst_end_ppm = 333333});
}

/* A quarter comes late and one in twenty twice: the invariants have the order,
 * and nothing is taken for lost so often that a connection is given up. */
static void disorder(void *arg, struct hs2n_sim *sim) {
  const struct hs2n_sim_noise noise = {.reorder_ppm = 250000,
                                       .reorder_delay = HS2N_MS(10),
                                       .duplicate_ppm = 50000};
  struct weather *w = arg;

  begin(w, sim);
  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise);
  load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(5));
  load(sim, HS2N_LANE_PROPOSAL, 50000, HS2N_MS(200));
  hs2n_sim_run(sim, HS2N_S(20));
  end(sim, HS2N_S(5));
  story_must(sim, w->downs == 0, "a connection was given up");
  for (uint32_t i = 0; i < 4; i++) {
    story_must(sim, story_node(sim, i).messages_resent == 0, "sent again");
  }
}

/* ---- paths -----------------------------------------------------------------
 */

/* The path narrows to the least that QUIC allows and a little more while large
 * bodies flow (RFC 9000, 14.3: black holes). */
static void narrower_path(void *arg, struct hs2n_sim *sim) {
  struct hs2n_sim_link link = {.delay = HS2N_MS(20)};
  struct weather *w = arg;

  begin(w, sim);
  load(sim, HS2N_LANE_PROPOSAL, 30000, HS2N_MS(20));
  hs2n_sim_run(sim, HS2N_S(3));
  w->longest_silence = 0;
  link.mtu = 1240;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  hs2n_sim_run(sim, HS2N_S(20));
  story_must(sim, story_stats(sim).lost_mtu > 0, "no packet was too large");
  story_must(sim, w->longest_silence < 15 * PTO, "it stalls");
  end(sim, HS2N_S(10));
}

/* ---- silence ---------------------------------------------------------------
 */

static void cut_all(struct hs2n_sim *sim, bool cut) {
  hs2n_sim_cut(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, cut);
}

/* Two seconds of five nothing gets through: shorter than the idle time. */
static void blackouts(void *arg, struct hs2n_sim *sim) {
  struct weather *w = arg;

  begin(w, sim);
  load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(20));
  for (int i = 0; i < 6; i++) {
    hs2n_sim_run(sim, HS2N_S(3));
    cut_all(sim, true);
    hs2n_sim_run(sim, HS2N_S(2));
    cut_all(sim, false);
  }
  story_must(sim, w->downs == 0, "a connection was given up");
  end(sim, BACK);
}

/* A minute without a way, both ways and one way. */
static void long_cut(void *arg, struct hs2n_sim *sim) {
  struct weather *w = arg;
  hs2n_time cut_at;

  begin(w, sim);
  load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(50));
  hs2n_sim_run(sim, HS2N_S(1));
  cut_at = hs2n_sim_now(sim);
  cut_all(sim, true);
  hs2n_sim_run(sim, HS2N_S(60));
  story_must(sim, w->downs == 12, "not each end noticed, once");
  story_must(sim, w->last_down - cut_at <= 2 * IDLE, "noticed late");
  cut_all(sim, false);
  must_mesh(sim, BACK);
  w->downs = 0;
  hs2n_sim_cut(sim, 0, 1, true);
  /* First the end that hears nothing, and after its silence the other one. */
  hs2n_sim_run(sim, 5 * IDLE / 2);
  story_must(sim, w->downs == 2, "a way lost was not noticed at both ends");
  end(sim, BACK);
}

/* ---- partitions ------------------------------------------------------------
 */

static void partitions(void *arg, struct hs2n_sim *sim) {
  static const uint8_t group[] = {0, 0, 0, 0, 1, 1, 1};
  struct weather *w = arg;

  begin(w, sim);
  load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(50));
  hs2n_sim_partition(sim, group);
  hs2n_sim_run(sim, HS2N_S(20));
  story_must(sim, w->downs == 24, "not each end of 12 noticed, once");
  hs2n_sim_partition(sim, NULL);
  must_mesh(sim, BACK);
  for (int i = 0; i < 20; i++) {
    hs2n_sim_partition(sim, i % 2 == 0 ? group : NULL);
    hs2n_sim_run(sim, HS2N_S(1));
  }
  hs2n_sim_partition(sim, NULL);
  must_mesh(sim, BACK);
  end(sim, BACK);
}

/* ---- processes -------------------------------------------------------------
 */

/* kill -9 while others send, and a new process at once: the old connections
 * are reset, and nobody waits for silence to end them. */
static void killed(void *arg, struct hs2n_sim *sim) {
  struct weather *w = arg;
  hs2n_time at;

  begin(w, sim);
  load(sim, HS2N_LANE_VOTE, 1000, HS2N_MS(5));
  hs2n_sim_run(sim, HS2N_S(1));
  hs2n_sim_crash(sim, 0, false);
  at = hs2n_sim_now(sim);
  story_start(sim, 0);
  must_mesh(sim, HS2N_S(1) + BACKOFF);
  story_must(sim, w->downs == 3, "not each noticed, once");
  story_must(sim, w->last_down - at <= HS2N_S(1), "noticed late");
  end(sim, BACK);
}

static void paused_for(struct weather *w, struct hs2n_sim *sim,
                       hs2n_time length) {
  w->longest_silence = 0;
  hs2n_sim_pause(sim, 0, length);
  hs2n_sim_run(sim, length);
  must_mesh(sim, BACK);
  story_must(sim, w->longest_silence < HS2N_S(1), "others wait for it");
}

/* SIGSTOP; the socket takes what it can meanwhile. */
static void stopped(void *arg, struct hs2n_sim *sim) {
  struct weather *w = arg;

  begin(w, sim);
  load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(50));
  hs2n_sim_run(sim, HS2N_S(1));
  paused_for(w, sim, HS2N_S(2));
  story_must(sim, w->downs == 0, "a connection was given up too soon");
  paused_for(w, sim, HS2N_S(5));
  paused_for(w, sim, HS2N_S(60));
  end(sim, BACK);
}

/* An hour in which nobody has anything to say. */
static void idle(void *arg, struct hs2n_sim *sim) {
  struct weather *w = arg;
  struct hs2n_sim_memory before = {.struct_size = sizeof(before)};
  struct hs2n_sim_memory after = before;
  uint64_t datagrams;

  begin(w, sim);
  hs2n_sim_run(sim, HS2N_S(60));
  hs2n_sim_memory(sim, 0, &before);
  datagrams = story_stats(sim).datagrams;
  hs2n_sim_run(sim, HS2N_S(3600));
  hs2n_sim_memory(sim, 0, &after);
  datagrams = story_stats(sim).datagrams - datagrams;
  story_must(sim, w->downs == 0, "a connection was given up");
  story_must(sim, after.live_bytes <= before.live_bytes, "memory grows");
  /* Of each of 6 pairs a PING and its ack from both ends, at most. */
  story_must(sim, datagrams <= 6 * 4 * HS2N_S(3600) / (IDLE / 4),
             "more than keep-alives");
}

int main(int argc, char **argv) {
  struct weather weather;
#define STORY(n, fn, sentence)                                        \
  {                                                                   \
    .name = sentence, .nodes = n, .configure = configure, .tell = fn, \
    .arg = &weather                                                   \
  }
  const struct hs2n_sim_story stories[] = {
      STORY(10, handshakes_under_loss, "ten_nodes_mesh_at_30_percent_loss"),
      STORY(10, handshakes_under_corruption,
            "ten_nodes_mesh_while_30_percent_is_bent"),
      STORY(10, handshakes_under_bursts,
            "ten_nodes_mesh_while_three_in_a_row_are_lost"),
      STORY(4, disorder, "late_and_doubled_packets_close_nothing"),
      STORY(4, narrower_path, "a_path_that_narrows_does_not_stall"),
      STORY(4, blackouts, "blackouts_of_two_seconds_close_nothing"),
      STORY(4, long_cut, "a_cut_of_a_minute_is_noticed_and_ends_at_once"),
      STORY(7, partitions, "partitions_and_flapping_heal_in_five_seconds"),
      STORY(4, killed, "a_killed_process_is_noticed_within_a_second"),
      STORY(4, stopped, "a_stopped_process_goes_on"),
      STORY(4, idle, "an_idle_hour_takes_keep_alives_and_no_memory"),
  };

  return story_main(stories, sizeof(stories) / sizeof(stories[0]), argc, argv);
}
