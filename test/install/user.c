/* A user's program: built outside of the source tree, with pkg-config only.
 * It reaches TLS below the library, which must come along. */
#include <hs2net/hs2net.h>
#include <stdio.h>

int main(void) {
  struct hs2n_identity *identity = NULL;
  const int err = hs2n_identity_generate(&identity, hs2n_mem_libc(),
                                         hs2n_rand_system, NULL);

  printf("hs2net %s: %s\n", hs2n_version(), hs2n_err_text(err));
  hs2n_identity_free(identity);
  return err == HS2N_OK ? 0 : 1;
}
