/* pipe_world: a driver over TCP with a fake node, and plain TCP sockets as its
 * peers. */
#ifndef PIPE_WORLD_H
#define PIPE_WORLD_H

#include "io/io.h"
#include "io_world.h"

#include <fcntl.h>

struct pipe_world {
  struct hs2n_io *io;
  struct hs2n_node *node;
  struct hs2n_addr addr; /* of the driver, loopback */
  struct hs2n_limits limits;
};

/* sndbuf_bytes 0: the system's. */
static inline bool pipe_world_open(struct pipe_world *w, uint8_t family,
                                   uint32_t sndbuf_bytes) {
  struct hs2n_io_config config = world_config(family);
  struct hs2n_config node_config;

  if (sndbuf_bytes != 0) {
    config.sndbuf_bytes = sndbuf_bytes;
  }
  if (w->limits.struct_size == 0) {
    hs2n_limits_default(&w->limits);
  }
  hs2n_config_default(&node_config);
  node_config.transport = HS2N_TRANSPORT_TCP;
  node_config.limits = &w->limits;
  if (hs2n_io_new(&w->io, &config, &node_config, NULL) != HS2N_OK) {
    return false;
  }
  w->node = hs2n_io_node(w->io);
  w->addr = loopback(family, hs2n_io_local(w->io).port);
  return true;
}

static inline void pipe_world_close(struct pipe_world *w) {
  hs2n_io_free(w->io);
}

static inline struct hs2n_io_stats pipe_stats(const struct pipe_world *w) {
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};

  hs2n_io_stats(w->io, &stats);
  return stats;
}

/* Turns the loop until it is so, which is checked. */
#define TURN_UNTIL(w, condition)                             \
  do {                                                       \
    const hs2n_time end_ = hs2n_io_now() + HS2N_MS(LONG_MS); \
    while (!(condition) && hs2n_io_now() < end_) {           \
      CHECK_EQ(hs2n_io_turn((w)->io, HS2N_MS(1)), HS2N_OK);  \
    }                                                        \
    CHECK(condition);                                        \
  } while (0)

static inline struct sockaddr_in pipe_sockaddr(uint16_t port) {
  return (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* A peer that has connected to the driver, whether or not that has noticed. */
static inline int peer_connect(const struct pipe_world *w) {
  const struct sockaddr_in to = pipe_sockaddr(w->addr.port);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&to,
                         sizeof(to)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* A peer that listens; *out_addr is where. */
static inline int peer_listen(struct hs2n_addr *out_addr) {
  struct sockaddr_in at = pipe_sockaddr(0);
  socklen_t len = sizeof(at);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd < 0 ||
      bind(fd, (const struct sockaddr *)(const void *)&at, len) != 0 ||
      listen(fd, 16) != 0 ||
      getsockname(fd, (struct sockaddr *)(void *)&at, &len) != 0) {
    return -1;
  }
  *out_addr = loopback(HS2N_FAMILY_IPV4, ntohs(at.sin_port));
  return fd;
}

/* A connection of the driver's pipe 2 to a peer. */
static inline int peer_dialled(struct pipe_world *w) {
  struct hs2n_addr addr = {0};
  const int listening = peer_listen(&addr);
  int fd;

  fake_pipe(w->node, HS2N_IO_OPEN, 2, &addr);
  TURN_UNTIL(w, fake_heard(w->node, HS2N_IO_OPEN, 2) != NULL);
  fd = accept(listening, NULL, NULL);
  close(listening);
  return fd;
}

/* Writes len bytes of the pattern from `at` on; the driver is not turned. */
static inline bool peer_write(int fd, size_t at, size_t len) {
  uint8_t bytes[4096];

  while (len > 0) {
    const size_t n = len < sizeof(bytes) ? len : sizeof(bytes);

    for (size_t i = 0; i < n; i++) {
      bytes[i] = fake_pattern(at + i);
    }
    if (send(fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n) {
      return false;
    }
    at += n;
    len -= n;
  }
  return true;
}

struct peer_reading {
  size_t len;
  bool bad;   /* not the pattern */
  bool ended; /* in order */
  int error;  /* or by this */
};

/* Takes what is there at once. */
static inline void peer_read(int fd, struct peer_reading *r) {
  uint8_t bytes[4096];
  ssize_t n;

  while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
    for (size_t i = 0; i < (size_t)n; i++) {
      r->bad |= bytes[i] != fake_pattern(r->len + i);
    }
    r->len += (size_t)n;
  }
  r->ended |= n == 0;
  r->error = n < 0 && errno != EAGAIN ? errno : r->error;
}

/* Turns and reads until so many bytes have come, or the end. */
static inline void peer_read_until(struct pipe_world *w, int fd,
                                   struct peer_reading *r, size_t len) {
  const hs2n_time end = hs2n_io_now() + HS2N_MS(LONG_MS);

  while (r->len < len && !r->ended && r->error == 0 && hs2n_io_now() < end) {
    CHECK_EQ(hs2n_io_turn(w->io, HS2N_MS(1)), HS2N_OK);
    peer_read(fd, r);
  }
}

/* Whether the loop has something to do now. */
static inline bool pipe_world_busy(const struct pipe_world *w) {
  struct pollfd p = {.fd = hs2n_io_fd(w->io), .events = POLLIN};

  return poll(&p, 1, 0) == 1;
}

#endif /* PIPE_WORLD_H */
