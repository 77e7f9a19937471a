#include "cluster.h"

#include <hs2net/io.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define START_WITHIN HS2N_S(15)
#define STALLED_AFTER HS2N_S(15)
#define DRAIN_WITHIN HS2N_S(30)
#define RECOVER_WITHIN HS2N_S(30)
#define STOP_WITHIN HS2N_S(2)
#define DOWN_FOR HS2N_S(1)

/* So close behind counts as together: blocks on their way. */
#define TOGETHER 4

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
  (void)number;
  interrupted = 1;
}

bool cluster_interrupted(void) {
  return interrupted != 0;
}

void cluster_catch_signals(void) {
  const struct sigaction action = {.sa_handler = on_signal};

  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
  (void)sigaction(SIGHUP, &action, NULL);
}

bool cluster_fail(struct cluster *c, const char *format, ...) {
  va_list args;

  if (c->wrong[0] == '\0') {
    va_start(args, format);
    (void)vsnprintf(c->wrong, sizeof(c->wrong), format, args);
    va_end(args);
  }
  return false;
}

/* ---- what replicas say -------------------------------------------------- */

static void on_ready(struct cluster *c, struct child *child,
                     struct hs2n_span content) {
  struct rep_reader r = rep_reader_of(content);
  const uint64_t height = rep_read_be(&r, 8);
  struct rep_hash hash;

  rep_read_copy(&r, hash.bytes, sizeof(hash.bytes));
  if (r.failed) {
    return;
  }
  child->state = CHILD_UP;
  ledger_ready(&c->ledger, child->index, height, &hash);
  load_attach(&c->load, child->index);
  if (c->victim.restarted != 0 && child->index == c->victim.index) {
    c->victim.ready = hs2n_io_now();
  }
}

/* Back when it commits what nobody had committed when it was killed, at the
 * heights where the others are. */
static void watch_victim(struct cluster *c, hs2n_time now) {
  struct victim *const v = &c->victim;
  const uint64_t height = ledger_height_of(&c->ledger, v->index);

  if (v->restarted == 0 || v->recovered != 0 || v->ready == 0 ||
      height <= v->height_killed || height + TOGETHER < c->ledger.height) {
    return;
  }
  v->recovered = now;
  v->height_recovered = height;
}

static void on_frame(void *self, struct child *child,
                     const struct child_frame *frame) {
  struct cluster *const c = self;
  struct rep_status status;
  const hs2n_time now = hs2n_io_now();

  switch (frame->kind) {
  case REP_CLIENT_READY:
    on_ready(c, child, frame->content);
    break;
  case REP_CLIENT_COMMIT:
    ledger_commit(&c->ledger, child->index, frame->content, now);
    if (child->index == c->victim.index) {
      watch_victim(c, now);
    }
    break;
  case REP_CLIENT_STATUS:
    if (rep_status_read(frame->content, &status)) {
      child->previous = child->status;
      child->status = status;
      child->statuses++;
    }
    break;
  }
}

/* ---- one turn ----------------------------------------------------------- */

static bool check_children(struct cluster *c) {
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    struct child *const child = &c->children[i];
    char words[300];
    int status;

    if (child_reap(child, &status)) {
      load_detach(&c->load, i);
      child_last_words(child, words, sizeof(words));
      return cluster_fail(
          c, "replica %u ended by itself (%s %d)%s%s", (unsigned)i,
          WIFSIGNALED(status) ? "signal" : "exit code",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
          words[0] != '\0' ? ": " : "", words);
    }
  }
  return true;
}

static bool check(struct cluster *c, hs2n_time now) {
  if (c->ledger.wrong[0] != '\0') {
    return cluster_fail(c, "%s", c->ledger.wrong);
  }
  if (c->began != 0 && c->ledger.last_commit != 0 &&
      now > c->ledger.last_commit + STALLED_AFTER) {
    return cluster_fail(c,
                        "LIVENESS: no block was committed for %.0f s, at "
                        "height %" PRIu64,
                        (double)STALLED_AFTER / 1e9, c->ledger.height);
  }
  return check_children(c);
}

static void wait_for(struct cluster *c, hs2n_time due) {
  struct pollfd fds[CLUSTER_N_MAX];
  const hs2n_time now = hs2n_io_now();
  const hs2n_time wait = due > now ? due - now : 0;
  const struct timespec timeout = {(time_t)(wait / HS2N_S(1)),
                                   (long)(wait % HS2N_S(1))};

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    fds[i] = (struct pollfd){.fd = c->children[i].fd, .events = POLLIN};
    if (load_waits(&c->load, i)) {
      fds[i].events |= POLLOUT;
    }
  }
  if (ppoll(fds, c->options.replicas, &timeout, NULL) <= 0) {
    return;
  }
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
        !child_read(&c->children[i], on_frame, c)) {
      load_detach(&c->load, i); /* its end will be seen by child_reap */
    }
  }
}

static bool turn(struct cluster *c, hs2n_time until) {
  hs2n_time now = hs2n_io_now();
  hs2n_time due = now + HS2N_MS(20);

  if (!load_make(&c->load, &c->ledger, now)) {
    return cluster_fail(c, "out of memory");
  }
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    if (c->children[i].fd >= 0) {
      load_write(&c->load, i, c->children[i].fd);
    }
  }
  due = load_due(&c->load, now) < due ? load_due(&c->load, now) : due;
  wait_for(c, due < until ? due : until);
  now = hs2n_io_now();
  screen_draw(c, now);
  return check(c, now) && !interrupted;
}

bool cluster_run_until(struct cluster *c, hs2n_time until) {
  while (hs2n_io_now() < until) {
    if (!turn(c, until)) {
      return false;
    }
  }
  return true;
}

bool cluster_run_till(struct cluster *c, cluster_pred pred, hs2n_time within) {
  const hs2n_time until = hs2n_io_now() + within;

  while (!pred(c)) {
    if (!turn(c, until) || hs2n_io_now() >= until) {
      return false;
    }
  }
  return true;
}

/* ---- starting ----------------------------------------------------------- */

static bool all_connected(const struct cluster *c) {
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    if (c->children[i].state != CHILD_UP ||
        c->children[i].status.peers_up < c->options.replicas - 1) {
      return false;
    }
  }
  return c->ledger.height > 0;
}

bool cluster_start(struct cluster *c, const struct options *o) {
  const char *wrong;
  char text[512];
  int err;

  c->options = *o;
  c->victim.index = (uint32_t)(o->seed % o->replicas);
  (void)prctl(PR_SET_TIMERSLACK, 1000L);
  for (uint32_t i = 0; i < o->replicas; i++) {
    c->children[i] =
        (struct child){.index = i,
                       .fd = -1,
                       .netns = o->netns_fd < 0 ? -1 : o->netns_fd + (int)i};
  }
  if (!ledger_init(&c->ledger, o->replicas) ||
      !load_init(&c->load, o->replicas, o->tx_bytes, o->seed)) {
    return cluster_fail(c, "out of memory");
  }
  wrong = folder_make(&c->folder, o, c->children, text, sizeof(text));
  if (wrong != NULL) {
    return cluster_fail(c, "can't set up: %s", wrong);
  }
  for (uint32_t i = 0; i < o->replicas; i++) {
    err = child_start(&c->children[i]);
    if (err != 0) {
      return cluster_fail(c, "can't start replica %u: %s", (unsigned)i,
                          strerror(err));
    }
  }
  if (!cluster_run_till(c, all_connected, START_WITHIN)) {
    return cluster_fail(c,
                        "the replicas did not connect and commit a first "
                        "block in %.0f s",
                        (double)START_WITHIN / 1e9);
  }
  return true;
}

/* ---- the story of a run ------------------------------------------------- */

static bool recovered(const struct cluster *c) {
  return c->victim.recovered != 0;
}

static bool all_committed(const struct cluster *c) {
  return ledger_outstanding(&c->ledger) == 0;
}

static bool kill_and_restart(struct cluster *c) {
  struct victim *const v = &c->victim;
  char height[32];
  int err;

  v->height_killed = c->ledger.height;
  v->killed = hs2n_io_now();
  load_detach(&c->load, v->index);
  child_kill(&c->children[v->index]);
  screen_say(c, "replica %u killed (SIGKILL) at height %s", (unsigned)v->index,
             screen_count(v->height_killed, height));
  if (!cluster_run_until(c, v->killed + DOWN_FOR)) {
    return false;
  }
  v->restarted = hs2n_io_now();
  err = child_start(&c->children[v->index]);
  if (err != 0) {
    return cluster_fail(c, "can't restart replica %u: %s", (unsigned)v->index,
                        strerror(err));
  }
  screen_say(c, "replica %u restarted from its log", (unsigned)v->index);
  if (!cluster_run_till(c, recovered, RECOVER_WITHIN)) {
    return cluster_fail(c,
                        "LIVENESS: replica %u did not catch up in %.0f s "
                        "after its restart",
                        (unsigned)v->index, (double)RECOVER_WITHIN / 1e9);
  }
  screen_say(c,
             "replica %u commits with the others again, %.0f ms after its "
             "restart",
             (unsigned)v->index, (double)(v->recovered - v->restarted) / 1e6);
  return true;
}

bool cluster_demo(struct cluster *c) {
  const struct options *const o = &c->options;

  c->began = hs2n_io_now();
  load_start(&c->load, o->rate, c->began);
  if (o->kill) {
    if (!cluster_run_until(c, c->began + o->duration / 2) ||
        !kill_and_restart(c)) {
      return false;
    }
  }
  if (!cluster_run_until(c, c->began + o->duration)) {
    return false;
  }
  load_stop(&c->load);
  c->ended = hs2n_io_now();
  c->txs_at_end = c->ledger.txs_committed;
  if (!cluster_run_till(c, all_committed, DRAIN_WITHIN)) {
    return cluster_fail(c,
                        "LIVENESS: %" PRIu64 " of %" PRIu64
                        " transactions were not committed %.0f s after the "
                        "load stopped",
                        ledger_outstanding(&c->ledger), c->ledger.txs_submitted,
                        (double)DRAIN_WITHIN / 1e9);
  }
  c->drained = hs2n_io_now();
  /* One more report of each replica, for the totals. */
  return cluster_run_until(c, c->drained + HS2N_MS(300));
}

/* ---- the end ------------------------------------------------------------ */

static bool any_alive(struct cluster *c) {
  bool alive = false;
  int status;

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    (void)child_reap(&c->children[i], &status);
    alive = alive || c->children[i].pid > 0;
  }
  return alive;
}

void cluster_stop(struct cluster *c) {
  const hs2n_time until = hs2n_io_now() + STOP_WITHIN;

  for (uint32_t i = 0; i < c->options.replicas; i++) {
    child_ask_to_stop(&c->children[i]);
  }
  while (any_alive(c) && hs2n_io_now() < until) {
    struct timespec pause = {0, 5000000};

    (void)ppoll(NULL, 0, &pause, NULL);
  }
  for (uint32_t i = 0; i < c->options.replicas; i++) {
    child_kill(&c->children[i]);
  }
  if (!c->options.keep) {
    folder_remove(&c->folder, &c->options);
  }
  ledger_fini(&c->ledger);
  load_fini(&c->load);
}
