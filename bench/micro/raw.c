#include "raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define SEGMENT 1452
#define BATCH (45 * SEGMENT)

/* The far side gives leave for the next part when it has taken one; what is
 * ahead fits into its socket buffer. */
#define PART (4 * BATCH)
#define PARTS_AHEAD 8

static void set(int fd, int level, int name, int value) {
  (void)setsockopt(fd, level, name, &value, sizeof(value));
}

int raw_open(const struct pair *p) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof(addr);

  must_system("socket", fd >= 0);
  set(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
  set(fd, SOL_SOCKET, SO_SNDBUF, 4 << 20);
  must_system("bind",
              bind(fd, (struct sockaddr *)(void *)&addr, len) == 0 &&
                  getsockname(fd, (struct sockaddr *)(void *)&addr, &len) == 0);
  atomic_store(&p->shared->ports[p->far], ntohs(addr.sin_port));
  pair_meet(p);
  addr.sin_port = htons((uint16_t)atomic_load(&p->shared->ports[!p->far]));
  must_system("connect",
              connect(fd, (struct sockaddr *)(void *)&addr, len) == 0);
  pair_meet(p);
  return fd;
}

/* One datagram; sleeps in epoll or spins until it comes. */
static size_t take(int fd, int epoll_fd, bool spin, uint8_t *out, size_t size) {
  struct epoll_event ev;
  ssize_t n;

  for (;;) {
    if (!spin) {
      (void)epoll_wait(epoll_fd, &ev, 1, -1);
    }
    n = recv(fd, out, size, MSG_DONTWAIT);
    if (n >= 0) {
      return (size_t)n;
    }
    must_system("recv", errno == EAGAIN || errno == EINTR);
  }
}

static int watch(int fd) {
  struct epoll_event ev = {.events = EPOLLIN};
  const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

  must_system("epoll", epoll_fd >= 0 &&
                           epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0);
  return epoll_fd;
}

void raw_pingpong(const struct pair *p, int fd, bool spin, unsigned n,
                  unsigned warm_up, size_t len, struct histogram *h) {
  const int epoll_fd = watch(fd);
  uint8_t bytes[2048] = {0};

  pair_meet(p);
  for (unsigned i = 0; i < n; i++) {
    if (p->far) {
      must_system("send",
                  send(fd, bytes,
                       take(fd, epoll_fd, spin, bytes, sizeof(bytes)), 0) > 0);
    } else {
      const hs2n_time start = hs2n_io_now();

      must_system("send", send(fd, bytes, len, 0) > 0);
      (void)take(fd, epoll_fd, spin, bytes, sizeof(bytes));
      if (i >= warm_up) {
        histogram_record(h, hs2n_io_now() - start);
      }
    }
  }
  close(epoll_fd);
}

static void bulk_send(int fd, int epoll_fd, uint64_t bytes) {
  static uint8_t batch[BATCH];
  uint64_t leave = PARTS_AHEAD * (uint64_t)PART;
  uint64_t taken = 0;
  uint8_t word[8];

  for (uint64_t sent = 0; sent < bytes || taken < bytes;) {
    if (sent < bytes && sent < leave) {
      must_system("send", send(fd, batch, BATCH, 0) == BATCH);
      sent += BATCH;
      continue;
    }
    (void)take(fd, epoll_fd, false, word, sizeof(word));
    taken += PART;
    leave += PART;
  }
}

static void bulk_take(int fd, int epoll_fd, uint64_t bytes) {
  static uint8_t batch[65536];
  uint64_t told = 0;

  for (uint64_t got = 0; got < bytes;) {
    got += take(fd, epoll_fd, false, batch, sizeof(batch));
    for (; told + PART <= got; told += PART) {
      must_system("send", send(fd, batch, 8, 0) == 8);
    }
  }
}

uint64_t raw_bulk(const struct pair *p, int fd, uint64_t bytes) {
  const uint64_t whole = (bytes + PART - 1) / PART * PART;
  const int epoll_fd = watch(fd);
  const hs2n_time start = hs2n_io_now();

  if (p->far) {
    set(fd, IPPROTO_UDP, UDP_GRO, 1);
  }
  pair_meet(p);
  if (p->far) {
    bulk_take(fd, epoll_fd, whole);
  } else {
    set(fd, IPPROTO_UDP, UDP_SEGMENT, SEGMENT);
    bulk_send(fd, epoll_fd, whole);
    set(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
  }
  close(epoll_fd);
  return p->far ? 0 : (hs2n_io_now() - start) * bytes / whole;
}
