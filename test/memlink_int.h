/* memlink_int: what the two files of memlink share. */
#ifndef MEMLINK_INT_H
#define MEMLINK_INT_H

#include "base/rng.h"
#include "memlink.h"

/* Bytes that the user offered: where they are, and what they were. */
struct piece {
  const uint8_t *at;
  uint8_t *copy;
  size_t len;
};

/* One stream, kept by the end that opened it. */
struct stream {
  uint64_t id;
  struct piece *pieces; /* those not acked */
  size_t pieces_n;
  uint64_t base; /* offset of the first piece */
  uint64_t sent, delivered, acked;
  uint64_t credit; /* highest offset that the peer allows */
  bool fin_sent, fin_delivered;
  bool reset, reset_delivered;
  bool stopped;  /* the peer asked, not heard yet */
  bool unwanted; /* it asked: nothing comes up there any more */
  bool blocked;  /* the user was told, and not yet that it may go on */
  uint64_t code, stop_code;
};

/* Datagrams on their way; one more is lost. */
#define DATAGRAMS_MAX 64

struct datagram {
  uint8_t *bytes;
  size_t len;
};

enum state { DIALLING, UP, DEAD };

struct conn {
  struct hs2ni_conn base;
  struct link *link;
  struct conn *peer; /* NULL while dialling, or when the peer is gone */
  void *user;
  enum state state;
  struct hs2n_addr remote;
  struct hs2n_key want_key;
  hs2n_time dial_end;
  bool accepted;      /* on_up is to be called */
  bool parted;        /* from its peer, and dead at idle_end */
  hs2n_time idle_end; /* by the clock of its own end */
  struct stream **streams;
  size_t streams_n;
  struct datagram datagrams[DATAGRAMS_MAX]; /* sent here */
  size_t datagrams_n;
  uint64_t next_id;
  bool wants;
  bool was_full; /* stream_open said so */
  uint64_t sent, in_flight, credit;
  uint64_t granted; /* on the connection, not heard yet by us */
  bool credit_due;  /* on_credit is to be called */
  bool closing;     /* on_closed is to be called */
  struct hs2ni_close close;
  struct conn *next;
};

struct link {
  struct hs2ni_link base;
  struct memnet *net;
  struct hs2ni_env *env;
  struct hs2n_addr addr;
  struct hs2n_key key;
  const struct hs2ni_link_user *up;
  void *ctx;
  bool deaf;
  struct link *next;
};

/* Two addresses with nothing between them. */
struct parting {
  struct hs2n_addr a, b;
  struct parting *next;
};

struct memnet {
  struct memnet_config config;
  struct hs2ni_rng rng;
  struct link *links;
  struct conn *conns;
  struct parting *partings;
  uint64_t bytes, corruptions;
};

/* Ends the program when there is no memory. */
void *memlink_must(void *ptr);
void memlink_stream_free(struct stream *s);
struct stream *memlink_find_stream(struct conn *c, uint64_t id);
struct conn *memlink_conn_new(struct link *link, void *user, enum state state);
void memlink_conn_join(struct conn *a, struct conn *b);
/* c is dead for its user. */
void memlink_conn_kill(struct conn *c);
/* The same, and the user is told. */
void memlink_closed(struct conn *c, const struct hs2ni_close *why);
/* Frees what died; called when no upcall runs. */
void memlink_reap(struct memnet *net);

#endif /* MEMLINK_INT_H */
