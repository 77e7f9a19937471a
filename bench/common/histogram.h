/* histogram: counts of values over many orders of magnitude.
 *
 * Buckets are log-linear, as in HdrHistogram: each power of two is cut into
 * 128, so a percentile is off by less than 0.8 %.  Recording allocates
 * nothing and takes a few nanoseconds. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

/* The zero value is empty. */
struct histogram {
  uint64_t count;
  uint64_t sum; /* saturates */
  uint64_t min;
  uint64_t max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);

/* Adds all that other has counted. */
void histogram_merge(struct histogram *h, const struct histogram *other);

/* The value below which this part of all lies, 0 < part <= 1, such as 0.99;
 * exact for min and max; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double part);

uint64_t histogram_mean(const struct histogram *h);

#endif /* BENCH_HISTOGRAM_H */
