#include "life.h"

const struct hs2n_type life_types[LIFE_TYPES] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 4096, .name = "control"},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 4096, .name = "vote"},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = 65536, .name = "cert"},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 131072,
     .name = "proposal"},
    {.id = 4,
     .lane = HS2N_LANE_SYNC,
     .size_max = 131072,
     .name = "sync",
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 5, .lane = HS2N_LANE_BULK, .size_max = 131072, .name = "bulk"},
    {.id = 6,
     .lane = HS2N_LANE_VOTE,
     .size_max = 4096,
     .name = "signed vote",
     .flags = HS2N_TYPE_SIGNED},
};
/* ---- sending ------------------------------------------------------------- */

static uint32_t any_len(struct world *w, uint32_t max) {
  static const uint32_t steps[] = {300, 300, 300, 300, 1200, 4096, 20000};
  const uint32_t most = one_in(w, 40) ? 100000 : steps[any(w, 7)];

  return BOOK_BODY_MIN +
         (uint32_t)any(w, (most < max ? most : max) - BOOK_BODY_MIN + 1);
}

/* Receivers, and as bits in e->to. */
static void any_receivers(struct world *w, struct book_entry *e,
                          struct hs2n_peer peers[LIFE_NODES],
                          struct hs2n_dst *dst) {
  const uint32_t others = ((1u << LIFE_NODES) - 1) & ~(1u << e->from);

  *dst = (struct hs2n_dst){.kind = HS2N_DST_EPOCH, .epoch = HS2N_SIM_EPOCH};
  e->to = others;
  if (one_in(w, 3)) {
    return;
  }
  do {
    e->to = others & (uint32_t)any(w, 1u << LIFE_NODES);
  } while (e->to == 0);
  for (uint32_t i = 0; i < LIFE_NODES; i++) {
    if ((e->to >> i & 1) != 0) {
      story_must(w->sim,
                 hs2n_sim_peer(w->sim, e->from, i, &peers[dst->count]) ==
                     HS2N_OK,
                 "no such peer");
      dst->count++;
    }
  }
  dst->kind = dst->count == 1 ? HS2N_DST_PEER : HS2N_DST_SOME;
  dst->peer = peers[0];
  dst->peers = peers;
}

static uint32_t weight(uint32_t nodes) {
  uint32_t n = 0;

  for (; nodes != 0; nodes &= nodes - 1) {
    n++;
  }
  return n;
}

static void any_flags(struct world *w, struct book_entry *e) {
  if (one_in(w, 3)) {
    e->flags |= HS2N_MSG_ACK;
  } else if (one_in(w, 4)) {
    e->flags |= HS2N_MSG_QUORUM | (one_in(w, 2) ? HS2N_MSG_QUORUM_ONLY : 0);
    e->quorum = 1 + any(w, weight(e->to));
  }
  if (one_in(w, 4)) {
    e->flags |= HS2N_MSG_VIEW_BOUND;
    e->view = w->book.node[e->from].view + any(w, 2);
  }
  if (e->type == 0 && one_in(w, 2)) {
    e->flags |= HS2N_MSG_SUPERSEDE;
    e->key = any(w, 2);
  } else if (e->lane == HS2N_LANE_VOTE && one_in(w, 2)) {
    e->flags |= HS2N_MSG_DATAGRAM_OK;
  }
  if (one_in(w, 4)) {
    e->deadline = hs2n_sim_clock(w->sim, e->from) + 1 + any(w, HS2N_MS(800));
  }
}

static void note_full(struct world *w, const struct book_entry *e) {
  if (weight(e->to) == 1) {
    w->book.node[e->from].full |= e->to;
  }
  w->book.node[e->from].full_some |= e->to;
}

static int send(struct world *w, struct book_entry *e,
                const struct hs2n_dst *dst) {
  const bool tagged = (e->flags & (HS2N_MSG_ACK | HS2N_MSG_QUORUM)) != 0;
  struct hs2n_msg msg = {.type = (uint8_t)e->type,
                         .flags = e->flags,
                         .view = e->view,
                         .deadline = e->deadline,
                         .quorum_weight = e->quorum,
                         .key = e->key};
  struct hs2n_sim_config config;
  struct hs2n_tag tag = {0};
  uint8_t *data;
  int err;

  hs2n_sim_config_default(&config, LIFE_NODES, 0);
  err = hs2n_buf_alloc(&msg.body, config.mem, e->len, &data);
  if (err != HS2N_OK) {
    return err;
  }
  book_body(&w->book, e->from, e->len, data);
  err = hs2n_send(hs2n_sim_node(w->sim, e->from), dst, &msg,
                  tagged ? &tag : NULL);
  hs2n_buf_unref(msg.body);
  if (err == HS2N_OK) {
    e->tag = tag.v;
    book_sent(&w->book, e);
  }
  return err;
}

void life_send_one(struct world *w, uint32_t from, uint32_t type) {
  struct hs2n_peer peers[LIFE_NODES];
  struct hs2n_dst dst;
  struct book_entry e = {.from = from, .type = type};
  int err;

  e.lane = life_types[e.type].lane;
  e.len = any_len(w, life_types[e.type].size_max);
  any_receivers(w, &e, peers, &dst);
  any_flags(w, &e);
  err = send(w, &e, &dst);
  if (err == HS2N_ERR_FULL) {
    note_full(w, &e);
  } else {
    story_must(w->sim, err == HS2N_OK, "is not accepted");
  }
}

/* Now and then many at once. */
void life_send(struct world *w, uint32_t from) {
  const uint32_t type = (uint32_t)any(w, LIFE_TYPES);
  const int n = one_in(w, 10) ? 10 : 1;

  for (int i = 0; i < n; i++) {
    life_send_one(w, from, type);
  }
}

void life_cancel(struct world *w, uint32_t node) {
  struct book_entry *e = book_open(&w->book, node, any(w, 1u << 20));
  int err;

  if (e != NULL) {
    err = hs2n_cancel(hs2n_sim_node(w->sim, node), (struct hs2n_tag){e->tag});
    /* STATE: it has ended, and is about to be told. */
    story_must(w->sim, err == HS2N_OK || err == HS2N_ERR_STATE,
               "can't be cancelled");
    if (err == HS2N_OK) {
      book_cancelled(e);
    }
  }
}

void life_next_view(struct world *w, uint32_t node) {
  struct book_node *n = w->book.node;
  uint64_t view = n[node].view + 1;
  const uint32_t leader = (node + 1 + (uint32_t)any(w, LIFE_NODES - 1)) %
                          LIFE_NODES; /* as this node sees it */
  struct hs2n_peer peer;

  for (uint32_t i = 0; i < LIFE_NODES && one_in(w, 2); i++) {
    view = n[i].view > view ? n[i].view : view;
  }
  story_must(w->sim,
             hs2n_sim_peer(w->sim, node, leader, &peer) == HS2N_OK &&
                 hs2n_enter_view(hs2n_sim_node(w->sim, node), view, &peer, 1) ==
                     HS2N_OK,
             "can't enter a view");
  book_view(&w->book, node, view);
}
