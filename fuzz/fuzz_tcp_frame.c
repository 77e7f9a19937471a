/* Reads a record as frames; what can be read is written and read again, and is
 * the same. */
/* covers: H77 */
#include "tcp/frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void again(const struct hs2ni_tcp_frame *f) {
  static uint8_t bytes[HS2NI_TCP_FRAME_MAX + 70000];
  struct hs2n_span rest = {bytes, hs2ni_tcp_frame_write(bytes, f)};
  struct hs2ni_tcp_frame got;

  expect(rest.len <= HS2NI_TCP_FRAME_MAX);
  if (f->kind != HS2NI_TCP_PARAMS && f->bytes.len > 0) {
    expect(f->bytes.len <= 70000);
    memcpy(bytes + rest.len, f->bytes.data, f->bytes.len);
    rest.len += f->bytes.len;
  }
  expect(hs2ni_tcp_frame_read(&rest, &got) == HS2N_OK);
  expect(rest.len == 0);
  expect(got.kind == f->kind && got.fin == f->fin);
  expect(got.stream == f->stream && got.offset == f->offset &&
         got.code == f->code);
  if (f->kind == HS2NI_TCP_PARAMS) {
    expect(memcmp(&got.params, &f->params, sizeof(f->params)) == 0);
  } else {
    expect(got.bytes.len == f->bytes.len);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct hs2n_span rest = {data, len};
  struct hs2ni_tcp_frame f;

  if (len > 65536) {
    return 0;
  }
  while (rest.len > 0) {
    const size_t before = rest.len;
    const int rv = hs2ni_tcp_frame_read(&rest, &f);

    if (rv != HS2N_OK) {
      expect(rv == HS2N_ERR_TRUNCATED || rv == HS2N_ERR_MALFORMED);
      expect(rest.len == before);
      return 0;
    }
    expect(rest.len < before);
    again(&f);
  }
  return 0;
}
