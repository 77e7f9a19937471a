/* transports: the same work over QUIC and over TCP and TLS, side by side: a
 * small message there and back, large ones in one direction. */
#include "endpoint.h"
#include "histogram.h"

#include <stdlib.h>

#define SMALL_LEN 128
#define LARGE_LEN (1u << 20)
#define WARM_UP 200

/* Large messages kept queued ahead of what the network takes. */
#define AHEAD 6

enum { QUIC, TCP, TRANSPORTS };

static const enum hs2n_transport transports[TRANSPORTS] = {
    [QUIC] = HS2N_TRANSPORT_QUIC, [TCP] = HS2N_TRANSPORT_TCP};

/* A connection of one transport, and what is measured of it. */
struct lane {
  struct endpoint e;
  const struct pair *p;
  struct hs2n_buf *small;
  struct hs2n_buf *large;
  struct histogram h;
  hs2n_time start;
  uint64_t left; /* pings or large messages to send */
  uint64_t bulk_ns;
  uint64_t bulk_cpu_ns; /* of this side */
};

/* ---- there and back ------------------------------------------------------ */

static void ping(struct lane *l) {
  l->left--;
  l->start = hs2n_io_now();
  must("ping", endpoint_send(&l->e, l->e.peer, l->small));
}

static void on_pong(struct endpoint *e, struct hs2n_peer from,
                    const struct hs2n_msg *msg) {
  struct lane *l = e->user;

  (void)from;
  (void)msg;
  if (e->messages > WARM_UP) {
    histogram_record(&l->h, hs2n_io_now() - l->start);
  }
  if (l->left > 0) {
    ping(l);
  }
}

static void on_ping(struct endpoint *e, struct hs2n_peer from,
                    const struct hs2n_msg *msg) {
  const struct lane *l = e->user;

  (void)msg;
  must("pong", endpoint_send(e, from, l->small));
}

static void play(struct lane *l, uint64_t rounds) {
  struct endpoint *e = &l->e;

  e->on_message = l->p->far ? on_ping : on_pong;
  e->messages = 0;
  pair_meet(l->p);
  if (!l->p->far) {
    l->left = rounds;
    ping(l);
  }
  endpoint_until(e, &e->messages, rounds);
}

/* ---- one way ------------------------------------------------------------- */

static void send_next(struct endpoint *e) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = e->peer};
  struct lane *l = e->user;
  const struct hs2n_msg msg = {
      .type = TYPE_LARGE, .flags = HS2N_MSG_ACK, .body = l->large};
  struct hs2n_tag tag;

  if (l->left > 0) {
    l->left--;
    must("send", hs2n_send(e->node, &dst, &msg, &tag));
  }
}

static void pour(struct lane *l, uint64_t n) {
  struct endpoint *e = &l->e;
  const uint64_t cpu = cpu_ns();
  hs2n_time start;

  e->on_message = NULL;
  e->on_done = send_next;
  e->messages = 0;
  e->done = 0;
  pair_meet(l->p);
  start = hs2n_io_now();
  if (l->p->far) {
    endpoint_until(e, &e->messages, n);
    must("turn", hs2n_io_turn(e->io, 0));
  } else {
    l->left = n;
    for (unsigned i = 0; i < AHEAD; i++) {
      send_next(e);
    }
    endpoint_until(e, &e->done, n);
  }
  l->bulk_ns += hs2n_io_now() - start;
  l->bulk_cpu_ns += cpu_ns() - cpu;
}

/* ---- both ---------------------------------------------------------------- */

static void open_lane(struct lane *l, const struct micro *m,
                      const struct pair *p, enum hs2n_transport transport) {
  static const uint8_t bytes[LARGE_LEN];

  duo_open(&l->e, m, p, (struct endpoint_config){.transport = transport});
  l->p = p;
  l->e.user = l;
  must("body", hs2n_buf_wrap(&l->small, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, SMALL_LEN}, NULL, NULL));
  must("body", hs2n_buf_wrap(&l->large, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, LARGE_LEN}, NULL, NULL));
}

static void close_lane(struct lane *l) {
  hs2n_buf_unref(l->small);
  hs2n_buf_unref(l->large);
  endpoint_close(&l->e);
}

static double us(uint64_t ns) {
  return (double)ns / 1e3;
}

static void report(struct micro *m, const struct lane *l, double mib,
                   const struct pair *p) {
  static const char *const p50[] = {"128 B and back, QUIC: p50",
                                    "128 B and back, TCP: p50"};
  static const char *const p99[] = {"128 B and back, QUIC: p99",
                                    "128 B and back, TCP: p99"};
  static const char *const rate[] = {"1 MiB messages, QUIC",
                                     "1 MiB messages, TCP"};
  static const char *const cost[] = {"CPU of both per MiB, QUIC",
                                     "CPU of both per MiB, TCP"};

  for (size_t i = 0; i < TRANSPORTS; i++) {
    const uint64_t cpu = l[i].bulk_cpu_ns + atomic_load(&p->shared->numbers[i]);

    micro_add(m, p50[i], "us", us(histogram_percentile(&l[i].h, 0.5)));
    micro_add(m, p99[i], "us", us(histogram_percentile(&l[i].h, 0.99)));
    micro_add(m, rate[i], "MB/s", mib * LARGE_LEN / (double)l[i].bulk_ns * 1e3);
    micro_add(m, cost[i], "us", us(cpu) / mib);
  }
  micro_add(m, "TCP / QUIC, 128 B and back: p50", "x",
            (double)histogram_percentile(&l[TCP].h, 0.5) /
                (double)histogram_percentile(&l[QUIC].h, 0.5));
  micro_add(m, "TCP / QUIC, 1 MiB messages", "x",
            (double)l[QUIC].bulk_ns / (double)l[TCP].bulk_ns);
}

void bench_transports(struct micro *m) {
  const unsigned rounds = m->quick ? 1 : 5;
  const uint64_t pings = WARM_UP + (m->quick ? 500 : 2000);
  const uint64_t bodies = m->quick ? 16 : 128;
  struct lane *l = calloc(TRANSPORTS, sizeof(*l));
  struct pair p;

  must_system("calloc", l != NULL);
  pair_fork(&p);
  for (size_t i = 0; i < TRANSPORTS; i++) {
    open_lane(&l[i], m, &p, transports[i]);
  }
  for (unsigned r = 0; r < rounds; r++) {
    for (size_t i = 0; i < TRANSPORTS; i++) {
      play(&l[i], pings);
      pour(&l[i], bodies);
    }
  }
  for (size_t i = 0; p.far && i < TRANSPORTS; i++) {
    atomic_store(&p.shared->numbers[i], l[i].bulk_cpu_ns);
  }
  pair_meet(&p);
  if (!p.far) {
    report(m, l, (double)(rounds * bodies), &p);
  }
  for (size_t i = 0; i < TRANSPORTS; i++) {
    close_lane(&l[i]);
  }
  pair_end(&p);
  free(l);
}
