/* In place of zstd.c in a build without Zstandard.  No type may declare it
 * then, so nothing else of this is reached. */
#include "pack/codec.h"

bool hs2ni_zstd_built(void) {
  return false;
}

size_t hs2ni_zstd_deflate_state_len(void) {
  return 0;
}

size_t hs2ni_zstd_inflate_state_len(void) {
  return 0;
}

size_t hs2ni_zstd_deflate(void *state, struct hs2n_span raw, uint8_t *out,
                          size_t room) {
  (void)state;
  (void)raw;
  (void)out;
  (void)room;
  return 0;
}

bool hs2ni_zstd_claim(struct hs2n_span packed, size_t raw_len) {
  (void)packed;
  (void)raw_len;
  return false;
}

bool hs2ni_zstd_inflate(void *state, struct hs2n_span packed, uint8_t *out,
                        size_t raw_len) {
  (void)state;
  (void)packed;
  (void)out;
  (void)raw_len;
  return false;
}
