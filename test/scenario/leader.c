/* leader: three hundred nodes speak to one leader at one moment.
 *
 *   leader
 *
 * Three regions, 2, 40 and 90 ms from where the leaders are, whose downlinks of
 * 100 Mbit/s have a queue of 64 KiB in front.  Two stories, each told with the
 * library's spreading and without:
 *
 *   votes       after a minute in which nothing at all was sent, view after
 *               view with another leader.
 *   new views   the same with 1,000 bytes, as after a time-out.
 *
 * Prints how long the messages and a quorum of them took.  No vote may need a
 * time-out after the silence.  Of new views many get lost when they are sent at
 * once; spread, few do: of the near ones, whose round trip bounds the window.
 */
#include "stories.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES 300
#define LEADERS 2 /* nodes 0 and 3: both in the first region */
#define REGIONS 3
#define QUORUM 200 /* 2f + 1, less the leader's own */
#define VOTE 150
#define NEW_VIEW 1000
#define SILENCE HS2N_S(60)
#define BEFORE HS2N_MS(200) /* the view is entered before all speak */
#define AFTER HS2N_S(3)

enum { TYPE_VOTE, TYPE_NEW_VIEW };

static const struct hs2n_type types[] = {
    {.id = TYPE_VOTE, .lane = HS2N_LANE_VOTE, .size_max = VOTE, .name = "vote"},
    {.id = TYPE_NEW_VIEW,
     .lane = HS2N_LANE_CONTROL,
     .size_max = NEW_VIEW,
     .name = "new view"},
};

static const hs2n_time rtts[REGIONS * REGIONS] = {
    HS2N_MS(2),  HS2N_MS(40), HS2N_MS(90), HS2N_MS(40), HS2N_MS(2),
    HS2N_MS(80), HS2N_MS(90), HS2N_MS(80), HS2N_MS(2),
};

struct committee {
  struct hs2n_sim *sim;
  uint32_t up; /* connections of leaders */
  uint64_t view;
  uint8_t type;
  uint32_t leader;
  hs2n_time moment; /* when all speak; 0: not now */
  bool spoke[NODES];
  hs2n_time took[NODES]; /* of this view, in the order of arrival */
  size_t came;
  hs2n_time most[REGIONS];           /* of this view, by where the sender is */
  struct hs2n_member members[NODES]; /* scratch */
};

/* What became of the messages of one view. */
struct figures {
  hs2n_time p50, p99, quorum, most[REGIONS];
  uint64_t lost, copied, packets_most;
};

static uint32_t leader_of(uint64_t view) {
  return (uint32_t)(view % LEADERS) * REGIONS;
}

static bool is_leader(uint32_t node) {
  return node % REGIONS == 0 && node / REGIONS < LEADERS;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct committee *c = self;
  const hs2n_time took = hs2n_sim_now(c->sim) - c->moment;
  const uint8_t region = hs2n_buf_span(msg->body).data[0];

  (void)from;
  (void)id;
  story_must(c->sim, msg->view == c->view && c->came < NODES, "stray message");
  c->took[c->came++] = took;
  c->most[region] = took > c->most[region] ? took : c->most[region];
  return HS2N_ACCEPT;
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct committee *c = self;

  (void)peer;
  (void)reason;
  c->up += state == HS2N_PEER_UP;
  c->up -= state == HS2N_PEER_DOWN;
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  (void)config;
  out->self = self;
  out->on_message = on_message;
  out->on_peer = is_leader(node) ? on_peer : NULL;
}

/* Everybody knows all members, but to spare connections only the addresses of
 * those that will lead. */
static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  struct committee *c = self;
  struct hs2n_member *members = c->members;

  (void)disk;
  for (uint32_t i = 0; i < NODES; i++) {
    members[i] = hs2n_sim_member(c->sim, i);
    members[i].addrs_n =
        !is_leader(node) && is_leader(i) ? members[i].addrs_n : 0;
  }
  story_must(c->sim,
             hs2n_set_members(handle, HS2N_SIM_EPOCH, members, NODES, 0) ==
                 HS2N_OK,
             "no members");
}

static bool speaks(const struct committee *c, uint32_t node) {
  return c->moment != 0 && !is_leader(node) && !c->spoke[node];
}

static hs2n_time deadline(void *self, uint32_t node) {
  const struct committee *c = self;

  return speaks(c, node) ? c->moment : HS2N_TIME_NEVER;
}

static struct hs2n_peer peer_of(const struct committee *c, uint32_t node,
                                uint32_t other) {
  struct hs2n_peer peer = {0};

  story_must(c->sim, hs2n_sim_peer(c->sim, node, other, &peer) == HS2N_OK,
             "no peer");
  return peer;
}

static void tick(void *self, uint32_t node, hs2n_time now) {
  struct committee *c = self;
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = peer_of(c, node, c->leader)};
  struct hs2n_msg msg = {.type = c->type,
                         .flags =
                             c->type == TYPE_VOTE ? HS2N_MSG_DATAGRAM_OK : 0,
                         .view = c->view};
  uint8_t *data;
  int err;

  if (!speaks(c, node) || now < c->moment) {
    return;
  }
  c->spoke[node] = true;
  err = hs2n_buf_alloc(&msg.body, hs2n_mem_libc(),
                       c->type == TYPE_VOTE ? VOTE : NEW_VIEW, &data);
  if (err == HS2N_OK) {
    memset(data, (int)(node % REGIONS), c->type == TYPE_VOTE ? VOTE : NEW_VIEW);
    err = hs2n_send(hs2n_sim_node(c->sim, node), &dst, &msg, NULL);
    hs2n_buf_unref(msg.body);
  }
  story_must(c->sim, err == HS2N_OK, hs2n_err_name(err));
}

/* ---- one view -------------------------------------------------------------
 */

static void enter_view(struct committee *c, uint64_t view) {
  c->view = view;
  c->leader = leader_of(view);
  c->moment = hs2n_sim_now(c->sim) + BEFORE;
  c->came = 0;
  memset(c->spoke, 0, sizeof(c->spoke));
  memset(c->most, 0, sizeof(c->most));
  for (uint32_t i = 0; i < NODES; i++) {
    if (!is_leader(i)) {
      const struct hs2n_peer next[2] = {peer_of(c, i, c->leader),
                                        peer_of(c, i, leader_of(view + 1))};

      story_must(c->sim,
                 hs2n_enter_view(hs2n_sim_node(c->sim, i), view, next, 2) ==
                     HS2N_OK,
                 "view");
      hs2n_sim_flush(c->sim, i);
    }
  }
}

static uint64_t copies(const struct committee *c) {
  uint64_t sum = 0;

  for (uint32_t i = 0; i < NODES; i++) {
    sum += story_node(c->sim, i).messages_copied;
  }
  return sum;
}

/* Packets that the nodes had sent to the leader. */
static void note_packets(const struct committee *c, uint64_t packets[NODES]) {
  for (uint32_t i = 0; i < NODES; i++) {
    packets[i] =
        is_leader(i) ? 0 : story_peer(c->sim, i, c->leader).packets_sent;
  }
}

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

static struct figures one_view(struct committee *c, uint8_t type) {
  uint64_t before[NODES], after[NODES];
  struct figures f = {0};
  uint64_t lost, copied;

  c->type = type;
  hs2n_sim_run(c->sim, SILENCE);
  enter_view(c, c->view + 1);
  hs2n_sim_run(c->sim, BEFORE - HS2N_MS(1));
  note_packets(c, before);
  lost = story_stats(c->sim).lost_queue;
  copied = copies(c);
  hs2n_sim_run(c->sim, AFTER);
  note_packets(c, after);
  c->moment = 0;
  story_must(c->sim, c->came == NODES - LEADERS, "messages do not come");
  for (uint32_t i = 0; i < NODES; i++) {
    const uint64_t packets = after[i] - before[i];

    f.packets_most = packets > f.packets_most ? packets : f.packets_most;
  }
  qsort(c->took, c->came, sizeof(c->took[0]), by_size);
  f.p50 = c->took[c->came / 2];
  f.p99 = c->took[c->came * 99 / 100];
  f.quorum = c->took[QUORUM - 1];
  memcpy(f.most, c->most, sizeof(f.most));
  f.lost = story_stats(c->sim).lost_queue - lost;
  f.copied = copies(c) - copied;
  return f;
}

/* ---- the stories ----------------------------------------------------------
 */

static struct hs2n_limits limits_of(bool spread) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.peers_max = NODES;
  limits.idle_ms = 600000;
  limits.keep_alive_ms = 150000; /* silence is silence */
  limits.spread_us_max = spread ? limits.spread_us_max : 0;
  return limits;
}

static bool make(struct committee *c, const struct hs2n_sim_app *app,
                 bool spread) {
  const struct hs2n_sim_port down = {.bytes_per_s = 12500000,
                                     .queue_bytes = 64u << 10};
  const struct hs2n_limits limits = limits_of(spread);
  struct hs2n_sim_config config;

  hs2n_sim_config_default(&config, NODES, 1);
  config.app = app;
  config.limits = &limits;
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
  config.manual_members = true;
  if (hs2n_sim_new(&c->sim, &config) != HS2N_OK) {
    return false;
  }
  story_must(c->sim, hs2n_sim_set_regions(c->sim, rtts, REGIONS, 0) == HS2N_OK,
             "no regions");
  hs2n_sim_start_all(c->sim);
  hs2n_sim_run(c->sim, HS2N_S(10));
  story_must(c->sim, c->up == LEADERS * (NODES - LEADERS), "no star");
  for (uint64_t i = 0; i < LEADERS; i++) {
    hs2n_sim_set_ports(c->sim, leader_of(i), NULL, &down);
  }
  return true;
}

static void print(const char *what, bool spread, struct figures f) {
  printf("%-10s %-11s p50 %5.1f ms, p99 %6.1f ms, quorum %6.1f ms; %llu lost, "
         "%llu copied, at most %llu packets of a node\n",
         what, spread ? "spread" : "at once", (double)f.p50 / 1e6,
         (double)f.p99 / 1e6, (double)f.quorum / 1e6,
         (unsigned long long)f.lost, (unsigned long long)f.copied,
         (unsigned long long)f.packets_most);
}

/* What both leaders saw. */
struct told {
  struct figures votes[LEADERS], new_views[LEADERS];
};

static bool tell(bool spread, struct told *out) {
  static struct committee c;
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = &c,
                                   .configure = configure,
                                   .on_start = on_start,
                                   .deadline = deadline,
                                   .tick = tick};
  bool well;

  memset(&c, 0, sizeof(c));
  if (!make(&c, &app, spread)) {
    return false;
  }
  for (unsigned i = 0; i < LEADERS; i++) {
    out->votes[i] = one_view(&c, TYPE_VOTE);
    print("votes", spread, out->votes[i]);
  }
  for (unsigned i = 0; i < LEADERS; i++) {
    out->new_views[i] = one_view(&c, TYPE_NEW_VIEW);
    print("new views", spread, out->new_views[i]);
  }
  well = hs2n_sim_failure(c.sim) == NULL;
  if (!well) {
    printf("%s\n", hs2n_sim_failure(c.sim));
  }
  hs2n_sim_free(c.sim);
  return well;
}

static bool promise(bool kept, const char *what) {
  if (!kept) {
    printf("%s\n", what);
  }
  return kept;
}

/* All votes of 300 pass the downlink in this. */
#define DOWNLINK HS2N_MS(7)

/* A time-out would be a round trip and the 25 ms that a peer may take to
 * acknowledge (RFC 9002, 6.2.1), at the least. */
static bool no_time_out(const struct figures *f) {
  bool ok = f->lost == 0 && f->packets_most <= 4; /* vote, copy, two acks */

  for (unsigned i = 0; i < REGIONS; i++) {
    ok = ok && f->most[i] <= rtts[i] / 2 + rtts[i] / 8 + DOWNLINK;
  }
  return ok;
}

int main(void) {
  struct told at_once, spread;
  bool ok;

  if (!tell(false, &at_once) || !tell(true, &spread)) {
    return 1;
  }
  ok = true;
  for (unsigned i = 0; i < LEADERS; i++) {
    const struct figures *votes = &spread.votes[i];
    const struct figures *views = &spread.new_views[i];
    const struct figures *crowd = &at_once.new_views[i];

    ok &= promise(no_time_out(&at_once.votes[i]) && no_time_out(votes),
                  "a vote after the silence needed a time-out");
    ok &= promise(votes->quorum <= at_once.votes[i].quorum + HS2N_MS(1),
                  "votes that are spread are late");
    ok &= promise(crowd->lost > 100, "the queue is no bottleneck");
    ok &= promise(views->lost * 4 < crowd->lost, "spread ones get lost");
    ok &= promise(views->p99 * 4 < crowd->p99, "some are as late as before");
    ok &= promise(views->quorum <= crowd->quorum, "the quorum is late");
  }
  return ok ? 0 : 1;
}
