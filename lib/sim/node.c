/* A node's process: start and end, its driving, its upcalls. */
#include "sim/inside.h"

#include <stdio.h>
#include <string.h>

#define SPINS_MAX 100000
#define UNIX_TIME_S 1700000000

/* ---- upcalls
 * ------------------------------------------------------------------------ */

static enum hs2n_verdict ask(struct hs2ni_sim_node *n, struct hs2n_peer peer,
                             struct hs2n_msg_id id,
                             const struct hs2n_msg *msg) {
  return n->consensus.on_message == NULL
             ? n->verdict
             : n->consensus.on_message(n->consensus.self, peer, id, msg);
}

static void check_message(struct hs2ni_sim_node *n, uint32_t from,
                          struct hs2n_msg_id id, const struct hs2n_msg *msg,
                          enum hs2n_verdict verdict) {
  if (hs2ni_check_held(n, from, id)) {
    return; /* it was looked at when it came first */
  }
  hs2ni_check_id(n, from, id, verdict != HS2N_BUSY);
  if (verdict != HS2N_BUSY) {
    hs2ni_load_took(n, from, id, msg);
  }
  if (verdict == HS2N_HOLD) {
    hs2ni_check_hold(n, from, id);
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer peer,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct hs2ni_sim_node *n = self;
  struct hs2n_sim *sim = n->sim;
  const uint32_t from = hs2n_sim_index(sim, n->index, peer);
  const size_t len = msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len;
  enum hs2n_verdict verdict;

  hs2ni_trace(sim, HS2N_SIM_MESSAGE, n->index, from,
              (uint64_t)id.lane << 56 | id.seq, len, "");
  verdict = ask(n, peer, id, msg);
  sim->stats.messages += verdict != HS2N_BUSY;
  if (from != HS2N_SIM_ALL) { /* else it is of a member from outside */
    check_message(n, from, id, msg, verdict);
  }
  return verdict;
}

/* Requests and responses are the application's alone. */
static void trace_message(struct hs2ni_sim_node *n, struct hs2n_peer peer,
                          struct hs2n_msg_id id, const struct hs2n_msg *msg) {
  const uint32_t from = hs2n_sim_index(n->sim, n->index, peer);
  const size_t len = msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len;

  hs2ni_trace(n->sim, HS2N_SIM_MESSAGE, n->index, from,
              (uint64_t)id.lane << 56 | id.seq, len, "");
  n->sim->stats.messages++;
}

static enum hs2n_verdict on_request(void *self, struct hs2n_peer peer,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  struct hs2ni_sim_node *n = self;
  const struct hs2n_consensus *c = &n->consensus;

  trace_message(n, peer, req.id, msg);
  return c->on_request == NULL ? HS2N_IGNORE
                               : c->on_request(c->self, peer, req, msg);
}

static enum hs2n_verdict on_response(void *self, struct hs2n_peer peer,
                                     struct hs2n_msg_id id, struct hs2n_tag tag,
                                     uint32_t status,
                                     const struct hs2n_msg *msg) {
  struct hs2ni_sim_node *n = self;
  const struct hs2n_consensus *c = &n->consensus;

  trace_message(n, peer, id, msg);
  return c->on_response == NULL
             ? HS2N_IGNORE
             : c->on_response(c->self, peer, id, tag, status, msg);
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct hs2ni_sim_node *n = self;

  hs2ni_trace(n->sim, HS2N_SIM_DONE, n->index, HS2N_SIM_ALL, tag.v,
              (uint64_t)done->outcome, "");
  hs2ni_model_done(n, tag, done);
  if (n->consensus.on_done != NULL) {
    n->consensus.on_done(n->consensus.self, tag, done);
  }
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct hs2ni_sim_node *n = self;
  const uint32_t i = hs2n_sim_index(n->sim, n->index, peer);

  if (i != HS2N_SIM_ALL) {
    hs2ni_check_peer(n, i, state, reason);
  }
  if (n->consensus.on_peer != NULL) {
    n->consensus.on_peer(n->consensus.self, peer, state, reason);
  }
  if (state == HS2N_PEER_GONE && peer.v < n->peers_capacity) {
    n->peers[peer.v] = 0;
  }
}

static void on_log(void *user_data, enum hs2n_log_level level,
                   const char *event, const char *text) {
  struct hs2ni_sim_node *n = user_data;
  char line[HS2N_SIM_EVENT_TEXT_MAX];

  (void)snprintf(line, sizeof(line), "%s %s", event, text);
  hs2ni_trace(n->sim, HS2N_SIM_LOG, n->index, HS2N_SIM_ALL, (uint64_t)level, 0,
              line);
}

static int draw(void *user_data, uint8_t *out, size_t len) {
  struct hs2ni_chance *c = user_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_chance_next(c);
  }
  return 0;
}

/* ---- start
 * -------------------------------------------------------------------------- */

int hs2ni_node_init(struct hs2n_sim *sim, uint32_t i) {
  struct hs2ni_sim_node *n = &sim->nodes[i];
  struct hs2ni_chance key_chance;
  int err;

  n->sim = sim;
  n->index = i;
  n->key_of = sim->config.key_of == NULL ? i : sim->config.key_of[i];
  n->place = HS2NI_SIM_NOT_QUEUED;
  n->verdict = HS2N_ACCEPT;
  n->secrets = hs2ni_chance_of(sim->config.seed, 1000 + 2 * (uint64_t)i);
  n->base_at = n->base = sim->now;
  n->nat_port = HS2N_SIM_PORT;
  n->disk = (struct hs2n_sim_disk){.sim = sim, .node = i};
  hs2ni_sim_ledger_init(n);
  key_chance =
      hs2ni_chance_of(sim->config.seed, 1001 + 2 * (uint64_t)n->key_of);
  err =
      hs2n_identity_generate(&n->identity, sim->config.mem, draw, &key_chance);
  if (err != HS2N_OK) {
    return err;
  }
  n->key = hs2n_identity_key(n->identity);
  n->id = hs2n_key_peer_id(&n->key);
  n->books = hs2ni_sim_alloc(sim, sim->n * sizeof(struct hs2ni_pair_book *));
  return n->books == NULL ? HS2N_ERR_NO_MEMORY : HS2N_OK;
}

static void configure(struct hs2ni_sim_node *n, struct hs2n_config *c) {
  struct hs2n_sim *sim = n->sim;

  hs2n_config_default(c);
  c->mem = &n->ledger.mem;
  c->identity = n->identity;
  c->chain_id = sim->config.chain_id;
  c->incarnation = n->incarnation;
  c->types = sim->types;
  c->types_n = sim->config.types_n;
  c->limits = &sim->limits;
  c->rand = draw;
  c->rand_data = &n->secrets;
  c->seed = hs2ni_mix(sim->config.seed ^ hs2ni_mix(n->incarnation));
  memcpy(c->reset_key, n->id.bytes, sizeof(c->reset_key));
  c->reset_key[0] ^= (uint8_t)(n->index + 1); /* twins keep apart */
  c->local = hs2ni_net_addr(n);
  c->transport = sim->config.transport;
  c->unix_time_s =
      UNIX_TIME_S + (int64_t)(hs2ni_clock_at(n, sim->now) / HS2N_S(1));
  c->log = on_log;
  c->log_data = n;
  n->consensus = (struct hs2n_consensus)HS2N_CONSENSUS_INIT;
  if (sim->app.configure != NULL) {
    sim->app.configure(sim->app.self, n->index, c, &n->consensus);
  }
}

static int make(struct hs2ni_sim_node *n) {
  const struct hs2n_consensus wrapped = {.struct_size = sizeof(wrapped),
                                         .self = n,
                                         .on_message = on_message,
                                         .on_done = on_done,
                                         .on_peer = on_peer,
                                         .on_request = on_request,
                                         .on_response = on_response};
  const struct hs2n_sim_app *app = &n->sim->app;
  const hs2n_time now = hs2ni_clock_at(n, n->sim->now);
  struct hs2n_memory worst = {.struct_size = sizeof(worst)};
  struct hs2n_config c;
  const char *field = "";
  int err;

  configure(n, &c);
  c.consensus = &wrapped;
  n->ledger.peak = n->ledger.live;
  n->ledger.failed = 0;
  n->ledger.used = c.mem == &n->ledger.mem;
  hs2n_limits_memory(c.limits, c.types, c.types_n, &worst);
  n->ledger.limit = worst.total_bytes;
  n->queue_bytes_max = c.limits->tx_queue_bytes_max;
  n->queue_msgs_max = c.limits->tx_queue_msgs_max;
  n->over_tcp = c.transport == HS2N_TRANSPORT_TCP;
  n->unsent_max = c.limits->tcp_unsent_bytes;
  if (app->make != NULL) {
    err = app->make(app->self, n->index, &n->node, &c, now);
  } else {
    err = hs2n_node_new(&n->node, &c, now, &field);
  }
  hs2ni_trace(n->sim, HS2N_SIM_START, n->index, HS2N_SIM_ALL, n->incarnation, 0,
              err == HS2N_OK ? "" : hs2n_err_name(err));
  return err;
}

static int name_members(struct hs2ni_sim_node *n) {
  struct hs2n_sim *sim = n->sim;
  struct hs2n_member *members = hs2ni_sim_alloc(sim, sim->n * sizeof(*members));
  size_t count = 0;
  int err;

  if (members == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  for (uint32_t i = 0; i < sim->n; i++) {
    if (sim->nodes[i].key_of == i) {
      members[count++] = hs2n_sim_member(sim, i);
    }
  }
  err = hs2n_set_members(n->node, HS2N_SIM_EPOCH, members, count, 0);
  hs2ni_sim_free(sim, members, sim->n * sizeof(*members));
  return err;
}

int hs2n_sim_start(struct hs2n_sim *sim, uint32_t node) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);
  const struct hs2n_sim_app *app = &sim->app;
  int err;

  if (n->node != NULL) {
    return HS2N_ERR_STATE;
  }
  n->nat_port = HS2N_SIM_PORT; /* no mapping yet */
  n->incarnation = ++sim->stats.starts;
  n->stopping = false;
  hs2ni_model_started(n);
  err = make(n);
  if (err == HS2N_OK && !sim->config.manual_members) {
    err = name_members(n);
  }
  if (err != HS2N_OK) {
    hs2n_node_free(n->node);
    n->node = NULL;
    hs2ni_check_gone(n);
    return err;
  }
  if (app->on_start != NULL) {
    n->entered = true;
    app->on_start(app->self, node, n->node, &n->disk);
    n->entered = false;
  }
  hs2ni_node_settle(n);
  return HS2N_OK;
}

bool hs2n_sim_start_all(struct hs2n_sim *sim) {
  for (uint32_t i = 0; i < sim->n && !sim->failed; i++) {
    const int err = sim->nodes[i].node == NULL ? hs2n_sim_start(sim, i) : 0;

    if (err != HS2N_OK) {
      hs2ni_failf(sim, i, "does not start: %s", hs2n_err_text(err));
    }
  }
  return !sim->failed;
}

/* ---- end
 * -----------------------------------------------------------------------------
 */

static void forget_socket(struct hs2ni_sim_node *n) {
  while (n->socket_first != NULL) {
    struct hs2ni_packet *p = n->socket_first;

    n->socket_first = p->next;
    hs2ni_packet_free(n->sim, p);
  }
  n->socket_bytes = 0;
  n->paused_until = 0;
}

bool hs2ni_in_upcall(struct hs2ni_sim_node *n) {
  if (n->entered) {
    hs2ni_failf(n->sim, n->index, "changed from inside its own upcall");
  }
  return n->entered;
}

static void bury(struct hs2ni_sim_node *n, bool in_order) {
  const struct hs2n_sim_app *app = &n->sim->app;

  if (app->on_stop != NULL) {
    app->on_stop(app->self, n->index);
  }
  hs2ni_check_bound(n);
  hs2n_node_free(n->node);
  n->node = NULL;
  hs2ni_wake_at(n->sim, n, HS2N_TIME_NEVER);
  hs2ni_pipes_end(n, in_order);
  forget_socket(n);
  hs2ni_model_died(n);
  if (n->peers != NULL) {
    memset(n->peers, 0, n->peers_capacity * sizeof(*n->peers));
  }
  hs2ni_check_gone(n);
}

void hs2n_sim_crash(struct hs2n_sim *sim, uint32_t node, bool lose_storage) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  if (n->node == NULL || hs2ni_in_upcall(n)) {
    return;
  }
  sim->stats.crashes++;
  hs2ni_trace(sim, HS2N_SIM_CRASH, node, HS2N_SIM_ALL, lose_storage, 0, "");
  bury(n, false);
  hs2ni_disk_crash(&n->disk, lose_storage);
}

void hs2n_sim_stop(struct hs2n_sim *sim, uint32_t node) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  if (n->node != NULL) {
    hs2n_node_stop(n->node, hs2ni_clock_at(n, sim->now));
    n->stopping = true;
    hs2ni_node_settle(n);
  }
}

static void end_in_order(struct hs2ni_sim_node *n) {
  hs2ni_trace(n->sim, HS2N_SIM_STOP, n->index, HS2N_SIM_ALL, 0, 0, "");
  if (n->opens.n > 0) {
    hs2ni_failf(n->sim, n->index, "stopped with %zu sends not completed",
                n->opens.n);
  }
  bury(n, true);
}

void hs2ni_node_fini(struct hs2ni_sim_node *n) {
  struct hs2n_sim *sim = n->sim;

  if (sim == NULL) {
    return; /* the world was not even half made */
  }
  if (n->node != NULL) {
    bury(n, false);
  }
  hs2ni_evil_forget(n);
  hs2ni_disk_fini(&n->disk);
  hs2ni_model_fini(n);
  hs2ni_sim_free(sim, n->peers, n->peers_capacity * sizeof(*n->peers));
  hs2n_identity_free(n->identity);
}

/* ---- driving
 * ---------------------------------------------------------------------------
 */

static void send_one(struct hs2ni_sim_node *n, const struct hs2n_tx *tx,
                     size_t at, size_t len) {
  struct hs2n_sim *sim = n->sim;
  struct hs2ni_packet *p = hs2ni_packet_new(sim, len);

  if (p == NULL) {
    return;
  }
  p->from = n->index;
  p->src = hs2ni_net_addr(n);
  p->src.port = n->nat_port;
  p->dst = tx->remote;
  p->ecn = tx->ecn;
  memcpy(p->data, tx->data + at, len);
  hs2ni_net_leave(sim, p);
}

static void send_datagrams(struct hs2ni_sim_node *n, const struct hs2n_tx *tx) {
  for (size_t at = 0; at < tx->len; at += tx->segment_len) {
    const size_t left = tx->len - at;

    send_one(n, tx, at, left < tx->segment_len ? left : tx->segment_len);
  }
}

static void send_all(struct hs2ni_sim_node *n) {
  const hs2n_time now = hs2ni_clock_at(n, n->sim->now);
  struct hs2n_tx tx[HS2NI_SIM_TX_SLOTS];
  size_t count;

  do {
    for (size_t k = 0; k < HS2NI_SIM_TX_SLOTS; k++) {
      tx[k] = (struct hs2n_tx){.data = n->sim->tx + k * HS2NI_SIM_TX_BYTES,
                               .capacity = HS2NI_SIM_TX_BYTES};
    }
    count = hs2n_node_poll_tx(n->node, tx, HS2NI_SIM_TX_SLOTS, now);
    if (n->over_tcp) {
      hs2ni_pipes_do(n, tx, count);
      continue;
    }
    for (size_t k = 0; k < count; k++) {
      send_datagrams(n, &tx[k]);
    }
  } while (count > 0);
}

static hs2n_time app_deadline(const struct hs2ni_sim_node *n) {
  const struct hs2n_sim_app *app = &n->sim->app;

  return app->deadline == NULL ? HS2N_TIME_NEVER
                               : app->deadline(app->self, n->index);
}

void hs2ni_node_settle(struct hs2ni_sim_node *n) {
  hs2n_time due;
  hs2n_time app_due;

  if (n->node == NULL || n->entered || n->paused_until != 0) {
    return;
  }
  do {
    send_all(n);
  } while (hs2ni_pipes_serve(n));
  hs2ni_check_step(n);
  if (n->stopping && hs2n_node_stopped(n->node)) {
    end_in_order(n);
    return;
  }
  due = hs2n_node_deadline(n->node);
  app_due = app_deadline(n);
  due = hs2ni_clock_inverse(n, due < app_due ? due : app_due);
  hs2ni_wake_at(n->sim, n, due < n->sim->now ? n->sim->now : due);
}

void hs2n_sim_flush(struct hs2n_sim *sim, uint32_t node) {
  hs2ni_node_settle(hs2ni_sim_at(sim, node));
}

void hs2ni_node_recv(struct hs2ni_sim_node *n, struct hs2ni_packet *p) {
  const struct hs2n_rx rx = {.local = hs2ni_net_addr(n),
                             .remote = p->src,
                             .ecn = p->ecn,
                             .data = p->data,
                             .len = p->len};

  n->sim->stats.delivered++;
  hs2ni_trace(n->sim, HS2N_SIM_RX, n->index, p->from, p->len, p->ecn, "");
  n->entered = true;
  hs2n_node_recv(n->node, &rx, 1, hs2ni_clock_at(n, n->sim->now));
  n->entered = false;
  hs2ni_node_settle(n);
}

void hs2ni_node_hear(struct hs2ni_sim_node *n, const struct hs2n_rx *rx,
                     size_t count) {
  n->entered = true;
  hs2n_node_recv(n->node, rx, count, hs2ni_clock_at(n, n->sim->now));
  n->entered = false;
}

static bool spins(struct hs2ni_sim_node *n) {
  n->spins = n->last_tick == n->sim->now ? n->spins + 1 : 0;
  n->last_tick = n->sim->now;
  return n->spins > SPINS_MAX;
}

static void tick(struct hs2ni_sim_node *n) {
  const struct hs2n_sim_app *app = &n->sim->app;
  const hs2n_time now = hs2ni_clock_at(n, n->sim->now);

  hs2ni_trace(n->sim, HS2N_SIM_TICK, n->index, HS2N_SIM_ALL, 0, 0, "");
  n->entered = true;
  if (app_deadline(n) <= now && app->tick != NULL) {
    app->tick(app->self, n->index, now);
  }
  hs2n_node_tick(n->node, now);
  n->entered = false;
  hs2ni_node_settle(n);
}

void hs2ni_node_tick(struct hs2ni_sim_node *n) {
  if (spins(n)) {
    hs2ni_failf(n->sim, n->index, "wants to be called for ever");
  } else {
    tick(n);
  }
}

void hs2n_sim_wake(struct hs2n_sim *sim, uint32_t node) {
  struct hs2ni_sim_node *n = hs2ni_sim_at(sim, node);

  if (n->node != NULL && n->paused_until == 0 && !hs2ni_in_upcall(n)) {
    tick(n);
  }
}
