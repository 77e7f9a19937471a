/* keys: the symmetric cryptography of QUIC packets (RFC 9001, 5) by direct
 * wolfCrypt calls: HKDF, packet protection, header protection.
 *
 * A key is expanded once, when it is made, and wiped when it goes.  Keys
 * outlive the TLS session they come from, so each knows its memory. */
#ifndef HS2NI_TLS_KEYS_H
#define HS2NI_TLS_KEYS_H

#include "base/env.h"

#define HS2NI_SECRET_LEN 32u /* both suites hash with SHA-256 */
#define HS2NI_NONCE_LEN 12u
#define HS2NI_TAG_LEN 16u
#define HS2NI_SAMPLE_LEN 16u
#define HS2NI_PACKET_KEY_MAX 32u

enum hs2ni_cipher { HS2NI_CIPHER_AES_128_GCM, HS2NI_CIPHER_CHACHA20_POLY1305 };

/* A cipher with the node that uses it; what ngtcp2 carries as its opaque
 * handle of an AEAD. */
struct hs2ni_suite {
  struct hs2ni_env *env;
  enum hs2ni_cipher cipher;
};

struct hs2ni_packet_key;

/* Bytes of a key of this cipher. */
size_t hs2ni_cipher_key_len(enum hs2ni_cipher cipher);

/* For sealing and opening, or for header protection.  NULL when memory runs
 * out. */
struct hs2ni_packet_key *hs2ni_packet_key_new(const struct hs2ni_suite *suite,
                                              const uint8_t *bytes);
struct hs2ni_packet_key *hs2ni_header_key_new(const struct hs2ni_suite *suite,
                                              const uint8_t *bytes);
/* NULL is allowed. */
void hs2ni_packet_key_free(struct hs2ni_packet_key *key);

/* out receives plain.len + HS2NI_TAG_LEN bytes and may be plain.data.
 * Returns 0 or a negative number. */
int hs2ni_seal(struct hs2ni_packet_key *key, uint8_t *out,
               struct hs2n_span plain, const uint8_t nonce[HS2NI_NONCE_LEN],
               struct hs2n_span aad);
/* Returns 0, or a negative number for what is not authentic. */
int hs2ni_open(struct hs2ni_packet_key *key, uint8_t *out,
               struct hs2n_span sealed, const uint8_t nonce[HS2NI_NONCE_LEN],
               struct hs2n_span aad);
/* out receives at least five good bytes of HS2NI_SAMPLE_LEN. */
int hs2ni_header_mask(struct hs2ni_packet_key *key,
                      uint8_t out[HS2NI_SAMPLE_LEN],
                      const uint8_t sample[HS2NI_SAMPLE_LEN]);

/* HKDF-Extract (RFC 5869).  Both return 0 or a negative number. */
int hs2ni_extract(uint8_t out[HS2NI_SECRET_LEN], struct hs2n_span salt,
                  struct hs2n_span secret);
/* HKDF-Expand-Label (RFC 8446, 7.1) with no context; len <= 32. */
int hs2ni_expand(uint8_t *out, size_t len,
                 const uint8_t secret[HS2NI_SECRET_LEN], const char *label);

#endif /* HS2NI_TLS_KEYS_H */
