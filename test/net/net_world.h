/* net_world: replicas in one process, over real sockets on loopback.
 *
 * Every body says who sent it and as what number, and each replica checks
 * that what it gets is whole, in order and new.  The replicas are driven by
 * one outer epoll over hs2n_io_fd of each, or by a thread each; nothing
 * sleeps, and only a test that fails reaches a time limit.
 *
 * Under hs2net-impair each may have a network namespace of its own, with
 * links between them that a test changes as it goes. */
#ifndef NET_WORLD_H
#define NET_WORLD_H

#include <hs2net/hs2net.h>
#include <pthread.h>
#include <stdatomic.h>

#define NET_MAX 8
#define NET_LIMIT HS2N_S(30)
#define NET_BODY_MAX (4u << 20)

enum { NET_VOTE = 1, NET_PROPOSAL = 2, NET_BULK = 3, NET_KINDS = 4 };

struct net;

/* Of all replicas that are made from now on; QUIC at first. */
extern enum hs2n_transport net_transport;
extern uint32_t net_half_open_max; /* 0: the library's default */

/* Of replicas with index 0 that are made from now on; NULL at first. */
extern hs2n_record_fn net_record;
extern void *net_record_data;

/* From the command line of a test that runs over both: "tcp" or nothing. */
void net_choose_transport(int argc, char **argv);

struct net_replica {
  struct net *net;
  uint32_t index;
  struct hs2n_identity *identity;
  struct hs2n_io *io;
  struct hs2n_addr addr; /* where the others dial it */
  struct hs2n_addr listen;
  struct hs2n_peer handles[NET_MAX]; /* of the others here, by index */

  uint64_t sent[NET_MAX][NET_KINDS]; /* numbers given out */
  uint64_t next[NET_MAX][NET_KINDS]; /* numbers expected */

  hs2n_time heard[NET_MAX]; /* the last message of each, by index */

  struct hs2n_tag tag; /* of the last net_send */
  /* Called at each completion; may be NULL. */
  void (*on_done)(void *arg, struct hs2n_tag tag);
  void *on_done_arg;

  atomic_uint received;
  atomic_uint wrong; /* bodies that are not what was sent, or out of order */
  atomic_uint acked;
  atomic_uint ackers; /* peers that completions named, in sum */
  atomic_uint ended_otherwise;
  atomic_uint ups;
  atomic_uint downs;
  atomic_int down_reason;
};

struct net {
  struct net_replica r[NET_MAX];
  uint32_t n;
  int epoll_fd;
  struct hs2n_io_config io_config; /* of each, but for listen */
  uint32_t udp_payload_max;
  uint32_t idle_ms;    /* 0: long */
  uint32_t backoff_ms; /* the longest; 0: the library's default */
  bool namespaces;     /* those of hs2net-impair */
};

/* What each replica of a net is made with, but for who it is.  limits are
 * kept by config. */
void net_configure(const struct net *net, struct hs2n_limits *limits,
                   struct hs2n_config *config);

/* n replicas that listen on loopback and know nobody yet.  listen is the
 * text of an address with port 0, dial the host that the others use. */
bool net_open(struct net *net, uint32_t n, const char *listen, const char *dial,
              const struct hs2n_io_config *io_config);

/* The same under hs2net-impair, a namespace each; idle_ms and backoff_ms as
 * in struct net. */
bool net_open_apart(struct net *net, uint32_t n, uint32_t idle_ms,
                    uint32_t backoff_ms);

/* Changes the links between namespaces, by words of hs2net-impair. */
bool net_links(const char *words);

/* Free every replica; safe on a half-open net. */
void net_close(struct net *net);

/* Ends one replica at once, and makes it again on its old port. */
void net_kill(struct net *net, uint32_t index);
bool net_restart(struct net *net, uint32_t index);

/* All members are told of each other.  Call before threads start. */
bool net_join(struct net *net);
bool net_join_one(struct net_replica *r);

/* Sends the next body of len bytes (0, or 16 at least); asks for an ack.
 * to == NET_MAX: to all.  Owner thread of the replica. */
int net_send(struct net_replica *r, uint32_t to, uint8_t type, size_t len);

/* Drives all replicas until done says so.  False when time is up. */
bool net_run(struct net *net, bool (*done)(const struct net *net));

/* For net_run: every replica has every other one up. */
bool net_all_up(const struct net *net);

/* Every replica sends a small message to every other one and waits until all
 * have arrived.  Adds how long each took to out[*count], up to max. */
bool net_round(struct net *net, hs2n_time *out, size_t *count, size_t max);

/* The value that so many of a hundred do not exceed; sorts values. */
hs2n_time net_percentile(hs2n_time *values, size_t count, unsigned percent);

/* Sums over all replicas. */
unsigned net_received(const struct net *net);
unsigned net_acked(const struct net *net);

/* Nothing came damaged, twice or out of order, and no tag ended but by
 * ACKED. */
bool net_is_clean(const struct net *net);

#endif /* NET_WORLD_H */
