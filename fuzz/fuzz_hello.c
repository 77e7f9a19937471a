/* Decodes arbitrary bytes as a hello: what is read has one encoding but for
 * unknown keys, no byte behind a refusal changes it, and libcbor's own decoder
 * sees one item too. */
/* covers: H77 */
#include "wire/hello.h"

#include <cbor.h>
#include <hs2net/error.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXES_MAX 300 /* prefixes of all lengths take quadratic time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void check_encoding(const struct hs2ni_hello *hello,
                           struct hs2n_span in) {
  static uint8_t again[HS2NI_HELLO_MAX];
  static uint8_t third[HS2NI_HELLO_MAX];
  struct hs2ni_hello reread;
  const int len = hs2ni_hello_encode(hello, again);

  expect(len > 0 && (size_t)len <= in.len);
  if ((size_t)len == in.len) {
    expect(memcmp(again, in.data, in.len) == 0);
    return;
  }
  expect(hs2ni_hello_decode((struct hs2n_span){again, (size_t)len}, &reread) ==
         HS2N_OK);
  expect(hs2ni_hello_encode(&reread, third) == len);
  expect(memcmp(again, third, (size_t)len) == 0);
}

static void on_array(void *wanted, size_t n) {
  *(size_t *)wanted += n;
}

static void on_map(void *wanted, size_t n) {
  *(size_t *)wanted += 2 * n;
}

/* Item by item, counting how many the containers still want.  (Its parser of
 * whole trees is stricter in one thing: it looks into texts for UTF-8.) */
static void check_with_libcbor(struct hs2n_span in) {
  struct cbor_callbacks callbacks = cbor_empty_callbacks;
  size_t wanted = 1;
  size_t at = 0;

  callbacks.array_start = on_array;
  callbacks.map_start = on_map;
  while (wanted > 0) {
    const struct cbor_decoder_result result =
        cbor_stream_decode(in.data + at, in.len - at, &callbacks, &wanted);

    expect(result.status == CBOR_DECODER_FINISHED);
    at += result.read;
    wanted--;
  }
  expect(at == in.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  const struct hs2n_span in = {data, len};
  struct hs2ni_hello hello;
  const int err = hs2ni_hello_decode(in, &hello);

  if (err == HS2N_OK) {
    check_encoding(&hello, in);
    check_with_libcbor(in);
  }
  for (size_t n = len < PREFIXES_MAX ? len : 0; n > 0; n--) {
    const int before =
        hs2ni_hello_decode((struct hs2n_span){data, n - 1}, &hello);

    /* A good one with something behind it is malformed. */
    expect(before == HS2N_ERR_TRUNCATED || before == err ||
           (before == HS2N_OK && err == HS2N_ERR_MALFORMED));
  }
  return 0;
}
