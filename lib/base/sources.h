/* sources: how many connections each address has begun lately, so that one
 * can't take the places of the others. */
#ifndef HS2NI_BASE_SOURCES_H
#define HS2NI_BASE_SOURCES_H

#include "base/env.h"

/* The generic cell rate algorithm (ITU-T I.371): the time at which the
 * allowance would be empty again.  Zero: nothing used yet. */
struct hs2ni_rate {
  hs2n_time used_until;
};
/* Takes one if per_s a second with bursts of burst allow it. */
bool hs2ni_rate_take(struct hs2ni_rate *rate, hs2n_time now, uint32_t per_s,
                     uint32_t burst);

/* What is known of a source of connection attempts. */
struct hs2ni_source {
  uint64_t id;               /* 0: free */
  struct hs2ni_rate raw;     /* attempts, maybe spoofed */
  struct hs2ni_rate proved;  /* attempts that showed the address */
  struct hs2ni_rate retries; /* Retry packets beyond the common rate */
  bool known; /* dialled from here, or an authenticated peer was there */
};

struct hs2ni_sources {
  struct hs2ni_source *entries;
  uint32_t count;
  uint8_t key[16];
};

HS2N_MUST_CHECK int hs2ni_sources_init(struct hs2ni_sources *s,
                                       struct hs2ni_env *env);
void hs2ni_sources_fini(struct hs2ni_sources *s, struct hs2ni_env *env);
size_t hs2ni_sources_footprint(const struct hs2n_limits *limits);
/* The entry of an address (IPv4) or /64 (IPv6), perhaps taken from another
 * source.  Never NULL. */
struct hs2ni_source *hs2ni_source_of(struct hs2ni_sources *s,
                                     const struct hs2n_addr *remote);

#endif /* HS2NI_BASE_SOURCES_H */
