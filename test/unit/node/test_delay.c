/* What a node knows of the time that its peers take. */
#include "netsim.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { NODES = 7 };

static struct hs2n_node *node(struct netsim *s) {
  return netsim_node(s, 0)->node;
}

/* Weights 1 to 7; the others of node 0 hold 27. */
static void name_all(struct netsim *s) {
  struct hs2n_member m[NODES];

  for (size_t i = 0; i < NODES; i++) {
    m[i] = netsim_member(s, i);
    m[i].weight = i + 1;
  }
  CHECK_EQ(hs2n_set_members(node(s), NETSIM_EPOCH, m, NODES, 0), HS2N_OK);
}

/* Link i takes base + i * step one way. */
static void set_delays(struct netsim *s, hs2n_time base, hs2n_time step) {
  for (size_t i = 1; i < NODES; i++) {
    netsim_set_delay(s, 0, i, base + i * step);
  }
}

/* Has a message acknowledged by weight; the time that takes. */
static hs2n_time quorum_time(struct netsim *s, uint64_t weight) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = NETSIM_EPOCH};
  const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                               .flags = HS2N_MSG_QUORUM,
                               .quorum_weight = weight};
  const hs2n_time began = netsim_now(s);
  struct hs2n_tag tag;

  CHECK_EQ(hs2n_send(node(s), &dst, &msg, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_MS(700));
  CHECK_EQ(netsim_node(s, 0)->seen.last_tag.v, tag.v);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_QUORUM);
  return netsim_node(s, 0)->seen.last_done_at - began;
}

static hs2n_time estimate(struct netsim *s, uint64_t weight,
                          uint32_t permille) {
  hs2n_time ns = 0;

  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, weight, permille, &ns),
           HS2N_OK);
  return ns;
}

static int by_value(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a, y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

/* Sends enough for all samples to be of this network. */
static hs2n_time median_of_quorums(struct netsim *s, uint64_t weight) {
  hs2n_time times[65];

  for (size_t i = 0; i < 65; i++) {
    times[i] = quorum_time(s, weight);
  }
  qsort(times, 65, sizeof(times[0]), by_value);
  return times[32];
}

static void check_near(hs2n_time is, hs2n_time want) {
  const hs2n_time off = is > want ? is - want : want - is;

  CHECK(off * 10 <= want);
  if (off * 10 > want) {
    printf("# estimate %" PRIu64 " us, real %" PRIu64 " us\n", is / 1000,
           want / 1000);
  }
}

static struct netsim *start(hs2n_time jitter) {
  struct netsim_config c = netsim_config(NODES, 3);
  struct netsim *s;

  c.jitter = jitter;
  s = netsim_new(&c);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  name_all(s);
  return s;
}

/* covers: X7, H70 */
static void the_time_to_a_weight_follows_the_network(void) {
  static const struct {
    hs2n_time base, step;
  } networks[] = {{HS2N_MS(5), HS2N_MS(3)},
                  {HS2N_MS(40), HS2N_MS(20)},
                  {HS2N_MS(1), HS2N_US(500)},
                  {HS2N_MS(100), HS2N_MS(1)}};
  static const uint64_t weights[] = {2, 9, 18, 27};
  struct netsim *s = start(HS2N_MS(2));

  for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
    set_delays(s, networks[i].base, networks[i].step);
    for (size_t k = 0; k < 4; k++) {
      const hs2n_time real = median_of_quorums(s, weights[k]);

      check_near(estimate(s, weights[k], 500), real);
    }
    CHECK(estimate(s, 18, 990) >= estimate(s, 18, 500));
  }
  netsim_free(s);
}

/* covers: H70 */
static void each_peer_has_its_own_distribution(void) {
  struct netsim *s = start(0);
  struct hs2n_peer_info info;

  set_delays(s, 0, HS2N_MS(10));
  (void)median_of_quorums(s, 18);
  for (size_t i = 1; i < NODES; i++) {
    info = netsim_info(s, 0, i);
    CHECK_EQ(info.delay_samples, 64);
    check_near(info.delay_p50, 2 * i * HS2N_MS(10));
    CHECK(info.delay_p50 <= info.delay_p90);
    CHECK(info.delay_p90 <= info.delay_p99);
  }
  /* One in ten is three times as slow. */
  for (int i = 0; i < 70; i++) {
    netsim_set_delay(s, 0, 1, i % 10 == 0 ? HS2N_MS(30) : HS2N_MS(10));
    (void)quorum_time(s, 18);
  }
  info = netsim_info(s, 0, 1);
  check_near(info.delay_p50, HS2N_MS(20));
  check_near(info.delay_p99, HS2N_MS(60));
  netsim_free(s);
}

static void what_is_not_known_is_not_guessed(void) {
  struct netsim *s = start(0);
  hs2n_time ns = 0;

  /* Nothing was sent yet: the transport's round-trip times. */
  CHECK_EQ(netsim_info(s, 0, 1).delay_samples, 0);
  CHECK_EQ(netsim_info(s, 0, 1).delay_p50, 0);
  check_near(estimate(s, 27, 500), netsim_info(s, 0, 1).rtt_smoothed);
  CHECK_EQ(hs2n_quorum_delay(node(s), 9, 1, 500, &ns), HS2N_ERR_NO_PEER);
  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, 0, 500, &ns),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, 28, 500, &ns),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, 1, 0, &ns),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, 1, 1001, &ns),
           HS2N_ERR_INVALID);
  /* Who is down answers nobody: 20 is what is left without the last. */
  netsim_cut_both(s, 0, 6, true);
  netsim_run(s, HS2N_S(20));
  CHECK_EQ(hs2n_quorum_delay(node(s), NETSIM_EPOCH, 21, 500, &ns),
           HS2N_ERR_STATE);
  CHECK_EQ(ns, 0);
  CHECK(estimate(s, 20, 500) > 0);
  netsim_free(s);
}

/* What waited for a connection says nothing of the peer. */
static void time_without_a_connection_does_not_count(void) {
  struct netsim *s = start(0);
  struct hs2n_tag tag;

  netsim_cut_both(s, 0, 1, true);
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 10, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(20));
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 10, &tag), HS2N_OK);
  netsim_cut_both(s, 0, 1, false);
  netsim_run(s, HS2N_S(60));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 2);
  CHECK_EQ(netsim_info(s, 0, 1).delay_samples, 2);
  check_near(netsim_info(s, 0, 1).delay_p99, HS2N_MS(2));
  netsim_free(s);
}

/* It is asked each time a view begins. */
static void asking_takes_no_memory(void) {
  struct netsim *s = start(0);
  struct test_mem *mem = &netsim_node(s, 0)->mem;
  uint64_t requests;
  hs2n_time before;

  (void)median_of_quorums(s, 18);
  before = estimate(s, 18, 900);
  requests = mem->requests;
  mem->fail_at = requests + 1;
  CHECK_EQ(estimate(s, 18, 900), before);
  CHECK_EQ(mem->requests, requests);
  mem->fail_at = 0;
  netsim_free(s);
}

/* ---- what judging has cost -------------------------------------------------
 */

static enum hs2n_verdict judge(struct netsim_node *n, size_t from,
                               struct hs2n_msg_id id,
                               const struct hs2n_msg *msg) {
  static const enum hs2n_verdict verdicts[] = {HS2N_LATER, HS2N_REJECT,
                                               HS2N_ACCEPT, HS2N_LATER};

  (void)from, (void)msg;
  *(struct hs2n_msg_id *)n->test = id;
  return verdicts[(id.seq - 1) % 4];
}

static void verdicts_and_their_cost_are_counted_by_peer(void) {
  struct netsim *s = start(0);
  struct hs2n_peer_info info;
  struct hs2n_msg_id id = {0};

  netsim_node(s, 0)->judge = judge;
  netsim_node(s, 0)->test = &id;
  for (int i = 0; i < 4; i++) {
    CHECK_EQ(netsim_send(s, 1, 0, HS2N_LANE_CONTROL, 10, NULL), HS2N_OK);
  }
  netsim_flush(s, 1);
  netsim_run(s, HS2N_S(1));
  info = netsim_info(s, 0, 1);
  CHECK_EQ(info.judged_msgs, 2);
  CHECK_EQ(info.rejected_msgs, 1);
  CHECK_EQ(id.seq, 4);
  CHECK_EQ(hs2n_judge(node(s), netsim_peer(s, 0, 1), id, HS2N_ACCEPT, 700),
           HS2N_OK);
  CHECK_EQ(hs2n_judge(node(s), netsim_peer(s, 0, 1), id, HS2N_ACCEPT, 700),
           HS2N_ERR_STATE); /* counts once */
  id.seq = 1;
  CHECK_EQ(hs2n_judge(node(s), netsim_peer(s, 0, 1), id, HS2N_REJECT, 50),
           HS2N_OK);
  info = netsim_info(s, 0, 1);
  CHECK_EQ(info.judged_msgs, 4);
  CHECK_EQ(info.rejected_msgs, 2);
  CHECK_EQ(info.judge_cost_ns, 750);
  CHECK_EQ(netsim_info(s, 0, 2).judged_msgs, 0);
  netsim_free(s);
}

int main(void) {
  RUN_OVER(the_time_to_a_weight_follows_the_network);
  RUN_OVER(each_peer_has_its_own_distribution);
  RUN_OVER(what_is_not_known_is_not_guessed);
  RUN_OVER(time_without_a_connection_does_not_count);
  RUN_OVER(asking_takes_no_memory);
  RUN_OVER(verdicts_and_their_cost_are_counted_by_peer);
  return tap_done();
}
