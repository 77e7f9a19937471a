/* der: reading and writing DER (X.690), as much of it as keys and
 * certificates need.
 *
 * A cursor remembers failure: after the first malformed or missing element
 * every read gives nothing, so one check behind a straight run of reads is
 * enough.  Lengths are definite, shortest and below 64 KiB. */
#ifndef HS2NI_TLS_DER_H
#define HS2NI_TLS_DER_H

#include <hs2net/types.h>
#include <stdbool.h>
#include <stdint.h>

#define HS2NI_DER_BOOLEAN 0x01u
#define HS2NI_DER_INTEGER 0x02u
#define HS2NI_DER_BIT_STRING 0x03u
#define HS2NI_DER_OCTET_STRING 0x04u
#define HS2NI_DER_OID 0x06u
#define HS2NI_DER_UTC_TIME 0x17u
#define HS2NI_DER_GENERALIZED_TIME 0x18u
#define HS2NI_DER_SEQUENCE 0x30u

struct hs2ni_der {
  struct hs2n_span rest;
  bool failed;
};

struct hs2ni_der hs2ni_der_open(struct hs2n_span bytes);
/* The content of the next element, which must have this tag. */
struct hs2n_span hs2ni_der_take(struct hs2ni_der *der, uint8_t tag);
/* The same, ready to be read. */
struct hs2ni_der hs2ni_der_enter(struct hs2ni_der *der, uint8_t tag);
/* Whether the next element is there and has this tag. */
bool hs2ni_der_next_is(const struct hs2ni_der *der, uint8_t tag);
/* Nothing failed and nothing is left. */
bool hs2ni_der_done(const struct hs2ni_der *der);
bool hs2ni_der_equal(struct hs2n_span a, const uint8_t *b, size_t len);

/* DER is written from its end, so that lengths are known when they are
 * due. */
struct hs2ni_der_out {
  uint8_t *bytes;
  size_t capacity;
  size_t start; /* bytes[start..capacity) is written */
};

/* What does not fit is asserted against: the writer sizes its buffer. */
void hs2ni_der_put(struct hs2ni_der_out *out, const uint8_t *bytes, size_t len);
/* Puts tag and length before what was written since end, a former start. */
void hs2ni_der_wrap(struct hs2ni_der_out *out, uint8_t tag, size_t end);

#endif /* HS2NI_TLS_DER_H */
