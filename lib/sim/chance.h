/* chance: random numbers of the simulator (splitmix64: Steele, Lea and Flood
 * 2014), one independent sequence for each use, so that one more draw of the
 * network does not change the load. */
#ifndef HS2NI_SIM_CHANCE_H
#define HS2NI_SIM_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct hs2ni_chance {
  uint64_t x;
};

static inline uint64_t hs2ni_mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static inline uint64_t hs2ni_chance_next(struct hs2ni_chance *c) {
  c->x += 0x9e3779b97f4a7c15u;
  return hs2ni_mix(c->x);
}

/* use tells the sequences of one seed apart. */
static inline struct hs2ni_chance hs2ni_chance_of(uint64_t seed, uint64_t use) {
  return (struct hs2ni_chance){hs2ni_mix(seed + 0x632be59bd9b4e019u) ^
                               hs2ni_mix(use * 0x9e3779b97f4a7c15u + 1)};
}

/* Uniform in [0, bound), bound >= 1. */
static inline uint64_t hs2ni_chance_below(struct hs2ni_chance *c,
                                          uint64_t bound) {
  const uint64_t threshold = (0 - bound) % bound; /* 2^64 mod bound */
  uint64_t x;

  do {
    x = hs2ni_chance_next(c);
  } while (x < threshold);
  return x % bound;
}

/* Draws nothing for 0, so that what is off does not disturb the rest. */
static inline bool hs2ni_chance_hits(struct hs2ni_chance *c, uint32_t ppm) {
  return ppm > 0 && hs2ni_chance_below(c, 1000000u) < ppm;
}

#endif /* HS2NI_SIM_CHANCE_H */
