/* Processes that are killed, stopped, or have nothing to say. */
#include "weather.h"

/* kill -9 while others send, and a new process at once: the old connections
 * are reset, and nobody waits for silence to end them.  Each node in turn, so
 * that whoever dialled whom, each pair's acceptor is killed once. */
WEATHER_STORY(killed) {
  struct weather *w = arg;
  hs2n_time longest = 0;
  unsigned by_reset = 0;

  weather_begin(w, sim);
  weather_load(sim, HS2N_LANE_VOTE, 1000, HS2N_MS(5));
  for (uint32_t i = 0; i < 4; i++) {
    hs2n_time at;

    hs2n_sim_run(sim, HS2N_S(1));
    weather_count_anew(w);
    hs2n_sim_crash(sim, i, false);
    at = hs2n_sim_now(sim);
    story_start(sim, i);
    (void)weather_mesh(sim, HS2N_S(1) + BACKOFF);
    story_must(sim, w->downs == 3, "not each noticed, once");
    story_must(sim, w->downs_by_silence == 0, "one waited for silence");
    longest = w->last_down - at > longest ? w->last_down - at : longest;
    by_reset += w->downs_by_reset;
  }
  story_say("12 ends of connections learn of it within %.3f s, %u by a "
            "stateless reset",
            weather_s(longest), by_reset);
  story_must(sim, longest <= HS2N_S(1), "noticed late");
  story_must(sim, by_reset >= 1, "nobody was reset");
  weather_end(sim, BACK);
}

static void paused_for(struct weather *w, struct hs2n_sim *sim,
                       hs2n_time length) {
  hs2n_time back;

  w->longest_silence = 0;
  hs2n_sim_pause(sim, 0, length);
  hs2n_sim_run(sim, length);
  back = weather_mesh(sim, BACK);
  story_say("stopped for %.0f s: back after %.2f s", weather_s(length),
            weather_s(back));
  story_must(sim, w->longest_silence < HS2N_S(1), "others wait for it");
}

/* SIGSTOP; the socket takes what it can meanwhile. */
WEATHER_STORY(stopped) {
  struct weather *w = arg;

  weather_begin(w, sim);
  weather_load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(50));
  hs2n_sim_run(sim, HS2N_S(1));
  paused_for(w, sim, HS2N_S(2));
  story_must(sim, w->downs == 0, "a connection was given up too soon");
  paused_for(w, sim, HS2N_S(5));
  paused_for(w, sim, HS2N_S(60));
  weather_end(sim, BACK);
}

/* ---- an hour in which nobody has anything to say ---------------------------
 */

#define PEERS 100u
#define HOUR HS2N_S(3600)

/* Node 0 knows all others, and they only it: a committee seen by one member. */
static void name_members(void *self, uint32_t node, struct hs2n_node *handle,
                         struct hs2n_sim_disk *disk) {
  struct weather *w = self;
  struct hs2n_member members[PEERS + 1];
  uint32_t count = 0;

  (void)disk;
  for (uint32_t i = 0; i <= PEERS; i++) {
    if (node == 0 || i == 0 || i == node) {
      members[count++] = hs2n_sim_member(w->sim, i);
    }
  }
  story_must(w->sim,
             hs2n_set_members(handle, HS2N_SIM_EPOCH, members, count, 0) ==
                 HS2N_OK,
             "no members");
}

void weather_configure_star(void *arg, struct hs2n_sim_config *config) {
  struct weather *w = arg;

  weather_configure(arg, config);
  /* The defaults, which the figures are about. */
  hs2n_limits_default(&w->limits);
  w->app.on_start = name_members;
  config->manual_members = true;
}

WEATHER_STORY(idle) {
  const struct hs2n_sim_link link = {.delay = DELAY};
  struct weather *w = arg;
  const hs2n_time keep_alive = HS2N_MS(w->limits.keep_alive_ms);
  struct hs2n_sim_memory alone = {.struct_size = sizeof(alone)};
  struct hs2n_sim_memory before = alone;
  struct hs2n_sim_memory after = alone;
  struct hs2n_sim_stats s;
  uint64_t datagrams;
  uint64_t bytes;

  w->sim = sim;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  story_start(sim, 0);
  hs2n_sim_memory(sim, 0, &alone);
  story_meshed(sim);
  hs2n_sim_run(sim, HS2N_S(60));
  hs2n_sim_memory(sim, 0, &before);
  s = story_stats(sim);
  datagrams = s.datagrams;
  bytes = s.bytes;
  hs2n_sim_run(sim, HOUR);
  hs2n_sim_memory(sim, 0, &after);
  s = story_stats(sim);
  datagrams = s.datagrams - datagrams;
  bytes = s.bytes - bytes;
  story_say("%.1f KB a peer, %.1f B/s for each connection in %.2f datagrams/s",
            (double)(after.live_bytes - alone.live_bytes) / 1e3 / PEERS,
            (double)bytes / (double)(HOUR / HS2N_S(1)) / PEERS,
            (double)datagrams / (double)(HOUR / HS2N_S(1)) / PEERS);
  story_must(sim, w->downs == 0, "a connection was given up");
  story_must(sim, after.live_bytes <= before.live_bytes, "memory grows");
  /* A PING and its ack from both ends, at most, and from one of them. */
  story_must(sim, datagrams <= PEERS * 4 * HOUR / keep_alive,
             "more than keep-alives");
  story_must(sim, datagrams >= PEERS * HOUR / keep_alive,
             "less than keep-alives");
  story_must(sim, bytes <= datagrams * 60, "large keep-alives");
}
