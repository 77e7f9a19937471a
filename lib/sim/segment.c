/* Segments between the hosts of two nodes: begin, order, end. */
#include "sim/pipe.h"

#include <string.h>

/* ---- out
 * ---------------------------------------------------------------------- */

static uint32_t room_of(const struct hs2ni_receiving *rx) {
  return rx->bytes < HS2NI_PIPE_ROOM ? HS2NI_PIPE_ROOM - rx->bytes : 0;
}

static struct hs2ni_segment header(const struct hs2ni_end *e, uint64_t seq,
                                   uint32_t len) {
  const struct hs2ni_receiving *rx = &e->rx;

  return (struct hs2ni_segment){.pipe = e->pipe->number,
                                .seq = seq,
                                .len = len,
                                .ack = rx->expected,
                                .from = rx->from,
                                .to = rx->to > rx->expected ? rx->to : 0,
                                .window = rx->expected + room_of(rx),
                                .stamp = e->pipe->sim->now,
                                .echo = rx->stamp,
                                .side = (uint8_t)hs2ni_end_side(e),
                                .syn = seq == 0 && len > 0,
                                .fin = seq == e->tx.given && len > 0};
}

void hs2ni_segment_send(struct hs2ni_end *e, uint64_t seq, uint32_t len) {
  struct hs2n_sim *sim = e->pipe->sim;
  const struct hs2ni_segment s = header(e, seq, len);
  const uint32_t bytes = s.syn || s.fin ? 0 : len;
  struct hs2ni_packet *p = hs2ni_packet_new(sim, HS2NI_PIPE_HEADER + bytes);

  if (p == NULL) {
    return;
  }
  p->segment = s;
  p->from = e->node;
  p->src = e->addr;
  p->dst = e->remote;
  if (bytes > 0) {
    memcpy(p->data, e->tx.bytes + (seq - e->tx.base), bytes);
  }
  e->rx.owed = false;
  hs2ni_net_leave(sim, p);
}

/* A segment came for what is not there. */
static void refuse(struct hs2n_sim *sim, const struct hs2ni_packet *to) {
  struct hs2ni_packet *p = hs2ni_packet_new(sim, HS2NI_PIPE_HEADER);

  if (p == NULL) {
    return;
  }
  p->segment = (struct hs2ni_segment){
      .pipe = to->segment.pipe, .side = !to->segment.side, .reset = true};
  p->from = to->to;
  p->src = to->dst;
  p->dst = hs2ni_net_addr(&sim->nodes[to->from]);
  p->dst.port = sim->nodes[to->from].nat_port;
  hs2ni_net_leave(sim, p);
}

/* ---- where
 * -------------------------------------------------------------------- */

uint32_t hs2ni_segment_to(const struct hs2n_sim *sim,
                          const struct hs2ni_packet *p) {
  const struct hs2ni_segment *s = &p->segment;
  const struct hs2ni_pipe *pipe = hs2ni_pipe_find(sim, s->pipe);
  const struct hs2ni_end *from;
  const struct hs2ni_end *to;

  if (pipe == NULL || s->reset) {
    return hs2ni_net_find(sim, &p->dst);
  }
  from = &pipe->ends[s->side];
  to = &pipe->ends[!s->side];
  if (sim->nodes[from->node].move != from->move) {
    return sim->n; /* a host sends nothing from an address that it has not */
  }
  if (s->syn && s->side == 0) {
    return hs2ni_net_find(sim, &p->dst);
  }
  return to->state != HS2NI_END_NONE && hs2ni_end_reachable(sim, to) ? to->node
                                                                     : sim->n;
}

/* ---- begin
 * -------------------------------------------------------------------- */

static void stands(struct hs2ni_end *e) {
  e->state = HS2NI_END_STANDS;
  e->tell_open = !e->closed;
  hs2ni_end_due(e);
}

/* Returns whether there is somebody to answer. */
static bool answer(struct hs2ni_sim_node *n, struct hs2ni_pipe *pipe,
                   const struct hs2ni_packet *p) {
  struct hs2ni_end *e = &pipe->ends[1];

  if (e->state == HS2NI_END_GONE || n->node == NULL || !n->over_tcp) {
    return false;
  }
  if (e->state == HS2NI_END_NONE) {
    hs2ni_end_begin(pipe, 1, n, HS2NI_END_ANSWERING);
    e->remote = p->src;
    e->rx.expected = 1;
    e->rx.stamp = p->segment.stamp;
    hs2ni_flight_push(e);
  } else if (e->state == HS2NI_END_ANSWERING) {
    hs2ni_segment_send(e, 0, 1); /* the answer was lost */
  } else {
    hs2ni_segment_send(e, e->tx.next, 0);
  }
  return true;
}

/* ---- order
 * -------------------------------------------------------------------- */

/* What has come in its turn is for the node. */
static void take(struct hs2ni_end *e, struct hs2ni_packet *p) {
  struct hs2ni_receiving *rx = &e->rx;
  const uint64_t had = rx->expected - p->segment.seq;
  const uint32_t bytes = (uint32_t)(p->segment.len - had);

  rx->expected += bytes;
  if (p->segment.fin || e->closed) {
    rx->fin |= p->segment.fin;
    e->tell_end |= p->segment.fin;
    hs2ni_packet_free(e->pipe->sim, p);
  } else {
    memmove(p->data, p->data + had, bytes);
    p->len = HS2NI_PIPE_HEADER + bytes;
    p->next = NULL;
    *(rx->unread == NULL ? &rx->unread : &rx->unread_last->next) = p;
    rx->unread_last = p;
    rx->bytes += bytes;
  }
  hs2ni_end_due(e);
}

/* What was early may follow now. */
static void take_early(struct hs2ni_end *e) {
  struct hs2ni_receiving *rx = &e->rx;

  while (rx->early != NULL && rx->early->segment.seq <= rx->expected) {
    struct hs2ni_packet *p = rx->early;

    rx->early = p->next;
    rx->bytes -= p->len - HS2NI_PIPE_HEADER;
    if (p->segment.seq + p->segment.len > rx->expected) {
      take(e, p);
    } else {
      hs2ni_packet_free(e->pipe->sim, p);
    }
  }
}

/* The stretch around a number that has come early. */
static void stretch(struct hs2ni_receiving *rx, uint64_t seq) {
  uint64_t from = 0;
  uint64_t to = 0;

  for (const struct hs2ni_packet *p = rx->early; p != NULL; p = p->next) {
    const uint64_t end = p->segment.seq + p->segment.len;

    if (p->segment.seq > to) {
      if (to > seq) {
        break;
      }
      from = p->segment.seq;
    }
    to = end > to ? end : to;
  }
  rx->from = from;
  rx->to = to;
}

static void keep_early(struct hs2ni_end *e, struct hs2ni_packet *p) {
  struct hs2ni_receiving *rx = &e->rx;
  struct hs2ni_packet **at = &rx->early;
  const uint64_t seq = p->segment.seq;

  while (*at != NULL && (*at)->segment.seq < seq) {
    at = &(*at)->next;
  }
  if (*at != NULL && (*at)->segment.seq == seq &&
      (*at)->segment.len >= p->segment.len) {
    hs2ni_packet_free(e->pipe->sim, p);
  } else {
    p->next = *at;
    *at = p;
    rx->bytes += p->len - HS2NI_PIPE_HEADER;
  }
  stretch(rx, seq);
}

/* Takes the packet. */
static void receive(struct hs2ni_end *e, struct hs2ni_packet *p) {
  struct hs2ni_receiving *rx = &e->rx;
  const struct hs2ni_segment *s = &p->segment;

  rx->owed = true;
  if (s->seq + s->len <= rx->expected || s->syn ||
      (room_of(rx) == 0 && rx->bytes > HS2NI_PIPE_ROOM + HS2NI_PIPE_MSS)) {
    hs2ni_packet_free(e->pipe->sim, p);
  } else if (s->seq > rx->expected) {
    keep_early(e, p);
  } else {
    take(e, p);
    take_early(e);
  }
}

/* ---- in
 * ----------------------------------------------------------------------- */

/* Whether what comes for it can go on. */
static bool begun(struct hs2ni_end *e, const struct hs2ni_segment *s) {
  if (e->state == HS2NI_END_CALLING && s->syn && s->ack >= 1) {
    e->rx.expected = 1;
    stands(e);
  } else if (e->state == HS2NI_END_ANSWERING && s->ack >= 1) {
    stands(e);
  }
  return e->state == HS2NI_END_STANDS;
}

static void finish(struct hs2ni_end *e) {
  if (hs2ni_end_lives(e) && e->rx.owed) {
    hs2ni_segment_send(e, e->tx.next, 0);
  }
  if (hs2ni_end_lives(e) && hs2ni_end_sent(e) && e->rx.fin) {
    hs2ni_end_forget(e, "has ended");
  }
}

/* Takes the packet. */
static void come(struct hs2ni_end *e, struct hs2ni_packet *p) {
  struct hs2n_sim *sim = e->pipe->sim;
  const struct hs2ni_segment s = p->segment;

  hs2ni_pipe_hold(e->pipe);
  if (s.reset) {
    hs2ni_end_forget(e, "is refused");
  } else if (begun(e, &s)) {
    e->rx.stamp = s.len > 0 ? s.stamp : e->rx.stamp;
    hs2ni_flight_acked(e, &s);
    if (s.len > 0) {
      receive(e, p);
      p = NULL;
    }
  }
  if (p != NULL) {
    hs2ni_packet_free(sim, p);
  }
  hs2ni_pipe_tell(e->pipe);
  finish(e);
  hs2ni_pipe_release(e->pipe);
}

/* The end that a segment is for; NULL: its host knows none.  A caller whose NAT
 * has forgotten it comes from an address that nobody knows. */
static struct hs2ni_end *end_for(const struct hs2n_sim *sim,
                                 struct hs2ni_pipe *pipe,
                                 const struct hs2ni_packet *p) {
  struct hs2ni_end *from = &pipe->ends[p->segment.side];
  struct hs2ni_end *e = &pipe->ends[!p->segment.side];

  if (!hs2ni_end_lives(e) || e->node != p->to) {
    return NULL;
  }
  return p->segment.reset || hs2ni_end_reachable(sim, from) ? e : NULL;
}

void hs2ni_segment_arrive(struct hs2n_sim *sim, struct hs2ni_packet *p) {
  struct hs2ni_sim_node *n = &sim->nodes[p->to];
  struct hs2ni_pipe *pipe = hs2ni_pipe_find(sim, p->segment.pipe);
  struct hs2ni_end *e;

  if (p->segment.spoiled || pipe == NULL || hs2ni_segment_to(sim, p) != p->to) {
    hs2ni_net_lose(sim, p, &sim->stats.lost_nobody,
                   p->segment.spoiled ? "checksum" : "nobody there");
    return;
  }
  sim->stats.delivered++;
  hs2ni_trace(sim, HS2N_SIM_RX, p->to, p->from, p->len, p->segment.seq, "");
  e = end_for(sim, pipe, p);
  if (p->segment.syn && p->segment.side == 0) {
    if (!answer(n, pipe, p)) {
      refuse(sim, p);
    }
    hs2ni_packet_free(sim, p);
  } else if (e != NULL) {
    come(e, p);
  } else if (n->node != NULL && !p->segment.reset) {
    refuse(sim, p);
    hs2ni_packet_free(sim, p);
  } else {
    hs2ni_net_lose(sim, p, &sim->stats.lost_nobody, "nobody there");
  }
}
