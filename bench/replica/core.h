/* core: HotStuff-2 as a state machine without I/O.
 *
 * Messages, transactions and time come in as calls; what is to be sent,
 * stored and executed goes out through struct rep_env.  The core reads no
 * clock, opens nothing and draws no randomness, so a replica is a function of
 * its configuration and of what it was told.
 *
 * The protocol is Malkhi and Nayak, "HotStuff-2: Optimal Two-Phase Responsive
 * BFT" (IACR ePrint 2023/397), in its pipelined form:
 *
 *   propose  the leader of view v extends the highest certified block, at
 *            once when it holds the certificate of v-1, else after a quorum
 *            of new-views or a pause
 *   vote     on the first valid proposal of a view whose certificate is not
 *            older than the lock, to the leader of the next view alone
 *   commit   a block whose certificate of view v-1 is carried by a block
 *            that has a certificate of view v
 *   time out broadcast the lock; f+1 time-outs make others join, a quorum of
 *            them opens the next view
 *
 * A vote or time-out leaves only after rep_core_stored() has said that the
 * state which forbids a second one is on stable storage.
 *
 * With nothing to order, a leader waits up to idle_ms for a transaction
 * before it proposes an empty block: an idle cluster turns a few views a
 * second.  It never waits while transactions above the committed block still
 * need further blocks to be committed. */
#ifndef REP_CORE_H
#define REP_CORE_H

#include "mempool.h"
#include "message.h"
#include "tree.h"

/* Start from rep_config_default. */
struct rep_config {
  struct rep_committee committee;
  hs2n_time timer_min;  /* least time-out of a view */
  hs2n_time timer_max;  /* doubling stops here */
  hs2n_time idle;       /* wait for transactions; below timer_min */
  hs2n_time sync_retry; /* another is asked for missing blocks after this */
  uint32_t block_txs_max;
  uint32_t block_bytes_max; /* of an encoded block */
  uint32_t sync_bytes_max;  /* of a response with blocks */
  uint32_t tree_blocks_max; /* uncommitted blocks held */
  size_t tree_bytes_max;
  struct rep_mempool_limits mempool;
  uint8_t mempool_secret[REP_MEMPOOL_KEY_LEN];
};

void rep_config_default(struct rep_config *out);

/* Checks ranges and returns NULL, or the name of the first bad field. */
const char *rep_config_check(const struct rep_config *config);

/* What has to survive a crash. */
struct rep_state {
  uint64_t last_voted;       /* view; also of the last time-out sent */
  struct rep_cert *lock;     /* borrowed */
  struct rep_root committed; /* hash, height and view */
};

/* Leaders that are told of on entering a view. */
#define REP_LEADERS 2

/* Where nothing was ever stored: log position of a block. */
#define REP_LOG_NOWHERE UINT64_MAX

/* What the core asks of the outside.  No method may call back into the core.
 * Bodies are borrowed: rep_bytes_ref keeps them. */
struct rep_env {
  void *self;

  /* Sends to one replica, or to all but this one.  May lose, delay and
   * repeat, and drops the message, wherever it is, as soon as its sender or
   * its receiver enters a view above this one. */
  void (*send)(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
               struct rep_bytes *body);
  void (*broadcast)(void *self, enum rep_kind kind, uint64_t view,
                    struct rep_bytes *body);

  /* Asks replicas for blocks, the first of them first, and the next when one
   * refuses, is silent for a while or gives an answer that is not REP_TAKEN.
   * Ends when an answer is, or with rep_core_unanswered at the deadline or
   * earlier; a new question takes the place of an open one.  Returns false
   * when it can't be asked now. */
  bool (*ask)(void *self, const uint32_t *whom, uint32_t count,
              struct rep_bytes *body, hs2n_time deadline);

  /* The replica is in a new view.  leaders: who leads it and the next one, as
   * far as can be told; perhaps this replica. */
  void (*enter_view)(void *self, uint64_t view,
                     const uint32_t leaders[REP_LEADERS]);

  /* Appends a block to the log and returns its position. */
  uint64_t (*append_block)(void *self, const struct rep_block *block);

  /* Appends the state.  Answered by rep_core_stored(seq), once this and all
   * that was appended before is on stable storage. */
  void (*append_state)(void *self, uint64_t seq, const struct rep_state *state);

  /* The next block in order of height is final.  fresh[i] says whether
   * transaction i was not committed before. */
  void (*commit)(void *self, struct rep_block *block, uint64_t log_pos,
                 const bool *fresh);

  /* The encoding of a committed block as a new reference, or NULL. */
  struct rep_bytes *(*load)(void *self, uint64_t height);
};

/* What became of a message. */
enum rep_verdict {
  REP_TAKEN = 1,
  REP_STALE, /* known, old or of no use: nobody's fault */
  REP_WRONG, /* breaks the protocol: the sender's fault */
};

struct rep_counters {
  uint64_t views;         /* entered */
  uint64_t timeouts;      /* views in which this replica timed out */
  uint64_t view_changes;  /* views entered by a TC */
  uint64_t proposals;     /* made */
  uint64_t votes;         /* cast */
  uint64_t blocks;        /* committed */
  uint64_t txs;           /* committed for the first time */
  uint64_t txs_repeated;  /* committed again, not executed */
  uint64_t sync_requests; /* questions for blocks */
  uint64_t sync_blocks;   /* taken from responses */
  uint64_t wrong;         /* messages found wrong */
  uint64_t dropped;       /* for want of memory or room in the tree */
};

struct rep_core;

/* Makes a replica at genesis; config was checked.  Copies config, env and
 * crypto.  NULL when memory is out. */
struct rep_core *rep_core_new(const struct rep_config *config,
                              const struct rep_env *env,
                              const struct rep_crypto *crypto);
void rep_core_free(struct rep_core *core); /* core may be NULL */

/* ---- after a restart, before rep_core_start ----------------------------- */

/* Takes up what was stored. */
void rep_core_restore(struct rep_core *core, const struct rep_state *state);

/* Tells of a committed block, oldest first and up to the last one, so that
 * its transactions are known as committed, and whose turn it is: that takes
 * REP_CORE_RESTORE_MIN blocks, or all.  Does not call env. */
#define REP_CORE_RESTORE_MIN (REP_AUTHORS_MAX + REP_TURNS_RUN)
void rep_core_restore_committed(struct rep_core *core,
                                const struct rep_block *block);

/* Brings back a stored block above the committed one, parents first.
 * Returns whether it fits on what is known. */
bool rep_core_restore_block(struct rep_core *core, struct rep_block *block,
                            uint64_t log_pos);

/* ---- running ------------------------------------------------------------ */

/* Begins: the timer of the first view runs from now. */
void rep_core_start(struct rep_core *core, hs2n_time now);

/* A message of an authenticated replica (from < n), but for questions and
 * answers.  Takes its own references of what it keeps of body. */
enum rep_verdict rep_core_receive(struct rep_core *core, uint32_t from,
                                  enum rep_kind kind, struct rep_bytes *body,
                                  hs2n_time now);

/* A question of another replica, a REP_SYNC_REQUEST.  With REP_TAKEN
 * *out_answer is set to a new reference of a REP_SYNC_RESPONSE; otherwise
 * somebody else must be asked. */
enum rep_verdict rep_core_serve(struct rep_core *core, struct rep_bytes *body,
                                struct rep_bytes **out_answer);

/* An answer to what env.ask was told last.  REP_TAKEN ends the question. */
enum rep_verdict rep_core_answered(struct rep_core *core,
                                   struct rep_bytes *body, hs2n_time now);

/* What env.ask was told last has ended without an answer that was taken. */
void rep_core_unanswered(struct rep_core *core, hs2n_time now);

/* Everything up to this append_state is on stable storage. */
void rep_core_stored(struct rep_core *core, uint64_t seq, hs2n_time now);

/* A client's transaction, 1..rep_core_tx_max bytes. */
enum rep_mempool_result rep_core_submit(struct rep_core *core,
                                        struct hs2n_span tx, hs2n_time now);
size_t rep_core_tx_max(const struct rep_core *core);

/* When rep_core_tick must be called; 0 means at once, which is how the core
 * puts off work that need not delay a vote: call it after sending. */
hs2n_time rep_core_deadline(const struct rep_core *core);
void rep_core_tick(struct rep_core *core, hs2n_time now);

/* How long the n-f-1 quickest others take to answer: a view may last 4 times
 * as long. */
void rep_core_set_rtt(struct rep_core *core, hs2n_time rtt);

/* ---- looking ------------------------------------------------------------ */

struct rep_core_info {
  uint64_t view;
  uint64_t last_voted;
  uint64_t lock_view;
  struct rep_root committed;
  uint32_t pending_txs;
  uint32_t held_txs;
  uint32_t tree_blocks;
  bool syncing;
  hs2n_time view_timeout; /* of the current view */
  struct rep_counters counters;
};
void rep_core_info(const struct rep_core *core, struct rep_core_info *out);

/* Whether a client's transaction of len bytes would find room. */
bool rep_core_has_room(const struct rep_core *core, size_t len);

#endif /* REP_CORE_H */
