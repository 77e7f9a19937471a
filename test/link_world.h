/* link_world: links on virtual time, over datagrams that get lost, doubled,
 * delayed and reordered (QUIC), over pipes of any chunks (TCP), or in memory.
 *
 * Real ngtcp2 and real TLS, but no socket, clock or system randomness: a run
 * is a function of its seed.  Every stream carries bytes of one pattern from
 * a place that follows from its id, so a receiver can check what it gets. */
#ifndef LINK_WORLD_H
#define LINK_WORLD_H

#include "quic/quic.h"
#include "tcp/tcp.h"
#include "test_env.h"

#define WORLD_NODES_MAX 3
#define WORLD_CONNS_MAX 96
#define WORLD_STREAMS_MAX 512
#define WORLD_TX_MAX 8

struct world;
struct world_node;

/* A stream, seen from either end. */
struct world_stream {
  uint64_t id;
  uint64_t offset; /* sent or received */
  uint64_t total;  /* to send */
  uint64_t rank;   /* see hs2ni_rank; streams of one rank go as opened */
  uint64_t acked;
  uint64_t code;
  bool fin; /* sent or received */
  bool blocked;
  bool reset;   /* on_reset came */
  bool stopped; /* on_stopped came */
  bool done;    /* on_done came */
  bool broken;  /* bytes differ from the pattern, or came out of turn */
};

/* The user of one connection. */
struct world_conn {
  struct world_node *node;
  struct hs2ni_conn *conn; /* NULL once closed */
  struct hs2n_key key;     /* of the peer, where accepted */
  struct hs2n_addr remote;
  bool up;
  bool closed;
  struct hs2ni_close why;
  unsigned credits; /* on_credit upcalls */
  struct world_stream out[WORLD_STREAMS_MAX];
  size_t out_n;
  struct world_stream in[WORLD_STREAMS_MAX];
  size_t in_n;
  uint64_t received;
  uint64_t uncredited;
  unsigned datagrams_to_send;
  size_t datagram_len;
  unsigned datagrams_sent;
  unsigned datagrams_refused;
  unsigned datagrams_received;
  uint64_t datagram_bytes;
  unsigned parts;        /* of each chunk; 0: 1 */
  size_t chunk_max;      /* bytes offered at once; 0: all */
  unsigned open_in_next; /* streams to open from inside next */
  uint64_t open_bytes;   /* length of each of them */
  /* Called at the start of next: may do what it likes with its connection. */
  void (*meddle)(struct world_conn *c);
  void *meddle_data;
  uint64_t reply;     /* length of the answer to each stream */
  bool keep_open;     /* streams get no end */
  bool close_in_data; /* close from inside on_data */
  bool close_in_next;
};

struct world_node {
  struct world *world;
  struct test_env te;
  struct hs2n_identity *identity;
  struct hs2n_key key;
  struct hs2ni_tls *tls;
  struct hs2ni_link *link;
  struct hs2n_addr addr;     /* what it believes */
  struct hs2n_addr external; /* what others see */
  uint8_t reset_key[HS2N_RESET_KEY_LEN];
  const char *chain; /* NULL: "test" */
  uint32_t udp_payload_max;
  enum hs2n_congestion congestion;
  enum hs2n_reason accept; /* what on_accept answers */
  bool no_credit;          /* keeps all credit back */
  bool explicit_credit;    /* the test gives it, not on_data */
  struct world_conn *conns[WORLD_CONNS_MAX];
  size_t conns_n;
  uint64_t bytes_out;
  uint64_t bytes_in;
  uint64_t packets_out;
  uint64_t batches_out;
  uint64_t batches_uneven; /* against the rules of UDP_SEGMENT */
  size_t tx_max;           /* batches asked for at once; 0: WORLD_TX_MAX */
  /* Called before each time that batches are asked for; may send. */
  void (*before_poll)(struct world_node *node, bool first);
  /* Called when bytes of a stream have gone into packets. */
  void (*on_sent)(struct world_conn *c, const struct world_stream *s,
                  size_t len);
};

/* A datagram on its way, handed to the filter too. */
struct world_packet {
  hs2n_time at;
  uint64_t order;
  struct hs2n_addr from;
  struct hs2n_addr to;
  uint8_t ecn;
  size_t len;
  uint8_t *bytes;
};

/* What lies between the links. */
struct world_carrier {
  const char *name;
  /* Makes node->link; returns its error. */
  int (*start)(struct world *w, struct world_node *node);
  void (*stop)(struct world *w, struct world_node *node);
  /* Takes an entry of poll_tx. */
  void (*take)(struct world *w, struct world_node *node,
               const struct hs2n_tx *tx);
  /* Delivers what is due. */
  void (*deliver)(struct world *w);
  hs2n_time (*next)(struct world *w); /* when something is */
  /* Lets nothing pass between two nodes, or lets it again. */
  void (*part)(struct world *w, size_t a, size_t b, bool apart);
  void (*fini)(struct world *w);
};
extern const struct world_carrier world_udp;
extern const struct world_carrier world_tcp;
extern const struct world_carrier world_mem;

/* What the user of all connections does. */
extern const struct hs2ni_link_user world_user;

struct world_pipe;
struct memnet;

struct world {
  const struct world_carrier *carrier;
  hs2n_time now;
  struct hs2ni_rng rng;
  struct world_node nodes[WORLD_NODES_MAX];
  size_t nodes_n;
  struct world_packet *packets;
  size_t packets_n, packets_cap;
  uint64_t order;
  hs2n_time delay;
  hs2n_time jitter; /* reorders */
  unsigned loss_ppm;
  unsigned dup_ppm;
  uint64_t hash; /* of all that went through the pipe */
  uint64_t steps;
  bool stuck; /* a run did not come to rest */
  /* Looks at a packet that leaves; false drops it. */
  bool (*filter)(struct world *w, struct world_packet *p);
  void *filter_data;
  struct world_conn *watched[2];              /* by world_exchange */
  bool cut[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* from, to: nothing passes */
  /* Over TCP */
  struct world_pipe *pipes;
  size_t pipes_n;
  size_t piece_max;    /* bytes come in pieces of up to this; 0: as they are */
  size_t socket_bytes; /* that a socket takes ahead; 0: 64 KiB */
  /* In memory */
  struct memnet *memnet;
  uint8_t *tx_memory;
};

/* Makes n nodes with keys and addresses of their own and default limits, that
 * speak QUIC. */
void world_init(struct world *w, size_t n, uint64_t seed);
void world_init_over(struct world *w, size_t n, uint64_t seed,
                     const struct world_carrier *carrier);
/* Starts a node's endpoint; limits may be changed before. */
int world_start(struct world *w, size_t node);
/* As above for all; false when one fails. */
bool world_start_all(struct world *w);
/* Ends a node's endpoint at once, as a crash would. */
void world_stop(struct world *w, size_t node);
void world_fini(struct world *w);

/* Lets nothing pass between two nodes, or lets it again. */
void world_part(struct world *w, size_t a, size_t b, bool apart);

/* Runs until time has gone on by d. */
void world_run(struct world *w, hs2n_time d);
/* Runs until done says so, or for d at most; returns whether it did. */
bool world_until(struct world *w, bool (*done)(struct world *w), hs2n_time d);
/* Puts bytes onto the wire as if from says so. */
void world_inject(struct world *w, const struct hs2n_addr *from,
                  const struct hs2n_addr *to, const uint8_t *bytes, size_t len);

bool world_same_addr(const struct hs2n_addr *a, const struct hs2n_addr *b);
/* A new user of a connection of node. */
struct world_conn *world_conn_new(struct world_node *node);

/* Dials; NULL on failure. */
struct world_conn *world_dial(struct world *w, size_t from, size_t to);
struct world_conn *world_dial_key(struct world *w, size_t from, size_t to,
                                  const struct hs2n_key *key);
/* Starts all nodes and connects the first two, a the one that dials. */
bool world_meet(struct world *w, struct world_conn **a, struct world_conn **b);
/* Runs until all that a and b have sent each other has arrived. */
bool world_exchange(struct world *w, struct world_conn *a, struct world_conn *b,
                    hs2n_time within);
/* Dials, runs, and returns whether both ends are up. */
bool world_connect(struct world *w, size_t from, size_t to,
                   struct world_conn **out_client,
                   struct world_conn **out_server);
/* Opens a stream with len bytes to send; NULL when there is none to have. */
struct world_stream *world_send(struct world_conn *c, uint64_t len);
/* The same with a rank. */
struct world_stream *world_send_ranked(struct world_conn *c, uint64_t len,
                                       uint64_t rank);
struct world_stream *world_in(struct world_conn *c, uint64_t id);
/* All streams sent by a have arrived whole at b. */
bool world_arrived(const struct world_conn *a, const struct world_conn *b);

#endif /* LINK_WORLD_H */
