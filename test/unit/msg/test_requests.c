/* One request after the other: who is asked, when the next one is, and what
 * ends it. */
#include "world.h"

static const uint32_t all[] = {1, 2, 3};

static struct hs2n_msg question(const struct world *w, hs2n_time ns) {
  return (struct hs2n_msg){.type = WORLD_ASK,
                           .deadline = w->places[0].env.now + ns};
}

static void start(struct world *w, const struct hs2n_limits *limits) {
  world_init(w, &(struct world_options){
                    .places = 4, .net = {.seed = 7}, .limits = limits});
  for (uint32_t i = 1; i < 4; i++) {
    world_join(w, 0, i);
  }
}

/* Place 0 asks all others about 8. */
static struct hs2n_tag ask(struct world *w, hs2n_time ns) {
  struct hs2n_msg msg = question(w, ns);
  struct hs2n_tag tag = {0};

  CHECK_EQ(world_request(w, 0, all, 3, &msg, 10, 8, &tag), HS2N_OK);
  CHECK(tag.v != 0);
  return tag;
}

/* The next event of a place, which must be of that kind. */
static struct hs2ni_event get(struct world *w, uint32_t place,
                              enum hs2ni_event_kind kind) {
  struct hs2ni_event e = {0};

  world_settle(w);
  CHECK(hs2ni_msgs_next(w->places[place].msgs, &e));
  CHECK_EQ(e.kind, kind);
  return e;
}

static bool has_none(struct world *w, uint32_t place) {
  struct hs2ni_event e;

  world_settle(w);
  return !hs2ni_msgs_next(w->places[place].msgs, &e);
}

/* The place is asked, and says this to it. */
static struct hs2ni_event is_asked(struct world *w, uint32_t place,
                                   enum hs2n_verdict verdict) {
  const struct hs2ni_event e = get(w, place, HS2NI_EVENT_REQUEST);

  CHECK_EQ(world_judge(w, place, &e, verdict), HS2N_OK);
  return e;
}

static void is_answered(struct world *w, uint32_t by, struct hs2n_tag tag,
                        enum hs2n_verdict verdict) {
  const struct hs2ni_event e = get(w, 0, HS2NI_EVENT_RESPONSE);

  CHECK_EQ(e.peer.v, by);
  CHECK_EQ(e.tag.v, tag.v);
  CHECK_EQ(world_judge(w, 0, &e, verdict), HS2N_OK);
}

static struct hs2n_done is_done(struct world *w, struct hs2n_tag tag,
                                enum hs2n_outcome outcome) {
  const struct hs2ni_event e = get(w, 0, HS2NI_EVENT_DONE);

  CHECK_EQ(e.tag.v, tag.v);
  CHECK_EQ(e.done.outcome, outcome);
  return e.done;
}

/* Nothing of any request is left anywhere. */
static void finish(struct world *w) {
  for (uint32_t i = 0; i < w->n; i++) {
    CHECK(has_none(w, i));
    CHECK_EQ(w->places[i].msgs->requests.open.count, 0);
    CHECK_EQ(w->places[i].msgs->requests.bytes, 0);
  }
  for (uint32_t i = 1; i < w->n; i++) {
    CHECK_EQ(w->places[0].ends[i].chan->asking.open_n, 0);
  }
  CHECK_EQ(w->breaches, 0);
  world_fini(w);
}

/* ---- the common cases -------------------------------------------------------
 */

static void an_answer_ends_the_request(void) {
  struct world w;
  struct hs2ni_event e;
  struct hs2n_tag tag;
  struct hs2n_done done;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  e = get(&w, 1, HS2NI_EVENT_REQUEST);
  CHECK_EQ(e.msg.type, WORLD_ASK);
  CHECK_EQ(hs2n_buf_span(e.msg.body).len, 10);
  CHECK_EQ(hs2n_buf_span(e.msg.body).data[9], 8);
  CHECK_EQ(world_judge(&w, 1, &e, HS2N_ACCEPT), HS2N_OK);
  CHECK_EQ(world_respond(&w, 1, &e, 77, 70000, 9), HS2N_OK);
  CHECK_EQ(world_respond(&w, 1, &e, 77, 70000, 9), HS2N_ERR_STATE);
  e = get(&w, 0, HS2NI_EVENT_RESPONSE);
  CHECK_EQ(e.tag.v, tag.v);
  CHECK_EQ(e.peer.v, 1);
  CHECK_EQ(e.status, 77);
  CHECK_EQ(e.msg.type, WORLD_ANSWER);
  CHECK_EQ(hs2n_buf_span(e.msg.body).len, 70000);
  CHECK_EQ(hs2n_buf_span(e.msg.body).data[69999], 9);
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_ACCEPT), HS2N_OK);
  done = is_done(&w, tag, HS2N_DONE_ACKED);
  CHECK_EQ(done.acked_count, 1);
  CHECK_EQ(done.acked[0].v, 1);
  CHECK_EQ(done.acked_weight, 1);
  CHECK(has_none(&w, 2)); /* nobody else was asked */
  finish(&w);
}

static void an_answer_may_be_given_before_the_verdict(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  e = get(&w, 1, HS2NI_EVENT_REQUEST);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 0, 0), HS2N_OK);
  /* Too late for that. */
  CHECK_EQ(world_judge(&w, 1, &e, HS2N_REJECT), HS2N_OK);
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  CHECK_EQ(w.places[1].env.stats.messages_refused, 0);
  finish(&w);
}

static void a_refusal_has_the_next_peer_asked_at_once(void) {
  static const enum hs2n_verdict no[] = {HS2N_IGNORE, HS2N_REJECT, HS2N_BUSY};

  for (size_t i = 0; i < 3; i++) {
    struct world w;
    struct hs2n_tag tag;
    struct hs2ni_event e;

    start(&w, NULL);
    tag = ask(&w, HS2N_S(1));
    e = is_asked(&w, 1, no[i]);
    CHECK_EQ(world_respond(&w, 1, &e, 0, 0, 0), HS2N_ERR_STATE);
    e = is_asked(&w, 2, HS2N_ACCEPT);
    CHECK_EQ(world_respond(&w, 2, &e, 0, 5, 5), HS2N_OK);
    is_answered(&w, 2, tag, HS2N_ACCEPT);
    (void)is_done(&w, tag, HS2N_DONE_ACKED);
    CHECK_EQ(w.places[0].env.stats.requests_asked, 2);
    finish(&w);
  }
}

static void when_all_refuse_so_does_the_request(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  (void)is_asked(&w, 1, HS2N_BUSY);
  (void)is_asked(&w, 2, HS2N_BUSY);
  (void)is_asked(&w, 3, HS2N_REJECT);
  CHECK_EQ(is_done(&w, tag, HS2N_DONE_REFUSED).reason, HS2N_REASON_REJECTED);
  finish(&w);
}

static void a_bad_answer_has_the_next_peer_asked_at_once(void) {
  static const enum hs2n_verdict no[] = {HS2N_IGNORE, HS2N_REJECT};

  for (size_t i = 0; i < 2; i++) {
    struct world w;
    struct hs2n_tag tag;
    struct hs2n_done done;

    start(&w, NULL);
    tag = ask(&w, HS2N_S(1));
    for (uint32_t place = 1; place < 4; place++) {
      const struct hs2ni_event e = is_asked(&w, place, HS2N_ACCEPT);

      CHECK_EQ(world_respond(&w, place, &e, 0, 100, 1), HS2N_OK);
      is_answered(&w, place, tag, no[i]);
    }
    done = is_done(&w, tag, HS2N_DONE_REFUSED);
    CHECK_EQ(done.reason, i == 0 ? HS2N_REASON_NO_USE : HS2N_REASON_REJECTED);
    CHECK_EQ(done.acked_count, 0);
    finish(&w);
  }
}

static void an_answer_may_be_judged_later(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(9));
  e = is_asked(&w, 1, HS2N_LATER);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 100, 1), HS2N_OK);
  CHECK_EQ(world_judge(&w, 1, &e, HS2N_ACCEPT), HS2N_OK);
  e = get(&w, 0, HS2NI_EVENT_RESPONSE);
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_LATER), HS2N_OK);
  world_sleep(&w, HS2N_S(5)); /* the application's time is not the peer's */
  CHECK(has_none(&w, 2));
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_REJECT), HS2N_OK);
  e = is_asked(&w, 2, HS2N_ACCEPT);
  CHECK_EQ(world_respond(&w, 2, &e, 0, 100, 1), HS2N_OK);
  e = get(&w, 0, HS2NI_EVENT_RESPONSE);
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_LATER), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_OK);
  (void)is_done(&w, tag, HS2N_DONE_CANCELLED);
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_ACCEPT), HS2N_OK); /* of no effect */
  finish(&w);
}

static void an_answer_that_finds_no_room_comes_again(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 100, 1), HS2N_OK);
  is_answered(&w, 1, tag, HS2N_BUSY);
  CHECK(has_none(&w, 0));
  world_sleep(&w, HS2N_MS(20));
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

/* ---- time -------------------------------------------------------------------
 */

static void a_peer_that_lets_time_pass_is_overtaken(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event first, second;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(9));
  first = is_asked(&w, 1, HS2N_ACCEPT);
  world_sleep(&w, HS2N_MS(1999));
  CHECK(has_none(&w, 2));
  world_sleep(&w, HS2N_MS(1));
  second = is_asked(&w, 2, HS2N_ACCEPT);
  CHECK_EQ(w.places[0].env.stats.requests_late, 1);
  /* Late is as good as in time, and the other one has worked for nothing. */
  CHECK_EQ(world_respond(&w, 1, &first, 0, 100, 1), HS2N_OK);
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  CHECK_EQ(world_respond(&w, 2, &second, 0, 100, 1), HS2N_OK);
  CHECK(has_none(&w, 0));
  CHECK_EQ(w.places[0].env.stats.responses_dropped, 1);
  finish(&w);
}

static void a_peer_whose_pace_is_known_gets_less_time(void) {
  struct world w;

  start(&w, NULL);
  for (int i = 0; i < 20; i++) {
    const struct hs2n_tag tag = ask(&w, HS2N_S(1));
    const struct hs2ni_event e = is_asked(&w, 1, HS2N_ACCEPT);

    world_sleep(&w, HS2N_MS(4));
    CHECK_EQ(world_respond(&w, 1, &e, 0, 100, 1), HS2N_OK);
    is_answered(&w, 1, tag, HS2N_ACCEPT);
    (void)is_done(&w, tag, HS2N_DONE_ACKED);
  }
  (void)ask(&w, HS2N_MS(30));
  (void)is_asked(&w, 1, HS2N_ACCEPT);
  world_sleep(&w, HS2N_MS(15)); /* 4 ms, and 10 ms of slack */
  (void)is_asked(&w, 2, HS2N_BUSY);
  (void)is_asked(&w, 3, HS2N_BUSY);
  world_sleep(&w, HS2N_MS(30));
  CHECK_EQ(get(&w, 0, HS2NI_EVENT_DONE).done.outcome, HS2N_DONE_EXPIRED);
  finish(&w);
}

static void the_deadline_ends_all_tries(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e[3];

  start(&w, NULL);
  tag = ask(&w, HS2N_S(7));
  for (uint32_t i = 0; i < 3; i++) {
    e[i] = is_asked(&w, i + 1, HS2N_ACCEPT);
    world_sleep(&w, HS2N_S(2));
  }
  CHECK(has_none(&w, 0)); /* all were asked, each may still answer */
  world_sleep(&w, HS2N_S(1));
  (void)is_done(&w, tag, HS2N_DONE_EXPIRED);
  for (uint32_t i = 0; i < 3; i++) {
    CHECK_EQ(world_respond(&w, i + 1, &e[i], 0, 10, 0), HS2N_ERR_STALE);
  }
  CHECK(has_none(&w, 0));
  finish(&w);
}

static void who_failed_lately_is_asked_last(void) {
  struct world w;
  struct hs2n_msg msg;
  struct hs2n_tag tag;

  start(&w, NULL);
  msg = question(&w, HS2N_S(1));
  CHECK_EQ(world_request(&w, 0, all, 1, &msg, 10, 8, &tag), HS2N_OK);
  (void)is_asked(&w, 1, HS2N_REJECT);
  (void)is_done(&w, tag, HS2N_DONE_REFUSED);
  for (uint32_t round = 0; round < 2; round++) {
    tag = ask(&w, HS2N_S(1));
    for (uint32_t i = 0; i < 3; i++) {
      /* In the second round all is forgiven. */
      (void)is_asked(&w, 1 + (i + 1 - round) % 3, HS2N_REJECT);
    }
    (void)is_done(&w, tag, HS2N_DONE_REFUSED);
    world_sleep(&w, HS2N_S(1));
  }
  finish(&w);
}

static void a_cancelled_request_is_silent(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_ERR_STATE);
  (void)is_done(&w, tag, HS2N_DONE_CANCELLED);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 1000, 1), HS2N_OK);
  CHECK(has_none(&w, 0));
  world_settle(&w);
  CHECK(hs2ni_chan_idle(w.places[1].ends[0].chan)); /* it was acknowledged */
  finish(&w);
}

static void a_view_ends_its_requests(void) {
  struct world w;
  struct hs2n_msg msg;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  msg = question(&w, HS2N_S(1));
  msg.flags = HS2N_MSG_VIEW_BOUND;
  msg.view = 3;
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 10, 8, &tag), HS2N_OK);
  e = is_asked(&w, 1, HS2N_ACCEPT);
  CHECK_EQ(e.msg.flags, HS2N_MSG_VIEW_BOUND);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 4), HS2N_OK);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 1, 1), HS2N_ERR_STALE);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 1, 1), HS2N_ERR_STATE);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[0].msgs, 4), HS2N_OK);
  (void)is_done(&w, tag, HS2N_DONE_CANCELLED);
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 10, 8, &tag), HS2N_ERR_STALE);
  finish(&w);
}

static void who_is_in_a_later_view_sends_the_asker_on(void) {
  struct world w;
  struct hs2n_msg msg;
  struct hs2n_tag tag;

  start(&w, NULL);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 4), HS2N_OK);
  msg = question(&w, HS2N_S(1));
  msg.flags = HS2N_MSG_VIEW_BOUND;
  msg.view = 3;
  CHECK_EQ(world_request(&w, 0, all, 2, &msg, 10, 8, &tag), HS2N_OK);
  CHECK(has_none(&w, 1));
  (void)is_asked(&w, 2, HS2N_IGNORE);
  (void)is_done(&w, tag, HS2N_DONE_REFUSED);
  finish(&w);
}

/* ---- connections and processes that come and go
 * ------------------------------
 */

static void requests_survive_reconnects(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  for (uint32_t i = 1; i < 4; i++) {
    world_cut(&w, 0, i);
  }
  tag = ask(&w, HS2N_S(1));
  CHECK(has_none(&w, 1));
  world_join(&w, 0, 1);
  e = is_asked(&w, 1, HS2N_ACCEPT);
  world_cut(&w, 0, 1);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 100000, 1), HS2N_OK);
  CHECK(has_none(&w, 0));
  world_join(&w, 0, 1);
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

static void the_connected_are_asked_first(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e;

  start(&w, NULL);
  world_cut(&w, 0, 1);
  world_settle(&w);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 2, HS2N_ACCEPT);
  CHECK_EQ(world_respond(&w, 2, &e, 0, 1, 1), HS2N_OK);
  is_answered(&w, 2, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

/* covers: X22 */
static void a_restarted_peer_may_be_asked_again(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  (void)is_asked(&w, 1, HS2N_ACCEPT);
  CHECK(has_none(&w, 0)); /* the question is acknowledged, and lost */
  world_restart(&w, 1);
  world_settle(&w);
  world_join(&w, 0, 1);
  (void)is_asked(&w, 2, HS2N_BUSY);
  (void)is_asked(&w, 1, HS2N_BUSY);
  (void)is_asked(&w, 3, HS2N_BUSY);
  (void)is_done(&w, tag, HS2N_DONE_REFUSED);
  finish(&w);
}

/* The numbers of the new process start again, so an answer to the old one
 * would fit a question that it never asked. */
static void a_restarted_asker_gets_no_answers_of_old(void) {
  struct world w;
  struct hs2n_tag tag;
  struct hs2ni_event e, other;

  start(&w, NULL);
  (void)ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  (void)ask(&w, HS2N_S(1));
  other = is_asked(&w, 1, HS2N_ACCEPT);
  world_cut(&w, 0, 1);
  world_restart(&w, 0);
  world_settle(&w);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 100, 1), HS2N_OK); /* still unaware */
  for (uint32_t i = 1; i < 4; i++) {
    world_join(&w, 0, i);
  }
  CHECK_EQ(world_respond(&w, 1, &other, 0, 100, 1), HS2N_ERR_STATE);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  CHECK(has_none(&w, 0));
  CHECK_EQ(world_respond(&w, 1, &e, 0, 100, 2), HS2N_OK);
  e = get(&w, 0, HS2NI_EVENT_RESPONSE);
  CHECK_EQ(hs2n_buf_span(e.msg.body).data[0], 2);
  CHECK_EQ(world_judge(&w, 0, &e, HS2N_ACCEPT), HS2N_OK);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

static void a_member_that_leaves_is_passed_over(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  (void)is_asked(&w, 1, HS2N_ACCEPT);
  world_cut(&w, 0, 1);
  world_settle(&w);
  hs2ni_chan_free(w.places[0].ends[1].chan, HS2N_DONE_PEER_GONE);
  (void)is_asked(&w, 2, HS2N_ACCEPT);
  for (uint32_t i = 2; i < 4; i++) {
    world_cut(&w, 0, i);
    world_settle(&w);
    hs2ni_chan_free(w.places[0].ends[i].chan, HS2N_DONE_PEER_GONE);
  }
  (void)is_done(&w, tag, HS2N_DONE_PEER_GONE);
  CHECK_EQ(w.places[0].msgs->requests.open.count, 0);
  for (uint32_t i = 1; i < 4; i++) {
    CHECK_EQ(hs2ni_chan_new(&w.places[0].ends[i].chan, w.places[0].msgs,
                            (struct hs2n_peer){i}),
             HS2N_OK);
  }
  world_fini(&w);
}

static void stopping_cancels_requests(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, NULL);
  tag = ask(&w, HS2N_S(1));
  world_cut(&w, 0, 1);
  world_settle(&w);
  hs2ni_chan_free(w.places[0].ends[1].chan, HS2N_DONE_CANCELLED);
  (void)is_done(&w, tag, HS2N_DONE_CANCELLED);
  CHECK_EQ(hs2ni_chan_new(&w.places[0].ends[1].chan, w.places[0].msgs,
                          (struct hs2n_peer){1}),
           HS2N_OK);
  world_fini(&w);
}

/* ---- limits -----------------------------------------------------------------
 */

static void wrong_calls_are_refused(void) {
  struct world w;
  struct hs2n_msg msg;
  struct hs2n_tag tag = {0};
  struct hs2ni_event e;

  start(&w, NULL);
  msg = question(&w, 0);
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 1, 1, &tag), HS2N_ERR_STALE);
  msg.deadline = 0;
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 1, 1, &tag), HS2N_ERR_INVALID);
  msg = question(&w, 1);
  CHECK_EQ(world_request(&w, 0, all, 0, &msg, 1, 1, &tag), HS2N_ERR_INVALID);
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 1, 1, NULL), HS2N_ERR_INVALID);
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 100001, 1, &tag),
           HS2N_ERR_TOO_BIG);
  msg.flags = HS2N_MSG_ACK;
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 1, 1, &tag), HS2N_ERR_INVALID);
  msg = question(&w, 1);
  msg.type = HS2N_LANE_SYNC; /* no request */
  CHECK_EQ(world_request(&w, 0, all, 3, &msg, 1, 1, &tag), HS2N_ERR_INVALID);
  CHECK_EQ(world_send(&w, 0, 1, WORLD_ASK, 1, 1, NULL), HS2N_ERR_INVALID);
  CHECK_EQ(world_send(&w, 0, 1, WORLD_ANSWER, 1, 1, NULL), HS2N_ERR_INVALID);
  CHECK_EQ(tag.v, 0);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 200001, 1), HS2N_ERR_TOO_BIG);
  e.id.incarnation++;
  CHECK_EQ(world_respond(&w, 1, &e, 0, 1, 1), HS2N_ERR_STATE);
  e.id.incarnation--;
  CHECK_EQ(world_respond(&w, 1, &e, 0, 200000, 1), HS2N_OK);
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

static struct hs2n_limits few(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.requests_max = 4;
  limits.rx_requests_max = 3;
  return limits;
}

static void a_node_has_so_many_requests_open(void) {
  struct hs2n_limits limits = few();
  struct hs2n_msg msg;
  struct hs2n_tag tags[4], tag;
  struct world w;

  for (int bytes = 0; bytes < 2; bytes++) {
    if (bytes) { /* a question of 10 bytes, an answer of at most 200,000 */
      limits.requests_max = 100;
      limits.requests_bytes_max = 4 * 200010;
    }
    start(&w, &limits);
    for (size_t i = 0; i < 4; i++) {
      tags[i] = ask(&w, HS2N_S(1));
    }
    msg = question(&w, 1);
    CHECK_EQ(world_request(&w, 0, all, 3, &msg, 10, 1, &tag), HS2N_ERR_FULL);
    CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tags[2]), HS2N_OK);
    (void)is_done(&w, tags[2], HS2N_DONE_CANCELLED);
    CHECK_EQ(get(&w, 0, HS2NI_EVENT_WRITABLE).peer.v, 1);
    tags[2] = ask(&w, HS2N_S(1));
    world_sleep(&w, HS2N_S(1));
    for (size_t i = 0; i < 4; i++) {
      CHECK_EQ(get(&w, 0, HS2NI_EVENT_DONE).done.outcome, HS2N_DONE_EXPIRED);
    }
    world_fini(&w);
  }
}

static void a_peer_is_asked_so_much_at_once(void) {
  const struct hs2n_limits limits = few();
  const uint32_t one = 1;
  struct hs2n_msg msg;
  struct hs2n_tag tag, first = {0};
  struct hs2ni_event e[3];
  struct world w;

  start(&w, &limits);
  msg = question(&w, HS2N_S(1));
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(world_request(&w, 0, &one, 1, &msg, 10, 1, &tag), HS2N_OK);
    first = i == 0 ? tag : first;
    e[i] = is_asked(&w, 1, HS2N_ACCEPT);
  }
  CHECK_EQ(world_request(&w, 0, &one, 1, &msg, 10, 1, &tag), HS2N_ERR_FULL);
  /* Somebody else may still be asked. */
  tag = ask(&w, HS2N_S(1));
  (void)is_asked(&w, 2, HS2N_IGNORE);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tag), HS2N_OK);
  (void)is_done(&w, tag, HS2N_DONE_CANCELLED);
  CHECK_EQ(world_respond(&w, 1, &e[0], 0, 1, 1), HS2N_OK);
  is_answered(&w, 1, first, HS2N_ACCEPT);
  (void)get(&w, 0, HS2NI_EVENT_DONE);
  CHECK_EQ(get(&w, 0, HS2NI_EVENT_WRITABLE).peer.v, 1);
  world_sleep(&w, HS2N_S(1));
  (void)get(&w, 0, HS2NI_EVENT_DONE);
  (void)get(&w, 0, HS2NI_EVENT_DONE);
  finish(&w);
}

/* The asker has other limits, and asks more than is taken. */
static void what_a_peer_may_leave_unanswered_is_bounded(void) {
  struct hs2n_limits limits[2];
  const uint32_t one = 1;
  struct hs2n_msg msg;
  struct hs2n_tag tag;
  struct hs2ni_event e;
  struct world w;

  hs2n_limits_default(&limits[0]);
  limits[1] = few();
  world_init(&w, &(struct world_options){.net = {.seed = 7},
                                         .limits = limits,
                                         .limits_differ = true});
  world_join(&w, 0, 1);
  msg = question(&w, HS2N_S(1));
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(world_request(&w, 0, &one, 1, &msg, 10, 1, &tag), HS2N_OK);
  }
  for (int i = 0; i < 3; i++) {
    e = is_asked(&w, 1, HS2N_ACCEPT);
  }
  CHECK(has_none(&w, 1));
  for (int i = 0; i < 7; i++) {
    const struct hs2n_done done = get(&w, 0, HS2NI_EVENT_DONE).done;

    CHECK_EQ(done.outcome, HS2N_DONE_REFUSED);
    CHECK_EQ(done.reason, HS2N_REASON_NOT_SERVED);
  }
  CHECK_EQ(w.places[1].env.stats.requests_unserved, 7);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 1, 1), HS2N_OK); /* makes room for one */
  CHECK_EQ(world_request(&w, 0, &one, 1, &msg, 10, 1, &tag), HS2N_OK);
  (void)is_asked(&w, 1, HS2N_ACCEPT);
  world_fini(&w);
}

static void an_answer_takes_the_budget_of_messages(void) {
  struct hs2n_limits limits;
  struct hs2ni_event e;
  struct hs2n_tag tag;
  struct world w;

  hs2n_limits_default(&limits);
  limits.tx_queue_bytes_max = 150000;
  start(&w, &limits);
  tag = ask(&w, HS2N_S(1));
  e = is_asked(&w, 1, HS2N_ACCEPT);
  world_cut(&w, 0, 1);
  world_settle(&w);
  CHECK_EQ(world_send(&w, 1, 0, HS2N_LANE_BULK, 100000, 1, NULL), HS2N_OK);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 60000, 1), HS2N_ERR_FULL);
  world_join(&w, 0, 1);
  CHECK_EQ(world_run(&w, 0), 1);
  CHECK_EQ(world_respond(&w, 1, &e, 0, 60000, 1), HS2N_OK);
  is_answered(&w, 1, tag, HS2N_ACCEPT);
  (void)is_done(&w, tag, HS2N_DONE_ACKED);
  finish(&w);
}

/* ---- memory
 * -------------------------------------------------------------------
 */

static void a_steady_exchange_allocates_nothing(void) {
  struct world w;
  uint64_t before[2] = {0};

  start(&w, NULL);
  for (int i = 0; i < 40; i++) {
    const struct hs2n_msg msg = question(&w, HS2N_S(1));
    const struct hs2ni_target target = {
        .chan = w.places[0].ends[1].chan, .peer = {1}, .weight = 1};
    struct hs2n_tag tag;
    struct hs2ni_event e;

    if (i == 20) {
      before[0] = w.places[0].mem.requests;
      before[1] = w.places[1].mem.requests;
    }
    CHECK_EQ(hs2ni_msgs_request(w.places[0].msgs, &target, 1, &msg, &tag),
             HS2N_OK);
    e = is_asked(&w, 1, HS2N_ACCEPT);
    CHECK_EQ(hs2ni_msgs_respond(w.places[1].ends[0].chan, e.id, 0, NULL),
             HS2N_OK);
    is_answered(&w, 1, tag, HS2N_ACCEPT);
    (void)is_done(&w, tag, HS2N_DONE_ACKED);
  }
  CHECK_EQ(w.places[0].mem.requests, before[0]);
  CHECK_EQ(w.places[1].mem.requests, before[1]);
  finish(&w);
}

int main(void) {
  RUN(an_answer_ends_the_request);
  RUN(an_answer_may_be_given_before_the_verdict);
  RUN(a_refusal_has_the_next_peer_asked_at_once);
  RUN(when_all_refuse_so_does_the_request);
  RUN(a_bad_answer_has_the_next_peer_asked_at_once);
  RUN(an_answer_may_be_judged_later);
  RUN(an_answer_that_finds_no_room_comes_again);
  RUN(a_peer_that_lets_time_pass_is_overtaken);
  RUN(a_peer_whose_pace_is_known_gets_less_time);
  RUN(the_deadline_ends_all_tries);
  RUN(who_failed_lately_is_asked_last);
  RUN(a_cancelled_request_is_silent);
  RUN(a_view_ends_its_requests);
  RUN(who_is_in_a_later_view_sends_the_asker_on);
  RUN(requests_survive_reconnects);
  RUN(the_connected_are_asked_first);
  RUN(a_restarted_peer_may_be_asked_again);
  RUN(a_restarted_asker_gets_no_answers_of_old);
  RUN(a_member_that_leaves_is_passed_over);
  RUN(stopping_cancels_requests);
  RUN(wrong_calls_are_refused);
  RUN(a_node_has_so_many_requests_open);
  RUN(a_peer_is_asked_so_much_at_once);
  RUN(what_a_peer_may_leave_unanswered_is_bounded);
  RUN(an_answer_takes_the_budget_of_messages);
  RUN(a_steady_exchange_allocates_nothing);
  return tap_done();
}
