#include "wire/cbor_reader.h"

#include <assert.h>
#include <cbor.h>
#include <hs2net/error.h>
#include <stdbool.h>
#include <string.h>

/* Major types (RFC 8949, 3.1): the upper three bits of an item's first byte.
 * The lower five hold the argument, or say how many bytes do. */
enum major {
  UNSIGNED = 0,
  NEGATIVE = 1,
  BYTES = 2,
  TEXT = 3,
  ARRAY = 4,
  MAP = 5,
  OTHER = 7,
};
#define ARGUMENT_BITS 5
#define ARGUMENT_MASK 0x1fu
#define IN_ONE_BYTE 24    /* first value that means "the next byte" */
#define IN_EIGHT_BYTES 27 /* above: reserved, or without a definite length */
#define HEAD_MAX 9
#define FALSE_BYTE 0xf4
#define NULL_BYTE 0xf6

/* What an argument may be, and what it is when it is more. */
struct range {
  uint64_t min, max;
  int above;
};

struct hs2ni_cbor_reader hs2ni_cbor_reader_over(struct hs2n_span in) {
  return (struct hs2ni_cbor_reader){
      .at = in.data,
      .end = in.len == 0 ? in.data : in.data + in.len,
      .err = HS2N_OK,
  };
}

void hs2ni_cbor_fail(struct hs2ni_cbor_reader *r, int err) {
  if (r->err == HS2N_OK) {
    r->err = err;
  }
}

static size_t left(const struct hs2ni_cbor_reader *r) {
  return (size_t)(r->end - r->at);
}

/* ---- arguments ---------------------------------------------------------- */

static void on_uint8(void *out, uint8_t value) {
  *(uint64_t *)out = value;
}

static void on_uint16(void *out, uint16_t value) {
  *(uint64_t *)out = value;
}

static void on_uint32(void *out, uint32_t value) {
  *(uint64_t *)out = value;
}

static void on_uint64(void *out, uint64_t value) {
  *(uint64_t *)out = value;
}

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
};

/* The argument of a head of len bytes, of whatever type.  libcbor gets it as
 * an unsigned integer, because it hands out a string only with all its bytes,
 * and the length of a body has to be known before they come. */
static uint64_t load(const uint8_t *at, size_t len) {
  uint8_t head[HEAD_MAX];
  uint64_t value = 0;
  struct cbor_decoder_result result;

  memcpy(head, at, len);
  head[0] &= ARGUMENT_MASK;
  result = cbor_stream_decode(head, len, &callbacks, &value);
  assert(result.status == CBOR_DECODER_FINISHED);
  assert(result.read == len);
  (void)result;
  return value;
}

/* Judges value..value_max, which is one value, or all those that the bytes of
 * an unfinished argument may still become; shorter forms exist below
 * shortest.  HS2N_OK when a good one is among them. */
static int judge(uint64_t value, uint64_t value_max, uint64_t shortest,
                 struct range range) {
  /* Looked at first: a length that is too big stays so with each byte. */
  if (value > range.max || shortest > range.max) {
    return range.above;
  }
  return value_max < range.min || value_max < shortest ? HS2N_ERR_MALFORMED
                                                       : HS2N_OK;
}

/* An argument of which only have bytes are there. */
static int judge_unfinished(const uint8_t *bytes, size_t have, size_t len,
                            uint64_t shortest, struct range range) {
  uint64_t least = 0;
  uint64_t most = 0;
  int err;

  for (size_t i = 0; i < len; i++) {
    least = least << 8 | (i < have ? bytes[i] : 0x00u);
    most = most << 8 | (i < have ? bytes[i] : 0xffu);
  }
  err = judge(least, most, shortest, range);
  return err == HS2N_OK ? HS2N_ERR_TRUNCATED : err;
}

/* The argument in the bytes behind the first one, which says so with info. */
static uint64_t long_argument(struct hs2ni_cbor_reader *r, unsigned info,
                              struct range range) {
  /* The least value for which a form is the shortest one. */
  static const uint64_t shortest[] = {24, 1u << 8, 1u << 16, 1ull << 32};
  const unsigned form = info - IN_ONE_BYTE;
  const size_t len = (size_t)1 << form;
  uint64_t value;

  if (left(r) < 1 + len) {
    r->err =
        judge_unfinished(r->at + 1, left(r) - 1, len, shortest[form], range);
    return 0;
  }
  value = load(r->at, 1 + len);
  r->err = judge(value, value, shortest[form], range);
  if (r->err != HS2N_OK) {
    return 0;
  }
  r->at += 1 + len;
  return value;
}

static uint64_t argument(struct hs2ni_cbor_reader *r, enum major major,
                         struct range range) {
  unsigned info;

  if (r->err != HS2N_OK) {
    return 0;
  }
  if (r->at == r->end) {
    r->err = HS2N_ERR_TRUNCATED;
    return 0;
  }
  info = *r->at & ARGUMENT_MASK;
  if (*r->at >> ARGUMENT_BITS != major || info > IN_EIGHT_BYTES) {
    r->err = HS2N_ERR_MALFORMED;
    return 0;
  }
  if (info >= IN_ONE_BYTE) {
    return long_argument(r, info, range);
  }
  r->err = judge(info, info, 0, range);
  if (r->err != HS2N_OK) {
    return 0;
  }
  r->at++;
  return info;
}

/* ---- items -------------------------------------------------------------- */

uint64_t hs2ni_cbor_uint(struct hs2ni_cbor_reader *r, uint64_t min,
                         uint64_t max) {
  return argument(r, UNSIGNED, (struct range){min, max, HS2N_ERR_MALFORMED});
}

uint64_t hs2ni_cbor_size(struct hs2ni_cbor_reader *r, uint64_t max) {
  return argument(r, UNSIGNED, (struct range){0, max, HS2N_ERR_TOO_BIG});
}

static size_t count(struct hs2ni_cbor_reader *r, enum major major, size_t min,
                    size_t max) {
  return (size_t)argument(r, major, (struct range){min, max, HS2N_ERR_TOO_BIG});
}

size_t hs2ni_cbor_array(struct hs2ni_cbor_reader *r, size_t min, size_t max) {
  return count(r, ARRAY, min, max);
}

size_t hs2ni_cbor_map(struct hs2ni_cbor_reader *r, size_t min, size_t max) {
  return count(r, MAP, min, max);
}

size_t hs2ni_cbor_bytes_head(struct hs2ni_cbor_reader *r, size_t max) {
  return count(r, BYTES, 0, max);
}

static struct hs2n_span string(struct hs2ni_cbor_reader *r, enum major major,
                               size_t min, size_t max) {
  const size_t len = count(r, major, min, max);
  struct hs2n_span out = {NULL, 0};

  if (r->err == HS2N_OK && left(r) < len) {
    r->err = HS2N_ERR_TRUNCATED;
  }
  if (r->err == HS2N_OK && len > 0) {
    out = (struct hs2n_span){r->at, len};
    r->at += len;
  }
  return out;
}

struct hs2n_span hs2ni_cbor_bytes(struct hs2ni_cbor_reader *r, size_t min,
                                  size_t max) {
  return string(r, BYTES, min, max);
}

struct hs2n_span hs2ni_cbor_text(struct hs2ni_cbor_reader *r, size_t min,
                                 size_t max) {
  return string(r, TEXT, min, max);
}

/* ---- skipping ----------------------------------------------------------- */

static void skip_simple(struct hs2ni_cbor_reader *r) {
  if (*r->at < FALSE_BYTE || *r->at > NULL_BYTE) {
    r->err = HS2N_ERR_MALFORMED;
    return;
  }
  r->at++;
}

static void skip_items(struct hs2ni_cbor_reader *r, size_t n, unsigned depth,
                       size_t max) {
  if (r->err == HS2N_OK && depth == 0) {
    r->err = HS2N_ERR_MALFORMED;
  }
  /* A count is a claim: the bytes end the loop when it is a lie. */
  for (; n > 0 && r->err == HS2N_OK; n--) {
    hs2ni_cbor_skip(r, depth - 1, max);
  }
}

void hs2ni_cbor_skip(struct hs2ni_cbor_reader *r, unsigned depth, size_t max) {
  assert(max <= SIZE_MAX / 2); /* so that pairs can be counted as items */
  if (r->err != HS2N_OK) {
    return;
  }
  if (r->at == r->end) {
    r->err = HS2N_ERR_TRUNCATED;
    return;
  }
  switch (*r->at >> ARGUMENT_BITS) {
  case UNSIGNED:
  case NEGATIVE:
    (void)argument(r, *r->at >> ARGUMENT_BITS,
                   (struct range){0, UINT64_MAX, HS2N_ERR_MALFORMED});
    return;
  case BYTES:
  case TEXT:
    (void)string(r, *r->at >> ARGUMENT_BITS, 0, max);
    return;
  case ARRAY:
    skip_items(r, hs2ni_cbor_array(r, 0, max), depth, max);
    return;
  case MAP:
    skip_items(r, 2 * hs2ni_cbor_map(r, 0, max), depth, max);
    return;
  case OTHER:
    skip_simple(r);
    return;
  }
  r->err = HS2N_ERR_MALFORMED; /* a tag */
}
