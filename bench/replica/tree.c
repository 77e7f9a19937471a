#include "tree.h"

#include <assert.h>
#include <stdlib.h>

void rep_tree_init(struct rep_tree *tree, const struct rep_committee *committee,
                   const struct rep_root *root, uint32_t count_max,
                   size_t bytes_max) {
  *tree = (struct rep_tree){.root = *root,
                            .committee = *committee,
                            .count_max = count_max,
                            .bytes_max = bytes_max};
}

static struct rep_node **bucket_of(struct rep_tree *tree,
                                   const struct rep_hash *hash) {
  return &tree->buckets[hash->bytes[0] % REP_TREE_BUCKETS];
}

static void unlink_node(struct rep_tree *tree, struct rep_node *node) {
  struct rep_node **at = bucket_of(tree, &node->block->hash);

  while (*at != node) {
    assert(*at != NULL);
    at = &(*at)->chain;
  }
  *at = node->chain;
  *(node->prev != NULL ? &node->prev->next : &tree->first) = node->next;
  *(node->next != NULL ? &node->next->prev : &tree->last) = node->prev;
}

static void drop(struct rep_tree *tree, struct rep_node *node) {
  unlink_node(tree, node);
  tree->count--;
  tree->bytes -= node->block->encoding.len;
  rep_block_unref(node->block);
  free(node->tx_keys);
  free(node);
}

void rep_tree_fini(struct rep_tree *tree) {
  while (tree->first != NULL) {
    drop(tree, tree->first);
  }
}

struct rep_node *rep_tree_find(const struct rep_tree *tree,
                               const struct rep_hash *hash) {
  struct rep_node *node = tree->buckets[hash->bytes[0] % REP_TREE_BUCKETS];

  while (node != NULL && !rep_hash_eq(&node->block->hash, hash)) {
    node = node->chain;
  }
  return node;
}

bool rep_tree_knows(const struct rep_tree *tree, const struct rep_hash *hash) {
  return rep_tree_is_root(tree, hash) || rep_tree_find(tree, hash) != NULL;
}

uint64_t rep_tree_height(const struct rep_tree *tree,
                         const struct rep_hash *hash) {
  const struct rep_node *const node = rep_tree_find(tree, hash);

  assert(node != NULL || rep_tree_is_root(tree, hash));
  return node != NULL ? node->block->height : tree->root.height;
}

struct rep_node *rep_tree_add(struct rep_tree *tree, struct rep_block *block) {
  struct rep_node **const bucket = bucket_of(tree, &block->hash);
  struct rep_node *node;

  assert(!rep_tree_knows(tree, &block->hash));
  assert(rep_tree_knows(tree, &block->parent));
  assert(block->height == rep_tree_height(tree, &block->parent) + 1);
  if (tree->count == tree->count_max ||
      block->encoding.len > tree->bytes_max - tree->bytes) {
    return NULL;
  }
  node = malloc(sizeof(*node));
  if (node == NULL) {
    return NULL;
  }
  *node = (struct rep_node){.block = rep_block_ref(block),
                            .parent = rep_tree_find(tree, &block->parent),
                            .prev = tree->last,
                            .chain = *bucket};
  node->line = node->parent != NULL ? node->parent->line : tree->root_line;
  rep_line_extend(&node->line, &tree->committee, rep_is_consecutive(block),
                  block->proposer);
  *bucket = node;
  *(tree->last != NULL ? &tree->last->next : &tree->first) = node;
  tree->last = node;
  tree->count++;
  tree->bytes += block->encoding.len;
  return node;
}

bool rep_tree_extends(const struct rep_node *node,
                      const struct rep_node *ancestor) {
  while (node != NULL && node != ancestor) {
    node = node->parent;
  }
  return node == ancestor;
}

/* Children come after parents in the list, so what a dropped node leaves
 * behind is found in the same pass. */
static void sweep(struct rep_tree *tree) {
  struct rep_node *next;

  for (struct rep_node *node = tree->first; node != NULL; node = next) {
    next = node->next;
    if (!node->keep) {
      drop(tree, node);
    }
  }
}

void rep_tree_advance(struct rep_tree *tree, struct rep_node *node) {
  assert(node->parent == NULL);
  tree->root = (struct rep_root){.hash = node->block->hash,
                                 .height = node->block->height,
                                 .view = node->block->view};
  tree->root_line = node->line;
  for (struct rep_node *at = tree->first; at != NULL; at = at->next) {
    at->keep = at->parent == node || (at->parent != NULL && at->parent->keep);
  }
  for (struct rep_node *at = tree->first; at != NULL; at = at->next) {
    if (at->parent == node) {
      at->parent = NULL;
    }
  }
  sweep(tree);
}

/* With its ancestors, which were found wanting before it. */
static void keep_branch(struct rep_node *node) {
  for (; node != NULL && !node->keep; node = node->parent) {
    node->keep = true;
  }
}

void rep_tree_prune(struct rep_tree *tree, struct rep_node *certified,
                    uint64_t view_min) {
  const uint64_t lock =
      certified != NULL ? certified->block->view : tree->root.view;
  const bool crowded =
      tree->count > tree->count_max / 2 || tree->bytes > tree->bytes_max / 2;

  for (struct rep_node *at = tree->first; at != NULL; at = at->next) {
    at->keep = at != certified && rep_tree_extends(at, certified) &&
               (at->parent == certified || at->parent->keep) &&
               at->block->view >= view_min;
  }
  keep_branch(certified);
  for (struct rep_node *at = tree->last; at != NULL; at = at->prev) {
    if (at->logged && at->block->view > lock && !crowded) {
      keep_branch(at);
    }
  }
  sweep(tree);
}
