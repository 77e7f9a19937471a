/* LZ4 blocks, without a frame: the record has both lengths. */
#include "pack/codec.h"

#include <assert.h>
#include <hs2net/msg.h>
#include <limits.h>
#include <lz4.h>

static_assert(HS2N_BODY_MAX <= LZ4_MAX_INPUT_SIZE && HS2N_BODY_MAX <= INT_MAX,
              "any body is a block");

/* A byte of a match's length stands for at most that many. */
#define RATIO_MAX 255u

size_t hs2ni_lz4_state_len(void) {
  return (size_t)LZ4_sizeofState();
}

size_t hs2ni_lz4_deflate(void *state, struct hs2n_span raw, uint8_t *out,
                         size_t room) {
  const int len = LZ4_compress_fast_extState(
      state, (const char *)raw.data, (char *)out, (int)raw.len, (int)room, 1);

  return len > 0 ? (size_t)len : 0;
}

bool hs2ni_lz4_claim(struct hs2n_span packed, size_t raw_len) {
  return raw_len / RATIO_MAX <= packed.len;
}

bool hs2ni_lz4_inflate(struct hs2n_span packed, uint8_t *out, size_t raw_len) {
  return LZ4_decompress_safe((const char *)packed.data, (char *)out,
                             (int)packed.len, (int)raw_len) == (int)raw_len;
}
