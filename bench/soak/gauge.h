/* gauge: what the process uses, minute by minute.
 *
 * A leak is seen in the lows: in each minute all that was sent is delivered at
 * some time, and what is then still held was not given back.  A limit that is
 * not kept is seen in the peaks. */
#ifndef SOAK_GAUGE_H
#define SOAK_GAUGE_H

#include <hs2net/mem.h>
#include <stdbool.h>
#include <stdint.h>

#define GAUGE_MINUTES_MAX 1500

struct gauge_range { /* over a minute */
  uint64_t low;
  uint64_t peak;
};

struct gauge_minute {
  struct gauge_range rss;  /* bytes, sampled */
  struct gauge_range live; /* bytes of hs2n_mem, exact */
  uint64_t other;          /* bytes of malloc in use beside live; 0: unknown */
  double cpu;              /* part of one core */
};

struct gauge {
  struct hs2n_mem mem; /* counts; for all nodes */
  uint64_t live;
  struct gauge_minute now; /* so far */
  uint64_t cpu_ns;         /* of the process, when the minute began */
  uint64_t wall_ns;
  struct gauge_minute minutes[GAUGE_MINUTES_MAX];
  uint32_t minutes_n;
};

/* Must not move afterwards. */
void gauge_init(struct gauge *g, uint64_t now);

/* To be called often. */
void gauge_sample(struct gauge *g);

/* Ends a minute, and returns it. */
const struct gauge_minute *gauge_minute(struct gauge *g, uint64_t now);

/* How much the last third lies above the middle third, in bytes. */
struct gauge_growth {
  bool known; /* false: fewer than 6 minutes */
  int64_t live_low;
  int64_t live_peak;
  int64_t other;
  int64_t rss_low;
  bool flat;
};
struct gauge_growth gauge_growth(const struct gauge *g);

#endif /* SOAK_GAUGE_H */
