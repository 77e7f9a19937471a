/* The book of the load: what each node is owed by each other, lane by lane,
 * and which completions are open.  Every entry is looked at a bounded number
 * of times, so that the book costs the same whatever its length.
 *
 * Twins are not in it: which of them a peer talks to is not known. */
#include "sim/inside.h"

#include <string.h>

/* ---- what is owed
 * ---------------------------------------------------------------- */

static struct hs2ni_owed *entry(struct hs2ni_lane_book *b, size_t i) {
  return &b->ring[(b->head + i) % b->capacity];
}

static bool grow(struct hs2n_sim *sim, struct hs2ni_lane_book *b) {
  const size_t capacity = b->capacity == 0 ? 16 : b->capacity * 2;
  struct hs2ni_owed *ring = hs2ni_sim_alloc(sim, capacity * sizeof(*ring));

  if (ring == NULL) {
    hs2ni_sim_starved(sim);
    return false;
  }
  for (size_t i = 0; i < b->n; i++) {
    ring[i] = *entry(b, i);
  }
  hs2ni_sim_free(sim, b->ring, b->capacity * sizeof(*ring));
  b->ring = ring;
  b->capacity = capacity;
  b->head = 0;
  return true;
}

static struct hs2ni_lane_book *lane_book(struct hs2n_sim *sim, uint32_t to,
                                         uint32_t from, unsigned lane) {
  struct hs2ni_pair_book *book = hs2ni_book(&sim->nodes[to], from);

  if (book == NULL) {
    return NULL;
  }
  if (book->lanes[lane] == NULL) {
    book->lanes[lane] = hs2ni_sim_alloc(sim, sizeof(*book->lanes[lane]));
    if (book->lanes[lane] == NULL) {
      hs2ni_sim_starved(sim);
    }
  }
  return book->lanes[lane];
}

void hs2ni_model_sent(struct hs2n_sim *sim, const struct hs2n_sim_msg *msg,
                      uint32_t to, uint64_t serial, uint64_t tag) {
  const bool may_not_come =
      msg->expires_in > 0 || (msg->flags & HS2N_MSG_VIEW_BOUND) != 0;
  struct hs2ni_lane_book *b;

  sim->stats.sends++;
  if (sim->nodes[to].twin || sim->nodes[msg->from].twin) {
    return;
  }
  b = lane_book(sim, to, msg->from, msg->lane);
  if (b == NULL || (b->n == b->capacity && !grow(sim, b))) {
    return;
  }
  b->n++;
  *entry(b, b->n - 1) = (struct hs2ni_owed){
      .serial = serial, .tag = tag, .may_not_come = may_not_come};
  b->must += !may_not_come;
  sim->stats.owed += !may_not_come;
}

/* It does not have to come any more. */
static void let_off(struct hs2n_sim *sim, struct hs2ni_lane_book *b,
                    struct hs2ni_owed *e) {
  b->must -= !e->may_not_come;
  sim->stats.owed -= !e->may_not_come;
  e->may_not_come = true;
}

static void pop(struct hs2n_sim *sim, struct hs2ni_lane_book *b) {
  let_off(sim, b, entry(b, 0));
  b->head = (b->head + 1) % b->capacity;
  b->n--;
}

/* The first entry that is not before serial. */
static size_t find(struct hs2ni_lane_book *b, uint64_t serial) {
  size_t low = 0;
  size_t high = b->n;

  while (low < high) {
    const size_t mid = low + (high - low) / 2;

    if (entry(b, mid)->serial < serial) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

static bool is_owed(struct hs2ni_lane_book *b, uint64_t serial) {
  const size_t i = b == NULL ? 0 : find(b, serial);

  return b != NULL && i < b->n && entry(b, i)->serial == serial;
}

static void forgive_all(struct hs2n_sim *sim, struct hs2ni_lane_book *b) {
  for (size_t i = 0; b->must > 0 && i < b->n; i++) {
    let_off(sim, b, entry(b, i));
  }
}

/* ---- open completions
 * --------------------------------------------------------------- */

static size_t slot_of(const struct hs2ni_opens *o, uint64_t tag) {
  return (size_t)hs2ni_mix(tag) & (o->capacity - 1);
}

static struct hs2ni_open *open_find(struct hs2ni_opens *o, uint64_t tag) {
  size_t i;

  if (o->capacity == 0 || tag == 0) {
    return NULL;
  }
  for (i = slot_of(o, tag); o->slots[i].tag != 0;
       i = (i + 1) & (o->capacity - 1)) {
    if (o->slots[i].tag == tag) {
      return &o->slots[i];
    }
  }
  return NULL;
}

static void open_put(struct hs2ni_opens *o, const struct hs2ni_open *open) {
  size_t i = slot_of(o, open->tag);

  while (o->slots[i].tag != 0) {
    i = (i + 1) & (o->capacity - 1);
  }
  o->slots[i] = *open;
  o->n++;
}

static bool opens_grow(struct hs2n_sim *sim, struct hs2ni_opens *o) {
  struct hs2ni_opens more = {.capacity =
                                 o->capacity == 0 ? 16 : o->capacity * 2};

  more.slots = hs2ni_sim_alloc(sim, more.capacity * sizeof(*more.slots));
  if (more.slots == NULL) {
    hs2ni_sim_starved(sim);
    return false;
  }
  for (size_t i = 0; i < o->capacity; i++) {
    if (o->slots[i].tag != 0) {
      open_put(&more, &o->slots[i]);
    }
  }
  hs2ni_sim_free(sim, o->slots, o->capacity * sizeof(*o->slots));
  *o = more;
  return true;
}

/* Closes the gap, so that searches need no tombstones. */
static void open_remove(struct hs2ni_opens *o, struct hs2ni_open *open) {
  const size_t mask = o->capacity - 1;
  size_t hole = (size_t)(open - o->slots);

  for (size_t i = (hole + 1) & mask; o->slots[i].tag != 0; i = (i + 1) & mask) {
    const size_t home = slot_of(o, o->slots[i].tag);

    if (((i - home) & mask) >= ((i - hole) & mask)) {
      o->slots[hole] = o->slots[i];
      hole = i;
    }
  }
  o->slots[hole].tag = 0;
  o->n--;
}

void hs2ni_model_open(struct hs2ni_sim_node *n, const struct hs2n_sim_msg *msg,
                      uint64_t serial, uint64_t tag) {
  const struct hs2ni_open open = {.tag = tag,
                                  .serial = serial,
                                  .quorum_weight = msg->quorum_weight,
                                  .to = msg->to,
                                  .lane = (uint8_t)msg->lane};

  if (open_find(&n->opens, tag) != NULL) {
    hs2ni_failf(n->sim, n->index, "tag %llu is given twice",
                (unsigned long long)tag);
  } else if (2 * (n->opens.n + 1) <= n->opens.capacity ||
             opens_grow(n->sim, &n->opens)) {
    open_put(&n->opens, &open);
  }
}

/* ---- messages that came
 * ---------------------------------------------------------------- */

/* An entry is passed over by a later one. */
static void pass_over(struct hs2ni_sim_node *n, uint32_t from, uint8_t lane,
                      struct hs2ni_lane_book *b) {
  const struct hs2ni_owed *e = entry(b, 0);
  struct hs2ni_open *open = open_find(&n->sim->nodes[from].opens, e->tag);

  if (!e->may_not_come) {
    hs2ni_failf(n->sim, n->index, "message %llu of n%u in %s is left out",
                (unsigned long long)e->serial, from,
                hs2n_lane_name((enum hs2n_lane)lane));
  }
  if (open != NULL && open->serial == e->serial) {
    open->skipped = true;
  }
  pop(n->sim, b);
}

void hs2ni_model_taken(struct hs2ni_sim_node *n, uint32_t from, uint8_t lane,
                       uint64_t serial) {
  struct hs2ni_lane_book *b;

  if (n->twin || n->sim->nodes[from].twin) {
    return;
  }
  b = lane_book(n->sim, n->index, from, lane);
  if (b == NULL) {
    return;
  }
  if (serial <= b->taken) {
    hs2ni_failf(n->sim, n->index, "message %llu of n%u comes after %llu",
                (unsigned long long)serial, from, (unsigned long long)b->taken);
  }
  while (b->n > 0 && entry(b, 0)->serial < serial) {
    pass_over(n, from, lane, b);
  }
  if (b->n > 0 && entry(b, 0)->serial == serial) {
    pop(n->sim, b);
  } else if (serial >= b->again_below) {
    hs2ni_failf(n->sim, n->index, "message %llu was not sent by n%u",
                (unsigned long long)serial, from);
  }
  b->taken = serial;
}

/* ---- completions
 * ------------------------------------------------------------------------- */

static bool is_receiver(const struct hs2ni_sim_node *n,
                        const struct hs2ni_open *open, uint32_t i) {
  const struct hs2ni_sim_node *r = &n->sim->nodes[i];

  return !r->twin && r->key_of != n->key_of &&
         (open->to == HS2N_SIM_ALL || open->to == i);
}

static struct hs2ni_lane_book *book_of(const struct hs2ni_sim_node *n,
                                       const struct hs2ni_open *open,
                                       uint32_t i) {
  const struct hs2ni_pair_book *p = n->sim->nodes[i].books[n->index];

  return p == NULL ? NULL : p->lanes[open->lane];
}

static void check_acked(struct hs2ni_sim_node *n,
                        const struct hs2ni_open *open) {
  bool all = !open->skipped;

  for (uint32_t i = 0; i < n->sim->n; i++) {
    all = all && !(is_receiver(n, open, i) &&
                   is_owed(book_of(n, open, i), open->serial));
  }
  if (!all) {
    hs2ni_failf(n->sim, n->index, "tag %llu is ACKED, but not taken by all",
                (unsigned long long)open->tag);
  }
}

static void check_quorum(struct hs2ni_sim_node *n,
                         const struct hs2ni_open *open,
                         const struct hs2n_done *done) {
  if (done->acked_weight < open->quorum_weight) {
    hs2ni_failf(n->sim, n->index, "tag %llu has its quorum too early",
                (unsigned long long)open->tag);
  }
  for (size_t i = 0; i < done->acked_count; i++) {
    const uint32_t r = hs2n_sim_index(n->sim, n->index, done->acked[i]);

    if (r == HS2N_SIM_ALL || !(n->sim->nodes[r].twin ||
                               (is_receiver(n, open, r) &&
                                !is_owed(book_of(n, open, r), open->serial)))) {
      hs2ni_failf(n->sim, n->index, "tag %llu counts n%u, who did not take it",
                  (unsigned long long)open->tag, r);
    }
  }
}

static void ended_early(struct hs2ni_sim_node *n,
                        const struct hs2ni_open *open) {
  for (uint32_t i = 0; i < n->sim->n; i++) {
    if (is_receiver(n, open, i)) {
      struct hs2ni_lane_book *b = book_of(n, open, i);

      if (is_owed(b, open->serial)) {
        let_off(n->sim, b, entry(b, find(b, open->serial)));
      }
    }
  }
}

void hs2ni_model_done(struct hs2ni_sim_node *n, struct hs2n_tag tag,
                      const struct hs2n_done *done) {
  struct hs2ni_open *open = open_find(&n->opens, tag.v);

  if (open == NULL) {
    /* Else it may be of a send that the application made itself. */
    if (n->consensus.on_done == NULL) {
      hs2ni_failf(n->sim, n->index, "tag %llu ends, but none such is open",
                  (unsigned long long)tag.v);
    }
    return;
  }
  n->sim->stats.completions++;
  switch (done->outcome) {
  case HS2N_DONE_ACKED:
    check_acked(n, open);
    break;
  case HS2N_DONE_QUORUM:
    check_quorum(n, open, done);
    break;
  case HS2N_DONE_EXPIRED:
  case HS2N_DONE_CANCELLED:
  case HS2N_DONE_REFUSED:
  case HS2N_DONE_PEER_GONE:
    ended_early(n, open);
    break;
  }
  open_remove(&n->opens, open);
}

/* ---- processes come and go
 * ---------------------------------------------------------------- */

void hs2ni_model_died(struct hs2ni_sim_node *n) {
  struct hs2n_sim *sim = n->sim;

  if (n->opens.n > 0) {
    memset(n->opens.slots, 0, n->opens.capacity * sizeof(*n->opens.slots));
    n->opens.n = 0;
  }
  for (uint32_t i = 0; i < sim->n; i++) {
    struct hs2ni_pair_book *p =
        sim->nodes[i].books == NULL ? NULL : sim->nodes[i].books[n->index];

    for (int lane = 0; p != NULL && lane < HS2N_LANES; lane++) {
      if (p->lanes[lane] != NULL) {
        forgive_all(sim, p->lanes[lane]);
      }
    }
  }
}

void hs2ni_model_started(struct hs2ni_sim_node *n) {
  n->ups = 0;
  for (uint32_t i = 0; i < n->sim->n; i++) {
    struct hs2ni_pair_book *p = n->books[i];

    if (p == NULL) {
      continue;
    }
    p->up = false;
    p->incarnation = 0;
    for (int lane = 0; lane < HS2N_LANES; lane++) {
      if (p->lanes[lane] != NULL) {
        p->lanes[lane]->taken = 0;
        p->lanes[lane]->again_below = n->sim->serial + 1;
      }
    }
  }
}

void hs2ni_model_gone(struct hs2ni_sim_node *n, uint32_t peer) {
  struct hs2ni_pair_book *ways[] = {n->books[peer],
                                    n->sim->nodes[peer].books[n->index]};

  for (int w = 0; w < 2; w++) {
    for (int lane = 0; ways[w] != NULL && lane < HS2N_LANES; lane++) {
      if (ways[w]->lanes[lane] != NULL) {
        forgive_all(n->sim, ways[w]->lanes[lane]);
      }
    }
  }
}

static void pair_fini(struct hs2n_sim *sim, struct hs2ni_pair_book *p) {
  for (int lane = 0; p != NULL && lane < HS2N_LANES; lane++) {
    struct hs2ni_lane_book *b = p->lanes[lane];

    if (b != NULL) {
      hs2ni_sim_free(sim, b->ring, b->capacity * sizeof(*b->ring));
      hs2ni_sim_free(sim, b, sizeof(*b));
    }
    hs2ni_sim_free(sim, p->loose[lane], sizeof(*p->loose[lane]));
  }
  if (p != NULL) {
    hs2ni_held_fini(sim, &p->held);
  }
  hs2ni_sim_free(sim, p, sizeof(*p));
}

void hs2ni_model_fini(struct hs2ni_sim_node *n) {
  struct hs2n_sim *sim = n->sim;

  for (uint32_t i = 0; n->books != NULL && i < sim->n; i++) {
    pair_fini(sim, n->books[i]);
  }
  hs2ni_sim_free(sim, n->books, sim->n * sizeof(struct hs2ni_pair_book *));
  n->books = NULL;
  hs2ni_sim_free(sim, n->opens.slots,
                 n->opens.capacity * sizeof(*n->opens.slots));
}

/* ---- liveness
 * ---------------------------------------------------------------------------------
 */

static bool counts(const struct hs2ni_sim_node *n) {
  return n->node != NULL && !n->stopping && hs2ni_honest(n);
}

static bool owes_nothing(const struct hs2ni_pair_book *p) {
  for (int lane = 0; p != NULL && lane < HS2N_LANES; lane++) {
    if (p->lanes[lane] != NULL && p->lanes[lane]->must > 0) {
      return false;
    }
  }
  return true;
}

/* A completion that waits for a node that may never answer is not due. */
static bool is_due(const struct hs2ni_sim_node *n,
                   const struct hs2ni_open *open) {
  for (uint32_t i = 0; i < n->sim->n; i++) {
    if ((open->to == HS2N_SIM_ALL || open->to == i) &&
        !counts(&n->sim->nodes[i])) {
      return false;
    }
  }
  return true;
}

static bool ended_all(const struct hs2ni_sim_node *n) {
  for (size_t i = 0; n->opens.n > 0 && i < n->opens.capacity; i++) {
    if (n->opens.slots[i].tag != 0 && is_due(n, &n->opens.slots[i])) {
      return false;
    }
  }
  return true;
}

bool hs2ni_model_settled(const struct hs2n_sim *sim) {
  for (uint32_t i = 0; i < sim->n; i++) {
    const struct hs2ni_sim_node *n = &sim->nodes[i];

    for (uint32_t k = 0; counts(n) && k < sim->n; k++) {
      if (counts(&sim->nodes[k]) && !owes_nothing(n->books[k])) {
        return false;
      }
    }
    if (counts(n) && !ended_all(n)) {
      return false;
    }
  }
  return true;
}
