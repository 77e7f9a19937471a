/* Receive windows that grow where they are needed.
 *
 * A window must hold what a peer sends until it hears that it may send more.
 * Where packets get lost on a long way that is several round trips' worth: what
 * came behind a lost one waits for it, and is neither read nor credited.  A
 * window that large for each peer would be memory that hardly ever is used, so
 * each has limits.rx_window_bytes, and more is lent out of
 * limits.rx_shared_bytes, which all have in common.
 *
 * Who takes an eighth of its window in a round trip is lent half as much again,
 * as far as there is.  So soon, because a sender that was held up while it
 * looked for the rate of its path takes it for a slow one for a long time.
 *
 * The credit of a peer that has become quiet goes into its loan first.  An idle
 * one keeps what it was lent until it sends again or its connection ends: QUIC
 * has no way to take credit back (RFC 9000, 4.1).  Credit that the application
 * keeps back makes nothing grow.
 *
 * Each stream is widened by as much as its connection, so what it leaves there
 * to other streams stays the same. */
#include "quic/endpoint.h"

#define GROWS_AT 8u /* parts of the window, in a round trip */
#define QUIET_AT 32u
#define QUIET_PERIODS 16u
#define STEP 2u /* parts of the window that it grows by */
#define PERIOD_MIN HS2N_US(100)

static uint64_t window_of(const struct hs2ni_quic_conn *c) {
  return c->ep->env->limits.rx_window_bytes + c->window.lent;
}

static uint64_t grow(struct hs2ni_quic_conn *c) {
  struct hs2ni_env *env = c->ep->env;
  const uint64_t more =
      hs2ni_share_take(&env->rx_share, env->limits.rx_shared_bytes,
                       c->window.lent, window_of(c) / STEP);

  c->window.lent += more;
  env->stats.rx_windows_widened += more > 0;
  return more;
}

static void give_back(struct hs2ni_quic_conn *c, uint64_t bytes) {
  c->window.lent -= bytes;
  hs2ni_share_give(&c->ep->env->rx_share, bytes);
}

/* A period of at least a round trip has passed, in which the peer took
 * c->window.taken.  Returns by how much its window is wider now. */
static uint64_t judge(struct hs2ni_quic_conn *c, hs2n_time length) {
  struct hs2ni_quic_window *w = &c->window;
  const uint64_t taken = w->taken / (length / w->rtt);
  ngtcp2_conn_info info;

  ngtcp2_conn_get_conn_info2(c->ng, &info);
  w->began = c->ep->env->now;
  w->taken = 0;
  w->rtt = info.smoothed_rtt > PERIOD_MIN ? info.smoothed_rtt : PERIOD_MIN;
  w->quiet = taken < window_of(c) / QUIET_AT ? w->quiet + 1 : 0;
  return taken >= window_of(c) / GROWS_AT ? grow(c) : 0;
}

void hs2ni_quic_window_init(struct hs2ni_quic_conn *c) {
  c->window =
      (struct hs2ni_quic_window){.began = c->ep->env->now, .rtt = PERIOD_MIN};
}

uint64_t hs2ni_quic_window_credit(struct hs2ni_quic_conn *c, uint64_t len) {
  struct hs2ni_quic_window *w = &c->window;
  const hs2n_time length = c->ep->env->now - w->began;
  uint64_t back;

  w->taken += len;
  if (length >= w->rtt) {
    len += judge(c, length);
  }
  if (w->quiet < QUIET_PERIODS || w->lent == 0) {
    return len;
  }
  back = len < w->lent ? len : w->lent;
  give_back(c, back);
  return len - back;
}

void hs2ni_quic_window_stream(struct hs2ni_quic_conn *c, int64_t stream,
                              void *stream_user_data) {
  const uint64_t lent = c->window.lent;
  const uint64_t has = (uintptr_t)stream_user_data;

  if (lent <= has) {
    return;
  }
  if (ngtcp2_conn_set_stream_user_data(c->ng, stream,
                                       (void *)(uintptr_t)lent) == 0 &&
      ngtcp2_conn_extend_max_stream_offset(c->ng, stream, lent - has) ==
          NGTCP2_ERR_NOMEM) {
    hs2ni_quic_fail(c, HS2N_REASON_INTERNAL, NGTCP2_INTERNAL_ERROR);
  }
}

void hs2ni_quic_window_fini(struct hs2ni_quic_conn *c) {
  give_back(c, c->window.lent);
}
