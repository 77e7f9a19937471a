/* cluster: the replicas, their load and their ledger, and what happens when.
 */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H

#include "child.h"
#include "folder.h"
#include "ledger.h"
#include "load.h"
#include "options.h"
#include "screen.h"

/* The life of the replica that is killed, in times of hs2n_io_now. */
struct victim {
  uint32_t index;
  hs2n_time killed;
  hs2n_time restarted;
  hs2n_time ready;     /* has read its log */
  hs2n_time recovered; /* commits new heights with the others; 0: not yet */
  uint64_t height_killed;
  uint64_t height_recovered;
};

struct cluster {
  struct options options;
  struct folder folder;
  struct child children[CLUSTER_N_MAX];
  struct ledger ledger;
  struct load load;
  struct screen screen;
  struct victim victim;
  hs2n_time began;     /* load started */
  hs2n_time ended;     /* load stopped */
  uint64_t txs_at_end; /* committed when the load stopped */
  hs2n_time drained;   /* everything committed */
  char wrong[512];     /* why it failed; "" while it did not */
};

/* Set by SIGINT and SIGTERM. */
bool cluster_interrupted(void);
void cluster_catch_signals(void);

/* Makes the folder, starts all and waits until they are connected. */
bool cluster_start(struct cluster *c, const struct options *o);

/* Lets the cluster run until a time, or until it fails or is interrupted. */
bool cluster_run_until(struct cluster *c, hs2n_time until);

/* Runs until pred says so; false when that takes longer than within. */
typedef bool (*cluster_pred)(const struct cluster *c);
bool cluster_run_till(struct cluster *c, cluster_pred pred, hs2n_time within);

/* The whole of a run with a kill in its middle. */
bool cluster_demo(struct cluster *c);

/* Ends all replicas and cleans up; safe after any failure. */
void cluster_stop(struct cluster *c);

bool cluster_fail(struct cluster *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* CLUSTER_CLUSTER_H */
