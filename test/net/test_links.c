/* test_links: whole replicas in namespaces of their own, joined by links that
 * delay, lose, bend and cut (run by hs2net-impair). */
#include "tap.h"

#include "net_world.h"

#define WAN "all heal delay=40ms jitter=0ms loss=1%"
#define CLEAN                                                       \
  "all heal delay=5ms jitter=0ms loss=0% burst=0%,0% duplicate=0% " \
  "corrupt=0% reorder=0% rate=0 mtu=0"

static struct net net;
static unsigned want;

static bool open_apart(uint32_t n, uint32_t idle_ms, const char *links) {
  return net_open_apart(&net, n, idle_ms, 500) && net_links(CLEAN) &&
         net_links(links) && net_join(&net) && net_run(&net, net_all_up);
}

static bool all_acked(const struct net *n) {
  return net_acked(n) >= want;
}

/* 0: not all came. */
static hs2n_time p50_of_rounds(unsigned rounds) {
  static hs2n_time took[120];
  size_t count = 0;

  for (unsigned i = 0; i < rounds; i++) {
    if (!net_round(&net, took, &count, 120)) {
      return 0;
    }
  }
  printf("# p50 %.1f ms, p99 %.1f ms, %zu votes\n",
         (double)net_percentile(took, count, 50) / 1e6,
         (double)net_percentile(took, count, 99) / 1e6, count);
  return net_percentile(took, count, 50);
}

/* covers: H41 */
static void a_vote_crosses_40_ms_and_loss_in_less_than_100(void) {
  hs2n_time best = HS2N_S(1000);
  bool ok = open_apart(4, 0, WAN);

  /* Many short measurements: on a busy machine one is not disturbed. */
  for (unsigned i = 0; ok && i < 20 && (i < 4 || best >= HS2N_MS(100)); i++) {
    const hs2n_time p50 = p50_of_rounds(10);

    ok = p50 >= HS2N_MS(40);
    best = p50 < best ? p50 : best;
  }
  CHECK(ok && net_is_clean(&net));
  CHECK(best < HS2N_MS(100));
  net_close(&net);
}

static struct hs2n_peer_info info_of_1(void) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  CHECK_EQ(
      hs2n_peer_info(hs2n_io_node(net.r[0].io), net.r[0].handles[1], &info),
      HS2N_OK);
  return info;
}

static void the_round_trip_time_follows_the_link(void) {
  hs2n_time took[20];
  size_t count = 0;
  bool ok = open_apart(2, 0, "delay=5ms");

  for (unsigned i = 0; ok && i < 10; i++) {
    ok = net_round(&net, took, &count, 20);
  }
  REQUIRE(ok);
  CHECK(info_of_1().rtt_min >= HS2N_MS(10));
  CHECK(info_of_1().rtt_min < HS2N_MS(40));
  CHECK(net_links("delay=50ms"));
  for (unsigned i = 0; ok && i < 20; i++) {
    ok = net_round(&net, took, &count, 20);
  }
  CHECK(ok && info_of_1().rtt_smoothed >= HS2N_MS(80));
  net_close(&net);
}

static bool zero_and_one_are_down(const struct net *n) {
  return n->r[0].downs > 0 && n->r[1].downs > 0;
}

/* Cuts a link until both ends know, and sends meanwhile. */
static void cut_and_heal(const char *cut) {
  hs2n_time healed;

  want = 2;
  if (open_apart(4, 1000, "delay=5ms")) {
    CHECK(net_links(cut));
    CHECK_EQ(net_send(&net.r[0], 1, NET_VOTE, 150), HS2N_OK);
    CHECK_EQ(net_send(&net.r[1], 0, NET_VOTE, 150), HS2N_OK);
    CHECK(net_run(&net, zero_and_one_are_down));
    CHECK_EQ(net.r[2].downs + net.r[3].downs, 0);
    CHECK_EQ(net_acked(&net), 0);
    CHECK(net_links("heal"));
    healed = hs2n_io_now();
    CHECK(net_run(&net, all_acked));
    /* One step of back-off, half a second here, and a handshake on a machine
     * that may be busy; test_faults.c of the node has it to the ms. */
    CHECK(hs2n_io_now() - healed < HS2N_S(10));
    CHECK(net_is_clean(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

/* covers: N09, G16 */
static void what_was_sent_on_a_cut_link_arrives_when_it_heals(void) {
  cut_and_heal("0-1 cut");
}

/* covers: N09 */
static void a_link_cut_one_way_is_down_at_both_ends_and_heals(void) {
  cut_and_heal("0:1 cut");
}

/* Small and large, from all to all. */
static void everything_arrives(const char *links) {
  static const size_t lens[] = {16, 1200, 70000, 300000};
  bool ok = open_apart(4, 0, links);

  want = 0;
  for (size_t i = 0; ok && i < sizeof(lens) / sizeof(lens[0]); i++) {
    for (uint32_t from = 0; from < 4; from++) {
      ok = net_send(&net.r[from], NET_MAX, NET_PROPOSAL, lens[i]) == HS2N_OK &&
           net_send(&net.r[from], NET_MAX, NET_VOTE, 150) == HS2N_OK;
      want += 2;
    }
  }
  CHECK(ok && net_run(&net, all_acked));
  CHECK_EQ(net_received(&net), 3 * want);
  CHECK(net_is_clean(&net));
  net_close(&net);
}

static void everything_arrives_in_order_over_links_with_every_fault(void) {
  everything_arrives("jitter=10ms loss=3% burst=0.2%,30% duplicate=3% "
                     "corrupt=1% reorder=3%");
}

static void everything_arrives_where_large_packets_vanish(void) {
  everything_arrives("mtu=1280");
}

static void everything_arrives_through_a_narrow_link(void) {
  everything_arrives("rate=20M queue=32k");
}

int main(void) {
  RUN(a_vote_crosses_40_ms_and_loss_in_less_than_100);
  RUN(the_round_trip_time_follows_the_link);
  RUN(what_was_sent_on_a_cut_link_arrives_when_it_heals);
  RUN(a_link_cut_one_way_is_down_at_both_ends_and_heals);
  RUN(everything_arrives_in_order_over_links_with_every_fault);
  RUN(everything_arrives_where_large_packets_vanish);
  RUN(everything_arrives_through_a_narrow_link);
  return tap_done();
}
