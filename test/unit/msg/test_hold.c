/* Messages that are held back before they first leave: for how long, and what
 * ends that early. */
#include "raw.h"
#include "tap.h"
#include "world.h"

#define RTT HS2N_MS(40)
#define WAIT HS2N_MS(5)
#define ACKS_STREAM 7

static void start(struct raw *r) {
  raw_init(r, NULL);
  r->datagram_max = 1200;
  r->rtt = RTT;
  raw_attach(r, 5);
  r->env.entered = true;
}

static void tick(struct raw *r, hs2n_time time) {
  r->env.now += time;
  hs2ni_msgs_tick(r->msgs);
}

static int give(struct raw *r, struct hs2n_msg msg, hs2n_time wait,
                struct hs2n_tag *tag) {
  const struct hs2ni_target target = {
      .chan = r->chan, .peer = {1}, .weight = 1, .hold_ns = wait};
  uint8_t *data;
  int err = hs2n_buf_alloc(&msg.body, &r->mem.mem, 100, &data);

  if (err == HS2N_OK) {
    memset(data, 'h', 100);
    msg.flags |= tag != NULL ? HS2N_MSG_ACK : 0u;
    err = hs2ni_msgs_send(r->msgs, &target, 1, &msg, tag);
    hs2n_buf_unref(msg.body);
  }
  return err;
}

static const struct hs2n_msg vote = {.type = HS2N_LANE_VOTE};
static const struct hs2n_msg loose = {.type = HS2N_LANE_VOTE,
                                      .flags = HS2N_MSG_DATAGRAM_OK};

static void send(struct raw *r, const struct hs2n_msg *msg, hs2n_time wait) {
  CHECK_EQ(give(r, *msg, wait, NULL), HS2N_OK);
}

static struct hs2n_tag send_tagged(struct raw *r, const struct hs2n_msg *msg,
                                   hs2n_time wait) {
  struct hs2n_tag tag = {0};

  CHECK_EQ(give(r, *msg, wait, &tag), HS2N_OK);
  return tag;
}

/* What was written: messages by type, in order, and chunks. */
struct wrote {
  uint8_t types[32];
  size_t n, chunks;
};

static void read_chunk(struct wrote *w, struct hs2n_span in) {
  struct hs2ni_head head;
  struct hs2ni_record record;
  const int32_t led = hs2ni_head_decode(in, &head);
  int32_t used;

  if (led > 0) {
    in = (struct hs2n_span){in.data + led, in.len - (size_t)led};
  }
  while (in.len > 0 && (used = hs2ni_record_decode(in, &record)) > 0) {
    const size_t len = (size_t)used + record.body_len;

    REQUIRE(record.kind == HS2NI_RECORD_MSG && len <= in.len);
    w->types[w->n++] = record.type;
    in = (struct hs2n_span){in.data + len, in.len - len};
  }
  CHECK_EQ(in.len, 0);
}

static struct wrote drain(struct raw *r) {
  struct wrote w = {0};
  struct hs2ni_chunk chunk;
  uint8_t bytes[4096];

  while (hs2ni_chan_next(r->chan, &chunk)) {
    const size_t len = raw_gather(&chunk, bytes);

    if (!r->chan->ack_tx.has_stream || chunk.stream != r->chan->ack_tx.stream) {
      w.chunks++;
      read_chunk(&w, (struct hs2n_span){bytes, len});
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

static void ack(struct raw *r, uint64_t floor, bool unordered) {
  answer(r, &(struct hs2ni_record){.kind = HS2NI_RECORD_ACK,
                                   .lane = HS2N_LANE_VOTE,
                                   .unordered = unordered,
                                   .seq = floor});
}

static enum hs2n_outcome outcome(struct raw *r) {
  struct hs2ni_event event;

  return hs2ni_msgs_next(r->msgs, &event) && event.kind == HS2NI_EVENT_DONE
             ? event.done.outcome
             : 0;
}

/* Nothing is held any more, and no timer is left of it. */
static bool at_rest(const struct raw *r) {
  return hs2ni_msgs_deadline(r->msgs) == HS2N_TIME_NEVER;
}

/* ---- the wait -------------------------------------------------------------
 */

static void one_waits_its_time(const struct hs2n_msg *msg) {
  struct raw r;
  uint64_t wants;

  start(&r);
  CHECK_EQ(give(&r, *msg, WAIT, &(struct hs2n_tag){0}), HS2N_OK);
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), r.env.now + WAIT);
  CHECK(!hs2ni_chan_idle(r.chan));
  wants = r.wants;
  tick(&r, WAIT - 1);
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(r.wants, wants); /* the link is not woken for nothing */
  tick(&r, 1);
  CHECK_EQ(r.wants, wants + 1);
  CHECK_EQ(drain(&r).n, 1);
  CHECK_EQ(r.env.stats.messages_spread, 1);
  ack(&r, 1, (msg->flags & HS2N_MSG_DATAGRAM_OK) != 0);
  CHECK_EQ(outcome(&r), HS2N_DONE_ACKED);
  CHECK(at_rest(&r) && hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void a_message_leaves_when_its_time_has_come(void) {
  one_waits_its_time(&vote);
  one_waits_its_time(&loose);
}

/* A send from outside an entry does not know how late it is. */
static void the_wait_begins_when_the_link_asks(void) {
  struct raw r;

  start(&r);
  r.env.entered = false;
  send(&r, &vote, WAIT);
  CHECK(at_rest(&r));
  CHECK(r.wants > 0);
  r.env.now += HS2N_MS(100); /* poll_tx */
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(hs2ni_msgs_deadline(r.msgs), r.env.now + WAIT);
  r.env.now += WAIT; /* and again, before any tick */
  CHECK_EQ(drain(&r).n, 1);
  CHECK(at_rest(&r));
  raw_fini(&r);
}

static void the_wait_does_not_count_as_the_peers_delay(void) {
  struct raw r;

  start(&r);
  send(&r, &loose, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT);
  CHECK_EQ(drain(&r).n, 1);
  tick(&r, HS2N_MS(30));
  ack(&r, 1, true);
  CHECK_EQ(hs2ni_chan_delay(r.chan, 1000) / HS2N_MS(1), 30);
  raw_fini(&r);
}

static void all_else_goes_on_meanwhile(void) {
  const struct hs2n_msg control = {.type = HS2N_LANE_CONTROL};
  const struct hs2n_msg bulk = {.type = HS2N_LANE_BULK};
  const struct bytes d = bytes_datagram(1, 1, 50);
  struct wrote w;
  struct raw r;

  start(&r);
  send(&r, &loose, 0);
  CHECK_EQ(drain(&r).n, 1);
  send(&r, &loose, RTT * 2);
  send(&r, &bulk, 0);
  send(&r, &control, 0);
  CHECK_EQ(raw_datagram(&r, &d), HS2N_REASON_NONE);
  CHECK_EQ(raw_fetch(&r, HS2N_ACCEPT), 1);
  w = drain(&r);
  CHECK_EQ(w.n, 2);
  CHECK(w.types[0] == HS2N_LANE_CONTROL && w.types[1] == HS2N_LANE_BULK);
  CHECK(!hs2ni_ack_tx_due(r.chan));
  tick(&r, RTT / 8 * 9); /* the first was lost: its copy, by the stream */
  w = drain(&r);
  CHECK_EQ(w.n, 1);
  CHECK_EQ(r.env.stats.messages_copied, 1);
  tick(&r, RTT * 2);
  CHECK_EQ(drain(&r).n, 1);
  raw_fini(&r);
}

/* ---- more than one ---------------------------------------------------------
 */

static void what_may_be_held_too_leaves_with_the_first(void) {
  struct raw r;
  struct wrote w;

  start(&r);
  send(&r, &loose, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT / 2);
  send(&r, &loose, WAIT);
  send(&r, &vote, WAIT * 100); /* on the stream */
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT / 2);
  w = drain(&r);
  CHECK_EQ(w.n, 3);
  CHECK_EQ(w.chunks, 2);
  CHECK_EQ(r.env.stats.messages_spread, 3);
  raw_fini(&r);
}

static void what_may_not_be_held_lets_all_go_in_order(void) {
  struct raw r;
  uint64_t wants;

  start(&r);
  send_tagged(&r, &vote, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  wants = r.wants;
  send(&r, &vote, 0);
  CHECK(r.wants > wants);
  CHECK(at_rest(&r));
  CHECK_EQ(drain(&r).n, 2);
  ack(&r, 1, false); /* the first has the first number */
  CHECK_EQ(outcome(&r), HS2N_DONE_ACKED);
  CHECK_EQ(r.env.stats.messages_spread, 1);
  raw_fini(&r);
}

static void a_question_lets_all_go_too(void) {
  const struct hs2n_msg control = {.type = HS2N_LANE_CONTROL};
  struct hs2n_msg find = {.type = WORLD_FIND};
  struct hs2n_tag tag;
  struct wrote w;
  struct raw r;

  start(&r);
  find.deadline = r.env.now + HS2N_S(10);
  send(&r, &control, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(hs2ni_msgs_request(
               r.msgs,
               &(struct hs2ni_target){
                   .chan = r.chan, .peer = {1}, .weight = 1, .hold_ns = WAIT},
               1, &find, &tag),
           HS2N_OK);
  w = drain(&r);
  CHECK_EQ(w.n, 2);
  CHECK(w.types[0] == HS2N_LANE_CONTROL && w.types[1] == WORLD_FIND);
  raw_fini(&r);
}

static void nothing_is_held_behind_what_waits_anyway(void) {
  struct hs2ni_chunk chunk;
  struct raw r;

  start(&r);
  send(&r, &vote, 0);
  send(&r, &vote, WAIT);
  CHECK_EQ(drain(&r).n, 2);
  send(&r, &vote, 0);
  REQUIRE(hs2ni_chan_next(r.chan, &chunk));
  hs2ni_chan_sent(r.chan, chunk.stream, 1, false); /* no room for the rest */
  send(&r, &vote, WAIT);
  REQUIRE(hs2ni_chan_next(r.chan, &chunk));
  CHECK(chunk.parts_n > 2);
  hs2ni_chan_blocked(r.chan, chunk.stream);
  CHECK(!hs2ni_chan_next(r.chan, &chunk));
  CHECK(at_rest(&r));
  hs2ni_chan_credit(r.chan);
  while (hs2ni_chan_next(r.chan, &chunk)) {
    hs2ni_chan_sent(r.chan, chunk.stream, chunk.parts[0].len, false);
  }
  hs2ni_chan_blocked(r.chan, r.chan->tx[HS2N_LANE_VOTE].stream);
  send(&r, &vote, WAIT);
  hs2ni_chan_credit(r.chan);
  CHECK_EQ(drain(&r).n, 1);
  CHECK_EQ(r.env.stats.messages_spread, 0);
  raw_fini(&r);
}

static void a_busy_peer_ends_the_wait(void) {
  struct raw r;

  start(&r);
  send(&r, &vote, 0);
  CHECK_EQ(drain(&r).n, 1);
  send(&r, &vote, WAIT * 100);
  CHECK_EQ(drain(&r).n, 0);
  answer(&r, &(struct hs2ni_record){.kind = HS2NI_RECORD_NACK,
                                    .lane = HS2N_LANE_VOTE,
                                    .seq = 1,
                                    .code = HS2N_REASON_APP_BUSY});
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, HS2N_MS(r.env.limits.busy_pause_ms) - 1);
  send(&r, &vote, WAIT * 100); /* nor does a new one begin in the pause */
  tick(&r, 1);
  CHECK_EQ(drain(&r).n, 1); /* the refused one goes by itself */
  answer(&r, &(struct hs2ni_record){
                 .kind = HS2NI_RECORD_ACK, .lane = HS2N_LANE_VOTE, .seq = 1});
  CHECK_EQ(drain(&r).n, 2);
  raw_fini(&r);
}

/* ---- what ends a message --------------------------------------------------
 */

static void time_to_the_deadline_is_left(void) {
  struct hs2n_msg dated = vote;
  struct raw r;

  start(&r);
  dated.deadline = r.env.now + WAIT + 2 * RTT - 1;
  send(&r, &dated, WAIT);
  CHECK_EQ(drain(&r).n, 1);
  dated.deadline++;
  send(&r, &dated, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT);
  CHECK_EQ(drain(&r).n, 1);
  dated.deadline = r.env.now + 1;
  send(&r, &dated, WAIT);
  CHECK_EQ(drain(&r).n, 1);
  raw_fini(&r);
}

static void a_later_one_with_an_earlier_deadline_lets_all_go(void) {
  struct hs2n_msg dated = vote;
  struct raw r;

  start(&r);
  for (int asked = 0; asked < 2; asked++) {
    dated.deadline = r.env.now + HS2N_S(10);
    send(&r, &dated, WAIT);
    CHECK(asked == 0 || drain(&r).n == 0);
    dated.deadline = r.env.now + RTT;
    send(&r, &dated, WAIT);
    CHECK_EQ(drain(&r).n, 2);
    dated.deadline = r.env.now + HS2N_S(10); /* forgotten with that */
    send(&r, &dated, WAIT);
    CHECK_EQ(drain(&r).n, 0);
    tick(&r, WAIT);
    CHECK_EQ(drain(&r).n, 1);
  }
  raw_fini(&r);
}

static void one_expires_while_it_is_held_for_long(void) {
  struct hs2n_msg dated = loose;
  struct raw r;

  start(&r);
  dated.deadline = r.env.now + HS2N_MS(100);
  (void)send_tagged(&r, &dated, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, HS2N_MS(100)); /* nobody drove the node meanwhile */
  CHECK_EQ(outcome(&r), HS2N_DONE_EXPIRED);
  CHECK_EQ(drain(&r).n, 0);
  CHECK(at_rest(&r) && hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void one_that_is_cancelled_leaves_no_timer(void) {
  struct hs2n_tag first, second;
  struct raw r;

  start(&r);
  first = send_tagged(&r, &loose, WAIT);
  second = send_tagged(&r, &vote, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(hs2ni_msgs_cancel(r.msgs, first), HS2N_OK);
  CHECK_EQ(outcome(&r), HS2N_DONE_CANCELLED);
  CHECK(!at_rest(&r)); /* the other still waits */
  CHECK_EQ(hs2ni_msgs_cancel(r.msgs, second), HS2N_OK);
  CHECK_EQ(outcome(&r), HS2N_DONE_CANCELLED);
  CHECK(at_rest(&r) && hs2ni_chan_idle(r.chan));
  send(&r, &loose, WAIT * 2); /* and the next waits anew */
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT);
  CHECK_EQ(drain(&r).n, 1);
  raw_fini(&r);
}

static void a_view_ends_those_that_are_held(void) {
  struct hs2n_msg bound = loose;
  struct raw r;

  start(&r);
  bound.flags |= HS2N_MSG_VIEW_BOUND;
  bound.view = 1;
  send(&r, &bound, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  CHECK_EQ(hs2ni_msgs_enter_view(r.msgs, 2), HS2N_OK);
  CHECK(at_rest(&r) && hs2ni_chan_idle(r.chan));
  CHECK_EQ(drain(&r).n, 0);
  raw_fini(&r);
}

/* Or one that is renewed all the time would never leave. */
static void one_that_supersedes_a_held_one_takes_over_its_wait(void) {
  struct hs2n_msg keyed[2] = {vote, loose};
  struct raw r;

  start(&r);
  for (int k = 0; k < 2; k++) {
    keyed[k].flags |= HS2N_MSG_SUPERSEDE;
    keyed[k].key = (uint64_t)k + 1;
    for (int i = 0; i < 5; i++) {
      send(&r, &keyed[k], WAIT);
      CHECK_EQ(drain(&r).n, 0);
      tick(&r, WAIT / 5);
    }
    CHECK_EQ(drain(&r).n, 1);
  }
  CHECK_EQ(r.env.stats.messages_superseded, 8);
  raw_fini(&r);
}

/* ---- connections ----------------------------------------------------------
 */

static void without_a_connection_nothing_is_held(void) {
  struct raw r;

  raw_init(&r, NULL);
  r.rtt = RTT;
  send(&r, &vote, WAIT);
  CHECK(at_rest(&r));
  raw_attach(&r, 5);
  CHECK_EQ(drain(&r).n, 1);
  CHECK_EQ(r.env.stats.messages_spread, 0);
  raw_fini(&r);
}

static void on_the_next_connection_it_leaves_at_once(void) {
  struct raw r;

  start(&r);
  send(&r, &loose, WAIT);
  send(&r, &vote, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  hs2ni_chan_detach(r.chan);
  CHECK(at_rest(&r));
  tick(&r, WAIT);
  raw_attach(&r, 5);
  CHECK_EQ(drain(&r).n, 2);
  CHECK_EQ(r.env.stats.messages_resent, 0);
  send(&r, &loose, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  hs2ni_chan_detach(r.chan);
  r.caps_off = HS2NI_CAP_DATAGRAM; /* another program by now */
  raw_attach(&r, 6);
  CHECK_EQ(drain(&r).n, 3);
  raw_fini(&r);
}

static void a_channel_may_end_while_it_holds(void) {
  struct raw r;

  start(&r);
  (void)send_tagged(&r, &loose, WAIT);
  (void)send_tagged(&r, &vote, WAIT);
  CHECK_EQ(drain(&r).n, 0);
  hs2ni_chan_free(r.chan, HS2N_DONE_PEER_GONE);
  CHECK_EQ(outcome(&r), HS2N_DONE_PEER_GONE);
  CHECK_EQ(outcome(&r), HS2N_DONE_PEER_GONE);
  CHECK(at_rest(&r));
  CHECK_EQ(hs2ni_chan_new(&r.chan, r.msgs, (struct hs2n_peer){2}), HS2N_OK);
  raw_fini(&r);
}

/* ---- memory ---------------------------------------------------------------
 */

static void budgets_count_what_is_held(void) {
  struct hs2n_limits limits;
  struct hs2ni_event event;
  struct raw r;

  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = 16;
  raw_init(&r, &limits);
  r.rtt = RTT;
  raw_attach(&r, 5);
  for (int i = 0; i < 16; i++) {
    send(&r, &vote, WAIT);
  }
  CHECK_EQ(give(&r, vote, WAIT, NULL), HS2N_ERR_FULL);
  CHECK_EQ(drain(&r).n, 0);
  tick(&r, WAIT);
  CHECK_EQ(drain(&r).n, 16);
  ack(&r, 16, false);
  hs2ni_chan_acked(r.chan, r.chan->tx[HS2N_LANE_VOTE].stream,
                   r.chan->tx[HS2N_LANE_VOTE].offset);
  CHECK(hs2ni_msgs_next(r.msgs, &event));
  CHECK_EQ(event.kind, HS2NI_EVENT_WRITABLE);
  CHECK(hs2ni_chan_idle(r.chan));
  raw_fini(&r);
}

static void to_hold_allocates_nothing(void) {
  uint64_t before = 0;
  struct raw r;

  start(&r);
  for (uint64_t i = 1; i <= 200; i++) {
    const struct hs2ni_target target = {
        .chan = r.chan, .peer = {1}, .weight = 1, .hold_ns = WAIT};

    before = i == 100 ? r.mem.requests : before;
    CHECK_EQ(hs2ni_msgs_send(r.msgs, &target, 1, &loose, NULL), HS2N_OK);
    CHECK_EQ(drain(&r).n, 0);
    tick(&r, WAIT);
    CHECK_EQ(drain(&r).n, 1);
    ack(&r, i, true);
  }
  CHECK_EQ(r.mem.requests, before);
  raw_fini(&r);
}

static void any_allocation_for_a_held_one_may_fail(void) {
  bool reached = true;
  uint64_t at = 0;

  while (reached) {
    size_t sent = 0, n = 0;
    struct raw r;

    start(&r);
    r.mem.fail_at = r.mem.requests + ++at;
    sent += give(&r, loose, WAIT, NULL) == HS2N_OK;
    sent += give(&r, vote, WAIT, NULL) == HS2N_OK;
    n += drain(&r).n;
    CHECK_EQ(n, 0);
    tick(&r, WAIT);
    for (int i = 0; i < 3; i++) {
      n += drain(&r).n;
      tick(&r, HS2N_MS(r.env.limits.busy_pause_ms));
    }
    CHECK(n >= sent); /* a copy may have gone too */
    reached = r.mem.requests >= r.mem.fail_at;
    raw_fini(&r);
  }
  CHECK(at > 4);
}

int main(void) {
  RUN(a_message_leaves_when_its_time_has_come);
  RUN(the_wait_begins_when_the_link_asks);
  RUN(the_wait_does_not_count_as_the_peers_delay);
  RUN(all_else_goes_on_meanwhile);
  RUN(what_may_be_held_too_leaves_with_the_first);
  RUN(what_may_not_be_held_lets_all_go_in_order);
  RUN(a_question_lets_all_go_too);
  RUN(nothing_is_held_behind_what_waits_anyway);
  RUN(a_busy_peer_ends_the_wait);
  RUN(time_to_the_deadline_is_left);
  RUN(a_later_one_with_an_earlier_deadline_lets_all_go);
  RUN(one_expires_while_it_is_held_for_long);
  RUN(one_that_is_cancelled_leaves_no_timer);
  RUN(a_view_ends_those_that_are_held);
  RUN(one_that_supersedes_a_held_one_takes_over_its_wait);
  RUN(without_a_connection_nothing_is_held);
  RUN(on_the_next_connection_it_leaves_at_once);
  RUN(a_channel_may_end_while_it_holds);
  RUN(budgets_count_what_is_held);
  RUN(to_hold_allocates_nothing);
  RUN(any_allocation_for_a_held_one_may_fail);
  return tap_done();
}
