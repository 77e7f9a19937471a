/* tx_busy: how often and how much a lane sends again to a peer that says BUSY.
 *
 * A peer may say it for ever, and each time have a whole queue sent, and
 * compressed, once more.  So
 *
 * - each BUSY after another, with nothing taken between them, doubles the
 * pause, from busy_pause_ms up to busy_pause_max_ms, less up to a quarter by
 * chance, so that those whom one peer has refused do not come back together. As
 * soon as the peer takes something, the pause is what it was at first;
 * - what goes after a BUSY is one message more than the peer has taken since
 * the BUSY before, and one more for each that it takes now.  So what goes in
 * vain is one message a pause and two for each that was taken, whatever the
 * peer says; and who was only busy for a moment gets as much at once as it took
 *   before.
 *
 * It costs no memory but this struct. */
#ifndef HS2NI_MSG_TX_BUSY_H
#define HS2NI_MSG_TX_BUSY_H

#include "base/env.h"

struct hs2ni_tx_lane;
struct hs2ni_tx_msg;

/* Of a tx_lane, for its messages that have an order. */
struct hs2ni_tx_busy {
  uint64_t taken;        /* messages, since the last BUSY */
  uint64_t taken_before; /* and between that and the BUSY before */
  uint32_t row;          /* BUSYs with nothing taken between them */
  uint32_t out_n;        /* messages with tx_msg.out */
  bool wary;             /* there was a BUSY */
};

/* How long to wait after so many BUSYs in a row, at least one. */
hs2n_time hs2ni_tx_busy_pause(struct hs2ni_env *env, uint32_t row);
/* The peer refuses all that has been sent of the lane and not been judged.
 * Returns how long nothing is sent. */
hs2n_time hs2ni_tx_busy_said(struct hs2ni_tx_lane *lane);
/* m gets a frame, and its lane is wary. */
void hs2ni_tx_busy_framed(struct hs2ni_tx_msg *m);
/* m, which is out, has ended. */
void hs2ni_tx_busy_left(struct hs2ni_tx_msg *m);
/* The peer has taken a message with an order. */
void hs2ni_tx_busy_taken(struct hs2ni_tx_lane *lane);
/* Messages that may get a frame now. */
uint32_t hs2ni_tx_busy_room(const struct hs2ni_tx_lane *lane);
/* Another connection: nothing is out. */
void hs2ni_tx_busy_forget(struct hs2ni_tx_lane *lane);

#endif /* HS2NI_MSG_TX_BUSY_H */
