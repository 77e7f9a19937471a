/* life: what the parts of the program life.c share. */
#ifndef LIFE_H
#define LIFE_H

#include "book.h"
#include "stories.h"

#define LIFE_NODES 4
#define LIFE_OWED_MAX 256

/* A verdict or a body that an application owes. */
struct owed {
  uint32_t node;
  hs2n_time at;          /* virtual */
  struct hs2n_buf *body; /* or: */
  struct hs2n_peer from;
  struct hs2n_msg_id id;
  size_t entry;
};

struct world;

/* What a node's consensus has as self. */
struct mind {
  struct world *world;
  uint32_t node;
};

struct world {
  struct hs2n_sim_app app;
  struct mind minds[LIFE_NODES];
  struct hs2n_limits limits;
  struct hs2n_sim *sim;
  struct book book;
  struct owed owed[LIFE_OWED_MAX];
  size_t owed_n;
  bool calm;      /* everybody accepts at once */
  bool busy_once; /* but for the next, who is busy */
};

#define LIFE_TYPES 7
extern const struct hs2n_type life_types[LIFE_TYPES];

static inline uint64_t any(struct world *w, uint64_t bound) {
  return hs2n_sim_random(w->sim, bound);
}

static inline bool one_in(struct world *w, uint64_t n) {
  return any(w, n) == 0;
}

static inline uint32_t any_node(struct world *w) {
  return (uint32_t)any(w, LIFE_NODES);
}

/* ---- life_app.c: what runs on each node ---------------------------------- */

extern const struct hs2n_sim_app life_app; /* self: of the world */
/* Gives the verdicts that are due, and lets go of the bodies that are. */
void life_pay(struct world *w);

/* ---- life_send.c: what each node does by itself -------------------------- */

void life_send_one(struct world *w, uint32_t from, uint32_t type);
/* One message of any kind, or many votes. */
void life_send(struct world *w, uint32_t from);
void life_cancel(struct world *w, uint32_t node);
void life_next_view(struct world *w, uint32_t node);

#endif /* LIFE_H */
