/* Who can't be known yet: bytes in any pieces, floods, silence. */
#include "raw.h"
#include "tap.h"

static struct world w;
static struct raw r;

static void begin(uint64_t seed) {
  world_init_over(&w, 2, seed, &world_tcp);
  CHECK(world_start_all(&w));
}

static struct hs2ni_tcp *endpoint(void) {
  return hs2ni_tcp_of(w.nodes[1].link);
}

static void end(void) {
  world_fini(&w);
  CHECK_EQ(w.nodes[0].te.mem.live_bytes, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
}

static struct hs2n_addr addr_of(uint8_t net, uint8_t host) {
  return (struct hs2n_addr){
      .family = HS2N_FAMILY_IPV4, .ip = {172, 16, net, host}, .port = 4000};
}

/* A record may come in any two pieces, and byte by byte. */
static void every_split_of_the_bytes_is_the_same(void) {
  for (size_t piece = 1; piece < 40; piece++) {
    struct world_conn *a;
    struct world_conn *b;

    world_init_over(&w, 2, 900 + piece, &world_tcp);
    w.piece_max = piece;
    w.nodes[0].tx_max = 1;
    REQUIRE(world_meet(&w, &a, &b));
    REQUIRE(world_send(a, 3000) != NULL);
    REQUIRE(world_send(b, 20000) != NULL);
    CHECK(world_exchange(&w, a, b, HS2N_S(1)));
    end();
  }
}

static void a_first_flight_may_be_cut_anywhere(void) {
  static uint8_t flight[2048];

  for (size_t at = 1;; at++) {
    size_t len;

    begin(3);
    REQUIRE(raw_init(&r, &w, "test"));
    len = raw_take(&r, flight, sizeof(flight));
    if (at < len) {
      world_pipe_send(&w, r.pipe, (struct hs2n_span){flight, at});
      world_run(&w, HS2N_MS(5));
      CHECK_EQ(w.nodes[1].bytes_out, 0);
      world_pipe_send(&w, r.pipe, (struct hs2n_span){flight + at, len - at});
      raw_run(&r);
      CHECK(r.done);
      CHECK_EQ(w.nodes[1].conns_n, 1);
    }
    raw_fini(&r);
    end();
    if (at >= len) {
      return;
    }
  }
}

/* A pipe that ends in the middle of a record, or of a handshake. */
static void a_truncated_record_ends_with_its_pipe(void) {
  static const uint8_t part[] = {22, 3, 1, 1, 0, 1, 0, 0};
  const struct hs2n_addr addr = addr_of(1, 1);
  size_t pipe;

  begin(4);
  pipe = world_pipe_open(&w, 1, &addr);
  world_pipe_send(&w, pipe, (struct hs2n_span){part, sizeof(part)});
  world_run(&w, HS2N_MS(5));
  CHECK_EQ(endpoint()->half_open, 1);
  world_pipe_close(&w, pipe);
  world_run(&w, HS2N_MS(5));
  CHECK_EQ(endpoint()->half_open, 0);
  CHECK_EQ(endpoint()->conns.count, 0);
  CHECK_EQ(w.nodes[1].te.env.stats.handshakes_failed, 1);
  end();
}

static void junk_gets_an_alert_and_is_closed(void) {
  static const uint8_t http[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 10};
  const struct hs2n_addr addr = addr_of(1, 1);
  size_t pipe;

  begin(5);
  pipe = world_pipe_open(&w, 1, &addr);
  world_pipe_send(&w, pipe, (struct hs2n_span){http, sizeof(http)});
  world_run(&w, HS2N_MS(5));
  CHECK(w.pipes[pipe].heard_end);
  CHECK_EQ(w.pipes[pipe].heard_len, sizeof(alert));
  CHECK_MEM(w.pipes[pipe].heard, alert, sizeof(alert));
  CHECK_EQ(endpoint()->conns.count, 0);
  end();
}

static void who_says_nothing_is_closed_in_time(void) {
  const struct hs2n_addr addr = addr_of(1, 1);
  int64_t before;
  size_t pipe;

  begin(6);
  before = w.nodes[1].te.mem.live_bytes;
  pipe = world_pipe_open(&w, 1, &addr);
  world_run(&w, HS2N_MS(4900));
  CHECK(!w.pipes[pipe].heard_end);
  world_run(&w, HS2N_MS(200));
  CHECK(w.pipes[pipe].heard_end);
  CHECK_EQ(w.pipes[pipe].heard_len, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before);
  end();
}

/* One address gets its share, and all together no more than half_open_max. */
static void floods_are_bounded(void) {
  int64_t before;
  unsigned closed = 0;

  begin(7);
  w.nodes[1].te.env.limits.new_per_source_per_s = 1;
  w.nodes[1].te.env.limits.new_per_source_burst = 5;
  for (unsigned i = 0; i < 50; i++) {
    const struct hs2n_addr addr = addr_of(1, 1);

    (void)world_pipe_open(&w, 1, &addr);
  }
  CHECK_EQ(endpoint()->half_open, 5);
  world_run(&w, HS2N_MS(5));
  for (unsigned i = 0; i < 50; i++) {
    closed += w.pipes[i].heard_end;
  }
  CHECK_EQ(closed, 45);
  CHECK_EQ(w.nodes[1].te.env.stats.inbound_limited, 45);
  end();

  world_init_over(&w, 2, 8, &world_tcp);
  w.nodes[1].te.env.limits.half_open_max = 40;
  REQUIRE(world_start_all(&w));
  before = w.nodes[1].te.mem.live_bytes;
  for (unsigned i = 0; i < 200; i++) {
    const struct hs2n_addr addr = addr_of((uint8_t)i, 1);

    (void)world_pipe_open(&w, 1, &addr);
  }
  CHECK_EQ(endpoint()->half_open, 40);
  CHECK(w.nodes[1].te.mem.live_bytes - before <=
        (int64_t)(40 * hs2ni_tcp_half_open_footprint()));
  world_run(&w, HS2N_S(6));
  CHECK_EQ(endpoint()->half_open, 0);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, before);
  end();
}

/* Half a handshake and half a large record: the most that a stranger can
 * have us keep. */
static void what_a_stranger_takes_is_bounded(void) {
  static uint8_t flight[2048];
  static uint8_t record[16000] = {23, 3, 3, 0x40, 0};
  int64_t before;
  size_t len;

  begin(9);
  before = w.nodes[1].te.mem.most_bytes = w.nodes[1].te.mem.live_bytes;
  REQUIRE(raw_init(&r, &w, "test"));
  len = raw_take(&r, flight, sizeof(flight));
  world_pipe_send(&w, r.pipe, (struct hs2n_span){flight, len});
  world_pipe_send(&w, r.pipe, (struct hs2n_span){record, sizeof(record)});
  world_run(&w, HS2N_MS(50));
  CHECK_EQ(endpoint()->half_open, 1);
  TAP_SAY("# a stranger takes at most %lld bytes\n",
          (long long)(w.nodes[1].te.mem.most_bytes - before));
  CHECK(w.nodes[1].te.mem.most_bytes - before <=
        (int64_t)hs2ni_tcp_half_open_footprint());
  raw_fini(&r);
  end();
}

static void another_chain_is_told_so(void) {
  struct world_conn *a;

  world_init_over(&w, 2, 10, &world_tcp);
  w.nodes[1].chain = "another";
  REQUIRE(world_start_all(&w));
  a = world_dial(&w, 0, 1);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(20));
  CHECK(a->closed);
  CHECK(a->why.by_peer);
  CHECK_EQ(a->why.reason, HS2N_REASON_CHAIN_MISMATCH);
  CHECK_EQ(a->why.raw_code, 0x100 + 112);
  CHECK_EQ(endpoint()->conns.count, 0);
  CHECK_EQ(w.nodes[1].te.env.stats.handshakes_failed, 1);
  CHECK_EQ(w.nodes[1].te.env.stats.refused_chain, 1);
  end();
}

static void a_wrong_key_is_told_to_both_ends(void) {
  struct world_conn *a;

  world_init_over(&w, 3, 11, &world_tcp);
  REQUIRE(world_start_all(&w));
  a = world_dial_key(&w, 0, 1, &w.nodes[2].key);
  REQUIRE(a != NULL);
  world_run(&w, HS2N_MS(100));
  CHECK(a->closed && !a->up);
  CHECK_EQ(a->why.reason, HS2N_REASON_WRONG_KEY);
  CHECK_MEM(a->why.key.bytes, w.nodes[1].key.bytes, HS2N_KEY_LEN);
  CHECK_EQ(w.nodes[0].te.env.stats.handshakes_failed, 1);
  CHECK_EQ(w.nodes[1].te.env.stats.handshakes_failed, 1);
  CHECK_EQ(w.nodes[1].conns_n, 0); /* on_accept was not called */
  end();
}

static void a_process_that_is_gone_is_known_at_once(void) {
  struct world_conn *a;
  struct world_conn *b;

  world_init_over(&w, 2, 12, &world_tcp);
  REQUIRE(world_meet(&w, &a, &b));
  world_stop(&w, 1);
  world_run(&w, HS2N_MS(10));
  CHECK(a->closed);
  CHECK_EQ(a->why.reason, HS2N_REASON_RESET);
  CHECK(a->why.established);
  end();
}

/* What he sends comes through, but he hears nothing: his acks are missing, and
 * so are ours to him. */
static void a_way_that_is_cut_in_one_direction_ends_both_ends(void) {
  struct world_conn *a;
  struct world_conn *b;

  world_init_over(&w, 2, 13, &world_tcp);
  REQUIRE(world_meet(&w, &a, &b));
  b->datagram_len = 50;
  w.cut[0][1] = true;
  for (unsigned i = 0; i < 70; i++) {
    if (b->conn != NULL) {
      b->datagrams_to_send = 1;
      b->conn->ops->want_tx(b->conn, HS2NI_RANK_FIRST);
    }
    world_run(&w, HS2N_MS(200));
  }
  CHECK(a->closed && b->closed);
  CHECK_EQ(b->why.reason, HS2N_REASON_IDLE_TIMEOUT);
  end();
}

static void an_established_connection_keeps_to_its_footprint(void) {
  struct world_conn *a;
  struct world_conn *b;
  int64_t before[2];

  world_init_over(&w, 2, 14, &world_tcp);
  w.piece_max = 1000;
  REQUIRE(world_start_all(&w));
  for (unsigned i = 0; i < 2; i++) {
    w.nodes[i].te.mem.most_bytes = before[i] = w.nodes[i].te.mem.live_bytes;
  }
  REQUIRE(world_connect(&w, 0, 1, &a, &b));
  for (unsigned i = 0; i < 60; i++) {
    (void)world_send(a, 200000);
    (void)world_send(b, 200000);
  }
  world_run(&w, HS2N_S(1));
  for (unsigned i = 0; i < 2; i++) {
    CHECK(w.nodes[i].te.mem.most_bytes - before[i] <=
          (int64_t)hs2ni_tcp_conn_footprint(&w.nodes[i].te.env.limits));
    TAP_SAY("# a connection takes %lld bytes, %lld at most\n",
            (long long)(w.nodes[i].te.mem.live_bytes - before[i]),
            (long long)(w.nodes[i].te.mem.most_bytes - before[i]));
  }
  end();
}

int main(void) {
  RUN(every_split_of_the_bytes_is_the_same);
  RUN(a_first_flight_may_be_cut_anywhere);
  RUN(a_truncated_record_ends_with_its_pipe);
  RUN(junk_gets_an_alert_and_is_closed);
  RUN(who_says_nothing_is_closed_in_time);
  RUN(floods_are_bounded);
  RUN(what_a_stranger_takes_is_bounded);
  RUN(another_chain_is_told_so);
  RUN(a_wrong_key_is_told_to_both_ends);
  RUN(a_process_that_is_gone_is_known_at_once);
  RUN(a_way_that_is_cut_in_one_direction_ends_both_ends);
  RUN(an_established_connection_keeps_to_its_footprint);
  return tap_done();
}
