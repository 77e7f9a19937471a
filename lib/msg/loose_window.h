/* loose_window: which unordered messages of one (peer incarnation, lane) have
 * been taken, and which of those are judged.
 *
 * Their numbers come in any order, some never, and perhaps twice.  Exactly the
 * last HS2NI_LOOSE_WINDOW numbers are told apart; what is below is over: a
 * sender has no message open that is so far behind its newest.  Fixed size,
 * never allocates. */
#ifndef HS2NI_MSG_LOOSE_WINDOW_H
#define HS2NI_MSG_LOOSE_WINDOW_H

#include "msg/dedup.h"

/* Part of the protocol: how far apart the numbers of open messages may be. */
#define HS2NI_LOOSE_WINDOW 1024u

/* All zero is a valid, empty window. */
struct hs2ni_loose_window {
  uint64_t floor;  /* numbers at or below are over */
  uint64_t newest; /* highest taken; >= floor */
  uint64_t taken[HS2NI_LOOSE_WINDOW / 64];
  uint64_t judged[HS2NI_LOOSE_WINDOW / 64]; /* of (floor, newest] */
};

/* seq >= 1 in all of these. */
enum hs2ni_dedup_sight
hs2ni_loose_window_check(const struct hs2ni_loose_window *w, uint64_t seq);
/* Takes a new number.  One above the window moves it. */
void hs2ni_loose_window_take(struct hs2ni_loose_window *w, uint64_t seq);
/* Undoes a take: the number is new again, unless it is over. */
void hs2ni_loose_window_untake(struct hs2ni_loose_window *w, uint64_t seq);
/* Closes a taken number, unless it is over. */
void hs2ni_loose_window_judge(struct hs2ni_loose_window *w, uint64_t seq);
/* All numbers below base are over. */
void hs2ni_loose_window_raise(struct hs2ni_loose_window *w, uint64_t base);
/* Writes the judged numbers above the floor as hs2ni_dedup_bitmap does. */
size_t hs2ni_loose_window_bitmap(const struct hs2ni_loose_window *w,
                                 uint8_t out[HS2NI_LOOSE_WINDOW / 8]);

#endif /* HS2NI_MSG_LOOSE_WINDOW_H */
