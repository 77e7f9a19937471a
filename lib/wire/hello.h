/* hello: what each side says first on a connection, once.
 *
 * A CBOR map with unsigned keys below 2^32 in ascending order.  The value of
 * an unknown key is skipped: an integer, a string, true, false, null, or an
 * array or map of such values, nested at most HS2NI_HELLO_DEPTH_MAX deep.
 *
 *   1  chain id (text of         6  capabilities (bits)
 *      a-z 0-9 - .)
 *   2  lowest protocol version   7  listen addresses (byte strings: 4 or 16
 *   3  highest protocol version     bytes of IP, then 2 of port)
 *   4  incarnation               8  signed address records (byte strings,
 *   5  newest epoch                 opaque here), absent if none
 *   9  message types: [[id, lane, size_max], ..], ascending by id
 *   10 bytes of bodies under way in a lane, absent if HS2NI_HELLO_BODIES_BYTES
 */
#ifndef HS2NI_WIRE_HELLO_H
#define HS2NI_WIRE_HELLO_H

#include <hs2net/api.h>
#include <hs2net/msg.h>
#include <hs2net/node.h>
#include <hs2net/types.h>

#define HS2NI_HELLO_MAX 4096u /* bytes, encoded */
#define HS2NI_HELLO_ADDRS_MAX 4u
#define HS2NI_HELLO_RECORDS_MAX 8u
#define HS2NI_HELLO_DEPTH_MAX 8u
/* Bodies with streams of their own, together, that each side takes of a lane
 * when there is more than one. */
#define HS2NI_HELLO_BODIES_BYTES (2u << 20)
#define HS2NI_PROTOCOL_MIN 1u
#define HS2NI_PROTOCOL_MAX 1u

/* Capabilities, key 6: what a side can read.  A sender uses one only if the
 * receiver's hello has it. */
#define HS2NI_CAP_DATAGRAM (1u << 0)  /* messages in datagrams */
#define HS2NI_CAP_LZ4 (1u << 1)       /* bodies compressed by LZ4 */
#define HS2NI_CAP_ZSTD (1u << 2)      /* by Zstandard */
#define HS2NI_CAP_REQUEST (1u << 3)   /* requests and responses */
#define HS2NI_CAP_SIGNED (1u << 4)    /* signed messages */
#define HS2NI_CAP_HEARTBEAT (1u << 5) /* heartbeats */
#define HS2NI_CAP_BATCH (1u << 6)     /* batches, by the codecs it reads */
#define HS2NI_CAP_BODIES (1u << 7)    /* bodies as far as credit goes */

struct hs2ni_hello_type {
  uint8_t id;
  uint8_t lane;
  uint32_t size_max;
};

struct hs2ni_hello {
  struct hs2n_span chain_id;         /* 1..HS2N_CHAIN_ID_MAX bytes; borrowed */
  uint32_t version_min, version_max; /* 1 <= min <= max */
  uint64_t incarnation;              /* >= 1 */
  uint64_t epoch;
  uint64_t capabilities;
  struct hs2n_addr addrs[HS2NI_HELLO_ADDRS_MAX];
  size_t addrs_n;
  struct hs2n_span records[HS2NI_HELLO_RECORDS_MAX]; /* borrowed */
  size_t records_n;
  struct hs2ni_hello_type types[HS2N_TYPES_MAX];
  size_t types_n;
  uint64_t bodies_bytes; /* 0: absent */
};

/* Decodes exactly one hello: in is everything of its stream behind the head.
 * Returns HS2N_OK, HS2N_ERR_TRUNCATED, HS2N_ERR_MALFORMED (also trailing
 * bytes, missing keys) or HS2N_ERR_TOO_BIG; on error *out is unspecified. */
HS2N_MUST_CHECK int hs2ni_hello_decode(struct hs2n_span in,
                                       struct hs2ni_hello *out);
/* Returns the length, or HS2N_ERR_TOO_BIG when it is above
 * HS2NI_HELLO_MAX. */
HS2N_MUST_CHECK int hs2ni_hello_encode(const struct hs2ni_hello *hello,
                                       uint8_t out[HS2NI_HELLO_MAX]);

#endif /* HS2NI_WIRE_HELLO_H */
