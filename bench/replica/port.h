/* port: a replica's end of its client's socket, see client.h.
 *
 * Reading stops while the mempool is full, so a client that sends too much
 * waits in its own buffers; what it does not read waits here. */
#ifndef REP_PORT_H
#define REP_PORT_H

#include "client.h"
#include "core.h"

struct rep_port {
  int fd; /* -1: no client */
  bool ended;
  uint8_t *in;
  size_t in_len;
  size_t in_capacity;
  uint8_t *out;
  size_t out_len;
  size_t out_capacity;
};

/* Takes over fd and makes it non-blocking.  False when memory is out. */
bool rep_port_init(struct rep_port *port, int fd);
void rep_port_fini(struct rep_port *port);

/* Whether to wait until it is readable, and until it is writable. */
bool rep_port_wants_read(const struct rep_port *port,
                         const struct rep_core *core);
bool rep_port_wants_write(const struct rep_port *port);

/* Reads once and submits what is whole.  Sets ended at the end of input, or
 * when the client breaks the format. */
void rep_port_read(struct rep_port *port, struct rep_core *core, hs2n_time now);
void rep_port_write(struct rep_port *port);

/* Room for a frame of len content bytes behind its head, or NULL. */
uint8_t *rep_port_frame(struct rep_port *port, enum rep_client_kind kind,
                        size_t len);

#endif /* REP_PORT_H */
