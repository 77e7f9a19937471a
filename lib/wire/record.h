/* record: every byte that a node writes into a stream, apart from bodies.
 *
 * All of it is deterministic CBOR (RFC 8949, 4.2.1), framed as CBOR sequences
 * (RFC 8742).  A stream begins with a head that says what it carries:
 *
 *   [0]                  HELLO   one hello, then the end.  First stream of
 *                                each side, before anything else.
 *   [1]                  ACKS    ack and nack records
 *   [2, lane]            LANE    msg and large records of one lane
 *   [3, lane, seq, len]  BODY    len raw bytes: the body of one large record
 *
 * A datagram begins with a head too:
 *
 *   [4, lane, base]      DATAGRAM  whole msg records, bodies included, with the
 *                                flag UNORDERED; all numbers below base are
 * over
 *
 * Records:
 *
 *   [1, seq, type, flags, view, (extras), .., body]
 *                                  msg; body is a byte string and always the
 *                                  last element
 *   [2, seq, type, flags, view, body_len, (extras), ..]
 *                                  large: the body comes on a BODY stream;
 * keeps its place in order [3, lane, floor, bitmap, ..]              ack: all
 * seq <= floor that came are judged; bit i of the bitmap (LSB first) is floor +
 * 1 + i, none of them above 2^64 - 1 [4, lane, seq, code, ..] nack: refused
 * with a reason
 *
 *   [5, view, unix_ms, interval_ms, signature, ..]
 *                                  heartbeat, on the stream of acks; see beat.h
 *   [6, codec, raw_len, .., packed]
 *                                  batch: packed is a byte string that inflates
 *                                  to raw_len bytes, which are whole msg
 *                                  records with their bodies
 *
 * Extras stand in this order, each only with its flag:
 *
 *   codec, raw_len     COMPRESSED: by what, and the length inflated
 *   request            REQUEST: its number;  RESPONSE: of what it answers
 *   status             RESPONSE
 *   signature          SIGNED: a byte string of HS2NI_SIGNATURE_LEN
 *
 * Behind the extras of a REQUEST may stand how long its asker still waits for
 * the answer, in milliseconds; who does not know that skips it as unknown.
 *
 * The messages with the flag UNORDERED have numbers of their own in each lane.
 * Their acks and nacks name the lane as HS2N_LANES + lane.
 *
 * ".." is where unknown trailing elements (unsigned integers only) are
 * skipped, at most HS2NI_RECORD_EXTRA_MAX of them.  Other forms of the same
 * value (longer integers, indefinite lengths, tags, floats) are refused, so
 * one meaning has one encoding. */
#ifndef HS2NI_WIRE_RECORD_H
#define HS2NI_WIRE_RECORD_H

#include <hs2net/api.h>
#include <hs2net/error.h>
#include <hs2net/msg.h>
#include <hs2net/types.h>
#include <stdbool.h>

/* Longest encoding of a head, and of a record without its body but with
 * unknown elements. */
#define HS2NI_HEAD_MAX 32u
#define HS2NI_RECORD_MAX 192u
#define HS2NI_RECORD_EXTRA_MAX 4u
#define HS2NI_ACK_BITMAP_MAX 128u /* bytes: 1024 numbers */
#define HS2NI_SIGNATURE_LEN 64u
#define HS2NI_BATCH_RAW_MAX 32768u /* bytes, inflated */
#define HS2NI_BATCH_MSGS_MAX 128u
#define HS2NI_BATCH_BODY_MAX 1023u /* of each of its messages */
#define HS2NI_HEARTBEAT_MIN_MS 50u
#define HS2NI_HEARTBEAT_MAX_MS 60000u

/* Flags of msg and large.  All but the first need a capability that both
 * hellos name. */
#define HS2NI_FLAG_VIEW_BOUND 0x01u
#define HS2NI_FLAG_COMPRESSED 0x02u
#define HS2NI_FLAG_REQUEST 0x04u
#define HS2NI_FLAG_RESPONSE 0x08u /* not together with REQUEST */
#define HS2NI_FLAG_SIGNED 0x10u
#define HS2NI_FLAG_UNORDERED 0x20u /* MSG only */
#define HS2NI_FLAGS_ALL 0x3fu

enum hs2ni_codec {
  HS2NI_CODEC_LZ4 = 1,
  HS2NI_CODEC_ZSTD = 2,
};

enum hs2ni_stream_kind {
  HS2NI_STREAM_HELLO = 0,
  HS2NI_STREAM_ACKS = 1,
  HS2NI_STREAM_LANE = 2,
  HS2NI_STREAM_BODY = 3,
  HS2NI_STREAM_DATAGRAM = 4, /* no stream, but a head like theirs */
};

struct hs2ni_head {
  enum hs2ni_stream_kind kind;
  uint8_t lane; /* LANE, BODY, DATAGRAM: < HS2N_LANES */
  uint64_t seq; /* BODY: >= 1;  DATAGRAM: the base, >= 1 */
  uint32_t len; /* BODY: <= HS2N_BODY_MAX */
};

enum hs2ni_record_kind {
  HS2NI_RECORD_MSG = 1,
  HS2NI_RECORD_LARGE = 2,
  HS2NI_RECORD_ACK = 3,
  HS2NI_RECORD_NACK = 4,
  HS2NI_RECORD_HEARTBEAT = 5,
  HS2NI_RECORD_BATCH = 6,
};

struct hs2ni_record {
  enum hs2ni_record_kind kind;
  uint64_t seq;      /* MSG, LARGE, NACK: >= 1;  ACK: the floor, may be 0 */
  uint8_t lane;      /* ACK, NACK */
  bool unordered;    /* ACK, NACK: of the lane's messages with UNORDERED */
  uint8_t type;      /* MSG, LARGE: < HS2N_TYPES_MAX */
  uint32_t flags;    /* MSG, LARGE: known bits only */
  uint64_t view;     /* MSG, LARGE, HEARTBEAT */
  uint32_t body_len; /* MSG: its body follows;  LARGE: on its own stream;
                        BATCH: packed, which follows */
  enum hs2ni_codec codec;     /* COMPRESSED, BATCH */
  uint32_t raw_len;           /* COMPRESSED: <= HS2N_BODY_MAX;
                                 BATCH: <= HS2NI_BATCH_RAW_MAX */
  uint64_t request;           /* REQUEST, RESPONSE: >= 1 */
  uint32_t left_ms;           /* REQUEST: until its asker gives up; 0: it does
                                 not say */
  uint32_t status;            /* RESPONSE */
  struct hs2n_span signature; /* SIGNED, HEARTBEAT: borrowed from the input */
  uint64_t unix_ms;           /* HEARTBEAT: the sender's wall clock */
  uint32_t interval_ms;       /* HEARTBEAT: HS2NI_HEARTBEAT_MIN_MS to _MAX_MS */
  uint32_t code;              /* NACK: an enum hs2n_reason, or a newer one */
  struct hs2n_span bitmap;    /* ACK: borrowed from the input; no zero byte at
                                 the end, may be empty */
};

/* Each decodes one item from the front of in and returns the bytes used
 * (> 0), or HS2N_ERR_TRUNCATED when in may be the front of a good item, or
 * HS2N_ERR_MALFORMED or HS2N_ERR_TOO_BIG when no continuation can make it
 * good.  On error *out is untouched.  A msg is decoded up to its body, and a
 * batch up to what is packed, whose body_len bytes follow.  Nothing is
 * allocated. */
HS2N_MUST_CHECK int32_t hs2ni_head_decode(struct hs2n_span in,
                                          struct hs2ni_head *out);
HS2N_MUST_CHECK int32_t hs2ni_record_decode(struct hs2n_span in,
                                            struct hs2ni_record *out);

/* Each writes into out and returns the length.  The values must be in range
 * (asserted).  For a msg the body follows and is not copied. */
size_t hs2ni_head_encode(const struct hs2ni_head *head,
                         uint8_t out[HS2NI_HEAD_MAX]);
size_t hs2ni_record_encode(const struct hs2ni_record *record,
                           uint8_t out[HS2NI_RECORD_MAX]);

#endif /* HS2NI_WIRE_RECORD_H */
