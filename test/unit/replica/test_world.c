/* The whole protocol on virtual time, with faults drawn from seeds.  A seed
 * that fails is printed, and repeats exactly: test_replica_world SEED. */
#include "world.h"

#include <stdlib.h>
#include <tap.h>

static struct world w; /* too large for the stack */

static void say(uint64_t seed) {
  TAP_WRONG("# n %u, seed %" PRIu64 ", at %" PRIu64 " us, height %" PRIu64
            ": %s\n",
            w.n, seed, w.now / 1000, w.height,
            w.broken != NULL ? w.broken : "not all transactions were executed");
}

/* Loads the cluster for a while. */
static void work(hs2n_time duration, hs2n_time every) {
  for (hs2n_time t = 0; t < duration && w.broken == NULL; t += every) {
    world_submit(&w);
    world_run(&w, every);
  }
}

/* After all faults are gone everybody has to catch up and finish. */
static bool finishes(void) {
  world_heal(&w);
  for (int i = 0; i < 100 && w.broken == NULL; i++) {
    world_resubmit(&w);
    world_run(&w, HS2N_MS(200));
    if (world_all_executed(&w) && world_lowest_height(&w) + 8 > w.height) {
      return true;
    }
  }
  return false;
}

static void commits_in_five_delays(void) {
  world_init(&w, 4, 1);
  w.net = (struct world_net){.delay_min = HS2N_MS(1), .delay_max = HS2N_MS(1)};
  world_run(&w, HS2N_MS(500)); /* idle by now */
  world_submit(&w);
  world_run(&w, HS2N_MS(20));
  CHECK(w.broken == NULL);
  CHECK(world_all_executed(&w));
  world_fini(&w);
}

static void idles_slowly(void) {
  uint64_t before;

  world_init(&w, 4, 1);
  work(HS2N_MS(100), HS2N_MS(10));
  world_run(&w, HS2N_S(1));
  CHECK(world_all_executed(&w));
  before = w.height;
  world_run(&w, HS2N_S(1));
  CHECK(w.broken == NULL);
  CHECK(w.height - before <= 200); /* one block each 5 ms */
  CHECK(w.height - before >= 50);
  world_fini(&w);
}

static void commits_all_without_faults(void) {
  struct rep_core_info info;

  world_init(&w, 4, 3);
  work(HS2N_S(1), HS2N_MS(1));
  world_run(&w, HS2N_MS(100));
  CHECK(w.broken == NULL);
  CHECK(world_all_executed(&w));
  CHECK(w.height > 100);
  for (uint32_t i = 0; i < 4; i++) {
    rep_core_info(w.replicas[i].core, &info);
    CHECK_EQ(info.counters.txs, w.txs_submitted);
    CHECK_EQ(info.counters.txs_repeated, 0);
    CHECK_EQ(info.counters.timeouts, 0);
    CHECK(info.tree_blocks <= 8);
  }
  world_fini(&w);
}

/* Who is dead spoils the views of its turn once, and of round robin until
 * three others in a row were on: then it has no turn. */
static void a_dead_replica_leads_no_more(void) {
  for (uint32_t n = 4; n <= 7; n += 3) {
    for (uint32_t victim = 0; victim < n; victim++) {
      const uint32_t other = (victim + 1) % n;
      struct rep_core_info before;
      struct rep_core_info after;

      world_init(&w, n, 4);
      work(HS2N_MS(200), HS2N_MS(1));
      rep_core_info(w.replicas[other].core, &before);
      world_crash(&w, victim);
      work(HS2N_S(2), HS2N_MS(1));
      rep_core_info(w.replicas[other].core, &after);
      CHECK(after.counters.timeouts - before.counters.timeouts <= 3);
      CHECK(after.counters.blocks - before.counters.blocks > 1000);
      CHECK(finishes());
      world_fini(&w);
    }
  }
}

/* It signs, and so keeps its turns: each may cost a time-out and some views of
 * round robin, in which it may spoil two more. */
static void who_never_proposes_stops_nobody(void) {
  for (uint32_t n = 4; n <= 7; n += 3) {
    uint64_t before;

    world_init(&w, n, 13);
    work(HS2N_MS(200), HS2N_MS(1));
    w.mute = 1;
    before = w.height;
    for (int i = 0; i < 20; i++) {
      const uint64_t height = w.height;

      work(HS2N_MS(100), HS2N_MS(1)); /* five time-outs */
      CHECK(w.height > height);
    }
    CHECK(w.height - before > 200);
    w.mute = -1;
    CHECK(finishes());
    world_fini(&w);
  }
}

/* Nobody tells the core of the network: the floor is a fraction of what a view
 * takes, and still only the first views fail. */
static void learns_how_long_views_take(void) {
  struct rep_core_info early;
  struct rep_core_info late;

  world_init(&w, 4, 10);
  w.net =
      (struct world_net){.delay_min = HS2N_MS(30), .delay_max = HS2N_MS(40)};
  work(HS2N_S(5), HS2N_MS(10));
  rep_core_info(w.replicas[0].core, &early);
  work(HS2N_S(20), HS2N_MS(10));
  rep_core_info(w.replicas[0].core, &late);
  CHECK(early.counters.timeouts > 0);
  CHECK_EQ(late.counters.timeouts, early.counters.timeouts);
  CHECK(late.counters.blocks - early.counters.blocks > 200);
  CHECK(w.broken == NULL);
  world_fini(&w);
}

/* More than f are gone: nothing is committed, and nothing is lost. */
static void stops_without_a_quorum(void) {
  uint64_t before;

  world_init(&w, 7, 5);
  work(HS2N_MS(200), HS2N_MS(1));
  for (uint32_t i = 0; i < 3; i++) {
    world_crash(&w, i);
  }
  world_run(&w, HS2N_MS(50));
  before = w.height;
  work(HS2N_S(2), HS2N_MS(10));
  CHECK_EQ(w.height, before);
  CHECK(finishes());
  CHECK(w.height > before);
  world_fini(&w);
}

static void catches_up_over_many_blocks(void) {
  struct rep_core_info info;

  world_init(&w, 4, 6);
  world_crash(&w, 3);
  work(HS2N_S(8), HS2N_MS(2));
  CHECK(w.height > 100);
  CHECK(finishes());
  rep_core_info(w.replicas[3].core, &info);
  CHECK(info.counters.sync_blocks > 100);
  CHECK(info.counters.sync_requests < 100);
  world_fini(&w);
}

/* It is thousands of views behind those who go on all the while. */
static void is_back_in_a_second_after_thousands_of_views(void) {
  const struct world_replica *const late = &w.replicas[3];
  struct rep_core_info info;
  uint64_t missed;

  world_init(&w, 4, 11);
  work(HS2N_MS(100), HS2N_MS(1));
  world_crash(&w, 3);
  missed = w.height;
  for (int i = 0; i < 4; i++) {
    work(HS2N_S(1), HS2N_MS(4));
    world_run(&w, HS2N_S(2));
  }
  missed = w.height - missed;
  CHECK(missed > 3000);
  world_restart(&w, 3);
  work(HS2N_S(1), HS2N_MS(2));
  CHECK(w.broken == NULL);
  CHECK(late->height + 8 > w.height);
  rep_core_info(late->core, &info);
  CHECK(info.counters.sync_blocks >= missed);
  CHECK(info.counters.votes > 100); /* it takes part again */
  world_fini(&w);
}

/* Two of seven can't store a thing: they end, the others don't notice.  One
 * has a disk that takes longer than a view may: its votes are not needed. */
static void disks_that_fail_stop_nobody_else(void) {
  uint64_t before;

  world_init(&w, 7, 12);
  work(HS2N_MS(200), HS2N_MS(1));
  world_fill_disk(&w, 1);
  world_fill_disk(&w, 4);
  before = w.height;
  work(HS2N_S(2), HS2N_MS(1));
  CHECK(!w.replicas[1].up);
  CHECK(!w.replicas[4].up);
  CHECK(w.height > before + 1000);
  CHECK(finishes());
  w.replicas[2].sync_more = HS2N_MS(50);
  before = w.height;
  work(HS2N_S(2), HS2N_MS(1));
  CHECK(w.height > before + 1000);
  CHECK(finishes());
  world_fini(&w);
}

/* covers: P01 */
static void fetches_10000_blocks_past_a_liar(void) {
  struct rep_core_info info;

  world_init(&w, 7, 8);
  w.config.tree_blocks_max = 64; /* from the restart on */
  w.liar = 0;
  world_crash(&w, 6);
  for (int i = 0; i < 10000 && w.height < 10000 && w.broken == NULL; i++) {
    world_submit(&w);
    world_run(&w, HS2N_MS(100));
  }
  CHECK(w.height >= 10000);
  CHECK(finishes());
  rep_core_info(w.replicas[6].core, &info);
  CHECK(info.counters.sync_blocks >= 10000);
  CHECK(w.false_answers > 0);
  world_fini(&w);
}

/* covers: H67 */
static void a_view_costs_2_messages_a_replica(void) {
  for (uint32_t n = 4; n <= 7; n += 3) {
    struct rep_core_info before;
    struct rep_core_info after;
    uint64_t messages;

    world_init(&w, n, 1);
    w.net.delay_min = w.net.delay_max; /* no proposal overtakes another */
    work(HS2N_MS(100), HS2N_MS(1));
    rep_core_info(w.replicas[0].core, &before);
    messages = w.messages;
    work(HS2N_S(1), HS2N_MS(1));
    rep_core_info(w.replicas[0].core, &after);
    CHECK(w.messages - messages <=
          (after.view - before.view + 1) * 2 * (n - 1));
    world_fini(&w);
  }
}

static void survives_losing_everybody(void) {
  world_init(&w, 4, 7);
  for (int round = 0; round < 5; round++) {
    work(HS2N_MS(100), HS2N_MS(1));
    for (uint32_t i = 0; i < 4; i++) {
      world_crash(&w, i);
    }
    world_heal(&w);
  }
  CHECK(finishes());
  world_fini(&w);
}

/* ---- seeds -------------------------------------------------------------- */

static void random_fault(void) {
  const uint32_t who = (uint32_t)world_random(&w, w.n);
  uint32_t down = 0;

  for (uint32_t i = 0; i < w.n; i++) {
    down += w.replicas[i].up ? 0 : 1;
  }
  switch (world_random(&w, 9)) {
  case 0:
  case 1:
    if (down < 2) {
      world_crash(&w, who);
    }
    break;
  case 2:
  case 3:
    world_restart(&w, who);
    break;
  case 4:
    for (uint32_t i = 0; i < w.n; i++) {
      w.group[i] = (uint32_t)world_random(&w, 2);
    }
    break;
  case 5:
    memset(w.group, 0, sizeof(w.group));
    break;
  case 6:
    world_pause(&w, who, HS2N_MS(world_random(&w, 300)));
    break;
  case 7:
    if (down < 2) {
      world_fill_disk(&w, who);
    } else {
      w.replicas[who].sync_more = HS2N_MS(world_random(&w, 50));
    }
    break;
  default:
    w.net.loss_percent = (uint32_t)world_random(&w, 30);
    w.net.repeat_percent = (uint32_t)world_random(&w, 30);
    w.net.delay_max = HS2N_MS(1 + world_random(&w, 15));
    w.net.sync_max = HS2N_US(world_random(&w, 3000));
    break;
  }
}

static bool survives(uint32_t n, uint64_t seed, bool with_liar) {
  bool ok;

  world_init(&w, n, seed);
  if (with_liar) {
    w.liar = (int32_t)world_random(&w, n);
  }
  for (int i = 0; i < 25 && w.broken == NULL; i++) {
    random_fault();
    work(HS2N_MS(100), HS2N_MS(2));
  }
  w.net.delay_max = HS2N_MS(2);
  ok = finishes();
  if (!ok) {
    say(seed);
  }
  world_fini(&w);
  return ok;
}

static uint64_t seeds = 40;

static void survives_faults_of_4(void) {
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    CHECK(survives(4, seed, false));
  }
}

static void survives_faults_of_7(void) {
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    CHECK(survives(7, seed, false));
  }
}

static void survives_an_equivocating_leader_of_4(void) {
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    CHECK(survives(4, seed, true));
  }
}

static void survives_an_equivocating_leader_of_7(void) {
  for (uint64_t seed = 1; seed <= seeds; seed++) {
    CHECK(survives(7, seed, true));
  }
}

/* No other fault: all four halves of the votes arrive, and still at most one
 * block of a view is certified. */
static void equivocation_alone_is_harmless(void) {
  world_init(&w, 4, 9);
  w.liar = 1;
  work(HS2N_S(2), HS2N_MS(1));
  CHECK(w.equivocations > 10);
  CHECK(finishes());
  CHECK(w.broken == NULL);
  world_fini(&w);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    seeds = strtoull(argv[1], NULL, 10);
  }
  RUN(commits_in_five_delays);
  RUN(idles_slowly);
  RUN(commits_all_without_faults);
  RUN(a_dead_replica_leads_no_more);
  RUN(who_never_proposes_stops_nobody);
  RUN(learns_how_long_views_take);
  RUN(stops_without_a_quorum);
  RUN(catches_up_over_many_blocks);
  RUN(is_back_in_a_second_after_thousands_of_views);
  RUN(disks_that_fail_stop_nobody_else);
  RUN(fetches_10000_blocks_past_a_liar);
  RUN(a_view_costs_2_messages_a_replica);
  RUN(survives_losing_everybody);
  RUN(equivocation_alone_is_harmless);
  RUN(survives_faults_of_4);
  RUN(survives_faults_of_7);
  RUN(survives_an_equivocating_leader_of_4);
  RUN(survives_an_equivocating_leader_of_7);
  return tap_done();
}
