#include "line.h"

#define STREAM (4u << 20)
#define AHEAD (8u * STREAM)

static bool carry(struct world *w, struct world_packet *p) {
  struct line *l = w->filter_data;
  const unsigned way = p->from.ip[3] == 1 ? 0 : 1;
  const hs2n_time begin = l->busy[way] > w->now ? l->busy[way] : w->now;
  const hs2n_time took = p->len * HS2N_S(1) / l->bytes_per_s;
  const hs2n_time room = l->queue_bytes * HS2N_S(1) / l->bytes_per_s;

  l->queued[way] = begin - w->now;
  if (begin > w->now && begin - w->now + took > room) {
    l->dropped[way]++;
    return false;
  }
  l->busy[way] = begin + took;
  w->delay = l->busy[way] - w->now + l->delay;
  return hs2ni_rng_below(&w->rng, 1000000) >= l->loss_ppm;
}

void line_lay(struct world *w, struct line *l) {
  w->filter = carry;
  w->filter_data = l;
}

uint32_t line_half_trip(uint64_t bytes_per_s, hs2n_time delay) {
  return (uint32_t)(bytes_per_s * delay / HS2N_S(1));
}

static void queue_ahead(struct world_conn *c, uint64_t rank) {
  uint64_t unsent = 0;

  for (size_t i = 0; i < c->out_n; i++) {
    unsent += c->out[i].total - c->out[i].offset;
  }
  while (unsent < AHEAD && world_send_ranked(c, STREAM, rank) != NULL) {
    unsent += STREAM;
  }
}

void line_fill(struct world_conn *c, uint64_t rank, hs2n_time length) {
  struct world *w = c->node->world;
  const hs2n_time end = w->now + length;

  while (w->now < end) {
    const hs2n_time left = end - w->now;

    queue_ahead(c, rank);
    world_run(w, left < HS2N_MS(100) ? left : HS2N_MS(100));
  }
}
