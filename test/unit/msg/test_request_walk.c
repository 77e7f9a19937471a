/* Random walks of requests against a model that knows only what was asked and
 * what the applications said: refusals, lies, silence, late answers, cuts,
 * restarts, cancels, views, deadlines, full queues, and other messages in the
 * same lanes. */
#include "world.h"

#include "base/rng.h"

enum {
  ASKS_MAX = 30000,
  OPEN_MAX = 512,
  PLACES = 4,
};

struct model_ask {
  uint64_t tag;
  hs2n_time deadline;
  uint64_t view;
  uint8_t from, targets;
  uint8_t asked;    /* places whose process of now has the question */
  uint8_t refused;  /* places that refused it, at any time */
  uint8_t bad;      /* places whose answer was not accepted */
  uint8_t accepted; /* whose was */
  bool view_bound, cancelled, done, lost;
};

/* What an application still has to do. */
struct todo {
  uint32_t place;
  struct hs2ni_event e;
  uint32_t uid;
  bool judge; /* its verdict was LATER */
};

struct walk {
  struct world w;
  struct hs2ni_rng rng;
  struct model_ask *asks; /* by uid, from 1 */
  uint32_t asks_n;
  struct todo answers[OPEN_MAX], verdicts[OPEN_MAX];
  size_t answers_n, verdicts_n;
  uint64_t view[PLACES], view_max[PLACES];
  uint64_t outcomes[8], judged[8], responses, full, stale, forgotten;
};

static uint64_t below(struct walk *k, uint64_t n) {
  return hs2ni_rng_below(&k->rng, n);
}

static bool chance(struct walk *k, uint64_t one_in) {
  return below(k, one_in) == 0;
}

static bool has(uint8_t places, uint32_t place) {
  return (places >> place & 1) != 0;
}

static uint8_t bit(uint32_t place) {
  return (uint8_t)(1u << place);
}

static struct hs2n_buf *make_body(struct walk *k, uint32_t place, uint32_t uid,
                                  bool honest) {
  const size_t len = 5 + (size_t)below(k, chance(k, 8)   ? 60000
                                          : chance(k, 2) ? 3000
                                                         : 60);
  struct hs2n_buf *buf =
      world_body(&k->w, place, len > 1024 && !honest ? 5 : len, (uint8_t)uid);

  memcpy(hs2ni_buf_data(buf), &uid, sizeof(uid));
  hs2ni_buf_data(buf)[4] = honest;
  return buf;
}

static uint32_t check_body(const struct walk *k, const struct hs2ni_event *e) {
  const struct hs2n_span body = hs2n_buf_span(e->msg.body);
  uint32_t uid;

  memcpy(&uid, body.data, sizeof(uid));
  CHECK(uid > 0 && uid <= k->asks_n);
  for (size_t i = 5; i < body.len; i += 61) {
    CHECK_EQ(body.data[i], (uint8_t)uid);
  }
  return uid;
}

/* Whether its asker still waits. */
static bool is_open(const struct walk *k, const struct model_ask *a) {
  return !a->lost && !a->done && !a->cancelled && a->accepted == 0 &&
         a->deadline > k->w.places[a->from].env.now &&
         (!a->view_bound || a->view >= k->view[a->from]);
}

/* ---- asking -----------------------------------------------------------------
 */

static size_t make_targets(struct walk *k, struct model_ask *a,
                           struct hs2ni_target out[PLACES]) {
  const uint32_t first = (uint32_t)below(k, PLACES);
  size_t n = 0;

  while (n == 0) {
    for (uint32_t i = 0; i < PLACES; i++) {
      const uint32_t to = (first + i) % PLACES;

      if (to != a->from && !has(a->targets, to) && !chance(k, 3)) {
        a->targets |= bit(to);
        out[n++] =
            (struct hs2ni_target){.chan = k->w.places[a->from].ends[to].chan,
                                  .peer = {to},
                                  .weight = 1 + to};
      }
    }
  }
  return n;
}

static void do_ask(struct walk *k) {
  const uint32_t from = (uint32_t)below(k, PLACES), uid = k->asks_n + 1;
  struct model_ask *a = &k->asks[uid];
  struct hs2ni_target targets[PLACES];
  struct hs2n_msg msg = {.view = k->view[from]};
  struct hs2n_tag tag = {0};
  size_t n;
  int err;

  if (uid + 1 >= ASKS_MAX) {
    return;
  }
  *a = (struct model_ask){.from = (uint8_t)from};
  n = make_targets(k, a, targets);
  msg.type = chance(k, 3) ? WORLD_FIND : WORLD_ASK;
  a->deadline = msg.deadline =
      k->w.places[from].env.now + 1 + below(k, HS2N_MS(200));
  if (chance(k, 4)) {
    a->view_bound = true;
    msg.view += below(k, 2);
    msg.flags = HS2N_MSG_VIEW_BOUND;
  }
  a->view = msg.view;
  msg.body = make_body(k, from, uid, msg.type == WORLD_ASK);
  err = hs2ni_msgs_request(k->w.places[from].msgs, targets, n, &msg, &tag);
  hs2n_buf_unref(msg.body);
  if (err == HS2N_ERR_FULL) {
    k->full++;
    return;
  }
  CHECK_EQ(err, HS2N_OK);
  a->tag = tag.v;
  k->asks_n++;
}

/* Something else in the lanes of requests, now and then refused. */
static void do_send(struct walk *k) {
  const uint32_t from = (uint32_t)below(k, PLACES);
  const uint32_t to = (from + 1 + (uint32_t)below(k, PLACES - 1)) % PLACES;
  const int err = world_send(&k->w, from, to, chance(k, 2) ? HS2N_LANE_SYNC : 0,
                             100, 1, NULL);

  CHECK(err == HS2N_OK || err == HS2N_ERR_FULL);
}

static struct model_ask *find(struct walk *k, uint32_t place, uint64_t tag) {
  for (uint32_t uid = k->asks_n; uid > 0; uid--) {
    struct model_ask *a = &k->asks[uid];

    if (a->tag == tag && a->from == place && !a->lost) {
      return a;
    }
  }
  return NULL;
}

/* Whether the layer of the place may have refused it on its own. */
static bool may_be_unserved(const struct walk *k, const struct model_ask *a,
                            uint32_t place) {
  return k->w.places[place].env.stats.requests_unserved > 0 ||
         (a->view_bound && a->view < k->view_max[place]);
}

static void check_done(struct walk *k, uint32_t place,
                       const struct hs2ni_event *e) {
  struct model_ask *a = find(k, place, e->tag.v);

  CHECK(a != NULL && !a->done);
  if (a == NULL) {
    return;
  }
  a->done = true;
  k->outcomes[e->done.outcome]++;
  CHECK_EQ(e->done.outcome == HS2N_DONE_ACKED, a->accepted != 0);
  switch (e->done.outcome) {
  case HS2N_DONE_ACKED:
    CHECK_EQ(e->done.acked_count, 1);
    CHECK_EQ(bit(e->done.acked[0].v), a->accepted);
    CHECK_EQ(e->done.acked_weight, 1 + e->done.acked[0].v);
    break;
  case HS2N_DONE_EXPIRED:
    CHECK(a->deadline <= k->w.places[place].env.now);
    break;
  case HS2N_DONE_CANCELLED:
    CHECK(a->cancelled || (a->view_bound && a->view < k->view[place]));
    break;
  case HS2N_DONE_REFUSED:
    for (uint32_t i = 0; i < PLACES; i++) {
      CHECK(!has(a->targets, i) || has(a->refused | a->bad, i) ||
            may_be_unserved(k, a, i));
    }
    break;
  case HS2N_DONE_QUORUM:
  case HS2N_DONE_PEER_GONE:
    CHECK(false);
    break;
  }
}

/* ---- answering --------------------------------------------------------------
 */

static bool answer(struct walk *k, const struct todo *t) {
  struct hs2n_buf *body = make_body(k, t->place, t->uid, !chance(k, 3));
  const struct model_ask *a = &k->asks[t->uid];
  const bool late = a->deadline <= k->w.places[t->place].env.now;
  const int err = hs2ni_msgs_respond(
      k->w.places[t->place].ends[t->e.peer.v].chan, t->e.id, t->uid, body);

  hs2n_buf_unref(body);
  if (err == HS2N_ERR_STALE) {
    CHECK(late || (a->view_bound && a->view < k->view[t->place]));
    k->stale++;
  } else if (err == HS2N_ERR_STATE) {
    /* Only a restart of the asker takes it away, or that it has given up. */
    CHECK(a->lost || late);
    k->forgotten++;
  } else {
    CHECK(err == HS2N_OK || err == HS2N_ERR_FULL);
  }
  return err != HS2N_ERR_FULL;
}

static void do_answer(struct walk *k) {
  const size_t i = k->answers_n == 0 ? 0 : (size_t)below(k, k->answers_n);

  if (k->answers_n > 0 && answer(k, &k->answers[i])) {
    k->answers[i] = k->answers[--k->answers_n];
  }
}

static void later(struct walk *k, const struct todo *t) {
  k->verdicts[k->verdicts_n++] = *t;
}

static void note_refused(struct walk *k, const struct todo *t) {
  k->asks[t->uid].refused |= bit(t->place);
}

static void is_asked(struct walk *k, uint32_t place,
                     const struct hs2ni_event *e, bool calm) {
  struct todo t = {.place = place, .e = *e, .uid = check_body(k, e)};
  struct model_ask *a = &k->asks[t.uid];
  const uint64_t what = calm ? 0 : below(k, 16);

  CHECK_EQ(a->from, e->peer.v);
  CHECK(has(a->targets, place) && !has(a->asked, place));
  CHECK(!a->view_bound || a->view >= k->view[place]);
  a->asked |= bit(place);
  if (k->answers_n == OPEN_MAX || k->verdicts_n == OPEN_MAX || what >= 13) {
    static const enum hs2n_verdict no[] = {HS2N_BUSY, HS2N_REJECT, HS2N_IGNORE};

    note_refused(k, &t);
    CHECK_EQ(world_judge(&k->w, place, e, no[below(k, 3)]), HS2N_OK);
  } else if (what < 5 && answer(k, &t)) {
    /* Whatever is said now, it was accepted. */
    CHECK_EQ(world_judge(&k->w, place, e, what ? HS2N_ACCEPT : HS2N_BUSY),
             HS2N_OK);
  } else if (what < 10) {
    k->answers[k->answers_n++] = t;
    CHECK_EQ(world_judge(&k->w, place, e, HS2N_ACCEPT), HS2N_OK);
  } else {
    later(k, &t);
    CHECK_EQ(world_judge(&k->w, place, e, HS2N_LATER), HS2N_OK);
  }
}

static void note_verdict(struct walk *k, const struct todo *t,
                         enum hs2n_verdict verdict) {
  struct model_ask *a = &k->asks[t->uid];

  k->judged[verdict]++;
  if (!is_open(k, a)) {
    return;
  }
  if (verdict == HS2N_ACCEPT) {
    a->accepted = bit(t->e.peer.v);
  } else if (verdict == HS2N_IGNORE || verdict == HS2N_REJECT) {
    a->bad |= bit(t->e.peer.v);
  }
}

static enum hs2n_verdict pick_verdict(struct walk *k, bool honest, bool calm) {
  if (!calm && k->verdicts_n < OPEN_MAX && chance(k, 6)) {
    return HS2N_LATER;
  }
  if (!calm && chance(k, 8)) {
    return HS2N_BUSY;
  }
  return honest ? HS2N_ACCEPT : chance(k, 2) ? HS2N_REJECT : HS2N_IGNORE;
}

static void is_answered(struct walk *k, uint32_t place,
                        const struct hs2ni_event *e, bool calm) {
  const struct todo t = {
      .place = place, .e = *e, .uid = check_body(k, e), .judge = true};
  const struct model_ask *a = &k->asks[t.uid];
  const bool honest = hs2n_buf_span(e->msg.body).data[4] != 0;
  const enum hs2n_verdict verdict = pick_verdict(k, honest, calm);

  k->responses++;
  CHECK_EQ(e->tag.v, a->tag);
  CHECK_EQ(e->status, t.uid);
  CHECK(a->from == place && is_open(k, a));
  CHECK(has(a->targets, e->peer.v) && !has(a->bad, e->peer.v));
  if (verdict == HS2N_LATER) {
    later(k, &t);
  } else {
    note_verdict(k, &t, verdict);
  }
  CHECK_EQ(world_judge(&k->w, place, e, verdict), HS2N_OK);
}

/* Gives a verdict that was put off: of a question or of an answer. */
static void do_judge(struct walk *k) {
  const size_t i = k->verdicts_n == 0 ? 0 : (size_t)below(k, k->verdicts_n);
  const struct todo t = k->verdicts[i];
  const enum hs2n_verdict verdict = chance(k, 3) ? HS2N_REJECT : HS2N_ACCEPT;
  int err;

  if (k->verdicts_n == 0) {
    return;
  }
  k->verdicts[i] = k->verdicts[--k->verdicts_n];
  err = world_judge(&k->w, t.place, &t.e, verdict);
  CHECK(err == HS2N_OK || err == HS2N_ERR_STATE);
  if (err == HS2N_ERR_STATE) {
    return; /* its sender's process has ended */
  }
  if (t.judge) {
    note_verdict(k, &t, verdict);
  } else if (verdict == HS2N_REJECT) {
    note_refused(k, &t);
  } else {
    CHECK(k->answers_n < OPEN_MAX);
    k->answers[k->answers_n++] = t;
  }
}

static bool do_fetch(struct walk *k, bool calm) {
  const uint32_t place = (uint32_t)below(k, PLACES);
  struct hs2ni_event e;

  if (!hs2ni_msgs_next(k->w.places[place].msgs, &e)) {
    return false;
  }
  switch (e.kind) {
  case HS2NI_EVENT_MESSAGE:
    CHECK_EQ(world_judge(&k->w, place, &e,
                         !calm && chance(k, 8) ? HS2N_BUSY : HS2N_ACCEPT),
             HS2N_OK);
    break;
  case HS2NI_EVENT_REQUEST:
    is_asked(k, place, &e, calm);
    break;
  case HS2NI_EVENT_RESPONSE:
    is_answered(k, place, &e, calm);
    break;
  case HS2NI_EVENT_DONE:
    check_done(k, place, &e);
    break;
  case HS2NI_EVENT_WRITABLE:
    break;
  case HS2NI_EVENT_BREACH:
    CHECK(false);
    break;
  }
  return true;
}

/* ---- what happens besides ---------------------------------------------------
 */

static void do_cancel(struct walk *k) {
  const uint32_t uid =
      k->asks_n == 0
          ? 0
          : k->asks_n - (uint32_t)below(k, k->asks_n < 50 ? k->asks_n : 50);
  struct model_ask *a = &k->asks[uid];

  if (uid != 0 && !a->lost &&
      hs2ni_msgs_cancel(k->w.places[a->from].msgs, (struct hs2n_tag){a->tag}) ==
          HS2N_OK) {
    CHECK(!a->done && a->accepted == 0);
    a->cancelled = true;
  }
}

static void do_view(struct walk *k) {
  const uint32_t place = (uint32_t)below(k, PLACES);

  k->view[place] += below(k, 3);
  if (k->view[place] > k->view_max[place]) {
    k->view_max[place] = k->view[place];
  }
  CHECK_EQ(hs2ni_msgs_enter_view(k->w.places[place].msgs, k->view[place]),
           HS2N_OK);
}

static void forget(struct todo *todo, size_t *n, uint32_t place) {
  for (size_t i = 0; i < *n;) {
    if (todo[i].place == place) {
      todo[i] = todo[--*n];
    } else {
      i++;
    }
  }
}

static void do_restart(struct walk *k) {
  const uint32_t place = (uint32_t)below(k, PLACES);

  forget(k->answers, &k->answers_n, place);
  forget(k->verdicts, &k->verdicts_n, place);
  for (uint32_t uid = 1; uid <= k->asks_n; uid++) {
    k->asks[uid].asked &= (uint8_t)~bit(place);
    k->asks[uid].lost = k->asks[uid].lost || k->asks[uid].from == place;
  }
  k->view[place] = 0;
  world_restart(&k->w, place);
}

static void check_budgets(struct walk *k) {
  for (uint32_t a = 0; a < PLACES; a++) {
    const struct hs2n_limits *limits = &k->w.places[a].env.limits;
    const struct hs2ni_msgs *msgs = k->w.places[a].msgs;

    CHECK(msgs->requests.open.count <= limits->requests_max);
    CHECK(msgs->requests.bytes <= limits->requests_bytes_max);
    for (uint32_t b = 0; b < PLACES; b++) {
      struct hs2ni_chan_stats stats;

      if (a != b) {
        hs2ni_chan_stats(k->w.places[a].ends[b].chan, &stats);
        CHECK(stats.queued_bytes <= limits->tx_queue_bytes_max);
        CHECK(stats.requests_asked <= limits->rx_requests_max);
        CHECK(stats.requests_unanswered <= limits->rx_requests_max);
      }
    }
    world_check_memory(&k->w, a, PLACES - 1);
  }
}

static void do_something(struct walk *k) {
  const uint64_t what = below(k, 1000);

  if (what < 120) {
    do_ask(k);
  } else if (what < 150) {
    do_send(k);
  } else if (what < 600) {
    for (int i = 0; i < 4; i++) {
      world_step(&k->w);
    }
  } else if (what < 830) {
    (void)do_fetch(k, false);
  } else if (what < 890) {
    do_answer(k);
  } else if (what < 930) {
    do_judge(k);
  } else if (what < 940) {
    do_cancel(k);
  } else if (what < 943) {
    do_view(k);
  } else if (what < 985) {
    world_sleep(&k->w, below(k, HS2N_MS(4)));
  } else if (what < 990) {
    world_join_all(&k->w, PLACES);
  } else if (what < 993) {
    const uint32_t a = (uint32_t)below(k, PLACES);

    world_cut(&k->w, a, (a + 1 + (uint32_t)below(k, PLACES - 1)) % PLACES);
  } else if (what == 993 && chance(k, 8)) {
    do_restart(k);
  } else {
    check_budgets(k);
  }
}

/* Lets everything come to rest with all places connected. */
static void calm_down(struct walk *k) {
  bool acted = true;

  while (acted) {
    acted = false;
    world_join_all(&k->w, PLACES);
    for (int i = 0; i < 200; i++) {
      do_judge(k);
      do_answer(k);
      acted = world_step(&k->w) || acted;
      acted = do_fetch(k, true) || acted;
    }
    acted = acted || k->answers_n > 0 || k->verdicts_n > 0 ||
            world_waits(&k->w, PLACES);
    world_sleep(&k->w, HS2N_MS(5));
  }
}

static void check_end(struct walk *k) {
  CHECK_EQ(k->w.breaches, 0);
  for (uint32_t uid = 1; uid <= k->asks_n; uid++) {
    CHECK(k->asks[uid].lost || k->asks[uid].done);
  }
  for (uint32_t a = 0; a < PLACES; a++) {
    CHECK_EQ(k->w.places[a].msgs->requests.open.count, 0);
    CHECK_EQ(k->w.places[a].msgs->requests.bytes, 0);
  }
  world_check_rest(&k->w, PLACES);
}

static struct hs2n_limits pick_limits(struct walk *k) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.peers_max = 4;
  limits.tags_max = 16 + (uint32_t)below(k, 300);
  limits.requests_max = 8 + (uint32_t)below(k, 60);
  limits.requests_bytes_max = 1000000 + below(k, 8000000);
  limits.request_try_ms = 10 + (uint32_t)below(k, 60);
  limits.rx_requests_max = 2 + (uint32_t)below(k, 20);
  limits.tx_queue_msgs_max = 16 + (uint32_t)below(k, 100);
  limits.tx_queue_bytes_max = 200000 + (uint32_t)below(k, 400000);
  limits.large_body_bytes = 4096 + (uint32_t)below(k, 10000);
  limits.rx_window_bytes = 65536 + (uint32_t)below(k, 200000);
  limits.rx_stream_window_bytes = 16384 + (uint32_t)below(k, 40000);
  limits.rx_later_max = 16 + (uint32_t)below(k, 50);
  return limits;
}

static void say(const struct walk *k, uint64_t seed) {
  printf("# seed %" PRIu64 ": %" PRIu32 " requests: acked %" PRIu64
         " expired %" PRIu64 " cancelled %" PRIu64 " refused %" PRIu64
         "; %" PRIu64 " responses: accepted %" PRIu64 " ignored %" PRIu64
         " rejected %" PRIu64 " busy %" PRIu64 "; full %" PRIu64
         " stale %" PRIu64 " forgotten %" PRIu64 " dropped %" PRIu64
         " late %" PRIu64 " unserved %" PRIu64 "\n",
         seed, k->asks_n, k->outcomes[HS2N_DONE_ACKED],
         k->outcomes[HS2N_DONE_EXPIRED], k->outcomes[HS2N_DONE_CANCELLED],
         k->outcomes[HS2N_DONE_REFUSED], k->responses, k->judged[HS2N_ACCEPT],
         k->judged[HS2N_IGNORE], k->judged[HS2N_REJECT], k->judged[HS2N_BUSY],
         k->full, k->stale, k->forgotten,
         k->w.places[0].env.stats.responses_dropped,
         k->w.places[0].env.stats.requests_late,
         k->w.places[0].env.stats.requests_unserved);
}

static void walk(uint64_t seed, int steps) {
  struct walk *k = calloc(1, sizeof(*k));
  struct hs2n_limits limits[PLACES];

  k->asks = calloc(ASKS_MAX, sizeof(*k->asks));
  hs2ni_rng_seed(&k->rng, seed);
  for (uint32_t i = 0; i < PLACES; i++) {
    limits[i] = pick_limits(k);
  }
  world_init(&k->w, &(struct world_options){
                        .places = PLACES,
                        .net = {.seed = seed,
                                .cwnd_bytes = 5000 + below(k, 100000),
                                .streams_max = 8 + (uint32_t)below(k, 52),
                                .whole = chance(k, 8)},
                        .types = chance(k, 2) ? world_packed_types : NULL,
                        .limits = limits,
                        .limits_differ = true});
  world_join_all(&k->w, PLACES);
  for (int i = 0; i < steps && tap_case_ok; i++) {
    do_something(k);
  }
  if (tap_case_ok) {
    calm_down(k);
    check_end(k);
  }
  if (!tap_case_ok || getenv("WALK_VERBOSE") != NULL) {
    say(k, seed);
  }
  world_fini(&k->w);
  free(k->asks);
  free(k);
}

/* covers: X2 */
static void every_request_ends_once_as_the_applications_said(void) {
  const char *one = getenv("WALK_SEED");

  if (one != NULL) {
    walk(strtoull(one, NULL, 0), 100000);
    return;
  }
  for (uint64_t seed = 1; seed <= 8 && tap_case_ok; seed++) {
    walk(seed, 60000);
  }
}

int main(void) {
  RUN(every_request_ends_once_as_the_applications_said);
  return tap_done();
}
