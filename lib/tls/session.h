/* session: the inside of tls.h, shared by its files and the glue. */
#ifndef HS2NI_TLS_SESSION_H
#define HS2NI_TLS_SESSION_H

#include "tls/hooks.h"

#include "tls/certificate.h"
#include "tls/keys.h"
#include "tls/tls.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#define HS2NI_SNI_MAX 48u

/* TLS alerts that are decided here (RFC 8446, 6). */
#define HS2NI_ALERT_UNEXPECTED_MESSAGE 10u
#define HS2NI_ALERT_BAD_RECORD_MAC 20u
#define HS2NI_ALERT_RECORD_OVERFLOW 22u
#define HS2NI_ALERT_BAD_CERTIFICATE 42u
#define HS2NI_ALERT_ILLEGAL_PARAMETER 47u
#define HS2NI_ALERT_DECODE_ERROR 50u
#define HS2NI_ALERT_INTERNAL_ERROR 80u
#define HS2NI_ALERT_UNSUPPORTED_EXTENSION 110u
#define HS2NI_ALERT_UNRECOGNIZED_NAME 112u
#define HS2NI_ALERT_NO_APPLICATION_PROTOCOL 120u

struct hs2ni_tls {
  struct hs2ni_env *env;
  int64_t unix_time_s; /* at created_at */
  hs2n_time created_at;
  char server_name[HS2NI_SNI_MAX];
  WOLFSSL_CTX *contexts[2];     /* by enum hs2ni_tls_role */
  struct hs2ni_suite suites[2]; /* by enum hs2ni_cipher */
};

/* Bytes of one encryption level as a row of handshake messages. */
struct hs2ni_tls_flight {
  uint32_t bytes;  /* taken so far */
  uint32_t left;   /* of the message that has begun */
  uint8_t head[4]; /* of the message that begins */
  uint8_t head_len;
};

struct hs2ni_tls_session {
  struct hs2ni_tls *tls;
  WOLFSSL *ssl;
  ngtcp2_crypto_conn_ref *conn_ref; /* over QUIC */
  struct hs2ni_tls_stream *stream;  /* over TCP; NULL: over QUIC */
  enum hs2ni_tls_role role;
  bool completed;
  bool counted;          /* its failure is in the stats */
  uint8_t alert;         /* ours, which ends the handshake; 0: none */
  uint8_t library_alert; /* what wolfSSL would send; 0: nothing */
  uint8_t installed;     /* bits of keys that ngtcp2 has */
  bool params_taken;     /* the peer's extensions are good, ngtcp2 has them */
  struct hs2ni_tls_flight flights[2]; /* Initial, Handshake */
  bool peer_seen;                     /* peer is filled in */
  struct hs2ni_certificate peer;      /* without its bytes */
};

/* Ends the handshake with an alert of our own, unless one was sent already,
 * and counts why. */
void hs2ni_tls_session_refuse(struct hs2ni_tls_session *session, uint8_t alert);
/* Whether hs2net/1 has been negotiated. */
bool hs2ni_tls_session_alpn(const struct hs2ni_tls_session *session);
/* Verify callback of wolfSSL. */
int hs2ni_tls_session_verify(int good, WOLFSSL_X509_STORE_CTX *store);
/* A new session of either kind: conn_ref over QUIC, stream over TCP.  Returns
 * as hs2ni_tls_session_new. */
HS2N_MUST_CHECK int hs2ni_tls_session_make(struct hs2ni_tls_session **out,
                                           struct hs2ni_tls *tls,
                                           enum hs2ni_tls_role role,
                                           void *conn_ref,
                                           struct hs2ni_tls_stream *stream);
/* What wolfSSL calls to hand over keys and messages. */
const WOLFSSL_QUIC_METHOD *hs2ni_tls_quic_method(void);

#endif /* HS2NI_TLS_SESSION_H */
