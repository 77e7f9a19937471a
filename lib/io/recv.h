/* recv: datagrams in, by recvmmsg and UDP_GRO. */
#ifndef HS2NI_IO_RECV_H
#define HS2NI_IO_RECV_H

#include "io/addr.h"
#include "io/socket.h"

#define HS2NI_RX_BATCH 32

/* Any UDP datagram fits, and any run of them that UDP_GRO joins. */
#define HS2NI_RX_LEN 65536

/* ECN mark, local address, segment length and drop count, with room. */
#define HS2NI_RX_CONTROL 256

struct hs2ni_receiver {
  struct hs2n_rx rx[HS2NI_RX_BATCH]; /* what the last read brought */
  size_t count;
  bool full; /* the last read filled the batch: more may wait */
  uint32_t drops_seen;
  struct mmsghdr msgs[HS2NI_RX_BATCH];
  struct iovec iovs[HS2NI_RX_BATCH];
  union hs2ni_sockaddr names[HS2NI_RX_BATCH];
  _Alignas(struct cmsghdr) uint8_t control[HS2NI_RX_BATCH][HS2NI_RX_CONTROL];
};

/* Bytes that hs2ni_receiver_init asks for. */
size_t hs2ni_receiver_arena_len(void);
void hs2ni_receiver_init(struct hs2ni_receiver *r, uint8_t *arena);

/* Reads one batch into r->rx[0 .. r->count-1]; none when nothing waits.
 *
 * Returns HS2N_OK, or HS2N_ERR_SYSTEM when the socket is of no use. */
HS2N_MUST_CHECK int hs2ni_receiver_read(struct hs2ni_receiver *r,
                                        const struct hs2ni_socket *s,
                                        struct hs2n_io_stats *stats);

#endif /* HS2NI_IO_RECV_H */
