/* Connections that work: handshakes, streams, datagrams, flow control. */
#include "quic/endpoint.h"
#include "tap.h"
#include "world.h"

/* covers: N12 */
static void two_nodes_shake_hands_and_know_each_other(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 1);
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

static void bytes_go_both_ways_and_are_acked(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;

  world_init(&w, 2, 2);
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

  world_init(&w, 2, 3);
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 0) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  world_fini(&w);
}

static void four_mebibytes_survive_loss_doubling_and_reordering(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 4);
  REQUIRE(world_meet(&w, &a, &b));
  w.loss_ppm = 50000;
  w.dup_ppm = 20000;
  w.delay = HS2N_MS(5);
  w.jitter = HS2N_MS(4);
  REQUIRE(world_send(a, 4u << 20) != NULL);
  REQUIRE(world_send(b, 1u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(60)));
  CHECK(!w.stuck);
  CHECK_EQ(w.nodes[0].batches_uneven, 0);
  CHECK_EQ(w.nodes[1].batches_uneven, 0);
  world_fini(&w);
}

static void cubic_transfers_too(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 5);
  w.nodes[0].congestion = HS2N_CONGESTION_CUBIC;
  REQUIRE(world_meet(&w, &a, &b));
  REQUIRE(world_send(a, 1u << 20) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(10)));
  world_fini(&w);
}

/* More streams than the peer allows at once: each end of one frees a place. */
static void hundreds_of_streams_pass_through_a_limit_of_64(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  unsigned opened = 0;
  unsigned full = 0;

  world_init(&w, 2, 6);
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

/* Small messages share packets, and with more behind them packets are made
 * equal for segmentation offload; a lone one is not padded. */
static void small_chunks_share_packets_of_one_size(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t packets;
  uint64_t batches;
  uint64_t bytes;

  world_init(&w, 2, 7);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_MS(500));
  packets = w.nodes[0].packets_out;
  batches = w.nodes[0].batches_out;
  bytes = w.nodes[0].bytes_out;
  REQUIRE(world_send(a, 200) != NULL);
  world_run(&w, HS2N_MS(1) / 2);
  CHECK_EQ(w.nodes[0].packets_out - packets, 1);
  CHECK(w.nodes[0].bytes_out - bytes < 260);

  world_run(&w, HS2N_MS(100));
  packets = w.nodes[0].packets_out;
  batches = w.nodes[0].batches_out;
  for (unsigned i = 0; i < 60; i++) {
    REQUIRE(world_send(a, 100) != NULL);
  }
  world_run(&w, HS2N_MS(1) / 2);
  CHECK(w.nodes[0].packets_out - packets <= 6); /* 60 x 106 bytes */
  CHECK_EQ(w.nodes[0].batches_out - batches, 1);
  CHECK_EQ(w.nodes[0].batches_uneven, 0);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  world_fini(&w);
}

static void chunks_of_many_parts_arrive_in_order(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 8);
  REQUIRE(world_meet(&w, &a, &b));
  a->parts = HS2NI_CHUNK_PARTS;
  a->chunk_max = 777;
  REQUIRE(world_send(a, 50000) != NULL);
  REQUIRE(world_send(a, 5) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(2)));
  world_fini(&w);
}

/* A request is answered in the packet that acknowledges it. */
static void a_reply_carries_the_ack(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t before;

  world_init(&w, 2, 9);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_MS(500));
  before = w.nodes[0].packets_out + w.nodes[1].packets_out;
  b->reply = 100;
  for (unsigned i = 0; i < 10; i++) {
    REQUIRE(world_send(a, 100) != NULL);
    world_run(&w, HS2N_MS(20));
  }
  CHECK(world_arrived(a, b) && world_arrived(b, a));
  /* Request, reply with ack, ack. */
  CHECK(w.nodes[0].packets_out + w.nodes[1].packets_out - before <= 30);
  world_fini(&w);
}

/* ---- credit ------------------------------------------------------------- */

static void a_receiver_that_gives_no_credit_gets_one_window(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t window;

  world_init(&w, 2, 10);
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

  world_init(&w, 2, 11);
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

/* ---- resets ------------------------------------------------------------- */

static void a_reset_reaches_the_receiver_and_ends_the_stream(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;

  world_init(&w, 2, 12);
  w.delay = HS2N_MS(20);
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

  world_init(&w, 2, 13);
  w.delay = HS2N_MS(20);
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

  world_init(&w, 2, 14);
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

/* ---- calls from inside upcalls ------------------------------------------ */

static void streams_may_be_opened_while_a_packet_is_filled(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 15);
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

  if (++*rounds > 200) {
    return;
  }
  c->conn->ops->conn_stats(c->conn, &stats);
  c->conn->ops->want_tx(c->conn, HS2NI_RANK_FIRST);
  if (c->in_n > 0) {
    struct world_stream *in = &c->in[0];

    c->conn->ops->credit(c->conn, in->id, (size_t)c->uncredited);
    c->uncredited = 0;
    if (*rounds == 100) {
      c->conn->ops->stream_stop(c->conn, in->id, 7);
    }
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

  world_init(&w, 2, 26);
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

  world_init(&w, 2, 27);
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

  world_init(&w, 2, 16);
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

  world_init(&w, 2, 17);
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

/* ---- datagrams ---------------------------------------------------------- */

static void datagrams_arrive_and_share_packets(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  uint64_t packets;

  world_init(&w, 2, 18);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_MS(500));
  packets = w.nodes[0].packets_out;
  a->datagrams_to_send = 50;
  a->datagram_len = 128;
  a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
  REQUIRE(world_send(a, 5000) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  CHECK_EQ(a->datagrams_sent, 50);
  CHECK_EQ(b->datagrams_received, 50);
  CHECK_EQ(b->datagram_bytes, 50 * 128);
  CHECK(w.nodes[0].packets_out - packets < 20);
  world_fini(&w);
}

static void the_largest_datagram_fits_and_a_larger_one_is_refused(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  size_t max;

  world_init(&w, 2, 19);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  max = a->conn->ops->datagram_max(a->conn);
  CHECK(max >= 1400 && max <= 1452);
  a->datagrams_to_send = 1;
  a->datagram_len = max;
  a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
  world_run(&w, HS2N_MS(50));
  CHECK_EQ(b->datagrams_received, 1);
  CHECK_EQ(b->datagram_bytes, max);
  a->datagrams_to_send = 1;
  a->datagram_len = max + 1;
  a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
  world_run(&w, HS2N_MS(50));
  CHECK_EQ(a->datagrams_refused, 1);
  CHECK_EQ(b->datagrams_received, 1);
  CHECK(!a->closed && !b->closed);
  world_fini(&w);
}

/* Datagrams are lost with their packet, and nothing else is. */
static void lost_datagrams_stay_lost(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, 20);
  REQUIRE(world_meet(&w, &a, &b));
  w.loss_ppm = 300000;
  for (unsigned i = 0; i < 100; i++) {
    a->datagrams_to_send = 1;
    a->datagram_len = 300;
    a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
    world_run(&w, HS2N_MS(50));
  }
  CHECK_EQ(a->datagrams_sent, 100);
  CHECK(b->datagrams_received > 40 && b->datagrams_received < 95);
  CHECK(!a->closed && !b->closed);
  world_fini(&w);
}

/* ---- the whole ---------------------------------------------------------- */

static uint64_t busy_run(uint64_t seed) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  world_init(&w, 2, seed);
  w.delay = HS2N_MS(10);
  w.jitter = HS2N_MS(5);
  w.loss_ppm = 20000;
  w.dup_ppm = 10000;
  if (world_meet(&w, &a, &b)) {
    for (unsigned i = 0; i < 20; i++) {
      (void)world_send(a, 1000 * i);
      (void)world_send(b, 3000 * i);
      a->datagrams_to_send = 3;
      a->datagram_len = 100;
      world_run(&w, HS2N_MS(7));
    }
    CHECK(world_exchange(&w, a, b, HS2N_S(10)));
  } else {
    CHECK(false);
  }
  world_fini(&w);
  return w.hash;
}

static void one_seed_gives_one_trace(void) {
  const uint64_t first = busy_run(31);

  CHECK(first == busy_run(31));
  CHECK(first != busy_run(32));
}

static uint64_t requests(const struct world *w) {
  return w->nodes[0].te.mem.requests + w->nodes[1].te.mem.requests;
}

/* Once its pools have grown, a connection that sends and receives takes no
 * memory any more. */
static void the_steady_state_allocates_nothing(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  struct world_stream *s;
  uint64_t before = 0;

  world_init(&w, 2, 33);
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
  RUN(two_nodes_shake_hands_and_know_each_other);
  RUN(bytes_go_both_ways_and_are_acked);
  RUN(a_stream_without_bytes_ends);
  RUN(four_mebibytes_survive_loss_doubling_and_reordering);
  RUN(cubic_transfers_too);
  RUN(hundreds_of_streams_pass_through_a_limit_of_64);
  RUN(small_chunks_share_packets_of_one_size);
  RUN(chunks_of_many_parts_arrive_in_order);
  RUN(a_reply_carries_the_ack);
  RUN(a_receiver_that_gives_no_credit_gets_one_window);
  RUN(one_stream_gets_no_more_than_its_own_window);
  RUN(a_reset_reaches_the_receiver_and_ends_the_stream);
  RUN(a_stop_makes_the_sender_reset);
  RUN(abandoned_streams_do_not_eat_the_window);
  RUN(streams_may_be_opened_while_a_packet_is_filled);
  RUN(every_call_may_be_made_while_a_packet_is_filled);
  RUN(one_connection_may_be_closed_while_another_sends);
  RUN(a_connection_may_be_closed_while_it_receives);
  RUN(a_connection_may_be_closed_while_a_packet_is_filled);
  RUN(datagrams_arrive_and_share_packets);
  RUN(the_largest_datagram_fits_and_a_larger_one_is_refused);
  RUN(lost_datagrams_stay_lost);
  RUN(one_seed_gives_one_trace);
  RUN(the_steady_state_allocates_nothing);
  return tap_done();
}
