/* The machine that keeps one connection per pair, in every order of events. */
#include "base/rng.h"
#include "tap.h"
#include "unit/peer/pair_world.h"

#include <stdlib.h>

/* ---- a set of worlds ---------------------------------------------------- */

#define SET_SLOTS (1u << 21)
struct world_set {
  struct world **slots;
  struct world *worlds;
  size_t count;
};

static uint64_t hash(const struct world *w) {
  const unsigned char *p = (const unsigned char *)w;
  uint64_t h = 1469598103934665603u;

  for (size_t i = 0; i < sizeof(*w); i++) {
    h = (h ^ p[i]) * 1099511628211u;
  }
  return h ^ (h >> 29);
}

/* Numbers that only rise are cut to what makes a difference. */
static void normalise(struct world *w) {
  for (int e = 0; e < 2; e++) {
    struct hs2ni_pair *p = &w->ends[e];
    struct hs2ni_slot *s = p->slots;
    const bool swapped = s[0].order > s[1].order;

    p->failures = 0;
    p->order = 2;
    s[0].order = s[0].state == HS2NI_SLOT_FREE ? 0 : swapped ? 2 : 1;
    s[1].order = s[1].state == HS2NI_SLOT_FREE ? 0 : swapped ? 1 : 2;
  }
}

/* Byte by byte, padding included, so that equal means equal bytes. */
static void copy_clean(struct world *to, const struct world *from) {
  memset(to, 0, sizeof(*to));
  for (int e = 0; e < 2; e++) {
    const struct hs2ni_pair *f = &from->ends[e];
    struct hs2ni_pair *t = &to->ends[e];

    t->first = f->first;
    t->address = f->address;
    t->paused = f->paused;
    t->ended = f->ended;
    t->failures = f->failures;
    t->order = f->order;
    t->incarnation = f->incarnation;
    t->chosen = f->chosen;
    for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
      t->slots[i].state = f->slots[i].state;
      t->slots[i].dialled = f->slots[i].dialled;
      t->slots[i].order = f->slots[i].order;
      t->slots[i].incarnation = f->slots[i].incarnation;
    }
  }
  memcpy(to->conns, from->conns, sizeof(to->conns));
  memcpy(to->incarnation, from->incarnation, sizeof(to->incarnation));
  memcpy(to->attached, from->attached, sizeof(to->attached));
  to->faults = from->faults;
  to->crashes = from->crashes;
  to->dials = from->dials;
  to->broken = from->broken;
}

static bool add(struct world_set *set, const struct world *w) {
  struct world clean;
  size_t i;

  copy_clean(&clean, w);
  normalise(&clean);
  for (i = hash(&clean) % SET_SLOTS; set->slots[i] != NULL;
       i = (i + 1) % SET_SLOTS) {
    if (memcmp(set->slots[i], &clean, sizeof(clean)) == 0) {
      return false;
    }
  }
  if (set->count == SET_SLOTS / 2) {
    return false;
  }
  set->slots[i] = &set->worlds[set->count++];
  *set->slots[i] = clean;
  return true;
}

/* ---- what must hold ----------------------------------------------------- */

/* Without further faults the two must end with one connection, whichever
 * event comes first: from the front of the list, or from its end. */
static bool converges(struct world w, bool backwards) {
  struct world_event events[WORLD_EVENTS_MAX];

  w.faults = 0;
  w.crashes = 0;
  for (int i = 0; i < 300; i++) {
    const unsigned n = world_events(&w, events);
    unsigned pick = 0;

    if (n == 0) {
      break;
    }
    /* Pauses are long: they end when nothing else happens. */
    if (backwards) {
      for (pick = n - 1; pick > 0 && events[pick].kind == WORLD_TIMER; pick--) {
      }
    }
    world_do(&w, events[pick]);
  }
  return !w.broken && world_agreed(&w) &&
         world_free_conns(&w) == WORLD_CONNS - 1;
}

static void explore(unsigned faults, unsigned crashes) {
  struct world_set set = {.slots = calloc(SET_SLOTS, sizeof(struct world *)),
                          .worlds =
                              calloc(SET_SLOTS / 2, sizeof(struct world))};
  struct world_event events[WORLD_EVENTS_MAX];
  struct world w;
  bool good = true;

  world_init(&w, faults, crashes);
  (void)add(&set, &w);
  for (size_t i = 0; good && i < set.count; i++) {
    const unsigned n = world_events(&set.worlds[i], events);

    good = converges(set.worlds[i], false) && converges(set.worlds[i], true);
    for (unsigned k = 0; good && k < n; k++) {
      w = set.worlds[i];
      world_do(&w, events[k]);
      good = !w.broken;
      (void)add(&set, &w);
    }
  }
  CHECK(good);
  CHECK(set.count < SET_SLOTS / 2);
  printf("# %zu worlds with %u faults and %u crashes\n", set.count, faults,
         crashes);
  free(set.slots);
  free(set.worlds);
}

/* covers: N07, X24 */
static void every_interleaving_of_dials_ends_with_one_connection(void) {
  explore(0, 0);
}

/* covers: N07, X24 */
static void so_does_every_interleaving_with_a_lost_connection(void) {
  explore(1, 0);
}

/* covers: X24 */
static void so_does_every_interleaving_with_a_restart_and_losses(void) {
  explore(0, 1);
  explore(2, 1);
}

/* covers: N07 */
static void ten_thousand_random_runs_with_loss_end_with_one_connection(void) {
  struct world_event events[WORLD_EVENTS_MAX];
  unsigned bad = 0;

  for (uint64_t seed = 0; seed < 10000; seed++) {
    struct hs2ni_rng rng;
    struct world w;

    hs2ni_rng_seed(&rng, seed);
    world_init(&w, 20, 2);
    for (unsigned i = 0; i < 200; i++) {
      const unsigned n = world_events(&w, events);

      if (n > 0) {
        world_do(&w, events[hs2ni_rng_below(&rng, n)]);
      }
    }
    bad += w.broken || !converges(w, false);
  }
  CHECK_EQ(bad, 0);
}

/* ---- single rules ------------------------------------------------------- */

static struct hs2ni_pair_actions step(struct hs2ni_pair *p,
                                      enum hs2ni_pair_event_kind kind, int slot,
                                      uint64_t incarnation) {
  struct hs2ni_pair_actions out;

  hs2ni_pair_step(p,
                  &(struct hs2ni_pair_event){
                      .kind = kind, .slot = slot, .incarnation = incarnation},
                  &out);
  return out;
}

static bool has(const struct hs2ni_pair_actions *out,
                enum hs2ni_pair_action_kind kind, int slot) {
  for (unsigned i = 0; i < out->count; i++) {
    if (out->list[i].kind == kind && (slot < 0 || out->list[i].slot == slot)) {
      return true;
    }
  }
  return false;
}

static void a_third_connection_is_refused(void) {
  struct hs2ni_pair p = {.first = true};
  struct hs2ni_pair_actions out;

  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  out = step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  CHECK_EQ(out.count, 1);
  CHECK_EQ(out.list[0].kind, HS2NI_PAIR_DO_REFUSE);
  CHECK_EQ(out.list[0].reason, HS2N_REASON_BUSY);
}

static void an_older_process_of_the_peer_is_refused(void) {
  struct hs2ni_pair p = {.first = true};
  struct hs2ni_pair_actions out;

  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  (void)step(&p, HS2NI_PAIR_ON_READY, 0, 7);
  (void)step(&p, HS2NI_PAIR_ON_CLOSED, 0, 0);
  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  out = step(&p, HS2NI_PAIR_ON_READY, 0, 6);
  CHECK(has(&out, HS2NI_PAIR_DO_CLOSE, 0));
  CHECK_EQ(out.list[0].reason, HS2N_REASON_STALE_INCARNATION);
  CHECK(!has(&out, HS2NI_PAIR_DO_ATTACH, -1));
}

static void the_newer_of_two_dials_of_one_end_wins(void) {
  struct hs2ni_pair p = {.first = true};
  struct hs2ni_pair_actions out;

  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  (void)step(&p, HS2NI_PAIR_ON_READY, 0, 7);
  (void)step(&p, HS2NI_PAIR_ON_ACCEPTED, 0, 0);
  out = step(&p, HS2NI_PAIR_ON_READY, 1, 7);
  CHECK(has(&out, HS2NI_PAIR_DO_CLOSE, 0));
  CHECK(has(&out, HS2NI_PAIR_DO_ATTACH, 1));
  CHECK(!has(&out, HS2NI_PAIR_DO_DOWN, -1));
}

static void the_larger_id_lets_the_other_end_dial_first(void) {
  struct hs2ni_pair small = {.first = true};
  struct hs2ni_pair large = {.first = false};
  struct hs2ni_pair_actions out = step(&small, HS2NI_PAIR_ON_ADDRESS, 0, 0);

  CHECK(out.list[0].at_once && !out.list[0].yield);
  out = step(&large, HS2NI_PAIR_ON_ADDRESS, 0, 0);
  CHECK(out.list[0].at_once && out.list[0].yield);
}

int main(void) {
  RUN(a_third_connection_is_refused);
  RUN(an_older_process_of_the_peer_is_refused);
  RUN(the_newer_of_two_dials_of_one_end_wins);
  RUN(the_larger_id_lets_the_other_end_dial_first);
  RUN(every_interleaving_of_dials_ends_with_one_connection);
  RUN(so_does_every_interleaving_with_a_lost_connection);
  RUN(so_does_every_interleaving_with_a_restart_and_losses);
  RUN(ten_thousand_random_runs_with_loss_end_with_one_connection);
  return tap_done();
}
