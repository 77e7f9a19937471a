/* test_share: what peers get beyond what each of them has. */
#include "base/rng.h"
#include "base/share.h"
#include "tap.h"

#define TOTAL 1000000u

static void one_alone_gets_a_fifth_of_all(void) {
  struct hs2ni_share s = {0};

  CHECK_EQ(hs2ni_share_take(&s, TOTAL, 0, TOTAL), TOTAL / 5);
  CHECK_EQ(hs2ni_share_take(&s, TOTAL, TOTAL / 5, 1), 0);
  CHECK_EQ(s.lent, TOTAL / 5);
}

static void small_steps_lead_to_the_same(void) {
  struct hs2ni_share s = {0};
  uint64_t has = 0;
  uint64_t more;

  while ((more = hs2ni_share_take(&s, TOTAL, has, 777)) > 0) {
    has += more;
  }
  CHECK_EQ(has, TOTAL / 5);
}

/* However many came before, and give nothing back. */
static void the_next_one_gets_a_fifth_of_the_rest(void) {
  struct hs2ni_share s = {0};

  for (unsigned i = 0; i < 30; i++) {
    const uint64_t left = TOTAL - s.lent;

    CHECK_EQ(hs2ni_share_take(&s, TOTAL, 0, TOTAL), left / 5);
  }
  CHECK(s.lent < TOTAL);
}

static void what_is_given_back_can_be_lent_again(void) {
  struct hs2ni_share s = {0};
  const uint64_t first = hs2ni_share_take(&s, TOTAL, 0, TOTAL);
  const uint64_t second = hs2ni_share_take(&s, TOTAL, 0, TOTAL);

  CHECK(second < first);
  hs2ni_share_give(&s, first);
  CHECK_EQ(hs2ni_share_take(&s, TOTAL, second, TOTAL), first - second);
  hs2ni_share_give(&s, first);
  CHECK_EQ(s.lent, 0);
}

static void what_stays_in_use_is_not_lent_again(void) {
  struct hs2ni_share s = {0};

  hs2ni_share_keep(&s, TOTAL / 2);
  CHECK_EQ(hs2ni_share_take(&s, TOTAL, 0, TOTAL), TOTAL / 10);
  hs2ni_share_keep(&s, TOTAL);
  CHECK_EQ(hs2ni_share_take(&s, TOTAL, 0, TOTAL), 0);
  hs2ni_share_give(&s, TOTAL + TOTAL / 2);
  CHECK_EQ(s.lent, TOTAL / 10);
}

static void nothing_is_lent_where_there_is_nothing(void) {
  struct hs2ni_share s = {0};

  CHECK_EQ(hs2ni_share_take(&s, 0, 0, 1), 0);
  CHECK_EQ(hs2ni_share_take(&s, 4, 0, 1), 0);
  CHECK_EQ(hs2ni_share_take(&s, TOTAL, 0, 0), 0);
  CHECK_EQ(s.lent, 0);
}

enum { PEERS = 20 };

/* As much as may be, byte by byte. */
static uint64_t naive(uint64_t left, uint64_t has, uint64_t want) {
  uint64_t most = 0;

  while (most < want && most < left &&
         has + most + 1 <= (left - most - 1) / 4) {
    most++;
  }
  return most;
}

static void random_walks_agree_with_counting_byte_by_byte(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 3);
  for (unsigned walk = 0; walk < 50; walk++) {
    const uint64_t total = hs2ni_rng_below(&rng, 2000);
    struct hs2ni_share s = {0};
    uint64_t has[PEERS] = {0};

    for (unsigned i = 0; i < 400; i++) {
      const size_t p = (size_t)hs2ni_rng_below(&rng, PEERS);
      const uint64_t bytes = hs2ni_rng_below(&rng, 300);

      if (hs2ni_rng_below(&rng, 3) > 0) {
        const uint64_t expected = naive(total - s.lent, has[p], bytes);

        CHECK_EQ(hs2ni_share_take(&s, total, has[p], bytes), expected);
        has[p] += expected;
      } else if (bytes <= has[p]) {
        hs2ni_share_give(&s, bytes);
        has[p] -= bytes;
      }
      CHECK(s.lent <= total);
    }
    for (size_t p = 0; p < PEERS; p++) {
      hs2ni_share_give(&s, has[p]);
    }
    CHECK_EQ(s.lent, 0);
  }
}

int main(void) {
  RUN(one_alone_gets_a_fifth_of_all);
  RUN(small_steps_lead_to_the_same);
  RUN(the_next_one_gets_a_fifth_of_the_rest);
  RUN(what_is_given_back_can_be_lent_again);
  RUN(what_stays_in_use_is_not_lent_again);
  RUN(nothing_is_lent_where_there_is_nothing);
  RUN(random_walks_agree_with_counting_byte_by_byte);
  return tap_done();
}
