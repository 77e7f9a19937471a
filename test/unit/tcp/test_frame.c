/* Frames: what is written is read, and nothing else. */
#include "base/rng.h"
#include "tap.h"
#include "tcp/frame.h"

static const struct hs2ni_tcp_frame samples[] = {
    {.kind = HS2NI_TCP_PARAMS,
     .params = {.max_data = 1u << 21,
                .max_stream_data = 1u << 20,
                .max_streams = 64,
                .max_datagram = 1209}},
    {.kind = HS2NI_TCP_PARAMS,
     .params = {.max_data = HS2NI_TCP_VARINT_MAX,
                .max_stream_data = HS2NI_TCP_VARINT_MAX,
                .max_streams = UINT64_C(1) << 60,
                .max_datagram = HS2NI_TCP_VARINT_MAX}},
    {.kind = HS2NI_TCP_STREAM, .stream = 2, .bytes = {NULL, 300}},
    {.kind = HS2NI_TCP_STREAM,
     .stream = HS2NI_TCP_VARINT_MAX,
     .offset = HS2NI_TCP_VARINT_MAX,
     .bytes = {NULL, 16384},
     .fin = true},
    {.kind = HS2NI_TCP_STREAM, .stream = 7, .offset = 9, .fin = true},
    {.kind = HS2NI_TCP_RESET_STREAM,
     .stream = HS2NI_TCP_VARINT_MAX,
     .code = HS2NI_TCP_VARINT_MAX,
     .offset = HS2NI_TCP_VARINT_MAX},
    {.kind = HS2NI_TCP_STOP_SENDING, .stream = 3, .code = 0x44},
    {.kind = HS2NI_TCP_MAX_DATA, .offset = 1u << 30},
    {.kind = HS2NI_TCP_MAX_STREAM_DATA, .stream = 6, .offset = 16383},
    {.kind = HS2NI_TCP_MAX_STREAMS, .offset = 80},
    {.kind = HS2NI_TCP_DATAGRAM, .bytes = {NULL, 63}},
    {.kind = HS2NI_TCP_PING, .code = 1},
    {.kind = HS2NI_TCP_PONG, .code = HS2NI_TCP_VARINT_MAX},
    {.kind = HS2NI_TCP_HELD, .stream = 64, .offset = 16384},
    {.kind = HS2NI_TCP_HELD, .stream = 2, .offset = 5, .fin = true},
    {.kind = HS2NI_TCP_CONNECTION_CLOSE, .code = 3, .fin = true},
    {.kind = HS2NI_TCP_CONNECTION_CLOSE, .code = 0x0a},
};
#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static size_t write_sample(const struct hs2ni_tcp_frame *f, uint8_t *out) {
  size_t len = hs2ni_tcp_frame_write(out, f);

  CHECK(len <= HS2NI_TCP_FRAME_MAX);
  if (f->kind != HS2NI_TCP_PARAMS) {
    memset(out + len, 0xab, f->bytes.len);
    len += f->bytes.len;
  }
  return len;
}

static void check_same(const struct hs2ni_tcp_frame *got,
                       const struct hs2ni_tcp_frame *want) {
  CHECK_EQ(got->kind, want->kind);
  CHECK_EQ(got->fin, want->fin);
  CHECK(got->stream == want->stream);
  CHECK(got->offset == want->offset);
  CHECK(got->code == want->code);
  if (want->kind == HS2NI_TCP_PARAMS) {
    CHECK_MEM(&got->params, &want->params, sizeof(want->params));
  } else {
    CHECK_EQ(got->bytes.len, want->bytes.len);
  }
}

static void what_is_written_is_read(void) {
  static uint8_t bytes[20000];

  for (size_t i = 0; i < SAMPLES; i++) {
    const size_t len = write_sample(&samples[i], bytes);
    struct hs2n_span rest = {bytes, len + 1};
    struct hs2ni_tcp_frame got;

    CHECK_EQ(hs2ni_tcp_frame_read(&rest, &got), HS2N_OK);
    CHECK_EQ(rest.len, 1);
    CHECK(rest.data == bytes + len);
    check_same(&got, &samples[i]);
  }
}

/* Those of docs/wire-format.md. */
static const struct {
  const char *hex;
  struct hs2ni_tcp_frame frame;
} examples[] = {
    {"0a 02 05 68656c6c6f",
     {.kind = HS2NI_TCP_STREAM, .stream = 2, .bytes = {NULL, 5}}},
    {"0f 02 4400 02 2121",
     {.kind = HS2NI_TCP_STREAM,
      .stream = 2,
      .offset = 1024,
      .bytes = {NULL, 2},
      .fin = true}},
    {"3a 02 4400", {.kind = HS2NI_TCP_HELD, .stream = 2, .offset = 1024}},
    {"3b 02 4402",
     {.kind = HS2NI_TCP_HELD, .stream = 2, .offset = 1026, .fin = true}},
    {"f48c67529ef8c7bd 07", {.kind = HS2NI_TCP_PING, .code = 7}},
    {"ff5153300d0a0d0a 14 0404 80200000 0704 80100000 0902 4040 2002 44b9",
     {.kind = HS2NI_TCP_PARAMS,
      .params = {.max_data = 2097152,
                 .max_stream_data = 1048576,
                 .max_streams = 64,
                 .max_datagram = 1209}}},
};

static unsigned digit(char c) {
  return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t unhex(const char *hex, uint8_t *out) {
  size_t len = 0;

  for (; *hex != 0; hex++) {
    if (*hex != ' ') {
      out[len++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
      hex++;
    }
  }
  return len;
}

static void examples_are_read_and_written(void) {
  for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
    uint8_t bytes[64];
    uint8_t written[HS2NI_TCP_FRAME_MAX];
    const size_t len = unhex(examples[i].hex, bytes);
    struct hs2n_span rest = {bytes, len};
    struct hs2ni_tcp_frame got = {.fin = false};

    CHECK_EQ(hs2ni_tcp_frame_read(&rest, &got), HS2N_OK);
    CHECK_EQ(rest.len, 0);
    check_same(&got, &examples[i].frame);
    CHECK_MEM(written, bytes,
              hs2ni_tcp_frame_write(written, &examples[i].frame));
  }
}

static void every_prefix_is_refused(void) {
  static uint8_t bytes[20000];

  for (size_t i = 0; i < SAMPLES; i++) {
    const size_t len = write_sample(&samples[i], bytes);

    for (size_t n = 0; n < len; n += n < 100 ? 1 : 97) {
      struct hs2n_span rest = {bytes, n};
      struct hs2ni_tcp_frame got;

      CHECK_EQ(hs2ni_tcp_frame_read(&rest, &got), HS2N_ERR_TRUNCATED);
      CHECK_EQ(rest.len, n);
    }
  }
}

/* Without a length a frame goes to the end of its record (RFC 9000, 19.8). */
static void a_frame_without_length_takes_the_rest(void) {
  static const uint8_t stream[] = {0x09, 2, 1, 2, 3};
  static const uint8_t datagram[] = {0x30, 1, 2};
  struct hs2n_span rest = {stream, sizeof(stream)};
  struct hs2ni_tcp_frame got;

  CHECK_EQ(hs2ni_tcp_frame_read(&rest, &got), HS2N_OK);
  CHECK_EQ(got.bytes.len, 3);
  CHECK(got.fin);
  CHECK_EQ(rest.len, 0);
  rest = (struct hs2n_span){datagram, sizeof(datagram)};
  CHECK_EQ(hs2ni_tcp_frame_read(&rest, &got), HS2N_OK);
  CHECK_EQ(got.bytes.len, 2);
}

static int read_of(const uint8_t *bytes, size_t len) {
  struct hs2n_span rest = {bytes, len};
  struct hs2ni_tcp_frame got;

  return hs2ni_tcp_frame_read(&rest, &got);
}

#define REFUSED(...)                                               \
  do {                                                             \
    static const uint8_t bytes_[] = {__VA_ARGS__};                 \
    CHECK_EQ(read_of(bytes_, sizeof(bytes_)), HS2N_ERR_MALFORMED); \
  } while (0)

#define QX_PARAMS 0xff, 0x51, 0x53, 0x30, 0x0d, 0x0a, 0x0d, 0x0a

static void malformed_frames_are_refused(void) {
  REFUSED(0x00);             /* PADDING */
  REFUSED(0x01);             /* PING without a number */
  REFUSED(0x02, 0, 0, 0, 0); /* ACK: a pipe needs none */
  REFUSED(0x06, 0, 1, 7);    /* CRYPTO */
  REFUSED(0x12, 1);          /* bidirectional streams */
  REFUSED(0x1e);             /* HANDSHAKE_DONE */
  REFUSED(0x40, 0x10, 1);    /* a type that is not in its shortest form */
  REFUSED(0x80, 0, 0, 0x10, 1);
  REFUSED(0x3c, 1, 1);
  REFUSED(QX_PARAMS, 3, 0x04, 1, 63);     /* less than the least window */
  REFUSED(QX_PARAMS, 3, 0x09, 1, 3);      /* too few streams */
  REFUSED(QX_PARAMS, 3, 0x04, 2, 63);     /* a value beyond the end */
  REFUSED(QX_PARAMS, 4, 0x20, 2, 63, 63); /* a value and more */
  REFUSED(QX_PARAMS, 6, 0x20, 1, 9, 0x20, 1, 9); /* twice */
  REFUSED(QX_PARAMS, 2, 0x20, 0);                /* no value */
}

/* A later version may say more. */
static void unknown_parameters_are_skipped(void) {
  static const uint8_t bytes[] = {QX_PARAMS, 6, 0x3f, 1, 9, 0x20, 1, 9};

  CHECK_EQ(read_of(bytes, sizeof(bytes)), HS2N_OK);
}

static void random_bytes_never_read_beyond_their_end(void) {
  struct hs2ni_rng rng;
  uint8_t bytes[64];

  hs2ni_rng_seed(&rng, 5);
  for (unsigned i = 0; i < 200000; i++) {
    const size_t len = (size_t)hs2ni_rng_below(&rng, sizeof(bytes) + 1);
    struct hs2n_span rest = {bytes, len};
    struct hs2ni_tcp_frame got;

    for (size_t k = 0; k < len; k++) {
      bytes[k] = (uint8_t)hs2ni_rng_below(&rng, k == 0 ? 0x40 : 256);
    }
    if (hs2ni_tcp_frame_read(&rest, &got) == HS2N_OK) {
      CHECK(rest.len < len);
      CHECK(got.bytes.len <= len);
    } else {
      CHECK_EQ(rest.len, len);
    }
  }
}

int main(void) {
  RUN(what_is_written_is_read);
  RUN(examples_are_read_and_written);
  RUN(every_prefix_is_refused);
  RUN(a_frame_without_length_takes_the_rest);
  RUN(malformed_frames_are_refused);
  RUN(unknown_parameters_are_skipped);
  RUN(random_bytes_never_read_beyond_their_end);
  return tap_done();
}
