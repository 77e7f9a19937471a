/* spread: when each of a large committee speaks to the one leader.
 *
 * All votes of a view leave at one moment, and so do all new-view messages
 * after a time-out.  They meet in the queue before the leader's downlink; what
 * it does not hold is lost, and costs its sender a time-out.  The downlink
 * takes its time for all of them anyway, so nobody is worse off when each
 * sender waits its slot of that time.
 *
 * A slot follows from what every member knows: there is nothing to agree on,
 * and a member that does not keep to it harms no more than one message could
 * before. */
#ifndef HS2NI_CAST_SPREAD_H
#define HS2NI_CAST_SPREAD_H

#include <hs2net/limits.h>

/* On the wire beside its body: IP and UDP 28, QUIC with its tag and an ack of
 * its own some 50, our head and record 20. */
#define HS2NI_SPREAD_OVERHEAD 100u

/* Part of a round trip over which messages are spread at most.  That of votes
 * is short, as they are in every view, and all are small. */
#define HS2NI_SPREAD_VOTE_RTT 8u
#define HS2NI_SPREAD_CONTROL_RTT 2u

struct hs2ni_spread {
  size_t members; /* of the committee, this node among them; > 0 */
  size_t place;   /* of this node, in an order that is the same for all */
  uint64_t view;
  unsigned lane; /* others than CONTROL and VOTE are not spread */
  size_t len;    /* of the body, and that of the other members' */
  hs2n_time rtt; /* 0: unknown */
};

/* How long this member waits; 0: not at all. */
hs2n_time hs2ni_spread_slot(const struct hs2n_limits *limits,
                            const struct hs2ni_spread *s);

#endif /* HS2NI_CAST_SPREAD_H */
