/* blocks: which replicas have taken up which block: have it in their log,
 * since they vote for it or commit it.
 *
 * A certificate is of a quorum that has taken up its block, whatever the
 * replicas themselves believe to be a quorum. */
#ifndef SIM_BLOCKS_H
#define SIM_BLOCKS_H

#include "block.h"

struct blocks_entry {
  struct rep_hash hash;
  struct rep_hash parent;
  struct rep_signers takers;
  uint32_t next; /* of the same view, counted from 1; 0: none */
};

struct blocks {
  struct blocks_entry *entries;
  uint32_t n;
  uint32_t capacity;
  uint32_t *by_view; /* the last entry of each, as next has it */
  uint64_t views;
};

void blocks_fini(struct blocks *b);

/* False: there is no memory, and it is not remembered. */
bool blocks_take(struct blocks *b, uint32_t replica,
                 const struct rep_block *block);

/* How many replicas have taken up a child of a block, of that view: of several
 * the one that most have. */
uint32_t blocks_child_takers(const struct blocks *b,
                             const struct rep_hash *parent, uint64_t view);

#endif /* SIM_BLOCKS_H */
