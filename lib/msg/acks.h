/* acks: acknowledgements and refusals, both directions.
 *
 * Ours are made from the state of the receiving half when the link asks for
 * bytes, so that what leaves is always the newest, and wait in a ring until
 * the peer's transport holds them.  A refusal precedes any acknowledgement
 * that covers its number, and is written again on the next connection when
 * the peer may not have got it. */
#ifndef HS2NI_MSG_ACKS_H
#define HS2NI_MSG_ACKS_H

#include "link/link.h"

#define HS2NI_ACK_RING 4096u

struct hs2ni_chan;
struct hs2ni_record;

/* Offsets are of the acks stream: acked <= sent <= made <= acked + ring. */
struct hs2ni_ack_tx {
  uint64_t stream;
  bool has_stream;
  bool blocked;
  uint64_t acked, sent, made;
  uint8_t *ring; /* HS2NI_ACK_RING, while the transport may need some of it */
};

bool hs2ni_ack_tx_due(const struct hs2ni_chan *chan);
bool hs2ni_ack_tx_next(struct hs2ni_chan *chan, struct hs2ni_chunk *out);
void hs2ni_ack_tx_sent(struct hs2ni_chan *chan, size_t len);
void hs2ni_ack_tx_acked(struct hs2ni_chan *chan, uint64_t offset);
void hs2ni_ack_tx_detach(struct hs2ni_chan *chan);
/* All that is judged is acknowledged again. */
void hs2ni_ack_tx_attach(struct hs2ni_chan *chan);

/* Applies an ack or nack record of the peer; false: it breaks the rules. */
bool hs2ni_ack_rx(struct hs2ni_chan *chan, const struct hs2ni_record *record);

#endif /* HS2NI_MSG_ACKS_H */
