/* sim_check.h: load on a simulated world, and what has to hold under it.  See
 * sim.h. */
#ifndef HS2N_SIM_CHECK_H
#define HS2N_SIM_CHECK_H

#include <hs2net/api.h>
#include <hs2net/msg.h>
#include <hs2net/sim_world.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- load
 * -------------------------------------------------------------------- */

#define HS2N_SIM_BODY_MIN 40

/* A message of the load.  Its body says who sent it as the how manieth, so
 * that a receiver can hold it against the simulator's book: sent by the peer
 * that it came from, unchanged, in order, once, and none left out. */
struct hs2n_sim_msg {
  uint32_t from;
  uint32_t to; /* a node, or HS2N_SIM_ALL: to the epoch */
  enum hs2n_lane lane;
  uint32_t len;   /* bytes of body, >= HS2N_SIM_BODY_MIN */
  uint32_t flags; /* HS2N_MSG_ACK, HS2N_MSG_QUORUM and HS2N_MSG_VIEW_BOUND */
  uint64_t view;
  uint64_t quorum_weight;
  hs2n_time expires_in; /* 0: never */
};

/**
 * Sends a message of the load, and flushes.  With HS2N_MSG_ACK or _QUORUM a
 * completion is expected, exactly once, unless the node crashes.
 *
 * Thread: owner.
 *
 * \param sim      not NULL.
 * \param msg      copied.
 * \param out_tag  set on success with ACK or QUORUM; may be NULL.
 * \return what hs2n_send says, or HS2N_ERR_STATE when the node does not run.
 */
HS2N_API HS2N_MUST_CHECK int hs2n_sim_send(struct hs2n_sim *sim,
                                           const struct hs2n_sim_msg *msg,
                                           struct hs2n_tag *out_tag);

/* A source of messages.  FULL is waited out. */
struct hs2n_sim_load {
  struct hs2n_sim_msg msg; /* from and to may be HS2N_SIM_EACH */
  uint32_t len_max;        /* the length is random up to this; 0: msg.len */
  hs2n_time every;         /* ns, >= 1 */
};

/**
 * Adds a source of messages; the first comes after load->every.
 *
 * Thread: owner.
 *
 * \param sim   not NULL.
 * \param load  copied.
 * \return HS2N_OK, HS2N_ERR_INVALID or HS2N_ERR_NO_MEMORY.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_sim_load_add(struct hs2n_sim *sim, const struct hs2n_sim_load *load);

/**
 * Ends all sources.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 */
HS2N_API void hs2n_sim_load_end(struct hs2n_sim *sim);

/**
 * Sets what the nodes say to messages of the load that come from now on.
 *
 * Thread: owner.
 *
 * \param sim      not NULL.
 * \param node     a node or HS2N_SIM_ALL.
 * \param verdict  any but HS2N_LATER; ACCEPT at first.
 */
HS2N_API void hs2n_sim_set_verdict(struct hs2n_sim *sim, uint32_t node,
                                   enum hs2n_verdict verdict);

/* ---- invariants
 * ---------------------------------------------------------------- */

/* Held against every step without being asked:
 *   - UP and DOWN of a peer alternate: one connection at most is told of
 *   - messages of a peer and lane come in order and none comes twice, but for
 *     the one time that HS2N_HOLD asks for
 *   - of the load: none was not sent by that peer, none is changed, none is
 *     left out that had to come; each completion comes once, and says ACKED
 *     only of what was taken
 *   - a node holds no more memory than hs2n_limits_memory says, and gives it
 *     all back; no peer queues more than the limits allow
 *   - time goes on: no node wants to be called for ever at one moment
 */

/**
 * Breaks the simulation off, with an invariant of your own.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param sim   not NULL; only the first failure counts.
 * \param node  whose, or HS2N_SIM_ALL.
 * \param text  copied, cut at some 200 bytes.
 */
HS2N_API void hs2n_sim_fail(struct hs2n_sim *sim, uint32_t node,
                            const char *text);

/**
 * The first invariant that was broken: virtual ms, node, text.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 * \return NULL when none was; borrowed from sim.
 */
HS2N_API const char *hs2n_sim_failure(const struct hs2n_sim *sim);

/**
 * Whether each honest running node has each other one UP that it names as a
 * member and that names it, with one connection.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 */
HS2N_API bool hs2n_sim_meshed(struct hs2n_sim *sim);

/**
 * Liveness: call it when the network is well again.  Runs until the honest
 * running nodes are meshed, each message between them that had to come has
 * come, and each completion too; not to get there in time is a failure.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim    not NULL.
 * \param bound  ns.
 * \return whether no invariant is broken.
 */
HS2N_API bool hs2n_sim_settle(struct hs2n_sim *sim, hs2n_time bound);

/* ---- looking
 * --------------------------------------------------------------------- */

/* What a simulation counts.  X(field, text); append only. */
#define HS2N_SIM_STATS_LIST(X)                                          \
  X(steps, "events and timers run")                                     \
  X(datagrams, "datagrams, or segments of TCP, sent")                   \
  X(bytes, "bytes of them")                                             \
  X(delivered, "datagrams given to nodes")                              \
  X(lost_noise, "lost by chance, alone or in bursts")                   \
  X(lost_cut, "lost to cuts and partitions")                            \
  X(lost_queue, "lost to a full queue of a link, port or socket")       \
  X(lost_mtu, "lost because they were too large")                       \
  X(lost_nobody, "addressed to nobody, or to a node that does not run") \
  X(lost_evil, "withheld by a silent node")                             \
  X(duplicated, "delivered twice by noise")                             \
  X(reordered, "held back by noise")                                    \
  X(corrupted, "with bits flipped by noise")                            \
  X(marked, "marked as CE by a port")                                   \
  X(replayed, "replayed by a misbehaving node")                         \
  X(flooded, "forged by a misbehaving node")                            \
  X(starts, "nodes started")                                            \
  X(crashes, "nodes crashed")                                           \
  X(allocations_failed, "requests for memory that were made to fail")   \
  X(sends, "messages of the load accepted, once per receiver")          \
  X(sends_refused, "messages of the load not accepted")                 \
  X(messages, "messages taken by applications")                         \
  X(completions, "completions of the load")                             \
  X(owed, "messages of the load that still have to come")               \
  X(pipes, "TCP connections that nodes asked for")                      \
  X(segments_again, "segments of TCP that were sent again")

struct hs2n_sim_stats {
  size_t struct_size;
#define X(field, text) uint64_t field;
  HS2N_SIM_STATS_LIST(X)
#undef X
};

/**
 * Copies the counters.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 * \param out  struct_size set by the caller.
 */
HS2N_API void hs2n_sim_stats(const struct hs2n_sim *sim,
                             struct hs2n_sim_stats *out);

/**
 * A hash of all that has happened: of each datagram its bytes, way and time,
 * of each upcall and timer.
 *
 * Thread: owner.
 *
 * \param sim  not NULL.
 */
HS2N_API uint64_t hs2n_sim_hash(const struct hs2n_sim *sim);

/**
 * Adds a line of the scenario to the trace.
 *
 * Thread: owner.  Callback-safe: yes.
 *
 * \param sim   not NULL.
 * \param node  or HS2N_SIM_ALL.
 * \param text  copied; counts in the hash.
 */
HS2N_API void hs2n_sim_note(struct hs2n_sim *sim, uint32_t node,
                            const char *text);

/**
 * Walks through the last events, oldest first.
 *
 * Thread: owner.
 *
 * \param sim        not NULL.
 * \param fn         gets each.
 * \param user_data  passed to fn.
 */
HS2N_API void hs2n_sim_trace(const struct hs2n_sim *sim, hs2n_sim_trace_fn fn,
                             void *user_data);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_SIM_CHECK_H */
