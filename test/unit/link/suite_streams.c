/* Streams: bytes, ends, credit, resets. */
#include "suite.h"

/* covers: H05, H06 */
static void bytes_go_both_ways_and_are_acked(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;

  suite_begin(&w, 2, 2);
  REQUIRE(world_meet(&w, &a, &b));
  s = world_send(a, 3000);
  REQUIRE(s != NULL);
  CHECK(world_send(b, 100000) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(2)));
  world_run(&w, HS2N_MS(100));
  CHECK_EQ(s->acked, 3000);
  CHECK(s->done);
  CHECK(!s->broken);
  world_fini(&w);
}

/* An empty stream is a stream: its end arrives. */
static void a_stream_without_bytes_ends(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 3);
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 0) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  world_fini(&w);
}

/* More streams than the peer allows at once: each end of one frees a place. */
static void hundreds_of_streams_pass_through_a_limit_of_64(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  unsigned opened = 0;
  unsigned full = 0;

  suite_begin(&w, 2, 6);
  REQUIRE(world_meet(&w, &a, &b));
  while (opened < 500) {
    if (world_send(a, 1 + 37 * opened % 5000) == NULL) {
      full++;
      world_run(&w, HS2N_MS(5));
      REQUIRE(full < 1000);
    } else {
      opened++;
    }
  }
  CHECK(full > 0);
  CHECK(a->credits > 0);
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  world_fini(&w);
}

static void chunks_of_many_parts_arrive_in_order(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 8);
  REQUIRE(world_meet(&w, &a, &b));
  a->parts = HS2NI_CHUNK_PARTS;
  a->chunk_max = 777;
  REQUIRE(world_send(a, 50000) != NULL);
  REQUIRE(world_send(a, 5) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(2)));
  world_fini(&w);
}

static void a_receiver_that_gives_no_credit_gets_one_window(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t window;

  suite_begin(&w, 2, 10);
  window = w.nodes[1].te.env.limits.rx_window_bytes;
  w.nodes[1].no_credit = true;
  REQUIRE(world_meet(&w, &a, &b));
  for (unsigned i = 0; i < 4; i++) {
    REQUIRE(world_send(a, 1u << 20) != NULL);
  }
  world_run(&w, HS2N_S(5));
  CHECK_EQ(b->received, window);
  CHECK(!w.stuck);
  CHECK(!a->closed && !b->closed);

  /* Credit lets the rest pass. */
  w.nodes[1].no_credit = false;
  for (size_t i = 0; i < b->in_n; i++) {
    b->conn->ops->credit(b->conn, b->in[i].id, (size_t)b->in[i].offset);
  }
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  world_fini(&w);
}

static void one_stream_gets_no_more_than_its_own_window(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 11);
  w.nodes[1].te.env.limits.rx_stream_window_bytes = 65536;
  w.nodes[1].no_credit = true;
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 1u << 20) != NULL);
  REQUIRE(world_send(a, 1000) != NULL); /* not held up by the first */
  world_run(&w, HS2N_S(1));
  REQUIRE(b->in_n == 2);
  CHECK_EQ(b->in[0].offset, 65536);
  CHECK(b->in[1].fin);
  w.nodes[1].no_credit = false;
  b->conn->ops->credit(b->conn, b->in[0].id, 65536);
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  CHECK(a->credits > 0);
  world_fini(&w);
}

static void a_reset_reaches_the_receiver_and_ends_the_stream(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;

  suite_begin(&w, 2, 12);
  w.delay = HS2N_MS(20);
  w.nodes[1].no_credit = true; /* so that it is not through by then */
  REQUIRE(world_meet(&w, &a, &b));
  s = world_send(a, 4u << 20);
  REQUIRE(s != NULL);
  world_run(&w, HS2N_MS(100));
  a->conn->ops->stream_reset(a->conn, s->id, HS2N_REASON_VIEW_ENDED);
  s->reset = true;
  world_run(&w, HS2N_MS(500));
  REQUIRE(b->in_n == 1);
  CHECK(b->in[0].reset);
  CHECK_EQ(b->in[0].code, HS2N_REASON_VIEW_ENDED);
  CHECK(b->in[0].offset < 4u << 20);
  CHECK(s->done);
  world_fini(&w);
}

static void a_stop_makes_the_sender_reset(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;

  suite_begin(&w, 2, 13);
  w.delay = HS2N_MS(20);
  w.nodes[1].no_credit = true; /* so that it is not through by then */
  REQUIRE(world_meet(&w, &a, &b));
  s = world_send(a, 4u << 20);
  REQUIRE(s != NULL);
  world_run(&w, HS2N_MS(100));
  REQUIRE(b->in_n == 1);
  b->conn->ops->stream_stop(b->conn, s->id, HS2N_REASON_WITHDRAWN);
  world_run(&w, HS2N_MS(500));
  CHECK(s->stopped);
  CHECK_EQ(s->code, HS2N_REASON_WITHDRAWN);
  CHECK(s->done);
  CHECK(b->in[0].reset);
  world_fini(&w);
}

/* A thousand abandoned streams leave the connection's window whole. */
static void abandoned_streams_do_not_eat_the_window(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 14);
  w.delay = HS2N_MS(3);
  w.jitter = HS2N_MS(3);
  w.loss_ppm = 30000;
  w.nodes[1].te.env.limits.rx_window_bytes = 262144;
  w.nodes[1].te.env.limits.rx_stream_window_bytes = 65536;
  REQUIRE(world_meet(&w, &a, &b));
  for (unsigned i = 0; i < 400; i++) {
    struct world_stream *s = world_send(a, 60000);

    if (s == NULL) {
      world_run(&w, HS2N_MS(20));
      continue;
    }
    world_run(&w, HS2N_MS(1 + i % 7));
    if (s->done || s->stopped) {
      continue;
    }
    if (i % 2 == 0) {
      a->conn->ops->stream_reset(a->conn, s->id, 1);
      s->reset = true;
    } else if (b->in_n > 0 && b->in[b->in_n - 1].id == s->id) {
      b->conn->ops->stream_stop(b->conn, s->id, 1);
    }
  }
  world_run(&w, HS2N_S(10));
  REQUIRE(!a->closed && !b->closed);
  a->out_n = 0; /* forget those, and send one that needs all of it */
  b->in_n = 0;
  w.loss_ppm = 0;
  REQUIRE(world_send(a, 1u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(10)));
  world_fini(&w);
}

int main(void) {
  RUN(bytes_go_both_ways_and_are_acked);
  RUN(a_stream_without_bytes_ends);
  RUN(hundreds_of_streams_pass_through_a_limit_of_64);
  RUN(chunks_of_many_parts_arrive_in_order);
  RUN(a_receiver_that_gives_no_credit_gets_one_window);
  RUN(one_stream_gets_no_more_than_its_own_window);
  RUN(a_reset_reaches_the_receiver_and_ends_the_stream);
  RUN(a_stop_makes_the_sender_reset);
  RUN(abandoned_streams_do_not_eat_the_window);
  return tap_done();
}
