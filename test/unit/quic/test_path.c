/* What lies between two endpoints: sizes, marks, addresses, keys. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

/* ---- paths -------------------------------------------------------------- */

static void packets_grow_to_what_the_path_takes(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 21);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  CHECK_EQ(ngtcp2_conn_get_path_max_tx_udp_payload_size2(
               hs2ni_quic_conn_of(a->conn)->ng),
           1452);
  world_fini(&w);
}

static size_t path_takes;

static bool drop_large(struct world *w, struct world_packet *p) {
  (void)w;
  return p->len <= path_takes;
}

/* A tunnel on the way takes 1,300 bytes: nothing stalls. */
static void a_black_hole_for_large_packets_is_avoided(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  path_takes = 1300;
  world_init(&w, 2, 22);
  w.filter = drop_large;
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 1u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  world_fini(&w);
}

/* The path changes in the middle of a transfer to one that takes less. */
static void a_path_that_shrinks_does_not_stall_a_transfer(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t before = 0;
  hs2n_time moved = 0;
  hs2n_time stalled = 0;

  path_takes = 1500;
  world_init(&w, 2, 25);
  w.filter = drop_large;
  w.delay = HS2N_MS(10);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  REQUIRE(world_send(a, 4u << 20) != NULL);
  world_run(&w, HS2N_MS(60));
  CHECK(b->received > 0 && b->received < 1u << 20);
  CHECK(a->conn->ops->datagram_max(a->conn) > 1400);
  path_takes = 1280;
  moved = w.now;
  for (unsigned i = 0; i < 2000 && !b->in[0].fin; i++) {
    world_run(&w, HS2N_MS(10));
    if (b->in[0].offset != before) {
      before = b->in[0].offset;
      moved = w.now;
    } else if (w.now - moved > stalled) {
      stalled = w.now - moved;
    }
    if (i % 20 == 0 && world_send(a, 100) == NULL) { /* votes keep passing */
      break;
    }
  }
  CHECK(b->in[0].fin && !b->in[0].broken);
  TAP_SAY("# nothing came for %llu ms at most\n",
          (unsigned long long)(stalled / HS2N_MS(1)));
  CHECK(stalled <= HS2N_MS(400));
  CHECK(a->conn->ops->datagram_max(a->conn) < 1200);
  world_run(&w, HS2N_S(30)); /* it tries the full size again */
  CHECK(a->conn->ops->datagram_max(a->conn) > 1400);
  world_fini(&w);
}

static bool drop_all(struct world *w, struct world_packet *p) {
  (void)w;
  (void)p;
  return false;
}

/* A pause of the peer is not a path that shrinks. */
static void a_pause_does_not_make_packets_small(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 37);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  REQUIRE(world_send(a, 4u << 20) != NULL);
  world_run(&w, HS2N_MS(15));
  w.filter = drop_all;
  world_run(&w, HS2N_S(1));
  w.filter = NULL;
  world_run(&w, HS2N_S(2));
  CHECK(world_arrived(a, b));
  REQUIRE(world_send(a, 100000) != NULL);
  world_run(&w, HS2N_MS(200));
  CHECK(a->conn->ops->datagram_max(a->conn) > 1400);
  world_fini(&w);
}

/* A handshake may end with all of its packets in flight, their acks lost: how
 * long that has been so is counted from the first packet, not from the zero of
 * the clock. */
static void a_connection_is_not_stuck_before_it_has_begun(void) {
  static struct world w;
  struct world_conn *a;

  world_init(&w, 2, 70);
  w.now = HS2N_S(1000);
  REQUIRE(world_start_all(&w));
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, 1);
  CHECK_EQ(hs2ni_quic_conn_of(a->conn)->mtu.progress, HS2N_S(1000));
  world_fini(&w);
}

static void a_fixed_size_is_used_from_the_start(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 23);
  w.nodes[0].udp_payload_max = 8192;
  w.nodes[1].udp_payload_max = 8192;
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 1u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  CHECK_EQ(ngtcp2_conn_get_path_max_tx_udp_payload_size2(
               hs2ni_quic_conn_of(a->conn)->ng),
           8192);
  CHECK_EQ(w.nodes[0].batches_uneven, 0);
  world_fini(&w);
}

struct marks {
  bool bleach;
  uint64_t marked, unmarked;
};

static bool watch_marks(struct world *w, struct world_packet *p) {
  struct marks *m = w->filter_data;

  m->marked += p->ecn == HS2N_ECN_ECT_0;
  m->unmarked += p->ecn == HS2N_ECN_NOT_ECT;
  if (m->bleach) {
    p->ecn = HS2N_ECN_NOT_ECT;
  }
  return true;
}

/* RFC 9000, 13.4.2: used where the path keeps the marks, and only there. */
static void congestion_marks_are_used_where_the_path_keeps_them(void) {
  for (unsigned bleach = 0; bleach < 2; bleach++) {
    static struct world w;
    struct world_conn *a;
    struct world_conn *b;
    struct marks m = {.bleach = bleach == 1};

    world_init(&w, 2, 34);
    w.filter = watch_marks;
    w.filter_data = &m;
    REQUIRE(world_meet(&w, &a, &b));
    REQUIRE(world_send(a, 100000) != NULL);
    world_run(&w, HS2N_S(1));
    m.marked = 0;
    m.unmarked = 0;
    REQUIRE(world_send(a, 100000) != NULL);
    CHECK(world_exchange(&w, a, b, HS2N_S(1)));
    CHECK(bleach == 1 ? m.marked == 0 : m.marked > 60);
    world_fini(&w);
  }
}

static void endpoints_talk_over_ipv6(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 35);
  for (uint8_t i = 0; i < 2; i++) {
    w.nodes[i].addr = (struct hs2n_addr){.family = HS2N_FAMILY_IPV6,
                                         .ip = {0xfe, 0x80, [15] = i},
                                         .port = 7000,
                                         .scope = 2};
    w.nodes[i].external = w.nodes[i].addr;
  }
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 50000) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  CHECK_EQ(b->remote.family, HS2N_FAMILY_IPV6);
  CHECK_EQ(b->remote.scope, 2);
  world_fini(&w);
}

static void a_dial_says_what_it_can_not_do(void) {
  static struct world w;
  struct world_node *n = &w.nodes[0];
  const struct hs2n_addr v6 = {.family = HS2N_FAMILY_IPV6, .port = 1};
  struct hs2ni_conn *conn;
  unsigned dialled = 0;
  int rv;

  world_init(&w, 1, 36);
  n->te.env.limits.peers_max = 4;
  n->te.env.limits.half_open_max = 8;
  REQUIRE(world_start_all(&w));
  CHECK_EQ(n->link->ops->dial(n->link, &v6, &n->key, NULL, &conn),
           HS2N_ERR_INVALID);
  while ((rv = n->link->ops->dial(n->link, &n->addr, &n->key, NULL, &conn)) ==
         HS2N_OK) {
    dialled++;
  }
  CHECK_EQ(rv, HS2N_ERR_FULL);
  CHECK_EQ(dialled, 2 * 4 + 8);
  world_fini(&w);
  CHECK_EQ(n->te.mem.live_bytes, 0);
}

/* covers: H56 */
static void keys_are_updated_in_the_middle_of_a_transfer(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 24);
  w.delay = HS2N_MS(5);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  for (unsigned i = 0; i < 5; i++) {
    REQUIRE(world_send(a, 300000) != NULL);
    world_run(&w, HS2N_MS(20));
    CHECK_EQ(
        ngtcp2_conn_initiate_key_update(hs2ni_quic_conn_of(a->conn)->ng, w.now),
        0);
    REQUIRE(world_send(a, 30000) != NULL); /* under the new keys */
    world_run(&w, HS2N_S(2));
  }
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  CHECK(!a->closed && !b->closed);
  world_fini(&w);
}

int main(void) {
  RUN(packets_grow_to_what_the_path_takes);
  RUN(a_black_hole_for_large_packets_is_avoided);
  RUN(a_path_that_shrinks_does_not_stall_a_transfer);
  RUN(a_pause_does_not_make_packets_small);
  RUN(a_connection_is_not_stuck_before_it_has_begun);
  RUN(a_fixed_size_is_used_from_the_start);
  RUN(congestion_marks_are_used_where_the_path_keeps_them);
  RUN(endpoints_talk_over_ipv6);
  RUN(a_dial_says_what_it_can_not_do);
  RUN(keys_are_updated_in_the_middle_of_a_transfer);
  return tap_done();
}
