/* client: what a replica and whoever loads it say to each other over a local
 * stream socket.
 *
 * To the replica go transactions: length (4 bytes, big-endian), content.
 * From it come frames: length of what follows (4), kind (1), content. */
#ifndef REP_CLIENT_H
#define REP_CLIENT_H

#include "common.h"
#include "cursor.h"

#define REP_CLIENT_TX_MAX (16u << 20)
#define REP_CLIENT_ID_LEN 8u /* of a transaction: its first bytes, or all */

enum rep_client_kind {
  REP_CLIENT_READY = 1, /* height (8) and hash (32) that it starts from */
  REP_CLIENT_COMMIT,    /* height (8), view (8), hash (32), count (4), then
                           the ids of the transactions that are new */
  REP_CLIENT_STATUS,    /* the fields of rep_status, 8 bytes each */
};
#define REP_CLIENT_COMMIT_HEAD (8u + 8u + HS2N_HASH_LEN + 4u)

/* X(field, what it is) */
#define REP_STATUS_LIST(X)                                  \
  X(view, "the current view")                               \
  X(height, "blocks committed")                             \
  X(views, "views entered by this process")                 \
  X(timeouts, "views in which it timed out")                \
  X(view_changes, "views entered by a timeout certificate") \
  X(proposals, "proposals made")                            \
  X(votes, "votes cast")                                    \
  X(txs, "transactions committed by this process")          \
  X(txs_repeated, "transactions committed again")           \
  X(pending_txs, "transactions that wait for a block")      \
  X(held_txs, "transactions in the mempool")                \
  X(sync_requests, "times it asked for missing blocks")     \
  X(sync_blocks, "blocks got by asking")                    \
  X(wrong, "messages that broke the protocol")              \
  X(dropped, "messages dropped for want of room")           \
  X(peers_up, "connections that are up")                    \
  X(rtt_ns, "until a quorum acknowledged a message")        \
  X(view_timeout_ns, "how long the current view may last")  \
  X(bytes_sent, "bytes given to sockets")                   \
  X(bytes_received, "bytes of datagrams received")          \
  X(datagrams_sent, "datagrams sent")                       \
  X(datagrams_received, "datagrams received")               \
  X(messages_sent, "messages sent, once per receiver")      \
  X(messages_received, "messages received")                 \
  X(messages_refused, "messages refused")                   \
  X(sends_full, "sends that found no room")                 \
  X(kernel_drops, "datagrams the kernel dropped")           \
  X(log_bytes, "bytes written to the log")                  \
  X(log_flushes, "writes of the log")                       \
  X(log_flush_ns, "time spent in them")                     \
  X(cpu_us, "processor time used")                          \
  X(memory_bytes, "largest resident memory")                \
  X(memory_bound_bytes, "worst case of the library's")

struct rep_status {
#define X(field, text) uint64_t field;
  REP_STATUS_LIST(X)
#undef X
};
#define X(field, text) +1
enum { REP_STATUS_FIELDS = 0 REP_STATUS_LIST(X) };
#undef X
#define REP_STATUS_LEN (8u * (size_t)REP_STATUS_FIELDS)

void rep_status_write(struct rep_writer *w, const struct rep_status *status);
bool rep_status_read(struct hs2n_span content, struct rep_status *out);

#endif /* REP_CLIENT_H */
