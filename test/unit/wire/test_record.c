#include "base/rng.h"
#include "hex.h"
#include "tap.h"
#include "wire/record.h"

#include <cbor.h>
#include <hs2net/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct hs2n_span span_of(const char *hex, uint8_t *bytes) {
  return (struct hs2n_span){bytes, hex_read(hex, bytes)};
}

/* ---- what the two decoders have in common, so that tests can run on both --
 */

union item {
  struct hs2ni_head head;
  struct hs2ni_record record;
};

struct codec {
  int32_t (*decode)(struct hs2n_span in, union item *out);
  size_t (*encode)(const union item *item, uint8_t *out);
  const char *const *good; /* one of each kind */
  size_t good_n;
};

static int32_t head_decode(struct hs2n_span in, union item *out) {
  return hs2ni_head_decode(in, &out->head);
}

static size_t head_encode(const union item *item, uint8_t *out) {
  return hs2ni_head_encode(&item->head, out);
}

static int32_t record_decode(struct hs2n_span in, union item *out) {
  return hs2ni_record_decode(in, &out->record);
}

static size_t record_encode(const union item *item, uint8_t *out) {
  return hs2ni_record_encode(&item->record, out);
}

/* Elements are one byte, or end in a byte string, for the matrix below. */
static const char *const good_heads[] = {"8100", "8101", "820205", "8403050709",
                                         "83040507"};
static const char *const good_records[] = {
    "860107030109 41",
    "86020703010905",
    "84030203 4107",
    "84030903 4107", /* of unordered messages */
    "8404020305",
    "8a0107030b0901050406 4107", /* compressed, and a response */
    "87020703050a0904",          /* a request */
};
static const struct codec codecs[] = {
    {head_decode, head_encode, good_heads, ARRAY_LEN(good_heads)},
    {record_decode, record_encode, good_records, ARRAY_LEN(good_records)},
};

static int32_t decode_hex(const struct codec *codec, const char *hex) {
  uint8_t bytes[512];
  union item item;

  return codec->decode(span_of(hex, bytes), &item);
}

static void check_refused(const struct codec *codec, struct hs2n_span in) {
  union item item;
  char text[1024];
  const int32_t got = codec->decode(in, &item);

  if (got != HS2N_ERR_MALFORMED && got != HS2N_ERR_TOO_BIG) {
    printf("# %s gives %d\n", hex_write(in, text), (int)got);
    CHECK(false);
  }
}

/* ---- round trips ----------------------------------------------------------
 */

/* A number whose length is as random as its value. */
static uint64_t any(struct hs2ni_rng *rng, uint64_t min, uint64_t max) {
  const uint64_t span = max - min;
  const uint64_t bits = hs2ni_rng_below(rng, 65);
  const uint64_t value = bits == 0 ? 0 : hs2ni_rng_next(rng) >> (64 - bits);

  return min + (value <= span ? value : value % (span + 1));
}

static const uint8_t signature[HS2NI_SIGNATURE_LEN] = {1, 2, 3, 0xff};

static void any_extras(struct hs2ni_rng *rng, struct hs2ni_record *r) {
  r->flags = (uint32_t)any(rng, 0, HS2NI_FLAGS_ALL);
  if ((r->flags & HS2NI_FLAG_COMPRESSED) != 0) {
    r->codec = (enum hs2ni_codec)any(rng, HS2NI_CODEC_LZ4, HS2NI_CODEC_ZSTD);
    r->raw_len = (uint32_t)any(rng, 0, HS2N_BODY_MAX);
  }
  if ((r->flags & HS2NI_FLAG_REQUEST) != 0) {
    r->flags &= ~HS2NI_FLAG_RESPONSE;
    r->request = any(rng, 1, UINT64_MAX);
    r->left_ms = (uint32_t)any(rng, 0, UINT32_MAX);
  }
  if ((r->flags & HS2NI_FLAG_RESPONSE) != 0) {
    r->request = any(rng, 1, UINT64_MAX);
    r->status = (uint32_t)any(rng, 0, UINT32_MAX);
  }
  if ((r->flags & HS2NI_FLAG_SIGNED) != 0) {
    r->signature = (struct hs2n_span){signature, sizeof(signature)};
  }
}

static struct hs2ni_record any_record(struct hs2ni_rng *rng,
                                      uint8_t bitmap[HS2NI_ACK_BITMAP_MAX]) {
  struct hs2ni_record r = {
      .kind = (enum hs2ni_record_kind)any(rng, HS2NI_RECORD_MSG,
                                          HS2NI_RECORD_BATCH),
  };

  switch (r.kind) {
  case HS2NI_RECORD_MSG:
  case HS2NI_RECORD_LARGE:
    r.seq = any(rng, 1, UINT64_MAX);
    r.type = (uint8_t)any(rng, 0, HS2N_TYPES_MAX - 1);
    any_extras(rng, &r);
    r.view = any(rng, 0, UINT64_MAX);
    r.body_len = (uint32_t)any(rng, 0, HS2N_BODY_MAX);
    if (r.kind == HS2NI_RECORD_LARGE) {
      r.flags &= ~HS2NI_FLAG_UNORDERED;
    }
    break;
  case HS2NI_RECORD_ACK:
    r.lane = (uint8_t)any(rng, 0, HS2N_LANES - 1);
    r.unordered = any(rng, 0, 1) != 0;
    r.seq = any(rng, 0, UINT64_MAX - 8 * HS2NI_ACK_BITMAP_MAX);
    r.bitmap = (struct hs2n_span){
        bitmap, hs2ni_rng_below(rng, HS2NI_ACK_BITMAP_MAX + 1)};
    for (size_t i = 0; i < r.bitmap.len; i++) {
      bitmap[i] = (uint8_t)(hs2ni_rng_next(rng) | (i + 1 == r.bitmap.len));
    }
    break;
  case HS2NI_RECORD_NACK:
    r.lane = (uint8_t)any(rng, 0, HS2N_LANES - 1);
    r.unordered = any(rng, 0, 1) != 0;
    r.seq = any(rng, 1, UINT64_MAX);
    r.code = (uint32_t)any(rng, 0, UINT32_MAX);
    break;
  case HS2NI_RECORD_HEARTBEAT:
    r.view = any(rng, 0, UINT64_MAX);
    r.unix_ms = any(rng, 0, UINT64_MAX);
    r.interval_ms =
        (uint32_t)any(rng, HS2NI_HEARTBEAT_MIN_MS, HS2NI_HEARTBEAT_MAX_MS);
    r.signature = (struct hs2n_span){signature, sizeof(signature)};
    break;
  case HS2NI_RECORD_BATCH:
    r.codec = (enum hs2ni_codec)any(rng, HS2NI_CODEC_LZ4, HS2NI_CODEC_ZSTD);
    r.raw_len = (uint32_t)any(rng, 0, HS2NI_BATCH_RAW_MAX);
    r.body_len = (uint32_t)any(rng, 0, HS2NI_BATCH_RAW_MAX);
    break;
  }
  return r;
}

static void check_same(const struct hs2ni_record *a,
                       const struct hs2ni_record *b) {
  CHECK_EQ(a->kind, b->kind);
  CHECK(a->seq == b->seq);
  CHECK_EQ(a->lane, b->lane);
  CHECK_EQ(a->unordered, b->unordered);
  CHECK_EQ(a->type, b->type);
  CHECK_EQ(a->flags, b->flags);
  CHECK(a->view == b->view);
  CHECK_EQ(a->body_len, b->body_len);
  CHECK_EQ(a->code, b->code);
  CHECK_EQ(a->codec, b->codec);
  CHECK_EQ(a->raw_len, b->raw_len);
  CHECK(a->request == b->request);
  CHECK_EQ(a->left_ms, b->left_ms);
  CHECK_EQ(a->status, b->status);
  CHECK(a->unix_ms == b->unix_ms);
  CHECK_EQ(a->interval_ms, b->interval_ms);
  CHECK_EQ(a->signature.len, b->signature.len);
  if (a->signature.len == b->signature.len && a->signature.len > 0) {
    CHECK_MEM(a->signature.data, b->signature.data, a->signature.len);
  }
  CHECK_EQ(a->bitmap.len, b->bitmap.len);
  if (a->bitmap.len == b->bitmap.len && a->bitmap.len > 0) {
    CHECK_MEM(a->bitmap.data, b->bitmap.data, a->bitmap.len);
  }
}

/* covers: H14 */
static void any_record_survives_a_round_trip(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 1);
  for (int i = 0; i < 100000; i++) {
    uint8_t bitmap[HS2NI_ACK_BITMAP_MAX];
    uint8_t bytes[HS2NI_RECORD_MAX];
    struct hs2ni_record got;
    const struct hs2ni_record want = any_record(&rng, bitmap);
    const size_t len = hs2ni_record_encode(&want, bytes);

    REQUIRE(hs2ni_record_decode((struct hs2n_span){bytes, len}, &got) ==
            (int32_t)len);
    check_same(&got, &want);
  }
}

static void any_head_survives_a_round_trip(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 2);
  for (int i = 0; i < 20000; i++) {
    uint8_t bytes[HS2NI_HEAD_MAX];
    struct hs2ni_head got;
    struct hs2ni_head want = {
        .kind = (enum hs2ni_stream_kind)any(&rng, 0, HS2NI_STREAM_DATAGRAM)};
    size_t len;

    if (want.kind >= HS2NI_STREAM_LANE) {
      want.lane = (uint8_t)any(&rng, 0, HS2N_LANES - 1);
    }
    if (want.kind >= HS2NI_STREAM_BODY) {
      want.seq = any(&rng, 1, UINT64_MAX);
    }
    if (want.kind == HS2NI_STREAM_BODY) {
      want.len = (uint32_t)any(&rng, 0, HS2N_BODY_MAX);
    }
    len = hs2ni_head_encode(&want, bytes);
    REQUIRE(hs2ni_head_decode((struct hs2n_span){bytes, len}, &got) ==
            (int32_t)len);
    CHECK_EQ(got.kind, want.kind);
    CHECK_EQ(got.lane, want.lane);
    CHECK(got.seq == want.seq);
    CHECK_EQ(got.len, want.len);
  }
}

static void the_longest_encodings_fit(void) {
  static const uint8_t bitmap[HS2NI_ACK_BITMAP_MAX] = {
      [HS2NI_ACK_BITMAP_MAX - 1] = 1};
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_BODY,
                                  .lane = HS2N_LANES - 1,
                                  .seq = UINT64_MAX,
                                  .len = HS2N_BODY_MAX};
  const struct hs2ni_record records[] = {
      {.kind = HS2NI_RECORD_MSG,
       .seq = UINT64_MAX,
       .type = HS2N_TYPES_MAX - 1,
       .flags = HS2NI_FLAGS_ALL & ~HS2NI_FLAG_REQUEST,
       .view = UINT64_MAX,
       .body_len = HS2N_BODY_MAX,
       .codec = HS2NI_CODEC_ZSTD,
       .raw_len = HS2N_BODY_MAX,
       .request = UINT64_MAX,
       .status = UINT32_MAX,
       .signature = {signature, sizeof(signature)}},
      {.kind = HS2NI_RECORD_ACK,
       .lane = HS2N_LANES - 1,
       .seq = UINT64_MAX - 8 * HS2NI_ACK_BITMAP_MAX,
       .bitmap = {bitmap, sizeof(bitmap)}},
      {.kind = HS2NI_RECORD_HEARTBEAT,
       .view = UINT64_MAX,
       .unix_ms = UINT64_MAX,
       .interval_ms = HS2NI_HEARTBEAT_MAX_MS,
       .signature = {signature, sizeof(signature)}},
  };
  uint8_t out[HS2NI_RECORD_MAX];

  CHECK_EQ(hs2ni_head_encode(&head, out), 1 + 1 + 1 + 9 + 5);
  CHECK_EQ(hs2ni_record_encode(&records[0], out),
           1 + 1 + 9 + 2 + 2 + 9 + (1 + 5) + (9 + 5) + (2 + 64) + 5);
  CHECK_EQ(hs2ni_record_encode(&records[1], out), 1 + 1 + 1 + 9 + 2 + 128);
  CHECK_EQ(hs2ni_record_encode(&records[2], out), 1 + 1 + 9 + 9 + 3 + (2 + 64));
}

/* ---- prefixes --------------------------------------------------------------
 */

static void every_prefix_is_truncated_and_what_follows_is_not_read(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 3);
  for (int i = 0; i < 2000; i++) {
    uint8_t bitmap[HS2NI_ACK_BITMAP_MAX];
    uint8_t bytes[HS2NI_RECORD_MAX + 8];
    struct hs2ni_record got = {.code = 77};
    const struct hs2ni_record record = any_record(&rng, bitmap);
    const size_t n = hs2ni_record_encode(&record, bytes);

    for (size_t len = 0; len < n; len++) {
      CHECK_EQ(hs2ni_record_decode((struct hs2n_span){bytes, len}, &got),
               HS2N_ERR_TRUNCATED);
    }
    CHECK_EQ(got.code, 77); /* untouched on error */
    memset(bytes + n, (int)hs2ni_rng_next(&rng), 8);
    CHECK_EQ(hs2ni_record_decode((struct hs2n_span){bytes, n + 8}, &got), n);
  }
}

/* Grows input byte by byte, taking any byte that is not refused.  If TRUNCATED
 * tells the truth there always is one, and this ends in a good item; if a
 * refusal tells the truth nothing behind it is ever accepted. */
static void grow(const struct codec *codec, struct hs2ni_rng *rng) {
  uint8_t bytes[HS2NI_RECORD_MAX + 16];
  uint8_t again[HS2NI_RECORD_MAX];
  union item item;
  int32_t used = HS2N_ERR_TRUNCATED;
  size_t len = 0;

  while (used == HS2N_ERR_TRUNCATED) {
    uint8_t byte = (uint8_t)hs2ni_rng_next(rng);
    int tried = 0;

    REQUIRE(len < HS2NI_RECORD_MAX);
    for (; tried < 256; tried++, byte++) {
      bytes[len] = byte;
      used = codec->decode((struct hs2n_span){bytes, len + 1}, &item);
      if (used > 0 || used == HS2N_ERR_TRUNCATED) {
        break;
      }
      for (size_t k = 1; k <= 16; k++) {
        bytes[len + k] = (uint8_t)hs2ni_rng_next(rng);
      }
      CHECK_EQ(codec->decode((struct hs2n_span){bytes, len + 17}, &item), used);
    }
    REQUIRE(tried < 256);
    len++;
  }
  CHECK_EQ(used, len);
  /* Shorter only by unknown elements, of which at least one is one byte. */
  CHECK(codec->encode(&item, again) <= len);
  if (codec->encode(&item, again) == len) {
    CHECK_MEM(again, bytes, len);
  }
}

static void truncated_and_refused_both_tell_the_truth(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 4);
  for (int i = 0; i < 2000; i++) {
    grow(&codecs[i % 2], &rng);
  }
}

/* ---- refusals --------------------------------------------------------------
 */

/* Puts other forms, same in value or in look, in the place of each element of
 * each good item, and of the head of its array. */
/* covers: H14 */
static void no_other_form_of_any_element_is_read(void) {
  /* The low nibble of bytes written .. is that of the element. */
  static const char *const forms[] = {
      "18 ..", /* longer numbers */
      "19 00 ..",
      "1a 00 00 00 ..",
      "1b 00 00 00 00 00 00 00 ..",
      "1c", /* reserved */
      "1d",
      "1e",
      "1f",
      "20", /* negative */
      "38 20",
      "c1 ..", /* tags */
      "c2 41 ..",
      "d8 40 ..",
      "f9 3c 00", /* floats: 1.0 */
      "fa 3f 80 00 00",
      "fb 3f f0 00 00 00 00 00 00",
      "f4", /* simple values */
      "f6",
      "f7",
      "e1",
      "f8 ff",
      "ff",    /* break */
      "61 ..", /* text */
      "7f 61 .. ff",
      "80", /* containers */
      "81 ..",
      "9f .. ff",
      "a0",
      "a1 .. ..",
      "5f 41 .. ff", /* indefinite byte strings */
      "58 01 ..",    /* longer lengths */
      "59 00 01 ..",
      "5a 00 00 00 01 ..",
      "5b 00 00 00 00 00 00 00 01 ..",
  };
  int tried = 0;

  for (size_t c = 0; c < 2; c++) {
    for (size_t g = 0; g < codecs[c].good_n; g++) {
      uint8_t good[16];
      const size_t good_len = hex_read(codecs[c].good[g], good);

      CHECK(decode_hex(&codecs[c], codecs[c].good[g]) > 0);
      for (size_t at = 0; at < good_len; at++) {
        if (at > 0 && good[at - 1] == 0x41) {
          continue; /* what is in a byte string is no element */
        }
        for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
          uint8_t bytes[64];
          char form[64];
          size_t len = at;

          if (at == 0 && strncmp(forms[f], "81", 2) == 0) {
            continue; /* an array as good as any */
          }
          snprintf(form, sizeof(form), "%s", forms[f]);
          for (char *dots; (dots = strstr(form, "..")) != NULL;) {
            dots[0] = '0';
            dots[1] = "0123456789abcdef"[good[at] & 15];
          }
          memcpy(bytes, good, at);
          len += hex_read(form, bytes + len);
          memcpy(bytes + len, good + at + 1, good_len - at - 1);
          len += good_len - at - 1;
          memset(bytes + len, 0, sizeof(bytes) - len);
          check_refused(&codecs[c], (struct hs2n_span){bytes, sizeof(bytes)});
          tried++;
        }
      }
    }
  }
  CHECK(tried > 900);
}

/* The byte of a heartbeat that says what it is may be followed by that alone;
 * zeros stand for a signature. */
static void a_heartbeat_has_its_length_its_interval_and_its_signature(void) {
  static const struct {
    const char *bytes;
    int32_t used; /* or 0: refused */
  } cases[] = {
      {"85 05 07 08 1832 5840", 8 + 64},
      {"85 05 07 08 19ea60 5840", 9 + 64},
      {"86 05 07 08 1832 5840", 8 + 64 + 1}, /* an unknown one more */
      {"89 05 07 08 1832 5840", 8 + 64 + 4},
      {"84 05 07 08 1832", 0},      /* too few */
      {"8a 05 07 08 1832 5840", 0}, /* too many */
      {"8f 05 07 08 1832 5840", 0},
      {"89 03 02 03 40", 0}, /* of an ack */
      {"89 04 02 03 05", 0},
      {"85 05 07 08 1831 5840", 0},   /* 49 ms */
      {"85 05 07 08 19ea61 5840", 0}, /* 60,001 ms */
      {"85 05 07 08 1832 583f", 0},
      {"85 05 07 08 1832 5841", 0},
      {"85 07 07 08 1832 5840", 0}, /* no such kind */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[128] = {0};
    struct hs2ni_record record;

    (void)hex_read(cases[i].bytes, bytes);
    if (cases[i].used == 0) {
      check_refused(&codecs[1], (struct hs2n_span){bytes, sizeof(bytes)});
    } else {
      CHECK_EQ(hs2ni_record_decode((struct hs2n_span){bytes, sizeof(bytes)},
                                   &record),
               cases[i].used);
      CHECK_EQ(record.kind, HS2NI_RECORD_HEARTBEAT);
    }
  }
}

/* Every first byte that is not the one array an item may begin with. */
static void an_item_begins_with_a_short_array(void) {
  for (unsigned byte = 0; byte < 256; byte++) {
    const uint8_t first = (uint8_t)byte;
    const struct hs2n_span in = {&first, 1};
    union item item;

    if (byte >= 0x81 && byte <= 0x84) {
      CHECK_EQ(head_decode(in, &item), HS2N_ERR_TRUNCATED);
    } else {
      check_refused(&codecs[0], in);
    }
    if (byte >= 0x84 && byte <= 0x8f) {
      CHECK_EQ(record_decode(in, &item), HS2N_ERR_TRUNCATED);
    } else {
      check_refused(&codecs[1], in);
    }
  }
}

static void values_out_of_range_are_refused(void) {
  static const struct {
    int codec;
    const char *in;
    int want;
  } cases[] = {
      {0, "8102", HS2N_ERR_MALFORMED}, /* elements do not fit the kind */
      {0, "8200", HS2N_ERR_MALFORMED},
      {0, "8202 06", HS2N_ERR_MALFORMED}, /* lane */
      {0, "8203", HS2N_ERR_MALFORMED},
      {0, "8303", HS2N_ERR_MALFORMED},
      {0, "8304 06", HS2N_ERR_MALFORMED},    /* lane */
      {0, "8304 05 00", HS2N_ERR_MALFORMED}, /* base 0 */
      {0, "8304 05 01", 4},
      {0, "8402", HS2N_ERR_MALFORMED},
      {0, "8404", HS2N_ERR_MALFORMED},     /* unknown kind */
      {0, "84030000", HS2N_ERR_MALFORMED}, /* seq 0 */
      {0, "84030001 1a04000000", 9},       /* HS2N_BODY_MAX */
      {0, "84030001 1a04000001", HS2N_ERR_TOO_BIG},
      {0, "84030001 1b", HS2N_ERR_TOO_BIG},
      {1, "8600", HS2N_ERR_MALFORMED}, /* unknown kinds */
      {1, "8607", HS2N_ERR_MALFORMED},
      {1, "8405", HS2N_ERR_MALFORMED}, /* a heartbeat has five */
      {1, "8505", HS2N_ERR_TRUNCATED},
      {1, "8905", HS2N_ERR_TRUNCATED},
      {1, "8a05", HS2N_ERR_MALFORMED},
      {1, "8406", HS2N_ERR_TRUNCATED},
      {1, "8806", HS2N_ERR_TRUNCATED},
      {1, "8906", HS2N_ERR_MALFORMED},    /* too many for a batch */
      {1, "8406 00", HS2N_ERR_MALFORMED}, /* codecs */
      {1, "8406 03", HS2N_ERR_MALFORMED},
      {1, "8406 01 198000 598000", 9}, /* HS2NI_BATCH_RAW_MAX */
      {1, "8406 01 198001", HS2N_ERR_TOO_BIG},
      {1, "8406 01 1a", HS2N_ERR_TOO_BIG},
      {1, "8406 02 198000 598001", HS2N_ERR_TOO_BIG},
      {1, "861818", HS2N_ERR_MALFORMED},
      {1, "8501", HS2N_ERR_MALFORMED}, /* too few elements */
      {1, "8502", HS2N_ERR_MALFORMED},
      {1, "8903", HS2N_ERR_MALFORMED}, /* too many */
      {1, "8a04", HS2N_ERR_MALFORMED},
      {1, "860100", HS2N_ERR_MALFORMED},          /* seq 0 */
      {1, "8601 01 183f 01 00 40", 8},            /* type 63 */
      {1, "8601 01 1840", HS2N_ERR_MALFORMED},    /* type 64 */
      {1, "8601 01 00 1840", HS2N_ERR_MALFORMED}, /* unknown flag */
      {1, "8601 01 00 1820 00 40", 8},            /* unordered */
      {1, "8602 01 00 1820", HS2N_ERR_MALFORMED}, /* not with a stream */
      {1, "8601 01 00 02", HS2N_ERR_MALFORMED},   /* too few for the flags */
      {1, "8701 01 00 02", HS2N_ERR_MALFORMED},
      {1, "8801 01 00 02 00 00", HS2N_ERR_MALFORMED}, /* codecs */
      {1, "8801 01 00 02 00 03", HS2N_ERR_MALFORMED},
      {1, "8801 01 00 02 00 02 1a04000000 40", 13},
      {1, "8801 01 00 02 00 01 1a04000001", HS2N_ERR_TOO_BIG},
      {1, "8601 01 00 04", HS2N_ERR_MALFORMED},
      {1, "8701 01 00 04 00 00", HS2N_ERR_MALFORMED}, /* request 0 */
      {1, "8701 01 00 04 00 01 40", 8},
      {1, "8901 01 00 0c", HS2N_ERR_MALFORMED}, /* request and response */
      {1, "8701 01 00 08", HS2N_ERR_MALFORMED},
      {1, "8801 01 00 08 00 01 1b", HS2N_ERR_MALFORMED}, /* status */
      {1, "8701 01 00 10 00 583f", HS2N_ERR_MALFORMED},  /* signature */
      {1, "8701 01 00 10 00 5841", HS2N_ERR_TOO_BIG},
      {1, "8b01 01 00 00", HS2N_ERR_TOO_BIG}, /* too many for the flags */
      {1, "8f01 01 00 17", HS2N_ERR_TOO_BIG},
      {1, "8601 01 00 00 00 5a04000000", 11}, /* HS2N_BODY_MAX */
      {1, "8601 01 00 00 00 5a04000001", HS2N_ERR_TOO_BIG},
      {1, "8601 01 00 00 00 5b", HS2N_ERR_TOO_BIG},
      {1, "8602 01 00 00 00 1a04000000", 11},
      {1, "8602 01 00 00 00 1a04000001", HS2N_ERR_TOO_BIG},
      {1, "8403 0c", HS2N_ERR_MALFORMED}, /* lane */
      {1, "8403 00 00 40", 5},
      {1, "8403 00 00 4100", HS2N_ERR_MALFORMED}, /* zeros at the end */
      {1, "8403 00 00 420100", HS2N_ERR_MALFORMED},
      {1, "8403 00 00 420001", 7},
      {1, "8403 00 00 5880", HS2N_ERR_TRUNCATED}, /* 128 bytes */
      {1, "8403 00 00 5881", HS2N_ERR_TOO_BIG},
      {1, "8403 00 1bfffffffffffffff7 4101", 14}, /* bits to 2^64 - 1 */
      {1, "8403 00 1bfffffffffffffff8 4101", HS2N_ERR_TOO_BIG},
      {1, "8403 00 1bffffffffffffffff 40", 13},
      {1, "8404 00 00", HS2N_ERR_MALFORMED}, /* seq 0 */
      {1, "8404 00 01 1affffffff", 9},
      {1, "8404 00 01 1b", HS2N_ERR_MALFORMED}, /* code above 32 bits */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    const int32_t got = decode_hex(&codecs[cases[i].codec], cases[i].in);

    if (got != cases[i].want) {
      printf("# %s gives %d, want %d\n", cases[i].in, (int)got, cases[i].want);
      CHECK(false);
    }
  }
}

/* ---- growth of the protocol ------------------------------------------------
 */

static void unknown_trailing_numbers_are_skipped(void) {
  static const struct {
    const char *known;
    const char *longer;
  } cases[] = {
      {"86010102010341", "87010102010300 41"},
      {"86010102010341", "8a01010201030018181a00010000 1bffffffffffffffff 41"},
      {"86020102010304", "88020102010304 0102"},
      {"8403020341ff", "85030203 41ff 09"},
      {"8404020305", "8804020305 01020304"},
      {"840601190400 44", "860601190400 0102 44"},
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t known[64];
    uint8_t longer[64];
    struct hs2ni_record a;
    struct hs2ni_record b;
    const struct hs2n_span in = span_of(cases[i].longer, longer);

    CHECK(hs2ni_record_decode(span_of(cases[i].known, known), &a) > 0);
    CHECK_EQ(hs2ni_record_decode(in, &b), in.len);
    check_same(&a, &b);
    for (size_t len = 0; len < in.len; len++) {
      CHECK_EQ(hs2ni_record_decode((struct hs2n_span){longer, len}, &b),
               HS2N_ERR_TRUNCATED);
    }
  }
}

static void the_time_that_a_request_has_left_is_bounded(void) {
  static const struct {
    const char *hex;
    uint32_t left_ms;
  } cases[] = {
      {"87 01 02 05 04 00 11 44", 0},
      {"88 01 02 05 04 00 11 00 44", 0},
      {"88 01 02 05 04 00 11 01 44", 1},
      {"88 01 02 05 04 00 11 1affffffff 44", UINT32_MAX},
      {"88 01 02 05 04 00 11 1b0000000100000000 44", UINT32_MAX},
      {"88 01 02 05 04 00 11 1bffffffffffffffff 44", UINT32_MAX},
      {"89 01 02 05 04 00 11 07 08 44", 7}, /* and an unknown one */
      {"88 02 02 05 04 00 04 11 09", 9},
      {"87 01 02 05 00 00 09 44", 0}, /* no request: an unknown one */
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    uint8_t bytes[64];
    struct hs2ni_record r;
    const struct hs2n_span in = span_of(cases[i].hex, bytes);

    CHECK_EQ(hs2ni_record_decode(in, &r), in.len);
    CHECK_EQ(r.left_ms, cases[i].left_ms);
  }
}

static void unknown_elements_are_few_and_numbers(void) {
  static const char *const cases[] = {
      "8b0101020103 0000000000 40",
      "8902020102010304 0000000000",
      "8503020340 40",
      "8503020340 20",
      "8504020305 f6",
      "8504020305 80",
      "8701010201 03 1817 40",
      "8701010201 03 40 40",
  };

  for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
    const int32_t got = decode_hex(&codecs[1], cases[i]);

    CHECK(got == HS2N_ERR_MALFORMED || got == HS2N_ERR_TOO_BIG);
  }
}

/* ---- a second opinion ------------------------------------------------------
 */

static uint64_t number_at(const cbor_item_t *array, size_t i) {
  cbor_item_t *item = cbor_array_get(array, i);
  const uint64_t value = cbor_isa_uint(item) ? cbor_get_int(item) : UINT64_MAX;

  cbor_decref(&item);
  return value;
}

static bool holds(const cbor_item_t *array, uint64_t value) {
  for (size_t i = 5; i < cbor_array_size(array); i++) {
    if (number_at(array, i) == value) {
      return true;
    }
  }
  return false;
}

/* libcbor's own parser, which builds a tree, reads the same. */
static void a_general_parser_reads_the_same(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 5);
  for (int i = 0; i < 5000; i++) {
    uint8_t bitmap[HS2NI_ACK_BITMAP_MAX];
    uint8_t bytes[HS2NI_RECORD_MAX + 1024] = {0};
    struct hs2ni_record r = any_record(&rng, bitmap);
    struct cbor_load_result result;
    cbor_item_t *tree;
    size_t len, body;
    bool msg;

    r.body_len %= 1024;
    len = hs2ni_record_encode(&r, bytes);
    msg = r.kind == HS2NI_RECORD_MSG;
    body = msg || r.kind == HS2NI_RECORD_BATCH ? r.body_len : 0;
    tree = cbor_load(bytes, len + body, &result);
    REQUIRE(tree != NULL && cbor_isa_array(tree));
    CHECK_EQ(result.read, len + body);
    CHECK_EQ(number_at(tree, 0), r.kind);
    if (msg || r.kind == HS2NI_RECORD_LARGE) {
      CHECK(number_at(tree, 1) == r.seq);
      CHECK_EQ(number_at(tree, 2), r.type);
      CHECK_EQ(number_at(tree, 3), r.flags);
      CHECK(number_at(tree, 4) == r.view);
      CHECK(msg || number_at(tree, 5) == r.body_len);
      CHECK(r.request == 0 || holds(tree, r.request));
      CHECK((r.flags & HS2NI_FLAG_COMPRESSED) == 0 || holds(tree, r.raw_len));
    } else if (r.kind == HS2NI_RECORD_HEARTBEAT) {
      CHECK_EQ(cbor_array_size(tree), 5);
      CHECK(number_at(tree, 1) == r.view);
      CHECK(number_at(tree, 2) == r.unix_ms);
      CHECK_EQ(number_at(tree, 3), r.interval_ms);
    } else if (r.kind == HS2NI_RECORD_BATCH) {
      CHECK_EQ(cbor_array_size(tree), 4);
      CHECK_EQ(number_at(tree, 1), r.codec);
      CHECK_EQ(number_at(tree, 2), r.raw_len);
    } else {
      CHECK_EQ(cbor_array_size(tree), 4);
      CHECK_EQ(number_at(tree, 1), r.lane + (r.unordered ? HS2N_LANES : 0u));
      CHECK(number_at(tree, 2) == r.seq);
      CHECK(r.kind == HS2NI_RECORD_ACK || number_at(tree, 3) == r.code);
    }
    cbor_decref(&tree);
  }
}

int main(void) {
  RUN(any_record_survives_a_round_trip);
  RUN(any_head_survives_a_round_trip);
  RUN(the_longest_encodings_fit);
  RUN(every_prefix_is_truncated_and_what_follows_is_not_read);
  RUN(truncated_and_refused_both_tell_the_truth);
  RUN(a_heartbeat_has_its_length_its_interval_and_its_signature);
  RUN(no_other_form_of_any_element_is_read);
  RUN(an_item_begins_with_a_short_array);
  RUN(values_out_of_range_are_refused);
  RUN(unknown_trailing_numbers_are_skipped);
  RUN(the_time_that_a_request_has_left_is_bounded);
  RUN(unknown_elements_are_few_and_numbers);
  RUN(a_general_parser_reads_the_same);
  return tap_done();
}
