/* pair: which connection of two members survives, and when to dial.
 *
 * A pure state machine: events in, actions out; no time, no memory, no
 * calls.  The same machine runs at both ends, and the rule below makes both
 * keep the same connection without talking about it:
 *
 *   1. the higher incarnation of the peer's process wins;
 *   2. then the connection dialled by the end with the smaller peer id;
 *   3. then the newer one.
 *
 * A connection takes part once it is ready, that is when both hellos are
 * there.  Our own dial that is still in its handshake when the peer's
 * connection is ready is given up at once: a client completes its handshake
 * before its server does, so the peer can't have taken it.
 *
 * Invariants: at most two connections; at most one chosen; a pair that has
 * an address and no connection is always paused, so dialling never ends.
 *
 * The table of all transitions is docs/peer-states.md, compared with the
 * machine in a test. */
#ifndef HS2NI_PEER_PAIR_H
#define HS2NI_PEER_PAIR_H

#include <hs2net/api.h>
#include <hs2net/error.h>
#include <stdbool.h>
#include <stdint.h>

#define HS2NI_PAIR_SLOTS 2
#define HS2NI_PAIR_NO_SLOT (-1)

enum hs2ni_slot_state {
  HS2NI_SLOT_FREE = 0,
  HS2NI_SLOT_DIALLING, /* ours, in its handshake */
  HS2NI_SLOT_GREETING, /* handshake complete, hellos under way */
  HS2NI_SLOT_READY,    /* both hellos are there: this is the chosen one */
};

struct hs2ni_slot {
  enum hs2ni_slot_state state;
  bool dialled;         /* by this end */
  uint32_t order;       /* rises with each connection of the pair */
  uint64_t incarnation; /* of the peer's process, once READY */
};

/* Zeroed but for `first` is a pair without address and connection. */
struct hs2ni_pair {
  bool first;   /* our peer id is the smaller one */
  bool address; /* there is somewhere to dial */
  bool paused;  /* waits for HS2NI_PAIR_TIMER */
  bool ended;
  uint32_t failures; /* dials that failed since the last time UP */
  uint32_t order;
  uint64_t incarnation; /* the highest met */
  int chosen;           /* slot + 1; 0: none */
  struct hs2ni_slot slots[HS2NI_PAIR_SLOTS];
};

/* What the pair is doing, by name; see hs2ni_pair_state. */
#define HS2NI_PAIR_STATE_LIST(X)                                       \
  X(QUIET, "no address and no connection: waits for the peer to dial") \
  X(PAUSED, "waits to dial")                                           \
  X(TRYING, "a dial or a hello is under way, nothing is ready")        \
  X(UP, "one connection is ready and carries messages")                \
  X(UP_TRYING, "one carries messages, another one may replace it")     \
  X(ENDED, "removed or shut down: nothing more is dialled or accepted")

enum hs2ni_pair_state {
#define X(name, text) HS2NI_PAIR_##name,
  HS2NI_PAIR_STATE_LIST(X)
#undef X
};

#define HS2NI_PAIR_EVENT_LIST(X)                                \
  X(ADDRESS, "the peer has new addresses")                      \
  X(NO_ADDRESS, "no address of the peer is usable any more")    \
  X(TIMER, "the pause is over")                                 \
  X(ACCEPTED, "a dial of the peer has completed its handshake") \
  X(CONNECTED, "our dial has completed its handshake")          \
  X(READY, "a connection has both hellos")                      \
  X(CLOSED, "a connection or dial has ended")                   \
  X(ABORT, "a connection or dial must end: breach or time-out") \
  X(END, "the peer was removed, or the node stops")

enum hs2ni_pair_event_kind {
#define X(name, text) HS2NI_PAIR_ON_##name,
  HS2NI_PAIR_EVENT_LIST(X)
#undef X
};

struct hs2ni_pair_event {
  enum hs2ni_pair_event_kind kind;
  int slot;                /* CONNECTED, READY, CLOSED, ABORT */
  enum hs2n_reason reason; /* CLOSED, ABORT, END */
  uint64_t incarnation;    /* READY */
};

#define HS2NI_PAIR_ACTION_LIST(X)                        \
  X(DIAL, "dial the next address into slot")             \
  X(TAKE, "the accepted connection is slot")             \
  X(REFUSE, "close the accepted connection with reason") \
  X(CLOSE, "close slot with reason")                     \
  X(ATTACH, "slot carries messages from now on")         \
  X(DETACH, "slot carries messages no more")             \
  X(PAUSE, "raise TIMER after a pause")                  \
  X(NO_PAUSE, "cancel the pause")                        \
  X(UP, "tell that the peer is up")                      \
  X(DOWN, "tell that a connection or dial ended, with reason")

enum hs2ni_pair_action_kind {
#define X(name, text) HS2NI_PAIR_DO_##name,
  HS2NI_PAIR_ACTION_LIST(X)
#undef X
};

struct hs2ni_pair_action {
  enum hs2ni_pair_action_kind kind;
  int slot;                /* DIAL, TAKE, CLOSE, ATTACH, DETACH */
  enum hs2n_reason reason; /* REFUSE, CLOSE, DOWN */
  bool at_once;            /* PAUSE: no back-off, this is the first dial */
  bool yield;              /* PAUSE: let the other end dial first */
};

#define HS2NI_PAIR_ACTIONS_MAX 8
struct hs2ni_pair_actions {
  struct hs2ni_pair_action list[HS2NI_PAIR_ACTIONS_MAX];
  unsigned count;
};

/* One step.  The actions are to be done in their order; DIAL that fails at
 * once is answered by another step, with CLOSED. */
void hs2ni_pair_step(struct hs2ni_pair *pair,
                     const struct hs2ni_pair_event *event,
                     struct hs2ni_pair_actions *out);

enum hs2ni_pair_state hs2ni_pair_state(const struct hs2ni_pair *pair);

/* Names for docs and logs: "UP_TRYING". */
const char *hs2ni_pair_state_name(enum hs2ni_pair_state state);

#endif /* HS2NI_PEER_PAIR_H */
