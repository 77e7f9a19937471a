/* Large bodies under way: how many, and what becomes of those for which there
 * is no room yet. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#include <stdlib.h>

#define LANE_STREAM 3u
#define BODY_STREAM(seq) (1000u + (seq))
#define BODIES 24u

static uint8_t bytes_of_all[4u << 20]; /* a pattern without short periods */

static void make_pattern(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 1);
  for (size_t i = 0; i < sizeof(bytes_of_all); i++) {
    bytes_of_all[i] = (uint8_t)hs2ni_rng_next(&rng);
  }
}

/* What a body of this number and length is. */
static struct hs2n_span body_of(uint64_t seq, uint32_t len) {
  return (struct hs2n_span){bytes_of_all + seq * 1000, len};
}

static void start(struct raw *r, const struct hs2n_limits *limits) {
  struct bytes b = {0};

  raw_init(r, limits);
  raw_attach(r, 5);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_BULK, 0, 0);
  CHECK_EQ(raw_data(r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
}

static struct hs2ni_rx_lane *bulk(struct raw *r) {
  return &r->chan->rx.lanes[HS2N_LANE_BULK];
}

static enum hs2n_reason record(struct raw *r, uint64_t seq, uint32_t len,
                               uint32_t flags) {
  struct bytes b = {0};

  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_LARGE,
                                          .seq = seq,
                                          .type = HS2N_LANE_BULK,
                                          .flags = flags,
                                          .body_len = len});
  return raw_data(r, LANE_STREAM, &b, false);
}

static enum hs2n_reason head(struct raw *r, uint64_t seq, uint32_t len) {
  struct bytes b = {0};

  bytes_head(&b, HS2NI_STREAM_BODY, HS2N_LANE_BULK, seq, len);
  return raw_data(r, BODY_STREAM(seq), &b, false);
}

static enum hs2n_reason part(struct raw *r, uint64_t seq, uint32_t len,
                             uint32_t from, uint32_t to) {
  const struct hs2n_span whole = body_of(seq, len);

  return hs2ni_chan_data(r->chan, BODY_STREAM(seq),
                         (struct hs2n_span){whole.data + from, to - from},
                         to == len);
}

/* Record and head of bodies of len bytes. */
static void begin(struct raw *r, uint64_t first, uint64_t last, uint32_t len) {
  for (uint64_t seq = first; seq <= last; seq++) {
    CHECK_EQ(record(r, seq, len, 0), HS2N_REASON_NONE);
    CHECK_EQ(head(r, seq, len), HS2N_REASON_NONE);
  }
  r->credited = 0;
}

/* Fetches one message and judges it.  Returns its seq, 0 when there is none or
 * it is not what was sent. */
static uint64_t fetch(struct raw *r) {
  struct hs2ni_event e;
  struct hs2n_span got, want;
  bool good;

  while (hs2ni_msgs_next(r->msgs, &e)) {
    if (e.kind == HS2NI_EVENT_MESSAGE) {
      got = hs2n_buf_span(e.msg.body);
      want = body_of(e.id.seq, (uint32_t)got.len);
      good = memcmp(got.data, want.data, got.len) == 0;
      CHECK(good);
      CHECK_EQ(hs2ni_msgs_verdict(r->msgs, r->chan, e.id, HS2N_ACCEPT),
               HS2N_OK);
      return good ? e.id.seq : 0;
    }
  }
  return 0;
}

#define LEN 1000000u /* of which two have room */

static void bodies_get_room_in_the_order_of_their_records(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 3, LEN);
  CHECK_EQ(part(&r, 3, LEN, 0, 10000), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 0);
  CHECK_EQ(r.chan->rx.assembling_bytes, 0);
  CHECK_EQ(part(&r, 2, LEN, 0, 7000), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 7000);
  CHECK_EQ(part(&r, 1, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 7000 + LEN + 10000);
  CHECK_EQ(r.chan->rx.assembling_bytes, 2 * LEN);
  CHECK_EQ(part(&r, 3, LEN, 10000, LEN), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 2, LEN, 7000, LEN), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 3 * LEN);
  for (uint64_t seq = 1; seq <= 3; seq++) {
    CHECK_EQ(fetch(&r), seq);
  }
  CHECK_EQ(bulk(&r)->seated_bytes, 0);
  raw_fini(&r);
}

static void a_body_that_is_whole_waits_for_room_all_the_same(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 4, LEN);
  CHECK_EQ(part(&r, 3, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 4, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 0);
  CHECK_EQ(fetch(&r), 0);
  CHECK_EQ(part(&r, 2, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 3 * LEN); /* one after the other in one place */
  CHECK_EQ(fetch(&r), 0);
  CHECK_EQ(part(&r, 1, LEN, 0, LEN), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 4; seq++) {
    CHECK_EQ(fetch(&r), seq);
  }
  raw_fini(&r);
}

static void a_body_waits_for_its_record(void) {
  struct raw r;

  start(&r, NULL);
  CHECK_EQ(head(&r, 1, LEN), HS2N_REASON_NONE);
  r.credited = 0;
  CHECK_EQ(part(&r, 1, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 0);
  CHECK_EQ(record(&r, 1, LEN, 0), HS2N_REASON_NONE);
  CHECK(r.credited > LEN);
  CHECK_EQ(fetch(&r), 1);
  raw_fini(&r);
}

static void one_body_above_all_limits_has_room(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 2, 3u << 20);
  CHECK_EQ(part(&r, 1, 3u << 20, 0, 5000), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 2, 3u << 20, 0, 5000), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 5000);
  CHECK_EQ(part(&r, 1, 3u << 20, 5000, 3u << 20), HS2N_REASON_NONE);
  CHECK_EQ(fetch(&r), 1);
  CHECK_EQ(r.credited, (3u << 20) + 5000);
  raw_fini(&r);
}

/* What ends while it is parked gives its credit back. */
static void what_ends_without_room_is_let_go_of(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 2, LEN);
  for (uint64_t seq = 3; seq <= 6; seq++) {
    CHECK_EQ(record(&r, seq, LEN, HS2NI_FLAG_VIEW_BOUND), HS2N_REASON_NONE);
    CHECK_EQ(head(&r, seq, LEN), HS2N_REASON_NONE);
  }
  CHECK_EQ(part(&r, 3, LEN, 0, 9000), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 4, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 5, LEN, 0, 8000), HS2N_REASON_NONE);
  r.credited = 0;
  CHECK_EQ(hs2ni_chan_reset(r.chan, BODY_STREAM(3), 1), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 9000);
  CHECK_EQ(r.stops, 0);
  CHECK_EQ(hs2ni_msgs_enter_view(r.msgs, 1), HS2N_OK);
  CHECK_EQ(r.credited, 9000 + LEN + 8000);
  CHECK_EQ(r.stops, 2); /* what was not whole */
  CHECK_EQ(bulk(&r)->pairs.count, 2);
  raw_fini(&r);
}

static void room_that_a_withdrawn_body_leaves_goes_to_the_next(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 3, LEN);
  CHECK_EQ(part(&r, 3, LEN, 0, 5000), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 0);
  CHECK_EQ(hs2ni_chan_reset(r.chan, BODY_STREAM(2), 1), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, 5000);
  raw_fini(&r);
}

static void a_connection_takes_what_has_no_room_along(void) {
  struct raw r;

  start(&r, NULL);
  begin(&r, 1, 4, LEN);
  CHECK_EQ(part(&r, 3, LEN, 0, LEN), HS2N_REASON_NONE);
  CHECK_EQ(part(&r, 4, LEN, 0, 100000), HS2N_REASON_NONE);
  hs2ni_chan_detach(r.chan);
  CHECK_EQ(fetch(&r), 0);
  CHECK_EQ(bulk(&r)->pairs.count, 0);
  CHECK_EQ(bulk(&r)->seated_bytes, 0);
  raw_fini(&r);
}

/* Of which the window that it came by has gone. */
static void what_is_held_beyond_all_windows_counts_as_lent(void) {
  struct hs2n_limits limits;
  struct hs2n_buf *held[6];
  struct hs2ni_event e;
  struct raw r;
  uint64_t own;

  hs2n_limits_default(&limits);
  own = limits.rx_held_bytes + limits.rx_window_bytes;
  start(&r, &limits);
  begin(&r, 1, 6, LEN);
  for (uint64_t seq = 1; seq <= 6; seq++) {
    CHECK_EQ(part(&r, seq, LEN, 0, LEN), HS2N_REASON_NONE);
    REQUIRE(hs2ni_msgs_next(r.msgs, &e));
    held[seq - 1] = hs2n_buf_ref(e.msg.body);
    CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_ACCEPT), HS2N_OK);
  }
  CHECK_EQ(r.env.rx_share.lent, 0);
  hs2ni_chan_detach(r.chan);
  CHECK_EQ(r.env.rx_share.lent, 6 * LEN - own);
  hs2n_buf_unref(held[0]);
  CHECK_EQ(r.env.rx_share.lent, 5 * LEN - own);
  for (size_t i = 1; i < 6; i++) {
    hs2n_buf_unref(held[i]);
  }
  CHECK_EQ(r.env.rx_share.lent, 0);
  raw_fini(&r);
}

/* covers: H11 */
static void as_many_may_be_under_way_and_no_more(void) {
  struct raw r;
  struct bytes b = {0};

  start(&r, NULL);
  begin(&r, 1, HS2NI_LANE_BODIES_MAX, 100000);
  CHECK_EQ(record(&r, 100, 100000, 0), HS2N_REASON_LIMIT);
  CHECK_EQ(head(&r, 100, 100000), HS2N_REASON_LIMIT);
  for (uint64_t seq = 1; seq <= HS2NI_BODIES_MAX - HS2NI_LANE_BODIES_MAX;
       seq++) {
    b.len = 0;
    bytes_head(&b, HS2NI_STREAM_BODY, HS2N_LANE_SYNC, seq, 100000);
    CHECK_EQ(raw_data(&r, 2000 + seq, &b, false), HS2N_REASON_NONE);
  }
  b.len = 0;
  bytes_head(&b, HS2NI_STREAM_BODY, HS2N_LANE_PROPOSAL, 1, 100000);
  CHECK_EQ(raw_data(&r, 3000, &b, false), HS2N_REASON_LIMIT);
  raw_fini(&r);
}

/* Bodies that this side has under way, of a lane. */
static size_t out(const struct raw *r, unsigned lane) {
  return r->chan->tx[lane].bodies.count;
}

static void send_bodies(struct raw *r, uint8_t type, unsigned n) {
  const struct hs2ni_target target = {.chan = r->chan, .weight = 1};
  struct hs2n_msg msg = {.type = type};
  uint8_t *data;

  CHECK_EQ(hs2n_buf_alloc(&msg.body, &r->mem.mem, 70000, &data), HS2N_OK);
  memset(data, 1, 70000);
  for (unsigned i = 0; i < n; i++) {
    CHECK_EQ(hs2ni_msgs_send(r->msgs, &target, 1, &msg, NULL), HS2N_OK);
  }
  hs2n_buf_unref(msg.body);
  (void)raw_drain(r);
}

static void a_lane_leaves_places_to_others(void) {
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  send_bodies(&r, HS2N_LANE_BULK, 50);
  CHECK_EQ(out(&r, HS2N_LANE_BULK), HS2NI_LANE_BODIES_MAX);
  send_bodies(&r, HS2N_LANE_PROPOSAL, 5);
  CHECK_EQ(out(&r, HS2N_LANE_PROPOSAL), HS2NI_LANE_BODIES_OWN);
  send_bodies(&r, HS2N_LANE_SYNC, 5);
  CHECK_EQ(out(&r, HS2N_LANE_SYNC), HS2NI_LANE_BODIES_OWN);
  raw_fini(&r);

  raw_init(&r, NULL);
  r.caps_off = HS2NI_CAP_BODIES;
  raw_attach(&r, 5);
  send_bodies(&r, HS2N_LANE_BULK, 50);
  CHECK_EQ(out(&r, HS2N_LANE_BULK), HS2NI_LANE_BODIES_FEW);
  raw_fini(&r);
}

/* ---- allocations that fail ------------------------------------------------
 */

/* Three bodies, the third without room at first; whether an allocation was
 * refused. */
static bool survives(uint64_t n) {
  struct raw r;
  struct hs2ni_event e;
  uint64_t fail_at;
  bool failed;
  bool goes_on = true;

  start(&r, NULL);
  begin(&r, 1, 3, LEN);
  fail_at = r.mem.requests + n;
  r.mem.fail_at = fail_at;
  goes_on = part(&r, 3, LEN, 0, 50000) == HS2N_REASON_NONE &&
            part(&r, 1, LEN, 0, LEN) == HS2N_REASON_NONE &&
            part(&r, 3, LEN, 50000, LEN) == HS2N_REASON_NONE &&
            part(&r, 2, LEN, 0, LEN) == HS2N_REASON_NONE;
  failed = r.mem.requests >= fail_at;
  while (goes_on && hs2ni_msgs_next(r.msgs, &e)) {
    goes_on = e.kind != HS2NI_EVENT_BREACH;
    if (goes_on) {
      CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_ACCEPT), HS2N_OK);
    }
  }
  CHECK(goes_on != failed);
  raw_fini(&r);
  return failed;
}

static void every_failing_allocation_ends_the_connection(void) {
  uint64_t n = 1;

  while (survives(n)) {
    n++;
  }
  CHECK(n > 10);
}

/* ---- a random walk ------------------------------------------------------- */

/* A body as the naive model sees it. */
struct sent {
  uint32_t len;
  uint32_t come;
  bool has_head;
  bool has_room;
  bool done;
};

struct walk {
  struct raw r;
  struct hs2ni_rng rng;
  struct sent bodies[BODIES + 1]; /* by seq */
  uint64_t recorded;              /* the last */
  uint64_t other;                 /* bytes of records and heads */
  uint64_t fetched;
};

static uint32_t below(struct walk *k, uint32_t n) {
  return (uint32_t)hs2ni_rng_below(&k->rng, n);
}

/* One after the other, as long as they fit or are one.  None is so short that
 * its block is rounded up. */
static void give_room(struct walk *k) {
  uint64_t taken = 0;

  for (uint64_t seq = 1; seq <= k->recorded; seq++) {
    struct sent *s = &k->bodies[seq];
    const uint64_t each = s->len + hs2ni_buf_overhead();

    if (s->done) {
      continue;
    }
    if (!s->has_room && taken > 0 &&
        taken + each > k->r.env.limits.rx_bodies_bytes) {
      return;
    }
    s->has_room = true;
    s->done = s->come == s->len;
    taken += s->done ? 0 : each;
  }
}

static uint64_t credited(const struct walk *k) {
  uint64_t sum = k->other;

  for (uint64_t seq = 1; seq <= BODIES; seq++) {
    sum += k->bodies[seq].has_room ? k->bodies[seq].come : 0;
  }
  return sum;
}

static void step_record(struct walk *k) {
  const uint64_t seq = k->recorded + 1;
  const struct hs2ni_record r = {.kind = HS2NI_RECORD_LARGE,
                                 .seq = seq,
                                 .type = HS2N_LANE_BULK,
                                 .body_len = k->bodies[seq].len};
  uint8_t bytes[HS2NI_RECORD_MAX];

  CHECK_EQ(record(&k->r, seq, k->bodies[seq].len, 0), HS2N_REASON_NONE);
  k->other += hs2ni_record_encode(&r, bytes);
  k->recorded = seq;
}

static void step_body(struct walk *k, uint64_t seq) {
  struct sent *s = &k->bodies[seq];
  const struct hs2ni_head h = {.kind = HS2NI_STREAM_BODY,
                               .lane = HS2N_LANE_BULK,
                               .seq = seq,
                               .len = s->len};
  uint8_t bytes[HS2NI_HEAD_MAX];
  uint32_t to;

  if (!s->has_head) {
    CHECK_EQ(head(&k->r, seq, s->len), HS2N_REASON_NONE);
    k->other += hs2ni_head_encode(&h, bytes);
    s->has_head = true;
  } else if (s->come < s->len) {
    to = s->come + 1 + below(k, s->len - s->come);
    CHECK_EQ(part(&k->r, seq, s->len, s->come, to), HS2N_REASON_NONE);
    s->come = to;
  }
}

static void step(struct walk *k) {
  if (k->recorded < BODIES && below(k, 4) == 0) {
    step_record(k);
  } else {
    step_body(k, 1 + below(k, BODIES));
  }
  give_room(k);
}

static bool all_done(const struct walk *k) {
  for (uint64_t seq = 1; seq <= BODIES; seq++) {
    if (!k->bodies[seq].done) {
      return false;
    }
  }
  return true;
}

static void take_what_is_ready(struct walk *k) {
  uint64_t seq;

  while ((seq = fetch(&k->r)) != 0) {
    CHECK_EQ(seq, k->fetched + 1);
    CHECK(k->bodies[seq].done);
    k->fetched = seq;
  }
}

static void walk(uint64_t seed) {
  static struct walk k;

  k = (struct walk){0};
  hs2ni_rng_seed(&k.rng, seed);
  start(&k.r, NULL);
  k.other = k.r.credited;
  k.r.env.limits.rx_held_bytes = 256u << 20; /* nothing is held back for it */
  for (uint64_t seq = 1; seq <= BODIES; seq++) {
    k.bodies[seq].len = 150000 + below(&k, 1000000);
  }
  while (!all_done(&k)) {
    step(&k);
    CHECK_EQ(k.r.credited, credited(&k));
    CHECK(k.r.chan->rx.assembling_bytes <= bulk(&k.r)->seated_bytes);
    CHECK(bulk(&k.r)->seated_bytes <= k.r.env.limits.rx_bodies_bytes);
    take_what_is_ready(&k);
  }
  CHECK_EQ(k.fetched, BODIES);
  CHECK_EQ(bulk(&k.r)->pairs.count, 0);
  raw_fini(&k.r);
}

static void random_walks_agree_with_a_naive_model(void) {
  for (uint64_t seed = 0; seed < 60; seed++) {
    walk(seed);
  }
}

int main(void) {
  make_pattern();
  RUN(bodies_get_room_in_the_order_of_their_records);
  RUN(a_body_that_is_whole_waits_for_room_all_the_same);
  RUN(a_body_waits_for_its_record);
  RUN(one_body_above_all_limits_has_room);
  RUN(what_ends_without_room_is_let_go_of);
  RUN(room_that_a_withdrawn_body_leaves_goes_to_the_next);
  RUN(a_connection_takes_what_has_no_room_along);
  RUN(what_is_held_beyond_all_windows_counts_as_lent);
  RUN(as_many_may_be_under_way_and_no_more);
  RUN(a_lane_leaves_places_to_others);
  RUN(every_failing_allocation_ends_the_connection);
  RUN(random_walks_agree_with_a_naive_model);
  return tap_done();
}
