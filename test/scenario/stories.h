/* stories: what programs that tell stories share. */
#ifndef STORIES_H
#define STORIES_H

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>

#include <stdbool.h>
#include <string.h>

/* How the tagged sends of all nodes have ended. */
struct outcomes {
  struct hs2n_sim_app app;
  uint64_t n[HS2N_DONE_PEER_GONE + 1];
};

struct satellite {
  struct hs2n_sim_app app;
  bool down; /* some peer was DOWN or BANNED */
};

/* Breaks the story off unless it holds. */
static inline void story_must(struct hs2n_sim *sim, bool holds,
                              const char *otherwise) {
  if (!holds) {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, otherwise);
  }
}

static inline void story_start(struct hs2n_sim *sim, uint32_t node) {
  if (hs2n_sim_failure(sim) == NULL) {
    story_must(sim, hs2n_sim_start(sim, node) == HS2N_OK, "does not start");
  }
}

static inline void story_meshed(struct hs2n_sim *sim) {
  if (hs2n_sim_start_all(sim)) {
    hs2n_sim_settle(sim, HS2N_S(20));
  }
}

static inline struct hs2n_sim_stats story_stats(const struct hs2n_sim *sim) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(sim, &stats);
  return stats;
}

static inline struct hs2n_stats story_node(const struct hs2n_sim *sim,
                                           uint32_t node) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  if (hs2n_sim_running(sim, node)) {
    hs2n_node_stats(hs2n_sim_node(sim, node), &stats);
  }
  return stats;
}

static inline struct hs2n_peer_info story_peer(const struct hs2n_sim *sim,
                                               uint32_t node, uint32_t peer) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};
  struct hs2n_peer handle;

  if (hs2n_sim_peer(sim, node, peer, &handle) != HS2N_OK ||
      hs2n_peer_info(hs2n_sim_node(sim, node), handle, &info) != HS2N_OK) {
    memset(&info, 0, sizeof(info));
  }
  return info;
}

/* Prints a figure, as a line of its own. */
void story_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads the command line and tells them; what main returns. */
int story_main(const struct hs2n_sim_story *stories, size_t n, int argc,
               char **argv);

#endif /* STORIES_H */
