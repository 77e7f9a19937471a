#include "tls/quic_glue.h"

#include "tls/exchange.h"
#include "tls/install.h"

/* The session, or NULL once it is freed: then the handshake is over. */
static struct hs2ni_tls_session *session_of(const ngtcp2_conn *conn) {
  return ngtcp2_conn_get_tls_native_handle2(conn);
}

static int install_initial(ngtcp2_conn *conn, const ngtcp2_cid *dcid) {
  struct hs2ni_tls_session *s = session_of(conn);

  return s != NULL && hs2ni_install_initial(s, conn, dcid) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int client_initial(ngtcp2_conn *conn, void *user_data) {
  struct hs2ni_tls_session *s = session_of(conn);
  const struct hs2n_span nothing = {NULL, 0};

  (void)user_data;
  if (install_initial(conn, ngtcp2_conn_get_dcid2(conn)) != 0 ||
      hs2ni_exchange_params(s, conn) != 0 ||
      hs2ni_exchange(s, conn, NGTCP2_ENCRYPTION_LEVEL_INITIAL, nothing) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

static int recv_client_initial(ngtcp2_conn *conn, const ngtcp2_cid *dcid,
                               void *user_data) {
  (void)user_data;
  return install_initial(conn, dcid);
}

static int recv_retry(ngtcp2_conn *conn, const ngtcp2_pkt_hd *hd,
                      void *user_data) {
  (void)user_data;
  return install_initial(conn, &hd->scid);
}

/* There is one version, so none can be negotiated instead of it. */
static int version_negotiation(ngtcp2_conn *conn, uint32_t version,
                               const ngtcp2_cid *client_dcid, void *user_data) {
  (void)conn;
  (void)version;
  (void)client_dcid;
  (void)user_data;
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int recv_crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level,
                            uint64_t offset, const uint8_t *data,
                            size_t datalen, void *user_data) {
  struct hs2ni_tls_session *s = session_of(conn);

  (void)offset;
  (void)user_data;
  /* Behind the handshake TLS has nothing to say: no tickets, no
   * authentication, and no KeyUpdate (RFC 9001, 6). */
  if (s == NULL || s->completed ||
      (level != NGTCP2_ENCRYPTION_LEVEL_INITIAL &&
       level != NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE)) {
    ngtcp2_conn_set_tls_alert(conn, HS2NI_ALERT_UNEXPECTED_MESSAGE);
    return NGTCP2_ERR_CRYPTO;
  }
  return hs2ni_exchange(s, conn, level, (struct hs2n_span){data, datalen});
}

static int encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                   const ngtcp2_crypto_aead_ctx *key, const uint8_t *plaintext,
                   size_t plaintextlen, const uint8_t *nonce, size_t noncelen,
                   const uint8_t *aad, size_t aadlen) {
  (void)aead;
  (void)noncelen; /* always HS2NI_NONCE_LEN, as we said */
  return hs2ni_seal(key->native_handle, dest,
                    (struct hs2n_span){plaintext, plaintextlen}, nonce,
                    (struct hs2n_span){aad, aadlen}) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                   const ngtcp2_crypto_aead_ctx *key, const uint8_t *ciphertext,
                   size_t ciphertextlen, const uint8_t *nonce, size_t noncelen,
                   const uint8_t *aad, size_t aadlen) {
  (void)aead;
  (void)noncelen;
  return hs2ni_open(key->native_handle, dest,
                    (struct hs2n_span){ciphertext, ciphertextlen}, nonce,
                    (struct hs2n_span){aad, aadlen}) == 0
             ? 0
             : NGTCP2_ERR_DECRYPT;
}

static int hp_mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                   const ngtcp2_crypto_cipher_ctx *key, const uint8_t *sample) {
  (void)hp;
  return hs2ni_header_mask(key->native_handle, dest, sample) == 0
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int update_key(ngtcp2_conn *conn, uint8_t *rx_secret, uint8_t *tx_secret,
                      ngtcp2_crypto_aead_ctx *rx_key, uint8_t *rx_iv,
                      ngtcp2_crypto_aead_ctx *tx_key, uint8_t *tx_iv,
                      const uint8_t *current_rx_secret,
                      const uint8_t *current_tx_secret, size_t secretlen,
                      void *user_data) {
  const struct hs2ni_suite *suite =
      ngtcp2_conn_get_crypto_ctx2(conn)->aead.native_handle;

  (void)secretlen;
  (void)user_data;
  if (hs2ni_next_key(suite, current_rx_secret, rx_secret, rx_iv, rx_key) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  if (hs2ni_next_key(suite, current_tx_secret, tx_secret, tx_iv, tx_key) != 0) {
    hs2ni_packet_key_free(rx_key->native_handle);
    rx_key->native_handle = NULL;
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

static void delete_packet_key(ngtcp2_conn *conn, ngtcp2_crypto_aead_ctx *key,
                              void *user_data) {
  (void)conn;
  (void)user_data;
  hs2ni_packet_key_free(key->native_handle);
}

static void delete_header_key(ngtcp2_conn *conn, ngtcp2_crypto_cipher_ctx *key,
                              void *user_data) {
  (void)conn;
  (void)user_data;
  hs2ni_packet_key_free(key->native_handle);
}

static int path_challenge(ngtcp2_conn *conn, ngtcp2_path_challenge_data *out,
                          void *user_data) {
  /* Paths are validated behind the handshake, when the suite is set. */
  const struct hs2ni_suite *suite =
      ngtcp2_conn_get_crypto_ctx2(conn)->aead.native_handle;
  const struct hs2ni_env *env = suite == NULL ? NULL : suite->env;

  (void)user_data;
  if (env == NULL ||
      env->rand(env->rand_data, out->data, sizeof(out->data)) != 0) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  return 0;
}

void hs2ni_tls_quic_callbacks(ngtcp2_callbacks *callbacks) {
  callbacks->client_initial = client_initial;
  callbacks->recv_client_initial = recv_client_initial;
  callbacks->recv_crypto_data = recv_crypto_data;
  callbacks->encrypt = encrypt;
  callbacks->decrypt = decrypt;
  callbacks->hp_mask = hp_mask;
  callbacks->recv_retry = recv_retry;
  callbacks->update_key = update_key;
  callbacks->delete_crypto_aead_ctx = delete_packet_key;
  callbacks->delete_crypto_cipher_ctx = delete_header_key;
  callbacks->version_negotiation = version_negotiation;
  callbacks->get_path_challenge_data2 = path_challenge;
}
