/* How much of what ngtcp2 carries over a bad link the whole library does.
 *
 * One endpoint of lib/quic by itself sends one stream after another, with
 * windows that hold nothing up; a node sends bodies to another with the limits
 * that users have.  Both are given the same link: rate, queue, delay, loss. */
#include "line.h"
#include "tap.h"

#include <hs2net/sim.h>

#define WARM HS2N_S(10)
#define LENGTH HS2N_S(30)
#define AMPLE (64u << 20)

struct link {
  const char *name;
  hs2n_time delay; /* one way */
  uint32_t loss_ppm;
  unsigned mbit_per_s;
  enum hs2n_congestion congestion;
  uint64_t seed;
};

/* What a node sends. */
struct bodies {
  uint32_t len;
  unsigned percent_min; /* of ngtcp2's goodput */
};

static uint64_t rate(const struct link *l) {
  return l->mbit_per_s * 125000u;
}

static double mbit_per_s(uint64_t bytes, uint64_t seeds) {
  return (double)bytes * 8e3 / (double)(seeds * LENGTH);
}

/* ---- ngtcp2 by itself ---------------------------------------------------- */

static struct world w;

static uint64_t carried_plainly(const struct link *l) {
  struct line line = {.bytes_per_s = rate(l),
                      .queue_bytes = line_half_trip(rate(l), l->delay),
                      .delay = l->delay,
                      .loss_ppm = l->loss_ppm};
  struct world_conn *a;
  struct world_conn *b;
  uint64_t before = 0;
  uint64_t bytes = 0;

  world_init(&w, 2, l->seed);
  for (size_t i = 0; i < 2; i++) {
    w.nodes[i].congestion = l->congestion;
    w.nodes[i].te.env.limits.rx_window_bytes = AMPLE;
    w.nodes[i].te.env.limits.rx_stream_window_bytes = AMPLE;
  }
  line_lay(&w, &line);
  if (world_start_all(&w) && world_connect(&w, 0, 1, &a, &b)) {
    line_fill(a, HS2NI_RANK_FIRST, WARM);
    before = b->received;
    line_fill(a, HS2NI_RANK_FIRST, LENGTH);
    bytes = b->received - before;
    CHECK(!a->closed && !w.stuck);
  }
  world_fini(&w);
  return bytes;
}

/* ---- the library --------------------------------------------------------- */

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  (void)node;
  (void)out;
  config->congestion = ((const struct link *)self)->congestion;
}

static uint64_t messages(const struct hs2n_sim *sim) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(sim, &stats);
  return stats.messages;
}

static uint64_t measure(struct hs2n_sim *sim, const struct link *l,
                        uint32_t len) {
  const struct hs2n_sim_link link = {.delay = l->delay,
                                     .bytes_per_s = rate(l),
                                     .queue_bytes =
                                         line_half_trip(rate(l), l->delay)};
  const struct hs2n_sim_noise noise = {.loss_ppm = l->loss_ppm};
  const struct hs2n_sim_load load = {.msg = {.from = 0,
                                             .to = 1,
                                             .lane = HS2N_LANE_BULK,
                                             .len = len,
                                             .flags = HS2N_MSG_ACK},
                                     .every = len * HS2N_S(1) / (2 * rate(l))};
  uint64_t before;

  hs2n_sim_set_link(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  if (!hs2n_sim_start_all(sim) || !hs2n_sim_settle(sim, HS2N_S(20))) {
    return 0;
  }
  hs2n_sim_set_noise(sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise);
  if (hs2n_sim_load_add(sim, &load) != HS2N_OK) {
    return 0;
  }
  hs2n_sim_run(sim, WARM);
  before = messages(sim);
  hs2n_sim_run(sim, LENGTH);
  return (messages(sim) - before) * len;
}

static uint64_t carried_as_messages(const struct link *l,
                                    const struct bodies *bodies) {
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = (void *)(uintptr_t)l,
                                   .configure = configure};
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;
  uint64_t bytes = 0;

  hs2n_sim_config_default(&config, 2, l->seed);
  config.app = &app;
  if (hs2n_sim_new(&sim, &config) == HS2N_OK) {
    bytes = measure(sim, l, bodies->len);
    CHECK(hs2n_sim_failure(sim) == NULL);
    hs2n_sim_free(sim);
  }
  return bytes;
}

/* ---- both ---------------------------------------------------------------- */

#define BODIES_MAX 3

static void say(const struct link *l, uint32_t len, double whole,
                double plain) {
  TAP_SAY("# %s, %u Mbit/s, %s: bodies of %u KiB %.2f Mbit/s, ngtcp2 alone "
          "%.2f, %.0f %%\n",
          l->name, l->mbit_per_s,
          l->congestion == HS2N_CONGESTION_BBR ? "BBR" : "CUBIC", len >> 10,
          whole, plain, plain > 0 ? 100 * whole / plain : 0);
}

/* What a run of one seed carries depends on which packets are lost. */
static void must_carry(struct link l, uint64_t seeds,
                       const struct bodies *bodies, size_t n) {
  uint64_t plain = 0;
  uint64_t whole[BODIES_MAX] = {0};

  for (l.seed = 1; l.seed <= seeds; l.seed++) {
    plain += carried_plainly(&l);
    for (size_t i = 0; i < n; i++) {
      whole[i] += carried_as_messages(&l, &bodies[i]);
    }
  }
  CHECK(plain > 0);
  for (size_t i = 0; i < n; i++) {
    say(&l, bodies[i].len, mbit_per_s(whole[i], seeds),
        mbit_per_s(plain, seeds));
    CHECK(whole[i] * 100 >= plain * bodies[i].percent_min);
  }
}

static void loss_of_2_percent_at_100_ms_costs_no_more_than_ngtcp2(void) {
  const struct bodies bodies = {.len = 256u << 10, .percent_min = 80};
  struct link l = {.name = "2 % loss, 100 ms",
                   .delay = HS2N_MS(50),
                   .loss_ppm = 20000,
                   .mbit_per_s = 20};

  must_carry(l, 10, &bodies, 1);
  l.congestion = HS2N_CONGESTION_CUBIC;
  must_carry(l, 2, &bodies, 1);
}

/* What is lost holds up a lane, and its bytes the window, for some round
 * trips: eight of them must fit in, or the window grow until they do. */
static void loss_of_1_percent_by_satellite_neither(void) {
  struct link l = {.name = "1 % loss, 600 ms",
                   .delay = HS2N_MS(300),
                   .loss_ppm = 10000,
                   .mbit_per_s = 10};
  const struct bodies bodies[] = {
      {.len = 256u << 10, .percent_min = 80},
      {.len = 32u << 10, .percent_min = 80},
      {.len = 1u << 20, .percent_min = 80},
  };

  must_carry(l, 3, bodies, sizeof(bodies) / sizeof(bodies[0]));
  l.congestion = HS2N_CONGESTION_CUBIC;
  must_carry(l, 1, bodies, sizeof(bodies) / sizeof(bodies[0]));
}

int main(void) {
  RUN(loss_of_2_percent_at_100_ms_costs_no_more_than_ngtcp2);
  RUN(loss_of_1_percent_by_satellite_neither);
  return tap_done();
}
