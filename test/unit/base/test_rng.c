#include "base/rng.h"
#include "tap.h"

/* From the authors' own C code, xoshiro256** seeded by splitmix64 with 0. */
static void gives_the_published_sequence(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 0);
  CHECK(rng.s[0] == 0xe220a8397b1dcdafu);
  CHECK(rng.s[3] == 0xf88bb8a8724c81ecu);
  CHECK(hs2ni_rng_next(&rng) == 0x99ec5f36cb75f2b4u);
  CHECK(hs2ni_rng_next(&rng) == 0xbf6e1f784956452au);
}

static void same_seed_same_sequence(void) {
  struct hs2ni_rng a;
  struct hs2ni_rng b;

  hs2ni_rng_seed(&a, 7);
  hs2ni_rng_seed(&b, 7);
  for (int i = 0; i < 100; i++) {
    CHECK(hs2ni_rng_next(&a) == hs2ni_rng_next(&b));
  }
}

static void below_is_below_and_even(void) {
  static const uint64_t bounds[] = {1, 2, 3, 10, 1u << 20, UINT64_MAX};
  struct hs2ni_rng rng;
  int hits[3] = {0};

  hs2ni_rng_seed(&rng, 1);
  for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
    for (int k = 0; k < 1000; k++) {
      CHECK(hs2ni_rng_below(&rng, bounds[i]) < bounds[i]);
    }
  }
  for (int k = 0; k < 30000; k++) {
    hits[hs2ni_rng_below(&rng, 3)]++;
  }
  for (int i = 0; i < 3; i++) {
    CHECK(hits[i] > 9700 && hits[i] < 10300); /* 3.7 standard deviations */
  }
}

/* Two thirds of 2^64: a plain remainder would give the lower half twice as
 * often as the upper one. */
static void below_has_no_modulo_bias(void) {
  const uint64_t bound = UINT64_MAX / 3 * 2;
  struct hs2ni_rng rng;
  int low = 0;

  hs2ni_rng_seed(&rng, 2);
  for (int k = 0; k < 10000; k++) {
    low += hs2ni_rng_below(&rng, bound) < bound / 2;
  }
  CHECK(low > 4800 && low < 5200);
}

int main(void) {
  RUN(gives_the_published_sequence);
  RUN(same_seed_same_sequence);
  RUN(below_is_below_and_even);
  RUN(below_has_no_modulo_bias);
  return tap_done();
}
