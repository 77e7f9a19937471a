/* The next leaders' connections are made sure of before they are needed. */
#include "netsim.h"
#include "tap.h"

/* Nothing is sent on an idle connection for minutes. */
static struct netsim *quiet_pair(uint64_t seed) {
  struct netsim_config c = netsim_config(2, seed);
  struct netsim *s;

  c.delay = HS2N_MS(20);
  c.limits.idle_ms = 600000;
  c.limits.keep_alive_ms = 150000;
  s = netsim_new(&c);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  netsim_run(s, HS2N_S(60));
  return s;
}

static void enter_view(struct netsim *s, uint64_t view) {
  const struct hs2n_peer leader = netsim_peer(s, 0, 1);

  CHECK_EQ(hs2n_enter_view(netsim_node(s, 0)->node, view, &leader, 1), HS2N_OK);
  netsim_flush(s, 0);
}

static void
a_vote_burst_to_a_leader_idle_for_a_minute_takes_one_round_trip(void) {
  struct netsim *s = quiet_pair(1);
  struct hs2n_peer_info before, after;
  struct hs2n_tag tag;
  hs2n_time now;

  enter_view(s, 1);
  netsim_run(s, HS2N_MS(100));
  before = netsim_info(s, 0, 1);
  CHECK(before.rtt_smoothed >= HS2N_MS(40) &&
        before.rtt_smoothed < HS2N_MS(50));
  now = netsim_now(s);
  for (unsigned i = 0; i < 50; i++) {
    CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  }
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(2));
  after = netsim_info(s, 0, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 50);
  CHECK(netsim_node(s, 0)->seen.last_done_at - now < HS2N_MS(60));
  CHECK_EQ(after.packets_lost, before.packets_lost);
  /* No probe of a time-out: what carries the votes, and acks. */
  CHECK(after.packets_sent - before.packets_sent <= 12);
  netsim_free(s);
}

static void an_idle_leader_is_probed_and_a_busy_one_is_not(void) {
  struct netsim *s = quiet_pair(2);
  uint64_t datagrams = netsim_datagrams(s);

  enter_view(s, 1);
  CHECK_EQ(netsim_datagrams(s) - datagrams, 1);
  enter_view(s, 2); /* the first probe is under way */
  CHECK_EQ(netsim_datagrams(s) - datagrams, 1);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_info(s, 0, 1).last_heard + HS2N_MS(60), netsim_now(s));
  datagrams = netsim_datagrams(s);
  enter_view(s, 3); /* its answer was heard just now */
  CHECK_EQ(netsim_datagrams(s), datagrams);
  netsim_free(s);
}

int main(void) {
  RUN_OVER(a_vote_burst_to_a_leader_idle_for_a_minute_takes_one_round_trip);
  RUN_OVER(an_idle_leader_is_probed_and_a_busy_one_is_not);
  return tap_done();
}
