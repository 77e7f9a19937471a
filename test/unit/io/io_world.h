/* io_world: a driver with a fake node, and a plain socket as its peer. */
#ifndef IO_WORLD_H
#define IO_WORLD_H

#include "fake_node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Far above what loopback needs: only a test that fails waits this long. */
#define LONG_MS 10000

struct io_world {
  struct hs2n_io *io;
  struct hs2n_node *node;
  int peer;                   /* bound, blocking */
  struct hs2n_addr peer_addr; /* as the node sees it */
  struct hs2n_addr node_addr; /* loopback, with the port of the driver */
};

static inline void io_world_log(void *user_data, enum hs2n_log_level level,
                                const char *event, const char *text) {
  (void)user_data;
  (void)level;
  TAP_SAY("# %s %s\n", event, text);
}

static inline struct hs2n_addr loopback(uint8_t family, uint16_t port) {
  struct hs2n_addr addr = {.family = family, .port = port};

  if (family == HS2N_FAMILY_IPV4) {
    addr.ip[0] = 127;
    addr.ip[3] = 1;
  } else {
    addr.ip[15] = 1;
  }
  return addr;
}

static inline struct hs2n_io_config world_config(uint8_t family) {
  struct hs2n_io_config config;

  hs2n_io_config_default(&config);
  config.listen.family = family;
  config.log = io_world_log;
  return config;
}

/* A peer of the given family; the driver listens as config says. */
static inline bool io_world_open(struct io_world *w,
                                 const struct hs2n_io_config *config,
                                 uint8_t family) {
  struct hs2n_config node_config;
  struct sockaddr_in v4 = {.sin_family = AF_INET,
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                            .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const bool ipv4 = family == HS2N_FAMILY_IPV4;
  struct sockaddr *addr =
      ipv4 ? (struct sockaddr *)(void *)&v4 : (struct sockaddr *)(void *)&v6;
  socklen_t len = ipv4 ? sizeof(v4) : sizeof(v6);

  *w = (struct io_world){.peer = -1};
  hs2n_config_default(&node_config);
  if (hs2n_io_new(&w->io, config, &node_config, NULL) != HS2N_OK) {
    return false;
  }
  w->node = hs2n_io_node(w->io);
  w->peer = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  if (w->peer < 0 || bind(w->peer, addr, len) != 0 ||
      getsockname(w->peer, addr, &len) != 0) {
    return false;
  }
  w->peer_addr = loopback(family, ntohs(ipv4 ? v4.sin_port : v6.sin6_port));
  w->node_addr = loopback(family, hs2n_io_local(w->io).port);
  return true;
}

static inline void io_world_close(struct io_world *w) {
  hs2n_io_free(w->io);
  if (w->peer >= 0) {
    close(w->peer);
  }
}

/* Sends from the peer to the driver. */
static inline bool peer_send(struct io_world *w, uint8_t value, size_t len) {
  uint8_t bytes[2048];
  struct sockaddr_in v4 = {.sin_family = AF_INET,
                           .sin_port = htons(w->node_addr.port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                            .sin6_port = htons(w->node_addr.port),
                            .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  const bool ipv4 = w->node_addr.family == HS2N_FAMILY_IPV4;

  memset(bytes, value, sizeof(bytes));
  return sendto(w->peer, bytes, len, 0,
                ipv4 ? (struct sockaddr *)(void *)&v4
                     : (struct sockaddr *)(void *)&v6,
                ipv4 ? sizeof(v4) : sizeof(v6)) == (ssize_t)len;
}

/* Receives at the peer: the length, or -1 when nothing is there at once. */
static inline ssize_t peer_recv(struct io_world *w, uint8_t *out_first) {
  uint8_t bytes[2048];
  const ssize_t n = recv(w->peer, bytes, sizeof(bytes), MSG_DONTWAIT);

  if (n > 0 && out_first != NULL) {
    *out_first = bytes[0];
  }
  return n;
}

/* Turns the loop until the peer has something, and counts what it got. */
static inline unsigned peer_collect(struct io_world *w, unsigned want) {
  const hs2n_time end = hs2n_io_now() + HS2N_MS(LONG_MS);
  unsigned got = 0;

  while (got < want && hs2n_io_now() < end) {
    if (hs2n_io_turn(w->io, HS2N_MS(1)) != HS2N_OK) {
      return got;
    }
    while (peer_recv(w, NULL) >= 0) {
      got++;
    }
  }
  return got;
}

#endif /* IO_WORLD_H */
