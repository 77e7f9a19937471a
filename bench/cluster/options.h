/* options: the command line of hs2net-cluster. */
#ifndef CLUSTER_OPTIONS_H
#define CLUSTER_OPTIONS_H

#include "setup.h"

#define CLUSTER_N_MAX 64

struct options {
  uint32_t replicas;
  uint64_t rate; /* transactions a second; 0: as fast as possible */
  uint32_t tx_bytes;
  hs2n_time duration;
  bool kill;
  bool keep;
  bool sweep;
  enum rep_store_sync storage;
  enum hs2n_transport transport;
  uint32_t block_txs_max;
  uint32_t block_bytes_max;
  uint32_t timer_ms;    /* least time-out of a view */
  uint64_t uplink_mbit; /* a second, of each; 0: not told */
  uint16_t base_port;   /* 0: any free */
  int netns_fd;         /* first of the namespaces; -1: all in ours */
  uint64_t seed;
  const char *json; /* NULL: none */
};

enum options_result {
  OPTIONS_RUN,
  OPTIONS_SHOWN, /* help or version: nothing else to do */
  OPTIONS_WRONG, /* said on stderr */
};

enum options_result options_parse(struct options *out, int argc, char **argv);

#endif /* CLUSTER_OPTIONS_H */
