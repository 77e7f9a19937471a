#include "wire/cbor_writer.h"

#include <cbor.h>
#include <string.h>

struct hs2ni_cbor_writer hs2ni_cbor_writer_over(uint8_t *out, size_t len) {
  return (struct hs2ni_cbor_writer){
      .start = out,
      .at = out,
      .end = out + len,
  };
}

size_t hs2ni_cbor_written(const struct hs2ni_cbor_writer *w) {
  return (size_t)(w->at - w->start);
}

static size_t left(const struct hs2ni_cbor_writer *w) {
  return w->full ? 0 : (size_t)(w->end - w->at);
}

/* Takes what a libcbor encoder returned: 0 means that it had no room. */
static void wrote(struct hs2ni_cbor_writer *w, size_t n) {
  w->full = w->full || n == 0;
  w->at += n;
}

/* Most arguments of records are below 24 and stand in an item's first byte,
 * next to its major type (RFC 8949, 3.1).  false: this one does not. */
static bool put_short(struct hs2ni_cbor_writer *w, uint8_t major,
                      uint64_t value) {
  if (value >= 24 || left(w) == 0) {
    return false;
  }
  *w->at++ = (uint8_t)((unsigned)major << 5 | (unsigned)value);
  return true;
}

void hs2ni_cbor_put_uint(struct hs2ni_cbor_writer *w, uint64_t value) {
  if (!put_short(w, 0, value)) {
    wrote(w, cbor_encode_uint(value, w->at, left(w)));
  }
}

void hs2ni_cbor_put_array(struct hs2ni_cbor_writer *w, size_t n) {
  if (!put_short(w, 4, n)) {
    wrote(w, cbor_encode_array_start(n, w->at, left(w)));
  }
}

void hs2ni_cbor_put_map(struct hs2ni_cbor_writer *w, size_t n) {
  wrote(w, cbor_encode_map_start(n, w->at, left(w)));
}

void hs2ni_cbor_put_bytes_head(struct hs2ni_cbor_writer *w, size_t n) {
  wrote(w, cbor_encode_bytestring_start(n, w->at, left(w)));
}

static void put(struct hs2ni_cbor_writer *w, struct hs2n_span bytes) {
  if (bytes.len > left(w)) {
    w->full = true;
    return;
  }
  if (bytes.len > 0) {
    memcpy(w->at, bytes.data, bytes.len);
    w->at += bytes.len;
  }
}

void hs2ni_cbor_put_bytes(struct hs2ni_cbor_writer *w, struct hs2n_span bytes) {
  hs2ni_cbor_put_bytes_head(w, bytes.len);
  put(w, bytes);
}

void hs2ni_cbor_put_text(struct hs2ni_cbor_writer *w, struct hs2n_span text) {
  wrote(w, cbor_encode_string_start(text.len, w->at, left(w)));
  put(w, text);
}
