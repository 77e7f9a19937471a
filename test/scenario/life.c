/* life: messages of every kind between applications of every kind of mind,
 * while nodes crash and links fail, held against the book of book.h.
 *
 *   life [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace] [STORY]
 *
 * Messages are large and small, to one, some and all, bound to views, with
 * deadlines and quorums, newer than others of their key, in datagrams.
 * Applications judge at once or later, are busy, reject, keep bodies for a
 * while, cancel, and go from view to view at their own pace.  Budgets and
 * windows are small, so that whatever is not given back is missed soon. */
#include "book.h"
#include "stories.h"

#include <stdlib.h>

#define NODES 4
#define LENGTH HS2N_S(3)
#define ROUNDS 3
#define WAITING 256

/* A verdict or a body that an application owes. */
struct owed {
  uint32_t node;
  hs2n_time at;          /* virtual */
  struct hs2n_buf *body; /* or: */
  struct hs2n_peer from;
  struct hs2n_msg_id id;
  size_t entry;
};

struct world;

/* What a node's consensus has as self. */
struct mind {
  struct world *world;
  uint32_t node;
};

struct world {
  struct hs2n_sim_app app;
  struct mind minds[NODES];
  struct hs2n_limits limits;
  struct hs2n_sim *sim;
  struct book book;
  struct owed owed[WAITING];
  size_t owed_n;
  bool calm; /* everybody accepts at once */
};

static const struct hs2n_type types[] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 4096, .name = "control"},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 4096, .name = "vote"},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = 65536, .name = "cert"},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 131072,
     .name = "proposal"},
    {.id = 4,
     .lane = HS2N_LANE_SYNC,
     .size_max = 131072,
     .name = "sync",
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 5, .lane = HS2N_LANE_BULK, .size_max = 131072, .name = "bulk"},
    {.id = 6,
     .lane = HS2N_LANE_VOTE,
     .size_max = 4096,
     .name = "signed vote",
     .flags = HS2N_TYPE_SIGNED},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static uint64_t any(struct world *w, uint64_t bound) {
  return hs2n_sim_random(w->sim, bound);
}

static bool one_in(struct world *w, uint64_t n) {
  return any(w, n) == 0;
}

/* ---- the application ----------------------------------------------------- */

static struct owed *owe(struct world *w, uint32_t node, hs2n_time most) {
  struct owed *o;

  if (w->owed_n == WAITING) {
    return NULL;
  }
  o = &w->owed[w->owed_n++];
  *o = (struct owed){.node = node, .at = hs2n_sim_now(w->sim) + any(w, most)};
  return o;
}

static enum hs2n_verdict choose_verdict(struct world *w) {
  const uint64_t chance = any(w, 100);

  if (w->calm || chance >= 12) {
    return HS2N_ACCEPT;
  }
  return chance < 4   ? HS2N_BUSY
         : chance < 8 ? HS2N_LATER
         : chance < 9 ? HS2N_REJECT
                      : HS2N_IGNORE;
}

static void keep_body(struct world *w, uint32_t node, struct hs2n_buf *body) {
  struct owed *o = owe(w, node, HS2N_MS(300));

  if (o != NULL) {
    o->body = hs2n_buf_ref(body);
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  const struct mind *mind = self;
  struct world *w = mind->world;
  struct book_entry *e = book_find(
      &w->book, mind->node, hs2n_sim_index(w->sim, mind->node, from), msg);
  enum hs2n_verdict verdict = choose_verdict(w);

  if (e == NULL) {
    return HS2N_ACCEPT;
  }
  if (verdict == HS2N_LATER) {
    struct owed *o = owe(w, mind->node, HS2N_MS(400));

    if (o == NULL) {
      verdict = HS2N_ACCEPT;
    } else {
      o->from = from;
      o->id = id;
      o->entry = (size_t)(e - w->book.entries);
    }
  } else if (!w->calm && verdict == HS2N_ACCEPT && one_in(w, 8)) {
    keep_body(w, mind->node, msg->body);
  }
  book_heard(&w->book, mind->node, e, verdict);
  return verdict;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  const struct mind *mind = self;

  book_done(&mind->world->book, mind->node, tag, done);
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  const struct mind *mind = self;
  struct world *w = mind->world;

  (void)reason;
  book_peer(&w->book, mind->node, hs2n_sim_index(w->sim, mind->node, peer),
            state);
}

/* ---- debts --------------------------------------------------------------- */

static void judge(struct world *w, const struct owed *o) {
  const enum hs2n_verdict verdict =
      !w->calm && one_in(w, 20) ? HS2N_REJECT : HS2N_ACCEPT;
  const int err =
      hs2n_judge(hs2n_sim_node(w->sim, o->node), o->from, o->id, verdict, 0);

  /* STATE: its sender has restarted meanwhile. */
  story_must(w->sim, err == HS2N_OK || err == HS2N_ERR_STATE, "can't judge");
  if (err == HS2N_OK) {
    book_judged(&w->book, o->node, &w->book.entries[o->entry], verdict);
  }
}

static void pay(struct world *w, size_t i, bool alive) {
  const struct owed o = w->owed[i];

  w->owed[i] = w->owed[--w->owed_n];
  if (o.body != NULL) {
    hs2n_buf_unref(o.body);
  } else if (alive) {
    judge(w, &o);
  }
  if (alive) {
    hs2n_sim_flush(w->sim, o.node);
  }
}

static void pay_due(struct world *w) {
  for (size_t i = w->owed_n; i > 0; i--) {
    if (w->calm || w->owed[i - 1].at <= hs2n_sim_now(w->sim)) {
      pay(w, i - 1, true);
    }
  }
}

/* ---- life ---------------------------------------------------------------- */

static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  struct world *w = self;
  uint64_t view;

  (void)disk;
  book_started(&w->book, node);
  view = w->book.node[node].view_max + 1;
  story_must(w->sim, hs2n_enter_view(handle, view, NULL, 0) == HS2N_OK,
             "can't enter a view");
  book_view(&w->book, node, view);
}

static void on_stop(void *self, uint32_t node) {
  struct world *w = self;

  for (size_t i = w->owed_n; i > 0; i--) {
    if (w->owed[i - 1].node == node) {
      pay(w, i - 1, false);
    }
  }
  book_died(&w->book, node);
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out_consensus) {
  struct world *w = self;

  (void)config;
  w->minds[node] = (struct mind){.world = w, .node = node};
  out_consensus->self = &w->minds[node];
  out_consensus->on_message = on_message;
  out_consensus->on_done = on_done;
  out_consensus->on_peer = on_peer;
}

/* ---- sending ------------------------------------------------------------- */

static uint32_t any_len(struct world *w, uint32_t max) {
  static const uint32_t steps[] = {300, 300, 300, 300, 1200, 4096, 20000};
  const uint32_t most = one_in(w, 40) ? 100000 : steps[any(w, 7)];

  return BOOK_BODY_MIN +
         (uint32_t)any(w, (most < max ? most : max) - BOOK_BODY_MIN + 1);
}

/* Receivers, and as bits in e->to. */
static void any_receivers(struct world *w, struct book_entry *e,
                          struct hs2n_peer peers[NODES], struct hs2n_dst *dst) {
  const uint32_t others = ((1u << NODES) - 1) & ~(1u << e->from);

  *dst = (struct hs2n_dst){.kind = HS2N_DST_EPOCH, .epoch = HS2N_SIM_EPOCH};
  e->to = others;
  if (one_in(w, 3)) {
    return;
  }
  do {
    e->to = others & (uint32_t)any(w, 1u << NODES);
  } while (e->to == 0);
  for (uint32_t i = 0; i < NODES; i++) {
    if ((e->to >> i & 1) != 0) {
      story_must(w->sim,
                 hs2n_sim_peer(w->sim, e->from, i, &peers[dst->count]) ==
                     HS2N_OK,
                 "no such peer");
      dst->count++;
    }
  }
  dst->kind = dst->count == 1 ? HS2N_DST_PEER : HS2N_DST_SOME;
  dst->peer = peers[0];
  dst->peers = peers;
}

static uint32_t weight(uint32_t nodes) {
  uint32_t n = 0;

  for (; nodes != 0; nodes &= nodes - 1) {
    n++;
  }
  return n;
}

static void any_flags(struct world *w, struct book_entry *e) {
  if (one_in(w, 3)) {
    e->flags |= HS2N_MSG_ACK;
  } else if (one_in(w, 4)) {
    e->flags |= HS2N_MSG_QUORUM | (one_in(w, 2) ? HS2N_MSG_QUORUM_ONLY : 0);
    e->quorum = 1 + any(w, weight(e->to));
  }
  if (one_in(w, 4)) {
    e->flags |= HS2N_MSG_VIEW_BOUND;
    e->view = w->book.node[e->from].view + any(w, 2);
  }
  if (e->type == 0 && one_in(w, 2)) {
    e->flags |= HS2N_MSG_SUPERSEDE;
    e->key = any(w, 2);
  } else if (e->lane == HS2N_LANE_VOTE && one_in(w, 2)) {
    e->flags |= HS2N_MSG_DATAGRAM_OK;
  }
  if (one_in(w, 4)) {
    e->deadline = hs2n_sim_clock(w->sim, e->from) + 1 + any(w, HS2N_MS(800));
  }
}

static void note_full(struct world *w, const struct book_entry *e) {
  if (weight(e->to) == 1) {
    w->book.node[e->from].full |= e->to;
  }
  w->book.node[e->from].full_some |= e->to;
}

static int send(struct world *w, struct book_entry *e,
                const struct hs2n_dst *dst) {
  const bool tagged = (e->flags & (HS2N_MSG_ACK | HS2N_MSG_QUORUM)) != 0;
  struct hs2n_msg msg = {.type = (uint8_t)e->type,
                         .flags = e->flags,
                         .view = e->view,
                         .deadline = e->deadline,
                         .quorum_weight = e->quorum,
                         .key = e->key};
  struct hs2n_sim_config config;
  struct hs2n_tag tag = {0};
  uint8_t *data;
  int err;

  hs2n_sim_config_default(&config, NODES, 0);
  err = hs2n_buf_alloc(&msg.body, config.mem, e->len, &data);
  if (err != HS2N_OK) {
    return err;
  }
  book_body(&w->book, e->from, e->len, data);
  err = hs2n_send(hs2n_sim_node(w->sim, e->from), dst, &msg,
                  tagged ? &tag : NULL);
  hs2n_buf_unref(msg.body);
  if (err == HS2N_OK) {
    e->tag = tag.v;
    book_sent(&w->book, e);
  }
  return err;
}

static void send_any(struct world *w, uint32_t from) {
  struct hs2n_peer peers[NODES];
  struct hs2n_dst dst;
  struct book_entry e = {.from = from, .type = (uint32_t)any(w, TYPES)};
  int err;

  e.lane = types[e.type].lane;
  e.len = any_len(w, types[e.type].size_max);
  any_receivers(w, &e, peers, &dst);
  any_flags(w, &e);
  err = send(w, &e, &dst);
  if (err == HS2N_ERR_FULL) {
    note_full(w, &e);
  } else {
    story_must(w->sim, err == HS2N_OK, "is not accepted");
  }
}

static void cancel_any(struct world *w, uint32_t node) {
  struct book_entry *e = book_open(&w->book, node, any(w, 1u << 20));
  int err;

  if (e != NULL) {
    err = hs2n_cancel(hs2n_sim_node(w->sim, node), (struct hs2n_tag){e->tag});
    /* STATE: it has ended, and is about to be told. */
    story_must(w->sim, err == HS2N_OK || err == HS2N_ERR_STATE,
               "can't be cancelled");
    if (err == HS2N_OK) {
      book_cancelled(e);
    }
  }
}

static void next_view(struct world *w, uint32_t node) {
  struct book_node *n = w->book.node;
  uint64_t view = n[node].view + 1;

  for (uint32_t i = 0; i < NODES && one_in(w, 2); i++) {
    view = n[i].view > view ? n[i].view : view;
  }
  story_must(w->sim,
             hs2n_enter_view(hs2n_sim_node(w->sim, node), view, NULL, 0) ==
                 HS2N_OK,
             "can't enter a view");
  book_view(&w->book, node, view);
}

/* ---- trouble ------------------------------------------------------------- */

static uint32_t any_node(struct world *w) {
  return (uint32_t)any(w, NODES);
}

static void noise(struct world *w) {
  struct hs2n_sim_noise loud = {.burst_end_ppm = 100000};

  loud.loss_ppm = (uint32_t)any(w, 200000);
  loud.burst_ppm = (uint32_t)any(w, 5000);
  loud.duplicate_ppm = (uint32_t)any(w, 100000);
  loud.reorder_ppm = (uint32_t)any(w, 100000);
  loud.reorder_delay = any(w, HS2N_MS(40));
  (void)hs2n_sim_set_noise(w->sim, any_node(w), HS2N_SIM_ALL, &loud);
}

static void end_process(struct world *w, uint32_t node) {
  for (uint32_t i = 0; i < NODES; i++) {
    if (!hs2n_sim_running(w->sim, i) || w->book.node[i].stopping) {
      return; /* one at a time */
    }
  }
  if (one_in(w, 3)) {
    w->book.node[node].stopping = true;
    hs2n_sim_stop(w->sim, node);
  } else {
    hs2n_sim_crash(w->sim, node, false);
  }
}

static void begin_process(struct world *w, uint32_t node) {
  if (!hs2n_sim_running(w->sim, node)) {
    story_start(w->sim, node);
  }
}

static void cut(struct world *w) {
  const uint32_t from = any_node(w);
  const uint32_t to = one_in(w, 3) ? HS2N_SIM_ALL : any_node(w);

  hs2n_sim_cut(w->sim, from, to, true);
  if (one_in(w, 2)) {
    hs2n_sim_cut(w->sim, to, from, true);
  }
}

static void something(struct world *w) {
  switch (any(w, 8)) {
  case 0:
    end_process(w, any_node(w));
    break;
  case 1:
    begin_process(w, any_node(w));
    break;
  case 2:
    cut(w);
    break;
  case 3:
    noise(w);
    break;
  case 4:
    hs2n_sim_pause(w->sim, any_node(w), any(w, HS2N_MS(300)));
    break;
  case 5:
    hs2n_sim_rebind(w->sim, 0);
    break;
  default:
    hs2n_sim_heal(w->sim);
    break;
  }
}

/* ---- the story ----------------------------------------------------------- */

static void act(struct world *w, uint32_t node) {
  const uint64_t chance = any(w, 100);

  if (!hs2n_sim_running(w->sim, node) || w->book.node[node].stopping) {
    return;
  }
  if (chance < 92) {
    send_any(w, node);
  } else if (chance < 96) {
    cancel_any(w, node);
  } else {
    next_view(w, node);
  }
  hs2n_sim_flush(w->sim, node);
}

static void live(struct world *w, bool trouble) {
  const hs2n_time end = hs2n_sim_now(w->sim) + LENGTH;

  while (hs2n_sim_now(w->sim) < end && hs2n_sim_failure(w->sim) == NULL) {
    act(w, any_node(w));
    if (trouble && one_in(w, 50)) {
      something(w);
    }
    if (one_in(w, 2)) {
      hs2n_sim_run(w->sim, any(w, HS2N_MS(6)));
    }
    pay_due(w);
    book_check_late(&w->book);
  }
}

static bool settled(struct hs2n_sim *sim, void *arg) {
  const struct world *w = arg;

  return hs2n_sim_meshed(sim) && book_unsettled(&w->book) == NULL;
}

static void settle(struct world *w) {
  const hs2n_time end = hs2n_sim_now(w->sim) + HS2N_S(20);

  w->calm = true;
  hs2n_sim_heal(w->sim);
  for (uint32_t i = 0; i < NODES; i++) {
    if (w->book.node[i].stopping) {
      hs2n_sim_crash(w->sim, i, false);
    }
  }
  (void)hs2n_sim_start_all(w->sim);
  while (hs2n_sim_now(w->sim) < end && hs2n_sim_failure(w->sim) == NULL &&
         !settled(w->sim, w)) {
    hs2n_sim_run(w->sim, HS2N_MS(20));
    pay_due(w);
    book_check_late(&w->book);
  }
  if (!settled(w->sim, w)) {
    const char *what = book_unsettled(&w->book);

    hs2n_sim_fail(w->sim, HS2N_SIM_ALL, what != NULL ? what : "no mesh");
  }
  w->calm = false;
}

static void set_links(struct world *w) {
  struct hs2n_sim_link link = {.overtake = one_in(w, 2)};

  link.delay = HS2N_MS(1) + any(w, HS2N_MS(40));
  link.jitter = any(w, link.delay);
  hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
}

static void tell(struct world *w, bool trouble) {
  set_links(w);
  (void)hs2n_sim_start_all(w->sim);
  for (int round = 0; round < ROUNDS && hs2n_sim_failure(w->sim) == NULL;
       round++) {
    live(w, trouble);
    settle(w);
  }
  story_must(w->sim,
             w->book.outcomes[HS2N_DONE_ACKED] > 100 &&
                 w->book.outcomes[HS2N_DONE_QUORUM] > 20 &&
                 w->book.outcomes[HS2N_DONE_CANCELLED] > 20 &&
                 w->book.outcomes[HS2N_DONE_REFUSED] > 0 &&
                 w->book.outcomes[HS2N_DONE_EXPIRED] > 0,
             "little has happened");
}

static void begin(struct world *w, struct hs2n_sim *sim, bool trouble) {
  book_fini(&w->book); /* of the run before, whose nodes have ended by now */
  w->sim = sim;
  w->owed_n = 0;
  if (book_init(&w->book, sim, NODES)) {
    tell(w, trouble);
  } else {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, "the book has no memory");
  }
}

static void in_peace(void *arg, struct hs2n_sim *sim) {
  begin(arg, sim, false);
}

static void in_trouble(void *arg, struct hs2n_sim *sim) {
  begin(arg, sim, true);
}

static void small_world(void *arg, struct hs2n_sim_config *config) {
  struct world *w = arg;

  hs2n_limits_default(&w->limits);
  w->limits.peers_max = NODES;
  w->limits.idle_ms = 1500;
  w->limits.keep_alive_ms = 300;
  w->limits.handshake_ms = 1000;
  w->limits.backoff_min_ms = 20;
  w->limits.backoff_max_ms = 400;
  w->limits.drain_ms = 300;
  w->limits.tx_queue_msgs_max = 64;
  w->limits.tx_queue_bytes_max = 512 << 10;
  w->limits.tags_max = 96;
  w->limits.large_body_bytes = 16384;
  w->limits.rx_window_bytes = 256 << 10;
  w->limits.rx_stream_window_bytes = 64 << 10;
  w->limits.rx_held_bytes = 128 << 10;
  w->app = (struct hs2n_sim_app){.struct_size = sizeof(w->app),
                                 .self = w,
                                 .configure = configure,
                                 .on_start = on_start,
                                 .on_stop = on_stop};
  config->limits = &w->limits;
  config->types = types;
  config->types_n = TYPES;
  config->app = &w->app;
}

int main(int argc, char **argv) {
  struct world *w = calloc(1, sizeof(*w));
  const struct hs2n_sim_story stories[] = {
      {.name = "messages_live_and_end_as_told_in_peace",
       .nodes = NODES,
       .configure = small_world,
       .tell = in_peace,
       .arg = w},
      {.name = "messages_live_and_end_as_told_while_nodes_and_links_fail",
       .nodes = NODES,
       .configure = small_world,
       .tell = in_trouble,
       .arg = w},
  };

  int code;

  if (w == NULL) {
    return 1;
  }
  code = story_main(stories, sizeof(stories) / sizeof(stories[0]), argc, argv);
  book_fini(&w->book);
  free(w);
  return code;
}
