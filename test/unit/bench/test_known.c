/* What is known need not be computed; what is not known is. */
#include "known.h"
#include "tap.h"

#include <hs2net/error.h>
#include <hs2net/identity.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ed25519.h>

static int counting_rand(void *rand_data, uint8_t *out, size_t len) {
  uint8_t *const next = rand_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (*next)++;
  }
  return 0;
}

static struct hs2n_identity *identity_of(uint8_t first) {
  struct hs2n_identity *identity = NULL;

  CHECK_EQ(
      hs2n_identity_generate(&identity, hs2n_mem_libc(), counting_rand, &first),
      HS2N_OK);
  return identity;
}

#define TEXT_LEN 40u

/* A signature over a text, made in this process. */
struct made {
  struct hs2n_key key;
  uint8_t text[TEXT_LEN];
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

static struct made make(uint8_t first) {
  struct hs2n_identity *const identity = identity_of(first);
  struct made m = {.text = {first}};

  m.key = hs2n_identity_key(identity);
  CHECK_EQ(hs2n_sign(identity, (struct hs2n_span){m.text, sizeof(m.text)},
                     m.signature),
           HS2N_OK);
  hs2n_identity_free(identity);
  return m;
}

static int verify(const struct made *m) {
  return hs2n_verify(&m->key, (struct hs2n_span){m->text, sizeof(m->text)},
                     m->signature);
}

static void nothing_is_known_before_it_begins(void) {
  const struct made m = make(1);

  CHECK_EQ(verify(&m), HS2N_OK);
  CHECK_EQ(known_counts().signatures, 0);
}

static void a_signature_made_here_is_known(void) {
  const struct made m = make(2);
  const struct known_counts before = known_counts();

  CHECK_EQ(verify(&m), HS2N_OK);
  CHECK_EQ(known_counts().signatures, before.signatures + 1);
  CHECK_EQ(known_counts().signatures_known, before.signatures_known + 1);
}

static void a_signature_found_good_is_known_from_then_on(void) {
  /* RFC 8032, 7.1, TEST 2: made elsewhere. */
  const struct hs2n_key key = {
      {0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a,
       0xa7, 0x4d, 0x1b, 0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4,
       0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c}};
  const uint8_t signature[HS2N_SIGNATURE_LEN] = {
      0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82,
      0x0b, 0x5f, 0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50,
      0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08,
      0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13,
      0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a,
      0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};
  const uint8_t text[] = {0x72};
  const struct hs2n_span bytes = {text, sizeof(text)};
  const uint64_t before = known_counts().signatures_known;

  CHECK_EQ(hs2n_verify(&key, bytes, signature), HS2N_OK);
  CHECK_EQ(known_counts().signatures_known, before);
  CHECK_EQ(hs2n_verify(&key, bytes, signature), HS2N_OK);
  CHECK_EQ(known_counts().signatures_known, before + 1);
}

/* Twice: an answer of no is not remembered as a yes. */
static void no_bent_signature_is_taken_for_a_known_one(void) {
  const struct made m = make(3);
  const uint64_t before = known_counts().signatures_known;

  for (size_t bit = 0; bit < 8 * sizeof(m.signature); bit++) {
    struct made bent = m;

    bent.signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(verify(&bent) != HS2N_OK);
    CHECK(verify(&bent) != HS2N_OK);
  }
  for (size_t bit = 0; bit < 8 * sizeof(m.text); bit++) {
    struct made bent = m;

    bent.text[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(verify(&bent) != HS2N_OK);
    CHECK(verify(&bent) != HS2N_OK);
  }
  CHECK_EQ(known_counts().signatures_known, before);
}

static void another_key_does_not_have_the_signature(void) {
  const struct made mine = make(4);
  struct made stolen = mine;

  stolen.key = make(5).key;
  CHECK_EQ(verify(&stolen), HS2N_ERR_BAD_SIGNATURE);
  CHECK_EQ(verify(&stolen), HS2N_ERR_BAD_SIGNATURE);
}

/* One half of each of two keys. */
static ed25519_key halves(const struct hs2n_key *public_half,
                          uint8_t first_of_private) {
  uint8_t seed[ED25519_KEY_SIZE];
  ed25519_key key;

  (void)counting_rand(&first_of_private, seed, sizeof(seed));
  CHECK_EQ(wc_ed25519_init_ex(&key, NULL, INVALID_DEVID), 0);
  CHECK_EQ(wc_ed25519_import_private_key_ex(
               seed, sizeof(seed), public_half->bytes, HS2N_KEY_LEN, &key, 1),
           0);
  return key;
}

static void a_signature_by_two_halves_of_two_keys_is_not_good(void) {
  const struct hs2n_key stolen = make(6).key;
  ed25519_key key = halves(&stolen, 7);
  struct made m = {.key = stolen};
  word32 len = sizeof(m.signature);

  CHECK_EQ(wc_ed25519_sign_msg(m.text, sizeof(m.text), m.signature, &len, &key),
           0);
  CHECK_EQ(verify(&m), HS2N_ERR_BAD_SIGNATURE);
  wc_ed25519_free(&key);
}

static void a_key_is_checked_once_with_each_private_half(void) {
  const struct hs2n_key of_eight = make(8).key;
  ed25519_key key = halves(&of_eight, 8);
  ed25519_key other = halves(&of_eight, 9);
  uint64_t before;

  CHECK_EQ(wc_ed25519_import_public(of_eight.bytes, HS2N_KEY_LEN, &key), 0);
  before = known_counts().keys_known;
  CHECK_EQ(wc_ed25519_import_public(of_eight.bytes, HS2N_KEY_LEN, &key), 0);
  CHECK_EQ(known_counts().keys_known, before + 1);
  for (int i = 0; i < 2; i++) {
    CHECK(wc_ed25519_import_public(of_eight.bytes, HS2N_KEY_LEN, &other) != 0);
  }
  CHECK_EQ(known_counts().keys_known, before + 1);
  wc_ed25519_free(&key);
  wc_ed25519_free(&other);
}

static void a_key_that_is_no_point_is_refused_each_time(void) {
  uint8_t none[HS2N_KEY_LEN] = {2};
  ed25519_key key;

  CHECK_EQ(wc_ed25519_init_ex(&key, NULL, INVALID_DEVID), 0);
  for (int i = 0; i < 2; i++) {
    CHECK(wc_ed25519_import_public(none, sizeof(none), &key) != 0);
  }
  wc_ed25519_free(&key);
}

static curve25519_key exchange_key(uint8_t first) {
  uint8_t secret[CURVE25519_KEYSIZE];
  uint8_t public_half[CURVE25519_KEYSIZE];
  curve25519_key key;

  (void)counting_rand(&first, secret, sizeof(secret));
  secret[0] &= 0xf8;
  secret[31] = (uint8_t)((secret[31] & 0x7f) | 0x40);
  CHECK_EQ(wc_curve25519_make_pub(sizeof(public_half), public_half,
                                  sizeof(secret), secret),
           0);
  CHECK_EQ(wc_curve25519_init(&key), 0);
  CHECK_EQ(wc_curve25519_import_private_raw_ex(secret, sizeof(secret),
                                               public_half, sizeof(public_half),
                                               &key, EC25519_LITTLE_ENDIAN),
           0);
  return key;
}

static int agree(curve25519_key *own, curve25519_key *peer,
                 uint8_t out[CURVE25519_KEYSIZE]) {
  word32 len = CURVE25519_KEYSIZE;

  return wc_curve25519_shared_secret_ex(own, peer, out, &len,
                                        EC25519_LITTLE_ENDIAN);
}

static void the_second_end_finds_what_the_first_computed(void) {
  curve25519_key a = exchange_key(10);
  curve25519_key b = exchange_key(11);
  curve25519_key c = exchange_key(12);
  uint8_t ab[CURVE25519_KEYSIZE];
  uint8_t ba[CURVE25519_KEYSIZE];
  uint8_t ac[CURVE25519_KEYSIZE];
  const struct known_counts before = known_counts();

  CHECK_EQ(agree(&a, &b, ab), 0);
  CHECK_EQ(known_counts().secrets_known, before.secrets_known);
  CHECK_EQ(agree(&b, &a, ba), 0);
  CHECK_EQ(known_counts().secrets_known, before.secrets_known + 1);
  CHECK_MEM(ab, ba, sizeof(ab));
  CHECK_EQ(agree(&a, &c, ac), 0);
  CHECK(memcmp(ab, ac, sizeof(ab)) != 0);
  CHECK_EQ(known_counts().secrets_known, before.secrets_known + 1);
}

/* What a peer that wants a secret that all know would send. */
static void a_point_of_small_order_is_refused_each_time(void) {
  curve25519_key own = exchange_key(13);
  curve25519_key zero = exchange_key(14);
  uint8_t out[CURVE25519_KEYSIZE];

  memset(zero.p.point, 0, sizeof(zero.p.point));
  for (int i = 0; i < 2; i++) {
    CHECK(agree(&own, &zero, out) != 0);
  }
}

int main(void) {
  RUN(nothing_is_known_before_it_begins);
  known_begin();
  RUN(a_signature_made_here_is_known);
  RUN(a_signature_found_good_is_known_from_then_on);
  RUN(no_bent_signature_is_taken_for_a_known_one);
  RUN(another_key_does_not_have_the_signature);
  RUN(a_signature_by_two_halves_of_two_keys_is_not_good);
  RUN(a_key_is_checked_once_with_each_private_half);
  RUN(a_key_that_is_no_point_is_refused_each_time);
  RUN(the_second_end_finds_what_the_first_computed);
  RUN(a_point_of_small_order_is_refused_each_time);
  return tap_done();
}
