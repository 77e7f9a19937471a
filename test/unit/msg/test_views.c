/* What a newer view, a newer message of the same key and a reached quorum do
 * to messages: queued, half sent, half received. */
#include "world.h"

enum { BIG = 1 << 20 };

static void start(struct world *w, uint64_t cwnd_bytes) {
  world_init(w,
             &(struct world_options){
                 .net = {.seed = 5, .whole = true, .cwnd_bytes = cwnd_bytes}});
}

static int send(struct world *w, struct hs2n_msg msg, size_t len,
                struct hs2n_tag *out_tag) {
  const struct hs2ni_target target = {
      .chan = w->places[0].ends[1].chan, .peer = {1}, .weight = 1};
  int err;

  msg.body = world_body(w, 0, len, (uint8_t)msg.view);
  msg.flags |= out_tag != NULL ? HS2N_MSG_ACK : 0;
  err = hs2ni_msgs_send(w->places[0].msgs, &target, 1, &msg, out_tag);
  hs2n_buf_unref(msg.body);
  return err;
}

static struct hs2n_msg timeout(uint64_t view) {
  return (struct hs2n_msg){.type = HS2N_LANE_CONTROL,
                           .flags = HS2N_MSG_SUPERSEDE,
                           .view = view,
                           .key = 7};
}

static struct hs2n_msg proposal(uint64_t view) {
  return (struct hs2n_msg){
      .type = HS2N_LANE_PROPOSAL, .flags = HS2N_MSG_VIEW_BOUND, .view = view};
}

static enum hs2n_outcome next_outcome(struct world *w) {
  struct hs2ni_event event;

  while (hs2ni_msgs_next(w->places[0].msgs, &event)) {
    if (event.kind == HS2NI_EVENT_DONE) {
      return event.done.outcome;
    }
  }
  return (enum hs2n_outcome)0;
}

/* Lets all come in; the sum of the views of what place 1 got, by powers of
 * ten in their order. */
static uint64_t views_got(struct world *w) {
  struct hs2ni_event event;
  uint64_t views = 0;

  world_settle(w);
  while (world_next(w, 1, HS2N_ACCEPT, &event)) {
    if (event.kind == HS2NI_EVENT_MESSAGE) {
      views = 10 * views + event.msg.view;
    }
    world_settle(w);
  }
  world_settle(w);
  return views;
}

/* Steps until place 1 has at least len bytes of bodies in memory. */
static void until_received(struct world *w, uint64_t len) {
  while (w->places[1].ends[0].chan->rx.assembling_bytes < len &&
         world_step(w)) {
  }
  CHECK(w->places[1].ends[0].chan->rx.assembling_bytes >= len);
}

/* ---- keys ---------------------------------------------------------------- */

static void a_newer_message_takes_the_place_of_one_that_waits(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, 0);
  CHECK_EQ(send(&w, timeout(1), 100, &tag), HS2N_OK);
  CHECK_EQ(send(&w, timeout(2), 100, NULL), HS2N_OK);
  CHECK_EQ(next_outcome(&w), HS2N_DONE_CANCELLED);
  CHECK_EQ(w.places[0].env.stats.messages_superseded, 1);
  CHECK_EQ(send(&w, timeout(3), 100, NULL), HS2N_OK);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 3);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  /* An acknowledged one is over: nothing to end. */
  CHECK_EQ(send(&w, timeout(4), 100, NULL), HS2N_OK);
  CHECK_EQ(w.places[0].env.stats.messages_superseded, 2);
  CHECK_EQ(views_got(&w), 4);
  world_fini(&w);
}

static void other_keys_types_and_messages_without_a_key_stay(void) {
  struct hs2n_msg other_key = timeout(2), other_type = timeout(3),
                  no_key = timeout(4);
  struct world w;

  start(&w, 0);
  other_key.key = 8;
  other_type.type = HS2N_LANE_VOTE;
  no_key.flags = 0;
  CHECK_EQ(send(&w, timeout(1), 10, NULL), HS2N_OK);
  CHECK_EQ(send(&w, other_key, 10, NULL), HS2N_OK);
  CHECK_EQ(send(&w, other_type, 10, NULL), HS2N_OK);
  CHECK_EQ(send(&w, no_key, 10, NULL), HS2N_OK);
  CHECK_EQ(send(&w, timeout(5), 10, NULL), HS2N_OK); /* ends the first */
  CHECK_EQ(w.places[0].env.stats.messages_superseded, 1);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 2453);
  world_fini(&w);
}

static void a_newer_message_needs_no_room_but_its_own(void) {
  struct hs2n_limits limits;
  struct world w;

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 16;
  world_init(&w, &(struct world_options){.limits = &limits});
  for (uint64_t i = 0; i < 16; i++) {
    struct hs2n_msg msg = timeout(1);

    msg.key = i;
    CHECK_EQ(send(&w, msg, 100, NULL), HS2N_OK);
  }
  CHECK_EQ(send(&w, (struct hs2n_msg){0}, 100, NULL), HS2N_ERR_FULL);
  CHECK_EQ(send(&w, timeout(2), 100, NULL), HS2N_OK);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 1111111111111112);
  world_fini(&w);
}

static void a_broadcast_is_superseded_where_a_newer_one_goes(void) {
  struct hs2ni_target targets[2];
  struct hs2n_msg msg = timeout(1);
  struct hs2n_tag all, quorum;
  struct world w;

  world_init(&w, &(struct world_options){.places = 3, .net = {.whole = true}});
  for (uint32_t i = 0; i < 2; i++) {
    targets[i] = (struct hs2ni_target){
        .chan = w.places[0].ends[i + 1].chan, .peer = {i + 1}, .weight = 1};
  }
  msg.flags |= HS2N_MSG_ACK;
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, targets, 2, &msg, &all), HS2N_OK);
  msg.key = 9;
  msg.flags = HS2N_MSG_SUPERSEDE | HS2N_MSG_QUORUM;
  msg.quorum_weight = 1;
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, targets, 2, &msg, &quorum),
           HS2N_OK);
  CHECK_EQ(send(&w, timeout(2), 10, NULL), HS2N_OK);
  CHECK_EQ(next_outcome(&w), HS2N_DONE_CANCELLED); /* not all can ack it */
  msg.flags = HS2N_MSG_SUPERSEDE;
  msg.view = 3;
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, targets, 1, &msg, NULL), HS2N_OK);
  CHECK_EQ(next_outcome(&w), 0); /* place 2 can still make it */
  world_join(&w, 0, 2);
  CHECK_EQ(world_run(&w, 2), 2);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 23);
  world_fini(&w);
}

/* covers: X1 */
static void a_half_sent_body_stops_when_it_is_superseded(void) {
  struct hs2n_msg old = timeout(1);
  struct world w;

  start(&w, 20000);
  old.type = HS2N_LANE_PROPOSAL;
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, old, BIG, NULL), HS2N_OK);
  until_received(&w, BIG);
  old.view = 2;
  CHECK_EQ(send(&w, old, 10, NULL), HS2N_OK);
  CHECK_EQ(views_got(&w), 2);
  CHECK(memnet_bytes(w.net) < 100000);
  CHECK_EQ(w.places[1].ends[0].chan->rx.assembling_bytes, 0);
  CHECK_EQ(w.places[1].ends[0].chan->rx.lanes[3].pairs.count, 0);
  world_fini(&w);
}

/* ---- a quorum --------------------------------------------------------------
 */

/* covers: X4 */
static void with_its_quorum_a_message_ends_for_the_rest_if_asked(void) {
  struct hs2ni_target targets[3];
  struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL,
                         .flags = HS2N_MSG_QUORUM | HS2N_MSG_QUORUM_ONLY,
                         .quorum_weight = 5};
  struct hs2n_tag tag;
  struct world w;

  world_init(&w, &(struct world_options){.places = 4, .net = {.whole = true}});
  for (uint32_t i = 0; i < 3; i++) {
    targets[i] = (struct hs2ni_target){
        .chan = w.places[0].ends[i + 1].chan, .peer = {i + 1}, .weight = i + 1};
  }
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, targets, 3, &msg, NULL),
           HS2N_ERR_INVALID); /* without a tag nobody counts */
  msg.body = world_body(&w, 0, BIG, 1);
  CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, targets, 3, &msg, &tag), HS2N_OK);
  hs2n_buf_unref(msg.body);
  world_join(&w, 0, 2);
  CHECK_EQ(world_run(&w, 2), 1);
  CHECK_EQ(w.places[0].ends[1].chan->charged_bytes, BIG);
  world_join(&w, 0, 3);
  CHECK_EQ(world_run(&w, 3), 1);
  CHECK_EQ(w.places[0].env.stats.completions, 1);
  CHECK_EQ(w.places[0].ends[1].chan->charged_bytes, 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 1), 0);
  world_fini(&w);
}

/* ---- views -----------------------------------------------------------------
 */

/* covers: X1 */
static void a_newer_view_of_the_sender_ends_what_is_half_sent(void) {
  struct hs2n_tag tag;
  struct world w;

  start(&w, 20000);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, proposal(1), BIG, &tag), HS2N_OK);
  until_received(&w, BIG);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 2), HS2N_OK);
  CHECK_EQ(next_outcome(&w), HS2N_DONE_CANCELLED);
  CHECK_EQ(send(&w, proposal(2), 10, NULL), HS2N_OK);
  CHECK_EQ(views_got(&w), 2);
  CHECK(memnet_bytes(w.net) < 100000);
  CHECK_EQ(w.places[1].ends[0].chan->rx.assembling_bytes, 0);
  CHECK_EQ(w.places[0].ends[1].chan->charged_bytes, 0);
  world_fini(&w);
}

/* covers: X1 */
static void a_newer_view_of_the_receiver_stops_what_is_half_received(void) {
  struct hs2n_tag tag;
  struct world w;

  start(&w, 20000);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, proposal(1), BIG, &tag), HS2N_OK);
  CHECK_EQ(send(&w, proposal(2), 10, NULL), HS2N_OK);
  until_received(&w, BIG);
  while (w.places[1].ends[0].chan->rx.lanes[3].ready.count == 0) {
    CHECK(world_step(&w)); /* until its record has come too */
  }
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  CHECK_EQ(w.places[1].ends[0].chan->rx.assembling_bytes, 0);
  CHECK_EQ(w.places[1].ends[0].chan->rx.lanes[3].pairs.count, 0);
  CHECK_EQ(views_got(&w), 2);
  CHECK_EQ(next_outcome(&w), HS2N_DONE_ACKED);
  CHECK(memnet_bytes(w.net) < 100000);
  CHECK_EQ(w.places[1].env.stats.messages_stale, 1);
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
}

static void what_comes_too_late_takes_no_memory(void) {
  struct hs2n_tag tag;
  struct world w;

  start(&w, 20000);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  CHECK_EQ(send(&w, proposal(1), BIG, &tag), HS2N_OK);
  CHECK_EQ(send(&w, proposal(1), 60000, NULL), HS2N_OK);
  CHECK_EQ(send(&w, proposal(2), 10, NULL), HS2N_OK);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 2);
  CHECK_EQ(next_outcome(&w), HS2N_DONE_ACKED);
  CHECK(memnet_bytes(w.net) < 200000);
  CHECK(w.places[1].mem.live_bytes < 1 << 20);
  CHECK_EQ(w.places[1].env.stats.messages_stale, 2);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

static void a_view_ends_a_small_body_in_the_middle(void) {
  struct world w;

  start(&w, 20000);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, proposal(1), 60000, NULL), HS2N_OK);
  CHECK_EQ(send(&w, proposal(3), 60000, NULL), HS2N_OK);
  until_received(&w, 60000);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  CHECK_EQ(w.places[1].ends[0].chan->rx.assembling_bytes, 0);
  CHECK_EQ(views_got(&w), 3);
  CHECK_EQ(w.places[1].env.stats.messages_stale, 1);
  world_fini(&w);
}

/* The stop reaches a sender that has been told to go back: the message comes
 * again when it is asked for again. */
static void a_stopped_body_is_sent_again_to_a_new_process(void) {
  struct world w;

  start(&w, 20000);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, proposal(1), 200000, NULL), HS2N_OK);
  until_received(&w, 200000);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  world_settle(&w); /* stopped, but no ack has left: nothing was fetched */
  world_restart(&w, 1);
  world_settle(&w);
  world_join(&w, 0, 1);
  CHECK_EQ(views_got(&w), 1); /* its view is 0 again */
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

/* Nobody waits for its end, so no timer looks after it. */
static void a_late_body_stops_half_way(void) {
  struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL, .view = 1};
  struct world w;

  start(&w, 20000);
  world_join(&w, 0, 1);
  msg.deadline = w.places[0].env.now + HS2N_MS(100);
  CHECK_EQ(send(&w, msg, BIG, NULL), HS2N_OK);
  until_received(&w, BIG);
  world_sleep(&w, HS2N_MS(99));
  (void)world_step(&w);
  CHECK_EQ(w.places[0].ends[1].chan->charged_bytes, BIG);
  world_sleep(&w, HS2N_MS(1));
  msg.deadline = 0;
  msg.view = 2;
  CHECK_EQ(send(&w, msg, 10, NULL), HS2N_OK);
  CHECK_EQ(views_got(&w), 2);
  CHECK(memnet_bytes(w.net) < 100000);
  CHECK_EQ(w.places[1].ends[0].chan->rx.assembling_bytes, 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

/* ---- later views -----------------------------------------------------------
 */

static struct hs2n_msg vote(uint64_t view) {
  return (struct hs2n_msg){
      .type = HS2N_LANE_VOTE, .flags = HS2N_MSG_VIEW_BOUND, .view = view};
}

/* Fetches what place 1 has, with one verdict for all; views as above. */
static uint64_t fetch(struct world *w, enum hs2n_verdict verdict) {
  struct hs2ni_event event;
  uint64_t views = 0;

  world_settle(w);
  while (world_next(w, 1, verdict, &event)) {
    if (event.kind == HS2NI_EVENT_MESSAGE) {
      views = 10 * views + event.msg.view;
    }
  }
  world_settle(w);
  return views;
}

static void enter(struct world *w, uint64_t view) {
  CHECK_EQ(hs2ni_msgs_enter_view(w->places[1].msgs, view), HS2N_OK);
}

static const struct hs2ni_rx *rx_of(const struct world *w) {
  return &w->places[1].ends[0].chan->rx;
}

static void what_is_held_comes_again_with_its_view(void) {
  static const uint64_t views[] = {5, 3, 4, 3, 2, 9};
  struct hs2n_tag tag;
  struct world w;

  start(&w, 0);
  world_join(&w, 0, 1);
  for (size_t i = 0; i < 6; i++) {
    CHECK_EQ(send(&w, vote(views[i]), 100, &tag), HS2N_OK);
  }
  CHECK_EQ(fetch(&w, HS2N_HOLD), 534329);
  for (size_t i = 0; i < 6; i++) {
    CHECK_EQ(next_outcome(&w), HS2N_DONE_ACKED);
  }
  CHECK_EQ(rx_of(&w)->future_bytes, 6 * (100 + HS2NI_FUTURE_COST));
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 0);
  enter(&w, 1);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 0);
  enter(&w, 3); /* 2 has passed */
  CHECK_EQ(w.places[1].env.stats.messages_stale, 0);
  CHECK_EQ(send(&w, vote(7), 100, NULL), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 337); /* in order, ahead of the lane */
  CHECK_EQ(w.places[1].env.stats.messages_stale, 1);
  enter(&w, 6);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 0);
  CHECK_EQ(w.places[1].env.stats.messages_stale, 3);
  enter(&w, 9);
  CHECK_EQ(fetch(&w, HS2N_HOLD), 9); /* its view is here: dropped */
  CHECK_EQ(rx_of(&w)->future_bytes, 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  world_fini(&w);
}

static void any_verdict_may_follow(void) {
  struct hs2n_msg_id id = {.incarnation = 1000, .lane = HS2N_LANE_VOTE};
  struct world w;

  start(&w, 0);
  world_join(&w, 0, 1);
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(send(&w, vote(2), 100, NULL), HS2N_OK);
  }
  CHECK_EQ(fetch(&w, HS2N_HOLD), 22222);
  enter(&w, 2);
  for (int i = 0; i < 5; i++) {
    static const enum hs2n_verdict verdicts[] = {
        HS2N_REJECT, HS2N_BUSY, HS2N_LATER, HS2N_IGNORE, HS2N_ACCEPT};
    struct hs2ni_event event;

    CHECK(world_next(&w, 1, verdicts[i], &event));
    CHECK_EQ(event.id.seq, i + 1);
  }
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 0);
  id.seq = 3;
  CHECK_EQ(hs2ni_msgs_verdict(w.places[1].msgs, w.places[1].ends[0].chan, id,
                              HS2N_HOLD),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2ni_msgs_verdict(w.places[1].msgs, w.places[1].ends[0].chan, id,
                              HS2N_REJECT),
           HS2N_OK);
  world_settle(&w);
  CHECK_EQ(w.places[1].env.stats.messages_refused, 2);
  CHECK_EQ(rx_of(&w)->nacks_pending.count + rx_of(&w)->nacks_sent.count, 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  /* The lane goes on, here and on the next connection. */
  CHECK_EQ(send(&w, vote(3), 100, NULL), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_HOLD), 3);
  enter(&w, 3);
  world_cut(&w, 0, 1);
  world_settle(&w);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, vote(4), 100, NULL), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 34);
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
}

static void the_farthest_views_make_room(void) {
  struct hs2n_limits limits;
  struct world w;

  hs2n_limits_default(&limits);
  limits.rx_future_bytes = 5 * (1000 + HS2NI_FUTURE_COST);
  limits.rx_future_views = 100;
  world_init(&w, &(struct world_options){.limits = &limits,
                                         .net = {.seed = 5, .whole = true}});
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, vote(1), 1000, NULL), HS2N_OK);
  for (uint64_t view = 100; view > 1; view--) { /* a flood, far ahead */
    CHECK_EQ(send(&w, vote(view), 1000, NULL), HS2N_OK);
    (void)fetch(&w, HS2N_HOLD);
    CHECK(rx_of(&w)->future_bytes <= limits.rx_future_bytes);
  }
  CHECK_EQ(send(&w, vote(101), 0, NULL), HS2N_OK); /* too far to be kept */
  world_settle(&w);
  {
    struct hs2ni_event event;

    CHECK(world_next(&w, 1, HS2N_HOLD, &event));
  }
  CHECK_EQ(rx_of(&w)->future.count, 5);
  CHECK_EQ(w.places[1].env.stats.messages_evicted, 96);
  for (uint64_t view = 1; view <= 5; view++) {
    enter(&w, view);
    CHECK_EQ(fetch(&w, HS2N_ACCEPT), view);
  }
  enter(&w, 101);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 0);
  world_fini(&w);
}

/* What is of a process ends with it, held or about to be given again. */
static void a_new_process_voids_what_was_held(void) {
  struct world w;

  start(&w, 0);
  world_join(&w, 0, 1);
  CHECK_EQ(send(&w, vote(2), 100, NULL), HS2N_OK);
  CHECK_EQ(send(&w, vote(3), 100, NULL), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_HOLD), 23);
  enter(&w, 2);
  world_restart(&w, 0);
  world_settle(&w);
  world_join(&w, 0, 1);
  CHECK_EQ(rx_of(&w)->future_bytes, 0);
  CHECK_EQ(send(&w, vote(4), 100, NULL), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_HOLD), 4);
  enter(&w, 4);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT), 4);
  world_fini(&w);
}

int main(void) {
  RUN(a_newer_message_takes_the_place_of_one_that_waits);
  RUN(other_keys_types_and_messages_without_a_key_stay);
  RUN(a_newer_message_needs_no_room_but_its_own);
  RUN(a_broadcast_is_superseded_where_a_newer_one_goes);
  RUN(a_half_sent_body_stops_when_it_is_superseded);
  RUN(with_its_quorum_a_message_ends_for_the_rest_if_asked);
  RUN(a_newer_view_of_the_sender_ends_what_is_half_sent);
  RUN(a_newer_view_of_the_receiver_stops_what_is_half_received);
  RUN(what_comes_too_late_takes_no_memory);
  RUN(a_view_ends_a_small_body_in_the_middle);
  RUN(a_stopped_body_is_sent_again_to_a_new_process);
  RUN(a_late_body_stops_half_way);
  RUN(what_is_held_comes_again_with_its_view);
  RUN(any_verdict_may_follow);
  RUN(the_farthest_views_make_room);
  RUN(a_new_process_voids_what_was_held);
  return tap_done();
}
