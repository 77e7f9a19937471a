#include "tap.h"
#include "test_mem.h"
#include "tls/tls_mem.h"

static void blocks_go_back_to_where_they_came_from(void) {
  struct test_mem t;
  void *p;

  test_mem_init(&t, 0);
  p = hs2ni_tls_malloc(10, &t.mem, 0);
  CHECK(p != NULL);
  hs2ni_tls_free(p, NULL, 0);
  CHECK_EQ(t.live_bytes, 0);
  hs2ni_tls_free(NULL, &t.mem, 0);
}

static void realloc_keeps_the_bytes(void) {
  struct test_mem t;
  char *p;
  char *q;

  test_mem_init(&t, 0);
  p = hs2ni_tls_realloc(NULL, 4, &t.mem, 0);
  CHECK(p != NULL);
  memcpy(p, "abc", 4);
  q = hs2ni_tls_realloc(p, 100, &t.mem, 0);
  CHECK_TEXT(q, "abc");
  q = hs2ni_tls_realloc(q, 2, &t.mem, 0);
  CHECK_EQ(q[1], 'b');
  hs2ni_tls_free(q, &t.mem, 0);
  CHECK_EQ(t.live_bytes, 0);
}

static void a_failed_realloc_leaves_the_block(void) {
  struct test_mem t;
  char *p;

  test_mem_init(&t, 2);
  p = hs2ni_tls_malloc(4, &t.mem, 0);
  memcpy(p, "abc", 4);
  CHECK(hs2ni_tls_realloc(p, 100, &t.mem, 0) == NULL);
  CHECK_TEXT(p, "abc");
  hs2ni_tls_free(p, &t.mem, 0);
}

static void absurd_sizes_are_refused(void) {
  CHECK(hs2ni_tls_malloc(SIZE_MAX, NULL, 0) == NULL);
}

int main(void) {
  RUN(blocks_go_back_to_where_they_came_from);
  RUN(realloc_keeps_the_bytes);
  RUN(a_failed_realloc_leaves_the_block);
  RUN(absurd_sizes_are_refused);
  return tap_done();
}
