/* hs2net-incast: what comes of it when a whole committee speaks to one leader
 * at one moment.
 *
 *   hs2net-incast [--quick] [--json FILE]
 *
 * Real nodes on the simulator's virtual time, 20 ms from the leader, whose
 * downlink is shared: 100 Mbit/s with a bounded queue before it, of which the
 * rest is lost.  The worst case on purpose: every clock is the same, and so is
 * every way.  Two stories:
 *
 *   votes       n - 1 votes of 150 bytes, in datagrams, view after view, the
 *               first after a minute of silence.
 *   new views   The old leader has crashed, all time-outs end together, and
 *               n - 2 new-view messages of 800 bytes go to the next leader.
 *
 * Each is told as it is, and with the senders' moments spread over a window by
 * the application. */
#include "histogram.h"
#include "json.h"

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>
#include <stdlib.h>
#include <string.h>

enum { VOTE, NEW_VIEW }; /* types */
enum { LEADER = 0, SEED = 1, BODY_MAX = 800, DELAY_MS = 20 };

#define VIEW_EVERY HS2N_S(2)
#define DOWNLINK_BYTES_PER_S 12500000u
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
  uint32_t queue_bytes;
  hs2n_time window; /* 0: all at one moment */
};

struct figures {
  uint64_t sent, came;
  uint64_t lost;                    /* datagrams, to the leader's queue */
  uint64_t p50, p99, most;          /* us, from the view's moment */
  uint64_t quorum_p50, quorum_most; /* us, until the leader has 2f + 1 */
};

struct world {
  const struct setting *setting;
  struct hs2n_sim *sim;
  struct hs2n_limits limits;
  struct hs2n_sim_app app;
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

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  (void)node;
  (void)config;
  out->self = self;
  out->on_message = on_message;
}

/* A star is enough: who votes speaks to the leader alone. */
static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  const struct world *w = self;
  const uint32_t n = node == LEADER ? w->setting->nodes : 2;
  struct hs2n_member *members = calloc(n, sizeof(*members));

  (void)disk;
  must("memory", members != NULL);
  for (uint32_t i = 0; i < n; i++) {
    members[i] = hs2n_sim_member(w->sim, node == LEADER || i == 0 ? i : node);
  }
  must("members",
       hs2n_set_members(handle, HS2N_SIM_EPOCH, members, n, 0) == HS2N_OK);
  free(members);
}

static hs2n_time slot(const struct world *w, uint32_t node) {
  return w->setting->window * node / w->setting->nodes;
}

static hs2n_time deadline(void *self, uint32_t node) {
  const struct world *w = self;

  return node == LEADER || w->moment == 0 || w->spoke[node]
             ? HS2N_TIME_NEVER
             : w->moment + slot(w, node);
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
  must("start",
       hs2n_sim_start_all(w->sim) && hs2n_sim_settle(w->sim, HS2N_S(60)));
}

static void advance(struct world *w, hs2n_time length) {
  if (!hs2n_sim_run(w->sim, length)) {
    must(hs2n_sim_failure(w->sim), false);
  }
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

static struct figures take(const struct world *w, uint64_t lost) {
  return (struct figures){
      .sent = w->sent,
      .came = w->came,
      .lost = lost_of(w) - lost,
      .p50 = histogram_percentile(&w->each, 0.5) / 1000,
      .p99 = histogram_percentile(&w->each, 0.99) / 1000,
      .most = histogram_percentile(&w->each, 1) / 1000,
      .quorum_p50 = histogram_percentile(&w->quorum, 0.5) / 1000,
      .quorum_most = histogram_percentile(&w->quorum, 1) / 1000,
  };
}

static struct figures run(const struct setting *s, unsigned views) {
  const struct hs2n_sim_port down = {.bytes_per_s = DOWNLINK_BYTES_PER_S,
                                     .queue_bytes = s->queue_bytes};
  struct world *w = calloc(1, sizeof(*w));
  struct figures f;
  uint64_t lost;

  must("memory", w != NULL);
  w->setting = s;
  make(w);
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

#define ON(kind, n, kib, ms, label)                                      \
  {                                                                      \
    .name = label, .type = kind, .nodes = n, .queue_bytes = (kib)*1024u, \
    .window = HS2N_MS((unsigned)ms)                                      \
  }

enum {
  VOTES_100,
  VOTES_300,
  VOTES_300_SHALLOW,
  VOTES_300_SPREAD,
  NEW_VIEWS_100,
  NEW_VIEWS_100_SPREAD,
  NEW_VIEWS_100_DEEP,
  NEW_VIEWS_300,
  NEW_VIEWS_300_SPREAD,
  NEW_VIEWS_300_DEEP,
  SETTINGS
};

/* The windows are about what the leader's downlink takes for it all. */
static const struct setting settings[SETTINGS] = {
    [VOTES_100] = ON(VOTE, 100, 64, 0, "votes"),
    [VOTES_300] = ON(VOTE, 300, 64, 0, "votes"),
    [VOTES_300_SHALLOW] = ON(VOTE, 300, 16, 0, "votes"),
    [VOTES_300_SPREAD] = ON(VOTE, 300, 16, 5, "votes, spread"),
    [NEW_VIEWS_100] = ON(NEW_VIEW, 100, 64, 0, "new views"),
    [NEW_VIEWS_100_SPREAD] = ON(NEW_VIEW, 100, 64, 5, "new views, spread"),
    [NEW_VIEWS_100_DEEP] = ON(NEW_VIEW, 100, 256, 0, "new views"),
    [NEW_VIEWS_300] = ON(NEW_VIEW, 300, 64, 0, "new views"),
    [NEW_VIEWS_300_SPREAD] = ON(NEW_VIEW, 300, 64, 20, "new views, spread"),
    [NEW_VIEWS_300_DEEP] = ON(NEW_VIEW, 300, 256, 0, "new views"),
};

/* ---- what comes of it -----------------------------------------------------
 */

static void print(const struct setting *s, const struct figures *f) {
  printf("%-18s %5u %6u %7.0f %8.1f %8.1f %8.1f %8.1f %8.1f %8.1f\n", s->name,
         s->nodes, s->queue_bytes / 1024, (double)s->window / 1e6,
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
  json_u64(j, "queue_bytes", s->queue_bytes);
  json_u64(j, "window_us", s->window / 1000);
  json_u64(j, "messages", f->sent);
  json_u64(j, "datagrams_lost", f->lost);
  json_u64(j, "p50_us", f->p50);
  json_u64(j, "p99_us", f->p99);
  json_u64(j, "max_us", f->most);
  json_u64(j, "quorum_p50_us", f->quorum_p50);
  json_u64(j, "quorum_max_us", f->quorum_most);
  json_end(j);
}

static bool write_json(const struct figures *figures, const char *path) {
  FILE *out = fopen(path, "we");
  struct json j;
  bool ok;

  if (out == NULL) {
    return false;
  }
  json_begin(&j, out);
  json_object(&j, NULL);
  json_text(&j, "program", "hs2net-incast");
  json_text(&j, "versions", hs2n_version_long());
  json_array(&j, "rows");
  for (size_t i = 0; i < SETTINGS; i++) {
    write_row(&j, &settings[i], &figures[i]);
  }
  json_end(&j);
  json_end(&j);
  ok = json_finish(&j);
  return fclose(out) == 0 && ok;
}

static bool promise(bool kept, const char *what) {
  if (!kept) {
    fprintf(stderr, "hs2net-incast: %s\n", what);
  }
  return kept;
}

/* What a change must not lose; RTT is the round trip of an idle path. */
static bool promises(const struct figures *f) {
  const uint64_t rtt = 2000 * DELAY_MS;
  bool ok = true;

  for (size_t i = 0; i < SETTINGS; i++) {
    ok &= promise(f[i].came == f[i].sent, "a message did not come");
    ok &= promise(settings[i].window == 0 || f[i].lost == 0,
                  "spread messages were lost");
  }
  ok &= promise(f[VOTES_100].lost == 0 && f[VOTES_300].lost == 0,
                "votes do not fit into a queue of 64 KiB");
  ok &= promise(f[NEW_VIEWS_100].lost > 0 && f[NEW_VIEWS_300].lost > 0,
                "the queue is no bottleneck: nothing is measured");
  ok &= promise(f[NEW_VIEWS_100].quorum_most < rtt,
                "losses at n = 100 hold the quorum up");
  ok &= promise(f[NEW_VIEWS_100].p99 < 3 * rtt,
                "at n = 100 lost messages take three round trips");
  ok &= promise(f[NEW_VIEWS_100_DEEP].p99 < rtt,
                "at n = 100 a queue of 256 KiB is not enough");
  ok &= promise(f[NEW_VIEWS_300].quorum_most < 10 * rtt,
                "at n = 300 the quorum collapses");
  ok &= promise(f[VOTES_300_SPREAD].p99 * 2 < f[VOTES_300_SHALLOW].p99 &&
                    f[NEW_VIEWS_300_SPREAD].p99 * 2 < f[NEW_VIEWS_300].p99,
                "spreading does not help");
  return ok;
}

int main(int argc, char **argv) {
  static struct figures figures[SETTINGS];
  const char *json_path = NULL;
  bool quick = false;

  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json_path = argv[++i];
    } else {
      fprintf(stderr, "usage: hs2net-incast [--quick] [--json FILE]\n");
      return 2;
    }
  }
  printf("%-18s %5s %6s %7s %8s %8s %8s %8s %8s %8s\n", "", "nodes", "KiB",
         "over ms", "lost/100", "p50 ms", "p99 ms", "max ms", "quorum",
         "at most");
  for (size_t i = 0; i < SETTINGS; i++) {
    figures[i] = run(&settings[i], quick ? 5 : 20);
    print(&settings[i], &figures[i]);
  }
  if (json_path != NULL && !write_json(figures, json_path)) {
    perror(json_path);
    return 1;
  }
  return promises(figures) ? 0 : 1;
}
