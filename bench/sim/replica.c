#include "replica.h"

#include <errno.h>

#define MEASURE_EVERY HS2N_MS(50)

/* ---- the disk as the medium of a log --------------------------------------
 */

static int disk_map(void *self, struct hs2n_span *out) {
  *out = hs2n_sim_disk_bytes(self);
  return 0;
}

static void disk_unmap(void *self, struct hs2n_span bytes) {
  (void)self;
  (void)bytes;
}

static int disk_truncate(void *self, uint64_t len) {
  hs2n_sim_disk_truncate(self, (size_t)len);
  return 0;
}

static int disk_read(void *self, uint64_t pos, uint8_t *out, size_t len) {
  const struct hs2n_span bytes = hs2n_sim_disk_bytes(self);

  if (pos > bytes.len || len > bytes.len - pos) {
    return EIO;
  }
  memcpy(out, bytes.data + pos, len);
  return 0;
}

static int disk_append(void *self, uint64_t pos, struct hs2n_span bytes) {
  const int err = hs2n_sim_disk_append(self, bytes);

  (void)pos;
  switch (err) {
  case HS2N_OK:
    return 0;
  case HS2N_ERR_FULL:
    return ENOSPC;
  default:
    return ENOMEM;
  }
}

static struct rep_medium medium_of(struct hs2n_sim_disk *disk) {
  return (struct rep_medium){.self = disk,
                             .map = disk_map,
                             .unmap = disk_unmap,
                             .truncate = disk_truncate,
                             .read = disk_read,
                             .append = disk_append};
}

/* ---- what has to hold of what it does
 * ------------------------------------------------
 */

/* Reads on in what a crash would leave of the log. */
static void read_durable(struct replica *r) {
  const struct hs2n_span bytes = hs2n_sim_disk_bytes(r->disk);
  const size_t durable = hs2n_sim_disk_durable(r->disk);
  struct rep_log_record record;
  struct rep_state state;

  while (r->durable_len < durable) {
    const struct hs2n_span rest = {bytes.data + r->durable_len,
                                   durable - r->durable_len};

    if (rep_log_next(&r->crc, rest, &record) != REP_LOG_OK) {
      return;
    }
    if (record.kind == REP_LOG_STATE &&
        rep_log_state_read(record.content, &state)) {
      if (state.last_voted != r->durable_vote) {
        r->vote_lock = state.lock->view;
      }
      r->durable_vote = state.last_voted;
      r->durable_lock = state.lock->view;
      rep_cert_unref(state.lock);
    }
    r->durable_len += REP_LOG_HEAD_LEN + record.content.len;
  }
}

/* What is said of a view may not be forgotten in a crash of this moment. */
static void must_be_durable(struct replica *r, uint64_t view) {
  read_durable(r);
  if (view > r->durable_vote) {
    hs2n_sim_fail(r->sim, r->node, "speaks before its log is durable");
  }
}

/* What it remembers after a start. */
static void must_remember(struct replica *r) {
  struct rep_core_info info;

  r->durable_len = 0;
  r->durable_vote = 0;
  r->durable_lock = 0;
  read_durable(r);
  rep_core_info(r->core, &info);
  if (info.last_voted < r->durable_vote || info.lock_view < r->durable_lock) {
    hs2n_sim_fail(r->sim, r->node, "forgets what its log says");
  }
}

/* Its lock is no newer than the certificate that the block extends; the log
 * says what it was when the vote was cast. */
static void must_respect_lock(struct replica *r, const struct rep_vote *vote) {
  for (size_t i = 0; vote->view == r->durable_vote && i < REPLICA_BLOCKS; i++) {
    if (rep_hash_eq(&r->blocks[i].hash, &vote->block) &&
        r->blocks[i].justify < r->vote_lock) {
      hs2n_sim_fail(r->sim, r->node, "votes for a block below its lock");
    }
  }
}

static void check_vote(struct replica *r, struct hs2n_span body) {
  struct rep_vote vote;

  judge_vote(r->judge, r->node, body);
  if (rep_vote_decode(body, &vote)) {
    must_be_durable(r, vote.view);
    must_respect_lock(r, &vote);
  }
}

static void says(void *self, enum rep_kind kind, uint64_t view,
                 struct hs2n_span body) {
  struct replica *const r = self;

  if (kind == REP_VOTE) {
    check_vote(r, body);
  } else if (kind == REP_TIMEOUT) {
    judge_timeout(r->judge, r->node, view - REP_TIMEOUT_VIEWS);
    must_be_durable(r, view - REP_TIMEOUT_VIEWS);
  }
}

static void takes_up(void *self, const struct rep_block *block) {
  struct replica *const r = self;

  r->blocks[r->blocks_next] = (struct replica_block){
      .hash = block->hash, .justify = block->justify->view};
  r->blocks_next = (r->blocks_next + 1) % REPLICA_BLOCKS;
  judge_taken_up(r->judge, r->node, block);
}

/* Between two steps: a replica commits several blocks in one. */
static void has_committed(struct hs2n_sim *sim, void *arg) {
  const struct replica *const r = arg;

  (void)sim;
  judge_committed_all(r->judge, r->node);
}

static void commits(void *self, const struct rep_block *block,
                    const bool *fresh) {
  struct replica *const r = self;

  judge_commit(r->judge, r->node, block, fresh);
  (void)hs2n_sim_at(r->sim, hs2n_sim_now(r->sim), has_committed, r);
}

/* ---- life ------------------------------------------------------------------
 */

static hs2n_time clock_of(void *self) {
  const struct replica *const r = self;

  return hs2n_sim_clock(r->sim, r->node);
}

void replica_configure(struct replica *r, struct hs2n_config *config,
                       struct hs2n_consensus *out_consensus) {
  r->keys.identity = config->identity;
  r->out.self = r;
  r->out.says = says;
  r->out.takes_up = takes_up;
  r->out.commits = commits;
  rep_net_init(&r->out.net, &r->config, clock_of, r);
  rep_net_configure(&r->out.net, &r->config, config);
  *out_consensus = r->out.net.methods;
}

/* Tells the judge which blocks the log has as committed. */
static bool reexecute(struct replica *r, const struct rep_crypto *crypto) {
  const uint64_t height = rep_store_height(r->out.store);

  judge_restored(r->judge, r->node, height);
  for (uint64_t h = 1; h <= height; h++) {
    struct rep_bytes *const bytes = rep_store_load(r->out.store, h);
    struct rep_block *block = NULL;

    if (bytes != NULL) {
      block = rep_block_decode(rep_bytes_span(bytes), bytes, crypto);
      rep_bytes_unref(bytes);
    }
    if (block == NULL) {
      return false;
    }
    judge_reexecuted(r->judge, r->node, block);
    rep_block_unref(block);
  }
  return true;
}

static const char *open_log(struct replica *r,
                            const struct rep_crypto *crypto) {
  const struct rep_medium medium = medium_of(r->disk);
  const struct rep_store_config config = {
      .medium = &medium, .committee = r->config.committee, .crypto = *crypto};
  const struct rep_env env = rep_outside_env(&r->out);
  const char *const wrong = rep_store_open(&r->out.store, &config);

  if (wrong != NULL) {
    return wrong;
  }
  r->core = rep_core_new(&r->config, &env, crypto);
  r->out.net.core = r->core;
  if (r->core == NULL) {
    return "out of memory";
  }
  if (!rep_store_restore(r->out.store, r->core, r->config.mempool.window_txs) ||
      !reexecute(r, crypto)) {
    return "the log can't be read back";
  }
  return NULL;
}

/* A process that can't go on ends.  What it promised is on its disk. */
static void crash(struct hs2n_sim *sim, void *arg) {
  const struct replica *const r = arg;

  hs2n_sim_crash(sim, r->node, false);
}

static void give_up(struct replica *r, const char *why) {
  hs2n_sim_note(r->sim, r->node, why);
  r->runs = false;
  (void)hs2n_sim_at(r->sim, hs2n_sim_now(r->sim), crash, r);
}

void replica_start(struct replica *r, struct hs2n_node *node,
                   struct hs2n_sim_disk *disk,
                   const struct hs2n_member *members) {
  const struct rep_crypto crypto = rep_crypto_hs2n(&r->keys);
  const char *wrong;

  r->out.net.node = node;
  r->disk = disk;
  r->syncs_n = 0;
  r->measure_next = 0;
  rep_crc32c_init(&r->crc);
  if (rep_net_set_members(&r->out.net, members) != HS2N_OK) {
    give_up(r, "has no memory for the members");
    return;
  }
  wrong = open_log(r, &crypto);
  if (wrong == NULL) {
    r->runs = true;
    must_remember(r);
    rep_core_start(r->core, clock_of(r));
  } else if (strcmp(wrong, strerror(ENOSPC)) == 0) {
    give_up(r, "finds its disk full");
  } else {
    hs2n_sim_fail(r->sim, r->node, wrong);
  }
}

void replica_stop(struct replica *r) {
  rep_core_free(r->core);
  rep_store_close(r->out.store);
  r->core = NULL;
  r->out.store = NULL;
  r->runs = false;
}

/* ---- running ---------------------------------------------------------------
 */

static void wait_for_disk(struct replica *r, uint64_t seq) {
  hs2n_time at = hs2n_sim_disk_sync(r->disk);

  /* What is durable later makes the earlier durable too. */
  if (r->syncs_n == REPLICA_SYNCS_MAX) {
    r->syncs_n--;
  }
  if (r->syncs_n > 0 && at < r->syncs[r->syncs_n - 1].at) {
    at = r->syncs[r->syncs_n - 1].at;
  }
  r->syncs[r->syncs_n++] = (struct replica_sync){
      .seq = seq, .len = hs2n_sim_disk_bytes(r->disk).len, .at = at};
}

static void take_synced(struct replica *r, hs2n_time now) {
  const size_t durable = hs2n_sim_disk_durable(r->disk);
  size_t done = 0;

  while (done < r->syncs_n && r->syncs[done].len <= durable) {
    done++;
  }
  if (done < r->syncs_n && r->syncs[done].at <= now) {
    r->syncs[done].at = now + HS2N_MS(1); /* the clock is ahead of the disk */
  }
  if (done > 0) {
    const uint64_t seq = r->syncs[done - 1].seq;

    r->syncs_n -= done;
    memmove(r->syncs, r->syncs + done, r->syncs_n * sizeof(r->syncs[0]));
    rep_core_stored(r->core, seq, now);
  }
}

/* Writes what was appended. */
static void settle(struct replica *r) {
  uint64_t seq;
  const int err = rep_store_flush(r->out.store, &seq);

  if (err != 0) {
    give_up(r, err == ENOSPC ? "stops: its disk is full"
                             : "stops: its disk has failed");
    return;
  }
  wait_for_disk(r, seq);
}

hs2n_time replica_deadline(const struct replica *r) {
  hs2n_time due;

  if (!r->runs) {
    return HS2N_TIME_NEVER;
  }
  if (rep_store_dirty(r->out.store)) {
    return 0;
  }
  due = rep_core_deadline(r->core);
  if (r->syncs_n > 0 && r->syncs[0].at < due) {
    due = r->syncs[0].at;
  }
  return r->measure_next < due ? r->measure_next : due;
}

void replica_tick(struct replica *r, hs2n_time now) {
  if (!r->runs) {
    return;
  }
  if (now >= r->measure_next) {
    r->measure_next = now + MEASURE_EVERY;
    rep_net_measure(&r->out.net);
  }
  take_synced(r, now);
  if (rep_core_deadline(r->core) <= now) {
    rep_core_tick(r->core, now);
  }
  if (rep_store_dirty(r->out.store)) {
    settle(r);
  }
}

void replica_submit(struct replica *r, struct hs2n_span tx) {
  if (r->runs) {
    (void)rep_core_submit(r->core, tx, clock_of(r));
  }
}
