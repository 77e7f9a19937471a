/* fake_crypto: hashes and signatures that cost nanoseconds, for tests that
 * run thousands of views.  A signature proves who made it to anybody who
 * plays by the rules, which is all that a test of the protocol needs. */
#ifndef FAKE_CRYPTO_H
#define FAKE_CRYPTO_H

#include "common.h"
#include "siphash.h"

static inline void fake_hash(void *self, struct hs2n_span bytes,
                             struct rep_hash *out) {
  (void)self;
  for (uint8_t i = 0; i < 4; i++) {
    const uint8_t key[REP_SIPHASH_KEY_LEN] = {i, 'h'};
    const uint64_t part = rep_siphash13(key, bytes);

    memcpy(out->bytes + 8 * (size_t)i, &part, 8);
  }
}

static inline void fake_sign_as(uint32_t signer, struct hs2n_span bytes,
                                uint8_t out[HS2N_SIGNATURE_LEN]) {
  const uint8_t key[REP_SIPHASH_KEY_LEN] = {(uint8_t)signer, 's'};
  const uint64_t part = rep_siphash13(key, bytes);

  memset(out, 0, HS2N_SIGNATURE_LEN);
  memcpy(out, &part, 8);
}

/* self points at the number of the signer */
static inline bool fake_sign(void *self, struct hs2n_span bytes,
                             uint8_t out[HS2N_SIGNATURE_LEN]) {
  fake_sign_as(*(const uint32_t *)self, bytes, out);
  return true;
}

static inline bool fake_verify(void *self, uint32_t signer,
                               struct hs2n_span bytes,
                               const uint8_t signature[HS2N_SIGNATURE_LEN]) {
  uint8_t want[HS2N_SIGNATURE_LEN];

  (void)self;
  fake_sign_as(signer, bytes, want);
  return memcmp(want, signature, sizeof(want)) == 0;
}

static inline struct rep_crypto fake_crypto(uint32_t *me) {
  return (struct rep_crypto){
      .self = me, .hash = fake_hash, .sign = fake_sign, .verify = fake_verify};
}

#endif /* FAKE_CRYPTO_H */
