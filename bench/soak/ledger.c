#include "ledger.h"

#include <stdlib.h>

bool ledger_init(struct ledger *l) {
  *l = (struct ledger){.next = 1};
  l->entries = malloc(LEDGER_ENTRIES * sizeof(*l->entries));
  l->opens = malloc(LEDGER_OPENS * sizeof(*l->opens));
  if (l->entries == NULL || l->opens == NULL) {
    ledger_fini(l);
    return false;
  }
  for (size_t i = 0; i < LEDGER_ENTRIES; i++) {
    l->entries[i] = (struct ledger_entry){.from = PARTIES};
  }
  for (size_t i = 0; i < LEDGER_OPENS; i++) {
    l->opens[i] = (struct ledger_open){.from = PARTIES};
  }
  return true;
}

void ledger_fini(struct ledger *l) {
  free(l->entries);
  free(l->opens);
  l->entries = NULL;
  l->opens = NULL;
}

static struct ledger_entry *place_of(const struct ledger *l, uint64_t number) {
  return &l->entries[number % LEDGER_ENTRIES];
}

/* NULL: there is none, or not any more. */
static struct ledger_entry *find(const struct ledger *l, uint64_t number) {
  struct ledger_entry *const e = place_of(l, number);

  return number != 0 && e->number == number ? e : NULL;
}

uint64_t ledger_number(const struct ledger *l) {
  if (place_of(l, l->next)->opens > 0 || l->opens_n + PARTIES > LEDGER_OPENS) {
    return 0;
  }
  return l->next;
}

void ledger_accepted(struct ledger *l, uint64_t number, uint32_t from,
                     uint32_t to, struct hs2n_tag tag) {
  struct ledger_entry *const e = place_of(l, number);

  if (e->number != number) {
    *e = (struct ledger_entry){.number = number, .from = (uint8_t)from};
    l->next = number + 1;
  }
  e->to |= to;
  e->opens++;
  l->opens[l->opens_n++] = (struct ledger_open){
      .tag = tag, .number = number, .to = to, .from = (uint8_t)from};
  l->accepted++;
  l->receivers += (uint64_t)__builtin_popcount(to);
}

void ledger_seen(struct ledger *l, uint64_t number, uint32_t from, uint32_t to,
                 struct hs2n_msg_id id) {
  struct ledger_entry *const e = find(l, number);
  const uint32_t bit = 1u << to;

  l->delivered++;
  if (e == NULL || e->from != from || (e->to & bit) == 0) {
    l->unknown++;
    return;
  }
  l->doubled += (e->seen & bit) != 0;
  e->seen |= bit;
  if (!id.unordered) {
    uint64_t *const last = &l->last[from][to][id.lane];

    l->disordered += number <= *last;
    *last = number;
  }
}

void ledger_taken(struct ledger *l, uint64_t number, uint32_t to) {
  struct ledger_entry *const e = find(l, number);

  l->taken++;
  if (e != NULL) {
    e->taken |= 1u << to;
  }
}

/* Few thousand are open at most. */
static struct ledger_open *find_open(const struct ledger *l, uint32_t from,
                                     struct hs2n_tag tag) {
  for (size_t i = 0; i < l->opens_n; i++) {
    if (l->opens[i].tag.v == tag.v && l->opens[i].from == from) {
      return &l->opens[i];
    }
  }
  return NULL;
}

void ledger_done(struct ledger *l, uint32_t from, struct hs2n_tag tag,
                 enum hs2n_outcome outcome) {
  struct ledger_open *const open = find_open(l, from, tag);
  struct ledger_entry *e;

  if (open == NULL) {
    l->untagged++;
    return;
  }
  e = place_of(l, open->number);
  e->opens--;
  l->completed++;
  if (outcome == HS2N_DONE_ACKED) {
    l->acked++;
    l->lost += (e->taken & open->to) != open->to;
  } else if (outcome == HS2N_DONE_EXPIRED) {
    l->expired++;
  } else {
    l->refused++;
  }
  *open = l->opens[--l->opens_n];
}

uint64_t ledger_faults(const struct ledger *l) {
  uint64_t sum = 0;

#define X(field, text) sum += l->field;
  LEDGER_FAULTS(X)
#undef X
  return sum;
}
