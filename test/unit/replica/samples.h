/* samples: well-formed values to encode, break and decode. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "fake_crypto.h"
#include "message.h"

#include <stdlib.h>

static inline struct rep_committee sample_committee(uint32_t n) {
  return (struct rep_committee){.n = n, .me = 0, .chain_id = "sample"};
}

static inline struct rep_hash sample_hash(uint8_t fill) {
  struct rep_hash hash;

  memset(hash.bytes, fill, sizeof(hash.bytes));
  return hash;
}

/* Signed by replicas 0..count-1 as a quorum would. */
static inline struct rep_cert *
sample_cert(uint64_t view, const struct rep_hash *block, uint32_t count) {
  const struct rep_committee c = sample_committee(4);
  struct rep_signers signers = {{0}};
  struct rep_signed text;
  struct rep_cert *cert;

  for (uint32_t i = 0; i < count; i++) {
    rep_signers_add(&signers, i);
  }
  cert = rep_cert_new(view, block, &signers);
  if (cert == NULL) {
    abort();
  }
  rep_vote_text(&c, view, block, &text);
  for (uint32_t i = 0; i < count; i++) {
    fake_sign_as(i, rep_signed_span(&text), cert->signatures[i]);
  }
  return cert;
}

static inline struct rep_tc *sample_tc(uint64_t view, uint32_t count) {
  const struct rep_committee c = sample_committee(4);
  struct rep_signers signers = {{0}};
  struct rep_signed text;
  struct rep_tc *tc;

  for (uint32_t i = 0; i < count; i++) {
    rep_signers_add(&signers, i);
  }
  tc = rep_tc_new(view, &signers);
  if (tc == NULL) {
    abort();
  }
  for (uint32_t i = 0; i < count; i++) {
    tc->entries[i].rank = i;
    rep_timeout_text(&c, view, i, &text);
    fake_sign_as(i, rep_signed_span(&text), tc->entries[i].signature);
  }
  return tc;
}

/* A proposal of view 9 and height 5 with two transactions, and a TC or not. */
static inline struct rep_bytes *sample_proposal(bool with_tc) {
  static const uint8_t txs[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
  const struct rep_hash parent = sample_hash(7);
  struct rep_cert *const justify = sample_cert(with_tc ? 6 : 8, &parent, 3);
  struct rep_tc *const tc = with_tc ? sample_tc(8, 3) : NULL;
  const struct rep_block_head head = {.view = 9,
                                      .height = 5,
                                      .proposer = 1,
                                      .justify = justify,
                                      .txs_count = 2,
                                      .txs_len = sizeof(txs)};
  const size_t len = rep_block_overhead(justify) + sizeof(txs);
  struct rep_bytes *const bytes = rep_bytes_new(
      REP_PROPOSAL_HEAD + len + (tc != NULL ? rep_tc_len(tc) : 0));
  struct rep_writer w;

  if (bytes == NULL) {
    abort();
  }
  w = rep_writer_of(bytes->data, bytes->len);
  memset(rep_write_room(&w, HS2N_SIGNATURE_LEN), 0x5a, HS2N_SIGNATURE_LEN);
  rep_write_be(&w, len, 4);
  rep_block_write_head(&w, &head);
  rep_write_copy(&w, txs, sizeof(txs));
  if (tc != NULL) {
    rep_tc_write(&w, tc);
  }
  rep_cert_unref(justify);
  rep_tc_unref(tc);
  return bytes;
}

/* The block of sample_proposal, as a new reference. */
static inline struct rep_block *sample_block(void) {
  uint32_t me = 0;
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_bytes *const bytes = sample_proposal(false);
  struct rep_proposal p;
  struct rep_block *block;

  if (!rep_proposal_decode(bytes, &crypto, &p)) {
    abort();
  }
  block = rep_block_ref(p.block);
  rep_proposal_fini(&p);
  rep_bytes_unref(bytes);
  return block;
}

#endif /* SAMPLES_H */
