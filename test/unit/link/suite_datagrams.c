/* Datagrams: they may get lost, but never in part. */
#include "suite.h"

static void datagrams_arrive_beside_streams(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;

  suite_begin(&w, 2, 18);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_MS(500));
  a->datagrams_to_send = 50;
  a->datagram_len = 128;
  a->conn->ops->want_tx(a->conn, HS2NI_RANK_FIRST);
  REQUIRE(world_send(a, 5000) != NULL);
  CHECK(world_exchange(&w, a, b, HS2N_S(1)));
  CHECK_EQ(a->datagrams_sent, 50);
  CHECK_EQ(b->datagrams_received, 50);
  CHECK_EQ(b->datagram_bytes, 50 * 128);
  world_fini(&w);
}

static void the_largest_datagram_fits_and_a_larger_one_is_refused(void) {
  static struct world w;
  struct world_conn *a;
  struct world_conn *b;
  size_t max;

  suite_begin(&w, 2, 19);
  REQUIRE(world_meet(&w, &a, &b));
  world_run(&w, HS2N_S(1));
  max = a->conn->ops->datagram_max(a->conn);
  CHECK(max >= 1100 && max <= 1452);
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

int main(void) {
  RUN(datagrams_arrive_beside_streams);
  RUN(the_largest_datagram_fits_and_a_larger_one_is_refused);
  return tap_done();
}
