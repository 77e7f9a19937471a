#include "tap.h"
#include "test_mem.h"

#include <hs2net/error.h>
#include <hs2net/identity.h>

/* RFC 8410, 10.3, which is also what openssl writes. */
static const char rfc_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "-----END PRIVATE KEY-----\n";
/* The same key with attributes and its public half. */
static const char rfc_pem_v2[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n"
    "Z9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    "-----END PRIVATE KEY-----\n";
static const uint8_t rfc_key[HS2N_KEY_LEN] = {
    0x19, 0xbf, 0x44, 0x09, 0x69, 0x84, 0xcd, 0xfe, 0x85, 0x41, 0xba,
    0xc1, 0x67, 0xdc, 0x3b, 0x96, 0xc8, 0x50, 0x86, 0xaa, 0x30, 0xb6,
    0xb6, 0xcb, 0x0c, 0x5c, 0x38, 0xad, 0x70, 0x31, 0x66, 0xe1};

static struct hs2n_span span_of(const char *text) {
  return (struct hs2n_span){(const uint8_t *)text, strlen(text)};
}

static int read_text(const char *text) {
  struct hs2n_identity *identity = NULL;
  const int rv =
      hs2n_identity_from_pem(&identity, hs2n_mem_libc(), span_of(text));

  hs2n_identity_free(identity);
  return rv;
}

static int counting_rand(void *user_data, uint8_t *out, size_t len) {
  uint8_t *next = user_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (*next)++;
  }
  return 0;
}

static int failing_rand(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  memset(out, 0, len);
  return -1;
}

static struct hs2n_identity *make(uint8_t first) {
  struct hs2n_identity *identity = NULL;

  CHECK_EQ(
      hs2n_identity_generate(&identity, hs2n_mem_libc(), counting_rand, &first),
      HS2N_OK);
  return identity;
}

static void reads_the_key_of_the_rfc(void) {
  struct hs2n_identity *identity;
  struct hs2n_key key;

  REQUIRE(hs2n_identity_from_pem(&identity, hs2n_mem_libc(),
                                 span_of(rfc_pem)) == HS2N_OK);
  key = hs2n_identity_key(identity);
  CHECK_MEM(key.bytes, rfc_key, sizeof(rfc_key));
  hs2n_identity_free(identity);
}

static void reads_the_form_with_the_public_key(void) {
  struct hs2n_identity *identity;
  struct hs2n_key key;

  REQUIRE(hs2n_identity_from_pem(&identity, hs2n_mem_libc(),
                                 span_of(rfc_pem_v2)) == HS2N_OK);
  key = hs2n_identity_key(identity);
  CHECK_MEM(key.bytes, rfc_key, sizeof(rfc_key));
  hs2n_identity_free(identity);
}

static void writes_what_openssl_writes(void) {
  struct hs2n_identity *identity;
  char text[HS2N_IDENTITY_PEM_MAX];

  REQUIRE(hs2n_identity_from_pem(&identity, hs2n_mem_libc(),
                                 span_of(rfc_pem_v2)) == HS2N_OK);
  CHECK_EQ(hs2n_identity_to_pem(identity, text, sizeof(text)), strlen(rfc_pem));
  CHECK_TEXT(text, rfc_pem);
  CHECK_EQ(hs2n_identity_to_pem(identity, text, strlen(rfc_pem)),
           HS2N_ERR_TOO_BIG);
  hs2n_identity_free(identity);
}

static void a_generated_identity_survives_the_file(void) {
  for (int first = 0; first < 256; first++) {
    struct hs2n_identity *a = make((uint8_t)first);
    struct hs2n_identity *b;
    char text[HS2N_IDENTITY_PEM_MAX];
    struct hs2n_key ka;
    struct hs2n_key kb;

    CHECK(hs2n_identity_to_pem(a, text, sizeof(text)) > 0);
    REQUIRE(hs2n_identity_from_pem(&b, hs2n_mem_libc(), span_of(text)) ==
            HS2N_OK);
    ka = hs2n_identity_key(a);
    kb = hs2n_identity_key(b);
    CHECK_MEM(ka.bytes, kb.bytes, HS2N_KEY_LEN);
    hs2n_identity_free(a);
    hs2n_identity_free(b);
  }
}

static void every_beginning_of_a_file_is_truncated(void) {
  const char *files[] = {rfc_pem, rfc_pem_v2};

  for (size_t f = 0; f < 2; f++) {
    /* Without its last line feed a file is complete. */
    for (size_t len = 0; len + 1 < strlen(files[f]); len++) {
      struct hs2n_identity *identity;
      const struct hs2n_span pem = {(const uint8_t *)files[f], len};

      CHECK_EQ(hs2n_identity_from_pem(&identity, hs2n_mem_libc(), pem),
               HS2N_ERR_TRUNCATED);
    }
  }
}

static void other_keys_are_named_as_such(void) {
  /* openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 */
  CHECK_EQ(
      read_text(
          "-----BEGIN PRIVATE KEY-----\n"
          "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZ4QC2ZBlkCUQZ9E3\n"
          "QqkOc+U9GedhkU/7+dcCYsCqLqChRANCAARmdJo5HjFtbyLfJ0v8o2A8xMJBQVOY\n"
          "DqwQILuO6wqucml4srtM6nUVCJx0seFAWw44MSKZLxIzhbwUJJI9tXm4\n"
          "-----END PRIVATE KEY-----\n"),
      HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_text("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"),
           HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_text("-----BEGIN EC PRIVATE KEY-----\nAAAA\n"),
           HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"),
           HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_text("-----BEGIN PUBLIC KEY-----\nAAAA\n"), HS2N_ERR_BAD_KEY);
}

static void what_is_no_key_file_is_malformed(void) {
  CHECK_EQ(read_text("-----BEGIN CERTIFICATE-----\nAAAA\n"),
           HS2N_ERR_MALFORMED);
  CHECK_EQ(read_text("hello"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_text("-----BEGIN PRIVATE KEY-----\n"
                     "-----END PRIVATE KEY-----\n"),
           HS2N_ERR_MALFORMED);
  CHECK_EQ(read_text("-----BEGIN PRIVATE KEY-----\nMC4C?\n"),
           HS2N_ERR_MALFORMED);
}

/* rfc_pem with one piece of text in place of another. */
static int read_bent(const char *text, const char *old, const char *bent) {
  char all[2048];
  const char *at = strstr(text, old);

  if (at == NULL) {
    CHECK(at != NULL);
    return 0;
  }
  (void)snprintf(all, sizeof(all), "%.*s%s%s", (int)(at - text), text, bent,
                 at + strlen(old));
  return read_text(all);
}

static void bent_files_are_refused(void) {
  /* version 2, version 1 without a key, another object, a short seed */
  CHECK_EQ(read_bent(rfc_pem, "MC4CAQAw", "MC4CAQIw"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem, "MC4CAQAw", "MC4CAQEw"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem, "BQYDK2Vw", "BQYDK2Vx"), HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_bent(rfc_pem, "BCIEINTu", "BCIEH9Tu"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem, "EdVhC\n", "EdVhCAAAA\n"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem, "END", "ENDE"), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem, "EY-----\nMC", "EY-----\n=MC"),
           HS2N_ERR_MALFORMED);
  /* the public half does not fit, or the last bits are not zero */
  CHECK_EQ(read_bent(rfc_pem_v2, "AGb9EC", "AGb9ED"), HS2N_ERR_BAD_KEY);
  CHECK_EQ(read_bent(rfc_pem_v2, "xZuE=", "xZuF="), HS2N_ERR_MALFORMED);
  CHECK_EQ(read_bent(rfc_pem_v2, "xZuE=", "xZuE"), HS2N_ERR_MALFORMED);
}

static void white_space_around_and_crlf_are_fine(void) {
  CHECK_EQ(read_bent(rfc_pem, "-----END", " \r\n-----END"), HS2N_OK);
  CHECK_EQ(read_bent(rfc_pem, "-----BEGIN", "\n \t-----BEGIN"), HS2N_OK);
  CHECK_EQ(read_bent(rfc_pem, "EY-----\nM", "EY-----\r\nM"), HS2N_OK);
}

static void nothing_may_follow_the_block(void) {
  CHECK_EQ(read_bent(rfc_pem, "END PRIVATE KEY-----",
                     "END PRIVATE KEY-----\n-----BEGIN"),
           HS2N_ERR_MALFORMED);
}

static void a_large_file_is_refused_unread(void) {
  static char big[HS2N_IDENTITY_PEM_MAX + 2];

  memset(big, ' ', sizeof(big) - 1);
  CHECK_EQ(read_text(big), HS2N_ERR_TOO_BIG);
}

static void a_failing_rand_makes_no_identity(void) {
  struct hs2n_identity *identity = NULL;

  CHECK_EQ(
      hs2n_identity_generate(&identity, hs2n_mem_libc(), failing_rand, NULL),
      HS2N_ERR_RANDOM);
  CHECK(identity == NULL);
}

static void no_memory_is_an_error(void) {
  struct hs2n_identity *identity = NULL;
  struct test_mem t;

  test_mem_init(&t, 1);
  CHECK_EQ(hs2n_identity_from_pem(&identity, &t.mem, span_of(rfc_pem)),
           HS2N_ERR_NO_MEMORY);
  test_mem_init(&t, 0);
  CHECK_EQ(hs2n_identity_from_pem(&identity, &t.mem, span_of(rfc_pem)),
           HS2N_OK);
  CHECK_EQ(t.requests, 1);
  hs2n_identity_free(identity);
  CHECK_EQ(t.live_bytes, 0);
}

/* Memory that keeps what it is given back. */
struct keeper {
  _Alignas(16) uint8_t block[4096];
  bool taken;
};

static void *keeper_alloc(void *user_data, size_t len) {
  struct keeper *k = user_data;

  if (k->taken || len > sizeof(k->block)) {
    return NULL;
  }
  memset(k->block, 0, sizeof(k->block));
  k->taken = true;
  return k->block;
}

static void keeper_release(void *user_data, void *ptr, size_t len) {
  struct keeper *k = user_data;

  (void)ptr;
  (void)len;
  k->taken = false;
}

static void a_freed_identity_leaves_no_secret(void) {
  static struct keeper k;
  static const uint8_t zeros[sizeof(k.block)];
  const struct hs2n_mem mem = {&k, keeper_alloc, keeper_release};
  struct hs2n_identity *identity;
  uint8_t first = 1;

  REQUIRE(hs2n_identity_generate(&identity, &mem, counting_rand, &first) ==
          HS2N_OK);
  CHECK(memcmp(k.block, zeros, sizeof(zeros)) != 0);
  hs2n_identity_free(identity);
  CHECK(!k.taken);
  CHECK_MEM(k.block, zeros, sizeof(zeros));
}

/* RFC 8032, 7.1, test 3. */
static void signs_as_the_rfc_does(void) {
  static const char pem[] =
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3\n"
      "-----END PRIVATE KEY-----\n";
  static const uint8_t want[HS2N_SIGNATURE_LEN] = {
      0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6,
      0x9c, 0x3a, 0xbe, 0x01, 0xa3, 0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74,
      0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac, 0x18,
      0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60,
      0x98, 0x4d, 0xc6, 0x59, 0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e, 0xd2,
      0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a};
  struct hs2n_identity *identity;
  const struct hs2n_span bytes = {(const uint8_t *)"\xaf\x82", 2};
  uint8_t sig[HS2N_SIGNATURE_LEN];

  REQUIRE(hs2n_identity_from_pem(&identity, hs2n_mem_libc(), span_of(pem)) ==
          HS2N_OK);
  CHECK_EQ(hs2n_sign(identity, bytes, sig), HS2N_OK);
  CHECK_MEM(sig, want, sizeof(want));
  hs2n_identity_free(identity);
}

static void signatures_verify_and_bent_ones_do_not(void) {
  static const uint8_t text[] = "hs2net test\0the rest";
  struct hs2n_identity *identity = make(7);
  const struct hs2n_span bytes = {text, sizeof(text)};
  struct hs2n_key key = hs2n_identity_key(identity);
  uint8_t sig[HS2N_SIGNATURE_LEN];

  REQUIRE(hs2n_sign(identity, bytes, sig) == HS2N_OK);
  CHECK_EQ(hs2n_verify(&key, bytes, sig), HS2N_OK);
  for (size_t bit = 0; bit < sizeof(sig) * 8; bit += 5) {
    sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK_EQ(hs2n_verify(&key, bytes, sig), HS2N_ERR_BAD_SIGNATURE);
    sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  CHECK_EQ(hs2n_verify(&key, (struct hs2n_span){text, 3}, sig),
           HS2N_ERR_BAD_SIGNATURE);
  key.bytes[0] ^= 1;
  CHECK(hs2n_verify(&key, bytes, sig) != HS2N_OK);
  hs2n_identity_free(identity);
}

static void nothing_can_be_signed_too(void) {
  struct hs2n_identity *identity = make(9);
  const struct hs2n_key key = hs2n_identity_key(identity);
  const struct hs2n_span nothing = {NULL, 0};
  uint8_t sig[HS2N_SIGNATURE_LEN];

  CHECK_EQ(hs2n_sign(identity, nothing, sig), HS2N_OK);
  CHECK_EQ(hs2n_verify(&key, nothing, sig), HS2N_OK);
  hs2n_identity_free(identity);
}

/* A key of small order verifies signatures that nobody made. */
static void weak_keys_are_refused(void) {
  static const struct hs2n_key zero = {{0}};
  static const struct hs2n_key one = {{1}};
  static const struct hs2n_key outside = {{2}}; /* no such point */
  uint8_t sig[HS2N_SIGNATURE_LEN] = {1};
  const struct hs2n_span nothing = {NULL, 0};

  CHECK_EQ(hs2n_verify(&zero, nothing, sig), HS2N_ERR_BAD_KEY);
  CHECK_EQ(hs2n_verify(&one, nothing, sig), HS2N_ERR_BAD_KEY);
  CHECK_EQ(hs2n_verify(&outside, nothing, sig), HS2N_ERR_BAD_KEY);
}

static void the_hash_is_over_all_parts(void) {
  /* FIPS 180-4, "abc" */
  static const uint8_t want[HS2N_HASH_LEN] = {
      0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
      0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
      0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  const struct hs2n_span parts[] = {
      {(const uint8_t *)"a", 1}, {NULL, 0}, {(const uint8_t *)"bc", 2}};
  uint8_t got[HS2N_HASH_LEN];

  hs2n_sha256(parts, 3, got);
  CHECK_MEM(got, want, sizeof(want));
}

/* covers: G11 */
static void a_peer_id_is_the_hash_of_the_public_key(void) {
  /* openssl pkey -in rfc.pem -pubout -outform DER | sha256sum */
  static const uint8_t want[HS2N_PEER_ID_LEN] = {
      0xa1, 0xe9, 0x15, 0x60, 0x54, 0xe0, 0x4f, 0xac, 0x89, 0x9a, 0xe9,
      0xf2, 0x75, 0x13, 0x2c, 0xdc, 0x07, 0xa5, 0xdb, 0xc4, 0xea, 0x2c,
      0x2a, 0xd3, 0xa1, 0xff, 0xc6, 0xe0, 0xd2, 0x53, 0x68, 0x1f};
  struct hs2n_key key;
  struct hs2n_peer_id id;

  memcpy(key.bytes, rfc_key, sizeof(rfc_key));
  id = hs2n_key_peer_id(&key);
  CHECK_MEM(id.bytes, want, sizeof(want));
}

int main(void) {
  RUN(reads_the_key_of_the_rfc);
  RUN(reads_the_form_with_the_public_key);
  RUN(writes_what_openssl_writes);
  RUN(a_generated_identity_survives_the_file);
  RUN(every_beginning_of_a_file_is_truncated);
  RUN(other_keys_are_named_as_such);
  RUN(what_is_no_key_file_is_malformed);
  RUN(bent_files_are_refused);
  RUN(white_space_around_and_crlf_are_fine);
  RUN(nothing_may_follow_the_block);
  RUN(a_large_file_is_refused_unread);
  RUN(a_failing_rand_makes_no_identity);
  RUN(no_memory_is_an_error);
  RUN(a_freed_identity_leaves_no_secret);
  RUN(signs_as_the_rfc_does);
  RUN(signatures_verify_and_bent_ones_do_not);
  RUN(nothing_can_be_signed_too);
  RUN(weak_keys_are_refused);
  RUN(the_hash_is_over_all_parts);
  RUN(a_peer_id_is_the_hash_of_the_public_key);
  return tap_done();
}
