/* link_tcp: pipes between the nodes of a link_world, and from a test to one:
 * what a stranger can say. */
#ifndef LINK_TCP_H
#define LINK_TCP_H

#include "link_world.h"

/* One direction of a pipe. */
struct world_way {
  uint8_t *bytes; /* given to the driver, and not delivered */
  size_t len;
  size_t taken; /* of them, by the socket */
  hs2n_time at; /* the first of them come there */
  bool ends;    /* no more come behind them */
  bool dead;    /* the receiver was told, or is gone */
};

struct world_end {
  struct world_node *node; /* NULL: the test itself */
  uint64_t id;
  bool told;   /* of the pipe: it stands there */
  bool closed; /* that node gives nothing more, nor wants to hear */
};

struct world_pipe {
  struct world_end ends[2]; /* who dialled, who accepted */
  struct world_way ways[2]; /* by who sends */
  hs2n_time open_at[2];     /* when each end hears that it stands */
  bool refused;             /* nobody listened there */
  uint8_t *heard;           /* by the test */
  size_t heard_len;
  bool heard_end;
};

/* Opens a pipe to a node as if from remote.  Returns its index. */
size_t world_pipe_open(struct world *w, size_t to,
                       const struct hs2n_addr *remote);
/* Sends on it. */
void world_pipe_send(struct world *w, size_t pipe, struct hs2n_span bytes);
void world_pipe_close(struct world *w, size_t pipe);
/* The whole of what was heard goes. */
void world_pipe_forget(struct world *w, size_t pipe);

#endif /* LINK_TCP_H */
