/* cert: votes, timeouts, and the certificates that quorums of them make.
 *
 * Encodings are fixed layouts of big-endian fields, one for each value.
 * Decoders accept any bytes and check the form alone; whether signatures
 * hold is asked separately, since that costs some 35 us each. */
#ifndef REP_CERT_H
#define REP_CERT_H

#include "bytes.h"
#include "common.h"
#include "cursor.h"

/* q votes for one block of one view.  Immutable, refcounted.  The
 * certificate of view 0 names the genesis block and needs no signer. */
struct rep_cert {
  uint32_t refs;
  uint32_t count; /* of signatures, in the order of signers */
  uint64_t view;
  struct rep_hash block;
  struct rep_signers signers;
  uint8_t signatures[][HS2N_SIGNATURE_LEN];
};

/* q timeouts of one view, each with the rank of the certificate its sender
 * held.  Immutable, refcounted. */
struct rep_tc_entry {
  uint64_t rank;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};
struct rep_tc {
  uint32_t refs;
  uint32_t count;
  uint64_t view;
  struct rep_signers signers;
  struct rep_tc_entry entries[];
};

struct rep_vote {
  uint64_t view;
  struct rep_hash block;
  uint32_t voter;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

struct rep_timeout {
  uint64_t view;
  uint32_t voter;
  uint8_t signature[HS2N_SIGNATURE_LEN];
  struct rep_cert *high; /* a reference */
};

/* New with one reference, or NULL when memory is out.  The maker fills in
 * signatures before anybody else sees it. */
struct rep_cert *rep_cert_new(uint64_t view, const struct rep_hash *block,
                              const struct rep_signers *signers);
struct rep_cert *rep_cert_ref(struct rep_cert *cert);
void rep_cert_unref(struct rep_cert *cert); /* cert may be NULL */
bool rep_cert_eq(const struct rep_cert *a, const struct rep_cert *b);

struct rep_tc *rep_tc_new(uint64_t view, const struct rep_signers *signers);
struct rep_tc *rep_tc_ref(struct rep_tc *tc);
void rep_tc_unref(struct rep_tc *tc); /* tc may be NULL */

/* ---- codec ------------------------------------------------------------- */

#define REP_VOTE_LEN (8u + HS2N_HASH_LEN + 4u + HS2N_SIGNATURE_LEN)

size_t rep_cert_len(const struct rep_cert *cert);
void rep_cert_write(struct rep_writer *w, const struct rep_cert *cert);
/* Returns a new reference, or NULL with r->failed set: input too short, more
 * than REP_N_MAX signers, or memory out. */
struct rep_cert *rep_cert_read(struct rep_reader *r);

size_t rep_tc_len(const struct rep_tc *tc);
void rep_tc_write(struct rep_writer *w, const struct rep_tc *tc);
struct rep_tc *rep_tc_read(struct rep_reader *r);

void rep_vote_write(struct rep_writer *w, const struct rep_vote *vote);
bool rep_vote_decode(struct hs2n_span bytes, struct rep_vote *out);

size_t rep_timeout_len(const struct rep_timeout *timeout);
void rep_timeout_write(struct rep_writer *w, const struct rep_timeout *timeout);
/* On true the caller owns out->high. */
bool rep_timeout_decode(struct hs2n_span bytes, struct rep_timeout *out);

/* ---- what is signed ---------------------------------------------------- */

#define REP_SIGNED_MAX (16u + 1u + REP_CHAIN_ID_MAX + 8u + HS2N_HASH_LEN)

struct rep_signed {
  uint8_t bytes[REP_SIGNED_MAX];
  size_t len;
};

/* ("hs2-vote", chain id, view, block hash) */
void rep_vote_text(const struct rep_committee *c, uint64_t view,
                   const struct rep_hash *block, struct rep_signed *out);

/* ("hs2-timeout", chain id, view, rank) */
void rep_timeout_text(const struct rep_committee *c, uint64_t view,
                      uint64_t rank, struct rep_signed *out);

/* ("hs2-proposal", chain id, view, block hash) */
void rep_proposal_text(const struct rep_committee *c, uint64_t view,
                       const struct rep_hash *block, struct rep_signed *out);

static inline struct hs2n_span rep_signed_span(const struct rep_signed *s) {
  return (struct hs2n_span){s->bytes, s->len};
}

#endif /* REP_CERT_H */
