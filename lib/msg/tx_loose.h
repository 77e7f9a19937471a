/* tx_loose: messages that may go in datagrams, our side.
 *
 * They have numbers of their own in their lane and no order.  Each goes out in
 * a datagram at once; when its acknowledgement has not come in time, because
 * the datagram was lost or the application is slow, a copy with the same
 * number is written on the lane's stream, which does not lose it.  The receiver
 * takes whichever comes first.
 *
 * In time is a little more than a round trip while packets get through, so
 * that copies cost nothing; where packets get lost it is a part of one: a copy
 * that is not needed then costs less than the wait for one that is.
 *
 *   fresh --datagram--> out, waiting --in time?--> out, due --copy--> out
 *
 * A message is acknowledged, or ends, from any of these. */
#ifndef HS2NI_MSG_TX_LOOSE_H
#define HS2NI_MSG_TX_LOOSE_H

#include "base/list.h"
#include "base/timer.h"
#include "link/link.h"
#include "wire/record.h"

struct hs2ni_chan;
struct hs2ni_frame;
struct hs2ni_tx_lane;
struct hs2ni_tx_msg;

enum hs2ni_copy {
  HS2NI_COPY_NONE, /* not yet in a datagram, or on the stream already */
  HS2NI_COPY_WAITING,
  HS2NI_COPY_REFUSED, /* the peer was busy */
  HS2NI_COPY_DUE,
};

/* How many packets of a connection get lost, lately. */
struct hs2ni_loss {
  uint64_t sent, lost; /* packets, when it was last measured */
  uint32_t permille;
};

/* Of a tx_msg. */
struct hs2ni_tx_loose_msg {
  bool is;      /* this message has no order */
  bool out;     /* was in a datagram, or on a stream */
  bool offered; /* is in the chunk that the link was last given */
  enum hs2ni_copy copy;
  hs2n_time copy_at;           /* WAITING */
  struct hs2ni_list_node node; /* in waiting, refused or due */
};

/* Of a tx_lane. */
struct hs2ni_tx_loose {
  struct hs2ni_list fresh;   /* to go in a datagram, in order */
  struct hs2ni_list out;     /* by number */
  struct hs2ni_list waiting; /* of out, by copy_at */
  struct hs2ni_list refused; /* of out, until refused_until */
  struct hs2ni_list due;     /* of out, to be written on the stream */
  uint64_t next_seq;
  hs2n_time refused_until;
  uint32_t refused_row;     /* rounds of BUSY with nothing taken meanwhile */
  bool tried;               /* and no BUSY has come since */
  struct hs2ni_timer timer; /* for the first of waiting, and refused */
  uint8_t head[HS2NI_HEAD_MAX];
};

void hs2ni_tx_loose_init(struct hs2ni_tx_lane *lane);
/* Whether m can go in a datagram on this connection. */
bool hs2ni_tx_loose_fits(const struct hs2ni_tx_msg *m);
void hs2ni_tx_loose_queue(struct hs2ni_tx_msg *m);
/* Takes m out of the lists. */
void hs2ni_tx_loose_remove(struct hs2ni_tx_msg *m);
/* Ranks of the datagram and of the copy that come next, or HS2NI_RANK_NONE. */
uint64_t hs2ni_tx_loose_rank(const struct hs2ni_tx_lane *lane);
uint64_t hs2ni_tx_loose_due_rank(const struct hs2ni_tx_lane *lane);
/* A datagram of the lane. */
bool hs2ni_tx_loose_next(struct hs2ni_tx_lane *lane, struct hs2ni_chunk *out);
/* The link took the datagram that it was last given, or did not. */
void hs2ni_tx_loose_sent(struct hs2ni_tx_lane *lane, bool taken);
/* That datagram never fits. */
void hs2ni_tx_loose_blocked(struct hs2ni_tx_lane *lane);
/* A frame with a copy that is due, at the end of the lane's frames, or NULL. */
struct hs2ni_frame *hs2ni_tx_loose_frame(struct hs2ni_tx_lane *lane);
/* An acknowledgement or refusal; false: it breaks the rules. */
bool hs2ni_tx_loose_ack(struct hs2ni_tx_lane *lane,
                        const struct hs2ni_record *r);
bool hs2ni_tx_loose_nack(struct hs2ni_tx_lane *lane,
                         const struct hs2ni_record *r);
/* The peer has taken one of them. */
void hs2ni_tx_loose_taken(struct hs2ni_tx_lane *lane);
/* After the lane's frames have gone: all that was out is due on the next
 * connection. */
void hs2ni_tx_loose_detach(struct hs2ni_tx_lane *lane);
/* A peer that can't read such messages gets them in order. */
void hs2ni_tx_loose_attach(struct hs2ni_tx_lane *lane);

#endif /* HS2NI_MSG_TX_LOOSE_H */
