/* Heartbeats of a peer that writes what it likes, when it likes. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#include "wire/beat.h"

#define STREAM 3
#define PEER_INCARNATION 5

static void sleep_ms(struct raw *r, uint64_t ms) {
  r->env.now += HS2N_MS(ms);
  hs2ni_msgs_tick(r->msgs);
}

static enum hs2n_reason given_up(struct raw *r) {
  struct hs2ni_event e;

  return hs2ni_msgs_next(r->msgs, &e) && e.kind == HS2NI_EVENT_BREACH
             ? e.reason
             : HS2N_REASON_NONE;
}

struct said {
  uint64_t incarnation, view, unix_ms;
  uint32_t interval_ms;
  bool forged;
};

/* Signs and gives what the peer says. */
static enum hs2n_reason say(struct raw *r, const struct said *said) {
  const struct hs2n_key key = hs2n_identity_key(r->identity);
  const struct hs2ni_beat_text text = {
      .chain_id = {(const uint8_t *)WORLD_CHAIN, strlen(WORLD_CHAIN)},
      .sender = hs2n_key_peer_id(&key),
      .incarnation = said->incarnation,
      .view = said->view,
      .unix_ms = said->unix_ms,
  };
  uint8_t signature[HS2N_SIGNATURE_LEN], signs[HS2NI_BEAT_MAX];
  const size_t len = hs2ni_beat_encode(&text, signs);
  struct bytes b = {0};

  CHECK_EQ(hs2n_sign(r->identity, (struct hs2n_span){signs, len}, signature),
           HS2N_OK);
  signature[10] ^= said->forged ? 1 : 0;
  if (!r->chan->rx.has_acks_stream) {
    bytes_head(&b, HS2NI_STREAM_ACKS, 0, 0, 0);
  }
  bytes_record(
      &b, &(struct hs2ni_record){.kind = HS2NI_RECORD_HEARTBEAT,
                                 .view = said->view,
                                 .unix_ms = said->unix_ms,
                                 .interval_ms = said->interval_ms,
                                 .signature = {signature, sizeof(signature)}});
  return raw_data(r, STREAM, &b, false);
}

static enum hs2n_reason say_good(struct raw *r, uint64_t view,
                                 uint64_t unix_ms) {
  const struct said said = {PEER_INCARNATION, view, unix_ms, 100, false};

  return say(r, &said);
}

static void begin(struct raw *r) {
  raw_init(r, NULL);
  raw_attach(r, PEER_INCARNATION);
  CHECK_EQ(say_good(r, 7, 1000), HS2N_REASON_NONE);
}

static void check_known(const struct raw *r, uint64_t view, uint64_t unix_ms) {
  struct hs2n_heartbeat h;

  REQUIRE(hs2ni_chan_heartbeat(r->chan, &h));
  CHECK_EQ(h.view, view);
  CHECK_EQ(h.unix_ms, unix_ms);
  CHECK_EQ(hs2n_heartbeat_verify(&h, WORLD_CHAIN), HS2N_OK);
}

static void what_is_forged_or_goes_back_is_a_breach(void) {
  static const struct said lies[] = {
      {PEER_INCARNATION, 8, 1100, 100, true},      /* forged */
      {PEER_INCARNATION + 1, 8, 1100, 100, false}, /* of another process */
      {PEER_INCARNATION, 6, 1100, 100, false},     /* the view goes back */
      {PEER_INCARNATION, 8, 999, 100, false},      /* the time does */
  };

  for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
    struct raw r;

    begin(&r);
    sleep_ms(&r, 100);
    CHECK_EQ(say(&r, &lies[i]), HS2N_REASON_PROTOCOL);
    CHECK_EQ(r.env.stats.heartbeats_refused, 1);
    CHECK_EQ(r.env.stats.heartbeats_received, 1);
    check_known(&r, 7, 1000);
    raw_fini(&r);
  }
}

static void what_stands_still_is_none(void) {
  struct raw r;

  begin(&r);
  sleep_ms(&r, 100);
  CHECK_EQ(say_good(&r, 7, 1000), HS2N_REASON_NONE);
  sleep_ms(&r, 100);
  CHECK_EQ(say_good(&r, UINT64_MAX, UINT64_MAX), HS2N_REASON_NONE);
  CHECK_EQ(r.env.stats.heartbeats_received, 3);
  check_known(&r, UINT64_MAX, UINT64_MAX);
  raw_fini(&r);
}

/* Nobody makes us verify more than one in 25 ms, or in half an interval. */
static void a_flood_costs_no_verifications(void) {
  static const uint32_t intervals[] = {50, 100, 60000};

  for (size_t i = 0; i < 3; i++) {
    const uint32_t interval = intervals[i];
    struct said said = {PEER_INCARNATION, 9, 2000, interval, false};
    struct raw r;

    raw_init(&r, NULL);
    raw_attach(&r, PEER_INCARNATION);
    CHECK_EQ(say(&r, &said), HS2N_REASON_NONE);
    said.forged = true; /* which is not looked at */
    for (uint32_t ms = 1; ms < interval / 2; ms += interval / 50) {
      r.env.now = HS2N_S(1) + HS2N_MS(ms);
      CHECK_EQ(say(&r, &said), HS2N_REASON_NONE);
    }
    CHECK_EQ(r.env.stats.heartbeats_received, 1);
    hs2ni_chan_detach(r.chan); /* nor does a new connection help */
    raw_attach(&r, PEER_INCARNATION);
    CHECK_EQ(say(&r, &said), HS2N_REASON_NONE);
    CHECK_EQ(r.env.stats.heartbeats_refused, 0);
    r.env.now = HS2N_S(1) + HS2N_MS(interval / 2);
    CHECK_EQ(say(&r, &said), HS2N_REASON_PROTOCOL);
    raw_fini(&r);
  }
}

static void silence_ends_after_two_intervals_and_a_half(void) {
  struct raw r;

  begin(&r);
  sleep_ms(&r, 249);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  CHECK_EQ(say_good(&r, 7, 1300), HS2N_REASON_NONE);
  sleep_ms(&r, 249);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  sleep_ms(&r, 1);
  CHECK_EQ(given_up(&r), HS2N_REASON_SILENT);
  CHECK_EQ(r.env.stats.peers_silent, 1);
  raw_fini(&r);
}

/* Who has slept himself has not heard, which is not the peer's fault. */
static void who_comes_late_looks_again_first(void) {
  struct raw r;

  begin(&r);
  sleep_ms(&r, 5000);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  CHECK_EQ(say_good(&r, 7, 6000), HS2N_REASON_NONE);
  sleep_ms(&r, 249);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  sleep_ms(&r, 5000);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE);
  sleep_ms(&r, 25);
  CHECK_EQ(given_up(&r), HS2N_REASON_SILENT);
  raw_fini(&r);
}

/* A peer's new process may have set its clock, and begins with view 0. */
static void a_new_process_begins_anew(void) {
  struct said said = {PEER_INCARNATION + 1, 0, 10, 100, false};
  struct hs2n_heartbeat h;
  struct raw r;

  begin(&r);
  hs2ni_chan_detach(r.chan);
  sleep_ms(&r, 5000);
  CHECK_EQ(given_up(&r), HS2N_REASON_NONE); /* nothing is expected of it */
  check_known(&r, 7, 1000);
  raw_attach(&r, PEER_INCARNATION + 1);
  CHECK(!hs2ni_chan_heartbeat(r.chan, &h));
  CHECK_EQ(say(&r, &said), HS2N_REASON_NONE);
  check_known(&r, 0, 10);
  raw_fini(&r);
}

/* ---- our own ------------------------------------------------------------- */

static void begin_speaking(struct raw *r, uint64_t caps_off) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.heartbeat_ms = 100;
  raw_init(r, &limits);
  hs2ni_msgs_beat(r->msgs, 3, 1000);
  r->caps_off = caps_off;
}

static void each_interval_costs_one_record_and_no_memory_stays(void) {
  const size_t bytes = 1 + 1 + 1 + 3 + 2 + (2 + HS2N_SIGNATURE_LEN);
  uint64_t requests;
  struct raw r;

  begin_speaking(&r, 0);
  raw_attach(&r, PEER_INCARNATION);
  hs2ni_msgs_tick(r.msgs);
  CHECK_EQ(raw_drain(&r), 2 + bytes); /* the stream's head */
  hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, 2 + bytes);
  requests = r.mem.requests;
  for (int i = 0; i < 20; i++) {
    sleep_ms(&r, 99);
    CHECK_EQ(raw_drain(&r), 0);
    sleep_ms(&r, 1);
    CHECK_EQ(raw_drain(&r), bytes);
    hs2ni_chan_acked(r.chan, r.chan->ack_tx.stream, r.chan->ack_tx.made);
  }
  CHECK_EQ(r.mem.requests, requests);
  CHECK_EQ(r.env.stats.heartbeats_sent, 21);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

/* A transport that takes nothing makes the next replace the last. */
static void what_could_not_leave_is_replaced(void) {
  struct raw r;

  begin_speaking(&r, 0);
  r.open_err = HS2N_ERR_FULL;
  raw_attach(&r, PEER_INCARNATION);
  for (int i = 0; i < 50; i++) {
    sleep_ms(&r, 100);
    CHECK_EQ(raw_drain(&r), 0);
  }
  CHECK_EQ(r.env.stats.heartbeats_sent, 0);
  r.open_err = HS2N_OK;
  hs2ni_chan_credit(r.chan);
  sleep_ms(&r, 99);
  CHECK(raw_drain(&r) > 0);
  CHECK_EQ(r.env.stats.heartbeats_sent, 1);
  raw_fini(&r);
}

static void who_reads_none_gets_none_and_no_timer_runs(void) {
  struct raw r;

  begin_speaking(&r, HS2NI_CAP_HEARTBEAT);
  raw_attach(&r, PEER_INCARNATION);
  CHECK(hs2ni_msgs_deadline(r.msgs) == HS2N_TIME_NEVER);
  sleep_ms(&r, 1000);
  CHECK_EQ(raw_drain(&r), 0);
  hs2ni_chan_detach(r.chan);
  r.caps_off = 0;
  raw_attach(&r, PEER_INCARNATION);
  sleep_ms(&r, 100);
  CHECK(raw_drain(&r) > 0);
  hs2ni_chan_detach(r.chan);
  sleep_ms(&r, 100);
  CHECK(hs2ni_msgs_deadline(r.msgs) == HS2N_TIME_NEVER);
  raw_fini(&r);
}

static void a_lack_of_memory_delays_one_at_most(void) {
  for (uint64_t i = 1; i <= 12; i++) {
    struct raw r;

    begin_speaking(&r, 0);
    r.mem.fail_at = r.mem.requests + i;
    raw_attach(&r, PEER_INCARNATION);
    for (int k = 0; k < 4; k++) {
      sleep_ms(&r, 100);
      (void)raw_drain(&r);
      CHECK_EQ(say_good(&r, 1, 1000 + (uint64_t)k), HS2N_REASON_NONE);
    }
    CHECK(r.env.stats.heartbeats_sent >= 3);
    CHECK_EQ(r.env.stats.heartbeats_received, 4);
    raw_fini(&r);
  }
}

int main(void) {
  RUN(what_is_forged_or_goes_back_is_a_breach);
  RUN(what_stands_still_is_none);
  RUN(a_flood_costs_no_verifications);
  RUN(silence_ends_after_two_intervals_and_a_half);
  RUN(who_comes_late_looks_again_first);
  RUN(a_new_process_begins_anew);
  RUN(each_interval_costs_one_record_and_no_memory_stays);
  RUN(what_could_not_leave_is_replaced);
  RUN(who_reads_none_gets_none_and_no_timer_runs);
  RUN(a_lack_of_memory_delays_one_at_most);
  return tap_done();
}
