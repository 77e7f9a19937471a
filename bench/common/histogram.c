#include "histogram.h"

#include <string.h>

#define SUB (1u << HISTOGRAM_SUB_BITS)

/* Values below SUB have a bucket each; above, the leading bit names a group
 * of SUB buckets and the bits after it the one inside. */
static uint32_t bucket_of(uint64_t value) {
  uint32_t shift;

  if (value < SUB) {
    return (uint32_t)value;
  }
  shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
  return ((shift + 1) << HISTOGRAM_SUB_BITS) +
         (uint32_t)((value >> shift) & (SUB - 1));
}

/* The middle of a bucket. */
static uint64_t value_of(uint32_t bucket) {
  const uint32_t group = bucket >> HISTOGRAM_SUB_BITS;
  uint64_t low;

  if (group == 0) {
    return bucket;
  }
  low = (uint64_t)(SUB + (bucket & (SUB - 1))) << (group - 1);
  return low + ((UINT64_C(1) << (group - 1)) >> 1);
}

void histogram_reset(struct histogram *h) {
  memset(h, 0, sizeof(*h));
}

void histogram_record(struct histogram *h, uint64_t value) {
  if (h->count == 0 || value < h->min) {
    h->min = value;
  }
  if (value > h->max) {
    h->max = value;
  }
  h->sum = value > UINT64_MAX - h->sum ? UINT64_MAX : h->sum + value;
  h->count++;
  h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *other) {
  if (other->count == 0) {
    return;
  }
  if (h->count == 0 || other->min < h->min) {
    h->min = other->min;
  }
  if (other->max > h->max) {
    h->max = other->max;
  }
  h->sum = other->sum > UINT64_MAX - h->sum ? UINT64_MAX : h->sum + other->sum;
  h->count += other->count;
  for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    h->buckets[i] += other->buckets[i];
  }
}

static uint64_t within(const struct histogram *h, uint64_t value) {
  if (value < h->min) {
    return h->min;
  }
  return value > h->max ? h->max : value;
}

uint64_t histogram_percentile(const struct histogram *h, double part) {
  const double wanted = part * (double)h->count;
  uint64_t seen = 0;

  if (part >= 1.0) {
    return h->max;
  }
  for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->buckets[i];
    if (h->buckets[i] > 0 && (double)seen >= wanted) {
      return within(h, value_of(i));
    }
  }
  return h->max;
}

uint64_t histogram_mean(const struct histogram *h) {
  return h->count == 0 ? 0 : h->sum / h->count;
}
