/* What a peer that says BUSY has us send again, how much and how often. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#define ACKS_STREAM 7
#define LANE HS2N_LANE_VOTE
#define LEN 900

static void start(struct raw *r, const struct hs2n_limits *limits) {
  raw_init(r, limits);
  r->datagram_max = 1200;
  r->rtt = HS2N_MS(1);
  raw_attach(r, 5);
}

static void queue(struct raw *r, size_t n, uint32_t flags,
                  struct hs2n_tag *tags) {
  const struct hs2ni_target target = {
      .chan = r->chan, .peer = {1}, .weight = 1};
  struct hs2n_msg msg = {.type = LANE, .flags = flags};
  uint8_t *data;

  REQUIRE(hs2n_buf_alloc(&msg.body, &r->mem.mem, LEN, &data) == HS2N_OK);
  memset(data, 'b', LEN);
  msg.flags |= tags != NULL ? HS2N_MSG_ACK : 0;
  for (size_t i = 0; i < n; i++) {
    CHECK_EQ(hs2ni_msgs_send(r->msgs, &target, 1, &msg,
                             tags == NULL ? NULL : &tags[i]),
             HS2N_OK);
  }
  hs2n_buf_unref(msg.body);
}

/* Messages that the channel writes now. */
static size_t drain(struct raw *r) {
  struct hs2ni_chunk chunk;
  size_t n = 0;

  while (hs2ni_chan_next(r->chan, &chunk)) {
    size_t len = 0;

    for (size_t i = 0; i < chunk.parts_n; i++) {
      n += chunk.parts[i].len == LEN;
      len += chunk.parts[i].len;
    }
    hs2ni_chan_sent(r->chan, chunk.stream, len, chunk.fin);
  }
  return n;
}

/* The same; they come to the peer's transport. */
static size_t drain_to_peer(struct raw *r) {
  const size_t n = drain(r);

  hs2ni_chan_acked(r->chan, r->chan->tx[LANE].stream, r->chan->tx[LANE].offset);
  return n;
}

static void answer(struct raw *r, const struct hs2ni_record *record) {
  struct bytes b = {0};

  if (!r->chan->rx.has_acks_stream) {
    bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  }
  bytes_record(&b, record);
  CHECK_EQ(raw_data(r, ACKS_STREAM, &b, false), HS2N_REASON_NONE);
}

static void busy(struct raw *r, uint64_t seq, bool unordered) {
  answer(r, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                   .lane = LANE,
                                   .unordered = unordered,
                                   .seq = seq,
                                   .code = HS2N_REASON_APP_BUSY});
}

static void take(struct raw *r, uint64_t seq, bool unordered) {
  answer(r, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK,
                                   .lane = LANE,
                                   .unordered = unordered,
                                   .seq = seq});
}

/* Goes on to when the layer does something next; returns how long that is. */
static hs2n_time wait_next(struct raw *r) {
  const hs2n_time at = hs2ni_msgs_deadline(r->msgs);
  const hs2n_time ns = at - r->env.now;

  CHECK(at != HS2N_TIME_NEVER && at >= r->env.now);
  r->env.now = at;
  hs2ni_msgs_tick(r->msgs);
  return ns;
}

/* ---- pauses ----------------------------------------------------------------
 */

static void check_pause(hs2n_time pause, hs2n_time most) {
  CHECK(pause <= most);
  CHECK(pause >= most - most / 4);
}

static void pauses_double_up_to_a_bound_and_differ(void) {
  hs2n_time most = HS2N_MS(20), last = 0;
  size_t same = 0;
  struct raw r;

  start(&r, NULL);
  queue(&r, 1, 0, NULL);
  CHECK_EQ(drain(&r), 1);
  busy(&r, 1, false);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  for (size_t i = 0; i < 40; i++) {
    hs2n_time pause;

    CHECK_EQ(drain(&r), 1);
    busy(&r, 1, false);
    pause = wait_next(&r);
    check_pause(pause, most);
    same += pause == last;
    last = pause;
    most = most * 2 < HS2N_S(1) ? most * 2 : HS2N_S(1);
  }
  CHECK(same < 3);
  raw_fini(&r);
}

static void a_bound_below_the_first_pause_is_none(void) {
  struct hs2n_limits limits;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.busy_pause_ms = 100;
  limits.busy_pause_max_ms = 50;
  start(&r, &limits);
  queue(&r, 1, 0, NULL);
  for (size_t i = 0; i < 5; i++) {
    CHECK_EQ(drain(&r), 1);
    busy(&r, 1, false);
    CHECK_EQ(wait_next(&r), HS2N_MS(100));
  }
  raw_fini(&r);
}

static void what_is_taken_makes_the_pause_short_again(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 2, 0, NULL);
  CHECK_EQ(drain(&r), 2);
  for (size_t i = 0; i < 8; i++) {
    busy(&r, 1, false);
    (void)wait_next(&r);
    CHECK_EQ(drain(&r), 1);
  }
  take(&r, 1, false);
  CHECK_EQ(drain(&r), 1); /* at once */
  busy(&r, 2, false);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  raw_fini(&r);
}

/* Its verdict of one message comes while those behind wait. */
static void what_is_taken_in_a_pause_cuts_it(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 2, 0, NULL);
  CHECK_EQ(drain(&r), 2);
  for (size_t i = 0; i < 8; i++) {
    busy(&r, 2, false);
    CHECK_EQ(i == 7 || wait_next(&r) > 0, true);
    CHECK_EQ(drain(&r), i < 7);
  }
  CHECK(hs2ni_msgs_deadline(r.msgs) - r.env.now > HS2N_MS(500));
  take(&r, 1, false);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  CHECK_EQ(drain(&r), 1);
  raw_fini(&r);
}

static void another_connection_begins_anew(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 100, 0, NULL);
  CHECK_EQ(drain(&r), 100);
  for (size_t i = 0; i < 8; i++) {
    busy(&r, 1, false);
    (void)wait_next(&r);
    CHECK_EQ(drain(&r), 1);
  }
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 6);
  CHECK_EQ(drain(&r), 100);
  busy(&r, 1, false);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  raw_fini(&r);
}

/* ---- how much --------------------------------------------------------------
 */

static void who_is_always_busy_gets_little_and_ever_less_often(void) {
  size_t n = 0;
  int64_t bytes;
  hs2n_time end;
  struct raw r;

  start(&r, NULL);
  queue(&r, 1000, 0, NULL);
  CHECK_EQ(drain(&r), 1000);
  bytes = r.mem.live_bytes;
  end = r.env.now + HS2N_S(600);
  while (r.env.now < end) {
    busy(&r, 1, false);
    (void)wait_next(&r);
    n += drain(&r);
  }
  CHECK(n >= 600);
  CHECK(n < 820);
  /* Its transport acknowledges nothing either. */
  CHECK(r.chan->tx[LANE].frames.count <=
        2 * (size_t)r.env.limits.tx_queue_msgs_max);
  CHECK(r.mem.live_bytes <= bytes + 1024 * 256);
  raw_fini(&r);
}

/* Whatever it says, what goes in vain is two for each that it takes, and one a
 * pause. */
static void who_takes_one_and_refuses_the_rest_gets_few_more(void) {
  size_t sent, taken = 0, pauses = 0;
  struct raw r;

  start(&r, NULL);
  queue(&r, 1000, 0, NULL);
  sent = drain(&r);
  while (taken < 500) {
    take(&r, ++taken, false);
    sent += drain(&r);
    busy(&r, taken + 1, false);
    (void)wait_next(&r);
    pauses++;
    sent += drain_to_peer(&r);
  }
  CHECK(sent <= 1000 + taken + 2 * taken + pauses);
  raw_fini(&r);
}

/* The pipe is full again at once. */
static void who_took_much_gets_as_much_after_a_busy(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 600, 0, NULL);
  CHECK_EQ(drain(&r), 600);
  take(&r, 200, false);
  busy(&r, 201, false);
  (void)wait_next(&r);
  CHECK_EQ(drain(&r), 201);
  take(&r, 300, false);
  CHECK_EQ(drain(&r), 199);
  take(&r, 600, false);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void all_that_it_may_send_goes_when_a_queue_was_taken(void) {
  struct hs2n_limits limits;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 16;
  start(&r, &limits);
  queue(&r, 16, 0, NULL);
  CHECK_EQ(drain_to_peer(&r), 16);
  busy(&r, 1, false);
  (void)wait_next(&r);
  for (uint64_t seq = 1; seq <= 16; seq++) {
    (void)drain_to_peer(&r);
    take(&r, seq, false);
  }
  CHECK(!r.chan->tx[LANE].busy.wary);
  queue(&r, 16, 0, NULL);
  CHECK_EQ(drain(&r), 16);
  raw_fini(&r);
}

/* The one that the peer was to show its mind by may end without an answer. */
static void what_ends_makes_room_for_the_next(void) {
  struct hs2n_tag tags[3];
  struct raw r;

  start(&r, NULL);
  queue(&r, 3, 0, tags);
  CHECK_EQ(drain(&r), 3);
  busy(&r, 1, false);
  (void)wait_next(&r);
  CHECK_EQ(drain(&r), 1);
  CHECK_EQ(drain(&r), 0);
  r.wants = 0;
  CHECK_EQ(hs2ni_msgs_cancel(r.msgs, tags[0]), HS2N_OK);
  CHECK(r.wants > 0);
  CHECK_EQ(drain(&r), 1);
  answer(&r, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                    .lane = LANE,
                                    .seq = 2,
                                    .code = HS2N_REASON_REJECTED});
  CHECK_EQ(drain(&r), 1);
  raw_fini(&r);
}

/* ---- messages without order ------------------------------------------------
 */

static void votes_in_datagrams_come_again_ever_less_often(void) {
  const hs2n_time begin = HS2N_S(1);
  size_t n = 0;
  struct raw r;

  start(&r, NULL);
  queue(&r, 100, HS2N_MSG_DATAGRAM_OK, NULL);
  CHECK_EQ(drain(&r), 100);
  while (r.env.now < begin + HS2N_S(60)) {
    for (uint64_t seq = 1; seq <= 100; seq++) {
      busy(&r, seq, true);
    }
    (void)wait_next(&r);
    n += drain_to_peer(&r);
  }
  CHECK(n >= 8 * 60);
  CHECK(n < 8 * 95);
  raw_fini(&r);
}

static void a_vote_that_is_taken_has_the_others_come_soon(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 3, HS2N_MSG_DATAGRAM_OK, NULL);
  CHECK_EQ(drain(&r), 3);
  for (size_t i = 0; i < 8; i++) {
    busy(&r, 2, true);
    busy(&r, 3, true);
    busy(&r, 1, true);
    CHECK_EQ(drain(&r), 0);
    (void)wait_next(&r);
    CHECK_EQ(drain(&r), 3);
  }
  busy(&r, 2, true);
  CHECK(hs2ni_msgs_deadline(r.msgs) - r.env.now > HS2N_MS(500));
  take(&r, 1, true);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  CHECK_EQ(drain(&r), 1);
  busy(&r, 2, true);
  CHECK_EQ(wait_next(&r), HS2N_MS(10));
  CHECK_EQ(drain(&r), 1);
  raw_fini(&r);
}

/* A copy that is late for another reason does not wait for those. */
static void a_refused_vote_holds_up_no_copy(void) {
  struct raw r;

  start(&r, NULL);
  queue(&r, 1, HS2N_MSG_DATAGRAM_OK, NULL);
  CHECK_EQ(drain(&r), 1);
  for (size_t i = 0; i < 8; i++) {
    busy(&r, 1, true);
    (void)wait_next(&r);
    CHECK_EQ(drain(&r), 1);
  }
  busy(&r, 1, true);
  queue(&r, 1, HS2N_MSG_DATAGRAM_OK, NULL);
  CHECK_EQ(drain(&r), 1);
  CHECK(wait_next(&r) < HS2N_MS(3));
  CHECK_EQ(drain(&r), 1);
  raw_fini(&r);
}

/* ---- batches ---------------------------------------------------------------
 */

static void a_busy_peer_has_nothing_compressed_again(void) {
  struct world w;
  struct hs2ni_event event;

  world_init(&w, &(struct world_options){.net = {.seed = 1, .whole = true},
                                         .types = world_packed_types});
  world_join(&w, 0, 1);
  for (uint8_t i = 0; i < 100; i++) {
    CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_PROPOSAL, 256, i, NULL), HS2N_OK);
  }
  for (size_t i = 0; i < 20; i++) {
    world_settle(&w);
    CHECK(world_next(&w, 1, HS2N_BUSY, &event));
    CHECK_EQ(event.id.seq, 1);
    world_settle(&w);
    world_sleep(&w, HS2N_S(1));
  }
  CHECK_EQ(w.places[0].env.stats.batches_compressed, 1);
  for (uint64_t seq = 1; seq <= 100; seq++) {
    world_settle(&w);
    REQUIRE(world_next(&w, 1, HS2N_ACCEPT, &event));
    CHECK_EQ(event.id.seq, seq);
  }
  world_settle(&w);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
}

int main(void) {
  RUN(pauses_double_up_to_a_bound_and_differ);
  RUN(a_bound_below_the_first_pause_is_none);
  RUN(what_is_taken_makes_the_pause_short_again);
  RUN(what_is_taken_in_a_pause_cuts_it);
  RUN(another_connection_begins_anew);
  RUN(who_is_always_busy_gets_little_and_ever_less_often);
  RUN(who_takes_one_and_refuses_the_rest_gets_few_more);
  RUN(who_took_much_gets_as_much_after_a_busy);
  RUN(all_that_it_may_send_goes_when_a_queue_was_taken);
  RUN(what_ends_makes_room_for_the_next);
  RUN(votes_in_datagrams_come_again_ever_less_often);
  RUN(a_vote_that_is_taken_has_the_others_come_soon);
  RUN(a_refused_vote_holds_up_no_copy);
  RUN(a_busy_peer_has_nothing_compressed_again);
  return tap_done();
}
