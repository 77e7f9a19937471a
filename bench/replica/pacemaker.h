/* pacemaker: how long a view may last.
 *
 * The base is 4 round trips of the network, but not below a floor; it doubles
 * with each view in a row that failed after the second, up to a cap, and a
 * commit resets it. */
#ifndef REP_PACEMAKER_H
#define REP_PACEMAKER_H

#include <hs2net/types.h>

struct rep_pacemaker {
  hs2n_time timer_min;
  hs2n_time timer_max; /* >= timer_min */
  hs2n_time rtt;       /* 0: unknown */
  uint32_t failures;   /* failed views in a row */
  hs2n_time entered;   /* when the view began */
  hs2n_time deadline;  /* when it fails, or says again that it failed */
};

/* How long a view may last that follows a good one. */
hs2n_time rep_pacemaker_base(const struct rep_pacemaker *p);

/* How long the current view may last. */
hs2n_time rep_pacemaker_timeout(const struct rep_pacemaker *p);

/* A view begins. */
void rep_pacemaker_enter(struct rep_pacemaker *p, hs2n_time now);

/* The view failed, or is entered because the one before failed. */
void rep_pacemaker_fail(struct rep_pacemaker *p);

/* Something was committed. */
void rep_pacemaker_reset(struct rep_pacemaker *p);

/* The view goes on although it timed out: the next reminder. */
void rep_pacemaker_again(struct rep_pacemaker *p, hs2n_time now);

#endif /* REP_PACEMAKER_H */
