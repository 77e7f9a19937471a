/* replica: one HotStuff-2 replica on a simulated node: the core, the glue and
 * the log of bench/replica, unchanged, on a disk that the simulator makes. */
#ifndef SIM_REPLICA_H
#define SIM_REPLICA_H

#include "crypto_hs2n.h"
#include "judge.h"
#include "log.h"
#include "outside.h"

#include <hs2net/sim.h>

/* Syncs under way at once; more wait for the first of them. */
#define REPLICA_SYNCS_MAX 32

/* A state that will be durable. */
struct replica_sync {
  uint64_t seq;
  size_t len;   /* of the log with it */
  hs2n_time at; /* of the node's clock, as long as that neither drifts nor
                   jumps */
};

/* A block that a vote may be for. */
#define REPLICA_BLOCKS 64
struct replica_block {
  struct rep_hash hash;
  uint64_t justify; /* view of its certificate */
};

struct replica {
  struct hs2n_sim *sim;
  struct judge *judge;
  uint32_t node;
  struct rep_config config; /* me: its number */
  struct rep_keys keys;
  struct rep_outside out;
  bool runs;
  struct rep_core *core;
  struct hs2n_sim_disk *disk;
  struct replica_sync syncs[REPLICA_SYNCS_MAX];
  size_t syncs_n;
  hs2n_time measure_next;
  struct rep_crc32c crc;
  size_t durable_len;    /* of the log, read so far */
  uint64_t durable_vote; /* the last that it says was cast */
  uint64_t durable_lock; /* the view of its lock */
  uint64_t vote_lock;    /* that when it cast its last vote */
  struct replica_block blocks[REPLICA_BLOCKS]; /* the last in the log */
  size_t blocks_next;
};

/* What the node needs to know. */
void replica_configure(struct replica *r, struct hs2n_config *config,
                       struct hs2n_consensus *out_consensus);
/* The node runs: reads the log and begins.  members: of the committee, in
 * order.  A log that can't be read is a failure of the simulation. */
void replica_start(struct replica *r, struct hs2n_node *node,
                   struct hs2n_sim_disk *disk,
                   const struct hs2n_member *members);
void replica_stop(struct replica *r);

/* A client's transaction; hs2n_sim_flush must follow. */
void replica_submit(struct replica *r, struct hs2n_span tx);

hs2n_time replica_deadline(const struct replica *r);
void replica_tick(struct replica *r, hs2n_time now);

#endif /* SIM_REPLICA_H */
