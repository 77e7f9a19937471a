#include "base/recorder.h"

#include <hs2net/node.h>
#include <string.h>

#define LEB128_MAX 10u /* bytes of a 64-bit number */

struct hs2ni_record_out hs2ni_record_begin(const struct hs2ni_recorder *to,
                                           enum hs2n_record_kind kind) {
  struct hs2ni_record_out r = {.to = to, .len = 1};

  r.bytes[0] = (uint8_t)kind;
  return r;
}

static void flush(struct hs2ni_record_out *r) {
  if (r->len > 0) {
    r->to->fn(r->to->user_data, (struct hs2n_span){r->bytes, r->len});
    r->len = 0;
  }
}

void hs2ni_record_uint(struct hs2ni_record_out *r, uint64_t value) {
  if (r->len > sizeof(r->bytes) - LEB128_MAX) {
    flush(r);
  }
  for (; value >= 0x80; value >>= 7) {
    r->bytes[r->len++] = (uint8_t)(value | 0x80);
  }
  r->bytes[r->len++] = (uint8_t)value;
}

void hs2ni_record_bytes(struct hs2ni_record_out *r, struct hs2n_span bytes) {
  hs2ni_record_uint(r, bytes.len);
  if (bytes.len > sizeof(r->bytes) - r->len) {
    flush(r);
    r->to->fn(r->to->user_data, bytes);
  } else if (bytes.len > 0) {
    memcpy(r->bytes + r->len, bytes.data, bytes.len);
    r->len += bytes.len;
  }
}

void hs2ni_record_addr(struct hs2ni_record_out *r,
                       const struct hs2n_addr *addr) {
  const size_t len = addr->family == HS2N_FAMILY_IPV6 ? 16 : 4;

  hs2ni_record_uint(r, addr->family);
  if (addr->family == HS2N_FAMILY_NONE) {
    return;
  }
  if (len > sizeof(r->bytes) - r->len) {
    flush(r);
  }
  memcpy(r->bytes + r->len, addr->ip, len);
  r->len += len;
  hs2ni_record_uint(r, addr->port);
  hs2ni_record_uint(r, addr->scope);
}

void hs2ni_record_end(struct hs2ni_record_out *r) {
  flush(r);
}

void hs2ni_record_pair(const struct hs2ni_recorder *to,
                       enum hs2n_record_kind kind, uint64_t a, uint64_t b) {
  if (hs2ni_recording(to)) {
    struct hs2ni_record_out r = hs2ni_record_begin(to, kind);

    hs2ni_record_uint(&r, a);
    hs2ni_record_uint(&r, b);
    hs2ni_record_end(&r);
  }
}

/* ---- what a replay is compared by ------------------------------------------
 */

static uint64_t step(uint64_t h, uint64_t value) {
  return (h ^ value) * 0x100000001b3u;
}

static uint64_t steps(uint64_t h, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    h = step(h, bytes[i]);
  }
  return h;
}

static uint64_t entry(uint64_t h, const struct hs2n_tx *tx) {
  static const struct hs2n_addr none;
  const bool datagram = tx->kind == HS2N_IO_DATAGRAM;
  const struct hs2n_addr *to =
      datagram || tx->kind == HS2N_IO_OPEN ? &tx->remote : &none;

  h = steps(h, to->ip, sizeof(to->ip));
  if (datagram || tx->kind == HS2N_IO_BYTES) {
    h = steps(h, tx->data, tx->len);
  }
  h = step(h, to->port);
  h = step(h, datagram ? tx->segment_len ^ (uint64_t)tx->ecn << 32 : 0);
  h = step(h, tx->kind);
  return step(h, datagram ? 0 : tx->pipe);
}

uint64_t hs2n_record_hash(const struct hs2n_tx *tx, size_t n) {
  uint64_t h = 0xcbf29ce484222325u;

  for (size_t i = 0; i < n; i++) {
    h = entry(h, &tx[i]);
  }
  return h;
}
