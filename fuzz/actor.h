/* actor: what the parts of fuzz_actor share: a few whole nodes, and the book
 * of what they were given to carry and what became of it. */
#ifndef FUZZ_ACTOR_H
#define FUZZ_ACTOR_H

#include "netsim.h"

#define NODES 3u
#define OPS_MAX 200
#define ENTRIES 4096u /* more than a run makes */
#define OPENS 1024u
#define LATERS 256u
#define ASKED 64u

/* Types 0 to 5 are one for each lane, as of netsim. */
enum {
  TYPE_SIGNED = HS2N_LANES,
  TYPE_LZ4,
  TYPE_ZSTD,
  TYPE_KNOWN, /* by its content */
  TYPE_ASK,
  TYPE_ANSWER,
  TYPE_ASK_SECRET,
  TYPE_ANSWER_SECRET,
  TYPES,
};

/* A message, request or response; its index, its serial, is in its body. */
struct entry {
  uint8_t from;
  uint8_t type;
  uint8_t to;          /* mask; of a request whom it may ask */
  uint8_t seen[NODES]; /* the receiver's life that got it, or 0 */
  uint8_t held;        /* mask: HOLD was said, so it may come again */
  uint8_t taken;       /* mask: acknowledged by the application */
  bool view_bound;
  uint64_t view;
};

/* A tag without completion. */
struct open {
  struct hs2n_tag tag;
  uint32_t serial;
  uint64_t quorum;
  hs2n_time deadline;
  bool is_request;
  bool accepted; /* its response was */
};

struct later {
  struct hs2n_peer from;
  struct hs2n_msg_id id;
  uint32_t serial; /* 0: of none that the book has */
};

struct asked {
  struct hs2n_req req;
  uint8_t from;
  uint8_t type;
  uint64_t view;
  bool view_bound;
};

/* A node's application. */
struct actor {
  struct fuzz *fuzz;
  uint8_t life; /* 1, 2, .. for each process */
  bool stopped;
  uint8_t mood; /* what it says, see verdict_of */
  uint64_t view;
  uint32_t last[NODES][HS2N_LANES]; /* highest serial in order, by sender */
  struct open opens[OPENS];
  size_t opens_n;
  struct later laters[LATERS];
  size_t laters_n;
  struct asked asked[ASKED];
  size_t asked_n;
  uint32_t posts, posts_ran;
  bool was_full; /* and not WRITABLE since */
  uint32_t writables;
};

struct input {
  const uint8_t *at, *end;
};

struct fuzz {
  struct netsim *sim;
  struct input in;
  size_t nodes; /* 2 or 3 */
  uint64_t view;
  uint64_t highest; /* view that any node ever entered */
  uint64_t epoch;
  struct actor actors[NODES];
  struct entry entries[ENTRIES];
  uint32_t entries_n; /* entry 0 is none */
};

/* An invariant; what breaks one is what the fuzzer looks for. */
void expect(int good);
/* The next byte of the input; 0 behind its end. */
uint8_t take_byte(struct fuzz *f);
struct netsim_node *node_at(struct fuzz *f, size_t i);

/* ---- actor_book.c ---------------------------------------------------------
 */

/* The node's upcalls go to the book. */
void book_listen(struct fuzz *f, size_t i);
/* A new process of the node, which runs. */
void book_started(struct fuzz *f, size_t i);
/* A body for the next entry.  Half of them can't be made smaller.  NULL:
 * empty. */
struct hs2n_buf *book_body(struct fuzz *f, uint8_t type, size_t len);
/* The entry of a body was accepted. */
uint32_t book_sent(struct fuzz *f, const struct entry *entry);
void book_open(struct fuzz *f, size_t i, const struct open *open);
bool book_has_room(const struct fuzz *f, size_t i);
/* What holds at any moment. */
void book_check(struct fuzz *f);
/* Nothing waits for anything any more. */
void book_check_end(struct fuzz *f, size_t i);

/* ---- actor_call.c: what an application may call ----------------------------
 */

void call_send(struct fuzz *f, size_t i, size_t to);
/* Many short messages at once. */
void call_burst(struct fuzz *f, size_t i, size_t to);
void call_request(struct fuzz *f, size_t i, size_t to);
/* Answers the oldest request that waits. */
void call_respond(struct fuzz *f, size_t i, size_t len);
void call_judge(struct fuzz *f, size_t i, enum hs2n_verdict verdict);
void call_cancel(struct fuzz *f, size_t i, size_t which);
void call_enter_view(struct fuzz *f, size_t i, uint64_t view);
void call_post(struct fuzz *f, size_t i);
/* Another epoch, perhaps without somebody; epoch 1 stays. */
void call_members(struct fuzz *f, size_t i);

#endif /* FUZZ_ACTOR_H */
