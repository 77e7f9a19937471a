#include <hs2net/io.h>
#include <time.h>

/* CLOCK_MONOTONIC can't fail, and does not jump when somebody sets the wall
 * clock. */
hs2n_time hs2n_io_now(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return HS2N_S(ts.tv_sec) + (hs2n_time)ts.tv_nsec;
}
