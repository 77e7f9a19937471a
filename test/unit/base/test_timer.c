#include "base/list.h"
#include "base/timer.h"
#include "tap.h"
#include "test_env.h"

#define TIMERS 12

struct world {
  struct test_env env;
  struct hs2ni_timers timers;
  struct alarm {
    struct hs2ni_timer timer;
    struct world *world;
    int number;
    /* What firing does besides writing its number: */
    struct alarm *sets;
    hs2n_time sets_at;
    struct alarm *cancels;
  } alarms[TIMERS];
  int fired[64];
  size_t fired_n;
};

static void on_fire(struct hs2ni_timer *timer) {
  struct alarm *a = HS2NI_CONTAINER(timer, struct alarm, timer);
  struct world *w = a->world;

  CHECK_EQ(timer->slot, 0);
  w->fired[w->fired_n++ % 64] = a->number;
  if (a->cancels != NULL) {
    hs2ni_timer_cancel(&w->timers, &a->cancels->timer);
  }
  if (a->sets != NULL) {
    hs2ni_timer_set(&w->timers, &a->sets->timer, a->sets_at);
  }
}

static void start(struct world *w, uint32_t capacity) {
  memset(w, 0, sizeof(*w));
  test_env_init(&w->env, 0, 1);
  CHECK_EQ(hs2ni_timers_init(&w->timers, &w->env.env, capacity), HS2N_OK);
  for (int i = 0; i < TIMERS; i++) {
    w->alarms[i].timer.fire = on_fire;
    w->alarms[i].world = w;
    w->alarms[i].number = i;
  }
}

static void finish(struct world *w) {
  hs2ni_timers_fini(&w->timers, &w->env.env);
  CHECK_EQ(w->env.mem.live_bytes, 0);
}

static void set(struct world *w, int i, hs2n_time at) {
  hs2ni_timer_set(&w->timers, &w->alarms[i].timer, at);
}

/* Runs and says which fired: "2 0 1 ". */
static const char *run(struct world *w, hs2n_time now, char out[64]) {
  size_t len = 0;

  w->fired_n = 0;
  hs2ni_timers_run(&w->timers, now);
  out[0] = '\0';
  for (size_t i = 0; i < w->fired_n; i++) {
    len += (size_t)snprintf(out + len, 64 - len, "%d ", w->fired[i]);
  }
  return out;
}

static void fires_by_time_and_equals_in_the_order_of_setting(void) {
  struct world w;
  char text[64];

  start(&w, TIMERS);
  CHECK(hs2ni_timers_deadline(&w.timers) == HS2N_TIME_NEVER);
  set(&w, 0, 30);
  set(&w, 1, 10);
  set(&w, 2, 20);
  set(&w, 3, 20);
  set(&w, 4, 20);
  CHECK_EQ(hs2ni_timers_deadline(&w.timers), 10);
  CHECK_TEXT(run(&w, 9, text), "");
  CHECK_TEXT(run(&w, 20, text), "1 2 3 4 ");
  CHECK_EQ(hs2ni_timers_deadline(&w.timers), 30);
  CHECK_TEXT(run(&w, 30, text), "0 ");
  CHECK(hs2ni_timers_deadline(&w.timers) == HS2N_TIME_NEVER);
  finish(&w);
}

static void moving_counts_as_setting_anew_and_never_cancels(void) {
  struct world w;
  char text[64];

  start(&w, 3);
  set(&w, 0, 10);
  set(&w, 1, 10);
  set(&w, 2, 10);
  set(&w, 0, 10); /* now behind the others */
  set(&w, 1, HS2N_TIME_NEVER);
  hs2ni_timer_cancel(&w.timers, &w.alarms[1].timer); /* twice is fine */
  CHECK_TEXT(run(&w, 10, text), "2 0 ");
  finish(&w);
}

/* Timer 0 sets itself again in the past while 1 is due too: 1 must still get
 * its turn, and 0 must not keep the run from ending. */
static void one_set_again_while_firing_waits_for_the_next_run(void) {
  struct world w;
  char text[64];

  start(&w, 2);
  w.alarms[0].sets = &w.alarms[0];
  w.alarms[0].sets_at = 1;
  set(&w, 0, 10);
  set(&w, 1, 10);
  CHECK_TEXT(run(&w, 10, text), "0 1 ");
  CHECK_EQ(hs2ni_timers_deadline(&w.timers), 1);
  CHECK_TEXT(run(&w, 10, text), "0 ");
  finish(&w);
}

static void firing_may_cancel_and_move_others_that_are_due(void) {
  struct world w;
  char text[64];

  start(&w, 4);
  w.alarms[0].cancels = &w.alarms[2];
  w.alarms[0].sets = &w.alarms[1]; /* due, and moved: not in this run */
  w.alarms[0].sets_at = 5;
  w.alarms[3].cancels = &w.alarms[1]; /* while it waits */
  set(&w, 0, 1);
  set(&w, 1, 2);
  set(&w, 2, 3);
  set(&w, 3, 4);
  CHECK_TEXT(run(&w, 10, text), "0 3 ");
  CHECK_TEXT(run(&w, 10, text), "");
  finish(&w);
}

static void a_failed_allocation_is_an_error(void) {
  struct test_env env;
  struct hs2ni_timers timers;

  test_env_init(&env, 1, 1);
  CHECK_EQ(hs2ni_timers_init(&timers, &env.env, 8), HS2N_ERR_NO_MEMORY);
  CHECK_EQ(env.env.stats.allocation_failures, 1);
  hs2ni_timers_fini(&timers, &env.env);
  CHECK_EQ(env.mem.live_bytes, 0);
}

static void waiting_ones_may_be_cancelled_in_any_order(void) {
  for (int which = 0; which < 3; which++) {
    struct world w;
    char text[64];

    start(&w, 4);
    for (int i = 0; i < 3; i++) {
      w.alarms[i].sets = &w.alarms[i];
      w.alarms[i].sets_at = 10;
      set(&w, i, (hs2n_time)i);
    }
    w.alarms[3].cancels = &w.alarms[which];
    set(&w, 3, 10);
    CHECK_TEXT(run(&w, 10, text), "0 1 2 3 ");
    for (int i = 0; i < 3; i++) {
      w.alarms[i].sets = NULL;
    }
    CHECK_EQ(hs2ni_timers_deadline(&w.timers), 10);
    CHECK_TEXT(run(&w, 10, text), which == 0   ? "1 2 "
                                  : which == 1 ? "0 2 "
                                               : "0 1 ");
    finish(&w);
  }
}

/* ---- against a naive model: an array that is searched for the least --------
 */

struct walk {
  struct world world; /* first, so that a timer leads here too */
  struct {
    hs2n_time at;
    uint64_t order;
    bool waits; /* set at or before now while firing */
  } model[TIMERS];
  uint64_t order;
  hs2n_time now;
  bool firing;
};

static void walk_set(struct walk *walk) {
  struct hs2ni_rng *rng = &walk->world.env.env.rng;
  const int i = (int)hs2ni_rng_below(rng, TIMERS);
  const hs2n_time at = hs2ni_rng_below(rng, 4) == 0
                           ? HS2N_TIME_NEVER
                           : walk->now - 3 + hs2ni_rng_below(rng, 12);

  walk->model[i].at = at;
  walk->model[i].order = walk->order++;
  walk->model[i].waits = walk->firing && at <= walk->now;
  set(&walk->world, i, at);
}

static int walk_least(const struct walk *walk) {
  int least = -1;

  for (int i = 0; i < TIMERS; i++) {
    if (walk->model[i].at > walk->now || walk->model[i].waits) {
      continue;
    }
    if (least < 0 || walk->model[i].at < walk->model[least].at ||
        (walk->model[i].at == walk->model[least].at &&
         walk->model[i].order < walk->model[least].order)) {
      least = i;
    }
  }
  return least;
}

static void walk_check_deadline(const struct walk *walk) {
  hs2n_time least = HS2N_TIME_NEVER;

  for (int i = 0; i < TIMERS; i++) {
    least = walk->model[i].at < least ? walk->model[i].at : least;
  }
  CHECK(hs2ni_timers_deadline(&walk->world.timers) == least);
}

static void on_walk_fire(struct hs2ni_timer *timer) {
  const struct alarm *a = HS2NI_CONTAINER(timer, struct alarm, timer);
  struct walk *walk = HS2NI_CONTAINER(a->world, struct walk, world);

  CHECK_EQ(a->number, walk_least(walk));
  walk->model[a->number].at = HS2N_TIME_NEVER;
  for (uint64_t n = hs2ni_rng_below(&walk->world.env.env.rng, 4); n > 0; n--) {
    walk_set(walk);
    walk_check_deadline(walk);
  }
}

static void walks_like_a_searched_array(void) {
  struct walk walk = {.now = 100};
  uint64_t before;

  start(&walk.world, TIMERS);
  before = walk.world.env.mem.requests;
  for (int i = 0; i < TIMERS; i++) {
    walk.world.alarms[i].timer.fire = on_walk_fire;
    walk.model[i].at = HS2N_TIME_NEVER;
  }
  for (int step = 0; step < 20000; step++) {
    walk_set(&walk);
    if (step % 3 == 0) {
      walk.now += hs2ni_rng_below(&walk.world.env.env.rng, 5);
      walk.firing = true;
      hs2ni_timers_run(&walk.world.timers, walk.now);
      walk.firing = false;
      CHECK_EQ(walk_least(&walk), -1);
      for (int i = 0; i < TIMERS; i++) {
        walk.model[i].waits = false;
      }
    }
    walk_check_deadline(&walk);
    CHECK_EQ(hs2ni_timers_first(&walk.world.timers) == NULL
                 ? HS2N_TIME_NEVER
                 : hs2ni_timers_first(&walk.world.timers)->at,
             hs2ni_timers_deadline(&walk.world.timers));
  }
  CHECK_EQ(walk.world.env.mem.requests, before);
  finish(&walk.world);
}

int main(void) {
  RUN(fires_by_time_and_equals_in_the_order_of_setting);
  RUN(moving_counts_as_setting_anew_and_never_cancels);
  RUN(one_set_again_while_firing_waits_for_the_next_run);
  RUN(firing_may_cancel_and_move_others_that_are_due);
  RUN(a_failed_allocation_is_an_error);
  RUN(waiting_ones_may_be_cancelled_in_any_order);
  RUN(walks_like_a_searched_array);
  return tap_done();
}
