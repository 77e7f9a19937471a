/* Batches: short messages that go together as one compressed record, what
 * becomes of those that end meanwhile, and what a peer can't do with them. */
#include "raw.h"
#include "world.h"

#include "base/rng.h"

#define LANE_STREAM 3
#define LANE HS2N_LANE_PROPOSAL /* LZ4 */

static void start(struct world *w, const struct hs2n_limits *limits) {
  world_init(w, &(struct world_options){.net = {.seed = 1, .whole = true},
                                        .limits = limits,
                                        .types = world_packed_types});
  world_join(w, 0, 1);
}

static void finish(struct world *w) {
  CHECK_EQ(w->breaches, 0);
  world_fini(w);
}

static void send_n(struct world *w, uint8_t lane, size_t n, size_t len,
                   struct hs2n_tag *tags) {
  for (size_t i = 0; i < n; i++) {
    CHECK_EQ(world_send(w, 0, 1, lane, len, (uint8_t)i,
                        tags == NULL ? NULL : &tags[i]),
             HS2N_OK);
  }
}

/* Fetches one message of place 1, and says verdict; its last byte and length,
 * or length 0 when there is none. */
struct got {
  uint8_t last;
  size_t len;
};
static struct got fetch(struct world *w, enum hs2n_verdict verdict) {
  struct got got = {0};
  struct hs2ni_event event;

  if (hs2ni_msgs_next(w->places[1].msgs, &event)) {
    const struct hs2n_span body = hs2n_buf_span(event.msg.body);

    CHECK_EQ(event.kind, HS2NI_EVENT_MESSAGE);
    got = (struct got){body.data[body.len - 1], body.len};
    CHECK_EQ(world_judge(w, 1, &event, verdict), HS2N_OK);
  }
  return got;
}

/* Lets all come, and checks that these are the messages from..to of len bytes,
 * in order. */
static void take(struct world *w, size_t from, size_t to, size_t len) {
  world_settle(w);
  for (size_t i = from; i < to; i++) {
    const struct got got = fetch(w, HS2N_ACCEPT);

    CHECK_EQ(got.len, len);
    CHECK_EQ(got.last, (uint8_t)i);
  }
  CHECK_EQ(fetch(w, HS2N_ACCEPT).len, 0);
  world_settle(w);
}

/* How many of place 0's sends have ended so. */
static size_t ended(struct world *w, enum hs2n_outcome outcome) {
  struct hs2ni_event event;
  size_t n = 0;

  while (world_next(w, 0, HS2N_ACCEPT, &event)) {
    CHECK_EQ(event.kind, HS2NI_EVENT_DONE);
    n += event.kind == HS2NI_EVENT_DONE && event.done.outcome == outcome;
  }
  return n;
}

static uint64_t batches(const struct world *w) {
  return w->places[0].env.stats.batches_compressed;
}

/* ---- what goes together ----------------------------------------------------
 */

/* Returns the bytes of n messages on the wire. */
static uint64_t wire_bytes(uint8_t lane, size_t n, size_t len, bool old_peer) {
  struct world w;
  struct hs2n_tag tags[200];
  uint64_t bytes;

  start(&w, NULL);
  if (old_peer) {
    w.places[0].ends[1].chan->peer_caps &= ~(uint64_t)HS2NI_CAP_BATCH;
  }
  send_n(&w, lane, n, len, tags);
  world_settle(&w);
  bytes = memnet_bytes(w.net);
  take(&w, 0, n, len);
  CHECK_EQ(ended(&w, HS2N_DONE_ACKED), n);
  CHECK_EQ(w.places[0].ends[1].chan->batch_bytes, 0);
  finish(&w);
  return bytes;
}

/* covers: H17 */
static void short_messages_of_such_types_go_together(void) {
  CHECK(wire_bytes(LANE, 100, 256, false) < 100 * 256 / 10);
  CHECK(wire_bytes(HS2N_LANE_BULK, 100, 256, false) < 100 * 256 / 10);
  CHECK(wire_bytes(HS2N_LANE_CERT, 20, 200, false) > 20 * 200); /* signed */
  CHECK(wire_bytes(HS2N_LANE_VOTE, 100, 256, false) > 100 * 256);
  CHECK(wire_bytes(HS2N_LANE_CONTROL, 100, 256, false) > 100 * 256);
  CHECK(wire_bytes(LANE, 100, 256, true) > 100 * 256);
  CHECK(wire_bytes(LANE, 3, 256, false) > 3 * 256); /* below 1 KiB */
  CHECK(wire_bytes(LANE, 4, 256, false) < 256);
}

static void a_batch_has_its_limits(void) {
  struct world w;

  start(&w, NULL);
  send_n(&w, LANE, 200, 10, NULL);
  take(&w, 0, 200, 10);
  CHECK_EQ(batches(&w), 2); /* of 128 and 72 */
  send_n(&w, LANE, 60, 1000, NULL);
  take(&w, 0, 60, 1000);
  CHECK_EQ(batches(&w), 4); /* of 32 and 28 */
  finish(&w);
}

static void send_flagged(struct world *w, size_t i, uint32_t flags,
                         struct hs2n_tag *out_tag) {
  const struct hs2ni_target target = {
      .chan = w->places[0].ends[1].chan, .peer = {1}, .weight = 1};
  struct hs2n_msg msg = {.type = LANE, .flags = flags};

  msg.body = world_body(w, 0, 500, (uint8_t)i);
  CHECK_EQ(hs2ni_msgs_send(w->places[0].msgs, &target, 1, &msg, out_tag),
           HS2N_OK);
  hs2n_buf_unref(msg.body);
}

static void a_secret_one_goes_alone_and_in_its_place(void) {
  struct world w;

  start(&w, NULL);
  for (size_t i = 0; i < 11; i++) {
    send_flagged(&w, i, i == 5 ? HS2N_MSG_SECRET : 0, NULL);
  }
  take(&w, 0, 11, 500);
  CHECK_EQ(batches(&w), 2);
  CHECK(memnet_bytes(w.net) > 500);
  CHECK(memnet_bytes(w.net) < 900);
  finish(&w);
}

static void noise_goes_as_it_is_and_is_tried_once(void) {
  struct world w;
  struct hs2ni_rng rng;

  start(&w, NULL);
  hs2ni_rng_seed(&rng, 4);
  for (size_t i = 0; i < 60; i++) {
    struct hs2n_buf *body = world_body(&w, 0, 500, 0);
    const struct hs2ni_target target = {
        .chan = w.places[0].ends[1].chan, .peer = {1}, .weight = 1};
    const struct hs2n_msg msg = {.type = LANE, .body = body};

    for (size_t k = 0; k < 499; k++) {
      hs2ni_buf_data(body)[k] = (uint8_t)hs2ni_rng_next(&rng);
    }
    hs2ni_buf_data(body)[499] = (uint8_t)i;
    CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, &target, 1, &msg, NULL),
             HS2N_OK);
    hs2n_buf_unref(body);
  }
  take(&w, 0, 60, 500);
  CHECK_EQ(batches(&w), 0);
  CHECK_EQ(w.places[0].env.stats.batches_incompressible, 1);
  finish(&w);
}

/* ---- what ends, and what comes again ---------------------------------------
 */

static void what_ends_before_its_turn_is_not_in_it(void) {
  struct world w;
  struct hs2n_tag tags[40];

  start(&w, NULL);
  send_n(&w, LANE, 40, 256, tags);
  for (size_t i = 0; i < 10; i++) {
    CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tags[i]), HS2N_OK);
  }
  take(&w, 10, 40, 256);
  CHECK_EQ(batches(&w), 1);
  finish(&w);
}

/* The link has been offered the batch, and takes it later. */
static void what_ends_in_a_batch_goes_with_it(void) {
  struct world w;
  struct hs2n_tag tags[40];
  struct hs2ni_chunk chunk;

  start(&w, NULL);
  send_n(&w, LANE, 40, 256, tags);
  CHECK(hs2ni_chan_next(w.places[0].ends[1].chan, &chunk));
  CHECK_EQ(batches(&w), 1);
  for (size_t i = 0; i < 39; i++) {
    CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tags[i]), HS2N_OK);
  }
  take(&w, 0, 40, 256);
  CHECK_EQ(ended(&w, HS2N_DONE_CANCELLED) + 1, 40);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  finish(&w);
}

static void a_batch_of_which_nothing_is_left_does_not_go(void) {
  struct world w;
  struct hs2n_tag tags[40];
  struct hs2ni_chunk chunk;

  start(&w, NULL);
  send_n(&w, LANE, 40, 256, tags);
  CHECK(hs2ni_chan_next(w.places[0].ends[1].chan, &chunk));
  for (size_t i = 0; i < 40; i++) {
    CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tags[i]), HS2N_OK);
  }
  CHECK_EQ(w.places[0].ends[1].chan->batch_bytes, 0);
  CHECK(!hs2ni_chan_next(w.places[0].ends[1].chan, &chunk));
  send_n(&w, LANE, 10, 256, NULL);
  take(&w, 0, 10, 256);
  finish(&w);
}

/* Of view 1, while the receiver is in view 2 already. */
static void messages_of_an_ended_view_are_acked_unseen(void) {
  struct world w;
  struct hs2n_tag tag;

  start(&w, NULL);
  CHECK_EQ(hs2ni_msgs_enter_view(w.places[1].msgs, 2), HS2N_OK);
  for (size_t i = 0; i < 8; i++) {
    send_flagged(&w, i, HS2N_MSG_ACK | (i % 2 == 0 ? HS2N_MSG_VIEW_BOUND : 0u),
                 &tag);
  }
  world_settle(&w);
  for (size_t i = 1; i < 8; i += 2) {
    CHECK_EQ(fetch(&w, HS2N_ACCEPT).last, i);
  }
  CHECK_EQ(fetch(&w, HS2N_ACCEPT).len, 0);
  world_settle(&w);
  CHECK_EQ(batches(&w), 1);
  CHECK_EQ(w.places[1].env.stats.messages_stale, 4);
  CHECK_EQ(ended(&w, HS2N_DONE_ACKED), 8);
  finish(&w);
}

static void busy_in_the_middle_goes_back_to_it(void) {
  struct world w;
  struct hs2n_tag tags[100];

  start(&w, NULL);
  send_n(&w, LANE, 100, 256, tags);
  world_settle(&w);
  for (size_t i = 0; i < 31; i++) {
    CHECK_EQ(fetch(&w, i == 30 ? HS2N_BUSY : HS2N_ACCEPT).last, i);
  }
  CHECK_EQ(fetch(&w, HS2N_ACCEPT).len, 0);
  world_settle(&w);
  CHECK_EQ(hs2ni_msgs_cancel(w.places[0].msgs, tags[31]), HS2N_OK);
  world_sleep(&w, HS2N_MS(20));
  world_settle(&w);
  CHECK_EQ(fetch(&w, HS2N_ACCEPT).last, 30);
  take(&w, 32, 64, 256); /* as many as it took before, and one for this one */
  take(&w, 64, 100, 256);
  CHECK_EQ(batches(&w), 3); /* the one it is about goes alone */
  CHECK_EQ(ended(&w, HS2N_DONE_ACKED), 99);
  finish(&w);
}

static void a_cut_makes_another_batch_of_what_is_left(void) {
  struct world w;
  struct hs2n_tag tags[100];

  start(&w, NULL);
  send_n(&w, LANE, 100, 256, tags);
  world_settle(&w);
  for (size_t i = 0; i < 50; i++) {
    CHECK_EQ(fetch(&w, HS2N_ACCEPT).last, i);
  }
  world_cut(&w, 0, 1); /* no ack has come */
  world_settle(&w);
  CHECK_EQ(w.places[0].ends[1].chan->batch_bytes, 0);
  world_join(&w, 0, 1);
  take(&w, 50, 100, 256);
  CHECK(batches(&w) >= 2);
  CHECK_EQ(ended(&w, HS2N_DONE_ACKED), 100);
  finish(&w);
}

static void a_newer_message_of_a_key_ends_one_in_a_batch(void) {
  struct world w;
  struct hs2n_tag tags[2];
  struct hs2ni_chunk chunk;

  start(&w, NULL);
  send_flagged(&w, 0, HS2N_MSG_ACK | HS2N_MSG_SUPERSEDE, &tags[0]);
  for (size_t i = 1; i < 9; i++) {
    send_flagged(&w, i, 0, NULL);
  }
  CHECK(hs2ni_chan_next(w.places[0].ends[1].chan, &chunk));
  CHECK_EQ(batches(&w), 1);
  send_flagged(&w, 9, HS2N_MSG_ACK | HS2N_MSG_SUPERSEDE, &tags[1]);
  CHECK_EQ(ended(&w, HS2N_DONE_CANCELLED), 1);
  take(&w, 0, 10, 500);
  CHECK_EQ(ended(&w, HS2N_DONE_ACKED), 1);
  finish(&w);
}

/* ---- memory ----------------------------------------------------------------
 */

enum { HELD_MAX = 2000 };

/* What a batch inflates to stands for no credit, and is bounded all the same:
 * an application that holds all it gets has rx_held_bytes, and the rest comes
 * as it lets go. */
static void what_comes_of_batches_is_bounded(void) {
  static struct hs2n_buf *held[HELD_MAX];
  struct hs2n_limits limits;
  struct world w;
  struct hs2ni_event event;
  size_t n = 0, sent = 0, got = 0;

  hs2n_limits_default(&limits);
  limits.peers_max = 1;
  limits.rx_held_bytes = 65536;
  start(&w, &limits);
  for (int tries = 0; got < HELD_MAX && tries < 1000; tries++) {
    while (sent < HELD_MAX &&
           world_send(&w, 0, 1, LANE, 1000, 1, NULL) == HS2N_OK) {
      sent++;
    }
    world_settle(&w);
    while (hs2ni_msgs_next(w.places[1].msgs, &event)) {
      REQUIRE(event.kind == HS2NI_EVENT_MESSAGE && n < HELD_MAX);
      held[n++] = hs2n_buf_ref(event.msg.body);
      got++;
      CHECK_EQ(world_judge(&w, 1, &event, HS2N_ACCEPT), HS2N_OK);
    }
    /* One alone, which is tried first, may come on top. */
    CHECK(hs2ni_rx_held_bytes(w.places[1].ends[0].chan) <= 65536 + 1000);
    while (n > 32) {
      hs2n_buf_unref(held[--n]);
    }
    world_sleep(&w, HS2N_MS(11));
  }
  CHECK_EQ(got, HELD_MAX);
  CHECK(w.places[1].env.stats.rx_withheld > 0);
  while (n > 0) {
    hs2n_buf_unref(held[--n]);
  }
  CHECK((uint64_t)w.places[1].peak_bytes <=
        hs2ni_msgs_footprint(&limits, world_packed_types, WORLD_TYPES) +
            hs2ni_chan_footprint(&limits, world_packed_types, WORLD_TYPES));
  finish(&w);
}

/* Half of each body is noise, so that batches are of some size. */
static struct hs2n_buf *half_noise(struct hs2ni_rng *rng) {
  uint8_t bytes[1000] = {0};
  struct hs2n_buf *body = NULL;

  for (size_t i = 0; i < 500; i++) {
    bytes[i] = (uint8_t)hs2ni_rng_next(rng);
  }
  CHECK_EQ(hs2n_buf_new(&body, hs2n_mem_libc(),
                        (struct hs2n_span){bytes, sizeof(bytes)}),
           HS2N_OK);
  return body;
}

/* A link that never acks. */
static void batches_in_memory_are_bounded(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct hs2ni_rng rng;
  size_t sent = 0;

  hs2n_limits_default(&limits);
  limits.peers_max = 1;
  limits.tx_queue_msgs_max = 4096;
  raw_init_types(&r, &limits, world_packed_types);
  raw_attach(&r, 5);
  hs2ni_rng_seed(&rng, 5);
  for (size_t i = 0; i < 4096; i++) {
    const struct hs2ni_target target = {
        .chan = r.chan, .peer = {1}, .weight = 1};
    const struct hs2n_msg msg = {.type = LANE, .body = half_noise(&rng)};

    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, NULL), HS2N_OK);
    hs2n_buf_unref(msg.body);
  }
  sent = raw_drain(&r);
  CHECK(r.chan->batch_bytes <= HS2NI_TX_BATCHES_BYTES);
  CHECK(r.chan->batch_bytes > HS2NI_TX_BATCHES_BYTES / 2);
  CHECK(sent > 3000000); /* the others went as they are */
  CHECK((uint64_t)r.mem.live_bytes <=
        hs2ni_msgs_footprint(&limits, world_packed_types, WORLD_TYPES) +
            hs2ni_chan_footprint(&limits, world_packed_types, WORLD_TYPES));
  raw_fini(&r);
}

static void a_batch_allocates_nothing(void) {
  struct world w;
  struct hs2n_buf *body;
  uint64_t before = 0;

  start(&w, NULL);
  body = world_body(&w, 0, 300, 1);
  for (int i = 0; i < 40; i++) {
    const struct hs2ni_target target = {
        .chan = w.places[0].ends[1].chan, .peer = {1}, .weight = 1};
    const struct hs2n_msg msg = {.type = LANE, .body = body};

    if (i == 20) {
      before = w.places[0].mem.requests + w.places[1].mem.requests;
    }
    for (int k = 0; k < 50; k++) {
      CHECK_EQ(hs2ni_msgs_send(w.places[0].msgs, &target, 1, &msg, NULL),
               HS2N_OK);
    }
    CHECK_EQ(world_run(&w, 1), 50);
  }
  CHECK_EQ(w.places[0].mem.requests + w.places[1].mem.requests, before);
  CHECK_EQ(batches(&w), 40);
  hs2n_buf_unref(body);
  finish(&w);
}

/* A run in which request number `at` of a place fails; whether that was
 * reached. */
static bool run_with_failure(uint32_t place, uint64_t at) {
  struct world w;
  size_t sent = 0, got = 0;
  bool reached;

  world_init(&w, &(struct world_options){.net = {.seed = at, .whole = true},
                                         .types = world_packed_types});
  w.places[place].mem.fail_at = w.places[place].mem.requests + at;
  world_join(&w, 0, 1);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 30; i++) {
      if (w.places[0].mem.requests + 1 == w.places[0].mem.fail_at) {
        w.places[0].mem.requests++; /* the application's own body */
      } else {
        sent += world_send(&w, 0, 1, LANE, 200, 1, NULL) == HS2N_OK;
      }
    }
    got += world_run(&w, 1);
    if (w.places[0].ends[1].conn == NULL && w.places[1].ends[0].conn == NULL) {
      world_join(&w, 0, 1);
    }
  }
  world_sleep(&w, HS2N_MS(10));
  got += world_run(&w, 1);
  reached = w.places[place].mem.requests >= w.places[place].mem.fail_at;
  CHECK_EQ(got, sent);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK(w.breaches == 0 || w.last_reason == HS2N_REASON_INTERNAL);
  world_fini(&w);
  return reached;
}

static void any_allocation_of_either_end_may_fail(void) {
  for (uint32_t place = 0; place < 2; place++) {
    uint64_t at = 1;

    while (run_with_failure(place, at)) {
      at++;
    }
    CHECK(at > 10);
  }
}

/* ---- what a peer may try ---------------------------------------------------
 */

/* The records of a batch, to be packed. */
static void inner(struct bytes *b, uint64_t seq, uint8_t type, uint32_t flags,
                  uint32_t len) {
  bytes_record(b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                         .seq = seq,
                                         .type = type,
                                         .flags = flags,
                                         .codec = HS2NI_CODEC_LZ4,
                                         .raw_len = 2000,
                                         .body_len = len});
  bytes_fill(b, len);
}

static struct bytes good_batch(void) {
  struct bytes b = {0};

  for (uint64_t seq = 1; seq <= 5; seq++) {
    inner(&b, seq, LANE, 0, 300);
  }
  return b;
}

/* Makes of records a lane's stream with one batch of them, said to be of
 * raw_len bytes. */
static void pack(struct raw *r, struct bytes *b, size_t raw_len) {
  uint8_t packed[RAW_BYTES_MAX];
  const size_t len =
      hs2ni_pack_deflate(r->msgs->pack, HS2N_COMPRESSION_LZ4,
                         (struct hs2n_span){b->data, b->len}, packed);

  CHECK(len > 0);
  b->len = 0;
  bytes_head(b, HS2NI_STREAM_LANE, LANE, 0, 0);
  bytes_record(b, &(struct hs2ni_record){.kind = HS2NI_RECORD_BATCH,
                                         .codec = HS2NI_CODEC_LZ4,
                                         .raw_len = (uint32_t)raw_len,
                                         .body_len = (uint32_t)len});
  memcpy(b->data + b->len, packed, len);
  b->len += len;
}

static void begin(struct raw *r) {
  raw_init_types(r, NULL, world_packed_types);
  raw_attach(r, 5);
}

static void gives(const struct bytes *raw, size_t raw_len,
                  enum hs2n_reason want) {
  struct bytes b = *raw;
  struct raw r;

  begin(&r);
  pack(&r, &b, raw_len);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), want);
  hs2ni_chan_detach(r.chan);
  raw_fini(&r);
}

static void a_good_batch_comes_in_pieces_of_any_length(void) {
  for (size_t piece = 1; piece < 60; piece++) {
    struct bytes b = good_batch();
    struct raw r;

    begin(&r);
    pack(&r, &b, b.len);
    for (size_t at = 0; at < b.len; at += piece) {
      const size_t n = b.len - at < piece ? b.len - at : piece;

      CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
      CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                               (struct hs2n_span){b.data + at, n}, false),
               HS2N_REASON_NONE);
    }
    CHECK_EQ(r.credited, b.len); /* of what came, no more */
    for (uint64_t seq = 1; seq <= 5; seq++) {
      CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), seq);
    }
    raw_fini(&r);
  }
}

/* Cut anywhere, but for between two records. */
static void a_batch_that_ends_in_a_record_is_a_breach(void) {
  const struct bytes whole = good_batch();
  const size_t each = whole.len / 5;

  for (size_t len = 40; len < whole.len; len++) {
    struct bytes cut = whole;

    cut.len = len;
    gives(&cut, len, len % each == 0 ? HS2N_REASON_NONE : HS2N_REASON_PROTOCOL);
  }
}

static void a_batch_of_another_length_than_it_says_is_a_breach(void) {
  const struct bytes raw = good_batch();

  gives(&raw, raw.len, HS2N_REASON_NONE);
  gives(&raw, raw.len - 1, HS2N_REASON_PROTOCOL);
  gives(&raw, raw.len + 1, HS2N_REASON_PROTOCOL);
  gives(&raw, HS2NI_BATCH_RAW_MAX, HS2N_REASON_PROTOCOL);
  gives(&raw, 30, HS2N_REASON_PROTOCOL); /* shorter than it is packed */
}

static void what_may_not_stand_in_a_batch_is_a_breach(void) {
  static const uint8_t signature[HS2N_SIGNATURE_LEN];
  struct bytes b = {0};

  inner(&b, 1, LANE, HS2NI_FLAG_COMPRESSED, 300);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  inner(&b, 1, LANE, HS2NI_FLAG_UNORDERED, 300);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_record(
      &b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                 .seq = 1,
                                 .type = LANE,
                                 .flags = HS2NI_FLAG_SIGNED,
                                 .signature = {signature, sizeof(signature)},
                                 .body_len = 300});
  bytes_fill(&b, 300);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  inner(&b, 1, LANE, 0, HS2NI_BATCH_BODY_MAX + 1);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  inner(&b, 1, LANE, 0, HS2NI_BATCH_BODY_MAX);
  gives(&b, b.len, HS2N_REASON_NONE);
  b.len = 0;
  inner(&b, 2, LANE, 0, 300);
  inner(&b, 1, LANE, 0, 300); /* numbers rise */
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_BATCH,
                                          .codec = HS2NI_CODEC_LZ4,
                                          .raw_len = 2000,
                                          .body_len = 1000});
  bytes_fill(&b, 1000);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_LARGE,
                                          .seq = 1,
                                          .type = LANE,
                                          .body_len = 1000});
  bytes_fill(&b, 1000);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
}

static void more_messages_than_a_batch_may_have_are_a_breach(void) {
  struct bytes b = {0};

  for (uint64_t seq = 1; seq <= HS2NI_BATCH_MSGS_MAX; seq++) {
    inner(&b, seq, LANE, 0, 0);
  }
  gives(&b, b.len, HS2N_REASON_NONE);
  inner(&b, HS2NI_BATCH_MSGS_MAX + 1, LANE, 0, 0);
  gives(&b, b.len, HS2N_REASON_PROTOCOL);
}

static void a_batch_that_was_not_asked_for_is_a_breach(void) {
  const struct hs2ni_record record = {.kind = HS2NI_RECORD_BATCH,
                                      .codec = HS2NI_CODEC_LZ4,
                                      .raw_len = 1000,
                                      .body_len = 100};
  struct bytes b = {0};
  struct raw r;

  bytes_head(&b, HS2NI_STREAM_LANE, LANE, 0, 0);
  bytes_record(&b, &record);
  raw_init(&r, NULL); /* no type declares a codec */
  raw_attach(&r, 5);
  CHECK_EQ(hs2ni_msgs_capabilities(r.msgs) & HS2NI_CAP_BATCH, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_PROTOCOL);
  raw_fini(&r);
}

/* A batch that does not inflate. */
static enum hs2n_reason give_junk(struct raw *r) {
  struct bytes b = {0};

  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_BATCH,
                                          .codec = HS2NI_CODEC_LZ4,
                                          .raw_len = 2000,
                                          .body_len = 200});
  bytes_fill(&b, 200);
  r->credited = 0;
  if (raw_data(r, LANE_STREAM, &b, false) != HS2N_REASON_NONE) {
    return HS2N_REASON_PROTOCOL;
  }
  CHECK_EQ(r->credited, b.len);
  return HS2N_REASON_NONE;
}

/* What is refused anyway is not worth inflating: forty bytes may stand for
 * 32 KiB of copies of one record, and nothing else would bound how often. */
static void a_batch_that_is_refused_as_a_whole_is_not_opened(void) {
  struct bytes b = {0};
  struct raw r;

  begin(&r);
  bytes_head(&b, HS2NI_STREAM_LANE, LANE, 0, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  b.len = 0;
  bytes_msg(&b, 1, LANE, 300);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_BUSY), 1);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(give_junk(&r), HS2N_REASON_NONE);
  }
  CHECK_EQ(r.env.stats.bodies_malformed, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(give_junk(&r), HS2N_REASON_PROTOCOL);
  CHECK_EQ(r.env.stats.bodies_malformed, 1);
  hs2ni_chan_detach(r.chan);
  raw_fini(&r);
}

/* covers: H17 */
static void a_secret_type_in_a_batch_is_refused(void) {
  struct raw r;
  struct bytes b = {0};

  inner(&b, 1, HS2N_LANE_CONTROL, 0, 600);
  begin(&r);
  pack(&r, &b, b.len);
  b.data[2] = HS2N_LANE_CONTROL; /* the lane in the stream's head */
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(r.env.stats.messages_refused, 1);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 1);
  CHECK_EQ(
      HS2NI_CONTAINER(r.chan->rx.nacks_pending.head, struct hs2ni_rx_msg, node)
          ->code,
      HS2N_REASON_BAD_BODY);
  raw_fini(&r);
}

static void memory_for_a_batch_that_never_comes_is_given_back(void) {
  struct bytes b = good_batch();
  struct raw r;
  int64_t before;

  begin(&r);
  pack(&r, &b, b.len);
  before = r.mem.live_bytes;
  b.len -= 1;
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK(r.mem.live_bytes > before);
  CHECK(r.mem.live_bytes < before + 4096); /* what it says, not what it may */
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 5);
  b.len += 1;
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  raw_fini(&r);
}

int main(void) {
  RUN(short_messages_of_such_types_go_together);
  RUN(a_batch_has_its_limits);
  RUN(a_secret_one_goes_alone_and_in_its_place);
  RUN(noise_goes_as_it_is_and_is_tried_once);
  RUN(what_ends_before_its_turn_is_not_in_it);
  RUN(what_ends_in_a_batch_goes_with_it);
  RUN(a_batch_of_which_nothing_is_left_does_not_go);
  RUN(messages_of_an_ended_view_are_acked_unseen);
  RUN(busy_in_the_middle_goes_back_to_it);
  RUN(a_cut_makes_another_batch_of_what_is_left);
  RUN(a_newer_message_of_a_key_ends_one_in_a_batch);
  RUN(what_comes_of_batches_is_bounded);
  RUN(batches_in_memory_are_bounded);
  RUN(a_batch_allocates_nothing);
  RUN(any_allocation_of_either_end_may_fail);
  RUN(a_good_batch_comes_in_pieces_of_any_length);
  RUN(a_batch_that_ends_in_a_record_is_a_breach);
  RUN(a_batch_of_another_length_than_it_says_is_a_breach);
  RUN(what_may_not_stand_in_a_batch_is_a_breach);
  RUN(more_messages_than_a_batch_may_have_are_a_breach);
  RUN(a_batch_that_was_not_asked_for_is_a_breach);
  RUN(a_batch_that_is_refused_as_a_whole_is_not_opened);
  RUN(a_secret_type_in_a_batch_is_refused);
  RUN(memory_for_a_batch_that_never_comes_is_given_back);
  return tap_done();
}
