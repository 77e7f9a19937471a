/* Handshakes that must not succeed: each with its alert, counter and no
 * memory left. */
#include "refused.h"

/* ---- findings on the bare stack ---------------------------------------- */

/* KeyUpdate(update_requested), which aborts a process on the stock glue. */
static void send_key_update(struct pair *p, struct end *from) {
  static const uint8_t key_update[] = {24, 0, 0, 1, 1};

  CHECK_EQ(ngtcp2_conn_submit_crypto_data(from->conn,
                                          NGTCP2_ENCRYPTION_LEVEL_1RTT,
                                          key_update, sizeof(key_update)),
           0);
  pair_run(p);
}

static void a_server_survives_a_tls_key_update(void) {
  struct pair p;

  pair_connect(&p, 20);
  REQUIRE(p.client.confirmed);
  send_key_update(&p, &p.client);
  CHECK_EQ(p.server.error, NGTCP2_ERR_CRYPTO);
  CHECK_EQ(p.server.alert, ALERT_UNEXPECTED_MESSAGE);
  CHECK_EQ(p.client.heard_code, CRYPTO_ERROR + ALERT_UNEXPECTED_MESSAGE);
  pair_fini(&p);
}

static void a_client_survives_a_tls_key_update(void) {
  struct pair p;

  pair_connect(&p, 21);
  REQUIRE(p.client.confirmed);
  send_key_update(&p, &p.server);
  CHECK_EQ(p.client.error, NGTCP2_ERR_CRYPTO);
  CHECK_EQ(p.client.alert, ALERT_UNEXPECTED_MESSAGE);
  CHECK_EQ(p.server.heard_code, CRYPTO_ERROR + ALERT_UNEXPECTED_MESSAGE);
  pair_fini(&p);
}

static void a_freed_session_survives_a_tls_key_update(void) {
  struct pair p;

  pair_connect(&p, 22);
  REQUIRE(p.client.confirmed);
  hs2ni_tls_session_free(p.server.session);
  p.server.session = NULL;
  ngtcp2_conn_set_tls_native_handle(p.server.conn, NULL);
  send_key_update(&p, &p.client);
  CHECK_EQ(p.server.error, NGTCP2_ERR_CRYPTO);
  CHECK_EQ(p.client.heard_code, CRYPTO_ERROR + ALERT_UNEXPECTED_MESSAGE);
  pair_fini(&p);
}

static void a_client_without_alpn_is_refused(void) {
  struct pair p;

  begin(&p, 23);
  p.client.bend = evil_no_alpn;
  go(&p);
  check_refused(&p, &p.server, ALERT_NO_APPLICATION_PROTOCOL);
  CHECK_EQ(p.server.env.stats.refused_alpn, 1);
  CHECK_EQ(refusals(&p.server), 1);
  pair_fini(&p);
}

static void a_client_with_another_alpn_is_refused(void) {
  struct pair p;

  begin(&p, 24);
  p.client.bend = evil_other_alpn;
  go(&p);
  check_refused(&p, &p.server, ALERT_NO_APPLICATION_PROTOCOL);
  CHECK_EQ(p.server.env.stats.refused_alpn, 1);
  pair_fini(&p);
}

static void a_server_without_alpn_is_refused(void) {
  struct pair p;

  begin(&p, 25);
  p.server.bend = evil_no_alpn;
  go(&p);
  check_refused(&p, &p.client, ALERT_NO_APPLICATION_PROTOCOL);
  CHECK_EQ(p.client.env.stats.refused_alpn, 1);
  pair_fini(&p);
}

static void a_server_with_another_alpn_is_refused(void) {
  struct pair p;

  begin(&p, 26);
  p.server.bend = evil_other_alpn;
  go(&p);
  check_refused(&p, &p.client, ALERT_NO_APPLICATION_PROTOCOL);
  CHECK_EQ(p.client.env.stats.refused_alpn, 1);
  pair_fini(&p);
}

/* Even if nothing had refused it on the way, the last word asks again. */
static void the_last_word_asks_for_alpn(void) {
  struct pair p;
  struct hs2n_key key;

  begin(&p, 27);
  p.client.bend = evil_no_alpn;
  p.server.bend = evil_no_alpn;
  go(&p);
  CHECK(p.client.completed);
  CHECK_EQ(p.client.verdict, HS2N_REASON_ALPN);
  CHECK_EQ(p.client.env.stats.refused_alpn, 1);
  CHECK_EQ(hs2ni_tls_session_peer(p.client.session, NULL, &key),
           HS2N_REASON_ALPN);
  CHECK_EQ(p.client.env.stats.refused_alpn, 1);
  pair_fini(&p);
}

static void a_hello_of_another_chain_is_refused(void) {
  struct pair p;

  pair_init(&p, 28);
  p.client.chain_id = "test-2";
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  go(&p);
  check_refused(&p, &p.server, ALERT_UNRECOGNIZED_NAME);
  CHECK_EQ(p.server.env.stats.refused_chain, 1);
  CHECK_EQ(refusals(&p.server), 1);
  pair_fini(&p);
}

static void a_hello_with_a_foreign_name_is_refused(void) {
  struct pair p;

  begin(&p, 29);
  p.client.bend = evil_other_sni;
  go(&p);
  check_refused(&p, &p.server, ALERT_UNRECOGNIZED_NAME);
  CHECK_EQ(p.server.env.stats.refused_chain, 1);
  pair_fini(&p);
}

static void a_hello_without_a_name_is_refused(void) {
  struct pair p;

  begin(&p, 30);
  p.client.bend = evil_no_sni;
  go(&p);
  check_refused(&p, &p.server, ALERT_UNRECOGNIZED_NAME);
  CHECK_EQ(p.server.env.stats.refused_chain, 1);
  pair_fini(&p);
}

/* A stranger's hello costs nothing once it is refused. */
static void a_refused_hello_leaves_no_memory(void) {
  struct pair p;
  int64_t before;

  begin(&p, 31);
  before = p.server.mem.live_bytes;
  p.client.bend = evil_no_sni;
  go(&p);
  CHECK(p.server.mem.live_bytes > before);
  hs2ni_tls_session_free(p.server.session);
  p.server.session = NULL;
  ngtcp2_conn_set_tls_native_handle(p.server.conn, NULL);
  /* What is left are the four keys of Initial packets, which ngtcp2 holds. */
  CHECK(p.server.mem.live_bytes - before < 6000);
  pair_hang_up(&p);
  CHECK_EQ(p.server.mem.live_bytes, before);
  pair_fini(&p);
}

/* wolfSSL allocates what the header of a message announces. */
static void an_announced_megabyte_is_not_allocated(void) {
  static const uint8_t hello_head[] = {1, 0x0f, 0xff, 0xff};
  struct pair p;
  int64_t before;

  begin(&p, 32);
  before = p.server.mem.live_bytes;
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  /* In place of the hello that the client would make. */
  wolfSSL_set_accept_state(p.client.session->ssl);
  CHECK_EQ(ngtcp2_conn_submit_crypto_data(p.client.conn,
                                          NGTCP2_ENCRYPTION_LEVEL_INITIAL,
                                          hello_head, sizeof(hello_head)),
           0);
  pair_run(&p);
  check_refused(&p, &p.server, ALERT_ILLEGAL_PARAMETER);
  CHECK(p.server.mem.live_bytes - before < 65536);
  pair_fini(&p);
}

/* ---- versions and suites ----------------------------------------------- */

static void check_hello_refused(void (*bend)(struct end *e)) {
  struct pair p;

  begin(&p, 33);
  p.client.bend = bend;
  go(&p);
  CHECK_EQ(p.server.error, NGTCP2_ERR_CRYPTO);
  CHECK(p.server.alert == 70 || p.server.alert == 40); /* version, failure */
  CHECK_EQ(p.client.heard_code, CRYPTO_ERROR + p.server.alert);
  CHECK(!p.client.completed && !p.server.completed);
  pair_fini(&p);
}

/* covers: H08 */
static void older_versions_are_refused(void) {
  check_hello_refused(evil_old_version);
}

/* covers: H08 */
static void suites_without_encryption_are_refused(void) {
  check_hello_refused(evil_null_suites);
}

/* covers: H08 */
static void suites_without_authentication_are_refused(void) {
  check_hello_refused(evil_anonymous_suites);
}

int main(void) {
  RUN(a_server_survives_a_tls_key_update);
  RUN(a_client_survives_a_tls_key_update);
  RUN(a_freed_session_survives_a_tls_key_update);
  RUN(a_client_without_alpn_is_refused);
  RUN(a_client_with_another_alpn_is_refused);
  RUN(a_server_without_alpn_is_refused);
  RUN(a_server_with_another_alpn_is_refused);
  RUN(the_last_word_asks_for_alpn);
  RUN(a_hello_of_another_chain_is_refused);
  RUN(a_hello_with_a_foreign_name_is_refused);
  RUN(a_hello_without_a_name_is_refused);
  RUN(a_refused_hello_leaves_no_memory);
  RUN(an_announced_megabyte_is_not_allocated);
  RUN(older_versions_are_refused);
  RUN(suites_without_encryption_are_refused);
  RUN(suites_without_authentication_are_refused);
  return tap_done();
}
