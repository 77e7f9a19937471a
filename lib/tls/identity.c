#include "tls/identity.h"

#include "tls/pem.h"

#include <hs2net/error.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/ed25519.h>

struct hs2n_identity {
  const struct hs2n_mem *mem;
  struct hs2n_key key;
  uint8_t seed[HS2N_KEY_LEN];
  /* Points at ed: wolfCrypt takes a key to sign with as not const, although
   * it only reads it. */
  ed25519_key *signer;
  ed25519_key ed;
};

/* Derives the public key from the seed and readies the signer. */
static int derive(struct hs2n_identity *identity) {
  ed25519_key *ed = &identity->ed;
  struct hs2n_key *key = &identity->key;

  if (wc_ed25519_init_ex(ed, NULL, INVALID_DEVID) != 0 ||
      wc_ed25519_import_private_only(identity->seed, HS2N_KEY_LEN, ed) != 0 ||
      wc_ed25519_make_public(ed, key->bytes, HS2N_KEY_LEN) != 0 ||
      wc_ed25519_import_private_key_ex(identity->seed, HS2N_KEY_LEN, key->bytes,
                                       HS2N_KEY_LEN, ed, 1) != 0) {
    return HS2N_ERR_CRYPTO;
  }
  identity->signer = ed;
  return HS2N_OK;
}

static int identity_new(struct hs2n_identity **out, const struct hs2n_mem *mem,
                        const uint8_t seed[HS2N_KEY_LEN]) {
  struct hs2n_identity *identity =
      mem->alloc(mem->user_data, sizeof(*identity));
  int rv;

  if (identity == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  identity->mem = mem;
  memcpy(identity->seed, seed, HS2N_KEY_LEN);
  rv = derive(identity);
  if (rv != HS2N_OK) {
    hs2n_identity_free(identity);
    return rv;
  }
  *out = identity;
  return HS2N_OK;
}

int hs2n_identity_generate(struct hs2n_identity **out_identity,
                           const struct hs2n_mem *mem, hs2n_rand_fn rand,
                           void *rand_data) {
  const hs2n_rand_fn fill = rand;
  uint8_t seed[HS2N_KEY_LEN];
  int rv;

  rv = fill(rand_data, seed, sizeof(seed)) == 0 ? HS2N_OK : HS2N_ERR_RANDOM;
  if (rv == HS2N_OK) {
    rv = identity_new(out_identity, mem, seed);
  }
  wc_ForceZero(seed, sizeof(seed));
  return rv;
}

int hs2n_identity_from_pem(struct hs2n_identity **out_identity,
                           const struct hs2n_mem *mem, struct hs2n_span pem) {
  struct hs2n_identity *identity = NULL;
  struct hs2ni_pem_key read = {.has_key = false};
  int rv;

  rv = hs2ni_pem_read(&read, pem);
  if (rv == HS2N_OK) {
    rv = identity_new(&identity, mem, read.seed);
  }
  if (rv == HS2N_OK && read.has_key &&
      memcmp(read.key.bytes, identity->key.bytes, HS2N_KEY_LEN) != 0) {
    hs2n_identity_free(identity);
    rv = HS2N_ERR_BAD_KEY;
  }
  if (rv == HS2N_OK) {
    *out_identity = identity;
  }
  wc_ForceZero(&read, sizeof(read));
  return rv;
}

int hs2n_identity_to_pem(const struct hs2n_identity *identity, char *out,
                         size_t len) {
  if (len < HS2NI_PEM_LEN) {
    return HS2N_ERR_TOO_BIG;
  }
  hs2ni_pem_write(identity->seed, out);
  return HS2NI_PEM_LEN - 1;
}

void hs2n_identity_free(struct hs2n_identity *identity) {
  const struct hs2n_mem *mem;

  if (identity == NULL) {
    return;
  }
  mem = identity->mem;
  wc_ed25519_free(&identity->ed);
  wc_ForceZero(identity, sizeof(*identity));
  mem->release(mem->user_data, identity, sizeof(*identity));
}

struct hs2n_key hs2n_identity_key(const struct hs2n_identity *identity) {
  return identity->key;
}

const uint8_t *hs2ni_identity_seed(const struct hs2n_identity *identity) {
  return identity->seed;
}

int hs2n_sign(const struct hs2n_identity *identity, struct hs2n_span bytes,
              uint8_t out[HS2N_SIGNATURE_LEN]) {
  static const uint8_t nothing[1] = {0};
  word32 len = HS2N_SIGNATURE_LEN;

  /* wolfCrypt counts in 32 bits. */
  if (bytes.len > UINT32_MAX ||
      wc_ed25519_sign_msg(bytes.len > 0 ? bytes.data : nothing,
                          (word32)bytes.len, out, &len,
                          identity->signer) != 0) {
    return HS2N_ERR_CRYPTO;
  }
  return HS2N_OK;
}
