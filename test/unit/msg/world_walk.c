#include "world.h"

void world_join_all(struct world *w, uint32_t n) {
  for (uint32_t a = 0; a < n; a++) {
    for (uint32_t b = a + 1; b < n; b++) {
      if (w->places[a].ends[b].conn == NULL &&
          w->places[b].ends[a].conn == NULL) {
        world_join(w, a, b);
      }
    }
  }
}

bool world_waits(const struct world *w, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (hs2ni_msgs_deadline(w->places[i].msgs) != HS2N_TIME_NEVER) {
      return true;
    }
  }
  return false;
}

void world_check_memory(const struct world *w, uint32_t place, uint32_t peers) {
  const struct hs2n_limits *limits = &w->places[place].env.limits;

  CHECK((uint64_t)w->places[place].peak_bytes <=
        hs2ni_msgs_footprint(limits, w->types, WORLD_TYPES) +
            peers * hs2ni_chan_footprint(limits, w->types, WORLD_TYPES));
}

void world_check_rest(const struct world *w, uint32_t n) {
  for (uint32_t a = 0; a < n; a++) {
    for (uint32_t b = 0; b < n; b++) {
      struct hs2ni_chan_stats stats;

      if (a != b) {
        CHECK(hs2ni_chan_idle(w->places[a].ends[b].chan));
        hs2ni_chan_stats(w->places[a].ends[b].chan, &stats);
        CHECK_EQ(stats.queued_bytes, 0);
        CHECK_EQ(stats.rx_held_bytes, 0);
        CHECK_EQ(stats.requests_asked, 0);
        CHECK_EQ(stats.requests_unanswered, 0);
      }
    }
  }
}
