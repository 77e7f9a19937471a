/* store: a replica's log.
 *
 * What is appended is kept in memory until rep_store_flush gives it to the
 * medium, so that all blocks and states of one turn share one sync.  After an
 * error nothing is written any more: a replica whose storage failed must not
 * vote.  A log is never compacted. */
#ifndef REP_STORE_H
#define REP_STORE_H

#include "log.h"
#include "medium.h"
#include "replay.h"

struct rep_store_config {
  const struct rep_medium *medium; /* copied; NULL: keeps nothing, for
                                      measuring without storage */
  struct rep_committee committee;
  struct rep_crypto crypto;
};

struct rep_store_counters {
  uint64_t flushes;
  uint64_t bytes;      /* written */
  uint64_t torn_bytes; /* cut off the end when opened */
};

struct rep_store;

/* Opens the log or makes one, and reads it.  A torn record at the end, as a
 * crash in the middle of a write leaves it, is cut off; anything else that
 * does not check is an error, because what a replica has promised may be
 * missing.
 *
 * Returns NULL on success, else what is wrong. */
const char *rep_store_open(struct rep_store **out_store,
                           const struct rep_store_config *config);
void rep_store_close(struct rep_store *store); /* store may be NULL */

/* Puts a new core into the stored state; then forgets what it read. */
bool rep_store_restore(struct rep_store *store, struct rep_core *core,
                       uint32_t window_txs);

/* The last committed height that was stored. */
uint64_t rep_store_height(const struct rep_store *store);

/* For struct rep_env: self is the store. */
uint64_t rep_store_append_block(struct rep_store *store,
                                const struct rep_block *block);
void rep_store_append_state(struct rep_store *store, uint64_t seq,
                            const struct rep_state *state);
void rep_store_commit(struct rep_store *store, struct rep_block *block,
                      uint64_t pos);
struct rep_bytes *rep_store_load(struct rep_store *store, uint64_t height);

/* Whether something waits for rep_store_flush: bytes to be written, or a
 * state whose seq no flush has returned yet, which is all that waits where
 * nothing is written. */
bool rep_store_dirty(const struct rep_store *store);

/* Writes and syncs what was appended.  Returns 0 and the seq of the last
 * state, or an errno value, then and ever after. */
int rep_store_flush(struct rep_store *store, uint64_t *out_seq);

void rep_store_counters(const struct rep_store *store,
                        struct rep_store_counters *out);

#endif /* REP_STORE_H */
