/* core_commit: the chain, and what follows from its growth. */
#include "core_int.h"

#include <assert.h>
#include <stdlib.h>

/* Uncertified blocks of so many views may still get their certificate. */
#define LATE_VIEWS 8

/* ---- the log ------------------------------------------------------------ */

/* Parents before children, so that a log that was cut off anywhere still
 * leads down to genesis from each of its blocks. */
void rep_log_block(struct rep_core *core, struct rep_node *node) {
  while (!node->logged) {
    struct rep_node *lowest = node;

    while (lowest->parent != NULL && !lowest->parent->logged) {
      lowest = lowest->parent;
    }
    lowest->log_pos = core->env.append_block(core->env.self, lowest->block);
    lowest->logged = true;
  }
}

void rep_store_and_send(struct rep_core *core, enum rep_kind kind, uint32_t to,
                        uint64_t view, struct rep_bytes *body) {
  const struct rep_state state = {.last_voted = core->last_voted,
                                  .lock = core->lock,
                                  .committed = core->tree.root};

  if (core->waiting_count == REP_WAITING_MAX) {
    /* The storage is many views behind: the oldest is worthless by now. */
    rep_bytes_unref(core->waiting[0].body);
    core->waiting_count--;
    memmove(&core->waiting[0], &core->waiting[1],
            core->waiting_count * sizeof(core->waiting[0]));
  }
  core->seq_next++;
  core->waiting[core->waiting_count] =
      (struct rep_waiting){.seq = core->seq_next,
                           .kind = kind,
                           .to = to,
                           .view = view,
                           .body = rep_bytes_ref(body)};
  core->waiting_count++;
  core->env.append_state(core->env.self, core->seq_next, &state);
}

/* ---- the mempool's branch ----------------------------------------------- */

const uint64_t *rep_keys_of(struct rep_core *core, struct rep_node *node) {
  struct rep_reader r = rep_reader_of(node->block->txs);
  struct hs2n_span tx;
  uint32_t i = 0;

  if (node->tx_keys == NULL) {
    node->tx_keys =
        malloc((node->block->txs_count + 1) * sizeof(*node->tx_keys));
    while (node->tx_keys != NULL && rep_tx_next(&r, &tx)) {
      node->tx_keys[i] = rep_mempool_key(core->mempool, tx);
      i++;
    }
  }
  return node->tx_keys;
}

static void enter(struct rep_core *core, struct rep_node *node) {
  const uint64_t *const keys = rep_keys_of(core, node);

  node->in_branch = true;
  if (keys != NULL) {
    rep_mempool_enter(core->mempool, keys, node->block->txs_count);
  }
}

static void leave(struct rep_core *core, struct rep_node *node) {
  const uint64_t *const keys = rep_keys_of(core, node);

  node->in_branch = false;
  if (keys != NULL) {
    rep_mempool_leave(core->mempool, keys, node->block->txs_count);
  }
}

void rep_branch_to(struct rep_core *core, struct rep_node *node) {
  struct rep_node *at;

  while (core->tip != NULL && !rep_tree_extends(node, core->tip)) {
    at = core->tip;
    core->tip = at->parent;
    leave(core, at);
  }
  for (at = node; at != core->tip; at = at->parent) {
    enter(core, at);
  }
  core->tip = node;
}

/* ---- commitment --------------------------------------------------------- */

/* Where memory is out for the keys of a node, the spare ones do. */
static const uint64_t *keys_for_commit(struct rep_core *core,
                                       struct rep_node *node) {
  struct rep_reader r = rep_reader_of(node->block->txs);
  const uint64_t *const keys = rep_keys_of(core, node);
  struct hs2n_span tx;
  uint32_t i = 0;

  if (keys != NULL) {
    return keys;
  }
  while (rep_tx_next(&r, &tx)) {
    core->keys[i] = rep_mempool_key(core->mempool, tx);
    i++;
  }
  return core->keys;
}

/* Commits a child of the root that is in the branch. */
static void commit_one(struct rep_core *core, struct rep_node *node) {
  struct rep_block *const block = rep_block_ref(node->block);

  assert(node->parent == NULL && node->in_branch);
  rep_log_block(core, node);
  rep_mempool_commit(core->mempool, keys_for_commit(core, node),
                     block->txs_count, core->fresh);
  core->counters.blocks++;
  for (uint32_t i = 0; i < block->txs_count; i++) {
    core->counters.txs += core->fresh[i] ? 1u : 0u;
    core->counters.txs_repeated += core->fresh[i] ? 0u : 1u;
  }
  core->env.commit(core->env.self, block, node->log_pos, core->fresh);
  core->root_has_txs = block->txs_count > 0;
  if (core->tip == node) {
    core->tip = NULL;
  }
  rep_tree_advance(&core->tree, node);
  rep_block_unref(block);
}

void rep_commit_by(struct rep_core *core, const struct rep_cert *cert,
                   hs2n_time now) {
  struct rep_node *const node = rep_tree_find(&core->tree, &cert->block);
  struct rep_node *target;

  (void)now;
  if (node == NULL || node->block->justify->view + 1 != cert->view) {
    return;
  }
  target = node->parent;
  if (target == NULL) {
    return; /* committed before */
  }
  if (!target->in_branch) {
    rep_branch_to(core, node);
  }
  for (;;) {
    struct rep_node *lowest = target;

    while (lowest->parent != NULL) {
      lowest = lowest->parent;
    }
    commit_one(core, lowest);
    if (lowest == target) {
      break;
    }
  }
  rep_pacemaker_reset(&core->pacemaker);
}

/* The block that the next leader most likely extends: this view's proposal
 * on the lock, or else the block of the lock. */
static struct rep_node *likely_tip(const struct rep_core *core,
                                   struct rep_node *certified) {
  for (struct rep_node *node = core->tree.last; node != NULL;
       node = node->prev) {
    if (node->parent == certified && node->block->view == core->view &&
        node->block->justify->view == core->lock->view) {
      return node;
    }
  }
  return certified;
}

static void check_leader(struct rep_core *core) {
  const struct rep_vote *const u = &core->unproven;

  if (u->view != 0 && !rep_verify_proposal(&core->verifier, u->voter, u->view,
                                           &u->block, u->signature)) {
    core->counters.wrong++;
  }
  core->unproven.view = 0;
}

void rep_settle(struct rep_core *core, hs2n_time now) {
  struct rep_node *certified;

  core->unsettled = false;
  check_leader(core);
  rep_commit_by(core, core->lock, now);
  if (!rep_tree_knows(&core->tree, &core->lock->block)) {
    return;
  }
  certified = rep_tree_find(&core->tree, &core->lock->block);
  rep_branch_to(core, likely_tip(core, certified));
  rep_tree_prune(&core->tree, certified,
                 core->view > LATE_VIEWS ? core->view - LATE_VIEWS : 0);
}
