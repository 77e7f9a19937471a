/* Members and epochs, against a model that is nothing but arrays. */
#include "peer/inside.h"
#include "tap.h"
#include "unit/peer/peer_world.h"

#define KEYS 12
#define SELF 0
#define EPOCHS 20

/* covers: X8 */
static void birth_survives_every_failing_allocation(void) {
  struct world w;
  uint64_t n = 0;
  int err;

  do {
    err = world_init(&w, ++n, SELF);
    CHECK(err == HS2N_OK || err == HS2N_ERR_NO_MEMORY);
    world_fini(&w);
    CHECK_EQ(w.t.mem.live_bytes, 0);
  } while (err != HS2N_OK);
  CHECK(n > 5);
}

static void the_footprint_is_what_is_allocated(void) {
  struct world w;

  CHECK_EQ(world_init(&w, 0, SELF), HS2N_OK);
  CHECK_EQ(w.t.mem.live_bytes, hs2ni_peers_footprint(&w.t.env.limits));
  world_fini(&w);
}

static struct hs2n_member member(uint8_t i, uint64_t weight) {
  return (struct hs2n_member){.key = world_key(i), .weight = weight};
}

static void naming_members_allocates_nothing(void) {
  struct world w;
  const struct hs2n_member m[3] = {member(1, 1), member(2, 1), member(3, 1)};
  uint64_t before;

  CHECK_EQ(world_init(&w, 0, SELF), HS2N_OK);
  before = w.t.mem.requests;
  CHECK_EQ(hs2ni_peers_set(w.peers, 1, m, 3, 0), HS2N_OK);
  CHECK_EQ(w.t.mem.requests, before);
  world_fini(&w);
}

static void bad_addresses_are_refused(void) {
  struct world w;
  struct hs2n_addr addrs[5] = {world_addr(1), world_addr(2), world_addr(3),
                               world_addr(4), world_addr(5)};
  struct hs2n_member m = member(1, 1);

  CHECK_EQ(world_init(&w, 0, SELF), HS2N_OK);
  m.addrs = addrs;
  m.addrs_n = 5; /* addrs_per_peer_max is 4 */
  CHECK_EQ(hs2ni_peers_set(w.peers, 1, &m, 1, 0), HS2N_ERR_INVALID);
  m.addrs_n = 2;
  addrs[1].port = 0;
  CHECK_EQ(hs2ni_peers_set(w.peers, 1, &m, 1, 0), HS2N_ERR_INVALID);
  addrs[1] = world_addr(2);
  addrs[1].family = HS2N_FAMILY_NONE;
  CHECK_EQ(hs2ni_peers_set(w.peers, 1, &m, 1, 0), HS2N_ERR_INVALID);
  m.addrs = NULL;
  CHECK_EQ(hs2ni_peers_set(w.peers, 1, &m, 1, 0), HS2N_ERR_INVALID);
  CHECK(world_peer(&w, 1) == NULL);
  world_fini(&w);
}

static void a_handle_is_never_given_again(void) {
  struct world w;
  uint32_t last = 0;

  CHECK_EQ(world_init(&w, 0, SELF), HS2N_OK);
  for (uint64_t e = 1; e < 500; e++) {
    const struct hs2n_member m = member((uint8_t)(e % 200 + 1), 1);
    struct hs2ni_peer *p;
    struct hs2ni_peer *gone;

    CHECK_EQ(hs2ni_peers_set(w.peers, e, &m, 1, e), HS2N_OK);
    p = world_peer(&w, (uint8_t)(e % 200 + 1));
    CHECK(e == 1 || p->handle.v > last);
    last = p->handle.v;
    while ((gone = hs2ni_peers_next_gone(w.peers)) != NULL) {
      CHECK(hs2ni_peers_get(w.peers, gone->handle) == NULL);
      hs2ni_peer_forget(gone);
    }
  }
  CHECK_EQ(w.gones, 498);
  world_fini(&w);
}

/* ---- a random walk
 * ----------------------------------------------------------- */

struct model {
  bool live[EPOCHS];
  bool names[EPOCHS][KEYS];
  uint64_t weight[EPOCHS][KEYS];
};

static unsigned count_keys(const struct model *m) {
  unsigned n = 0;

  for (int k = 0; k < KEYS; k++) {
    bool named = false;

    for (int e = 0; e < EPOCHS; e++) {
      named |= k != SELF && m->live[e] && m->names[e][k];
    }
    n += named;
  }
  return n;
}

static unsigned count_epochs(const struct model *m) {
  unsigned n = 0;

  for (int e = 0; e < EPOCHS; e++) {
    n += m->live[e];
  }
  return n;
}

/* What hs2n_set_members promises, done the simple way. */
static int model_set(struct model *m, int epoch, const struct hs2n_member *list,
                     const uint8_t *keys, size_t n, int drop_below,
                     const struct hs2n_limits *limits) {
  struct model next = *m;

  if (n == 0 || n > limits->peers_max || epoch < drop_below) {
    return HS2N_ERR_INVALID;
  }
  memset(next.names[epoch], 0, sizeof(next.names[epoch]));
  for (size_t i = 0; i < n; i++) {
    if (next.names[epoch][keys[i]]) {
      return HS2N_ERR_INVALID;
    }
    next.names[epoch][keys[i]] = true;
    next.weight[epoch][keys[i]] = list[i].weight;
  }
  if (m->live[epoch] &&
      memcmp(m->names[epoch], next.names[epoch], sizeof(m->names[0])) != 0) {
    return HS2N_ERR_INVALID;
  }
  next.live[epoch] = true;
  for (int e = 0; e < drop_below; e++) {
    next.live[e] = false;
  }
  if (count_keys(&next) > limits->peers_max ||
      count_epochs(&next) > limits->epochs_max) {
    return HS2N_ERR_FULL;
  }
  *m = next;
  return HS2N_OK;
}

static bool agrees_on_key(struct world *w, const struct model *m, uint8_t k) {
  const struct hs2ni_peer *p = world_peer(w, k);
  uint64_t weight = 0;
  bool named = false;

  for (int e = 0; e < EPOCHS; e++) {
    if (k != SELF && m->live[e] && m->names[e][k]) {
      named = true;
      weight = m->weight[e][k];
    }
  }
  if (!named) {
    return p == NULL;
  }
  return p != NULL && hs2ni_peer_weight(p) == weight &&
         hs2ni_peers_get(w->peers, p->handle) == p;
}

static bool agrees(struct world *w, const struct model *m) {
  bool good = true;

  for (uint8_t k = 0; k < KEYS; k++) {
    good &= agrees_on_key(w, m, k);
  }
  for (int e = 0; e < EPOCHS; e++) {
    const struct hs2ni_epoch *epoch = hs2ni_peers_epoch(w->peers, (uint64_t)e);
    size_t n = 0;

    for (int k = 0; k < KEYS; k++) {
      n += m->live[e] && m->names[e][k] && k != SELF;
    }
    good &= (epoch != NULL) == m->live[e];
    good &=
        epoch == NULL || (epoch->n == n && epoch->self == m->names[e][SELF]);
  }
  return good;
}

static void walk(uint64_t seed) {
  struct world *w = calloc(1, sizeof(*w));
  struct model m = {0};
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, seed);
  CHECK_EQ(world_init(w, 0, SELF), HS2N_OK);
  for (int i = 0; i < 300; i++) {
    struct hs2n_member list[KEYS];
    uint8_t keys[KEYS];
    const size_t n = hs2ni_rng_below(&rng, 7);
    const int epoch = (int)hs2ni_rng_below(&rng, EPOCHS);
    const int drop = (int)hs2ni_rng_below(&rng, EPOCHS) - EPOCHS / 2;
    struct hs2ni_peer *gone;

    for (size_t k = 0; k < n; k++) {
      keys[k] = (uint8_t)hs2ni_rng_below(&rng, KEYS);
      list[k] = member(keys[k], 1 + hs2ni_rng_below(&rng, 100));
    }
    CHECK_EQ(hs2ni_peers_set(w->peers, (uint64_t)epoch, list, n,
                             drop < 0 ? 0 : (uint64_t)drop),
             model_set(&m, epoch, list, keys, n, drop < 0 ? 0 : drop,
                       &w->t.env.limits));
    CHECK(agrees(w, &m));
    while (i % 3 == 0 && (gone = hs2ni_peers_next_gone(w->peers)) != NULL) {
      hs2ni_peer_forget(gone);
    }
  }
  world_fini(w);
  CHECK_EQ(w->t.mem.live_bytes, 0);
  free(w);
}

static void random_walks_agree_with_the_model(void) {
  for (uint64_t seed = 0; seed < 50; seed++) {
    walk(seed);
  }
}

int main(void) {
  RUN(birth_survives_every_failing_allocation);
  RUN(the_footprint_is_what_is_allocated);
  RUN(naming_members_allocates_nothing);
  RUN(bad_addresses_are_refused);
  RUN(a_handle_is_never_given_again);
  RUN(random_walks_agree_with_the_model);
  return tap_done();
}
