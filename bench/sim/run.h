/* run: one seed of a scenario, from its first event to its verdict. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "cluster.h"
#include "known.h"
#include "profile.h"

#define RUN_TEXT_MAX 256

enum run_kind {
  RUN_CLUSTER, /* replicas */
  RUN_LOAD,    /* plain messages, every node to every other */
};

struct run_config {
  enum run_kind kind;
  struct cluster_config cluster; /* replicas: nodes of either kind */
  const struct profile *profile;
  enum hs2n_transport transport;
  hs2n_time length;       /* virtual, until the network is well for good */
  hs2n_time settle;       /* then within this all must go on */
  hs2n_time faults_every; /* 0: none */
  uint32_t faults;        /* which, as hs2n_sim_chaos has it; 0: all */
  int trace;              /* 0..3: printed as it happens */
  const char *record;     /* file, or NULL */
  const char *identity;   /* file that the recorded node's key goes to */
  uint32_t record_node;
  bool cached; /* see known.h */
};

/* Fits into a pipe in one piece. */
struct run_result {
  uint64_t seed;
  uint64_t hash;
  bool failed;
  char failure[RUN_TEXT_MAX];
  hs2n_time virtual_ns;
  hs2n_time meshed_ns;  /* until all connections stood; NEVER: they did not */
  hs2n_time settled_ns; /* after the network was well; NEVER: it did not */
  uint64_t real_ns;
  uint64_t height;                   /* blocks committed */
  uint64_t txs;                      /* submitted */
  uint64_t latency_p50, latency_p99; /* ns, of transactions or messages */
  uint64_t faults[HS2N_SIM_CHAOS_KINDS];
  uint64_t messages, datagrams, bytes, steps;
  uint64_t memory_peak;      /* of the largest node */
  struct known_counts known; /* in it */
  uint32_t nodes;
};

/* Runs it.  A failure's last events are printed. */
void run_seed(const struct run_config *config, uint64_t seed,
              struct run_result *out);

#endif /* SIM_RUN_H */
