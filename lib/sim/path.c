/* Links and noise between each pair.  A thousand nodes have a million ways,
 * so that a way is small: its values are shared with those that are alike. */
#include "sim/inside.h"

#include <assert.h>
#include <string.h>

/* ---- shared values
 * ----------------------------------------------------------- */

static size_t slot_size(const struct hs2ni_shared *s) {
  return sizeof(uint64_t) + s->value_size;
}

static uint32_t *users(const struct hs2ni_shared *s, uint32_t i) {
  return (uint32_t *)(void *)(s->slots + i * slot_size(s));
}

const void *hs2ni_shared_get(const struct hs2ni_shared *s, uint32_t i) {
  return s->slots + i * slot_size(s) + sizeof(uint64_t);
}

static void *value(struct hs2ni_shared *s, uint32_t i) {
  return s->slots + i * slot_size(s) + sizeof(uint64_t);
}

/* A slot with the value and no users yet; UINT32_MAX: no memory. */
static uint32_t shared_add(struct hs2n_sim *sim, struct hs2ni_shared *s,
                           const void *v) {
  uint32_t i = s->first_free;

  if (i != UINT32_MAX) {
    memcpy(&s->first_free, value(s, i), sizeof(s->first_free));
  } else {
    size_t capacity = s->capacity;

    if (!hs2ni_sim_grow(sim, (void **)&s->slots, &capacity, slot_size(s),
                        (size_t)s->n + 1)) {
      hs2ni_sim_starved(sim);
      return UINT32_MAX;
    }
    s->capacity = (uint32_t)capacity;
    i = s->n++;
  }
  memcpy(value(s, i), v, s->value_size);
  *users(s, i) = 0;
  return i;
}

static void shared_drop(struct hs2ni_shared *s, uint32_t i) {
  if (--*users(s, i) == 0) {
    memcpy(value(s, i), &s->first_free, sizeof(s->first_free));
    s->first_free = i;
  }
}

static void shared_fini(struct hs2n_sim *sim, struct hs2ni_shared *s) {
  hs2ni_sim_free(sim, s->slots, s->capacity * slot_size(s));
}

/* ---- each way of a choice
 * ------------------------------------------------------ */

static uint32_t first(uint32_t choice) {
  return choice == HS2N_SIM_ALL ? 0 : choice;
}

static uint32_t end(const struct hs2n_sim *sim, uint32_t choice) {
  return choice == HS2N_SIM_ALL ? sim->n : choice + 1;
}

static void assign_link(struct hs2n_sim *sim, struct hs2ni_way *w, uint32_t i) {
  ++*users(&sim->links, i);
  shared_drop(&sim->links, w->link);
  w->link = i;
}

int hs2n_sim_set_link(struct hs2n_sim *sim, uint32_t from, uint32_t to,
                      const struct hs2n_sim_link *link) {
  const uint32_t i = shared_add(sim, &sim->links, link);

  if (i == UINT32_MAX) {
    return HS2N_ERR_NO_MEMORY;
  }
  for (uint32_t a = first(from); a < end(sim, from); a++) {
    for (uint32_t b = first(to); b < end(sim, to); b++) {
      assign_link(sim, hs2ni_way(sim, a, b), i);
    }
  }
  hs2ni_trace(sim, HS2N_SIM_NET, from, to, link->delay, 0, "link");
  return HS2N_OK;
}

int hs2n_sim_set_noise(struct hs2n_sim *sim, uint32_t from, uint32_t to,
                       const struct hs2n_sim_noise *noise) {
  const struct hs2n_sim_noise quiet = {0};
  const uint32_t i =
      shared_add(sim, &sim->noises, noise == NULL ? &quiet : noise);

  if (i == UINT32_MAX) {
    return HS2N_ERR_NO_MEMORY;
  }
  for (uint32_t a = first(from); a < end(sim, from); a++) {
    for (uint32_t b = first(to); b < end(sim, to); b++) {
      struct hs2ni_way *w = hs2ni_way(sim, a, b);

      ++*users(&sim->noises, i);
      shared_drop(&sim->noises, w->noise);
      w->noise = i & 0x3fffffffu;
      w->bursting = false;
    }
  }
  hs2ni_trace(sim, HS2N_SIM_NET, from, to, noise == NULL ? 0 : noise->loss_ppm,
              0, noise == NULL ? "quiet" : "noise");
  return HS2N_OK;
}

int hs2n_sim_set_regions(struct hs2n_sim *sim, const hs2n_time *rtt,
                         uint32_t regions, hs2n_time jitter) {
  for (uint32_t r = 0; r < regions * regions; r++) {
    const struct hs2n_sim_link link = {.delay = rtt[r] / 2, .jitter = jitter};
    const uint32_t i = shared_add(sim, &sim->links, &link);

    if (i == UINT32_MAX) {
      return HS2N_ERR_NO_MEMORY;
    }
    ++*users(&sim->links, i); /* ours, until the ways have theirs */
    for (uint32_t a = r / regions; a < sim->n; a += regions) {
      for (uint32_t b = r % regions; b < sim->n; b += regions) {
        assign_link(sim, hs2ni_way(sim, a, b), i);
      }
    }
    shared_drop(&sim->links, i);
  }
  hs2ni_trace(sim, HS2N_SIM_NET, HS2N_SIM_ALL, HS2N_SIM_ALL, regions, 0,
              "regions");
  return HS2N_OK;
}

void hs2n_sim_cut(struct hs2n_sim *sim, uint32_t from, uint32_t to, bool cut) {
  for (uint32_t a = first(from); a < end(sim, from); a++) {
    for (uint32_t b = first(to); b < end(sim, to); b++) {
      hs2ni_way(sim, a, b)->cut = cut;
    }
  }
  hs2ni_trace(sim, HS2N_SIM_NET, from, to, 0, 0, cut ? "cut" : "uncut");
}

void hs2n_sim_partition(struct hs2n_sim *sim, const uint8_t *group) {
  sim->partitioned = group != NULL;
  for (uint32_t i = 0; i < sim->n; i++) {
    sim->nodes[i].group = group == NULL ? 0 : group[i];
    hs2ni_hash(sim, &sim->nodes[i].group, 1);
  }
  hs2ni_trace(sim, HS2N_SIM_NET, HS2N_SIM_ALL, HS2N_SIM_ALL, 0, 0,
              group == NULL ? "no partition" : "partition");
}

void hs2n_sim_heal(struct hs2n_sim *sim) {
  hs2n_sim_cut(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, false);
  hs2n_sim_partition(sim, NULL);
  /* A failure is one of the simulation already. */
  (void)hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, NULL);
}

/* ---- life
 * ------------------------------------------------------------------------ */

static void shared_init(struct hs2ni_shared *s, size_t value_size) {
  assert(value_size % sizeof(uint64_t) == 0);
  *s =
      (struct hs2ni_shared){.value_size = value_size, .first_free = UINT32_MAX};
}

int hs2ni_paths_init(struct hs2n_sim *sim) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(1)};
  const struct hs2n_sim_noise noise = {0};
  const uint32_t ways_n = sim->n * sim->n;

  shared_init(&sim->links, sizeof(link));
  shared_init(&sim->noises, sizeof(noise));
  sim->ways = hs2ni_sim_alloc(sim, ways_n * sizeof(*sim->ways));
  if (sim->ways == NULL || shared_add(sim, &sim->links, &link) == UINT32_MAX ||
      shared_add(sim, &sim->noises, &noise) == UINT32_MAX) {
    return HS2N_ERR_NO_MEMORY;
  }
  *users(&sim->links, 0) = ways_n;
  *users(&sim->noises, 0) = ways_n;
  return HS2N_OK;
}

void hs2ni_paths_fini(struct hs2n_sim *sim) {
  hs2ni_sim_free(sim, sim->ways, (size_t)sim->n * sim->n * sizeof(*sim->ways));
  shared_fini(sim, &sim->links);
  shared_fini(sim, &sim->noises);
}
