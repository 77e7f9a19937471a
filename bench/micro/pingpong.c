/* pingpong: from hs2n_send to on_message and back, next to raw UDP. */
#include "endpoint.h"
#include "raw.h"

#include <stdlib.h>

#define LEN 128
#define WARM_UP 200

enum way { RAW_SLEEP, NODE_SLEEP, RAW_SPIN, NODE_SPIN, NODE_ADAPTIVE, WAYS };

static const uint32_t spins[WAYS] = {
    [NODE_SPIN] = 1000000, [NODE_ADAPTIVE] = 50};

/* One way's times, and the game that is on. */
struct game {
  struct endpoint e;
  struct hs2n_buf *body;
  struct histogram *h;
  hs2n_time start;
  unsigned n; /* pings of this round */
};

static void serve(struct game *g) {
  g->start = hs2n_io_now();
  must("ping", endpoint_send(&g->e, g->e.peer, g->body));
}

static void on_pong(struct endpoint *e, struct hs2n_peer from,
                    const struct hs2n_msg *msg) {
  struct game *g = e->user;
  const uint64_t round = g->e.messages;

  (void)from;
  (void)msg;
  if (round > WARM_UP) {
    histogram_record(g->h, hs2n_io_now() - g->start);
  }
  if (round < g->n) {
    serve(g);
  }
}

static void on_ping(struct endpoint *e, struct hs2n_peer from,
                    const struct hs2n_msg *msg) {
  const struct game *g = e->user;

  (void)msg;
  must("pong", endpoint_send(e, from, g->body));
}

static void play(const struct pair *p, struct game *g, unsigned n) {
  struct endpoint *e = &g->e;

  e->messages = 0;
  g->n = n;
  pair_meet(p);
  if (!p->far) {
    serve(g);
  }
  endpoint_until(e, &e->messages, n);
}

static void report(struct micro *m, struct histogram *h) {
  static const char *const p50[] = {
      "raw UDP, epoll: p50", "hs2net, epoll: p50", "raw UDP, spinning: p50",
      "hs2net, spinning: p50", "hs2net, 50 us spin: p50"};
  static const char *const p99[] = {
      "raw UDP, epoll: p99", "hs2net, epoll: p99", "raw UDP, spinning: p99",
      "hs2net, spinning: p99", "hs2net, 50 us spin: p99"};

  for (size_t i = 0; i < WAYS; i++) {
    micro_add(m, p50[i], "us", (double)histogram_percentile(&h[i], 0.5) / 1e3);
    micro_add(m, p99[i], "us", (double)histogram_percentile(&h[i], 0.99) / 1e3);
  }
  micro_add(m, "hs2net / raw UDP, epoll: p50", "x",
            (double)histogram_percentile(&h[NODE_SLEEP], 0.5) /
                (double)histogram_percentile(&h[RAW_SLEEP], 0.5));
  micro_add(m, "hs2net / raw UDP, spinning: p50", "x",
            (double)histogram_percentile(&h[NODE_SPIN], 0.5) /
                (double)histogram_percentile(&h[RAW_SPIN], 0.5));
}

static void open_game(struct game *g, const struct micro *m,
                      const struct pair *p, uint32_t spin_us,
                      struct histogram *h) {
  static const uint8_t bytes[LEN];

  duo_open(&g->e, m, p, (struct endpoint_config){.spin_us = spin_us});
  g->h = h;
  g->e.user = g;
  g->e.on_message = p->far ? on_ping : on_pong;
  must("body", hs2n_buf_wrap(&g->body, hs2n_mem_libc(),
                             (struct hs2n_span){bytes, LEN}, NULL, NULL));
}

void bench_pingpong(struct micro *m) {
  const unsigned rounds = m->quick ? 2 : 10;
  const unsigned each = WARM_UP + 2000;
  struct histogram *h = calloc(WAYS, sizeof(*h));
  struct game *games = calloc(WAYS, sizeof(*games));
  struct pair p;
  int fd;

  must_system("calloc", h != NULL && games != NULL);
  pair_fork(&p);
  fd = raw_open(&p);
  for (size_t i = 0; i < WAYS; i++) {
    if (i == NODE_SLEEP || spins[i] != 0) {
      open_game(&games[i], m, &p, spins[i], &h[i]);
    }
  }
  for (unsigned r = 0; r < rounds; r++) {
    for (size_t i = 0; i < WAYS; i++) {
      if (games[i].e.io != NULL) {
        play(&p, &games[i], each);
      } else {
        raw_pingpong(&p, fd, i == RAW_SPIN, each, WARM_UP, LEN, &h[i]);
      }
    }
  }
  pair_end(&p);
  for (size_t i = 0; i < WAYS; i++) {
    hs2n_buf_unref(games[i].body);
    endpoint_close(&games[i].e);
  }
  report(m, h);
  free(games);
  free(h);
}
