#include "tls/record.h"

#include "tls/session.h"

#include <string.h>

void hs2ni_record_keys_fini(struct hs2ni_record_keys *keys) {
  hs2ni_packet_key_free(keys->key);
  wc_ForceZero(keys, sizeof(*keys));
}

int hs2ni_record_keys_set(struct hs2ni_record_keys *keys,
                          const struct hs2ni_suite *suite,
                          const uint8_t *secret) {
  const size_t len = hs2ni_cipher_key_len(suite->cipher);
  struct hs2ni_record_keys fresh = {.key = NULL};
  uint8_t key[HS2NI_PACKET_KEY_MAX];

  memcpy(fresh.secret, secret, sizeof(fresh.secret));
  if (hs2ni_expand(key, len, secret, "key") == 0 &&
      hs2ni_expand(fresh.iv, sizeof(fresh.iv), secret, "iv") == 0) {
    fresh.key = hs2ni_packet_key_new(suite, key);
  }
  wc_ForceZero(key, sizeof(key));
  if (fresh.key == NULL) {
    wc_ForceZero(&fresh, sizeof(fresh));
    return -1;
  }
  hs2ni_record_keys_fini(keys);
  *keys = fresh;
  wc_ForceZero(&fresh, sizeof(fresh));
  return 0;
}

int hs2ni_record_keys_update(struct hs2ni_record_keys *keys,
                             const struct hs2ni_suite *suite) {
  uint8_t next[HS2NI_SECRET_LEN];
  int rv = hs2ni_expand(next, sizeof(next), keys->secret, "traffic upd");

  if (rv == 0) {
    rv = hs2ni_record_keys_set(keys, suite, next);
  }
  wc_ForceZero(next, sizeof(next));
  return rv;
}

/* RFC 8446, 5.3 */
static void make_nonce(const struct hs2ni_record_keys *keys,
                       uint8_t nonce[HS2NI_NONCE_LEN]) {
  memcpy(nonce, keys->iv, HS2NI_NONCE_LEN);
  for (size_t i = 0; i < 8; i++) {
    nonce[HS2NI_NONCE_LEN - 1 - i] ^= (uint8_t)(keys->seq >> (8 * i));
  }
}

static void put_head(uint8_t *record, enum hs2ni_tls_content content,
                     size_t len) {
  record[0] = (uint8_t)content;
  record[1] = 3;
  record[2] = 3;
  record[3] = (uint8_t)(len >> 8);
  record[4] = (uint8_t)len;
}

size_t hs2ni_record_seal(struct hs2ni_record_keys *keys,
                         enum hs2ni_tls_content content, uint8_t *record,
                         size_t len) {
  uint8_t *const body = record + HS2NI_TLS_HEAD_LEN;
  uint8_t nonce[HS2NI_NONCE_LEN];

  if (keys->key == NULL) {
    put_head(record, content, len);
    return HS2NI_TLS_HEAD_LEN + len;
  }
  body[len] = (uint8_t)content;
  put_head(record, HS2NI_CONTENT_APPLICATION, len + 1 + HS2NI_TAG_LEN);
  make_nonce(keys, nonce);
  if (hs2ni_seal(keys->key, body, (struct hs2n_span){body, len + 1}, nonce,
                 (struct hs2n_span){record, HS2NI_TLS_HEAD_LEN}) != 0) {
    return 0;
  }
  keys->seq++;
  return len + HS2NI_TLS_RECORD_EXTRA;
}

uint8_t hs2ni_record_open(struct hs2ni_record_keys *keys,
                          struct hs2n_span record, uint8_t *plain,
                          uint8_t *out_content, struct hs2n_span *out) {
  const struct hs2n_span head = {record.data, HS2NI_TLS_HEAD_LEN};
  const struct hs2n_span sealed = {record.data + HS2NI_TLS_HEAD_LEN,
                                   record.len - HS2NI_TLS_HEAD_LEN};
  uint8_t nonce[HS2NI_NONCE_LEN];
  size_t len;

  make_nonce(keys, nonce);
  if (hs2ni_open(keys->key, plain, sealed, nonce, head) != 0) {
    return HS2NI_ALERT_BAD_RECORD_MAC;
  }
  keys->seq++;
  len = sealed.len - HS2NI_TAG_LEN;
  while (len > 0 && plain[len - 1] == 0) {
    len--; /* padding */
  }
  if (len == 0) {
    return HS2NI_ALERT_UNEXPECTED_MESSAGE;
  }
  if (len - 1 > HS2NI_TLS_CONTENT_MAX) {
    return HS2NI_ALERT_RECORD_OVERFLOW;
  }
  *out_content = plain[len - 1];
  *out = (struct hs2n_span){plain, len - 1};
  return 0;
}
