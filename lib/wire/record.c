#include "wire/record.h"

#include "wire/cbor_reader.h"
#include "wire/cbor_writer.h"

#include <assert.h>

/* Elements of each kind, without the unknown ones that may follow. */
#define MSG_ELEMENTS 6u      /* of a large record too, without extras */
#define MSG_ELEMENTS_MAX 11u /* with all extras */
#define ACK_ELEMENTS 4u      /* of a nack too */
#define HEARTBEAT_ELEMENTS 5u
#define BATCH_ELEMENTS 4u

static_assert(MSG_ELEMENTS_MAX + HS2NI_RECORD_EXTRA_MAX < 24,
              "the head of every record's array is one byte");
static_assert(1 + 1 + 9 + 2 + 2 + 9 + 5 + (1 + 5) + (9 + 5) +
                      (2 + HS2NI_SIGNATURE_LEN) + HS2NI_RECORD_EXTRA_MAX * 9 <=
                  HS2NI_RECORD_MAX,
              "the longest msg that is read, without its body");
static_assert(1 + 1 + 1 + 9 + 2 + HS2NI_ACK_BITMAP_MAX +
                      HS2NI_RECORD_EXTRA_MAX * 9 <=
                  HS2NI_RECORD_MAX,
              "the longest ack that is read");
static_assert(1 + 1 + 9 + 9 + 3 + (2 + HS2NI_SIGNATURE_LEN) +
                      HS2NI_RECORD_EXTRA_MAX * 9 <=
                  HS2NI_RECORD_MAX,
              "the longest heartbeat that is read");

/* ---- fields that heads and records share --------------------------------- */

static uint8_t read_lane(struct hs2ni_cbor_reader *r) {
  return (uint8_t)hs2ni_cbor_uint(r, 0, HS2N_LANES - 1);
}

static uint64_t read_seq(struct hs2ni_cbor_reader *r) {
  return hs2ni_cbor_uint(r, 1, UINT64_MAX);
}

static uint32_t read_len(struct hs2ni_cbor_reader *r) {
  return (uint32_t)hs2ni_cbor_size(r, HS2N_BODY_MAX);
}

/* What a decoder returns: the bytes used, or why there are none. */
static int32_t used(const struct hs2ni_cbor_reader *r, struct hs2n_span in) {
  return r->err == HS2N_OK ? (int32_t)(r->at - in.data) : r->err;
}

/* ---- heads --------------------------------------------------------------- */

/* Elements of each kind of head. */
static size_t head_elements(enum hs2ni_stream_kind kind) {
  switch (kind) {
  case HS2NI_STREAM_HELLO:
  case HS2NI_STREAM_ACKS:
    return 1;
  case HS2NI_STREAM_LANE:
    return 2;
  case HS2NI_STREAM_DATAGRAM:
    return 3;
  case HS2NI_STREAM_BODY:
    return 4;
  }
  return 0;
}

/* The kind, one of those that have n elements. */
static enum hs2ni_stream_kind read_head_kind(struct hs2ni_cbor_reader *r,
                                             size_t n) {
  switch (n) {
  case 1:
    return (enum hs2ni_stream_kind)hs2ni_cbor_uint(r, HS2NI_STREAM_HELLO,
                                                   HS2NI_STREAM_ACKS);
  case 2:
    return (enum hs2ni_stream_kind)hs2ni_cbor_uint(r, HS2NI_STREAM_LANE,
                                                   HS2NI_STREAM_LANE);
  case 3:
    return (enum hs2ni_stream_kind)hs2ni_cbor_uint(r, HS2NI_STREAM_DATAGRAM,
                                                   HS2NI_STREAM_DATAGRAM);
  case 4:
    return (enum hs2ni_stream_kind)hs2ni_cbor_uint(r, HS2NI_STREAM_BODY,
                                                   HS2NI_STREAM_BODY);
  default:
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
    return HS2NI_STREAM_HELLO;
  }
}

int32_t hs2ni_head_decode(struct hs2n_span in, struct hs2ni_head *out) {
  struct hs2ni_cbor_reader r = hs2ni_cbor_reader_over(in);
  struct hs2ni_head head = {.kind = HS2NI_STREAM_HELLO};

  head.kind = read_head_kind(&r, hs2ni_cbor_array(&r, 1, 4));
  if (head_elements(head.kind) >= 2) {
    head.lane = read_lane(&r);
  }
  if (head_elements(head.kind) >= 3) {
    head.seq = read_seq(&r);
  }
  if (head.kind == HS2NI_STREAM_BODY) {
    head.len = read_len(&r);
  }
  if (r.err == HS2N_OK) {
    *out = head;
  }
  return used(&r, in);
}

size_t hs2ni_head_encode(const struct hs2ni_head *head,
                         uint8_t out[HS2NI_HEAD_MAX]) {
  struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(out, HS2NI_HEAD_MAX);

  assert(head->kind <= HS2NI_STREAM_DATAGRAM);
  hs2ni_cbor_put_array(&w, head_elements(head->kind));
  hs2ni_cbor_put_uint(&w, head->kind);
  if (head_elements(head->kind) >= 2) {
    assert(head->lane < HS2N_LANES);
    hs2ni_cbor_put_uint(&w, head->lane);
  }
  if (head_elements(head->kind) >= 3) {
    assert(head->seq >= 1);
    hs2ni_cbor_put_uint(&w, head->seq);
  }
  if (head->kind == HS2NI_STREAM_BODY) {
    assert(head->len <= HS2N_BODY_MAX);
    hs2ni_cbor_put_uint(&w, head->len);
  }
  assert(!w.full);
  return hs2ni_cbor_written(&w);
}

/* ---- records ------------------------------------------------------------- */

/* The least that a record of this kind has. */
static size_t elements_of(enum hs2ni_record_kind kind) {
  switch (kind) {
  case HS2NI_RECORD_MSG:
  case HS2NI_RECORD_LARGE:
    return MSG_ELEMENTS;
  case HS2NI_RECORD_ACK:
  case HS2NI_RECORD_NACK:
    return ACK_ELEMENTS;
  case HS2NI_RECORD_HEARTBEAT:
    return HEARTBEAT_ELEMENTS;
  case HS2NI_RECORD_BATCH:
    return BATCH_ELEMENTS;
  }
  return 0;
}

/* The kind, one of those that n elements are neither too few nor too many
 * for. */
static enum hs2ni_record_kind read_record_kind(struct hs2ni_cbor_reader *r,
                                               size_t n) {
  const uint64_t min = n < MSG_ELEMENTS ? HS2NI_RECORD_ACK : HS2NI_RECORD_MSG;
  const enum hs2ni_record_kind kind =
      (enum hs2ni_record_kind)hs2ni_cbor_uint(r, min, HS2NI_RECORD_BATCH);
  const size_t own = elements_of(kind);

  if (n < own ||
      (kind >= HS2NI_RECORD_ACK && n > own + HS2NI_RECORD_EXTRA_MAX)) {
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
  }
  return kind;
}

static void skip_unknown(struct hs2ni_cbor_reader *r, size_t n) {
  for (; n > 0 && r->err == HS2N_OK; n--) {
    (void)hs2ni_cbor_uint(r, 0, UINT64_MAX);
  }
}

/* Short enough for every number that it names to be one. */
static struct hs2n_span read_bitmap(struct hs2ni_cbor_reader *r,
                                    uint64_t floor) {
  const uint64_t room = (UINT64_MAX - floor) / 8;
  const struct hs2n_span bitmap = hs2ni_cbor_bytes(
      r, 0, room < HS2NI_ACK_BITMAP_MAX ? (size_t)room : HS2NI_ACK_BITMAP_MAX);

  if (bitmap.len > 0 && bitmap.data[bitmap.len - 1] == 0) {
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
  }
  return bitmap;
}

/* Elements of a msg or large record with these flags. */
static size_t msg_elements(uint32_t flags) {
  size_t n = MSG_ELEMENTS;

  n += (flags & HS2NI_FLAG_COMPRESSED) != 0 ? 2 : 0;
  n += (flags & HS2NI_FLAG_REQUEST) != 0 ? 1 : 0;
  n += (flags & HS2NI_FLAG_RESPONSE) != 0 ? 2 : 0;
  n += (flags & HS2NI_FLAG_SIGNED) != 0 ? 1 : 0;
  return n;
}

/* Of an array of n elements. */
static uint32_t read_flags(struct hs2ni_cbor_reader *r, size_t n,
                           enum hs2ni_record_kind kind) {
  const uint32_t both = HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE;
  const uint32_t flags = (uint32_t)hs2ni_cbor_uint(r, 0, HS2NI_FLAGS_ALL);

  if ((flags & both) == both || n < msg_elements(flags) ||
      (kind == HS2NI_RECORD_LARGE && (flags & HS2NI_FLAG_UNORDERED) != 0)) {
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
  } else if (n > msg_elements(flags) + HS2NI_RECORD_EXTRA_MAX) {
    hs2ni_cbor_fail(r, HS2N_ERR_TOO_BIG);
  }
  return flags;
}

static void read_extras(struct hs2ni_cbor_reader *r,
                        struct hs2ni_record *record) {
  if ((record->flags & HS2NI_FLAG_COMPRESSED) != 0) {
    record->codec =
        (enum hs2ni_codec)hs2ni_cbor_uint(r, HS2NI_CODEC_LZ4, HS2NI_CODEC_ZSTD);
    record->raw_len = read_len(r);
  }
  if ((record->flags & (HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE)) != 0) {
    record->request = read_seq(r);
  }
  if ((record->flags & HS2NI_FLAG_RESPONSE) != 0) {
    record->status = (uint32_t)hs2ni_cbor_uint(r, 0, UINT32_MAX);
  }
  if ((record->flags & HS2NI_FLAG_SIGNED) != 0) {
    record->signature =
        hs2ni_cbor_bytes(r, HS2NI_SIGNATURE_LEN, HS2NI_SIGNATURE_LEN);
  }
}

/* What stands behind the extras, n elements. */
static void read_more(struct hs2ni_cbor_reader *r, size_t n,
                      struct hs2ni_record *record) {
  if (n > 0 && (record->flags & HS2NI_FLAG_REQUEST) != 0) {
    const uint64_t left_ms = hs2ni_cbor_uint(r, 0, UINT64_MAX);

    record->left_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX;
    n--;
  }
  skip_unknown(r, n);
}

/* Of an ack or nack. */
static void read_lane_of(struct hs2ni_cbor_reader *r,
                         struct hs2ni_record *record) {
  const uint8_t lane = (uint8_t)hs2ni_cbor_uint(r, 0, 2 * HS2N_LANES - 1);

  record->lane = lane % HS2N_LANES;
  record->unordered = lane >= HS2N_LANES;
}

static void read_msg(struct hs2ni_cbor_reader *r, size_t n,
                     struct hs2ni_record *record) {
  record->seq = read_seq(r);
  record->type = (uint8_t)hs2ni_cbor_uint(r, 0, HS2N_TYPES_MAX - 1);
  record->flags = read_flags(r, n, record->kind);
  record->view = hs2ni_cbor_uint(r, 0, UINT64_MAX);
  if (record->kind == HS2NI_RECORD_LARGE) {
    record->body_len = read_len(r);
  }
  read_extras(r, record);
  if (r->err == HS2N_OK) {
    read_more(r, n - msg_elements(record->flags), record);
  }
  if (record->kind == HS2NI_RECORD_MSG) {
    record->body_len = (uint32_t)hs2ni_cbor_bytes_head(r, HS2N_BODY_MAX);
  }
}

static void read_heartbeat(struct hs2ni_cbor_reader *r,
                           struct hs2ni_record *record) {
  record->view = hs2ni_cbor_uint(r, 0, UINT64_MAX);
  record->unix_ms = hs2ni_cbor_uint(r, 0, UINT64_MAX);
  record->interval_ms = (uint32_t)hs2ni_cbor_uint(r, HS2NI_HEARTBEAT_MIN_MS,
                                                  HS2NI_HEARTBEAT_MAX_MS);
  record->signature =
      hs2ni_cbor_bytes(r, HS2NI_SIGNATURE_LEN, HS2NI_SIGNATURE_LEN);
}

static void read_batch(struct hs2ni_cbor_reader *r, size_t n,
                       struct hs2ni_record *record) {
  record->codec =
      (enum hs2ni_codec)hs2ni_cbor_uint(r, HS2NI_CODEC_LZ4, HS2NI_CODEC_ZSTD);
  record->raw_len = (uint32_t)hs2ni_cbor_size(r, HS2NI_BATCH_RAW_MAX);
  skip_unknown(r, n - BATCH_ELEMENTS);
  record->body_len = (uint32_t)hs2ni_cbor_bytes_head(r, HS2NI_BATCH_RAW_MAX);
}

/* The elements of an array of n behind its kind. */
static void read_record(struct hs2ni_cbor_reader *r, size_t n,
                        struct hs2ni_record *record) {
  switch (record->kind) {
  case HS2NI_RECORD_MSG:
  case HS2NI_RECORD_LARGE:
    read_msg(r, n, record);
    return;
  case HS2NI_RECORD_ACK:
    read_lane_of(r, record);
    record->seq = hs2ni_cbor_uint(r, 0, UINT64_MAX);
    record->bitmap = read_bitmap(r, record->seq);
    skip_unknown(r, n - ACK_ELEMENTS);
    return;
  case HS2NI_RECORD_NACK:
    read_lane_of(r, record);
    record->seq = read_seq(r);
    record->code = (uint32_t)hs2ni_cbor_uint(r, 0, UINT32_MAX);
    skip_unknown(r, n - ACK_ELEMENTS);
    return;
  case HS2NI_RECORD_HEARTBEAT:
    read_heartbeat(r, record);
    skip_unknown(r, n - HEARTBEAT_ELEMENTS);
    return;
  case HS2NI_RECORD_BATCH:
    read_batch(r, n, record);
    return;
  }
}

int32_t hs2ni_record_decode(struct hs2n_span in, struct hs2ni_record *out) {
  struct hs2ni_cbor_reader r = hs2ni_cbor_reader_over(in);
  const size_t n = hs2ni_cbor_array(&r, ACK_ELEMENTS,
                                    MSG_ELEMENTS_MAX + HS2NI_RECORD_EXTRA_MAX);
  struct hs2ni_record record = {.kind = read_record_kind(&r, n)};

  if (r.err == HS2N_OK) {
    read_record(&r, n, &record);
  }
  if (r.err == HS2N_OK) {
    *out = record;
  }
  return used(&r, in);
}

static bool says_left(const struct hs2ni_record *record) {
  return (record->flags & HS2NI_FLAG_REQUEST) != 0 && record->left_ms > 0;
}

static void put_extras(struct hs2ni_cbor_writer *w,
                       const struct hs2ni_record *record) {
  if ((record->flags & HS2NI_FLAG_COMPRESSED) != 0) {
    assert(record->raw_len <= HS2N_BODY_MAX);
    hs2ni_cbor_put_uint(w, record->codec);
    hs2ni_cbor_put_uint(w, record->raw_len);
  }
  if ((record->flags & (HS2NI_FLAG_REQUEST | HS2NI_FLAG_RESPONSE)) != 0) {
    assert(record->request >= 1);
    hs2ni_cbor_put_uint(w, record->request);
  }
  if ((record->flags & HS2NI_FLAG_RESPONSE) != 0) {
    hs2ni_cbor_put_uint(w, record->status);
  }
  if ((record->flags & HS2NI_FLAG_SIGNED) != 0) {
    assert(record->signature.len == HS2NI_SIGNATURE_LEN);
    hs2ni_cbor_put_bytes(w, record->signature);
  }
  if (says_left(record)) {
    hs2ni_cbor_put_uint(w, record->left_ms);
  }
}

static void put_msg(struct hs2ni_cbor_writer *w,
                    const struct hs2ni_record *record) {
  assert(record->seq >= 1);
  assert(record->type < HS2N_TYPES_MAX);
  assert(record->flags <= HS2NI_FLAGS_ALL);
  assert(record->body_len <= HS2N_BODY_MAX);
  assert(record->kind == HS2NI_RECORD_MSG ||
         (record->flags & HS2NI_FLAG_UNORDERED) == 0);
  hs2ni_cbor_put_array(w, msg_elements(record->flags) + says_left(record));
  hs2ni_cbor_put_uint(w, record->kind);
  hs2ni_cbor_put_uint(w, record->seq);
  hs2ni_cbor_put_uint(w, record->type);
  hs2ni_cbor_put_uint(w, record->flags);
  hs2ni_cbor_put_uint(w, record->view);
  if (record->kind == HS2NI_RECORD_LARGE) {
    hs2ni_cbor_put_uint(w, record->body_len);
    put_extras(w, record);
  } else {
    put_extras(w, record);
    hs2ni_cbor_put_bytes_head(w, record->body_len);
  }
}

static void put_ack(struct hs2ni_cbor_writer *w,
                    const struct hs2ni_record *record) {
  const struct hs2n_span bitmap = record->bitmap;

  assert(bitmap.len <= HS2NI_ACK_BITMAP_MAX);
  assert(bitmap.len <= (UINT64_MAX - record->seq) / 8);
  assert(bitmap.len == 0 || bitmap.data[bitmap.len - 1] != 0);
  hs2ni_cbor_put_uint(w, record->seq);
  hs2ni_cbor_put_bytes(w, bitmap);
}

static void put_nack(struct hs2ni_cbor_writer *w,
                     const struct hs2ni_record *record) {
  assert(record->seq >= 1);
  hs2ni_cbor_put_uint(w, record->seq);
  hs2ni_cbor_put_uint(w, record->code);
}

static void put_heartbeat(struct hs2ni_cbor_writer *w,
                          const struct hs2ni_record *record) {
  assert(record->interval_ms >= HS2NI_HEARTBEAT_MIN_MS &&
         record->interval_ms <= HS2NI_HEARTBEAT_MAX_MS);
  assert(record->signature.len == HS2NI_SIGNATURE_LEN);
  hs2ni_cbor_put_array(w, HEARTBEAT_ELEMENTS);
  hs2ni_cbor_put_uint(w, record->kind);
  hs2ni_cbor_put_uint(w, record->view);
  hs2ni_cbor_put_uint(w, record->unix_ms);
  hs2ni_cbor_put_uint(w, record->interval_ms);
  hs2ni_cbor_put_bytes(w, record->signature);
}

static void put_batch(struct hs2ni_cbor_writer *w,
                      const struct hs2ni_record *record) {
  assert(record->raw_len <= HS2NI_BATCH_RAW_MAX);
  assert(record->body_len <= HS2NI_BATCH_RAW_MAX);
  hs2ni_cbor_put_array(w, BATCH_ELEMENTS);
  hs2ni_cbor_put_uint(w, record->kind);
  hs2ni_cbor_put_uint(w, record->codec);
  hs2ni_cbor_put_uint(w, record->raw_len);
  hs2ni_cbor_put_bytes_head(w, record->body_len);
}

size_t hs2ni_record_encode(const struct hs2ni_record *record,
                           uint8_t out[HS2NI_RECORD_MAX]) {
  struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(out, HS2NI_RECORD_MAX);

  if (record->kind == HS2NI_RECORD_MSG || record->kind == HS2NI_RECORD_LARGE) {
    put_msg(&w, record);
  } else if (record->kind == HS2NI_RECORD_HEARTBEAT) {
    put_heartbeat(&w, record);
  } else if (record->kind == HS2NI_RECORD_BATCH) {
    put_batch(&w, record);
  } else {
    assert(record->kind == HS2NI_RECORD_ACK ||
           record->kind == HS2NI_RECORD_NACK);
    assert(record->lane < HS2N_LANES);
    hs2ni_cbor_put_array(&w, ACK_ELEMENTS);
    hs2ni_cbor_put_uint(&w, record->kind);
    hs2ni_cbor_put_uint(&w,
                        record->lane + (record->unordered ? HS2N_LANES : 0u));
    if (record->kind == HS2NI_RECORD_ACK) {
      put_ack(&w, record);
    } else {
      put_nack(&w, record);
    }
  }
  assert(!w.full);
  return hs2ni_cbor_written(&w);
}
