/* tls: TLS 1.3 for QUIC with both ends pinned by Ed25519 public key.
 *
 * This module alone knows wolfSSL.  A certificate is only an envelope of a
 * public key: one self-signed certificate, no chain, no names, no issuers.
 * What counts is decided by hs2ni_tls_session_peer, our own code after the
 * handshake, and never by a default of the library below. */
#ifndef HS2NI_TLS_TLS_H
#define HS2NI_TLS_TLS_H

#include "base/env.h"

#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <stdbool.h>

#define HS2NI_ALPN "hs2net/1"

struct hs2ni_tls;         /* one per node: certificate, two contexts */
struct hs2ni_tls_session; /* one handshake */

struct hs2ni_tls_config {
  struct hs2ni_env *env;                /* kept */
  const struct hs2n_identity *identity; /* kept */
  const char *chain_id;                 /* its hash is the server name (SNI) */
  int64_t unix_time_s;                  /* wall clock at env->now */
};

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY, HS2N_ERR_RANDOM or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_tls_new(struct hs2ni_tls **out,
                                  const struct hs2ni_tls_config *config);
void hs2ni_tls_free(struct hs2ni_tls *tls);
/* Bytes that it takes at most, sessions apart, for hs2n_limits_memory. */
size_t hs2ni_tls_footprint(void);

enum hs2ni_tls_role { HS2NI_TLS_CLIENT, HS2NI_TLS_SERVER };

/* Begins a handshake.  conn_ref is the ngtcp2_crypto_conn_ref that leads the
 * glue to its connection; it must outlive the session.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_tls_session_new(struct hs2ni_tls_session **out,
                                          struct hs2ni_tls *tls,
                                          enum hs2ni_tls_role role,
                                          void *conn_ref);
/* Frees it, at any point; after the handshake is confirmed nothing needs it
 * any more.  NULL is allowed. */
void hs2ni_tls_session_free(struct hs2ni_tls_session *session);
/* For ngtcp2_conn_set_tls_native_handle, with the callbacks of quic_glue.h. */
void *hs2ni_tls_session_native(struct hs2ni_tls_session *session);

/* Called once the handshake has completed: ALPN negotiated, exactly one
 * certificate of at most 4 KiB, self-signed Ed25519, dates and key usage in
 * order, and its key equal to *expected unless that is NULL.  Counts what it
 * refuses in env->stats.
 *
 * Returns HS2N_REASON_NONE with *out_key written, or HS2N_REASON_ALPN,
 * HS2N_REASON_BAD_CERTIFICATE or HS2N_REASON_WRONG_KEY, with *out_key the
 * key that was shown instead. */
enum hs2n_reason hs2ni_tls_session_peer(struct hs2ni_tls_session *session,
                                        const struct hs2n_key *expected,
                                        struct hs2n_key *out_key);

/* What a handshake that failed failed of, from the TLS alert that ngtcp2
 * reports (RFC 8446, 6), for the reason of on_closed. */
enum hs2n_reason hs2ni_tls_alert_reason(uint8_t alert);

/* wolfSSL's version and whether its assembly is in, "5.9.2 aesni". */
const char *hs2ni_tls_version(void);

#endif /* HS2NI_TLS_TLS_H */
