#include "node/post.h"
#include "tap.h"
#include "test_mem.h"

#include <pthread.h>

#define PRODUCERS 4
#define EACH 2000

static struct hs2ni_env env_of(struct test_mem *t, uint32_t posts_max) {
  struct hs2ni_env env = {.mem = &t->mem};

  hs2n_limits_default(&env.limits);
  env.limits.posts_max = posts_max;
  return env;
}

static void count(struct hs2n_node *node, void *arg) {
  (void)node;
  ++*(int *)arg;
}

/* As an entry does. */
static void run(struct hs2ni_posts *posts) {
  hs2ni_post_fn fn;
  void *arg;

  for (uint64_t n = hs2ni_posts_ready(posts); n > 0; n--) {
    REQUIRE(hs2ni_posts_take(posts, &fn, &arg));
    fn(NULL, arg);
  }
}

static void a_full_queue_refuses_and_a_run_makes_room(void) {
  struct test_mem t;
  struct hs2ni_env env;
  struct hs2ni_posts posts = {0};
  int ran = 0;

  test_mem_init(&t, 0);
  env = env_of(&t, 4);
  CHECK_EQ(hs2ni_posts_init(&posts, &env), HS2N_OK);
  CHECK(!hs2ni_posts_waiting(&posts));
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 4; i++) {
      CHECK_EQ(hs2ni_posts_put(&posts, count, &ran), HS2N_OK);
    }
    CHECK_EQ(hs2ni_posts_put(&posts, count, &ran), HS2N_ERR_FULL);
    CHECK(hs2ni_posts_waiting(&posts));
    run(&posts);
    CHECK_EQ(ran, 4 * (round + 1));
  }
  hs2ni_posts_close(&posts);
  CHECK_EQ(hs2ni_posts_put(&posts, count, &ran), HS2N_ERR_CLOSED);
  hs2ni_posts_fini(&posts, &env);
  CHECK_EQ(t.live_bytes, 0);
}

struct again {
  struct hs2ni_posts *posts;
  int ran;
};

static void post_again(struct hs2n_node *node, void *arg) {
  struct again *a = arg;

  (void)node;
  a->ran++;
  CHECK_EQ(hs2ni_posts_put(a->posts, post_again, a), HS2N_OK);
}

/* A call that posts itself must not keep the owner for ever. */
static void what_is_posted_during_a_run_waits_for_the_next(void) {
  struct test_mem t;
  struct hs2ni_env env;
  struct hs2ni_posts posts = {0};
  struct again a = {.posts = &posts};

  test_mem_init(&t, 0);
  env = env_of(&t, 4);
  CHECK_EQ(hs2ni_posts_init(&posts, &env), HS2N_OK);
  CHECK_EQ(hs2ni_posts_put(&posts, post_again, &a), HS2N_OK);
  for (int round = 1; round <= 20; round++) {
    run(&posts);
    CHECK_EQ(a.ran, round);
  }
  hs2ni_posts_fini(&posts, &env);
}

struct producer {
  struct hs2ni_posts *posts;
  int next[PRODUCERS]; /* only the owner touches it */
  struct job {
    struct producer *world;
    int producer, number;
  } jobs[PRODUCERS][EACH];
};

static void in_order(struct hs2n_node *node, void *arg) {
  const struct job *job = arg;

  (void)node;
  CHECK_EQ(job->number, job->world->next[job->producer]);
  job->world->next[job->producer]++;
}

static void *produce(void *arg) {
  struct job *jobs = arg;

  for (int i = 0; i < EACH; i++) {
    while (hs2ni_posts_put(jobs[i].world->posts, in_order, &jobs[i]) !=
           HS2N_OK) {
    }
  }
  return NULL;
}

static void calls_of_each_thread_run_once_and_in_order(void) {
  static struct producer world;
  struct test_mem t;
  struct hs2ni_env env;
  struct hs2ni_posts posts = {0};
  pthread_t threads[PRODUCERS];
  int done = 0;

  test_mem_init(&t, 0);
  env = env_of(&t, 64);
  CHECK_EQ(hs2ni_posts_init(&posts, &env), HS2N_OK);
  world.posts = &posts;
  for (int p = 0; p < PRODUCERS; p++) {
    for (int i = 0; i < EACH; i++) {
      world.jobs[p][i] =
          (struct job){.world = &world, .producer = p, .number = i};
    }
    CHECK_EQ(pthread_create(&threads[p], NULL, produce, world.jobs[p]), 0);
  }
  while (done < PRODUCERS * EACH) {
    run(&posts);
    done = 0;
    for (int p = 0; p < PRODUCERS; p++) {
      done += world.next[p];
    }
  }
  for (int p = 0; p < PRODUCERS; p++) {
    CHECK_EQ(pthread_join(threads[p], NULL), 0);
  }
  CHECK(!hs2ni_posts_waiting(&posts));
  hs2ni_posts_fini(&posts, &env);
  CHECK_EQ(t.live_bytes, 0);
}

int main(void) {
  RUN(a_full_queue_refuses_and_a_run_makes_room);
  RUN(what_is_posted_during_a_run_waits_for_the_next);
  RUN(calls_of_each_thread_run_once_and_in_order);
  return tap_done();
}
