#include "base/siphash.h"

#include <assert.h>

struct sip {
  uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t x, int k) {
  return x << k | x >> (64 - k);
}

static void sip_round(struct sip *s) {
  s->v0 += s->v1;
  s->v1 = rotate_left(s->v1, 13) ^ s->v0;
  s->v0 = rotate_left(s->v0, 32);
  s->v2 += s->v3;
  s->v3 = rotate_left(s->v3, 16) ^ s->v2;
  s->v0 += s->v3;
  s->v3 = rotate_left(s->v3, 21) ^ s->v0;
  s->v2 += s->v1;
  s->v1 = rotate_left(s->v1, 17) ^ s->v2;
  s->v2 = rotate_left(s->v2, 32);
}

static void sip_word(struct sip *s, uint64_t word) {
  s->v3 ^= word;
  sip_round(s);
  sip_round(s);
  s->v0 ^= word;
}

/* Little-endian number of up to 8 bytes. */
static uint64_t load(const uint8_t *at, size_t len) {
  uint64_t word = 0;

  for (size_t i = 0; i < len; i++) {
    word |= (uint64_t)at[i] << 8 * i;
  }
  return word;
}

/* The same of 8 bytes, in a form that compilers know. */
static uint64_t load8(const uint8_t *at) {
  return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
         (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
         (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

static struct sip sip_begin(const uint8_t *key) {
  const uint64_t k0 = load8(key);
  const uint64_t k1 = load8(key + 8);

  return (struct sip){
      .v0 = k0 ^ 0x736f6d6570736575u,
      .v1 = k1 ^ 0x646f72616e646f6du,
      .v2 = k0 ^ 0x6c7967656e657261u,
      .v3 = k1 ^ 0x7465646279746573u,
  };
}

static void sip_words(struct sip *s, struct hs2n_span bytes) {
  for (size_t i = 0; i + 8 <= bytes.len; i += 8) {
    sip_word(s, load8(bytes.data + i));
  }
}

/* What is left behind the whole words of bytes, and the length of all. */
static void sip_tail(struct sip *s, struct hs2n_span bytes, size_t total) {
  const size_t rest = bytes.len % 8;
  uint64_t last = (uint64_t)total << 56;

  if (rest > 0) {
    last |= load(bytes.data + bytes.len - rest, rest);
  }
  sip_word(s, last);
}

static uint64_t sip_out(struct sip *s) {
  for (int i = 0; i < 4; i++) {
    sip_round(s);
  }
  return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t hs2ni_siphash(const uint8_t key[HS2NI_SIPHASH_KEY_LEN],
                       struct hs2n_span bytes) {
  struct sip s = sip_begin(key);

  sip_words(&s, bytes);
  sip_tail(&s, bytes, bytes.len);
  s.v2 ^= 0xff;
  return sip_out(&s);
}

static void store8(uint8_t *out, uint64_t word) {
  for (int i = 0; i < 8; i++) {
    out[i] = (uint8_t)(word >> 8 * i);
  }
}

void hs2ni_siphash128(const uint8_t key[HS2NI_SIPHASH_KEY_LEN],
                      const struct hs2n_span *parts, size_t parts_n,
                      uint8_t out[HS2NI_SIPHASH128_LEN]) {
  struct sip s = sip_begin(key);
  size_t total = 0;

  assert(parts_n > 0);
  s.v1 ^= 0xee;
  for (size_t i = 0; i < parts_n; i++) {
    assert(i + 1 == parts_n || parts[i].len % 8 == 0);
    sip_words(&s, parts[i]);
    total += parts[i].len;
  }
  sip_tail(&s, parts[parts_n - 1], total);
  s.v2 ^= 0xee;
  store8(out, sip_out(&s));
  s.v1 ^= 0xdd;
  store8(out + 8, sip_out(&s));
}
