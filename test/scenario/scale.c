/* scale: what many nodes cost in the simulator.
 *
 *   scale [NODES [SECONDS [NEIGHBOURS]]] [cached]
 *
 * Prints CPU time and memory until all pairs are connected by real
 * handshakes, and how much faster or slower than real time a load of ten
 * blocks of 64 KiB a second runs after that, on a processor of its own.  With
 * NEIGHBOURS each node has that many members to either side and not all.  With
 * the word "cached" nothing of the handshakes is computed twice (known.h);
 * the hash of the run stays the same. */
#include "known.h"
#include "stories.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NEIGHBOURS_MAX 16

static double seconds(void) {
  struct timespec t;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
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

struct ring {
  struct hs2n_sim *sim;
  uint32_t nodes, neighbours;
};

static void name_neighbours(void *self, uint32_t node, struct hs2n_node *handle,
                            struct hs2n_sim_disk *disk) {
  const struct ring *r = self;
  struct hs2n_member members[2 * NEIGHBOURS_MAX + 1];
  uint32_t count = 0;

  (void)disk;
  for (uint32_t i = 0; i <= 2 * r->neighbours; i++) {
    members[count++] = hs2n_sim_member(
        r->sim, (node + r->nodes - r->neighbours + i) % r->nodes);
  }
  story_must(r->sim,
             hs2n_set_members(handle, HS2N_SIM_EPOCH, members, count, 0) ==
                 HS2N_OK,
             "no members");
}

static void connect_all(struct hs2n_sim *sim, uint32_t n) {
  const double begun = seconds();
  const hs2n_time virtual_begun = hs2n_sim_now(sim);
  uint64_t peak = 0;
  uint64_t ends = 0;

  if (!hs2n_sim_start_all(sim) || !hs2n_sim_settle(sim, HS2N_S(60))) {
    return;
  }
  for (uint32_t i = 0; i < n; i++) {
    const struct hs2n_stats node = story_node(sim, i);
    struct hs2n_sim_memory m = {.struct_size = sizeof(m)};

    hs2n_sim_memory(sim, i, &m);
    peak = m.peak_bytes > peak ? m.peak_bytes : peak;
    ends += node.connections_opened - node.connections_closed;
  }
  printf("%u nodes, %llu connections: %.2f s of CPU, %.2f s virtual; %.0f MiB "
         "resident, at most %.1f MiB a node\n",
         n, (unsigned long long)(ends / 2), seconds() - begun,
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
  printf(
      "%u s virtual of 10 blocks/s of 64 KiB: %.2f s of CPU (%.2f times real "
      "time), %llu datagrams, %.1f us each; %.0f MiB resident\n",
      length, real, (double)length / real,
      (unsigned long long)(after.datagrams - before.datagrams),
      real * 1e6 / (double)(after.datagrams - before.datagrams), rss_mib());
}

static void say_known(void) {
  const struct known_counts c = known_counts();

  printf("cached: %llu of %llu signatures, %llu of %llu keys and %llu of %llu "
         "shared secrets were known before\n",
         (unsigned long long)c.signatures_known,
         (unsigned long long)c.signatures, (unsigned long long)c.keys_known,
         (unsigned long long)c.keys, (unsigned long long)c.secrets_known,
         (unsigned long long)c.secrets);
}

static uint32_t argument(int argc, char **argv, int i, uint32_t otherwise) {
  return argc > i ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20)};
  const bool cached = argc > 1 && strcmp(argv[argc - 1], "cached") == 0;
  const int numbers = cached ? argc - 1 : argc;
  struct ring ring = {.nodes = argument(numbers, argv, 1, 100),
                      .neighbours = argument(numbers, argv, 3, 0)};
  const struct hs2n_sim_app app = {
      .struct_size = sizeof(app), .self = &ring, .on_start = name_neighbours};
  struct hs2n_sim_config config;
  bool well;

  if (cached) {
    known_begin();
  }
  hs2n_sim_config_default(&config, ring.nodes, 1);
  if (ring.neighbours > 0) {
    config.app = &app;
    config.manual_members = true;
  }
  if (ring.neighbours > NEIGHBOURS_MAX || 2 * ring.neighbours > ring.nodes ||
      hs2n_sim_new(&ring.sim, &config) != HS2N_OK) {
    fprintf(stderr, "scale: such a world can't be made\n");
    return 2;
  }
  hs2n_sim_set_link(ring.sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  connect_all(ring.sim, ring.nodes);
  if (good(ring.sim)) {
    load_all(ring.sim, argument(numbers, argv, 2, 2));
  }
  well = good(ring.sim);
  printf("hash %016llx\n", (unsigned long long)hs2n_sim_hash(ring.sim));
  if (cached) {
    say_known();
  }
  hs2n_sim_free(ring.sim);
  return well ? 0 : 1;
}
