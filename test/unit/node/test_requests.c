/* Nodes that ask each other: a chain fetched from peers of which one lies. */
#include "base/rng.h"
#include "netsim.h"
#include "tap.h"

#include <string.h>

enum {
  NODES = 5,
  LIAR = 3,
  BLOCKS = 10000,
  WINDOW = 200,
  GET = 1,
  BLOCK = 2,
};

static const struct hs2n_type types[] = {
    {.id = GET,
     .lane = HS2N_LANE_SYNC,
     .size_max = 8,
     .role = HS2N_ROLE_REQUEST,
     .response = BLOCK},
    {.id = BLOCK,
     .lane = HS2N_LANE_SYNC,
     .size_max = 4096,
     .role = HS2N_ROLE_RESPONSE},
};

/* What the asker knows beforehand, as from certificates, and what it got. */
struct fetch {
  struct netsim *sim;
  uint64_t hashes[BLOCKS];
  bool have[BLOCKS];
  uint64_t tags[BLOCKS];
  size_t next, open, done, wrong;
  size_t from[NODES]; /* blocks accepted */
};

static uint64_t hash(struct hs2n_span bytes) {
  uint64_t h = 0xcbf29ce484222325u;

  for (size_t i = 0; i < bytes.len; i++) {
    h = (h ^ bytes.data[i]) * 0x100000001b3u;
  }
  return h;
}

static struct hs2n_buf *block(const struct hs2n_mem *mem, uint64_t height) {
  struct hs2ni_rng rng;
  struct hs2n_buf *buf = NULL;
  uint8_t *data;
  size_t len;

  hs2ni_rng_seed(&rng, height);
  len = 1 + (size_t)hs2ni_rng_below(&rng, height % 50 == 0 ? 4096 : 500);
  if (hs2n_buf_alloc(&buf, mem, len, &data) == HS2N_OK) {
    for (size_t i = 0; i < len; i++) {
      data[i] = (uint8_t)hs2ni_rng_next(&rng);
    }
  }
  return buf;
}

static enum hs2n_verdict serve(struct netsim_node *n, size_t from,
                               struct hs2n_req req,
                               const struct hs2n_msg *msg) {
  struct hs2n_buf *answer;
  uint64_t height;

  CHECK_EQ(from, 0);
  memcpy(&height, hs2n_buf_span(msg->body).data, sizeof(height));
  answer = block(&n->mem.mem, n->index == LIAR ? height + 1 : height);
  CHECK_EQ(hs2n_respond(n->node, req, 0, answer), HS2N_OK);
  hs2n_buf_unref(answer);
  return HS2N_ACCEPT;
}

static size_t height_of(const struct fetch *f, struct hs2n_tag tag) {
  for (size_t i = f->next; i-- > 0;) {
    if (f->tags[i] == tag.v) {
      return i;
    }
  }
  return BLOCKS;
}

static enum hs2n_verdict check(struct netsim_node *n, size_t from,
                               struct hs2n_tag tag, uint32_t status,
                               const struct hs2n_msg *msg) {
  struct fetch *f = n->test;
  const size_t height = height_of(f, tag);

  CHECK(height < BLOCKS && !f->have[height]);
  CHECK_EQ(status, 0);
  if (hash(hs2n_buf_span(msg->body)) != f->hashes[height]) {
    CHECK_EQ(from, LIAR);
    f->wrong++;
    return HS2N_REJECT;
  }
  f->have[height] = true;
  f->from[from]++;
  return HS2N_ACCEPT;
}

static void ask(struct fetch *f) {
  struct netsim_node *n = netsim_node(f->sim, 0);
  const struct hs2n_dst anyone = {.kind = HS2N_DST_EPOCH,
                                  .epoch = NETSIM_EPOCH};

  while (f->next < BLOCKS && f->open < WINDOW) {
    const uint64_t height = f->next;
    struct hs2n_msg msg = {.type = GET,
                           .deadline = netsim_now(f->sim) + HS2N_S(30)};
    struct hs2n_tag tag;
    int err;

    if (hs2n_buf_new(&msg.body, &n->mem.mem,
                     (struct hs2n_span){(const uint8_t *)&height, 8}) !=
        HS2N_OK) {
      return;
    }
    err = hs2n_request(n->node, &anyone, &msg, &tag);
    hs2n_buf_unref(msg.body);
    if (err != HS2N_OK) {
      CHECK_EQ(err, HS2N_ERR_FULL);
      return;
    }
    f->tags[f->next++] = tag.v;
    f->open++;
  }
}

static void on_done(struct netsim_node *n, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct fetch *f = n->test;
  const size_t height = height_of(f, tag);

  CHECK_EQ(done->outcome, HS2N_DONE_ACKED);
  CHECK(height < BLOCKS && f->have[height]);
  f->tags[height] = 0; /* it must not come again */
  f->open--;
  f->done++;
  ask(f);
}

static void start(struct fetch *f, uint64_t seed) {
  struct netsim_config c = netsim_config(NODES, seed);

  c.types = types;
  c.types_n = sizeof(types) / sizeof(types[0]);
  c.delay = HS2N_MS(10);
  c.loss_permille = 5;
  f->sim = netsim_new(&c);
  for (uint64_t i = 0; i < BLOCKS; i++) {
    struct hs2n_buf *b = block(hs2n_mem_libc(), i);

    f->hashes[i] = hash(hs2n_buf_span(b));
    hs2n_buf_unref(b);
  }
  netsim_start_all(f->sim);
  CHECK(netsim_until(f->sim, netsim_meshed, HS2N_S(10)));
  for (size_t i = 1; i < NODES; i++) {
    netsim_node(f->sim, i)->asked = serve;
  }
  netsim_node(f->sim, 0)->answered = check;
  netsim_node(f->sim, 0)->done = on_done;
  netsim_node(f->sim, 0)->test = f;
}

/* Asks on, and has what it queued sent. */
static void run(struct fetch *f, hs2n_time length) {
  const hs2n_time until = netsim_now(f->sim) + length;

  while (f->done < BLOCKS && netsim_now(f->sim) < until && tap_case_ok) {
    ask(f);
    netsim_flush(f->sim, 0);
    netsim_run(f->sim, HS2N_MS(1));
  }
}

/* covers: P01 */
static void ten_thousand_blocks_come_from_peers_of_which_one_lies(void) {
  struct fetch *f = calloc(1, sizeof(*f));
  struct hs2n_stats stats;
  hs2n_time begun;

  start(f, 1);
  begun = netsim_now(f->sim);
  run(f, HS2N_MS(100));
  netsim_cut_both(f->sim, 0, 1, true); /* one is gone for a while */
  run(f, HS2N_MS(200));
  netsim_cut_both(f->sim, 0, 1, false);
  netsim_kill(f->sim, 2); /* and another one restarts */
  CHECK_EQ(netsim_start(f->sim, 2), HS2N_OK);
  CHECK_EQ(netsim_members(f->sim, 2), HS2N_OK);
  CHECK(f->done < BLOCKS / 2);
  run(f, HS2N_S(60));
  CHECK_EQ(f->done, BLOCKS);
  CHECK_EQ(f->open, 0);
  for (size_t i = 0; i < BLOCKS; i++) {
    CHECK(f->have[i]);
  }
  CHECK(f->wrong > 0);           /* the liar was asked, */
  CHECK(f->wrong < BLOCKS / 20); /* but soon after the others */
  CHECK(f->from[1] > BLOCKS / 20);
  CHECK(f->from[2] > BLOCKS / 20);
  CHECK(f->from[4] > BLOCKS / 20);
  stats = netsim_stats(f->sim, 0);
  CHECK_EQ(stats.requests, BLOCKS);
  printf("# %" PRIu64
         " ms: blocks from %zu %zu %zu, refused %zu, asked %" PRIu64
         ", late %" PRIu64 "\n",
         (netsim_now(f->sim) - begun) / HS2N_MS(1), f->from[1], f->from[2],
         f->from[4], f->wrong, stats.requests_asked, stats.requests_late);
  netsim_free(f->sim);
  free(f);
}

int main(void) {
  RUN_OVER(ten_thousand_blocks_come_from_peers_of_which_one_lies);
  return tap_done();
}
