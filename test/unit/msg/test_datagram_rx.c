/* What a channel makes of a peer's datagrams, the bad ones above all. */
#include "raw.h"
#include "tap.h"

#define LANE_STREAM 3

static void start(struct raw *r) {
  raw_init(r, NULL);
  r->datagram_max = 1200;
  raw_attach(r, 5);
}

/* On the lane's stream. */
static void give_copy(struct raw *r, uint64_t seq, uint32_t len) {
  struct bytes b = {0};

  if (!r->chan->rx.lanes[HS2N_LANE_VOTE].has_stream) {
    bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  }
  bytes_vote(&b, seq, len);
  CHECK_EQ(raw_data(r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
}

/* The last ack of unordered votes that the channel writes; floor, or -1. */
static int64_t acked(struct raw *r, uint8_t *bits) {
  struct hs2ni_chunk chunk;
  uint8_t bytes[4096];
  int64_t floor = -1;

  *bits = 0;
  while (hs2ni_chan_next(r->chan, &chunk)) {
    struct hs2n_span in = {bytes, raw_gather(&chunk, bytes)};
    struct hs2ni_head head;
    struct hs2ni_record record;
    int32_t used = hs2ni_head_decode(in, &head);

    hs2ni_chan_sent(r->chan, chunk.stream, in.len, false);
    if (used > 0) {
      in = (struct hs2n_span){in.data + used, in.len - (size_t)used};
    }
    while ((used = hs2ni_record_decode(in, &record)) > 0) {
      if (record.kind == HS2NI_RECORD_ACK && record.unordered) {
        floor = (int64_t)record.seq;
        *bits = record.bitmap.len > 0 ? record.bitmap.data[0] : 0;
      }
      in = (struct hs2n_span){in.data + used, in.len - (size_t)used};
    }
  }
  return floor;
}

/* covers: H36 */
static void each_is_taken_once_whatever_carries_it(void) {
  struct bytes b;
  uint8_t bits;
  struct raw r;

  start(&r);
  b = bytes_datagram(1, 2, 20);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 2); /* though 1 has not come */
  CHECK_EQ(acked(&r, &bits), 0);
  CHECK_EQ(bits, 2);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  give_copy(&r, 2, 20);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  CHECK_EQ(acked(&r, &bits), 0); /* says it again */
  give_copy(&r, 1, 20);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  b = bytes_datagram(1, 1, 20);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  CHECK_EQ(acked(&r, &bits), 2);
  CHECK_EQ(r.env.stats.messages_duplicate, 3);
  raw_fini(&r);
}

static void a_datagram_may_overtake_the_middle_of_its_copy(void) {
  const struct bytes d = bytes_datagram(1, 1, 50);
  struct bytes b = {0};
  struct raw r;

  start(&r);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  bytes_vote(&b, 1, 50);
  CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                           (struct hs2n_span){b.data, b.len - 20}, false),
           HS2N_REASON_NONE);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                           (struct hs2n_span){b.data + b.len - 20, 20}, false),
           HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  raw_fini(&r);
}

static void a_busy_ordered_message_does_not_hold_it_up(void) {
  struct bytes b = {0};
  const struct bytes d = bytes_datagram(1, 1, 30);
  struct hs2ni_event event;
  struct raw r;

  start(&r);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  bytes_msg(&b, 1, HS2N_LANE_VOTE, 30);
  bytes_vote(&b, 2, 40); /* half of a copy is there when the verdict comes */
  CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                           (struct hs2n_span){b.data, b.len - 20}, false),
           HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &event) && !event.id.unordered);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_BUSY), HS2N_OK);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &event) && event.id.unordered);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_ACCEPT), HS2N_OK);
  CHECK_EQ(hs2ni_chan_data(r.chan, LANE_STREAM,
                           (struct hs2n_span){b.data + b.len - 20, 20}, false),
           HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &event) && event.id.seq == 2);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_ACCEPT), HS2N_OK);
  raw_fini(&r);
}

static void a_busy_unordered_message_can_come_again(void) {
  const struct bytes d = bytes_datagram(1, 1, 30);
  uint8_t bits;
  struct raw r;

  start(&r);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_BUSY), 1);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 1);
  give_copy(&r, 1, 30);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  CHECK_EQ(acked(&r, &bits), 1);
  raw_fini(&r);
}

static void verdicts_tell_the_two_kinds_of_numbers_apart(void) {
  const struct bytes d = bytes_datagram(1, 1, 30);
  struct bytes b = {0};
  struct hs2ni_event a, c;
  uint8_t bits;
  struct raw r;

  start(&r);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  bytes_msg(&b, 1, HS2N_LANE_VOTE, 30);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &a));
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, a.id, HS2N_LATER), HS2N_OK);
  REQUIRE(hs2ni_msgs_next(r.msgs, &c));
  CHECK_EQ(a.id.seq, c.id.seq);
  CHECK(a.id.unordered && !c.id.unordered);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, c.id, HS2N_LATER), HS2N_OK);
  CHECK_EQ(acked(&r, &bits), -1);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE); /* still a duplicate */
  CHECK(!hs2ni_msgs_pending(r.msgs));
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, a.id, HS2N_ACCEPT), HS2N_OK);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, a.id, HS2N_ACCEPT),
           HS2N_ERR_STATE);
  CHECK_EQ(acked(&r, &bits), 1);
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, c.id, HS2N_REJECT), HS2N_OK);
  raw_fini(&r);
}

static void without_room_it_is_as_good_as_lost(void) {
  struct hs2n_limits limits;
  struct hs2n_buf *held[80];
  struct hs2ni_event event;
  uint64_t seq = 0;
  struct bytes b;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.rx_held_bytes = 65536;
  limits.tx_queue_msgs_max = 16;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  for (int i = 0; i < 18; i++) { /* the application does not fetch */
    b = bytes_datagram(1, ++seq, 1000);
    CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  }
  CHECK_EQ(r.chan->rx.lanes[HS2N_LANE_VOTE].loose.ready.count, 16);
  for (int i = 0; i < 80; i++) { /* and then keeps all bodies */
    b = bytes_datagram(1, ++seq, 1000);
    CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
    held[i] = NULL;
    if (hs2ni_msgs_next(r.msgs, &event)) {
      held[i] = hs2n_buf_ref(event.msg.body);
      CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_ACCEPT),
               HS2N_OK);
    }
  }
  CHECK(hs2ni_rx_held_bytes(r.chan) <= limits.rx_held_bytes + 1000);
  b = bytes_datagram(1, ++seq, 1000);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  while (raw_fetch(&r, HS2N_ACCEPT) != 0) {
  }
  give_copy(&r, seq, 1000); /* the stream's credit keeps that in bounds */
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), seq);
  for (int i = 0; i < 80; i++) {
    hs2n_buf_unref(held[i]);
  }
  raw_fini(&r);
}

static void one_that_nobody_takes_is_refused_once(void) {
  struct bytes b = {0};
  uint8_t bits;
  struct raw r;

  start(&r);
  bytes_head(&b, HS2NI_STREAM_DATAGRAM, HS2N_LANE_VOTE, 1, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                          .seq = 1,
                                          .type = 60,
                                          .flags = HS2NI_FLAG_UNORDERED});
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  CHECK_EQ(r.chan->rx.nacks_pending.count, 1);
  CHECK_EQ(acked(&r, &bits), 1);
  CHECK_EQ(r.env.stats.messages_refused, 1);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  raw_fini(&r);
}

static void another_process_of_the_peer_begins_anew(void) {
  const struct bytes d = bytes_datagram(1, 1, 30);
  struct raw r;

  start(&r);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 5); /* the same one */
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
  hs2ni_chan_detach(r.chan);
  raw_attach(&r, 6);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  raw_fini(&r);
}

/* What comes back for one datagram. */
static enum hs2n_reason reason_of(const struct bytes *b, size_t len) {
  enum hs2n_reason reason;
  struct raw r;

  start(&r);
  reason = hs2ni_chan_datagram(r.chan, (struct hs2n_span){b->data, len});
  raw_fini(&r);
  return reason;
}

static void a_datagram_that_is_not_whole_records_is_a_breach(void) {
  struct bytes b = bytes_datagram(5, 5, 20);
  const size_t first = b.len;
  static const uint8_t kinds[] = {HS2NI_RECORD_LARGE, HS2NI_RECORD_ACK,
                                  HS2NI_RECORD_NACK};

  bytes_vote(&b, 6, 0);
  for (size_t len = 0; len < b.len; len++) {
    CHECK_EQ(reason_of(&b, len),
             len == first ? HS2N_REASON_NONE : HS2N_REASON_PROTOCOL);
  }
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_NONE);
  bytes_fill(&b, 1);
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
  b = bytes_datagram(5, 4, 20); /* below the base */
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
  b = bytes_datagram(5, 5 + 1023, 20);
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_NONE);
  b = bytes_datagram(5, 5 + 1024, 20); /* beyond the window */
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
  for (size_t i = 0; i < sizeof(kinds); i++) {
    b.len = 0;
    bytes_head(&b, HS2NI_STREAM_DATAGRAM, HS2N_LANE_VOTE, 1, 0);
    bytes_record(&b, &(struct hs2ni_record){.kind = kinds[i], .seq = 1});
    CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
  }
  b.len = 0; /* ordered */
  bytes_head(&b, HS2NI_STREAM_DATAGRAM, HS2N_LANE_VOTE, 1, 0);
  bytes_msg(&b, 1, HS2N_LANE_VOTE, 3);
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
  b.len = 0; /* a stream's head */
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  bytes_vote(&b, 1, 3);
  CHECK_EQ(reason_of(&b, b.len), HS2N_REASON_PROTOCOL);
}

static void a_stream_does_not_begin_like_a_datagram(void) {
  const struct bytes b = bytes_datagram(1, 1, 10);
  struct raw r;

  start(&r);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_PROTOCOL);
  raw_fini(&r);
}

static void the_last_numbers_there_are_do_no_harm(void) {
  struct bytes b = bytes_datagram(UINT64_MAX - 3, UINT64_MAX, 5);
  struct hs2ni_event event;
  uint8_t bits;
  struct raw r;

  start(&r);
  bytes_vote(&b, UINT64_MAX - 2, 5);
  CHECK_EQ(raw_datagram(&r, &b), HS2N_REASON_NONE);
  CHECK(raw_fetch(&r, HS2N_ACCEPT) == UINT64_MAX);
  CHECK(raw_fetch(&r, HS2N_ACCEPT) == UINT64_MAX - 2);
  CHECK(acked(&r, &bits) == (int64_t)(UINT64_MAX - 4));
  CHECK_EQ(bits, 0); /* an ack can't name them */

  b.len = 0; /* nor ordered ones */
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  bytes_msg(&b, UINT64_MAX - 2, HS2N_LANE_VOTE, 5);
  bytes_msg(&b, UINT64_MAX - 1, HS2N_LANE_VOTE, 5);
  CHECK_EQ(raw_data(&r, LANE_STREAM, &b, false), HS2N_REASON_NONE);
  REQUIRE(hs2ni_msgs_next(r.msgs, &event));
  CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, event.id, HS2N_LATER), HS2N_OK);
  CHECK(raw_fetch(&r, HS2N_ACCEPT) == UINT64_MAX - 1);
  (void)raw_drain(&r);
  raw_fini(&r);
}

static void any_allocation_for_a_datagram_may_fail(void) {
  uint64_t at = 1;

  for (bool reached = true; reached; at++) {
    const struct bytes d = bytes_datagram(1, 1, 300);
    struct raw r;

    start(&r);
    r.mem.fail_at = r.mem.requests + at;
    CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
    reached = r.mem.requests >= r.mem.fail_at;
    r.mem.fail_at = 0;
    give_copy(&r, 1, 300); /* it was lost, or is known */
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 0);
    raw_fini(&r);
  }
  CHECK(at > 2);
}

int main(void) {
  RUN(each_is_taken_once_whatever_carries_it);
  RUN(a_datagram_may_overtake_the_middle_of_its_copy);
  RUN(a_busy_ordered_message_does_not_hold_it_up);
  RUN(a_busy_unordered_message_can_come_again);
  RUN(verdicts_tell_the_two_kinds_of_numbers_apart);
  RUN(without_room_it_is_as_good_as_lost);
  RUN(one_that_nobody_takes_is_refused_once);
  RUN(another_process_of_the_peer_begins_anew);
  RUN(a_datagram_that_is_not_whole_records_is_a_breach);
  RUN(a_stream_does_not_begin_like_a_datagram);
  RUN(the_last_numbers_there_are_do_no_harm);
  RUN(any_allocation_for_a_datagram_may_fail);
  return tap_done();
}
