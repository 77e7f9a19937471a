/* book: what must become of each message that the nodes of a simulation send,
 * and what may not.  It is kept from outside, by what applications see: by it
 * a library that acknowledges what was not taken, loses a completion, or gives
 * what is over is found out, whatever it believes itself.
 *
 * The book asks at once about what is wrong whenever it happens (heard twice,
 * out of order, acknowledged and not taken, told twice), and book_settled
 * about what must have happened in the end. */
#ifndef BOOK_H
#define BOOK_H

#include <hs2net/hs2net.h>
#include <hs2net/sim.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOK_NODES 8

/* A message.  Receivers are bits, by node. */
struct book_entry {
  uint32_t from;
  uint64_t life; /* of the sender's process */
  uint32_t to;   /* receivers */
  uint32_t type;
  enum hs2n_lane lane;
  uint32_t flags; /* of enum hs2n_msg_flag */
  uint64_t view, key, quorum;
  uint32_t len;
  hs2n_time deadline; /* the sender's clock; 0: none */
  uint64_t tag;       /* 0: none, or it has ended */
  uint32_t heard;     /* receivers whose present process was given it */
  uint32_t taken;     /* receivers that took it, in any life */
  uint32_t refused;   /* receivers that rejected it */
  uint32_t down;      /* receivers that have not been connected since */
  bool must_cancel;   /* it ended when somebody had not acknowledged it */
  bool withdrawn;     /* cancelled, or its key has a newer message */
  bool over;          /* it was told to have ended otherwise than taken */
};

struct book_node {
  uint64_t life;     /* counts processes */
  uint64_t view;     /* of this life */
  uint64_t view_max; /* of all lives */
  bool stopping;
  uint32_t up;        /* peers, bits */
  uint32_t full;      /* peers that a WRITABLE is due for, bits */
  uint32_t full_some; /* peers of which one or another was FULL, bits */
  size_t last[BOOK_NODES][HS2N_LANES]; /* last ordered entry heard, plus one */
};

struct book {
  struct hs2n_sim *sim;
  uint32_t nodes;
  struct book_entry *entries;
  size_t n, capacity;
  size_t first_open; /* nothing before it has a tag */
  struct book_node node[BOOK_NODES];
  uint64_t outcomes[HS2N_DONE_PEER_GONE + 1];
};

/* false: no memory. */
bool book_init(struct book *b, struct hs2n_sim *sim, uint32_t nodes);
void book_fini(struct book *b);

void book_started(struct book *b, uint32_t node);
void book_died(struct book *b, uint32_t node);
void book_view(struct book *b, uint32_t node, uint64_t view);
void book_peer(struct book *b, uint32_t node, uint32_t peer,
               enum hs2n_peer_state state);

/* hs2n_cancel took it. */
void book_cancelled(struct book_entry *e);

/* The body of the message that would be noted next, of len bytes. */
#define BOOK_BODY_MIN 24
void book_body(const struct book *b, uint32_t from, uint32_t len, uint8_t *out);

/* A send was accepted; e->tag is its tag. */
void book_sent(struct book *b, const struct book_entry *e);

/* The entry that a received message is, or NULL, and then the simulation has
 * failed. */
struct book_entry *book_find(struct book *b, uint32_t node, uint32_t from,
                             const struct hs2n_msg *msg);
/* It was given to the application, which said this. */
void book_heard(struct book *b, uint32_t node, struct book_entry *e,
                enum hs2n_verdict verdict);
/* A verdict that came later. */
void book_judged(struct book *b, uint32_t node, struct book_entry *e,
                 enum hs2n_verdict verdict);
void book_done(struct book *b, uint32_t node, struct hs2n_tag tag,
               const struct hs2n_done *done);

/* A tag of the node that is open, picked by chance; 0: none. */
struct book_entry *book_open(struct book *b, uint32_t node, uint64_t chance);

/* Whether a completion is late, which is a failure. */
void book_check_late(struct book *b);

/* What is still to come when the network is well; NULL: nothing. */
const char *book_unsettled(const struct book *b);

#endif /* BOOK_H */
