/* send: datagrams out, by sendmmsg and UDP_SEGMENT.
 *
 * The node writes a batch into tx[]; flush hands it to the kernel.  What the
 * kernel has no room for now stays and goes first next time; what it will
 * never take is dropped and counted, for QUIC sends lost bytes again. */
#ifndef HS2NI_IO_SEND_H
#define HS2NI_IO_SEND_H

#include "io/addr.h"
#include "io/socket.h"

#define HS2NI_TX_BATCH 32

/* Largest UDP payload over IPv4; one segmented send may not exceed it. */
#define HS2NI_TX_LEN 65507

/* Source address, ECN mark and segment length, with room. */
#define HS2NI_TX_CONTROL 128

struct hs2ni_sender {
  struct hs2n_tx tx[HS2NI_TX_BATCH]; /* tx[first .. count-1] still to send */
  size_t first;
  size_t count;
  size_t offset;      /* bytes of tx[first] that have left */
  bool singly;        /* tx[first] goes datagram by datagram */
  bool suspect;       /* it failed as a batch, and no part has left yet */
  bool blocked;       /* the socket is full: wait until it is writable */
  hs2n_time retry_at; /* the device is full: wait until then; else 0 */
  hs2n_time next_report;
  uint64_t unreported; /* datagrams given up since the last report */
  struct hs2ni_io_log log;
  struct mmsghdr msgs[HS2NI_TX_BATCH];
  struct iovec iovs[HS2NI_TX_BATCH];
  union hs2ni_sockaddr names[HS2NI_TX_BATCH];
  _Alignas(struct cmsghdr) uint8_t control[HS2NI_TX_BATCH][HS2NI_TX_CONTROL];
};

/* Bytes that hs2ni_sender_init asks for. */
size_t hs2ni_sender_arena_len(void);
void hs2ni_sender_init(struct hs2ni_sender *s, uint8_t *arena,
                       const struct hs2ni_io_log *log);

/* Sends what is in tx[].  Returns true when all of it is gone, so that the
 * node may write into tx[] again; false when blocked or retry_at is set. */
bool hs2ni_sender_flush(struct hs2ni_sender *s, struct hs2ni_socket *socket,
                        struct hs2n_io_stats *stats, hs2n_time now);

#endif /* HS2NI_IO_SEND_H */
