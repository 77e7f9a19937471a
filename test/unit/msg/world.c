#include "world.h"

#include <assert.h>

const struct hs2n_type world_types[WORLD_TYPES] = {
    {.id = 0, .lane = HS2N_LANE_CONTROL, .size_max = 1024, .name = "control"},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 1024, .name = "vote"},
    {.id = 2, .lane = HS2N_LANE_CERT, .size_max = 65536, .name = "cert"},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 1u << 20,
     .name = "proposal"},
    {.id = 4, .lane = HS2N_LANE_SYNC, .size_max = 1u << 20, .name = "sync"},
    {.id = 5, .lane = HS2N_LANE_BULK, .size_max = 4u << 20, .name = "bulk"},
    {.id = WORLD_ASK,
     .lane = HS2N_LANE_SYNC,
     .size_max = 100000,
     .name = "ask",
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_ANSWER},
    {.id = WORLD_ANSWER,
     .lane = HS2N_LANE_SYNC,
     .size_max = 200000,
     .name = "answer",
     .role = HS2N_ROLE_RESPONSE},
    {.id = WORLD_FIND,
     .lane = HS2N_LANE_CONTROL,
     .size_max = 1024,
     .name = "find",
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_FOUND},
    {.id = WORLD_FOUND,
     .lane = HS2N_LANE_BULK,
     .size_max = 65536,
     .name = "found",
     .role = HS2N_ROLE_RESPONSE},
};

#ifdef TEST_ZSTD
#define WORLD_STRONG HS2N_COMPRESSION_ZSTD
#else
#define WORLD_STRONG HS2N_COMPRESSION_LZ4
#endif

const struct hs2n_type world_packed_types[WORLD_TYPES] = {
    {.id = 0,
     .lane = HS2N_LANE_CONTROL,
     .size_max = 1024,
     .flags = HS2N_TYPE_SECRET},
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 1024},
    {.id = 2,
     .lane = HS2N_LANE_CERT,
     .size_max = 65536,
     .compression = HS2N_COMPRESSION_LZ4,
     .flags = HS2N_TYPE_SIGNED},
    {.id = 3,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 4,
     .lane = HS2N_LANE_SYNC,
     .size_max = 1u << 20,
     .compression = HS2N_COMPRESSION_LZ4},
    {.id = 5,
     .lane = HS2N_LANE_BULK,
     .size_max = 4u << 20,
     .compression = WORLD_STRONG},
    {.id = WORLD_ASK,
     .lane = HS2N_LANE_SYNC,
     .size_max = 100000,
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_ANSWER},
    {.id = WORLD_ANSWER,
     .lane = HS2N_LANE_SYNC,
     .size_max = 200000,
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_RESPONSE},
    {.id = WORLD_FIND,
     .lane = HS2N_LANE_CONTROL,
     .size_max = 1024,
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_REQUEST,
     .response = WORLD_FOUND},
    {.id = WORLD_FOUND,
     .lane = HS2N_LANE_BULK,
     .size_max = 65536,
     .compression = HS2N_COMPRESSION_LZ4,
     .role = HS2N_ROLE_RESPONSE},
};

static void note_peak(struct world *w) {
  for (uint32_t i = 0; i < w->n; i++) {
    struct world_place *p = &w->places[i];

    if (p->mem.live_bytes > p->peak_bytes) {
      p->peak_bytes = p->mem.live_bytes;
    }
  }
}

/* ---- link upcalls -----------------------------------------------------------
 */

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct world_end *e = user;

  e->world->closed_reason = why->reason;
  hs2ni_chan_detach(e->chan);
  e->conn = NULL;
}

static void object(struct world_end *e, enum hs2n_reason reason) {
  if (reason != HS2N_REASON_NONE) {
    struct hs2ni_conn *conn = e->conn;

    e->world->breaches++;
    e->world->last_reason = reason;
    hs2ni_chan_detach(e->chan);
    e->conn = NULL;
    conn->ops->conn_close(conn, reason);
  }
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct world_end *e = user;

  object(e, hs2ni_chan_data(e->chan, stream, bytes, fin));
}

static void on_datagram(void *user, struct hs2n_span bytes) {
  struct world_end *e = user;

  object(e, hs2ni_chan_datagram(e->chan, bytes));
}

static void on_reset(void *user, uint64_t stream, uint64_t code) {
  struct world_end *e = user;

  object(e, hs2ni_chan_reset(e->chan, stream, code));
}

static void on_stopped(void *user, uint64_t stream, uint64_t code) {
  struct world_end *e = user;

  object(e, hs2ni_chan_stopped(e->chan, stream, code));
}

static void on_acked(void *user, uint64_t stream, uint64_t offset) {
  hs2ni_chan_acked(((struct world_end *)user)->chan, stream, offset);
}

static void on_done(void *user, uint64_t stream) {
  hs2ni_chan_done(((struct world_end *)user)->chan, stream);
}

static void on_credit(void *user) {
  hs2ni_chan_credit(((struct world_end *)user)->chan);
}

static bool next(void *user, struct hs2ni_chunk *out) {
  return hs2ni_chan_next(((struct world_end *)user)->chan, out);
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  hs2ni_chan_sent(((struct world_end *)user)->chan, stream, len, fin);
}

static void blocked(void *user, uint64_t stream) {
  hs2ni_chan_blocked(((struct world_end *)user)->chan, stream);
}

static const struct hs2ni_link_user user_ops = {
    .on_closed = on_closed,
    .on_data = on_data,
    .on_datagram = on_datagram,
    .on_reset = on_reset,
    .on_stopped = on_stopped,
    .on_acked = on_acked,
    .on_done = on_done,
    .on_credit = on_credit,
    .next = next,
    .sent = sent,
    .blocked = blocked,
};

/* ---- places
 * ------------------------------------------------------------------ */

static void must(int err) {
  if (err != HS2N_OK) {
    abort();
  }
}

static int rand_of_place(void *user_data, uint8_t *out, size_t len) {
  memset(out, 1 + (int)*(const uint32_t *)user_data, len);
  return 0;
}

struct hs2n_identity *world_identity(uint32_t place) {
  struct hs2n_identity *identity;

  must(hs2n_identity_generate(&identity, hs2n_mem_libc(), rand_of_place,
                              &place));
  return identity;
}

static void place_start(struct world *w, uint32_t i) {
  struct world_place *p = &w->places[i];

  must(hs2ni_msgs_new(&p->msgs, &p->env, w->types, WORLD_TYPES));
  hs2ni_msgs_sign(p->msgs, p->identity, WORLD_CHAIN);
  for (uint32_t j = 0; j < w->n; j++) {
    if (j != i) {
      p->ends[j] = (struct world_end){.world = w, .place = i, .other = j};
      must(hs2ni_chan_new(&p->ends[j].chan, p->msgs, (struct hs2n_peer){j}));
      hs2ni_chan_key(p->ends[j].chan, &w->places[j].key);
    }
  }
}

static void place_stop(struct world *w, uint32_t i) {
  struct world_place *p = &w->places[i];

  for (uint32_t j = 0; j < w->n; j++) {
    struct world_end *e = &p->ends[j];

    if (j != i) {
      if (e->conn != NULL) {
        hs2ni_chan_detach(e->chan);
        e->conn->ops->conn_close(e->conn, HS2N_REASON_SHUTDOWN);
        e->conn = NULL;
      }
      hs2ni_chan_free(e->chan, HS2N_DONE_CANCELLED);
    }
  }
  hs2ni_msgs_free(p->msgs);
}

void world_init(struct world *w, const struct world_options *options) {
  *w = (struct world){.net = memnet_new(&options->net),
                      .n = options->places == 0 ? 2 : options->places,
                      .types = options->types == NULL ? world_types
                                                      : options->types};
  assert(w->n <= WORLD_PLACES_MAX);
  for (uint32_t i = 0; i < w->n; i++) {
    w->places[i].identity = world_identity(i);
    w->places[i].key = hs2n_identity_key(w->places[i].identity);
  }
  for (uint32_t i = 0; i < w->n; i++) {
    struct world_place *p = &w->places[i];
    const struct hs2n_addr addr = {.family = HS2N_FAMILY_IPV4,
                                   .port = (uint16_t)(i + 1)};

    test_mem_init(&p->mem, 0);
    p->number = i;
    p->env = (struct hs2ni_env){.mem = &p->mem.mem,
                                .now = HS2N_S(1),
                                .rand = rand_of_place,
                                .rand_data = &p->number};
    hs2ni_rng_seed(&p->env.rng, i);
    hs2n_limits_default(&p->env.limits);
    if (options->limits != NULL) {
      p->env.limits = options->limits[options->limits_differ ? i : 0];
    }
    p->incarnation = 1000 + i;
    p->link = memlink_new(w->net, &p->env, &addr, &p->key, &user_ops, p);
    place_start(w, i);
  }
}

void world_fini(struct world *w) {
  for (uint32_t i = 0; i < w->n; i++) {
    place_stop(w, i);
    w->places[i].link->ops->free(w->places[i].link);
    hs2n_identity_free(w->places[i].identity);
    CHECK_EQ(w->places[i].mem.live_bytes, 0);
  }
  CHECK_EQ(memnet_corruptions(w->net), 0);
  memnet_free(w->net);
}

static void attach(struct world *w, struct world_end *e) {
  struct hs2ni_hello hello = {
      .incarnation = w->places[e->other].incarnation,
      .capabilities = hs2ni_msgs_capabilities(w->places[e->other].msgs) &
                      ~w->places[e->other].caps_off,
      .types_n = WORLD_TYPES};

  for (size_t i = 0; i < WORLD_TYPES; i++) {
    hello.types[i] =
        (struct hs2ni_hello_type){.id = w->types[i].id,
                                  .lane = (uint8_t)w->types[i].lane,
                                  .size_max = w->types[i].size_max};
  }
  hs2ni_chan_attach(e->chan, e->conn, &hello);
}

void world_join(struct world *w, uint32_t a, uint32_t b) {
  struct world_end *ea = &w->places[a].ends[b], *eb = &w->places[b].ends[a];

  assert(ea->conn == NULL && eb->conn == NULL);
  memlink_join(w->places[a].link, ea, &ea->conn, w->places[b].link, eb,
               &eb->conn);
  attach(w, ea);
  attach(w, eb);
}

void world_cut(struct world *w, uint32_t a, uint32_t b) {
  if (w->places[a].ends[b].conn != NULL) {
    memlink_cut(w->places[a].ends[b].conn, HS2N_REASON_IDLE_TIMEOUT);
  }
}

void world_restart(struct world *w, uint32_t place) {
  place_stop(w, place);
  w->places[place].incarnation += 1000;
  place_start(w, place);
}

void world_part(struct world *w, uint32_t a, uint32_t b) {
  struct world_place *p = &w->places[a];
  struct world_end *e = &p->ends[b];

  if (e->conn != NULL) {
    struct hs2ni_conn *conn = e->conn;

    hs2ni_chan_detach(e->chan);
    e->conn = NULL;
    conn->ops->conn_close(conn, HS2N_REASON_NOT_MEMBER);
  }
  hs2ni_chan_free(e->chan, HS2N_DONE_PEER_GONE);
  must(hs2ni_chan_new(&e->chan, p->msgs, (struct hs2n_peer){b}));
  hs2ni_chan_key(e->chan, &w->places[b].key);
}

bool world_step(struct world *w) {
  const bool acted = memnet_step(w->net);

  note_peak(w);
  return acted;
}

void world_settle(struct world *w) {
  while (world_step(w)) {
  }
}

void world_sleep(struct world *w, hs2n_time ns) {
  for (uint32_t i = 0; i < w->n; i++) {
    w->places[i].env.now += ns;
    hs2ni_msgs_tick(w->places[i].msgs);
  }
}

/* ---- use --------------------------------------------------------------------
 */

struct hs2n_buf *world_body(struct world *w, uint32_t place, size_t len,
                            uint8_t fill) {
  struct hs2n_buf *buf;
  uint8_t *data;

  must(hs2n_buf_alloc(&buf, &w->places[place].mem.mem, len, &data));
  memset(data, fill, len);
  return buf;
}

int world_send(struct world *w, uint32_t from, uint32_t to, uint8_t lane,
               size_t len, uint8_t fill, struct hs2n_tag *out_tag) {
  const struct hs2ni_target target = {
      .chan = w->places[from].ends[to].chan, .peer = {to}, .weight = 1};
  struct hs2n_msg msg = {.type = lane,
                         .flags = out_tag != NULL ? HS2N_MSG_ACK : 0};
  int err;

  msg.body = world_body(w, from, len, fill);
  err = hs2ni_msgs_send(w->places[from].msgs, &target, 1, &msg, out_tag);
  hs2n_buf_unref(msg.body);
  return err;
}

void world_give_up(struct world *w, uint32_t place,
                   const struct hs2ni_event *event) {
  object(&w->places[place].ends[event->peer.v], event->reason);
}

int world_request(struct world *w, uint32_t from, const uint32_t *others,
                  size_t n, struct hs2n_msg *msg, size_t len, uint8_t fill,
                  struct hs2n_tag *out_tag) {
  struct hs2ni_target targets[WORLD_PLACES_MAX];
  int err;

  for (size_t i = 0; i < n; i++) {
    targets[i] =
        (struct hs2ni_target){.chan = w->places[from].ends[others[i]].chan,
                              .peer = {others[i]},
                              .weight = 1};
  }
  msg->body = world_body(w, from, len, fill);
  err = hs2ni_msgs_request(w->places[from].msgs, targets, n, msg, out_tag);
  hs2n_buf_unref(msg->body);
  msg->body = NULL;
  return err;
}

int world_respond(struct world *w, uint32_t place, const struct hs2ni_event *e,
                  uint32_t status, size_t len, uint8_t fill) {
  struct hs2n_buf *body = world_body(w, place, len, fill);
  const int err = hs2ni_msgs_respond(w->places[place].ends[e->peer.v].chan,
                                     e->id, status, body);

  hs2n_buf_unref(body);
  return err;
}

int world_judge(struct world *w, uint32_t place, const struct hs2ni_event *e,
                enum hs2n_verdict verdict) {
  return hs2ni_msgs_verdict(w->places[place].msgs,
                            w->places[place].ends[e->peer.v].chan, e->id,
                            verdict);
}

bool world_next(struct world *w, uint32_t place, enum hs2n_verdict verdict,
                struct hs2ni_event *out) {
  struct world_place *p = &w->places[place];

  if (!hs2ni_msgs_next(p->msgs, out)) {
    return false;
  }
  if (out->kind == HS2NI_EVENT_MESSAGE || out->kind == HS2NI_EVENT_REQUEST ||
      out->kind == HS2NI_EVENT_RESPONSE) {
    CHECK_EQ(world_judge(w, place, out, verdict), HS2N_OK);
  }
  if (out->kind == HS2NI_EVENT_BREACH) {
    world_give_up(w, place, out);
  }
  return true;
}

size_t world_run(struct world *w, uint32_t place) {
  size_t got = 0;
  bool acted = true;

  while (acted) {
    acted = world_step(w);
    for (uint32_t i = 0; i < w->n; i++) {
      struct hs2ni_event event;

      while (world_next(w, i, HS2N_ACCEPT, &event)) {
        acted = true;
        got += i == place && event.kind == HS2NI_EVENT_MESSAGE;
      }
    }
    /* A fetch that finds nothing may still have made an ack due. */
    acted = acted || world_step(w);
  }
  return got;
}
