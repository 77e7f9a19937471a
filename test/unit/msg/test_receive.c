/* What a channel makes of a peer's bytes, the bad ones above all. */
#include "raw.h"
#include "tap.h"

#include <stdlib.h>

#define LANE_STREAM 3
#define BODY_STREAM 7

static void lane_head(struct bytes *b, uint8_t lane) {
  b->len = 0;
  bytes_head(b, HS2NI_STREAM_LANE, lane, 0, 0);
}

static void large(struct bytes *b, uint64_t seq, uint8_t type, uint32_t len) {
  bytes_record(b, &(struct hs2ni_record){.kind = HS2NI_RECORD_LARGE,
                                         .seq = seq,
                                         .type = type,
                                         .body_len = len});
}

static void body(struct bytes *b, uint8_t lane, uint64_t seq, uint32_t len,
                 size_t fill) {
  b->len = 0;
  bytes_head(b, HS2NI_STREAM_BODY, lane, seq, len);
  bytes_fill(b, fill);
}

/* What comes back for the bytes of a fresh connection's lane stream. */
static enum hs2n_reason reason_of(const struct bytes *b, bool fin) {
  struct raw r;
  enum hs2n_reason reason;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  reason = raw_data(&r, LANE_STREAM, b, fin);
  raw_fini(&r);
  return reason;
}

/* The bytes in two pieces. */
static void give_cut(struct raw *r, const struct bytes *b, size_t cut) {
  CHECK_EQ(hs2ni_chan_data(r->chan, LANE_STREAM,
                           (struct hs2n_span){b->data, cut}, false),
           HS2N_REASON_NONE);
  CHECK_EQ(hs2ni_chan_data(r->chan, LANE_STREAM,
                           (struct hs2n_span){b->data + cut, b->len - cut},
                           false),
           HS2N_REASON_NONE);
}

static void every_prefix_is_only_a_wait(void) {
  struct bytes b = {0};
  struct raw r;

  lane_head(&b, 1);
  bytes_msg(&b, 1, 1, 20);
  bytes_msg(&b, 2, 1, 0);
  bytes_msg(&b, 9, 1, 300);
  for (size_t cut = 0; cut <= b.len; cut++) {
    raw_init(&r, NULL);
    raw_attach(&r, 5);
    give_cut(&r, &b, cut);
    CHECK_EQ(r.credited, b.len);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 2);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 9);
    raw_fini(&r);
    raw_init(&r, NULL);
    raw_attach(&r, 5);
    CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                             (struct hs2n_span){b.data, cut}, false),
             HS2N_REASON_NONE);
    hs2ni_chan_detach(r.chan); /* nothing stays of a part */
    raw_fini(&r);
  }
}

static void breaches_end_the_connection(void) {
  struct bytes b = {0};

  b.len = 0;
  bytes_fill(&b, 40); /* no head at all */
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_head(&b, HS2NI_STREAM_HELLO, 0, 0, 0); /* a second hello */
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  lane_head(&b, 1);
  CHECK_EQ(reason_of(&b, true), HS2N_REASON_PROTOCOL); /* ends */
  b.len--;
  CHECK_EQ(reason_of(&b, true), HS2N_REASON_PROTOCOL); /* ends in its head */
  lane_head(&b, 1);
  bytes_fill(&b, 1); /* no record */
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  lane_head(&b, 1);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK});
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  lane_head(&b, 1);
  bytes_msg(&b, 5, 1, 3);
  bytes_msg(&b, 5, 1, 3); /* does not rise */
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  lane_head(&b, 5);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                          .seq = 1,
                                          .type = 5,
                                          .body_len = (1u << 20) + 1});
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  lane_head(&b, 1); /* a flag that was not offered */
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                          .seq = 1,
                                          .type = 1,
                                          .flags = HS2NI_FLAG_COMPRESSED,
                                          .codec = HS2NI_CODEC_LZ4,
                                          .raw_len = 100,
                                          .body_len = 9});
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  bytes_msg(&b, 1, 1, 0); /* a message among acks */
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  b.len = 0;
  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK, .seq = 1});
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL); /* never sent */
  b.len = 0;
  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                          .seq = 1,
                                          .code = HS2N_REASON_APP_BUSY});
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL);
  body(&b, 5, 1, 10, 9);
  CHECK_EQ(reason_of(&b, true), HS2N_REASON_PROTOCOL); /* too short */
  body(&b, 5, 1, 10, 11);
  CHECK_EQ(reason_of(&b, false), HS2N_REASON_PROTOCOL); /* too long */
}

/* Two streams that must not both be. */
static enum hs2n_reason reason_of_two(const struct bytes *a,
                                      const struct bytes *b) {
  struct raw r;
  enum hs2n_reason reason;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  CHECK_EQ(raw_data(&r, LANE_STREAM, a, false), HS2N_REASON_NONE);
  reason = raw_data(&r, BODY_STREAM, b, false);
  raw_fini(&r);
  return reason;
}

static void streams_that_contradict_end_the_connection(void) {
  struct bytes a = {0}, b = {0};

  lane_head(&a, 5);
  CHECK_EQ(reason_of_two(&a, &a), HS2N_REASON_PROTOCOL);
  a.len = 0;
  bytes_head(&a, HS2NI_STREAM_ACKS, 0, 0, 0);
  CHECK_EQ(reason_of_two(&a, &a), HS2N_REASON_PROTOCOL);
  body(&a, 5, 1, 10, 0);
  CHECK_EQ(reason_of_two(&a, &a), HS2N_REASON_PROTOCOL);
  lane_head(&a, 5);
  large(&a, 1, 5, 11);
  body(&b, 5, 1, 10, 0);
  CHECK_EQ(reason_of_two(&a, &b), HS2N_REASON_PROTOCOL); /* lengths differ */
  lane_head(&a, 5);
  for (uint64_t seq = 1; seq <= HS2NI_LANE_BODIES_MAX + 1; seq++) {
    large(&a, seq, 5, 10);
  }
  CHECK_EQ(reason_of(&a, false), HS2N_REASON_LIMIT);
}

static void too_many_streams_without_heads_are_too_many(void) {
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  b.len--;
  for (uint64_t i = 0; i < HS2NI_HEADS_MAX; i++) {
    CHECK_EQ(raw_data(&r, 3 + 4 * i, &b, false), HS2N_REASON_NONE);
  }
  CHECK_EQ(raw_data(&r, 3000, &b, false), HS2N_REASON_LIMIT);
  CHECK_EQ(hs2ni_chan_reset(r.chan, 3, 0), HS2N_REASON_NONE);
  CHECK_EQ(raw_data(&r, 3000, &b, false), HS2N_REASON_NONE);
  raw_fini(&r);
}

static void what_is_not_declared_is_refused_and_passed_over(void) {
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  bytes_msg(&b, 1, 40, 30);  /* no such type */
  bytes_msg(&b, 2, 3, 30);   /* a type of another lane */
  bytes_msg(&b, 3, 1, 1025); /* larger than declared */
  large(&b, 4, 1, 1500);     /* the same, with a stream of its own */
  bytes_msg(&b, 5, 1, 1024);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, b.len);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 5);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 4);
  CHECK_EQ(r.env.stats.messages_refused, 4);
  r.credited = 0;
  body(&b, 1, 4, 1500, 1500);
  CHECK_EQ(raw_data(&r, BODY_STREAM, &b, true), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, b.len);
  CHECK_EQ(r.chan->rx.lanes[1].pairs.count, 0);
  CHECK(raw_drain(&r) > 0);
  CHECK_EQ(r.chan->rx.nacks_sent.count, 4);
  hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, r.chan->ack_tx.sent);
  CHECK_EQ(r.chan->rx.nacks_sent.count, 0);
  raw_fini(&r);
}

static void a_body_may_come_before_or_after_its_record(void) {
  for (int body_first = 0; body_first < 2; body_first++) {
    struct raw r;
    struct bytes lane = {0}, stream = {0};

    raw_init(&r, NULL);
    raw_attach(&r, 5);
    lane_head(&lane, 5);
    large(&lane, 1, 5, 500);
    bytes_msg(&lane, 2, 5, 10);
    body(&stream, 5, 1, 500, 500);
    if (body_first) {
      CHECK_EQ(raw_data(&r, BODY_STREAM, &stream, true), HS2N_REASON_NONE);
      CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
      CHECK_EQ(raw_data(&r, LANE_STREAM, &lane, false), HS2N_REASON_NONE);
    } else {
      CHECK_EQ(raw_data(&r, LANE_STREAM, &lane, false), HS2N_REASON_NONE);
      CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0); /* 2 waits for 1 */
      CHECK_EQ(raw_data(&r, BODY_STREAM, &stream, true), HS2N_REASON_NONE);
    }
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 2);
    raw_fini(&r);
  }
}

static void a_withdrawn_body_leaves_no_hole(void) {
  for (int reset_first = 0; reset_first < 2; reset_first++) {
    struct raw r;
    struct bytes lane = {0}, stream = {0};

    raw_init(&r, NULL);
    raw_attach(&r, 5);
    lane_head(&lane, 5);
    large(&lane, 1, 5, 500);
    bytes_msg(&lane, 2, 5, 10);
    body(&stream, 5, 1, 500, 200);
    CHECK_EQ(raw_data(&r, BODY_STREAM, &stream, false), HS2N_REASON_NONE);
    if (reset_first) {
      CHECK_EQ(hs2ni_chan_reset(r.chan, BODY_STREAM, 0), HS2N_REASON_NONE);
      CHECK_EQ(raw_data(&r, LANE_STREAM, &lane, false), HS2N_REASON_NONE);
    } else {
      CHECK_EQ(raw_data(&r, LANE_STREAM, &lane, false), HS2N_REASON_NONE);
      CHECK_EQ(hs2ni_chan_reset(r.chan, BODY_STREAM, 0), HS2N_REASON_NONE);
    }
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 2);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
    CHECK_EQ(r.credited, lane.len + stream.len);
    CHECK_EQ(r.chan->rx.lanes[5].pairs.count, 0);
    raw_fini(&r);
  }
}

/* A peer that never stops writing small messages to an application that
 * takes none is told that we are busy, and costs no more. */
static void a_crowded_lane_refuses(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct bytes b = {0};

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 16;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 500; seq++) {
    b.len = 0;
    bytes_msg(&b, seq, 1, 0);
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  }
  CHECK_EQ(r.chan->rx.lanes[1].ready.count, 16);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 1);
  for (uint64_t seq = 1; seq <= 16; seq++) {
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), seq);
  }
  b.len = 0;
  bytes_msg(&b, 17, 1, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 17);
  raw_fini(&r);
}

/* Both the crowd and the application may be the reason, one after the other:
 * the peer's answer to the first is not taken for that to the second. */
static void of_two_refusals_the_later_one_counts(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct bytes b = {0};

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 16;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  for (uint64_t seq = 1; seq <= 17; seq++) {
    bytes_msg(&b, seq, 1, 0);
  }
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  CHECK_EQ(raw_fetch(&r, HS2N_BUSY), 2);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 2);
  b.len = 0;
  bytes_msg(&b, 17, 1, 0); /* the answer to the crowd */
  bytes_msg(&b, 18, 1, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  b.len = 0;
  bytes_msg(&b, 2, 1, 0);
  bytes_msg(&b, 3, 1, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 2);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 3);
  raw_fini(&r);
}

static void a_lane_waits_while_too_many_are_to_be_judged(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct bytes b = {0};
  struct hs2n_msg_id id = {.incarnation = 5, .seq = 3, .lane = 1};

  hs2n_limits_default(&limits);
  limits.rx_later_max = 16;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  for (uint64_t seq = 1; seq <= 40; seq++) {
    bytes_msg(&b, seq, 1, 4);
  }
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 16; seq++) {
    CHECK_EQ(raw_fetch(&r, HS2N_LATER), seq);
  }
  CHECK_EQ(raw_fetch(&r, HS2N_LATER), 0);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_LATER),
           HS2N_ERR_INVALID);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_BUSY), HS2N_ERR_INVALID);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_ACCEPT), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_ACCEPT), HS2N_ERR_STATE);
  CHECK_EQ(raw_fetch(&r, HS2N_LATER), 17);
  /* A new process of the peer voids what waits. */
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 6);
  id.seq = 4;
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_ACCEPT), HS2N_ERR_STATE);
  id.incarnation = 6;
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, id, HS2N_ACCEPT), HS2N_ERR_STATE);
  raw_fini(&r);
}

/* covers: H36 */
static void a_replay_is_dropped_and_acked_again(void) {
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  bytes_msg(&b, 1, 1, 4);
  bytes_msg(&b, 2, 1, 4);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  CHECK_EQ(raw_fetch(&r, HS2N_LATER), 2);
  for (int i = 0; i < 3; i++) {
    hs2ni_chan_detach(r.chan);
    raw_attach(&r, 5);
    raw_drain(&r);
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
    CHECK(raw_drain(&r) > 0); /* 1, again */
  }
  CHECK_EQ(r.env.stats.messages_duplicate, 6);
  raw_fini(&r);
}

/* As many as a packet holds. */
static void what_comes_together_is_credited_together(void) {
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(r.credited, b.len);
  b.len = 0;
  for (uint64_t seq = 1; seq <= 5; seq++) {
    bytes_msg(&b, seq, 1, 250);
  }
  r.credits = 0;
  r.credited = 0;
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK_EQ(r.credits, 1);
  CHECK_EQ(r.credited, b.len);
  raw_fini(&r);
}

/* Refusals must reach the peer, so they are kept until its transport has
 * them; a peer that never says so gets no more of our attention. */
static void a_peer_whose_transport_acks_nothing_is_left_waiting(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct bytes b = {0};
  uint64_t rejected = 0;

  hs2n_limits_default(&limits);
  limits.rx_waste_us_per_s = 1000000; /* whatever that costs */
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 2000; seq++) {
    b.len = 0;
    bytes_msg(&b, seq, 1, 1);
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
    rejected += raw_fetch(&r, HS2N_REJECT) != 0;
    raw_drain(&r);
  }
  CHECK_EQ(rejected, HS2NI_NACKS_MAX);
  CHECK(r.chan->ack_tx.made <= HS2NI_ACK_RING);
  CHECK(!hs2ni_chan_idle(r.chan));
  while (r.chan->ack_tx.acked < r.chan->ack_tx.sent) {
    hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, r.chan->ack_tx.sent);
    raw_drain(&r);
  }
  CHECK_EQ(r.chan->rx.nacks_sent.count, 0);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), HS2NI_NACKS_MAX + 1);
  raw_fini(&r);
}

static void a_peer_that_ignores_what_we_declared_is_sent_away(void) {
  struct raw r;
  struct bytes b = {0};
  enum hs2n_reason reason = HS2N_REASON_NONE;
  uint64_t seq = 0;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  while (reason == HS2N_REASON_NONE && seq < 10000) {
    bytes_msg(&b, ++seq, 40, 0);
    reason = raw_data(&r, LANE_STREAM, &b, false);
    b.len = 0;
  }
  CHECK_EQ(reason, HS2N_REASON_LIMIT);
  CHECK_EQ(seq, 2 * HS2NI_NACKS_MAX + 1);
  raw_fini(&r);
}

/* Only a body can be unwanted, and only once it is known whose it is. */
static void a_peer_may_stop_a_body_and_nothing_else(void) {
  struct raw r;
  struct hs2n_msg msg = {.type = HS2N_LANE_PROPOSAL};
  struct hs2ni_target target;
  struct hs2ni_chunk chunk;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  target = (struct hs2ni_target){.chan = r.chan, .peer = {1}, .weight = 1};
  CHECK_EQ(hs2n_buf_alloc(&msg.body, &r.mem.mem, 100000, &(uint8_t *){NULL}),
           HS2N_OK);
  CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, NULL), HS2N_OK);
  CHECK(hs2ni_chan_next(r.chan, &chunk)); /* the record */
  CHECK_EQ(r.opened, 2);
  CHECK_EQ(hs2ni_chan_stopped(r.chan, chunk.stream, 0), HS2N_REASON_PROTOCOL);
  CHECK_EQ(hs2ni_chan_stopped(r.chan, 2, 0), HS2N_REASON_PROTOCOL);
  CHECK_EQ(hs2ni_chan_stopped(r.chan, 6, 0), HS2N_REASON_PROTOCOL);
  hs2ni_chan_sent(r.chan, chunk.stream, chunk.parts[0].len + chunk.parts[1].len,
                  false);
  CHECK(hs2ni_chan_next(r.chan, &chunk)); /* the body */
  hs2ni_chan_sent(r.chan, chunk.stream, chunk.parts[0].len + 10, false);
  CHECK_EQ(hs2ni_chan_stopped(r.chan, chunk.stream, 0), HS2N_REASON_NONE);
  CHECK(!hs2ni_chan_next(r.chan, &chunk));
  hs2ni_chan_done(r.chan, 2);
  hs2ni_chan_done(r.chan, 6);
  CHECK_EQ(hs2ni_chan_stopped(r.chan, 400, 0), HS2N_REASON_NONE); /* is done */
  CHECK(!hs2ni_chan_idle(r.chan)); /* its message waits for the verdict */
  hs2n_buf_unref(msg.body);
  raw_fini(&r);
}

/* A body of one byte costs a block of memory all the same. */
static void many_small_bodies_held_stop_delivery(void) {
  enum { MAX = 2000 };
  struct hs2n_limits limits;
  struct hs2n_buf **held = calloc(MAX, sizeof(struct hs2n_buf *));
  struct raw r;
  struct bytes b = {0};
  struct hs2ni_event e;
  size_t n = 0;

  hs2n_limits_default(&limits);
  limits.rx_held_bytes = 65536;
  limits.tx_queue_msgs_max = 16;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  for (uint64_t seq = 1; seq <= MAX; seq++) {
    bytes_msg(&b, seq, 1, 1);
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
    b.len = 0;
    if (hs2ni_msgs_next(r.msgs, &e)) {
      held[n++] = hs2n_buf_ref(e.msg.body);
      CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_ACCEPT), HS2N_OK);
    }
  }
  CHECK(n < 600);
  CHECK_EQ(r.chan->rx.lanes[1].ready.count, 16);
  CHECK(!hs2ni_msgs_next(r.msgs, &e));
  while (n > 0) {
    hs2n_buf_unref(held[--n]);
  }
  CHECK(raw_fetch(&r, HS2N_ACCEPT) > 0);
  raw_fini(&r);
  free(held);
}

static void give_nack(struct raw *r, uint8_t lane, uint64_t seq,
                      enum hs2n_reason code) {
  struct bytes b = {0};

  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                          .lane = lane,
                                          .seq = seq,
                                          .code = (uint32_t)code});
  CHECK_EQ(raw_data(r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
}

static struct hs2n_tag send_large(struct raw *r) {
  const struct hs2ni_target target = {.chan = r->chan, .weight = 1};
  struct hs2n_msg msg = {.type = 5, .flags = HS2N_MSG_ACK};
  struct hs2n_tag tag = {0};
  uint8_t *data;

  CHECK_EQ(hs2n_buf_alloc(&msg.body, &r->mem.mem, 70000, &data), HS2N_OK);
  memset(data, 1, 70000);
  CHECK_EQ(hs2ni_msgs_send(r->msgs, &target, 1, &msg, &tag), HS2N_OK);
  hs2n_buf_unref(msg.body);
  return tag;
}

/* A peer that refuses what was not written again yet lies: believing it
 * would leave out the messages before. */
static void busy_for_what_is_yet_to_come_is_a_breach(void) {
  const struct hs2ni_record nack = {
      .kind = HS2NI_RECORD_NACK, .lane = 1, .code = HS2N_REASON_APP_BUSY};
  const uint64_t seqs[] = {4, 2, 3};
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  for (int i = 0; i < 3; i++) {
    const struct hs2ni_target target = {.chan = r.chan, .weight = 1};
    const struct hs2n_msg msg = {.type = 1};

    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, NULL), HS2N_OK);
  }
  CHECK(raw_drain(&r) > 0);
  bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  for (int i = 0; i < 3; i++) {
    struct hs2ni_record busy = nack;

    busy.seq = seqs[i];
    b.len = 0;
    bytes_record(&b, &busy);
    CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false),
             seqs[i] == 2 ? HS2N_REASON_NONE : HS2N_REASON_PROTOCOL);
  }
  raw_fini(&r);
}

static void there_are_no_more_channels_than_peers(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct hs2ni_chan *chan;

  hs2n_limits_default(&limits);
  limits.peers_max = 1;
  raw_init(&r, &limits);
  CHECK_EQ(hs2ni_chan_new(&chan, r.msgs, (struct hs2n_peer){2}), HS2N_ERR_FULL);
  raw_fini(&r);
}

static uint64_t first_seq(const struct hs2ni_tx_lane *lane) {
  return HS2NI_CONTAINER(lane->msgs.head, struct hs2ni_tx_msg, node)->seq;
}

/* The message that the peer waits for ends after it was offered to the link
 * and before any of it was taken: the next one has its number. */
static void the_number_asked_for_comes_whoever_has_it(void) {
  struct raw r;
  struct hs2ni_chunk chunk;
  struct hs2n_tag tags[2];

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  for (int i = 0; i < 2; i++) {
    const struct hs2ni_target target = {.chan = r.chan, .weight = 1};
    const struct hs2n_msg msg = {.type = 1, .flags = HS2N_MSG_ACK};

    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, &tags[i]), HS2N_OK);
  }
  CHECK(raw_drain(&r) > 0);
  give_nack(&r, 1, 1, HS2N_REASON_APP_BUSY);
  r.env.now = hs2ni_msgs_deadline(r.msgs);
  hs2ni_msgs_tick(r.msgs);
  CHECK(hs2ni_chan_next(r.chan, &chunk));
  hs2ni_chan_sent(r.chan, chunk.stream, 0, false);
  CHECK_EQ(hs2ni_msgs_cancel(r.msgs, tags[0]), HS2N_OK);
  CHECK_EQ(first_seq(&r.chan->tx[1]), 2);
  CHECK(raw_drain(&r) > 0);
  CHECK_EQ(first_seq(&r.chan->tx[1]), 1);
  raw_fini(&r);
}

/* After BUSY the next message takes the number of one that has ended, but
 * not while that one's body is still on its way under it. */
static void a_number_has_one_body_at_a_time(void) {
  struct raw r;
  struct hs2ni_chunk chunk;
  struct hs2ni_tx_lane *lane;
  struct hs2n_tag tag;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane = &r.chan->tx[5];
  tag = send_large(&r);
  CHECK(raw_drain(&r) > 70000);
  CHECK_EQ(lane->bodies.count, 1);
  give_nack(&r, 5, 1, HS2N_REASON_APP_BUSY);
  CHECK_EQ(hs2ni_msgs_cancel(r.msgs, tag), HS2N_OK);
  (void)send_large(&r);
  r.env.now = hs2ni_msgs_deadline(r.msgs);
  hs2ni_msgs_tick(r.msgs);
  CHECK(!hs2ni_chan_next(r.chan, &chunk));
  hs2ni_chan_acked(r.chan, lane->stream, lane->offset);
  CHECK(!hs2ni_chan_next(r.chan, &chunk));
  hs2ni_chan_done(
      r.chan,
      HS2NI_CONTAINER(lane->bodies.head, struct hs2ni_tx_body, node)->stream);
  CHECK_EQ(lane->bodies.count, 0);
  CHECK(raw_drain(&r) > 70000);
  CHECK_EQ(first_seq(lane), 1);
  raw_fini(&r);
}

/* The application frees a peer from inside on_message. */
static void a_channel_may_go_before_the_verdict(void) {
  struct raw r;
  struct bytes b = {0};
  struct hs2ni_event e;
  struct hs2ni_chan *other;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  lane_head(&b, 1);
  bytes_msg(&b, 1, 1, 10);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  CHECK(hs2ni_msgs_next(r.msgs, &e));
  CHECK_EQ(hs2ni_chan_new(&other, r.msgs, (struct hs2n_peer){2}), HS2N_OK);
  hs2ni_chan_free(r.chan, HS2N_DONE_PEER_GONE);
  r.chan = other;
  CHECK_EQ(hs2n_buf_span(e.msg.body).data[9], 'x'); /* still being read */
  CHECK(!hs2ni_msgs_next(r.msgs, &e));
  raw_fini(&r);
}

int main(void) {
  RUN(every_prefix_is_only_a_wait);
  RUN(breaches_end_the_connection);
  RUN(streams_that_contradict_end_the_connection);
  RUN(too_many_streams_without_heads_are_too_many);
  RUN(what_is_not_declared_is_refused_and_passed_over);
  RUN(a_body_may_come_before_or_after_its_record);
  RUN(a_withdrawn_body_leaves_no_hole);
  RUN(a_crowded_lane_refuses);
  RUN(a_lane_waits_while_too_many_are_to_be_judged);
  RUN(a_replay_is_dropped_and_acked_again);
  RUN(what_comes_together_is_credited_together);
  RUN(a_peer_whose_transport_acks_nothing_is_left_waiting);
  RUN(a_peer_that_ignores_what_we_declared_is_sent_away);
  RUN(a_peer_may_stop_a_body_and_nothing_else);
  RUN(many_small_bodies_held_stop_delivery);
  RUN(busy_for_what_is_yet_to_come_is_a_breach);
  RUN(there_are_no_more_channels_than_peers);
  RUN(of_two_refusals_the_later_one_counts);
  RUN(the_number_asked_for_comes_whoever_has_it);
  RUN(a_number_has_one_body_at_a_time);
  RUN(a_channel_may_go_before_the_verdict);
  return tap_done();
}
