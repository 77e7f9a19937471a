#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Submitted in one turn at most, so that votes do not wait for long. */
#define READ_MAX (64u << 10)

bool rep_port_init(struct rep_port *port, int fd) {
  *port = (struct rep_port){.fd = fd};
  if (fd < 0) {
    return true;
  }
  (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  port->in_capacity = 2 * (size_t)READ_MAX;
  port->in = malloc(port->in_capacity);
  return port->in != NULL;
}

void rep_port_fini(struct rep_port *port) {
  if (port->fd >= 0) {
    close(port->fd);
  }
  free(port->in);
  free(port->out);
  *port = (struct rep_port){.fd = -1};
}

bool rep_port_wants_read(const struct rep_port *port,
                         const struct rep_core *core) {
  return port->fd >= 0 && !port->ended &&
         rep_core_has_room(core, rep_core_tx_max(core));
}

bool rep_port_wants_write(const struct rep_port *port) {
  return port->fd >= 0 && !port->ended && port->out_len > 0;
}

/* Makes room for a transaction that is longer than the buffer. */
static bool reserve(struct rep_port *port, size_t len) {
  uint8_t *grown;

  if (len <= port->in_capacity) {
    return true;
  }
  grown = realloc(port->in, len);
  if (grown == NULL) {
    return false;
  }
  port->in = grown;
  port->in_capacity = len;
  return true;
}

static void submit_all(struct rep_port *port, struct rep_core *core,
                       hs2n_time now) {
  struct rep_reader r =
      rep_reader_of((struct hs2n_span){port->in, port->in_len});

  while (r.rest.len >= 4) {
    struct rep_reader ahead = r;
    const uint64_t len = rep_read_be(&ahead, 4);
    const struct hs2n_span tx = rep_read_span(&ahead, (size_t)len);

    if (len == 0 || len > rep_core_tx_max(core) ||
        !reserve(port, 4 + (size_t)len)) {
      port->ended = true;
      return;
    }
    if (ahead.failed) {
      break; /* the rest has not come yet */
    }
    (void)rep_core_submit(core, tx, now);
    r = ahead;
  }
  /* Not r.rest.data: the buffer may have moved to make room. */
  memmove(port->in, port->in + (port->in_len - r.rest.len), r.rest.len);
  port->in_len = r.rest.len;
}

void rep_port_read(struct rep_port *port, struct rep_core *core,
                   hs2n_time now) {
  const size_t room = port->in_capacity - port->in_len;
  const ssize_t n = recv(port->fd, port->in + port->in_len,
                         room > READ_MAX ? READ_MAX : room, MSG_DONTWAIT);

  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    port->ended = true;
  }
  if (n > 0) {
    port->in_len += (size_t)n;
    submit_all(port, core, now);
  }
}

void rep_port_write(struct rep_port *port) {
  const ssize_t n =
      send(port->fd, port->out, port->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

  if (n < 0) {
    port->ended = port->ended || (errno != EAGAIN && errno != EINTR);
    return;
  }
  port->out_len -= (size_t)n;
  memmove(port->out, port->out + n, port->out_len);
}

uint8_t *rep_port_frame(struct rep_port *port, enum rep_client_kind kind,
                        size_t len) {
  const size_t need = port->out_len + 5 + len;
  uint8_t *at;

  if (port->fd < 0 || port->ended) {
    return NULL;
  }
  if (need > port->out_capacity) {
    const size_t capacity = 2 * need;
    uint8_t *const grown = realloc(port->out, capacity);

    if (grown == NULL) {
      return NULL;
    }
    port->out = grown;
    port->out_capacity = capacity;
  }
  at = port->out + port->out_len;
  rep_put_be(at, 1 + len, 4);
  at[4] = (uint8_t)kind;
  port->out_len = need;
  return at + 5;
}
