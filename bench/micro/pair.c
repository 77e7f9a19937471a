#include "micro.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A bench that hangs is killed instead of hanging who called it. */
#define BENCH_LIMIT_S 180

void must(const char *what, int err) {
  if (err < 0) {
    fprintf(stderr, "hs2net-micro: %s: %s\n", what, hs2n_err_text(err));
    exit(1);
  }
}

void must_system(const char *what, bool ok) {
  if (!ok) {
    perror(what);
    exit(1);
  }
}

/* On a machine with one CPU both stay where they are. */
static void pin_to(size_t cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void)sched_setaffinity(0, sizeof(set), &set);
}

void pair_fork(struct pair *p) {
  int fds[2];

  fflush(NULL);
  p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must_system("mmap", p->shared != MAP_FAILED);
  must_system("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  p->child = fork();
  must_system("fork", p->child >= 0);
  p->far = p->child == 0;
  p->fd = fds[p->far];
  close(fds[!p->far]);
  pin_to(p->far ? 1 : 0);
  alarm(BENCH_LIMIT_S);
}

void pair_meet(const struct pair *p) {
  char byte = 0;

  must_system("the other process", write(p->fd, &byte, 1) == 1);
  must_system("the other process", read(p->fd, &byte, 1) == 1);
}

void pair_end(struct pair *p) {
  int status = 0;

  if (p->far) {
    _exit(0);
  }
  waitpid(p->child, &status, 0);
  must_system("the other process", status == 0);
  alarm(0);
  close(p->fd);
  munmap(p->shared, sizeof(*p->shared));
}

static uint64_t ns_of(struct timeval t) {
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

uint64_t cpu_ns(void) {
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  return ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

/* Four descriptors each, and some to spare. */
size_t peers_possible(void) {
  struct rlimit limit;

  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur / 4 < PEERS_MAX + 10) {
    return limit.rlim_cur / 4 - 10;
  }
  return PEERS_MAX;
}
