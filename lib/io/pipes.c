#include "io/pipes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* How long a pipe may take to end: several round trips of any path. */
#define END_MAX HS2N_S(2)

/* Pipes beyond those of members and of half-open connections: those that are
 * about to end, and one that is about to be refused. */
#define SPARE_PIPES 64u

/* Each peer may dial and be dialled. */
#define PIPES_PER_PEER 2u

/* Descriptors that the program uses besides: a guess. */
#define OTHER_FILES 64u

/* ---- life ---------------------------------------------------------------- */

static void init_slots(struct hs2ni_pipes *p) {
  for (uint32_t i = 0; i < p->capacity; i++) {
    p->slots[i] = (struct hs2ni_pipe){
        .fd = -1, .next = i + 1 < p->capacity ? i + 1 : HS2NI_NO_PIPE};
    p->buckets[i] = HS2NI_NO_PIPE;
  }
  p->first_free = 0;
  p->oldest = HS2NI_NO_PIPE;
  p->newest = HS2NI_NO_PIPE;
}

static void init_buffers(struct hs2ni_pipes *p, uint8_t *arena) {
  p->rx_bytes = arena;
  arena += (size_t)HS2NI_PIPES_BATCH * HS2NI_PIPES_READ_LEN;
  for (size_t i = 0; i < HS2NI_PIPES_TX; i++) {
    p->tx[i] = (struct hs2n_tx){.data = arena + i * HS2NI_PIPES_TX_LEN,
                                .capacity = HS2NI_PIPES_TX_LEN};
  }
}

static void take_config(struct hs2ni_pipes *p,
                        const struct hs2n_io_config *config,
                        const struct hs2n_limits *limits) {
  struct hs2n_io_config usual;

  hs2n_io_config_default(&usual);
  p->log = (struct hs2ni_io_log){.fn = config->log, .data = config->log_data};
  /* A size that is asked for is fixed: the kernel no longer fits it to the
   * path.  So it is asked for only where the caller has. */
  p->rcvbuf_bytes =
      config->rcvbuf_bytes == usual.rcvbuf_bytes ? 0 : config->rcvbuf_bytes;
  p->sndbuf_bytes =
      config->sndbuf_bytes == usual.sndbuf_bytes ? 0 : config->sndbuf_bytes;
  p->idle_ms = limits->idle_ms;
  p->unsent_max = limits->tcp_unsent_bytes;
  p->dials_spare = limits->peers_max;
}

static uint32_t count_pipes(const struct hs2n_limits *limits) {
  return PIPES_PER_PEER * limits->peers_max + limits->half_open_max +
         SPARE_PIPES;
}

static void check_files(const struct hs2ni_pipes *p) {
  const rlim_t want = p->capacity + OTHER_FILES;
  struct rlimit files;

  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < want) {
    hs2ni_io_log(&p->log, HS2N_LOG_WARN, "io.files",
                 "wanted=%llu got=%llu raise=RLIMIT_NOFILE",
                 (unsigned long long)want, (unsigned long long)files.rlim_cur);
  }
}

int hs2ni_pipes_new(struct hs2ni_pipes **out_pipes,
                    const struct hs2n_io_config *config,
                    const struct hs2n_limits *limits,
                    struct hs2n_io_stats *stats) {
  const uint32_t n = count_pipes(limits);
  const size_t slots_len = n * sizeof(struct hs2ni_pipe);
  const size_t buckets_len = n * sizeof(uint32_t);
  const size_t arena_len = (size_t)HS2NI_PIPES_BATCH * HS2NI_PIPES_READ_LEN +
                           (size_t)HS2NI_PIPES_TX * HS2NI_PIPES_TX_LEN;
  struct hs2ni_pipes *p =
      malloc(sizeof(*p) + slots_len + buckets_len + arena_len);
  int rc;

  if (p == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  memset(p, 0, sizeof(*p));
  p->stats = stats;
  p->epoll_fd = -1;
  p->capacity = n;
  p->slots = (struct hs2ni_pipe *)(p + 1);
  p->buckets = (uint32_t *)(p->slots + n);
  p->batch = 1;
  init_slots(p);
  init_buffers(p, (uint8_t *)(p->buckets + n));
  take_config(p, config, limits);
  rc = hs2ni_tcp_listen(p, &config->listen);
  if (rc != HS2N_OK) {
    free(p);
    return rc;
  }
  check_files(p);
  *out_pipes = p;
  return HS2N_OK;
}

void hs2ni_pipes_free(struct hs2ni_pipes *p) {
  if (p == NULL) {
    return;
  }
  for (uint32_t i = 0; i < p->capacity; i++) {
    if (p->slots[i].state != HS2NI_PIPE_FREE) {
      hs2ni_pipe_drop(p, &p->slots[i]);
    }
  }
  close(p->listen_fd);
  free(p);
}

int hs2ni_pipes_watch(struct hs2ni_pipes *p, int epoll_fd) {
  struct epoll_event ev = {.events = EPOLLIN,
                           .data = {.u64 = HS2NI_LISTEN_KEY}};

  p->epoll_fd = epoll_fd;
  p->accepting = true;
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->listen_fd, &ev) == 0
             ? HS2N_OK
             : HS2N_ERR_SYSTEM;
}

/* ---- the table ----------------------------------------------------------- */

static uint32_t index_of(const struct hs2ni_pipes *p,
                         const struct hs2ni_pipe *pipe) {
  return (uint32_t)(pipe - p->slots);
}

/* Ids count up, on either side of parity. */
static uint32_t *bucket_of(struct hs2ni_pipes *p, uint64_t id) {
  return &p->buckets[id % p->capacity];
}

struct hs2ni_pipe *hs2ni_pipes_find(struct hs2ni_pipes *p, uint64_t id) {
  for (uint32_t i = *bucket_of(p, id); i != HS2NI_NO_PIPE;
       i = p->slots[i].next) {
    if (p->slots[i].id == id) {
      return &p->slots[i];
    }
  }
  return NULL;
}

struct hs2ni_pipe *hs2ni_pipes_add(struct hs2ni_pipes *p, uint64_t id, int fd,
                                   const struct hs2n_addr *remote,
                                   enum hs2ni_pipe_state state) {
  const uint32_t i = p->first_free;
  uint32_t *bucket = bucket_of(p, id);
  struct epoll_event ev = {.data = {.u64 = HS2NI_PIPE_KEY | i}};

  ev.events = state == HS2NI_PIPE_CONNECTING ? EPOLLOUT : EPOLLIN;
  if (i == HS2NI_NO_PIPE ||
      epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
    return NULL;
  }
  p->first_free = p->slots[i].next;
  p->slots[i] = (struct hs2ni_pipe){.id = id,
                                    .remote = *remote,
                                    .fd = fd,
                                    .state = state,
                                    .watched = ev.events,
                                    .next = *bucket,
                                    .older = HS2NI_NO_PIPE,
                                    .newer = HS2NI_NO_PIPE};
  *bucket = i;
  p->in_use++;
  p->stats->tcp_open = p->in_use;
  return &p->slots[i];
}

void hs2ni_pipe_watch(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                      uint32_t events) {
  struct epoll_event ev = {.events = events,
                           .data = {.u64 = HS2NI_PIPE_KEY | index_of(p, pipe)}};

  if (events == pipe->watched) {
    return;
  }
  /* Can't fail: the descriptor is watched, and nothing is allocated. */
  if (epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, pipe->fd, &ev) != 0) {
    assert(false);
  }
  pipe->watched = events;
}

/* ---- the end ------------------------------------------------------------- */

static void forget_ending(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  if (pipe->older != HS2NI_NO_PIPE) {
    p->slots[pipe->older].newer = pipe->newer;
  } else {
    p->oldest = pipe->newer;
  }
  if (pipe->newer != HS2NI_NO_PIPE) {
    p->slots[pipe->newer].older = pipe->older;
  } else {
    p->newest = pipe->older;
  }
}

bool hs2ni_pipe_is_ending(const struct hs2ni_pipe *pipe) {
  return pipe->state == HS2NI_PIPE_ENDING ||
         pipe->state == HS2NI_PIPE_LINGERING;
}

void hs2ni_pipe_drop(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  const uint32_t i = index_of(p, pipe);
  uint32_t *at = bucket_of(p, pipe->id);

  while (*at != i) {
    at = &p->slots[*at].next;
  }
  *at = pipe->next;
  if (hs2ni_pipe_is_ending(pipe)) {
    forget_ending(p, pipe);
  }
  close(pipe->fd); /* epoll forgets it */
  free(pipe->kept);
  *pipe = (struct hs2ni_pipe){.fd = -1, .next = p->first_free};
  p->first_free = i;
  p->in_use--;
  p->stats->tcp_open = p->in_use;
}

void hs2ni_pipe_fail(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  hs2ni_pipes_tell(p, pipe->id, HS2N_IO_CLOSE);
  hs2ni_pipe_drop(p, pipe);
}

static void begin_end(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                      hs2n_time now) {
  const uint32_t i = index_of(p, pipe);

  pipe->until = now + END_MAX;
  pipe->older = p->newest;
  pipe->newer = HS2NI_NO_PIPE;
  if (p->newest != HS2NI_NO_PIPE) {
    p->slots[p->newest].newer = i;
  } else {
    p->oldest = i;
  }
  p->newest = i;
  pipe->state = HS2NI_PIPE_ENDING;
}

void hs2ni_pipe_linger(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe) {
  if (shutdown(pipe->fd, SHUT_WR) != 0) {
    hs2ni_pipe_drop(p, pipe);
    return;
  }
  pipe->state = HS2NI_PIPE_LINGERING;
  hs2ni_pipe_watch(p, pipe, EPOLLIN);
}

/* Of what has said nothing there is nothing to lose. */
void hs2ni_pipe_end(struct hs2ni_pipes *p, struct hs2ni_pipe *pipe,
                    hs2n_time now) {
  if (pipe->state == HS2NI_PIPE_CONNECTING || pipe->broken ||
      (!pipe->used && pipe->kept_len == 0)) {
    hs2ni_pipe_drop(p, pipe);
    return;
  }
  begin_end(p, pipe, now);
  if (pipe->kept_len == 0) {
    hs2ni_pipe_linger(p, pipe);
  } else {
    hs2ni_pipe_watch(p, pipe, EPOLLOUT);
  }
}

bool hs2ni_pipes_evict(struct hs2ni_pipes *p) {
  if (p->oldest == HS2NI_NO_PIPE) {
    return false;
  }
  p->stats->tcp_cut++;
  hs2ni_pipe_drop(p, &p->slots[p->oldest]);
  return true;
}

bool hs2ni_pipes_settled(const struct hs2ni_pipes *p) {
  return p->oldest == HS2NI_NO_PIPE;
}

/* ---- time ---------------------------------------------------------------- */

hs2n_time hs2ni_pipes_deadline(const struct hs2ni_pipes *p) {
  const hs2n_time end =
      p->oldest == HS2NI_NO_PIPE ? HS2N_TIME_NEVER : p->slots[p->oldest].until;

  return !p->accepting && p->accept_at < end ? p->accept_at : end;
}

static void accept_again(struct hs2ni_pipes *p) {
  struct epoll_event ev = {.events = EPOLLIN,
                           .data = {.u64 = HS2NI_LISTEN_KEY}};

  p->accepting = epoll_ctl(p->epoll_fd, EPOLL_CTL_MOD, p->listen_fd, &ev) == 0;
  assert(p->accepting);
}

void hs2ni_pipes_tick(struct hs2ni_pipes *p, hs2n_time now) {
  while (p->oldest != HS2NI_NO_PIPE && p->slots[p->oldest].until <= now) {
    (void)hs2ni_pipes_evict(p);
  }
  if (!p->accepting && p->accept_at <= now) {
    accept_again(p);
  }
}
