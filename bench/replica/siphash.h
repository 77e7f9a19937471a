/* siphash: SipHash-1-3, a short keyed hash for tables that strangers fill.
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. */
#ifndef REP_SIPHASH_H
#define REP_SIPHASH_H

#include <hs2net/types.h>

#define REP_SIPHASH_KEY_LEN 16

uint64_t rep_siphash13(const uint8_t key[REP_SIPHASH_KEY_LEN],
                       struct hs2n_span bytes);

#endif /* REP_SIPHASH_H */
