/* The layer: life, sending, views, time. */
#include "msg/chan.h"

#include <assert.h>
#include <string.h>

size_t hs2ni_msgs_keep_bytes(const struct hs2n_limits *limits) {
  return ((size_t)1 << 20) + (size_t)limits->peers_max * 16384;
}

void hs2ni_store_unref(struct hs2ni_store *store) {
  struct hs2ni_env *env = store->pool.env;

  assert(store->refs > 0);
  store->refs--;
  if (store->refs == 0) {
    hs2ni_pool_fini(&store->pool);
    hs2ni_free(env, store, sizeof(*store));
  }
}

uint32_t hs2ni_msgs_codecs(const struct hs2n_type *types, size_t types_n) {
  uint32_t codecs = 0;

  for (size_t i = 0; i < types_n; i++) {
    if (types[i].compression != HS2N_COMPRESSION_NONE) {
      codecs |= HS2NI_PACK_BIT(types[i].compression);
    }
  }
  return codecs;
}

void hs2ni_msgs_sign(struct hs2ni_msgs *msgs,
                     const struct hs2n_identity *identity,
                     const char *chain_id) {
  const struct hs2n_key key = hs2n_identity_key(identity);

  msgs->signer = (struct hs2ni_signer){
      .identity = identity,
      .id = hs2n_key_peer_id(&key),
      .chain_id = {(const uint8_t *)chain_id, strlen(chain_id)},
  };
}

uint64_t hs2ni_msgs_capabilities(const struct hs2ni_msgs *msgs) {
  uint64_t caps = HS2NI_MSGS_CAPABILITIES;

  if ((msgs->codecs & HS2NI_PACK_BIT(HS2N_COMPRESSION_LZ4)) != 0) {
    caps |= HS2NI_CAP_LZ4;
  }
  if ((msgs->codecs & HS2NI_PACK_BIT(HS2N_COMPRESSION_ZSTD)) != 0) {
    caps |= HS2NI_CAP_ZSTD;
  }
  if (msgs->codecs != 0) {
    caps |= HS2NI_CAP_BATCH;
  }
  return caps;
}

static void declare(struct hs2ni_msgs *msgs, const struct hs2n_type *types,
                    size_t types_n) {
  for (size_t i = 0; i < types_n; i++) {
    const struct hs2n_type *type = &types[i];

    assert(type->id < HS2N_TYPES_MAX);
    assert((unsigned)type->lane < HS2N_LANES);
    assert((type->flags & HS2N_TYPE_BY_CONTENT) == 0 ||
           type->role == HS2N_ROLE_MESSAGE);
    msgs->types[type->id] = (struct hs2ni_msg_type){
        .declared = true,
        .lane = (uint8_t)type->lane,
        .compression = type->compression,
        .secret = (type->flags & HS2N_TYPE_SECRET) != 0,
        .is_signed = (type->flags & HS2N_TYPE_SIGNED) != 0,
        .by_content = (type->flags & HS2N_TYPE_BY_CONTENT) != 0,
        .role = (uint8_t)type->role,
        .response = type->response,
        .size_max = type->size_max,
    };
    if (type->size_max > msgs->body_max[type->lane]) {
      msgs->body_max[type->lane] = type->size_max;
    }
  }
}

static bool any_by_content(const struct hs2ni_msgs *msgs) {
  for (size_t i = 0; i < HS2N_TYPES_MAX; i++) {
    if (msgs->types[i].by_content) {
      return true;
    }
  }
  return false;
}

static int init(struct hs2ni_msgs *msgs) {
  struct hs2ni_env *env = msgs->env;
  int err;

  msgs->store = hs2ni_alloc(env, sizeof(*msgs->store));
  if (msgs->store == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  msgs->store->refs = 1;
  hs2ni_pool_init(&msgs->store->pool, env, hs2ni_msgs_keep_bytes(&env->limits));
  err = hs2ni_timers_init(&msgs->timers, env,
                          HS2NI_LAYER_TIMERS + env->limits.tags_max +
                              env->limits.requests_max +
                              env->limits.peers_max * HS2NI_CHAN_TIMERS);
  if (err == HS2N_OK && msgs->codecs != 0) {
    msgs->batch = hs2ni_alloc(env, sizeof(*msgs->batch));
    err = msgs->batch == NULL ? HS2N_ERR_NO_MEMORY
                              : hs2ni_pack_new(&msgs->pack, env, msgs->codecs);
  }
  if (err == HS2N_OK && any_by_content(msgs)) {
    err = hs2ni_contents_new(&msgs->contents, env);
  }
  return err != HS2N_OK ? err : hs2ni_sends_init(msgs);
}

int hs2ni_msgs_new(struct hs2ni_msgs **out, struct hs2ni_env *env,
                   const struct hs2n_type *types, size_t types_n) {
  struct hs2ni_msgs *msgs = hs2ni_alloc(env, sizeof(*msgs));
  int err;

  if (msgs == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  msgs->env = env;
  declare(msgs, types, types_n);
  msgs->codecs = hs2ni_msgs_codecs(types, types_n);
  msgs->rx_flags = hs2ni_rx_flags(msgs);
  err = init(msgs);
  if (err != HS2N_OK) {
    hs2ni_msgs_free(msgs);
    return err;
  }
  *out = msgs;
  return HS2N_OK;
}

void hs2ni_msgs_free(struct hs2ni_msgs *msgs) {
  if (msgs == NULL) {
    return;
  }
  assert(msgs->chans.count == 0);
  assert(msgs->fetched == NULL);
  assert(msgs->requests.open.count == 0);
  hs2ni_deliver_return(msgs);
  hs2ni_pack_free(msgs->pack);
  hs2ni_free(msgs->env, msgs->batch, sizeof(*msgs->batch));
  hs2ni_contents_free(msgs->contents, msgs->env);
  if (msgs->store != NULL) {
    hs2ni_sends_fini(msgs);
    hs2ni_timers_fini(&msgs->timers, msgs->env);
    hs2ni_store_unref(msgs->store);
  }
  hs2ni_free(msgs->env, msgs, sizeof(*msgs));
}

/* ---- sending ------------------------------------------------------------ */

static uint64_t weight_of(const struct hs2ni_target *targets, size_t n) {
  uint64_t sum = 0;

  for (size_t i = 0; i < n; i++) {
    sum += targets[i].weight;
  }
  return sum;
}

static int check_flags(const struct hs2ni_target *targets, size_t n,
                       const struct hs2n_msg *msg, bool tagged) {
  const uint32_t completing = HS2N_MSG_ACK | HS2N_MSG_QUORUM;
  const uint32_t known = completing | HS2N_MSG_VIEW_BOUND | HS2N_MSG_SUPERSEDE |
                         HS2N_MSG_QUORUM_ONLY | HS2N_MSG_SECRET |
                         HS2N_MSG_DATAGRAM_OK;

  if (n == 0 || (msg->flags & ~known) != 0) {
    return HS2N_ERR_INVALID;
  }
  if ((msg->flags & HS2N_MSG_QUORUM_ONLY) != 0 &&
      ((msg->flags & HS2N_MSG_QUORUM) == 0 || !tagged)) {
    return HS2N_ERR_INVALID; /* nobody would count */
  }
  if (tagged && (msg->flags & completing) == 0) {
    return HS2N_ERR_INVALID;
  }
  if ((msg->flags & HS2N_MSG_QUORUM) != 0 &&
      (msg->quorum_weight == 0 || msg->quorum_weight > weight_of(targets, n))) {
    return HS2N_ERR_INVALID; /* no acknowledgement could ever reach it */
  }
  return HS2N_OK;
}

unsigned hs2ni_msgs_lane(const struct hs2ni_msgs *msgs, uint8_t type) {
  return type < HS2N_TYPES_MAX && msgs->types[type].declared
             ? msgs->types[type].lane
             : HS2N_LANES;
}

size_t hs2ni_msg_len(const struct hs2n_msg *msg) {
  return msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len;
}

int hs2ni_msgs_check(const struct hs2ni_msgs *msgs, const struct hs2n_msg *msg,
                     enum hs2n_type_role role) {
  const size_t len = hs2ni_msg_len(msg);
  const struct hs2ni_msg_type *type;

  if (msg->type >= HS2N_TYPES_MAX || !msgs->types[msg->type].declared ||
      msgs->types[msg->type].role != role) {
    return HS2N_ERR_INVALID;
  }
  type = &msgs->types[msg->type];
  if (len > type->size_max || len > msgs->env->limits.tx_queue_bytes_max) {
    return HS2N_ERR_TOO_BIG;
  }
  if ((msg->flags & HS2N_MSG_VIEW_BOUND) != 0 && msg->view < msgs->view) {
    return HS2N_ERR_STALE;
  }
  if (msg->deadline != 0 && msg->deadline <= msgs->env->now) {
    return HS2N_ERR_STALE;
  }
  return HS2N_OK;
}

static int check_room(struct hs2ni_msgs *msgs,
                      const struct hs2ni_target *targets, size_t n,
                      const struct hs2n_msg *msg, bool tagged) {
  const uint8_t lane = msgs->types[msg->type].lane;

  for (size_t i = 0; i < n; i++) {
    if (!hs2ni_tx_room(targets[i].chan, lane, msg)) {
      return HS2N_ERR_FULL;
    }
  }
  if (tagged && msgs->sends.free_n == 0) {
    targets[0].chan->full_tags = true;
    msgs->tags_waited = true;
    return HS2N_ERR_FULL;
  }
  return HS2N_OK;
}

/* A message for each target, linked in order, or nothing. */
static int make(const struct hs2ni_target *targets, size_t n,
                const struct hs2n_msg *msg, uint8_t lane,
                struct hs2ni_form *form, struct hs2ni_list *out) {
  struct hs2ni_list_node *node;

  for (size_t i = 0; i < n; i++) {
    struct hs2ni_tx_msg *m = hs2ni_tx_new(targets[i].chan, msg, lane, form);

    if (m == NULL) {
      while ((node = hs2ni_list_pop_front(out)) != NULL) {
        hs2ni_tx_discard(HS2NI_CONTAINER(node, struct hs2ni_tx_msg, node));
      }
      return HS2N_ERR_NO_MEMORY;
    }
    hs2ni_list_push_back(out, &m->node);
  }
  return HS2N_OK;
}

static void queue(struct hs2ni_list *made, struct hs2ni_send *send,
                  const struct hs2ni_target *targets) {
  struct hs2ni_list_node *node;

  for (uint32_t i = 0; (node = hs2ni_list_pop_front(made)) != NULL; i++) {
    struct hs2ni_tx_msg *m = HS2NI_CONTAINER(node, struct hs2ni_tx_msg, node);

    if (send != NULL) {
      m->send = send;
      m->target = i;
      send->targets[i].msg = m;
    }
    hs2ni_tx_queue(m, targets[i].hold_ns);
  }
}

int hs2ni_msgs_send(struct hs2ni_msgs *msgs, const struct hs2ni_target *targets,
                    size_t n, const struct hs2n_msg *msg,
                    struct hs2n_tag *out_tag) {
  struct hs2ni_list made = {0};
  struct hs2ni_send *send = NULL;
  struct hs2ni_form *form;
  int err = check_flags(targets, n, msg, out_tag != NULL);

  err = err != HS2N_OK ? err : hs2ni_msgs_check(msgs, msg, HS2N_ROLE_MESSAGE);
  if (err != HS2N_OK) {
    return err;
  }
  err = check_room(msgs, targets, n, msg, out_tag != NULL);
  if (err != HS2N_OK) {
    msgs->env->stats.tx_full++;
    return err;
  }
  if (out_tag != NULL) {
    send = hs2ni_send_new(msgs, targets, n, msg);
    if (send == NULL) {
      return HS2N_ERR_NO_MEMORY;
    }
  }
  err = hs2ni_form_new(&form, msgs, targets, n, msg);
  if (err == HS2N_OK) {
    err = make(targets, n, msg, msgs->types[msg->type].lane, form, &made);
    hs2ni_form_unref(form);
  }
  if (err != HS2N_OK) {
    hs2ni_send_discard(send);
    return err;
  }
  if (send != NULL) {
    hs2ni_send_open(send, msg->deadline);
    *out_tag = send->tag;
  }
  queue(&made, send, targets);
  return HS2N_OK;
}

/* ---- views ----------------------------------------------------------------
 */

static struct hs2ni_tx_msg *msg_of(struct hs2ni_list_node *n) {
  return n == NULL ? NULL : HS2NI_CONTAINER(n, struct hs2ni_tx_msg, node);
}

/* The first message behind m that does not end together with m. */
static struct hs2ni_tx_msg *after(const struct hs2ni_tx_msg *m) {
  struct hs2ni_tx_msg *next = msg_of(m->node.next);

  while (next != NULL && next->send != NULL && next->send == m->send) {
    next = msg_of(next->node.next);
  }
  return next;
}

static void end_stale(const struct hs2ni_list *msgs, uint64_t view) {
  struct hs2ni_tx_msg *m = msg_of(msgs->head);

  while (m != NULL) {
    struct hs2ni_tx_msg *next = after(m);

    if (m->view_bound && m->view < view) {
      if (m->send != NULL) {
        hs2ni_send_end(m->send, HS2N_DONE_CANCELLED, HS2N_REASON_VIEW_ENDED);
      } else {
        hs2ni_tx_drop(m, HS2N_REASON_VIEW_ENDED);
      }
    }
    m = next;
  }
}

int hs2ni_msgs_enter_view(struct hs2ni_msgs *msgs, uint64_t view) {
  if (view < msgs->view) {
    return HS2N_ERR_STALE;
  }
  msgs->view = view;
  hs2ni_requests_enter_view(msgs, view);
  for (struct hs2ni_list_node *n = msgs->chans.head; n != NULL; n = n->next) {
    struct hs2ni_chan *chan = HS2NI_CONTAINER(n, struct hs2ni_chan, node);

    hs2ni_future_view(chan);
    for (size_t i = 0; i < HS2N_LANES; i++) {
      if (chan->tx[i].view_bound_n > 0) {
        end_stale(&chan->tx[i].msgs, view);
        end_stale(&chan->tx[i].loose.fresh, view);
        end_stale(&chan->tx[i].loose.out, view);
      }
      hs2ni_rx_lane_view(&chan->rx.lanes[i]);
    }
    hs2ni_chan_want(chan);
  }
  return HS2N_OK;
}

/* ---- events and time --------------------------------------------------------
 */

/* Below three quarters, so that one message leaving does not wake a sender
 * that fills the room at once. */
static bool is_roomy(uint64_t used, uint64_t max) {
  return used <= max - max / 4;
}

/* Clears what was full and is not any more; false: nothing. */
static bool clear_full(struct hs2ni_chan *chan) {
  const struct hs2n_limits *limits = &chan->msgs->env->limits;
  bool cleared = false;

  for (uint32_t i = 0; i < HS2N_LANES; i++) {
    if ((chan->full_lanes >> i & 1) != 0 &&
        is_roomy(chan->tx[i].charged_msgs, limits->tx_queue_msgs_max)) {
      chan->full_lanes &= ~(1u << i);
      cleared = true;
    }
  }
  if (chan->full_bytes &&
      is_roomy(chan->charged_bytes, limits->tx_queue_bytes_max)) {
    chan->full_bytes = false;
    cleared = true;
  }
  if (chan->full_tags && chan->msgs->sends.free_n > 0) {
    chan->full_tags = false;
    cleared = true;
  }
  if (chan->full_asking && hs2ni_asking_room(chan)) {
    chan->full_asking = false;
    cleared = true;
  }
  return cleared;
}

void hs2ni_chan_room(struct hs2ni_chan *chan) {
  if (clear_full(chan) && !chan->writable_due) {
    chan->writable_due = true;
    hs2ni_list_push_back(&chan->msgs->writable, &chan->writable_node);
  }
}

static bool next_writable(struct hs2ni_msgs *msgs, struct hs2ni_event *out) {
  struct hs2ni_list_node *n = hs2ni_list_pop_front(&msgs->writable);
  struct hs2ni_chan *chan;

  if (n == NULL) {
    return false;
  }
  chan = HS2NI_CONTAINER(n, struct hs2ni_chan, writable_node);
  chan->writable_due = false;
  *out = (struct hs2ni_event){.kind = HS2NI_EVENT_WRITABLE, .peer = chan->peer};
  return true;
}

static bool next_given_up(struct hs2ni_msgs *msgs, struct hs2ni_event *out) {
  struct hs2ni_list_node *n = hs2ni_list_pop_front(&msgs->given_up);
  struct hs2ni_chan *chan;

  if (n == NULL) {
    return false;
  }
  chan = HS2NI_CONTAINER(n, struct hs2ni_chan, give_up_node);
  chan->given_up = false;
  *out = (struct hs2ni_event){.kind = HS2NI_EVENT_BREACH,
                              .peer = chan->peer,
                              .reason = chan->give_up_reason};
  return true;
}

bool hs2ni_msgs_next(struct hs2ni_msgs *msgs, struct hs2ni_event *out) {
  return next_given_up(msgs, out) || hs2ni_sends_next(msgs, out) ||
         hs2ni_deliver_next(msgs, out) || next_writable(msgs, out);
}

bool hs2ni_msgs_pending(const struct hs2ni_msgs *msgs) {
  for (size_t i = 0; i < HS2N_LANES; i++) {
    if (!hs2ni_list_empty(&msgs->fetch[i])) {
      return true;
    }
  }
  return !hs2ni_list_empty(&msgs->given_up) ||
         !hs2ni_list_empty(&msgs->sends.done) ||
         !hs2ni_list_empty(&msgs->writable);
}

hs2n_time hs2ni_msgs_deadline(const struct hs2ni_msgs *msgs) {
  return hs2ni_timers_deadline(&msgs->timers);
}

void hs2ni_msgs_tick(struct hs2ni_msgs *msgs) {
  hs2ni_timers_run(&msgs->timers, msgs->env->now);
}
