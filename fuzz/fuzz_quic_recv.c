/* Bytes become what happens to an endpoint that has a live connection:
 * datagrams of strangers, bent packets of its peer, time, and packets of the
 * peer with any frames in them.  TLS is real; packets are not encrypted, so
 * that the fuzzer needs no keys to be believed.
 *
 * Nothing may crash, leak, grow beyond bounds, or answer a stranger with more
 * than three times its bytes. */
#include "quic/endpoint.h"

#include <stdlib.h>
#include <string.h>

#define PEERS 2
#define HELD_MAX 64
#define PACKET_MAX 1500
#define LIVE_BYTES_MAX ((int64_t)24 << 20)
#define OPS_MAX 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(int good) {
  if (!good) {
    abort();
  }
}

/* ---- two endpoints ------------------------------------------------------ */

struct packet {
  struct hs2n_addr from, to;
  size_t len;
  uint8_t bytes[PACKET_MAX];
};

struct peer {
  struct hs2ni_env env;
  struct hs2n_mem mem;
  int64_t live_bytes;
  struct hs2ni_rng secrets;
  struct hs2n_identity *identity;
  struct hs2ni_tls *tls;
  struct hs2ni_link *link;
  struct hs2n_addr addr;
  struct hs2ni_conn *conn; /* the one that lives on */
  uint64_t stream;
  size_t to_send;
  int blocked;
};

struct world {
  struct peer peers[PEERS];
  struct packet held[HELD_MAX]; /* on their way */
  size_t held_n;
  uint64_t stranger_in, stranger_out;
  uint32_t packet_number;
};

static uint8_t zeros[4096];

static void *take(void *user_data, size_t len) {
  struct peer *p = user_data;

  p->live_bytes += (int64_t)len;
  expect(p->live_bytes <= LIVE_BYTES_MAX);
  return calloc(1, len);
}

static void give(void *user_data, void *ptr, size_t len) {
  struct peer *p = user_data;

  if (ptr != NULL) {
    p->live_bytes -= (int64_t)len;
  }
  free(ptr);
}

static int secret(void *user_data, uint8_t *out, size_t len) {
  struct peer *p = user_data;

  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)hs2ni_rng_next(&p->secrets);
  }
  return 0;
}

/* ---- the user ----------------------------------------------------------- */

static enum hs2n_reason on_accept(void *ctx, struct hs2ni_conn *conn,
                                  const struct hs2n_key *key,
                                  const struct hs2n_addr *remote,
                                  void **out_user) {
  struct peer *p = ctx;

  (void)key;
  (void)remote;
  if (p->conn != NULL) {
    return HS2N_REASON_DUPLICATE;
  }
  p->conn = conn;
  *out_user = p;
  return HS2N_REASON_NONE;
}

static void on_up(void *user) {
  (void)user;
}

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct peer *p = user;

  (void)why;
  p->conn = NULL;
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct peer *p = user;

  expect(p->conn != NULL);
  if (fin && stream % 16 == 2) {
    p->conn->ops->stream_stop(p->conn, stream, 1);
  }
  p->conn->ops->credit(p->conn, stream, bytes.len);
}

static void on_datagram(void *user, struct hs2n_span bytes) {
  const struct peer *p = user;

  (void)bytes;
  expect(p->conn != NULL);
}

static void on_code(void *user, uint64_t stream, uint64_t code) {
  const struct peer *p = user;

  (void)stream;
  (void)code;
  expect(p->conn != NULL);
}

static void on_stopped(void *user, uint64_t stream, uint64_t code) {
  struct peer *p = user;

  (void)code;
  if (stream == p->stream) {
    p->to_send = 0;
  }
}

static void on_done(void *user, uint64_t stream) {
  (void)user;
  (void)stream;
}

static void on_credit(void *user) {
  struct peer *p = user;

  p->blocked = 0;
  p->conn->ops->want_tx(p->conn, HS2NI_RANK_FIRST);
}

static bool next(void *user, struct hs2ni_chunk *out) {
  const struct peer *p = user;

  if (p->to_send == 0 || p->blocked) {
    return false;
  }
  out->stream = p->stream;
  out->parts[0] = (struct hs2n_span){zeros, p->to_send};
  out->parts_n = 1;
  out->fin = true;
  return true;
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  struct peer *p = user;

  (void)stream;
  p->to_send = fin ? 0 : p->to_send - len;
}

static void blocked(void *user, uint64_t stream) {
  struct peer *p = user;

  (void)stream;
  p->blocked = 1;
}

static const struct hs2ni_link_user user_ops = {
    .on_accept = on_accept,
    .on_up = on_up,
    .on_closed = on_closed,
    .on_data = on_data,
    .on_datagram = on_datagram,
    .on_reset = on_code,
    .on_stopped = on_stopped,
    .on_acked = on_code,
    .on_done = on_done,
    .on_credit = on_credit,
    .next = next,
    .sent = sent,
    .blocked = blocked,
};

/* ---- packets without protection ----------------------------------------- */

static int seal(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *plain,
                size_t len, const uint8_t *nonce, size_t noncelen,
                const uint8_t *aad, size_t aadlen) {
  (void)ctx;
  (void)nonce;
  (void)noncelen;
  (void)aad;
  (void)aadlen;
  memmove(dest, plain, len);
  memset(dest + len, 0, aead->max_overhead);
  return 0;
}

static int unseal(uint8_t *dest, const ngtcp2_crypto_aead *aead,
                  const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *sealed,
                  size_t len, const uint8_t *nonce, size_t noncelen,
                  const uint8_t *aad, size_t aadlen) {
  (void)ctx;
  (void)nonce;
  (void)noncelen;
  (void)aad;
  (void)aadlen;
  if (len < aead->max_overhead) {
    return NGTCP2_ERR_DECRYPT;
  }
  memmove(dest, sealed, len - aead->max_overhead);
  return 0;
}

static int mask(uint8_t *dest, const ngtcp2_crypto_cipher *hp,
                const ngtcp2_crypto_cipher_ctx *ctx, const uint8_t *sample) {
  (void)hp;
  (void)ctx;
  (void)sample;
  memset(dest, 0, NGTCP2_HP_MASKLEN);
  return 0;
}

static void start(struct world *w, size_t i) {
  struct peer *p = &w->peers[i];
  struct hs2ni_quic_config config = {
      .env = &p->env, .user = &user_ops, .user_ctx = p, .reset_key = {1}};
  struct hs2ni_tls_config tls = {
      .env = &p->env, .chain_id = "fuzz", .unix_time_s = 1790000000};
  ngtcp2_callbacks *callbacks;

  p->mem = (struct hs2n_mem){.user_data = p, .alloc = take, .release = give};
  hs2ni_rng_seed(&p->secrets, 7 + i);
  hs2ni_rng_seed(&p->env.rng, 9 + i);
  hs2n_limits_default(&p->env.limits);
  p->env.limits.peers_max = 4;
  p->env.limits.half_open_max = 16;
  p->env.limits.half_open_free_max = 4;
  p->env.mem = &p->mem;
  p->env.now = HS2N_S(1);
  p->env.rand = secret;
  p->env.rand_data = p;
  p->addr = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                               .ip = {10, 0, 0, (uint8_t)(i + 1)},
                               .port = 7000};
  expect(hs2n_identity_generate(&p->identity, &p->mem, secret, p) == HS2N_OK);
  tls.identity = p->identity;
  expect(hs2ni_tls_new(&p->tls, &tls) == HS2N_OK);
  config.tls = p->tls;
  config.local = p->addr;
  expect(hs2ni_quic_new(&p->link, &config) == HS2N_OK);
  callbacks = &hs2ni_quic_of(p->link)->callbacks;
  callbacks->encrypt = seal;
  callbacks->decrypt = unseal;
  callbacks->hp_mask = mask;
}

static void stop(struct peer *p) {
  p->link->ops->free(p->link);
  hs2ni_tls_free(p->tls);
  hs2n_identity_free(p->identity);
  expect(p->live_bytes == 0);
}

/* ---- the pipe ----------------------------------------------------------- */

static bool is_peer(const struct world *w, const struct hs2n_addr *a) {
  return a->ip[3] == w->peers[0].addr.ip[3] ||
         a->ip[3] == w->peers[1].addr.ip[3];
}

static void hold(struct world *w, const struct peer *from,
                 const struct hs2n_tx *tx) {
  for (size_t at = 0; at < tx->len; at += tx->segment_len) {
    const size_t left = tx->len - at;
    const size_t len = left < tx->segment_len ? left : tx->segment_len;
    struct packet *p = &w->held[w->held_n];

    if (!is_peer(w, &tx->remote)) {
      w->stranger_out += len;
    } else if (w->held_n < HELD_MAX && len <= PACKET_MAX) {
      *p = (struct packet){.from = from->addr, .to = tx->remote, .len = len};
      memcpy(p->bytes, tx->data + at, len);
      w->held_n++;
    }
  }
}

static void drain(struct world *w) {
  static uint8_t memory[65536];

  for (size_t i = 0; i < PEERS; i++) {
    struct peer *p = &w->peers[i];
    struct hs2n_tx tx = {.data = memory, .capacity = sizeof(memory)};

    while (p->link->ops->poll_tx(p->link, &tx, 1) == 1) {
      expect(tx.len > 0 && tx.segment_len > 0 && tx.len <= sizeof(memory));
      hold(w, p, &tx);
      tx = (struct hs2n_tx){.data = memory, .capacity = sizeof(memory)};
    }
  }
  expect(w->stranger_out <= 3 * w->stranger_in);
}

static void recv_at(struct world *w, size_t i, const struct hs2n_addr *from,
                    const uint8_t *bytes, size_t len) {
  struct peer *p = &w->peers[i];
  const struct hs2n_rx rx = {
      .local = p->addr, .remote = *from, .data = bytes, .len = len};

  if (!is_peer(w, from)) {
    w->stranger_in += len;
  }
  p->link->ops->recv(p->link, &rx, 1);
  drain(w);
}

static void deliver_first(struct world *w) {
  static struct packet p;

  if (w->held_n == 0) {
    return;
  }
  p = w->held[0];
  memmove(w->held, w->held + 1, --w->held_n * sizeof(w->held[0]));
  recv_at(w, p.to.ip[3] == 1 ? 0 : 1, &p.from, p.bytes, p.len);
}

static void deliver_all(struct world *w) {
  for (unsigned i = 0; i < 100 && w->held_n > 0; i++) {
    deliver_first(w);
  }
}

static void pass_time(struct world *w, uint32_t ms) {
  for (size_t i = 0; i < PEERS; i++) {
    struct peer *p = &w->peers[i];

    p->env.now += HS2N_MS(ms);
    p->link->ops->tick(p->link);
  }
  drain(w);
}

/* ---- input to deeds ----------------------------------------------------- */

struct input {
  const uint8_t *at;
  size_t left;
};

static uint32_t number(struct input *in, size_t bytes) {
  uint32_t v = 0;

  while (bytes > 0 && in->left > 0) {
    v = v << 8 | *in->at;
    in->at++;
    in->left--;
    bytes--;
  }
  return v;
}

static size_t piece(struct input *in, uint8_t *out, size_t max) {
  size_t len = number(in, 2) % (max + 1);

  if (len > in->left) {
    len = in->left;
  }
  memcpy(out, in->at, len);
  in->at += len;
  in->left -= len;
  return len;
}

/* A short packet of the peer with the frames of the input. */
static void frames(struct world *w, struct input *in) {
  const struct peer *to = &w->peers[1];
  uint8_t bytes[PACKET_MAX] = {0x43};
  size_t len = 1 + HS2NI_QUIC_CID_LEN;

  if (to->conn == NULL) {
    return;
  }
  memcpy(bytes + 1, hs2ni_quic_conn_of(to->conn)->cids[0], HS2NI_QUIC_CID_LEN);
  w->packet_number += 1 + number(in, 1) % 3;
  for (size_t i = 0; i < 4; i++) {
    bytes[len++] = (uint8_t)(w->packet_number >> (24 - 8 * i) & 0xffu);
  }
  len += piece(in, bytes + len, PACKET_MAX - len - 16);
  memset(bytes + len, 0, 16);
  recv_at(w, 1, &w->peers[0].addr, bytes, len + 16);
}

static void datagram(struct world *w, struct input *in, bool stranger) {
  struct hs2n_addr from = w->peers[0].addr;
  uint8_t bytes[PACKET_MAX] = {0};
  size_t len = piece(in, bytes, PACKET_MAX);

  if (stranger) {
    from.ip[3] = (uint8_t)(9 + number(in, 1) % 16);
    if (len > 6 && (bytes[0] & 0x80u) != 0 && len < 1200) {
      len = 1200; /* what a first packet must have */
    }
  }
  recv_at(w, 1, &from, bytes, len);
}

static void bend(struct world *w, struct input *in) {
  const uint32_t at = number(in, 2);
  const uint32_t by = number(in, 1);

  if (w->held_n > 0) {
    w->held[0].bytes[at % w->held[0].len] ^= (uint8_t)by;
    deliver_first(w);
  }
}

static void send_some(struct world *w, struct input *in) {
  struct peer *p = &w->peers[number(in, 1) % PEERS];

  if (p->conn == NULL || p->to_send > 0) {
    return;
  }
  if (p->conn->ops->stream_open(p->conn, &p->stream) == HS2N_OK) {
    p->to_send = number(in, 2) % sizeof(zeros);
    p->conn->ops->want_tx(p->conn, HS2NI_RANK_FIRST);
  }
  drain(w);
}

static void deed(struct world *w, struct input *in) {
  switch (number(in, 1) % 8) {
  case 0:
    datagram(w, in, true);
    break;
  case 1:
    datagram(w, in, false);
    break;
  case 2:
  case 3:
    frames(w, in);
    break;
  case 4:
    bend(w, in);
    break;
  case 5:
    pass_time(w, number(in, 2) % 4000);
    break;
  case 6:
    send_some(w, in);
    break;
  default:
    deliver_all(w);
    break;
  }
}

static void connect_them(struct world *w) {
  struct peer *a = &w->peers[0];
  const struct hs2n_key key = hs2n_identity_key(w->peers[1].identity);

  expect(a->link->ops->dial(a->link, &w->peers[1].addr, &key, a, &a->conn) ==
         HS2N_OK);
  drain(w);
  for (unsigned i = 0; i < 5; i++) {
    deliver_all(w);
    pass_time(w, 10);
  }
  expect(w->peers[1].conn != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  static struct world w;
  struct input in = {data, len};

  memset(&w, 0, sizeof(w));
  start(&w, 0);
  start(&w, 1);
  connect_them(&w);
  w.packet_number = 1000;
  for (unsigned i = 0; i < OPS_MAX && in.left > 0; i++) {
    deed(&w, &in);
  }
  deliver_all(&w);
  stop(&w.peers[0]);
  stop(&w.peers[1]);
  return 0;
}
