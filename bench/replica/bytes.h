/* bytes: a refcounted, immutable run of bytes.
 *
 * Messages and blocks live in these, so that a block is a slice of the
 * proposal that brought it and a broadcast to n peers holds one copy.  Not
 * atomic: one thread owns a replica. */
#ifndef REP_BYTES_H
#define REP_BYTES_H

#include <hs2net/types.h>

struct rep_bytes {
  uint32_t refs;
  size_t len;
  uint8_t data[];
};

/* New bytes with one reference and unspecified content, which the maker
 * fills in before anybody else sees it.  NULL when memory is out. */
struct rep_bytes *rep_bytes_new(size_t len);

/* New bytes with a copy of a span, or NULL when memory is out. */
struct rep_bytes *rep_bytes_copy(struct hs2n_span span);

/* Takes one more reference and returns bytes. */
struct rep_bytes *rep_bytes_ref(struct rep_bytes *bytes);

/* Drops one reference; the last one frees.  bytes may be NULL. */
void rep_bytes_unref(struct rep_bytes *bytes);

static inline struct hs2n_span rep_bytes_span(const struct rep_bytes *bytes) {
  return (struct hs2n_span){bytes->data, bytes->len};
}

#endif /* REP_BYTES_H */
