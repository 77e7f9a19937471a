#include "netsim.h"

#include "memlink.h"
#include "node/over.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKETS_MAX (1u << 18)
#define TX_SLOTS 8
#define TX_BYTES 65507
#define BODY_MAX (1u << 20)
#define MEMORY_STEP HS2N_US(1)

enum netsim_link netsim_link = NETSIM_QUIC;

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

struct packet {
  hs2n_time at;
  uint64_t order;
  size_t from, to;
  uint8_t ecn;
  size_t len;
  uint8_t data[];
};

struct netsim {
  struct netsim_config config;
  struct hs2ni_rng rng;
  hs2n_time now;
  uint64_t order;
  uint64_t hash;
  uint64_t datagrams;
  uint32_t corrupt_permille;
  uint8_t trace[NETSIM_TRACE_MAX];
  size_t trace_n;
  struct netsim_node nodes[NETSIM_NODES_MAX];
  bool cut[NETSIM_NODES_MAX][NETSIM_NODES_MAX];
  hs2n_time delay[NETSIM_NODES_MAX][NETSIM_NODES_MAX];
  uint64_t rate[NETSIM_NODES_MAX];        /* bytes a second out; 0: any */
  hs2n_time busy_until[NETSIM_NODES_MAX]; /* what it sent is on the wire then */
  uint64_t bytes[NETSIM_NODES_MAX];       /* sent, by node */
  struct packet *heap[PACKETS_MAX];       /* earliest first */
  size_t heap_n;
  struct memnet *memory; /* NULL over QUIC */
  uint8_t tx[TX_SLOTS][TX_BYTES];
};

/* ---- packets in flight ----------------------------------------------------
 */

static bool before(const struct packet *a, const struct packet *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct netsim *s, struct packet *p) {
  size_t i = s->heap_n++;

  assert(s->heap_n <= PACKETS_MAX);
  for (; i > 0 && before(p, s->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    s->heap[i] = s->heap[(i - 1) / 2];
  }
  s->heap[i] = p;
}

static struct packet *heap_pop(struct netsim *s) {
  struct packet *first = s->heap[0];
  struct packet *p = s->heap[--s->heap_n];
  size_t i = 0;

  for (size_t c = 1; c < s->heap_n; c = 2 * i + 1) {
    if (c + 1 < s->heap_n && before(s->heap[c + 1], s->heap[c])) {
      c++;
    }
    if (!before(s->heap[c], p)) {
      break;
    }
    s->heap[i] = s->heap[c];
    i = c;
  }
  s->heap[i] = p;
  return first;
}

static void hash_bytes(struct netsim *s, const void *data, size_t len) {
  const unsigned char *p = data;

  for (size_t i = 0; i < len; i++) {
    s->hash = (s->hash ^ p[i]) * 1099511628211u;
  }
}

static size_t index_of(const struct netsim *s, const struct hs2n_addr *a) {
  for (size_t i = 0; i < s->config.nodes; i++) {
    if (memcmp(s->nodes[i].addr.ip, a->ip, 4) == 0) {
      return i;
    }
  }
  return s->config.nodes; /* nobody: a black hole */
}

static bool chance(struct netsim *s, uint32_t permille) {
  return permille > 0 && hs2ni_rng_below(&s->rng, 1000) < permille;
}

/* When a datagram is out of its sender, or HS2N_TIME_NEVER: the queue before a
 * slow link holds 50 ms, and drops what is beyond. */
static hs2n_time departure(struct netsim *s, size_t from, size_t len) {
  hs2n_time *busy = &s->busy_until[from];

  if (s->rate[from] == 0) {
    return s->now;
  }
  if (*busy > s->now + HS2N_MS(50)) {
    return HS2N_TIME_NEVER;
  }
  *busy = (*busy > s->now ? *busy : s->now) + len * HS2N_S(1) / s->rate[from];
  return *busy;
}

static void transmit(struct netsim *s, size_t from, const struct hs2n_tx *tx,
                     size_t offset, size_t len) {
  const size_t to = index_of(s, &tx->remote);
  const uint64_t meta[] = {s->now, from, to, len};
  hs2n_time leaves;
  struct packet *p;

  s->datagrams++;
  if (s->config.capture != NULL) {
    s->config.capture(tx->data + offset, len, from, to);
  }
  s->bytes[from] += len;
  if (s->trace_n < NETSIM_TRACE_MAX) {
    s->trace[s->trace_n++] = (uint8_t)to;
  }
  hash_bytes(s, meta, sizeof(meta));
  hash_bytes(s, tx->data + offset, len);
  if (to == s->config.nodes || s->cut[from][to] ||
      chance(s, s->config.loss_permille)) {
    return;
  }
  leaves = departure(s, from, len);
  if (leaves == HS2N_TIME_NEVER) {
    return;
  }
  p = calloc(1, sizeof(*p) + len);
  *p = (struct packet){.at = leaves + s->delay[from][to],
                       .order = s->order++,
                       .from = from,
                       .to = to,
                       .ecn = tx->ecn,
                       .len = len};
  if (s->config.jitter > 0) {
    p->at += hs2ni_rng_below(&s->rng, s->config.jitter);
  }
  memcpy(p->data, tx->data + offset, len);
  if (chance(s, s->corrupt_permille)) {
    p->data[hs2ni_rng_below(&s->rng, len)] ^= 0x10;
  }
  heap_push(s, p);
}

void netsim_flush(struct netsim *s, size_t i) {
  struct hs2n_tx tx[TX_SLOTS];
  size_t n;

  if (s->nodes[i].node == NULL) {
    return;
  }
  do {
    for (size_t k = 0; k < TX_SLOTS; k++) {
      tx[k] = (struct hs2n_tx){.data = s->tx[k], .capacity = TX_BYTES};
    }
    n = hs2n_node_poll_tx(s->nodes[i].node, tx, TX_SLOTS, s->now);
    for (size_t k = 0; k < n; k++) {
      for (size_t at = 0; at < tx[k].len; at += tx[k].segment_len) {
        const size_t left = tx[k].len - at;

        transmit(s, i, &tx[k], at,
                 left < tx[k].segment_len ? left : tx[k].segment_len);
      }
    }
  } while (n > 0);
}

/* ---- what the application sees --------------------------------------------
 */

static size_t index_of_peer(struct netsim_node *n, struct hs2n_peer peer) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  if (hs2n_peer_info(n->node, peer, &info) == HS2N_OK) {
    for (size_t i = 0; i < n->sim->config.nodes; i++) {
      if (memcmp(&info.key, &n->sim->nodes[i].key, sizeof(info.key)) == 0) {
        return i;
      }
    }
  }
  return NETSIM_NODES_MAX;
}

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
  const size_t i = index_of_peer(n, from);

  if (n->judge != NULL) {
    return n->judge(n, i, id, msg);
  }
  if (n->verdict != HS2N_BUSY) {
    n->seen.messages++;
    if (i < NETSIM_NODES_MAX) {
      n->seen.from[i]++;
    }
    n->seen.last_message_at = n->sim->now;
    n->seen.last_id = id;
    n->seen.last_view = msg->view;
    check_body(&n->seen, msg);
  }
  if (n->on_upcall != NULL) {
    n->on_upcall(n);
  }
  return n->verdict;
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
  n->seen.last_done_at = n->sim->now;
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
    n->seen.last_up_at = n->sim->now;
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
    printf("# %9.3f ms n%zu %d %s %s\n", (double)n->sim->now / 1e6, n->index,
           (int)level, event, text);
  }
}

/* ---- nodes -----------------------------------------------------------------
 */

static int draw(void *user_data, uint8_t *out, size_t len) {
  struct hs2ni_rng *rng = user_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_rng_next(rng);
  }
  return 0;
}

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

static void init_node(struct netsim *s, size_t i) {
  struct netsim_node *n = &s->nodes[i];

  n->sim = s;
  n->index = i;
  n->verdict = HS2N_ACCEPT;
  n->addr = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                               .ip = {10, 0, 0, (uint8_t)(i + 1)}};
  n->addr.port = 7000;
  test_mem_init(&n->mem, 0);
  hs2ni_rng_seed(&n->secrets, s->config.seed * 1000 + i);
  if (hs2n_identity_generate(&n->identity, hs2n_mem_libc(), draw,
                             &n->secrets) != HS2N_OK) {
    abort();
  }
  n->key = hs2n_identity_key(n->identity);
}

struct netsim *netsim_new(const struct netsim_config *config) {
  struct netsim *s = calloc(1, sizeof(*s));

  s->config = *config;
  s->now = HS2N_S(1000);
  s->hash = 1469598103934665603u;
  hs2ni_rng_seed(&s->rng, config->seed);
  if (config->link == NETSIM_MEMORY) {
    s->memory = memnet_new(&(struct memnet_config){.seed = config->seed});
  }
  for (size_t i = 0; i < config->nodes; i++) {
    init_node(s, i);
    for (size_t k = 0; k < config->nodes; k++) {
      s->delay[i][k] = config->delay;
    }
  }
  return s;
}

void netsim_free(struct netsim *s) {
  while (s->heap_n > 0) {
    free(heap_pop(s));
  }
  for (size_t i = 0; i < s->config.nodes; i++) {
    netsim_kill(s, i);
    hs2n_identity_free(s->nodes[i].identity);
  }
  if (s->memory != NULL) {
    memnet_free(s->memory);
  }
  free(s);
}

hs2n_time netsim_now(const struct netsim *s) {
  return s->now;
}

struct netsim_node *netsim_node(struct netsim *s, size_t i) {
  return &s->nodes[i];
}

uint64_t netsim_hash(const struct netsim *s) {
  return s->hash;
}

uint64_t netsim_datagrams(const struct netsim *s) {
  return s->datagrams;
}

void netsim_trace(struct netsim *s) {
  s->trace_n = 0;
}

size_t netsim_traced(const struct netsim *s, const uint8_t **out_to) {
  *out_to = s->trace;
  return s->trace_n;
}

static int link_in_memory(void *ctx, const struct hs2ni_link_parts *parts,
                          struct hs2ni_link **out_link) {
  const struct netsim_node *n = ctx;

  *out_link = memlink_new(n->sim->memory, parts->env, &parts->config->local,
                          &n->key, parts->user, parts->user_ctx);
  return HS2N_OK;
}

int netsim_start(struct netsim *s, size_t i) {
  struct netsim_node *n = &s->nodes[i];
  const struct hs2n_consensus consensus = {.struct_size = sizeof(consensus),
                                           .self = n,
                                           .on_message = on_message,
                                           .on_done = on_done,
                                           .on_peer = on_peer};
  struct hs2n_config c;

  hs2n_config_default(&c);
  c.mem = &n->mem.mem;
  c.identity = n->identity;
  c.chain_id = s->config.chain_id;
  c.incarnation = ++n->incarnation;
  c.types = s->config.types;
  c.types_n = s->config.types_n;
  c.limits = &s->config.limits;
  c.consensus = &consensus;
  c.rand = draw;
  c.rand_data = &n->secrets;
  c.seed = s->config.seed + i;
  memset(c.reset_key, (int)i + 1, sizeof(c.reset_key));
  c.local = n->addr;
  c.unix_time_s = 1700000000;
  c.log = on_log;
  c.log_data = n;
  if (s->memory != NULL) {
    return hs2ni_node_new_over(&n->node, &c, s->now, NULL, link_in_memory, n);
  }
  return hs2n_node_new(&n->node, &c, s->now, NULL);
}

void netsim_chain(struct netsim *s, const char *chain_id) {
  s->config.chain_id = chain_id;
}

void netsim_kill(struct netsim *s, size_t i) {
  hs2n_node_free(s->nodes[i].node);
  s->nodes[i].node = NULL;
}

struct hs2n_member netsim_member(struct netsim *s, size_t i) {
  return (struct hs2n_member){.key = s->nodes[i].key,
                              .weight = 1,
                              .addrs = &s->nodes[i].addr,
                              .addrs_n = 1};
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
  s->delay[a][b] = delay;
  s->delay[b][a] = delay;
}

void netsim_set_rate(struct netsim *s, size_t i, uint64_t bytes_per_s) {
  s->rate[i] = bytes_per_s;
}

uint64_t netsim_bytes(const struct netsim *s, size_t i) {
  return s->bytes[i];
}

void netsim_corrupt(struct netsim *s, uint32_t permille) {
  s->corrupt_permille = permille;
}

/* ---- time ------------------------------------------------------------------
 */

static void deliver(struct netsim *s) {
  struct packet *p = heap_pop(s);
  struct netsim_node *to = &s->nodes[p->to];
  const struct hs2n_rx rx = {.local = to->addr,
                             .remote = s->nodes[p->from].addr,
                             .ecn = p->ecn,
                             .data = p->data,
                             .len = p->len};

  if (to->node != NULL) {
    hs2n_node_recv(to->node, &rx, 1, s->now);
    netsim_flush(s, p->to);
  }
  free(p);
}

static hs2n_time deadline(struct netsim *s, size_t *out_node) {
  hs2n_time first = HS2N_TIME_NEVER;

  *out_node = s->config.nodes;
  for (size_t i = 0; i < s->config.nodes; i++) {
    const hs2n_time t = s->nodes[i].node == NULL
                            ? HS2N_TIME_NEVER
                            : hs2n_node_deadline(s->nodes[i].node);

    if (t < first) {
      first = t;
      *out_node = i;
    }
  }
  return first;
}

/* A node whose deadline stays in the past would stop time. */
static void check_progress(struct netsim *s, size_t i, unsigned *spins) {
  *spins = s->nodes[i].woken == s->now ? *spins + 1 : 0;
  s->nodes[i].woken = s->now;
  if (*spins > 100000) {
    printf("# node %zu wants to be ticked for ever\n", i);
    abort();
  }
}

/* What a link in memory does is seen by its node at its next entry. */
static bool step_memory(struct netsim *s) {
  if (!memnet_step(s->memory)) {
    return false;
  }
  s->now += MEMORY_STEP;
  for (size_t i = 0; i < s->config.nodes; i++) {
    if (s->nodes[i].node != NULL) {
      hs2n_node_tick(s->nodes[i].node, s->now);
      netsim_flush(s, i);
    }
  }
  return true;
}

/* One event, not later than end; false when there is none. */
static bool step(struct netsim *s, hs2n_time end, unsigned *spins) {
  size_t i;
  const hs2n_time t = deadline(s, &i);
  const hs2n_time p = s->heap_n > 0 ? s->heap[0]->at : HS2N_TIME_NEVER;

  /* What is due and what memory has come in any order. */
  if (s->memory != NULL && s->now < end && (t > s->now || chance(s, 500)) &&
      step_memory(s)) {
    return true;
  }
  if ((t < p ? t : p) > end) {
    return false;
  }
  if (p <= t) {
    s->now = p > s->now ? p : s->now;
    deliver(s);
    return true;
  }
  s->now = t > s->now ? t : s->now;
  check_progress(s, i, spins);
  hs2n_node_tick(s->nodes[i].node, s->now);
  netsim_flush(s, i);
  return true;
}

static bool never(struct netsim *s) {
  (void)s;
  return false;
}

bool netsim_until(struct netsim *s, bool (*done)(struct netsim *s),
                  hs2n_time length) {
  const hs2n_time end = s->now + length;
  unsigned spins = 0;

  while (!done(s)) {
    if (!step(s, end, &spins)) {
      s->now = end;
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
