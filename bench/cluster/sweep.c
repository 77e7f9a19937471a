#include "sweep.h"

#include <hs2net/io.h>
#include <inttypes.h>
#include <stdio.h>

#define SETTLE HS2N_MS(1000)
#define STEP_MIN HS2N_S(2)
#define DRAIN_WITHIN HS2N_S(60)

/* What counts as keeping up with what is offered. */
#define KEEPS_UP 0.97

static const uint64_t rates[SWEEP_STEPS_MAX] = {
    200,    1000,   2000,   5000,   10000,  20000,  30000,  40000,
    50000,  60000,  70000,  80000,  90000,  100000, 110000, 120000,
    130000, 140000, 160000, 180000, 200000, 250000, 300000, 400000};

static bool drained(const struct cluster *c) {
  return ledger_outstanding(&c->ledger) == 0;
}

static uint64_t cpu_us(const struct cluster *c) {
  uint64_t sum = 0;

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    sum += c->children[i].status.cpu_us;
  }
  return sum;
}

static bool run_step(struct cluster *c, uint64_t rate, hs2n_time length,
                     struct sweep_step *out) {
  hs2n_time from;
  uint64_t blocks;
  uint64_t cpu;
  uint64_t txs;
  double seconds;

  load_start(&c->load, rate, hs2n_io_now());
  if (!cluster_run_until(c, hs2n_io_now() + SETTLE)) {
    return false;
  }
  from = hs2n_io_now();
  txs = c->ledger.txs_committed;
  blocks = c->ledger.height;
  cpu = cpu_us(c);
  histogram_reset(&c->ledger.latency);
  if (!cluster_run_until(c, from + length)) {
    return false;
  }
  seconds = (double)(hs2n_io_now() - from) / 1e9;
  *out = (struct sweep_step){
      .offered = rate,
      .committed = (double)(c->ledger.txs_committed - txs) / seconds,
      .blocks = (double)(c->ledger.height - blocks) / seconds,
      .p50 = histogram_percentile(&c->ledger.latency, 0.5),
      .p99 = histogram_percentile(&c->ledger.latency, 0.99),
      .cpu = (double)(cpu_us(c) - cpu) / 1e6 / seconds};
  load_stop(&c->load);
  if (!cluster_run_till(c, drained, DRAIN_WITHIN)) {
    return cluster_fail(c,
                        "LIVENESS: %" PRIu64
                        " transactions were not committed after a load of "
                        "%" PRIu64 " a second",
                        ledger_outstanding(&c->ledger), rate);
  }
  return true;
}

static void print_head(void) {
  (void)printf("  %9s %11s %9s %9s %9s %9s\n", "offered/s", "committed/s",
               "blocks/s", "p50", "p99", "cores");
}

static void print_step(const struct sweep_step *s) {
  char p50[32];
  char p99[32];

  (void)printf("  %9" PRIu64 " %11.0f %9.0f %9s %9s %9.2f\n", s->offered,
               s->committed, s->blocks, screen_time(s->p50, p50),
               screen_time(s->p99, p99), s->cpu);
  (void)fflush(stdout);
}

static void judge(struct sweep *sweep) {
  sweep->light = sweep->knee = sweep->sustained = -1;
  for (uint32_t i = 0; i < sweep->count; i++) {
    const struct sweep_step *const s = &sweep->steps[i];

    if (s->committed < KEEPS_UP * (double)s->offered) {
      continue;
    }
    sweep->sustained = (int)i;
    if (sweep->light < 0 || s->p50 < sweep->steps[sweep->light].p50) {
      sweep->light = (int)i;
    }
    if (s->p50 <= 2 * sweep->steps[sweep->light].p50) {
      sweep->knee = (int)i;
    }
  }
}

bool sweep_run(struct cluster *c, struct sweep *out) {
  hs2n_time length = c->options.duration / 4;

  *out = (struct sweep){.light = -1, .knee = -1, .sustained = -1};
  length = length < STEP_MIN ? STEP_MIN : length;
  print_head();
  for (uint32_t i = 0; i < SWEEP_STEPS_MAX; i++) {
    struct sweep_step *const step = &out->steps[i];

    if (!run_step(c, rates[i], length, step)) {
      return false;
    }
    out->count++;
    print_step(step);
    if (step->committed < KEEPS_UP * (double)step->offered) {
      break;
    }
  }
  judge(out);
  return true;
}
