/* test_open: making a driver, and what stands in its way. */
#include "tap.h"

#include "io_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

/* The n-th call from now fails with err; n 0: none does. */
struct trap {
  unsigned n;
  int err;
};

static struct trap alloc_trap;
static struct trap socket_trap;
static struct trap random_trap;
static struct trap recv_trap;
static unsigned allocations;
static bool no_ipv6;
static size_t random_max; /* bytes that getrandom gives at once; 0: all */

static bool trapped(struct trap *t) {
  if (t->n == 0 || --t->n > 0) {
    return false;
  }
  errno = t->err;
  return true;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
ssize_t __real_getrandom(void *out, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);
int __real_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                    struct timespec *timeout);

void *__wrap_malloc(size_t size) {
  allocations++;
  return trapped(&alloc_trap) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
  allocations++;
  return trapped(&alloc_trap) ? NULL : __real_calloc(n, size);
}

int __wrap_socket(int domain, int type, int protocol) {
  if (no_ipv6 && domain == AF_INET6) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return trapped(&socket_trap) ? -1 : __real_socket(domain, type, protocol);
}

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags) {
  if (trapped(&random_trap)) {
    return -1;
  }
  return __real_getrandom(
      out, random_max != 0 && len > random_max ? random_max : len, flags);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
                    struct timespec *timeout) {
  return trapped(&recv_trap) ? -1
                             : __real_recvmmsg(fd, msgs, n, flags, timeout);
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

static int try_new(const struct hs2n_io_config *config,
                   const char **out_field) {
  struct hs2n_config node_config;
  struct hs2n_io *io;
  int rc;

  hs2n_config_default(&node_config);
  rc = hs2n_io_new(&io, config, &node_config, out_field);
  if (rc == HS2N_OK) {
    hs2n_io_free(io);
  }
  return rc;
}

static void a_bad_field_is_named(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const char *field = "";

  config.listen.family = 5;
  CHECK_EQ(try_new(&config, &field), HS2N_ERR_INVALID);
  CHECK_TEXT(field, "listen");
  config = world_config(HS2N_FAMILY_IPV6);
  config.rcvbuf_bytes = 0;
  CHECK_EQ(try_new(&config, &field), HS2N_ERR_INVALID);
  CHECK_TEXT(field, "rcvbuf_bytes");
  config = world_config(HS2N_FAMILY_IPV6);
  config.sndbuf_bytes = 0;
  CHECK_EQ(try_new(&config, &field), HS2N_ERR_INVALID);
  CHECK_TEXT(field, "sndbuf_bytes");
  config = world_config(HS2N_FAMILY_IPV6);
  config.offload = (enum hs2n_offload)7;
  CHECK_EQ(try_new(&config, &field), HS2N_ERR_INVALID);
  CHECK_TEXT(field, "offload");
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_INVALID);
}

static void a_bad_field_of_the_node_is_named_too(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const unsigned before = open_descriptors();
  const char *field = "";

  fake_new_result = HS2N_ERR_INVALID;
  CHECK_EQ(try_new(&config, &field), HS2N_ERR_INVALID);
  fake_new_result = HS2N_OK;
  CHECK_TEXT(field, "chain_id");
  CHECK_EQ(open_descriptors(), before);
}

static void a_struct_of_another_version_is_judged_by_its_bytes(void) {
  struct {
    struct hs2n_io_config config;
    uint64_t later;
  } newer = {.config = world_config(HS2N_FAMILY_IPV6)};

  newer.config.struct_size = sizeof(newer);
  CHECK_EQ(try_new(&newer.config, NULL), HS2N_OK);
  newer.later = 1;
  CHECK_EQ(try_new(&newer.config, NULL), HS2N_ERR_VERSION);
  newer.config.struct_size = 8;
  CHECK_EQ(try_new(&newer.config, NULL), HS2N_ERR_VERSION);
}

static void the_driver_fills_in_what_the_caller_left_out(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);
  struct hs2n_config node_config;
  struct hs2n_io *io;
  const struct hs2n_config *got;

  hs2n_config_default(&node_config);
  REQUIRE(hs2n_io_new(&io, &config, &node_config, NULL) == HS2N_OK);
  got = &hs2n_io_node(io)->config;
  CHECK(got->rand == hs2n_rand_system);
  CHECK(got->seed != 0);
  CHECK(got->unix_time_s > 1600000000);
  CHECK(got->incarnation / 1000000000u >= (uint64_t)got->unix_time_s);
  CHECK_EQ(got->local.family, HS2N_FAMILY_IPV4);
  CHECK_EQ(got->local.port, hs2n_io_local(io).port);
  CHECK(got->local.port != 0);
  hs2n_io_free(io);
}

static int no_rand(void *user_data, uint8_t *out, size_t len) {
  (void)user_data;
  (void)out;
  return len == 0 ? 0 : -1;
}

static void the_driver_leaves_what_the_caller_has_set(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct hs2n_config node_config;
  struct hs2n_io *io;
  const struct hs2n_config *got;

  hs2n_config_default(&node_config);
  node_config.seed = 5;
  node_config.incarnation = 6;
  node_config.unix_time_s = 7;
  node_config.rand = no_rand;
  node_config.local = loopback(HS2N_FAMILY_IPV6, 8);
  REQUIRE(hs2n_io_new(&io, &config, &node_config, NULL) == HS2N_OK);
  got = &hs2n_io_node(io)->config;
  CHECK_EQ(got->seed, 5);
  CHECK_EQ(got->incarnation, 6);
  CHECK_EQ(got->unix_time_s, 7);
  CHECK(got->rand == no_rand);
  CHECK_EQ(got->local.port, 8);
  hs2n_io_free(io);
}

static void a_port_in_use_is_said_so(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const unsigned before = open_descriptors();
  struct io_world w;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  config.listen.port = hs2n_io_local(w.io).port;
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EADDRINUSE);
  config.listen.family = HS2N_FAMILY_IPV4;
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EADDRINUSE);
  io_world_close(&w);
  CHECK_EQ(try_new(&config, NULL), HS2N_OK);
  CHECK_EQ(open_descriptors(), before);
}

static void a_foreign_address_is_said_so(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);

  config.listen.ip[0] = 192;
  config.listen.ip[2] = 2;
  config.listen.ip[3] = 1;
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EADDRNOTAVAIL);
}

/* Socket, epoll, timer and event in turn find no descriptor left. */
static void too_few_descriptors_fail_cleanly(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
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
    CHECK_EQ(try_new(&config, NULL), HS2N_ERR_SYSTEM);
    CHECK_EQ(errno, EMFILE);
  }
  low.rlim_cur = (rlim_t)next + 4;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK_EQ(try_new(&config, NULL), HS2N_OK);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK_EQ(open_descriptors(), before);
}

static void without_ipv6_the_wildcard_means_ipv4(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;

  no_ipv6 = true;
  if (io_world_open(&w, &config, HS2N_FAMILY_IPV4)) {
    w.node->echo = true;
    CHECK_EQ(hs2n_io_local(w.io).family, HS2N_FAMILY_IPV4);
    CHECK(peer_send(&w, 1, 100));
    CHECK_EQ(peer_collect(&w, 1), 1);
  } else {
    CHECK(false);
  }
  io_world_close(&w);
  config.listen.ip[15] = 1; /* ::1 was asked for, and nothing else */
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EAFNOSUPPORT);
  no_ipv6 = false;
}

static void every_allocation_may_fail(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const unsigned before = open_descriptors();
  unsigned n = 0;
  int rc;

  do {
    alloc_trap = (struct trap){.n = ++n, .err = ENOMEM};
    rc = try_new(&config, NULL);
    CHECK(rc == HS2N_OK || rc == HS2N_ERR_NO_MEMORY);
  } while (rc != HS2N_OK && n < 100);
  alloc_trap = (struct trap){0};
  CHECK_EQ(n, 3); /* driver, fake node; the third did not fail */
  CHECK_EQ(open_descriptors(), before);
}

static void no_turn_allocates(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;
  unsigned before;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  before = allocations;
  for (unsigned i = 0; i < 100; i++) {
    CHECK(peer_send(&w, 1, 100));
    CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  }
  CHECK_EQ(w.node->datagrams, 100);
  CHECK_EQ(allocations, before);
  io_world_close(&w);
}

static char log_seen[1024];

static void keep_log(void *user_data, enum hs2n_log_level level,
                     const char *event, const char *text) {
  const size_t at = strlen(log_seen);

  (void)user_data;
  snprintf(log_seen + at, sizeof(log_seen) - at, "%d %s %s\n", (int)level,
           event, text);
}

static uint32_t sysctl_max(const char *path) {
  char text[32] = "";
  const int fd = open(path, O_RDONLY);

  if (fd >= 0) {
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
  }
  return (uint32_t)strtoul(text, NULL, 10);
}

static void a_small_buffer_is_warned_of_with_the_remedy(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const uint32_t rmem = sysctl_max("/proc/sys/net/core/rmem_max");
  const uint32_t wmem = sysctl_max("/proc/sys/net/core/wmem_max");
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};
  struct io_world w;
  char want[256];

  config.rcvbuf_bytes = rmem + 1000;
  config.sndbuf_bytes = wmem + 2000;
  config.log = keep_log;
  log_seen[0] = 0;
  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  snprintf(want, sizeof(want),
           "2 io.rcvbuf wanted=%u got=%u raise=net.core.rmem_max\n"
           "2 io.sndbuf wanted=%u got=%u raise=net.core.wmem_max\n",
           rmem + 1000, rmem, wmem + 2000, wmem);
  CHECK_TEXT(log_seen, want);
  hs2n_io_stats(w.io, &stats);
  CHECK_EQ(stats.rcvbuf_bytes, rmem);
  CHECK_EQ(stats.sndbuf_bytes, wmem);
  io_world_close(&w);

  config.rcvbuf_bytes = rmem / 2;
  config.sndbuf_bytes = wmem / 2;
  log_seen[0] = 0;
  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  CHECK_TEXT(log_seen, "");
  io_world_close(&w);
}

static void stats_fit_an_older_and_a_newer_caller(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct {
    struct hs2n_io_stats stats;
    uint64_t later;
  } newer = {.stats = {.struct_size = sizeof(newer)}, .later = 9};
  struct hs2n_io_stats older = {.struct_size = 2 * sizeof(uint64_t),
                                .recv_calls = 77};
  struct io_world w;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  fake_send(w.node, &w.peer_addr, 1, 10, 10);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  hs2n_io_stats(w.io, &newer.stats);
  CHECK_EQ(newer.stats.struct_size, sizeof(newer));
  CHECK_EQ(newer.stats.send_calls, 1);
  CHECK_EQ(newer.later, 0);
  hs2n_io_stats(w.io, &older);
  CHECK_EQ(older.struct_size, 2 * sizeof(uint64_t));
  CHECK_EQ(older.send_calls, 1);
  CHECK_EQ(older.recv_calls, 77);
  io_world_close(&w);
}

/* ---- receiving ---------------------------------------------------------- */

static void a_passing_error_of_the_socket_costs_nothing(void) {
  static const int errors[] = {EINTR, ECONNREFUSED, ENOMEM, EHOSTUNREACH};
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  w.node->echo = true;
  for (size_t i = 0; i < 4; i++) {
    CHECK(peer_send(&w, 1, 100));
    recv_trap = (struct trap){.n = 1, .err = errors[i]};
    CHECK_EQ(peer_collect(&w, 1), 1);
    CHECK_EQ(recv_trap.n, 0);
  }
  io_world_close(&w);
}

static void a_broken_socket_ends_the_loop(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  CHECK(peer_send(&w, 1, 100));
  recv_trap = (struct trap){.n = 1, .err = EBADF};
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_ERR_SYSTEM);
  CHECK_EQ(errno, EBADF);
  recv_trap = (struct trap){.n = 1, .err = EBADF};
  CHECK_EQ(hs2n_io_run(w.io), HS2N_ERR_SYSTEM);
  log_seen[0] = 0;
  io_world_close(&w);
}

static void drops_of_the_kernel_are_counted(void) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct hs2n_io_stats stats = {.struct_size = sizeof(stats)};
  struct io_world w;

  config.rcvbuf_bytes = 4096;
  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  for (unsigned i = 0; i < 200; i++) {
    CHECK(peer_send(&w, 1, 1000));
  }
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  CHECK(peer_send(&w, 1, 1000)); /* brings the count */
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  hs2n_io_stats(w.io, &stats);
  CHECK(stats.receive_drops > 0);
  CHECK_EQ(stats.receive_drops + w.node->datagrams, 201);
  io_world_close(&w);
}

static void an_empty_datagram_is_no_harm(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  struct io_world w;

  REQUIRE(io_world_open(&w, &config, HS2N_FAMILY_IPV6));
  CHECK(peer_send(&w, 1, 0));
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  CHECK_EQ(w.node->recv_calls, 1);
  CHECK_EQ(w.node->last_rx.len, 0);
  io_world_close(&w);
}

/* ---- randomness --------------------------------------------------------- */

static void randomness_comes_whole_or_not_at_all(void) {
  uint8_t a[300] = {0};
  unsigned zeros = 0;

  random_max = 7;
  random_trap = (struct trap){.n = 3, .err = EINTR};
  CHECK_EQ(hs2n_rand_system(NULL, a, sizeof(a)), 0);
  random_max = 0;
  for (size_t i = 0; i < sizeof(a); i++) {
    zeros += a[i] == 0;
  }
  CHECK(zeros < 20);
  random_trap = (struct trap){.n = 1, .err = ENOSYS};
  CHECK_EQ(hs2n_rand_system(NULL, a, sizeof(a)), -1);
  CHECK_EQ(hs2n_rand_system(NULL, a, 0), 0);
}

static void without_randomness_there_is_no_driver(void) {
  const struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);
  const unsigned before = open_descriptors();

  random_trap = (struct trap){.n = 1, .err = ENOSYS};
  CHECK_EQ(try_new(&config, NULL), HS2N_ERR_RANDOM);
  CHECK_EQ(open_descriptors(), before);
}

int main(void) {
  RUN(a_bad_field_is_named);
  RUN(a_bad_field_of_the_node_is_named_too);
  RUN(a_struct_of_another_version_is_judged_by_its_bytes);
  RUN(the_driver_fills_in_what_the_caller_left_out);
  RUN(the_driver_leaves_what_the_caller_has_set);
  RUN(a_port_in_use_is_said_so);
  RUN(a_foreign_address_is_said_so);
  RUN(too_few_descriptors_fail_cleanly);
  RUN(without_ipv6_the_wildcard_means_ipv4);
  RUN(every_allocation_may_fail);
  RUN(no_turn_allocates);
  RUN(a_small_buffer_is_warned_of_with_the_remedy);
  RUN(stats_fit_an_older_and_a_newer_caller);
  RUN(a_passing_error_of_the_socket_costs_nothing);
  RUN(a_broken_socket_ends_the_loop);
  RUN(drops_of_the_kernel_are_counted);
  RUN(an_empty_datagram_is_no_harm);
  RUN(randomness_comes_whole_or_not_at_all);
  RUN(without_randomness_there_is_no_driver);
  return tap_done();
}
