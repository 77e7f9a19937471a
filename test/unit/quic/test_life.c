/* How connections begin and end, and what each end is told. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#include <stdlib.h>

static bool drop_all(struct world *w, struct world_packet *p) {
  (void)w;
  (void)p;
  return false;
}

/* ---- closing ------------------------------------------------------------ */

static bool drop_first_close(struct world *w, struct world_packet *p) {
  unsigned *left = w->filter_data;

  (void)p;
  if (*left > 0) {
    (*left)--;
    return false;
  }
  return true;
}

/* The closing packet is lost; the next packet of the peer brings it again. */
static void a_lost_close_is_repeated(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  unsigned left = 1;

  world_init(&w, 2, 111);
  REQUIRE(world_meet(&w, &a, &b));
  w.filter = drop_first_close;
  w.filter_data = &left;
  a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
  a->conn = NULL;
  world_run(&w, HS2N_MS(5));
  CHECK(!b->closed);
  REQUIRE(world_send(b, 100) != NULL);
  world_run(&w, HS2N_MS(5));
  CHECK(b->closed);
  CHECK_EQ(b->why.reason, HS2N_REASON_SHUTDOWN);
  world_fini(&w);
}

/* What is left of closed connections is small and goes away by itself. */
static void closed_connections_leave_nothing(void) {
  static struct world w;
  int64_t before[2];

  world_init(&w, 2, 112);
  REQUIRE(world_start_all(&w));
  w.nodes[1].te.env.limits.new_per_source_per_s = 100000;
  w.nodes[1].te.env.limits.new_per_source_burst = 100000;
  before[0] = w.nodes[0].te.mem.live_bytes;
  before[1] = w.nodes[1].te.mem.live_bytes;
  for (unsigned i = 0; i < 40; i++) {
    struct world_conn *a;
    struct world_conn *b;

    REQUIRE(world_connect(&w, 0, 1, &a, &b));
    REQUIRE(world_send(a, 10000) != NULL);
    world_run(&w, HS2N_MS(5));
    a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
    a->conn = NULL;
    world_run(&w, HS2N_MS(3));
  }
  CHECK(w.nodes[0].te.mem.live_bytes - before[0] < 40 * 2500);
  world_run(&w, HS2N_S(5));
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, before[0]);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before[1]);
  CHECK_EQ(hs2ni_map_count(hs2ni_quic_of(w.nodes[0].link)->routes), 0);
  CHECK_EQ(hs2ni_map_count(hs2ni_quic_of(w.nodes[1].link)->routes), 0);
  CHECK(w.nodes[1].link->ops->deadline(w.nodes[1].link) == HS2N_TIME_NEVER);
  world_fini(&w);
}

/* ---- who is there ------------------------------------------------------- */

static struct world_conn *dialler;

static bool dialler_is_up(struct world *w) {
  (void)w;
  return dialler->up;
}

/* Its end of the handshake is done before the other end has seen its key, so
 * it speaks at once; what it says may overtake the proof of its key.  Nobody
 * hears it.  In all tests of this folder world.c stops the program when a byte
 * comes up before on_accept or on_up. */
/* covers: H49, G13 */
static void who_is_refused_is_not_heard_whatever_it_sends_before(void) {
  for (uint64_t seed = 0; seed < 50; seed++) {
    static struct world w;

    world_init(&w, 2, 1230 + seed);
    w.jitter = HS2N_MS(seed % 10);
    w.nodes[1].accept = HS2N_REASON_NOT_MEMBER;
    REQUIRE(world_start_all(&w));
    dialler = world_dial(&w, 0, 1);
    REQUIRE(dialler != NULL);
    REQUIRE(world_until(&w, dialler_is_up, HS2N_MS(100)));
    REQUIRE(world_send(dialler, 500) != NULL);
    world_run(&w, HS2N_MS(500));
    CHECK(dialler->closed);
    CHECK_EQ(dialler->why.reason, HS2N_REASON_NOT_MEMBER);
    CHECK_EQ(dialler->out[0].offset, 500); /* it was sent */
    CHECK_EQ(w.nodes[1].conns_n, 0);
    world_fini(&w);
  }
}

/* TLS itself says no: both ends know of what it died, and the one that was
 * dialled keeps no more than the packet that says so. */
static void a_tls_alert_is_told_and_frees_at_once(void) {
  static struct world w;
  struct world_conn *a;
  int64_t before;

  world_init(&w, 2, 122);
  w.nodes[1].chain = "another";
  REQUIRE(world_start_all(&w));
  before = w.nodes[1].te.mem.live_bytes;
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(10));
  CHECK(a->closed);
  CHECK(a->why.by_peer);
  CHECK(a->why.raw_code > 0x100 && a->why.raw_code < 0x200);
  CHECK_EQ(a->why.reason,
           hs2ni_tls_alert_reason((uint8_t)(a->why.raw_code & 0xff)));
  CHECK_EQ(hs2ni_quic_of(w.nodes[1].link)->conns.count, 0);
  CHECK(w.nodes[1].te.mem.live_bytes - before < 2048);
  CHECK_EQ(w.nodes[1].te.env.stats.handshakes_failed, 1);
  CHECK_EQ(w.nodes[1].conns_n, 0);
  world_fini(&w);
}

/* ---- time --------------------------------------------------------------- */

/* covers: N08 */
static void ten_thousand_dials_into_a_black_hole_leak_nothing(void) {
  static struct world w;
  struct world_node *n = &w.nodes[0];
  unsigned ended = 0;
  int64_t before;

  world_init(&w, 2, 135);
  w.filter = drop_all;
  REQUIRE(world_start_all(&w));
  before = n->te.mem.live_bytes;
  for (unsigned i = 0; i < 10000; i += WORLD_CONNS_MAX) {
    for (unsigned k = 0; k < WORLD_CONNS_MAX; k++) {
      REQUIRE(world_dial(&w, 0, 1) != NULL);
    }
    world_run(&w, HS2N_MS(4500));
    CHECK(!n->conns[0]->closed);
    world_run(&w, HS2N_S(1));
    while (n->conns_n > 0) {
      struct world_conn *c = n->conns[--n->conns_n];

      ended += c->closed && c->why.reason == HS2N_REASON_HANDSHAKE_TIMEOUT;
      free(c);
    }
  }
  world_run(&w, HS2N_S(4));
  CHECK(ended >= 10000);
  CHECK_EQ(n->te.mem.live_bytes, before);
  world_fini(&w);
}

static bool drop_from_first(struct world *w, struct world_packet *p) {
  unsigned *sent = w->filter_data;

  if (p->from.ip[3] != 1) {
    return true;
  }
  return (*sent)++ < 1;
}

/* The first flight arrives and then nothing: the half-open end is freed. */
static void a_half_open_handshake_is_freed(void) {
  static struct world w;
  unsigned sent = 0;
  int64_t before;

  world_init(&w, 2, 131);
  w.filter = drop_from_first;
  w.filter_data = &sent;
  REQUIRE(world_start_all(&w));
  before = w.nodes[1].te.mem.live_bytes;
  REQUIRE(world_dial(&w, 0, 1) != NULL);
  world_run(&w, HS2N_MS(500));
  CHECK_EQ(hs2ni_quic_of(w.nodes[1].link)->half_open, 1);
  TAP_SAY("# a half-open connection takes %lld bytes\n",
          (long long)(w.nodes[1].te.mem.live_bytes - before));
  world_run(&w, HS2N_S(6));
  CHECK_EQ(hs2ni_quic_of(w.nodes[1].link)->half_open, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before);
  CHECK_EQ(w.nodes[1].conns_n, 0);
  CHECK_EQ(w.nodes[1].te.env.stats.handshakes_failed, 1);
  world_fini(&w);
}

/* Without anything to say, PINGs keep a connection and cost little. */
static void an_idle_connection_stays_up_for_an_hour(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t packets;
  struct hs2ni_conn_stats s;

  world_init(&w, 2, 133);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(10));
  packets = w.nodes[0].packets_out + w.nodes[1].packets_out;
  world_run(&w, HS2N_S(3600));
  CHECK(!a->closed && !b->closed);
  packets = w.nodes[0].packets_out + w.nodes[1].packets_out - packets;
  CHECK(packets < 2 * 2 * 3600 / 2);
  a->conn->ops->conn_stats(a->conn, &s);
  CHECK(w.now - s.last_heard < HS2N_S(4));
  CHECK_EQ(s.rtt_min, HS2N_MS(2));
  CHECK(s.rtt_smoothed >= HS2N_MS(2) && s.rtt_smoothed < HS2N_MS(3));
  CHECK(s.packets_sent > 100);
  CHECK_EQ(s.packets_lost, 0);
  CHECK_EQ(s.remote.port, 7000);
  CHECK(!w.stuck);
  world_fini(&w);
}

static void handshakes_succeed_with_30_percent_loss(void) {
  unsigned up = 0;

  for (unsigned i = 0; i < 20; i++) {
    static struct world w;
    struct world_conn *a;

    world_init(&w, 2, 140 + i);
    w.delay = HS2N_MS(15);
    w.loss_ppm = 300000;
    REQUIRE(world_start_all(&w));
    a = world_dial(&w, 0, 1);
    REQUIRE(a != NULL);
    world_run(&w, HS2N_S(5));
    up += a->up && w.nodes[1].conns_n == 1;
    world_fini(&w);
  }
  CHECK_EQ(up, 20);
}

/* ---- restarts ----------------------------------------------------------- */

/* A restarted node has the key of before: its dialler learns at once. */
static void a_restarted_node_resets_old_connections(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 160);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  world_stop(&w, 1);
  world_run(&w, HS2N_MS(50));
  REQUIRE(world_start(&w, 1) == HS2N_OK);
  REQUIRE(world_send(a, 1000) != NULL);
  world_run(&w, HS2N_MS(100));
  CHECK(a->closed);
  CHECK_EQ(a->why.reason, HS2N_REASON_RESET);
  CHECK(a->why.by_peer);
  CHECK_EQ(w.nodes[1].te.env.stats.resets_sent, 1);
  world_fini(&w);
}

/* Who accepted can't be reset: a client has no token for its first id.  The
 * restarted dialler's next dial is what replaces the connection. */
static void a_restarted_dialler_comes_back_by_dialling(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_conn *a2;
  struct world_conn *b2;

  world_init(&w, 2, 161);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  world_stop(&w, 0);
  REQUIRE(world_start(&w, 0) == HS2N_OK);
  REQUIRE(world_send(b, 1000) != NULL);
  REQUIRE(world_connect(&w, 0, 1, &a2, &b2));
  CHECK(!b->closed);
  CHECK(w.nodes[0].te.env.stats.resets_sent < 30);
  b->conn->ops->conn_close(b->conn, HS2N_REASON_STALE_INCARNATION);
  b->conn = NULL;
  world_run(&w, HS2N_MS(100));
  CHECK(!a2->closed && !b2->closed);
  world_fini(&w);
}

static void another_reset_key_resets_nothing(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 162);
  REQUIRE(world_meet(&w, &a, &b));
  world_stop(&w, 1);
  w.nodes[1].reset_key[0] ^= 1;
  REQUIRE(world_start(&w, 1) == HS2N_OK);
  REQUIRE(world_send(a, 1000) != NULL);
  world_run(&w, HS2N_S(1));
  CHECK(!a->closed);
  world_fini(&w);
}

/* ---- addresses ---------------------------------------------------------- */

/* A NAT gives the dialler another port in the middle of a transfer. */
static void a_new_port_of_the_dialler_is_followed(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct hs2ni_conn_stats s;

  world_init(&w, 2, 170);
  w.delay = HS2N_MS(5);
  REQUIRE(world_meet(&w, &a, &b));
  for (uint16_t port = 7001; port < 7005; port++) {
    REQUIRE(world_send(a, 300000) != NULL);
    REQUIRE(world_send(b, 300000) != NULL);
    world_run(&w, HS2N_MS(15));
    w.nodes[0].external.port = port;
    world_run(&w, HS2N_S(3));
    REQUIRE(!a->closed && !b->closed);
    CHECK(world_arrived(a, b) && world_arrived(b, a));
    b->conn->ops->conn_stats(b->conn, &s);
    CHECK_EQ(s.remote.port, port);
  }
  world_fini(&w);
}

/* ---- when something runs out -------------------------------------------- */

static void without_randomness_nothing_begins(void) {
  static struct world w;
  struct world_conn *a;

  world_init(&w, 2, 180);
  REQUIRE(world_start_all(&w));
  w.nodes[0].te.rand_fails = true;
  CHECK(world_dial(&w, 0, 1) == NULL);
  w.nodes[0].te.rand_fails = false;
  w.nodes[1].te.rand_fails = true;
  a = world_dial(&w, 0, 1);
  if (a != NULL) {
    world_run(&w, HS2N_MS(100));
    CHECK(!a->up);
  }
  CHECK_EQ(hs2ni_quic_of(w.nodes[1].link)->conns.count, 0);
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
}

/* A whole life, with the n-th allocation of one node failing: nothing
 * crashes, nothing leaks, nobody hangs for longer than its time-outs. */
static bool survives(size_t victim, uint64_t fail_at) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  bool reached;

  world_init(&w, 2, 181);
  w.nodes[victim].te.mem.fail_at = fail_at;
  if (world_start_all(&w) && world_connect(&w, 0, 1, &a, &b)) {
    if (a->conn != NULL) {
      (void)world_send(a, 100000);
    }
    if (b->conn != NULL) {
      (void)world_send(b, 50000);
    }
    world_run(&w, HS2N_MS(200));
    if (a->conn != NULL) {
      a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
      a->conn = NULL;
    }
  }
  world_run(&w, HS2N_S(1));
  CHECK(!w.stuck);
  reached = w.nodes[victim].te.mem.requests >= fail_at;
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
  return reached;
}

static void every_failing_allocation_is_survived(void) {
  for (size_t victim = 0; victim < 2; victim++) {
    uint64_t n = 1;

    while (survives(victim, n)) {
      n += n < 400 ? 1 : 7; /* all of the set-up, samples of the rest */
    }
    TAP_SAY("# %llu allocations in the life of node %zu\n",
            (unsigned long long)n, victim);
    CHECK(n > 50);
  }
}

static void endpoints_come_and_go_a_thousand_times(void) {
  static struct world w;

  world_init(&w, 1, 190);
  REQUIRE(world_start(&w, 0) == HS2N_OK);
  for (unsigned i = 0; i < 1000; i++) {
    int64_t live;

    world_stop(&w, 0);
    live = w.nodes[0].te.mem.live_bytes;
    REQUIRE(world_start(&w, 0) == HS2N_OK);
    world_stop(&w, 0);
    CHECK_EQ(w.nodes[0].te.mem.live_bytes, live);
    REQUIRE(world_start(&w, 0) == HS2N_OK);
  }
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
}

static void an_idle_connection_takes_little_memory(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  int64_t before[2];

  world_init(&w, 2, 191);
  REQUIRE(world_start_all(&w));
  before[0] = w.nodes[0].te.mem.live_bytes;
  before[1] = w.nodes[1].te.mem.live_bytes;
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  world_run(&w, HS2N_S(2));
  TAP_SAY("# idle connection: %lld bytes where dialled, %lld where accepted\n",
          (long long)(w.nodes[0].te.mem.live_bytes - before[0]),
          (long long)(w.nodes[1].te.mem.live_bytes - before[1]));
  CHECK(w.nodes[0].te.mem.live_bytes - before[0] <= 40 << 10);
  CHECK(w.nodes[1].te.mem.live_bytes - before[1] <= 40 << 10);
  CHECK(hs2ni_quic_conn_of(a->conn)->tls == NULL);
  CHECK(hs2ni_quic_conn_of(b->conn)->tls == NULL);
  world_fini(&w);
}

/* What hs2n_limits_memory counts with is not less than what is taken. */
static void footprints_are_upper_bounds(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  int64_t before[2];
  size_t bound;

  world_init(&w, 2, 192);
  w.jitter = HS2N_MS(3);
  w.loss_ppm = 100000;
  w.nodes[1].no_credit = true;
  REQUIRE(world_start_all(&w));
  bound = hs2ni_quic_conn_footprint(&w.nodes[0].te.env.limits);
  before[0] = w.nodes[0].te.mem.live_bytes;
  before[1] = w.nodes[1].te.mem.live_bytes;
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  for (unsigned i = 0; i < 60; i++) {
    (void)world_send(a, 200000);
  }
  for (unsigned i = 0; i < 200; i++) {
    world_run(&w, HS2N_MS(5));
    CHECK(w.nodes[1].te.mem.live_bytes - before[1] <= (int64_t)bound);
    CHECK(w.nodes[0].te.mem.live_bytes - before[0] <= (int64_t)bound);
  }
  world_fini(&w);
}

int main(void) {
  RUN(a_lost_close_is_repeated);
  RUN(closed_connections_leave_nothing);
  RUN(who_is_refused_is_not_heard_whatever_it_sends_before);
  RUN(a_tls_alert_is_told_and_frees_at_once);
  RUN(ten_thousand_dials_into_a_black_hole_leak_nothing);
  RUN(a_half_open_handshake_is_freed);
  RUN(an_idle_connection_stays_up_for_an_hour);
  RUN(handshakes_succeed_with_30_percent_loss);
  RUN(a_restarted_node_resets_old_connections);
  RUN(a_restarted_dialler_comes_back_by_dialling);
  RUN(another_reset_key_resets_nothing);
  RUN(a_new_port_of_the_dialler_is_followed);
  RUN(without_randomness_nothing_begins);
  RUN(every_failing_allocation_is_survived);
  RUN(endpoints_come_and_go_a_thousand_times);
  RUN(an_idle_connection_takes_little_memory);
  RUN(footprints_are_upper_bounds);
  return tap_done();
}
