/* The checks of the harness have to fail when they should. */
#include "ledger.h"

#include <stdlib.h>
#include <tap.h>

static struct ledger *l;

static void begin(void) {
  const struct rep_hash genesis = {{0}};

  l = malloc(sizeof(*l));
  if (l == NULL || !ledger_init(l, 4)) {
    abort();
  }
  for (uint32_t i = 0; i < 4; i++) {
    ledger_ready(l, i, 0, &genesis);
  }
  for (hs2n_time t = 0; t < 8; t++) {
    if (ledger_submit(l, 1000 + t) != t) {
      abort();
    }
  }
}

static void end(void) {
  ledger_fini(l);
  free(l);
}

/* A block whose hash is one byte, with up to 2 transactions (-1: none). */
static void commit(uint32_t replica, uint64_t height, uint8_t hash, int64_t a,
                   int64_t b) {
  uint8_t bytes[REP_CLIENT_COMMIT_HEAD + 2 * REP_CLIENT_ID_LEN] = {0};
  struct rep_writer w = rep_writer_of(bytes, sizeof(bytes));
  uint8_t *at;

  rep_write_be(&w, height, 8);
  rep_write_be(&w, height, 8);
  at = rep_write_room(&w, HS2N_HASH_LEN);
  memset(at, hash, HS2N_HASH_LEN);
  rep_write_be(&w, (a >= 0 ? 1u : 0u) + (b >= 0 ? 1u : 0u), 4);
  if (a >= 0) {
    rep_write_be(&w, (uint64_t)a, 8);
  }
  if (b >= 0) {
    rep_write_be(&w, (uint64_t)b, 8);
  }
  ledger_commit(l, replica, (struct hs2n_span){bytes, w.len}, 5000);
}

static void f_plus_1_reports_commit(void) {
  begin();
  commit(0, 1, 1, 0, 1);
  CHECK_EQ(l->txs_committed, 0);
  CHECK_EQ(l->height, 0);
  commit(2, 1, 1, 0, 1);
  CHECK_EQ(l->txs_committed, 2);
  CHECK_EQ(l->height, 1);
  commit(3, 1, 1, 0, 1);
  CHECK_EQ(l->txs_committed, 2);
  CHECK_EQ(ledger_outstanding(l), 6);
  CHECK_EQ(histogram_percentile(&l->latency, 1.0), 4000);
  CHECK_TEXT(l->wrong, "");
  end();
}

static void another_block_at_a_height_is_found(void) {
  begin();
  commit(0, 1, 1, 0, -1);
  commit(1, 1, 2, 0, -1);
  CHECK(strstr(l->wrong, "SAFETY: replica 1 committed another block") != NULL);
  end();
}

static void a_hole_is_found(void) {
  begin();
  commit(0, 1, 1, -1, -1);
  commit(0, 3, 3, -1, -1);
  CHECK(strstr(l->wrong, "SAFETY") != NULL);
  end();
}

static void committing_twice_is_found(void) {
  begin();
  commit(0, 1, 1, 5, -1);
  commit(1, 1, 1, 5, -1);
  commit(0, 2, 2, 5, -1);
  CHECK_TEXT(l->wrong, "");
  commit(1, 2, 2, 5, -1);
  CHECK(strstr(l->wrong, "transaction 5 was committed twice") != NULL);
  end();
}

static void an_invented_transaction_is_found(void) {
  begin();
  commit(0, 1, 1, 8, -1);
  commit(1, 1, 1, 8, -1);
  CHECK(strstr(l->wrong, "nobody has submitted") != NULL);
  end();
}

static void a_report_that_lies_about_its_length_is_found(void) {
  const uint8_t bytes[20] = {0};

  begin();
  ledger_commit(l, 0, (struct hs2n_span){bytes, sizeof(bytes)}, 1);
  CHECK(strstr(l->wrong, "can't be read") != NULL);
  end();
}

/* A replica that comes back may repeat what it had reported, but not
 * differently; and its silence about earlier heights hides nothing. */
static void a_restart_is_followed(void) {
  struct rep_hash hash;

  begin();
  for (uint64_t h = 1; h <= 3; h++) {
    commit(0, h, (uint8_t)h, (int64_t)h, -1);
  }
  commit(1, 1, 1, 1, -1);
  memset(hash.bytes, 3, sizeof(hash.bytes));
  ledger_ready(l, 1, 3, &hash); /* was at 1, its log knows more */
  commit(0, 4, 4, 4, -1);
  commit(1, 4, 4, 4, -1);
  CHECK_EQ(l->height, 4);
  CHECK_EQ(l->txs_committed, 2); /* of heights 1 and 4 */
  commit(2, 1, 1, 1, -1);
  commit(2, 2, 2, 2, -1);
  commit(2, 3, 3, 3, -1);
  CHECK_EQ(l->txs_committed, 4);
  CHECK_TEXT(l->wrong, "");
  memset(hash.bytes, 9, sizeof(hash.bytes));
  ledger_ready(l, 1, 2, &hash);
  CHECK(strstr(l->wrong, "SAFETY") != NULL);
  end();
}

int main(void) {
  RUN(f_plus_1_reports_commit);
  RUN(another_block_at_a_height_is_found);
  RUN(a_hole_is_found);
  RUN(committing_twice_is_found);
  RUN(an_invented_transaction_is_found);
  RUN(a_report_that_lies_about_its_length_is_found);
  RUN(a_restart_is_followed);
  return tap_done();
}
