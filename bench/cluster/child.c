#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_BYTES (1 << 20)
#define FRAME_MAX (64u << 20)
#define READ_MAX (256u << 10)

static void path_of(const struct child *child, const char *name, char *out,
                    size_t len) {
  (void)snprintf(out, len, "%s/%s", child->dir, name);
}

static bool enter_netns(const struct child *child) {
  if (child->netns < 0 || setns(child->netns, CLONE_NEWNET) == 0) {
    return true;
  }
  perror("replica: network namespace");
  return false;
}

/* In the new process: becomes the replica or ends. */
static void become(const struct child *child, int fd, pid_t parent) {
  char config[600];
  char messages[600];
  char number[16];
  int out;

  path_of(child, "replica.conf", config, sizeof(config));
  path_of(child, "messages", messages, sizeof(messages));
  (void)snprintf(number, sizeof(number), "%d", fd);
  out = open(messages, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || out < 0 ||
      dup2(out, STDERR_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
      fcntl(fd, F_SETFD, 0) != 0 || !enter_netns(child)) {
    _exit(1);
  }
  /* Ctrl-C goes to the whole group of the terminal: the parent decides. */
  (void)signal(SIGINT, SIG_IGN);
  (void)execl("/proc/self/exe", "hs2net-replica", "--replica-process", config,
              number, (char *)NULL);
  _exit(127);
}

int child_start(struct child *child) {
  const pid_t parent = getpid();
  int pair[2];
  const int size = SOCKET_BYTES;

  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno;
  }
  (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  child->pid = fork();
  if (child->pid == 0) {
    become(child, pair[1], parent);
  }
  close(pair[1]);
  if (child->pid < 0) {
    close(pair[0]);
    return errno;
  }
  child->fd = pair[0];
  child->state = CHILD_STARTING;
  child->in_len = 0;
  child->statuses = 0;
  child->status = child->previous = (struct rep_status){0};
  return 0;
}

static bool reserve(struct child *child, size_t len) {
  uint8_t *grown;

  if (len <= child->in_capacity) {
    return true;
  }
  grown = realloc(child->in, len);
  if (grown == NULL) {
    return false;
  }
  child->in = grown;
  child->in_capacity = len;
  return true;
}

static bool give_frames(struct child *child, child_frame_fn fn, void *self) {
  struct rep_reader r =
      rep_reader_of((struct hs2n_span){child->in, child->in_len});

  while (r.rest.len >= 4) {
    struct rep_reader ahead = r;
    const uint64_t len = rep_read_be(&ahead, 4);
    struct child_frame frame;

    if (len == 0 || len > FRAME_MAX || !reserve(child, 4 + (size_t)len)) {
      return false;
    }
    if (len > ahead.rest.len) {
      break;
    }
    frame.kind = (enum rep_client_kind)rep_read_be(&ahead, 1);
    frame.content = rep_read_span(&ahead, (size_t)len - 1);
    fn(self, child, &frame);
    r = ahead;
  }
  memmove(child->in, child->in + (child->in_len - r.rest.len), r.rest.len);
  child->in_len = r.rest.len;
  return true;
}

bool child_read(struct child *child, child_frame_fn fn, void *self) {
  ssize_t n;

  if (!reserve(child, child->in_len + READ_MAX)) {
    return false;
  }
  n = recv(child->fd, child->in + child->in_len,
           child->in_capacity - child->in_len, MSG_DONTWAIT);
  if (n < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  child->in_len += (size_t)n;
  return n > 0 && give_frames(child, fn, self);
}

static void forget(struct child *child) {
  if (child->fd >= 0) {
    close(child->fd);
  }
  free(child->in);
  child->in = NULL;
  child->in_capacity = 0;
  child->fd = -1;
  child->pid = 0;
  child->state = CHILD_DOWN;
}

void child_kill(struct child *child) {
  if (child->pid > 0) {
    (void)kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR) {
    }
  }
  forget(child);
}

void child_ask_to_stop(struct child *child) {
  if (child->pid > 0) {
    (void)kill(child->pid, SIGTERM);
  }
}

bool child_reap(struct child *child, int *out_status) {
  int status;

  if (child->pid <= 0 || waitpid(child->pid, &status, WNOHANG) <= 0) {
    return false;
  }
  forget(child);
  *out_status = status;
  return true;
}

void child_last_words(const struct child *child, char *out, size_t len) {
  char path[600];
  char line[512];
  FILE *file;

  out[0] = '\0';
  path_of(child, "messages", path, sizeof(path));
  file = fopen(path, "re");
  if (file == NULL) {
    return;
  }
  while (fgets(line, sizeof(line), file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (line[0] != '\0') {
      (void)snprintf(out, len, "%s", line);
    }
  }
  (void)fclose(file);
}
