/* What time does to connections. */
#include "suite.h"

static void a_dial_into_a_black_hole_ends_in_time(void) {
  static struct world w;
  struct world_conn *a;
  int64_t before;
  hs2n_time began;

  suite_begin(&w, 2, 130);
  REQUIRE(world_start_all(&w));
  world_part(&w, 0, 1, true);
  before = w.nodes[0].te.mem.live_bytes;
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  began = w.now;
  while (!a->closed && w.now - began < HS2N_S(20)) {
    world_run(&w, HS2N_MS(10));
  }
  CHECK(a->closed);
  CHECK(!a->up);
  CHECK_EQ(a->why.reason, HS2N_REASON_HANDSHAKE_TIMEOUT);
  CHECK(w.now - began >= HS2N_MS(4500) && w.now - began <= HS2N_MS(5500));
  world_run(&w, HS2N_S(4));
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, before);
  world_fini(&w);
}

static void a_silent_peer_is_given_up_after_the_idle_time(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  hs2n_time began;

  suite_begin(&w, 2, 132);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  world_part(&w, 0, 1, true);
  began = w.now;
  while (!(a->closed && b->closed) && w.now - began < HS2N_S(30)) {
    world_run(&w, HS2N_MS(50));
  }
  CHECK(a->closed && b->closed);
  CHECK_EQ(a->why.reason, HS2N_REASON_IDLE_TIMEOUT);
  CHECK_EQ(b->why.reason, HS2N_REASON_IDLE_TIMEOUT);
  CHECK(!a->why.by_peer);
  CHECK(w.now - began <= HS2N_S(13)); /* 10 s, and the PING before it */
  CHECK(w.now - began >= HS2N_S(7));
  world_fini(&w);
}

/* Bytes on their way make no difference. */
static void a_silent_peer_is_given_up_while_it_is_sent_to(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  hs2n_time began;

  suite_begin(&w, 2, 139);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  world_part(&w, 0, 1, true);
  REQUIRE(world_send(a, 1u << 20) != NULL);
  began = w.now;
  while (!(a->closed && b->closed) && w.now - began < HS2N_S(30)) {
    world_run(&w, HS2N_MS(50));
  }
  CHECK_EQ(a->why.reason, HS2N_REASON_IDLE_TIMEOUT);
  CHECK_EQ(b->why.reason, HS2N_REASON_IDLE_TIMEOUT);
  CHECK(w.now - began <= HS2N_S(13));
  world_fini(&w);
}

static void an_idle_connection_stays_up_for_an_hour(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct hs2ni_conn_stats s;
  uint64_t bytes;

  suite_begin(&w, 2, 133);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(10));
  bytes = w.nodes[0].bytes_out + w.nodes[1].bytes_out;
  world_run(&w, HS2N_S(3600));
  CHECK(!a->closed && !b->closed);
  bytes = w.nodes[0].bytes_out + w.nodes[1].bytes_out - bytes;
  CHECK(bytes < 3600 * 100);
  world_run(&w, HS2N_MS(1));
  a->conn->ops->conn_stats(a->conn, &s);
  CHECK(w.now - s.last_heard < HS2N_S(4));
  CHECK_EQ(s.packets_lost, 0);
  CHECK_EQ(s.remote.port, 7000);
  CHECK(s.rtt_min >= HS2N_MS(1) && s.rtt_min <= HS2N_MS(2));
  CHECK(s.rtt_smoothed >= HS2N_MS(1) && s.rtt_smoothed < HS2N_MS(3));
  CHECK(!w.stuck);
  world_fini(&w);
}

static void a_connection_survives_a_blackout_shorter_than_idle(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 134);
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 1u << 20) != NULL);
  for (unsigned i = 0; i < 3; i++) {
    world_part(&w, 0, 1, true);
    world_run(&w, HS2N_S(2));
    world_part(&w, 0, 1, false);
    world_run(&w, HS2N_S(5));
    REQUIRE(!a->closed && !b->closed);
    (void)world_send(a, 100000);
    (void)world_send(b, 100000);
  }
  world_run(&w, HS2N_S(5));
  CHECK(world_arrived(a, b) && world_arrived(b, a));
  world_fini(&w);
}

/* The process at the other end is gone, and another runs there. */
static void a_connection_to_a_process_that_is_gone_ends(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 160);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  world_stop(&w, 1);
  REQUIRE(world_start(&w, 1) == HS2N_OK);
  REQUIRE(world_send(a, 100) != NULL);
  world_run(&w, HS2N_S(13));
  CHECK(a->closed);
  CHECK(a->why.established);
  CHECK(a->why.reason == HS2N_REASON_RESET ||
        a->why.reason == HS2N_REASON_IDLE_TIMEOUT);
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  CHECK(a->up && b->up);
  world_fini(&w);
}

/* A probe notices at once that a silent path is alive. */
static void a_probe_is_answered(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct hs2ni_conn_stats s;

  suite_begin(&w, 2, 161);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_MS(1200));
  a->conn->ops->probe(a->conn, HS2N_MS(500));
  world_run(&w, HS2N_MS(50));
  world_run(&w, HS2N_MS(1));
  a->conn->ops->conn_stats(a->conn, &s);
  CHECK(w.now - s.last_heard <= HS2N_MS(60));
  world_fini(&w);
}

int main(void) {
  RUN(a_dial_into_a_black_hole_ends_in_time);
  RUN(a_silent_peer_is_given_up_after_the_idle_time);
  RUN(a_silent_peer_is_given_up_while_it_is_sent_to);
  RUN(an_idle_connection_stays_up_for_an_hour);
  RUN(a_connection_survives_a_blackout_shorter_than_idle);
  RUN(a_connection_to_a_process_that_is_gone_ends);
  RUN(a_probe_is_answered);
  return tap_done();
}
