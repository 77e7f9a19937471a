#include "endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct hs2n_type types[] = {
    {.id = TYPE_SMALL,
     .lane = HS2N_LANE_VOTE,
     .size_max = SMALL_MAX,
     .name = "small"},
    {.id = TYPE_LARGE,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = LARGE_MAX,
     .name = "large"},
};

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct endpoint *e = self;

  (void)id;
  e->messages++;
  if (e->on_message != NULL) {
    e->on_message(e, from, msg);
  }
  return HS2N_ACCEPT;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct endpoint *e = self;

  (void)tag;
  if (done->outcome != HS2N_DONE_ACKED) {
    fprintf(stderr, "hs2net-micro: a send ended as %s\n",
            hs2n_outcome_name(done->outcome));
    exit(1);
  }
  e->done++;
  if (e->on_done != NULL) {
    e->on_done(e);
  }
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct endpoint *e = self;

  (void)reason;
  if (state == HS2N_PEER_UP) {
    e->peer = peer;
    e->ups++;
    if (e->on_up != NULL) {
      e->on_up(e);
    }
  } else if (state == HS2N_PEER_DOWN || state == HS2N_PEER_GONE) {
    e->gones++;
  }
}

static void print_log(void *user_data, enum hs2n_log_level level,
                      const char *event, const char *text) {
  (void)user_data;
  if (level <= HS2N_LOG_ERROR) {
    fprintf(stderr, "hs2net-micro: %s %s\n", event, text);
  }
}

/* Wide where a measurement would otherwise measure a limit, and silent: no
 * keep-alive falls into a measurement. */
static void set_limits(struct hs2n_limits *limits, uint32_t peers_max) {
  limits->peers_max = peers_max;
  limits->idle_ms = 600000;
  limits->keep_alive_ms = 150000;
  limits->new_per_source_per_s = 100000;
  limits->new_per_source_burst = 100000;
  limits->half_open_free_max = 4096;
  limits->half_open_max = 4096;
  limits->backoff_min_ms = 1;
}

void endpoint_open(struct endpoint *e, struct endpoint_config config) {
  const uint32_t peers_max = config.peers_max == 0 ? 2 : config.peers_max;
  struct hs2n_io_config io_config;
  const struct hs2n_consensus consensus = {.struct_size = sizeof(consensus),
                                           .self = e,
                                           .on_message = on_message,
                                           .on_done = on_done,
                                           .on_peer = on_peer};
  struct hs2n_config node_config;
  struct hs2n_limits limits;
  const char *field = "";

  *e = (struct endpoint){.key = hs2n_identity_key(config.identity)};
  hs2n_io_config_default(&io_config);
  must("listen", hs2n_addr_parse("127.0.0.1:0", &io_config.listen));
  io_config.spin_us = config.spin_us;
  io_config.log = print_log;
  hs2n_limits_default(&limits);
  set_limits(&limits, peers_max);
  hs2n_config_default(&node_config);
  node_config.limits = &limits;
  node_config.consensus = &consensus;
  node_config.identity = config.identity;
  node_config.chain_id = "micro";
  node_config.types = types;
  node_config.types_n = sizeof(types) / sizeof(types[0]);
  node_config.log = print_log;
  node_config.transport = config.transport;
  if (config.mem != NULL) {
    node_config.mem = config.mem;
  }
  if (hs2n_io_new(&e->io, &io_config, &node_config, &field) != HS2N_OK) {
    fprintf(stderr, "hs2net-micro: can't make a node (%s)\n", field);
    exit(1);
  }
  e->node = hs2n_io_node(e->io);
}

void endpoint_close(struct endpoint *e) {
  hs2n_io_free(e->io);
  e->io = NULL;
}

uint16_t endpoint_port(const struct endpoint *e) {
  return hs2n_io_local(e->io).port;
}

void endpoint_members(struct endpoint *e, uint64_t epoch,
                      const struct member_at *members, size_t n) {
  struct hs2n_member *list = calloc(n, sizeof(*list));
  struct hs2n_addr *addrs = calloc(n, sizeof(*addrs));

  must_system("calloc", list != NULL && addrs != NULL);
  for (size_t i = 0; i < n; i++) {
    addrs[i] = (struct hs2n_addr){.family = HS2N_FAMILY_IPV4,
                                  .ip = {127, 0, 0, 1},
                                  .port = members[i].port};
    list[i].key = hs2n_identity_key(members[i].identity);
    list[i].weight = 1;
    list[i].addrs = &addrs[i];
    list[i].addrs_n = members[i].port == 0 ? 0 : 1;
  }
  must("set_members", hs2n_set_members(e->node, epoch, list, n, epoch));
  free(addrs);
  free(list);
}

void endpoint_until(struct endpoint *e, const uint64_t *counter,
                    uint64_t goal) {
  while (*counter < goal) {
    must("turn", hs2n_io_turn(e->io, HS2N_S(1)));
  }
}

void endpoint_until_up(struct endpoint *e, unsigned ups) {
  while (e->ups < ups) {
    must("turn", hs2n_io_turn(e->io, HS2N_S(1)));
  }
}

int endpoint_send(struct endpoint *e, struct hs2n_peer to,
                  struct hs2n_buf *body) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = to};
  const struct hs2n_msg msg = {
      .type = hs2n_buf_span(body).len <= SMALL_MAX ? TYPE_SMALL : TYPE_LARGE,
      .body = body};
  const int rc = hs2n_send(e->node, &dst, &msg, NULL);

  if (rc != HS2N_ERR_FULL) {
    must("send", rc);
  }
  return rc;
}

/* ---- many --------------------------------------------------------------- */

void crowd_open(struct crowd *c, size_t n, struct hs2n_identity *const *ids,
                struct endpoint_config config) {
  *c = (struct crowd){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .n = n};
  must_system("epoll", c->epoll_fd >= 0);
  c->e = calloc(n, sizeof(*c->e));
  must_system("calloc", c->e != NULL);
  for (size_t i = 0; i < n; i++) {
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = i}};

    config.identity = ids[i];
    endpoint_open(&c->e[i], config);
    c->e[i].index = (uint32_t)i;
    must_system("epoll_ctl", epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD,
                                       hs2n_io_fd(c->e[i].io), &ev) == 0);
  }
}

void crowd_close(struct crowd *c) {
  for (size_t i = 0; i < c->n; i++) {
    endpoint_close(&c->e[i]);
  }
  free(c->e);
  close(c->epoll_fd);
}

void crowd_start(struct crowd *c) {
  for (size_t i = 0; i < c->n; i++) {
    must("turn", hs2n_io_turn(c->e[i].io, 0));
  }
}

void crowd_turn(struct crowd *c) {
  struct epoll_event events[64];
  const int n = epoll_wait(c->epoll_fd, events, 64, 1000);

  for (int i = 0; i < n; i++) {
    must("turn", hs2n_io_turn(c->e[events[i].data.u64].io, 0));
  }
}

/* ---- two ---------------------------------------------------------------- */

void duo_open(struct endpoint *e, const struct micro *m, const struct pair *p,
              struct endpoint_config config) {
  struct member_at members[2];

  config.identity = m->ids[p->far];
  endpoint_open(e, config);
  atomic_store(&p->shared->ports[p->far], endpoint_port(e));
  pair_meet(p);
  for (size_t i = 0; i < 2; i++) {
    members[i].identity = m->ids[i];
    members[i].port = (uint16_t)atomic_load(&p->shared->ports[i]);
  }
  endpoint_members(e, 1, members, 2);
  endpoint_until_up(e, 1);
  pair_meet(p);
}
