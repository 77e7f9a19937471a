#include "wire/hello.h"

#include "base/addr.h"
#include "wire/cbor_reader.h"
#include "wire/cbor_writer.h"

#include <assert.h>
#include <hs2net/error.h>
#include <stdbool.h>
#include <string.h>

enum key {
  CHAIN_ID = 1,
  VERSION_MIN = 2,
  VERSION_MAX = 3,
  INCARNATION = 4,
  EPOCH = 5,
  CAPABILITIES = 6,
  ADDRS = 7,
  RECORDS = 8,
  TYPES = 9,
  BODIES_BYTES = 10,
};
#define KEYS 10u
#define ALL_KEYS (((1u << KEYS) - 1) << 1)
#define OPTIONAL_KEYS (1u << RECORDS | 1u << BODIES_BYTES)
#define OPTIONAL_KEYS_N 2u
#define REQUIRED_KEYS (ALL_KEYS & ~OPTIONAL_KEYS)

#define PORT_LEN 2u
#define TYPE_ELEMENTS 3u

/* The characters of a chain id are safe in a log, which prints what a peer
 * claims. */
static bool is_chain_id(struct hs2n_span id) {
  for (size_t i = 0; i < id.len; i++) {
    const uint8_t c = id.data[i];

    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
          c == '.')) {
      return false;
    }
  }
  return true;
}

/* ---- decoding ------------------------------------------------------------ */

static void read_chain_id(struct hs2ni_cbor_reader *r,
                          struct hs2ni_hello *hello) {
  hello->chain_id = hs2ni_cbor_text(r, 1, HS2N_CHAIN_ID_MAX);
  if (!is_chain_id(hello->chain_id)) {
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
  }
}

static void read_addr(struct hs2ni_cbor_reader *r, struct hs2n_addr *out) {
  const struct hs2n_span bytes =
      hs2ni_cbor_bytes(r, 4 + PORT_LEN, 16 + PORT_LEN);
  size_t ip_len;

  if (r->err != HS2N_OK) {
    return;
  }
  ip_len = bytes.len - PORT_LEN;
  if (ip_len != 4 && ip_len != 16) {
    hs2ni_cbor_fail(r, HS2N_ERR_MALFORMED);
    return;
  }
  *out = (struct hs2n_addr){
      .family = ip_len == 4 ? HS2N_FAMILY_IPV4 : HS2N_FAMILY_IPV6,
      .port = (uint16_t)(bytes.data[ip_len] << 8 | bytes.data[ip_len + 1]),
  };
  memcpy(out->ip, bytes.data, ip_len);
}

static void read_addrs(struct hs2ni_cbor_reader *r, struct hs2ni_hello *hello) {
  hello->addrs_n = hs2ni_cbor_array(r, 0, HS2NI_HELLO_ADDRS_MAX);
  for (size_t i = 0; i < hello->addrs_n; i++) {
    read_addr(r, &hello->addrs[i]);
  }
}

/* At least one: for none the key is left out. */
static void read_records(struct hs2ni_cbor_reader *r,
                         struct hs2ni_hello *hello) {
  hello->records_n = hs2ni_cbor_array(r, 1, HS2NI_HELLO_RECORDS_MAX);
  for (size_t i = 0; i < hello->records_n; i++) {
    hello->records[i] = hs2ni_cbor_bytes(r, 0, HS2NI_HELLO_MAX);
  }
}

static void read_types(struct hs2ni_cbor_reader *r, struct hs2ni_hello *hello) {
  uint64_t id_min = 0;

  hello->types_n = hs2ni_cbor_array(r, 0, HS2N_TYPES_MAX);
  for (size_t i = 0; i < hello->types_n; i++) {
    struct hs2ni_hello_type *type = &hello->types[i];

    (void)hs2ni_cbor_array(r, TYPE_ELEMENTS, TYPE_ELEMENTS);
    type->id = (uint8_t)hs2ni_cbor_uint(r, id_min, HS2N_TYPES_MAX - 1);
    type->lane = (uint8_t)hs2ni_cbor_uint(r, 0, HS2N_LANES - 1);
    type->size_max = (uint32_t)hs2ni_cbor_size(r, HS2N_BODY_MAX);
    id_min = (uint64_t)type->id + 1;
  }
}

/* Keys ascend, so the least version is known when the greatest is read. */
static void read_value(struct hs2ni_cbor_reader *r, uint32_t key,
                       struct hs2ni_hello *hello) {
  switch (key) {
  case CHAIN_ID:
    read_chain_id(r, hello);
    return;
  case VERSION_MIN:
    hello->version_min = (uint32_t)hs2ni_cbor_uint(r, 1, UINT32_MAX);
    return;
  case VERSION_MAX:
    hello->version_max =
        (uint32_t)hs2ni_cbor_uint(r, hello->version_min, UINT32_MAX);
    return;
  case INCARNATION:
    hello->incarnation = hs2ni_cbor_uint(r, 1, UINT64_MAX);
    return;
  case EPOCH:
    hello->epoch = hs2ni_cbor_uint(r, 0, UINT64_MAX);
    return;
  case CAPABILITIES:
    hello->capabilities = hs2ni_cbor_uint(r, 0, UINT64_MAX);
    return;
  case ADDRS:
    read_addrs(r, hello);
    return;
  case RECORDS:
    read_records(r, hello);
    return;
  case TYPES:
    read_types(r, hello);
    return;
  case BODIES_BYTES:
    hello->bodies_bytes = hs2ni_cbor_uint(r, 1, UINT64_MAX);
    return;
  default:
    hs2ni_cbor_skip(r, HS2NI_HELLO_DEPTH_MAX, HS2NI_HELLO_MAX);
    return;
  }
}

int hs2ni_hello_decode(struct hs2n_span in, struct hs2ni_hello *out) {
  struct hs2ni_cbor_reader r = hs2ni_cbor_reader_over(in);
  uint64_t key_min = 0;
  uint32_t seen = 0;
  size_t pairs;

  if (in.len > HS2NI_HELLO_MAX) {
    return HS2N_ERR_TOO_BIG;
  }
  *out = (struct hs2ni_hello){0};
  pairs = hs2ni_cbor_map(&r, KEYS - OPTIONAL_KEYS_N, HS2NI_HELLO_MAX / 2);
  for (; pairs > 0 && r.err == HS2N_OK; pairs--) {
    const uint32_t key = (uint32_t)hs2ni_cbor_uint(&r, key_min, UINT32_MAX);

    read_value(&r, key, out);
    seen |= key <= KEYS ? 1u << key : 0;
    key_min = (uint64_t)key + 1;
  }
  if (r.err == HS2N_OK &&
      (r.at != r.end || (seen & REQUIRED_KEYS) != REQUIRED_KEYS)) {
    r.err = HS2N_ERR_MALFORMED;
  }
  return r.err;
}

/* ---- encoding ------------------------------------------------------------ */

static void put_addrs(struct hs2ni_cbor_writer *w,
                      const struct hs2ni_hello *hello) {
  hs2ni_cbor_put_uint(w, ADDRS);
  hs2ni_cbor_put_array(w, hello->addrs_n);
  for (size_t i = 0; i < hello->addrs_n; i++) {
    const struct hs2n_addr *addr = &hello->addrs[i];
    const size_t ip_len = hs2ni_addr_ip_len(addr->family);
    uint8_t bytes[16 + PORT_LEN];

    assert(ip_len > 0);
    memcpy(bytes, addr->ip, ip_len);
    bytes[ip_len] = (uint8_t)(addr->port >> 8);
    bytes[ip_len + 1] = (uint8_t)addr->port;
    hs2ni_cbor_put_bytes(w, (struct hs2n_span){bytes, ip_len + PORT_LEN});
  }
}

static void put_records(struct hs2ni_cbor_writer *w,
                        const struct hs2ni_hello *hello) {
  if (hello->records_n == 0) {
    return;
  }
  hs2ni_cbor_put_uint(w, RECORDS);
  hs2ni_cbor_put_array(w, hello->records_n);
  for (size_t i = 0; i < hello->records_n; i++) {
    hs2ni_cbor_put_bytes(w, hello->records[i]);
  }
}

static void put_types(struct hs2ni_cbor_writer *w,
                      const struct hs2ni_hello *hello) {
  hs2ni_cbor_put_uint(w, TYPES);
  hs2ni_cbor_put_array(w, hello->types_n);
  for (size_t i = 0; i < hello->types_n; i++) {
    const struct hs2ni_hello_type *type = &hello->types[i];

    assert(type->id < HS2N_TYPES_MAX);
    assert(i == 0 || type->id > hello->types[i - 1].id);
    assert(type->lane < HS2N_LANES);
    assert(type->size_max <= HS2N_BODY_MAX);
    hs2ni_cbor_put_array(w, TYPE_ELEMENTS);
    hs2ni_cbor_put_uint(w, type->id);
    hs2ni_cbor_put_uint(w, type->lane);
    hs2ni_cbor_put_uint(w, type->size_max);
  }
}

static void put_number(struct hs2ni_cbor_writer *w, enum key key,
                       uint64_t value) {
  hs2ni_cbor_put_uint(w, key);
  hs2ni_cbor_put_uint(w, value);
}

static void check_range(const struct hs2ni_hello *hello) {
  assert(hello->chain_id.len >= 1);
  assert(hello->chain_id.len <= HS2N_CHAIN_ID_MAX);
  assert(is_chain_id(hello->chain_id));
  assert(hello->version_min >= 1);
  assert(hello->version_max >= hello->version_min);
  assert(hello->incarnation >= 1);
  assert(hello->addrs_n <= HS2NI_HELLO_ADDRS_MAX);
  assert(hello->records_n <= HS2NI_HELLO_RECORDS_MAX);
  assert(hello->types_n <= HS2N_TYPES_MAX);
  (void)hello;
}

int hs2ni_hello_encode(const struct hs2ni_hello *hello,
                       uint8_t out[HS2NI_HELLO_MAX]) {
  struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(out, HS2NI_HELLO_MAX);

  check_range(hello);
  hs2ni_cbor_put_map(&w, KEYS - OPTIONAL_KEYS_N +
                             (hello->records_n > 0 ? 1u : 0u) +
                             (hello->bodies_bytes > 0 ? 1u : 0u));
  hs2ni_cbor_put_uint(&w, CHAIN_ID);
  hs2ni_cbor_put_text(&w, hello->chain_id);
  put_number(&w, VERSION_MIN, hello->version_min);
  put_number(&w, VERSION_MAX, hello->version_max);
  put_number(&w, INCARNATION, hello->incarnation);
  put_number(&w, EPOCH, hello->epoch);
  put_number(&w, CAPABILITIES, hello->capabilities);
  put_addrs(&w, hello);
  put_records(&w, hello);
  put_types(&w, hello);
  if (hello->bodies_bytes > 0) {
    put_number(&w, BODIES_BYTES, hello->bodies_bytes);
  }
  return w.full ? HS2N_ERR_TOO_BIG : (int)hs2ni_cbor_written(&w);
}
