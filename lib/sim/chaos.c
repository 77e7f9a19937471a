/* A random timeline of faults, and its end.
 *
 * One chance a statement: the order in which a compiler evaluates arguments and
 * initializers is its own, and a run is to be a function of its seed alone. */
#include "sim/inside.h"

#include <assert.h>
#include <hs2net/sim_story.h>

#define DEFAULT_EVERY HS2N_MS(100)
#define PAUSE_MAX HS2N_S(8)
#define JUMP_MAX HS2N_S(4)
#define SYNC_MAX HS2N_MS(400)

struct timeline {
  struct hs2n_sim *sim;
  const struct hs2n_sim_chaos *chaos;
  hs2n_time next; /* fault */
};

static const uint32_t weights[] = {
#define X(name, weight, text) weight,
    HS2N_SIM_CHAOS_LIST(X)
#undef X
};

static_assert(sizeof(weights) / sizeof(weights[0]) == HS2N_SIM_CHAOS_KINDS,
              "the header says how many there are");

static uint32_t below(struct hs2n_sim *sim, uint32_t bound) {
  return (uint32_t)hs2n_sim_random(sim, bound);
}

static bool one_in(struct hs2n_sim *sim, uint32_t n) {
  return below(sim, n) == 0;
}

/* Between a 32nd of max and max, more often short than long; not 0. */
static hs2n_time any_while(struct hs2n_sim *sim, hs2n_time max) {
  const hs2n_time most = max >> below(sim, 5);

  return most / 2 + 1 + hs2n_sim_random(sim, most / 2 + 1);
}

static enum hs2n_sim_chaos_kind choose(struct hs2n_sim *sim, uint32_t kinds) {
  uint32_t all = 0;
  uint32_t at;
  uint32_t k;

  for (k = 0; k < HS2N_SIM_CHAOS_KINDS; k++) {
    all += (kinds >> k & 1) * weights[k];
  }
  at = below(sim, all);
  for (k = 0; k < HS2N_SIM_CHAOS_KINDS; k++) {
    const uint32_t weight = (kinds >> k & 1) * weights[k];

    if (at < weight) {
      break;
    }
    at -= weight;
  }
  return (enum hs2n_sim_chaos_kind)k;
}

/* ---- who is down
 * ----------------------------------------------------------------------- */

static uint32_t down(const struct hs2n_sim *sim) {
  uint32_t n = 0;

  for (uint32_t i = 0; i < sim->n; i++) {
    n += sim->nodes[i].node == NULL || sim->nodes[i].stopping;
  }
  return n;
}

static void back_later(struct timeline *t, uint32_t node) {
  if (t->chaos->down_for > 0) {
    t->sim->nodes[node].back =
        t->sim->now + any_while(t->sim, t->chaos->down_for);
  }
}

static hs2n_time first_back(const struct timeline *t) {
  hs2n_time first = HS2N_TIME_NEVER;

  for (uint32_t i = 0; i < t->sim->n; i++) {
    const hs2n_time back = t->sim->nodes[i].back;

    first = back < first ? back : first;
  }
  return first;
}

/* It may be short of memory or not have stopped yet: it is tried again. */
static void start(struct timeline *t, uint32_t node) {
  t->sim->nodes[node].back = HS2N_TIME_NEVER;
  if (hs2n_sim_start(t->sim, node) != HS2N_OK) {
    back_later(t, node);
  }
}

static void start_due(struct timeline *t) {
  for (uint32_t i = 0; i < t->sim->n && !t->sim->failed; i++) {
    if (t->sim->nodes[i].back <= t->sim->now) {
      start(t, i);
    }
  }
}

/* ---- of a node
 * ----------------------------------------------------------------------- */

static bool may_fail(const struct timeline *t, uint32_t node) {
  return t->chaos->may_fail == NULL || t->chaos->may_fail(t->chaos->self, node);
}

static void end_process(struct timeline *t, enum hs2n_sim_chaos_kind kind,
                        uint32_t node) {
  if (kind == HS2N_SIM_CHAOS_STOP) {
    hs2n_sim_stop(t->sim, node);
  } else {
    hs2n_sim_crash(t->sim, node, kind == HS2N_SIM_CHAOS_WIPE);
  }
  if (kind == HS2N_SIM_CHAOS_MOVE) {
    hs2n_sim_move(t->sim, node);
  }
  back_later(t, node);
}

/* One goes down: how, says the kind.  Who is down already comes back, when
 * nothing else has it come back. */
static bool process(struct timeline *t, enum hs2n_sim_chaos_kind kind,
                    uint32_t node) {
  if (t->sim->nodes[node].node == NULL) {
    if (t->chaos->down_for == 0) {
      start(t, node);
    }
    return false;
  }
  if (down(t->sim) >= t->chaos->down_max ||
      (kind == HS2N_SIM_CHAOS_WIPE && !may_fail(t, node))) {
    return false;
  }
  end_process(t, kind, node);
  return true;
}

static void drift(struct hs2n_sim *sim, uint32_t node) {
  const bool right = one_in(sim, 2);
  const int32_t ppm = (int32_t)below(sim, 100001) - 50000;

  hs2n_sim_set_drift(sim, node, right ? 0 : ppm);
}

static void jump(struct hs2n_sim *sim, uint32_t node) {
  const int64_t by = (int64_t)any_while(sim, JUMP_MAX);

  hs2n_sim_jump(sim, node, one_in(sim, 2) ? by : -by);
}

static void disk(struct hs2n_sim *sim, enum hs2n_sim_chaos_kind kind,
                 uint32_t node) {
  struct hs2n_sim_disk_limits limits = {0};

  if (one_in(sim, 4)) {
    hs2n_sim_set_disk(sim, node, &limits);
    return;
  }
  if (kind == HS2N_SIM_CHAOS_SLOW_DISK) {
    limits.sync_max = any_while(sim, SYNC_MAX);
  } else {
    limits.bytes_max = sim->nodes[node].disk.len + 1 + below(sim, 20000);
  }
  hs2n_sim_set_disk(sim, node, &limits);
}

static void memory(struct hs2n_sim *sim, uint32_t node) {
  const uint32_t ppm = one_in(sim, 2) ? 0 : below(sim, 20001);

  hs2n_sim_fail_alloc(sim, node, ppm, below(sim, 2000));
}

static uint32_t sometimes(struct hs2n_sim *sim, uint32_t bound) {
  return one_in(sim, 3) ? below(sim, bound) : 0;
}

static bool evil(struct timeline *t, uint32_t node) {
  struct hs2n_sim *const sim = t->sim;
  struct hs2n_sim_evil way = {0};

  if (sim->nodes[node].dishonest && one_in(sim, 4)) {
    hs2n_sim_misbehave(sim, node, NULL);
    return true;
  }
  if (!may_fail(t, node)) {
    return false;
  }
  way.silent = one_in(sim, 6);
  way.hold = one_in(sim, 3) ? any_while(sim, HS2N_S(2)) : 0;
  way.replay_ppm = sometimes(sim, 300000);
  way.flood_per_s = below(sim, 300);
  way.flood_victim = below(sim, sim->n);
  way.flood_spoofed = one_in(sim, 2);
  hs2n_sim_misbehave(sim, node, &way);
  return true;
}

/* ---- of the network
 * -------------------------------------------------------------------- */

static void cut(struct hs2n_sim *sim, uint32_t node) {
  const uint32_t to = below(sim, sim->n);

  hs2n_sim_cut(sim, node, to, one_in(sim, 3));
}

static void isolate(struct hs2n_sim *sim, uint32_t node) {
  const bool is_cut = one_in(sim, 2);

  hs2n_sim_cut(sim, node, HS2N_SIM_ALL, is_cut);
  hs2n_sim_cut(sim, HS2N_SIM_ALL, node, is_cut);
}

static void partition(struct hs2n_sim *sim) {
  uint8_t group[HS2N_SIM_NODES_MAX];

  for (uint32_t i = 0; i < sim->n; i++) {
    group[i] = (uint8_t)below(sim, 2);
  }
  hs2n_sim_partition(sim, one_in(sim, 2) ? group : NULL);
}

static void noise(struct hs2n_sim *sim, uint32_t node) {
  const uint32_t from = one_in(sim, 4) ? HS2N_SIM_ALL : node;
  struct hs2n_sim_noise loud = {0};

  if (one_in(sim, 2)) {
    (void)hs2n_sim_set_noise(sim, from, HS2N_SIM_ALL, NULL);
    return;
  }
  loud.loss_ppm = sometimes(sim, 300001);
  loud.burst_ppm = sometimes(sim, 10001);
  loud.burst_end_ppm = 20000 + below(sim, 300000);
  loud.duplicate_ppm = sometimes(sim, 200001);
  loud.reorder_ppm = sometimes(sim, 200001);
  loud.reorder_delay = any_while(sim, HS2N_MS(50));
  loud.corrupt_ppm = sometimes(sim, 100001);
  (void)hs2n_sim_set_noise(sim, from, HS2N_SIM_ALL, &loud);
}

/* ---- the trouble
 * --------------------------------------------------------------------- */

/* Whether it happened. */
static bool strike(struct timeline *t, enum hs2n_sim_chaos_kind kind,
                   uint32_t node) {
  switch (kind) {
  case HS2N_SIM_CHAOS_CRASH:
  case HS2N_SIM_CHAOS_WIPE:
  case HS2N_SIM_CHAOS_STOP:
  case HS2N_SIM_CHAOS_MOVE:
    return process(t, kind, node);
  case HS2N_SIM_CHAOS_CUT:
    cut(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_ISOLATE:
    isolate(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_PARTITION:
    partition(t->sim);
    break;
  case HS2N_SIM_CHAOS_NOISE:
    noise(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_PAUSE:
    hs2n_sim_pause(t->sim, node, any_while(t->sim, PAUSE_MAX));
    break;
  case HS2N_SIM_CHAOS_DRIFT:
    drift(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_JUMP:
    jump(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_REBIND:
    hs2n_sim_rebind(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_MEMORY:
    memory(t->sim, node);
    break;
  case HS2N_SIM_CHAOS_SLOW_DISK:
  case HS2N_SIM_CHAOS_FULL_DISK:
    disk(t->sim, kind, node);
    break;
  case HS2N_SIM_CHAOS_EVIL:
    return evil(t, node);
  }
  return true;
}

static void something(struct timeline *t) {
  const uint32_t all = (1u << HS2N_SIM_CHAOS_KINDS) - 1;
  const uint32_t asked = t->chaos->kinds & all;
  const enum hs2n_sim_chaos_kind kind =
      choose(t->sim, asked == 0 ? all : asked);
  const uint32_t node = below(t->sim, t->sim->n);

  if (strike(t, kind, node) && t->chaos->counts != NULL) {
    t->chaos->counts[kind]++;
  }
}

/* Faults, and restarts between them. */
static void trouble(struct timeline *t, hs2n_time end) {
  struct hs2n_sim *const sim = t->sim;
  const hs2n_time every =
      t->chaos->every == 0 ? DEFAULT_EVERY : t->chaos->every;

  t->next = sim->now + hs2n_sim_random(sim, 2 * every);
  while (sim->now < end && !sim->failed) {
    const hs2n_time due = first_back(t) < t->next ? first_back(t) : t->next;

    if (!hs2n_sim_run(sim, (due < end ? due : end) - sim->now)) {
      return;
    }
    start_due(t);
    if (t->next <= sim->now) {
      something(t);
      t->next = sim->now + 1 + hs2n_sim_random(sim, 2 * every);
    }
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
    if (sim->nodes[i].dishonest) {
      hs2n_sim_misbehave(sim, i, NULL);
    }
    /* One that stops has been told long enough ago.  One behind a NAT can't
     * be dialled, and may not know where others that are so, or have moved,
     * are: they would never meet. */
    if (sim->nodes[i].stopping || sim->nodes[i].nat_port != HS2N_SIM_PORT) {
      hs2n_sim_crash(sim, i, false);
    }
  }
  (void)hs2n_sim_start_all(sim);
}

bool hs2n_sim_chaos(struct hs2n_sim *sim, const struct hs2n_sim_chaos *chaos) {
  struct timeline t = {.sim = sim, .chaos = chaos};

  for (uint32_t i = 0; i < sim->n; i++) {
    sim->nodes[i].back = HS2N_TIME_NEVER;
  }
  trouble(&t, sim->now + chaos->length);
  if (!sim->failed) {
    calm(sim);
  }
  if (!sim->failed && chaos->settle_bound > 0) {
    (void)hs2n_sim_settle(sim, chaos->settle_bound);
  }
  return !sim->failed;
}
