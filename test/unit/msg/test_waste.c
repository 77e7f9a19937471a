/* What a peer may cost in vain, and what that is to the others. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#define LANE_STREAM 3
#define LANE HS2N_LANE_CERT /* signed */
#define CHECK_NS HS2N_US(100)

/* ---- one peer that forges --------------------------------------------------
 */

static const uint8_t forged[HS2N_SIGNATURE_LEN] = {1};

static void start(struct raw *r) {
  raw_init_types(r, NULL, world_packed_types);
  raw_attach(r, 5);
}

/* The next n messages of the peer, with no body and somebody's signature. */
static void forge(struct raw *r, uint64_t *seq, size_t n) {
  while (n-- > 0) {
    struct bytes b = {0};

    if (*seq == 0) {
      bytes_head(&b, HS2NI_STREAM_LANE, LANE, 0, 0);
    }
    bytes_record(
        &b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                   .seq = ++*seq,
                                   .type = LANE,
                                   .flags = HS2NI_FLAG_SIGNED,
                                   .signature = {forged, HS2N_SIGNATURE_LEN}});
    CHECK_EQ(raw_data(r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  }
}

/* Lets time pass, with a node's entry each millisecond. */
static void pass(struct raw *r, hs2n_time ns) {
  const hs2n_time end = r->env.now + ns;

  while (r->env.now < end) {
    r->env.now += HS2N_MS(1);
    hs2ni_msgs_tick(r->msgs);
    CHECK_EQ(raw_fetch(r, HS2N_ACCEPT), 0);
    (void)raw_drain(r);
    hs2ni_chan_acked(r->chan, r->chan->ack_tx.stream, r->chan->ack_tx.made);
  }
}

static void forgeries_are_looked_at_so_often_and_none_is_lost(void) {
  uint64_t seq = 0;
  struct raw r;

  start(&r);
  forge(&r, &seq, 300);
  pass(&r, HS2N_MS(1));
  CHECK(r.env.stats.refused_signature >= 50); /* 5 ms of CPU */
  CHECK(r.env.stats.refused_signature <= 51);
  pass(&r, HS2N_S(2));
  CHECK(r.env.stats.refused_signature >= 145);
  CHECK(r.env.stats.refused_signature <= 152);
  pass(&r, HS2N_S(4));
  CHECK_EQ(r.env.stats.refused_signature, 300);
  CHECK(r.env.stats.rx_waste_waits > 0);
  CHECK_EQ(hs2ni_msgs_pending(r.msgs), false);
  raw_fini(&r);
}

static void a_limit_says_how_often(void) {
  struct hs2n_limits limits;
  uint64_t seq = 0;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.rx_waste_us_per_s = 100;
  raw_init_types(&r, &limits, world_packed_types);
  raw_attach(&r, 5);
  forge(&r, &seq, 100);
  pass(&r, HS2N_S(10));
  CHECK(r.env.stats.refused_signature >= 10);
  CHECK(r.env.stats.refused_signature <= 12);
  raw_fini(&r);
}

/* A connection of its own does not make it good. */
static void it_is_remembered_when_the_connection_ends(void) {
  uint64_t seq = 0;
  struct raw r;

  start(&r);
  forge(&r, &seq, 100);
  pass(&r, HS2N_MS(1));
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 6);
  seq = 0;
  forge(&r, &seq, 100);
  pass(&r, HS2N_MS(100));
  CHECK(r.env.stats.refused_signature <= 57);
  raw_fini(&r);
}

/* What is not worth a look at its signature costs nothing. */
static void cheap_things_are_looked_at_first(void) {
  struct hs2ni_record record = {.kind = HS2NI_RECORD_MSG,
                                .type = LANE,
                                .flags =
                                    HS2NI_FLAG_SIGNED | HS2NI_FLAG_VIEW_BOUND,
                                .signature = {forged, HS2N_SIGNATURE_LEN}};
  uint64_t seq = 0;
  struct bytes b;
  struct raw r;

  start(&r);
  CHECK_EQ(hs2ni_msgs_enter_view(r.msgs, 7), HS2N_OK);
  forge(&r, &seq, 1);
  pass(&r, HS2N_MS(1));
  CHECK_EQ(r.env.stats.refused_signature, 1);
  for (record.seq = 2; record.seq < 1000; record.seq++) {
    b = (struct bytes){0};
    bytes_record(&b, &record); /* its view has ended */
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
    (void)raw_fetch(&r, HS2N_ACCEPT);
  }
  CHECK_EQ(r.env.stats.messages_stale, 998);
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 5);
  seq = 0;
  forge(&r, &seq, 999); /* numbers that have been judged */
  pass(&r, HS2N_MS(1));
  CHECK_EQ(r.env.stats.messages_duplicate, 999);
  CHECK_EQ(r.env.stats.refused_signature, 1);
  CHECK_EQ(r.env.stats.rx_waste_waits, 0);
  raw_fini(&r);
}

/* ---- what the application says ---------------------------------------------
 */

static void plain(struct raw *r, uint64_t seq) {
  struct bytes b = {0};

  if (seq == 1) {
    bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  }
  bytes_msg(&b, seq, HS2N_LANE_VOTE, 10);
  CHECK_EQ(raw_data(r, LANE_STREAM + 4, &b, false), HS2N_REASON_NONE);
}

/* When the next message of the peer is given to the application. */
static hs2n_time waits(struct raw *r) {
  const hs2n_time begin = r->env.now;

  while (raw_fetch(r, HS2N_ACCEPT) == 0 && r->env.now < begin + HS2N_S(1000)) {
    r->env.now += HS2N_MS(10);
    hs2ni_msgs_tick(r->msgs);
  }
  return r->env.now - begin;
}

static void what_it_rejects_is_charged_with_what_it_says_of_the_cost(void) {
  struct raw r;

  start(&r);
  for (uint64_t seq = 1; seq <= 4; seq++) {
    plain(&r, seq);
  }
  CHECK_EQ(raw_fetch(&r, HS2N_REJECT), 1);
  hs2ni_chan_cost(r.chan, HS2N_REJECT, HS2N_MS(50)); /* a tenth of 10 s */
  CHECK(waits(&r) >= HS2N_S(9));
  CHECK_EQ(r.chan->judge_cost_ns, HS2N_MS(50));
  hs2ni_chan_cost(r.chan, HS2N_ACCEPT, HS2N_S(50));
  hs2ni_chan_cost(r.chan, HS2N_IGNORE, HS2N_S(50));
  CHECK_EQ(waits(&r), 0);
  hs2ni_chan_cost(r.chan, HS2N_REJECT, UINT64_MAX);
  CHECK(waits(&r) < HS2N_S(1001));
  raw_fini(&r);
}

static void rejecting_without_a_cost_counts_a_little(void) {
  uint64_t rejected = 0;
  struct raw r;

  start(&r);
  for (uint64_t seq = 1; seq <= 500; seq++) {
    plain(&r, seq);
    rejected += raw_fetch(&r, HS2N_REJECT) != 0;
    (void)raw_drain(&r);
    hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, r.chan->ack_tx.made);
  }
  CHECK(rejected >= 95);
  CHECK(rejected <= 101);
  raw_fini(&r);
}

/* ---- the others -------------------------------------------------------------
 */

#define HONEST 2
#define FORGER 1
#define STEPS 4000
#define EVERY 10 /* ms between what the honest one sends */

/* Place 0 has one processor, on which a signature takes CHECK_NS. */
struct service {
  struct world w;
  hs2n_time free_at; /* the processor */
  hs2n_time sent_at[HS2N_LANES];
  uint64_t got[HS2N_LANES];
  hs2n_time delay[HS2N_LANES]; /* sum */
};

static uint64_t refused(const struct service *s) {
  return s->w.places[0].env.stats.refused_signature;
}

static void serve(struct service *s) {
  const hs2n_time now = s->w.places[0].env.now;
  struct hs2ni_event e;

  while (s->free_at <= now) {
    const uint64_t before = refused(s);
    const bool any = world_next(&s->w, 0, HS2N_ACCEPT, &e);
    uint64_t checks = refused(s) - before;

    if (any && e.kind == HS2NI_EVENT_MESSAGE) {
      checks += e.msg.signature.len > 0;
      s->got[e.id.lane]++;
      s->delay[e.id.lane] += now + checks * CHECK_NS - s->sent_at[e.id.lane];
    }
    s->free_at = (s->free_at > now ? s->free_at : now) + checks * CHECK_NS;
    if (!any) {
      return;
    }
  }
}

static void send_honest(struct service *s) {
  static const uint8_t lanes[] = {HS2N_LANE_VOTE, HS2N_LANE_CERT,
                                  HS2N_LANE_PROPOSAL};

  for (size_t i = 0; i < sizeof(lanes); i++) {
    s->sent_at[lanes[i]] = s->w.places[HONEST].env.now;
    CHECK_EQ(world_send(&s->w, HONEST, 0, lanes[i], 200, 1, NULL), HS2N_OK);
  }
}

/* An honest peer for four seconds, beside as many forgers. */
static void run(struct service *s, bool forging) {
  *s = (struct service){0};
  world_init(&s->w, &(struct world_options){.places = 4,
                                            .net = {.seed = 1},
                                            .types = world_packed_types});
  for (uint32_t i = 1; i < 4; i++) {
    world_join(&s->w, 0, i);
  }
  /* In another's name, so that no signature is good. */
  hs2ni_msgs_sign(s->w.places[FORGER].msgs, s->w.places[HONEST].identity,
                  WORLD_CHAIN);
  for (size_t i = 0; i < STEPS; i++) {
    if (i % EVERY == 0) {
      send_honest(s);
    }
    for (int k = 0; forging && k < 20; k++) {
      (void)world_send(&s->w, FORGER, 0, LANE, 10, 1, NULL);
    }
    world_sleep(&s->w, HS2N_MS(1));
    world_settle(&s->w);
    serve(s);
  }
}

/* covers: X14 */
static void honest_peers_are_as_soon_verified_beside_one_who_forges(void) {
  static struct service calm, flooded;
  const uint64_t n = STEPS / EVERY;

  run(&calm, false);
  run(&flooded, true);
  CHECK_EQ(refused(&calm), 0);
  CHECK(refused(&flooded) >= 240);
  CHECK(refused(&flooded) <= 260); /* 50 a second, and 50 at once */
  for (uint8_t lane = HS2N_LANE_VOTE; lane <= HS2N_LANE_PROPOSAL; lane++) {
    CHECK(calm.got[lane] >= n - 1);
    CHECK_EQ(flooded.got[lane], calm.got[lane]);
    CHECK(flooded.delay[lane] <= calm.delay[lane] + calm.delay[lane] / 10);
  }
  CHECK_EQ(calm.w.breaches + flooded.w.breaches, 0);
  /* Its own good ones have to wait, but no more is kept than of others. */
  CHECK(flooded.w.places[0].ends[FORGER].chan->rx.lanes[LANE].ready.count <=
        1024);
  world_fini(&calm.w);
  world_fini(&flooded.w);
}

int main(void) {
  RUN(forgeries_are_looked_at_so_often_and_none_is_lost);
  RUN(a_limit_says_how_often);
  RUN(it_is_remembered_when_the_connection_ends);
  RUN(cheap_things_are_looked_at_first);
  RUN(what_it_rejects_is_charged_with_what_it_says_of_the_cost);
  RUN(rejecting_without_a_cost_counts_a_little);
  RUN(honest_peers_are_as_soon_verified_beside_one_who_forges);
  return tap_done();
}
