/* stream_int: the inside of stream.h, for its tests. */
#ifndef HS2NI_TLS_STREAM_INT_H
#define HS2NI_TLS_STREAM_INT_H

#include "tls/record.h"
#include "tls/session.h"

/* Our longest flight, a server's: a hello with a hybrid key share of some
 * 1,200 bytes, then the extensions, a request for a certificate, our own of
 * HS2NI_CERTIFICATE_OWN, a signature. */
#define HS2NI_STREAM_OUT_MAX 4096u
/* RFC 8446, 5.5 allows 2^24.5 full records under one key of AES-GCM. */
#define HS2NI_REKEY_RECORDS (UINT64_C(1) << 23)
/* Of the peer, for one key. */
#define HS2NI_REKEY_RECORDS_MIN 1024u
#define HS2NI_CHANGE_SPECS_MAX 2u

struct hs2ni_tls_stream {
  struct hs2ni_tls *tls;
  struct hs2ni_tls_session *session; /* NULL once the peer is known */
  const struct hs2ni_suite *suite;   /* once negotiated */
  struct hs2ni_record_keys rx, tx;   /* in use */
  struct hs2ni_record_keys rx_next;  /* of the application, till the end of */
  struct hs2ni_record_keys tx_next;  /* the handshake, or of our flight */
  uint64_t rekey_after;              /* records of ours under one key */
  size_t out_len;                    /* messages of ours */
  size_t out_plain;                  /* of them, those not to be encrypted */
  size_t out_taken;
  uint8_t specs; /* change_cipher_spec heard */
  uint8_t alert; /* ours or the peer's */
  uint8_t alert_level;
  bool alert_due;
  bool update_due;
  bool completed;
  bool tx_ready; /* tx is of the application */
  bool ended;
  uint8_t out[HS2NI_STREAM_OUT_MAX];
};

#endif /* HS2NI_TLS_STREAM_INT_H */
