/* map: from a short byte string to a pointer.  Open addressing, SipHash-2-4
 * with a secret key, so that a stranger can't choose colliding keys.  Fixed
 * capacity from birth: a put fails only by being full. */
#ifndef HS2NI_BASE_MAP_H
#define HS2NI_BASE_MAP_H

#include "base/env.h"

#define HS2NI_MAP_KEY_MAX 32

struct hs2ni_map;

/* entries_max >= 1.  The hash key is drawn from env->rand.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM. */
HS2N_MUST_CHECK int hs2ni_map_new(struct hs2ni_map **out, struct hs2ni_env *env,
                                  uint32_t entries_max);
void hs2ni_map_free(struct hs2ni_map *map, struct hs2ni_env *env);
/* Adds or replaces.  1 <= key.len <= HS2NI_MAP_KEY_MAX; value != NULL.
 * Returns HS2N_OK or HS2N_ERR_FULL. */
HS2N_MUST_CHECK int hs2ni_map_put(struct hs2ni_map *map, struct hs2n_span key,
                                  void *value);
/* NULL when absent; any key length may be asked for. */
void *hs2ni_map_get(const struct hs2ni_map *map, struct hs2n_span key);
/* Returns what was removed, or NULL. */
void *hs2ni_map_remove(struct hs2ni_map *map, struct hs2n_span key);
uint32_t hs2ni_map_count(const struct hs2ni_map *map);
/* Bytes that a map of this size takes, for hs2n_limits_memory. */
size_t hs2ni_map_footprint(uint32_t entries_max);

#endif /* HS2NI_BASE_MAP_H */
