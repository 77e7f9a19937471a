#include "block.h"

#include <assert.h>
#include <stdlib.h>

/* version, view, height, proposer, parent | justify | count, length */
#define HEAD_LEN (1u + 8u + 8u + 4u + HS2N_HASH_LEN)
#define COUNTS_LEN (4u + 4u)

size_t rep_block_overhead(const struct rep_cert *justify) {
  return HEAD_LEN + rep_cert_len(justify) + COUNTS_LEN;
}

void rep_block_write_head(struct rep_writer *w,
                          const struct rep_block_head *head) {
  rep_write_be(w, REP_BLOCK_VERSION, 1);
  rep_write_be(w, head->view, 8);
  rep_write_be(w, head->height, 8);
  rep_write_be(w, head->proposer, 4);
  rep_write_copy(w, head->justify->block.bytes, HS2N_HASH_LEN);
  rep_cert_write(w, head->justify);
  rep_write_be(w, head->txs_count, 4);
  rep_write_be(w, head->txs_len, 4);
}

bool rep_tx_next(struct rep_reader *r, struct hs2n_span *out_tx) {
  struct hs2n_span tx;

  if (r->failed || r->rest.len == 0) {
    return false;
  }
  tx = rep_read_span(r, (size_t)rep_read_be(r, 4));
  if (r->failed) {
    return false;
  }
  *out_tx = tx;
  return true;
}

static bool txs_well_formed(struct hs2n_span txs, uint32_t count) {
  struct rep_reader r = rep_reader_of(txs);
  struct hs2n_span tx;
  uint32_t seen = 0;

  while (rep_tx_next(&r, &tx)) {
    if (tx.len == 0) {
      return false;
    }
    seen++;
  }
  return !r.failed && seen == count;
}

static bool read_fields(struct rep_reader *r, struct rep_block *block) {
  const uint64_t version = rep_read_be(r, 1);

  block->view = rep_read_be(r, 8);
  block->height = rep_read_be(r, 8);
  block->proposer = (uint32_t)rep_read_be(r, 4);
  rep_read_copy(r, block->parent.bytes, HS2N_HASH_LEN);
  block->justify = rep_cert_read(r);
  block->txs_count = (uint32_t)rep_read_be(r, 4);
  block->txs = rep_read_span(r, (size_t)rep_read_be(r, 4));
  return rep_reader_done(r) && version == REP_BLOCK_VERSION &&
         block->height >= 1 && block->justify->view < block->view &&
         rep_hash_eq(&block->justify->block, &block->parent) &&
         txs_well_formed(block->txs, block->txs_count);
}

struct rep_block *rep_block_decode(struct hs2n_span encoding,
                                   struct rep_bytes *owner,
                                   const struct rep_crypto *crypto) {
  struct rep_reader r = rep_reader_of(encoding);
  struct rep_block *const block = malloc(sizeof(*block));

  if (block == NULL) {
    return NULL;
  }
  *block = (struct rep_block){
      .refs = 1, .encoding = encoding, .owner = rep_bytes_ref(owner)};
  if (!read_fields(&r, block)) {
    rep_block_unref(block);
    return NULL;
  }
  crypto->hash(crypto->self, encoding, &block->hash);
  return block;
}

struct rep_block *rep_block_ref(struct rep_block *block) {
  assert(block->refs > 0);
  block->refs++;
  return block;
}

void rep_block_unref(struct rep_block *block) {
  if (block == NULL) {
    return;
  }
  assert(block->refs > 0);
  block->refs--;
  if (block->refs == 0) {
    rep_cert_unref(block->justify);
    rep_bytes_unref(block->owner);
    free(block);
  }
}

void rep_genesis_hash(const struct rep_committee *c,
                      const struct rep_crypto *crypto, struct rep_hash *out) {
  static const char tag[] = "hs2-genesis"; /* its zero separates */
  uint8_t text[sizeof(tag) + REP_CHAIN_ID_MAX];
  struct rep_writer w = rep_writer_of(text, sizeof(text));

  rep_write_copy(&w, (const uint8_t *)tag, sizeof(tag));
  rep_write_copy(&w, (const uint8_t *)c->chain_id, strlen(c->chain_id));
  assert(!w.failed);
  crypto->hash(crypto->self, (struct hs2n_span){text, w.len}, out);
}
