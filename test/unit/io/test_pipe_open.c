/* test_pipe_open: how a driver over TCP begins, and what is missing. */
#include "tap.h"

#include "pipe_world.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>

static unsigned allocations; /* so far */
static unsigned fail_at;     /* this allocation fails; 0: none */
static bool no_ipv6;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

void *__wrap_malloc(size_t size) {
  allocations++;
  return allocations == fail_at ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  allocations++;
  return allocations == fail_at ? NULL : __real_calloc(n, size);
}

int __wrap_socket(int domain, int type, int protocol) {
  if (no_ipv6 && domain == AF_INET6) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return __real_socket(domain, type, protocol);
}

static unsigned open_descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  unsigned n = 0;

  while (dir != NULL && readdir(dir) != NULL) {
    n++;
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return n;
}

static void no_descriptor_is_left_behind(void) {
  const unsigned before = open_descriptors();
  struct pipe_world w = {0};
  int peers[10];

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV6, 0));
  for (unsigned i = 0; i < 10; i++) {
    peers[i] = peer_connect(&w);
  }
  TURN_UNTIL(&w, pipe_stats(&w).tcp_open == 10);
  CHECK_EQ(open_descriptors(), before + 4 + 20);
  pipe_world_close(&w);
  CHECK_EQ(open_descriptors(), before + 10);
  for (unsigned i = 0; i < 10; i++) {
    close(peers[i]);
  }
}

static void two_drivers_can_not_listen_at_one_port(void) {
  struct pipe_world w = {0};
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);
  struct hs2n_config node_config;
  struct hs2n_io *second;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  config.listen.port = w.addr.port;
  hs2n_config_default(&node_config);
  node_config.transport = HS2N_TRANSPORT_TCP;
  CHECK_EQ(hs2n_io_new(&second, &config, &node_config, NULL), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EADDRINUSE);
  pipe_world_close(&w);
}

static void bad_limits_are_named_before_anything_is_opened(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);
  struct hs2n_config node_config;
  struct hs2n_limits limits;
  struct hs2n_io *io;
  const char *field = "";

  hs2n_config_default(&node_config);
  hs2n_limits_default(&limits);
  node_config.transport = HS2N_TRANSPORT_TCP;
  node_config.limits = &limits;
  limits.tcp_unsent_bytes = 1;
  CHECK_EQ(hs2n_io_new(&io, &config, &node_config, &field), HS2N_ERR_INVALID);
  CHECK_TEXT(field, "tcp_unsent_bytes");
}

static int try_open(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct hs2n_config node_config;
  struct hs2n_io *io;
  int rc;

  hs2n_config_default(&node_config);
  node_config.transport = HS2N_TRANSPORT_TCP;
  rc = hs2n_io_new(&io, &config, &node_config, NULL);
  if (rc == HS2N_OK) {
    hs2n_io_free(io);
  }
  return rc;
}

static void every_allocation_may_fail(void) {
  const unsigned before = open_descriptors();
  unsigned n = 0;
  int rc;

  do {
    n++;
    fail_at = n;
    allocations = 0;
    rc = try_open();
    CHECK(rc == HS2N_OK || rc == HS2N_ERR_NO_MEMORY);
  } while (rc != HS2N_OK && n < 100);
  fail_at = 0;
  CHECK_EQ(n, 4); /* driver, pipes, fake node; the fourth did not fail */
  CHECK_EQ(open_descriptors(), before);
}

/* Listener, epoll, timer and event in turn find no descriptor left. */
static void too_few_descriptors_fail_cleanly(void) {
  const unsigned before = open_descriptors();
  struct rlimit old;
  struct rlimit low;
  int next;

  REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
  next = dup(0);
  REQUIRE(next >= 0);
  close(next);
  low = old;
  for (rlim_t spare = 0; spare < 4; spare++) {
    low.rlim_cur = (rlim_t)next + spare;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    CHECK_EQ(try_open(), HS2N_ERR_SYSTEM);
    CHECK_EQ(errno, EMFILE);
  }
  low.rlim_cur = (rlim_t)next + 4;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK_EQ(try_open(), HS2N_OK);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK_EQ(open_descriptors(), before);
}

static void without_ipv6_the_wildcard_means_ipv4(void) {
  struct pipe_world w = {0};
  int peer;

  no_ipv6 = true;
  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV6, 0));
  CHECK_EQ(hs2n_io_local(w.io).family, HS2N_FAMILY_IPV4);
  peer = peer_connect(&w);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  close(peer);
  pipe_world_close(&w);
  no_ipv6 = false;
}

/* But for what a socket does not take. */
static void no_turn_allocates(void) {
  struct pipe_world w = {0};
  unsigned before;
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_connect(&w);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  before = allocations;
  for (size_t i = 0; i < 100; i++) {
    CHECK(peer_write(peer, 100 * i, 100));
    TURN_UNTIL(&w, w.node->bytes_in == 100 * (i + 1));
  }
  CHECK_EQ(allocations, before);
  close(peer);
  pipe_world_close(&w);
}

int main(void) {
  RUN(no_descriptor_is_left_behind);
  RUN(two_drivers_can_not_listen_at_one_port);
  RUN(bad_limits_are_named_before_anything_is_opened);
  RUN(every_allocation_may_fail);
  RUN(too_few_descriptors_fail_cleanly);
  RUN(without_ipv6_the_wildcard_means_ipv4);
  RUN(no_turn_allocates);
  return tap_done();
}
