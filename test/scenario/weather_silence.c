/* Ways that are cut: for a while, for long, one way, and between groups. */
#include "weather.h"

/* A message of each node to each every 20 ms. */
static void votes(struct hs2n_sim *sim) {
  weather_load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(5));
}

/* Two seconds of five nothing gets through: shorter than the idle time. */
WEATHER_STORY(blackouts) {
  struct weather *w = arg;

  weather_begin(w, sim);
  votes(sim);
  for (int i = 0; i < 6; i++) {
    hs2n_sim_run(sim, HS2N_S(3));
    weather_cut_all(sim, true);
    hs2n_sim_run(sim, HS2N_S(2));
    weather_cut_all(sim, false);
  }
  hs2n_sim_run(sim, HS2N_S(3));
  story_say("after blackouts messages go on within %.2f s",
            weather_s(w->longest_gap - HS2N_S(2)));
  story_must(sim, w->longest_gap - HS2N_S(2) < 2 * BACKOFF, "resumes late");
  story_must(sim, w->downs == 0, "a connection was given up");
  weather_end(sim, BACK);
}

static void say_times(const char *what, hs2n_time noticed, hs2n_time back) {
  story_say("%s: noticed after %.2f of %.0f s idle time, back %.2f s after its "
            "end, %.1f times the longest back-off",
            what, weather_s(noticed), weather_s(IDLE), weather_s(back),
            (double)back / (double)BACKOFF);
}

/* A minute without a way. */
WEATHER_STORY(long_cut) {
  struct weather *w = arg;
  hs2n_time cut_at;
  hs2n_time noticed;
  hs2n_time back;

  weather_begin(w, sim);
  votes(sim);
  hs2n_sim_run(sim, HS2N_S(1));
  cut_at = hs2n_sim_now(sim);
  weather_cut_all(sim, true);
  hs2n_sim_run(sim, HS2N_S(60));
  story_must(sim, w->downs == 12, "not each end noticed, once");
  noticed = w->last_down - cut_at;
  story_must(sim, noticed <= IDLE + 2 * DELAY, "noticed late");
  weather_cut_all(sim, false);
  back = weather_mesh(sim, 2 * BACKOFF);
  say_times("a minute", noticed, back);
  weather_end(sim, BACK);
}

/* Each way of a node's by itself; bound is from the cut until both know. */
static void one_way(struct weather *w, struct hs2n_sim *sim, hs2n_time bound,
                    const char *what) {
  hs2n_time noticed = 0;
  hs2n_time back = 0;

  for (uint32_t i = 0; i < 4; i++) {
    const uint32_t k = (i + 1) % 4;
    const hs2n_time cut_at = hs2n_sim_now(sim);
    hs2n_time took;

    weather_count_anew(w);
    hs2n_sim_cut(sim, i, k, true);
    hs2n_sim_run(sim, 4 * IDLE);
    story_must(sim, w->downs == 2, "a way lost was not noticed at both ends");
    took = w->last_down - cut_at;
    noticed = took > noticed ? took : noticed;
    hs2n_sim_cut(sim, i, k, false);
    took = weather_mesh(sim, 2 * BACKOFF);
    back = took > back ? took : back;
    hs2n_sim_run(sim, HS2N_S(2));
  }
  say_times(what, noticed, back);
  story_must(sim, noticed <= bound, "noticed late");
}

/* Who is not heard by one peer hears that one well. */
WEATHER_STORY(one_way_cuts) {
  struct weather *w = arg;

  weather_begin(w, sim);
  hs2n_sim_run(sim, HS2N_S(2));
  /* Who hears nothing sends a PING first.  Who is not heard has but acks to
   * send until that PING is repeated, and adds one of its own then. */
  one_way(w, sim, IDLE + KEEP_ALIVE + 2 * PTO, "one way, in silence");
  votes(sim);
  hs2n_sim_run(sim, HS2N_S(2));
  one_way(w, sim, IDLE + 2 * DELAY, "one way, under load");
  weather_end(sim, BACK);
}

WEATHER_STORY(partitions) {
  static const uint8_t group[] = {0, 0, 0, 0, 1, 1, 1};
  struct weather *w = arg;
  uint64_t dials;
  hs2n_time back;

  weather_begin(w, sim);
  weather_load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(50));
  dials = weather_dials(sim, 7);
  hs2n_sim_partition(sim, group);
  hs2n_sim_run(sim, HS2N_S(20));
  story_must(sim, w->downs == 24, "not each end of 12 noticed, once");
  hs2n_sim_partition(sim, NULL);
  back = weather_mesh(sim, BACK);
  story_say("20 s in parts: meshed %.2f s after, by %llu dials of 12 pairs",
            weather_s(back),
            (unsigned long long)(weather_dials(sim, 7) - dials));
  dials = weather_dials(sim, 7);
  for (int i = 0; i < 20; i++) {
    hs2n_sim_partition(sim, i % 2 == 0 ? group : NULL);
    hs2n_sim_run(sim, HS2N_S(1));
  }
  hs2n_sim_partition(sim, NULL);
  back = weather_mesh(sim, BACK);
  story_say("20 s of flapping: meshed %.2f s after, by %llu dials",
            weather_s(back),
            (unsigned long long)(weather_dials(sim, 7) - dials));
  weather_end(sim, BACK);
}
