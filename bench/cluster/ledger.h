/* ledger: what the replicas have reported, and whether it holds together.
 *
 * Checked with every report: a height has one block on all replicas; heights
 * come in order without a hole, also across a restart; no transaction is
 * committed twice, and none that nobody has submitted.  A transaction counts
 * as committed when f+1 replicas have reported its block, since one of them
 * is honest then. */
#ifndef CLUSTER_LEDGER_H
#define CLUSTER_LEDGER_H

#include "client.h"
#include "histogram.h"
#include "options.h"

/* One height. */
struct ledger_block {
  struct rep_hash hash;
  uint64_t reporters; /* bit per replica */
  bool known;         /* hash is set */
  bool done;          /* enough have reported it */
};

struct ledger {
  uint32_t replicas;
  uint32_t enough;             /* f+1 */
  struct ledger_block *blocks; /* by height from 0 */
  uint64_t blocks_capacity;
  uint64_t height;              /* highest with enough reporters */
  uint64_t next[CLUSTER_N_MAX]; /* height that each must report next */
  uint64_t view[CLUSTER_N_MAX]; /* of the newest block of each */
  hs2n_time *submitted;         /* by transaction; COMMITTED bit */
  uint64_t submitted_capacity;
  uint64_t txs_submitted;
  uint64_t txs_committed;
  uint64_t blocks_with_txs;
  hs2n_time last_commit;
  struct histogram latency;            /* from intended submission, all */
  struct histogram interval;           /* the same since it was reset */
  struct histogram *at[CLUSTER_N_MAX]; /* since reset, at each replica */
  char wrong[256];                     /* the first failure; "" while none */
};

/* False when memory is out. */
bool ledger_init(struct ledger *l, uint32_t replicas);
void ledger_fini(struct ledger *l);

/* A transaction is submitted, meant for that time.  Its id is its number,
 * from 0, which is returned; UINT64_MAX when memory is out. */
uint64_t ledger_submit(struct ledger *l, hs2n_time intended);

static inline uint64_t ledger_outstanding(const struct ledger *l) {
  return l->txs_submitted - l->txs_committed;
}

/* A replica begins or begins again behind this block. */
void ledger_ready(struct ledger *l, uint32_t replica, uint64_t height,
                  const struct rep_hash *hash);

/* The content of a REP_CLIENT_COMMIT frame. */
void ledger_commit(struct ledger *l, uint32_t replica, struct hs2n_span content,
                   hs2n_time now);

/* Height up to which a replica has reported. */
static inline uint64_t ledger_height_of(const struct ledger *l,
                                        uint32_t replica) {
  return l->next[replica] == 0 ? 0 : l->next[replica] - 1;
}

/* Begins the interval histograms anew. */
void ledger_new_interval(struct ledger *l);

#endif /* CLUSTER_LEDGER_H */
