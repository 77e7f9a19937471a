/* session: what speaks on one connection: the hellos, then the channel.
 *
 *     handshake --> our hello goes out on our first stream
 *                   the peer's hello comes in on its first stream
 *     both there --> ready: the pair machine attaches it or closes it
 *     attached   --> every other stream is the channel's
 *
 * Both are "there" when the peer's hello is accepted and ours is acked, so
 * that a peer never sees a lane before it knows whose it is.  Data on a lane
 * proves the same as the ack: the peer sends it only after our hello. */
#include "node/inside.h"
#include "wire/hello.h"
#include "wire/record.h"

#include <assert.h>
#include <string.h>

#define GREETING_MAX (HS2NI_HEAD_MAX + HS2NI_HELLO_MAX)

struct hs2ni_session {
  struct hs2n_node *node;
  struct hs2ni_peer *peer;
  int slot;
  struct hs2ni_conn *conn; /* once the handshake is complete */
  struct hs2ni_chan *chan; /* while attached */

  uint64_t tx_stream;
  size_t tx_len;
  size_t tx_sent;
  bool tx_open;
  bool tx_fin;
  bool tx_blocked;
  bool tx_there; /* the peer has our hello */

  uint64_t rx_stream;
  size_t rx_len;
  bool rx_begun;
  bool rx_there; /* its hello is accepted */
  bool ready;
  uint64_t incarnation;

  uint8_t *tx; /* tx_len */
  uint8_t *rx; /* GREETING_MAX, from its first byte until attached */
};

uint64_t hs2ni_session_footprint(void) {
  return sizeof(struct hs2ni_session) + 2 * (uint64_t)GREETING_MAX;
}

static struct hs2ni_env *env_of(const struct hs2ni_session *s) {
  return &s->node->env;
}

/* Nothing may touch s after this. */
static void abandon(struct hs2ni_session *s, enum hs2n_reason reason) {
  if (reason == HS2N_REASON_PROTOCOL || reason == HS2N_REASON_LIMIT ||
      reason == HS2N_REASON_SLOW) {
    env_of(s)->stats.protocol_errors++;
  }
  hs2ni_peer_abort(s->peer, s->slot, reason);
}

void hs2ni_session_breach(struct hs2ni_peer *peer, enum hs2n_reason reason) {
  for (int i = 0; i < HS2NI_PAIR_SLOTS; i++) {
    struct hs2ni_session *s = peer->slots[i].session;

    if (s != NULL && s->chan != NULL) {
      abandon(s, reason);
      return;
    }
  }
}

/* ---- our hello ----------------------------------------------------------- */

/* Returns false when memory ran out; a full stream table is waited for. */
static bool greet(struct hs2ni_session *s) {
  const int err = s->conn->ops->stream_open(s->conn, &s->tx_stream);

  s->tx_open = err == HS2N_OK;
  if (s->tx_open) {
    s->conn->ops->want_tx(s->conn, HS2NI_RANK_FIRST);
  }
  return err == HS2N_OK || err == HS2N_ERR_FULL;
}

/* ---- the peer's hello ---------------------------------------------------- */

/* Returns whether s carries messages; if not, it may be gone. */
static bool try_ready(struct hs2ni_session *s) {
  if (!s->ready && s->rx_there && s->tx_there) {
    s->ready = true;
    if (!hs2ni_peer_ready(s->peer, s->slot, s->incarnation)) {
      return false;
    }
    if (s->chan == NULL) {
      abandon(s, HS2N_REASON_INTERNAL); /* no memory for its channel */
      return false;
    }
  }
  return s->chan != NULL;
}

static bool read_hello(const struct hs2ni_session *s, struct hs2ni_hello *out) {
  return hs2ni_greeting_read((struct hs2n_span){s->rx, s->rx_len}, out);
}

static enum hs2n_reason accept_hello(struct hs2ni_session *s) {
  struct hs2ni_hello hello;
  enum hs2n_reason reason;

  if (!read_hello(s, &hello)) {
    return HS2N_REASON_PROTOCOL;
  }
  reason = hs2ni_greeting_check(s->node, &hello);
  if (reason == HS2N_REASON_NONE) {
    s->incarnation = hello.incarnation;
    s->rx_there = true;
  }
  return reason;
}

static void receive_hello(struct hs2ni_session *s, struct hs2n_span bytes,
                          bool fin) {
  enum hs2n_reason reason;

  if (bytes.len > GREETING_MAX - s->rx_len) {
    abandon(s, HS2N_REASON_LIMIT);
    return;
  }
  if (s->rx == NULL) {
    s->rx = hs2ni_alloc(env_of(s), GREETING_MAX);
    if (s->rx == NULL) {
      abandon(s, HS2N_REASON_INTERNAL);
      return;
    }
  }
  if (bytes.len > 0) {
    memcpy(s->rx + s->rx_len, bytes.data, bytes.len);
    s->rx_len += bytes.len;
    s->conn->ops->credit(s->conn, s->rx_stream, bytes.len);
  }
  if (!fin) {
    return;
  }
  reason = accept_hello(s);
  if (reason != HS2N_REASON_NONE) {
    abandon(s, reason);
    return;
  }
  (void)try_ready(s);
}

/* ---- upcalls of the link ------------------------------------------------- */

static enum hs2n_reason on_accept(void *ctx, struct hs2ni_conn *conn,
                                  const struct hs2n_key *key,
                                  const struct hs2n_addr *remote,
                                  void **out_user) {
  struct hs2n_node *node = ctx;
  struct hs2ni_session *s;
  struct hs2ni_peer *peer;
  int slot;
  const enum hs2n_reason refused =
      hs2ni_peers_accept(node->peers, conn, key, remote, &peer, &slot);

  if (refused != HS2N_REASON_NONE) {
    return refused;
  }
  s = peer->slots[slot].session;
  s->conn = conn;
  if (!greet(s)) {
    hs2ni_peer_unaccept(peer, slot, HS2N_REASON_INTERNAL);
    return HS2N_REASON_INTERNAL;
  }
  *out_user = s;
  return HS2N_REASON_NONE;
}

static void on_up(void *user) {
  struct hs2ni_session *s = user;

  s->conn = s->peer->slots[s->slot].conn;
  hs2ni_peer_connected(s->peer, s->slot);
  if (!greet(s)) {
    abandon(s, HS2N_REASON_INTERNAL);
  }
}

static void on_closed(void *user, const struct hs2ni_close *why) {
  struct hs2ni_session *s = user;

  hs2ni_peer_closed(s->peer, s->slot, why);
}

static void obey(struct hs2ni_session *s, enum hs2n_reason reason) {
  if (reason != HS2N_REASON_NONE) {
    abandon(s, reason);
  }
}

static void on_data(void *user, uint64_t stream, struct hs2n_span bytes,
                    bool fin) {
  struct hs2ni_session *s = user;

  s->peer->last_heard = env_of(s)->now;
  if (!s->rx_begun) {
    s->rx_begun = true;
    s->rx_stream = stream;
  }
  if (!s->rx_there && stream == s->rx_stream) {
    receive_hello(s, bytes, fin);
    return;
  }
  if (!s->rx_there || stream == s->rx_stream) {
    abandon(s, HS2N_REASON_PROTOCOL);
    return;
  }
  s->tx_there = true;
  if (try_ready(s)) {
    obey(s, hs2ni_chan_data(s->chan, stream, bytes, fin));
  }
}

/* Before the peer's hello it is dropped: it may be lost anyway. */
static void on_datagram(void *user, struct hs2n_span bytes) {
  struct hs2ni_session *s = user;

  s->peer->last_heard = env_of(s)->now;
  if (!s->rx_there) {
    return;
  }
  s->tx_there = true; /* the peer sends it only after our hello */
  if (try_ready(s)) {
    obey(s, hs2ni_chan_datagram(s->chan, bytes));
  }
}

static void on_reset(void *user, uint64_t stream, uint64_t code) {
  struct hs2ni_session *s = user;

  obey(s, s->chan == NULL ? HS2N_REASON_PROTOCOL
                          : hs2ni_chan_reset(s->chan, stream, code));
}

static bool is_hello(const struct hs2ni_session *s, uint64_t stream) {
  return s->tx_open && stream == s->tx_stream;
}

static void on_stopped(void *user, uint64_t stream, uint64_t code) {
  struct hs2ni_session *s = user;

  obey(s, s->chan == NULL || is_hello(s, stream)
              ? HS2N_REASON_PROTOCOL
              : hs2ni_chan_stopped(s->chan, stream, code));
}

static void on_acked(void *user, uint64_t stream, uint64_t offset) {
  struct hs2ni_session *s = user;

  s->peer->last_heard = env_of(s)->now;
  if (!is_hello(s, stream)) {
    if (s->chan != NULL) {
      hs2ni_chan_acked(s->chan, stream, offset);
    }
  } else if (offset >= s->tx_len) {
    s->tx_there = true;
    (void)try_ready(s);
  }
}

static void on_done(void *user, uint64_t stream) {
  struct hs2ni_session *s = user;

  if (!is_hello(s, stream)) {
    if (s->chan != NULL) {
      hs2ni_chan_done(s->chan, stream);
    }
    return;
  }
  s->tx_there = true;
  (void)try_ready(s);
}

static void on_credit(void *user) {
  struct hs2ni_session *s = user;

  s->tx_blocked = false;
  if (!s->tx_open && !greet(s)) {
    abandon(s, HS2N_REASON_INTERNAL);
    return;
  }
  if (s->chan != NULL) {
    hs2ni_chan_credit(s->chan);
  }
}

static bool next(void *user, struct hs2ni_chunk *out) {
  struct hs2ni_session *s = user;

  if (s->tx_open && !s->tx_fin && !s->tx_blocked) {
    out->stream = s->tx_stream;
    out->parts[0] =
        (struct hs2n_span){s->tx + s->tx_sent, s->tx_len - s->tx_sent};
    out->parts_n = 1;
    out->fin = true;
    out->rank = HS2NI_RANK_FIRST;
    return true;
  }
  return s->chan != NULL && hs2ni_chan_next(s->chan, out);
}

static void sent(void *user, uint64_t stream, size_t len, bool fin) {
  struct hs2ni_session *s = user;

  if (is_hello(s, stream)) {
    s->tx_sent += len;
    s->tx_fin = fin;
  } else if (s->chan != NULL) {
    hs2ni_chan_sent(s->chan, stream, len, fin);
  }
}

static void blocked(void *user, uint64_t stream) {
  struct hs2ni_session *s = user;

  if (is_hello(s, stream)) {
    s->tx_blocked = true;
  } else if (s->chan != NULL) {
    hs2ni_chan_blocked(s->chan, stream);
  }
}

const struct hs2ni_link_user hs2ni_session_link_user = {
    .on_accept = on_accept,
    .on_up = on_up,
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

/* ---- what the peer layer asks -------------------------------------------- */

static void member_gone(void *ctx, struct hs2ni_peer *peer) {
  (void)ctx;
  hs2ni_chan_free(peer->channel, HS2N_DONE_PEER_GONE);
  peer->channel = NULL;
}

static void forget_greeting(struct hs2ni_session *s) {
  hs2ni_free(env_of(s), s->rx, GREETING_MAX);
  s->rx = NULL;
  s->rx_len = 0;
}

static void session_free(void *session) {
  struct hs2ni_session *s = session;

  forget_greeting(s);
  hs2ni_free(env_of(s), s->tx, s->tx_len);
  hs2ni_free(env_of(s), s, sizeof(*s));
}

static void *session_new(void *ctx, struct hs2ni_peer *peer, int slot) {
  struct hs2n_node *node = ctx;
  struct hs2ni_session *s = hs2ni_alloc(&node->env, sizeof(*s));

  if (s == NULL) {
    return NULL;
  }
  s->node = node;
  s->peer = peer;
  s->slot = slot;
  if (hs2ni_greeting_write(s->node, &s->tx, &s->tx_len) != HS2N_OK) {
    session_free(s);
    return NULL;
  }
  return s;
}

static void attach(void *session) {
  struct hs2ni_session *s = session;
  struct hs2ni_chan *chan = hs2ni_cast_channel(s->node->cast, s->peer);
  struct hs2ni_hello hello;

  if (chan != NULL && read_hello(s, &hello)) {
    s->chan = chan;
    hs2ni_chan_attach(chan, s->conn, &hello);
  }
  forget_greeting(s);
}

static void detach(void *session) {
  struct hs2ni_session *s = session;

  if (s->chan != NULL) {
    hs2ni_chan_detach(s->chan);
    s->chan = NULL;
  }
}

const struct hs2ni_peers_user hs2ni_session_peers_user = {
    .member_gone = member_gone,
    .session_new = session_new,
    .session_free = session_free,
    .attach = attach,
    .detach = detach,
};
