/* The link in memory that other tests stand on: dialling, ends, streams. */
#include "memlink.h"
#include "tap.h"

#include <stdlib.h>

struct side {
  struct hs2ni_conn *conn;
  unsigned ups, closes, acceptances, resets, dones, credits;
  enum hs2n_reason closed, refuse;
  bool by_peer;
  size_t received, fins;
  const uint8_t *data; /* to send, on stream */
  size_t len, sent;
  uint64_t stream;
  bool stuck; /* told that it is blocked */
};

static enum hs2n_reason on_accept(void *ctx, struct hs2ni_conn *conn,
                                  const struct hs2n_key *key,
                                  const struct hs2n_addr *remote,
                                  void **out_user) {
  struct side *s = ctx;

  CHECK_EQ(key->bytes[0], 1);
  CHECK_EQ(remote->port, 1);
  s->acceptances++;
  if (s->refuse == HS2N_REASON_NONE) {
    s->conn = conn;
    *out_user = s;
  }
  return s->refuse;
}

static void on_up(void *user) {
  ((struct side *)user)->ups++;
}

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct side *s = user;

  s->closes++;
  s->closed = why->reason;
  s->by_peer = why->by_peer;
  s->conn = NULL;
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct side *s = user;

  for (size_t i = 0; i < bytes.len; i++) {
    CHECK_EQ(bytes.data[i], (uint8_t)(s->received + i));
  }
  s->received += bytes.len;
  s->fins += fin;
  s->conn->ops->credit(s->conn, stream, bytes.len);
}

static void on_reset(void *user, uint64_t stream, uint64_t code) {
  (void)stream;
  CHECK_EQ(code, 7);
  ((struct side *)user)->resets++;
}

static void on_acked(void *user, uint64_t stream, uint64_t offset) {
  struct side *s = user;

  CHECK_EQ(stream, s->stream);
  CHECK(offset <= s->sent);
}

static void on_done(void *user, uint64_t stream) {
  (void)stream;
  ((struct side *)user)->dones++;
}

static void on_credit(void *user) {
  struct side *s = user;

  s->credits++;
  s->stuck = false;
  s->conn->ops->want_tx(s->conn, HS2NI_RANK_FIRST);
}

static bool next(void *user, struct hs2ni_chunk *out) {
  struct side *s = user;

  if (s->stuck || s->sent == s->len) {
    return false;
  }
  *out = (struct hs2ni_chunk){.stream = s->stream,
                              .parts = {{s->data + s->sent, s->len - s->sent}},
                              .parts_n = 1,
                              .fin = true};
  return true;
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  struct side *s = user;

  (void)stream;
  s->sent += len;
  CHECK_EQ(fin, s->sent == s->len);
}

static void blocked(void *user, uint64_t stream) {
  (void)stream;
  ((struct side *)user)->stuck = true;
}

static const struct hs2ni_link_user ops = {
    .on_accept = on_accept,
    .on_up = on_up,
    .on_closed = on_closed,
    .on_data = on_data,
    .on_reset = on_reset,
    .on_acked = on_acked,
    .on_done = on_done,
    .on_credit = on_credit,
    .next = next,
    .sent = sent,
    .blocked = blocked,
};

struct pair {
  struct memnet *net;
  struct hs2ni_env env;
  struct hs2ni_link *links[2];
  struct side sides[2];
};

static struct hs2n_addr addr_of(uint16_t port) {
  return (struct hs2n_addr){.family = HS2N_FAMILY_IPV4, .port = port};
}

static struct hs2n_key key_of(uint8_t first) {
  return (struct hs2n_key){{first}};
}

static void pair_init(struct pair *p, uint64_t seed) {
  *p = (struct pair){.net = memnet_new(&(struct memnet_config){.seed = seed}),
                     .env = {.now = HS2N_S(1)}};
  hs2n_limits_default(&p->env.limits);
  p->env.limits.rx_window_bytes = 65536;
  p->env.limits.rx_stream_window_bytes = 16384;
  for (uint16_t i = 0; i < 2; i++) {
    const struct hs2n_addr addr = addr_of((uint16_t)(i + 1));
    const struct hs2n_key key = key_of((uint8_t)(i + 1));

    p->links[i] = memlink_new(p->net, &p->env, &addr, &key, &ops, &p->sides[i]);
  }
}

static void pair_fini(struct pair *p) {
  p->links[0]->ops->free(p->links[0]);
  p->links[1]->ops->free(p->links[1]);
  CHECK_EQ(memnet_corruptions(p->net), 0);
  memnet_free(p->net);
}

static void dial(struct pair *p, uint16_t port, uint8_t key_first) {
  const struct hs2n_addr addr = addr_of(port);
  const struct hs2n_key key = key_of(key_first);

  CHECK_EQ(p->links[0]->ops->dial(p->links[0], &addr, &key, &p->sides[0],
                                  &p->sides[0].conn),
           HS2N_OK);
}

static void a_dial_comes_up_on_both_sides(void) {
  struct pair p;

  pair_init(&p, 1);
  dial(&p, 2, 2);
  CHECK_EQ(p.sides[0].ups, 0);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].ups, 1);
  CHECK_EQ(p.sides[1].acceptances, 1);
  CHECK_EQ(p.links[0]->ops->deadline(p.links[0]), HS2N_TIME_NEVER);
  p.sides[1].conn->ops->conn_close(p.sides[1].conn, HS2N_REASON_SHUTDOWN);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closes, 1);
  CHECK_EQ(p.sides[0].closed, HS2N_REASON_SHUTDOWN);
  CHECK(p.sides[0].by_peer);
  CHECK_EQ(p.sides[1].closes, 0);
  pair_fini(&p);
}

static void dials_fail_as_they_do_on_a_network(void) {
  struct pair p;

  pair_init(&p, 1);
  dial(&p, 2, 9);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closed, HS2N_REASON_WRONG_KEY);
  dial(&p, 5, 2); /* nobody there */
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closes, 1);
  p.env.now = p.links[0]->ops->deadline(p.links[0]);
  p.links[0]->ops->tick(p.links[0]);
  CHECK_EQ(p.sides[0].closes, 2);
  CHECK_EQ(p.sides[0].closed, HS2N_REASON_HANDSHAKE_TIMEOUT);
  p.sides[1].refuse = HS2N_REASON_NOT_MEMBER;
  dial(&p, 2, 2);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closed, HS2N_REASON_NOT_MEMBER);
  memlink_deafen(p.links[1], true);
  dial(&p, 2, 2);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closes, 3);
  CHECK_EQ(p.sides[0].ups, 0);
  pair_fini(&p);
}

static void a_stream_arrives_in_order_and_then_its_end(void) {
  enum { LEN = 300000 };
  uint8_t *data = malloc(LEN);

  for (size_t i = 0; i < LEN; i++) {
    data[i] = (uint8_t)i;
  }
  for (uint64_t seed = 0; seed < 30; seed++) {
    struct pair p;
    struct side *s = &p.sides[0];

    pair_init(&p, seed);
    dial(&p, 2, 2);
    memnet_settle(p.net);
    s->data = data;
    s->len = LEN;
    CHECK_EQ(s->conn->ops->stream_open(s->conn, &s->stream), HS2N_OK);
    s->conn->ops->want_tx(s->conn, HS2NI_RANK_FIRST);
    memnet_settle(p.net);
    CHECK_EQ(p.sides[1].received, LEN);
    CHECK_EQ(p.sides[1].fins, 1);
    CHECK_EQ(s->dones, 1);
    CHECK(s->credits > 0);
    pair_fini(&p);
  }
  free(data);
}

static void streams_are_counted_and_can_be_reset(void) {
  struct pair p;
  struct side *s = &p.sides[0];
  uint64_t stream, first = 0;
  unsigned n = 0;

  pair_init(&p, 3);
  dial(&p, 2, 2);
  memnet_settle(p.net);
  while (s->conn->ops->stream_open(s->conn, &stream) == HS2N_OK) {
    first = n++ == 0 ? stream : first;
  }
  CHECK_EQ(n, 60);
  s->conn->ops->stream_reset(s->conn, first, 7);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[1].resets, 1);
  CHECK_EQ(s->dones, 1);
  CHECK_EQ(s->credits, 1); /* there is room for a stream again */
  CHECK_EQ(s->conn->ops->stream_open(s->conn, &stream), HS2N_OK);
  pair_fini(&p);
}

static void a_cut_is_heard_by_both(void) {
  struct pair p;

  pair_init(&p, 3);
  dial(&p, 2, 2);
  memnet_settle(p.net);
  memnet_cut_all(p.net, HS2N_REASON_IDLE_TIMEOUT);
  memnet_settle(p.net);
  CHECK_EQ(p.sides[0].closed, HS2N_REASON_IDLE_TIMEOUT);
  CHECK_EQ(p.sides[1].closed, HS2N_REASON_IDLE_TIMEOUT);
  pair_fini(&p);
}

int main(void) {
  RUN(a_dial_comes_up_on_both_sides);
  RUN(dials_fail_as_they_do_on_a_network);
  RUN(a_stream_arrives_in_order_and_then_its_end);
  RUN(streams_are_counted_and_can_be_reset);
  RUN(a_cut_is_heard_by_both);
  return tap_done();
}
