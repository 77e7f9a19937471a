#include "node/post.h"

#include <hs2net/error.h>

static uint64_t slots_for(const struct hs2n_limits *limits) {
  uint64_t n = 2;

  while (n < limits->posts_max) {
    n *= 2;
  }
  return n;
}

static size_t slots_size(uint64_t n) {
  return (size_t)n * sizeof(struct hs2ni_post_slot);
}

uint64_t hs2ni_posts_footprint(const struct hs2n_limits *limits) {
  return slots_size(slots_for(limits));
}

int hs2ni_posts_init(struct hs2ni_posts *posts, struct hs2ni_env *env) {
  const uint64_t n = slots_for(&env->limits);

  posts->slots = hs2ni_alloc(env, slots_size(n));
  if (posts->slots == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  posts->mask = n - 1;
  posts->head = 0;
  atomic_init(&posts->tail, 0);
  atomic_init(&posts->closed, false);
  /* Slot i is free for the producer whose turn is i. */
  for (uint64_t i = 0; i < n; i++) {
    atomic_init(&posts->slots[i].turn, i);
  }
  return HS2N_OK;
}

void hs2ni_posts_fini(struct hs2ni_posts *posts, struct hs2ni_env *env) {
  if (posts->slots != NULL) {
    hs2ni_free(env, posts->slots, slots_size(posts->mask + 1));
    posts->slots = NULL;
  }
}

int hs2ni_posts_put(struct hs2ni_posts *posts, hs2ni_post_fn fn, void *arg) {
  uint64_t mine = atomic_load_explicit(&posts->tail, memory_order_relaxed);
  struct hs2ni_post_slot *slot;

  if (atomic_load_explicit(&posts->closed, memory_order_acquire)) {
    return HS2N_ERR_CLOSED;
  }
  for (;;) {
    uint64_t turn;

    slot = &posts->slots[mine & posts->mask];
    turn = atomic_load_explicit(&slot->turn, memory_order_acquire);
    if (turn == mine) {
      if (atomic_compare_exchange_weak_explicit(&posts->tail, &mine, mine + 1,
                                                memory_order_relaxed,
                                                memory_order_relaxed)) {
        break;
      }
    } else if (turn < mine) {
      return HS2N_ERR_FULL; /* the owner has not emptied it yet */
    } else {
      mine = atomic_load_explicit(&posts->tail, memory_order_relaxed);
    }
  }
  slot->fn = fn;
  slot->arg = arg;
  atomic_store_explicit(&slot->turn, mine + 1, memory_order_release);
  if (posts->wake != NULL) {
    posts->wake(posts->wake_arg);
  }
  return HS2N_OK;
}

/* Whether the slot of a turn has what is to be run. */
static bool is_full(const struct hs2ni_posts *posts, uint64_t turn) {
  const struct hs2ni_post_slot *slot = &posts->slots[turn & posts->mask];

  return atomic_load_explicit(&slot->turn, memory_order_acquire) == turn + 1;
}

bool hs2ni_posts_waiting(const struct hs2ni_posts *posts) {
  return is_full(posts, posts->head);
}

uint64_t hs2ni_posts_ready(const struct hs2ni_posts *posts) {
  uint64_t n = 0;

  while (n <= posts->mask && is_full(posts, posts->head + n)) {
    n++;
  }
  return n;
}

bool hs2ni_posts_take(struct hs2ni_posts *posts, hs2ni_post_fn *out_fn,
                      void **out_arg) {
  struct hs2ni_post_slot *slot = &posts->slots[posts->head & posts->mask];

  if (!hs2ni_posts_waiting(posts)) {
    return false;
  }
  *out_fn = slot->fn;
  *out_arg = slot->arg;
  /* Free for the producer that comes round next. */
  atomic_store_explicit(&slot->turn, posts->head + posts->mask + 1,
                        memory_order_release);
  posts->head++;
  return true;
}

void hs2ni_posts_close(struct hs2ni_posts *posts) {
  atomic_store_explicit(&posts->closed, true, memory_order_release);
}
