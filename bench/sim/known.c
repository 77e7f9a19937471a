#include "known.h"

#include <hs2net/identity.h>
#include <stdbool.h>
#include <string.h>
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ed25519.h>

/* More than what a hundred nodes that all connect at one moment have under way.
 */
#define ROWS (1u << 14)
#define ROW 4u /* the newest comes first */

enum kind { GOOD_SIGNATURE, GOOD_KEY };

/* Something that is true: a hash of its kind and of all that it is about. */
struct fact {
  uint8_t of[HS2N_HASH_LEN];
};

struct secret {
  bool known;
  uint8_t ends[2][CURVE25519_KEYSIZE]; /* public keys, in order */
  uint8_t shared[CURVE25519_KEYSIZE];
};

/* A function that takes another's place has no argument for its state. */
static struct {
  bool on;
  struct known_counts counts;
  struct fact facts[ROWS][ROW];
  struct secret secrets[ROWS][ROW];
} known;

void known_begin(void) {
  known.on = true;
}

struct known_counts known_counts(void) {
  return known.counts;
}

/* Of bytes that are random, or as good as. */
static size_t row_of(const uint8_t *bytes) {
  uint32_t row;

  memcpy(&row, bytes, sizeof(row));
  return row % ROWS;
}

/* ---- facts ----------------------------------------------------------------
 */

static struct fact fact_of(enum kind kind, const uint8_t key[HS2N_KEY_LEN],
                           struct hs2n_span a, struct hs2n_span b) {
  const uint8_t head[] = {(uint8_t)kind, (uint8_t)a.len};
  struct fact fact;

  hs2n_sha256(
      (struct hs2n_span[]){{head, sizeof(head)}, {key, HS2N_KEY_LEN}, a, b}, 4,
      fact.of);
  return fact;
}

static bool is_known(const struct fact *fact) {
  const struct fact *const row = known.facts[row_of(fact->of)];

  for (size_t i = 0; i < ROW; i++) {
    if (memcmp(&row[i], fact, sizeof(*fact)) == 0) {
      return true;
    }
  }
  return false;
}

static void learn(const struct fact *fact) {
  struct fact *const row = known.facts[row_of(fact->of)];

  memmove(row + 1, row, (ROW - 1) * sizeof(*row));
  row[0] = *fact;
}

/* ---- what takes the place of wolfSSL's ------------------------------------
 */

int __real_wc_ed25519_sign_msg(const byte *in, word32 in_len, byte *out,
                               word32 *out_len, ed25519_key *key);
int __wrap_wc_ed25519_sign_msg(const byte *in, word32 in_len, byte *out,
                               word32 *out_len, ed25519_key *key);
int __real_wc_ed25519_verify_msg(const byte *sig, word32 sig_len,
                                 const byte *msg, word32 msg_len, int *res,
                                 ed25519_key *key);
int __wrap_wc_ed25519_verify_msg(const byte *sig, word32 sig_len,
                                 const byte *msg, word32 msg_len, int *res,
                                 ed25519_key *key);
int __real_wc_ed25519_import_public(const byte *in, word32 in_len,
                                    ed25519_key *key);
int __wrap_wc_ed25519_import_public(const byte *in, word32 in_len,
                                    ed25519_key *key);
int __real_wc_curve25519_shared_secret_ex(curve25519_key *own,
                                          curve25519_key *peer, byte *out,
                                          word32 *out_len, int endian);
int __wrap_wc_curve25519_shared_secret_ex(curve25519_key *own,
                                          curve25519_key *peer, byte *out,
                                          word32 *out_len, int endian);

/* A key with its private half is checked against that one. */
static struct fact key_fact(const ed25519_key *key, const byte *public_half) {
  return fact_of(
      GOOD_KEY, public_half,
      (struct hs2n_span){key->k, key->privKeySet ? ED25519_KEY_SIZE : 0},
      (struct hs2n_span){NULL, 0});
}

/* Who signs with halves that don't belong together makes signatures that are
 * not good. */
static bool is_good_key(ed25519_key *key) {
  const struct fact fact = key_fact(key, key->p);

  if (is_known(&fact)) {
    return true;
  }
  if (wc_ed25519_check_key(key) != 0) {
    return false;
  }
  learn(&fact);
  return true;
}

static struct fact signature_fact(const ed25519_key *key, const byte *sig,
                                  const byte *msg, word32 msg_len) {
  return fact_of(GOOD_SIGNATURE, key->p,
                 (struct hs2n_span){sig, ED25519_SIG_SIZE},
                 (struct hs2n_span){msg, msg_len});
}

int __wrap_wc_ed25519_sign_msg(const byte *in, word32 in_len, byte *out,
                               word32 *out_len, ed25519_key *key) {
  const int rv = __real_wc_ed25519_sign_msg(in, in_len, out, out_len, key);

  if (known.on && rv == 0 && is_good_key(key)) {
    const struct fact fact = signature_fact(key, out, in, in_len);

    learn(&fact);
  }
  return rv;
}

int __wrap_wc_ed25519_verify_msg(const byte *sig, word32 sig_len,
                                 const byte *msg, word32 msg_len, int *res,
                                 ed25519_key *key) {
  struct fact fact;
  int rv;

  if (!known.on || sig == NULL || sig_len != ED25519_SIG_SIZE || msg == NULL ||
      res == NULL || key == NULL) {
    return __real_wc_ed25519_verify_msg(sig, sig_len, msg, msg_len, res, key);
  }
  known.counts.signatures++;
  fact = signature_fact(key, sig, msg, msg_len);
  if (is_known(&fact)) {
    known.counts.signatures_known++;
    *res = 1;
    return 0;
  }
  rv = __real_wc_ed25519_verify_msg(sig, sig_len, msg, msg_len, res, key);
  if (rv == 0 && *res == 1) {
    learn(&fact);
  }
  return rv;
}

int __wrap_wc_ed25519_import_public(const byte *in, word32 in_len,
                                    ed25519_key *key) {
  struct fact fact;
  int rv;

  if (!known.on || in == NULL || in_len != ED25519_PUB_KEY_SIZE ||
      key == NULL) {
    return __real_wc_ed25519_import_public(in, in_len, key);
  }
  known.counts.keys++;
  fact = key_fact(key, in);
  if (is_known(&fact)) {
    known.counts.keys_known++;
    return wc_ed25519_import_public_ex(in, in_len, key, 1);
  }
  rv = __real_wc_ed25519_import_public(in, in_len, key);
  if (rv == 0) {
    learn(&fact);
  }
  return rv;
}

static struct secret secret_of(const byte *a, const byte *b) {
  const bool in_order = memcmp(a, b, CURVE25519_KEYSIZE) < 0;
  struct secret s = {.known = true};

  memcpy(s.ends[0], in_order ? a : b, CURVE25519_KEYSIZE);
  memcpy(s.ends[1], in_order ? b : a, CURVE25519_KEYSIZE);
  return s;
}

static const struct secret *find(const struct secret *s) {
  const struct secret *const row = known.secrets[row_of(s->ends[0])];

  for (size_t i = 0; i < ROW; i++) {
    if (row[i].known && memcmp(row[i].ends, s->ends, sizeof(s->ends)) == 0) {
      return &row[i];
    }
  }
  return NULL;
}

static void remember(const struct secret *s) {
  struct secret *const row = known.secrets[row_of(s->ends[0])];

  memmove(row + 1, row, (ROW - 1) * sizeof(*row));
  row[0] = *s;
}

/* Anything but what TLS asks for is left to wolfSSL, with all that it
 * refuses. */
static bool is_usual(const curve25519_key *own, const curve25519_key *peer,
                     const byte *out, const word32 *out_len, int endian) {
  return own != NULL && peer != NULL && out != NULL && out_len != NULL &&
         own->privSet && own->pubSet && peer->pubSet &&
         (peer->p.point[CURVE25519_KEYSIZE - 1] & 0x80) == 0 &&
         *out_len >= CURVE25519_KEYSIZE && endian == EC25519_LITTLE_ENDIAN;
}

int __wrap_wc_curve25519_shared_secret_ex(curve25519_key *own,
                                          curve25519_key *peer, byte *out,
                                          word32 *out_len, int endian) {
  struct secret s;
  const struct secret *there;
  int rv;

  if (!known.on || !is_usual(own, peer, out, out_len, endian)) {
    return __real_wc_curve25519_shared_secret_ex(own, peer, out, out_len,
                                                 endian);
  }
  known.counts.secrets++;
  s = secret_of(own->p.point, peer->p.point);
  there = find(&s);
  if (there != NULL) {
    known.counts.secrets_known++;
    memcpy(out, there->shared, CURVE25519_KEYSIZE);
    *out_len = CURVE25519_KEYSIZE;
    return 0;
  }
  rv = __real_wc_curve25519_shared_secret_ex(own, peer, out, out_len, endian);
  if (rv == 0) {
    memcpy(s.shared, out, CURVE25519_KEYSIZE);
    remember(&s);
  }
  return rv;
}
