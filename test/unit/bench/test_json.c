#include "json.h"

#include <stdlib.h>
#include <tap.h>
#include <unistd.h>

static char *text;
static size_t len;
static struct json j;

static void begin(void) {
  FILE *const out = open_memstream(&text, &len);

  if (out == NULL) {
    abort();
  }
  json_begin(&j, out);
}

static void expect(const char *want) {
  CHECK(json_finish(&j));
  (void)fclose(j.out);
  CHECK_TEXT(text, want);
  free(text);
}

static void nests_and_separates(void) {
  begin();
  json_object(&j, NULL);
  json_u64(&j, "n", UINT64_MAX);
  json_array(&j, "list");
  json_bool(&j, NULL, true);
  json_object(&j, NULL);
  json_end(&j);
  json_end(&j);
  json_array(&j, "none");
  json_end(&j);
  json_number(&j, "half", 0.5);
  json_end(&j);
  expect("{\n"
         "  \"n\": 18446744073709551615,\n"
         "  \"list\": [\n"
         "    true,\n"
         "    {}\n"
         "  ],\n"
         "  \"none\": [],\n"
         "  \"half\": 0.5\n"
         "}\n");
}

static void escapes_text(void) {
  begin();
  json_text(&j, NULL, "a\"b\\c\n\x01 \xc3\xa9");
  expect("\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa9\"\n");
}

static void has_no_word_for_infinity(void) {
  begin();
  json_array(&j, NULL);
  json_number(&j, NULL, 1.0 / 0.0);
  json_text(&j, NULL, NULL);
  json_end(&j);
  expect("[\n  null,\n  null\n]\n");
}

static void says_when_writing_failed(void) {
  FILE *const full = fopen("/dev/full", "w");

  REQUIRE(full != NULL);
  json_begin(&j, full);
  json_u64(&j, NULL, 1);
  CHECK(!json_finish(&j));
  (void)fclose(full);
}

static void add_number(struct json *to, const void *data) {
  const uint64_t *const number = data;

  json_u64(to, "n", *number);
}

static void writes_a_file_that_names_its_program(void) {
  const uint64_t number = 7;
  char path[] = "/tmp/hs2net-json-XXXXXX";
  char got[64] = "";
  const int fd = mkstemp(path);

  REQUIRE(fd >= 0);
  CHECK(json_file(path, "test", add_number, &number));
  CHECK(read(fd, got, sizeof(got) - 1) > 0);
  CHECK_TEXT(got, "{\n  \"program\": \"test\",\n  \"n\": 7\n}\n");
  (void)close(fd);
  (void)unlink(path);
}

static void tells_of_a_file_that_cannot_be_written(void) {
  const uint64_t number = 7;

  CHECK(!json_file("/nonexistent/x", "# test", add_number, &number));
  CHECK(!json_file("/dev/full", "# test", add_number, &number));
}

int main(void) {
  RUN(nests_and_separates);
  RUN(escapes_text);
  RUN(has_no_word_for_infinity);
  RUN(says_when_writing_failed);
  RUN(writes_a_file_that_names_its_program);
  RUN(tells_of_a_file_that_cannot_be_written);
  return tap_done();
}
