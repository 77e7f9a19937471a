/* Who gets a message, in which order, and how many can be served. */
#include "netsim.h"
#include "tap.h"

#define NODES 16

/* Every path gets a delay of its own; a broadcast is written nearest first. */
static void receivers_are_served_by_round_trip_time(void) {
  struct netsim_config c = netsim_config(NODES, 3);
  struct netsim *s = netsim_new(&c);
  hs2n_time rtt[NODES];
  const uint8_t *to;

  for (size_t i = 1; i < NODES; i++) {
    netsim_set_delay(s, 0, i, HS2N_MS((i * 7) % 16 * 5 + 1));
  }
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(10)));
  netsim_run(s, HS2N_S(1));
  for (size_t i = 1; i < NODES; i++) {
    rtt[i] = netsim_info(s, 0, i).rtt_smoothed;
    CHECK(rtt[i] > 0);
  }
  netsim_trace(s);
  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  CHECK_EQ(netsim_traced(s, &to), NODES - 1);
  for (size_t i = 1; i < NODES - 1; i++) {
    CHECK(rtt[to[i - 1]] <= rtt[to[i]]);
  }
  netsim_free(s);
}

static void leaders_keep_their_turn_before_all_others(void) {
  struct netsim_config c = netsim_config(NODES, 4);
  struct netsim *s = netsim_new(&c);
  struct hs2n_peer leaders[3];
  const uint8_t *to;

  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(10)));
  netsim_run(s, HS2N_S(1));
  leaders[0] = netsim_peer(s, 0, 9);
  leaders[1] = netsim_peer(s, 0, 2);
  leaders[2] = (struct hs2n_peer){12345};
  CHECK_EQ(hs2n_enter_view(netsim_node(s, 0)->node, 1, leaders, 3),
           HS2N_ERR_NO_PEER);
  CHECK_EQ(hs2n_enter_view(netsim_node(s, 0)->node, 1, leaders, 2), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  netsim_trace(s);
  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  CHECK_EQ(netsim_traced(s, &to), NODES - 1);
  CHECK(to[0] == 9 && to[1] == 2);
  netsim_free(s);
}

/* Node 0 knows all, the others know node 0: the mesh among them would only
 * cost time. */
static void start_star(struct netsim *s, size_t nodes) {
  const struct hs2n_member centre = netsim_member(s, 0);

  for (size_t i = 0; i < nodes; i++) {
    CHECK_EQ(netsim_start(s, i), HS2N_OK);
    CHECK_EQ(i == 0 ? netsim_members(s, i)
                    : hs2n_set_members(netsim_node(s, i)->node, NETSIM_EPOCH,
                                       &centre, 1, 0),
             HS2N_OK);
  }
  netsim_run(s, HS2N_S(2));
  CHECK_EQ(netsim_node(s, 0)->seen.ups, nodes - 1);
}

static void broadcast(size_t nodes) {
  const struct netsim_config c = netsim_config(nodes, nodes);
  struct netsim *s = netsim_new(&c);
  const size_t lens[2] = {1024, 1u << 20};
  struct hs2n_tag tag;

  start_star(s, nodes);
  for (uint32_t k = 0; k < 2; k++) {
    CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, lens[k], &tag), HS2N_OK);
    netsim_run(s, HS2N_S(5));
    for (size_t i = 1; i < nodes; i++) {
      CHECK_EQ(netsim_node(s, i)->seen.messages, k + 1);
      CHECK_EQ(netsim_node(s, i)->seen.last_len, lens[k]);
      CHECK(!netsim_node(s, i)->seen.bytes_wrong);
    }
    CHECK_EQ(netsim_node(s, 0)->seen.last_acked_count, nodes - 1);
  }
  netsim_free(s);
}

/* covers: H03, H30 */
static void a_broadcast_reaches_four_sixteen_sixty_four_and_a_hundred(void) {
  broadcast(4);
  broadcast(16);
  broadcast(64);
  broadcast(100);
}

/* ---- the way back: all speak to one leader ---------------------------------
 */

#define LEADER 0
#define RTT HS2N_MS(40)

/* A committee that is large by its own measure.  What it sends takes long, so
 * a part of the round trip bounds the window. */
static struct netsim *large_committee(void) {
  struct netsim_config c = netsim_config(NODES, 6);
  struct netsim *s;

  c.delay = RTT / 2;
  c.limits.spread_members_min = NODES;
  c.limits.spread_burst_bytes = 0;
  c.limits.spread_bytes_per_s = 100000;
  s = netsim_new(&c);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(10)));
  netsim_run(s, HS2N_S(1));
  return s;
}

static void lead(struct netsim *s, uint64_t view, size_t node) {
  const struct hs2n_peer leader = netsim_peer(s, node, LEADER);

  CHECK_EQ(hs2n_enter_view(netsim_node(s, node)->node, view, &leader, 1),
           HS2N_OK);
  netsim_flush(s, node);
}

static uint64_t spread_by(struct netsim *s, size_t node) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(netsim_node(s, node)->node, &stats);
  return stats.messages_spread;
}

/* All but the leader send at one moment; when each message came, after it. */
static void speak(struct netsim *s, uint8_t lane, hs2n_time came[NODES]) {
  const uint32_t *from = netsim_node(s, LEADER)->seen.from;
  uint32_t before[NODES];
  const hs2n_time now = netsim_now(s);

  for (size_t i = 1; i < NODES; i++) {
    before[i] = from[i];
    came[i] = 0;
    CHECK_EQ(netsim_send(s, i, LEADER, lane, 150, NULL), HS2N_OK);
    netsim_flush(s, i);
  }
  while (netsim_now(s) < now + HS2N_MS(100)) {
    netsim_run(s, HS2N_US(50));
    for (size_t i = 1; i < NODES; i++) {
      if (came[i] == 0 && from[i] > before[i]) {
        came[i] = netsim_now(s) - now - RTT / 2;
      }
    }
  }
}

/* All within the window, and no two in the same part of it. */
static void check_spread(const hs2n_time came[NODES], hs2n_time window) {
  const hs2n_time part = window / NODES;

  for (size_t i = 1; i < NODES; i++) {
    CHECK(came[i] > 0 && came[i] < window + HS2N_MS(1));
    for (size_t k = 1; k < i; k++) {
      CHECK(came[i] > came[k] + part / 2 || came[k] > came[i] + part / 2);
    }
  }
}

static void what_a_large_committee_sends_to_its_leader_is_spread(void) {
  struct netsim *s = large_committee();
  hs2n_time came[NODES], again[NODES];
  size_t moved = 0;

  for (size_t i = 1; i < NODES; i++) {
    lead(s, 1, i);
  }
  netsim_run(s, HS2N_MS(100));
  speak(s, HS2N_LANE_CONTROL, came);
  check_spread(came, RTT / 2);
  speak(s, HS2N_LANE_VOTE, came);
  check_spread(came, RTT / 8);
  for (size_t i = 1; i < NODES; i++) {
    CHECK(spread_by(s, i) >= 1 && spread_by(s, i) <= 2);
    lead(s, 2, i);
  }
  speak(s, HS2N_LANE_VOTE, again);
  check_spread(again, RTT / 8);
  for (size_t i = 1; i < NODES; i++) {
    moved += came[i] != again[i];
  }
  CHECK(moved >= NODES - 2);
  netsim_free(s);
}

/* Of node 1: how many of them were held back. */
static uint64_t spread_of(struct netsim *s, size_t to, uint8_t lane) {
  const uint64_t before = spread_by(s, 1);

  CHECK_EQ(netsim_send(s, 1, to, lane, 150, NULL), HS2N_OK);
  netsim_flush(s, 1);
  netsim_run(s, HS2N_MS(100));
  return spread_by(s, 1) - before;
}

/* The view in which node 1 has another slot than the first, at once. */
static uint64_t view_to_wait_in(struct netsim *s) {
  uint64_t view = 0;

  do {
    lead(s, ++view, 1);
  } while (view < NODES && spread_of(s, LEADER, HS2N_LANE_VOTE) == 0);
  return view;
}

static void nothing_else_is_spread(void) {
  struct netsim *s = large_committee();
  struct hs2n_node *node = netsim_node(s, 1)->node;
  const struct hs2n_peer leader = netsim_peer(s, 1, LEADER);
  const struct hs2n_dst some = {
      .kind = HS2N_DST_SOME, .peers = &leader, .count = 1};
  const struct hs2n_msg vote = {.type = HS2N_LANE_VOTE};
  struct hs2n_member members[NODES];
  uint64_t view;

  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 0); /* no leader yet */
  view = view_to_wait_in(s);
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 1);
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_CERT), 0);
  CHECK_EQ(spread_of(s, 2, HS2N_LANE_VOTE), 0);
  CHECK_EQ(spread_of(s, 1, HS2N_LANE_VOTE), 0); /* to all */
  CHECK_EQ(hs2n_send(node, &some, &vote, NULL), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 1);
  CHECK_EQ(spread_by(s, 1), 3);
  /* A newer epoch is smaller; in the next this node is none of them. */
  for (size_t i = 0; i < NODES; i++) {
    members[i] = netsim_member(s, i);
  }
  CHECK_EQ(hs2n_set_members(node, NETSIM_EPOCH + 1, members, NODES - 1, 0),
           HS2N_OK);
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 0);
  members[1] = members[0];
  CHECK_EQ(hs2n_set_members(node, NETSIM_EPOCH + 2, members + 1, NODES - 1, 0),
           HS2N_OK);
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 0);
  CHECK_EQ(hs2n_enter_view(node, view + NODES, NULL, 0), HS2N_OK);
  CHECK_EQ(spread_of(s, LEADER, HS2N_LANE_VOTE), 0);
  netsim_free(s);
}

/* Its time is part of the node's deadline, and it ends with the node. */
static void a_node_stops_when_what_it_held_has_been_sent(void) {
  struct netsim *s = large_committee();
  struct hs2n_node *node = netsim_node(s, 1)->node;
  const uint32_t *from = netsim_node(s, LEADER)->seen.from;
  struct hs2n_tag tag;
  uint32_t before;

  (void)view_to_wait_in(s);
  before = from[1];
  CHECK_EQ(netsim_send(s, 1, LEADER, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  netsim_flush(s, 1);
  CHECK(hs2n_node_deadline(node) > netsim_now(s));
  CHECK(hs2n_node_deadline(node) <= netsim_now(s) + RTT / 8);
  hs2n_node_stop(node, netsim_now(s));
  netsim_run(s, HS2N_S(2));
  CHECK(hs2n_node_stopped(node));
  CHECK_EQ(from[1], before + 1);
  CHECK_EQ(netsim_node(s, 1)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

int main(void) {
  RUN(receivers_are_served_by_round_trip_time);
  RUN(leaders_keep_their_turn_before_all_others);
  RUN(a_broadcast_reaches_four_sixteen_sixty_four_and_a_hundred);
  RUN(what_a_large_committee_sends_to_its_leader_is_spread);
  RUN(nothing_else_is_spread);
  RUN(a_node_stops_when_what_it_held_has_been_sent);
  return tap_done();
}
