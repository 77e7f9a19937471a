/* allocations: stands in for the C library's allocator to count its calls,
 * also those of the libraries below hs2net. */
#include "micro.h"

#include <errno.h>
#include <stdlib.h>

/* glibc's own names for what this file covers. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static atomic_ullong calls;

uint64_t allocation_count(void) {
  return atomic_load(&calls);
}

void *malloc(size_t size) {
  atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
  return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
  return __libc_calloc(n, size);
}

void *realloc(void *ptr, size_t size) {
  atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
  return __libc_realloc(ptr, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
  void *ptr;

  atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
  ptr = __libc_memalign(align, size);
  if (ptr == NULL) {
    return ENOMEM;
  }
  *out = ptr;
  return 0;
}
