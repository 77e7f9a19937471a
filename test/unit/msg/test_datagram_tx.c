/* Messages in datagrams: what goes out, and when. */
#include "raw.h"
#include "tap.h"

#define ACKS_STREAM 7
#define RTT HS2N_MS(80)

static void start(struct raw *r) {
  raw_init(r, NULL);
  r->datagram_max = 1200;
  r->rtt = RTT;
  raw_attach(r, 5);
}

static void pass(struct raw *r, hs2n_time time) {
  r->env.now += time;
  hs2ni_msgs_tick(r->msgs);
}

static int send_msg(struct raw *r, const struct hs2n_msg *plain, size_t len,
                    struct hs2n_tag *tag) {
  const struct hs2ni_target target = {
      .chan = r->chan, .peer = {1}, .weight = 1};
  struct hs2n_msg msg = *plain;
  uint8_t *data;
  int err = hs2n_buf_alloc(&msg.body, &r->mem.mem, len, &data);

  if (err == HS2N_OK) {
    memset(data, 'v', len);
    err = hs2ni_msgs_send(r->msgs, &target, 1, &msg, tag);
    hs2n_buf_unref(msg.body);
  }
  return err;
}

static void vote(struct raw *r, size_t len, struct hs2n_tag *tag) {
  const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                               .flags = HS2N_MSG_DATAGRAM_OK |
                                        (tag != NULL ? HS2N_MSG_ACK : 0)};

  CHECK_EQ(send_msg(r, &msg, len, tag), HS2N_OK);
}

/* What the channel wrote: numbers of unordered messages by carrier, and how
 * many others. */
struct written {
  struct hs2ni_head head; /* of the last datagram */
  size_t datagrams;
  uint64_t in_datagrams[64];
  size_t in_datagrams_n;
  uint64_t copies[64];
  size_t copies_n;
  size_t ordered;
};

static void note(struct written *w, struct hs2n_span in, bool datagram) {
  struct hs2ni_head head;
  int32_t used = hs2ni_head_decode(in, &head);
  struct hs2ni_record r;

  if (used > 0) {
    in = (struct hs2n_span){in.data + used, in.len - (size_t)used};
    w->head = datagram ? head : w->head;
  }
  CHECK(!datagram || (used > 0 && head.kind == HS2NI_STREAM_DATAGRAM));
  while (in.len > 0 && (used = hs2ni_record_decode(in, &r)) > 0) {
    const size_t len = (size_t)used + r.body_len;

    REQUIRE(r.kind == HS2NI_RECORD_MSG && len <= in.len);
    if ((r.flags & HS2NI_FLAG_UNORDERED) == 0) {
      w->ordered++;
    } else if (datagram) {
      w->in_datagrams[w->in_datagrams_n++] = r.seq;
    } else {
      w->copies[w->copies_n++] = r.seq;
    }
    in = (struct hs2n_span){in.data + len, in.len - len};
  }
  CHECK_EQ(in.len, 0);
}

/* Takes all that the channel wants to write. */
static struct written drain(struct raw *r) {
  struct written w = {0};
  struct hs2ni_chunk chunk;
  uint8_t bytes[4096];

  while (hs2ni_chan_next(r->chan, &chunk)) {
    const size_t len = raw_gather(&chunk, bytes);

    if (chunk.stream == HS2NI_DATAGRAM) {
      w.datagrams++;
      CHECK(len <= r->datagram_max);
    }
    if (!r->chan->ack_tx.has_stream || chunk.stream != r->chan->ack_tx.stream) {
      note(&w, (struct hs2n_span){bytes, len}, chunk.stream == HS2NI_DATAGRAM);
    }
    hs2ni_chan_sent(r->chan, chunk.stream, len, chunk.fin);
  }
  return w;
}

static void answer(struct raw *r, const struct hs2ni_record *record) {
  struct bytes b = {0};

  if (!r->chan->rx.has_acks_stream) {
    bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  }
  bytes_record(&b, record);
  CHECK_EQ(raw_data(r, ACKS_STREAM, &b, false), HS2N_REASON_NONE);
}

static void ack(struct raw *r, uint64_t floor) {
  answer(r, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK,
                                   .lane = HS2N_LANE_VOTE,
                                   .unordered = true,
                                   .seq = floor});
}

static void nack(struct raw *r, uint64_t seq, enum hs2n_reason code) {
  answer(r, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                   .lane = HS2N_LANE_VOTE,
                                   .unordered = true,
                                   .seq = seq,
                                   .code = code});
}

static struct hs2n_done done(struct raw *r) {
  struct hs2ni_event event;

  if (!hs2ni_msgs_next(r->msgs, &event) || event.kind != HS2NI_EVENT_DONE) {
    return (struct hs2n_done){0};
  }
  return event.done;
}

static void one_that_is_acked_in_time_has_no_copy(void) {
  struct hs2n_tag tag;
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 100, &tag);
  w = drain(&r);
  CHECK_EQ(w.datagrams, 1);
  CHECK_EQ(w.head.lane, HS2N_LANE_VOTE);
  CHECK_EQ(w.head.seq, 1);
  CHECK_EQ(w.in_datagrams[0], 1);
  CHECK_EQ(w.copies_n + w.ordered, 0);
  pass(&r, RTT);
  CHECK_EQ(drain(&r).copies_n, 0);
  ack(&r, 1);
  CHECK_EQ(done(&r).outcome, HS2N_DONE_ACKED);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), HS2N_TIME_NEVER);
  CHECK(hs2ni_chan_idle(r.chan));
  CHECK_EQ(r.env.stats.messages_copied, 0);
  raw_fini(&r);
}

/* covers: X3 */
static void without_an_ack_the_same_number_goes_on_the_stream(void) {
  struct hs2n_tag tag;
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 100, &tag);
  (void)drain(&r);
  pass(&r, HS2N_MS(1));
  vote(&r, 100, NULL);
  (void)drain(&r);
  pass(&r, RTT / 8 * 9 - HS2N_MS(1));
  w = drain(&r);
  CHECK_EQ(w.datagrams, 0);
  CHECK_EQ(w.copies_n, 1);
  CHECK_EQ(w.copies[0], 1);
  pass(&r, HS2N_MS(1));
  w = drain(&r);
  CHECK_EQ(w.copies_n, 1);
  CHECK_EQ(w.copies[0], 2);
  pass(&r, HS2N_S(1));
  CHECK_EQ(drain(&r).copies_n, 0); /* the stream does not lose it */
  CHECK_EQ(r.env.stats.messages_copied, 2);
  ack(&r, 2);
  CHECK_EQ(done(&r).outcome, HS2N_DONE_ACKED);
  raw_fini(&r);
}

/* Sends a vote while packets get lost or not; whether its copy goes out after
 * half a round trip. */
static bool copied_early(struct raw *r, uint64_t sent, uint64_t lost) {
  bool early;

  r->packets_sent += sent;
  r->packets_lost += lost;
  vote(r, 100, NULL);
  (void)drain(r);
  pass(r, RTT / 2);
  early = drain(r).copies_n == 1;
  ack(r, r->chan->tx[HS2N_LANE_VOTE].loose.next_seq - 1);
  return early;
}

static void where_packets_get_lost_the_copy_goes_early(void) {
  unsigned n = 0;
  struct raw r;

  start(&r);
  CHECK(!copied_early(&r, 1000, 0));
  CHECK(!copied_early(&r, 1000, 4));
  CHECK(!copied_early(&r, 100, 100)); /* too few to tell */
  CHECK(copied_early(&r, 100, 0));
  while (copied_early(&r, 1000, 0)) {
    n++;
  }
  CHECK(n > 2 && n < 20);
  CHECK(copied_early(&r, 1000, 50));
  hs2ni_chan_detach(r.chan);
  r.packets_sent = r.packets_lost = 0;
  raw_attach(&r, 5); /* another path, perhaps */
  CHECK(!copied_early(&r, 1000, 0));
  raw_fini(&r);
}

static void those_of_one_turn_share_a_datagram(void) {
  struct written w;
  struct raw r;

  start(&r);
  for (int i = 0; i < 6; i++) {
    vote(&r, 100, NULL);
  }
  w = drain(&r);
  CHECK_EQ(w.datagrams, 1);
  CHECK_EQ(w.in_datagrams_n, 6);
  for (int i = 0; i < 10; i++) {
    vote(&r, 400, NULL);
  }
  w = drain(&r);
  CHECK_EQ(w.datagrams, 5);
  CHECK_EQ(w.in_datagrams_n, 10);
  CHECK_EQ(w.head.seq, 1); /* nothing is over yet */
  ack(&r, 16);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void what_fits_in_no_datagram_is_ordered(void) {
  struct raw r;

  start(&r);
  vote(&r, 1000, NULL);
  CHECK_EQ(drain(&r).ordered, 1);
  raw_fini(&r);

  raw_init(&r, NULL); /* a transport without datagrams */
  raw_attach(&r, 5);
  vote(&r, 100, NULL);
  CHECK_EQ(drain(&r).ordered, 1);
  raw_fini(&r);

  raw_init(&r, NULL); /* no connection yet */
  r.datagram_max = 1200;
  vote(&r, 100, NULL);
  raw_attach(&r, 5);
  CHECK_EQ(drain(&r).ordered, 1);
  raw_fini(&r);

  raw_init(&r, NULL); /* a peer that can't read them */
  r.datagram_max = 1200;
  r.caps_off = HS2NI_CAP_DATAGRAM;
  raw_attach(&r, 5);
  vote(&r, 100, NULL);
  CHECK_EQ(drain(&r).ordered, 1);
  raw_fini(&r);
}

static void when_datagrams_get_shorter_the_stream_takes_over(void) {
  struct hs2ni_chunk chunk;
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 900, NULL);
  r.datagram_max = 500;
  w = drain(&r);
  CHECK_EQ(w.datagrams, 0);
  CHECK_EQ(w.copies_n, 1);
  vote(&r, 200, NULL);
  REQUIRE(hs2ni_chan_next(r.chan, &chunk) && chunk.stream == HS2NI_DATAGRAM);
  hs2ni_chan_blocked(r.chan, HS2NI_DATAGRAM); /* only the link knew */
  w = drain(&r);
  CHECK_EQ(w.datagrams, 0);
  CHECK_EQ(w.copies_n, 1);
  CHECK_EQ(w.copies[0], 2);
  raw_fini(&r);
}

static void a_datagram_that_was_not_taken_is_offered_again(void) {
  struct hs2ni_chunk chunk;
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 100, NULL);
  REQUIRE(hs2ni_chan_next(r.chan, &chunk) && chunk.stream == HS2NI_DATAGRAM);
  hs2ni_chan_sent(r.chan, HS2NI_DATAGRAM, 0, false);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), HS2N_TIME_NEVER);
  vote(&r, 100, NULL);
  w = drain(&r);
  CHECK_EQ(w.datagrams, 1);
  CHECK_EQ(w.in_datagrams_n, 2);
  CHECK_EQ(w.in_datagrams[0], 1);
  raw_fini(&r);
}

static void a_busy_one_comes_again_on_the_stream(void) {
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 100, NULL);
  (void)drain(&r);
  nack(&r, 1, HS2N_REASON_APP_BUSY);
  CHECK_EQ(drain(&r).copies_n, 0);
  pass(&r, HS2N_MS(r.env.limits.busy_pause_ms));
  for (int i = 0; i < 3; i++) { /* and again, later each time */
    w = drain(&r);
    CHECK_EQ(w.copies_n, 1);
    CHECK_EQ(w.copies[0], 1);
    nack(&r, 1, HS2N_REASON_APP_BUSY);
    pass(&r, HS2N_MS(r.env.limits.busy_pause_ms) << (i + 1));
  }
  ack(&r, 1);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void a_refused_one_ends(void) {
  struct hs2n_tag tag;
  struct hs2n_done d;
  struct raw r;

  start(&r);
  vote(&r, 100, &tag);
  (void)drain(&r);
  nack(&r, 1, HS2N_REASON_REJECTED);
  d = done(&r);
  CHECK_EQ(d.outcome, HS2N_DONE_REFUSED);
  CHECK_EQ(d.reason, HS2N_REASON_REJECTED);
  nack(&r, 1, HS2N_REASON_APP_BUSY); /* late */
  ack(&r, 1);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void answers_about_numbers_never_given_are_a_breach(void) {
  for (int kind = 0; kind < 2; kind++) {
    struct bytes b = {0};
    struct raw r;

    start(&r);
    vote(&r, 100, NULL);
    (void)drain(&r);
    bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
    bytes_record(&b,
                 &(struct hs2ni_record){.kind = kind == 0 ? HS2NI_RECORD_ACK
                                                          : HS2NI_RECORD_NACK,
                                        .lane = HS2N_LANE_VOTE,
                                        .unordered = true,
                                        .seq = 2});
    CHECK_EQ(raw_data(&r, ACKS_STREAM, &b, false), HS2N_REASON_PROTOCOL);
    raw_fini(&r);
  }
}

static void the_next_connection_gets_all_on_the_stream(void) {
  struct written w;
  struct raw r;

  start(&r);
  vote(&r, 100, NULL);
  vote(&r, 100, NULL);
  (void)drain(&r);
  ack(&r, 1);
  hs2ni_chan_detach(r.chan);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), HS2N_TIME_NEVER);
  raw_attach(&r, 5);
  w = drain(&r);
  CHECK_EQ(w.copies_n, 1);
  CHECK_EQ(w.copies[0], 2);
  CHECK_EQ(r.env.stats.messages_resent, 1);
  hs2ni_chan_detach(r.chan);
  r.caps_off = HS2NI_CAP_DATAGRAM;
  raw_attach(&r, 6); /* another process, which does not know them */
  w = drain(&r);
  CHECK_EQ(w.copies_n + w.datagrams, 0);
  CHECK_EQ(w.ordered, 1);
  raw_fini(&r);
}

static void what_has_ended_raises_the_base(void) {
  const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                               .flags = HS2N_MSG_DATAGRAM_OK |
                                        HS2N_MSG_VIEW_BOUND | HS2N_MSG_ACK,
                               .view = 3};
  struct hs2n_tag tag;
  struct written w;
  struct raw r;

  start(&r);
  CHECK_EQ(send_msg(&r, &msg, 100, &tag), HS2N_OK);
  (void)drain(&r);
  CHECK_EQ(send_msg(&r, &msg, 100, NULL), HS2N_OK); /* still here */
  CHECK_EQ(hs2ni_msgs_enter_view(r.msgs, 4), HS2N_OK);
  CHECK_EQ(done(&r).outcome, HS2N_DONE_CANCELLED);
  CHECK(hs2ni_chan_idle(r.chan));
  pass(&r, HS2N_S(1));
  w = drain(&r);
  CHECK_EQ(w.datagrams + w.copies_n, 0);
  vote(&r, 100, NULL);
  w = drain(&r);
  CHECK_EQ(w.head.seq, w.in_datagrams[0]);
  raw_fini(&r);
}

static void numbers_stay_within_the_window(void) {
  struct hs2n_limits limits;
  uint64_t newest = 0;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 2000;
  raw_init(&r, &limits);
  r.datagram_max = 1200;
  raw_attach(&r, 5);
  for (int i = 0; i < 1500; i++) {
    struct written w;

    vote(&r, 10, NULL);
    w = drain(&r);
    newest = w.in_datagrams_n > 0 ? w.in_datagrams[0] : newest;
  }
  CHECK_EQ(newest, HS2NI_LOOSE_WINDOW);
  ack(&r, 30);
  newest = drain(&r).head.seq;
  CHECK_EQ(newest, 31);
  CHECK_EQ(r.chan->tx[HS2N_LANE_VOTE].loose.next_seq,
           1 + HS2NI_LOOSE_WINDOW + 30);
  raw_fini(&r);
}

static void any_allocation_for_a_vote_may_fail(void) {
  uint64_t at = 1;

  for (bool reached = true; reached; at++) {
    const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                                 .flags = HS2N_MSG_DATAGRAM_OK};
    struct written w;
    struct raw r;
    int err;

    start(&r);
    r.mem.fail_at = r.mem.requests + at;
    err = send_msg(&r, &msg, 100, NULL);
    (void)drain(&r);
    reached = r.mem.requests >= r.mem.fail_at;
    pass(&r, HS2N_MS(r.env.limits.busy_pause_ms));
    (void)drain(&r);
    CHECK(err == HS2N_OK || err == HS2N_ERR_NO_MEMORY);
    CHECK_EQ(r.env.stats.messages_datagram, err == HS2N_OK);
    pass(&r, RTT * 2);
    w = drain(&r);
    CHECK_EQ(w.copies_n, err == HS2N_OK);
    raw_fini(&r);
  }
  CHECK(at > 2);
}

static void a_vote_back_and_forth_allocates_nothing(void) {
  uint64_t before = 0;
  struct raw r;

  start(&r);
  for (uint64_t i = 1; i <= 200; i++) {
    const struct hs2ni_target target = {
        .chan = r.chan, .peer = {1}, .weight = 1};
    const struct hs2n_msg msg = {.type = HS2N_LANE_VOTE,
                                 .flags = HS2N_MSG_DATAGRAM_OK};
    const struct bytes d = bytes_datagram(i, i, 200);

    before = i == 100 ? r.mem.requests : before;
    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &msg, NULL), HS2N_OK);
    CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
    CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), i);
    CHECK_EQ(drain(&r).datagrams, 1);
    hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, r.chan->ack_tx.sent);
    ack(&r, i);
  }
  CHECK_EQ(r.mem.requests, before);
  raw_fini(&r);
}

int main(void) {
  RUN(one_that_is_acked_in_time_has_no_copy);
  RUN(without_an_ack_the_same_number_goes_on_the_stream);
  RUN(where_packets_get_lost_the_copy_goes_early);
  RUN(those_of_one_turn_share_a_datagram);
  RUN(what_fits_in_no_datagram_is_ordered);
  RUN(when_datagrams_get_shorter_the_stream_takes_over);
  RUN(a_datagram_that_was_not_taken_is_offered_again);
  RUN(a_busy_one_comes_again_on_the_stream);
  RUN(a_refused_one_ends);
  RUN(answers_about_numbers_never_given_are_a_breach);
  RUN(the_next_connection_gets_all_on_the_stream);
  RUN(what_has_ended_raises_the_base);
  RUN(numbers_stay_within_the_window);
  RUN(any_allocation_for_a_vote_may_fail);
  RUN(a_vote_back_and_forth_allocates_nothing);
  return tap_done();
}
