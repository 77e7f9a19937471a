#include "pacemaker.h"

#define ROUND_TRIPS 4

hs2n_time rep_pacemaker_timeout(const struct rep_pacemaker *p) {
  hs2n_time t = p->timer_min;

  if (p->rtt > p->timer_max / ROUND_TRIPS) {
    return p->timer_max;
  }
  if (p->rtt * ROUND_TRIPS > t) {
    t = p->rtt * ROUND_TRIPS;
  }
  for (uint32_t i = 0; i < p->failures && t < p->timer_max; i++) {
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
