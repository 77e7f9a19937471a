#include "pacemaker.h"

#define ROUND_TRIPS 4

/* What one dead replica costs in a row: the view whose votes go to it, and
 * the one that it should lead.  More means that views are too short. */
#define FAILURES_FREE 2

hs2n_time rep_pacemaker_base(const struct rep_pacemaker *p) {
  if (p->rtt > p->timer_max / ROUND_TRIPS) {
    return p->timer_max;
  }
  return p->rtt * ROUND_TRIPS > p->timer_min ? p->rtt * ROUND_TRIPS
                                             : p->timer_min;
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
