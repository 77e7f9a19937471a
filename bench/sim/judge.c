#include "judge.h"

#include <stdlib.h>

bool judge_init(struct judge *j, struct hs2n_sim *sim, uint32_t n,
                uint32_t replicas) {
  *j = (struct judge){.sim = sim, .n = n, .replicas_n = replicas};
  j->replicas = calloc(n, sizeof(*j->replicas));
  for (uint32_t i = 0; j->replicas != NULL && i < n; i++) {
    j->replicas[i].honest = true;
  }
  return j->replicas != NULL;
}

void judge_fini(struct judge *j) {
  for (uint32_t i = 0; j->replicas != NULL && i < j->n; i++) {
    free(j->replicas[i].executed);
  }
  blocks_fini(&j->blocks);
  free(j->replicas);
  free(j->chain);
  free(j->submitted);
}

/* An array that holds at least need elements, or NULL. */
static void *grow(void *array, uint64_t *capacity, uint64_t need, size_t size) {
  uint64_t n = *capacity == 0 ? 1024 : *capacity;
  void *grown;

  if (need <= *capacity) {
    return array;
  }
  while (n < need) {
    n *= 2;
  }
  grown = realloc(array, (size_t)n * size);
  if (grown != NULL) {
    *capacity = n;
  }
  return grown;
}

uint64_t judge_submit(struct judge *j) {
  hs2n_time *grown =
      grow(j->submitted, &j->txs_capacity, j->txs + 1, sizeof(*j->submitted));

  if (grown == NULL) {
    return UINT64_MAX;
  }
  j->submitted = grown;
  j->submitted[j->txs] = hs2n_sim_now(j->sim);
  return j->txs++;
}

void judge_restored(struct judge *j, uint32_t me, uint64_t height) {
  struct judge_replica *const r = &j->replicas[me];

  r->height = height;
  r->final_view = 0;
  if (r->executed_n > 0) {
    memset(r->executed, 0, r->executed_n);
  }
}

void judge_lost_disk(struct judge *j, uint32_t me) {
  j->replicas[me].honest = false;
}

void judge_vote(struct judge *j, uint32_t me, struct hs2n_span body) {
  struct judge_replica *const r = &j->replicas[me];
  struct rep_vote vote;

  if (!r->honest || !rep_vote_decode(body, &vote)) {
    return;
  }
  if (vote.view <= r->timed_out) {
    hs2n_sim_fail(j->sim, me, "votes in a view that it has timed out");
  } else if (vote.view < r->last.view) {
    hs2n_sim_fail(j->sim, me, "votes in an earlier view");
  } else if (vote.view == r->last.view &&
             !rep_hash_eq(&vote.block, &r->last.block)) {
    hs2n_sim_fail(j->sim, me, "votes for two blocks of one view");
  }
  r->last = vote;
}

void judge_timeout(struct judge *j, uint32_t me, uint64_t view) {
  struct judge_replica *const r = &j->replicas[me];

  if (view > r->timed_out) {
    r->timed_out = view;
  }
}

/* Number of one of the judge's transactions, or UINT64_MAX. */
static uint64_t tx_number(const struct judge *j, struct hs2n_span tx) {
  struct rep_reader reader = rep_reader_of(tx);
  const uint64_t id = rep_read_be(&reader, 8);

  return reader.failed || id >= j->txs ? UINT64_MAX : id;
}

static bool test_and_set(struct judge_replica *r, uint64_t tx, bool *out_was) {
  const size_t need = (size_t)(tx / 8) + 1;

  if (need > r->executed_n) {
    const size_t n = 2 * need;
    uint8_t *const grown = realloc(r->executed, n);

    if (grown == NULL) {
      return false;
    }
    memset(grown + r->executed_n, 0, n - r->executed_n);
    r->executed = grown;
    r->executed_n = n;
  }
  *out_was = (r->executed[tx / 8] >> tx % 8 & 1) != 0;
  r->executed[tx / 8] = (uint8_t)(r->executed[tx / 8] | 1u << tx % 8);
  return true;
}

static void execute(struct judge *j, uint32_t me, struct hs2n_span bytes) {
  struct judge_replica *const r = &j->replicas[me];
  const uint64_t tx = tx_number(j, bytes);
  bool was = false;

  if (tx == UINT64_MAX) {
    hs2n_sim_fail(j->sim, me, "executes what nobody submitted");
    return;
  }
  if (!test_and_set(r, tx, &was)) {
    hs2n_sim_fail(j->sim, me, "the judge has no memory");
  } else if (was) {
    hs2n_sim_fail(j->sim, me, "executes a transaction twice");
  }
  r->txs++;
  histogram_record(&j->latency, hs2n_sim_now(j->sim) - j->submitted[tx]);
}

void judge_reexecuted(struct judge *j, uint32_t me,
                      const struct rep_block *block) {
  struct rep_reader txs = rep_reader_of(block->txs);
  struct hs2n_span bytes;
  bool was;

  while (rep_tx_next(&txs, &bytes)) {
    const uint64_t tx = tx_number(j, bytes);

    if (tx != UINT64_MAX) {
      (void)test_and_set(&j->replicas[me], tx, &was);
    }
  }
}

static void check_chain(struct judge *j, uint32_t me,
                        const struct rep_block *block) {
  struct rep_hash *const grown =
      grow(j->chain, &j->chain_capacity, block->height + 1, sizeof(*j->chain));

  if (grown == NULL) {
    hs2n_sim_fail(j->sim, me, "the judge has no memory");
    return;
  }
  j->chain = grown;
  if (block->height > j->height) {
    j->height = block->height;
    j->chain[block->height] = block->hash;
  } else if (!rep_hash_eq(&j->chain[block->height], &block->hash)) {
    hs2n_sim_fail(j->sim, me, "commits another block than others");
  }
}

void judge_commit(struct judge *j, uint32_t me, const struct rep_block *block,
                  const bool *fresh) {
  struct judge_replica *const r = &j->replicas[me];
  struct rep_reader txs = rep_reader_of(block->txs);
  struct hs2n_span tx;

  if (block->height != r->height + 1) {
    hs2n_sim_fail(j->sim, me, "commits heights out of order");
  }
  r->height = block->height;
  r->final = block->hash;
  r->final_view = block->view;
  if (r->honest) {
    check_chain(j, me, block);
  }
  for (uint32_t i = 0; rep_tx_next(&txs, &tx); i++) {
    if (fresh[i] && r->honest) {
      execute(j, me, tx);
    }
  }
}

void judge_taken_up(struct judge *j, uint32_t me,
                    const struct rep_block *block) {
  if (!blocks_take(&j->blocks, me % j->replicas_n, block)) {
    hs2n_sim_fail(j->sim, me, "the judge has no memory");
  }
}

void judge_committed_all(struct judge *j, uint32_t me) {
  const struct judge_replica *const r = &j->replicas[me];
  /* Of 3f + 1, not what the replicas take for one. */
  const uint32_t quorum = j->replicas_n - (j->replicas_n - 1) / 3;

  if (r->honest && r->final_view > 0 &&
      blocks_child_takers(&j->blocks, &r->final, r->final_view + 1) < quorum) {
    hs2n_sim_fail(j->sim, me, "commits what no quorum has confirmed");
  }
}

uint64_t judge_lowest(const struct judge *j) {
  uint64_t lowest = UINT64_MAX;

  for (uint32_t i = 0; i < j->n; i++) {
    if (j->replicas[i].honest && hs2n_sim_running(j->sim, i) &&
        j->replicas[i].height < lowest) {
      lowest = j->replicas[i].height;
    }
  }
  return lowest;
}

bool judge_executed_by_all(const struct judge *j, uint64_t tx) {
  for (uint32_t i = 0; i < j->n; i++) {
    const struct judge_replica *const r = &j->replicas[i];

    if (r->honest && hs2n_sim_running(j->sim, i) &&
        (tx / 8 >= r->executed_n || (r->executed[tx / 8] >> tx % 8 & 1) == 0)) {
      return false;
    }
  }
  return true;
}
