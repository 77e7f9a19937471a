/* weather: what networks do to a committee, and how soon it is over.
 *
 *   weather [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace]
 *           [part of a name] */
#include "weather.h"

/* ---- what is counted ------------------------------------------------------
 */

static void note_gap(hs2n_time *last, hs2n_time *longest, hs2n_time now) {
  if (*last != 0 && now - *last > *longest) {
    *longest = now - *last;
  }
  *last = now;
}

static enum hs2n_verdict hear(void *self, struct hs2n_peer from,
                              struct hs2n_msg_id id,
                              const struct hs2n_msg *msg) {
  struct ear *e = self;
  struct weather *w = e->w;

  (void)id;
  (void)msg;
  if (w->sim != NULL) {
    const hs2n_time now = hs2n_sim_now(w->sim);

    note_gap(&w->last_message, &w->longest_silence, now);
    note_gap(&e->last_message[from.v % WEATHER_HANDLES_MAX], &w->longest_gap,
             now);
  }
  return HS2N_ACCEPT;
}

static void see(void *self, struct hs2n_peer peer, enum hs2n_peer_state state,
                enum hs2n_reason reason) {
  struct ear *e = self;
  struct weather *w = e->w;
  const uint32_t i = peer.v % WEATHER_HANDLES_MAX;

  if (state == HS2N_PEER_DOWN && e->up[i] && w->sim != NULL) {
    w->downs++;
    w->downs_by_silence += reason == HS2N_REASON_IDLE_TIMEOUT;
    w->downs_by_reset += reason == HS2N_REASON_RESET;
    w->last_down = hs2n_sim_now(w->sim);
  }
  if (state == HS2N_PEER_UP && e->up_at[i] == 0 && w->sim != NULL) {
    e->up_at[i] = hs2n_sim_now(w->sim);
  }
  if (state == HS2N_PEER_UP || state == HS2N_PEER_DOWN) {
    e->up[i] = state == HS2N_PEER_UP;
  }
}

static void configure_node(void *self, uint32_t node,
                           struct hs2n_config *config,
                           struct hs2n_consensus *out) {
  struct weather *w = self;

  (void)config;
  w->ears[node] = (struct ear){.w = w, .node = node};
  out->self = &w->ears[node];
  out->on_message = hear;
  out->on_peer = see;
}

void weather_configure(void *arg, struct hs2n_sim_config *config) {
  struct weather *w = arg;

  memset(w, 0, sizeof(*w));
  w->app = (struct hs2n_sim_app){
      .struct_size = sizeof(w->app), .self = w, .configure = configure_node};
  hs2n_limits_default(&w->limits);
  w->limits.idle_ms = (uint32_t)(IDLE / HS2N_MS(1));
  w->limits.keep_alive_ms = (uint32_t)(KEEP_ALIVE / HS2N_MS(1));
  w->limits.backoff_max_ms = (uint32_t)(BACKOFF / HS2N_MS(1));
  config->app = &w->app;
  config->limits = &w->limits;
}

void weather_count_anew(struct weather *w) {
  w->downs = w->downs_by_silence = w->downs_by_reset = 0;
  w->longest_silence = w->longest_gap = 0;
}

/* ---- parts of stories -----------------------------------------------------
 */

void weather_load(struct hs2n_sim *sim, enum hs2n_lane lane, uint32_t len,
                  hs2n_time every) {
  const struct hs2n_sim_load l = {.msg = {.from = HS2N_SIM_EACH,
                                          .to = HS2N_SIM_ALL,
                                          .lane = lane,
                                          .len = len,
                                          .flags = HS2N_MSG_ACK},
                                  .every = every};

  story_must(sim, hs2n_sim_load_add(sim, &l) == HS2N_OK, "no load");
}

void weather_begin(struct weather *w, struct hs2n_sim *sim) {
  const struct hs2n_sim_link link = {.delay = DELAY};

  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  story_meshed(sim);
  w->sim = sim;
}

void weather_end(struct hs2n_sim *sim, hs2n_time bound) {
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

hs2n_time weather_mesh(struct hs2n_sim *sim, hs2n_time bound) {
  const hs2n_time began = hs2n_sim_now(sim);

  story_must(sim, hs2n_sim_until(sim, meshed, NULL, bound),
             "not meshed in time");
  return hs2n_sim_now(sim) - began;
}

void weather_cut_all(struct hs2n_sim *sim, bool cut) {
  hs2n_sim_cut(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, cut);
}

uint64_t weather_dials(const struct hs2n_sim *sim, uint32_t nodes) {
  uint64_t sum = 0;

  for (uint32_t i = 0; i < nodes; i++) {
    sum += story_node(sim, i).dials;
  }
  return sum;
}

int main(int argc, char **argv) {
  static struct weather weather;
#define STORY(n, fn, sentence)                                    \
  {                                                               \
    .name = sentence, .nodes = n, .configure = weather_configure, \
    .tell = weather_##fn, .arg = &weather                         \
  }
  const struct hs2n_sim_story stories[] = {
      STORY(11, handshakes_under_loss, "eleven_nodes_mesh_at_30_percent_loss"),
      STORY(11, handshakes_under_corruption,
            "eleven_nodes_mesh_while_30_percent_is_bent"),
      STORY(11, handshakes_under_bursts,
            "eleven_nodes_mesh_while_three_in_a_row_are_lost"),
      STORY(4, disorder, "late_and_doubled_packets_close_nothing"),
      STORY(4, narrow_paths, "paths_that_swallow_large_packets_do_not_stall"),
      STORY(4, narrower_paths, "paths_that_narrow_do_not_stall"),
      STORY(4, blackouts, "blackouts_of_two_seconds_close_nothing"),
      STORY(4, long_cut, "a_cut_of_a_minute_is_noticed_and_ends_at_once"),
      STORY(4, one_way_cuts, "who_is_not_heard_is_given_up_in_the_idle_time"),
      STORY(7, partitions, "partitions_and_flapping_heal_in_five_seconds"),
      STORY(4, killed, "a_killed_process_is_noticed_within_a_second"),
      STORY(4, stopped, "a_stopped_process_goes_on"),
      {.name = "an_idle_hour_of_100_peers_takes_keep_alives_and_no_memory",
       .nodes = 101,
       .configure = weather_configure_star,
       .tell = weather_idle,
       .arg = &weather},
  };

  return story_main(stories, sizeof(stories) / sizeof(stories[0]), argc, argv);
}
