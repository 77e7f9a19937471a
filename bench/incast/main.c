/* hs2net-incast: what comes of it when a whole committee speaks to one leader
 * at one moment.
 *
 *   hs2net-incast [--quick] [--json FILE]
 *
 * --quick tells some settings only, and fewer views of them.
 *
 * Real nodes on the simulator's virtual time, 20 ms from the leader, whose
 * downlink is shared: 100 Mbit/s (or 1 Gbit/s) with a bounded queue before it,
 * of which the rest is lost.  The worst case on purpose: every clock is the
 * same, and so is every way.  Two stories:
 *
 *   votes       n - 1 votes of 150 bytes, in datagrams, view after view, the
 *               first after a minute of silence.
 *   new views   The old leader has crashed, all time-outs end together, and
 *               n - 2 new-view messages of 800 bytes go to the next leader.
 *
 * Each is told twice: as it is by default, spread by the library (see
 * hs2n_enter_view), and with that turned off.  In the column "held", of a
 * hundred messages, are those that did not leave at once. */
#include "histogram.h"
#include "json.h"
#include "measure.h"

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "hs2net-incast"

enum { VOTE, NEW_VIEW }; /* types */
enum { LEADER = 0, SEED = 1, BODY_MAX = 800, DELAY_MS = 20 };

#define VIEW_EVERY HS2N_S(2)
#define BEFORE HS2N_MS(200) /* the view is entered before all speak */

static const struct hs2n_type types[] = {
    {.id = VOTE, .lane = HS2N_LANE_VOTE, .size_max = 512, .name = "vote"},
    {.id = NEW_VIEW,
     .lane = HS2N_LANE_CONTROL,
     .size_max = BODY_MAX,
     .name = "new view"},
};

/* One way to run. */
struct setting {
  const char *name;
  uint8_t type;
  uint32_t nodes;
  uint32_t mbit_per_s; /* of the downlink */
  uint32_t queue_bytes;
  bool quick;  /* told with --quick too */
  bool spread; /* by the library, with its defaults */
};

struct figures {
  uint64_t sent, came;
  uint64_t held;                    /* messages that were not sent at once */
  uint64_t lost;                    /* datagrams, to the leader's queue */
  uint64_t p50, p99, most;          /* us, from the view's moment */
  uint64_t quorum_p50, quorum_most; /* us, until the leader has 2f + 1 */
};

struct world {
  const struct setting *setting;
  struct hs2n_sim *sim;
  struct hs2n_limits limits;
  struct hs2n_sim_app app;
  uint32_t up;      /* members with a connection to the leader */
  hs2n_time moment; /* when the current view's messages are due; 0: none */
  bool *spoke;      /* of each node, in this view */
  uint32_t in_view; /* messages that came of it, the leader's own included */
  uint64_t sent, came;
  struct histogram each, quorum;
};

static void must(const char *what, bool ok) {
  if (!ok) {
    fprintf(stderr, "hs2net-incast: %s\n", what);
    exit(1);
  }
}

/* ---- what runs on the nodes -----------------------------------------------
 */

static uint32_t quorum_of(uint32_t nodes) {
  return 2 * ((nodes - 1) / 3) + 1;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct world *w = self;
  hs2n_time moment;

  (void)from;
  (void)id;
  memcpy(&moment, hs2n_buf_span(msg->body).data, sizeof(moment));
  histogram_record(&w->each, hs2n_sim_now(w->sim) - moment);
  w->came++;
  w->in_view += moment == w->moment;
  if (moment == w->moment && w->in_view == quorum_of(w->setting->nodes)) {
    histogram_record(&w->quorum, hs2n_sim_now(w->sim) - moment);
  }
  return HS2N_ACCEPT;
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct world *w = self;

  (void)peer;
  (void)reason;
  w->up += state == HS2N_PEER_UP;
  w->up -= state == HS2N_PEER_DOWN;
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  (void)config;
  out->self = self;
  out->on_message = on_message;
  out->on_peer = node == LEADER ? on_peer : NULL;
}

/* All are members for all, but a star of connections is enough: who votes
 * speaks to the leader alone, and has the address of nobody else. */
static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  const struct world *w = self;
  const uint32_t n = w->setting->nodes;
  struct hs2n_member *members = calloc(n, sizeof(*members));

  (void)disk;
  must("memory", members != NULL);
  for (uint32_t i = 0; i < n; i++) {
    members[i] = hs2n_sim_member(w->sim, i);
    members[i].addrs_n = node != LEADER && i == LEADER ? members[i].addrs_n : 0;
  }
  must("members",
       hs2n_set_members(handle, HS2N_SIM_EPOCH, members, n, 0) == HS2N_OK);
  free(members);
}

static hs2n_time deadline(void *self, uint32_t node) {
  const struct world *w = self;

  return node == LEADER || w->moment == 0 || w->spoke[node] ? HS2N_TIME_NEVER
                                                            : w->moment;
}

static struct hs2n_peer leader_of(const struct world *w, uint32_t node) {
  struct hs2n_peer leader;

  must("leader", hs2n_sim_peer(w->sim, node, LEADER, &leader) == HS2N_OK);
  return leader;
}

static void speak(struct world *w, uint32_t node) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER,
                               .peer = leader_of(w, node)};
  const bool vote = w->setting->type == VOTE;
  uint8_t bytes[BODY_MAX] = {0};
  struct hs2n_msg msg = {.type = w->setting->type,
                         .flags = vote ? HS2N_MSG_DATAGRAM_OK : 0};

  memcpy(bytes, &w->moment, sizeof(w->moment));
  must("body", hs2n_buf_new(&msg.body, hs2n_mem_libc(),
                            (struct hs2n_span){bytes, vote ? 150 : BODY_MAX}) ==
                   HS2N_OK);
  must("send",
       hs2n_send(hs2n_sim_node(w->sim, node), &dst, &msg, NULL) == HS2N_OK);
  hs2n_buf_unref(msg.body);
  w->sent++;
}

static void tick(void *self, uint32_t node, hs2n_time now) {
  struct world *w = self;

  if (deadline(w, node) <= now) {
    w->spoke[node] = true;
    speak(w, node);
  }
}

/* ---- one run --------------------------------------------------------------
 */

static void make(struct world *w) {
  const struct setting *s = w->setting;
  const struct hs2n_sim_link link = {.delay = HS2N_MS(DELAY_MS)};
  struct hs2n_sim_config config;

  w->app = (struct hs2n_sim_app){.struct_size = sizeof(w->app),
                                 .self = w,
                                 .configure = configure,
                                 .on_start = on_start,
                                 .deadline = deadline,
                                 .tick = tick};
  hs2n_limits_default(&w->limits);
  w->limits.peers_max = s->nodes;
  w->limits.spread_us_max = s->spread ? w->limits.spread_us_max : 0;
  hs2n_sim_config_default(&config, s->nodes, SEED);
  config.limits = &w->limits;
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
  config.app = &w->app;
  config.manual_members = true;
  w->spoke = calloc(s->nodes, sizeof(*w->spoke));
  must("memory", w->spoke != NULL);
  must("simulator", hs2n_sim_new(&w->sim, &config) == HS2N_OK);
  must("link",
       hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link) == HS2N_OK);
}

static void advance(struct world *w, hs2n_time length) {
  if (!hs2n_sim_run(w->sim, length)) {
    must(hs2n_sim_failure(w->sim), false);
  }
}

static void start(struct world *w) {
  must("start", hs2n_sim_start_all(w->sim));
  for (unsigned s = 0; s < 60 && w->up < w->setting->nodes - 1; s++) {
    advance(w, HS2N_S(1));
  }
  must("a member is not connected", w->up == w->setting->nodes - 1);
}

/* All enter the view, and speak a little later at one moment. */
static void one_view(struct world *w, uint64_t view) {
  w->moment = hs2n_sim_now(w->sim) + BEFORE;
  w->in_view = 1;
  for (uint32_t i = 1; i < w->setting->nodes; i++) {
    if (hs2n_sim_running(w->sim, i)) {
      const struct hs2n_peer leader = leader_of(w, i);

      w->spoke[i] = false;
      must("view", hs2n_enter_view(hs2n_sim_node(w->sim, i), view, &leader,
                                   1) == HS2N_OK);
      hs2n_sim_flush(w->sim, i);
    }
  }
  advance(w, VIEW_EVERY);
}

static uint64_t lost_of(const struct world *w) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(w->sim, &stats);
  return stats.lost_queue;
}

static uint64_t held_of(const struct world *w) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};
  uint64_t sum = 0;

  for (uint32_t i = 0; i < w->setting->nodes; i++) {
    if (hs2n_sim_running(w->sim, i)) {
      hs2n_node_stats(hs2n_sim_node(w->sim, i), &stats);
      sum += stats.messages_spread;
    }
  }
  return sum;
}

static struct figures take(const struct world *w, uint64_t lost) {
  return (struct figures){
      .sent = w->sent,
      .came = w->came,
      .held = held_of(w),
      .lost = lost_of(w) - lost,
      .p50 = histogram_percentile(&w->each, 0.5) / 1000,
      .p99 = histogram_percentile(&w->each, 0.99) / 1000,
      .most = histogram_percentile(&w->each, 1) / 1000,
      .quorum_p50 = histogram_percentile(&w->quorum, 0.5) / 1000,
      .quorum_most = histogram_percentile(&w->quorum, 1) / 1000,
  };
}

static struct figures run(const struct setting *s, unsigned views) {
  const struct hs2n_sim_port down = {.bytes_per_s = s->mbit_per_s * 125000u,
                                     .queue_bytes = s->queue_bytes};
  struct world *w = calloc(1, sizeof(*w));
  struct figures f;
  uint64_t lost;

  must("memory", w != NULL);
  w->setting = s;
  make(w);
  start(w);
  hs2n_sim_set_ports(w->sim, LEADER, NULL, &down);
  if (s->type == NEW_VIEW) {
    hs2n_sim_crash(w->sim, s->nodes - 1, false);
  }
  advance(w, HS2N_S(60));
  lost = lost_of(w);
  for (unsigned i = 1; i <= views; i++) {
    one_view(w, i);
  }
  f = take(w, lost);
  must("a view had no quorum", w->quorum.count == views);
  hs2n_sim_free(w->sim);
  free(w->spoke);
  free(w);
  return f;
}

/* ---- the settings ---------------------------------------------------------
 */

/* One setting, all at once and then spread; also with --quick, or not. */
#define ROW(kind, n, mbit, kib, also_quick, by_library, label)            \
  {                                                                       \
    .name = label, .type = kind, .nodes = n, .mbit_per_s = mbit,          \
    .queue_bytes = (kib)*1024u, .quick = also_quick, .spread = by_library \
  }
#define BOTH(at, kind, n, mbit, kib, quick, label)     \
  [at] = ROW(kind, n, mbit, kib, quick, false, label), \
  [at + SPREAD] = ROW(kind, n, mbit, kib, quick, true, label ", spread")

enum {
  SPREAD = 1,
  VOTES_60 = 0,
  VOTES_100 = 2,
  VOTES_300 = 4,
  VOTES_300_SHALLOW = 6,
  VOTES_300_FAST = 8,
  NEW_VIEWS_60 = 10,
  NEW_VIEWS_100 = 12,
  NEW_VIEWS_100_DEEP = 14,
  NEW_VIEWS_300 = 16,
  NEW_VIEWS_300_DEEP = 18,
  NEW_VIEWS_300_FAST = 20,
  SETTINGS = 22
};

static const struct setting settings[SETTINGS] = {
    BOTH(VOTES_60, VOTE, 60, 100, 64, false, "votes"),
    BOTH(VOTES_100, VOTE, 100, 100, 64, true, "votes"),
    BOTH(VOTES_300, VOTE, 300, 100, 64, false, "votes"),
    BOTH(VOTES_300_SHALLOW, VOTE, 300, 100, 16, true, "votes"),
    BOTH(VOTES_300_FAST, VOTE, 300, 1000, 64, true, "votes"),
    BOTH(NEW_VIEWS_60, NEW_VIEW, 60, 100, 64, true, "new views"),
    BOTH(NEW_VIEWS_100, NEW_VIEW, 100, 100, 64, true, "new views"),
    BOTH(NEW_VIEWS_100_DEEP, NEW_VIEW, 100, 100, 256, false, "new views"),
    BOTH(NEW_VIEWS_300, NEW_VIEW, 300, 100, 64, true, "new views"),
    BOTH(NEW_VIEWS_300_DEEP, NEW_VIEW, 300, 100, 256, false, "new views"),
    BOTH(NEW_VIEWS_300_FAST, NEW_VIEW, 300, 1000, 64, false, "new views"),
};

/* ---- what comes of it -----------------------------------------------------
 */

static void print(const struct setting *s, const struct figures *f) {
  printf("%-17s %5u %6u %5u %6.1f %7.1f %7.1f %7.1f %7.1f %7.1f %7.1f\n",
         s->name, s->nodes, s->mbit_per_s, s->queue_bytes / 1024,
         100.0 * (double)f->held / (double)f->sent,
         100.0 * (double)f->lost / (double)f->sent, (double)f->p50 / 1e3,
         (double)f->p99 / 1e3, (double)f->most / 1e3,
         (double)f->quorum_p50 / 1e3, (double)f->quorum_most / 1e3);
  fflush(stdout);
}

static void write_row(struct json *j, const struct setting *s,
                      const struct figures *f) {
  json_object(j, NULL);
  json_text(j, "name", s->name);
  json_u64(j, "nodes", s->nodes);
  json_u64(j, "mbit_per_s", s->mbit_per_s);
  json_u64(j, "queue_bytes", s->queue_bytes);
  json_bool(j, "spread", s->spread);
  json_u64(j, "messages", f->sent);
  json_u64(j, "messages_held", f->held);
  json_u64(j, "datagrams_lost", f->lost);
  json_u64(j, "p50_us", f->p50);
  json_u64(j, "p99_us", f->p99);
  json_u64(j, "max_us", f->most);
  json_u64(j, "quorum_p50_us", f->quorum_p50);
  json_u64(j, "quorum_max_us", f->quorum_most);
  json_end(j);
}

static void write_rows(struct json *j, const void *data) {
  const struct figures *const figures = data;

  json_text(j, "versions", hs2n_version_long());
  json_array(j, "rows");
  for (size_t i = 0; i < SETTINGS; i++) {
    if (figures[i].sent > 0) {
      write_row(j, &settings[i], &figures[i]);
    }
  }
  json_end(j);
}

static bool promise(bool kept, const char *what) {
  return measure_promise(PROGRAM, kept, what);
}

/* Whether the row is at least as good as the other; times are of histograms,
 * which are exact to some 2 %. */
static bool no_worse(const struct figures *row, const struct figures *other) {
  return row->lost <= other->lost && row->p50 * 50 <= other->p50 * 51 &&
         row->p99 * 50 <= other->p99 * 51 &&
         row->quorum_most * 50 <= other->quorum_most * 51;
}

/* What a change must not lose. */
static bool promises(const struct figures *f) {
  const uint64_t rtt = 2000 * DELAY_MS;
  bool ok = true;

  for (size_t i = 0; i < SETTINGS; i += 2) {
    const struct figures *at_once = &f[i], *spread = &f[i + SPREAD];

    if (at_once->sent == 0) {
      continue; /* --quick */
    }
    ok &=
        promise(at_once->came == at_once->sent && spread->came == spread->sent,
                "a message did not come");
    ok &= promise(at_once->held == 0, "messages wait though they should not");
    ok &= promise(settings[i].nodes >= 64 || spread->held == 0,
                  "a small committee waits");
    ok &= promise(spread->lost == 0 && spread->quorum_most < rtt,
                  "spread messages are lost or hold the quorum up");
    ok &= promise(settings[i].mbit_per_s > 100 || no_worse(spread, at_once),
                  "spreading costs something on 100 Mbit/s");
  }
  ok &= promise(f[VOTES_100 + SPREAD].held == 0, "100 votes are held back");
  ok &= promise(f[VOTES_300_SHALLOW].lost > 0 && f[NEW_VIEWS_100].lost > 0 &&
                    f[NEW_VIEWS_300].lost > 0,
                "the queue is no bottleneck: nothing is measured");
  ok &= promise(f[VOTES_300_SHALLOW + SPREAD].p99 * 2 <
                        f[VOTES_300_SHALLOW].p99 &&
                    f[NEW_VIEWS_300 + SPREAD].p99 * 2 < f[NEW_VIEWS_300].p99,
                "spreading does not help");
  ok &= promise(f[VOTES_300_FAST + SPREAD].quorum_most <
                    f[VOTES_300_FAST].quorum_most + rtt / 8,
                "votes cost more than an eighth of a round trip");
  return ok;
}

int main(int argc, char **argv) {
  static struct figures figures[SETTINGS];
  struct measure_args args;

  if (!measure_args(PROGRAM, argc, argv, &args)) {
    return 2;
  }
  printf("%-17s %5s %6s %5s %6s %7s %7s %7s %7s %7s %7s\n", "", "nodes",
         "Mbit/s", "KiB", "held", "lost", "p50 ms", "p99 ms", "max ms",
         "quorum", "at most");
  for (size_t i = 0; i < SETTINGS; i++) {
    if (settings[i].quick || !args.quick) {
      figures[i] = run(&settings[i], args.quick ? 5 : 20);
      print(&settings[i], &figures[i]);
    }
  }
  if (args.json != NULL &&
      !json_file(args.json, PROGRAM, write_rows, figures)) {
    return 1;
  }
  return promises(figures) ? 0 : 1;
}
