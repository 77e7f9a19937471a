/* test_send: what the driver does when the kernel says no. */
#include "tap.h"

#include "io_world.h"

/* What __wrap_sendmmsg does with the next calls; after the last: all works. */
struct fault {
  int err;             /* fail with this; 0: don't */
  unsigned n_max;      /* take at most so many messages; 0: all */
  bool only_segmented; /* let a call pass whose first is no batch */
};

static struct fault faults[8];
static size_t fault_at;
static size_t fault_n;
static unsigned segmented_calls;

int __real_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);

static bool has_segments(const struct msghdr *msg) {
  const struct cmsghdr *c = CMSG_FIRSTHDR(msg);

  return c != NULL && c->cmsg_level == IPPROTO_UDP;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags) {
  const struct fault *f = &faults[fault_at];

  segmented_calls += has_segments(&msgs[0].msg_hdr);
  if (fault_at == fault_n ||
      (f->only_segmented && !has_segments(&msgs[0].msg_hdr))) {
    return __real_sendmmsg(fd, msgs, n, flags);
  }
  fault_at++;
  if (f->err != 0) {
    errno = f->err;
    return -1;
  }
  return __real_sendmmsg(fd, msgs, f->n_max < n ? f->n_max : n, flags);
}

static void plan(const struct fault *list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    faults[i] = list[i];
  }
  fault_at = 0;
  fault_n = n;
  segmented_calls = 0;
}

static void plan_errors(int err, size_t n) {
  for (size_t i = 0; i < n; i++) {
    faults[i] = (struct fault){.err = err};
  }
  fault_at = 0;
  fault_n = n;
}

static bool open_plain(struct io_world *w, uint8_t listen, uint8_t peer) {
  const struct hs2n_io_config config = world_config(listen);

  fault_n = 0;
  fault_at = 0;
  return io_world_open(w, &config, peer);
}

static struct hs2n_io_stats stats_of(const struct io_world *w) {
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};

  hs2n_io_stats(w->io, &stats);
  return stats;
}

/* Sends five pings to an echoing node and counts the answers. */
static unsigned five_echoes(struct io_world *w, unsigned want) {
  w->node->echo = true;
  for (uint8_t i = 0; i < 5; i++) {
    if (!peer_send(w, i, 100)) {
      return 0;
    }
  }
  return peer_collect(w, want);
}

static void echoes_over(uint8_t listen, uint8_t peer) {
  struct io_world w;

  REQUIRE(open_plain(&w, listen, peer));
  CHECK_EQ(five_echoes(&w, 5), 5);
  CHECK_EQ(w.node->last_rx.remote.family, peer);
  CHECK_EQ(w.node->last_rx.remote.port, w.peer_addr.port);
  CHECK_MEM(w.node->last_rx.remote.ip, w.peer_addr.ip, 16);
  CHECK_EQ(w.node->last_rx.local.family, peer);
  CHECK_MEM(w.node->last_rx.local.ip, w.node_addr.ip, 16);
  CHECK_EQ(w.node->last_rx.local.port, w.node_addr.port);
  CHECK(!w.node->clock_went_back);
  io_world_close(&w);
}

static void a_dual_stack_socket_speaks_ipv4(void) {
  echoes_over(HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4);
}

static void a_dual_stack_socket_speaks_ipv6(void) {
  echoes_over(HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV6);
}

static void an_ipv4_socket_speaks_ipv4(void) {
  echoes_over(HS2N_FAMILY_IPV4, HS2N_FAMILY_IPV4);
}

/* Delivery after a failure that leaves nothing lost. */
static void survives(int err, size_t times) {
  struct io_world w;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan_errors(err, times);
  CHECK_EQ(five_echoes(&w, 5), 5);
  CHECK_EQ(fault_at, times);
  CHECK_EQ(stats_of(&w).send_errors, 0);
  io_world_close(&w);
}

static void a_full_socket_keeps_what_is_unsent(void) {
  survives(EAGAIN, 3);
}

static void a_full_device_queue_is_tried_again(void) {
  survives(ENOBUFS, 3);
  survives(ENOMEM, 1);
}

static void a_signal_does_not_lose_a_datagram(void) {
  survives(EINTR, 3);
}

/* Delivery after a failure that costs one datagram, which QUIC repeats. */
static void loses_only_one(int err) {
  struct io_world w;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan_errors(err, 1);
  CHECK_EQ(five_echoes(&w, 4), 4);
  CHECK_EQ(stats_of(&w).send_errors, 1);
  CHECK_EQ(five_echoes(&w, 5), 5);
  CHECK_EQ(stats_of(&w).send_errors, 1);
  io_world_close(&w);
}

static void an_error_of_one_datagram_costs_no_other(void) {
  static const int errors[] = {EPERM,       ECONNREFUSED, EMSGSIZE,
                               ENETUNREACH, EHOSTUNREACH, EINVAL,
                               EIO,         EACCES};

  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    TAP_SAY("# errno %d\n", errors[i]);
    loses_only_one(errors[i]);
  }
}

static void a_short_count_goes_on_where_it_ended(void) {
  static const struct fault list[] = {
      {.n_max = 1}, {.n_max = 2}, {.err = EAGAIN}, {.n_max = 1}};
  struct io_world w;
  uint8_t first;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan(list, 4);
  for (uint8_t i = 0; i < 9; i++) {
    fake_send(w.node, &w.peer_addr, i, 300, 300);
  }
  for (uint8_t i = 0; i < 9; i++) {
    while (peer_recv(&w, &first) < 0) {
      REQUIRE(hs2n_io_turn(w.io, HS2N_MS(1)) == HS2N_OK);
    }
    CHECK_EQ(first, i);
  }
  CHECK_EQ(fault_at, 4);
  io_world_close(&w);
}

/* 45 datagrams in one piece, then one alone: what arrives is 46. */
static void send_batch(struct io_world *w, size_t len) {
  uint8_t first = 0;

  fake_send(w->node, &w->peer_addr, 7, len, 1452);
  fake_send(w->node, &w->peer_addr, 9, 100, 100);
  for (size_t at = 0; at < len; at += 1452) {
    while (peer_recv(w, &first) < 0) {
      REQUIRE(hs2n_io_turn(w->io, HS2N_MS(1)) == HS2N_OK);
    }
    CHECK_EQ(first, 7);
  }
  while (peer_recv(w, &first) < 0) {
    REQUIRE(hs2n_io_turn(w->io, HS2N_MS(1)) == HS2N_OK);
  }
  CHECK_EQ(first, 9);
  CHECK_EQ(peer_recv(w, &first), -1);
}

static void a_batch_arrives_as_datagrams(void) {
  struct io_world w;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan(NULL, 0);
  send_batch(&w, 65340);
  send_batch(&w, 65507 - 1000); /* the last one is shorter */
  CHECK_EQ(stats_of(&w).send_calls, 2);
  CHECK_EQ(segmented_calls, 2);
  io_world_close(&w);
}

static void without_offload_datagrams_go_singly(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;

  config.offload = HS2N_OFFLOAD_OFF;
  plan(NULL, 0);
  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  send_batch(&w, 65340);
  CHECK_EQ(segmented_calls, 0);
  CHECK(stats_of(&w).send_calls <= 4);
  io_world_close(&w);
}

static void a_batch_that_fails_is_sent_again_singly(void) {
  static const int errors[] = {EIO, EINVAL, EOPNOTSUPP};

  for (size_t i = 0; i < 3; i++) {
    const struct fault list[] = {{.err = errors[i]}};
    struct io_world w;

    REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
    plan(list, 1);
    send_batch(&w, 65340);
    CHECK_EQ(stats_of(&w).offload_fallbacks, 1);
    CHECK_EQ(stats_of(&w).send_errors, 0);
    CHECK_EQ(segmented_calls, 1);
    send_batch(&w, 65340); /* and no batch is tried any more */
    CHECK_EQ(segmented_calls, 1);
    CHECK_EQ(stats_of(&w).offload_fallbacks, 1);
    io_world_close(&w);
  }
}

/* The batch failed, but so did its first datagram alone: that is not the
 * fault of the offload. */
static void offload_stays_on_when_single_datagrams_fail_too(void) {
  static const struct fault list[] = {{.err = EINVAL}, {.err = EMSGSIZE}};
  struct io_world w;
  unsigned got;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan(list, 2);
  fake_send(w.node, &w.peer_addr, 7, 14520, 1452);
  got = peer_collect(&w, 9);
  CHECK_EQ(got, 9);
  CHECK_EQ(stats_of(&w).send_errors, 1);
  send_batch(&w, 65340);
  CHECK_EQ(segmented_calls, 2);
  io_world_close(&w);
}

static void a_failing_batch_survives_a_full_socket_in_its_middle(void) {
  static const struct fault list[] = {
      {.err = EIO}, {.n_max = 1}, {.err = EAGAIN}, {.n_max = 3}};
  struct io_world w;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  plan(list, 4);
  send_batch(&w, 65340);
  CHECK_EQ(fault_at, 4);
  CHECK_EQ(stats_of(&w).send_errors, 0);
  io_world_close(&w);
}

static void what_the_family_cannot_reach_is_given_up(void) {
  const struct hs2n_addr ipv6 = loopback(HS2N_FAMILY_IPV6, 7000);
  const struct hs2n_addr none = {.family = HS2N_FAMILY_NONE};
  struct io_world w;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV4, HS2N_FAMILY_IPV4));
  fake_send(w.node, &ipv6, 1, 100, 100);
  fake_send(w.node, &none, 1, 5000, 1000);
  fake_send(w.node, &w.peer_addr, 1, 100, 100);
  CHECK_EQ(peer_collect(&w, 1), 1);
  CHECK_EQ(stats_of(&w).send_errors, 6);
  CHECK_EQ(five_echoes(&w, 5), 5);
  io_world_close(&w);
}

/* A host with several addresses answers by the one that was spoken to. */
static void an_answer_leaves_by_the_address_spoken_to(void) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct sockaddr_in from = {.sin_family = AF_INET};
  socklen_t len = sizeof(from);
  struct io_world w;
  char byte = 1;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, HS2N_FAMILY_IPV4));
  w.node->echo = true;
  to.sin_port = htons(w.node_addr.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
  CHECK_EQ(
      sendto(w.peer, &byte, 1, 0, (struct sockaddr *)(void *)&to, sizeof(to)),
      1);
  REQUIRE(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)) == HS2N_OK);
  CHECK_EQ(w.node->last_rx.local.ip[3], 5);
  CHECK_EQ(recvfrom(w.peer, &byte, 1, MSG_DONTWAIT,
                    (struct sockaddr *)(void *)&from, &len),
           1);
  CHECK_EQ(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK + 4);
  io_world_close(&w);
}

/* The mark of the peer's datagram reaches the node, and the echo carries it
 * to another driver. */
static void ecn_marks_pass_both_ways(uint8_t family) {
  const int ect0 = HS2N_ECN_ECT_0;
  const bool ipv4 = family == HS2N_FAMILY_IPV4;
  struct io_world w;
  struct io_world other;
  struct hs2n_addr other_addr;

  REQUIRE(open_plain(&w, HS2N_FAMILY_IPV6, family));
  REQUIRE(open_plain(&other, HS2N_FAMILY_IPV6, family));
  CHECK_EQ(setsockopt(w.peer, ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
                      ipv4 ? IP_TOS : IPV6_TCLASS, &ect0, sizeof(ect0)),
           0);
  CHECK(peer_send(&w, 1, 100));
  REQUIRE(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)) == HS2N_OK);
  CHECK_EQ(w.node->last_rx.ecn, HS2N_ECN_ECT_0);

  other_addr = loopback(family, hs2n_io_local(other.io).port);
  fake_send(w.node, &other_addr, 1, 2000, 1000);
  w.node->tx[(w.node->tx_first + w.node->tx_count - 1) % FAKE_TX_MAX].ecn =
      HS2N_ECN_CE;
  REQUIRE(hs2n_io_turn(w.io, 0) == HS2N_OK);
  REQUIRE(hs2n_io_turn(other.io, HS2N_MS(LONG_MS)) == HS2N_OK);
  CHECK_EQ(other.node->last_rx.ecn, HS2N_ECN_CE);
  CHECK_EQ(other.node->datagrams, 2);
  io_world_close(&other);
  io_world_close(&w);
}

static void ecn_marks_pass_over_ipv4(void) {
  ecn_marks_pass_both_ways(HS2N_FAMILY_IPV4);
}

static void ecn_marks_pass_over_ipv6(void) {
  ecn_marks_pass_both_ways(HS2N_FAMILY_IPV6);
}

int main(void) {
  RUN(a_dual_stack_socket_speaks_ipv4);
  RUN(a_dual_stack_socket_speaks_ipv6);
  RUN(an_ipv4_socket_speaks_ipv4);
  RUN(a_full_socket_keeps_what_is_unsent);
  RUN(a_full_device_queue_is_tried_again);
  RUN(a_signal_does_not_lose_a_datagram);
  RUN(an_error_of_one_datagram_costs_no_other);
  RUN(a_short_count_goes_on_where_it_ended);
  RUN(a_batch_arrives_as_datagrams);
  RUN(without_offload_datagrams_go_singly);
  RUN(a_batch_that_fails_is_sent_again_singly);
  RUN(offload_stays_on_when_single_datagrams_fail_too);
  RUN(a_failing_batch_survives_a_full_socket_in_its_middle);
  RUN(what_the_family_cannot_reach_is_given_up);
  RUN(an_answer_leaves_by_the_address_spoken_to);
  RUN(ecn_marks_pass_over_ipv4);
  RUN(ecn_marks_pass_over_ipv6);
  return tap_done();
}
