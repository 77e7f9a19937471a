#include "quorum.h"

#include <assert.h>
#include <stdlib.h>

bool rep_votes_wants(const struct rep_votes *votes, uint32_t voter,
                     uint64_t view) {
  assert(voter < REP_N_MAX);
  return view > votes->slots[voter].view;
}

void rep_votes_add(struct rep_votes *votes, const struct rep_vote *vote) {
  struct rep_vote_slot *const slot = &votes->slots[vote->voter];

  assert(rep_votes_wants(votes, vote->voter, vote->view));
  slot->view = vote->view;
  slot->block = vote->block;
  memcpy(slot->signature, vote->signature, sizeof(slot->signature));
}

struct rep_cert *rep_votes_cert(const struct rep_votes *votes,
                                const struct rep_committee *c, uint64_t view,
                                const struct rep_hash *block) {
  const uint32_t quorum = rep_quorum(c);
  struct rep_signers signers = {{0}};
  struct rep_cert *cert;
  uint32_t count = 0;
  uint32_t at = 0;

  for (uint32_t i = 0; i < c->n && count < quorum; i++) {
    if (votes->slots[i].view == view &&
        rep_hash_eq(&votes->slots[i].block, block)) {
      rep_signers_add(&signers, i);
      count++;
    }
  }
  if (count < quorum) {
    return NULL;
  }
  cert = rep_cert_new(view, block, &signers);
  if (cert == NULL) {
    return NULL;
  }
  for (uint32_t i = 0; i < c->n; i++) {
    if (rep_signers_has(&signers, i)) {
      memcpy(cert->signatures[at], votes->slots[i].signature,
             HS2N_SIGNATURE_LEN);
      at++;
    }
  }
  return cert;
}

bool rep_timeouts_wants(const struct rep_timeouts *timeouts, uint32_t voter,
                        uint64_t view) {
  assert(voter < REP_N_MAX);
  return view > timeouts->slots[voter].view;
}

void rep_timeouts_add(struct rep_timeouts *timeouts,
                      const struct rep_timeout *timeout) {
  struct rep_timeout_slot *const slot = &timeouts->slots[timeout->voter];

  assert(rep_timeouts_wants(timeouts, timeout->voter, timeout->view));
  slot->view = timeout->view;
  slot->rank = timeout->high->view;
  memcpy(slot->signature, timeout->signature, sizeof(slot->signature));
}

struct rep_tc *rep_timeouts_tc(const struct rep_timeouts *timeouts,
                               const struct rep_committee *c, uint64_t view) {
  const uint32_t quorum = rep_quorum(c);
  struct rep_signers signers = {{0}};
  struct rep_tc *tc;
  uint32_t count = 0;
  uint32_t at = 0;

  for (uint32_t i = 0; i < c->n && count < quorum; i++) {
    if (timeouts->slots[i].view == view) {
      rep_signers_add(&signers, i);
      count++;
    }
  }
  if (view == 0 || count < quorum) {
    return NULL;
  }
  tc = rep_tc_new(view, &signers);
  if (tc == NULL) {
    return NULL;
  }
  for (uint32_t i = 0; i < c->n; i++) {
    if (rep_signers_has(&signers, i)) {
      tc->entries[at].rank = timeouts->slots[i].rank;
      memcpy(tc->entries[at].signature, timeouts->slots[i].signature,
             HS2N_SIGNATURE_LEN);
      at++;
    }
  }
  return tc;
}

uint64_t rep_timeouts_joined(const struct rep_timeouts *timeouts,
                             const struct rep_committee *c) {
  const uint32_t needed = rep_faulty_max(c) + 1;
  uint64_t best = 0;

  for (uint32_t i = 0; i < c->n; i++) {
    const uint64_t view = timeouts->slots[i].view;
    uint32_t count = 0;

    for (uint32_t j = 0; j < c->n; j++) {
      count += timeouts->slots[j].view >= view ? 1u : 0u;
    }
    if (count >= needed && view > best) {
      best = view;
    }
  }
  return best;
}

/* ---- verifying --------------------------------------------------------- */

void rep_verifier_init(struct rep_verifier *v, const struct rep_committee *c,
                       const struct rep_crypto *crypto) {
  *v = (struct rep_verifier){.committee = *c, .crypto = *crypto};
  rep_genesis_hash(c, crypto, &v->genesis);
}

static bool signature_holds(const struct rep_verifier *v, uint32_t signer,
                            const struct rep_signed *text,
                            const uint8_t *signature) {
  return signer < v->committee.n &&
         v->crypto.verify(v->crypto.self, signer, rep_signed_span(text),
                          signature);
}

bool rep_verify_vote(struct rep_verifier *v, const struct rep_vote *vote) {
  struct rep_signed text;

  rep_vote_text(&v->committee, vote->view, &vote->block, &text);
  return signature_holds(v, vote->voter, &text, vote->signature);
}

bool rep_verify_timeout(struct rep_verifier *v, const struct rep_timeout *t) {
  struct rep_signed text;

  rep_timeout_text(&v->committee, t->view, t->high->view, &text);
  return signature_holds(v, t->voter, &text, t->signature);
}

bool rep_verify_proposal(struct rep_verifier *v, uint32_t leader, uint64_t view,
                         const struct rep_hash *block,
                         const uint8_t signature[HS2N_SIGNATURE_LEN]) {
  struct rep_signed text;

  rep_proposal_text(&v->committee, view, block, &text);
  return signature_holds(v, leader, &text, signature);
}

/* The hash of all that verification looked at, or false when memory is out:
 * then nothing is remembered. */
static bool cert_digest(const struct rep_verifier *v,
                        const struct rep_cert *cert, struct rep_hash *out) {
  struct rep_bytes *const bytes = rep_bytes_new(rep_cert_len(cert));
  struct rep_writer w;

  if (bytes == NULL) {
    return false;
  }
  w = rep_writer_of(bytes->data, bytes->len);
  rep_cert_write(&w, cert);
  v->crypto.hash(v->crypto.self, rep_bytes_span(bytes), out);
  rep_bytes_unref(bytes);
  return true;
}

static bool was_seen(const struct rep_verifier *v,
                     const struct rep_hash *digest) {
  for (uint32_t i = 0; i < REP_VERIFIED_SLOTS; i++) {
    if (rep_hash_eq(&v->seen[i], digest)) {
      return true;
    }
  }
  return false;
}

static void remember(struct rep_verifier *v, const struct rep_hash *digest) {
  v->seen[v->seen_next] = *digest;
  v->seen_next = (v->seen_next + 1) % REP_VERIFIED_SLOTS;
}

static bool is_own_vote(const struct rep_verifier *v,
                        const struct rep_cert *cert, const uint8_t *signature) {
  for (uint32_t i = 0; i < REP_OWN_VOTES; i++) {
    if (v->own[i].view == cert->view &&
        rep_hash_eq(&v->own[i].block, &cert->block) &&
        memcmp(v->own[i].signature, signature, HS2N_SIGNATURE_LEN) == 0) {
      return true;
    }
  }
  return false;
}

static bool cert_signatures_hold(const struct rep_verifier *v,
                                 const struct rep_cert *cert) {
  struct rep_signed text;
  uint32_t at = 0;

  rep_vote_text(&v->committee, cert->view, &cert->block, &text);
  for (uint32_t i = 0; i < v->committee.n; i++) {
    if (!rep_signers_has(&cert->signers, i)) {
      continue;
    }
    if (!(i == v->committee.me && is_own_vote(v, cert, cert->signatures[at])) &&
        !signature_holds(v, i, &text, cert->signatures[at])) {
      return false;
    }
    at++;
  }
  return true;
}

bool rep_verify_cert(struct rep_verifier *v, const struct rep_cert *cert) {
  struct rep_hash digest;
  bool has_digest;

  if (cert->view == 0) {
    return cert->count == 0 && rep_hash_eq(&cert->block, &v->genesis);
  }
  if (cert->count != rep_quorum(&v->committee) ||
      !rep_signers_below(&cert->signers, v->committee.n)) {
    return false;
  }
  has_digest = cert_digest(v, cert, &digest);
  if (has_digest && was_seen(v, &digest)) {
    return true;
  }
  if (!cert_signatures_hold(v, cert)) {
    return false;
  }
  if (has_digest) {
    remember(v, &digest);
  }
  return true;
}

bool rep_verify_tc(struct rep_verifier *v, const struct rep_tc *tc) {
  uint32_t at = 0;

  if (tc->view == 0 || tc->count != rep_quorum(&v->committee) ||
      !rep_signers_below(&tc->signers, v->committee.n)) {
    return false;
  }
  for (uint32_t i = 0; i < v->committee.n; i++) {
    struct rep_signed text;

    if (!rep_signers_has(&tc->signers, i)) {
      continue;
    }
    rep_timeout_text(&v->committee, tc->view, tc->entries[at].rank, &text);
    if (!signature_holds(v, i, &text, tc->entries[at].signature)) {
      return false;
    }
    at++;
  }
  return true;
}

void rep_verifier_trust_cert(struct rep_verifier *v,
                             const struct rep_cert *cert) {
  struct rep_hash digest;

  if (cert_digest(v, cert, &digest)) {
    remember(v, &digest);
  }
}

void rep_verifier_trust_vote(struct rep_verifier *v,
                             const struct rep_vote *vote) {
  struct rep_vote_slot *const slot = &v->own[v->own_next];

  slot->view = vote->view;
  slot->block = vote->block;
  memcpy(slot->signature, vote->signature, sizeof(slot->signature));
  v->own_next = (v->own_next + 1) % REP_OWN_VOTES;
}
