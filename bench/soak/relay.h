/* relay: a path between two parties that can go down.
 *
 * Two sockets: each end takes one of them for the other end, and what comes
 * to one leaves from the other.  While it is down, all that comes is lost. */
#ifndef SOAK_RELAY_H
#define SOAK_RELAY_H

#include <hs2net/types.h>
#include <stdbool.h>

struct relay {
  int fds[2];
  struct hs2n_addr addrs[2]; /* what the ends send to */
  struct hs2n_addr ends[2];  /* where they are; set by the caller */
  bool down;
  uint64_t carried; /* datagrams */
  uint64_t dropped;
};

/* On loopback.  False: see errno. */
bool relay_open(struct relay *r);
void relay_close(struct relay *r);

/* Carries, or drops, what has come to one side. */
void relay_turn(struct relay *r, int side);

#endif /* SOAK_RELAY_H */
