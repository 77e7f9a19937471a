/* A random timeline of faults, and its end. */
#include "sim/inside.h"

#include <hs2net/sim_story.h>

#define DEFAULT_EVERY HS2N_MS(100)

static const uint32_t weights[] = {
#define X(name, weight, text) weight,
    HS2N_SIM_CHAOS_LIST(X)
#undef X
};
#define KINDS (sizeof(weights) / sizeof(weights[0]))

static uint32_t below(struct hs2n_sim *sim, uint32_t bound) {
  return (uint32_t)hs2n_sim_random(sim, bound);
}

static bool one_in(struct hs2n_sim *sim, uint32_t n) {
  return below(sim, n) == 0;
}

static enum hs2n_sim_chaos_kind choose(struct hs2n_sim *sim, uint32_t kinds) {
  uint32_t all = 0;
  uint32_t at;
  size_t k;

  for (k = 0; k < KINDS; k++) {
    all += (kinds >> k & 1) * weights[k];
  }
  at = below(sim, all);
  for (k = 0; k < KINDS; k++) {
    const uint32_t weight = (kinds >> k & 1) * weights[k];

    if (at < weight) {
      break;
    }
    at -= weight;
  }
  return (enum hs2n_sim_chaos_kind)k;
}

static uint32_t down(const struct hs2n_sim *sim) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < sim->n; i++) {
    n += sim->nodes[i].node == NULL || sim->nodes[i].stopping;
  }
  return n;
}

/* ---- of a node
 * ----------------------------------------------------------------------- */

/* One that is down comes back, else one goes down: how, says the kind. */
static void process(struct hs2n_sim *sim, const struct hs2n_sim_chaos *chaos,
                    enum hs2n_sim_chaos_kind kind, uint32_t node) {
  if (sim->nodes[node].node == NULL) {
    /* It may be short of memory: it is tried again at the end. */
    (void)!hs2n_sim_start(sim, node);
  } else if (down(sim) >= chaos->down_max) {
    return;
  } else if (kind == HS2N_SIM_CHAOS_STOP) {
    hs2n_sim_stop(sim, node);
  } else {
    hs2n_sim_crash(sim, node, kind == HS2N_SIM_CHAOS_WIPE);
  }
}

static void clock_fault(struct hs2n_sim *sim, enum hs2n_sim_chaos_kind kind,
                        uint32_t node) {
  if (kind == HS2N_SIM_CHAOS_DRIFT) {
    hs2n_sim_set_drift(
        sim, node, one_in(sim, 2) ? 0 : (int32_t)below(sim, 100001) - 50000);
  } else {
    hs2n_sim_jump(sim, node,
                  ((int64_t)below(sim, 4001) - 2000) * (int64_t)HS2N_MS(1));
  }
}

static void disk_fault(struct hs2n_sim *sim, uint32_t node) {
  struct hs2n_sim_disk_limits limits = {0};

  if (one_in(sim, 3)) {
    limits.sync_min = HS2N_MS(below(sim, 50));
    limits.sync_max = limits.sync_min + HS2N_MS(below(sim, 500));
  } else if (one_in(sim, 3)) {
    limits.bytes_max = sim->nodes[node].disk.len + 1;
  }
  hs2n_sim_set_disk(sim, node, &limits);
}

/* ---- of the network
 * -------------------------------------------------------------------- */

static void cut(struct hs2n_sim *sim, uint32_t node) {
  const uint32_t to = below(sim, sim->n);

  hs2n_sim_cut(sim, node, to, one_in(sim, 3));
}

static void isolate(struct hs2n_sim *sim, uint32_t node) {
  const bool cut = one_in(sim, 2);

  hs2n_sim_cut(sim, node, HS2N_SIM_ALL, cut);
  hs2n_sim_cut(sim, HS2N_SIM_ALL, node, cut);
}

static void partition(struct hs2n_sim *sim) {
  uint8_t group[HS2N_SIM_NODES_MAX];

  for (uint32_t i = 0; i < sim->n; i++) {
    group[i] = (uint8_t)below(sim, 2);
  }
  hs2n_sim_partition(sim, one_in(sim, 2) ? group : NULL);
}

/* One draw a statement: C leaves the order open within an initialiser or a
 * call, and compilers differ. */
static void noise(struct hs2n_sim *sim, uint32_t node) {
  const uint32_t from = one_in(sim, 4) ? HS2N_SIM_ALL : node;
  struct hs2n_sim_noise loud = {.burst_end_ppm = 50000};

  if (one_in(sim, 2)) {
    (void)hs2n_sim_set_noise(sim, from, HS2N_SIM_ALL, NULL);
    return;
  }
  loud.loss_ppm = below(sim, 300001);
  loud.burst_ppm = below(sim, 10001);
  loud.duplicate_ppm = below(sim, 50001);
  loud.reorder_ppm = below(sim, 50001);
  loud.reorder_delay = HS2N_MS(below(sim, 50));
  loud.corrupt_ppm = below(sim, 20001);
  (void)hs2n_sim_set_noise(sim, from, HS2N_SIM_ALL, &loud);
}

static void something(struct hs2n_sim *sim,
                      const struct hs2n_sim_chaos *chaos) {
  const uint32_t kinds = chaos->kinds == 0 ? (1u << KINDS) - 1 : chaos->kinds;
  const enum hs2n_sim_chaos_kind kind = choose(sim, kinds);
  const uint32_t node = below(sim, sim->n);

  switch (kind) {
  case HS2N_SIM_CHAOS_CRASH:
  case HS2N_SIM_CHAOS_WIPE:
  case HS2N_SIM_CHAOS_STOP:
    process(sim, chaos, kind, node);
    break;
  case HS2N_SIM_CHAOS_CUT:
    cut(sim, node);
    break;
  case HS2N_SIM_CHAOS_ISOLATE:
    isolate(sim, node);
    break;
  case HS2N_SIM_CHAOS_PARTITION:
    partition(sim);
    break;
  case HS2N_SIM_CHAOS_NOISE:
    noise(sim, node);
    break;
  case HS2N_SIM_CHAOS_PAUSE:
    hs2n_sim_pause(sim, node, HS2N_MS(below(sim, 2000)));
    break;
  case HS2N_SIM_CHAOS_DRIFT:
  case HS2N_SIM_CHAOS_JUMP:
    clock_fault(sim, kind, node);
    break;
  case HS2N_SIM_CHAOS_REBIND:
    hs2n_sim_rebind(sim, 0); /* two behind NATs would never meet */
    break;
  case HS2N_SIM_CHAOS_MEMORY:
    hs2n_sim_fail_alloc(sim, node, one_in(sim, 2) ? 0 : below(sim, 20001), 0);
    break;
  case HS2N_SIM_CHAOS_DISK:
    disk_fault(sim, node);
    break;
  }
}

/* ---- the end of the trouble
 * --------------------------------------------------------------- */

static void calm(struct hs2n_sim *sim) {
  const struct hs2n_sim_disk_limits well = {0};

  hs2n_sim_note(sim, HS2N_SIM_ALL, "the trouble is over");
  hs2n_sim_heal(sim);
  hs2n_sim_set_disk(sim, HS2N_SIM_ALL, &well);
  for (uint32_t i = 0; i < sim->n; i++) {
    hs2n_sim_fail_alloc(sim, i, 0, 0);
    if (sim->nodes[i].drift_ppm != 0) {
      hs2n_sim_set_drift(sim, i, 0);
    }
    if (sim->nodes[i].stopping) {
      hs2n_sim_crash(sim, i, false); /* it has been told long enough ago */
    }
  }
  (void)hs2n_sim_start_all(sim);
}

bool hs2n_sim_chaos(struct hs2n_sim *sim, const struct hs2n_sim_chaos *chaos) {
  const hs2n_time every = chaos->every == 0 ? DEFAULT_EVERY : chaos->every;
  const hs2n_time end = sim->now + chaos->length;

  while (sim->now < end && !sim->failed) {
    const hs2n_time gap = hs2n_sim_random(sim, 2 * every);

    something(sim, chaos);
    (void)hs2n_sim_run(sim, gap < end - sim->now ? gap : end - sim->now);
  }
  if (!sim->failed) {
    calm(sim);
  }
  if (!sim->failed && chaos->settle_bound > 0) {
    (void)hs2n_sim_settle(sim, chaos->settle_bound);
  }
  return !sim->failed;
}
