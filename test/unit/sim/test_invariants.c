/* Each invariant can break: what a wrong library would do is done by hand. */
#include "world.h"

#include "sim/inside.h"

#include <string.h>

static struct hs2n_sim *two(uint64_t seed) {
  return world_of(2, seed);
}

static uint64_t accepted(struct hs2n_sim *sim, uint32_t flags) {
  const struct hs2n_sim_msg msg = {
      .from = 0, .to = 1, .lane = HS2N_LANE_VOTE, .len = 100, .flags = flags};
  struct hs2n_tag tag = {0};

  CHECK_EQ(hs2n_sim_send(sim, &msg, &tag), HS2N_OK);
  return tag.v;
}

/* The failure must name what broke. */
static void broken(struct hs2n_sim *sim, const char *text) {
  const char *failure = hs2n_sim_failure(sim);
  const hs2n_time now = hs2n_sim_now(sim);

  CHECK(failure != NULL);
  if (failure != NULL && strstr(failure, text) == NULL) {
    CHECK_TEXT(failure, text);
  }
  CHECK(!hs2n_sim_run(sim, HS2N_S(1))); /* it is over */
  CHECK_EQ(hs2n_sim_now(sim), now);
  hs2n_sim_free(sim);
}

/* ---- messages
 * -------------------------------------------------------------------
 */

static void a_message_that_nobody_sent_is_noticed(void) {
  struct hs2n_sim *sim = two(1);

  hs2ni_model_taken(&sim->nodes[1], 0, HS2N_LANE_VOTE, 1);
  broken(sim, "message 1 was not sent by n0");
}

static void a_message_that_comes_twice_is_noticed(void) {
  struct hs2n_sim *sim = two(2);

  accepted(sim, 0);
  hs2ni_model_taken(&sim->nodes[1], 0, HS2N_LANE_VOTE, 1);
  CHECK(hs2n_sim_failure(sim) == NULL);
  hs2ni_model_taken(&sim->nodes[1], 0, HS2N_LANE_VOTE, 1);
  broken(sim, "message 1 of n0 comes after 1");
}

/* Once more, when its view has come; then a third time by hand. */
static void a_held_message_may_come_once_more_and_not_twice(void) {
  struct hs2n_sim *sim = two(17);
  const struct hs2n_sim_msg msg = {
      .from = 0, .to = 1, .lane = HS2N_LANE_VOTE, .len = 100, .view = 5};

  hs2n_sim_set_verdict(sim, 1, HS2N_HOLD);
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(hs2n_sim_send(sim, &msg, NULL), HS2N_OK);
  }
  CHECK(hs2n_sim_run(sim, HS2N_MS(100)));
  hs2n_sim_set_verdict(sim, 1, HS2N_ACCEPT);
  CHECK_EQ(hs2n_enter_view(hs2n_sim_node(sim, 1), 5, NULL, 0), HS2N_OK);
  hs2n_sim_wake(sim, 1);
  CHECK(hs2n_sim_failure(sim) == NULL);
  CHECK_EQ(world_stats(sim).messages, 40);
  hs2ni_check_id(&sim->nodes[1], 0,
                 (struct hs2n_msg_id){.incarnation = sim->nodes[0].incarnation,
                                      .seq = 3,
                                      .lane = HS2N_LANE_VOTE},
                 true);
  broken(sim, "hears VOTE 3 of n0 after 20");
}

static void a_message_left_out_is_noticed(void) {
  struct hs2n_sim *sim = two(3);

  accepted(sim, 0);
  accepted(sim, 0);
  hs2ni_model_taken(&sim->nodes[1], 0, HS2N_LANE_VOTE, 2);
  broken(sim, "message 1 of n0 in VOTE is left out");
}

static void a_message_that_never_comes_is_noticed(void) {
  struct hs2n_sim *sim = two(4);

  hs2n_sim_set_verdict(sim, 1, HS2N_BUSY);
  accepted(sim, 0);
  CHECK(!hs2n_sim_settle(sim, HS2N_S(5)));
  broken(sim, "messages or completions are due");
}

static void sequence_numbers_may_not_go_back(void) {
  struct hs2n_sim *sim = two(5);
  struct hs2n_msg_id id = {.incarnation = 7, .seq = 5, .lane = HS2N_LANE_CERT};

  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  id.seq = 6;
  hs2ni_check_id(&sim->nodes[1], 0, id, false); /* BUSY: it comes again */
  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  CHECK(hs2n_sim_failure(sim) == NULL);
  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  broken(sim, "hears CERT 6 of n0 after 6");
}

static void an_older_process_may_not_be_heard_after_a_newer(void) {
  struct hs2n_sim *sim = two(6);
  struct hs2n_msg_id id = {.incarnation = 7, .seq = 5, .lane = HS2N_LANE_CERT};

  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  id.incarnation = 8;
  id.seq = 1;
  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  CHECK(hs2n_sim_failure(sim) == NULL);
  id.incarnation = 7;
  id.seq = 6;
  hs2ni_check_id(&sim->nodes[1], 0, id, true);
  broken(sim, "hears process 7 of n0 after 8");
}

/* A body of node 0 with a byte changed comes to node 1. */
static void hear(struct hs2n_sim *sim, uint32_t from, size_t at, uint8_t flip) {
  struct hs2n_msg_id id = {.lane = HS2N_LANE_VOTE, .seq = 1};
  struct hs2n_msg msg = {.type = HS2N_LANE_VOTE};
  uint8_t *data;

  CHECK_EQ(hs2n_buf_alloc(&msg.body, hs2n_mem_libc(), 100, &data), HS2N_OK);
  hs2ni_load_body(sim, 0, 1, 100, data);
  data[at] ^= flip;
  id.incarnation = sim->nodes[from].incarnation;
  hs2ni_load_took(&sim->nodes[1], from, id, &msg);
  hs2n_buf_unref(msg.body);
}

static void a_changed_message_is_noticed(void) {
  /* The first eight say that it is one of the load at all; without them it is
   * missed by the next in its lane. */
  for (size_t at = 8; at < 100; at++) {
    struct hs2n_sim *sim = two(7);

    hear(sim, 0, at, 1);
    broken(sim, "is changed");
  }
}

static void a_message_of_another_sender_is_noticed(void) {
  struct hs2n_sim *sim = world_of(3, 8);

  hear(sim, 2, 0, 0);
  broken(sim, "message of n0 comes as one of n2");
}

/* ---- completions
 * ------------------------------------------------------------------
 */

static void done(struct hs2n_sim *sim, uint64_t tag, enum hs2n_outcome how) {
  const struct hs2n_done d = {.struct_size = sizeof(d), .outcome = how};

  hs2ni_model_done(&sim->nodes[0], (struct hs2n_tag){tag}, &d);
}

static void an_ack_of_what_was_not_taken_is_noticed(void) {
  struct hs2n_sim *sim = two(8);

  done(sim, accepted(sim, HS2N_MSG_ACK), HS2N_DONE_ACKED);
  broken(sim, "ACKED, but not taken by all");
}

static void a_completion_that_comes_twice_is_noticed(void) {
  struct hs2n_sim *sim = two(9);
  const uint64_t tag = accepted(sim, HS2N_MSG_ACK);

  done(sim, tag, HS2N_DONE_EXPIRED);
  CHECK(hs2n_sim_failure(sim) == NULL);
  done(sim, tag, HS2N_DONE_EXPIRED);
  broken(sim, "ends, but none such is open");
}

static void a_quorum_without_its_weight_is_noticed(void) {
  const struct hs2n_sim_msg msg = {.from = 0,
                                   .to = HS2N_SIM_ALL,
                                   .lane = HS2N_LANE_VOTE,
                                   .len = 100,
                                   .flags = HS2N_MSG_QUORUM,
                                   .quorum_weight = 1};
  struct hs2n_sim *sim = two(10);
  struct hs2n_tag tag = {0};

  CHECK_EQ(hs2n_sim_send(sim, &msg, &tag), HS2N_OK);
  done(sim, tag.v, HS2N_DONE_QUORUM);
  broken(sim, "has its quorum too early");
}

/* ---- the node
 * ------------------------------------------------------------------------
 */

static void more_memory_than_the_worst_case_is_noticed(void) {
  struct hs2n_sim *sim = two(11);
  struct hs2ni_sim_ledger *l = &sim->nodes[1].ledger;
  void *ptr = l->mem.alloc(&sim->nodes[1], (size_t)l->limit);

  CHECK(ptr != NULL);
  l->mem.release(&sim->nodes[1], ptr, (size_t)l->limit);
  broken(sim, "worst case is");
}

static void memory_left_behind_is_noticed(void) {
  struct hs2n_sim *sim = two(12);
  struct hs2ni_sim_ledger *l = &sim->nodes[1].ledger;
  void *ptr = l->mem.alloc(&sim->nodes[1], 100);

  hs2n_sim_crash(sim, 1, false);
  hs2n_mem_libc()->release(hs2n_mem_libc()->user_data, ptr, 100);
  broken(sim, "leaves 100 bytes behind");
}

static void a_second_connection_is_noticed(void) {
  struct hs2n_sim *sim = two(13);

  hs2ni_check_peer(&sim->nodes[1], 0, HS2N_PEER_UP, HS2N_REASON_NONE);
  broken(sim, "n0 is UP twice");
}

static void a_missing_connection_is_noticed(void) {
  struct hs2n_sim *sim = two(14);

  hs2n_sim_cut(sim, 0, 1, true);
  hs2n_sim_run(sim, HS2N_S(20));
  CHECK(!hs2n_sim_settle(sim, HS2N_S(20)));
  broken(sim, "no mesh");
}

static hs2n_time long_ago(void *self, uint32_t node) {
  (void)self;
  return node == 1 ? 1 : HS2N_TIME_NEVER;
}

static void a_timer_that_never_rests_is_noticed(void) {
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .deadline = long_ago};
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;

  world_config(&config, 2, 15);
  config.app = &app;
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  CHECK(hs2n_sim_start_all(sim));
  CHECK(!hs2n_sim_run(sim, HS2N_S(1)));
  broken(sim, "wants to be called for ever");
}

/* ---- mistakes of the user ---------------------------------------------------
 */

struct mistake {
  struct hs2n_sim *sim;
  bool runs; /* else it crashes the node */
};

static void wrong(void *self, uint32_t node, hs2n_time now) {
  const struct mistake *m = self;

  (void)now;
  if (m->runs) {
    CHECK(!hs2n_sim_run(m->sim, HS2N_S(1)));
  } else {
    hs2n_sim_crash(m->sim, node, false);
    CHECK(hs2n_sim_running(m->sim, node));
  }
}

static void a_callback_may_neither_run_the_world_nor_end_its_node(void) {
  for (int i = 0; i < 2; i++) {
    struct mistake m = {.runs = i == 0};
    const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                     .self = &m,
                                     .deadline = long_ago,
                                     .tick = wrong};
    struct hs2n_sim_config config;

    world_config(&config, 2, 15);
    config.app = &app;
    CHECK_EQ(hs2n_sim_new(&m.sim, &config), HS2N_OK);
    CHECK(hs2n_sim_start_all(m.sim));
    CHECK(!hs2n_sim_run(m.sim, HS2N_S(1)));
    broken(m.sim, i == 0 ? "run from inside a callback"
                         : "changed from inside its own upcall");
  }
}

static void only_the_first_failure_counts(void) {
  struct hs2n_sim *sim = two(16);

  hs2n_sim_fail(sim, 1, "of my own");
  hs2n_sim_fail(sim, 0, "another");
  broken(sim, "n1   FAIL      of my own");
}

int main(void) {
  RUN_OVER(a_message_that_nobody_sent_is_noticed);
  RUN_OVER(a_message_that_comes_twice_is_noticed);
  RUN_OVER(a_held_message_may_come_once_more_and_not_twice);
  RUN_OVER(a_message_left_out_is_noticed);
  RUN_OVER(a_message_that_never_comes_is_noticed);
  RUN_OVER(sequence_numbers_may_not_go_back);
  RUN_OVER(an_older_process_may_not_be_heard_after_a_newer);
  RUN_OVER(a_changed_message_is_noticed);
  RUN_OVER(a_message_of_another_sender_is_noticed);
  RUN_OVER(an_ack_of_what_was_not_taken_is_noticed);
  RUN_OVER(a_completion_that_comes_twice_is_noticed);
  RUN_OVER(a_quorum_without_its_weight_is_noticed);
  RUN_OVER(more_memory_than_the_worst_case_is_noticed);
  RUN_OVER(memory_left_behind_is_noticed);
  RUN_OVER(a_second_connection_is_noticed);
  RUN_OVER(a_missing_connection_is_noticed);
  RUN_OVER(a_timer_that_never_rests_is_noticed);
  RUN_OVER(a_callback_may_neither_run_the_world_nor_end_its_node);
  RUN_OVER(only_the_first_failure_counts);
  return tap_done();
}
