/* Who is served first, out of many connections of one endpoint. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#define CONNS 32

/* One node that sends to many: a connection each, all to the second node. */
struct many {
  struct world w;
  struct world_conn *out[CONNS];
  struct world_conn *in[CONNS];
  size_t n;
  uint64_t order;
};

static struct many m;

static bool open_many(size_t n, uint64_t seed) {
  memset(&m, 0, sizeof(m));
  world_init(&m.w, 2, seed);
  m.w.nodes[0].te.env.limits.peers_max = CONNS;
  m.w.nodes[1].te.env.limits.peers_max = CONNS;
  m.w.nodes[1].te.env.limits.new_per_source_per_s = 1000;
  m.w.nodes[1].te.env.limits.new_per_source_burst = 1000;
  if (!world_start_all(&m.w)) {
    return false;
  }
  for (m.n = 0; m.n < n; m.n++) {
    if (!world_connect(&m.w, 0, 1, &m.out[m.n], &m.in[m.n])) {
      return false;
    }
  }
  world_run(&m.w, HS2N_MS(200));
  return true;
}

static struct world_stream *queue(size_t conn, unsigned lane, uint64_t len) {
  return world_send_ranked(m.out[conn], len, hs2ni_rank(lane, ++m.order));
}

static size_t index_of(const struct world_conn *c) {
  for (size_t i = 0; i < m.n; i++) {
    if (m.out[i] == c) {
      return i;
    }
  }
  return SIZE_MAX;
}

/* ---- what left, in order ------------------------------------------------- */

struct piece {
  size_t conn;
  uint64_t rank;
  size_t len;
};

#define PIECES_MAX 20000
static struct piece pieces[PIECES_MAX];
static size_t pieces_n;

static void note(struct world_conn *c, const struct world_stream *s,
                 size_t len) {
  if (pieces_n < PIECES_MAX) {
    pieces[pieces_n++] =
        (struct piece){.conn = index_of(c), .rank = s->rank, .len = len};
  }
}

/* The next turn of the loop sends what has been queued. */
static void one_turn(void) {
  pieces_n = 0;
  m.w.nodes[0].on_sent = note;
  world_run(&m.w, 1);
  m.w.nodes[0].on_sent = NULL;
}

static uint64_t bytes_before_lane(unsigned lane) {
  uint64_t sum = 0;

  for (size_t i = 0; i < pieces_n; i++) {
    if (hs2ni_rank_lane(pieces[i].rank) == lane) {
      break;
    }
    sum += pieces[i].len;
  }
  return sum;
}

/* A packet takes as long as all that is in it. */
static void a_proposal_does_not_fill_the_packet_of_a_vote(void) {
  uint64_t bytes;

  REQUIRE(open_many(1, 6));
  bytes = m.w.nodes[0].bytes_out;
  REQUIRE(queue(0, HS2N_LANE_PROPOSAL, 2000) != NULL);
  REQUIRE(queue(0, HS2N_LANE_VOTE, 150) != NULL);
  REQUIRE(queue(0, HS2N_LANE_VOTE, 150) != NULL);
  one_turn();
  REQUIRE(pieces_n == 3); /* the next waits for its pace */
  CHECK_EQ(hs2ni_rank_lane(pieces[0].rank), HS2N_LANE_VOTE);
  CHECK_EQ(hs2ni_rank_lane(pieces[1].rank), HS2N_LANE_VOTE); /* they share */
  CHECK_EQ(hs2ni_rank_lane(pieces[2].rank), HS2N_LANE_PROPOSAL);
  CHECK_EQ(pieces[2].len, 64); /* see packet.c */
  CHECK(m.w.nodes[0].bytes_out - bytes < 450);
  world_run(&m.w, HS2N_S(1));
  CHECK(world_arrived(m.out[0], m.in[0]));
  world_fini(&m.w);
}

static void queue_vote(struct world_node *node, bool first) {
  if (!first && node->tx_max == 1) {
    node->tx_max = 2; /* once */
    (void)queue(CONNS - 1, HS2N_LANE_VOTE, 150);
    pieces_n = 0;
  }
}

static void a_vote_queued_between_two_batches_leaves_in_the_next(void) {
  REQUIRE(open_many(CONNS, 2));
  for (size_t i = 0; i + 1 < CONNS; i++) {
    REQUIRE(queue(i, HS2N_LANE_PROPOSAL, 1u << 20) != NULL);
  }
  m.w.nodes[0].tx_max = 1;
  m.w.nodes[0].before_poll = queue_vote;
  one_turn();
  CHECK_EQ(m.w.nodes[0].tx_max, 2);
  CHECK_EQ(bytes_before_lane(HS2N_LANE_VOTE), 0);
  CHECK(pieces_n > CONNS);
  world_fini(&m.w);
}

/* A peer whose window is full does not hold up those behind it. */
static void a_blocked_peer_is_passed_over_and_gets_the_rest_later(void) {
  uint64_t sent[2] = {0};

  REQUIRE(open_many(2, 4));
  REQUIRE(queue(0, HS2N_LANE_PROPOSAL, 1u << 20) != NULL);
  REQUIRE(queue(1, HS2N_LANE_PROPOSAL, 3000) != NULL);
  one_turn();
  for (size_t i = 0; i < pieces_n; i++) {
    sent[pieces[i].conn] += pieces[i].len;
  }
  CHECK(sent[0] > 0 && sent[0] < 1u << 20);
  CHECK_EQ(sent[1], 3000);
  CHECK_EQ(pieces[0].conn, 0);
  world_run(&m.w, HS2N_S(3));
  CHECK(world_arrived(m.out[0], m.in[0]));
  world_fini(&m.w);
}

static void bulk_goes_on_while_nothing_else_waits(void) {
  REQUIRE(open_many(4, 5));
  for (size_t i = 0; i < 4; i++) {
    REQUIRE(queue(i, HS2N_LANE_BULK, 2u << 20) != NULL);
  }
  for (unsigned round = 0; round < 50; round++) {
    REQUIRE(queue(round % 4, HS2N_LANE_VOTE, 150) != NULL);
    world_run(&m.w, HS2N_MS(20));
  }
  for (size_t i = 0; i < 4; i++) {
    CHECK(world_arrived(m.out[i], m.in[i]));
  }
  world_fini(&m.w);
}

/* ---- a property, on random walks ----------------------------------------- */

static unsigned highest; /* lane sent since the last time something came */
static uint64_t breaches;

static void check_piece(struct world_conn *c, const struct world_stream *s,
                        size_t len) {
  const unsigned lane = hs2ni_rank_lane(s->rank);

  (void)c;
  (void)len;
  /* Nothing comes in between two polls of a turn, so who is blocked stays so:
   * what leaves now could have left before what left. */
  breaches += lane < highest;
  highest = lane > highest ? lane : highest;
}

static void queue_some(struct world_node *node, bool first) {
  struct hs2ni_rng *rng = &node->world->rng;

  if (!first && hs2ni_rng_below(rng, 8) == 0) {
    (void)queue((size_t)hs2ni_rng_below(rng, m.n),
                (unsigned)hs2ni_rng_below(rng, HS2N_LANES),
                hs2ni_rng_below(rng, 3000));
    first = true;
  }
  if (first) {
    highest = 0;
  }
}

/* Large ones fill the window, so that acks for several connections at once
 * set free what has waited for some time. */
static void queue_one(struct hs2ni_rng *rng, size_t conn) {
  const bool large = hs2ni_rng_below(rng, 4) == 0;

  if (m.out[conn]->out_n < WORLD_STREAMS_MAX - 64) {
    (void)queue(conn, (unsigned)hs2ni_rng_below(rng, HS2N_LANES),
                hs2ni_rng_below(rng, large ? 1000000 : 800));
  }
}

static void walk(uint64_t seed) {
  static const unsigned losses[] = {0, 2000, 30000};
  struct hs2ni_rng rng;

  REQUIRE(open_many(6, seed));
  hs2ni_rng_seed(&rng, seed);
  m.w.loss_ppm = losses[seed % 3];
  m.w.nodes[0].tx_max = 1 + (size_t)(seed % 4);
  m.w.nodes[0].before_poll = queue_some;
  m.w.nodes[0].on_sent = check_piece;
  breaches = 0;
  for (unsigned i = 0; i < 100; i++) {
    for (size_t conn = 0; conn < m.n; conn++) {
      queue_one(&rng, conn);
    }
    world_run(&m.w, hs2ni_rng_below(&rng, HS2N_MS(12)));
  }
  m.w.nodes[0].before_poll = NULL;
  m.w.loss_ppm = 0;
  world_run(&m.w, HS2N_S(20));
  CHECK_EQ(breaches, 0);
  for (size_t i = 0; i < m.n; i++) {
    CHECK(world_arrived(m.out[i], m.in[i]));
  }
  CHECK(!m.w.stuck);
  world_fini(&m.w);
}

static void no_lower_lane_leaves_while_a_higher_one_could(void) {
  for (uint64_t seed = 100; seed < 109; seed++) {
    walk(seed);
  }
}

int main(void) {
  RUN(a_proposal_does_not_fill_the_packet_of_a_vote);
  RUN(a_vote_queued_between_two_batches_leaves_in_the_next);
  RUN(a_blocked_peer_is_passed_over_and_gets_the_rest_later);
  RUN(bulk_goes_on_while_nothing_else_waits);
  RUN(no_lower_lane_leaves_while_a_higher_one_could);
  return tap_done();
}
