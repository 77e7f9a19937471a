#include "quorum.h"
#include "samples.h"

#include <tap.h>

static struct rep_committee committee;
static struct rep_verifier verifier;
static uint32_t me;

static void begin(uint32_t n) {
  struct rep_crypto crypto = fake_crypto(&me);

  committee = sample_committee(n);
  rep_verifier_init(&verifier, &committee, &crypto);
}

static struct rep_vote vote_of(uint32_t voter, uint64_t view, uint8_t block) {
  struct rep_vote vote = {
      .view = view, .block = sample_hash(block), .voter = voter};
  struct rep_signed text;

  rep_vote_text(&committee, view, &vote.block, &text);
  fake_sign_as(voter, rep_signed_span(&text), vote.signature);
  return vote;
}

static bool add(struct rep_votes *votes, uint32_t voter, uint64_t view,
                uint8_t block) {
  const struct rep_vote vote = vote_of(voter, view, block);

  if (!rep_votes_wants(votes, voter, view)) {
    return false;
  }
  rep_votes_add(votes, &vote);
  return true;
}

static void quorum_sizes(void) {
  static const uint32_t want[][2] = {{4, 3},  {5, 4},    {6, 5},   {7, 5},
                                     {10, 7}, {100, 67}, {128, 86}};

  for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
    const struct rep_committee c = sample_committee(want[i][0]);

    CHECK_EQ(rep_quorum(&c), want[i][1]);
    /* Two quorums share an honest replica. */
    CHECK(2 * rep_quorum(&c) > c.n + rep_faulty_max(&c));
  }
}

static void a_quorum_makes_a_certificate(void) {
  static struct rep_votes votes;
  const struct rep_hash block = sample_hash(1);
  struct rep_cert *cert;

  begin(4);
  memset(&votes, 0, sizeof(votes));
  CHECK(add(&votes, 0, 5, 1));
  CHECK(add(&votes, 3, 5, 1));
  CHECK(rep_votes_cert(&votes, &committee, 5, &block) == NULL);
  CHECK(add(&votes, 2, 5, 1));
  cert = rep_votes_cert(&votes, &committee, 5, &block);
  REQUIRE(cert != NULL);
  CHECK_EQ(cert->count, 3);
  CHECK(rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);
}

static void votes_for_different_blocks_do_not_add_up(void) {
  static struct rep_votes votes;
  const struct rep_hash block = sample_hash(1);

  begin(4);
  memset(&votes, 0, sizeof(votes));
  CHECK(add(&votes, 0, 5, 1));
  CHECK(add(&votes, 1, 5, 1));
  CHECK(add(&votes, 2, 5, 2));
  CHECK(add(&votes, 3, 4, 1));
  CHECK(rep_votes_cert(&votes, &committee, 5, &block) == NULL);
}

static void a_voter_counts_once(void) {
  static struct rep_votes votes;
  const struct rep_hash block = sample_hash(1);

  begin(4);
  memset(&votes, 0, sizeof(votes));
  CHECK(add(&votes, 0, 5, 1));
  CHECK(!add(&votes, 0, 5, 1));
  CHECK(!add(&votes, 0, 5, 2)); /* nor does it change its mind */
  CHECK(!add(&votes, 0, 4, 1));
  CHECK(add(&votes, 1, 5, 1));
  CHECK(rep_votes_cert(&votes, &committee, 5, &block) == NULL);
  CHECK(add(&votes, 0, 6, 1)); /* a newer one takes the place */
}

static void certificates_that_do_not_hold(void) {
  const struct rep_hash block = sample_hash(1);
  struct rep_signers signers = {{0}};
  struct rep_cert *cert;

  begin(4);
  cert = sample_cert(5, &block, 2);
  CHECK(!rep_verify_cert(&verifier, cert)); /* too few */
  rep_cert_unref(cert);
  cert = sample_cert(5, &block, 4);
  CHECK(!rep_verify_cert(&verifier, cert)); /* one form only: exactly q */
  rep_cert_unref(cert);

  for (uint32_t i = 0; i < 3; i++) {
    cert = sample_cert(5, &block, 3);
    cert->signatures[i][0] ^= 1;
    CHECK(!rep_verify_cert(&verifier, cert));
    rep_cert_unref(cert);
  }
  cert = sample_cert(5, &block, 3);
  cert->view = 6; /* the votes were for another view */
  CHECK(!rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);

  rep_signers_add(&signers, 0);
  rep_signers_add(&signers, 1);
  rep_signers_add(&signers, 4); /* no member */
  cert = rep_cert_new(5, &block, &signers);
  memset(cert->signatures, 0, 3 * HS2N_SIGNATURE_LEN);
  CHECK(!rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);

  cert = sample_cert(0, &block, 0); /* genesis of another chain */
  CHECK(!rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);
  cert = sample_cert(0, &verifier.genesis, 0);
  CHECK(rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);
}

/* What is remembered is the whole certificate: the same votes with one bit
 * changed are looked at again. */
static void remembers_exact_certificates(void) {
  const struct rep_hash block = sample_hash(1);
  struct rep_cert *const cert = sample_cert(5, &block, 3);

  begin(4);
  CHECK(rep_verify_cert(&verifier, cert));
  CHECK(rep_verify_cert(&verifier, cert));
  cert->signatures[2][63] ^= 1;
  CHECK(!rep_verify_cert(&verifier, cert));
  CHECK(!rep_verify_cert(&verifier, cert));
  rep_cert_unref(cert);
}

static struct rep_timeout timeout_of(uint32_t voter, uint64_t view,
                                     struct rep_cert *high) {
  struct rep_timeout timeout = {.view = view, .voter = voter, .high = high};
  struct rep_signed text;

  rep_timeout_text(&committee, view, high->view, &text);
  fake_sign_as(voter, rep_signed_span(&text), timeout.signature);
  return timeout;
}

static void timeouts_make_a_tc(void) {
  static struct rep_timeouts timeouts;
  struct rep_tc *tc;

  begin(4);
  memset(&timeouts, 0, sizeof(timeouts));
  for (uint32_t i = 0; i < 3; i++) {
    const struct rep_hash block = sample_hash(1);
    struct rep_cert *const high = sample_cert(2 + i, &block, 3);
    const struct rep_timeout timeout = timeout_of(i, 9, high);

    CHECK(rep_timeouts_tc(&timeouts, &committee, 9) == NULL);
    CHECK(rep_verify_timeout(&verifier, &timeout));
    CHECK(rep_timeouts_wants(&timeouts, i, 9));
    rep_timeouts_add(&timeouts, &timeout);
    CHECK(!rep_timeouts_wants(&timeouts, i, 9));
    rep_cert_unref(high);
  }
  CHECK(rep_timeouts_tc(&timeouts, &committee, 8) == NULL);
  tc = rep_timeouts_tc(&timeouts, &committee, 9);
  REQUIRE(tc != NULL);
  CHECK(rep_verify_tc(&verifier, tc));
  CHECK_EQ(tc->entries[2].rank, 4);
  tc->entries[2].rank = 5; /* not what was signed */
  CHECK(!rep_verify_tc(&verifier, tc));
  rep_tc_unref(tc);
}

static void joins_with_f_plus_1(void) {
  static struct rep_timeouts timeouts;
  static const uint64_t views[] = {0, 1000, 7, 9};
  const struct rep_hash block = sample_hash(1);
  struct rep_cert *const high = sample_cert(2, &block, 3);

  begin(4);
  memset(&timeouts, 0, sizeof(timeouts));
  CHECK_EQ(rep_timeouts_joined(&timeouts, &committee), 0);
  for (uint32_t i = 1; i < 4; i++) {
    const struct rep_timeout timeout = timeout_of(i, views[i], high);

    rep_timeouts_add(&timeouts, &timeout);
    /* One liar alone moves nobody; with two others, the middle one counts. */
    CHECK_EQ(rep_timeouts_joined(&timeouts, &committee),
             i == 1 ? 0 : (i == 2 ? 7 : 9));
  }
  rep_cert_unref(high);
}

int main(void) {
  RUN(quorum_sizes);
  RUN(a_quorum_makes_a_certificate);
  RUN(votes_for_different_blocks_do_not_add_up);
  RUN(a_voter_counts_once);
  RUN(certificates_that_do_not_hold);
  RUN(remembers_exact_certificates);
  RUN(timeouts_make_a_tc);
  RUN(joins_with_f_plus_1);
  return tap_done();
}
