/* party: a node on its driver, and how its application behaves. */
#ifndef SOAK_PARTY_H
#define SOAK_PARTY_H

#include "body.h"
#include "gauge.h"
#include "ledger.h"

#include <hs2net/hs2net.h>

enum manner {
  MANNER_PROMPT,  /* takes at once */
  MANNER_SLOW,    /* keeps bodies and questions for a while, says LATER and
                     BUSY at times */
  MANNER_STOPPED, /* while `stopped`: keeps bodies and questions, says LATER,
                     and stays in its view */
};

/* What the application holds. */
struct kept {
  hs2n_time until;
  struct hs2n_buf *body;
  struct hs2n_peer from;
  struct hs2n_msg_id id;
  uint64_t number;
  bool judge;   /* it was LATER */
  bool answers; /* it is a request, see id and from */
};

#define KEPT_MAX 8192

struct party {
  uint32_t index;
  enum manner manner;
  bool stopped;
  struct ledger *ledger;
  const struct hs2n_mem *mem;
  struct hs2n_identity *identity;
  struct hs2n_io *io;
  struct hs2n_node *node;
  struct hs2n_peer handles[PARTIES];
  uint32_t known; /* mask: who has a handle */
  uint32_t up;    /* mask */
  uint64_t view;
  uint32_t full;      /* mask: who said FULL and not WRITABLE since */
  uint64_t writables; /* times that one of `full` became writable */
  uint64_t unjudged;  /* LATERs whose judgement, requests whose answer was not
                         taken */
  uint64_t calls;     /* on_message */
  struct kept *kept;  /* ring */
  size_t first;
  size_t count;
};

struct party_config {
  uint32_t index;
  enum manner manner;
  struct ledger *ledger;
  const struct hs2n_mem *mem;
  uint32_t idle_ms;
};

/* On loopback.  False, and says why, when it can't. */
bool party_open(struct party *p, const struct party_config *config);
void party_close(struct party *p);

/* An address and a key of one that p shall know, itself included. */
struct party_peer {
  const struct party *party;
  struct hs2n_addr addr;
};
bool party_join(struct party *p, const struct party_peer *peers, size_t n);

/* Enters a view, unless it is stopped. */
bool party_enter_view(struct party *p, uint64_t view);

/* Sends one message to those of `to` that are not full, or asks one of them.
 * With HS2N_MSG_QUORUM two thirds must take it; with HS2N_MSG_VIEW_BOUND it is
 * of the next view. */
struct party_message {
  uint8_t type;
  uint32_t flags;
  hs2n_time deadline;
};
bool party_send(struct party *p, uint32_t to, const struct party_message *m);

/* Gives back, and judges, what has been kept until now.  All: HS2N_TIME_NEVER.
 * Returns whether there was anything. */
bool party_release(struct party *p, hs2n_time now);

#endif /* SOAK_PARTY_H */
