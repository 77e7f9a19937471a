/* narrow: what votes wait for where proposals fill narrow uplinks.
 *
 *   narrow
 *
 * Seven nodes of 1 and of 10 Mbit/s each way, 20 ms apart.  Each sends votes to
 * all, first alone and then while one broadcasts bodies of 64 KiB so fast that
 * they queue up.  Prints the time of a vote from its send to its receivers.
 * Votes to the proposer and all others' must keep their time but for two
 * packets.
 *
 * The proposer's own do so too where the nodes know the rate of their uplink:
 * the packet that is leaving, and one more in front of the downlink of who is
 * being sent a proposal.  Where they do not, its votes share the queue in front
 * of its uplink, of 100 ms here, which the network drops from and no node can
 * see: half of them must come within two such queues, where a proposal takes
 * seconds. */
#include "stories.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES 7
#define VOTE 150
#define PROPOSAL (64u << 10)
#define PACKET 1500
#define SAMPLES_MAX 20000
#define DELAY HS2N_MS(20)
#define QUEUE HS2N_MS(100)

enum { TYPE_VOTE = 1, TYPE_PROPOSAL };

static const struct hs2n_type types[] = {
    {.id = TYPE_VOTE, .lane = HS2N_LANE_VOTE, .size_max = VOTE, .name = "vote"},
    {.id = TYPE_PROPOSAL,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = PROPOSAL,
     .name = "proposal"},
};

struct narrow {
  struct hs2n_sim *sim;
  hs2n_time vote_every;
  hs2n_time vote_next; /* virtual; 0: none */
  uint32_t turn;
  uint64_t uplink_bits_per_s; /* that the nodes know of */
  bool proposals;
  uint32_t open;  /* proposals under way */
  uint64_t taken; /* bodies */
  struct {
    hs2n_time took[SAMPLES_MAX];
    size_t n;
  } of[2]; /* 0: the proposer's votes, 1: the others' */
};

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct narrow *w = self;
  hs2n_time sent;

  (void)from;
  (void)id;
  if (msg->type == TYPE_PROPOSAL) {
    w->taken++;
  } else {
    const uint8_t *data = hs2n_buf_span(msg->body).data;
    const unsigned whose = data[sizeof(sent)] == 0 ? 0 : 1;

    memcpy(&sent, data, sizeof(sent));
    if (w->of[whose].n < SAMPLES_MAX) {
      w->of[whose].took[w->of[whose].n++] = hs2n_sim_now(w->sim) - sent;
    }
  }
  return HS2N_ACCEPT;
}

static void send(struct narrow *w, uint32_t node, uint8_t type, uint32_t flags,
                 size_t len) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = HS2N_SIM_EPOCH};
  const hs2n_time now = hs2n_sim_now(w->sim);
  struct hs2n_msg msg = {.type = type, .flags = flags};
  struct hs2n_tag tag;
  uint8_t *data;
  int err = hs2n_buf_alloc(&msg.body, hs2n_mem_libc(), len, &data);

  if (err == HS2N_OK) {
    memset(data, 0, len);
    memcpy(data, &now, sizeof(now));
    data[sizeof(now)] = (uint8_t)node;
    err = hs2n_send(hs2n_sim_node(w->sim, node), &dst, &msg,
                    (flags & HS2N_MSG_ACK) != 0 ? &tag : NULL);
    hs2n_buf_unref(msg.body);
  }
  story_must(w->sim, err == HS2N_OK, hs2n_err_name(err));
}

static void propose(struct narrow *w) {
  for (; w->proposals && w->open < 2; w->open++) {
    send(w, 0, TYPE_PROPOSAL, HS2N_MSG_ACK, PROPOSAL);
  }
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct narrow *w = self;

  (void)tag;
  story_must(w->sim, done->outcome == HS2N_DONE_ACKED, "a proposal is lost");
  w->open--;
  propose(w);
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out) {
  const struct narrow *w = self;

  (void)node;
  config->uplink_bits_per_s = w->uplink_bits_per_s;
  out->self = self;
  out->on_message = on_message;
  out->on_done = on_done;
}

static void vote(struct hs2n_sim *sim, void *arg) {
  struct narrow *w = arg;
  const uint32_t node = w->turn++ % NODES;

  if (w->vote_every == 0) {
    return;
  }
  send(w, node, TYPE_VOTE, 0, VOTE);
  hs2n_sim_flush(sim, node);
  (void)hs2n_sim_at(sim, hs2n_sim_now(sim) + w->vote_every / NODES, vote, w);
}

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

struct figures {
  hs2n_time p50[2], p99[2]; /* as in struct narrow */
};

static struct figures measure(struct narrow *w, hs2n_time length) {
  struct figures f = {{0}, {0}};

  w->of[0].n = w->of[1].n = 0;
  hs2n_sim_run(w->sim, length);
  for (int i = 0; i < 2; i++) {
    const size_t n = w->of[i].n;

    story_must(w->sim, n > 100, "few votes came");
    qsort(w->of[i].took, n, sizeof(w->of[i].took[0]), by_size);
    f.p50[i] = w->of[i].took[n / 2];
    f.p99[i] = w->of[i].took[n * 99 / 100];
  }
  return f;
}

static void print(const char *what, struct figures f) {
  printf("  %-16s p50 %6.1f ms, p99 %7.1f ms; the proposer's own %6.1f ms, "
         "%7.1f ms\n",
         what, (double)f.p50[1] / 1e6, (double)f.p99[1] / 1e6,
         (double)f.p50[0] / 1e6, (double)f.p99[0] / 1e6);
}

static void tell(struct narrow *w, uint64_t bytes_per_s) {
  /* A packet of a proposal may be ahead of a vote. */
  const hs2n_time packet = PACKET * HS2N_S(1) / bytes_per_s;
  struct figures alone;
  struct figures among;
  uint64_t taken;

  w->vote_every = HS2N_MS(200);
  vote(w->sim, w);
  alone = measure(w, HS2N_S(20));
  w->proposals = true;
  propose(w);
  hs2n_sim_flush(w->sim, 0);
  hs2n_sim_run(w->sim, HS2N_S(20));
  taken = w->taken;
  among = measure(w, HS2N_S(40));
  print("votes alone", alone);
  print("among proposals", among);
  printf("  proposals fill %.0f %% of the uplink\n",
         100.0 * (double)((w->taken - taken) * PROPOSAL) /
             (40.0 * (double)bytes_per_s));
  w->vote_every = 0;
  w->proposals = false;
  story_must(w->sim,
             (double)((w->taken - taken) * PROPOSAL) >
                 0.5 * 40.0 * (double)bytes_per_s,
             "proposals do not fill half of the uplink");
  story_must(w->sim, among.p50[1] <= alone.p50[1] + packet,
             "votes are held up");
  story_must(w->sim, among.p99[1] <= alone.p99[1] + 2 * packet,
             "some votes are held up");
  if (w->uplink_bits_per_s == 0) {
    story_must(w->sim, among.p50[0] <= alone.p50[0] + 2 * QUEUE,
               "the proposer's votes are held up");
    return;
  }
  story_must(w->sim, among.p50[0] <= alone.p50[0] + packet,
             "the proposer's votes are held up");
  story_must(w->sim, among.p99[0] <= alone.p99[0] + 2 * packet,
             "some of the proposer's votes are held up");
}

/* known: the nodes know 98 % of what their uplinks take. */
static bool run(unsigned mbit_per_s, bool known) {
  const struct hs2n_sim_link link = {.delay = DELAY};
  const struct hs2n_sim_port port = {
      .bytes_per_s = mbit_per_s * 125000u,
      .queue_bytes = (uint32_t)(mbit_per_s * 125000u * QUEUE / HS2N_S(1)),
  };
  static struct narrow w;
  const struct hs2n_sim_app app = {
      .struct_size = sizeof(app), .self = &w, .configure = configure};
  struct hs2n_sim_config config;
  bool well;

  memset(&w, 0, sizeof(w));
  w.uplink_bits_per_s = known ? mbit_per_s * 980000u : 0;
  hs2n_sim_config_default(&config, NODES, 1);
  config.app = &app;
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
  if (hs2n_sim_new(&w.sim, &config) != HS2N_OK) {
    return false;
  }
  hs2n_sim_set_link(w.sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
  hs2n_sim_set_ports(w.sim, HS2N_SIM_ALL, &port, &port);
  printf("%u Mbit/s, %s to the nodes\n", mbit_per_s,
         known ? "known" : "not known");
  story_meshed(w.sim);
  tell(&w, port.bytes_per_s);
  well = hs2n_sim_failure(w.sim) == NULL;
  if (!well) {
    printf("%s\n", hs2n_sim_failure(w.sim));
  }
  hs2n_sim_free(w.sim);
  return well;
}

int main(void) {
  bool well = true;

  for (unsigned known = 0; known < 2; known++) {
    well &= run(1, known == 1);
    well &= run(10, known == 1);
  }
  return well ? 0 : 1;
}
