/* certificate: the one form of X.509 certificate that we write and accept:
 * self-signed, Ed25519, digital signature, client and server authentication
 * (RFC 5280, RFC 8410).
 *
 * It is an envelope of a public key.  Names and issuers are skipped, not
 * looked at: they never give identity. */
#ifndef HS2NI_TLS_CERTIFICATE_H
#define HS2NI_TLS_CERTIFICATE_H

#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <stdbool.h>

#define HS2NI_CERTIFICATE_MAX 4096u /* bytes of one that we accept */
#define HS2NI_CERTIFICATE_OWN 320u  /* suffices for one that we write */

/* Writes a certificate that is good from a day before unix_time_s to ten
 * years behind it.  Same arguments, same bytes.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int
hs2ni_certificate_write(const struct hs2n_identity *identity,
                        int64_t unix_time_s, uint8_t out[HS2NI_CERTIFICATE_OWN],
                        size_t *out_len);

struct hs2ni_certificate {
  struct hs2n_key key;
  int64_t not_before; /* seconds since 1970 */
  int64_t not_after;
  bool may_sign;            /* key usage: digital signature */
  bool for_client;          /* extended key usage */
  bool for_server;          /* extended key usage */
  struct hs2n_span body;    /* what is signed, inside of the bytes read */
  const uint8_t *signature; /* HS2N_SIGNATURE_LEN bytes, likewise */
};

/* Returns HS2N_OK, HS2N_ERR_TOO_BIG, HS2N_ERR_MALFORMED (also: an extension
 * that is critical and unknown) or HS2N_ERR_BAD_KEY (another kind of key). */
HS2N_MUST_CHECK int hs2ni_certificate_read(struct hs2ni_certificate *out,
                                           struct hs2n_span bytes);

/* Whether it may be used now: dates, usages, and signed by its own key. */
bool hs2ni_certificate_good(const struct hs2ni_certificate *c,
                            int64_t unix_time_s);

#endif /* HS2NI_TLS_CERTIFICATE_H */
