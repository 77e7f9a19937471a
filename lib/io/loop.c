#include "io/io.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Batches taken from a socket that never runs dry before the loop looks at
 * its other descriptors. */
#define ROUNDS_MAX 64

/* To set a timer, sleep and wake takes about this long, and on a virtual
 * machine an exit to the host or two: what is due sooner is waited for awake.
 */
#define NAP_MIN HS2N_US(20)

/* While the socket is full the node's deadline may stay in the past: look
 * again this often, not all the time. */
#define BLOCKED_PAUSE HS2N_MS(1)

/* Of io->timer_set: the timer is off, and nobody set it so. */
#define TIMER_FIRED 0

/* Taken from epoll at once: timer, event and what is ready of pipes. */
#define EVENTS_MAX (2 + HS2NI_PIPES_BATCH)

/* What there is to take in. */
enum ready {
  READY_NOTHING,
  READY_SOCKET, /* it is readable */
  READY_BATCH,  /* spinning has already read it */
  READY_PIPES,  /* over TCP: something has happened */
};

/* ---- descriptors -------------------------------------------------------- */

static int watch(const struct hs2n_io *io, int op, int fd, uint32_t events) {
  struct epoll_event ev = {.events = events, .data = {.u64 = (uint32_t)fd}};

  return epoll_ctl(io->epoll_fd, op, fd, &ev);
}

static int watch_network(struct hs2n_io *io) {
  if (io->pipes != NULL) {
    return hs2ni_pipes_watch(io->pipes, io->epoll_fd);
  }
  return watch(io, EPOLL_CTL_ADD, io->socket.fd, EPOLLIN) == 0
             ? HS2N_OK
             : HS2N_ERR_SYSTEM;
}

int hs2ni_loop_init(struct hs2n_io *io) {
  io->timer_set = HS2N_TIME_NEVER;
  io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (io->epoll_fd < 0) {
    return HS2N_ERR_SYSTEM;
  }
  io->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (io->timer_fd < 0) {
    return HS2N_ERR_SYSTEM;
  }
  io->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (io->event_fd < 0) {
    return HS2N_ERR_SYSTEM;
  }
  if (watch(io, EPOLL_CTL_ADD, io->timer_fd, EPOLLIN | EPOLLET) != 0 ||
      watch(io, EPOLL_CTL_ADD, io->event_fd, EPOLLIN | EPOLLET) != 0) {
    return HS2N_ERR_SYSTEM;
  }
  return watch_network(io);
}

static void close_fd(int *fd) {
  if (*fd >= 0) {
    close(*fd);
  }
  *fd = -1;
}

void hs2ni_loop_fini(struct hs2n_io *io) {
  close_fd(&io->event_fd);
  close_fd(&io->timer_fd);
  close_fd(&io->epoll_fd);
}

/* ---- waking ------------------------------------------------------------- */

static void signal_event(const struct hs2n_io *io) {
  const uint64_t one = 1;
  const int err = errno; /* may run in a signal handler */

  /* Can't fail: nobody will add up 2^64 of these. */
  if (write(io->event_fd, &one, sizeof(one)) < 0) {
    assert(errno == EAGAIN);
  }
  errno = err;
}

void hs2ni_loop_wake(void *arg) {
  struct hs2n_io *io = arg;

  /* Who finds it set already leaves the rest to who set it. */
  if (!atomic_exchange(&io->called, true) && !atomic_load(&io->awake)) {
    signal_event(io);
  }
}

/* ---- waiting ------------------------------------------------------------ */

/* Makes the timer fire at due, or earlier: loss timers move away with every
 * packet, and one wake in vain is cheaper than a call for each. */
static int set_timer(struct hs2n_io *io, hs2n_time due) {
  struct itimerspec spec = {.it_interval = {.tv_sec = 0}};

  if (io->timer_set != TIMER_FIRED && io->timer_set <= due) {
    return HS2N_OK;
  }
  if (due != HS2N_TIME_NEVER) {
    spec.it_value.tv_sec = (time_t)(due / HS2N_S(1));
    spec.it_value.tv_nsec = (long)(due % HS2N_S(1));
  }
  if (timerfd_settime(io->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0) {
    return HS2N_ERR_SYSTEM;
  }
  io->timer_set = due;
  return HS2N_OK;
}

static bool sender_waits(const struct hs2n_io *io) {
  return io->sender.blocked || io->sender.retry_at != 0;
}

static hs2n_time earlier(hs2n_time a, hs2n_time b) {
  return a < b ? a : b;
}

/* When the loop must act although nothing comes in. */
static hs2n_time next_due(const struct hs2n_io *io, hs2n_time now) {
  hs2n_time due = hs2n_node_deadline(io->node);

  if (sender_waits(io) && due < now + BLOCKED_PAUSE) {
    due = now + BLOCKED_PAUSE;
  }
  if (io->sender.retry_at != 0) {
    due = earlier(due, io->sender.retry_at);
  }
  if (io->pipes != NULL) {
    due = earlier(due, hs2ni_pipes_deadline(io->pipes));
  }
  return io->unfinished ? now : due;
}

static int watch_writable(struct hs2n_io *io, bool wanted) {
  if (wanted == io->watch_writable) { /* always, over TCP */
    return HS2N_OK;
  }
  if (watch(io, EPOLL_CTL_MOD, io->socket.fd,
            wanted ? EPOLLIN | EPOLLOUT : EPOLLIN) != 0) {
    return HS2N_ERR_SYSTEM;
  }
  io->watch_writable = wanted;
  return HS2N_OK;
}

static void note_event(struct hs2n_io *io, const struct epoll_event *event,
                       enum ready *out_ready) {
  if (event->data.u64 == (uint32_t)io->timer_fd) {
    io->timer_set = TIMER_FIRED;
  } else if (io->pipes != NULL) {
    if (hs2ni_pipes_note(io->pipes, event)) {
      *out_ready = READY_PIPES;
    }
  } else if (event->data.u64 == (uint32_t)io->socket.fd &&
             (event->events & ~(uint32_t)EPOLLOUT) != 0) {
    *out_ready = READY_SOCKET;
  }
}

/* Asks the kernel what is ready; timeout_ms as in epoll_wait. */
static int collect(struct hs2n_io *io, int timeout_ms, enum ready *out_ready) {
  struct epoll_event events[EVENTS_MAX];
  const int n = epoll_wait(io->epoll_fd, events, EVENTS_MAX, timeout_ms);

  if (n < 0) {
    return errno == EINTR ? HS2N_OK : HS2N_ERR_SYSTEM;
  }
  for (int i = 0; i < n; i++) {
    note_event(io, &events[i], out_ready);
  }
  return HS2N_OK;
}

/* Looks once, without a wait: at one socket by reading it. */
static int glance(struct hs2n_io *io, enum ready *out_ready) {
  int rc;

  if (io->pipes != NULL) {
    return collect(io, 0, out_ready);
  }
  rc = hs2ni_receiver_read(&io->receiver, &io->socket, &io->stats);
  if (rc == HS2N_OK && io->receiver.count > 0) {
    *out_ready = READY_BATCH;
  }
  return rc;
}

/* Looks in vain until something comes, or time is up. */
static int spin_until(struct hs2n_io *io, hs2n_time end,
                      enum ready *out_ready) {
  do {
    const int rc = glance(io, out_ready);

    if (rc != HS2N_OK || *out_ready != READY_NOTHING) {
      return rc;
    }
  } while (!atomic_load(&io->called) && hs2n_io_now() < end);
  return HS2N_OK;
}

/* From here on a post or stop writes to the event.  Returns whether one came
 * just before: then there is no time to sleep. */
static bool fall_asleep(struct hs2n_io *io) {
  atomic_store(&io->awake, false);
  return atomic_load(&io->called);
}

static int sleep_until(struct hs2n_io *io, hs2n_time due,
                       enum ready *out_ready) {
  int rc = set_timer(io, due);

  if (rc == HS2N_OK) {
    rc = collect(io, fall_asleep(io) ? 0 : -1, out_ready);
  }
  atomic_store(&io->awake, true);
  return rc;
}

/* How long to look before sleeping: a processor that sleeps takes tens of
 * microseconds to wake. */
static hs2n_time spin_end(const struct hs2n_io *io, hs2n_time now,
                          hs2n_time due) {
  if (due - now < NAP_MIN) {
    return due;
  }
  return due - now < io->spin ? due : now + io->spin;
}

/* Waits until there is something to do, `until` at the latest. */
static int wait_ready(struct hs2n_io *io, hs2n_time now, hs2n_time until,
                      enum ready *out_ready) {
  const hs2n_time next = next_due(io, now);
  const hs2n_time due = next < until ? next : until;
  hs2n_time end;
  int rc = watch_writable(io, io->sender.blocked);

  if (rc != HS2N_OK) {
    return rc;
  }
  if (due <= now || atomic_load(&io->called)) {
    return collect(io, 0, out_ready);
  }
  end = sender_waits(io) ? now : spin_end(io, now, due);
  if (end > now) {
    rc = spin_until(io, end, out_ready);
    if (rc != HS2N_OK || *out_ready != READY_NOTHING || end == due) {
      return rc;
    }
  }
  return sleep_until(io, due, out_ready);
}

/* ---- working ------------------------------------------------------------ */

static void pump(struct hs2n_io *io, hs2n_time now) {
  struct hs2ni_sender *s = &io->sender;

  if (io->pipes != NULL) {
    io->unfinished = !hs2ni_pipes_pump(io->pipes, now);
    return;
  }
  while (hs2ni_sender_flush(s, &io->socket, &io->stats, now)) {
    s->count = hs2n_node_poll_tx(io->node, s->tx, HS2NI_TX_BATCH, now);
    if (s->count == 0) {
      return;
    }
  }
}

/* Runs timers and posts, and begins to end when asked to. */
static void tick(struct hs2n_io *io, hs2n_time now) {
  const bool called = atomic_exchange(&io->called, false);

  if (atomic_load(&io->stop_asked) && !io->stopping) {
    io->stopping = true;
    hs2n_node_stop(io->node, now);
  }
  if (called || hs2n_node_deadline(io->node) <= now) {
    hs2n_node_tick(io->node, now);
  }
  if (io->pipes != NULL) {
    hs2ni_pipes_tick(io->pipes, now);
  }
}

/* What a read of the socket has brought. */
static int take_datagrams(struct hs2n_io *io, enum ready *ready,
                          hs2n_time now) {
  struct hs2ni_receiver *r = &io->receiver;

  if (*ready == READY_SOCKET) {
    const int rc = hs2ni_receiver_read(r, &io->socket, &io->stats);

    if (rc != HS2N_OK) {
      return rc;
    }
  }
  *ready = READY_NOTHING;
  if (r->count > 0) {
    hs2n_node_recv(io->node, r->rx, r->count, now);
    *ready = r->full ? READY_SOCKET : READY_NOTHING;
  }
  return HS2N_OK;
}

/* One batch in, and all that follows from it.  *ready says whether there is
 * something to read, and afterwards whether there may be more. */
static int work_once(struct hs2n_io *io, enum ready *ready) {
  const hs2n_time now = hs2n_io_now();
  int rc = HS2N_OK;

  if (*ready == READY_PIPES) {
    *ready = READY_NOTHING; /* epoll says what more there is */
    hs2ni_pipes_take_in(io->pipes, now);
  } else if (*ready != READY_NOTHING) {
    rc = take_datagrams(io, ready, now);
  }
  if (rc == HS2N_OK) {
    tick(io, now);
    pump(io, now);
  }
  return rc;
}

/* Waits `wait_max` ns at most for something to do, and does it. */
static int step(struct hs2n_io *io, hs2n_time wait_max) {
  const hs2n_time now = hs2n_io_now();
  unsigned rounds = 0;
  enum ready ready = READY_NOTHING;
  int rc = wait_ready(io, now,
                      wait_max < HS2N_TIME_NEVER - now ? now + wait_max
                                                       : HS2N_TIME_NEVER,
                      &ready);

  do {
    if (rc == HS2N_OK) {
      rc = work_once(io, &ready);
    }
  } while (rc == HS2N_OK && ready != READY_NOTHING && ++rounds < ROUNDS_MAX);
  return rc;
}

/* Makes the epoll descriptor say what is left to do.  What is due very soon
 * is better turned to at once, again and again, than waited for by timer. */
static int leave_to_outer_loop(struct hs2n_io *io) {
  const hs2n_time now = hs2n_io_now();
  const hs2n_time due = next_due(io, now);
  int rc = watch_writable(io, io->sender.blocked);

  if (rc == HS2N_OK && due > now + NAP_MIN) {
    rc = set_timer(io, due);
  }
  if (fall_asleep(io) || due <= now + NAP_MIN) {
    signal_event(io);
  }
  return rc;
}

int hs2n_io_turn(struct hs2n_io *io, hs2n_time wait_max) {
  int rc;

  if (io->thread_runs || io->in_turn) {
    return HS2N_ERR_STATE;
  }
  io->in_turn = true;
  atomic_store(&io->awake, true);
  pump(io, hs2n_io_now()); /* what was sent since the last turn */
  rc = step(io, wait_max);
  if (rc == HS2N_OK && wait_max == 0) {
    rc = leave_to_outer_loop(io);
  } else if (fall_asleep(io)) {
    signal_event(io);
  }
  io->in_turn = false;
  return rc;
}

/* Closed pipes may still have something to say. */
static bool ended(const struct hs2n_io *io) {
  return hs2n_node_stopped(io->node) &&
         (io->pipes == NULL || hs2ni_pipes_settled(io->pipes));
}

int hs2ni_loop_run(struct hs2n_io *io) {
  int rc = HS2N_OK;

  io->in_turn = true;
  atomic_store(&io->awake, true);
  pump(io, hs2n_io_now());
  while (rc == HS2N_OK && !ended(io)) {
    rc = step(io, HS2N_TIME_NEVER);
  }
  atomic_store(&io->awake, false);
  io->in_turn = false;
  return rc;
}

int hs2n_io_run(struct hs2n_io *io) {
  if (io->thread_runs || io->in_turn) {
    return HS2N_ERR_STATE;
  }
  return hs2ni_loop_run(io);
}

void hs2n_io_stop(struct hs2n_io *io) {
  atomic_store(&io->stop_asked, true);
  hs2ni_loop_wake(io);
}
