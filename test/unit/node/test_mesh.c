/* Nodes find each other, and messages arrive where they should. */
#include "netsim.h"
#include "tap.h"

static void two_nodes_meet_and_talk(void) {
  struct netsim_config c = netsim_config(2, 1);
  struct netsim *s;
  struct hs2n_tag tag;

  c.log = true;
  s = netsim_new(&c);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

int main(void) {
  RUN(two_nodes_meet_and_talk);
  return tap_done();
}
