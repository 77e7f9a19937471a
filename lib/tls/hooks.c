#include "tls/hooks.h"

#include "base/env.h"

#include <wolfssl/options.h>

#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct block {
  alignas(max_align_t) struct hs2ni_env *env;
  size_t len; /* without this header */
};

static struct block *block_of(void *ptr) {
  return (struct block *)ptr - 1;
}

void *hs2ni_hook_malloc(size_t n, void *heap, int type) {
  const struct hs2n_mem *libc = hs2n_mem_libc();
  struct hs2ni_env *env = heap;
  struct block *b;

  (void)type;
  if (n > SIZE_MAX - sizeof(*b)) {
    return NULL;
  }
  b = env != NULL ? hs2ni_alloc(env, sizeof(*b) + n)
                  : libc->alloc(libc->user_data, sizeof(*b) + n);
  if (b == NULL) {
    return NULL;
  }
  b->env = env;
  b->len = n;
  return b + 1;
}

void hs2ni_hook_free(void *p, void *heap, int type) {
  const struct hs2n_mem *libc = hs2n_mem_libc();
  struct block *b;

  (void)heap;
  (void)type;
  if (p == NULL) {
    return;
  }
  b = block_of(p);
  if (b->env != NULL) {
    hs2ni_free(b->env, b, sizeof(*b) + b->len);
  } else {
    libc->release(libc->user_data, b, sizeof(*b) + b->len);
  }
}

void *hs2ni_hook_realloc(void *p, size_t n, void *heap, int type) {
  void *grown;
  size_t kept;

  grown = hs2ni_hook_malloc(n, heap, type);
  if (grown == NULL || p == NULL) {
    return grown;
  }
  kept = block_of(p)->len;
  memcpy(grown, p, kept < n ? kept : n);
  hs2ni_hook_free(p, heap, type);
  return grown;
}

int hs2ni_hook_random(void *heap, unsigned char *out, unsigned len) {
  const struct hs2ni_env *env = heap;

  /* Nothing that concerns a peer may come from a generator without a node. */
  if (env == NULL || env->rand(env->rand_data, out, len) != 0) {
    return RNG_FAILURE_E;
  }
  return 0;
}
