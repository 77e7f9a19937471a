/* Birth, end, time, memory and misuse of a node. */
#include "meshed.h"
#include "node/inside.h"

/* ---- start and stop
 * ------------------------------------------------------------ */

static bool first_stopped(struct netsim *s) {
  return hs2n_node_stopped(node(s, 0));
}

/* covers: D01 */
static void a_thousand_starts_and_stops_leak_nothing(void) {
  const struct netsim_config c = netsim_config(2, 1);
  struct netsim *s = netsim_new(&c);

  for (int i = 0; i < 1000; i++) {
    CHECK_EQ(netsim_start(s, 0), HS2N_OK);
    CHECK_EQ(netsim_members(s, 0), HS2N_OK);
    netsim_run(s, HS2N_MS(1));
    hs2n_node_stop(node(s, 0), netsim_now(s));
    CHECK(netsim_until(s, first_stopped, HS2N_S(2)));
    netsim_kill(s, 0);
    CHECK_EQ(netsim_node(s, 0)->mem.live_bytes, 0);
  }
  netsim_free(s);
}

static void what_is_queued_goes_out_before_the_end(void) {
  struct netsim *s = meshed(3, 2);
  struct hs2n_tag tag;

  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 200000, &tag), HS2N_OK);
  hs2n_node_stop(node(s, 0), netsim_now(s));
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 1, NULL), HS2N_ERR_CLOSED);
  CHECK_EQ(netsim_members(s, 0), HS2N_ERR_CLOSED);
  CHECK(!hs2n_node_stopped(node(s, 0)));
  CHECK(netsim_until(s, first_stopped, HS2N_S(2)));
  netsim_run(s, HS2N_MS(10));
  CHECK_EQ(netsim_node(s, 1)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 2)->seen.messages, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_ACKED);
  CHECK_EQ(netsim_info(s, 1, 0).down_reason, HS2N_REASON_SHUTDOWN);
  CHECK_EQ(hs2n_node_deadline(node(s, 0)), HS2N_TIME_NEVER);
  netsim_free(s);
}

static void what_can_not_leave_in_time_is_cancelled(void) {
  struct netsim *s = meshed(2, 3);
  struct hs2n_tag tag;
  hs2n_time begun;

  netsim_cut_both(s, 0, 1, true);
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, &tag), HS2N_OK);
  begun = netsim_now(s);
  hs2n_node_stop(node(s, 0), begun);
  CHECK(netsim_until(s, first_stopped, HS2N_S(5)));
  CHECK_EQ((netsim_now(s) - begun) / HS2N_MS(1), 1000); /* drain_ms */
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.last_outcome, HS2N_DONE_CANCELLED);
  CHECK_EQ(netsim_node(s, 0)->seen.last_down, HS2N_REASON_LOCAL);
  netsim_free(s);
}

static void stop_inside(struct netsim_node *n) {
  hs2n_node_stop(n->node, netsim_now(n->sim));
}

static void a_node_can_be_stopped_from_inside_an_upcall(void) {
  struct netsim *s = meshed(2, 4);

  netsim_node(s, 0)->on_upcall = stop_inside;
  CHECK_EQ(netsim_send(s, 1, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  CHECK(netsim_until(s, first_stopped, HS2N_S(5)));
  netsim_free(s);
}

/* ---- misuse
 * -------------------------------------------------------------------- */

static void enter_again(struct netsim_node *n) {
  struct hs2n_tx tx = {0};

  hs2n_node_tick(n->node, netsim_now(n->sim));
  hs2n_node_recv(n->node, NULL, 0, netsim_now(n->sim));
  CHECK_EQ(hs2n_node_poll_tx(n->node, &tx, 1, netsim_now(n->sim)), 0);
}

static void an_entry_from_inside_an_upcall_is_refused(void) {
  struct netsim *s = meshed(2, 5);

  netsim_node(s, 0)->on_upcall = enter_again;
  for (int i = 0; i < 5; i++) {
    CHECK_EQ(netsim_send(s, 1, 0, HS2N_LANE_VOTE, 100, NULL), HS2N_OK);
  }
  netsim_run(s, HS2N_S(1));
  CHECK_EQ(netsim_node(s, 0)->seen.messages, 5);
  netsim_free(s);
}

static void a_clock_that_goes_backwards_is_clamped_and_counted(void) {
  struct netsim *s = meshed(2, 6);

  hs2n_node_tick(node(s, 0), netsim_now(s) - HS2N_S(500));
  hs2n_node_recv(node(s, 0), NULL, 0, 0);
  CHECK_EQ(netsim_stats(s, 0).clock_backwards, 2);
  netsim_run(s, HS2N_S(30));
  CHECK(netsim_meshed(s));
  CHECK_EQ(netsim_node(s, 0)->seen.downs, 0);
  netsim_free(s);
}

/* covers: H74 */
static void a_clock_that_jumps_ahead_costs_no_more_than_a_reconnect(void) {
  struct netsim *s = meshed(2, 7);

  netsim_run(s, HS2N_S(1));
  hs2n_node_tick(node(s, 0), netsim_now(s) + HS2N_S(3600));
  netsim_run(s, HS2N_S(3601));
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(40)));
  netsim_free(s);
}

/* ---- posts
 * --------------------------------------------------------------------- */

static void count_post(struct hs2n_node *n, void *arg) {
  struct netsim *s = arg;

  (void)n;
  netsim_node(s, 0)->seen.gones++; /* any counter does */
}

static void count_wake(void *arg) {
  ++*(int *)arg;
}

static void a_post_runs_in_the_next_entry(void) {
  struct netsim *s = meshed(2, 8);
  int wakes = 0;

  hs2n_node_on_post(node(s, 0), count_wake, &wakes);
  CHECK_EQ(hs2n_post(node(s, 0), count_post, s), HS2N_OK);
  CHECK_EQ(hs2n_post(node(s, 0), NULL, s), HS2N_ERR_INVALID);
  CHECK_EQ(wakes, 1);
  CHECK_EQ(netsim_node(s, 0)->seen.gones, 0);
  CHECK(hs2n_node_deadline(node(s, 0)) <= netsim_now(s));
  netsim_run(s, 0);
  CHECK_EQ(netsim_node(s, 0)->seen.gones, 1);
  hs2n_node_stop(node(s, 0), netsim_now(s));
  CHECK(netsim_until(s, first_stopped, HS2N_S(5)));
  CHECK_EQ(hs2n_post(node(s, 0), count_post, s), HS2N_ERR_CLOSED);
  netsim_free(s);
}

/* ---- memory
 * -------------------------------------------------------------------- */

static void a_birth_survives_every_failing_allocation(void) {
  const struct netsim_config c = netsim_config(1, 9);
  struct netsim *s = netsim_new(&c);
  struct test_mem *mem = &netsim_node(s, 0)->mem;
  uint64_t n = 0;
  int err;

  do {
    mem->requests = 0;
    mem->fail_at = ++n;
    err = netsim_start(s, 0);
    netsim_kill(s, 0);
    CHECK_EQ(mem->live_bytes, 0);
    CHECK(err == HS2N_OK || err == HS2N_ERR_NO_MEMORY ||
          err == HS2N_ERR_CRYPTO);
    netsim_node(s, 0)->node = NULL;
  } while (mem->requests >= mem->fail_at && n < 10000);
  CHECK_EQ(err, HS2N_OK);
  printf("# a node is born with %llu allocations\n", (unsigned long long)n - 1);
  netsim_free(s);
}

/* Two nodes meet and talk while the n-th allocation of one of them fails;
 * whatever breaks is mended by the next dial. */
static bool life_with_a_failure(uint64_t fail_at, uint64_t *out_requests) {
  struct netsim_config c = netsim_config(2, 10);
  struct netsim *s;
  struct test_mem *mem;
  struct hs2n_tag tag;
  bool good;

  c.limits.handshake_ms = 1000;
  c.limits.backoff_max_ms = 500;
  s = netsim_new(&c);
  netsim_start_all(s);
  mem = &netsim_node(s, 0)->mem;
  mem->fail_at = mem->requests + fail_at;
  (void)netsim_until(s, netsim_meshed, HS2N_S(5));
  (void)netsim_send(s, 0, 1, HS2N_LANE_PROPOSAL, 100000, &tag);
  (void)netsim_send(s, 1, 0, HS2N_LANE_PROPOSAL, 100000, &tag);
  netsim_run(s, HS2N_S(10));
  *out_requests = mem->requests - (mem->fail_at - fail_at);
  good = netsim_meshed(s) && !netsim_node(s, 0)->seen.bytes_wrong &&
         netsim_node(s, 0)->seen.messages <= 1 &&
         netsim_node(s, 1)->seen.messages <= 1;
  good &= netsim_send(s, 1, 0, HS2N_LANE_VOTE, 100, NULL) == HS2N_OK;
  good &= netsim_send(s, 0, 1, HS2N_LANE_VOTE, 100, NULL) == HS2N_OK;
  netsim_run(s, HS2N_S(2));
  good &= netsim_node(s, 0)->seen.last_len == 100 &&
          netsim_node(s, 1)->seen.last_len == 100;
  netsim_kill(s, 0);
  good &= mem->live_bytes == 0;
  netsim_free(s);
  return good;
}

static void a_mesh_survives_every_failing_allocation(void) {
  uint64_t requests = 1;
  unsigned bad = 0;
  uint64_t n;

  for (n = 1; n <= requests && n < 5000; n++) {
    if (!life_with_a_failure(n, &requests)) {
      bad++;
      printf("# fails with allocation %llu\n", (unsigned long long)n);
    }
  }
  CHECK_EQ(bad, 0);
  printf("# %llu allocations failed in turn\n", (unsigned long long)n - 1);
}

static void say_memory(uint32_t peers) {
  struct hs2n_memory m = {.struct_size = sizeof(m)};
  struct hs2n_limits l;

  hs2n_limits_default(&l);
  l.peers_max = peers;
  hs2n_limits_memory(&l, netsim_types, HS2N_LANES, &m);
  printf("# worst case with %u peers: %.1f MiB = %.1f node + %u * %.2f + %.1f "
         "strangers\n",
         (unsigned)peers, (double)m.total_bytes / 1048576,
         (double)m.node_bytes / 1048576, (unsigned)peers,
         (double)m.per_peer_bytes / 1048576,
         (double)m.strangers_bytes / 1048576);
  CHECK(m.total_bytes ==
        m.node_bytes + peers * m.per_peer_bytes + m.strangers_bytes);
}

/* covers: X8 */
static void memory_stays_below_what_was_computed_before_the_start(void) {
  struct netsim_config c = netsim_config(7, 12);
  struct hs2n_memory m = {.struct_size = sizeof(m)};
  struct netsim *s;

  say_memory(4);
  say_memory(100);
  c.limits.peers_max = 7;
  c.limits.memory_max_bytes = 1;
  s = netsim_new(&c);
  CHECK_EQ(netsim_start(s, 0), HS2N_ERR_TOO_BIG);
  netsim_free(s);

  c.limits.memory_max_bytes = 0;
  c.loss_permille = 20;
  s = start(&c);
  hs2n_limits_memory(&c.limits, netsim_types, HS2N_LANES, &m);
  for (int round = 0; round < 10; round++) {
    for (size_t i = 0; i < 7; i++) {
      (void)netsim_send(s, i, i, HS2N_LANE_PROPOSAL, 1u << 20, NULL);
      (void)netsim_send(s, i, i, HS2N_LANE_BULK, 60000, NULL);
    }
    netsim_run(s, HS2N_MS(100));
  }
  for (size_t i = 0; i < 7; i++) {
    const struct hs2n_node *n = node(s, i);

    CHECK(n->ledger.peak_bytes <= m.total_bytes);
    CHECK_EQ(netsim_stats(s, i).allocation_failures, 0);
  }
  printf("# peak %.1f MiB of %.1f MiB\n",
         (double)node(s, 0)->ledger.peak_bytes / 1048576,
         (double)m.total_bytes / 1048576);
  netsim_free(s);
}

static void vote(struct netsim *s, const struct hs2n_msg *msg, int times) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = netsim_peer(s, 0, 1)};
  struct hs2n_tag tag;

  for (int i = 0; i < times; i++) {
    CHECK_EQ(hs2n_send(node(s, 0), &dst, msg, &tag), HS2N_OK);
    netsim_flush(s, 0);
    netsim_run(s, HS2N_MS(10));
  }
}

/* The whole stack, QUIC and TLS included. */
static void a_vote_in_steady_state_allocates_nothing(void) {
  struct netsim *s = meshed(2, 13);
  struct hs2n_buf *body = netsim_body(s, 150);
  const struct hs2n_msg msg = {.type = 1, .flags = HS2N_MSG_ACK, .body = body};
  uint64_t before[2];

  vote(s, &msg, 300); /* fills the pools */
  before[0] = netsim_node(s, 0)->mem.requests;
  before[1] = netsim_node(s, 1)->mem.requests;
  vote(s, &msg, 1000);
  CHECK_EQ(netsim_node(s, 0)->seen.dones, 1300);
  CHECK_EQ(netsim_node(s, 0)->mem.requests, before[0]);
  CHECK_EQ(netsim_node(s, 1)->mem.requests, before[1]);
  hs2n_buf_unref(body);
  netsim_free(s);
}

/* covers: H32, H63 */
static void a_broadcast_copies_no_body(void) {
  struct netsim *s = meshed(7, 14);
  struct hs2n_buf *body = netsim_body(s, 1u << 20);
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = NETSIM_EPOCH};
  const struct hs2n_msg msg = {.type = 3, .body = body};
  const int64_t before = netsim_node(s, 0)->mem.live_bytes;

  CHECK_EQ(hs2n_send(node(s, 0), &dst, &msg, NULL), HS2N_OK);
  CHECK(netsim_node(s, 0)->mem.live_bytes - before < 65536);
  hs2n_buf_unref(body);
  netsim_run(s, HS2N_S(5));
  for (size_t i = 1; i < 7; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.last_len, 1u << 20);
  }
  netsim_free(s);
}

static void a_version_says_what_is_linked(void) {
  CHECK_TEXT(hs2n_version(), "0.1.0");
  CHECK(strstr(hs2n_version_long(), "ngtcp2 1.") != NULL);
  CHECK(strstr(hs2n_version_long(), "wolfSSL 5.") != NULL);
  CHECK(strstr(hs2n_version_long(), "GPL-3.0-or-later") != NULL);
}

int main(void) {
  RUN_OVER(a_thousand_starts_and_stops_leak_nothing);
  RUN_OVER(what_is_queued_goes_out_before_the_end);
  RUN_OVER(what_can_not_leave_in_time_is_cancelled);
  RUN_OVER(a_node_can_be_stopped_from_inside_an_upcall);
  RUN_OVER(an_entry_from_inside_an_upcall_is_refused);
  RUN_OVER(a_clock_that_goes_backwards_is_clamped_and_counted);
  RUN_OVER(a_clock_that_jumps_ahead_costs_no_more_than_a_reconnect);
  RUN_OVER(a_post_runs_in_the_next_entry);
  RUN_OVER(a_birth_survives_every_failing_allocation);
  RUN_OVER(a_mesh_survives_every_failing_allocation);
  RUN_OVER(memory_stays_below_what_was_computed_before_the_start);
  RUN_OVER(a_vote_in_steady_state_allocates_nothing);
  RUN_OVER(a_broadcast_copies_no_body);
  RUN_OVER(a_version_says_what_is_linked);
  return tap_done();
}
