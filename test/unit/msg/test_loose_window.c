#include "base/rng.h"
#include "msg/loose_window.h"
#include "tap.h"

#include <string.h>

static void numbers_come_in_any_order_and_each_is_taken_once(void) {
  struct hs2ni_loose_window w = {0};

  hs2ni_loose_window_take(&w, 5);
  CHECK_EQ(hs2ni_loose_window_check(&w, 5), HS2NI_DEDUP_OPEN);
  CHECK_EQ(hs2ni_loose_window_check(&w, 4), HS2NI_DEDUP_NEW);
  hs2ni_loose_window_take(&w, 4);
  CHECK_EQ(hs2ni_loose_window_check(&w, 4), HS2NI_DEDUP_OPEN);
  hs2ni_loose_window_judge(&w, 4);
  CHECK_EQ(hs2ni_loose_window_check(&w, 4), HS2NI_DEDUP_JUDGED);
  CHECK_EQ(hs2ni_loose_window_check(&w, 6), HS2NI_DEDUP_NEW);
  CHECK_EQ(w.floor, 0);
}

static void a_gap_holds_the_floor_until_it_is_over(void) {
  struct hs2ni_loose_window w = {0};
  uint8_t bitmap[HS2NI_LOOSE_WINDOW / 8];

  for (uint64_t seq = 1; seq <= 20; seq++) {
    if (seq != 2 && seq != 9) {
      hs2ni_loose_window_take(&w, seq);
      hs2ni_loose_window_judge(&w, seq);
    }
  }
  CHECK_EQ(w.floor, 1);
  CHECK_EQ(hs2ni_loose_window_bitmap(&w, bitmap), 3);
  CHECK_EQ(bitmap[0], 0x7e);
  hs2ni_loose_window_raise(&w, 3);
  CHECK_EQ(w.floor, 8);
  hs2ni_loose_window_raise(&w, 2); /* an old datagram */
  CHECK_EQ(w.floor, 8);
  hs2ni_loose_window_take(&w, 9);
  CHECK_EQ(w.floor, 8);
  hs2ni_loose_window_judge(&w, 9);
  CHECK_EQ(w.floor, 20);
  CHECK_EQ(hs2ni_loose_window_bitmap(&w, bitmap), 0);
}

static void a_number_far_ahead_moves_the_window(void) {
  struct hs2ni_loose_window w = {0};

  hs2ni_loose_window_take(&w, 1);
  hs2ni_loose_window_take(&w, 1024);
  CHECK_EQ(w.floor, 0);
  hs2ni_loose_window_take(&w, 1025);
  CHECK_EQ(w.floor, 1);
  hs2ni_loose_window_judge(&w, 1); /* it is over: nothing to do */
  hs2ni_loose_window_untake(&w, 1);
  CHECK_EQ(hs2ni_loose_window_check(&w, 1), HS2NI_DEDUP_JUDGED);
  hs2ni_loose_window_take(&w, UINT64_MAX);
  CHECK(w.floor == UINT64_MAX - HS2NI_LOOSE_WINDOW);
  CHECK_EQ(hs2ni_loose_window_check(&w, 1025), HS2NI_DEDUP_JUDGED);
  CHECK_EQ(hs2ni_loose_window_check(&w, UINT64_MAX - 1), HS2NI_DEDUP_NEW);
  hs2ni_loose_window_raise(&w, UINT64_MAX);
  CHECK(w.floor == UINT64_MAX - 1);
  CHECK_EQ(hs2ni_loose_window_check(&w, UINT64_MAX), HS2NI_DEDUP_OPEN);
}

enum { NUMBERS = 6000 };

/* What the window should be, a byte for each number. */
struct model {
  uint64_t floor, newest;
  uint8_t state[NUMBERS + 1]; /* 0 new, 1 open, 2 judged */
};

static void model_advance(struct model *m) {
  while (m->floor < m->newest && m->state[m->floor + 1] == 2) {
    m->floor++;
  }
}

static void model_take(struct model *m, uint64_t seq) {
  m->state[seq] = 1;
  m->newest = seq > m->newest ? seq : m->newest;
  if (m->newest - m->floor > HS2NI_LOOSE_WINDOW) {
    m->floor = m->newest - HS2NI_LOOSE_WINDOW;
  }
  model_advance(m);
}

static void model_raise(struct model *m, uint64_t base) {
  m->floor = base - 1 > m->floor ? base - 1 : m->floor;
  m->newest = m->floor > m->newest ? m->floor : m->newest;
  model_advance(m);
}

static enum hs2ni_dedup_sight model_sight(const struct model *m, uint64_t seq) {
  if (seq <= m->floor || m->state[seq] == 2) {
    return HS2NI_DEDUP_JUDGED;
  }
  return m->state[seq] == 1 ? HS2NI_DEDUP_OPEN : HS2NI_DEDUP_NEW;
}

static void compare(const struct hs2ni_loose_window *w, const struct model *m) {
  uint8_t bitmap[HS2NI_LOOSE_WINDOW / 8];

  CHECK_EQ(w->floor, m->floor);
  CHECK_EQ(w->newest, m->newest);
  (void)hs2ni_loose_window_bitmap(w, bitmap);
  for (uint64_t i = 0; i < HS2NI_LOOSE_WINDOW && m->floor + 1 + i <= NUMBERS;
       i++) {
    CHECK_EQ(bitmap[i / 8] >> (i % 8) & 1, m->state[m->floor + 1 + i] == 2);
  }
}

/* covers: H36 */
static void a_random_walk_agrees_with_a_table_of_all_numbers(void) {
  for (uint64_t seed = 1; seed <= 20 && tap_case_ok; seed++) {
    struct hs2ni_loose_window w = {0};
    static struct model m;
    struct hs2ni_rng rng;
    uint64_t near = 1;

    hs2ni_rng_seed(&rng, seed);
    m = (struct model){0};
    while (near + 1500 < NUMBERS && tap_case_ok) {
      const uint64_t spread = hs2ni_rng_below(&rng, 20) == 0 ? 1400 : 40;
      const uint64_t seq = near + hs2ni_rng_below(&rng, spread);
      const enum hs2ni_dedup_sight sight = model_sight(&m, seq);
      const uint64_t what = hs2ni_rng_below(&rng, 8);

      CHECK_EQ(hs2ni_loose_window_check(&w, seq), sight);
      if (sight == HS2NI_DEDUP_NEW) {
        hs2ni_loose_window_take(&w, seq);
        model_take(&m, seq);
      } else if (sight == HS2NI_DEDUP_OPEN && what < 4) {
        hs2ni_loose_window_judge(&w, seq);
        m.state[seq] = 2;
        model_advance(&m);
      } else if (sight == HS2NI_DEDUP_OPEN && what == 4) {
        hs2ni_loose_window_untake(&w, seq);
        m.state[seq] = 0;
      } else if (what == 5 && hs2ni_rng_below(&rng, 8) == 0) {
        const uint64_t base = near + hs2ni_rng_below(&rng, 60);

        hs2ni_loose_window_raise(&w, base);
        model_raise(&m, base);
      }
      near += hs2ni_rng_below(&rng, 12) == 0;
      compare(&w, &m);
    }
  }
}

int main(void) {
  RUN(numbers_come_in_any_order_and_each_is_taken_once);
  RUN(a_gap_holds_the_floor_until_it_is_over);
  RUN(a_number_far_ahead_moves_the_window);
  RUN(a_random_walk_agrees_with_a_table_of_all_numbers);
  return tap_done();
}
