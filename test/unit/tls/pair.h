/* pair: a client and a server in one process, joined by memory on virtual
 * time, with real TLS and real QUIC packets. */
#ifndef TEST_PAIR_H
#define TEST_PAIR_H

#include "base/env.h"
#include "test_mem.h"
#include "tls/session.h"

#define PAIR_UNIX_TIME 1800000000

struct end {
  struct test_mem mem; /* all that TLS takes */
  struct hs2ni_env env;
  uint64_t rand_state;
  uint64_t rand_calls;
  uint64_t rand_fail_at; /* 0: never */
  const char *chain_id;
  int64_t unix_time;
  /* Bends a new session before its first use; may be NULL. */
  void (*bend)(struct end *e);
  struct hs2n_identity *identity;
  struct hs2ni_tls *tls;
  struct hs2ni_tls_session *session;
  ngtcp2_conn *conn;
  ngtcp2_crypto_conn_ref ref;
  const struct hs2n_key *expected; /* asked of session_peer; may be NULL */
  bool dead;                       /* could not be made */
  bool completed;                  /* handshake_completed was called */
  bool confirmed;
  enum hs2n_reason verdict; /* of session_peer */
  struct hs2n_key peer;     /* as session_peer said */
  int error;                /* of ngtcp2, which ended this end */
  uint8_t alert;            /* sent by this end */
  uint64_t heard_code;      /* of the CONNECTION_CLOSE received; 0: none */
  uint64_t stream_bytes;    /* received */
  bool marker_seen;         /* among them */
};

struct pair {
  struct end client;
  struct end server;
  bool retry; /* the server asks for one */
  bool stock; /* ngtcp2's own glue in place of ours, to compare with */
  hs2n_time now;
  uint8_t trace[HS2N_HASH_LEN]; /* over all packets */
  size_t packets;
  size_t leaks; /* packets in which the marker of pair_send is readable */
};

/* Identities, and environments with seeds of their own. */
void pair_init(struct pair *p, uint64_t seed);
/* Contexts, if the test made none; returns the first error. */
int pair_contexts(struct pair *p);
/* A session and a connection at the client; the server makes its own for the
 * first packet. */
int pair_dial(struct pair *p);
/* Carries packets until both are silent or dead. */
void pair_run(struct pair *p);
/* All of the above. */
void pair_connect(struct pair *p, uint64_t seed);
/* Frees sessions and connections, contexts stay. */
void pair_hang_up(struct pair *p);
void pair_fini(struct pair *p);

/* Sends n bytes, a marker repeated, on a new stream of from, in packets;
 * carries them. */
void pair_send(struct pair *p, struct end *from, size_t n);

/* One packet with the beginning of a stream, not carried anywhere. */
size_t pair_packet(struct pair *p, struct end *from, uint8_t packet[1500]);
/* Hands it to an end. */
void pair_deliver(struct pair *p, struct end *to, const uint8_t *packet,
                  size_t len);

#endif /* TEST_PAIR_H */
