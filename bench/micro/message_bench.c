/* message_bench: what a message costs before it meets QUIC, in ns: its record
 * made and read, its number looked up, its place in a lane.
 *
 *   message_bench [SECONDS]
 *
 * One number each, the best of five turns of SECONDS (default 0.2) because
 * other programs can only make a turn slower; on one core, in memory.  The
 * message is a vote of 150 bytes.  Its body is copied nowhere here: a record
 * is what stands before it, and a lane holds a reference. */
#include "msg/dedup.h"
#include "msg/loose_window.h"
#include "wire/record.h"

#include <hs2net/hs2net.h>
#include <stdio.h>
#include <stdlib.h>

#define TURNS 5
#define BATCH 1024u
#define VOTE_LEN 150u
#define PEERS 99u
#define BROADCASTS 16u /* in a batch: what a cache can hold */

static double turn_s = 0.2;

static void must(bool ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "message_bench: %s\n", what);
    exit(1);
  }
}

/* A batch of one kind of work.  Only `run` is measured; it returns how many
 * times it did the work. */
struct work {
  const char *name;
  uint64_t (*run)(void *arg);
  void (*reset)(void *arg); /* may be NULL */
  void *arg;
};

/* Nanoseconds of doing it once. */
static double measure(const struct work *w) {
  double best = 0;

  for (int i = 0; i < TURNS; i++) {
    const hs2n_time end = hs2n_io_now() + (hs2n_time)(turn_s * 1e9);
    hs2n_time spent = 0;
    uint64_t n = 0;

    do {
      const hs2n_time start = hs2n_io_now();

      n += w->run(w->arg);
      spent += hs2n_io_now() - start;
      if (w->reset != NULL) {
        w->reset(w->arg);
      }
    } while (hs2n_io_now() < end);
    if (i == 0 || (double)spent / (double)n < best) {
      best = (double)spent / (double)n;
    }
  }
  return best;
}

/* ---- records ------------------------------------------------------------ */

struct records {
  struct hs2ni_record vote;
  uint8_t bytes[HS2NI_RECORD_MAX + VOTE_LEN];
  size_t len;
};

static void records_init(struct records *r) {
  *r = (struct records){.vote = {.kind = HS2NI_RECORD_MSG,
                                 .seq = 1000000,
                                 .type = 1,
                                 .flags = HS2NI_FLAG_VIEW_BOUND,
                                 .view = 1000000,
                                 .body_len = VOTE_LEN}};
  r->len = hs2ni_record_encode(&r->vote, r->bytes) + VOTE_LEN;
}

static uint64_t encode(void *arg) {
  struct records *const r = arg;
  size_t len = 0;

  for (uint64_t i = 0; i < BATCH; i++) {
    r->vote.seq++;
    len += hs2ni_record_encode(&r->vote, r->bytes);
  }
  must(len == BATCH * (r->len - VOTE_LEN), "a record has another length");
  return BATCH;
}

static uint64_t decode(void *arg) {
  const struct records *const r = arg;
  const struct hs2n_span in = {r->bytes, r->len};
  uint64_t good = 0;

  for (uint64_t i = 0; i < BATCH; i++) {
    struct hs2ni_record out;

    good += hs2ni_record_decode(in, &out) == (int32_t)(r->len - VOTE_LEN) &&
            out.body_len == VOTE_LEN;
  }
  must(good == BATCH, "a record can't be read");
  return BATCH;
}

/* ---- numbers ------------------------------------------------------------ */

struct numbers {
  struct hs2ni_dedup dedup;
  struct hs2ni_loose_window window;
  uint64_t seq;
};

/* Half of the window is open, as with an application that is behind. */
static void numbers_init(struct numbers *n) {
  *n = (struct numbers){.seq = BATCH / 2};
  for (uint64_t seq = 1; seq <= n->seq; seq++) {
    hs2ni_dedup_take(&n->dedup, seq);
    hs2ni_loose_window_take(&n->window, seq);
  }
}

static uint64_t see_again(void *arg) {
  const struct numbers *const n = arg;
  uint64_t open = 0;

  for (uint64_t i = 0; i < BATCH; i++) {
    open += hs2ni_dedup_check(&n->dedup, 1 + i % n->seq) == HS2NI_DEDUP_OPEN;
  }
  must(open == BATCH, "a duplicate is none");
  return BATCH;
}

static uint64_t see_new(void *arg) {
  struct numbers *const n = arg;
  uint64_t fresh = 0;

  for (uint64_t i = 0; i < BATCH; i++) {
    n->seq++;
    fresh += hs2ni_dedup_check(&n->dedup, n->seq) == HS2NI_DEDUP_NEW &&
             hs2ni_dedup_room(&n->dedup, n->seq);
    hs2ni_dedup_take(&n->dedup, n->seq);
    hs2ni_dedup_judge(&n->dedup, n->seq - BATCH / 2);
  }
  must(fresh == BATCH, "a new number is none");
  return BATCH;
}

static uint64_t see_new_loose(void *arg) {
  struct numbers *const n = arg;
  uint64_t fresh = 0;

  for (uint64_t i = 0; i < BATCH; i++) {
    n->seq++;
    fresh += hs2ni_loose_window_check(&n->window, n->seq) == HS2NI_DEDUP_NEW;
    hs2ni_loose_window_take(&n->window, n->seq);
    hs2ni_loose_window_judge(&n->window, n->seq - BATCH / 2);
  }
  must(fresh == BATCH, "a new number is none");
  return BATCH;
}

/* ---- lanes -------------------------------------------------------------- */

/* A node whose members are never met: what is sent stays in its lanes. */
struct lanes {
  struct hs2n_node *node;
  struct hs2n_identity *identity;
  struct hs2n_member members[PEERS];
  struct hs2n_peer peers[PEERS];
  struct hs2n_msg msg;
};

static void add_members(struct lanes *l) {
  for (size_t i = 0; i < PEERS; i++) {
    struct hs2n_identity *id;

    must(hs2n_identity_generate(&id, hs2n_mem_libc(), hs2n_rand_system, NULL) ==
             HS2N_OK,
         "no identity");
    l->members[i].key = hs2n_identity_key(id);
    l->members[i].weight = 1;
    hs2n_identity_free(id);
  }
  must(hs2n_set_members(l->node, 1, l->members, PEERS, 0) == HS2N_OK,
       "no members");
  for (size_t i = 0; i < PEERS; i++) {
    const struct hs2n_peer_id id = hs2n_key_peer_id(&l->members[i].key);

    must(hs2n_peer_find(l->node, &id, &l->peers[i]) == HS2N_OK, "no peer");
  }
}

static void lanes_init(struct lanes *l) {
  static const struct hs2n_type vote = {
      .id = 1, .lane = HS2N_LANE_VOTE, .size_max = VOTE_LEN, .name = "vote"};
  static const uint8_t bytes[VOTE_LEN];
  struct hs2n_config config;
  struct hs2n_limits limits;

  *l = (struct lanes){.msg = {.type = 1, .flags = HS2N_MSG_VIEW_BOUND}};
  must(hs2n_identity_generate(&l->identity, hs2n_mem_libc(), hs2n_rand_system,
                              NULL) == HS2N_OK,
       "no identity");
  hs2n_limits_default(&limits);
  limits.tx_queue_msgs_max = BATCH;
  hs2n_config_default(&config);
  config.identity = l->identity;
  config.chain_id = "bench";
  config.incarnation = 1;
  config.types = &vote;
  config.types_n = 1;
  config.limits = &limits;
  config.rand = hs2n_rand_system;
  config.local = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4, .port = 1};
  must(hs2n_node_new(&l->node, &config, hs2n_io_now(), NULL) == HS2N_OK,
       "no node");
  add_members(l);
  must(hs2n_buf_new(&l->msg.body, hs2n_mem_libc(),
                    (struct hs2n_span){bytes, sizeof(bytes)}) == HS2N_OK,
       "no body");
}

static void lanes_fini(struct lanes *l) {
  hs2n_node_free(l->node);
  hs2n_buf_unref(l->msg.body);
  hs2n_identity_free(l->identity);
}

/* The next view ends all that is queued. */
static void next_view(void *arg) {
  struct lanes *const l = arg;

  l->msg.view++;
  must(hs2n_enter_view(l->node, l->msg.view, NULL, 0) == HS2N_OK, "no view");
  hs2n_node_tick(l->node, hs2n_io_now());
}

static uint64_t send_batch(struct lanes *l, const struct hs2n_dst *dst,
                           uint64_t n) {
  uint64_t queued = 0;

  for (uint64_t i = 0; i < n; i++) {
    queued += hs2n_send(l->node, dst, &l->msg, NULL) == HS2N_OK;
  }
  must(queued == n, "a lane is full");
  return queued;
}

static uint64_t send_to_one(void *arg) {
  struct lanes *const l = arg;
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = l->peers[0]};

  return send_batch(l, &dst, BATCH);
}

static uint64_t send_to_all(void *arg) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = 1};

  return PEERS * send_batch(arg, &dst, BROADCASTS);
}

/* What waits for a completion is counted as well. */
static uint64_t send_tagged(void *arg) {
  struct lanes *const l = arg;
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = l->peers[0]};
  struct hs2n_msg msg = l->msg;
  uint64_t queued = 0;

  msg.flags |= HS2N_MSG_ACK;
  for (uint64_t i = 0; i < BATCH; i++) {
    struct hs2n_tag tag;

    queued += hs2n_send(l->node, &dst, &msg, &tag) == HS2N_OK;
  }
  must(queued == BATCH, "a lane is full");
  return queued;
}

int main(int argc, char **argv) {
  static struct lanes l;
  struct records r;
  struct numbers again;
  struct numbers ordered;
  struct numbers loose;

  if (argc > 1) {
    turn_s = strtod(argv[1], NULL);
  }
  records_init(&r);
  numbers_init(&again);
  numbers_init(&ordered);
  numbers_init(&loose);
  lanes_init(&l);

  const struct work works[] = {
      {"encode: the record of a vote", encode, NULL, &r},
      {"decode: the same", decode, NULL, &r},
      {"dedup: look up a duplicate", see_again, NULL, &again},
      {"dedup: look up, take and judge a new one", see_new, NULL, &ordered},
      {"dedup: the same of an unordered one", see_new_loose, NULL, &loose},
      {"queue: hs2n_send to one", send_to_one, next_view, &l},
      {"queue: hs2n_send to one, with a tag", send_tagged, next_view, &l},
      {"queue: hs2n_send to 99, each", send_to_all, next_view, &l},
  };

  for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
    printf("%-44s %10.2f ns\n", works[i].name, measure(&works[i]));
    fflush(stdout);
  }
  lanes_fini(&l);
  return 0;
}
