#include "tls/keys.h"

#include "tls/hooks.h"

#include <assert.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/hmac.h>

#define LABEL_MAX 16u

struct hs2ni_packet_key {
  enum hs2ni_cipher cipher;
  union {
    Aes aes;
    ChaCha mask;
    uint8_t chacha[CHACHA20_POLY1305_AEAD_KEYSIZE];
  } u;
};

size_t hs2ni_cipher_key_len(enum hs2ni_cipher cipher) {
  switch (cipher) {
  case HS2NI_CIPHER_AES_128_GCM:
    return AES_128_KEY_SIZE;
  case HS2NI_CIPHER_CHACHA20_POLY1305:
    return CHACHA20_POLY1305_AEAD_KEYSIZE;
  }
  return 0;
}

static struct hs2ni_packet_key *key_alloc(const struct hs2ni_suite *suite) {
  struct hs2ni_packet_key *key =
      hs2ni_hook_malloc(sizeof(*key), suite->env, DYNAMIC_TYPE_AES);

  if (key != NULL) {
    key->cipher = suite->cipher;
  }
  return key;
}

struct hs2ni_packet_key *hs2ni_packet_key_new(const struct hs2ni_suite *suite,
                                              const uint8_t *bytes) {
  struct hs2ni_packet_key *key = key_alloc(suite);

  if (key == NULL) {
    return NULL;
  }
  if (suite->cipher == HS2NI_CIPHER_CHACHA20_POLY1305) {
    memcpy(key->u.chacha, bytes, sizeof(key->u.chacha));
    return key;
  }
  if (wc_AesInit(&key->u.aes, NULL, INVALID_DEVID) != 0 ||
      wc_AesGcmSetKey(&key->u.aes, bytes, AES_128_KEY_SIZE) != 0) {
    hs2ni_packet_key_free(key);
    return NULL;
  }
  return key;
}

struct hs2ni_packet_key *hs2ni_header_key_new(const struct hs2ni_suite *suite,
                                              const uint8_t *bytes) {
  struct hs2ni_packet_key *key = key_alloc(suite);
  int rv;

  if (key == NULL) {
    return NULL;
  }
  if (suite->cipher == HS2NI_CIPHER_CHACHA20_POLY1305) {
    rv = wc_Chacha_SetKey(&key->u.mask, bytes, CHACHA20_POLY1305_AEAD_KEYSIZE);
  } else {
    rv = wc_AesInit(&key->u.aes, NULL, INVALID_DEVID);
    if (rv == 0) {
      rv = wc_AesSetKey(&key->u.aes, bytes, AES_128_KEY_SIZE, NULL,
                        AES_ENCRYPTION);
    }
  }
  if (rv != 0) {
    hs2ni_packet_key_free(key);
    return NULL;
  }
  return key;
}

void hs2ni_packet_key_free(struct hs2ni_packet_key *key) {
  if (key == NULL) {
    return;
  }
  if (key->cipher == HS2NI_CIPHER_AES_128_GCM) {
    wc_AesFree(&key->u.aes);
  }
  wc_ForceZero(key, sizeof(*key));
  hs2ni_hook_free(key, NULL, DYNAMIC_TYPE_AES);
}

int hs2ni_seal(struct hs2ni_packet_key *key, uint8_t *out,
               struct hs2n_span plain, const uint8_t nonce[HS2NI_NONCE_LEN],
               struct hs2n_span aad) {
  uint8_t *const tag = out + plain.len;
  int rv;

  if (key->cipher == HS2NI_CIPHER_CHACHA20_POLY1305) {
    rv = wc_ChaCha20Poly1305_Encrypt(key->u.chacha, nonce, aad.data,
                                     (word32)aad.len, plain.data,
                                     (word32)plain.len, out, tag);
  } else {
    rv = wc_AesGcmEncrypt(&key->u.aes, out, plain.data, (word32)plain.len,
                          nonce, HS2NI_NONCE_LEN, tag, HS2NI_TAG_LEN, aad.data,
                          (word32)aad.len);
  }
  return rv == 0 ? 0 : -1;
}

int hs2ni_open(struct hs2ni_packet_key *key, uint8_t *out,
               struct hs2n_span sealed, const uint8_t nonce[HS2NI_NONCE_LEN],
               struct hs2n_span aad) {
  const uint8_t *tag;
  word32 len;
  int rv;

  if (sealed.len < HS2NI_TAG_LEN) {
    return -1;
  }
  len = (word32)(sealed.len - HS2NI_TAG_LEN);
  tag = sealed.data + len;
  if (key->cipher == HS2NI_CIPHER_CHACHA20_POLY1305) {
    rv = wc_ChaCha20Poly1305_Decrypt(key->u.chacha, nonce, aad.data,
                                     (word32)aad.len, sealed.data, len, tag,
                                     out);
  } else {
    rv = wc_AesGcmDecrypt(&key->u.aes, out, sealed.data, len, nonce,
                          HS2NI_NONCE_LEN, tag, HS2NI_TAG_LEN, aad.data,
                          (word32)aad.len);
  }
  return rv == 0 ? 0 : -1;
}

int hs2ni_header_mask(struct hs2ni_packet_key *key,
                      uint8_t out[HS2NI_SAMPLE_LEN],
                      const uint8_t sample[HS2NI_SAMPLE_LEN]) {
  static const uint8_t zeros[5] = {0};
  word32 counter;
  int rv;

  if (key->cipher == HS2NI_CIPHER_AES_128_GCM) {
    return wc_AesEcbEncrypt(&key->u.aes, out, sample, HS2NI_SAMPLE_LEN) == 0
               ? 0
               : -1;
  }
  counter = (word32)sample[0] | (word32)sample[1] << 8 |
            (word32)sample[2] << 16 | (word32)sample[3] << 24;
  rv = wc_Chacha_SetIV(&key->u.mask, sample + 4, counter);
  if (rv == 0) {
    rv = wc_Chacha_Process(&key->u.mask, out, zeros, sizeof(zeros));
  }
  return rv == 0 ? 0 : -1;
}

static int hmac(uint8_t out[WC_SHA256_DIGEST_SIZE], struct hs2n_span key,
                struct hs2n_span bytes) {
  Hmac h;
  int rv;

  rv = wc_HmacInit(&h, NULL, INVALID_DEVID);
  if (rv != 0) {
    return -1;
  }
  rv = wc_HmacSetKey(&h, WC_SHA256, key.data, (word32)key.len);
  if (rv == 0) {
    rv = wc_HmacUpdate(&h, bytes.data, (word32)bytes.len);
  }
  if (rv == 0) {
    rv = wc_HmacFinal(&h, out);
  }
  wc_HmacFree(&h);
  return rv == 0 ? 0 : -1;
}

int hs2ni_extract(uint8_t out[HS2NI_SECRET_LEN], struct hs2n_span salt,
                  struct hs2n_span secret) {
  return hmac(out, salt, secret);
}

int hs2ni_expand(uint8_t *out, size_t len,
                 const uint8_t secret[HS2NI_SECRET_LEN], const char *label) {
  static const char prefix[] = "tls13 ";
  const size_t prefix_len = sizeof(prefix) - 1;
  const size_t label_len = strlen(label);
  uint8_t info[3 + sizeof(prefix) + LABEL_MAX + 1];
  uint8_t block[WC_SHA256_DIGEST_SIZE];
  size_t n = 0;
  int rv;

  /* One block of HKDF-Expand is enough for all that QUIC derives. */
  assert(len <= sizeof(block) && label_len <= LABEL_MAX);
  info[n++] = 0;
  info[n++] = (uint8_t)len;
  info[n++] = (uint8_t)(prefix_len + label_len);
  memcpy(info + n, prefix, prefix_len);
  n += prefix_len;
  memcpy(info + n, label, label_len);
  n += label_len;
  info[n++] = 0; /* no context */
  info[n++] = 1; /* block number */
  rv = hmac(block, (struct hs2n_span){secret, HS2NI_SECRET_LEN},
            (struct hs2n_span){info, n});
  memcpy(out, block, len);
  wc_ForceZero(block, sizeof(block));
  return rv;
}
