#include "base/map.h"

#include "base/siphash.h"

#include <assert.h>
#include <hs2net/error.h>
#include <stdbool.h>
#include <string.h>

enum { ENTRIES_MAX = 1 << 28 }; /* so that twice as many slots fit 32 bits */

struct slot {
  void *value; /* NULL: free */
  uint32_t hash;
  uint8_t len;
  uint8_t key[HS2NI_MAP_KEY_MAX];
};

struct hs2ni_map {
  uint8_t secret[16];
  uint32_t entries_max;
  uint32_t count;
  uint32_t mask; /* slots - 1 */
  struct slot slots[];
};

/* A power of two of which at most two thirds are ever taken, so that a probe
 * soon meets a free slot. */
static uint32_t slots_for(uint32_t entries_max) {
  uint32_t slots = 4;

  assert(entries_max > 0);
  assert(entries_max <= ENTRIES_MAX);
  while (slots < entries_max + entries_max / 2 + 1) {
    slots *= 2;
  }
  return slots;
}

size_t hs2ni_map_footprint(uint32_t entries_max) {
  return sizeof(struct hs2ni_map) +
         slots_for(entries_max) * sizeof(struct slot);
}

int hs2ni_map_new(struct hs2ni_map **out, struct hs2ni_env *env,
                  uint32_t entries_max) {
  struct hs2ni_map *map = hs2ni_alloc(env, hs2ni_map_footprint(entries_max));

  if (map == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  map->entries_max = entries_max;
  map->mask = slots_for(entries_max) - 1;
  if (env->rand(env->rand_data, map->secret, sizeof(map->secret)) != 0) {
    hs2ni_map_free(map, env);
    return HS2N_ERR_RANDOM;
  }
  *out = map;
  return HS2N_OK;
}

void hs2ni_map_free(struct hs2ni_map *map, struct hs2ni_env *env) {
  if (map != NULL) {
    hs2ni_free(env, map, hs2ni_map_footprint(map->entries_max));
  }
}

static uint32_t hash_of(const struct hs2ni_map *map, struct hs2n_span key) {
  return (uint32_t)hs2ni_siphash(map->secret, key);
}

/* The slot that holds key, or the free one where it would go. */
static uint32_t probe(const struct hs2ni_map *map, struct hs2n_span key,
                      uint32_t hash) {
  uint32_t i = hash & map->mask;

  while (map->slots[i].value != NULL &&
         (map->slots[i].hash != hash || map->slots[i].len != key.len ||
          memcmp(map->slots[i].key, key.data, key.len) != 0)) {
    i = (i + 1) & map->mask;
  }
  return i;
}

int hs2ni_map_put(struct hs2ni_map *map, struct hs2n_span key, void *value) {
  const uint32_t hash = hash_of(map, key);
  struct slot *slot;

  assert(key.len > 0);
  assert(key.len <= HS2NI_MAP_KEY_MAX);
  assert(value != NULL);
  slot = &map->slots[probe(map, key, hash)];
  if (slot->value != NULL) {
    slot->value = value;
    return HS2N_OK;
  }
  if (map->count == map->entries_max) {
    return HS2N_ERR_FULL;
  }
  *slot = (struct slot){.value = value, .hash = hash, .len = (uint8_t)key.len};
  memcpy(slot->key, key.data, key.len);
  map->count++;
  return HS2N_OK;
}

static bool fits(struct hs2n_span key) {
  return key.len > 0 && key.len <= HS2NI_MAP_KEY_MAX;
}

void *hs2ni_map_get(const struct hs2ni_map *map, struct hs2n_span key) {
  return fits(key) ? map->slots[probe(map, key, hash_of(map, key))].value
                   : NULL;
}

/* Closes the gap at i: each later entry of the run whose own place is not
 * behind the gap moves into it, so that no probe ends early. */
static void close_gap(struct hs2ni_map *map, uint32_t gap) {
  uint32_t i = gap;

  for (;;) {
    uint32_t from_home;

    i = (i + 1) & map->mask;
    if (map->slots[i].value == NULL) {
      break;
    }
    from_home = (i - map->slots[i].hash) & map->mask;
    if (from_home >= ((i - gap) & map->mask)) {
      map->slots[gap] = map->slots[i];
      gap = i;
    }
  }
  map->slots[gap] = (struct slot){0};
}

void *hs2ni_map_remove(struct hs2ni_map *map, struct hs2n_span key) {
  uint32_t i;
  void *value;

  if (!fits(key)) {
    return NULL;
  }
  i = probe(map, key, hash_of(map, key));
  value = map->slots[i].value;
  if (value != NULL) {
    close_gap(map, i);
    map->count--;
  }
  return value;
}

uint32_t hs2ni_map_count(const struct hs2ni_map *map) {
  return map->count;
}
