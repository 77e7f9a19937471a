/* ledger: an hs2n_mem that counts what a node holds and refuses to go beyond
 * what was promised before the start. */
#ifndef HS2NI_NODE_LEDGER_H
#define HS2NI_NODE_LEDGER_H

#include "base/recorder.h"

#include <hs2net/mem.h>
#include <stdint.h>

struct hs2ni_ledger {
  struct hs2n_mem mem; /* what the node uses */
  const struct hs2n_mem *inner;
  uint64_t live_bytes;
  uint64_t peak_bytes;
  uint64_t max_bytes;
  uint64_t refused; /* requests that would have gone beyond: the worst case was
                       wrong */
  uint64_t asked;   /* allocations asked of inner, the node's own included */
  const struct hs2ni_recorder *recorder;
};

/* inner is kept.  The ledger must not move afterwards. */
void hs2ni_ledger_init(struct hs2ni_ledger *ledger,
                       const struct hs2n_mem *inner, uint64_t max_bytes);

#endif /* HS2NI_NODE_LEDGER_H */
