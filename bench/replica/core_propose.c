/* core_propose: making proposals, and voting on them. */
#include "core_int.h"

#include <assert.h>
#include <stdlib.h>

/* The newest come last, and views rise, so this is short. */
static bool has_block_of_view(const struct rep_core *core, uint64_t view) {
  for (const struct rep_node *node = core->tree.last; node != NULL;
       node = node->prev) {
    if (node->block->view == view) {
      return true;
    }
  }
  return false;
}

/* ---- leading ------------------------------------------------------------ */

/* Whether the lock is of the view before and makes this replica its leader. */
static bool leads_by_lock(const struct rep_core *core) {
  return core->lock->view + 1 == core->view &&
         rep_leader_after(core,
                          rep_tree_find(&core->tree, &core->lock->block)) ==
             rep_me(core);
}

/* Whether a TC opened the view and makes this replica its leader. */
static bool leads_by_tc(const struct rep_core *core) {
  return core->entry_tc != NULL &&
         rep_turn_of(core, core->view) == rep_me(core);
}

/* Whether it is this replica's turn, and it has not used it: not even before a
 * crash, when the log has the block but not yet the vote. */
static bool may_propose(const struct rep_core *core) {
  return core->started && core->proposed < core->view &&
         core->last_voted < core->view &&
         !has_block_of_view(core, core->view) &&
         rep_tree_knows(&core->tree, &core->lock->block) &&
         (leads_by_lock(core) || leads_by_tc(core));
}

/* When the view's rule lets the leader propose: 0 at once. */
static hs2n_time rule_deadline(const struct rep_core *core) {
  const struct rep_pacemaker *const p = &core->pacemaker;

  if (core->lock->view + 1 == core->view) {
    return 0;
  }
  if (core->entry_tc == NULL) {
    return HS2N_TIME_NEVER; /* nothing would justify a proposal */
  }
  if (rep_signers_count(&core->new_views) >= core->quorum) {
    return 0;
  }
  return p->entered + rep_pacemaker_timeout(p) / 4;
}

/* Whether further blocks are needed so that all commit what is there.  The
 * root counts: whoever leads knows of its commitment before the others. */
static bool has_uncommitted_txs(const struct rep_core *core) {
  const struct rep_node *node = rep_tree_find(&core->tree, &core->lock->block);

  if (core->root_has_txs) {
    return true;
  }
  for (; node != NULL; node = node->parent) {
    if (node->block->txs_count > 0) {
      return true;
    }
  }
  return false;
}

hs2n_time rep_propose_deadline(const struct rep_core *core) {
  hs2n_time rule;

  if (!may_propose(core)) {
    return HS2N_TIME_NEVER;
  }
  rule = rule_deadline(core);
  if (rule == HS2N_TIME_NEVER || rep_mempool_pending(core->mempool) > 0 ||
      has_uncommitted_txs(core)) {
    return rule;
  }
  if (rule > core->pacemaker.entered + core->config.idle) {
    return rule;
  }
  return core->pacemaker.entered + core->config.idle;
}

static void cast_vote(struct rep_core *core, struct rep_node *node) {
  const uint64_t view = node->block->view;
  struct rep_vote vote = {
      .view = view, .block = node->block->hash, .voter = rep_me(core)};
  struct rep_signed text;
  struct rep_bytes *body;
  struct rep_writer w;

  assert(view == core->view && view > core->last_voted);
  core->last_voted = view;
  rep_log_block(core, node);
  rep_vote_text(&core->config.committee, view, &vote.block, &text);
  body = rep_bytes_new(REP_VOTE_LEN);
  if (body == NULL ||
      !core->crypto.sign(core->crypto.self, rep_signed_span(&text),
                         vote.signature)) {
    core->counters.dropped++;
    rep_bytes_unref(body);
    return;
  }
  rep_verifier_trust_vote(&core->verifier, &vote);
  w = rep_writer_of(body->data, body->len);
  rep_vote_write(&w, &vote);
  core->counters.votes++;
  rep_store_and_send(core, REP_VOTE, rep_leader_after(core, node),
                     view + REP_VOTE_VIEWS, body);
  rep_bytes_unref(body);
}

/* Writes the block behind the proposal's head and decodes it from there. */
static struct rep_block *write_block(struct rep_core *core,
                                     struct rep_writer *w, uint32_t txs_count,
                                     size_t txs_len, uint64_t *keys,
                                     struct rep_bytes *bytes) {
  const struct rep_block_head head = {
      .view = core->view,
      .height = rep_tree_height(&core->tree, &core->lock->block) + 1,
      .proposer = rep_me(core),
      .justify = core->lock,
      .txs_count = txs_count,
      .txs_len = txs_len};
  const size_t len = rep_block_overhead(core->lock) + txs_len;
  struct hs2n_span encoding;

  rep_write_be(w, len, 4);
  encoding = (struct hs2n_span){w->out + w->len, len};
  rep_block_write_head(w, &head);
  rep_mempool_write(core->mempool, txs_count, w, keys);
  return rep_block_decode(encoding, bytes, &core->crypto);
}

/* Puts a signed proposal together.  On true the caller owns *out_bytes and
 * *out_block. */
static bool build(struct rep_core *core, uint32_t txs_count, size_t txs_len,
                  uint64_t *keys, struct rep_bytes **out_bytes,
                  struct rep_block **out_block) {
  struct rep_tc *const tc = leads_by_lock(core) ? NULL : core->entry_tc;
  struct rep_bytes *const bytes =
      rep_bytes_new(REP_PROPOSAL_HEAD + rep_block_overhead(core->lock) +
                    txs_len + (tc != NULL ? rep_tc_len(tc) : 0));
  struct rep_signed text;
  struct rep_block *block;
  struct rep_writer w;
  uint8_t *signature;

  if (bytes == NULL) {
    return false;
  }
  w = rep_writer_of(bytes->data, bytes->len);
  signature = rep_write_room(&w, HS2N_SIGNATURE_LEN);
  block = write_block(core, &w, txs_count, txs_len, keys, bytes);
  if (tc != NULL) {
    rep_tc_write(&w, tc);
  }
  assert(!w.failed && w.len == bytes->len);
  if (block != NULL) {
    rep_proposal_text(&core->config.committee, core->view, &block->hash, &text);
    if (core->crypto.sign(core->crypto.self, rep_signed_span(&text),
                          signature)) {
      *out_bytes = bytes;
      *out_block = block;
      return true;
    }
  }
  rep_block_unref(block);
  rep_bytes_unref(bytes);
  return false;
}

static void propose(struct rep_core *core) {
  const size_t overhead = rep_block_overhead(core->lock);
  struct rep_bytes *bytes;
  struct rep_block *block;
  struct rep_node *node;
  size_t txs_len;
  uint64_t *keys;
  uint32_t count;

  core->proposed = core->view; /* one try: a time-out follows a failure */
  rep_branch_to(core, rep_tree_find(&core->tree, &core->lock->block));
  count = rep_mempool_fit(core->mempool, core->config.block_txs_max,
                          core->config.block_bytes_max - overhead, &txs_len);
  keys = malloc((count + 1) * sizeof(*keys));
  if (keys == NULL || !build(core, count, txs_len, keys, &bytes, &block)) {
    free(keys);
    core->counters.dropped++;
    return;
  }
  node = rep_tree_add(&core->tree, block);
  if (node != NULL) {
    node->tx_keys = keys;
    core->counters.proposals++;
    core->env.broadcast(core->env.self, REP_PROPOSAL,
                        core->view + REP_PROPOSAL_VIEWS, bytes);
    core->unsettled = true;
    cast_vote(core, node);
  } else {
    free(keys);
    core->counters.dropped++;
  }
  rep_block_unref(block);
  rep_bytes_unref(bytes);
}

void rep_try_propose(struct rep_core *core, hs2n_time now) {
  if (rep_propose_deadline(core) <= now) {
    propose(core);
  }
}

/* ---- following ---------------------------------------------------------- */

static bool within_limits(const struct rep_core *core,
                          const struct rep_block *block) {
  return block->txs_count <= core->config.block_txs_max &&
         block->encoding.len <= core->config.block_bytes_max;
}

/* Whether a TC comes with the proposal and makes its sender the leader.  One
 * that can't matter is not verified: of a view that this replica has entered
 * by a TC itself, or has left. */
static bool is_led_by_tc(struct rep_core *core, const struct rep_proposal *p) {
  const struct rep_block *const block = p->block;

  return p->tc != NULL && p->tc->view + 1 == block->view &&
         rep_turn_of(core, block->view) == block->proposer &&
         (block->view < core->view ||
          (block->view == core->view && core->entry_tc != NULL) ||
          rep_verify_tc(&core->verifier, p->tc));
}

/* Whether the certificate of its parent, which is there, makes the sender the
 * leader. */
static bool is_led_by_parent(const struct rep_core *core,
                             const struct rep_block *block) {
  const struct rep_node *const parent =
      rep_tree_find(&core->tree, &block->parent);

  return rep_is_consecutive(block) &&
         rep_leader_after(core, parent) == block->proposer;
}

static void forget_held(struct rep_core *core, uint32_t i) {
  rep_bytes_unref(core->held[i].body);
  core->held_count--;
  memmove(&core->held[i], &core->held[i + 1],
          (core->held_count - i) * sizeof(core->held[0]));
}

/* Keeps a proposal until its parent comes, and with it the answer to whether
 * the sender leads: of each view and sender the first, and of all the
 * newest. */
static void hold(struct rep_core *core, uint32_t from,
                 const struct rep_block *block, struct rep_bytes *body) {
  uint32_t at = core->held_count;

  while (at > 0 && core->held[at - 1].view >= block->view) {
    at--;
    if (core->held[at].view == block->view && core->held[at].from == from) {
      return;
    }
  }
  if (core->held_count == REP_HELD_MAX) {
    if (at == 0) {
      return;
    }
    forget_held(core, 0);
    at--;
  }
  memmove(&core->held[at + 1], &core->held[at],
          (core->held_count - at) * sizeof(core->held[0]));
  core->held[at] = (struct rep_held){.body = rep_bytes_ref(body),
                                     .parent = block->parent,
                                     .view = block->view,
                                     .from = from};
  core->held_count++;
}

/* The parent is there: adds the block and votes if the rules allow. */
static enum rep_verdict follow(struct rep_core *core, struct rep_block *block,
                               hs2n_time now) {
  struct rep_node *node;

  if (block->height != rep_tree_height(&core->tree, &block->parent) + 1) {
    return REP_WRONG;
  }
  node = rep_tree_add(&core->tree, block);
  if (node == NULL) {
    core->counters.dropped++;
    return REP_STALE;
  }
  core->unsettled = true;
  if (block->view == core->view && block->view > core->last_voted &&
      block->justify->view >= core->lock->view) {
    cast_vote(core, node);
  }
  rep_try_propose(core, now); /* the next view's votes may have come first */
  return REP_TAKEN;
}

/* What has to hold before a vote.  The leader's own signature is not among it:
 * whose message this is, the connection has proven.  It is for showing to
 * others later, so rep_settle looks at it when the vote has left. */
static enum rep_verdict consider(struct rep_core *core, uint32_t from,
                                 const struct rep_proposal *p,
                                 struct rep_bytes *body, hs2n_time now) {
  struct rep_block *const block = p->block;
  bool led_by_tc;

  if (block->proposer != from ||
      block->view > UINT64_MAX - REP_PROPOSAL_VIEWS ||
      !within_limits(core, block)) {
    return REP_WRONG;
  }
  /* The first of a view counts.  Should another one win, its certificate has
   * us ask for it. */
  if (block->view <= core->tree.root.view ||
      has_block_of_view(core, block->view)) {
    return REP_STALE;
  }
  led_by_tc = is_led_by_tc(core, p);
  if ((!led_by_tc && !rep_is_consecutive(block)) ||
      !rep_verify_cert(&core->verifier, block->justify)) {
    return REP_WRONG;
  }
  rep_take_cert(core, block->justify, now);
  if (led_by_tc && block->view > core->view) {
    rep_take_tc(core, p->tc, now);
  }
  if (!rep_tree_knows(&core->tree, &block->parent)) {
    hold(core, from, block, body);
    rep_sync_step(core, now);
    return REP_TAKEN;
  }
  if (!led_by_tc && !is_led_by_parent(core, block)) {
    return REP_WRONG;
  }
  return follow(core, block, now);
}

enum rep_verdict rep_on_proposal(struct rep_core *core, uint32_t from,
                                 struct rep_bytes *body, hs2n_time now) {
  struct rep_proposal p;
  enum rep_verdict verdict;

  if (!rep_proposal_decode(body, &core->crypto, &p)) {
    return REP_WRONG;
  }
  verdict = consider(core, from, &p, body, now);
  if (verdict == REP_TAKEN &&
      !rep_verify_proposal(&core->verifier, from, p.block->view, &p.block->hash,
                           p.signature)) {
    verdict = REP_WRONG;
  }
  rep_proposal_fini(&p);
  return verdict;
}

/* The first held proposal whose time has come or is over, if any. */
static bool next_held(const struct rep_core *core, uint32_t *out_i) {
  for (uint32_t i = 0; i < core->held_count; i++) {
    if (core->held[i].view <= core->tree.root.view ||
        rep_tree_knows(&core->tree, &core->held[i].parent)) {
      *out_i = i;
      return true;
    }
  }
  return false;
}

void rep_retry_held(struct rep_core *core, hs2n_time now) {
  uint32_t i;

  /* Ends, because a proposal whose parent is known is not held again. */
  while (next_held(core, &i)) {
    const uint32_t from = core->held[i].from;
    struct rep_bytes *const body = rep_bytes_ref(core->held[i].body);

    forget_held(core, i);
    (void)rep_on_proposal(core, from, body, now);
    rep_bytes_unref(body);
  }
}
