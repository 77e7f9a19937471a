/* replay: from the records of a log back to a replica's state.
 *
 * Feed it all records in order, then it knows where each committed block
 * lies and which blocks above them were stored.  Pure but for memory. */
#ifndef REP_REPLAY_H
#define REP_REPLAY_H

#include "core.h"

struct rep_replay_entry {
  struct rep_hash hash;
  struct rep_hash parent;
  uint64_t height;
  uint64_t pos;
  uint32_t txs_count;
};

/* The zero value has seen nothing. */
struct rep_replay {
  struct rep_replay_entry *entries;
  size_t count;
  size_t capacity;
  bool has_state;
  struct rep_state state; /* the last one; owns lock */
  uint64_t *committed;    /* entry of each height from 1, after resolve */
};

void rep_replay_fini(struct rep_replay *r);

/* A block that lies at pos.  False when memory is out. */
bool rep_replay_block(struct rep_replay *r, const struct rep_block *block,
                      uint64_t pos);

/* A state; takes over its lock. */
void rep_replay_state(struct rep_replay *r, const struct rep_state *state);

/* After the last record: follows the committed chain down to genesis.  False
 * when a block of it is missing, or memory is out. */
bool rep_replay_resolve(struct rep_replay *r, const struct rep_hash *genesis);

/* Height of the last committed block. */
uint64_t rep_replay_height(const struct rep_replay *r);

/* Where a committed block lies; 1 <= height <= rep_replay_height. */
uint64_t rep_replay_pos(const struct rep_replay *r, uint64_t height);

/* Reads the block at a position as a new reference, or NULL. */
typedef struct rep_block *(*rep_replay_read_fn)(void *self, uint64_t pos);

/* Puts a new core, not started, into the state that was stored.  Reads as
 * many committed blocks as the core can remember transactions of.  False when
 * a block can't be read. */
bool rep_replay_into(const struct rep_replay *r, struct rep_core *core,
                     uint32_t window_txs, rep_replay_read_fn read, void *self);

#endif /* REP_REPLAY_H */
