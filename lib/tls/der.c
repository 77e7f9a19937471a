#include "tls/der.h"

#include <assert.h>
#include <string.h>

struct hs2ni_der hs2ni_der_open(struct hs2n_span bytes) {
  return (struct hs2ni_der){.rest = bytes};
}

static struct hs2n_span cut(struct hs2ni_der *der, size_t len) {
  struct hs2n_span s = {NULL, 0};

  if (der->failed || len > der->rest.len) {
    der->failed = true;
    return s;
  }
  s = (struct hs2n_span){der->rest.data, len};
  der->rest = (struct hs2n_span){der->rest.data + len, der->rest.len - len};
  return s;
}

static size_t take_byte(struct hs2ni_der *der) {
  const struct hs2n_span s = cut(der, 1);

  return s.len == 1 ? s.data[0] : 0;
}

static size_t take_len(struct hs2ni_der *der) {
  const size_t first = take_byte(der);
  size_t len;

  if (first < 0x80) {
    return first;
  }
  if (first == 0x81) {
    len = take_byte(der);
    der->failed = der->failed || len < 0x80;
    return len;
  }
  if (first == 0x82) {
    len = take_byte(der) << 8;
    len |= take_byte(der);
    der->failed = der->failed || len < 0x100;
    return len;
  }
  der->failed = true;
  return 0;
}

struct hs2n_span hs2ni_der_take(struct hs2ni_der *der, uint8_t tag) {
  if (take_byte(der) != tag) {
    der->failed = true;
  }
  return cut(der, take_len(der));
}

struct hs2ni_der hs2ni_der_enter(struct hs2ni_der *der, uint8_t tag) {
  const struct hs2n_span content = hs2ni_der_take(der, tag);

  return (struct hs2ni_der){.rest = content, .failed = der->failed};
}

bool hs2ni_der_next_is(const struct hs2ni_der *der, uint8_t tag) {
  return !der->failed && der->rest.len > 0 && der->rest.data[0] == tag;
}

bool hs2ni_der_done(const struct hs2ni_der *der) {
  return !der->failed && der->rest.len == 0;
}

bool hs2ni_der_equal(struct hs2n_span a, const uint8_t *b, size_t len) {
  return a.len == len && memcmp(a.data, b, len) == 0;
}

void hs2ni_der_put(struct hs2ni_der_out *out, const uint8_t *bytes,
                   size_t len) {
  assert(len <= out->start);
  out->start -= len;
  memcpy(out->bytes + out->start, bytes, len);
}

void hs2ni_der_wrap(struct hs2ni_der_out *out, uint8_t tag, size_t end) {
  const size_t len = end - out->start;
  const uint8_t head[4] = {tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len};
  const uint8_t middle[3] = {tag, 0x81, (uint8_t)len};
  const uint8_t small[2] = {tag, (uint8_t)len};

  assert(out->start <= end && len <= UINT16_MAX);
  if (len < 0x80) {
    hs2ni_der_put(out, small, sizeof(small));
  } else if (len < 0x100) {
    hs2ni_der_put(out, middle, sizeof(middle));
  } else {
    hs2ni_der_put(out, head, sizeof(head));
  }
}
