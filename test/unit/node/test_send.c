/* What consensus code can do with a node, and how each send ends. */
#include "meshed.h"

/* ---- whom
 * -------------------------------------------------------------------- */

static void a_destination_must_exist_and_name_each_once(void) {
  struct netsim *s = meshed(3, 1);
  const struct hs2n_peer one = netsim_peer(s, 0, 1);
  const struct hs2n_peer twice[2] = {one, one};
  const struct hs2n_peer nobody = {77};
  const struct hs2n_msg msg = {.type = 1};
  const struct hs2n_dst bad[] = {
      {.kind = HS2N_DST_SOME, .peers = twice, .count = 2},
      {.kind = HS2N_DST_SOME, .peers = twice, .count = 0},
      {.kind = HS2N_DST_SOME, .peers = NULL, .count = 1},
  };
  const struct hs2n_dst absent[] = {
      {.kind = HS2N_DST_PEER, .peer = nobody},
      {.kind = HS2N_DST_EPOCH, .epoch = 99},
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    CHECK_EQ(hs2n_send(node(s, 0), &bad[i], &msg, NULL), HS2N_ERR_INVALID);
  }
  for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
    CHECK_EQ(hs2n_send(node(s, 0), &absent[i], &msg, NULL), HS2N_ERR_NO_PEER);
  }
  netsim_free(s);
}

static void some_listed_peers_get_it_and_no_other(void) {
  struct netsim *s = meshed(4, 2);
  const struct hs2n_peer two[2] = {netsim_peer(s, 0, 3), netsim_peer(s, 0, 1)};
  const struct hs2n_dst dst = {.kind = HS2N_DST_SOME, .peers = two, .count = 2};
  const struct hs2n_msg msg = {.type = 1, .flags = HS2N_MSG_ACK};
  struct hs2n_tag tag;

  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 0);
  CHECK_EQ(netsim_node(s, 3)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_acked_count, 2);
  netsim_free(s);
}

/* ---- members
 * ------------------------------------------------------------------ */

static void members_are_checked_before_anything_changes(void) {
  struct netsim *s = meshed(3, 3);
  struct hs2n_member m[3] = {netsim_member(s, 0), netsim_member(s, 1),
                             netsim_member(s, 1)};
  struct hs2n_node *n = node(s, 0);

  CHECK_EQ(hs2n_set_members(n, 2, m, 3, 0), HS2N_ERR_INVALID); /* twice */
  m[2] = netsim_member(s, 2);
  CHECK_EQ(hs2n_set_members(n, 2, m, 0, 0), HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_set_members(n, 2, m, 3, 3), HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_set_members(n, 1, m, 2, 0), HS2N_ERR_INVALID); /* other keys */
  m[1].weight = 0;
  CHECK_EQ(hs2n_set_members(n, 2, m, 3, 0), HS2N_ERR_INVALID);
  m[1].weight = UINT64_MAX / 2 + 1;
  CHECK_EQ(hs2n_set_members(n, 2, m, 3, 0), HS2N_ERR_INVALID);
  m[1].weight = 5;
  CHECK_EQ(hs2n_set_members(n, 1, m, 3, 0), HS2N_OK); /* weights may change */
  CHECK_EQ(netsim_info(s, 0, 1).weight, 5);
  for (uint64_t e = 2; e <= 4; e++) {
    CHECK_EQ(hs2n_set_members(n, e, m, 3, 0), HS2N_OK);
  }
  CHECK_EQ(hs2n_set_members(n, 5, m, 3, 0), HS2N_ERR_FULL); /* epochs_max */
  CHECK_EQ(hs2n_set_members(n, 5, m, 3, 3), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 0)->seen.downs, 0);
  CHECK(netsim_meshed(s));
  netsim_free(s);
}

static void who_leaves_the_last_epoch_is_gone_and_so_is_what_was_for_it(void) {
  struct netsim *s = meshed(3, 4);
  struct hs2n_member all[3] = {netsim_member(s, 0), netsim_member(s, 1)};
  const struct hs2n_member *m = all;
  const struct hs2n_peer old = netsim_peer(s, 0, 2);
  struct hs2n_tag tag;

  netsim_cut_both(s, 0, 2, true);
  CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  CHECK_EQ(hs2n_set_members(node(s, 0), 2, m, 2, 2), HS2N_OK);
  CHECK_EQ(netsim_node(s, 0)->seen.gones, 0); /* no upcall from inside */
  CHECK_EQ(netsim_peer(s, 0, 2).v, UINT32_MAX);
  netsim_run(s, HS2N_MS(1));
  CHECK_EQ(netsim_node(s, 0)->seen.gones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_PEER_GONE);
  CHECK_EQ(netsim_info(s, 0, 1).state, HS2N_PEER_UP);

  /* When it comes back it has another handle. */
  netsim_cut_both(s, 0, 2, false);
  all[2] = netsim_member(s, 2);
  CHECK_EQ(hs2n_set_members(node(s, 0), 3, all, 3, 2), HS2N_OK);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(10)));
  CHECK(netsim_peer(s, 0, 2).v != old.v);
  netsim_free(s);
}

/* The other one never dropped us, so it remembers numbers of the time before.
 */
static void who_comes_back_gets_what_is_sent_then(void) {
  struct netsim *s = meshed(3, 4);
  const struct hs2n_member all[3] = {netsim_member(s, 0), netsim_member(s, 1),
                                     netsim_member(s, 2)};
  struct hs2n_tag tag;

  for (int i = 0; i < 3; i++) {
    CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
    CHECK_EQ(netsim_send(s, 2, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  }
  netsim_flush(s, 0);
  netsim_flush(s, 2);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 3);
  CHECK_EQ(hs2n_set_members(node(s, 0), 2, all, 2, 2), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 0)->seen.gones, 1);
  CHECK_EQ(hs2n_set_members(node(s, 0), 3, all, 3, 2), HS2N_OK);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(60)));
  CHECK_EQ(netsim_send(s, 0, 2, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  CHECK_EQ(netsim_send(s, 2, 0, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  netsim_flush(s, 0);
  netsim_flush(s, 2);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 4);
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 4);
  CHECK_EQ(netsim_stats(s, 0).protocol_errors, 0);
  CHECK_EQ(netsim_stats(s, 2).protocol_errors, 0);
  netsim_free(s);
}

static void drop_sender(struct netsim_node *n) {
  struct hs2n_member m[2] = {netsim_member(n->sim, 1),
                             netsim_member(n->sim, 2)};

  if (n->test == NULL) {
    n->test = n;
    CHECK_EQ(hs2n_set_members(n->node, 2, m, 2, 2), HS2N_OK);
  }
}

/* The hardest moment: from inside on_message, about its sender. */
static void a_sender_can_be_dropped_from_inside_its_message(void) {
  struct netsim *s = meshed(3, 5);

  netsim_node(s, 1)->on_upcall = drop_sender;
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 5000, NULL), HS2N_OK);
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 5000, NULL), HS2N_OK);
  netsim_run(s, HS2N_S(3));
  CHECK_EQ(netsim_node(s, 1)->seen.gones, 1);
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_info(s, 0, 1).down_reason, HS2N_REASON_NOT_MEMBER);
  CHECK_EQ(netsim_info(s, 2, 1).state, HS2N_PEER_UP);
  netsim_free(s);
}

/* ---- how a send ends
 * ----------------------------------------------------------- */

static void a_full_queue_says_so_and_then_that_there_is_room(void) {
  struct netsim_config c = netsim_config(2, 6);
  struct netsim *s;
  unsigned sent = 0;

  c.limits.tx_queue_msgs_max = 16;
  s = start(&c);
  netsim_cut_both(s, 0, 1, true);
  while (netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, NULL) == HS2N_OK) {
    sent++;
  }
  CHECK_EQ(sent, 16);
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, NULL), HS2N_ERR_FULL);
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_CERT, 100, NULL), HS2N_OK);
  CHECK(netsim_stats(s, 0).tx_full >= 2);
  CHECK_EQ(netsim_node(s, 0)->seen.writables, 0);
  netsim_cut_both(s, 0, 1, false);
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(netsim_node(s, 0)->seen.writables, 1);
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 17);
  netsim_free(s);
}

/* covers: X1 */
static void a_newer_view_ends_what_was_bound_to_an_older_one(void) {
  struct netsim *s = meshed(2, 7);
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  const struct hs2n_msg msg = {
      .type = 1, .flags = HS2N_MSG_ACK | HS2N_MSG_VIEW_BOUND, .view = 4};
  struct hs2n_tag tag;

  netsim_cut_both(s, 0, 1, true);
  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, &tag), HS2N_OK);
  CHECK_EQ(hs2n_enter_view(node(s, 0), 4, NULL, 0), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 0);
  CHECK_EQ(hs2n_enter_view(node(s, 0), 5, NULL, 0), HS2N_OK);
  CHECK_EQ(hs2n_enter_view(node(s, 0), 4, NULL, 0), HS2N_ERR_STALE);
  CHECK_EQ(hs2n_enter_view(node(s, 0), 6, NULL, 1), HS2N_ERR_NO_PEER);
  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, NULL), HS2N_ERR_STALE);
  netsim_run(s, HS2N_MS(1));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_CANCELLED);
  netsim_free(s);
}

/* covers: X2 */
static void deadlines_and_cancels_end_a_send_once(void) {
  struct netsim *s = meshed(2, 8);
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  struct hs2n_msg msg = {.type = 1, .flags = HS2N_MSG_ACK};
  struct hs2n_tag tag;

  netsim_cut_both(s, 0, 1, true);
  msg.deadline = netsim_now(s) + HS2N_MS(250);
  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, &tag), HS2N_OK);
  netsim_run(s, HS2N_MS(251));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_EXPIRED);
  CHECK_EQ(hs2n_cancel(node(s, 0), tag), HS2N_ERR_STATE);

  msg.deadline = 0;
  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, &tag), HS2N_OK);
  CHECK_EQ(hs2n_cancel(node(s, 0), tag), HS2N_OK);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  netsim_run(s, HS2N_MS(1));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 2);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_CANCELLED);
  netsim_free(s);
}

/* covers: H34 */
static void only_the_application_acknowledges(void) {
  struct netsim *s = meshed(2, 9);
  struct netsim_node *to = netsim_node(s, 1);
  struct hs2n_tag tag;

  to->verdict = HS2N_LATER;
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(5));
  CHECK_EQ(to->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 0);
  CHECK_EQ(hs2n_judge(to->node, netsim_peer(s, 1, 0), to->seen.last_id,
                      HS2N_BUSY, 0),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2n_judge(to->node, (struct hs2n_peer){55}, to->seen.last_id,
                      HS2N_ACCEPT, 0),
           HS2N_ERR_NO_PEER);
  CHECK_EQ(hs2n_judge(to->node, netsim_peer(s, 1, 0), to->seen.last_id,
                      HS2N_ACCEPT, 1000),
           HS2N_OK);
  CHECK_EQ(hs2n_judge(to->node, netsim_peer(s, 1, 0), to->seen.last_id,
                      HS2N_ACCEPT, 0),
           HS2N_ERR_STATE);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

static void a_rejected_message_completes_as_refused(void) {
  struct netsim *s = meshed(2, 10);
  struct hs2n_tag tag;

  netsim_node(s, 1)->verdict = HS2N_REJECT;
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_REFUSED);
  CHECK_EQ(netsim_node(s, 0)->seen.last_done_reason, HS2N_REASON_REJECTED);
  netsim_free(s);
}

static void a_busy_receiver_gets_it_again(void) {
  struct netsim *s = meshed(2, 11);
  struct hs2n_tag tag;

  netsim_node(s, 1)->verdict = HS2N_BUSY;
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 0);
  netsim_node(s, 1)->verdict = HS2N_ACCEPT;
  netsim_run(s, HS2N_MS(200));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

/* A proposal is answered from inside on_message, by all. */
static void vote_for_it(struct netsim_node *n) {
  if (n->seen.messages == 1 && n->index != 0) {
    const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                                 .peer = netsim_peer(n->sim, n->index, 0)};
    const struct hs2n_msg msg = {.type = 1};

    CHECK_EQ(hs2n_send(n->node, &dst, &msg, NULL), HS2N_OK);
  }
}

/* covers: H68 */
static void an_answer_leaves_in_the_turn_of_its_question(void) {
  struct netsim *s = meshed(4, 12);
  hs2n_time sent;

  for (size_t i = 0; i < 4; i++) {
    netsim_node(s, i)->on_upcall = vote_for_it;
  }
  sent = netsim_now(s);
  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 500, NULL), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 3);
  CHECK_EQ(netsim_node(s, 0)->seen.last_message_at - sent, HS2N_MS(2));
  netsim_free(s);
}

int main(void) {
  NETSIM_RUN_OVER_ALL(a_destination_must_exist_and_name_each_once);
  NETSIM_RUN_OVER_ALL(some_listed_peers_get_it_and_no_other);
  NETSIM_RUN_OVER_ALL(members_are_checked_before_anything_changes);
  NETSIM_RUN_OVER_ALL(
      who_leaves_the_last_epoch_is_gone_and_so_is_what_was_for_it);
  NETSIM_RUN_OVER_ALL(who_comes_back_gets_what_is_sent_then);
  NETSIM_RUN_OVER_ALL(a_sender_can_be_dropped_from_inside_its_message);
  NETSIM_RUN_OVER_ALL(a_full_queue_says_so_and_then_that_there_is_room);
  NETSIM_RUN_OVER_ALL(a_newer_view_ends_what_was_bound_to_an_older_one);
  NETSIM_RUN_OVER_ALL(deadlines_and_cancels_end_a_send_once);
  NETSIM_RUN_OVER_ALL(only_the_application_acknowledges);
  NETSIM_RUN_OVER_ALL(a_rejected_message_completes_as_refused);
  NETSIM_RUN_OVER_ALL(a_busy_receiver_gets_it_again);
  RUN_OVER(an_answer_leaves_in_the_turn_of_its_question);
  return tap_done();
}
