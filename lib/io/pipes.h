/* pipes: the TCP connections of a driver, see enum hs2n_io_kind.
 *
 * All sockets are level-triggered in the loop's epoll, which gives those that
 * are ready in turn: each is read once, a bounded piece, before any is read
 * again.  What a socket does not take is kept, and goes first.
 *
 * A pipe that the node has closed stays until what it was given is written and
 * the peer has closed too (else the kernel answers late bytes of the peer with
 * a reset, which takes away what the peer has not read yet), but not for long.
 *
 *   pipes.c     the table of pipes: life and end
 *   pipe_rx.c   what comes in: connections, bytes, ends
 *   pipe_tx.c   what goes out
 *   tcp.c       sockets and their options */
#ifndef HS2NI_IO_PIPES_H
#define HS2NI_IO_PIPES_H

#include "io/addr.h"
#include "io/socket.h"

#include <sys/epoll.h>

/* Pieces read before the node is told of them, and their greatest length. */
#define HS2NI_PIPES_BATCH 32
#define HS2NI_PIPES_READ_LEN 65536

/* What the node is told at once.  One event brings HS2NI_PIPES_NEWS at most. */
#define HS2NI_PIPES_RX 128
#define HS2NI_PIPES_NEWS 4

#define HS2NI_PIPES_TX 32
#define HS2NI_PIPES_TX_LEN 65536

/* Of the loop's epoll: what is about a pipe or the listener.  Other keys are
 * file descriptors. */
#define HS2NI_PIPE_KEY (UINT64_C(1) << 32)
#define HS2NI_LISTEN_KEY (UINT64_C(1) << 33)

#define HS2NI_NO_PIPE UINT32_MAX

enum hs2ni_pipe_state {
  HS2NI_PIPE_FREE,
  HS2NI_PIPE_CONNECTING,
  HS2NI_PIPE_OPEN,
  HS2NI_PIPE_ENDING,    /* closed by the node; something is kept */
  HS2NI_PIPE_LINGERING, /* all is written; until the peer closes, too */
};

struct hs2ni_pipe {
  uint64_t id;
  struct hs2n_addr remote;
  int fd;
  enum hs2ni_pipe_state state;
  uint32_t watched; /* events asked of epoll */
  bool broken;      /* can't be written any more; its end is to be read */
  bool used;        /* something was written */
  uint8_t *kept;    /* a ring of unsent_max bytes, once it was needed */
  size_t kept_at;   /* its first byte */
  size_t kept_len;
  uint32_t next;  /* in its bucket, or among the free */
  uint32_t older; /* among those that the node has closed */
  uint32_t newer;
  hs2n_time until;  /* when such a one is dropped */
  uint64_t told_in; /* the batch of rx in which a SENT was told, */
  size_t told_at;   /* and where */
};

struct hs2ni_pipes {
  struct hs2n_node *node;
  struct hs2n_io_stats *stats;
  struct hs2ni_io_log log;
  int epoll_fd;

  int listen_fd;
  int family;             /* AF_INET, or AF_INET6 that may speak both */
  struct hs2n_addr local; /* with the real port */
  bool accepting;
  hs2n_time accept_at; /* if it is not: when it will again */
  hs2n_time report_at; /* no complaint of accept before */
  uint64_t accepted;   /* of which the ids are made */

  uint32_t rcvbuf_bytes; /* 0: the system's */
  uint32_t sndbuf_bytes;
  uint32_t idle_ms;
  size_t unsent_max;

  uint32_t capacity;
  uint32_t in_use;
  uint32_t dials_spare; /* slots that only the node's own dials may take */
  struct hs2ni_pipe *slots;
  uint32_t *buckets; /* capacity of them */
  uint32_t first_free;
  uint32_t oldest; /* of those that the node has closed */
  uint32_t newest;

  struct epoll_event events[HS2NI_PIPES_BATCH];
  size_t events_n;

  struct hs2n_rx rx[HS2NI_PIPES_RX];
  size_t rx_n;
  size_t reads_n;
  uint64_t batch; /* counts what was told */
  uint8_t *rx_bytes;

  struct hs2n_tx tx[HS2NI_PIPES_TX];
};

/* ---- pipes.c ------------------------------------------------------------- */

/* Listens, with room for the pipes that a node of these limits may have.
 * Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_SYSTEM with errno.  node is
 * to be set before anything is done. */
HS2N_MUST_CHECK int hs2ni_pipes_new(struct hs2ni_pipes **out_pipes,
                                    const struct hs2n_io_config *config,
                                    const struct hs2n_limits *limits,
                                    struct hs2n_io_stats *stats);
/* Closes all at once. */
void hs2ni_pipes_free(struct hs2ni_pipes *p);
/* Has the loop's epoll watch.  Returns HS2N_OK or HS2N_ERR_SYSTEM. */
HS2N_MUST_CHECK int hs2ni_pipes_watch(struct hs2ni_pipes *p, int epoll_fd);

struct hs2ni_pipe *hs2ni_pipes_find(struct hs2ni_pipes *p, uint64_t id);
/* A pipe of a socket; NULL: there is no slot left, and the socket is still the
 * caller's. */
struct hs2ni_pipe *hs2ni_pipes_add(struct hs2ni_pipes *p, uint64_t id, int fd,
                                   const struct hs2n_addr *remote,
                                   enum hs2ni_pipe_state state);
/* Asks epoll for these events of the pipe; drops it when that fails. */
void hs2ni_pipe_watch(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                      uint32_t events);
/* Closes its socket and frees its slot; the node is not told. */
void hs2ni_pipe_drop(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe);
/* The same, and the node is told. */
void hs2ni_pipe_fail(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe);
/* Whether the node has closed it. */
bool hs2ni_pipe_is_ending(const struct hs2ni_pipe *pipe);
/* The node wants no more of it. */
void hs2ni_pipe_end(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                    hs2n_time now);
/* All that was kept of an ending pipe is written. */
void hs2ni_pipe_linger(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe);
/* Makes room by dropping the pipe that the node closed longest ago; false when
 * there is none. */
bool hs2ni_pipes_evict(struct hs2ni_pipes *p);

hs2n_time hs2ni_pipes_deadline(const struct hs2ni_pipes *p);
void hs2ni_pipes_tick(struct hs2ni_pipes *p, hs2n_time now);
/* Whether all that the node closed has left. */
bool hs2ni_pipes_settled(const struct hs2ni_pipes *p);

/* ---- pipe_rx.c ----------------------------------------------------------- */

/* Takes note of an event of epoll; false when it is not about pipes. */
bool hs2ni_pipes_note(struct hs2ni_pipes *p, const struct epoll_event *event);
/* Does what the events say, and tells the node. */
void hs2ni_pipes_take_in(struct hs2ni_pipes *p, hs2n_time now);

/* Puts a kind that has neither address nor bytes into rx. */
void hs2ni_pipes_tell(struct hs2ni_pipes *p, uint64_t id,
                      enum hs2n_io_kind kind);
/* The same of an address. */
void hs2ni_pipes_tell_open(struct hs2ni_pipes *p,
                           const struct hs2ni_pipe *pipe);
void hs2ni_pipes_tell_sent(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                           size_t len);
/* Gives rx to the node, if need be to have room for one more event. */
void hs2ni_pipes_deliver(struct hs2ni_pipes *p, hs2n_time now);
void hs2ni_pipes_make_room(struct hs2ni_pipes *p, hs2n_time now);

/* ---- pipe_tx.c ----------------------------------------------------------- */

/* Does what the node wants to be done, until it wants nothing more; false:
 * there is more, and it is time for something else. */
bool hs2ni_pipes_pump(struct hs2ni_pipes *p, hs2n_time now);
/* Writes what is kept, as far as the socket takes it. */
void hs2ni_pipe_flush(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe);

/* ---- tcp.c --------------------------------------------------------------- */

/* Listens; sets listen_fd, family and local. */
HS2N_MUST_CHECK int hs2ni_tcp_listen(struct hs2ni_pipes *p,
                                     const struct hs2n_addr *listen);
/* Begins a connection.  Returns its socket, or -1. */
int hs2ni_tcp_dial(const struct hs2ni_pipes *p, const struct hs2n_addr *remote);
/* A connection that waits, with what is set on each; or -1 with errno. */
int hs2ni_tcp_accept(const struct hs2ni_pipes *p, struct hs2n_addr *out_remote);

#endif /* HS2NI_IO_PIPES_H */
