/* quic_glue: the cryptography that ngtcp2 asks for, by direct wolfCrypt calls:
 * the glue that comes with ngtcp2 copies each packet twice and takes memory
 * for it.  The native handle of a connection must be that of a session of
 * tls.h, or NULL once the handshake is confirmed or given up. */
#ifndef HS2NI_TLS_QUIC_GLUE_H
#define HS2NI_TLS_QUIC_GLUE_H

#include <ngtcp2/ngtcp2.h>

/* Sets every callback of ngtcp2 that is about cryptography:
 * client_initial, recv_client_initial, recv_crypto_data, encrypt, decrypt,
 * hp_mask, recv_retry, update_key, delete_crypto_aead_ctx,
 * delete_crypto_cipher_ctx, version_negotiation, get_path_challenge_data.
 * The others are left as they are.
 *
 * recv_crypto_data hands nothing to TLS at the 1-RTT level: a KeyUpdate
 * there would abort the process below us; it sets alert 10 and fails with
 * NGTCP2_ERR_CRYPTO, which closes with 0x10a (RFC 9001, 6). */
void hs2ni_tls_quic_callbacks(ngtcp2_callbacks *callbacks);

#endif /* HS2NI_TLS_QUIC_GLUE_H */
