/* beat: what the signature of a heartbeat is over.
 *
 *   "hs2net heartbeat" 00, then as CBOR
 *   [chain id, sender, incarnation, view, unix_ms]
 *
 * sender is the 32 bytes of its peer id.  The receiver is not in it, so one
 * signature serves all and convinces whoever they show it to. */
#ifndef HS2NI_WIRE_BEAT_H
#define HS2NI_WIRE_BEAT_H

#include <hs2net/identity.h>
#include <hs2net/node.h>
#include <hs2net/types.h>

#define HS2NI_BEAT_MAX 160u

struct hs2ni_beat_text {
  struct hs2n_span chain_id; /* 1..HS2N_CHAIN_ID_MAX bytes */
  struct hs2n_peer_id sender;
  uint64_t incarnation; /* of the sender */
  uint64_t view;
  uint64_t unix_ms;
};

/* Returns the length.  The values must be in range (asserted). */
size_t hs2ni_beat_encode(const struct hs2ni_beat_text *text,
                         uint8_t out[HS2NI_BEAT_MAX]);

#endif /* HS2NI_WIRE_BEAT_H */
