#include "base/addr.h"
#include "base/rng.h"
#include "hex.h"
#include "tap.h"
#include "wire/hello.h"

#include <hs2net/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The values of keys 1 to 9, for tests that change one of them. */
static const char *const plain[10] = {
    NULL,
    "01 6161",               /* chain id "a" */
    "02 01",                 /* protocol 1 */
    "03 01",                 /* to 1 */
    "04 05",                 /* incarnation */
    "05 07",                 /* epoch */
    "06 00",                 /* capabilities */
    "07 81 467f0000011b58",  /* 127.0.0.1:7000 */
    "08 81 4100",            /* one record */
    "09 81 83 03 01 1903e8", /* type 3, lane 1, 1000 bytes */
};

/* A hello with the value of one key replaced, and more behind the last. */
static struct hs2n_span make(uint8_t *bytes, unsigned key, const char *value,
                             const char *more, uint8_t pairs) {
  size_t len = 1;

  bytes[0] = (uint8_t)(0xa0 + pairs);
  for (unsigned k = 1; k < 10; k++) {
    len += hex_read(k == key ? value : plain[k], bytes + len);
  }
  len += hex_read(more, bytes + len);
  return (struct hs2n_span){bytes, len};
}

static void check_same(const struct hs2ni_hello *a,
                       const struct hs2ni_hello *b) {
  REQUIRE(a->chain_id.len == b->chain_id.len && a->addrs_n == b->addrs_n &&
          a->records_n == b->records_n && a->types_n == b->types_n);
  CHECK_MEM(a->chain_id.data, b->chain_id.data, a->chain_id.len);
  CHECK_EQ(a->version_min, b->version_min);
  CHECK_EQ(a->version_max, b->version_max);
  CHECK(a->incarnation == b->incarnation);
  CHECK(a->epoch == b->epoch);
  CHECK(a->capabilities == b->capabilities);
  CHECK(a->bodies_bytes == b->bodies_bytes);
  for (size_t i = 0; i < a->addrs_n; i++) {
    CHECK(hs2ni_addr_equal(&a->addrs[i], &b->addrs[i]));
  }
  for (size_t i = 0; i < a->records_n; i++) {
    CHECK_EQ(a->records[i].len, b->records[i].len);
    if (a->records[i].len > 0 && a->records[i].len == b->records[i].len) {
      CHECK_MEM(a->records[i].data, b->records[i].data, a->records[i].len);
    }
  }
  for (size_t i = 0; i < a->types_n; i++) {
    CHECK_EQ(a->types[i].id, b->types[i].id);
    CHECK_EQ(a->types[i].lane, b->types[i].lane);
    CHECK_EQ(a->types[i].size_max, b->types[i].size_max);
  }
}

static struct hs2ni_hello any_hello(struct hs2ni_rng *rng) {
  static const uint8_t text[] =
      "abcdefghijklmnopqrstuvwxyz0123456789-.abcdefghijklmnopqrstuvwxyz";
  struct hs2ni_hello h = {
      .chain_id = {text, 1 + hs2ni_rng_below(rng, HS2N_CHAIN_ID_MAX)},
      .version_min = 1 + (uint32_t)hs2ni_rng_below(rng, 40),
      .incarnation = 1 + (hs2ni_rng_next(rng) >> 1),
      .epoch = hs2ni_rng_next(rng) >> hs2ni_rng_below(rng, 64),
      .capabilities = hs2ni_rng_next(rng) >> hs2ni_rng_below(rng, 64),
      .addrs_n = hs2ni_rng_below(rng, HS2NI_HELLO_ADDRS_MAX + 1),
      .records_n = hs2ni_rng_below(rng, HS2NI_HELLO_RECORDS_MAX + 1),
      .bodies_bytes = hs2ni_rng_next(rng) >> hs2ni_rng_below(rng, 64),
  };

  h.version_max = h.version_min + (uint32_t)hs2ni_rng_below(rng, 40);
  for (size_t i = 0; i < h.addrs_n; i++) {
    h.addrs[i].family =
        hs2ni_rng_below(rng, 2) ? HS2N_FAMILY_IPV4 : HS2N_FAMILY_IPV6;
    h.addrs[i].port = (uint16_t)hs2ni_rng_next(rng);
    for (size_t k = 0; k < hs2ni_addr_ip_len(h.addrs[i].family); k++) {
      h.addrs[i].ip[k] = (uint8_t)hs2ni_rng_next(rng);
    }
  }
  for (size_t i = 0; i < h.records_n; i++) {
    h.records[i] = (struct hs2n_span){text, hs2ni_rng_below(rng, 65)};
  }
  for (uint8_t id = 0; id < HS2N_TYPES_MAX; id++) {
    if (hs2ni_rng_below(rng, 4) == 0) {
      h.types[h.types_n++] = (struct hs2ni_hello_type){
          .id = id,
          .lane = (uint8_t)hs2ni_rng_below(rng, HS2N_LANES),
          .size_max = (uint32_t)hs2ni_rng_below(rng, HS2N_BODY_MAX + 1ull),
      };
    }
  }
  return h;
}

static void any_hello_survives_a_round_trip_and_no_prefix_does(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 1);
  for (int i = 0; i < 500; i++) {
    const struct hs2ni_hello want = any_hello(&rng);
    uint8_t bytes[HS2NI_HELLO_MAX];
    struct hs2ni_hello got;
    const int len = hs2ni_hello_encode(&want, bytes);

    REQUIRE(len > 0);
    REQUIRE(hs2ni_hello_decode((struct hs2n_span){bytes, (size_t)len}, &got) ==
            HS2N_OK);
    check_same(&got, &want);
    for (size_t n = 0; n < (size_t)len; n++) {
      CHECK_EQ(hs2ni_hello_decode((struct hs2n_span){bytes, n}, &got),
               HS2N_ERR_TRUNCATED);
    }
  }
}

static void the_plain_hello_reads_as_it_looks(void) {
  uint8_t bytes[256];
  struct hs2ni_hello h;
  char text[HS2N_ADDR_TEXT_MAX];

  REQUIRE(hs2ni_hello_decode(make(bytes, 0, "", "", 9), &h) == HS2N_OK);
  CHECK_EQ(h.chain_id.len, 1);
  CHECK_EQ(h.chain_id.data[0], 'a');
  CHECK_EQ(h.version_min, 1);
  CHECK_EQ(h.version_max, 1);
  CHECK_EQ(h.incarnation, 5);
  CHECK_EQ(h.epoch, 7);
  CHECK_EQ(h.capabilities, 0);
  REQUIRE(h.addrs_n == 1 && h.records_n == 1 && h.types_n == 1);
  CHECK_TEXT(hs2n_addr_text(&h.addrs[0], text), "127.0.0.1:7000");
  CHECK_EQ(h.records[0].len, 1);
  CHECK_EQ(h.types[0].id, 3);
  CHECK_EQ(h.types[0].lane, 1);
  CHECK_EQ(h.types[0].size_max, 1000);
}

static void values_out_of_range_are_refused(void) {
  static const struct {
    unsigned key;
    const char *value;
    int want;
  } cases[] = {
      {1, "01 60", HS2N_ERR_MALFORMED},   /* no chain id */
      {1, "01 6141", HS2N_ERR_MALFORMED}, /* "A" */
      {1, "01 610a", HS2N_ERR_MALFORMED}, /* a line break for the log */
      {1, "01 62c3a4", HS2N_ERR_MALFORMED},
      {1, "01 4161", HS2N_ERR_MALFORMED}, /* bytes */
      {1, "01 7841", HS2N_ERR_TOO_BIG},   /* 65 characters */
      {2, "02 00", HS2N_ERR_MALFORMED},   /* protocol 0 */
      {2, "02 02", HS2N_ERR_MALFORMED},   /* above the highest */
      {2, "02 1b0000000100000000", HS2N_ERR_MALFORMED},
      {4, "04 00", HS2N_ERR_MALFORMED}, /* incarnation 0 */
      {5, "05 20", HS2N_ERR_MALFORMED},
      {5, "05 1807", HS2N_ERR_MALFORMED}, /* longer form */
      {7, "07 80", HS2N_OK},
      {7, "07 85", HS2N_ERR_TOO_BIG},
      {7, "07 81 457f00000100", HS2N_ERR_MALFORMED}, /* lengths */
      {7, "07 81 477f000001001b58", HS2N_ERR_MALFORMED},
      {7, "07 81 53", HS2N_ERR_TOO_BIG},
      {7, "07 81 00", HS2N_ERR_MALFORMED},
      {8, "08 80", HS2N_ERR_MALFORMED}, /* none: leave it out */
      {8, "08 89", HS2N_ERR_TOO_BIG},
      {8, "08 81 40", HS2N_OK},
      {8, "08 81 591001", HS2N_ERR_TOO_BIG}, /* 4097 bytes */
      {8, "08 81 60", HS2N_ERR_MALFORMED},
      {9, "09 80", HS2N_OK},
      {9, "09 9841", HS2N_ERR_TOO_BIG},        /* 65 types */
      {9, "09 81 820301", HS2N_ERR_MALFORMED}, /* elements */
      {9, "09 81 8403010000", HS2N_ERR_TOO_BIG},
      {9, "09 81 83 1840 01 00", HS2N_ERR_MALFORMED}, /* type 64 */
      {9, "09 81 83 03 06 00", HS2N_ERR_MALFORMED},   /* lane 6 */
      {9, "09 81 83 03 01 1a04000000", HS2N_OK},      /* HS2N_BODY_MAX */
      {9, "09 81 83 03 01 1a04000001", HS2N_ERR_TOO_BIG},
      {9, "09 82 83030100 83030100", HS2N_ERR_MALFORMED}, /* twice */
      {9, "09 82 83040100 83030100", HS2N_ERR_MALFORMED}, /* out of order */
      {9, "09 82 83183f0100 83183f0100", HS2N_ERR_MALFORMED},
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[256];
    struct hs2ni_hello h;
    const int got = hs2ni_hello_decode(
        make(bytes, cases[i].key, cases[i].value, "", 9), &h);

    if (got != cases[i].want) {
      printf("# %s gives %d, want %d\n", cases[i].value, got, cases[i].want);
      CHECK(false);
    }
  }
}

static void
every_key_that_is_not_optional_must_be_there_once_and_in_order(void) {
  uint8_t bytes[256];
  struct hs2ni_hello h;

  for (unsigned key = 1; key < 10; key++) {
    char twice[64];

    CHECK_EQ(hs2ni_hello_decode(make(bytes, key, "", "", 8), &h),
             key == 8 ? HS2N_OK : HS2N_ERR_MALFORMED);
    /* The same with an unknown key to make up the number. */
    CHECK_EQ(hs2ni_hello_decode(make(bytes, key, "", "0b 00", 9), &h),
             key == 8 ? HS2N_OK : HS2N_ERR_MALFORMED);
    snprintf(twice, sizeof(twice), "%s %s", plain[key], plain[key]);
    CHECK_EQ(hs2ni_hello_decode(make(bytes, key, twice, "", 10), &h),
             HS2N_ERR_MALFORMED);
    /* Behind a later one, where it is out of order. */
    CHECK_EQ(
        hs2ni_hello_decode(
            make(bytes, key, "0b 00", key == 9 ? "0980" : plain[key], 10), &h),
        HS2N_ERR_MALFORMED);
  }
}

static void bytes_of_bodies_are_one_or_more_or_not_said(void) {
  uint8_t bytes[256];
  struct hs2ni_hello h;

  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "", 9), &h), HS2N_OK);
  CHECK_EQ(h.bodies_bytes, 0);
  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "0a 01", 10), &h), HS2N_OK);
  CHECK_EQ(h.bodies_bytes, 1);
  CHECK_EQ(
      hs2ni_hello_decode(make(bytes, 0, "", "0a 1bffffffffffffffff", 10), &h),
      HS2N_OK);
  CHECK(h.bodies_bytes == UINT64_MAX);
  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "0a 00", 10), &h),
           HS2N_ERR_MALFORMED);
  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "0a 20", 10), &h),
           HS2N_ERR_MALFORMED);
}

static void unknown_keys_are_skipped(void) {
  static const char *const values[] = {
      "0b 00",
      "0b 63616263 0c 8301 a2010203f6 4100",
      "1903e8 f5 1affffffff 20",
      "0b 81818181 81818180",
  };
  static const uint8_t pairs[] = {10, 11, 11, 10};
  uint8_t bytes[256];
  struct hs2ni_hello want;
  struct hs2ni_hello got;

  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "", 9), &want), HS2N_OK);
  for (size_t i = 0; i < ARRAY_LEN(values); i++) {
    uint8_t more[256];

    CHECK_EQ(hs2ni_hello_decode(make(more, 0, "", values[i], pairs[i]), &got),
             HS2N_OK);
    check_same(&got, &want);
  }
  /* Between the known keys there is room before the first one only. */
  CHECK_EQ(hs2ni_hello_decode(make(bytes, 1, "00 80 01 6161", "", 10), &got),
           HS2N_OK);
}

/* covers: H14 */
static void unknown_values_are_bounded(void) {
  static const char *const cases[] = {
      "0b 818181818181818180", /* nine deep */
      "0b 9b00ffffffffffffff", /* counts and lengths that are lies */
      "0b bb7fffffffffffffff",
      "0b 5affffffff",
      "0b 7bffffffffffffffff",
      "0b c000", /* kinds that are never skipped */
      "0b f90000",
      "0b 9fff",
      "0b 1817",
      "1b0000000100000000 00", /* key above 32 bits */
      "20 00",                 /* other keys */
      "6161 00",
      "180b 00", /* longer form of a key */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[256] = {0};
    struct hs2ni_hello h;
    struct hs2n_span in = make(bytes, 0, "", cases[i], 10);
    int got;

    in.len = sizeof(bytes); /* no lack of bytes */
    got = hs2ni_hello_decode(in, &h);
    CHECK(got == HS2N_ERR_MALFORMED || got == HS2N_ERR_TOO_BIG);
  }
}

/* covers: H14 */
static void nothing_may_follow_the_map(void) {
  uint8_t bytes[256];
  struct hs2ni_hello h;

  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "00", 9), &h),
           HS2N_ERR_MALFORMED);
  CHECK_EQ(hs2ni_hello_decode(make(bytes, 0, "", "", 10), &h),
           HS2N_ERR_TRUNCATED);
}

static void only_a_map_of_enough_pairs_is_a_hello(void) {
  for (unsigned byte = 0; byte < 256; byte++) {
    const uint8_t first = (uint8_t)byte;
    struct hs2ni_hello h;
    const int got = hs2ni_hello_decode((struct hs2n_span){&first, 1}, &h);

    /* Eight pairs or more, or a count that is still to come. */
    if (byte >= 0xa8 && byte <= 0xb9) {
      CHECK_EQ(got, HS2N_ERR_TRUNCATED);
    } else {
      CHECK(got == HS2N_ERR_MALFORMED || got == HS2N_ERR_TOO_BIG);
    }
  }
}

static void a_hello_above_the_limit_is_neither_read_nor_written(void) {
  static const uint8_t bytes[HS2NI_HELLO_MAX + 1];
  uint8_t out[HS2NI_HELLO_MAX];
  struct hs2ni_rng rng;
  struct hs2ni_hello h;

  CHECK_EQ(hs2ni_hello_decode((struct hs2n_span){bytes, sizeof(bytes)}, &h),
           HS2N_ERR_TOO_BIG);
  hs2ni_rng_seed(&rng, 2);
  h = any_hello(&rng);
  h.types_n = 0;
  h.records_n = 1;
  h.records[0] = (struct hs2n_span){bytes, HS2NI_HELLO_MAX - 200};
  CHECK(hs2ni_hello_encode(&h, out) > (int)HS2NI_HELLO_MAX - 200);
  CHECK_EQ(
      hs2ni_hello_decode(
          (struct hs2n_span){out, (size_t)hs2ni_hello_encode(&h, out)}, &h),
      HS2N_OK);
  h.records[0] = (struct hs2n_span){bytes, HS2NI_HELLO_MAX};
  CHECK_EQ(hs2ni_hello_encode(&h, out), HS2N_ERR_TOO_BIG);
}

/* One byte of a good hello changed in every way: what is still read is written
 * back to the same bytes, so no two encodings mean the same. */
static void whatever_is_read_has_one_encoding(void) {
  uint8_t bytes[256];
  const struct hs2n_span good = make(bytes, 0, "", "", 9);
  int read = 0;

  for (size_t at = 0; at < good.len; at++) {
    const uint8_t was = bytes[at];

    for (unsigned byte = 0; byte < 256; byte++) {
      uint8_t again[HS2NI_HELLO_MAX];
      struct hs2ni_hello h;

      bytes[at] = (uint8_t)byte;
      if (hs2ni_hello_decode(good, &h) == HS2N_OK && h.types_n == 1 &&
          h.records_n == 1) {
        REQUIRE(hs2ni_hello_encode(&h, again) == (int)good.len);
        CHECK_MEM(again, bytes, good.len);
        read++;
      }
    }
    bytes[at] = was;
  }
  CHECK(read > 2000); /* contents of strings, and small numbers */
}

int main(void) {
  RUN(any_hello_survives_a_round_trip_and_no_prefix_does);
  RUN(the_plain_hello_reads_as_it_looks);
  RUN(values_out_of_range_are_refused);
  RUN(every_key_that_is_not_optional_must_be_there_once_and_in_order);
  RUN(bytes_of_bodies_are_one_or_more_or_not_said);
  RUN(unknown_keys_are_skipped);
  RUN(unknown_values_are_bounded);
  RUN(nothing_may_follow_the_map);
  RUN(only_a_map_of_enough_pairs_is_a_hello);
  RUN(a_hello_above_the_limit_is_neither_read_nor_written);
  RUN(whatever_is_read_has_one_encoding);
  return tap_done();
}
