/* net: the glue between a core and a node of hs2net.
 *
 * It declares the message types, turns what the core sends into hs2n_send and
 * its views into hs2n_enter_view, and what the node delivers into calls of
 * the core.  It holds no protocol: everything here is what any user of the
 * library would write. */
#ifndef REP_NET_H
#define REP_NET_H

#include "core.h"

#include <hs2net/hs2net.h>

struct rep_net {
  struct hs2n_node *node; /* set by the owner once it is made */
  struct rep_core *core;  /* likewise */
  struct rep_committee committee;
  hs2n_time (*now)(void *self); /* the clock that drives the node */
  void *now_self;
  struct hs2n_type types[REP_KINDS];
  struct hs2n_limits limits;
  struct hs2n_consensus methods;
  struct hs2n_peer peers[REP_N_MAX]; /* handle of each replica but this one */
  struct rep_signers connected;
  struct hs2n_tag asked;  /* the core's question; 0: none is open */
  uint64_t sends;         /* calls that gave the node work */
  uint64_t full;          /* sends that found no room */
  uint64_t refused;       /* sends that failed otherwise */
  hs2n_time quorum_delay; /* until a quorum has acknowledged a message; 0:
                             unknown */
};

/* The epoch of the one committee there is. */
#define REP_EPOCH 1

/* Fills in what is known before there is a node, the types among it. */
void rep_net_init(struct rep_net *net, const struct rep_config *config,
                  hs2n_time (*now)(void *self), void *now_self);

/* Sets types, limits and methods of a node's configuration.  net must
 * outlive the node. */
void rep_net_configure(struct rep_net *net, const struct rep_config *config,
                       struct hs2n_config *out);

/* Names the members, in the order of the replicas, and learns their handles.
 * Returns HS2N_OK or what the library says. */
int rep_net_set_members(struct rep_net *net, const struct hs2n_member *members);

/* Tells the core how long a quorum takes to acknowledge a message, by
 * hs2n_quorum_delay.  It keeps what it knew while too few are connected. */
void rep_net_measure(struct rep_net *net);

/* The part of a core's environment that is network; self is net. */
void rep_net_send(void *self, uint32_t to, enum rep_kind kind, uint64_t view,
                  struct rep_bytes *body);
void rep_net_broadcast(void *self, enum rep_kind kind, uint64_t view,
                       struct rep_bytes *body);
bool rep_net_ask(void *self, const uint32_t *whom, uint32_t count,
                 struct rep_bytes *body, hs2n_time deadline);
void rep_net_enter_view(void *self, uint64_t view,
                        const uint32_t leaders[REP_LEADERS]);

#endif /* REP_NET_H */
