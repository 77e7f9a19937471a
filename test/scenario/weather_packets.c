/* Packets that are lost, bent, late, doubled or too large. */
#include "weather.h"

#include <stdlib.h>

/* ---- noise ----------------------------------------------------------------
 */

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

/* 55 handshakes while of three datagrams one is lost or bent. */
static void handshakes(struct weather *w, struct hs2n_sim *sim,
                       const struct hs2n_sim_noise *noise) {
  const struct hs2n_sim_link link = {.delay = DELAY};
  const hs2n_time began = hs2n_sim_now(sim);
  hs2n_time took[11 * 10];
  size_t n = 0;

  w->sim = sim;
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, noise);
  if (!hs2n_sim_start_all(sim)) {
    return;
  }
  (void)weather_mesh(sim, HS2N_S(60));
  for (uint32_t i = 0; i < 11; i++) {
    for (uint32_t k = 0; k < WEATHER_HANDLES_MAX; k++) {
      if (w->ears[i].up_at[k] != 0 && n < sizeof(took) / sizeof(took[0])) {
        took[n++] = w->ears[i].up_at[k] - began;
      }
    }
  }
  story_must(sim, n == sizeof(took) / sizeof(took[0]), "not each end is up");
  qsort(took, n, sizeof(took[0]), by_size);
  story_say("%zu of 55 handshakes: p50 %.0f ms, p99 %.0f ms", n / 2,
            weather_ms(took[n / 2]), weather_ms(took[n * 99 / 100]));
}

WEATHER_STORY(handshakes_under_loss) {
  handshakes(arg, sim, &(struct hs2n_sim_noise){.loss_ppm = 300000});
}

WEATHER_STORY(handshakes_under_corruption) {
  handshakes(arg, sim, &(struct hs2n_sim_noise){.corrupt_ppm = 300000});
}

/* Three in a row on average, and 30 % of all. */
WEATHER_STORY(handshakes_under_bursts) {
  handshakes(
      arg, sim,
      &(struct hs2n_sim_noise){.burst_ppm = 125000, .burst_end_ppm = 500000});
}

/* Packets sent again, of a million. */
static uint64_t resent_ppm(struct hs2n_sim *sim, uint32_t nodes) {
  uint64_t sent = 0;
  uint64_t lost = 0;

  for (uint32_t i = 0; i < nodes; i++) {
    for (uint32_t k = 0; k < nodes; k++) {
      if (i != k) {
        const struct hs2n_peer_info info = story_peer(sim, i, k);

        sent += info.packets_sent;
        lost += info.packets_lost;
      }
    }
  }
  return sent == 0 ? 0 : lost * HS2N_SIM_PPM / sent;
}

/* A quarter comes late and one in twenty twice: the invariants have the order,
 * and nothing is taken for lost so often that a connection is given up. */
WEATHER_STORY(disorder) {
  const struct hs2n_sim_noise noise = {.reorder_ppm = 250000,
                                       .reorder_delay = HS2N_MS(10),
                                       .duplicate_ppm = 50000};
  struct weather *w = arg;

  weather_begin(w, sim);
  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise);
  weather_load(sim, HS2N_LANE_VOTE, 200, HS2N_MS(5));
  weather_load(sim, HS2N_LANE_PROPOSAL, 50000, HS2N_MS(200));
  hs2n_sim_run(sim, HS2N_S(20));
  story_say("nothing is lost, and %.1f %% of packets are sent again",
            (double)resent_ppm(sim, 4) / 1e4);
  weather_end(sim, HS2N_S(5));
  story_must(sim, w->downs == 0, "a connection was given up");
  for (uint32_t i = 0; i < 4; i++) {
    story_must(sim, story_node(sim, i).messages_resent == 0, "sent again");
  }
}

/* ---- paths ----------------------------------------------------------------
 */

#define EVERY HS2N_MS(20) /* a message from each node to each */

/* Each pair has its own largest packet, from what QUIC asks of any path on; by
 * larger ones these are black holes (RFC 9000, 14.3). */
static void narrow(struct hs2n_sim *sim) {
  static const uint32_t mtus[] = {1200, 1240, 1280, 1320, 1360, 1400};
  size_t next = 0;

  for (uint32_t i = 0; i < 4; i++) {
    for (uint32_t k = i + 1; k < 4; k++) {
      const struct hs2n_sim_link link = {.delay = DELAY, .mtu = mtus[next++]};

      hs2n_sim_set_link(sim, i, k, &link);
      hs2n_sim_set_link(sim, k, i, &link);
    }
  }
}

static void must_not_stall(struct weather *w, struct hs2n_sim *sim) {
  const hs2n_time stalled = w->longest_gap > EVERY ? w->longest_gap - EVERY : 0;

  story_say("stalled for %.0f ms at most, %.1f PTO; %llu packets too large",
            weather_ms(stalled), (double)stalled / (double)PTO,
            (unsigned long long)story_stats(sim).lost_mtu);
  story_must(sim, story_stats(sim).lost_mtu > 0, "no packet was too large");
  story_must(sim, stalled <= 3 * PTO, "it stalls");
  story_must(sim, w->downs == 0, "a connection was given up");
}

/* Before the first handshake already. */
WEATHER_STORY(narrow_paths) {
  struct weather *w = arg;

  narrow(sim);
  story_meshed(sim);
  w->sim = sim;
  weather_load(sim, HS2N_LANE_PROPOSAL, 8000, EVERY / 4);
  hs2n_sim_run(sim, HS2N_S(5));
  must_not_stall(w, sim);
  weather_end(sim, HS2N_S(10));
}

/* In the midst of a load. */
WEATHER_STORY(narrower_paths) {
  struct weather *w = arg;

  weather_begin(w, sim);
  weather_load(sim, HS2N_LANE_PROPOSAL, 8000, EVERY / 4);
  hs2n_sim_run(sim, HS2N_S(2));
  weather_count_anew(w);
  narrow(sim);
  hs2n_sim_run(sim, HS2N_S(15));
  must_not_stall(w, sim);
  weather_end(sim, HS2N_S(10));
}
