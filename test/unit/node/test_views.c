/* A view change over the whole stack: what it does to bytes in flight. */
#include "netsim.h"
#include "tap.h"

enum {
  BODY = 1 << 20,
  RATE = 250000, /* bytes a second: 2 Mbit/s */
  DATAGRAM = 1452,
};

static int send(struct netsim *s, enum hs2n_lane lane, uint64_t view,
                size_t len) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  const struct hs2n_msg msg = {.type = (uint8_t)lane,
                               .flags = HS2N_MSG_VIEW_BOUND,
                               .view = view,
                               .body = netsim_body(s, len)};
  const int err = hs2n_send(netsim_node(s, 0)->node, &dst, &msg, NULL);

  hs2n_buf_unref(msg.body);
  netsim_flush(s, 0);
  return err;
}

static struct netsim *half_sent(uint64_t seed) {
  const struct netsim_config config = netsim_config(2, seed);
  struct netsim *s = netsim_new(&config);

  netsim_set_rate(s, 0, RATE);
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(send(s, HS2N_LANE_PROPOSAL, 1, BODY), HS2N_OK);
  netsim_run(s, HS2N_MS(1500)); /* of the 4.2 s that it takes */
  CHECK(netsim_node(s, 1)->mem.live_bytes > BODY);
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 0);
  return s;
}

/* covers: X1 */
static void a_vote_overtakes_a_proposal_whose_view_has_ended(void) {
  struct netsim *s = half_sent(1);
  uint64_t sent = netsim_bytes(s, 0);
  const hs2n_time began = netsim_now(s);

  CHECK_EQ(hs2n_enter_view(netsim_node(s, 0)->node, 2, NULL, 0), HS2N_OK);
  CHECK_EQ(send(s, HS2N_LANE_VOTE, 2, 100), HS2N_OK);
  /* It is in the next datagram: the first one that leaves. */
  CHECK(netsim_bytes(s, 0) - sent <= 2 * DATAGRAM);
  netsim_run(s, HS2N_MS(200));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 1)->seen.last_view, 2);
  /* Behind what waited before the link, 50 ms and a datagram at most. */
  CHECK(netsim_node(s, 1)->seen.last_message_at - began <
        HS2N_MS(1 + 50 + 2 * 6));
  /* No more of the body, and the receiver's part of it is free. */
  netsim_run(s, HS2N_S(4));
  CHECK(netsim_bytes(s, 0) - sent < 20 * DATAGRAM);
  CHECK(netsim_node(s, 1)->mem.live_bytes < BODY);
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_stats(s, 1).connections_opened, 1);
  netsim_free(s);
}

/* covers: X1 */
static void a_receiver_that_is_ahead_asks_for_no_more_of_it(void) {
  struct netsim *s = half_sent(2);
  const uint64_t sent = netsim_bytes(s, 0);

  CHECK_EQ(hs2n_enter_view(netsim_node(s, 1)->node, 2, NULL, 0), HS2N_OK);
  netsim_flush(s, 1);
  CHECK(netsim_node(s, 1)->mem.live_bytes < BODY);
  netsim_run(s, HS2N_S(4));
  CHECK(netsim_bytes(s, 0) - sent < 60 * DATAGRAM); /* a round trip's worth */
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 0);
  CHECK_EQ(netsim_stats(s, 1).messages_stale, 1);
  CHECK_EQ(netsim_info(s, 0, 1).queued_bytes, 0); /* acknowledged */
  CHECK_EQ(netsim_stats(s, 0).protocol_errors, 0);
  CHECK_EQ(netsim_stats(s, 1).connections_opened, 1);
  netsim_free(s);
}

int main(void) {
  RUN_OVER(a_vote_overtakes_a_proposal_whose_view_has_ended);
  RUN_OVER(a_receiver_that_is_ahead_asks_for_no_more_of_it);
  return tap_done();
}
