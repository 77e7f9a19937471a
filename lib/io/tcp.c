#include "io/pipes.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* How much the kernel takes of a connection beyond what it may send: enough
 * for the time until the loop comes back, and little for a vote to wait
 * behind. */
#define NOTSENT_BYTES 16384

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value));
}

static void try_set(int fd, int level, int name, int value) {
  (void)set(fd, level, name, value);
}

static int as_int(uint32_t value) {
  return value > INT32_MAX ? INT32_MAX : (int)value;
}

/* The node decides what goes together and what leaves next, so nothing waits
 * in the kernel for more to come.  Connections whose peer acknowledges nothing
 * end by the kernel too, also those that were closed here. */
static void set_options(const struct hs2ni_pipes *p, int fd) {
  try_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  try_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES);
  try_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, as_int(p->idle_ms));
  if (p->sndbuf_bytes != 0) {
    try_set(fd, SOL_SOCKET, SO_SNDBUF, as_int(p->sndbuf_bytes));
  }
  if (p->rcvbuf_bytes != 0) {
    try_set(fd, SOL_SOCKET, SO_RCVBUF, as_int(p->rcvbuf_bytes));
  }
}

static int close_failed(int fd) {
  const int err = errno;

  close(fd);
  errno = err;
  return -1;
}

static int make_socket(int family) {
  const int fd =
      socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

  if (fd >= 0 && family == AF_INET6 &&
      set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) {
    return close_failed(fd);
  }
  return fd;
}

/* ---- listening ----------------------------------------------------------- */

/* REUSEADDR: connections of the process before this one may still be about to
 * end.  Two can't listen all the same. */
static int listen_on(struct hs2ni_pipes *p, int fd,
                     const struct hs2n_addr *listen_addr) {
  union hs2ni_sockaddr bound;
  socklen_t len = hs2ni_addr_to_socket(listen_addr, p->family, &bound);

  set_options(p, fd); /* buffers count from the first packet on */
  if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
      bind(fd, &bound.any, len) != 0 || listen(fd, SOMAXCONN) != 0) {
    return -1;
  }
  len = sizeof(bound);
  if (getsockname(fd, &bound.any, &len) != 0) {
    return -1;
  }
  p->local = hs2ni_addr_from_socket(&bound);
  return 0;
}

static int listen_family(struct hs2ni_pipes *p,
                         const struct hs2n_addr *listen_addr) {
  int fd;

  p->family = listen_addr->family == HS2N_FAMILY_IPV6 ? AF_INET6 : AF_INET;
  fd = make_socket(p->family);
  if (fd >= 0 && listen_on(p, fd, listen_addr) != 0) {
    fd = close_failed(fd);
  }
  p->listen_fd = fd;
  return fd < 0 ? HS2N_ERR_SYSTEM : HS2N_OK;
}

int hs2ni_tcp_listen(struct hs2ni_pipes *p, const struct hs2n_addr *listen) {
  const struct hs2n_addr any_ipv4 = {.family = HS2N_FAMILY_IPV4,
                                     .port = listen->port};
  int rc = listen_family(p, listen);

  if (rc != HS2N_OK && listen->family == HS2N_FAMILY_IPV6 &&
      hs2ni_addr_ip_is_any(listen) &&
      (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
    rc = listen_family(p, &any_ipv4);
  }
  return rc;
}

int hs2ni_tcp_accept(const struct hs2ni_pipes *p,
                     struct hs2n_addr *out_remote) {
  union hs2ni_sockaddr from = {.any = {.sa_family = AF_UNSPEC}};
  socklen_t len = sizeof(from);
  const int fd =
      accept4(p->listen_fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd >= 0) {
    set_options(p, fd);
    *out_remote = hs2ni_addr_from_socket(&from);
  }
  return fd;
}

/* ---- dialling ------------------------------------------------------------ */

/* Who listens at one address of this machine is seen to dial from it. */
static int bind_source(const struct hs2ni_pipes *p, int fd) {
  struct hs2n_addr source = p->local;
  union hs2ni_sockaddr bound;
  socklen_t len;

  if (hs2ni_addr_ip_is_any(&source)) {
    return 0;
  }
  source.port = 0;
  len = hs2ni_addr_to_socket(&source, p->family, &bound);
  try_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  return bind(fd, &bound.any, len);
}

int hs2ni_tcp_dial(const struct hs2ni_pipes *p,
                   const struct hs2n_addr *remote) {
  union hs2ni_sockaddr to;
  const socklen_t len = hs2ni_addr_to_socket(remote, p->family, &to);
  int fd;

  if (len == 0) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  fd = make_socket(p->family);
  if (fd < 0) {
    return -1;
  }
  set_options(p, fd);
  if (bind_source(p, fd) != 0 ||
      (connect(fd, &to.any, len) != 0 && errno != EINPROGRESS)) {
    return close_failed(fd);
  }
  return fd;
}
