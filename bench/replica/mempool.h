/* mempool: transactions that wait for a block, each known by a 64-bit key.
 *
 * Every replica's mempool gets every transaction, so most of what it holds is
 * committed by somebody else's block.  A transaction is PENDING until a block
 * of the branch that this replica would extend contains it, and pending again
 * when the branch turns away from that block; commitment removes it for good.
 * What was committed lately is remembered, so that a transaction that comes
 * late is not proposed again.
 *
 * Keys are SipHash-1-3 under a secret of this replica: nobody can make two
 * transactions collide here, let alone on all replicas. */
#ifndef REP_MEMPOOL_H
#define REP_MEMPOOL_H

#include "block.h"
#include "window.h"

#define REP_MEMPOOL_KEY_LEN 16

struct rep_mempool_limits {
  uint32_t txs_max;    /* transactions held */
  size_t bytes_max;    /* bytes of transactions held */
  uint32_t window_txs; /* committed transactions remembered */
};

enum rep_mempool_result {
  REP_TX_ADDED,
  REP_TX_KNOWN,     /* held already */
  REP_TX_COMMITTED, /* committed lately */
  REP_TX_FULL,      /* no room now */
};

struct rep_mempool;

/* NULL when memory is out. */
struct rep_mempool *rep_mempool_new(const struct rep_mempool_limits *limits,
                                    const uint8_t secret[REP_MEMPOOL_KEY_LEN]);
void rep_mempool_free(struct rep_mempool *m); /* m may be NULL */

uint64_t rep_mempool_key(const struct rep_mempool *m, struct hs2n_span tx);

/* Takes a copy of a transaction of 1 or more bytes. */
enum rep_mempool_result rep_mempool_add(struct rep_mempool *m,
                                        struct hs2n_span tx);

uint32_t rep_mempool_pending(const struct rep_mempool *m);
uint32_t rep_mempool_held(const struct rep_mempool *m);

/* Whether anybody could take one more transaction of len bytes. */
bool rep_mempool_has_room(const struct rep_mempool *m, size_t len);

/* Looks through the pending transactions, oldest first, and says how many
 * fit: at most txs_max, and bytes_max bytes in the form of rep_block.txs.
 *
 * out_len is the number of those bytes. */
uint32_t rep_mempool_fit(const struct rep_mempool *m, uint32_t txs_max,
                         size_t bytes_max, size_t *out_len);

/* Writes the first count pending ones in the form of rep_block.txs, and
 * their keys.  They stay pending until their block is entered. */
void rep_mempool_write(const struct rep_mempool *m, uint32_t count,
                       struct rep_writer *w, uint64_t *keys);

/* The branch grew by a block with these transactions, or lost it again. */
void rep_mempool_enter(struct rep_mempool *m, const uint64_t *keys,
                       uint32_t count);
void rep_mempool_leave(struct rep_mempool *m, const uint64_t *keys,
                       uint32_t count);

/* A block with these transactions was committed.  fresh[i] says whether
 * transaction i is committed for the first time; may be NULL. */
void rep_mempool_commit(struct rep_mempool *m, const uint64_t *keys,
                        uint32_t count, bool *fresh);

#endif /* REP_MEMPOOL_H */
