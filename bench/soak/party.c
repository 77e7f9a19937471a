#include "party.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOW_KEEPS HS2N_MS(100)
#define SLOW_LATER_EVERY 4
#define SLOW_BUSY_EVERY 64
#define ANSWER_AGAIN HS2N_MS(100)

static void print_log(void *user_data, enum hs2n_log_level level,
                      const char *event, const char *text) {
  const struct party *const p = user_data;

  if (level <= HS2N_LOG_ERROR) {
    fprintf(stderr, "hs2net-soak: %u %s %s\n", (unsigned)p->index, event, text);
  }
}

/* ---- what is kept ---------------------------------------------------------
 */

static void keep(struct party *p, const struct kept *k) {
  p->kept[(p->first + p->count) % KEPT_MAX] = *k;
  p->count++;
  if (k->body != NULL) {
    hs2n_buf_ref(k->body);
  }
}

/* What there is no room for is tried again. */
static void answer(struct party *p, const struct kept *k) {
  const struct hs2n_req req = {.from = k->from, .id = k->id};
  struct kept again = *k;
  struct hs2n_buf *body;
  uint8_t *data;
  int err = hs2n_buf_alloc(&body, p->mem, body_len(TYPE_ANSWER), &data);

  if (err != HS2N_OK) {
    p->unjudged++;
    return;
  }
  body_fill(TYPE_ANSWER, data,
            (struct body_head){.number = k->number, .from = p->index});
  err = hs2n_respond(p->node, req, 0, body);
  hs2n_buf_unref(body);
  if (err == HS2N_ERR_FULL && p->count < KEPT_MAX) {
    again.until = hs2n_io_now() + ANSWER_AGAIN;
    again.body = NULL;
    keep(p, &again);
  } else {
    p->unjudged += err != HS2N_OK;
  }
}

static void release_one(struct party *p) {
  const struct kept k = p->kept[p->first];

  p->first = (p->first + 1) % KEPT_MAX;
  p->count--;
  if (k.judge) {
    ledger_taken(p->ledger, k.number, p->index);
    p->unjudged += hs2n_judge(p->node, k.from, k.id, HS2N_ACCEPT, 0) != HS2N_OK;
  }
  if (k.answers) {
    answer(p, &k);
  }
  hs2n_buf_unref(k.body);
}

bool party_release(struct party *p, hs2n_time now) {
  size_t n = 0;

  for (size_t had = p->count; n < had && p->kept[p->first].until <= now; n++) {
    release_one(p);
  }
  return n > 0;
}

/* ---- upcalls --------------------------------------------------------------
 */

static uint32_t index_of(const struct party *p, struct hs2n_peer peer) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    if ((p->known & (1u << i)) != 0 && p->handles[i].v == peer.v) {
      return i;
    }
  }
  return PARTIES;
}

static bool is_ahead(const struct party *p, const struct hs2n_msg *msg) {
  return (msg->flags & HS2N_MSG_VIEW_BOUND) != 0 && msg->view > p->view;
}

static enum hs2n_verdict decide(struct party *p, struct kept *k,
                                const struct hs2n_msg *msg) {
  p->calls++;
  if (p->count == KEPT_MAX) {
    return HS2N_ACCEPT;
  }
  if (p->manner == MANNER_STOPPED && p->stopped) {
    k->until = HS2N_TIME_NEVER;
    k->judge = true;
  } else if (is_ahead(p, msg)) {
    return HS2N_HOLD;
  } else if (p->manner == MANNER_SLOW) {
    if (p->calls % SLOW_BUSY_EVERY == 0) {
      return HS2N_BUSY;
    }
    k->until = hs2n_io_now() + SLOW_KEEPS;
    k->judge = p->calls % SLOW_LATER_EVERY == 1;
  } else {
    return HS2N_ACCEPT;
  }
  keep(p, k);
  return k->judge ? HS2N_LATER : HS2N_ACCEPT;
}

/* A body that bears another's number is as wrong as none. */
static uint64_t number_of(const struct party *p, struct hs2n_peer from,
                          struct body_head head) {
  return head.from == index_of(p, from) ? head.number : 0;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct party *const p = self;
  const struct body_head head = body_read(msg);
  const uint64_t number = number_of(p, from, head);
  struct kept k = {.body = msg->body, .from = from, .id = id, .number = number};
  const enum hs2n_verdict verdict = decide(p, &k, msg);

  if (verdict == HS2N_BUSY) {
    return verdict;
  }
  ledger_seen(p->ledger, number, (uint32_t)head.from, p->index, id);
  if (verdict == HS2N_ACCEPT) {
    ledger_taken(p->ledger, number, p->index);
  } else if (verdict == HS2N_HOLD) {
    ledger_held(p->ledger, number, p->index);
  }
  return verdict;
}

/* Of the SYNC lane's order nothing is asked: who is asked second gets a
 * question late. */
static enum hs2n_verdict on_request(void *self, struct hs2n_peer from,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  struct party *const p = self;
  const struct body_head head = body_read(msg);
  struct hs2n_msg_id id = req.id;
  struct kept k = {.from = from,
                   .id = req.id,
                   .number = number_of(p, from, head),
                   .answers = true};

  p->calls++;
  if (p->count == KEPT_MAX ||
      (p->manner == MANNER_SLOW && p->calls % SLOW_BUSY_EVERY == 0)) {
    return HS2N_BUSY; /* it goes to another */
  }
  id.unordered = true;
  ledger_seen(p->ledger, k.number, (uint32_t)head.from, p->index, id);
  if (p->manner == MANNER_SLOW) {
    k.until = hs2n_io_now() + SLOW_KEEPS;
    keep(p, &k);
  } else if (p->manner == MANNER_STOPPED && p->stopped) {
    k.until = HS2N_TIME_NEVER;
    keep(p, &k);
  } else {
    answer(p, &k);
  }
  return HS2N_ACCEPT;
}

static enum hs2n_verdict on_response(void *self, struct hs2n_peer from,
                                     struct hs2n_msg_id id, struct hs2n_tag tag,
                                     uint32_t status,
                                     const struct hs2n_msg *msg) {
  struct party *const p = self;
  const uint64_t number = number_of(p, from, body_read(msg));

  (void)id;
  (void)status;
  return ledger_answered(p->ledger, p->index, tag, number) ? HS2N_ACCEPT
                                                           : HS2N_REJECT;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct party *const p = self;
  uint32_t acked = 0;

  for (size_t i = 0; i < done->acked_count; i++) {
    acked |= 1u << index_of(p, done->acked[i]);
  }
  ledger_done(p->ledger, p->index, tag, done->outcome, acked);
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct party *const p = self;
  const uint32_t bit = 1u << index_of(p, peer);

  (void)reason;
  if (state == HS2N_PEER_UP) {
    p->up |= bit;
  } else if (state == HS2N_PEER_DOWN) {
    p->up &= ~bit;
  } else if (state == HS2N_PEER_WRITABLE && (p->full & bit) != 0) {
    p->full &= ~bit;
    p->writables++;
  }
}

/* ---- life -----------------------------------------------------------------
 */

static void set_limits(struct hs2n_limits *limits, uint32_t idle_ms) {
  hs2n_limits_default(limits);
  limits->peers_max = PARTIES;
  limits->idle_ms = idle_ms;
  limits->keep_alive_ms = idle_ms / 4;
  limits->handshake_ms = 10000; /* a busy machine */
  limits->backoff_min_ms = 50;
  limits->backoff_max_ms = 500;
  limits->new_per_source_per_s = 100000;
  limits->new_per_source_burst = 100000;
  limits->tx_queue_bytes_max = 3u << 20;
  limits->tags_max = LEDGER_OPENS;
}

static bool open_io(struct party *p, uint32_t idle_ms) {
  const struct hs2n_consensus consensus = {.struct_size = sizeof(consensus),
                                           .self = p,
                                           .on_message = on_message,
                                           .on_done = on_done,
                                           .on_peer = on_peer,
                                           .on_request = on_request,
                                           .on_response = on_response};
  struct hs2n_io_config io_config;
  struct hs2n_config config;
  struct hs2n_limits limits;
  const char *field = "";
  int err;

  hs2n_io_config_default(&io_config);
  if (hs2n_addr_parse("127.0.0.1:0", &io_config.listen) != HS2N_OK) {
    return false;
  }
  io_config.log = print_log;
  io_config.log_data = p;
  set_limits(&limits, idle_ms);
  hs2n_config_default(&config);
  config.mem = p->mem;
  config.limits = &limits;
  config.consensus = &consensus;
  config.identity = p->identity;
  config.chain_id = "soak";
  config.types = body_types;
  config.types_n = TYPES_N;
  config.log = print_log;
  config.log_data = p;
  err = hs2n_io_new(&p->io, &io_config, &config, &field);
  if (err != HS2N_OK) {
    fprintf(stderr, "hs2net-soak: no node: %s %s\n", hs2n_err_name(err), field);
  }
  return err == HS2N_OK;
}

bool party_open(struct party *p, const struct party_config *config) {
  *p = (struct party){.index = config->index,
                      .manner = config->manner,
                      .ledger = config->ledger,
                      .mem = config->mem};
  p->kept = malloc(KEPT_MAX * sizeof(*p->kept));
  if (p->kept == NULL) {
    return false;
  }
  for (size_t i = 0; i < KEPT_MAX; i++) {
    p->kept[i] = (struct kept){.until = HS2N_TIME_NEVER};
  }
  if (hs2n_identity_generate(&p->identity, hs2n_mem_libc(), hs2n_rand_system,
                             NULL) != HS2N_OK ||
      !open_io(p, config->idle_ms)) {
    return false;
  }
  p->node = hs2n_io_node(p->io);
  return true;
}

void party_close(struct party *p) {
  for (; p->count > 0; p->count--) {
    hs2n_buf_unref(p->kept[p->first].body);
    p->first = (p->first + 1) % KEPT_MAX;
  }
  hs2n_io_free(p->io);
  hs2n_identity_free(p->identity);
  free(p->kept);
  p->io = NULL;
  p->identity = NULL;
  p->kept = NULL;
}

bool party_join(struct party *p, const struct party_peer *peers, size_t n) {
  struct hs2n_member members[PARTIES] = {{.weight = 0}};

  for (size_t i = 0; i < n; i++) {
    members[i] =
        (struct hs2n_member){.key = hs2n_identity_key(peers[i].party->identity),
                             .weight = 1,
                             .addrs = &peers[i].addr,
                             .addrs_n = 1};
  }
  if (hs2n_set_members(p->node, 1, members, n, 0) != HS2N_OK) {
    return false;
  }
  for (size_t i = 0; i < n; i++) {
    const struct hs2n_peer_id id = hs2n_key_peer_id(&members[i].key);
    const uint32_t index = peers[i].party->index;

    if (index == p->index) {
      continue;
    }
    if (hs2n_peer_find(p->node, &id, &p->handles[index]) != HS2N_OK) {
      return false;
    }
    p->known |= 1u << index;
  }
  return true;
}

bool party_enter_view(struct party *p, uint64_t view) {
  if (p->manner == MANNER_STOPPED && p->stopped) {
    return true;
  }
  p->view = view;
  p->ledger->views[p->index] = view;
  return hs2n_enter_view(p->node, view, NULL, 0) == HS2N_OK;
}

/* ---- sending --------------------------------------------------------------
 */

static int send_to(struct party *p, uint32_t to, uint64_t number,
                   struct hs2n_msg *msg) {
  const bool asks = msg->type == TYPE_ASK;
  struct hs2n_peer peers[PARTIES];
  struct hs2n_dst dst = {.kind = HS2N_DST_SOME, .peers = peers};
  struct ledger_message m = {.number = number,
                             .from = p->index,
                             .to = to,
                             .view = LEDGER_NO_VIEW,
                             .is_request = asks};
  struct hs2n_tag tag;
  int err;

  for (uint32_t i = 0; i < PARTIES; i++) {
    if ((to & (1u << i)) != 0) {
      peers[dst.count++] = p->handles[i];
    }
  }
  if ((msg->flags & HS2N_MSG_QUORUM) != 0) {
    m.quorum = (uint32_t)(2 * dst.count / 3 + 1);
    msg->quorum_weight = m.quorum;
  }
  if ((msg->flags & HS2N_MSG_VIEW_BOUND) != 0) {
    m.view = msg->view;
  }
  err = asks ? hs2n_request(p->node, &dst, msg, &tag)
             : hs2n_send(p->node, &dst, msg, &tag);
  if (err == HS2N_OK) {
    ledger_accepted(p->ledger, &m, tag);
  }
  return err;
}

/* One of them is full and the send does not say who: each by itself. */
static bool send_singly(struct party *p, uint32_t to, uint64_t number,
                        struct hs2n_msg *msg) {
  for (uint32_t i = 0; i < PARTIES; i++) {
    const uint32_t bit = to & (1u << i);
    const int err = bit == 0 ? HS2N_OK : send_to(p, bit, number, msg);

    if (err == HS2N_ERR_FULL) {
      p->full |= bit;
    } else if (err != HS2N_OK) {
      return false;
    }
  }
  return true;
}

bool party_send(struct party *p, uint32_t to, const struct party_message *m) {
  const uint64_t number = ledger_number(p->ledger);
  const bool asks = m->type == TYPE_ASK;
  struct hs2n_msg msg = {.type = m->type,
                         .flags = m->flags,
                         .view = p->view + 1,
                         .deadline = m->deadline};
  uint8_t *data;
  int err;

  to &= p->known & ~p->full;
  if (to == 0 || number == 0) {
    return true; /* the next one has better luck */
  }
  if (!asks && (m->flags & HS2N_MSG_QUORUM) == 0) {
    msg.flags |= HS2N_MSG_ACK;
  }
  if (hs2n_buf_alloc(&msg.body, p->mem, body_len(m->type), &data) != HS2N_OK) {
    return false;
  }
  body_fill(m->type, data,
            (struct body_head){.number = number, .from = p->index});
  err = send_to(p, to, number, &msg);
  if (err == HS2N_ERR_FULL && asks) {
    err = HS2N_OK; /* not now */
  } else if (err == HS2N_ERR_FULL) {
    err = send_singly(p, to, number, &msg) ? HS2N_OK : HS2N_ERR_STATE;
  }
  hs2n_buf_unref(msg.body);
  return err == HS2N_OK;
}
