#include "party.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_KEEPS HS2N_MS(100)
#define SLOW_LATER_EVERY 4
#define SLOW_BUSY_EVERY 64

static const struct hs2n_type types[] = {
    {.id = TYPE_VOTE,
     .lane = HS2N_LANE_VOTE,
     .size_max = VOTE_LEN,
     .name = "vote"},
    {.id = TYPE_PROPOSAL,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = PROPOSAL_LEN,
     .name = "proposal"},
    {.id = TYPE_BODY,
     .lane = HS2N_LANE_BULK,
     .size_max = BODY_LEN,
     .name = "body"},
};

static void print_log(void *user_data, enum hs2n_log_level level,
                      const char *event, const char *text) {
  const struct party *const p = user_data;

  if (level <= HS2N_LOG_ERROR) {
    fprintf(stderr, "hs2net-soak: %u %s %s\n", (unsigned)p->index, event, text);
  }
}

/* ---- bodies ---------------------------------------------------------------
 */

struct head {
  uint64_t number;
  uint64_t from;
};

static uint64_t word_at(uint64_t number, size_t i) {
  return (number + i) * UINT64_C(0x9e3779b97f4a7c15);
}

/* The head, then words that follow from the number; the odd rest is 0. */
static void fill(uint8_t *out, size_t len, struct head head) {
  memcpy(out, &head, sizeof(head));
  memset(out + len - len % 8, 0, len % 8);
  for (size_t i = sizeof(head) / 8; i < len / 8; i++) {
    const uint64_t word = word_at(head.number, i);

    memcpy(out + 8 * i, &word, 8);
  }
}

static size_t len_of(uint8_t type) {
  return type == TYPE_VOTE       ? VOTE_LEN
         : type == TYPE_PROPOSAL ? PROPOSAL_LEN
                                 : BODY_LEN;
}

/* The head of a body that is whole; of any other its number is 0. */
static struct head read_body(const struct hs2n_msg *msg) {
  struct hs2n_span body = {.len = 0};
  struct head head = {.number = 0};

  if (msg->body != NULL) {
    body = hs2n_buf_span(msg->body);
  }
  if (body.len != len_of(msg->type)) {
    return head;
  }
  memcpy(&head, body.data, sizeof(head));
  for (size_t i = sizeof(head) / 8; i < body.len / 8; i++) {
    const uint64_t word = word_at(head.number, i);

    if (memcmp(body.data + 8 * i, &word, 8) != 0) {
      return (struct head){.number = 0};
    }
  }
  return head;
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

static void release_one(struct party *p) {
  const struct kept k = p->kept[p->first];

  p->first = (p->first + 1) % KEPT_MAX;
  p->count--;
  if (k.judge) {
    ledger_taken(p->ledger, k.number, p->index);
    p->unjudged += hs2n_judge(p->node, k.from, k.id, HS2N_ACCEPT, 0) != HS2N_OK;
  }
  hs2n_buf_unref(k.body);
}

bool party_release(struct party *p, hs2n_time now) {
  bool any = false;

  while (p->count > 0 && p->kept[p->first].until <= now) {
    release_one(p);
    any = true;
  }
  return any;
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

static enum hs2n_verdict decide(struct party *p, struct kept *k) {
  p->calls++;
  if (p->count == KEPT_MAX) {
    return HS2N_ACCEPT;
  }
  if (p->manner == MANNER_STOPPED && p->stopped) {
    k->until = HS2N_TIME_NEVER;
    k->judge = true;
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

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct party *const p = self;
  const struct head head = read_body(msg);
  struct kept k = {
      .body = msg->body, .from = from, .id = id, .number = head.number};
  const enum hs2n_verdict verdict = decide(p, &k);

  if (verdict == HS2N_BUSY) {
    return verdict;
  }
  /* A body that bears another's number is as wrong as none. */
  ledger_seen(p->ledger, head.from == index_of(p, from) ? head.number : 0,
              (uint32_t)head.from, p->index, id);
  if (verdict == HS2N_ACCEPT) {
    ledger_taken(p->ledger, head.number, p->index);
  }
  return verdict;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct party *const p = self;

  ledger_done(p->ledger, p->index, tag, done->outcome);
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
                                           .on_peer = on_peer};
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
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
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

/* ---- sending --------------------------------------------------------------
 */

static int send_to(struct party *p, uint32_t to, uint64_t number,
                   const struct hs2n_msg *msg) {
  struct hs2n_peer peers[PARTIES];
  struct hs2n_dst dst = {.kind = HS2N_DST_SOME, .peers = peers};
  struct hs2n_tag tag;
  int err;

  for (uint32_t i = 0; i < PARTIES; i++) {
    if ((to & (1u << i)) != 0) {
      peers[dst.count++] = p->handles[i];
    }
  }
  err = hs2n_send(p->node, &dst, msg, &tag);
  if (err == HS2N_OK) {
    ledger_accepted(p->ledger, number, p->index, to, tag);
  }
  return err;
}

/* One of them is full and the send does not say who: each by itself. */
static bool send_singly(struct party *p, uint32_t to, uint64_t number,
                        const struct hs2n_msg *msg) {
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
  struct hs2n_msg msg = {.type = m->type,
                         .flags = m->flags | HS2N_MSG_ACK,
                         .deadline = m->deadline};
  uint8_t *data;
  int err;

  to &= p->known & ~p->full;
  if (to == 0 || number == 0) {
    return true; /* the next one has better luck */
  }
  if (hs2n_buf_alloc(&msg.body, p->mem, m->len, &data) != HS2N_OK) {
    return false;
  }
  fill(data, m->len, (struct head){.number = number, .from = p->index});
  err = send_to(p, to, number, &msg);
  if (err == HS2N_ERR_FULL) {
    err = send_singly(p, to, number, &msg) ? HS2N_OK : HS2N_ERR_STATE;
  }
  hs2n_buf_unref(msg.body);
  return err == HS2N_OK;
}
