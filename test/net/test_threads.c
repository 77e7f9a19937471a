/* test_threads: whole replicas, each in the thread of its driver; other
 * threads reach them by hs2n_post alone.  Run it under TSan. */
#include "tap.h"

#include "net_world.h"

#include <semaphore.h>
#include <unistd.h>

#define POSTERS 2
#define SENDS_EACH 200

static struct net net;

struct job {
  struct net_replica *r;
  unsigned left; /* sends; only the replica's own thread counts */
  sem_t ended;   /* posted once, when none is left */
};

/* Runs on the owner: what does not fit now is tried again after others. */
static void send_some(struct hs2n_node *node, void *arg) {
  struct job *job = arg;

  while (job->left > 0 &&
         net_send(job->r, NET_MAX, NET_VOTE, 16 + job->left) == HS2N_OK) {
    job->left--;
  }
  if (job->left == 0 || hs2n_post(node, send_some, job) != HS2N_OK) {
    sem_post(&job->ended);
  }
}

static void post(struct job *job) {
  while (hs2n_post(hs2n_io_node(job->r->io), send_some, job) == HS2N_ERR_FULL) {
  }
}

static void *poster_main(void *arg) {
  struct job *jobs = arg;

  for (uint32_t i = 0; i < net.n; i++) {
    post(&jobs[i]);
  }
  return NULL;
}

static bool start_all(void) {
  for (uint32_t i = 0; i < net.n; i++) {
    if (hs2n_io_start(net.r[i].io) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

static void stop_all(void) {
  for (uint32_t i = 0; i < net.n; i++) {
    hs2n_io_stop(net.r[i].io);
  }
  for (uint32_t i = 0; i < net.n; i++) {
    hs2n_io_join(net.r[i].io);
  }
}

/* A thread of each replica and two more that make all of them broadcast. */
static void broadcast_from_other_threads(uint32_t spin_us) {
  static struct job jobs[POSTERS][NET_MAX];
  struct hs2n_io_config config;
  pthread_t posters[POSTERS];
  hs2n_time end;
  unsigned want;

  hs2n_io_config_default(&config);
  config.spin_us = spin_us;
  REQUIRE(net_open(&net, 4, "127.0.0.1:0", "127.0.0.1:0", &config));
  REQUIRE(net_join(&net));
  want = POSTERS * SENDS_EACH * net.n;
  REQUIRE(start_all());
  for (unsigned p = 0; p < POSTERS; p++) {
    for (uint32_t i = 0; i < net.n; i++) {
      jobs[p][i] = (struct job){.r = &net.r[i], .left = SENDS_EACH};
      sem_init(&jobs[p][i].ended, 0, 0);
    }
    REQUIRE(pthread_create(&posters[p], NULL, poster_main, jobs[p]) == 0);
  }
  for (unsigned p = 0; p < POSTERS; p++) {
    pthread_join(posters[p], NULL);
    for (uint32_t i = 0; i < net.n; i++) {
      sem_wait(&jobs[p][i].ended);
    }
  }
  end = hs2n_io_now() + NET_LIMIT;
  while ((net_acked(&net) < want || net_received(&net) < want * 3) &&
         hs2n_io_now() < end) {
    sched_yield();
  }
  stop_all();
  for (uint32_t i = 0; i < net.n; i++) {
    CHECK(hs2n_node_stopped(hs2n_io_node(net.r[i].io)));
  }
  CHECK_EQ(net_acked(&net), want);
  CHECK_EQ(net_received(&net), want * 3);
  CHECK(net_is_clean(&net));
  net_close(&net);
}

static void sleeping_threads_serve_posts_and_datagrams(void) {
  broadcast_from_other_threads(0);
}

static void spinning_threads_serve_posts_and_datagrams(void) {
  broadcast_from_other_threads(20);
}

static void threads_start_and_end_in_the_middle_of_traffic(void) {
  for (unsigned round = 0; round < 20; round++) {
    static struct job job;

    REQUIRE(net_open(&net, 2, "127.0.0.1:0", "127.0.0.1:0", NULL));
    REQUIRE(net_join(&net));
    REQUIRE(start_all());
    job = (struct job){.r = &net.r[0], .left = 50};
    sem_init(&job.ended, 0, 0);
    post(&job);
    if (round % 2 == 0) {
      sem_wait(&job.ended);
    }
    stop_all();
    net_close(&net);
  }
}

int main(int argc, char **argv) {
  net_choose_transport(argc, argv);
  RUN(sleeping_threads_serve_posts_and_datagrams);
  RUN(spinning_threads_serve_posts_and_datagrams);
  RUN(threads_start_and_end_in_the_middle_of_traffic);
  return tap_done();
}
