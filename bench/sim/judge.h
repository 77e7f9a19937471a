/* judge: what has to hold of a committee whatever happens to it.
 *
 *   agreement   no two honest replicas commit different blocks at one height
 *   order       each commits heights one by one, also across a restart
 *   one vote    none votes for two blocks of a view, or in an earlier view
 *   once        none executes a transaction twice
 *   final       none commits a block before a quorum has taken up its child of
 *               the next view
 *
 * A breach is a failure of the simulation.  A replica that has lost its disk
 * has lost its promises too: from then on it counts as one of the faulty. */
#ifndef SIM_JUDGE_H
#define SIM_JUDGE_H

#include "blocks.h"
#include "histogram.h"

#include <hs2net/sim.h>

struct judge_replica {
  bool honest;
  uint64_t height; /* committed */
  uint64_t txs;    /* executed since the log began */
  struct rep_vote last;
  uint64_t timed_out;    /* the last view of a time-out */
  struct rep_hash final; /* the last block committed */
  uint64_t final_view;   /* its view; 0: none since the start */
  uint8_t *executed;     /* bit per transaction */
  size_t executed_n;     /* bytes */
};

struct judge {
  struct hs2n_sim *sim;
  uint32_t n;
  struct judge_replica *replicas;
  uint32_t replicas_n; /* fewer than n when one has a twin */
  struct blocks blocks;
  struct rep_hash *chain; /* by height, of the first commit */
  uint64_t height;        /* highest committed by anybody */
  uint64_t chain_capacity;
  hs2n_time *submitted; /* by transaction */
  uint64_t txs;         /* submitted */
  uint64_t txs_capacity;
  struct histogram latency; /* submission to execution, each replica, ns */
};

/* n nodes; node i is replica i modulo replicas. */
bool judge_init(struct judge *j, struct hs2n_sim *sim, uint32_t n,
                uint32_t replicas);
void judge_fini(struct judge *j);

/* Number of the next transaction, submitted now; UINT64_MAX: no memory. */
uint64_t judge_submit(struct judge *j);

/* A replica has read its log: what it knows to be committed, and then each
 * block of that. */
void judge_restored(struct judge *j, uint32_t me, uint64_t height);
void judge_reexecuted(struct judge *j, uint32_t me,
                      const struct rep_block *block);
void judge_lost_disk(struct judge *j, uint32_t me);

void judge_vote(struct judge *j, uint32_t me, struct hs2n_span body);
void judge_timeout(struct judge *j, uint32_t me, uint64_t view);
void judge_commit(struct judge *j, uint32_t me, const struct rep_block *block,
                  const bool *fresh);
/* A replica has written a block to its log. */
void judge_taken_up(struct judge *j, uint32_t me,
                    const struct rep_block *block);
/* It has committed all that it does for now. */
void judge_committed_all(struct judge *j, uint32_t me);

/* Lowest height of the honest replicas that run. */
uint64_t judge_lowest(const struct judge *j);
/* Whether all of them have executed a transaction. */
bool judge_executed_by_all(const struct judge *j, uint64_t tx);

#endif /* SIM_JUDGE_H */
