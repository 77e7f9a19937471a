#include "folder.h"

#include "setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NETNS_PORT 7000

/* A socket bound to a free port, or to a given one, so that no two replicas
 * get the same. */
static int bind_port(enum hs2n_transport transport, uint16_t *port) {
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons(*port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof(addr);
  const int type = transport == HS2N_TRANSPORT_TCP ? SOCK_STREAM : SOCK_DGRAM;
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

  if (fd < 0) {
    return -1;
  }
  if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
      getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
    close(fd);
    return -1;
  }
  *port = ntohs(addr.sin_port);
  return fd;
}

/* On false *out_wrong is the port that can't be had. */
static bool choose_ports(const struct options *o, uint16_t *ports,
                         uint16_t *out_wrong) {
  int fds[CLUSTER_N_MAX];
  uint32_t count = 0;

  while (count < o->replicas) {
    ports[count] = o->base_port == 0 ? 0 : (uint16_t)(o->base_port + count);
    fds[count] = bind_port(o->transport, &ports[count]);
    if (fds[count] < 0) {
      *out_wrong = ports[count];
      break;
    }
    count++;
  }
  for (uint32_t i = 0; i < count; i++) {
    close(fds[i]);
  }
  return count == o->replicas;
}

/* In namespaces of their own all have the same port. */
static void choose_addrs(const struct options *o, const uint16_t *ports,
                         struct hs2n_addr *addrs) {
  for (uint32_t i = 0; i < o->replicas; i++) {
    addrs[i] = (struct hs2n_addr){
        .family = HS2N_FAMILY_IPV4, .ip = {127, 0, 0, 1}, .port = ports[i]};
    if (o->netns_fd >= 0) {
      addrs[i] = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                                    .ip = {10, 77, 0, (uint8_t)(i + 1)},
                                    .port = NETNS_PORT};
    }
  }
}

/* Makes a replica's folder and identity. */
static int make_identity(const struct child *child, struct rep_setup *setup) {
  struct hs2n_identity *identity;
  char path[600];
  int err;

  if (mkdir(child->dir, 0700) != 0) {
    return HS2N_ERR_SYSTEM;
  }
  err = hs2n_identity_generate(&identity, hs2n_mem_libc(), hs2n_rand_system,
                               NULL);
  if (err != HS2N_OK) {
    return err;
  }
  (void)snprintf(path, sizeof(path), "%s/identity.pem", child->dir);
  setup->keys[child->index] = hs2n_identity_key(identity);
  err = hs2n_identity_save(identity, path);
  hs2n_identity_free(identity);
  return err;
}

static bool set_path(char out[REP_PATH_MAX], const struct child *child,
                     const char *name) {
  const int len = snprintf(out, REP_PATH_MAX, "%s/%s", child->dir, name);

  return len > 0 && len < REP_PATH_MAX;
}

static int write_config(const struct child *child, struct rep_setup *setup) {
  char path[REP_PATH_MAX];

  setup->config.committee.me = child->index;
  if (!set_path(setup->identity, child, "identity.pem") ||
      !set_path(setup->log, child, "log") ||
      !set_path(path, child, "replica.conf")) {
    return ENAMETOOLONG;
  }
  return rep_setup_write(setup, path);
}

static void configure(const struct options *o, struct rep_setup *setup) {
  struct rep_config *const c = &setup->config;

  rep_config_default(c);
  (void)snprintf(c->committee.chain_id, sizeof(c->committee.chain_id),
                 "cluster-%ld", (long)getpid());
  c->committee.n = o->replicas;
  c->timer_min = HS2N_MS(o->timer_ms);
  c->idle = HS2N_MS(o->timer_ms / 4);
  c->block_txs_max = o->block_txs_max;
  c->block_bytes_max = o->block_bytes_max;
  setup->storage = o->storage;
  setup->transport = o->transport;
  setup->uplink_bits_per_s = o->uplink_mbit * 1000000;
  setup->members = o->replicas;
}

static const char *fill(const struct options *o, struct child *children,
                        struct rep_setup *setup, char *text, size_t len) {
  uint16_t ports[CLUSTER_N_MAX];
  uint16_t port = 0;
  int err;

  configure(o, setup);
  if (!choose_ports(o, ports, &port)) {
    (void)snprintf(text, len, "%s port %u of 127.0.0.1: %s",
                   o->transport == HS2N_TRANSPORT_TCP ? "TCP" : "UDP",
                   (unsigned)port, strerror(errno));
    return text;
  }
  choose_addrs(o, ports, setup->addrs);
  for (uint32_t i = 0; i < o->replicas; i++) {
    err = make_identity(&children[i], setup);
    if (err != HS2N_OK) {
      (void)snprintf(text, len, "identity in %s: %s", children[i].dir,
                     err == HS2N_ERR_SYSTEM ? strerror(errno)
                                            : hs2n_err_text(err));
      return text;
    }
  }
  for (uint32_t i = 0; i < o->replicas; i++) {
    err = write_config(&children[i], setup);
    if (err != 0) {
      (void)snprintf(text, len, "configuration in %s: %s", children[i].dir,
                     strerror(err));
      return text;
    }
  }
  return NULL;
}

const char *folder_make(struct folder *folder, const struct options *o,
                        struct child *children, char *text, size_t len) {
  const char *const tmp = getenv("TMPDIR");
  struct rep_setup *setup;
  const char *wrong;

  (void)snprintf(folder->path, sizeof(folder->path), "%s/hs2net-cluster-XXXXXX",
                 tmp != NULL && strlen(tmp) < 200 ? tmp : "/tmp");
  if (mkdtemp(folder->path) == NULL) {
    (void)snprintf(text, len, "%s: %s", folder->path, strerror(errno));
    folder->path[0] = '\0';
    return text;
  }
  for (uint32_t i = 0; i < o->replicas; i++) {
    (void)snprintf(children[i].dir, sizeof(children[i].dir), "%s/%u",
                   folder->path, (unsigned)i);
  }
  setup = calloc(1, sizeof(*setup));
  if (setup == NULL) {
    return "out of memory";
  }
  wrong = fill(o, children, setup, text, len);
  free(setup);
  return wrong;
}

void folder_remove(struct folder *folder, const struct options *o) {
  static const char *const names[] = {"identity.pem", "replica.conf", "log",
                                      "messages"};
  char path[REP_PATH_MAX];

  if (folder->path[0] == '\0') {
    return;
  }
  for (uint32_t i = 0; i < o->replicas; i++) {
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
      (void)snprintf(path, sizeof(path), "%s/%u/%s", folder->path, (unsigned)i,
                     names[k]);
      (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/%u", folder->path, (unsigned)i);
    (void)rmdir(path);
  }
  (void)rmdir(folder->path);
  folder->path[0] = '\0';
}
