/* siphash: SipHash-2-4, a keyed hash of bytes that strangers choose
 * (Aumasson and Bernstein 2012).  Who does not know the key can't choose
 * inputs that collide. */
#ifndef HS2NI_BASE_SIPHASH_H
#define HS2NI_BASE_SIPHASH_H

#include <hs2net/types.h>
#include <stddef.h>
#include <stdint.h>

#define HS2NI_SIPHASH_KEY_LEN 16
#define HS2NI_SIPHASH128_LEN 16

uint64_t hs2ni_siphash(const uint8_t key[HS2NI_SIPHASH_KEY_LEN],
                       struct hs2n_span bytes);
/* With 128 bits of output, of parts as if they stood in a row.  The length of
 * each but the last is a multiple of 8. */
void hs2ni_siphash128(const uint8_t key[HS2NI_SIPHASH_KEY_LEN],
                      const struct hs2n_span *parts, size_t parts_n,
                      uint8_t out[HS2NI_SIPHASH128_LEN]);

#endif /* HS2NI_BASE_SIPHASH_H */
