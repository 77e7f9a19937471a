/* What goes onto the wire, how much of it, and what is left off. */
#include "netsim.h"
#include "tap.h"

/* Of the largest packet on a path that takes Ethernet frames. */
#define PAYLOAD 1452u
/* What a message of a lane costs besides its body, at most. */
#define PER_MESSAGE 12u

/* Two nodes that have found the packet size of the path, and whose votes have
 * a stream: what opens one leaves in the packet after. */
static struct netsim *pair(uint64_t seed) {
  const struct netsim_config c = netsim_config(2, seed);
  struct netsim *s = netsim_new(&c);
  struct hs2n_tag tag;

  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  for (size_t i = 0; i < 2; i++) {
    CHECK_EQ(netsim_send(s, i, 1 - i, HS2N_LANE_VOTE, 5000, &tag), HS2N_OK);
    netsim_flush(s, i);
    netsim_run(s, HS2N_S(1));
    netsim_node(s, i)->seen = (struct netsim_seen){.ups = 1};
  }
  netsim_node(s, 0)->seen = (struct netsim_seen){.ups = 1};
  return s;
}

static uint64_t bytes_out(struct netsim *s) {
  return netsim_stats(s, 0).udp_bytes_sent;
}

static uint64_t packets_out(struct netsim *s) {
  return netsim_stats(s, 0).udp_datagrams_sent;
}

static int send_in_view(struct netsim *s, uint8_t type, size_t len,
                        uint64_t view) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  const struct hs2n_msg msg = {.type = type,
                               .flags = HS2N_MSG_VIEW_BOUND,
                               .view = view,
                               .body = netsim_body(s, len)};
  const int err = hs2n_send(netsim_node(s, 0)->node, &dst, &msg, NULL);

  hs2n_buf_unref(msg.body);
  return err;
}

/* covers: H16, H44 */
static void a_hundred_votes_of_one_turn_share_packets_and_none_waits(void) {
  struct netsim *s = pair(1);
  const uint64_t packets = packets_out(s);
  const uint64_t bytes = bytes_out(s);
  struct hs2n_tag tag;

  for (unsigned i = 0; i < 100; i++) {
    CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  }
  netsim_flush(s, 0);
  CHECK(packets_out(s) - packets <=
        (100 * (150 + PER_MESSAGE) + PAYLOAD - 1) / PAYLOAD);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 100);
  CHECK((bytes_out(s) - bytes) * 100 <= 125 * 100 * 150);
  netsim_free(s);
}

static void one_vote_on_an_idle_link_leaves_at_once(void) {
  struct netsim *s = pair(2);
  const hs2n_time now = netsim_now(s);
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_MS(50));
  CHECK_EQ(netsim_node(s, 1)->seen.last_message_at, now + HS2N_MS(1));
  netsim_free(s);
}

static void answer(struct netsim_node *n) {
  struct hs2n_tag tag;

  n->on_upcall = NULL; /* once */
  CHECK_EQ(netsim_send(n->sim, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
}

/* The acks of transport and application, and what the message made the
 * application say, are one packet. */
static void an_answer_leaves_together_with_the_acknowledgement(void) {
  struct netsim *s = pair(3);
  struct hs2n_tag tag;
  uint64_t packets;

  netsim_node(s, 0)->on_upcall = answer;
  CHECK_EQ(netsim_send(s, 1, 0, HS2N_LANE_PROPOSAL, 800, &tag), HS2N_OK);
  packets = packets_out(s);
  netsim_flush(s, 1);
  netsim_run(s, HS2N_US(1500)); /* it is there, and the answer has left */
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 1);
  CHECK_EQ(packets_out(s) - packets, 1);
  netsim_run(s, HS2N_MS(50));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 1)->seen.dones, 1);
  netsim_free(s);
}

/* covers: H44 */
static void a_mebibyte_costs_five_per_cent_at_most(void) {
  struct netsim *s = pair(4);
  const uint64_t bytes = bytes_out(s);
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_PROPOSAL, 1u << 20, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(2));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK((bytes_out(s) - bytes) * 100 <= UINT64_C(105) << 20);
  netsim_free(s);
}

/* On 2 Mbit/s, of which up to 50 ms wait before the link.  When the view ends,
 * what has not left the node is forgotten at once, and the next packet is the
 * new view's vote. */
#define LINK_BYTES_PER_S 250000u
#define LINK_QUEUE HS2N_MS(50)

static void a_vote_waits_for_no_more_than_what_has_left_when_a_view_ends(void) {
  struct netsim *s = pair(5);
  struct hs2n_node *node = netsim_node(s, 0)->node;
  uint64_t bytes;
  hs2n_time now;

  netsim_set_rate(s, 0, LINK_BYTES_PER_S);
  CHECK_EQ(hs2n_enter_view(node, 1, NULL, 0), HS2N_OK);
  CHECK_EQ(send_in_view(s, HS2N_LANE_PROPOSAL, 1u << 20, 1), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_MS(500));
  CHECK(bytes_out(s) > 50000);
  CHECK_EQ(hs2n_enter_view(node, 2, NULL, 0), HS2N_OK);
  CHECK_EQ(send_in_view(s, HS2N_LANE_VOTE, 150, 2), HS2N_OK);
  bytes = bytes_out(s);
  now = netsim_now(s);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 1)->seen.last_view, 2);
  CHECK(netsim_node(s, 1)->seen.last_message_at - now <=
        LINK_QUEUE + HS2N_MS(10));
  /* Most of the body has not left; what was lost of it is not sent again. */
  CHECK(bytes_out(s) - bytes <= 65507);
  netsim_free(s);
}

/* Part of it is in the lane's stream, which knows no gaps: the rest follows,
 * behind the vote, and what comes next in the lane is whole. */
static void half_a_small_body_of_a_dead_view_does_no_harm(void) {
  struct netsim *s = pair(6);
  struct hs2n_node *node = netsim_node(s, 0)->node;
  hs2n_time now;

  netsim_set_rate(s, 0, LINK_BYTES_PER_S);
  CHECK_EQ(hs2n_enter_view(node, 1, NULL, 0), HS2N_OK);
  CHECK_EQ(send_in_view(s, HS2N_LANE_PROPOSAL, 60000, 1), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_MS(30));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 0);
  CHECK_EQ(hs2n_enter_view(node, 2, NULL, 0), HS2N_OK);
  CHECK_EQ(send_in_view(s, HS2N_LANE_PROPOSAL, 500, 2), HS2N_OK);
  CHECK_EQ(send_in_view(s, HS2N_LANE_VOTE, 150, 2), HS2N_OK);
  now = netsim_now(s);
  netsim_flush(s, 0);
  netsim_run(s, LINK_QUEUE + HS2N_MS(10));
  CHECK_EQ(netsim_node(s, 1)->seen.last_view, 2);
  CHECK_EQ(netsim_node(s, 1)->seen.last_len, 150);
  CHECK(netsim_node(s, 1)->seen.last_message_at > now);
  netsim_run(s, HS2N_S(2));
  CHECK_EQ(netsim_node(s, 1)->seen.last_len, 500);
  CHECK(!netsim_node(s, 1)->seen.bytes_wrong);
  CHECK_EQ(netsim_stats(s, 1).protocol_errors, 0);
  CHECK_EQ(netsim_info(s, 0, 1).queued_bytes, 0);
  netsim_free(s);
}

static struct netsim *mesh(size_t nodes, uint64_t seed) {
  const struct netsim_config c = netsim_config(nodes, seed);
  struct netsim *s = netsim_new(&c);

  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  netsim_run(s, HS2N_S(5)); /* they have found the packet size of the path */
  return s;
}

static uint64_t bytes_of_all(struct netsim *s, size_t nodes) {
  uint64_t sum = 0;

  for (size_t i = 0; i < nodes; i++) {
    sum += netsim_stats(s, i).udp_bytes_sent;
  }
  return sum;
}

/* A proposal to all, and a vote of each to the next leader, ten views long:
 * what a view costs besides its payload. */
/* covers: H44 */
static void a_full_view_costs_little_besides_its_payload(void) {
  enum { NODES = 7, VIEWS = 10, PROPOSAL = 64 << 10, VOTE = 150 };
  const uint64_t payload =
      (uint64_t)VIEWS * ((NODES - 1) * PROPOSAL + (NODES - 1) * VOTE);
  struct netsim *s = mesh(NODES, 7);
  uint64_t bytes = bytes_of_all(s, NODES);
  struct hs2n_tag tag;

  for (size_t view = 0; view < VIEWS; view++) {
    const size_t leader = view % NODES;
    const size_t next = (view + 1) % NODES;

    CHECK_EQ(netsim_send(s, leader, leader, HS2N_LANE_PROPOSAL, PROPOSAL, &tag),
             HS2N_OK);
    netsim_flush(s, leader);
    netsim_run(s, HS2N_MS(5));
    for (size_t i = 0; i < NODES; i++) {
      if (i != next) {
        CHECK_EQ(netsim_send(s, i, next, HS2N_LANE_VOTE, VOTE, &tag), HS2N_OK);
        netsim_flush(s, i);
      }
    }
    netsim_run(s, HS2N_MS(5));
  }
  netsim_run(s, HS2N_MS(100));
  bytes = bytes_of_all(s, NODES) - bytes;
  printf("# %llu bytes for %llu of payload: %llu.%02llu\n",
         (unsigned long long)bytes, (unsigned long long)payload,
         (unsigned long long)(bytes / payload),
         (unsigned long long)(bytes * 100 / payload % 100));
  CHECK(bytes * 100 <= payload * 108);
  netsim_free(s);
}

/* Ten senders, ten thousand votes of virtual time's every second, for three:
 * all are taken, and the receiver holds no more at the end than before. */
/* covers: H42 */
static void ten_thousand_votes_a_second_are_taken_with_flat_memory(void) {
  enum { NODES = 11, EACH_MS = 1, SECONDS = 3 };
  struct netsim *s = mesh(NODES, 8);
  int64_t held = 0;
  struct hs2n_tag tag;

  for (unsigned ms = 0; ms < SECONDS * 1000; ms++) {
    for (size_t i = 1; i < NODES; i++) {
      CHECK_EQ(netsim_send(s, i, 0, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
      netsim_flush(s, i);
    }
    netsim_run(s, HS2N_MS(EACH_MS));
    if (ms == 1000) {
      held = netsim_node(s, 0)->mem.live_bytes;
    }
  }
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_node(s, 0)->seen.messages, SECONDS * 1000 * (NODES - 1));
  CHECK_EQ(netsim_node(s, 1)->seen.dones, SECONDS * 1000);
  CHECK(netsim_node(s, 0)->mem.live_bytes <= held + (64 << 10));
  netsim_free(s);
}

int main(void) {
  RUN_OVER(a_hundred_votes_of_one_turn_share_packets_and_none_waits);
  RUN_OVER(one_vote_on_an_idle_link_leaves_at_once);
  RUN_OVER(an_answer_leaves_together_with_the_acknowledgement);
  RUN_OVER(a_mebibyte_costs_five_per_cent_at_most);
  RUN_OVER(a_vote_waits_for_no_more_than_what_has_left_when_a_view_ends);
  RUN_OVER(a_full_view_costs_little_besides_its_payload);
  RUN_OVER(ten_thousand_votes_a_second_are_taken_with_flat_memory);
  RUN_OVER(half_a_small_body_of_a_dead_view_does_no_harm);
  return tap_done();
}
