#include "msg/tx_hold.h"

#include "msg/chan.h"

#include <assert.h>

static void on_time(struct hs2ni_timer *timer) {
  hs2ni_tx_hold_end(HS2NI_CONTAINER(timer, struct hs2ni_tx_lane, hold.timer));
}

void hs2ni_tx_hold_init(struct hs2ni_tx_lane *lane) {
  lane->hold = (struct hs2ni_tx_hold){.timer = {.fire = on_time}};
}

static bool is_open(const struct hs2ni_tx_lane *lane) {
  return lane->hold.wait_ns == 0;
}

static void open_up(struct hs2ni_tx_lane *lane) {
  hs2ni_timer_cancel(&lane->chan->msgs->timers, &lane->hold.timer);
  lane->hold.wait_ns = 0;
  lane->hold.until = 0;
  lane->hold.deadline = 0;
}

static bool has_fresh(const struct hs2ni_tx_lane *lane) {
  return lane->next != NULL || lane->loose.fresh.head != NULL;
}

static bool waits_anyway(const struct hs2ni_tx_lane *lane) {
  return lane->chan->conn == NULL || has_fresh(lane) || lane->blocked ||
         lane->unsent != NULL || lane->writing != NULL || lane->pause.slot != 0;
}

/* Whether what leaves at that time can still be acknowledged. */
static bool in_time(const struct hs2ni_tx_lane *lane, hs2n_time at) {
  struct hs2ni_conn *conn = lane->chan->conn;
  struct hs2ni_conn_stats stats;

  if (lane->hold.deadline == 0) {
    return true;
  }
  conn->ops->conn_stats(conn, &stats);
  return at <= lane->hold.deadline &&
         stats.rtt_smoothed <= (lane->hold.deadline - at) / 2;
}

static void note_deadline(struct hs2ni_tx_hold *hold, hs2n_time deadline) {
  if (deadline != 0 && (hold->deadline == 0 || deadline < hold->deadline)) {
    hold->deadline = deadline;
  }
}

bool hs2ni_tx_hold_join(struct hs2ni_tx_msg *m, hs2n_time wait_ns) {
  struct hs2ni_tx_lane *lane = m->lane;
  struct hs2ni_tx_hold *hold = &lane->hold;

  if (is_open(lane)) {
    if (wait_ns == 0 || waits_anyway(lane)) {
      return false;
    }
    hold->wait_ns = wait_ns;
  }
  note_deadline(hold, m->deadline);
  if (wait_ns == 0 || (hold->until != 0 && !in_time(lane, hold->until))) {
    hs2ni_tx_hold_end(lane);
  }
  return !is_open(lane);
}

bool hs2ni_tx_held(const struct hs2ni_tx_lane *lane) {
  return lane->hold.until > lane->chan->msgs->env->now;
}

bool hs2ni_tx_hold_asked(struct hs2ni_tx_lane *lane) {
  struct hs2ni_tx_hold *hold = &lane->hold;
  struct hs2ni_msgs *msgs = lane->chan->msgs;

  if (is_open(lane)) {
    return false;
  }
  if (hold->until == 0) {
    hold->until = msgs->env->now + hold->wait_ns;
    hs2ni_timer_set(&msgs->timers, &hold->timer, hold->until);
  }
  if (!hs2ni_tx_held(lane) || !in_time(lane, hold->until)) {
    open_up(lane);
  }
  return !is_open(lane);
}

void hs2ni_tx_hold_left(struct hs2ni_tx_lane *lane) {
  if (!is_open(lane) && !has_fresh(lane)) {
    open_up(lane);
  }
}

void hs2ni_tx_hold_end(struct hs2ni_tx_lane *lane) {
  if (!is_open(lane)) {
    open_up(lane);
    hs2ni_chan_want(lane->chan);
  }
}
