#include "pacemaker.h"

#include <stdlib.h>

#define ROUND_TRIPS 4
/* What one dead replica costs in a row: the view whose votes go to it, and
 * the one that it should lead.  More means that views are too short. */
#define FAILURES_FREE 2

hs2n_time rep_pacemaker_base(const struct rep_pacemaker *p) {
  hs2n_time t = p->timer_min;

  if (p->rtt > p->timer_max / ROUND_TRIPS) {
    return p->timer_max;
  }
  if (p->rtt * ROUND_TRIPS > t) {
    t = p->rtt * ROUND_TRIPS;
  }
  if (p->took_base > t) {
    t = p->took_base;
  }
  return t < p->timer_max ? t : p->timer_max;
}

hs2n_time rep_pacemaker_timeout(const struct rep_pacemaker *p) {
  hs2n_time t = rep_pacemaker_base(p);

  for (uint32_t i = FAILURES_FREE; i < p->failures && t < p->timer_max; i++) {
    t = t > p->timer_max / 2 ? p->timer_max : 2 * t;
  }
  return t;
}

void rep_pacemaker_enter(struct rep_pacemaker *p, hs2n_time now) {
  p->entered = now;
  p->deadline = now + rep_pacemaker_timeout(p);
}

static int compare(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return x < y ? -1 : x > y;
}

/* RFC 6298, 2.2 and 2.3. */
static void take_sample(struct rep_took *took, hs2n_time t) {
  const hs2n_time far = t > took->mean ? t - took->mean : took->mean - t;

  if (took->mean == 0) {
    *took = (struct rep_took){.mean = t, .deviation = t / 2};
    return;
  }
  took->deviation = (3 * took->deviation + far) / 4;
  took->mean = (7 * took->mean + t) / 8;
}

void rep_pacemaker_good(struct rep_pacemaker *p, const struct rep_committee *c,
                        uint32_t leader, hs2n_time now) {
  const hs2n_time most = rep_pacemaker_timeout(p);
  const hs2n_time took = now > p->entered ? now - p->entered : 0;
  hs2n_time needs[REP_N_MAX];

  /* One that came after its time says no more than that it was late: this
   * replica may have been asleep for long. */
  take_sample(&p->took[leader], took < most ? took : most);
  for (uint32_t i = 0; i < c->n; i++) {
    needs[i] = 2 * p->took[i].mean + 4 * p->took[i].deviation;
  }
  qsort(needs, c->n, sizeof(needs[0]), compare);
  p->took_base = needs[rep_quorum(c) - 1];
}

void rep_pacemaker_fail(struct rep_pacemaker *p) {
  if (p->failures < 64) {
    p->failures++;
  }
}

void rep_pacemaker_reset(struct rep_pacemaker *p) {
  p->failures = 0;
}

void rep_pacemaker_again(struct rep_pacemaker *p, hs2n_time now) {
  p->deadline = now + rep_pacemaker_timeout(p);
}
