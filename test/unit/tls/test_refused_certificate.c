/* Certificates and keys that must not get in: each refused by both roles with
 * its alert and counter. */
#include "refused.h"

/* Both roles: an end with such a certificate is refused by the other. */
static void check_certificate_refused(uint64_t seed, struct hs2n_span bytes,
                                      bool server, uint8_t alert) {
  struct pair p;
  struct end *bad;
  struct end *good;
  WOLFSSL_CTX *ctx;

  begin(&p, seed);
  bad = server ? &p.server : &p.client;
  good = server ? &p.client : &p.server;
  ctx = evil_context(bad, server ? HS2NI_TLS_SERVER : HS2NI_TLS_CLIENT);
  evil_use(ctx, bytes, bad->identity);
  go(&p);
  check_refused(&p, good, alert);
  CHECK_EQ(good->env.stats.refused_certificate, 1);
  CHECK_EQ(refusals(good), 1);
  pair_fini(&p);
}

static void check_bent_certificate_refused(const char *old, const char *bent,
                                           size_t len) {
  for (int server = 0; server < 2; server++) {
    uint8_t bytes[HS2NI_CERTIFICATE_OWN];
    struct hs2n_span certificate = {bytes, 0};
    struct pair p;

    pair_init(&p, 40);
    certificate.len =
        evil_certificate(server ? &p.server : &p.client, (const uint8_t *)old,
                         (const uint8_t *)bent, len, bytes);
    pair_fini(&p);
    check_certificate_refused(40, certificate, server != 0,
                              ALERT_BAD_CERTIFICATE);
  }
}

/* The ways to make these refused tests mean something. */
static void the_same_certificate_unbent_is_accepted(void) {
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  struct hs2n_span certificate = {bytes, 0};
  struct pair p;

  begin(&p, 40);
  certificate.len = evil_certificate(&p.client, (const uint8_t *)"\x55\x1d\x25",
                                     (const uint8_t *)"\x55\x1d\x25", 3, bytes);
  evil_use(p.client.tls->contexts[HS2NI_TLS_CLIENT], certificate,
           p.client.identity);
  go(&p);
  CHECK(p.server.completed && p.client.confirmed);
  CHECK_EQ(refusals(&p.server), 0);
  pair_fini(&p);
}

/* covers: H53, H79 */
static void a_client_without_a_certificate_is_refused(void) {
  struct pair p;

  begin(&p, 41);
  p.client.bend = NULL;
  (void)evil_context(&p.client, HS2NI_TLS_CLIENT);
  go(&p);
  check_refused(&p, &p.server, ALERT_CERTIFICATE_REQUIRED);
  CHECK_EQ(p.server.env.stats.refused_certificate, 1);
  CHECK_EQ(refusals(&p.server), 1);
  pair_fini(&p);
}

/* covers: H26, H53, H60, H79, N13 */
static void a_server_with_another_key_is_refused(void) {
  struct hs2n_key expected = {{1, 2, 3}};
  struct pair p;

  begin(&p, 42);
  p.client.expected = &expected;
  go(&p);
  CHECK(p.client.completed);
  CHECK_EQ(p.client.verdict, HS2N_REASON_WRONG_KEY);
  CHECK_EQ(p.client.env.stats.refused_wrong_key, 1);
  CHECK_EQ(refusals(&p.client), 1);
  CHECK(!p.client.confirmed);
  CHECK_EQ(p.server.stream_bytes, 0);
  pair_fini(&p);
}

/* One in the middle with a key of its own: the dialler notices by the key it
 * expects, and so does a server that expects one. */
/* covers: G13, H60 */
static void a_client_with_another_key_is_refused(void) {
  struct hs2n_key expected = {{1, 2, 3}};
  struct pair p;

  begin(&p, 56);
  p.server.expected = &expected;
  go(&p);
  CHECK(p.server.completed);
  CHECK_EQ(p.server.verdict, HS2N_REASON_WRONG_KEY);
  CHECK_EQ(p.server.env.stats.refused_wrong_key, 1);
  CHECK_EQ(refusals(&p.server), 1);
  CHECK(!p.client.confirmed);
  pair_fini(&p);
}

static void the_expected_key_is_accepted(void) {
  struct hs2n_key expected;
  struct pair p;

  begin(&p, 43);
  expected = hs2n_identity_key(p.server.identity);
  p.client.expected = &expected;
  go(&p);
  CHECK_EQ(p.client.verdict, HS2N_REASON_NONE);
  CHECK(p.client.confirmed);
  pair_fini(&p);
}

/* At either end. */
/* covers: G13, H53, H60, H79, N13 */
static void a_stolen_certificate_without_its_key_is_refused(void) {
  for (int server = 0; server < 2; server++) {
    uint8_t bytes[HS2NI_CERTIFICATE_OWN];
    struct hs2n_span stolen = {bytes, 0};
    struct pair other;

    pair_init(&other, 44);
    stolen.len = evil_certificate(&other.client, (const uint8_t *)"", //
                                  (const uint8_t *)"", 0, bytes);
    pair_fini(&other);
    check_certificate_refused(45, stolen, server != 0, ALERT_DECRYPT_ERROR);
  }
}

static void check_clock_refused(uint64_t seed, int64_t shift_s) {
  struct pair p;

  pair_init(&p, seed);
  p.client.unix_time += shift_s;
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  go(&p);
  CHECK(!p.server.completed);
  CHECK_EQ(p.client.error, NGTCP2_ERR_CRYPTO);
  CHECK_EQ(p.client.alert, ALERT_BAD_CERTIFICATE);
  CHECK_EQ(p.client.env.stats.refused_certificate, 1);
  pair_fini(&p);
}

/* covers: H53, H79 */
static void an_expired_certificate_is_refused(void) {
  check_clock_refused(46, INT64_C(11) * 366 * 86400);
}

/* covers: H79 */
static void a_certificate_of_the_future_is_refused(void) {
  check_clock_refused(47, -2 * 86400);
}

static void a_clock_half_a_day_behind_is_fine(void) {
  struct pair p;

  pair_init(&p, 48);
  p.client.unix_time -= 43200;
  REQUIRE(pair_contexts(&p) == HS2N_OK);
  go(&p);
  CHECK(p.server.completed && p.client.confirmed);
  pair_fini(&p);
}

/* Time passes by env->now alone. */
static void a_certificate_expires_while_a_node_runs(void) {
  struct pair p;

  begin(&p, 49);
  p.now += HS2N_S(86400) * 366 * 11;
  p.client.env.now = p.now;
  p.server.env.now = p.now;
  go(&p);
  CHECK(!p.server.completed);
  CHECK_EQ(p.client.env.stats.refused_certificate, 1);
  pair_fini(&p);
}

/* covers: H53, H79 */
static void a_certificate_not_for_signing_is_refused(void) {
  /* key usage: key encipherment */
  check_bent_certificate_refused("\x03\x02\x07\x80", "\x03\x02\x05\x20", 4);
}

/* covers: H53, H79 */
static void a_certificate_for_another_purpose_is_refused(void) {
  /* code signing in place of server, then of client authentication */
  check_bent_certificate_refused("\x2b\x06\x01\x05\x05\x07\x03\x01",
                                 "\x2b\x06\x01\x05\x05\x07\x03\x03", 8);
  check_bent_certificate_refused("\x2b\x06\x01\x05\x05\x07\x03\x02",
                                 "\x2b\x06\x01\x05\x05\x07\x03\x03", 8);
}

/* The verdict on the server's own certificate, come with this error. */
static int verdict(int error, int depth, int total) {
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  WOLFSSL_BUFFER_INFO certificate = {.buffer = bytes};
  WOLFSSL_X509_STORE_CTX store = {.error = error,
                                  .error_depth = depth,
                                  .totalCerts = total,
                                  .certs = &certificate};
  struct pair p;
  int rv;

  begin(&p, 40);
  CHECK_EQ(pair_dial(&p), HS2N_OK);
  certificate.length = (unsigned)evil_certificate(
      &p.server, (const uint8_t *)"", (const uint8_t *)"", 0, bytes);
  store.userCtx = p.client.session;
  rv = hs2ni_tls_session_verify(0, &store);
  CHECK_EQ(p.client.session->peer_seen, rv);
  CHECK_EQ(hs2ni_tls_session_verify(1, &store), rv);
  CHECK_EQ(hs2ni_tls_session_verify(0, &store), 0); /* not twice */
  pair_fini(&p);
  return rv;
}

static void only_a_missing_signer_is_forgiven(void) {
  CHECK_EQ(verdict(ASN_NO_SIGNER_E, 0, 1), 1);
  CHECK_EQ(verdict(ASN_SELF_SIGNED_E, 0, 1), 1);
  CHECK_EQ(verdict(ASN_SIG_CONFIRM_E, 0, 1), 0);
  CHECK_EQ(verdict(ASN_PARSE_E, 0, 1), 0);
  CHECK_EQ(verdict(ASN_NO_SIGNER_E, 1, 1), 0);
  CHECK_EQ(verdict(ASN_NO_SIGNER_E, 0, 2), 0);
}

/* Names and issuers do not matter. */
/* covers: H54 */
static void a_certificate_with_other_names_is_accepted(void) {
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  struct hs2n_span certificate = {bytes, 0};
  struct pair p;

  begin(&p, 50);
  certificate.len = evil_certificate(&p.client, (const uint8_t *)"hs2net",
                                     (const uint8_t *)"sombdy", 6, bytes);
  evil_use(p.client.tls->contexts[HS2NI_TLS_CLIENT], certificate,
           p.client.identity);
  go(&p);
  CHECK(p.server.completed && p.client.confirmed);
  pair_fini(&p);
}

/* Signed by somebody else, as an authority would. */
/* covers: H53, H54 */
static void a_certificate_signed_by_another_is_refused(void) {
  for (int server = 0; server < 2; server++) {
    uint8_t bytes[HS2NI_CERTIFICATE_OWN];
    struct hs2n_span certificate = {bytes, 0};
    struct hs2n_key mine;
    struct hs2n_key theirs;
    struct pair p;

    pair_init(&p, 51);
    mine = hs2n_identity_key(server ? p.server.identity : p.client.identity);
    theirs = hs2n_identity_key(server ? p.client.identity : p.server.identity);
    certificate.len =
        evil_certificate(server ? &p.client : &p.server, theirs.bytes,
                         mine.bytes, HS2N_KEY_LEN, bytes);
    pair_fini(&p);
    check_certificate_refused(51, certificate, server != 0,
                              ALERT_BAD_CERTIFICATE);
  }
}

static void a_corrupted_signature_is_refused(void) {
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  struct hs2n_span certificate = {bytes, 0};
  struct pair p;

  pair_init(&p, 52);
  certificate.len = evil_certificate(&p.client, (const uint8_t *)"", //
                                     (const uint8_t *)"", 0, bytes);
  pair_fini(&p);
  bytes[certificate.len - 20] ^= 1;
  check_certificate_refused(52, certificate, false, ALERT_BAD_CERTIFICATE);
}

static void a_chain_of_two_is_refused(void) {
  for (int server = 0; server < 2; server++) {
    uint8_t bytes[2 * HS2NI_CERTIFICATE_OWN];
    struct hs2n_span chain = {bytes, 0};
    struct pair p;

    pair_init(&p, 53);
    chain.len =
        evil_certificate(server ? &p.server : &p.client, (const uint8_t *)"",
                         (const uint8_t *)"", 0, bytes);
    chain.len +=
        evil_certificate(server ? &p.client : &p.server, (const uint8_t *)"",
                         (const uint8_t *)"", 0, bytes + chain.len);
    pair_fini(&p);
    check_certificate_refused(53, chain, server != 0, ALERT_BAD_CERTIFICATE);
  }
}

static void check_long_certificate(size_t comment, bool accepted) {
  static uint8_t bytes[16384];
  struct hs2n_span certificate = {bytes, 0};
  struct pair p;

  begin(&p, 54);
  certificate.len =
      evil_long_certificate(&p.client, comment, bytes, sizeof(bytes));
  evil_use(p.client.tls->contexts[HS2NI_TLS_CLIENT], certificate,
           p.client.identity);
  go(&p);
  CHECK_EQ(p.server.completed, accepted);
  if (!accepted) {
    check_refused(&p, &p.server, ALERT_BAD_CERTIFICATE);
    CHECK_EQ(p.server.env.stats.refused_certificate, 1);
  }
  pair_fini(&p);
}

static void a_certificate_over_four_kilobytes_is_refused(void) {
  check_long_certificate(3700, true);
  check_long_certificate(3900, false); /* by its size */
  check_long_certificate(8000, false); /* by its message's size */
}

/* ---- other kinds of keys ----------------------------------------------- */

/* openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 */
static const char p256_certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnzCCAUagAwIBAgIUWa5lrKyzJ2hFWYsM9s/mB0w6a9AwCgYIKoZIzj0EAwIw\n"
    "DDEKMAgGA1UEAwwBeDAgFw0yNjExMjExMjI1MzJaGA8yMTI2MTAyODEyMjUzMlow\n"
    "DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFzxMLN2UeJS\n"
    "Wq8KvvL5dgTtsfnPS0ghhVyWnPtMw/+u39GcPCZIkoV7aMnbUBwsieK1/sJ+L1ey\n"
    "NvHksrerfe6jgYMwgYAwHQYDVR0OBBYEFE7jMHNvZveadYMhQ9g2yX2jcbObMB8G\n"
    "A1UdIwQYMBaAFE7jMHNvZveadYMhQ9g2yX2jcbObMA8GA1UdEwEB/wQFMAMBAf8w\n"
    "DgYDVR0PAQH/BAQDAgeAMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjAK\n"
    "BggqhkjOPQQDAgNHADBEAiBxqsy5Z81ZHXFJYikOtFdeXQNvMU98gpWMnLEdnHXa\n"
    "xwIgSRvF1cNIwIv1jimw6/hXsEu70P7SmV+bWJEDjUYNazI=\n"
    "-----END CERTIFICATE-----\n";
static const char p256_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0mDL7rKzj3IRafxG\n"
    "Ofty304L+b4c2PdHoogBdIqKF8ihRANCAARc8TCzdlHiUlqvCr7y+XYE7bH5z0tI\n"
    "IYVclpz7TMP/rt/RnDwmSJKFe2jJ21AcLInitf7Cfi9Xsjbx5LK3q33u\n"
    "-----END PRIVATE KEY-----\n";

/* Even where TLS would take its signature, which ours does not. */
/* covers: H79 */
static void a_client_with_a_p256_key_is_refused(void) {
  struct pair p;
  WOLFSSL_CTX *ctx;

  begin(&p, 55);
  ctx = evil_context(&p.client, HS2NI_TLS_CLIENT);
  CHECK_EQ(wolfSSL_CTX_use_certificate_buffer(
               ctx, (const unsigned char *)p256_certificate,
               (long)strlen(p256_certificate), WOLFSSL_FILETYPE_PEM),
           WOLFSSL_SUCCESS);
  CHECK_EQ(wolfSSL_CTX_use_PrivateKey_buffer(
               ctx, (const unsigned char *)p256_key, (long)strlen(p256_key),
               WOLFSSL_FILETYPE_PEM),
           WOLFSSL_SUCCESS);
  go(&p);
  CHECK(!p.server.completed && !p.client.completed);
  pair_hang_up(&p);
  CHECK_EQ(
      wolfSSL_CTX_set1_sigalgs_list(p.server.tls->contexts[HS2NI_TLS_SERVER],
                                    "ECDSA+SHA256:ED25519"),
      WOLFSSL_SUCCESS);
  go(&p);
  check_refused(&p, &p.server, ALERT_BAD_CERTIFICATE);
  CHECK_EQ(p.server.env.stats.refused_certificate, 1);
  pair_fini(&p);
}

int main(void) {
  RUN(the_same_certificate_unbent_is_accepted);
  RUN(a_client_without_a_certificate_is_refused);
  RUN(a_server_with_another_key_is_refused);
  RUN(a_client_with_another_key_is_refused);
  RUN(the_expected_key_is_accepted);
  RUN(a_stolen_certificate_without_its_key_is_refused);
  RUN(an_expired_certificate_is_refused);
  RUN(a_certificate_of_the_future_is_refused);
  RUN(a_clock_half_a_day_behind_is_fine);
  RUN(a_certificate_expires_while_a_node_runs);
  RUN(a_certificate_not_for_signing_is_refused);
  RUN(a_certificate_for_another_purpose_is_refused);
  RUN(only_a_missing_signer_is_forgiven);
  RUN(a_certificate_with_other_names_is_accepted);
  RUN(a_certificate_signed_by_another_is_refused);
  RUN(a_corrupted_signature_is_refused);
  RUN(a_chain_of_two_is_refused);
  RUN(a_certificate_over_four_kilobytes_is_refused);
  RUN(a_client_with_a_p256_key_is_refused);
  return tap_done();
}
