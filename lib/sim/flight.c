/* What is under way on a pipe: when a segment is lost, how many may be on
 * their way, and what time does. */
#include "sim/pipe.h"

#include <string.h>

#define WINDOW_FIRST (UINT64_C(10) * HS2NI_PIPE_MSS) /* RFC 6928 */
#define TIMEOUT_FIRST HS2N_S(1)                      /* RFC 6298, 2 */
#define TIMEOUT_SLACK HS2N_MS(200)
#define TIMEOUT_MAX HS2N_S(120)
#define LINGER HS2N_S(60) /* for the end of the other */
#define TRIES_MAX 15u
#define TRIES_MAX_CALL 6u
#define REORDER_STEPS_MAX 4u

static struct hs2n_sim *sim_of(const struct hs2ni_end *e) {
  return e->pipe->sim;
}

static hs2n_time later(hs2n_time a, hs2n_time b) {
  return a > b ? a : b;
}

static hs2n_time sooner(hs2n_time a, hs2n_time b) {
  return a < b ? a : b;
}

static size_t in_flight(const struct hs2ni_sending *tx) {
  return tx->end - tx->first;
}

/* ---- time
 * ------------------------------------------------------------------- */

static void timer(struct hs2n_sim *sim, void *pipe);

static hs2n_time next_of(const struct hs2ni_end *e) {
  return hs2ni_end_lives(e) ? sooner(e->tx.timeout_at, e->tx.reorder_at)
                            : HS2N_TIME_NEVER;
}

static void schedule(struct hs2ni_pipe *pipe) {
  const hs2n_time at = sooner(next_of(&pipe->ends[0]), next_of(&pipe->ends[1]));

  if (at < pipe->timer_at &&
      hs2ni_event_call(pipe->sim, at, timer, pipe) == HS2N_OK) {
    pipe->timer_at = at;
    hs2ni_pipe_hold(pipe);
  }
}

static hs2n_time timeout(const struct hs2ni_sending *tx) {
  const hs2n_time once = tx->rtt == 0
                             ? TIMEOUT_FIRST
                             : tx->rtt + later(TIMEOUT_SLACK, 4 * tx->rtt_var);
  const unsigned doubled = tx->tries < 10 ? tx->tries : 10;

  return sooner(once << doubled, TIMEOUT_MAX);
}

/* Whether the tail may be sent again before it counts as lost. */
static bool may_probe(const struct hs2ni_end *e) {
  const struct hs2ni_sending *tx = &e->tx;

  return e->state == HS2NI_END_STANDS && !tx->probed && tx->tries == 0 &&
         tx->rtt > 0 && in_flight(tx) > 0;
}

static void arm(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;
  const hs2n_time now = sim_of(e)->now;
  const hs2n_time probe =
      2 * tx->rtt + (in_flight(tx) == 1 ? TIMEOUT_SLACK : HS2N_MS(2));

  tx->timeout_at = HS2N_TIME_NEVER;
  if (hs2ni_end_sent(e)) {
    tx->timeout_at = now + LINGER;
  } else if (may_probe(e)) {
    tx->timeout_at = now + sooner(probe, timeout(tx));
  } else if (in_flight(tx) > 0 || tx->next < tx->given + e->ending) {
    tx->timeout_at = now + timeout(tx);
  }
  schedule(e->pipe);
}

/* ---- sending
 * ----------------------------------------------------------------- */

static uint32_t segment_max(const struct hs2ni_end *e) {
  struct hs2n_sim *sim = sim_of(e);
  const struct hs2ni_end *to = &e->pipe->ends[!hs2ni_end_side(e)];
  const struct hs2n_sim_link *link;

  if (to->state == HS2NI_END_NONE) {
    return HS2NI_PIPE_MSS;
  }
  link = hs2ni_shared_get(&sim->links, hs2ni_way(sim, e->node, to->node)->link);
  if (link->mtu == 0 || link->mtu >= HS2NI_PIPE_MSS + HS2NI_PIPE_HEADER) {
    return HS2NI_PIPE_MSS;
  }
  return link->mtu > HS2NI_PIPE_HEADER ? link->mtu - HS2NI_PIPE_HEADER : 1;
}

static bool add_flight(struct hs2ni_end *e, size_t at,
                       struct hs2ni_flight flight) {
  struct hs2ni_sending *tx = &e->tx;

  if (tx->end == tx->flights_capacity && tx->first > tx->end / 2) {
    memmove(tx->flights, tx->flights + tx->first,
            in_flight(tx) * sizeof(*tx->flights));
    at -= tx->first;
    tx->end -= tx->first;
    tx->first = 0;
  }
  if (!hs2ni_sim_grow(sim_of(e), (void **)&tx->flights, &tx->flights_capacity,
                      sizeof(*tx->flights), tx->end + 1)) {
    hs2ni_sim_starved(sim_of(e));
    return false;
  }
  memmove(tx->flights + at + 1, tx->flights + at,
          (tx->end - at) * sizeof(*tx->flights));
  tx->flights[at] = flight;
  tx->end++;
  return true;
}

static void fly(struct hs2ni_end *e, struct hs2ni_flight *f) {
  struct hs2ni_sending *tx = &e->tx;

  f->nth = ++tx->nth;
  f->sent = tx->last_sent = sim_of(e)->now;
  f->lost = false;
  tx->flying += f->len;
  hs2ni_segment_send(e, f->seq, f->len);
}

/* One segment may fly in any window. */
static bool may_fly(struct hs2ni_sending *tx, uint32_t len) {
  tx->limited = tx->flying > 0 && tx->flying + len > tx->cwnd;
  return !tx->limited;
}

static void fly_again(struct hs2ni_end *e, struct hs2ni_flight *f) {
  f->again = true;
  sim_of(e)->stats.segments_again++;
  fly(e, f);
}

/* The path may take less than when it was sent first: the rest of the segment
 * becomes one of its own.  Returns where it is now. */
static size_t fit(struct hs2ni_end *e, size_t i) {
  struct hs2ni_sending *tx = &e->tx;
  struct hs2ni_flight rest = tx->flights[i];
  const size_t behind = tx->end - i;
  const uint32_t max = segment_max(e);

  if (rest.len <= max) {
    return i;
  }
  rest.seq += max;
  rest.len -= max;
  if (add_flight(e, i + 1, rest)) {
    i = tx->end - behind - 1;
    tx->flights[i].len = max;
  }
  return i;
}

static void send_again(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;

  for (size_t i = tx->first; i < tx->end; i++) {
    if (!tx->flights[i].lost) {
      continue;
    }
    i = fit(e, i);
    if (!may_fly(tx, tx->flights[i].len)) {
      return;
    }
    fly_again(e, &tx->flights[i]);
  }
}

/* How many numbers the next new segment may take, 0: none. */
static uint32_t next_len(const struct hs2ni_end *e) {
  const struct hs2ni_sending *tx = &e->tx;
  const uint32_t max = segment_max(e);
  uint64_t len;

  if (tx->next == 0) {
    return 1;
  }
  if (e->state != HS2NI_END_STANDS || tx->next > tx->given) {
    return 0;
  }
  len = tx->given - tx->next;
  if (len == 0) {
    return e->ending;
  }
  if (tx->next >= tx->window) {
    return 0;
  }
  len = len < tx->window - tx->next ? len : tx->window - tx->next;
  return len < max ? (uint32_t)len : max;
}

static bool send_new(struct hs2ni_end *e, uint32_t len) {
  struct hs2ni_sending *tx = &e->tx;
  const struct hs2ni_flight flight = {.seq = tx->next, .len = len};

  if (!may_fly(tx, len) || !add_flight(e, tx->end, flight)) {
    return false;
  }
  tx->next += len;
  fly(e, &tx->flights[tx->end - 1]);
  return true;
}

/* RFC 5681, 4.1: what was known of the path is old. */
static void rest(struct hs2ni_sending *tx, hs2n_time now) {
  if (in_flight(tx) == 0 && now - tx->last_sent > timeout(tx) &&
      tx->cwnd > WINDOW_FIRST) {
    tx->cwnd = WINDOW_FIRST;
  }
}

void hs2ni_flight_push(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;

  if (!hs2ni_end_lives(e)) {
    return;
  }
  tx->limited = false;
  rest(tx, sim_of(e)->now);
  send_again(e);
  for (uint32_t len = tx->limited ? 0 : next_len(e); len > 0;) {
    len = send_new(e, len) ? next_len(e) : 0;
  }
  if (tx->timeout_at == HS2N_TIME_NEVER) {
    arm(e);
  }
  if (hs2ni_end_taken(e) > e->told) {
    hs2ni_end_due(e);
  }
}

/* ---- congestion
 * -------------------------------------------------------------- */

static void reduce(struct hs2ni_sending *tx, bool timed_out) {
  const uint64_t least = (uint64_t)2 * HS2NI_PIPE_MSS;

  tx->cwnd_before = tx->cwnd;
  tx->ssthresh_before = tx->ssthresh;
  tx->ssthresh = tx->cwnd / 2 > least ? tx->cwnd / 2 : least;
  tx->cwnd = timed_out ? HS2NI_PIPE_MSS : tx->ssthresh;
  tx->recover = tx->next;
  tx->recovering = !timed_out;
}

static void grow(struct hs2ni_sending *tx, uint64_t arrived) {
  if (tx->recovering || !tx->limited) {
    return;
  }
  tx->cwnd +=
      tx->cwnd < tx->ssthresh ? arrived : HS2NI_PIPE_MSS * arrived / tx->cwnd;
}

/* What was taken for lost has come: the path reorders more than was thought,
 * and there was no congestion (RFC 3522, 4015). */
static void undo(struct hs2ni_sending *tx) {
  if (tx->reorder_steps < REORDER_STEPS_MAX) {
    tx->reorder_steps++;
  }
  if (tx->acked < tx->recover && tx->cwnd_before > tx->cwnd) {
    tx->cwnd = tx->cwnd_before;
    tx->ssthresh = tx->ssthresh_before;
    tx->recovering = false;
  }
}

/* ---- loss
 * ------------------------------------------------------------------- */

/* RFC 8985, 6.2: how much later than another one that has come. */
static hs2n_time patience(const struct hs2ni_sending *tx,
                          const struct hs2ni_flight *f) {
  if (tx->reorder_steps == 0 &&
      (tx->newest_nth - f->nth >= 3 || in_flight(tx) < 4)) {
    return 0;
  }
  return sooner(tx->rtt_min / 4 * later(tx->reorder_steps, 1), tx->rtt);
}

static void find_lost(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;
  const hs2n_time now = sim_of(e)->now;
  bool any = false;

  tx->reorder_at = HS2N_TIME_NEVER;
  for (size_t i = tx->first; i < tx->end; i++) {
    struct hs2ni_flight *f = &tx->flights[i];
    const hs2n_time at = f->sent + tx->rtt_newest + patience(tx, f);

    if (f->held || f->lost || f->nth >= tx->newest_nth) {
      continue;
    }
    if (at <= now) {
      f->lost = any = true;
      tx->flying -= f->len;
    } else {
      tx->reorder_at = sooner(tx->reorder_at, at);
    }
  }
  if (any && tx->acked >= tx->recover) {
    reduce(tx, false);
  }
}

/* ---- acknowledgements
 * -------------------------------------------------------- */

/* RFC 6298, 2; the time is known exactly, as segments carry theirs. */
static void sample(struct hs2ni_sending *tx, hs2n_time rtt) {
  const hs2n_time away = rtt > tx->rtt ? rtt - tx->rtt : tx->rtt - rtt;

  if (tx->rtt == 0) {
    tx->rtt = tx->rtt_min = rtt;
    tx->rtt_var = rtt / 2;
    return;
  }
  tx->rtt_min = sooner(tx->rtt_min, rtt);
  tx->rtt_var = tx->rtt_var - tx->rtt_var / 4 + away / 4;
  tx->rtt = tx->rtt - tx->rtt / 8 + rtt / 8;
}

static void arrived(struct hs2ni_end *e, struct hs2ni_flight *f,
                    const struct hs2ni_segment *s) {
  struct hs2ni_sending *tx = &e->tx;

  if (!f->lost) {
    tx->flying -= f->len;
  }
  f->held = true;
  f->lost = false;
  if (f->again && s->echo < f->sent) {
    undo(tx);
  } else if (f->nth > tx->newest_nth) {
    tx->newest_nth = f->nth;
    tx->rtt_newest = sim_of(e)->now - f->sent;
  }
}

static bool covers(const struct hs2ni_segment *s,
                   const struct hs2ni_flight *f) {
  const uint64_t end = f->seq + f->len;

  return end <= s->ack || (f->seq >= s->from && end <= s->to);
}

/* Returns how many numbers have arrived that were not known to. */
static uint64_t look(struct hs2ni_end *e, const struct hs2ni_segment *s) {
  struct hs2ni_sending *tx = &e->tx;
  uint64_t sum = 0;

  for (size_t i = tx->first; i < tx->end; i++) {
    struct hs2ni_flight *f = &tx->flights[i];

    if (!f->held && covers(s, f)) {
      arrived(e, f, s);
      sum += f->len;
    }
  }
  while (tx->first < tx->end &&
         tx->flights[tx->first].seq + tx->flights[tx->first].len <= s->ack) {
    tx->first++;
  }
  return sum;
}

void hs2ni_flight_acked(struct hs2ni_end *e, const struct hs2ni_segment *s) {
  struct hs2ni_sending *tx = &e->tx;
  const bool further = s->ack > tx->acked;
  uint64_t sum;

  tx->window = tx->window > s->window ? tx->window : s->window;
  sum = look(e, s);
  if (further) {
    tx->acked = s->ack;
    tx->recovering = tx->recovering && tx->acked < tx->recover;
  }
  if (sum > 0) {
    sample(tx, sim_of(e)->now - s->echo);
    tx->tries = 0;
    tx->probed = false;
    grow(tx, sum);
  }
  find_lost(e);
  if (sum > 0) {
    arm(e);
  }
  hs2ni_flight_push(e);
}

/* ---- time-outs
 * --------------------------------------------------------------- */

/* RFC 8985, 7: what comes of the last segment says what is lost before it. */
static void probe(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;
  size_t i = tx->end - 1;

  while (i > tx->first && tx->flights[i].held) {
    i--;
  }
  i = fit(e, i);
  tx->probed = true;
  tx->flying -= tx->flights[i].lost ? 0 : tx->flights[i].len;
  fly_again(e, &tx->flights[i]);
}

/* The other end had no room: a byte finds out whether it has now. */
static void ask_for_room(struct hs2ni_end *e) {
  if (e->tx.next > 0 && e->tx.next < e->tx.given) {
    (void)send_new(e, 1);
  }
}

static void all_lost(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;

  if (tx->tries == 1) {
    reduce(tx, true);
  }
  for (size_t i = tx->first; i < tx->end; i++) {
    tx->flights[i].lost = !tx->flights[i].held;
  }
  tx->flying = 0;
  hs2ni_flight_push(e);
}

static void timed_out(struct hs2ni_end *e) {
  struct hs2ni_sending *tx = &e->tx;
  const uint32_t tries_max =
      e->state == HS2NI_END_STANDS ? TRIES_MAX : TRIES_MAX_CALL;

  if (hs2ni_end_sent(e) || tx->tries >= tries_max) {
    hs2ni_end_forget(e, hs2ni_end_sent(e) ? "has ended" : "gives up");
    return;
  }
  if (may_probe(e)) {
    probe(e);
  } else {
    tx->tries++;
    if (in_flight(tx) == 0) {
      ask_for_room(e);
    } else {
      all_lost(e);
    }
  }
  tx->timeout_at = sim_of(e)->now + timeout(tx);
}

static void look_at_time(struct hs2ni_end *e) {
  const hs2n_time now = sim_of(e)->now;

  if (hs2ni_end_lives(e) && e->tx.reorder_at <= now) {
    find_lost(e);
    hs2ni_flight_push(e);
  }
  if (hs2ni_end_lives(e) && e->tx.timeout_at <= now) {
    timed_out(e);
  }
}

/* A call whose place an earlier one has taken does nothing. */
static void timer(struct hs2n_sim *sim, void *arg) {
  struct hs2ni_pipe *pipe = arg;

  if (sim->now >= pipe->timer_at) {
    pipe->timer_at = HS2N_TIME_NEVER;
    for (unsigned side = 0; side < 2; side++) {
      look_at_time(&pipe->ends[side]);
    }
    schedule(pipe);
    hs2ni_pipe_tell(pipe);
  }
  hs2ni_pipe_release(pipe);
}

void hs2ni_flight_begin(struct hs2ni_end *e) {
  e->tx = (struct hs2ni_sending){.base = 1,
                                 .given = 1,
                                 .cwnd = WINDOW_FIRST,
                                 .ssthresh = UINT64_MAX,
                                 .timeout_at = HS2N_TIME_NEVER,
                                 .reorder_at = HS2N_TIME_NEVER};
}
