/* envelope: what the signature of a message is over.
 *
 *   "hs2net message" 00, then as CBOR
 *   [chain id, sender, type, flags, view, hash]
 *
 * sender is the 32 bytes of its peer id, hash the SHA-256 of the body as it
 * was before any compression, flags the record's, VIEW_BOUND alone.  Neither
 * the receiver nor the lane's number is in it, so one signature serves all
 * receivers and convinces whoever they show it to. */
#ifndef HS2NI_WIRE_ENVELOPE_H
#define HS2NI_WIRE_ENVELOPE_H

#include <hs2net/identity.h>
#include <hs2net/node.h>
#include <hs2net/types.h>

#define HS2NI_ENVELOPE_MAX 176u

struct hs2ni_envelope {
  struct hs2n_span chain_id; /* 1..HS2N_CHAIN_ID_MAX bytes */
  struct hs2n_peer_id sender;
  uint8_t type;
  uint32_t flags; /* HS2NI_FLAG_VIEW_BOUND or 0 */
  uint64_t view;
  uint8_t hash[HS2N_HASH_LEN];
};

/* Returns the length.  The values must be in range (asserted). */
size_t hs2ni_envelope_encode(const struct hs2ni_envelope *envelope,
                             uint8_t out[HS2NI_ENVELOPE_MAX]);

#endif /* HS2NI_WIRE_ENVELOPE_H */
