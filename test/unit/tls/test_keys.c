/* Against the examples of RFC 9001, appendix A. */
#include "tap.h"
#include "test_mem.h"
#include "tls/hooks.h"
#include "tls/keys.h"

#define SPAN(array)        \
  (struct hs2n_span) {     \
    (array), sizeof(array) \
  }

/* A.1 */
static const uint8_t salt[] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                               0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                               0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
static const uint8_t dcid[] = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08};
static const uint8_t client_key[] = {0x1f, 0x36, 0x96, 0x13, 0xdd, 0x76,
                                     0xd5, 0x46, 0x77, 0x30, 0xef, 0xcb,
                                     0xe3, 0xb1, 0xa2, 0x2d};
static const uint8_t client_iv[] = {0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3,
                                    0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c};
static const uint8_t client_hp[] = {0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0,
                                    0xe8, 0x10, 0x28, 0x3a, 0x1e, 0x99,
                                    0x33, 0xad, 0xed, 0xd2};

/* A.5 */
static const uint8_t chacha_secret[] = {
    0x9a, 0xc3, 0x12, 0xa7, 0xf8, 0x77, 0x46, 0x8e, 0xbe, 0x69, 0x42,
    0x27, 0x48, 0xad, 0x00, 0xa1, 0x54, 0x43, 0xf1, 0x82, 0x03, 0xa0,
    0x7d, 0x60, 0x60, 0xf6, 0x88, 0xf3, 0x0f, 0x21, 0x63, 0x2b};
static const uint8_t chacha_key[] = {
    0xc6, 0xd9, 0x8f, 0xf3, 0x44, 0x1c, 0x3f, 0xe1, 0xb2, 0x18, 0x20,
    0x94, 0xf6, 0x9c, 0xaa, 0x2e, 0xd4, 0xb7, 0x16, 0xb6, 0x54, 0x88,
    0x96, 0x0a, 0x7a, 0x98, 0x49, 0x79, 0xfb, 0x23, 0xe1, 0xc8};
static const uint8_t chacha_ku[] = {
    0x12, 0x23, 0x50, 0x47, 0x55, 0x03, 0x6d, 0x55, 0x63, 0x42, 0xee,
    0x93, 0x61, 0xd2, 0x53, 0x42, 0x1a, 0x82, 0x6c, 0x9e, 0xcd, 0xf3,
    0xc7, 0x14, 0x86, 0x84, 0xb3, 0x6b, 0x71, 0x48, 0x81, 0xf9};
static const uint8_t chacha_hp[] = {
    0x25, 0xa2, 0x82, 0xb9, 0xe8, 0x2f, 0x06, 0xf2, 0x1f, 0x48, 0x89,
    0x17, 0xa4, 0xfc, 0x8f, 0x1b, 0x73, 0x57, 0x36, 0x85, 0x60, 0x85,
    0x97, 0xd0, 0xef, 0xcb, 0x07, 0x6b, 0x0a, 0xb7, 0xa7, 0xa4};

static struct test_mem mem;
static struct hs2ni_env env;

static struct hs2ni_suite suite(enum hs2ni_cipher cipher) {
  return (struct hs2ni_suite){.env = &env, .cipher = cipher};
}

static void derives_initial_keys(void) {
  uint8_t common[HS2NI_SECRET_LEN];
  uint8_t secret[HS2NI_SECRET_LEN];
  uint8_t got[16];

  CHECK_EQ(hs2ni_extract(common, SPAN(salt), SPAN(dcid)), 0);
  CHECK_EQ(hs2ni_expand(secret, sizeof(secret), common, "client in"), 0);
  CHECK_EQ(hs2ni_expand(got, 16, secret, "quic key"), 0);
  CHECK_MEM(got, client_key, 16);
  CHECK_EQ(hs2ni_expand(got, 12, secret, "quic iv"), 0);
  CHECK_MEM(got, client_iv, 12);
  CHECK_EQ(hs2ni_expand(got, 16, secret, "quic hp"), 0);
  CHECK_MEM(got, client_hp, 16);
}

static void derives_chacha_keys_and_the_next_secret(void) {
  uint8_t got[32];

  CHECK_EQ(hs2ni_expand(got, 32, chacha_secret, "quic key"), 0);
  CHECK_MEM(got, chacha_key, 32);
  CHECK_EQ(hs2ni_expand(got, 32, chacha_secret, "quic hp"), 0);
  CHECK_MEM(got, chacha_hp, 32);
  CHECK_EQ(hs2ni_expand(got, 32, chacha_secret, "quic ku"), 0);
  CHECK_MEM(got, chacha_ku, 32);
}

/* A.2 */
static void masks_headers_with_aes(void) {
  static const uint8_t sample[] = {0xd1, 0xb1, 0xc9, 0x8d, 0xd7, 0x68,
                                   0x9f, 0xb8, 0xec, 0x11, 0xd2, 0x42,
                                   0xb1, 0x23, 0xdc, 0x9b};
  static const uint8_t want[] = {0x43, 0x7b, 0x9a, 0xec, 0x36};
  const struct hs2ni_suite s = suite(HS2NI_CIPHER_AES_128_GCM);
  struct hs2ni_packet_key *key = hs2ni_header_key_new(&s, client_hp);
  uint8_t mask[HS2NI_SAMPLE_LEN];

  REQUIRE(key != NULL);
  CHECK_EQ(hs2ni_header_mask(key, mask, sample), 0);
  CHECK_MEM(mask, want, sizeof(want));
  hs2ni_packet_key_free(key);
}

/* A.5 */
static void masks_headers_with_chacha(void) {
  static const uint8_t sample[] = {0x5e, 0x5c, 0xd5, 0x5c, 0x41, 0xf6,
                                   0x90, 0x80, 0x57, 0x5d, 0x79, 0x99,
                                   0xc2, 0x5a, 0x5b, 0xfb};
  static const uint8_t want[] = {0xae, 0xfe, 0xfe, 0x7d, 0x03};
  const struct hs2ni_suite s = suite(HS2NI_CIPHER_CHACHA20_POLY1305);
  struct hs2ni_packet_key *key = hs2ni_header_key_new(&s, chacha_hp);
  uint8_t mask[HS2NI_SAMPLE_LEN];

  REQUIRE(key != NULL);
  CHECK_EQ(hs2ni_header_mask(key, mask, sample), 0);
  CHECK_MEM(mask, want, sizeof(want));
  CHECK_EQ(hs2ni_header_mask(key, mask, sample), 0); /* and again */
  CHECK_MEM(mask, want, sizeof(want));
  hs2ni_packet_key_free(key);
}

/* A.5: one PING frame. */
static void seals_a_chacha_packet(void) {
  static const uint8_t nonce[] = {0xe0, 0x45, 0x9b, 0x34, 0x74, 0xbd,
                                  0xd0, 0xe4, 0x6d, 0x41, 0x7e, 0xb0};
  static const uint8_t header[] = {0x42, 0x00, 0xbf, 0xf4};
  static const uint8_t want[] = {0x65, 0x5e, 0x5c, 0xd5, 0x5c, 0x41,
                                 0xf6, 0x90, 0x80, 0x57, 0x5d, 0x79,
                                 0x99, 0xc2, 0x5a, 0x5b, 0xfb};
  const struct hs2ni_suite s = suite(HS2NI_CIPHER_CHACHA20_POLY1305);
  struct hs2ni_packet_key *key = hs2ni_packet_key_new(&s, chacha_key);
  uint8_t packet[1 + HS2NI_TAG_LEN] = {0x01};

  REQUIRE(key != NULL);
  CHECK_EQ(hs2ni_seal(key, packet, (struct hs2n_span){packet, 1}, nonce,
                      SPAN(header)),
           0);
  CHECK_MEM(packet, want, sizeof(want));
  hs2ni_packet_key_free(key);
}

/* Every length up to a packet, in place; and each bent byte is noticed. */
static void opens_what_it_sealed_and_nothing_else(void) {
  static const uint8_t bytes[HS2NI_PACKET_KEY_MAX] = {1, 2, 3};
  static const uint8_t nonce[HS2NI_NONCE_LEN] = {4, 5, 6};
  static const uint8_t aad[] = {7, 8, 9};

  for (int cipher = 0; cipher < 2; cipher++) {
    const struct hs2ni_suite s = suite((enum hs2ni_cipher)cipher);
    struct hs2ni_packet_key *key = hs2ni_packet_key_new(&s, bytes);

    REQUIRE(key != NULL);
    for (size_t len = 0; len <= 1452; len += len < 70 ? 1 : 97) {
      uint8_t packet[1500];
      uint8_t plain[1500];
      const struct hs2n_span sealed = {packet, len + HS2NI_TAG_LEN};

      memset(packet, 0x5a, len);
      CHECK_EQ(hs2ni_seal(key, packet, (struct hs2n_span){packet, len}, nonce,
                          SPAN(aad)),
               0);
      CHECK_EQ(hs2ni_open(key, plain, sealed, nonce, SPAN(aad)), 0);
      CHECK(len == 0 || (plain[0] == 0x5a && plain[len - 1] == 0x5a));
      packet[len / 2] ^= 1;
      CHECK(hs2ni_open(key, plain, sealed, nonce, SPAN(aad)) != 0);
      packet[len / 2] ^= 1;
      CHECK(hs2ni_open(key, plain, sealed, nonce, (struct hs2n_span){aad, 2}) !=
            0);
      CHECK(hs2ni_open(key, plain,
                       (struct hs2n_span){packet, HS2NI_TAG_LEN - 1}, nonce,
                       SPAN(aad)) != 0);
    }
    hs2ni_packet_key_free(key);
  }
}

static const uint8_t *secret_bytes;
static size_t secret_len;
static bool secret_seen;

/* Looks for the secret in what is given back. */
static void watching_release(void *user_data, void *ptr, size_t len) {
  const uint8_t *p = ptr;

  for (size_t i = 0; p != NULL && i + secret_len <= len; i++) {
    secret_seen = secret_seen || memcmp(p + i, secret_bytes, secret_len) == 0;
  }
  test_mem_release(user_data, ptr, len);
}

static void a_freed_key_leaves_no_secret(void) {
  uint8_t *p;

  mem.mem.release = watching_release;
  for (int cipher = 0; cipher < 2; cipher++) {
    const struct hs2ni_suite s = suite((enum hs2ni_cipher)cipher);

    secret_bytes = chacha_key;
    secret_len = 16;
    secret_seen = false;
    hs2ni_packet_key_free(hs2ni_packet_key_new(&s, chacha_key));
    hs2ni_packet_key_free(hs2ni_header_key_new(&s, chacha_key));
    CHECK(!secret_seen);
  }
  /* The watcher sees what is there. */
  p = hs2ni_hook_malloc(16, &env, 0);
  memcpy(p, chacha_key, 16);
  hs2ni_hook_free(p, &env, 0);
  CHECK(secret_seen);
  mem.mem.release = test_mem_release;
}

static void no_memory_makes_no_key(void) {
  const struct hs2ni_suite s = suite(HS2NI_CIPHER_AES_128_GCM);

  mem.fail_at = mem.requests + 1;
  CHECK(hs2ni_packet_key_new(&s, client_key) == NULL);
  mem.fail_at = mem.requests + 1;
  CHECK(hs2ni_header_key_new(&s, client_key) == NULL);
  CHECK_EQ(mem.live_bytes, 0);
}

int main(void) {
  test_mem_init(&mem, 0);
  env.mem = &mem.mem;
  RUN(derives_initial_keys);
  RUN(derives_chacha_keys_and_the_next_secret);
  RUN(masks_headers_with_aes);
  RUN(masks_headers_with_chacha);
  RUN(seals_a_chacha_packet);
  RUN(opens_what_it_sealed_and_nothing_else);
  RUN(a_freed_key_leaves_no_secret);
  RUN(no_memory_makes_no_key);
  return tap_done();
}
