/* peer_world: a peer layer over a link that does nothing by itself: the test
 * says what becomes of each dial.  The protocol on top is a dummy, so that
 * what is tested here knows nothing of messages. */
#ifndef PEER_WORLD_H
#define PEER_WORLD_H

#include "peer/peer.h"
#include "test_env.h"

#include <stdlib.h>

#define WORLD_CONNS 64

struct world_conn {
  struct hs2ni_conn base;
  bool open;
  enum hs2n_reason closed_with;
};

struct world {
  struct test_env t;
  struct hs2ni_link link;
  struct hs2ni_link_ops ops;
  struct hs2ni_peers *peers;
  struct world_conn conns[WORLD_CONNS]; /* a ring */
  unsigned conns_n;
  struct hs2n_addr dialled; /* last */
  int dial_fails;           /* what dial returns, HS2N_OK at first */
  unsigned dials, closes, gones;
  enum hs2n_reason last_close;
  int sessions; /* alive */
  int attached;
  bool no_session;
};

/* The link's functions find their world by the link or connection. */
static inline int world_dial(struct hs2ni_link *link,
                             const struct hs2n_addr *remote,
                             const struct hs2n_key *key, void *user,
                             struct hs2ni_conn **out_conn) {
  struct world *w = HS2NI_CONTAINER(link, struct world, link);
  struct world_conn *c = &w->conns[w->conns_n % WORLD_CONNS];

  (void)key;
  (void)user;
  w->dials++;
  w->dialled = *remote;
  if (w->dial_fails != HS2N_OK) {
    return w->dial_fails;
  }
  w->conns_n++;
  *c = (struct world_conn){.base = {.ops = &w->ops}, .open = true};
  *out_conn = &c->base;
  return HS2N_OK;
}

static inline void world_conn_close(struct hs2ni_conn *conn,
                                    enum hs2n_reason reason) {
  struct world_conn *c = HS2NI_CONTAINER(conn, struct world_conn, base);

  if (!c->open) {
    abort(); /* closed twice, or after it had ended */
  }
  c->open = false;
  c->closed_with = reason;
}

static inline void *world_session_new(void *ctx, struct hs2ni_peer *peer,
                                      int slot) {
  struct world *w = ctx;

  (void)peer;
  (void)slot;
  if (w->no_session) {
    return NULL;
  }
  w->sessions++;
  return w;
}

static inline void world_session_free(void *session) {
  ((struct world *)session)->sessions--;
}

static inline void world_attach(void *session) {
  ((struct world *)session)->attached++;
}

static inline void world_detach(void *session) {
  ((struct world *)session)->attached--;
}

static inline void world_gone(void *ctx, struct hs2ni_peer *peer) {
  (void)peer;
  ((struct world *)ctx)->gones++;
}

static const struct hs2ni_peers_user world_user = {
    .member_gone = world_gone,
    .session_new = world_session_new,
    .session_free = world_session_free,
    .attach = world_attach,
    .detach = world_detach,
};

static inline struct hs2n_key world_key(uint8_t i) {
  struct hs2n_key key = {{0}};

  key.bytes[0] = i;
  key.bytes[1] = 77;
  return key;
}

static inline int world_init(struct world *w, uint64_t fail_at, uint8_t self) {
  struct hs2ni_peers_config config = {.user = &world_user};
  int err;

  memset(w, 0, sizeof(*w));
  test_env_init(&w->t, fail_at, 1);
  w->t.env.limits.peers_max = 8;
  w->ops.dial = world_dial;
  w->ops.conn_close = world_conn_close;
  w->link.ops = &w->ops;
  config.env = &w->t.env;
  config.key = world_key(self);
  config.user_ctx = w;
  err = hs2ni_peers_new(&w->peers, &config);
  if (err == HS2N_OK) {
    hs2ni_peers_link(w->peers, &w->link);
  }
  return err;
}

static inline void world_fini(struct world *w) {
  hs2ni_peers_free(w->peers);
  w->peers = NULL;
}

static inline struct hs2n_addr world_addr(uint8_t i) {
  return (struct hs2n_addr){
      .family = HS2N_FAMILY_IPV4, .ip = {10, 0, 0, i}, .port = 7000};
}

/* Runs what is due until `length` from now. */
static inline void world_run(struct world *w, hs2n_time length) {
  const hs2n_time end = w->t.env.now + length;
  hs2n_time t;

  while ((t = hs2ni_peers_deadline(w->peers)) <= end) {
    w->t.env.now = t > w->t.env.now ? t : w->t.env.now;
    hs2ni_peers_tick(w->peers);
  }
  w->t.env.now = end;
}

static inline struct hs2ni_peer *world_peer(struct world *w, uint8_t i) {
  const struct hs2n_key key = world_key(i);
  const struct hs2n_peer_id id = hs2n_key_peer_id(&key);

  return hs2ni_peers_find(w->peers, &id);
}

#endif /* PEER_WORLD_H */
