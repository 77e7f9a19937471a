/* From one node to another: port, link, noise, port, socket. */
#include "sim/pipe.h"

#include <string.h>

#define PACKET_BYTES 1536 /* what nearly all datagrams fit in */

/* ---- datagrams
 * ------------------------------------------------------------------ */

struct hs2ni_packet *hs2ni_packet_new(struct hs2n_sim *sim, size_t len) {
  const size_t capacity = len <= PACKET_BYTES ? PACKET_BYTES : len;
  struct hs2ni_packet *p = sim->free_packets;

  if (len <= PACKET_BYTES && p != NULL) {
    sim->free_packets = p->next;
  } else {
    p = hs2ni_sim_alloc(sim, sizeof(*p) + capacity);
    if (p == NULL) {
      hs2ni_sim_starved(sim);
      return NULL;
    }
  }
  *p = (struct hs2ni_packet){.len = (uint32_t)len,
                             .capacity = (uint32_t)capacity};
  return p;
}

void hs2ni_packet_free(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  if (p->capacity == PACKET_BYTES) {
    p->next = sim->free_packets;
    sim->free_packets = p;
  } else {
    hs2ni_sim_free(sim, p, sizeof(*p) + p->capacity);
  }
}

struct hs2ni_packet *hs2ni_packet_copy(struct hs2n_sim *sim,
                                       const struct hs2ni_packet *p) {
  struct hs2ni_packet *copy = hs2ni_packet_new(sim, p->len);

  if (copy != NULL) {
    const uint32_t capacity = copy->capacity;

    *copy = *p;
    copy->next = NULL;
    copy->capacity = capacity;
    memcpy(copy->data, p->data, p->len);
  }
  return copy;
}

void hs2ni_net_lose(struct hs2n_sim *sim, struct hs2ni_packet *p,
                    uint64_t *counter, const char *why) {
  ++*counter;
  hs2ni_trace(sim, HS2N_SIM_DROP, p->from, p->to, p->len, 0, why);
  hs2ni_packet_free(sim, p);
}

/* ---- addresses
 * -------------------------------------------------------------------- */

/* 10.moves.hi.lo, hi and lo from index + 1: who it is needs no table. */
struct hs2n_addr hs2ni_net_addr(const struct hs2ni_sim_node *n) {
  const uint32_t x = n->index + 1;

  return (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                            .ip = {10, n->move, (uint8_t)(x >> 8), (uint8_t)x},
                            .port = HS2N_SIM_PORT};
}

uint32_t hs2ni_net_find(const struct hs2n_sim *sim, const struct hs2n_addr *a) {
  const uint32_t i = ((uint32_t)a->ip[2] << 8 | a->ip[3]) - 1;

  if (a->family != HS2N_FAMILY_IPV4 || a->ip[0] != 10 || i >= sim->n ||
      a->ip[1] != sim->nodes[i].move) {
    return sim->n;
  }
  return a->port == sim->nodes[i].nat_port ? i : sim->n;
}

uint32_t hs2ni_net_to(const struct hs2n_sim *sim,
                      const struct hs2ni_packet *p) {
  return p->segment.pipe == 0 ? hs2ni_net_find(sim, &p->dst)
                              : hs2ni_segment_to(sim, p);
}

/* ---- rates
 * ------------------------------------------------------------------------- */

/* How long bytes take; a queue of 4 GiB at 1 byte/s still fits. */
static hs2n_time takes(uint64_t bytes, uint64_t bytes_per_s) {
  return bytes * HS2N_S(1) / bytes_per_s;
}

/* Queues len bytes in front of a rate that is busy until *busy.  False: no
 * room.  *at becomes the time at which the last byte is through. */
static bool queue_up(hs2n_time *busy, uint64_t bytes_per_s,
                     uint32_t queue_bytes, uint32_t len, hs2n_time *at) {
  const hs2n_time begin = *busy > *at ? *busy : *at;

  /* A datagram that finds the way free needs no queue. */
  if (begin > *at &&
      begin - *at + takes(len, bytes_per_s) > takes(queue_bytes, bytes_per_s)) {
    return false;
  }
  *busy = begin + takes(len, bytes_per_s);
  *at = *busy;
  return true;
}

static bool through_port(struct hs2n_sim *sim, struct hs2ni_port *port,
                         struct hs2ni_packet *p, hs2n_time *at) {
  const hs2n_time entered = *at;

  if (port->p.bytes_per_s == 0) {
    return true;
  }
  if (!queue_up(&port->busy, port->p.bytes_per_s, port->p.queue_bytes, p->len,
                at)) {
    return false;
  }
  if (port->p.mark_bytes > 0 && p->ecn != HS2N_ECN_NOT_ECT &&
      *at - entered > takes(port->p.mark_bytes, port->p.bytes_per_s)) {
    p->ecn = HS2N_ECN_CE;
    sim->stats.marked++;
  }
  return true;
}

/* ---- noise
 * ----------------------------------------------------------------------------
 */

static bool noise_loses(struct hs2n_sim *sim, struct hs2ni_way *w,
                        const struct hs2n_sim_noise *noise) {
  struct hs2ni_chance *c = &sim->net_chance;

  if (w->bursting) {
    w->bursting = !hs2ni_chance_hits(
        c, noise->burst_end_ppm == 0 ? 1 : noise->burst_end_ppm);
    return true;
  }
  w->bursting = hs2ni_chance_hits(c, noise->burst_ppm);
  return w->bursting || hs2ni_chance_hits(c, noise->loss_ppm);
}

static void corrupt(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  const uint64_t flips = 1 + hs2ni_chance_below(&sim->net_chance, 8);

  for (uint64_t i = 0; i < flips && p->len > 0; i++) {
    const uint64_t bit =
        hs2ni_chance_below(&sim->net_chance, (uint64_t)p->len * 8);

    p->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  p->segment.spoiled = p->segment.pipe != 0;
  sim->stats.corrupted++;
}

static void travel(struct hs2n_sim *sim, struct hs2ni_packet *p, hs2n_time at) {
  struct hs2ni_way *w = hs2ni_way(sim, p->from, p->to);
  const struct hs2n_sim_link *link = hs2ni_shared_get(&sim->links, w->link);
  const struct hs2n_sim_noise *noise = hs2ni_shared_get(&sim->noises, w->noise);

  at += link->delay;
  if (link->jitter > 0) {
    at += hs2ni_chance_below(&sim->net_chance, link->jitter + 1);
  }
  if (!link->overtake && at < w->last) {
    at = w->last;
  }
  w->last = at;
  if (hs2ni_chance_hits(&sim->net_chance, noise->reorder_ppm)) {
    at += noise->reorder_delay;
    sim->stats.reordered++;
  }
  if (hs2ni_chance_hits(&sim->net_chance, noise->corrupt_ppm)) {
    corrupt(sim, p);
  }
  (void)hs2ni_event_packet(sim, at, p);
}

static void onto_way(struct hs2n_sim *sim, struct hs2ni_packet *p,
                     hs2n_time at) {
  struct hs2ni_way *w = hs2ni_way(sim, p->from, p->to);
  const struct hs2n_sim_link *link = hs2ni_shared_get(&sim->links, w->link);
  const struct hs2n_sim_noise *noise = hs2ni_shared_get(&sim->noises, w->noise);
  struct hs2ni_packet *twice;

  if (link->bytes_per_s > 0 &&
      !queue_up(&w->busy, link->bytes_per_s, link->queue_bytes, p->len, &at)) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_queue, "queue of the link");
    return;
  }
  if (noise_loses(sim, w, noise)) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_noise, "noise");
    return;
  }
  if (hs2ni_chance_hits(&sim->net_chance, noise->duplicate_ppm)) {
    twice = hs2ni_packet_copy(sim, p);
    if (twice != NULL) {
      sim->stats.duplicated++;
      travel(sim, twice, at);
    }
  }
  travel(sim, p, at);
}

static bool is_cut(const struct hs2n_sim *sim, const struct hs2ni_packet *p) {
  return hs2ni_way(sim, p->from, p->to)->cut ||
         (sim->partitioned &&
          sim->nodes[p->from].group != sim->nodes[p->to].group);
}

void hs2ni_net_send(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  struct hs2ni_sim_node *from = &sim->nodes[p->from];
  const struct hs2n_sim_link *link;
  hs2n_time at = sim->now;

  p->to = hs2ni_net_to(sim, p);
  if (from->dishonest && !hs2ni_evil_send(sim, p, &at)) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_evil, "silence");
    return;
  }
  if (!through_port(sim, &from->up, p, &at)) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_queue, "queue of the sender");
    return;
  }
  if (p->to == sim->n) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_nobody, "nobody there");
    return;
  }
  link = hs2ni_shared_get(&sim->links, hs2ni_way(sim, p->from, p->to)->link);
  if (link->mtu > 0 && p->len > link->mtu) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_mtu, "MTU");
  } else if (is_cut(sim, p)) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_cut, "cut");
  } else {
    onto_way(sim, p, at);
  }
}

void hs2ni_net_leave(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  const size_t len = p->segment.pipe == 0 ? p->len : p->len - HS2NI_PIPE_HEADER;
  uint32_t to = hs2ni_net_to(sim, p);

  to = to == sim->n ? HS2N_SIM_ALL : to;
  sim->stats.datagrams++;
  sim->stats.bytes += p->len;
  hs2ni_hash(sim, p->data, len);
  hs2ni_trace(sim, HS2N_SIM_TX, p->from, to, p->len,
              p->segment.pipe == 0 ? p->ecn : p->segment.seq, "");
  if (sim->config.capture != NULL) {
    sim->config.capture(sim->config.capture_data, p->from, to,
                        (struct hs2n_span){p->data, len});
  }
  hs2ni_net_send(sim, p);
}

/* ---- the other end
 * ----------------------------------------------------------------------- */

static void into_socket(struct hs2n_sim *sim, struct hs2ni_sim_node *n,
                        struct hs2ni_packet *p) {
  if (p->len > sim->config.socket_bytes - n->socket_bytes) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_queue, "socket");
    return;
  }
  n->socket_bytes += p->len;
  p->next = NULL;
  if (n->socket_first == NULL) {
    n->socket_first = p;
  } else {
    n->socket_last->next = p;
  }
  n->socket_last = p;
}

void hs2ni_net_arrive(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  struct hs2ni_sim_node *n = &sim->nodes[p->to];
  hs2n_time at = sim->now;

  if (!p->arrived) {
    p->arrived = true;
    if (!through_port(sim, &n->down, p, &at)) {
      hs2ni_net_lose(sim, p, &sim->stats.lost_queue, "queue of the receiver");
      return;
    }
    if (at > sim->now) {
      (void)hs2ni_event_packet(sim, at, p);
      return;
    }
  }
  /* It may have moved, or have a new process, while this was on its way. */
  if (p->segment.pipe != 0) {
    hs2ni_segment_arrive(sim, p);
  } else if (n->node == NULL || n->over_tcp ||
             hs2ni_net_find(sim, &p->dst) != p->to) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_nobody, "nobody there");
  } else if (n->paused_until != 0) {
    into_socket(sim, n, p);
  } else {
    hs2ni_node_recv(n, p);
    hs2ni_packet_free(sim, p);
  }
}
