/* When each member of a large committee speaks to the leader. */
#include "base/rng.h"
#include "cast/spread.h"
#include "tap.h"

#define MEMBERS_MAX 4096

static struct hs2n_limits defaults(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  return limits;
}

static struct hs2ni_spread votes(size_t members) {
  return (struct hs2ni_spread){.members = members,
                               .view = 7,
                               .lane = HS2N_LANE_VOTE,
                               .len = 150,
                               .rtt = HS2N_MS(40)};
}

static struct hs2ni_spread new_views(size_t members) {
  struct hs2ni_spread s = votes(members);

  s.lane = HS2N_LANE_CONTROL;
  s.len = 800;
  return s;
}

/* The slot of the member who is last in this view. */
static hs2n_time last(const struct hs2n_limits *limits, struct hs2ni_spread s) {
  hs2n_time most = 0;

  for (s.place = 0; s.place < s.members; s.place++) {
    const hs2n_time slot = hs2ni_spread_slot(limits, &s);

    most = slot > most ? slot : most;
  }
  return most;
}

static void small_committees_and_small_sums_do_not_wait(void) {
  const struct hs2n_limits limits = defaults();
  struct hs2ni_spread s;

  for (size_t n = 1; n < 64; n++) {
    CHECK_EQ(last(&limits, votes(n)), 0);
    CHECK_EQ(last(&limits, new_views(n)), 0);
  }
  CHECK_EQ(last(&limits, votes(100)), 0);
  CHECK_EQ(last(&limits, votes(131)), 0); /* 250 bytes each: 32 KiB */
  CHECK(last(&limits, votes(132)) > 0);
  CHECK(last(&limits, new_views(64)) > 0);
  s = votes(300);
  for (s.lane = HS2N_LANE_CERT; s.lane <= HS2N_LANES; s.lane++) {
    CHECK_EQ(last(&limits, s), 0); /* HS2N_LANES: of no declared type */
  }
  s = votes(300);
  s.rtt = 0;
  CHECK_EQ(last(&limits, s), 0);
}

/* In the order of a window that is split into equal parts. */
static void each_has_a_part_of_its_own(void) {
  const struct hs2n_limits limits = defaults();
  struct hs2ni_spread s = new_views(300);
  const hs2n_time window = last(&limits, s) * 300 / 299;

  for (s.view = 0; s.view < 50; s.view++) {
    bool taken[300] = {false};

    for (s.place = 0; s.place < 300; s.place++) {
      const size_t part =
          (size_t)((hs2ni_spread_slot(&limits, &s) * 300 + window / 2) /
                   window);

      REQUIRE(part < 300);
      CHECK(!taken[part]);
      taken[part] = true;
    }
  }
}

/* Everybody is in the last quarter a quarter of the time, and never in two
 * views that follow each other. */
static void views_turn_the_order(void) {
  const struct hs2n_limits limits = defaults();
  struct hs2ni_spread s = new_views(100);
  const hs2n_time window = last(&limits, s);

  for (s.place = 0; s.place < 100; s.place += 11) {
    unsigned late = 0, late_again = 0;
    bool was_late = false;

    for (s.view = 1000; s.view < 2000; s.view++) {
      const bool is_late = hs2ni_spread_slot(&limits, &s) > window * 3 / 4;

      late += is_late;
      late_again += is_late && was_late;
      was_late = is_late;
    }
    CHECK(late > 200 && late < 300);
    CHECK_EQ(late_again, 0);
  }
}

static void the_window_is_what_the_downlink_takes(void) {
  struct hs2n_limits limits = defaults();

  /* (300 * 250 - 32768) bytes at 12.5 MB/s */
  CHECK_EQ(last(&limits, votes(300)), UINT64_C(3378560) * 299 / 300);
  /* (300 * 900 - 32768) */
  CHECK_EQ(last(&limits, new_views(300)) / HS2N_US(10), 1891);
  limits.spread_bytes_per_s = 125000000;
  CHECK_EQ(last(&limits, new_views(300)) / HS2N_US(1), 1891);
  limits.spread_burst_bytes = 0;
  CHECK_EQ(last(&limits, new_views(300)) / HS2N_US(1), 2152);
}

static void the_window_has_bounds(void) {
  struct hs2n_limits limits = defaults();
  struct hs2ni_spread s = new_views(4096);

  CHECK_EQ(last(&limits, s) / HS2N_US(100), 199); /* spread_us_max */
  s.rtt = HS2N_MS(10);
  CHECK_EQ(last(&limits, s) / HS2N_US(100), 49); /* half a round trip */
  s.lane = HS2N_LANE_VOTE;
  CHECK_EQ(last(&limits, s) / HS2N_US(10), 124); /* an eighth */
  limits.spread_us_max = 0;
  CHECK_EQ(last(&limits, s), 0);
}

/* The same, by floating point, for whatever limits allow. */
static double naive(const struct hs2n_limits *l, const struct hs2ni_spread *s) {
  const double all = (double)s->members * ((double)s->len + 100);
  double window = (all - l->spread_burst_bytes) / l->spread_bytes_per_s * 1e9;
  const double most = (double)l->spread_us_max * 1e3;
  const double part = (double)s->rtt / (s->lane == HS2N_LANE_VOTE ? 8 : 2);

  window = window < 0 ? 0 : window;
  window = window < most ? window : most;
  window = window < part ? window : part;
  return s->members < l->spread_members_min || s->lane > HS2N_LANE_VOTE
             ? 0
             : window;
}

static void walk(struct hs2ni_rng *rng) {
  struct hs2n_limits limits = defaults();
  struct hs2ni_spread s = {0};
  hs2n_time most;
  double want;

  limits.spread_us_max = (uint32_t)hs2ni_rng_below(rng, 1000001);
  limits.spread_members_min = 2 + (uint32_t)hs2ni_rng_below(rng, 100);
  limits.spread_bytes_per_s =
      10000 + (uint32_t)hs2ni_rng_below(rng, 1u << hs2ni_rng_below(rng, 32));
  limits.spread_burst_bytes =
      (uint32_t)hs2ni_rng_below(rng, 1u << hs2ni_rng_below(rng, 31));
  CHECK_EQ(hs2n_limits_check(&limits, NULL), HS2N_OK);
  s.members = 1 + (size_t)hs2ni_rng_below(rng, 200);
  if (hs2ni_rng_below(rng, 50) == 0) {
    s.members = MEMBERS_MAX;
  }
  s.view = hs2ni_rng_below(rng, UINT64_MAX);
  s.lane = (unsigned)hs2ni_rng_below(rng, HS2N_LANES + 1);
  s.len = (size_t)hs2ni_rng_below(
      rng, 1 + (HS2N_BODY_MAX >> hs2ni_rng_below(rng, 25)));
  s.rtt = hs2ni_rng_below(rng, UINT64_C(1) << hs2ni_rng_below(rng, 64));
  want = naive(&limits, &s) * (double)(s.members - 1) / (double)s.members;
  most = last(&limits, s);
  CHECK((double)most >= want * 0.999 - 2 && (double)most <= want * 1.001 + 2);
}

static void any_numbers_give_a_slot_within_the_window(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 1);
  for (int i = 0; i < 20000 && tap_case_ok; i++) {
    walk(&rng);
  }
}

int main(void) {
  RUN(small_committees_and_small_sums_do_not_wait);
  RUN(each_has_a_part_of_its_own);
  RUN(views_turn_the_order);
  RUN(the_window_is_what_the_downlink_takes);
  RUN(the_window_has_bounds);
  RUN(any_numbers_give_a_slot_within_the_window);
  return tap_done();
}
