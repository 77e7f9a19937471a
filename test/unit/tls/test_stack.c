/* The pinned ngtcp2 and wolfSSL fit each other and have what we rely on. */
#include "base/env.h"
#include "tap.h"
#include "test_mem.h"

#include <wolfssl/options.h>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_wolfssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/cpuid.h>

static void contexts_live_in_the_given_memory(void) {
  struct test_mem t;
  struct hs2ni_env env = {.mem = &t.mem};
  WOLFSSL_CTX *server;
  WOLFSSL_CTX *client;

  test_mem_init(&t, 0);
  server = wolfSSL_CTX_new_ex(wolfTLSv1_3_server_method_ex(&env), &env);
  client = wolfSSL_CTX_new_ex(wolfTLSv1_3_client_method_ex(&env), &env);
  CHECK(server != NULL && client != NULL);
  CHECK_EQ(ngtcp2_crypto_wolfssl_configure_server_context(server), 0);
  CHECK_EQ(ngtcp2_crypto_wolfssl_configure_client_context(client), 0);
  CHECK(t.live_bytes > 0);
  wolfSSL_CTX_free(server);
  wolfSSL_CTX_free(client);
  CHECK_EQ(t.live_bytes, 0);
}

static void only_our_cipher_suites_can_be_chosen(void) {
  WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());

  CHECK_EQ(wolfSSL_CTX_set_cipher_list(
               ctx, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"),
           WOLFSSL_SUCCESS);
  CHECK(wolfSSL_CTX_set_cipher_list(ctx, "ECDHE-RSA-AES128-GCM-SHA256") !=
        WOLFSSL_SUCCESS);
  wolfSSL_CTX_free(ctx);
}

int main(void) {
  wolfSSL_Init();
  RUN(contexts_live_in_the_given_memory);
  RUN(only_our_cipher_suites_can_be_chosen);
  wolfSSL_Cleanup();
  return tap_done();
}
