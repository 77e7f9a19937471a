#include "quic/endpoint.h"

#include <string.h>

/* ngtcp2 frees without telling the length that hs2n_mem wants to hear. */
union header {
  size_t len;
  max_align_t align;
};

static void *take(size_t len, void *user_data) {
  union header *h;

  if (len == 0 || len > SIZE_MAX - sizeof(*h)) {
    return NULL;
  }
  h = hs2ni_alloc(user_data, sizeof(*h) + len);
  if (h == NULL) {
    return NULL;
  }
  h->len = len;
  return h + 1;
}

static void give(void *ptr, void *user_data) {
  union header *h;

  if (ptr == NULL) {
    return;
  }
  h = (union header *)ptr - 1;
  hs2ni_free(user_data, h, sizeof(*h) + h->len);
}

static void *take_array(size_t n, size_t size, void *user_data) {
  if (size != 0 && n > SIZE_MAX / size) {
    return NULL;
  }
  return take(n * size, user_data); /* hs2n_mem zeroes */
}

static void *resize(void *ptr, size_t len, void *user_data) {
  const union header *old;
  void *fresh;

  if (ptr == NULL) {
    return take(len, user_data);
  }
  old = (const union header *)ptr - 1;
  if (len <= old->len) {
    return ptr;
  }
  fresh = take(len, user_data);
  if (fresh != NULL) {
    memcpy(fresh, ptr, old->len);
    give(ptr, user_data);
  }
  return fresh;
}

void hs2ni_quic_mem_init(ngtcp2_mem *mem, struct hs2ni_env *env) {
  *mem = (ngtcp2_mem){
      .user_data = env,
      .malloc = take,
      .free = give,
      .calloc = take_array,
      .realloc = resize,
  };
}
