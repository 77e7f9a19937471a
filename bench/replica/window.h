/* window: the keys of the transactions that were committed last.
 *
 * A fixed number of keys; the oldest leaves when a new one comes.  Since
 * keys are added in the order of commitment, all replicas agree on which
 * transactions are repetitions. */
#ifndef REP_WINDOW_H
#define REP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct rep_window {
  uint64_t *slots; /* open addressing, linear probing; 0: empty */
  uint64_t *ring;  /* keys by age */
  uint32_t mask;   /* slots - 1 */
  uint32_t keys_max;
  uint32_t count;
  uint32_t next; /* where the ring is written */
};

/* Allocates for keys_max keys, 1..2^30; false when memory is out, with w safe
 * for fini. */
bool rep_window_init(struct rep_window *w, uint32_t keys_max);
void rep_window_fini(struct rep_window *w);

bool rep_window_has(const struct rep_window *w, uint64_t key);

/* Adds a key and returns true, or false when it is in already. */
bool rep_window_add(struct rep_window *w, uint64_t key);

#endif /* REP_WINDOW_H */
