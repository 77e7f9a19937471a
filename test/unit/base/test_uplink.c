/* test_uplink: when the next datagrams may leave a node. */
#include "base/rng.h"
#include "base/uplink.h"
#include "tap.h"

#define FULL (1452 + 28u) /* a datagram of IPv4 */

/* ---- a path of that rate, and a sender that uses it ---------------------- */

struct path {
  struct hs2ni_uplink uplink;
  hs2n_time now;
  uint64_t bits_per_s; /* what it really takes */
  hs2n_time busy;      /* until all that was given to it has left */
  hs2n_time queued_max;
  uint64_t bytes;
  unsigned opened;
  unsigned late_opened; /* opens at a time that is not after now */
};

static struct path path_of(uint64_t bits_per_s, uint64_t given) {
  return (struct path){.uplink = hs2ni_uplink_of(given),
                       .now = HS2N_S(5),
                       .bits_per_s = bits_per_s};
}

static bool open_now(const struct path *p) {
  return hs2ni_uplink_opens(&p->uplink, p->now) == p->now;
}

static void give(struct path *p, size_t bytes) {
  hs2ni_uplink_sent(&p->uplink, p->now, bytes);
  p->busy = (p->busy > p->now ? p->busy : p->now) +
            bytes * 8 * HS2N_S(1) / p->bits_per_s;
  p->bytes += bytes;
  if (p->busy - p->now > p->queued_max) {
    p->queued_max = p->busy - p->now;
  }
}

/* All that it takes now, in batches as the node makes them. */
static void fill(struct path *p) {
  while (open_now(p)) {
    const size_t room = hs2ni_uplink_room(&p->uplink, p->now, FULL);

    give(p, FULL * (room < 40 ? room : 40));
  }
}

/* A node that always has more, and a driver that wakes `late` ns late. */
static void saturate(struct path *p, hs2n_time length, hs2n_time late) {
  const hs2n_time end = p->now + length;

  while (p->now < end) {
    hs2n_time opens;

    fill(p);
    p->uplink.held = true;
    opens = hs2ni_uplink_opens(&p->uplink, p->now);
    p->late_opened += opens <= p->now;
    p->opened++;
    p->now = opens + late;
  }
}

static double use_of(const struct path *p, hs2n_time length) {
  return (double)p->bytes * 8e9 / (double)length / (double)p->bits_per_s;
}

static const uint64_t rates[] = {
    100000,    1000000,    8000000,     10000000,    20000000,    100000000,
    500000000, 1000000000, 10000000000, 40000000000, 100000000000};
#define RATES (sizeof(rates) / sizeof(rates[0]))

static hs2n_time time_of(uint64_t rate, size_t bytes) {
  return bytes * 8 * HS2N_S(1) / rate + 1;
}

/* ---- the rate ------------------------------------------------------------ */

static void all_of_the_rate_is_used_and_no_millisecond_more(void) {
  for (size_t i = 0; i < RATES; i++) {
    const hs2n_time full = time_of(rates[i], FULL);
    struct path p = path_of(rates[i], rates[i]);

    saturate(&p, HS2N_S(5), 0);
    CHECK(p.queued_max <= (full > HS2N_MS(1) ? full : HS2N_MS(1)));
    CHECK(use_of(&p, HS2N_S(5)) > 0.995);
    CHECK(use_of(&p, HS2N_S(5)) < 1.025); /* the first one counts whole */
    CHECK_EQ(p.late_opened, 0);
  }
}

static void waking_late_costs_nothing(void) {
  for (size_t i = 0; i < RATES; i++) {
    struct path p = path_of(rates[i], rates[i]);

    saturate(&p, HS2N_S(5), HS2N_US(100));
    CHECK(use_of(&p, HS2N_S(5)) > 0.99);
    CHECK(p.queued_max <= HS2N_US(1100) + time_of(rates[i], FULL));
  }
}

/* Batches fit for UDP_SEGMENT: half a millisecond's worth or more. */
static void a_fast_path_is_given_batches(void) {
  struct path p = path_of(1000000000, 1000000000);

  CHECK_EQ(hs2ni_uplink_room(&p.uplink, p.now, FULL), 125000 / FULL);
  saturate(&p, HS2N_S(1), 0);
  CHECK(p.opened < 2200);
}

static void a_slow_path_is_given_one_datagram_when_the_last_has_left(void) {
  struct path p = path_of(1000000, 1000000);

  CHECK_EQ(hs2ni_uplink_room(&p.uplink, p.now, FULL), 1);
  give(&p, FULL);
  CHECK_EQ(hs2ni_uplink_opens(&p.uplink, p.now), p.now + FULL * 8000);
  CHECK_EQ(hs2ni_uplink_opens(&p.uplink, p.now + FULL * 8000 - 1),
           p.now + FULL * 8000);
  CHECK_EQ(hs2ni_uplink_opens(&p.uplink, p.now + FULL * 8000),
           p.now + FULL * 8000);
}

/* A datagram that takes longer than a millisecond goes all the same. */
static void whatever_the_rate_one_datagram_fits(void) {
  static const uint64_t given[] = {1, 8, 1000, 999999, UINT64_MAX / 2};

  for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
    const struct hs2ni_uplink u = hs2ni_uplink_of(given[i]);

    CHECK_EQ(hs2ni_uplink_opens(&u, HS2N_S(1)), HS2N_S(1));
    CHECK(hs2ni_uplink_room(&u, HS2N_S(1), FULL) >= 1);
    CHECK(hs2ni_uplink_room(&u, HS2N_S(1), 65535) >= 1);
  }
}

static void where_the_rate_is_not_known_nothing_is_held(void) {
  struct hs2ni_uplink u = {0};

  for (unsigned i = 0; i < 1000; i++) {
    CHECK_EQ(hs2ni_uplink_opens(&u, HS2N_S(1)), HS2N_S(1));
    CHECK_EQ(hs2ni_uplink_room(&u, HS2N_S(1), FULL), SIZE_MAX);
    hs2ni_uplink_sent(&u, HS2N_S(1), 60 * FULL);
  }
  CHECK_EQ(memcmp(&u, &(struct hs2ni_uplink){0}, sizeof(u)), 0);
}

static void the_largest_rate_is_as_good_as_none(void) {
  struct hs2ni_uplink u = hs2ni_uplink_of(UINT64_MAX);

  for (unsigned i = 0; i < 100000; i++) {
    CHECK_EQ(hs2ni_uplink_opens(&u, HS2N_S(1)), HS2N_S(1));
    CHECK(hs2ni_uplink_room(&u, HS2N_S(1), FULL) >= 64);
    hs2ni_uplink_sent(&u, HS2N_S(1), 45 * FULL);
  }
  CHECK(u.busy_until <= HS2N_S(1) + 100000);
}

/* Eight seconds for a byte: what was sent counts for as long as it takes. */
static void the_least_rate_is_kept_too(void) {
  struct hs2ni_uplink u = hs2ni_uplink_of(1);

  hs2ni_uplink_sent(&u, HS2N_S(1), FULL);
  CHECK_EQ(hs2ni_uplink_opens(&u, HS2N_S(2)), HS2N_S(1 + 8 * FULL));
  hs2ni_uplink_sent(&u, HS2N_S(2), 70000);
  CHECK_EQ(hs2ni_uplink_opens(&u, HS2N_S(2)), HS2N_S(1 + 8 * (FULL + 70000)));
}

static void headers_are_those_of_the_family(void) {
  CHECK_EQ(hs2ni_uplink_header(HS2N_FAMILY_IPV4), 28);
  CHECK_EQ(hs2ni_uplink_header(HS2N_FAMILY_IPV6), 48);
}

/* ---- time ---------------------------------------------------------------- */

static void small_sends_on_a_quiet_path_are_never_held(void) {
  struct path p = path_of(100000000, 100000000);

  for (unsigned i = 0; i < 1000; i++) {
    CHECK(open_now(&p));
    give(&p, 600);
    p.now += HS2N_US(200);
  }
}

/* An idle second is not saved up for a burst. */
static void time_that_has_passed_is_not_used_later(void) {
  for (size_t i = 0; i < RATES; i++) {
    const hs2n_time full = time_of(rates[i], FULL);
    struct path p = path_of(rates[i], rates[i]);

    saturate(&p, HS2N_MS(50), 0);
    p.uplink.held = false;
    p.now += HS2N_S(20);
    p.queued_max = 0;
    fill(&p);
    CHECK(p.queued_max <= (full > HS2N_MS(1) ? full : HS2N_MS(1)));
  }
}

/* Nor is all of a pause of the process, though something waited. */
static void of_a_long_pause_half_a_millisecond_is_made_up_for(void) {
  struct path p = path_of(1000000, 1000000);

  give(&p, FULL);
  p.uplink.held = true;
  p.now += HS2N_S(10);
  give(&p, FULL);
  CHECK_EQ(hs2ni_uplink_opens(&p.uplink, p.now),
           p.now + FULL * 8000 - HS2N_US(500));
}

static void the_clock_may_begin_anywhere(void) {
  const hs2n_time begins[] = {0, 1, HS2N_MS(1), UINT64_MAX / 2};

  for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
    struct path p = path_of(10000000, 10000000);

    p.now = begins[i];
    CHECK(open_now(&p));
    saturate(&p, HS2N_S(1), 0);
    CHECK(use_of(&p, HS2N_S(1)) > 0.995);
  }
}

/* Against a path that drains at the very rate: for any sizes and pauses what
 * lies in it is never above a millisecond or one datagram, and while the
 * sender always has something it is never idle. */
static void any_walk_keeps_the_bound(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 7);
  for (unsigned walk = 0; walk < 200; walk++) {
    const uint64_t rate = rates[hs2ni_rng_below(&rng, RATES)];
    struct path p = path_of(rate, rate);

    for (unsigned i = 0; i < 500; i++) {
      const size_t len = 60 + (size_t)hs2ni_rng_below(&rng, FULL - 60);
      const size_t most = hs2ni_uplink_room(&p.uplink, p.now, len);
      const size_t n = 1 + (size_t)hs2ni_rng_below(&rng, most < 40 ? most : 40);
      const hs2n_time bound = time_of(rate, len * n);

      p.queued_max = 0;
      give(&p, len * n);
      CHECK(p.queued_max <= (n > 1 || bound < HS2N_MS(1)
                                 ? HS2N_MS(1) + time_of(rate, len)
                                 : bound + p.uplink.lead));
      p.uplink.held = false;
      p.now = hs2ni_uplink_opens(&p.uplink, p.now);
      if (hs2ni_rng_below(&rng, 10) == 0) {
        p.now += hs2ni_rng_below(&rng, HS2N_MS(20));
      }
      CHECK(open_now(&p));
    }
  }
}

int main(void) {
  RUN(all_of_the_rate_is_used_and_no_millisecond_more);
  RUN(waking_late_costs_nothing);
  RUN(a_fast_path_is_given_batches);
  RUN(a_slow_path_is_given_one_datagram_when_the_last_has_left);
  RUN(whatever_the_rate_one_datagram_fits);
  RUN(where_the_rate_is_not_known_nothing_is_held);
  RUN(the_largest_rate_is_as_good_as_none);
  RUN(the_least_rate_is_kept_too);
  RUN(headers_are_those_of_the_family);
  RUN(small_sends_on_a_quiet_path_are_never_held);
  RUN(time_that_has_passed_is_not_used_later);
  RUN(of_a_long_pause_half_a_millisecond_is_made_up_for);
  RUN(the_clock_may_begin_anywhere);
  RUN(any_walk_keeps_the_bound);
  return tap_done();
}
