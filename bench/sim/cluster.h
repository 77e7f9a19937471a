/* cluster: a committee of replicas in the simulator, its clients, and the
 * judge. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "recorder.h"
#include "replica.h"

#define CLUSTER_TX_MAX 65536u

struct cluster_config {
  uint32_t replicas;
  uint32_t tx_per_s; /* given to every replica */
  uint32_t tx_bytes; /* >= 8 */
  bool twin;         /* one more node with the key of replica 0, which is then
                        a twin pair in the sense of Bano et al. 2022 */
};

struct cluster {
  struct cluster_config config;
  struct hs2n_sim *sim;
  struct hs2n_sim_app app;
  struct judge judge;
  struct recorder *recorder; /* NULL: none; set it before cluster_start */
  struct replica *replicas;  /* one a node */
  uint32_t nodes;
  struct hs2n_member members[REP_N_MAX];
  bool submitting;
  uint8_t tx[CLUSTER_TX_MAX];
  uint64_t probe; /* last transaction of cluster_probe */
};

/* Makes the world of sim_config, whose nodes, app, members and keys are set
 * here.  NULL: it can't be made. */
struct cluster *cluster_new(const struct cluster_config *config,
                            struct hs2n_sim_config *sim_config);
void cluster_free(struct cluster *c); /* c may be NULL */

/* Starts all, and the clients. */
bool cluster_start(struct cluster *c);

/* Whether a node may lose its disk or misbehave, for hs2n_sim_chaos: no more
 * than f of 3f + 1 replicas are faulty for good.  From a yes on it is. */
bool cluster_may_fail(void *cluster, uint32_t node);

/* Restarts what does not run, and asks for progress: each honest replica that
 * runs commits `blocks` more than anybody had, and executes a transaction
 * submitted now.  Runs until then; not to get there within bound is a failure
 * of the simulation.  Returns how long it took, or HS2N_TIME_NEVER. */
hs2n_time cluster_must_go_on(struct cluster *c, uint64_t blocks,
                             hs2n_time bound);

#endif /* SIM_CLUSTER_H */
