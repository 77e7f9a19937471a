/* The world of the node: what it asks for, and whom it tells. */
#include "sim/replay.h"

#include <string.h>

/* ---- what the node asks for ---------------------------------------------- */

int hs2ni_replay_rand(void *user_data, uint8_t *out, size_t len) {
  struct hs2n_replay *r = user_data;
  struct hs2n_span bytes;

  memset(out, 0, len); /* behind a failure nothing matters any more */
  if (!hs2ni_replay_expect(r, HS2N_RECORD_RAND,
                           "the node asks for randomness")) {
    return 0;
  }
  if (hs2ni_replay_uint(&r->in) != 0) {
    (void)hs2ni_replay_bytes(&r->in);
    return 1;
  }
  bytes = hs2ni_replay_bytes(&r->in);
  if (bytes.len != len && !r->in.cut) {
    hs2ni_replay_fail(r, HS2N_ERR_STATE,
                      "the node asks for another amount of randomness");
  } else if (bytes.len > 0) {
    memcpy(out, bytes.data, bytes.len);
  }
  return 0;
}

void *hs2ni_replay_alloc(void *user_data, size_t len) {
  struct hs2n_replay *r = user_data;
  void *ptr;

  if (r->err == HS2N_OK && hs2ni_replay_peek(&r->in) == HS2N_RECORD_NO_MEMORY) {
    struct hs2ni_replay_cursor ahead = r->in;

    ahead.at++;
    if (hs2ni_replay_uint(&ahead) == r->asked) {
      (void)hs2ni_replay_uint(&ahead);
      r->in = ahead;
      r->asked++;
      return NULL;
    }
  }
  r->asked++;
  ptr = r->mem->alloc(r->mem->user_data, len);
  if (ptr == NULL) {
    /* The recorded node had it: from here on they may differ. */
    hs2ni_replay_fail(r, HS2N_ERR_NO_MEMORY, "no memory for the node");
  }
  return ptr;
}

void hs2ni_replay_release(void *user_data, void *ptr, size_t len) {
  struct hs2n_replay *r = user_data;

  r->mem->release(r->mem->user_data, ptr, len);
}

/* ---- upcalls --------------------------------------------------------------
 */

/* What comes in, of every role. */
static enum hs2n_verdict deliver(struct hs2n_replay *r, struct hs2n_peer from,
                                 struct hs2n_msg_id id,
                                 const struct hs2n_msg *msg) {
  uint64_t verdict = HS2N_IGNORE;
  uint64_t kept = 0;

  if (!hs2ni_replay_expect(r, HS2N_RECORD_ON_MESSAGE,
                           "the node delivers a message")) {
    return HS2N_IGNORE;
  }
  hs2ni_replay_same(r, from.v, "a message comes from another peer");
  hs2ni_replay_same(r, id.incarnation,
                    "a message comes from another incarnation");
  hs2ni_replay_same(r, id.seq, "another message comes");
  hs2ni_replay_same(r, id.lane, "a message comes in another lane");
  hs2ni_replay_same(r, id.unordered ? 1 : 0,
                    "a message comes in another order");
  hs2ni_replay_same(r, msg->type, "a message has another type");
  hs2ni_replay_same(r, msg->body == NULL ? 0 : hs2n_buf_span(msg->body).len,
                    "a message has another length");
  r->lent = msg->body;
  r->bodies += msg->body == NULL ? 0 : 1;
  hs2ni_replay_calls(r);
  if (hs2ni_replay_expect(r, HS2N_RECORD_VERDICT,
                          "the application gives its verdict")) {
    verdict = hs2ni_replay_uint(&r->in);
    kept = hs2ni_replay_uint(&r->in);
  }
  if (kept != 0 && r->err == HS2N_OK && !r->in.cut) {
    hs2ni_replay_keep(r, kept, msg->body);
  }
  r->lent = NULL;
  return (enum hs2n_verdict)verdict;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  return deliver(self, from, id, msg);
}

static enum hs2n_verdict on_request(void *self, struct hs2n_peer from,
                                    struct hs2n_req req,
                                    const struct hs2n_msg *msg) {
  return deliver(self, from, req.id, msg);
}

static enum hs2n_verdict on_response(void *self, struct hs2n_peer from,
                                     struct hs2n_msg_id id, struct hs2n_tag tag,
                                     uint32_t status,
                                     const struct hs2n_msg *msg) {
  (void)tag; /* what was asked is the same, so the answer belongs to it */
  (void)status;
  return deliver(self, from, id, msg);
}

static void end_upcall(struct hs2n_replay *r) {
  hs2ni_replay_calls(r);
  if (hs2ni_replay_expect(r, HS2N_RECORD_RETURN, "the application returns")) {
    (void)hs2ni_replay_uint(&r->in);
    (void)hs2ni_replay_uint(&r->in);
  }
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct hs2n_replay *r = self;

  if (hs2ni_replay_expect(r, HS2N_RECORD_ON_DONE,
                          "the node completes a send")) {
    hs2ni_replay_same(r, tag.v, "another send completes");
    hs2ni_replay_same(r, done->outcome, "a send ends in another way");
    end_upcall(r);
  }
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct hs2n_replay *r = self;

  if (hs2ni_replay_expect(r, HS2N_RECORD_ON_PEER, "the node tells of a peer")) {
    hs2ni_replay_same(r, peer.v, "another peer changes");
    hs2ni_replay_same(r, state, "a peer is in another state");
    hs2ni_replay_same(r, reason, "a peer is so for another reason");
    end_upcall(r);
  }
}

void hs2ni_replay_post(struct hs2n_node *node, void *arg) {
  struct hs2n_replay *r = arg;

  (void)node;
  if (hs2ni_replay_expect(r, HS2N_RECORD_POST, "a posted function runs")) {
    end_upcall(r);
  }
}

struct hs2n_consensus hs2ni_replay_methods(struct hs2n_replay *r) {
  return (struct hs2n_consensus){.struct_size = sizeof(struct hs2n_consensus),
                                 .self = r,
                                 .on_message = on_message,
                                 .on_done = on_done,
                                 .on_peer = on_peer,
                                 .on_request = on_request,
                                 .on_response = on_response};
}
