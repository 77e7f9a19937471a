/* common: small values that every part of the replica shares. */
#ifndef REP_COMMON_H
#define REP_COMMON_H

#include <hs2net/identity.h>
#include <hs2net/types.h>
#include <stdbool.h>
#include <string.h>

#define REP_N_MAX 128 /* replicas of a chain */
#define REP_CHAIN_ID_MAX 64

struct rep_hash {
  uint8_t bytes[HS2N_HASH_LEN];
};

static inline bool rep_hash_eq(const struct rep_hash *a,
                               const struct rep_hash *b) {
  return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* A set of replicas.  The zero value is empty. */
#define REP_SIGNERS_LEN (REP_N_MAX / 8)
struct rep_signers {
  uint8_t bits[REP_SIGNERS_LEN];
};

static inline bool rep_signers_has(const struct rep_signers *s, uint32_t i) {
  return i < REP_N_MAX && (s->bits[i / 8] & 1u << (i % 8)) != 0;
}

/* i < REP_N_MAX */
static inline void rep_signers_add(struct rep_signers *s, uint32_t i) {
  s->bits[i / 8] = (uint8_t)(s->bits[i / 8] | 1u << (i % 8));
}

static inline void rep_signers_remove(struct rep_signers *s, uint32_t i) {
  s->bits[i / 8] = (uint8_t)(s->bits[i / 8] & ~(1u << (i % 8)));
}

static inline uint32_t rep_signers_count(const struct rep_signers *s) {
  uint32_t count = 0;

  for (uint32_t i = 0; i < REP_N_MAX; i++) {
    count += rep_signers_has(s, i) ? 1u : 0u;
  }
  return count;
}

/* Whether all members are below n. */
static inline bool rep_signers_below(const struct rep_signers *s, uint32_t n) {
  for (uint32_t i = n; i < REP_N_MAX; i++) {
    if (rep_signers_has(s, i)) {
      return false;
    }
  }
  return true;
}

/* What the replica needs of cryptography; a simulation may give cheaper
 * functions.  verify gets the number of the signer, not its key. */
struct rep_crypto {
  void *self;
  void (*hash)(void *self, struct hs2n_span bytes, struct rep_hash *out);
  bool (*sign)(void *self, struct hs2n_span bytes,
               uint8_t out[HS2N_SIGNATURE_LEN]);
  bool (*verify)(void *self, uint32_t signer, struct hs2n_span bytes,
                 const uint8_t signature[HS2N_SIGNATURE_LEN]);
};

/* Who takes part, and how many make a quorum. */
struct rep_committee {
  uint32_t n; /* 3f+1, 1..REP_N_MAX */
  uint32_t me;
  char chain_id[REP_CHAIN_ID_MAX + 1];
};

static inline uint32_t rep_faulty_max(const struct rep_committee *c) {
  return (c->n - 1) / 3;
}

static inline uint32_t rep_quorum(const struct rep_committee *c) {
  return c->n - rep_faulty_max(c);
}

/* Who leads a view that is entered by a time-out certificate: round robin.
 * turns.h has the rest. */
static inline uint32_t rep_leader(const struct rep_committee *c,
                                  uint64_t view) {
  return (uint32_t)(view % c->n);
}

#endif /* REP_COMMON_H */
