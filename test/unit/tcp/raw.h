/* raw: a peer that says what the test wants: a pipe to a node of a link_world,
 * TLS on it, and any bytes in its records. */
#ifndef RAW_H
#define RAW_H

#include "link_tcp.h"
#include "tcp/endpoint.h"

struct raw {
  struct world *w;
  size_t pipe;
  struct test_env te;
  struct hs2n_identity *identity;
  struct hs2ni_tls *tls;
  struct hs2ni_tls_stream *stream;
  bool done;     /* the handshake is complete */
  uint8_t alert; /* heard */
  bool alerted;
  bool closed; /* CONNECTION_CLOSE was heard */
  struct hs2ni_tcp_frame close;
  size_t frames;   /* heard */
  size_t contents; /* records with frames heard */
};

/* A client with a key of its own, of this chain; node 1 must be started. */
bool raw_init(struct raw *r, struct world *w, const char *chain);
/* As a client that the server takes: its handshake is complete, and its
 * parameters are said. */
bool raw_meet(struct raw *r, struct world *w);
/* Carries bytes both ways until nothing moves. */
void raw_run(struct raw *r);
/* Sends a record with this content. */
void raw_say(struct raw *r, struct hs2n_span content);
void raw_frame(struct raw *r, const struct hs2ni_tcp_frame *frame);
/* What waits in the stream, unsent: the number of bytes. */
size_t raw_take(struct raw *r, uint8_t *out, size_t room);
void raw_fini(struct raw *r);

#endif /* RAW_H */
