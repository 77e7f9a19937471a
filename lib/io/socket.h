/* socket: the one UDP socket of a driver. */
#ifndef HS2NI_IO_SOCKET_H
#define HS2NI_IO_SOCKET_H

#include <hs2net/io.h>

/* What the driver tells its user; quiet when fn is NULL. */
struct hs2ni_io_log {
  hs2n_log_fn fn;
  void *data;
};

void hs2ni_io_log(const struct hs2ni_io_log *log, enum hs2n_log_level level,
                  const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

struct hs2ni_socket {
  int fd;                 /* -1: none */
  int family;             /* AF_INET, or AF_INET6 that may speak both */
  bool gso;               /* UDP_SEGMENT works, as far as is known */
  struct hs2n_addr local; /* with the real port */
  uint32_t rcvbuf_bytes;  /* granted */
  uint32_t sndbuf_bytes;
};

/* Binds a socket that never blocks and reports ECN marks, local addresses
 * and drops.  [::] also listens for IPv4, and falls back to it alone on a
 * machine without IPv6.
 *
 * Returns HS2N_OK, or HS2N_ERR_SYSTEM with errno and s->fd -1. */
HS2N_MUST_CHECK int hs2ni_socket_open(struct hs2ni_socket *s,
                                      const struct hs2n_io_config *config);

void hs2ni_socket_close(struct hs2ni_socket *s);

#endif /* HS2NI_IO_SOCKET_H */
