/* Handshakes as they should be, and what follows them. */
#include "pair.h"

#include "tap.h"
#include "tls/identity.h"

static void check_up(const struct pair *p) {
  const struct hs2n_key a = hs2n_identity_key(p->client.identity);
  const struct hs2n_key b = hs2n_identity_key(p->server.identity);

  CHECK_EQ(p->client.error, 0);
  CHECK_EQ(p->server.error, 0);
  CHECK(p->client.completed && p->server.completed);
  CHECK(p->client.confirmed);
  CHECK_MEM(p->client.peer.bytes, b.bytes, HS2N_KEY_LEN);
  CHECK_MEM(p->server.peer.bytes, a.bytes, HS2N_KEY_LEN);
}

/* Data both ways, in more packets than one. */
static void check_alive(struct pair *p) {
  const uint64_t at_client = p->client.stream_bytes;
  const uint64_t at_server = p->server.stream_bytes;

  pair_send(p, &p->client, 20000);
  pair_send(p, &p->server, 30000);
  CHECK_EQ(p->server.stream_bytes - at_server, 20000);
  CHECK_EQ(p->client.stream_bytes - at_client, 30000);
}

/* covers: H53, H56 */
static void both_ends_learn_each_other_s_key(void) {
  struct pair p;

  pair_connect(&p, 1);
  check_up(&p);
  check_alive(&p);
  CHECK_EQ(wolfSSL_get_current_cipher_suite(p.client.session->ssl), 0x1301);
#ifdef WOLFSSL_PQC_HYBRIDS
  CHECK_TEXT(wolfSSL_get_curve_name(p.server.session->ssl), "X25519MLKEM768");
#else
  CHECK_TEXT(wolfSSL_get_curve_name(p.server.session->ssl), "X25519");
#endif
  pair_fini(&p);
}

static void chacha20_works_too(void) {
  struct pair p;

  pair_init(&p, 2);
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  REQUIRE(wolfSSL_CTX_set_cipher_list(p.client.tls->contexts[HS2NI_TLS_CLIENT],
                                      "TLS13-CHACHA20-POLY1305-SHA256") ==
          WOLFSSL_SUCCESS);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  check_alive(&p);
  CHECK_EQ(wolfSSL_get_current_cipher_suite(p.client.session->ssl), 0x1303);
  pair_fini(&p);
}

static void p256_is_the_second_group(void) {
  int groups[] = {WOLFSSL_ECC_SECP256R1};
  struct pair p;

  pair_init(&p, 3);
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  REQUIRE(wolfSSL_CTX_set_groups(p.client.tls->contexts[HS2NI_TLS_CLIENT],
                                 groups, 1) == WOLFSSL_SUCCESS);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  CHECK_TEXT(wolfSSL_get_curve_name(p.server.session->ssl), "SECP256R1");
  pair_fini(&p);
}

/* The client's first guess at a group is wrong: a HelloRetryRequest. */
static void a_second_hello_is_answered(void) {
  int groups[] = {WOLFSSL_ECC_SECP256R1};
  struct pair p;

  pair_init(&p, 14);
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  REQUIRE(wolfSSL_CTX_set_groups(p.server.tls->contexts[HS2NI_TLS_SERVER],
                                 groups, 1) == WOLFSSL_SUCCESS);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  CHECK_TEXT(wolfSSL_get_curve_name(p.client.session->ssl), "SECP256R1");
  pair_fini(&p);
}

/* covers: N12 */
static void no_packet_shows_what_is_sent(void) {
  struct pair p;

  pair_connect(&p, 15);
  check_alive(&p);
  CHECK(p.packets > 40);
  CHECK(p.client.marker_seen && p.server.marker_seen);
  CHECK_EQ(p.leaks, 0);
  pair_fini(&p);
}

/* A Retry changes the keys of Initial packets. */
static void a_retry_is_followed(void) {
  struct pair p;

  pair_init(&p, 4);
  p.retry = true;
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  check_alive(&p);
  pair_fini(&p);
}

/* covers: H56 */
static void keys_are_updated_without_the_session(void) {
  struct pair p;

  pair_connect(&p, 5);
  REQUIRE(p.client.confirmed);
  hs2ni_tls_session_free(p.client.session);
  hs2ni_tls_session_free(p.server.session);
  p.client.session = NULL;
  p.server.session = NULL;
  ngtcp2_conn_set_tls_native_handle(p.client.conn, NULL);
  ngtcp2_conn_set_tls_native_handle(p.server.conn, NULL);
  check_alive(&p);
  for (int i = 0; i < 4; i++) {
    struct end *e = i % 2 == 0 ? &p.client : &p.server;

    p.now += HS2N_S(3);
    CHECK_EQ(ngtcp2_conn_initiate_key_update(e->conn, p.now), 0);
    check_alive(&p);
  }
  CHECK_EQ(p.client.error, 0);
  CHECK_EQ(p.server.error, 0);
  pair_fini(&p);
}

/* The connection ends, with all that it held. */
static void a_key_update_without_memory_does_no_harm(void) {
  bool all_served = false;

  for (uint64_t n = 1; !all_served && n < 100; n++) {
    struct pair p;

    pair_connect(&p, 17);
    p.client.mem.fail_at = p.client.mem.requests + n;
    for (int i = 0; i < 2 && p.client.error == 0; i++) {
      p.now += HS2N_S(3);
      p.client.error = ngtcp2_conn_initiate_key_update(p.client.conn, p.now);
      pair_send(&p, &p.client, 5000);
    }
    all_served = p.client.mem.requests < p.client.mem.fail_at;
    CHECK_EQ(p.client.error == 0, all_served);
    pair_fini(&p);
  }
  CHECK(all_served);
}

static void packets_take_no_memory(void) {
  struct pair p;
  uint64_t client;
  uint64_t server;

  pair_connect(&p, 6);
  client = p.client.mem.requests;
  server = p.server.mem.requests;
  check_alive(&p);
  CHECK_EQ(p.client.mem.requests, client);
  CHECK_EQ(p.server.mem.requests, server);
  pair_fini(&p);
}

/* The budget of a session, and of what stays when it is freed. */
static void a_session_takes_little(void) {
  struct pair p;
  int64_t before;

  pair_init(&p, 7);
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  before = p.server.mem.live_bytes;
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  CHECK(p.server.mem.live_bytes - before < 40000);
  hs2ni_tls_session_free(p.server.session);
  p.server.session = NULL;
  ngtcp2_conn_set_tls_native_handle(p.server.conn, NULL);
  CHECK(p.server.mem.live_bytes - before < 10000);
  pair_hang_up(&p);
  CHECK_EQ(p.server.mem.live_bytes, before);
  pair_fini(&p);
}

/* Secrets to look for in what a client gives back. */
static struct {
  uint8_t bytes[8][HS2N_KEY_LEN];
  size_t count;
  bool seen;
} secrets;

static void keep_secret(const uint8_t *bytes) {
  if (bytes != NULL && secrets.count < 8) {
    memcpy(secrets.bytes[secrets.count++], bytes, HS2N_KEY_LEN);
  }
}

static int keep_secrets(WOLFSSL *ssl, WOLFSSL_ENCRYPTION_LEVEL level,
                        const uint8_t *rx, const uint8_t *tx, size_t len) {
  keep_secret(rx);
  keep_secret(tx);
  return hs2ni_tls_quic_method()->set_encryption_secrets(ssl, level, rx, tx,
                                                         len);
}

static void look_for_secrets(void *user_data, void *ptr, size_t len) {
  const uint8_t *p = ptr;

  for (size_t i = 0; p != NULL && i + HS2N_KEY_LEN <= len; i++) {
    for (size_t k = 0; k < secrets.count; k++) {
      secrets.seen =
          secrets.seen || memcmp(p + i, secrets.bytes[k], HS2N_KEY_LEN) == 0;
    }
  }
  test_mem_release(user_data, ptr, len);
}

static void watch_secrets(struct end *e) {
  static WOLFSSL_QUIC_METHOD method;

  method = *hs2ni_tls_quic_method();
  method.set_encryption_secrets = keep_secrets;
  (void)wolfSSL_set_quic_method(e->session->ssl, &method);
}

static void nothing_given_back_holds_a_secret(void) {
  struct pair p;

  pair_init(&p, 16);
  keep_secret(hs2ni_identity_seed(p.client.identity));
  p.client.mem.mem.release = look_for_secrets;
  p.client.bend = watch_secrets;
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  pair_run(&p);
  check_up(&p);
  CHECK_EQ(secrets.count, 5); /* the seed, and two levels both ways */
  pair_fini(&p);
  CHECK(!secrets.seen);
}

static void a_run_is_a_function_of_its_seeds(void) {
  uint8_t first[HS2N_HASH_LEN];
  struct pair p;

  pair_connect(&p, 8);
  check_alive(&p);
  CHECK(p.packets > 40);
  memcpy(first, p.trace, sizeof(first));
  pair_fini(&p);

  pair_connect(&p, 8);
  check_alive(&p);
  CHECK_MEM(p.trace, first, sizeof(first));
  pair_fini(&p);

  pair_connect(&p, 9);
  check_alive(&p);
  CHECK(memcmp(p.trace, first, sizeof(first)) != 0);
  pair_fini(&p);
}

static void one_node_is_client_and_server_at_once(void) {
  struct pair p;
  struct pair q;

  pair_connect(&p, 10);
  pair_init(&q, 11);
  hs2n_identity_free(q.client.identity);
  q.client.identity = p.server.identity;
  q.client.tls = p.server.tls;
  REQUIRE(pair_contexts(&q) == HS2N_OK);
  CHECK_EQ(pair_dial(&q), HS2N_OK);
  pair_run(&q);
  check_up(&q);
  check_up(&p);
  check_alive(&p);
  q.client.identity = NULL;
  q.client.tls = NULL;
  pair_fini(&q);
  pair_fini(&p);
}

/* Each request for memory fails in turn, of one end and then of the other:
 * nothing crashes, nothing leaks, and what comes up is right. */
static void no_failing_allocation_does_harm(bool server) {
  bool all_served = false;

  for (uint64_t n = 1; !all_served && n < 10000; n++) {
    struct pair p;
    struct end *e = server ? &p.server : &p.client;

    pair_init(&p, 12);
    e->mem.fail_at = n;
    if (pair_contexts(&p) == HS2N_OK && pair_dial(&p) == HS2N_OK) {
      pair_run(&p);
    }
    all_served = e->mem.requests < n;
    if (all_served) {
      check_up(&p);
    } else {
      CHECK(e->env.stats.allocation_failures > 0);
    }
    pair_fini(&p);
  }
  CHECK(all_served);
}

static void no_failing_allocation_of_a_client_does_harm(void) {
  no_failing_allocation_does_harm(false);
}

static void no_failing_allocation_of_a_server_does_harm(void) {
  no_failing_allocation_does_harm(true);
}

/* Where randomness is asked for and refused there is no connection, because
 * the alternative is one that can be guessed. */
static void no_randomness_no_connection(bool server) {
  bool all_served = false;

  for (uint64_t n = 1; !all_served && n < 1000; n++) {
    struct pair p;
    struct end *e = server ? &p.server : &p.client;

    pair_init(&p, 13);
    REQUIRE(pair_contexts(&p) == HS2N_OK);
    e->rand_calls = 0;
    e->rand_fail_at = n;
    if (pair_dial(&p) == HS2N_OK) {
      pair_run(&p);
    }
    all_served = e->rand_calls < n;
    CHECK_EQ(e->completed, all_served);
    pair_fini(&p);
  }
  CHECK(all_served);
}

static void a_client_without_randomness_does_not_connect(void) {
  no_randomness_no_connection(false);
}

static void a_server_without_randomness_does_not_answer(void) {
  no_randomness_no_connection(true);
}

static void the_version_names_the_assembly(void) {
  CHECK(strncmp(hs2ni_tls_version(), "5.9.2", 5) == 0);
}

int main(void) {
  RUN(both_ends_learn_each_other_s_key);
  RUN(chacha20_works_too);
  RUN(p256_is_the_second_group);
  RUN(a_second_hello_is_answered);
  RUN(no_packet_shows_what_is_sent);
  RUN(a_retry_is_followed);
  RUN(keys_are_updated_without_the_session);
  RUN(a_key_update_without_memory_does_no_harm);
  RUN(packets_take_no_memory);
  RUN(a_session_takes_little);
  RUN(nothing_given_back_holds_a_secret);
  RUN(a_run_is_a_function_of_its_seeds);
  RUN(one_node_is_client_and_server_at_once);
  RUN(no_failing_allocation_of_a_client_does_harm);
  RUN(no_failing_allocation_of_a_server_does_harm);
  RUN(a_client_without_randomness_does_not_connect);
  RUN(a_server_without_randomness_does_not_answer);
  RUN(the_version_names_the_assembly);
  return tap_done();
}
