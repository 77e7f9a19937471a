/* pipe_world: nodes that do nothing but to open pipes, write and close, in
 * place of the link over TCP, and look at what comes of it. */
#ifndef PIPE_WORLD_H
#define PIPE_WORLD_H

#include "test_mem.h"

#include <hs2net/sim.h>
#include <stdbool.h>

#define PIPE_NODES 3
#define PIPE_ENDS_MAX 64
#define PIPE_UNSENT 65536u

/* One end, as its node knows it. */
struct pipe_end {
  uint64_t id;
  struct hs2n_addr remote;
  uint64_t to_give;     /* bytes that it still has for the driver */
  uint64_t given, sent; /* of them the driver has, the socket took */
  uint64_t came;
  bool asked, opened, closed;
  bool hang_up; /* when all is given */
  bool hung_up;
  bool wrong; /* what came is not what was sent */
  hs2n_time opened_at, closed_at, came_at, sent_at;
};

struct pipe_world;

struct pipe_node {
  struct hs2ni_link *link;
  struct pipe_world *world;
  uint32_t index;
  uint64_t opens;
  struct pipe_end ends[PIPE_ENDS_MAX];
  size_t ends_n;
  bool stray; /* it heard of a pipe that it does not know */
};

struct pipe_world {
  struct hs2n_sim *sim;
  struct pipe_node nodes[PIPE_NODES];
};

/* A world of PIPE_NODES nodes, 20 ms apart, that run; NULL: no memory. */
struct pipe_world *pipe_world_new(uint64_t seed, const struct hs2n_mem *mem);
/* Returns whether no invariant was broken. */
bool pipe_world_free(struct pipe_world *w);
/* Node a opens a pipe to node b. */
struct pipe_end *pipe_open(struct pipe_world *w, uint32_t a, uint32_t b);
void pipe_give(struct pipe_world *w, uint32_t a, struct pipe_end *e,
               uint64_t len);
void pipe_hang_up(struct pipe_world *w, uint32_t a, struct pipe_end *e);
/* The last end that node b has accepted; NULL: none. */
struct pipe_end *pipe_accepted(struct pipe_world *w, uint32_t b);
/* The same, of a pipe from a to b that stands. */
struct pipe_end *pipe_pair(struct pipe_world *w, uint32_t a, uint32_t b,
                           struct pipe_end **out_b);

#endif /* PIPE_WORLD_H */
