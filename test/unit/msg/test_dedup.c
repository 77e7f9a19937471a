#include "base/rng.h"
#include "msg/dedup.h"
#include "tap.h"

#include <string.h>

static void what_was_taken_is_a_duplicate(void) {
  struct hs2ni_dedup d = {0};

  CHECK_EQ(hs2ni_dedup_check(&d, 5), HS2NI_DEDUP_NEW);
  hs2ni_dedup_take(&d, 5);
  CHECK_EQ(hs2ni_dedup_check(&d, 5), HS2NI_DEDUP_OPEN);
  CHECK_EQ(hs2ni_dedup_check(&d, 4), HS2NI_DEDUP_JUDGED);
  hs2ni_dedup_judge(&d, 5);
  CHECK_EQ(hs2ni_dedup_check(&d, 5), HS2NI_DEDUP_JUDGED);
  CHECK_EQ(d.floor, 5);
}

static void an_open_number_holds_the_floor(void) {
  struct hs2ni_dedup d = {0};
  uint8_t bitmap[HS2NI_DEDUP_WINDOW / 8];

  for (uint64_t s = 1; s <= 4; s++) {
    hs2ni_dedup_take(&d, s);
  }
  hs2ni_dedup_judge(&d, 1);
  hs2ni_dedup_judge(&d, 3);
  CHECK_EQ(d.floor, 1);
  CHECK_EQ(hs2ni_dedup_bitmap(&d, bitmap), 1);
  CHECK_EQ(bitmap[0], 0x2);
  hs2ni_dedup_judge(&d, 2);
  CHECK_EQ(d.floor, 3);
  CHECK_EQ(hs2ni_dedup_bitmap(&d, bitmap), 0);
}

static void the_window_bounds_what_may_be_taken(void) {
  struct hs2ni_dedup d = {0};

  CHECK(hs2ni_dedup_room(&d, UINT64_MAX));
  hs2ni_dedup_take(&d, 10);
  CHECK(hs2ni_dedup_room(&d, 9 + HS2NI_DEDUP_WINDOW));
  CHECK(!hs2ni_dedup_room(&d, 10 + HS2NI_DEDUP_WINDOW));
  hs2ni_dedup_judge(&d, 10);
  CHECK(hs2ni_dedup_room(&d, 10 + HS2NI_DEDUP_WINDOW));
}

static void the_newest_can_be_given_back(void) {
  struct hs2ni_dedup d = {0};

  hs2ni_dedup_take(&d, 1);
  hs2ni_dedup_take(&d, 7);
  hs2ni_dedup_untake(&d, 7);
  CHECK_EQ(hs2ni_dedup_check(&d, 7), HS2NI_DEDUP_NEW);
  CHECK_EQ(hs2ni_dedup_check(&d, 1), HS2NI_DEDUP_OPEN);
  hs2ni_dedup_take(&d, 7);
  hs2ni_dedup_judge(&d, 7);
  hs2ni_dedup_judge(&d, 1);
  CHECK_EQ(d.floor, 7);
}

enum { SPAN = 60000 };
enum life { UNSEEN, OPEN, JUDGED };

static uint64_t model_floor(const uint8_t *life, uint64_t newest) {
  for (uint64_t s = 1; s <= newest; s++) {
    if (life[s] == OPEN) {
      return s - 1;
    }
  }
  return newest;
}

static void compare(const struct hs2ni_dedup *d, const uint8_t *life,
                    uint64_t newest) {
  uint8_t bitmap[HS2NI_DEDUP_WINDOW / 8];
  const size_t len = hs2ni_dedup_bitmap(d, bitmap);

  CHECK_EQ(d->floor, model_floor(life, newest));
  for (uint64_t s = d->floor + 1; s <= newest; s++) {
    const uint64_t i = s - d->floor - 1;
    const bool got = i / 8 < len && (bitmap[i / 8] >> (i % 8) & 1) != 0;

    CHECK_EQ(got, life[s] == JUDGED);
    CHECK_EQ(hs2ni_dedup_check(d, s) == HS2NI_DEDUP_OPEN, life[s] == OPEN);
  }
  CHECK(len == 0 || bitmap[len - 1] != 0);
}

/* covers: H36 */
static void agrees_with_a_plain_array(void) {
  static uint8_t life[SPAN];
  struct hs2ni_dedup d = {0};
  struct hs2ni_rng rng;
  uint64_t newest = 0;

  hs2ni_rng_seed(&rng, 3);
  for (int i = 0; i < 100000 && newest + 2000 < SPAN; i++) {
    const uint64_t what = hs2ni_rng_below(&rng, 16);
    const uint64_t floor = model_floor(life, newest);

    if (what < 7) {
      const uint64_t s = newest + 1 + hs2ni_rng_below(&rng, 3);

      CHECK_EQ(hs2ni_dedup_room(&d, s),
               floor == newest || s - floor <= HS2NI_DEDUP_WINDOW);
      if (hs2ni_dedup_room(&d, s)) {
        hs2ni_dedup_take(&d, s);
        life[s] = OPEN;
        newest = s;
      }
    } else if (what == 7 && newest > 0 && life[newest] == OPEN) {
      hs2ni_dedup_untake(&d, newest);
      life[newest--] = UNSEEN;
    } else if (floor < newest) {
      const uint64_t s =
          floor + 1 +
          hs2ni_rng_below(&rng,
                          hs2ni_rng_below(&rng, 8) == 0 ? 1 : newest - floor);
      if (life[s] == OPEN) {
        hs2ni_dedup_judge(&d, s);
        life[s] = JUDGED;
      }
    }
    if (i % 64 == 0) {
      compare(&d, life, newest);
    }
  }
  CHECK(newest > 10000);
}

int main(void) {
  RUN(what_was_taken_is_a_duplicate);
  RUN(an_open_number_holds_the_floor);
  RUN(the_window_bounds_what_may_be_taken);
  RUN(the_newest_can_be_given_back);
  RUN(agrees_with_a_plain_array);
  return tap_done();
}
