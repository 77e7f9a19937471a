/* inside: what the files of the simulator share.
 *
 *   sim.c    life of the world, the loop, time
 *   queue.c  the two heaps: events, and nodes by deadline
 *   node.c   life of a node, its upcalls    ledger.c  its memory
 *   who.c    nodes by key, handle and as members
 *   net.c    from one node to another       path.c    links and noise by pair
 *   pipe.h   TCP: pipe.c, segment.c, flight.c
 *   fault.c  pauses, clocks, addresses      evil.c    nodes that misbehave
 *   check.c  invariants of any load         model.c   the book of the load
 *   load.c   the load                       disk.c    storage
 *   trace.c  hash, ring, text               chaos.c  random timelines
 *   story.c  command line of scenarios
 */
#ifndef HS2NI_SIM_INSIDE_H
#define HS2NI_SIM_INSIDE_H

#include <hs2net/sim.h>

#include "sim/chance.h"

#define HS2NI_SIM_NOT_QUEUED UINT32_MAX

/* ---- events -------------------------------------------------------------- */

/* What TCP says of a packet, see pipe.h. */
struct hs2ni_segment {
  uint64_t pipe;     /* 0: a datagram */
  uint64_t seq, len; /* numbers that it takes */
  uint64_t ack;      /* 0: none */
  uint64_t from, to; /* held behind a gap; to 0: nothing */
  uint64_t window;   /* room below this */
  hs2n_time stamp, echo;
  uint8_t side; /* of the end that sent it */
  bool syn, fin, reset;
  bool spoiled; /* its checksum is wrong */
};

struct hs2ni_packet {
  struct hs2ni_packet *next; /* in a free list or a socket */
  uint32_t from, to;
  struct hs2n_addr src, dst;
  uint8_t ecn;
  bool arrived; /* it has passed the receiver's port */
  struct hs2ni_segment segment;
  uint32_t len; /* of a segment with HS2NI_PIPE_HEADER, which is not in data */
  uint32_t capacity;
  uint8_t data[];
};

/* A datagram that arrives, or a call. */
struct hs2ni_event {
  hs2n_time at;
  uint64_t order;
  struct hs2ni_packet *packet; /* NULL: a call */
  void (*fn)(struct hs2n_sim *sim, void *arg);
  void *arg;
};

struct hs2ni_events {
  struct hs2ni_event *heap;
  size_t n, capacity;
  uint64_t order;
};

/* ---- links ----------------------------------------------------------------
 */

/* Values that many links share, counted. */
struct hs2ni_shared {
  uint8_t *slots; /* a uint32_t of users before each value */
  size_t value_size;
  uint32_t n, capacity;
  uint32_t first_free; /* UINT32_MAX: none */
};

struct hs2ni_way {
  hs2n_time busy; /* its rate is used up until then */
  hs2n_time last; /* nothing overtakes this arrival */
  uint32_t link;  /* of sim->links */
  uint32_t noise : 30;
  uint32_t cut : 1;
  uint32_t bursting : 1;
};

struct hs2ni_port {
  struct hs2n_sim_port p;
  hs2n_time busy;
};

/* ---- the book of the load --------------------------------------------------
 */

/* A message on its way to one receiver. */
struct hs2ni_owed {
  uint64_t serial;
  uint64_t tag;      /* 0: none */
  bool may_not_come; /* it may expire, or was ended */
};

/* What one node is owed by another in one lane, in order. */
struct hs2ni_lane_book {
  struct hs2ni_owed *ring;
  size_t head, n, capacity;
  size_t must;          /* of them, those that have to come */
  uint64_t taken;       /* the last serial taken in this life */
  uint64_t again_below; /* the receiver's earlier life may have taken these */
};

/* Numbers that a receiver has taken of unordered messages of a lane: the
 * newest, and those less than HS2NI_LOOSE_SPAN below it. */
#define HS2NI_LOOSE_SPAN 1024u
struct hs2ni_loose_book {
  uint64_t newest;
  uint8_t taken[HS2NI_LOOSE_SPAN / 8];
};

/* Numbers of messages that HS2N_HOLD was said of, each of which may be given
 * once more. */
struct hs2ni_held_ids {
  struct hs2n_msg_id *ids;
  size_t n, capacity;
};

/* What a receiver has heard of a sender; made when they first meet. */
struct hs2ni_pair_book {
  uint64_t incarnation;
  struct hs2ni_held_ids held; /* of that incarnation */
  uint64_t seq[HS2N_LANES];   /* the last taken of that incarnation */
  struct hs2ni_loose_book *loose[HS2N_LANES]; /* NULL: none yet */
  struct hs2ni_lane_book *lanes[HS2N_LANES];
  bool up;
};

struct hs2ni_open {
  uint64_t tag; /* 0: free slot */
  uint64_t serial;
  uint64_t quorum_weight;
  uint32_t to;
  uint8_t lane;
  bool skipped; /* a receiver was passed over: it can't be ACKED */
};

/* Open completions of a node: open addressing, by tag. */
struct hs2ni_opens {
  struct hs2ni_open *slots;
  size_t n, capacity; /* a power of two */
};

/* ---- nodes -----------------------------------------------------------------
 */

struct hs2ni_sim_ledger {
  struct hs2n_mem mem;
  uint64_t live, peak, limit, requests;
  uint64_t failed; /* of this process's requests */
  bool used;       /* by the node: the application has given it no other */
  uint32_t fail_ppm;
  uint64_t fail_in; /* 0: none */
};

/* From then on the first len bytes are durable. */
struct hs2ni_sync {
  hs2n_time at;
  size_t len;
};

struct hs2n_sim_disk {
  struct hs2n_sim *sim;
  uint32_t node;
  struct hs2n_sim_disk_limits limits;
  uint8_t *bytes;
  size_t len, capacity;
  size_t durable; /* as of the syncs that have ended and were looked at */
  struct hs2ni_sync *syncs; /* under way, in order */
  size_t syncs_n, syncs_capacity;
};

#define HS2NI_SIM_ADDRS_MAX 4
#define HS2NI_SIM_KEPT 16 /* datagrams that a replaying node remembers */

struct hs2ni_sim_node {
  struct hs2n_sim *sim;
  uint32_t index;
  uint32_t key_of;
  struct hs2n_node *node; /* NULL: does not run */
  struct hs2n_identity *identity;
  struct hs2n_key key;
  struct hs2n_peer_id id;
  uint64_t incarnation;
  hs2n_time back;                  /* chaos starts it again then */
  struct hs2n_consensus consensus; /* the application's */
  struct hs2ni_chance secrets;
  struct hs2ni_sim_ledger ledger;
  uint64_t queue_bytes_max; /* of its limits, per peer */
  uint32_t queue_msgs_max;  /* the same, per lane */
  struct hs2n_sim_disk disk;
  bool entered; /* inside a call of the node */
  bool stopping;
  bool twin;              /* shares its key */
  hs2n_time paused_until; /* 0: not paused */
  struct hs2ni_packet *socket_first, *socket_last;
  uint32_t socket_bytes;
  /* clock: at sim time base_at it showed base */
  hs2n_time base_at, base;
  int32_t drift_ppm;
  /* the heap of nodes */
  hs2n_time wake;
  uint32_t place; /* HS2NI_SIM_NOT_QUEUED */
  hs2n_time last_tick;
  uint32_t spins;
  /* addresses */
  uint8_t move;                                /* how often it moved */
  uint16_t nat_port;                           /* where the world sees it */
  struct hs2n_addr addrs[HS2NI_SIM_ADDRS_MAX]; /* of all with its key */
  uint32_t addrs_n;
  struct hs2ni_port up, down;
  uint8_t group;
  /* pipes */
  bool over_tcp;
  uint32_t unsent_max;    /* of its limits, per pipe */
  struct hs2ni_end *ends; /* of its host, newest first */
  struct hs2ni_end *due, *due_last;
  uint64_t accepted; /* pipes of this process */
  uint16_t calls;    /* for the port of the next */
  /* misbehaving */
  struct hs2n_sim_evil evil;
  bool dishonest;
  uint32_t evil_turn;
  hs2n_time flood_next; /* one chain of calls, however often it changes */
  struct hs2ni_packet *kept[HS2NI_SIM_KEPT];
  uint32_t kept_n;
  /* what it has heard */
  uint32_t *peers; /* node by handle */
  uint32_t peers_capacity;
  struct hs2ni_pair_book **books; /* by sender; each may be NULL */
  struct hs2ni_opens opens;
  enum hs2n_verdict verdict;
  uint32_t probe; /* the next peer whose budget is looked at */
  uint32_t ups;
};

/* ---- the world --------------------------------------------------------------
 */

struct hs2ni_load {
  struct hs2n_sim *sim;
  struct hs2n_sim_load load;
  struct hs2ni_load *next;
  uint32_t turn;
  bool over;
};

#define HS2NI_SIM_TX_SLOTS 8
#define HS2NI_SIM_TX_BYTES 65507
#define HS2NI_SIM_FAILURE_MAX 320
#define HS2NI_SIM_TEXT_KEPT 72

struct hs2ni_kept_event {
  struct hs2n_sim_event event;
  char text[HS2NI_SIM_TEXT_KEPT];
};

struct hs2n_sim {
  struct hs2n_sim_config config;
  struct hs2n_sim_app app;
  struct hs2n_limits limits;
  struct hs2n_type *types;
  bool load_types; /* the load may use them */
  uint32_t n;
  hs2n_time now;
  uint64_t hash;
  struct hs2n_sim_stats stats;
  struct hs2ni_chance net_chance, story_chance, load_chance, fault_chance;
  bool stepping; /* inside hs2n_sim_step */
  bool failed;
  char failure[HS2NI_SIM_FAILURE_MAX];
  struct hs2ni_sim_node *nodes;
  uint32_t *waking; /* nodes, earliest first */
  uint32_t waking_n;
  struct hs2ni_events events;
  struct hs2ni_packet *free_packets; /* of the usual size */
  struct hs2ni_shared links, noises;
  struct hs2ni_way *ways;    /* n * n, by sender */
  struct hs2ni_pipe **pipes; /* by number; NULL: over */
  size_t pipes_n, pipes_capacity;
  bool partitioned;
  uint32_t *by_id; /* nodes by peer id: open addressing */
  size_t by_id_size;
  uint64_t serial;
  struct hs2ni_load *loads;
  struct hs2ni_kept_event *ring;
  uint64_t ring_n; /* ever written */
  uint8_t *tx;     /* HS2NI_SIM_TX_SLOTS buffers */
};

void *hs2ni_sim_alloc(struct hs2n_sim *sim, size_t len);
void hs2ni_sim_free(struct hs2n_sim *sim, void *ptr, size_t len);
/* An array grown to hold need elements, its content kept.  false: no memory,
 * nothing changed. */
bool hs2ni_sim_grow(struct hs2n_sim *sim, void **array, size_t *capacity,
                    size_t element, size_t need);
/* The simulator itself found no memory: the run is void. */
void hs2ni_sim_starved(struct hs2n_sim *sim);
/* Whether a node is inside an upcall, from which its process can't be changed:
 * a failure then. */
bool hs2ni_in_upcall(struct hs2ni_sim_node *n);

static inline struct hs2ni_sim_node *hs2ni_sim_at(const struct hs2n_sim *sim,
                                                  uint32_t node) {
  return &sim->nodes[node];
}

/* ---- queue.c
 * ------------------------------------------------------------------ */

/* Takes the packet, or frees it when there is no memory. */
int hs2ni_event_packet(struct hs2n_sim *sim, hs2n_time at,
                       struct hs2ni_packet *packet);
int hs2ni_event_call(struct hs2n_sim *sim, hs2n_time at,
                     void (*fn)(struct hs2n_sim *sim, void *arg), void *arg);
/* There must be one. */
struct hs2ni_event hs2ni_event_pop(struct hs2n_sim *sim);
hs2n_time hs2ni_event_next(const struct hs2n_sim *sim);

/* Moves a node to where its deadline belongs; HS2N_TIME_NEVER takes it out. */
void hs2ni_wake_at(struct hs2n_sim *sim, struct hs2ni_sim_node *n,
                   hs2n_time at);
hs2n_time hs2ni_wake_next(const struct hs2n_sim *sim);

/* ---- node.c
 * --------------------------------------------------------------------- */

int hs2ni_node_init(struct hs2n_sim *sim, uint32_t i);
void hs2ni_node_fini(struct hs2ni_sim_node *n);
void hs2ni_node_recv(struct hs2ni_sim_node *n, struct hs2ni_packet *packet);
/* Gives what has come of pipes, and no more. */
void hs2ni_node_hear(struct hs2ni_sim_node *n, const struct hs2n_rx *rx,
                     size_t count);
void hs2ni_node_tick(struct hs2ni_sim_node *n);
/* Sends what it has, and finds out when it wants to be called. */
void hs2ni_node_settle(struct hs2ni_sim_node *n);

/* ---- fault.c ----------------------------------------------------------------
 */

hs2n_time hs2ni_clock_at(const struct hs2ni_sim_node *n, hs2n_time at);
/* The first virtual time at which its clock shows at least this. */
hs2n_time hs2ni_clock_inverse(const struct hs2ni_sim_node *n, hs2n_time shown);

/* ---- ledger.c ---------------------------------------------------------------
 */

void hs2ni_sim_ledger_init(struct hs2ni_sim_node *n);

/* ---- who.c
 * ------------------------------------------------------------------------ */

void hs2ni_by_id_add(struct hs2n_sim *sim, uint32_t node);
void hs2ni_addrs_refresh(struct hs2n_sim *sim, uint32_t key_of);

/* ---- net.c
 * ------------------------------------------------------------------------ */

struct hs2ni_packet *hs2ni_packet_new(struct hs2n_sim *sim, size_t len);
void hs2ni_packet_free(struct hs2n_sim *sim, struct hs2ni_packet *p);
struct hs2ni_packet *hs2ni_packet_copy(struct hs2n_sim *sim,
                                       const struct hs2ni_packet *p);
/* Through the sender's port and onto the way; takes the packet. */
void hs2ni_net_send(struct hs2n_sim *sim, struct hs2ni_packet *p);
/* At the other end of the way; takes the packet. */
void hs2ni_net_arrive(struct hs2n_sim *sim, struct hs2ni_packet *p);
/* The node behind an address, or sim->n. */
uint32_t hs2ni_net_find(const struct hs2n_sim *sim, const struct hs2n_addr *a);
/* The node that a packet is for, or sim->n. */
uint32_t hs2ni_net_to(const struct hs2n_sim *sim, const struct hs2ni_packet *p);
struct hs2n_addr hs2ni_net_addr(const struct hs2ni_sim_node *n);
/* Counts and traces a packet as it leaves, and lets it go. */
void hs2ni_net_leave(struct hs2n_sim *sim, struct hs2ni_packet *p);
void hs2ni_net_lose(struct hs2n_sim *sim, struct hs2ni_packet *p,
                    uint64_t *counter, const char *why);

/* ---- pipe.c, segment.c
 * ------------------------------------------------------------------------ */

/* What a driver does with entries of hs2n_node_poll_tx about pipes. */
void hs2ni_pipes_do(struct hs2ni_sim_node *n, const struct hs2n_tx *tx,
                    size_t count);
/* Tells the node what has become of its pipes; false: nothing has. */
bool hs2ni_pipes_serve(struct hs2ni_sim_node *n);
/* Its process has ended, in order or not. */
void hs2ni_pipes_end(struct hs2ni_sim_node *n, bool in_order);
void hs2ni_pipes_fini(struct hs2n_sim *sim);
/* The node that a segment is for, or sim->n. */
uint32_t hs2ni_segment_to(const struct hs2n_sim *sim,
                          const struct hs2ni_packet *p);
/* At the receiver; takes the packet. */
void hs2ni_segment_arrive(struct hs2n_sim *sim, struct hs2ni_packet *p);

/* ---- path.c
 * ------------------------------------------------------------------------- */

int hs2ni_paths_init(struct hs2n_sim *sim);
void hs2ni_paths_fini(struct hs2n_sim *sim);
static inline struct hs2ni_way *hs2ni_way(const struct hs2n_sim *sim,
                                          uint32_t from, uint32_t to) {
  return &sim->ways[(size_t)from * sim->n + to];
}
const void *hs2ni_shared_get(const struct hs2ni_shared *s, uint32_t i);

/* ---- evil.c
 * -------------------------------------------------------------------------- */

/* What a misbehaving sender makes of a datagram; false: it is withheld. */
bool hs2ni_evil_send(struct hs2n_sim *sim, const struct hs2ni_packet *p,
                     hs2n_time *at);
void hs2ni_evil_forget(struct hs2ni_sim_node *n);

/* ---- check.c
 * ----------------------------------------------------------------------------
 */

static inline bool hs2ni_honest(const struct hs2ni_sim_node *n) {
  return !n->dishonest && !n->twin;
}
void hs2ni_check_step(struct hs2ni_sim_node *n);
/* NULL: no memory, and the simulation has failed. */
struct hs2ni_pair_book *hs2ni_book(struct hs2ni_sim_node *n, uint32_t from);
void hs2ni_check_id(struct hs2ni_sim_node *n, uint32_t from,
                    struct hs2n_msg_id id, bool taken);
/* HS2N_HOLD was said of a message. */
void hs2ni_check_hold(struct hs2ni_sim_node *n, uint32_t from,
                      struct hs2n_msg_id id);
/* Whether a message is one of those, which may come this once. */
bool hs2ni_check_held(struct hs2ni_sim_node *n, uint32_t from,
                      struct hs2n_msg_id id);
void hs2ni_held_fini(struct hs2n_sim *sim, struct hs2ni_held_ids *held);
void hs2ni_check_peer(struct hs2ni_sim_node *n, uint32_t peer,
                      enum hs2n_peer_state state, enum hs2n_reason reason);
/* Its process ended. */
/* Whether its memory has sufficed. */
void hs2ni_check_bound(struct hs2ni_sim_node *n);
void hs2ni_check_gone(struct hs2ni_sim_node *n);
void hs2ni_failf(struct hs2n_sim *sim, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- model.c
 * ------------------------------------------------------------------------------
 */

/* A message was accepted for one receiver. */
void hs2ni_model_sent(struct hs2n_sim *sim, const struct hs2n_sim_msg *msg,
                      uint32_t to, uint64_t serial, uint64_t tag);
void hs2ni_model_open(struct hs2ni_sim_node *n, const struct hs2n_sim_msg *msg,
                      uint64_t serial, uint64_t tag);
void hs2ni_model_taken(struct hs2ni_sim_node *n, uint32_t from, uint8_t lane,
                       uint64_t serial);
void hs2ni_model_done(struct hs2ni_sim_node *n, struct hs2n_tag tag,
                      const struct hs2n_done *done);
/* A process ended: what it was to be told and what it was to send. */
void hs2ni_model_died(struct hs2ni_sim_node *n);
void hs2ni_model_started(struct hs2ni_sim_node *n);
void hs2ni_model_gone(struct hs2ni_sim_node *n, uint32_t peer);
void hs2ni_model_fini(struct hs2ni_sim_node *n);
/* Whether the book owes nothing between honest running nodes. */
bool hs2ni_model_settled(const struct hs2n_sim *sim);

/* ---- load.c
 * ----------------------------------------------------------------------------------
 */

/* Writes the body of a message of a node's present process. */
void hs2ni_load_body(const struct hs2n_sim *sim, uint32_t from, uint64_t serial,
                     size_t len, uint8_t *out);
/* Holds a message that was taken against the book, if it is of the load. */
void hs2ni_load_took(struct hs2ni_sim_node *n, uint32_t from,
                     struct hs2n_msg_id id, const struct hs2n_msg *msg);
void hs2ni_load_fini(struct hs2n_sim *sim);

/* ---- disk.c
 * ------------------------------------------------------------------------------------
 */

void hs2ni_disk_crash(struct hs2n_sim_disk *disk, bool lose_all);
void hs2ni_disk_fini(struct hs2n_sim_disk *disk);

/* ---- trace.c
 * -------------------------------------------------------------------------------------
 */

void hs2ni_hash(struct hs2n_sim *sim, const void *data, size_t len);
void hs2ni_trace(struct hs2n_sim *sim, enum hs2n_sim_event_kind kind,
                 uint32_t node, uint32_t peer, uint64_t a, uint64_t b,
                 const char *text);

#endif /* HS2NI_SIM_INSIDE_H */
