/* How much leaves at once on narrow paths of which no rate is known, and that
 * losses by chance do not pass for a narrower path. */
#include "line.h"
#include "quic/endpoint.h"
#include "tap.h"

#include <stdlib.h>

#define PACKET 1452u
#define AMPLE (64u << 20)

struct path {
  struct world w;
  struct line line;
  struct world_conn *a;
  struct world_conn *b;
};

static struct path m;

static bool lay(uint64_t mbit_per_s, hs2n_time delay,
                enum hs2n_congestion congestion, uint64_t seed) {
  memset(&m, 0, sizeof(m));
  world_init(&m.w, 2, seed);
  for (size_t i = 0; i < 2; i++) {
    m.w.nodes[i].congestion = congestion;
    m.w.nodes[i].te.env.limits.rx_window_bytes = AMPLE;
    m.w.nodes[i].te.env.limits.rx_stream_window_bytes = AMPLE;
  }
  m.line = (struct line){.bytes_per_s = mbit_per_s * 125000,
                         .delay = delay,
                         .queue_bytes =
                             2 * line_half_trip(mbit_per_s * 125000, delay)};
  line_lay(&m.w, &m.line);
  return world_start_all(&m.w) && world_connect(&m.w, 0, 1, &m.a, &m.b);
}

static void fill(hs2n_time length) {
  line_fill(m.a, hs2ni_rank(HS2N_LANE_PROPOSAL, 0), length);
}

/* In parts of what the line could have carried. */
static double use(hs2n_time length) {
  const uint64_t before = m.b->received;

  fill(length);
  return (double)(m.b->received - before) * (double)HS2N_S(1) /
         ((double)length * (double)m.line.bytes_per_s);
}

/* ---- how much leaves at once --------------------------------------------- */

static hs2n_time vote_left;

static void note_vote(struct world_conn *c, const struct world_stream *s,
                      size_t len) {
  (void)len;
  if (hs2ni_rank_lane(s->rank) == HS2N_LANE_VOTE && s->offset == s->total) {
    vote_left = c->node->world->now;
  }
}

static bool has_left(struct world *w) {
  (void)w;
  return vote_left != 0;
}

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

/* From its sending until the line begins to carry it. */
static hs2n_time vote_waits(void) {
  const hs2n_time sent = m.w.now;

  vote_left = 0;
  CHECK(world_send_ranked(m.a, 150, hs2ni_rank(HS2N_LANE_VOTE, 0)) != NULL);
  CHECK(world_until(&m.w, has_left, HS2N_S(2)));
  return vote_left - sent + m.line.queued[0];
}

#define VOTES 200u
static hs2n_time waits[VOTES];

static void send_votes(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 1);
  m.w.nodes[0].on_sent = note_vote;
  for (size_t i = 0; i < VOTES; i++) {
    fill(HS2N_MS(1) + hs2ni_rng_below(&rng, HS2N_MS(20)));
    waits[i] = vote_waits();
  }
  qsort(waits, VOTES, sizeof(waits[0]), by_size);
}

static void a_vote_waits(uint64_t mbit_per_s, enum hs2n_congestion congestion) {
  const hs2n_time packet = PACKET * HS2N_S(1) / (mbit_per_s * 125000);
  uint64_t batches;
  uint64_t packets;

  REQUIRE(lay(mbit_per_s, HS2N_MS(20), congestion, 1));
  m.line.loss_ppm = 10000;
  fill(HS2N_S(5));
  batches = m.w.nodes[0].batches_out;
  packets = m.w.nodes[0].packets_out;
  send_votes();
  TAP_SAY(
      "# %u Mbit/s, %s: a vote waits for %.2f packets, 90 of 100 for %.2f\n",
      (unsigned)mbit_per_s, congestion == HS2N_CONGESTION_BBR ? "BBR" : "CUBIC",
      (double)waits[VOTES / 2] / (double)packet,
      (double)waits[VOTES * 9 / 10] / (double)packet);
  CHECK_EQ(m.w.nodes[0].packets_out - packets,
           m.w.nodes[0].batches_out - batches);
  /* CUBIC fills the queue; and BBR where its path holds but a few packets. */
  if (congestion == HS2N_CONGESTION_BBR && mbit_per_s > 2) {
    CHECK(waits[VOTES / 2] <= packet);
  }
  world_fini(&m.w);
}

static void on_a_narrow_path_a_vote_waits_for_one_packet(void) {
  static const uint64_t rates[] = {2, 5, 10};

  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
    a_vote_waits(rates[i], HS2N_CONGESTION_BBR);
    a_vote_waits(rates[i], HS2N_CONGESTION_CUBIC);
  }
}

/* Segmentation offload has something to join. */
static void a_fast_path_is_given_batches(void) {
  uint64_t batches;
  uint64_t packets;

  REQUIRE(lay(1000, HS2N_MS(1), HS2N_CONGESTION_BBR, 2));
  fill(HS2N_MS(200));
  batches = m.w.nodes[0].batches_out;
  packets = m.w.nodes[0].packets_out;
  CHECK(use(HS2N_MS(200)) > 0.8);
  CHECK(m.w.nodes[0].packets_out - packets >
        10 * (m.w.nodes[0].batches_out - batches));
  world_fini(&m.w);
}

/* ---- whose pace it is ---------------------------------------------------- */

static double use_of_noisy_path(uint64_t mbit_per_s, uint32_t loss_ppm) {
  enum { SEEDS = 3 };
  double sum = 0;

  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    if (!lay(mbit_per_s, HS2N_MS(50), HS2N_CONGESTION_BBR, seed)) {
      return 0;
    }
    m.line.loss_ppm = loss_ppm;
    fill(HS2N_S(5));
    sum += use(HS2N_S(20));
    CHECK(!m.w.stuck);
    world_fini(&m.w);
  }
  TAP_SAY("# %u Mbit/s, 100 ms, %.1f %% of loss: %.0f %% used\n",
          (unsigned)mbit_per_s, loss_ppm / 1e4, 100 * sum / SEEDS);
  return sum / SEEDS;
}

static void losses_by_chance_do_not_slow_bbr_down(void) {
  CHECK(use_of_noisy_path(5, 10000) > 0.7);
  CHECK(use_of_noisy_path(20, 10000) > 0.7);
  CHECK(use_of_noisy_path(20, 20000) > 0.5);
}

/* What packets wait for in front of the line, on average. */
static hs2n_time queued_in(hs2n_time length) {
  const unsigned steps = 500;
  hs2n_time sum = 0;

  for (unsigned i = 0; i < steps; i++) {
    fill(length / steps);
    sum += m.line.queued[0];
  }
  return sum / steps;
}

/* ... nor make it blind. */
static void bbr_believes_a_path_that_gets_narrower(void) {
  uint64_t before;

  REQUIRE(lay(20, HS2N_MS(20), HS2N_CONGESTION_BBR, 3));
  m.line.loss_ppm = 10000;
  fill(HS2N_S(10));
  m.line.bytes_per_s /= 4; /* and so the queue holds four times as long */
  fill(HS2N_S(2));
  m.line.dropped[0] = 0;
  before = m.w.nodes[0].packets_out;
  CHECK(use(HS2N_S(5)) > 0.6);
  CHECK(m.line.dropped[0] * 50 < m.w.nodes[0].packets_out - before);
  CHECK(queued_in(HS2N_S(5)) < HS2N_MS(20));
  world_fini(&m.w);
}

int main(void) {
  RUN(on_a_narrow_path_a_vote_waits_for_one_packet);
  RUN(a_fast_path_is_given_batches);
  RUN(losses_by_chance_do_not_slow_bbr_down);
  RUN(bbr_believes_a_path_that_gets_narrower);
  return tap_done();
}
