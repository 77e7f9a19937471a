#include "io/socket.h"

#include "io/addr.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Linux 4.18 and 5.0; older C libraries do not name them. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

void hs2ni_io_log(const struct hs2ni_io_log *log, enum hs2n_log_level level,
                  const char *event, const char *format, ...) {
  char text[256];
  va_list args;

  if (log->fn == NULL) {
    return;
  }
  va_start(args, format);
  vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  log->fn(log->data, level, event, text);
}

static int set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value));
}

/* Wanted but not needed: without it ECN, the source address of answers or
 * the count of drops is missing, and everything else works. */
static void try_set(int fd, int level, int name, int value) {
  (void)set(fd, level, name, value);
}

/* A dual-stack socket takes the IPv4 options too, for its IPv4 datagrams.
 * Which local address a datagram came to is news on a wildcard alone.  PROBE:
 * set DF and don't cut at the kernel's idea of the path's MTU, since QUIC finds
 * the MTU itself (RFC 9000, 14.3). */
static void set_options(const struct hs2ni_socket *s, bool wildcard) {
  const int fd = s->fd;

  try_set(fd, IPPROTO_IP, IP_RECVTOS, 1);
  try_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (s->family == AF_INET6) {
    try_set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    try_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, wildcard);
    try_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  } else {
    try_set(fd, IPPROTO_IP, IP_PKTINFO, wildcard);
  }
  try_set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
}

/* The kernel cuts a wish at a limit without an error, and reports twice what
 * it granted (socket(7)). */
static uint32_t set_buffer(const struct hs2ni_socket *s, int name,
                           uint32_t want) {
  int got = 0;
  socklen_t len = sizeof(got);

  try_set(s->fd, SOL_SOCKET, name, want > INT32_MAX ? INT32_MAX : (int)want);
  if (getsockopt(s->fd, SOL_SOCKET, name, &got, &len) != 0 || got < 0) {
    return 0;
  }
  return (uint32_t)got / 2;
}

static void set_buffers(struct hs2ni_socket *s,
                        const struct hs2n_io_config *config) {
  const struct hs2ni_io_log log = {.fn = config->log, .data = config->log_data};

  s->rcvbuf_bytes = set_buffer(s, SO_RCVBUF, config->rcvbuf_bytes);
  s->sndbuf_bytes = set_buffer(s, SO_SNDBUF, config->sndbuf_bytes);
  if (s->rcvbuf_bytes < config->rcvbuf_bytes) {
    hs2ni_io_log(&log, HS2N_LOG_WARN, "io.rcvbuf",
                 "wanted=%u got=%u raise=net.core.rmem_max",
                 config->rcvbuf_bytes, s->rcvbuf_bytes);
  }
  if (s->sndbuf_bytes < config->sndbuf_bytes) {
    hs2ni_io_log(&log, HS2N_LOG_WARN, "io.sndbuf",
                 "wanted=%u got=%u raise=net.core.wmem_max",
                 config->sndbuf_bytes, s->sndbuf_bytes);
  }
}

/* The option exists since Linux 4.18; value 0 changes nothing. */
static bool knows_segmentation(int fd) {
  return set(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0;
}

static int fail(struct hs2ni_socket *s) {
  const int err = errno;

  hs2ni_socket_close(s);
  errno = err;
  return HS2N_ERR_SYSTEM;
}

static int open_family(struct hs2ni_socket *s,
                       const struct hs2n_io_config *config,
                       const struct hs2n_addr *listen) {
  union hs2ni_sockaddr bound;
  socklen_t len = sizeof(bound);

  s->family = listen->family == HS2N_FAMILY_IPV6 ? AF_INET6 : AF_INET;
  s->fd = socket(s->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) {
    return fail(s);
  }
  if (s->family == AF_INET6 && set(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) {
    return fail(s);
  }
  set_options(s, hs2ni_addr_ip_is_any(listen));
  set_buffers(s, config);
  len = hs2ni_addr_to_socket(listen, s->family, &bound);
  if (bind(s->fd, &bound.any, len) != 0) {
    return fail(s);
  }
  len = sizeof(bound);
  if (getsockname(s->fd, &bound.any, &len) != 0) {
    return fail(s);
  }
  s->local = hs2ni_addr_from_socket(&bound);
  return HS2N_OK;
}

int hs2ni_socket_open(struct hs2ni_socket *s,
                      const struct hs2n_io_config *config) {
  const struct hs2n_addr *listen = &config->listen;
  const struct hs2n_addr any_ipv4 = {.family = HS2N_FAMILY_IPV4,
                                     .port = listen->port};
  int rc;

  *s = (struct hs2ni_socket){.fd = -1};
  rc = open_family(s, config, listen);
  if (rc != HS2N_OK && listen->family == HS2N_FAMILY_IPV6 &&
      hs2ni_addr_ip_is_any(listen) &&
      (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
    rc = open_family(s, config, &any_ipv4);
  }
  if (rc == HS2N_OK && config->offload == HS2N_OFFLOAD_AUTO) {
    s->gso = knows_segmentation(s->fd);
    try_set(s->fd, IPPROTO_UDP, UDP_GRO, 1);
  }
  return rc;
}

void hs2ni_socket_close(struct hs2ni_socket *s) {
  if (s->fd >= 0) {
    close(s->fd);
  }
  s->fd = -1;
}
