/* Connections that work: handshakes, streams, datagrams, flow control. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

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

/* ---- resets ------------------------------------------------------------- */

/* ---- calls from inside upcalls ------------------------------------------ */

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

int main(void) {
  RUN(four_mebibytes_survive_loss_doubling_and_reordering);
  RUN(cubic_transfers_too);
  RUN(small_chunks_share_packets_of_one_size);
  RUN(a_reply_carries_the_ack);
  RUN(datagrams_arrive_and_share_packets);
  RUN(the_largest_datagram_fits_and_a_larger_one_is_refused);
  RUN(lost_datagrams_stay_lost);
  RUN(one_seed_gives_one_trace);
  return tap_done();
}
