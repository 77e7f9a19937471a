/* CPU that a peer costs in vain.
 *
 * Fair turns give each peer its part of what the node can do, but a member that
 * floods with bad signatures takes that part of a processor for ever, and that
 * of lower lanes too, as the highest lane goes first.  So what was for nothing
 * is counted: messages refused for their signature or their compression, and
 * those that the application REJECTs, with what hs2n_judge says that they cost.
 * Each peer may cost rx_waste_us_per_s, and a second's worth at once.  Of one
 * that has cost more nothing is fetched until the time is made up for.  What it
 * sends waits, here as far as there is room and then there, and is not lost;
 * others are not touched.  Good messages are counted nowhere.
 *
 * What costs nothing is looked at first: a number that has come before, a type
 * or a length that is not good, a view that has ended, a response that nobody
 * waits for, a request that can't be served.
 *
 * The core reads no clock, so its own work is counted as what it takes on a
 * slow processor.  What a peer has cost is remembered when its connection ends.
 */
#include "msg/chan.h"

#include <assert.h>

/* An Ed25519 verification takes 50 to 100 us; SHA-256 without instructions of
 * its own, and inflating, a few ns a byte. */
#define SIGNATURE_NS HS2N_US(100)
#define BYTE_NS 5u
/* Looking at a message that is refused, in the application. */
#define REJECT_NS HS2N_US(50)
/* No cost counts for more, so that no wait is longer than a few hours. */
#define COST_NS_MAX HS2N_S(60)
/* What a peer may cost at once: so much time's worth. */
#define BURST HS2N_S(1)

static void update_lanes(struct hs2ni_chan *chan) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    hs2ni_rx_lane_update(&chan->rx.lanes[i]);
  }
}

static void on_paid(struct hs2ni_timer *timer) {
  update_lanes(HS2NI_CONTAINER(timer, struct hs2ni_rx_waste, timer)->chan);
}

void hs2ni_rx_waste_init(struct hs2ni_chan *chan) {
  chan->rx.waste =
      (struct hs2ni_rx_waste){.timer = {.fire = on_paid}, .chan = chan};
}

void hs2ni_rx_waste_stop(struct hs2ni_chan *chan) {
  hs2ni_timer_cancel(&chan->msgs->timers, &chan->rx.waste.timer);
}

void hs2ni_rx_waste_add(struct hs2ni_chan *chan, uint64_t cost_ns) {
  struct hs2ni_rx_waste *waste = &chan->rx.waste;
  struct hs2ni_env *env = hs2ni_chan_env(chan);
  const hs2n_time full = env->now > BURST ? env->now - BURST : 0;
  const uint64_t ns = cost_ns < COST_NS_MAX ? cost_ns : COST_NS_MAX;

  static_assert(COST_NS_MAX <= UINT64_MAX / 1000000u, "no product wraps");
  if (waste->paid_at < full) {
    waste->paid_at = full;
  }
  waste->paid_at += ns * 1000000u / env->limits.rx_waste_us_per_s;
  if (waste->paid_at > env->now) {
    env->stats.rx_waste_waits += !hs2ni_rx_waste_over(chan);
    hs2ni_timer_set(&chan->msgs->timers, &waste->timer, waste->paid_at);
    update_lanes(chan);
  }
}

static uint64_t own_cost(const struct hs2ni_rx_msg *m) {
  const uint64_t len = m->body_len > m->raw_len ? m->body_len : m->raw_len;

  return (m->signature == NULL ? 0 : SIGNATURE_NS) + len * BYTE_NS;
}

void hs2ni_rx_waste_refused(const struct hs2ni_rx_msg *m) {
  hs2ni_rx_waste_add(m->lane->chan, own_cost(m));
}

void hs2ni_rx_waste_rejected(const struct hs2ni_rx_msg *m) {
  hs2ni_rx_waste_add(m->lane->chan, own_cost(m) + REJECT_NS);
}
