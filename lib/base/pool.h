/* pool: memory blocks in power-of-two classes that are kept for reuse, so
 * that the steady state of a node allocates nothing.
 *
 * Blocks of at most HS2NI_POOL_BLOCK_MAX bytes are kept up to keep_bytes in
 * all; larger ones and what is beyond go straight to env->mem. */
#ifndef HS2NI_BASE_POOL_H
#define HS2NI_BASE_POOL_H

#include "base/env.h"

#define HS2NI_POOL_BLOCK_MIN 64u
#define HS2NI_POOL_BLOCK_MAX 131072u
#define HS2NI_POOL_CLASSES 12u

struct hs2ni_pool {
  struct hs2ni_env *env;
  void *free_lists[HS2NI_POOL_CLASSES];
  size_t kept_bytes;
  size_t keep_bytes;
};

void hs2ni_pool_init(struct hs2ni_pool *pool, struct hs2ni_env *env,
                     size_t keep_bytes);
/* All blocks taken must have come back. */
void hs2ni_pool_fini(struct hs2ni_pool *pool);
/* Not zeroed.  NULL when memory runs out.  len >= 1. */
void *hs2ni_pool_take(struct hs2ni_pool *pool, size_t len);
void hs2ni_pool_give(struct hs2ni_pool *pool, void *block, size_t len);
/* Bytes of env->mem that a block of len bytes takes. */
size_t hs2ni_pool_footprint(size_t len);

#endif /* HS2NI_BASE_POOL_H */
