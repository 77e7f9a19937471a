/* A link_world over TCP: pipes that keep their order and care for nothing
 * else. */
#include "link_tcp.h"

#include <assert.h>
#include <stdlib.h>

static struct world_pipe *pipe_new(struct world *w) {
  struct world_pipe *p;

  w->pipes = realloc(w->pipes, (w->pipes_n + 1) * sizeof(w->pipes[0]));
  p = &w->pipes[w->pipes_n++];
  memset(p, 0, sizeof(*p));
  p->ways[0].at = p->ways[1].at = HS2N_TIME_NEVER;
  p->open_at[0] = p->open_at[1] = HS2N_TIME_NEVER;
  return p;
}

static hs2n_time arrival(struct world *w) {
  return w->now + w->delay +
         (w->jitter > 0 ? hs2ni_rng_below(&w->rng, w->jitter) : 0);
}

static bool is_cut(const struct world *w, const struct world_pipe *p,
                   size_t from) {
  const struct world_node *a = p->ends[from].node;
  const struct world_node *b = p->ends[1 - from].node;

  return a != NULL && b != NULL && w->cut[a - w->nodes][b - w->nodes];
}

static size_t socket_bytes(const struct world *w) {
  return w->socket_bytes == 0 ? 65536 : w->socket_bytes;
}

static void tell(struct world *w, struct world_pipe *p, size_t end,
                 enum hs2n_io_kind kind, struct hs2n_span bytes) {
  struct world_end *e = &p->ends[end];
  const struct world_end *other = &p->ends[1 - end];
  const size_t index = (size_t)(p - w->pipes);
  struct hs2n_rx rx = {.kind = (uint8_t)kind,
                       .pipe = e->id,
                       .data = bytes.data,
                       .len = bytes.len};

  if (e->closed || e->node->link == NULL) {
    return;
  }
  rx.local = e->node->addr;
  if (other->node != NULL) {
    rx.remote = other->node->external;
  }
  e->node->te.env.now = w->now;
  e->node->bytes_in += kind == HS2N_IO_BYTES ? bytes.len : 0;
  e->node->link->ops->recv(e->node->link, &rx, 1);
  w->pipes[index].ends[end].closed |= kind == HS2N_IO_CLOSE;
}

/* The socket takes more of what the driver has. */
static void fill_socket(struct world *w, size_t index, size_t from) {
  struct world_pipe *p = &w->pipes[index];
  struct world_way *way = &p->ways[from];
  const size_t room =
      way->taken < socket_bytes(w) ? socket_bytes(w) - way->taken : 0;
  const size_t left = way->len - way->taken;
  const size_t n = left < room ? left : room;

  if (n > 0) {
    way->taken += n;
    if (p->ends[from].node != NULL) {
      tell(w, p, from, HS2N_IO_SENT, (struct hs2n_span){NULL, n});
    }
  }
}

static void append(struct world *w, struct world_pipe *p, size_t from,
                   const uint8_t *bytes, size_t len) {
  struct world_way *way = &p->ways[from];

  way->bytes = realloc(way->bytes, way->len + len + 1);
  if (len > 0) {
    memcpy(way->bytes + way->len, bytes, len);
  }
  way->len += len;
  if (way->at == HS2N_TIME_NEVER) {
    way->at = arrival(w);
  }
}

static size_t find_pipe(const struct world *w, const struct world_node *node,
                        uint64_t id, size_t *out_end) {
  for (size_t i = 0; i < w->pipes_n; i++) {
    for (size_t k = 0; k < 2; k++) {
      if (w->pipes[i].ends[k].node == node && w->pipes[i].ends[k].id == id) {
        *out_end = k;
        return i;
      }
    }
  }
  return SIZE_MAX;
}

static void open_pipe(struct world *w, struct world_node *node,
                      const struct hs2n_tx *tx) {
  struct world_pipe *p = pipe_new(w);

  p->ends[0] = (struct world_end){.node = node, .id = tx->pipe};
  p->refused = true;
  for (size_t i = 0; i < w->nodes_n; i++) {
    if (w->nodes[i].link != NULL &&
        world_same_addr(&w->nodes[i].external, &tx->remote)) {
      p->ends[1] = (struct world_end){.node = &w->nodes[i],
                                      .id = 2 * (uint64_t)w->pipes_n + 1};
      p->refused = false;
    }
  }
  p->open_at[1] = arrival(w);
  p->open_at[0] = p->open_at[1] + w->delay;
}

static void take(struct world *w, struct world_node *node,
                 const struct hs2n_tx *tx) {
  size_t end = 0;
  const size_t i = find_pipe(w, node, tx->pipe, &end);

  node->batches_out++;
  if (tx->kind == HS2N_IO_OPEN) {
    assert(i == SIZE_MAX && tx->pipe % 2 == 0 && tx->pipe > 0);
    open_pipe(w, node, tx);
    return;
  }
  assert(i != SIZE_MAX && !w->pipes[i].ends[end].closed);
  if (tx->kind == HS2N_IO_BYTES) {
    assert(tx->len > 0 && tx->len <= tx->capacity);
    node->bytes_out += tx->len;
    append(w, &w->pipes[i], end, tx->data, tx->len);
    assert(w->pipes[i].ways[end].len - w->pipes[i].ways[end].taken <=
           node->te.env.limits.tcp_unsent_bytes);
    return;
  }
  assert(tx->kind == HS2N_IO_CLOSE);
  w->pipes[i].ends[end].closed = true;
  w->pipes[i].ways[end].ends = true;
  append(w, &w->pipes[i], end, NULL, 0);
}

/* ---- delivering ---------------------------------------------------------- */

static bool stands(const struct world_pipe *p, size_t end) {
  return p->ends[end].node == NULL || p->ends[end].told;
}

static void open_end(struct world *w, size_t i, size_t end) {
  struct world_pipe *p = &w->pipes[i];

  if (end == 1 && is_cut(w, p, 0)) {
    p->open_at[1] = p->open_at[0] = HS2N_TIME_NEVER; /* a SYN is lost */
    return;
  }
  p->open_at[end] = HS2N_TIME_NEVER;
  if (p->refused) {
    if (end == 0) {
      tell(w, p, 0, HS2N_IO_CLOSE, (struct hs2n_span){NULL, 0});
      w->pipes[i].ways[0].dead = w->pipes[i].ways[1].dead = true;
    }
    return;
  }
  p->ends[end].told = true;
  tell(w, p, end, HS2N_IO_OPEN, (struct hs2n_span){NULL, 0});
}

static void hear(struct world_pipe *p, struct hs2n_span bytes) {
  p->heard = realloc(p->heard, p->heard_len + bytes.len + 1);
  memcpy(p->heard + p->heard_len, bytes.data, bytes.len);
  p->heard_len += bytes.len;
}

/* The whole of what the socket has, in pieces. */
static void move(struct world *w, size_t i, size_t from) {
  const size_t to = 1 - from;
  struct world_way *way = &w->pipes[i].ways[from];
  size_t n = way->taken;
  uint8_t *bytes;

  if (w->piece_max > 0 && n > 0) {
    const size_t piece = 1 + (size_t)hs2ni_rng_below(&w->rng, w->piece_max);

    n = n < piece ? n : piece;
  }
  bytes = malloc(n + 1);
  if (n > 0) {
    memcpy(bytes, way->bytes, n);
    memmove(way->bytes, way->bytes + n, way->len - n);
    way->len -= n;
    way->taken -= n;
  }
  way->at = way->len > 0 ? w->now : HS2N_TIME_NEVER;
  if (n > 0 && w->pipes[i].ends[to].node == NULL) {
    hear(&w->pipes[i], (struct hs2n_span){bytes, n});
  } else if (n > 0) {
    tell(w, &w->pipes[i], to, HS2N_IO_BYTES, (struct hs2n_span){bytes, n});
  }
  free(bytes);
  fill_socket(w, i, from);
  way = &w->pipes[i].ways[from];
  if (way->ends && way->len == 0) {
    way->dead = true;
    way->at = HS2N_TIME_NEVER;
    if (w->pipes[i].ends[to].node == NULL) {
      w->pipes[i].heard_end = true;
    } else {
      tell(w, &w->pipes[i], to, HS2N_IO_CLOSE, (struct hs2n_span){NULL, 0});
    }
  }
}

static bool may_move(const struct world *w, const struct world_pipe *p,
                     size_t from) {
  return !p->ways[from].dead && stands(p, 0) && stands(p, 1) &&
         !is_cut(w, p, from);
}

static void deliver(struct world *w) {
  for (size_t i = 0; i < w->pipes_n; i++) {
    for (size_t k = 2; k-- > 0;) {
      if (w->pipes[i].open_at[k] <= w->now) {
        open_end(w, i, k);
      }
    }
    for (size_t k = 0; k < 2; k++) {
      fill_socket(w, i, k);
      while (w->pipes[i].ways[k].at <= w->now && may_move(w, &w->pipes[i], k)) {
        move(w, i, k);
      }
    }
  }
}

static hs2n_time next(struct world *w) {
  hs2n_time at = HS2N_TIME_NEVER;

  for (size_t i = 0; i < w->pipes_n; i++) {
    for (size_t k = 0; k < 2; k++) {
      const struct world_pipe *p = &w->pipes[i];
      const hs2n_time opens = p->open_at[k];
      const hs2n_time moves =
          may_move(w, p, k) ? p->ways[k].at : HS2N_TIME_NEVER;

      at = opens < at ? opens : at;
      at = moves < at ? moves : at;
    }
  }
  return at;
}

/* ---- life ---------------------------------------------------------------- */

static int start(struct world *w, struct world_node *node) {
  const struct hs2ni_tcp_config config = {.env = &node->te.env,
                                          .tls = node->tls,
                                          .user = &world_user,
                                          .user_ctx = node};

  (void)w;
  return hs2ni_tcp_new(&node->link, &config);
}

/* A process is gone: its system resets what it had. */
static void stop(struct world *w, struct world_node *node) {
  for (size_t i = 0; i < w->pipes_n; i++) {
    for (size_t k = 0; k < 2; k++) {
      struct world_pipe *p = &w->pipes[i];

      if (p->ends[k].node == node && !p->ends[k].closed) {
        p->ends[k].closed = true;
        p->ways[k].ends = true;
        append(w, p, k, NULL, 0);
      }
    }
  }
}

/* Whoever looks at w->cut knows. */
static void part(struct world *w, size_t a, size_t b, bool apart) {
  (void)w;
  (void)a;
  (void)b;
  (void)apart;
}

static void fini(struct world *w) {
  for (size_t i = 0; i < w->pipes_n; i++) {
    free(w->pipes[i].ways[0].bytes);
    free(w->pipes[i].ways[1].bytes);
    free(w->pipes[i].heard);
  }
  free(w->pipes);
}

const struct world_carrier world_tcp = {
    .name = "tcp",
    .start = start,
    .stop = stop,
    .take = take,
    .deliver = deliver,
    .next = next,
    .part = part,
    .fini = fini,
};

/* ---- strangers ----------------------------------------------------------- */

size_t world_pipe_open(struct world *w, size_t to,
                       const struct hs2n_addr *remote) {
  struct world_pipe *p = pipe_new(w);
  const size_t index = w->pipes_n - 1;
  const struct hs2n_rx rx = {.kind = HS2N_IO_OPEN,
                             .pipe = 2 * (uint64_t)w->pipes_n + 1,
                             .local = w->nodes[to].addr,
                             .remote = *remote};

  p->ends[1] =
      (struct world_end){.node = &w->nodes[to], .id = rx.pipe, .told = true};
  w->nodes[to].te.env.now = w->now;
  w->nodes[to].link->ops->recv(w->nodes[to].link, &rx, 1);
  return index;
}

void world_pipe_send(struct world *w, size_t pipe, struct hs2n_span bytes) {
  append(w, &w->pipes[pipe], 0, bytes.data, bytes.len);
}

void world_pipe_close(struct world *w, size_t pipe) {
  w->pipes[pipe].ways[0].ends = true;
  append(w, &w->pipes[pipe], 0, NULL, 0);
}

void world_pipe_forget(struct world *w, size_t pipe) {
  w->pipes[pipe].heard_len = 0;
}
