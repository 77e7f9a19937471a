/* ledger: what was sent, and what became of it.
 *
 * Every message has a number of its own in the whole process, which its body
 * carries.  For as long as its entry lives it is known who is to get it, who
 * saw it and who took it; so a message that is lost, comes twice, comes out of
 * order or is acknowledged by nobody shows at once.  Entries are reused in
 * turn, those of open sends excepted.  All memory is taken and touched at the
 * start: what grows later is not this. */
#ifndef SOAK_LEDGER_H
#define SOAK_LEDGER_H

#include <hs2net/hs2net.h>

#define PARTIES 5
#define LEDGER_ENTRIES (1u << 16)
#define LEDGER_OPENS (1u << 14)

/* What has to be 0 in the end, and what has not.  X(field, text) */
#define LEDGER_FAULTS(X)                                      \
  X(lost, "acknowledged, but not taken by all who must")      \
  X(doubled, "handed to the application twice")               \
  X(disordered, "before one that was sent earlier")           \
  X(unknown, "never sent, to somebody else, or with another " \
             "content")                                       \
  X(untagged, "completions of no send, or a second one")      \
  X(refused, "sends that ended in another way than asked for")
#define LEDGER_COUNTS(X)                                  \
  X(accepted, "sends accepted")                           \
  X(receivers, "the same, per receiver")                  \
  X(completed, "completions")                             \
  X(acked, "completions ACKED")                           \
  X(quorums, "completions QUORUM")                        \
  X(expired, "completions EXPIRED")                       \
  X(cancelled, "completions CANCELLED: their view ended") \
  X(answered, "requests answered")                        \
  X(unserved, "requests that nobody served")              \
  X(held, "messages kept for their view (HOLD)")          \
  X(delivered, "handed to the application")               \
  X(taken, "accepted by the application")

struct ledger_entry {
  uint64_t number; /* 0: not used yet */
  uint64_t view;   /* that it dies with; LEDGER_NO_VIEW: none */
  uint8_t from;
  uint8_t opens; /* tags without completion */
  uint32_t to;   /* masks of parties */
  uint32_t seen;
  uint32_t taken;
  uint32_t held; /* of seen: may come once more */
};

#define LEDGER_NO_VIEW UINT64_MAX

struct ledger_open {
  struct hs2n_tag tag;
  uint64_t number;
  uint32_t to;
  uint8_t from;
  uint8_t quorum; /* 0: all must take it */
  bool is_request;
  bool answered; /* and the answer accepted */
};

struct ledger {
#define X(field, text) uint64_t field;
  LEDGER_FAULTS(X)
  LEDGER_COUNTS(X)
#undef X
  uint64_t next;
  uint64_t last[PARTIES][PARTIES][HS2N_LANES]; /* from, to: highest in order */
  uint64_t views[PARTIES];
  struct ledger_entry *entries;
  struct ledger_open *opens;
  size_t opens_n;
};

bool ledger_init(struct ledger *l);
void ledger_fini(struct ledger *l);

/* The number of the next message; 0 while too much is open. */
uint64_t ledger_number(const struct ledger *l);

/* hs2n_send or hs2n_request took it, for the parties of `to`.  A number may be
 * accepted several times, for different parties. */
struct ledger_message {
  uint64_t number;
  uint32_t from;
  uint32_t to;
  uint64_t view; /* or LEDGER_NO_VIEW */
  uint32_t quorum;
  bool is_request;
};
void ledger_accepted(struct ledger *l, const struct ledger_message *m,
                     struct hs2n_tag tag);

/* on_message or on_request was called, and does not answer BUSY.  What does not
 * count for the order has an id that is `unordered`. */
void ledger_seen(struct ledger *l, uint64_t number, uint32_t from, uint32_t to,
                 struct hs2n_msg_id id);

/* The answer was ACCEPT, at once or later. */
void ledger_taken(struct ledger *l, uint64_t number, uint32_t to);

/* The answer was HOLD: it is acknowledged, and comes once more. */
void ledger_held(struct ledger *l, uint64_t number, uint32_t to);

/* An answer to this request came, and is accepted.  false: nobody asked so. */
bool ledger_answered(struct ledger *l, uint32_t from, struct hs2n_tag tag,
                     uint64_t number);

/* acked: mask of who is said to have taken it. */
void ledger_done(struct ledger *l, uint32_t from, struct hs2n_tag tag,
                 enum hs2n_outcome outcome, uint32_t acked);

/* The sum of all faults. */
uint64_t ledger_faults(const struct ledger *l);

#endif /* SOAK_LEDGER_H */
