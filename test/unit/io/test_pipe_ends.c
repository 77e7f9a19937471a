/* test_pipe_ends: TCP connections of a driver: how they end. */
#include "tap.h"

#include "pipe_world.h"

#include <netinet/tcp.h>

/* The next close of fd resets its connection. */
static void reset_on_close(int fd) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};

  CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
}

static void what_came_before_the_end_is_told_before_it(void) {
  struct pipe_world w = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  CHECK(peer_write(peer, 0, 100000));
  close(peer);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 2) != NULL);
  CHECK_EQ(w.node->bytes_in, 100000);
  CHECK(!w.node->bad_bytes);
  CHECK_EQ(w.node->events[w.node->events_n - 1].kind, HS2N_IO_CLOSE);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  pipe_world_close(&w);
}

/* A peer that crashes says nothing; one that says why and then resets is
 * heard, although writing to it fails first. */
static void what_came_before_a_reset_is_told_although_writing_fails(void) {
  struct pipe_world w = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  CHECK(peer_write(peer, 0, 500));
  reset_on_close(peer);
  close(peer);
  fake_pipe_bytes(w.node, 2, 100);
  fake_pipe_bytes(w.node, 2, 100);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_CLOSE, 2) != NULL);
  CHECK_EQ(w.node->bytes_in, 500);
  CHECK_EQ(w.node->bytes_sent, 0);
  fake_pipe_bytes(w.node, 2, 100); /* crossed the news */
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->events[w.node->events_n - 1].kind, HS2N_IO_CLOSE);
  pipe_world_close(&w);
}

static void what_was_given_leaves_before_the_close(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  size_t events;
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 4096));
  peer = peer_dialled(&w);
  fake_pipe_bytes(w.node, 2, 65536);
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(w.node->bytes_sent < 65536);
  events = w.node->events_n;
  peer_read_until(&w, peer, &r, SIZE_MAX);
  CHECK(r.ended);
  CHECK_EQ(r.error, 0);
  CHECK_EQ(r.len, 65536);
  CHECK(!r.bad);
  CHECK_EQ(pipe_stats(&w).tcp_open, 1); /* until the peer closes, too */
  close(peer);
  TURN_UNTIL(&w, pipe_stats(&w).tcp_open == 0);
  CHECK_EQ(w.node->events_n, events); /* the node hears nothing more */
  CHECK_EQ(pipe_stats(&w).tcp_cut, 0);
  pipe_world_close(&w);
}

/* Bytes of the peer that nobody reads any more would be answered by a reset,
 * and that would take away what it has not read yet. */
static void a_peer_that_still_sends_reads_all_that_was_given(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  fake_pipe_bytes(w.node, 2, 1000);
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  CHECK(peer_write(peer, 0, 3000));
  for (unsigned i = 0; i < 10; i++) {
    CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
    CHECK(peer_write(peer, 0, 3000));
  }
  peer_read_until(&w, peer, &r, SIZE_MAX);
  CHECK_EQ(r.len, 1000);
  CHECK(r.ended);
  CHECK_EQ(r.error, 0);
  CHECK_EQ(w.node->bytes_in, 0);
  close(peer);
  TURN_UNTIL(&w, pipe_stats(&w).tcp_open == 0);
  pipe_world_close(&w);
}

static void a_peer_that_does_not_close_is_cut_after_a_while(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_dialled(&w);
  fake_pipe_bytes(w.node, 2, 10);
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  peer_read_until(&w, peer, &r, SIZE_MAX);
  CHECK(r.ended);
  CHECK(!hs2ni_pipes_settled(w.io->pipes));
  CHECK(hs2ni_pipes_deadline(w.io->pipes) < hs2n_io_now() + HS2N_S(3));
  hs2ni_pipes_tick(w.io->pipes, hs2n_io_now() + HS2N_S(3));
  CHECK(hs2ni_pipes_settled(w.io->pipes));
  CHECK_EQ(hs2ni_pipes_deadline(w.io->pipes), HS2N_TIME_NEVER);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  CHECK_EQ(pipe_stats(&w).tcp_cut, 1);
  close(peer);
  pipe_world_close(&w);
}

/* Who is refused without a word costs nothing more. */
static void a_pipe_that_has_said_nothing_is_gone_at_once(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  peer = peer_connect(&w);
  TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 1) != NULL);
  fake_pipe(w.node, HS2N_IO_CLOSE, 1, NULL);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  peer_read_until(&w, peer, &r, SIZE_MAX);
  CHECK(r.ended || r.error == ECONNRESET);
  close(peer);
  pipe_world_close(&w);
}

static void a_dial_that_is_closed_at_once_leaves_nothing(void) {
  struct pipe_world w = {0};
  struct hs2n_addr addr = {0};
  const int listening = peer_listen(&addr);

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 0));
  fake_pipe(w.node, HS2N_IO_OPEN, 2, &addr);
  fake_pipe_bytes(w.node, 2, 100);
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(pipe_stats(&w).tcp_dialled, 1);
  CHECK_EQ(pipe_stats(&w).tcp_open, 0);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->events_n, 0);
  close(listening);
  pipe_world_close(&w);
}

/* Where a stranger waits for room and others are about to end, the one that
 * has had longest is cut. */
static void pipes_that_are_ending_make_room_for_others(void) {
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
    TURN_UNTIL(&w, fake_heard(w.node, HS2N_IO_OPEN, 2 * i + 1) != NULL);
    fake_pipe_bytes(w.node, 2 * i + 1, 1);
    fake_pipe(w.node, HS2N_IO_CLOSE, 2 * i + 1, NULL);
    CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  }
  CHECK_EQ(pipe_stats(&w).tcp_open, 66);
  CHECK_EQ(pipe_stats(&w).tcp_cut, 14);
  CHECK_EQ(pipe_stats(&w).tcp_accept_pauses, 0);
  for (unsigned i = 0; i < 80; i++) {
    close(peers[i]);
  }
  TURN_UNTIL(&w, pipe_stats(&w).tcp_open == 0);
  CHECK(hs2ni_pipes_settled(w.io->pipes));
  pipe_world_close(&w);
}

/* The loop does not end before what the node gave last has left. */
static void a_loop_that_is_stopped_sends_what_the_node_gave(void) {
  struct pipe_world w = {0};
  struct peer_reading r = {0};
  const hs2n_time end = hs2n_io_now() + HS2N_MS(LONG_MS);
  int peer;

  REQUIRE(pipe_world_open(&w, HS2N_FAMILY_IPV4, 4096));
  peer = peer_dialled(&w);
  fake_pipe_bytes(w.node, 2, 65536);
  fake_pipe(w.node, HS2N_IO_CLOSE, 2, NULL);
  hs2n_io_stop(w.io);
  REQUIRE(hs2n_io_start(w.io) == HS2N_OK);
  while (!r.ended && r.error == 0 && hs2n_io_now() < end) {
    struct pollfd p = {.fd = peer, .events = POLLIN};

    CHECK_EQ(poll(&p, 1, LONG_MS), 1);
    peer_read(peer, &r);
  }
  close(peer);
  hs2n_io_join(w.io);
  CHECK_EQ(r.len, 65536);
  CHECK(!r.bad);
  CHECK(hs2ni_pipes_settled(w.io->pipes));
  pipe_world_close(&w);
}

int main(void) {
  RUN(what_came_before_the_end_is_told_before_it);
  RUN(what_came_before_a_reset_is_told_although_writing_fails);
  RUN(what_was_given_leaves_before_the_close);
  RUN(a_peer_that_still_sends_reads_all_that_was_given);
  RUN(a_peer_that_does_not_close_is_cut_after_a_while);
  RUN(a_pipe_that_has_said_nothing_is_gone_at_once);
  RUN(a_dial_that_is_closed_at_once_leaves_nothing);
  RUN(pipes_that_are_ending_make_room_for_others);
  RUN(a_loop_that_is_stopped_sends_what_the_node_gave);
  return tap_done();
}
