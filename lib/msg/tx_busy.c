#include "msg/tx_busy.h"

#include "msg/chan.h"

#include <assert.h>

/* Beyond, no pause grows: 2^31 ms are more than any limit. */
#define ROW_MAX 32u

hs2n_time hs2ni_tx_busy_pause(struct hs2ni_env *env, uint32_t row) {
  const hs2n_time first = HS2N_MS(env->limits.busy_pause_ms);
  const hs2n_time most = HS2N_MS(env->limits.busy_pause_max_ms);
  hs2n_time pause;

  if (row <= 1 || most <= first) {
    return first;
  }
  pause = first << (row < ROW_MAX ? row - 1 : ROW_MAX - 1);
  if (pause > most) {
    pause = most;
  }
  return pause - hs2ni_rng_below(&env->rng, pause / 4 + 1);
}

static void none_out(struct hs2ni_tx_lane *lane) {
  if (lane->busy.out_n == 0) {
    return;
  }
  for (struct hs2ni_list_node *n = lane->msgs.head; n != NULL; n = n->next) {
    HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node)->out = false;
  }
  lane->busy.out_n = 0;
}

hs2n_time hs2ni_tx_busy_said(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_busy *busy = &lane->busy;

  none_out(lane);
  busy->wary = true;
  busy->taken_before = busy->taken;
  busy->taken = 0;
  if (busy->row < ROW_MAX) {
    busy->row++;
  }
  return hs2ni_tx_busy_pause(hs2ni_chan_env(lane->chan), busy->row);
}

void hs2ni_tx_busy_framed(struct hs2ni_tx_msg *m) {
  m->out = true;
  m->lane->busy.out_n++;
}

void hs2ni_tx_busy_left(struct hs2ni_tx_msg *m) {
  assert(m->out);
  m->out = false;
  m->lane->busy.out_n--;
  hs2ni_chan_want(m->lane->chan);
}

/* A pause that has grown is cut down. */
static void relent(struct hs2ni_tx_lane *lane) {
  struct hs2ni_msgs *msgs = lane->chan->msgs;
  const hs2n_time at =
      msgs->env->now + HS2N_MS(msgs->env->limits.busy_pause_ms);

  if (lane->busy.row > 1 && lane->pause.slot != 0 && lane->pause.at > at) {
    hs2ni_timer_set(&msgs->timers, &lane->pause, at);
  }
  lane->busy.row = 0;
}

void hs2ni_tx_busy_taken(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_busy *busy = &lane->busy;

  busy->taken++;
  if (busy->wary) {
    relent(lane);
    /* No more than these can be out anyway. */
    busy->wary =
        busy->taken < hs2ni_chan_env(lane->chan)->limits.tx_queue_msgs_max;
  }
}

uint32_t hs2ni_tx_busy_room(const struct hs2ni_tx_lane *lane) {
  const struct hs2ni_tx_busy *busy = &lane->busy;
  const uint64_t may = 1 + busy->taken_before + busy->taken;

  if (!busy->wary || may - busy->out_n > UINT32_MAX) {
    return UINT32_MAX;
  }
  return may > busy->out_n ? (uint32_t)(may - busy->out_n) : 0;
}

void hs2ni_tx_busy_forget(struct hs2ni_tx_lane *lane) {
  none_out(lane);
  lane->busy = (struct hs2ni_tx_busy){0};
}
