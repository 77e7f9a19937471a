/* test_tcp_strangers: connections of nobody at a replica over TCP. */
#include "tap.h"

#include "net_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define HALF_OPEN_MAX 8
#define STRANGERS 200

static struct net net;
static int strangers[STRANGERS];
static unsigned want;

static int connect_to(uint16_t port) {
  const struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);

  if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&to,
                         sizeof(to)) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Whether a stranger has been hung up on, perhaps with an alert before. */
static bool is_gone(int fd) {
  uint8_t bytes[64];
  ssize_t got;

  do {
    got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  } while (got > 0);
  return got == 0 || errno != EAGAIN;
}

static unsigned hung_up(void) {
  unsigned n = 0;

  for (unsigned i = 0; i < STRANGERS; i++) {
    n += is_gone(strangers[i]);
  }
  return n;
}

static struct hs2n_io_stats io_stats(void) {
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};

  hs2n_io_stats(net.r[0].io, &stats);
  return stats;
}

static bool all_but_the_limit_are_gone(const struct net *n) {
  (void)n;
  return hung_up() >= STRANGERS - HALF_OPEN_MAX;
}

static bool all_are_gone(const struct net *n) {
  (void)n;
  return hung_up() == STRANGERS;
}

static bool all_acked(const struct net *n) {
  return net_acked(n) >= want;
}

static bool open_net(void) {
  bool ok;

  net_half_open_max = HALF_OPEN_MAX;
  ok = net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL);
  net_half_open_max = 0;
  return ok;
}

static void flood(const char *bytes) {
  for (unsigned i = 0; i < STRANGERS; i++) {
    strangers[i] = connect_to(net.r[0].addr.port);
    CHECK(strangers[i] >= 0);
    if (bytes != NULL) {
      (void)send(strangers[i], bytes, strlen(bytes), MSG_NOSIGNAL);
    }
  }
}

static void hang_up(void) {
  for (unsigned i = 0; i < STRANGERS; i++) {
    close(strangers[i]);
  }
}

static void members_talk(void) {
  CHECK(net_join(&net));
  for (unsigned i = 0; i < 10; i++) {
    CHECK_EQ(net_send(&net.r[0], 1, NET_VOTE, 100), HS2N_OK);
    CHECK_EQ(net_send(&net.r[1], 0, NET_VOTE, 100), HS2N_OK);
  }
  want = 20;
  CHECK(net_run(&net, all_acked));
  CHECK(net_is_clean(&net));
}

/* Who connects and says nothing takes one of few places, and the replica
 * reaches its members by dialling. */
static void a_flood_is_refused_above_the_limit_and_holds_up_no_member(void) {
  struct hs2n_stats stats = {.struct_size = sizeof(stats)};

  if (open_net()) {
    flood(NULL);
    CHECK(net_run(&net, all_but_the_limit_are_gone));
    hs2n_node_stats(hs2n_io_node(net.r[0].io), &stats);
    CHECK(stats.inbound_limited >= STRANGERS - HALF_OPEN_MAX);
    CHECK(io_stats().tcp_open <= HALF_OPEN_MAX);
    members_talk();
    hang_up();
  } else {
    CHECK(false);
  }
  net_close(&net);
}

/* Neither TLS nor anything else that is known. */
static void who_speaks_another_protocol_is_hung_up_on(void) {
  if (open_net()) {
    flood("GET / HTTP/1.1\r\nHost: validator\r\n\r\n");
    CHECK(net_run(&net, all_are_gone));
    members_talk();
    hang_up();
  } else {
    CHECK(false);
  }
  net_close(&net);
}

int main(void) {
  net_transport = HS2N_TRANSPORT_TCP;
  RUN(a_flood_is_refused_above_the_limit_and_holds_up_no_member);
  RUN(who_speaks_another_protocol_is_hung_up_on);
  return tap_done();
}
