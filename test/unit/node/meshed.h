/* meshed: nodes that have found each other, where a test begins. */
#ifndef MESHED_H
#define MESHED_H

#include "netsim.h"
#include "tap.h"

static inline struct netsim *start(const struct netsim_config *c) {
  struct netsim *s = netsim_new(c);

  netsim_start_all(s);
  CHECK(netsim_until(s, netsim_meshed, HS2N_S(10)));
  return s;
}

static inline struct netsim *meshed(size_t nodes, uint64_t seed) {
  const struct netsim_config c = netsim_config(nodes, seed);

  return start(&c);
}

static inline struct hs2n_node *node(struct netsim *s, size_t i) {
  return netsim_node(s, i)->node;
}

#endif /* MESHED_H */
