/* soak: one sender, and four that make its life hard.
 *
 *   0 sender    broadcasts votes, certificates, proposals to a quorum, bodies,
 *               transactions and what is for the next view; asks the others
 *   1 prompt    takes at once                       ) each sends votes to
 *   2 slow      MANNER_SLOW                         ) the sender, and asks
 *   3 stopped   MANNER_STOPPED, a third of the time ) it
 *   4 flapping  behind a relay that goes down       )
 *
 * All of it repeats in each period, of a minute in long runs, so that minutes
 * can be compared. */
#ifndef SOAK_SOAK_H
#define SOAK_SOAK_H

#include "gauge.h"
#include "ledger.h"
#include "party.h"
#include "relay.h"

#define SENDER 0u
#define STOPPING 3u
#define FLAPPING 4u
#define ALL_BUT_SENDER (((1u << PARTIES) - 1) & ~1u)

#define FLOWS 16

/* Messages of a kind at a steady pace. */
struct flow {
  uint32_t from;
  uint32_t to; /* mask */
  struct party_message message;
  uint32_t burst;   /* how many at once */
  hs2n_time within; /* deadline, from the send; 0: none */
  hs2n_time every;
  hs2n_time due;
};

struct soak {
  int epoll_fd;
  hs2n_time begun;
  hs2n_time period;
  struct ledger ledger;
  struct relay relay; /* side 0 stands for FLAPPING, 1 for the sender */
  struct party parties[PARTIES];
  struct flow flows[FLOWS];
  size_t flows_n;
  struct gauge gauge;
};

/* False, and says why, when it can't. */
bool soak_open(struct soak *s, hs2n_time period);
void soak_close(struct soak *s);

/* Waits for something to do, some milliseconds at most, and does it. */
bool soak_turn(struct soak *s);

/* No message is sent any more, nothing is stopped or down: what is open must
 * come to its end. */
bool soak_calm(struct soak *s);
bool soak_is_over(const struct soak *s);

/* Sums of all nodes. */
struct soak_sums {
  struct hs2n_stats nodes;
  uint64_t fulls;     /* times a peer was found full */
  uint64_t writables; /* of these, times it became writable again */
  uint64_t unjudged;
};
struct soak_sums soak_sums(const struct soak *s);

#endif /* SOAK_SOAK_H */
