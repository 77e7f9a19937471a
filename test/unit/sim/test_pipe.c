/* TCP connections between simulated nodes: what they keep, what they cost and
 * how they end. */
#include "pipe_world.h"
#include "world.h"

#include "sim/pipe.h"

#define MB 1000000u

static const hs2n_time rtt = HS2N_MS(40);

static struct pipe_world *world(uint64_t seed) {
  return pipe_world_new(seed, hs2n_mem_libc());
}

static void set_noise(struct pipe_world *w, struct hs2n_sim_noise noise) {
  CHECK_EQ(hs2n_sim_set_noise(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise),
           HS2N_OK);
}

static hs2n_time now(const struct pipe_world *w) {
  return hs2n_sim_now(w->sim);
}

/* ---- begin ----------------------------------------------------------------
 */

static void a_call_takes_a_round_trip(void) {
  struct pipe_world *w = world(1);
  const hs2n_time begin = now(w);
  const struct pipe_end *a = pipe_open(w, 0, 1);

  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(a->opened);
  CHECK_EQ(a->opened_at - begin, rtt);
  CHECK_EQ(pipe_accepted(w, 1)->opened_at - begin, rtt + rtt / 2);
  CHECK(!a->closed);
  CHECK(pipe_world_free(w));
}

static void what_is_given_early_leaves_when_the_pipe_stands(void) {
  struct pipe_world *w = world(1);
  const hs2n_time begin = now(w);
  struct pipe_end *a = pipe_open(w, 0, 1);

  pipe_give(w, 0, a, 100);
  CHECK_EQ(a->given, 100);
  CHECK_EQ(a->sent, 0);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK_EQ(a->sent, 100);
  CHECK_EQ(a->sent_at - begin, rtt);
  CHECK_EQ(pipe_accepted(w, 1)->came, 100);
  CHECK_EQ(pipe_accepted(w, 1)->came_at - begin, rtt + rtt / 2);
  CHECK(pipe_world_free(w));
}

static void a_call_is_refused_where_nobody_runs(void) {
  struct pipe_world *w = world(1);
  const struct pipe_end *a;
  hs2n_time begin;

  hs2n_sim_crash(w->sim, 1, false);
  begin = now(w);
  a = pipe_open(w, 0, 1);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(!a->opened);
  CHECK(a->closed);
  CHECK_EQ(a->closed_at - begin, rtt);
  CHECK(pipe_world_free(w));
}

/* 1, 2, 4 ... seconds after the last one. */
static void a_call_into_nowhere_is_repeated_and_given_up(void) {
  struct pipe_world *w = world(1);
  const struct pipe_end *a;

  hs2n_sim_cut(w->sim, 0, 1, true);
  a = pipe_open(w, 0, 1);
  hs2n_sim_run(w->sim, HS2N_S(126));
  CHECK(!a->closed);
  hs2n_sim_run(w->sim, HS2N_S(2));
  CHECK(a->closed);
  CHECK(!a->opened);
  CHECK_EQ(world_stats(w->sim).lost_cut, 7);
  CHECK(pipe_world_free(w));
}

static void a_lost_answer_is_given_again(void) {
  struct pipe_world *w = world(1);
  const struct pipe_end *a;

  hs2n_sim_cut(w->sim, 1, 0, true);
  a = pipe_open(w, 0, 1);
  hs2n_sim_run(w->sim, HS2N_MS(500));
  hs2n_sim_heal(w->sim);
  hs2n_sim_run(w->sim, HS2N_MS(600));
  CHECK(a->opened);
  CHECK_EQ(w->nodes[1].ends_n, 1);
  CHECK(pipe_world_free(w));
}

/* ---- order ----------------------------------------------------------------
 */

static const struct hs2n_sim_noise bad = {.loss_ppm = 50000,
                                          .duplicate_ppm = 50000,
                                          .reorder_ppm = 100000,
                                          .reorder_delay = HS2N_MS(15),
                                          .corrupt_ppm = 20000};

static void bytes_come_whole_and_in_order(void) {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    struct pipe_world *w = world(seed);
    struct pipe_end *b;
    struct pipe_end *a = pipe_pair(w, 0, 1, &b);

    set_noise(w, bad);
    pipe_give(w, 0, a, MB);
    pipe_give(w, 1, b, MB / 2);
    hs2n_sim_run(w->sim, HS2N_S(120));
    CHECK_EQ(b->came, MB);
    CHECK_EQ(a->came, MB / 2);
    CHECK(!a->wrong && !b->wrong);
    CHECK_EQ(a->sent, MB);
    CHECK_EQ(b->sent, MB / 2);
    CHECK(world_stats(w->sim).segments_again > 30);
    CHECK(pipe_world_free(w));
  }
}

static void segments_fit_the_path(void) {
  struct pipe_world *w = world(1);
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20), .mtu = 1200};
  const struct hs2n_sim_link less = {.delay = HS2N_MS(20), .mtu = 600};
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  CHECK_EQ(hs2n_sim_set_link(w->sim, 0, 1, &link), HS2N_OK);
  pipe_give(w, 0, a, MB);
  hs2n_sim_run(w->sim, HS2N_MS(50));
  CHECK_EQ(world_stats(w->sim).lost_mtu, 0);
  /* What is lost from now on was sent larger than the path takes then. */
  hs2n_sim_cut(w->sim, 0, 1, true);
  hs2n_sim_run(w->sim, HS2N_MS(100));
  hs2n_sim_heal(w->sim);
  CHECK_EQ(hs2n_sim_set_link(w->sim, 0, 1, &less), HS2N_OK);
  hs2n_sim_run(w->sim, HS2N_S(20));
  CHECK_EQ(world_stats(w->sim).lost_mtu, 0);
  CHECK_EQ(b->came, MB);
  CHECK(!b->wrong);
  CHECK(pipe_world_free(w));
}

/* ---- time -----------------------------------------------------------------
 */

/* Nothing follows that could say that it is missing. */
static void a_lone_loss_costs_a_time_out(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);
  hs2n_time begin;

  hs2n_sim_cut(w->sim, 0, 1, true);
  begin = now(w);
  pipe_give(w, 0, a, 100);
  hs2n_sim_run(w->sim, HS2N_MS(10));
  hs2n_sim_heal(w->sim);
  hs2n_sim_run(w->sim, HS2N_S(2));
  CHECK_EQ(b->came, 100);
  CHECK(b->came_at - begin >= HS2N_MS(200) + rtt / 2);
  CHECK(b->came_at - begin <= HS2N_MS(320));
  CHECK(pipe_world_free(w));
}

static void a_loss_that_more_follows_costs_a_round_trip(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);
  hs2n_time begin;

  hs2n_sim_cut(w->sim, 0, 1, true);
  begin = now(w);
  pipe_give(w, 0, a, 100);
  hs2n_sim_heal(w->sim);
  for (unsigned i = 0; i < 5; i++) {
    hs2n_sim_run(w->sim, HS2N_MS(1));
    pipe_give(w, 0, a, 100);
  }
  hs2n_sim_run(w->sim, HS2N_S(2));
  CHECK_EQ(b->came, 600);
  CHECK(b->came_at - begin >= rtt + rtt / 2);
  CHECK(b->came_at - begin <= 2 * rtt);
  CHECK_EQ(world_stats(w->sim).segments_again, 1);
  CHECK(pipe_world_free(w));
}

/* The end of a burst: two round trips and what it takes to come. */
static void a_lost_tail_is_probed_for(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);
  hs2n_time begin;

  begin = now(w);
  pipe_give(w, 0, a, 100);
  hs2n_sim_cut(w->sim, 0, 1, true);
  pipe_give(w, 0, a, 5000);
  hs2n_sim_heal(w->sim);
  hs2n_sim_run(w->sim, HS2N_S(2));
  CHECK_EQ(b->came, 5100);
  CHECK(b->came_at - begin >= 3 * rtt);
  CHECK(b->came_at - begin <= 5 * rtt);
  CHECK(pipe_world_free(w));
}

static void time_outs_double_while_a_cut_lasts(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);
  hs2n_time begin;

  hs2n_sim_cut(w->sim, 0, 1, true);
  begin = now(w);
  pipe_give(w, 0, a, 100);
  hs2n_sim_run(w->sim, HS2N_S(20));
  CHECK(world_stats(w->sim).lost_cut >= 6);
  CHECK(world_stats(w->sim).lost_cut <= 9);
  hs2n_sim_heal(w->sim);
  hs2n_sim_run(w->sim, HS2N_S(40));
  CHECK_EQ(b->came, 100);
  CHECK(b->came_at - begin < HS2N_S(40));
  CHECK(pipe_world_free(w));
}

/* Linux: 15 minutes or some more. */
static void a_pipe_that_nobody_answers_is_given_up(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  hs2n_sim_cut(w->sim, 0, 1, true);
  pipe_give(w, 0, a, 100);
  hs2n_sim_run(w->sim, HS2N_S(600));
  CHECK(!a->closed);
  hs2n_sim_run(w->sim, HS2N_S(1200));
  CHECK(a->closed);
  CHECK(!b->closed); /* it has nothing to send, and nobody tells it */
  CHECK(pipe_world_free(w));
}

/* ---- rates ----------------------------------------------------------------
 */

static void a_rate_is_what_all_pipes_of_a_port_share(void) {
  struct pipe_world *w = world(1);
  const struct hs2n_sim_port port = {.bytes_per_s = MB,
                                     .queue_bytes = 128u << 10};
  const hs2n_time begin = now(w);
  struct pipe_end *b;
  struct pipe_end *c;
  struct pipe_end *ab = pipe_pair(w, 0, 1, &b);
  struct pipe_end *ac = pipe_pair(w, 0, 2, &c);

  hs2n_sim_set_ports(w->sim, 0, &port, NULL);
  pipe_give(w, 0, ab, MB);
  pipe_give(w, 0, ac, MB);
  CHECK(ab->given - ab->sent <= PIPE_UNSENT);
  hs2n_sim_run(w->sim, HS2N_S(1));
  /* Not all of it lies in front of the line. */
  CHECK(ab->sent + ac->sent < 13 * MB / 10);
  hs2n_sim_run(w->sim, HS2N_S(9));
  CHECK_EQ(b->came, MB);
  CHECK_EQ(c->came, MB);
  CHECK(b->came_at - begin > HS2N_S(1));
  CHECK((b->came_at > c->came_at ? b->came_at : c->came_at) - begin >
        HS2N_S(2));
  CHECK((b->came_at > c->came_at ? b->came_at : c->came_at) - begin <
        HS2N_S(3));
  CHECK(pipe_world_free(w));
}

/* Ten segments in the first round trip, twice as many in each that follows. */
static void a_pipe_starts_slowly(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  pipe_give(w, 0, a, MB);
  hs2n_sim_run(w->sim, rtt / 2);
  CHECK_EQ(b->came, 10 * HS2NI_PIPE_MSS);
  hs2n_sim_run(w->sim, rtt);
  CHECK_EQ(b->came, 30 * HS2NI_PIPE_MSS);
  hs2n_sim_run(w->sim, rtt);
  CHECK_EQ(b->came, 70 * HS2NI_PIPE_MSS);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK_EQ(b->came, MB);
  CHECK(pipe_world_free(w));
}

static void who_does_not_read_stops_who_writes(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  hs2n_sim_pause(w->sim, 1, HS2N_S(10));
  pipe_give(w, 0, a, 20 * MB);
  hs2n_sim_run(w->sim, HS2N_S(9));
  CHECK_EQ(b->came, 0);
  CHECK(a->sent > HS2NI_PIPE_ROOM);
  CHECK(a->sent < HS2NI_PIPE_ROOM + 100000);
  hs2n_sim_run(w->sim, HS2N_S(20));
  CHECK_EQ(b->came, 20 * MB);
  CHECK(!b->wrong);
  CHECK_EQ(a->sent, 20 * MB);
  CHECK(pipe_world_free(w));
}

/* ---- end ------------------------------------------------------------------
 */

static void what_was_given_comes_before_the_end(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  set_noise(w, bad);
  pipe_give(w, 0, a, MB);
  pipe_hang_up(w, 0, a);
  hs2n_sim_run(w->sim, HS2N_S(120));
  CHECK(a->hung_up);
  CHECK_EQ(b->came, MB);
  CHECK(!b->wrong);
  CHECK(b->closed);
  CHECK(!a->closed);
  CHECK(w->sim->pipes[0] == NULL); /* nobody remembers it */
  CHECK(pipe_world_free(w));
}

/* SYN, its answer, that one's acknowledgement with the bytes, one of them, two
 * ends and an acknowledgement of each. */
static void nothing_is_sent_behind_the_end(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *a = pipe_open(w, 0, 1);

  pipe_give(w, 0, a, 100);
  hs2n_sim_run(w->sim, HS2N_MS(100));
  pipe_hang_up(w, 0, a);
  hs2n_sim_run(w->sim, HS2N_S(100));
  CHECK_EQ(world_stats(w->sim).datagrams, 8);
  CHECK_EQ(world_stats(w->sim).bytes, 8 * HS2NI_PIPE_HEADER + 100);
  CHECK(pipe_world_free(w));
}

static void a_crash_shows_when_bytes_reach_the_next_process(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);
  hs2n_time begin;

  hs2n_sim_crash(w->sim, 1, false);
  hs2n_sim_run(w->sim, HS2N_S(5));
  CHECK(!a->closed);
  CHECK_EQ(hs2n_sim_start(w->sim, 1), HS2N_OK);
  hs2n_sim_run(w->sim, HS2N_S(5));
  CHECK(!a->closed);
  begin = now(w);
  pipe_give(w, 0, a, 1);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(a->closed);
  CHECK_EQ(a->closed_at - begin, rtt);
  CHECK(pipe_world_free(w));
}

static void a_process_that_stops_closes_its_pipes(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  pipe_give(w, 1, b, 50000);
  hs2n_sim_stop(w->sim, 1);
  hs2n_sim_run(w->sim, HS2N_S(5));
  CHECK(!hs2n_sim_running(w->sim, 1));
  CHECK_EQ(a->came, 50000);
  CHECK(a->closed);
  CHECK(pipe_world_free(w));
}

static void a_nat_that_forgets_ends_pipes(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  hs2n_sim_rebind(w->sim, 0);
  pipe_give(w, 1, b, 100); /* leads nowhere */
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(!a->closed);
  CHECK_EQ(a->came, 0);
  pipe_give(w, 0, a, 100); /* comes from who is not known */
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(a->closed);
  CHECK_EQ(b->came, 0);
  /* Behind a NAT one can call and not be called. */
  a = pipe_open(w, 0, 1);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(a->opened);
  a = pipe_open(w, 1, 0);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(!a->opened);
  CHECK(pipe_world_free(w));
}

static void another_address_ends_pipes(void) {
  struct pipe_world *w = world(1);
  struct pipe_end *b;
  struct pipe_end *a = pipe_pair(w, 0, 1, &b);

  hs2n_sim_move(w->sim, 0);
  pipe_give(w, 0, a, 100);
  pipe_give(w, 1, b, 100);
  hs2n_sim_run(w->sim, HS2N_S(10));
  CHECK_EQ(a->came, 0);
  CHECK_EQ(b->came, 0);
  a = pipe_open(w, 1, 0);
  hs2n_sim_run(w->sim, HS2N_S(1));
  CHECK(a->opened);
  CHECK(pipe_world_free(w));
}

/* ---- all at once ----------------------------------------------------------
 */

/* Whatever happens, what comes is the beginning of what was given; and when
 * nothing more happens all of it, on pipes that have not ended. */
static void trouble(struct pipe_world *w, unsigned turn) {
  const uint32_t a = (uint32_t)hs2n_sim_random(w->sim, PIPE_NODES);
  struct pipe_node *n = &w->nodes[a];
  struct pipe_end *e =
      n->ends_n == 0 ? NULL : &n->ends[hs2n_sim_random(w->sim, n->ends_n)];
  const uint64_t what = hs2n_sim_random(w->sim, 12);

  if (what < 3 && n->ends_n < 20) {
    e = pipe_open(w, a, (a + 1 + turn % 2) % PIPE_NODES);
    pipe_give(w, a, e, 1 + hs2n_sim_random(w->sim, 3000));
  } else if (what < 8 && e != NULL && !e->hang_up) {
    pipe_give(w, a, e, 1 + hs2n_sim_random(w->sim, 200000));
  } else if (what == 8 && e != NULL) {
    pipe_hang_up(w, a, e);
  } else if (what == 9) {
    hs2n_sim_pause(w->sim, a, HS2N_MS(300));
  } else if (what == 10) {
    hs2n_sim_cut(w->sim, a, HS2N_SIM_ALL, turn % 3 == 0);
  } else if (turn % 8 == 0) {
    hs2n_sim_crash(w->sim, a, false);
    CHECK_EQ(hs2n_sim_start(w->sim, a), HS2N_OK);
  }
}

static bool all_has_come(const struct pipe_world *w) {
  uint64_t given = 0;
  uint64_t came = 0;

  for (uint32_t i = 0; i < PIPE_NODES; i++) {
    for (size_t k = 0; k < w->nodes[i].ends_n; k++) {
      const struct pipe_end *e = &w->nodes[i].ends[k];

      CHECK(!e->wrong);
      CHECK(e->closed || e->hung_up || e->sent == e->given);
      given += e->closed || e->hung_up ? 0 : e->given;
      came += e->closed || e->hung_up ? 0 : e->came;
    }
  }
  return given == came;
}

static uint64_t walk(uint64_t seed, bool crashes) {
  struct pipe_world *w = world(seed);
  uint64_t hash;

  set_noise(w, bad);
  for (unsigned turn = 1; turn < 150; turn++) {
    trouble(w, crashes ? turn : turn | 1u);
    hs2n_sim_run(w->sim, HS2N_MS(50));
  }
  hs2n_sim_heal(w->sim);
  hs2n_sim_run(w->sim, HS2N_S(60));
  CHECK(all_has_come(w) || crashes);
  hash = hs2n_sim_hash(w->sim);
  CHECK(pipe_world_free(w));
  return hash;
}

static void walks_keep_what_is_promised(void) {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    CHECK(walk(seed, seed % 2 == 0) == walk(seed, seed % 2 == 0));
  }
}

/* The simulator without memory is a run that failed, no more. */
static void each_lack_of_memory_is_survived(void) {
  struct test_mem mem;
  uint64_t requests;

  test_mem_init(&mem, 0);
  for (uint64_t at = 0, all = 1; at <= all; at += at == 0 ? 1 : 7) {
    struct pipe_world *w;

    mem.fail_at = at == 0 ? 0 : mem.requests + at;
    requests = mem.requests;
    w = pipe_world_new(1, &mem.mem);
    if (w != NULL) {
      struct pipe_end *a = pipe_open(w, 0, 1);

      set_noise(w, bad);
      pipe_give(w, 0, a, 100000);
      hs2n_sim_run(w->sim, HS2N_S(5));
      (void)pipe_world_free(w);
    }
    all = at == 0 ? mem.requests - requests : all;
    CHECK_EQ(mem.live_bytes, 0);
  }
}

int main(void) {
  RUN(a_call_takes_a_round_trip);
  RUN(what_is_given_early_leaves_when_the_pipe_stands);
  RUN(a_call_is_refused_where_nobody_runs);
  RUN(a_call_into_nowhere_is_repeated_and_given_up);
  RUN(a_lost_answer_is_given_again);
  RUN(bytes_come_whole_and_in_order);
  RUN(segments_fit_the_path);
  RUN(a_lone_loss_costs_a_time_out);
  RUN(a_loss_that_more_follows_costs_a_round_trip);
  RUN(a_lost_tail_is_probed_for);
  RUN(time_outs_double_while_a_cut_lasts);
  RUN(a_pipe_that_nobody_answers_is_given_up);
  RUN(a_rate_is_what_all_pipes_of_a_port_share);
  RUN(a_pipe_starts_slowly);
  RUN(who_does_not_read_stops_who_writes);
  RUN(what_was_given_comes_before_the_end);
  RUN(nothing_is_sent_behind_the_end);
  RUN(a_crash_shows_when_bytes_reach_the_next_process);
  RUN(a_process_that_stops_closes_its_pipes);
  RUN(a_nat_that_forgets_ends_pipes);
  RUN(another_address_ends_pipes);
  RUN(walks_keep_what_is_promised);
  RUN(each_lack_of_memory_is_survived);
  return tap_done();
}
