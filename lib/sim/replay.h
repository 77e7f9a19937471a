/* replay: what the files of a replay share.
 *
 * One cursor walks the recording; who needs the next record takes it: steps the
 * entries, the node's hooks what comes from outside, upcalls what the
 * application did.
 *
 *   replay.c         life of a replay, and the entries
 *   replay_read.c    the bytes of a recording
 *   replay_call.c    calls, and the bodies that the application has kept
 *   replay_node.c    what the node asks of its world, and its upcalls */
#ifndef HS2NI_SIM_REPLAY_H
#define HS2NI_SIM_REPLAY_H

#include <hs2net/hs2net.h>
#include <hs2net/replay.h>
#include <stdbool.h>

#define HS2NI_REPLAY_TX_MAX 256
#define HS2NI_REPLAY_RX_MAX 1024
#define HS2NI_REPLAY_PEERS_MAX 4096

struct hs2ni_replay_cursor {
  const uint8_t *start;
  const uint8_t *at;
  const uint8_t *end;
  bool cut; /* the recording breaks off here */
};

/* A body that the application has kept. */
struct hs2ni_replay_kept {
  uint64_t number;
  struct hs2n_buf *buf;
};

struct hs2n_replay {
  struct hs2ni_replay_cursor in;
  const struct hs2n_mem *mem;
  struct hs2n_mem counted; /* what the node gets */
  uint64_t asked;          /* allocations since the node's first record */
  struct hs2n_node *node;
  struct hs2n_replay_at where;
  int err;
  struct hs2ni_replay_kept *kept;
  size_t kept_n;
  size_t kept_capacity;
  struct hs2n_buf *lent; /* in on_message */
  uint64_t bodies;       /* given to the application */
  uint8_t *room;         /* for datagrams; what the largest batch needed */
  size_t room_len;

  /* of one record */
  struct hs2n_rx rx[HS2NI_REPLAY_RX_MAX];
  struct hs2n_tx tx[HS2NI_REPLAY_TX_MAX];
  struct hs2n_peer peers[HS2NI_REPLAY_PEERS_MAX];
};

/* ---- replay_read.c ------------------------------------------------------- */

/* Each takes a field; beyond the end it sets cut and gives nothing. */
uint64_t hs2ni_replay_uint(struct hs2ni_replay_cursor *c);
struct hs2n_span hs2ni_replay_bytes(struct hs2ni_replay_cursor *c);
struct hs2n_addr hs2ni_replay_addr(struct hs2ni_replay_cursor *c);
/* The kind of the next record, 0 at the end; the cursor stays. */
unsigned hs2ni_replay_peek(const struct hs2ni_replay_cursor *c);
/* Nothing more is done after the first failure.  Where the recording breaks
 * off, what is read makes no sense. */
void hs2ni_replay_fail(struct hs2n_replay *r, int err, const char *text);
/* Takes the kind of a record that must come now. */
bool hs2ni_replay_expect(struct hs2n_replay *r, enum hs2n_record_kind kind,
                         const char *text);
/* Compares a field that the node has, too. */
void hs2ni_replay_same(struct hs2n_replay *r, uint64_t now, const char *text);

/* ---- replay_call.c ------------------------------------------------------- */

/* The application keeps the body that it was given last. */
void hs2ni_replay_keep(struct hs2n_replay *r, uint64_t number,
                       struct hs2n_buf *body);
/* Does the call that comes next; false when what comes is none. */
bool hs2ni_replay_call(struct hs2n_replay *r);
void hs2ni_replay_calls(struct hs2n_replay *r);

/* ---- replay_node.c ------------------------------------------------------- */

int hs2ni_replay_rand(void *replay, uint8_t *out, size_t len);
void *hs2ni_replay_alloc(void *replay, size_t len);
void hs2ni_replay_release(void *replay, void *ptr, size_t len);
/* What hears from the node. */
struct hs2n_consensus hs2ni_replay_methods(struct hs2n_replay *r);
/* Runs as a function of hs2n_post; arg is the replay. */
void hs2ni_replay_post(struct hs2n_node *node, void *arg);

#endif /* HS2NI_SIM_REPLAY_H */
