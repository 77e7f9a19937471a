/* Calls from inside upcalls. */
#include "suite.h"

static void streams_may_be_opened_while_a_packet_is_filled(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 15);
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 100) != NULL);
  a->open_in_next = 100; /* more than the peer allows: 63 of them open */
  a->open_bytes = 300;
  world_run(&w, HS2N_MS(200));
  CHECK(a->open_in_next < 100);
  a->open_in_next = 0;
  CHECK(world_exchange(&w, a, b, HS2N_S(2)));
  world_fini(&w);
}

/* Every call of a connection, in the middle of its own packet. */
static void meddle_with_all(struct world_conn *c) {
  unsigned *rounds = c->meddle_data;
  struct hs2ni_conn_stats stats;
  struct world_stream *in;

  if (c->in_n == 0 || ++*rounds > 200) {
    return;
  }
  c->conn->ops->conn_stats(c->conn, &stats);
  c->conn->ops->want_tx(c->conn, HS2NI_RANK_FIRST);
  in = &c->in[0];
  c->conn->ops->credit(c->conn, in->id, (size_t)c->uncredited);
  c->uncredited = 0;
  if (*rounds == 100) {
    c->conn->ops->stream_stop(c->conn, in->id, 7);
  }
  if (*rounds % 10 == 5) {
    struct world_stream *s = world_send(c, 5000);

    if (s != NULL && *rounds % 20 == 5) { /* opened and reset at once */
      s->reset = true;
      c->conn->ops->stream_reset(c->conn, s->id, 9);
    }
  }
}

static void every_call_may_be_made_while_a_packet_is_filled(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  unsigned rounds = 0;
  unsigned whole = 0;
  unsigned reset = 0;

  suite_begin(&w, 2, 26);
  w.delay = HS2N_MS(5);
  w.nodes[0].no_credit = true; /* only meddle_with_all gives it */
  REQUIRE(world_meet(&w, &a, &b));
  a->meddle = meddle_with_all;
  a->meddle_data = &rounds;
  a->chunk_max = 300;
  REQUIRE(world_send(a, 200000) != NULL);
  REQUIRE(world_send(b, 4u << 20) != NULL);
  world_run(&w, HS2N_S(3));
  CHECK(rounds > 200);
  REQUIRE(!a->closed && !b->closed);
  for (size_t i = 0; i < b->in_n; i++) {
    whole += b->in[i].fin && !b->in[i].broken;
    reset += b->in[i].reset && b->in[i].code == 9;
  }
  CHECK_EQ(whole, 1 + 10);
  CHECK_EQ(reset, 10);
  CHECK(b->out[0].stopped && b->out[0].done);
  for (size_t i = 0; i < a->out_n; i++) {
    CHECK(a->out[i].done);
  }
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
}

static void close_the_other(struct world_conn *c) {
  struct world_conn **other = c->meddle_data;

  if ((*other)->conn != NULL) {
    (*other)->conn->ops->conn_close((*other)->conn, HS2N_REASON_DUPLICATE);
    (*other)->conn = NULL;
  }
}

/* As the tie-break does when both ends have dialled. */
static void one_connection_may_be_closed_while_another_sends(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_conn *a2;
  struct world_conn *b2;

  suite_begin(&w, 2, 27);
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_connect(&w, 1, 0, &b2, &a2));
  REQUIRE(world_send(a2, 50000) != NULL);
  a->meddle = close_the_other;
  a->meddle_data = &a2;
  REQUIRE(world_send(a, 50000) != NULL);
  world_run(&w, HS2N_MS(200));
  CHECK(b2->closed);
  CHECK_EQ(b2->why.reason, HS2N_REASON_DUPLICATE);
  CHECK(world_arrived(a, b));
  world_fini(&w);
}

static void a_connection_may_be_closed_while_it_receives(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 16);
  REQUIRE(world_meet(&w, &a, &b));
  b->close_in_data = true;
  REQUIRE(world_send(a, 100000) != NULL);
  world_run(&w, HS2N_MS(200));
  CHECK(a->closed);
  CHECK(a->why.by_peer);
  CHECK_EQ(a->why.reason, HS2N_REASON_PROTOCOL);
  CHECK(!b->closed);
  world_fini(&w);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
}

static void a_connection_may_be_closed_while_a_packet_is_filled(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 17);
  REQUIRE(world_meet(&w, &a, &b));
  a->close_in_next = true;
  REQUIRE(world_send(a, 100000) != NULL);
  world_run(&w, HS2N_MS(200));
  CHECK(b->closed);
  CHECK_EQ(b->why.reason, HS2N_REASON_SHUTDOWN);
  CHECK(!a->closed);
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
}

int main(void) {
  RUN(streams_may_be_opened_while_a_packet_is_filled);
  RUN(every_call_may_be_made_while_a_packet_is_filled);
  RUN(one_connection_may_be_closed_while_another_sends);
  RUN(a_connection_may_be_closed_while_it_receives);
  RUN(a_connection_may_be_closed_while_a_packet_is_filled);
  return tap_done();
}
