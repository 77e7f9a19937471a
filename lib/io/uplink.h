/* uplink: how much is handed to the kernel ahead of time.
 *
 * What the kernel holds can't be overtaken: a vote waits behind it.  Where
 * the rate of the path out of the machine is known, the node is asked for a
 * millisecond of its worth at a time, and the rest stays with the node, in
 * order of rank.  (Watching the socket instead, by SIOCOUTQ, does not tell a
 * slow path from one that only delays, and throttles that one to nothing.)
 *
 * No I/O and no clock: time comes in as an argument. */
#ifndef HS2NI_IO_UPLINK_H
#define HS2NI_IO_UPLINK_H

#include <hs2net/types.h>
#include <stddef.h>

/* The least that is handed out at once. */
#define HS2NI_UPLINK_PACKET 1500u

struct hs2ni_uplink {
  uint64_t rate;        /* bytes per second; 0: not known, nothing is held */
  hs2n_time busy_until; /* when all that was handed out has left */
  hs2n_time hold_until; /* 0: not held */
};

/* bits_per_s 0: not known. */
void hs2ni_uplink_init(struct hs2ni_uplink *u, uint64_t bits_per_s);
/* Bytes that may be handed out now: 0 when held until u->hold_until, else at
 * least HS2NI_UPLINK_PACKET. */
size_t hs2ni_uplink_room(struct hs2ni_uplink *u, hs2n_time now);
/* Bytes are handed out, in so many datagrams. */
void hs2ni_uplink_sent(struct hs2ni_uplink *u, size_t bytes, size_t datagrams,
                       hs2n_time now);

#endif /* HS2NI_IO_UPLINK_H */
