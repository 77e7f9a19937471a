#include "base/sources.h"

#include "base/siphash.h"

#include <hs2net/error.h>
#include <string.h>

#define WAYS 4u /* entries that compete for one place */

bool hs2ni_rate_take(struct hs2ni_rate *rate, hs2n_time now, uint32_t per_s,
                     uint32_t burst) {
  hs2n_time step;
  hs2n_time start;

  if (per_s == 0 || burst == 0) {
    return false;
  }
  step = HS2N_S(1) / per_s;
  start = rate->used_until > now ? rate->used_until : now;
  if (start - now > step * (burst - 1u)) {
    return false;
  }
  rate->used_until = start + step;
  return true;
}

static size_t sources_size(const struct hs2ni_sources *s) {
  return (size_t)s->count * sizeof(s->entries[0]);
}

static uint32_t sources_max(const struct hs2n_limits *limits) {
  uint32_t count = 256;

  while (count < 2 * limits->peers_max) {
    count *= 2;
  }
  return count;
}

size_t hs2ni_sources_footprint(const struct hs2n_limits *limits) {
  const struct hs2ni_sources s = {.count = sources_max(limits)};

  return sources_size(&s);
}

int hs2ni_sources_init(struct hs2ni_sources *s, struct hs2ni_env *env) {
  *s = (struct hs2ni_sources){.count = sources_max(&env->limits)};
  if (env->rand(env->rand_data, s->key, sizeof(s->key)) != 0) {
    return HS2N_ERR_RANDOM;
  }
  s->entries = hs2ni_alloc(env, sources_size(s));
  return s->entries == NULL ? HS2N_ERR_NO_MEMORY : HS2N_OK;
}

void hs2ni_sources_fini(struct hs2ni_sources *s, struct hs2ni_env *env) {
  hs2ni_free(env, s->entries, sources_size(s));
  s->entries = NULL;
}

/* An IPv6 host owns a /64 and may use any address of it. */
static uint64_t source_id(const struct hs2ni_sources *s,
                          const struct hs2n_addr *remote) {
  uint8_t bytes[9] = {remote->family};
  uint64_t id;

  memcpy(bytes + 1, remote->ip, remote->family == HS2N_FAMILY_IPV4 ? 4 : 8);
  id = hs2ni_siphash(s->key, (struct hs2n_span){bytes, sizeof(bytes)});
  return id == 0 ? 1 : id;
}

static hs2n_time last_used(const struct hs2ni_source *e) {
  return e->raw.used_until > e->proved.used_until ? e->raw.used_until
                                                  : e->proved.used_until;
}

/* Strangers give way before known sources, and long silent ones first. */
static bool gives_way(const struct hs2ni_source *a,
                      const struct hs2ni_source *b) {
  if (a->known != b->known) {
    return !a->known;
  }
  return last_used(a) < last_used(b);
}

struct hs2ni_source *hs2ni_source_of(struct hs2ni_sources *s,
                                     const struct hs2n_addr *remote) {
  const uint64_t id = source_id(s, remote);
  struct hs2ni_source *set = s->entries + (id % (s->count / WAYS)) * WAYS;
  struct hs2ni_source *victim = set;

  for (uint32_t i = 0; i < WAYS; i++) {
    if (set[i].id == id) {
      return &set[i];
    }
    if (set[i].id == 0 || (victim->id != 0 && gives_way(&set[i], victim))) {
      victim = &set[i];
    }
  }
  *victim = (struct hs2ni_source){.id = id};
  return victim;
}
