/* What an application may call, with arguments from the input. */
#include "actor.h"

static uint8_t others(const struct fuzz *f, size_t i) {
  return (uint8_t)(((1u << f->nodes) - 1) & ~(1u << i));
}

/* WRITABLE must follow. */
static void note_full(struct fuzz *f, size_t i, int err) {
  struct actor *a = &f->actors[i];

  if (err == HS2N_ERR_FULL && !a->was_full) {
    a->was_full = true;
    a->writables = node_at(f, i)->seen.writables;
  }
}

struct target {
  struct hs2n_dst dst;
  struct hs2n_peer peers[NODES];
  uint8_t mask;
};

/* One, a list, or the epoch: to == i. */
static void aim(struct fuzz *f, size_t i, size_t to, struct target *out) {
  *out = (struct target){.dst = {.epoch = NETSIM_EPOCH}};
  if (to != i) {
    out->dst.kind = HS2N_DST_PEER;
    out->dst.peer = netsim_peer(f->sim, i, to);
    out->mask = (uint8_t)(1u << to);
    return;
  }
  out->mask = others(f, i);
  out->dst.kind = HS2N_DST_EPOCH;
  if ((take_byte(f) & 1) != 0) {
    out->dst.kind = HS2N_DST_SOME;
    out->dst.peers = out->peers;
    for (size_t k = 0; k < f->nodes; k++) {
      if (k != i) {
        out->peers[out->dst.count++] = netsim_peer(f->sim, i, k);
      }
    }
  }
}

static void send(struct fuzz *f, size_t i, const struct target *t,
                 const struct hs2n_msg *msg, bool tagged) {
  const struct entry entry = {.from = (uint8_t)i,
                              .type = msg->type,
                              .to = t->mask,
                              .view = msg->view,
                              .view_bound =
                                  (msg->flags & HS2N_MSG_VIEW_BOUND) != 0};
  struct open open = {.deadline = msg->deadline};
  const int err =
      hs2n_send(node_at(f, i)->node, &t->dst, msg, tagged ? &open.tag : NULL);

  note_full(f, i, err);
  if (err != HS2N_OK) {
    return;
  }
  open.serial = book_sent(f, &entry);
  if (msg->type == TYPE_KNOWN || msg->body == NULL) {
    open.serial = 0; /* who took it is not known by its body */
  }
  if ((msg->flags & HS2N_MSG_QUORUM) != 0) {
    open.quorum = msg->quorum_weight;
  }
  if (tagged) {
    book_open(f, i, &open);
  }
}

static size_t take_len(struct fuzz *f) {
  const uint8_t code = take_byte(f);

  return code > 240 ? (size_t)(code - 240) * 9001 : (size_t)code * 16;
}

static hs2n_time take_deadline(struct fuzz *f) {
  const uint8_t code = take_byte(f);

  return code == 0 ? 0 : netsim_now(f->sim) + HS2N_MS(code) * 8;
}

void call_send(struct fuzz *f, size_t i, size_t to) {
  struct hs2n_msg msg = {.type = take_byte(f) % TYPES};
  struct target t;

  if (!book_has_room(f, i)) {
    return;
  }
  aim(f, i, to, &t);
  msg.flags = take_byte(f);
  msg.quorum_weight = take_byte(f) % NODES;
  msg.key = msg.quorum_weight;
  msg.view = f->view + take_byte(f) % 3;
  msg.deadline = take_deadline(f);
  msg.body = book_body(f, msg.type, take_len(f));
  send(f, i, &t, &msg, (msg.flags & (HS2N_MSG_ACK | HS2N_MSG_QUORUM)) != 0);
  hs2n_buf_unref(msg.body);
  netsim_flush(f->sim, i);
}

void call_burst(struct fuzz *f, size_t i, size_t to) {
  const uint8_t how = take_byte(f);
  const size_t n = 1u + take_byte(f) % 48;
  struct target t;

  aim(f, i, to, &t);
  for (size_t k = 0; k < n && book_has_room(f, i); k++) {
    struct hs2n_msg msg = {
        .type = (how & 1) != 0 ? TYPE_LZ4 : TYPE_ZSTD,
        .flags = HS2N_MSG_ACK,
        .view = f->view,
        .deadline =
            (how & 2) != 0 ? netsim_now(f->sim) + HS2N_MS(1 + k * how) : 0,
        .body = book_body(f, TYPE_LZ4, 64u + how),
    };

    if ((how >> 2 & 1) != 0 && k % 4 == 1) {
      msg.flags |= HS2N_MSG_VIEW_BOUND;
    }
    if ((how >> 3 & 1) != 0 && k % 8 == 5) {
      msg.flags |= HS2N_MSG_SECRET;
    }
    send(f, i, &t, &msg, true);
    hs2n_buf_unref(msg.body);
  }
  netsim_flush(f->sim, i);
}

void call_request(struct fuzz *f, size_t i, size_t to) {
  const uint8_t how = take_byte(f);
  const bool is_bound = (how & 2) != 0;
  struct hs2n_msg msg = {
      .type = (how & 1) != 0 ? TYPE_ASK : TYPE_ASK_SECRET,
      .flags = is_bound ? HS2N_MSG_VIEW_BOUND : 0,
      .view = f->view + (how >> 2 & 1),
  };
  struct open open = {.is_request = true};
  struct target t;
  int err;

  if (!book_has_room(f, i)) {
    return;
  }
  aim(f, i, to, &t);
  msg.deadline = open.deadline =
      netsim_now(f->sim) + HS2N_MS(1 + take_byte(f)) * 32;
  msg.body = book_body(f, msg.type, take_byte(f));
  err = hs2n_request(node_at(f, i)->node, &t.dst, &msg, &open.tag);
  note_full(f, i, err);
  if (err == HS2N_OK) {
    open.serial = book_sent(f, &(struct entry){.from = (uint8_t)i,
                                               .type = msg.type,
                                               .to = t.mask,
                                               .view = msg.view,
                                               .view_bound = is_bound});
    book_open(f, i, &open);
  }
  hs2n_buf_unref(msg.body);
  netsim_flush(f->sim, i);
}

void call_respond(struct fuzz *f, size_t i, size_t len) {
  struct actor *a = &f->actors[i];
  struct asked asked;
  struct entry entry;
  struct hs2n_buf *body;
  int err;

  if (a->asked_n == 0 || !book_has_room(f, i)) {
    return;
  }
  asked = a->asked[--a->asked_n];
  entry = (struct entry){.from = (uint8_t)i,
                         .type = asked.type == TYPE_ASK ? TYPE_ANSWER
                                                        : TYPE_ANSWER_SECRET,
                         .to = (uint8_t)(1u << asked.from),
                         .view = asked.view,
                         .view_bound = asked.view_bound};
  body = book_body(f, entry.type, len);
  err = hs2n_respond(node_at(f, i)->node, asked.req, (uint32_t)len, body);
  hs2n_buf_unref(body);
  note_full(f, i, err);
  if (err == HS2N_OK) {
    (void)book_sent(f, &entry);
  } else if (err == HS2N_ERR_FULL || err == HS2N_ERR_NO_MEMORY) {
    a->asked[a->asked_n++] = asked; /* it stays open */
  }
}

void call_judge(struct fuzz *f, size_t i, enum hs2n_verdict verdict) {
  struct actor *a = &f->actors[i];
  struct later later;

  if (a->laters_n == 0) {
    return;
  }
  later = a->laters[--a->laters_n];
  switch (hs2n_judge(node_at(f, i)->node, later.from, later.id, verdict, 1)) {
  case HS2N_OK:
    if (verdict != HS2N_REJECT && later.serial != 0) {
      f->entries[later.serial].taken |= (uint8_t)(1u << i);
    }
    break;
  case HS2N_ERR_INVALID: /* LATER, BUSY, HOLD */
    expect(verdict > HS2N_REJECT);
    a->laters[a->laters_n++] = later;
    break;
  default:
    break;
  }
  netsim_flush(f->sim, i);
}

void call_cancel(struct fuzz *f, size_t i, size_t which) {
  struct actor *a = &f->actors[i];

  if (a->opens_n == 0) {
    (void)!hs2n_cancel(node_at(f, i)->node, (struct hs2n_tag){which});
  } else {
    (void)!hs2n_cancel(node_at(f, i)->node, a->opens[which % a->opens_n].tag);
  }
  netsim_flush(f->sim, i);
}

void call_enter_view(struct fuzz *f, size_t i, uint64_t view) {
  const struct hs2n_peer leader = netsim_peer(f->sim, i, (i + 1) % f->nodes);
  const uint64_t before = f->actors[i].view;

  /* Upcalls come later, so none sees the view too early. */
  if (hs2n_enter_view(node_at(f, i)->node, view, &leader, 1) == HS2N_OK) {
    expect(view >= before);
    f->actors[i].view = view;
    f->highest = view > f->highest ? view : f->highest;
  }
}

static void ran(struct hs2n_node *node, void *arg) {
  struct actor *a = arg;

  (void)node;
  a->posts_ran++;
}

void call_post(struct fuzz *f, size_t i) {
  struct actor *a = &f->actors[i];

  if (hs2n_post(node_at(f, i)->node, ran, a) == HS2N_OK) {
    a->posts++;
  }
}

void call_members(struct fuzz *f, size_t i) {
  struct hs2n_member m[NODES];
  const size_t n = 1u + take_byte(f) % f->nodes;

  for (size_t k = 0; k < n; k++) {
    m[k] = netsim_member(f->sim, (k + take_byte(f)) % f->nodes);
  }
  f->epoch++;
  (void)!hs2n_set_members(node_at(f, i)->node, NETSIM_EPOCH + f->epoch % 5, m,
                          n, take_byte(f) % 2);
}
