/* What those get who are not, or not yet, a peer. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#include <stdlib.h>

#define CAUGHT_MAX 600

/* Packets that left node 0, and whether they went on. */
struct net {
  bool hold; /* keep node 0's packets from the wire */
  size_t caught_n;
  struct {
    size_t len;
    uint8_t bytes[1500];
  } caught[CAUGHT_MAX];
  /* what node 1 sent */
  uint64_t answers;
  uint64_t answer_bytes;
  size_t answer_len_max;
  uint8_t last_first_byte;
  uint32_t last_version;
};

static bool watch(struct world *w, struct world_packet *p) {
  struct net *n = w->filter_data;

  if (p->from.ip[3] == 1) {
    if (n->caught_n < CAUGHT_MAX && p->len <= sizeof(n->caught[0].bytes)) {
      n->caught[n->caught_n].len = p->len;
      memcpy(n->caught[n->caught_n].bytes, p->bytes, p->len);
      n->caught_n++;
    }
    return !n->hold;
  }
  n->answers++;
  n->answer_bytes += p->len;
  n->last_first_byte = p->bytes[0];
  n->last_version = (uint32_t)p->bytes[1] << 24 | (uint32_t)p->bytes[2] << 16 |
                    (uint32_t)p->bytes[3] << 8 | p->bytes[4];
  if (p->len > n->answer_len_max) {
    n->answer_len_max = p->len;
  }
  return true;
}

static void forget(struct net *n) {
  n->answers = 0;
  n->answer_bytes = 0;
  n->answer_len_max = 0;
}

static struct net *net_new(struct world *w, uint64_t seed) {
  struct net *n = calloc(1, sizeof(*n));

  world_init(w, 2, seed);
  w->filter = watch;
  w->filter_data = n;
  return n;
}

/* Collects count first packets of dials that never get an answer. */
static bool catch_initials(struct world *w, struct net *n, unsigned count) {
  n->hold = true;
  n->caught_n = 0;
  for (unsigned i = 0; i < count; i++) {
    struct world_conn *c = world_dial(w, 0, 1);

    if (c == NULL) {
      return false;
    }
    world_run(w, 1);
    c->conn->ops->conn_close(c->conn, HS2N_REASON_LOCAL);
    c->conn = NULL;
    w->nodes[0].conns_n--;
    free(c);
    world_run(w, 1);
    n->caught_n = i + 1; /* without the closing packet */
  }
  world_run(w, HS2N_MS(1));
  n->caught_n = count;
  n->hold = false;
  forget(n);
  return true;
}

static struct hs2n_addr stranger(unsigned i) {
  return (struct hs2n_addr){
      .family = HS2N_FAMILY_IPV4,
      .ip = {172, 16, (uint8_t)(i >> 8 & 0xffu), (uint8_t)(i & 0xffu)},
      .port = 999};
}

static void inject(struct world *w, unsigned from, const uint8_t *bytes,
                   size_t len) {
  const struct hs2n_addr a = stranger(from);

  world_inject(w, &a, &w->nodes[1].addr, bytes, len);
}

static struct hs2ni_quic *server(const struct world *w) {
  return hs2ni_quic_of(w->nodes[1].link);
}

/* A dial from here and now works. */
static bool honest(struct world *w) {
  struct world_conn *a;
  struct world_conn *b;

  if (!world_connect(w, 0, 1, &a, &b)) {
    return false;
  }
  if (world_send(a, 5000) == NULL) {
    return false;
  }
  world_run(w, HS2N_MS(50));
  return world_arrived(a, b);
}

/* ---- versions ----------------------------------------------------------- */

static void an_unknown_version_is_told_ours(void) {
  static struct world w;
  struct net *n = net_new(&w, 200);

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  memcpy(n->caught[0].bytes + 1, "\x1a\x2a\x3a\x4a", 4);
  inject(&w, 1, n->caught[0].bytes, n->caught[0].len);
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(n->answers, 1);
  CHECK_EQ(n->last_version, 0);
  CHECK(n->answer_len_max < 64);
  CHECK_EQ(w.nodes[1].te.env.stats.version_negotiations_sent, 1);
  CHECK_EQ(server(&w)->conns.count, 0);

  /* QUIC version 2 is not spoken here either. */
  memcpy(n->caught[0].bytes + 1, "\x6b\x33\x43\xcf", 4);
  inject(&w, 1, n->caught[0].bytes, n->caught[0].len);
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(n->answers, 2);
  CHECK_EQ(server(&w)->conns.count, 0);
  world_fini(&w);
  free(n);
}

static void five_hundred_unknown_versions_get_few_answers(void) {
  static struct world w;
  struct net *n = net_new(&w, 201);

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  memcpy(n->caught[0].bytes + 1, "\x1a\x2a\x3a\x4a", 4);
  for (unsigned i = 0; i < 500; i++) {
    inject(&w, i, n->caught[0].bytes, n->caught[0].len);
  }
  world_run(&w, HS2N_MS(10));
  CHECK(n->answers <= 12);
  CHECK(w.nodes[1].te.env.stats.stateless_limited >= 480);
  world_fini(&w);
  free(n);
}

static void short_packets_and_negotiations_get_no_version(void) {
  static struct world w;
  struct net *n = net_new(&w, 202);

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  memcpy(n->caught[0].bytes + 1, "\x1a\x2a\x3a\x4a", 4);
  inject(&w, 1, n->caught[0].bytes, 1199);
  memcpy(n->caught[0].bytes + 1, "\0\0\0\0", 4);
  inject(&w, 1, n->caught[0].bytes, 1200);
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(n->answers, 0);
  world_fini(&w);
  free(n);
}

/* ---- first packets ------------------------------------------------------ */

static void small_or_misnamed_initials_are_dropped(void) {
  static struct world w;
  struct net *n = net_new(&w, 203);
  uint8_t bent[1200];

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  for (size_t len = 0; len < 1200; len++) {
    inject(&w, 1, n->caught[0].bytes, len);
  }
  /* an id of 7 bytes: all behind it moves up */
  memcpy(bent, n->caught[0].bytes, sizeof(bent));
  CHECK_EQ(bent[5], 18);
  bent[5] = 7;
  memmove(bent + 6 + 7, bent + 6 + 18, sizeof(bent) - 6 - 18);
  inject(&w, 1, bent, sizeof(bent));
  /* and one of 21 */
  bent[5] = 21;
  inject(&w, 1, bent, sizeof(bent));
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(n->answers, 0);
  CHECK_EQ(server(&w)->conns.count, 0);
  CHECK(honest(&w));
  world_fini(&w);
  free(n);
}

/* An Initial that doesn't decrypt leaves no state. */
static void a_broken_initial_leaves_nothing(void) {
  static struct world w;
  struct net *n = net_new(&w, 204);
  int64_t before;

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  before = w.nodes[1].te.mem.live_bytes;
  n->caught[0].bytes[600] ^= 1;
  inject(&w, 1, n->caught[0].bytes, n->caught[0].len);
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(n->answers, 0);
  CHECK_EQ(server(&w)->conns.count, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before);
  world_fini(&w);
  free(n);
}

static void a_silent_stranger_gets_at_most_three_times_its_bytes(void) {
  static struct world w;
  struct net *n = net_new(&w, 205);

  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 1));
  inject(&w, 1, n->caught[0].bytes, n->caught[0].len);
  world_run(&w, HS2N_S(20));
  CHECK(n->answer_bytes > 0);
  CHECK(n->answer_bytes <= 3 * n->caught[0].len);
  CHECK_EQ(server(&w)->conns.count, 0);
  world_fini(&w);
  free(n);
}

/* ---- many of them ------------------------------------------------------- */

static void beyond_the_free_half_opens_an_address_must_be_proved(void) {
  static struct world w;
  struct net *n = net_new(&w, 206);
  uint64_t bytes;

  w.nodes[1].te.env.limits.half_open_free_max = 8;
  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 40));
  for (unsigned i = 0; i < 8; i++) {
    inject(&w, i, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(server(&w)->half_open, 8);
  forget(n);
  for (unsigned i = 8; i < 16; i++) {
    inject(&w, i, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_MS(1) + 1);
  CHECK_EQ(w.nodes[1].te.env.stats.retries_sent, 8);
  CHECK_EQ(server(&w)->half_open, 8);
  bytes = n->answer_bytes;
  CHECK(bytes * 10 <= 8 * 1200); /* a tenth of what came */

  /* Who answers the Retry gets in. */
  CHECK(honest(&w));
  CHECK(w.nodes[1].te.env.stats.retries_sent > 8);
  world_fini(&w);
  free(n);
}

static void a_hard_limit_refuses_even_the_proved(void) {
  static struct world w;
  struct net *n = net_new(&w, 207);
  struct world_conn *a;

  w.nodes[1].te.env.limits.half_open_free_max = 8;
  w.nodes[1].te.env.limits.half_open_max = 8;
  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 8));
  for (unsigned i = 0; i < 8; i++) {
    inject(&w, i, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_MS(10));
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(200));
  CHECK(a->closed);
  CHECK_EQ(a->why.reason, HS2N_REASON_BUSY);
  CHECK(a->why.by_peer);
  CHECK_EQ(server(&w)->half_open, 8);
  CHECK(w.nodes[1].te.env.stats.inbound_limited >= 1);
  world_run(&w, HS2N_S(6)); /* they time out, and there is room again */
  CHECK(honest(&w));
  world_fini(&w);
  free(n);
}

/* One address opens its burst, then has to prove itself. */
static void one_source_has_a_rate_of_its_own(void) {
  static struct world w;
  struct net *n = net_new(&w, 208);

  w.nodes[1].te.env.limits.stateless_per_s = 1000;
  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 50));
  for (unsigned i = 0; i < 50; i++) {
    inject(&w, 1, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_MS(10));
  CHECK_EQ(server(&w)->half_open, 20);
  CHECK_EQ(w.nodes[1].te.env.stats.retries_sent, 30);
  CHECK(honest(&w));
  world_fini(&w);
  free(n);
}

/* Strangers use up all Retry packets; an address that we have met before
 * still gets one. */
static void a_flood_does_not_shut_out_a_known_address(void) {
  static struct world w;
  struct net *n = net_new(&w, 209);
  struct world_conn *a;
  struct world_conn *b;
  unsigned next = 0;
  int64_t before;

  w.nodes[1].te.env.limits.half_open_free_max = 4;
  REQUIRE(world_start_all(&w) && catch_initials(&w, n, 500));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
  a->conn = NULL;
  world_run(&w, HS2N_MS(10));
  before = w.nodes[1].te.mem.live_bytes;
  for (unsigned i = 0; i < 400; i++) {
    inject(&w, next++, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_MS(2));
  CHECK(w.nodes[1].te.env.stats.stateless_limited > 300);
  CHECK(w.nodes[1].te.mem.live_bytes - before < 5 * 96 * 1024);
  CHECK(honest(&w));
  world_fini(&w);
  free(n);
}

static bool bend_token(struct world *w, struct world_packet *p) {
  /* Initial with an id of 8 bytes, ours, and a token behind the client's. */
  if (p->from.ip[3] == 1 && (p->bytes[0] & 0xf0u) == 0xc0u &&
      p->bytes[5] == HS2NI_QUIC_CID_LEN) {
    const size_t at = 6u + 8u + 1u + p->bytes[14];

    if (p->bytes[at] == HS2NI_QUIC_TOKEN_LEN || p->bytes[at] == (0x40u | 0u)) {
      const size_t skip = p->bytes[at] == HS2NI_QUIC_TOKEN_LEN ? 1 : 2;

      p->bytes[at + skip + 20] ^= 1;
    }
  }
  (void)w;
  return true;
}

static void a_bent_token_is_told_so(void) {
  static struct world w;
  struct world_conn *a;

  world_init(&w, 2, 210);
  w.nodes[1].te.env.limits.half_open_free_max = 0;
  w.filter = bend_token;
  REQUIRE(world_start_all(&w));
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(300));
  CHECK(a->closed);
  CHECK(a->why.by_peer);
  CHECK_EQ(a->why.raw_code, NGTCP2_INVALID_TOKEN);
  CHECK_EQ(server(&w)->conns.count, 0);
  world_fini(&w);
}

/* ---- replays ------------------------------------------------------------ */

static void a_replayed_first_flight_gives_one_connection(void) {
  static struct world w;
  struct net *n = net_new(&w, 211);
  struct world_conn *a;
  struct world_conn *b;
  size_t flight;

  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  flight = n->caught_n < 6 ? n->caught_n : 6;
  for (unsigned round = 0; round < 50; round++) {
    for (size_t i = 0; i < flight; i++) {
      inject(&w, round, n->caught[i].bytes, n->caught[i].len);
      world_inject(&w, &w.nodes[0].addr, &w.nodes[1].addr, n->caught[i].bytes,
                   n->caught[i].len);
    }
    world_run(&w, HS2N_MS(5));
  }
  CHECK_EQ(w.nodes[1].conns_n, 1);
  CHECK_EQ(server(&w)->conns.count, 1);
  CHECK(!a->closed && !b->closed);
  REQUIRE(world_send(a, 5000) != NULL);
  world_run(&w, HS2N_MS(50));
  CHECK(world_arrived(a, b));
  world_fini(&w);
  free(n);
}

/* Everything a stranger has recorded, sent again after the end. */
static void a_replay_after_the_end_gives_no_connection(void) {
  static struct world w;
  struct net *n = net_new(&w, 212);
  struct world_conn *a;
  struct world_conn *b;

  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  REQUIRE(world_send(a, 5000) != NULL);
  world_run(&w, HS2N_MS(50));
  a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
  a->conn = NULL;
  world_run(&w, HS2N_S(10));
  forget(n);
  for (size_t i = 0; i < n->caught_n; i++) {
    inject(&w, 5, n->caught[i].bytes, n->caught[i].len);
  }
  world_run(&w, HS2N_S(20));
  CHECK_EQ(w.nodes[1].conns_n, 1);
  CHECK_EQ(server(&w)->conns.count, 0);
  CHECK(n->answer_bytes <= 3 * 1200 * n->caught_n);
  world_fini(&w);
  free(n);
}

/* ---- noise -------------------------------------------------------------- */

static void sixty_thousand_random_datagrams_change_nothing(void) {
  static struct world w;
  struct net *n = net_new(&w, 213);
  struct world_conn *a;
  struct world_conn *b;
  struct hs2ni_rng rng;
  uint64_t in = 0;
  int64_t before;

  hs2ni_rng_seed(&rng, 213);
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  world_run(&w, HS2N_S(1));
  forget(n);
  before = w.nodes[1].te.mem.live_bytes;
  for (unsigned i = 0; i < 60000; i++) {
    uint8_t bytes[1500];
    const size_t len = (size_t)hs2ni_rng_below(&rng, 1501);

    for (size_t k = 0; k < len; k += 8) {
      const uint64_t word = hs2ni_rng_next(&rng);

      memcpy(bytes + k, &word, len - k < 8 ? len - k : 8);
    }
    if (len > 20 && i % 4 == 0) { /* a QUIC header, and our id in it */
      bytes[0] = (uint8_t)(i % 8 == 0 ? 0x40u : 0xc0u);
      memcpy(bytes + 1, "\0\0\0\1\10", 5);
      memcpy(bytes + (i % 8 == 0 ? 1 : 6), hs2ni_quic_conn_of(b->conn)->cids[0],
             8);
    }
    in += len;
    inject(&w, (unsigned)hs2ni_rng_below(&rng, 4000), bytes, len);
    if (i % 60 == 0) {
      world_run(&w, HS2N_MS(10)); /* 6,000 a second */
    }
  }
  world_run(&w, HS2N_S(1));
  TAP_SAY("# %llu answers, %llu of %llu bytes\n",
          (unsigned long long)n->answers, (unsigned long long)n->answer_bytes,
          (unsigned long long)in);
  CHECK(n->answers <= 11 * 110 * 3);
  CHECK(n->answer_bytes * 10 < in);
  CHECK(!a->closed && !b->closed);
  CHECK(w.nodes[1].te.mem.live_bytes - before < 16 << 20);
  REQUIRE(world_send(a, 5000) != NULL);
  world_run(&w, HS2N_MS(100));
  CHECK(world_arrived(a, b));
  world_run(&w, HS2N_S(10));
  CHECK_EQ(server(&w)->conns.count, 1);
  CHECK(honest(&w));
  world_fini(&w);
  free(n);
}

/* A reset answers packets of nobody's connection: shorter, and not many. */
static void resets_are_shorter_and_few(void) {
  static struct world w;
  struct net *n = net_new(&w, 214);
  uint8_t bytes[60];

  REQUIRE(world_start_all(&w));
  memset(bytes, 0x41, sizeof(bytes));
  for (size_t len = 1; len <= sizeof(bytes); len++) {
    forget(n);
    inject(&w, 1, bytes, len);
    world_run(&w, HS2N_MS(200));
    CHECK(n->answers <= 1);
    CHECK(n->answer_len_max < len);
    CHECK_EQ(n->answers, len >= 22);
  }
  forget(n);
  for (unsigned i = 0; i < 1000; i++) {
    inject(&w, i, bytes, sizeof(bytes));
  }
  world_run(&w, HS2N_MS(10));
  CHECK(n->answers <= 12);
  world_fini(&w);
  free(n);
}

/* Refused strangers cost nothing once they have been told. */
static void refused_handshakes_leave_only_their_last_packet(void) {
  static struct world w;
  int64_t before[2];
  struct hs2n_key wrong = {{1, 2, 3}};

  world_init(&w, 2, 215);
  REQUIRE(world_start_all(&w));
  before[0] = w.nodes[0].te.mem.live_bytes;
  before[1] = w.nodes[1].te.mem.live_bytes;
  for (unsigned i = 0; i < 15; i++) {
    struct world_conn *a = world_dial_key(&w, 0, 1, &wrong);

    REQUIRE(a != NULL);
    world_run(&w, HS2N_MS(10));
    CHECK(a->closed);
    CHECK_EQ(server(&w)->conns.count, 0);
  }
  TAP_SAY("# 15 refused: %lld bytes where dialled, %lld where accepted\n",
          (long long)(w.nodes[0].te.mem.live_bytes - before[0]),
          (long long)(w.nodes[1].te.mem.live_bytes - before[1]));
  CHECK(w.nodes[1].te.mem.live_bytes - before[1] < 15 * 2048);
  world_run(&w, HS2N_S(4));
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, before[0]);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before[1]);
  world_fini(&w);
}

/* ---- on the path -------------------------------------------------------- */

static bool flip(struct world *w, struct world_packet *p) {
  uint64_t *flipped = w->filter_data;

  if (p->len > 0 && hs2ni_rng_below(&w->rng, 5) == 0) {
    const size_t bit = (size_t)hs2ni_rng_below(&w->rng, 8 * p->len);

    p->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    (*flipped)++;
  }
  return true;
}

static void flipped_bits_never_reach_the_user(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t flipped = 0;

  world_init(&w, 2, 216);
  w.delay = HS2N_MS(2);
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  w.filter = flip;
  w.filter_data = &flipped;
  for (unsigned i = 0; i < 8; i++) {
    REQUIRE(world_send(a, 4u << 20) != NULL);
  }
  for (unsigned i = 0; i < 600 && !world_arrived(a, b); i++) {
    world_run(&w, HS2N_MS(100));
  }
  CHECK(world_arrived(a, b)); /* which looks at every byte */
  TAP_SAY("# %llu packets with a flipped bit\n", (unsigned long long)flipped);
  CHECK(flipped > 3000);
  world_fini(&w);
}

static bool seen;
static uint8_t marker[12];

static bool look_for_marker(struct world *w, struct world_packet *p) {
  (void)w;
  for (size_t i = 0; i + sizeof(marker) <= p->len; i++) {
    seen |= memcmp(p->bytes + i, marker, sizeof(marker)) == 0;
  }
  return true;
}

/* covers: N12 */
static void no_payload_is_readable_on_the_wire(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct hs2ni_rng rng;

  /* what world.c sends at the start of the client's first stream, id 2 */
  hs2ni_rng_seed(&rng, 99);
  for (unsigned i = 0; i < 26; i++) {
    (void)hs2ni_rng_next(&rng);
  }
  for (size_t i = 0; i < sizeof(marker); i++) {
    marker[i] = (uint8_t)hs2ni_rng_next(&rng);
  }
  seen = false;
  world_init(&w, 2, 217);
  w.filter = look_for_marker;
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  REQUIRE(world_send(a, 100000) != NULL);
  CHECK_EQ(a->out[0].id, 2);
  world_run(&w, HS2N_MS(200));
  CHECK(world_arrived(a, b));
  CHECK(!seen);
  world_fini(&w);
}

/* ---- peers that know a key, and misbehave ------------------------------- */

/* A KeyUpdate, or anything else of TLS, after the handshake would abort the
 * process below: it ends one connection instead (RFC 9001, 6). */
static void tls_messages_after_the_handshake_end_the_connection(void) {
  static const uint8_t messages[][5] = {
      {24, 0, 0, 1, 0}, /* KeyUpdate */
      {4, 0, 0, 1, 0},  /* NewSessionTicket, cut */
      {13, 0, 0, 1, 0}, /* CertificateRequest */
      {1, 0, 0, 1, 0},  /* ClientHello */
      {255, 255, 255, 255, 255},
  };

  for (size_t i = 0; i < 2 * sizeof(messages) / sizeof(messages[0]); i++) {
    static struct world w;
    struct world_conn *a;
    struct world_conn *b;
    struct world_conn *bad;
    struct world_conn *good;

    world_init(&w, 2, 220 + i);
    REQUIRE(world_start_all(&w));
    REQUIRE(world_connect(&w, 0, 1, &a, &b));
    bad = i % 2 == 0 ? a : b;
    good = i % 2 == 0 ? b : a;
    CHECK_EQ(ngtcp2_conn_submit_crypto_data(hs2ni_quic_conn_of(bad->conn)->ng,
                                            NGTCP2_ENCRYPTION_LEVEL_1RTT,
                                            messages[i / 2],
                                            sizeof(messages[0])),
             0);
    (void)world_send(bad, 10);
    world_run(&w, HS2N_MS(100));
    CHECK(good->closed);
    CHECK_EQ(good->why.raw_code, 0x10a);
    CHECK(bad->closed);
    CHECK_EQ(bad->why.raw_code, 0x10a);
    CHECK(honest(&w));
    world_fini(&w);
  }
}

int main(void) {
  RUN(an_unknown_version_is_told_ours);
  RUN(five_hundred_unknown_versions_get_few_answers);
  RUN(short_packets_and_negotiations_get_no_version);
  RUN(small_or_misnamed_initials_are_dropped);
  RUN(a_broken_initial_leaves_nothing);
  RUN(a_silent_stranger_gets_at_most_three_times_its_bytes);
  RUN(beyond_the_free_half_opens_an_address_must_be_proved);
  RUN(a_hard_limit_refuses_even_the_proved);
  RUN(one_source_has_a_rate_of_its_own);
  RUN(a_flood_does_not_shut_out_a_known_address);
  RUN(a_bent_token_is_told_so);
  RUN(a_replayed_first_flight_gives_one_connection);
  RUN(a_replay_after_the_end_gives_no_connection);
  RUN(sixty_thousand_random_datagrams_change_nothing);
  RUN(resets_are_shorter_and_few);
  RUN(refused_handshakes_leave_only_their_last_packet);
  RUN(flipped_bits_never_reach_the_user);
  RUN(no_payload_is_readable_on_the_wire);
  RUN(tls_messages_after_the_handshake_end_the_connection);
  return tap_done();
}
