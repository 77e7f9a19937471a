/* How connections begin and end, and what each end is told. */
#include "suite.h"

/* covers: N12 */
static void two_nodes_shake_hands_and_know_each_other(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 1);
  REQUIRE(world_meet(&w, &a, &b));
  CHECK(a->up && b->up);
  CHECK_MEM(b->key.bytes, w.nodes[0].key.bytes, HS2N_KEY_LEN);
  CHECK_EQ(b->remote.port, w.nodes[0].addr.port);
  CHECK_EQ(w.nodes[0].te.env.stats.dials, 1);
  CHECK_EQ(w.nodes[0].te.env.stats.connections_opened, 1);
  CHECK_EQ(w.nodes[1].te.env.stats.connections_opened, 1);
  CHECK(!w.stuck);
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
}

static void a_close_tells_the_peer_its_reason(void) {
  static const enum hs2n_reason reasons[] = {
      HS2N_REASON_SHUTDOWN, HS2N_REASON_NOT_MEMBER, HS2N_REASON_SELF,
      HS2N_REASON_APP_BUSY};

  for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
    static struct world w;
    struct world_conn *a;
    struct world_conn *b;
    struct world_conn *closer;
    struct world_conn *other;

    suite_begin(&w, 2, 100 + i);
    REQUIRE(world_meet(&w, &a, &b));
    closer = i % 2 == 0 ? a : b;
    other = i % 2 == 0 ? b : a;
    closer->conn->ops->conn_close(closer->conn, reasons[i]);
    closer->conn = NULL;
    world_run(&w, HS2N_MS(10));
    CHECK(other->closed);
    CHECK_EQ(other->why.reason, reasons[i]);
    CHECK(other->why.by_peer);
    CHECK(other->why.established);
    CHECK(!closer->closed); /* no upcall after conn_close */
    world_fini(&w);
    CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
    CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
  }
}

/* Reasons that are only local never leave. */
static void a_local_reason_is_not_sent(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 110);
  REQUIRE(world_meet(&w, &a, &b));
  a->conn->ops->conn_close(a->conn, HS2N_REASON_LOCAL);
  a->conn = NULL;
  world_run(&w, HS2N_MS(10));
  CHECK(b->closed);
  CHECK_EQ(b->why.reason, HS2N_REASON_NONE);
  world_fini(&w);
}

/* covers: G13 */
static void dialling_with_the_wrong_key_is_refused_at_both_ends(void) {
  static struct world w;
  struct world_conn *a;

  suite_begin(&w, 3, 120);
  REQUIRE(world_start_all(&w));
  a = world_dial_key(&w, 0, 1, &w.nodes[2].key);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(100));
  CHECK(a->closed);
  CHECK(!a->up);
  CHECK_EQ(a->why.reason, HS2N_REASON_WRONG_KEY);
  CHECK(!a->why.established);
  CHECK_EQ(w.nodes[1].conns_n, 0); /* on_accept was not called */
  world_fini(&w);
}

static void a_refusal_by_the_user_reaches_the_dialler(void) {
  static struct world w;
  struct world_conn *a;

  suite_begin(&w, 2, 121);
  w.nodes[1].accept = HS2N_REASON_NOT_MEMBER;
  REQUIRE(world_start_all(&w));
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(100));
  CHECK(a->closed);
  CHECK_EQ(a->why.reason, HS2N_REASON_NOT_MEMBER);
  CHECK(a->why.by_peer);
  CHECK_EQ(w.nodes[1].conns_n, 0);
  world_fini(&w);
}

int main(void) {
  RUN(two_nodes_shake_hands_and_know_each_other);
  RUN(a_close_tells_the_peer_its_reason);
  RUN(a_local_reason_is_not_sent);
  RUN(dialling_with_the_wrong_key_is_refused_at_both_ends);
  RUN(a_refusal_by_the_user_reaches_the_dialler);
  return tap_done();
}
