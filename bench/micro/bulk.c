/* bulk: large messages in one direction, next to raw UDP with the same
 * segmentation. */
#include "endpoint.h"
#include "raw.h"

#include <stdlib.h>

#define LEN (1u << 20)

/* Keeps a few messages queued ahead of what the network takes. */
#define AHEAD 6

struct flow {
  struct hs2n_buf *body;
  uint64_t left; /* messages to hand over */
};

static void send_next(struct endpoint *e) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = e->peer};
  struct flow *f = e->user;
  const struct hs2n_msg msg = {
      .type = TYPE_LARGE, .flags = HS2N_MSG_ACK, .body = f->body};
  struct hs2n_tag tag;

  if (f->left > 0) {
    f->left--;
    must("send", hs2n_send(e->node, &dst, &msg, &tag));
  }
}

/* Returns the nanoseconds until the last was acknowledged, at the near side. */
static uint64_t run(const struct pair *p, struct endpoint *e, uint64_t n) {
  const uint64_t goal = (p->far ? e->messages : e->done) + n;
  struct flow *f = e->user;
  hs2n_time start;

  pair_meet(p);
  start = hs2n_io_now();
  if (p->far) {
    endpoint_until(e, &e->messages, goal);
    must("turn", hs2n_io_turn(e->io, 0));
    return 0;
  }
  f->left = n;
  for (unsigned i = 0; i < AHEAD; i++) {
    send_next(e);
  }
  endpoint_until(e, &e->done, goal);
  return hs2n_io_now() - start;
}

void bench_bulk(struct micro *m) {
  const uint64_t n = m->quick ? 64 : 256;
  const unsigned rounds = m->quick ? 1 : 5;
  static uint8_t bytes[LEN];
  struct flow flow = {.left = 0};
  uint64_t node_ns = 0;
  uint64_t raw_ns = 0;
  uint64_t cpu = 0;
  struct endpoint e;
  struct pair p;
  double mib;
  int fd;

  pair_fork(&p);
  fd = raw_open(&p);
  duo_open(&e, m, &p, (struct endpoint_config){.spin_us = 0});
  e.user = &flow;
  e.on_done = send_next;
  must("body", hs2n_buf_wrap(&flow.body, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, LEN}, NULL, NULL));
  (void)run(&p, &e, 32);
  for (unsigned i = 0; i < rounds; i++) {
    const uint64_t before = cpu_ns();

    node_ns += run(&p, &e, n);
    cpu += cpu_ns() - before;
    raw_ns += raw_bulk(&p, fd, n * LEN);
  }
  if (p.far) {
    atomic_store(&p.shared->numbers[0], cpu);
  }
  pair_meet(&p);
  mib = (double)(rounds * n);
  if (!p.far) {
    micro_add(m, "1 MiB messages", "MB/s", mib * LEN / (double)node_ns * 1e3);
    micro_add(m, "raw UDP, UDP_SEGMENT and UDP_GRO", "MB/s",
              mib * LEN / (double)raw_ns * 1e3);
    micro_add(m, "hs2net / raw UDP", "x", (double)raw_ns / (double)node_ns);
    micro_add(m, "CPU of the sender per MiB", "us", (double)cpu / mib / 1e3);
    micro_add(m, "CPU of the receiver per MiB", "us",
              (double)atomic_load(&p.shared->numbers[0]) / mib / 1e3);
  }
  hs2n_buf_unref(flow.body);
  endpoint_close(&e);
  pair_end(&p);
}
