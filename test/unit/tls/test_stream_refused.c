/* Handshakes and records over a byte stream that must not pass. */
#include "duo.h"
#include "refused.h"

static struct duo d;

static void check_by(struct duo_way *by, const struct duo_way *other,
                     uint8_t alert) {
  CHECK(by->refused);
  CHECK_EQ(by->alert, alert);
  CHECK(!by->done || by->verdict != HS2N_REASON_NONE);
  CHECK(other->refused_by_peer);
  CHECK_EQ(other->alert, alert);
}

static void done(void) {
  duo_fini(&d);
  CHECK_EQ(d.p.client.mem.live_bytes, 0);
  CHECK_EQ(d.p.server.mem.live_bytes, 0);
}

static void refuse_bent(void (*bend)(struct end *e), uint8_t alert) {
  duo_init(&d, 20);
  d.p.client.bend = bend;
  duo_go(&d);
  check_by(&d.server, &d.client, alert);
  done();
}

/* covers: H08 */
static void hellos_of_old_versions_and_weak_suites_are_refused(void) {
  refuse_bent(evil_old_version, 70);
  refuse_bent(evil_null_suites, 40);
  refuse_bent(evil_anonymous_suites, 40);
}

static void another_protocol_is_refused(void) {
  refuse_bent(evil_no_alpn, ALERT_NO_APPLICATION_PROTOCOL);
  refuse_bent(evil_other_alpn, ALERT_NO_APPLICATION_PROTOCOL);
}

static void another_chain_is_refused_before_any_signature(void) {
  refuse_bent(evil_no_sni, ALERT_UNRECOGNIZED_NAME);
  refuse_bent(evil_other_sni, ALERT_UNRECOGNIZED_NAME);
}

static void quic_parameters(struct end *e) {
  wolfSSL_set_quic_transport_version(e->session->ssl, 0x39);
}

/* RFC 9001, 8.2: such a peer believes that it speaks QUIC. */
static void the_extension_of_quic_is_refused(void) {
  refuse_bent(quic_parameters, 110);
}

/* covers: H53 */
static void a_client_without_a_certificate_is_refused(void) {
  duo_init(&d, 21);
  (void)evil_context(&d.p.client, HS2NI_TLS_CLIENT);
  duo_go(&d);
  check_by(&d.server, &d.client, ALERT_CERTIFICATE_REQUIRED);
  CHECK_EQ(d.p.server.env.stats.refused_certificate, 1);
  done();
}

/* What the server would need to complete its handshake does not go out. */
/* covers: N13 */
static void a_server_with_another_key_is_refused(void) {
  const struct hs2n_key expected = {{1, 2, 3}};

  duo_init(&d, 22);
  d.client.expected = &expected;
  duo_go(&d);
  CHECK_EQ(d.client.verdict, HS2N_REASON_WRONG_KEY);
  CHECK(!d.server.done);
  CHECK(d.server.refused_by_peer);
  CHECK_EQ(d.server.alert, ALERT_BAD_CERTIFICATE);
  done();
}

static void an_expired_certificate_is_refused(void) {
  memset(&d, 0, sizeof(d));
  pair_init(&d.p, 23);
  d.p.client.unix_time += INT64_C(11) * 366 * 86400;
  REQUIRE(pair_contexts(&d.p) == HS2N_OK);
  d.client.e = &d.p.client;
  d.server.e = &d.p.server;
  duo_go(&d);
  check_by(&d.client, &d.server, ALERT_BAD_CERTIFICATE);
  done();
}

static void a_stolen_certificate_without_its_key_is_refused(void) {
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  struct hs2n_span stolen = {bytes, 0};
  struct pair other;

  pair_init(&other, 44);
  stolen.len = evil_certificate(&other.client, (const uint8_t *)"",
                                (const uint8_t *)"", 0, bytes);
  pair_fini(&other);
  duo_init(&d, 45);
  evil_use(evil_context(&d.p.client, HS2NI_TLS_CLIENT), stolen,
           d.p.client.identity);
  duo_go(&d);
  check_by(&d.server, &d.client, ALERT_DECRYPT_ERROR);
  done();
}

/* ---- records ------------------------------------------------------------- */

/* What comes to a server that has heard nothing. */
static void refuse_first(const uint8_t *bytes, size_t len, uint8_t alert) {
  int64_t before;

  duo_init(&d, 24);
  CHECK_EQ(hs2ni_tls_stream_new(&d.server.s, d.p.server.tls, HS2NI_TLS_SERVER),
           HS2N_OK);
  CHECK_EQ(hs2ni_tls_stream_new(&d.client.s, d.p.client.tls, HS2NI_TLS_CLIENT),
           HS2N_OK);
  before = d.p.server.mem.live_bytes;
  duo_hear(&d.server, bytes, len);
  duo_run(&d);
  CHECK(d.server.refused);
  CHECK_EQ(d.server.alert, alert);
  CHECK(d.p.server.mem.live_bytes - before < 16384);
  done();
}

static void junk_in_place_of_a_hello_is_refused(void) {
  static const uint8_t http[] = "GET / HTTP/1.1\r\n\r\n";
  static const uint8_t ssh[] = "SSH-2.0-x\r\n";
  static const uint8_t ssl2[] = {0x80, 0x2e, 1, 0, 2};
  static const uint8_t empty[] = {22, 3, 1, 0, 0};
  static const uint8_t data[] = {23, 3, 3, 0, 1, 0};
  static const uint8_t huge[] = {22, 3, 1, 0x40, 1};
  static const uint8_t huger[] = {23, 3, 3, 0x41, 1};

  refuse_first(http, sizeof(http), ALERT_UNEXPECTED_MESSAGE);
  refuse_first(ssh, sizeof(ssh), ALERT_UNEXPECTED_MESSAGE);
  refuse_first(ssl2, sizeof(ssl2), ALERT_UNEXPECTED_MESSAGE);
  refuse_first(empty, sizeof(empty), ALERT_UNEXPECTED_MESSAGE);
  refuse_first(data, sizeof(data), ALERT_UNEXPECTED_MESSAGE);
  refuse_first(huge, sizeof(huge), 22);
  refuse_first(huger, sizeof(huger), 22);
}

static void an_announced_megabyte_is_not_allocated(void) {
  static const uint8_t hello[] = {22, 3, 1, 0, 5, 1, 0x0f, 0xff, 0xff, 3};

  refuse_first(hello, sizeof(hello), ALERT_ILLEGAL_PARAMETER);
}

/* A flight has a bound too, in however many records. */
static void a_hello_without_end_is_refused(void) {
  uint8_t record[5 + 1000] = {22, 3, 1, 1000 >> 8, 1000 & 255};

  duo_init(&d, 25);
  CHECK_EQ(hs2ni_tls_stream_new(&d.server.s, d.p.server.tls, HS2NI_TLS_SERVER),
           HS2N_OK);
  CHECK_EQ(hs2ni_tls_stream_new(&d.client.s, d.p.client.tls, HS2NI_TLS_CLIENT),
           HS2N_OK);
  for (unsigned i = 0; i < 20; i++) {
    record[5] = i == 0 ? 1 : 0; /* of 4,000 bytes */
    record[7] = i == 0 ? 0x0f : 0;
    record[8] = i == 0 ? 0xa0 : 0;
    duo_hear(&d.server, record, sizeof(record));
  }
  duo_run(&d);
  CHECK(d.server.refused);
  done();
}

static void too_many_change_cipher_specs_are_refused(void) {
  static const uint8_t specs[] = {20, 3, 3, 0,  1, 1, 20, 3, 3,
                                  0,  1, 1, 20, 3, 3, 0,  1, 1};

  refuse_first(specs, sizeof(specs), ALERT_UNEXPECTED_MESSAGE);
}

static void start(uint64_t seed) {
  duo_init(&d, seed);
  duo_go(&d);
  CHECK(d.client.done && d.server.done);
}

static void refuse_record(enum hs2ni_tls_content content, const uint8_t *bytes,
                          size_t len, uint8_t alert) {
  start(26);
  duo_record(&d.client, &d.server, content, bytes, len);
  duo_run(&d);
  CHECK(d.server.refused);
  CHECK_EQ(d.server.alert, alert);
  CHECK(d.client.refused_by_peer);
  done();
}

static void behind_the_handshake_only_keys_may_change(void) {
  static const uint8_t hello[] = {1, 0, 0, 1, 0};  /* renegotiation */
  static const uint8_t ticket[] = {4, 0, 0, 1, 0}; /* NewSessionTicket */
  static const uint8_t request[] = {13, 0, 0, 1, 0};
  static const uint8_t update[] = {24, 0, 0, 1, 0};
  static const uint8_t cut[] = {24, 0, 0};

  refuse_record(HS2NI_CONTENT_HANDSHAKE, hello, sizeof(hello), 10);
  refuse_record(HS2NI_CONTENT_HANDSHAKE, ticket, sizeof(ticket), 10);
  refuse_record(HS2NI_CONTENT_HANDSHAKE, request, sizeof(request), 10);
  refuse_record(HS2NI_CONTENT_HANDSHAKE, cut, sizeof(cut), 10);
  refuse_record(HS2NI_CONTENT_HANDSHAKE, cut, 0, 10);
  refuse_record(HS2NI_CONTENT_CHANGE_CIPHER_SPEC, update, 1, 10);
  refuse_record(HS2NI_CONTENT_ALERT, update, 1, 50);
  /* A flood of key updates: the first that comes too early is the last. */
  refuse_record(HS2NI_CONTENT_HANDSHAKE, update, sizeof(update), 10);
}

static void records_without_protection_are_refused_behind_it(void) {
  static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40};
  static const uint8_t hello[] = {22, 3, 3, 0, 5, 1, 0, 0, 1, 0};
  static const uint8_t spec[] = {20, 3, 3, 0, 1, 1};
  const struct hs2n_span bad[] = {
      {alert, sizeof(alert)}, {hello, sizeof(hello)}, {spec, sizeof(spec)}};

  for (size_t i = 0; i < 3; i++) {
    start(27);
    duo_hear(&d.server, bad[i].data, bad[i].len);
    duo_run(&d);
    CHECK(d.server.refused);
    CHECK_EQ(d.server.alert, ALERT_UNEXPECTED_MESSAGE);
    done();
  }
}

static void a_record_that_was_touched_is_refused(void) {
  for (size_t at = 5; at < 5 + 10 + 17; at++) {
    start(28);
    duo_say(&d.client, &d.server, 10);
    d.server.in[at] ^= 1;
    duo_run(&d);
    CHECK(d.server.refused);
    CHECK_EQ(d.server.alert, 20); /* bad_record_mac */
    CHECK_EQ(d.server.bytes, 0);
    done();
  }
}

static void a_record_that_is_said_again_is_refused(void) {
  uint8_t again[32];

  start(29);
  duo_say(&d.client, &d.server, 10);
  memcpy(again, d.server.in, sizeof(again));
  duo_run(&d);
  duo_hear(&d.server, again, sizeof(again));
  duo_run(&d);
  CHECK_EQ(d.server.bytes, 10);
  CHECK(d.server.refused);
  done();
}

/* Any byte of any flight may be another: the handshake fails, or it was one
 * that says nothing, and all memory comes back. */
static void handshakes_that_were_touched_do_no_harm(void) {
  unsigned passed = 0;

  for (size_t at = 0; at < 1600; at += 3) {
    struct duo_way *to = at % 2 == 0 ? &d.server : &d.client;
    uint8_t record[2048];
    size_t seen = 0;
    bool touched = false;

    duo_init(&d, 30);
    CHECK_EQ(
        hs2ni_tls_stream_new(&d.client.s, d.p.client.tls, HS2NI_TLS_CLIENT),
        HS2N_OK);
    CHECK_EQ(
        hs2ni_tls_stream_new(&d.server.s, d.p.server.tls, HS2NI_TLS_SERVER),
        HS2N_OK);
    CHECK_EQ(hs2ni_tls_stream_begin(d.client.s), HS2N_OK);
    for (unsigned round = 0; round < 12; round++) {
      struct duo_way *from = round % 2 == 0 ? &d.client : &d.server;
      struct duo_way *other = round % 2 == 0 ? &d.server : &d.client;

      while (hs2ni_tls_stream_waits(from->s)) {
        const size_t n = hs2ni_tls_stream_take(from->s, record, sizeof(record));

        if (other == to && !touched && at / 2 < seen + n) {
          record[at / 2 - seen] ^= 0x21;
          touched = true;
        }
        seen += other == to ? n : 0;
        duo_hear(other, record, n);
      }
      duo_run(&d);
    }
    passed += touched && d.client.done && d.server.done && !d.client.refused &&
              !d.server.refused;
    done();
  }
  CHECK_EQ(passed, 0);
}

int main(void) {
  RUN(hellos_of_old_versions_and_weak_suites_are_refused);
  RUN(another_protocol_is_refused);
  RUN(another_chain_is_refused_before_any_signature);
  RUN(the_extension_of_quic_is_refused);
  RUN(a_client_without_a_certificate_is_refused);
  RUN(a_server_with_another_key_is_refused);
  RUN(an_expired_certificate_is_refused);
  RUN(a_stolen_certificate_without_its_key_is_refused);
  RUN(junk_in_place_of_a_hello_is_refused);
  RUN(an_announced_megabyte_is_not_allocated);
  RUN(a_hello_without_end_is_refused);
  RUN(too_many_change_cipher_specs_are_refused);
  RUN(behind_the_handshake_only_keys_may_change);
  RUN(records_without_protection_are_refused_behind_it);
  RUN(a_record_that_was_touched_is_refused);
  RUN(a_record_that_is_said_again_is_refused);
  RUN(handshakes_that_were_touched_do_no_harm);
  return tap_done();
}
