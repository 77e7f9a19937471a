/* Whole nodes whose network and applications do what the input says: sends,
 * views, cancels, members, crashes, cuts, corruption, datagrams out of
 * nowhere, allocations that fail.  Whatever comes: bodies arrive as they were
 * sent, no node holds more than it promised, no tag ends twice, all nodes
 * find each other again when it is over, and nothing leaks. */
#include "netsim.h"
#include "node/inside.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NODES 3
#define OPS_MAX 200

static void expect(int good) {
  if (!good) {
    abort();
  }
}

struct input {
  const uint8_t *at, *end;
};

static uint8_t byte(struct input *in) {
  return in->at < in->end ? *in->at++ : 0;
}

struct fuzz {
  struct netsim *sim;
  struct input in;
  uint64_t view;
  uint64_t epoch;
  uint32_t tags[NODES]; /* given by the process that runs now */
  uint32_t dones[NODES];
  struct hs2n_tag last[NODES];
};

static struct netsim_node *at(struct fuzz *f, size_t i) {
  return netsim_node(f->sim, i);
}

static void begin(struct fuzz *f, size_t i) {
  if (at(f, i)->node != NULL) {
    return;
  }
  f->tags[i] = 0;
  f->dones[i] = at(f, i)->seen.dones;
  if (netsim_start(f->sim, i) == HS2N_OK) {
    expect(netsim_members(f->sim, i) == HS2N_OK);
    expect(hs2n_enter_view(at(f, i)->node, f->view, NULL, 0) == HS2N_OK);
  } else {
    at(f, i)->node = NULL;
  }
}

static void send(struct fuzz *f, size_t i, size_t to) {
  const uint8_t how = byte(&f->in);
  struct hs2n_buf *body =
      netsim_body(f->sim, (how & 1) != 0 ? 70000 : (size_t)byte(&f->in) * 16);
  const struct hs2n_msg msg = {
      .type = (uint8_t)(how % HS2N_LANES),
      .flags = HS2N_MSG_ACK | ((how & 2) != 0 ? HS2N_MSG_VIEW_BOUND : 0),
      .view = f->view,
      .deadline = (how & 4) != 0 ? netsim_now(f->sim) + HS2N_MS(how) : 0,
      .body = body,
  };
  const struct hs2n_dst dst = {
      .kind = i == to ? HS2N_DST_EPOCH : HS2N_DST_PEER,
      .epoch = NETSIM_EPOCH,
      .peer = netsim_peer(f->sim, i, to),
  };

  if (hs2n_send(at(f, i)->node, &dst, &msg, &f->last[i]) == HS2N_OK) {
    f->tags[i]++;
  }
  hs2n_buf_unref(body);
  netsim_flush(f->sim, i);
}

static void inject(struct fuzz *f, size_t i, size_t from) {
  uint8_t data[64];
  const size_t len = 1u + byte(&f->in) % sizeof(data);

  for (size_t k = 0; k < len; k++) {
    data[k] = byte(&f->in);
  }
  hs2n_node_recv(at(f, i)->node,
                 &(struct hs2n_rx){.local = at(f, i)->addr,
                                   .remote = at(f, from)->addr,
                                   .data = data,
                                   .len = len,
                                   .segment_len = byte(&f->in)},
                 1, netsim_now(f->sim));
  netsim_flush(f->sim, i);
}

static void enter_view(struct fuzz *f) {
  f->view += byte(&f->in) % 3;
  for (size_t i = 0; i < NODES; i++) {
    if (at(f, i)->node != NULL) {
      const struct hs2n_peer leader = netsim_peer(f->sim, i, (i + 1) % NODES);

      (void)!hs2n_enter_view(at(f, i)->node, f->view, &leader, 1);
    }
  }
}

/* Another epoch, perhaps without somebody; epoch 1 stays. */
static void name_members(struct fuzz *f, size_t i) {
  struct hs2n_member m[NODES];
  const size_t n = 1u + byte(&f->in) % NODES;

  for (size_t k = 0; k < n; k++) {
    m[k] = netsim_member(f->sim, (k + byte(&f->in)) % NODES);
  }
  f->epoch++;
  (void)!hs2n_set_members(at(f, i)->node, NETSIM_EPOCH + f->epoch % 5, m, n,
                          byte(&f->in) % 2);
}

static const enum hs2n_verdict verdicts[] = {HS2N_ACCEPT, HS2N_BUSY, HS2N_HOLD};

static void to_node(struct fuzz *f, uint8_t op, size_t i, size_t k) {
  struct test_mem *mem = &at(f, i)->mem;

  switch (op) {
  case 0:
  case 1:
    send(f, i, k);
    return;
  case 2:
    send(f, i, i);
    return;
  case 3:
    (void)!hs2n_cancel(at(f, i)->node, f->last[i]);
    return;
  case 4:
    netsim_kill(f->sim, i);
    return;
  case 5:
    inject(f, i, k);
    return;
  case 6:
    mem->fail_at = mem->requests + byte(&f->in);
    return;
  case 7:
    at(f, i)->verdict = verdicts[byte(&f->in) % 3];
    return;
  default:
    name_members(f, i);
    return;
  }
}

static void step(struct fuzz *f) {
  const uint8_t op = byte(&f->in) % 16;
  const size_t i = byte(&f->in) % NODES;
  const size_t k = (i + 1 + byte(&f->in) % (NODES - 1)) % NODES;

  if (op < 9) {
    if (at(f, i)->node != NULL) {
      to_node(f, op, i, k);
    }
  } else if (op == 9) {
    begin(f, i);
  } else if (op == 10) {
    netsim_cut(f->sim, i, k, (byte(&f->in) & 1) != 0);
  } else if (op == 11) {
    netsim_corrupt(f->sim, byte(&f->in));
  } else if (op == 12) {
    enter_view(f);
  } else {
    netsim_run(f->sim, HS2N_MS(1) << (byte(&f->in) % 12));
  }
}

static void check(struct fuzz *f) {
  for (size_t i = 0; i < NODES; i++) {
    const struct netsim_node *n = at(f, i);

    expect(!n->seen.bytes_wrong);
    expect(n->seen.dones - f->dones[i] <= f->tags[i]);
    if (n->node != NULL) {
      expect(n->node->ledger.peak_bytes <= n->node->ledger.max_bytes);
    }
  }
}

/* The world becomes friendly: all must meet, and every tag must end. */
static void make_peace(struct fuzz *f) {
  netsim_corrupt(f->sim, 0);
  for (size_t i = 0; i < NODES; i++) {
    at(f, i)->mem.fail_at = 0;
    at(f, i)->verdict = HS2N_ACCEPT;
    for (size_t k = 0; k < NODES; k++) {
      netsim_cut(f->sim, i, k, false);
    }
    begin(f, i);
  }
  expect(netsim_until(f->sim, netsim_meshed, HS2N_S(120)));
  netsim_run(f->sim, HS2N_S(20));
  check(f);
  for (size_t i = 0; i < NODES; i++) {
    expect(at(f, i)->seen.dones - f->dones[i] == f->tags[i]);
    netsim_kill(f->sim, i);
    expect(at(f, i)->mem.live_bytes == 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct netsim_config c = netsim_config(NODES, 1);
  struct fuzz f = {.in = {data, data + len}};

  c.limits.backoff_max_ms = 1000;
  c.limits.handshake_ms = 1000;
  c.limits.idle_ms = 2000;
  c.limits.keep_alive_ms = 500;
  f.sim = netsim_new(&c);
  for (size_t i = 0; i < NODES; i++) {
    begin(&f, i);
  }
  netsim_run(f.sim, HS2N_MS(500));
  for (int i = 0; i < OPS_MAX && f.in.at < f.in.end; i++) {
    step(&f);
    check(&f);
  }
  make_peace(&f);
  netsim_free(f.sim);
  return 0;
}
