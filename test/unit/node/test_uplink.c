/* A node that knows what its uplink takes, as its driver sees it. */
#include "meshed.h"
#include "node/inside.h"

#define MBIT UINT64_C(1000000)

static struct netsim *known(size_t nodes, uint64_t seed, uint64_t bits_per_s) {
  struct netsim_config c = netsim_config(nodes, seed);

  c.uplink_bits_per_s = bits_per_s;
  return start(&c);
}

static bool all_came(struct netsim *s) {
  for (size_t i = 1; i < 4; i++) {
    if (netsim_node(s, i)->seen.messages == 0) {
      return false;
    }
  }
  return true;
}

/* 100,000 bytes to each of three, at 4 Mbit/s: 0.6 s and what packets add. */
static void a_broadcast_takes_as_long_as_the_uplink_says(void) {
  struct netsim *s = known(4, 1, 4 * MBIT);
  const hs2n_time begun = netsim_now(s);

  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 100000, NULL), HS2N_OK);
  CHECK(netsim_until(s, all_came, HS2N_S(5)));
  CHECK(netsim_now(s) - begun > HS2N_MS(590));
  CHECK(netsim_now(s) - begun < HS2N_MS(680));
  CHECK(netsim_stats(s, 0).send_held > 100);
  netsim_free(s);
}

static void without_a_rate_nothing_is_held(void) {
  struct netsim *s = known(4, 2, 0);

  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 100000, NULL), HS2N_OK);
  CHECK(netsim_until(s, all_came, HS2N_MS(100)));
  CHECK_EQ(netsim_stats(s, 0).send_held, 0);
  netsim_free(s);
}

/* ---- time ---------------------------------------------------------------- */

/* Bytes of the one datagram that the node gives out now, or 0. */
static size_t poll_at(struct netsim *s, hs2n_time now) {
  static uint8_t bytes[65507];
  struct hs2n_tx tx = {.data = bytes, .capacity = sizeof(bytes)};

  if (hs2n_node_poll_tx(node(s, 0), &tx, 1, now) == 0) {
    return 0;
  }
  CHECK_EQ(tx.len, tx.segment_len);
  return tx.len;
}

/* Two nodes, of which the first has much to send and has just begun to. */
static struct netsim *busy(uint64_t seed) {
  struct netsim *s = known(2, seed, MBIT);

  netsim_run(s, HS2N_MS(200));
  CHECK_EQ(netsim_send(s, 0, 1, HS2N_LANE_PROPOSAL, 200000, NULL), HS2N_OK);
  netsim_flush(s, 0);
  CHECK_EQ(poll_at(s, netsim_now(s)), 0);
  return s;
}

/* Drives the node alone until it gives something out, and says when. */
static hs2n_time next_at(struct netsim *s, size_t *out_len) {
  hs2n_time now;

  do {
    const hs2n_time due = hs2n_node_deadline(node(s, 0));

    now = due;
    hs2n_node_tick(node(s, 0), now);
    *out_len = poll_at(s, now);
    CHECK_EQ(poll_at(s, now), 0);
    CHECK(hs2n_node_deadline(node(s, 0)) > now);
  } while (*out_len == 0);
  return now;
}

static void a_held_node_is_due_later_and_not_before(void) {
  struct netsim *s = busy(3);
  const hs2n_time now = netsim_now(s);
  const uint64_t held = netsim_stats(s, 0).send_held;
  hs2n_time last;
  size_t len;

  for (unsigned i = 1; i <= 20; i++) {
    CHECK_EQ(poll_at(s, now), 0);
    CHECK(hs2n_node_deadline(node(s, 0)) > now);
    CHECK_EQ(netsim_stats(s, 0).send_held, held + i);
  }
  last = next_at(s, &len);
  for (unsigned i = 0; i < 5; i++) {
    const hs2n_time takes = (len + 28) * 8 * HS2N_S(1) / MBIT;
    const hs2n_time at = next_at(s, &len);

    CHECK(at - last >= takes);
    CHECK(at - last <= takes + HS2N_US(1));
    last = at;
  }
  netsim_free(s);
}

static void a_clock_that_goes_back_gives_nothing_out(void) {
  struct netsim *s = busy(4);
  const hs2n_time now = netsim_now(s);
  const uint64_t backwards = netsim_stats(s, 0).clock_backwards;
  size_t len;

  for (unsigned i = 1; i <= 50; i++) {
    CHECK_EQ(poll_at(s, now - HS2N_MS(i)), 0);
    CHECK(hs2n_node_deadline(node(s, 0)) > now);
  }
  CHECK_EQ(netsim_stats(s, 0).clock_backwards, backwards + 50);
  CHECK(next_at(s, &len) < now + HS2N_MS(13));
  netsim_free(s);
}

/* Time in which the driver slept is not made up for. */
static void a_clock_that_jumps_gives_one_datagram_out(void) {
  struct netsim *s = busy(5);
  const hs2n_time now = netsim_now(s) + HS2N_S(1);

  CHECK(poll_at(s, now) > 0);
  CHECK_EQ(poll_at(s, now), 0);
  CHECK(hs2n_node_deadline(node(s, 0)) > now);
  netsim_free(s);
}

/* ---- the end, and memory ------------------------------------------------- */

static bool first_stopped(struct netsim *s) {
  return hs2n_node_stopped(node(s, 0));
}

/* The packets by which connections are closed wait for the uplink like others,
 * and the node has not stopped before they have left. */
static void who_stops_while_the_uplink_is_busy_tells_all(void) {
  struct netsim *s = known(8, 6, MBIT);

  CHECK_EQ(netsim_send(s, 0, 0, HS2N_LANE_PROPOSAL, 1000000, NULL), HS2N_OK);
  netsim_run(s, HS2N_MS(100));
  hs2n_node_stop(node(s, 0), netsim_now(s));
  CHECK(netsim_until(s, first_stopped, HS2N_S(3)));
  netsim_run(s, HS2N_MS(100));
  for (size_t i = 1; i < 8; i++) {
    CHECK_EQ(netsim_node(s, i)->seen.last_down, HS2N_REASON_SHUTDOWN);
  }
  CHECK_EQ(hs2n_node_deadline(node(s, 0)), HS2N_TIME_NEVER);
  netsim_free(s);
}

static int64_t asked_for(uint64_t bits_per_s) {
  struct netsim_config c = netsim_config(1, 7);
  struct netsim *s;
  int64_t bytes;

  c.uplink_bits_per_s = bits_per_s;
  s = netsim_new(&c);
  CHECK_EQ(netsim_start(s, 0), HS2N_OK);
  bytes = netsim_node(s, 0)->mem.live_bytes;
  netsim_free(s);
  return bytes;
}

static void a_known_uplink_takes_no_memory(void) {
  CHECK_EQ(asked_for(MBIT), asked_for(0));
  CHECK_EQ(asked_for(UINT64_MAX), asked_for(0));
}

int main(void) {
  RUN_OVER(a_broadcast_takes_as_long_as_the_uplink_says);
  RUN_OVER(without_a_rate_nothing_is_held);
  RUN_OVER(a_held_node_is_due_later_and_not_before);
  RUN_OVER(a_clock_that_goes_back_gives_nothing_out);
  RUN_OVER(a_clock_that_jumps_gives_one_datagram_out);
  RUN_OVER(who_stops_while_the_uplink_is_busy_tells_all);
  RUN_OVER(a_known_uplink_takes_no_memory);
  return tap_done();
}
