#include "io/pipes.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* Connections accepted before the rest of the loop has its turn. */
#define ACCEPT_BATCH 16

/* Where there is no descriptor or no room for another connection. */
#define ACCEPT_PAUSE HS2N_MS(100)

#define REPORT_EVERY HS2N_S(10)

/* ---- telling the node ---------------------------------------------------- */

static struct hs2n_rx *next_rx(struct hs2ni_pipes *p) {
  assert(p->rx_n < HS2NI_PIPES_RX);
  p->rx_n++;
  return &p->rx[p->rx_n - 1];
}

void hs2ni_pipes_tell(struct hs2ni_pipes *p, uint64_t id,
                      enum hs2n_io_kind kind) {
  *next_rx(p) = (struct hs2n_rx){.kind = (uint8_t)kind, .pipe = id};
}

void hs2ni_pipes_tell_open(struct hs2ni_pipes *p,
                           const struct hs2ni_pipe *pipe) {
  *next_rx(p) = (struct hs2n_rx){.kind = HS2N_IO_OPEN,
                                 .pipe = pipe->id,
                                 .local = p->local,
                                 .remote = pipe->remote};
}

void hs2ni_pipes_tell_sent(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                           size_t len) {
  pipe->used = true;
  if (pipe->told_in == p->batch) {
    p->rx[pipe->told_at].len += len;
    return;
  }
  pipe->told_in = p->batch;
  pipe->told_at = p->rx_n;
  *next_rx(p) =
      (struct hs2n_rx){.kind = HS2N_IO_SENT, .pipe = pipe->id, .len = len};
}

void hs2ni_pipes_deliver(struct hs2ni_pipes *p, hs2n_time now) {
  const size_t n = p->rx_n;

  p->rx_n = 0;
  p->reads_n = 0;
  p->batch++;
  if (n > 0) {
    hs2n_node_recv(p->node, p->rx, n, now);
  }
}

void hs2ni_pipes_make_room(struct hs2ni_pipes *p, hs2n_time now) {
  if (p->rx_n + HS2NI_PIPES_NEWS > HS2NI_PIPES_RX ||
      p->reads_n == HS2NI_PIPES_BATCH) {
    hs2ni_pipes_deliver(p, now);
  }
}

/* ---- accepting ----------------------------------------------------------- */

static void pause_accept(struct hs2ni_pipes *p, const char *why,
                         hs2n_time now) {
  struct epoll_event ev = {.events = 0, .data = {.u64 = HS2NI_LISTEN_KEY}};

  p->stats->tcp_accept_pauses++;
  p->accept_at = now + ACCEPT_PAUSE;
  p->accepting = epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, p->listen_fd, &ev) != 0;
  if (now >= p->report_at) {
    hs2ni_io_log(&p->log, HS2N_LOG_WARN, "io.accept", "%s open=%u", why,
                 p->in_use);
    p->report_at = now + REPORT_EVERY;
  }
}

/* The next one may be fine. */
static bool of_one_connection(int err) {
  switch (err) {
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
  case EBADF:
  case EFAULT:
  case EINVAL:
  case ENOTSOCK:
  case EOPNOTSUPP:
    return false;
  default:
    return true;
  }
}

static bool has_room(const struct hs2ni_pipes *p) {
  return p->capacity - p->in_use > p->dials_spare;
}

/* Returns whether there may be another one. */
static bool accept_one(struct hs2ni_pipes *p, hs2n_time now) {
  struct hs2n_addr remote;
  struct hs2ni_pipe *pipe;
  int fd;

  if (!has_room(p) && hs2ni_pipes_settled(p)) {
    pause_accept(p, "text=\"no room for another connection\"", now);
    return false;
  }
  fd = hs2ni_tcp_accept(p, &remote);
  if (fd < 0) {
    if (errno != EAGAIN && !of_one_connection(errno)) {
      pause_accept(p, "text=\"no descriptor for another connection\"", now);
    }
    return errno != EAGAIN && p->accepting;
  }
  if (!has_room(p)) {
    (void)hs2ni_pipes_evict(p);
  }
  pipe = hs2ni_pipes_add(p, 2 * p->accepted + 1, fd, &remote, HS2NI_PIPE_OPEN);
  if (pipe == NULL) {
    close(fd);
    pause_accept(p, "text=\"can't watch another connection\"", now);
    return false;
  }
  p->accepted++;
  p->stats->tcp_accepted++;
  hs2ni_pipes_tell_open(p, pipe);
  return true;
}

static void accept_some(struct hs2ni_pipes *p, hs2n_time now) {
  for (unsigned i = 0; i < ACCEPT_BATCH && accept_one(p, now); i++) {
    hs2ni_pipes_make_room(p, now);
  }
}

/* ---- reading ------------------------------------------------------------- */

static bool is_passing(int err) {
  return err == EAGAIN || err == EINTR;
}

/* What a closed pipe still brings is of no use to anybody. */
static void discard(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                    uint8_t *at) {
  const ssize_t n = recv(pipe->fd, at, HS2NI_PIPES_READ_LEN, MSG_DONTWAIT);

  if (n == 0 || (n < 0 && !is_passing(errno))) {
    hs2ni_pipe_drop(p, pipe);
  }
}

/* One piece.  What can't be written any more and has nothing more to read has
 * ended. */
static void read_some(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  uint8_t *at = p->rx_bytes + p->reads_n * HS2NI_PIPES_READ_LEN;
  ssize_t n;

  if (pipe->state == HS2NI_PIPE_LINGERING) {
    discard(p, pipe, at);
    return;
  }
  n = recv(pipe->fd, at, HS2NI_PIPES_READ_LEN, MSG_DONTWAIT);
  p->stats->recv_calls++;
  if (n > 0) {
    p->reads_n++;
    *next_rx(p) = (struct hs2n_rx){
        .kind = HS2N_IO_BYTES, .pipe = pipe->id, .data = at, .len = (size_t)n};
  } else if (n == 0 || pipe->broken || !is_passing(errno)) {
    hs2ni_pipe_fail(p, pipe);
  }
}

/* ---- events -------------------------------------------------------------- */

static void connected(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  int err = 0;
  socklen_t len = sizeof(err);

  if (getsockopt(pipe->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0) {
    hs2ni_pipe_fail(p, pipe);
    return;
  }
  pipe->state = HS2NI_PIPE_OPEN;
  hs2ni_pipes_tell_open(p, pipe);
  hs2ni_pipe_watch(p, pipe, EPOLLIN);
  hs2ni_pipe_flush(p, pipe);
}

static void take_event(struct hs2ni_pipes *p, const struct epoll_event *ev) {
  struct hs2ni_pipe *pipe = &p->slots[ev->data.u64 & UINT32_MAX];

  switch (pipe->state) {
  case HS2NI_PIPE_FREE: /* dropped since */
    return;
  case HS2NI_PIPE_CONNECTING:
    connected(p, pipe);
    return;
  case HS2NI_PIPE_ENDING:
    hs2ni_pipe_flush(p, pipe);
    return;
  case HS2NI_PIPE_OPEN:
    if ((ev->events & EPOLLOUT) != 0) {
      hs2ni_pipe_flush(p, pipe);
    }
    break;
  case HS2NI_PIPE_LINGERING:
    break;
  }
  if ((ev->events & ~(uint32_t)EPOLLOUT) != 0) {
    read_some(p, pipe);
  }
}

bool hs2ni_pipes_note(struct hs2ni_pipes *p, const struct epoll_event *event) {
  if ((event->data.u64 & (HS2NI_PIPE_KEY | HS2NI_LISTEN_KEY)) == 0) {
    return false;
  }
  if (p->events_n < HS2NI_PIPES_BATCH) { /* epoll says it again */
    p->events[p->events_n] = *event;
    p->events_n++;
  }
  return true;
}

void hs2ni_pipes_take_in(struct hs2ni_pipes *p, hs2n_time now) {
  for (size_t i = 0; i < p->events_n; i++) {
    hs2ni_pipes_make_room(p, now);
    if ((p->events[i].data.u64 & HS2NI_LISTEN_KEY) != 0) {
      accept_some(p, now);
    } else {
      take_event(p, &p->events[i]);
    }
  }
  p->events_n = 0;
  hs2ni_pipes_deliver(p, now);
}
