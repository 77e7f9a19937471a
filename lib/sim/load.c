/* The load: messages whose bodies say what they are. */
#include "sim/inside.h"

#include <assert.h>
#include <string.h>

#define MAGIC 0x31646f616c73326eu

/* ---- bodies
 * ------------------------------------------------------------------------ */

struct header {
  uint64_t words[5]; /* magic, from and len, serial, incarnation, seal */
};
static_assert(sizeof(struct header) == HS2N_SIM_BODY_MIN,
              "a body holds at least its header");

static uint64_t seal(const struct hs2n_sim *sim, const uint64_t words[4]) {
  uint64_t x = sim->config.seed;

  for (int i = 0; i < 4; i++) {
    x = hs2ni_mix(x ^ words[i]);
  }
  return x;
}

static struct header header_of(const struct hs2n_sim *sim, uint32_t from,
                               uint64_t incarnation, uint64_t serial,
                               size_t len) {
  struct header h = {{MAGIC, (uint64_t)from << 32 | len, serial, incarnation}};

  h.words[4] = seal(sim, h.words);
  return h;
}

static uint64_t pattern(const struct header *h, size_t at) {
  return h->words[4] * (at | 1);
}

void hs2ni_load_body(const struct hs2n_sim *sim, uint32_t from, uint64_t serial,
                     size_t len, uint8_t *out) {
  const struct header h =
      header_of(sim, from, sim->nodes[from].incarnation, serial, len);

  memcpy(out, &h, sizeof(h));
  for (size_t at = sizeof(h); at < len; at += 8) {
    const uint64_t word = pattern(&h, at);

    memcpy(out + at, &word, len - at < 8 ? len - at : 8);
  }
}

static bool body_intact(const struct header *h, struct hs2n_span s) {
  for (size_t at = sizeof(*h); at < s.len; at += 8) {
    const uint64_t word = pattern(h, at);

    if (memcmp(s.data + at, &word, s.len - at < 8 ? s.len - at : 8) != 0) {
      return false;
    }
  }
  return true;
}

void hs2ni_load_took(struct hs2ni_sim_node *n, uint32_t from,
                     struct hs2n_msg_id id, const struct hs2n_msg *msg) {
  struct hs2n_sim *sim = n->sim;
  struct hs2n_span s;
  struct header h;

  if (!sim->load_types || msg->body == NULL) {
    return;
  }
  s = hs2n_buf_span(msg->body);
  if (s.len < sizeof(h)) {
    return;
  }
  memcpy(&h, s.data, sizeof(h));
  if (h.words[0] != MAGIC) {
    return; /* the application's own; if it was one of ours, it is missed */
  }
  if (h.words[4] != seal(sim, h.words) || (uint32_t)h.words[1] != s.len ||
      !body_intact(&h, s)) {
    hs2ni_failf(sim, n->index, "message of n%u is changed", from);
  } else if (sim->nodes[h.words[1] >> 32].key_of != from ||
             h.words[3] != id.incarnation) {
    hs2ni_failf(sim, n->index, "message of n%u comes as one of n%u",
                (unsigned)(h.words[1] >> 32), from);
  } else {
    hs2ni_model_taken(n, from, id.lane, h.words[2]);
  }
}

/* ---- sending
 * ------------------------------------------------------------------------- */

/* Of nodes with one key the first stands for all. */
static bool is_receiver(const struct hs2ni_sim_node *n,
                        const struct hs2n_sim_msg *msg, uint32_t i) {
  struct hs2n_peer peer;

  if (n->sim->nodes[i].key_of != i || i == n->key_of) {
    return false;
  }
  return msg->to == HS2N_SIM_ALL
             ? hs2n_sim_peer(n->sim, n->index, i, &peer) == HS2N_OK
             : n->sim->nodes[msg->to].key_of == i;
}

static void book_it(struct hs2ni_sim_node *n, const struct hs2n_sim_msg *msg,
                    uint64_t serial, uint64_t tag) {
  struct hs2n_sim *sim = n->sim;

  for (uint32_t i = 0; i < sim->n; i++) {
    if (is_receiver(n, msg, i)) {
      hs2ni_model_sent(sim, msg, i, serial, tag);
    }
  }
  if (tag != 0) {
    hs2ni_model_open(n, msg, serial, tag);
  }
  hs2ni_trace(sim, HS2N_SIM_SEND, n->index, msg->to, serial, msg->len, "");
}

static int send(struct hs2ni_sim_node *n, const struct hs2n_sim_msg *msg,
                const struct hs2n_dst *dst, struct hs2n_tag *out_tag) {
  struct hs2n_sim *sim = n->sim;
  const uint64_t serial = sim->serial + 1;
  struct hs2n_msg m = {.type = (uint8_t)msg->lane,
                       .flags = msg->flags,
                       .view = msg->view,
                       .quorum_weight = msg->quorum_weight};
  uint8_t *data;
  int err = hs2n_buf_alloc(&m.body, &n->ledger.mem, msg->len, &data);

  if (err != HS2N_OK) {
    return err;
  }
  hs2ni_load_body(sim, n->index, serial, msg->len, data);
  m.deadline =
      msg->expires_in == 0 ? 0 : hs2ni_clock_at(n, sim->now) + msg->expires_in;
  err = hs2n_send(n->node, dst, &m, out_tag);
  hs2n_buf_unref(m.body);
  if (err == HS2N_OK) {
    sim->serial = serial;
    book_it(n, msg, serial, out_tag == NULL ? 0 : out_tag->v);
  }
  return err;
}

int hs2n_sim_send(struct hs2n_sim *sim, const struct hs2n_sim_msg *msg,
                  struct hs2n_tag *out_tag) {
  struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = HS2N_SIM_EPOCH};
  const bool tagged = (msg->flags & (HS2N_MSG_ACK | HS2N_MSG_QUORUM)) != 0;
  struct hs2ni_sim_node *n;
  struct hs2n_tag tag = {0};
  int err;

  if (!sim->load_types || msg->len < HS2N_SIM_BODY_MIN || msg->from >= sim->n ||
      (msg->to >= sim->n && msg->to != HS2N_SIM_ALL)) {
    return HS2N_ERR_INVALID;
  }
  n = hs2ni_sim_at(sim, msg->from);
  if (n->node == NULL) {
    return HS2N_ERR_STATE;
  }
  if (msg->to != HS2N_SIM_ALL) {
    dst.kind = HS2N_DST_PEER;
    err = hs2n_sim_peer(sim, msg->from, msg->to, &dst.peer);
    if (err != HS2N_OK) {
      return err;
    }
  }
  err = send(n, msg, &dst, tagged ? &tag : NULL);
  if (err != HS2N_OK) {
    sim->stats.sends_refused++;
  } else if (out_tag != NULL && tagged) {
    *out_tag = tag;
  }
  hs2ni_node_settle(n);
  return err;
}

void hs2n_sim_set_verdict(struct hs2n_sim *sim, uint32_t node,
                          enum hs2n_verdict verdict) {
  for (uint32_t i = 0; i < sim->n; i++) {
    if (node == HS2N_SIM_ALL || node == i) {
      sim->nodes[i].verdict = verdict;
    }
  }
}

/* ---- sources
 * -----------------------------------------------------------------------------
 */

/* From and to of the next message; false: nobody sends this one. */
static bool choose(struct hs2ni_load *l, struct hs2n_sim_msg *msg) {
  const struct hs2n_sim *sim = l->sim;
  const uint32_t turn = l->turn++;

  *msg = l->load.msg;
  if (msg->from == HS2N_SIM_EACH) {
    msg->from = turn % sim->n;
  }
  if (msg->to == HS2N_SIM_EACH && sim->n > 1) {
    msg->to = (msg->from + 1 + turn / sim->n % (sim->n - 1)) % sim->n;
  }
  return msg->from < sim->n && msg->from != msg->to &&
         sim->nodes[msg->from].node != NULL &&
         sim->nodes[msg->from].paused_until == 0;
}

static void drop(struct hs2ni_load *l) {
  struct hs2ni_load **at = &l->sim->loads;

  while (*at != l) {
    at = &(*at)->next;
  }
  *at = l->next;
  hs2ni_sim_free(l->sim, l, sizeof(*l));
}

static void send_next(struct hs2n_sim *sim, void *arg) {
  struct hs2ni_load *l = arg;
  struct hs2n_sim_msg msg;

  if (l->over) {
    drop(l);
    return;
  }
  if (choose(l, &msg)) {
    if (l->load.len_max > msg.len) {
      msg.len += (uint32_t)hs2ni_chance_below(&sim->load_chance,
                                              l->load.len_max - msg.len + 1);
    }
    /* What is refused is counted; its turn is over. */
    (void)!hs2n_sim_send(sim, &msg, NULL);
  }
  (void)hs2ni_event_call(sim, sim->now + l->load.every, send_next, l);
}

int hs2n_sim_load_add(struct hs2n_sim *sim, const struct hs2n_sim_load *load) {
  struct hs2ni_load *l;

  if (load->every == 0 || !sim->load_types) {
    return HS2N_ERR_INVALID;
  }
  l = hs2ni_sim_alloc(sim, sizeof(*l));
  if (l == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  *l = (struct hs2ni_load){.sim = sim, .load = *load, .next = sim->loads};
  sim->loads = l;
  return hs2ni_event_call(sim, sim->now + load->every, send_next, l);
}

void hs2n_sim_load_end(struct hs2n_sim *sim) {
  for (struct hs2ni_load *l = sim->loads; l != NULL; l = l->next) {
    l->over = true;
  }
}

void hs2ni_load_fini(struct hs2n_sim *sim) {
  while (sim->loads != NULL) {
    struct hs2ni_load *next = sim->loads->next;

    hs2ni_sim_free(sim, sim->loads, sizeof(*sim->loads));
    sim->loads = next;
  }
}
