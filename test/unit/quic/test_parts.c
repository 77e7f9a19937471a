/* The parts of lib/quic that need no connection. */
#include "quic/endpoint.h"
#include "tap.h"
#include "test_env.h"

#include <stdlib.h>

static struct hs2n_addr v4(uint8_t last, uint16_t port) {
  return (struct hs2n_addr){
      .family = HS2N_FAMILY_IPV4, .ip = {192, 0, 2, last}, .port = port};
}

/* ---- rates -------------------------------------------------------------- */

static void a_rate_gives_its_burst_and_then_its_rate(void) {
  struct hs2ni_rate r = {0};
  unsigned taken = 0;

  for (unsigned i = 0; i < 100; i++) {
    taken += hs2ni_rate_take(&r, HS2N_S(5), 10, 20);
  }
  CHECK_EQ(taken, 20);
  taken = 0;
  for (unsigned ms = 0; ms < 2000; ms++) {
    taken += hs2ni_rate_take(&r, HS2N_S(5) + HS2N_MS(ms), 10, 20);
  }
  CHECK_EQ(taken, 19); /* the 20th is due at 2,000 ms */
}

static void a_rate_of_zero_gives_nothing(void) {
  struct hs2ni_rate r = {0};

  CHECK(!hs2ni_rate_take(&r, HS2N_S(5), 0, 20));
  CHECK(!hs2ni_rate_take(&r, HS2N_S(5), 10, 0));
}

/* Never more than burst + rate x time in any window, whatever the calls. */
static void a_rate_keeps_to_its_bound_in_random_walks(void) {
  struct hs2ni_rng rng;

  hs2ni_rng_seed(&rng, 4);
  for (unsigned walk = 0; walk < 200; walk++) {
    const uint32_t per_s = 1 + (uint32_t)hs2ni_rng_below(&rng, 1000);
    const uint32_t burst = 1 + (uint32_t)hs2ni_rng_below(&rng, 50);
    struct hs2ni_rate r = {0};
    hs2n_time now = HS2N_S(1);
    uint64_t taken = 0;

    for (unsigned i = 0; i < 500; i++) {
      taken += hs2ni_rate_take(&r, now, per_s, burst);
      now += hs2ni_rng_below(&rng, HS2N_MS(3));
    }
    CHECK(taken <= burst + (now - HS2N_S(1)) * per_s / HS2N_S(1) + 1);
  }
}

/* ---- sources ------------------------------------------------------------ */

static void a_source_is_an_ipv4_address_or_an_ipv6_64(void) {
  struct test_env t;
  struct hs2ni_sources s;
  struct hs2n_addr a = {.family = HS2N_FAMILY_IPV6, .ip = {0x20, 1}};
  struct hs2n_addr b = a;
  const struct hs2n_addr c = v4(1, 1);
  const struct hs2n_addr d = v4(1, 2);
  const struct hs2n_addr e = v4(2, 1);

  test_env_init(&t, 0, 1);
  REQUIRE(hs2ni_sources_init(&s, &t.env) == HS2N_OK);
  b.ip[15] = 9;
  CHECK(hs2ni_source_of(&s, &a) == hs2ni_source_of(&s, &b));
  b.ip[7] = 9;
  CHECK(hs2ni_source_of(&s, &a) != hs2ni_source_of(&s, &b));
  CHECK(hs2ni_source_of(&s, &c) == hs2ni_source_of(&s, &d));
  CHECK(hs2ni_source_of(&s, &c) != hs2ni_source_of(&s, &e));
  hs2ni_sources_fini(&s, &t.env);
  CHECK_EQ(t.mem.live_bytes, 0);
}

/* A million forged addresses push out each other, not those we know. */
static void strangers_do_not_push_out_known_sources(void) {
  struct test_env t;
  struct hs2ni_sources s;
  unsigned kept = 0;

  test_env_init(&t, 0, 2);
  REQUIRE(hs2ni_sources_init(&s, &t.env) == HS2N_OK);
  for (uint8_t i = 0; i < 32; i++) {
    const struct hs2n_addr a = v4(i, 1);

    hs2ni_source_of(&s, &a)->known = true;
  }
  for (uint32_t i = 0; i < 1000000; i++) {
    const struct hs2n_addr a = {.family = HS2N_FAMILY_IPV4,
                                .ip = {10, (uint8_t)(i >> 16 & 0xffu),
                                       (uint8_t)(i >> 8 & 0xffu),
                                       (uint8_t)(i & 0xffu)}};

    (void)hs2ni_source_of(&s, &a);
  }
  for (uint8_t i = 0; i < 32; i++) {
    const struct hs2n_addr a = v4(i, 1);

    kept += hs2ni_source_of(&s, &a)->known;
  }
  CHECK_EQ(kept, 32);
  hs2ni_sources_fini(&s, &t.env);
}

/* ---- tokens ------------------------------------------------------------- */

struct token_world {
  struct test_env t;
  struct hs2ni_quic ep;
  struct hs2n_addr addr;
  ngtcp2_cid odcid;
  ngtcp2_pkt_hd hd; /* as a client would show it */
  uint8_t token[HS2NI_QUIC_TOKEN_LEN];
};

static void token_world(struct token_world *w) {
  memset(w, 0, sizeof(*w));
  test_env_init(&w->t, 0, 3);
  w->ep.env = &w->t.env;
  w->addr = v4(7, 4711);
  ngtcp2_cid_init(&w->odcid, (const uint8_t *)"original-dcid", 13);
  ngtcp2_cid_init(&w->hd.dcid, (const uint8_t *)"retryscd", 8);
  CHECK_EQ(
      hs2ni_quic_token_make(&w->ep, &w->addr, &w->odcid, &w->hd.dcid, w->token),
      HS2N_OK);
  w->hd.token = w->token;
  w->hd.tokenlen = sizeof(w->token);
}

static enum hs2ni_quic_token_verdict verdict(struct token_world *w) {
  ngtcp2_cid odcid;
  const enum hs2ni_quic_token_verdict v =
      hs2ni_quic_token_check(&w->ep, &w->addr, &w->hd, &odcid);

  if (v == HS2NI_QUIC_TOKEN_GOOD) {
    CHECK(ngtcp2_cid_eq(&odcid, &w->odcid));
  }
  return v;
}

static void a_token_is_good_where_it_was_given(void) {
  struct token_world w;

  token_world(&w);
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_GOOD);
  w.t.env.now += HS2N_S(10);
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_GOOD);
  w.t.env.now += 1;
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_BAD);
}

static void a_token_is_bad_from_another_address_or_id(void) {
  struct token_world w;

  token_world(&w);
  w.addr.port++;
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_BAD);
  w.addr.port--;
  w.addr.ip[0] ^= 1;
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_BAD);
  w.addr.ip[0] ^= 1;
  w.hd.dcid.data[0] ^= 1;
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_BAD);
}

static void every_prefix_and_every_flipped_bit_of_a_token_is_refused(void) {
  struct token_world w;

  token_world(&w);
  for (size_t len = 0; len < sizeof(w.token); len++) {
    w.hd.tokenlen = len;
    CHECK(verdict(&w) != HS2NI_QUIC_TOKEN_GOOD);
  }
  w.hd.tokenlen = sizeof(w.token);
  for (size_t bit = 0; bit < 8 * sizeof(w.token); bit++) {
    w.token[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(verdict(&w) != HS2NI_QUIC_TOKEN_GOOD);
    w.token[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_GOOD);
}

/* Keys change each minute; a token lives through one change. */
static void a_token_outlives_one_change_of_keys(void) {
  struct token_world w;
  uint8_t other[HS2NI_QUIC_TOKEN_LEN];

  token_world(&w);
  w.t.env.now += HS2N_S(59);
  CHECK_EQ(hs2ni_quic_token_make(&w.ep, &w.addr, &w.odcid, &w.hd.dcid, w.token),
           HS2N_OK);
  w.t.env.now += HS2N_S(2);
  CHECK_EQ(hs2ni_quic_token_make(&w.ep, &w.addr, &w.odcid, &w.hd.dcid, other),
           HS2N_OK);
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_GOOD);
  memcpy(w.token, other, sizeof(other));
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_GOOD);
}

static void without_randomness_no_token_is_made(void) {
  struct token_world w;

  memset(&w, 0, sizeof(w));
  test_env_init(&w.t, 0, 3);
  w.t.rand_fails = true;
  w.ep.env = &w.t.env;
  CHECK_EQ(hs2ni_quic_token_make(&w.ep, &w.addr, &w.odcid, &w.hd.dcid, w.token),
           HS2N_ERR_RANDOM);
  /* and none is accepted under a key that was never drawn */
  memset(w.token, 0, sizeof(w.token));
  w.token[0] = 0xd2;
  w.hd.token = w.token;
  w.hd.tokenlen = sizeof(w.token);
  CHECK_EQ(verdict(&w), HS2NI_QUIC_TOKEN_BAD);
}

/* ---- keyed hash --------------------------------------------------------- */

/* RFC 4231, test case 2, with the key padded to 32 bytes by zeros, which
 * HMAC does anyway. */
static void hmac_is_that_of_rfc_4231(void) {
  static const uint8_t want[32] = {
      0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
      0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
      0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
  const uint8_t key[32] = "Jefe";
  const struct hs2n_span parts[] = {
      {(const uint8_t *)"what do ya want ", 16},
      {(const uint8_t *)"for nothing?", 12},
  };
  uint8_t got[32];

  hs2ni_quic_hmac(key, parts, 2, got);
  CHECK_MEM(got, want, 32);
}

static void reset_tokens_depend_on_key_and_id(void) {
  struct hs2ni_quic ep = {.reset_key = {1}};
  uint8_t a[16];
  uint8_t b[16];

  hs2ni_quic_reset_token(&ep, (const uint8_t *)"12345678", 8, a);
  hs2ni_quic_reset_token(&ep, (const uint8_t *)"12345678", 8, b);
  CHECK_MEM(a, b, 16);
  hs2ni_quic_reset_token(&ep, (const uint8_t *)"12345679", 8, b);
  CHECK(memcmp(a, b, 16) != 0);
  ep.reset_key[31] = 1;
  hs2ni_quic_reset_token(&ep, (const uint8_t *)"12345678", 8, b);
  CHECK(memcmp(a, b, 16) != 0);
}

/* ---- addresses and memory ----------------------------------------------- */

static void addresses_survive_the_way_through_ngtcp2(void) {
  static const struct hs2n_addr cases[] = {
      {.family = HS2N_FAMILY_IPV4, .ip = {1, 2, 3, 4}, .port = 0x1234},
      {.family = HS2N_FAMILY_IPV6,
       .ip = {0xfe, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
       .port = 65535,
       .scope = 3},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const struct hs2ni_quic ep = {.local = v4(1, 1)};
    struct hs2ni_quic_path path;
    struct hs2n_addr got;

    hs2ni_quic_path_set(&path, &ep, &cases[i]);
    hs2ni_quic_addr_get(&got, &path.path.remote);
    CHECK_EQ(got.family, cases[i].family);
    CHECK_MEM(got.ip, cases[i].ip, 16);
    CHECK_EQ(got.port, cases[i].port);
    CHECK_EQ(got.scope, cases[i].scope);
    hs2ni_quic_addr_get(&got, &path.path.local);
    CHECK_EQ(got.ip[0], 192);
    CHECK_EQ(got.port, 1);
  }
}

/* Random allocations of every kind, against what libc would do. */
static void memory_keeps_lengths_and_contents(void) {
  struct test_env t;
  struct hs2ni_rng rng;
  ngtcp2_mem mem;
  uint8_t *blocks[64] = {0};
  size_t lens[64] = {0};

  test_env_init(&t, 0, 5);
  hs2ni_rng_seed(&rng, 5);
  hs2ni_quic_mem_init(&mem, &t.env);
  for (unsigned i = 0; i < 20000; i++) {
    const size_t k = (size_t)hs2ni_rng_below(&rng, 64);
    const size_t len = 1 + (size_t)hs2ni_rng_below(&rng, 3000);
    const size_t kept = len < lens[k] ? len : lens[k];

    if (hs2ni_rng_below(&rng, 3) == 0) {
      mem.free(blocks[k], mem.user_data);
      blocks[k] = mem.calloc(len, 1, mem.user_data);
    } else {
      blocks[k] = mem.realloc(blocks[k], len, mem.user_data);
      for (size_t n = 0; n < kept; n++) {
        CHECK(blocks[k][n] == (uint8_t)k);
      }
    }
    memset(blocks[k], (int)k, len);
    lens[k] = len;
  }
  for (size_t k = 0; k < 64; k++) {
    mem.free(blocks[k], mem.user_data);
  }
  CHECK_EQ(t.mem.live_bytes, 0);
}

static void memory_refuses_what_overflows(void) {
  struct test_env t;
  ngtcp2_mem mem;

  test_env_init(&t, 0, 5);
  hs2ni_quic_mem_init(&mem, &t.env);
  CHECK(mem.malloc(SIZE_MAX, mem.user_data) == NULL);
  CHECK(mem.calloc(SIZE_MAX / 2, 3, mem.user_data) == NULL);
  CHECK_EQ(t.mem.requests, 0);
}

int main(void) {
  RUN(a_rate_gives_its_burst_and_then_its_rate);
  RUN(a_rate_of_zero_gives_nothing);
  RUN(a_rate_keeps_to_its_bound_in_random_walks);
  RUN(a_source_is_an_ipv4_address_or_an_ipv6_64);
  RUN(strangers_do_not_push_out_known_sources);
  RUN(a_token_is_good_where_it_was_given);
  RUN(a_token_is_bad_from_another_address_or_id);
  RUN(every_prefix_and_every_flipped_bit_of_a_token_is_refused);
  RUN(a_token_outlives_one_change_of_keys);
  RUN(without_randomness_no_token_is_made);
  RUN(hmac_is_that_of_rfc_4231);
  RUN(reset_tokens_depend_on_key_and_id);
  RUN(addresses_survive_the_way_through_ngtcp2);
  RUN(memory_keeps_lengths_and_contents);
  RUN(memory_refuses_what_overflows);
  return tap_done();
}
