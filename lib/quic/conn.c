#include "quic/endpoint.h"

#include <assert.h>
#include <string.h>

/* Sets the first timer of a handshake: 3 x this until something is sent
 * again.  Large enough for a continent, small enough to repair loss on a LAN
 * before a view times out. */
#define INITIAL_RTT (50 * NGTCP2_MILLISECONDS)

static ngtcp2_conn *conn_of_ref(ngtcp2_crypto_conn_ref *ref) {
  const struct hs2ni_quic_conn *c = ref->user_data;

  return c->ng;
}

static void fire(struct hs2ni_timer *timer) {
  struct hs2ni_quic_conn *c =
      HS2NI_CONTAINER(timer, struct hs2ni_quic_conn, timer);
  int rv;

  c->last_expiry = c->ep->env->now;
  c->in_ng = true;
  rv = ngtcp2_conn_handle_expiry(c->ng, c->ep->env->now);
  c->in_ng = false;
  if (rv == 0) {
    (void)hs2ni_quic_look(c);
    hs2ni_quic_unacked_tick(c);
  }
  (void)hs2ni_quic_settle(c, rv);
}

/* Largest first: most paths take it.  The others are Ethernet less one or two
 * tunnels. */
static const uint16_t pmtud_probes[] = {HS2NI_QUIC_PAYLOAD_DEFAULT, 1406, 1328};

static void settings_make(ngtcp2_settings *out, struct hs2ni_quic *ep) {
  const struct hs2n_limits *l = &ep->env->limits;

  ngtcp2_settings_default(out);
  switch (ep->congestion) {
  case HS2N_CONGESTION_BBR:
    out->cc_algo = NGTCP2_CC_ALGO_BBR;
    break;
  case HS2N_CONGESTION_CUBIC:
    out->cc_algo = NGTCP2_CC_ALGO_CUBIC;
    break;
  }
  out->initial_ts = ep->env->now;
  out->initial_rtt = INITIAL_RTT;
  out->handshake_timeout = HS2N_MS(l->handshake_ms);
  out->ack_thresh = 1; /* acks leave with the reply, once per turn */
  out->rand_ctx.native_handle = ep;
  out->max_tx_udp_payload_size = ep->payload_max;
  out->no_tx_udp_payload_size_shaping = ep->payload_fixed;
  out->no_pmtud = ep->payload_fixed;
  if (!ep->payload_fixed) {
    out->pmtud_probes = pmtud_probes;
    out->pmtud_probeslen = sizeof(pmtud_probes) / sizeof(pmtud_probes[0]);
  }
}

static void params_make(ngtcp2_transport_params *out, struct hs2ni_quic *ep) {
  const struct hs2n_limits *l = &ep->env->limits;

  ngtcp2_transport_params_default(out);
  out->initial_max_data = l->rx_window_bytes;
  out->initial_max_stream_data_uni = l->rx_stream_window_bytes;
  out->initial_max_streams_uni = HS2NI_QUIC_STREAMS_MAX;
  out->max_idle_timeout = HS2N_MS(l->idle_ms);
  /* ngtcp2's receive buffer grows to the largest packet and stays so. */
  out->max_udp_payload_size = ep->payload_max;
  out->max_datagram_frame_size = ep->payload_max;
  out->disable_active_migration = 1;
}

static struct hs2ni_quic_conn *conn_new(struct hs2ni_quic *ep,
                                        const struct hs2n_addr *local,
                                        const struct hs2n_addr *remote) {
  struct hs2ni_quic_conn *c = hs2ni_alloc(ep->env, sizeof(*c));

  if (c == NULL) {
    return NULL;
  }
  c->base.ops = ep->link.ops;
  c->route.kind = HS2NI_QUIC_TO_CONN;
  c->ep = ep;
  c->ref = (ngtcp2_crypto_conn_ref){.get_conn = conn_of_ref, .user_data = c};
  c->timer.fire = fire;
  hs2ni_quic_unacked_init(&c->unacked);
  hs2ni_quic_window_init(c);
  c->mtu.quiet = true; /* so that the first packet counts as progress */
  c->local = *local;
  c->remote = *remote;
  hs2ni_list_push_back(&ep->conns, &c->node);
  return c;
}

static int to_err(int rv) {
  return rv == NGTCP2_ERR_NOMEM ? HS2N_ERR_NO_MEMORY : HS2N_ERR_CRYPTO;
}

/* Ties the parts together once ngtcp2 has its object. */
static void conn_start(struct hs2ni_quic_conn *c) {
  ngtcp2_conn_set_tls_native_handle(c->ng, hs2ni_tls_session_native(c->tls));
  ngtcp2_conn_set_keep_alive_timeout(c->ng,
                                     HS2N_MS(c->ep->env->limits.keep_alive_ms));
  c->next_stream = c->client ? 2 : 3;
  c->last_heard = c->ep->env->now;
  hs2ni_quic_conn_ready(c);
}

static int client_begin(struct hs2ni_quic_conn *c) {
  struct hs2ni_quic *ep = c->ep;
  struct hs2ni_quic_path path;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_cid scid;
  ngtcp2_cid dcid = {.datalen = 18};
  int rv;

  rv = hs2ni_quic_random(ep, dcid.data, dcid.datalen);
  if (rv == HS2N_OK) {
    rv = hs2ni_quic_cid_new(c, &scid);
  }
  if (rv == HS2N_OK) {
    rv = hs2ni_tls_session_new(&c->tls, ep->tls, HS2NI_TLS_CLIENT, &c->ref);
  }
  if (rv != HS2N_OK) {
    return rv;
  }
  settings_make(&settings, ep);
  params_make(&params, ep);
  hs2ni_quic_path_set(&path, ep, &c->remote);
  rv = ngtcp2_conn_client_new(&c->ng, &dcid, &scid, &path.path,
                              NGTCP2_PROTO_VER_V1, &ep->callbacks, &settings,
                              &params, &ep->mem, c);
  return rv == 0 ? HS2N_OK : to_err(rv);
}

int hs2ni_quic_conn_dial(struct hs2ni_quic_conn **out, struct hs2ni_quic *ep,
                         const struct hs2n_addr *remote,
                         const struct hs2n_key *key, void *user) {
  struct hs2ni_quic_conn *c = conn_new(ep, &ep->local, remote);
  int rv;

  if (c == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  ep->rand_failed = false;
  c->client = true;
  c->key = *key;
  rv = client_begin(c);
  if (rv == HS2N_OK && ep->rand_failed) {
    rv = HS2N_ERR_RANDOM;
  }
  if (rv != HS2N_OK) {
    hs2ni_quic_conn_free(c);
    return rv;
  }
  c->user = user;
  c->has_user = true;
  conn_start(c);
  *out = c;
  return HS2N_OK;
}

static int server_begin(struct hs2ni_quic_conn *c, const ngtcp2_pkt_hd *hd,
                        const ngtcp2_cid *odcid) {
  struct hs2ni_quic *ep = c->ep;
  struct hs2ni_quic_path path;
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_cid scid;
  int rv;

  rv = hs2ni_quic_cid_new(c, &scid);
  if (rv == HS2N_OK) {
    rv = hs2ni_quic_route_first(c, &hd->dcid);
  }
  if (rv == HS2N_OK) {
    rv = hs2ni_tls_session_new(&c->tls, ep->tls, HS2NI_TLS_SERVER, &c->ref);
  }
  if (rv != HS2N_OK) {
    return rv;
  }
  settings_make(&settings, ep);
  params_make(&params, ep);
  params.original_dcid_present = 1;
  params.original_dcid = odcid != NULL ? *odcid : hd->dcid;
  if (odcid != NULL) {
    params.retry_scid_present = 1;
    params.retry_scid = hd->dcid;
    settings.token = hd->token;
    settings.tokenlen = hd->tokenlen;
    settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
  }
  params.stateless_reset_token_present = 1;
  hs2ni_quic_reset_token(ep, scid.data, scid.datalen,
                         params.stateless_reset_token);
  hs2ni_quic_path_set(&path, ep, &c->remote);
  rv = ngtcp2_conn_server_new(&c->ng, &hd->scid, &scid, &path.path, hd->version,
                              &ep->callbacks, &settings, &params, &ep->mem, c);
  return rv == 0 ? HS2N_OK : to_err(rv);
}

int hs2ni_quic_conn_accept(struct hs2ni_quic_conn **out, struct hs2ni_quic *ep,
                           const struct hs2ni_quic_dgram *d,
                           const ngtcp2_pkt_hd *hd, const ngtcp2_cid *odcid) {
  struct hs2ni_quic_conn *c = conn_new(ep, d->local, d->remote);
  int rv;

  if (c == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  ep->rand_failed = false;
  rv = server_begin(c, hd, odcid);
  if (rv == HS2N_OK && ep->rand_failed) {
    rv = HS2N_ERR_RANDOM;
  }
  if (rv != HS2N_OK) {
    hs2ni_quic_conn_free(c);
    return rv;
  }
  c->half_open = true;
  c->proved = odcid != NULL;
  ep->half_open++;
  ep->half_open_unproved += c->proved ? 0 : 1;
  conn_start(c);
  *out = c;
  return HS2N_OK;
}

void hs2ni_quic_conn_free(struct hs2ni_quic_conn *c) {
  struct hs2ni_quic *ep;

  if (c == NULL) {
    return;
  }
  assert(!c->in_ng);
  ep = c->ep;
  if (c->half_open) {
    ep->half_open--;
    ep->half_open_unproved -= c->proved ? 0 : 1;
  }
  hs2ni_quic_unroute(c);
  hs2ni_quic_conn_unready(c);
  hs2ni_quic_window_fini(c);
  hs2ni_timer_cancel(&ep->timers, &c->timer);
  hs2ni_list_remove(&ep->conns, &c->node);
  if (c->ng != NULL) {
    ngtcp2_conn_set_tls_native_handle(c->ng, NULL);
  }
  hs2ni_tls_session_free(c->tls);
  ngtcp2_conn_del(c->ng);
  hs2ni_free(ep->env, c, sizeof(*c));
}

void hs2ni_quic_conn_rearm(struct hs2ni_quic_conn *c) {
  const hs2n_time now = c->ep->env->now;
  const hs2n_time dead = hs2ni_quic_unacked_deadline(c);
  hs2n_time at = ngtcp2_conn_get_expiry2(c->ng);

  if (dead < at) {
    at = dead;
  }
  /* What is due although it was served at this very time must not keep the
   * clock from going on, nor what can't be served while the uplink is busy. */
  if (at <= now &&
      (c->last_expiry == now || c->ep->env->uplink.bits_per_s != 0)) {
    at = now + HS2N_US(1);
  }
  hs2ni_timer_set(&c->ep->timers, &c->timer, at);
}
