/* tree: the blocks above the last committed one.
 *
 * The committed block is the root and not a node.  Parents are always there:
 * a block whose parent is missing can't be added, so every node leads down
 * to the root. */
#ifndef REP_TREE_H
#define REP_TREE_H

#include "turns.h"

struct rep_node {
  struct rep_block *block;
  struct rep_node *parent; /* NULL: the root */
  struct rep_node *prev;   /* all nodes, parents before children */
  struct rep_node *next;
  struct rep_node *chain; /* same bucket */
  uint64_t *tx_keys;      /* of the mempool; NULL: not computed yet */
  uint64_t log_pos;       /* where the log has it */
  struct rep_line line;
  bool logged;
  bool in_branch; /* of the mempool's branch */
  bool keep;      /* used while pruning */
};

/* The last committed block; view and height 0 for genesis. */
struct rep_root {
  struct rep_hash hash;
  uint64_t height;
  uint64_t view;
};

#define REP_TREE_BUCKETS 256
struct rep_tree {
  struct rep_root root;
  struct rep_line root_line;
  struct rep_committee committee;
  struct rep_node *first;
  struct rep_node *last;
  struct rep_node *buckets[REP_TREE_BUCKETS];
  uint32_t count;
  uint32_t count_max;
  size_t bytes; /* of encodings */
  size_t bytes_max;
};

void rep_tree_init(struct rep_tree *tree, const struct rep_committee *committee,
                   const struct rep_root *root, uint32_t count_max,
                   size_t bytes_max);
void rep_tree_fini(struct rep_tree *tree);

/* The node of a block, or NULL. */
struct rep_node *rep_tree_find(const struct rep_tree *tree,
                               const struct rep_hash *hash);

static inline bool rep_tree_is_root(const struct rep_tree *tree,
                                    const struct rep_hash *hash) {
  return rep_hash_eq(&tree->root.hash, hash);
}

/* Whether a block can be added: its parent is the root or a node. */
bool rep_tree_knows(const struct rep_tree *tree, const struct rep_hash *hash);

/* The height of the root or of a node; the block is known. */
uint64_t rep_tree_height(const struct rep_tree *tree,
                         const struct rep_hash *hash);

/* Adds a block that is not there yet, whose parent is known and one lower,
 * and takes a reference.  NULL when a limit is reached or memory is out. */
struct rep_node *rep_tree_add(struct rep_tree *tree, struct rep_block *block);

/* Whether node is ancestor, or above it.  A NULL ancestor is the root. */
bool rep_tree_extends(const struct rep_node *node,
                      const struct rep_node *ancestor);

/* Makes node, a child of the root, the new root, and drops every node that
 * does not extend it. */
void rep_tree_advance(struct rep_tree *tree, struct rep_node *node);

/* Drops what can no longer matter now that `certified` is the highest block
 * with a certificate (NULL: the root): nodes on other branches, and nodes
 * above it of views below view_min.  No dropped node is in_branch.
 *
 * What is logged and of a later view than `certified` stays, wherever it is:
 * this replica has voted for it, so somebody may hold its certificate without
 * having told, and will ask the voters for it when everything depends on it.
 * Only a tree that is half full lets go of such blocks too, which takes many
 * failed views in a row. */
void rep_tree_prune(struct rep_tree *tree, struct rep_node *certified,
                    uint64_t view_min);

#endif /* REP_TREE_H */
