/* world: what the tests of the simulator share. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "over.h"
#include "tap.h"
#include "test_mem.h"

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>

#include <stdlib.h>

static inline void world_print(void *user_data,
                               const struct hs2n_sim_event *event) {
  char line[HS2N_SIM_EVENT_TEXT_MAX];

  (void)user_data;
  printf("# %s\n", hs2n_sim_event_text(event, line));
}

static inline void world_config(struct hs2n_sim_config *out, uint32_t nodes,
                                uint64_t seed) {
  hs2n_sim_config_default(out, nodes, seed);
  out->transport = over_transport();
}

/* All run and are connected. */
static inline struct hs2n_sim *
world_meshed(const struct hs2n_sim_config *config) {
  struct hs2n_sim *sim = NULL;

  if (hs2n_sim_new(&sim, config) != HS2N_OK || !hs2n_sim_start_all(sim) ||
      !hs2n_sim_settle(sim, HS2N_S(20))) {
    printf("# %s\n", sim == NULL ? "no world" : hs2n_sim_failure(sim));
    abort();
  }
  return sim;
}

static inline struct hs2n_sim *world_of(uint32_t nodes, uint64_t seed) {
  struct hs2n_sim_config config;

  world_config(&config, nodes, seed);
  return world_meshed(&config);
}

/* A failure is printed with the last of the trace. */
static inline bool world_well(struct hs2n_sim *sim) {
  if (hs2n_sim_failure(sim) != NULL) {
    hs2n_sim_trace(sim, world_print, NULL);
    printf("# FAILURE %s\n", hs2n_sim_failure(sim));
  }
  return hs2n_sim_failure(sim) == NULL;
}

static inline struct hs2n_sim_stats world_stats(const struct hs2n_sim *sim) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(sim, &stats);
  return stats;
}

static inline struct hs2n_stats world_node(const struct hs2n_sim *sim,
                                           uint32_t node) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(hs2n_sim_node(sim, node), &stats);
  return stats;
}

#endif /* SIM_WORLD_H */
