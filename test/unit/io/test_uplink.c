/* test_uplink: how much the driver hands to the kernel ahead of time. */
#include "io/uplink.h"

#include "tap.h"

#include "io_world.h"

/* ---- a socket in virtual time -------------------------------------------- */

#define LUMPS_MAX 8192

/* A device that takes bytes at a rate, and lets go of memory a batch at a
 * time, as the kernel does. */
struct wire {
  struct hs2ni_uplink uplink;
  hs2n_time now;
  uint64_t rate; /* bytes per second; 0: nothing ever waits */
  size_t batch;  /* bytes in one piece at most */
  size_t lumps[LUMPS_MAX];
  size_t first, count; /* of lumps, a ring */
  uint64_t owed;       /* of the first lump, sent, times 10^9 */
  uint64_t carried;    /* bytes, in all */
  uint64_t queued;
  uint64_t queued_max;
  unsigned holds;
};

static void advance(struct wire *w, hs2n_time to) {
  w->owed += (to - w->now) * w->rate;
  w->now = to;
  while (w->count > 0 && w->owed >= w->lumps[w->first] * HS2N_S(1)) {
    const size_t len = w->lumps[w->first];

    w->owed -= len * HS2N_S(1);
    w->queued -= len;
    w->carried += len;
    w->first = (w->first + 1) % LUMPS_MAX;
    w->count--;
  }
  if (w->count == 0) {
    w->owed = 0;
  }
}

static void hand_out(struct wire *w, size_t bytes) {
  size_t batch;

  hs2ni_uplink_sent(&w->uplink, bytes, (bytes + 1451) / 1452, w->now);
  if (w->rate == 0) {
    w->carried += bytes;
    return;
  }
  batch = bytes / 4 < 1500 ? 1500 : bytes / 4 < w->batch ? bytes / 4 : w->batch;
  while (bytes > 0) {
    const size_t len = bytes < batch ? bytes : batch;

    w->lumps[(w->first + w->count++) % LUMPS_MAX] = len;
    w->queued += len;
    bytes -= len;
  }
  if (w->queued > w->queued_max) {
    w->queued_max = w->queued;
  }
}

/* A driver whose node always has more, for a while.  `late` is how long after
 * its time it wakes. */
static void run(struct wire *w, hs2n_time length, hs2n_time late) {
  const hs2n_time end = w->now + length;

  w->queued_max = 0;
  w->carried = 0;
  w->holds = 0;
  while (w->now < end) {
    const size_t room = hs2ni_uplink_room(&w->uplink, w->now);

    if (room == 0) {
      w->holds++;
      CHECK(w->uplink.hold_until > w->now);
      advance(w, w->uplink.hold_until + late);
    } else {
      hand_out(w, room < 2000000 ? room : 2000000);
      advance(w, w->now + HS2N_US(20));
    }
  }
}

static struct wire *wire_of(uint64_t bits_per_s, uint64_t given) {
  static struct wire w;

  w = (struct wire){.now = HS2N_S(5), .rate = bits_per_s / 8, .batch = 65507};

  hs2ni_uplink_init(&w.uplink, given);
  return &w;
}

static const uint64_t rates[] = {1000000,    10000000,    100000000,
                                 1000000000, 10000000000, 40000000000};

static double use_of(const struct wire *w, hs2n_time length) {
  return (double)w->carried * 1e9 / (double)length / (double)w->rate;
}

/* A millisecond's worth, or the packet or two that make one. */
static uint64_t ahead_max(const struct wire *w, unsigned per_cent) {
  const uint64_t bytes = w->rate / 1000 * per_cent / 100;

  return (bytes < 1500 ? 1500 : bytes) + 1500;
}

static void a_given_rate_is_used_and_no_millisecond_more(void) {
  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
    struct wire *w = wire_of(rates[i], rates[i]);

    run(w, HS2N_S(1), HS2N_US(60));
    CHECK(w->queued_max <=
          ahead_max(w, 115));           /* a batch counts until it ends */
    CHECK(use_of(w, HS2N_S(1)) > 0.91); /* less headers */
    CHECK(w->holds > 0);
  }
}

static void where_the_rate_is_not_known_nothing_is_held(void) {
  struct wire *w = wire_of(0, 0);

  run(w, HS2N_MS(100), 0);
  CHECK_EQ(w->holds, 0);
  CHECK_EQ(w->carried, 100 * 50 * UINT64_C(2000000));
}

static void small_sends_on_a_quiet_path_are_never_held(void) {
  struct wire *w = wire_of(100000000, 100000000);

  for (unsigned i = 0; i < 1000; i++) {
    CHECK(hs2ni_uplink_room(&w->uplink, w->now) >= HS2NI_UPLINK_PACKET);
    hand_out(w, 600);
    advance(w, w->now + HS2N_US(200));
  }
}

/* An idle second is not saved up for a burst. */
static void time_that_has_passed_is_not_used_later(void) {
  struct wire *w = wire_of(100000000, 100000000);

  run(w, HS2N_MS(5), 0);
  advance(w, w->now + HS2N_S(1));
  CHECK_EQ(hs2ni_uplink_room(&w->uplink, w->now), 12500);
}

/* A rate above what fits is as good as none. */
static void any_rate_can_be_given(void) {
  struct hs2ni_uplink u;

  hs2ni_uplink_init(&u, UINT64_MAX);
  CHECK_EQ(hs2ni_uplink_room(&u, HS2N_S(1)), SIZE_MAX);
  hs2ni_uplink_init(&u, 8);
  CHECK_EQ(hs2ni_uplink_room(&u, HS2N_S(1)), HS2NI_UPLINK_PACKET);
  hs2ni_uplink_sent(&u, 1434, 1, HS2N_S(1));
  CHECK_EQ(hs2ni_uplink_room(&u, HS2N_S(2)), 0);
  CHECK_EQ(u.hold_until, HS2N_S(1501) - HS2N_US(500));
}

/* ---- the driver -----------------------------------------------------------
 */

static bool open_with(struct io_world *w, uint64_t bits_per_s) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);

  config.uplink_bits_per_s = bits_per_s;
  return io_world_open(w, &config, HS2N_FAMILY_IPV4);
}

static struct hs2n_io_stats stats_of(const struct io_world *w) {
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};

  hs2n_io_stats(w->io, &stats);
  return stats;
}

static void queue_datagrams(struct io_world *w, unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    fake_send(w->node, &w->peer_addr, 1, 1200, 1200);
  }
}

/* 1 Mbit/s takes ten milliseconds for a packet: one leaves, the others stay
 * with the node until their time has come. */
static void the_node_keeps_what_a_slow_uplink_does_not_take(void) {
  struct io_world w;

  REQUIRE(open_with(&w, 1000000));
  queue_datagrams(&w, 20);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(w.node->tx_count >= 18);
  CHECK(stats_of(&w).send_held > 0);
  CHECK_EQ(peer_collect(&w, 20), 20);
  CHECK_EQ(w.node->tx_count, 0);
  io_world_close(&w);
}

static void nothing_is_held_by_default(void) {
  struct io_world w;

  REQUIRE(open_with(&w, 0));
  for (unsigned i = 0; i < 10; i++) {
    queue_datagrams(&w, 40);
    CHECK_EQ(peer_collect(&w, 40), 40);
  }
  CHECK_EQ(stats_of(&w).send_held, 0);
  io_world_close(&w);
}

int main(void) {
  RUN(a_given_rate_is_used_and_no_millisecond_more);
  RUN(where_the_rate_is_not_known_nothing_is_held);
  RUN(small_sends_on_a_quiet_path_are_never_held);
  RUN(time_that_has_passed_is_not_used_later);
  RUN(any_rate_can_be_given);
  RUN(the_node_keeps_what_a_slow_uplink_does_not_take);
  RUN(nothing_is_held_by_default);
  return tap_done();
}
