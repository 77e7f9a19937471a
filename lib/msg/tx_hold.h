/* tx_hold: what a lane has not begun to send, held back for a moment.
 *
 * When a large committee votes, all votes leave for one leader at one moment,
 * and a queue in front of it that can't take them loses some.  So each node
 * waits a slot of its own (see cast/spread.h).  A message comes here with how
 * long it may be held back; the wait begins when the link first asks for it,
 * because a send from outside an entry does not know the time.
 *
 * Only what was never on the wire is held.  Copies, what is sent again after
 * BUSY or on another connection, rest of what was begun, all other lanes and
 * acknowledgements go on meanwhile: nothing is sent later because something
 * else is held.  For that,
 *
 * - what comes behind a held message and may be held too leaves with it, and
 *   not later; by a message that takes the place of a held one (supersede) no
 *   wait begins anew;
 * - what comes behind it in its lane and may not be held lets all go at once,
 *   because the order of a lane stands;
 * - nothing is held behind what waits for another reason;
 * - nothing is held of which the acknowledgement could then miss its deadline:
 *   two round trips must be left.
 *
 * A hold ends with its connection.  It costs no memory but this struct. */
#ifndef HS2NI_MSG_TX_HOLD_H
#define HS2NI_MSG_TX_HOLD_H

#include "base/timer.h"

struct hs2ni_tx_lane;
struct hs2ni_tx_msg;

struct hs2ni_tx_hold {
  hs2n_time wait_ns;  /* 0: nothing is held */
  hs2n_time until;    /* 0: the link has not asked yet */
  hs2n_time deadline; /* the earliest of those held; 0: none */
  struct hs2ni_timer timer;
};

void hs2ni_tx_hold_init(struct hs2ni_tx_lane *lane);
/* m is about to be put at the end of its lane and may be held back wait_ns.
 * Returns whether it is. */
bool hs2ni_tx_hold_join(struct hs2ni_tx_msg *m, hs2n_time wait_ns);
/* Whether the fresh messages of the lane are not to be offered now, as far as
 * that is known before the link asks. */
bool hs2ni_tx_held(const struct hs2ni_tx_lane *lane);
/* The link asks: the same, and the wait begins if it has not. */
bool hs2ni_tx_hold_asked(struct hs2ni_tx_lane *lane);
/* A message has left the lane, perhaps the last that was held. */
void hs2ni_tx_hold_left(struct hs2ni_tx_lane *lane);
/* Lets all go. */
void hs2ni_tx_hold_end(struct hs2ni_tx_lane *lane);

#endif /* HS2NI_MSG_TX_HOLD_H */
