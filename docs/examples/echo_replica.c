/* Four replicas in one process, over real QUIC on loopback: each greets all
 * others, each greeting is echoed to its sender, and the program ends when
 * every echo has come back.
 *
 *   cc echo_replica.c $(pkg-config --cflags --libs hs2net) -o echo_replica */
#include <hs2net/hs2net.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 4, GREETING = 1, ECHO = 2 };

static const struct hs2n_type types[] = {
    {.id = GREETING, .lane = HS2N_LANE_PROPOSAL, .size_max = 1024},
    {.id = ECHO, .lane = HS2N_LANE_VOTE, .size_max = 1024},
};
static struct hs2n_io *io[N];
static int echoes;

static void must(int err) {
  if (err < 0) {
    exit(fprintf(stderr, "%s\n", hs2n_err_text(err)));
  }
}

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  const struct hs2n_dst back = {.kind = HS2N_DST_PEER, .peer = from};
  const struct hs2n_msg echo = {.type = ECHO, .body = msg->body};
  struct hs2n_io **me = self;

  (void)id;
  if (msg->type == GREETING) {
    must(hs2n_send(hs2n_io_node(*me), &back, &echo, NULL));
  }
  echoes += msg->type == ECHO;
  return HS2N_ACCEPT;
}

int main(void) {
  const struct hs2n_dst all = {.kind = HS2N_DST_EPOCH, .epoch = 1};
  struct hs2n_msg greeting = {.type = GREETING};
  struct hs2n_consensus consensus = HS2N_CONSENSUS_INIT;
  struct hs2n_identity *identity[N];
  struct hs2n_member members[N];
  struct hs2n_addr addr[N];
  struct hs2n_io_config io_config;
  struct hs2n_config config;

  hs2n_io_config_default(&io_config);
  hs2n_config_default(&config);
  consensus.on_message = on_message;
  config.consensus = &consensus;
  config.chain_id = "echo-1";
  config.types = types;
  config.types_n = sizeof(types) / sizeof(types[0]);
  must(hs2n_addr_parse("127.0.0.1:0", &io_config.listen));
  for (int i = 0; i < N; i++) {
    must(hs2n_identity_generate(&identity[i], hs2n_mem_libc(), hs2n_rand_system,
                                NULL));
    config.identity = identity[i];
    consensus.self = &io[i];
    must(hs2n_io_new(&io[i], &io_config, &config, NULL));
    addr[i] = hs2n_io_local(io[i]);
    members[i] =
        (struct hs2n_member){hs2n_identity_key(identity[i]), 1, &addr[i], 1};
  }
  for (int i = 0; i < N; i++) {
    must(hs2n_set_members(hs2n_io_node(io[i]), 1, members, N, 0));
    must(hs2n_send(hs2n_io_node(io[i]), &all, &greeting, NULL));
  }
  for (int i = 0; echoes < N * (N - 1); i = (i + 1) % N) {
    must(hs2n_io_turn(io[i], HS2N_MS(1)));
  }
  printf("%d replicas, every greeting echoed\n", N);
  for (int i = 0; i < N; i++) {
    hs2n_io_free(io[i]);
    hs2n_identity_free(identity[i]);
  }
  return 0;
}
