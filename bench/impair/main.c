/* hs2net-impair: runs a command on a network that delays, loses, repeats and
 * cuts. */
#include "lab.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_FD 9
#define NAMESPACES_FD 10
#define CHANGES_MAX 64

enum { EXIT_USAGE = 2, EXIT_SKIP = 77, EXIT_NO_COMMAND = 127 };

static const char help[] =
    "Usage: hs2net-impair NODES [WORD...] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Makes NODES network namespaces, joins them by emulated links, and runs\n"
    "COMMAND, which finds them open as descriptors 10, 11, ... (setns(2)).\n"
    "Node i has the address 10.77.0.(i+1).  All is gone when COMMAND ends.\n"
    "\n"
    "Words that choose links:  all, 2 (from and to node 2), 0-1 (both ways),\n"
    "                          0:1 (from 0 to 1 only)\n"
    "Words that change those:  delay=80ms jitter=5ms loss=1% "
    "burst=0.5%,20%\n"
    "                          duplicate=1% corrupt=0.1% reorder=2% "
    "rate=10M\n"
    "                          queue=64k mtu=1280 cut heal\n"
    "Words about the others:   at=3s (those behind it come into force after\n"
    "                          that time), seed=7, counters (printed at the\n"
    "                          end)\n"
    "\n"
    "COMMAND may change links by datagrams of such words on descriptor 9;\n"
    "each is answered by \"ok\" or the word that makes no sense.\n"
    "\n"
    "Exit code: that of COMMAND; 2: wrong usage; 77: needs root and\n"
    "/dev/net/tun.\n"
    "\n"
    "Example:\n"
    "  hs2net-impair 4 delay=80ms loss=1% at=3s 0-1 cut at=5s heal -- \\\n"
    "    hs2net-cluster --netns 10\n";

struct change {
  uint64_t at;
  const char *word;
};

struct impair {
  struct lab lab;
  struct settings_target target; /* of the command line */
  struct settings_target told;   /* of what the command says */
  uint32_t nodes;
  uint64_t seed;
  bool counters;
  struct change changes[CHANGES_MAX];
  size_t changes_n;
  size_t changed;
  char **command;
  pid_t pid;
  int control;
  int signals;
};

static uint64_t now_ns(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int complain(const char *what, const char *why) {
  (void)fprintf(stderr, "hs2net-impair: %s: %s\n", what, why);
  return EXIT_USAGE;
}

/* ---- the command line ---------------------------------------------------- */

static bool take_number(const char *text, uint64_t max, uint64_t *out) {
  char *end;

  *out = strtoull(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0' && *out <= max;
}

static bool take_word(struct impair *m, const char *word, uint64_t *at) {
  if (strncmp(word, "at=", 3) == 0) {
    uint64_t next;
    const bool ok = settings_time(word + 3, &next) && next >= *at;

    *at = next;
    return ok;
  }
  if (strncmp(word, "seed=", 5) == 0) {
    return take_number(word + 5, UINT32_MAX, &m->seed);
  }
  if (strcmp(word, "counters") == 0) {
    m->counters = true;
    return true;
  }
  /* Said to nobody, to hear whether it makes sense. */
  if (m->changes_n == CHANGES_MAX || !settings_word(&m->target, word)) {
    return false;
  }
  m->changes[m->changes_n++] = (struct change){*at, word};
  return true;
}

static int parse(struct impair *m, int argc, char **argv) {
  static struct line nowhere[IMPAIR_NODES_MAX * IMPAIR_NODES_MAX];
  uint64_t nodes = 0;
  uint64_t at = 0;
  int i = 2;

  if (argc < 2 || !take_number(argv[1], IMPAIR_NODES_MAX, &nodes) ||
      nodes < 2) {
    return complain("NODES", "want a number from 2 to 64, see --help");
  }
  m->nodes = (uint32_t)nodes;
  m->seed = 1;
  settings_init(&m->target, nowhere, m->nodes);
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (!take_word(m, argv[i], &at)) {
      return complain(argv[i], "makes no sense here, see --help");
    }
  }
  if (i + 1 >= argc) {
    return complain("COMMAND", "is missing, see --help");
  }
  m->command = argv + i + 1;
  return 0;
}

/* ---- the command --------------------------------------------------------- */

static void become(const struct impair *m, int control, pid_t parent) {
  sigset_t none;

  (void)sigemptyset(&none);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
      sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
      dup2(control, CONTROL_FD) < 0) {
    _exit(EXIT_NO_COMMAND);
  }
  for (uint32_t i = 0; i < m->nodes; i++) {
    if (dup2(m->lab.namespaces[i], NAMESPACES_FD + (int)i) < 0) {
      _exit(EXIT_NO_COMMAND);
    }
  }
  (void)execvp(m->command[0], m->command);
  (void)complain(m->command[0], strerror(errno));
  _exit(EXIT_NO_COMMAND);
}

static bool start(struct impair *m) {
  const pid_t parent = getpid();
  sigset_t set;
  int pair[2];

  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGCHLD);
  (void)sigaddset(&set, SIGTERM);
  (void)sigaddset(&set, SIGINT);
  (void)sigaddset(&set, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return false;
  }
  m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  m->control = pair[0];
  m->pid = fork();
  if (m->pid == 0) {
    become(m, pair[1], parent);
  }
  close(pair[1]);
  return m->signals >= 0 && m->pid > 0;
}

/* Whether the command has ended; any other signal is passed on to it. */
static bool ended(const struct impair *m, int *out_code) {
  struct signalfd_siginfo info;
  int status;

  while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    if (info.ssi_signo != SIGCHLD) {
      (void)kill(m->pid, (int)info.ssi_signo);
    }
  }
  if (waitpid(m->pid, &status, WNOHANG) != m->pid) {
    return false;
  }
  *out_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return true;
}

/* False when the command has closed its end. */
static bool obey(struct impair *m) {
  char text[512];
  const ssize_t len = recv(m->control, text, sizeof(text) - 1, MSG_DONTWAIT);
  const char *answer;

  if (len <= 0) {
    return len < 0 && (errno == EAGAIN || errno == EINTR);
  }
  text[len] = '\0';
  settings_init(&m->told, m->lab.lines, m->nodes);
  answer = settings_text(&m->told, text);
  answer = answer == NULL ? "ok" : answer;
  return send(m->control, answer, strlen(answer),
              MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* ---- the loop ------------------------------------------------------------ */

static uint64_t change(struct impair *m, uint64_t age) {
  while (m->changed < m->changes_n && m->changes[m->changed].at <= age) {
    (void)settings_word(&m->target, m->changes[m->changed].word);
    m->changed++;
  }
  return m->changed < m->changes_n ? m->changes[m->changed].at - age
                                   : UINT64_MAX;
}

static void wait_for(const struct impair *m, struct pollfd *fds,
                     uint64_t wait) {
  const struct timespec timeout = {(time_t)(wait / 1000000000u),
                                   (long)(wait % 1000000000u)};

  for (uint32_t i = 0; i < m->nodes; i++) {
    fds[i] = (struct pollfd){.fd = m->lab.devices[i], .events = POLLIN};
  }
  fds[m->nodes] = (struct pollfd){.fd = m->signals, .events = POLLIN};
  fds[m->nodes + 1] = (struct pollfd){.fd = m->control, .events = POLLIN};
  if (ppoll(fds, m->nodes + 2, wait == UINT64_MAX ? NULL : &timeout, NULL) <
      0) {
    for (uint32_t i = 0; i < m->nodes + 2; i++) {
      fds[i].revents = 0;
    }
  }
}

static int run(struct impair *m) {
  struct pollfd fds[IMPAIR_NODES_MAX + 2];
  const uint64_t began = now_ns();
  int code = 0;

  for (;;) {
    uint64_t now = now_ns();
    const uint64_t next = change(m, now - began);
    const uint64_t due = lab_deliver(&m->lab, now);
    const uint64_t wait = due == UINT64_MAX ? due : due - now;

    wait_for(m, fds, wait < next ? wait : next);
    now = now_ns();
    if (fds[m->nodes].revents != 0 && ended(m, &code)) {
      return code;
    }
    if (fds[m->nodes + 1].revents != 0 && !obey(m)) {
      close(m->control);
      m->control = -1;
    }
    for (uint32_t i = 0; i < m->nodes; i++) {
      if (fds[i].revents != 0) {
        lab_read(&m->lab, i, now);
      }
    }
  }
}

static void print_counters(const struct impair *m) {
  for (uint32_t from = 0; from < m->nodes; from++) {
    for (uint32_t to = 0; to < m->nodes; to++) {
      const struct line *const line = &m->lab.lines[from * m->nodes + to];

      if (line->counters.taken == 0) {
        continue;
      }
      (void)fprintf(stderr, "%" PRIu32 ":%" PRIu32, from, to);
#define X(field, text) \
  (void)fprintf(stderr, " " #field "=%" PRIu64, line->counters.field);
      LINE_COUNTERS(X)
#undef X
      (void)fprintf(stderr, "\n");
    }
  }
}

static int lead(struct impair *m) {
  const char *const wrong = lab_open(&m->lab, m->nodes, m->seed);
  int code;

  if (wrong != NULL) {
    (void)fprintf(stderr, "SKIP: hs2net-impair can't have %s: %s\n", wrong,
                  strerror(errno));
    return EXIT_SKIP;
  }
  settings_init(&m->target, m->lab.lines, m->nodes);
  /* Timers are late by 50 us otherwise. */
  (void)prctl(PR_SET_TIMERSLACK, 1000L);
  (void)change(m, 0);
  if (!start(m)) {
    return complain("start", strerror(errno));
  }
  code = run(m);
  if (m->counters) {
    print_counters(m);
  }
  return code;
}

int main(int argc, char **argv) {
  static struct impair m;
  int code;

  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    (void)fputs(help, stdout);
    return EXIT_SUCCESS;
  }
  code = parse(&m, argc, argv);
  if (code == 0) {
    code = lead(&m);
    lab_close(&m.lab);
  }
  return code;
}
