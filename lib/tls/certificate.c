#include "tls/certificate.h"

#include "tls/der.h"
#include "tls/time.h"

#include <string.h>

#define DAY_S INT64_C(86400)
#define YEARS_S(n) (INT64_C(31557600) * (n))
#define BYTES(array) (array), sizeof(array)

#define TAG_VERSION 0xa0u
#define TAG_EXTENSIONS 0xa3u

/* AlgorithmIdentifier of Ed25519, without its sequence. */
static const uint8_t oid_ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};
static const uint8_t version_3[] = {0x02, 0x01, 0x02};
static const uint8_t oid_basic_constraints[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_key_usage[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_ext_key_usage[] = {0x55, 0x1d, 0x25};
static const uint8_t oid_server_auth[] = {0x2b, 6, 1, 5, 5, 7, 3, 1};
static const uint8_t oid_client_auth[] = {0x2b, 6, 1, 5, 5, 7, 3, 2};

/* ---- writing ----------------------------------------------------------- */

static void put_algorithm(struct hs2ni_der_out *out) {
  const size_t end = out->start;

  hs2ni_der_put(out, BYTES(oid_ed25519));
  hs2ni_der_wrap(out, HS2NI_DER_SEQUENCE, end);
}

static void put_bits(struct hs2ni_der_out *out, const uint8_t *bytes,
                     size_t len) {
  static const uint8_t unused_bits = 0;
  const size_t end = out->start;

  hs2ni_der_put(out, bytes, len);
  hs2ni_der_put(out, &unused_bits, 1);
  hs2ni_der_wrap(out, HS2NI_DER_BIT_STRING, end);
}

/* Two extensions: critical key usage, and extended key usage. */
static void put_extensions(struct hs2ni_der_out *out) {
  static const uint8_t usages[] = {
      0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04,
      0x03, 0x02, 0x07, 0x80, 0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04,
      0x16, 0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
      0x01, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
  const size_t end = out->start;

  hs2ni_der_put(out, BYTES(usages));
  hs2ni_der_wrap(out, HS2NI_DER_SEQUENCE, end);
  hs2ni_der_wrap(out, TAG_EXTENSIONS, end);
}

static void put_name(struct hs2ni_der_out *out) {
  static const uint8_t common_name[] = {
      0x30, 0x11, 0x31, 0x0f, 0x30, 0x0d, 0x06, 0x03, 0x55, 0x04,
      0x03, 0x0c, 0x06, 'h',  's',  '2',  'n',  'e',  't'};

  hs2ni_der_put(out, BYTES(common_name));
}

static void put_validity(struct hs2ni_der_out *out, int64_t unix_time_s) {
  const size_t end = out->start;

  hs2ni_time_put(out, unix_time_s + YEARS_S(10));
  hs2ni_time_put(out, unix_time_s - DAY_S);
  hs2ni_der_wrap(out, HS2NI_DER_SEQUENCE, end);
}

/* Derived from the key: it need not be secret, only steady. */
static void put_serial(struct hs2ni_der_out *out, const struct hs2n_key *key) {
  const size_t end = out->start;
  struct hs2n_peer_id id = hs2n_key_peer_id(key);

  id.bytes[0] = (uint8_t)((id.bytes[0] & 0x3fu) | 0x40u); /* positive */
  hs2ni_der_put(out, id.bytes, 16);
  hs2ni_der_wrap(out, HS2NI_DER_INTEGER, end);
}

static void put_body(struct hs2ni_der_out *out, const struct hs2n_key *key,
                     int64_t unix_time_s) {
  const size_t end = out->start;
  size_t part;

  put_extensions(out);
  part = out->start;
  put_bits(out, key->bytes, HS2N_KEY_LEN);
  put_algorithm(out);
  hs2ni_der_wrap(out, HS2NI_DER_SEQUENCE, part);
  put_name(out);
  put_validity(out, unix_time_s);
  put_name(out);
  put_algorithm(out);
  put_serial(out, key);
  part = out->start;
  hs2ni_der_put(out, BYTES(version_3));
  hs2ni_der_wrap(out, TAG_VERSION, part);
  hs2ni_der_wrap(out, HS2NI_DER_SEQUENCE, end);
}

int hs2ni_certificate_write(const struct hs2n_identity *identity,
                            int64_t unix_time_s,
                            uint8_t out[HS2NI_CERTIFICATE_OWN],
                            size_t *out_len) {
  const struct hs2n_key key = hs2n_identity_key(identity);
  uint8_t space[HS2NI_CERTIFICATE_OWN];
  struct hs2ni_der_out body = {space, sizeof(space), sizeof(space)};
  uint8_t whole_space[HS2NI_CERTIFICATE_OWN];
  struct hs2ni_der_out whole = {whole_space, sizeof(whole_space),
                                sizeof(whole_space)};
  uint8_t signature[HS2N_SIGNATURE_LEN];
  struct hs2n_span signed_bytes;
  int rv;

  put_body(&body, &key, unix_time_s);
  signed_bytes =
      (struct hs2n_span){space + body.start, sizeof(space) - body.start};
  rv = hs2n_sign(identity, signed_bytes, signature);
  if (rv != HS2N_OK) {
    return rv;
  }
  put_bits(&whole, BYTES(signature));
  put_algorithm(&whole);
  hs2ni_der_put(&whole, signed_bytes.data, signed_bytes.len);
  hs2ni_der_wrap(&whole, HS2NI_DER_SEQUENCE, whole.capacity);
  *out_len = whole.capacity - whole.start;
  memcpy(out, whole_space + whole.start, *out_len);
  return HS2N_OK;
}

/* ---- reading ----------------------------------------------------------- */

/* Whether the next element says Ed25519; anything else may be another
 * algorithm or nonsense. */
static bool take_ed25519(struct hs2ni_der *der) {
  const struct hs2n_span algorithm = hs2ni_der_take(der, HS2NI_DER_SEQUENCE);

  return hs2ni_der_equal(algorithm, BYTES(oid_ed25519));
}

/* The bytes of a bit string of whole bytes. */
static struct hs2n_span take_bits(struct hs2ni_der *der) {
  const struct hs2n_span s = hs2ni_der_take(der, HS2NI_DER_BIT_STRING);

  if (s.len < 1 || s.data[0] != 0) {
    der->failed = true;
    return (struct hs2n_span){NULL, 0};
  }
  return (struct hs2n_span){s.data + 1, s.len - 1};
}

static bool read_key_usage(struct hs2ni_certificate *out,
                           struct hs2n_span value) {
  struct hs2ni_der der = hs2ni_der_open(value);
  const bool again = out->may_sign;
  const struct hs2n_span bits = hs2ni_der_take(&der, HS2NI_DER_BIT_STRING);

  out->may_sign = bits.len >= 2 && (bits.data[1] & 0x80u) != 0;
  return hs2ni_der_done(&der) && !again;
}

static bool read_ext_key_usage(struct hs2ni_certificate *out,
                               struct hs2n_span value) {
  struct hs2ni_der der = hs2ni_der_open(value);
  struct hs2ni_der list = hs2ni_der_enter(&der, HS2NI_DER_SEQUENCE);
  const bool again = out->for_server || out->for_client;

  while (!list.failed && list.rest.len > 0) {
    const struct hs2n_span oid = hs2ni_der_take(&list, HS2NI_DER_OID);

    out->for_server =
        out->for_server || hs2ni_der_equal(oid, BYTES(oid_server_auth));
    out->for_client =
        out->for_client || hs2ni_der_equal(oid, BYTES(oid_client_auth));
  }
  return hs2ni_der_done(&der) && hs2ni_der_done(&list) && !again;
}

static bool read_extension(struct hs2ni_certificate *out,
                           struct hs2ni_der *extension) {
  const struct hs2n_span oid = hs2ni_der_take(extension, HS2NI_DER_OID);
  bool critical = false;
  struct hs2n_span value;

  if (hs2ni_der_next_is(extension, HS2NI_DER_BOOLEAN)) {
    (void)hs2ni_der_take(extension, HS2NI_DER_BOOLEAN);
    critical = true; /* DER leaves the default, false, out */
  }
  value = hs2ni_der_take(extension, HS2NI_DER_OCTET_STRING);
  if (!hs2ni_der_done(extension)) {
    return false;
  }
  if (hs2ni_der_equal(oid, BYTES(oid_key_usage))) {
    return read_key_usage(out, value);
  }
  if (hs2ni_der_equal(oid, BYTES(oid_ext_key_usage))) {
    return read_ext_key_usage(out, value);
  }
  /* Being an authority or not means nothing where there is no chain. */
  return !critical || hs2ni_der_equal(oid, BYTES(oid_basic_constraints));
}

static bool read_extensions(struct hs2ni_certificate *out,
                            struct hs2ni_der *body) {
  struct hs2ni_der wrapper = hs2ni_der_enter(body, TAG_EXTENSIONS);
  struct hs2ni_der list = hs2ni_der_enter(&wrapper, HS2NI_DER_SEQUENCE);

  while (!list.failed && list.rest.len > 0) {
    struct hs2ni_der extension = hs2ni_der_enter(&list, HS2NI_DER_SEQUENCE);

    if (!read_extension(out, &extension)) {
      return false;
    }
  }
  return hs2ni_der_done(&list) && hs2ni_der_done(&wrapper) &&
         hs2ni_der_done(body);
}

static int read_body(struct hs2ni_certificate *out, struct hs2ni_der *body) {
  const struct hs2n_span version = hs2ni_der_take(body, TAG_VERSION);
  struct hs2ni_der validity;
  struct hs2ni_der info;
  struct hs2n_span key;
  bool ed25519;

  (void)hs2ni_der_take(body, HS2NI_DER_INTEGER);  /* serial number */
  (void)hs2ni_der_take(body, HS2NI_DER_SEQUENCE); /* signature algorithm */
  (void)hs2ni_der_take(body, HS2NI_DER_SEQUENCE); /* issuer */
  validity = hs2ni_der_enter(body, HS2NI_DER_SEQUENCE);
  out->not_before = hs2ni_time_take(&validity);
  out->not_after = hs2ni_time_take(&validity);
  (void)hs2ni_der_take(body, HS2NI_DER_SEQUENCE); /* subject */
  info = hs2ni_der_enter(body, HS2NI_DER_SEQUENCE);
  ed25519 = take_ed25519(&info);
  key = take_bits(&info);
  if (!hs2ni_der_done(&validity) || !hs2ni_der_done(&info) ||
      !hs2ni_der_equal(version, BYTES(version_3))) {
    return HS2N_ERR_MALFORMED;
  }
  if (!ed25519 || key.len != HS2N_KEY_LEN) {
    return HS2N_ERR_BAD_KEY;
  }
  memcpy(out->key.bytes, key.data, HS2N_KEY_LEN);
  return read_extensions(out, body) ? HS2N_OK : HS2N_ERR_MALFORMED;
}

int hs2ni_certificate_read(struct hs2ni_certificate *out,
                           struct hs2n_span bytes) {
  struct hs2ni_certificate c = {.may_sign = false};
  struct hs2ni_der file = hs2ni_der_open(bytes);
  struct hs2ni_der whole;
  struct hs2ni_der body;
  struct hs2n_span signature;
  bool ed25519;
  int rv;

  if (bytes.len > HS2NI_CERTIFICATE_MAX) {
    return HS2N_ERR_TOO_BIG;
  }
  whole = hs2ni_der_enter(&file, HS2NI_DER_SEQUENCE);
  c.body = whole.rest;
  body = hs2ni_der_enter(&whole, HS2NI_DER_SEQUENCE);
  c.body.len -= whole.rest.len;
  ed25519 = take_ed25519(&whole);
  signature = take_bits(&whole);
  if (!hs2ni_der_done(&whole) || !hs2ni_der_done(&file)) {
    return HS2N_ERR_MALFORMED;
  }
  rv = read_body(&c, &body);
  if (rv != HS2N_OK) {
    return rv;
  }
  if (!ed25519 || signature.len != HS2N_SIGNATURE_LEN) {
    return HS2N_ERR_BAD_KEY;
  }
  c.signature = signature.data;
  *out = c;
  return HS2N_OK;
}

bool hs2ni_certificate_good(const struct hs2ni_certificate *c,
                            int64_t unix_time_s) {
  return c->not_before <= unix_time_s && unix_time_s <= c->not_after &&
         c->may_sign && c->for_client && c->for_server &&
         hs2n_verify(&c->key, c->body, c->signature) == HS2N_OK;
}
