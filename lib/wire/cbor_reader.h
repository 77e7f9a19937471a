/* cbor_reader: a cursor over borrowed bytes that accepts one form of each
 * value only (RFC 8949, 4.2.1): shortest arguments, definite lengths, no tags,
 * no floats.
 *
 * The first failed read makes the cursor bad; later reads return 0 and change
 * nothing.  A decoder therefore reads straight through and asks once, at the
 * end.  TRUNCATED says that more bytes could make the input good, the other
 * errors that none can; so a decoder over a stream knows at the earliest byte
 * whether to wait or to give up.  Numbers come from libcbor's streaming
 * decoder, which allocates nothing; what it tolerates is refused here. */
#ifndef HS2NI_WIRE_CBOR_READER_H
#define HS2NI_WIRE_CBOR_READER_H

#include <hs2net/types.h>

struct hs2ni_cbor_reader {
  const uint8_t *at;
  const uint8_t *end;
  int err; /* HS2N_OK, HS2N_ERR_TRUNCATED, _MALFORMED or _TOO_BIG */
};

struct hs2ni_cbor_reader hs2ni_cbor_reader_over(struct hs2n_span in);
/* Makes the cursor bad, unless it is already. */
void hs2ni_cbor_fail(struct hs2ni_cbor_reader *r, int err);

/* An unsigned integer; MALFORMED outside min..max. */
uint64_t hs2ni_cbor_uint(struct hs2ni_cbor_reader *r, uint64_t min,
                         uint64_t max);
/* An unsigned integer that is a size: TOO_BIG above max. */
uint64_t hs2ni_cbor_size(struct hs2ni_cbor_reader *r, uint64_t max);
/* The head of an array or map: how many items or pairs follow.  TOO_BIG above
 * max, MALFORMED below min. */
size_t hs2ni_cbor_array(struct hs2ni_cbor_reader *r, size_t min, size_t max);
size_t hs2ni_cbor_map(struct hs2ni_cbor_reader *r, size_t min, size_t max);
/* The head of a byte string: how many bytes follow, whether or not they have
 * come yet.  TOO_BIG above max. */
size_t hs2ni_cbor_bytes_head(struct hs2ni_cbor_reader *r, size_t max);
/* A whole string, borrowed from the input.  TOO_BIG above max, MALFORMED below
 * min; a text is not checked to be UTF-8. */
struct hs2n_span hs2ni_cbor_bytes(struct hs2ni_cbor_reader *r, size_t min,
                                  size_t max);
struct hs2n_span hs2ni_cbor_text(struct hs2ni_cbor_reader *r, size_t min,
                                 size_t max);
/* Skips one value: an integer, string, array, map, true, false or null.
 * Arrays and maps may stand inside each other depth deep, and no length or
 * count may be above max. */
void hs2ni_cbor_skip(struct hs2ni_cbor_reader *r, unsigned depth, size_t max);

#endif /* HS2NI_WIRE_CBOR_READER_H */
