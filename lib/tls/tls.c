#include "tls/tls.h"

#include "tls/hooks.h"
#include "tls/identity.h"
#include "tls/pem.h"
#include "tls/session.h"

#include <string.h>
#include <wolfssl/version.h>

/* Of hs2ni_tls_footprint. */
#define TLS_BYTES ((size_t)16 << 10)
#define YEAR_9999_END INT64_C(253402300799)
#define SUITES "TLS13-AES128-GCM-SHA256:TLS13-CHACHA20-POLY1305-SHA256"

/* The name is of the form that every host name has, and tells chains apart
 * without telling a chain's name. */
static void set_server_name(struct hs2ni_tls *tls, const char *chain_id) {
  static const char digits[] = "0123456789abcdef";
  static const char domain[] = ".hs2net";
  const struct hs2n_span part = {(const uint8_t *)chain_id, strlen(chain_id)};
  uint8_t hash[HS2N_HASH_LEN];
  size_t n = 0;

  hs2n_sha256(&part, 1, hash);
  for (size_t i = 0; i < 16; i++) {
    tls->server_name[n++] = digits[hash[i] >> 4];
    tls->server_name[n++] = digits[hash[i] & 15];
  }
  memcpy(tls->server_name + n, domain, sizeof(domain));
}

/* Own certificate and key.  wolfSSL takes the public half from the
 * certificate when it signs. */
static bool use_identity(WOLFSSL_CTX *ctx, const struct hs2n_identity *identity,
                         struct hs2n_span certificate) {
  uint8_t key[HS2NI_PKCS8_LEN];
  bool ok;

  hs2ni_pkcs8_write(hs2ni_identity_seed(identity), key);
  ok = wolfSSL_CTX_use_certificate_buffer(
           ctx, certificate.data, (long)certificate.len, SSL_FILETYPE_ASN1) ==
           WOLFSSL_SUCCESS &&
       wolfSSL_CTX_use_PrivateKey_buffer(ctx, key, sizeof(key),
                                         SSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
  wc_ForceZero(key, sizeof(key));
  return ok;
}

/* What may be negotiated. */
static bool restrict_choices(WOLFSSL_CTX *ctx) {
  int groups[] = {
#ifdef WOLFSSL_PQC_HYBRIDS
      WOLFSSL_X25519MLKEM768,
#endif
      WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1};

  return wolfSSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ==
             WOLFSSL_SUCCESS &&
         wolfSSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) ==
             WOLFSSL_SUCCESS &&
         wolfSSL_CTX_set_cipher_list(ctx, SUITES) == WOLFSSL_SUCCESS &&
         wolfSSL_CTX_set_groups(ctx, groups,
                                (int)(sizeof(groups) / sizeof(groups[0]))) ==
             WOLFSSL_SUCCESS &&
         wolfSSL_CTX_set1_sigalgs_list(ctx, "ED25519") == WOLFSSL_SUCCESS;
}

static bool set_up(WOLFSSL_CTX *ctx, const struct hs2ni_tls_config *config,
                   struct hs2n_span certificate) {
  wolfSSL_CTX_set_verify(
      ctx, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT,
      hs2ni_tls_session_verify);
  return restrict_choices(ctx) &&
         use_identity(ctx, config->identity, certificate) &&
         wolfSSL_CTX_set_quic_method(ctx, hs2ni_tls_quic_method()) ==
             WOLFSSL_SUCCESS;
}

/* Refuses, before any signature, a hello that names another chain or none. */
static bool require_server_name(const struct hs2ni_tls *tls) {
  WOLFSSL_CTX *ctx = tls->contexts[HS2NI_TLS_SERVER];

  if (wolfSSL_CTX_UseSNI(ctx, WOLFSSL_SNI_HOST_NAME, tls->server_name,
                         (unsigned short)strlen(tls->server_name)) !=
      WOLFSSL_SUCCESS) {
    return false;
  }
  wolfSSL_CTX_SNI_SetOptions(ctx, WOLFSSL_SNI_HOST_NAME,
                             WOLFSSL_SNI_ABORT_ON_ABSENCE);
  return true;
}

static int make_contexts(struct hs2ni_tls *tls,
                         const struct hs2ni_tls_config *config) {
  const uint64_t failures = tls->env->stats.allocation_failures;
  uint8_t bytes[HS2NI_CERTIFICATE_OWN];
  struct hs2n_span certificate = {bytes, 0};
  WOLFSSL_CTX *client;
  WOLFSSL_CTX *server;
  int rv;

  rv = hs2ni_certificate_write(config->identity, tls->unix_time_s, bytes,
                               &certificate.len);
  if (rv != HS2N_OK) {
    return rv;
  }
  client = wolfSSL_CTX_new_ex(wolfTLSv1_3_client_method_ex(tls->env), tls->env);
  server = wolfSSL_CTX_new_ex(wolfTLSv1_3_server_method_ex(tls->env), tls->env);
  tls->contexts[HS2NI_TLS_CLIENT] = client;
  tls->contexts[HS2NI_TLS_SERVER] = server;
  if (client != NULL && server != NULL && set_up(client, config, certificate) &&
      set_up(server, config, certificate) && require_server_name(tls)) {
    return HS2N_OK;
  }
  return tls->env->stats.allocation_failures > failures ? HS2N_ERR_NO_MEMORY
                                                        : HS2N_ERR_CRYPTO;
}

int hs2ni_tls_new(struct hs2ni_tls **out,
                  const struct hs2ni_tls_config *config) {
  struct hs2ni_env *env = config->env;
  struct hs2ni_tls *tls;
  int rv;

  if (wolfSSL_Init() != WOLFSSL_SUCCESS) {
    return HS2N_ERR_CRYPTO;
  }
  tls = hs2ni_hook_malloc(sizeof(*tls), env, DYNAMIC_TYPE_TMP_BUFFER);
  if (tls == NULL) {
    (void)wolfSSL_Cleanup();
    return HS2N_ERR_NO_MEMORY;
  }
  tls->env = env;
  tls->unix_time_s = config->unix_time_s > YEAR_9999_END ? YEAR_9999_END
                     : config->unix_time_s < 0           ? 0
                                                         : config->unix_time_s;
  tls->created_at = env->now;
  for (size_t i = 0; i < 2; i++) {
    tls->suites[i] =
        (struct hs2ni_suite){.env = env, .cipher = (enum hs2ni_cipher)i};
  }
  set_server_name(tls, config->chain_id);
  rv = make_contexts(tls, config);
  if (rv != HS2N_OK) {
    hs2ni_tls_free(tls);
    return rv;
  }
  *out = tls;
  return HS2N_OK;
}

/* wolfSSL's share is measured, and a test keeps it within a half of this. */
size_t hs2ni_tls_footprint(void) {
  return TLS_BYTES;
}

void hs2ni_tls_free(struct hs2ni_tls *tls) {
  if (tls == NULL) {
    return;
  }
  for (size_t i = 0; i < 2; i++) {
    wolfSSL_CTX_free(tls->contexts[i]);
  }
  hs2ni_hook_free(tls, NULL, DYNAMIC_TYPE_TMP_BUFFER);
  (void)wolfSSL_Cleanup();
}

const char *hs2ni_tls_version(void) {
#ifdef WOLFSSL_AESNI
  return LIBWOLFSSL_VERSION_STRING " aesni";
#else
  return LIBWOLFSSL_VERSION_STRING;
#endif
}
