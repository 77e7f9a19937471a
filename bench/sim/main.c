/* hs2net-sim: a HotStuff-2 cluster on virtual time. */
#include "replay.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static time_t seconds_now(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

/* Runs a seed, twice when asked. */
static void run_one(const struct options *o, uint64_t seed,
                    struct run_result *out) {
  struct run_result again;

  run_seed(&o->run, seed, out);
  if (o->twice && !out->failed) {
    run_seed(&o->run, seed, &again);
    if (again.hash != out->hash) {
      out->failed = true;
      (void)snprintf(out->failure, sizeof(out->failure),
                     "two runs differ: hashes %016llx and %016llx",
                     (unsigned long long)out->hash,
                     (unsigned long long)again.hash);
    }
  }
}

/* Every jobs'th seed, into a pipe. */
static int work(const struct options *o, uint32_t job, int pipe_fd) {
  const time_t end = seconds_now() + 60 * (time_t)o->minutes;

  for (uint64_t seed = o->first + job; seed <= o->last; seed += o->jobs) {
    struct run_result result;

    if (o->minutes > 0 && seconds_now() >= end) {
      break;
    }
    run_one(o, seed, &result);
    if (write(pipe_fd, &result, sizeof(result)) != sizeof(result)) {
      return 1;
    }
  }
  return 0;
}

static int collect(const struct options *o, int pipe_fd,
                   struct report *report) {
  for (;;) {
    struct run_result result;
    const ssize_t n = read(pipe_fd, &result, sizeof(result));

    if (n == 0) {
      return 0;
    }
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n != sizeof(result)) {
      return 1;
    }
    report_add(report, o, &result);
  }
}

static pid_t begin_job(const struct options *o, uint32_t job,
                       const int pipe_fds[2]) {
  const pid_t pid = fork();

  if (pid == 0) {
    (void)close(pipe_fds[0]);
    _exit(work(o, job, pipe_fds[1]));
  }
  return pid;
}

static int run_jobs(const struct options *o, struct report *report) {
  int pipe_fds[2];
  int broken = 0;
  uint32_t begun;

  (void)fflush(stdout);
  if (pipe(pipe_fds) != 0) {
    perror("hs2net-sim: pipe");
    return 1;
  }
  for (begun = 0; begun < o->jobs; begun++) {
    if (begin_job(o, begun, pipe_fds) < 0) {
      perror("hs2net-sim: fork");
      broken = 1;
      break;
    }
  }
  (void)close(pipe_fds[1]);
  broken |= collect(o, pipe_fds[0], report);
  for (; begun > 0; begun--) {
    int status;

    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      (void)fprintf(stderr, "hs2net-sim: a process ended with status %x\n",
                    (unsigned)status);
      broken = 1;
    }
  }
  return broken;
}

int main(int argc, char **argv) {
  struct report report = {0};
  struct options o;
  int code = options_read(&o, argc, argv);

  if (code >= 0) {
    return code;
  }
  if (o.replay != NULL) {
    return replay_file(o.replay, o.run.identity, o.run.trace > 0);
  }
  report_begin(&report, &o);
  code = run_jobs(&o, &report);
  if (!report_end(&report, &o)) {
    code = 1;
  }
  return code;
}
