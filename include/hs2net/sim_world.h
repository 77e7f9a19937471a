/* sim_world.h: the simulated world, its nodes and its time.  See sim.h. */
#ifndef HS2N_SIM_WORLD_H
#define HS2N_SIM_WORLD_H

#include <hs2net/api.h>
#include <hs2net/consensus.h>
#include <hs2net/limits.h>
#include <hs2net/node.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hs2n_sim;
struct hs2n_sim_disk;

#define HS2N_SIM_NODES_MAX 1000
#define HS2N_SIM_ALL UINT32_MAX /* every node, where a node is asked for */
#define HS2N_SIM_EACH (UINT32_MAX - 1) /* each in turn, for a load */
#define HS2N_SIM_EPOCH 1 /* the epoch that nodes are started with */
#define HS2N_SIM_PORT 7000
#define HS2N_SIM_PPM 1000000u

/* ---- the application of each node -------------------------------------- */

/* What runs on the nodes.  Upcalls reach the consensus of a node as they
 * would in production; the simulator looks at them on the way and sends what
 * they left behind to the network.  Times given to and taken from an
 * application are of its node's own clock. */
struct hs2n_sim_app {
  size_t struct_size;
  void *self; /* first argument of each method; each may be NULL */

  /* Before the node is made: may change the configuration, which holds what
   * the simulator would use, and fills in the methods that want to hear from
   * the node.  With other memory than the simulator's nothing is known of how
   * much the node holds; another incarnation must still grow; identity and
   * local address must stay. */
  void (*configure)(void *self, uint32_t node, struct hs2n_config *config,
                    struct hs2n_consensus *out_consensus);
  /* The node runs and knows its members.  What an earlier life left on the
   * disk is there. */
  void (*on_start)(void *self, uint32_t node, struct hs2n_node *handle,
                   struct hs2n_sim_disk *disk);
  /* The node is about to be freed, after a crash or at the end of an orderly
   * stop: give back each body held.  It may not call the node any more. */
  void (*on_stop)(void *self, uint32_t node);
  /* When tick wants to be called next; HS2N_TIME_NEVER: not at all. */
  hs2n_time (*deadline)(void *self, uint32_t node);
  void (*tick)(void *self, uint32_t node, hs2n_time now);
  /* Makes the node in place of hs2n_node_new, with its arguments. */
  int (*make)(void *self, uint32_t node, struct hs2n_node **out_node,
              const struct hs2n_config *config, hs2n_time now);
};

/* ---- what happened ------------------------------------------------------ */

/* X(name, level, text).  Level 1 is the story, 2 are messages, 3 is each
 * datagram and timer.  What a and b hold is behind the text. */
#define HS2N_SIM_EVENT_LIST(X)                                           \
  X(START, 1, "starts (a: incarnation)")                                 \
  X(STOP, 1, "has stopped")                                              \
  X(CRASH, 1, "crashes (a: 1 when its storage is lost too)")             \
  X(PAUSE, 1, "pauses (a: ns)")                                          \
  X(RESUME, 1, "goes on")                                                \
  X(CLOCK, 1, "clock jumps (a: ns, signed) or drifts (b: ppm, signed)")  \
  X(NET, 1, "network changes")                                           \
  X(ADDRESS, 1, "has another address (a: port)")                         \
  X(MISBEHAVE, 1, "begins or ends to misbehave")                         \
  X(UP, 1, "peer up")                                                    \
  X(DOWN, 1, "peer down (a: reason)")                                    \
  X(GONE, 1, "peer gone")                                                \
  X(LOG, 1, "node's log")                                                \
  X(NOTE, 1, "note of the scenario")                                     \
  X(FAIL, 1, "an invariant is broken")                                   \
  X(SEND, 2, "send (a: serial, b: bytes)")                               \
  X(MESSAGE, 2, "message taken (a: lane and sequence number, b: bytes)") \
  X(DONE, 2, "send ended (a: tag, b: outcome)")                          \
  X(DISK, 2, "disk asked (a: bytes, b: ns until durable, or full)")      \
  X(TX, 3, "datagram leaves (a: bytes)")                                 \
  X(RX, 3, "datagram arrives (a: bytes)")                                \
  X(DROP, 3, "datagram lost (a: bytes)")                                 \
  X(TICK, 3, "timer")                                                    \
  X(PIPE, 3, "TCP connection (a: number, b: as the node knows it)")

enum hs2n_sim_event_kind {
#define X(name, level, text) HS2N_SIM_##name,
  HS2N_SIM_EVENT_LIST(X)
#undef X
};

struct hs2n_sim_event {
  hs2n_time at;
  enum hs2n_sim_event_kind kind;
  uint32_t node; /* HS2N_SIM_ALL: none in particular */
  uint32_t peer; /* HS2N_SIM_ALL: none */
  uint64_t a, b;
  const char *text; /* may be empty; borrowed for the call */
};

typedef void (*hs2n_sim_trace_fn)(void *user_data,
                                  const struct hs2n_sim_event *event);

#define HS2N_SIM_EVENT_TEXT_MAX 256

/**
 * One event as a line: virtual ms since the start, node, event.
 *
 * Thread: any.
 *
 * \param event  not NULL.
 * \param out    HS2N_SIM_EVENT_TEXT_MAX bytes; cut when longer.
 * \return out.
 */
HS2N_API const char *hs2n_sim_event_text(const struct hs2n_sim_event *event,
                                         char out[HS2N_SIM_EVENT_TEXT_MAX]);

/* ---- life ---------------------------------------------------------------- */

/* Pointers are kept and must outlive the simulation, but for limits, types,
 * app and key_of, which are copied.  Start from hs2n_sim_config_default. */
struct hs2n_sim_config {
  size_t struct_size;
  const struct hs2n_mem *mem; /* of the simulator and the nodes */
  uint64_t seed;
  uint32_t nodes; /* 1..HS2N_SIM_NODES_MAX */
  const char *chain_id;
  const struct hs2n_limits *limits; /* NULL: the defaults, with peers_max
                                       raised to the number of nodes */
  const struct hs2n_type *types;    /* NULL: type l for lane l, of at most
                                       1 MiB, which the load needs */
  size_t types_n;
  const struct hs2n_sim_app *app; /* NULL: none; the load is there always */
  /* The Twins method (Bano et al. 2022): node i has the key of node
   * key_of[i] <= i.  Nodes that share a key count as misbehaving.  NULL: each
   * has its own. */
  const uint32_t *key_of;
  bool manual_members;     /* the application calls hs2n_set_members itself */
  uint32_t socket_bytes;   /* that wait for a paused node; more are lost */
  hs2n_sim_trace_fn trace; /* gets each event of trace_level; may be NULL */
  void *trace_data;
  int trace_level;     /* 1..3; of the ring too */
  uint32_t trace_ring; /* last events kept, >= 1 */
  /* Sees each datagram as it leaves, of TCP what each segment carries; to is
   * HS2N_SIM_ALL when nobody is at the address.  May be NULL. */
  void (*capture)(void *capture_data, uint32_t from, uint32_t to,
                  struct hs2n_span datagram);
  void *capture_data;
  enum hs2n_transport transport; /* of nodes that configure says no other of */
};

/**
 * Fills in what has a default: own memory, 1 ms links, no load, no trace.
 *
 * Thread: any.
 *
 * \param out    written whole, struct_size included.
 * \param nodes  how many.
 * \param seed   any.
 */
HS2N_API void hs2n_sim_config_default(struct hs2n_sim_config *out,
                                      uint32_t nodes, uint64_t seed);

/**
 * Makes a world in which no node runs yet.
 *
 * Thread: any; the caller becomes the owner.
 *
 * \param out_sim  set on success; free with hs2n_sim_free.
 * \param config   see struct hs2n_sim_config.
 * \return HS2N_OK, HS2N_ERR_INVALID, HS2N_ERR_VERSION, HS2N_ERR_NO_MEMORY or
 *         HS2N_ERR_CRYPTO.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sim_new(struct hs2n_sim **out_sim,
                                          const struct hs2n_sim_config *config);

/**
 * Crashes what still runs and frees the world.
 *
 * Thread: owner.
 *
 * \param sim  may be NULL.
 */
HS2N_API void hs2n_sim_free(struct hs2n_sim *sim);

/**
 * Starts a node as a new process, with a higher incarnation each time, and
 * names it the members unless config.manual_members.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  one that does not run.
 * \return HS2N_OK, HS2N_ERR_STATE when it runs, or what hs2n_node_new or
 *         hs2n_set_members say; the node does not run then.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sim_start(struct hs2n_sim *sim,
                                            uint32_t node);

/**
 * Starts each node that does not run.  A failure is one of the simulation.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 * \return whether all run.
 */
HS2N_API bool hs2n_sim_start_all(struct hs2n_sim *sim);

/**
 * Begins to stop a node in order (hs2n_node_stop); it is gone when its
 * messages are sent or drain_ms is over.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  ignored when it does not run.
 */
HS2N_API void hs2n_sim_stop(struct hs2n_sim *sim, uint32_t node);

/**
 * Ends a node's process without a word.  What it asked its disk to keep and
 * was not durable yet is lost, at a byte that the seed chooses.
 *
 * Thread: owner.
 *
 * \param sim           not NULL.
 * \param node          ignored when it does not run.
 * \param lose_storage  the whole disk is lost too.
 */
HS2N_API void hs2n_sim_crash(struct hs2n_sim *sim, uint32_t node,
                             bool lose_storage);

/**
 * Whether a node runs; a paused one does.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 */
HS2N_API bool hs2n_sim_running(const struct hs2n_sim *sim, uint32_t node);

/* ---- time -----------------------------------------------------------------
 */

/**
 * Runs for a while of virtual time.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim     not NULL.
 * \param length  ns.
 * \return true, or false as soon as an invariant is broken.
 */
HS2N_API bool hs2n_sim_run(struct hs2n_sim *sim, hs2n_time length);

/**
 * Runs until a condition holds, which is asked after each step.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim     not NULL.
 * \param done    must not change the world.
 * \param arg     passed to done.
 * \param length  ns, the longest.
 * \return whether done said true and no invariant is broken.
 */
HS2N_API bool hs2n_sim_until(struct hs2n_sim *sim,
                             bool (*done)(struct hs2n_sim *sim, void *arg),
                             void *arg, hs2n_time length);

/**
 * Runs the next event or timer alone.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim  not NULL.
 * \param end  virtual time, the latest.
 * \return false, and no time passes, when none is due until then or an
 *         invariant is broken.
 */
HS2N_API bool hs2n_sim_step(struct hs2n_sim *sim, hs2n_time end);

/**
 * Has a function called at a time, between two steps: the timeline of a
 * scenario, and the way out of an upcall.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 * \param at   virtual time; the past counts as now.
 * \param fn   may change the world.
 * \param arg  passed to fn.
 * \return HS2N_OK or HS2N_ERR_NO_MEMORY, which is a failure of the
 *         simulation too.
 */
HS2N_API int hs2n_sim_at(struct hs2n_sim *sim, hs2n_time at,
                         void (*fn)(struct hs2n_sim *sim, void *arg),
                         void *arg);

/**
 * Virtual time.  It does not begin at 0.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 */
HS2N_API hs2n_time hs2n_sim_now(const struct hs2n_sim *sim);

/**
 * What the clock of a node says, which may drift and jump.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 */
HS2N_API hs2n_time hs2n_sim_clock(const struct hs2n_sim *sim, uint32_t node);

/**
 * A number of the scenario's own random sequence.
 *
 * Thread: owner.
 *
 * \param sim    not NULL.
 * \param bound  >= 1.
 * \return uniform in [0, bound).
 */
HS2N_API uint64_t hs2n_sim_random(struct hs2n_sim *sim, uint64_t bound);

/* ---- nodes ----------------------------------------------------------------
 */

/**
 * The node itself, for calls of node.h.  After such a call from outside of
 * an upcall, hs2n_sim_flush must follow.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \return NULL when it does not run; borrowed until it stops.
 */
HS2N_API struct hs2n_node *hs2n_sim_node(const struct hs2n_sim *sim,
                                         uint32_t node);

/**
 * Takes the datagrams that a node has to send, and its new deadline, as a
 * driver does after a call from above.  Does nothing inside an upcall.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  ignored when it does not run or is paused.
 */
HS2N_API void hs2n_sim_flush(struct hs2n_sim *sim, uint32_t node);

/**
 * Calls hs2n_node_tick of a node before its time, as a driver may, and
 * flushes.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim   not NULL.
 * \param node  ignored when it does not run or is paused.
 */
HS2N_API void hs2n_sim_wake(struct hs2n_sim *sim, uint32_t node);

/**
 * The identity of a node, to sign with.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \return borrowed from sim.
 */
HS2N_API const struct hs2n_identity *
hs2n_sim_identity(const struct hs2n_sim *sim, uint32_t node);

/**
 * A node as a member, of weight 1, with the addresses of all nodes that have
 * its key.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \return its addresses are borrowed until hs2n_sim_move of that node.
 */
HS2N_API struct hs2n_member hs2n_sim_member(const struct hs2n_sim *sim,
                                            uint32_t node);

/**
 * The handle that one node has for another.
 *
 * Thread: owner.
 *
 * \param sim       not NULL.
 * \param node      whose handle.
 * \param peer      of whom.
 * \param out_peer  set on success.
 * \return HS2N_OK or HS2N_ERR_NO_PEER.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sim_peer(const struct hs2n_sim *sim,
                                           uint32_t node, uint32_t peer,
                                           struct hs2n_peer *out_peer);

/**
 * Which node a handle means; of nodes with one key the first.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param sim   not NULL.
 * \param node  whose handle.
 * \param peer  the handle.
 * \return a node, or HS2N_SIM_ALL when the handle is not live.
 */
HS2N_API uint32_t hs2n_sim_index(struct hs2n_sim *sim, uint32_t node,
                                 struct hs2n_peer peer);

struct hs2n_sim_memory {
  size_t struct_size;
  uint64_t live_bytes;  /* that the node holds */
  uint64_t peak_bytes;  /* the most it held in this life */
  uint64_t limit_bytes; /* what hs2n_limits_memory says */
  uint64_t requests;    /* in all lives */
};

/**
 * What a node holds of memory.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param node  which.
 * \param out   struct_size set by the caller.
 */
HS2N_API void hs2n_sim_memory(const struct hs2n_sim *sim, uint32_t node,
                              struct hs2n_sim_memory *out);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_SIM_WORLD_H */
