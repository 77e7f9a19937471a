/* Each fault of a node bites, and what the node is made of holds. */
#include "world.h"

#include <string.h>

static struct hs2n_sim_memory memory_of(const struct hs2n_sim *sim,
                                        uint32_t node) {
  struct hs2n_sim_memory m = {.struct_size = sizeof(m)};

  hs2n_sim_memory(sim, node, &m);
  return m;
}

static int say(struct hs2n_sim *sim, uint32_t from, uint32_t to) {
  const struct hs2n_sim_msg msg = {.from = from,
                                   .to = to,
                                   .lane = HS2N_LANE_VOTE,
                                   .len = 200,
                                   .flags = HS2N_MSG_ACK};

  return hs2n_sim_send(sim, &msg, NULL);
}

/* ---- processes
 * ------------------------------------------------------------------
 */

static void a_crash_is_noticed_and_a_restart_makes_good(void) {
  struct hs2n_sim *sim = world_of(4, 1);

  hs2n_sim_crash(sim, 2, false);
  CHECK(!hs2n_sim_running(sim, 2));
  CHECK_EQ(hs2n_sim_node(sim, 2) == NULL, true);
  CHECK_EQ(say(sim, 2, 0), HS2N_ERR_STATE);
  CHECK_EQ(say(sim, 0, 2), HS2N_OK);
  CHECK(hs2n_sim_run(sim, HS2N_S(3)));
  CHECK(hs2n_sim_meshed(sim) || hs2n_sim_run(sim, HS2N_S(12)));
  CHECK_EQ(hs2n_sim_start(sim, 2), HS2N_OK);
  CHECK_EQ(hs2n_sim_start(sim, 2), HS2N_ERR_STATE);
  CHECK(hs2n_sim_settle(sim, HS2N_S(31)));
  CHECK_EQ(world_stats(sim).messages, 1);
  CHECK_EQ(world_stats(sim).completions, 1);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void a_node_stops_in_order(void) {
  struct hs2n_sim *sim = world_of(4, 2);

  CHECK_EQ(say(sim, 2, HS2N_SIM_ALL), HS2N_OK);
  hs2n_sim_stop(sim, 2);
  CHECK(hs2n_sim_run(sim, HS2N_S(2)));
  CHECK(!hs2n_sim_running(sim, 2));
  CHECK_EQ(memory_of(sim, 2).live_bytes, 0);
  CHECK_EQ(world_stats(sim).messages, 3);
  CHECK(hs2n_sim_settle(sim, HS2N_S(1)));
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* covers: D01 */
static void a_thousand_starts_and_stops_leave_nothing_behind(void) {
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;

  world_config(&config, 2, 3);
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  CHECK_EQ(hs2n_sim_start(sim, 0), HS2N_OK);
  for (int i = 0; i < 1000 && hs2n_sim_failure(sim) == NULL; i++) {
    CHECK_EQ(hs2n_sim_start(sim, 1), HS2N_OK);
    hs2n_sim_run(sim, HS2N_MS(20));
    if (i % 2 == 0) {
      hs2n_sim_stop(sim, 1);
    } else {
      hs2n_sim_crash(sim, 1, true);
    }
    hs2n_sim_run(sim, HS2N_MS(5));
    CHECK(!hs2n_sim_running(sim, 1));
    CHECK_EQ(memory_of(sim, 1).live_bytes, 0);
  }
  /* A call over TCP that nobody takes is refused at once and comes again after
   * a back-off; QUIC's waits for the next process. */
  CHECK(world_node(sim, 0).connections_opened >
        (over_transport() == HS2N_TRANSPORT_TCP ? 200 : 500));
  CHECK(memory_of(sim, 0).peak_bytes < 2u << 20);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* ---- time
 * ---------------------------------------------------------------------------
 */

static void who_paused_hears_what_waited_in_its_socket(void) {
  struct hs2n_sim *sim = world_of(4, 4);

  hs2n_sim_pause(sim, 1, HS2N_S(1));
  for (uint32_t i = 0; i < 50; i++) {
    CHECK_EQ(say(sim, 0, 1), HS2N_OK);
  }
  CHECK(hs2n_sim_run(sim, HS2N_MS(999)));
  CHECK_EQ(world_stats(sim).messages, 0);
  CHECK(hs2n_sim_run(sim, HS2N_MS(2)));
  CHECK(world_stats(sim).messages > 0);
  CHECK(hs2n_sim_settle(sim, HS2N_S(5)));
  CHECK_EQ(world_stats(sim).messages, 50);
  CHECK_EQ(world_node(sim, 1).connections_closed, 0);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void a_socket_has_an_end(void) {
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;

  world_config(&config, 2, 5);
  config.socket_bytes = 10000;
  sim = world_meshed(&config);
  hs2n_sim_pause(sim, 1, HS2N_S(1));
  for (uint32_t i = 0; i < 100; i++) {
    CHECK_EQ(say(sim, 0, 1), HS2N_OK);
  }
  hs2n_sim_run(sim, HS2N_S(1));
  CHECK(world_stats(sim).lost_queue > 0);
  CHECK(hs2n_sim_settle(sim, HS2N_S(5)));
  CHECK_EQ(world_stats(sim).messages, 100);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void clocks_drift_and_jump_as_told(void) {
  struct hs2n_sim *sim = world_of(2, 6);
  const hs2n_time a = hs2n_sim_clock(sim, 0);

  hs2n_sim_set_drift(sim, 0, 100000);
  hs2n_sim_run(sim, HS2N_S(10));
  CHECK_EQ(hs2n_sim_clock(sim, 0) - a, HS2N_S(11));
  hs2n_sim_set_drift(sim, 0, -500000);
  hs2n_sim_run(sim, HS2N_S(10));
  CHECK_EQ(hs2n_sim_clock(sim, 0) - a, HS2N_S(16));
  hs2n_sim_set_drift(sim, 0, 0);
  hs2n_sim_jump(sim, 0, (int64_t)HS2N_S(100));
  CHECK_EQ(hs2n_sim_clock(sim, 0) - a, HS2N_S(116));
  hs2n_sim_jump(sim, 0, -(int64_t)HS2N_S(50));
  CHECK_EQ(hs2n_sim_clock(sim, 0) - a, HS2N_S(66));
  CHECK_EQ(hs2n_sim_clock(sim, 1), hs2n_sim_now(sim));
  hs2n_sim_free(sim);
}

/* covers: H74 */
static void a_clock_that_drifts_and_jumps_loses_no_message(void) {
  static const int64_t jumps[] = {5, -3, 60, -60};
  const struct hs2n_sim_load load = {.msg = {.from = HS2N_SIM_EACH,
                                             .to = HS2N_SIM_ALL,
                                             .lane = HS2N_LANE_VOTE,
                                             .len = 100,
                                             .flags = HS2N_MSG_ACK},
                                     .every = HS2N_MS(20)};
  struct hs2n_sim *sim = world_of(4, 7);

  CHECK_EQ(hs2n_sim_load_add(sim, &load), HS2N_OK);
  hs2n_sim_set_drift(sim, 1, 50000);
  hs2n_sim_set_drift(sim, 2, -50000);
  for (int i = 0; i < 4; i++) {
    hs2n_sim_jump(sim, 3, jumps[i] * 1000000000);
    hs2n_sim_run(sim, HS2N_S(2));
  }
  hs2n_sim_load_end(sim);
  CHECK(world_node(sim, 3).clock_backwards > 0);
  /* A node whose clock fell back a minute waits for it to come again. */
  CHECK(hs2n_sim_settle(sim, HS2N_S(100)));
  CHECK_EQ(world_stats(sim).messages, world_stats(sim).sends);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

/* ---- memory
 * -------------------------------------------------------------------------
 */

static void each_allocation_of_a_start_may_fail(void) {
  struct hs2n_sim_config config;
  struct hs2n_sim *sim;
  uint64_t at = 1;
  int err = HS2N_ERR_NO_MEMORY;

  world_config(&config, 4, 8);
  CHECK_EQ(hs2n_sim_new(&sim, &config), HS2N_OK);
  for (; err != HS2N_OK && at < 10000; at++) {
    hs2n_sim_fail_alloc(sim, 0, 0, at);
    err = hs2n_sim_start(sim, 0);
    CHECK(err == HS2N_OK || err == HS2N_ERR_NO_MEMORY ||
          err == HS2N_ERR_CRYPTO);
    CHECK(hs2n_sim_running(sim, 0) == (err == HS2N_OK));
  }
  CHECK_EQ(err, HS2N_OK);
  CHECK(at > 20);
  hs2n_sim_fail_alloc(sim, 0, 0, 0);
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void a_node_short_of_memory_recovers(void) {
  const struct hs2n_sim_load load = {.msg = {.from = HS2N_SIM_EACH,
                                             .to = HS2N_SIM_ALL,
                                             .lane = HS2N_LANE_VOTE,
                                             .len = 100},
                                     .every = HS2N_MS(5)};
  struct hs2n_sim *sim = world_of(4, 9);

  CHECK_EQ(hs2n_sim_load_add(sim, &load), HS2N_OK);
  hs2n_sim_fail_alloc(sim, 1, 20000, 0);
  for (int i = 0; i < 10; i++) { /* connections are what takes memory */
    hs2n_sim_crash(sim, 2, false);
    CHECK(hs2n_sim_start_all(sim));
    hs2n_sim_run(sim, HS2N_S(2));
  }
  hs2n_sim_load_end(sim);
  CHECK(world_stats(sim).allocations_failed > 10);
  CHECK(world_node(sim, 1).allocation_failures > 0);
  hs2n_sim_fail_alloc(sim, 1, 0, 0);
  CHECK(hs2n_sim_settle(sim, HS2N_S(40)));
  CHECK(world_well(sim));
  hs2n_sim_free(sim);
}

static void each_allocation_of_a_world_may_fail(void) {
  struct hs2n_sim_config config;
  uint64_t at = 1;
  int err = HS2N_ERR_NO_MEMORY;

  for (; err != HS2N_OK && at < 1000; at++) {
    struct test_mem mem;
    struct hs2n_sim *sim = NULL;

    test_mem_init(&mem, at);
    world_config(&config, 3, 1);
    config.mem = &mem.mem;
    err = hs2n_sim_new(&sim, &config);
    CHECK(err == HS2N_OK || err == HS2N_ERR_NO_MEMORY);
    CHECK((sim != NULL) == (err == HS2N_OK));
    hs2n_sim_free(sim);
    CHECK_EQ(mem.live_bytes, 0);
  }
  CHECK_EQ(err, HS2N_OK);
  CHECK(at > 10);
}

/* ---- the disk
 * -------------------------------------------------------------------------
 */

static struct hs2n_span text(const char *s) {
  return (struct hs2n_span){(const uint8_t *)s, strlen(s)};
}

static void a_slow_disk_loses_what_was_not_durable(void) {
  const struct hs2n_sim_disk_limits slow = {.sync_min = HS2N_MS(10),
                                            .sync_max = HS2N_MS(10)};
  struct hs2n_sim *sim = world_of(1, 10);
  struct hs2n_sim_disk *disk = hs2n_sim_disk(sim, 0);
  hs2n_time first;

  hs2n_sim_set_disk(sim, 0, &slow);
  CHECK_EQ(hs2n_sim_disk_append(disk, text("vote one;")), HS2N_OK);
  first = hs2n_sim_disk_sync(disk);
  CHECK_EQ(first, hs2n_sim_now(sim) + HS2N_MS(10));
  CHECK_EQ(hs2n_sim_disk_append(disk, text("vote two;")), HS2N_OK);
  CHECK_EQ(hs2n_sim_disk_sync(disk), first + HS2N_MS(10));
  CHECK_EQ(hs2n_sim_disk_durable(disk), 0);
  hs2n_sim_run(sim, HS2N_MS(10));
  CHECK_EQ(hs2n_sim_disk_durable(disk), 9);
  CHECK_EQ(hs2n_sim_disk_bytes(disk).len, 18);
  hs2n_sim_crash(sim, 0, false);
  CHECK(hs2n_sim_disk_bytes(disk).len >= 9);
  CHECK(hs2n_sim_disk_bytes(disk).len < 18);
  CHECK_MEM(hs2n_sim_disk_bytes(disk).data, "vote one;", 9);
  hs2n_sim_run(sim, HS2N_MS(10)); /* the second sync died with the process */
  CHECK(hs2n_sim_disk_durable(disk) < 18);
  hs2n_sim_disk_truncate(disk, 4);
  CHECK_EQ(hs2n_sim_disk_bytes(disk).len, 4);
  CHECK_EQ(hs2n_sim_disk_durable(disk), 4);
  CHECK_EQ(hs2n_sim_start(sim, 0), HS2N_OK);
  hs2n_sim_crash(sim, 0, true);
  CHECK_EQ(hs2n_sim_disk_bytes(disk).len, 0);
  hs2n_sim_free(sim);
}

static void a_full_disk_takes_nothing_more(void) {
  const struct hs2n_sim_disk_limits small = {.bytes_max = 10};
  struct hs2n_sim *sim = world_of(1, 11);
  struct hs2n_sim_disk *disk = hs2n_sim_disk(sim, 0);

  hs2n_sim_set_disk(sim, HS2N_SIM_ALL, &small);
  CHECK_EQ(hs2n_sim_disk_append(disk, text("12345678")), HS2N_OK);
  CHECK_EQ(hs2n_sim_disk_append(disk, text("123")), HS2N_ERR_FULL);
  CHECK_EQ(hs2n_sim_disk_append(disk, text("12")), HS2N_OK);
  CHECK_EQ(hs2n_sim_disk_append(disk, text("1")), HS2N_ERR_FULL);
  CHECK_EQ(hs2n_sim_disk_bytes(disk).len, 10);
  CHECK_EQ(hs2n_sim_disk_sync(disk), hs2n_sim_now(sim));
  CHECK_EQ(hs2n_sim_disk_durable(disk), 10);
  hs2n_sim_free(sim);
}

/* ---- the application
 * --------------------------------------------------------------------
 */

struct app {
  struct hs2n_sim *sim;
  struct hs2n_node *nodes[2];
  unsigned starts, stops, ticks, messages, ups;
  hs2n_time due[2];
  struct hs2n_buf *held;
};

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct app *a = self;

  (void)from;
  (void)id;
  a->messages++;
  hs2n_buf_unref(a->held);
  a->held = hs2n_buf_ref(msg->body);
  return HS2N_ACCEPT;
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct app *a = self;

  (void)peer;
  (void)reason;
  a->ups += state == HS2N_PEER_UP;
}

static void app_configure(void *self, uint32_t node, struct hs2n_config *config,
                          struct hs2n_consensus *out_consensus) {
  (void)config;
  if (node == 1) {
    out_consensus->self = self;
    out_consensus->on_message = on_message;
    out_consensus->on_peer = on_peer;
  }
}

static void app_start(void *self, uint32_t node, struct hs2n_node *handle,
                      struct hs2n_sim_disk *disk) {
  struct app *a = self;

  CHECK_EQ(hs2n_sim_disk_bytes(disk).len, 0);
  a->starts++;
  a->nodes[node] = handle;
  a->due[node] = hs2n_sim_clock(a->sim, node) + HS2N_MS(50);
}

static void app_stop(void *self, uint32_t node) {
  struct app *a = self;

  a->stops++;
  a->nodes[node] = NULL;
  if (node == 1) {
    hs2n_buf_unref(a->held);
    a->held = NULL;
  }
}

static hs2n_time app_deadline(void *self, uint32_t node) {
  const struct app *a = self;

  return node == 0 ? a->due[0] : HS2N_TIME_NEVER;
}

/* Sends from its timer: the simulator must carry it off. */
static void app_tick(void *self, uint32_t node, hs2n_time now) {
  struct app *a = self;
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = HS2N_SIM_EPOCH};
  struct hs2n_msg msg = {.type = HS2N_LANE_CERT};

  CHECK(now >= a->due[node]);
  CHECK(now < a->due[node] + HS2N_US(1));
  a->due[node] = now + HS2N_MS(50);
  a->ticks++;
  CHECK_EQ(hs2n_buf_new(&msg.body, hs2n_mem_libc(), text("by the app")),
           HS2N_OK);
  CHECK_EQ(hs2n_send(a->nodes[node], &dst, &msg, NULL), HS2N_OK);
  hs2n_buf_unref(msg.body);
}

static void an_application_plugs_in(void) {
  struct app a = {0};
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = &a,
                                   .configure = app_configure,
                                   .on_start = app_start,
                                   .on_stop = app_stop,
                                   .deadline = app_deadline,
                                   .tick = app_tick};
  struct hs2n_sim_config config;

  world_config(&config, 2, 12);
  config.app = &app;
  CHECK_EQ(hs2n_sim_new(&a.sim, &config), HS2N_OK);
  hs2n_sim_set_drift(a.sim, 0, 30000);
  CHECK(hs2n_sim_start_all(a.sim));
  hs2n_sim_run(a.sim, HS2N_S(1));
  CHECK_EQ(a.starts, 2);
  CHECK_EQ(a.ups, 1);
  CHECK_EQ(a.ticks, 20); /* 1030 ms of its own clock */
  CHECK_EQ(a.messages, 20);
  CHECK(a.held != NULL);
  hs2n_sim_crash(a.sim, 1, false);
  CHECK_EQ(a.stops, 1);
  hs2n_sim_stop(a.sim, 0);
  hs2n_sim_run(a.sim, HS2N_S(2));
  CHECK_EQ(a.stops, 2);
  CHECK(world_well(a.sim));
  hs2n_sim_free(a.sim);
}

int main(void) {
  RUN_OVER(a_crash_is_noticed_and_a_restart_makes_good);
  RUN_OVER(a_node_stops_in_order);
  RUN_OVER(a_thousand_starts_and_stops_leave_nothing_behind);
  RUN_OVER(who_paused_hears_what_waited_in_its_socket);
  RUN_OVER(a_socket_has_an_end);
  RUN_OVER(clocks_drift_and_jump_as_told);
  RUN_OVER(a_clock_that_drifts_and_jumps_loses_no_message);
  RUN_OVER(each_allocation_of_a_start_may_fail);
  RUN_OVER(a_node_short_of_memory_recovers);
  RUN_OVER(each_allocation_of_a_world_may_fail);
  RUN_OVER(a_slow_disk_loses_what_was_not_durable);
  RUN_OVER(a_full_disk_takes_nothing_more);
  RUN_OVER(an_application_plugs_in);
  return tap_done();
}
