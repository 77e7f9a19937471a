/* What protocol version 1 looks like on the wire, as in docs/wire-format.md.
 * These bytes may never change: what can't read or doesn't write them is not
 * version 1. */
#include "hex.h"
#include "tap.h"
#include "wire/beat.h"
#include "wire/envelope.h"
#include "wire/hello.h"
#include "wire/record.h"

#include <hs2net/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
  const char *bytes;
  struct hs2ni_head means;
} heads[] = {
    {"81 00", {.kind = HS2NI_STREAM_HELLO}},
    {"81 01", {.kind = HS2NI_STREAM_ACKS}},
    {"82 02 01", {.kind = HS2NI_STREAM_LANE, .lane = HS2N_LANE_VOTE}},
    {"84 03 04 19012c 1a000f4240",
     {.kind = HS2NI_STREAM_BODY,
      .lane = HS2N_LANE_SYNC,
      .seq = 300,
      .len = 1000000}},
    {"83 04 01 1829",
     {.kind = HS2NI_STREAM_DATAGRAM, .lane = HS2N_LANE_VOTE, .seq = 41}},
};

static const uint8_t three[] = {0x05, 0x00, 0x01}; /* bits 0, 2 and 16 */
static const uint8_t second[] = {0x02};

static const uint8_t counting[HS2NI_SIGNATURE_LEN] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
    48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

static const struct {
  const char *bytes; /* without the body of a msg */
  struct hs2ni_record means;
} records[] = {
    {"86 01 01 02 01 07 43",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 1,
      .type = 2,
      .flags = HS2NI_FLAG_VIEW_BOUND,
      .view = 7,
      .body_len = 3}},
    {"86 01 1a00011170 1828 00 1a0001e240 5896",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 70000,
      .type = 40,
      .view = 123456,
      .body_len = 150}},
    {"86 02 19012c 03 00 08 1a000f4240",
     {.kind = HS2NI_RECORD_LARGE,
      .seq = 300,
      .type = 3,
      .view = 8,
      .body_len = 1000000}},
    {"88 02 09 14 02 00 1a00030d40 02 1a00100000",
     {.kind = HS2NI_RECORD_LARGE,
      .seq = 9,
      .type = 20,
      .flags = HS2NI_FLAG_COMPRESSED,
      .body_len = 200000,
      .codec = HS2NI_CODEC_ZSTD,
      .raw_len = 1 << 20}},
    {"87 01 02 05 04 00 11 44",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 2,
      .type = 5,
      .flags = HS2NI_FLAG_REQUEST,
      .body_len = 4,
      .request = 17}},
    {"88 01 02 05 04 00 11 1903e8 44",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 2,
      .type = 5,
      .flags = HS2NI_FLAG_REQUEST,
      .body_len = 4,
      .request = 17,
      .left_ms = 1000}},
    {"88 01 03 06 08 00 11 00 590200",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 3,
      .type = 6,
      .flags = HS2NI_FLAG_RESPONSE,
      .body_len = 512,
      .request = 17}},
    {"87 01 04 01 11 07"
     "5840"
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
     "5896",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 4,
      .type = 1,
      .flags = HS2NI_FLAG_SIGNED | HS2NI_FLAG_VIEW_BOUND,
      .view = 7,
      .body_len = 150,
      .signature = {counting, sizeof(counting)}}},
    {"86 01 182a 01 1821 07 5896",
     {.kind = HS2NI_RECORD_MSG,
      .seq = 42,
      .type = 1,
      .flags = HS2NI_FLAG_UNORDERED | HS2NI_FLAG_VIEW_BOUND,
      .view = 7,
      .body_len = 150}},
    {"84 03 01 1829 40",
     {.kind = HS2NI_RECORD_ACK, .lane = HS2N_LANE_VOTE, .seq = 41}},
    {"84 03 05 1903e8 43050001",
     {.kind = HS2NI_RECORD_ACK,
      .lane = HS2N_LANE_BULK,
      .seq = 1000,
      .bitmap = {three, sizeof(three)}}},
    {"84 03 07 1829 4102",
     {.kind = HS2NI_RECORD_ACK,
      .lane = HS2N_LANE_VOTE,
      .unordered = true,
      .seq = 41,
      .bitmap = {second, sizeof(second)}}},
    {"84 04 03 09 1842",
     {.kind = HS2NI_RECORD_NACK,
      .lane = HS2N_LANE_PROPOSAL,
      .seq = 9,
      .code = HS2N_REASON_MSG_TOO_BIG}},
    {"85 05 07 1b0000018ee1234567 1903e8"
     "5840"
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
     "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
     {.kind = HS2NI_RECORD_HEARTBEAT,
      .view = 7,
      .unix_ms = 0x18ee1234567,
      .interval_ms = 1000,
      .signature = {counting, sizeof(counting)}}},
    {"84 06 01 190c80 5901f4",
     {.kind = HS2NI_RECORD_BATCH,
      .codec = HS2NI_CODEC_LZ4,
      .raw_len = 3200,
      .body_len = 500}},
};

static const char hello_bytes[] =
    "aa"
    "01 68 746573742d6e6574"
    "02 01"
    "03 01"
    "04 1b 17c668212f6e0000"
    "05 02"
    "06 00"
    "07 82 46 c0000201 1b58"
    "      52 20010db8000000000000000000000001 1b59"
    "08 81 44 deadbeef"
    "09 82 83 00 01 190200"
    "      83 01 03 1a00400000"
    "0a 1a01000000";
static const uint8_t record_bytes[] = {0xde, 0xad, 0xbe, 0xef};
static const struct hs2ni_hello hello_means = {
    .chain_id = {(const uint8_t *)"test-net", 8},
    .version_min = 1,
    .version_max = 1,
    .incarnation = 1713171200000000000,
    .epoch = 2,
    .addrs = {{.family = HS2N_FAMILY_IPV4, .ip = {192, 0, 2, 1}, .port = 7000},
              {.family = HS2N_FAMILY_IPV6,
               .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
               .port = 7001}},
    .addrs_n = 2,
    .records = {{record_bytes, sizeof(record_bytes)}},
    .records_n = 1,
    .types = {{.id = 0, .lane = HS2N_LANE_VOTE, .size_max = 512},
              {.id = 1, .lane = HS2N_LANE_PROPOSAL, .size_max = 4u << 20}},
    .types_n = 2,
    .bodies_bytes = 16u << 20,
};

static const char envelope_bytes[] =
    "6873326e6574206d657373616765 00"
    "86"
    "68 746573742d6e6574"
    "5820 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "01"
    "01"
    "07"
    "5820 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/* Reads bytes and compares, byte for byte. */
static void check_bytes(const uint8_t *got, size_t len, const char *want) {
  uint8_t bytes[256];

  REQUIRE(hex_read(want, bytes) == len);
  CHECK_MEM(got, bytes, len);
}

static const char beat_bytes[] =
    "6873326e657420686561727462656174 00"
    "85"
    "68 746573742d6e6574"
    "5820 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "1b 17c668212f6e0000"
    "07"
    "1b 0000018ee1234567";

/* covers: P12 */
static void heads_are_written_and_read_as_ever(void) {
  for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
    const struct hs2ni_head *want = &heads[i].means;
    uint8_t bytes[HS2NI_HEAD_MAX];
    struct hs2ni_head got;
    const size_t len = hs2ni_head_encode(want, bytes);

    check_bytes(bytes, len, heads[i].bytes);
    CHECK_EQ(hs2ni_head_decode((struct hs2n_span){bytes, len}, &got), len);
    CHECK_EQ(got.kind, want->kind);
    CHECK_EQ(got.lane, want->lane);
    CHECK_EQ(got.seq, want->seq);
    CHECK_EQ(got.len, want->len);
  }
}

/* covers: P12 */
static void records_are_written_and_read_as_ever(void) {
  for (size_t i = 0; i < ARRAY_LEN(records); i++) {
    const struct hs2ni_record *want = &records[i].means;
    uint8_t bytes[HS2NI_RECORD_MAX];
    struct hs2ni_record got;
    const size_t len = hs2ni_record_encode(want, bytes);

    check_bytes(bytes, len, records[i].bytes);
    REQUIRE(hs2ni_record_decode((struct hs2n_span){bytes, len}, &got) > 0);
    CHECK_EQ(got.kind, want->kind);
    CHECK_EQ(got.seq, want->seq);
    CHECK_EQ(got.lane, want->lane);
    CHECK_EQ(got.unordered, want->unordered);
    CHECK_EQ(got.type, want->type);
    CHECK_EQ(got.flags, want->flags);
    CHECK_EQ(got.view, want->view);
    CHECK_EQ(got.body_len, want->body_len);
    CHECK_EQ(got.code, want->code);
    CHECK_EQ(got.codec, want->codec);
    CHECK_EQ(got.raw_len, want->raw_len);
    CHECK_EQ(got.request, want->request);
    CHECK_EQ(got.status, want->status);
    CHECK_EQ(got.unix_ms, want->unix_ms);
    CHECK_EQ(got.interval_ms, want->interval_ms);
    REQUIRE(got.signature.len == want->signature.len);
    CHECK(got.signature.len == 0 ||
          memcmp(got.signature.data, counting, sizeof(counting)) == 0);
    REQUIRE(got.bitmap.len == want->bitmap.len);
    CHECK(got.bitmap.len == 0 ||
          memcmp(got.bitmap.data, want->bitmap.data, got.bitmap.len) == 0);
  }
}

/* covers: P12 */
static void a_hello_is_written_and_read_as_ever(void) {
  uint8_t bytes[HS2NI_HELLO_MAX];
  static uint8_t again[HS2NI_HELLO_MAX];
  struct hs2ni_hello got;
  const int len = hs2ni_hello_encode(&hello_means, bytes);

  REQUIRE(len > 0);
  check_bytes(bytes, (size_t)len, hello_bytes);
  REQUIRE(hs2ni_hello_decode((struct hs2n_span){bytes, (size_t)len}, &got) ==
          HS2N_OK);
  CHECK_EQ(got.incarnation, 1713171200000000000);
  CHECK_EQ(got.types[1].size_max, 4u << 20);
  REQUIRE(hs2ni_hello_encode(&got, again) == len);
  CHECK_MEM(again, bytes, (size_t)len);
}

/* covers: P12 */
static void an_envelope_is_written_as_ever(void) {
  struct hs2ni_envelope envelope = {
      .chain_id = {(const uint8_t *)"test-net", 8},
      .type = 1,
      .flags = HS2NI_FLAG_VIEW_BOUND,
      .view = 7,
  };
  const struct hs2n_span body = {(const uint8_t *)"abc", 3};
  uint8_t bytes[HS2NI_ENVELOPE_MAX];

  memcpy(envelope.sender.bytes, counting, sizeof(envelope.sender.bytes));
  hs2n_sha256(&body, 1, envelope.hash);
  check_bytes(bytes, hs2ni_envelope_encode(&envelope, bytes), envelope_bytes);
}

/* covers: P12 */
static void what_a_heartbeat_signs_is_written_as_ever(void) {
  struct hs2ni_beat_text text = {
      .chain_id = {(const uint8_t *)"test-net", 8},
      .incarnation = 1713171200000000000,
      .view = 7,
      .unix_ms = 0x18ee1234567,
  };
  uint8_t bytes[HS2NI_BEAT_MAX];

  memcpy(text.sender.bytes, counting, sizeof(text.sender.bytes));
  check_bytes(bytes, hs2ni_beat_encode(&text, bytes), beat_bytes);
}

int main(void) {
  RUN(heads_are_written_and_read_as_ever);
  RUN(records_are_written_and_read_as_ever);
  RUN(a_hello_is_written_and_read_as_ever);
  RUN(an_envelope_is_written_as_ever);
  RUN(what_a_heartbeat_signs_is_written_as_ever);
  return tap_done();
}
