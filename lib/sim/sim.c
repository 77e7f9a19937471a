/* The world: its making, its loop, its end. */
#include "sim/inside.h"

#include <string.h>

#define BEGIN HS2N_S(1000)
#define LOAD_BODY_MAX (1u << 20)

/* ---- memory of the simulator
 * ------------------------------------------------------ */

void *hs2ni_sim_alloc(struct hs2n_sim *sim, size_t len) {
  return sim->config.mem->alloc(sim->config.mem->user_data, len);
}

void hs2ni_sim_free(struct hs2n_sim *sim, void *ptr, size_t len) {
  sim->config.mem->release(sim->config.mem->user_data, ptr, len);
}

bool hs2ni_sim_grow(struct hs2n_sim *sim, void **array, size_t *capacity,
                    size_t element, size_t need) {
  const size_t grown = *capacity == 0 ? 16 : *capacity * 2;
  void *more;

  if (need <= *capacity) {
    return true;
  }
  more = hs2ni_sim_alloc(sim, (grown > need ? grown : need) * element);
  if (more == NULL) {
    return false;
  }
  if (*array != NULL) {
    memcpy(more, *array, *capacity * element);
  }
  hs2ni_sim_free(sim, *array, *capacity * element);
  *array = more;
  *capacity = grown > need ? grown : need;
  return true;
}

void hs2ni_sim_starved(struct hs2n_sim *sim) {
  hs2n_sim_fail(sim, HS2N_SIM_ALL, "the simulator is out of memory");
}

/* ---- making
 * ------------------------------------------------------------------------- */

void hs2n_sim_config_default(struct hs2n_sim_config *out, uint32_t nodes,
                             uint64_t seed) {
  *out = (struct hs2n_sim_config){.struct_size = sizeof(*out),
                                  .mem = hs2n_mem_libc(),
                                  .seed = seed,
                                  .nodes = nodes,
                                  .chain_id = "sim",
                                  .socket_bytes = 4u << 20,
                                  .trace_level = 2,
                                  .trace_ring = 4096};
}

static bool keys_valid(const struct hs2n_sim_config *c) {
  for (uint32_t i = 0; c->key_of != NULL && i < c->nodes; i++) {
    if (c->key_of[i] > i || c->key_of[c->key_of[i]] != c->key_of[i]) {
      return false;
    }
  }
  return true;
}

/* By the rule of struct_size: an older program's missing fields are zero, a
 * newer one's that we do not know must be. */
static int copy(void *out, size_t out_size, const void *in, size_t in_size) {
  const unsigned char *bytes = in;

  for (size_t i = out_size; i < in_size; i++) {
    if (bytes[i] != 0) {
      return HS2N_ERR_VERSION;
    }
  }
  memset(out, 0, out_size);
  memcpy(out, in, in_size < out_size ? in_size : out_size);
  return HS2N_OK;
}

static int check(const struct hs2n_sim_config *c) {
  return c->mem != NULL && c->nodes >= 1 && c->nodes <= HS2N_SIM_NODES_MAX &&
                 c->trace_ring >= 1 && keys_valid(c)
             ? HS2N_OK
             : HS2N_ERR_INVALID;
}

static void own_limits(struct hs2n_sim *sim) {
  if (sim->config.limits != NULL) {
    sim->limits = *sim->config.limits;
    return;
  }
  hs2n_limits_default(&sim->limits);
  if (sim->limits.peers_max < sim->n) {
    sim->limits.peers_max = sim->n;
  }
}

static int own_types(struct hs2n_sim *sim) {
  const struct hs2n_type *given = sim->config.types;
  const size_t n = given == NULL ? HS2N_LANES : sim->config.types_n;

  sim->load_types = given == NULL;
  sim->config.types_n = n;
  sim->types = hs2ni_sim_alloc(sim, (n == 0 ? 1 : n) * sizeof(*sim->types));
  if (sim->types == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  for (size_t i = 0; i < n; i++) {
    sim->types[i] =
        given != NULL
            ? given[i]
            : (struct hs2n_type){.id = (uint8_t)i,
                                 .lane = (enum hs2n_lane)i,
                                 .size_max = LOAD_BODY_MAX,
                                 .name = hs2n_lane_name((enum hs2n_lane)i)};
  }
  return HS2N_OK;
}

static int own_memory(struct hs2n_sim *sim) {
  sim->by_id_size = 16;
  while (sim->by_id_size < 2 * (size_t)sim->n) {
    sim->by_id_size *= 2;
  }
  sim->nodes = hs2ni_sim_alloc(sim, sim->n * sizeof(*sim->nodes));
  sim->waking = hs2ni_sim_alloc(sim, sim->n * sizeof(*sim->waking));
  sim->by_id = hs2ni_sim_alloc(sim, sim->by_id_size * sizeof(*sim->by_id));
  sim->ring = hs2ni_sim_alloc(sim, sim->config.trace_ring * sizeof(*sim->ring));
  sim->tx =
      hs2ni_sim_alloc(sim, (size_t)HS2NI_SIM_TX_SLOTS * HS2NI_SIM_TX_BYTES);
  return sim->nodes == NULL || sim->waking == NULL || sim->by_id == NULL ||
                 sim->ring == NULL || sim->tx == NULL
             ? HS2N_ERR_NO_MEMORY
             : HS2N_OK;
}

static int make_nodes(struct hs2n_sim *sim) {
  for (uint32_t i = 0; i < sim->n; i++) {
    struct hs2ni_sim_node *n = &sim->nodes[i];
    const int err = hs2ni_node_init(sim, i);

    if (err != HS2N_OK) {
      return err;
    }
    hs2ni_addrs_refresh(sim, n->key_of);
    if (n->key_of == i) {
      hs2ni_by_id_add(sim, i);
    } else {
      n->twin = sim->nodes[n->key_of].twin = true;
    }
  }
  return HS2N_OK;
}

static int make(struct hs2n_sim *sim) {
  int err;

  own_limits(sim);
  err = own_types(sim);
  if (err == HS2N_OK) {
    err = own_memory(sim);
  }
  if (err == HS2N_OK) {
    err = hs2ni_paths_init(sim);
  }
  return err == HS2N_OK ? make_nodes(sim) : err;
}

int hs2n_sim_new(struct hs2n_sim **out_sim,
                 const struct hs2n_sim_config *config) {
  struct hs2n_sim_config c;
  struct hs2n_sim *sim;
  struct hs2n_sim_app app = {0};
  int err = copy(&c, sizeof(c), config, config->struct_size);

  if (err == HS2N_OK) {
    err = check(&c);
  }
  if (err == HS2N_OK && c.app != NULL) {
    err = copy(&app, sizeof(app), c.app, c.app->struct_size);
  }
  if (err != HS2N_OK) {
    return err;
  }
  sim = c.mem->alloc(c.mem->user_data, sizeof(*sim));
  if (sim == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  sim->config = c;
  sim->app = app;
  sim->n = c.nodes;
  sim->now = BEGIN;
  sim->hash = hs2ni_mix(c.seed);
  sim->net_chance = hs2ni_chance_of(c.seed, 1);
  sim->load_chance = hs2ni_chance_of(c.seed, 2);
  sim->fault_chance = hs2ni_chance_of(c.seed, 3);
  sim->story_chance = hs2ni_chance_of(c.seed, 4);
  err = make(sim);
  sim->config.limits = NULL; /* copied, as are types, keys and methods */
  sim->config.app = NULL;
  sim->config.types = NULL;
  sim->config.key_of = NULL;
  if (err != HS2N_OK) {
    hs2n_sim_free(sim);
    return err;
  }
  *out_sim = sim;
  return HS2N_OK;
}

static void free_packets(struct hs2n_sim *sim) {
  while (sim->events.n > 0) {
    const struct hs2ni_event event = hs2ni_event_pop(sim);

    if (event.packet != NULL) {
      hs2ni_packet_free(sim, event.packet);
    }
  }
  while (sim->free_packets != NULL) {
    struct hs2ni_packet *p = sim->free_packets;

    sim->free_packets = p->next;
    hs2ni_sim_free(sim, p, sizeof(*p) + p->capacity);
  }
}

void hs2n_sim_free(struct hs2n_sim *sim) {
  if (sim == NULL) {
    return;
  }
  for (uint32_t i = 0; sim->nodes != NULL && i < sim->n; i++) {
    hs2ni_node_fini(&sim->nodes[i]);
  }
  hs2ni_load_fini(sim);
  hs2ni_pipes_fini(sim);
  free_packets(sim);
  hs2ni_paths_fini(sim);
  hs2ni_sim_free(sim, sim->events.heap,
                 sim->events.capacity * sizeof(*sim->events.heap));
  hs2ni_sim_free(sim, sim->types,
                 (sim->config.types_n == 0 ? 1 : sim->config.types_n) *
                     sizeof(*sim->types));
  hs2ni_sim_free(sim, sim->nodes, sim->n * sizeof(*sim->nodes));
  hs2ni_sim_free(sim, sim->waking, sim->n * sizeof(*sim->waking));
  hs2ni_sim_free(sim, sim->by_id, sim->by_id_size * sizeof(*sim->by_id));
  hs2ni_sim_free(sim, sim->ring, sim->config.trace_ring * sizeof(*sim->ring));
  hs2ni_sim_free(sim, sim->tx, (size_t)HS2NI_SIM_TX_SLOTS * HS2NI_SIM_TX_BYTES);
  hs2ni_sim_free(sim, sim, sizeof(*sim));
}

/* ---- the loop
 * ------------------------------------------------------------------------- */

/* At one moment events come first, so that a node sees all that has
 * arrived. */
bool hs2n_sim_step(struct hs2n_sim *sim, hs2n_time end) {
  const hs2n_time event_at = hs2ni_event_next(sim);
  const hs2n_time wake_at = hs2ni_wake_next(sim);
  const hs2n_time at = event_at < wake_at ? event_at : wake_at;

  if (sim->stepping) {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, "run from inside a callback");
  }
  if (sim->failed || at > end || at == HS2N_TIME_NEVER) {
    return false;
  }
  sim->stepping = true;
  sim->now = at > sim->now ? at : sim->now;
  sim->stats.steps++;
  if (event_at <= wake_at) {
    const struct hs2ni_event event = hs2ni_event_pop(sim);

    if (event.packet != NULL) {
      hs2ni_net_arrive(sim, event.packet);
    } else {
      event.fn(sim, event.arg);
    }
  } else {
    hs2ni_node_tick(&sim->nodes[sim->waking[0]]);
  }
  sim->stepping = false;
  return true;
}

bool hs2n_sim_until(struct hs2n_sim *sim,
                    bool (*done)(struct hs2n_sim *sim, void *arg), void *arg,
                    hs2n_time length) {
  const hs2n_time end = sim->now + length;

  while (!sim->failed && !done(sim, arg)) {
    if (!hs2n_sim_step(sim, end)) {
      sim->now = sim->failed ? sim->now : end;
      return done(sim, arg) && !sim->failed;
    }
  }
  return !sim->failed;
}

static bool never(struct hs2n_sim *sim, void *arg) {
  (void)sim;
  (void)arg;
  return false;
}

bool hs2n_sim_run(struct hs2n_sim *sim, hs2n_time length) {
  (void)hs2n_sim_until(sim, never, NULL, length);
  return !sim->failed;
}

int hs2n_sim_at(struct hs2n_sim *sim, hs2n_time at,
                void (*fn)(struct hs2n_sim *sim, void *arg), void *arg) {
  return hs2ni_event_call(sim, at, fn, arg);
}

/* ---- looking
 * -----------------------------------------------------------------------------
 */

hs2n_time hs2n_sim_now(const struct hs2n_sim *sim) {
  return sim->now;
}

uint64_t hs2n_sim_random(struct hs2n_sim *sim, uint64_t bound) {
  return hs2ni_chance_below(&sim->story_chance, bound);
}

struct hs2n_node *hs2n_sim_node(const struct hs2n_sim *sim, uint32_t node) {
  return hs2ni_sim_at(sim, node)->node;
}

const struct hs2n_identity *hs2n_sim_identity(const struct hs2n_sim *sim,
                                              uint32_t node) {
  return hs2ni_sim_at(sim, node)->identity;
}

bool hs2n_sim_running(const struct hs2n_sim *sim, uint32_t node) {
  return hs2ni_sim_at(sim, node)->node != NULL;
}

void hs2n_sim_stats(const struct hs2n_sim *sim, struct hs2n_sim_stats *out) {
  const size_t size = out->struct_size;

  memcpy(out, &sim->stats, size < sizeof(*out) ? size : sizeof(*out));
  out->struct_size = size;
}
