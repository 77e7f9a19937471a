/* What a network, a crash or a stranger does to a mesh. */
#include "meshed.h"

#include <stdlib.h>

/* ---- time-outs and healing --------------------------------------------------
 */

static bool told_down(struct netsim *s) {
  return netsim_node(s, 0)->seen.downs > 0;
}

static bool dialled(struct netsim *s) {
  return netsim_stats(s, 0).dials > 0;
}

/* covers: N08 */
static void a_dial_into_a_black_hole_ends_in_handshake_time(void) {
  const struct netsim_config c = netsim_config(2, 1);
  struct netsim *s = netsim_new(&c);
  const hs2n_time limit = HS2N_MS(c.limits.handshake_ms);
  hs2n_time begun;
  hs2n_time length;

  netsim_cut_both(s, 0, 1, true); /* else a machine may refuse the call */
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  CHECK(netsim_until(s, dialled, HS2N_S(1)));
  begun = netsim_now(s);
  CHECK(netsim_until(s, told_down, 2 * limit));
  length = netsim_now(s) - begun;
  CHECK(length <= limit * 11 / 10);
  CHECK(length >= limit * 9 / 10);
  CHECK_EQ(netsim_node(s, 0)->seen.last_down, HS2N_REASON_HANDSHAKE_TIMEOUT);
  netsim_free(s);
}

/* covers: N08 */
static void many_failed_dials_leave_no_memory_behind(void) {
  struct netsim_config c = netsim_config(2, 2);
  struct netsim *s;
  int64_t before;

  c.limits.handshake_ms = 100;
  c.limits.backoff_max_ms = c.limits.backoff_min_ms = 1;
  s = netsim_new(&c);
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  netsim_run(s, HS2N_S(30));
  before = netsim_node(s, 0)->mem.live_bytes;
  netsim_run(s, HS2N_S(1600)); /* the larger id waits between dials */
  CHECK(netsim_stats(s, 0).dials > 3500);
  CHECK(netsim_node(s, 0)->mem.live_bytes <= before + 100000);
  printf("# %llu dials, %lld bytes more than after the first\n",
         (unsigned long long)netsim_stats(s, 0).dials,
         (long long)(netsim_node(s, 0)->mem.live_bytes - before));
  netsim_free(s);
}

/* covers: N09, H12, G16 */
static void a_cut_link_heals_within_one_step_of_back_off(void) {
  const struct netsim_config c = netsim_config(2, 3);
  struct netsim *s = start(&c);
  struct hs2n_tag tag;
  hs2n_time healed;

  netsim_cut_both(s, 0, 1, true);
  netsim_run(s, HS2N_MS(100));
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, &tag), HS2N_OK);
  netsim_run(s, HS2N_S(30));
  CHECK_EQ(netsim_info(s, 0, 1).state, HS2N_PEER_DOWN);
  CHECK(netsim_node(s, 0)->seen.downs > 1); /* it never gives up */
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 0);
  netsim_cut_both(s, 0, 1, false);
  healed = netsim_now(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_MS(c.limits.backoff_max_ms)));
  netsim_run(s, HS2N_S(1));
  CHECK(netsim_node(s, 1)->seen.last_up_at - healed <
        HS2N_MS(c.limits.backoff_max_ms));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

/* covers: G15 */
static void a_silent_peer_is_down_after_the_idle_time(void) {
  const struct netsim_config c = netsim_config(2, 4);
  struct netsim *s = start(&c);
  const hs2n_time cut = netsim_now(s);

  netsim_cut_both(s, 0, 1, true);
  CHECK(netsim_until(s, told_down, HS2N_S(60)));
  CHECK_EQ(netsim_node(s, 0)->seen.last_down, HS2N_REASON_IDLE_TIMEOUT);
  /* The clock starts with our first PING that nobody answers (RFC 9000,
   * 10.1). */
  CHECK(netsim_now(s) - cut <=
        HS2N_MS(c.limits.idle_ms + c.limits.keep_alive_ms + 100));
  netsim_free(s);
}

static hs2n_time silence_is_noticed_in(uint32_t idle_ms) {
  struct netsim_config c = netsim_config(2, 15);
  struct netsim *s;
  hs2n_time cut;

  c.limits.idle_ms = idle_ms;
  c.limits.keep_alive_ms = idle_ms / 4;
  s = start(&c);
  cut = netsim_now(s);
  netsim_cut_both(s, 0, 1, true);
  CHECK(netsim_until(s, told_down, HS2N_S(60)));
  cut = netsim_now(s) - cut;
  netsim_free(s);
  return cut;
}

static hs2n_time a_dial_gives_up_in(uint32_t handshake_ms) {
  struct netsim_config c = netsim_config(2, 16);
  struct netsim *s;
  hs2n_time begun;

  c.limits.handshake_ms = handshake_ms;
  s = netsim_new(&c);
  netsim_cut_both(s, 0, 1, true);
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  CHECK_EQ(netsim_members(s, 0), HS2N_OK);
  CHECK(netsim_until(s, dialled, HS2N_S(1)));
  begun = netsim_now(s);
  CHECK(netsim_until(s, told_down, HS2N_S(60)));
  begun = netsim_now(s) - begun;
  netsim_free(s);
  return begun;
}

static int members_fit(uint32_t peers_max) {
  struct netsim_config c = netsim_config(6, 17);
  struct netsim *s;
  int err;

  c.limits.peers_max = peers_max;
  s = netsim_new(&c);
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  err = netsim_members(s, 0);
  netsim_free(s);
  return err;
}

/* That encryption can't be turned off needs no test: nothing of the
 * configuration says so (no_payload_is_readable... looks at the wire). */
/* covers: H40 */
static void time_outs_and_peers_are_as_many_as_asked_for(void) {
  static const uint32_t asked[] = {400, 1600, 6400};

  for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
    const hs2n_time t = HS2N_MS(asked[i]);
    const hs2n_time noticed = silence_is_noticed_in(asked[i]);
    const hs2n_time given_up = a_dial_gives_up_in(asked[i]);

    CHECK(noticed >= t * 3 / 4 && noticed <= t * 5 / 4 + HS2N_MS(100));
    CHECK(given_up >= t * 9 / 10 && given_up <= t * 11 / 10);
  }
  CHECK_EQ(members_fit(8), HS2N_OK);
  CHECK(members_fit(4) < 0);
}

static void an_idle_mesh_stays_up(void) {
  const struct netsim_config c = netsim_config(3, 5);
  struct netsim *s = start(&c);

  netsim_run(s, HS2N_S(600));
  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.downs, 0);
  }
  CHECK(netsim_meshed(s));
  netsim_free(s);
}

/* covers: H74 */
static void a_partition_heals_to_a_full_mesh(void) {
  const struct netsim_config c = netsim_config(7, 6);
  struct netsim *s = start(&c);

  for (size_t i = 0; i < 4; i++) {
    for (size_t k = 4; k < 7; k++) {
      netsim_cut_both(s, i, k, true);
    }
  }
  netsim_run(s, HS2N_S(15));
  CHECK(!netsim_meshed(s));
  for (size_t i = 0; i < 4; i++) {
    for (size_t k = 4; k < 7; k++) {
      netsim_cut_both(s, i, k, false);
    }
  }
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(8)));
  netsim_free(s);
}

/* ---- restart
 * ------------------------------------------------------------------ */

/* covers: H65, X22 */
static void a_restarted_node_is_back_within_a_second(void) {
  const struct netsim_config c = netsim_config(4, 7);
  struct netsim *s = start(&c);
  hs2n_time back;

  netsim_run(s, HS2N_S(1));
  netsim_kill(s, 2);
  netsim_run(s, HS2N_MS(200));
  CHECK_EQ(netsim_start(s, 2), HS2N_OK);
  CHECK_EQ(netsim_members(s, 2), HS2N_OK);
  back = netsim_now(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(1)));
  printf("# full mesh again %.1f ms after the restart\n",
         (double)(netsim_now(s) - back) / 1e6);
  netsim_run(s, HS2N_MS(10)); /* the other end may be a moment behind */
  CHECK_EQ(netsim_info(s, 0, 2).incarnation, 2);
  netsim_free(s);
}

/* Sends from 0 to 1 before, while and after 1 restarts: what was acknowledged
 * is not seen again by the new process, all else is. */
/* covers: H47, X22 */
static void what_a_crash_left_unacknowledged_arrives_once(void) {
  const struct netsim_config c = netsim_config(2, 8);
  struct netsim *s = start(&c);
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  netsim_run(s, HS2N_MS(500));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  netsim_kill(s, 1);
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100 + (size_t)i, &tag),
             HS2N_OK);
    netsim_run(s, HS2N_MS(20));
  }
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  CHECK_EQ(netsim_members(s, 1), HS2N_OK);
  netsim_run(s, HS2N_S(3));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 11);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 11);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  netsim_free(s);
}

/* The sender restarts: its numbers start again, and nothing of the new
 * process is taken for a duplicate. */
/* covers: X22, H36 */
static void numbers_of_a_restarted_sender_are_new(void) {
  const struct netsim_config c = netsim_config(2, 9);
  struct netsim *s = start(&c);

  for (uint32_t round = 1; round <= 3; round++) {
    for (int i = 0; i < 5; i++) {
      CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
    }
    netsim_run(s, HS2N_S(1));
    CHECK_EQ(netsim_node(s, 1)->seen.messages, 5 * round);
    CHECK_EQ(netsim_node(s, 1)->seen.last_id.incarnation, round);
    netsim_kill(s, 0);
    netsim_run(s, HS2N_MS(500));
    CHECK_EQ(netsim_start(s, 0), HS2N_OK);
    CHECK_EQ(netsim_members(s, 0), HS2N_OK);
    CHECK(netsim_until(s, netsim_meshed, HS2N_S(3)));
  }
  netsim_free(s);
}

/* An older process of the same identity must not come between. */
static void an_older_incarnation_is_refused(void) {
  const struct netsim_config c = netsim_config(2, 10);
  struct netsim *s = netsim_new(&c);

  netsim_node(s, 1)->incarnation = 9;
  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(5)));
  netsim_kill(s, 1);
  netsim_run(s, HS2N_S(1));
  netsim_node(s, 1)->incarnation = 3;
  CHECK_EQ(netsim_start(s, 1), HS2N_OK);
  CHECK_EQ(netsim_members(s, 1), HS2N_OK);
  netsim_run(s, HS2N_S(20));
  CHECK(!netsim_meshed(s));
  CHECK_EQ(netsim_info(s, 0, 1).down_reason, HS2N_REASON_STALE_INCARNATION);
  CHECK_EQ(netsim_info(s, 1, 0).down_reason, HS2N_REASON_STALE_INCARNATION);
  netsim_free(s);
}

/* ---- loss
 * --------------------------------------------------------------------- */

/* covers: H35, H36, H37 */
static void at_thirty_percent_loss_all_arrive_once(void) {
  struct netsim_config c = netsim_config(3, 11);
  struct netsim *s;
  struct hs2n_tag tag;

  s = start(&c);
  netsim_free(s);
  c.loss_permille = 300;
  c.jitter = HS2N_MS(2);
  s = netsim_new(&c);
  netsim_start_all(s);
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_VOTE, 200, &tag), HS2N_OK);
    netsim_run(s, HS2N_MS(20));
  }
  netsim_run(s, HS2N_S(60));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 50);
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 50);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 50);
  netsim_free(s);
}

/* One connection, and no remains of others. */
static bool settled(struct netsim *s) {
  bool good = netsim_meshed(s);

  for (size_t i = 0; i < 2; i++) {
    const struct hs2n_stats st = netsim_stats(s, i);

    good &= st.connections_opened == st.connections_closed + 1;
  }
  return good;
}

#define DIALS 1000u

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

/* A pair whose ends begin to dial at random moments, and send at once.  Adds
 * how many connections were superfluous; returns how long it took until one
 * was left, and 0 when all was not well. */
static hs2n_time dial_at_random(uint64_t round, uint64_t *duplicates) {
  struct netsim_config c = netsim_config(2, 100 + round);
  struct netsim *s;
  bool good = true;
  hs2n_time took;

  c.loss_permille = 100;
  c.delay = HS2N_MS(100); /* both dial before either is heard */
  c.jitter = HS2N_MS(400);
  s = netsim_new(&c);
  netsim_cut_both(s, 0, 1, round % 2 == 0);
  netsim_start_all(s);
  netsim_run(s, HS2N_MS(round % 600)); /* also where there is no delay */
  netsim_cut_both(s, 0, 1, false);
  took = netsim_now(s);
  good &= netsim_send(s, 0, 1, HS2N_LANE_VOTE, 150, NULL) == HS2N_OK;
  good &= netsim_send(s, 1, 0, HS2N_LANE_VOTE, 150, NULL) == HS2N_OK;
  good &= netsim_until(s, settled, HS2N_S(60));
  took = netsim_now(s) - took;
  netsim_run(s, HS2N_S(10));
  good &= netsim_until(s, settled, HS2N_S(60)); /* what loss has delayed */
  *duplicates += netsim_stats(s, 0).duplicate_connections +
                 netsim_stats(s, 1).duplicate_connections;
  for (size_t i = 0; i < 2; i++) {
    good &= netsim_node(s, i)->seen.messages == 1;
  }
  netsim_free(s);
  return !good ? 0 : took == 0 ? 1 : took;
}

/* covers: N07 */
static void random_dials_end_with_one_connection_per_pair(void) {
  static hs2n_time took[DIALS];
  unsigned bad = 0;
  uint64_t duplicates = 0;

  for (uint64_t round = 0; round < DIALS; round++) {
    took[round] = dial_at_random(round, &duplicates);
    bad += took[round] == 0;
  }
  CHECK_EQ(bad, 0);
  CHECK(duplicates > 0); /* or the test did not test it */
  qsort(took, DIALS, sizeof(took[0]), by_size);
  printf("# %u rounds, %llu duplicates; one connection left after %.0f ms "
         "(p50), %.0f ms (p99)\n",
         DIALS, (unsigned long long)duplicates, (double)took[DIALS / 2] / 1e6,
         (double)took[DIALS * 99 / 100] / 1e6);
}

/* covers: H51 */
static void flipped_bits_reach_nobody(void) {
  const struct netsim_config c = netsim_config(2, 12);
  struct netsim *s = start(&c);

  netsim_corrupt(s, 200);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_PROPOSAL, 3000, NULL), HS2N_OK);
    netsim_run(s, HS2N_MS(50));
  }
  netsim_corrupt(s, 0);
  netsim_run(s, HS2N_S(20));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 100);
  CHECK(!netsim_node(s, 1)->seen.bytes_wrong);
  netsim_free(s);
}

int main(void) {
  NETSIM_RUN_OVER_ALL(a_dial_into_a_black_hole_ends_in_handshake_time);
  NETSIM_RUN_OVER_ALL(many_failed_dials_leave_no_memory_behind);
  NETSIM_RUN_OVER_ALL(a_cut_link_heals_within_one_step_of_back_off);
  NETSIM_RUN_OVER_ALL(a_silent_peer_is_down_after_the_idle_time);
  NETSIM_RUN_OVER_ALL(time_outs_and_peers_are_as_many_as_asked_for);
  RUN_OVER(an_idle_mesh_stays_up);
  NETSIM_RUN_OVER_ALL(a_partition_heals_to_a_full_mesh);
  NETSIM_RUN_OVER_ALL(a_restarted_node_is_back_within_a_second);
  NETSIM_RUN_OVER_ALL(what_a_crash_left_unacknowledged_arrives_once);
  NETSIM_RUN_OVER_ALL(numbers_of_a_restarted_sender_are_new);
  NETSIM_RUN_OVER_ALL(an_older_incarnation_is_refused);
  RUN_OVER(at_thirty_percent_loss_all_arrive_once);
  NETSIM_RUN_OVER_ALL(random_dials_end_with_one_connection_per_pair);
  RUN_OVER(flipped_bits_reach_nobody);
  return tap_done();
}
