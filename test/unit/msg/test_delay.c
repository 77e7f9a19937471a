/* How long peers took lately. */
#include "base/rng.h"
#include "msg/delay.h"
#include "tap.h"

#include <stdlib.h>

static void nothing_is_known_at_first(void) {
  const struct hs2ni_delay d = {0};

  CHECK_EQ(hs2ni_delay_quantile(&d, 0), 0);
  CHECK_EQ(hs2ni_delay_quantile(&d, 1000), 0);
}

static void one_sample_says_it_all(void) {
  struct hs2ni_delay d = {0};

  hs2ni_delay_add(&d, 0); /* shorter than can be told */
  CHECK_EQ(hs2ni_delay_quantile(&d, 500), HS2N_US(1));
  hs2ni_delay_add(&d, 3);
  CHECK_EQ(hs2ni_delay_quantile(&d, 500), HS2N_US(1));
  CHECK_EQ(hs2ni_delay_quantile(&d, 501), HS2N_US(3));
  CHECK_EQ(hs2ni_delay_quantile(&d, 1000), HS2N_US(3));
}

static int by_value(const void *a, const void *b) {
  const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

  return (x > y) - (x < y);
}

/* The least of the newest samples that enough of them are not above. */
static uint64_t naive(const uint32_t *all, uint32_t n, uint32_t permille) {
  uint32_t v[HS2NI_DELAY_SAMPLES];
  const uint32_t used = n < HS2NI_DELAY_SAMPLES ? n : HS2NI_DELAY_SAMPLES;

  memcpy(v, all + n - used, used * sizeof(v[0]));
  qsort(v, used, sizeof(v[0]), by_value);
  for (uint32_t i = 0; i < used; i++) {
    if ((uint64_t)(i + 1) * 1000 >= (uint64_t)permille * used) {
      return v[i];
    }
  }
  return 0;
}

static void quantiles_are_those_of_the_newest_samples(void) {
  struct hs2ni_delay d = {0};
  struct hs2ni_rng rng;
  uint32_t all[300];

  hs2ni_rng_seed(&rng, 3);
  for (uint32_t n = 1; n <= 300; n++) {
    all[n - 1] = 1 + (uint32_t)hs2ni_rng_below(&rng, n % 7 == 0 ? 3 : 5000000);
    hs2ni_delay_add(&d, all[n - 1]);
    for (uint32_t permille = 1; permille <= 1000; permille += 37) {
      CHECK_EQ(hs2ni_delay_quantile(&d, permille),
               HS2N_US(naive(all, n, permille)));
    }
  }
}

int main(void) {
  RUN(nothing_is_known_at_first);
  RUN(one_sample_says_it_all);
  RUN(quantiles_are_those_of_the_newest_samples);
  return tap_done();
}
