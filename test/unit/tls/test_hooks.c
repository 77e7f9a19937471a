#include "base/env.h"
#include "tap.h"
#include "test_mem.h"
#include "tls/hooks.h"

static void blocks_go_back_to_where_they_came_from(void) {
  struct test_mem t;
  struct hs2ni_env env = {.mem = &t.mem};
  void *p;

  test_mem_init(&t, 0);
  p = hs2ni_hook_malloc(10, &env, 0);
  CHECK(p != NULL);
  hs2ni_hook_free(p, NULL, 0);
  CHECK_EQ(t.live_bytes, 0);
  hs2ni_hook_free(NULL, &env, 0);
}

static void realloc_keeps_the_bytes(void) {
  struct test_mem t;
  struct hs2ni_env env = {.mem = &t.mem};
  char *p;
  char *q;

  test_mem_init(&t, 0);
  p = hs2ni_hook_realloc(NULL, 4, &env, 0);
  CHECK(p != NULL);
  memcpy(p, "abc", 4);
  q = hs2ni_hook_realloc(p, 100, &env, 0);
  CHECK_TEXT(q, "abc");
  q = hs2ni_hook_realloc(q, 2, &env, 0);
  CHECK_EQ(q[1], 'b');
  hs2ni_hook_free(q, &env, 0);
  CHECK_EQ(t.live_bytes, 0);
}

static void a_failed_realloc_leaves_the_block(void) {
  struct test_mem t;
  struct hs2ni_env env = {.mem = &t.mem};
  char *p;

  test_mem_init(&t, 2);
  p = hs2ni_hook_malloc(4, &env, 0);
  memcpy(p, "abc", 4);
  CHECK(hs2ni_hook_realloc(p, 100, &env, 0) == NULL);
  CHECK_TEXT(p, "abc");
  hs2ni_hook_free(p, &env, 0);
  CHECK_EQ(env.stats.allocation_failures, 1);
}

static int give_sevens(void *user_data, uint8_t *out, size_t len) {
  const int *fails = user_data;

  memset(out, 7, len);
  return *fails;
}

static void randomness_is_the_node_s(void) {
  int fails = 0;
  struct hs2ni_env env = {.rand = give_sevens, .rand_data = &fails};
  uint8_t out[4] = {0};

  CHECK_EQ(hs2ni_hook_random(&env, out, 4), 0);
  CHECK_MEM(out, "\7\7\7\7", 4);
  fails = 1;
  CHECK(hs2ni_hook_random(&env, out, 4) != 0);
}

static void without_a_node_there_is_no_randomness(void) {
  uint8_t out[4];

  CHECK(hs2ni_hook_random(NULL, out, sizeof(out)) != 0);
}

static void absurd_sizes_are_refused(void) {
  CHECK(hs2ni_hook_malloc(SIZE_MAX, NULL, 0) == NULL);
}

int main(void) {
  RUN(blocks_go_back_to_where_they_came_from);
  RUN(realloc_keeps_the_bytes);
  RUN(a_failed_realloc_leaves_the_block);
  RUN(absurd_sizes_are_refused);
  RUN(randomness_is_the_node_s);
  RUN(without_a_node_there_is_no_randomness);
  return tap_done();
}
