/* stream: TLS 1.3 over a byte stream (RFC 8446), in memory.
 *
 * Handshakes are the same as over QUIC, see exchange.h: the same rules of
 * identity, the same bounds, the same alerts.  The record layer (RFC 8446, 5)
 * is ours, so a record is sealed where its bytes are, the session of wolfSSL
 * goes when its handshake is complete, and nothing is allocated after that.
 *
 *     begin --> take: flights --> open: DONE --> peer --> open: DATA, seal
 *
 * Whatever fails leaves an alert that take gives; then nothing more comes. */
#ifndef HS2NI_TLS_STREAM_H
#define HS2NI_TLS_STREAM_H

#include "tls/tls.h"

struct hs2ni_tls_stream;

#define HS2NI_TLS_HEAD_LEN 5u
/* Bytes that a record takes beside its content: head, type, tag. */
#define HS2NI_TLS_RECORD_EXTRA 22u
#define HS2NI_TLS_CONTENT_MAX 16384u
/* RFC 8446, 5.2 */
#define HS2NI_TLS_RECORD_MAX (HS2NI_TLS_HEAD_LEN + HS2NI_TLS_CONTENT_MAX + 256u)
/* take writes no record above this: half of what a poll has room for at
 * least. */
#define HS2NI_TLS_TAKE_MAX 750u

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_tls_stream_new(struct hs2ni_tls_stream **out,
                                         struct hs2ni_tls *tls,
                                         enum hs2ni_tls_role role);
/* Begins the handshake, once; a client's hello waits for take.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_tls_stream_begin(struct hs2ni_tls_stream *s);
/* NULL is allowed. */
void hs2ni_tls_stream_free(struct hs2ni_tls_stream *s);
/* Bytes that one takes at most, during its handshake, for
 * hs2n_limits_memory. */
size_t hs2ni_tls_stream_footprint(void);

/* Length of the record that begins so, its head included; 0: no record that
 * may come now, and the stream has failed. */
size_t hs2ni_tls_stream_record(struct hs2ni_tls_stream *s,
                               const uint8_t head[HS2NI_TLS_HEAD_LEN]);

enum hs2ni_tls_event {
  HS2NI_TLS_NOTHING,
  HS2NI_TLS_DONE,   /* the handshake is complete: peer is to be asked */
  HS2NI_TLS_DATA,   /* content of the application */
  HS2NI_TLS_ENDED,  /* the peer's close_notify */
  HS2NI_TLS_ALERT,  /* the peer has refused: alert */
  HS2NI_TLS_FAILED, /* refused here: alert */
};

/* Opens a whole record into plain, HS2NI_TLS_RECORD_MAX bytes, of which
 * out_data is set to a part with DATA. */
enum hs2ni_tls_event hs2ni_tls_stream_open(struct hs2ni_tls_stream *s,
                                           struct hs2n_span record,
                                           uint8_t *plain,
                                           struct hs2n_span *out_data);
/* The alert of ALERT or FAILED. */
uint8_t hs2ni_tls_stream_alert(const struct hs2ni_tls_stream *s);

/* See hs2ni_tls_session_peer; asked once, after DONE.  A reason other than
 * NONE makes the stream fail: what the peer would need to complete its
 * handshake does not go out any more. */
enum hs2n_reason hs2ni_tls_stream_peer(struct hs2ni_tls_stream *s,
                                       const struct hs2n_key *expected,
                                       struct hs2n_key *out_key);

/* Whether there is something to take. */
bool hs2ni_tls_stream_waits(const struct hs2ni_tls_stream *s);
/* Writes the next record of TLS itself: of a handshake, an alert, a change of
 * keys.  room is at least HS2NI_TLS_TAKE_MAX.  Returns its length, or 0. */
size_t hs2ni_tls_stream_take(struct hs2ni_tls_stream *s, uint8_t *out,
                             size_t room);
/* Whether seal may be called: the handshake is complete, its flight taken, and
 * the stream has not ended. */
bool hs2ni_tls_stream_ready(const struct hs2ni_tls_stream *s);
/* Makes a record of the len bytes at record + HS2NI_TLS_HEAD_LEN, in place;
 * there is room for HS2NI_TLS_RECORD_EXTRA more.  What waits for take goes
 * first, or keys grow old.  Returns its length, or 0 when that failed. */
size_t hs2ni_tls_stream_seal(struct hs2ni_tls_stream *s, uint8_t *record,
                             size_t len);
/* Nothing of ours follows: an alert close_notify is the last that take gives,
 * and nothing that waited before. */
void hs2ni_tls_stream_end(struct hs2ni_tls_stream *s);

/* ---- for exchange.c, and session.c ---- */

/* Whether the peer's extensions are those of this transport. */
bool hs2ni_tls_stream_extensions(struct hs2ni_tls_session *session);
/* Secrets and messages of wolfSSL; return 1, or 0 to fail the handshake. */
int hs2ni_tls_stream_secrets(struct hs2ni_tls_session *session, bool handshake,
                             const uint8_t *rx, const uint8_t *tx);
int hs2ni_tls_stream_message(struct hs2ni_tls_session *session, bool initial,
                             struct hs2n_span bytes);

#endif /* HS2NI_TLS_STREAM_H */
