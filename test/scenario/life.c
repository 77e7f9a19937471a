/* life: messages of every kind between applications of every kind of mind,
 * while nodes crash and links fail, held against the book of book.h.
 *
 *   life [--seed N | --seeds A..B] [--minutes M] [--twice] [--trace] [STORY]
 *
 * Messages are large and small, to one, some and all, bound to views, with
 * deadlines and quorums, newer than others of their key, in datagrams.
 * Applications judge at once or later, are busy, reject, keep bodies for a
 * while, cancel, and go from view to view at their own pace.  Budgets and
 * windows are small, so that whatever is not given back is missed soon. */
#include "life.h"

#include <stdlib.h>

#define LENGTH HS2N_S(3)
#define ROUNDS 3

/* What is around the nodes. */
enum around { PEACE, NOISE, TROUBLE };

/* ---- trouble ------------------------------------------------------------- */

static void noise(struct world *w, uint32_t from) {
  struct hs2n_sim_noise loud = {.burst_end_ppm = 100000};

  loud.loss_ppm = (uint32_t)any(w, 200000);
  loud.burst_ppm = (uint32_t)any(w, 5000);
  loud.duplicate_ppm = (uint32_t)any(w, 100000);
  loud.reorder_ppm = (uint32_t)any(w, 100000);
  loud.reorder_delay = any(w, HS2N_MS(40));
  (void)hs2n_sim_set_noise(w->sim, from, HS2N_SIM_ALL, &loud);
}

static void end_process(struct world *w, uint32_t node) {
  for (uint32_t i = 0; i < LIFE_NODES; i++) {
    if (!hs2n_sim_running(w->sim, i) || w->book.node[i].stopping) {
      return; /* one at a time */
    }
  }
  if (one_in(w, 3)) {
    w->book.node[node].stopping = true;
    hs2n_sim_stop(w->sim, node);
  } else {
    hs2n_sim_crash(w->sim, node, false);
  }
}

static void begin_process(struct world *w, uint32_t node) {
  if (!hs2n_sim_running(w->sim, node)) {
    story_start(w->sim, node);
  }
}

static void cut(struct world *w) {
  const uint32_t from = any_node(w);
  const uint32_t to = one_in(w, 3) ? HS2N_SIM_ALL : any_node(w);

  hs2n_sim_cut(w->sim, from, to, true);
  if (one_in(w, 2)) {
    hs2n_sim_cut(w->sim, to, from, true);
  }
}

static void pause_one(struct world *w) {
  const uint32_t node = any_node(w);

  hs2n_sim_pause(w->sim, node, any(w, HS2N_MS(300)));
}

static void something(struct world *w) {
  switch (any(w, 8)) {
  case 0:
    end_process(w, any_node(w));
    break;
  case 1:
    begin_process(w, any_node(w));
    break;
  case 2:
    cut(w);
    break;
  case 3:
    noise(w, any_node(w));
    break;
  case 4:
    pause_one(w);
    break;
  case 5:
    hs2n_sim_rebind(w->sim, 0);
    break;
  default:
    hs2n_sim_heal(w->sim);
    break;
  }
}

/* ---- the story ----------------------------------------------------------- */

static void act(struct world *w, uint32_t node) {
  const uint64_t chance = any(w, 100);

  if (!hs2n_sim_running(w->sim, node) || w->book.node[node].stopping) {
    return;
  }
  if (chance < 92) {
    life_send(w, node);
  } else if (chance < 96) {
    life_cancel(w, node);
  } else {
    life_next_view(w, node);
  }
  hs2n_sim_flush(w->sim, node);
}

static void live(struct world *w, enum around around) {
  const hs2n_time end = hs2n_sim_now(w->sim) + LENGTH;

  while (hs2n_sim_now(w->sim) < end && hs2n_sim_failure(w->sim) == NULL) {
    act(w, any_node(w));
    if (around == TROUBLE && one_in(w, 50)) {
      something(w);
    }
    if (one_in(w, 2)) {
      hs2n_sim_run(w->sim, any(w, HS2N_MS(6)));
    }
    life_pay(w);
    book_check_late(&w->book);
  }
}

static bool settled(struct hs2n_sim *sim, void *arg) {
  const struct world *w = arg;

  return hs2n_sim_meshed(sim) && book_unsettled(&w->book) == NULL;
}

static void settle(struct world *w) {
  const hs2n_time end = hs2n_sim_now(w->sim) + HS2N_S(20);

  w->calm = true;
  hs2n_sim_heal(w->sim);
  for (uint32_t i = 0; i < LIFE_NODES; i++) {
    if (w->book.node[i].stopping) {
      hs2n_sim_crash(w->sim, i, false);
    }
  }
  (void)hs2n_sim_start_all(w->sim);
  while (hs2n_sim_now(w->sim) < end && hs2n_sim_failure(w->sim) == NULL &&
         !settled(w->sim, w)) {
    hs2n_sim_run(w->sim, HS2N_MS(20));
    life_pay(w);
    book_check_late(&w->book);
  }
  if (!settled(w->sim, w)) {
    const char *what = book_unsettled(&w->book);

    hs2n_sim_fail(w->sim, HS2N_SIM_ALL, what != NULL ? what : "no mesh");
  }
  w->calm = false;
}

/* A message that nothing else comes after is tried again all the same. */
static void lonely(struct world *w) {
  const uint32_t from = any_node(w);

  w->busy_once = true;
  life_send_one(w, from, (uint32_t)any(w, LIFE_TYPES));
  hs2n_sim_flush(w->sim, from);
  settle(w);
  w->busy_once = false;
}

static void set_links(struct world *w) {
  struct hs2n_sim_link link = {.overtake = one_in(w, 2)};

  link.delay = HS2N_MS(1) + any(w, HS2N_MS(40));
  link.jitter = any(w, link.delay);
  hs2n_sim_set_link(w->sim, HS2N_SIM_ALL, HS2N_SIM_ALL, &link);
}

/* Messages that the processes which run now held back for their leaders. */
static uint64_t spread(const struct world *w) {
  uint64_t sum = 0;

  for (uint32_t i = 0; i < LIFE_NODES; i++) {
    sum += story_node(w->sim, i).messages_spread;
  }
  return sum;
}

static void tell(struct world *w, enum around around) {
  set_links(w);
  (void)hs2n_sim_start_all(w->sim);
  for (int round = 0; round < ROUNDS && hs2n_sim_failure(w->sim) == NULL;
       round++) {
    if (around == NOISE) {
      noise(w, HS2N_SIM_ALL);
    }
    live(w, around);
    if (around != PEACE) {
      hs2n_sim_run(w->sim, HS2N_MS(300)); /* nothing but what is lost */
    }
    settle(w);
  }
  for (int i = 0; i < 10 && hs2n_sim_failure(w->sim) == NULL; i++) {
    lonely(w);
  }
  story_must(w->sim,
             w->book.outcomes[HS2N_DONE_ACKED] > 100 &&
                 w->book.outcomes[HS2N_DONE_QUORUM] > 20 &&
                 w->book.outcomes[HS2N_DONE_CANCELLED] > 20 &&
                 w->book.outcomes[HS2N_DONE_REFUSED] > 0 &&
                 w->book.outcomes[HS2N_DONE_EXPIRED] > 0 &&
                 (around == TROUBLE || spread(w) > 20),
             "little has happened");
}

static void begin(struct world *w, struct hs2n_sim *sim, enum around around) {
  book_fini(&w->book); /* of the run before, whose nodes have ended by now */
  w->sim = sim;
  w->owed_n = 0;
  if (book_init(&w->book, sim, LIFE_NODES)) {
    tell(w, around);
  } else {
    hs2n_sim_fail(sim, HS2N_SIM_ALL, "the book has no memory");
  }
}

static void in_peace(void *arg, struct hs2n_sim *sim) {
  begin(arg, sim, PEACE);
}

static void in_noise(void *arg, struct hs2n_sim *sim) {
  begin(arg, sim, NOISE);
}

static void in_trouble(void *arg, struct hs2n_sim *sim) {
  begin(arg, sim, TROUBLE);
}

static void small_world(void *arg, struct hs2n_sim_config *config) {
  struct world *w = arg;

  hs2n_limits_default(&w->limits);
  w->limits.peers_max = LIFE_NODES;
  w->limits.idle_ms = 1500;
  w->limits.keep_alive_ms = 300;
  w->limits.handshake_ms = 1000;
  w->limits.backoff_min_ms = 20;
  w->limits.backoff_max_ms = 400;
  w->limits.drain_ms = 300;
  w->limits.tx_queue_msgs_max = 64;
  w->limits.tx_queue_bytes_max = 128 << 10;
  w->limits.tags_max = 96;
  w->limits.large_body_bytes = 4096;
  w->limits.rx_window_bytes = 64 << 10;
  w->limits.rx_stream_window_bytes = 16 << 10;
  w->limits.rx_held_bytes = 64 << 10;
  w->limits.spread_members_min = LIFE_NODES; /* what leaders get is spread */
  w->limits.spread_bytes_per_s = 100000;
  w->limits.spread_burst_bytes = 0;
  w->app = life_app;
  w->app.self = w;
  config->limits = &w->limits;
  config->types = life_types;
  config->types_n = LIFE_TYPES;
  config->app = &w->app;
}

int main(int argc, char **argv) {
  struct world *w = calloc(1, sizeof(*w));
  const struct hs2n_sim_story stories[] = {
      {.name = "messages_live_and_end_as_told_in_peace",
       .nodes = LIFE_NODES,
       .configure = small_world,
       .tell = in_peace,
       .arg = w},
      {.name = "messages_live_and_end_as_told_in_noise",
       .nodes = LIFE_NODES,
       .configure = small_world,
       .tell = in_noise,
       .arg = w},
      {.name = "messages_live_and_end_as_told_while_nodes_and_links_fail",
       .nodes = LIFE_NODES,
       .configure = small_world,
       .tell = in_trouble,
       .arg = w},
  };

  int code;

  if (w == NULL) {
    return 1;
  }
  code = story_main(stories, sizeof(stories) / sizeof(stories[0]), argc, argv);
  book_fini(&w->book);
  free(w);
  return code;
}
