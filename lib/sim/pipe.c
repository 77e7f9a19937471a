/* Between a node and its host's pipes: what a driver does for the node, and
 * their life. */
#include "sim/pipe.h"

#include <assert.h>
#include <string.h>

#define PORT_FIRST 32768u /* of callers, as Linux has it */
#define PORTS 28000u
#define RX_MAX 16

/* ---- numbers
 * ----------------------------------------------------------------- */

struct hs2ni_pipe *hs2ni_pipe_find(const struct hs2n_sim *sim,
                                   uint64_t number) {
  return number <= sim->pipes_n ? sim->pipes[number - 1] : NULL;
}

static struct hs2ni_pipe *pipe_new(struct hs2n_sim *sim) {
  struct hs2ni_pipe *pipe;

  if (!hs2ni_sim_grow(sim, (void **)&sim->pipes, &sim->pipes_capacity,
                      sizeof(struct hs2ni_pipe *), sim->pipes_n + 1) ||
      (pipe = hs2ni_sim_alloc(sim, sizeof(*pipe))) == NULL) {
    hs2ni_sim_starved(sim);
    return NULL;
  }
  *pipe = (struct hs2ni_pipe){.sim = sim,
                              .timer_at = HS2N_TIME_NEVER,
                              .ends = {{.pipe = pipe}, {.pipe = pipe}}};
  sim->pipes[sim->pipes_n++] = pipe;
  pipe->number = sim->pipes_n;
  sim->stats.pipes++;
  return pipe;
}

static void note(struct hs2ni_end *e, const char *what) {
  const struct hs2ni_end *other = &e->pipe->ends[!hs2ni_end_side(e)];

  hs2ni_trace(e->pipe->sim, HS2N_SIM_PIPE, e->node,
              other->state == HS2NI_END_NONE ? HS2N_SIM_ALL : other->node,
              e->pipe->number, e->id, what);
}

/* ---- of what there is memory
 * -------------------------------------------------- */

static void drop_packets(struct hs2n_sim *sim, struct hs2ni_packet **list) {
  while (*list != NULL) {
    struct hs2ni_packet *p = *list;

    *list = p->next;
    hs2ni_packet_free(sim, p);
  }
}

static void free_sending(struct hs2n_sim *sim, struct hs2ni_sending *tx) {
  hs2ni_sim_free(sim, tx->bytes, tx->capacity);
  hs2ni_sim_free(sim, tx->flights, tx->flights_capacity * sizeof(*tx->flights));
  tx->bytes = NULL;
  tx->flights = NULL;
  tx->capacity = tx->flights_capacity = tx->first = tx->end = 0;
}

static void pipe_free(struct hs2ni_pipe *pipe) {
  struct hs2n_sim *sim = pipe->sim;

  for (unsigned side = 0; side < 2; side++) {
    struct hs2ni_end *e = &pipe->ends[side];

    free_sending(sim, &e->tx);
    drop_packets(sim, &e->rx.unread);
    drop_packets(sim, &e->rx.early);
  }
  sim->pipes[pipe->number - 1] = NULL;
  hs2ni_sim_free(sim, pipe, sizeof(*pipe));
}

void hs2ni_pipe_release(struct hs2ni_pipe *pipe) {
  if (--pipe->held == 0) {
    pipe_free(pipe);
  }
}

void hs2ni_pipes_fini(struct hs2n_sim *sim) {
  for (size_t i = 0; i < sim->pipes_n; i++) {
    if (sim->pipes[i] != NULL) {
      pipe_free(sim->pipes[i]);
    }
  }
  hs2ni_sim_free(sim, sim->pipes,
                 sim->pipes_capacity * sizeof(struct hs2ni_pipe *));
}

/* ---- of a host
 * ---------------------------------------------------------------- */

bool hs2ni_end_reachable(const struct hs2n_sim *sim,
                         const struct hs2ni_end *e) {
  const struct hs2ni_sim_node *n = &sim->nodes[e->node];

  return n->move == e->move && n->nat_port == e->nat_port;
}

void hs2ni_end_begin(struct hs2ni_pipe *pipe, unsigned side,
                     struct hs2ni_sim_node *n, enum hs2ni_end_state state) {
  struct hs2ni_end *e = &pipe->ends[side];

  e->node = n->index;
  e->id = HS2NI_PIPE_UNNAMED;
  e->addr = hs2ni_net_addr(n);
  e->move = n->move;
  e->nat_port = n->nat_port;
  e->state = state;
  e->told = 1;
  e->next = n->ends;
  n->ends = e;
  hs2ni_pipe_hold(pipe);
  hs2ni_flight_begin(e);
}

void hs2ni_end_due(struct hs2ni_end *e) {
  struct hs2ni_sim_node *n = &e->pipe->sim->nodes[e->node];

  if (e->due || e->closed) {
    return;
  }
  e->due = true;
  e->next_due = NULL;
  if (n->due == NULL) {
    n->due = e;
  } else {
    n->due_last->next_due = e;
  }
  n->due_last = e;
}

static struct hs2ni_end *take_due(struct hs2ni_sim_node *n) {
  struct hs2ni_end *e = n->due;

  n->due = e->next_due;
  e->due = false;
  return e;
}

/* Nothing more of it reaches its node. */
static void undue(struct hs2ni_end *e) {
  struct hs2ni_sim_node *n = &e->pipe->sim->nodes[e->node];
  struct hs2ni_end *before = NULL;

  for (struct hs2ni_end *at = n->due; e->due && at != NULL; at = at->next_due) {
    if (at == e) {
      *(before == NULL ? &n->due : &before->next_due) = e->next_due;
      n->due_last = n->due_last == e ? before : n->due_last;
      e->due = false;
    }
    before = at;
  }
}

static void take_out(struct hs2ni_end *e) {
  struct hs2ni_end **at = &e->pipe->sim->nodes[e->node].ends;

  while (*at != e) {
    at = &(*at)->next;
  }
  *at = e->next;
  hs2ni_pipe_release(e->pipe);
}

/* Of an end that the node does not know any more and its host neither. */
static void over(struct hs2ni_end *e) {
  undue(e);
  take_out(e);
}

void hs2ni_end_forget(struct hs2ni_end *e, const char *why) {
  struct hs2n_sim *sim = e->pipe->sim;

  note(e, why);
  e->closed = e->closed || e->state == HS2NI_END_ANSWERING; /* never known */
  e->state = HS2NI_END_GONE;
  free_sending(sim, &e->tx);
  drop_packets(sim, &e->rx.early);
  if (e->closed) {
    over(e);
  } else {
    e->tell_end = true;
    hs2ni_end_due(e);
  }
}

/* The driver has closed the socket: FIN goes behind what was given. */
static void close_end(struct hs2ni_end *e) {
  undue(e);
  e->closed = true;
  drop_packets(e->pipe->sim, &e->rx.unread);
  e->rx.bytes = 0;
  drop_packets(e->pipe->sim, &e->rx.early);
  if (e->state == HS2NI_END_GONE) {
    over(e);
  } else if (e->state == HS2NI_END_CALLING) {
    hs2ni_end_forget(e, "hangs up");
  } else {
    e->ending = true;
    hs2ni_flight_push(e);
  }
}

void hs2ni_pipes_end(struct hs2ni_sim_node *n, bool in_order) {
  struct hs2ni_end *next;

  for (struct hs2ni_end *e = n->ends; e != NULL; e = next) {
    next = e->next;
    if (in_order && !e->closed) {
      close_end(e);
    } else if (!in_order) {
      e->closed = true;
      hs2ni_end_forget(e, "crashes");
    }
  }
  n->accepted = 0;
}

/* ---- what the node asks for
 * --------------------------------------------------- */

static struct hs2ni_end *find(const struct hs2ni_sim_node *n, uint64_t id) {
  for (struct hs2ni_end *e = n->ends; e != NULL; e = e->next) {
    if (e->id == id && !e->closed) {
      return e;
    }
  }
  return NULL;
}

static void open_pipe(struct hs2ni_sim_node *n, const struct hs2n_tx *tx) {
  struct hs2ni_pipe *pipe;
  struct hs2ni_end *e;

  if (tx->pipe % 2 != 0 || find(n, tx->pipe) != NULL) {
    hs2ni_failf(n->sim, n->index, "opens pipe %llu, which it can't",
                (unsigned long long)tx->pipe);
    return;
  }
  pipe = pipe_new(n->sim);
  if (pipe == NULL) {
    return;
  }
  e = &pipe->ends[0];
  hs2ni_end_begin(pipe, 0, n, HS2NI_END_CALLING);
  e->id = tx->pipe;
  e->addr.port = (uint16_t)(PORT_FIRST + n->calls++ % PORTS);
  e->remote = tx->remote;
  note(e, "calls");
  hs2ni_flight_push(e);
}

static uint8_t *room(struct hs2ni_end *e, size_t len) {
  struct hs2ni_sending *tx = &e->tx;
  const size_t kept = (size_t)(tx->given - tx->acked);

  if (tx->acked > tx->base && tx->given - tx->base + len > tx->capacity) {
    memmove(tx->bytes, tx->bytes + (tx->acked - tx->base), kept);
    tx->base = tx->acked;
  }
  if (!hs2ni_sim_grow(e->pipe->sim, (void **)&tx->bytes, &tx->capacity, 1,
                      (size_t)(tx->given - tx->base) + len)) {
    hs2ni_sim_starved(e->pipe->sim);
    return NULL;
  }
  return tx->bytes + (tx->given - tx->base);
}

static void write_pipe(struct hs2ni_sim_node *n, struct hs2ni_end *e,
                       const struct hs2n_tx *tx) {
  uint8_t *to;

  if (e == NULL || e->state == HS2NI_END_GONE) {
    return; /* it will hear soon that it has ended */
  }
  if (e->tx.given + tx->len - e->told > n->unsent_max) {
    hs2ni_failf(n->sim, n->index, "%llu bytes of a pipe wait for its socket",
                (unsigned long long)(e->tx.given + tx->len - e->told));
  }
  to = room(e, tx->len);
  if (to != NULL && tx->len > 0) {
    memcpy(to, tx->data, tx->len);
    e->tx.given += tx->len;
  }
}

void hs2ni_pipes_do(struct hs2ni_sim_node *n, const struct hs2n_tx *tx,
                    size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct hs2ni_end *e = find(n, tx[i].pipe);
    const bool more = i + 1 < count && tx[i + 1].kind == HS2N_IO_BYTES &&
                      tx[i + 1].pipe == tx[i].pipe;

    if (tx[i].kind == HS2N_IO_OPEN) {
      open_pipe(n, &tx[i]);
    } else if (tx[i].kind == HS2N_IO_CLOSE && e != NULL) {
      close_end(e);
    } else if (tx[i].kind == HS2N_IO_BYTES) {
      write_pipe(n, e, &tx[i]);
      if (e != NULL && !more) { /* what comes together goes together */
        hs2ni_flight_push(e);
      }
    }
  }
}

/* ---- what it is told
 * ------------------------------------------------------------ */

uint64_t hs2ni_end_taken(const struct hs2ni_end *e) {
  const uint64_t room_below = e->tx.next + HS2NI_PIPE_UNSENT;

  if (e->state != HS2NI_END_STANDS || e->closed) {
    return e->told;
  }
  return e->tx.given < room_below ? e->tx.given : room_below;
}

static struct hs2n_rx about(const struct hs2ni_end *e, enum hs2n_io_kind kind) {
  const struct hs2n_sim *sim = e->pipe->sim;

  return (struct hs2n_rx){.kind = (uint8_t)kind,
                          .local = hs2ni_net_addr(&sim->nodes[e->node]),
                          .remote = e->remote,
                          .pipe = e->id};
}

/* The packets stay until the node has had them. */
static size_t gather_bytes(const struct hs2ni_end *e, struct hs2n_rx *rx,
                           size_t max) {
  const struct hs2ni_packet *p = e->rx.unread;
  size_t count = 0;

  for (; p != NULL && count < max; p = p->next) {
    rx[count] = about(e, HS2N_IO_BYTES);
    rx[count].data = p->data;
    rx[count].len = p->len - HS2NI_PIPE_HEADER;
    count++;
  }
  return count;
}

static void have_read(struct hs2ni_end *e, size_t count) {
  const bool was_full = e->rx.bytes > HS2NI_PIPE_ROOM / 2;

  for (; count > 0; count--) {
    struct hs2ni_packet *p = e->rx.unread;

    e->rx.unread = p->next;
    e->rx.bytes -= p->len - HS2NI_PIPE_HEADER;
    hs2ni_packet_free(e->pipe->sim, p);
  }
  if (was_full && hs2ni_end_lives(e)) {
    hs2ni_segment_send(e, e->tx.next, 0); /* there is room again */
  }
}

/* Its node, and the driver, have nothing more to do with it. */
static void end_told(struct hs2ni_end *e) {
  e->tell_end = false;
  close_end(e);
}

static void tell(struct hs2ni_sim_node *n, struct hs2ni_end *e) {
  struct hs2n_rx rx[RX_MAX + 3];
  const uint64_t taken = hs2ni_end_taken(e);
  size_t count = 0;
  size_t read_n;
  bool last;

  if (e->tell_open) {
    e->id = hs2ni_end_side(e) == 1 ? 2 * n->accepted++ + 1 : e->id;
    rx[count++] = about(e, HS2N_IO_OPEN);
    e->tell_open = false;
  }
  read_n = gather_bytes(e, rx + count, RX_MAX);
  count += read_n;
  if (taken > e->told) {
    rx[count] = about(e, HS2N_IO_SENT);
    rx[count++].len = (size_t)(taken - e->told);
    e->told = taken;
  }
  last = e->tell_end && read_n < RX_MAX;
  if (last) {
    rx[count++] = about(e, HS2N_IO_CLOSE);
  }
  hs2ni_node_hear(n, rx, count);
  have_read(e, read_n);
  if (last) {
    end_told(e);
  } else if (e->rx.unread != NULL || e->tell_end) {
    hs2ni_end_due(e);
  }
}

bool hs2ni_pipes_serve(struct hs2ni_sim_node *n) {
  const struct hs2ni_end *last = n->due_last;
  bool more = n->due != NULL;
  const bool any = more;

  /* What comes up meanwhile waits for what the node has to send. */
  while (more && n->due != NULL) {
    struct hs2ni_end *e = take_due(n);

    more = e != last;
    tell(n, e);
  }
  return any;
}

void hs2ni_pipe_tell(struct hs2ni_pipe *pipe) {
  for (unsigned side = 0; side < 2; side++) {
    struct hs2ni_sim_node *n = &pipe->sim->nodes[pipe->ends[side].node];

    if (n->due != NULL) {
      hs2ni_node_settle(n);
    }
  }
}
