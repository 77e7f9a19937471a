/* How long a view may last. */
#include "pacemaker.h"

#include <tap.h>

static const struct rep_committee committee = {.n = 7, .chain_id = "sample"};

static struct rep_pacemaker fresh(void) {
  return (struct rep_pacemaker){.timer_min = HS2N_MS(20),
                                .timer_max = HS2N_S(1)};
}

/* One good view of a leader. */
static void good(struct rep_pacemaker *p, uint32_t leader, hs2n_time took) {
  rep_pacemaker_enter(p, HS2N_S(1));
  rep_pacemaker_good(p, &committee, leader, HS2N_S(1) + took);
}

static void the_floor_holds_and_round_trips_raise_it(void) {
  struct rep_pacemaker p = fresh();

  CHECK_EQ(rep_pacemaker_base(&p), HS2N_MS(20));
  p.rtt = HS2N_MS(1);
  CHECK_EQ(rep_pacemaker_base(&p), HS2N_MS(20));
  p.rtt = HS2N_MS(30);
  CHECK_EQ(rep_pacemaker_base(&p), HS2N_MS(120));
  p.rtt = UINT64_MAX;
  CHECK_EQ(rep_pacemaker_base(&p), HS2N_S(1));
}

static void good_views_of_all(struct rep_pacemaker *p, hs2n_time took,
                              int times) {
  for (int i = 0; i < times; i++) {
    for (uint32_t leader = 0; leader < committee.n; leader++) {
      good(p, leader, took);
    }
  }
}

static void slow_views_raise_it_until_they_are_fast_again(void) {
  struct rep_pacemaker p = fresh();

  p.failures = 5; /* views of 160 ms, in which 50 are fine */
  good_views_of_all(&p, HS2N_MS(50), 40);
  CHECK(rep_pacemaker_base(&p) >= HS2N_MS(100));
  CHECK(rep_pacemaker_base(&p) < HS2N_MS(101));
  rep_pacemaker_reset(&p);
  good_views_of_all(&p, HS2N_MS(1), 40);
  CHECK_EQ(rep_pacemaker_base(&p), HS2N_MS(20));
}

/* A clock that steps back makes no long view. */
static void a_view_is_not_shorter_than_nothing(void) {
  struct rep_pacemaker p = fresh();

  rep_pacemaker_enter(&p, HS2N_S(2));
  for (uint32_t leader = 0; leader < committee.n; leader++) {
    rep_pacemaker_good(&p, &committee, leader, HS2N_S(1));
  }
  CHECK_EQ(rep_pacemaker_base(&p), HS2N_MS(20));
}

/* Whoever sleeps finds one view long, which is no reason to wait longer. */
static void one_long_view_does_little(void) {
  struct rep_pacemaker p = fresh();

  good_views_of_all(&p, HS2N_MS(2), 40);
  good_views_of_all(&p, HS2N_S(10), 1);
  CHECK(rep_pacemaker_base(&p) < HS2N_MS(40));
}

static void a_minority_does_not_count(void) {
  struct rep_pacemaker p = fresh();

  p.failures = 20;
  good_views_of_all(&p, HS2N_MS(15), 40);
  CHECK_EQ(rep_pacemaker_base(&p) / HS2N_MS(1), 30);
  for (int i = 0; i < 40; i++) {
    good(&p, 3, HS2N_MS(400));
    good(&p, 5, HS2N_MS(400));
  }
  CHECK_EQ(rep_pacemaker_base(&p) / HS2N_MS(1), 30);
  for (int i = 0; i < 40; i++) {
    good(&p, 6, HS2N_MS(100));
  }
  CHECK(rep_pacemaker_base(&p) >= HS2N_MS(200));
  CHECK(rep_pacemaker_base(&p) < HS2N_MS(210));
}

static void only_the_third_failure_in_a_row_doubles_it(void) {
  struct rep_pacemaker p = fresh();

  rep_pacemaker_enter(&p, HS2N_S(1));
  CHECK_EQ(p.deadline, HS2N_S(1) + HS2N_MS(20));
  rep_pacemaker_fail(&p);
  rep_pacemaker_fail(&p);
  CHECK_EQ(rep_pacemaker_timeout(&p), HS2N_MS(20));
  rep_pacemaker_fail(&p);
  CHECK_EQ(rep_pacemaker_timeout(&p), HS2N_MS(40));
  rep_pacemaker_fail(&p);
  rep_pacemaker_again(&p, HS2N_S(2));
  CHECK_EQ(p.deadline, HS2N_S(2) + HS2N_MS(80));
  for (int i = 0; i < 1000; i++) {
    rep_pacemaker_fail(&p);
  }
  CHECK_EQ(rep_pacemaker_timeout(&p), HS2N_S(1));
  rep_pacemaker_reset(&p);
  CHECK_EQ(rep_pacemaker_timeout(&p), HS2N_MS(20));
}

int main(void) {
  RUN(the_floor_holds_and_round_trips_raise_it);
  RUN(slow_views_raise_it_until_they_are_fast_again);
  RUN(a_view_is_not_shorter_than_nothing);
  RUN(one_long_view_does_little);
  RUN(a_minority_does_not_count);
  RUN(only_the_third_failure_in_a_row_doubles_it);
  return tap_done();
}
