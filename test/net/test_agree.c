/* test_agree: the same nodes do the same over the same link, once over real
 * sockets in namespaces of hs2net-impair and once in the simulator; what they
 * measure has to agree.
 *
 * Node 0 sends votes at a steady rate, then large bodies one after the other,
 * and takes the time from the send to node 1's application ack. */
#include "tap.h"

#include "net_world.h"

#include <hs2net/sim.h>
#include <sys/epoll.h>

#define VOTES 100
#define BODIES 5
#define SENDS (VOTES + BODIES)
#define VOTE_LEN 150
#define BODY_LEN (256u << 10)
#define VOTE_EVERY HS2N_MS(10)

/* A busy machine is late now and then; one of so many runs is not disturbed. */
#define RUNS_MAX 12
#define SLACK HS2N_MS(1)

struct link {
  const char *name;
  const char *words; /* for hs2net-impair */
  struct hs2n_sim_link sim;
};

/* What a link makes of the script. */
struct column {
  hs2n_time vote, body; /* medians */
};

/* ---- the script, on anybody's clock -------------------------------------- */

struct script {
  hs2n_time begin; /* 0: not yet */
  unsigned sent, done;
  struct hs2n_tag tags[SENDS];
  hs2n_time sent_at[SENDS];
  hs2n_time took[SENDS];
};

/* Votes by the clock; a body when all before it is done. */
static hs2n_time script_due(const struct script *s) {
  if (s->begin == 0 || s->sent == SENDS) {
    return HS2N_TIME_NEVER;
  }
  if (s->sent < VOTES) {
    return s->begin + s->sent * VOTE_EVERY;
  }
  return s->done == s->sent ? s->begin : HS2N_TIME_NEVER;
}

static uint8_t script_type(const struct script *s) {
  return s->sent < VOTES ? NET_VOTE : NET_PROPOSAL;
}

static size_t script_len(const struct script *s) {
  return s->sent < VOTES ? VOTE_LEN : BODY_LEN;
}

static void script_sent(struct script *s, struct hs2n_tag tag, hs2n_time now) {
  s->tags[s->sent] = tag;
  s->sent_at[s->sent] = now;
  s->sent++;
}

static void script_done(struct script *s, struct hs2n_tag tag, hs2n_time now) {
  for (unsigned i = 0; i < s->sent; i++) {
    if (s->tags[i].v == tag.v) {
      s->took[i] = now - s->sent_at[i];
      s->done++;
    }
  }
}

static struct column script_column(struct script *s) {
  return (struct column){
      .vote = net_percentile(s->took, VOTES, 50),
      .body = net_percentile(s->took + VOTES, BODIES, 50),
  };
}

/* ---- in the simulator ---------------------------------------------------- */

struct simulated {
  struct script script;
  struct net net; /* as the real one is opened; has no replicas */
  struct hs2n_sim *sim;
  struct hs2n_limits limits;
};

static void sim_done(void *self, struct hs2n_tag tag,
                     const struct hs2n_done *done) {
  struct simulated *w = self;

  CHECK_EQ(done->outcome, HS2N_DONE_ACKED);
  script_done(&w->script, tag, hs2n_sim_clock(w->sim, 0));
}

static void sim_configure(void *self, uint32_t node, struct hs2n_config *config,
                          struct hs2n_consensus *out) {
  struct simulated *w = self;

  (void)node;
  net_configure(&w->net, &w->limits, config);
  out->self = w;
  out->on_done = sim_done;
}

static hs2n_time sim_due(void *self, uint32_t node) {
  const struct simulated *w = self;

  return node == 0 ? script_due(&w->script) : HS2N_TIME_NEVER;
}

static void sim_tick(void *self, uint32_t node, hs2n_time now) {
  struct simulated *w = self;
  struct hs2n_dst dst = {.kind = HS2N_DST_PEER};
  struct hs2n_msg msg = {.type = script_type(&w->script),
                         .flags = HS2N_MSG_ACK};
  const size_t len = script_len(&w->script);
  struct hs2n_tag tag;
  uint8_t *data;

  REQUIRE(hs2n_sim_peer(w->sim, node, 1, &dst.peer) == HS2N_OK);
  REQUIRE(hs2n_buf_alloc(&msg.body, hs2n_mem_libc(), len, &data) == HS2N_OK);
  memset(data, 1, len);
  CHECK_EQ(hs2n_send(hs2n_sim_node(w->sim, node), &dst, &msg, &tag), HS2N_OK);
  hs2n_buf_unref(msg.body);
  script_sent(&w->script, tag, now);
}

static bool sim_is_up(struct hs2n_sim *sim, void *arg) {
  (void)arg;
  return hs2n_sim_meshed(sim);
}

static bool sim_is_done(struct hs2n_sim *sim, void *arg) {
  const struct simulated *w = arg;

  (void)sim;
  return w->script.done == SENDS;
}

static bool simulate_in(struct simulated *w, const struct hs2n_sim_link *link) {
  if (hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, link) != HS2N_OK ||
      !hs2n_sim_start_all(w->sim) ||
      !hs2n_sim_until(w->sim, sim_is_up, NULL, HS2N_S(30))) {
    return false;
  }
  w->script.begin = hs2n_sim_clock(w->sim, 0) + 1;
  hs2n_sim_wake(w->sim, 0);
  return hs2n_sim_until(w->sim, sim_is_done, w, HS2N_S(30));
}

static bool simulate(const struct link *link, struct column *out) {
  static struct simulated w;
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = &w,
                                   .configure = sim_configure,
                                   .deadline = sim_due,
                                   .tick = sim_tick};
  struct hs2n_sim_config config;
  bool ok;

  memset(&w, 0, sizeof(w));
  hs2n_sim_config_default(&config, 2, 1);
  config.app = &app;
  if (hs2n_sim_new(&w.sim, &config) != HS2N_OK) {
    return false;
  }
  ok = simulate_in(&w, &link->sim);
  *out = script_column(&w.script);
  hs2n_sim_free(w.sim);
  return ok;
}

/* ---- over sockets -------------------------------------------------------- */

static struct net net;

static void net_done(void *arg, struct hs2n_tag tag) {
  script_done(arg, tag, hs2n_io_now());
}

/* Sends what is due; false when it can't. */
static bool send_due(struct script *s) {
  const hs2n_time now = hs2n_io_now();

  if (script_due(s) > now) {
    return true;
  }
  if (net_send(&net.r[0], 1, script_type(s), script_len(s)) != HS2N_OK) {
    return false;
  }
  script_sent(s, net.r[0].tag, now);
  return hs2n_io_turn(net.r[0].io, 0) == HS2N_OK;
}

static int ms_until_due(const struct script *s) {
  const hs2n_time due = script_due(s);
  const hs2n_time now = hs2n_io_now();

  return due <= now                  ? 0
         : due - now >= HS2N_MS(100) ? 100
                                     : (int)((due - now) / HS2N_MS(1)) + 1;
}

static bool perform(struct script *s) {
  const hs2n_time end = hs2n_io_now() + NET_LIMIT;

  s->begin = hs2n_io_now();
  while (s->done < SENDS) {
    struct epoll_event events[2];
    int n;

    if (!send_due(s) || hs2n_io_now() > end) {
      return false;
    }
    n = epoll_wait(net.epoll_fd, events, 2, ms_until_due(s));
    for (int i = 0; i < n; i++) {
      if (hs2n_io_turn(net.r[events[i].data.u32].io, 0) != HS2N_OK) {
        return false;
      }
    }
  }
  return true;
}

static bool measure(const struct link *link, struct column *out) {
  static struct script script;
  bool ok;

  memset(&script, 0, sizeof(script));
  ok = net_open_apart(&net, 2, 0, 0) && net_links(link->words) &&
       net_join(&net) && net_run(&net, net_all_up);
  net.r[0].on_done = net_done;
  net.r[0].on_done_arg = &script;
  ok = ok && perform(&script) && net_is_clean(&net);
  *out = script_column(&script);
  net_close(&net);
  return ok;
}

/* ---- both ---------------------------------------------------------------- */

static bool near(hs2n_time real, hs2n_time simulated) {
  const hs2n_time apart =
      real > simulated ? real - simulated : simulated - real;

  return apart <= simulated / 10 + SLACK;
}

static hs2n_time least(hs2n_time a, hs2n_time b) {
  return a < b ? a : b;
}

static bool agree(const struct column *real, const struct column *simulated) {
  return near(real->vote, simulated->vote) && near(real->body, simulated->body);
}

static void compare(const struct link *link) {
  struct column real = {HS2N_TIME_NEVER, HS2N_TIME_NEVER};
  struct column simulated;
  unsigned runs = 0;

  REQUIRE(simulate(link, &simulated));
  do {
    struct column once;

    REQUIRE(measure(link, &once));
    real.vote = least(real.vote, once.vote);
    real.body = least(real.body, once.body);
    runs++;
  } while (!agree(&real, &simulated) && runs < RUNS_MAX);
  printf("# %-18s %9s %9s\n", link->name, "namespace", "simulator");
  printf("# %-18s %9.2f %9.2f ms\n", "vote, p50", (double)real.vote / 1e6,
         (double)simulated.vote / 1e6);
  printf("# %-18s %9.2f %9.2f ms   (%u run%s)\n", "256 KiB, p50",
         (double)real.body / 1e6, (double)simulated.body / 1e6, runs,
         runs == 1 ? "" : "s");
  CHECK(near(real.vote, simulated.vote));
  CHECK(near(real.body, simulated.body));
}

static void a_link_of_20_ms_is_the_same_in_both(void) {
  compare(&(struct link){.name = "20 ms",
                         .words = "all heal delay=20ms",
                         .sim = {.delay = HS2N_MS(20)}});
}

static void a_link_of_40_ms_is_the_same_in_both(void) {
  compare(&(struct link){.name = "40 ms",
                         .words = "all heal delay=40ms",
                         .sim = {.delay = HS2N_MS(40)}});
}

static void a_narrow_link_is_the_same_in_both(void) {
  compare(&(struct link){.name = "20 ms, 10 Mbit/s",
                         .words = "all heal delay=20ms rate=10M queue=1M",
                         .sim = {.delay = HS2N_MS(20),
                                 .bytes_per_s = 1250000,
                                 .queue_bytes = 1000000}});
}

int main(void) {
  RUN(a_link_of_20_ms_is_the_same_in_both);
  RUN(a_link_of_40_ms_is_the_same_in_both);
  RUN(a_narrow_link_is_the_same_in_both);
  return tap_done();
}
