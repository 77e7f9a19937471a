/* micro: what the measurements share.
 *
 * Each runs between two processes, one pinned to the first CPU and one to the
 * second, over loopback and through the public API.  Absolute figures differ
 * between machines and hours, so that what counts is measured side by side in
 * one run and given as a ratio. */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <hs2net/hs2net.h>
#include <stdatomic.h>

#define ROWS_MAX 128
#define PEERS_MAX 1000

struct row {
  const char *bench;
  const char *name;
  const char *unit;
  double value;
};

struct micro {
  bool quick;
  const char *only;  /* a bench's name; NULL: all */
  const char *bench; /* that runs now */
  struct row rows[ROWS_MAX];
  size_t rows_n;
  bool broken; /* a figure that is promised to be 0 is not */
  struct hs2n_identity *ids[PEERS_MAX + 1]; /* known to both processes */
};

/* Keeps and prints one figure.  name and unit are static. */
void micro_add(struct micro *m, const char *name, const char *unit,
               double value);

/* The same, of a figure that is promised to be 0: any other ends the program
 * with an error when all is measured. */
void micro_promise_zero(struct micro *m, const char *name, double value);

/* Prints and ends the program when err says so. */
void must(const char *what, int err);
void must_system(const char *what, bool ok);

/* ---- two processes ------------------------------------------------------ */

/* Memory of both. */
struct shared {
  atomic_uint ports[PEERS_MAX + 1];
  atomic_ullong numbers[8]; /* what a side tells the other */
};

struct pair {
  bool far;  /* the child; the parent is near and reports */
  int fd;    /* to the other side */
  int child; /* its process */
  struct shared *shared;
};

/* Returns in both. */
void pair_fork(struct pair *p);

/* Waits until the other side is there too. */
void pair_meet(const struct pair *p);

/* Ends the child in its process, and waits for it in the parent's. */
void pair_end(struct pair *p);

/* Nanoseconds of CPU that this process has used. */
uint64_t cpu_ns(void);

/* How many nodes one process may have, by its limit of descriptors. */
size_t peers_possible(void);

/* Calls of malloc and its like in this process so far. */
uint64_t allocation_count(void);

/* ---- the measurements --------------------------------------------------- */

void bench_pingpong(struct micro *m);
void bench_oneway(struct micro *m);
void bench_bulk(struct micro *m);
void bench_broadcast(struct micro *m);
void bench_connect(struct micro *m);
void bench_memory(struct micro *m);
void bench_allocations(struct micro *m);
void bench_copies(struct micro *m);
void bench_compress(struct micro *m);
void bench_wire(struct micro *m);
void bench_transports(struct micro *m);

#endif /* BENCH_MICRO_H */
