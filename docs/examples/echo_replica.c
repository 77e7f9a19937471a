/* Four replicas in one process, over real QUIC on loopback: each greets all
 * others, each greeting is echoed to its sender, and the program ends when
 * every echo has come back.
 *
 *   cc echo_replica.c $(pkg-config --cflags --libs hs2net) -o echo_replica */
#include <hs2net/hs2net.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLICAS = 4, GREETING = 1, ECHO = 2 };

static const struct hs2n_type types[] = {
    {.id = GREETING, .lane = HS2N_LANE_PROPOSAL, .size_max = 1024},
    {.id = ECHO, .lane = HS2N_LANE_VOTE, .size_max = 1024},
};

struct replica {
  struct hs2n_identity *identity;
  struct hs2n_io *io;
  struct hs2n_addr addr;
  int echoes;
};

static void must(const char *what, int err) {
  if (err < 0) {
    fprintf(stderr, "%s: %s\n", what, hs2n_err_text(err));
    exit(1);
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  struct replica *r = self;
  const struct hs2n_dst back = {.kind = HS2N_DST_PEER, .peer = from};
  const struct hs2n_msg echo = {.type = ECHO, .body = msg->body};

  (void)id;
  if (msg->type == ECHO) {
    r->echoes++;
    return HS2N_ACCEPT;
  }
  return hs2n_send(hs2n_io_node(r->io), &back, &echo, NULL) == HS2N_OK
             ? HS2N_ACCEPT
             : HS2N_BUSY; /* the sender tries again */
}

static void start(struct replica *r) {
  struct hs2n_io_config io;
  struct hs2n_config node;

  must("generate", hs2n_identity_generate(&r->identity, hs2n_mem_libc(),
                                          hs2n_rand_system, NULL));
  hs2n_io_config_default(&io);
  hs2n_config_default(&node);
  must("listen", hs2n_addr_parse("127.0.0.1:0", &io.listen));
  node.identity = r->identity;
  node.chain_id = "echo-1";
  node.types = types;
  node.types_n = sizeof(types) / sizeof(types[0]);
  node.consensus.self = r;
  node.consensus.on_message = on_message;
  must("start", hs2n_io_new(&r->io, &io, &node, NULL));
  r->addr = hs2n_io_local(r->io);
}

int main(void) {
  static struct replica r[REPLICAS];
  struct hs2n_member members[REPLICAS];
  int done = 0;

  for (int i = 0; i < REPLICAS; i++) {
    start(&r[i]);
    members[i] = (struct hs2n_member){.key = hs2n_identity_key(r[i].identity),
                                      .weight = 1,
                                      .addrs = &r[i].addr,
                                      .addrs_n = 1};
  }
  for (int i = 0; i < REPLICAS; i++) {
    struct hs2n_node *node = hs2n_io_node(r[i].io);
    const struct hs2n_dst all = {.kind = HS2N_DST_EPOCH, .epoch = 1};
    struct hs2n_msg greeting = {.type = GREETING};

    must("members", hs2n_set_members(node, 1, members, REPLICAS, 0));
    must("body", hs2n_buf_new(&greeting.body, hs2n_mem_libc(),
                              (struct hs2n_span){(const uint8_t *)"hi", 2}));
    must("send", hs2n_send(node, &all, &greeting, NULL)); /* queued until up */
    hs2n_buf_unref(greeting.body);
  }
  while (done < REPLICAS) {
    done = 0;
    for (int i = 0; i < REPLICAS; i++) {
      must("turn", hs2n_io_turn(r[i].io, HS2N_MS(1)));
      done += r[i].echoes == REPLICAS - 1;
    }
  }
  printf("%d replicas, every greeting echoed\n", REPLICAS);
  for (int i = 0; i < REPLICAS; i++) {
    hs2n_io_free(r[i].io);
    hs2n_identity_free(r[i].identity);
  }
  return 0;
}
