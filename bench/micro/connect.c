/* connect: from naming a member to on_peer(UP), which is a handshake with
 * mutual authentication and both hellos. */
#include "endpoint.h"
#include "histogram.h"

#include <stdlib.h>

#define MANY 64

/* The near side: nodes that have never met the far one, each dials once. */
struct dialler {
  struct crowd crowd;
  const struct micro *m;
  uint16_t port;
  size_t begun;
  size_t ups;
  hs2n_time start[PEERS_MAX];
  struct histogram h;
};

static void dial_next(struct dialler *d) {
  const size_t i = d->begun;
  struct endpoint *e = &d->crowd.e[i];
  const struct member_at members[] = {
      {.identity = d->m->ids[0], .port = d->port},
      {.identity = d->m->ids[i + 1]}};

  d->begun++;
  d->start[i] = hs2n_io_now();
  endpoint_members(e, 1, members, 2);
  must("turn", hs2n_io_turn(e->io, 0));
}

static void on_up(struct endpoint *e) {
  struct dialler *d = e->user;

  histogram_record(&d->h, hs2n_io_now() - d->start[e->index]);
  d->ups++;
}

/* Returns the nanoseconds that all n took. */
static uint64_t run_near(struct dialler *d, size_t at_once, size_t n) {
  const hs2n_time start = hs2n_io_now();

  while (d->ups < n) {
    while (d->begun < n && d->begun < d->ups + at_once) {
      dial_next(d);
    }
    crowd_turn(&d->crowd);
  }
  return hs2n_io_now() - start;
}

static void run_far(const struct micro *m, const struct pair *p, size_t n) {
  struct member_at *members = calloc(n + 1, sizeof(*members));
  struct endpoint e;

  must_system("calloc", members != NULL);
  endpoint_open(&e, (struct endpoint_config){.identity = m->ids[0],
                                             .peers_max = (uint32_t)n + 1});
  for (size_t i = 0; i <= n; i++) {
    members[i] = (struct member_at){.identity = m->ids[i]};
  }
  endpoint_members(&e, 1, members, n + 1);
  atomic_store(&p->shared->ports[0], endpoint_port(&e));
  pair_meet(p);
  endpoint_until_up(&e, (unsigned)n);
  atomic_store(&p->shared->numbers[0], 1);
  endpoint_close(&e);
  free(members);
}

static uint64_t measure(const struct micro *m, struct dialler *d,
                        size_t at_once, size_t n) {
  struct pair p;
  uint64_t ns;

  pair_fork(&p);
  if (p.far) {
    run_far(m, &p, n);
    pair_end(&p);
  }
  d->m = m;
  crowd_open(&d->crowd, n, m->ids + 1, (struct endpoint_config){.spin_us = 0});
  for (size_t i = 0; i < n; i++) {
    d->crowd.e[i].user = d;
    d->crowd.e[i].on_up = on_up;
  }
  pair_meet(&p);
  d->port = (uint16_t)atomic_load(&p.shared->ports[0]);
  ns = run_near(d, at_once, n);
  while (atomic_load(&p.shared->numbers[0]) == 0) {
    crowd_turn(&d->crowd);
  }
  crowd_close(&d->crowd);
  pair_end(&p);
  return ns;
}

void bench_connect(struct micro *m) {
  const size_t n = m->quick ? 200 : peers_possible();
  struct dialler *d = calloc(1, sizeof(*d));
  uint64_t ns;

  must_system("calloc", d != NULL);
  measure(m, d, 1, n);
  micro_add(m, "dial to UP, one at a time: p50", "us",
            (double)histogram_percentile(&d->h, 0.5) / 1e3);
  micro_add(m, "dial to UP, one at a time: p99", "us",
            (double)histogram_percentile(&d->h, 0.99) / 1e3);
  *d = (struct dialler){.begun = 0};
  ns = measure(m, d, MANY, n);
  micro_add(m, "dial to UP, 64 at a time", "connections/s",
            (double)n / (double)ns * 1e9);
  free(d);
}
