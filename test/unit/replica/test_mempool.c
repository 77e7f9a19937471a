#include "mempool.h"
#include "siphash.h"

#include <stdlib.h>
#include <tap.h>

static const uint8_t secret[REP_MEMPOOL_KEY_LEN] = {1, 2, 3};
static struct rep_mempool *m;

static void begin(uint32_t txs_max, size_t bytes_max, uint32_t window) {
  const struct rep_mempool_limits limits = {
      .txs_max = txs_max, .bytes_max = bytes_max, .window_txs = window};

  m = rep_mempool_new(&limits, secret);
  if (m == NULL) {
    abort();
  }
}

static struct hs2n_span tx_of(uint32_t id, uint8_t out[8]) {
  memset(out, 0, 8);
  rep_put_be(out, id, 4);
  return (struct hs2n_span){out, 8};
}

static enum rep_mempool_result add(uint32_t id) {
  uint8_t bytes[8];

  return rep_mempool_add(m, tx_of(id, bytes));
}

static uint64_t key(uint32_t id) {
  uint8_t bytes[8];

  return rep_mempool_key(m, tx_of(id, bytes));
}

/* The ids of all pending transactions, in order: "1 2 3". */
static const char *pending(void) {
  static char text[256];
  static uint8_t bytes[4096];
  static uint64_t keys[256];
  struct rep_writer w = rep_writer_of(bytes, sizeof(bytes));
  struct rep_reader r;
  struct hs2n_span tx;
  size_t at = 0;
  size_t len;
  const uint32_t count = rep_mempool_fit(m, 256, sizeof(bytes), &len);

  rep_mempool_write(m, count, &w, keys);
  r = rep_reader_of((struct hs2n_span){bytes, w.len});
  text[0] = '\0';
  while (rep_tx_next(&r, &tx)) {
    struct rep_reader id = rep_reader_of(tx);

    at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u",
                           at > 0 ? " " : "", (unsigned)rep_read_be(&id, 4));
  }
  return text;
}

/* The vectors that other implementations test with: key 00..0f, input 00, 00
 * 01, and so on. */
static void hash_is_siphash_1_3(void) {
  uint8_t secret_bytes[16];
  const uint8_t input[] = {0, 1, 2, 3, 4, 5, 6, 7};

  for (uint8_t i = 0; i < 16; i++) {
    secret_bytes[i] = i;
  }
  CHECK(rep_siphash13(secret_bytes, (struct hs2n_span){input, 0}) ==
        0xabac0158050fc4dcu);
  CHECK(rep_siphash13(secret_bytes, (struct hs2n_span){input, 1}) ==
        0xc9f49bf37d57ca93u);
}

static void keys_depend_on_secret_and_content(void) {
  const uint8_t a[16] = {0};
  const uint8_t b[16] = {1};
  const uint8_t text[16] = "0123456789abcde";

  for (size_t len = 0; len < sizeof(text); len++) {
    const struct hs2n_span s = {text, len};
    const struct hs2n_span longer = {text, len + 1};

    CHECK(rep_siphash13(a, s) != rep_siphash13(b, s));
    CHECK(rep_siphash13(a, s) != rep_siphash13(a, longer));
    CHECK(rep_siphash13(a, s) == rep_siphash13(a, s));
  }
}

static void keeps_order_and_refuses_repetition(void) {
  begin(8, 1000, 8);
  CHECK_EQ(add(1), REP_TX_ADDED);
  CHECK_EQ(add(2), REP_TX_ADDED);
  CHECK_EQ(add(1), REP_TX_KNOWN);
  CHECK_EQ(add(3), REP_TX_ADDED);
  CHECK_TEXT(pending(), "1 2 3");
  rep_mempool_free(m);
}

static void fits_by_count_and_bytes(void) {
  size_t len;

  begin(8, 1000, 8);
  for (uint32_t i = 1; i <= 5; i++) {
    CHECK_EQ(add(i), REP_TX_ADDED);
  }
  CHECK_EQ(rep_mempool_fit(m, 3, 1000, &len), 3);
  CHECK_EQ(len, 36);
  CHECK_EQ(rep_mempool_fit(m, 9, 35, &len), 2);
  CHECK_EQ(len, 24);
  CHECK_EQ(rep_mempool_fit(m, 9, 11, &len), 0);
  rep_mempool_free(m);
}

static void is_full_by_count_and_bytes(void) {
  begin(3, 1000, 8);
  CHECK_EQ(add(1), REP_TX_ADDED);
  CHECK_EQ(add(2), REP_TX_ADDED);
  CHECK_EQ(add(3), REP_TX_ADDED);
  CHECK_EQ(add(4), REP_TX_FULL);
  CHECK_EQ(add(3), REP_TX_KNOWN);
  rep_mempool_free(m);
  begin(8, 16, 8);
  CHECK_EQ(add(1), REP_TX_ADDED);
  CHECK_EQ(add(2), REP_TX_ADDED);
  CHECK(!rep_mempool_has_room(m, 1));
  CHECK_EQ(add(3), REP_TX_FULL);
  rep_mempool_free(m);
}

static void a_branch_takes_and_gives_back(void) {
  uint64_t keys[2];

  begin(8, 1000, 8);
  for (uint32_t i = 1; i <= 4; i++) {
    CHECK_EQ(add(i), REP_TX_ADDED);
  }
  keys[0] = key(1);
  keys[1] = key(2);
  rep_mempool_enter(m, keys, 2);
  CHECK_TEXT(pending(), "3 4");
  CHECK_EQ(add(1), REP_TX_KNOWN);
  rep_mempool_leave(m, keys, 2);
  CHECK_TEXT(pending(), "1 2 3 4"); /* the oldest are first again */
  rep_mempool_enter(m, keys, 2);
  rep_mempool_commit(m, keys, 2, NULL);
  CHECK_TEXT(pending(), "3 4");
  CHECK_EQ(rep_mempool_held(m), 2);
  CHECK_EQ(add(1), REP_TX_COMMITTED);
  rep_mempool_free(m);
}

/* Blocks may bring a transaction before its client does. */
static void knows_what_only_blocks_had(void) {
  uint64_t keys[1];

  begin(8, 1000, 8);
  keys[0] = key(1);
  rep_mempool_enter(m, keys, 1);
  CHECK_EQ(add(1), REP_TX_ADDED);
  CHECK_TEXT(pending(), "");
  CHECK_EQ(add(1), REP_TX_KNOWN);
  rep_mempool_leave(m, keys, 1);
  CHECK_TEXT(pending(), "1");
  keys[0] = key(2);
  rep_mempool_enter(m, keys, 1);
  rep_mempool_leave(m, keys, 1);
  CHECK_EQ(add(2), REP_TX_ADDED);
  CHECK_TEXT(pending(), "1 2");
  rep_mempool_free(m);
}

static void a_block_may_repeat_a_transaction(void) {
  uint64_t keys[2];
  bool fresh[2] = {false, true};

  begin(8, 1000, 8);
  CHECK_EQ(add(1), REP_TX_ADDED);
  keys[0] = keys[1] = key(1);
  rep_mempool_enter(m, keys, 2);
  rep_mempool_leave(m, keys, 2);
  CHECK_TEXT(pending(), "1");
  rep_mempool_enter(m, keys, 2);
  rep_mempool_commit(m, keys, 2, fresh);
  CHECK(fresh[0]);
  CHECK(!fresh[1]);
  CHECK_TEXT(pending(), "");
  rep_mempool_free(m);
}

static void forgets_what_left_the_window(void) {
  begin(8, 1000, 3);
  for (uint32_t i = 1; i <= 4; i++) {
    const uint64_t k = key(i);

    rep_mempool_commit(m, &k, 1, NULL);
  }
  CHECK_EQ(add(2), REP_TX_COMMITTED);
  CHECK_EQ(add(4), REP_TX_COMMITTED);
  CHECK_EQ(add(1), REP_TX_ADDED);
  rep_mempool_free(m);
}

/* The window against a plain list, with keys that collide in its table. */
static void window_is_like_a_list(void) {
  uint64_t list[64];
  struct rep_window w;
  uint64_t random = 1;
  uint32_t count = 0;

  REQUIRE(rep_window_init(&w, 64));
  for (int step = 0; step < 20000; step++) {
    uint64_t k;
    bool known = false;

    random = random * 6364136223846793005u + 1442695040888963407u;
    k = random >> 57; /* 0..127, twice what the window holds */
    k = k < 64 ? k : k << 32 | 5;
    for (uint32_t i = 0; i < count; i++) {
      known = known || list[i] == (k == 0 ? 1 : k);
    }
    CHECK_EQ(rep_window_has(&w, k), known);
    CHECK_EQ(rep_window_add(&w, k), !known);
    if (!known) {
      if (count == 64) {
        memmove(list, list + 1, 63 * sizeof(list[0]));
        count--;
      }
      list[count++] = k == 0 ? 1 : k;
    }
  }
  rep_window_fini(&w);
}

int main(void) {
  RUN(hash_is_siphash_1_3);
  RUN(keys_depend_on_secret_and_content);
  RUN(keeps_order_and_refuses_repetition);
  RUN(fits_by_count_and_bytes);
  RUN(is_full_by_count_and_bytes);
  RUN(a_branch_takes_and_gives_back);
  RUN(knows_what_only_blocks_had);
  RUN(a_block_may_repeat_a_transaction);
  RUN(forgets_what_left_the_window);
  RUN(window_is_like_a_list);
  return tap_done();
}
