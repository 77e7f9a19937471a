/* What leaves, and when, where the uplink of an endpoint is bounded. */
#include "base/addr.h"
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#define CONNS 6
#define SLOW 1000000u /* bits a second */
#define LARGE (4u << 20)
#define ACK 100u
#define HEADER 28u /* of IPv4 and UDP */

/* Node 0 speaks to node 1 over several connections, and its uplink, unlike its
 * path, is narrow. */
struct narrow {
  struct world w;
  struct world_conn *out[CONNS];
  struct world_conn *in[CONNS];
  size_t n;
  uint64_t order;
  /* of node 0: */
  hs2n_time began;
  hs2n_time busy; /* until what has left is through, by the true rate */
  hs2n_time ahead_max;
  uint64_t bits_per_s;
  uint64_t packets;
  uint64_t wire_bytes;
  unsigned dues_not_later;
};

static struct narrow m;

/* Looks at each datagram of node 0. */
static bool on_wire(struct world *w, struct world_packet *p) {
  const uint64_t bytes = p->len + HEADER;

  if (!hs2ni_addr_equal(&p->from, &w->nodes[0].external)) {
    return true;
  }
  m.packets++;
  m.wire_bytes += bytes;
  m.busy = (m.busy > w->now ? m.busy : w->now) +
           bytes * 8 * HS2N_S(1) / m.bits_per_s;
  if (m.busy - w->now > m.ahead_max) {
    m.ahead_max = m.busy - w->now;
  }
  return true;
}

/* After each step of the world: who is held says when it goes on. */
static bool look(struct world *w) {
  const struct world_node *node = &w->nodes[0];

  m.dues_not_later += node->te.env.uplink.held &&
                      node->link->ops->deadline(node->link) <= w->now;
  return false;
}

static void run(hs2n_time d) {
  (void)world_until(&m.w, look, d);
}

/* Connects without a bound, then sets it. */
static bool open_narrow(size_t n, uint64_t bits_per_s, uint64_t seed) {
  memset(&m, 0, sizeof(m));
  world_init(&m.w, 2, seed);
  m.w.delay = HS2N_MS(5);
  m.w.nodes[1].te.env.limits.new_per_source_burst = 1000;
  if (!world_start_all(&m.w)) {
    return false;
  }
  for (m.n = 0; m.n < n; m.n++) {
    if (!world_connect(&m.w, 0, 1, &m.out[m.n], &m.in[m.n])) {
      return false;
    }
  }
  world_run(&m.w, HS2N_MS(500));
  m.bits_per_s = bits_per_s;
  m.began = m.w.now;
  m.w.filter = on_wire;
  m.w.nodes[0].te.env.uplink = hs2ni_uplink_of(bits_per_s);
  return true;
}

static struct world_stream *queue(size_t conn, unsigned lane, uint64_t len) {
  return world_send_ranked(m.out[conn], len, hs2ni_rank(lane, ++m.order));
}

static void queue_all(unsigned lane, uint64_t len) {
  for (size_t i = 0; i < m.n; i++) {
    CHECK(queue(i, lane, len) != NULL);
  }
}

static hs2n_time time_of(uint64_t bytes) {
  return bytes * 8 * HS2N_S(1) / m.bits_per_s;
}

static double use(void) {
  return (double)time_of(m.wire_bytes) / (double)(m.w.now - m.began);
}

/* ---- the bound ----------------------------------------------------------- */

static void no_more_leaves_than_the_uplink_takes(void) {
  static const uint64_t rates[] = {200000, SLOW, 10000000, 100000000};

  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
    REQUIRE(open_narrow(CONNS, rates[i], 1 + i));
    queue_all(HS2N_LANE_PROPOSAL, rates[i] / 8 < LARGE ? rates[i] / 8 : LARGE);
    run(HS2N_S(1));
    CHECK(m.ahead_max <= HS2N_MS(1) || m.ahead_max <= time_of(1500));
    CHECK(use() > 0.9);
    CHECK_EQ(m.dues_not_later, 0);
    CHECK(m.w.nodes[0].te.env.stats.send_held > 0);
    CHECK_EQ(m.w.nodes[0].batches_uneven, 0);
    CHECK(!m.w.stuck);
    run(HS2N_S(20));
    for (size_t k = 0; k < m.n; k++) {
      CHECK(world_arrived(m.out[k], m.in[k]));
    }
    world_fini(&m.w);
  }
}

/* Segmentation offload has something to join. */
static void a_fast_uplink_is_given_batches(void) {
  uint64_t batches;

  REQUIRE(open_narrow(1, 1000000000, 5));
  queue_all(HS2N_LANE_PROPOSAL, LARGE);
  run(HS2N_MS(100)); /* the window has opened */
  batches = m.w.nodes[0].batches_out;
  m.packets = 0;
  queue_all(HS2N_LANE_PROPOSAL, LARGE);
  run(HS2N_MS(100));
  batches = m.w.nodes[0].batches_out - batches;
  CHECK(m.packets > 10 * batches);
  CHECK(m.ahead_max <= HS2N_MS(1));
  world_fini(&m.w);
}

static void a_bound_of_zero_is_none(void) {
  REQUIRE(open_narrow(2, SLOW, 6));
  m.w.nodes[0].te.env.uplink = hs2ni_uplink_of(0);
  queue_all(HS2N_LANE_PROPOSAL, 100000);
  run(HS2N_MS(500)); /* SLOW would take 1.6 s */
  CHECK(world_arrived(m.out[0], m.in[0]));
  CHECK(world_arrived(m.out[1], m.in[1]));
  CHECK_EQ(m.w.nodes[0].te.env.stats.send_held, 0);
  CHECK(!m.w.nodes[0].te.env.uplink.held);
  world_fini(&m.w);
}

/* An endpoint whose clock stands still is held, and says so, however often it
 * is asked. */
static void asking_again_at_the_same_time_gives_nothing(void) {
  struct hs2n_tx tx = {.capacity = 65507, .data = NULL};
  struct world_node *node = &m.w.nodes[0];
  static uint8_t bytes[65507];

  tx.data = bytes;
  REQUIRE(open_narrow(2, SLOW, 7));
  queue_all(HS2N_LANE_PROPOSAL, 100000);
  run(HS2N_MS(100));
  CHECK(node->te.env.uplink.held);
  for (unsigned i = 0; i < 100; i++) {
    CHECK_EQ(node->link->ops->poll_tx(node->link, &tx, 1), 0);
    CHECK(node->link->ops->deadline(node->link) > node->te.env.now);
  }
  CHECK(node->link->ops->deadline(node->link) <=
        node->te.env.now + time_of(1500));
  world_fini(&m.w);
}

/* ---- who goes next ------------------------------------------------------- */

static hs2n_time vote_left; /* its last byte */

static void note_vote(struct world_conn *c, const struct world_stream *s,
                      size_t len) {
  (void)len;
  if (hs2ni_rank_lane(s->rank) == HS2N_LANE_VOTE && s->offset == s->total) {
    vote_left = c->node->world->now;
  }
}

/* At any moment, to any peer: it waits for the datagram that is leaving and,
 * perhaps, an ack, and no proposal fills its packet. */
static void a_vote_waits_for_one_datagram_at_most(void) {
  struct hs2ni_rng rng;

  REQUIRE(open_narrow(CONNS, SLOW, 8));
  hs2ni_rng_seed(&rng, 8);
  m.w.nodes[0].on_sent = note_vote;
  queue_all(HS2N_LANE_PROPOSAL, LARGE);
  run(HS2N_S(1));
  for (unsigned i = 0; i < 200; i++) {
    const size_t conn = (size_t)hs2ni_rng_below(&rng, CONNS);
    hs2n_time sent;

    run(hs2ni_rng_below(&rng, HS2N_MS(60)));
    sent = m.w.now;
    vote_left = 0;
    m.packets = 0;
    m.wire_bytes = 0;
    REQUIRE(queue(conn, HS2N_LANE_VOTE, 150) != NULL);
    while (vote_left == 0 && m.w.now < sent + HS2N_S(1)) {
      run(HS2N_US(100));
    }
    CHECK(vote_left - sent <= time_of(1500 + ACK));
    CHECK(m.packets <= 2);
    CHECK(m.wire_bytes < 350 + ACK);
  }
  CHECK_EQ(m.dues_not_later, 0);
  world_fini(&m.w);
}

/* Acks of what comes in fast could fill the uplink by themselves. */
static void acks_leave_room_for_what_waits_and_are_not_starved_by_it(void) {
  uint64_t before[2];

  REQUIRE(open_narrow(CONNS, 200000, 9));
  m.w.nodes[1].te.env.uplink = hs2ni_uplink_of(8000000);
  for (size_t i = 1; i < CONNS; i++) {
    REQUIRE(world_send(m.in[i], LARGE) != NULL);
  }
  run(HS2N_S(1));
  REQUIRE(queue(0, HS2N_LANE_BULK, 1u << 20) != NULL);
  run(HS2N_S(2));
  before[0] = m.in[0]->received;
  before[1] = m.w.nodes[0].bytes_in;
  run(HS2N_S(10));
  /* More than a third of the uplink, while several Mbit/s come in. */
  CHECK(m.in[0]->received - before[0] > 10 * 200000 / 8 / 3);
  CHECK(m.w.nodes[0].bytes_in - before[1] > 10 * 1000000 / 8);
  CHECK(use() > 0.9);
  CHECK(m.ahead_max <= time_of(1500));
  world_fini(&m.w);
}

/* A packet of a version that nobody speaks, to be answered. */
static void strange(unsigned i) {
  const struct hs2n_addr from = {.family = HS2N_FAMILY_IPV4,
                                 .ip = {10, 9, (uint8_t)(i >> 8), (uint8_t)i},
                                 .port = 99};
  uint8_t bytes[1200] = {0xc0, 0xaa, 0xaa, 0xaa, 0xaa, 20};

  bytes[26] = 20;
  world_inject(&m.w, &from, &m.w.nodes[0].external, bytes, sizeof(bytes));
}

/* Strangers get an eighth while others wait. */
static void answers_to_strangers_take_an_eighth(void) {
  uint64_t received;
  uint64_t answers;

  REQUIRE(open_narrow(2, 200000, 10));
  m.w.nodes[0].te.env.limits.stateless_per_s = 100000;
  queue_all(HS2N_LANE_PROPOSAL, 1u << 20);
  run(HS2N_S(1));
  received = m.in[0]->received + m.in[1]->received;
  answers = m.w.nodes[0].te.env.stats.version_negotiations_sent;
  for (unsigned i = 0; i < 5000; i++) {
    strange(i);
    run(HS2N_MS(1));
  }
  received = m.in[0]->received + m.in[1]->received - received;
  answers = m.w.nodes[0].te.env.stats.version_negotiations_sent - answers;
  CHECK(received > 5 * 200000 / 8 * 3 / 4);
  CHECK(answers > 100);
  CHECK(m.w.nodes[0].te.env.stats.stateless_limited > 1000);
  CHECK(m.ahead_max <= time_of(1500));
  world_fini(&m.w);
}

/* Who waits for its turn still notices that an earlier packet got lost. */
static bool lose_one(struct world *w, struct world_packet *p) {
  if (hs2ni_addr_equal(&p->from, &w->nodes[0].external)) {
    w->filter = on_wire;
    return false;
  }
  return true;
}

static void a_lost_vote_is_sent_again_while_bulk_waits_behind_proposals(void) {
  struct world_stream *s;

  REQUIRE(open_narrow(2, SLOW, 11));
  m.w.filter = lose_one;
  s = queue(1, HS2N_LANE_VOTE, 150);
  REQUIRE(s != NULL);
  run(HS2N_US(10));
  CHECK(s->fin);
  REQUIRE(queue(1, HS2N_LANE_BULK, 100000) != NULL);
  REQUIRE(queue(0, HS2N_LANE_PROPOSAL, LARGE) != NULL);
  run(HS2N_MS(500));
  CHECK(s->done);
  CHECK(world_in(m.in[1], s->id) != NULL);
  world_fini(&m.w);
}

/* ---- any mixture --------------------------------------------------------- */

static void walk(uint64_t seed) {
  static const uint64_t rates[] = {300000, SLOW, 10000000, 200000000};
  static const unsigned losses[] = {0, 2000, 30000};
  struct hs2ni_rng rng;

  REQUIRE(open_narrow(CONNS, rates[seed % 4], seed));
  hs2ni_rng_seed(&rng, seed);
  m.w.loss_ppm = losses[seed % 3];
  for (unsigned i = 0; i < 150; i++) {
    const size_t conn = (size_t)hs2ni_rng_below(&rng, m.n);
    const unsigned lane = (unsigned)hs2ni_rng_below(&rng, HS2N_LANES);
    const uint64_t len = hs2ni_rng_below(&rng, 4000);

    REQUIRE(queue(conn, lane, len) != NULL);
    if (hs2ni_rng_below(&rng, 4) == 0) {
      REQUIRE(world_send(m.in[conn], hs2ni_rng_below(&rng, 60000)) != NULL);
    }
    if (hs2ni_rng_below(&rng, 8) == 0) {
      strange((unsigned)seed);
    }
    run(hs2ni_rng_below(&rng, HS2N_MS(40)));
  }
  m.w.loss_ppm = 0;
  run(HS2N_S(60));
  for (size_t i = 0; i < m.n; i++) {
    CHECK(world_arrived(m.out[i], m.in[i]));
    CHECK(world_arrived(m.in[i], m.out[i]));
  }
  CHECK(m.ahead_max <= HS2N_MS(1) || m.ahead_max <= time_of(1500));
  CHECK_EQ(m.dues_not_later, 0);
  CHECK(!m.w.stuck);
  world_fini(&m.w);
}

static void any_mixture_arrives_within_the_bound(void) {
  for (uint64_t seed = 100; seed < 112; seed++) {
    walk(seed);
  }
}

int main(void) {
  RUN(no_more_leaves_than_the_uplink_takes);
  RUN(a_fast_uplink_is_given_batches);
  RUN(a_bound_of_zero_is_none);
  RUN(asking_again_at_the_same_time_gives_nothing);
  RUN(a_vote_waits_for_one_datagram_at_most);
  RUN(acks_leave_room_for_what_waits_and_are_not_starved_by_it);
  RUN(answers_to_strangers_take_an_eighth);
  RUN(a_lost_vote_is_sent_again_while_bulk_waits_behind_proposals);
  RUN(any_mixture_arrives_within_the_bound);
  return tap_done();
}
