#include "tcp/endpoint.h"

#include <assert.h>
#include <string.h>

static struct hs2n_span pipe_key(const uint64_t *pipe) {
  return (struct hs2n_span){(const uint8_t *)pipe, sizeof(*pipe)};
}

struct hs2ni_tcp_conn *hs2ni_tcp_conn_find(const struct hs2ni_tcp *ep,
                                           uint64_t pipe) {
  return hs2ni_map_get(ep->pipes, pipe_key(&pipe));
}

static void windows_init(struct hs2ni_tcp_conn *c) {
  const struct hs2n_limits *l = &c->ep->env->limits;

  c->rx_max = c->rx_granted = l->rx_window_bytes;
  c->ins_max = HS2NI_TCP_STREAMS_MAX;
  c->peer = (struct hs2ni_tcp_params){
      .max_data = HS2NI_TCP_LEAST_DATA,
      .max_stream_data = HS2NI_TCP_LEAST_STREAM_DATA,
      .max_streams = HS2NI_TCP_LEAST_STREAMS,
  };
  c->tx_max = c->peer.max_data;
  c->outs_max = c->peer.max_streams;
  c->next_out = c->client ? 2 : 3; /* RFC 9000, 2.1 */
  c->next_in = c->client ? 3 : 2;
}

int hs2ni_tcp_conn_new(struct hs2ni_tcp_conn **out, struct hs2ni_tcp *ep,
                       uint64_t pipe, const struct hs2n_addr *remote,
                       enum hs2ni_tls_role role) {
  struct hs2ni_tcp_conn *c = hs2ni_alloc(ep->env, sizeof(*c));
  int rv;

  if (c == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  c->base.ops = ep->link.ops;
  c->ep = ep;
  c->pipe = pipe;
  c->remote = *remote;
  c->client = role == HS2NI_TLS_CLIENT;
  c->last_heard = ep->env->now;
  c->handshake_end = ep->env->now + HS2N_MS(ep->env->limits.handshake_ms);
  c->timer.fire = hs2ni_tcp_tick_conn;
  windows_init(c);
  hs2ni_list_push_back(&ep->conns, &c->node);
  rv = hs2ni_map_put(ep->pipes, pipe_key(&c->pipe), c);
  if (rv == HS2N_OK) {
    rv = hs2ni_tls_stream_new(&c->tls, ep->tls, role);
  }
  if (rv == HS2N_OK) {
    rv = hs2ni_tls_stream_begin(c->tls);
  }
  if (rv != HS2N_OK) {
    hs2ni_tcp_conn_free(c);
    return rv;
  }
  hs2ni_tcp_rearm(c);
  *out = c;
  return HS2N_OK;
}

void hs2ni_tcp_conn_free(struct hs2ni_tcp_conn *c) {
  struct hs2ni_tcp *ep = c->ep;

  if (c->half_open) {
    ep->half_open--;
  }
  (void)hs2ni_map_remove(ep->pipes, pipe_key(&c->pipe));
  hs2ni_tcp_unready(c);
  hs2ni_timer_cancel(&ep->timers, &c->timer);
  hs2ni_list_remove(&ep->conns, &c->node);
  hs2ni_tls_stream_free(c->tls);
  hs2ni_free(ep->env, c->part, c->part_capacity);
  hs2ni_free(ep->env, c, sizeof(*c));
}

static void refuse(struct hs2ni_tcp_conn *c, enum hs2n_reason reason,
                   const struct hs2n_key *shown) {
  struct hs2ni_close why = {
      .reason = reason,
      .raw_code = 0x100u + hs2ni_tls_stream_alert(c->tls),
  };

  if (reason == HS2N_REASON_WRONG_KEY) {
    why.key = *shown;
  }
  hs2ni_tcp_end(c, &why);
}

static void come_up(struct hs2ni_tcp_conn *c) {
  c->state = HS2NI_TCP_UP;
  c->was_up = true;
  c->ep->env->stats.connections_opened++;
  hs2ni_source_of(&c->ep->sources, &c->remote)->known = true;
  hs2ni_tcp_pulse_init(c);
}

void hs2ni_tcp_conn_introduce(struct hs2ni_tcp_conn *c) {
  const struct hs2ni_link_user *user = c->ep->user;
  struct hs2n_key key;
  enum hs2n_reason reason =
      hs2ni_tls_stream_peer(c->tls, c->client ? &c->key : NULL, &key);

  if (c->half_open) {
    c->half_open = false;
    c->ep->half_open--;
  }
  if (reason != HS2N_REASON_NONE) {
    refuse(c, reason, &key);
    return;
  }
  come_up(c);
  if (c->client) {
    user->on_up(c->user);
    return;
  }
  reason =
      user->on_accept(c->ep->user_ctx, &c->base, &key, &c->remote, &c->user);
  if (c->state == HS2NI_TCP_ENDED) {
    return; /* the user closed it from inside */
  }
  if (reason != HS2N_REASON_NONE) {
    hs2ni_tcp_end_by_user(c, reason);
    return;
  }
  c->has_user = true;
}

void hs2ni_tcp_conn_stats(const struct hs2ni_conn *conn,
                          struct hs2ni_conn_stats *out) {
  const struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);

  *out = (struct hs2ni_conn_stats){
      .remote = c->remote,
      .last_heard = c->last_heard,
      .rtt_smoothed = c->pulse.rtt_smoothed,
      .rtt_min = c->pulse.rtt_min,
      .cwnd_bytes = c->tx_max - c->tx_sent + c->in_flight,
      .in_flight_bytes = c->in_flight,
      .packets_sent = c->records_sent,
  };
}
