/* record: TLS 1.3 records (RFC 8446, 5), one direction at a time. */
#ifndef HS2NI_TLS_RECORD_H
#define HS2NI_TLS_RECORD_H

#include "tls/keys.h"
#include "tls/stream.h"

enum hs2ni_tls_content {
  HS2NI_CONTENT_CHANGE_CIPHER_SPEC = 20,
  HS2NI_CONTENT_ALERT = 21,
  HS2NI_CONTENT_HANDSHAKE = 22,
  HS2NI_CONTENT_APPLICATION = 23,
};

/* Keys of one direction.  All zero: none, records are not encrypted. */
struct hs2ni_record_keys {
  struct hs2ni_packet_key *key;
  uint8_t iv[HS2NI_NONCE_LEN];
  uint8_t secret[HS2NI_SECRET_LEN];
  uint64_t seq; /* of the next record */
};

/* Replaces what keys held.  Returns 0 or -1, with keys unchanged. */
HS2N_MUST_CHECK int hs2ni_record_keys_set(struct hs2ni_record_keys *keys,
                                          const struct hs2ni_suite *suite,
                                          const uint8_t *secret);
/* Goes on to the next key (RFC 8446, 7.2).  Returns 0 or -1. */
HS2N_MUST_CHECK int hs2ni_record_keys_update(struct hs2ni_record_keys *keys,
                                             const struct hs2ni_suite *suite);
void hs2ni_record_keys_fini(struct hs2ni_record_keys *keys);

/* Makes a record of len bytes at record + HS2NI_TLS_HEAD_LEN, encrypted if
 * there is a key.  Returns its length, or 0. */
size_t hs2ni_record_seal(struct hs2ni_record_keys *keys,
                         enum hs2ni_tls_content content, uint8_t *record,
                         size_t len);

/* Opens a whole encrypted record into plain.  Returns 0 and what it holds, or
 * an alert. */
uint8_t hs2ni_record_open(struct hs2ni_record_keys *keys,
                          struct hs2n_span record, uint8_t *plain,
                          uint8_t *out_content, struct hs2n_span *out);

#endif /* HS2NI_TLS_RECORD_H */
