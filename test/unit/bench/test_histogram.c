#include "histogram.h"

#include <stdlib.h>
#include <tap.h>

static struct histogram a;
static struct histogram b;

static void empty_is_zero(void) {
  histogram_reset(&a);
  CHECK_EQ(histogram_percentile(&a, 0.5), 0);
  CHECK_EQ(histogram_mean(&a), 0);
}

static void one_value_is_every_percentile(void) {
  histogram_reset(&a);
  histogram_record(&a, 123456789);
  CHECK_EQ(histogram_percentile(&a, 0.001), 123456789);
  CHECK_EQ(histogram_percentile(&a, 0.5), 123456789);
  CHECK_EQ(histogram_percentile(&a, 1.0), 123456789);
}

static void small_values_are_exact(void) {
  histogram_reset(&a);
  for (uint64_t i = 0; i < 100; i++) {
    histogram_record(&a, i);
  }
  CHECK_EQ(histogram_percentile(&a, 0.5), 49);
  CHECK_EQ(histogram_percentile(&a, 0.99), 98);
  CHECK_EQ(a.min, 0);
  CHECK_EQ(a.max, 99);
  CHECK_EQ(histogram_mean(&a), 49);
}

static void takes_all_of_64_bits(void) {
  histogram_reset(&a);
  histogram_record(&a, UINT64_MAX);
  histogram_record(&a, UINT64_MAX);
  histogram_record(&a, 0);
  CHECK(histogram_percentile(&a, 1.0) == UINT64_MAX);
  CHECK_EQ(histogram_percentile(&a, 0.1), 0);
  CHECK(a.sum == UINT64_MAX);
}

static int compare(const void *x, const void *y) {
  const uint64_t p = *(const uint64_t *)x;
  const uint64_t q = *(const uint64_t *)y;

  return p < q ? -1 : p > q;
}

/* Against a sorted list, over nine orders of magnitude. */
static void percentiles_are_off_by_less_than_1_percent(void) {
  static uint64_t values[20000];
  const size_t n = sizeof(values) / sizeof(values[0]);
  uint64_t random = 7;

  histogram_reset(&a);
  histogram_reset(&b);
  for (size_t i = 0; i < n; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    values[i] = (random >> 20) >> (random >> 59);
    histogram_record(i % 2 == 0 ? &a : &b, values[i]);
  }
  histogram_merge(&a, &b);
  qsort(values, n, sizeof(values[0]), compare);
  for (int percent = 1; percent <= 100; percent++) {
    const uint64_t exact = values[(n * (size_t)percent + 99) / 100 - 1];
    const uint64_t got = histogram_percentile(&a, percent / 100.0);
    const uint64_t off = got > exact ? got - exact : exact - got;

    CHECK(off <= exact / 100);
  }
  CHECK_EQ(a.count, n);
  CHECK_EQ(a.min, values[0]);
  CHECK_EQ(a.max, values[n - 1]);
}

int main(void) {
  RUN(empty_is_zero);
  RUN(one_value_is_every_percentile);
  RUN(small_values_are_exact);
  RUN(takes_all_of_64_bits);
  RUN(percentiles_are_off_by_less_than_1_percent);
  return tap_done();
}
