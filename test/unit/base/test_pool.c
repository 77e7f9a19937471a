#include "base/pool.h"
#include "tap.h"
#include "test_env.h"

#define MIB (1u << 20)

static void a_block_given_is_the_next_one_taken(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  void *a;
  void *b;

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, MIB);
  a = hs2ni_pool_take(&pool, 100);
  hs2ni_pool_give(&pool, a, 100);
  b = hs2ni_pool_take(&pool, 65); /* same class, 65..128 */
  CHECK(a == b);
  CHECK_EQ(t.mem.requests, 1);
  a = hs2ni_pool_take(&pool, 64); /* the class below */
  CHECK_EQ(t.mem.requests, 2);
  hs2ni_pool_give(&pool, a, 64);
  hs2ni_pool_give(&pool, b, 65);
  CHECK_EQ(pool.kept_bytes, 64 + 128);
  hs2ni_pool_fini(&pool);
  CHECK_EQ(t.mem.live_bytes, 0);
}

static void keeps_no_more_than_it_may_and_no_large_block(void) {
  struct test_env t;
  struct hs2ni_pool pool;
  void *blocks[3];

  test_env_init(&t, 0, 1);
  hs2ni_pool_init(&pool, &t.env, 1024);
  for (int i = 0; i < 3; i++) {
    blocks[i] = hs2ni_pool_take(&pool, 512);
  }
  for (int i = 0; i < 3; i++) {
    hs2ni_pool_give(&pool, blocks[i], 512);
  }
  CHECK_EQ(pool.kept_bytes, 1024);
  CHECK_EQ(t.mem.live_bytes, 1024);
  blocks[0] = hs2ni_pool_take(&pool, HS2NI_POOL_BLOCK_MAX + 1);
  hs2ni_pool_give(&pool, blocks[0], HS2NI_POOL_BLOCK_MAX + 1);
  CHECK_EQ(t.mem.live_bytes, 1024);
  blocks[0] = hs2ni_pool_take(&pool, HS2NI_POOL_BLOCK_MAX);
  hs2ni_pool_give(&pool, blocks[0], HS2NI_POOL_BLOCK_MAX);
  CHECK_EQ(t.mem.live_bytes, 1024);
  hs2ni_pool_fini(&pool);
  CHECK_EQ(t.mem.live_bytes, 0);
}

static void says_when_memory_runs_out(void) {
  struct test_env t;
  struct hs2ni_pool pool;

  test_env_init(&t, 1, 1);
  hs2ni_pool_init(&pool, &t.env, MIB);
  CHECK(hs2ni_pool_take(&pool, 10) == NULL);
  t.mem.fail_at = 2;
  CHECK(hs2ni_pool_take(&pool, MIB) == NULL);
  CHECK_EQ(t.env.stats.allocation_failures, 2);
  hs2ni_pool_fini(&pool);
}

/* Blocks are written whole, so that two that overlap would be seen; counts
 * against what a map of live blocks says. */
static void random_sizes_never_overlap_and_all_come_back(void) {
  enum { LIVE = 32 };
  struct test_env t;
  struct hs2ni_pool pool;
  struct {
    uint8_t *at;
    size_t len;
    uint8_t fill;
  } live[LIVE] = {{0}};

  test_env_init(&t, 0, 9);
  hs2ni_pool_init(&pool, &t.env, 256 * 1024);
  for (int step = 0; step < 5000; step++) {
    const size_t i = hs2ni_rng_below(&t.env.rng, LIVE);

    if (live[i].at == NULL) {
      live[i].len = 1 + hs2ni_rng_below(&t.env.rng,
                                        2u << hs2ni_rng_below(&t.env.rng, 17));
      live[i].fill = (uint8_t)step;
      live[i].at = hs2ni_pool_take(&pool, live[i].len);
      memset(live[i].at, live[i].fill, live[i].len);
      continue;
    }
    for (size_t k = 0; k < live[i].len; k++) {
      REQUIRE(live[i].at[k] == live[i].fill);
    }
    hs2ni_pool_give(&pool, live[i].at, live[i].len);
    live[i].at = NULL;
    CHECK(pool.kept_bytes <= pool.keep_bytes);
  }
  for (int i = 0; i < LIVE; i++) {
    if (live[i].at != NULL) {
      hs2ni_pool_give(&pool, live[i].at, live[i].len);
    }
  }
  hs2ni_pool_fini(&pool);
  CHECK_EQ(t.mem.live_bytes, 0);
}

int main(void) {
  RUN(a_block_given_is_the_next_one_taken);
  RUN(keeps_no_more_than_it_may_and_no_large_block);
  RUN(says_when_memory_runs_out);
  RUN(random_sizes_never_overlap_and_all_come_back);
  return tap_done();
}
