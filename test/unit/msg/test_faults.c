/* Each allocation failing in turn: calls say so, connections end with
 * INTERNAL, nothing leaks, and what was accepted still arrives. */
#include "world.h"

static void join_again(struct world *w) {
  if (w->places[0].ends[1].conn == NULL && w->places[1].ends[0].conn == NULL) {
    world_join(w, 0, 1);
  }
}

static int send_one(struct world *w, uint8_t lane, size_t len, bool tagged) {
  struct hs2n_tag tag;
  int err = HS2N_ERR_NO_MEMORY;

  /* The application's own body may be what fails. */
  if (w->places[0].mem.requests + 1 != w->places[0].mem.fail_at) {
    err = world_send(w, 0, 1, lane, len, 1, tagged ? &tag : NULL);
  } else {
    w->places[0].mem.requests++;
  }
  return err;
}

/* A run in which request number `at` of a place fails.  Returns whether that
 * request was reached. */
static bool run_with_failure(uint32_t place, uint64_t at,
                             const struct hs2n_type *types) {
  struct world w;
  size_t sent = 0, got = 0;
  bool reached;

  world_init(&w, &(struct world_options){.net = {.seed = at, .whole = true},
                                         .types = types});
  w.places[place].mem.fail_at = w.places[place].mem.requests + at;
  world_join(&w, 0, 1);
  for (int round = 0; round < 2; round++) {
    sent += send_one(&w, HS2N_LANE_VOTE, 100, true) == HS2N_OK;
    sent += send_one(&w, HS2N_LANE_BULK, 200000, false) == HS2N_OK;
    sent += send_one(&w, HS2N_LANE_CERT, 3000, false) == HS2N_OK;
    sent += send_one(&w, HS2N_LANE_VOTE, 0, false) == HS2N_OK;
    got += world_run(&w, 1);
    join_again(&w);
  }
  world_sleep(&w, HS2N_MS(10)); /* until the next try */
  got += world_run(&w, 1);
  reached = w.places[place].mem.requests >= w.places[place].mem.fail_at;
  CHECK_EQ(got, sent);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK(w.breaches == 0 || w.last_reason == HS2N_REASON_INTERNAL);
  world_fini(&w);
  return reached;
}

static void any_allocation_of_the_sender_may_fail(void) {
  uint64_t at = 1;

  while (run_with_failure(0, at, world_types)) {
    at++;
  }
  for (at = 1; run_with_failure(0, at, world_packed_types);) {
    at++;
  }
  CHECK(at > 10);
}

static void any_allocation_of_the_receiver_may_fail(void) {
  uint64_t at = 1;

  while (run_with_failure(1, at, world_types)) {
    at++;
  }
  for (at = 1; run_with_failure(1, at, world_packed_types);) {
    at++;
  }
  CHECK(at > 5);
}

static void send_for_view(struct world *w, uint64_t view, size_t len) {
  const struct hs2ni_target target = {
      .chan = w->places[0].ends[1].chan, .peer = {1}, .weight = 1};
  const struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL,
                               .flags = HS2N_MSG_VIEW_BOUND,
                               .view = view,
                               .body = world_body(w, 0, len, (uint8_t)view)};

  CHECK_EQ(hs2ni_msgs_send(w->places[0].msgs, &target, 1, &msg, NULL), HS2N_OK);
  hs2n_buf_unref(msg.body);
}

/* Lets all come in; how many messages place 1 got. */
static size_t fetch_all(struct world *w, enum hs2n_verdict verdict) {
  struct hs2ni_event event;
  size_t got = 0;

  for (int i = 0; i < 6; i++) { /* one comes, then two more, and so on */
    world_settle(w);
    while (world_next(w, 1, verdict, &event)) {
      got += event.kind == HS2NI_EVENT_MESSAGE;
    }
    join_again(w);
    world_sleep(w, HS2N_MS(20)); /* until the next try */
  }
  world_settle(w);
  return got;
}

/* Messages that are kept for their view while request number `at` of their
 * receiver fails.  Returns whether that request was reached. */
static bool hold_with_failure(uint64_t at, const struct hs2n_type *types) {
  struct world w;
  bool reached;

  world_init(&w, &(struct world_options){.net = {.seed = at, .whole = true},
                                         .types = types});
  w.places[1].mem.fail_at = w.places[1].mem.requests + at;
  world_join(&w, 0, 1);
  for (uint64_t view = 1; view <= 3; view++) {
    send_for_view(&w, view, 3000);
    send_for_view(&w, view, 100000);
  }
  CHECK_EQ(fetch_all(&w, HS2N_HOLD), 6);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  for (uint64_t view = 1; view <= 3; view++) {
    CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, view), HS2N_OK);
    CHECK_EQ(fetch_all(&w, HS2N_ACCEPT), 2);
  }
  CHECK_EQ(w.places[1].ends[0].chan->rx.future_bytes, 0);
  reached = w.places[1].mem.requests >= w.places[1].mem.fail_at;
  world_fini(&w);
  return reached;
}

static void what_is_kept_is_kept_whatever_allocation_fails(void) {
  uint64_t at = 1;

  while (hold_with_failure(at, world_types)) {
    at++;
  }
  CHECK(at > 5);
  for (at = 1; hold_with_failure(at, world_packed_types);) {
    at++;
  }
  CHECK(at > 5);
}

static void making_a_layer_may_fail_at_any_point(void) {
  for (uint64_t at = 1;; at++) {
    struct test_mem mem;
    struct hs2ni_env env = {0};
    struct hs2ni_msgs *msgs = NULL;
    struct hs2ni_chan *chan = NULL;
    int err;

    test_mem_init(&mem, at);
    env.mem = &mem.mem;
    hs2n_limits_default(&env.limits);
    err = hs2ni_msgs_new(&msgs, &env, world_packed_types, WORLD_TYPES);
    if (err == HS2N_OK) {
      err = hs2ni_chan_new(&chan, msgs, (struct hs2n_peer){1});
    }
    hs2ni_chan_free(chan, HS2N_DONE_CANCELLED);
    hs2ni_msgs_free(msgs);
    CHECK_EQ(mem.live_bytes, 0);
    if (err == HS2N_OK) {
      CHECK(at > 6);
      return;
    }
    CHECK_EQ(err, HS2N_ERR_NO_MEMORY);
  }
}

int main(void) {
  RUN(making_a_layer_may_fail_at_any_point);
  RUN(any_allocation_of_the_sender_may_fail);
  RUN(any_allocation_of_the_receiver_may_fail);
  RUN(what_is_kept_is_kept_whatever_allocation_fails);
  return tap_done();
}
