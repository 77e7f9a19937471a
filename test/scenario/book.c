#include "book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A completion is told in the entry after its deadline; a paused node has
 * that entry when the pause is over. */
#define LATE HS2N_S(3)
/* What a node is given in one entry may have been due before. */
#define SLACK HS2N_MS(100)

static uint32_t bit(uint32_t node) {
  return UINT32_C(1) << node;
}

bool book_init(struct book *b, struct hs2n_sim *sim, uint32_t nodes) {
  *b = (struct book){.sim = sim, .nodes = nodes, .capacity = 1024};
  b->entries = calloc(b->capacity, sizeof(*b->entries));
  return b->entries != NULL;
}

void book_fini(struct book *b) {
  free(b->entries);
}

static void fail(const struct book *b, uint32_t node, const char *what,
                 const struct book_entry *e) {
  char text[160];

  (void)snprintf(text, sizeof(text), "entry %zu, %s of n%u: %s",
                 (size_t)(e - b->entries), hs2n_lane_name(e->lane), e->from,
                 what);
  hs2n_sim_fail(b->sim, node, text);
}

/* Whether a node may have acknowledged e. */
static bool may_ack(const struct book *b, const struct book_entry *e,
                    uint32_t node) {
  return (e->taken & bit(node)) != 0 ||
         ((e->flags & HS2N_MSG_VIEW_BOUND) != 0 &&
          e->view < b->node[node].view_max);
}

/* ---- nodes --------------------------------------------------------------- */

void book_started(struct book *b, uint32_t node) {
  struct book_node *n = &b->node[node];
  const struct book_node next = {.life = n->life + 1, .view_max = n->view_max};

  *n = next;
}

void book_died(struct book *b, uint32_t node) {
  for (size_t i = 0; i < b->n; i++) {
    struct book_entry *e = &b->entries[i];

    e->heard &= ~bit(node);
    if (e->from == node) {
      e->tag = 0;
    }
  }
  for (uint32_t i = 0; i < b->nodes; i++) {
    memset(b->node[i].last[node], 0, sizeof(b->node[i].last[node]));
  }
  b->node[node].life++; /* nobody's */
}

/* Whether some receiver can't have acknowledged e yet. */
static bool is_unacked(const struct book *b, const struct book_entry *e,
                       uint32_t to) {
  for (uint32_t i = 0; i < b->nodes; i++) {
    if ((to & e->to & bit(i)) != 0 && !may_ack(b, e, i)) {
      return true;
    }
  }
  return false;
}

/* A completion by acknowledgements can't be on its way then: what is there is
 * told before an entry returns. */
static void end(const struct book *b, struct book_entry *e, uint32_t to) {
  e->must_cancel = e->must_cancel || (e->quorum == 0 && is_unacked(b, e, to));
}

void book_cancelled(struct book_entry *e) {
  e->withdrawn = true;
  e->must_cancel = true;
}

void book_view(struct book *b, uint32_t node, uint64_t view) {
  struct book_node *n = &b->node[node];

  for (size_t i = b->first_open; i < b->n; i++) {
    struct book_entry *e = &b->entries[i];

    if (e->from == node && e->tag != 0 && e->view < view &&
        (e->flags & HS2N_MSG_VIEW_BOUND) != 0) {
      end(b, e, e->to);
    }
  }

  n->view = view;
  n->view_max = view > n->view_max ? view : n->view_max;
}

void book_peer(struct book *b, uint32_t node, uint32_t peer,
               enum hs2n_peer_state state) {
  struct book_node *n = &b->node[node];

  switch (state) {
  case HS2N_PEER_UP:
    n->up |= bit(peer);
    for (size_t i = 0; i < b->n; i++) {
      struct book_entry *e = &b->entries[i];

      if (e->from == node && e->deadline > hs2n_sim_clock(b->sim, node)) {
        e->down &= ~bit(peer);
      }
    }
    break;
  case HS2N_PEER_WRITABLE:
    if (((n->full | n->full_some) & bit(peer)) == 0) {
      hs2n_sim_fail(b->sim, node, "WRITABLE, though nothing was FULL");
    }
    n->full &= ~bit(peer);
    break;
  case HS2N_PEER_DOWN:
  case HS2N_PEER_BANNED:
  case HS2N_PEER_GONE:
    n->up &= ~bit(peer);
    break;
  }
}

/* ---- bodies -------------------------------------------------------------- */

struct header {
  uint64_t index;
  uint32_t from, len;
  uint64_t seal;
};

static struct header header_of(size_t index, uint32_t from, uint32_t len) {
  struct header h = {.index = index, .from = from, .len = len};

  h.seal =
      (index + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)from << 32 ^ len;
  return h;
}

/* Dull enough to be worth compressing. */
static uint8_t dull(const struct header *h, size_t at) {
  return (uint8_t)(h->seal >> at / 64 % 56);
}

void book_body(const struct book *b, uint32_t from, uint32_t len,
               uint8_t *out) {
  const struct header h = header_of(b->n, from, len);

  memcpy(out, &h, sizeof(h));
  for (size_t at = sizeof(h); at < len; at++) {
    out[at] = dull(&h, at);
  }
}

struct book_entry *book_find(struct book *b, uint32_t node, uint32_t from,
                             const struct hs2n_msg *msg) {
  const struct hs2n_span s = hs2n_buf_span(msg->body);
  struct header h;
  struct header want;
  bool same = s.len >= sizeof(h);

  if (same) {
    memcpy(&h, s.data, sizeof(h));
    want = header_of(h.index, from, (uint32_t)s.len);
    same = h.index < b->n && memcmp(&h, &want, sizeof(h)) == 0;
  }
  for (size_t at = sizeof(h); same && at < s.len; at++) {
    same = s.data[at] == dull(&h, at);
  }
  if (!same) {
    hs2n_sim_fail(b->sim, node, "a message is changed, or another's");
    return NULL;
  }
  return &b->entries[h.index];
}

/* ---- messages ------------------------------------------------------------ */

/* An older message of its key, sent to the same node, is not waited for. */
static void supersede(struct book *b, const struct book_entry *e) {
  for (size_t i = b->n; i > 0 && b->n - i < 4096; i--) {
    struct book_entry *old = &b->entries[i - 1];

    if (old->from == e->from && old->life == b->node[e->from].life &&
        old->type == e->type && old->key == e->key &&
        (old->flags & HS2N_MSG_SUPERSEDE) != 0 && (old->to & e->to) != 0) {
      old->withdrawn = true;
      end(b, old, e->to);
    }
  }
}

void book_sent(struct book *b, const struct book_entry *e) {
  if (b->n == b->capacity) {
    struct book_entry *more =
        realloc(b->entries, 2 * b->capacity * sizeof(*more));

    if (more == NULL) {
      hs2n_sim_fail(b->sim, e->from, "the book has no memory");
      return;
    }
    b->entries = more;
    b->capacity *= 2;
  }
  if ((e->flags & HS2N_MSG_SUPERSEDE) != 0) {
    supersede(b, e);
  }
  b->entries[b->n] = *e;
  b->entries[b->n].life = b->node[e->from].life;
  b->entries[b->n].down = e->to & ~b->node[e->from].up;
  b->n++;
}

static void check_order(struct book *b, uint32_t node, struct book_entry *e,
                        bool taken) {
  size_t *last = &b->node[node].last[e->from][e->lane];
  const size_t index = (size_t)(e - b->entries) + 1;

  if ((e->flags & HS2N_MSG_DATAGRAM_OK) != 0) {
    return;
  }
  if (index <= *last) {
    fail(b, node, "comes after a later one", e);
  }
  if (taken) {
    *last = index;
  }
}

void book_heard(struct book *b, uint32_t node, struct book_entry *e,
                enum hs2n_verdict verdict) {
  if ((e->to & bit(node)) == 0) {
    fail(b, node, "was not sent to this one", e);
  }
  if ((e->heard & bit(node)) != 0) {
    fail(b, node, "comes twice", e);
  }
  if ((e->flags & HS2N_MSG_VIEW_BOUND) != 0 && e->view < b->node[node].view) {
    fail(b, node, "is of a view that has ended here", e);
  }
  if ((e->down & bit(node)) != 0 && e->deadline != 0 &&
      e->life == b->node[e->from].life &&
      e->deadline + SLACK < hs2n_sim_clock(b->sim, e->from)) {
    fail(b, node, "was sent after its deadline", e);
  }
  check_order(b, node, e, verdict != HS2N_BUSY);
  if (verdict != HS2N_BUSY) {
    e->heard |= bit(node);
  }
  book_judged(b, node, e, verdict);
}

void book_judged(struct book *b, uint32_t node, struct book_entry *e,
                 enum hs2n_verdict verdict) {
  (void)b;
  if (verdict == HS2N_ACCEPT || verdict == HS2N_IGNORE) {
    e->taken |= bit(node);
  } else if (verdict == HS2N_REJECT) {
    e->refused |= bit(node);
  }
}

/* ---- completions --------------------------------------------------------- */

static void check_acked(struct book *b, const struct book_entry *e) {
  for (uint32_t i = 0; i < b->nodes; i++) {
    if ((e->to & bit(i)) != 0 && !may_ack(b, e, i)) {
      fail(b, i, "is ACKED, and not taken", e);
    }
  }
}

static void check_quorum(struct book *b, const struct book_entry *e,
                         const struct hs2n_done *done) {
  if (done->acked_count != done->acked_weight || e->quorum == 0 ||
      done->acked_weight < e->quorum) {
    fail(b, e->from, "has its quorum too early", e);
  }
  for (size_t i = 0; i < done->acked_count; i++) {
    const uint32_t r = hs2n_sim_index(b->sim, e->from, done->acked[i]);

    if (r >= b->nodes || (e->to & bit(r)) == 0 || !may_ack(b, e, r)) {
      fail(b, e->from, "counts one who did not take it", e);
    }
  }
}

static bool may_cancel(const struct book *b, const struct book_entry *e) {
  const struct book_node *n = &b->node[e->from];

  return e->withdrawn || n->stopping ||
         ((e->flags & HS2N_MSG_VIEW_BOUND) != 0 && e->view < n->view);
}

static void check_outcome(struct book *b, const struct book_entry *e,
                          const struct hs2n_done *done) {
  if (e->must_cancel && done->outcome != HS2N_DONE_CANCELLED) {
    fail(b, e->from, "was over, and goes on", e);
  }
  switch (done->outcome) {
  case HS2N_DONE_ACKED:
    if (e->quorum != 0) {
      fail(b, e->from, "is ACKED, but a quorum was asked for", e);
    }
    check_acked(b, e);
    break;
  case HS2N_DONE_QUORUM:
    check_quorum(b, e, done);
    break;
  case HS2N_DONE_EXPIRED:
    if (e->deadline == 0 || e->deadline > hs2n_sim_clock(b->sim, e->from)) {
      fail(b, e->from, "is EXPIRED before its time", e);
    }
    break;
  case HS2N_DONE_CANCELLED:
    if (!may_cancel(b, e)) {
      fail(b, e->from, "is CANCELLED, by nobody", e);
    }
    break;
  case HS2N_DONE_REFUSED:
    if (e->refused == 0) {
      fail(b, e->from, "is REFUSED, by nobody", e);
    }
    break;
  case HS2N_DONE_PEER_GONE:
    fail(b, e->from, "lost its peer, but nobody left", e);
    break;
  }
}

void book_done(struct book *b, uint32_t node, struct hs2n_tag tag,
               const struct hs2n_done *done) {
  for (size_t i = b->first_open; i < b->n; i++) {
    struct book_entry *e = &b->entries[i];

    if (e->from == node && e->tag == tag.v && e->life == b->node[node].life) {
      check_outcome(b, e, done);
      b->outcomes[done->outcome]++;
      e->tag = 0;
      e->over =
          done->outcome != HS2N_DONE_ACKED && done->outcome != HS2N_DONE_QUORUM;
      return;
    }
  }
  hs2n_sim_fail(b->sim, node, "a tag ends that is not open");
}

struct book_entry *book_open(struct book *b, uint32_t node, uint64_t chance) {
  size_t open = 0;

  for (size_t i = b->first_open; i < b->n; i++) {
    open += b->entries[i].from == node && b->entries[i].tag != 0;
  }
  chance = open == 0 ? 0 : chance % open;
  for (size_t i = b->first_open; i < b->n; i++) {
    struct book_entry *e = &b->entries[i];

    if (e->from == node && e->tag != 0 && chance-- == 0) {
      return e;
    }
  }
  return NULL;
}

void book_check_late(struct book *b) {
  while (b->first_open < b->n && b->entries[b->first_open].tag == 0) {
    b->first_open++;
  }
  for (size_t i = b->first_open; i < b->n; i++) {
    const struct book_entry *e = &b->entries[i];

    if (e->tag != 0 && e->deadline != 0 && hs2n_sim_running(b->sim, e->from) &&
        e->deadline + LATE < hs2n_sim_clock(b->sim, e->from)) {
      fail(b, e->from, "has expired, and nobody is told", e);
    }
  }
}

/* ---- in the end ---------------------------------------------------------- */

/* Whether each receiver has to get e, which nothing ended. */
static bool must_come(const struct book *b, const struct book_entry *e) {
  return e->life == b->node[e->from].life && e->deadline == 0 &&
         !e->withdrawn && !e->over &&
         (e->flags & (HS2N_MSG_VIEW_BOUND | HS2N_MSG_QUORUM_ONLY)) == 0;
}

static const char *unsettled_pair(const struct book *b, uint32_t node,
                                  uint32_t peer) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};
  struct hs2n_peer handle;

  if (hs2n_sim_peer(b->sim, node, peer, &handle) != HS2N_OK ||
      hs2n_peer_info(hs2n_sim_node(b->sim, node), handle, &info) != HS2N_OK) {
    return "a peer is not known";
  }
  if (info.queued_bytes != 0) {
    return "budget in bytes does not come back";
  }
  for (int i = 0; i < HS2N_LANES; i++) {
    if (info.queued_msgs[i] != 0) {
      return "budget in messages does not come back";
    }
  }
  return info.rx_held_bytes != 0 ? "bodies let go count as held" : NULL;
}

const char *book_unsettled(const struct book *b) {
  for (size_t i = 0; i < b->n; i++) {
    const struct book_entry *e = &b->entries[i];

    if (e->tag != 0) {
      return "a completion is not told";
    }
    if (must_come(b, e) && (e->to & ~(e->taken | e->refused)) != 0) {
      return "a message is left out";
    }
  }
  for (uint32_t i = 0; i < b->nodes; i++) {
    if (b->node[i].full != 0) {
      return "no WRITABLE follows FULL";
    }
    for (uint32_t k = 0; k < b->nodes; k++) {
      const char *what = i == k ? NULL : unsettled_pair(b, i, k);

      if (what != NULL) {
        return what;
      }
    }
  }
  return NULL;
}
