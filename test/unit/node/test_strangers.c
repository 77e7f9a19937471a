/* Who is refused, by which code, and what both ends say about it. */
#include "netsim.h"
#include "tap.h"

/* Two nodes that know each other, of two chains. */
/* covers: N06 */
static void a_node_of_another_chain_is_refused_at_both_ends(void) {
  struct netsim_config c = netsim_config(2, 1);
  struct netsim *s = netsim_new(&c);

  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  netsim_chain(s, "other");
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  CHECK_EQ(netsim_members(s, 1), HS2N_OK);
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(netsim_info(s, 0, 1).down_reason, HS2N_REASON_CHAIN_MISMATCH);
  CHECK_EQ(netsim_info(s, 1, 0).down_reason, HS2N_REASON_CHAIN_MISMATCH);
  CHECK(netsim_stats(s, 0).refused_chain + netsim_stats(s, 1).refused_chain >
        0);
  CHECK_EQ(netsim_node(s, 0)->seen.ups + netsim_node(s, 1)->seen.ups, 0);
  netsim_free(s);
}

/* Names node k alone, with its address or another one. */
static int name_one(struct netsim *s, size_t i, size_t k,
                    const struct hs2n_addr *addr) {
  struct hs2n_member m = netsim_member(s, k);

  if (addr != NULL) {
    m.addrs = addr;
  }
  return hs2n_set_members(netsim_node(s, i)->node, NETSIM_EPOCH, &m, 1, 0);
}

/* covers: H54 */
static void a_key_in_no_committee_is_refused(void) {
  const struct netsim_config c = netsim_config(3, 2);
  struct netsim *s = netsim_new(&c);

  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(netsim_start(s, i), HS2N_OK);
  }
  CHECK_EQ(name_one(s, 0, 1, NULL), HS2N_OK);
  CHECK_EQ(name_one(s, 2, 0, NULL), HS2N_OK); /* 2 knows 0, 0 not 2 */
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(netsim_info(s, 2, 0).down_reason, HS2N_REASON_NOT_MEMBER);
  CHECK(netsim_stats(s, 0).refused_not_member > 0);
  CHECK_EQ(netsim_node(s, 0)->seen.ups, 0);
  CHECK_EQ(netsim_node(s, 2)->seen.ups, 0);
  netsim_free(s);
}

/* covers: N13, H26, H60 */
static void a_peer_with_another_key_is_refused(void) {
  const struct netsim_config c = netsim_config(3, 3);
  struct netsim *s = netsim_new(&c);

  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(netsim_start(s, i), HS2N_OK);
  }
  /* 0 looks for 1 where 2 lives. */
  CHECK_EQ(name_one(s, 0, 1, &netsim_node(s, 2)->addr), HS2N_OK);
  CHECK_EQ(name_one(s, 2, 0, NULL), HS2N_OK);
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(netsim_info(s, 0, 1).down_reason, HS2N_REASON_WRONG_KEY);
  CHECK(netsim_stats(s, 0).refused_wrong_key > 0);
  CHECK_EQ(netsim_node(s, 0)->seen.ups, 0);
  CHECK_EQ(netsim_node(s, 2)->seen.ups, 0);
  netsim_free(s);
}

static void an_address_that_leads_home_is_not_dialled_again(void) {
  const struct netsim_config c = netsim_config(2, 4);
  struct netsim *s = netsim_new(&c);
  uint64_t dials;

  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(name_one(s, 0, 1, &netsim_node(s, 0)->addr), HS2N_OK);
  netsim_run(s, HS2N_S(2));
  CHECK_EQ(netsim_info(s, 0, 1).down_reason, HS2N_REASON_SELF);
  dials = netsim_stats(s, 0).dials;
  netsim_run(s, HS2N_S(100));
  CHECK_EQ(netsim_stats(s, 0).dials, dials);
  netsim_free(s);
}

/* One dead address and a good one. */
static void addresses_are_tried_in_turn(void) {
  const struct netsim_config c = netsim_config(3, 5);
  struct netsim *s = netsim_new(&c);
  struct hs2n_member m = netsim_member(s, 1);
  const struct hs2n_addr addrs[2] = {netsim_node(s, 2)->addr,
                                     netsim_node(s, 1)->addr};

  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  m.addrs = addrs;
  m.addrs_n = 2;
  CHECK_EQ(hs2n_set_members(netsim_node(s, 0)->node, 1, &m, 1, 0), HS2N_OK);
  m = netsim_member(s, 0);
  m.addrs_n = 0; /* it waits to be dialled */
  CHECK_EQ(hs2n_set_members(netsim_node(s, 1)->node, 1, &m, 1, 0), HS2N_OK);
  netsim_run(s, HS2N_S(8));
  CHECK_EQ(netsim_info(s, 0, 1).state, HS2N_PEER_UP);
  CHECK_EQ(netsim_stats(s, 1).dials, 0);
  netsim_free(s);
}

/* The member that refused knows the other one later. */
static void who_was_refused_is_taken_once_it_is_named(void) {
  const struct netsim_config c = netsim_config(2, 6);
  struct netsim *s = netsim_new(&c);

  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  netsim_run(s, HS2N_S(20));
  CHECK_EQ(netsim_node(s, 0)->seen.ups, 0);
  CHECK_EQ(netsim_members(s, 1), HS2N_OK);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(2)));
  netsim_free(s);
}

/* covers: H53, X8 */
static void hundreds_of_refusals_leave_no_memory_behind(void) {
  struct netsim_config c = netsim_config(2, 7);
  struct netsim *s;
  int64_t before;

  c.limits.backoff_min_ms = 1;
  c.limits.backoff_max_ms = 150;
  s = netsim_new(&c);
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  netsim_run(s, HS2N_S(20));
  before = netsim_node(s, 1)->mem.live_bytes;
  netsim_run(s, HS2N_S(200));
  CHECK(netsim_stats(s, 1).refused_not_member > 300);
  CHECK(netsim_node(s, 1)->mem.live_bytes <= before + 50000);
  netsim_free(s);
}

/* ---- what a network sees ------------------------------------------------- */

#define MARKER_LEN 16

static struct hs2n_span marker;
static size_t markers_seen;
static uint64_t bytes_between[4][4];

static void capture(const uint8_t *data, size_t len, size_t from, size_t to) {
  for (size_t i = 0; i + MARKER_LEN <= len; i++) {
    markers_seen += memcmp(data + i, marker.data, MARKER_LEN) == 0;
  }
  bytes_between[from][to] += len;
}

/* Each connection ends at the receiver: what goes to one goes through none of
 * the others, who could read it. */
/* covers: H50, N12 */
static void no_payload_is_readable_and_none_passes_through_others(void) {
  struct netsim_config c = netsim_config(4, 8);
  struct hs2n_buf *body;
  struct netsim *s;

  c.capture = capture;
  s = netsim_new(&c);
  body = netsim_body(s, 100000);
  marker = (struct hs2n_span){hs2n_buf_span(body).data + 50000, MARKER_LEN};
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  memset(bytes_between, 0, sizeof(bytes_between));
  CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_PROPOSAL, 100000, NULL), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 1);
  CHECK(bytes_between[0][2] > 100000);
  CHECK(bytes_between[0][1] + bytes_between[0][3] < 1000);
  CHECK(bytes_between[1][2] + bytes_between[3][2] < 1000);
  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 100000, NULL), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 2);
  CHECK(!netsim_node(s, 2)->seen.bytes_wrong);
  CHECK_EQ(markers_seen, 0);
  capture(marker.data, MARKER_LEN, 0, 0);
  CHECK_EQ(markers_seen, 1); /* it would have been found */
  hs2n_buf_unref(body);
  netsim_free(s);
}

int main(void) {
  RUN_OVER(a_node_of_another_chain_is_refused_at_both_ends);
  RUN_OVER(a_key_in_no_committee_is_refused);
  RUN_OVER(a_peer_with_another_key_is_refused);
  RUN_OVER(an_address_that_leads_home_is_not_dialled_again);
  RUN_OVER(addresses_are_tried_in_turn);
  RUN_OVER(who_was_refused_is_taken_once_it_is_named);
  RUN_OVER(hundreds_of_refusals_leave_no_memory_behind);
  RUN_OVER(no_payload_is_readable_and_none_passes_through_others);
  return tap_done();
}
