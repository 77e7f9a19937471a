#include "cert.h"

#include <assert.h>
#include <stdlib.h>

struct rep_cert *rep_cert_new(uint64_t view, const struct rep_hash *block,
                              const struct rep_signers *signers) {
  const uint32_t count = rep_signers_count(signers);
  struct rep_cert *const cert =
      malloc(sizeof(*cert) + (size_t)count * HS2N_SIGNATURE_LEN);

  if (cert != NULL) {
    *cert = (struct rep_cert){.refs = 1,
                              .count = count,
                              .view = view,
                              .block = *block,
                              .signers = *signers};
  }
  return cert;
}

struct rep_cert *rep_cert_ref(struct rep_cert *cert) {
  assert(cert->refs > 0);
  cert->refs++;
  return cert;
}

void rep_cert_unref(struct rep_cert *cert) {
  if (cert == NULL) {
    return;
  }
  assert(cert->refs > 0);
  cert->refs--;
  if (cert->refs == 0) {
    free(cert);
  }
}

bool rep_cert_eq(const struct rep_cert *a, const struct rep_cert *b) {
  return a->view == b->view && rep_hash_eq(&a->block, &b->block) &&
         memcmp(&a->signers, &b->signers, sizeof(a->signers)) == 0 &&
         memcmp(a->signatures, b->signatures,
                (size_t)a->count * HS2N_SIGNATURE_LEN) == 0;
}

struct rep_tc *rep_tc_new(uint64_t view, const struct rep_signers *signers) {
  const uint32_t count = rep_signers_count(signers);
  struct rep_tc *const tc =
      malloc(sizeof(*tc) + (size_t)count * sizeof(struct rep_tc_entry));

  if (tc != NULL) {
    *tc = (struct rep_tc){
        .refs = 1, .count = count, .view = view, .signers = *signers};
  }
  return tc;
}

struct rep_tc *rep_tc_ref(struct rep_tc *tc) {
  assert(tc->refs > 0);
  tc->refs++;
  return tc;
}

void rep_tc_unref(struct rep_tc *tc) {
  if (tc == NULL) {
    return;
  }
  assert(tc->refs > 0);
  tc->refs--;
  if (tc->refs == 0) {
    free(tc);
  }
}

/* ---- codec ------------------------------------------------------------- */

size_t rep_cert_len(const struct rep_cert *cert) {
  return 8u + HS2N_HASH_LEN + REP_SIGNERS_LEN +
         (size_t)cert->count * HS2N_SIGNATURE_LEN;
}

void rep_cert_write(struct rep_writer *w, const struct rep_cert *cert) {
  rep_write_be(w, cert->view, 8);
  rep_write_copy(w, cert->block.bytes, HS2N_HASH_LEN);
  rep_write_copy(w, cert->signers.bits, REP_SIGNERS_LEN);
  for (uint32_t i = 0; i < cert->count; i++) {
    rep_write_copy(w, cert->signatures[i], HS2N_SIGNATURE_LEN);
  }
}

struct rep_cert *rep_cert_read(struct rep_reader *r) {
  struct rep_hash block;
  struct rep_signers signers;
  struct rep_cert *cert;
  const uint64_t view = rep_read_be(r, 8);

  rep_read_copy(r, block.bytes, sizeof(block.bytes));
  rep_read_copy(r, signers.bits, sizeof(signers.bits));
  if (r->failed) {
    return NULL;
  }
  /* The set is bounded by its encoding, so this allocates 8 KiB at most. */
  cert = rep_cert_new(view, &block, &signers);
  if (cert == NULL) {
    r->failed = true;
    return NULL;
  }
  for (uint32_t i = 0; i < cert->count; i++) {
    rep_read_copy(r, cert->signatures[i], HS2N_SIGNATURE_LEN);
  }
  if (r->failed) {
    rep_cert_unref(cert);
    return NULL;
  }
  return cert;
}

size_t rep_tc_len(const struct rep_tc *tc) {
  return 8u + REP_SIGNERS_LEN + (size_t)tc->count * (8u + HS2N_SIGNATURE_LEN);
}

void rep_tc_write(struct rep_writer *w, const struct rep_tc *tc) {
  rep_write_be(w, tc->view, 8);
  rep_write_copy(w, tc->signers.bits, REP_SIGNERS_LEN);
  for (uint32_t i = 0; i < tc->count; i++) {
    rep_write_be(w, tc->entries[i].rank, 8);
    rep_write_copy(w, tc->entries[i].signature, HS2N_SIGNATURE_LEN);
  }
}

struct rep_tc *rep_tc_read(struct rep_reader *r) {
  struct rep_signers signers;
  struct rep_tc *tc;
  const uint64_t view = rep_read_be(r, 8);

  rep_read_copy(r, signers.bits, sizeof(signers.bits));
  if (r->failed) {
    return NULL;
  }
  tc = rep_tc_new(view, &signers);
  if (tc == NULL) {
    r->failed = true;
    return NULL;
  }
  for (uint32_t i = 0; i < tc->count; i++) {
    tc->entries[i].rank = rep_read_be(r, 8);
    rep_read_copy(r, tc->entries[i].signature, HS2N_SIGNATURE_LEN);
  }
  if (r->failed) {
    rep_tc_unref(tc);
    return NULL;
  }
  return tc;
}

void rep_vote_write(struct rep_writer *w, const struct rep_vote *vote) {
  rep_write_be(w, vote->view, 8);
  rep_write_copy(w, vote->block.bytes, HS2N_HASH_LEN);
  rep_write_be(w, vote->voter, 4);
  rep_write_copy(w, vote->signature, HS2N_SIGNATURE_LEN);
}

bool rep_vote_decode(struct hs2n_span bytes, struct rep_vote *out) {
  struct rep_reader r = rep_reader_of(bytes);
  struct rep_vote vote;

  vote.view = rep_read_be(&r, 8);
  rep_read_copy(&r, vote.block.bytes, sizeof(vote.block.bytes));
  vote.voter = (uint32_t)rep_read_be(&r, 4);
  rep_read_copy(&r, vote.signature, sizeof(vote.signature));
  if (!rep_reader_done(&r)) {
    return false;
  }
  *out = vote;
  return true;
}

size_t rep_timeout_len(const struct rep_timeout *timeout) {
  return 8u + 4u + HS2N_SIGNATURE_LEN + rep_cert_len(timeout->high);
}

void rep_timeout_write(struct rep_writer *w,
                       const struct rep_timeout *timeout) {
  rep_write_be(w, timeout->view, 8);
  rep_write_be(w, timeout->voter, 4);
  rep_write_copy(w, timeout->signature, HS2N_SIGNATURE_LEN);
  rep_cert_write(w, timeout->high);
}

bool rep_timeout_decode(struct hs2n_span bytes, struct rep_timeout *out) {
  struct rep_reader r = rep_reader_of(bytes);
  struct rep_timeout timeout;

  timeout.view = rep_read_be(&r, 8);
  timeout.voter = (uint32_t)rep_read_be(&r, 4);
  rep_read_copy(&r, timeout.signature, sizeof(timeout.signature));
  timeout.high = rep_cert_read(&r);
  if (!rep_reader_done(&r)) {
    rep_cert_unref(timeout.high);
    return false;
  }
  *out = timeout;
  return true;
}

/* ---- what is signed ---------------------------------------------------- */

/* The tag ends at its zero and the chain id is length-prefixed, so no two
 * different tuples have one text. */
static struct rep_writer text_begin(const struct rep_committee *c,
                                    const char *tag, uint64_t view,
                                    struct rep_signed *out) {
  struct rep_writer w = rep_writer_of(out->bytes, sizeof(out->bytes));
  const size_t chain_len = strlen(c->chain_id);

  rep_write_copy(&w, (const uint8_t *)tag, strlen(tag) + 1);
  rep_write_be(&w, chain_len, 1);
  rep_write_copy(&w, (const uint8_t *)c->chain_id, chain_len);
  rep_write_be(&w, view, 8);
  return w;
}

static void text_end(const struct rep_writer *w, struct rep_signed *out) {
  assert(!w->failed);
  out->len = w->len;
}

void rep_vote_text(const struct rep_committee *c, uint64_t view,
                   const struct rep_hash *block, struct rep_signed *out) {
  struct rep_writer w = text_begin(c, "hs2-vote", view, out);

  rep_write_copy(&w, block->bytes, HS2N_HASH_LEN);
  text_end(&w, out);
}

void rep_timeout_text(const struct rep_committee *c, uint64_t view,
                      uint64_t rank, struct rep_signed *out) {
  struct rep_writer w = text_begin(c, "hs2-timeout", view, out);

  rep_write_be(&w, rank, 8);
  text_end(&w, out);
}

void rep_proposal_text(const struct rep_committee *c, uint64_t view,
                       const struct rep_hash *block, struct rep_signed *out) {
  struct rep_writer w = text_begin(c, "hs2-proposal", view, out);

  rep_write_copy(&w, block->bytes, HS2N_HASH_LEN);
  text_end(&w, out);
}
