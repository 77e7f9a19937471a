/* requests: asking peers one after the other, and being asked.
 *
 * A request is a tagged send with one target at a time.  Each peer that it
 * may go to is a candidate, whose question is an ordinary message of a lane:
 *
 *   NEW ──ask──► ASKED ──response──► JUDGED ──ACCEPT──► the request ends
 *    ▲             │  ▲                │ │
 *    │             │  └──────BUSY──────┘ │ IGNORE, REJECT
 *    │             └─refused, gone─► OVER ◄
 *    └──the peer restarted, and had acknowledged the question
 *
 * One try is on at a time; when its time has passed the next candidate is
 * asked too, and the question stays open, because a late answer is as good as
 * one in time.  The number of a request on the wire is its tag, so whatever a
 * peer writes there finds this request or none.
 *
 * The side that is asked keeps one small record for each request that waits
 * for its response, at most limits.rx_requests_max of a peer.  A request says
 * how long its asker still waits; one that was not answered by then makes room
 * for the next. */
#ifndef HS2NI_MSG_REQUESTS_H
#define HS2NI_MSG_REQUESTS_H

#include "base/list.h"
#include "base/timer.h"
#include "msg/msgs.h"

struct hs2ni_rx_msg;
struct hs2ni_send;
struct hs2ni_tx_msg;

/* ---- request_tx.c, request_try.c: asking ----------------------------------
 */

enum hs2ni_candidate_state {
  HS2NI_CANDIDATE_NEW,
  HS2NI_CANDIDATE_ASKED,
  HS2NI_CANDIDATE_JUDGED, /* the application has its response */
  HS2NI_CANDIDATE_OVER,
};

struct hs2ni_candidate {
  enum hs2ni_candidate_state state;
  struct hs2ni_chan *chan;  /* NULL: it was freed */
  struct hs2ni_tx_msg *msg; /* ASKED, and not acknowledged yet */
  struct hs2n_peer peer;
  uint64_t weight;
  hs2n_time asked_at;
};

struct hs2ni_request {
  struct hs2ni_list_node node; /* msgs.requests.open */
  struct hs2ni_timer timer;    /* of the try that is on */
  struct hs2ni_msgs *msgs;
  struct hs2ni_send *send; /* tag, deadline, completion */
  struct hs2ni_candidate *current;
  struct hs2n_msg msg;     /* its body is a reference */
  uint64_t bytes;          /* of requests_bytes_max */
  enum hs2n_reason reason; /* of the last refusal; NONE: there was none */
  uint32_t candidates_n;
  struct hs2ni_candidate candidates[];
};

struct hs2ni_requests {
  struct hs2ni_list open;
  uint64_t bytes;
};

/* How a peer answers, of a channel. */
struct hs2ni_asking {
  uint32_t open_n;       /* questions ASKED or JUDGED */
  uint32_t faults;       /* in a row: let time pass, or answered wrongly */
  hs2n_time fault_until; /* asked last until then */
  hs2n_time took;     /* smoothed, from the question to the answer; 0: none */
  hs2n_time took_var; /* and how much that varies */
};

/* Bytes of a request with so many candidates. */
size_t hs2ni_request_size(size_t candidates_n);
/* Whether the node may have one more request, of such a size. */
bool hs2ni_requests_room(const struct hs2ni_msgs *msgs, uint64_t bytes);
/* Whether the peer may be asked one more question. */
bool hs2ni_asking_room(const struct hs2ni_chan *chan);
/* Whether it has not let a question down lately. */
bool hs2ni_asking_trusted(const struct hs2ni_chan *chan);

/* Makes it ask the best candidate that can be asked now.  Returns HS2N_OK,
 * HS2N_ERR_FULL (none can), HS2N_ERR_NO_MEMORY or HS2N_ERR_CRYPTO. */
HS2N_MUST_CHECK int hs2ni_request_ask(struct hs2ni_request *r);
/* Turns to the next candidate, or ends when none is left. */
void hs2ni_request_go_on(struct hs2ni_request *r);
void hs2ni_request_on_try_end(struct hs2ni_timer *timer);
/* Takes all its questions back. */
void hs2ni_request_leave_all(struct hs2ni_request *r);
/* Its question was refused, or could not be written. */
void hs2ni_request_refused(struct hs2ni_request *r, uint32_t candidate,
                           enum hs2n_reason reason);
/* The peer's application has its question. */
void hs2ni_request_taken(struct hs2ni_request *r, uint32_t candidate);
/* Ends an open request; what is queued of it is dropped. */
void hs2ni_request_end(struct hs2ni_request *r, enum hs2n_outcome outcome);
void hs2ni_request_accepted(struct hs2ni_request *r,
                            const struct hs2ni_candidate *c);
/* Ends the view-bound requests of older views. */
void hs2ni_requests_enter_view(struct hs2ni_msgs *msgs, uint64_t view);
/* The channel is about to go, which one or all requests learn. */
void hs2ni_requests_leave(struct hs2ni_chan *chan, enum hs2n_outcome outcome);
void hs2ni_request_lose(struct hs2ni_request *r, const struct hs2ni_chan *chan);
/* Another process speaks for the peer: what the last one acknowledged is
 * lost. */
void hs2ni_requests_restarted(struct hs2ni_chan *chan);
void hs2ni_request_forgotten(struct hs2ni_request *r,
                             const struct hs2ni_chan *chan);

/* Whether a request of that number was ever made. */
bool hs2ni_request_known(const struct hs2ni_msgs *msgs, uint64_t number);
/* Whether a response of this type answers it, if it is still open. */
bool hs2ni_request_is_answer(const struct hs2ni_chan *chan, uint64_t number,
                             uint8_t type);
/* Whether somebody waits for the response m. */
bool hs2ni_request_waits(const struct hs2ni_rx_msg *m);
/* It is given to the application, as an answer to the request of this tag. */
struct hs2n_tag hs2ni_request_answer(const struct hs2ni_rx_msg *m);
/* The application's verdict of it. */
void hs2ni_request_verdict(struct hs2ni_chan *chan, uint64_t number,
                           enum hs2n_verdict verdict);
/* It was refused before the application saw it. */
void hs2ni_request_spoilt(struct hs2ni_chan *chan, uint64_t number,
                          enum hs2n_reason reason);

/* ---- request_rx.c: being asked ---------------------------------------------
 */

struct hs2ni_rx_request {
  struct hs2ni_list_node node; /* rx.requests */
  uint64_t seq;                /* of its message, in its lane */
  uint64_t number;
  uint64_t view;
  hs2n_time until; /* when its asker gives up; 0: unknown */
  bool view_bound;
  uint8_t lane;
  uint8_t response; /* type that answers it */
};

/* Whether there is room for one more of the peer; lets go of those whose asker
 * has given up. */
bool hs2ni_rx_request_room(struct hs2ni_chan *chan);
/* Of those that wait, how many an asker waits for too. */
uint32_t hs2ni_rx_requests_open(const struct hs2ni_chan *chan);
/* Notes a request that is given to the application, for which there is room;
 * false: out of memory. */
HS2N_MUST_CHECK bool hs2ni_rx_request_note(const struct hs2ni_rx_msg *m);
/* Whether its asker has given up. */
bool hs2ni_rx_request_late(const struct hs2ni_rx_msg *m);
/* Whether it waits for its response. */
bool hs2ni_rx_request_open(const struct hs2ni_rx_msg *m);
/* It was refused: no response may follow. */
void hs2ni_rx_request_close(const struct hs2ni_rx_msg *m);
/* Another process speaks for the peer: forgets its requests, and the
 * responses that wait to be written. */
void hs2ni_rx_requests_void(struct hs2ni_chan *chan);

#endif /* HS2NI_MSG_REQUESTS_H */
