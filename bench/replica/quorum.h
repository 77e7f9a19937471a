/* quorum: what has been heard of votes and timeouts.
 *
 * Each replica has one slot for its newest vote and one for its newest
 * timeout, so nobody can fill memory and a voter counts once.  That is
 * enough: an honest replica votes to one leader at most once in n views, and
 * timeouts of later views count for earlier ones when it comes to joining.
 * Signatures are verified by the caller, before adding. */
#ifndef REP_QUORUM_H
#define REP_QUORUM_H

#include "block.h"

struct rep_vote_slot {
  uint64_t view; /* 0: empty */
  struct rep_hash block;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

/* The zero value has heard nothing. */
struct rep_votes {
  struct rep_vote_slot slots[REP_N_MAX];
};

/* Whether a vote would change anything: false for one that is not newer
 * than what its voter sent before.  voter < REP_N_MAX. */
bool rep_votes_wants(const struct rep_votes *votes, uint32_t voter,
                     uint64_t view);

/* Records a verified vote that is wanted. */
void rep_votes_add(struct rep_votes *votes, const struct rep_vote *vote);

/* A new certificate when a quorum has voted for block in view; NULL before
 * that, or when memory is out. */
struct rep_cert *rep_votes_cert(const struct rep_votes *votes,
                                const struct rep_committee *c, uint64_t view,
                                const struct rep_hash *block);

struct rep_timeout_slot {
  uint64_t view; /* 0: empty */
  uint64_t rank;
  uint8_t signature[HS2N_SIGNATURE_LEN];
};

struct rep_timeouts {
  struct rep_timeout_slot slots[REP_N_MAX];
};

bool rep_timeouts_wants(const struct rep_timeouts *timeouts, uint32_t voter,
                        uint64_t view);
void rep_timeouts_add(struct rep_timeouts *timeouts,
                      const struct rep_timeout *timeout);

/* A new TC when a quorum has timed out in exactly this view, else NULL. */
struct rep_tc *rep_timeouts_tc(const struct rep_timeouts *timeouts,
                               const struct rep_committee *c, uint64_t view);

/* The highest view in which, or after which, f+1 replicas have timed out, so
 * at least one honest one has; 0 when there is none. */
uint64_t rep_timeouts_joined(const struct rep_timeouts *timeouts,
                             const struct rep_committee *c);

/* ---- verifying --------------------------------------------------------- */

/* Remembers what was verified, so that the same certificate in a proposal,
 * a timeout and a new-view costs its signatures once. */
#define REP_VERIFIED_SLOTS 64
#define REP_OWN_VOTES 8
struct rep_verifier {
  struct rep_committee committee;
  struct rep_crypto crypto;
  struct rep_hash genesis;
  struct rep_hash seen[REP_VERIFIED_SLOTS]; /* hashes of certificates */
  uint32_t seen_next;
  struct rep_vote_slot own[REP_OWN_VOTES]; /* no need to verify these */
  uint32_t own_next;
};

/* Copies committee and crypto. */
void rep_verifier_init(struct rep_verifier *v, const struct rep_committee *c,
                       const struct rep_crypto *crypto);

bool rep_verify_vote(struct rep_verifier *v, const struct rep_vote *vote);
bool rep_verify_timeout(struct rep_verifier *v, const struct rep_timeout *t);
bool rep_verify_proposal(struct rep_verifier *v, uint32_t leader, uint64_t view,
                         const struct rep_hash *block,
                         const uint8_t signature[HS2N_SIGNATURE_LEN]);

/* Exactly a quorum of members, each with a good signature; or the genesis
 * certificate. */
bool rep_verify_cert(struct rep_verifier *v, const struct rep_cert *cert);
bool rep_verify_tc(struct rep_verifier *v, const struct rep_tc *tc);

/* Tells of what needs no verification, since it was made here. */
void rep_verifier_trust_cert(struct rep_verifier *v,
                             const struct rep_cert *cert);
void rep_verifier_trust_vote(struct rep_verifier *v,
                             const struct rep_vote *vote);

#endif /* REP_QUORUM_H */
