/* How soon commits go on after replicas had no processor for a while, on
 * virtual time, with pauses and delays drawn from seeds.  A seed that fails is
 * printed, and repeats exactly: test_replica_liveness SEEDS FIRST. */
#include "world.h"

#include <stdlib.h>
#include <tap.h>

#define ROUNDS 20
#define PAUSE_MAX HS2N_MS(80) /* four time-outs of a view */

static struct world w; /* too large for the stack */
static uint64_t seeds = 60;
static uint64_t first = 1;
static uint64_t pauses;
static uint64_t late; /* of them, with two time-outs before commits went on */

static void step(void) {
  world_submit(&w);
  world_run(&w, HS2N_MS(1));
}

/* Pauses up to all replicas, each for a time of its own, and returns when the
 * last one goes on. */
static hs2n_time pause_some(void) {
  const uint64_t count = 1 + world_random(&w, w.n);
  hs2n_time last = w.now;

  for (uint64_t i = 0; i < count; i++) {
    const uint32_t who = (uint32_t)world_random(&w, w.n);

    world_pause(&w, who, world_random(&w, PAUSE_MAX) + 1);
    last = w.replicas[who].paused_until > last ? w.replicas[who].paused_until
                                               : last;
  }
  return last;
}

/* Somebody commits a new block until a time. */
static bool commits_until(hs2n_time limit) {
  const uint64_t height = w.height;

  while (w.height == height && w.now < limit && w.broken == NULL) {
    step();
  }
  return w.height > height;
}

/* Everybody has what was committed so far, and keeps up, until a time. */
static bool all_follow_until(hs2n_time limit) {
  const uint64_t height = w.height;

  while ((world_lowest_height(&w) < height ||
          world_lowest_height(&w) + 4 < w.height) &&
         w.now < limit && w.broken == NULL) {
    step();
  }
  return world_lowest_height(&w) >= height && w.broken == NULL;
}

/* The bound: one time-out of a view, and some round trips: to take turns after
 * it, and to get what was missed.  Now and then it takes two: where the new
 * leader had heard of a quorum and not of the one replica with a higher
 * certificate, which the others then learn before its proposal comes. */
static bool resumes(void) {
  const hs2n_time end = pause_some();
  const hs2n_time round_trip = 2 * w.net.delay_max;
  hs2n_time limit;

  while (w.now < end && w.broken == NULL) {
    step();
  }
  pauses++;
  limit = w.now + w.config.timer_min + 6 * round_trip;
  if (!commits_until(limit)) {
    late++;
    limit += 2 * w.config.timer_min;
    if (!commits_until(limit)) {
      return false;
    }
  }
  return all_follow_until(limit + 4 * round_trip);
}

static bool survives_pauses(uint32_t n, uint64_t seed) {
  bool ok = true;

  world_init(&w, n, seed);
  w.net.delay_max = HS2N_US(100) << world_random(&w, 5);
  w.net.delay_min = w.net.delay_max / (1 + world_random(&w, 8));
  for (int i = 0; i < 50; i++) {
    step();
  }
  for (int i = 0; i < ROUNDS && ok; i++) {
    ok = resumes();
    for (uint64_t more = world_random(&w, 30); more > 0; more--) {
      step();
    }
  }
  if (!ok) {
    TAP_WRONG("# n %u, seed %" PRIu64 ", at %" PRIu64 " us, height %" PRIu64
              ": %s\n",
              w.n, seed, w.now / 1000, w.height,
              w.broken != NULL ? w.broken : "commits did not go on in time");
  }
  world_fini(&w);
  return ok;
}

static void check_pauses(uint32_t n) {
  pauses = late = 0;
  for (uint64_t seed = first; seed < first + seeds; seed++) {
    CHECK(survives_pauses(n, seed));
  }
  CHECK(late * 100 < pauses);
}

static void goes_on_after_pauses_of_4(void) {
  check_pauses(4);
}

static void goes_on_after_pauses_of_7(void) {
  check_pauses(7);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    seeds = strtoull(argv[1], NULL, 10);
  }
  if (argc > 2) {
    first = strtoull(argv[2], NULL, 10);
  }
  RUN(goes_on_after_pauses_of_4);
  RUN(goes_on_after_pauses_of_7);
  return tap_done();
}
