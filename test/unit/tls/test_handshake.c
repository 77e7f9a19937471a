#include "pair.h"

#include "tap.h"

static void both_ends_learn_each_other_s_key(void) {
  struct pair p;
  struct hs2n_key a;
  struct hs2n_key b;

  pair_connect(&p, 1);
  a = hs2n_identity_key(p.client.identity);
  b = hs2n_identity_key(p.server.identity);
  CHECK_EQ(p.client.error, 0);
  CHECK_EQ(p.server.error, 0);
  CHECK(p.client.completed && p.server.completed);
  CHECK(p.client.confirmed);
  CHECK_MEM(p.client.peer.bytes, b.bytes, HS2N_KEY_LEN);
  CHECK_MEM(p.server.peer.bytes, a.bytes, HS2N_KEY_LEN);
  pair_fini(&p);
}

int main(void) {
  RUN(both_ends_learn_each_other_s_key);
  return tap_done();
}
