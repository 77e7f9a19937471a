/* Everybody's part of identity.h: what needs no secret. */
#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>

/* Why verification did not even begin: a key that is no point of the curve
 * or of small order, or a signature that is out of range. */
static int why_refused(const struct hs2n_key *key) {
  ed25519_key ed;
  int rv;

  if (wc_ed25519_init_ex(&ed, NULL, INVALID_DEVID) != 0) {
    return HS2N_ERR_CRYPTO;
  }
  rv = wc_ed25519_import_public_ex(key->bytes, HS2N_KEY_LEN, &ed, 0);
  wc_ed25519_free(&ed);
  return rv == 0 ? HS2N_ERR_BAD_SIGNATURE : HS2N_ERR_BAD_KEY;
}

int hs2n_verify(const struct hs2n_key *key, struct hs2n_span bytes,
                const uint8_t signature[HS2N_SIGNATURE_LEN]) {
  static const uint8_t nothing[1] = {0};
  ed25519_key ed;
  int good = 0;
  int rv;

  /* wolfCrypt counts in 32 bits. */
  if (bytes.len > UINT32_MAX ||
      wc_ed25519_init_ex(&ed, NULL, INVALID_DEVID) != 0) {
    return HS2N_ERR_CRYPTO;
  }
  /* 1: the check of the key would cost half of a verification again, which
   * checks it anyway. */
  rv = wc_ed25519_import_public_ex(key->bytes, HS2N_KEY_LEN, &ed, 1);
  if (rv == 0) {
    rv = wc_ed25519_verify_msg(signature, HS2N_SIGNATURE_LEN,
                               bytes.len > 0 ? bytes.data : nothing,
                               (word32)bytes.len, &good, &ed);
  }
  wc_ed25519_free(&ed);
  if (rv == 0 && good == 1) {
    return HS2N_OK;
  }
  if (rv == SIG_VERIFY_E) {
    return HS2N_ERR_BAD_SIGNATURE;
  }
  return rv == BAD_FUNC_ARG ? why_refused(key) : HS2N_ERR_CRYPTO;
}

void hs2n_sha256(const struct hs2n_span *parts, size_t n,
                 uint8_t out[HS2N_HASH_LEN]) {
  wc_Sha256 sha;

  /* None of these can fail: they do not allocate. */
  (void)wc_InitSha256(&sha);
  for (size_t i = 0; i < n; i++) {
    for (size_t at = 0; at < parts[i].len;) {
      const size_t left = parts[i].len - at;
      const word32 step = left > UINT32_MAX ? UINT32_MAX : (word32)left;

      (void)wc_Sha256Update(&sha, parts[i].data + at, step);
      at += step;
    }
  }
  (void)wc_Sha256Final(&sha, out);
  wc_Sha256Free(&sha);
}

struct hs2n_peer_id hs2n_key_peer_id(const struct hs2n_key *key) {
  /* RFC 8410, 4: SubjectPublicKeyInfo of an Ed25519 key. */
  static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
  const struct hs2n_span parts[] = {{head, sizeof(head)},
                                    {key->bytes, HS2N_KEY_LEN}};
  struct hs2n_peer_id id;

  hs2n_sha256(parts, 2, id.bytes);
  return id;
}
