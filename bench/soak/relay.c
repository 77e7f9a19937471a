#include "relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 2048 /* nodes send 1,452 at most */
#define RCVBUF_BYTES (1 << 20)

/* A burst at a time, so that the nodes get their turn too. */
#define BURST 256

static bool open_side(struct relay *r, int side) {
  struct sockaddr_in sin = {.sin_family = AF_INET};
  socklen_t len = sizeof(sin);
  const int bytes = RCVBUF_BYTES;
  int fd;

  fd = r->fds[side] =
      socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) != 0 ||
      getsockname(fd, (struct sockaddr *)&sin, &len) != 0) {
    return false;
  }
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  r->addrs[side] = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                                      .ip = {127, 0, 0, 1},
                                      .port = ntohs(sin.sin_port)};
  return true;
}

bool relay_open(struct relay *r) {
  *r = (struct relay){.fds = {-1, -1}};
  return open_side(r, 0) && open_side(r, 1);
}

void relay_close(struct relay *r) {
  for (int side = 0; side < 2; side++) {
    if (r->fds[side] >= 0) {
      close(r->fds[side]);
    }
  }
}

static struct sockaddr_in to_system(const struct hs2n_addr *addr) {
  struct sockaddr_in sin = {.sin_family = AF_INET,
                            .sin_port = htons(addr->port)};

  memcpy(&sin.sin_addr, addr->ip, sizeof(sin.sin_addr));
  return sin;
}

void relay_turn(struct relay *r, int side) {
  const struct sockaddr_in to = to_system(&r->ends[!side]);
  uint8_t bytes[DATAGRAM_MAX];

  for (int i = 0; i < BURST; i++) {
    const ssize_t len = recv(r->fds[side], bytes, sizeof(bytes), 0);

    if (len < 0) {
      return;
    }
    if (r->down || sendto(r->fds[!side], bytes, (size_t)len, 0,
                          (const struct sockaddr *)&to, sizeof(to)) < 0) {
      r->dropped++;
    } else {
      r->carried++;
    }
  }
}
