/* evil: ends that do not do what ours do. */
#ifndef TEST_EVIL_H
#define TEST_EVIL_H

#include "pair.h"

/* A context for e->tls in place of ours: no certificate, no server name, no
 * restriction of choices, and every certificate of the peer is fine. */
WOLFSSL_CTX *evil_context(struct end *e, enum hs2ni_tls_role role);
/* A certificate in DER, one or a chain, and the key of signer. */
void evil_use(WOLFSSL_CTX *ctx, struct hs2n_span certificate,
              const struct hs2n_identity *signer);

/* For end.bend: a new session without ALPN and server name, or with others
 * than it should have. */
void evil_no_alpn(struct end *e);
void evil_other_alpn(struct end *e);
void evil_no_sni(struct end *e);
void evil_other_sni(struct end *e);

/* For end.bend of a client: its hello asks for TLS 1.2, or for suites that
 * do not encrypt or do not authenticate. */
void evil_old_version(struct end *e);
void evil_null_suites(struct end *e);
void evil_anonymous_suites(struct end *e);

/* The certificate that e would show, with one piece of its body replaced by
 * another of the same length, signed anew. */
size_t evil_certificate(const struct end *e, const uint8_t *old,
                        const uint8_t *bent, size_t len,
                        uint8_t out[HS2NI_CERTIFICATE_OWN]);
/* The same certificate with a comment of n bytes. */
size_t evil_long_certificate(const struct end *e, size_t n, uint8_t *out,
                             size_t capacity);

#endif /* TEST_EVIL_H */
