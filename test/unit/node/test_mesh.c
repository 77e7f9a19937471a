/* Nodes find each other, and messages arrive where they should. */
#include "meshed.h"

static uint64_t opened(struct netsim *s) {
  uint64_t n = 0;

  for (size_t i = 0; i < 4; i++) {
    n += netsim_stats(s, i).connections_opened;
  }
  return n;
}

/* covers: N07, H73 */
static void four_nodes_form_a_mesh_of_one_connection_per_pair(void) {
  struct netsim *s = meshed(4, 1);
  uint64_t closed = 0;

  netsim_run(s, HS2N_S(5));
  for (size_t i = 0; i < 4; i++) {
    closed += netsim_stats(s, i).connections_closed;
    CHECK_EQ(netsim_node(s, i)->seen.ups, 3);
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
  }
  CHECK_EQ(opened(s), 12); /* six pairs, two ends */
  CHECK_EQ(closed, 0);
  netsim_free(s);
}

/* covers: H02, P15 */
static void a_message_to_one_arrives_once_there_and_nowhere_else(void) {
  struct netsim *s = meshed(4, 2);
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(2));
  for (size_t i = 0; i < 4; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.messages, i == 2);
  }
  CHECK_EQ(netsim_node(s, 2)->seen.from[0], 1);
  CHECK_EQ(netsim_node(s, 2)->seen.last_len, 150);
  CHECK(!netsim_node(s, 2)->seen.bytes_wrong);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_tag.v, tag.v);
  netsim_free(s);
}

static void broadcast_of(struct netsim *s, size_t len, uint32_t round) {
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 1, 1, HS2N_LANE_PROPOSAL, len, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(3));
  for (size_t i = 0; i < 7; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.messages, i == 1 ? 0 : round);
    CHECK(i == 1 || netsim_node(s, i)->seen.last_len == len);
    CHECK(!netsim_node(s, i)->seen.bytes_wrong);
  }
  CHECK_EQ(netsim_node(s, 1)->seen.dones, round);
  CHECK_EQ(netsim_node(s, 1)->seen.last_outcome, HS2N_DONE_ACKED);
  CHECK_EQ(netsim_node(s, 1)->seen.last_acked_count, 6);
  CHECK_EQ(netsim_node(s, 1)->seen.last_acked_weight, 6);
}

/* covers: N11, P14 */
static void a_broadcast_reaches_all_and_says_who_took_it(void) {
  struct netsim *s = meshed(7, 3);

  broadcast_of(s, 0, 1);
  broadcast_of(s, 1024, 2);
  broadcast_of(s, 1u << 20, 3);
  netsim_free(s);
}

/* covers: X4 */
static void a_quorum_completes_when_its_weight_is_reached(void) {
  struct netsim *s = meshed(4, 4);
  struct hs2n_buf *body = netsim_body(s, 500);
  const struct hs2n_dst all = {.kind = HS2N_DST_EPOCH, .epoch = NETSIM_EPOCH};
  const struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL,
                               .flags = HS2N_MSG_QUORUM,
                               .quorum_weight = 2,
                               .body = body};
  struct hs2n_tag tag;
  hs2n_time sent;

  netsim_set_delay(s, 0, 3, HS2N_MS(400)); /* node 3 is far away */
  netsim_run(s, HS2N_S(1));
  sent = netsim_now(s);
  CHECK_EQ(hs2n_send(netsim_node(s, 0)->node, &all, &msg, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(2));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_QUORUM);
  CHECK_EQ(netsim_node(s, 0)->seen.last_acked_weight, 2);
  CHECK(netsim_node(s, 0)->seen.last_done_at - sent < HS2N_MS(50));
  CHECK_EQ(netsim_node(s, 3)->seen.messages, 1);
  hs2n_buf_unref(body);
  netsim_free(s);
}

/* The next leader is served first, then the nearest. */
static void leaders_come_first_then_the_nearest(void) {
  struct netsim *s = meshed(4, 5);
  const struct hs2n_peer leader = netsim_peer(s, 0, 3);
  const uint8_t *to;

  netsim_set_delay(s, 0, 1, HS2N_MS(40));
  netsim_set_delay(s, 0, 2, HS2N_MS(2));
  netsim_set_delay(s, 0, 3, HS2N_MS(80));
  for (int i = 0; i < 30; i++) {
    CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
    netsim_run(s, HS2N_MS(500));
  }
  CHECK_EQ(hs2n_enter_view(netsim_node(s, 0)->node, 1, &leader, 1), HS2N_OK);
  netsim_run(s, HS2N_MS(500));
  netsim_trace(s);
  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  CHECK(netsim_traced(s, &to) >= 3);
  CHECK(to[0] == 3 && to[1] == 2 && to[2] == 1);
  netsim_free(s);
}

/* covers: H67, H30 */
static void a_round_takes_a_number_of_datagrams_linear_in_its_members(void) {
  /* The simulator's TCP acknowledges each segment by one of its own. */
  const uint64_t each = over_transport() == HS2N_TRANSPORT_TCP ? 11 : 8;
  uint64_t datagrams[2];

  for (int k = 0; k < 2; k++) {
    const size_t n = k == 0 ? 4 : 16;
    struct netsim *s = meshed(n, 6);

    netsim_run(s, HS2N_MS(500));
    datagrams[k] = netsim_datagrams(s);
    for (int round = 0; round < 10; round++) {
      CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 1000, NULL), HS2N_OK);
      netsim_run(s, HS2N_MS(100));
      for (size_t i = 1; i < n; i++) {
        CHECK_EQ(netsim_send(s, i, 0, HS2N_LANE_VOTE, 150, NULL), HS2N_OK);
      }
      netsim_run(s, HS2N_MS(100));
    }
    datagrams[k] = netsim_datagrams(s) - datagrams[k];
    netsim_free(s);
  }
  printf("# 10 rounds: %llu datagrams with 4 nodes, %llu with 16\n",
         (unsigned long long)datagrams[0], (unsigned long long)datagrams[1]);
  CHECK(datagrams[0] <= 10 * each * 3);
  CHECK(datagrams[1] <= 10 * each * 15);
}

/* covers: H27 */
static void what_is_known_of_a_peer_can_be_read(void) {
  struct netsim *s = meshed(2, 7);
  struct hs2n_peer_info info;

  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 1000, NULL), HS2N_OK);
  netsim_run(s, HS2N_MS(200));
  info = netsim_info(s, 0, 1);
  CHECK_EQ(info.state, HS2N_PEER_UP);
  CHECK_EQ(info.weight, 1);
  CHECK_EQ(info.incarnation, 1);
  CHECK_EQ(info.remote.port, 7000);
  CHECK(info.rtt_smoothed >= HS2N_MS(2) && info.rtt_smoothed < HS2N_MS(40));
  CHECK(info.last_heard > 0 && info.last_heard <= netsim_now(s));
  CHECK(info.packets_sent > 0);
  CHECK_EQ(info.queued_bytes, 0);
  CHECK_EQ(info.dial_attempts, 0);
  netsim_free(s);
}

static uint64_t run_of(uint64_t seed) {
  struct netsim_config c = netsim_config(4, seed);
  struct netsim *s;
  uint64_t hash;

  c.loss_permille = 50;
  c.jitter = HS2N_MS(3);
  s = netsim_new(&c);
  netsim_start_all(s);
  netsim_run(s, HS2N_S(1));
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(netsim_send(s, (size_t)i % 4, (size_t)i % 4, HS2N_LANE_PROPOSAL,
                         5000, NULL),
             HS2N_OK);
    netsim_run(s, HS2N_MS(50));
  }
  hash = netsim_hash(s);
  netsim_free(s);
  return hash;
}

static void two_runs_of_a_seed_send_the_same_packets(void) {
  const uint64_t first = run_of(11);

  CHECK(first == run_of(11));
  CHECK(first != run_of(12));
}

int main(void) {
  NETSIM_RUN_OVER_ALL(four_nodes_form_a_mesh_of_one_connection_per_pair);
  NETSIM_RUN_OVER_ALL(a_message_to_one_arrives_once_there_and_nowhere_else);
  NETSIM_RUN_OVER_ALL(a_broadcast_reaches_all_and_says_who_took_it);
  NETSIM_RUN_OVER_ALL(a_quorum_completes_when_its_weight_is_reached);
  RUN_OVER(leaders_come_first_then_the_nearest);
  RUN_OVER(a_round_takes_a_number_of_datagrams_linear_in_its_members);
  RUN_OVER(what_is_known_of_a_peer_can_be_read);
  RUN_OVER(two_runs_of_a_seed_send_the_same_packets);
  return tap_done();
}
