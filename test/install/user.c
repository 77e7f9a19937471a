/* A user's program: built outside of the source tree, with pkg-config only. */
#include <hs2net/hs2net.h>
#include <stdio.h>

int main(void) {
  puts(hs2n_err_text(HS2N_OK));
  return 0;
}
