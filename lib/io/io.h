/* io: what the files of the driver share.
 *
 * One turn is: wait, read the clock once, recvmmsg, hs2n_node_recv, tick if
 * due, poll_tx into sendmmsg until the node has nothing more.  All buffers
 * come with the driver; a turn allocates nothing.  Over TCP the turn is the
 * same with recv and send of many sockets (pipes.h), and what one of them does
 * not take at once is allocated for it.
 *
 * The epoll descriptor holds the socket, a timer and an event.  Timer and
 * event are edge-triggered: waiting takes note of them, nobody reads them. */
#ifndef HS2NI_IO_IO_H
#define HS2NI_IO_IO_H

#include "io/pipes.h"
#include "io/recv.h"
#include "io/send.h"
#include "io/socket.h"

#include <pthread.h>
#include <stdatomic.h>

struct hs2n_io {
  struct hs2n_node *node;
  struct hs2ni_socket socket; /* fd -1 over TCP */
  struct hs2ni_pipes *pipes;  /* NULL over UDP */
  struct hs2ni_io_log log;
  hs2n_time spin;
  int epoll_fd;
  int timer_fd;
  int event_fd;
  hs2n_time timer_set; /* when the timer fires; NEVER: it was turned off */
  bool watch_writable; /* the socket's EPOLLOUT is asked for */
  bool unfinished;     /* the node has more to send than a turn takes */
  bool in_turn;        /* an upcall must not turn the loop it runs in */
  bool stopping;       /* hs2n_node_stop was called */
  struct hs2n_io_stats stats;

  /* Shared with other threads and signal handlers.  A post or stop sets
   * `called`, and writes to the event only when the owner may sleep. */
  atomic_bool stop_asked;
  atomic_bool called;
  atomic_bool awake;

  bool thread_runs; /* from hs2n_io_start until joined; then in_turn belongs
                       to the thread */
  pthread_t thread;

  struct hs2ni_receiver receiver;
  struct hs2ni_sender sender;
};

/* Makes the descriptors of the loop.  Returns HS2N_OK or HS2N_ERR_SYSTEM
 * with errno; hs2ni_loop_fini is safe after either. */
HS2N_MUST_CHECK int hs2ni_loop_init(struct hs2n_io *io);
void hs2ni_loop_fini(struct hs2n_io *io);

/* For hs2n_node_on_post.  Thread: any.  Async-signal-safe. */
void hs2ni_loop_wake(void *io);

/* hs2n_io_run without its checks. */
HS2N_MUST_CHECK int hs2ni_loop_run(struct hs2n_io *io);

#endif /* HS2NI_IO_IO_H */
