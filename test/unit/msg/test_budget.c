/* What the hot path costs, and what a channel can cost at most. */
#include "world.h"

static struct hs2ni_target target_of(struct world *w, uint32_t from,
                                     uint32_t to) {
  return (struct hs2ni_target){
      .chan = w->places[from].ends[to].chan, .peer = {to}, .weight = 1};
}

static int broadcast(struct world *w, struct hs2n_buf *body, uint8_t lane,
                     struct hs2n_tag *out_tag) {
  struct hs2ni_target targets[WORLD_PLACES_MAX];
  const struct hs2n_msg msg = {
      .type = lane, .flags = out_tag != NULL ? HS2N_MSG_ACK : 0, .body = body};
  size_t n = 0;

  for (uint32_t to = 1; to < w->n; to++) {
    targets[n++] = target_of(w, 0, to);
  }
  return hs2ni_msgs_send(w->places[0].msgs, targets, n, &msg, out_tag);
}

static void join_all(struct world *w) {
  for (uint32_t a = 0; a < w->n; a++) {
    for (uint32_t b = a + 1; b < w->n; b++) {
      world_join(w, a, b);
    }
  }
}

static uint64_t requests(const struct world *w) {
  uint64_t sum = 0;

  for (uint32_t i = 0; i < w->n; i++) {
    sum += w->places[i].mem.requests;
  }
  return sum;
}

/* Everything but the application's own body comes from the pool. */
static void a_vote_allocates_nothing(void) {
  struct world w;
  struct hs2n_buf *body;
  uint64_t before = 0;

  world_init(&w, &(struct world_options){.places = 4,
                                         .net = {.seed = 1, .whole = true}});
  join_all(&w);
  body = world_body(&w, 0, 200, 1);
  for (int i = 0; i < 200; i++) {
    struct hs2n_tag tag;

    if (i == 100) {
      before = requests(&w);
    }
    CHECK_EQ(broadcast(&w, body, HS2N_LANE_VOTE, &tag), HS2N_OK);
    CHECK_EQ(world_run(&w, 1), 1);
  }
  CHECK_EQ(requests(&w), before);
  CHECK_EQ(w.places[0].env.stats.completions, 200);
  hs2n_buf_unref(body);
  world_fini(&w);
}

/* memlink reads what it delivers from where the sender's layer says that it
 * is, and compares it when it is acked: there is no other copy. */
struct watch {
  struct hs2n_span body;
  uint64_t in_place, elsewhere;
};

static void count_parts(struct watch *watch, const struct hs2ni_chunk *chunk) {
  for (size_t i = 0; i < chunk->parts_n; i++) {
    const struct hs2n_span part = chunk->parts[i];

    if (part.data >= watch->body.data &&
        part.data + part.len <= watch->body.data + watch->body.len) {
      watch->in_place += part.len;
    } else {
      watch->elsewhere += part.len;
    }
  }
}

/* covers: H32, H63 */
static void a_broadcast_makes_no_copy(void) {
  static const size_t lens[] = {1000, 1u << 20};

  for (size_t l = 0; l < 2; l++) {
    struct world w;
    struct hs2n_buf *body;
    struct watch watch = {0};
    int64_t before;

    world_init(&w, &(struct world_options){.places = 4,
                                           .net = {.seed = 1, .whole = true}});
    join_all(&w);
    body = world_body(&w, 0, lens[l], 9);
    watch.body = hs2n_buf_span(body);
    before = w.places[0].mem.live_bytes;
    CHECK_EQ(broadcast(&w, body, HS2N_LANE_PROPOSAL, NULL), HS2N_OK);
    for (uint32_t to = 1; to < 4; to++) {
      struct hs2ni_chan *chan = w.places[0].ends[to].chan;
      struct hs2ni_chunk chunk;

      while (hs2ni_chan_next(chan, &chunk)) {
        size_t len = 0;

        count_parts(&watch, &chunk);
        for (size_t i = 0; i < chunk.parts_n; i++) {
          len += chunk.parts[i].len;
        }
        hs2ni_chan_sent(chan, chunk.stream, len, chunk.fin);
      }
    }
    /* What is offered to three links is the one body itself, and what the
     * layer needed beside it does not grow with it. */
    CHECK_EQ(watch.in_place, 3 * lens[l]);
    CHECK(watch.elsewhere < 3 * 100);
    CHECK(w.places[0].mem.live_bytes - before < 4096);
    hs2n_buf_unref(body);
    for (uint32_t to = 1; to < 4; to++) {
      world_cut(&w, 0, to);
    }
    world_settle(&w);
    world_fini(&w);
  }
}

/* Consecutive small messages of a lane share a chunk. */
static void votes_of_one_turn_share_a_chunk(void) {
  struct world w;
  struct hs2ni_chunk chunk;

  world_init(&w, &(struct world_options){.net = {.seed = 1}});
  world_join(&w, 0, 1);
  for (int i = 0; i < 7; i++) {
    CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_VOTE, 100, 1, NULL), HS2N_OK);
  }
  CHECK(hs2ni_chan_next(w.places[0].ends[1].chan, &chunk));
  CHECK_EQ(chunk.parts_n, 15); /* the stream's head, then two each */
  CHECK_EQ(world_run(&w, 1), 7);
  world_fini(&w);
}

enum { HELD_MAX = 1000 };

/* The application takes what is there and lets go of nothing. */
static size_t take_and_hold(struct world *w, struct hs2n_buf **held, size_t n) {
  struct hs2ni_event event;

  while (hs2ni_msgs_next(w->places[1].msgs, &event) && n < HELD_MAX) {
    if (event.kind == HS2NI_EVENT_MESSAGE) {
      held[n++] = hs2n_buf_ref(event.msg.body);
      CHECK_EQ(hs2ni_msgs_verdict(w->places[1].msgs, w->places[1].ends[0].chan,
                                  event.id, HS2N_ACCEPT),
               HS2N_OK);
    }
  }
  return n;
}

static size_t hoard(struct world *w, struct hs2n_buf **held, size_t n) {
  bool acted = true;

  while (acted) {
    acted = world_step(w);
    n = take_and_hold(w, held, n);
    while (world_send(w, 0, 1, HS2N_LANE_SYNC, 30000, 1, NULL) == HS2N_OK) {
      acted = true;
    }
  }
  return n;
}

static struct hs2n_limits small_limits(void) {
  struct hs2n_limits limits;

  hs2n_limits_default(&limits);
  limits.peers_max = 1;
  limits.tags_max = 16;
  limits.rx_window_bytes = limits.rx_stream_window_bytes = 131072;
  limits.rx_held_bytes = 262144;
  limits.tx_queue_bytes_max = 1u << 20;
  return limits;
}

/* Each connection begins with a whole window. */
static void connections_do_not_add_up_to_more_than_is_held_of_one(void) {
  const struct hs2n_limits limits = small_limits();
  struct world w;
  struct hs2n_buf **held = calloc(HELD_MAX, sizeof(struct hs2n_buf *));
  struct hs2ni_chan_stats stats;
  size_t n;

  world_init(&w,
             &(struct world_options){.net = {.seed = 6}, .limits = &limits});
  world_join(&w, 0, 1);
  n = hoard(&w, held, 0);
  for (int i = 0; i < 10; i++) {
    world_cut(&w, 0, 1);
    world_settle(&w);
    world_join(&w, 0, 1);
    n = hoard(&w, held, n);
  }
  hs2ni_chan_stats(w.places[1].ends[0].chan, &stats);
  CHECK(stats.rx_held_bytes > limits.rx_held_bytes);
  CHECK(stats.rx_held_bytes <=
        limits.rx_held_bytes + limits.rx_window_bytes + 30000);
  while (n > 0) {
    hs2n_buf_unref(held[--n]);
  }
  world_sleep(&w, HS2N_S(2)); /* what was BUSY comes again */
  CHECK(world_run(&w, 1) > 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
  free(held);
}

/* covers: H11 */
static void a_reader_that_holds_all_stops_its_peer(void) {
  const struct hs2n_limits limits = small_limits();
  struct world w;
  struct hs2n_buf **held = calloc(HELD_MAX, sizeof(struct hs2n_buf *));
  struct hs2ni_chan_stats stats;
  size_t n;

  world_init(&w,
             &(struct world_options){.net = {.seed = 5}, .limits = &limits});
  world_join(&w, 0, 1);
  n = hoard(&w, held, 0);
  CHECK(n < HELD_MAX);
  hs2ni_chan_stats(w.places[1].ends[0].chan, &stats);
  CHECK(stats.rx_held_bytes > limits.rx_held_bytes);
  CHECK(stats.rx_held_bytes <=
        limits.rx_held_bytes + limits.rx_window_bytes + 30000);
  hs2ni_chan_stats(w.places[0].ends[1].chan, &stats);
  CHECK(stats.queued_bytes <= limits.tx_queue_bytes_max);
  CHECK_EQ(w.places[1].env.stats.rx_withheld, 1);
  while (n > 0) {
    hs2n_buf_unref(held[--n]);
  }
  CHECK(world_run(&w, 1) > 0);
  CHECK(hs2ni_chan_idle(w.places[0].ends[1].chan));
  CHECK_EQ(w.breaches, 0);
  world_fini(&w);
  free(held);
}

/* Bodies that are held stay valid when channel and layer go. */
static void a_held_body_outlives_its_channel(void) {
  struct world w;
  struct hs2ni_event event;
  struct hs2n_buf *held;

  world_init(&w, &(struct world_options){.net = {.seed = 5}});
  world_join(&w, 0, 1);
  CHECK_EQ(world_send(&w, 0, 1, HS2N_LANE_SYNC, 30000, 5, NULL), HS2N_OK);
  world_settle(&w);
  CHECK(hs2ni_msgs_next(w.places[1].msgs, &event));
  held = hs2n_buf_ref(event.msg.body);
  CHECK_EQ(hs2ni_msgs_verdict(w.places[1].msgs, w.places[1].ends[0].chan,
                              event.id, HS2N_ACCEPT),
           HS2N_OK);
  world_restart(&w, 1);
  CHECK_EQ(hs2n_buf_span(held).data[29999], 5);
  hs2n_buf_unref(held);
  world_settle(&w);
  world_fini(&w); /* finds all memory returned */
}

int main(void) {
  RUN(a_vote_allocates_nothing);
  RUN(a_broadcast_makes_no_copy);
  RUN(votes_of_one_turn_share_a_chunk);
  RUN(a_reader_that_holds_all_stops_its_peer);
  RUN(connections_do_not_add_up_to_more_than_is_held_of_one);
  RUN(a_held_body_outlives_its_channel);
  return tap_done();
}
