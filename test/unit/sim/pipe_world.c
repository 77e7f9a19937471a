#include "pipe_world.h"

#include "node/over.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 4096u

struct pipe_link {
  struct hs2ni_link base; /* first */
  struct pipe_node *node;
};

/* What is sent says where it belongs: at which place of which pipe. */
static uint8_t byte_at(uint64_t place) {
  return (uint8_t)(place * 131 ^ place >> 8 ^ place >> 16);
}

/* ---- what a node hears
 * ------------------------------------------------------------ */

static struct pipe_end *find(struct pipe_node *n, uint64_t id) {
  for (size_t i = 0; i < n->ends_n; i++) {
    if (n->ends[i].id == id && n->ends[i].asked) {
      return &n->ends[i];
    }
  }
  return NULL;
}

static struct pipe_end *accept_end(struct pipe_node *n,
                                   const struct hs2n_rx *rx) {
  struct pipe_end *e = &n->ends[n->ends_n];

  if (n->ends_n == PIPE_ENDS_MAX) {
    abort();
  }
  n->ends_n++;
  *e = (struct pipe_end){.id = rx->pipe, .remote = rx->remote, .asked = true};
  return e;
}

static void hear_bytes(struct pipe_end *e, const struct hs2n_rx *rx) {
  for (size_t i = 0; i < rx->len; i++) {
    e->wrong |= rx->data[i] != byte_at(e->came + i);
  }
  e->came += rx->len;
}

static void hear_one(struct pipe_node *n, const struct hs2n_rx *rx) {
  const hs2n_time now = hs2n_sim_now(n->world->sim);
  struct pipe_end *e = find(n, rx->pipe);

  if (rx->kind == HS2N_IO_OPEN && rx->pipe % 2 == 1 && e == NULL) {
    e = accept_end(n, rx);
  }
  if (e == NULL || e->closed || e->hung_up ||
      (!e->opened && rx->kind != HS2N_IO_OPEN && rx->kind != HS2N_IO_CLOSE)) {
    n->stray = true;
    return;
  }
  if (rx->kind == HS2N_IO_OPEN) {
    n->stray |= e->opened;
    e->opened = true;
    e->opened_at = now;
  } else if (rx->kind == HS2N_IO_BYTES) {
    hear_bytes(e, rx);
    e->came_at = now;
  } else if (rx->kind == HS2N_IO_SENT) {
    e->sent += rx->len;
    e->sent_at = now;
  } else {
    e->closed = true;
    e->closed_at = now;
  }
}

static void hear(struct hs2ni_link *link, const struct hs2n_rx *rx, size_t n) {
  for (size_t i = 0; i < n; i++) {
    hear_one(((struct pipe_link *)link)->node, &rx[i]);
  }
}

/* ---- what it asks for
 * ------------------------------------------------------------- */

static bool say(struct pipe_end *e, struct hs2n_tx *tx) {
  const uint64_t room = PIPE_UNSENT - (e->given - e->sent);
  uint64_t len = e->to_give < CHUNK ? e->to_give : CHUNK;

  tx->pipe = e->id;
  tx->len = 0;
  if (!e->asked) {
    e->asked = true;
    tx->kind = HS2N_IO_OPEN;
    tx->remote = e->remote;
    return true;
  }
  if (e->closed || e->hung_up) {
    return false;
  }
  len = len < room ? len : room;
  if (len > 0) {
    tx->kind = HS2N_IO_BYTES;
    tx->len = (size_t)len;
    for (size_t i = 0; i < len; i++) {
      tx->data[i] = byte_at(e->given + i);
    }
    e->given += len;
    e->to_give -= len;
    return true;
  }
  tx->kind = HS2N_IO_CLOSE;
  e->hung_up = e->hang_up && e->to_give == 0;
  return e->hung_up;
}

static size_t speak(struct hs2ni_link *link, struct hs2n_tx *tx, size_t n) {
  struct pipe_node *node = ((struct pipe_link *)link)->node;
  size_t count = 0;

  for (size_t i = 0; i < node->ends_n && count < n;) {
    if (say(&node->ends[i], &tx[count])) {
      count++;
    } else {
      i++;
    }
  }
  return count;
}

static void tick(struct hs2ni_link *link) {
  (void)link;
}

static hs2n_time deadline(const struct hs2ni_link *link) {
  (void)link;
  return HS2N_TIME_NEVER;
}

static void free_link(struct hs2ni_link *link) {
  free(link);
}

static const struct hs2ni_link_ops ops = {.scheme = "pipes",
                                          .recv = hear,
                                          .tick = tick,
                                          .deadline = deadline,
                                          .poll_tx = speak,
                                          .free = free_link};

/* ---- the world
 * ------------------------------------------------------------------- */

static int make_link(void *ctx, const struct hs2ni_link_parts *parts,
                     struct hs2ni_link **out_link) {
  struct pipe_link *link = calloc(1, sizeof(*link));
  struct pipe_node *n = ctx;

  (void)parts;
  if (link == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  link->base.ops = &ops;
  link->node = n;
  n->ends_n = 0; /* of a new process */
  n->opens = 0;
  *out_link = &link->base;
  return HS2N_OK;
}

static int make(void *self, uint32_t i, struct hs2n_node **out_node,
                const struct hs2n_config *config, hs2n_time now) {
  struct pipe_world *w = self;

  return hs2ni_node_new_over(out_node, config, now, NULL, make_link,
                             &w->nodes[i]);
}

static bool begin(struct pipe_world *w) {
  const struct hs2n_sim_link link = {.delay = HS2N_MS(20)};

  return hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link) ==
             HS2N_OK &&
         hs2n_sim_start_all(w->sim);
}

struct pipe_world *pipe_world_new(uint64_t seed, const struct hs2n_mem *mem) {
  struct pipe_world *w = calloc(1, sizeof(*w));
  const struct hs2n_sim_app app = {
      .struct_size = sizeof(app), .self = w, .make = make};
  struct hs2n_sim_config c;

  hs2n_sim_config_default(&c, PIPE_NODES, seed);
  c.mem = mem;
  c.app = &app;
  c.manual_members = true;
  c.transport = HS2N_TRANSPORT_TCP;
  for (uint32_t i = 0; i < PIPE_NODES; i++) {
    w->nodes[i].world = w;
    w->nodes[i].index = i;
  }
  if (hs2n_sim_new(&w->sim, &c) != HS2N_OK || !begin(w)) {
    hs2n_sim_free(w->sim);
    free(w);
    return NULL;
  }
  return w;
}

bool pipe_world_free(struct pipe_world *w) {
  bool well = hs2n_sim_failure(w->sim) == NULL;

  for (uint32_t i = 0; i < PIPE_NODES; i++) {
    well = well && !w->nodes[i].stray;
  }
  hs2n_sim_free(w->sim);
  free(w);
  return well;
}

struct pipe_end *pipe_open(struct pipe_world *w, uint32_t a, uint32_t b) {
  struct pipe_node *n = &w->nodes[a];
  struct pipe_end *e = &n->ends[n->ends_n];

  if (n->ends_n == PIPE_ENDS_MAX) {
    abort();
  }
  n->ends_n++;
  *e = (struct pipe_end){.id = 2 * n->opens++,
                         .remote = hs2n_sim_member(w->sim, b).addrs[0]};
  hs2n_sim_flush(w->sim, a);
  return e;
}

void pipe_give(struct pipe_world *w, uint32_t a, struct pipe_end *e,
               uint64_t len) {
  e->to_give += len;
  hs2n_sim_flush(w->sim, a);
}

void pipe_hang_up(struct pipe_world *w, uint32_t a, struct pipe_end *e) {
  e->hang_up = true;
  hs2n_sim_flush(w->sim, a);
}

struct pipe_end *pipe_accepted(struct pipe_world *w, uint32_t b) {
  struct pipe_node *n = &w->nodes[b];
  struct pipe_end *last = NULL;

  for (size_t i = 0; i < n->ends_n; i++) {
    last = n->ends[i].id % 2 == 1 ? &n->ends[i] : last;
  }
  return last;
}

struct pipe_end *pipe_pair(struct pipe_world *w, uint32_t a, uint32_t b,
                           struct pipe_end **out_b) {
  struct pipe_end *e = pipe_open(w, a, b);

  hs2n_sim_run(w->sim, HS2N_MS(60));
  *out_b = pipe_accepted(w, b);
  if (!e->opened || *out_b == NULL || !(*out_b)->opened) {
    abort();
  }
  return e;
}
