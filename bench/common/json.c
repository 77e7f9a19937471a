#include "json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void string(struct json *j, const char *text) {
  (void)putc('"', j->out);
  for (; *text != '\0'; text++) {
    const unsigned char c = (unsigned char)*text;

    if (c == '"' || c == '\\') {
      (void)putc('\\', j->out);
      (void)putc(c, j->out);
    } else if (c < 0x20) {
      (void)fprintf(j->out, "\\u%04x", (unsigned)c);
    } else {
      (void)putc(c, j->out);
    }
  }
  (void)putc('"', j->out);
}

static void line(struct json *j) {
  (void)putc('\n', j->out);
  for (int i = 0; i < j->depth; i++) {
    (void)fputs("  ", j->out);
  }
}

/* What comes before any value. */
static void place(struct json *j, const char *key) {
  if (!j->first[j->depth]) {
    (void)putc(',', j->out);
  }
  j->first[j->depth] = false;
  if (j->depth > 0) {
    line(j);
  }
  if (key != NULL) {
    string(j, key);
    (void)fputs(": ", j->out);
  }
}

static void open_with(struct json *j, const char *key, char opening,
                      char closing) {
  assert(j->depth < JSON_DEPTH_MAX);
  place(j, key);
  (void)putc(opening, j->out);
  j->depth++;
  j->first[j->depth] = true;
  j->closing[j->depth] = closing;
}

void json_begin(struct json *j, FILE *out) {
  *j = (struct json){.out = out};
  j->first[0] = true;
}

void json_object(struct json *j, const char *key) {
  open_with(j, key, '{', '}');
}

void json_array(struct json *j, const char *key) {
  open_with(j, key, '[', ']');
}

void json_end(struct json *j) {
  const bool empty = j->first[j->depth];
  const char closing = j->closing[j->depth];

  assert(j->depth > 0);
  j->depth--;
  if (!empty) {
    line(j);
  }
  (void)putc(closing, j->out);
}

void json_u64(struct json *j, const char *key, uint64_t value) {
  place(j, key);
  (void)fprintf(j->out, "%" PRIu64, value);
}

void json_number(struct json *j, const char *key, double value) {
  place(j, key);
  if (isfinite(value)) {
    (void)fprintf(j->out, "%.6g", value);
  } else {
    (void)fputs("null", j->out);
  }
}

void json_bool(struct json *j, const char *key, bool value) {
  place(j, key);
  (void)fputs(value ? "true" : "false", j->out);
}

void json_text(struct json *j, const char *key, const char *value) {
  place(j, key);
  if (value == NULL) {
    (void)fputs("null", j->out);
  } else {
    string(j, value);
  }
}

bool json_finish(struct json *j) {
  assert(j->depth == 0);
  (void)putc('\n', j->out);
  return fflush(j->out) == 0 && ferror(j->out) == 0;
}

bool json_file(const char *path, const char *program,
               void (*members)(struct json *j, const void *data),
               const void *data) {
  FILE *const out = fopen(path, "we");
  struct json j;
  bool good = out != NULL;

  if (good) {
    json_begin(&j, out);
    json_object(&j, NULL);
    json_text(&j, "program", program);
    members(&j, data);
    json_end(&j);
    good = json_finish(&j);
    good = fclose(out) == 0 && good;
  }
  if (!good) {
    (void)fprintf(stderr, "%s: %s: %s\n", program, path, strerror(errno));
  }
  return good;
}
