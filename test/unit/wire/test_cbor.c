#include "base/rng.h"
#include "hex.h"
#include "tap.h"
#include "wire/cbor_reader.h"
#include "wire/cbor_writer.h"

#include <hs2net/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* Values around every change of form. */
static const uint64_t edges[] = {
    0,
    1,
    23,
    24,
    255,
    256,
    65535,
    65536,
    UINT32_MAX,
    1ull << 32,
    UINT64_MAX - 1,
    UINT64_MAX,
};

static struct hs2ni_cbor_reader over(const char *hex, uint8_t *bytes) {
  return hs2ni_cbor_reader_over(
      (struct hs2n_span){bytes, hex_read(hex, bytes)});
}

static void numbers_have_the_forms_of_rfc_8949(void) {
  static const struct {
    uint64_t value;
    const char *want;
  } cases[] = {
      {0, "00"},
      {23, "17"},
      {24, "1818"},
      {255, "18ff"},
      {256, "190100"},
      {65535, "19ffff"},
      {65536, "1a00010000"},
      {1000000000000, "1b000000e8d4a51000"},
      {UINT64_MAX, "1bffffffffffffffff"},
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[16];
    char text[40];
    struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(bytes, sizeof(bytes));

    hs2ni_cbor_put_uint(&w, cases[i].value);
    CHECK_TEXT(
        hex_write((struct hs2n_span){bytes, hs2ni_cbor_written(&w)}, text),
        cases[i].want);
  }
}

static void reads_what_the_writer_writes(void) {
  for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
    uint8_t bytes[64];
    struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(bytes, sizeof(bytes));
    struct hs2ni_cbor_reader r;
    struct hs2n_span string;

    hs2ni_cbor_put_uint(&w, edges[i]);
    hs2ni_cbor_put_array(&w, (size_t)edges[i]);
    hs2ni_cbor_put_map(&w, (size_t)edges[i]);
    hs2ni_cbor_put_text(&w, (struct hs2n_span){(const uint8_t *)"abc", 3});
    hs2ni_cbor_put_bytes(&w, (struct hs2n_span){NULL, 0});
    hs2ni_cbor_put_bytes_head(&w, (size_t)edges[i]);
    CHECK(!w.full);
    r = hs2ni_cbor_reader_over(
        (struct hs2n_span){bytes, hs2ni_cbor_written(&w)});
    CHECK(hs2ni_cbor_uint(&r, 0, UINT64_MAX) == edges[i]);
    CHECK(hs2ni_cbor_array(&r, 0, SIZE_MAX) == edges[i]);
    CHECK(hs2ni_cbor_map(&r, 0, SIZE_MAX) == edges[i]);
    string = hs2ni_cbor_text(&r, 3, 3);
    REQUIRE(string.len == 3);
    CHECK_MEM(string.data, "abc", 3);
    CHECK_EQ(hs2ni_cbor_bytes(&r, 0, 9).len, 0);
    CHECK(hs2ni_cbor_bytes_head(&r, SIZE_MAX) == edges[i]);
    CHECK_EQ(r.err, HS2N_OK);
    CHECK(r.at == r.end);
  }
}

/* Of every form, for every value: only the shortest is read. */
static void only_the_shortest_form_of_a_number_is_read(void) {
  for (size_t i = 0; i < ARRAY_LEN(edges); i++) {
    uint8_t want[16];
    struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(want, sizeof(want));

    hs2ni_cbor_put_uint(&w, edges[i]);
    for (unsigned form = 0; form < 4; form++) {
      const size_t len = (size_t)1 << form;
      uint8_t bytes[9] = {(uint8_t)(24 + form)};
      struct hs2ni_cbor_reader r =
          hs2ni_cbor_reader_over((struct hs2n_span){bytes, 1 + len});

      if (len < 8 && edges[i] >> 8 * len != 0) {
        continue; /* does not fit */
      }
      for (size_t k = 0; k < len; k++) {
        bytes[len - k] = (uint8_t)(edges[i] >> 8 * k);
      }
      (void)hs2ni_cbor_uint(&r, 0, UINT64_MAX);
      CHECK_EQ(r.err, hs2ni_cbor_written(&w) == 1 + len ? HS2N_OK
                                                        : HS2N_ERR_MALFORMED);
    }
  }
}

/* The first byte that rules out every good continuation is the one at which
 * the answer changes from "wait" to "no". */
static void gives_up_at_the_earliest_byte(void) {
  static const struct {
    const char *in;
    uint64_t min, max;
    int want;
  } cases[] = {
      {"", 0, UINT64_MAX, HS2N_ERR_TRUNCATED},
      {"18", 0, UINT64_MAX, HS2N_ERR_TRUNCATED},
      {"18", 0, 23, HS2N_ERR_MALFORMED}, /* would be 24 or more */
      {"18", 0, 24, HS2N_ERR_TRUNCATED},
      {"19", 0, 255, HS2N_ERR_MALFORMED},
      {"19", 0, 256, HS2N_ERR_TRUNCATED},
      {"19 00", 0, 65535, HS2N_ERR_MALFORMED}, /* would be 255 or less */
      {"19 01", 0, 65535, HS2N_ERR_TRUNCATED},
      {"19 01", 0x01ff, 65535, HS2N_ERR_TRUNCATED},
      {"19 01", 0x0200, 65535, HS2N_ERR_MALFORMED},
      {"1a 00 00", 0, UINT64_MAX, HS2N_ERR_MALFORMED},
      {"1a 00 01 00", 0, 0x10000, HS2N_ERR_TRUNCATED},
      {"1a 00 01 01", 0, 0x10000, HS2N_ERR_MALFORMED},
      {"1b 00 00 00 00", 0, UINT64_MAX, HS2N_ERR_MALFORMED},
      {"1b 00 00 00 01", 0, UINT64_MAX, HS2N_ERR_TRUNCATED},
      {"1b ff ff ff ff ff ff ff", 0, UINT64_MAX, HS2N_ERR_TRUNCATED},
      {"1c", 0, UINT64_MAX, HS2N_ERR_MALFORMED}, /* reserved */
      {"1f", 0, UINT64_MAX, HS2N_ERR_MALFORMED},
      {"20", 0, UINT64_MAX, HS2N_ERR_MALFORMED}, /* -1 */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[16];
    struct hs2ni_cbor_reader r = over(cases[i].in, bytes);

    (void)hs2ni_cbor_uint(&r, cases[i].min, cases[i].max);
    CHECK_EQ(r.err, cases[i].want);
    CHECK(r.at == bytes || cases[i].in[0] == '\0');
  }
}

/* A length is refused by its head, before a byte of it has come. */
static void a_string_above_its_limit_is_too_big_at_once(void) {
  static const struct {
    const char *in;
    int want;
  } cases[] = {
      {"58 64", HS2N_ERR_TRUNCATED}, /* 100 */
      {"58 65", HS2N_ERR_TOO_BIG},
      {"59", HS2N_ERR_TOO_BIG}, /* 256 or more */
      {"59 00", HS2N_ERR_TOO_BIG},
      {"5a", HS2N_ERR_TOO_BIG},
      {"5b ff ff ff ff ff ff ff ff", HS2N_ERR_TOO_BIG},
      {"5f", HS2N_ERR_MALFORMED},
      {"43 00 00", HS2N_ERR_TRUNCATED},
      {"40", HS2N_ERR_MALFORMED},          /* below the least length */
      {"63 61 61 61", HS2N_ERR_MALFORMED}, /* a text */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[16];
    struct hs2ni_cbor_reader r = over(cases[i].in, bytes);

    (void)hs2ni_cbor_bytes(&r, 1, 100);
    CHECK_EQ(r.err, cases[i].want);
  }
}

static void the_first_failure_stays(void) {
  uint8_t bytes[16];
  struct hs2ni_cbor_reader r = over("01 20 01", bytes);

  CHECK_EQ(hs2ni_cbor_uint(&r, 0, 9), 1);
  CHECK_EQ(hs2ni_cbor_uint(&r, 0, 9), 0);
  CHECK_EQ(r.err, HS2N_ERR_MALFORMED);
  r.at++;
  CHECK_EQ(hs2ni_cbor_uint(&r, 0, 9), 0);
  CHECK_EQ(hs2ni_cbor_array(&r, 0, 9), 0);
  CHECK_EQ(hs2ni_cbor_bytes(&r, 0, 9).len, 0);
  hs2ni_cbor_skip(&r, 8, 100);
  hs2ni_cbor_fail(&r, HS2N_ERR_TOO_BIG);
  CHECK_EQ(r.err, HS2N_ERR_MALFORMED);
  CHECK(r.at == bytes + 2);
}

static void skips_one_value_of_any_permitted_kind(void) {
  static const char *const values[] = {
      "00",
      "1b ff ff ff ff ff ff ff ff",
      "20",
      "3b ff ff ff ff ff ff ff ff",
      "40",
      "43 01 02 03",
      "60",
      "63 61 62 63",
      "80",
      "83 01 82 02 03 04",
      "a0",
      "a2 01 02 61 61 a1 03 80",
      "f4",
      "f5",
      "f6",
      "81 81 81 81 81 81 81 80", /* eight deep */
      "a1 81 00 a1 00 00",
  };

  for (size_t i = 0; i < ARRAY_LEN(values); i++) {
    uint8_t bytes[64];
    const size_t len = hex_read(values[i], bytes);

    bytes[len] = 0x05;
    for (size_t n = 0; n <= len; n++) {
      struct hs2ni_cbor_reader r = hs2ni_cbor_reader_over(
          (struct hs2n_span){bytes, n == len ? len + 1 : n});

      hs2ni_cbor_skip(&r, 8, 100);
      CHECK_EQ(r.err, n == len ? HS2N_OK : HS2N_ERR_TRUNCATED);
      CHECK(n < len || r.at == bytes + len);
    }
  }
}

static void skips_nothing_else(void) {
  static const struct {
    const char *in;
    int want;
  } cases[] = {
      {"18 17", HS2N_ERR_MALFORMED},    /* not the shortest form */
      {"38 00", HS2N_ERR_MALFORMED},    /* nor this -1 */
      {"58 01 00", HS2N_ERR_MALFORMED}, /* nor these lengths */
      {"98 01 00", HS2N_ERR_MALFORMED},
      {"b8 01 00 00", HS2N_ERR_MALFORMED},
      {"5f 41 00 ff", HS2N_ERR_MALFORMED}, /* indefinite lengths */
      {"7f 61 61 ff", HS2N_ERR_MALFORMED},
      {"9f 00 ff", HS2N_ERR_MALFORMED},
      {"bf 00 00 ff", HS2N_ERR_MALFORMED},
      {"c1 00", HS2N_ERR_MALFORMED}, /* a tag */
      {"d9 d9 f7 00", HS2N_ERR_MALFORMED},
      {"e0", HS2N_ERR_MALFORMED}, /* simple values */
      {"f3", HS2N_ERR_MALFORMED},
      {"f7", HS2N_ERR_MALFORMED}, /* undefined */
      {"f8 20", HS2N_ERR_MALFORMED},
      {"f9 00 00", HS2N_ERR_MALFORMED}, /* floats */
      {"fa 00 00 00 00", HS2N_ERR_MALFORMED},
      {"fb 00 00 00 00 00 00 00 00", HS2N_ERR_MALFORMED},
      {"fc", HS2N_ERR_MALFORMED}, /* reserved */
      {"ff", HS2N_ERR_MALFORMED}, /* break */
      {"1c", HS2N_ERR_MALFORMED},
      {"81 81 81 81 81 81 81 81 80", HS2N_ERR_MALFORMED}, /* nine deep */
      {"81 a1 00 c1 00", HS2N_ERR_MALFORMED},
      {"9b ff ff ff ff ff ff ff ff", HS2N_ERR_TOO_BIG}, /* bombs */
      {"bb 80 00 00 00 00 00 00 00", HS2N_ERR_TOO_BIG},
      {"5b ff ff ff ff ff ff ff ff", HS2N_ERR_TOO_BIG},
      {"78 65", HS2N_ERR_TOO_BIG},
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[16];
    struct hs2ni_cbor_reader r = over(cases[i].in, bytes);

    hs2ni_cbor_skip(&r, 8, 100);
    CHECK_EQ(r.err, cases[i].want);
  }
}

/* Whatever room there is, a writer never goes beyond it and says so. */
static void a_writer_without_room_is_full_and_stays_so(void) {
  static const struct hs2n_span text = {(const uint8_t *)"abc", 3};
  uint8_t bytes[32];

  for (size_t room = 0; room < 13; room++) {
    struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(bytes, room);

    memset(bytes, 0xee, sizeof(bytes));
    hs2ni_cbor_put_array(&w, 3);
    hs2ni_cbor_put_uint(&w, 1000);
    hs2ni_cbor_put_text(&w, text);
    hs2ni_cbor_put_bytes(&w, text);
    CHECK_EQ(w.full, room < 12);
    CHECK(hs2ni_cbor_written(&w) <= room);
    for (size_t i = room; i < sizeof(bytes); i++) {
      CHECK_EQ(bytes[i], 0xee);
    }
  }
}

/* Random bytes, cut at every length: once refused, always refused alike; once
 * read, read alike whatever follows. */
static void more_bytes_never_change_an_answer(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 6);
  for (int i = 0; i < 50000; i++) {
    uint8_t bytes[24];
    int err = HS2N_ERR_TRUNCATED;

    for (size_t k = 0; k < sizeof(bytes); k++) {
      /* Containers, small numbers and zeros are more likely than noise. */
      static const uint8_t likely[] = {0x00, 0x81, 0x82, 0xa1, 0x19, 0x41};
      const uint64_t pick = hs2ni_rng_below(&rng, 2 * sizeof(likely));

      bytes[k] =
          pick < sizeof(likely) ? likely[pick] : (uint8_t)hs2ni_rng_next(&rng);
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
      struct hs2ni_cbor_reader r =
          hs2ni_cbor_reader_over((struct hs2n_span){bytes, len});

      hs2ni_cbor_skip(&r, 4, 1000);
      CHECK(r.at <= r.end);
      CHECK(err == HS2N_ERR_TRUNCATED || r.err == err);
      err = r.err;
    }
  }
}

int main(void) {
  RUN(numbers_have_the_forms_of_rfc_8949);
  RUN(reads_what_the_writer_writes);
  RUN(only_the_shortest_form_of_a_number_is_read);
  RUN(gives_up_at_the_earliest_byte);
  RUN(a_string_above_its_limit_is_too_big_at_once);
  RUN(the_first_failure_stays);
  RUN(skips_one_value_of_any_permitted_kind);
  RUN(skips_nothing_else);
  RUN(a_writer_without_room_is_full_and_stays_so);
  RUN(more_bytes_never_change_an_answer);
  return tap_done();
}
