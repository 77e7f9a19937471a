/* Who has taken up which block. */
#include "blocks.h"
#include "tap.h"

#include <stdlib.h>

static struct rep_block block(uint8_t name, uint8_t parent, uint64_t view) {
  return (struct rep_block){
      .view = view, .hash.bytes = {name}, .parent.bytes = {parent}};
}

static uint32_t takers(const struct blocks *b, uint8_t parent, uint64_t view) {
  const struct rep_hash hash = {.bytes = {parent}};

  return blocks_child_takers(b, &hash, view);
}

static void each_replica_counts_once_for_the_child_of_that_view(void) {
  const struct rep_block child = block(2, 1, 7);
  struct blocks b = {0};

  CHECK_EQ(takers(&b, 1, 7), 0);
  CHECK(blocks_take(&b, 0, &child) && blocks_take(&b, 5, &child));
  CHECK(blocks_take(&b, 5, &child));
  CHECK_EQ(takers(&b, 1, 7), 2);
  CHECK_EQ(takers(&b, 1, 8), 0);
  CHECK_EQ(takers(&b, 1, UINT64_MAX), 0);
  CHECK_EQ(takers(&b, 2, 7), 0);
  blocks_fini(&b);
}

/* Two halves of a committee do not make a quorum of two proposals. */
static void of_two_children_of_a_view_the_one_that_most_have_counts(void) {
  const struct rep_block one = block(2, 1, 7);
  const struct rep_block other = block(3, 1, 7);
  struct blocks b = {0};

  for (uint32_t i = 0; i < 7; i++) {
    CHECK(blocks_take(&b, i, i < 3 ? &one : &other));
  }
  CHECK_EQ(takers(&b, 1, 7), 4);
  blocks_fini(&b);
}

static void a_walk_agrees_with_a_table(void) {
  static bool table[8][2000][16]; /* parent, view, replica */
  struct blocks b = {0};
  uint32_t x = 1;

  for (int i = 0; i < 20000; i++) {
    struct rep_block child;
    uint32_t replica;

    x = x * 1664525u + 1013904223u;
    replica = x >> 28;
    child = block((uint8_t)(100 + (x >> 20 & 7)), (uint8_t)(x >> 20 & 7),
                  (x >> 8) % 2000);
    CHECK(blocks_take(&b, replica, &child));
    table[x >> 20 & 7][(x >> 8) % 2000][replica] = true;
  }
  for (uint8_t parent = 0; parent < 8; parent++) {
    for (uint64_t view = 0; view < 2000; view++) {
      uint32_t n = 0;

      for (int i = 0; i < 16; i++) {
        n += table[parent][view][i];
      }
      if (takers(&b, parent, view) != n) {
        CHECK_EQ(takers(&b, parent, view), n);
      }
    }
  }
  blocks_fini(&b);
}

static void a_view_out_of_all_measure_is_refused(void) {
  const struct rep_block far = block(2, 1, UINT64_MAX);
  struct blocks b = {0};

  CHECK(!blocks_take(&b, 0, &far));
  CHECK_EQ(takers(&b, 1, UINT64_MAX), 0);
  blocks_fini(&b);
}

int main(void) {
  RUN(each_replica_counts_once_for_the_child_of_that_view);
  RUN(of_two_children_of_a_view_the_one_that_most_have_counts);
  RUN(a_walk_agrees_with_a_table);
  RUN(a_view_out_of_all_measure_is_refused);
  return tap_done();
}
