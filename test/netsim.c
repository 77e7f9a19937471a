#include "netsim.h"

#include "memlink.h"
#include "node/inside.h"
#include "node/over.h"

#include <hs2net/sim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1u << 20)
#define MEMORY_STEP HS2N_US(1)

enum netsim_link netsim_link = NETSIM_WIRE;

const struct hs2n_type netsim_types[HS2N_LANES] = {
    {.id = 0,
     .lane = HS2N_LANE_CONTROL,
     .size_max = BODY_MAX,
     .name = "control"},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = BODY_MAX, .name = "vote"},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = BODY_MAX, .name = "cert"},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = BODY_MAX,
     .name = "proposal"},
    {.id = 4, .lane = HS2N_LANE_SYNC, .size_max = BODY_MAX, .name = "sync"},
    {.id = 5, .lane = HS2N_LANE_BULK, .size_max = BODY_MAX, .name = "bulk"},
};

struct netsim {
  struct netsim_config config;
  struct hs2n_sim *sim;
  struct hs2ni_rng rng; /* of the order of memory and timers */
  uint8_t trace[NETSIM_TRACE_MAX];
  size_t trace_n;
  bool cut[NETSIM_NODES_MAX][NETSIM_NODES_MAX];
  uint64_t bytes[NETSIM_NODES_MAX]; /* sent, by node */
  struct netsim_node nodes[NETSIM_NODES_MAX];
  struct memnet *memory; /* NULL on the wire */
};

/* An invariant of the simulator is one of every test. */
static void check_well(const struct netsim *s) {
  if (hs2n_sim_failure(s->sim) != NULL) {
    printf("# %s\n", hs2n_sim_failure(s->sim));
    abort();
  }
}

void netsim_flush(struct netsim *s, size_t i) {
  hs2n_sim_flush(s->sim, (uint32_t)i);
}

/* ---- what the application sees --------------------------------------------
 */

static uint8_t body_byte(size_t len, size_t at) {
  return (uint8_t)((len * 31 + at * 7) ^ (at >> 8));
}

static void check_body(struct netsim_seen *seen, const struct hs2n_msg *msg) {
  const struct hs2n_span s = msg->body == NULL ? (struct hs2n_span){NULL, 0}
                                               : hs2n_buf_span(msg->body);

  seen->last_len = s.len;
  for (size_t i = 0; i < s.len; i++) {
    seen->bytes_wrong |= s.data[i] != body_byte(s.len, i);
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct netsim_node *n = self;
  const size_t i = hs2n_sim_index(n->sim->sim, (uint32_t)n->index, from);

  if (n->judge != NULL) {
    return n->judge(n, i, id, msg);
  }
  if (n->verdict != HS2N_BUSY) {
    n->seen.messages++;
    if (i < NETSIM_NODES_MAX) {
      n->seen.from[i]++;
    }
    n->seen.last_message_at = hs2n_sim_now(n->sim->sim);
    n->seen.last_id = id;
    n->seen.last_view = msg->view;
    check_body(&n->seen, msg);
  }
  if (n->on_upcall != NULL) {
    n->on_upcall(n);
  }
  return n->verdict;
}

static enum hs2n_verdict on_request(void *self, struct hs2n_peer from,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  struct netsim_node *n = self;

  return n->asked == NULL
             ? HS2N_IGNORE
             : n->asked(n,
                        hs2n_sim_index(n->sim->sim, (uint32_t)n->index, from),
                        req, msg);
}

static enum hs2n_verdict on_response(void *self, struct hs2n_peer from,
                                     struct hs2n_msg_id id, struct hs2n_tag tag,
                                     uint32_t status,
                                     const struct hs2n_msg *msg) {
  struct netsim_node *n = self;

  (void)id;
  return n->answered == NULL
             ? HS2N_IGNORE
             : n->answered(
                   n, hs2n_sim_index(n->sim->sim, (uint32_t)n->index, from),
                   tag, status, msg);
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct netsim_node *n = self;

  n->seen.dones++;
  n->seen.last_tag = tag;
  n->seen.last_outcome = done->outcome;
  n->seen.last_done_reason = done->reason;
  n->seen.last_acked_weight = done->acked_weight;
  n->seen.last_acked_count = done->acked_count;
  n->seen.last_done_at = hs2n_sim_now(n->sim->sim);
  if (n->done != NULL) {
    n->done(n, tag, done);
  }
  if (n->on_upcall != NULL) {
    n->on_upcall(n);
  }
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct netsim_node *n = self;

  (void)peer;
  switch (state) {
  case HS2N_PEER_UP:
    n->seen.ups++;
    n->seen.last_up_at = hs2n_sim_now(n->sim->sim);
    break;
  case HS2N_PEER_DOWN:
    n->seen.downs++;
    n->seen.last_down = reason;
    break;
  case HS2N_PEER_GONE:
    n->seen.gones++;
    break;
  case HS2N_PEER_WRITABLE:
    n->seen.writables++;
    break;
  case HS2N_PEER_BANNED:
    break;
  }
}

static void on_log(void *user_data, enum hs2n_log_level level,
                   const char *event, const char *text) {
  const struct netsim_node *n = user_data;

  if (n->sim->config.log) {
    printf("# %9.3f ms n%zu %d %s %s\n",
           (double)hs2n_sim_now(n->sim->sim) / 1e6, n->index, (int)level, event,
           text);
  }
}

/* ---- nodes -----------------------------------------------------------------
 */

struct netsim_config netsim_config(size_t nodes, uint64_t seed) {
  struct netsim_config c = {.link = netsim_link,
                            .seed = seed,
                            .nodes = nodes,
                            .delay = HS2N_MS(1),
                            .types = netsim_types,
                            .types_n = HS2N_LANES,
                            .chain_id = "sim"};

  hs2n_limits_default(&c.limits);
  c.limits.peers_max = nodes < 16 ? 16 : (uint32_t)nodes;
  return c;
}

static void configure(void *self, uint32_t i, struct hs2n_config *c,
                      struct hs2n_consensus *out_consensus) {
  struct netsim *s = self;
  struct netsim_node *n = &s->nodes[i];

  c->mem = &n->mem.mem;
  c->chain_id = s->config.chain_id;
  c->incarnation = ++n->incarnation;
  c->uplink_bits_per_s = s->config.uplink_bits_per_s;
  c->log = on_log;
  c->log_data = n;
  out_consensus->self = n;
  out_consensus->on_message = on_message;
  out_consensus->on_request = on_request;
  out_consensus->on_response = on_response;
  out_consensus->on_done = on_done;
  out_consensus->on_peer = on_peer;
}

/* The attacks of these tests are survived within what hs2n_limits_memory says,
 * and not because the node was given no more. */
static void on_stop(void *self, uint32_t i) {
  struct netsim *s = self;

  if (s->nodes[i].node->ledger.refused > 0) {
    hs2n_sim_fail(s->sim, i, "needs more than its worst case");
  }
}

static int link_in_memory(void *ctx, const struct hs2ni_link_parts *parts,
                          struct hs2ni_link **out_link) {
  const struct netsim_node *n = ctx;

  *out_link = memlink_new(n->sim->memory, parts->env, &parts->config->local,
                          &n->key, parts->user, parts->user_ctx);
  return HS2N_OK;
}

static int make(void *self, uint32_t i, struct hs2n_node **out_node,
                const struct hs2n_config *config, hs2n_time now) {
  struct netsim *s = self;

  return s->memory == NULL ? hs2n_node_new(out_node, config, now, NULL)
                           : hs2ni_node_new_over(out_node, config, now, NULL,
                                                 link_in_memory, &s->nodes[i]);
}

static void on_start(void *self, uint32_t i, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  (void)disk;
  ((struct netsim *)self)->nodes[i].node = handle;
}

static void on_datagram(void *self, uint32_t from, uint32_t to,
                        struct hs2n_span datagram) {
  struct netsim *s = self;

  s->bytes[from] += datagram.len;
  if (s->trace_n < NETSIM_TRACE_MAX) {
    s->trace[s->trace_n++] = (uint8_t)to;
  }
  if (s->config.capture != NULL) {
    s->config.capture(datagram.data, datagram.len, from, to);
  }
}

static void init_node(struct netsim *s, size_t i) {
  struct netsim_node *n = &s->nodes[i];
  const struct hs2n_member m = hs2n_sim_member(s->sim, (uint32_t)i);

  n->sim = s;
  n->index = i;
  n->verdict = HS2N_ACCEPT;
  n->identity = hs2n_sim_identity(s->sim, (uint32_t)i);
  n->key = m.key;
  n->addr = m.addrs[0];
  test_mem_init(&n->mem, 0);
}

static void set_link(struct netsim *s, size_t a, size_t b, hs2n_time delay) {
  const struct hs2n_sim_link link = {
      .delay = delay, .jitter = s->config.jitter, .overtake = true};

  hs2n_sim_set_link(s->sim, (uint32_t)a, (uint32_t)b, &link);
}

static void set_noise(struct netsim *s, uint32_t corrupt_permille) {
  const struct hs2n_sim_noise noise = {.loss_ppm =
                                           s->config.loss_permille * 1000,
                                       .corrupt_ppm = corrupt_permille * 1000};

  hs2n_sim_set_noise(s->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &noise);
}

struct netsim *netsim_new(const struct netsim_config *config) {
  struct netsim *s = calloc(1, sizeof(*s));
  const struct hs2n_sim_app app = {.struct_size = sizeof(app),
                                   .self = s,
                                   .configure = configure,
                                   .on_start = on_start,
                                   .on_stop = on_stop,
                                   .make = make};
  struct hs2n_sim_config c;

  hs2n_sim_config_default(&c, (uint32_t)config->nodes, config->seed);
  c.limits = &config->limits;
  c.types = config->types;
  c.types_n = config->types_n;
  c.app = &app;
  c.manual_members = true;
  c.transport = over_transport();
  c.capture = on_datagram;
  c.capture_data = s;
  s->config = *config;
  hs2ni_rng_seed(&s->rng, config->seed);
  if (hs2n_sim_new(&s->sim, &c) != HS2N_OK) {
    abort();
  }
  set_link(s, HS2N_SIM_ALL, HS2N_SIM_ALL, config->delay);
  set_noise(s, 0);
  for (size_t i = 0; i < config->nodes; i++) {
    init_node(s, i);
  }
  if (config->link == NETSIM_MEMORY) {
    s->memory = memnet_new(&(struct memnet_config){.seed = config->seed});
  }
  return s;
}

void netsim_free(struct netsim *s) {
  for (size_t i = 0; i < s->config.nodes; i++) {
    if (s->nodes[i].node != NULL) {
      netsim_kill(s, i);
    }
  }
  check_well(s);
  hs2n_sim_free(s->sim);
  if (s->memory != NULL) {
    memnet_free(s->memory);
  }
  free(s);
}

hs2n_time netsim_now(const struct netsim *s) {
  return hs2n_sim_now(s->sim);
}

struct netsim_node *netsim_node(struct netsim *s, size_t i) {
  return &s->nodes[i];
}

uint64_t netsim_hash(const struct netsim *s) {
  return hs2n_sim_hash(s->sim);
}

uint64_t netsim_datagrams(const struct netsim *s) {
  struct hs2n_sim_stats stats = {.struct_size = sizeof(stats)};

  hs2n_sim_stats(s->sim, &stats);
  return stats.datagrams;
}

void netsim_trace(struct netsim *s) {
  s->trace_n = 0;
}

size_t netsim_traced(const struct netsim *s, const uint8_t **out_to) {
  *out_to = s->trace;
  return s->trace_n;
}

int netsim_start(struct netsim *s, size_t i) {
  return hs2n_sim_start(s->sim, (uint32_t)i);
}

void netsim_chain(struct netsim *s, const char *chain_id) {
  s->config.chain_id = chain_id;
}

void netsim_kill(struct netsim *s, size_t i) {
  hs2n_sim_crash(s->sim, (uint32_t)i, false);
  s->nodes[i].node = NULL;
}

struct hs2n_member netsim_member(struct netsim *s, size_t i) {
  return hs2n_sim_member(s->sim, (uint32_t)i);
}

int netsim_members(struct netsim *s, size_t i) {
  struct hs2n_member members[NETSIM_NODES_MAX];

  for (size_t k = 0; k < s->config.nodes; k++) {
    members[k] = netsim_member(s, k);
  }
  return hs2n_set_members(s->nodes[i].node, NETSIM_EPOCH, members,
                          s->config.nodes, 0);
}

void netsim_start_all(struct netsim *s) {
  for (size_t i = 0; i < s->config.nodes; i++) {
    if (netsim_start(s, i) != HS2N_OK || netsim_members(s, i) != HS2N_OK) {
      abort();
    }
  }
}

void netsim_cut(struct netsim *s, size_t a, size_t b, bool cut) {
  s->cut[a][b] = cut;
  hs2n_sim_cut(s->sim, (uint32_t)a, (uint32_t)b, cut);
  if (s->memory != NULL) {
    memnet_part(s->memory, &s->nodes[a].addr, &s->nodes[b].addr,
                s->cut[a][b] || s->cut[b][a]);
  }
}

void netsim_cut_both(struct netsim *s, size_t a, size_t b, bool cut) {
  netsim_cut(s, a, b, cut);
  netsim_cut(s, b, a, cut);
}

void netsim_set_delay(struct netsim *s, size_t a, size_t b, hs2n_time delay) {
  set_link(s, a, b, delay);
  set_link(s, b, a, delay);
}

void netsim_stall(struct netsim *s, size_t i, hs2n_time length) {
  hs2n_sim_pause(s->sim, (uint32_t)i, length);
}

void netsim_set_rate(struct netsim *s, size_t i, uint64_t bytes_per_s) {
  const struct hs2n_sim_port up = {.bytes_per_s = bytes_per_s,
                                   .queue_bytes = (uint32_t)(bytes_per_s / 20)};

  hs2n_sim_set_ports(s->sim, (uint32_t)i, &up, NULL);
}

uint64_t netsim_bytes(const struct netsim *s, size_t i) {
  return s->bytes[i];
}

void netsim_corrupt(struct netsim *s, uint32_t permille) {
  set_noise(s, permille);
}

/* ---- time ------------------------------------------------------------------
 */

/* What a link in memory does is seen by its node at its next entry. */
static bool step_memory(struct netsim *s) {
  if (!memnet_step(s->memory)) {
    return false;
  }
  hs2n_sim_run(s->sim, MEMORY_STEP);
  for (size_t i = 0; i < s->config.nodes; i++) {
    hs2n_sim_wake(s->sim, (uint32_t)i);
  }
  return true;
}

/* What is due and what memory has come in any order. */
static bool step(struct netsim *s, hs2n_time end) {
  const hs2n_time now = hs2n_sim_now(s->sim);

  if (s->memory == NULL || now >= end) {
    return hs2n_sim_step(s->sim, end);
  }
  return (hs2ni_rng_below(&s->rng, 2) == 0 && step_memory(s)) ||
         hs2n_sim_step(s->sim, now) || step_memory(s) ||
         hs2n_sim_step(s->sim, end);
}

static bool never(struct netsim *s) {
  (void)s;
  return false;
}

bool netsim_until(struct netsim *s, bool (*done)(struct netsim *s),
                  hs2n_time length) {
  const hs2n_time end = hs2n_sim_now(s->sim) + length;

  /* Tests call nodes as they like: what came of it, leaves now. */
  for (size_t i = 0; i < s->config.nodes; i++) {
    netsim_flush(s, i);
  }
  while (!done(s)) {
    const bool more = step(s, end);

    check_well(s);
    if (!more) {
      hs2n_sim_run(s->sim, end - hs2n_sim_now(s->sim));
      return done(s);
    }
  }
  return true;
}

void netsim_run(struct netsim *s, hs2n_time length) {
  (void)netsim_until(s, never, length);
}

bool netsim_meshed(struct netsim *s) {
  for (size_t i = 0; i < s->config.nodes; i++) {
    for (size_t k = 0; k < s->config.nodes; k++) {
      if (i != k && s->nodes[i].node != NULL && s->nodes[k].node != NULL &&
          netsim_info(s, i, k).state != HS2N_PEER_UP) {
        return false;
      }
    }
  }
  return true;
}

/* ---- looking and sending ---------------------------------------------------
 */

struct hs2n_peer netsim_peer(struct netsim *s, size_t i, size_t j) {
  const struct hs2n_peer_id id = hs2n_key_peer_id(&s->nodes[j].key);
  struct hs2n_peer peer = {UINT32_MAX};

  return hs2n_peer_find(s->nodes[i].node, &id, &peer) == HS2N_OK
             ? peer
             : (struct hs2n_peer){UINT32_MAX};
}

struct hs2n_peer_info netsim_info(struct netsim *s, size_t i, size_t j) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  if (hs2n_peer_info(s->nodes[i].node, netsim_peer(s, i, j), &info) !=
      HS2N_OK) {
    memset(&info, 0, sizeof(info));
  }
  return info;
}

struct hs2n_stats netsim_stats(struct netsim *s, size_t i) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(s->nodes[i].node, &stats);
  return stats;
}

struct hs2n_buf *netsim_body(struct netsim *s, size_t len) {
  struct hs2n_buf *buf;
  uint8_t *data;

  (void)s;
  if (hs2n_buf_alloc(&buf, hs2n_mem_libc(), len, &data) != HS2N_OK) {
    abort();
  }
  for (size_t i = 0; i < len; i++) {
    data[i] = body_byte(len, i);
  }
  return buf;
}

int netsim_send(struct netsim *s, size_t i, size_t j, enum hs2n_lane lane,
                size_t len, struct hs2n_tag *out_tag) {
  struct hs2n_buf *body = netsim_body(s, len);
  const struct hs2n_msg msg = {.type = (uint8_t)lane,
                               .flags = out_tag == NULL ? 0 : HS2N_MSG_ACK,
                               .body = body};
  struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = NETSIM_EPOCH};
  int err;

  if (i != j) {
    dst =
        (struct hs2n_dst){.kind = HS2N_DST_PEER, .peer = netsim_peer(s, i, j)};
  }
  err = hs2n_send(s->nodes[i].node, &dst, &msg, out_tag);
  hs2n_buf_unref(body);
  netsim_flush(s, i);
  return err;
}
