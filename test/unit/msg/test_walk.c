/* Random walks of whole layers against a model that knows only what was sent
 * and what the applications said: cuts, restarts, members that leave, all
 * verdicts, cancels, views, keys, deadlines, full queues, held bodies,
 * messages held back, datagrams that are lost, late or come twice.
 *
 * test_walk [SEEDS]: more of them than every run does. */
#include "world.h"

#include "base/rng.h"

enum {
  SENDS_MAX = 30000,
  KEYS = 3,
  HELD_MAX = 64,
  LATER_MAX = 256,
  PLACES = 3,
};

#define HOLD_MAX HS2N_MS(6)

struct model_send {
  uint64_t tag; /* 0: none */
  hs2n_time deadline;
  uint64_t view, quorum;
  uint8_t from, lane;
  uint8_t targets, took, refused; /* bits of places */
  uint8_t seen;                   /* by the process that runs there now */
  uint8_t superseded;             /* for these targets */
  uint8_t gone;                   /* targets that left */
  uint8_t waiting;                /* places that get it again with its view */
  uint8_t key;                    /* 0: none */
  bool datagram_ok, view_bound, cancelled, done, quorum_only;
  bool lost; /* its sender's process ended */
};

struct later {
  uint32_t place, from;
  struct hs2n_msg_id id;
  uint32_t uid;
};

struct walk {
  struct world w;
  struct hs2ni_rng rng;
  struct model_send *sends; /* by uid, from 1 */
  uint32_t sends_n;
  uint32_t last[PLACES][PLACES][HS2N_LANES]; /* uid taken, [to][from] */
  uint64_t view[PLACES], view_max[PLACES];
  struct hs2n_buf *held[PLACES][HELD_MAX];
  struct later later[LATER_MAX];
  size_t later_n;
  uint64_t again, parted;
  uint64_t accepted, tagged, completions, outcomes[8], verdicts[8], full,
      writable, unordered;
};

static uint64_t below(struct walk *k, uint64_t n) {
  return hs2ni_rng_below(&k->rng, n);
}

static bool chance(struct walk *k, uint64_t one_in) {
  return below(k, one_in) == 0;
}

static size_t pick_len(struct walk *k, uint8_t lane) {
  if (lane >= HS2N_LANE_PROPOSAL && chance(k, 3)) {
    return 4 + (size_t)below(k, chance(k, 8) ? 150000 : 20000);
  }
  return 4 + (size_t)below(k, 120);
}

static struct hs2n_buf *make_body(struct walk *k, uint32_t from, uint32_t uid,
                                  size_t len) {
  struct hs2n_buf *buf = world_body(&k->w, from, len, (uint8_t)uid);

  memcpy(hs2ni_buf_data(buf), &uid, sizeof(uid));
  return buf;
}

/* Any of the other places, at least one. */
static uint8_t pick_targets(struct walk *k, uint32_t from) {
  uint8_t places = 0;

  while (places == 0) {
    places = (uint8_t)(below(k, 1u << PLACES) & ~(uint64_t)(1u << from));
  }
  return places;
}

static hs2n_time pick_hold(struct walk *k) {
  return chance(k, 3) ? below(k, HOLD_MAX) : 0;
}

static size_t make_targets(struct walk *k, const struct model_send *s,
                           struct hs2ni_target out[PLACES]) {
  size_t n = 0;

  for (uint32_t to = 0; to < PLACES; to++) {
    if ((s->targets >> to & 1) != 0) {
      out[n++] =
          (struct hs2ni_target){.chan = k->w.places[s->from].ends[to].chan,
                                .peer = {to},
                                .weight = 1 + to,
                                .hold_ns = pick_hold(k)};
    }
  }
  return n;
}

static void pick_flags(struct walk *k, struct model_send *s,
                       struct hs2n_msg *msg, uint64_t weight) {
  const hs2n_time now = k->w.places[s->from].env.now;

  if (chance(k, 4)) {
    s->view_bound = true;
    msg->view += below(k, 2);
    msg->flags |= HS2N_MSG_VIEW_BOUND;
  }
  s->view = msg->view;
  if (chance(k, 3)) {
    s->datagram_ok = true;
    msg->flags |= HS2N_MSG_DATAGRAM_OK;
  }
  if (chance(k, 6)) {
    s->key = (uint8_t)(1 + below(k, KEYS));
    msg->key = s->key;
    msg->flags |= HS2N_MSG_SUPERSEDE;
  }
  if (chance(k, 8)) {
    s->deadline = msg->deadline = now + 1 + below(k, HS2N_MS(40));
  }
  if (chance(k, 2)) {
    msg->flags |= HS2N_MSG_ACK;
    if (chance(k, 3)) {
      s->quorum = msg->quorum_weight = 1 + below(k, weight);
      msg->flags |= HS2N_MSG_QUORUM;
      s->quorum_only = chance(k, 2);
      msg->flags |= s->quorum_only ? HS2N_MSG_QUORUM_ONLY : 0;
    }
  }
}

/* Where both go. */
static void supersede(struct walk *k, const struct model_send *s) {
  for (struct model_send *old = &k->sends[1]; s->key != 0 && old < s; old++) {
    if (old->from == s->from && old->lane == s->lane && old->key == s->key) {
      old->superseded |= old->targets & s->targets;
    }
  }
}

static void do_send(struct walk *k, uint32_t from, uint8_t lane) {
  const uint32_t uid = k->sends_n + 1;
  struct model_send *s = &k->sends[uid];
  struct hs2ni_target targets[PLACES];
  struct hs2n_msg msg = {.view = k->view[from]};
  struct hs2n_tag tag = {0};
  bool tagged;
  size_t n;
  int err;

  if (uid + 1 >= SENDS_MAX) {
    return;
  }
  *s = (struct model_send){
      .from = (uint8_t)from, .lane = lane, .targets = pick_targets(k, from)};
  n = make_targets(k, s, targets);
  pick_flags(k, s, &msg, targets[0].weight);
  tagged = (msg.flags & HS2N_MSG_ACK) != 0;
  msg.type = s->lane;
  msg.body = make_body(k, from, uid, pick_len(k, s->lane));
  err = hs2ni_msgs_send(k->w.places[from].msgs, targets, n, &msg,
                        tagged ? &tag : NULL);
  hs2n_buf_unref(msg.body);
  if (err == HS2N_ERR_FULL) {
    k->full++;
    return;
  }
  CHECK_EQ(err, HS2N_OK);
  s->tag = tag.v;
  supersede(k, s);
  k->sends_n++;
  k->accepted++;
  k->tagged += tagged;
}

/* Now and then so many that short ones go together. */
static void do_sends(struct walk *k) {
  const uint32_t from = (uint32_t)below(k, PLACES);
  const uint8_t lane = (uint8_t)below(k, HS2N_LANES);
  const uint64_t n = chance(k, 60) ? 1 + below(k, 60) : 1;

  for (uint64_t i = 0; i < n; i++) {
    do_send(k, from, lane);
  }
}

static size_t count(uint8_t places) {
  size_t n = 0;

  for (; places != 0; places = (uint8_t)(places >> 1)) {
    n += places & 1u;
  }
  return n;
}

/* Whether the place may have acknowledged: its application took it, or its
 * layer did because the view had passed. */
static bool may_ack(const struct walk *k, const struct model_send *s,
                    uint32_t place) {
  return (s->took >> place & 1) != 0 ||
         (s->view_bound && s->view < k->view_max[place]);
}

static void check_done(struct walk *k, uint32_t place,
                       const struct hs2ni_event *e) {
  struct model_send *s = NULL;
  uint64_t weight = 0;

  for (uint32_t uid = k->sends_n; uid > 0 && s == NULL; uid--) {
    if (k->sends[uid].tag == e->tag.v && k->sends[uid].from == place &&
        !k->sends[uid].lost) {
      s = &k->sends[uid];
    }
  }
  CHECK(s != NULL && !s->done);
  if (s == NULL || s->done) {
    return;
  }
  s->done = true;
  k->completions++;
  k->outcomes[e->done.outcome]++;
  for (size_t i = 0; i < e->done.acked_count; i++) {
    weight += 1 + e->done.acked[i].v;
    CHECK(may_ack(k, s, e->done.acked[i].v));
  }
  CHECK_EQ(weight, e->done.acked_weight);
  switch (e->done.outcome) {
  case HS2N_DONE_ACKED:
    CHECK_EQ(e->done.acked_count, count(s->targets));
    CHECK_EQ(s->quorum, 0);
    break;
  case HS2N_DONE_QUORUM:
    CHECK(s->quorum > 0 && weight >= s->quorum);
    break;
  case HS2N_DONE_EXPIRED:
    CHECK(s->deadline != 0 && s->deadline <= k->w.places[place].env.now);
    break;
  case HS2N_DONE_CANCELLED:
    CHECK(s->cancelled || s->superseded != 0 ||
          (s->view_bound && s->view < k->view[place]));
    break;
  case HS2N_DONE_REFUSED:
    CHECK(s->refused != 0);
    CHECK_EQ(e->done.reason, HS2N_REASON_REJECTED);
    break;
  case HS2N_DONE_PEER_GONE:
    CHECK(s->gone != 0);
    break;
  }
}

static void note_verdict(struct walk *k, uint32_t place, uint32_t uid,
                         enum hs2n_verdict verdict) {
  struct model_send *s = &k->sends[uid];

  k->verdicts[verdict]++;
  if (verdict == HS2N_ACCEPT || verdict == HS2N_IGNORE ||
      verdict == HS2N_HOLD) {
    s->took |= (uint8_t)(1u << place);
  } else if (verdict == HS2N_REJECT) {
    s->refused |= (uint8_t)(1u << place);
  }
}

static enum hs2n_verdict pick_verdict(struct walk *k, bool is_ahead,
                                      bool calm) {
  const uint64_t what = below(k, 32);

  if (is_ahead && chance(k, 2)) {
    return HS2N_HOLD;
  }
  if (what == 0) {
    return HS2N_REJECT;
  }
  if (what <= 2) {
    return HS2N_IGNORE;
  }
  if (what <= 5 && k->later_n < LATER_MAX && !calm) {
    return HS2N_LATER;
  }
  return what <= 7 && !calm ? HS2N_BUSY : HS2N_ACCEPT;
}

static void hold(struct walk *k, uint32_t place, struct hs2n_buf *buf) {
  struct hs2n_buf **slot = &k->held[place][below(k, HELD_MAX)];

  hs2n_buf_unref(*slot);
  *slot = hs2n_buf_ref(buf);
}

/* None twice; those that may not go in datagrams in order. */
static void check_order(struct walk *k, uint32_t place,
                        const struct hs2ni_event *e, uint32_t uid,
                        enum hs2n_verdict verdict) {
  struct model_send *s = &k->sends[uid];
  const uint8_t here = (uint8_t)(1u << place);
  uint32_t *last = &k->last[place][e->peer.v][e->id.lane];

  if ((s->waiting & here) != 0) {
    CHECK(s->view <= k->view[place]);
    s->waiting &= (uint8_t)~here;
    k->again++;
    return;
  }
  CHECK((s->seen & here) == 0);
  CHECK(s->datagram_ok || uid > *last);
  CHECK(s->datagram_ok || !e->id.unordered);
  k->unordered += e->id.unordered;
  if (verdict != HS2N_BUSY) {
    s->seen |= here;
    s->waiting |= verdict == HS2N_HOLD ? here : 0;
    *last = s->datagram_ok ? *last : uid;
  }
}

static void check_message(struct walk *k, uint32_t place,
                          const struct hs2ni_event *e, bool calm) {
  const struct hs2n_span body = hs2n_buf_span(e->msg.body);
  const uint32_t from = e->peer.v;
  const enum hs2n_verdict verdict =
      pick_verdict(k, e->msg.view > k->view[place], calm);
  uint32_t uid;

  memcpy(&uid, body.data, sizeof(uid));
  CHECK(uid > 0 && uid <= k->sends_n);
  CHECK_EQ(k->sends[uid].from, from);
  CHECK_EQ(k->sends[uid].lane, e->id.lane);
  CHECK((k->sends[uid].targets >> place & 1) != 0);
  CHECK_EQ(e->msg.view, k->sends[uid].view);
  CHECK(!k->sends[uid].view_bound || e->msg.view >= k->view[place]);
  for (size_t i = sizeof(uid); i < body.len; i += 97) {
    CHECK_EQ(body.data[i], (uint8_t)uid);
  }
  check_order(k, place, e, uid, verdict);
  if (chance(k, 16)) {
    hold(k, place, e->msg.body);
  }
  note_verdict(k, place, uid, verdict);
  if (verdict == HS2N_LATER) {
    k->later[k->later_n++] =
        (struct later){.place = place, .from = from, .id = e->id, .uid = uid};
  }
  CHECK_EQ(hs2ni_msgs_verdict(k->w.places[place].msgs,
                              k->w.places[place].ends[from].chan, e->id,
                              verdict),
           HS2N_OK);
}

static bool do_fetch(struct walk *k, bool calm) {
  const uint32_t place = (uint32_t)below(k, PLACES);
  struct hs2ni_event e;

  if (!hs2ni_msgs_next(k->w.places[place].msgs, &e)) {
    return false;
  }
  switch (e.kind) {
  case HS2NI_EVENT_MESSAGE:
    check_message(k, place, &e, calm);
    break;
  case HS2NI_EVENT_REQUEST:
  case HS2NI_EVENT_RESPONSE:
    CHECK(false); /* nobody asked */
    break;
  case HS2NI_EVENT_DONE:
    check_done(k, place, &e);
    break;
  case HS2NI_EVENT_WRITABLE:
    k->writable++;
    break;
  case HS2NI_EVENT_BREACH:
    CHECK(false); /* nobody here breaks the rules */
    break;
  }
  return true;
}

static void do_judge(struct walk *k) {
  const size_t i = k->later_n == 0 ? 0 : (size_t)below(k, k->later_n);
  const struct later l = k->later[i];
  struct hs2ni_chan *chan = k->w.places[l.place].ends[l.from].chan;
  const enum hs2n_verdict verdict = chance(k, 4) ? HS2N_REJECT : HS2N_ACCEPT;

  if (k->later_n == 0) {
    return;
  }
  k->later[i] = k->later[--k->later_n];
  if (hs2ni_msgs_verdict(k->w.places[l.place].msgs, chan, l.id, verdict) ==
      HS2N_OK) {
    note_verdict(k, l.place, l.uid, verdict);
  } else {
    /* Only a restart of the sender takes the question away. */
    CHECK(k->sends[l.uid].lost);
  }
}

static void do_cancel(struct walk *k) {
  const uint32_t uid =
      k->sends_n == 0
          ? 0
          : k->sends_n - (uint32_t)below(k, k->sends_n < 50 ? k->sends_n : 50);
  struct model_send *s = &k->sends[uid];

  if (uid != 0 && s->tag != 0 && !s->lost &&
      hs2ni_msgs_cancel(k->w.places[s->from].msgs, (struct hs2n_tag){s->tag}) ==
          HS2N_OK) {
    CHECK(!s->done);
    s->cancelled = true;
  }
}

static void enter_view(struct walk *k, uint32_t place, uint64_t view) {
  k->view[place] = view;
  if (k->view[place] > k->view_max[place]) {
    k->view_max[place] = k->view[place];
  }
  CHECK_EQ(hs2ni_msgs_enter_view(k->w.places[place].msgs, k->view[place]),
           HS2N_OK);
}

static void do_view(struct walk *k) {
  const uint32_t place = (uint32_t)below(k, PLACES);

  enter_view(k, place, k->view[place] + below(k, 3));
}

static void drop_held(struct walk *k, uint32_t place) {
  for (size_t i = 0; i < HELD_MAX; i++) {
    hs2n_buf_unref(k->held[place][i]);
    k->held[place][i] = NULL;
  }
}

static void do_restart(struct walk *k) {
  const uint32_t place = (uint32_t)below(k, PLACES);

  drop_held(k, place);
  for (size_t i = 0; i < k->later_n;) {
    if (k->later[i].place == place) {
      k->later[i] = k->later[--k->later_n];
    } else {
      i++;
    }
  }
  for (uint32_t uid = 1; uid <= k->sends_n; uid++) {
    struct model_send *s = &k->sends[uid];

    s->seen &= (uint8_t) ~(1u << place);
    s->waiting &= (uint8_t) ~(1u << place);
    if (s->from == place && !s->lost) {
      s->lost = true;
      k->tagged -= s->tag != 0 && !s->done;
    }
  }
  memset(k->last[place], 0, sizeof(k->last[place]));
  k->view[place] = 0;
  k->w.places[place].caps_off = chance(k, 3) ? HS2NI_CAP_DATAGRAM : 0;
  world_restart(&k->w, place);
}

/* Place a does not know place b any more, and then does again: what waits for
 * b ends, and what came from b may come once more. */
static void do_part(struct walk *k) {
  const uint32_t a = (uint32_t)below(k, PLACES);
  const uint32_t b = (a + 1 + (uint32_t)below(k, PLACES - 1)) % PLACES;

  for (uint32_t uid = 1; uid <= k->sends_n; uid++) {
    struct model_send *s = &k->sends[uid];

    if (s->from == a && (s->targets >> b & 1) != 0) {
      s->gone |= (uint8_t)(1u << b);
    }
    if (s->from == b) {
      s->seen &= (uint8_t) ~(1u << a);
      s->waiting &= (uint8_t) ~(1u << a);
    }
  }
  for (size_t i = 0; i < k->later_n;) {
    if (k->later[i].place == a && k->later[i].from == b) {
      k->later[i] = k->later[--k->later_n];
    } else {
      i++;
    }
  }
  memset(k->last[a][b], 0, sizeof(k->last[a][b]));
  world_part(&k->w, a, b);
  k->parted++;
}

/* A lane is held only while something waits in it, on a connection, and for no
 * longer than was asked. */
static void check_holds(const struct walk *k, uint32_t a, uint32_t b) {
  const struct hs2ni_chan *chan = k->w.places[a].ends[b].chan;

  for (size_t i = 0; i < HS2N_LANES; i++) {
    const struct hs2ni_tx_lane *lane = &chan->tx[i];
    const struct hs2ni_tx_hold *h = &lane->hold;

    CHECK_EQ(h->timer.slot != 0, h->until != 0);
    if (h->wait_ns != 0) {
      CHECK(chan->conn != NULL);
      CHECK(lane->next != NULL || lane->loose.fresh.head != NULL);
      CHECK(h->until <= k->w.places[a].env.now + HOLD_MAX);
    } else {
      CHECK(h->until == 0 && h->deadline == 0);
    }
  }
}

static void check_budgets(struct walk *k) {
  for (uint32_t a = 0; a < PLACES; a++) {
    const struct hs2n_limits *limits = &k->w.places[a].env.limits;

    for (uint32_t b = 0; b < PLACES; b++) {
      struct hs2ni_chan_stats stats;

      if (a != b) {
        check_holds(k, a, b);
        hs2ni_chan_stats(k->w.places[a].ends[b].chan, &stats);
        CHECK(stats.queued_bytes <= limits->tx_queue_bytes_max);
        for (size_t i = 0; i < HS2N_LANES; i++) {
          CHECK(stats.queued_msgs[i] <= limits->tx_queue_msgs_max);
        }
      }
    }
    world_check_memory(&k->w, a, PLACES - 1);
  }
}

static void do_something(struct walk *k) {
  const uint64_t what = below(k, 1000);

  if (what < 200) {
    do_sends(k);
  } else if (what < 700) {
    for (int i = 0; i < 4; i++) {
      world_step(&k->w);
    }
  } else if (what < 900) {
    (void)do_fetch(k, false);
  } else if (what < 940) {
    do_judge(k);
  } else if (what < 950) {
    do_cancel(k);
  } else if (what < 953) {
    do_view(k);
  } else if (what < 990) {
    world_sleep(&k->w, below(k, HS2N_MS(4)));
  } else if (what < 993) {
    world_join_all(&k->w, PLACES);
  } else if (what < 995) {
    const uint32_t a = (uint32_t)below(k, PLACES);

    world_cut(&k->w, a, (a + 1) % PLACES);
  } else if (what == 995) {
    drop_held(k, (uint32_t)below(k, PLACES));
  } else if (what == 996 && chance(k, 10)) {
    do_restart(k);
  } else if (what == 996 && chance(k, 10)) {
    do_part(k);
  } else if (what == 997 && chance(k, 4)) {
    memnet_datagram_max(k->w.net, (size_t)below(k, 4) * 400);
  } else {
    check_budgets(k);
  }
}

/* Lets everything come to rest with all places connected. */
static void calm_down(struct walk *k) {
  uint64_t view = 0;
  bool acted = true;

  for (uint32_t i = 0; i < PLACES; i++) {
    drop_held(k, i);
    view = k->view_max[i] > view ? k->view_max[i] : view;
  }
  for (uint32_t i = 0; i < PLACES; i++) {
    enter_view(k, i, view + 1);
  }
  while (acted) {
    acted = false;
    world_join_all(&k->w, PLACES);
    while (k->later_n > 0) {
      do_judge(k);
    }
    for (int i = 0; i < 200; i++) {
      acted = world_step(&k->w) || acted;
      acted = do_fetch(k, true) || acted;
      drop_held(k, (uint32_t)below(k, PLACES));
    }
    acted = acted || world_waits(&k->w, PLACES);
    world_sleep(&k->w, HS2N_MS(5));
  }
}

static void check_end(struct walk *k) {
  CHECK_EQ(k->w.breaches, 0);
  CHECK_EQ(k->completions, k->tagged);
  for (uint32_t uid = 1; uid <= k->sends_n; uid++) {
    const struct model_send *s = &k->sends[uid];

    if (!s->lost && s->deadline == 0 && !s->view_bound && !s->cancelled &&
        !s->quorum_only) {
      CHECK_EQ((s->took | s->refused | s->superseded | s->gone) & s->targets,
               s->targets);
    }
    CHECK(s->tag == 0 || s->lost || s->done);
  }
  world_check_rest(&k->w, PLACES);
}

static struct hs2n_limits pick_limits(struct walk *k) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.peers_max = 4;
  limits.tags_max = 16 + (uint32_t)below(k, 300);
  limits.tx_queue_msgs_max = 16 + (uint32_t)below(k, 100);
  limits.tx_queue_bytes_max = 200000 + (uint32_t)below(k, 400000);
  limits.large_body_bytes = 4096 + (uint32_t)below(k, 10000);
  limits.rx_window_bytes = 65536 + (uint32_t)below(k, 200000);
  limits.rx_stream_window_bytes = 16384 + (uint32_t)below(k, 40000);
  limits.rx_held_bytes = 65536 + (uint32_t)below(k, 100000);
  limits.rx_later_max = 16 + (uint32_t)below(k, 50);
  return limits;
}

static uint64_t seeds = 8;
static uint64_t first = 1;
static uint64_t sends, batches;

static void walk(uint64_t seed, int steps) {
  struct walk *k = calloc(1, sizeof(*k));
  struct hs2n_limits limits[PLACES];

  k->sends = calloc(SENDS_MAX, sizeof(*k->sends));
  hs2ni_rng_seed(&k->rng, seed);
  for (uint32_t i = 0; i < PLACES; i++) {
    limits[i] = pick_limits(k);
  }
  world_init(&k->w,
             &(struct world_options){
                 .places = PLACES,
                 .net = {.seed = seed,
                         .cwnd_bytes = 5000 + below(k, 100000),
                         .streams_max = 8 + (uint32_t)below(k, 52),
                         .whole = chance(k, 8),
                         .datagram_max = 1200,
                         .datagram_loss_permille = (uint32_t)below(k, 400),
                         .datagram_twice_permille = (uint32_t)below(k, 300)},
                 .limits = limits,
                 .types = chance(k, 2) ? world_packed_types : NULL,
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
    printf("# seed %" PRIu64 ": %" PRIu64 " sends, %" PRIu64
           " completions: acked %" PRIu64 " quorum %" PRIu64 " expired %" PRIu64
           " cancelled %" PRIu64 " refused %" PRIu64 "; busy %" PRIu64
           " later %" PRIu64 " full %" PRIu64 " writable %" PRIu64
           " resent %" PRIu64 " dup %" PRIu64 " withheld %" PRIu64
           " unordered %" PRIu64 " datagrams %" PRIu64 " copies %" PRIu64
           " again %" PRIu64 " superseded %" PRIu64 " parted %" PRIu64
           " spread %" PRIu64 "\n",
           seed, k->accepted, k->completions, k->outcomes[1], k->outcomes[2],
           k->outcomes[3], k->outcomes[4], k->outcomes[5],
           k->verdicts[HS2N_BUSY], k->verdicts[HS2N_LATER], k->full,
           k->writable, k->w.places[0].env.stats.messages_resent,
           k->w.places[0].env.stats.messages_duplicate,
           k->w.places[0].env.stats.rx_withheld, k->unordered,
           k->w.places[0].env.stats.messages_datagram,
           k->w.places[0].env.stats.messages_copied, k->again,
           k->w.places[0].env.stats.messages_superseded, k->parted,
           k->w.places[0].env.stats.messages_spread);
  }
  for (uint32_t i = 0; i < PLACES; i++) {
    drop_held(k, i);
    batches += k->w.places[i].env.stats.batches_compressed;
  }
  world_fini(&k->w);
  sends += k->accepted;
  free(k->sends);
  free(k);
}

/* covers: X2, H36, H37 */
static void whatever_happens_the_rules_hold(void) {
  const char *one = getenv("WALK_SEED");

  if (one != NULL) {
    walk(strtoull(one, NULL, 0), 100000);
    return;
  }
  for (uint64_t i = 0; i < seeds && tap_case_ok; i++) {
    walk(first + i, 100000);
  }
  printf("# %" PRIu64 " sends, %" PRIu64 " batches\n", sends, batches);
  CHECK(sends >= 10000 * seeds);
  CHECK(batches >= 100);
}

int main(int argc, char **argv) {
  seeds = argc > 1 ? strtoull(argv[1], NULL, 0) : seeds;
  first = argc > 2 ? strtoull(argv[2], NULL, 0) : first;
  RUN(whatever_happens_the_rules_hold);
  return tap_done();
}
