/* crypto_hs2n: the replica's cryptography as the library has it. */
#ifndef REP_CRYPTO_HS2N_H
#define REP_CRYPTO_HS2N_H

#include "common.h"

struct rep_keys {
  const struct hs2n_identity *identity; /* borrowed */
  uint32_t n;
  struct hs2n_key keys[REP_N_MAX]; /* of all replicas, this one included */
};

/* Functions over keys, which must outlive them. */
struct rep_crypto rep_crypto_hs2n(struct rep_keys *keys);

#endif /* REP_CRYPTO_HS2N_H */
