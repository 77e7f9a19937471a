#include "test_env.h"
#include "tap.h"

struct line {
  enum hs2n_log_level level;
  char text[600];
  int lines;
};

static void keep_line(void *user_data, enum hs2n_log_level level,
                      const char *event, const char *text) {
  struct line *l = user_data;

  l->level = level;
  l->lines++;
  snprintf(l->text, sizeof(l->text), "%s|%s", event, text);
}

static void allocations_are_zeroed_and_failures_counted(void) {
  struct test_env t;
  unsigned char *bytes;

  test_env_init(&t, 2, 1);
  bytes = hs2ni_alloc(&t.env, 3);
  REQUIRE(bytes != NULL);
  CHECK_MEM(bytes, "\0\0\0", 3);
  CHECK(hs2ni_alloc(&t.env, 3) == NULL);
  CHECK_EQ(t.env.stats.allocation_failures, 1);
  hs2ni_free(&t.env, bytes, 3);
  hs2ni_free(&t.env, NULL, 3);
  CHECK_EQ(t.mem.live_bytes, 0);
}

static void the_libc_allocator_gives_zeroed_memory(void) {
  const struct hs2n_mem *mem = hs2n_mem_libc();
  char *bytes = mem->alloc(mem->user_data, 100);

  REQUIRE(bytes != NULL);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(bytes[i], 0);
  }
  mem->release(mem->user_data, bytes, 100);
  mem->release(mem->user_data, NULL, 100);
}

static void a_log_line_is_formatted_and_cut(void) {
  struct test_env t;
  struct line line = {0};
  char longer[800];

  test_env_init(&t, 0, 1);
  hs2ni_log(&t.env, HS2N_LOG_INFO, "nobody.listens", "n=%d", 1);
  t.env.log = keep_line;
  t.env.log_data = &line;
  hs2ni_log(&t.env, HS2N_LOG_WARN, "peer.up", "peer=%d key=%s", 3, "ab");
  CHECK_EQ(line.level, HS2N_LOG_WARN);
  CHECK_TEXT(line.text, "peer.up|peer=3 key=ab");
  memset(longer, 'x', sizeof(longer));
  longer[sizeof(longer) - 1] = '\0';
  hs2ni_log(&t.env, HS2N_LOG_DEBUG, "e", "%s", longer);
  CHECK_EQ(strlen(line.text), 2 + 511);
  CHECK_EQ(line.lines, 2);
}

int main(void) {
  RUN(allocations_are_zeroed_and_failures_counted);
  RUN(the_libc_allocator_gives_zeroed_memory);
  RUN(a_log_line_is_formatted_and_cut);
  return tap_done();
}
