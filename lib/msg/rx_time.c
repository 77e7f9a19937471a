/* Time for what has come in part.
 *
 * Who begins a message, a record or a stream takes memory until it is whole,
 * so it must go on: while anything is in part, limits.rx_partial_bytes must
 * come in each limits.rx_partial_ms.  Bytes of any stream count, because an
 * honest peer on a slow link sends its higher lanes first and leaves the lower
 * ones where they are.  Time in which we ourselves held the peer back, or were
 * not called, does not count. */
#include "msg/chan.h"

static bool lane_in_part(const struct hs2ni_rx_lane *lane) {
  return lane->partial != NULL || lane->stash.len > 0 || lane->skip > 0 ||
         lane->batch.packed != NULL || lane->pairs.count > 0;
}

static bool in_part(const struct hs2ni_rx *rx) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (lane_in_part(&rx->lanes[i])) {
      return true;
    }
  }
  return rx->heads.count > 0 || rx->acks_stash.len > 0;
}

static void begin(struct hs2ni_chan *chan) {
  struct hs2ni_rx_clock *clock = &chan->rx.clock;
  struct hs2ni_env *env = hs2ni_chan_env(chan);

  clock->bytes = 0;
  clock->excused = chan->rx.withholding;
  hs2ni_timer_set(&chan->msgs->timers, &clock->timer,
                  env->now + HS2N_MS(env->limits.rx_partial_ms));
}

static void on_period_end(struct hs2ni_timer *timer) {
  struct hs2ni_rx_clock *clock =
      HS2NI_CONTAINER(timer, struct hs2ni_rx_clock, timer);
  struct hs2ni_chan *chan = clock->chan;
  const struct hs2ni_env *env = hs2ni_chan_env(chan);
  const bool late =
      env->now - timer->at > HS2N_MS(env->limits.rx_partial_ms) / 4;

  if (!in_part(&chan->rx)) {
    return;
  }
  if (clock->excused || late || chan->rx.withholding ||
      clock->bytes >= env->limits.rx_partial_bytes) {
    begin(chan);
    return;
  }
  hs2ni_chan_give_up(chan, HS2N_REASON_SLOW);
}

void hs2ni_rx_clock_init(struct hs2ni_chan *chan) {
  chan->rx.clock =
      (struct hs2ni_rx_clock){.timer = {.fire = on_period_end}, .chan = chan};
}

void hs2ni_rx_clock_bytes(struct hs2ni_chan *chan, size_t len) {
  struct hs2ni_rx_clock *clock = &chan->rx.clock;

  clock->bytes += len;
  if (!in_part(&chan->rx) || chan->rx.withholding) {
    clock->excused = true;
  } else if (clock->timer.slot == 0) {
    begin(chan);
  }
}

void hs2ni_rx_clock_stop(struct hs2ni_chan *chan) {
  hs2ni_timer_cancel(&chan->msgs->timers, &chan->rx.clock.timer);
}
