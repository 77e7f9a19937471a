/* scale: what a full mesh costs in the simulator.
 *
 *   scale [NODES [SECONDS]]
 *
 * Prints real time and memory until all pairs are connected by real
 * handshakes, and how much faster or slower than real time a load of ten
 * blocks of 64 KiB a second runs after that. */
#include "stories.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rss_mib(void) {
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

static bool good(const struct hs2n_sim *sim) {
  if (hs2n_sim_failure(sim) != NULL) {
    printf("%s\n", hs2n_sim_failure(sim));
  }
  return hs2n_sim_failure(sim) == NULL;
}

static void connect_all(struct hs2n_sim *sim, uint32_t n) {
  const double begun = seconds();
  const hs2n_time virtual_begun = hs2n_sim_now(sim);
  uint64_t peak = 0;

  if (!hs2n_sim_start_all(sim) || !hs2n_sim_settle(sim, HS2N_S(60))) {
    return;
  }
  for (uint32_t i = 0; i < n; i++) {
    struct hs2n_sim_memory m = {.struct_size = sizeof(m)};

    hs2n_sim_memory(sim, i, &m);
    peak = m.peak_bytes > peak ? m.peak_bytes : peak;
  }
  printf("%u nodes, %u connections: %.2f s real, %.2f s virtual; %.0f MiB "
         "resident, at most %.1f MiB a node\n",
         n, n * (n - 1) / 2, seconds() - begun,
         (double)(hs2n_sim_now(sim) - virtual_begun) / 1e9, rss_mib(),
         (double)peak / 1048576);
}

static void load_all(struct hs2n_sim *sim, unsigned length) {
  const struct hs2n_sim_load blocks = {.msg = {.from = HS2N_SIM_EACH,
                                               .to = HS2N_SIM_ALL,
                                               .lane = HS2N_LANE_PROPOSAL,
                                               .len = 65536},
                                       .every = HS2N_MS(100)};
  const struct hs2n_sim_stats before = story_stats(sim);
  const double begun = seconds();
  struct hs2n_sim_stats after;
  double real;

  if (hs2n_sim_load_add(sim, &blocks) != HS2N_OK ||
      !hs2n_sim_run(sim, HS2N_S(length))) {
    return;
  }
  real = seconds() - begun;
  after = story_stats(sim);
  printf("%u s virtual of 10 blocks/s of 64 KiB: %.2f s real (%.2f times real "
         "time), %llu datagrams, %.1f us each; %.0f MiB resident\n",
         length, real, (double)length / real,
         (unsigned long long)(after.datagrams - before.datagrams),
         real * 1e6 / (double)(after.datagrams - before.datagrams), rss_mib());
}

int main(int argc, char **argv) {
  const uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100;
  const unsigned length = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20)};
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;
  bool well;

  hs2n_sim_config_default(&config, n, 1);
  if (hs2n_sim_new(&sim, &config) != HS2N_OK) {
    fprintf(stderr, "scale: %u nodes can't be made\n", n);
    return 2;
  }
  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  connect_all(sim, n);
  if (good(sim)) {
    load_all(sim, length);
  }
  well = good(sim);
  hs2n_sim_free(sim);
  return well ? 0 : 1;
}
