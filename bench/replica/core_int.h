/* core_int: the inside of a core, shared by the core_*.c files. */
#ifndef REP_CORE_INT_H
#define REP_CORE_INT_H

#include "core.h"
#include "pacemaker.h"
#include "quorum.h"

/* A vote or time-out that waits until its state is stored. */
struct rep_waiting {
  uint64_t seq;
  enum rep_kind kind;
  uint32_t to; /* REP_TO_ALL or a replica, perhaps this one */
  uint64_t view;
  struct rep_bytes *body;
};
#define REP_TO_ALL UINT32_MAX

#define REP_WAITING_MAX 8

/* A proposal whose parent is missing.  Proposals of unlike leaders overtake
 * each other, so several may wait for the same block; the newest are kept. */
struct rep_held {
  struct rep_bytes *body;
  struct rep_hash parent;
  uint64_t view;
  uint32_t from;
};
#define REP_HELD_MAX 8

/* Missing blocks: one question is open at a time. */
struct rep_sync {
  bool open;
  uint32_t tries;       /* questions in a row without an answer of use */
  hs2n_time pause_end;  /* after such a one: when to ask again */
  struct rep_hash want; /* of which the asker held the certificate */
  uint64_t next_height; /* where the last answer ended, + 1; 0: none */
};

struct rep_core {
  struct rep_config config;
  struct rep_env env;
  struct rep_crypto crypto;
  struct rep_verifier verifier;
  struct rep_counters counters;
  uint32_t quorum;
  bool started;

  /* safety: what append_state stores */
  uint64_t last_voted;
  struct rep_cert *lock; /* never NULL */
  struct rep_tree tree;  /* its root is the committed block */

  /* the view */
  uint64_t view;
  struct rep_tc *entry_tc; /* of view - 1, when it was entered by one */
  uint64_t proposed;       /* last view proposed in */
  uint64_t timed_out;      /* last view timed out in */
  struct rep_signers new_views;
  struct rep_pacemaker pacemaker;
  struct rep_votes votes;
  struct rep_timeouts timeouts;

  /* stored and to be sent */
  uint64_t seq_next;
  struct rep_waiting waiting[REP_WAITING_MAX];
  uint32_t waiting_count;

  /* the branch that the next proposal would extend */
  struct rep_mempool *mempool;
  struct rep_node *tip; /* NULL: the root */
  bool unsettled;       /* rep_settle has something to do */
  bool root_has_txs;    /* others may not know yet that it is committed */
  bool *fresh;          /* block_txs_max flags, for commits */
  uint64_t *keys;       /* block_txs_max keys, where a node has none */

  /* missing blocks */
  struct rep_sync sync;
  struct rep_held held[REP_HELD_MAX]; /* by view */
  uint32_t held_count;

  /* the newest proposal, whose leader's signature is still to be checked */
  struct rep_vote unproven; /* view 0: none */
};

static inline uint32_t rep_me(const struct rep_core *core) {
  return core->config.committee.me;
}

/* Who leads a view entered by a TC. */
static inline uint32_t rep_turn_of(const struct rep_core *core, uint64_t view) {
  return rep_leader(&core->config.committee, view);
}

/* Who leads the view after that of a block, entered by its certificate.  NULL
 * is the root, of which only genesis can have the highest certificate, since
 * a certified block above it is what committed it. */
static inline uint32_t rep_leader_after(const struct rep_core *core,
                                        const struct rep_node *node) {
  return node == NULL
             ? rep_turn_of(core, core->tree.root.view + 1)
             : rep_line_leader(&node->line, &core->config.committee,
                               node->block->justify, node->block->view + 1);
}

/* ---- core_view.c: certificates, views, time-outs ------------------------ */

/* Tells the outside of the view and its leaders. */
void rep_announce_view(struct rep_core *core);

/* Takes up a verified certificate: raises the lock and enters the view after
 * it, if that is news. */
void rep_take_cert(struct rep_core *core, struct rep_cert *cert, hs2n_time now);
void rep_take_tc(struct rep_core *core, struct rep_tc *tc, hs2n_time now);
enum rep_verdict rep_on_vote(struct rep_core *core, uint32_t from,
                             struct hs2n_span body, hs2n_time now);
enum rep_verdict rep_on_timeout(struct rep_core *core, uint32_t from,
                                struct hs2n_span body, hs2n_time now);
enum rep_verdict rep_on_new_view(struct rep_core *core, uint32_t from,
                                 struct hs2n_span body, hs2n_time now);
/* Counts this replica's own, which needed no network. */
void rep_count_vote(struct rep_core *core, const struct rep_vote *vote,
                    hs2n_time now);
void rep_count_timeout(struct rep_core *core, const struct rep_timeout *timeout,
                       hs2n_time now);
/* Times out in a view, or says so again. */
void rep_time_out(struct rep_core *core, uint64_t view, hs2n_time now);

/* ---- core_propose.c: leading and following ------------------------------ */

/* Proposes if this replica leads the view and all that is needed is there. */
void rep_try_propose(struct rep_core *core, hs2n_time now);
/* When rep_try_propose should be called again without other cause. */
hs2n_time rep_propose_deadline(const struct rep_core *core);
enum rep_verdict rep_on_proposal(struct rep_core *core, uint32_t from,
                                 struct rep_bytes *body, hs2n_time now);
/* Looks at held proposals again, since blocks have come. */
void rep_retry_held(struct rep_core *core, hs2n_time now);

/* ---- core_commit.c: the chain ------------------------------------------- */

/* Commits what the lock allows, moves the mempool's branch and prunes: what
 * can wait until votes and proposals have left. */
void rep_settle(struct rep_core *core, hs2n_time now);
/* Commits what a certificate allows: the parent of its block and all below,
 * if the views are consecutive and the block is there. */
void rep_commit_by(struct rep_core *core, const struct rep_cert *cert,
                   hs2n_time now);
/* The keys of a node's transactions, computed once; NULL when memory is
 * out. */
const uint64_t *rep_keys_of(struct rep_core *core, struct rep_node *node);
/* Makes node the tip of the mempool's branch; NULL: the root. */
void rep_branch_to(struct rep_core *core, struct rep_node *node);
/* Appends a block, and those below it, that the log does not have yet. */
void rep_log_block(struct rep_core *core, struct rep_node *node);
/* Appends the state, and has body sent once that is stored. */
void rep_store_and_send(struct rep_core *core, enum rep_kind kind, uint32_t to,
                        uint64_t view, struct rep_bytes *body);

/* ---- core_sync.c: catching up ------------------------------------------- */

/* Asks for the block of the lock if it is missing; again after a while. */
void rep_sync_step(struct rep_core *core, hs2n_time now);
/* When rep_sync_step has to be called without other cause. */
hs2n_time rep_sync_deadline(const struct rep_core *core);

#endif /* REP_CORE_INT_H */
