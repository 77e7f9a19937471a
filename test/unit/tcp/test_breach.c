/* Peers that break the rules of frames: each with its code, and no harm. */
#include "raw.h"
#include "tap.h"

static struct world w;
static struct raw r;

static bool meet(void) {
  world_init_over(&w, 2, 77, &world_tcp);
  return world_start_all(&w) && raw_meet(&r, &w);
}

static void part(void) {
  raw_fini(&r);
  world_fini(&w);
  CHECK_EQ(w.nodes[1].te.mem.live_bytes, 0);
  CHECK_EQ(r.te.mem.live_bytes, 0);
}

static struct world_conn *server(void) {
  return w.nodes[1].conns[0];
}

static void check_refused(uint64_t code) {
  raw_run(&r);
  CHECK(r.closed);
  CHECK(!r.close.fin);
  CHECK_EQ(r.close.code, code);
  CHECK(server()->closed);
  CHECK_EQ(server()->why.reason, HS2N_REASON_TRANSPORT);
  CHECK_EQ(server()->why.raw_code, code);
  CHECK(!server()->why.by_peer);
  CHECK_EQ(w.nodes[1].te.env.stats.protocol_errors, 1);
  CHECK(w.pipes[r.pipe].heard_end);
  part();
}

/* One frame is refused with code. */
static void refuse(const struct hs2ni_tcp_frame *frame, uint64_t code) {
  REQUIRE(meet());
  raw_frame(&r, frame);
  check_refused(code);
}

static void refuse_bytes(const uint8_t *bytes, size_t len, uint64_t code) {
  REQUIRE(meet());
  raw_say(&r, (struct hs2n_span){bytes, len});
  check_refused(code);
}

static void streams_that_can_not_be_are_refused(void) {
  const uint64_t bad[] = {0, 1, 3, 4}; /* bidirectional, or the server's */

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_STREAM,
                                     .stream = bad[i],
                                     .bytes = {NULL, 5}},
           0x05);
  }
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_STREAM,
                                   .stream = 2 + 4 * HS2NI_TCP_STREAMS_MAX},
         0x04);
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_RESET_STREAM,
                                   .stream = HS2NI_TCP_VARINT_MAX - 1},
         0x04);
}

static void gaps_and_repetitions_are_refused(void) {
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_STREAM,
                                   .stream = 2,
                                   .offset = 1,
                                   .bytes = {NULL, 5}},
         0x0a);
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_RESET_STREAM,
                                   .stream = 2,
                                   .offset = 1},
         0x06);
}

static void what_is_over_stays_over(void) {
  const struct hs2ni_tcp_frame end = {
      .kind = HS2NI_TCP_STREAM, .stream = 2, .fin = true};

  REQUIRE(meet());
  raw_frame(&r, &end);
  raw_frame(&r, &end);
  check_refused(0x05);
  REQUIRE(meet());
  raw_frame(&r, &end);
  raw_run(&r); /* forgotten there */
  raw_frame(&r, &end);
  check_refused(0x05);
}

/* Limits that the peer was told of hold, to the byte. */
static void more_than_the_window_is_refused(void) {
  REQUIRE(meet());
  w.nodes[1].no_credit = true;
  for (uint64_t at = 0; at < w.nodes[1].te.env.limits.rx_stream_window_bytes;
       at += 1024) {
    raw_frame(&r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_STREAM,
                                            .stream = 2,
                                            .offset = at,
                                            .bytes = {NULL, 1024}});
  }
  raw_run(&r);
  REQUIRE(!server()->closed);
  raw_frame(&r, &(struct hs2ni_tcp_frame){
                    .kind = HS2NI_TCP_STREAM,
                    .stream = 2,
                    .offset = w.nodes[1].te.env.limits.rx_stream_window_bytes,
                    .bytes = {NULL, 1}});
  check_refused(0x03);
}

static void words_about_no_stream_of_ours_are_refused(void) {
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_STOP_SENDING, .stream = 3},
         0x05);
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_MAX_STREAM_DATA,
                                   .stream = 3,
                                   .offset = 9},
         0x05);
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_HELD, .stream = 3}, 0x05);
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_HELD, .stream = 2}, 0x05);
}

/* Bytes that were not sent can't be held, nor less than was. */
static void false_acks_are_refused(void) {
  static const struct hs2ni_tcp_frame lies[] = {
      {.kind = HS2NI_TCP_HELD, .stream = 3, .offset = 101},
      {.kind = HS2NI_TCP_HELD, .stream = 3, .offset = 0},
      {.kind = HS2NI_TCP_HELD, .stream = 3, .offset = 99, .fin = true},
      {.kind = HS2NI_TCP_HELD, .stream = 3, .offset = 101, .fin = true},
  };

  for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
    REQUIRE(meet());
    REQUIRE(world_send(server(), 100) != NULL);
    raw_run(&r);
    raw_frame(&r, &lies[i]);
    check_refused(0x0a);
  }
}

/* Acked, and not at its end: it has none yet. */
static void an_end_that_was_not_sent_is_not_held(void) {
  REQUIRE(meet());
  server()->keep_open = true;
  REQUIRE(world_send(server(), 100) != NULL);
  raw_run(&r);
  raw_frame(
      &r, &(struct hs2ni_tcp_frame){
              .kind = HS2NI_TCP_HELD, .stream = 3, .offset = 100, .fin = true});
  check_refused(0x0a);
}

static void answers_to_no_question_are_refused(void) {
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PONG, .code = 1}, 0x0a);
}

static void parameters_come_once_and_first(void) {
  const struct hs2ni_tcp_frame params = {.kind = HS2NI_TCP_PARAMS,
                                         .params = {.max_data = 1u << 20,
                                                    .max_stream_data = 1u << 20,
                                                    .max_streams = 64}};

  refuse(&params, 0x0a);
  world_init_over(&w, 2, 77, &world_tcp);
  REQUIRE(world_start_all(&w) && raw_init(&r, &w, "test"));
  raw_run(&r);
  REQUIRE(r.done);
  raw_frame(&r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PING});
  check_refused(0x0a);
}

static void records_without_frames_are_refused(void) {
  static const uint8_t junk[] = {0xee, 1, 2};
  static const uint8_t cut[] = {0x0a, 2, 9, 1};

  refuse_bytes(junk, 0, 0x0a);
  refuse_bytes(junk, sizeof(junk), 0x07);
  refuse_bytes(cut, sizeof(cut), 0x07); /* goes on in the next record? no */
}

static void a_datagram_above_our_limit_is_refused(void) {
  refuse(&(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_DATAGRAM,
                                   .bytes = {NULL, HS2NI_TCP_DATAGRAM_MAX + 1}},
         0x0a);
}

/* A peer may ask for answers as often as it likes: it gets one for what came
 * together, and no memory goes. */
static void a_flood_of_pings_costs_nothing(void) {
  uint64_t before;
  uint64_t bytes;

  REQUIRE(meet());
  before = w.nodes[1].te.mem.requests;
  bytes = w.nodes[1].bytes_out;
  for (unsigned i = 0; i < 3000; i++) {
    raw_frame(&r, &(struct hs2ni_tcp_frame){.kind = HS2NI_TCP_PING, .code = i});
  }
  raw_run(&r);
  CHECK(!server()->closed);
  CHECK(w.nodes[1].te.mem.requests - before < 8); /* parts of a record */
  CHECK(w.nodes[1].bytes_out - bytes < 3000 * 39);
  part();
}

/* Random frames: the node lives, and either the connection does or its end is
 * told in order. */
static void random_frames_do_no_harm(void) {
  for (uint64_t seed = 1; seed <= 300; seed++) {
    struct hs2ni_rng rng;

    hs2ni_rng_seed(&rng, seed);
    REQUIRE(meet());
    (void)world_send(server(), hs2ni_rng_below(&rng, 5000));
    for (unsigned i = 0; i < 40 && !server()->closed; i++) {
      const struct hs2ni_tcp_frame f = {
          .kind = (enum hs2ni_tcp_frame_kind)(
              1 + hs2ni_rng_below(&rng, HS2NI_TCP_HELD)),
          .stream = hs2ni_rng_below(&rng, 16),
          .offset = hs2ni_rng_below(&rng, 3) * 100,
          .code = hs2ni_rng_below(&rng, 3),
          .fin = hs2ni_rng_below(&rng, 4) == 0,
          .bytes = {NULL, (size_t)hs2ni_rng_below(&rng, 300)},
      };

      raw_frame(&r, &f);
      if (hs2ni_rng_below(&rng, 4) == 0) {
        raw_run(&r);
      }
    }
    raw_run(&r);
    CHECK(!server()->closed || r.closed);
    part();
  }
}

int main(void) {
  RUN(streams_that_can_not_be_are_refused);
  RUN(gaps_and_repetitions_are_refused);
  RUN(what_is_over_stays_over);
  RUN(more_than_the_window_is_refused);
  RUN(words_about_no_stream_of_ours_are_refused);
  RUN(false_acks_are_refused);
  RUN(an_end_that_was_not_sent_is_not_held);
  RUN(answers_to_no_question_are_refused);
  RUN(parameters_come_once_and_first);
  RUN(records_without_frames_are_refused);
  RUN(a_datagram_above_our_limit_is_refused);
  RUN(a_flood_of_pings_costs_nothing);
  RUN(random_frames_do_no_harm);
  return tap_done();
}
