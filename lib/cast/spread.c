#include "cast/spread.h"

static uint64_t min64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* That the leader's downlink takes for what comes from all but does not pass
 * at once. */
static hs2n_time drain_time(const struct hs2n_limits *limits,
                            const struct hs2ni_spread *s) {
  const uint64_t bytes =
      (uint64_t)s->members * ((uint64_t)s->len + HS2NI_SPREAD_OVERHEAD);
  const uint64_t rate = limits->spread_bytes_per_s;

  if (bytes <= limits->spread_burst_bytes) {
    return 0;
  }
  /* A second is the longest window there is, and keeps the product small. */
  return min64(bytes - limits->spread_burst_bytes, rate) * HS2N_S(1) / rate;
}

/* A multiplier of 2^64 by the golden ratio: views that follow each other turn
 * the order by steps that fall far apart (Knuth, TAOCP 3, 6.4). */
static size_t turned(const struct hs2ni_spread *s) {
  const uint64_t turn = (s->view * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

  return (s->place + (size_t)(turn % s->members)) % s->members;
}

hs2n_time hs2ni_spread_slot(const struct hs2n_limits *limits,
                            const struct hs2ni_spread *s) {
  hs2n_time window;

  if ((s->lane != HS2N_LANE_VOTE && s->lane != HS2N_LANE_CONTROL) ||
      s->members < limits->spread_members_min) {
    return 0;
  }
  window = min64(drain_time(limits, s), HS2N_US(limits->spread_us_max));
  window = min64(window, s->rtt / (s->lane == HS2N_LANE_VOTE
                                       ? HS2NI_SPREAD_VOTE_RTT
                                       : HS2NI_SPREAD_CONTROL_RTT));
  return window * turned(s) / s->members;
}
