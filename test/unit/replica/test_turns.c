/* Who leads: agreed, never for long the same few, never who is gone. */
#include "samples.h"
#include "turns.h"

#include <tap.h>

static struct rep_cert *cert_by(const struct rep_signers *signers) {
  const struct rep_hash block = sample_hash(1);
  struct rep_cert *const cert = rep_cert_new(9, &block, signers);

  if (cert == NULL) {
    abort();
  }
  return cert;
}

static struct rep_signers signers_from(uint32_t first, uint32_t count,
                                       uint32_t n) {
  struct rep_signers signers = {{0}};

  for (uint32_t i = 0; i < count; i++) {
    rep_signers_add(&signers, (first + i) % n);
  }
  return signers;
}

static void turns_are_round_robin_up_to_the_third_block_in_a_row(void) {
  const struct rep_committee c = sample_committee(4);
  const struct rep_signers signers = signers_from(0, 3, 4);
  struct rep_cert *const cert = cert_by(&signers);
  struct rep_line line = {.run = 0};

  CHECK_EQ(rep_line_leader(&line, &c, cert, 7), 3);
  rep_line_extend(&line, &c, true, 3);
  CHECK_EQ(rep_line_leader(&line, &c, cert, 11), 3);
  rep_line_extend(&line, &c, true, 3);
  CHECK_EQ(rep_line_leader(&line, &c, cert, 15), 3);
  rep_line_extend(&line, &c, true, 3);
  for (uint64_t view = 16; view < 64; view++) {
    CHECK(rep_line_leader(&line, &c, cert, view) != 3); /* has not signed */
  }
  rep_line_extend(&line, &c, false, 0); /* a view has failed */
  CHECK_EQ(rep_line_leader(&line, &c, cert, 7), 3);
  rep_cert_unref(cert);
}

/* A chain with a certificate of all but one: the one never leads, and each of
 * the others does, also where f of them are left out at a time. */
static void all_who_sign_lead_and_nobody_else(void) {
  for (uint32_t n = 4; n <= REP_N_MAX; n += 31) {
    const struct rep_committee c = sample_committee(n);
    const struct rep_signers signers = signers_from(1, n - 1, n);
    struct rep_cert *const cert = cert_by(&signers);
    uint32_t led[REP_N_MAX] = {0};
    struct rep_line line = {.run = 0};

    for (uint64_t view = 1; view < 40 * (uint64_t)n; view++) {
      const uint32_t leader = rep_line_leader(&line, &c, cert, view);

      led[leader] += line.run == REP_TURNS_RUN ? 1 : 0;
      rep_line_extend(&line, &c, true, leader);
    }
    CHECK_EQ(led[0], 0);
    for (uint32_t i = 1; i < n; i++) {
      CHECK(led[i] > 10 && led[i] < 120);
    }
    rep_cert_unref(cert);
  }
}

/* The first f are liars, and a liar that leads has only so many others sign
 * as it must. */
static void liars_can_not_keep_the_turn(void) {
  for (uint32_t n = 4; n <= 31; n += 3) {
    const struct rep_committee c = sample_committee(n);
    const uint32_t f = rep_faulty_max(&c);
    uint32_t in_a_row = 0;
    uint32_t led_by_others = 0;
    struct rep_line line = {.run = 0};

    for (uint64_t view = 1; view < 2000; view++) {
      const struct rep_signers signers = signers_from(
          in_a_row > 0 ? 0 : (uint32_t)view % n, rep_quorum(&c), n);
      struct rep_cert *const cert = cert_by(&signers);
      const uint32_t leader = rep_line_leader(&line, &c, cert, view);

      in_a_row = leader < f ? in_a_row + 1 : 0;
      led_by_others += leader < f ? 0 : 1;
      CHECK(line.run < REP_TURNS_RUN || in_a_row <= f);
      rep_line_extend(&line, &c, true, leader);
      rep_cert_unref(cert);
    }
    CHECK(led_by_others > 2000 / (f + 1));
  }
}

/* What a replica knows after a restart is enough. */
static void a_line_depends_on_few_blocks(void) {
  const struct rep_committee c = sample_committee(REP_N_MAX - 1);
  struct rep_line whole = {.run = 0};
  struct rep_line tail = {.run = 0};

  for (uint32_t i = 0; i < 500; i++) {
    const bool consecutive = i % 7 != 0;
    const uint32_t author = i * i % c.n;

    rep_line_extend(&whole, &c, consecutive, author);
    if (i >= 500 - (REP_AUTHORS_MAX + REP_TURNS_RUN)) {
      rep_line_extend(&tail, &c, consecutive, author);
    }
  }
  CHECK_EQ(tail.run, whole.run);
  CHECK_EQ(tail.authors_count, whole.authors_count);
  CHECK_EQ(memcmp(tail.authors, whole.authors, sizeof(tail.authors)), 0);
}

int main(void) {
  RUN(turns_are_round_robin_up_to_the_third_block_in_a_row);
  RUN(all_who_sign_lead_and_nobody_else);
  RUN(liars_can_not_keep_the_turn);
  RUN(a_line_depends_on_few_blocks);
  return tap_done();
}
