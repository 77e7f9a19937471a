/* rng: a small seeded generator (xoshiro256**, Blackman and Vigna 2018) for
 * jitter and choices that a simulation must be able to repeat.  Not for
 * secrets. */
#ifndef HS2NI_BASE_RNG_H
#define HS2NI_BASE_RNG_H

#include <stdint.h>

struct hs2ni_rng {
  uint64_t s[4];
};

/* Any seed is fine, 0 too. */
void hs2ni_rng_seed(struct hs2ni_rng *rng, uint64_t seed);
uint64_t hs2ni_rng_next(struct hs2ni_rng *rng);
/* Uniform in [0, bound), bound >= 1, without modulo bias. */
uint64_t hs2ni_rng_below(struct hs2ni_rng *rng, uint64_t bound);

#endif /* HS2NI_BASE_RNG_H */
