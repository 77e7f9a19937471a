#include "peer/inside.h"

#include <assert.h>
#include <string.h>

/* Three timers of each peer: the pause, and one of each slot. */
#define TIMERS_PER_PEER (1u + HS2NI_PAIR_SLOTS)

static uint32_t places(const struct hs2n_limits *limits) {
  uint32_t n = 2;

  while (n < 2 * limits->peers_max) {
    n *= 2;
  }
  return n;
}

static size_t table_size(const struct hs2n_limits *limits) {
  return places(limits) * sizeof(struct hs2ni_peer);
}

static size_t addrs_size(const struct hs2n_limits *limits) {
  return (size_t)places(limits) * limits->addrs_per_peer_max *
         sizeof(struct hs2n_addr);
}

static size_t epochs_size(const struct hs2n_limits *limits) {
  return (limits->epochs_max + 1) * sizeof(struct hs2ni_epoch);
}

static size_t members_size(const struct hs2n_limits *limits) {
  return (size_t)(limits->epochs_max + 1) * limits->peers_max *
         sizeof(struct hs2ni_member);
}

uint64_t hs2ni_peers_footprint(const struct hs2n_limits *limits) {
  return sizeof(struct hs2ni_peers) + table_size(limits) + addrs_size(limits) +
         epochs_size(limits) + members_size(limits) +
         hs2ni_map_footprint(places(limits)) +
         (uint64_t)places(limits) * TIMERS_PER_PEER *
             sizeof(struct hs2ni_timer *);
}

/* ---- life ---------------------------------------------------------------- */

static int allocate(struct hs2ni_peers *p) {
  const struct hs2n_limits *limits = &p->env->limits;
  int err;

  p->table = hs2ni_alloc(p->env, table_size(limits));
  p->addrs = hs2ni_alloc(p->env, addrs_size(limits));
  p->epochs = hs2ni_alloc(p->env, epochs_size(limits));
  p->members = hs2ni_alloc(p->env, members_size(limits));
  if (p->table == NULL || p->addrs == NULL || p->epochs == NULL ||
      p->members == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  err = hs2ni_map_new(&p->by_id, p->env, p->capacity);
  if (err != HS2N_OK) {
    return err;
  }
  return hs2ni_timers_init(&p->timers, p->env, p->capacity * TIMERS_PER_PEER);
}

int hs2ni_peers_new(struct hs2ni_peers **out,
                    const struct hs2ni_peers_config *config) {
  const struct hs2n_limits *limits = &config->env->limits;
  struct hs2ni_peers *p = hs2ni_alloc(config->env, sizeof(*p));
  int err;

  if (p == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  p->env = config->env;
  p->key = config->key;
  p->id = hs2n_key_peer_id(&config->key);
  p->user = config->user;
  p->user_ctx = config->user_ctx;
  p->capacity = places(limits);
  err = allocate(p);
  if (err != HS2N_OK) {
    hs2ni_peers_free(p);
    return err;
  }
  for (uint32_t i = 0; i <= limits->epochs_max; i++) {
    p->epochs[i].members = &p->members[(size_t)i * limits->peers_max];
  }
  for (uint32_t i = 0; i < p->capacity; i++) {
    p->table[i].peers = p;
    p->table[i].addrs = &p->addrs[(size_t)i * limits->addrs_per_peer_max];
  }
  *out = p;
  return HS2N_OK;
}

void hs2ni_peers_link(struct hs2ni_peers *peers, struct hs2ni_link *link) {
  peers->link = link;
}

static void free_sessions(const struct hs2ni_peers *peers,
                          const struct hs2ni_peer *p) {
  for (int s = 0; s < HS2NI_PAIR_SLOTS; s++) {
    if (p->slots[s].session != NULL) {
      peers->user->session_free(p->slots[s].session);
    }
  }
}

void hs2ni_peers_free(struct hs2ni_peers *peers) {
  struct hs2ni_env *env;

  if (peers == NULL) {
    return;
  }
  env = peers->env;
  for (uint32_t i = 0; peers->table != NULL && i < peers->capacity; i++) {
    free_sessions(peers, &peers->table[i]);
  }
  hs2ni_timers_fini(&peers->timers, env);
  hs2ni_map_free(peers->by_id, env);
  hs2ni_free(env, peers->members, members_size(&env->limits));
  hs2ni_free(env, peers->epochs, epochs_size(&env->limits));
  hs2ni_free(env, peers->addrs, addrs_size(&env->limits));
  hs2ni_free(env, peers->table, table_size(&env->limits));
  hs2ni_free(env, peers, sizeof(*peers));
}

hs2n_time hs2ni_peers_deadline(const struct hs2ni_peers *peers) {
  return hs2ni_timers_deadline(&peers->timers);
}

void hs2ni_peers_tick(struct hs2ni_peers *peers) {
  hs2ni_timers_run(&peers->timers, peers->env->now);
}

void hs2ni_peers_stop(struct hs2ni_peers *peers) {
  struct hs2ni_peer *p;
  uint32_t at = 0;

  peers->stopped = true;
  while ((p = hs2ni_peers_each(peers, &at)) != NULL) {
    hs2ni_peer_end(p, HS2N_REASON_LOCAL);
  }
}

/* ---- places -------------------------------------------------------------- */

static struct hs2n_span id_span(const struct hs2n_peer_id *id) {
  return (struct hs2n_span){id->bytes, sizeof(id->bytes)};
}

static struct hs2ni_peer *free_place(struct hs2ni_peers *peers) {
  if (peers->used == peers->capacity) {
    return NULL;
  }
  for (;;) {
    const uint32_t v = peers->next_handle++;
    struct hs2ni_peer *p = &peers->table[v & (peers->capacity - 1)];

    if (!p->used) {
      p->handle.v = v;
      return p;
    }
  }
}

static void reset_place(struct hs2ni_peer *p) {
  struct hs2ni_peers *peers = p->peers;
  struct hs2n_addr *addrs = p->addrs;
  const struct hs2n_peer handle = p->handle;

  *p = (struct hs2ni_peer){.peers = peers, .addrs = addrs, .handle = handle};
}

int hs2ni_peers_add(struct hs2ni_peers *peers, const struct hs2n_key *key,
                    const struct hs2n_peer_id *id, struct hs2ni_peer **out) {
  struct hs2ni_peer *p = free_place(peers);
  int err;

  if (p == NULL) {
    return HS2N_ERR_FULL;
  }
  reset_place(p);
  p->key = *key;
  p->id = *id;
  p->pair.first = memcmp(peers->id.bytes, id->bytes, sizeof(id->bytes)) < 0;
  err = hs2ni_map_put(peers->by_id, id_span(id), p);
  if (err != HS2N_OK) {
    return err;
  }
  p->used = true;
  peers->used++;
  hs2ni_peer_timers_init(p);
  *out = p;
  return HS2N_OK;
}

static void release_place(struct hs2ni_peer *p) {
  p->peers->used--;
  reset_place(p);
}

void hs2ni_peers_undo_add(struct hs2ni_peer *peer) {
  (void)hs2ni_map_remove(peer->peers->by_id, id_span(&peer->id));
  release_place(peer);
}

void hs2ni_peers_retire(struct hs2ni_peer *peer) {
  assert(peer->epochs == 0);
  hs2ni_peer_end(peer, HS2N_REASON_REMOVED);
  peer->peers->user->member_gone(peer->peers->user_ctx, peer);
  (void)hs2ni_map_remove(peer->peers->by_id, id_span(&peer->id));
  hs2ni_peer_tell_gone(peer);
}

void hs2ni_peer_forget(struct hs2ni_peer *peer) {
  assert(peer->used && peer->epochs == 0);
  release_place(peer);
}

/* ---- looking ------------------------------------------------------------- */

struct hs2ni_peer *hs2ni_peers_get(const struct hs2ni_peers *peers,
                                   struct hs2n_peer handle) {
  struct hs2ni_peer *p = &peers->table[handle.v & (peers->capacity - 1)];

  return p->epochs > 0 && p->handle.v == handle.v ? p : NULL;
}

struct hs2ni_peer *hs2ni_peers_find(const struct hs2ni_peers *peers,
                                    const struct hs2n_peer_id *id) {
  return hs2ni_map_get(peers->by_id, id_span(id));
}

struct hs2ni_peer *hs2ni_peers_each(const struct hs2ni_peers *peers,
                                    uint32_t *at) {
  while (*at < peers->capacity) {
    struct hs2ni_peer *p = &peers->table[(*at)++];

    if (p->epochs > 0) {
      return p;
    }
  }
  return NULL;
}
