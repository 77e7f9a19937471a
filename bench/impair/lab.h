/* lab: network namespaces, one for each node, joined by emulated lines.
 *
 * Node i has the address 10.77.0.(i + 1) on a TUN device in a namespace that
 * has no other way out.  The namespaces have no name: they are gone with the
 * last process that has them open, however that ends. */
#ifndef IMPAIR_LAB_H
#define IMPAIR_LAB_H

#include "settings.h"

struct lab {
  uint32_t nodes;
  int namespaces[IMPAIR_NODES_MAX]; /* -1: none */
  int devices[IMPAIR_NODES_MAX];
  struct line *lines;
};

/* NULL, or what could not be done (see errno).  Needs CAP_SYS_ADMIN and
 * /dev/net/tun.  lab_close must follow either way. */
const char *lab_open(struct lab *lab, uint32_t nodes, uint64_t seed);
void lab_close(struct lab *lab);

/* Takes what node i has sent into its lines. */
void lab_read(struct lab *lab, uint32_t i, uint64_t now);

/* Delivers what has arrived; returns when there is more, or UINT64_MAX. */
uint64_t lab_deliver(struct lab *lab, uint64_t now);

#endif /* IMPAIR_LAB_H */
