/* How sends end, and in which order messages leave. */
#include "world.h"

static void start(struct world *w, uint32_t places) {
  world_init(w, &(struct world_options){.places = places,
                                        .net = {.seed = 11, .whole = true}});
}

static struct hs2ni_target target_of(struct world *w, uint32_t to) {
  return (struct hs2ni_target){
      .chan = w->places[0].ends[to].chan, .peer = {to}, .weight = to};
}

/* Sends from place 0 to all others; weights are the numbers of the places. */
static int send_all(struct world *w, const struct hs2n_msg *msg,
                    struct hs2n_tag *out_tag) {
  struct hs2ni_target targets[WORLD_PLACES_MAX];

  for (uint32_t to = 1; to < w->n; to++) {
    targets[to - 1] = target_of(w, to);
  }
  return hs2ni_msgs_send(w->places[0].msgs, targets, w->n - 1, msg, out_tag);
}

/* The next completion of place 0; outcome 0 when there is none. */
static struct hs2n_done next_done(struct world *w) {
  struct hs2ni_event event;

  while (hs2ni_msgs_next(w->places[0].msgs, &event)) {
    if (event.kind == HS2NI_EVENT_DONE) {
      return event.done;
    }
  }
  return (struct hs2n_done){0};
}

static void check_done(struct world *w, enum hs2n_outcome outcome,
                       enum hs2n_reason reason, uint64_t weight) {
  const struct hs2n_done done = next_done(w);

  CHECK_EQ(done.outcome, outcome);
  CHECK_EQ(done.reason, reason);
  CHECK_EQ(done.acked_weight, weight);
  CHECK_EQ(next_done(w).outcome, 0);
}

static void fetch_all(struct world *w, uint32_t place,
                      enum hs2n_verdict verdict) {
  struct hs2ni_event event;

  world_settle(w);
  while (world_next(w, place, verdict, &event)) {
  }
  world_settle(w);
}

/* covers: H34 */
static void only_the_application_completes(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  world_join(&w, 0, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 1, &tag), HS2N_OK);
  world_settle(&w); /* delivered and acked by the transport */
  world_sleep(&w, HS2N_S(10));
  world_settle(&w);
  CHECK_EQ(next_done(&w).outcome, 0);
  CHECK(!hs2ni_chan_idle(w.places[0].ends[1].chan));
  fetch_all(&w, 1, HS2N_ACCEPT);
  check_done(&w, HS2N_DONE_ACKED, HS2N_REASON_NONE, 1);
  world_fini(&w);
}

static void a_quorum_completes_at_once(void) {
  const struct hs2n_msg msg = {
      .type = HS2N_LANE_PROPOSAL, .flags = HS2N_MSG_QUORUM, .quorum_weight = 4};
  struct world w;
  struct hs2n_tag tag;

  start(&w, 4);
  for (uint32_t to = 1; to < 4; to++) {
    world_join(&w, 0, to);
  }
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_OK);
  fetch_all(&w, 3, HS2N_ACCEPT);
  CHECK_EQ(next_done(&w).outcome, 0);
  fetch_all(&w, 1, HS2N_ACCEPT);
  check_done(&w, HS2N_DONE_QUORUM, HS2N_REASON_NONE, 4);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_ERR_STATE);
  CHECK_EQ(world_run(&w, 2), 1); /* the rest goes on */
  CHECK_EQ(next_done(&w).outcome, 0);
  world_fini(&w);
}

static void a_quorum_out_of_reach_fails_at_once(void) {
  const struct hs2n_msg msg = {
      .type = HS2N_LANE_PROPOSAL, .flags = HS2N_MSG_QUORUM, .quorum_weight = 4};
  struct world w;
  struct hs2n_tag tag;

  start(&w, 4);
  for (uint32_t to = 1; to < 4; to++) {
    world_join(&w, 0, to);
  }
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_OK);
  fetch_all(&w, 1, HS2N_REJECT);
  CHECK_EQ(next_done(&w).outcome, 0); /* 2 and 3 suffice */
  fetch_all(&w, 2, HS2N_REJECT);
  check_done(&w, HS2N_DONE_REFUSED, HS2N_REASON_REJECTED, 0);
  CHECK_EQ(world_run(&w, 3), 1);
  world_fini(&w);
}

static void a_deadline_ends_what_is_not_acked(void) {
  struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL, .flags = HS2N_MSG_ACK};
  struct world w;
  struct hs2n_tag tag;

  start(&w, 3);
  world_join(&w, 0, 1);
  msg.deadline = w.places[0].env.now;
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_ERR_STALE);
  msg.deadline += HS2N_MS(5);
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_deadline(w.places[0].msgs), msg.deadline);
  fetch_all(&w, 1, HS2N_ACCEPT);
  world_sleep(&w, HS2N_MS(4));
  CHECK_EQ(next_done(&w).outcome, 0);
  world_sleep(&w, HS2N_MS(1));
  check_done(&w, HS2N_DONE_EXPIRED, HS2N_REASON_NONE, 1);
  CHECK_EQ(hs2ni_msgs_deadline(w.places[0].msgs), HS2N_TIME_NEVER);
  world_join(&w, 0, 2);
  CHECK_EQ(world_run(&w, 2), 0); /* was still queued, so never leaves */
  world_fini(&w);
}

static void a_late_message_without_tag_is_dropped_when_its_turn_comes(void) {
  struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL};
  struct world w;

  start(&w, 2);
  msg.deadline = w.places[0].env.now + HS2N_MS(5);
  CHECK_EQ(send_all(&w, &msg, NULL), HS2N_OK);
  msg.deadline = 0;
  CHECK_EQ(send_all(&w, &msg, NULL), HS2N_OK);
  world_sleep(&w, HS2N_MS(5));
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 1), 1);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

static void what_is_cancelled_does_not_leave(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 1, &tag), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_ERR_STATE);
  check_done(&w, HS2N_DONE_CANCELLED, HS2N_REASON_NONE, 0);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_ERR_STATE);
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 1), 0);
  world_fini(&w);
}

static void a_peer_that_goes_ends_its_sends(void) {
  const struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL,
                               .flags = HS2N_MSG_ACK};
  struct world w;
  struct hs2n_tag tag;
  struct world_end *end = &w.places[0].ends[2];

  start(&w, 3);
  world_join(&w, 0, 1);
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_OK);
  hs2ni_chan_free(end->chan, HS2N_DONE_PEER_GONE);
  CHECK_EQ(hs2ni_chan_new(&end->chan, w.places[0].msgs, (struct hs2n_peer){2}),
           HS2N_OK);
  check_done(&w, HS2N_DONE_PEER_GONE, HS2N_REASON_NONE, 0);
  CHECK_EQ(world_run(&w, 1), 1); /* the other receiver gets it all the same */
  world_fini(&w);
}

static void calls_that_make_no_sense_are_refused(void) {
  struct hs2n_msg msg = {.type = 9};
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  CHECK_EQ(send_all(&w, &msg, NULL), HS2N_ERR_INVALID); /* undeclared */
  msg.type = HS2N_LANE_VOTE;
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_ERR_INVALID); /* tag for nothing */
  msg.flags = 1u << 31;
  CHECK_EQ(send_all(&w, &msg, NULL), HS2N_ERR_INVALID);
  msg.flags = HS2N_MSG_QUORUM;
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_ERR_INVALID); /* of weight 0 */
  msg.quorum_weight = 2;
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_ERR_INVALID); /* all have 1 */
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, NULL, 0, &msg, NULL),
           HS2N_ERR_INVALID);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 1025, 1, NULL),
           HS2N_ERR_TOO_BIG);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 7), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 7), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 6), HS2N_ERR_STALE);
  msg = (struct hs2n_msg){
      .type = HS2N_LANE_VOTE, .flags = HS2N_MSG_VIEW_BOUND, .view = 6};
  CHECK_EQ(send_all(&w, &msg, NULL), HS2N_ERR_STALE);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, (struct hs2n_tag){0}),
           HS2N_ERR_STATE);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

static void what_the_peer_cannot_take_is_refused_here(void) {
  struct hs2ni_hello hello = {.incarnation = 77};
  struct hs2ni_conn *conn;
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  hello.types[0] = (struct hs2ni_hello_type){
      .id = HS2N_LANE_VOTE, .lane = HS2N_LANE_VOTE, .size_max = 10};
  hello.types_n = 1;
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 11, 1, &tag), HS2N_OK);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_CERT, 1, 1, &tag), HS2N_OK);
  world_join(&w, 0, 1);
  conn = w.places[0].ends[1].conn;
  hs2ni_chan_detach(w.places[0].ends[1].chan);
  hs2ni_chan_attach(w.places[0].ends[1].chan, conn, &hello);
  CHECK_EQ(world_run(&w, 1), 0);
  CHECK_EQ(w.places[0].env.stats.completions, 2);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

static void full_is_followed_by_writable_once(void) {
  struct world w;
  struct hs2ni_event event;
  size_t sent = 0, writable = 0;

  start(&w, 2);
  while (world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 1, NULL) == HS2N_OK) {
    sent++;
  }
  CHECK_EQ(sent, w.places[0].env.limits.tx_queue_msgs_max);
  CHECK_EQ(w.places[0].env.stats.tx_full, 1);
  /* Other lanes have room of their own. */
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_CONTROL, 10, 1, NULL), HS2N_OK);
  CHECK(!hs2ni_msgs_next(w.places[0].msgs, &event));
  world_join(&w, 0, 1);
  world_settle(&w);
  CHECK(!hs2ni_msgs_next(w.places[0].msgs, &event));
  fetch_all(&w, 1, HS2N_ACCEPT);
  while (hs2ni_msgs_next(w.places[0].msgs, &event)) {
    writable += event.kind == HS2NI_EVENT_WRITABLE;
  }
  CHECK_EQ(writable, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 1, NULL), HS2N_OK);
  world_fini(&w);
}

/* covers: H19 */
static void higher_lanes_overtake_a_full_lower_one(void) {
  struct world w;
  struct hs2ni_chan *chan;
  struct hs2ni_chunk chunk;

  start(&w, 2);
  world_join(&w, 0, 1);
  chan = w.places[0].ends[1].chan;
  while (world_send(&w, 0, 1, HS2N_LANE_BULK, 60000, 1, NULL) == HS2N_OK) {
  }
  CHECK(hs2ni_chan_next(chan, &chunk));
  CHECK_EQ(chunk.stream, chan->tx[HS2N_LANE_BULK].stream);
  hs2ni_chan_sent(chan, chunk.stream, 1000, false); /* in the middle of it */
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 100, 1, NULL), HS2N_OK);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_CONTROL, 100, 1, NULL), HS2N_OK);
  CHECK(hs2ni_chan_next(chan, &chunk));
  CHECK_EQ(chunk.stream, chan->tx[HS2N_LANE_CONTROL].stream);
  hs2ni_chan_detach(chan);
  w.places[0].ends[1].conn->ops->conn_close(w.places[0].ends[1].conn, 0);
  w.places[0].ends[1].conn = NULL;
  world_settle(&w);
  world_fini(&w);
}

static void a_new_view_ends_what_belongs_to_the_old_one(void) {
  struct hs2n_msg msg = {.type = HS2N_LANE_BULK,
                         .flags = HS2N_MSG_VIEW_BOUND | HS2N_MSG_ACK,
                         .view = 1};
  struct world w;
  struct hs2n_tag tags[2];

  start(&w, 2);
  world_join(&w, 0, 1);
  msg.body = world_body(&w, 0, 300000, 1);
  CHECK_EQ(send_all(&w, &msg, &tags[0]), HS2N_OK); /* will be begun */
  CHECK_EQ(send_all(&w, &msg, &tags[1]), HS2N_OK); /* still queued */
  hs2n_buf_unref(msg.body);
  for (int i = 0; i < 10; i++) {
    world_step(&w);
  }
  CHECK_EQ(w.places[0].ends[1].chan->tx[HS2N_LANE_BULK].bodies.count, 1);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 2), HS2N_OK);
  CHECK_EQ(next_done(&w).outcome, HS2N_DONE_CANCELLED);
  check_done(&w, HS2N_DONE_CANCELLED, HS2N_REASON_NONE, 0);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_BULK, 5, 1, NULL), HS2N_OK);
  CHECK_EQ(world_run(&w, 1), 1); /* the rest is not held up */
  CHECK(memnet_bytes(w.net) < 200000);
  CHECK_EQ(w.places[0].ends[1].chan->tx[HS2N_LANE_BULK].bodies.count, 0);
  CHECK_EQ(w.places[0].ends[1].chan->charged_bytes, 0);
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
}

static void a_stale_message_is_acked_without_the_application(void) {
  const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                               .flags = HS2N_MSG_VIEW_BOUND | HS2N_MSG_ACK,
                               .view = 1};
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  world_join(&w, 0, 1);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  CHECK_EQ(send_all(&w, &msg, &tag), HS2N_OK);
  world_settle(&w);
  CHECK_EQ(world_run(&w, 1), 0);
  CHECK_EQ(w.places[1].env.stats.messages_received, 0);
  CHECK_EQ(w.places[0].env.stats.completions, 1);
  world_fini(&w);
}

/* covers: H37 */
static void busy_repeats_from_there_in_order(void) {
  struct world w;
  struct hs2ni_event event;

  start(&w, 2);
  world_join(&w, 0, 1);
  for (uint8_t i = 1; i <= 5; i++) {
    CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, i, NULL), HS2N_OK);
  }
  world_settle(&w);
  CHECK(world_next(&w, 1, HS2N_ACCEPT, &event));
  CHECK(world_next(&w, 1, HS2N_BUSY, &event));
  CHECK_EQ(event.id.seq, 2);
  CHECK(!world_next(&w, 1, HS2N_ACCEPT, &event));
  world_settle(&w);
  CHECK(!world_next(&w, 1, HS2N_ACCEPT, &event)); /* not before the pause */
  world_sleep(&w, HS2N_MS(w.places[0].env.limits.busy_pause_ms));
  for (uint64_t seq = 2; seq <= 5; seq++) {
    world_settle(&w);
    CHECK(world_next(&w, 1, HS2N_ACCEPT, &event));
    CHECK_EQ(event.id.seq, seq);
  }
  world_settle(&w);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

/* The receiver's process ends after it took the message and before its ack
 * arrived: the new process, which knows nothing, gets it. */
/* covers: X22 */
static void a_restarted_receiver_gets_what_was_not_acked(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, 2);
  world_join(&w, 0, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 1, &tag), HS2N_OK);
  CHECK_EQ(world_run(&w, 1), 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 2, &tag), HS2N_OK);
  world_settle(&w);
  CHECK(world_next(&w, 1, HS2N_ACCEPT, &(struct hs2ni_event){0}));
  world_restart(&w, 1);
  world_settle(&w);
  CHECK_EQ(w.places[0].env.stats.completions, 1);
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 1), 1);
  CHECK_EQ(w.places[0].env.stats.completions, 2);
  CHECK_EQ(w.places[0].env.stats.messages_resent, 1);
  /* A sender that starts again is not taken for its former self. */
  world_restart(&w, 0);
  world_settle(&w);
  world_join(&w, 0, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 10, 3, &tag), HS2N_OK);
  CHECK_EQ(world_run(&w, 1), 1);
  world_fini(&w);
}

/* One peer that floods does not keep the others of its lane waiting. */
static void peers_of_a_lane_take_turns(void) {
  struct world w;
  struct hs2ni_event event;
  size_t before = 0;

  start(&w, 3);
  world_join(&w, 0, 1);
  world_join(&w, 0, 2);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(world_send(&w, 1, 0, HS2N_LANE_VOTE, 10, 1, NULL), HS2N_OK);
  }
  world_settle(&w);
  CHECK_EQ(world_send(&w, 2, 0, HS2N_LANE_VOTE, 10, 1, NULL), HS2N_OK);
  world_settle(&w);
  while (world_next(&w, 0, HS2N_ACCEPT, &event) && event.peer.v != 2) {
    before++;
  }
  CHECK(before <= 1);
  CHECK_EQ(world_run(&w, 0), 100 - before);
  world_fini(&w);
}

int main(void) {
  RUN(only_the_application_completes);
  RUN(a_quorum_completes_at_once);
  RUN(a_quorum_out_of_reach_fails_at_once);
  RUN(a_deadline_ends_what_is_not_acked);
  RUN(a_late_message_without_tag_is_dropped_when_its_turn_comes);
  RUN(what_is_cancelled_does_not_leave);
  RUN(a_peer_that_goes_ends_its_sends);
  RUN(calls_that_make_no_sense_are_refused);
  RUN(what_the_peer_cannot_take_is_refused_here);
  RUN(full_is_followed_by_writable_once);
  RUN(higher_lanes_overtake_a_full_lower_one);
  RUN(a_new_view_ends_what_belongs_to_the_old_one);
  RUN(a_stale_message_is_acked_without_the_application);
  RUN(busy_repeats_from_there_in_order);
  RUN(a_restarted_receiver_gets_what_was_not_acked);
  RUN(peers_of_a_lane_take_turns);
  return tap_done();
}
