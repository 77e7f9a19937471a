/* tls_bench: what the cryptography costs: our glue beside ngtcp2's own.
 *
 *   tls_bench [SECONDS]
 *
 * One number each, the best of five turns of SECONDS (default 0.2) because
 * other programs can only make a turn slower; on one core, in memory.  A
 * handshake is both ends together. */
#include "pair.h"

#include "tls/keys.h"

#include <stdlib.h>
#include <time.h>
#include <wolfssl/openssl/evp.h>
#include <wolfssl/quic.h>

#define TURNS 5
#define PACKET 1452u

static double turn_s = 0.2;

static double now_s(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Nanoseconds of one call of run. */
static double measure(void (*run)(void *), void *arg) {
  double best = 0;

  for (int i = 0; i < TURNS; i++) {
    const double start = now_s();
    double end = start;
    uint64_t n = 0;

    while (end - start < turn_s) {
      for (int k = 0; k < 16; k++, n++) {
        run(arg);
      }
      end = now_s();
    }
    if (i == 0 || (end - start) / (double)n < best) {
      best = (end - start) / (double)n;
    }
  }
  return best * 1e9;
}

static void say(const char *name, double value, const char *unit) {
  printf("%-44s %10.2f %s\n", name, value, unit);
  fflush(stdout);
}

/* ---- packets ------------------------------------------------------------ */

struct packets {
  struct hs2ni_packet_key *own;
  struct hs2ni_packet_key *own_mask;
  ngtcp2_crypto_aead aead;
  ngtcp2_crypto_aead_ctx seal;
  ngtcp2_crypto_aead_ctx open;
  ngtcp2_crypto_cipher_ctx mask;
  uint8_t bytes[2048];
  uint8_t sealed[2048];
  uint8_t out[2048];
};

static const uint8_t key[16] = {1, 2, 3};
static const uint8_t nonce[12] = {4, 5, 6};
static const uint8_t header[12] = {7, 8, 9};
static const size_t plain_len = PACKET - sizeof(header) - HS2NI_TAG_LEN;

static void seal_own(void *arg) {
  struct packets *p = arg;

  (void)hs2ni_seal(p->own, p->bytes, (struct hs2n_span){p->bytes, plain_len},
                   nonce, (struct hs2n_span){header, sizeof(header)});
}

static void open_own(void *arg) {
  struct packets *p = arg;

  if (hs2ni_open(p->own, p->out,
                 (struct hs2n_span){p->sealed, plain_len + HS2NI_TAG_LEN},
                 nonce, (struct hs2n_span){header, sizeof(header)}) != 0) {
    abort();
  }
}

static void mask_own(void *arg) {
  struct packets *p = arg;

  (void)hs2ni_header_mask(p->own_mask, p->out, p->bytes);
}

static void seal_stock(void *arg) {
  struct packets *p = arg;

  (void)ngtcp2_crypto_encrypt(p->bytes, &p->aead, &p->seal, p->bytes, plain_len,
                              nonce, sizeof(nonce), header, sizeof(header));
}

static void open_stock(void *arg) {
  struct packets *p = arg;

  if (ngtcp2_crypto_decrypt(p->out, &p->aead, &p->open, p->sealed,
                            plain_len + HS2NI_TAG_LEN, nonce, sizeof(nonce),
                            header, sizeof(header)) != 0) {
    abort();
  }
}

static void mask_stock(void *arg) {
  struct packets *p = arg;
  const ngtcp2_crypto_cipher none = {NULL};

  (void)ngtcp2_crypto_hp_mask(p->out, &none, &p->mask, p->bytes);
}

/* ngtcp2 takes what wolfSSL gives as const. */
static void *evp(const void *handle) {
  void *p;

  memcpy(&p, &handle, sizeof(p));
  return p;
}

static void bench_packets(struct hs2ni_env *env) {
  static struct packets p;
  const struct hs2ni_suite suite = {env, HS2NI_CIPHER_AES_128_GCM};

  p.own = hs2ni_packet_key_new(&suite, key);
  p.own_mask = hs2ni_header_key_new(&suite, key);
  p.aead.native_handle = evp(wolfSSL_EVP_aes_128_gcm());
  p.aead.max_overhead = HS2NI_TAG_LEN;
  p.mask.native_handle =
      wolfSSL_quic_crypt_new(wolfSSL_EVP_aes_128_ecb(), key, NULL, 1);
  if (p.own == NULL || p.own_mask == NULL || p.mask.native_handle == NULL ||
      ngtcp2_crypto_aead_ctx_encrypt_init(&p.seal, &p.aead, key, 12) != 0 ||
      ngtcp2_crypto_aead_ctx_decrypt_init(&p.open, &p.aead, key, 12) != 0) {
    abort();
  }
  (void)hs2ni_seal(p.own, p.sealed, (struct hs2n_span){p.bytes, plain_len},
                   nonce, (struct hs2n_span){header, sizeof(header)});
  say("seal 1452 B, ours", measure(seal_own, &p), "ns");
  say("seal 1452 B, stock", measure(seal_stock, &p), "ns");
  say("open 1452 B, ours", measure(open_own, &p), "ns");
  say("open 1452 B, stock", measure(open_stock, &p), "ns");
  say("header mask, ours", measure(mask_own, &p), "ns");
  say("header mask, stock", measure(mask_stock, &p), "ns");
  hs2ni_packet_key_free(p.own);
  hs2ni_packet_key_free(p.own_mask);
  ngtcp2_crypto_aead_ctx_free(&p.seal);
  ngtcp2_crypto_aead_ctx_free(&p.open);
  wolfSSL_EVP_CIPHER_CTX_free(p.mask.native_handle);
}

/* ---- derivation --------------------------------------------------------- */

static void expand_own(void *arg) {
  (void)hs2ni_expand(arg, 16, arg, "quic key");
}

static void expand_stock(void *arg) {
  static const uint8_t info[] = "\0\x10\x0etls13 quic key";
  ngtcp2_crypto_md md;

  (void)ngtcp2_crypto_hkdf_expand(
      arg, 16, ngtcp2_crypto_md_init(&md, evp(wolfSSL_EVP_sha256())), arg, 32,
      info, sizeof(info));
}

/* ---- signatures --------------------------------------------------------- */

struct signing {
  struct hs2n_identity *identity;
  struct hs2n_key key;
  uint8_t text[128];
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

static void sign(void *arg) {
  struct signing *s = arg;

  if (hs2n_sign(s->identity, (struct hs2n_span){s->text, sizeof(s->text)},
                s->signature) != HS2N_OK) {
    abort();
  }
}

static void verify(void *arg) {
  const struct signing *s = arg;

  if (hs2n_verify(&s->key, (struct hs2n_span){s->text, sizeof(s->text)},
                  s->signature) != HS2N_OK) {
    abort();
  }
}

static void hash(void *arg) {
  const struct signing *s = arg;
  const struct hs2n_span part = {s->text, sizeof(s->text)};
  uint8_t out[HS2N_HASH_LEN];

  hs2n_sha256(&part, 1, out);
}

/* ---- handshakes --------------------------------------------------------- */

static void shake(void *arg) {
  struct pair *p = arg;

  if (pair_dial(p) != HS2N_OK) {
    abort();
  }
  pair_run(p);
  if (!p->client.confirmed || !p->server.completed) {
    abort();
  }
  pair_hang_up(p);
}

static double bench_handshake(bool stock) {
  struct pair p;
  double ns;

  pair_init(&p, 1);
  p.stock = stock;
  if (pair_contexts(&p) != HS2N_OK) {
    abort();
  }
  ns = measure(shake, &p);
  pair_fini(&p);
  return ns;
}

int main(int argc, char **argv) {
  struct hs2ni_env env = {.mem = hs2n_mem_libc()};
  static struct signing s;
  uint8_t secret[32] = {1};
  struct pair p;

  if (argc > 1) {
    turn_s = strtod(argv[1], NULL);
  }
  printf("wolfSSL %s\n", hs2ni_tls_version());
  bench_packets(&env);
  say("HKDF-Expand-Label, ours", measure(expand_own, secret), "ns");
  say("HKDF-Expand-Label, stock", measure(expand_stock, secret), "ns");
  pair_init(&p, 1);
  s.identity = p.client.identity;
  s.key = hs2n_identity_key(s.identity);
  say("hs2n_sign, 128 B", measure(sign, &s) / 1000, "us");
  say("hs2n_verify, 128 B", measure(verify, &s) / 1000, "us");
  say("hs2n_sha256, 128 B", measure(hash, &s), "ns");
  pair_fini(&p);
  say("handshake, both ends, ours", bench_handshake(false) / 1000, "us");
  say("handshake, both ends, stock", bench_handshake(true) / 1000, "us");
  return 0;
}
