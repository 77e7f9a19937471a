/* consensus.h: the interface that consensus code fills in to hear from a
 * node. */
#ifndef HS2N_CONSENSUS_H
#define HS2N_CONSENSUS_H

#include <hs2net/msg.h>
#include <hs2net/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hs2n_peer_state {
  HS2N_PEER_UP = 1,   /* connected: both hellos accepted */
  HS2N_PEER_WRITABLE, /* room again after HS2N_ERR_FULL */
  HS2N_PEER_DOWN,     /* connection or dial ended, see reason; dialling goes
                         on and unacknowledged messages are kept */
  HS2N_PEER_BANNED,
  HS2N_PEER_GONE, /* left the last live epoch; the handle is dead after
                     this call */
};

/* Methods of the consensus code.  A node calls them on its owner thread,
 * last in an entry, when its own state is consistent: a method may call any
 * function of the node except hs2n_node_free.  None of them is called from
 * inside a function of section "down" of node.h.  A NULL method means "not
 * interested"; a message, request or response then counts as IGNOREd.
 *
 * Growth: new methods are appended; struct_size says what the caller was
 * compiled with. */
struct hs2n_consensus {
  size_t struct_size; /* sizeof(struct hs2n_consensus) */
  void *self;         /* first argument of each method */

  /* At most once per (sender, incarnation, id), and again only after HS2N_HOLD;
   * FIFO per (peer, lane), but for those sent with HS2N_MSG_DATAGRAM_OK.
   * msg and its body are borrowed until return; hs2n_buf_ref keeps the body.
   * After HS2N_LATER an hs2n_judge with the same from and id must follow. */
  enum hs2n_verdict (*on_message)(void *self, struct hs2n_peer from,
                                  struct hs2n_msg_id id,
                                  const struct hs2n_msg *msg);

  /* Exactly once for every accepted request, and send that asked for a
   * tag. */
  void (*on_done)(void *self, struct hs2n_tag tag,
                  const struct hs2n_done *done);

  void (*on_peer)(void *self, struct hs2n_peer peer, enum hs2n_peer_state state,
                  enum hs2n_reason reason);

  /* A peer asks.  Like on_message, of types with HS2N_ROLE_REQUEST.  What is
   * ACCEPTed must be answered by one hs2n_respond with req, from inside or
   * later; until then it takes one of limits.rx_requests_max, but not longer
   * than until msg->deadline, when its asker gives up: then hs2n_respond says
   * STALE, or STATE once its place was given to another.  A request that was
   * answered from inside counts as ACCEPTed. */
  enum hs2n_verdict (*on_request)(void *self, struct hs2n_peer from,
                                  struct hs2n_req req,
                                  const struct hs2n_msg *msg);

  /* A peer answers an open hs2n_request.  ACCEPT ends that with an on_done,
   * IGNORE and REJECT have the next peer asked.  msg is borrowed as in
   * on_message; after HS2N_LATER an hs2n_judge with from and id must
   * follow. */
  enum hs2n_verdict (*on_response)(void *self, struct hs2n_peer from,
                                   struct hs2n_msg_id id, struct hs2n_tag tag,
                                   uint32_t status, const struct hs2n_msg *msg);
};

#define HS2N_CONSENSUS_INIT \
  { .struct_size = sizeof(struct hs2n_consensus) }

#ifdef __cplusplus
}
#endif

#endif /* HS2N_CONSENSUS_H */
