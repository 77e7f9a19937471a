/* measure: what programs share that measure one setting after the other and
 * fail when a figure is worse than promised. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>

struct measure_args {
  const char *json; /* file, or NULL */
  bool quick;       /* fewer or shorter settings */
};

/* Reads [--quick] [--json FILE]; false, said on standard error, for others. */
bool measure_args(const char *program, int argc, char **argv,
                  struct measure_args *out);

/* Says on standard error what was not kept; returns kept. */
bool measure_promise(const char *program, bool kept, const char *what);

#endif /* BENCH_MEASURE_H */
