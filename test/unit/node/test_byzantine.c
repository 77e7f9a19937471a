/* A member with a good key that says anything but what it should.  Its
 * transport and TLS are real; only the session on top is the test's. */
#include "netsim.h"
#include "quic/quic.h"
#include "tap.h"
#include "tcp/tcp.h"
#include "test_env.h"
#include "tls/tls.h"
#include "wire/hello.h"
#include "wire/record.h"

#include <stdlib.h>

#define SAY_MAX 5120
#define WIRE_MAX 65507

enum oddity {
  ODD_NOTHING,
  ODD_NO_FIN,      /* the stream is left open */
  ODD_RESET,       /* it is abandoned half way */
  ODD_STOP,        /* the node's own hello is not wanted */
  ODD_SECOND_PART, /* the second half goes on another stream */
  ODD_SLOW,        /* so does what is behind the hello, and does not end */
};

/* One node under test, and the liar, on a path without delay. */
struct world {
  struct netsim *sim;
  struct test_env t;
  struct hs2ni_tls *tls;
  struct hs2ni_link *link;
  struct hs2n_addr addr;
  struct hs2ni_conn *conn;
  enum oddity oddity;
  uint8_t say[SAY_MAX];
  size_t say_len;
  size_t hello_len; /* ODD_SLOW */
  size_t said[2];
  uint64_t stream[2];
  bool fin[2];
  bool acted;
  uint32_t heard_bytes; /* of the node, on any stream */
  bool closed;
  struct hs2ni_close why;
  uint8_t wire[WIRE_MAX];
};

/* ---- the liar's session
 * -------------------------------------------------------- */

static int parts(const struct world *w) {
  return w->oddity == ODD_SECOND_PART || w->oddity == ODD_SLOW ? 2 : 1;
}

static size_t part_len(const struct world *w, int part) {
  const size_t half = w->oddity == ODD_SLOW ? w->hello_len : w->say_len / 2;
  const size_t first = parts(w) == 2 ? half : w->say_len;

  return part == 0 ? first : w->say_len - first;
}

static void on_up(void *user) {
  struct world *w = user;

  CHECK_EQ(w->conn->ops->stream_open(w->conn, &w->stream[0]), HS2N_OK);
  if (parts(w) == 2) {
    CHECK_EQ(w->conn->ops->stream_open(w->conn, &w->stream[1]), HS2N_OK);
  }
  w->conn->ops->want_tx(w->conn, HS2NI_RANK_FIRST);
}

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct world *w = user;

  w->closed = true;
  w->why = *why;
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct world *w = user;

  (void)fin;
  w->heard_bytes += (uint32_t)bytes.len;
  w->conn->ops->credit(w->conn, stream, bytes.len);
  if (w->oddity == ODD_STOP && !w->acted) {
    w->acted = true;
    w->conn->ops->stream_stop(w->conn, stream, 1);
  }
}

static bool next(void *user, struct hs2ni_chunk *out) {
  struct world *w = user;

  for (int i = 0; i < parts(w); i++) {
    const size_t left = part_len(w, i) - w->said[i];
    const bool open =
        w->oddity == ODD_NO_FIN || (w->oddity == ODD_SLOW && i == 1);

    if (left > 0 || (!w->fin[i] && !open)) {
      const size_t at = w->said[i] + (i == 0 ? 0 : part_len(w, 0));

      out->stream = w->stream[i];
      out->parts[0] = (struct hs2n_span){w->say + at, left};
      out->parts_n = 1;
      out->fin = !open && w->oddity != ODD_RESET;
      return !(w->oddity == ODD_RESET && left == 0);
    }
  }
  return false;
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  struct world *w = user;
  const int i = w->stream[0] == stream ? 0 : 1;

  w->said[i] += len;
  w->fin[i] = fin;
}

static enum hs2n_reason on_accept(void *ctx, struct hs2ni_conn *conn,
                                  const struct hs2n_key *key,
                                  const struct hs2n_addr *remote,
                                  void **out_user) {
  (void)ctx, (void)conn, (void)key, (void)remote, (void)out_user;
  return HS2N_REASON_BUSY; /* it only dials */
}

static void on_datagram(void *user, struct hs2n_span bytes) {
  (void)user, (void)bytes;
}
static void on_code(void *user, uint64_t stream, uint64_t code) {
  (void)user, (void)stream, (void)code;
}
static void on_stream(void *user, uint64_t stream) {
  (void)user, (void)stream;
}
static void on_credit(void *user) {
  (void)user;
}

static const struct hs2ni_link_user liar = {
    .on_accept = on_accept,
    .on_up = on_up,
    .on_closed = on_closed,
    .on_data = on_data,
    .on_datagram = on_datagram,
    .on_reset = on_code,
    .on_stopped = on_code,
    .on_acked = on_code,
    .on_done = on_stream,
    .on_credit = on_credit,
    .next = next,
    .sent = sent,
    .blocked = on_stream,
};

/* ---- the world
 * ------------------------------------------------------------------- */

static const struct hs2n_type types[] = {
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 1000},
    {.id = 2,
     .lane = HS2N_LANE_BULK,
     .size_max = 100000,
     .compression = HS2N_COMPRESSION_LZ4},
};

static int link_new(struct world *w) {
  if (over_transport() == HS2N_TRANSPORT_TCP) {
    return hs2ni_tcp_new(&w->link, &(struct hs2ni_tcp_config){.env = &w->t.env,
                                                              .tls = w->tls,
                                                              .user = &liar,
                                                              .user_ctx = w});
  }
  return hs2ni_quic_new(&w->link,
                        &(struct hs2ni_quic_config){.env = &w->t.env,
                                                    .tls = w->tls,
                                                    .user = &liar,
                                                    .user_ctx = w,
                                                    .local = w->addr,
                                                    .reset_key = {1}});
}

static struct world *world_new(const uint8_t *say, size_t len,
                               enum oddity oddity) {
  struct netsim_config c = netsim_config(2, 1);
  struct world *w = calloc(1, sizeof(*w));
  struct hs2n_member m;

  c.limits.handshake_ms = 1000;
  c.types = types;
  c.types_n = 2;
  w->sim = netsim_new(&c);
  w->oddity = oddity;
  memcpy(w->say, say, len);
  w->say_len = len;
  test_env_init(&w->t, 0, 5);
  w->t.env.now = netsim_now(w->sim);
  w->addr = netsim_node(w->sim, 1)->addr;
  CHECK_EQ(hs2ni_tls_new(&w->tls,
                         &(struct hs2ni_tls_config){
                             .env = &w->t.env,
                             .identity = netsim_node(w->sim, 1)->identity,
                             .chain_id = "sim",
                             .unix_time_s = 1700000000}),
           HS2N_OK);
  CHECK_EQ(link_new(w), HS2N_OK);
  CHECK_EQ(netsim_start(w->sim, 0), HS2N_OK);
  m = netsim_member(w->sim, 1);
  m.addrs_n = 0;
  CHECK_EQ(
      hs2n_set_members(netsim_node(w->sim, 0)->node, NETSIM_EPOCH, &m, 1, 0),
      HS2N_OK);
  CHECK_EQ(w->link->ops->dial(w->link, &netsim_node(w->sim, 0)->addr,
                              &netsim_node(w->sim, 0)->key, w, &w->conn),
           HS2N_OK);
  return w;
}

static void world_free(struct world *w) {
  w->link->ops->free(w->link);
  hs2ni_tls_free(w->tls);
  CHECK_EQ(w->t.mem.live_bytes, 0);
  netsim_kill(w->sim, 0);
  CHECK_EQ(netsim_node(w->sim, 0)->mem.live_bytes, 0);
  netsim_free(w->sim);
  free(w);
}

/* What one end sends is what the other gets, on a path without delay.  Over
 * TCP there is one pipe, which the liar opens and the node accepts. */
static struct hs2n_rx carried(const struct hs2n_tx *tx,
                              const struct hs2n_addr *from,
                              const struct hs2n_addr *to) {
  return (struct hs2n_rx){.local = *to,
                          .remote = *from,
                          .kind = tx->kind,
                          .data = tx->data,
                          .len = tx->len,
                          .segment_len = tx->segment_len,
                          .pipe =
                              tx->kind == HS2N_IO_DATAGRAM ? 0 : tx->pipe ^ 1u};
}

/* What the driver says at once to who has opened or written. */
static bool answered(const struct hs2n_tx *tx, struct hs2n_rx *out) {
  *out = (struct hs2n_rx){.kind = tx->kind == HS2N_IO_BYTES ? HS2N_IO_SENT
                                                            : HS2N_IO_OPEN,
                          .remote = tx->remote,
                          .len = tx->kind == HS2N_IO_BYTES ? tx->len : 0,
                          .pipe = tx->pipe};
  return tx->kind == HS2N_IO_BYTES || tx->kind == HS2N_IO_OPEN;
}

static void to_node(struct world *w, const struct hs2n_rx *rx) {
  hs2n_node_recv(netsim_node(w->sim, 0)->node, rx, 1, w->t.env.now);
}

static void to_liar(struct world *w, const struct hs2n_rx *rx) {
  w->link->ops->recv(w->link, rx, 1);
}

static size_t carry_to_node(struct world *w) {
  struct hs2n_tx tx = {.data = w->wire, .capacity = WIRE_MAX};
  const size_t n = w->link->ops->poll_tx(w->link, &tx, 1);
  struct hs2n_rx rx;

  if (n > 0) {
    rx = carried(&tx, &w->addr, &netsim_node(w->sim, 0)->addr);
    to_node(w, &rx);
    if (answered(&tx, &rx)) {
      to_liar(w, &rx);
    }
  }
  return n;
}

static size_t carry_to_liar(struct world *w) {
  struct hs2n_node *node = netsim_node(w->sim, 0)->node;
  struct hs2n_tx tx = {.data = w->wire, .capacity = WIRE_MAX};
  const size_t n = hs2n_node_poll_tx(node, &tx, 1, w->t.env.now);
  struct hs2n_rx rx;

  if (n > 0) {
    rx = carried(&tx, &netsim_node(w->sim, 0)->addr, &w->addr);
    to_liar(w, &rx);
    if (answered(&tx, &rx)) {
      to_node(w, &rx);
    }
  }
  return n;
}

static void abandon_stream(struct world *w) {
  if (w->oddity == ODD_RESET && !w->acted && w->said[0] == w->say_len &&
      w->say_len > 0) {
    w->acted = true;
    w->conn->ops->stream_reset(w->conn, w->stream[0], 1);
  }
}

static void world_run(struct world *w, hs2n_time length) {
  const hs2n_time end = w->t.env.now + length;

  for (; w->t.env.now < end && !w->closed; w->t.env.now += HS2N_MS(1)) {
    w->link->ops->tick(w->link);
    hs2n_node_tick(netsim_node(w->sim, 0)->node, w->t.env.now);
    while (!w->closed && carry_to_node(w) + carry_to_liar(w) > 0) {
    }
    if (!w->closed) {
      abandon_stream(w);
    }
  }
}

/* ---- what it says
 * ------------------------------------------------------------------ */

static struct hs2ni_hello good_hello(void) {
  return (struct hs2ni_hello){
      .chain_id = {(const uint8_t *)"sim", 3},
      .version_min = HS2NI_PROTOCOL_MIN,
      .version_max = HS2NI_PROTOCOL_MAX,
      .incarnation = 1,
      .types_n = 1,
      .types = {{.id = 1, .lane = 1, .size_max = 1000}},
  };
}

static size_t write_hello(const struct hs2ni_hello *hello,
                          uint8_t out[SAY_MAX]) {
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_HELLO};
  uint8_t head_bytes[HS2NI_HEAD_MAX];
  const size_t n = hs2ni_head_encode(&head, head_bytes);
  const int len = hs2ni_hello_encode(hello, out + n);

  memcpy(out, head_bytes, n);
  CHECK(len > 0);
  return n + (size_t)len;
}

/* What the node makes of it, within two seconds. */
static enum hs2n_reason verdict(const uint8_t *say, size_t len,
                                enum oddity oddity) {
  struct world *w = world_new(say, len, oddity);
  enum hs2n_reason reason;

  world_run(w, HS2N_S(2));
  reason = w->closed ? w->why.reason : HS2N_REASON_NONE;
  CHECK(!w->closed || w->why.by_peer);
  CHECK_EQ(netsim_info(w->sim, 0, 1).state,
           w->closed ? HS2N_PEER_DOWN : HS2N_PEER_UP);
  if (w->closed) { /* both ends name the cause alike */
    CHECK_EQ(netsim_info(w->sim, 0, 1).down_reason, reason);
  }
  CHECK_EQ(netsim_node(w->sim, 0)->seen.messages, 0);
  world_free(w);
  return reason;
}

static enum hs2n_reason verdict_of(const struct hs2ni_hello *hello) {
  uint8_t say[SAY_MAX];
  const size_t len = write_hello(hello, say);

  return verdict(say, len, ODD_NOTHING);
}

static void a_good_hello_is_accepted(void) {
  const struct hs2ni_hello hello = good_hello();

  CHECK_EQ(verdict_of(&hello), HS2N_REASON_NONE);
}

/* covers: P10 */
static void a_newer_peer_is_taken_for_what_both_know(void) {
  struct hs2ni_hello hello = good_hello();

  hello.version_max = UINT32_MAX;
  hello.capabilities = UINT64_MAX;
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_NONE);
  hello.version_max = HS2NI_PROTOCOL_MAX;
  hello.capabilities = 0;
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_NONE);
  hello.version_min = hello.version_max = HS2NI_PROTOCOL_MAX + 1;
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_VERSION_MISMATCH);
}

/* covers: N06, P12 */
static void another_chain_or_version_is_named_as_such(void) {
  struct hs2ni_hello hello = good_hello();

  hello.chain_id = (struct hs2n_span){(const uint8_t *)"other", 5};
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_CHAIN_MISMATCH);
  hello = good_hello();
  hello.version_min = hello.version_max = HS2NI_PROTOCOL_MAX + 1;
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_VERSION_MISMATCH);
  hello.version_min = HS2NI_PROTOCOL_MIN; /* it speaks ours too */
  CHECK_EQ(verdict_of(&hello), HS2N_REASON_NONE);
}

static void every_prefix_of_a_hello_is_refused(void) {
  const struct hs2ni_hello hello = good_hello();
  uint8_t say[SAY_MAX];
  const size_t len = write_hello(&hello, say);

  for (size_t n = 0; n < len; n++) {
    CHECK_EQ(verdict(say, n, ODD_NOTHING), HS2N_REASON_PROTOCOL);
  }
}

static void a_hello_without_end_is_waited_for_and_no_longer(void) {
  const struct hs2ni_hello hello = good_hello();
  uint8_t say[SAY_MAX];
  const size_t len = write_hello(&hello, say);

  CHECK_EQ(verdict(say, len, ODD_NO_FIN), HS2N_REASON_HELLO_TIMEOUT);
}

static void more_than_a_hello_may_be_is_refused(void) {
  uint8_t say[SAY_MAX] = {0};

  CHECK_EQ(verdict(say, 5000, ODD_NO_FIN), HS2N_REASON_LIMIT);
  CHECK_EQ(verdict(say, 4000, ODD_NOTHING), HS2N_REASON_PROTOCOL);
}

static void a_hello_on_two_streams_is_refused(void) {
  const struct hs2ni_hello hello = good_hello();
  uint8_t say[SAY_MAX];
  const size_t len = write_hello(&hello, say);

  CHECK_EQ(verdict(say, len, ODD_SECOND_PART), HS2N_REASON_PROTOCOL);
}

static void a_hello_that_is_abandoned_is_refused(void) {
  const struct hs2ni_hello hello = good_hello();
  uint8_t say[SAY_MAX];

  CHECK_EQ(verdict(say, write_hello(&hello, say) - 1, ODD_RESET),
           HS2N_REASON_PROTOCOL);
}

static void who_does_not_want_our_hello_is_refused(void) {
  const struct hs2ni_hello hello = good_hello();
  uint8_t say[SAY_MAX];
  const enum hs2n_reason reason =
      verdict(say, write_hello(&hello, say), ODD_STOP);

  /* Unless the hello was there whole before it was unwanted. */
  CHECK(reason == HS2N_REASON_PROTOCOL || reason == HS2N_REASON_NONE);
}

/* A body of 1,000 bytes of which one comes; the liar's transport answers all
 * the while. */
static void a_message_that_is_begun_and_left_ends_the_connection(void) {
  const struct hs2ni_hello hello = good_hello();
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_LANE, .lane = 1};
  uint8_t say[SAY_MAX];
  const size_t hello_len = write_hello(&hello, say);
  uint8_t *at = say + hello_len;
  struct world *w;

  at += hs2ni_head_encode(&head, at);
  at += hs2ni_record_encode(
      &(struct hs2ni_record){
          .kind = HS2NI_RECORD_MSG, .seq = 1, .type = 1, .body_len = 1000},
      at);
  *at++ = 'x';
  w = world_new(say, (size_t)(at - say), ODD_SLOW);
  w->hello_len = hello_len;
  world_run(w, HS2N_S(9));
  CHECK(!w->closed);
  world_run(w, HS2N_S(2));
  CHECK(w->closed);
  CHECK_EQ(w->why.reason, HS2N_REASON_SLOW);
  CHECK(w->why.by_peer);
  CHECK_EQ(netsim_info(w->sim, 0, 1).down_reason, HS2N_REASON_SLOW);
  CHECK_EQ(netsim_stats(w->sim, 0).protocol_errors, 1);
  world_free(w);
}

/* covers: X8 */
static void random_bytes_are_refused(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 9);
  for (int i = 0; i < 100; i++) {
    const struct hs2ni_hello hello = good_hello();
    uint8_t say[SAY_MAX];
    size_t len = write_hello(&hello, say);
    enum hs2n_reason reason;

    if (i % 2 == 0) { /* noise */
      len = hs2ni_rng_below(&rng, 200);
      for (size_t k = 0; k < len; k++) {
        say[k] = (uint8_t)hs2ni_rng_next(&rng);
      }
    } else { /* one byte wrong */
      say[hs2ni_rng_below(&rng, len)] ^= (uint8_t)(1 + i);
    }
    reason = verdict(say, len, ODD_NOTHING);
    CHECK(reason == HS2N_REASON_PROTOCOL ||
          (i % 2 == 1 && (reason == HS2N_REASON_NONE ||
                          reason == HS2N_REASON_CHAIN_MISMATCH ||
                          reason == HS2N_REASON_VERSION_MISMATCH)));
  }
}

/* A body that is found to lie when its turn comes, long after it came. */
static void a_body_that_does_not_inflate_ends_the_connection(void) {
  const struct hs2ni_hello hello = good_hello();
  const struct hs2ni_head head = {.kind = HS2NI_STREAM_LANE,
                                  .lane = HS2N_LANE_BULK};
  const struct hs2ni_record record = {.kind = HS2NI_RECORD_MSG,
                                      .seq = 1,
                                      .type = 2,
                                      .flags = HS2NI_FLAG_COMPRESSED,
                                      .codec = HS2NI_CODEC_LZ4,
                                      .raw_len = 5000,
                                      .body_len = 100};
  uint8_t say[SAY_MAX] = {0};
  const size_t first = write_hello(&hello, say);
  uint8_t bytes[HS2NI_RECORD_MAX];
  size_t len = first, n = hs2ni_head_encode(&head, bytes);
  struct world *w;

  memcpy(say + len, bytes, n);
  len += n;
  n = hs2ni_record_encode(&record, bytes);
  memcpy(say + len, bytes, n);
  len += n;
  memset(say + len, 'x', record.body_len); /* no block of LZ4 */
  w = world_new(say, len + record.body_len, ODD_SLOW);
  w->hello_len = first;
  world_run(w, HS2N_S(2));
  CHECK(w->closed && w->why.by_peer);
  CHECK_EQ(w->why.reason, HS2N_REASON_PROTOCOL);
  CHECK_EQ(netsim_info(w->sim, 0, 1).down_reason, HS2N_REASON_PROTOCOL);
  CHECK_EQ(netsim_stats(w->sim, 0).bodies_malformed, 1);
  CHECK_EQ(netsim_stats(w->sim, 0).protocol_errors, 1);
  CHECK_EQ(netsim_node(w->sim, 0)->seen.messages, 0);
  world_free(w);
}

int main(void) {
  RUN_OVER(a_good_hello_is_accepted);
  RUN_OVER(a_newer_peer_is_taken_for_what_both_know);
  RUN_OVER(another_chain_or_version_is_named_as_such);
  RUN_OVER(every_prefix_of_a_hello_is_refused);
  RUN_OVER(a_hello_without_end_is_waited_for_and_no_longer);
  RUN_OVER(more_than_a_hello_may_be_is_refused);
  RUN_OVER(a_hello_on_two_streams_is_refused);
  RUN_OVER(a_hello_that_is_abandoned_is_refused);
  RUN_OVER(who_does_not_want_our_hello_is_refused);
  RUN_OVER(a_message_that_is_begun_and_left_ends_the_connection);
  RUN_OVER(random_bytes_are_refused);
  RUN_OVER(a_body_that_does_not_inflate_ends_the_connection);
  return tap_done();
}
