/* timer: a set of deadlines (binary heap of intrusive timers).
 *
 * Setting, moving and cancelling are O(log n).  The heap's array has a fixed
 * capacity, so setting a timer never fails. Equal deadlines fire in the
 * order in which they were set, so that a run can be repeated. */
#ifndef HS2NI_BASE_TIMER_H
#define HS2NI_BASE_TIMER_H

#include "base/env.h"

#include <stdbool.h>

struct hs2ni_timer {
  hs2n_time at;
  uint64_t order;
  uint32_t slot; /* position + 1 in the heap; 0: not set */
  void (*fire)(struct hs2ni_timer *timer);
};

struct hs2ni_timers {
  struct hs2ni_timer **heap;
  uint32_t count;
  uint32_t capacity;
  uint64_t order;
  /* While running: */
  bool running;
  hs2n_time now;
  uint32_t waiting; /* set at or before now meanwhile */
};

HS2N_MUST_CHECK int hs2ni_timers_init(struct hs2ni_timers *t,
                                      struct hs2ni_env *env, uint32_t capacity);
void hs2ni_timers_fini(struct hs2ni_timers *t, struct hs2ni_env *env);
/* Sets or moves; at == HS2N_TIME_NEVER cancels.  At most capacity timers may
 * be set at once (asserted: the owner sizes the heap). */
void hs2ni_timer_set(struct hs2ni_timers *t, struct hs2ni_timer *timer,
                     hs2n_time at);
void hs2ni_timer_cancel(struct hs2ni_timers *t, struct hs2ni_timer *timer);
/* HS2N_TIME_NEVER when none is set. */
hs2n_time hs2ni_timers_deadline(const struct hs2ni_timers *t);
/* The one that fires first; NULL when none is set.  Not from inside fire. */
struct hs2ni_timer *hs2ni_timers_first(const struct hs2ni_timers *t);
/* Fires those with at <= now, unset before the call; one that is set again
 * at or before now while firing waits for the next run. */
void hs2ni_timers_run(struct hs2ni_timers *t, hs2n_time now);

#endif /* HS2NI_BASE_TIMER_H */
