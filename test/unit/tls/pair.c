#include "pair.h"

#include "tap.h"
#include "tls/quic_glue.h"

#include <ngtcp2/ngtcp2_crypto_wolfssl.h>

#define SCID_LEN 8

static const char marker[8] = {'p', 'l', 'a', 'i', 'n', 't', 'x', 't'};

static struct sockaddr_in addresses[2];

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static int end_rand(void *user_data, uint8_t *out, size_t len) {
  struct end *e = user_data;

  if (++e->rand_calls == e->rand_fail_at) {
    return -1;
  }
  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)next(&e->rand_state);
  }
  return 0;
}

static void on_rand(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx) {
  uint64_t *state = ctx->native_handle;

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)next(state);
  }
}

static int on_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid,
                      ngtcp2_stateless_reset_token *token, size_t cidlen,
                      void *user_data) {
  struct end *e = user_data;

  (void)conn;
  for (size_t i = 0; i < cidlen; i++) {
    cid->data[i] = (uint8_t)next(&e->rand_state);
  }
  cid->datalen = cidlen;
  for (size_t i = 0; i < sizeof(token->data); i++) {
    token->data[i] = (uint8_t)next(&e->rand_state);
  }
  return 0;
}

static int on_completed(ngtcp2_conn *conn, void *user_data) {
  struct end *e = user_data;

  (void)conn;
  e->completed = true;
  e->verdict = hs2ni_tls_session_peer(e->session, e->expected, &e->peer);
  return e->verdict == HS2N_REASON_NONE ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int on_confirmed(ngtcp2_conn *conn, void *user_data) {
  struct end *e = user_data;

  (void)conn;
  e->confirmed = true;
  return 0;
}

static int on_stream(ngtcp2_conn *conn, uint32_t flags, int64_t stream_id,
                     uint64_t offset, const uint8_t *data, size_t datalen,
                     void *user_data, void *stream_user_data) {
  struct end *e = user_data;

  (void)flags;
  (void)stream_user_data;
  e->stream_bytes += datalen;
  e->marker_seen = e->marker_seen ||
                   (datalen >= 2 * sizeof(marker) &&
                    memcmp(data + (sizeof(marker) - offset % sizeof(marker)),
                           marker, sizeof(marker)) == 0);
  ngtcp2_conn_extend_max_offset(conn, datalen);
  return ngtcp2_conn_extend_max_stream_offset(conn, stream_id, datalen);
}

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref) {
  return ((struct end *)ref->user_data)->conn;
}

static void stock_callbacks(ngtcp2_callbacks *cb) {
  cb->client_initial = ngtcp2_crypto_client_initial_cb;
  cb->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  cb->recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  cb->encrypt = ngtcp2_crypto_encrypt_cb;
  cb->decrypt = ngtcp2_crypto_decrypt_cb;
  cb->hp_mask = ngtcp2_crypto_hp_mask_cb;
  cb->recv_retry = ngtcp2_crypto_recv_retry_cb;
  cb->update_key = ngtcp2_crypto_update_key_cb;
  cb->delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  cb->delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  cb->version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  cb->get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb;
}

static ngtcp2_callbacks callbacks(const struct pair *p) {
  ngtcp2_callbacks cb = {
      .rand = on_rand,
      .get_new_connection_id2 = on_new_cid,
      .handshake_completed = on_completed,
      .handshake_confirmed = on_confirmed,
      .recv_stream_data = on_stream,
  };

  if (p->stock) {
    stock_callbacks(&cb);
  } else {
    hs2ni_tls_quic_callbacks(&cb);
  }
  return cb;
}

static ngtcp2_cid random_cid(struct end *e) {
  ngtcp2_cid cid = {.datalen = SCID_LEN};

  for (size_t i = 0; i < SCID_LEN; i++) {
    cid.data[i] = (uint8_t)next(&e->rand_state);
  }
  return cid;
}

static ngtcp2_path path_of(const struct pair *p, const struct end *e) {
  const size_t self = e == &p->server;

  return (ngtcp2_path){
      .local = {(ngtcp2_sockaddr *)&addresses[self], sizeof(addresses[0])},
      .remote = {(ngtcp2_sockaddr *)&addresses[!self], sizeof(addresses[0])},
  };
}

static void settle(struct pair *p, struct end *e, ngtcp2_settings *settings,
                   ngtcp2_transport_params *params) {
  ngtcp2_settings_default(settings);
  settings->initial_ts = p->now;
  settings->rand_ctx.native_handle = &e->rand_state;
  ngtcp2_transport_params_default(params);
  params->initial_max_data = 1 << 20;
  params->initial_max_stream_data_uni = 1 << 20;
  params->initial_max_streams_uni = 100;
}

/* As the stock glue wants it. */
static void use_stock(struct end *e) {
  WOLFSSL *ssl = e->session->ssl;

  (void)wolfSSL_set_app_data(ssl, &e->ref);
  ngtcp2_conn_set_tls_native_handle(e->conn, ssl);
  e->session->completed = true; /* what is checked at the end */
}

static int open_session(struct pair *p, struct end *e,
                        enum hs2ni_tls_role role) {
  int rv;

  e->ref = (ngtcp2_crypto_conn_ref){.get_conn = get_conn, .user_data = e};
  rv = hs2ni_tls_session_new(&e->session, e->tls, role, &e->ref);
  if (rv == HS2N_OK) {
    ngtcp2_conn_set_tls_native_handle(e->conn,
                                      hs2ni_tls_session_native(e->session));
    if (p->stock) {
      use_stock(e);
    }
    if (e->bend != NULL) {
      e->bend(e);
    }
  }
  return rv;
}

int pair_dial(struct pair *p) {
  struct end *e = &p->client;
  const ngtcp2_callbacks cb = callbacks(p);
  const ngtcp2_path path = path_of(p, e);
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  const ngtcp2_cid dcid = random_cid(e);
  const ngtcp2_cid scid = random_cid(e);

  settle(p, e, &settings, &params);
  if (ngtcp2_conn_client_new(&e->conn, &dcid, &scid, &path, NGTCP2_PROTO_VER_V1,
                             &cb, &settings, &params, NULL, e) != 0) {
    return HS2N_ERR_NO_MEMORY;
  }
  return open_session(p, e, HS2NI_TLS_CLIENT);
}

static void take(struct pair *p, struct end *e, const uint8_t *packet,
                 size_t len);

/* The id that the first packet came to is the whole token. */
static void send_retry(struct pair *p, const ngtcp2_pkt_hd *hd) {
  const ngtcp2_cid scid = random_cid(&p->server);
  uint8_t packet[256];
  const ngtcp2_ssize len = ngtcp2_crypto_write_retry(
      packet, sizeof(packet), hd->version, &hd->scid, &scid, &hd->dcid,
      hd->dcid.data, hd->dcid.datalen);

  CHECK(len > 0);
  take(p, &p->client, packet, (size_t)len);
}

static void set_original(ngtcp2_transport_params *params,
                         const ngtcp2_pkt_hd *hd) {
  params->original_dcid = hd->dcid;
  params->original_dcid_present = 1;
  if (hd->tokenlen > 0) {
    ngtcp2_cid_init(&params->original_dcid, hd->token, hd->tokenlen);
    params->retry_scid = hd->dcid;
    params->retry_scid_present = 1;
  }
}

static int answer(struct pair *p, const uint8_t *packet, size_t len) {
  struct end *e = &p->server;
  const ngtcp2_callbacks cb = callbacks(p);
  const ngtcp2_path path = path_of(p, e);
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  ngtcp2_pkt_hd hd;
  const ngtcp2_cid scid = random_cid(e);

  if (ngtcp2_accept(&hd, packet, len) != 0) {
    return HS2N_ERR_MALFORMED;
  }
  if (p->retry && hd.tokenlen == 0) {
    send_retry(p, &hd);
    return HS2N_OK;
  }
  settle(p, e, &settings, &params);
  set_original(&params, &hd);
  settings.token = hd.token;
  settings.tokenlen = hd.tokenlen;
  if (ngtcp2_conn_server_new(&e->conn, &hd.scid, &scid, &path, hd.version, &cb,
                             &settings, &params, NULL, e) != 0) {
    return HS2N_ERR_NO_MEMORY;
  }
  return open_session(p, e, HS2NI_TLS_SERVER);
}

static void record(struct pair *p, const uint8_t *packet, size_t len) {
  const struct hs2n_span parts[] = {{p->trace, sizeof(p->trace)},
                                    {packet, len}};

  hs2n_sha256(parts, 2, p->trace);
  p->packets++;
  for (size_t i = 0; i + sizeof(marker) <= len; i++) {
    if (memcmp(packet + i, marker, sizeof(marker)) == 0) {
      p->leaks++;
      return;
    }
  }
}

static void take(struct pair *p, struct end *e, const uint8_t *packet,
                 size_t len) {
  const ngtcp2_path path = path_of(p, e);
  const ngtcp2_pkt_info info = {0};

  record(p, packet, len);
  if (e->conn == NULL && e == &p->server) {
    e->dead = answer(p, packet, len) != HS2N_OK;
  }
  if (e->error != 0 || e->dead || e->conn == NULL) {
    return;
  }
  e->error = ngtcp2_conn_read_pkt(e->conn, &path, &info, packet, len, p->now);
  if (e->error == NGTCP2_ERR_DRAINING) {
    e->heard_code = ngtcp2_conn_get_ccerr(e->conn)->error_code;
  }
}

/* What is due of e, the last words of a failed end included. */
static size_t give(struct pair *p, struct end *e, uint8_t packet[1500]) {
  ngtcp2_path_storage ps;
  ngtcp2_pkt_info info;
  ngtcp2_ccerr why;
  ngtcp2_ssize len;

  if (e->conn == NULL || e->dead || e->error == NGTCP2_ERR_DRAINING) {
    return 0;
  }
  ngtcp2_path_storage_zero(&ps);
  if (e->error == 0) {
    len = ngtcp2_conn_write_pkt(e->conn, &ps.path, &info, packet, 1452, p->now);
    if (len >= 0) {
      return (size_t)len;
    }
    e->error = (int)len;
  }
  if (e->alert != 0) {
    return 0;
  }
  e->alert = ngtcp2_conn_get_tls_alert2(e->conn);
  ngtcp2_ccerr_default(&why);
  if (e->error == NGTCP2_ERR_CRYPTO) {
    ngtcp2_ccerr_set_tls_alert(&why, e->alert, NULL, 0);
  } else {
    ngtcp2_ccerr_set_liberr(&why, e->error, NULL, 0);
  }
  e->alert = e->alert == 0 ? 255 : e->alert;
  len = ngtcp2_conn_write_connection_close(e->conn, &ps.path, &info, packet,
                                           1452, &why, p->now);
  return len > 0 ? (size_t)len : 0;
}

static size_t carry(struct pair *p, struct end *from, struct end *to) {
  uint8_t packet[1500];
  size_t n = 0;
  size_t len;

  while ((len = give(p, from, packet)) > 0) {
    take(p, to, packet, len);
    n++;
  }
  return n;
}

void pair_run(struct pair *p) {
  for (int round = 0; round < 200; round++) {
    const size_t n =
        carry(p, &p->client, &p->server) + carry(p, &p->server, &p->client);

    p->now += HS2N_MS(1);
    p->client.env.now = p->now;
    p->server.env.now = p->now;
    if (n == 0 && round % 40 == 39) {
      return; /* nothing, nor when acknowledgements are due */
    }
  }
}

static void end_init(struct end *e, uint64_t seed) {
  *e = (struct end){
      .rand_state = seed, .chain_id = "test-1", .unix_time = PAIR_UNIX_TIME};
  test_mem_init(&e->mem, 0);
  e->env = (struct hs2ni_env){
      .mem = &e->mem.mem, .rand = end_rand, .rand_data = e, .now = HS2N_S(100)};
  CHECK_EQ(hs2n_identity_generate(&e->identity, hs2n_mem_libc(), end_rand, e),
           HS2N_OK);
}

void pair_init(struct pair *p, uint64_t seed) {
  *p = (struct pair){.now = HS2N_S(100)};
  for (uint16_t i = 0; i < 2; i++) {
    addresses[i].sin_family = AF_INET;
    addresses[i].sin_port = (uint16_t)(1000 + i);
  }
  end_init(&p->client, seed * 2);
  end_init(&p->server, seed * 2 + 1);
}

static int end_context(struct end *e) {
  const struct hs2ni_tls_config config = {.env = &e->env,
                                          .identity = e->identity,
                                          .chain_id = e->chain_id,
                                          .unix_time_s = e->unix_time};

  return e->tls != NULL ? HS2N_OK : hs2ni_tls_new(&e->tls, &config);
}

int pair_contexts(struct pair *p) {
  int rv = end_context(&p->client);

  if (rv == HS2N_OK) {
    rv = end_context(&p->server);
  }
  for (int i = 0; p->stock && rv == HS2N_OK && i < 2; i++) {
    (void)ngtcp2_crypto_wolfssl_configure_server_context(
        p->client.tls->contexts[i]);
    (void)ngtcp2_crypto_wolfssl_configure_server_context(
        p->server.tls->contexts[i]);
  }
  return rv;
}

void pair_connect(struct pair *p, uint64_t seed) {
  pair_init(p, seed);
  CHECK_EQ(pair_contexts(p), HS2N_OK);
  CHECK_EQ(pair_dial(p), HS2N_OK);
  pair_run(p);
}

static void end_hang_up(struct end *e) {
  ngtcp2_conn_del(e->conn);
  hs2ni_tls_session_free(e->session);
  e->conn = NULL;
  e->session = NULL;
  e->error = 0;
  e->alert = 0;
  e->heard_code = 0;
  e->dead = false;
  e->completed = false;
  e->confirmed = false;
  e->verdict = HS2N_REASON_NONE;
}

void pair_hang_up(struct pair *p) {
  end_hang_up(&p->client);
  end_hang_up(&p->server);
}

static void end_fini(struct end *e) {
  end_hang_up(e);
  hs2ni_tls_free(e->tls);
  hs2n_identity_free(e->identity);
  CHECK_EQ(e->mem.live_bytes, 0);
}

void pair_fini(struct pair *p) {
  end_fini(&p->client);
  end_fini(&p->server);
}

void pair_send(struct pair *p, struct end *from, size_t n) {
  static uint8_t bytes[65536];
  const ngtcp2_vec vec = {bytes, n};
  struct end *to = from == &p->client ? &p->server : &p->client;
  ngtcp2_path_storage ps;
  ngtcp2_pkt_info info;
  uint8_t packet[1500];
  ngtcp2_ssize taken = 0;
  size_t at = 0;
  int64_t stream;

  REQUIRE(n <= sizeof(bytes));
  for (size_t i = 0; i < n; i++) {
    bytes[i] = (uint8_t)marker[i % sizeof(marker)];
  }
  CHECK_EQ(ngtcp2_conn_open_uni_stream(from->conn, &stream, NULL), 0);
  ngtcp2_path_storage_zero(&ps);
  for (int turn = 0; turn < 1000 && at < n && from->error == 0; turn++) {
    const ngtcp2_vec rest = {vec.base + at, n - at};
    const ngtcp2_ssize len = ngtcp2_conn_writev_stream(
        from->conn, &ps.path, &info, packet, 1452, &taken,
        NGTCP2_WRITE_STREAM_FLAG_NONE, stream, &rest, 1, p->now);

    if (len < 0) {
      from->error = (int)len;
    } else if (len == 0) {
      pair_run(p);
    } else {
      at += taken > 0 ? (size_t)taken : 0;
      take(p, to, packet, (size_t)len);
    }
  }
  pair_run(p);
}

size_t pair_packet(struct pair *p, struct end *from, uint8_t packet[1500]) {
  static uint8_t bytes[1000];
  const ngtcp2_vec vec = {bytes, sizeof(bytes)};
  ngtcp2_path_storage ps;
  ngtcp2_pkt_info info;
  ngtcp2_ssize taken = 0;
  ngtcp2_ssize len;
  int64_t stream;

  CHECK_EQ(ngtcp2_conn_open_uni_stream(from->conn, &stream, NULL), 0);
  ngtcp2_path_storage_zero(&ps);
  len = ngtcp2_conn_writev_stream(from->conn, &ps.path, &info, packet, 1452,
                                  &taken, NGTCP2_WRITE_STREAM_FLAG_NONE, stream,
                                  &vec, 1, p->now);
  CHECK(len > 0 && taken > 0);
  return len > 0 ? (size_t)len : 0;
}

void pair_deliver(struct pair *p, struct end *to, const uint8_t *packet,
                  size_t len) {
  const ngtcp2_path path = path_of(p, to);
  const ngtcp2_pkt_info info = {0};

  to->error = ngtcp2_conn_read_pkt(to->conn, &path, &info, packet, len, p->now);
}
