#include "net_world.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_LEN 16

/* What hs2net-impair gives to its command. */
#define CONTROL_FD 9
#define NAMESPACES_FD 10

enum hs2n_transport net_transport = HS2N_TRANSPORT_QUIC;
uint32_t net_half_open_max;
hs2n_record_fn net_record;
void *net_record_data;

void net_choose_transport(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "tcp") == 0) {
    net_transport = HS2N_TRANSPORT_TCP;
  }
}

static const struct hs2n_type types[] = {
    {.id = NET_VOTE, .lane = HS2N_LANE_VOTE, .size_max = 16384, .name = "vote"},
    {.id = NET_PROPOSAL,
     .lane = HS2N_LANE_PROPOSAL,
     .size_max = NET_BODY_MAX,
     .name = "proposal"},
    {.id = NET_BULK,
     .lane = HS2N_LANE_BULK,
     .size_max = NET_BODY_MAX,
     .name = "bulk"},
};

static void net_log(void *user_data, enum hs2n_log_level level,
                    const char *event, const char *text) {
  const struct net_replica *r = user_data;

  if (level <= HS2N_LOG_WARN) {
    fprintf(stderr, "# %u %s %s\n", r == NULL ? 99 : r->index, event, text);
  }
}

/* ---- bodies -------------------------------------------------------------- */

static uint8_t pattern(uint64_t number, size_t at) {
  return (uint8_t)(number * 131 + at * 7 + (at >> 8));
}

/* Sender, number, then a pattern of both. */
static void fill_body(uint8_t *out, size_t len, uint32_t from,
                      uint64_t number) {
  memcpy(out, &number, sizeof(number));
  memset(out + 8, 0, 8);
  memcpy(out + 8, &from, sizeof(from));
  for (size_t i = HEADER_LEN; i < len; i++) {
    out[i] = pattern(number, i);
  }
}

static bool body_is(struct hs2n_span body, uint32_t from, uint64_t number) {
  uint64_t got_number;
  uint32_t got_from;

  if (body.len < HEADER_LEN) {
    return false;
  }
  memcpy(&got_number, body.data, sizeof(got_number));
  memcpy(&got_from, body.data + 8, sizeof(got_from));
  if (got_number != number || got_from != from) {
    return false;
  }
  for (size_t i = HEADER_LEN; i < body.len; i++) {
    if (body.data[i] != pattern(number, i)) {
      return false;
    }
  }
  return true;
}

/* ---- upcalls ------------------------------------------------------------- */

static uint32_t index_of(const struct net_replica *r, struct hs2n_peer peer) {
  for (uint32_t i = 0; i < r->net->n; i++) {
    if (i != r->index && r->handles[i].v == peer.v) {
      return i;
    }
  }
  return NET_MAX;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer peer,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct net_replica *r = self;
  const uint32_t from = index_of(r, peer);
  struct hs2n_span body = {.len = 0};

  (void)id;
  if (msg->body != NULL) {
    body = hs2n_buf_span(msg->body);
  }
  /* An empty body says nothing to check. */
  if (from == NET_MAX ||
      (body.len != 0 && !body_is(body, from, r->next[from][msg->type]))) {
    atomic_fetch_add(&r->wrong, 1);
    return HS2N_ACCEPT;
  }
  r->next[from][msg->type]++;
  r->heard[from] = hs2n_io_now();
  atomic_fetch_add(&r->received, 1);
  return HS2N_ACCEPT;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct net_replica *r = self;

  if (r->on_done != NULL) {
    r->on_done(r->on_done_arg, tag);
  }
  if (done->outcome == HS2N_DONE_ACKED) {
    atomic_fetch_add(&r->acked, 1);
    atomic_fetch_add(&r->ackers, (unsigned)done->acked_count);
  } else {
    atomic_fetch_add(&r->ended_otherwise, 1);
  }
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct net_replica *r = self;

  (void)peer;
  if (state == HS2N_PEER_UP) {
    atomic_fetch_add(&r->ups, 1);
  } else if (state == HS2N_PEER_DOWN) {
    atomic_fetch_add(&r->downs, 1);
    atomic_store(&r->down_reason, (int)reason);
  }
}

/* ---- life ---------------------------------------------------------------- */

/* A socket stays in the namespace where it was made. */
static int open_io(struct net_replica *r, const struct hs2n_io_config *io,
                   const struct hs2n_config *config) {
  const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int rc = HS2N_ERR_SYSTEM;

  if (!r->net->namespaces) {
    rc = hs2n_io_new(&r->io, io, config, NULL);
  } else if (setns(NAMESPACES_FD + (int)r->index, CLONE_NEWNET) == 0) {
    rc = hs2n_io_new(&r->io, io, config, NULL);
    if (setns(home, CLONE_NEWNET) != 0) {
      abort(); /* all that follows would be in the wrong place */
    }
  }
  close(home);
  return rc;
}

void net_configure(const struct net *net, struct hs2n_limits *limits,
                   struct hs2n_config *config) {
  hs2n_limits_default(limits);
  limits->handshake_ms = 20000; /* sanitizers on a busy machine */
  limits->idle_ms = net->idle_ms != 0 ? net->idle_ms : 30000;
  limits->keep_alive_ms = limits->idle_ms / 4;
  if (net->backoff_ms != 0) {
    limits->backoff_min_ms = net->backoff_ms / 2;
    limits->backoff_max_ms = net->backoff_ms;
  }
  limits->drain_ms = 100; /* when both ends stop at once, for nothing */
  limits->new_per_source_per_s = 100000;
  limits->new_per_source_burst = 100000;
  if (net_half_open_max != 0) {
    limits->half_open_max = net_half_open_max;
    limits->half_open_free_max = net_half_open_max;
  }
  config->limits = limits;
  config->chain_id = "net-test";
  config->types = types;
  config->types_n = sizeof(types) / sizeof(types[0]);
  config->udp_payload_max = net->udp_payload_max;
  config->transport = net_transport;
}

static bool make(struct net_replica *r) {
  struct hs2n_io_config io_config = r->net->io_config;
  struct epoll_event ev = {.events = EPOLLIN, .data = {.u32 = r->index}};
  const struct hs2n_consensus consensus = {.struct_size = sizeof(consensus),
                                           .self = r,
                                           .on_message = on_message,
                                           .on_done = on_done,
                                           .on_peer = on_peer};
  struct hs2n_limits limits;
  struct hs2n_config config;
  int rc;

  hs2n_config_default(&config);
  net_configure(r->net, &limits, &config);
  config.consensus = &consensus;
  config.identity = r->identity;
  config.log = net_log;
  config.log_data = r;
  config.record = r->index == 0 ? net_record : NULL;
  config.record_data = net_record_data;
  io_config.listen = r->listen;
  io_config.log = net_log;
  io_config.log_data = r;
  rc = open_io(r, &io_config, &config);
  if (rc != HS2N_OK) {
    fprintf(stderr, "# hs2n_io_new: %s\n", hs2n_err_name(rc));
    return false;
  }
  return epoll_ctl(r->net->epoll_fd, EPOLL_CTL_ADD, hs2n_io_fd(r->io), &ev) ==
         0;
}

static bool open_replica(struct net *net, uint32_t i, const char *listen,
                         const char *dial) {
  struct net_replica *r = &net->r[i];

  r->net = net;
  r->index = i;
  if (hs2n_addr_parse(listen, &r->listen) != HS2N_OK ||
      hs2n_addr_parse(dial, &r->addr) != HS2N_OK ||
      hs2n_identity_generate(&r->identity, hs2n_mem_libc(), hs2n_rand_system,
                             NULL) != HS2N_OK ||
      !make(r)) {
    return false;
  }
  r->addr.port = hs2n_io_local(r->io).port;
  r->listen.port = r->addr.port;
  return true;
}

bool net_open(struct net *net, uint32_t n, const char *listen, const char *dial,
              const struct hs2n_io_config *io_config) {
  memset(net, 0, sizeof(*net));
  net->n = n;
  if (io_config == NULL) {
    hs2n_io_config_default(&net->io_config);
  } else {
    net->io_config = *io_config;
  }
  net->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  for (uint32_t i = 0; i < n; i++) {
    if (!open_replica(net, i, listen, dial)) {
      return false;
    }
  }
  return true;
}

bool net_open_apart(struct net *net, uint32_t n, uint32_t idle_ms,
                    uint32_t backoff_ms) {
  if (!net_open(net, 0, NULL, NULL, NULL)) {
    return false;
  }
  net->n = n;
  net->namespaces = true;
  net->idle_ms = idle_ms;
  net->backoff_ms = backoff_ms;
  for (uint32_t i = 0; i < n; i++) {
    char address[32];

    (void)snprintf(address, sizeof(address), "10.77.0.%u:0", (unsigned)i + 1);
    if (!open_replica(net, i, address, address)) {
      return false;
    }
  }
  return true;
}

bool net_links(const char *words) {
  char answer[64];
  ssize_t len;

  if (send(CONTROL_FD, words, strlen(words), MSG_NOSIGNAL) < 0) {
    return false;
  }
  len = recv(CONTROL_FD, answer, sizeof(answer), 0);
  return len == 2 && memcmp(answer, "ok", 2) == 0;
}

void net_close(struct net *net) {
  for (uint32_t i = 0; i < net->n; i++) {
    net_kill(net, i);
    hs2n_identity_free(net->r[i].identity);
  }
  close(net->epoll_fd);
}

void net_kill(struct net *net, uint32_t index) {
  hs2n_io_free(net->r[index].io); /* closing takes it out of the epoll */
  net->r[index].io = NULL;
}

bool net_restart(struct net *net, uint32_t index) {
  struct net_replica *r = &net->r[index];

  memset(r->sent, 0, sizeof(r->sent));
  memset(r->next, 0, sizeof(r->next));
  return make(r) && net_join_one(r);
}

bool net_join_one(struct net_replica *r) {
  const struct net *net = r->net;
  struct hs2n_node *node = hs2n_io_node(r->io);
  struct hs2n_member members[NET_MAX] = {{.weight = 0}};

  for (uint32_t i = 0; i < net->n; i++) {
    members[i].key = hs2n_identity_key(net->r[i].identity);
    members[i].weight = 1;
    members[i].addrs = &net->r[i].addr;
    members[i].addrs_n = 1;
  }
  if (hs2n_set_members(node, 1, members, net->n, 0) != HS2N_OK) {
    return false;
  }
  for (uint32_t i = 0; i < net->n; i++) {
    const struct hs2n_peer_id id = hs2n_key_peer_id(&members[i].key);

    if (i != r->index && hs2n_peer_find(node, &id, &r->handles[i]) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

bool net_join(struct net *net) {
  for (uint32_t i = 0; i < net->n; i++) {
    if (!net_join_one(&net->r[i])) {
      return false;
    }
  }
  return true;
}

/* ---- traffic ------------------------------------------------------------- */

/* A number counts once accepted; to all it must be the same for each. */
static uint64_t number_for(const struct net_replica *r, uint32_t to,
                           uint8_t type) {
  return r->sent[to == NET_MAX ? (r->index + 1) % r->net->n : to][type];
}

static void note_sent(struct net_replica *r, uint32_t to, uint8_t type) {
  for (uint32_t i = 0; i < r->net->n; i++) {
    r->sent[i][type] += to == NET_MAX || to == i;
  }
}

int net_send(struct net_replica *r, uint32_t to, uint8_t type, size_t len) {
  struct hs2n_dst dst = {.kind = HS2N_DST_EPOCH, .epoch = 1};
  struct hs2n_msg msg = {.type = type, .flags = HS2N_MSG_ACK};
  uint8_t *data;
  int rc;

  if (to != NET_MAX) {
    dst.kind = HS2N_DST_PEER;
    dst.peer = r->handles[to];
  }
  if (len > 0) {
    rc = hs2n_buf_alloc(&msg.body, hs2n_mem_libc(), len, &data);
    if (rc != HS2N_OK) {
      return rc;
    }
    fill_body(data, len, r->index, number_for(r, to, type));
  }
  rc = hs2n_send(hs2n_io_node(r->io), &dst, &msg, &r->tag);
  hs2n_buf_unref(msg.body);
  if (rc == HS2N_OK) {
    note_sent(r, to, type);
  }
  return rc;
}

static bool turn_all(const struct net *net) {
  for (uint32_t i = 0; i < net->n; i++) {
    if (net->r[i].io != NULL && hs2n_io_turn(net->r[i].io, 0) != HS2N_OK) {
      return false;
    }
  }
  return true;
}

/* The first turn of each sends what was sent from outside. */
bool net_run(struct net *net, bool (*done)(const struct net *net)) {
  const hs2n_time end = hs2n_io_now() + NET_LIMIT;

  if (!turn_all(net)) {
    return false;
  }
  while (!done(net)) {
    struct epoll_event events[NET_MAX];
    const int n = epoll_wait(net->epoll_fd, events, NET_MAX, 1000);

    if (hs2n_io_now() > end) {
      fprintf(stderr, "# time is up: received=%u acked=%u\n", net_received(net),
              net_acked(net));
      return false;
    }
    for (int i = 0; i < n; i++) {
      if (hs2n_io_turn(net->r[events[i].data.u32].io, 0) != HS2N_OK) {
        return false;
      }
    }
  }
  return true;
}

bool net_all_up(const struct net *net) {
  for (uint32_t i = 0; i < net->n; i++) {
    const struct net_replica *r = &net->r[i];

    if (r->io != NULL && r->ups < r->downs + net->n - 1) {
      return false;
    }
  }
  return true;
}

unsigned net_received(const struct net *net) {
  unsigned sum = 0;

  for (uint32_t i = 0; i < net->n; i++) {
    sum += net->r[i].received;
  }
  return sum;
}

unsigned net_acked(const struct net *net) {
  unsigned sum = 0;

  for (uint32_t i = 0; i < net->n; i++) {
    sum += net->r[i].acked;
  }
  return sum;
}

bool net_is_clean(const struct net *net) {
  for (uint32_t i = 0; i < net->n; i++) {
    if (net->r[i].wrong != 0 || net->r[i].ended_otherwise != 0) {
      return false;
    }
  }
  return true;
}

/* ---- how long it takes --------------------------------------------------- */

static bool all_heard(const struct net *net) {
  for (uint32_t to = 0; to < net->n; to++) {
    for (uint32_t from = 0; from < net->n; from++) {
      if (from != to && net->r[to].heard[from] == 0) {
        return false;
      }
    }
  }
  return true;
}

bool net_round(struct net *net, hs2n_time *out, size_t *count, size_t max) {
  hs2n_time sent[NET_MAX];

  for (uint32_t i = 0; i < net->n; i++) {
    memset(net->r[i].heard, 0, sizeof(net->r[i].heard));
  }
  for (uint32_t i = 0; i < net->n; i++) {
    sent[i] = hs2n_io_now();
    if (net_send(&net->r[i], NET_MAX, NET_VOTE, 150) != HS2N_OK ||
        hs2n_io_turn(net->r[i].io, 0) != HS2N_OK) {
      return false;
    }
  }
  if (!net_run(net, all_heard)) {
    return false;
  }
  for (uint32_t to = 0; to < net->n; to++) {
    for (uint32_t from = 0; from < net->n; from++) {
      if (from != to && *count < max) {
        out[(*count)++] = net->r[to].heard[from] - sent[from];
      }
    }
  }
  return true;
}

static int by_size(const void *a, const void *b) {
  const hs2n_time x = *(const hs2n_time *)a;
  const hs2n_time y = *(const hs2n_time *)b;

  return (x > y) - (x < y);
}

hs2n_time net_percentile(hs2n_time *values, size_t count, unsigned percent) {
  qsort(values, count, sizeof(*values), by_size);
  return count == 0 ? 0 : values[(count - 1) * percent / 100];
}
