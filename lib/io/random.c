#include <errno.h>
#include <hs2net/io.h>
#include <sys/random.h>

int hs2n_rand_system(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  while (len > 0) {
    const ssize_t n = getrandom(out, len, 0);

    if (n < 0) {
      if (errno == EINTR) {
        continue;
      }
      return -1;
    }
    out += n;
    len -= (size_t)n;
  }
  return 0;
}
