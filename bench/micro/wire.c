/* wire: bytes of datagrams for a byte of payload, and packets for a batch. */
#include "endpoint.h"

#include <stdlib.h>

#define VOTE 150u
#define VOTES 100u
#define LARGE (1u << 20)

static struct hs2n_stats stats_of(const struct endpoint *e) {
  struct hs2n_stats s = {.struct_size = sizeof(s)};

  hs2n_node_stats(e->node, &s);
  return s;
}

/* Sends n messages of len bytes in one turn, rounds times, each when all
 * before are acknowledged. */
static void send_rounds(struct endpoint *e, size_t len, unsigned n,
                        unsigned rounds) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = e->peer};
  struct hs2n_msg msg = {.type = len <= SMALL_MAX ? TYPE_SMALL : TYPE_LARGE,
                         .flags = HS2N_MSG_ACK};
  uint8_t *bytes = calloc(1, len);

  must_system("calloc", bytes != NULL);
  must("body", hs2n_buf_wrap(&msg.body, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, len}, NULL, NULL));
  for (unsigned i = 0; i < rounds; i++) {
    const uint64_t goal = e->done + n;

    for (unsigned k = 0; k < n; k++) {
      struct hs2n_tag tag;

      must("send", hs2n_send(e->node, &dst, &msg, &tag));
    }
    endpoint_until(e, &e->done, goal);
  }
  hs2n_buf_unref(msg.body);
  free(bytes);
}

struct cost {
  double out;     /* bytes sent for a byte of payload */
  double back;    /* bytes received for one */
  double packets; /* sent, of a round */
};

static struct cost measure(struct endpoint *e, size_t len, unsigned n,
                           unsigned rounds) {
  const struct hs2n_stats before = stats_of(e);
  const double payload = (double)len * n * rounds;
  struct hs2n_stats after;

  send_rounds(e, len, n, rounds);
  after = stats_of(e);
  return (struct cost){
      .out = (double)(after.udp_bytes_sent - before.udp_bytes_sent) / payload,
      .back = (double)(after.udp_bytes_received - before.udp_bytes_received) /
              payload,
      .packets =
          (double)(after.udp_datagrams_sent - before.udp_datagrams_sent) /
          rounds,
  };
}

#define WARM_UP 20u /* of 1 MiB, by which the path's packet size is found */

static void add(struct micro *m, struct endpoint *e, unsigned rounds) {
  struct cost c;

  send_rounds(e, LARGE, 1, WARM_UP);
  c = measure(e, VOTE, VOTES, rounds);
  micro_add(m, "100 votes of 150 B in one turn: packets", "", c.packets);
  micro_add(m, "100 votes of 150 B: bytes sent / payload", "x", c.out);
  micro_add(m, "100 votes of 150 B: bytes received / payload", "x", c.back);
  c = measure(e, VOTE, 1, rounds);
  micro_add(m, "one vote of 150 B: bytes sent / payload", "x", c.out);
  c = measure(e, LARGE, 1, rounds);
  micro_add(m, "1 MiB message: bytes sent / payload", "x", c.out);
  micro_add(m, "1 MiB message: bytes received / payload", "x", c.back);
}

void bench_wire(struct micro *m) {
  const unsigned rounds = m->quick ? 5 : 50;
  struct endpoint e;
  struct pair p;

  pair_fork(&p);
  duo_open(&e, m, &p, (struct endpoint_config){.spin_us = 0});
  if (p.far) {
    endpoint_until(&e, &e.messages, WARM_UP + rounds * (VOTES + 2));
    must("turn", hs2n_io_turn(e.io, 0)); /* the last acknowledgement leaves */
  } else {
    add(m, &e, rounds);
  }
  pair_meet(&p);
  endpoint_close(&e);
  pair_end(&p);
}
