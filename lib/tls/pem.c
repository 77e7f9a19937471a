#include "tls/pem.h"

#include "tls/der.h"

#include <hs2net/error.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/memory.h>

#define BEGIN "-----BEGIN PRIVATE KEY-----"
#define END "-----END PRIVATE KEY-----"
/* Large enough for any text that is not too big. */
#define DER_MAX ((size_t)HS2N_IDENTITY_PEM_MAX / 4 * 3)

static const uint8_t oid_ed25519[] = {0x2b, 0x65, 0x70};

struct text {
  struct hs2n_span rest;
};

static void skip(struct text *t, size_t n) {
  t->rest = (struct hs2n_span){t->rest.data + n, t->rest.len - n};
}

static bool is_space(uint8_t c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct text *t) {
  while (t->rest.len > 0 && is_space(t->rest.data[0])) {
    skip(t, 1);
  }
}

static int expect(struct text *t, const char *want) {
  const size_t len = strlen(want);
  const size_t n = t->rest.len < len ? t->rest.len : len;

  if (n > 0 && memcmp(t->rest.data, want, n) != 0) {
    return HS2N_ERR_MALFORMED;
  }
  if (n < len) {
    return HS2N_ERR_TRUNCATED;
  }
  skip(t, len);
  return HS2N_OK;
}

/* Whether text begins with the line of some other kind of key. */
static bool other_key(struct text t) {
  static const char tail[] = " KEY-----";
  const size_t tail_len = sizeof(tail) - 1;

  if (expect(&t, "-----BEGIN ") != HS2N_OK) {
    return false;
  }
  for (; t.rest.len >= tail_len && t.rest.data[0] != '\n'; skip(&t, 1)) {
    if (memcmp(t.rest.data, tail, tail_len) == 0) {
      return true;
    }
  }
  return false;
}

/* 0..63, or 64 for what is not base64 (RFC 4648). */
static uint32_t sextet(uint8_t c) {
  if (c >= 'A' && c <= 'Z') {
    return c - (uint32_t)'A';
  }
  if (c >= 'a' && c <= 'z') {
    return c - (uint32_t)'a' + 26;
  }
  if (c >= '0' && c <= '9') {
    return c - (uint32_t)'0' + 52;
  }
  return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Reads base64 up to a character that is none. */
static int read_base64(struct text *t, uint8_t out[DER_MAX], size_t *out_len) {
  uint32_t bits = 0;
  size_t digits = 0;
  size_t pads = 0;
  size_t len = 0;

  for (;; skip(t, 1)) {
    skip_space(t);
    if (t->rest.len == 0) {
      return HS2N_ERR_TRUNCATED;
    }
    if (t->rest.data[0] == '=') {
      pads++;
      continue;
    }
    if (sextet(t->rest.data[0]) == 64) {
      break;
    }
    if (pads > 0 || len == DER_MAX) {
      return HS2N_ERR_MALFORMED;
    }
    bits = bits << 6 | sextet(t->rest.data[0]);
    digits++;
    if (digits % 4 != 1) {
      out[len++] = (uint8_t)(bits >> (6 - (digits - 1) % 4 * 2));
    }
  }
  /* Whole groups, and no bits beyond the last byte. */
  if ((digits + pads) % 4 != 0 || pads > 2 ||
      (bits & ((1u << 2 * pads) - 1)) != 0) {
    return HS2N_ERR_MALFORMED;
  }
  *out_len = len;
  return HS2N_OK;
}

static int read_der(struct hs2ni_pem_key *out, struct hs2n_span bytes) {
  struct hs2ni_der whole = hs2ni_der_open(bytes);
  struct hs2ni_der info = hs2ni_der_enter(&whole, HS2NI_DER_SEQUENCE);
  const struct hs2n_span version = hs2ni_der_take(&info, HS2NI_DER_INTEGER);
  struct hs2ni_der algorithm = hs2ni_der_enter(&info, HS2NI_DER_SEQUENCE);
  const struct hs2n_span oid = hs2ni_der_take(&algorithm, HS2NI_DER_OID);
  struct hs2ni_der inner;
  struct hs2n_span seed;
  struct hs2n_span key = {NULL, 0};

  if (algorithm.failed) {
    return HS2N_ERR_MALFORMED;
  }
  if (!hs2ni_der_equal(oid, oid_ed25519, sizeof(oid_ed25519))) {
    return HS2N_ERR_BAD_KEY;
  }
  inner = hs2ni_der_enter(&info, HS2NI_DER_OCTET_STRING);
  seed = hs2ni_der_take(&inner, HS2NI_DER_OCTET_STRING);
  if (hs2ni_der_next_is(&info, 0xa0)) {
    (void)hs2ni_der_take(&info, 0xa0); /* attributes */
  }
  if (hs2ni_der_next_is(&info, 0x81)) {
    key = hs2ni_der_take(&info, 0x81);
  }
  if (!hs2ni_der_done(&algorithm) || !hs2ni_der_done(&inner) ||
      !hs2ni_der_done(&info) || !hs2ni_der_done(&whole) || version.len != 1 ||
      version.data[0] > 1 || seed.len != HS2N_KEY_LEN) {
    return HS2N_ERR_MALFORMED;
  }
  /* The key is a bit string of whole bytes, and made the version 1. */
  if ((key.data == NULL) != (version.data[0] == 0) ||
      (key.data != NULL && (key.len != HS2N_KEY_LEN + 1 || key.data[0] != 0))) {
    return HS2N_ERR_MALFORMED;
  }
  memcpy(out->seed, seed.data, HS2N_KEY_LEN);
  out->has_key = key.data != NULL;
  if (out->has_key) {
    memcpy(out->key.bytes, key.data + 1, HS2N_KEY_LEN);
  }
  return HS2N_OK;
}

static int read_text(struct text *t, uint8_t der[DER_MAX], size_t *out_len) {
  int rv;

  skip_space(t);
  rv = expect(t, BEGIN);
  if (rv != HS2N_OK) {
    return rv == HS2N_ERR_MALFORMED && other_key(*t) ? HS2N_ERR_BAD_KEY : rv;
  }
  rv = read_base64(t, der, out_len);
  if (rv != HS2N_OK) {
    return rv;
  }
  rv = expect(t, END);
  skip_space(t);
  return rv == HS2N_OK && t->rest.len > 0 ? HS2N_ERR_MALFORMED : rv;
}

int hs2ni_pem_read(struct hs2ni_pem_key *out, struct hs2n_span text) {
  struct text t = {text};
  uint8_t der[DER_MAX];
  size_t len = 0;
  int rv;

  if (text.len > HS2N_IDENTITY_PEM_MAX) {
    return HS2N_ERR_TOO_BIG;
  }
  rv = read_text(&t, der, &len);
  if (rv == HS2N_OK) {
    rv = read_der(out, (struct hs2n_span){der, len});
  }
  wc_ForceZero(der, sizeof(der));
  return rv;
}

void hs2ni_pkcs8_write(const uint8_t seed[HS2N_KEY_LEN],
                       uint8_t out[HS2NI_PKCS8_LEN]) {
  static const uint8_t head[] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30,
                                 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
                                 0x04, 0x22, 0x04, 0x20};

  memcpy(out, head, sizeof(head));
  memcpy(out + sizeof(head), seed, HS2N_KEY_LEN);
}

void hs2ni_pem_write(const uint8_t seed[HS2N_KEY_LEN],
                     char out[HS2NI_PEM_LEN]) {
  static const char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t der[HS2NI_PKCS8_LEN];
  char *p = out;

  hs2ni_pkcs8_write(seed, der);
  memcpy(p, BEGIN "\n", sizeof(BEGIN));
  p += sizeof(BEGIN);
  for (size_t i = 0; i < sizeof(der); i += 3) {
    const uint32_t bits =
        (uint32_t)der[i] << 16 | (uint32_t)der[i + 1] << 8 | der[i + 2];

    *p++ = digits[bits >> 18];
    *p++ = digits[bits >> 12 & 63];
    *p++ = digits[bits >> 6 & 63];
    *p++ = digits[bits & 63];
  }
  memcpy(p, "\n" END "\n", sizeof(END) + 2);
  wc_ForceZero(der, sizeof(der));
}
