/* install: packet protection keys, from secrets into ngtcp2. */
#ifndef HS2NI_TLS_INSTALL_H
#define HS2NI_TLS_INSTALL_H

#include "tls/session.h"

/* Keys of the Initial packets of a connection, which follow from the
 * destination id of the client's first packet (RFC 9001, 5.2); for a client
 * also the key that a Retry is checked with.  Returns 0 or -1. */
HS2N_MUST_CHECK int hs2ni_install_initial(struct hs2ni_tls_session *session,
                                          ngtcp2_conn *conn,
                                          const ngtcp2_cid *dcid);

enum hs2ni_direction { HS2NI_RECEIVE, HS2NI_SEND };

/* Keys of Handshake or 1-RTT packets of one direction.  Returns 0 or -1. */
HS2N_MUST_CHECK int hs2ni_install_secret(struct hs2ni_tls_session *session,
                                         ngtcp2_conn *conn,
                                         ngtcp2_encryption_level level,
                                         enum hs2ni_direction direction,
                                         const uint8_t *secret);

/* The next key of 1-RTT packets of one direction (RFC 9001, 6).  Needs no
 * session.  Returns 0 or -1. */
HS2N_MUST_CHECK int hs2ni_next_key(const struct hs2ni_suite *suite,
                                   const uint8_t *secret, uint8_t *out_secret,
                                   uint8_t *out_iv,
                                   ngtcp2_crypto_aead_ctx *out_key);

#endif /* HS2NI_TLS_INSTALL_H */
