/* frame: what is in the records of a connection over TCP: frames of QUIC
 * (RFC 9000, 19; RFC 9221, 4), two of QMux (draft-ietf-quic-qmux) and two of
 * our own.  Pure: bytes to structs and back. */
#ifndef HS2NI_TCP_FRAME_H
#define HS2NI_TCP_FRAME_H

#include <hs2net/error.h>
#include <hs2net/types.h>
#include <stdbool.h>

enum hs2ni_tcp_frame_kind {
  HS2NI_TCP_PARAMS,           /* the first of each side */
  HS2NI_TCP_STREAM,           /* stream, offset, bytes, fin */
  HS2NI_TCP_RESET_STREAM,     /* stream, code, offset: final size */
  HS2NI_TCP_STOP_SENDING,     /* stream, code */
  HS2NI_TCP_MAX_DATA,         /* offset */
  HS2NI_TCP_MAX_STREAM_DATA,  /* stream, offset */
  HS2NI_TCP_MAX_STREAMS,      /* offset: unidirectional streams in all */
  HS2NI_TCP_DATAGRAM,         /* bytes */
  HS2NI_TCP_PING,             /* code: a number, which PONG repeats */
  HS2NI_TCP_PONG,             /* code */
  HS2NI_TCP_HELD,             /* stream, offset: bytes below are held; fin: and
                                 that is all, or the stream was reset */
  HS2NI_TCP_CONNECTION_CLOSE, /* code; fin: of the application */
};

/* Transport parameters (RFC 9000, 18.2; RFC 9221, 3).  Others are skipped. */
struct hs2ni_tcp_params {
  uint64_t max_data;
  uint64_t max_stream_data;
  uint64_t max_streams;
  uint64_t max_datagram;
};
/* What holds of a peer until its parameters have come, and what they can't go
 * below.  Datagrams have no such number. */
#define HS2NI_TCP_LEAST_DATA 65536u
#define HS2NI_TCP_LEAST_STREAM_DATA 16384u
#define HS2NI_TCP_LEAST_STREAMS 16u

struct hs2ni_tcp_frame {
  enum hs2ni_tcp_frame_kind kind;
  bool fin;
  uint64_t stream;
  uint64_t offset;
  uint64_t code;
  struct hs2n_span bytes;
  struct hs2ni_tcp_params params;
};

/* RFC 9000, 16 */
#define HS2NI_TCP_VARINT_MAX ((UINT64_C(1) << 62) - 1)

/* Reads the frame at the front of rest, and moves rest behind it.
 * Returns HS2N_OK, HS2N_ERR_TRUNCATED or HS2N_ERR_MALFORMED, with rest as it
 * was. */
HS2N_MUST_CHECK int hs2ni_tcp_frame_read(struct hs2n_span *rest,
                                         struct hs2ni_tcp_frame *out);

/* What hs2ni_tcp_frame_write needs at most for a frame, but for bytes. */
#define HS2NI_TCP_FRAME_MAX 64u

/* Writes a frame, of STREAM and DATAGRAM the part before bytes, whose length
 * alone is looked at.  All numbers are at most HS2NI_TCP_VARINT_MAX.
 * Returns its length; out has room for HS2NI_TCP_FRAME_MAX. */
size_t hs2ni_tcp_frame_write(uint8_t *out, const struct hs2ni_tcp_frame *frame);

#endif /* HS2NI_TCP_FRAME_H */
