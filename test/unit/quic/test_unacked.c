/* Who is not heard, although he hears: ways that are cut in one direction. */
#include "link_world.h"
#include "quic/endpoint.h"
#include "tap.h"

#define IDLE HS2N_MS(3000)
#define KEEP_ALIVE HS2N_MS(750)

static struct world w;
static struct world_conn *a; /* dialled b */
static struct world_conn *b;
static size_t deaf_to; /* the node whose packets are lost; SIZE_MAX: none */

static bool drop_of(struct world *world, struct world_packet *p) {
  return deaf_to == SIZE_MAX ||
         memcmp(p->from.ip, world->nodes[deaf_to].addr.ip, 4) != 0;
}

static bool meet(uint64_t seed) {
  deaf_to = SIZE_MAX;
  world_init(&w, 2, seed);
  w.delay = HS2N_MS(20);
  w.filter = drop_of;
  for (size_t i = 0; i < 2; i++) {
    w.nodes[i].te.env.limits.idle_ms = IDLE / HS2N_MS(1);
    w.nodes[i].te.env.limits.keep_alive_ms = KEEP_ALIVE / HS2N_MS(1);
  }
  if (!world_meet(&w, &a, &b)) {
    return false;
  }
  world_run(&w, HS2N_S(2));
  return true;
}

/* Runs for d, with something to send at each end now and then; when each of
 * them has noticed the end, from now. */
static void run_until_noticed(hs2n_time d, size_t bytes, hs2n_time noticed[2]) {
  const hs2n_time began = w.now;
  struct world_conn *const ends[2] = {a, b};

  noticed[0] = noticed[1] = 0;
  while (w.now - began < d) {
    for (size_t i = 0; i < 2; i++) {
      if (ends[i]->closed && noticed[i] == 0) {
        noticed[i] = w.now - began;
      } else if (!ends[i]->closed && bytes > 0 && ends[i]->out_n < 60) {
        (void)world_send(ends[i], bytes);
      }
    }
    world_run(&w, HS2N_MS(10));
  }
}

static void must_be_noticed_in(hs2n_time bound, size_t bytes) {
  for (size_t from = 0; from < 2; from++) {
    hs2n_time noticed[2];

    REQUIRE(meet(400 + from));
    deaf_to = from;
    run_until_noticed(3 * bound, bytes, noticed);
    TAP_SAY("# noticed after %llu and %llu ms\n",
            (unsigned long long)(noticed[0] / HS2N_MS(1)),
            (unsigned long long)(noticed[1] / HS2N_MS(1)));
    CHECK(a->closed && b->closed);
    CHECK(noticed[0] <= bound && noticed[1] <= bound);
    CHECK_EQ(a->why.reason, HS2N_REASON_IDLE_TIMEOUT);
    CHECK_EQ(b->why.reason, HS2N_REASON_IDLE_TIMEOUT);
    CHECK_EQ(w.nodes[0].te.env.stats.protocol_errors, 0);
    CHECK_EQ(w.nodes[1].te.env.stats.protocol_errors, 0);
    world_fini(&w);
  }
}

/* A round trip more: what was under way at first is answered. */
static void
a_way_cut_under_load_is_noticed_at_both_ends_in_the_idle_time(void) {
  must_be_noticed_in(IDLE + HS2N_MS(60), 5000);
}

static void small_messages_do_too(void) {
  must_be_noticed_in(IDLE + HS2N_MS(60), 10);
}

static void a_way_cut_in_silence_is_noticed_one_keep_alive_later(void) {
  must_be_noticed_in(IDLE + KEEP_ALIVE + HS2N_MS(60), 0);
}

/* What one sends is answered, although he has nothing but acks to say. */
static void who_only_listens_is_heard(void) {
  REQUIRE(meet(410));
  for (unsigned i = 0; i < 60; i++) {
    REQUIRE(world_send(a, 3000) != NULL);
    world_run(&w, HS2N_MS(200));
  }
  CHECK(!a->closed && !b->closed);
  CHECK(world_arrived(a, b));
  world_fini(&w);
}

/* One way is cut for less than the idle time, again and again. */
static void shorter_cuts_of_one_way_end_nothing(void) {
  REQUIRE(meet(420));
  for (unsigned i = 0; i < 20; i++) {
    hs2n_time noticed[2];

    deaf_to = i % 2;
    run_until_noticed(IDLE / 2, 2000, noticed);
    deaf_to = SIZE_MAX;
    world_run(&w, IDLE);
    REQUIRE(!a->closed && !b->closed);
  }
  CHECK(world_exchange(&w, a, b, HS2N_S(5)));
  world_fini(&w);
}

/* An ack that waits in the socket of a process that was stopped counts. */
static void a_pause_is_no_silence(void) {
  hs2n_time dead;

  REQUIRE(meet(430));
  REQUIRE(world_send(a, 100) != NULL);
  world_run(&w, HS2N_MS(30)); /* the ack has left and not come yet */
  dead = hs2ni_quic_unacked_deadline(hs2ni_quic_conn_of(a->conn));
  CHECK(dead > w.now && dead <= w.now + IDLE);
  w.now = dead + HS2N_MS(10); /* nobody was entered; packets come first */
  world_run(&w, HS2N_S(1));
  CHECK(!a->closed && !b->closed);
  world_fini(&w);
}

int main(void) {
  RUN(a_way_cut_under_load_is_noticed_at_both_ends_in_the_idle_time);
  RUN(small_messages_do_too);
  RUN(a_way_cut_in_silence_is_noticed_one_keep_alive_later);
  RUN(who_only_listens_is_heard);
  RUN(shorter_cuts_of_one_way_end_nothing);
  RUN(a_pause_is_no_silence);
  return tap_done();
}
