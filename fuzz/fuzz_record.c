/* Decodes arbitrary bytes as a sequence of records, as a stream does: what is
 * read has one encoding but for unknown elements, no byte behind an answer
 * other than "wait" changes it, and libcbor's own decoder sees the same. */
/* covers: H77 */
#include "wire/record.h"

#include <cbor.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void check_encoding(const struct hs2ni_record *record,
                           const uint8_t *data, size_t used) {
  uint8_t again[HS2NI_RECORD_MAX];
  struct hs2ni_record reread;
  const size_t len = hs2ni_record_encode(record, again);

  expect(len <= used);
  if (len == used) {
    expect(memcmp(again, data, used) == 0);
    return;
  }
  /* Unknown elements are gone, and only they. */
  expect(hs2ni_record_decode((struct hs2n_span){again, len}, &reread) ==
         (int32_t)len);
  expect(reread.kind == record->kind && reread.seq == record->seq &&
         reread.lane == record->lane && reread.unordered == record->unordered &&
         reread.type == record->type && reread.flags == record->flags &&
         reread.view == record->view && reread.body_len == record->body_len &&
         reread.code == record->code && reread.codec == record->codec &&
         reread.raw_len == record->raw_len &&
         reread.request == record->request && reread.status == record->status &&
         reread.signature.len == record->signature.len &&
         reread.unix_ms == record->unix_ms &&
         reread.interval_ms == record->interval_ms &&
         reread.bitmap.len == record->bitmap.len);
}

/* Whether the body_len bytes that follow are of its last element. */
static int has_body(const struct hs2ni_record *record) {
  return record->kind == HS2NI_RECORD_MSG || record->kind == HS2NI_RECORD_BATCH;
}

/* Item by item; what follows is yet to come. */
static void check_with_libcbor(const struct hs2ni_record *record,
                               const uint8_t *data, size_t used) {
  size_t at = 0;

  while (at < used) {
    const struct cbor_decoder_result result =
        cbor_stream_decode(data + at, used - at, &cbor_empty_callbacks, NULL);

    if (has_body(record) && result.status == CBOR_DECODER_NEDATA) {
      expect(result.required == used - at + record->body_len);
      return;
    }
    expect(result.status == CBOR_DECODER_FINISHED);
    at += result.read;
  }
  expect(at == used);
}

static void check_prefixes(const uint8_t *data, size_t len, int32_t used) {
  struct hs2ni_record record;

  for (size_t n = len < HS2NI_RECORD_MAX ? len : HS2NI_RECORD_MAX; n > 0; n--) {
    const int32_t before =
        hs2ni_record_decode((struct hs2n_span){data, n - 1}, &record);

    expect(before == HS2N_ERR_TRUNCATED || before == used);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  for (;;) {
    struct hs2ni_record record;
    const int32_t used =
        hs2ni_record_decode((struct hs2n_span){data, len}, &record);
    size_t whole;

    check_prefixes(data, len, used);
    if (used < 0) {
      return 0;
    }
    expect(used > 0 && (size_t)used <= len &&
           used <= (int32_t)HS2NI_RECORD_MAX);
    check_encoding(&record, data, (size_t)used);
    check_with_libcbor(&record, data, (size_t)used);
    whole = (size_t)used + (has_body(&record) ? record.body_len : 0);
    if (whole > len) {
      return 0;
    }
    data += whole;
    len -= whole;
  }
}
