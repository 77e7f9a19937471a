/* exchange: handshake messages, from the transport into wolfSSL and back.
 *
 * wolfSSL is used the way that its interface for QUIC has it, over TCP too: it
 * is given messages and gives messages and secrets.  Records are stream.c's. */
#ifndef HS2NI_TLS_EXCHANGE_H
#define HS2NI_TLS_EXCHANGE_H

#include "tls/session.h"

enum hs2ni_exchange_step {
  HS2NI_EXCHANGE_GOES_ON,
  HS2NI_EXCHANGE_DONE,   /* the handshake is complete */
  HS2NI_EXCHANGE_FAILED, /* of session->alert */
};

/* Takes bytes of the peer, none to begin, and goes on with the handshake as
 * far as it goes.  initial: they came without encryption, or as Initial
 * packets. Bytes are bounded before TLS sees them: wolfSSL allocates what a
 * message's header announces, up to a megabyte. */
enum hs2ni_exchange_step hs2ni_exchange_feed(struct hs2ni_tls_session *session,
                                             bool initial,
                                             struct hs2n_span bytes);

/* The same for ngtcp2.
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
