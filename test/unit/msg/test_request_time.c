/* Requests that nobody answers: for how long they keep their place. */
#include "raw.h"
#include "world.h"

#define PLACES 2

static void start(struct world *w) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.rx_requests_max = PLACES;
  world_init(w, &(struct world_options){.net = {.seed = 7}, .limits = &limits});
  /* What place 0 may ask at once is its own limit. */
  w->places[0].env.limits.rx_requests_max = 100;
  world_join(w, 0, 1);
}

static void ask(struct world *w, hs2n_time ns) {
  const uint32_t other = 1;
  struct hs2n_msg msg = {.type = WORLD_ASK,
                         .deadline = w->places[0].env.now + ns};
  struct hs2n_tag tag;

  CHECK_EQ(world_request(w, 0, &other, 1, &msg, 10, 8, &tag), HS2N_OK);
}

/* Whether place 1 gets a request, which it takes. */
static bool is_asked(struct world *w, struct hs2ni_event *out) {
  world_settle(w);
  while (hs2ni_msgs_next(w->places[1].msgs, out)) {
    if (out->kind == HS2NI_EVENT_REQUEST) {
      CHECK_EQ(world_judge(w, 1, out, HS2N_ACCEPT), HS2N_OK);
      return true;
    }
  }
  return false;
}

/* How the next of place 0's requests has ended. */
static int ended(struct world *w) {
  struct hs2ni_event e;

  world_settle(w);
  while (hs2ni_msgs_next(w->places[0].msgs, &e)) {
    if (e.kind == HS2NI_EVENT_DONE) {
      return (int)e.done.outcome;
    }
  }
  return 0;
}

static uint32_t open_n(const struct world *w) {
  return hs2ni_rx_requests_open(w->places[1].ends[0].chan);
}

static void places_come_back_when_their_askers_have_given_up(void) {
  struct world w;
  struct hs2ni_event e;

  start(&w);
  for (uint32_t round = 0; round < 5; round++) {
    for (uint32_t i = 0; i < PLACES; i++) {
      ask(&w, HS2N_MS(100));
      CHECK(is_asked(&w, &e));
    }
    CHECK_EQ(open_n(&w), PLACES);
    ask(&w, HS2N_MS(100));
    CHECK(!is_asked(&w, &e));
    CHECK_EQ(ended(&w), HS2N_DONE_REFUSED);
    world_sleep(&w, HS2N_MS(200));
    CHECK_EQ(open_n(&w), 0);
    for (uint32_t i = 0; i < PLACES; i++) {
      CHECK_EQ(ended(&w), HS2N_DONE_EXPIRED);
    }
  }
  CHECK_EQ(w.places[1].env.stats.requests_unserved, 5);
  CHECK_EQ(w.places[1].env.stats.requests_overdue, 4 * PLACES);
  world_fini(&w);
}

static void who_waits_longer_keeps_its_place(void) {
  struct world w;
  struct hs2ni_event e, patient;

  start(&w);
  ask(&w, HS2N_S(10));
  CHECK(is_asked(&w, &patient));
  for (uint32_t i = 0; i < 20; i++) {
    ask(&w, HS2N_MS(50));
    CHECK(is_asked(&w, &e));
    world_sleep(&w, HS2N_MS(100));
  }
  CHECK_EQ(world_respond(&w, 1, &patient, 0, 10, 1), HS2N_OK);
  world_settle(&w);
  CHECK(world_next(&w, 0, HS2N_ACCEPT, &e));
  world_fini(&w);
}

static void a_late_answer_is_told_so(void) {
  struct world w;
  struct hs2ni_event e, first;

  start(&w);
  ask(&w, HS2N_MS(100));
  CHECK(is_asked(&w, &first));
  world_sleep(&w, HS2N_MS(200));
  CHECK_EQ(world_respond(&w, 1, &first, 0, 10, 1), HS2N_ERR_STALE);
  CHECK_EQ(world_respond(&w, 1, &first, 0, 10, 1), HS2N_ERR_STATE);
  ask(&w, HS2N_MS(100));
  CHECK(is_asked(&w, &first));
  world_sleep(&w, HS2N_MS(200));
  for (uint32_t i = 0; i < PLACES; i++) { /* its place is another's */
    ask(&w, HS2N_MS(100));
    CHECK(is_asked(&w, &e));
  }
  CHECK_EQ(world_respond(&w, 1, &first, 0, 10, 1), HS2N_ERR_STATE);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 10, 1), HS2N_OK);
  CHECK_EQ(w.places[1].env.stats.requests_overdue, 2);
  world_fini(&w);
}

static void the_application_is_told_how_long_there_is_time(void) {
  struct world w;
  struct hs2ni_event e;
  hs2n_time at;

  start(&w);
  at = w.places[0].env.now + HS2N_MS(100);
  ask(&w, HS2N_MS(100));
  CHECK(is_asked(&w, &e));
  CHECK(e.msg.deadline >= at);
  CHECK(e.msg.deadline <= at + HS2N_MS(50)); /* what it took to come */
  world_fini(&w);
}

/* Place 1 fetches it when nobody waits any more. */
static void what_was_asked_long_ago_is_not_shown(void) {
  struct world w;
  struct hs2ni_event e;

  start(&w);
  ask(&w, HS2N_MS(100));
  world_settle(&w);
  world_sleep(&w, HS2N_MS(200));
  CHECK(!is_asked(&w, &e));
  CHECK_EQ(w.places[1].env.stats.requests_overdue, 1);
  CHECK_EQ(w.places[1].env.stats.messages_received, 0);
  CHECK_EQ(ended(&w), HS2N_DONE_EXPIRED);
  world_fini(&w);
}

/* It waits for a connection, and is dropped when its room is needed. */
static void an_answer_that_has_not_left_in_time_does_not_leave(void) {
  struct world w;
  struct hs2ni_event e;

  start(&w);
  ask(&w, HS2N_MS(100));
  CHECK(is_asked(&w, &e));
  world_settle(&w);
  world_cut(&w, 0, 1);
  world_settle(&w);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 10, 1), HS2N_OK);
  world_sleep(&w, HS2N_MS(200));
  CHECK_EQ(ended(&w), HS2N_DONE_EXPIRED);
  world_join(&w, 0, 1);
  world_settle(&w);
  CHECK(hs2ni_chan_idle(w.places[1].ends[0].chan));
  CHECK_EQ(w.places[0].env.stats.responses_dropped, 0);
  world_fini(&w);
}

/* A peer of before does not say how long it waits. */
static void who_does_not_say_keeps_its_place(void) {
  struct hs2n_limits limits;
  struct hs2ni_event e;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.rx_requests_max = 1;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  for (uint64_t seq = 1; seq <= 2; seq++) {
    struct bytes b = {0};

    if (seq == 1) {
      bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
    }
    bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                            .seq = seq,
                                            .type = WORLD_ASK,
                                            .flags = HS2NI_FLAG_REQUEST,
                                            .request = seq});
    CHECK_EQ(raw_data(&r, 3, &b, false), HS2N_REASON_NONE);
    CHECK_EQ(hs2ni_msgs_next(r.msgs, &e), seq == 1);
    if (seq == 1) {
      CHECK_EQ(e.msg.deadline, 0);
      CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_ACCEPT), HS2N_OK);
      r.env.now += HS2N_S(100000);
    }
  }
  CHECK_EQ(r.env.stats.requests_unserved, 1);
  CHECK_EQ(hs2ni_rx_requests_open(r.chan), 1);
  raw_fini(&r);
}

int main(void) {
  RUN(places_come_back_when_their_askers_have_given_up);
  RUN(who_waits_longer_keeps_its_place);
  RUN(a_late_answer_is_told_so);
  RUN(the_application_is_told_how_long_there_is_time);
  RUN(what_was_asked_long_ago_is_not_shown);
  RUN(an_answer_that_has_not_left_in_time_does_not_leave);
  RUN(who_does_not_say_keeps_its_place);
  return tap_done();
}
