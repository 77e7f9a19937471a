/* sim_story.h: scenarios: random timelines of faults, and a command line for
 * stories that are told in C.  See sim.h. */
#ifndef HS2N_SIM_STORY_H
#define HS2N_SIM_STORY_H

#include <hs2net/api.h>
#include <hs2net/node.h>
#include <hs2net/sim_world.h>
#include <hs2net/types.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- random faults --------------------------------------------------------
 */

/* X(name, weight, text).  A kind begins at random times and ends at random
 * times; at the end of the trouble all of them end. */
#define HS2N_SIM_CHAOS_LIST(X)                                     \
  X(CRASH, 2, "a node crashes; it starts again later")             \
  X(WIPE, 1, "a node crashes and loses its storage")               \
  X(STOP, 1, "a node stops in order; it starts again later")       \
  X(CUT, 8, "one direction between two nodes")                     \
  X(ISOLATE, 2, "a node hears nobody and nobody hears it")         \
  X(PARTITION, 3, "two groups")                                    \
  X(NOISE, 6, "loss, bursts, duplication, reordering, corruption") \
  X(PAUSE, 3, "a node does nothing for up to 8 s")                 \
  X(DRIFT, 2, "a clock is up to 5 % wrong")                        \
  X(JUMP, 2, "a clock jumps by up to 4 s")                         \
  X(REBIND, 2, "the NAT in front of a node forgets")               \
  X(MOVE, 1, "a node crashes; it has another address later")       \
  X(MEMORY, 2, "requests for memory fail now and then")            \
  X(SLOW_DISK, 1, "a disk takes up to 400 ms to sync")             \
  X(FULL_DISK, 1, "a disk is full")                                \
  X(EVIL, 2, "a node is silent, delays, replays or floods")

enum hs2n_sim_chaos_kind {
#define X(name, weight, text) HS2N_SIM_CHAOS_##name,
  HS2N_SIM_CHAOS_LIST(X)
#undef X
};

#define HS2N_SIM_CHAOS_KINDS 16

/* All zero but for a length is a fair start: no node goes down then. */
struct hs2n_sim_chaos {
  uint32_t kinds;         /* bit k: kind k; 0: all */
  hs2n_time length;       /* of the trouble */
  hs2n_time every;        /* between two faults, on average; 0: 100 ms */
  uint32_t down_max;      /* nodes that do not run at once */
  hs2n_time down_for;     /* the longest that one is down; 0: until a fault
                             is drawn for it again */
  hs2n_time settle_bound; /* from the end of the trouble; 0: do not settle */
  /* Whether a node may lose its storage or misbehave, asked each time before
   * it does: what has to bear with f such nodes says no to more of them.
   * NULL: any may. */
  bool (*may_fail)(void *self, uint32_t node);
  void *self;       /* passed to it */
  uint64_t *counts; /* HS2N_SIM_CHAOS_KINDS of them, each raised by the faults
                       of its kind; NULL: not counted */
};

/**
 * A random timeline, from the scenario's random sequence: faults for a while,
 * then all of them end, each node runs and the world has to settle.
 *
 * What ends at the end: what hs2n_sim_heal ends, with it the noise that a
 * scenario has set before; drift, misbehaviour, limits of disks, shortage of
 * memory.  Nodes behind a NAT restart without it.
 *
 * Thread: owner, not from a callback.
 *
 * \param sim    not NULL.
 * \param chaos  see there; borrowed.
 * \return whether no invariant is broken.
 */
HS2N_API bool hs2n_sim_chaos(struct hs2n_sim *sim,
                             const struct hs2n_sim_chaos *chaos);

/* ---- stories ----------------------------------------------------------------
 */

struct hs2n_sim_story {
  const char *name; /* a sentence, with _ for spaces */
  /* Changes the configuration, which has a seed; may be NULL. */
  void (*configure)(void *arg, struct hs2n_sim_config *config);
  uint32_t nodes;
  /* Tells it.  What must hold and does not is a hs2n_sim_fail. */
  void (*tell)(void *arg, struct hs2n_sim *sim);
  void *arg; /* passed to both */
};

/* What a command line asks for. */
struct hs2n_sim_options {
  const char *story; /* a name, or part of names; NULL: all */
  uint64_t first_seed, last_seed;
  hs2n_time at_most; /* of real time, for seeds after the first; 0: no end */
  bool twice;        /* run each seed twice and compare the hashes */
  int trace;         /* level that is printed; 0: none, until one fails */
  enum hs2n_transport transport; /* of stories that say no other */
};

/**
 * Reads
 *
 *   [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace [LEVEL]]
 *   [--transport quic|tcp] [STORY]
 *
 * With --minutes seeds go on from the first without an end.
 *
 * Thread: any.
 *
 * \param out      written whole; its story is borrowed from argv.
 * \param argc     as main has it.
 * \param argv     as main has it.
 * \param out_bad  receives the argument that is not understood, with
 *                 HS2N_ERR_INVALID; may be NULL.
 * \return HS2N_OK or HS2N_ERR_INVALID.
 */
HS2N_API HS2N_MUST_CHECK int
hs2n_sim_options_parse(struct hs2n_sim_options *out, int argc, char **argv,
                       const char **out_bad);

/* The outside: this library neither prints nor reads a clock. */
struct hs2n_sim_host {
  void *self;
  void (*print)(void *self, const char *line); /* without its end */
  hs2n_time (*clock)(void *self);              /* monotonic, ns */
};

/**
 * Tells stories, and prints for each run its seed, hash and length, and of a
 * run that fails the trace and the command that repeats it.
 *
 * Thread: any; the caller owns the simulations.
 *
 * \param stories  n of them.
 * \param n        how many.
 * \param options  see there.
 * \param host     see there.
 * \return how many runs failed.
 */
HS2N_API unsigned hs2n_sim_tell(const struct hs2n_sim_story *stories, size_t n,
                                const struct hs2n_sim_options *options,
                                const struct hs2n_sim_host *host);

#ifdef __cplusplus
}
#endif

#endif /* HS2N_SIM_STORY_H */
