/* Recordings of nodes in the simulator, replayed. */
#include "world.h"

#include <hs2net/replay.h>
#include <string.h>

#define RECORDED 1 /* the node whose first life is recorded */

struct recording {
  uint8_t *bytes;
  size_t len;
  size_t capacity;
  bool begun;
  const struct hs2n_identity *identity;
};

static void take(void *user_data, struct hs2n_span bytes) {
  struct recording *rec = user_data;

  if (bytes.len > rec->capacity - rec->len) {
    rec->capacity = 2 * (rec->capacity + bytes.len);
    rec->bytes = realloc(rec->bytes, rec->capacity);
    REQUIRE(rec->bytes != NULL);
  }
  if (bytes.len > 0) {
    memcpy(rec->bytes + rec->len, bytes.data, bytes.len);
    rec->len += bytes.len;
  }
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out_consensus) {
  struct recording *rec = self;

  (void)out_consensus;
  if (node == RECORDED && !rec->begun) {
    rec->begun = true;
    rec->identity = config->identity;
    config->record = take;
    config->record_data = rec;
    if (config->transport == HS2N_TRANSPORT_QUIC) {
      config->uplink_bits_per_s = 20000000; /* the replay must keep to it too */
    }
  }
}

/* A world in which much happens to the recorded node; its identity lives as
 * long as the world. */
struct eventful {
  struct hs2n_sim_app app;
  struct recording rec;
  struct hs2n_sim *sim;
  struct hs2n_stats stats; /* of the recorded node, at the end */
  int started;             /* what hs2n_sim_start of it said */
};

static void load(struct hs2n_sim *sim) {
  const struct hs2n_sim_load small = {.msg = {.from = HS2N_SIM_EACH,
                                              .to = HS2N_SIM_ALL,
                                              .lane = HS2N_LANE_VOTE,
                                              .len = 100,
                                              .flags = HS2N_MSG_ACK},
                                      .every = HS2N_MS(7)};
  const struct hs2n_sim_load large = {.msg = {.from = HS2N_SIM_EACH,
                                              .to = HS2N_SIM_EACH,
                                              .lane = HS2N_LANE_BULK,
                                              .len = 1000,
                                              .flags = HS2N_MSG_QUORUM,
                                              .quorum_weight = 1,
                                              .expires_in = HS2N_MS(900)},
                                      .len_max = 200000,
                                      .every = HS2N_MS(50)};

  REQUIRE(hs2n_sim_load_add(sim, &small) == HS2N_OK);
  REQUIRE(hs2n_sim_load_add(sim, &large) == HS2N_OK);
}

static void live(struct hs2n_sim *sim, bool memory_fails) {
  const struct hs2n_sim_noise noise = {
      .loss_ppm = 50000, .duplicate_ppm = 20000, .corrupt_ppm = 20000};

  REQUIRE(hs2n_sim_start_all(sim));
  load(sim);
  (void)hs2n_sim_run(sim, HS2N_MS(300));
  REQUIRE(hs2n_sim_set_noise(sim, RECORDED, HS2N_SIM_ALL, &noise) == HS2N_OK);
  (void)hs2n_sim_run(sim, HS2N_MS(300));
  if (memory_fails) {
    hs2n_sim_fail_alloc(sim, RECORDED, 20000, 1);
  }
  hs2n_sim_set_verdict(sim, RECORDED, HS2N_BUSY);
  (void)hs2n_sim_run(sim, HS2N_MS(100));
  hs2n_sim_set_verdict(sim, RECORDED, HS2N_ACCEPT);
  hs2n_sim_crash(sim, 2, false);
  (void)hs2n_sim_run(sim, HS2N_MS(500));
  REQUIRE(hs2n_sim_start(sim, 2) == HS2N_OK);
  hs2n_sim_pause(sim, RECORDED, HS2N_MS(200));
  hs2n_sim_rebind(sim, RECORDED);
  (void)hs2n_sim_run(sim, HS2N_S(1));
}

static void eventful_init(struct eventful *e, uint64_t seed,
                          bool memory_fails) {
  struct hs2n_sim_config config;
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.heartbeat_ms = 100; /* signs, verifies, and tells the silent */
  *e = (struct eventful){.app = {.struct_size = sizeof(e->app),
                                 .self = &e->rec,
                                 .configure = configure}};
  world_config(&config, 4, seed);
  config.app = &e->app;
  config.limits = &limits;
  REQUIRE(hs2n_sim_new(&e->sim, &config) == HS2N_OK);
  live(e->sim, memory_fails);
  CHECK(world_well(e->sim));
  e->stats = world_node(e->sim, RECORDED);
}

static void eventful_fini(struct eventful *e) {
  hs2n_sim_free(e->sim);
  free(e->rec.bytes);
}

static int replay_to_end(struct hs2n_replay *replay) {
  int err;

  do {
    err = hs2n_replay_step(replay);
  } while (err == 1);
  return err;
}

static void say_where(const struct hs2n_replay *replay) {
  struct hs2n_replay_at at = {.struct_size = sizeof(at)};

  hs2n_replay_where(replay, &at);
  printf("# entry %llu, byte %llu: %s\n", (unsigned long long)at.entries,
         (unsigned long long)at.offset, at.text == NULL ? "well" : at.text);
}

/* covers: X16 */
static void a_replayed_node_is_the_recorded_one(void) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    struct hs2n_stats stats = {.struct_size = sizeof(stats)};
    struct hs2n_replay_at at = {.struct_size = sizeof(at)};
    struct hs2n_replay *replay;
    struct eventful e;
    struct test_mem t;

    eventful_init(&e, seed, seed == 2);
    test_mem_init(&t, 0);
    REQUIRE(hs2n_replay_new(&replay, (struct hs2n_span){e.rec.bytes, e.rec.len},
                            &t.mem, e.rec.identity, NULL, NULL) == HS2N_OK);
    CHECK_EQ(replay_to_end(replay), 0);
    say_where(replay);
    hs2n_replay_where(replay, &at);
    CHECK(at.text == NULL);
    CHECK(at.entries > 1000);
    CHECK_EQ(at.offset, e.rec.len);
    hs2n_node_stats(hs2n_replay_node(replay), &stats);
    CHECK_MEM(&stats, &e.stats, sizeof(stats));
    CHECK(stats.messages_received > 100);
    CHECK(stats.heartbeats_sent > 10 && stats.heartbeats_received > 10);
    hs2n_replay_free(replay);
    CHECK_EQ(t.live_bytes, 0);
    eventful_fini(&e);
  }
}

/* A process that ends in the middle leaves a recording that does. */
static void a_recording_that_breaks_off_is_replayed_up_to_there(void) {
  struct eventful e;

  eventful_init(&e, 4, false);
  for (size_t len = 0; len < e.rec.len; len += len < 3000 ? 97 : 99991) {
    struct hs2n_replay *replay = NULL;
    struct test_mem t;
    int err;

    test_mem_init(&t, 0);
    err = hs2n_replay_new(&replay, (struct hs2n_span){e.rec.bytes, len}, &t.mem,
                          e.rec.identity, NULL, NULL);
    if (err == HS2N_OK) {
      err = replay_to_end(replay);
      if (err != 0) {
        say_where(replay);
      }
      CHECK_EQ(err, 0);
      hs2n_replay_free(replay);
    } else {
      CHECK(err == HS2N_ERR_MALFORMED || err == HS2N_ERR_RANDOM ||
            err == HS2N_ERR_CRYPTO);
    }
    CHECK_EQ(t.live_bytes, 0);
  }
  eventful_fini(&e);
}

/* One bit elsewhere: another input, so another node, which is noticed unless
 * the bit does not matter. */
static void what_differs_is_noticed_and_said(void) {
  unsigned noticed = 0;
  unsigned tried = 0;
  struct eventful e;

  eventful_init(&e, 5, false);
  for (size_t at = 5000; at < e.rec.len && tried < 24; at += e.rec.len / 24) {
    struct hs2n_replay_at where = {.struct_size = sizeof(where)};
    struct hs2n_replay *replay;
    struct test_mem t;

    e.rec.bytes[at] ^= 0x10;
    test_mem_init(&t, 0);
    REQUIRE(hs2n_replay_new(&replay, (struct hs2n_span){e.rec.bytes, e.rec.len},
                            &t.mem, e.rec.identity, NULL, NULL) == HS2N_OK);
    if (replay_to_end(replay) != 0) {
      hs2n_replay_where(replay, &where);
      CHECK(where.text != NULL);
      CHECK(where.offset + 200000 > at);
      noticed++;
    }
    hs2n_replay_free(replay);
    CHECK_EQ(t.live_bytes, 0);
    e.rec.bytes[at] ^= 0x10;
    tried++;
  }
  printf("# %u of %u noticed\n", noticed, tried);
  CHECK(noticed > tried / 2);
  eventful_fini(&e);
}

/* ---- memory that fails -----------------------------------------------------
 */

/* Connects, sends and goes under within a moment: the shortest life that has
 * some of everything.  fail_at: of the recorded node's requests; 0: none. */
static void brief_init(struct eventful *e, uint64_t fail_at) {
  struct hs2n_sim_config config;

  *e = (struct eventful){.app = {.struct_size = sizeof(e->app),
                                 .self = &e->rec,
                                 .configure = configure}};
  world_config(&config, 2, 8);
  config.app = &e->app;
  REQUIRE(hs2n_sim_new(&e->sim, &config) == HS2N_OK);
  hs2n_sim_fail_alloc(e->sim, RECORDED, 0, fail_at);
  REQUIRE(hs2n_sim_start(e->sim, 0) == HS2N_OK);
  e->started = hs2n_sim_start(e->sim, RECORDED);
  if (e->started == HS2N_OK) {
    load(e->sim);
    (void)hs2n_sim_run(e->sim, HS2N_MS(150));
    CHECK(world_well(e->sim));
    e->stats = world_node(e->sim, RECORDED);
  }
}

static uint64_t failed(const struct eventful *e) {
  return world_stats(e->sim).allocations_failed;
}

/* Where the node could not be made, a replay can't make it either; what found
 * no memory for the node itself has not begun a recording. */
static void must_replay(const struct eventful *e) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};
  struct hs2n_replay *replay = NULL;
  struct test_mem t;
  int err;

  test_mem_init(&t, 0);
  err = hs2n_replay_new(&replay, (struct hs2n_span){e->rec.bytes, e->rec.len},
                        &t.mem, e->rec.identity, NULL, NULL);
  if (err == HS2N_OK) {
    CHECK_EQ(replay_to_end(replay), 0);
    hs2n_node_stats(hs2n_replay_node(replay), &stats);
    CHECK(e->started != HS2N_OK ||
          memcmp(&stats, &e->stats, sizeof(stats)) == 0);
    hs2n_replay_free(replay);
  } else {
    CHECK_EQ(err, e->rec.len == 0 ? HS2N_ERR_MALFORMED : e->started);
  }
  CHECK_EQ(t.live_bytes, 0);
}

static void each_allocation_that_fails_is_recorded_and_replayed(void) {
  uint64_t at = 1;
  uint64_t not_made = 0;
  uint64_t unrecorded = 0;
  bool all = false;

  while (!all) {
    struct eventful e;

    brief_init(&e, at++);
    must_replay(&e);
    unrecorded += e.rec.len == 0;
    not_made += e.started != HS2N_OK;
    all = failed(&e) == 0;
    eventful_fini(&e);
  }
  printf("# %llu requests, %llu of them for the node to be made\n",
         (unsigned long long)at - 2, (unsigned long long)not_made);
  CHECK_EQ(unrecorded, 1);
  CHECK(not_made > 10 && at > 2 * not_made);
}

static void a_replay_that_finds_no_memory_says_so_and_leaks_nothing(void) {
  struct eventful e;
  struct test_mem t;
  int err = HS2N_ERR_NO_MEMORY;

  brief_init(&e, 0);
  for (uint64_t at = 1; err == HS2N_ERR_NO_MEMORY; at++) {
    struct hs2n_replay_at where = {.struct_size = sizeof(where)};
    struct hs2n_replay *replay = NULL;

    test_mem_init(&t, at);
    err = hs2n_replay_new(&replay, (struct hs2n_span){e.rec.bytes, e.rec.len},
                          &t.mem, e.rec.identity, NULL, NULL);
    if (err == HS2N_OK) {
      err = replay_to_end(replay);
      hs2n_replay_where(replay, &where);
      CHECK_EQ(where.text == NULL, err == HS2N_OK);
    }
    hs2n_replay_free(replay);
    CHECK_EQ(t.live_bytes, 0);
  }
  CHECK_EQ(err, HS2N_OK);
  CHECK(t.requests > 100 && t.requests < t.fail_at);
  eventful_fini(&e);
}

static void another_identity_or_version_is_refused(void) {
  struct hs2n_replay *replay;
  struct eventful e;
  struct test_mem t;
  struct eventful other;
  struct hs2n_span all;

  eventful_init(&e, 6, false);
  eventful_init(&other, 7, false);
  test_mem_init(&t, 0);
  all = (struct hs2n_span){e.rec.bytes, e.rec.len};
  CHECK_EQ(
      hs2n_replay_new(&replay, all, &t.mem, other.rec.identity, NULL, NULL),
      HS2N_ERR_CRYPTO);
  e.rec.bytes[1] = HS2N_RECORD_FORMAT + 1;
  CHECK_EQ(hs2n_replay_new(&replay, all, &t.mem, e.rec.identity, NULL, NULL),
           HS2N_ERR_VERSION);
  e.rec.bytes[1] = HS2N_RECORD_FORMAT - 1; /* knew no transport */
  CHECK_EQ(hs2n_replay_new(&replay, all, &t.mem, e.rec.identity, NULL, NULL),
           HS2N_ERR_VERSION);
  e.rec.bytes[0] = 0;
  CHECK_EQ(hs2n_replay_new(&replay, all, &t.mem, e.rec.identity, NULL, NULL),
           HS2N_ERR_MALFORMED);
  CHECK_EQ(t.live_bytes, 0);
  eventful_fini(&other);
  eventful_fini(&e);
}

int main(void) {
  RUN_OVER(a_replayed_node_is_the_recorded_one);
  RUN_OVER(a_recording_that_breaks_off_is_replayed_up_to_there);
  RUN_OVER(what_differs_is_noticed_and_said);
  RUN_OVER(each_allocation_that_fails_is_recorded_and_replayed);
  RUN_OVER(a_replay_that_finds_no_memory_says_so_and_leaks_nothing);
  RUN_OVER(another_identity_or_version_is_refused);
  return tap_done();
}
