#include "io/pipes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Batches taken from a node that always has more before the loop looks at what
 * has come in. */
#define ROUNDS_MAX 64

/* ---- what a socket does not take ----------------------------------------- */

/* Bytes that lie in one piece from `at` bytes behind the first one on. */
static size_t piece(const struct hs2ni_pipes *p, size_t start, size_t len) {
  return len < p->unsent_max - start ? len : p->unsent_max - start;
}

/* Returns false when there is no memory, or when the node has given more than
 * it may. */
static bool keep(const struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                 const uint8_t *data, size_t len) {
  size_t end;
  size_t first;

  if (len > p->unsent_max - pipe->kept_len) {
    return false;
  }
  if (pipe->kept == NULL) {
    pipe->kept = malloc(p->unsent_max);
  }
  if (pipe->kept == NULL) {
    return false;
  }
  end = (pipe->kept_at + pipe->kept_len) % p->unsent_max;
  first = piece(p, end, len);
  memcpy(pipe->kept + end, data, first);
  memcpy(pipe->kept, data + first, len - first);
  pipe->kept_len += len;
  return true;
}

static ssize_t write_kept(const struct hs2ni_pipes *p,
                          const struct hs2ni_pipe *pipe) {
  const size_t first = piece(p, pipe->kept_at, pipe->kept_len);
  struct iovec parts[2] = {
      {.iov_base = pipe->kept + pipe->kept_at, .iov_len = first},
      {.iov_base = pipe->kept, .iov_len = pipe->kept_len - first}};
  const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

  return sendmsg(pipe->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- writing ------------------------------------------------------------- */

/* A peer that resets the connection may have said why before: what came in is
 * read to its end, and the node is told then.  The end is made to come, should
 * the kernel have refused for another cause. */
static void break_off(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  if (pipe->state == HS2NI_PIPE_ENDING) {
    hs2ni_pipe_drop(p, pipe);
    return;
  }
  pipe->broken = true;
  (void)shutdown(pipe->fd, SHUT_RDWR);
  pipe->kept_len = 0;
  hs2ni_pipe_watch(p, pipe, EPOLLIN);
}

/* What a call to write has returned: how many bytes are gone.  False: no more
 * can be written now, or ever. */
static bool note_written(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                         ssize_t n) {
  p->stats->send_calls++;
  if (n > 0) {
    if (pipe->state == HS2NI_PIPE_OPEN) {
      hs2ni_pipes_tell_sent(p, pipe, (size_t)n);
    }
    return true;
  }
  if (n == 0 || errno == EAGAIN || errno == EINTR) {
    p->stats->send_blocked++;
    return false;
  }
  break_off(p, pipe);
  return false;
}

void hs2ni_pipe_flush(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  while (pipe->kept_len > 0) {
    const ssize_t n = write_kept(p, pipe);

    if (!note_written(p, pipe, n)) {
      if (pipe->state != HS2NI_PIPE_FREE && !pipe->broken) {
        hs2ni_pipe_watch(p, pipe, pipe->watched | EPOLLOUT);
      }
      return;
    }
    pipe->kept_at = (pipe->kept_at + (size_t)n) % p->unsent_max;
    pipe->kept_len -= (size_t)n;
  }
  if (pipe->state == HS2NI_PIPE_ENDING) {
    hs2ni_pipe_linger(p, pipe);
  } else {
    hs2ni_pipe_watch(p, pipe, EPOLLIN);
  }
}

/* ---- what the node wants ------------------------------------------------- */

static void dial(struct hs2ni_pipes *p, const struct hs2n_tx *tx) {
  int fd;

  if (p->in_use == p->capacity && !hs2ni_pipes_evict(p)) {
    hs2ni_pipes_tell(p, tx->pipe, HS2N_IO_CLOSE);
    return;
  }
  fd = hs2ni_tcp_dial(p, &tx->remote);
  if (fd >= 0 && hs2ni_pipes_add(p, tx->pipe, fd, &tx->remote,
                                 HS2NI_PIPE_CONNECTING) != NULL) {
    p->stats->tcp_dialled++;
    return;
  }
  if (fd >= 0) {
    close(fd);
  }
  hs2ni_pipes_tell(p, tx->pipe, HS2N_IO_CLOSE);
}

static void write_bytes(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                        const struct hs2n_tx *tx) {
  size_t gone = 0;

  if (pipe->broken) {
    return;
  }
  if (pipe->state == HS2NI_PIPE_OPEN && pipe->kept_len == 0) {
    const ssize_t n =
        send(pipe->fd, tx->data, tx->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    gone = note_written(p, pipe, n) ? (size_t)n : 0;
  }
  if (gone == tx->len || pipe->broken) {
    return;
  }
  if (!keep(p, pipe, tx->data + gone, tx->len - gone)) {
    hs2ni_pipe_fail(p, pipe);
    return;
  }
  hs2ni_pipe_watch(p, pipe, pipe->watched | EPOLLOUT);
}

static void act(struct hs2ni_pipes *p, const struct hs2n_tx *tx,
                hs2n_time now) {
  struct hs2ni_pipe *pipe = hs2ni_pipes_find(p, tx->pipe);

  if (tx->kind == HS2N_IO_OPEN && pipe == NULL) {
    dial(p, tx);
  } else if (pipe == NULL || hs2ni_pipe_is_ending(pipe)) {
    return; /* it has ended since; the node will hear of it */
  } else if (tx->kind == HS2N_IO_BYTES) {
    write_bytes(p, pipe, tx);
  } else if (tx->kind == HS2N_IO_CLOSE) {
    hs2ni_pipe_end(p, pipe, now);
  }
}

bool hs2ni_pipes_pump(struct hs2ni_pipes *p, hs2n_time now) {
  for (unsigned i = 0; i < ROUNDS_MAX; i++) {
    const size_t n = hs2n_node_poll_tx(p->node, p->tx, HS2NI_PIPES_TX, now);

    if (n == 0) {
      return true;
    }
    for (size_t k = 0; k < n; k++) {
      hs2ni_pipes_make_room(p, now);
      act(p, &p->tx[k], now);
    }
    hs2ni_pipes_deliver(p, now);
  }
  return false;
}
