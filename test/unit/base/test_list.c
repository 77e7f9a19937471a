#include "base/list.h"
#include "base/rng.h"
#include "tap.h"

#define NODES 16

struct item {
  int number;
  struct hs2ni_list_node node;
};

/* "1 2 3 " forwards, after checking that backwards says the same. */
static const char *contents(const struct hs2ni_list *l, char out[128]) {
  const struct hs2ni_list_node *prev = NULL;
  size_t len = 0;
  size_t count = 0;

  out[0] = '\0';
  for (struct hs2ni_list_node *n = l->head; n != NULL; n = n->next) {
    len += (size_t)snprintf(out + len, 128 - len, "%d ",
                            HS2NI_CONTAINER(n, struct item, node)->number);
    CHECK(n->prev == prev);
    prev = n;
    count++;
  }
  CHECK(l->tail == prev);
  CHECK_EQ(l->count, count);
  CHECK_EQ(hs2ni_list_empty(l), count == 0);
  return out;
}

static void keeps_order_from_all_sides(void) {
  struct hs2ni_list l = {0};
  struct item a = {.number = 1};
  struct item b = {.number = 2};
  struct item c = {.number = 3};
  struct item d = {.number = 4};
  char text[128];

  hs2ni_list_push_back(&l, &b.node);
  hs2ni_list_push_back(&l, &d.node);
  hs2ni_list_push_front(&l, &a.node);
  hs2ni_list_insert_before(&l, &d.node, &c.node);
  CHECK_TEXT(contents(&l, text), "1 2 3 4 ");
  hs2ni_list_remove(&l, &b.node);
  hs2ni_list_insert_before(&l, &a.node, &b.node);
  CHECK_TEXT(contents(&l, text), "2 1 3 4 ");
  CHECK(hs2ni_list_pop_front(&l) == &b.node);
  hs2ni_list_remove(&l, &d.node);
  CHECK_TEXT(contents(&l, text), "1 3 ");
}

static void a_removed_node_is_zeroed_and_may_go_back(void) {
  struct hs2ni_list l = {0};
  struct item a = {.number = 1};
  struct item b = {.number = 2};

  hs2ni_list_push_back(&l, &a.node);
  hs2ni_list_push_back(&l, &b.node);
  CHECK(hs2ni_list_pop_front(&l) == &a.node);
  CHECK(a.node.prev == NULL && a.node.next == NULL);
  hs2ni_list_push_back(&l, &a.node);
  CHECK(hs2ni_list_pop_front(&l) == &b.node);
  CHECK(hs2ni_list_pop_front(&l) == &a.node);
  CHECK(hs2ni_list_pop_front(&l) == NULL);
  CHECK(hs2ni_list_empty(&l));
}

/* Against an array of numbers that is shifted by hand. */
static void walks_like_an_array(void) {
  struct hs2ni_list l = {0};
  struct item items[NODES] = {0};
  int model[NODES];
  size_t n = 0;
  struct hs2ni_rng rng;

  for (int i = 0; i < NODES; i++) {
    items[i].number = i;
  }
  hs2ni_rng_seed(&rng, 3);
  for (int step = 0; step < 5000; step++) {
    const int pick = (int)hs2ni_rng_below(&rng, NODES);
    struct hs2ni_list_node *node = &items[pick].node;
    size_t at = 0;
    char got[128];
    char want[128] = "";
    size_t len = 0;

    while (at < n && model[at] != pick) {
      at++;
    }
    if (at < n) { /* in the list: out of it */
      hs2ni_list_remove(&l, node);
      memmove(model + at, model + at + 1, (n - at - 1) * sizeof(model[0]));
      n--;
    } else {
      at = hs2ni_rng_below(&rng, n + 1);
      if (at == n) {
        hs2ni_list_push_back(&l, node);
      } else if (at == 0) {
        hs2ni_list_push_front(&l, node);
      } else {
        hs2ni_list_insert_before(&l, &items[model[at]].node, node);
      }
      memmove(model + at + 1, model + at, (n - at) * sizeof(model[0]));
      model[at] = pick;
      n++;
    }
    for (size_t i = 0; i < n; i++) {
      len += (size_t)snprintf(want + len, sizeof(want) - len, "%d ", model[i]);
    }
    CHECK_TEXT(contents(&l, got), want);
  }
}

int main(void) {
  RUN(keeps_order_from_all_sides);
  RUN(a_removed_node_is_zeroed_and_may_go_back);
  RUN(walks_like_an_array);
  return tap_done();
}
