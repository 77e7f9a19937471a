#include "evil.h"

#include "tap.h"
#include "tls/der.h"
#include "tls/identity.h"
#include "tls/pem.h"

/* ---- contexts ---------------------------------------------------------- */

static int accept_anything(int good, WOLFSSL_X509_STORE_CTX *store) {
  struct hs2ni_tls_session *s = store->userCtx;

  (void)good;
  s->peer_seen = true;
  return 1;
}

WOLFSSL_CTX *evil_context(struct end *e, enum hs2ni_tls_role role) {
  WOLFSSL_METHOD *method = role == HS2NI_TLS_CLIENT
                               ? wolfTLSv1_3_client_method_ex(&e->env)
                               : wolfTLSv1_3_server_method_ex(&e->env);
  WOLFSSL_CTX *ctx = wolfSSL_CTX_new_ex(method, &e->env);

  CHECK(ctx != NULL);
  CHECK_EQ(wolfSSL_CTX_set_quic_method(ctx, hs2ni_tls_quic_method()),
           WOLFSSL_SUCCESS);
  wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, accept_anything);
  wolfSSL_CTX_free(e->tls->contexts[role]);
  e->tls->contexts[role] = ctx;
  return ctx;
}

void evil_use(WOLFSSL_CTX *ctx, struct hs2n_span certificate,
              const struct hs2n_identity *signer) {
  /* With its public half, in wolfSSL's dialect, or wolfSSL notices that the
   * certificate is another's. */
  uint8_t key[HS2NI_PKCS8_LEN + 2 + HS2N_KEY_LEN];
  const struct hs2n_key half = hs2n_identity_key(signer);

  hs2ni_pkcs8_write(hs2ni_identity_seed(signer), key);
  key[1] = sizeof(key) - 2;
  key[4] = 1;
  memcpy(key + HS2NI_PKCS8_LEN, "\x81\x20", 2);
  memcpy(key + HS2NI_PKCS8_LEN + 2, half.bytes, HS2N_KEY_LEN);
  CHECK_EQ(
      wolfSSL_CTX_use_certificate_chain_buffer_format(
          ctx, certificate.data, (long)certificate.len, WOLFSSL_FILETYPE_ASN1),
      WOLFSSL_SUCCESS);
  CHECK_EQ(wolfSSL_CTX_use_PrivateKey_buffer(ctx, key, sizeof(key),
                                             WOLFSSL_FILETYPE_ASN1),
           WOLFSSL_SUCCESS);
}

/* ---- sessions ---------------------------------------------------------- */

static void renew(struct end *e, const char *alpn, const char *sni) {
  struct hs2ni_tls_session *s = e->session;
  char name[32];

  wolfSSL_free(s->ssl);
  s->ssl = wolfSSL_new(s->tls->contexts[s->role]);
  wolfSSL_SetCertCbCtx(s->ssl, s);
  wolfSSL_set_quic_transport_version(s->ssl, s->stream != NULL ? 0xffa5 : 0x39);
  if (s->stream != NULL) {
    (void)wolfSSL_set_quic_transport_params(s->ssl, (const uint8_t *)"\1", 1);
  }
  (void)wolfSSL_set_app_data(s->ssl, s);
  if (alpn != NULL) {
    (void)snprintf(name, sizeof(name), "%s", alpn);
    CHECK_EQ(wolfSSL_UseALPN(s->ssl, name, (unsigned)strlen(name),
                             WOLFSSL_ALPN_CONTINUE_ON_MISMATCH),
             WOLFSSL_SUCCESS);
  }
  if (s->role == HS2NI_TLS_SERVER) {
    wolfSSL_set_accept_state(s->ssl);
    return;
  }
  wolfSSL_set_connect_state(s->ssl);
  if (sni != NULL) {
    CHECK_EQ(wolfSSL_UseSNI(s->ssl, WOLFSSL_SNI_HOST_NAME, sni,
                            (unsigned short)strlen(sni)),
             WOLFSSL_SUCCESS);
  }
}

/* Hands on the secrets without asking for our ALPN. */
static int secrets_anyway(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                          const uint8_t *rx, const uint8_t *tx, size_t len) {
  struct hs2ni_tls_session *s = wolfSSL_get_app_data(ssl);
  const uint8_t *params;
  size_t params_len;

  if (s->stream != NULL) {
    s->params_taken = true;
  } else if ((s->role == HS2NI_TLS_SERVER) ==
                 (level == wolfssl_encryption_handshake) &&
             !s->params_taken) {
    s->params_taken = true;
    wolfSSL_get_peer_quic_transport_params(ssl, &params, &params_len);
    CHECK_EQ(ngtcp2_conn_decode_and_set_remote_transport_params(
                 s->conn_ref->get_conn(s->conn_ref), params, params_len),
             0);
  }
  return hs2ni_tls_quic_method()->set_encryption_secrets(ssl, level, rx, tx,
                                                         len);
}

static const WOLFSSL_QUIC_METHOD *careless(void) {
  static WOLFSSL_QUIC_METHOD method;

  method = *hs2ni_tls_quic_method();
  method.set_encryption_secrets = secrets_anyway;
  return &method;
}

void evil_no_alpn(struct end *e) {
  renew(e, NULL, e->tls->server_name);
  (void)wolfSSL_set_quic_method(e->session->ssl, careless());
}

void evil_other_alpn(struct end *e) {
  renew(e, "hs2net/2", e->tls->server_name);
  (void)wolfSSL_set_quic_method(e->session->ssl, careless());
}

void evil_no_sni(struct end *e) {
  renew(e, HS2NI_ALPN, NULL);
}

void evil_other_sni(struct end *e) {
  renew(e, HS2NI_ALPN, "00112233445566778899aabbccddeeff.hs2net");
}

/* ---- hellos ------------------------------------------------------------ */

static void replace(uint8_t *bytes, size_t len, const char *old,
                    const char *bent, size_t n) {
  bool found = false;

  for (size_t i = 0; i + n <= len && !found; i++) {
    found = memcmp(bytes + i, old, n) == 0;
    if (found) {
      memcpy(bytes + i, bent, n);
    }
  }
  CHECK(found);
}

/* Our hello offers two suites (0x1301, 0x1303) and one version (0x0304). */
static int send_bent(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                     const uint8_t *data, size_t len, const char *old,
                     const char *bent, size_t n) {
  uint8_t copy[2048];

  if (len > sizeof(copy)) {
    return 0;
  }
  memcpy(copy, data, len);
  if (level == wolfssl_encryption_initial) {
    replace(copy, len, old, bent, n);
  }
  return hs2ni_tls_quic_method()->add_handshake_data(ssl, level, copy, len);
}

static int send_old_version(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                            const uint8_t *data, size_t len) {
  return send_bent(ssl, level, data, len, "\x00\x2b\x00\x03\x02\x03\x04",
                   "\x00\x2b\x00\x03\x02\x03\x03", 7);
}

/* TLS_SHA256_SHA256, TLS_SHA384_SHA384 (RFC 9150) */
static int send_null_suites(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                            const uint8_t *data, size_t len) {
  return send_bent(ssl, level, data, len, "\x00\x04\x13\x01\x13\x03",
                   "\x00\x04\xc0\xb4\xc0\xb5", 6);
}

/* TLS_DH_anon_WITH_AES_128_CBC_SHA, TLS_ECDH_anon_WITH_NULL_SHA */
static int send_anonymous_suites(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                                 const uint8_t *data, size_t len) {
  return send_bent(ssl, level, data, len, "\x00\x04\x13\x01\x13\x03",
                   "\x00\x04\x00\x34\xc0\x15", 6);
}

static void send_through(struct end *e,
                         int (*send)(WOLFSSL *, WOLFSSL_ENCRYPTION_LEVEL,
                                     const uint8_t *, size_t)) {
  static WOLFSSL_QUIC_METHOD method;

  method = *hs2ni_tls_quic_method();
  method.add_handshake_data = send;
  (void)wolfSSL_set_quic_method(e->session->ssl, &method);
}

void evil_old_version(struct end *e) {
  send_through(e, send_old_version);
}

void evil_null_suites(struct end *e) {
  send_through(e, send_null_suites);
}

void evil_anonymous_suites(struct end *e) {
  send_through(e, send_anonymous_suites);
}

/* ---- certificates ------------------------------------------------------ */

/* Signs a body and puts it into its envelope; returns the length. */
static size_t seal(const struct end *e, struct hs2n_span body, uint8_t *out,
                   size_t capacity) {
  static const uint8_t tail[] = {0x30, 0x05, 0x06, 0x03, 0x2b,
                                 0x65, 0x70, 0x03, 0x41, 0x00};
  struct hs2ni_der_out o = {out, capacity, capacity};
  uint8_t signature[HS2N_SIGNATURE_LEN];
  size_t len;

  CHECK_EQ(hs2n_sign(e->identity, body, signature), HS2N_OK);
  hs2ni_der_put(&o, signature, sizeof(signature));
  hs2ni_der_put(&o, tail, sizeof(tail));
  hs2ni_der_put(&o, body.data, body.len);
  hs2ni_der_wrap(&o, HS2NI_DER_SEQUENCE, capacity);
  len = capacity - o.start;
  memmove(out, out + o.start, len);
  return len;
}

/* The body of the certificate that e shows, at the front of out. */
static size_t body_of(const struct end *e, uint8_t *out, size_t capacity) {
  uint8_t own[HS2NI_CERTIFICATE_OWN];
  struct hs2ni_certificate c = {.may_sign = false};
  size_t len = 0;

  CHECK_EQ(hs2ni_certificate_write(e->identity, e->unix_time, own, &len),
           HS2N_OK);
  CHECK_EQ(hs2ni_certificate_read(&c, (struct hs2n_span){own, len}), HS2N_OK);
  CHECK(c.body.len <= capacity);
  memcpy(out, c.body.data, c.body.len);
  return c.body.len;
}

size_t evil_certificate(const struct end *e, const uint8_t *old,
                        const uint8_t *bent, size_t len,
                        uint8_t out[HS2NI_CERTIFICATE_OWN]) {
  uint8_t body[HS2NI_CERTIFICATE_OWN];
  const size_t body_len = body_of(e, body, sizeof(body));

  replace(body, body_len, (const char *)old, (const char *)bent, len);
  return seal(e, (struct hs2n_span){body, body_len}, out,
              HS2NI_CERTIFICATE_OWN);
}

size_t evil_long_certificate(const struct end *e, size_t n, uint8_t *out,
                             size_t capacity) {
  /* OBJECT IDENTIFIER nsComment */
  static const uint8_t comment[] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                    0x86, 0xf8, 0x42, 0x01, 0x0d};
  static uint8_t space[16384];
  static const uint8_t zeros[8192];
  uint8_t own[HS2NI_CERTIFICATE_OWN];
  const size_t own_len = body_of(e, own, sizeof(own));
  struct hs2ni_der file = hs2ni_der_open((struct hs2n_span){own, own_len});
  struct hs2ni_der body = hs2ni_der_enter(&file, HS2NI_DER_SEQUENCE);
  struct hs2ni_der_out o = {space, sizeof(space), sizeof(space)};
  struct hs2n_span front = {body.rest.data, 0};
  struct hs2n_span list;
  struct hs2ni_der extensions;

  for (int i = 0; i < 7; i++) {
    (void)hs2ni_der_take(&body, body.rest.data[0]);
  }
  front.len = (size_t)(body.rest.data - front.data);
  extensions = hs2ni_der_enter(&body, 0xa3);
  list = hs2ni_der_take(&extensions, HS2NI_DER_SEQUENCE);
  CHECK(hs2ni_der_done(&body) && hs2ni_der_done(&extensions));
  hs2ni_der_put(&o, zeros, n);
  hs2ni_der_wrap(&o, HS2NI_DER_OCTET_STRING, sizeof(space));
  hs2ni_der_put(&o, comment, sizeof(comment));
  hs2ni_der_wrap(&o, HS2NI_DER_SEQUENCE, sizeof(space));
  hs2ni_der_put(&o, list.data, list.len);
  hs2ni_der_wrap(&o, HS2NI_DER_SEQUENCE, sizeof(space));
  hs2ni_der_wrap(&o, 0xa3, sizeof(space));
  hs2ni_der_put(&o, front.data, front.len);
  hs2ni_der_wrap(&o, HS2NI_DER_SEQUENCE, sizeof(space));
  return seal(e, (struct hs2n_span){space + o.start, sizeof(space) - o.start},
              out, capacity);
}
