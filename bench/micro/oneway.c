/* oneway: small messages in one direction, in order, each once, each
 * acknowledged by the receiver's application. */
#include "endpoint.h"

#define LEN 256
#define WARM_UP 20000

static void send_all(struct endpoint *e, uint64_t n) {
  static const uint8_t bytes[LEN];

  for (uint64_t sent = 0; sent < n;) {
    struct hs2n_buf *body;

    must("body",
         hs2n_buf_new(&body, hs2n_mem_libc(), (struct hs2n_span){bytes, LEN}));
    if (endpoint_send(e, e->peer, body) == HS2N_OK) {
      sent++;
    } else {
      must("turn", hs2n_io_turn(e->io, HS2N_MS(100)));
    }
    hs2n_buf_unref(body);
  }
}

/* The near side is done when nothing waits for an acknowledgement. */
static void drain(struct endpoint *e) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  for (;;) {
    must("info", hs2n_peer_info(e->node, e->peer, &info));
    if (info.queued_bytes == 0) {
      return;
    }
    must("turn", hs2n_io_turn(e->io, HS2N_MS(100)));
  }
}

static void run(const struct pair *p, struct endpoint *e, uint64_t n) {
  const uint64_t goal = e->messages + n;

  pair_meet(p);
  if (p->far) {
    endpoint_until(e, &e->messages, goal);
    atomic_store(&p->shared->numbers[0], hs2n_io_now());
    must("turn", hs2n_io_turn(e->io, 0));
  } else {
    send_all(e, n);
    drain(e);
  }
}

void bench_oneway(struct micro *m) {
  const uint64_t n = m->quick ? 200000 : 3000000;
  struct endpoint e;
  struct pair p;
  uint64_t cpu;
  double elapsed;
  hs2n_time start;

  pair_fork(&p);
  duo_open(&e, m, &p, (struct endpoint_config){.spin_us = 0});
  run(&p, &e, WARM_UP);
  cpu = cpu_ns();
  start = hs2n_io_now();
  run(&p, &e, n);
  cpu = cpu_ns() - cpu;
  if (p.far) {
    atomic_store(&p.shared->numbers[1], cpu);
  }
  /* The far side answers the last acknowledgements' packets until both are
   * here. */
  pair_meet(&p);
  elapsed = (double)(atomic_load(&p.shared->numbers[0]) - start);
  if (!p.far) {
    micro_add(m, "256 B one way", "messages/s", (double)n / elapsed * 1e9);
    micro_add(m, "CPU of the sender per message", "ns",
              (double)cpu / (double)n);
    micro_add(m, "CPU of the receiver per message", "ns",
              (double)atomic_load(&p.shared->numbers[1]) / (double)n);
  }
  endpoint_close(&e);
  pair_end(&p);
}
