#include "wire/beat.h"

#include "wire/cbor_writer.h"

#include <assert.h>
#include <string.h>

#define ELEMENTS 5u

static const char tag[] = "hs2net heartbeat"; /* with its zero */

static_assert(sizeof(tag) + 1 + (2 + HS2N_CHAIN_ID_MAX) +
                      (2 + sizeof(struct hs2n_peer_id)) + (size_t)3 * 9 <=
                  HS2NI_BEAT_MAX,
              "the longest text");

size_t hs2ni_beat_encode(const struct hs2ni_beat_text *text,
                         uint8_t out[HS2NI_BEAT_MAX]) {
  struct hs2ni_cbor_writer w =
      hs2ni_cbor_writer_over(out + sizeof(tag), HS2NI_BEAT_MAX - sizeof(tag));

  assert(text->chain_id.len >= 1 && text->chain_id.len <= HS2N_CHAIN_ID_MAX);
  memcpy(out, tag, sizeof(tag));
  hs2ni_cbor_put_array(&w, ELEMENTS);
  hs2ni_cbor_put_text(&w, text->chain_id);
  hs2ni_cbor_put_bytes(
      &w, (struct hs2n_span){text->sender.bytes, sizeof(text->sender.bytes)});
  hs2ni_cbor_put_uint(&w, text->incarnation);
  hs2ni_cbor_put_uint(&w, text->view);
  hs2ni_cbor_put_uint(&w, text->unix_ms);
  assert(!w.full);
  return sizeof(tag) + hs2ni_cbor_written(&w);
}
