/* raw: UDP without anything on it, the floor that the rest is held to. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "histogram.h"
#include "micro.h"

/* A socket on loopback in each process that knows the other's address. */
int raw_open(const struct pair *p);

/* n pings of len bytes and their answers; times go into h but for the first
 * warm_up.  The far side answers. */
void raw_pingpong(const struct pair *p, int fd, bool spin, unsigned n,
                  unsigned warm_up, size_t len, struct histogram *h);

/* Sends bytes to the far side by UDP_SEGMENT, not faster than it takes them.
 * Returns the nanoseconds until all were taken; 0 at the far side. */
uint64_t raw_bulk(const struct pair *p, int fd, uint64_t bytes);

#endif /* BENCH_RAW_H */
