/* raw: a channel over a link that records what it is asked, for tests that
 * write the peer's bytes themselves. */
#ifndef RAW_H
#define RAW_H

#include "msg/chan.h"
#include "msg/msgs.h"
#include "test_mem.h"
#include "wire/record.h"

#include <hs2net/msg.h>

#define RAW_BYTES_MAX 2600

struct raw {
  struct hs2ni_conn conn; /* first member */
  struct test_mem mem;
  struct hs2ni_env env;
  const struct hs2n_type *types;
  struct hs2n_identity *identity; /* of both ends */
  struct hs2ni_msgs *msgs;
  struct hs2ni_chan *chan;
  uint64_t opened, resets, reset_code, credited, wants;
  uint64_t credits;        /* how often some was */
  uint64_t stops, stopped; /* how often, and the last stream */
  int open_err;            /* what stream_open returns */
  size_t datagram_max;
  hs2n_time rtt;
  uint64_t packets_sent, packets_lost;
  uint64_t caps_off;          /* what the peer's hello does not say */
  uint64_t peer_bodies_bytes; /* what it says of bodies; 0: nothing */
};

void raw_init(struct raw *r, const struct hs2n_limits *limits);
/* With HS2N_LANES other types. */
void raw_init_types(struct raw *r, const struct hs2n_limits *limits,
                    const struct hs2n_type *types);
void raw_attach(struct raw *r, uint64_t incarnation);
void raw_fini(struct raw *r);

/* Bytes that a peer might write. */
struct bytes {
  size_t len;
  uint8_t data[RAW_BYTES_MAX];
};
void bytes_head(struct bytes *b, enum hs2ni_stream_kind kind, uint8_t lane,
                uint64_t seq, uint32_t len);
void bytes_record(struct bytes *b, const struct hs2ni_record *record);
/* A msg record with len bytes of body. */
void bytes_msg(struct bytes *b, uint64_t seq, uint8_t type, uint32_t len);
void bytes_fill(struct bytes *b, size_t len);
enum hs2n_reason raw_data(struct raw *r, uint64_t stream, const struct bytes *b,
                          bool fin);
/* Takes what the channel wants to write; returns the number of bytes. */
size_t raw_drain(struct raw *r);
/* Fetches one message and judges it; its seq, or 0 when there is none. */
uint64_t raw_fetch(struct raw *r, enum hs2n_verdict verdict);

/* An unordered vote with len bytes of body, and a datagram with one. */
void bytes_vote(struct bytes *b, uint64_t seq, uint32_t len);
struct bytes bytes_datagram(uint64_t base, uint64_t seq, uint32_t len);
enum hs2n_reason raw_datagram(struct raw *r, const struct bytes *b);
/* Copies what is in a chunk; returns its length. */
size_t raw_gather(const struct hs2ni_chunk *chunk, uint8_t *out);

#endif /* RAW_H */
