#include "siphash.h"

#include <string.h>

struct state {
  uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by) {
  return x << by | x >> (64 - by);
}

static inline void round_once(struct state *s) {
  s->v0 += s->v1;
  s->v1 = rotate(s->v1, 13) ^ s->v0;
  s->v0 = rotate(s->v0, 32);
  s->v2 += s->v3;
  s->v3 = rotate(s->v3, 16) ^ s->v2;
  s->v0 += s->v3;
  s->v3 = rotate(s->v3, 21) ^ s->v0;
  s->v2 += s->v1;
  s->v1 = rotate(s->v1, 17) ^ s->v2;
  s->v2 = rotate(s->v2, 32);
}

/* Little-endian, as the paper has it, so that its test vectors hold. */
static inline uint64_t load(const uint8_t *at, size_t len) {
  uint64_t value = 0;

  for (size_t i = 0; i < len; i++) {
    value |= (uint64_t)at[i] << (8 * i);
  }
  return value;
}

static inline uint64_t load8(const uint8_t *at) {
  uint64_t value;

  memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  value = __builtin_bswap64(value);
#endif
  return value;
}

uint64_t rep_siphash13(const uint8_t key[REP_SIPHASH_KEY_LEN],
                       struct hs2n_span bytes) {
  const uint64_t k0 = load8(key);
  const uint64_t k1 = load8(key + 8);
  struct state s = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                    k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
  size_t at = 0;
  uint64_t last;

  for (; bytes.len - at >= 8; at += 8) {
    const uint64_t m = load8(bytes.data + at);

    s.v3 ^= m;
    round_once(&s);
    s.v0 ^= m;
  }
  last = (uint64_t)bytes.len << 56 |
         (bytes.len > at ? load(bytes.data + at, bytes.len - at) : 0);
  s.v3 ^= last;
  round_once(&s);
  s.v0 ^= last;
  s.v2 ^= 0xff;
  for (int i = 0; i < 3; i++) {
    round_once(&s);
  }
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
