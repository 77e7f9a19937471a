#include "io/send.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* As in recv.c: buffers must not share their cache sets. */
#define STRIDE (65536 + 3 * 64)
static_assert(STRIDE >= HS2NI_TX_LEN, "a full batch fits");

/* Device queues drain within a fraction of this. */
#define RETRY_AFTER HS2N_MS(1)
#define REPORT_EVERY HS2N_S(60)

size_t hs2ni_sender_arena_len(void) {
  return (size_t)HS2NI_TX_BATCH * STRIDE;
}

void hs2ni_sender_init(struct hs2ni_sender *s, uint8_t *arena,
                       const struct hs2ni_io_log *log) {
  memset(s, 0, sizeof(*s));
  s->log = *log;
  for (size_t i = 0; i < HS2NI_TX_BATCH; i++) {
    s->tx[i].data = arena + i * STRIDE;
    s->tx[i].capacity = HS2NI_TX_LEN;
    s->msgs[i].msg_hdr.msg_iov = &s->iovs[i];
    s->msgs[i].msg_hdr.msg_iovlen = 1;
    s->msgs[i].msg_hdr.msg_name = &s->names[i];
  }
}

/* ---- one message of sendmmsg ------------------------------------------- */

static struct cmsghdr *put(struct msghdr *msg, struct cmsghdr *c, int level,
                           int type, const void *value, size_t len) {
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(c), value, len);
  msg->msg_controllen += CMSG_SPACE(len);
  return (struct cmsghdr *)(void *)((uint8_t *)c + CMSG_SPACE(len));
}

/* Answers leave by the address that was spoken to, which matters on a wildcard
 * socket of a host with several.  IPv4 options also rule v4-mapped datagrams of
 * an IPv6 socket. */
static struct cmsghdr *put_source(struct msghdr *msg, struct cmsghdr *c,
                                  const struct hs2n_addr *local) {
  if (local->family == HS2N_FAMILY_IPV4) {
    struct in_pktinfo info = {.ipi_ifindex = 0};

    memcpy(&info.ipi_spec_dst, local->ip, 4);
    return put(msg, c, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
  }
  const struct in6_pktinfo info6 = {.ipi6_addr = hs2ni_addr_to_ip6(local),
                                    .ipi6_ifindex = local->scope};

  return put(msg, c, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
}

static void put_control(struct msghdr *msg, uint8_t *control,
                        const struct hs2ni_socket *socket,
                        const struct hs2n_tx *tx, size_t segment_len) {
  struct cmsghdr *c = (struct cmsghdr *)(void *)control;
  const bool ipv4 = tx->remote.family == HS2N_FAMILY_IPV4;
  const int ecn = tx->ecn;

  msg->msg_control = control;
  msg->msg_controllen = 0;
  if (segment_len != 0) {
    const uint16_t len = (uint16_t)segment_len;

    c = put(msg, c, IPPROTO_UDP, UDP_SEGMENT, &len, sizeof(len));
  }
  if (ecn != HS2N_ECN_NOT_ECT) {
    c = put(msg, c, ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
            ipv4 ? IP_TOS : IPV6_TCLASS, &ecn, sizeof(ecn));
  }
  if (tx->local.family == tx->remote.family &&
      hs2ni_addr_ip_is_any(&socket->local) &&
      !hs2ni_addr_ip_is_any(&tx->local)) {
    put_source(msg, c, &tx->local);
  }
  if (msg->msg_controllen == 0) {
    msg->msg_control = NULL;
  }
}

/* How much of a batch one message takes: all, or one datagram of it. */
static size_t message_len(const struct hs2ni_socket *socket,
                          const struct hs2n_tx *tx, size_t offset,
                          bool singly) {
  const size_t left = tx->len - offset;

  if ((socket->gso && !singly) || left < tx->segment_len) {
    return left;
  }
  return tx->segment_len;
}

/* An address that the socket can't speak gets the length 0, which makes the
 * kernel refuse the message: one way for all failures. */
static void fill_message(struct hs2ni_sender *s,
                         const struct hs2ni_socket *socket, size_t n,
                         const struct hs2n_tx *tx, size_t offset, size_t len) {
  struct msghdr *msg = &s->msgs[n].msg_hdr;

  s->iovs[n].iov_base = tx->data + offset;
  s->iovs[n].iov_len = len;
  msg->msg_namelen =
      hs2ni_addr_to_socket(&tx->remote, socket->family, &s->names[n]);
  put_control(msg, s->control[n], socket, tx,
              len > tx->segment_len ? tx->segment_len : 0);
}

/* Returns how many messages were filled from what is left to send. */
static size_t fill(struct hs2ni_sender *s, const struct hs2ni_socket *socket) {
  size_t i = s->first;
  size_t offset = s->offset;
  bool singly = s->singly;
  size_t n = 0;

  while (n < HS2NI_TX_BATCH && i < s->count) {
    const struct hs2n_tx *tx = &s->tx[i];
    const size_t len = message_len(socket, tx, offset, singly);

    fill_message(s, socket, n, tx, offset, len);
    n++;
    offset += len;
    if (offset == tx->len) {
      i++;
      offset = 0;
      singly = false;
    }
  }
  return n;
}

/* ---- what became of it -------------------------------------------------- */

/* The first message is done with: it left, or was given up. */
static void advance(struct hs2ni_sender *s, size_t len) {
  s->offset += len;
  if (s->offset == s->tx[s->first].len) {
    s->first++;
    s->offset = 0;
    s->singly = false;
    s->suspect = false;
  }
}

/* A part of a batch that failed as a whole has left: so it was the offload
 * that failed, as some network devices do although the kernel offers it. */
static void convict_offload(struct hs2ni_sender *s,
                            struct hs2ni_socket *socket) {
  s->suspect = false;
  socket->gso = false;
  hs2ni_io_log(
      &s->log, HS2N_LOG_WARN, "io.offload",
      "UDP_SEGMENT fails on this path, datagrams go singly from now on");
}

static void note_sent(struct hs2ni_sender *s, struct hs2ni_socket *socket,
                      size_t n) {
  if (s->suspect) {
    convict_offload(s, socket);
  }
  for (size_t i = 0; i < n; i++) {
    advance(s, s->iovs[i].iov_len);
  }
}

/* EMSGSIZE is what probing for the path's MTU is about: not worth a word. */
static void give_up_first(struct hs2ni_sender *s, struct hs2n_io_stats *stats,
                          int err, hs2n_time now) {
  const size_t len = s->iovs[0].iov_len;
  const size_t segment_len = s->tx[s->first].segment_len;
  const size_t n = (len + segment_len - 1) / segment_len;

  stats->send_errors += n;
  s->unreported += err == EMSGSIZE ? 0 : n;
  if (s->unreported > 0 && now >= s->next_report) {
    hs2ni_io_log(&s->log, HS2N_LOG_WARN, "io.send", "given_up=%llu errno=%d",
                 (unsigned long long)s->unreported, err);
    s->unreported = 0;
    s->next_report = now + REPORT_EVERY;
  }
  s->suspect = false;
  advance(s, len);
}

/* Whether the first message was a batch that may pass datagram by datagram. */
static bool may_be_offload(const struct hs2ni_sender *s, int err) {
  return s->iovs[0].iov_len > s->tx[s->first].segment_len &&
         (err == EIO || err == EINVAL || err == EOPNOTSUPP);
}

/* The first message of the last call failed.  Returns whether to go on. */
static bool handle_error(struct hs2ni_sender *s, struct hs2n_io_stats *stats,
                         int err, hs2n_time now) {
  switch (err) {
  case EINTR:
    return true;
  case EAGAIN:
    s->blocked = true;
    stats->send_blocked++;
    return false;
  case ENOBUFS:
  case ENOMEM:
    s->retry_at = now + RETRY_AFTER;
    stats->send_blocked++;
    return false;
  default:
    break;
  }
  if (may_be_offload(s, err)) {
    s->singly = true;
    s->suspect = true;
    stats->offload_fallbacks++;
  } else {
    give_up_first(s, stats, err, now);
  }
  return true;
}

bool hs2ni_sender_flush(struct hs2ni_sender *s, struct hs2ni_socket *socket,
                        struct hs2n_io_stats *stats, hs2n_time now) {
  s->blocked = false;
  s->retry_at = 0;
  while (s->first < s->count) {
    const size_t n = fill(s, socket);
    const int sent = sendmmsg(socket->fd, s->msgs, (unsigned)n, MSG_DONTWAIT);

    stats->send_calls++;
    if (sent > 0) {
      note_sent(s, socket, (size_t)sent);
    } else if (!handle_error(s, stats, errno, now)) {
      return false;
    }
  }
  s->first = 0;
  s->count = 0;
  return true;
}
