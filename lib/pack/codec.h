/* codec: what each codec does for a pack.  Lengths are at most HS2N_BODY_MAX,
 * and raw ones at least 1. */
#ifndef HS2NI_PACK_CODEC_H
#define HS2NI_PACK_CODEC_H

#include <hs2net/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t hs2ni_lz4_state_len(void);
/* Returns the length, or 0 when it is above room. */
size_t hs2ni_lz4_deflate(void *state, struct hs2n_span raw, uint8_t *out,
                         size_t room);
bool hs2ni_lz4_claim(struct hs2n_span packed, size_t raw_len);
bool hs2ni_lz4_inflate(struct hs2n_span packed, uint8_t *out, size_t raw_len);

bool hs2ni_zstd_built(void);
size_t hs2ni_zstd_deflate_state_len(void);
size_t hs2ni_zstd_inflate_state_len(void);
size_t hs2ni_zstd_deflate(void *state, struct hs2n_span raw, uint8_t *out,
                          size_t room);
bool hs2ni_zstd_claim(struct hs2n_span packed, size_t raw_len);
bool hs2ni_zstd_inflate(void *state, struct hs2n_span packed, uint8_t *out,
                        size_t raw_len);

#endif /* HS2NI_PACK_CODEC_H */
