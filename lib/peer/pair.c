#include "peer/pair.h"

#include <assert.h>
#include <stddef.h>

static struct hs2ni_pair_action *act(struct hs2ni_pair_actions *out,
                                     enum hs2ni_pair_action_kind kind) {
  struct hs2ni_pair_action *a = &out->list[out->count];

  assert(out->count < HS2NI_PAIR_ACTIONS_MAX);
  out->count++;
  *a = (struct hs2ni_pair_action){.kind = kind, .slot = HS2NI_PAIR_NO_SLOT};
  return a;
}

static void act_slot(struct hs2ni_pair_actions *out,
                     enum hs2ni_pair_action_kind kind, int slot,
                     enum hs2n_reason reason) {
  struct hs2ni_pair_action *a = act(out, kind);

  a->slot = slot;
  a->reason = reason;
}

static int chosen(const struct hs2ni_pair *p) {
  return p->chosen - 1;
}

static int free_slot(const struct hs2ni_pair *p) {
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    if (p->slots[i].state == HS2NI_SLOT_FREE) {
      return i;
    }
  }
  return HS2NI_PAIR_NO_SLOT;
}

static unsigned slots_used(const struct hs2ni_pair *p) {
  unsigned n = 0;

  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    n += p->slots[i].state != HS2NI_SLOT_FREE;
  }
  return n;
}

static void check_invariants(const struct hs2ni_pair *p) {
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    assert((p->slots[i].state == HS2NI_SLOT_READY) == (chosen(p) == i));
  }
  assert(p->chosen >= 0 && p->chosen <= HS2NI_PAIR_SLOTS);
  assert(!p->address || p->ended || p->paused || slots_used(p) > 0);
  assert(!p->ended || slots_used(p) == 0);
  (void)p; /* without asserts nothing above reads it */
}

static struct hs2ni_slot *slot_at(struct hs2ni_pair *p, int slot) {
  assert(slot >= 0 && slot < HS2NI_PAIR_SLOTS);
  assert(p->slots[slot].state != HS2NI_SLOT_FREE);
  return &p->slots[slot];
}

/* ---- dialling ----------------------------------------------------------- */

static void begin_pause(struct hs2ni_pair *p, bool at_once,
                        struct hs2ni_pair_actions *out) {
  struct hs2ni_pair_action *a = act(out, HS2NI_PAIR_DO_PAUSE);

  a->at_once = at_once;
  a->yield = !p->first;
  p->paused = true;
}

static void end_pause(struct hs2ni_pair *p, struct hs2ni_pair_actions *out) {
  if (p->paused) {
    p->paused = false;
    (void)act(out, HS2NI_PAIR_DO_NO_PAUSE);
  }
}

static void on_address(struct hs2ni_pair *p, struct hs2ni_pair_actions *out) {
  p->address = true;
  p->failures = 0;
  if (slots_used(p) == 0) {
    begin_pause(p, true, out);
  }
}

static void on_no_address(struct hs2ni_pair *p,
                          struct hs2ni_pair_actions *out) {
  p->address = false;
  end_pause(p, out);
}

static void take_slot(struct hs2ni_pair *p, int slot, bool dialled) {
  p->slots[slot] = (struct hs2ni_slot){
      .state = dialled ? HS2NI_SLOT_DIALLING : HS2NI_SLOT_GREETING,
      .dialled = dialled,
      .order = ++p->order,
  };
}

/* A connection that the peer has begun meanwhile is waited for: when it
 * fails, its end starts the next pause. */
static void on_timer(struct hs2ni_pair *p, struct hs2ni_pair_actions *out) {
  p->paused = false;
  if (slots_used(p) == 0 && p->address) {
    take_slot(p, 0, true);
    act_slot(out, HS2NI_PAIR_DO_DIAL, 0, HS2N_REASON_NONE);
  }
}

static void on_accepted(struct hs2ni_pair *p, struct hs2ni_pair_actions *out) {
  const int slot = free_slot(p);

  if (slot == HS2NI_PAIR_NO_SLOT) {
    act_slot(out, HS2NI_PAIR_DO_REFUSE, slot, HS2N_REASON_BUSY);
    return;
  }
  take_slot(p, slot, false);
  act_slot(out, HS2NI_PAIR_DO_TAKE, slot, HS2N_REASON_NONE);
}

/* ---- ending ------------------------------------------------------------- */

/* The slot is gone already; what now? */
static void after_end(struct hs2ni_pair *p, bool was_chosen, bool dialled,
                      enum hs2n_reason reason, struct hs2ni_pair_actions *out) {
  if (p->chosen == 0 && !was_chosen && dialled && p->failures < UINT32_MAX) {
    p->failures++;
  }
  if (was_chosen || slots_used(p) == 0) {
    act_slot(out, HS2NI_PAIR_DO_DOWN, HS2NI_PAIR_NO_SLOT, reason);
  }
  if (slots_used(p) == 0 && p->address && !p->paused) {
    begin_pause(p, false, out);
  }
}

static void end_slot(struct hs2ni_pair *p, int slot, bool close,
                     enum hs2n_reason reason, struct hs2ni_pair_actions *out) {
  const bool dialled = slot_at(p, slot)->dialled;
  const bool was_chosen = chosen(p) == slot;

  if (was_chosen) {
    p->chosen = 0;
    act_slot(out, HS2NI_PAIR_DO_DETACH, slot, reason);
  }
  if (close) {
    act_slot(out, HS2NI_PAIR_DO_CLOSE, slot, reason);
  }
  p->slots[slot] = (struct hs2ni_slot){.state = HS2NI_SLOT_FREE};
  after_end(p, was_chosen, dialled, reason, out);
}

static void on_end(struct hs2ni_pair *p, enum hs2n_reason reason,
                   struct hs2ni_pair_actions *out) {
  p->ended = true;
  p->address = false;
  end_pause(p, out);
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    if (p->slots[i].state == HS2NI_SLOT_FREE) {
      continue;
    }
    if (chosen(p) == i) {
      p->chosen = 0;
      act_slot(out, HS2NI_PAIR_DO_DETACH, i, reason);
      act_slot(out, HS2NI_PAIR_DO_DOWN, HS2NI_PAIR_NO_SLOT, reason);
    }
    act_slot(out, HS2NI_PAIR_DO_CLOSE, i, reason);
    p->slots[i] = (struct hs2ni_slot){.state = HS2NI_SLOT_FREE};
  }
}

/* ---- choosing ----------------------------------------------------------- */

/* Whether the end with the smaller peer id dialled it. */
static bool by_first(const struct hs2ni_pair *p, const struct hs2ni_slot *s) {
  return s->dialled == p->first;
}

/* The rule at the top of pair.h. */
static bool wins(const struct hs2ni_pair *p, const struct hs2ni_slot *a,
                 const struct hs2ni_slot *b) {
  if (a->incarnation != b->incarnation) {
    return a->incarnation > b->incarnation;
  }
  if (by_first(p, a) != by_first(p, b)) {
    return by_first(p, a);
  }
  return a->order > b->order;
}

/* Frees a connection that lost against another one, which lives on. */
static void drop_loser(struct hs2ni_pair *p, int slot, enum hs2n_reason reason,
                       struct hs2ni_pair_actions *out) {
  act_slot(out, HS2NI_PAIR_DO_CLOSE, slot, reason);
  p->slots[slot] = (struct hs2ni_slot){.state = HS2NI_SLOT_FREE};
}

static void choose(struct hs2ni_pair *p, int slot,
                   struct hs2ni_pair_actions *out) {
  p->slots[slot].state = HS2NI_SLOT_READY;
  p->chosen = slot + 1;
  act_slot(out, HS2NI_PAIR_DO_ATTACH, slot, HS2N_REASON_NONE);
}

/* Nothing was ready before. */
static void choose_first(struct hs2ni_pair *p, int slot,
                         struct hs2ni_pair_actions *out) {
  const int other = 1 - slot;

  choose(p, slot, out);
  p->failures = 0;
  end_pause(p, out);
  if (p->slots[other].state == HS2NI_SLOT_DIALLING) {
    drop_loser(p, other, HS2N_REASON_DUPLICATE, out);
  }
  act_slot(out, HS2NI_PAIR_DO_UP, slot, HS2N_REASON_NONE);
}

/* The newly ready slot takes over.  A new process at the other end is told
 * as DOWN and UP; two connections to one process are nobody's concern. */
static void replace(struct hs2ni_pair *p, int slot,
                    struct hs2ni_pair_actions *out) {
  const int old = chosen(p);
  const bool restarted =
      p->slots[old].incarnation != p->slots[slot].incarnation;
  const enum hs2n_reason reason =
      restarted ? HS2N_REASON_STALE_INCARNATION : HS2N_REASON_DUPLICATE;

  p->chosen = 0;
  act_slot(out, HS2NI_PAIR_DO_DETACH, old, reason);
  drop_loser(p, old, reason, out);
  if (restarted) {
    act_slot(out, HS2NI_PAIR_DO_DOWN, HS2NI_PAIR_NO_SLOT, reason);
  }
  choose(p, slot, out);
  if (restarted) {
    act_slot(out, HS2NI_PAIR_DO_UP, slot, HS2N_REASON_NONE);
  }
}

static void on_ready(struct hs2ni_pair *p, int slot, uint64_t incarnation,
                     struct hs2ni_pair_actions *out) {
  struct hs2ni_slot *s = slot_at(p, slot);

  assert(s->state == HS2NI_SLOT_GREETING);
  if (incarnation < p->incarnation) {
    end_slot(p, slot, true, HS2N_REASON_STALE_INCARNATION, out);
    return;
  }
  p->incarnation = incarnation;
  s->incarnation = incarnation;
  if (chosen(p) < 0) {
    choose_first(p, slot, out);
  } else if (wins(p, s, &p->slots[chosen(p)])) {
    replace(p, slot, out);
  } else {
    drop_loser(p, slot, HS2N_REASON_DUPLICATE, out);
  }
}

/* ---- the step ----------------------------------------------------------- */

static void step_ended(const struct hs2ni_pair_event *e,
                       struct hs2ni_pair_actions *out) {
  if (e->kind == HS2NI_PAIR_ON_ACCEPTED) {
    act_slot(out, HS2NI_PAIR_DO_REFUSE, HS2NI_PAIR_NO_SLOT,
             HS2N_REASON_SHUTDOWN);
  }
}

static void step(struct hs2ni_pair *p, const struct hs2ni_pair_event *e,
                 struct hs2ni_pair_actions *out) {
  switch (e->kind) {
  case HS2NI_PAIR_ON_ADDRESS:
    on_address(p, out);
    return;
  case HS2NI_PAIR_ON_NO_ADDRESS:
    on_no_address(p, out);
    return;
  case HS2NI_PAIR_ON_TIMER:
    on_timer(p, out);
    return;
  case HS2NI_PAIR_ON_ACCEPTED:
    on_accepted(p, out);
    return;
  case HS2NI_PAIR_ON_CONNECTED:
    assert(slot_at(p, e->slot)->state == HS2NI_SLOT_DIALLING);
    p->slots[e->slot].state = HS2NI_SLOT_GREETING;
    return;
  case HS2NI_PAIR_ON_READY:
    on_ready(p, e->slot, e->incarnation, out);
    return;
  case HS2NI_PAIR_ON_CLOSED:
    end_slot(p, e->slot, false, e->reason, out);
    return;
  case HS2NI_PAIR_ON_ABORT:
    end_slot(p, e->slot, true, e->reason, out);
    return;
  case HS2NI_PAIR_ON_END:
    on_end(p, e->reason, out);
    return;
  }
}

void hs2ni_pair_step(struct hs2ni_pair *pair,
                     const struct hs2ni_pair_event *event,
                     struct hs2ni_pair_actions *out) {
  out->count = 0;
  if (pair->ended) {
    step_ended(event, out);
    return;
  }
  step(pair, event, out);
  check_invariants(pair);
}

enum hs2ni_pair_state hs2ni_pair_state(const struct hs2ni_pair *pair) {
  if (pair->ended) {
    return HS2NI_PAIR_ENDED;
  }
  if (pair->chosen != 0) {
    return slots_used(pair) > 1 ? HS2NI_PAIR_UP_TRYING : HS2NI_PAIR_UP;
  }
  if (slots_used(pair) > 0) {
    return HS2NI_PAIR_TRYING;
  }
  return pair->paused ? HS2NI_PAIR_PAUSED : HS2NI_PAIR_QUIET;
}

const char *hs2ni_pair_state_name(enum hs2ni_pair_state state) {
  switch (state) {
#define X(name, text)     \
  case HS2NI_PAIR_##name: \
    return #name;
    HS2NI_PAIR_STATE_LIST(X)
#undef X
  }
  return "?";
}
