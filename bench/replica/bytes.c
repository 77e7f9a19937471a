#include "bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct rep_bytes *rep_bytes_new(size_t len) {
  struct rep_bytes *bytes;

  if (len > SIZE_MAX - sizeof(*bytes)) {
    return NULL;
  }
  bytes = malloc(sizeof(*bytes) + len);
  if (bytes != NULL) {
    bytes->refs = 1;
    bytes->len = len;
  }
  return bytes;
}

struct rep_bytes *rep_bytes_copy(struct hs2n_span span) {
  struct rep_bytes *bytes = rep_bytes_new(span.len);

  if (bytes != NULL && span.len > 0) {
    memcpy(bytes->data, span.data, span.len);
  }
  return bytes;
}

struct rep_bytes *rep_bytes_ref(struct rep_bytes *bytes) {
  assert(bytes->refs > 0);
  bytes->refs++;
  return bytes;
}

void rep_bytes_unref(struct rep_bytes *bytes) {
  if (bytes == NULL) {
    return;
  }
  assert(bytes->refs > 0);
  bytes->refs--;
  if (bytes->refs == 0) {
    free(bytes);
  }
}
