/* report: what hs2net-sim prints. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include "options.h"

struct report {
  uint64_t begun_ns; /* real */
  uint64_t runs, failed;
  uint64_t virtual_ns, run_ns, node_ns; /* run_ns: real, of all processes */
  uint64_t blocks, txs, messages, datagrams, bytes, steps;
  struct known_counts known;
  uint64_t settled_max, memory_peak;
  uint64_t faults[HS2N_SIM_CHAOS_KINDS];
};

void report_begin(struct report *r, const struct options *o);
void report_add(struct report *r, const struct options *o,
                const struct run_result *result);
/* Prints the summary; whether all seeds passed and all could be written. */
bool report_end(struct report *r, const struct options *o);

#endif /* SIM_REPORT_H */
