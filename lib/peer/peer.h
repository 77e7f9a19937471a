/* peer: who the members are, and one live connection to each of them.
 *
 * This layer knows keys, addresses, epochs and connections, and nothing of
 * what is said on them.  A session, made by the layer above, speaks on each
 * connection and reports when both sides have greeted; pair.h then decides
 * which connection carries the messages.
 *
 * It makes no upcalls to the application: what happened is fetched by
 * hs2ni_peers_next and hs2ni_peers_next_gone. */
#ifndef HS2NI_PEER_PEER_H
#define HS2NI_PEER_PEER_H

#include "base/list.h"
#include "base/timer.h"
#include "link/link.h"
#include "peer/pair.h"

#include <hs2net/consensus.h>
#include <hs2net/node.h>

/* How long the end with the larger id leaves the first dial to the other. */
#define HS2NI_PEER_YIELD_MS 300u

struct hs2ni_peers;
struct hs2ni_peer;

/* What this layer asks of the one above.  sessions are link users. */
struct hs2ni_peers_user {
  /* A member left the last live epoch: its channel is of no use any more.
   * The application is told later, see hs2ni_peers_next_gone. */
  void (*member_gone)(void *ctx, struct hs2ni_peer *peer);
  /* Makes the speaker of a connection, NULL when memory runs out.  The
   * connection is in peer->slots[slot] once the session hears of it. */
  void *(*session_new)(void *ctx, struct hs2ni_peer *peer, int slot);
  /* The connection is gone, or closed by the caller right before. */
  void (*session_free)(void *session);
  /* The connection carries messages from now on, or no more. */
  void (*attach)(void *session);
  void (*detach)(void *session);
};

struct hs2ni_peer_slot {
  struct hs2ni_timer timer; /* until both hellos are there */
  struct hs2ni_peer *peer;
  struct hs2ni_conn *conn; /* NULL: free */
  void *session;
  struct hs2n_addr remote;
  bool established;
};

struct hs2ni_peer {
  struct hs2ni_peers *peers;
  struct hs2n_peer handle;
  struct hs2n_key key;
  struct hs2n_peer_id id;
  uint32_t epochs;       /* live epochs that name it; 0: free or gone */
  uint64_t weight;       /* in the newest epoch that names it */
  uint64_t weight_epoch; /* that epoch */
  uint32_t mark;
  bool used;

  /* Of the layers above. */
  void *channel;
  hs2n_time last_heard;

  struct hs2ni_pair pair;
  struct hs2ni_peer_slot slots[HS2NI_PAIR_SLOTS];
  struct hs2ni_timer timer; /* the pause before the next dial */
  struct hs2n_addr *addrs;  /* limits.addrs_per_peer_max */
  uint32_t addrs_n;
  uint32_t addr_next;
  uint32_t addrs_own; /* bit i: addrs[i] leads to this node itself */
  struct hs2n_addr remote;
  uint32_t dial_attempts; /* since the last time UP */
  enum hs2n_reason down_reason;
  enum hs2n_reason logged_reason;

  struct hs2ni_list_node news_node;
  bool in_news;
  bool told_up;
  bool down_news;
  struct hs2ni_list_node gone_node;
};

/* ---- life ---------------------------------------------------------------- */

struct hs2ni_peers_config {
  struct hs2ni_env *env;               /* kept */
  struct hs2n_key key;                 /* this node's own */
  const struct hs2ni_peers_user *user; /* kept */
  void *user_ctx;
};

/* Returns HS2N_OK, HS2N_ERR_NO_MEMORY or HS2N_ERR_RANDOM. */
HS2N_MUST_CHECK int hs2ni_peers_new(struct hs2ni_peers **out,
                                    const struct hs2ni_peers_config *config);
/* What dials; given before the first tick. */
void hs2ni_peers_link(struct hs2ni_peers *peers, struct hs2ni_link *link);
/* Frees sessions too, but neither connections nor channels. */
void hs2ni_peers_free(struct hs2ni_peers *peers);
/* Bytes of it all, for hs2n_limits_memory. */
uint64_t hs2ni_peers_footprint(const struct hs2n_limits *limits);

hs2n_time hs2ni_peers_deadline(const struct hs2ni_peers *peers);
void hs2ni_peers_tick(struct hs2ni_peers *peers);
/* Closes all connections with SHUTDOWN; none is dialled or accepted again. */
void hs2ni_peers_stop(struct hs2ni_peers *peers);

/* ---- members ------------------------------------------------------------- */

struct hs2ni_member {
  struct hs2ni_peer *peer;
  uint64_t weight;
};
struct hs2ni_epoch {
  bool live;
  bool self; /* names this node too */
  uint64_t number;
  struct hs2ni_member *members; /* without this node */
  size_t n;
  size_t below; /* of them, those whose ids come before this node's */
};

/* See hs2n_set_members; on failure nothing has changed. */
HS2N_MUST_CHECK int hs2ni_peers_set(struct hs2ni_peers *peers, uint64_t epoch,
                                    const struct hs2n_member *members, size_t n,
                                    uint64_t drop_below);
/* NULL when it is not live. */
const struct hs2ni_epoch *hs2ni_peers_epoch(const struct hs2ni_peers *peers,
                                            uint64_t number);
/* The highest live epoch, NULL without any. */
const struct hs2ni_epoch *hs2ni_peers_newest(const struct hs2ni_peers *peers);
/* NULL when the handle is not live. */
struct hs2ni_peer *hs2ni_peers_get(const struct hs2ni_peers *peers,
                                   struct hs2n_peer handle);
struct hs2ni_peer *hs2ni_peers_find(const struct hs2ni_peers *peers,
                                    const struct hs2n_peer_id *id);
/* Walks all live peers by ascending table place: starts with *at == 0 and
 * returns NULL at the end. */
struct hs2ni_peer *hs2ni_peers_each(const struct hs2ni_peers *peers,
                                    uint32_t *at);

/* ---- connections: what sessions report ------------------------------------
 */

/* A connection came in and proved key.  Returns HS2N_REASON_NONE with the
 * peer and slot it got, a session already in it, or why it is refused. */
enum hs2n_reason
hs2ni_peers_accept(struct hs2ni_peers *peers, struct hs2ni_conn *conn,
                   const struct hs2n_key *key, const struct hs2n_addr *remote,
                   struct hs2ni_peer **out_peer, int *out_slot);
/* A dialled connection has completed its handshake. */
void hs2ni_peer_connected(struct hs2ni_peer *peer, int slot);
/* Both hellos are there.  Returns whether this connection was chosen; if not
 * it is closed and its session freed. */
bool hs2ni_peer_ready(struct hs2ni_peer *peer, int slot, uint64_t incarnation);
/* The link ended it.  The session is freed. */
void hs2ni_peer_closed(struct hs2ni_peer *peer, int slot,
                       const struct hs2ni_close *why);
/* Closes it with reason.  The session is freed. */
void hs2ni_peer_abort(struct hs2ni_peer *peer, int slot,
                      enum hs2n_reason reason);
/* Forgets a connection that on_accept refuses after all. */
void hs2ni_peer_unaccept(struct hs2ni_peer *peer, int slot,
                         enum hs2n_reason reason);

static inline bool hs2ni_peer_up(const struct hs2ni_peer *peer) {
  return peer->pair.chosen != 0;
}
/* The connection that carries messages, or NULL. */
struct hs2ni_conn *hs2ni_peer_conn(const struct hs2ni_peer *peer);
static inline uint64_t hs2ni_peer_weight(const struct hs2ni_peer *peer) {
  return peer->weight;
}

/* ---- news ------------------------------------------------------------------
 */

struct hs2ni_peer_news {
  struct hs2n_peer peer;
  enum hs2n_peer_state state; /* UP or DOWN */
  enum hs2n_reason reason;
};
bool hs2ni_peers_next(struct hs2ni_peers *peers, struct hs2ni_peer_news *out);
/* The next member that left the last live epoch, or NULL.  Nobody has its
 * handle once the caller has told the application and forgets it. */
struct hs2ni_peer *hs2ni_peers_next_gone(struct hs2ni_peers *peers);
void hs2ni_peer_forget(struct hs2ni_peer *peer);
bool hs2ni_peers_have_news(const struct hs2ni_peers *peers);

#endif /* HS2NI_PEER_PEER_H */
