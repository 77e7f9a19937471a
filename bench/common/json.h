/* json: writes RFC 8259 text to a stream, with commas and indentation in
 * their places.
 *
 *   json_begin(&j, stdout);
 *   json_object(&j, NULL);
 *   json_u64(&j, "tx", 40000);
 *   json_end(&j);                     one for each object and array
 *   ok = json_finish(&j);
 *
 * A key is NULL in arrays and at the top. */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json {
  FILE *out;
  int depth;
  bool first[JSON_DEPTH_MAX + 1];
  char closing[JSON_DEPTH_MAX + 1];
};

void json_begin(struct json *j, FILE *out);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j);
void json_u64(struct json *j, const char *key, uint64_t value);
/* Not finite: null. */
void json_number(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
/* UTF-8; NULL: null. */
void json_text(struct json *j, const char *key, const char *value);

/* Ends the text with a newline; false when writing failed. */
bool json_finish(struct json *j);

/* Writes a file of one object: "program", then what members adds of data.
 * Says on standard error what fails, and returns false. */
bool json_file(const char *path, const char *program,
               void (*members)(struct json *j, const void *data),
               const void *data);

#endif /* BENCH_JSON_H */
