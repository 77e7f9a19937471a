#include "core_int.h"

#include <assert.h>
#include <stdlib.h>

/* ---- configuration ------------------------------------------------------ */

void rep_config_default(struct rep_config *out) {
  *out = (struct rep_config){
      .timer_min = HS2N_MS(50),
      .timer_max = HS2N_S(4),
      .idle = HS2N_MS(25),
      .sync_retry = HS2N_MS(500),
      .block_txs_max = 4096,
      .block_bytes_max = 2u << 20,
      .sync_bytes_max = 2u << 20,
      .tree_blocks_max = 8192,
      .tree_bytes_max = (size_t)256 << 20,
      .mempool = {.txs_max = 1u << 18,
                  .bytes_max = (size_t)256 << 20,
                  .window_txs = 1u << 20},
  };
}

static const char *capacities_check(const struct rep_config *config) {
  if (config->block_txs_max == 0 || config->block_txs_max > 1u << 20) {
    return "block_txs_max";
  }
  if (config->block_bytes_max < 64u << 10 ||
      config->block_bytes_max > 32u << 20) {
    return "block_bytes_max";
  }
  if (config->sync_bytes_max < config->block_bytes_max ||
      config->sync_bytes_max > 32u << 20) {
    return "sync_bytes_max";
  }
  if (config->tree_blocks_max < 16) {
    return "tree_blocks_max";
  }
  if (config->tree_bytes_max < 16 * (size_t)config->block_bytes_max) {
    return "tree_bytes_max";
  }
  if (config->mempool.txs_max == 0 || config->mempool.txs_max > 1u << 26) {
    return "mempool_txs_max";
  }
  if (config->mempool.window_txs == 0 ||
      config->mempool.window_txs > 1u << 28) {
    return "window_txs";
  }
  return NULL;
}

const char *rep_config_check(const struct rep_config *config) {
  const struct rep_committee *const c = &config->committee;
  const size_t chain_len = strlen(c->chain_id);

  if (c->n < 4 || c->n > REP_N_MAX) {
    return "n";
  }
  if (c->me >= c->n) {
    return "me";
  }
  if (chain_len == 0 || chain_len > REP_CHAIN_ID_MAX) {
    return "chain_id";
  }
  if (config->timer_min == 0 || config->timer_max < config->timer_min ||
      config->timer_max > HS2N_S(3600)) {
    return "timer_min";
  }
  if (config->idle >= config->timer_min) {
    return "idle";
  }
  if (config->sync_retry == 0 || config->sync_retry > HS2N_S(3600)) {
    return "sync_retry";
  }
  return capacities_check(config);
}

/* ---- life --------------------------------------------------------------- */

static bool allocate(struct rep_core *core) {
  const struct rep_signers nobody = {{0}};
  const uint32_t txs_max = core->config.block_txs_max;

  core->lock = rep_cert_new(0, &core->verifier.genesis, &nobody);
  core->mempool =
      rep_mempool_new(&core->config.mempool, core->config.mempool_secret);
  core->fresh = calloc(txs_max, sizeof(*core->fresh));
  core->keys = calloc(txs_max, sizeof(*core->keys));
  return core->lock != NULL && core->mempool != NULL && core->fresh != NULL &&
         core->keys != NULL;
}

struct rep_core *rep_core_new(const struct rep_config *config,
                              const struct rep_env *env,
                              const struct rep_crypto *crypto) {
  struct rep_core *const core = calloc(1, sizeof(*core));
  struct rep_root genesis = {.height = 0};

  assert(rep_config_check(config) == NULL);
  if (core == NULL) {
    return NULL;
  }
  core->config = *config;
  core->env = *env;
  core->crypto = *crypto;
  core->quorum = rep_quorum(&config->committee);
  core->view = 1;
  core->pacemaker = (struct rep_pacemaker){.timer_min = config->timer_min,
                                           .timer_max = config->timer_max};
  rep_verifier_init(&core->verifier, &config->committee, crypto);
  genesis.hash = core->verifier.genesis;
  rep_tree_init(&core->tree, &config->committee, &genesis,
                config->tree_blocks_max, config->tree_bytes_max);
  if (!allocate(core)) {
    rep_core_free(core);
    return NULL;
  }
  return core;
}

void rep_core_free(struct rep_core *core) {
  if (core == NULL) {
    return;
  }
  for (uint32_t i = 0; i < core->waiting_count; i++) {
    rep_bytes_unref(core->waiting[i].body);
  }
  for (uint32_t i = 0; i < core->held_count; i++) {
    rep_bytes_unref(core->held[i].body);
  }
  rep_tc_unref(core->entry_tc);
  rep_cert_unref(core->lock);
  rep_tree_fini(&core->tree);
  rep_mempool_free(core->mempool);
  free(core->fresh);
  free(core->keys);
  free(core);
}

/* ---- after a restart ---------------------------------------------------- */

void rep_core_restore(struct rep_core *core, const struct rep_state *state) {
  struct rep_cert *const old = core->lock;

  assert(!core->started && core->tree.first == NULL);
  core->last_voted = state->last_voted;
  core->lock = rep_cert_ref(state->lock);
  rep_cert_unref(old);
  core->tree.root = state->committed;
  core->root_has_txs = true; /* perhaps; costs one empty block */
  core->view = core->lock->view + 1;
  if (core->last_voted > core->view) {
    core->view = core->last_voted;
  }
}

void rep_core_restore_committed(struct rep_core *core,
                                const struct rep_block *block) {
  struct rep_reader r = rep_reader_of(block->txs);
  struct hs2n_span tx;

  assert(!core->started);
  rep_line_extend(&core->tree.root_line, &core->config.committee,
                  rep_is_consecutive(block), block->proposer);
  while (rep_tx_next(&r, &tx)) {
    const uint64_t key = rep_mempool_key(core->mempool, tx);

    rep_mempool_commit(core->mempool, &key, 1, NULL);
  }
}

bool rep_core_restore_block(struct rep_core *core, struct rep_block *block,
                            uint64_t log_pos) {
  struct rep_node *node;

  assert(!core->started);
  if (rep_tree_knows(&core->tree, &block->hash) ||
      !rep_tree_knows(&core->tree, &block->parent) ||
      block->height != rep_tree_height(&core->tree, &block->parent) + 1) {
    return false;
  }
  node = rep_tree_add(&core->tree, block);
  if (node == NULL) {
    return false;
  }
  node->logged = true;
  node->log_pos = log_pos;
  return true;
}

/* ---- running ------------------------------------------------------------ */

void rep_core_start(struct rep_core *core, hs2n_time now) {
  assert(!core->started);
  core->started = true;
  core->unsettled = true;
  rep_pacemaker_enter(&core->pacemaker, now);
  rep_announce_view(core);
  rep_try_propose(core, now);
}

enum rep_verdict rep_core_receive(struct rep_core *core, uint32_t from,
                                  enum rep_kind kind, struct rep_bytes *body,
                                  hs2n_time now) {
  const struct hs2n_span span = rep_bytes_span(body);
  enum rep_verdict verdict = REP_WRONG;

  assert(core->started && from < core->config.committee.n);
  switch (kind) {
  case REP_PROPOSAL:
    verdict = rep_on_proposal(core, from, body, now);
    rep_retry_held(core, now);
    break;
  case REP_VOTE:
    verdict = rep_on_vote(core, from, span, now);
    break;
  case REP_NEW_VIEW:
    verdict = rep_on_new_view(core, from, span, now);
    break;
  case REP_TIMEOUT:
    verdict = rep_on_timeout(core, from, span, now);
    break;
  case REP_SYNC_REQUEST:
  case REP_SYNC_RESPONSE:
    break; /* have calls of their own */
  }
  if (verdict == REP_WRONG) {
    core->counters.wrong++;
  }
  return verdict;
}

/* What this replica says to itself needs no verification. */
static void tell_self(struct rep_core *core, const struct rep_waiting *w,
                      hs2n_time now) {
  struct rep_timeout timeout;
  struct rep_vote vote;

  if (w->kind == REP_VOTE && rep_vote_decode(rep_bytes_span(w->body), &vote)) {
    rep_count_vote(core, &vote, now);
  }
  if (w->kind == REP_TIMEOUT &&
      rep_timeout_decode(rep_bytes_span(w->body), &timeout)) {
    rep_count_timeout(core, &timeout, now);
    rep_cert_unref(timeout.high);
  }
}

void rep_core_stored(struct rep_core *core, uint64_t seq, hs2n_time now) {
  while (core->waiting_count > 0 && core->waiting[0].seq <= seq) {
    const struct rep_waiting w = core->waiting[0];

    core->waiting_count--;
    memmove(&core->waiting[0], &core->waiting[1],
            core->waiting_count * sizeof(core->waiting[0]));
    if (w.to == REP_TO_ALL) {
      core->env.broadcast(core->env.self, w.kind, w.view, w.body);
      tell_self(core, &w, now);
    } else if (w.to == rep_me(core)) {
      tell_self(core, &w, now);
    } else {
      core->env.send(core->env.self, w.to, w.kind, w.view, w.body);
    }
    rep_bytes_unref(w.body);
  }
}

size_t rep_core_tx_max(const struct rep_core *core) {
  /* The largest certificate leaves this much in any block. */
  const size_t overhead =
      256 + (size_t)core->quorum * HS2N_SIGNATURE_LEN + rep_tx_room(0);

  return core->config.block_bytes_max - overhead;
}

enum rep_mempool_result rep_core_submit(struct rep_core *core,
                                        struct hs2n_span tx, hs2n_time now) {
  (void)now; /* rep_core_deadline says when to propose it */
  assert(tx.len >= 1 && tx.len <= rep_core_tx_max(core));
  return rep_mempool_add(core->mempool, tx);
}

hs2n_time rep_core_deadline(const struct rep_core *core) {
  hs2n_time deadline = core->pacemaker.deadline;
  hs2n_time propose, sync;

  if (!core->started) {
    return HS2N_TIME_NEVER;
  }
  if (core->unsettled) {
    return 0;
  }
  propose = rep_propose_deadline(core);
  deadline = propose < deadline ? propose : deadline;
  sync = rep_sync_deadline(core);
  return sync < deadline ? sync : deadline;
}

void rep_core_tick(struct rep_core *core, hs2n_time now) {
  assert(core->started);
  if (core->unsettled) {
    rep_settle(core, now);
  }
  if (now >= core->pacemaker.deadline) {
    rep_time_out(core, core->view, now);
  }
  rep_try_propose(core, now);
  rep_sync_step(core, now);
}

void rep_core_set_rtt(struct rep_core *core, hs2n_time rtt) {
  core->pacemaker.rtt = rtt;
}

/* ---- looking ------------------------------------------------------------ */

void rep_core_info(const struct rep_core *core, struct rep_core_info *out) {
  *out = (struct rep_core_info){
      .view = core->view,
      .last_voted = core->last_voted,
      .lock_view = core->lock->view,
      .committed = core->tree.root,
      .pending_txs = rep_mempool_pending(core->mempool),
      .held_txs = rep_mempool_held(core->mempool),
      .tree_blocks = core->tree.count,
      .syncing = core->sync.open,
      .view_timeout = rep_pacemaker_timeout(&core->pacemaker),
      .counters = core->counters};
}

bool rep_core_has_room(const struct rep_core *core, size_t len) {
  return rep_mempool_has_room(core->mempool, len);
}
