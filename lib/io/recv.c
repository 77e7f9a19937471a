#include "io/recv.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Buffers at whole multiples of a page would all fall into the same few
 * cache sets; three lines more spread them. */
#define STRIDE (HS2NI_RX_LEN + 3 * 64)

#define ECN_MASK 0x03

size_t hs2ni_receiver_arena_len(void) {
  return (size_t)HS2NI_RX_BATCH * STRIDE;
}

/* The kernel writes the lengths of what it filled: back to capacity. */
static void prepare(struct hs2ni_receiver *r, size_t n) {
  for (size_t i = 0; i < n; i++) {
    r->msgs[i].msg_hdr.msg_namelen = sizeof(r->names[i]);
    r->msgs[i].msg_hdr.msg_controllen = sizeof(r->control[i]);
  }
}

void hs2ni_receiver_init(struct hs2ni_receiver *r, uint8_t *arena) {
  memset(r, 0, sizeof(*r));
  for (size_t i = 0; i < HS2NI_RX_BATCH; i++) {
    r->iovs[i].iov_base = arena + i * STRIDE;
    r->iovs[i].iov_len = HS2NI_RX_LEN;
    r->msgs[i].msg_hdr.msg_iov = &r->iovs[i];
    r->msgs[i].msg_hdr.msg_iovlen = 1;
    r->msgs[i].msg_hdr.msg_name = &r->names[i];
    r->msgs[i].msg_hdr.msg_control = r->control[i];
    r->rx[i].data = arena + i * STRIDE;
  }
  prepare(r, HS2NI_RX_BATCH);
}

/* IP_TOS comes as one byte, IPV6_TCLASS as an int. */
static uint8_t ecn_of(const struct cmsghdr *c) {
  int tclass = 0;

  if (c->cmsg_level == IPPROTO_IP) {
    return *CMSG_DATA(c) & ECN_MASK;
  }
  memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
  return (uint8_t)(tclass & ECN_MASK);
}

static struct hs2n_addr local_of(const struct cmsghdr *c, uint16_t port) {
  struct hs2n_addr addr = {.family = HS2N_FAMILY_IPV4, .port = port};
  struct in6_pktinfo info6;
  struct in_pktinfo info;

  if (c->cmsg_level == IPPROTO_IPV6) {
    memcpy(&info6, CMSG_DATA(c), sizeof(info6));
    return hs2ni_addr_from_ip6(&info6.ipi6_addr, port, info6.ipi6_ifindex);
  }
  memcpy(&info, CMSG_DATA(c), sizeof(info));
  memcpy(addr.ip, &info.ipi_spec_dst, 4);
  return addr;
}

/* The kernel's counter has 32 bits and runs since the socket was made. */
static void note_drops(struct hs2ni_receiver *r, const struct cmsghdr *c,
                       struct hs2n_io_stats *stats) {
  uint32_t total;

  memcpy(&total, CMSG_DATA(c), sizeof(total));
  stats->receive_drops += (uint32_t)(total - r->drops_seen);
  r->drops_seen = total;
}

static bool is(const struct cmsghdr *c, int level, int type) {
  return c->cmsg_level == level && c->cmsg_type == type;
}

static void take_control(struct hs2ni_receiver *r, struct msghdr *msg,
                         struct hs2n_rx *rx, struct hs2n_io_stats *stats) {
  int segment_len = 0;

  for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
       c = CMSG_NXTHDR(msg, c)) {
    if (is(c, IPPROTO_UDP, UDP_GRO)) {
      memcpy(&segment_len, CMSG_DATA(c), sizeof(segment_len));
    } else if (is(c, IPPROTO_IP, IP_TOS) || is(c, IPPROTO_IPV6, IPV6_TCLASS)) {
      rx->ecn = ecn_of(c);
    } else if (is(c, IPPROTO_IP, IP_PKTINFO) ||
               is(c, IPPROTO_IPV6, IPV6_PKTINFO)) {
      rx->local = local_of(c, rx->local.port);
    } else if (is(c, SOL_SOCKET, SO_RXQ_OVFL)) {
      note_drops(r, c, stats);
    }
  }
  if (segment_len > 0 && (size_t)segment_len < rx->len) {
    rx->segment_len = (size_t)segment_len;
  }
}

static void take(struct hs2ni_receiver *r, size_t i,
                 const struct hs2ni_socket *s, struct hs2n_io_stats *stats) {
  struct hs2n_rx *rx = &r->rx[i];

  rx->local = s->local;
  rx->remote = hs2ni_addr_from_socket(&r->names[i]);
  rx->ecn = HS2N_ECN_NOT_ECT;
  rx->len = r->msgs[i].msg_len;
  rx->segment_len = 0;
  take_control(r, &r->msgs[i].msg_hdr, rx, stats);
}

/* What some earlier datagram met, or what passes: the socket is fine. */
static bool is_passing(int err) {
  switch (err) {
  case EBADF:
  case EFAULT:
  case EINVAL:
  case ENOSYS:
  case ENOTSOCK:
    return false;
  default:
    return true;
  }
}

int hs2ni_receiver_read(struct hs2ni_receiver *r, const struct hs2ni_socket *s,
                        struct hs2n_io_stats *stats) {
  int n;

  prepare(r, r->count);
  r->count = 0;
  r->full = false;
  n = recvmmsg(s->fd, r->msgs, HS2NI_RX_BATCH, MSG_DONTWAIT, NULL);
  stats->recv_calls++;
  if (n < 0) {
    return is_passing(errno) ? HS2N_OK : HS2N_ERR_SYSTEM;
  }
  for (size_t i = 0; i < (size_t)n; i++) {
    take(r, i, s, stats);
  }
  r->count = (size_t)n;
  r->full = r->count == HS2NI_RX_BATCH;
  return HS2N_OK;
}
