/* test_tcp_faults: real replicas over TCP while sockets take and give little,
 * or break.  What was sent is delivered all the same. */
#include "tap.h"

#include "net_world.h"

#include <errno.h>
#include <sys/socket.h>

static struct net net;
static unsigned want;

static int fault_errno;      /* 0: none */
static unsigned fault_every; /* every so many writes fail with it */
static unsigned fault_max;   /* so many fail at most; 0: any number */
static size_t short_len;     /* writes and reads take so much; 0: all */
static unsigned calls;
static unsigned failed;

ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recv(int fd, void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t len, int flags);

static bool fails(void) {
  calls++;
  if (fault_errno == 0 || calls % fault_every != 0 ||
      (fault_max != 0 && failed == fault_max)) {
    return false;
  }
  failed++;
  errno = fault_errno;
  return true;
}

static size_t shorten(size_t len) {
  return short_len != 0 && len > short_len ? short_len : len;
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags) {
  return fails() ? -1 : __real_send(fd, data, shorten(len), flags);
}

/* Of what is in pieces the first is enough. */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags) {
  if (fails()) {
    return -1;
  }
  return short_len == 0 ? __real_sendmsg(fd, msg, flags)
                        : __real_send(fd, msg->msg_iov[0].iov_base,
                                      shorten(msg->msg_iov[0].iov_len), flags);
}

ssize_t __wrap_recv(int fd, void *data, size_t len, int flags) {
  return __real_recv(fd, data, shorten(len), flags);
}

static bool all_acked(const struct net *n) {
  return net_acked(n) >= want;
}

/* Five small ones each way and one that is large for its lane. */
static void deliver(size_t large) {
  calls = 0;
  failed = 0;
  want = 0;
  if (net_open(&net, 2, "[::]:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    for (uint32_t i = 0; i < 5; i++) {
      CHECK_EQ(net_send(&net.r[0], 1, NET_VOTE, 100), HS2N_OK);
      CHECK_EQ(net_send(&net.r[1], 0, NET_VOTE, 100), HS2N_OK);
    }
    CHECK_EQ(net_send(&net.r[0], 1, NET_PROPOSAL, large), HS2N_OK);
    want = 11;
    CHECK(net_run(&net, all_acked));
    CHECK(net_is_clean(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

static void sockets_that_are_full_now_and_then_still_deliver(void) {
  static const int errors[] = {EAGAIN, EINTR};

  fault_every = 3;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    fault_errno = errors[i];
    deliver(1u << 20);
    CHECK(failed > 0);
  }
  fault_errno = 0;
}

static void short_counts_still_deliver(void) {
  static const size_t lens[] = {1, 7, 1000};

  for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
    short_len = lens[i];
    deliver(lens[i] * 4096 < 20000 ? 20000 : 1u << 20);
  }
  short_len = 0;
}

/* What was on its way when a connection broke is sent on the next one. */
static void connections_that_break_still_deliver(void) {
  static const int errors[] = {ECONNRESET, EPIPE, ETIMEDOUT};

  fault_every = 40;
  fault_max = 3;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    fault_errno = errors[i];
    deliver(4u << 20);
    CHECK(failed > 0);
  }
  fault_errno = 0;
  fault_max = 0;
}

int main(void) {
  net_transport = HS2N_TRANSPORT_TCP;
  RUN(sockets_that_are_full_now_and_then_still_deliver);
  RUN(short_counts_still_deliver);
  RUN(connections_that_break_still_deliver);
  return tap_done();
}
