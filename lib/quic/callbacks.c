#include "quic/endpoint.h"

#include "tls/quic_glue.h"

#include <string.h>

/* RFC 8446, 6: what the peer is told when we refuse it after the handshake. */
#define ALERT_BAD_CERTIFICATE 42u
#define ALERT_NO_APPLICATION_PROTOCOL 120u

/* Whether the user still wants to hear of this connection. */
static bool listening(const struct hs2ni_quic_conn *c) {
  return c->up && !c->closing && !c->failed;
}

/* ---- who is there ------------------------------------------------------- */

static uint64_t refusal_code(enum hs2n_reason reason) {
  return NGTCP2_CRYPTO_ERROR |
         (reason == HS2N_REASON_ALPN ? ALERT_NO_APPLICATION_PROTOCOL
                                     : ALERT_BAD_CERTIFICATE);
}

static void half_open_done(struct hs2ni_quic_conn *c) {
  if (c->half_open) {
    c->half_open = false;
    c->ep->half_open--;
    c->ep->half_open_unproved -= c->proved ? 0 : 1;
  }
}

static void introduce(struct hs2ni_quic_conn *c, const struct hs2n_key *key) {
  const struct hs2ni_link_user *user = c->ep->user;
  enum hs2n_reason refused;

  c->up = true;
  if (c->client) {
    user->on_up(c->user);
    return;
  }
  refused =
      user->on_accept(c->ep->user_ctx, &c->base, key, &c->remote, &c->user);
  if (c->closing) {
    return; /* the user closed it from inside */
  }
  if (refused != HS2N_REASON_NONE) {
    c->closing = true;
    c->close_reason = refused;
    return;
  }
  c->has_user = true;
}

static int handshake_completed(ngtcp2_conn *ng, void *user_data) {
  struct hs2ni_quic_conn *c = user_data;
  struct hs2n_key key;
  enum hs2n_reason reason;

  (void)ng;
  half_open_done(c);
  if (c->closing || c->failed) {
    return 0;
  }
  reason = hs2ni_tls_session_peer(c->tls, c->client ? &c->key : NULL, &key);
  if (reason != HS2N_REASON_NONE) {
    hs2ni_quic_fail(c, reason, refusal_code(reason));
    if (reason == HS2N_REASON_WRONG_KEY) {
      c->failure.key = key;
    }
    return 0;
  }
  c->confirmed = !c->client; /* a server's handshake ends here */
  c->ep->env->stats.connections_opened++;
  hs2ni_source_of(&c->ep->sources, &c->remote)->known = true;
  introduce(c, &key);
  return 0;
}

static int handshake_confirmed(ngtcp2_conn *ng, void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  c->confirmed = true;
  return 0;
}

/* ---- receiving ---------------------------------------------------------- */

/* Before its first bytes are in order: they may be lost, and its sender would
 * wait for more window all the longer. */
static int stream_open(ngtcp2_conn *ng, int64_t stream_id, void *user_data) {
  (void)ng;
  hs2ni_quic_window_stream(user_data, stream_id, NULL);
  return 0;
}

static int recv_stream_data(ngtcp2_conn *ng, uint32_t flags, int64_t stream_id,
                            uint64_t offset, const uint8_t *data, size_t len,
                            void *user_data, void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)offset;
  c->owes_ack = true;
  if (listening(c)) {
    hs2ni_quic_window_stream(c, stream_id, stream_user_data);
    c->ep->user->on_data(c->user, (uint64_t)stream_id,
                         (struct hs2n_span){data, len},
                         (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
  }
  return 0;
}

static int recv_datagram(ngtcp2_conn *ng, uint32_t flags, const uint8_t *data,
                         size_t len, void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)flags;
  c->owes_ack = true;
  if (listening(c)) {
    c->ep->user->on_datagram(c->user, (struct hs2n_span){data, len});
  }
  return 0;
}

/* ngtcp2 itself gives the connection back the credit of what it never
 * delivered. */
static int stream_reset(ngtcp2_conn *ng, int64_t stream_id, uint64_t final_size,
                        uint64_t code, void *user_data,
                        void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)final_size;
  (void)stream_user_data;
  if (listening(c)) {
    c->ep->user->on_reset(c->user, (uint64_t)stream_id, code);
  }
  return 0;
}

/* ---- sending ------------------------------------------------------------ */

static int acked_stream_data(ngtcp2_conn *ng, int64_t stream_id,
                             uint64_t offset, uint64_t len, void *user_data,
                             void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)stream_user_data;
  hs2ni_quic_mtu_acked(c, len);
  /* The end of a stream alone has no length. */
  if (len > 0 && listening(c)) {
    c->ep->user->on_acked(c->user, (uint64_t)stream_id, offset + len);
  }
  return 0;
}

static int recv_stop_sending(ngtcp2_conn *ng, int64_t stream_id, uint64_t code,
                             void *user_data, void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)stream_user_data;
  if (listening(c)) {
    c->ep->user->on_stopped(c->user, (uint64_t)stream_id, code);
  }
  return 0;
}

/* Each MAX_STREAMS frame wants an ack of its own, so places that became free
 * are given back by the dozen. */
static void place_freed(struct hs2ni_quic_conn *c) {
  c->streams_freed++;
  if (c->streams_freed >= HS2NI_QUIC_STREAMS_MAX / 4) {
    ngtcp2_conn_extend_max_streams_uni(c->ng, c->streams_freed);
    c->streams_freed = 0;
  }
}

static int stream_close(ngtcp2_conn *ng, uint32_t flags, int64_t stream_id,
                        uint64_t code, void *user_data,
                        void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)flags;
  (void)code;
  (void)stream_user_data;
  if (!ngtcp2_conn_is_local_stream2(ng, stream_id)) {
    place_freed(c);
  } else if (listening(c)) {
    c->ep->user->on_done(c->user, (uint64_t)stream_id);
  }
  return 0;
}

static int extend_max_stream_data(ngtcp2_conn *ng, int64_t stream_id,
                                  uint64_t max, void *user_data,
                                  void *stream_user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)stream_id;
  (void)max;
  (void)stream_user_data;
  if (c->stream_blocked && listening(c)) {
    c->stream_blocked = false;
    c->ep->user->on_credit(c->user);
  }
  return 0;
}

static int extend_max_streams(ngtcp2_conn *ng, uint64_t max, void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)max;
  if (c->opens_full && listening(c)) {
    c->opens_full = false;
    c->ep->user->on_credit(c->user);
  }
  return 0;
}

/* ---- ids and chance ----------------------------------------------------- */

/* ngtcp2 uses this for what need not be secret: hash seeds, gaps in packet
 * numbers.  It can't be told of a failure, so one is noted. */
static void rand_bytes(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *ctx) {
  struct hs2ni_quic *ep = ctx->native_handle;

  if (hs2ni_quic_random(ep, dest, len) != HS2N_OK) {
    memset(dest, 0, len);
    ep->rand_failed = true;
  }
}

static int get_new_connection_id(ngtcp2_conn *ng, ngtcp2_cid *cid,
                                 ngtcp2_stateless_reset_token *token,
                                 size_t len, void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)len; /* that of our first id */
  if (hs2ni_quic_cid_new(c, cid) != HS2N_OK) {
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  hs2ni_quic_reset_token(c->ep, cid->data, cid->datalen, token->data);
  return 0;
}

static int remove_connection_id(ngtcp2_conn *ng, const ngtcp2_cid *cid,
                                void *user_data) {
  (void)ng;
  hs2ni_quic_cid_retire(user_data, cid);
  return 0;
}

static int get_path_challenge(ngtcp2_conn *ng, ngtcp2_path_challenge_data *data,
                              void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  return hs2ni_quic_random(c->ep, data->data, sizeof(data->data)) == HS2N_OK
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int dcid_status(ngtcp2_conn *ng, ngtcp2_connection_id_status_type type,
                       uint64_t seq, const ngtcp2_cid *cid,
                       const ngtcp2_stateless_reset_token *token,
                       void *user_data) {
  (void)ng;
  (void)seq;
  (void)cid;
  if (token == NULL) {
    return 0;
  }
  switch (type) {
  case NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE:
    hs2ni_quic_reset_expect(user_data, token->data);
    break;
  case NGTCP2_CONNECTION_ID_STATUS_TYPE_DEACTIVATE:
    hs2ni_quic_reset_forget(user_data, token->data);
    break;
  }
  return 0;
}

static int recv_stateless_reset(ngtcp2_conn *ng,
                                const ngtcp2_pkt_stateless_reset2 *sr,
                                void *user_data) {
  struct hs2ni_quic_conn *c = user_data;

  (void)ng;
  (void)sr;
  c->reset_heard = true;
  return 0;
}

void hs2ni_quic_callbacks_init(ngtcp2_callbacks *callbacks) {
  *callbacks = (ngtcp2_callbacks){
      .handshake_completed = handshake_completed,
      .recv_stream_data = recv_stream_data,
      .acked_stream_data_offset = acked_stream_data,
      .stream_open = stream_open,
      .stream_close = stream_close,
      .extend_max_local_streams_uni = extend_max_streams,
      .rand = rand_bytes,
      .remove_connection_id = remove_connection_id,
      .stream_reset = stream_reset,
      .extend_max_stream_data = extend_max_stream_data,
      .handshake_confirmed = handshake_confirmed,
      .recv_datagram = recv_datagram,
      .recv_stateless_reset2 = recv_stateless_reset,
      .get_new_connection_id2 = get_new_connection_id,
      .dcid_status2 = dcid_status,
      .recv_stop_sending = recv_stop_sending,
  };
  hs2ni_tls_quic_callbacks(callbacks);
  /* Ours draws from env->rand, so that a run can be repeated. */
  callbacks->get_path_challenge_data = NULL;
  callbacks->get_path_challenge_data2 = get_path_challenge;
}
