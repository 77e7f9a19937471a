/* connect: from naming a member to on_peer(UP), which is a handshake with
 * mutual authentication and both hellos. */
#include "endpoint.h"
#include "histogram.h"

#include <stdlib.h>

#define MANY 64

/* The near side: dials, comes up, drops the peer, and dials again. */
struct dialler {
  struct crowd crowd;
  const struct micro *m;
  uint16_t port;
  unsigned left; /* dials still to begin */
  unsigned ups;
  uint64_t epoch[MANY];
  hs2n_time start[MANY];
  bool up[MANY];
  struct histogram h;
};

static void dial(struct dialler *d, size_t i) {
  const struct member_at members[] = {
      {.identity = d->m->ids[0], .port = d->port},
      {.identity = d->m->ids[i + 1]}};
  struct endpoint *e = &d->crowd.e[i];

  if (d->left == 0) {
    return;
  }
  d->left--;
  /* An epoch without the other ends the connection. */
  endpoint_members(e, ++d->epoch[i], members + 1, 1);
  must("turn", hs2n_io_turn(e->io, 0));
  d->start[i] = hs2n_io_now();
  endpoint_members(e, ++d->epoch[i], members, 2);
  must("turn", hs2n_io_turn(e->io, 0));
}

static void on_up(struct endpoint *e) {
  struct dialler *d = e->user;

  histogram_record(&d->h, hs2n_io_now() - d->start[e->index]);
  d->up[e->index] = true;
  d->ups++;
}

/* Returns the nanoseconds that all n took. */
static uint64_t run_near(struct dialler *d, size_t at_once, unsigned n) {
  const hs2n_time start = hs2n_io_now();

  d->left = n;
  for (size_t i = 0; i < at_once; i++) {
    dial(d, i);
  }
  while (d->ups < n) {
    crowd_turn(&d->crowd);
    for (size_t i = 0; i < at_once; i++) {
      if (d->up[i]) {
        d->up[i] = false;
        dial(d, i);
      }
    }
  }
  return hs2n_io_now() - start;
}

static void run_far(const struct micro *m, const struct pair *p, size_t at_once,
                    unsigned n) {
  struct member_at members[MANY + 1];
  struct endpoint e;

  endpoint_open(&e, (struct endpoint_config){.identity = m->ids[0],
                                             .peers_max = MANY + 1});
  for (size_t i = 0; i <= at_once; i++) {
    members[i] = (struct member_at){.identity = m->ids[i]};
  }
  endpoint_members(&e, 1, members, at_once + 1);
  atomic_store(&p->shared->ports[0], endpoint_port(&e));
  pair_meet(p);
  while (atomic_load(&p->shared->numbers[0]) < n) {
    must("turn", hs2n_io_turn(e.io, HS2N_MS(10)));
  }
  endpoint_close(&e);
}

static uint64_t measure(const struct micro *m, struct dialler *d,
                        size_t at_once, unsigned n) {
  struct pair p;
  uint64_t ns;

  pair_fork(&p);
  if (p.far) {
    run_far(m, &p, at_once, n);
    pair_end(&p);
  }
  d->m = m;
  crowd_open(&d->crowd, at_once, m->ids + 1,
             (struct endpoint_config){.spin_us = 0});
  for (size_t i = 0; i < at_once; i++) {
    d->crowd.e[i].user = d;
    d->crowd.e[i].on_up = on_up;
  }
  pair_meet(&p);
  d->port = (uint16_t)atomic_load(&p.shared->ports[0]);
  ns = run_near(d, at_once, n);
  atomic_store(&p.shared->numbers[0], n);
  crowd_close(&d->crowd);
  pair_end(&p);
  return ns;
}

void bench_connect(struct micro *m) {
  const unsigned n = m->quick ? 200 : 2000;
  struct dialler *d = calloc(1, sizeof(*d));
  uint64_t ns;

  must_system("calloc", d != NULL);
  measure(m, d, 1, n);
  micro_add(m, "dial to UP, one at a time: p50", "us",
            (double)histogram_percentile(&d->h, 0.5) / 1e3);
  micro_add(m, "dial to UP, one at a time: p99", "us",
            (double)histogram_percentile(&d->h, 0.99) / 1e3);
  *d = (struct dialler){.left = 0};
  ns = measure(m, d, MANY, n);
  micro_add(m, "dial to UP, 64 at a time", "connections/s",
            (double)n / (double)ns * 1e9);
  free(d);
}
