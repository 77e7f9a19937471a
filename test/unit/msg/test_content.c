/* The table of what is known by its content, beside a naive model. */
#include "msg/content.h"
#include "tap.h"
#include "test_env.h"

#include <hs2net/error.h>

enum { RINGS = 4, RING_LEN = 8, IDS = 40, STEPS = 200000 };

static void small_limits(struct test_env *t) {
  t->env.limits.peers_max = RINGS;
  t->env.limits.content_ids_per_peer = RING_LEN;
}

/* Ids whose place in the table is one of three, so that runs of them meet and
 * wrap around its end. */
static struct hs2ni_content_id id_of(uint32_t number) {
  struct hs2ni_content_id id = {{0}};
  const uint32_t place = 62 + number % 3;

  memcpy(id.v, &place, sizeof(place));
  id.v[15] = (uint8_t)number;
  return id;
}

/* What each ring holds, oldest first. */
struct model {
  bool exists[RINGS];
  uint32_t count[RINGS];
  uint32_t ids[RINGS][RING_LEN];
};

static void model_add(struct model *m, uint32_t ring, uint32_t id) {
  for (uint32_t i = 0; i < m->count[ring]; i++) {
    if (m->ids[ring][i] == id) {
      return;
    }
  }
  if (m->count[ring] == RING_LEN) {
    memmove(m->ids[ring], m->ids[ring] + 1,
            (RING_LEN - 1) * sizeof(m->ids[ring][0]));
    m->count[ring]--;
  }
  m->ids[ring][m->count[ring]++] = id;
}

static bool model_has(const struct model *m, uint32_t id) {
  for (uint32_t r = 0; r < RINGS; r++) {
    for (uint32_t i = 0; i < m->count[r]; i++) {
      if (m->ids[r][i] == id) {
        return true;
      }
    }
  }
  return false;
}

static void check_all(const struct hs2ni_contents *c, const struct model *m) {
  uint32_t known = 0;

  for (uint32_t i = 0; i < IDS; i++) {
    const struct hs2ni_content_id id = id_of(i);
    const bool want = model_has(m, i);

    CHECK_EQ(hs2ni_contents_have(c, &id), want);
    known += want;
  }
  CHECK_EQ(hs2ni_contents_count(c), known);
}

/* covers: H36 */
static void a_random_walk_agrees_with_a_naive_model(void) {
  struct hs2ni_content_ring *rings[RINGS] = {NULL};
  struct hs2ni_contents *c = NULL;
  struct model m = {0};
  struct test_env t;
  uint64_t requests;

  test_env_init(&t, 0, 3);
  small_limits(&t);
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_OK);
  for (uint32_t step = 0; step < STEPS; step++) {
    const uint32_t r = (uint32_t)hs2ni_rng_below(&t.env.rng, RINGS);

    if (!m.exists[r]) {
      CHECK_EQ(hs2ni_content_ring_new(&rings[r], c, &t.env), HS2N_OK);
      m.exists[r] = true;
    } else if (hs2ni_rng_below(&t.env.rng, 100) == 0) {
      hs2ni_content_ring_free(rings[r], &t.env);
      m.exists[r] = false;
      m.count[r] = 0;
    } else {
      const uint32_t number = (uint32_t)hs2ni_rng_below(&t.env.rng, IDS);
      const struct hs2ni_content_id id = id_of(number);

      requests = t.mem.requests;
      hs2ni_content_ring_add(rings[r], &id);
      CHECK_EQ(t.mem.requests, requests);
      model_add(&m, r, number);
    }
    CHECK(t.mem.live_bytes <=
          (int64_t)(hs2ni_contents_footprint(&t.env.limits) +
                    RINGS * hs2ni_content_ring_footprint(&t.env.limits)));
    if (step % 16 == 0) {
      check_all(c, &m);
    }
  }
  for (uint32_t r = 0; r < RINGS; r++) {
    if (m.exists[r]) {
      hs2ni_content_ring_free(rings[r], &t.env);
    }
  }
  CHECK_EQ(hs2ni_contents_count(c), 0);
  hs2ni_contents_free(c, &t.env);
  CHECK_EQ(t.mem.live_bytes, 0);
}

static void the_largest_limits_fill_no_more_than_they_say(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.peers_max = 4096;
  limits.content_ids_per_peer = 65536;
  CHECK(hs2ni_contents_footprint(&limits) < UINT64_C(16) << 30);
  CHECK(hs2ni_contents_footprint(&limits) > UINT64_C(1) << 32);
  limits.peers_max = 1;
  limits.content_ids_per_peer = 1;
  CHECK(hs2ni_contents_footprint(&limits) < 256);
}

static struct hs2ni_content_id id_for(const struct hs2ni_contents *c,
                                      uint8_t type, uint32_t flags,
                                      uint64_t view, const char *text) {
  struct hs2n_msg msg = {.type = type, .flags = flags, .view = view};
  struct hs2ni_content_id id;

  CHECK_EQ(
      hs2n_buf_new(&msg.body, hs2n_mem_libc(),
                   (struct hs2n_span){(const uint8_t *)text, strlen(text)}),
      HS2N_OK);
  id = hs2ni_contents_id(c, &msg);
  hs2n_buf_unref(msg.body);
  return id;
}

static void whatever_differs_has_another_id(void) {
  struct hs2ni_contents *c = NULL, *other = NULL;
  struct hs2ni_content_id ids[9];
  struct test_env t;

  test_env_init(&t, 0, 3);
  small_limits(&t);
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_OK);
  CHECK_EQ(hs2ni_contents_new(&other, &t.env), HS2N_OK);
  ids[0] = id_for(c, 1, 0, 7, "body");
  ids[1] = id_for(c, 2, 0, 7, "body");
  ids[2] = id_for(c, 1, HS2N_MSG_VIEW_BOUND, 7, "body");
  ids[3] = id_for(c, 1, 0, UINT64_C(7) << 56, "body");
  ids[4] = id_for(c, 1, 0, 7, "bodY");
  ids[5] = id_for(c, 1, 0, 7, "body ");
  ids[6] = id_for(c, 1, 0, 7, "");
  ids[7] = id_for(other, 1, 0, 7, "body"); /* its key is another */
  ids[8] = id_for(c, 1, 0, 7, "bodybody");
  for (size_t i = 0; i < 9; i++) {
    for (size_t k = 0; k < i; k++) {
      CHECK(memcmp(&ids[i], &ids[k], sizeof(ids[0])) != 0);
    }
  }
  ids[1] = id_for(c, 1, HS2N_MSG_ACK | HS2N_MSG_SECRET, 7, "body");
  CHECK(memcmp(&ids[0], &ids[1], sizeof(ids[0])) == 0);
  /* No body is an empty one. */
  ids[1] = hs2ni_contents_id(c, &(struct hs2n_msg){.type = 1, .view = 7});
  CHECK(memcmp(&ids[6], &ids[1], sizeof(ids[0])) == 0);
  hs2ni_contents_free(c, &t.env);
  hs2ni_contents_free(other, &t.env);
}

static void making_one_may_fail(void) {
  struct hs2ni_content_ring *ring = NULL;
  struct hs2ni_contents *c = NULL;
  struct test_env t;

  test_env_init(&t, 1, 3);
  small_limits(&t);
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_ERR_NO_MEMORY);
  t.mem.fail_at = 3;
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_ERR_NO_MEMORY);
  CHECK_EQ(t.mem.live_bytes, 0);
  t.rand_fails = true;
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_ERR_RANDOM);
  CHECK_EQ(t.mem.live_bytes, 0);
  t.rand_fails = false;
  CHECK_EQ(hs2ni_contents_new(&c, &t.env), HS2N_OK);
  for (uint64_t at = 1; at <= 2; at++) {
    t.mem.fail_at = t.mem.requests + at;
    CHECK_EQ(hs2ni_content_ring_new(&ring, c, &t.env), HS2N_ERR_NO_MEMORY);
  }
  CHECK(ring == NULL);
  hs2ni_content_ring_free(ring, &t.env);
  hs2ni_contents_free(c, &t.env);
  CHECK_EQ(t.mem.live_bytes, 0);
}

int main(void) {
  RUN(a_random_walk_agrees_with_a_naive_model);
  RUN(the_largest_limits_fill_no_more_than_they_say);
  RUN(whatever_differs_has_another_id);
  RUN(making_one_may_fail);
  return tap_done();
}
