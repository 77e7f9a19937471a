/* test_loop: when the loop waits, wakes and ends. */
#include "tap.h"

#include "io_world.h"

#include <signal.h>
#include <sys/epoll.h>

static bool open_world(struct io_world *w, uint32_t spin_us) {
  struct hs2n_io_config config = world_config(HS2N_FAMILY_IPV6);

  config.spin_us = spin_us;
  return io_world_open(w, &config, HS2N_FAMILY_IPV6);
}

/* Whether the descriptor is readable within ms. */
static bool readable(const struct io_world *w, int ms) {
  struct pollfd p = {.fd = hs2n_io_fd(w->io), .events = POLLIN};

  return poll(&p, 1, ms) == 1;
}

static void a_turn_without_work_ends_in_time(void) {
  struct io_world w;
  hs2n_time before;

  REQUIRE(open_world(&w, 0));
  before = hs2n_io_now();
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(2)), HS2N_OK);
  CHECK(hs2n_io_now() - before >= HS2N_MS(2));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->recv_calls, 0);
  CHECK_EQ(w.node->ticks, 0);
  io_world_close(&w);
}

static void a_deadline_ends_the_wait(uint32_t spin_us) {
  struct io_world w;
  const hs2n_time due = hs2n_io_now() + HS2N_MS(3);

  REQUIRE(open_world(&w, spin_us));
  w.node->deadline = due;
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
  CHECK_EQ(w.node->ticks, 1);
  CHECK(w.node->last_now >= due);
  CHECK_EQ(w.node->deadline, HS2N_TIME_NEVER);
  io_world_close(&w);
}

static void a_deadline_ends_a_sleep(void) {
  a_deadline_ends_the_wait(0);
}

static void a_deadline_ends_spinning(void) {
  a_deadline_ends_the_wait(20000);
}

/* A node whose uplink is busy gives nothing out before its deadline, and is
 * then asked again. */
static void what_a_node_holds_leaves_at_its_deadline(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  fake_send(w.node, &w.peer_addr, 1, 1200, 1200);
  w.node->hold = hs2n_io_now() + HS2N_MS(20);
  w.node->deadline = w.node->hold;
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
  CHECK(hs2n_io_now() >= w.node->hold);
  CHECK_EQ(w.node->tx_count, 0);
  CHECK_EQ(w.node->ticks, 1); /* it slept */
  CHECK_EQ(peer_collect(&w, 1), 1);
  io_world_close(&w);
}

static void a_deadline_in_the_past_is_due_at_once(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  w.node->deadline = 0;
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
  CHECK_EQ(w.node->ticks, 1);
  io_world_close(&w);
}

static void what_was_sent_before_a_turn_leaves_before_the_wait(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  fake_send(w.node, &w.peer_addr, 1, 100, 100);
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(1)), HS2N_OK);
  CHECK_EQ(peer_recv(&w, NULL), 100);
  io_world_close(&w);
}

static void spinning_takes_datagrams_without_sleep(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 1000));
  w.node->echo = true;
  for (unsigned i = 0; i < 100; i++) {
    CHECK(peer_send(&w, 1, 100));
    CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
    CHECK_EQ(peer_recv(&w, NULL), 100);
  }
  CHECK_EQ(w.node->datagrams, 100);
  io_world_close(&w);
}

/* More than one batch waits: none is given to the node twice. */
static void a_burst_is_taken_in_whole_and_once(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  for (unsigned i = 0; i < 100; i++) {
    CHECK(peer_send(&w, 1, 100));
  }
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  CHECK_EQ(w.node->datagrams, 100);
  w.node->deadline = 0;
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->datagrams, 100);
  io_world_close(&w);
}

/* ---- posts -------------------------------------------------------------- */

static void count(struct hs2n_node *node, void *arg) {
  (void)node;
  (*(unsigned *)arg)++;
}

static void count_and_stop(struct hs2n_node *node, void *arg) {
  count(node, arg);
  hs2n_io_stop(node->user);
}

struct poster {
  struct io_world *w;
  unsigned calls; /* read after the loop has ended */
};

static void *post_and_stop(void *arg) {
  struct poster *p = arg;

  for (unsigned i = 0; i < 99;) {
    i += hs2n_post(p->w->node, count, &p->calls) == HS2N_OK;
  }
  while (hs2n_post(p->w->node, count_and_stop, &p->calls) != HS2N_OK) {
  }
  return NULL;
}

static void posts_of_a_thread_wake(uint32_t spin_us) {
  struct io_world w;
  struct poster p = {.w = &w};
  pthread_t thread;

  REQUIRE(open_world(&w, spin_us));
  w.node->user = w.io;
  REQUIRE(pthread_create(&thread, NULL, post_and_stop, &p) == 0);
  CHECK_EQ(hs2n_io_run(w.io), HS2N_OK);
  pthread_join(thread, NULL);
  CHECK_EQ(p.calls, 100);
  CHECK_EQ(w.node->stops, 1);
  io_world_close(&w);
}

static void posts_of_a_thread_wake_a_sleeping_loop(void) {
  posts_of_a_thread_wake(0);
}

static void posts_of_a_thread_reach_a_spinning_loop(void) {
  posts_of_a_thread_wake(1000000);
}

static void count_later(struct hs2n_node *node, void *arg) {
  CHECK_EQ(hs2n_post(node, count, arg), HS2N_OK);
}

static void a_post_of_an_upcall_runs_without_a_sleep(void) {
  struct io_world w;
  unsigned calls = 0;

  REQUIRE(open_world(&w, 0));
  CHECK_EQ(hs2n_post(w.node, count_later, &calls), HS2N_OK);
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
  CHECK_EQ(calls, 0);
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
  CHECK_EQ(calls, 1);
  io_world_close(&w);
}

/* ---- inside another loop ------------------------------------------------ */

static void the_descriptor_is_readable_when_there_is_work(void) {
  struct io_world w;
  unsigned calls = 0;

  REQUIRE(open_world(&w, 0));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(!readable(&w, 0));

  CHECK(peer_send(&w, 1, 100));
  CHECK(readable(&w, LONG_MS));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->datagrams, 1);
  CHECK(!readable(&w, 0));

  CHECK_EQ(hs2n_post(w.node, count, &calls), HS2N_OK);
  CHECK(readable(&w, 0));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(calls, 1);
  CHECK(!readable(&w, 0));

  w.node->deadline = hs2n_io_now() + HS2N_MS(2);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(readable(&w, LONG_MS));
  CHECK(hs2n_io_now() >= w.node->deadline);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(w.node->deadline, HS2N_TIME_NEVER);
  CHECK(!readable(&w, 0));

  hs2n_io_stop(w.io);
  CHECK(readable(&w, 0));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK(hs2n_node_stopped(w.node));
  io_world_close(&w);
}

static void an_upcalls_post_leaves_the_descriptor_readable(void) {
  struct io_world w;
  unsigned calls = 0;

  REQUIRE(open_world(&w, 0));
  CHECK_EQ(hs2n_post(w.node, count_later, &calls), HS2N_OK);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(calls, 0);
  CHECK(readable(&w, 0));
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
  CHECK_EQ(calls, 1);
  CHECK(!readable(&w, 0));
  io_world_close(&w);
}

/* The same deadline again, after it has fired: the timer is set anew. */
static void the_same_deadline_fires_again(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  for (unsigned i = 0; i < 3; i++) {
    const hs2n_time due = hs2n_io_now();

    w.node->deadline = due;
    CHECK_EQ(hs2n_io_turn(w.io, HS2N_TIME_NEVER), HS2N_OK);
    CHECK(!readable(&w, 0));
    w.node->deadline = due; /* a send from outside, say */
    CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_OK);
    CHECK_EQ(w.node->ticks, 2 * i + 2);
  }
  io_world_close(&w);
}

static void two_drivers_share_one_outer_loop(void) {
  struct io_world w[2];
  const int outer = epoll_create1(EPOLL_CLOEXEC);
  struct hs2n_addr other;
  unsigned turns = 0;

  for (uint32_t i = 0; i < 2; i++) {
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u32 = i}};

    REQUIRE(open_world(&w[i], 0));
    w[i].node->echo = true;
    CHECK_EQ(epoll_ctl(outer, EPOLL_CTL_ADD, hs2n_io_fd(w[i].io), &ev), 0);
  }
  other = w[1].node_addr;
  fake_send(w[0].node, &other, 1, 100, 100);
  CHECK_EQ(hs2n_io_turn(w[0].io, 0), HS2N_OK);
  while (w[0].node->datagrams < 50 && turns < 1000) {
    struct epoll_event ev;

    REQUIRE(epoll_wait(outer, &ev, 1, LONG_MS) == 1);
    CHECK_EQ(hs2n_io_turn(w[ev.data.u32].io, 0), HS2N_OK);
    turns++;
  }
  CHECK_EQ(w[0].node->datagrams, 50);
  CHECK(turns <= 102);
  close(outer);
  io_world_close(&w[0]);
  io_world_close(&w[1]);
}

/* ---- the end ------------------------------------------------------------ */

static void run_returns_when_the_node_has_drained(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  w.node->stop_ticks = 3;
  hs2n_io_stop(w.io);
  hs2n_io_stop(w.io);
  fake_send(w.node, &w.peer_addr, 1, 100, 100);
  CHECK_EQ(hs2n_io_run(w.io), HS2N_OK);
  CHECK_EQ(w.node->stops, 1);
  CHECK_EQ(w.node->ticks, 4);
  CHECK_EQ(peer_recv(&w, NULL), 100);
  CHECK_EQ(hs2n_io_run(w.io), HS2N_OK); /* at once */
  io_world_close(&w);
}

static struct hs2n_io *volatile io_of_signal;

static void on_signal(int sig) {
  (void)sig;
  hs2n_io_stop(io_of_signal);
}

static void a_signal_handler_may_stop_a_sleeping_run(void) {
  const struct sigaction act = {.sa_handler = on_signal};
  struct sigaction old;
  struct io_world w;
  timer_t timer;
  const struct itimerspec in_2ms = {.it_value = {.tv_nsec = 2000000}};
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

  REQUIRE(open_world(&w, 0));
  io_of_signal = w.io;
  REQUIRE(sigaction(SIGUSR1, &act, &old) == 0);
  REQUIRE(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
  REQUIRE(timer_settime(timer, 0, &in_2ms, NULL) == 0);
  CHECK_EQ(hs2n_io_run(w.io), HS2N_OK);
  CHECK_EQ(w.node->stops, 1);
  timer_delete(timer);
  sigaction(SIGUSR1, &old, NULL);
  io_world_close(&w);
}

static void turn_inside(struct hs2n_node *node) {
  CHECK_EQ(hs2n_io_turn(node->user, 0), HS2N_ERR_STATE);
  CHECK_EQ(hs2n_io_run(node->user), HS2N_ERR_STATE);
  CHECK_EQ(hs2n_io_start(node->user), HS2N_ERR_STATE);
}

static void an_upcall_cannot_turn_the_loop(void) {
  struct io_world w;

  REQUIRE(open_world(&w, 0));
  w.node->user = w.io;
  w.node->on_recv = turn_inside;
  CHECK(peer_send(&w, 1, 100));
  CHECK_EQ(hs2n_io_turn(w.io, HS2N_MS(LONG_MS)), HS2N_OK);
  CHECK_EQ(w.node->recv_calls, 1);
  io_world_close(&w);
}

static void a_thread_echoes_until_it_is_stopped(void) {
  struct io_world w;
  char bytes[200];

  REQUIRE(open_world(&w, 0));
  w.node->echo = true;
  CHECK_EQ(hs2n_io_start(w.io), HS2N_OK);
  CHECK_EQ(hs2n_io_start(w.io), HS2N_ERR_STATE);
  CHECK_EQ(hs2n_io_run(w.io), HS2N_ERR_STATE);
  CHECK_EQ(hs2n_io_turn(w.io, 0), HS2N_ERR_STATE);
  for (unsigned i = 0; i < 20; i++) {
    CHECK(peer_send(&w, 1, 100));
    CHECK_EQ(recv(w.peer, bytes, sizeof(bytes), 0), 100);
  }
  hs2n_io_stop(w.io);
  hs2n_io_join(w.io);
  CHECK(hs2n_node_stopped(w.node));
  hs2n_io_join(w.io);
  CHECK_EQ(w.node->datagrams, 20);
  io_world_close(&w);
}

static void start_and_free_200_times(void) {
  for (unsigned i = 0; i < 200; i++) {
    struct io_world w;

    REQUIRE(open_world(&w, 0));
    w.node->stop_ticks = i % 3;
    REQUIRE(hs2n_io_start(w.io) == HS2N_OK);
    io_world_close(&w);
  }
}

int main(void) {
  RUN(a_turn_without_work_ends_in_time);
  RUN(a_deadline_ends_a_sleep);
  RUN(a_deadline_ends_spinning);
  RUN(what_a_node_holds_leaves_at_its_deadline);
  RUN(a_deadline_in_the_past_is_due_at_once);
  RUN(what_was_sent_before_a_turn_leaves_before_the_wait);
  RUN(spinning_takes_datagrams_without_sleep);
  RUN(a_burst_is_taken_in_whole_and_once);
  RUN(posts_of_a_thread_wake_a_sleeping_loop);
  RUN(posts_of_a_thread_reach_a_spinning_loop);
  RUN(a_post_of_an_upcall_runs_without_a_sleep);
  RUN(the_descriptor_is_readable_when_there_is_work);
  RUN(an_upcalls_post_leaves_the_descriptor_readable);
  RUN(the_same_deadline_fires_again);
  RUN(two_drivers_share_one_outer_loop);
  RUN(run_returns_when_the_node_has_drained);
  RUN(a_signal_handler_may_stop_a_sleeping_run);
  RUN(an_upcall_cannot_turn_the_loop);
  RUN(a_thread_echoes_until_it_is_stopped);
  RUN(start_and_free_200_times);
  return tap_done();
}
