/* Memory: it may run out anywhere, and all of it comes back. */
#include "suite.h"

static void a_life(struct world *w) {
  struct world_conn *a = world_dial(w, 0, 1);

  world_run(w, HS2N_MS(100));
  if (a != NULL && a->up && !a->closed) {
    for (unsigned i = 0; i < 5; i++) {
      (void)world_send(a, 30000 * i);
    }
    a->datagrams_to_send = 3;
    a->datagram_len = 200;
    a->reply = 5000;
  }
  world_run(w, HS2N_MS(300));
  if (a != NULL && a->conn != NULL) {
    a->conn->ops->conn_close(a->conn, HS2N_REASON_SHUTDOWN);
    a->conn = NULL;
  }
  world_run(w, HS2N_S(12));
}

/* Returns whether the life of the victim has so many allocations. */
static bool survives(size_t victim, uint64_t fail_at) {
  static struct world w;
  bool reached;

  suite_begin(&w, 2, 180);
  w.nodes[victim].te.mem.fail_at = fail_at;
  if (world_start_all(&w)) {
    a_life(&w);
    CHECK(!w.stuck);
  }
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
      n += n < 250 ? 1 : 7; /* all of the set-up, samples of the rest */
    }
    TAP_SAY("# %llu allocations in the life of node %zu\n",
            (unsigned long long)n, victim);
  }
}

static void closed_connections_leave_nothing(void) {
  static struct world w;
  int64_t before[2];

  suite_begin(&w, 2, 112);
  REQUIRE(world_start_all(&w));
  for (size_t i = 0; i < 2; i++) {
    w.nodes[i].te.env.limits.new_per_source_per_s = 100000;
    w.nodes[i].te.env.limits.new_per_source_burst = 100000;
    before[i] = w.nodes[i].te.mem.live_bytes;
  }
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
  CHECK(w.nodes[1].link->ops->deadline(w.nodes[1].link) == HS2N_TIME_NEVER);
  world_fini(&w);
}

static void links_come_and_go_a_thousand_times(void) {
  static struct world w;

  suite_begin(&w, 1, 190);
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

static uint64_t requests(const struct world *w) {
  return w->nodes[0].te.mem.requests + w->nodes[1].te.mem.requests;
}

/* A connection that sends and receives takes no memory any more, when what it
 * keeps for reuse has grown. */
static void the_steady_state_allocates_nothing(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;
  uint64_t before = 0;

  suite_begin(&w, 2, 33);
  REQUIRE(world_meet(&w, &a, &b));
  a->chunk_max = 128;
  s = world_send(a, 1000000);
  REQUIRE(s != NULL);
  s->total = 0;
  for (unsigned i = 0; i < 300; i++) {
    if (i == 100) {
      before = requests(&w);
    }
    s->total += 5 * 128;
    s->fin = false;
    a->keep_open = true;
    a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
    world_run(&w, HS2N_MS(10));
  }
  CHECK_EQ(s->acked, 300 * 5 * 128);
  CHECK_EQ(requests(&w) - before, 0);
  world_fini(&w);
}

int main(void) {
  RUN(every_failing_allocation_is_survived);
  RUN(closed_connections_leave_nothing);
  RUN(links_come_and_go_a_thousand_times);
  RUN(the_steady_state_allocates_nothing);
  return tap_done();
}
