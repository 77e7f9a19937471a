#include "base/list.h"

#include <assert.h>

static void link_between(struct hs2ni_list *l, struct hs2ni_list_node *prev,
                         struct hs2ni_list_node *n,
                         struct hs2ni_list_node *next) {
  /* In no list.  A lone node of one looks the same, but that list knows. */
  assert(n->prev == NULL);
  assert(n->next == NULL);
  assert(l->head != n);
  n->prev = prev;
  n->next = next;
  if (prev == NULL) {
    l->head = n;
  } else {
    prev->next = n;
  }
  if (next == NULL) {
    l->tail = n;
  } else {
    next->prev = n;
  }
  l->count++;
}

void hs2ni_list_push_back(struct hs2ni_list *l, struct hs2ni_list_node *n) {
  link_between(l, l->tail, n, NULL);
}

void hs2ni_list_push_front(struct hs2ni_list *l, struct hs2ni_list_node *n) {
  link_between(l, NULL, n, l->head);
}

void hs2ni_list_insert_before(struct hs2ni_list *l, struct hs2ni_list_node *at,
                              struct hs2ni_list_node *n) {
  link_between(l, at->prev, n, at);
}

void hs2ni_list_remove(struct hs2ni_list *l, struct hs2ni_list_node *n) {
  assert(l->count > 0);
  assert(n->prev != NULL || l->head == n);
  assert(n->next != NULL || l->tail == n);
  if (n->prev == NULL) {
    l->head = n->next;
  } else {
    n->prev->next = n->next;
  }
  if (n->next == NULL) {
    l->tail = n->prev;
  } else {
    n->next->prev = n->prev;
  }
  *n = (struct hs2ni_list_node){0};
  l->count--;
}

struct hs2ni_list_node *hs2ni_list_pop_front(struct hs2ni_list *l) {
  struct hs2ni_list_node *n = l->head;

  if (n != NULL) {
    hs2ni_list_remove(l, n);
  }
  return n;
}
