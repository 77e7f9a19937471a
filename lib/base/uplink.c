#include "base/uplink.h"

/* What may lie ahead of a vote. */
#define AHEAD HS2N_MS(1)
/* Who was held and comes late finds the path idle.  So much of that time is
 * made up for, or a driver that always wakes late would never use all of it.
 * Time in which nothing waited is never made up for. */
#define LATE_MAX HS2N_US(500)
#define FULL_DATAGRAM 1500u
/* Nothing is given out in larger pieces: products stay below 2^64. */
#define BITS_MAX (UINT64_C(8) << 17)

/* Rounded up, so that the path is never given more than it takes. */
hs2n_time hs2ni_uplink_time(const struct hs2ni_uplink *u, size_t bytes) {
  const uint64_t bits = (uint64_t)bytes * 8;
  const uint64_t ns = (bits < BITS_MAX ? bits : BITS_MAX) * HS2N_S(1);

  return ns / u->bits_per_s + (ns % u->bits_per_s != 0);
}

struct hs2ni_uplink hs2ni_uplink_of(uint64_t bits_per_s) {
  struct hs2ni_uplink u = {.bits_per_s = bits_per_s};

  if (bits_per_s != 0 && hs2ni_uplink_time(&u, FULL_DATAGRAM) < AHEAD) {
    u.lead = (AHEAD - hs2ni_uplink_time(&u, FULL_DATAGRAM)) / 2;
  }
  return u;
}

size_t hs2ni_uplink_header(uint8_t family) {
  return family == HS2N_FAMILY_IPV4 ? 20 + 8 : 40 + 8;
}

/* What was given out and has not left. */
static hs2n_time ahead(const struct hs2ni_uplink *u, hs2n_time now) {
  return u->busy_until > now ? u->busy_until - now : 0;
}

hs2n_time hs2ni_uplink_opens(const struct hs2ni_uplink *u, hs2n_time now) {
  return ahead(u, now) > u->lead ? u->busy_until - u->lead : now;
}

size_t hs2ni_uplink_room(const struct hs2ni_uplink *u, hs2n_time now,
                         size_t bytes) {
  const hs2n_time waits = ahead(u, now);
  hs2n_time each;

  if (u->bits_per_s == 0) {
    return SIZE_MAX;
  }
  each = hs2ni_uplink_time(u, bytes);
  return waits + 2 * each > AHEAD ? 1 : (size_t)((AHEAD - waits) / each);
}

void hs2ni_uplink_sent(struct hs2ni_uplink *u, hs2n_time now, size_t bytes) {
  const hs2n_time late_max = u->held ? LATE_MAX : 0;

  if (u->bits_per_s == 0) {
    return;
  }
  if (u->busy_until < now && now - u->busy_until > late_max) {
    u->busy_until = now - late_max;
  }
  u->busy_until += hs2ni_uplink_time(u, bytes);
}
