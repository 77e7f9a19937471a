/* A batch means what its records mean in its place: two channels, one of which
 * gets by itself what the other gets in batches, do the same. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#include "base/rng.h"

#define LANE_STREAM 3
#define LANE HS2N_LANE_PROPOSAL /* LZ4 */
#define RUN_MAX 9
#define BODY_MAX 250
#define RUNS 400

/* The two, and what their peer would send next. */
struct model {
  struct raw plain, packed;
  uint64_t sent[2]; /* bytes on this connection */
  struct hs2ni_rng rng;
  uint64_t next, top; /* number; the highest ever sent */
  uint64_t batches, unopened, busy;
};

static uint64_t below(struct model *m, uint64_t n) {
  return hs2ni_rng_next(&m->rng) % n;
}

static void attach(struct model *m) {
  struct bytes head = {0};

  bytes_head(&head, HS2NI_STREAM_LANE, LANE, 0, 0);
  raw_attach(&m->plain, 5);
  raw_attach(&m->packed, 5);
  m->plain.credited = m->packed.credited = 0;
  m->sent[0] = m->sent[1] = head.len;
  CHECK_EQ(raw_data(&m->plain, LANE_STREAM, &head, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_data(&m->packed, LANE_STREAM, &head, false), HS2N_REASON_NONE);
}

static void send_one(struct model *m, bool in_batch, const struct bytes *b) {
  struct raw *r = in_batch ? &m->packed : &m->plain;

  CHECK_EQ(raw_data(r, LANE_STREAM, b, false), HS2N_REASON_NONE);
  m->sent[in_batch] += b->len;
}

static void send_both(struct model *m, const struct bytes *b) {
  send_one(m, false, b);
  send_one(m, true, b);
}

static bool refusing(const struct model *m) {
  return m->packed.chan->rx.lanes[LANE].refusing;
}

/* Of any length, for any view, now and then of a type that is not of the
 * lane. */
static void add_record(struct model *m, struct bytes *b) {
  const uint32_t len = (uint32_t)below(m, BODY_MAX);

  bytes_record(b, &(struct hs2ni_record){
                      .kind = HS2NI_RECORD_MSG,
                      .seq = m->next,
                      .type = below(m, 30) == 0 ? HS2N_LANE_BULK : LANE,
                      .flags = below(m, 4) == 0 ? HS2NI_FLAG_VIEW_BOUND : 0,
                      .view = below(m, 3),
                      .body_len = len});
  bytes_fill(b, len);
  m->top = m->next > m->top ? m->next : m->top;
  m->next += 1 + below(m, 5) / 4;
}

static void send_run(struct model *m) {
  const uint64_t n = 1 + below(m, RUN_MAX);
  struct hs2ni_record record = {.kind = HS2NI_RECORD_BATCH,
                                .codec = HS2NI_CODEC_LZ4};
  struct bytes b = {0};
  uint8_t packed[RAW_BYTES_MAX];
  size_t len;

  for (uint64_t i = 0; i < n; i++) {
    add_record(m, &b);
  }
  len = hs2ni_pack_deflate(m->packed.msgs->pack, HS2N_COMPRESSION_LZ4,
                           (struct hs2n_span){b.data, b.len}, packed);
  if (len == 0) {
    send_both(m, &b);
    return;
  }
  m->batches++;
  m->unopened += refusing(m);
  send_one(m, false, &b);
  record.raw_len = (uint32_t)b.len;
  record.body_len = (uint32_t)len;
  b.len = 0;
  bytes_record(&b, &record);
  memcpy(b.data + b.len, packed, len);
  b.len += len;
  send_one(m, true, &b);
}

/* What answers a BUSY is in no batch. */
static void go_back(struct model *m) {
  struct bytes b = {0};

  m->next = m->packed.chan->rx.lanes[LANE].refuse_from;
  add_record(m, &b);
  send_both(m, &b);
}

static void judge_some(struct model *m) {
  const uint64_t n = below(m, 2 * RUN_MAX);

  for (uint64_t i = 0; i < n; i++) {
    const uint64_t chance = below(m, 20);
    const enum hs2n_verdict verdict = chance == 0   ? HS2N_BUSY
                                      : chance == 1 ? HS2N_REJECT
                                                    : HS2N_ACCEPT;
    const uint64_t seq = raw_fetch(&m->plain, verdict);

    CHECK_EQ(raw_fetch(&m->packed, verdict), seq);
    m->busy += seq != 0 && verdict == HS2N_BUSY;
  }
}

/* On the next connection it begins anywhere: much comes again. */
static void reconnect(struct model *m) {
  hs2ni_chan_detach(m->plain.chan);
  hs2ni_chan_detach(m->packed.chan);
  attach(m);
  m->next = 1 + below(m, m->top + 1);
}

static void compare(struct model *m) {
  const struct hs2ni_rx_lane *a = &m->plain.chan->rx.lanes[LANE];
  const struct hs2ni_rx_lane *b = &m->packed.chan->rx.lanes[LANE];

  CHECK_EQ(a->ready.count, b->ready.count);
  CHECK_EQ(a->high, b->high);
  CHECK_EQ(a->refusing, b->refusing);
  CHECK_EQ(a->refuse_from, b->refuse_from);
  CHECK_EQ(m->plain.chan->rx.nacks_pending.count,
           m->packed.chan->rx.nacks_pending.count);
  CHECK_EQ(hs2ni_rx_held_bytes(m->plain.chan),
           hs2ni_rx_held_bytes(m->packed.chan));
  CHECK_EQ(m->plain.credited, m->sent[0]);
  CHECK_EQ(m->packed.credited, m->sent[1]);
  CHECK_EQ(raw_drain(&m->plain), raw_drain(&m->packed)); /* acks and nacks */
}

static void compare_stats(const struct hs2n_stats *a,
                          const struct hs2n_stats *b) {
  CHECK_EQ(a->messages_received, b->messages_received);
  CHECK_EQ(a->messages_duplicate, b->messages_duplicate);
  CHECK_EQ(a->messages_stale, b->messages_stale);
  CHECK_EQ(a->messages_refused, b->messages_refused);
  CHECK_EQ(a->bodies_malformed, 0);
  CHECK_EQ(b->bodies_malformed, 0);
}

static void step(struct model *m) {
  const uint64_t chance = below(m, 20);

  if (chance == 0) {
    reconnect(m);
  } else if (refusing(m) && chance < 8) {
    go_back(m);
  } else {
    send_run(m);
  }
  judge_some(m);
  compare(m);
}

static void walk(uint64_t seed, struct model *m) {
  *m = (struct model){.next = 1};
  hs2ni_rng_seed(&m->rng, seed);
  raw_init_types(&m->plain, NULL, world_packed_types);
  raw_init_types(&m->packed, NULL, world_packed_types);
  attach(m);
  for (int i = 0; i < RUNS; i++) {
    if (i == RUNS / 2) {
      CHECK_EQ(hs2ni_msgs_enter_view(m->plain.msgs, 1), HS2N_OK);
      CHECK_EQ(hs2ni_msgs_enter_view(m->packed.msgs, 1), HS2N_OK);
    }
    step(m);
  }
  compare_stats(&m->plain.env.stats, &m->packed.env.stats);
  CHECK(m->plain.env.stats.messages_received > 0);
  raw_fini(&m->plain);
  raw_fini(&m->packed);
}

static void what_is_in_a_batch_means_what_it_would_mean_alone(void) {
  static struct model m;
  uint64_t batches = 0, unopened = 0, busy = 0;

  for (uint64_t seed = 1; seed <= 200; seed++) {
    walk(seed, &m);
    batches += m.batches;
    unopened += m.unopened;
    busy += m.busy;
  }
  CHECK(batches > 20000);
  CHECK(unopened > 1000);
  CHECK(busy > 1000);
}

int main(void) {
  RUN(what_is_in_a_batch_means_what_it_would_mean_alone);
  return tap_done();
}
