/* TLS over a byte stream, as it should be. */
#include "duo.h"
#include "tap.h"

static struct duo d;

static void start(uint64_t seed) {
  duo_init(&d, seed);
  duo_go(&d);
}

/* covers: H08, N12 */
static void both_ends_know_each_other(void) {
  struct hs2n_key client_key;
  struct hs2n_key server_key;

  duo_init(&d, 1);
  client_key = hs2n_identity_key(d.p.client.identity);
  server_key = hs2n_identity_key(d.p.server.identity);
  d.client.expected = &server_key;
  duo_go(&d);
  REQUIRE(d.client.done && d.server.done);
  CHECK_EQ(d.client.verdict, HS2N_REASON_NONE);
  CHECK_EQ(d.server.verdict, HS2N_REASON_NONE);
  CHECK_MEM(d.server.peer.bytes, client_key.bytes, HS2N_KEY_LEN);
  CHECK_MEM(d.client.peer.bytes, server_key.bytes, HS2N_KEY_LEN);
  CHECK(d.client.s->session == NULL && d.server.s->session == NULL);
  duo_fini(&d);
  CHECK_EQ(d.p.client.mem.live_bytes, 0);
  CHECK_EQ(d.p.server.mem.live_bytes, 0);
}

static void bytes_go_both_ways(void) {
  start(2);
  for (size_t n = 1; n <= HS2NI_TLS_CONTENT_MAX; n *= 2) {
    duo_say(&d.client, &d.server, n);
    duo_say(&d.server, &d.client, n);
    duo_run(&d);
  }
  CHECK_EQ(d.client.bytes, 2 * HS2NI_TLS_CONTENT_MAX - 1);
  CHECK_EQ(d.server.bytes, 2 * HS2NI_TLS_CONTENT_MAX - 1);
  duo_fini(&d);
}

static void sealing_and_opening_allocate_nothing(void) {
  uint64_t before;

  start(3);
  before = d.p.client.mem.requests + d.p.server.mem.requests;
  for (unsigned i = 0; i < 100; i++) {
    duo_say(&d.client, &d.server, 1000);
    duo_run(&d);
  }
  CHECK_EQ(d.server.bytes, 100000);
  CHECK_EQ(d.p.client.mem.requests + d.p.server.mem.requests - before, 0);
  duo_fini(&d);
}

/* RFC 8446, 5.5: no key is used for ever. */
static void keys_change_after_many_records(void) {
  start(4);
  d.client.s->rekey_after = 1500;
  for (unsigned i = 0; i < 4000; i++) {
    duo_say(&d.client, &d.server, 10);
    duo_run(&d);
  }
  CHECK_EQ(d.server.bytes, 40000);
  CHECK_EQ(d.server.updates, 2);
  CHECK(!d.server.refused && !d.client.refused);
  duo_say(&d.server, &d.client, 10);
  duo_run(&d);
  CHECK_EQ(d.client.bytes, 10);
  duo_fini(&d);
}

/* A peer may ask us to change ours too. */
static void a_request_to_change_keys_is_answered(void) {
  static const uint8_t update[] = {24, 0, 0, 1, 1};

  start(5);
  for (unsigned i = 0; i < HS2NI_REKEY_RECORDS_MIN; i++) {
    duo_say(&d.client, &d.server, 1);
    duo_say(&d.server, &d.client, 1);
    duo_run(&d);
  }
  duo_record(&d.client, &d.server, HS2NI_CONTENT_HANDSHAKE, update,
             sizeof(update));
  CHECK_EQ(hs2ni_record_keys_update(&d.client.s->tx, d.client.s->suite), 0);
  duo_run(&d);
  CHECK_EQ(d.client.updates, 1);
  duo_say(&d.client, &d.server, 7);
  duo_say(&d.server, &d.client, 7);
  duo_run(&d);
  CHECK_EQ(d.server.bytes, HS2NI_REKEY_RECORDS_MIN + 7);
  CHECK_EQ(d.client.bytes, HS2NI_REKEY_RECORDS_MIN + 7);
  duo_fini(&d);
}

static void an_end_is_told(void) {
  start(6);
  hs2ni_tls_stream_end(d.client.s);
  CHECK(!hs2ni_tls_stream_ready(d.client.s));
  duo_run(&d);
  CHECK(d.server.ended);
  CHECK(!d.server.refused && !d.server.refused_by_peer);
  duo_fini(&d);
}

/* Stacks that look like TLS 1.2 send these (RFC 8446, D.4). */
static void a_change_cipher_spec_is_skipped_in_the_handshake(void) {
  static const uint8_t spec[] = {20, 3, 3, 0, 1, 1};

  duo_init(&d, 7);
  duo_hear(&d.client, spec, sizeof(spec));
  duo_hear(&d.server, spec, sizeof(spec));
  duo_go(&d);
  CHECK(d.client.done && d.server.done);
  duo_fini(&d);
}

/* Returns whether the victim's handshake has so many allocations. */
static bool survives(bool server, uint64_t n) {
  struct end *e;
  bool reached;

  duo_init(&d, 8);
  e = server ? &d.p.server : &d.p.client;
  e->mem.fail_at = e->mem.requests + n;
  if (hs2ni_tls_stream_new(&d.client.s, d.p.client.tls, HS2NI_TLS_CLIENT) ==
          HS2N_OK &&
      hs2ni_tls_stream_new(&d.server.s, d.p.server.tls, HS2NI_TLS_SERVER) ==
          HS2N_OK &&
      hs2ni_tls_stream_begin(d.client.s) == HS2N_OK) {
    duo_run(&d);
  }
  reached = e->mem.requests >= e->mem.fail_at;
  duo_fini(&d);
  CHECK_EQ(d.p.client.mem.live_bytes, 0);
  CHECK_EQ(d.p.server.mem.live_bytes, 0);
  return reached;
}

static void every_failing_allocation_is_survived(void) {
  for (int server = 0; server < 2; server++) {
    uint64_t n = 1;

    while (survives(server != 0, n)) {
      n++;
    }
    CHECK(n > 20);
  }
}

static void the_footprint_is_an_upper_bound(void) {
  int64_t before[2];

  duo_init(&d, 9);
  before[0] = d.p.client.mem.most_bytes = d.p.client.mem.live_bytes;
  before[1] = d.p.server.mem.most_bytes = d.p.server.mem.live_bytes;
  duo_go(&d);
  CHECK(d.client.done && d.server.done);
  for (unsigned i = 0; i < 2; i++) {
    const struct end *e = i == 0 ? &d.p.client : &d.p.server;

    TAP_SAY("# at most %lld bytes in a handshake, %lld after it\n",
            (long long)(e->mem.most_bytes - before[i]),
            (long long)(e->mem.live_bytes - before[i]));
    CHECK(e->mem.most_bytes - before[i] <=
          (int64_t)hs2ni_tls_stream_footprint());
    CHECK(e->mem.live_bytes - before[i] <
          2048 + (int64_t)sizeof(struct hs2ni_tls_stream));
  }
  duo_fini(&d);
}

int main(void) {
  RUN(both_ends_know_each_other);
  RUN(bytes_go_both_ways);
  RUN(sealing_and_opening_allocate_nothing);
  RUN(keys_change_after_many_records);
  RUN(a_request_to_change_keys_is_answered);
  RUN(an_end_is_told);
  RUN(a_change_cipher_spec_is_skipped_in_the_handshake);
  RUN(every_failing_allocation_is_survived);
  RUN(the_footprint_is_an_upper_bound);
  return tap_done();
}
