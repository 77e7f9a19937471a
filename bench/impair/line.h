/* line: one direction of an emulated link.
 *
 * What a packet meets, in this order: a cut, the MTU, loss, the queue in
 * front of the link's rate, delay.  Packets keep their order but for those
 * that `reorder` lets overtake.  A line is a function of its seed, of the
 * packets and of the times that it is given, in ns. */
#ifndef IMPAIR_LINE_H
#define IMPAIR_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* On their way on one line; what comes on top is counted as overflow. */
#define LINE_PACKETS_MAX 16384

/* A chance is a number of a million. */
#define LINE_CERTAIN 1000000u

struct line_settings {
  bool cut;
  uint32_t mtu; /* larger packets vanish without a word; 0: no limit */
  uint32_t loss;
  uint32_t burst_begin; /* chance of a packet to begin a burst of losses */
  uint32_t burst_end;   /* chance of each packet of a burst to be past it */
  uint32_t duplicate;
  uint32_t corrupt; /* one bit behind the headers of IPv4 and UDP */
  uint32_t reorder; /* chance to go ahead without delay */
  uint64_t delay;
  uint64_t jitter;      /* up to so much more */
  uint64_t rate;        /* bits a second; 0: no limit */
  uint64_t queue_bytes; /* that wait for the rate */
};

/* X(field, what it counts) */
#define LINE_COUNTERS(X)     \
  X(taken, "packets put in") \
  X(sent, "came out")        \
  X(cut, "met a cut")        \
  X(too_big, "over the MTU") \
  X(lost, "lost by chance")  \
  X(overflow, "no room")     \
  X(duplicated, "twice")     \
  X(corrupted, "a bit bent") \
  X(reordered, "overtook")

struct line_counters {
#define X(field, text) uint64_t field;
  LINE_COUNTERS(X)
#undef X
};

struct line_packet {
  uint64_t due;
  uint64_t number; /* orders those that are due together */
  size_t len;
  uint8_t *bytes; /* of malloc */
};

struct line {
  struct line_settings settings; /* may be changed at any time */
  struct line_counters counters;
  uint64_t random;
  bool in_burst;
  uint64_t free_at;  /* when the rate has let through what was queued */
  uint64_t last_due; /* of those that keep their order */
  uint64_t numbers;
  struct line_packet *heap; /* least (due, number) first */
  size_t count;
  size_t capacity;
};

/* A line that changes nothing.  No two of a lab should have one seed. */
void line_init(struct line *line, uint64_t seed);
void line_fini(struct line *line);

/* Takes a copy of a packet.  Without memory for it, it is overflow. */
void line_put(struct line *line, const uint8_t *bytes, size_t len,
              uint64_t now);

/* When line_take has something; UINT64_MAX: never. */
uint64_t line_due(const struct line *line);

/* The next packet that has arrived, whose bytes are the caller's to free;
 * false when there is none. */
bool line_take(struct line *line, uint64_t now, struct line_packet *out);

#endif /* IMPAIR_LINE_H */
