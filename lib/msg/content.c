#include "msg/content.h"

#include "base/siphash.h"

#include <assert.h>
#include <hs2net/error.h>
#include <string.h>

static_assert(sizeof(struct hs2ni_content_id) == HS2NI_SIPHASH128_LEN,
              "an id is the whole output");

/* Ids with the number of their references.  Open addressing with linear
 * probing. */
struct slot {
  struct hs2ni_content_id id;
  uint32_t refs; /* 0: free */
};

struct table {
  struct slot *slots;
  uint32_t mask;  /* slots - 1 */
  uint32_t count; /* slots taken */
};

struct hs2ni_contents {
  uint8_t key[HS2NI_SIPHASH_KEY_LEN];
  uint32_t rings; /* that exist */
  struct table table;
};

struct hs2ni_content_ring {
  struct hs2ni_contents *contents;
  struct table table; /* the same ids, to find them */
  uint32_t len;
  uint32_t next; /* the place of the next id; the oldest's when it is full */
  struct hs2ni_content_id ids[];
};

/* ---- the table ---------------------------------------------------------- */

/* A power of two of which at most two thirds are ever taken, so that a probe
 * soon meets a free slot.  The ranges of the limits keep it below 2^30. */
static uint32_t slots_for(uint64_t ids) {
  uint32_t slots = 4;

  while (slots < ids + ids / 2 + 1) {
    slots *= 2;
  }
  return slots;
}

static size_t slots_size(uint64_t ids) {
  return slots_for(ids) * sizeof(struct slot);
}

static int table_init(struct table *t, struct hs2ni_env *env, uint64_t ids) {
  t->slots = hs2ni_alloc(env, slots_size(ids));
  t->mask = slots_for(ids) - 1;
  return t->slots == NULL ? HS2N_ERR_NO_MEMORY : HS2N_OK;
}

static void table_fini(struct table *t, struct hs2ni_env *env) {
  hs2ni_free(env, t->slots, ((size_t)t->mask + 1) * sizeof(struct slot));
}

static uint32_t home(const struct table *t, const struct hs2ni_content_id *id) {
  uint32_t hash;

  memcpy(&hash, id->v, sizeof(hash));
  return hash & t->mask;
}

/* The slot that holds id, or the free one where it would go. */
static uint32_t probe(const struct table *t,
                      const struct hs2ni_content_id *id) {
  uint32_t i = home(t, id);

  while (t->slots[i].refs > 0 &&
         memcmp(&t->slots[i].id, id, sizeof(*id)) != 0) {
    i = (i + 1) & t->mask;
  }
  return i;
}

static bool has(const struct table *t, const struct hs2ni_content_id *id) {
  return t->slots[probe(t, id)].refs > 0;
}

static void ref(struct table *t, const struct hs2ni_content_id *id) {
  struct slot *slot = &t->slots[probe(t, id)];

  if (slot->refs == 0) {
    slot->id = *id;
    t->count++;
    assert(t->count <= t->mask);
  }
  slot->refs++;
}

/* Closes the gap: each later id of the run whose own place is not behind the
 * gap moves into it, so that no probe ends early. */
static void close_gap(struct table *t, uint32_t gap) {
  for (uint32_t i = (gap + 1) & t->mask; t->slots[i].refs > 0;
       i = (i + 1) & t->mask) {
    const uint32_t from_home = (i - home(t, &t->slots[i].id)) & t->mask;

    if (from_home >= ((i - gap) & t->mask)) {
      t->slots[gap] = t->slots[i];
      gap = i;
    }
  }
  t->slots[gap].refs = 0;
}

static void unref(struct table *t, const struct hs2ni_content_id *id) {
  const uint32_t i = probe(t, id);

  assert(t->slots[i].refs > 0);
  t->slots[i].refs--;
  if (t->slots[i].refs == 0) {
    t->count--;
    close_gap(t, i);
  }
}

/* ---- all peers ---------------------------------------------------------- */

static uint64_t ids_max(const struct hs2n_limits *limits) {
  return (uint64_t)limits->peers_max * limits->content_ids_per_peer;
}

uint64_t hs2ni_contents_footprint(const struct hs2n_limits *limits) {
  return sizeof(struct hs2ni_contents) + slots_size(ids_max(limits));
}

int hs2ni_contents_new(struct hs2ni_contents **out, struct hs2ni_env *env) {
  struct hs2ni_contents *c = hs2ni_alloc(env, sizeof(*c));
  int err = HS2N_ERR_NO_MEMORY;

  if (c != NULL) {
    err = table_init(&c->table, env, ids_max(&env->limits));
  }
  if (err == HS2N_OK &&
      env->rand(env->rand_data, c->key, sizeof(c->key)) != 0) {
    err = HS2N_ERR_RANDOM;
  }
  if (err != HS2N_OK) {
    hs2ni_contents_free(c, env);
    return err;
  }
  *out = c;
  return HS2N_OK;
}

void hs2ni_contents_free(struct hs2ni_contents *c, struct hs2ni_env *env) {
  if (c != NULL) {
    assert(c->rings == 0);
    assert(c->table.count == 0);
    table_fini(&c->table, env);
    hs2ni_free(env, c, sizeof(*c));
  }
}

struct hs2ni_content_id hs2ni_contents_id(const struct hs2ni_contents *c,
                                          const struct hs2n_msg *msg) {
  /* Two words, as long whatever they say: none runs into the body. */
  uint8_t head[16] = {msg->type, (msg->flags & HS2N_MSG_VIEW_BOUND) != 0};
  struct hs2n_span parts[2] = {{head, sizeof(head)}, {NULL, 0}};
  struct hs2ni_content_id id;

  for (size_t i = 0; i < 8; i++) {
    head[8 + i] = (uint8_t)(msg->view >> 8 * i);
  }
  if (msg->body != NULL) {
    parts[1] = hs2n_buf_span(msg->body);
  }
  hs2ni_siphash128(c->key, parts, 2, id.v);
  return id;
}

bool hs2ni_contents_have(const struct hs2ni_contents *c,
                         const struct hs2ni_content_id *id) {
  return has(&c->table, id);
}

uint32_t hs2ni_contents_count(const struct hs2ni_contents *c) {
  return c->table.count;
}

/* ---- one peer ----------------------------------------------------------- */

static size_t ring_size(const struct hs2n_limits *limits) {
  return sizeof(struct hs2ni_content_ring) +
         limits->content_ids_per_peer * sizeof(struct hs2ni_content_id);
}

uint64_t hs2ni_content_ring_footprint(const struct hs2n_limits *limits) {
  return ring_size(limits) + slots_size(limits->content_ids_per_peer);
}

int hs2ni_content_ring_new(struct hs2ni_content_ring **out,
                           struct hs2ni_contents *c, struct hs2ni_env *env) {
  struct hs2ni_content_ring *ring;

  assert(c->rings < env->limits.peers_max);
  ring = hs2ni_alloc(env, ring_size(&env->limits));
  if (ring == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  ring->contents = c;
  ring->len = env->limits.content_ids_per_peer;
  c->rings++;
  if (table_init(&ring->table, env, env->limits.content_ids_per_peer) !=
      HS2N_OK) {
    hs2ni_content_ring_free(ring, env);
    return HS2N_ERR_NO_MEMORY;
  }
  *out = ring;
  return HS2N_OK;
}

void hs2ni_content_ring_free(struct hs2ni_content_ring *ring,
                             struct hs2ni_env *env) {
  if (ring != NULL) {
    for (uint32_t i = 0; i < ring->table.count; i++) {
      unref(&ring->contents->table, &ring->ids[i]);
    }
    ring->contents->rings--;
    table_fini(&ring->table, env);
    hs2ni_free(env, ring, ring_size(&env->limits));
  }
}

void hs2ni_content_ring_add(struct hs2ni_content_ring *ring,
                            const struct hs2ni_content_id *id) {
  struct table *all = &ring->contents->table;

  if (has(&ring->table, id)) {
    return;
  }
  if (ring->table.count == ring->len) {
    unref(all, &ring->ids[ring->next]);
    unref(&ring->table, &ring->ids[ring->next]);
  }
  ring->ids[ring->next] = *id;
  ring->next = (ring->next + 1) % ring->len;
  ref(all, id);
  ref(&ring->table, id);
}
