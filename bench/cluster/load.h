/* load: transactions at a steady rate, the same ones to all replicas.
 *
 * Open loop: transaction i is due at start + i / rate whatever the cluster
 * does, and its latency counts from then.  If the cluster can't take it, it
 * waits here and its latency grows, so nothing is left out of the figures
 * just when they are bad.
 *
 * The bytes are made once and lie in a ring; each replica reads at its own
 * pace from there. */
#ifndef CLUSTER_LOAD_H
#define CLUSTER_LOAD_H

#include "ledger.h"

struct load {
  uint32_t replicas;
  uint32_t tx_bytes;
  uint64_t rate; /* 0: keep window transactions outstanding */
  uint64_t window;
  bool on;
  hs2n_time start;
  uint64_t made; /* since start */
  uint8_t *ring;
  uint64_t head;                /* bytes ever written to the ring */
  uint64_t sent[CLUSTER_N_MAX]; /* bytes of them that a replica got */
  bool attached[CLUSTER_N_MAX];
  uint64_t random;
  hs2n_time blocked_at; /* since when the ring is full; 0: it is not */
};

bool load_init(struct load *l, uint32_t replicas, uint32_t tx_bytes,
               uint64_t seed);
void load_fini(struct load *l);

/* Begins, or goes on at another rate. */
void load_start(struct load *l, uint64_t rate, hs2n_time now);
void load_stop(struct load *l);

/* A replica takes part from the next transaction on, or no more. */
void load_attach(struct load *l, uint32_t replica);
void load_detach(struct load *l, uint32_t replica);

/* Makes what is due.  False when memory is out. */
bool load_make(struct load *l, struct ledger *ledger, hs2n_time now);

/* When load_make has something to do again. */
hs2n_time load_due(const struct load *l, hs2n_time now);

/* Whether a replica has something to read; writes it to its socket. */
bool load_waits(const struct load *l, uint32_t replica);
void load_write(struct load *l, uint32_t replica, int fd);

#endif /* CLUSTER_LOAD_H */
