/* Messages of types with HS2N_TYPE_BY_CONTENT, which come by several paths:
 * each is taken once, whoever sent it. */
#include "test_env.h"
#include "world.h"

/* Two senders (or more) and a receiver. */
enum { A, B, TO, PLACES };

static const struct hs2n_type types[WORLD_TYPES] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 1024},
    {.id = 1,
     .lane = HS2N_LANE_VOTE,
     .size_max = 1024,
     .flags = HS2N_TYPE_BY_CONTENT},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = 65536},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4,
     .flags = HS2N_TYPE_BY_CONTENT},
    {.id = 4, .lane = HS2N_LANE_SYNC, .size_max = 1u << 20},
    {.id = 5,
     .lane = HS2N_LANE_BULK,
     .size_max = 4u << 20,
     .flags = HS2N_TYPE_BY_CONTENT},
    {.id = WORLD_ASK,
     .lane = HS2N_LANE_SYNC,
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_ANSWER},
    {.id = WORLD_ANSWER, .lane = HS2N_LANE_SYNC, .role = HS2N_ROLE_RESPONSE},
    {.id = WORLD_FIND,
     .lane = HS2N_LANE_CONTROL,
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_FOUND},
    {.id = WORLD_FOUND, .lane = HS2N_LANE_BULK, .role = HS2N_ROLE_RESPONSE},
};

static struct hs2n_limits small(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.content_ids_per_peer = 16;
  return limits;
}

static void start(struct world *w) {
  const struct hs2n_limits limits = small();

  world_init(w, &(struct world_options){
                    .places = PLACES,
                    .limits = &limits,
                    .types = types,
                    .net = {.seed = 5, .whole = true, .datagram_max = 1200}});
  world_join(w, A, TO);
  world_join(w, B, TO);
}

static uint64_t known(const struct world *w) {
  return w->places[TO].env.stats.messages_known;
}

static int send(struct world *w, uint32_t from, struct hs2n_msg msg, size_t len,
                uint8_t fill) {
  const struct hs2ni_target target = {
      .chan = w->places[from].ends[TO].chan, .peer = {TO}, .weight = 1};
  struct hs2n_tag tag;
  int err;

  msg.body = world_body(w, from, len, fill);
  msg.flags |= HS2N_MSG_ACK;
  err = hs2ni_msgs_send(w->places[from].msgs, &target, 1, &msg, &tag);
  hs2n_buf_unref(msg.body);
  return err;
}

/* The outcome of the last send, if it has ended. */
static enum hs2n_outcome outcome(struct world *w, uint32_t from) {
  enum hs2n_outcome last = (enum hs2n_outcome)0;
  struct hs2ni_event event;

  world_settle(w);
  while (hs2ni_msgs_next(w->places[from].msgs, &event)) {
    if (event.kind == HS2NI_EVENT_DONE) {
      last = event.done.outcome;
    }
  }
  return last;
}

/* Lets all come in.  How many messages the application got. */
static size_t fetch(struct world *w, enum hs2n_verdict verdict,
                    struct hs2n_msg_id *out_id) {
  struct hs2ni_event event;
  size_t got = 0;

  world_settle(w);
  while (world_next(w, TO, verdict, &event)) {
    if (event.kind == HS2NI_EVENT_MESSAGE) {
      got++;
      if (out_id != NULL) {
        *out_id = event.id;
      }
    }
  }
  world_settle(w);
  return got;
}

/* One more message of a peer; whether the application got it. */
static bool offer(struct world *w, uint32_t from, uint8_t type, size_t len,
                  uint8_t fill, enum hs2n_verdict verdict) {
  CHECK_EQ(send(w, from, (struct hs2n_msg){.type = type}, len, fill), HS2N_OK);
  return fetch(w, verdict, NULL) == 1;
}

static bool offer_vote(struct world *w, uint32_t from, uint8_t fill) {
  return offer(w, from, HS2N_LANE_VOTE, 100, fill, HS2N_ACCEPT);
}

/* covers: H36 */
static void what_two_peers_send_is_taken_once(void) {
  struct world w;

  start(&w);
  CHECK(offer_vote(&w, A, 1));
  CHECK(!offer_vote(&w, B, 1));
  CHECK_EQ(known(&w), 1);
  CHECK_EQ(outcome(&w, A), HS2N_DONE_ACKED);
  CHECK_EQ(outcome(&w, B), HS2N_DONE_ACKED); /* like IGNORE */
  CHECK(!offer_vote(&w, A, 1));              /* by the same path too */
  CHECK(offer_vote(&w, B, 2));
  CHECK(!offer_vote(&w, A, 2));
  /* In one go, and the smallest there is. */
  CHECK_EQ(send(&w, A, (struct hs2n_msg){.type = HS2N_LANE_VOTE}, 0, 0),
           HS2N_OK);
  CHECK_EQ(send(&w, B, (struct hs2n_msg){.type = HS2N_LANE_VOTE}, 0, 0),
           HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_IGNORE, NULL), 1);
  CHECK_EQ(known(&w), 4);
  /* Other types are not asked for their content. */
  CHECK(offer(&w, A, HS2N_LANE_CERT, 100, 1, HS2N_ACCEPT));
  CHECK(offer(&w, B, HS2N_LANE_CERT, 100, 1, HS2N_ACCEPT));
  CHECK_EQ(known(&w), 4);
  world_fini(&w);
}

static void the_form_on_the_wire_makes_no_difference(void) {
  struct world w;

  start(&w);
  CHECK(offer(&w, A, HS2N_LANE_PROPOSAL, 300000, 3, HS2N_ACCEPT));
  CHECK(w.places[A].env.stats.bodies_compressed == 1);
  CHECK_EQ(send(&w, B,
                (struct hs2n_msg){.type = HS2N_LANE_PROPOSAL,
                                  .flags = HS2N_MSG_SECRET},
                300000, 3),
           HS2N_OK); /* not compressed */
  CHECK_EQ(fetch(&w, HS2N_ACCEPT, NULL), 0);
  CHECK_EQ(w.places[B].env.stats.bodies_compressed, 0);
  CHECK_EQ(known(&w), 1);
  CHECK(offer(&w, A, HS2N_LANE_BULK, 300000, 3, HS2N_ACCEPT)); /* a type */
  world_fini(&w);
}

static void what_differs_in_view_or_flag_is_another_message(void) {
  const struct hs2n_msg a = {.type = HS2N_LANE_VOTE, .view = 1};
  const struct hs2n_msg b = {.type = HS2N_LANE_VOTE, .view = 2};
  const struct hs2n_msg c = {
      .type = HS2N_LANE_VOTE, .view = 2, .flags = HS2N_MSG_VIEW_BOUND};
  struct world w;

  start(&w);
  for (uint32_t from = A; from <= B; from++) {
    CHECK_EQ(send(&w, from, a, 100, 1), HS2N_OK);
    CHECK_EQ(send(&w, from, b, 100, 1), HS2N_OK);
    CHECK_EQ(send(&w, from, c, 100, 1), HS2N_OK);
    CHECK_EQ(fetch(&w, HS2N_ACCEPT, NULL), from == A ? 3 : 0);
  }
  CHECK_EQ(known(&w), 3);
  world_fini(&w);
}

static void only_what_was_taken_is_known(void) {
  struct world w;

  start(&w);
  CHECK(offer(&w, A, HS2N_LANE_VOTE, 100, 1, HS2N_REJECT));
  CHECK_EQ(outcome(&w, A), HS2N_DONE_REFUSED);
  CHECK(offer(&w, B, HS2N_LANE_VOTE, 100, 1, HS2N_BUSY));
  CHECK(offer(&w, A, HS2N_LANE_VOTE, 100, 1, HS2N_ACCEPT));
  /* That of B comes again. */
  world_sleep(&w, HS2N_MS(20));
  CHECK_EQ(fetch(&w, HS2N_ACCEPT, NULL), 0);
  CHECK_EQ(known(&w), 1);
  CHECK_EQ(outcome(&w, B), HS2N_DONE_ACKED);
  world_fini(&w);
}

static void a_late_verdict_counts_when_it_comes(void) {
  struct hs2n_msg_id id = {0};
  struct world w;

  start(&w);
  CHECK_EQ(send(&w, A, (struct hs2n_msg){.type = HS2N_LANE_VOTE}, 100, 1),
           HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_LATER, &id), 1);
  CHECK(offer(&w, B, HS2N_LANE_VOTE, 100, 1, HS2N_REJECT));
  CHECK_EQ(hs2ni_msgs_verdict(w.places[TO].msgs, w.places[TO].ends[A].chan, id,
                              HS2N_ACCEPT),
           HS2N_OK);
  CHECK(!offer_vote(&w, B, 1));
  CHECK_EQ(known(&w), 1);
  world_fini(&w);
}

static void what_is_kept_for_its_view_is_taken_once(void) {
  const struct hs2n_msg msg = {
      .type = HS2N_LANE_VOTE, .view = 3, .flags = HS2N_MSG_VIEW_BOUND};
  struct world w;

  start(&w);
  CHECK_EQ(send(&w, A, msg, 100, 1), HS2N_OK);
  CHECK_EQ(send(&w, B, msg, 100, 1), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_HOLD, NULL), 2); /* neither is taken yet */
  CHECK_EQ(known(&w), 0);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[TO].msgs, 3), HS2N_OK);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT, NULL), 1);
  CHECK_EQ(known(&w), 1);
  CHECK(hs2ni_chan_idle(w.places[A].ends[TO].chan));
  CHECK(hs2ni_chan_idle(w.places[B].ends[TO].chan));
  world_fini(&w);
}

/* covers: H36 */
static void a_flood_pushes_out_its_own_only(void) {
  struct world w;
  uint64_t requests;

  start(&w);
  CHECK(offer_vote(&w, A, 1));
  CHECK(offer_vote(&w, B, 2));
  CHECK(!offer_vote(&w, B, 1)); /* now B's too */
  for (uint8_t i = 0; i < 64; i++) {
    CHECK(offer_vote(&w, A, (uint8_t)(100 + i)));
  }
  requests = known(&w);
  CHECK(!offer_vote(&w, A, 2));
  CHECK(!offer_vote(&w, A, 1));
  CHECK_EQ(known(&w), requests + 2);
  CHECK(offer_vote(&w, B, 100)); /* A's oldest is forgotten */
  CHECK(!offer_vote(&w, B, 163));
  world_fini(&w);
}

static void a_restart_of_the_sender_changes_nothing(void) {
  struct world w;

  start(&w);
  CHECK(offer_vote(&w, A, 1));
  world_restart(&w, A);
  world_settle(&w);
  world_join(&w, A, TO);
  CHECK(!offer_vote(&w, A, 1));
  CHECK(!offer_vote(&w, B, 1));
  world_restart(&w, TO); /* which knows nothing then */
  world_settle(&w);
  world_join(&w, A, TO);
  CHECK(offer_vote(&w, A, 1));
  world_fini(&w);
}

static void what_a_member_sent_is_forgotten_with_it(void) {
  struct world w;

  start(&w);
  CHECK(offer_vote(&w, A, 1));
  CHECK(offer_vote(&w, A, 2));
  CHECK(!offer_vote(&w, B, 2));
  world_part(&w, TO, A);
  world_settle(&w);
  CHECK(offer_vote(&w, B, 1));
  CHECK(!offer_vote(&w, B, 2)); /* which it has sent too */
  world_fini(&w);
}

static void the_memory_is_there_from_the_start_and_counted(void) {
  const struct hs2n_limits limits = small();
  struct hs2n_type others[WORLD_TYPES];
  struct world w;

  start(&w);
  for (uint8_t i = 0; i < 40; i++) {
    CHECK(offer_vote(&w, i % 2 ? A : B, i));
  }
  CHECK(w.places[TO].peak_bytes > 0);
  CHECK((uint64_t)w.places[TO].peak_bytes <=
        hs2ni_msgs_footprint(&limits, types, WORLD_TYPES) +
            (PLACES - 1) * hs2ni_chan_footprint(&limits, types, WORLD_TYPES));
  memcpy(others, types, sizeof(others));
  for (size_t i = 0; i < WORLD_TYPES; i++) {
    others[i].flags = 0;
  }
  CHECK_EQ(hs2ni_msgs_footprint(&limits, types, WORLD_TYPES),
           hs2ni_msgs_footprint(&limits, others, WORLD_TYPES) +
               hs2ni_contents_footprint(&limits));
  CHECK_EQ(hs2ni_chan_footprint(&limits, types, WORLD_TYPES),
           hs2ni_chan_footprint(&limits, others, WORLD_TYPES) +
               hs2ni_content_ring_footprint(&limits));
  world_fini(&w);
}

/* What happens to the senders and their connections, by chance. */
static void disturb(struct world *w, struct hs2ni_rng *rng) {
  const uint32_t from = (uint32_t)hs2ni_rng_below(rng, 2);

  switch (hs2ni_rng_below(rng, 20)) {
  case 0:
    world_restart(w, from);
    break;
  case 1:
    world_cut(w, from, TO);
    break;
  default:
    return;
  }
  world_settle(w);
  world_join(w, from, TO);
}

/* covers: H36 */
static void in_a_random_walk_nothing_is_taken_twice(void) {
  static const enum hs2n_verdict verdicts[] = {HS2N_ACCEPT, HS2N_IGNORE,
                                               HS2N_BUSY, HS2N_REJECT};
  enum { CONTENTS = 12 };
  bool taken[CONTENTS] = {false};
  struct hs2ni_event event;
  struct hs2ni_rng rng;
  uint64_t got = 0;
  struct world w;

  hs2ni_rng_seed(&rng, 9);
  start(&w);
  for (int step = 0; step < 3000; step++) {
    const enum hs2n_verdict verdict = verdicts[hs2ni_rng_below(&rng, 4)];
    const uint8_t fill = (uint8_t)hs2ni_rng_below(&rng, CONTENTS);

    (void)send(&w, (uint32_t)hs2ni_rng_below(&rng, 2),
               (struct hs2n_msg){.type = HS2N_LANE_VOTE,
                                 .flags = hs2ni_rng_below(&rng, 2) == 0
                                              ? HS2N_MSG_DATAGRAM_OK
                                              : 0},
               50, fill);
    world_settle(&w);
    while (hs2ni_msgs_next(w.places[TO].msgs, &event)) {
      if (event.kind == HS2NI_EVENT_MESSAGE) {
        const uint8_t what = hs2n_buf_span(event.msg.body).data[0];

        CHECK(!taken[what]);
        taken[what] = verdict == HS2N_ACCEPT || verdict == HS2N_IGNORE;
        CHECK_EQ(world_judge(&w, TO, &event, verdict), HS2N_OK);
        got++;
      }
    }
    disturb(&w, &rng);
    world_sleep(&w, HS2N_MS(5));
  }
  CHECK(got > CONTENTS);
  CHECK(known(&w) > 1000);
  for (size_t i = 0; i < CONTENTS; i++) {
    CHECK(taken[i]);
  }
  world_fini(&w);
}

static void making_a_layer_may_fail_at_any_point(void) {
  for (uint64_t at = 1;; at++) {
    struct test_env t;
    struct hs2ni_msgs *msgs = NULL;
    struct hs2ni_chan *chan = NULL;
    int err;

    test_env_init(&t, at, 1);
    err = hs2ni_msgs_new(&msgs, &t.env, types, WORLD_TYPES);
    if (err == HS2N_OK) {
      err = hs2ni_chan_new(&chan, msgs, (struct hs2n_peer){1});
    }
    hs2ni_chan_free(chan, HS2N_DONE_CANCELLED);
    hs2ni_msgs_free(msgs);
    CHECK_EQ(t.mem.live_bytes, 0);
    if (err == HS2N_OK) {
      CHECK(at > 8);
      return;
    }
    CHECK_EQ(err, HS2N_ERR_NO_MEMORY);
  }
}

int main(void) {
  RUN(what_two_peers_send_is_taken_once);
  RUN(the_form_on_the_wire_makes_no_difference);
  RUN(what_differs_in_view_or_flag_is_another_message);
  RUN(only_what_was_taken_is_known);
  RUN(a_late_verdict_counts_when_it_comes);
  RUN(what_is_kept_for_its_view_is_taken_once);
  RUN(a_flood_pushes_out_its_own_only);
  RUN(a_restart_of_the_sender_changes_nothing);
  RUN(what_a_member_sent_is_forgotten_with_it);
  RUN(the_memory_is_there_from_the_start_and_counted);
  RUN(in_a_random_walk_nothing_is_taken_twice);
  RUN(making_a_layer_may_fail_at_any_point);
  return tap_done();
}
