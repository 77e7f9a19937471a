/* netsim: the simulator (hs2net/sim.h) for tests of the library itself: its
 * nodes may speak over a link in memory too, count their allocations one by
 * one, and remember what their application has seen.
 *
 * The invariants of the simulator hold in every test: one that breaks ends
 * the program. */
#ifndef NETSIM_H
#define NETSIM_H

#include "base/rng.h"
#include "over.h"
#include "test_mem.h"

#include <hs2net/hs2net.h>
#include <stdbool.h>

#define NETSIM_NODES_MAX 100
#define NETSIM_EPOCH 1

/* Types 0..5 are one for each lane, by number, of at most 1 MiB. */
extern const struct hs2n_type netsim_types[HS2N_LANES];

/* What the nodes speak over.  On the wire is QUIC, or TCP, see over.h.  In
 * memory there is no delay, jitter, loss or corruption, and a cut goes both
 * ways. */
enum netsim_link { NETSIM_WIRE, NETSIM_MEMORY };

struct netsim_config {
  enum netsim_link link;
  uint64_t seed;
  size_t nodes;
  hs2n_time delay;        /* one way; 0: 1 ms */
  hs2n_time jitter;       /* added at random, so packets may overtake */
  uint32_t loss_permille; /* of datagrams */
  struct hs2n_limits limits;
  const struct hs2n_type *types; /* netsim_types at first */
  size_t types_n;
  const char *chain_id;       /* NULL: "sim" */
  uint64_t uplink_bits_per_s; /* of hs2n_config */
  /* Sees each datagram as it is sent, may be NULL. */
  void (*capture)(const uint8_t *data, size_t len, size_t from, size_t to);
  bool log; /* print what the nodes log */
};

/* What netsim_config says at first; the wire until it is changed. */
extern enum netsim_link netsim_link;

/* Runs a test over each kind of link (with tap.h). */
#define NETSIM_RUN_OVER_ALL(fn)  \
  do {                           \
    netsim_link = NETSIM_MEMORY; \
    printf("# in memory\n");     \
    RUN(fn);                     \
    netsim_link = NETSIM_WIRE;   \
    printf("# on the wire\n");   \
    RUN_OVER(fn);                \
  } while (0)

struct netsim;

/* What one node's application has seen. */
struct netsim_seen {
  uint32_t messages;
  uint32_t from[NETSIM_NODES_MAX]; /* messages, by index of the sender */
  uint32_t ups, downs, gones, writables;
  enum hs2n_reason last_down;
  uint32_t dones;
  enum hs2n_outcome last_outcome;
  enum hs2n_reason last_done_reason;
  uint64_t last_acked_weight;
  size_t last_acked_count;
  struct hs2n_tag last_tag;
  hs2n_time last_done_at;
  hs2n_time last_message_at;
  hs2n_time last_up_at;
  struct hs2n_msg_id last_id;
  size_t last_len;
  uint64_t last_view;
  bool bytes_wrong; /* a body was not what netsim_body made */
};

struct netsim_node {
  struct netsim *sim;
  size_t index;
  struct hs2n_node *node; /* NULL: not running */
  const struct hs2n_identity *identity;
  struct hs2n_key key;
  struct hs2n_addr addr;
  uint64_t incarnation;
  struct test_mem mem;
  struct netsim_seen seen;
  enum hs2n_verdict verdict; /* what on_message says; ACCEPT at first */
  /* Judges a message itself; NULL: count it and say `verdict`. */
  enum hs2n_verdict (*judge)(struct netsim_node *n, size_t from,
                             struct hs2n_msg_id id, const struct hs2n_msg *msg);
  void (*done)(struct netsim_node *n, struct hs2n_tag tag,
               const struct hs2n_done *done); /* may be NULL */
  /* Answers a request, judges a response; NULL: IGNORE. */
  enum hs2n_verdict (*asked)(struct netsim_node *n, size_t from,
                             struct hs2n_req req, const struct hs2n_msg *msg);
  enum hs2n_verdict (*answered)(struct netsim_node *n, size_t from,
                                struct hs2n_tag tag, uint32_t status,
                                const struct hs2n_msg *msg);
  /* Called at the end of each upcall on_message and on_done, may be NULL. */
  void (*on_upcall)(struct netsim_node *n);
  void *test; /* for on_upcall */
};

struct netsim *netsim_new(const struct netsim_config *config);
/* Default configuration for n nodes: call, change, netsim_new. */
struct netsim_config netsim_config(size_t nodes, uint64_t seed);
void netsim_free(struct netsim *sim);

hs2n_time netsim_now(const struct netsim *sim);
struct netsim_node *netsim_node(struct netsim *sim, size_t i);
uint64_t netsim_hash(const struct netsim *sim);
uint64_t netsim_datagrams(const struct netsim *sim);
/* Where the last datagrams went, oldest first, after netsim_trace(sim). */
#define NETSIM_TRACE_MAX 256
void netsim_trace(struct netsim *sim);
size_t netsim_traced(const struct netsim *sim, const uint8_t **out_to);

/* Starts node i as a new process, with a higher incarnation each time. */
int netsim_start(struct netsim *sim, size_t i);
/* The chain of the nodes started from now on; borrowed. */
void netsim_chain(struct netsim *sim, const char *chain_id);
/* Ends its process without a word. */
void netsim_kill(struct netsim *sim, size_t i);
/* Tells node i that all nodes are members, each of weight 1. */
int netsim_members(struct netsim *sim, size_t i);
/* Starts all, names all. */
void netsim_start_all(struct netsim *sim);
/* What netsim_members says of node i; the address is borrowed from sim. */
struct hs2n_member netsim_member(struct netsim *sim, size_t i);

/* Drops what goes from a to b, or no more. */
void netsim_cut(struct netsim *sim, size_t a, size_t b, bool cut);
void netsim_cut_both(struct netsim *sim, size_t a, size_t b, bool cut);
void netsim_set_delay(struct netsim *sim, size_t a, size_t b, hs2n_time delay);
/* The thread of node i does something else for a while: it is not entered, and
 * what comes for it waits. */
void netsim_stall(struct netsim *sim, size_t i, hs2n_time length);
/* Bytes a second that node i can send; 0: no bound.  Up to 50 ms wait before
 * the link, more is lost. */
void netsim_set_rate(struct netsim *sim, size_t i, uint64_t bytes_per_s);
/* Bytes of datagrams that node i has sent. */
uint64_t netsim_bytes(const struct netsim *sim, size_t i);
/* Changes one random byte of this many datagrams of a thousand. */
void netsim_corrupt(struct netsim *sim, uint32_t permille);

/* Runs for a while. */
void netsim_run(struct netsim *sim, hs2n_time length);
/* Runs until done(sim) or for at most length; returns whether it is done. */
bool netsim_until(struct netsim *sim, bool (*done)(struct netsim *sim),
                  hs2n_time length);
/* Every running node has every other running one UP. */
bool netsim_meshed(struct netsim *sim);
/* Polls node i for datagrams now, as a driver does after a call from above. */
void netsim_flush(struct netsim *sim, size_t i);

/* The handle of node j at node i. */
struct hs2n_peer netsim_peer(struct netsim *sim, size_t i, size_t j);
struct hs2n_peer_info netsim_info(struct netsim *sim, size_t i, size_t j);
struct hs2n_stats netsim_stats(struct netsim *sim, size_t i);

/* A body of len bytes that the receiver can check. */
struct hs2n_buf *netsim_body(struct netsim *sim, size_t len);
/* Sends len bytes in a lane from i to j, or to all with j == i. */
int netsim_send(struct netsim *sim, size_t i, size_t j, enum hs2n_lane lane,
                size_t len, struct hs2n_tag *out_tag);

#endif /* NETSIM_H */
