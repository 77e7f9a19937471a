/* cursor: bounds-checked reading and writing of big-endian fields.
 *
 * Both remember failure, so that a straight run of reads or writes needs one
 * check at its end; after a failure reads give zeros and nothing moves. */
#ifndef REP_CURSOR_H
#define REP_CURSOR_H

#include <hs2net/types.h>
#include <stdbool.h>
#include <string.h>

struct rep_reader {
  struct hs2n_span rest;
  bool failed;
};

static inline struct rep_reader rep_reader_of(struct hs2n_span span) {
  return (struct rep_reader){.rest = span};
}

/* The next len bytes, borrowed from the input; empty when there are fewer. */
static inline struct hs2n_span rep_read_span(struct rep_reader *r, size_t len) {
  struct hs2n_span got = {NULL, 0};

  if (r->failed || len > r->rest.len) {
    r->failed = true;
    return got;
  }
  if (len == 0) {
    return got;
  }
  got = (struct hs2n_span){r->rest.data, len};
  r->rest.data += len;
  r->rest.len -= len;
  return got;
}

/* An unsigned number of 1..8 bytes. */
static inline uint64_t rep_read_be(struct rep_reader *r, size_t len) {
  const struct hs2n_span s = rep_read_span(r, len);
  uint64_t value = 0;

  if (s.data == NULL) {
    return 0;
  }
  for (size_t i = 0; i < len; i++) { /* len is a constant: one load */
    value = value << 8 | s.data[i];
  }
  return value;
}

static inline void rep_read_copy(struct rep_reader *r, uint8_t *out,
                                 size_t len) {
  const struct hs2n_span s = rep_read_span(r, len);

  memset(out, 0, len);
  if (s.len > 0) {
    memcpy(out, s.data, s.len);
  }
}

/* Whether all reads succeeded and nothing is left. */
static inline bool rep_reader_done(const struct rep_reader *r) {
  return !r->failed && r->rest.len == 0;
}

struct rep_writer {
  uint8_t *out;
  size_t capacity;
  size_t len;
  bool failed;
};

static inline struct rep_writer rep_writer_of(uint8_t *out, size_t capacity) {
  return (struct rep_writer){.out = out, .capacity = capacity};
}

/* Room for len bytes that the caller fills in, or NULL. */
static inline uint8_t *rep_write_room(struct rep_writer *w, size_t len) {
  uint8_t *at;

  if (w->failed || len > w->capacity - w->len) {
    w->failed = true;
    return NULL;
  }
  at = w->out + w->len;
  w->len += len;
  return at;
}

static inline void rep_put_be(uint8_t *out, uint64_t value, size_t len) {
  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
  }
}

static inline void rep_write_be(struct rep_writer *w, uint64_t value,
                                size_t len) {
  uint8_t *const at = rep_write_room(w, len);

  if (at != NULL) {
    rep_put_be(at, value, len);
  }
}

static inline void rep_write_copy(struct rep_writer *w, const uint8_t *data,
                                  size_t len) {
  uint8_t *const at = rep_write_room(w, len);

  if (at != NULL && len > 0) {
    memcpy(at, data, len);
  }
}

#endif /* REP_CURSOR_H */
