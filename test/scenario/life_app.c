#include "life.h"

/* ---- the application ----------------------------------------------------- */

static struct owed *owe(struct world *w, uint32_t node, hs2n_time most) {
  struct owed *o;

  if (w->owed_n == LIFE_OWED_MAX) {
    return NULL;
  }
  o = &w->owed[w->owed_n++];
  *o = (struct owed){.node = node, .at = hs2n_sim_now(w->sim) + any(w, most)};
  return o;
}

static enum hs2n_verdict choose_verdict(struct world *w) {
  const uint64_t chance = any(w, 100);

  if (w->busy_once) {
    w->busy_once = false;
    return HS2N_BUSY;
  }
  if (w->calm || chance >= 15) {
    return HS2N_ACCEPT;
  }
  return chance < 6    ? HS2N_BUSY
         : chance < 10 ? HS2N_LATER
         : chance < 12 ? HS2N_REJECT
                       : HS2N_IGNORE;
}

static void keep_body(struct world *w, uint32_t node, struct hs2n_buf *body) {
  struct owed *o = owe(w, node, HS2N_MS(800));

  if (o != NULL) {
    o->body = hs2n_buf_ref(body);
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  const struct mind *mind = self;
  struct world *w = mind->world;
  struct book_entry *e = book_find(
      &w->book, mind->node, hs2n_sim_index(w->sim, mind->node, from), msg);
  enum hs2n_verdict verdict = choose_verdict(w);

  if (e == NULL) {
    return HS2N_ACCEPT;
  }
  if (verdict == HS2N_LATER) {
    struct owed *o = owe(w, mind->node, HS2N_MS(400));

    if (o == NULL) {
      verdict = HS2N_ACCEPT;
    } else {
      o->from = from;
      o->id = id;
      o->entry = (size_t)(e - w->book.entries);
    }
  } else if (!w->calm && verdict == HS2N_ACCEPT &&
             one_in(w, e->len > 4096 ? 2 : 8)) {
    keep_body(w, mind->node, msg->body);
  }
  book_heard(&w->book, mind->node, e, verdict);
  return verdict;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  const struct mind *mind = self;

  book_done(&mind->world->book, mind->node, tag, done);
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  const struct mind *mind = self;
  struct world *w = mind->world;

  (void)reason;
  book_peer(&w->book, mind->node, hs2n_sim_index(w->sim, mind->node, peer),
            state);
}

/* ---- debts --------------------------------------------------------------- */

static void judge(struct world *w, const struct owed *o) {
  const enum hs2n_verdict verdict =
      !w->calm && one_in(w, 20) ? HS2N_REJECT : HS2N_ACCEPT;
  const int err =
      hs2n_judge(hs2n_sim_node(w->sim, o->node), o->from, o->id, verdict, 0);

  /* STATE: its sender has restarted meanwhile. */
  story_must(w->sim, err == HS2N_OK || err == HS2N_ERR_STATE, "can't judge");
  if (err == HS2N_OK) {
    book_judged(&w->book, o->node, &w->book.entries[o->entry], verdict);
  }
}

static void pay(struct world *w, size_t i, bool alive) {
  const struct owed o = w->owed[i];

  w->owed[i] = w->owed[--w->owed_n];
  if (o.body != NULL) {
    hs2n_buf_unref(o.body);
  } else if (alive) {
    judge(w, &o);
  }
  if (alive) {
    hs2n_sim_flush(w->sim, o.node);
  }
}

void life_pay(struct world *w) {
  for (size_t i = w->owed_n; i > 0; i--) {
    if (w->calm || w->owed[i - 1].at <= hs2n_sim_now(w->sim)) {
      pay(w, i - 1, true);
    }
  }
}

/* ---- life ---------------------------------------------------------------- */

static void on_start(void *self, uint32_t node, struct hs2n_node *handle,
                     struct hs2n_sim_disk *disk) {
  struct world *w = self;
  uint64_t view;

  (void)disk;
  book_started(&w->book, node);
  view = w->book.node[node].view_max + 1;
  story_must(w->sim, hs2n_enter_view(handle, view, NULL, 0) == HS2N_OK,
             "can't enter a view");
  book_view(&w->book, node, view);
}

static void on_stop(void *self, uint32_t node) {
  struct world *w = self;

  for (size_t i = w->owed_n; i > 0; i--) {
    if (w->owed[i - 1].node == node) {
      pay(w, i - 1, false);
    }
  }
  book_died(&w->book, node);
}

static void configure(void *self, uint32_t node, struct hs2n_config *config,
                      struct hs2n_consensus *out_consensus) {
  struct world *w = self;

  (void)config;
  w->minds[node] = (struct mind){.world = w, .node = node};
  out_consensus->self = &w->minds[node];
  out_consensus->on_message = on_message;
  out_consensus->on_done = on_done;
  out_consensus->on_peer = on_peer;
}

const struct hs2n_sim_app life_app = {.struct_size = sizeof(life_app),
                                      .configure = configure,
                                      .on_start = on_start,
                                      .on_stop = on_stop};
