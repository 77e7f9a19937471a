/* dedup: which messages of one (peer incarnation, lane) the application has
 * been given, and which of those it has judged.
 *
 * Messages are given in rising order, so a number at or below the newest is
 * a duplicate, whatever way it came.  Exactly what waits for a verdict is
 * remembered within a window; a number beyond the window can't be taken
 * until older ones are judged.  Fixed size, never allocates. */
#ifndef HS2NI_MSG_DEDUP_H
#define HS2NI_MSG_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HS2NI_DEDUP_WINDOW 1024u

/* All zero is a valid, empty window. */
struct hs2ni_dedup {
  uint64_t floor;  /* all that came at or below are judged */
  uint64_t newest; /* highest taken; >= floor */
  uint32_t open_n; /* taken, not judged */
  uint64_t open[HS2NI_DEDUP_WINDOW / 64];
  uint64_t judged[HS2NI_DEDUP_WINDOW / 64]; /* of (floor, newest] */
};

enum hs2ni_dedup_sight {
  HS2NI_DEDUP_NEW,    /* never taken */
  HS2NI_DEDUP_OPEN,   /* taken, its verdict is still to come */
  HS2NI_DEDUP_JUDGED, /* taken and judged, or passed over: acknowledge */
};

/* seq >= 1 in all of these. */
enum hs2ni_dedup_sight hs2ni_dedup_check(const struct hs2ni_dedup *d,
                                         uint64_t seq);
/* Whether a new number fits into the window now. */
bool hs2ni_dedup_room(const struct hs2ni_dedup *d, uint64_t seq);
/* Takes a new number for which there is room: it is open now. */
void hs2ni_dedup_take(struct hs2ni_dedup *d, uint64_t seq);
/* Closes an open number. */
void hs2ni_dedup_judge(struct hs2ni_dedup *d, uint64_t seq);
/* Undoes the take of the newest number, which is open: it is new again. */
void hs2ni_dedup_untake(struct hs2ni_dedup *d, uint64_t seq);
/* Writes the judged numbers above the floor, bit i (LSB first) for
 * floor + 1 + i, and returns the length without zero bytes at the end. */
size_t hs2ni_dedup_bitmap(const struct hs2ni_dedup *d,
                          uint8_t out[HS2NI_DEDUP_WINDOW / 8]);

#endif /* HS2NI_MSG_DEDUP_H */
