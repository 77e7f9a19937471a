/* Every message: what is encoded decodes to the same, no prefix of it does,
 * and bytes that break the form are refused. */
#include "samples.h"

#include <tap.h>

static uint32_t me;

/* Decodes bytes as one kind; what decodes must encode to the same bytes. */
typedef bool (*decode_fn)(struct rep_bytes *bytes);

static bool same(struct rep_bytes *got, const struct rep_bytes *want) {
  const bool ok =
      got->len == want->len && memcmp(got->data, want->data, want->len) == 0;

  rep_bytes_unref(got);
  return ok;
}

static bool decode_vote(struct rep_bytes *bytes) {
  struct rep_bytes *const again = rep_bytes_new(REP_VOTE_LEN);
  struct rep_writer w = rep_writer_of(again->data, again->len);
  struct rep_vote vote;

  if (!rep_vote_decode(rep_bytes_span(bytes), &vote)) {
    rep_bytes_unref(again);
    return false;
  }
  rep_vote_write(&w, &vote);
  return same(again, bytes);
}

static bool decode_timeout(struct rep_bytes *bytes) {
  struct rep_timeout timeout;
  struct rep_bytes *again;
  struct rep_writer w;

  if (!rep_timeout_decode(rep_bytes_span(bytes), &timeout)) {
    return false;
  }
  again = rep_bytes_new(rep_timeout_len(&timeout));
  w = rep_writer_of(again->data, again->len);
  rep_timeout_write(&w, &timeout);
  rep_cert_unref(timeout.high);
  return same(again, bytes);
}

static bool decode_new_view(struct rep_bytes *bytes) {
  struct rep_new_view nv;
  struct rep_bytes *again;

  if (!rep_new_view_decode(rep_bytes_span(bytes), &nv)) {
    return false;
  }
  again = rep_new_view_encode(&nv);
  rep_new_view_fini(&nv);
  return same(again, bytes);
}

static bool decode_proposal(struct rep_bytes *bytes) {
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_proposal p;
  bool ok;

  if (!rep_proposal_decode(bytes, &crypto, &p)) {
    return false;
  }
  ok = p.block->view == 9 && p.block->height == 5 && p.block->proposer == 1 &&
       p.block->txs_count == 2 && p.signature[0] == 0x5a;
  rep_proposal_fini(&p);
  return ok;
}

static bool decode_request(struct rep_bytes *bytes) {
  struct rep_bytes *const again = rep_bytes_new(REP_SYNC_REQUEST_LEN);
  struct rep_writer w = rep_writer_of(again->data, again->len);
  struct rep_sync_request request;

  if (!rep_sync_request_decode(rep_bytes_span(bytes), &request)) {
    rep_bytes_unref(again);
    return false;
  }
  rep_sync_request_write(&w, &request);
  return same(again, bytes);
}

static bool decode_response(struct rep_bytes *bytes) {
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_sync_response response;
  struct rep_block *block;
  uint32_t count = 0;
  bool ok;

  if (!rep_sync_response_decode(bytes, &response)) {
    return false;
  }
  while ((block = rep_sync_response_next(&response, &crypto)) != NULL) {
    ok = block->height == 5;
    rep_block_unref(block);
    count += ok ? 1 : 100;
  }
  ok = !response.encoded.failed && count == 2;
  rep_cert_unref(response.cert);
  return ok;
}

/* Consumes bytes. */
static void check_all(struct rep_bytes *bytes, decode_fn decode,
                      bool tc_is_optional) {
  struct rep_bytes *longer;

  CHECK(decode(bytes));
  for (size_t len = 0; len < bytes->len; len++) {
    struct rep_bytes *const prefix =
        rep_bytes_copy((struct hs2n_span){bytes->data, len});
    const bool ok = decode(prefix);

    /* Without its last field, a TC, a message may be whole. */
    CHECK(!ok || tc_is_optional);
    tc_is_optional = tc_is_optional && !ok;
    rep_bytes_unref(prefix);
  }
  longer = rep_bytes_new(bytes->len + 1);
  memcpy(longer->data, bytes->data, bytes->len);
  longer->data[bytes->len] = 0;
  CHECK(!decode(longer));
  rep_bytes_unref(longer);
  rep_bytes_unref(bytes);
}

static void votes(void) {
  struct rep_bytes *const bytes = rep_bytes_new(REP_VOTE_LEN);
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  const struct rep_vote vote = {
      .view = UINT64_MAX, .block = sample_hash(3), .voter = 2};

  rep_vote_write(&w, &vote);
  CHECK(!w.failed);
  check_all(bytes, decode_vote, false);
}

static void timeouts(void) {
  const struct rep_hash block = sample_hash(4);
  struct rep_timeout timeout = {
      .view = 8, .voter = 3, .high = sample_cert(6, &block, 3)};
  struct rep_bytes *const bytes = rep_bytes_new(rep_timeout_len(&timeout));
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);

  rep_timeout_write(&w, &timeout);
  CHECK(!w.failed && w.len == bytes->len);
  rep_cert_unref(timeout.high);
  check_all(bytes, decode_timeout, false);
}

static void new_views(void) {
  const struct rep_hash block = sample_hash(4);
  struct rep_new_view nv = {.view = 8, .high = sample_cert(6, &block, 3)};

  check_all(rep_new_view_encode(&nv), decode_new_view, false);
  nv.tc = sample_tc(7, 3);
  check_all(rep_new_view_encode(&nv), decode_new_view, true);
  rep_new_view_fini(&nv);
}

static void proposals(void) {
  check_all(sample_proposal(false), decode_proposal, false);
  check_all(sample_proposal(true), decode_proposal, true);
}

static void sync_requests(void) {
  struct rep_bytes *const bytes = rep_bytes_new(REP_SYNC_REQUEST_LEN);
  struct rep_writer w = rep_writer_of(bytes->data, bytes->len);
  struct rep_sync_request request = {.from_height = 1, .want = sample_hash(9)};

  rep_sync_request_write(&w, &request);
  check_all(rep_bytes_ref(bytes), decode_request, false);
  request.from_height = 0; /* genesis is not sent */
  w = rep_writer_of(bytes->data, bytes->len);
  rep_sync_request_write(&w, &request);
  CHECK(!decode_request(bytes));
  rep_bytes_unref(bytes);
}

static void sync_responses(void) {
  struct rep_block *const block = sample_block();
  const struct hs2n_span encodings[] = {block->encoding, block->encoding};
  struct rep_cert *const cert = sample_cert(9, &block->hash, 3);

  check_all(rep_sync_response_encode(NULL, encodings, 2), decode_response,
            false);
  check_all(rep_sync_response_encode(cert, encodings, 2), decode_response,
            false);
  rep_cert_unref(cert);
  rep_block_unref(block);
}

/* ---- bad blocks --------------------------------------------------------- */

struct rep_bad {
  size_t at; /* from the start of the block */
  uint8_t value;
  const char *what;
};

static void blocks_that_break_the_form(void) {
  struct rep_bytes *const good = sample_proposal(false);
  const size_t len = good->len - REP_PROPOSAL_HEAD;
  const struct rep_bad bad[] = {
      {0, 2, "version"},
      {8, 8, "view not above justify's"},
      {16, 0, "height 0"},
      {21, 0xff, "parent is not justify's block"},
      {len - 12 - 5, 3, "fewer transactions than said"},
      {len - 12 - 5, 1, "more transactions than said"},
      {len - 12 - 1, 13, "transactions longer than the block"},
      {len - 12 + 3, 4, "a transaction into the next"},
      {len - 2, 0, "an empty transaction"},
  };

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    struct rep_bytes *const broken = rep_bytes_copy(rep_bytes_span(good));

    broken->data[REP_PROPOSAL_HEAD + bad[i].at] = bad[i].value;
    if (decode_proposal(broken)) {
      TAP_WRONG("# accepted: %s\n", bad[i].what);
    }
    rep_bytes_unref(broken);
  }
  rep_bytes_unref(good);
}

/* One bit anywhere in a block changes its hash, or breaks its form. */
static void hash_covers_every_bit(void) {
  struct rep_crypto crypto = fake_crypto(&me);
  struct rep_block *const block = sample_block();

  for (size_t i = 0; i < 8 * block->encoding.len; i++) {
    struct rep_bytes *const copy = rep_bytes_copy(block->encoding);
    struct rep_block *other;

    copy->data[i / 8] = (uint8_t)(copy->data[i / 8] ^ 1u << (i % 8));
    other = rep_block_decode(rep_bytes_span(copy), copy, &crypto);
    CHECK(other == NULL || !rep_hash_eq(&other->hash, &block->hash));
    rep_block_unref(other);
    rep_bytes_unref(copy);
  }
  rep_block_unref(block);
}

/* A signature made for one purpose is no use for another. */
static void signed_texts_differ(void) {
  const struct rep_committee a = {.n = 4, .chain_id = "a"};
  const struct rep_committee ab = {.n = 4, .chain_id = "ab"};
  const struct rep_hash hash = sample_hash(1);
  struct rep_signed texts[6];

  rep_vote_text(&a, 1, &hash, &texts[0]);
  rep_vote_text(&a, 2, &hash, &texts[1]);
  rep_vote_text(&ab, 1, &hash, &texts[2]);
  rep_proposal_text(&a, 1, &hash, &texts[3]);
  rep_timeout_text(&a, 1, 1, &texts[4]);
  rep_timeout_text(&a, 1, 2, &texts[5]);
  for (int i = 0; i < 6; i++) {
    for (int k = 0; k < i; k++) {
      CHECK(texts[i].len != texts[k].len ||
            memcmp(texts[i].bytes, texts[k].bytes, texts[i].len) != 0);
    }
  }
}

int main(void) {
  RUN(votes);
  RUN(timeouts);
  RUN(new_views);
  RUN(proposals);
  RUN(sync_requests);
  RUN(sync_responses);
  RUN(blocks_that_break_the_form);
  RUN(hash_covers_every_bit);
  RUN(signed_texts_differ);
  return tap_done();
}
