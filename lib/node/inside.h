/* inside: what the files of this module share: the node itself. */
#ifndef HS2NI_NODE_INSIDE_H
#define HS2NI_NODE_INSIDE_H

#include "cast/cast.h"
#include "msg/msgs.h"
#include "node/config.h"
#include "node/ledger.h"
#include "node/post.h"
#include "node/record.h"
#include "peer/peer.h"
#include "quic/quic.h"
#include "tcp/tcp.h"
#include "tls/tls.h"

#include <hs2net/hs2net.h>

/* The end of a node, see stop.c. */
enum hs2ni_phase {
  HS2NI_PHASE_RUNNING,
  HS2NI_PHASE_DRAINING, /* no new sends; what is queued goes out */
  HS2NI_PHASE_CLOSING,  /* connections are closed; the last packets leave */
  HS2NI_PHASE_STOPPED,
};

struct hs2n_node {
  struct hs2ni_env env;
  struct hs2ni_ledger ledger;
  hs2n_rand_fn rand; /* the application's, while recording */
  void *rand_data;
  struct hs2n_consensus consensus;
  char chain_id[HS2N_CHAIN_ID_MAX + 1];
  uint64_t incarnation;
  struct hs2n_addr local;
  struct hs2n_type types[HS2N_TYPES_MAX];
  size_t types_n;

  struct hs2ni_tls *tls;
  struct hs2ni_link *link;
  struct hs2ni_peers *peers;
  struct hs2ni_msgs *msgs;
  struct hs2ni_cast *cast;
  struct hs2ni_posts posts;

  uint64_t view;
  enum hs2ni_phase phase;
  hs2n_time drain_until;
  bool entered; /* recv, tick or poll_tx is on the stack */
  bool due;     /* a call from above left something for the next entry */
};

/* memory.c: bytes of the node itself, without its parts. */
uint64_t hs2ni_node_footprint(const struct hs2n_limits *limits);

/* greeting.c: what is said when a connection begins. */
struct hs2ni_hello;
/* The bytes of the stream that carries our hello: *out_len from *out, which the
 * caller gives back.  HS2N_ERR_NO_MEMORY, or what hs2ni_hello_encode says. */
int hs2ni_greeting_write(struct hs2n_node *node, uint8_t **out,
                         size_t *out_len);
/* The hello that the bytes of such a stream carry, which it borrows from; false
 * when they carry none. */
bool hs2ni_greeting_read(struct hs2n_span bytes, struct hs2ni_hello *out);
/* What is wrong with a peer's hello; HS2N_REASON_NONE: it is accepted. */
enum hs2n_reason hs2ni_greeting_check(struct hs2n_node *node,
                                      const struct hs2ni_hello *hello);

/* session.c: what speaks on one connection. */
struct hs2ni_session;
extern const struct hs2ni_link_user hs2ni_session_link_user;
extern const struct hs2ni_peers_user hs2ni_session_peers_user;
uint64_t hs2ni_session_footprint(void);
/* Closes the connection on which the peer's channel is, if there is one. */
void hs2ni_session_breach(struct hs2ni_peer *peer, enum hs2n_reason reason);

/* upcall.c: tells the application all that happened. */
void hs2ni_upcalls(struct hs2n_node *node);

/* stop.c */
/* Ends what is open as CANCELLED. */
void hs2ni_free_channels(struct hs2n_node *node);
/* Goes on with the end, if it can. */
void hs2ni_stop_step(struct hs2n_node *node);
hs2n_time hs2ni_stop_deadline(const struct hs2n_node *node);

#endif /* HS2NI_NODE_INSIDE_H */
