/* weather: what networks do to a committee, and how soon it is over.
 *
 * Peers are given up after IDLE without an answer and dialled again after
 * BACKOFF at most, so that each bound of the stories is a number. */
#ifndef WEATHER_H
#define WEATHER_H

#include "stories.h"

#define IDLE HS2N_S(3)
#define KEEP_ALIVE (IDLE / 4)
#define BACKOFF HS2N_S(1)
#define DELAY HS2N_MS(20)
/* RFC 9002, 6.2.1, where the round-trip time does not vary: with the ack delay
 * that QUIC allows and the granularity of timers. */
#define PTO (2 * DELAY + HS2N_MS(25) + HS2N_MS(1))
/* Silence noticed at both ends (a keep-alive goes out in time to be missed),
 * one back-off, half as much again of jitter, and a handshake. */
#define BACK HS2N_S(5)

#define WEATHER_NODES_MAX 101
#define WEATHER_HANDLES_MAX 128

/* What one node hears. */
struct ear {
  struct weather *w;
  uint32_t node;
  /* by handle */
  bool up[WEATHER_HANDLES_MAX];
  hs2n_time up_at[WEATHER_HANDLES_MAX]; /* the first time */
  hs2n_time last_message[WEATHER_HANDLES_MAX];
};

struct weather {
  struct hs2n_sim_app app;
  struct hs2n_limits limits;
  struct hs2n_sim *sim; /* of the story told now; NULL: nothing counts yet */
  struct ear ears[WEATHER_NODES_MAX];
  unsigned downs; /* of those that were up; a failed dial is none */
  unsigned downs_by_silence, downs_by_reset; /* of them */
  hs2n_time last_down;
  hs2n_time last_message;
  hs2n_time longest_silence; /* between messages of anybody */
  hs2n_time longest_gap;     /* between messages of one to another */
};

/* ---- parts of stories ---------------------------------------------------- */

/* Messages of each in turn to all, which want acknowledgements. */
void weather_load(struct hs2n_sim *sim, enum hs2n_lane lane, uint32_t len,
                  hs2n_time every);
/* All nodes up, DELAY apart; what happens from now on counts. */
void weather_begin(struct weather *w, struct hs2n_sim *sim);
/* Forgets what has been counted. */
void weather_count_anew(struct weather *w);
/* The weather is over: all is well again within bound, and nothing is lost. */
void weather_end(struct hs2n_sim *sim, hs2n_time bound);
/* Runs until all are connected; how long that took. */
hs2n_time weather_mesh(struct hs2n_sim *sim, hs2n_time bound);
void weather_cut_all(struct hs2n_sim *sim, bool cut);
uint64_t weather_dials(const struct hs2n_sim *sim, uint32_t nodes);

static inline double weather_s(hs2n_time t) {
  return (double)t / 1e9;
}
static inline double weather_ms(hs2n_time t) {
  return (double)t / 1e6;
}

/* ---- stories ------------------------------------------------------------- */

#define WEATHER_STORY(name) void weather_##name(void *arg, struct hs2n_sim *sim)
/* weather_packets.c */
WEATHER_STORY(handshakes_under_loss);
WEATHER_STORY(handshakes_under_corruption);
WEATHER_STORY(handshakes_under_bursts);
WEATHER_STORY(disorder);
WEATHER_STORY(narrow_paths);
WEATHER_STORY(narrower_paths);
/* weather_silence.c */
WEATHER_STORY(blackouts);
WEATHER_STORY(long_cut);
WEATHER_STORY(one_way_cuts);
WEATHER_STORY(partitions);
/* weather_processes.c */
WEATHER_STORY(killed);
WEATHER_STORY(stopped);
WEATHER_STORY(idle);
void weather_configure_star(void *arg, struct hs2n_sim_config *config);

/* What each story is configured with: the limits above. */
void weather_configure(void *arg, struct hs2n_sim_config *config);

#endif /* WEATHER_H */
