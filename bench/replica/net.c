#include "net.h"

#include <assert.h>

/* A certificate or TC of a quorum of REP_N_MAX, with room to spare. */
#define CERT_BYTES_MAX (16u << 10)

/* ---- set up ------------------------------------------------------------- */

/* The largest body of a kind. */
static uint32_t size_max(const struct rep_config *config, enum rep_kind kind) {
  const uint32_t block = config->block_bytes_max;

  switch (kind) {
  case REP_PROPOSAL:
    return block + CERT_BYTES_MAX;
  case REP_VOTE:
    return REP_VOTE_LEN;
  case REP_NEW_VIEW:
    return 2 * CERT_BYTES_MAX;
  case REP_TIMEOUT:
    return CERT_BYTES_MAX;
  case REP_SYNC_REQUEST:
    return REP_SYNC_REQUEST_LEN;
  case REP_SYNC_RESPONSE: /* one block may stick out of sync_bytes_max */
    return config->sync_bytes_max + block + CERT_BYTES_MAX +
           4 * REP_SYNC_BLOCKS_MAX;
  }
  return 0;
}

/* Who is asked answers with the other kind. */
static enum hs2n_type_role role_of(enum rep_kind kind) {
  switch (kind) {
  case REP_SYNC_REQUEST:
    return HS2N_ROLE_REQUEST;
  case REP_SYNC_RESPONSE:
    return HS2N_ROLE_RESPONSE;
  default:
    return HS2N_ROLE_MESSAGE;
  }
}

static uint8_t response_of(enum rep_kind kind) {
  return kind == REP_SYNC_REQUEST ? REP_SYNC_RESPONSE : 0;
}

void rep_net_init(struct rep_net *net, const struct rep_config *config,
                  hs2n_time (*now)(void *self), void *now_self) {
  *net = (struct rep_net){
      .committee = config->committee,
      .now = now,
      .now_self = now_self,
      .types =
          {
#define X(kind, text, in, views, what)       \
  {.id = REP_##kind,                         \
   .lane = (in),                             \
   .size_max = size_max(config, REP_##kind), \
   .name = (text),                           \
   .role = role_of(REP_##kind),              \
   .response = response_of(REP_##kind)},
              REP_KIND_LIST(X)
#undef X
          },
  };
}

static uint32_t replica_of(const struct rep_net *net, struct hs2n_peer peer) {
  for (uint32_t i = 0; i < net->committee.n; i++) {
    if (i != net->committee.me && net->peers[i].v == peer.v) {
      return i;
    }
  }
  return UINT32_MAX;
}

/* ---- up: from the node to the core -------------------------------------- */

/* A copy, because blocks are kept for longer than a peer's receive credit
 * should be.  NULL when memory is out. */
static struct rep_bytes *copy_of(const struct hs2n_msg *msg) {
  return rep_bytes_copy(msg->body != NULL ? hs2n_buf_span(msg->body)
                                          : (struct hs2n_span){NULL, 0});
}

static enum hs2n_verdict verdict_of(enum rep_verdict verdict) {
  switch (verdict) {
  case REP_TAKEN:
    return HS2N_ACCEPT;
  case REP_STALE:
    return HS2N_IGNORE;
  case REP_WRONG:
    return HS2N_REJECT;
  }
  return HS2N_REJECT;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct rep_net *const net = self;
  const uint32_t replica = replica_of(net, from);
  struct rep_bytes *body;
  enum rep_verdict verdict;

  (void)id;
  if (replica == UINT32_MAX || msg->type >= REP_KINDS) {
    return HS2N_REJECT;
  }
  body = copy_of(msg);
  if (body == NULL) {
    return HS2N_BUSY;
  }
  verdict = rep_core_receive(net->core, replica, (enum rep_kind)msg->type, body,
                             net->now(net->now_self));
  rep_bytes_unref(body);
  return verdict_of(verdict);
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct rep_net *const net = self;
  const uint32_t replica = replica_of(net, peer);

  (void)reason; /* the library has logged it */
  if (replica == UINT32_MAX || state == HS2N_PEER_WRITABLE) {
    return;
  }
  if (state == HS2N_PEER_UP) {
    rep_signers_add(&net->connected, replica);
  } else {
    rep_signers_remove(&net->connected, replica);
  }
}

/* ---- bodies and failures ------------------------------------------------ */

static void release(void *user_data, const uint8_t *data, size_t len) {
  (void)data;
  (void)len;
  rep_bytes_unref(user_data);
}

/* The core's bytes as a body of the library, without a copy. */
static struct hs2n_buf *wrap(struct rep_bytes *body) {
  struct hs2n_buf *buf;

  if (hs2n_buf_wrap(&buf, hs2n_mem_libc(), rep_bytes_span(body), release,
                    body) != HS2N_OK) {
    return NULL;
  }
  (void)rep_bytes_ref(body); /* released with buf */
  return buf;
}

/* What can't be sent counts as lost: time-outs and catching up repair it. */
static void count(struct rep_net *net, int err) {
  if (err == HS2N_ERR_FULL) {
    net->full++;
  } else if (err != HS2N_OK && err != HS2N_ERR_STALE) {
    net->refused++;
  }
}

/* ---- catching up, both ways --------------------------------------------- */

static enum hs2n_verdict respond(struct rep_net *net, struct hs2n_req req,
                                 struct rep_bytes *answer) {
  struct hs2n_buf *const buf = wrap(answer);
  int err = HS2N_ERR_NO_MEMORY;

  if (buf != NULL) {
    err = hs2n_respond(net->node, req, 0, buf);
  }
  count(net, err);
  hs2n_buf_unref(buf);
  return err == HS2N_OK ? HS2N_ACCEPT : HS2N_BUSY;
}

static enum hs2n_verdict on_request(void *self, struct hs2n_peer from,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  struct rep_net *const net = self;
  struct rep_bytes *const body = copy_of(msg);
  struct rep_bytes *answer;
  enum hs2n_verdict verdict;

  (void)from; /* blocks are for everybody */
  if (body == NULL) {
    return HS2N_BUSY;
  }
  verdict = verdict_of(rep_core_serve(net->core, body, &answer));
  if (verdict == HS2N_ACCEPT) {
    verdict = respond(net, req, answer);
    rep_bytes_unref(answer);
  }
  rep_bytes_unref(body);
  return verdict;
}

static enum hs2n_verdict on_response(void *self, struct hs2n_peer from,
                                     struct hs2n_msg_id id, struct hs2n_tag tag,
                                     uint32_t status,
                                     const struct hs2n_msg *msg) {
  struct rep_net *const net = self;
  struct rep_bytes *body;
  enum rep_verdict verdict;

  (void)from;
  (void)id;
  (void)tag; /* one question is open */
  if (status != 0) {
    return HS2N_REJECT;
  }
  body = copy_of(msg);
  if (body == NULL) {
    return HS2N_BUSY;
  }
  verdict = rep_core_answered(net->core, body, net->now(net->now_self));
  rep_bytes_unref(body);
  return verdict_of(verdict);
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct rep_net *const net = self;

  if (tag.v != net->asked.v) {
    return; /* another question has taken its place */
  }
  net->asked.v = 0;
  if (done->outcome != HS2N_DONE_ACKED) {
    rep_core_unanswered(net->core, net->now(net->now_self));
  }
}

/* One that has ended may still say so. */
static void drop_question(struct rep_net *net) {
  if (net->asked.v != 0 && hs2n_cancel(net->node, net->asked) == HS2N_OK) {
    net->sends++;
  }
  net->asked.v = 0;
}

bool rep_net_ask(void *self, const uint32_t *whom, uint32_t count_whom,
                 struct rep_bytes *body, hs2n_time deadline) {
  struct rep_net *const net = self;
  struct hs2n_peer peers[REP_N_MAX];
  const struct hs2n_dst any_of = {
      .kind = HS2N_DST_SOME, .peers = peers, .count = count_whom};
  struct hs2n_msg msg = {
      .type = REP_SYNC_REQUEST, .deadline = deadline, .body = wrap(body)};
  int err = HS2N_ERR_NO_MEMORY;

  for (uint32_t i = 0; i < count_whom; i++) {
    peers[i] = net->peers[whom[i]];
  }
  drop_question(net);
  if (msg.body != NULL) {
    net->sends++;
    err = hs2n_request(net->node, &any_of, &msg, &net->asked);
  }
  count(net, err);
  hs2n_buf_unref(msg.body);
  return err == HS2N_OK;
}

/* ---- down: from the core to the node ------------------------------------ */

/* A vote is short, and one that is late is of little use. */
static uint32_t flags_of(enum rep_kind kind, uint64_t view) {
  uint32_t flags = view != REP_ALL_VIEWS ? HS2N_MSG_VIEW_BOUND : 0u;

  if (kind == REP_VOTE) {
    flags |= HS2N_MSG_DATAGRAM_OK;
  }
  return flags;
}

static int send_to(struct rep_net *net, const struct hs2n_dst *dst,
                   enum rep_kind kind, uint64_t view, struct hs2n_buf *buf) {
  const struct hs2n_msg msg = {.type = (uint8_t)kind,
                               .flags = flags_of(kind, view),
                               .view = view != REP_ALL_VIEWS ? view : 0,
                               .body = buf};

  net->sends++;
  return hs2n_send(net->node, dst, &msg, NULL);
}

void rep_net_send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                  struct rep_bytes *body) {
  struct rep_net *const net = self;
  struct hs2n_buf *const buf = wrap(body);
  struct hs2n_dst dst = {.kind = HS2N_DST_PEER};

  assert(to < net->committee.n && to != net->committee.me);
  if (buf == NULL) {
    net->refused++;
    return;
  }
  dst.peer = net->peers[to];
  count(net, send_to(net, &dst, kind, view, buf));
  hs2n_buf_unref(buf);
}

/* One receiver has no room, perhaps because it is dead: the others must not
 * wait for it. */
static void send_to_each(struct rep_net *net, enum rep_kind kind, uint64_t view,
                         struct hs2n_buf *buf) {
  struct hs2n_dst dst = {.kind = HS2N_DST_PEER};

  for (uint32_t i = 0; i < net->committee.n; i++) {
    if (i != net->committee.me) {
      dst.peer = net->peers[i];
      count(net, send_to(net, &dst, kind, view, buf));
    }
  }
}

void rep_net_broadcast(void *self, enum rep_kind kind, uint64_t view,
                       struct rep_bytes *body) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = REP_EPOCH};
  struct rep_net *const net = self;
  struct hs2n_buf *const buf = wrap(body);
  int err;

  if (buf == NULL) {
    net->refused++;
    return;
  }
  err = send_to(net, &dst, kind, view, buf);
  if (err == HS2N_ERR_FULL) {
    send_to_each(net, kind, view, buf);
  } else {
    count(net, err);
  }
  hs2n_buf_unref(buf);
}

void rep_net_enter_view(void *self, uint64_t view,
                        const uint32_t leaders[REP_LEADERS]) {
  struct rep_net *const net = self;
  struct hs2n_peer peers[REP_LEADERS];
  size_t n = 0;

  for (uint32_t i = 0; i < REP_LEADERS; i++) {
    if (leaders[i] != net->committee.me) {
      peers[n] = net->peers[leaders[i]];
      n++;
    }
  }
  count(net, hs2n_enter_view(net->node, view, peers, n));
}

/* ---- the node ----------------------------------------------------------- */

/* The library's range of request_try_ms. */
static uint32_t try_ms(hs2n_time t) {
  const hs2n_time ms = t / HS2N_MS(1);

  return ms < 10 ? 10 : ms > 600000 ? 600000 : (uint32_t)ms;
}

void rep_net_configure(struct rep_net *net, const struct rep_config *config,
                       struct hs2n_config *out) {
  struct hs2n_limits *const limits = &net->limits;
  /* What may be on its way to or from one peer: some blocks and an answer. */
  const uint32_t room =
      6 * config->block_bytes_max + 2 * config->sync_bytes_max + (1u << 20);

  net->methods = (struct hs2n_consensus){.struct_size = sizeof(net->methods),
                                         .self = net,
                                         .on_message = on_message,
                                         .on_done = on_done,
                                         .on_peer = on_peer,
                                         .on_request = on_request,
                                         .on_response = on_response};
  hs2n_limits_default(limits);
  limits->peers_max = net->committee.n; /* there is no other epoch */
  limits->tx_queue_bytes_max = room;
  limits->rx_held_bytes = room;
  limits->request_try_ms = try_ms(config->sync_retry);
  limits->rx_window_bytes = 4u << 20;
  limits->rx_stream_window_bytes = 4u << 20;
  /* A committee on one machine comes from one address. */
  limits->new_per_source_per_s = 10 * net->committee.n;
  limits->new_per_source_burst = 20 * net->committee.n;
  limits->backoff_max_ms = 1000;
  limits->drain_ms = 50;
  out->chain_id = net->committee.chain_id;
  out->types = net->types;
  out->types_n = REP_KINDS;
  out->limits = limits;
  out->consensus = &net->methods;
}

int rep_net_set_members(struct rep_net *net,
                        const struct hs2n_member *members) {
  const uint32_t n = net->committee.n;
  int err = hs2n_set_members(net->node, REP_EPOCH, members, n, REP_EPOCH);

  for (uint32_t i = 0; i < n && err == HS2N_OK; i++) {
    if (i != net->committee.me) {
      const struct hs2n_peer_id id = hs2n_key_peer_id(&members[i].key);

      err = hs2n_peer_find(net->node, &id, &net->peers[i]);
    }
  }
  return err;
}

/* Of a thousand messages, those that the measure covers.  One that was late
 * does not count; once one in ten is, as after a change of the network, it
 * does. */
#define COVERED_PERMILLE 900

void rep_net_measure(struct rep_net *net) {
  /* Every replica weighs 1, and this one has its own vote at once.  The others
   * of a quorum: a minority can't slow the time-outs down. */
  const uint32_t others = rep_quorum(&net->committee) - 1;
  hs2n_time delay;

  if (hs2n_quorum_delay(net->node, REP_EPOCH, others, COVERED_PERMILLE,
                        &delay) == HS2N_OK) {
    net->quorum_delay = delay;
    rep_core_set_rtt(net->core, delay);
  }
}
