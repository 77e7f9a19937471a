/* Receive windows that grow, out of what all peers of a node share. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#define OWN 262144u
#define OWN_STREAM 131072u
#define SHARED (4u << 20)
#define FIFTH (SHARED / 5)

/* Nodes 600 ms apart; the last one receives. */
static void far_apart(struct world *w, size_t n, uint64_t seed) {
  struct hs2n_limits *l;

  world_init(w, n, seed);
  w->delay = HS2N_MS(300);
  l = &w->nodes[n - 1].te.env.limits;
  l->rx_window_bytes = OWN;
  l->rx_stream_window_bytes = OWN_STREAM;
  l->rx_shared_bytes = SHARED;
}

static uint64_t lent(const struct world_conn *b) {
  return hs2ni_quic_conn_of(b->conn)->window.lent;
}

static uint64_t lent_by(const struct world *w, size_t node) {
  return w->nodes[node].te.env.rx_share.lent;
}

/* Two ends of which the second has widened what it takes of the first. */
static bool widened(struct world *w, uint64_t seed, struct world_conn **a,
                    struct world_conn **b) {
  far_apart(w, 2, seed);
  if (!world_start_all(w) || !world_connect(w, 0, 1, a, b)) {
    return false;
  }
  for (unsigned i = 0; i < 8; i++) {
    (void)world_send(*a, 1u << 20);
  }
  if (!world_exchange(w, *a, *b, HS2N_S(60))) {
    return false;
  }
  world_run(w, HS2N_S(5)); /* for the last acks */
  return true;
}

static void a_long_way_makes_the_window_grow(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  REQUIRE(widened(&w, 1, &a, &b));
  CHECK_EQ(lent(b), FIFTH);
  CHECK_EQ(lent_by(&w, 1), FIFTH);
  CHECK(w.nodes[1].te.env.stats.rx_windows_widened >= 3);
  CHECK_EQ(lent_by(&w, 0), 0); /* which received nothing */
  world_fini(&w);
}

static void little_traffic_makes_nothing_grow(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  far_apart(&w, 2, 2);
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  for (unsigned i = 0; i < 100; i++) {
    REQUIRE(world_send(a, 15000) != NULL);
    world_run(&w, HS2N_S(1));
  }
  CHECK(world_arrived(a, b));
  CHECK_EQ(w.nodes[1].te.env.stats.rx_windows_widened, 0);
  world_fini(&w);
}

static void nothing_grows_where_nothing_is_shared(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  far_apart(&w, 2, 3);
  w.nodes[1].te.env.limits.rx_shared_bytes = 0;
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  REQUIRE(world_send(a, 4u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(60)));
  CHECK_EQ(w.nodes[1].te.env.stats.rx_windows_widened, 0);
  world_fini(&w);
}

static void credit_that_is_kept_back_makes_nothing_grow(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  far_apart(&w, 2, 4);
  w.nodes[1].no_credit = true;
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  for (unsigned i = 0; i < 8; i++) {
    REQUIRE(world_send(a, 1u << 20) != NULL);
  }
  world_run(&w, HS2N_S(60));
  CHECK_EQ(b->received, OWN);
  CHECK_EQ(lent(b), 0);
  world_fini(&w);
}

/* An application that has stopped reading gets what the window was, and no
 * byte more; one stream leaves to others what it always does. */
static void a_wide_window_is_a_bound_like_any_other(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;
  uint64_t before;

  REQUIRE(widened(&w, 5, &a, &b));
  w.nodes[1].no_credit = true;
  before = b->received;
  a->out_n = 0;
  b->in_n = 0;
  REQUIRE(world_send(a, 4u << 20) != NULL);
  world_run(&w, HS2N_S(30));
  CHECK_EQ(b->received - before, OWN_STREAM + FIFTH);
  for (unsigned i = 0; i < 8; i++) {
    REQUIRE(world_send(a, 1u << 20) != NULL);
  }
  world_run(&w, HS2N_S(60));
  CHECK(b->received - before <= OWN + FIFTH);
  CHECK(b->received - before > FIFTH);
  CHECK_EQ(lent_by(&w, 1), FIFTH);
  CHECK(!a->closed && !b->closed && !w.stuck);
  world_fini(&w);
}

static void a_stream_is_widened_with_its_connection(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;
  uint64_t before;

  far_apart(&w, 2, 6);
  REQUIRE(world_start_all(&w));
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  REQUIRE(world_send(a, 4u << 20) != NULL);
  for (unsigned i = 0; i < 100 && lent(b) < FIFTH; i++) {
    world_run(&w, HS2N_MS(100));
  }
  REQUIRE(lent(b) == FIFTH);
  w.nodes[1].no_credit = true;
  world_run(&w, HS2N_S(2)); /* for credit that is under way */
  before = b->received;
  world_run(&w, HS2N_S(20));
  CHECK_EQ(b->received, before);
  CHECK(before < 4u << 20);
  /* Room for others is left in the connection, but for credit that is due
   * and too little for a frame. */
  REQUIRE(world_send(a, OWN - OWN_STREAM - OWN / 4) != NULL);
  world_run(&w, HS2N_S(5));
  CHECK_EQ(b->received - before, OWN - OWN_STREAM - OWN / 4);
  world_fini(&w);
}

static bool send_little(struct world *w, struct world_conn *a, unsigned times) {
  for (unsigned i = 0; i < times; i++) {
    if (world_send(a, 5000) == NULL) {
      return false;
    }
    world_run(w, HS2N_S(1));
  }
  return true;
}

static void who_has_become_quiet_gives_back(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  REQUIRE(widened(&w, 7, &a, &b));
  REQUIRE(send_little(&w, a, 100));
  CHECK(lent(b) <= FIFTH - 60u * 5000u);
  CHECK(lent(b) >= FIFTH - 100u * 5000u);
  CHECK_EQ(lent_by(&w, 1), lent(b));
  REQUIRE(send_little(&w, a, 100));
  CHECK_EQ(lent(b), 0);
  /* Its window is what it was at first. */
  w.nodes[1].no_credit = true;
  world_run(&w, HS2N_S(5));
  a->out_n = 0;
  b->in_n = 0;
  b->received = 0;
  for (unsigned i = 0; i < 8; i++) {
    REQUIRE(world_send(a, 1u << 20) != NULL);
  }
  world_run(&w, HS2N_S(30));
  CHECK(b->received <= OWN);
  world_fini(&w);
}

static void a_connection_that_ends_gives_back_all(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;

  REQUIRE(widened(&w, 8, &a, &b));
  REQUIRE(lent(b) > 0);
  a->conn->ops->conn_close(a->conn, HS2N_REASON_NONE);
  world_run(&w, HS2N_S(5));
  CHECK(b->closed);
  CHECK_EQ(lent_by(&w, 1), 0);
  world_fini(&w);
}

/* Two that want all there is both get some, and the rest stays. */
static void two_that_compete_both_get_something(void) {
  static struct world w;
  struct world_conn *a[2];
  struct world_conn *b[2];

  far_apart(&w, 3, 9);
  REQUIRE(world_start_all(&w));
  for (size_t i = 0; i < 2; i++) {
    REQUIRE(world_connect(&w, i, 2, &a[i], &b[i]));
  }
  for (unsigned n = 0; n < 8; n++) {
    for (size_t i = 0; i < 2; i++) {
      REQUIRE(world_send(a[i], 1u << 20) != NULL);
    }
  }
  CHECK(world_exchange(&w, a[0], b[0], HS2N_S(60)));
  CHECK(world_exchange(&w, a[1], b[1], HS2N_S(60)));
  for (size_t i = 0; i < 2; i++) {
    CHECK(lent(b[i]) >= SHARED / 8);
    CHECK(lent(b[i]) <= FIFTH);
  }
  CHECK_EQ(lent_by(&w, 2), lent(b[0]) + lent(b[1]));
  world_fini(&w);
}

/* covers: X8 */
static void memory_stays_within_what_is_counted_for_wide_windows(void) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;
  const struct hs2n_limits *l;
  int64_t before;

  far_apart(&w, 2, 10);
  l = &w.nodes[1].te.env.limits;
  REQUIRE(world_start_all(&w));
  before = w.nodes[1].te.mem.live_bytes;
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  w.loss_ppm = 20000;
  w.jitter = HS2N_MS(5);
  for (unsigned i = 0; i < 400; i++) {
    w.loss_ppm = i < 300 ? 20000 : 300000;
    if (i % 8 == 0) {
      (void)world_send(a, 1u << 20);
    }
    world_run(&w, HS2N_MS(100));
    CHECK(w.nodes[1].te.mem.live_bytes - before <=
          (int64_t)(hs2ni_quic_conn_footprint(l) +
                    hs2ni_quic_shared_footprint(l) / 5));
  }
  CHECK(lent(b) > 0);
  world_fini(&w);
}

/* Fails the nth allocation after the connection is up, while windows grow. */
static bool survives(uint64_t n) {
  static struct world w;
  struct world_conn *a = NULL;
  struct world_conn *b = NULL;
  struct test_mem *mem = &w.nodes[1].te.mem;
  bool reached = false;

  far_apart(&w, 2, 11);
  w.nodes[1].te.env.limits.rx_window_bytes = 65536;
  w.nodes[1].te.env.limits.rx_stream_window_bytes = 32768;
  w.jitter = HS2N_MS(20);
  if (world_start_all(&w) && world_connect(&w, 0, 1, &a, &b)) {
    mem->fail_at = mem->requests + n;
    CHECK(world_send(a, 400000) != NULL && world_send(a, 400000) != NULL);
    w.loss_ppm = 20000;
    world_run(&w, HS2N_S(20));
    reached = mem->requests >= mem->fail_at;
    CHECK(reached || (world_arrived(a, b) && lent(b) > 0));
  }
  CHECK(!w.stuck);
  world_stop(&w, 1);
  CHECK_EQ(lent_by(&w, 1), 0);
  world_fini(&w);
  CHECK_EQ(mem->live_bytes, 0);
  return reached;
}

static void every_failing_allocation_is_survived(void) {
  uint64_t n = 1;

  while (survives(n)) {
    n++;
  }
  TAP_SAY("# %llu allocations\n", (unsigned long long)n - 1);
  CHECK(n > 20);
}

int main(void) {
  RUN(a_long_way_makes_the_window_grow);
  RUN(little_traffic_makes_nothing_grow);
  RUN(nothing_grows_where_nothing_is_shared);
  RUN(credit_that_is_kept_back_makes_nothing_grow);
  RUN(a_wide_window_is_a_bound_like_any_other);
  RUN(a_stream_is_widened_with_its_connection);
  RUN(who_has_become_quiet_gives_back);
  RUN(a_connection_that_ends_gives_back_all);
  RUN(two_that_compete_both_get_something);
  RUN(memory_stays_within_what_is_counted_for_wide_windows);
  RUN(every_failing_allocation_is_survived);
  return tap_done();
}
