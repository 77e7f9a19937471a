/* broadcast: one sender here, many receivers in the other process, until the
 * application of each has it. */
#include "endpoint.h"
#include "histogram.h"

#include <stdlib.h>

#define PEERS 32

/* The far side: receivers that run until this many messages came to each. */
static void receive(const struct micro *m, const struct pair *p,
                    uint64_t goal) {
  struct crowd c;
  uint64_t least = 0;

  crowd_open(&c, PEERS, m->ids + 1, (struct endpoint_config){.spin_us = 0});
  pair_meet(p); /* the sender listens */
  for (uint64_t i = 0; i < PEERS; i++) {
    const struct member_at members[] = {
        {.identity = m->ids[0],
         .port = (uint16_t)atomic_load(&p->shared->ports[0])},
        {.identity = m->ids[i + 1]}};

    endpoint_members(&c.e[i], 1, members, 2);
  }
  crowd_start(&c);
  while (least < goal) {
    crowd_turn(&c);
    least = goal;
    for (size_t i = 0; i < PEERS; i++) {
      least = c.e[i].messages < least ? c.e[i].messages : least;
    }
  }
  crowd_start(&c); /* the last acknowledgements leave */
  pair_meet(p);
  crowd_close(&c);
}

static void measure(struct endpoint *e, size_t len, unsigned rounds,
                    struct histogram *h) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = 1};
  struct hs2n_msg msg = {.type = len <= SMALL_MAX ? TYPE_SMALL : TYPE_LARGE,
                         .flags = HS2N_MSG_ACK};
  uint8_t *bytes = calloc(1, len);

  must_system("calloc", bytes != NULL);
  must("body", hs2n_buf_wrap(&msg.body, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, len}, NULL, NULL));
  for (unsigned i = 0; i < rounds; i++) {
    const hs2n_time start = hs2n_io_now();
    struct hs2n_tag tag;

    must("send", hs2n_send(e->node, &dst, &msg, &tag));
    endpoint_until(e, &e->done, e->done + 1);
    histogram_record(h, hs2n_io_now() - start);
  }
  hs2n_buf_unref(msg.body);
  free(bytes);
}

static void one_len(struct micro *m, const char *name, const char *unit,
                    double scale, size_t len, unsigned rounds) {
  struct histogram *h = calloc(1, sizeof(*h));
  struct member_at members[PEERS + 1];
  struct endpoint e;
  struct pair p;

  must_system("calloc", h != NULL);
  pair_fork(&p);
  if (p.far) {
    receive(m, &p, rounds);
    pair_end(&p);
  }
  endpoint_open(&e, (struct endpoint_config){.identity = m->ids[0],
                                             .peers_max = PEERS + 1});
  for (size_t i = 0; i <= PEERS; i++) {
    members[i] = (struct member_at){.identity = m->ids[i]};
  }
  endpoint_members(&e, 1, members, PEERS + 1);
  atomic_store(&p.shared->ports[0], endpoint_port(&e));
  pair_meet(&p);
  endpoint_until_up(&e, PEERS);
  measure(&e, len, rounds, h);
  pair_meet(&p);
  micro_add(m, name, unit, (double)histogram_percentile(h, 0.5) / scale);
  endpoint_close(&e);
  pair_end(&p);
  free(h);
}

void bench_broadcast(struct micro *m) {
  const unsigned few = m->quick ? 5 : 30;

  one_len(m, "256 B to 32 peers until acknowledged: p50", "us", 1e3, 256,
          few * 20);
  one_len(m, "256 KiB to 32 peers until acknowledged: p50", "ms", 1e6, 262144,
          few);
  one_len(m, "1 MiB to 32 peers until acknowledged: p50", "ms", 1e6, 1u << 20,
          few);
}
