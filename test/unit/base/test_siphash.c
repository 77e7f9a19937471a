/* The vectors of the reference code: key 00..0f, message 00..len-1. */
#include "base/siphash.h"
#include "tap.h"

#include <string.h>

static void sequence(uint8_t key[HS2NI_SIPHASH_KEY_LEN], uint8_t message[64]) {
  for (uint8_t i = 0; i < 64; i++) {
    message[i] = i;
  }
  memcpy(key, message, HS2NI_SIPHASH_KEY_LEN);
}

static void sixty_four_bits_are_the_published_ones(void) {
  static const struct {
    size_t len;
    uint64_t want;
  } cases[] = {
      {0, 0x726fdb47dd0e0e31u},  {1, 0x74f839c593dc67fdu},
      {7, 0xab0200f58b01d137u},  {8, 0x93f5f5799a932462u},
      {15, 0xa129ca6149be45e5u}, {63, 0x958a324ceb064572u},
  };
  uint8_t key[HS2NI_SIPHASH_KEY_LEN];
  uint8_t message[64];

  sequence(key, message);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    CHECK(hs2ni_siphash(key, (struct hs2n_span){message, cases[i].len}) ==
          cases[i].want);
  }
}

static void a_hundred_and_twenty_eight_bits_are_the_published_ones(void) {
  static const uint8_t want[3][HS2NI_SIPHASH128_LEN] = {
      {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14,
       0xc7, 0x55, 0x02, 0x93},
      {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11,
       0x9b, 0x22, 0xfc, 0x45},
      {0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7, 0xfc, 0xa3, 0x8b, 0xde,
       0xf6, 0x0a, 0xff, 0xe4},
  };
  uint8_t key[HS2NI_SIPHASH_KEY_LEN];
  uint8_t message[64];
  uint8_t out[HS2NI_SIPHASH128_LEN];

  sequence(key, message);
  for (size_t len = 0; len < 3; len++) {
    const struct hs2n_span whole = {message, len};

    hs2ni_siphash128(key, &whole, 1, out);
    CHECK(memcmp(out, want[len], sizeof(out)) == 0);
  }
}

static void parts_count_as_one_message(void) {
  uint8_t key[HS2NI_SIPHASH_KEY_LEN];
  uint8_t message[64];
  uint8_t whole[HS2NI_SIPHASH128_LEN];
  uint8_t cut[HS2NI_SIPHASH128_LEN];

  sequence(key, message);
  for (size_t len = 0; len <= 64; len++) {
    const struct hs2n_span one = {message, len};

    hs2ni_siphash128(key, &one, 1, whole);
    for (size_t at = 0; at <= len; at += 8) {
      const struct hs2n_span two[2] = {{message, at}, {message + at, len - at}};

      hs2ni_siphash128(key, two, 2, cut);
      CHECK(memcmp(whole, cut, sizeof(cut)) == 0);
    }
  }
}

int main(void) {
  RUN(sixty_four_bits_are_the_published_ones);
  RUN(a_hundred_and_twenty_eight_bits_are_the_published_ones);
  RUN(parts_count_as_one_message);
  return tap_done();
}
