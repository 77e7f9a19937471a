/* What a node takes, beside what was computed before its start. */
#include "node/inside.h"
#include "tap.h"
#include "test_env.h"

/* covers: X8 */
static void tls_takes_what_is_counted_for_it(void) {
  struct hs2n_identity *identity;
  struct hs2ni_ledger ledger;
  struct hs2ni_tls *tls;
  struct test_env t;

  test_env_init(&t, 0, 1);
  CHECK_EQ(hs2n_identity_generate(&identity, hs2n_mem_libc(), t.env.rand,
                                  t.env.rand_data),
           HS2N_OK);
  hs2ni_ledger_init(&ledger, &t.mem.mem, UINT64_MAX);
  t.env.mem = &ledger.mem;
  CHECK_EQ(hs2ni_tls_new(&tls,
                         &(struct hs2ni_tls_config){.env = &t.env,
                                                    .identity = identity,
                                                    .chain_id = "chain",
                                                    .unix_time_s = 1900000000}),
           HS2N_OK);
  printf("# peak %.1f KiB, counted %.1f KiB\n",
         (double)ledger.peak_bytes / 1024,
         (double)hs2ni_tls_footprint() / 1024);
  CHECK(ledger.peak_bytes <= hs2ni_tls_footprint());
  CHECK(ledger.peak_bytes * 2 >= hs2ni_tls_footprint());
  hs2ni_tls_free(tls);
  hs2n_identity_free(identity);
  CHECK_EQ(t.mem.live_bytes, 0);
}

/* Without its connections, and without the closed ones that it remembers. */
static void an_endpoint_takes_what_is_counted_for_it(void) {
  const struct hs2ni_link_user user = {0};
  struct hs2ni_ledger ledger;
  struct hs2ni_link *link;
  struct test_env t;

  for (uint32_t peers = 1; peers <= 4096; peers *= 8) {
    test_env_init(&t, 0, 1);
    t.env.limits.peers_max = peers;
    hs2ni_ledger_init(&ledger, &t.mem.mem, UINT64_MAX);
    t.env.mem = &ledger.mem;
    CHECK_EQ(hs2ni_quic_new(&link, &(struct hs2ni_quic_config){.env = &t.env,
                                                               .user = &user}),
             HS2N_OK);
    CHECK(ledger.peak_bytes <= hs2ni_quic_footprint(&t.env.limits));
    CHECK(hs2ni_quic_footprint(&t.env.limits) - ledger.peak_bytes < 1u << 20);
    link->ops->free(link);
    CHECK_EQ(t.mem.live_bytes, 0);
  }
}

static void a_ledger_counts_what_it_refuses(void) {
  struct hs2ni_ledger ledger;
  struct test_mem mem;
  void *a;

  test_mem_init(&mem, 0);
  hs2ni_ledger_init(&ledger, &mem.mem, 100);
  a = ledger.mem.alloc(ledger.mem.user_data, 100);
  CHECK(a != NULL);
  CHECK_EQ(ledger.refused, 0);
  CHECK(ledger.mem.alloc(ledger.mem.user_data, 1) == NULL);
  CHECK_EQ(ledger.refused, 1);
  ledger.mem.release(ledger.mem.user_data, a, 100);
  CHECK_EQ(ledger.live_bytes, 0);
  CHECK_EQ(ledger.peak_bytes, 100);
}

int main(void) {
  RUN(tls_takes_what_is_counted_for_it);
  RUN(an_endpoint_takes_what_is_counted_for_it);
  RUN(a_ledger_counts_what_it_refuses);
  return tap_done();
}
