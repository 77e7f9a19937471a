#include "wire/envelope.h"

#include "wire/cbor_writer.h"
#include "wire/record.h"

#include <assert.h>
#include <string.h>

#define ELEMENTS 6u

static const char tag[] = "hs2net message"; /* with its zero */

static_assert(sizeof(tag) + 1 + (2 + HS2N_CHAIN_ID_MAX) +
                      (2 + sizeof(struct hs2n_peer_id)) + 2 + 1 + 9 +
                      (2 + HS2N_HASH_LEN) <=
                  HS2NI_ENVELOPE_MAX,
              "the longest envelope");

size_t hs2ni_envelope_encode(const struct hs2ni_envelope *envelope,
                             uint8_t out[HS2NI_ENVELOPE_MAX]) {
  struct hs2ni_cbor_writer w = hs2ni_cbor_writer_over(
      out + sizeof(tag), HS2NI_ENVELOPE_MAX - sizeof(tag));

  assert(envelope->chain_id.len >= 1 &&
         envelope->chain_id.len <= HS2N_CHAIN_ID_MAX);
  assert(envelope->type < HS2N_TYPES_MAX);
  assert((envelope->flags & ~HS2NI_FLAG_VIEW_BOUND) == 0);
  memcpy(out, tag, sizeof(tag));
  hs2ni_cbor_put_array(&w, ELEMENTS);
  hs2ni_cbor_put_text(&w, envelope->chain_id);
  hs2ni_cbor_put_bytes(&w, (struct hs2n_span){envelope->sender.bytes,
                                              sizeof(envelope->sender.bytes)});
  hs2ni_cbor_put_uint(&w, envelope->type);
  hs2ni_cbor_put_uint(&w, envelope->flags);
  hs2ni_cbor_put_uint(&w, envelope->view);
  hs2ni_cbor_put_bytes(
      &w, (struct hs2n_span){envelope->hash, sizeof(envelope->hash)});
  assert(!w.full);
  return sizeof(tag) + hs2ni_cbor_written(&w);
}
