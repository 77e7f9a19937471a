/* Whole nodes whose network and applications do what the input says: sends of
 * every kind, requests and their answers, verdicts, views, cancels, members,
 * posts, stops, crashes, cuts, corruption, datagrams out of nowhere,
 * allocations that fail.
 *
 * Whatever comes: what arrives was sent to whom it reaches, is as it was sent,
 * comes once and in the order of its lane, and nothing of an ended view; no
 * acknowledgement without a verdict; each tag ends once, and in the way that
 * it says; FULL is followed by WRITABLE; no node holds more than it promised.
 * When it is over all nodes find each other again, each tag has ended, and
 * nothing leaks. */
#include "actor.h"
#include "node/inside.h"
#include "pack/pack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What the first byte of an input says. */
enum {
  WORLD_MEMORY = 1, /* a link in memory instead of QUIC */
  WORLD_TIGHT = 2,  /* every queue is short */
  WORLD_HEARTBEATS = 4,
  WORLD_PAIR = 8, /* two nodes */
  WORLD_LOSS = 16,
  WORLD_SPREAD = 32, /* what goes to a leader is held back */
};

static const struct hs2n_type more_types[] = {
    {.id = TYPE_SIGNED,
     .lane = HS2N_LANE_VOTE,
     .size_max = 4096,
     .flags = HS2N_TYPE_SIGNED},
    {.id = TYPE_LZ4,
     .lane = HS2N_LANE_BULK,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = TYPE_ZSTD, .lane = HS2N_LANE_SYNC, .size_max = 1u << 20},
    {.id = TYPE_KNOWN,
     .lane = HS2N_LANE_BULK,
     .size_max = 4096,
     .compression = HS2N_COMPRESSION_LZ4,
     .flags = HS2N_TYPE_BY_CONTENT},
    {.id = TYPE_ASK,
     .lane = HS2N_LANE_SYNC,
     .size_max = 4096,
     .role = HS2N_ROLE_REQUEST,
     .response = TYPE_ANSWER},
    {.id = TYPE_ANSWER,
     .lane = HS2N_LANE_SYNC,
     .size_max = 1u << 17,
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_RESPONSE},
    {.id = TYPE_ASK_SECRET,
     .lane = HS2N_LANE_CONTROL,
     .size_max = 4096,
     .flags = HS2N_TYPE_SECRET,
     .role = HS2N_ROLE_REQUEST,
     .response = TYPE_ANSWER_SECRET},
    {.id = TYPE_ANSWER_SECRET,
     .lane = HS2N_LANE_VOTE,
     .size_max = 1u << 17,
     .flags = HS2N_TYPE_SECRET,
     .role = HS2N_ROLE_RESPONSE},
};

/* ---- processes ------------------------------------------------------------
 */

static void begin(struct fuzz *f, size_t i) {
  struct netsim_node *n = node_at(f, i);

  if (n->node != NULL) {
    return;
  }
  book_started(f, i);
  if (netsim_start(f->sim, i) == HS2N_OK) {
    expect(netsim_members(f->sim, i) == HS2N_OK);
    expect(hs2n_enter_view(n->node, f->view, NULL, 0) == HS2N_OK);
    f->actors[i].view = f->view;
  } else {
    n->node = NULL;
  }
}

static void stop(struct fuzz *f, size_t i) {
  hs2n_node_stop(node_at(f, i)->node, netsim_now(f->sim));
  f->actors[i].stopped = true;
  netsim_flush(f->sim, i);
}

/* A node that was told to stop has, with all it had open, and is gone. */
static void see_stopped(struct fuzz *f, size_t i) {
  if (f->actors[i].stopped && node_at(f, i)->node != NULL) {
    expect(hs2n_node_stopped(node_at(f, i)->node));
    expect(f->actors[i].opens_n == 0);
    netsim_kill(f->sim, i);
  }
}

/* ---- the input ------------------------------------------------------------
 */

static void inject(struct fuzz *f, size_t i, size_t from) {
  uint8_t data[64];
  const size_t len = 1u + take_byte(f) % sizeof(data);

  for (size_t k = 0; k < len; k++) {
    data[k] = take_byte(f);
  }
  hs2n_node_recv(node_at(f, i)->node,
                 &(struct hs2n_rx){.local = node_at(f, i)->addr,
                                   .remote = node_at(f, from)->addr,
                                   .data = data,
                                   .len = len,
                                   .segment_len = take_byte(f)},
                 1, netsim_now(f->sim));
  netsim_flush(f->sim, i);
}

static void enter_view_all(struct fuzz *f) {
  f->view += take_byte(f) % 3;
  for (size_t i = 0; i < f->nodes; i++) {
    if (node_at(f, i)->node != NULL) {
      call_enter_view(f, i, f->view);
    }
  }
}

static void fail_soon(struct fuzz *f, size_t i) {
  struct test_mem *mem = &node_at(f, i)->mem;

  mem->fail_at = mem->requests + take_byte(f);
}

#define NODE_OPS 16

static void to_node(struct fuzz *f, uint8_t op, size_t i, size_t k) {
  switch (op) {
  case 0:
    call_send(f, i, k);
    return;
  case 1:
    call_send(f, i, i);
    return;
  case 2:
    call_burst(f, i, k);
    return;
  case 3:
    call_request(f, i, k);
    return;
  case 4:
    call_request(f, i, i);
    return;
  case 5:
    call_respond(f, i, (size_t)take_byte(f) * 300);
    netsim_flush(f->sim, i);
    return;
  case 6:
    call_judge(f, i, (enum hs2n_verdict)(1 + take_byte(f) % 6));
    return;
  case 7:
    call_cancel(f, i, take_byte(f));
    return;
  case 8:
    f->actors[i].mood = take_byte(f);
    return;
  case 9:
    call_post(f, i);
    return;
  case 10:
    call_members(f, i);
    return;
  case 11:
    call_enter_view(f, i, f->view + take_byte(f) % 3);
    return;
  case 12:
    inject(f, i, k);
    return;
  case 13:
    fail_soon(f, i);
    return;
  case 14:
    stop(f, i);
    return;
  default:
    netsim_kill(f->sim, i);
    return;
  }
}

static void to_world(struct fuzz *f, uint8_t op, size_t i, size_t k) {
  switch (op) {
  case 0:
    begin(f, i);
    return;
  case 1:
    netsim_cut(f->sim, i, k, (take_byte(f) & 1) != 0);
    return;
  case 2:
    netsim_corrupt(f->sim, take_byte(f));
    return;
  case 3:
    enter_view_all(f);
    return;
  case 4:
    netsim_set_rate(f->sim, i, (uint64_t)take_byte(f) * 20000);
    return;
  case 5:
    netsim_stall(f->sim, i, HS2N_MS(take_byte(f)));
    return;
  default:
    netsim_run(f->sim, HS2N_US(100) << (take_byte(f) % 15));
    return;
  }
}

static void step(struct fuzz *f) {
  const uint8_t op = take_byte(f) % (2 * NODE_OPS);
  const size_t i = take_byte(f) % f->nodes;
  const size_t k = (i + 1 + take_byte(f) % (f->nodes - 1)) % f->nodes;

  if (op >= NODE_OPS) {
    to_world(f, (uint8_t)(op - NODE_OPS), i, k);
  } else if (node_at(f, i)->node != NULL) {
    to_node(f, op, i, k);
  }
}

/* ---- what must hold
 * ----------------------------------------------------------
 */

static void check(struct fuzz *f) {
  book_check(f);
  for (size_t i = 0; i < f->nodes; i++) {
    const struct netsim_node *n = node_at(f, i);

    if (n->node != NULL) {
      expect(n->node->ledger.peak_bytes <= n->node->ledger.max_bytes);
    }
  }
}

static void calm(struct fuzz *f) {
  netsim_corrupt(f->sim, 0);
  for (size_t i = 0; i < f->nodes; i++) {
    node_at(f, i)->mem.fail_at = 0;
    netsim_set_rate(f->sim, i, 0);
    f->actors[i].mood = 0;
    for (size_t k = 0; k < f->nodes; k++) {
      netsim_cut(f->sim, i, k, false);
    }
  }
}

/* Gives every answer and verdict that is owed. */
static void settle(struct fuzz *f, size_t i) {
  struct actor *a = &f->actors[i];

  while (a->laters_n > 0) {
    call_judge(f, i, HS2N_ACCEPT);
  }
  for (size_t n = a->asked_n; n > 0; n--) {
    call_respond(f, i, 10);
  }
  netsim_flush(f->sim, i);
}

/* The world becomes friendly: all must meet, and every tag must end. */
static void make_peace(struct fuzz *f) {
  calm(f);
  netsim_run(f->sim, HS2N_S(3));
  for (size_t i = 0; i < f->nodes; i++) {
    see_stopped(f, i);
    begin(f, i);
  }
  expect(netsim_until(f->sim, netsim_meshed, HS2N_S(120)));
  for (size_t i = 0; i < f->nodes; i++) {
    settle(f, i);
  }
  netsim_run(f->sim, HS2N_S(20));
  for (size_t i = 0; i < f->nodes; i++) {
    check(f);
    book_check_end(f, i);
    netsim_kill(f->sim, i);
    expect(node_at(f, i)->mem.live_bytes == 0);
  }
}

static void tighten(struct hs2n_limits *l) {
  l->tx_queue_msgs_max = 16;
  l->tx_queue_bytes_max = 200000;
  l->tags_max = 16;
  l->large_body_bytes = 4096;
  l->requests_max = 4;
  l->rx_requests_max = 1;
  l->rx_held_bytes = 65536;
  l->rx_later_max = 16;
  l->rx_future_bytes = 4096;
  l->content_ids_per_peer = 2;
  l->posts_max = 2;
}

static struct netsim *make_world(struct fuzz *f, struct hs2n_type *types) {
  const uint8_t world = take_byte(f);
  struct netsim_config c;

  f->nodes = (world & WORLD_PAIR) != 0 ? 2 : NODES;
  c = netsim_config(f->nodes, 1);
  c.link = (world & WORLD_MEMORY) != 0 ? NETSIM_MEMORY : NETSIM_WIRE;
  c.loss_permille = (world & WORLD_LOSS) != 0 ? 50 : 0;
  c.limits.backoff_max_ms = 1000;
  c.limits.handshake_ms = 1000;
  c.limits.idle_ms = 2000;
  c.limits.keep_alive_ms = 500;
  c.limits.heartbeat_ms = (world & WORLD_HEARTBEATS) != 0 ? 2000 : 0;
  c.limits.spread_members_min = 2; /* what leaders get is held back */
  c.limits.spread_burst_bytes = 0;
  if ((world & WORLD_TIGHT) != 0) {
    tighten(&c.limits);
  }
  if ((world & WORLD_SPREAD) != 0) {
    c.limits.spread_members_min = 2;
    c.limits.spread_bytes_per_s = 10000;
    c.limits.spread_burst_bytes = 0;
  }
  memcpy(types, netsim_types, sizeof(netsim_types));
  memcpy(types + HS2N_LANES, more_types, sizeof(more_types));
  types[TYPE_ZSTD].compression =
      (hs2ni_pack_built() & HS2NI_PACK_BIT(HS2N_COMPRESSION_ZSTD)) != 0
          ? HS2N_COMPRESSION_ZSTD
          : HS2N_COMPRESSION_LZ4;
  c.types = types;
  c.types_n = TYPES;
  return netsim_new(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct fuzz *f = calloc(1, sizeof(*f));
  struct hs2n_type types[TYPES];

  expect(f != NULL);
  f->in = (struct input){data, data + len};
  f->entries_n = 1;
  f->sim = make_world(f, types);
  for (size_t i = 0; i < f->nodes; i++) {
    book_listen(f, i);
    begin(f, i);
  }
  netsim_run(f->sim, HS2N_MS(500));
  for (int i = 0; i < OPS_MAX && f->in.at < f->in.end; i++) {
    step(f);
    check(f);
  }
  make_peace(f);
  netsim_free(f->sim);
  free(f);
  return 0;
}
