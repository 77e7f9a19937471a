/* pacemaker: how long a view may last.
 *
 * The base follows what was measured: 4 times what a quorum takes to answer a
 * message (hs2n_quorum_delay); and what good views took, since they are more
 * than messages; but not below a floor.  Views are measured as RFC 6298
 * measures round trips, for each leader by itself, and those of the f slowest
 * do not count: a minority which dawdles can't make the others wait longer for
 * it.
 *
 * The time-out doubles with each view in a row that failed after the second,
 * up to a cap, and a commit resets it. */
#ifndef REP_PACEMAKER_H
#define REP_PACEMAKER_H

#include "common.h"

/* What the views took that a leader has ended.  The zero value is unknown. */
struct rep_took {
  hs2n_time mean;
  hs2n_time deviation; /* mean distance from it */
};

struct rep_pacemaker {
  hs2n_time timer_min;
  hs2n_time timer_max;             /* >= timer_min */
  hs2n_time rtt;                   /* 0: unknown */
  struct rep_took took[REP_N_MAX]; /* by leader */
  hs2n_time took_base;             /* what the slowest but f need */
  uint32_t failures;               /* failed views in a row */
  hs2n_time entered;               /* when the view began */
  hs2n_time deadline; /* when it fails, or says again that it failed */
};

/* How long a view may last that follows a good one. */
hs2n_time rep_pacemaker_base(const struct rep_pacemaker *p);

/* How long the current view may last. */
hs2n_time rep_pacemaker_timeout(const struct rep_pacemaker *p);

/* A view begins. */
void rep_pacemaker_enter(struct rep_pacemaker *p, hs2n_time now);

/* The current view ends well, since the next one's leader has shown its
 * certificate. */
void rep_pacemaker_good(struct rep_pacemaker *p, const struct rep_committee *c,
                        uint32_t leader, hs2n_time now);

/* The view failed, or is entered because the one before failed. */
void rep_pacemaker_fail(struct rep_pacemaker *p);

/* Something was committed. */
void rep_pacemaker_reset(struct rep_pacemaker *p);

/* The view goes on although it timed out: the next reminder. */
void rep_pacemaker_again(struct rep_pacemaker *p, hs2n_time now);

#endif /* REP_PACEMAKER_H */
