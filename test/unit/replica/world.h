/* world: a cluster of replicas on virtual time, with a network and disks that
 * fail on demand.
 *
 * Checked after every step, for honest replicas: no two commit different
 * blocks at one height; heights are committed in order without a hole, also
 * across a restart; nobody votes for two blocks of a view, also across a
 * restart; no transaction is executed twice.
 *
 * Produced: death of messages whose view is over at either end, loss, delay,
 * reordering (by unequal delay), duplication, partitions, crashes that lose
 * what was not synced, disks that are full, restarts, pauses after which all
 * that has come in meanwhile is there at once, slow disks, and one replica that
 * lies: it sends different blocks to different replicas, votes for both,
 * extends old certificates where a time-out gives it the excuse, and damages
 * the blocks that others ask it for; or one that signs but never proposes.
 *
 * A run is a function of its seed. */
#ifndef WORLD_H
#define WORLD_H

#include "core.h"
#include "replay.h"

#define WORLD_N_MAX 7
#define WORLD_HEIGHTS_MAX 65536
#define WORLD_TXS_MAX 8192
#define WORLD_OLD_CERTS 6

struct world_net {
  uint32_t loss_percent;
  uint32_t repeat_percent;
  hs2n_time delay_min;
  hs2n_time delay_max;
  hs2n_time sync_max; /* an fsync takes 0 to this */
};

/* What a replica wrote: a block or a state. */
struct world_record {
  struct rep_block *block; /* NULL: a state */
  struct rep_state state;
  uint64_t seq;
};

struct world_vote {
  uint64_t view;
  struct rep_hash block;
};

/* The last question for blocks. */
struct world_question {
  uint64_t number; /* answers name it */
  bool open;
  uint32_t whom[WORLD_N_MAX];
  uint32_t count;
  uint32_t asked; /* of them, so far */
  uint64_t tries;
  struct rep_bytes *body; /* NULL unless open */
  hs2n_time deadline;
  uint32_t helper; /* whose answer was taken last */
};

struct world_replica {
  struct world *world;
  uint32_t me;
  uint32_t life; /* counts restarts: events of an earlier life are void */
  bool up;
  hs2n_time paused_until;
  hs2n_time sync_more; /* what its disk takes beyond the others' */
  bool disk_full;      /* the next sync ends it */
  struct rep_core *core;
  struct world_record *records;
  size_t records_count;
  size_t records_capacity;
  size_t durable;      /* records that survive a crash */
  uint64_t *positions; /* by height from 1 */
  uint64_t height;
  struct world_vote *votes; /* all ever sent */
  size_t votes_count;
  size_t votes_capacity;
  struct world_question question;
  uint8_t *executed; /* bit per transaction, of this life's log */
};

struct world_event {
  hs2n_time when;
  uint64_t order;
  uint32_t to;
  uint32_t from;
  uint32_t life;
  enum rep_kind kind;
  uint64_t view;          /* the message dies when an end passes it */
  uint64_t question;      /* of a question or answer; without body: */
  uint64_t tries;         /* time is up for this try of it */
  struct rep_bytes *body; /* NULL and no question: storage has synced */
  size_t records;         /* that many */
  uint64_t seq;
};

struct world {
  uint32_t n;
  hs2n_time now;
  uint64_t random;
  uint64_t order;
  struct world_net net;
  uint32_t group[WORLD_N_MAX]; /* replicas of different groups don't talk */
  int32_t liar;                /* the replica that equivocates; -1: none */
  int32_t mute;                /* votes, but never proposes; -1: none */
  struct rep_config config;
  struct world_replica replicas[WORLD_N_MAX];
  struct world_event *events; /* a heap */
  size_t events_count;
  size_t events_capacity;
  struct rep_hash chain[WORLD_HEIGHTS_MAX]; /* first commit of each height */
  uint64_t height;                          /* highest committed by anybody */
  uint32_t txs_submitted;
  uint8_t tx_replicas[WORLD_TXS_MAX]; /* replicas that executed it */
  uint64_t equivocations;
  uint64_t false_answers;                      /* to requests for blocks */
  uint64_t messages;                           /* given to the network */
  struct rep_cert *old_certs[WORLD_OLD_CERTS]; /* that the liar has seen */
  uint64_t old_heights[WORLD_OLD_CERTS];       /* of their blocks */
  const char *broken; /* the first invariant that broke, or NULL */
};

/* Replicas 0..n-1, all up, on a good network. */
void world_init(struct world *w, uint32_t n, uint64_t seed);
void world_fini(struct world *w);

/* Up to bound - 1. */
uint64_t world_random(struct world *w, uint64_t bound);

/* Lets time pass; stops early when an invariant breaks. */
void world_run(struct world *w, hs2n_time duration);

/* Gives a new transaction to all replicas that are up. */
void world_submit(struct world *w);

/* Gives all transactions that some replica lacks to everybody again, as a
 * client without an answer does. */
void world_resubmit(struct world *w);

/* Nothing more is stored, so the replica ends itself as it wants to vote, and
 * does not start again before world_heal. */
void world_fill_disk(struct world *w, uint32_t i);

void world_crash(struct world *w, uint32_t i);
void world_restart(struct world *w, uint32_t i);

/* Lets a replica do nothing for a while, as one that gets no processor. */
void world_pause(struct world *w, uint32_t i, hs2n_time duration);

/* Everybody talks to everybody, nothing is lost, all are up. */
void world_heal(struct world *w);

/* Whether all honest replicas have executed all transactions. */
bool world_all_executed(const struct world *w);
uint64_t world_lowest_height(const struct world *w);

#endif /* WORLD_H */
