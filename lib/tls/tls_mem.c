#include "tls/tls_mem.h"

#include <hs2net/mem.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

struct block {
  alignas(max_align_t) const struct hs2n_mem *mem;
  size_t len; /* without this header */
};

static struct block *block_of(void *ptr) {
  return (struct block *)ptr - 1;
}

void *hs2ni_tls_malloc(size_t len, void *heap, int type) {
  const struct hs2n_mem *mem = heap == NULL ? hs2n_mem_libc() : heap;
  struct block *b;

  (void)type;
  if (len > SIZE_MAX - sizeof(*b)) {
    return NULL;
  }
  b = mem->alloc(mem->user_data, sizeof(*b) + len);
  if (b == NULL) {
    return NULL;
  }
  b->mem = mem;
  b->len = len;
  return b + 1;
}

void hs2ni_tls_free(void *ptr, void *heap, int type) {
  struct block *b;

  (void)heap;
  (void)type;
  if (ptr == NULL) {
    return;
  }
  b = block_of(ptr);
  b->mem->release(b->mem->user_data, b, sizeof(*b) + b->len);
}

void *hs2ni_tls_realloc(void *ptr, size_t len, void *heap, int type) {
  void *grown;
  size_t kept;

  grown = hs2ni_tls_malloc(len, heap, type);
  if (grown == NULL || ptr == NULL) {
    return grown;
  }
  kept = block_of(ptr)->len;
  memcpy(grown, ptr, kept < len ? kept : len);
  hs2ni_tls_free(ptr, heap, type);
  return grown;
}
