/* identity.h: a validator's Ed25519 key, and what can be done with it.
 *
 * One key authenticates a node to its peers (as a self-signed certificate
 * that both ends pin by its public key) and signs what the application
 * wants signed.  A name, an issuer or an address never gives identity. */
#ifndef HS2N_IDENTITY_H
#define HS2N_IDENTITY_H

#include <hs2net/api.h>
#include <hs2net/mem.h>
#include <hs2net/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HS2N_KEY_LEN 32       /* Ed25519 public key and seed, RFC 8032 */
#define HS2N_SIGNATURE_LEN 64 /* Ed25519 signature, RFC 8032 */
#define HS2N_HASH_LEN 32      /* SHA-256 */
#define HS2N_IDENTITY_PEM_MAX 2048

/* An Ed25519 public key as RFC 8032 encodes it. */
struct hs2n_key {
  uint8_t bytes[HS2N_KEY_LEN];
};

/* Opaque.  Holds the secret; wiped when freed.  Immutable, so one identity
 * may be given to several nodes of one thread. */
struct hs2n_identity;

/* Fills out with len unpredictable bytes and returns 0, or returns non-zero
 * when it can't: nothing is generated then. */
typedef int (*hs2n_rand_fn)(void *user_data, uint8_t *out, size_t len);

/**
 * Makes a new identity from 32 bytes of randomness.
 *
 * Thread: any.
 *
 * \param out_identity  set on success; free with hs2n_identity_free.
 * \param mem           borrowed until the identity is freed.
 * \param rand          where the secret comes from.
 * \param rand_data     passed to rand.
 * \return HS2N_OK, HS2N_ERR_RANDOM, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_identity_generate(struct hs2n_identity **out_identity,
                       const struct hs2n_mem *mem, hs2n_rand_fn rand,
                       void *rand_data);

/**
 * Reads an identity from PEM text: one PKCS#8 "PRIVATE KEY" block with an
 * Ed25519 key (RFC 8410), which is what `openssl genpkey -algorithm ed25519`
 * writes.
 *
 * Thread: any.
 *
 * \param out_identity  set on success; free with hs2n_identity_free.
 * \param mem           borrowed until the identity is freed.
 * \param pem           the text; needs no terminating zero.
 * \return HS2N_OK, HS2N_ERR_TRUNCATED, HS2N_ERR_MALFORMED, HS2N_ERR_BAD_KEY
 *         (another kind of key, or its halves disagree), HS2N_ERR_TOO_BIG,
 *         HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_identity_from_pem(struct hs2n_identity **out_identity,
                       const struct hs2n_mem *mem, struct hs2n_span pem);

/**
 * Writes the identity as PEM text that hs2n_identity_from_pem reads.
 * The text is the secret: keep it in a file of mode 0600.
 *
 * Thread: any.
 *
 * \param identity  not NULL.
 * \param out       receives the text and a terminating zero.
 * \param len       size of out; HS2N_IDENTITY_PEM_MAX always suffices.
 * \return the length without the zero, or HS2N_ERR_TOO_BIG.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_identity_to_pem(const struct hs2n_identity *identity, char *out,
                     size_t len);

/**
 * Wipes and frees an identity.
 *
 * Thread: any.
 *
 * \param identity  may be NULL.
 */
HS2N_API void hs2n_identity_free(struct hs2n_identity *identity);

/**
 * The public key of an identity.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param identity  not NULL.
 */
HS2N_API struct hs2n_key
hs2n_identity_key(const struct hs2n_identity *identity);

/**
 * Signs bytes with the identity (Ed25519, RFC 8032).  Callers put a tag of
 * their own in front of what they sign, so that a signature made for one
 * purpose is no use for another; the library's own tags begin with "hs2net".
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param identity  not NULL.
 * \param bytes     what to sign.
 * \param out       the signature, written on success.
 * \return HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sign(const struct hs2n_identity *identity,
                                       struct hs2n_span bytes,
                                       uint8_t out[HS2N_SIGNATURE_LEN]);

/**
 * Verifies an Ed25519 signature.
 *
 * Thread: any.  Callback-safe: yes.  About 35 us.
 *
 * \param key        the signer's public key.
 * \param bytes      what was signed.
 * \param signature  HS2N_SIGNATURE_LEN bytes.
 * \return HS2N_OK, HS2N_ERR_BAD_SIGNATURE, HS2N_ERR_BAD_KEY,
 *         HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_verify(const struct hs2n_key *key, struct hs2n_span bytes,
            const uint8_t signature[HS2N_SIGNATURE_LEN]);

/**
 * SHA-256 (FIPS 180-4) over the parts, one after the other.
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param parts  n spans; any may be empty.
 * \param n      how many.
 * \param out    the digest.
 */
HS2N_API void hs2n_sha256(const struct hs2n_span *parts, size_t n,
                          uint8_t out[HS2N_HASH_LEN]);

/**
 * The peer id of a key: SHA-256 of its SubjectPublicKeyInfo (RFC 8410).
 *
 * Thread: any.  Callback-safe: yes.
 *
 * \param key  not NULL.
 */
HS2N_API struct hs2n_peer_id hs2n_key_peer_id(const struct hs2n_key *key);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_IDENTITY_H */
