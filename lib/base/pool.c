#include "base/pool.h"

#include <assert.h>

/* A block that is kept is nobody's: AddressSanitizer shall say so, as it does
 * of freed memory. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_KEPT_BLOCKS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define POISON_KEPT_BLOCKS
#endif
#ifdef POISON_KEPT_BLOCKS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(ptr, len) ((void)(ptr), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(ptr, len) ((void)(ptr), (void)(len))
#endif

static_assert(HS2NI_POOL_BLOCK_MIN << (HS2NI_POOL_CLASSES - 1) ==
                  HS2NI_POOL_BLOCK_MAX,
              "the largest class is the largest block kept");

struct kept {
  struct kept *next;
};

static size_t class_bytes(unsigned index) {
  return (size_t)HS2NI_POOL_BLOCK_MIN << index;
}

/* The smallest class that holds len. */
static unsigned class_of(size_t len) {
  unsigned index = 0;

  while (class_bytes(index) < len) {
    index++;
  }
  return index;
}

void hs2ni_pool_init(struct hs2ni_pool *pool, struct hs2ni_env *env,
                     size_t keep_bytes) {
  *pool = (struct hs2ni_pool){.env = env, .keep_bytes = keep_bytes};
}

static struct kept *take_kept(struct hs2ni_pool *pool, unsigned index) {
  struct kept *block = pool->free_lists[index];

  if (block != NULL) {
    ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(index));
    pool->free_lists[index] = block->next;
    pool->kept_bytes -= class_bytes(index);
  }
  return block;
}

void hs2ni_pool_fini(struct hs2ni_pool *pool) {
  for (unsigned i = 0; i < HS2NI_POOL_CLASSES; i++) {
    struct kept *block;

    while ((block = take_kept(pool, i)) != NULL) {
      hs2ni_free(pool->env, block, class_bytes(i));
    }
  }
  assert(pool->kept_bytes == 0);
}

void *hs2ni_pool_take(struct hs2ni_pool *pool, size_t len) {
  unsigned index;
  void *block;

  assert(len > 0);
  if (len > HS2NI_POOL_BLOCK_MAX) {
    return hs2ni_alloc(pool->env, len);
  }
  index = class_of(len);
  block = take_kept(pool, index);
  if (block == NULL) {
    block = hs2ni_alloc(pool->env, class_bytes(index));
  }
  if (block != NULL) {
    /* What was not asked for is not there. */
    ASAN_POISON_MEMORY_REGION((char *)block + len, class_bytes(index) - len);
  }
  return block;
}

void hs2ni_pool_give(struct hs2ni_pool *pool, void *block, size_t len) {
  struct kept *kept = block;
  unsigned index;

  assert(len > 0);
  if (len > HS2NI_POOL_BLOCK_MAX) {
    hs2ni_free(pool->env, block, len);
    return;
  }
  index = class_of(len);
  ASAN_UNPOISON_MEMORY_REGION(block, class_bytes(index));
  if (pool->kept_bytes > pool->keep_bytes ||
      class_bytes(index) > pool->keep_bytes - pool->kept_bytes) {
    hs2ni_free(pool->env, block, class_bytes(index));
    return;
  }
  kept->next = pool->free_lists[index];
  pool->free_lists[index] = kept;
  pool->kept_bytes += class_bytes(index);
  ASAN_POISON_MEMORY_REGION(block, class_bytes(index));
}

size_t hs2ni_pool_footprint(size_t len) {
  return len > HS2NI_POOL_BLOCK_MAX ? len : class_bytes(class_of(len));
}
