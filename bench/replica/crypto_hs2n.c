#include "crypto_hs2n.h"

#include <hs2net/error.h>

static void hash(void *self, struct hs2n_span bytes, struct rep_hash *out) {
  (void)self;
  hs2n_sha256(&bytes, 1, out->bytes);
}

static bool sign(void *self, struct hs2n_span bytes,
                 uint8_t out[HS2N_SIGNATURE_LEN]) {
  const struct rep_keys *const keys = self;

  return hs2n_sign(keys->identity, bytes, out) == HS2N_OK;
}

static bool verify(void *self, uint32_t signer, struct hs2n_span bytes,
                   const uint8_t signature[HS2N_SIGNATURE_LEN]) {
  const struct rep_keys *const keys = self;

  return signer < keys->n &&
         hs2n_verify(&keys->keys[signer], bytes, signature) == HS2N_OK;
}

struct rep_crypto rep_crypto_hs2n(struct rep_keys *keys) {
  return (struct rep_crypto){
      .self = keys, .hash = hash, .sign = sign, .verify = verify};
}
