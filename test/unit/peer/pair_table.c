/* Prints docs/peer-states.md: every transition that the pair machine can
 * make, found by walking all its states.  Compared with the page in a test;
 * to renew the page, redirect the output there. */
#include "peer/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATES_MAX 4096
#define ROWS_MAX 1024
#define ROW_LEN 256

struct walk {
  struct hs2ni_pair states[STATES_MAX];
  size_t states_n;
  char rows[ROWS_MAX][ROW_LEN];
  size_t rows_n;
};

/* Numbers that only grow are cut to what makes a difference. */
static void normalise(struct hs2ni_pair *p) {
  struct hs2ni_slot *s = p->slots;
  const bool swapped = s[0].order > s[1].order;

  p->failures = p->failures > 0;
  p->order = 2;
  s[0].order = s[0].state == HS2NI_SLOT_FREE ? 0 : swapped ? 2 : 1;
  s[1].order = s[1].state == HS2NI_SLOT_FREE ? 0 : swapped ? 1 : 2;
}

static bool equal(const struct hs2ni_pair *a, const struct hs2ni_pair *b) {
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    const struct hs2ni_slot *x = &a->slots[i];
    const struct hs2ni_slot *y = &b->slots[i];

    if (x->state != y->state || x->dialled != y->dialled ||
        x->order != y->order || x->incarnation != y->incarnation) {
      return false;
    }
  }
  return a->first == b->first && a->address == b->address &&
         a->paused == b->paused && a->ended == b->ended &&
         a->failures == b->failures && a->incarnation == b->incarnation &&
         a->chosen == b->chosen;
}

static void add_state(struct walk *w, struct hs2ni_pair p) {
  normalise(&p);
  for (size_t i = 0; i < w->states_n; i++) {
    if (equal(&w->states[i], &p)) {
      return;
    }
  }
  if (w->states_n == STATES_MAX) {
    exit(1);
  }
  w->states[w->states_n++] = p;
}

static const char *action_name(enum hs2ni_pair_action_kind kind) {
  switch (kind) {
#define X(name, text)        \
  case HS2NI_PAIR_DO_##name: \
    return #name;
    HS2NI_PAIR_ACTION_LIST(X)
#undef X
  }
  return "?";
}

static const char *reason_name(enum hs2n_reason reason) {
  switch (reason) {
  case HS2N_REASON_DUPLICATE:
    return " DUPLICATE";
  case HS2N_REASON_STALE_INCARNATION:
    return " STALE_INCARNATION";
  case HS2N_REASON_BUSY:
    return " BUSY";
  case HS2N_REASON_SHUTDOWN:
    return " SHUTDOWN";
  default:
    return "";
  }
}

static void add_row(struct walk *w, enum hs2ni_pair_state from,
                    const char *event, enum hs2ni_pair_state to,
                    const struct hs2ni_pair_actions *actions) {
  char row[ROW_LEN];
  int n =
      snprintf(row, sizeof(row), "| %s | %s | %s |",
               hs2ni_pair_state_name(from), event, hs2ni_pair_state_name(to));

  for (unsigned i = 0; i < actions->count; i++) {
    n += snprintf(row + n, sizeof(row) - (size_t)n, "%s %s%s", i > 0 ? "," : "",
                  action_name(actions->list[i].kind),
                  reason_name(actions->list[i].reason));
  }
  (void)snprintf(row + n, sizeof(row) - (size_t)n, " |");
  for (size_t i = 0; i < w->rows_n; i++) {
    if (strcmp(w->rows[i], row) == 0) {
      return;
    }
  }
  if (w->rows_n == ROWS_MAX) {
    exit(1);
  }
  memcpy(w->rows[w->rows_n++], row, sizeof(row));
}

static void try_event(struct walk *w, const struct hs2ni_pair *at,
                      const char *name, const struct hs2ni_pair_event *event) {
  struct hs2ni_pair p = *at;
  struct hs2ni_pair_actions actions;

  hs2ni_pair_step(&p, event, &actions);
  add_row(w, hs2ni_pair_state(at), name, hs2ni_pair_state(&p), &actions);
  add_state(w, p);
}

/* Every event that may come for a slot in its state. */
static void try_slot(struct walk *w, const struct hs2ni_pair *at, int slot) {
  const enum hs2ni_slot_state state = at->slots[slot].state;

  if (state == HS2NI_SLOT_FREE) {
    return;
  }
  try_event(
      w, at, "CLOSED",
      &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_CLOSED, .slot = slot});
  try_event(
      w, at, "ABORT",
      &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_ABORT, .slot = slot});
  if (state == HS2NI_SLOT_DIALLING) {
    try_event(w, at, "CONNECTED",
              &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_CONNECTED,
                                         .slot = slot});
  }
  for (uint64_t i = 1; state == HS2NI_SLOT_GREETING && i <= 2; i++) {
    try_event(w, at, "READY",
              &(struct hs2ni_pair_event){
                  .kind = HS2NI_PAIR_ON_READY, .slot = slot, .incarnation = i});
  }
}

static void try_all(struct walk *w, struct hs2ni_pair at) {
  static const struct {
    const char *name;
    enum hs2ni_pair_event_kind kind;
  } plain[] = {
      {"ADDRESS", HS2NI_PAIR_ON_ADDRESS},
      {"NO_ADDRESS", HS2NI_PAIR_ON_NO_ADDRESS},
      {"ACCEPTED", HS2NI_PAIR_ON_ACCEPTED},
      {"END", HS2NI_PAIR_ON_END},
  };

  for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
    try_event(w, &at, plain[i].name,
              &(struct hs2ni_pair_event){.kind = plain[i].kind});
  }
  if (at.paused) {
    try_event(w, &at, "TIMER",
              &(struct hs2ni_pair_event){.kind = HS2NI_PAIR_ON_TIMER});
  }
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    try_slot(w, &at, i);
  }
}

static int compare(const void *a, const void *b) {
  return strcmp(a, b);
}

static void print_lists(void) {
  puts("# The life of a connection pair\n\n"
       "Between two members there is at most one connection. Each end runs "
       "the machine of `lib/peer/pair.h`;\nthis page is printed from it "
       "(`test/unit/peer/pair_table.c`) and compared in every test run.\n\n"
       "| State | Meaning |\n|---|---|");
#define X(name, text) puts("| " #name " | " text " |");
  HS2NI_PAIR_STATE_LIST(X)
#undef X
  puts("\n| Event | Meaning |\n|---|---|");
#define X(name, text) puts("| " #name " | " text " |");
  HS2NI_PAIR_EVENT_LIST(X)
#undef X
  puts("\n| Action | Meaning |\n|---|---|");
#define X(name, text) puts("| " #name " | " text " |");
  HS2NI_PAIR_ACTION_LIST(X)
#undef X
}

int main(void) {
  static struct walk w;

  add_state(&w, (struct hs2ni_pair){.first = true});
  add_state(&w, (struct hs2ni_pair){.first = false});
  for (size_t i = 0; i < w.states_n; i++) {
    try_all(&w, w.states[i]);
  }
  qsort(w.rows, w.rows_n, ROW_LEN, compare);
  print_lists();
  puts("\n## Every transition\n\n| State | Event | Next | Actions |\n"
       "|---|---|---|---|");
  for (size_t i = 0; i < w.rows_n; i++) {
    puts(w.rows[i]);
  }
  return 0;
}
