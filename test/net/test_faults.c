/* test_faults: real replicas while the kernel refuses to send.  Whatever
 * errno it gives, and however often, what was sent is delivered. */
#include "tap.h"

#include "net_world.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct net net;
static unsigned want;

static int fault_errno;      /* 0: none */
static unsigned fault_every; /* every so many calls fail with it */
static bool fault_segmented; /* calls that begin with a batch fail, all */
static unsigned short_count; /* take at most so many messages */
static unsigned calls;
static unsigned failed;

int __real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);

static bool is_segmented(const struct msghdr *msg) {
  const struct cmsghdr *c = CMSG_FIRSTHDR(msg);

  return c != NULL && c->cmsg_level == IPPROTO_UDP;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags) {
  calls++;
  if (fault_errno != 0 && (fault_segmented ? is_segmented(&msgs[0].msg_hdr)
                                           : calls % fault_every == 0)) {
    failed++;
    errno = fault_errno;
    return -1;
  }
  return __real_sendmmsg(
      fd, msgs, short_count != 0 && n > short_count ? short_count : n, flags);
}

static bool all_acked(const struct net *n) {
  return net_acked(n) >= want;
}

/* Five small ones each way and one that fills batches. */
static void deliver(void) {
  calls = 0;
  failed = 0;
  want = 0;
  if (net_open(&net, 2, "[::]:0", "127.0.0.1:0", NULL) && net_join(&net)) {
    for (uint32_t i = 0; i < 5; i++) {
      CHECK_EQ(net_send(&net.r[0], 1, NET_VOTE, 100), HS2N_OK);
      CHECK_EQ(net_send(&net.r[1], 0, NET_VOTE, 100), HS2N_OK);
    }
    CHECK_EQ(net_send(&net.r[0], 1, NET_PROPOSAL, 1u << 20), HS2N_OK);
    want = 11;
    CHECK(net_run(&net, all_acked));
    CHECK(net_is_clean(&net));
  } else {
    CHECK(false);
  }
  net_close(&net);
}

static void every_errno_now_and_then_still_delivers(void) {
  static const int errors[] = {ENOBUFS,      EAGAIN,   EPERM,      EINTR,
                               ECONNREFUSED, EMSGSIZE, ENETUNREACH};

  fault_every = 5;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    fault_errno = errors[i];
    deliver();
    CHECK(failed > 0);
  }
  fault_errno = 0;
}

static void a_device_without_segmentation_still_delivers(void) {
  static const int errors[] = {EIO, EINVAL, EOPNOTSUPP};

  fault_segmented = true;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    fault_errno = errors[i];
    deliver();
    CHECK(failed > 0 && failed <= 2); /* once for each of the two sockets */
  }
  fault_errno = 0;
  fault_segmented = false;
}

static void short_counts_still_deliver(void) {
  short_count = 1;
  deliver();
  short_count = 0;
}

int main(void) {
  RUN(every_errno_now_and_then_still_delivers);
  RUN(a_device_without_segmentation_still_delivers);
  RUN(short_counts_still_deliver);
  return tap_done();
}
