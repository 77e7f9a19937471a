/* What has come in part must go on. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#define STREAM 3

static void sleep_ms(struct raw *r, uint64_t ms) {
  r->env.now += HS2N_MS(ms);
  hs2ni_msgs_tick(r->msgs);
}

/* The reason to close that the layer gives, or NONE. */
static enum hs2n_reason given_up(struct raw *r) {
  struct hs2ni_event e;

  while (hs2ni_msgs_next(r->msgs, &e)) {
    if (e.kind == HS2NI_EVENT_BREACH) {
      return e.reason;
    }
    CHECK_EQ(hs2ni_msgs_verdict(r->msgs, r->chan, e.id, HS2N_ACCEPT), HS2N_OK);
  }
  return HS2N_REASON_NONE;
}

/* The front of a message of the sync lane, len bytes short. */
static void begin(struct raw *r, uint64_t stream, uint32_t body, size_t part) {
  struct bytes b = {0};

  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
  bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                          .seq = 1,
                                          .type = HS2N_LANE_SYNC,
                                          .body_len = body});
  bytes_fill(&b, part);
  CHECK_EQ(raw_data(r, stream, &b, false), HS2N_REASON_NONE);
}

static void go_on(struct raw *r, uint64_t stream, size_t len) {
  struct bytes b = {0};

  while (len > 0) {
    const size_t n = len < 2048 ? len : 2048;

    b.len = 0;
    bytes_fill(&b, n);
    CHECK_EQ(raw_data(r, stream, &b, false), HS2N_REASON_NONE);
    len -= n;
  }
}

static void a_peer_that_does_not_go_on_is_left(void) {
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  begin(&r, STREAM, 60000, 10);
  for (int i = 0; i < 9; i++) {
    sleep_ms(&r, 1000);
    go_on(&r, STREAM, 1); /* a byte a second */
    CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  }
  CHECK_EQ(r.chan->rx.assembling_bytes, 60000);
  CHECK(hs2ni_msgs_deadline(r.msgs) == r.env.now + HS2N_S(1));
  sleep_ms(&r, 1000);
  CHECK(hs2ni_msgs_pending(r.msgs));
  CHECK_EQ(given_up(&r), HS2N_REASON_SLOW);
  CHECK(!hs2ni_msgs_pending(r.msgs));
  hs2ni_chan_detach(r.chan);
  CHECK_EQ(r.chan->rx.assembling_bytes, 0);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), HS2N_TIME_NEVER);
  raw_fini(&r);
}

/* Each thing that can be begun: a head, a record, an ack, a body without its
 * record, a record without its body. */
static void nothing_can_be_begun_and_left(void) {
  for (int what = 0; what < 5; what++) {
    struct raw r;
    struct bytes b = {0};

    raw_init(&r, NULL);
    raw_attach(&r, 5);
    if (what == 0) {
      bytes_head(&b, HS2NI_STREAM_LANE, 1, 0, 0);
      b.len--;
    } else if (what == 1) {
      bytes_head(&b, HS2NI_STREAM_LANE, 1, 0, 0);
      bytes_msg(&b, 1, 1, 0);
      b.len -= 2;
    } else if (what == 2) {
      bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
      bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK});
      b.len--;
    } else if (what == 3) {
      bytes_head(&b, HS2NI_STREAM_BODY, HS2N_LANE_SYNC, 1, 100000);
      bytes_fill(&b, 1);
    } else {
      bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
      bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_LARGE,
                                              .seq = 1,
                                              .type = HS2N_LANE_SYNC,
                                              .body_len = 100000});
    }
    CHECK_EQ(raw_data(&r, STREAM, &b, false), HS2N_REASON_NONE);
    sleep_ms(&r, 9999);
    CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
    sleep_ms(&r, 1);
    CHECK_EQ(given_up(&r), HS2N_REASON_SLOW);
    raw_fini(&r);
  }
}

/* 1 KiB a second, for a message that takes a minute so. */
static void a_slow_link_is_waited_for(void) {
  struct raw r;

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  begin(&r, STREAM, 61440, 0);
  for (int i = 0; i < 60; i++) {
    sleep_ms(&r, 1000);
    go_on(&r, STREAM, 1024);
    CHECK(i == 59 || given_up(&r) == HS2N_REASON_NONE);
  }
  CHECK_EQ(r.chan->rx.lanes[HS2N_LANE_SYNC].high, 1);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  sleep_ms(&r, 20000);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), HS2N_TIME_NEVER);
  raw_fini(&r);
}

/* The lower lane stands still as long as a higher one fills the link. */
static void a_lane_that_waits_for_a_higher_one_is_no_fault(void) {
  struct raw r;
  struct bytes b = {0};

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  begin(&r, STREAM, 1000, 10);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_VOTE, 0, 0);
  CHECK_EQ(raw_data(&r, STREAM + 4, &b, false), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 600; seq++) {
    b.len = 0;
    bytes_msg(&b, seq, HS2N_LANE_VOTE, 200);
    CHECK_EQ(raw_data(&r, STREAM + 4, &b, false), HS2N_REASON_NONE);
    sleep_ms(&r, 200);
    CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  }
  raw_fini(&r);
}

/* A process that was stopped, and then hears the time before the bytes. */
static void what_we_ourselves_hold_up_is_no_fault(void) {
  struct hs2n_limits limits;
  struct raw r;
  struct bytes b = {0};
  struct hs2ni_event e;
  struct hs2n_buf *held[4];

  raw_init(&r, NULL);
  raw_attach(&r, 5);
  begin(&r, STREAM, 1000, 10);
  sleep_ms(&r, 30000);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  sleep_ms(&r, 10000);
  CHECK_EQ(given_up(&r), HS2N_REASON_SLOW);
  raw_fini(&r);

  /* An application that keeps all it gets. */
  hs2n_limits_default(&limits);
  limits.rx_held_bytes = 65536;
  raw_init(&r, &limits);
  raw_attach(&r, 5);
  bytes_head(&b, HS2NI_STREAM_LANE, HS2N_LANE_SYNC, 0, 0);
  CHECK_EQ(raw_data(&r, STREAM, &b, false), HS2N_REASON_NONE);
  for (uint64_t seq = 1; seq <= 4; seq++) {
    b.len = 0;
    bytes_record(&b, &(struct hs2ni_record){.kind = HS2NI_RECORD_MSG,
                                            .seq = seq,
                                            .type = HS2N_LANE_SYNC,
                                            .body_len = 40000});
    CHECK_EQ(raw_data(&r, STREAM, &b, false), HS2N_REASON_NONE);
    go_on(&r, STREAM, seq == 4 ? 10 : 40000);
    if (seq < 4) {
      CHECK(hs2ni_msgs_next(r.msgs, &e));
      held[seq] = hs2n_buf_ref(e.msg.body);
      CHECK_EQ(hs2ni_msgs_verdict(r.msgs, r.chan, e.id, HS2N_ACCEPT), HS2N_OK);
    }
  }
  CHECK_EQ(r.env.stats.rx_withheld, 1);
  for (int i = 0; i < 30; i++) {
    sleep_ms(&r, 1000);
    CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  }
  for (int i = 1; i < 4; i++) {
    hs2n_buf_unref(held[i]);
  }
  for (int i = 0; i < 19; i++) { /* the rest of that period, and not all of the
                                    next */
    sleep_ms(&r, 1000);
    CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  }
  sleep_ms(&r, 1000);
  CHECK_EQ(given_up(&r), HS2N_REASON_SLOW);
  raw_fini(&r);
}

int main(void) {
  RUN(a_peer_that_does_not_go_on_is_left);
  RUN(nothing_can_be_begun_and_left);
  RUN(a_slow_link_is_waited_for);
  RUN(a_lane_that_waits_for_a_higher_one_is_no_fault);
  RUN(what_we_ourselves_hold_up_is_no_fault);
  return tap_done();
}
