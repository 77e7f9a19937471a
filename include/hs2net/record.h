/* record.h: the flight recorder of a node: everything that comes into it, in
 * order, so that what it did can be done again bit by bit (replay.h).
 *
 * A node is a function of its configuration and of what it is given: datagrams,
 * time, randomness, calls, verdicts, memory that was refused.  A recording is
 * all of these from hs2n_node_new on.  It holds the secrets of the node's
 * connections, as a TLS key log does, and the bodies it sent; it does not hold
 * the secret of its identity.
 *
 * Format: records one behind the other, each a kind (one byte) and its fields.
 * A number is an unsigned LEB128; bytes are their count and themselves; an
 * address is its family, then, unless that is 0, 4 or 16 bytes of IP, port and
 * scope as numbers. */
#ifndef HS2N_RECORD_H
#define HS2N_RECORD_H

#include <hs2net/api.h>
#include <hs2net/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the next bytes of a recording; a record may come in several calls.
 * Called on the owner's thread, from inside functions of the node: it must
 * neither call the node nor touch bodies.  bytes are borrowed. */
typedef void (*hs2n_record_fn)(void *user_data, struct hs2n_span bytes);

#define HS2N_RECORD_FORMAT 3

/* Kinds, with their fields.  Append only. */
enum hs2n_record_kind {
  /* format, version (text as bytes), now, key (bytes), chain id (bytes),
   * incarnation, seed, reset key (bytes), local (address), unix time (two's
   * complement as a number), congestion, udp_payload_max, uplink_bits_per_s,
   * transport, how many limits, each limit in the order of HS2N_LIMITS_LIST,
   * how many types, for each: id, lane, size_max, compression, flags, role,
   * response */
  HS2N_RECORD_NODE = 1,

  /* Entries.  What happens inside one stands between it and its END. */
  HS2N_RECORD_RECV, /* now, posts that run in it, count, for each: kind; of a
                       datagram: local, remote (addresses), ecn, segment_len,
                       data (bytes); else: pipe, then of OPEN: local, remote,
                       of BYTES: data, of SENT: len */
  HS2N_RECORD_TICK, /* now, posts that run in it */
  HS2N_RECORD_POLL, /* now, count, for each: capacity */
  HS2N_RECORD_END,  /* of POLL: entries written, their hs2n_record_hash; else
                       0, 0 */

  /* Calls.  Each is followed, perhaps behind RAND and NO_MEMORY, by its
   * RETURN. */
  HS2N_RECORD_MEMBERS,    /* epoch, drop_below, count, for each: key (bytes),
                             weight, count of addresses, each address */
  HS2N_RECORD_SEND,       /* 1 if it asks for a tag, destination, message */
  HS2N_RECORD_CANCEL,     /* tag */
  HS2N_RECORD_ENTER_VIEW, /* view, count, for each: peer */
  HS2N_RECORD_JUDGE,      /* message id, verdict, cost_ns */
  HS2N_RECORD_STOP,       /* now */
  HS2N_RECORD_RETURN,     /* the negated error, the tag or 0 */

  /* Upcalls.  Calls made inside one stand between it and its VERDICT or
   * RETURN. */
  HS2N_RECORD_ON_MESSAGE, /* or on_request, on_response, as the type says:
                             message id, type, length */
  HS2N_RECORD_ON_DONE,    /* tag, outcome */
  HS2N_RECORD_ON_PEER,    /* peer, state, reason */
  HS2N_RECORD_VERDICT,    /* verdict, the body's number if it was kept, else 0;
                             bodies given to the application count from 1 */
  HS2N_RECORD_POST,       /* a function of hs2n_post runs until its RETURN */

  HS2N_RECORD_RELEASE,   /* number of a kept body of which the application has
                            let go; 0 */
  HS2N_RECORD_RAND,      /* what the source of randomness returned: 0 or 1, and
                            gave (bytes) */
  HS2N_RECORD_NO_MEMORY, /* which allocation was refused, counted from 0, the
                            node itself; 0 */

  /* Calls, as above. */
  HS2N_RECORD_REQUEST, /* 1 if it has room for the tag, destination, message */
  HS2N_RECORD_RESPOND, /* message id, status, body */
};

struct hs2n_tx; /* node.h */

/**
 * The hash of what was to be sent that a recording has in place of its bytes:
 * FNV-1a (draft-eastlake-fnv) of each entry's IP (16 bytes) and data, then of
 * its port, of its segment_len with its ecn in the upper half, of its kind and
 * of its pipe, each as one step of it.  Fields that hs2n_tx says are not of its
 * kind count as zero.
 *
 * Thread: any.
 *
 * \param tx  n entries, as hs2n_node_poll_tx has written them.
 * \param n   how many.
 */
HS2N_API uint64_t hs2n_record_hash(const struct hs2n_tx *tx, size_t n);

/* message id: peer, incarnation, seq, lane, 1 if unordered.
 * destination: kind, count, for each: peer; epoch.
 * message: type, flags, view, deadline, quorum_weight, key, body.
 * body: 0 none, 1 and bytes, or 2 and the number of a kept or borrowed one. */

#ifdef __cplusplus
}
#endif

#endif /* HS2N_RECORD_H */
