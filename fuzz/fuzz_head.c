/* Decodes arbitrary bytes as the head of a stream: what is read has one
 * encoding, and no byte behind an answer other than "wait" changes it. */
#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct hs2ni_head head;
  uint8_t again[HS2NI_HEAD_MAX];
  const int32_t used = hs2ni_head_decode((struct hs2n_span){data, len}, &head);

  if (used > 0) {
    expect((size_t)used <= len && used <= (int32_t)HS2NI_HEAD_MAX);
    expect(hs2ni_head_encode(&head, again) == (size_t)used);
    expect(memcmp(again, data, (size_t)used) == 0);
  }
  for (size_t n = len < HS2NI_HEAD_MAX ? len : HS2NI_HEAD_MAX; n > 0; n--) {
    const int32_t before =
        hs2ni_head_decode((struct hs2n_span){data, n - 1}, &head);

    expect(before == HS2N_ERR_TRUNCATED || before == used);
    expect(used != HS2N_ERR_TRUNCATED || before == HS2N_ERR_TRUNCATED);
  }
  return 0;
}
