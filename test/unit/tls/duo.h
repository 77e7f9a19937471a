/* duo: the ends of pair.h over a byte stream, in place of QUIC. */
#ifndef TEST_DUO_H
#define TEST_DUO_H

#include "evil.h"
#include "tls/stream.h"
#include "tls/stream_int.h"

struct duo_way {
  struct hs2ni_tls_stream *s;
  struct end *e;
  const struct hs2n_key *expected;
  uint8_t in[65536]; /* sent to it, and not opened */
  size_t in_len;
  bool done;    /* the handshake, and who it is was asked */
  bool ended;   /* close_notify */
  bool refused; /* by itself */
  bool refused_by_peer;
  uint8_t alert; /* of either refusal */
  enum hs2n_reason verdict;
  struct hs2n_key peer;
  size_t bytes;   /* of the application, heard */
  size_t updates; /* records that were none */
};

struct duo {
  struct pair p;
  struct duo_way client, server;
};

/* Ends and contexts; a test may bend them. */
void duo_init(struct duo *d, uint64_t seed);
/* Streams, and the handshake as far as it goes. */
void duo_go(struct duo *d);
/* Carries what waits until both are silent. */
void duo_run(struct duo *d);
/* n bytes in a record of the application. */
void duo_say(struct duo_way *from, struct duo_way *to, size_t n);
/* Bytes come to an end as if the other had sent them. */
void duo_hear(struct duo_way *to, const uint8_t *bytes, size_t len);
/* A record of any content with the keys of from. */
void duo_record(struct duo_way *from, struct duo_way *to,
                enum hs2ni_tls_content content, const uint8_t *bytes,
                size_t len);
/* All memory is back. */
void duo_fini(struct duo *d);

#endif /* TEST_DUO_H */
