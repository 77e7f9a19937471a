#include "io/uplink.h"

/* What may lie ahead of a vote. */
#define AHEAD HS2N_MS(1)
/* Ethernet with preamble and gap, IPv4, UDP. */
#define PER_DATAGRAM 66u
/* Faster than this is as good as no limit, and products stay below 2^64. */
#define RATE_MAX (UINT64_C(1) << 33)

void hs2ni_uplink_init(struct hs2ni_uplink *u, uint64_t bits_per_s) {
  const uint64_t rate = bits_per_s / 8;

  *u = (struct hs2ni_uplink){.rate = rate < RATE_MAX ? rate : 0};
}

/* Filled up when half of it has left, so that waking late costs nothing and
 * batches are not small. */
size_t hs2ni_uplink_room(struct hs2ni_uplink *u, hs2n_time now) {
  uint64_t bytes;

  u->hold_until = 0;
  if (u->rate == 0) {
    return SIZE_MAX;
  }
  if (u->busy_until < now) {
    u->busy_until = now;
  }
  if (u->busy_until > now + AHEAD / 2) {
    u->hold_until = u->busy_until - AHEAD / 2;
    return 0;
  }
  bytes = u->rate * (now + AHEAD - u->busy_until) / HS2N_S(1);
  return bytes < HS2NI_UPLINK_PACKET ? HS2NI_UPLINK_PACKET : (size_t)bytes;
}

void hs2ni_uplink_sent(struct hs2ni_uplink *u, size_t bytes, size_t datagrams,
                       hs2n_time now) {
  if (u->rate == 0) {
    return;
  }
  if (u->busy_until < now) {
    u->busy_until = now;
  }
  u->busy_until += (bytes + PER_DATAGRAM * datagrams) * HS2N_S(1) / u->rate;
}
