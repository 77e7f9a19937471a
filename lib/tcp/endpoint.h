/* endpoint: what the files of this module share.
 *
 * Life of a connection:
 *
 *     dial -> OPEN --.                            .--> freed: the pipe has
 * ended handshake --> up --> ended -- OPEN -> admit -' '--> last words, CLOSE,
 * freed
 *
 * The user may call any function from inside an upcall, so nothing is freed
 * in the middle of work: a connection that ends is dead for its user at once,
 * and goes when poll_tx has said its last words or when its pipe is closed,
 * with no frame of it on the stack. */
#ifndef HS2NI_TCP_ENDPOINT_H
#define HS2NI_TCP_ENDPOINT_H

#include "base/list.h"
#include "base/map.h"
#include "base/sources.h"
#include "base/timer.h"
#include "tcp/frame.h"
#include "tcp/tcp.h"
#include "tls/stream.h"

#define HS2NI_TCP_STREAMS_MAX 64u /* that an end may have open */
/* Content of a record of ours: what a vote waits behind. */
#define HS2NI_TCP_CONTENT_MAX 4096u
/* A record is begun where there is room for so much of it. */
#define HS2NI_TCP_ROOM_MIN 1500u
/* Part of tcp_unsent_bytes that is kept for a connection's last words. */
#define HS2NI_TCP_RESERVE 128u
#define HS2NI_TCP_DATAGRAM_MAX 1200u

/* A stream that we send on. */
struct hs2ni_tcp_out {
  uint64_t id;
  uint64_t sent;
  uint64_t acked;
  uint64_t max; /* the peer takes no more */
  uint64_t code;
  bool fin_sent;
  bool reset; /* abandoned; RESET_STREAM is due until reset_sent */
  bool reset_sent;
  bool blocked; /* the user was told so */
};

/* A stream that the peer sends on. */
struct hs2ni_tcp_in {
  uint64_t id;
  uint64_t received;
  uint64_t told;    /* of it, as held */
  uint64_t max;     /* what we take */
  uint64_t granted; /* of it, what the peer was told */
  uint64_t code;    /* with stop_due */
  bool ended;       /* by FIN or reset */
  bool unwanted;    /* stream_stop was called */
  bool stop_due;
};

/* What there is to measure the time of an answer by. */
struct hs2ni_tcp_pulse {
  hs2n_time waits_since; /* for an answer; NEVER: nothing to be answered */
  hs2n_time answered;
  uint64_t ends_n; /* FIN and RESET_STREAM that are not acked */
  uint64_t ping;   /* number of the last */
  bool ping_out;   /* and it is not answered */
  bool ping_due;
  hs2n_time sample_at; /* when the bytes below were sent; 0: none */
  uint64_t sample_stream;
  uint64_t sample_offset;
  hs2n_time ping_at;
  hs2n_time rtt_smoothed;
  hs2n_time rtt_min;
};

enum hs2ni_tcp_state {
  HS2NI_TCP_HANDSHAKE,
  HS2NI_TCP_UP,
  HS2NI_TCP_ENDED, /* for its user; last words and CLOSE are due */
};

struct hs2ni_tcp_conn {
  struct hs2ni_conn base;
  struct hs2ni_tcp *ep;
  struct hs2ni_tls_stream *tls;
  uint64_t pipe;
  struct hs2ni_list_node node;       /* in ep->conns */
  struct hs2ni_list_node ready_node; /* in ep->ready when in_ready */
  struct hs2ni_timer turn;           /* in ep->turns when its slot is set */
  uint64_t rank; /* of what it offered last, or of its turn */
  struct hs2ni_timer timer;
  void *user;
  struct hs2n_key key; /* what a dialled peer must prove */
  struct hs2n_addr remote;
  hs2n_time handshake_end;
  hs2n_time last_heard;
  hs2n_time probe_silence;
  struct hs2ni_tcp_pulse pulse;

  uint64_t unsent;      /* bytes given out that the socket did not take yet */
  uint8_t *part;        /* of a record that has begun; NULL: none */
  size_t part_len;      /* bytes of it that are there */
  size_t part_capacity; /* HS2NI_TLS_RECORD_MAX, or less */

  uint64_t records_sent;
  uint64_t in_flight;  /* stream bytes sent and not acked */
  uint64_t tx_sent;    /* stream bytes in all */
  uint64_t tx_max;     /* what the peer takes */
  uint64_t rx_read;    /* the same of the peer */
  uint64_t rx_max;     /* what we take */
  uint64_t rx_granted; /* of it, what the peer was told */
  struct hs2ni_tcp_params peer;
  uint64_t next_out;      /* id of the next stream of ours */
  uint64_t outs_opened;   /* in all */
  uint64_t outs_max;      /* that the peer takes, in all */
  uint64_t next_in;       /* id of the next stream of the peer */
  uint64_t ins_max;       /* that the peer was told of, in all */
  uint64_t ins_freed;     /* not told yet as places */
  uint64_t pong;          /* with pong_due */
  uint64_t close_code;    /* with ENDED */
  bool close_application; /* it is one of enum hs2n_reason */
  enum hs2ni_tcp_state state;

  bool client;
  bool has_user;  /* upcalls may be made */
  bool half_open; /* counted in ep->half_open */
  bool was_up;    /* for the statistics of its end */
  bool open_due;  /* HS2N_IO_OPEN was not given out yet */
  bool silent;    /* ENDED: no last words */
  bool piped;     /* ENDED: the pipe has gone too */
  bool closed;    /* ENDED: CLOSE comes next */
  bool heard_params;
  bool said_params;
  bool pong_due;
  bool probe; /* see probe of link.h */
  bool dirty; /* a stream has something to say */
  bool in_ready;
  bool wants_tx;     /* next may have something */
  bool opens_full;   /* stream_open said FULL */
  bool conn_blocked; /* the peer's connection window is used up */

  uint32_t outs_n;
  uint32_t ins_n;
  struct hs2ni_tcp_out outs[HS2NI_TCP_STREAMS_MAX];
  struct hs2ni_tcp_in ins[HS2NI_TCP_STREAMS_MAX];
};

struct hs2ni_tcp {
  struct hs2ni_link link;
  struct hs2ni_env *env;
  struct hs2ni_tls *tls;
  const struct hs2ni_link_user *user;
  void *user_ctx;
  struct hs2ni_map *pipes;
  struct hs2ni_timers timers;
  struct hs2ni_list conns;
  struct hs2ni_list ready;   /* see ready.c */
  struct hs2ni_timers turns; /* by rank */
  uint64_t others;           /* lowest rank that waits besides who is written */
  uint32_t conns_max;
  uint32_t half_open;
  uint64_t next_pipe;
  struct hs2ni_sources sources;
  uint64_t *refused; /* ring of pipes to be closed */
  uint32_t refused_first;
  uint32_t refused_n;
  uint8_t *plain; /* a record opened, HS2NI_TLS_RECORD_MAX */
};

/* admit.c */
/* A pipe that the driver has accepted. */
void hs2ni_tcp_admit(struct hs2ni_tcp *ep, const struct hs2n_rx *rx);
/* The oldest refused pipe; false when there is none. */
bool hs2ni_tcp_refused_take(struct hs2ni_tcp *ep, uint64_t *out_pipe);

/* conn.c */
HS2N_MUST_CHECK int hs2ni_tcp_conn_new(struct hs2ni_tcp_conn **out,
                                       struct hs2ni_tcp *ep, uint64_t pipe,
                                       const struct hs2n_addr *remote,
                                       enum hs2ni_tls_role role);
/* Everything but upcalls; half-built ones are fine. */
void hs2ni_tcp_conn_free(struct hs2ni_tcp_conn *c);
struct hs2ni_tcp_conn *hs2ni_tcp_conn_find(const struct hs2ni_tcp *ep,
                                           uint64_t pipe);
/* TLS has completed its handshake: who is there? */
void hs2ni_tcp_conn_introduce(struct hs2ni_tcp_conn *c);
void hs2ni_tcp_conn_stats(const struct hs2ni_conn *conn,
                          struct hs2ni_conn_stats *out);

/* end.c */
/* Ends c for its user, who hears why unless it was his wish; last words
 * follow.  Nothing happens when it has ended already. */
void hs2ni_tcp_end(struct hs2ni_tcp_conn *c, const struct hs2ni_close *why);
void hs2ni_tcp_end_by_user(struct hs2ni_tcp_conn *c, enum hs2n_reason reason);
/* The peer broke the rules: code is of RFC 9000, 20.1. */
void hs2ni_tcp_breach(struct hs2ni_tcp_conn *c, uint64_t code);
/* Something failed here. */
void hs2ni_tcp_fail(struct hs2ni_tcp_conn *c);
/* The peer's CONNECTION_CLOSE. */
void hs2ni_tcp_end_by_peer(struct hs2ni_tcp_conn *c,
                           const struct hs2ni_tcp_frame *frame);
/* TLS has refused, here or there. */
void hs2ni_tcp_end_by_tls(struct hs2ni_tcp_conn *c, bool by_peer);
/* Nothing was heard in time. */
void hs2ni_tcp_end_by_time(struct hs2ni_tcp_conn *c, enum hs2n_reason reason);
/* The pipe has gone. */
void hs2ni_tcp_end_by_pipe(struct hs2ni_tcp_conn *c);
/* Frees c if it has ended and its pipe has gone; not with c on the stack. */
void hs2ni_tcp_reap(struct hs2ni_tcp_conn *c);

/* recv.c */
void hs2ni_tcp_recv(struct hs2ni_link *link, const struct hs2n_rx *rx,
                    size_t n);
/* take.c: what a record of the peer holds. */
void hs2ni_tcp_take_content(struct hs2ni_tcp_conn *c, struct hs2n_span content);

/* stream.c: the stream functions of hs2ni_link_ops */
int hs2ni_tcp_stream_open(struct hs2ni_conn *conn, uint64_t *out_stream);
void hs2ni_tcp_stream_reset(struct hs2ni_conn *conn, uint64_t stream,
                            uint64_t code);
void hs2ni_tcp_stream_stop(struct hs2ni_conn *conn, uint64_t stream,
                           uint64_t code);
void hs2ni_tcp_credit(struct hs2ni_conn *conn, uint64_t stream, size_t len);
size_t hs2ni_tcp_datagram_max(const struct hs2ni_conn *conn);
struct hs2ni_tcp_out *hs2ni_tcp_out_find(struct hs2ni_tcp_conn *c, uint64_t id);
struct hs2ni_tcp_in *hs2ni_tcp_in_find(struct hs2ni_tcp_conn *c, uint64_t id);
void hs2ni_tcp_out_remove(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_out *s);
void hs2ni_tcp_in_remove(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_in *s);
/* Whether the peer should be told of more room, of window in all: what it has
 * left is less than a half, or a quarter has come free. */
bool hs2ni_tcp_window_due(uint64_t max, uint64_t granted, uint64_t read,
                          uint64_t window);

/* ready.c */
/* c may have something to say. */
void hs2ni_tcp_ready(struct hs2ni_tcp_conn *c);
/* The user has something of this rank, or of one that will turn out. */
void hs2ni_tcp_turn(struct hs2ni_tcp_conn *c, uint64_t rank);
void hs2ni_tcp_unready(struct hs2ni_tcp_conn *c);
/* Who is to be written; NULL: nobody.  Notes in ep->others what that one must
 * not be put before. */
struct hs2ni_tcp_conn *hs2ni_tcp_next(struct hs2ni_tcp *ep);
/* Bytes that the driver takes of c now, the reserve left out. */
size_t hs2ni_tcp_room(const struct hs2ni_tcp_conn *c);
/* Whether bytes of this rank may leave now.  joins: into a record that leaves
 * anyway. */
bool hs2ni_tcp_may_offer(const struct hs2ni_tcp_conn *c, uint64_t rank,
                         bool joins);

/* control.c: frames about the connection and its streams. */
/* Content of a record on its way. */
struct hs2ni_tcp_record {
  uint8_t *bytes;
  size_t len;
  size_t max;
};
/* Appends a frame without bytes; false when there is no room. */
bool hs2ni_tcp_put(struct hs2ni_tcp_record *r,
                   const struct hs2ni_tcp_frame *frame);
bool hs2ni_tcp_control_due(const struct hs2ni_tcp_conn *c);
/* Appends what is due, as far as there is room. */
void hs2ni_tcp_control(struct hs2ni_tcp_conn *c, struct hs2ni_tcp_record *r);

/* send.c */
size_t hs2ni_tcp_poll_tx(struct hs2ni_link *link, struct hs2n_tx *tx, size_t n);

/* pulse.c: whether the peer answers, and how fast. */
void hs2ni_tcp_pulse_init(struct hs2ni_tcp_conn *c);
/* Bytes of a stream up to offset, or its end, have left. */
void hs2ni_tcp_pulse_sent(struct hs2ni_tcp_conn *c, uint64_t stream,
                          uint64_t offset);
/* The peer has answered something; of a stream, the bytes up to offset. */
void hs2ni_tcp_pulse_answered(struct hs2ni_tcp_conn *c);
void hs2ni_tcp_pulse_acked(struct hs2ni_tcp_conn *c, uint64_t stream,
                           uint64_t offset);
/* A number that PONG must have; false when that is not so. */
bool hs2ni_tcp_pulse_pong(struct hs2ni_tcp_conn *c, uint64_t number);
void hs2ni_tcp_pulse_ping(struct hs2ni_tcp_conn *c);
/* What probe asked for, when c is written. */
void hs2ni_tcp_pulse_probe(struct hs2ni_tcp_conn *c);
void hs2ni_tcp_rearm(struct hs2ni_tcp_conn *c);
/* Fire of c->timer. */
void hs2ni_tcp_tick_conn(struct hs2ni_timer *timer);

static inline struct hs2ni_tcp *hs2ni_tcp_of(const struct hs2ni_link *link) {
  return (struct hs2ni_tcp *)(uintptr_t)link;
}
static inline struct hs2ni_tcp_conn *
hs2ni_tcp_conn_of(const struct hs2ni_conn *conn) {
  return (struct hs2ni_tcp_conn *)(uintptr_t)conn;
}
/* Whether the user still wants to hear of it. */
static inline bool hs2ni_tcp_listening(const struct hs2ni_tcp_conn *c) {
  return c->state == HS2NI_TCP_UP && c->has_user;
}

#endif /* HS2NI_TCP_ENDPOINT_H */
