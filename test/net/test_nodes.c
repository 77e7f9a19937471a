/* test_nodes: whole replicas over loopback, each in an outer event loop. */
#include "tap.h"

#include "net_world.h"

#include <dirent.h>
#include <hs2net/replay.h>
#include <stdlib.h>

static struct net net;
static unsigned want_received;
static unsigned want_acked;

static bool all_arrived(const struct net *n) {
  return net_received(n) >= want_received && net_acked(n) >= want_acked;
}

static struct hs2n_stats stats_of(uint32_t i) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(hs2n_io_node(net.r[i].io), &stats);
  return stats;
}

/* Both ways, some sizes, everything acknowledged. */
static void exchange(void) {
  static const size_t lens[] = {0, 16, 150, 1200, 1452, 5000, 16384};
  const unsigned n = sizeof(lens) / sizeof(lens[0]);

  want_received = 0;
  want_acked = 0;
  for (unsigned i = 0; i < n; i++) {
    for (uint32_t from = 0; from < net.n; from++) {
      CHECK_EQ(net_send(&net.r[from], NET_MAX, NET_VOTE, lens[i]), HS2N_OK);
      want_acked++;
      want_received += net.n - 1;
    }
  }
  CHECK(net_run(&net, all_arrived));
  CHECK_EQ(net_received(&net), want_received);
  CHECK(net_is_clean(&net));
  for (uint32_t i = 0; i < net.n; i++) {
    CHECK_EQ(net.r[i].ackers, net.r[i].acked * (net.n - 1));
  }
}

static void meet(uint32_t n, const char *listen, const char *dial) {
  if (net_open(&net, n, listen, dial, NULL) && net_join(&net)) {
    exchange();
    CHECK(net_all_up(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

static void two_replicas_meet_over_ipv4(void) {
  meet(2, "127.0.0.1:0", "127.0.0.1:0");
}

static void two_replicas_meet_over_ipv6(void) {
  meet(2, "[::1]:0", "[::1]:0");
}

static void wildcard_sockets_are_dialled_over_ipv4(void) {
  meet(2, "[::]:0", "127.0.0.1:0");
}

static void wildcard_sockets_are_dialled_over_ipv6(void) {
  meet(2, "[::]:0", "[::1]:0");
}

static void wildcard_ipv4_sockets_meet(void) {
  meet(2, "0.0.0.0:0", "127.0.0.1:0");
}

/* covers: N11 */
static void four_replicas_hear_every_broadcast_once(void) {
  meet(4, "127.0.0.1:0", "127.0.0.1:0");
}

/* covers: H02 */
static void a_message_to_one_reaches_that_one_alone(void) {
  if (net_open(&net, 4, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    CHECK(net_run(&net, net_all_up));
    for (unsigned i = 0; i < 20; i++) {
      CHECK_EQ(net_send(&net.r[0], 2, NET_VOTE, 150), HS2N_OK);
    }
    want_received = 20;
    want_acked = 20;
    CHECK(net_run(&net, all_arrived));
    CHECK_EQ(net.r[1].received, 0);
    CHECK_EQ(net.r[2].received, 20);
    CHECK_EQ(net.r[3].received, 0);
    CHECK_EQ(net.r[0].ackers, 20);
    CHECK(net_is_clean(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

/* covers: H09 */
static void ten_thousand_messages_take_one_connection(void) {
  unsigned sent = 0;
  bool ok =
      net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net);

  CHECK(ok);
  while (ok && sent < 10000) {
    const int rc = net_send(&net.r[0], 1, NET_VOTE, 150);

    CHECK(rc == HS2N_OK || rc == HS2N_ERR_FULL);
    if (rc == HS2N_OK) {
      sent++;
      continue;
    }
    want_received = sent;
    want_acked = sent;
    ok = rc == HS2N_ERR_FULL && net_run(&net, all_arrived);
  }
  want_received = sent;
  want_acked = sent;
  CHECK(ok && net_run(&net, all_arrived));
  CHECK_EQ(net.r[1].received, 10000);
  CHECK(net_is_clean(&net));
  CHECK_EQ(stats_of(0).connections_opened - stats_of(0).duplicate_connections,
           1);
  CHECK_EQ(stats_of(1).connections_opened - stats_of(1).duplicate_connections,
           1);
  net_close(&net);
}

/* Large bodies with small ones between them. */
static void large_and_small(const struct hs2n_io_config *config,
                            uint32_t payload_max) {
  static const size_t lens[] = {65535, 65536, 65537, 1u << 20, NET_BODY_MAX};
  bool ok = net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", config);

  if (ok && payload_max != 0) {
    net.udp_payload_max = payload_max;
    for (uint32_t i = 0; i < 2; i++) {
      net_kill(&net, i);
      ok = ok && net_restart(&net, i);
    }
  } else {
    ok = ok && net_join(&net);
  }
  CHECK(ok);
  want_received = 0;
  want_acked = 0;
  for (size_t i = 0; ok && i < sizeof(lens) / sizeof(lens[0]); i++) {
    CHECK_EQ(net_send(&net.r[0], 1, NET_PROPOSAL, lens[i]), HS2N_OK);
    CHECK_EQ(net_send(&net.r[0], 1, NET_VOTE, 100), HS2N_OK);
    CHECK_EQ(net_send(&net.r[1], 0, NET_BULK, lens[i]), HS2N_OK);
    want_received += 3;
    want_acked += 3;
  }
  CHECK(ok && net_run(&net, all_arrived));
  CHECK(net_is_clean(&net));
  net_close(&net);
}

static void large_bodies_arrive_whole_with_offload(void) {
  large_and_small(NULL, 0);
}

static void large_bodies_arrive_whole_without_offload(void) {
  struct hs2n_io_config config;

  hs2n_io_config_default(&config);
  config.offload = HS2N_OFFLOAD_OFF;
  large_and_small(&config, 0);
}

static void large_bodies_arrive_whole_in_large_datagrams(void) {
  large_and_small(NULL, 16384);
}

/* The kernel drops most of a burst: what it drops is sent again. */
static void large_bodies_arrive_whole_through_a_tiny_buffer(void) {
  struct hs2n_io_config config;

  hs2n_io_config_default(&config);
  config.rcvbuf_bytes = 32768;
  config.sndbuf_bytes = 32768;
  large_and_small(&config, 0);
}

static void spinning_replicas_meet(void) {
  struct hs2n_io_config config;

  hs2n_io_config_default(&config);
  config.spin_us = 50;
  large_and_small(&config, 0);
}

/* covers: H41 */
static void a_vote_takes_less_than_a_millisecond_on_loopback(void) {
  enum { ROUNDS = 500 };
  static hs2n_time took[2 * ROUNDS];
  size_t count = 0;

  if (net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    CHECK(net_run(&net, net_all_up));
    for (unsigned i = 0; i < ROUNDS; i++) {
      REQUIRE(net_round(&net, took, &count, 2 * ROUNDS));
    }
    CHECK(net_percentile(took, count, 50) < HS2N_MS(1));
    printf("# p50 %.0f us, p99 %.0f us, %zu votes\n",
           (double)net_percentile(took, count, 50) / 1e3,
           (double)net_percentile(took, count, 99) / 1e3, count);
    CHECK(net_is_clean(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

static bool peer_went_down(const struct net *n) {
  return n->r[0].downs > 0;
}

static bool one_has_stopped(const struct net *n) {
  return hs2n_node_stopped(hs2n_io_node(n->r[1].io));
}

static void a_stopped_replica_says_goodbye(void) {
  if (net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    exchange();
    hs2n_io_stop(net.r[1].io);
    CHECK(net_run(&net, one_has_stopped));
    CHECK(net_run(&net, peer_went_down));
    CHECK_EQ(net.r[0].down_reason, HS2N_REASON_SHUTDOWN);
    CHECK_EQ(net_send(&net.r[1], 0, NET_VOTE, 16), HS2N_ERR_CLOSED);
  } else {
    CHECK(false);
  }
  net_close(&net);
}

/* covers: H12 */
static void a_replica_that_was_killed_comes_back(void) {
  if (net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    exchange();
    net_kill(&net, 1);
    memset(net.r[0].next, 0, sizeof(net.r[0].next));
    memset(net.r[0].sent, 0, sizeof(net.r[0].sent));
    CHECK(net_restart(&net, 1));
    net.r[0].received = 0;
    net.r[1].received = 0;
    net.r[0].acked = 0;
    net.r[0].ackers = 0;
    net.r[1].acked = 0;
    net.r[1].ackers = 0;
    exchange();
  } else {
    CHECK(false);
  }
  net_close(&net);
}

/* ---- what was recorded is done again ------------------------------------- */

struct recorded {
  uint8_t *bytes;
  size_t len;
  size_t capacity;
};

static void record(void *user_data, struct hs2n_span bytes) {
  struct recorded *rec = user_data;

  if (bytes.len > rec->capacity - rec->len) {
    const size_t capacity = 2 * (rec->capacity + bytes.len);
    uint8_t *grown = realloc(rec->bytes, capacity);

    if (grown == NULL) {
      abort();
    }
    rec->bytes = grown;
    rec->capacity = capacity;
  }
  memcpy(rec->bytes + rec->len, bytes.data, bytes.len);
  rec->len += bytes.len;
}

static void replay_all(const struct recorded *rec) {
  const struct hs2n_span all = {rec->bytes, rec->len};
  struct hs2n_replay_at at = {.struct_size = sizeof(at)};
  struct hs2n_replay *replay;
  int err = hs2n_replay_new(&replay, all, hs2n_mem_libc(), net.r[0].identity,
                            NULL, NULL);

  CHECK_EQ(err, HS2N_OK);
  if (err != HS2N_OK) {
    return;
  }
  do {
    err = hs2n_replay_step(replay);
  } while (err == 1);
  hs2n_replay_where(replay, &at);
  CHECK_EQ(err, 0);
  CHECK_TEXT(at.text == NULL ? "" : at.text, "");
  CHECK_EQ(at.offset, rec->len);
  CHECK(at.entries > 20);
  hs2n_replay_free(replay);
}

static void a_recorded_replica_does_the_same_again(void) {
  struct recorded rec = {0};

  net_record = record;
  net_record_data = &rec;
  if (net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    exchange();
    net_kill(&net, 1); /* its peer hears of that, or will notice */
    CHECK_EQ(hs2n_io_turn(net.r[0].io, HS2N_MS(1)), HS2N_OK);
    net_kill(&net, 0);
    replay_all(&rec);
  } else {
    CHECK(false);
  }
  net_record = NULL;
  net_close(&net);
  free(rec.bytes);
}

static unsigned entries(const char *path) {
  DIR *dir = opendir(path);
  unsigned n = 0;

  while (dir != NULL && readdir(dir) != NULL) {
    n++;
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return n;
}

/* A thread that was joined may still be on its way out of the kernel. */
static unsigned threads_left(unsigned want) {
  const hs2n_time end = hs2n_io_now() + NET_LIMIT;
  unsigned n = entries("/proc/self/task");

  while (n > want && hs2n_io_now() < end) {
    n = entries("/proc/self/task");
  }
  return n;
}

/* Every other life has a thread of its own. */
static bool lives(unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    if (i % 2 == 0 && hs2n_io_start(net.r[0].io) != HS2N_OK) {
      return false;
    }
    net_kill(&net, 0);
    if (!net_restart(&net, 0)) {
      return false;
    }
  }
  return true;
}

/* covers: D01 */
static void after_1000_lives_the_port_is_free_and_nothing_is_left(void) {
  if (net_open(&net, 1, "127.0.0.1:0", "127.0.0.1:0", NULL) && lives(1)) {
    const unsigned threads = entries("/proc/self/task");
    const unsigned files = entries("/proc/self/fd");

    CHECK(lives(1000));
    CHECK_EQ(threads_left(threads), threads);
    CHECK_EQ(entries("/proc/self/fd"), files);
  } else {
    CHECK(false);
  }
  net_close(&net);
}

int main(int argc, char **argv) {
  net_choose_transport(argc, argv);
  RUN(two_replicas_meet_over_ipv4);
  RUN(two_replicas_meet_over_ipv6);
  RUN(wildcard_sockets_are_dialled_over_ipv4);
  RUN(wildcard_sockets_are_dialled_over_ipv6);
  RUN(wildcard_ipv4_sockets_meet);
  RUN(four_replicas_hear_every_broadcast_once);
  RUN(a_message_to_one_reaches_that_one_alone);
  RUN(ten_thousand_messages_take_one_connection);
  RUN(large_bodies_arrive_whole_with_offload);
  RUN(large_bodies_arrive_whole_without_offload);
  RUN(large_bodies_arrive_whole_in_large_datagrams);
  RUN(large_bodies_arrive_whole_through_a_tiny_buffer);
  RUN(spinning_replicas_meet);
  RUN(a_vote_takes_less_than_a_millisecond_on_loopback);
  RUN(a_stopped_replica_says_goodbye);
  RUN(a_replica_that_was_killed_comes_back);
  RUN(a_recorded_replica_does_the_same_again);
  RUN(after_1000_lives_the_port_is_free_and_nothing_is_left);
  return tap_done();
}
