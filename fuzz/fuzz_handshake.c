/* Hands arbitrary messages to a TLS session: the first byte chooses its role,
 * the next two how many of the others come as Initial data, the rest comes
 * as Handshake data.  Randomness repeats itself, so that a recorded handshake
 * (seeds client and server) is good again and a bent one fails where it was
 * bent.  Whatever comes, memory is bounded and given back, and who gets
 * through has shown the one key that can.
 *
 * Compiled with -DMAKE_SEEDS it is a program that writes those two seeds
 * into the folder it is given. */
/* covers: H77 */
#include "tls/exchange.h"
#include "tls/install.h"
#include "tls/quic_glue.h"

#include <stdlib.h>
#include <string.h>

#define UNIX_TIME 1800000000
#define SESSION_MAX 131072 /* bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct side {
  struct hs2ni_env env;
  struct hs2n_mem mem;
  size_t live;
  uint64_t rand_state;
  struct hs2n_identity *identity;
  struct hs2ni_tls *tls;
  struct hs2ni_tls_session *session;
  ngtcp2_conn *conn;
  ngtcp2_crypto_conn_ref ref;
};

static void expect(int good) {
  if (!good) {
    abort();
  }
}

static void *take(void *user_data, size_t len) {
  struct side *s = user_data;

  s->live += len;
  return calloc(1, len);
}

static void give(void *user_data, void *ptr, size_t len) {
  struct side *s = user_data;

  s->live -= ptr == NULL ? 0 : len;
  free(ptr);
}

/* splitmix64 */
static int repeat_rand(void *user_data, uint8_t *out, size_t len) {
  struct side *s = user_data;

  for (size_t i = 0; i < len; i++) {
    uint64_t z = (s->rand_state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    out[i] = (uint8_t)(z >> 40);
  }
  return 0;
}

static void conn_rand(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx) {
  (void)ctx;
  memset(out, 0x5a, len);
}

static int new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid,
                   ngtcp2_stateless_reset_token *token, size_t len,
                   void *user_data) {
  (void)conn;
  (void)user_data;
  memset(cid->data, 9, len);
  cid->datalen = len;
  memset(token, 9, sizeof(*token));
  return 0;
}

static ngtcp2_conn *get_conn(ngtcp2_crypto_conn_ref *ref) {
  return ((struct side *)ref->user_data)->conn;
}

static void side_init(struct side *s, enum hs2ni_tls_role role) {
  const struct hs2ni_tls_config config = {.env = &s->env,
                                          .identity = NULL,
                                          .chain_id = "fuzz-1",
                                          .unix_time_s = UNIX_TIME};
  struct hs2ni_tls_config full = config;

  s->mem = (struct hs2n_mem){s, take, give};
  s->env = (struct hs2ni_env){
      .mem = &s->mem, .now = 1, .rand = repeat_rand, .rand_data = s};
  s->rand_state = 100 + (uint64_t)role;
  expect(hs2n_identity_generate(&s->identity, hs2n_mem_libc(), repeat_rand,
                                s) == HS2N_OK);
  full.identity = s->identity;
  expect(hs2ni_tls_new(&s->tls, &full) == HS2N_OK);
}

static void conn_start(struct side *s, enum hs2ni_tls_role role) {
  static const ngtcp2_cid client = {8, {1, 1, 1, 1, 1, 1, 1, 1}};
  static const ngtcp2_cid first = {8, {3, 3, 3, 3, 3, 3, 3, 3}};
  static struct sockaddr_in address = {.sin_family = AF_INET};
  const ngtcp2_path path = {
      .local = {(ngtcp2_sockaddr *)&address, sizeof(address)},
      .remote = {(ngtcp2_sockaddr *)&address, sizeof(address)}};
  ngtcp2_callbacks callbacks = {.rand = conn_rand,
                                .get_new_connection_id2 = new_cid};
  ngtcp2_settings settings;
  ngtcp2_transport_params params;
  int rv;

  hs2ni_tls_quic_callbacks(&callbacks);
  ngtcp2_settings_default(&settings);
  settings.initial_ts = 1;
  ngtcp2_transport_params_default(&params);
  params.original_dcid = first;
  params.original_dcid_present = role == HS2NI_TLS_SERVER;
  /* No packet tells the client a new id of the server, so it keeps its
   * first. */
  rv = role == HS2NI_TLS_CLIENT
           ? ngtcp2_conn_client_new(&s->conn, &first, &client, &path,
                                    NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                    &params, NULL, s)
           : ngtcp2_conn_server_new(&s->conn, &client, &first, &path,
                                    NGTCP2_PROTO_VER_V1, &callbacks, &settings,
                                    &params, NULL, s);
  expect(rv == 0);
}

static void start(struct side *s, enum hs2ni_tls_role role) {
  static const ngtcp2_cid first = {8, {3, 3, 3, 3, 3, 3, 3, 3}};
  const struct hs2n_span nothing = {NULL, 0};

  s->rand_state = 200 + (uint64_t)role;
  conn_start(s, role);
  s->ref = (ngtcp2_crypto_conn_ref){get_conn, s};
  expect(hs2ni_tls_session_new(&s->session, s->tls, role, &s->ref) == HS2N_OK);
  ngtcp2_conn_set_tls_native_handle(s->conn, s->session);
  expect(hs2ni_install_initial(s->session, s->conn, &first) == 0);
  if (role == HS2NI_TLS_CLIENT) {
    /* A client accepts them only behind a packet, and here is none. */
    s->session->params_taken = true;
    expect(hs2ni_exchange_params(s->session, s->conn) == 0);
    expect(hs2ni_exchange(s->session, s->conn, NGTCP2_ENCRYPTION_LEVEL_INITIAL,
                          nothing) == 0);
  }
}

static void stop(struct side *s) {
  hs2ni_tls_session_free(s->session);
  ngtcp2_conn_del(s->conn);
  s->session = NULL;
  s->conn = NULL;
}

/* As QUIC would: nothing behind a failure or the end, and no Handshake data
 * without keys. */
static int feed(struct side *s, ngtcp2_encryption_level level,
                struct hs2n_span bytes) {
  if (bytes.len == 0 || s->session->completed ||
      (level == NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE &&
       (s->session->installed & 1u << HS2NI_RECEIVE) == 0)) {
    return 0;
  }
  return hs2ni_exchange(s->session, s->conn, level, bytes);
}

#ifndef MAKE_SEEDS
static void check_peer(const struct side *s, const struct side *other) {
  const struct hs2n_key want = hs2n_identity_key(other->identity);
  struct hs2n_key key;

  expect(hs2ni_tls_session_peer(s->session, NULL, &key) == HS2N_REASON_NONE);
  expect(memcmp(key.bytes, want.bytes, HS2N_KEY_LEN) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static struct side sides[2];
  struct side *s;
  size_t split;
  size_t before;

  if (len < 3) {
    return 0;
  }
  for (int i = 0; i < 2; i++) {
    if (sides[i].tls == NULL) {
      side_init(&sides[i], (enum hs2ni_tls_role)i);
    }
  }
  s = &sides[data[0] & 1u];
  split = (size_t)data[1] << 8 | data[2];
  split = split > len - 3 ? len - 3 : split;
  before = s->live;
  start(s, (enum hs2ni_tls_role)(data[0] & 1u));
  if (feed(s, NGTCP2_ENCRYPTION_LEVEL_INITIAL,
           (struct hs2n_span){data + 3, split}) == 0) {
    (void)feed(s, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE,
               (struct hs2n_span){data + 3 + split, len - 3 - split});
  }
  expect(s->live - before < SESSION_MAX);
  if (s->session->completed) {
    check_peer(s, &sides[!(data[0] & 1u)]);
  }
  stop(s);
  expect(s->live == before);
  return 0;
}
#else

#include <stdio.h>

/* What each side said, by level. */
struct said {
  uint8_t bytes[2][8192];
  size_t len[2];
};
static struct said said[2];

static int keep(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                const uint8_t *data, size_t len) {
  const struct hs2ni_tls_session *s = wolfSSL_get_app_data(ssl);
  struct said *to = &said[s->role];
  const int i = level == wolfssl_encryption_initial ? 0 : 1;

  memcpy(to->bytes[i] + to->len[i], data, len);
  to->len[i] += len;
  return hs2ni_tls_quic_method()->add_handshake_data(ssl, level, data, len);
}

static struct hs2n_span words(enum hs2ni_tls_role role, int level) {
  return (struct hs2n_span){said[role].bytes[level], said[role].len[level]};
}

static void write_seed(const char *folder, const char *name,
                       enum hs2ni_tls_role reader) {
  const struct said *s = &said[!reader];
  const uint8_t head[3] = {(uint8_t)reader, (uint8_t)(s->len[0] >> 8),
                           (uint8_t)s->len[0]};
  char path[512];
  FILE *f;

  (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
  f = fopen(path, "wb");
  expect(f != NULL);
  expect(fwrite(head, 1, 3, f) == 3);
  expect(fwrite(s->bytes[0], 1, s->len[0], f) == s->len[0]);
  expect(fwrite(s->bytes[1], 1, s->len[1], f) == s->len[1]);
  fclose(f);
}

int main(int argc, char **argv) {
  static struct side client;
  static struct side server;
  WOLFSSL_QUIC_METHOD method = *hs2ni_tls_quic_method();

  expect(argc == 2);
  method.add_handshake_data = keep;
  side_init(&client, HS2NI_TLS_CLIENT);
  side_init(&server, HS2NI_TLS_SERVER);
  for (int i = 0; i < 2; i++) {
    expect(wolfSSL_CTX_set_quic_method(client.tls->contexts[i], &method) == 1);
    expect(wolfSSL_CTX_set_quic_method(server.tls->contexts[i], &method) == 1);
  }
  start(&client, HS2NI_TLS_CLIENT);
  start(&server, HS2NI_TLS_SERVER);
  expect(feed(&server, NGTCP2_ENCRYPTION_LEVEL_INITIAL,
              words(HS2NI_TLS_CLIENT, 0)) == 0);
  expect(feed(&client, NGTCP2_ENCRYPTION_LEVEL_INITIAL,
              words(HS2NI_TLS_SERVER, 0)) == 0);
  expect(feed(&client, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE,
              words(HS2NI_TLS_SERVER, 1)) == 0);
  expect(feed(&server, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE,
              words(HS2NI_TLS_CLIENT, 1)) == 0);
  expect(client.session->completed && server.session->completed);
  write_seed(argv[1], "client", HS2NI_TLS_CLIENT);
  write_seed(argv[1], "server", HS2NI_TLS_SERVER);
  return 0;
}
#endif
