/* hs2net-votes: how long votes take on a bad network, by what carries them.
 *
 *   hs2net-votes [--quick] [--json FILE]
 *
 * Two real nodes on the simulator's virtual time, so that a figure is a
 * function of the code and does not depend on the machine.  Two questions:
 *
 *   loss     A vote a view, 50 ms each way, some packets lost: votes on their
 *            lane's stream, in datagrams that are never sent again, and in
 *            datagrams with a copy on the stream when no ack comes in time.
 *   behind   Votes while proposals of 1 MiB keep a link of 10 Mbit/s full: in
 *            the proposals' lane, in a lane of their own, and in datagrams;
 *            and the same where the node knows 98 % of the link's rate. */
#include "histogram.h"
#include "json.h"
#include "measure.h"

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "hs2net-votes"

enum { VOTE, PROPOSAL, VOTE_BEHIND }; /* types */
enum { VOTE_LEN = 150, PROPOSAL_LEN = 1 << 20, SEED = 1 };

static const struct hs2n_type types[] = {
    {.id = VOTE, .lane = HS2N_LANE_VOTE, .size_max = 512, .name = "vote"},
    {.id = PROPOSAL,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = PROPOSAL_LEN,
     .name = "proposal"},
    {.id = VOTE_BEHIND,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 512,
     .name = "vote in the proposals' lane"},
};

/* One way to run. */
struct setting {
  const char *question;
  const char *name;
  uint8_t type;
  uint32_t flags;
  uint32_t copy_permille; /* 0: the default */
  bool never_copied;
  bool proposals;
  uint64_t uplink_bits_per_s; /* that the nodes know of */
  uint32_t loss_ppm;
  hs2n_time every;
  struct hs2n_sim_link link;
};

struct figures {
  unsigned sent, came;
  uint64_t p50, p99, p999, most; /* us */
  double bytes;                  /* of UDP payload a vote, both ways */
  double copies;                 /* a vote */
  double proposals;              /* 1 MiB bodies a second */
};

struct world {
  const struct setting *setting;
  struct hs2n_sim *sim;
  struct hs2n_limits limits;
  struct hs2n_peer peer; /* node 1, for node 0 */
  struct hs2n_buf *proposal;
  unsigned votes, sent;
  hs2n_time next;
  unsigned proposals_open, proposals_done;
  struct histogram latency;
  unsigned came;
};

static void must(const char *what, bool ok) {
  if (!ok) {
    fprintf(stderr, "hs2net-votes: %s\n", what);
    exit(1);
  }
}

/* ---- what runs on the nodes -----------------------------------------------
 */

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct world *w = self;
  hs2n_time sent;

  (void)from;
  (void)id;
  if (msg->type != PROPOSAL) {
    memcpy(&sent, hs2n_buf_span(msg->body).data, sizeof(sent));
    histogram_record(&w->latency, hs2n_sim_now(w->sim) - sent);
    w->came++;
  }
  return HS2N_ACCEPT;
}

static void send_proposals(struct world *w) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = w->peer};
  const struct hs2n_msg msg = {
      .type = PROPOSAL, .flags = HS2N_MSG_ACK, .body = w->proposal};
  struct hs2n_tag tag;

  while (w->setting->proposals && w->proposals_open < 3) {
    must("proposal",
         hs2n_send(hs2n_sim_node(w->sim, 0), &dst, &msg, &tag) == HS2N_OK);
    w->proposals_open++;
  }
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct world *w = self;

  (void)tag;
  must("a proposal was not taken", done->outcome == HS2N_DONE_ACKED);
  w->proposals_open--;
  w->proposals_done++;
  send_proposals(w);
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  const struct world *w = self;

  (void)node;
  config->uplink_bits_per_s = w->setting->uplink_bits_per_s;
  out->self = self;
  out->on_message = on_message;
  out->on_done = on_done;
}

static hs2n_time deadline(void *self, uint32_t node) {
  const struct world *w = self;

  return node == 0 && w->sent < w->votes ? w->next : HS2N_TIME_NEVER;
}

static void send_vote(struct world *w, hs2n_time now) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = w->peer};
  const hs2n_time at = hs2n_sim_now(w->sim);
  uint8_t bytes[VOTE_LEN] = {0};
  struct hs2n_msg msg = {
      .type = w->setting->type,
      .flags = w->setting->flags,
      .deadline = w->setting->never_copied ? now + HS2N_S(5) : 0,
  };

  memcpy(bytes, &at, sizeof(at));
  must("body",
       hs2n_buf_new(&msg.body, hs2n_mem_libc(),
                    (struct hs2n_span){bytes, sizeof(bytes)}) == HS2N_OK);
  must("vote",
       hs2n_send(hs2n_sim_node(w->sim, 0), &dst, &msg, NULL) == HS2N_OK);
  hs2n_buf_unref(msg.body);
  w->sent++;
}

static void tick(void *self, uint32_t node, hs2n_time now) {
  struct world *w = self;

  if (node == 0 && w->sent < w->votes && w->next <= now) {
    w->next += w->setting->every;
    send_vote(w, now);
  }
}

/* ---- one run --------------------------------------------------------------
 */

static bool is_up(struct hs2n_sim *sim, void *arg) {
  struct world *w = arg;
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  return hs2n_sim_peer(sim, 0, 1, &w->peer) == HS2N_OK &&
         hs2n_peer_info(hs2n_sim_node(sim, 0), w->peer, &info) == HS2N_OK &&
         info.state == HS2N_PEER_UP;
}

static struct hs2n_stats stats_of(const struct world *w, uint32_t node) {
  struct hs2n_stats out = {.struct_size = sizeof(out)};

  hs2n_node_stats(hs2n_sim_node(w->sim, node), &out);
  return out;
}

static uint64_t bytes_of(const struct world *w) {
  return stats_of(w, 0).udp_bytes_sent + stats_of(w, 1).udp_bytes_sent;
}

static void make(struct world *w) {
  const struct setting *s = w->setting;
  static struct hs2n_sim_app app;
  struct hs2n_sim_config config;

  app = (struct hs2n_sim_app){.struct_size = sizeof(app),
                              .self = w,
                              .configure = configure,
                              .deadline = deadline,
                              .tick = tick};
  hs2n_limits_default(&w->limits);
  if (s->copy_permille != 0) {
    w->limits.datagram_copy_permille = s->copy_permille;
    w->limits.datagram_copy_lossy_permille = s->copy_permille;
  }
  if (s->never_copied) {
    w->limits.datagram_copy_min_ms = 10000; /* it has expired by then */
  }
  hs2n_sim_config_default(&config, 2, SEED);
  config.limits = &w->limits;
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
  config.app = &app;
  must("simulator", hs2n_sim_new(&w->sim, &config) == HS2N_OK);
  must("link", hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL,
                                 &s->link) == HS2N_OK);
  must("start", hs2n_sim_start_all(w->sim) &&
                    hs2n_sim_until(w->sim, is_up, w, HS2N_S(20)));
}

static void advance(struct world *w, hs2n_time length) {
  if (!hs2n_sim_run(w->sim, length)) {
    must(hs2n_sim_failure(w->sim), false);
  }
}

static struct figures run(const struct setting *s, unsigned votes) {
  const struct hs2n_sim_noise noise = {.loss_ppm = s->loss_ppm};
  struct world *w = calloc(1, sizeof(*w));
  struct figures f = {.sent = votes};
  uint64_t bytes;
  uint8_t *data;

  must("memory", w != NULL);
  w->setting = s;
  make(w);
  must("noise", hs2n_sim_set_noise(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL,
                                   &noise) == HS2N_OK);
  must("body", hs2n_buf_alloc(&w->proposal, hs2n_mem_libc(), PROPOSAL_LEN,
                              &data) == HS2N_OK);
  memset(data, 1, PROPOSAL_LEN);
  bytes = bytes_of(w);
  send_proposals(w);
  hs2n_sim_flush(w->sim, 0);
  w->next = hs2n_sim_clock(w->sim, 0) + HS2N_MS(1);
  w->votes = votes;
  advance(w, s->every * votes);
  f.proposals = w->proposals_done * 1e9 / (double)(s->every * votes);
  f.bytes = (double)(bytes_of(w) - bytes) / votes;
  f.copies = (double)stats_of(w, 0).messages_copied / votes;
  advance(w, HS2N_S(9));
  f.came = w->came;
  f.p50 = histogram_percentile(&w->latency, 0.5) / 1000;
  f.p99 = histogram_percentile(&w->latency, 0.99) / 1000;
  f.p999 = histogram_percentile(&w->latency, 0.999) / 1000;
  f.most = histogram_percentile(&w->latency, 1) / 1000;
  hs2n_sim_free(w->sim);
  hs2n_buf_unref(w->proposal);
  free(w);
  return f;
}

/* ---- the settings ---------------------------------------------------------
 */

#define WIDE .delay = HS2N_MS(50), .jitter = HS2N_MS(2), .overtake = true
#define NARROW \
  .delay = HS2N_MS(10), .bytes_per_s = 1250000, .queue_bytes = 25000
#define ON_WIDE(percent, label, ...)                                     \
  {                                                                      \
    .question = #percent " % lost", .name = label,                       \
    .loss_ppm = (percent)*10000u, .every = HS2N_MS(200), .link = {WIDE}, \
    __VA_ARGS__                                                          \
  }
#define ON_NARROW(label, ...)                                     \
  {                                                               \
    .question = "1 MiB bodies", .name = label, .loss_ppm = 10000, \
    .every = HS2N_MS(25), .link = {NARROW}, __VA_ARGS__           \
  }
#define KNOWN .uplink_bits_per_s = 9800000, .proposals = true
#define IN_DATAGRAMS .flags = HS2N_MSG_DATAGRAM_OK

enum {
  CALM_STREAM,
  CALM_BOTH,
  LOSSY_STREAM,
  LOSSY_DATAGRAM,
  LOSSY_BOTH,
  LOSSY_LATE,
  LOSSY_QUARTER,
  LINK_ALONE,
  LINK_SHARED,
  LINK_LANES,
  LINK_BOTH,
  KNOWN_LANES,
  KNOWN_BOTH,
  SETTINGS
};

static const struct setting settings[SETTINGS] = {
    [CALM_STREAM] = ON_WIDE(0, "stream", .type = VOTE),
    [CALM_BOTH] = ON_WIDE(0, "datagram and copy", IN_DATAGRAMS),
    [LOSSY_STREAM] = ON_WIDE(5, "stream", .type = VOTE),
    [LOSSY_DATAGRAM] =
        ON_WIDE(5, "datagram, no copy", IN_DATAGRAMS, .never_copied = true),
    [LOSSY_BOTH] = ON_WIDE(5, "datagram and copy", IN_DATAGRAMS),
    [LOSSY_LATE] = ON_WIDE(5, "datagram, copy after 9/8 RTT", IN_DATAGRAMS,
                           .copy_permille = 1125),
    [LOSSY_QUARTER] = ON_WIDE(5, "datagram, copy after 1/4 RTT", IN_DATAGRAMS,
                              .copy_permille = 250),
    [LINK_ALONE] = ON_NARROW("none: datagram and copy", IN_DATAGRAMS),
    [LINK_SHARED] =
        ON_NARROW("in one lane", .type = VOTE_BEHIND, .proposals = true),
    [LINK_LANES] = ON_NARROW("own lane: stream", .proposals = true),
    [LINK_BOTH] = ON_NARROW("own lane: datagram and copy", IN_DATAGRAMS,
                            .proposals = true),
    [KNOWN_LANES] = ON_NARROW("known link: stream", KNOWN),
    [KNOWN_BOTH] =
        ON_NARROW("known link: datagram and copy", IN_DATAGRAMS, KNOWN),
};

/* ---- what comes of it -----------------------------------------------------
 */

static void print(const struct setting *s, const struct figures *f) {
  printf("%-13s %-29s %8.1f %8.1f %8.1f %8.1f %7.2f %8.1f %7.3f %6.2f\n",
         s->question, s->name, (double)f->p50 / 1e3, (double)f->p99 / 1e3,
         (double)f->p999 / 1e3, (double)f->most / 1e3,
         100.0 * (f->sent - f->came) / f->sent, f->bytes, f->copies,
         f->proposals);
  fflush(stdout);
}

static void write_rows(struct json *j, const void *data) {
  const struct figures *const figures = data;

  json_text(j, "versions", hs2n_version_long());
  json_array(j, "rows");
  for (size_t i = 0; i < SETTINGS; i++) {
    const struct figures *f = &figures[i];

    json_object(j, NULL);
    json_text(j, "question", settings[i].question);
    json_text(j, "name", settings[i].name);
    json_u64(j, "votes", f->sent);
    json_u64(j, "lost", f->sent - f->came);
    json_u64(j, "p50_us", f->p50);
    json_u64(j, "p99_us", f->p99);
    json_u64(j, "p999_us", f->p999);
    json_u64(j, "max_us", f->most);
    json_number(j, "bytes_per_vote", f->bytes);
    json_number(j, "copies_per_vote", f->copies);
    json_number(j, "proposals_per_s", f->proposals);
    json_end(j);
  }
  json_end(j);
}

static bool promise(bool kept, const char *what) {
  return measure_promise(PROGRAM, kept, what);
}

/* What a change must not lose.  The packet time is of 1,500 bytes. */
static bool promises(const struct figures *f) {
  const uint64_t packet_us = 1500 * 8 / 10;
  bool ok = true;

  for (size_t i = 0; i < SETTINGS; i++) {
    ok &= promise(f[i].came == f[i].sent || settings[i].never_copied,
                  "a vote was lost");
  }
  ok &= promise(f[LOSSY_BOTH].p99 * 4 < f[LOSSY_STREAM].p99 * 3,
                "at 5 % loss two carriers do not save a quarter of the p99");
  ok &= promise(f[CALM_BOTH].bytes < 1.02 * f[CALM_STREAM].bytes,
                "two carriers take more bytes though nothing is lost");
  ok &= promise(f[LOSSY_LATE].bytes < 1.02 * f[LOSSY_STREAM].bytes,
                "copies on loss alone take more bytes than the stream");
  ok &= promise(f[LINK_BOTH].p99 * 10 < f[LINK_SHARED].p99,
                "a lane of its own does not help a vote");
  /* Of a packet that is being sent, and, where the link is not known, of those
   * with which BBR tries for more. */
  for (size_t i = LINK_LANES; i < SETTINGS; i++) {
    ok &= promise(f[i].p50 <= f[LINK_ALONE].p50 + packet_us,
                  "a proposal holds votes up");
    ok &= promise(f[i].proposals > 0.7, "votes hold proposals up");
  }
  ok &= promise(f[KNOWN_BOTH].p99 <= f[LINK_ALONE].p99 + packet_us,
                "a proposal holds some votes up where the link is known");
  return ok;
}

int main(int argc, char **argv) {
  static struct figures figures[SETTINGS];
  struct measure_args args;

  if (!measure_args(PROGRAM, argc, argv, &args)) {
    return 2;
  }
  printf("%-13s %-29s %8s %8s %8s %8s %7s %8s %7s %6s\n", "", "", "p50 ms",
         "p99 ms", "p999 ms", "max ms", "lost %", "B/vote", "copies", "1MiB/s");
  for (size_t i = 0; i < SETTINGS; i++) {
    const struct setting *s = &settings[i];

    figures[i] = run(s, s->every < HS2N_MS(100) ? 4000
                        : args.quick            ? 2000
                                                : 20000);
    print(s, &figures[i]);
  }
  if (args.json != NULL &&
      !json_file(args.json, PROGRAM, write_rows, figures)) {
    return 1;
  }
  return promises(figures) ? 0 : 1;
}
