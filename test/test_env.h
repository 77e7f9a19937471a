/* test_env: an env for unit tests: counted memory, default limits, and a
 * source of "secrets" that is a function of its seed and can fail. */
#ifndef TEST_ENV_H
#define TEST_ENV_H

#include "base/env.h"
#include "test_mem.h"

#include <stdbool.h>
#include <string.h>

struct test_env {
  struct hs2ni_env env;
  struct test_mem mem;
  struct hs2ni_rng secrets;
  bool rand_fails;
};

static inline int test_env_rand(void *user_data, uint8_t *out, size_t len) {
  struct test_env *t = user_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_rng_next(&t->secrets);
  }
  return t->rand_fails ? -1 : 0;
}

/* t must stay where it is: env points into it. */
static inline void test_env_init(struct test_env *t, uint64_t fail_at,
                                 uint64_t seed) {
  memset(t, 0, sizeof(*t));
  test_mem_init(&t->mem, fail_at);
  hs2ni_rng_seed(&t->secrets, seed + 1);
  hs2ni_rng_seed(&t->env.rng, seed);
  hs2n_limits_default(&t->env.limits);
  t->env.mem = &t->mem.mem;
  t->env.now = HS2N_S(1);
  t->env.stats.struct_size = sizeof(t->env.stats);
  t->env.rand = test_env_rand;
  t->env.rand_data = t;
}

#endif /* TEST_ENV_H */
