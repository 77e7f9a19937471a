/* memlink: link.h in memory, for tests of what lies above a link.
 *
 * A memnet joins memlinks by their addresses.  Nothing moves by itself:
 * memnet_step does one thing that could happen next, chosen by a seed, until
 * nothing can.  Streams are reliable and ordered, like QUIC's, and all else
 * is up to the seed: how streams interleave, how much of an offer is taken,
 * when acks and credit come.  Bytes are read from the sender's memory when
 * they are delivered and compared with what was offered when they are acked,
 * so a user that touches them too early is caught. */
#ifndef MEMLINK_H
#define MEMLINK_H

#include "link/link.h"

struct memnet;

struct memnet_config {
  uint64_t seed;
  uint64_t cwnd_bytes;  /* sent and not acked, per connection; 0: 64 KiB */
  uint32_t streams_max; /* open at once, per side; 0: 60 */
  bool whole;           /* take and deliver all that is there, not pieces */
  size_t datagram_max;  /* bytes; 0: no datagrams */
  uint32_t datagram_loss_permille;
  uint32_t datagram_twice_permille;
};

struct memnet *memnet_new(const struct memnet_config *config);
/* Links must have been freed. */
void memnet_free(struct memnet *net);
/* One event; false when nothing can happen. */
bool memnet_step(struct memnet *net);
/* Steps until nothing can happen any more. */
void memnet_settle(struct memnet *net);

/* A link of addr whose connections prove key.  env and user are kept. */
struct hs2ni_link *memlink_new(struct memnet *net, struct hs2ni_env *env,
                               const struct hs2n_addr *addr,
                               const struct hs2n_key *key,
                               const struct hs2ni_link_user *user, void *ctx);
/* Lets dials to the link go unanswered. */
void memlink_deafen(struct hs2ni_link *link, bool deaf);
/* A connection that is up at once, without dial and upcalls. */
void memlink_join(struct hs2ni_link *a, void *user_a, struct hs2ni_conn **out_a,
                  struct hs2ni_link *b, void *user_b,
                  struct hs2ni_conn **out_b);
/* Ends a connection for both sides, as if the path had died: on_closed with
 * reason, what was on its way is lost. */
void memlink_cut(struct hs2ni_conn *conn, enum hs2n_reason reason);
/* The same for all connections. */
void memnet_cut_all(struct memnet *net, enum hs2n_reason reason);
/* Lets nothing pass between two addresses, or lets it again.  Connections
 * end when that has lasted idle_ms; dials go unanswered. */
void memnet_part(struct memnet *net, const struct hs2n_addr *a,
                 const struct hs2n_addr *b, bool apart);
/* Datagrams may be so long from now on.  They overtake each other and the
 * streams. */
void memnet_datagram_max(struct memnet *net, size_t max);
/* Bytes taken from users in all. */
uint64_t memnet_bytes(const struct memnet *net);
/* Times the bytes offered were not those that were there at the ack. */
uint64_t memnet_corruptions(const struct memnet *net);

#endif /* MEMLINK_H */
