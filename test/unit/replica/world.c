#include "world.h"

#include "fake_crypto.h"
#include "world_int.h"

#include <assert.h>
#include <stdlib.h>

void world_breaks(struct world *w, const char *what) {
  if (w->broken == NULL) {
    w->broken = what;
  }
}

static void check_vote(struct world_replica *r, struct hs2n_span body) {
  struct rep_vote vote;

  if ((int32_t)r->me == r->world->liar || !rep_vote_decode(body, &vote)) {
    return;
  }
  for (size_t i = r->votes_count; i-- > 0;) {
    if (r->votes[i].view == vote.view &&
        !rep_hash_eq(&r->votes[i].block, &vote.block)) {
      world_breaks(r->world, "a replica voted for two blocks of one view");
    }
    if (r->votes[i].view > vote.view) {
      world_breaks(r->world, "a replica voted in an earlier view");
    }
    if (r->votes_count - i > 16) {
      break; /* views rise, so older ones were compared before */
    }
  }
  r->votes = world_grow(r->votes, &r->votes_capacity, r->votes_count,
                        sizeof(*r->votes));
  r->votes[r->votes_count++] = (struct world_vote){vote.view, vote.block};
}

/* ---- the environment of a core ------------------------------------------ */

static void env_send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                     struct rep_bytes *body) {
  struct world_replica *const r = self;

  assert(to != r->me);
  if (kind == REP_VOTE) {
    check_vote(r, rep_bytes_span(body));
  }
  world_transmit(r->world, r->me, to, kind, view, body);
}

static void env_broadcast(void *self, enum rep_kind kind, uint64_t view,
                          struct rep_bytes *body) {
  struct world_replica *const r = self;

  if ((int32_t)r->me == r->world->liar && kind == REP_PROPOSAL) {
    world_lie(r->world, r->me, body);
    return;
  }
  if ((int32_t)r->me == r->world->mute && kind == REP_PROPOSAL) {
    return;
  }
  for (uint32_t to = 0; to < r->world->n; to++) {
    if (to != r->me) {
      world_transmit(r->world, r->me, to, kind, view, body);
    }
  }
}

static bool env_ask(void *self, const uint32_t *whom, uint32_t count,
                    struct rep_bytes *body, hs2n_time deadline) {
  return world_ask(self, whom, count, body, deadline);
}

static void env_enter_view(void *self, uint64_t view,
                           const uint32_t leaders[REP_LEADERS]) {
  (void)self;
  (void)view;
  (void)leaders;
}

static struct world_record *append(struct world_replica *r) {
  r->records = world_grow(r->records, &r->records_capacity, r->records_count,
                          sizeof(*r->records));
  return &r->records[r->records_count++];
}

static uint64_t env_append_block(void *self, const struct rep_block *block) {
  struct world_replica *const r = self;
  struct rep_bytes *const copy = rep_bytes_copy(block->encoding);
  struct rep_crypto crypto = fake_crypto(&r->me);

  *append(r) = (struct world_record){
      .block = rep_block_decode(rep_bytes_span(copy), copy, &crypto)};
  rep_bytes_unref(copy);
  return r->records_count - 1;
}

static void env_append_state(void *self, uint64_t seq,
                             const struct rep_state *state) {
  struct world_replica *const r = self;
  struct world *const w = r->world;
  struct world_record *const record = append(r);

  *record = (struct world_record){.state = *state, .seq = seq};
  record->state.lock = rep_cert_ref(state->lock);
  world_push(w,
             (struct world_event){.when = w->now + r->sync_more +
                                          world_random(w, w->net.sync_max + 1),
                                  .to = r->me,
                                  .life = r->life,
                                  .records = r->records_count,
                                  .seq = seq});
}

static void check_commit(struct world_replica *r,
                         const struct rep_block *block) {
  struct world *const w = r->world;

  if (block->height != r->height + 1) {
    world_breaks(w, "heights were not committed in order");
  }
  if (block->height >= WORLD_HEIGHTS_MAX) {
    abort();
  }
  if (block->height > w->height) {
    w->height = block->height;
    w->chain[block->height] = block->hash;
  } else if (!rep_hash_eq(&w->chain[block->height], &block->hash)) {
    world_breaks(w, "two replicas committed different blocks at one height");
  }
}

static void execute(struct world_replica *r, struct hs2n_span tx) {
  struct rep_reader reader = rep_reader_of(tx);
  const uint64_t id = rep_read_be(&reader, 8);

  if (id >= WORLD_TXS_MAX) {
    return; /* a twin's */
  }
  if (r->executed[id] != 0) {
    world_breaks(r->world, "a transaction was executed twice");
  }
  r->executed[id] = 1;
  r->world->tx_replicas[id] =
      (uint8_t)(r->world->tx_replicas[id] | 1u << r->me);
}

static void env_commit(void *self, struct rep_block *block, uint64_t log_pos,
                       const bool *fresh) {
  struct world_replica *const r = self;
  struct rep_reader txs = rep_reader_of(block->txs);
  struct hs2n_span tx;

  if ((int32_t)r->me != r->world->liar) {
    check_commit(r, block);
  }
  for (uint32_t i = 0; rep_tx_next(&txs, &tx); i++) {
    if (fresh[i] && (int32_t)r->me != r->world->liar) {
      execute(r, tx);
    }
  }
  r->height = block->height;
  r->positions[block->height] = log_pos;
}

static struct rep_bytes *env_load(void *self, uint64_t height) {
  const struct world_replica *const r = self;
  const struct rep_block *block;

  if (height == 0 || height > r->height) {
    return NULL;
  }
  block = r->records[r->positions[height]].block;
  return rep_bytes_copy(block->encoding);
}

/* ---- lives -------------------------------------------------------------- */

static struct rep_block *read_record(void *self, uint64_t pos) {
  const struct world_replica *const r = self;

  return rep_block_ref(r->records[pos].block);
}

static void reexecute(struct world_replica *r, const struct rep_replay *log) {
  r->height = rep_replay_height(log);
  memset(r->executed, 0, WORLD_TXS_MAX);
  for (uint64_t h = 1; h <= r->height; h++) {
    const uint64_t pos = rep_replay_pos(log, h);
    struct rep_reader txs = rep_reader_of(r->records[pos].block->txs);
    struct hs2n_span tx;

    r->positions[h] = pos;
    while (rep_tx_next(&txs, &tx)) {
      struct rep_reader reader = rep_reader_of(tx);
      const uint64_t id = rep_read_be(&reader, 8);

      if (id < WORLD_TXS_MAX) {
        r->executed[id] = 1; /* a repetition in the chain is legal */
      }
    }
  }
}

static void recover(struct world_replica *r) {
  struct rep_replay log = {0};
  struct rep_crypto crypto = fake_crypto(&r->me);
  struct rep_hash genesis;

  for (size_t i = 0; i < r->records_count; i++) {
    struct rep_state state = r->records[i].state;

    if (r->records[i].block != NULL) {
      (void)rep_replay_block(&log, r->records[i].block, i);
    } else {
      state.lock = rep_cert_ref(state.lock);
      rep_replay_state(&log, &state);
    }
  }
  rep_genesis_hash(&r->world->config.committee, &crypto, &genesis);
  if (!rep_replay_resolve(&log, &genesis)) {
    world_breaks(r->world, "the log lacks a committed block");
  } else {
    reexecute(r, &log);
    if (!rep_replay_into(&log, r->core, r->world->config.mempool.window_txs,
                         read_record, r)) {
      world_breaks(r->world, "a log can't be replayed");
    }
  }
  rep_replay_fini(&log);
}

static void begin(struct world *w, uint32_t i) {
  struct world_replica *const r = &w->replicas[i];
  const struct rep_env env = {.self = r,
                              .send = env_send,
                              .broadcast = env_broadcast,
                              .ask = env_ask,
                              .enter_view = env_enter_view,
                              .append_block = env_append_block,
                              .append_state = env_append_state,
                              .commit = env_commit,
                              .load = env_load};
  struct rep_crypto crypto = fake_crypto(&r->me);
  struct rep_config config = w->config;

  config.committee.me = i;
  config.mempool_secret[0] = (uint8_t)i;
  r->core = rep_core_new(&config, &env, &crypto);
  if (r->core == NULL) {
    abort();
  }
  recover(r);
  r->up = true;
  rep_core_start(r->core, w->now);
}

static void forget_record(struct world_record *record) {
  rep_block_unref(record->block);
  if (record->block == NULL) {
    rep_cert_unref(record->state.lock);
  }
}

void world_crash(struct world *w, uint32_t i) {
  struct world_replica *const r = &w->replicas[i];
  size_t keep;

  if (!r->up) {
    return;
  }
  /* Of what was not synced a part may have reached the disk all the same. */
  keep =
      r->durable + (size_t)world_random(w, r->records_count - r->durable + 1);
  while (r->records_count > keep) {
    r->records_count--;
    forget_record(&r->records[r->records_count]);
  }
  r->durable = r->records_count;
  world_forget_question(r);
  rep_core_free(r->core);
  r->core = NULL;
  r->up = false;
  r->life++;
}

void world_restart(struct world *w, uint32_t i) {
  if (!w->replicas[i].up && !w->replicas[i].disk_full) {
    begin(w, i);
  }
}

void world_init(struct world *w, uint32_t n, uint64_t seed) {
  *w = (struct world){.n = n,
                      .random = seed,
                      .liar = -1,
                      .mute = -1,
                      .net = {.delay_min = HS2N_US(100),
                              .delay_max = HS2N_MS(1),
                              .sync_max = HS2N_US(200)}};
  rep_config_default(&w->config);
  w->config.committee = (struct rep_committee){.n = n, .chain_id = "sim"};
  w->config.timer_min = HS2N_MS(20);
  w->config.timer_max = HS2N_MS(500);
  w->config.idle = HS2N_MS(5);
  w->config.sync_retry = HS2N_MS(20);
  w->config.block_txs_max = 64;
  w->config.block_bytes_max = 64u << 10;
  w->config.sync_bytes_max = 64u << 10;
  w->config.mempool = (struct rep_mempool_limits){
      .txs_max = 4096, .bytes_max = 1u << 20, .window_txs = 16384};
  for (uint32_t i = 0; i < n; i++) {
    struct world_replica *const r = &w->replicas[i];

    r->world = w;
    r->me = i;
    r->positions = calloc(WORLD_HEIGHTS_MAX, sizeof(*r->positions));
    r->executed = calloc(WORLD_TXS_MAX, 1);
    if (r->positions == NULL || r->executed == NULL) {
      abort();
    }
    begin(w, i);
  }
}

void world_fini(struct world *w) {
  for (uint32_t i = 0; i < w->n; i++) {
    struct world_replica *const r = &w->replicas[i];

    world_forget_question(r);
    rep_core_free(r->core);
    for (size_t k = 0; k < r->records_count; k++) {
      forget_record(&r->records[k]);
    }
    free(r->records);
    free(r->positions);
    free(r->executed);
    free(r->votes);
  }
  for (size_t i = 0; i < w->events_count; i++) {
    rep_bytes_unref(w->events[i].body);
  }
  free(w->events);
  for (size_t i = 0; i < WORLD_OLD_CERTS; i++) {
    rep_cert_unref(w->old_certs[i]);
  }
}
