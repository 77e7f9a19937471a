#include "io/io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUFFER_BYTES_DEFAULT (4u << 20)

void hs2n_io_config_default(struct hs2n_io_config *out) {
  *out = (struct hs2n_io_config){
      .struct_size = sizeof(*out),
      .listen = {.family = HS2N_FAMILY_IPV6},
      .rcvbuf_bytes = BUFFER_BYTES_DEFAULT,
      .sndbuf_bytes = BUFFER_BYTES_DEFAULT,
  };
}

/* Copies a struct of a caller that may know fewer fields than this library,
 * then the rest is zero; or more, then those must be zero. */
static int copy_sized(void *out, size_t out_size, size_t size_min,
                      const void *in) {
  const uint8_t *bytes = in;
  size_t size;

  memcpy(&size, in, sizeof(size));
  if (size < size_min) {
    return HS2N_ERR_VERSION;
  }
  for (size_t i = out_size; i < size; i++) {
    if (bytes[i] != 0) {
      return HS2N_ERR_VERSION;
    }
  }
  memset(out, 0, out_size);
  memcpy(out, in, size < out_size ? size : out_size);
  memcpy(out, &out_size, sizeof(out_size));
  return HS2N_OK;
}

static const char *bad_field(const struct hs2n_io_config *config) {
  const struct hs2n_addr *listen = &config->listen;

  if (listen->family != HS2N_FAMILY_IPV4 &&
      listen->family != HS2N_FAMILY_IPV6) {
    return "listen";
  }
  if (config->rcvbuf_bytes == 0) {
    return "rcvbuf_bytes";
  }
  if (config->sndbuf_bytes == 0) {
    return "sndbuf_bytes";
  }
  if (config->offload != HS2N_OFFLOAD_AUTO &&
      config->offload != HS2N_OFFLOAD_OFF) {
    return "offload";
  }
  return NULL;
}

/* What every version of the struct has, up to and with this field. */
#define SIZE_WITH(type, field) \
  (offsetof(type, field) + sizeof(((const type *)0)->field))

static int read_config(struct hs2n_io_config *out,
                       const struct hs2n_io_config *in,
                       const char **out_field) {
  const int rc = copy_sized(out, sizeof(*out),
                            SIZE_WITH(struct hs2n_io_config, log_data), in);
  const char *bad = rc == HS2N_OK ? bad_field(out) : NULL;

  if (bad != NULL && out_field != NULL) {
    *out_field = bad;
  }
  return bad != NULL ? HS2N_ERR_INVALID : rc;
}

/* What the node needs from the system, where the caller has not said. */
static int complete_node_config(struct hs2n_config *config,
                                const struct hs2n_addr *local) {
  struct timespec wall;

  clock_gettime(CLOCK_REALTIME, &wall);
  if (config->unix_time_s == 0) {
    config->unix_time_s = wall.tv_sec;
  }
  if (config->incarnation == 0) {
    config->incarnation =
        (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
  }
  if (config->local.family == HS2N_FAMILY_NONE) {
    config->local = *local;
  }
  if (config->rand == NULL) {
    config->rand = hs2n_rand_system;
  }
  if (config->seed == 0 && hs2n_rand_system(NULL, (uint8_t *)&config->seed,
                                            sizeof(config->seed)) != 0) {
    return HS2N_ERR_RANDOM;
  }
  return HS2N_OK;
}

static int make_node(struct hs2n_io *io, struct hs2n_config *config,
                     const char **out_field) {
  const struct hs2n_addr local = hs2n_io_local(io);
  int rc = complete_node_config(config, &local);

  if (rc == HS2N_OK) {
    rc = hs2n_node_new(&io->node, config, hs2n_io_now(), out_field);
  }
  if (rc == HS2N_OK) {
    hs2n_node_on_post(io->node, hs2ni_loop_wake, io);
  }
  return rc;
}

/* The node checks its limits too, and takes what a caller of another version
 * may not have said for wrong. */
static int check_limits(struct hs2n_limits *out, const struct hs2n_limits *in,
                        const char **out_field) {
  int rc;

  if (in == NULL) {
    hs2n_limits_default(out);
    return HS2N_OK;
  }
  rc = hs2n_limits_check(in, out_field);
  return rc == HS2N_OK ? copy_sized(out, sizeof(*out), sizeof(*out), in) : rc;
}

static int open_sockets(struct hs2n_io *io, const struct hs2n_io_config *config,
                        const struct hs2n_config *node_config,
                        const char **out_field) {
  struct hs2n_limits limits;
  int rc;

  if (node_config->transport != HS2N_TRANSPORT_TCP) {
    return hs2ni_socket_open(&io->socket, config);
  }
  rc = check_limits(&limits, node_config->limits, out_field);
  return rc == HS2N_OK
             ? hs2ni_pipes_new(&io->pipes, config, &limits, &io->stats)
             : rc;
}

static int build(struct hs2n_io *io, const struct hs2n_io_config *config,
                 struct hs2n_config *node_config, const char **out_field) {
  int rc = open_sockets(io, config, node_config, out_field);

  if (rc == HS2N_OK) {
    rc = hs2ni_loop_init(io);
  }
  if (rc == HS2N_OK) {
    rc = make_node(io, node_config, out_field);
  }
  if (rc == HS2N_OK && io->pipes != NULL) {
    io->pipes->node = io->node;
  }
  return rc;
}

/* The driver and all its buffers are one piece of memory.  Pages of the
 * buffers that no datagram has touched cost nothing: no calloc. */
static struct hs2n_io *allocate(const struct hs2n_io_config *config) {
  const size_t rx_len = hs2ni_receiver_arena_len();
  struct hs2n_io *io = malloc(sizeof(*io) + rx_len + hs2ni_sender_arena_len());

  if (io == NULL) {
    return NULL;
  }
  memset(io, 0, sizeof(*io));
  io->socket.fd = -1;
  io->epoll_fd = -1;
  io->timer_fd = -1;
  io->event_fd = -1;
  io->spin = HS2N_US(config->spin_us);
  io->log = (struct hs2ni_io_log){.fn = config->log, .data = config->log_data};
  hs2ni_receiver_init(&io->receiver, (uint8_t *)(io + 1));
  hs2ni_sender_init(&io->sender, (uint8_t *)(io + 1) + rx_len, &io->log);
  return io;
}

int hs2n_io_new(struct hs2n_io **out_io, const struct hs2n_io_config *config,
                const struct hs2n_config *node_config, const char **out_field) {
  struct hs2n_io_config own;
  struct hs2n_config own_node;
  struct hs2n_io *io;
  int rc = read_config(&own, config, out_field);
  int err;

  if (rc == HS2N_OK) {
    rc = copy_sized(&own_node, sizeof(own_node),
                    SIZE_WITH(struct hs2n_config, log_data), node_config);
  }
  if (rc != HS2N_OK) {
    return rc;
  }
  io = allocate(&own);
  if (io == NULL) {
    return HS2N_ERR_NO_MEMORY;
  }
  rc = build(io, &own, &own_node, out_field);
  if (rc != HS2N_OK) {
    err = errno;
    hs2n_io_free(io);
    errno = err;
    return rc;
  }
  io->stats.rcvbuf_bytes = io->socket.rcvbuf_bytes;
  io->stats.sndbuf_bytes = io->socket.sndbuf_bytes;
  *out_io = io;
  return HS2N_OK;
}

void hs2n_io_free(struct hs2n_io *io) {
  if (io == NULL) {
    return;
  }
  if (io->thread_runs) {
    hs2n_io_stop(io);
    hs2n_io_join(io);
  }
  hs2n_node_free(io->node);
  hs2ni_pipes_free(io->pipes);
  hs2ni_loop_fini(io);
  hs2ni_socket_close(&io->socket);
  free(io);
}

struct hs2n_node *hs2n_io_node(const struct hs2n_io *io) {
  return io->node;
}

struct hs2n_addr hs2n_io_local(const struct hs2n_io *io) {
  return io->pipes != NULL ? io->pipes->local : io->socket.local;
}

int hs2n_io_fd(const struct hs2n_io *io) {
  return io->epoll_fd;
}

void hs2n_io_stats(const struct hs2n_io *io, struct hs2n_io_stats *out) {
  const size_t size = out->struct_size;
  struct hs2n_io_stats stats = io->stats;

  assert(size >= sizeof(size));
  stats.struct_size = size;
  memset(out, 0, size);
  memcpy(out, &stats, size < sizeof(stats) ? size : sizeof(stats));
}
