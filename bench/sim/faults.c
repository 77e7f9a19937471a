#include "faults.h"

/* One chance a statement: the order in which a compiler evaluates arguments and
 * initializers is its own, and a run is to be a function of its seed alone. */

static const char *const texts[] = {
#define X(name, text) text,
    FAULT_LIST(X)
#undef X
};

const char *fault_text(enum fault fault) {
  return texts[fault];
}

static struct hs2n_sim *sim_of(const struct faults *f) {
  return f->cluster->sim;
}

static uint64_t any(struct faults *f, uint64_t bound) {
  return hs2n_sim_random(sim_of(f), bound);
}

static uint32_t any_node(struct faults *f) {
  return (uint32_t)any(f, f->cluster->nodes);
}

/* Between a 16th of max and max, more often short than long. */
static hs2n_time any_while(struct faults *f, hs2n_time max) {
  const hs2n_time most = max >> any(f, 5);

  return most / 2 + any(f, most / 2 + 1);
}

/* Whether node may be faulty for good: no more than f of 3f + 1 are. */
static bool condemn(struct faults *f, uint32_t node) {
  const uint32_t max = (f->cluster->config.replicas - 1) / 3;

  if (!f->faulty[node]) {
    if (f->faulty_n >= max) {
      return false;
    }
    f->faulty[node] = true;
    f->faulty_n++;
    judge_lost_disk(&f->cluster->judge, node);
  }
  return true;
}

/* ---- each kind
 * --------------------------------------------------------------- */

static void restart(struct hs2n_sim *sim, void *arg) {
  struct faults *const f = arg;

  /* Whoever does not run: crashes of one moment end together. */
  for (uint32_t i = 0; i < f->cluster->nodes; i++) {
    if (!hs2n_sim_running(sim, i)) {
      f->restarts_refused += hs2n_sim_start(sim, i) == HS2N_OK ? 0 : 1;
    }
  }
}

static void restart_later(struct faults *f) {
  (void)hs2n_sim_at(
      sim_of(f), hs2n_sim_now(sim_of(f)) + any_while(f, HS2N_S(8)), restart, f);
}

static bool do_crash(struct faults *f, uint32_t node) {
  hs2n_sim_crash(sim_of(f), node, false);
  restart_later(f);
  return true;
}

static bool do_lose_disk(struct faults *f, uint32_t node) {
  if (!condemn(f, node)) {
    return false;
  }
  hs2n_sim_crash(sim_of(f), node, true);
  restart_later(f);
  return true;
}

static bool do_pause(struct faults *f, uint32_t node) {
  hs2n_sim_pause(sim_of(f), node, any_while(f, HS2N_S(8)));
  return true;
}

static bool do_cut(struct faults *f, uint32_t node) {
  const uint32_t to = any_node(f);

  hs2n_sim_cut(sim_of(f), node, to, any(f, 3) != 0);
  return true;
}

static bool do_partition(struct faults *f, uint32_t node) {
  uint8_t group[REP_N_MAX + 1];

  (void)node;
  for (uint32_t i = 0; i < f->cluster->nodes; i++) {
    group[i] = (uint8_t)any(f, 2);
  }
  hs2n_sim_partition(sim_of(f), any(f, 2) != 0 ? group : NULL);
  return true;
}

static uint32_t any_ppm(struct faults *f, uint32_t max) {
  return any(f, 3) == 0 ? (uint32_t)any(f, max) : 0;
}

static bool do_noise(struct faults *f, uint32_t node) {
  struct hs2n_sim_noise noise = {0};
  bool all;

  noise.loss_ppm = any_ppm(f, 200000);
  noise.burst_ppm = any_ppm(f, 10000);
  noise.burst_end_ppm = 20000 + (uint32_t)any(f, 300000);
  noise.duplicate_ppm = any_ppm(f, 200000);
  noise.reorder_ppm = any_ppm(f, 200000);
  noise.reorder_delay = any_while(f, HS2N_MS(50));
  noise.corrupt_ppm = any_ppm(f, 100000);
  all = any(f, 4) == 0;
  return hs2n_sim_set_noise(sim_of(f), all ? HS2N_SIM_ALL : node, HS2N_SIM_ALL,
                            &noise) == HS2N_OK;
}

static bool do_drift(struct faults *f, uint32_t node) {
  hs2n_sim_set_drift(sim_of(f), node, (int32_t)any(f, 40001) - 20000);
  return true;
}

static bool do_jump(struct faults *f, uint32_t node) {
  const int64_t by = (int64_t)any_while(f, HS2N_S(4));

  hs2n_sim_jump(sim_of(f), node, any(f, 2) != 0 ? by : -by);
  return true;
}

static bool do_rebind(struct faults *f, uint32_t node) {
  hs2n_sim_rebind(sim_of(f), node);
  f->rebound[node] = true;
  return true;
}

static bool do_move(struct faults *f, uint32_t node) {
  /* The others learn of the address when the node dials them. */
  hs2n_sim_crash(sim_of(f), node, false);
  hs2n_sim_move(sim_of(f), node);
  restart_later(f);
  return true;
}

static bool do_slow_disk(struct faults *f, uint32_t node) {
  const struct hs2n_sim_disk_limits limits = {.sync_max =
                                                  any_while(f, HS2N_MS(400))};

  hs2n_sim_set_disk(sim_of(f), node, &limits);
  return true;
}

static bool do_full_disk(struct faults *f, uint32_t node) {
  struct hs2n_sim_disk *const disk = hs2n_sim_disk(sim_of(f), node);
  const struct hs2n_sim_disk_limits limits = {
      .bytes_max = hs2n_sim_disk_bytes(disk).len + 1 + any(f, 20000)};

  hs2n_sim_set_disk(sim_of(f), node, &limits);
  return true;
}

static bool do_alloc(struct faults *f, uint32_t node) {
  const uint32_t ppm = any_ppm(f, 2000);

  hs2n_sim_fail_alloc(sim_of(f), node, ppm, 1 + any(f, 2000));
  return true;
}

static struct hs2n_sim_evil any_evil(struct faults *f) {
  struct hs2n_sim_evil evil = {0};

  evil.silent = any(f, 6) == 0;
  evil.hold = any(f, 3) == 0 ? any_while(f, HS2N_S(2)) : 0;
  evil.replay_ppm = any_ppm(f, 300000);
  evil.flood_per_s = (uint32_t)any(f, 300);
  evil.flood_victim = any_node(f);
  evil.flood_spoofed = any(f, 2) != 0;
  return evil;
}

static bool do_evil(struct faults *f, uint32_t node) {
  const struct hs2n_sim_evil evil = any_evil(f);

  if (!condemn(f, node)) {
    return false;
  }
  hs2n_sim_misbehave(sim_of(f), node, any(f, 4) == 0 ? NULL : &evil);
  return true;
}

/* ---- the timeline
 * -------------------------------------------------------------- */

static void strike(struct faults *f) {
  static bool (*const kinds[FAULTS_N])(struct faults *, uint32_t) = {
      [FAULT_CRASH] = do_crash,         [FAULT_LOSE_DISK] = do_lose_disk,
      [FAULT_PAUSE] = do_pause,         [FAULT_CUT] = do_cut,
      [FAULT_PARTITION] = do_partition, [FAULT_NOISE] = do_noise,
      [FAULT_DRIFT] = do_drift,         [FAULT_JUMP] = do_jump,
      [FAULT_REBIND] = do_rebind,       [FAULT_MOVE] = do_move,
      [FAULT_SLOW_DISK] = do_slow_disk, [FAULT_FULL_DISK] = do_full_disk,
      [FAULT_ALLOC] = do_alloc,         [FAULT_EVIL] = do_evil,
  };
  const enum fault kind = (enum fault)any(f, FAULTS_N);

  if (kinds[kind](f, any_node(f))) {
    f->counts[kind]++;
  }
}

static void next(struct hs2n_sim *sim, void *arg) {
  struct faults *const f = arg;
  const hs2n_time now = hs2n_sim_now(sim);

  if (now >= f->until) {
    return;
  }
  strike(f);
  (void)hs2n_sim_at(sim, now + 1 + any(f, 2 * f->every), next, f);
}

void faults_begin(struct faults *f) {
  (void)hs2n_sim_at(sim_of(f), hs2n_sim_now(sim_of(f)) + any(f, 2 * f->every),
                    next, f);
}

void faults_heal(struct faults *f) {
  const struct hs2n_sim_disk_limits well = {.sync_max = 0};
  struct hs2n_sim *const sim = sim_of(f);

  hs2n_sim_heal(sim);
  (void)profile_apply(f->profile, sim);
  hs2n_sim_set_disk(sim, HS2N_SIM_ALL, &well);
  for (uint32_t i = 0; i < f->cluster->nodes; i++) {
    hs2n_sim_set_drift(sim, i, 0);
    hs2n_sim_fail_alloc(sim, i, 0, 0);
    hs2n_sim_misbehave(sim, i, NULL);
    /* Two nodes that only dial never meet. */
    if (f->rebound[i]) {
      hs2n_sim_crash(sim, i, false);
    }
  }
}
