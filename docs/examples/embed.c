#include <hs2net/hs2net.h>
#include <stdio.h>

static const struct hs2n_type types[] = {
    {.id = 1, .lane = HS2N_LANE_VOTE, .size_max = 256, .name = "vote"},
};

static enum hs2n_verdict on_message(void *self, struct hs2n_peer from,
                                    struct hs2n_msg_id id,
                                    const struct hs2n_msg *msg) {
  printf("vote of view %llu from peer %u\n", (unsigned long long)msg->view,
         from.v);
  (void)self, (void)id;
  return HS2N_ACCEPT; /* only now is the sender told */
}

int main(void) {
  struct hs2n_config node;
  struct hs2n_io_config io;
  struct hs2n_identity *key = NULL;
  struct hs2n_io *driver = NULL;
  int err = hs2n_identity_generate(&key, hs2n_mem_libc(), hs2n_rand_system, 0);

  hs2n_io_config_default(&io);
  hs2n_config_default(&node);
  node.identity = key;
  node.chain_id = "mainnet-1";
  node.types = types;
  node.types_n = 1;
  node.consensus.on_message = on_message;
  if (err == HS2N_OK && (err = hs2n_io_new(&driver, &io, &node, NULL)) == 0) {
    /* hs2n_set_members(hs2n_io_node(driver), epoch, members, n, 0); */
    err = hs2n_io_turn(driver, HS2N_MS(10)); /* or hs2n_io_run, _start, _fd */
  }
  printf("%s\n", hs2n_err_text(err));
  hs2n_io_free(driver);
  hs2n_identity_free(key);
  return err != HS2N_OK;
}
