/* A node against another QUIC stack and another reading of docs/wire-format.md:
 * peer.go, which is quic-go.  The node runs here, over the public API and
 * loopback; the peer is a program of its own, given as argv[1].
 *
 * Each case ends when both ends have what they want.  The peer gives up after
 * 30 seconds, which is the bound of everything here. */
#include "tap.h"

#include <hs2net/hs2net.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REQUEST = 1, ECHO = 2, BODY_MAX = 1 << 20, ARGS_MAX = 12 };

static const struct hs2n_type types[] = {
    {.id = REQUEST, .lane = HS2N_LANE_PROPOSAL, .size_max = BODY_MAX},
    {.id = ECHO, .lane = HS2N_LANE_SYNC, .size_max = BODY_MAX},
};

/* What the peer said. */
struct said {
  bool done;
  bool closed;
  unsigned port;
  unsigned hellos;
  unsigned bodies;
  unsigned retries; /* sent or received */
  unsigned key_updates;
  unsigned datagrams; /* it may send them */
  unsigned datagrams_taken;
  char close[64];
};

struct world {
  const char *program;
  struct hs2n_identity *identity;
  struct hs2n_identity *peer_identity;
  struct hs2n_io *io;
  struct hs2n_peer peer;
  struct hs2n_buf *body; /* of the node's own request */
  pid_t pid;
  int pipe;
  char line[256];
  size_t line_len;
  struct said said;
  unsigned taken; /* requests of the peer */
  unsigned taken_unordered;
  unsigned echoes;
  bool acked;
  bool down;
  enum hs2n_reason down_reason;
  struct hs2n_addr first_remote;
  struct hs2n_addr last_remote;
  struct hs2n_stats stats; /* at the end */
};

/* ---- the node --------------------------------------------------------- */

static int fixed_seed(void *user_data, uint8_t *out, size_t len) {
  const uint8_t *byte = user_data;

  memset(out, *byte, len);
  return 0;
}

static struct hs2n_identity *identity_of(uint8_t byte) {
  struct hs2n_identity *identity = NULL;

  return hs2n_identity_generate(&identity, hs2n_mem_libc(), fixed_seed,
                                &byte) == HS2N_OK
             ? identity
             : NULL;
}

static struct hs2n_addr remote_of(const struct world *w) {
  struct hs2n_peer_info info = {.struct_size = sizeof(info)};

  return hs2n_peer_info(hs2n_io_node(w->io), w->peer, &info) == HS2N_OK
             ? info.remote
             : (struct hs2n_addr){0};
}

static bool same_bytes(const struct hs2n_buf *a, const struct hs2n_buf *b) {
  const struct hs2n_span x = hs2n_buf_span(a);
  const struct hs2n_span y = hs2n_buf_span(b);

  return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct world *w = self;
  const struct hs2n_dst back = {.kind = HS2N_DST_PEER, .peer = from};
  const struct hs2n_msg echo = {.type = ECHO,
                                .flags =
                                    id.unordered ? HS2N_MSG_DATAGRAM_OK : 0,
                                .body = msg->body};

  w->last_remote = remote_of(w);
  if (w->taken + w->echoes == 0) {
    w->first_remote = w->last_remote;
  }
  if (msg->type == ECHO) {
    w->echoes += same_bytes(msg->body, w->body);
    return HS2N_ACCEPT;
  }
  w->taken++;
  w->taken_unordered += id.unordered;
  return hs2n_send(hs2n_io_node(w->io), &back, &echo, NULL) == HS2N_OK
             ? HS2N_ACCEPT
             : HS2N_BUSY;
}

static void on_done(void *self, struct hs2n_tag tag,
                    const struct hs2n_done *done) {
  struct world *w = self;

  (void)tag;
  w->acked = done->outcome == HS2N_DONE_ACKED;
}

static void on_peer(void *self, struct hs2n_peer peer,
                    enum hs2n_peer_state state, enum hs2n_reason reason) {
  struct world *w = self;

  (void)peer;
  if (state == HS2N_PEER_DOWN && !w->down) {
    w->down = true;
    w->down_reason = reason;
  }
}

static bool node_start(struct world *w, uint32_t half_open_free_max) {
  struct hs2n_consensus consensus = HS2N_CONSENSUS_INIT;
  struct hs2n_io_config io;
  struct hs2n_config node;
  struct hs2n_limits limits;

  consensus.self = w;
  consensus.on_message = on_message;
  consensus.on_done = on_done;
  consensus.on_peer = on_peer;
  w->identity = identity_of(1);
  w->peer_identity = identity_of(2);
  hs2n_limits_default(&limits);
  limits.half_open_free_max = half_open_free_max;
  hs2n_io_config_default(&io);
  hs2n_config_default(&node);
  node.identity = w->identity;
  node.chain_id = "interop-1";
  node.types = types;
  node.types_n = sizeof(types) / sizeof(types[0]);
  node.limits = &limits;
  node.consensus = &consensus;
  return w->identity != NULL && w->peer_identity != NULL &&
         hs2n_addr_parse("127.0.0.1:0", &io.listen) == HS2N_OK &&
         hs2n_io_new(&w->io, &io, &node, NULL) == HS2N_OK;
}

/* Names the peer as a member: with an address it is dialled. */
static bool meet(struct world *w, const struct hs2n_addr *addr) {
  const struct hs2n_key key = hs2n_identity_key(w->peer_identity);
  const struct hs2n_peer_id id = hs2n_key_peer_id(&key);
  const struct hs2n_member member = {
      .key = key, .weight = 1, .addrs = addr, .addrs_n = addr != NULL};
  struct hs2n_node *node = hs2n_io_node(w->io);

  return hs2n_set_members(node, 1, &member, 1, 0) == HS2N_OK &&
         hs2n_peer_find(node, &id, &w->peer) == HS2N_OK;
}

/* Waits in the node until the peer is there. */
static bool send_request(struct world *w, size_t len) {
  const struct hs2n_dst dst = {.kind = HS2N_DST_PEER, .peer = w->peer};
  struct hs2n_msg msg = {.type = REQUEST, .flags = HS2N_MSG_ACK};
  struct hs2n_tag tag;
  uint8_t *data;

  if (hs2n_buf_alloc(&w->body, hs2n_mem_libc(), len, &data) != HS2N_OK) {
    return false;
  }
  for (size_t i = 0; i < len; i++) {
    data[i] = (uint8_t)(i * 7u);
  }
  msg.body = w->body;
  return hs2n_send(hs2n_io_node(w->io), &dst, &msg, &tag) == HS2N_OK;
}

/* ---- the peer --------------------------------------------------------- */

static bool peer_start(struct world *w, const char *const *args) {
  char port[8];
  char *argv[ARGS_MAX + 4] = {NULL};
  size_t n = 0;
  int ends[2];

  if (pipe(ends) != 0) {
    return false;
  }
  snprintf(port, sizeof(port), "%u", (unsigned)hs2n_io_local(w->io).port);
  w->pipe = ends[0];
  w->pid = fork();
  if (w->pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    argv[n++] = (char *)(uintptr_t)w->program;
    for (; *args != NULL; args++) {
      argv[n++] =
          (char *)(uintptr_t)(strcmp(*args, "PORT") == 0 ? port : *args);
    }
    execv(w->program, argv);
    _exit(127);
  }
  close(ends[1]);
  return w->pid > 0;
}

static void understand(struct world *w, const char *line) {
  struct said *s = &w->said;

  if (strncmp(line, "port ", 5) == 0) {
    s->port = (unsigned)strtoul(line + 5, NULL, 10);
  } else if (strncmp(line, "closed ", 7) == 0) {
    snprintf(s->close, sizeof(s->close), "%.60s\n", line + 7);
  } else if (strncmp(line, "failed", 6) == 0) {
    TAP_WRONG("# peer %s\n", line);
  }
  s->done |= strcmp(line, "done") == 0;
  s->hellos += strcmp(line, "hello") == 0;
  s->bodies += strcmp(line, "body") == 0;
  s->retries += strcmp(line, "retry") == 0;
  s->key_updates += strcmp(line, "key-update") == 0;
  s->datagrams += strcmp(line, "datagrams true") == 0;
  s->datagrams_taken += strcmp(line, "datagram") == 0;
}

static void hear(struct world *w) {
  char space[512];
  const ssize_t n = read(w->pipe, space, sizeof(space));

  w->said.closed = n <= 0;
  for (ssize_t i = 0; i < n; i++) {
    if (space[i] == '\n') {
      w->line[w->line_len] = '\0';
      w->line_len = 0;
      understand(w, w->line);
    } else if (w->line_len < sizeof(w->line) - 1) {
      w->line[w->line_len++] = space[i];
    }
  }
}

/* ---- both ------------------------------------------------------------- */

static bool has_port(const struct world *w) {
  return w->said.port != 0;
}
static bool is_down(const struct world *w) {
  return w->down;
}
static bool is_gone(const struct world *w) {
  return w->said.closed;
}

static bool both_done(const struct world *w) {
  return w->said.done && w->echoes == 1 && w->acked;
}

/* Runs the node until what is wanted is there, or the peer has gone. */
static bool drive(struct world *w, bool (*wanted)(const struct world *w)) {
  while (!wanted(w)) {
    struct pollfd fds[] = {{.fd = hs2n_io_fd(w->io), .events = POLLIN},
                           {.fd = w->pipe, .events = POLLIN}};

    if (w->said.closed || hs2n_io_turn(w->io, 0) != HS2N_OK ||
        poll(fds, 2, -1) < 0) {
      return false;
    }
    if (fds[1].revents != 0) {
      hear(w);
    }
  }
  return true;
}

/* Starts both; with listen it is the node that dials. */
static bool start(struct world *w, const char *const *args,
                  uint32_t half_open_free_max, bool listen) {
  struct hs2n_addr addr;

  if (!node_start(w, half_open_free_max) || !peer_start(w, args)) {
    return false;
  }
  if (!listen) {
    return meet(w, NULL);
  }
  if (!drive(w, has_port)) {
    return false;
  }
  addr = hs2n_io_local(w->io);
  addr.port = (uint16_t)w->said.port;
  return meet(w, &addr);
}

static void stop(struct world *w) {
  int status = -1;

  if (w->io != NULL) {
    w->stats.struct_size = sizeof(w->stats);
    hs2n_node_stats(hs2n_io_node(w->io), &w->stats);
    hs2n_io_stop(w->io);
    CHECK_EQ(hs2n_io_run(w->io), HS2N_OK);
  }
  if (w->pid > 0) {
    while (!w->said.closed) {
      hear(w);
    }
    waitpid(w->pid, &status, 0);
    close(w->pipe);
  }
  CHECK_EQ(status, 0);
  hs2n_buf_unref(w->body);
  hs2n_io_free(w->io);
  hs2n_identity_free(w->identity);
  hs2n_identity_free(w->peer_identity);
}

/* Requests, echoes and acks both ways, with the node's request of len bytes;
 * then the node ends the connection. */
static void converse(struct world *w, const char *const *args,
                     uint32_t half_open_free_max, bool listen, size_t len) {
  CHECK(start(w, args, half_open_free_max, listen) && send_request(w, len) &&
        drive(w, both_done));
  CHECK(w->acked);
  CHECK_EQ(w->echoes, 1);
  CHECK_EQ(w->down, false);
  stop(w);
  CHECK_EQ(w->said.hellos, 1);
  CHECK_TEXT(w->said.close, "application 0x1 remote=true\n"); /* SHUTDOWN */
  CHECK_EQ(w->stats.connections_opened, 1);
  CHECK_EQ(w->stats.handshakes_failed, 0);
  CHECK_EQ(w->stats.protocol_errors, 0);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WORLD \
  { .program = peer_program }

static const char *peer_program;

/* covers: H07 */
static void quic_go_dials_and_messages_are_echoed_both_ways(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT", "-requests", "20"), 64, false, 100);
  CHECK_EQ(w.taken, 20);
  CHECK_EQ(w.said.retries, 0);
}

static void quic_go_is_dialled_and_messages_are_echoed_both_ways(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-requests", "20"), 64, true, 100);
  CHECK_EQ(w.taken, 20);
  CHECK_EQ(w.stats.dials, 1);
}

/* covers: H07 */
static void a_retry_of_the_node_is_followed(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT"), 0, false, 100);
  CHECK_EQ(w.said.retries, 1);
  CHECK_EQ(w.stats.retries_sent, 1);
}

/* covers: H07 */
static void a_retry_of_quic_go_is_followed(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-retry"), 64, true, 100);
  CHECK_EQ(w.said.retries, 1);
  CHECK_EQ(w.stats.dials, 1);
}

static void large_bodies_have_streams_of_their_own_both_ways(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT", "-requests", "3", "-size", "1048576"), 64,
           false, BODY_MAX);
  CHECK_EQ(w.taken, 3);
  CHECK_EQ(w.said.bodies, 4); /* three echoes and the node's own request */
}

/* covers: H07 */
static void key_updates_of_quic_go_are_followed(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT", "-requests", "300", "-key-update", "100"),
           64, false, 100);
  CHECK_EQ(w.taken, 300);
  CHECK(w.said.key_updates >= 2);
}

/* covers: H07 */
static void a_changed_address_of_quic_go_is_followed(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT", "-requests", "40", "-rebind"), 64, false,
           100);
  CHECK_EQ(w.taken, 40);
  CHECK(w.first_remote.port != 0);
  CHECK(w.last_remote.port != w.first_remote.port);
}

/* Each of quic-go's comes on a stream too, and is taken once. */
/* covers: H07 */
static void messages_are_echoed_in_datagrams(void) {
  struct world w = WORLD;

  converse(&w, ARGS("-port", "PORT", "-requests", "6", "-datagrams", "3"), 64,
           false, 100);
  CHECK_EQ(w.said.datagrams, 1);
  CHECK_EQ(w.taken_unordered, 15);
  CHECK_EQ(w.taken, 21);
  CHECK_EQ(w.stats.messages_duplicate, 15);
  CHECK_EQ(w.stats.messages_datagram, 15);
  CHECK_EQ(w.said.datagrams_taken, 15);
}

/* The peer dials and is refused in its handshake or right behind it. */
static void refused(struct world *w, const char *const *args,
                    const char *close) {
  CHECK(start(w, args, 64, false) && drive(w, is_gone));
  stop(w);
  CHECK_TEXT(w->said.close, close);
  CHECK_EQ(w->taken, 0);
}

static void another_alpn_is_refused(void) {
  struct world w = WORLD;

  refused(&w, ARGS("-port", "PORT", "-alpn", "h3"),
          "transport 0x178 remote=true\n");
  CHECK_EQ(w.stats.refused_alpn, 1);
}

static void another_chain_is_refused(void) {
  struct world w = WORLD;

  refused(&w, ARGS("-port", "PORT", "-chain", "interop-2"),
          "transport 0x170 remote=true\n");
  CHECK_EQ(w.stats.refused_chain, 1);
}

static void a_key_of_no_member_is_refused(void) {
  struct world w = WORLD;

  refused(&w, ARGS("-port", "PORT", "-seed", "3"),
          "application 0x3 remote=true\n");
  CHECK_EQ(w.stats.refused_not_member, 1);
}

static void another_key_at_the_dialled_address_is_refused(void) {
  struct world w = WORLD;

  CHECK(start(&w, ARGS("-seed", "3"), 64, true) && drive(&w, is_down));
  CHECK_EQ(w.down_reason, HS2N_REASON_WRONG_KEY);
  stop(&w);
  CHECK_EQ(w.stats.refused_wrong_key, 1);
  CHECK_TEXT(w.said.close,
             "transport 0x12a remote=true\n"); /* bad certificate */
  CHECK_EQ(w.taken, 0);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    TAP_SAY("1..0 # SKIP no quic-go here: tools/setup --dev installs it\n");
    return 0;
  }
  peer_program = argv[1];
  RUN(quic_go_dials_and_messages_are_echoed_both_ways);
  RUN(quic_go_is_dialled_and_messages_are_echoed_both_ways);
  RUN(a_retry_of_the_node_is_followed);
  RUN(a_retry_of_quic_go_is_followed);
  RUN(large_bodies_have_streams_of_their_own_both_ways);
  RUN(key_updates_of_quic_go_are_followed);
  RUN(a_changed_address_of_quic_go_is_followed);
  RUN(messages_are_echoed_in_datagrams);
  RUN(another_alpn_is_refused);
  RUN(another_chain_is_refused);
  RUN(a_key_of_no_member_is_refused);
  RUN(another_key_at_the_dialled_address_is_refused);
  return tap_done();
}
