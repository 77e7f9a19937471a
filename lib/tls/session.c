#include "tls/session.h"

#include "tls/stream.h"

#include <string.h>
#include <wolfssl/error-ssl.h>

/* Of the extension that carries transport parameters (RFC 9001, 8.2), which
 * only QUIC may use.  wolfSSL wants to send one, so over TCP it is of a number
 * for private use (RFC 8446, 11) and says the version of the frames. */
#define EXTENSION_QUIC 0x39
#define EXTENSION_TCP 0xffa5
static const uint8_t frames_version[] = {1};

/* ---- life -------------------------------------------------------------- */

static bool start(struct hs2ni_tls_session *s) {
  char alpn[] = HS2NI_ALPN;
  const char *name = s->tls->server_name;
  WOLFSSL *ssl = s->ssl;

  wolfSSL_SetCertCbCtx(ssl, s);
  wolfSSL_set_quic_transport_version(ssl, s->stream != NULL ? EXTENSION_TCP
                                                            : EXTENSION_QUIC);
  if (s->stream != NULL &&
      wolfSSL_set_quic_transport_params(
          ssl, frames_version, sizeof(frames_version)) != WOLFSSL_SUCCESS) {
    return false;
  }
  if (wolfSSL_set_app_data(ssl, s) != WOLFSSL_SUCCESS ||
      wolfSSL_UseALPN(ssl, alpn, sizeof(alpn) - 1,
                      WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS) {
    return false;
  }
  if (s->role == HS2NI_TLS_SERVER) {
    wolfSSL_set_accept_state(ssl);
    return true;
  }
  wolfSSL_set_connect_state(ssl);
  return wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name,
                        (unsigned short)strlen(name)) == WOLFSSL_SUCCESS;
}

int hs2ni_tls_session_make(struct hs2ni_tls_session **out,
                           struct hs2ni_tls *tls, enum hs2ni_tls_role role,
                           void *conn_ref, struct hs2ni_tls_stream *stream) {
  const uint64_t failures = tls->env->stats.allocation_failures;
  struct hs2ni_tls_session *s =
      hs2ni_hook_malloc(sizeof(*s), tls->env, DYNAMIC_TYPE_SSL);

  if (s == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  s->tls = tls;
  s->conn_ref = conn_ref;
  s->stream = stream;
  s->role = role;
  s->ssl = wolfSSL_new(tls->contexts[role]);
  if (s->ssl == NULL || !start(s)) {
    hs2ni_tls_session_free(s);
    return tls->env->stats.allocation_failures > failures ? HS2N_ERR_NO_MEMORY
                                                          : HS2N_ERR_CRYPTO;
  }
  *out = s;
  return HS2N_OK;
}

int hs2ni_tls_session_new(struct hs2ni_tls_session **out, struct hs2ni_tls *tls,
                          enum hs2ni_tls_role role, void *conn_ref) {
  return hs2ni_tls_session_make(out, tls, role, conn_ref, NULL);
}

void hs2ni_tls_session_free(struct hs2ni_tls_session *session) {
  if (session == NULL) {
    return;
  }
  wolfSSL_free(session->ssl);
  hs2ni_hook_free(session, NULL, DYNAMIC_TYPE_SSL);
}

void *hs2ni_tls_session_native(struct hs2ni_tls_session *session) {
  return session;
}

/* ---- refusing ---------------------------------------------------------- */

enum hs2n_reason hs2ni_tls_alert_reason(uint8_t alert) {
  switch (alert) {
  case 41:  /* no_certificate */
  case 42:  /* bad_certificate */
  case 43:  /* unsupported_certificate */
  case 44:  /* certificate_revoked */
  case 45:  /* certificate_expired */
  case 46:  /* certificate_unknown */
  case 48:  /* unknown_ca */
  case 51:  /* decrypt_error: the signature of the key does not verify */
  case 116: /* certificate_required */
    return HS2N_REASON_BAD_CERTIFICATE;
  case HS2NI_ALERT_UNRECOGNIZED_NAME:
    return HS2N_REASON_CHAIN_MISMATCH;
  case HS2NI_ALERT_NO_APPLICATION_PROTOCOL:
    return HS2N_REASON_ALPN;
  default:
    return HS2N_REASON_TLS;
  }
}

static void count(struct hs2ni_tls_session *s, enum hs2n_reason reason) {
  struct hs2n_stats *stats = &s->tls->env->stats;

  if (s->counted) {
    return;
  }
  s->counted = true;
  if (reason == HS2N_REASON_BAD_CERTIFICATE) {
    stats->refused_certificate++;
  } else if (reason == HS2N_REASON_ALPN) {
    stats->refused_alpn++;
  } else if (reason == HS2N_REASON_CHAIN_MISMATCH) {
    stats->refused_chain++;
  } else if (reason == HS2N_REASON_WRONG_KEY) {
    stats->refused_wrong_key++;
  }
}

void hs2ni_tls_session_refuse(struct hs2ni_tls_session *session,
                              uint8_t alert) {
  if (session->alert == 0) {
    session->alert = alert;
    count(session, hs2ni_tls_alert_reason(alert));
  }
}

bool hs2ni_tls_stream_extensions(struct hs2ni_tls_session *session) {
  if (wolfSSL_get_peer_quic_transport_version(session->ssl) == EXTENSION_QUIC) {
    hs2ni_tls_session_refuse(session, HS2NI_ALERT_UNSUPPORTED_EXTENSION);
    return false;
  }
  return true;
}

/* ---- the peer ---------------------------------------------------------- */

bool hs2ni_tls_session_alpn(const struct hs2ni_tls_session *session) {
  char *name = NULL;
  unsigned short len = 0;

  return wolfSSL_ALPN_GetProtocol(session->ssl, &name, &len) ==
             WOLFSSL_SUCCESS &&
         len == sizeof(HS2NI_ALPN) - 1 && memcmp(name, HS2NI_ALPN, len) == 0;
}

/* Seconds since 1970 by the wall clock of the node's start and the node's own
 * since then: a clock that is set later changes nothing here. */
static int64_t unix_now(const struct hs2ni_tls *tls) {
  return tls->unix_time_s +
         (int64_t)((tls->env->now - tls->created_at) / HS2N_S(1));
}

/* Without any authority loaded, each certificate that wolfSSL can read comes
 * here with "no signer", and once accepted a second time without an error.
 * That one error is what a self-signed certificate must have; any other
 * stays an error. */
int hs2ni_tls_session_verify(int good, WOLFSSL_X509_STORE_CTX *store) {
  struct hs2ni_tls_session *s = store->userCtx;
  struct hs2n_span bytes;

  if (good != 0) {
    return s->peer_seen ? 1 : 0;
  }
  if (store->error != ASN_NO_SIGNER_E && store->error != ASN_SELF_SIGNED_E) {
    return 0;
  }
  if (store->error_depth != 0 || store->totalCerts != 1 || s->peer_seen) {
    hs2ni_tls_session_refuse(s, HS2NI_ALERT_BAD_CERTIFICATE);
    return 0;
  }
  bytes = (struct hs2n_span){store->certs[0].buffer, store->certs[0].length};
  if (hs2ni_certificate_read(&s->peer, bytes) != HS2N_OK ||
      !hs2ni_certificate_good(&s->peer, unix_now(s->tls))) {
    hs2ni_tls_session_refuse(s, HS2NI_ALERT_BAD_CERTIFICATE);
    return 0;
  }
  /* These bytes are wolfSSL's and go with this call. */
  s->peer.body = (struct hs2n_span){NULL, 0};
  s->peer.signature = NULL;
  s->peer_seen = true;
  return 1;
}

/* In constant time, although public keys are public: no reader has to ask. */
static bool same_key(const struct hs2n_key *a, const struct hs2n_key *b) {
  uint8_t differs = 0;

  for (size_t i = 0; i < HS2N_KEY_LEN; i++) {
    differs |= (uint8_t)(a->bytes[i] ^ b->bytes[i]);
  }
  return differs == 0;
}

static enum hs2n_reason judge(const struct hs2ni_tls_session *s,
                              const struct hs2n_key *expected) {
  if (!hs2ni_tls_session_alpn(s)) {
    return HS2N_REASON_ALPN;
  }
  if (!s->completed || !s->peer_seen) {
    return HS2N_REASON_BAD_CERTIFICATE;
  }
  if (expected != NULL && !same_key(expected, &s->peer.key)) {
    return HS2N_REASON_WRONG_KEY;
  }
  return HS2N_REASON_NONE;
}

enum hs2n_reason hs2ni_tls_session_peer(struct hs2ni_tls_session *session,
                                        const struct hs2n_key *expected,
                                        struct hs2n_key *out_key) {
  const enum hs2n_reason reason = judge(session, expected);

  if (reason == HS2N_REASON_NONE || reason == HS2N_REASON_WRONG_KEY) {
    *out_key = session->peer.key;
  }
  if (reason != HS2N_REASON_NONE) {
    count(session, reason);
  }
  return reason;
}
