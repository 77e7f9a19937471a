/* Whether the peer answers what we send, and how fast.
 *
 * TCP says nothing of that to a program, and a system keeps sending for many
 * minutes to who is gone.  So the peer's end answers here: bytes of streams
 * with HELD, a PING with a PONG.  A connection of which something is not
 * answered, and nothing was answered for the idle time, is dead, whatever else
 * comes in.  When all is answered a PING goes out every keep_alive_ms. */
#include "tcp/endpoint.h"

static hs2n_time now_of(const struct hs2ni_tcp_conn *c) {
  return c->ep->env->now;
}

static bool anything_out(const struct hs2ni_tcp_conn *c) {
  return c->in_flight > 0 || c->pulse.ends_n > 0 || c->pulse.ping_out;
}

void hs2ni_tcp_pulse_init(struct hs2ni_tcp_conn *c) {
  c->pulse.waits_since = HS2N_TIME_NEVER;
  c->pulse.answered = now_of(c);
  hs2ni_tcp_rearm(c);
}

static void begin_wait(struct hs2ni_tcp_conn *c) {
  if (c->pulse.waits_since == HS2N_TIME_NEVER) {
    c->pulse.waits_since = now_of(c);
    hs2ni_tcp_rearm(c);
  }
}

void hs2ni_tcp_pulse_sent(struct hs2ni_tcp_conn *c, uint64_t stream,
                          uint64_t offset) {
  struct hs2ni_tcp_pulse *p = &c->pulse;

  if (p->sample_at == 0) {
    p->sample_at = now_of(c);
    p->sample_stream = stream;
    p->sample_offset = offset;
  }
  begin_wait(c);
}

void hs2ni_tcp_pulse_answered(struct hs2ni_tcp_conn *c) {
  c->pulse.answered = now_of(c);
  c->pulse.waits_since = anything_out(c) ? now_of(c) : HS2N_TIME_NEVER;
  if (!anything_out(c)) {
    c->pulse.sample_at = 0; /* of a stream that was reset, say */
  }
  hs2ni_tcp_rearm(c);
}

/* RFC 9002, 5.3 */
static void measure(struct hs2ni_tcp_conn *c, hs2n_time sent_at) {
  struct hs2ni_tcp_pulse *p = &c->pulse;
  const hs2n_time took = now_of(c) - sent_at;
  const hs2n_time rtt = took == 0 ? 1 : took;

  if (p->rtt_min == 0 || rtt < p->rtt_min) {
    p->rtt_min = rtt;
  }
  p->rtt_smoothed =
      p->rtt_smoothed == 0 ? rtt : p->rtt_smoothed / 8 * 7 + rtt / 8;
}

void hs2ni_tcp_pulse_acked(struct hs2ni_tcp_conn *c, uint64_t stream,
                           uint64_t offset) {
  struct hs2ni_tcp_pulse *p = &c->pulse;

  if (p->sample_at != 0 && stream == p->sample_stream &&
      offset >= p->sample_offset) {
    measure(c, p->sample_at);
    p->sample_at = 0;
  }
}

bool hs2ni_tcp_pulse_pong(struct hs2ni_tcp_conn *c, uint64_t number) {
  struct hs2ni_tcp_pulse *p = &c->pulse;

  if (!p->ping_out || number != p->ping) {
    return false;
  }
  p->ping_out = false;
  measure(c, p->ping_at);
  hs2ni_tcp_pulse_answered(c);
  return true;
}

void hs2ni_tcp_pulse_ping(struct hs2ni_tcp_conn *c) {
  struct hs2ni_tcp_pulse *p = &c->pulse;

  p->ping_due = false;
  p->ping_out = true;
  p->ping++;
  p->ping_at = now_of(c);
  begin_wait(c);
}

void hs2ni_tcp_pulse_probe(struct hs2ni_tcp_conn *c) {
  if (c->probe) {
    c->probe = false;
    c->pulse.ping_due =
        c->pulse.ping_due ||
        (now_of(c) - c->last_heard > c->probe_silence && !anything_out(c));
  }
}

/* ---- time ---------------------------------------------------------------- */

static hs2n_time dead_at(const struct hs2ni_tcp_conn *c) {
  return c->pulse.waits_since == HS2N_TIME_NEVER
             ? HS2N_TIME_NEVER
             : c->pulse.waits_since + HS2N_MS(c->ep->env->limits.idle_ms);
}

static hs2n_time ping_at(const struct hs2ni_tcp_conn *c) {
  return c->pulse.waits_since != HS2N_TIME_NEVER || c->pulse.ping_due
             ? HS2N_TIME_NEVER
             : c->pulse.answered + HS2N_MS(c->ep->env->limits.keep_alive_ms);
}

void hs2ni_tcp_rearm(struct hs2ni_tcp_conn *c) {
  hs2n_time at = HS2N_TIME_NEVER;

  switch (c->state) {
  case HS2NI_TCP_HANDSHAKE:
    at = c->handshake_end;
    break;
  case HS2NI_TCP_UP:
    at = dead_at(c) < ping_at(c) ? dead_at(c) : ping_at(c);
    break;
  case HS2NI_TCP_ENDED:
    break;
  }
  hs2ni_timer_set(&c->ep->timers, &c->timer, at);
}

void hs2ni_tcp_tick_conn(struct hs2ni_timer *timer) {
  struct hs2ni_tcp_conn *c =
      HS2NI_CONTAINER(timer, struct hs2ni_tcp_conn, timer);

  if (c->state == HS2NI_TCP_HANDSHAKE) {
    hs2ni_tcp_end_by_time(c, HS2N_REASON_HANDSHAKE_TIMEOUT);
    return;
  }
  if (dead_at(c) <= now_of(c)) {
    hs2ni_tcp_end_by_time(c, HS2N_REASON_IDLE_TIMEOUT);
    return;
  }
  c->pulse.ping_due = true;
  begin_wait(c); /* a stalled pipe is no excuse */
  hs2ni_tcp_ready(c);
  hs2ni_tcp_rearm(c);
}
