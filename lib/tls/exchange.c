#include "tls/exchange.h"

#include "tls/install.h"
#include "tls/stream.h"

#include <wolfssl/error-ssl.h>

/* A hello with a hybrid key share has some 1,600 bytes; a certificate's
 * message has ten more than the certificate. */
#define MESSAGE_MAX (HS2NI_CERTIFICATE_MAX + 64u)
#define FLIGHT_MAX (2u * HS2NI_CERTIFICATE_MAX)
#define MESSAGE_CERTIFICATE 11u
#define PARAMS_MAX 512u

/* ---- into wolfSSL ------------------------------------------------------ */

/* The alert for a message that is too long, or 0. */
static uint8_t check_head(const uint8_t head[4]) {
  const uint32_t len =
      (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];

  if (len <= MESSAGE_MAX) {
    return 0;
  }
  return head[0] == MESSAGE_CERTIFICATE ? HS2NI_ALERT_BAD_CERTIFICATE
                                        : HS2NI_ALERT_ILLEGAL_PARAMETER;
}

/* Follows the row of messages that bytes go on.  Returns an alert or 0. */
static uint8_t follow(struct hs2ni_tls_flight *f, struct hs2n_span bytes) {
  if (bytes.len > FLIGHT_MAX - f->bytes) {
    return HS2NI_ALERT_ILLEGAL_PARAMETER;
  }
  f->bytes += (uint32_t)bytes.len;
  for (size_t at = 0; at < bytes.len;) {
    const size_t left = bytes.len - at;
    uint8_t alert;

    if (f->left > 0) {
      const uint32_t step = left < f->left ? (uint32_t)left : f->left;

      f->left -= step;
      at += step;
      continue;
    }
    f->head[f->head_len++] = bytes.data[at++];
    if (f->head_len < sizeof(f->head)) {
      continue;
    }
    f->head_len = 0;
    alert = check_head(f->head);
    if (alert != 0) {
      return alert;
    }
    f->left = (uint32_t)f->head[2] << 8 | f->head[3];
  }
  return 0;
}

/* Why wolfSSL failed.  Its own alert for a hello without a server name is
 * "missing extension", which would not tell a stranger from a broken peer. */
static uint8_t alert_of(const struct hs2ni_tls_session *s, int error) {
  if (error == SNI_ABSENT_ERROR) {
    return HS2NI_ALERT_UNRECOGNIZED_NAME;
  }
  return s->library_alert != 0 ? s->library_alert : HS2NI_ALERT_INTERNAL_ERROR;
}

static enum hs2ni_exchange_step failed(struct hs2ni_tls_session *s,
                                       uint8_t alert) {
  hs2ni_tls_session_refuse(s, alert);
  return HS2NI_EXCHANGE_FAILED;
}

enum hs2ni_exchange_step hs2ni_exchange_feed(struct hs2ni_tls_session *session,
                                             bool initial,
                                             struct hs2n_span bytes) {
  const WOLFSSL_ENCRYPTION_LEVEL to =
      initial ? wolfssl_encryption_initial : wolfssl_encryption_handshake;
  const uint8_t alert = follow(&session->flights[initial ? 0 : 1], bytes);
  int error;
  int rv;

  if (alert != 0) {
    return failed(session, alert);
  }
  if (bytes.len > 0 &&
      wolfSSL_provide_quic_data(session->ssl, to, bytes.data, bytes.len) !=
          WOLFSSL_SUCCESS) {
    return failed(session, HS2NI_ALERT_UNEXPECTED_MESSAGE);
  }
  rv = wolfSSL_quic_do_handshake(session->ssl);
  if (rv == WOLFSSL_SUCCESS) {
    session->completed = true;
    return HS2NI_EXCHANGE_DONE;
  }
  error = wolfSSL_get_error(session->ssl, rv);
  if (session->alert == 0 &&
      (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)) {
    return HS2NI_EXCHANGE_GOES_ON;
  }
  return failed(session, alert_of(session, error));
}

int hs2ni_exchange(struct hs2ni_tls_session *session, ngtcp2_conn *conn,
                   ngtcp2_encryption_level level, struct hs2n_span bytes) {
  int error;

  switch (hs2ni_exchange_feed(session, level == NGTCP2_ENCRYPTION_LEVEL_INITIAL,
                              bytes)) {
  case HS2NI_EXCHANGE_GOES_ON:
    return 0;
  case HS2NI_EXCHANGE_DONE:
    ngtcp2_conn_tls_handshake_completed(conn);
    return 0;
  case HS2NI_EXCHANGE_FAILED:
    break;
  }
  error = ngtcp2_conn_get_tls_error2(conn);
  ngtcp2_conn_set_tls_alert(conn, session->alert);
  return error != 0 ? error : NGTCP2_ERR_CRYPTO;
}

int hs2ni_exchange_params(struct hs2ni_tls_session *session,
                          const ngtcp2_conn *conn) {
  uint8_t bytes[PARAMS_MAX];
  const ngtcp2_ssize len =
      ngtcp2_conn_encode_local_transport_params2(conn, bytes, sizeof(bytes));

  if (len < 0 || wolfSSL_set_quic_transport_params(
                     session->ssl, bytes, (size_t)len) != WOLFSSL_SUCCESS) {
    return -1;
  }
  return 0;
}

/* ---- out of wolfSSL; these return 1, or 0 to fail the handshake -------- */

static ngtcp2_conn *conn_of(const struct hs2ni_tls_session *s) {
  return s->conn_ref->get_conn(s->conn_ref);
}

static int take_peer_params(const struct hs2ni_tls_session *s,
                            ngtcp2_conn *conn) {
  const uint8_t *bytes;
  size_t len;
  int rv;

  wolfSSL_get_peer_quic_transport_params(s->ssl, &bytes, &len);
  rv = ngtcp2_conn_decode_and_set_remote_transport_params(conn, bytes, len);
  if (rv != 0) {
    ngtcp2_conn_set_tls_error(conn, rv);
    return -1;
  }
  return 0;
}

/* The peer's extensions have been read: a server has its parameters and ALPN
 * before its first key, a client before its last. */
static bool extensions_good(struct hs2ni_tls_session *s) {
  if (s->params_taken) {
    return true;
  }
  if (!hs2ni_tls_session_alpn(s)) {
    hs2ni_tls_session_refuse(s, HS2NI_ALERT_NO_APPLICATION_PROTOCOL);
    return false;
  }
  s->params_taken = s->stream != NULL ? hs2ni_tls_stream_extensions(s)
                                      : take_peer_params(s, conn_of(s)) == 0;
  return s->params_taken;
}

static int give_secrets(struct hs2ni_tls_session *s, bool handshake,
                        const uint8_t *rx, const uint8_t *tx) {
  const ngtcp2_encryption_level level = handshake
                                            ? NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
                                            : NGTCP2_ENCRYPTION_LEVEL_1RTT;
  ngtcp2_conn *conn = conn_of(s);

  if (rx != NULL &&
      hs2ni_install_secret(s, conn, level, HS2NI_RECEIVE, rx) != 0) {
    return 0;
  }
  if (tx != NULL && hs2ni_install_secret(s, conn, level, HS2NI_SEND, tx) != 0) {
    return 0;
  }
  if (tx != NULL && s->role == HS2NI_TLS_SERVER && handshake) {
    return hs2ni_exchange_params(s, conn) == 0;
  }
  return 1;
}

static int on_secrets(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL from,
                      const uint8_t *rx, const uint8_t *tx, size_t len) {
  struct hs2ni_tls_session *s = wolfSSL_get_app_data(ssl);
  const bool server = s->role == HS2NI_TLS_SERVER;
  const bool handshake = from == wolfssl_encryption_handshake;

  if ((!handshake && from != wolfssl_encryption_application) ||
      len != HS2NI_SECRET_LEN || (server == handshake && !extensions_good(s))) {
    return 0;
  }
  return s->stream != NULL ? hs2ni_tls_stream_secrets(s, handshake, rx, tx)
                           : give_secrets(s, handshake, rx, tx);
}

static int on_message(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL from,
                      const uint8_t *data, size_t len) {
  struct hs2ni_tls_session *s = wolfSSL_get_app_data(ssl);
  ngtcp2_conn *conn;
  int rv;

  if (s->stream != NULL) {
    return hs2ni_tls_stream_message(s, from == wolfssl_encryption_initial,
                                    (struct hs2n_span){data, len});
  }
  conn = conn_of(s);
  rv = ngtcp2_conn_submit_crypto_data(
      conn,
      from == wolfssl_encryption_initial     ? NGTCP2_ENCRYPTION_LEVEL_INITIAL
      : from == wolfssl_encryption_handshake ? NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE
                                             : NGTCP2_ENCRYPTION_LEVEL_1RTT,
      data, len);
  if (rv != 0) {
    ngtcp2_conn_set_tls_error(conn, rv);
    return 0;
  }
  return 1;
}

/* Nothing waits here. */
static int on_flush(WOLFSSL *ssl) {
  (void)ssl;
  return 1;
}

static int on_alert(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL from,
                    uint8_t alert) {
  struct hs2ni_tls_session *s = wolfSSL_get_app_data(ssl);

  (void)from;
  if (s->library_alert == 0) {
    s->library_alert = alert;
  }
  return 1;
}

const WOLFSSL_QUIC_METHOD *hs2ni_tls_quic_method(void) {
  static const WOLFSSL_QUIC_METHOD method = {
      .set_encryption_secrets = on_secrets,
      .add_handshake_data = on_message,
      .flush_flight = on_flush,
      .send_alert = on_alert,
  };
  return &method;
}
