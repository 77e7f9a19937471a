#include "base/rng.h"

#include <assert.h>

static uint64_t rotate_left(uint64_t x, int k) {
  return x << k | x >> (64 - k);
}

/* splitmix64 (Steele, Lea and Flood 2014), the seeding that the authors of
 * xoshiro advise: it never gives four zeros in a row, the one bad state. */
static uint64_t splitmix(uint64_t *x) {
  uint64_t z;

  *x += 0x9e3779b97f4a7c15u;
  z = *x;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

void hs2ni_rng_seed(struct hs2ni_rng *rng, uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    rng->s[i] = splitmix(&seed);
  }
}

uint64_t hs2ni_rng_next(struct hs2ni_rng *rng) {
  uint64_t *s = rng->s;
  const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  const uint64_t t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate_left(s[3], 45);
  return result;
}

uint64_t hs2ni_rng_below(struct hs2ni_rng *rng, uint64_t bound) {
  uint64_t threshold;
  uint64_t x;

  assert(bound > 0);
  /* 2^64 mod bound: the numbers from here on fall evenly on the bound's
   * residues. */
  threshold = (0 - bound) % bound;
  do {
    x = hs2ni_rng_next(rng);
  } while (x < threshold);
  return x % bound;
}
