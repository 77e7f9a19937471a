/* block: what is agreed on: a parent, its certificate, and transactions.
 *
 * A block is its encoding; the struct is a view of that encoding and keeps
 * the bytes it lies in alive.  Its hash is the SHA-256 of the encoding, the
 * certificate of the parent included, so whoever trusts a hash trusts every
 * certificate below it. */
#ifndef REP_BLOCK_H
#define REP_BLOCK_H

#include "cert.h"

#define REP_BLOCK_VERSION 1

/* Immutable, refcounted. */
struct rep_block {
  uint32_t refs;
  uint32_t proposer;
  uint64_t view;   /* >= 1 */
  uint64_t height; /* >= 1 */
  struct rep_hash hash;
  struct rep_hash parent;
  struct rep_cert *justify; /* of the parent; never NULL */
  uint32_t txs_count;
  struct hs2n_span txs;      /* each: length in 4 bytes, content */
  struct hs2n_span encoding; /* in owner */
  struct rep_bytes *owner;
};

/* Bytes of an encoding besides the transactions. */
size_t rep_block_overhead(const struct rep_cert *justify);

/* Bytes that a transaction of len bytes takes in a block. */
static inline size_t rep_tx_room(size_t len) {
  return 4u + len;
}

/* What a leader decides; the rest follows. */
struct rep_block_head {
  uint64_t view;
  uint64_t height;
  uint32_t proposer;
  const struct rep_cert *justify;
  uint32_t txs_count;
  size_t txs_len;
};

/* Writes everything in front of the transactions, which the caller appends
 * in the form of rep_block.txs. */
void rep_block_write_head(struct rep_writer *w,
                          const struct rep_block_head *head);

/* Decodes a block that fills encoding, a part of owner, and hashes it.
 * Checks its form: version, lengths, the sum of the transactions, justify
 * naming the parent and being of an earlier view.  Signatures, proposer and
 * height are not checked here.
 *
 * Returns a new block with a reference to owner, or NULL. */
struct rep_block *rep_block_decode(struct hs2n_span encoding,
                                   struct rep_bytes *owner,
                                   const struct rep_crypto *crypto);

struct rep_block *rep_block_ref(struct rep_block *block);
void rep_block_unref(struct rep_block *block); /* block may be NULL */

/* Walks over the transactions:
 *   struct rep_reader r = rep_reader_of(block->txs);
 *   while (rep_tx_next(&r, &tx)) */
bool rep_tx_next(struct rep_reader *r, struct hs2n_span *out_tx);

/* The hash of block 0 of a chain, which has no encoding. */
void rep_genesis_hash(const struct rep_committee *c,
                      const struct rep_crypto *crypto, struct rep_hash *out);

#endif /* REP_BLOCK_H */
