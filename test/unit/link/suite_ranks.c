/* Who is served first, out of many connections of one endpoint.  The link in
 * memory leaves that to its seed. */
#include "suite.h"

#define CONNS 32
#define PIECES_MAX 20000

/* One node that sends to many: a connection each, all to the second node. */
struct many {
  struct world w;
  struct world_conn *out[CONNS];
  struct world_conn *in[CONNS];
  size_t n;
  uint64_t order;
};
static struct many m;

struct piece {
  const struct world_conn *conn;
  uint64_t rank;
  size_t len;
};
static struct piece pieces[PIECES_MAX];
static size_t pieces_n;

static bool open_many(size_t n, uint64_t seed) {
  memset(&m, 0, sizeof(m));
  suite_begin(&m.w, 2, seed);
  for (size_t i = 0; i < 2; i++) {
    m.w.nodes[i].te.env.limits.peers_max = CONNS;
    m.w.nodes[i].te.env.limits.new_per_source_per_s = 1000;
    m.w.nodes[i].te.env.limits.new_per_source_burst = 1000;
  }
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

static void note(struct world_conn *c, const struct world_stream *s,
                 size_t len) {
  if (pieces_n < PIECES_MAX) {
    pieces[pieces_n++] = (struct piece){.conn = c, .rank = s->rank, .len = len};
  }
}

/* The next turn of the loop sends what has been queued. */
static void one_turn(void) {
  pieces_n = 0;
  m.w.nodes[0].on_sent = note;
  world_run(&m.w, 1);
  m.w.nodes[0].on_sent = NULL;
}

static void a_vote_to_the_last_peer_passes_the_proposals_to_all_others(void) {
  REQUIRE(open_many(CONNS, 1));
  for (size_t i = 0; i + 1 < CONNS; i++) {
    REQUIRE(queue(i, HS2N_LANE_PROPOSAL, 1u << 20) != NULL);
  }
  REQUIRE(queue(CONNS - 1, HS2N_LANE_VOTE, 150) != NULL);
  one_turn();
  CHECK(pieces[0].conn == m.out[CONNS - 1]);
  CHECK(pieces_n > CONNS);
  world_fini(&m.w);
}

static void a_message_reaches_all_its_receivers_before_the_next_begins(void) {
  uint64_t mixed = 0;
  uint64_t first_order;
  bool second = false;

  REQUIRE(open_many(8, 3));
  first_order = m.order;
  for (size_t round = 0; round < 2; round++) {
    for (size_t i = 0; i < 8; i++) {
      REQUIRE(queue(7 - i, HS2N_LANE_PROPOSAL, 4000) != NULL);
    }
  }
  one_turn();
  for (size_t i = 0; i < pieces_n; i++) {
    const uint64_t order =
        pieces[i].rank - hs2ni_rank(HS2N_LANE_PROPOSAL, 0) - first_order;

    if (order > 8) {
      mixed += pieces[i].len; /* the second message, perhaps too early */
      second = true;
    } else if (second) {
      CHECK(mixed < 8 * 1452); /* only what filled a packet of the first */
    }
    if (i > 0 && order <= 8 && pieces[i - 1].conn != pieces[i].conn) {
      CHECK(pieces[i].conn == m.out[8 - order]); /* as they were queued */
    }
  }
  CHECK(second);
  CHECK(pieces[0].conn == m.out[7]);
  world_run(&m.w, HS2N_S(1));
  for (size_t i = 0; i < 8; i++) {
    CHECK(world_arrived(m.out[i], m.in[i]));
  }
  world_fini(&m.w);
}

static void queue_vote(struct world_node *node, bool first) {
  (void)node;
  if (!first && m.order < 100) {
    m.order = 100;
    (void)queue(1, HS2N_LANE_VOTE, 150);
  }
}

/* Between two calls of poll_tx an urgent message comes: it is next. */
static void a_vote_queued_between_two_entries_leaves_in_the_next(void) {
  size_t at = 0;

  REQUIRE(open_many(2, 3));
  REQUIRE(queue(0, HS2N_LANE_BULK, 2u << 20) != NULL);
  m.w.nodes[0].tx_max = 1;
  m.w.nodes[0].before_poll = queue_vote;
  one_turn();
  m.w.nodes[0].before_poll = NULL;
  while (at < pieces_n && pieces[at].conn != m.out[1]) {
    at++;
  }
  CHECK(at > 0 && at < pieces_n);
  world_run(&m.w, HS2N_S(2));
  CHECK(world_arrived(m.out[1], m.in[1]));
  world_fini(&m.w);
}

int main(void) {
  if (suite_over(&world_mem)) {
    SKIP(a_vote_to_the_last_peer_passes_the_proposals_to_all_others,
         "the seed says who is next");
    return tap_done();
  }
  RUN(a_vote_to_the_last_peer_passes_the_proposals_to_all_others);
  RUN(a_message_reaches_all_its_receivers_before_the_next_begins);
  RUN(a_vote_queued_between_two_entries_leaves_in_the_next);
  return tap_done();
}
