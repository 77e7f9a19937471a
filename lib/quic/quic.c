#include "quic/endpoint.h"

#include <string.h>

/* Some stacks fill their first packets to the size of an Ethernet frame,
 * before they know what we announce. */
#define RX_PAYLOAD_MIN 1500u

/* ---- receiving ---------------------------------------------------------- */

static void after_read(struct hs2ni_quic_conn *c,
                       const struct hs2ni_quic_dgram *d) {
  if (hs2ni_quic_look(c)) {
    c->local = *d->local;
  }
  /* ngtcp2 has no callback for a larger connection window. */
  if (c->conn_blocked && c->up && !c->closing && !c->failed &&
      ngtcp2_conn_get_max_data_left2(c->ng) > 0) {
    c->conn_blocked = false;
    c->ep->user->on_credit(c->user);
  }
}

static void to_conn(struct hs2ni_quic_conn *c,
                    const struct hs2ni_quic_dgram *d) {
  struct hs2ni_quic_path path;
  ngtcp2_pkt_info pi = {.ecn = d->ecn};
  int rv;

  hs2ni_quic_path_set(&path, c->ep, d->remote);
  c->in_ng = true;
  rv = ngtcp2_conn_read_pkt(c->ng, &path.path, &pi, d->data, d->len,
                            c->ep->env->now);
  if (rv == 0) {
    after_read(c, d);
  }
  c->in_ng = false;
  (void)hs2ni_quic_settle(c, rv);
}

/* A short packet with an id that is not ours: the peer's farewell, or of a
 * connection of an earlier process. */
static void to_the_dead(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d,
                        const ngtcp2_version_cid *vc) {
  struct hs2ni_quic_conn *c =
      d->len < 21 ? NULL : hs2ni_quic_reset_conn(ep, d->data + d->len - 16);

  if (c != NULL) {
    to_conn(c, d);
    return;
  }
  hs2ni_quic_answer_reset(ep, d, vc->dcid);
}

static void to_nobody(struct hs2ni_quic *ep, const struct hs2ni_quic_dgram *d,
                      const ngtcp2_version_cid *vc) {
  if ((d->data[0] & 0x80u) == 0) {
    to_the_dead(ep, d, vc);
    return;
  }
  if (vc->version == NGTCP2_PROTO_VER_V1) {
    hs2ni_quic_admit(ep, d);
    return;
  }
  /* Version 0 is an answer itself (RFC 9000, 6.1). */
  if (vc->version == 0 || d->len < NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
    ep->env->stats.packets_dropped_unknown++;
    return;
  }
  hs2ni_quic_answer_version(ep, d, vc);
}

static void recv_dgram(struct hs2ni_quic *ep,
                       const struct hs2ni_quic_dgram *d) {
  ngtcp2_version_cid vc;
  struct hs2ni_quic_route *route;
  int rv;

  ep->env->stats.udp_datagrams_received++;
  ep->env->stats.udp_bytes_received += d->len;
  /* Longer than announced: not from a peer that keeps to the protocol. */
  if (d->len == 0 || d->len > ep->rx_payload_max) {
    ep->env->stats.packets_dropped_malformed++;
    return;
  }
  rv = ngtcp2_pkt_decode_version_cid(&vc, d->data, d->len, HS2NI_QUIC_CID_LEN);
  if (rv != 0 && rv != NGTCP2_ERR_VERSION_NEGOTIATION) {
    ep->env->stats.packets_dropped_malformed++;
    return;
  }
  route = hs2ni_quic_route_get(ep, vc.dcid, vc.dcidlen);
  if (route == NULL) {
    to_nobody(ep, d, &vc);
    return;
  }
  switch (route->kind) {
  case HS2NI_QUIC_TO_CONN:
    to_conn(HS2NI_CONTAINER(route, struct hs2ni_quic_conn, route), d);
    return;
  case HS2NI_QUIC_TO_TOMB:
    hs2ni_quic_tomb_heard(HS2NI_CONTAINER(route, struct hs2ni_quic_tomb, route),
                          d->len);
    return;
  }
}

static void recv_batch(struct hs2ni_link *link, const struct hs2n_rx *rx,
                       size_t n) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);

  for (size_t i = 0; i < n; i++) {
    const size_t step = rx[i].segment_len == 0 ? rx[i].len : rx[i].segment_len;

    if (rx[i].kind != HS2N_IO_DATAGRAM) {
      continue;
    }
    for (size_t at = 0; at < rx[i].len; at += step) {
      const size_t left = rx[i].len - at;
      const struct hs2ni_quic_dgram d = {
          .local = &rx[i].local,
          .remote = &rx[i].remote,
          .ecn = rx[i].ecn,
          .data = rx[i].data + at,
          .len = left < step ? left : step,
      };
      recv_dgram(ep, &d);
    }
  }
}

/* ---- time --------------------------------------------------------------- */

static void tick(struct hs2ni_link *link) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);

  hs2ni_timers_run(&ep->timers, ep->env->now);
}

static hs2n_time deadline(const struct hs2ni_link *link) {
  const struct hs2ni_quic *ep = hs2ni_quic_of(link);
  const hs2n_time timers = hs2ni_timers_deadline(&ep->timers);

  /* What waits to be written has not told its next time yet. */
  if (hs2ni_quic_any_waits(ep)) {
    const hs2n_time opens = hs2ni_uplink_opens(&ep->env->uplink, ep->env->now);

    return opens < timers ? opens : timers;
  }
  return timers;
}

/* ---- connections -------------------------------------------------------- */

/* A socket on the IPv6 wildcard is a dual-stack one: it speaks IPv4 too. */
static bool can_reach(const struct hs2n_addr *local,
                      const struct hs2n_addr *remote) {
  static const uint8_t any[16];

  return remote->family == local->family ||
         (local->family == HS2N_FAMILY_IPV6 &&
          memcmp(local->ip, any, sizeof(any)) == 0);
}

static int dial(struct hs2ni_link *link, const struct hs2n_addr *remote,
                const struct hs2n_key *key, void *user,
                struct hs2ni_conn **out_conn) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);
  struct hs2ni_quic_conn *c;
  int rv;

  if (!can_reach(&ep->local, remote)) {
    return HS2N_ERR_INVALID;
  }
  if (ep->conns.count >= ep->conns_max) {
    return HS2N_ERR_FULL;
  }
  rv = hs2ni_quic_conn_dial(&c, ep, remote, key, user);
  if (rv != HS2N_OK) {
    return rv;
  }
  hs2ni_source_of(&ep->sources, remote)->known = true;
  ep->env->stats.dials++;
  *out_conn = &c->base;
  return HS2N_OK;
}

static void conn_close(struct hs2ni_conn *conn, enum hs2n_reason reason) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (c->in_ng) {
    c->closing = true;
    c->close_reason = reason;
    return;
  }
  hs2ni_quic_end_by_user(c, reason);
}

/* Who waits for the path to take more is woken by an ack or a timer. */
static void want_tx(struct hs2ni_conn *conn, uint64_t rank) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  if (!c->wants_tx || c->turn.slot != 0) {
    c->wants_tx = true;
    hs2ni_quic_conn_turn(c, rank);
  } else if (rank < c->rank) {
    c->rank = rank;
  }
}

static void probe(struct hs2ni_conn *conn, hs2n_time silence) {
  struct hs2ni_quic_conn *c = hs2ni_quic_conn_of(conn);

  c->probe = true;
  c->probe_silence = silence;
  hs2ni_quic_conn_ready(c);
}

/* ---- life --------------------------------------------------------------- */

static size_t answers_size(void) {
  return HS2NI_QUIC_ANSWERS_MAX * sizeof(struct hs2ni_quic_answer);
}

static size_t deferred_size(void) {
  return HS2NI_QUIC_DEFERRED_MAX * sizeof(struct hs2ni_quic_deferred);
}

static void endpoint_free(struct hs2ni_link *link) {
  struct hs2ni_quic *ep = hs2ni_quic_of(link);
  struct hs2ni_env *env;

  if (ep == NULL) {
    return;
  }
  env = ep->env;
  while (!hs2ni_list_empty(&ep->conns)) {
    hs2ni_quic_conn_free(
        HS2NI_CONTAINER(ep->conns.head, struct hs2ni_quic_conn, node));
  }
  while (!hs2ni_list_empty(&ep->tombs)) {
    hs2ni_quic_tomb_free(
        HS2NI_CONTAINER(ep->tombs.head, struct hs2ni_quic_tomb, node));
  }
  hs2ni_free(env, ep->answers, answers_size());
  hs2ni_free(env, ep->deferred, deferred_size());
  hs2ni_sources_fini(&ep->sources, env);
  hs2ni_timers_fini(&ep->turns, env);
  hs2ni_timers_fini(&ep->timers, env);
  hs2ni_map_free(ep->routes, env);
  ngtcp2_secure_clear(ep->reset_key, sizeof(ep->reset_key));
  ngtcp2_secure_clear(&ep->token_keys, sizeof(ep->token_keys));
  hs2ni_free(env, ep, sizeof(*ep));
}

static const struct hs2ni_link_ops quic_ops = {
    .scheme = "quic",
    .dial = dial,
    .recv = recv_batch,
    .tick = tick,
    .deadline = deadline,
    .poll_tx = hs2ni_quic_poll_tx,
    .free = endpoint_free,
    .conn_close = conn_close,
    .stream_open = hs2ni_quic_stream_open,
    .stream_reset = hs2ni_quic_stream_reset,
    .stream_stop = hs2ni_quic_stream_stop,
    .credit = hs2ni_quic_credit,
    .datagram_max = hs2ni_quic_datagram_max,
    .want_tx = want_tx,
    .probe = probe,
    .conn_stats = hs2ni_quic_conn_stats,
};

/* Both directions of a pair may live for a moment, and strangers. */
static uint32_t conns_max(const struct hs2n_limits *l) {
  return 2 * l->peers_max + l->half_open_max;
}

/* Ids and reset tokens.  A stranger with half a handshake can have one of his
 * own choice, one of ours, and the eight more that ngtcp2 gives to who asks
 * for them; a peer of ours asks for two, and announces two tokens. */
#define ROUTES_PER_STRANGER 10u
#define ROUTES_PER_PEER 8u

static uint32_t routes_max(const struct hs2n_limits *l) {
  return 2 * l->peers_max * ROUTES_PER_PEER +
         l->half_open_max * ROUTES_PER_STRANGER +
         HS2NI_QUIC_TOMBS_MAX * HS2NI_QUIC_TOMB_CIDS;
}

size_t hs2ni_quic_footprint(const struct hs2n_limits *limits) {
  const size_t timers = 2 * (size_t)conns_max(limits) + HS2NI_QUIC_TOMBS_MAX;

  return sizeof(struct hs2ni_quic) + hs2ni_map_footprint(routes_max(limits)) +
         timers * sizeof(struct hs2ni_timer *) +
         hs2ni_sources_footprint(limits) + answers_size() + deferred_size() +
         HS2NI_QUIC_TOMBS_MAX *
             (sizeof(struct hs2ni_quic_tomb) + HS2NI_QUIC_PAYLOAD_DEFAULT);
}

static int tables_init(struct hs2ni_quic *ep) {
  struct hs2ni_env *env = ep->env;
  int rv;

  ep->conns_max = conns_max(&env->limits);
  rv = hs2ni_map_new(&ep->routes, env, routes_max(&env->limits));
  if (rv == HS2N_OK) {
    rv = hs2ni_timers_init(&ep->timers, env,
                           ep->conns_max + HS2NI_QUIC_TOMBS_MAX);
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
  ep->answers = hs2ni_alloc(env, answers_size());
  ep->deferred = hs2ni_alloc(env, deferred_size());
  return ep->answers == NULL || ep->deferred == NULL ? HS2N_ERR_NO_MEMORY
                                                     : HS2N_OK;
}

int hs2ni_quic_new(struct hs2ni_link **out_link,
                   const struct hs2ni_quic_config *config) {
  struct hs2ni_quic *ep = hs2ni_alloc(config->env, sizeof(*ep));
  int rv;

  if (ep == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  ep->link.ops = &quic_ops;
  ep->env = config->env;
  ep->tls = config->tls;
  ep->user = config->user;
  ep->user_ctx = config->user_ctx;
  ep->local = config->local;
  memcpy(ep->reset_key, config->reset_key, sizeof(ep->reset_key));
  ep->congestion = config->congestion;
  ep->ready_credit = HS2NI_QUIC_CREDIT_MAX;
  ep->answer_credit = HS2NI_QUIC_CREDIT_MAX;
  ep->payload_fixed = config->udp_payload_max != 0;
  ep->payload_max =
      ep->payload_fixed ? config->udp_payload_max : HS2NI_QUIC_PAYLOAD_DEFAULT;
  ep->rx_payload_max =
      ep->payload_max > RX_PAYLOAD_MIN ? ep->payload_max : RX_PAYLOAD_MIN;
  hs2ni_quic_mem_init(&ep->mem, ep->env);
  hs2ni_quic_callbacks_init(&ep->callbacks);
  rv = tables_init(ep);
  if (rv != HS2N_OK) {
    endpoint_free(&ep->link);
    return rv;
  }
  *out_link = &ep->link;
  return HS2N_OK;
}
