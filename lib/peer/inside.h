/* inside: what the files of this module share. */
#ifndef HS2NI_PEER_INSIDE_H
#define HS2NI_PEER_INSIDE_H

#include "base/map.h"
#include "peer/peer.h"

struct hs2ni_peers {
  struct hs2ni_env *env;
  struct hs2n_key key;
  struct hs2n_peer_id id;
  const struct hs2ni_peers_user *user;
  void *user_ctx;
  struct hs2ni_link *link;
  struct hs2ni_timers timers;
  struct hs2ni_map *by_id; /* live peers */

  /* A handle's place is its value modulo capacity, a power of two with room
   * for all live peers and as many gone ones that nobody was told of yet.
   * Values only grow, so that no completion can name a wrong peer. */
  struct hs2ni_peer *table;
  struct hs2n_addr *addrs;
  uint32_t capacity;
  uint32_t next_handle;
  uint32_t used; /* places, gone peers included */
  uint32_t mark; /* of the last walk that marked peers */

  struct hs2ni_epoch *epochs; /* epochs_max, and a spare one to build in */
  struct hs2ni_member *members;
  struct hs2ni_list news;
  struct hs2ni_list gone;

  hs2n_time refused_logged; /* strangers are many: one line a second */
  uint64_t refused_quiet;
  bool stopped;
};

/* dial.c */
void hs2ni_peer_timers_init(struct hs2ni_peer *peer);
/* Runs the pair machine and does what it says. */
void hs2ni_peer_apply(struct hs2ni_peer *peer,
                      const struct hs2ni_pair_event *event);
/* Ends all connections, for ever. */
void hs2ni_peer_end(struct hs2ni_peer *peer, enum hs2n_reason reason);

/* news.c */
void hs2ni_peer_tell_up(struct hs2ni_peer *peer, int slot);
void hs2ni_peer_tell_down(struct hs2ni_peer *peer, enum hs2n_reason reason);
void hs2ni_peer_tell_gone(struct hs2ni_peer *peer);
void hs2ni_peer_log_wrong_key(struct hs2ni_peer *peer,
                              const struct hs2n_addr *remote,
                              const struct hs2n_key *key);
void hs2ni_peers_log_refused(struct hs2ni_peers *peers,
                             const struct hs2n_addr *remote,
                             const struct hs2n_key *key,
                             enum hs2n_reason reason);
/* The first bytes of an id, enough to tell validators apart in a log. */
#define HS2NI_PEER_NAME_MAX 17
const char *hs2ni_peer_name(const struct hs2n_peer_id *id,
                            char out[HS2NI_PEER_NAME_MAX]);

/* table.c */
/* Returns HS2N_OK or HS2N_ERR_FULL. */
HS2N_MUST_CHECK int hs2ni_peers_add(struct hs2ni_peers *peers,
                                    const struct hs2n_key *key,
                                    const struct hs2n_peer_id *id,
                                    struct hs2ni_peer **out);
/* Takes back an add that nobody saw. */
void hs2ni_peers_undo_add(struct hs2ni_peer *peer);
/* No live epoch names it any more. */
void hs2ni_peers_retire(struct hs2ni_peer *peer);

#endif /* HS2NI_PEER_INSIDE_H */
