/* Reads arbitrary bytes as a certificate: what is read lies inside of them,
 * and wolfSSL, if it can read them too, sees the same key: nobody can show
 * one key to TLS and another to us. */
/* covers: H77 */
#include "tls/certificate.h"

#include <stdlib.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void check_with_wolfssl(const struct hs2ni_certificate *c,
                               struct hs2n_span in) {
  DecodedCert cert;

  wc_InitDecodedCert(&cert, in.data, (word32)in.len, NULL);
  if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
    expect(cert.keyOID == ED25519k && cert.pubKeySize == HS2N_KEY_LEN);
    expect(memcmp(cert.publicKey, c->key.bytes, HS2N_KEY_LEN) == 0);
    expect(cert.sigIndex - cert.certBegin == c->body.len);
  }
  wc_FreeDecodedCert(&cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  const struct hs2n_span in = {data, len};
  struct hs2ni_certificate c;
  const int err = hs2ni_certificate_read(&c, in);

  if (err == HS2N_OK) {
    expect(c.body.data > data && c.body.len < len);
    expect(c.body.data + c.body.len < c.signature);
    expect(c.signature + HS2N_SIGNATURE_LEN == data + len);
    (void)hs2ni_certificate_good(&c, c.not_before);
    check_with_wolfssl(&c, in);
    return 0;
  }
  expect(err == HS2N_ERR_MALFORMED || err == HS2N_ERR_BAD_KEY ||
         err == HS2N_ERR_TOO_BIG);
  return 0;
}
