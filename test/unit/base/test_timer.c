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

/* Naive model: an array of (at, order), searched for the least each time. */
static void walks_like_a_sorted_array(void) {
  struct world w;
  struct {
    hs2n_time at;
    uint64_t order;
  } model[TIMERS];
  hs2n_time now = 0;
  uint64_t order = 0;
  uint64_t before;
  struct hs2ni_rng *rng;

  start(&w, TIMERS);
  rng = &w.env.env.rng;
  before = w.env.mem.requests;
  for (int i = 0; i < TIMERS; i++) {
    model[i].at = HS2N_TIME_NEVER;
  }
  for (int step = 0; step < 20000; step++) {
    const int i = (int)hs2ni_rng_below(rng, TIMERS);

    if (hs2ni_rng_below(rng, 4) > 0) {
      model[i].at = hs2ni_rng_below(rng, 5) > 0 ? now + hs2ni_rng_below(rng, 10)
                                                : HS2N_TIME_NEVER;
      model[i].order = order++;
      set(&w, i, model[i].at);
      continue;
    }
    now += hs2ni_rng_below(rng, 5);
    w.fired_n = 0;
    hs2ni_timers_run(&w.timers, now);
    for (size_t k = 0; k < w.fired_n; k++) {
      int least = 0;

      for (int j = 1; j < TIMERS; j++) {
        if (model[j].at < model[least].at ||
            (model[j].at == model[least].at &&
             model[j].order < model[least].order)) {
          least = j;
        }
      }
      CHECK_EQ(w.fired[k], least);
      CHECK(model[least].at <= now);
      model[least].at = HS2N_TIME_NEVER;
    }
    for (int j = 0; j < TIMERS; j++) {
      CHECK(model[j].at > now);
    }
  }
  CHECK_EQ(w.env.mem.requests, before);
  finish(&w);
}

int main(void) {
  RUN(fires_by_time_and_equals_in_the_order_of_setting);
  RUN(moving_counts_as_setting_anew_and_never_cancels);
  RUN(one_set_again_while_firing_waits_for_the_next_run);
  RUN(firing_may_cancel_and_move_others_that_are_due);
  RUN(a_failed_allocation_is_an_error);
  RUN(walks_like_a_sorted_array);
  return tap_done();
}
