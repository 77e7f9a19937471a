/* Invariants that hold under any load, and the end of a run that breaks one. */
#include "sim/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- failing
 * -------------------------------------------------------------------- */

void hs2n_sim_fail(struct hs2n_sim *sim, uint32_t node, const char *text) {
  const struct hs2n_sim_event event = {.at = sim->now,
                                       .kind = HS2N_SIM_FAIL,
                                       .node = node,
                                       .peer = HS2N_SIM_ALL,
                                       .text = text};
  char line[HS2N_SIM_EVENT_TEXT_MAX];

  if (sim->failed) {
    return;
  }
  sim->failed = true;
  (void)snprintf(sim->failure, sizeof(sim->failure), "%s",
                 hs2n_sim_event_text(&event, line));
  hs2ni_trace(sim, HS2N_SIM_FAIL, node, HS2N_SIM_ALL, 0, 0, text);
}

void hs2ni_failf(struct hs2n_sim *sim, uint32_t node, const char *format, ...) {
  char text[HS2N_SIM_EVENT_TEXT_MAX];
  va_list args;

  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  hs2n_sim_fail(sim, node, text);
}

const char *hs2n_sim_failure(const struct hs2n_sim *sim) {
  return sim->failed ? sim->failure : NULL;
}

/* ---- upcalls
 * --------------------------------------------------------------------- */

struct hs2ni_pair_book *hs2ni_book(struct hs2ni_sim_node *n, uint32_t from) {
  if (n->books[from] == NULL) {
    n->books[from] = hs2ni_sim_alloc(n->sim, sizeof(*n->books[from]));
    if (n->books[from] == NULL) {
      hs2ni_sim_starved(n->sim);
    }
  }
  return n->books[from];
}

static void begin_anew(struct hs2ni_pair_book *book, uint64_t incarnation) {
  book->incarnation = incarnation;
  book->held.n = 0;
  memset(book->seq, 0, sizeof(book->seq));
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (book->loose[i] != NULL) {
      *book->loose[i] = (struct hs2ni_loose_book){0};
    }
  }
}

/* At most once, in any order, by numbers of their own. */
static void check_loose(struct hs2ni_sim_node *n, uint32_t from,
                        struct hs2ni_pair_book *book, struct hs2n_msg_id id,
                        bool taken) {
  struct hs2ni_loose_book *b = book->loose[id.lane];
  const uint64_t slot = id.seq % HS2NI_LOOSE_SPAN;
  const uint8_t bit = (uint8_t)(1u << (slot % 8));

  if (b == NULL) {
    b = book->loose[id.lane] = hs2ni_sim_alloc(n->sim, sizeof(*b));
  }
  if (b == NULL) {
    hs2ni_sim_starved(n->sim);
    return;
  }
  if (id.seq + HS2NI_LOOSE_SPAN <= b->newest ||
      (id.seq <= b->newest && (b->taken[slot / 8] & bit) != 0)) {
    hs2ni_failf(n->sim, n->index, "hears unordered %s %llu of n%u twice",
                hs2n_lane_name((enum hs2n_lane)id.lane),
                (unsigned long long)id.seq, from);
  }
  if (!taken) {
    return;
  }
  if (id.seq >= b->newest + HS2NI_LOOSE_SPAN) {
    memset(b->taken, 0, sizeof(b->taken));
    b->newest = id.seq;
  }
  while (b->newest < id.seq) {
    b->newest++;
    b->taken[b->newest % HS2NI_LOOSE_SPAN / 8] &=
        (uint8_t) ~(1u << (b->newest % 8));
  }
  b->taken[slot / 8] |= bit;
}

/* FIFO and at most once, per sender's process and lane, by the numbers that
 * the library gives. */
void hs2ni_check_id(struct hs2ni_sim_node *n, uint32_t from,
                    struct hs2n_msg_id id, bool taken) {
  struct hs2ni_pair_book *book = hs2ni_book(n, from);

  if (book == NULL) {
    return;
  }
  if (id.incarnation < book->incarnation) {
    hs2ni_failf(n->sim, n->index, "hears process %llu of n%u after %llu",
                (unsigned long long)id.incarnation, from,
                (unsigned long long)book->incarnation);
    return;
  }
  if (id.incarnation > book->incarnation) {
    begin_anew(book, id.incarnation);
  }
  if (id.unordered) {
    check_loose(n, from, book, id, taken);
    return;
  }
  if (id.seq <= book->seq[id.lane]) {
    hs2ni_failf(n->sim, n->index, "hears %s %llu of n%u after %llu",
                hs2n_lane_name((enum hs2n_lane)id.lane),
                (unsigned long long)id.seq, from,
                (unsigned long long)book->seq[id.lane]);
  }
  if (taken) {
    book->seq[id.lane] = id.seq;
  }
}

static bool same_id(struct hs2n_msg_id a, struct hs2n_msg_id b) {
  return a.seq == b.seq && a.lane == b.lane && a.unordered == b.unordered;
}

bool hs2ni_check_held(struct hs2ni_sim_node *n, uint32_t from,
                      struct hs2n_msg_id id) {
  struct hs2ni_pair_book *book = hs2ni_book(n, from);

  if (book == NULL || book->incarnation != id.incarnation) {
    return false;
  }
  for (size_t i = 0; i < book->held.n; i++) {
    if (same_id(book->held.ids[i], id)) {
      book->held.ids[i] = book->held.ids[--book->held.n];
      return true;
    }
  }
  return false;
}

void hs2ni_held_fini(struct hs2n_sim *sim, struct hs2ni_held_ids *held) {
  hs2ni_sim_free(sim, held->ids, held->capacity * sizeof(*held->ids));
}

void hs2ni_check_hold(struct hs2ni_sim_node *n, uint32_t from,
                      struct hs2n_msg_id id) {
  struct hs2ni_pair_book *book = hs2ni_book(n, from);

  if (book == NULL || book->incarnation != id.incarnation) {
    return;
  }
  if (!hs2ni_sim_grow(n->sim, (void **)&book->held.ids, &book->held.capacity,
                      sizeof(*book->held.ids), book->held.n + 1)) {
    hs2ni_sim_starved(n->sim);
    return;
  }
  book->held.ids[book->held.n++] = id;
}

static void up(struct hs2ni_sim_node *n, uint32_t peer) {
  struct hs2ni_pair_book *book = hs2ni_book(n, peer);

  if (book != NULL && book->up) {
    hs2ni_failf(n->sim, n->index, "n%u is UP twice", peer);
  } else if (book != NULL) {
    book->up = true;
    n->ups++;
  }
  hs2ni_trace(n->sim, HS2N_SIM_UP, n->index, peer, 0, 0, "");
}

static void not_up(struct hs2ni_sim_node *n, uint32_t peer) {
  struct hs2ni_pair_book *book = hs2ni_book(n, peer);

  if (book != NULL && book->up) {
    book->up = false;
    n->ups--;
  }
}

void hs2ni_check_peer(struct hs2ni_sim_node *n, uint32_t peer,
                      enum hs2n_peer_state state, enum hs2n_reason reason) {
  switch (state) {
  case HS2N_PEER_UP:
    up(n, peer);
    break;
  case HS2N_PEER_DOWN:
  case HS2N_PEER_BANNED:
    not_up(n, peer);
    hs2ni_trace(n->sim, HS2N_SIM_DOWN, n->index, peer, (uint64_t)reason, 0,
                state == HS2N_PEER_BANNED ? "banned" : "");
    break;
  case HS2N_PEER_GONE:
    not_up(n, peer);
    hs2ni_model_gone(n, peer);
    hs2ni_trace(n->sim, HS2N_SIM_GONE, n->index, peer, (uint64_t)reason, 0, "");
    break;
  case HS2N_PEER_WRITABLE:
    break;
  }
}

/* A node keeps within its worst case by giving itself no more: that it had to
 * says that the worst case is wrong. */
void hs2ni_check_bound(struct hs2ni_sim_node *n) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(n->node, &stats);
  if (n->ledger.used && stats.allocation_failures > n->ledger.failed) {
    hs2ni_failf(n->sim, n->index, "needs more than its worst case, %llu bytes",
                (unsigned long long)n->ledger.limit);
  }
}

void hs2ni_check_gone(struct hs2ni_sim_node *n) {
  if (n->ledger.live > 0) {
    hs2ni_failf(n->sim, n->index, "leaves %llu bytes behind",
                (unsigned long long)n->ledger.live);
    n->ledger.live = 0;
  }
}

/* ---- after each step
 * ----------------------------------------------------------------- */

/* One peer a step: the cost is the same for any number of them, and none is
 * left out for long. */
void hs2ni_check_step(struct hs2ni_sim_node *n) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  if (n->sim->n < 2) {
    return;
  }
  n->probe = n->probe + 1 < n->sim->n ? n->probe + 1 : 0;
  if (n->probe == 0) {
    hs2ni_check_bound(n);
  }
  if (hs2n_peer_info(n->node, (struct hs2n_peer){n->probe}, &info) != HS2N_OK) {
    return; /* not a handle, or not one any more */
  }
  if (info.queued_bytes > n->queue_bytes_max) {
    hs2ni_failf(n->sim, n->index, "queues %llu bytes for one peer",
                (unsigned long long)info.queued_bytes);
  }
  for (int i = 0; i < HS2N_LANES; i++) {
    if (info.queued_msgs[i] > n->queue_msgs_max) {
      hs2ni_failf(n->sim, n->index, "queues %u messages for one peer",
                  (unsigned)info.queued_msgs[i]);
    }
  }
}

/* ---- liveness
 * -------------------------------------------------------------------------- */

static bool counts(const struct hs2ni_sim_node *n) {
  return n->node != NULL && !n->stopping && hs2ni_honest(n);
}

/* With dishonest nodes about, who knows what they have open. */
static bool one_connection_each(const struct hs2ni_sim_node *n) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  hs2n_node_stats(n->node, &stats);
  return stats.connections_opened - stats.connections_closed == n->ups;
}

static bool all_honest(const struct hs2n_sim *sim) {
  for (uint32_t i = 0; i < sim->n; i++) {
    if (!hs2ni_honest(&sim->nodes[i])) {
      return false;
    }
  }
  return true;
}

/* Whether each names the other as a member. */
static bool belong(const struct hs2ni_sim_node *n, uint32_t i) {
  struct hs2n_peer peer;

  return hs2n_sim_peer(n->sim, n->index, i, &peer) == HS2N_OK &&
         hs2n_sim_peer(n->sim, i, n->index, &peer) == HS2N_OK;
}

static bool has_all_up(const struct hs2ni_sim_node *n) {
  for (uint32_t i = 0; i < n->sim->n; i++) {
    if (i != n->index && counts(&n->sim->nodes[i]) &&
        (n->books[i] == NULL || !n->books[i]->up) && belong(n, i)) {
      return false;
    }
  }
  return true;
}

bool hs2n_sim_meshed(struct hs2n_sim *sim) {
  const bool exact = all_honest(sim);

  for (uint32_t i = 0; i < sim->n; i++) {
    const struct hs2ni_sim_node *n = &sim->nodes[i];

    if (counts(n) && (!has_all_up(n) || (exact && !one_connection_each(n)))) {
      return false;
    }
  }
  return true;
}

/* Which node is late, for the message. */
static uint32_t culprit(const struct hs2n_sim *sim) {
  for (uint32_t i = 0; i < sim->n; i++) {
    if (counts(&sim->nodes[i]) && !has_all_up(&sim->nodes[i])) {
      return i;
    }
  }
  return HS2N_SIM_ALL;
}

/* Asked this often, since it looks at all pairs. */
#define LOOK_EVERY HS2N_MS(10)

bool hs2n_sim_settle(struct hs2n_sim *sim, hs2n_time bound) {
  const hs2n_time end = sim->now + bound;

  while (!sim->failed && !(hs2n_sim_meshed(sim) && hs2ni_model_settled(sim))) {
    if (sim->now >= end) {
      const bool meshed = hs2n_sim_meshed(sim);

      hs2ni_failf(sim, culprit(sim), "not settled in %llu ms: %s",
                  (unsigned long long)(bound / HS2N_MS(1)),
                  meshed ? "messages or completions are due" : "no mesh");
      break;
    }
    (void)hs2n_sim_run(sim, end - sim->now < LOOK_EVERY ? end - sim->now
                                                        : LOOK_EVERY);
  }
  return !sim->failed;
}
