#include "tls/install.h"

/* RFC 9001, 6.6 */
#define AES_GCM_SEALED_MAX (UINT64_C(1) << 23)
#define AES_GCM_FORGED_MAX (UINT64_C(1) << 52)
#define CHACHA_SEALED_MAX (UINT64_C(1) << 62)
#define CHACHA_FORGED_MAX (UINT64_C(1) << 36)

/* RFC 9001, 5.2 */
static const uint8_t initial_salt[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                       0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                       0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};

/* Keys of one direction. */
struct half {
  struct hs2ni_packet_key *packet;
  struct hs2ni_packet_key *header;
  uint8_t iv[HS2NI_NONCE_LEN];
};

static void half_fini(struct half *half) {
  hs2ni_packet_key_free(half->packet);
  hs2ni_packet_key_free(half->header);
  *half = (struct half){.packet = NULL};
}

static int half_init(struct half *half, const struct hs2ni_suite *suite,
                     const uint8_t secret[HS2NI_SECRET_LEN]) {
  const size_t len = hs2ni_cipher_key_len(suite->cipher);
  uint8_t packet[HS2NI_PACKET_KEY_MAX];
  uint8_t header[HS2NI_PACKET_KEY_MAX];

  *half = (struct half){.packet = NULL};
  if (hs2ni_expand(packet, len, secret, "quic key") == 0 &&
      hs2ni_expand(half->iv, sizeof(half->iv), secret, "quic iv") == 0 &&
      hs2ni_expand(header, len, secret, "quic hp") == 0) {
    half->packet = hs2ni_packet_key_new(suite, packet);
    half->header = hs2ni_header_key_new(suite, header);
  }
  wc_ForceZero(packet, sizeof(packet));
  wc_ForceZero(header, sizeof(header));
  if (half->packet == NULL || half->header == NULL) {
    half_fini(half);
    return -1;
  }
  return 0;
}

static ngtcp2_crypto_ctx crypto_ctx(struct hs2ni_suite *suite) {
  const bool aes = suite->cipher == HS2NI_CIPHER_AES_128_GCM;

  return (ngtcp2_crypto_ctx){
      .aead = {.native_handle = suite, .max_overhead = HS2NI_TAG_LEN},
      .hp = {.native_handle = suite},
      .max_encryption = aes ? AES_GCM_SEALED_MAX : CHACHA_SEALED_MAX,
      .max_decryption_failure = aes ? AES_GCM_FORGED_MAX : CHACHA_FORGED_MAX,
  };
}

/* ---- Initial ----------------------------------------------------------- */

static int initial_halves(const struct hs2ni_tls_session *s,
                          const ngtcp2_cid *dcid, struct half *rx,
                          struct half *tx) {
  const struct hs2ni_suite *aes = &s->tls->suites[HS2NI_CIPHER_AES_128_GCM];
  const bool server = s->role == HS2NI_TLS_SERVER;
  uint8_t common[HS2NI_SECRET_LEN];
  uint8_t in[HS2NI_SECRET_LEN];
  uint8_t out[HS2NI_SECRET_LEN];

  if (hs2ni_extract(common,
                    (struct hs2n_span){initial_salt, sizeof(initial_salt)},
                    (struct hs2n_span){dcid->data, dcid->datalen}) != 0 ||
      hs2ni_expand(in, sizeof(in), common,
                   server ? "client in" : "server in") != 0 ||
      hs2ni_expand(out, sizeof(out), common,
                   server ? "server in" : "client in") != 0) {
    return -1;
  }
  if (half_init(rx, aes, in) != 0) {
    return -1;
  }
  if (half_init(tx, aes, out) != 0) {
    half_fini(rx);
    return -1;
  }
  return 0;
}

/* RFC 9001, 5.8: a key that everybody knows. */
static int install_retry(struct hs2ni_tls_session *s, ngtcp2_conn *conn) {
  struct hs2ni_suite *aes = &s->tls->suites[HS2NI_CIPHER_AES_128_GCM];
  const ngtcp2_crypto_ctx ctx = crypto_ctx(aes);
  ngtcp2_crypto_aead_ctx key;

  key.native_handle =
      hs2ni_packet_key_new(aes, (const uint8_t *)NGTCP2_RETRY_KEY_V1);
  if (key.native_handle == NULL) {
    return -1;
  }
  ngtcp2_conn_set_retry_aead(conn, &ctx.aead, &key);
  return 0;
}

int hs2ni_install_initial(struct hs2ni_tls_session *session, ngtcp2_conn *conn,
                          const ngtcp2_cid *dcid) {
  const ngtcp2_crypto_ctx ctx =
      crypto_ctx(&session->tls->suites[HS2NI_CIPHER_AES_128_GCM]);
  ngtcp2_crypto_aead_ctx rx_packet;
  ngtcp2_crypto_cipher_ctx rx_header;
  ngtcp2_crypto_aead_ctx tx_packet;
  ngtcp2_crypto_cipher_ctx tx_header;
  struct half rx;
  struct half tx;

  ngtcp2_conn_set_initial_crypto_ctx(conn, &ctx);
  if (initial_halves(session, dcid, &rx, &tx) != 0) {
    return -1;
  }
  rx_packet.native_handle = rx.packet;
  rx_header.native_handle = rx.header;
  tx_packet.native_handle = tx.packet;
  tx_header.native_handle = tx.header;
  if (ngtcp2_conn_install_initial_key(conn, &rx_packet, rx.iv, &rx_header,
                                      &tx_packet, tx.iv, &tx_header,
                                      HS2NI_NONCE_LEN) != 0) {
    half_fini(&rx);
    half_fini(&tx);
    return -1;
  }
  if (session->role == HS2NI_TLS_CLIENT && !ngtcp2_conn_after_retry2(conn)) {
    return install_retry(session, conn);
  }
  return 0;
}

/* ---- Handshake and 1-RTT ----------------------------------------------- */

static int set_suite(struct hs2ni_tls_session *s, ngtcp2_conn *conn) {
  ngtcp2_crypto_ctx ctx;

  if (ngtcp2_conn_get_crypto_ctx2(conn)->aead.native_handle != NULL) {
    return 0;
  }
  switch (wolfSSL_get_current_cipher_suite(s->ssl)) {
  case 0x1301: /* TLS_AES_128_GCM_SHA256 */
    ctx = crypto_ctx(&s->tls->suites[HS2NI_CIPHER_AES_128_GCM]);
    break;
  case 0x1303: /* TLS_CHACHA20_POLY1305_SHA256 */
    ctx = crypto_ctx(&s->tls->suites[HS2NI_CIPHER_CHACHA20_POLY1305]);
    break;
  default:
    return -1;
  }
  ngtcp2_conn_set_crypto_ctx(conn, &ctx);
  return 0;
}

static int give(ngtcp2_conn *conn, ngtcp2_encryption_level level,
                enum hs2ni_direction direction, const struct half *half,
                const uint8_t *secret) {
  const ngtcp2_crypto_aead_ctx packet = {half->packet};
  const ngtcp2_crypto_cipher_ctx header = {half->header};

  if (level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE) {
    return direction == HS2NI_RECEIVE
               ? ngtcp2_conn_install_rx_handshake_key(conn, &packet, half->iv,
                                                      HS2NI_NONCE_LEN, &header)
               : ngtcp2_conn_install_tx_handshake_key(conn, &packet, half->iv,
                                                      HS2NI_NONCE_LEN, &header);
  }
  return direction == HS2NI_RECEIVE
             ? ngtcp2_conn_install_rx_key(conn, secret, HS2NI_SECRET_LEN,
                                          &packet, half->iv, HS2NI_NONCE_LEN,
                                          &header)
             : ngtcp2_conn_install_tx_key(conn, secret, HS2NI_SECRET_LEN,
                                          &packet, half->iv, HS2NI_NONCE_LEN,
                                          &header);
}

int hs2ni_install_secret(struct hs2ni_tls_session *session, ngtcp2_conn *conn,
                         ngtcp2_encryption_level level,
                         enum hs2ni_direction direction,
                         const uint8_t *secret) {
  const uint8_t bit =
      (uint8_t)(1u << ((level == NGTCP2_ENCRYPTION_LEVEL_1RTT ? 2u : 0u) +
                       (unsigned)direction));
  const struct hs2ni_suite *suite;
  struct half half;

  /* ngtcp2 asserts that each is given once; what a peer sends never reaches
   * an assertion. */
  if ((session->installed & bit) != 0 || set_suite(session, conn) != 0) {
    return -1;
  }
  suite = ngtcp2_conn_get_crypto_ctx2(conn)->aead.native_handle;
  if (half_init(&half, suite, secret) != 0) {
    return -1;
  }
  if (give(conn, level, direction, &half, secret) != 0) {
    half_fini(&half);
    return -1;
  }
  session->installed |= bit;
  return 0;
}

int hs2ni_next_key(const struct hs2ni_suite *suite, const uint8_t *secret,
                   uint8_t *out_secret, uint8_t *out_iv,
                   ngtcp2_crypto_aead_ctx *out_key) {
  const size_t len = hs2ni_cipher_key_len(suite->cipher);
  uint8_t key[HS2NI_PACKET_KEY_MAX];

  out_key->native_handle = NULL;
  if (hs2ni_expand(out_secret, HS2NI_SECRET_LEN, secret, "quic ku") == 0 &&
      hs2ni_expand(key, len, out_secret, "quic key") == 0 &&
      hs2ni_expand(out_iv, HS2NI_NONCE_LEN, out_secret, "quic iv") == 0) {
    out_key->native_handle = hs2ni_packet_key_new(suite, key);
  }
  wc_ForceZero(key, sizeof(key));
  return out_key->native_handle != NULL ? 0 : -1;
}
