/* pem: an Ed25519 seed as PEM text: PKCS#8 (RFC 5958, RFC 8410) in one
 * "PRIVATE KEY" block (RFC 7468). */
#ifndef HS2NI_TLS_PEM_H
#define HS2NI_TLS_PEM_H

#include <hs2net/identity.h>
#include <stdbool.h>

struct hs2ni_pem_key {
  uint8_t seed[HS2N_KEY_LEN];
  struct hs2n_key key; /* as the text says; only with has_key */
  bool has_key;
};

/* Reads what `openssl genpkey -algorithm ed25519` writes, and the form of
 * RFC 5958 that has the public key too.  White space may stand around the
 * block, nothing else.  The caller wipes *out, also after a failure.
 *
 * Returns HS2N_OK, HS2N_ERR_TOO_BIG, HS2N_ERR_TRUNCATED (a beginning of what
 * can be read), HS2N_ERR_BAD_KEY (another kind of key) or
 * HS2N_ERR_MALFORMED. */
HS2N_MUST_CHECK int hs2ni_pem_read(struct hs2ni_pem_key *out,
                                   struct hs2n_span text);

#define HS2NI_PKCS8_LEN 48u
/* PKCS#8 without PEM around it.  The caller wipes out. */
void hs2ni_pkcs8_write(const uint8_t seed[HS2N_KEY_LEN],
                       uint8_t out[HS2NI_PKCS8_LEN]);

/* Bytes of what hs2ni_pem_write writes, its zero included. */
#define HS2NI_PEM_LEN 120u
void hs2ni_pem_write(const uint8_t seed[HS2N_KEY_LEN], char out[HS2NI_PEM_LEN]);

#endif /* HS2NI_TLS_PEM_H */
