#include "tcp/endpoint.h"

/* ---- connections --------------------------------------------------------- */

static int dial(struct hs2ni_link *link, const struct hs2n_addr *remote,
                const struct hs2n_key *key, void *user,
                struct hs2ni_conn **out_conn) {
  struct hs2ni_tcp *ep = hs2ni_tcp_of(link);
  struct hs2ni_tcp_conn *c;
  int rv;

  if (remote->family != HS2N_FAMILY_IPV4 &&
      remote->family != HS2N_FAMILY_IPV6) {
    return HS2N_ERR_INVALID;
  }
  if (ep->conns.count >= ep->conns_max) {
    return HS2N_ERR_FULL;
  }
  rv = hs2ni_tcp_conn_new(&c, ep, ep->next_pipe, remote, HS2NI_TLS_CLIENT);
  if (rv != HS2N_OK) {
    return rv;
  }
  ep->next_pipe += 2;
  c->key = *key;
  c->user = user;
  c->has_user = true;
  c->open_due = true;
  hs2ni_source_of(&ep->sources, remote)->known = true;
  ep->env->stats.dials++;
  hs2ni_tcp_ready(c);
  *out_conn = &c->base;
  return HS2N_OK;
}

static void conn_close(struct hs2ni_conn *conn, enum hs2n_reason reason) {
  hs2ni_tcp_end_by_user(hs2ni_tcp_conn_of(conn), reason);
}

static void want_tx(struct hs2ni_conn *conn, uint64_t rank) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);

  if (!c->wants_tx || rank < c->rank) {
    c->rank = rank;
  }
  c->wants_tx = true;
  hs2ni_tcp_ready(c);
}

static void probe(struct hs2ni_conn *conn, hs2n_time silence) {
  struct hs2ni_tcp_conn *c = hs2ni_tcp_conn_of(conn);

  c->probe = true;
  c->probe_silence = silence;
  hs2ni_tcp_ready(c);
}

/* ---- time ---------------------------------------------------------------- */

static void tick(struct hs2ni_link *link) {
  struct hs2ni_tcp *ep = hs2ni_tcp_of(link);

  hs2ni_timers_run(&ep->timers, ep->env->now);
}

static hs2n_time deadline(const struct hs2ni_link *link) {
  const struct hs2ni_tcp *ep = hs2ni_tcp_of(link);

  if (ep->refused_n > 0 || !hs2ni_list_empty(&ep->ready) ||
      ep->turns.count > 0) {
    return ep->env->now;
  }
  return hs2ni_timers_deadline(&ep->timers);
}

/* ---- life ---------------------------------------------------------------- */

static size_t refused_size(void) {
  return HS2NI_TCP_ACCEPTS_MAX * sizeof(uint64_t);
}

static void endpoint_free(struct hs2ni_link *link) {
  struct hs2ni_tcp *ep = hs2ni_tcp_of(link);
  struct hs2ni_env *env;

  if (ep == NULL) {
    return;
  }
  env = ep->env;
  while (!hs2ni_list_empty(&ep->conns)) {
    hs2ni_tcp_conn_free(
        HS2NI_CONTAINER(ep->conns.head, struct hs2ni_tcp_conn, node));
  }
  hs2ni_free(env, ep->plain, HS2NI_TLS_RECORD_MAX);
  hs2ni_free(env, ep->refused, refused_size());
  hs2ni_sources_fini(&ep->sources, env);
  hs2ni_timers_fini(&ep->turns, env);
  hs2ni_timers_fini(&ep->timers, env);
  hs2ni_map_free(ep->pipes, env);
  hs2ni_free(env, ep, sizeof(*ep));
}

static const struct hs2ni_link_ops tcp_ops = {
    .scheme = "tcp",
    .dial = dial,
    .recv = hs2ni_tcp_recv,
    .tick = tick,
    .deadline = deadline,
    .poll_tx = hs2ni_tcp_poll_tx,
    .free = endpoint_free,
    .conn_close = conn_close,
    .stream_open = hs2ni_tcp_stream_open,
    .stream_reset = hs2ni_tcp_stream_reset,
    .stream_stop = hs2ni_tcp_stream_stop,
    .credit = hs2ni_tcp_credit,
    .datagram_max = hs2ni_tcp_datagram_max,
    .want_tx = want_tx,
    .probe = probe,
    .conn_stats = hs2ni_tcp_conn_stats,
};

/* Both directions of a pair may live for a moment, and strangers. */
static uint32_t conns_max(const struct hs2n_limits *l) {
  return 2 * l->peers_max + l->half_open_max;
}

size_t hs2ni_tcp_footprint(const struct hs2n_limits *limits) {
  const size_t conns = conns_max(limits);

  return sizeof(struct hs2ni_tcp) + hs2ni_map_footprint((uint32_t)conns) +
         2 * conns * sizeof(struct hs2ni_timer *) +
         hs2ni_sources_footprint(limits) + refused_size() +
         HS2NI_TLS_RECORD_MAX;
}

size_t hs2ni_tcp_half_open_footprint(void) {
  return sizeof(struct hs2ni_tcp_conn) + HS2NI_TLS_RECORD_MAX +
         HS2NI_TLS_HEAD_LEN + hs2ni_tls_stream_footprint();
}

size_t hs2ni_tcp_conn_footprint(const struct hs2n_limits *limits) {
  (void)limits;
  return hs2ni_tcp_half_open_footprint();
}

static int tables_init(struct hs2ni_tcp *ep) {
  struct hs2ni_env *env = ep->env;
  int rv;

  ep->conns_max = conns_max(&env->limits);
  rv = hs2ni_map_new(&ep->pipes, env, ep->conns_max);
  if (rv == HS2N_OK) {
    rv = hs2ni_timers_init(&ep->timers, env, ep->conns_max);
  }
  if (rv == HS2N_OK) {
    rv = hs2ni_timers_init(&ep->turns, env, ep->conns_max);
  }
  if (rv == HS2N_OK) {
    rv = hs2ni_sources_init(&ep->sources, env);
  }
  if (rv != HS2N_OK) {
    return rv;
  }
  ep->refused = hs2ni_alloc(env, refused_size());
  ep->plain = hs2ni_alloc(env, HS2NI_TLS_RECORD_MAX);
  return ep->refused == NULL || ep->plain == NULL ? HS2N_ERR_NO_MEMORY
                                                  : HS2N_OK;
}

int hs2ni_tcp_new(struct hs2ni_link **out_link,
                  const struct hs2ni_tcp_config *config) {
  struct hs2ni_tcp *ep = hs2ni_alloc(config->env, sizeof(*ep));
  int rv;

  if (ep == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  ep->link.ops = &tcp_ops;
  ep->env = config->env;
  ep->tls = config->tls;
  ep->user = config->user;
  ep->user_ctx = config->user_ctx;
  ep->next_pipe = 2;
  rv = tables_init(ep);
  if (rv != HS2N_OK) {
    endpoint_free(&ep->link);
    return rv;
  }
  *out_link = &ep->link;
  return HS2N_OK;
}
