/* Requests and peers that break the rules, and memory that runs out. */
#include "raw.h"
#include "world.h"

/* ---- peers that break the rules
 * ----------------------------------------------
 */

static void raw_response(struct raw *r, uint64_t stream, uint64_t seq,
                         uint64_t number, uint8_t type, uint32_t len,
                         enum hs2n_reason reason) {
  struct bytes b = {0};

  if (seq == 1) {
    bytes_head(&b, HS2NI_STREAM_LANE, (uint8_t)world_types[type].lane, 0, 0);
  }
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                          .seq = seq,
                                          .type = type,
                                          .flags = HS2NI_FLAG_RESPONSE,
                                          .request = number,
                                          .body_len = len});
  bytes_fill(&b, len);
  CHECK_EQ(raw_data(r, stream, &b, false), reason);
}

static struct hs2n_tag raw_ask(struct raw *r) {
  const struct hs2ni_target target = {
      .chan = r->chan, .peer = {1}, .weight = 1};
  const struct hs2n_msg msg = {.type = WORLD_ASK,
                               .deadline = r->env.now + HS2N_S(1)};
  struct hs2n_tag tag = {0};

  CHECK_EQ(hs2ni_msgs_request(r->msgs, &target, 1, &msg, &tag), HS2N_OK);
  (void)raw_drain(r);
  return tag;
}

static void an_answer_that_was_never_asked_for_is_a_breach(void) {
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 1);
  (void)raw_ask(&r);
  raw_response(&r, 3, 1, r.env.limits.tags_max + 1, WORLD_ANSWER, 5,
               HS2N_REASON_PROTOCOL);
  raw_fini(&r);
}

static void what_has_no_order_neither_asks_nor_answers(void) {
  for (int i = 0; i < 2; i++) {
    struct bytes b = {0};
    struct raw r;

    raw_init(&r, NULL);
    raw_attach(&r, 1);
    bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
    bytes_record(
        &b, &(struct hs2ni_record){
                .kind = HS2NI_RECORD_MSG,
                .seq = 1,
                .type = i == 0 ? WORLD_ASK : WORLD_ANSWER,
                .flags = HS2NI_FLAG_UNORDERED |
                         (i == 0 ? HS2NI_FLAG_REQUEST : HS2NI_FLAG_RESPONSE),
                .request = raw_ask(&r).v});
    CHECK_EQ(raw_data(&r, 3, &b, false), HS2N_REASON_PROTOCOL);
    raw_fini(&r);
  }
}

static void a_second_answer_is_dropped(void) {
  struct hs2ni_event e;
  struct hs2n_tag tag;
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 1);
  tag = raw_ask(&r);
  raw_response(&r, 3, 1, tag.v, WORLD_ANSWER, 5, HS2N_REASON_NONE);
  raw_response(&r, 3, 2, tag.v, WORLD_ANSWER, 5, HS2N_REASON_NONE);
  raw_response(&r, 3, 3, tag.v, WORLD_ANSWER, 5, HS2N_REASON_NONE);
  CHECK(hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_LATER), HS2N_OK);
  CHECK(!hs2ni_msgs_next(r.msgs, &e)); /* while the first is being judged */
  CHECK_EQ(r.env.stats.responses_dropped, 2);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan,
                              (struct hs2n_msg_id){.incarnation = 1,
                                                   .seq = 1,
                                                   .lane = HS2N_LANE_SYNC},
                              HS2N_ACCEPT),
           HS2N_OK);
  raw_response(&r, 3, 4, tag.v, WORLD_ANSWER, 5, HS2N_REASON_NONE);
  CHECK(hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(e.kind, HS2NI_EVENT_DONE);
  CHECK(!hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(r.env.stats.responses_dropped, 3);
  raw_fini(&r);
}

static void answers_of_the_wrong_type_or_size_end_the_try(void) {
  static const struct {
    uint8_t type;
    uint32_t len;
    enum hs2n_reason reason;
  } bad[] = {
      {WORLD_FOUND, 5, HS2N_REASON_UNKNOWN_TYPE}, /* answers another one */
      {HS2N_LANE_SYNC, 5, HS2N_REASON_UNKNOWN_TYPE},
      {WORLD_ASK, 5, HS2N_REASON_UNKNOWN_TYPE},
      {WORLD_ANSWER, 200001, HS2N_REASON_MSG_TOO_BIG},
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct hs2ni_event e;
    struct hs2n_tag tag;
    struct bytes b = {0};
    struct raw r;

    raw_init(&r, NULL);
    raw_attach(&r, 1);
    tag = raw_ask(&r);
    bytes_head(&b, HS2NI_STREAM_LANE, (uint8_t)world_types[bad[i].type].lane, 0,
               0);
    bytes_record(&b, &(struct hs2ni_record){.kind = bad[i].len > 5
                                                        ? HS2NI_RECORD_LARGE
                                                        : HS2NI_RECORD_MSG,
                                            .seq = 1,
                                            .type = bad[i].type,
                                            .flags = HS2NI_FLAG_RESPONSE,
                                            .request = tag.v,
                                            .body_len = bad[i].len});
    CHECK_EQ(raw_data(&r, 3, &b, false), HS2N_REASON_NONE);
    CHECK(hs2ni_msgs_next(r.msgs, &e));
    CHECK_EQ(e.kind, HS2NI_EVENT_DONE);
    CHECK_EQ(e.done.outcome, HS2N_DONE_REFUSED);
    CHECK_EQ(e.done.reason, bad[i].reason);
    raw_fini(&r);
  }
}

static void a_message_that_should_be_a_request_is_refused(void) {
  static const uint32_t flags[] = {0, HS2NI_FLAG_REQUEST};
  static const uint8_t types[] = {WORLD_ASK, HS2N_LANE_SYNC};

  for (size_t i = 0; i < 2; i++) {
    struct bytes b = {0};
    struct raw r;

    raw_init(&r, NULL);
    raw_attach(&r, 1);
    bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
    bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                            .seq = 1,
                                            .type = types[i],
                                            .flags = flags[i],
                                            .request = 1,
                                            .body_len = 0});
    CHECK_EQ(raw_data(&r, 3, &b, false), HS2N_REASON_NONE);
    CHECK_EQ(r.env.stats.messages_refused, 1);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
    raw_fini(&r);
  }
}

static void a_refusal_without_a_reason_is_one(void) {
  struct hs2ni_event e;
  struct bytes b = {0};
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 1);
  (void)raw_ask(&r);
  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                          .lane = HS2N_LANE_SYNC,
                                          .seq = 1,
                                          .code = 0});
  CHECK_EQ(raw_data(&r, 3, &b, false), HS2N_REASON_NONE);
  CHECK(hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(e.done.outcome, HS2N_DONE_REFUSED);
  CHECK_EQ(e.done.reason, HS2N_REASON_REJECTED);
  raw_fini(&r);
}

static void a_peer_that_can_not_be_asked_is_not(void) {
  struct hs2ni_event e;
  struct hs2n_tag tag;
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 1);
  r.chan->peer_caps = 0;
  tag = raw_ask(&r);
  CHECK(hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(e.tag.v, tag.v);
  CHECK_EQ(e.done.outcome, HS2N_DONE_REFUSED);
  CHECK_EQ(e.done.reason, HS2N_REASON_UNKNOWN_TYPE);
  raw_fini(&r);
}

/* ---- memory
 * -------------------------------------------------------------------
 */

/* A run in which one allocation of a place fails.  Whether it was reached. */
static bool run_with_failure(uint32_t place, uint64_t at) {
  struct world w;
  struct hs2n_msg msg;
  struct hs2n_tag tag;
  uint32_t asked = 0, dones = 0;
  const uint32_t others[] = {1, 2};
  struct test_mem *mem;
  bool reached;

  world_init(&w, &(struct world_options){.places = 3,
                                         .net = {.seed = at, .whole = true}});
  world_join(&w, 0, 1);
  world_join(&w, 0, 2);
  mem = &w.places[place].mem;
  mem->fail_at = mem->requests + at;
  for (int round = 0; round < 3; round++) {
    msg = (struct hs2n_msg){.type = WORLD_ASK,
                            .deadline = w.places[0].env.now + HS2N_MS(50)};
    /* The application's own body may not be what fails. */
    if (mem->fail_at == mem->requests + 1) {
      mem->requests++;
    }
    asked +=
        world_request(&w, 0, others, 2, &msg, 10, 1, &tag) == HS2N_OK ? 1u : 0;
    for (int i = 0; i < 30; i++) {
      for (uint32_t p = 0; p < 3; p++) {
        struct hs2ni_event e;

        world_settle(&w);
        if (!hs2ni_msgs_next(w.places[p].msgs, &e)) {
          continue;
        }
        dones += e.kind == HS2NI_EVENT_DONE;
        if (e.kind == HS2NI_EVENT_REQUEST || e.kind == HS2NI_EVENT_RESPONSE) {
          CHECK_EQ(world_judge(&w, p, &e, HS2N_ACCEPT), HS2N_OK);
        }
        if (e.kind == HS2NI_EVENT_REQUEST) {
          (void)(hs2ni_msgs_respond(w.places[p].ends[0].chan, e.id, 0, NULL) ==
                 HS2N_OK);
        }
      }
      world_sleep(&w, HS2N_MS(2));
      for (uint32_t p = 1; p < 3; p++) {
        if (w.places[0].ends[p].conn == NULL &&
            w.places[p].ends[0].conn == NULL) {
          world_join(&w, 0, p);
        }
      }
    }
  }
  reached = mem->requests >= mem->fail_at;
  CHECK_EQ(dones, asked);
  CHECK(asked >= 2);
  CHECK_EQ(w.places[0].msgs->requests.open.count, 0);
  CHECK(w.breaches == 0 || w.last_reason == HS2N_REASON_INTERNAL);
  world_fini(&w);
  return reached;
}

static void any_allocation_may_fail(void) {
  for (uint32_t place = 0; place < 2; place++) {
    uint64_t at = 1;

    while (run_with_failure(place, at)) {
      at++;
    }
    CHECK(at > 5);
  }
}

int main(void) {
  RUN(an_answer_that_was_never_asked_for_is_a_breach);
  RUN(what_has_no_order_neither_asks_nor_answers);
  RUN(a_second_answer_is_dropped);
  RUN(answers_of_the_wrong_type_or_size_end_the_try);
  RUN(a_message_that_should_be_a_request_is_refused);
  RUN(a_refusal_without_a_reason_is_one);
  RUN(a_peer_that_can_not_be_asked_is_not);
  RUN(any_allocation_may_fail);
  return tap_done();
}
