/* world_net: time and the network of a world, and the replica that lies. */
#include "fake_crypto.h"
#include "world_int.h"

#include <stdlib.h>

void *world_grow(void *old, size_t *capacity, size_t count, size_t size) {
  void *grown = old;

  if (count == *capacity) {
    *capacity = *capacity == 0 ? 64 : 2 * *capacity;
    grown = realloc(old, *capacity * size);
    if (grown == NULL) {
      abort();
    }
  }
  return grown;
}

uint64_t world_random(struct world *w, uint64_t bound) {
  /* splitmix64 */
  uint64_t z = w->random += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (z ^ z >> 31) % bound;
}

/* ---- events ------------------------------------------------------------- */

static bool earlier(const struct world_event *a, const struct world_event *b) {
  return a->when != b->when ? a->when < b->when : a->order < b->order;
}

void world_push(struct world *w, struct world_event event) {
  size_t i = w->events_count;

  event.order = w->order++;
  w->events = world_grow(w->events, &w->events_capacity, w->events_count,
                         sizeof(*w->events));
  w->events_count++;
  while (i > 0 && earlier(&event, &w->events[(i - 1) / 2])) {
    w->events[i] = w->events[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  w->events[i] = event;
}

struct world_event world_pop(struct world *w) {
  const struct world_event top = w->events[0];
  const struct world_event last = w->events[w->events_count - 1];
  size_t i = 0;

  w->events_count--;
  for (;;) {
    size_t child = 2 * i + 1;

    if (child + 1 < w->events_count &&
        earlier(&w->events[child + 1], &w->events[child])) {
      child++;
    }
    if (child >= w->events_count || !earlier(&w->events[child], &last)) {
      break;
    }
    w->events[i] = w->events[child];
    i = child;
  }
  w->events[i] = last;
  return top;
}

/* ---- the network -------------------------------------------------------- */

void world_put(struct world *w, const struct world_event *message) {
  uint32_t copies = 1;

  w->messages++;
  if (w->group[message->from] != w->group[message->to] ||
      world_random(w, 100) < w->net.loss_percent) {
    return;
  }
  copies += world_random(w, 100) < w->net.repeat_percent ? 1 : 0;
  for (uint32_t i = 0; i < copies; i++) {
    const hs2n_time spread = w->net.delay_max - w->net.delay_min + 1;
    struct world_event event = *message;

    event.when = w->now + w->net.delay_min + world_random(w, spread);
    (void)rep_bytes_ref(event.body);
    world_push(w, event);
  }
}

void world_transmit(struct world *w, uint32_t from, uint32_t to,
                    enum rep_kind kind, uint64_t view, struct rep_bytes *body) {
  world_put(
      w, &(struct world_event){
             .to = to, .from = from, .kind = kind, .view = view, .body = body});
}

/* Remembers certificates, to have old ones at hand. */
static void remember(struct world *w, const struct rep_block *block) {
  const uint64_t slot = block->height % WORLD_OLD_CERTS;

  rep_cert_unref(w->old_certs[slot]);
  w->old_certs[slot] = rep_cert_ref(block->justify);
  w->old_heights[slot] = block->height - 1;
}

/* Extends an old certificate instead, which only a TC allows. */
static void go_back(struct world *w, struct rep_block_head *head) {
  const uint64_t slot = world_random(w, WORLD_OLD_CERTS);

  if (w->old_certs[slot] != NULL) {
    head->justify = w->old_certs[slot];
    head->height = w->old_heights[slot] + 1;
  }
}

/* Another block of the same view, signed like the first. */
static struct rep_bytes *twin_of(struct world *w, struct rep_bytes *body,
                                 uint32_t liar, struct rep_hash *out_hash) {
  struct rep_crypto crypto = fake_crypto(&liar);
  struct rep_proposal p;
  struct rep_bytes *twin;
  struct rep_block_head head;
  struct rep_signed text;
  struct rep_writer writer;
  size_t len;
  uint8_t tx[12];

  if (!rep_proposal_decode(body, &crypto, &p)) {
    abort();
  }
  head = (struct rep_block_head){.view = p.block->view,
                                 .height = p.block->height,
                                 .proposer = liar,
                                 .justify = p.block->justify,
                                 .txs_count = 1,
                                 .txs_len = rep_tx_room(sizeof(tx))};
  remember(w, p.block);
  if (p.tc != NULL && world_random(w, 2) == 0) {
    go_back(w, &head);
  }
  len = rep_block_overhead(head.justify) + head.txs_len;
  twin = rep_bytes_new(REP_PROPOSAL_HEAD + len +
                       (p.tc != NULL ? rep_tc_len(p.tc) : 0));
  writer = rep_writer_of(twin->data, twin->len);
  (void)rep_write_room(&writer, HS2N_SIGNATURE_LEN);
  rep_write_be(&writer, len, 4);
  rep_block_write_head(&writer, &head);
  rep_put_be(tx, UINT64_MAX - w->equivocations, 8);
  memset(tx + 8, 0xee, 4);
  rep_write_be(&writer, sizeof(tx), 4);
  rep_write_copy(&writer, tx, sizeof(tx));
  if (p.tc != NULL) {
    rep_tc_write(&writer, p.tc);
  }
  fake_hash(NULL, (struct hs2n_span){twin->data + REP_PROPOSAL_HEAD, len},
            out_hash);
  rep_proposal_text(&w->config.committee, head.view, out_hash, &text);
  fake_sign_as(liar, rep_signed_span(&text), twin->data);
  rep_proposal_fini(&p);
  w->equivocations++;
  return twin;
}

/* One block to some, another to the others, and a vote for each. */
void world_lie(struct world *w, uint32_t liar, struct rep_bytes *body) {
  struct rep_vote vote = {.voter = liar};
  struct rep_bytes *const vote_body = rep_bytes_new(REP_VOTE_LEN);
  struct rep_bytes *const twin = twin_of(w, body, liar, &vote.block);
  struct rep_proposal p;
  struct rep_crypto crypto = fake_crypto(&liar);
  struct rep_signed text;
  struct rep_writer writer;

  for (uint32_t to = 0; to < w->n; to++) {
    if (to != liar) {
      world_transmit(w, liar, to, REP_PROPOSAL, UINT64_MAX,
                     world_random(w, 3) == 0 ? body : twin);
    }
  }
  if (!rep_proposal_decode(twin, &crypto, &p)) {
    abort();
  }
  vote.view = p.block->view;
  rep_vote_text(&w->config.committee, vote.view, &vote.block, &text);
  fake_sign_as(liar, rep_signed_span(&text), vote.signature);
  writer = rep_writer_of(vote_body->data, vote_body->len);
  rep_vote_write(&writer, &vote);
  for (uint32_t to = 0; to < w->n; to++) {
    if (to != liar) { /* one of them leads the next view */
      world_transmit(w, liar, to, REP_VOTE, UINT64_MAX, vote_body);
    }
  }
  rep_proposal_fini(&p);
  rep_bytes_unref(vote_body);
  rep_bytes_unref(twin);
}
