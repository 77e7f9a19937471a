/* What a scenario can do besides making faults. */
#include "world.h"

static void heal(struct hs2n_sim *sim, void *arg) {
  hs2n_time *at = arg;

  *at = hs2n_sim_now(sim);
  hs2n_sim_heal(sim);
}

static void a_timeline_is_laid_down_ahead(void) {
  struct hs2n_sim *sim = world_of(4, 31);
  const hs2n_time start = hs2n_sim_now(sim);
  hs2n_time healed = 0;

  hs2n_sim_cut(sim, 0, HS2N_SIM_ALL, true);
  CHECK_EQ(hs2n_sim_at(sim, start + HS2N_S(20), heal, &healed), HS2N_OK);
  hs2n_sim_run(sim, HS2N_S(19));
  CHECK(healed == 0 && !hs2n_sim_meshed(sim));
  CHECK(hs2n_sim_settle(sim, HS2N_S(40)));
  CHECK_EQ(healed, start + HS2N_S(20));
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void find_note(void *user_data, const struct hs2n_sim_event *event) {
  unsigned *count = user_data;

  *count += strcmp(event->text, "the storm begins") == 0;
}

static void notes_are_in_the_trace_and_in_the_hash(void) {
  struct hs2n_sim *told = world_of(2, 32);
  struct hs2n_sim *silent = world_of(2, 32);
  unsigned count = 0;

  CHECK(hs2n_sim_hash(told) == hs2n_sim_hash(silent));
  hs2n_sim_note(told, HS2N_SIM_ALL, "the storm begins");
  CHECK(hs2n_sim_hash(told) != hs2n_sim_hash(silent));
  hs2n_sim_trace(told, find_note, &count);
  CHECK_EQ(count, 1);
  hs2n_sim_free(told);
  hs2n_sim_free(silent);
}

static void an_invariant_of_the_user_breaks_the_run_off(void) {
  struct hs2n_sim *sim = world_of(2, 33);

  hs2n_sim_fail(sim, 1, "two blocks at one height");
  hs2n_sim_fail(sim, 0, "another one");
  CHECK(!hs2n_sim_run(sim, HS2N_S(1)));
  REQUIRE(hs2n_sim_failure(sim) != NULL);
  CHECK(strstr(hs2n_sim_failure(sim), "two blocks at one height") != NULL);
  hs2n_sim_free(sim);
}

static void chance_of_the_scenario_is_of_its_seed(void) {
  struct hs2n_sim *a = world_of(2, 34);
  struct hs2n_sim *b = world_of(2, 34);
  unsigned low = 0;

  for (unsigned i = 0; i < 1000; i++) {
    const uint64_t n = hs2n_sim_random(a, 10);

    CHECK(n < 10 && n == hs2n_sim_random(b, 10));
    low += n < 5;
  }
  CHECK(low > 400 && low < 600);
  hs2n_sim_free(a);
  hs2n_sim_free(b);
}

static void what_nodes_say_to_messages_can_be_set(void) {
  const struct hs2n_sim_msg msg = {.from = 0,
                                   .to = 1,
                                   .lane = HS2N_LANE_VOTE,
                                   .len = 100,
                                   .flags = HS2N_MSG_ACK};
  struct hs2n_sim *sim = world_of(2, 35);

  hs2n_sim_set_verdict(sim, 1, HS2N_REJECT);
  CHECK_EQ(hs2n_sim_send(sim, &msg, NULL), HS2N_OK);
  hs2n_sim_run(sim, HS2N_S(1));
  CHECK_EQ(world_node(sim, 1).messages_refused, 1);
  hs2n_sim_set_verdict(sim, HS2N_SIM_ALL, HS2N_ACCEPT);
  CHECK_EQ(hs2n_sim_send(sim, &msg, NULL), HS2N_OK);
  CHECK(hs2n_sim_settle(sim, HS2N_S(5)));
  CHECK_EQ(world_node(sim, 1).messages_refused, 1);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* A call of node.h from outside of an upcall leaves with the flush. */
static void a_node_can_be_called_as_it_is(void) {
  struct hs2n_sim *sim = world_of(3, 36);
  struct hs2n_dst dst = {.kind = HS2N_DST_PEER};
  const struct hs2n_msg msg = {.type = 1, .flags = HS2N_MSG_ACK};
  uint64_t before;

  CHECK_EQ(hs2n_sim_peer(sim, 0, 2, &dst.peer), HS2N_OK);
  CHECK_EQ(hs2n_sim_index(sim, 0, dst.peer), 2);
  CHECK_EQ(hs2n_sim_index(sim, 0, (struct hs2n_peer){77}), HS2N_SIM_ALL);
  before = world_stats(sim).datagrams;
  CHECK_EQ(hs2n_send(hs2n_sim_node(sim, 0), &dst, &msg, NULL), HS2N_OK);
  CHECK_EQ(world_stats(sim).datagrams, before);
  hs2n_sim_flush(sim, 0);
  CHECK(world_stats(sim).datagrams > before);
  hs2n_sim_free(sim);
}

int main(void) {
  RUN_OVER(a_timeline_is_laid_down_ahead);
  RUN_OVER(notes_are_in_the_trace_and_in_the_hash);
  RUN_OVER(an_invariant_of_the_user_breaks_the_run_off);
  RUN_OVER(chance_of_the_scenario_is_of_its_seed);
  RUN_OVER(what_nodes_say_to_messages_can_be_set);
  RUN_OVER(a_node_can_be_called_as_it_is);
  return tap_done();
}
