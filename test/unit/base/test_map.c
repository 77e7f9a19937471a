#include "base/map.h"
#include "tap.h"
#include "test_env.h"

#include <hs2net/error.h>

#define SPAN(text) ((struct hs2n_span){(const uint8_t *)(text), strlen(text)})

static void holds_replaces_and_gives_up(void) {
  struct test_env t;
  struct hs2ni_map *map = NULL;
  int a;
  int b;

  test_env_init(&t, 0, 1);
  CHECK_EQ(hs2ni_map_new(&map, &t.env, 2), HS2N_OK);
  CHECK_EQ(t.mem.live_bytes, hs2ni_map_footprint(2));
  CHECK_EQ(hs2ni_map_put(map, SPAN("x"), &a), HS2N_OK);
  CHECK_EQ(hs2ni_map_put(map, SPAN("xx"), &b), HS2N_OK);
  CHECK(hs2ni_map_get(map, SPAN("x")) == &a);
  CHECK(hs2ni_map_get(map, SPAN("xx")) == &b);
  CHECK(hs2ni_map_get(map, SPAN("xxx")) == NULL);
  CHECK_EQ(hs2ni_map_put(map, SPAN("y"), &a), HS2N_ERR_FULL);
  CHECK_EQ(hs2ni_map_put(map, SPAN("x"), &b), HS2N_OK); /* replaces */
  CHECK(hs2ni_map_get(map, SPAN("x")) == &b);
  CHECK_EQ(hs2ni_map_count(map), 2);
  CHECK(hs2ni_map_remove(map, SPAN("x")) == &b);
  CHECK(hs2ni_map_remove(map, SPAN("x")) == NULL);
  CHECK(hs2ni_map_get(map, SPAN("x")) == NULL);
  CHECK_EQ(hs2ni_map_put(map, SPAN("y"), &a), HS2N_OK);
  CHECK_EQ(hs2ni_map_count(map), 2);
  hs2ni_map_free(map, &t.env);
  CHECK_EQ(t.mem.live_bytes, 0);
}

/* Connection ids of any length come from outside. */
static void keys_of_impossible_length_are_absent(void) {
  static const uint8_t bytes[64];
  struct test_env t;
  struct hs2ni_map *map = NULL;

  test_env_init(&t, 0, 1);
  CHECK_EQ(hs2ni_map_new(&map, &t.env, 1), HS2N_OK);
  CHECK_EQ(hs2ni_map_put(map, (struct hs2n_span){bytes, HS2NI_MAP_KEY_MAX}, &t),
           HS2N_OK);
  CHECK(hs2ni_map_get(map, (struct hs2n_span){NULL, 0}) == NULL);
  CHECK(hs2ni_map_get(map, (struct hs2n_span){bytes, 33}) == NULL);
  CHECK(hs2ni_map_remove(map, (struct hs2n_span){bytes, 64}) == NULL);
  CHECK(hs2ni_map_remove(map, (struct hs2n_span){NULL, 0}) == NULL);
  CHECK(hs2ni_map_get(map, (struct hs2n_span){bytes, 32}) == &t);
  hs2ni_map_free(map, &t.env);
}

static void fails_without_memory_or_randomness(void) {
  struct test_env t;
  struct hs2ni_map *map = NULL;

  test_env_init(&t, 1, 1);
  CHECK_EQ(hs2ni_map_new(&map, &t.env, 100), HS2N_ERR_NO_MEMORY);
  t.rand_fails = true;
  CHECK_EQ(hs2ni_map_new(&map, &t.env, 100), HS2N_ERR_RANDOM);
  CHECK(map == NULL);
  CHECK_EQ(t.mem.live_bytes, 0);
  hs2ni_map_free(NULL, &t.env);
}

/* Against an array indexed by the key, near the limit, where runs of taken
 * slots are long and gaps have to be closed over them. */
static void walks_like_an_array(void) {
  enum { KEYS = 96, MAX = 80 };
  struct test_env t;
  struct hs2ni_map *map = NULL;
  int values[KEYS];
  bool in[KEYS] = {false};
  uint32_t count = 0;
  uint64_t before;

  test_env_init(&t, 0, 5);
  CHECK_EQ(hs2ni_map_new(&map, &t.env, MAX), HS2N_OK);
  before = t.mem.requests;
  for (int step = 0; step < 20000; step++) {
    const uint8_t k = (uint8_t)hs2ni_rng_below(&t.env.rng, KEYS);
    const uint8_t bytes[20] = {k, 1, 2, 3};
    const struct hs2n_span key = {bytes, 1 + k % sizeof(bytes)};

    if (hs2ni_rng_below(&t.env.rng, 5) > 1) {
      const int want = in[k] || count < MAX ? HS2N_OK : HS2N_ERR_FULL;

      CHECK_EQ(hs2ni_map_put(map, key, &values[k]), want);
      count += want == HS2N_OK && !in[k];
      in[k] = in[k] || want == HS2N_OK;
    } else {
      CHECK(hs2ni_map_remove(map, key) == (in[k] ? &values[k] : NULL));
      count -= in[k];
      in[k] = false;
    }
    CHECK_EQ(hs2ni_map_count(map), count);
    for (uint8_t j = 0; step % 16 == 0 && j < KEYS; j++) {
      const uint8_t other[20] = {j, 1, 2, 3};

      CHECK(hs2ni_map_get(map,
                          (struct hs2n_span){other, 1 + j % sizeof(other)}) ==
            (in[j] ? &values[j] : NULL));
    }
  }
  CHECK_EQ(t.mem.requests, before);
  hs2ni_map_free(map, &t.env);
  CHECK_EQ(t.mem.live_bytes, 0);
}

int main(void) {
  RUN(holds_replaces_and_gives_up);
  RUN(keys_of_impossible_length_are_absent);
  RUN(fails_without_memory_or_randomness);
  RUN(walks_like_an_array);
  return tap_done();
}
