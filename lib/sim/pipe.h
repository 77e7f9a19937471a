/* pipe: TCP connections between simulated nodes.
 *
 * Each host has a small TCP (RFC 9293) whose segments go through the same
 * ports, links, noise, cuts and NATs as datagrams, so that a pipe meets all
 * that a datagram meets, shares rates with the others, and shows what is lost
 * as time.  It does what Linux does by default, as far as that shows:
 *
 *   - loss is found by selective acknowledgements and time (RFC 8985, with its
 *     probe for lost tails and a window for reordering that learns), and by a
 *     retransmission time-out of a round trip and 200 ms or more, which doubles
 *     (RFC 6298)
 *   - the congestion window is that of RFC 5681: slow start from ten segments,
 *     halved by loss, one segment more a round trip.  Not CUBIC, which differs
 *     only where one connection lasts long in a large window; not a fixed
 *     window, which would take no notice of a queue that is full.
 *   - it gives up after 15 time-outs in a row, a connection that does not stand
 *     yet after 6; nodes have other ideas long before
 *   - a receiver has room for 4 MiB that its node has not read
 *
 * Simpler than Linux: each segment is acknowledged at once, segments are never
 * larger than the path takes, there is no ECN, and a closed pipe has no
 * TIME_WAIT.  A host is there while its node runs and afterwards only to end
 * what the node has closed in order: before the next start it answers nothing
 * but calls, which it refuses.
 *
 *   pipe.c     between the node and its host: what a driver does
 *   segment.c  between hosts: begin, order, end
 *   flight.c   what is under way: loss, congestion, time */
#ifndef HS2NI_SIM_PIPE_H
#define HS2NI_SIM_PIPE_H

#include "sim/inside.h"

#define HS2NI_PIPE_MSS 1448u    /* of 1500 bytes, with timestamps */
#define HS2NI_PIPE_HEADER 24u   /* as much longer is TCP's header than UDP's */
#define HS2NI_PIPE_UNSENT 16384 /* TCP_NOTSENT_LOWAT, as the driver sets it */
#define HS2NI_PIPE_ROOM (4u << 20)
#define HS2NI_PIPE_UNNAMED UINT64_MAX /* not accepted yet */

enum hs2ni_end_state {
  HS2NI_END_NONE = 0, /* the call has not come */
  HS2NI_END_CALLING,
  HS2NI_END_ANSWERING,
  HS2NI_END_STANDS,
  HS2NI_END_GONE, /* the host has forgotten it */
};

/* A segment that was sent and not acknowledged. */
struct hs2ni_flight {
  uint64_t seq;
  uint64_t nth; /* of all transmissions of this end */
  hs2n_time sent;
  uint32_t len; /* in numbers; SYN and FIN take one each */
  bool held;    /* the other end has it, but not all before it */
  bool lost;    /* to be sent again */
  bool again;   /* it was */
};

/* Numbers of what this end sends: SYN has 0, data begins at 1. */
struct hs2ni_sending {
  uint8_t *bytes; /* from number `base` on */
  size_t capacity;
  uint64_t base;
  uint64_t acked;  /* the other end has all below */
  uint64_t next;   /* never sent from here on */
  uint64_t given;  /* by the node, below; FIN has it when ending */
  uint64_t window; /* the other end has room below */
  struct hs2ni_flight *flights;
  size_t first, end, flights_capacity;
  uint64_t nth;
  uint64_t newest_nth; /* of those that have arrived */
  uint64_t flying;     /* neither held nor lost */
  /* congestion */
  uint64_t cwnd, ssthresh;
  uint64_t recover; /* what was sent before a loss ends there */
  uint64_t cwnd_before, ssthresh_before;
  bool recovering; /* from losses found without a time-out */
  bool limited;    /* by cwnd, when last looked at */
  /* time */
  hs2n_time rtt, rtt_var, rtt_min, rtt_newest; /* 0: not known */
  hs2n_time last_sent;
  hs2n_time timeout_at, reorder_at;
  uint32_t reorder_steps; /* quarters of rtt_min; 0: no reordering was seen */
  uint32_t tries;         /* time-outs in a row */
  bool probed;            /* the tail, since something was acknowledged */
};

struct hs2ni_receiving {
  uint64_t expected; /* all below has come; 0: SYN has not */
  struct hs2ni_packet *unread, *unread_last; /* in order, for the node */
  struct hs2ni_packet *early;                /* behind a gap, by number */
  uint32_t bytes;                            /* of both */
  uint64_t from, to; /* of the last early one, and its neighbours */
  hs2n_time stamp;   /* of the segment to be acknowledged */
  bool owed;         /* an acknowledgement */
  bool fin;          /* and nothing follows what has come */
};

struct hs2ni_end {
  struct hs2ni_pipe *pipe;
  struct hs2ni_end *next;     /* of the host */
  struct hs2ni_end *next_due; /* of those with something for their node */
  uint32_t node;
  uint64_t id;           /* at the node */
  struct hs2n_addr addr; /* as the other end sees it */
  struct hs2n_addr remote;
  uint8_t move; /* where the node was when it began */
  uint16_t nat_port;
  enum hs2ni_end_state state;
  bool closed; /* the node does not know it any more */
  bool ending; /* FIN follows what was given */
  bool due;
  bool tell_open, tell_end;
  uint64_t told; /* SENT was said of what is below */
  struct hs2ni_sending tx;
  struct hs2ni_receiving rx;
};

struct hs2ni_pipe {
  struct hs2n_sim *sim;
  uint64_t number;
  hs2n_time timer_at;       /* of the earliest call that is to come */
  uint32_t held;            /* by those calls, and while it is worked on */
  struct hs2ni_end ends[2]; /* who called, who was called */
};

static inline bool hs2ni_end_lives(const struct hs2ni_end *e) {
  return e->state != HS2NI_END_NONE && e->state != HS2NI_END_GONE;
}
static inline unsigned hs2ni_end_side(const struct hs2ni_end *e) {
  return e == &e->pipe->ends[1];
}
/* All that it had to send has arrived, its end included. */
static inline bool hs2ni_end_sent(const struct hs2ni_end *e) {
  return e->ending && e->tx.acked > e->tx.given;
}

/* ---- pipe.c ---------------------------------------------------------------
 */

struct hs2ni_pipe *hs2ni_pipe_find(const struct hs2n_sim *sim, uint64_t number);
/* Whether an end's node still has the address that it had. */
bool hs2ni_end_reachable(const struct hs2n_sim *sim, const struct hs2ni_end *e);
void hs2ni_end_begin(struct hs2ni_pipe *pipe, unsigned side,
                     struct hs2ni_sim_node *n, enum hs2ni_end_state state);
/* Its node is to be told something. */
void hs2ni_end_due(struct hs2ni_end *e);
/* What the socket has of what was given: all below. */
uint64_t hs2ni_end_taken(const struct hs2ni_end *e);
/* Tells the nodes of both ends what they are to be told. */
void hs2ni_pipe_tell(struct hs2ni_pipe *pipe);
/* The host forgets it; the node is told what came before. */
void hs2ni_end_forget(struct hs2ni_end *e, const char *why);
/* While it is held a pipe is not freed. */
static inline void hs2ni_pipe_hold(struct hs2ni_pipe *pipe) {
  pipe->held++;
}
void hs2ni_pipe_release(struct hs2ni_pipe *pipe);

/* ---- segment.c ------------------------------------------------------------
 */

/* A segment that takes len numbers from seq; 0: it acknowledges alone. */
void hs2ni_segment_send(struct hs2ni_end *e, uint64_t seq, uint32_t len);

/* ---- flight.c -------------------------------------------------------------
 */

void hs2ni_flight_begin(struct hs2ni_end *e);
/* Sends what may leave. */
void hs2ni_flight_push(struct hs2ni_end *e);
void hs2ni_flight_acked(struct hs2ni_end *e, const struct hs2ni_segment *s);

#endif /* HS2NI_SIM_PIPE_H */
