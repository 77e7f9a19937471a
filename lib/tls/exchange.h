/* exchange: handshake messages, from ngtcp2 into wolfSSL and back. */
#ifndef HS2NI_TLS_EXCHANGE_H
#define HS2NI_TLS_EXCHANGE_H

#include "tls/session.h"

/* Takes bytes of the peer, none to begin, and goes on with the handshake as
 * far as it goes.  Bytes are bounded before TLS sees them: wolfSSL allocates
 * what a message's header announces, up to a megabyte.
 *
 * Returns 0, or a negative error of ngtcp2 with the TLS alert set in conn. */
HS2N_MUST_CHECK int hs2ni_exchange(struct hs2ni_tls_session *session,
                                   ngtcp2_conn *conn,
                                   ngtcp2_encryption_level level,
                                   struct hs2n_span bytes);

/* Gives wolfSSL our transport parameters.  Returns 0 or -1. */
HS2N_MUST_CHECK int hs2ni_exchange_params(struct hs2ni_tls_session *session,
                                          const ngtcp2_conn *conn);

#endif /* HS2NI_TLS_EXCHANGE_H */
