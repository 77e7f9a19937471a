#include "base/timer.h"

#include <assert.h>
#include <hs2net/error.h>

/* The array holds the heap at its front and, while timers are being fired,
 * those that wait for the next run at its end.  Together they are the timers
 * that are set, so they never meet. */

int hs2ni_timers_init(struct hs2ni_timers *t, struct hs2ni_env *env,
                      uint32_t capacity) {
  assert(capacity > 0);
  *t = (struct hs2ni_timers){.capacity = capacity};
  t->heap = hs2ni_alloc(env, capacity * sizeof(struct hs2ni_timer *));
  return t->heap == NULL ? HS2N_ERR_NO_MEMORY : HS2N_OK;
}

void hs2ni_timers_fini(struct hs2ni_timers *t, struct hs2ni_env *env) {
  if (t->heap != NULL) {
    hs2ni_free(env, t->heap, t->capacity * sizeof(struct hs2ni_timer *));
  }
  *t = (struct hs2ni_timers){0};
}

static bool fires_before(const struct hs2ni_timer *a,
                         const struct hs2ni_timer *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct hs2ni_timers *t, uint32_t i,
                  struct hs2ni_timer *timer) {
  t->heap[i] = timer;
  timer->slot = i + 1;
}

/* Moves timer from the hole at i towards the root, to where it belongs. */
static void sift_up(struct hs2ni_timers *t, uint32_t i,
                    struct hs2ni_timer *timer) {
  while (i > 0 && fires_before(timer, t->heap[(i - 1) / 2])) {
    place(t, i, t->heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  place(t, i, timer);
}

static void sift_down(struct hs2ni_timers *t, uint32_t i,
                      struct hs2ni_timer *timer) {
  /* Written so that 2 * i can't wrap. */
  while (i < t->count / 2) {
    uint32_t child = 2 * i + 1;

    if (child + 1 < t->count &&
        fires_before(t->heap[child + 1], t->heap[child])) {
      child++;
    }
    if (!fires_before(t->heap[child], timer)) {
      break;
    }
    place(t, i, t->heap[child]);
    i = child;
  }
  place(t, i, timer);
}

static void heap_insert(struct hs2ni_timers *t, struct hs2ni_timer *timer) {
  assert(t->count < t->capacity - t->waiting);
  t->count++;
  sift_up(t, t->count - 1, timer);
}

static void heap_remove(struct hs2ni_timers *t, struct hs2ni_timer *timer) {
  const uint32_t i = timer->slot - 1;
  struct hs2ni_timer *last = t->heap[t->count - 1];

  assert(t->heap[i] == timer);
  t->count--;
  if (last == timer) {
    return;
  }
  if (fires_before(last, timer)) {
    sift_up(t, i, last);
  } else {
    sift_down(t, i, last);
  }
}

static void waiting_insert(struct hs2ni_timers *t, struct hs2ni_timer *timer) {
  assert(t->count < t->capacity - t->waiting);
  t->waiting++;
  place(t, t->capacity - t->waiting, timer);
}

static void waiting_remove(struct hs2ni_timers *t, struct hs2ni_timer *timer) {
  struct hs2ni_timer *first = t->heap[t->capacity - t->waiting];

  assert(t->heap[timer->slot - 1] == timer);
  place(t, timer->slot - 1, first);
  t->waiting--;
}

void hs2ni_timer_cancel(struct hs2ni_timers *t, struct hs2ni_timer *timer) {
  if (timer->slot == 0) {
    return;
  }
  if (timer->slot <= t->count) {
    heap_remove(t, timer);
  } else {
    waiting_remove(t, timer);
  }
  timer->slot = 0;
}

void hs2ni_timer_set(struct hs2ni_timers *t, struct hs2ni_timer *timer,
                     hs2n_time at) {
  hs2ni_timer_cancel(t, timer);
  if (at == HS2N_TIME_NEVER) {
    return;
  }
  timer->at = at;
  timer->order = t->order++;
  if (t->running && at <= t->now) {
    waiting_insert(t, timer);
  } else {
    heap_insert(t, timer);
  }
}

hs2n_time hs2ni_timers_deadline(const struct hs2ni_timers *t) {
  hs2n_time at = t->count > 0 ? t->heap[0]->at : HS2N_TIME_NEVER;

  for (uint32_t i = t->capacity - t->waiting; i < t->capacity; i++) {
    at = t->heap[i]->at < at ? t->heap[i]->at : at;
  }
  return at;
}

struct hs2ni_timer *hs2ni_timers_first(const struct hs2ni_timers *t) {
  assert(!t->running);
  return t->count > 0 ? t->heap[0] : NULL;
}

void hs2ni_timers_run(struct hs2ni_timers *t, hs2n_time now) {
  assert(!t->running);
  t->running = true;
  t->now = now;
  while (t->count > 0 && t->heap[0]->at <= now) {
    struct hs2ni_timer *timer = t->heap[0];

    hs2ni_timer_cancel(t, timer);
    timer->fire(timer);
  }
  t->running = false;
  while (t->waiting > 0) {
    struct hs2ni_timer *timer = t->heap[t->capacity - t->waiting];

    t->waiting--;
    heap_insert(t, timer);
  }
}
