/* cbor_writer: deterministic CBOR (RFC 8949, 4.2.1) into a fixed buffer, over
 * libcbor's encoders that allocate nothing.
 *
 * What does not fit makes the writer full; later writes change nothing, so an
 * encoder writes straight through and asks once, at the end. */
#ifndef HS2NI_WIRE_CBOR_WRITER_H
#define HS2NI_WIRE_CBOR_WRITER_H

#include <hs2net/types.h>
#include <stdbool.h>

struct hs2ni_cbor_writer {
  uint8_t *start;
  uint8_t *at;
  uint8_t *end;
  bool full;
};

struct hs2ni_cbor_writer hs2ni_cbor_writer_over(uint8_t *out, size_t len);
/* Bytes written so far. */
size_t hs2ni_cbor_written(const struct hs2ni_cbor_writer *w);

void hs2ni_cbor_put_uint(struct hs2ni_cbor_writer *w, uint64_t value);
/* Heads: n items, pairs or bytes must follow. */
void hs2ni_cbor_put_array(struct hs2ni_cbor_writer *w, size_t n);
void hs2ni_cbor_put_map(struct hs2ni_cbor_writer *w, size_t n);
void hs2ni_cbor_put_bytes_head(struct hs2ni_cbor_writer *w, size_t n);
/* Whole strings. */
void hs2ni_cbor_put_bytes(struct hs2ni_cbor_writer *w, struct hs2n_span bytes);
void hs2ni_cbor_put_text(struct hs2ni_cbor_writer *w, struct hs2n_span text);

#endif /* HS2NI_WIRE_CBOR_WRITER_H */
