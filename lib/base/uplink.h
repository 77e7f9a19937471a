/* uplink: when the next datagrams may leave a node.
 *
 * What has left can't be overtaken: it lies in queues of the kernel and of the
 * network, and a vote waits behind it.  Where the rate of the path out of the
 * machine is known, no more leaves than that path takes, and what waits does
 * so in the node, in order of rank over all connections.
 *
 * A path that needs less than a millisecond for a full datagram is given up to
 * a millisecond's worth ahead of time, when half of that has left, so that
 * batches are not small and waking late costs nothing.  A slower one is given
 * one datagram when the one before has left.
 *
 * All zero: the rate is not known, and nothing is held. */
#ifndef HS2NI_BASE_UPLINK_H
#define HS2NI_BASE_UPLINK_H

#include <hs2net/types.h>
#include <stdbool.h>
#include <stddef.h>

struct hs2ni_uplink {
  uint64_t bits_per_s;  /* 0: not known */
  hs2n_time lead;       /* it opens so long before all has left */
  hs2n_time busy_until; /* when all that was given out has left */
  bool held;            /* something waits that it did not take */
};

struct hs2ni_uplink hs2ni_uplink_of(uint64_t bits_per_s);
/* How long it takes so many bytes, at most 128 KiB; it is known. */
hs2n_time hs2ni_uplink_time(const struct hs2ni_uplink *u, size_t bytes);
/* Bytes that a datagram takes beside its payload: IP and UDP. */
size_t hs2ni_uplink_header(uint8_t family);
/* When datagrams may leave: now, or later than now. */
hs2n_time hs2ni_uplink_opens(const struct hs2ni_uplink *u, hs2n_time now);
/* How many datagrams of so many bytes, headers included, may leave now that it
 * is open: at least 1. */
size_t hs2ni_uplink_room(const struct hs2ni_uplink *u, hs2n_time now,
                         size_t bytes);
/* Bytes leave now, headers included. */
void hs2ni_uplink_sent(struct hs2ni_uplink *u, hs2n_time now, size_t bytes);

#endif /* HS2NI_BASE_UPLINK_H */
