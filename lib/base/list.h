/* list: an intrusive doubly linked list.  A node is part of its owner's
 * struct; a list never allocates.  A zeroed node is in no list. */
#ifndef HS2NI_BASE_LIST_H
#define HS2NI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hs2ni_list_node {
  struct hs2ni_list_node *prev, *next;
};

struct hs2ni_list {
  struct hs2ni_list_node *head, *tail;
  size_t count;
};

#define HS2NI_CONTAINER(ptr, type, member) \
  ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline bool hs2ni_list_empty(const struct hs2ni_list *l) {
  return l->head == NULL;
}

void hs2ni_list_push_back(struct hs2ni_list *l, struct hs2ni_list_node *n);
void hs2ni_list_push_front(struct hs2ni_list *l, struct hs2ni_list_node *n);
/* Puts n right before at, which is in l. */
void hs2ni_list_insert_before(struct hs2ni_list *l, struct hs2ni_list_node *at,
                              struct hs2ni_list_node *n);
/* n is in l. */
void hs2ni_list_remove(struct hs2ni_list *l, struct hs2ni_list_node *n);
/* NULL when empty. */
struct hs2ni_list_node *hs2ni_list_pop_front(struct hs2ni_list *l);

#endif /* HS2NI_BASE_LIST_H */
