/* hs2net_hooks: what wolfSSL lacks once it is told not to ask the system. */
#include <wolfssl/wolfcrypt/libwolfssl_sources.h>

#include <wolfssl/wolfcrypt/random.h>

/* Called by OpenSSL's RAND_poll alone, which has nobody to ask here. */
int wc_GenerateSeed(OS_Seed *os, byte *seed, word32 len) {
  (void)os;
  (void)seed;
  (void)len;
  return RNG_FAILURE_E;
}
