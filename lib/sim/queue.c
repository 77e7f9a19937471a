/* The two heaps of the loop: what happens at a time, and which node wants to
 * be called.  Equal times go by the order in which they were asked for, and
 * by number of the node: never by an address in memory. */
#include "sim/inside.h"

#include <assert.h>

/* ---- events -----------------------------------------------------------------
 */

static bool before(const struct hs2ni_event *a, const struct hs2ni_event *b) {
  return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static int push(struct hs2n_sim *sim, struct hs2ni_event event) {
  struct hs2ni_events *q = &sim->events;
  size_t i = q->n;

  if (!hs2ni_sim_grow(sim, (void **)&q->heap, &q->capacity, sizeof(*q->heap),
                      q->n + 1)) {
    hs2ni_sim_starved(sim);
    return HS2N_ERR_NO_MEMORY;
  }
  q->n++;
  event.order = q->order++;
  event.at = event.at < sim->now ? sim->now : event.at;
  for (; i > 0 && before(&event, &q->heap[(i - 1) / 2]); i = (i - 1) / 2) {
    q->heap[i] = q->heap[(i - 1) / 2];
  }
  q->heap[i] = event;
  return HS2N_OK;
}

int hs2ni_event_packet(struct hs2n_sim *sim, hs2n_time at,
                       struct hs2ni_packet *packet) {
  const int err = push(sim, (struct hs2ni_event){.at = at, .packet = packet});

  if (err != HS2N_OK) {
    hs2ni_packet_free(sim, packet);
  }
  return err;
}

int hs2ni_event_call(struct hs2n_sim *sim, hs2n_time at,
                     void (*fn)(struct hs2n_sim *sim, void *arg), void *arg) {
  return push(sim, (struct hs2ni_event){.at = at, .fn = fn, .arg = arg});
}

struct hs2ni_event hs2ni_event_pop(struct hs2n_sim *sim) {
  struct hs2ni_events *q = &sim->events;
  const struct hs2ni_event first = q->heap[0];
  struct hs2ni_event last;
  size_t i = 0;

  assert(q->n > 0);
  last = q->heap[--q->n];
  for (size_t c = 1; c < q->n; c = 2 * i + 1) {
    c += c + 1 < q->n && before(&q->heap[c + 1], &q->heap[c]);
    if (!before(&q->heap[c], &last)) {
      break;
    }
    q->heap[i] = q->heap[c];
    i = c;
  }
  q->heap[i] = last;
  return first;
}

hs2n_time hs2ni_event_next(const struct hs2n_sim *sim) {
  return sim->events.n > 0 ? sim->events.heap[0].at : HS2N_TIME_NEVER;
}

/* ---- nodes
 * ------------------------------------------------------------------- */

static bool earlier(const struct hs2n_sim *sim, uint32_t a, uint32_t b) {
  const hs2n_time x = sim->nodes[a].wake;
  const hs2n_time y = sim->nodes[b].wake;

  return x != y ? x < y : a < b;
}

static void put(struct hs2n_sim *sim, uint32_t place, uint32_t node) {
  sim->waking[place] = node;
  sim->nodes[node].place = place;
}

static void sift_up(struct hs2n_sim *sim, uint32_t i, uint32_t node) {
  for (; i > 0 && earlier(sim, node, sim->waking[(i - 1) / 2]);
       i = (i - 1) / 2) {
    put(sim, i, sim->waking[(i - 1) / 2]);
  }
  put(sim, i, node);
}

static void sift_down(struct hs2n_sim *sim, uint32_t i, uint32_t node) {
  for (uint32_t c = 2 * i + 1; c < sim->waking_n; c = 2 * i + 1) {
    c += c + 1 < sim->waking_n &&
         earlier(sim, sim->waking[c + 1], sim->waking[c]);
    if (!earlier(sim, sim->waking[c], node)) {
      break;
    }
    put(sim, i, sim->waking[c]);
    i = c;
  }
  put(sim, i, node);
}

static void take_out(struct hs2n_sim *sim, struct hs2ni_sim_node *n) {
  const uint32_t hole = n->place;
  const uint32_t last = sim->waking[--sim->waking_n];

  n->place = HS2NI_SIM_NOT_QUEUED;
  if (last != n->index) {
    sift_down(sim, hole, last);
    sift_up(sim, sim->nodes[last].place, last);
  }
}

void hs2ni_wake_at(struct hs2n_sim *sim, struct hs2ni_sim_node *n,
                   hs2n_time at) {
  if (n->place != HS2NI_SIM_NOT_QUEUED) {
    if (at == n->wake) {
      return;
    }
    take_out(sim, n);
  }
  n->wake = at;
  if (at != HS2N_TIME_NEVER) {
    sift_up(sim, sim->waking_n++, n->index);
  }
}

hs2n_time hs2ni_wake_next(const struct hs2n_sim *sim) {
  return sim->waking_n > 0 ? sim->nodes[sim->waking[0]].wake : HS2N_TIME_NEVER;
}
