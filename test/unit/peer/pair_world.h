/* pair_world: two pair machines and everything that a network may do between
 * them, one event at a time.  A world is plain data, so that an explorer can
 * copy and compare it. */
#ifndef PAIR_WORLD_H
#define PAIR_WORLD_H

#include "peer/pair.h"

#include <assert.h>
#include <string.h>

#define WORLD_CONNS 4
#define WORLD_DIALS_FREE UINT8_MAX /* not counted */

/* A connection as both ends see it. */
struct world_conn {
  bool used;
  bool client_done;    /* the dialler's handshake is complete */
  bool accept_pending; /* its last flight is on the way to the server */
  bool met;            /* both ends have greeted while both lived */
  int8_t dialler;
  int8_t slot[2]; /* -1: not there, or not any more */
  bool gone[2];   /* that end has given it up */
  uint8_t incarnation[2];
};

struct world {
  struct hs2ni_pair ends[2];
  struct world_conn conns[WORLD_CONNS];
  uint8_t incarnation[2];
  int8_t attached[2]; /* conn + 1; 0: none */
  uint8_t faults;     /* left */
  uint8_t crashes;    /* left, of end 1 */
  uint8_t dials;      /* that may still be needed, see world_init */
  bool broken;        /* an end attached two connections, or acted wrongly */
};

enum world_event_kind {
  WORLD_TIMER,   /* a: end */
  WORLD_CONNECT, /* a: conn: the dialler's handshake completes */
  WORLD_ACCEPT,  /* a: conn: the server's does */
  WORLD_READY,   /* a: conn, b: end */
  WORLD_LEARN,   /* a: conn, b: end hears that the other end gave it up */
  WORLD_LATE,    /* a: conn, b: end waits in vain */
  WORLD_LOSE,    /* a: conn, b: end loses it for no reason (a fault) */
  WORLD_CRASH,   /* end 1 dies and comes back as a new process */
};
struct world_event {
  enum world_event_kind kind;
  int a, b;
};

static inline int world_conn_of(const struct world *w, int end, int slot) {
  for (int i = 0; i < WORLD_CONNS; i++) {
    if (w->conns[i].used && w->conns[i].slot[end] == slot) {
      return i;
    }
  }
  return -1;
}

static inline void world_leave(struct world *w, int conn, int end) {
  struct world_conn *c = &w->conns[conn];

  c->slot[end] = -1;
  c->gone[end] = true;
}

static inline void world_dial(struct world *w, int end, int slot) {
  w->broken |= w->dials == 0;
  if (w->dials > 0 && w->dials < WORLD_DIALS_FREE) {
    w->dials--;
  }
  for (int i = 0; i < WORLD_CONNS; i++) {
    struct world_conn *c = &w->conns[i];

    if (!c->used) {
      *c = (struct world_conn){.used = true, .dialler = (int8_t)end};
      c->slot[end] = (int8_t)slot;
      c->slot[1 - end] = -1;
      c->incarnation[0] = w->incarnation[0];
      c->incarnation[1] = w->incarnation[1];
      return;
    }
  }
  w->broken = true;
}

static inline void world_attach(struct world *w, int end, int conn) {
  w->broken |= w->attached[end] != 0 || conn < 0;
  w->attached[end] = (int8_t)(conn + 1);
}

static inline void world_detach(struct world *w, int end, int conn) {
  w->broken |= w->attached[end] != conn + 1;
  w->attached[end] = 0;
}

static inline void world_step(struct world *w, int end, int accepted,
                              const struct hs2ni_pair_event *event) {
  struct hs2ni_pair_actions out;

  hs2ni_pair_step(&w->ends[end], event, &out);
  for (unsigned i = 0; i < out.count; i++) {
    const struct hs2ni_pair_action *a = &out.list[i];

    switch (a->kind) {
    case HS2NI_PAIR_DO_DIAL:
      world_dial(w, end, a->slot);
      break;
    case HS2NI_PAIR_DO_TAKE:
      assert(accepted >= 0);
      w->conns[accepted].slot[end] = (int8_t)a->slot;
      break;
    case HS2NI_PAIR_DO_REFUSE:
      assert(accepted >= 0);
      w->conns[accepted].gone[end] = true;
      break;
    case HS2NI_PAIR_DO_CLOSE:
      world_leave(w, world_conn_of(w, end, a->slot), end);
      break;
    case HS2NI_PAIR_DO_ATTACH:
      world_attach(w, end, world_conn_of(w, end, a->slot));
      break;
    case HS2NI_PAIR_DO_DETACH:
      world_detach(w, end, world_conn_of(w, end, a->slot));
      break;
    case HS2NI_PAIR_DO_PAUSE:
    case HS2NI_PAIR_DO_NO_PAUSE:
    case HS2NI_PAIR_DO_UP:
    case HS2NI_PAIR_DO_DOWN:
      break;
    }
  }
}

/* Without faults each end needs one dial: two ends that close each other's
 * connection would need more. */
static inline void world_init(struct world *w, unsigned faults,
                              unsigned crashes) {
  memset(w, 0, sizeof(*w));
  w->dials = faults + crashes == 0 ? 2 : WORLD_DIALS_FREE;
  w->faults = (uint8_t)faults;
  w->crashes = (uint8_t)crashes;
  for (int e = 0; e < 2; e++) {
    w->ends[e].first = e == 0;
    w->incarnation[e] = 1;
    world_step(w, e, -1,
               &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_ADDRESS});
  }
}

static inline bool world_greeting(const struct world *w, int conn, int end) {
  const int slot = w->conns[conn].slot[end];

  return slot >= 0 && w->ends[end].slots[slot].state == HS2NI_SLOT_GREETING;
}

static inline int world_free_conns(const struct world *w) {
  int n = 0;

  for (int i = 0; i < WORLD_CONNS; i++) {
    n += !w->conns[i].used;
  }
  return n;
}

static inline bool world_can(const struct world *w, struct world_event e) {
  const struct world_conn *c = &w->conns[e.a];

  switch (e.kind) {
  case WORLD_TIMER:
    return w->ends[e.a].paused && world_free_conns(w) > 0;
  case WORLD_CONNECT:
    return c->used && !c->client_done && c->slot[c->dialler] >= 0 &&
           w->incarnation[1 - c->dialler] == c->incarnation[1 - c->dialler];
  case WORLD_ACCEPT:
    return c->used && c->accept_pending;
  case WORLD_READY:
    return c->used && c->met && world_greeting(w, e.a, e.b);
  case WORLD_LEARN:
    return c->used && c->slot[e.b] >= 0 && c->gone[1 - e.b];
  case WORLD_LATE: /* the other end will never come */
    return c->used && c->slot[e.b] >= 0 && c->slot[1 - e.b] < 0 &&
           !c->accept_pending &&
           !world_can(w, (struct world_event){WORLD_CONNECT, e.a, 0}) &&
           !c->gone[1 - e.b];
  case WORLD_LOSE:
    return c->used && c->slot[e.b] >= 0 && w->faults > 0;
  case WORLD_CRASH:
    return w->crashes > 0;
  }
  return false;
}

static inline void world_crash(struct world *w) {
  w->crashes--;
  w->incarnation[1]++;
  w->attached[1] = 0;
  w->ends[1] = (struct hs2ni_pair){.first = false};
  for (int i = 0; i < WORLD_CONNS; i++) {
    struct world_conn *c = &w->conns[i];

    if (c->used) {
      world_leave(w, i, 1);
      c->accept_pending &= c->dialler == 1;
    }
  }
  world_step(w, 1, -1,
             &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_ADDRESS});
}

static inline void world_end_of(struct world *w, int conn, int end,
                                enum hs2ni_pair_event_kind kind,
                                enum hs2n_reason reason) {
  const int slot = w->conns[conn].slot[end];

  if (w->attached[end] == conn + 1) {
    /* DETACH must find it, the slot is freed by the machine. */
    world_step(w, end, -1,
               &(struct hs2ni_pair_event){
                   .kind = kind, .slot = slot, .reason = reason});
    if (w->conns[conn].slot[end] >= 0) {
      world_leave(w, conn, end);
    }
    return;
  }
  if (kind == HS2NI_PAIR_ON_CLOSED) {
    world_leave(w, conn, end);
  }
  world_step(
      w, end, -1,
      &(struct hs2ni_pair_event){.kind = kind, .slot = slot, .reason = reason});
}

static inline void world_do(struct world *w, struct world_event e) {
  struct world_conn *c = &w->conns[e.a];

  switch (e.kind) {
  case WORLD_TIMER:
    world_step(w, e.a, -1,
               &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_TIMER});
    break;
  case WORLD_CONNECT:
    c->client_done = true;
    c->accept_pending = true;
    world_step(w, c->dialler, -1,
               &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_CONNECTED,
                                          .slot = c->slot[c->dialler]});
    break;
  case WORLD_ACCEPT:
    c->accept_pending = false;
    world_step(w, 1 - c->dialler, e.a,
               &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_ACCEPTED});
    c->met = c->slot[0] >= 0 && c->slot[1] >= 0;
    break;
  case WORLD_READY:
    world_step(
        w, e.b, -1,
        &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_READY,
                                   .slot = c->slot[e.b],
                                   .incarnation = c->incarnation[1 - e.b]});
    break;
  case WORLD_LEARN:
    world_end_of(w, e.a, e.b, HS2NI_PAIR_ON_CLOSED, HS2N_REASON_NONE);
    break;
  case WORLD_LATE:
    world_end_of(w, e.a, e.b, HS2NI_PAIR_ON_ABORT, HS2N_REASON_HELLO_TIMEOUT);
    break;
  case WORLD_LOSE:
    w->faults--;
    world_end_of(w, e.a, e.b, HS2NI_PAIR_ON_CLOSED, HS2N_REASON_IDLE_TIMEOUT);
    break;
  case WORLD_CRASH:
    world_crash(w);
    break;
  }
  for (int i = 0; i < WORLD_CONNS; i++) {
    c = &w->conns[i];
    if (c->used && c->slot[0] < 0 && c->slot[1] < 0 && !c->accept_pending) {
      memset(c, 0, sizeof(*c));
    }
  }
}

/* All events in a fixed order; returns how many of them can happen now. */
#define WORLD_EVENTS_MAX (3 + WORLD_CONNS * 10)
static inline unsigned world_events(const struct world *w,
                                    struct world_event out[WORLD_EVENTS_MAX]) {
  unsigned n = 0;

  for (int i = 0; i < WORLD_CONNS; i++) {
    for (enum world_event_kind k = WORLD_CONNECT; k <= WORLD_LOSE; k++) {
      const int ends = k == WORLD_CONNECT || k == WORLD_ACCEPT ? 1 : 2;

      for (int b = 0; b < ends; b++) {
        out[n] = (struct world_event){k, i, b};
        n += world_can(w, out[n]);
      }
    }
  }
  for (int e = 0; e < 2; e++) {
    out[n] = (struct world_event){WORLD_TIMER, e, 0};
    n += world_can(w, out[n]);
  }
  out[n] = (struct world_event){WORLD_CRASH, 0, 0};
  n += world_can(w, out[n]);
  return n;
}

/* Both ends carry messages over one and the same connection. */
static inline bool world_agreed(const struct world *w) {
  return w->attached[0] != 0 && w->attached[0] == w->attached[1];
}

#endif /* PAIR_WORLD_H */
