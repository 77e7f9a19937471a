/* child: one replica's process, seen from the harness.
 *
 * A child dies with its parent, whatever kills that (PR_SET_PDEATHSIG), and
 * also when its socket closes; the harness ends only processes that it has
 * started. */
#ifndef CLUSTER_CHILD_H
#define CLUSTER_CHILD_H

#include "client.h"

#include <sys/types.h>

enum child_state {
  CHILD_DOWN,
  CHILD_STARTING, /* has not said READY yet */
  CHILD_UP,
};

struct child {
  uint32_t index;
  enum child_state state;
  pid_t pid;
  int fd;    /* -1: none */
  int netns; /* network namespace to run in; -1: ours */
  char dir[512];
  uint8_t *in;
  size_t in_len;
  size_t in_capacity;
  struct rep_status status;   /* newest */
  struct rep_status previous; /* the one before */
  uint64_t statuses;          /* received by this process */
};

/* What a child said. */
struct child_frame {
  enum rep_client_kind kind;
  struct hs2n_span content;
};
typedef void (*child_frame_fn)(void *self, struct child *child,
                               const struct child_frame *frame);

/* Starts this program again as a replica with dir/replica.conf; what it
 * prints goes to dir/messages.  Returns 0 or an errno value. */
int child_start(struct child *child);

/* Reads what there is and calls fn for each frame; false at the end of
 * input, or when it makes no sense. */
bool child_read(struct child *child, child_frame_fn fn, void *self);

/* Kills at once and waits. */
void child_kill(struct child *child);

/* Asks to end; child_reap or child_kill must follow. */
void child_ask_to_stop(struct child *child);

/* Whether the process has ended; if so, forgets it.  out_status is as from
 * waitpid. */
bool child_reap(struct child *child, int *out_status);

/* The last line that the child printed, "" if none. */
void child_last_words(const struct child *child, char *out, size_t len);

#endif /* CLUSTER_CHILD_H */
