/* The book: who sent what to whom, who got it, and how each send ended. */
#include "actor.h"

#include <stdlib.h>
#include <string.h>

void expect(int good) {
  if (!good) {
    abort();
  }
}

uint8_t take_byte(struct fuzz *f) {
  return f->in.at < f->in.end ? *f->in.at++ : 0;
}

struct netsim_node *node_at(struct fuzz *f, size_t i) {
  return netsim_node(f->sim, i);
}

/* ---- bodies ---------------------------------------------------------------
 */

/* The serial, low byte first, then what follows from it and the length; the
 * bodies of TYPE_KNOWN have no serial, so that they meet again. */
#define SERIAL_LEN 2u

static uint8_t pattern(uint32_t serial, size_t len, size_t at) {
  const uint64_t x = (serial + at) * UINT64_C(0x9e3779b97f4a7c15);

  return (serial & 1) != 0 ? (uint8_t)(x >> 56) : (uint8_t)(at / 8 + len);
}

struct hs2n_buf *book_body(struct fuzz *f, uint8_t type, size_t len) {
  const uint32_t serial = type == TYPE_KNOWN ? 0 : f->entries_n;
  struct hs2n_buf *buf;
  uint8_t *data;

  if (len < SERIAL_LEN) {
    return NULL;
  }
  if (hs2n_buf_alloc(&buf, hs2n_mem_libc(), len, &data) != HS2N_OK) {
    abort();
  }
  data[0] = (uint8_t)serial;
  data[1] = (uint8_t)(serial >> 8);
  for (size_t i = SERIAL_LEN; i < len; i++) {
    data[i] = pattern(serial, len, i);
  }
  return buf;
}

/* 0: of none, or empty. */
static uint32_t serial_of(const struct hs2n_msg *msg) {
  struct hs2n_span s;
  uint32_t serial;

  if (msg->body == NULL) {
    return 0;
  }
  s = hs2n_buf_span(msg->body);
  expect(s.len >= SERIAL_LEN);
  serial = (uint32_t)(s.data[0] | s.data[1] << 8);
  for (size_t i = SERIAL_LEN; i < s.len; i++) {
    expect(s.data[i] == pattern(serial, s.len, i));
  }
  return serial;
}

/* ---- what comes ------------------------------------------------------------
 */

static void check_order(struct actor *a, size_t from, struct hs2n_msg_id id,
                        uint32_t serial) {
  if (!id.unordered) {
    expect(serial > a->last[from][id.lane]);
    a->last[from][id.lane] = serial;
  }
}

/* One of the book, for this receiver, as it was sent, and not twice. */
static struct entry *seen(struct actor *a, size_t from, size_t i,
                          const struct hs2n_msg *msg, uint32_t serial) {
  struct entry *e;

  expect(serial < a->fuzz->entries_n);
  e = &a->fuzz->entries[serial];
  expect(e->from == from && e->type == msg->type && (e->to >> i & 1) != 0);
  expect(e->view == msg->view &&
         e->view_bound == ((msg->flags & HS2N_MSG_VIEW_BOUND) != 0));
  expect(e->seen[i] != a->life || (e->held >> i & 1) != 0);
  return e;
}

static void mark(struct entry *e, size_t i, uint8_t life,
                 enum hs2n_verdict verdict) {
  e->held &= (uint8_t) ~(1u << i);
  e->held |= (uint8_t)((verdict == HS2N_HOLD) << i);
  e->seen[i] = verdict == HS2N_BUSY ? 0 : life;
  if (verdict == HS2N_ACCEPT || verdict == HS2N_IGNORE ||
      verdict == HS2N_HOLD) {
    e->taken |= (uint8_t)(1u << i);
  }
}

/* By mood, and in some of them by what comes. */
static enum hs2n_verdict verdict_of(const struct actor *a,
                                    const struct hs2n_msg *msg, uint64_t seq) {
  switch (a->mood % 8) {
  case 1:
    return HS2N_BUSY;
  case 2:
    return HS2N_HOLD;
  case 3:
    return HS2N_LATER;
  case 4:
    return HS2N_IGNORE;
  case 5:
    return HS2N_REJECT;
  case 6:
    return msg->view > a->view ? HS2N_HOLD : HS2N_ACCEPT;
  case 7:
    return (enum hs2n_verdict)(HS2N_ACCEPT + seq % 6);
  default:
    return HS2N_ACCEPT;
  }
}

static enum hs2n_verdict later(struct actor *a, struct hs2n_peer from,
                               struct hs2n_msg_id id, uint32_t serial) {
  if (a->laters_n == LATERS) {
    return HS2N_ACCEPT;
  }
  a->laters[a->laters_n++] =
      (struct later){.from = from, .id = id, .serial = serial};
  return HS2N_LATER;
}

static enum hs2n_verdict on_message(struct netsim_node *n, size_t from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct actor *a = n->test;
  const uint32_t serial = serial_of(msg);
  enum hs2n_verdict verdict = verdict_of(a, msg, id.seq);
  struct entry *e = NULL;

  expect((msg->flags & HS2N_MSG_VIEW_BOUND) == 0 || msg->view >= a->view);
  expect((msg->signature.len > 0) == (msg->type == TYPE_SIGNED));
  if (serial != 0) {
    e = seen(a, from, n->index, msg, serial);
    if (e->seen[n->index] != a->life) {
      uint32_t *last = &a->last[from][id.lane];
      const uint32_t before = *last;

      check_order(a, from, id, serial);
      *last = verdict == HS2N_BUSY ? before : *last;
    }
  }
  if (verdict == HS2N_LATER) {
    verdict = later(a, netsim_peer(a->fuzz->sim, n->index, from), id, serial);
  }
  if (e != NULL) {
    mark(e, n->index, a->life, verdict);
  }
  return verdict;
}

/* Answered at once, later, or not. */
static enum hs2n_verdict on_request(struct netsim_node *n, size_t from,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  struct actor *a = n->test;
  const uint32_t serial = serial_of(msg);
  enum hs2n_verdict verdict = verdict_of(a, msg, req.id.seq);

  if (serial != 0) {
    mark(seen(a, from, n->index, msg, serial), n->index, a->life, HS2N_IGNORE);
  }
  if (verdict == HS2N_LATER) {
    verdict = later(a, req.from, req.id, 0);
  }
  if ((verdict != HS2N_ACCEPT && verdict != HS2N_LATER) ||
      a->asked_n == ASKED) {
    return verdict == HS2N_ACCEPT ? HS2N_BUSY : verdict;
  }
  a->asked[a->asked_n++] =
      (struct asked){.req = req,
                     .from = (uint8_t)from,
                     .type = msg->type,
                     .view = msg->view,
                     .view_bound = (msg->flags & HS2N_MSG_VIEW_BOUND) != 0};
  if (verdict == HS2N_ACCEPT && serial % 3 == 0) {
    call_respond(a->fuzz, n->index, serial % 200);
  }
  return verdict;
}

static struct open *find_open(struct actor *a, struct hs2n_tag tag) {
  for (size_t i = 0; i < a->opens_n; i++) {
    if (a->opens[i].tag.v == tag.v) {
      return &a->opens[i];
    }
  }
  return NULL;
}

static enum hs2n_verdict on_response(struct netsim_node *n, size_t from,
                                     struct hs2n_tag tag, uint32_t status,
                                     const struct hs2n_msg *msg) {
  struct actor *a = n->test;
  const uint32_t serial = serial_of(msg);
  struct open *open = find_open(a, tag);
  enum hs2n_verdict verdict = verdict_of(a, msg, serial);

  expect(open != NULL && open->is_request && !open->accepted);
  expect(msg->body == NULL || status == hs2n_buf_span(msg->body).len);
  if (verdict == HS2N_LATER) { /* netsim does not say its id */
    verdict = HS2N_ACCEPT;
  }
  if (serial != 0) {
    mark(seen(a, from, n->index, msg, serial), n->index, a->life,
         verdict == HS2N_BUSY ? verdict : HS2N_IGNORE);
  }
  open->accepted = verdict == HS2N_ACCEPT;
  return verdict;
}

/* ---- how it ends ------------------------------------------------------------
 */

static size_t index_of(struct fuzz *f, size_t i, struct hs2n_peer peer) {
  for (size_t k = 0; k < f->nodes; k++) {
    if (k != i && netsim_peer(f->sim, i, k).v == peer.v) {
      return k;
    }
  }
  return NODES;
}

/* Who is said to have taken it has, or its view had ended there; one may have
 * left since. */
static void check_acked(struct fuzz *f, size_t i, const struct open *open,
                        const struct hs2n_done *done) {
  const struct entry *e = &f->entries[open->serial];

  for (size_t k = 0; k < done->acked_count; k++) {
    const size_t peer = index_of(f, i, done->acked[k]);

    expect(peer == NODES || open->serial == 0 || open->is_request ||
           (e->taken >> peer & 1) != 0 ||
           (e->view_bound && e->view < f->highest));
  }
}

static void on_done(struct netsim_node *n, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct actor *a = n->test;
  struct open *open = find_open(a, tag);

  expect(open != NULL); /* not told of before, and given by this process */
  check_acked(a->fuzz, n->index, open, done);
  expect(open->accepted ==
         (open->is_request && done->outcome == HS2N_DONE_ACKED));
  switch (done->outcome) {
  case HS2N_DONE_ACKED:
    expect(open->quorum == 0);
    break;
  case HS2N_DONE_QUORUM:
    expect(open->quorum > 0 && done->acked_weight >= open->quorum);
    break;
  case HS2N_DONE_EXPIRED:
    expect(open->deadline != 0 && netsim_now(a->fuzz->sim) >= open->deadline);
    break;
  case HS2N_DONE_CANCELLED:
  case HS2N_DONE_REFUSED:
  case HS2N_DONE_PEER_GONE:
    break;
  }
  *open = a->opens[--a->opens_n];
}

/* ---- the book ---------------------------------------------------------------
 */

void book_listen(struct fuzz *f, size_t i) {
  struct netsim_node *n = node_at(f, i);

  f->actors[i].fuzz = f;
  n->test = &f->actors[i];
  n->judge = on_message;
  n->asked = on_request;
  n->answered = on_response;
  n->done = on_done;
}

void book_started(struct fuzz *f, size_t i) {
  struct actor *a = &f->actors[i];

  a->life++;
  a->stopped = false;
  a->opens_n = 0;
  a->laters_n = 0;
  a->asked_n = 0;
  a->posts = 0;
  a->posts_ran = 0;
  a->was_full = false;
  a->view = 0;
  memset(a->last, 0, sizeof(a->last));
}

uint32_t book_sent(struct fuzz *f, const struct entry *entry) {
  expect(f->entries_n < ENTRIES);
  f->entries[f->entries_n] = *entry;
  return f->entries_n++;
}

bool book_has_room(const struct fuzz *f, size_t i) {
  return f->entries_n < ENTRIES && f->actors[i].opens_n < OPENS;
}

void book_open(struct fuzz *f, size_t i, const struct open *open) {
  struct actor *a = &f->actors[i];

  expect(find_open(a, open->tag) == NULL);
  a->opens[a->opens_n++] = *open;
}

void book_check(struct fuzz *f) {
  for (size_t i = 0; i < f->nodes; i++) {
    const struct netsim_node *n = node_at(f, i);
    struct actor *a = &f->actors[i];

    if (a->was_full && n->seen.writables > a->writables) {
      a->was_full = false;
    }
    expect(a->posts_ran <= a->posts);
  }
}

void book_check_end(struct fuzz *f, size_t i) {
  const struct actor *a = &f->actors[i];

  book_check(f);
  expect(a->opens_n == 0);
  expect(!a->was_full);
  expect(a->posts_ran == a->posts);
}
