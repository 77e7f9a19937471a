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

int main(void) {
  RUN(receivers_are_served_by_round_trip_time);
  RUN(leaders_keep_their_turn_before_all_others);
  RUN(a_broadcast_reaches_four_sixteen_sixty_four_and_a_hundred);
  return tap_done();
}
