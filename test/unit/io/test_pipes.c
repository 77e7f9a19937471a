/* test_pipes: TCP connections of a driver: how they begin and what they carry.
 */
#include "tap.h"

#include "pipe_world.h"

/* ---- system calls that fail when a test says so -------------------------- */

static int accept_error;    /* of the next accept4; 0: none */
static int send_error;      /* of the next send */
static bool malloc_refuses; /* what is as large as a pipe may have unsent */

int __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
ssize_t __real_send(int fd, const void *data, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t len, int flags);

static bool take_error(int *error) {
  if (*error == 0) {
    return false;
  }
  errno = *error;
  *error = 0;
  return true;
}

int __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags) {
  return take_error(&accept_error) ? -1 : __real_accept4(fd, addr, len, flags);
}

void *__wrap_malloc(size_t size) {
  return malloc_refuses && size == 65536 ? NULL : __real_malloc(size);
}

ssize_t __wrap_send(int fd, const void *data, size_t len, int flags) {
  return take_error(&send_error) ? -1 : __real_send(fd, data, len, flags);
}

/* ---- beginnings ---------------------------------------------------------- */

static void what_an_accepted_connection_brings_reaches_the_node(void) {
  struct pipe_world w = {0};
  const struct fake_event *open;
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV6, 0));
  peer = peer_connect(&w);
  CHECK(peer_write(peer, 0, 3000));
  TURN_UNTIL(&w, w.node->bytes_in == 3000);
  open = fake_heard(w.node, HS2N_IO_OPEN, 1);
  REQUIRE(open != NULL && open == &w.node->events[0]);
  CHECK_EQ(open->remote.family, HS2N_FAMILY_IPV4);
  CHECK_EQ(open->remote.ip[0], 127);
  CHECK(!w.node->bad_bytes);
  close(peer);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 1) != NULL);
  CHECK_EQ(pipe_stats(&w).tcp_accepted, 1);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  pipe_world_close(&w);
}

static void numbers_of_accepted_pipes_are_odd_and_never_used_twice(void) {
  struct pipe_world w = {0};

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  for (uint64_t i = 0; i < 5; i++) {
    const int peer = peer_connect(&w);

    TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 2 * i + 1) != NULL);
    close(peer);
    TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 2 * i + 1) != NULL);
  }
  CHECK_EQ(w.node->events_n, 10);
  pipe_world_close(&w);
}

/* What is given together with OPEN waits for the connection to stand. */
static void what_is_given_at_once_leaves_when_the_connection_stands(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  struct hs2n_addr addr = {0};
  int listening;
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV6, 0));
  listening = peer_listen(&addr);
  fake_pipe(w.node, HS2N_IO_OPEN, 2, &addr);
  fake_pipe_bytes(w.node, 2, 1000);
  fake_pipe_bytes(w.node, 2, 500);
  TURN_UNTIL(&w, w.node->bytes_sent == 1500);
  peer = accept(listening, NULL, NULL);
  peer_read_until(&w, peer, &r, 1500);
  CHECK_EQ(r.len, 1500);
  CHECK(!r.bad);
  CHECK(fake_heard(w.node, HS2N_IO_OPEN, 2) == &w.node->events[0]);
  CHECK_EQ(w.node->events[0].remote.port, addr.port);
  close(peer);
  close(listening);
  pipe_world_close(&w);
}

static void a_refused_connection_is_told(void) {
  struct pipe_world w = {0};
  struct hs2n_addr addr = {0};
  const int listening = peer_listen(&addr);

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  close(listening);
  fake_pipe(w.node, HS2N_IO_OPEN, 4, &addr);
  fake_pipe_bytes(w.node, 4, 100);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 4) != NULL);
  CHECK_EQ(w.node->events_n, 1);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  pipe_world_close(&w);
}

/* The socket speaks IPv4 alone: IPv6 can't be reached from it. */
static void an_address_that_the_socket_cannot_reach_is_told(void) {
  const struct hs2n_addr addr = loopback(HS2N_FAMILY_IPV6, 7);
  struct pipe_world w = {0};

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  fake_pipe(w.node, HS2N_IO_OPEN, 2, &addr);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 2) != NULL);
  pipe_world_close(&w);
}

/* Who listens at one address dials from it: others tell members apart by
 * nothing of this, but firewalls do. */
static void connections_are_dialled_from_the_address_that_listens(void) {
  struct pipe_world w = {0};
  struct hs2n_config node_config;
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV4);
  struct hs2n_addr addr = {0};
  struct sockaddr_in from = {.sin_family = AF_INET};
  socklen_t len = sizeof(from);
  const int listening = peer_listen(&addr);
  int peer;

  memcpy(config.listen.ip, (const uint8_t[]){127, 0, 0, 9}, 4);
  hs2n_config_default(&node_config);
  node_config.transport = HS2N_TRANSPORT_TCP;
  REQUIRE(hs2n_io_new(&w.io, &config, &node_config, NULL) == HS2N_OK);
  w.node = hs2n_io_node(w.io);
  fake_pipe(w.node, HS2N_IO_OPEN, 2, &addr);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 2) != NULL);
  peer = accept(listening, (struct sockaddr *)(void *)&from, &len);
  CHECK_EQ(ntohl(from.sin_addr.s_addr), 0x7f000009);
  close(peer);
  close(listening);
  pipe_world_close(&w);
}

/* ---- what is carried ----------------------------------------------------- */

/* The node gives up to tcp_unsent_bytes at a time, to a socket that takes next
 * to nothing and a peer that reads late. */
static void what_a_socket_does_not_take_is_kept_in_order(void) {
  const size_t all = 1u << 20;
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  const hs2n_time end = hs2n_io_now() + HS2N_MS(LONG_MS);
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 4096));
  peer = peer_dialled(&w);
  while (r.len < all && hs2n_io_now() < end) {
    const size_t unsent = w.node->bytes_out - w.node->bytes_sent;
    size_t room = w.limits.tcp_unsent_bytes - unsent;

    CHECK(unsent <= w.limits.tcp_unsent_bytes);
    room = room < all - w.node->bytes_out ? room : all - w.node->bytes_out;
    if (room > 0) {
      fake_pipe_bytes(w.node, 2, room < 7001 ? room : 7001);
    }
    CHECK_EQ(hs2n_io_turn(w.io, HS2N_US(100)), HS2N_OK);
    if (room == 0) {
      peer_read(peer, &r);
    }
  }
  CHECK_EQ(r.len, all);
  CHECK(!r.bad);
  CHECK_EQ(w.node->bytes_sent, all);
  CHECK(pipe_stats(&w).send_blocked > 0);
  close(peer);
  pipe_world_close(&w);
}

/* A connection whose peer does not read holds up itself alone, and does not
 * keep the loop awake. */
static void a_full_connection_holds_up_no_other(void) {
  struct pipe_world w = {0};
  int slow;
  int other;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 4096));
  slow = peer_dialled(&w);
  for (unsigned i = 0; i < 200; i++) {
    if (w.node->bytes_out - w.node->bytes_sent < 60000) {
      fake_pipe_bytes(w.node, 2, 4096);
    }
    CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  }
  TURN_UNTIL(&w, !pipe_world_busy(&w));
  CHECK(w.node->bytes_out > w.node->bytes_sent);
  other = peer_connect(&w);
  CHECK(peer_write(other, 0, 1000));
  TURN_UNTIL(&w, w.node->bytes_in == 1000);
  close(other);
  close(slow);
  pipe_world_close(&w);
}

/* More than a turn reads at once. */
static void a_flood_of_one_connection_leaves_room_for_others(void) {
  struct pipe_world w = {0};
  const struct fake_event *second;
  int flood;
  int other;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  flood = peer_connect(&w);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  other = peer_connect(&w);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 3) != NULL);
  CHECK(peer_write(flood, 0, 200000));
  CHECK(peer_write(other, 0, 1));
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  second = fake_heard(w.node, HS2N_IO_BYTES, 3);
  CHECK(second != NULL);
  for (size_t i = 0; i < w.node->events_n; i++) {
    CHECK(w.node->events[i].len <= HS2NI_PIPES_READ_LEN);
  }
  close(flood);
  close(other);
  pipe_world_close(&w);
}

static void what_can_not_be_kept_for_want_of_memory_ends_the_pipe(void) {
  struct pipe_world w = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  malloc_refuses = true;
  send_error = EAGAIN;
  fake_pipe_bytes(w.node, 2, 10);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 2) != NULL);
  malloc_refuses = false;
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  CHECK_EQ(w.node->bytes_sent, 0);
  close(peer);
  pipe_world_close(&w);
}

static void a_write_that_is_interrupted_is_done_again(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  send_error = EINTR;
  fake_pipe_bytes(w.node, 2, 10);
  peer_read_until(&w, peer, &r, 10);
  CHECK_EQ(r.len, 10);
  CHECK_EQ(w.node->bytes_sent, 10);
  close(peer);
  pipe_world_close(&w);
}

/* ---- no room for more ---------------------------------------------------- */

static void connections_beyond_the_limits_wait_and_keep_nobody_awake(void) {
  struct pipe_world w = {0};
  int peers[80];

  hs2n_limits_default(&w.limits);
  w.limits.peers_max = 1;
  w.limits.half_open_max = 1;
  w.limits.half_open_free_max = 1;
  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  for (unsigned i = 0; i < 80; i++) {
    peers[i] = peer_connect(&w);
    CHECK(peers[i] >= 0);
  }
  TURN_UNTIL(&w, pipe_stats(&w).tcp_accept_pauses == 1);
  CHECK_EQ(pipe_stats(&w).tcp_open, 66); /* one slot is for a dial */
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(!pipe_world_busy(&w));
  for (unsigned i = 0; i < 66; i++) {
    close(peers[i]);
  }
  TURN_UNTIL(&w, pipe_stats(&w).tcp_accepted == 80);
  TURN_UNTIL(&w, pipe_stats(&w).tcp_open == 14);
  for (unsigned i = 66; i < 80; i++) {
    close(peers[i]);
  }
  pipe_world_close(&w);
}

static void a_dial_finds_room_when_accepting_does_not(void) {
  struct pipe_world w = {0};
  int peers[67];
  int peer;

  hs2n_limits_default(&w.limits);
  w.limits.peers_max = 1;
  w.limits.half_open_max = 1;
  w.limits.half_open_free_max = 1;
  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  for (unsigned i = 0; i < 67; i++) {
    peers[i] = peer_connect(&w);
  }
  TURN_UNTIL(&w, pipe_stats(&w).tcp_accept_pauses == 1);
  peer = peer_dialled(&w);
  CHECK(peer >= 0);
  fake_pipe(w.node, HS2N_IO_OPEN, 4, &w.addr); /* and the next one none */
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 4) != NULL);
  close(peer);
  for (unsigned i = 0; i < 67; i++) {
    close(peers[i]);
  }
  pipe_world_close(&w);
}

static void without_descriptors_accepting_pauses(void) {
  struct pipe_world w = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_connect(&w);
  accept_error = EMFILE;
  TURN_UNTIL(&w, pipe_stats(&w).tcp_accept_pauses == 1);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(!pipe_world_busy(&w)); /* although a connection waits */
  CHECK_EQ(w.node->events_n, 0);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  close(peer);
  pipe_world_close(&w);
}

static void a_connection_that_is_gone_before_it_is_accepted_is_passed(void) {
  struct pipe_world w = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_connect(&w);
  accept_error = ECONNABORTED;
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  CHECK_EQ(pipe_stats(&w).tcp_accept_pauses, 0);
  close(peer);
  pipe_world_close(&w);
}

int main(void) {
  RUN(what_an_accepted_connection_brings_reaches_the_node);
  RUN(numbers_of_accepted_pipes_are_odd_and_never_used_twice);
  RUN(what_is_given_at_once_leaves_when_the_connection_stands);
  RUN(a_refused_connection_is_told);
  RUN(an_address_that_the_socket_cannot_reach_is_told);
  RUN(connections_are_dialled_from_the_address_that_listens);
  RUN(what_a_socket_does_not_take_is_kept_in_order);
  RUN(a_full_connection_holds_up_no_other);
  RUN(a_flood_of_one_connection_leaves_room_for_others);
  RUN(what_can_not_be_kept_for_want_of_memory_ends_the_pipe);
  RUN(a_write_that_is_interrupted_is_done_again);
  RUN(connections_beyond_the_limits_wait_and_keep_nobody_awake);
  RUN(a_dial_finds_room_when_accepting_does_not);
  RUN(without_descriptors_accepting_pauses);
  RUN(a_connection_that_is_gone_before_it_is_accepted_is_passed);
  return tap_done();
}
