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

void ledger_accepted(struct ledger *l, const struct ledger_message *m,
                     struct hs2n_tag tag) {
  struct ledger_entry *const e = place_of(l, m->number);

  if (e->number != m->number) {
    *e = (struct ledger_entry){
        .number = m->number, .view = m->view, .from = (uint8_t)m->from};
    l->next = m->number + 1;
  }
  e->to |= m->to;
  e->opens++;
  l->opens[l->opens_n++] = (struct ledger_open){.tag = tag,
                                                .number = m->number,
                                                .to = m->to,
                                                .from = (uint8_t)m->from,
                                                .quorum = (uint8_t)m->quorum,
                                                .is_request = m->is_request};
  l->accepted++;
  l->receivers += (uint64_t)__builtin_popcount(m->to);
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
  l->doubled += (e->seen & bit & ~e->held) != 0;
  if ((e->held & bit) != 0) {
    e->held &= ~bit; /* ahead of its lane */
    return;
  }
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

void ledger_held(struct ledger *l, uint64_t number, uint32_t to) {
  struct ledger_entry *const e = find(l, number);

  l->held++;
  if (e != NULL) {
    e->taken |= 1u << to;
    e->held |= 1u << to;
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

bool ledger_answered(struct ledger *l, uint32_t from, struct hs2n_tag tag,
                     uint64_t number) {
  struct ledger_open *const open = find_open(l, from, tag);

  if (open == NULL || !open->is_request || open->answered ||
      open->number != number) {
    l->unknown++;
    return false;
  }
  open->answered = true;
  return true;
}

/* Who acknowledges a message of an ended view has dropped it. */
static uint32_t ended_for(const struct ledger *l,
                          const struct ledger_entry *e) {
  uint32_t mask = 0;

  for (uint32_t i = 0; i < PARTIES; i++) {
    mask |= (uint32_t)(e->view < l->views[i]) << i;
  }
  return mask;
}

static bool is_lost(const struct ledger *l, const struct ledger_open *open,
                    uint32_t acked) {
  const struct ledger_entry *const e = place_of(l, open->number);
  const uint32_t told = acked & open->to;

  if (open->is_request) {
    return !open->answered;
  }
  if (open->quorum > 0 ? __builtin_popcount(told) < open->quorum
                       : told != open->to) {
    return true;
  }
  return (told & ~(e->taken | ended_for(l, e))) != 0;
}

static void ended(struct ledger *l, const struct ledger_open *open,
                  enum hs2n_outcome outcome, uint32_t acked) {
  const bool has_view = place_of(l, open->number)->view != LEDGER_NO_VIEW;

  l->lost += open->answered && outcome != HS2N_DONE_ACKED;
  if (outcome == HS2N_DONE_ACKED || outcome == HS2N_DONE_QUORUM) {
    l->lost += is_lost(l, open, acked) ||
               (outcome == HS2N_DONE_QUORUM) != (open->quorum > 0);
    l->quorums += outcome == HS2N_DONE_QUORUM;
    l->answered += open->is_request;
    l->acked += outcome == HS2N_DONE_ACKED && !open->is_request;
  } else if (outcome == HS2N_DONE_EXPIRED) {
    l->expired++;
  } else if (outcome == HS2N_DONE_CANCELLED && has_view) {
    l->cancelled++;
  } else if (outcome == HS2N_DONE_REFUSED && open->is_request) {
    l->unserved++;
  } else {
    l->refused++;
  }
}

void ledger_done(struct ledger *l, uint32_t from, struct hs2n_tag tag,
                 enum hs2n_outcome outcome, uint32_t acked) {
  struct ledger_open *const open = find_open(l, from, tag);

  if (open == NULL) {
    l->untagged++;
    return;
  }
  place_of(l, open->number)->opens--;
  l->completed++;
  ended(l, open, outcome, acked);
  *open = l->opens[--l->opens_n];
}

uint64_t ledger_faults(const struct ledger *l) {
  uint64_t sum = 0;

#define X(field, text) sum += l->field;
  LEDGER_FAULTS(X)
#undef X
  return sum;
}
